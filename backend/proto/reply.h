/*
 * The one form of an answer to a file operation, from brick to frontend. What an operation has no
 * use for is absent and costs a few bytes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_PROTO_REPLY_H
#define TRIVET_PROTO_REPLY_H

#include "backend/base/slice.h"
#include "backend/proto/attr.h"

enum stable_how { /* RFC 1813 section 3.3.7 */
                  STABLE_UNSTABLE = 0,
                  STABLE_DATA_SYNC = 1,
                  STABLE_FILE_SYNC = 2
};

enum access_bits { /* RFC 1813 section 3.3.4; the rights of ACCESS */
                   RIGHT_READ = 0x01,
                   RIGHT_LOOKUP = 0x02,
                   RIGHT_MODIFY = 0x04,
                   RIGHT_EXTEND = 0x08,
                   RIGHT_DELETE = 0x10,
                   RIGHT_EXECUTE = 0x20
};

struct reply {
    int32_t status; /* 0 or a negative code; on failure attributes may still be present */
    uint64_t view;  /* the view it was answered in */
    /* How long, from sending the request, object and name may be cached; 0: not. */
    uint32_t grant_ms;
    /* The same of parent's and parent2's attributes after a mutation, and of parent's with a LOOKUP
     * for a caller that the brick checks. */
    uint32_t parent_grant_ms;

    /* After the operation: the object looked up, made, read, changed, removed. */
    struct attr object;
    /* After: the directory that holds the name (RENAME: the first). READDIR: "..", if known. */
    struct attr parent;
    struct attr parent2; /* after: RENAME's second directory; LINK and others: absent */
    struct attr
        replaced; /* after: RENAME's object that lost its name to another, or changed places */
    struct attr_before object_before;
    struct attr_before parent_before;
    struct attr_before parent2_before;

    uint64_t verifier;  /* READ, WRITE, COMMIT: write verifier. READDIR: cookie verifier */
    uint32_t count;     /* bytes read or written; ACCESS: the rights granted.
                       GETXATTR, LISTXATTR: size of all of it, whatever was asked for */
    uint32_t committed; /* WRITE: enum stable_how reached */
    uint64_t offset;    /* SEEK: where */
    bool eof;           /* READ: the data ends the file. READDIR: the entries end the directory */
    struct statfs_info statfs;

    struct slice data; /* READ: bytes. GETXATTR, LISTXATTR: value, names each with its NUL.
                          READLINK: target. READDIR: packed entries (dirent.h) */
};

#endif
