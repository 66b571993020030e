/*
 * Who asks, and an operation's id.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_PROTO_CRED_H
#define TRIVET_PROTO_CRED_H

#include <stdbool.h>
#include <stdint.h>
#include "backend/proto/limits.h"

enum cred_flags {
    /* The client's kernel has already checked permissions (FUSE, default_permissions); the brick
     * uses uid and gid only as owner of what is made. */
    CRED_CHECKED = 1 << 0,
    /* With CRED_CHECKED: the caller may not keep a file's setuid and setgid bits and capabilities
     * when it writes, truncates or sets an ACL (no CAP_FSETID). Without: uid 0 may, others not. */
    CRED_KILLS_PRIVILEGE = 1 << 1
};

struct cred {
    uint32_t flags;
    uint32_t uid;
    uint32_t gid;
    uint32_t group_count; /* at most CRED_GROUPS_MAX */
    uint32_t groups[CRED_GROUPS_MAX];
};

/* Is the caller a member of the group? */
static inline bool cred_has_group(const struct cred *cred, uint32_t gid)
{
    for (uint32_t i = 0; i < cred->group_count && i < CRED_GROUPS_MAX; i++) {
        if (cred->groups[i] == gid) {
            return true;
        }
    }
    return cred->gid == gid;
}

enum op_id_kind {
    OP_ID_NONE = 0,    /* not remembered: reads */
    OP_ID_SESSION = 1, /* client, slot, sequence: a slot's sequence rises by one per operation */
    /* client is a hash of the NFS client's address, slot its xid, sequence a hash of the request:
     * any gateway derives the same id from the same request */
    OP_ID_DERIVED = 2
};

struct op_id {
    uint32_t kind;
    uint32_t slot;
    uint64_t client; /* of a session: random, chosen at each open of a volume */
    uint64_t sequence;
};

#endif
