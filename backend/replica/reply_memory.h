/*
 * Which operations have taken effect, by their ids: a retry finds what its first sending did. Only
 * the operation's index is kept (the answer follows from the record in the log), or the refusal.
 * Every member keeps it, the primary from what it sequences, a backup from what it is sent, both
 * from the log at start. Guarded by the driver's mutex.
 *
 * A session has SESSION_SLOTS slots, each used by one operation at a time with rising sequence
 * numbers; so memory per client is bounded, and an id below the slot's number is known to be late.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_REPLICA_REPLY_MEMORY_H
#define TRIVET_REPLICA_REPLY_MEMORY_H

#include "backend/proto/cred.h"

struct reply_memory;

struct reply_memory *reply_memory_new(void); /* NULL: no memory */
void reply_memory_free(struct reply_memory *memory);

enum reply_memory_answer {
    REPLY_NEW,     /* never seen: execute it */
    REPLY_DONE,    /* *out_index is its operation (0: it changed nothing) and *out_status its
                      status */
    REPLY_TOO_LATE /* older than the slot's last: refuse, never execute */
};

enum reply_memory_answer reply_memory_find(const struct reply_memory *memory,
                                           const struct op_id *id, uint64_t *out_index,
                                           int *out_status);
/* Note the outcome. An older one of the same slot is overwritten. */
void reply_memory_note(struct reply_memory *memory, const struct op_id *id, uint64_t index,
                       int status);

#endif
