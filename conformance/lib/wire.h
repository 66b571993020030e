/*
 * Calls byte by byte (RFC 5531), for what libnfs cannot say: any transaction id, credentials,
 * program, version, procedure and arguments, over TCP or datagrams, from any source port.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_CONFORMANCE_WIRE_H
#define TRIVET_CONFORMANCE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <nfsc/libnfs-zdr.h>

#define PROGRAM_PORTMAP 100000
#define PROGRAM_NFS 100003
#define PROGRAM_MOUNT 100005
#define GROUPS_MAX 16

/* Who calls. */
struct caller {
    uint32_t flavor; /* AUTH_NONE or AUTH_UNIX */
    uint32_t uid, gid;
    uint32_t group_count;
    uint32_t groups[GROUPS_MAX];
};

enum wire_kind { WIRE_TCP, WIRE_UDP };

struct wire {
    int fd;
    enum wire_kind kind;
};

struct wire_call {
    uint32_t xid; /* 0: one that was not used yet */
    uint32_t rpc_version;
    uint32_t program, version, procedure;
    struct caller caller;
    const void *body; /* the arguments as they stand on the wire */
    size_t size;
};

struct wire_answer {
    uint32_t xid;
    uint32_t reply_stat; /* MSG_ACCEPTED, MSG_DENIED */
    uint32_t stat;       /* enum accept_stat, or enum reject_stat */
    uint32_t auth_stat;  /* of an AUTH_ERROR */
    uint32_t low, high;  /* of a mismatch */
    const uint8_t *body; /* the results; valid until the next answer */
    size_t size;
};

/* The port of a program: what the options say, or the portmapper; 0: there is none. */
uint16_t wire_port(uint32_t program, uint32_t version, enum wire_kind kind);

/* Connect. is_privileged: from a source port below 1024, otherwise from one above. */
bool wire_open(struct wire *wire, enum wire_kind kind, uint16_t port, bool is_privileged);
void wire_close(struct wire *wire);

bool wire_send(struct wire *wire, struct wire_call *call);
/* Wait for the next answer. False: none came, or it is no answer. */
bool wire_receive(struct wire *wire, struct wire_answer *out_answer);

/* Send and wait for the answer to it. Datagrams are sent again while none comes. */
bool wire_call(struct wire *wire, struct wire_call *call, struct wire_answer *out_answer);

/* The arguments' form on the wire, kept until the case ends. */
void wire_body(struct wire_call *call, zdrproc_t proc, const void *arguments);

#endif
