/*
 * Taking operations back, as far as every store does it the same way: the index, the records of
 * what was taken back, and what of files only others have.
 *
 * One transaction of the index takes the operations out of it, keeps their records in a table, and
 * notes that log and tree are yet to follow. The records stay until all that was lost is in place
 * again: whatever has to be done follows from them and the index, so that it can be done once more.
 *
 * All take the index's mutex themselves.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_STORE_CUT_H
#define TRIVET_STORE_CUT_H

#include "backend/store/index.h"
#include "backend/store/store.h"

/* Can everything above to be taken back? Fails: -EINVAL (it was committed, or is not there),
 * -ENOENT (the log or the index does not reach back). */
int cut_check(struct index *index, uint64_t to, uint64_t log_first);
/* Keep the records of the operations above to, which the store reads from its log; not committed.
 */
int cut_keep_records(struct store *store, struct index *index, uint64_t to);
/* Bring the index back to to, and note so. Not committed; the index's mutex is held. */
int cut_index(struct index *index, uint64_t to);
/* Where a cut has to be finished in log and tree. Fails: -ENOENT (there is none). */
int cut_pending(struct index *index, uint64_t *out_to);
/* It is; not committed. The index's mutex is held. */
int cut_finished(struct index *index);

/* Call each for every operation taken back, in the order of indexes, until it fails. */
int cut_each(struct index *index, int (*each)(void *context, const struct operation *operation),
             void *context);
/* What was taken back is of no more interest; not committed. */
int cut_forget(struct index *index);

/* A name that an operation gives or takes. */
struct cut_name {
    const struct gfid *parent;
    struct slice name;
    uint64_t cookie;
};
#define CUT_NAMES_MAX 2
uint32_t cut_names(const struct operation *operation, struct cut_name out_names[CUT_NAMES_MAX]);
/* Objects whose attributes it changes. */
#define CUT_OBJECTS_MAX 4
uint32_t cut_objects(const struct operation *operation,
                     const struct gfid *out_objects[CUT_OBJECTS_MAX]);

#endif
