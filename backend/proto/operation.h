/*
 * A mutation as the primary decided it: everything that is not deterministic is in it, so that
 * every brick that applies it ends up the same. It travels to the backups, and without its bulk it
 * is the record in each brick's log. The reply to the client follows from it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_PROTO_OPERATION_H
#define TRIVET_PROTO_OPERATION_H

#include "backend/base/slice.h"
#include "backend/proto/attr.h"
#include "backend/proto/cred.h"
#include "backend/proto/reply.h"

/* Numbers are on the wire and on disk: never change or reuse one. */
enum operation_kind {
    OPERATION_NONE = 0,
    OPERATION_WRITE = 1,       /* object, offset, count; bulk: the bytes */
    OPERATION_SETATTR = 2,     /* object; mask says what changed */
    OPERATION_MAKE = 3,        /* object at parent/name; type in object.type; target: symlink's */
    OPERATION_LINK = 4,        /* one more name for object at parent/name */
    OPERATION_REMOVE = 5,      /* the name parent/name of object goes; object.nlink 0: it too */
    OPERATION_RENAME = 6,      /* parent/name becomes parent2/name2; replaced went, if any. With
                                  RENAME_EXCHANGE replaced becomes parent/name */
    OPERATION_ALLOCATE = 7,    /* object, offset, length; how */
    OPERATION_SETXATTR = 8,    /* object, xattr, value */
    OPERATION_REMOVEXATTR = 9, /* object, xattr */
    OPERATION_FORGET = 10,     /* object, an orphan: gone */
    OPERATION_KIND_LAST = OPERATION_FORGET
};

enum operation_flags {
    /* REMOVE, RENAME: what lost its last name stays as an orphan, for the client id.client, until
     * FORGET. MAKE: what is made has no name (name, parent absent) and is such an orphan. */
    OPERATION_KEEPS = 1 << 0,
    /* WRITE, SETATTR, ALLOCATE: security.capability goes */
    OPERATION_DROPS_CAPABILITY = 1 << 1,
    OPERATION_FLAG_BITS = (1 << 2) - 1
};

/* Strings and slices belong to whoever owns the struct's source: a request or a decoded message. */
struct operation {
    uint64_t index;      /* contiguous across views, from OPERATION_INDEX_FIRST */
    uint64_t birth_view; /* the view in which the primary ordered it */
    uint32_t kind;       /* enum operation_kind */
    struct op_id id;

    struct attr object; /* after */
    struct attr_before object_before;

    struct attr parent; /* after */
    struct attr_before parent_before;
    struct slice name;
    uint64_t cookie; /* of parent/name */

    struct attr parent2; /* RENAME: after; absent if it is parent */
    struct attr_before parent2_before;
    struct slice name2;
    uint64_t cookie2;

    struct attr replaced; /* RENAME: after; absent if nothing was replaced; nlink 0: it is gone */

    uint64_t offset; /* WRITE, ALLOCATE */
    uint32_t count;  /* WRITE: bytes */
    uint32_t mask;   /* SETATTR: enum attr_change_mask */
    uint32_t rename_flags;
    struct slice target;      /* MAKE of a symlink */
    uint64_t create_verifier; /* MAKE by an exclusive create, else 0 */
    bool create_exclusive;

    uint32_t flags;     /* enum operation_flags */
    uint64_t length;    /* ALLOCATE: bytes from offset */
    uint32_t how;       /* ALLOCATE: Linux FALLOC_FL_…; the size after is object.size */
    struct slice xattr; /* SETXATTR, REMOVEXATTR: its whole name */
    struct slice value;
    /* MAKE: what it inherits. SETATTR of a mode: the access ACL after it. Absent: size 0. */
    struct slice acl;
    struct slice default_acl;
};

/* The largest encoded operation without its bulk. */
#define OPERATION_SIZE_MAX (80 * 1024)
/* What all but those with the value of a large extended attribute fit in. */
#define OPERATION_SIZE_COMMON (12 * 1024)

/*
 * Encode without the bulk. The form begins with a version and ends exactly at *out_size bytes.
 *
 * Fails: -ENOBUFS if size does not suffice (OPERATION_SIZE_MAX always does); -EINVAL for a kind,
 *        name, target, count, mask, id or time that breaks its limit, which no decoder would take.
 */
int operation_encode(const struct operation *operation, uint8_t *buffer, size_t size,
                     size_t *out_size);

/*
 * Decode; names and target point into bytes.
 *
 * Fails: -E_BAD_MESSAGE for anything that operation_encode cannot have written; safe on any input.
 *        *out_operation is then undefined.
 */
int operation_decode(struct slice bytes, struct operation *out_operation);

/* The answer that the client of this operation gets: status 0, attributes, count, before. */
void operation_to_reply(const struct operation *operation, struct reply *out_reply);

#endif
