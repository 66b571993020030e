/*
 * Our own small portmapper, for machines where none runs: versions 2, 3 and 4 of program 100000.
 * Programs of this machine may register with it too; nobody else can change it, and it calls
 * nobody.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_NFS3_PORTMAP_H
#define TRIVET_NFS3_PORTMAP_H

#include "backend/rpc/rpc.h"
#include "frontends/nfs3/rpcbind.h"

struct portmap;

#define PORTMAP_PROGRAMS 3

/* A service to be found: a program that listens on one port of one transport. */
struct portmap_entry {
    uint32_t program;
    uint32_t version;
    char netid[PORTMAP_NETID_MAX + 1];  /* "tcp", "udp", "tcp6", "udp6" … */
    char host[PORTMAP_ADDRESS_MAX + 1]; /* as in a universal address; "0.0.0.0", "::": any */
    uint16_t port;
};

int portmap_new(struct portmap **out_portmap);
const struct rpc_program *portmap_program(const struct portmap *portmap, size_t index);
void portmap_free(struct portmap *portmap);

/*
 * Add an entry. Threads: any.
 *
 * Fails: -EEXIST: program, version and netid are registered for another port; -ENOSPC.
 */
int portmap_set(struct portmap *portmap, const struct portmap_entry *entry, const char *owner);

#endif
