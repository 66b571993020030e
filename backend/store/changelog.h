/*
 * A brick's log: every operation in order, checksummed, in segments. At once the intent that is
 * noted before an operation is applied, what the index is replayed from, what a member that comes
 * back is sent, and the durable record of a namespace operation.
 *
 * Threads: all functions by any; append by one at a time, in the order of indexes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_STORE_CHANGELOG_H
#define TRIVET_STORE_CHANGELOG_H

#include <stdbool.h>
#include "backend/base/slice.h"

struct changelog;

struct changelog_options {
    int directory_fd;      /* the caller's, open as long as the log */
    uint64_t disk_id;      /* a segment of another brick is refused */
    uint64_t first;        /* index of the first record, if the log is empty */
    uint64_t segment_size; /* 0: LOG_SEGMENT_SIZE */
    bool same_boot;        /* the machine has not stopped since: nothing can be torn but the end */
};

/*
 * Open; a record at the end that was not written whole is cut off.
 *
 * A bad record with good ones behind it is cut off with them if the machine stopped before any of
 * it was known to be durable, since pages reach a disk in any order; otherwise the log is damaged.
 * Fails: -E_CORRUPT, with a sentence in out_error.
 */
int changelog_open(const struct changelog_options *options, struct changelog **out_log,
                   char *out_error, size_t size);
void changelog_close(struct changelog *log);

/* Append the next record; it survives the process. Fails: -EIO -ENOSPC, then always. */
int changelog_append(struct changelog *log, uint64_t index, struct slice record);

/* Fails: -ENOENT (too old, or not there yet), -ENOBUFS, -E_CORRUPT. */
int changelog_read(struct changelog *log, uint64_t index, uint8_t *buffer, size_t size,
                   size_t *out_size);

/* Every record so far is on stable storage after 0. One sync serves all who came before it. */
int changelog_sync(struct changelog *log);
/* The same of those up to index, which have been appended. */
int changelog_sync_to(struct changelog *log, uint64_t index);
/* Is every record so far, of which *out_last is the last, on stable storage already? */
bool changelog_is_durable(struct changelog *log, uint64_t *out_last);
/* Let that begin on a thread of the log's, while the caller waits for another file. Advice only: it
 * is done when changelog_sync says so. */
void changelog_sync_begin(struct changelog *log);

/* Index of the first record that is kept, and of the last (first - 1 if there is none). */
void changelog_range(struct changelog *log, uint64_t *out_first, uint64_t *out_last);

/*
 * Take away every record above to, durably; to is not below what the log begins behind. Repeated
 * after a death in the middle it comes to the same end. Nobody else uses the log meanwhile.
 */
int changelog_cut(struct changelog *log, uint64_t to);

/* Drop the oldest segments while more than keep_size bytes are left, but no record from needed on.
 */
int changelog_trim(struct changelog *log, uint64_t keep_size, uint64_t needed);

#endif
