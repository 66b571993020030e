/*
 * gfid: the 16-byte identity of an object, decided once by the primary and equal on every brick.
 *
 *     replica set (2 bytes) | birth view (6) | index of the operation that made it (8), big endian
 *
 * An operation makes at most one object and an index is committed once, so the gfid is unique in
 * the volume, and set and index alone give the inode number.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_PROTO_GFID_H
#define TRIVET_PROTO_GFID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define GFID_SIZE 16
#define GFID_TEXT_SIZE 37 /* 8-4-4-4-12 hexadecimal digits and the terminating NUL */
#define GFID_INDEX_BITS 48

struct gfid {
    uint8_t bytes[GFID_SIZE];
};

/* The root directory of every volume: set 0, view 0, index 1; its inode number is 1. */
#define GFID_ROOT ((struct gfid){{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}})
/* "No object". */
#define GFID_NONE ((struct gfid){{0}})

/* Operation indexes begin here: 1 is the root's. */
#define OPERATION_INDEX_FIRST UINT64_C(2)

static inline uint64_t gfid_bytes_(const uint8_t *from, int count)
{
    uint64_t value = 0;
    for (int i = 0; i < count; i++) {
        value = value << 8 | from[i];
    }
    return value;
}

static inline struct gfid gfid_make(uint16_t set, uint64_t birth_view, uint64_t index)
{
    struct gfid gfid;
    gfid.bytes[0] = (uint8_t)(set >> 8);
    gfid.bytes[1] = (uint8_t)set;
    for (int i = 0; i < 6; i++) {
        gfid.bytes[2 + i] = (uint8_t)(birth_view >> (8 * (5 - i)));
    }
    for (int i = 0; i < 8; i++) {
        gfid.bytes[8 + i] = (uint8_t)(index >> (8 * (7 - i)));
    }
    return gfid;
}

static inline uint16_t gfid_set(const struct gfid *gfid)
{
    return (uint16_t)gfid_bytes_(gfid->bytes, 2);
}

static inline uint64_t gfid_index(const struct gfid *gfid)
{
    return gfid_bytes_(gfid->bytes + 8, 8);
}

/* The inode number: set in the upper 16 bits, index below. */
static inline uint64_t gfid_ino(const struct gfid *gfid)
{
    return (uint64_t)gfid_set(gfid) << GFID_INDEX_BITS | gfid_index(gfid);
}

static inline bool gfid_equal(const struct gfid *a, const struct gfid *b)
{
    return memcmp(a->bytes, b->bytes, GFID_SIZE) == 0;
}

static inline bool gfid_is_none(const struct gfid *gfid)
{
    return gfid_equal(gfid, &GFID_NONE);
}

static inline bool gfid_is_root(const struct gfid *gfid)
{
    return gfid_equal(gfid, &GFID_ROOT);
}

/* Write the gfid as text, in the form of a UUID. */
void gfid_to_text(const struct gfid *gfid, char out_text[GFID_TEXT_SIZE]);

/* Read what gfid_to_text wrote. Fails: -EINVAL. */
int gfid_from_text(const char *text, struct gfid *out_gfid);

#endif
