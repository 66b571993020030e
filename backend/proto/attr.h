/*
 * Attributes of an object as every client sees them: decided by the primary, stored by each brick,
 * the same both ways in. Spec: RFC 1813 section 2.3.1 (fattr3), POSIX <sys/stat.h>.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_PROTO_ATTR_H
#define TRIVET_PROTO_ATTR_H

#include <stdbool.h>
#include <stdint.h>
#include "backend/proto/gfid.h"

/* The numbers of RFC 1813's ftype3. On the wire and on disk. */
enum object_type {
    OBJECT_NONE = 0, /* in a reply: these attributes are absent */
    OBJECT_FILE = 1,
    OBJECT_DIRECTORY = 2,
    OBJECT_BLOCK = 3,
    OBJECT_CHARACTER = 4,
    OBJECT_SYMLINK = 5,
    OBJECT_SOCKET = 6,
    OBJECT_FIFO = 7
};

struct timestamp {
    int64_t seconds;      /* since 1970-01-01 UTC, may be negative */
    uint32_t nanoseconds; /* 0 to 999,999,999 */
};

/* What is kept beside the attributes, so that whoever has these need not ask whether there is any.
 */
enum attr_flags {
    ATTR_HAS_XATTRS = 1 << 0,      /* any that listxattr shows, ACLs not counted */
    ATTR_HAS_ACL = 1 << 1,         /* system.posix_acl_access, beyond what the mode says */
    ATTR_HAS_DEFAULT_ACL = 1 << 2, /* system.posix_acl_default */
    ATTR_HAS_CAPABILITY = 1 << 3,  /* security.capability, which writing takes away */
    ATTR_FLAG_BITS = (1 << 4) - 1
};

struct attr {
    uint32_t type; /* enum object_type; OBJECT_NONE: nothing else is set */
    uint32_t mode; /* permission, setuid, setgid and sticky bits: 07777 */
    uint32_t nlink;
    uint32_t uid;
    uint32_t gid;
    uint32_t device_major; /* of block and character devices, else 0 */
    uint32_t device_minor;
    uint32_t flags;  /* enum attr_flags */
    uint64_t size;   /* bytes; of a directory computed from its entries, of a symlink its length */
    uint64_t used;   /* bytes of disk */
    uint64_t change; /* index of the last operation that changed the object */
    struct gfid gfid;
    struct gfid parent; /* of a directory: the directory it is in (the root's is itself) */
    struct timestamp atime;
    struct timestamp mtime;
    struct timestamp ctime;
    struct timestamp btime; /* birth */
};

/* What attributes were before an operation (RFC 1813's wcc_attr). */
struct attr_before {
    bool present;
    uint64_t size;
    struct timestamp mtime;
    struct timestamp ctime;
};

enum attr_change_mask {
    ATTR_MODE = 1 << 0,
    ATTR_UID = 1 << 1,
    ATTR_GID = 1 << 2,
    ATTR_SIZE = 1 << 3,
    ATTR_ATIME = 1 << 4,     /* to the given time */
    ATTR_MTIME = 1 << 5,     /* to the given time */
    ATTR_ATIME_NOW = 1 << 6, /* to the primary's clock */
    ATTR_MTIME_NOW = 1 << 7
};

/* A wish to change attributes; only what mask names counts. */
struct attr_change {
    uint32_t mask; /* of enum attr_change_mask */
    uint32_t mode;
    uint32_t uid;
    uint32_t gid;
    uint64_t size;
    struct timestamp atime;
    struct timestamp mtime;
};

struct statfs_info {
    bool present;
    uint64_t bytes_total;
    uint64_t bytes_free;
    uint64_t bytes_available; /* to an unprivileged caller */
    uint64_t files_total;
    uint64_t files_free;
    uint32_t name_max; /* bytes */
};

/* <0, 0 or >0 as a is before, at or after b. */
static inline int timestamp_compare(const struct timestamp *a, const struct timestamp *b)
{
    if (a->seconds != b->seconds) {
        return a->seconds < b->seconds ? -1 : 1;
    }
    return (a->nanoseconds > b->nanoseconds) - (a->nanoseconds < b->nanoseconds);
}

/* The S_IF… bits of a type, and back (OBJECT_NONE for unknown bits). */
uint32_t object_type_to_mode(uint32_t type);
uint32_t object_type_from_mode(uint32_t mode);

#endif
