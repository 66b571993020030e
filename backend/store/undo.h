/*
 * What operations changed in the index, kept until they are known committed: with it a brick that
 * returns to its set takes back what the others never got.
 *
 * It is in memory, one operation behind the other. What is not committed yet when the index is,
 * goes into a table of its own, in the same transaction: so whatever index a process finds comes
 * with what takes it back to its committed operation.
 *
 * All want the index's mutex held.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_STORE_UNDO_H
#define TRIVET_STORE_UNDO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "backend/proto/gfid.h"
#include "backend/store/kv.h"

struct index;

/* Invariant: from begin to size there are whole operations, each a head and its entries, in the
 * order of indexes; while one is noted, it is the last. */
struct undo {
    uint8_t *bytes;
    size_t capacity;
    size_t begin;
    size_t size;
    size_t noted; /* where the one that is noted begins */
    bool noting;
    uint64_t table_first; /* indexes that the table has; none: first is above last */
    uint64_t table_last;
};

/* Find out what the table has. */
int undo_load(struct index *index);
void undo_free(struct undo *undo);

/* What is noted from here to undo_end belongs to this operation; if it is committed already,
 * nothing is noted. */
int undo_begin(struct index *index, uint64_t operation);
/* Keep what the operation made, or nothing of one that failed. */
void undo_end(struct index *index, bool keep);

/* The pair of this key is about to change: it was old, or was not there (NULL). Nothing if nothing
 * is being noted, here and below. */
int undo_note(struct index *index, enum kv_table table, struct slice key, const struct slice *old);
/* The same of a pair that is yet to be read. */
int undo_keep(struct index *index, enum kv_table table, const struct gfid *gfid);

/* The index is about to be committed: into the table what is not committed, out of it what is. */
int undo_store(struct index *index);

/* Can it all be taken back above to? Fails: -ENOENT. */
int undo_check(struct index *index, uint64_t to);
/* Bring the index from its sequenced operation back to to. Objects that are left are all to be
 * flushed; handles stay. Fails: -ENOENT, -E_CORRUPT. */
int undo_take_back(struct index *index, uint64_t to);

#endif
