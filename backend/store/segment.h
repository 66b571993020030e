/*
 * One segment of the log: a file of records with consecutive indexes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_STORE_SEGMENT_H
#define TRIVET_STORE_SEGMENT_H

#include <stdbool.h>
#include "backend/base/slice.h"

/* Invariant: offsets, once mapped, has the place of each of the count records. */
struct segment {
    uint64_t first; /* index of its first record; its name too */
    uint64_t count;
    uint64_t size;   /* bytes: where the next record goes */
    uint64_t laid;   /* bytes that the file has: zeros behind size */
    uint64_t synced; /* bytes on stable storage */
    int fd;
    bool mapped;
    uint32_t *offsets; /* in units of 8 bytes */
    uint64_t offsets_size;
};

struct segment_check {
    bool same_boot;
    char *error;
    size_t error_size;
};

/* Make a new segment, with its head. */
int segment_make(int directory_fd, uint64_t first, uint64_t disk_id, struct segment **out_segment);
/* Open one that is there. Fails: -E_CORRUPT (its head), -ENODATA (not even a whole head). */
int segment_open(int directory_fd, uint64_t first, uint64_t disk_id, struct segment **out_segment);
void segment_free(struct segment *segment);
void segment_name(uint64_t first, char out_name[24]);

int segment_append(struct segment *segment, uint64_t durable, struct slice record);
/* Nothing more is appended: give back the room that was laid out for it. */
void segment_finish(struct segment *segment);
/* Fails: -ENOENT -ENOBUFS -E_CORRUPT. */
int segment_read(struct segment *segment, uint64_t index, uint8_t *buffer, size_t size,
                 size_t *out_size);

/* Find the places of the count records of a segment that is no longer written. */
int segment_map(struct segment *segment, uint64_t count);
/* Keep only the first count records, of at least as many; more can be appended then. */
int segment_cut(struct segment *segment, uint64_t count);
/* Check every record of the last segment and cut what is torn; count and size are known then. */
int segment_recover(struct segment *segment, const struct segment_check *check);

#endif
