/*
 * The gateway as a whole: NFS, MOUNT and the portmapper over one loop, listening and registered.
 * A program, or a test, gives it settings and exports; nothing here knows of processes or files.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_NFS3_SERVER_H
#define TRIVET_NFS3_SERVER_H

#include "frontends/nfs3/settings.h"

struct nfs3_server;

struct nfs3_server_ports {
    uint16_t nfs_tcp, nfs_udp, mount_tcp, mount_udp;
    uint16_t portmap_tcp, portmap_udp; /* 0: not ours */
};

/*
 * Listen, begin to open the volumes, register with the portmapper or be it.
 *
 * Owns:    settings and exports stay the caller's and outlive the server.
 * Threads: starts its own; the caller's must not be one of them.
 * Fails:   -EADDRINUSE and others of rpc.h's and portmap_register.h's, with what to do in
 * out_error.
 */
int nfs3_server_start(const struct settings *settings, struct exports *exports,
                      struct nfs3_server **out_server, char *out_error, size_t size);

void nfs3_server_ports(const struct nfs3_server *server, struct nfs3_server_ports *out_ports);

/* "own", "register" or "off": what came of the setting auto. */
const char *nfs3_server_portmap(const struct nfs3_server *server);

/*
 * Unregister, stop reading, drop the calls that wait for their volumes, free everything. Never
 * waits for a volume. NULL is allowed.
 */
void nfs3_server_stop(struct nfs3_server *server);

#endif
