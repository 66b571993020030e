/*
 * Directory entries, packed one behind the other in the bulk of a READDIR answer.
 *
 *     cookie u64 | gfid 16 | type u32 | name size u32 | attr | name, padded to 4 with zeros
 *
 * The upper bit of type says that the entry is not granted though the answer is.
 * all big endian; attr is XDR as in wire.h, so without with_attr it is four bytes of zero.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_PROTO_DIRENT_H
#define TRIVET_PROTO_DIRENT_H

#include "backend/base/slice.h"
#include "backend/proto/attr.h"

/* Cookies below this are for "." and ".." (which the brick does not list; frontends make them). */
#define COOKIE_START UINT64_C(0)
#define COOKIE_DOT UINT64_C(1)
#define COOKIE_DOTDOT UINT64_C(2)
#define COOKIE_FIRST UINT64_C(32)

struct dirent_entry {
    uint64_t cookie; /* listing goes on behind this entry when asked for this cookie */
    struct gfid gfid;
    uint32_t type;   /* enum object_type */
    struct attr attr; /* type OBJECT_NONE if none was asked for */
    struct slice name; /* not terminated by NUL */
    bool ungranted;    /* attributes and name may not be kept, whatever the answer grants */
};

/*
 * Append one entry to buffer at *used.
 *
 * Fails: -ENOBUFS if it does not fit in size; -EINVAL for a type, name or time that breaks its
 *        limit. *used is then unchanged.
 */
int dirent_pack(uint8_t *buffer, size_t size, size_t *used, const struct dirent_entry *entry);

/* Say in the packed entry at bytes that it is not granted. */
void dirent_set_ungranted(uint8_t *bytes);

/*
 * Take the next entry from the front of rest. out_entry->name points into rest's bytes.
 *
 * Fails: -ENOENT at the end; -E_BAD_MESSAGE for malformed bytes (safe on any input).
 */
int dirent_next(struct slice *rest, struct dirent_entry *out_entry);

#endif
