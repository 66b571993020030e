/*
 * The search for an order. See sim_history.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/lib/sim_history.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "backend/base/check.h"

#define TRIED_SLOTS (1u << 18)

/* What has been ordered so far, and what the object then is. */
struct position {
    uint64_t done[SIM_HISTORY_MAX / 64];
    int64_t state[SIM_NAMES];
};

struct search {
    const struct sim_operation *operations;
    unsigned count;
    unsigned answered; /* of them, with an answer, not ordered yet */
    struct position at;
    XXH128_hash_t *tried;
    unsigned tried_count;
};

static bool is_done(const struct search *search, unsigned i)
{
    return search->at.done[i / 64] >> (i % 64) & 1;
}

/* Do it. False if its answer says something else. */
static bool apply(const struct sim_operation *op, int64_t state[SIM_NAMES])
{
    bool free = op->returned == SIM_NEVER;
    int64_t *of = &state[op->name];
    int status = 0;
    int64_t result = op->result;
    switch (op->kind) {
    case SIM_WRITE:
        *of = op->value;
        break;
    case SIM_READ:
    case SIM_SIZE:
        result = *of;
        break;
    case SIM_APPEND:
        result = *of;
        *of += op->value;
        break;
    case SIM_CREATE:
        status = *of ? -EEXIST : 0;
        *of = *of ? *of : op->value;
        break;
    case SIM_REMOVE:
        status = *of ? 0 : -ENOENT;
        *of = 0;
        break;
    case SIM_RENAME:
        status = *of ? 0 : -ENOENT;
        if (*of && op->name2 != op->name) {
            state[op->name2] = *of;
            *of = 0;
        }
        break;
    case SIM_LOOKUP:
        status = *of ? 0 : -ENOENT;
        result = *of ? *of : result;
        break;
    case SIM_OPS:
        break;
    }
    return free || (op->status == status && op->result == result);
}

/* Note the position. False if it was tried before. */
static bool is_new(struct search *search)
{
    XXH128_hash_t hash = XXH3_128bits(&search->at, sizeof search->at);
    for (unsigned slot = (unsigned)hash.low64 % TRIED_SLOTS;; slot = (slot + 1) % TRIED_SLOTS) {
        XXH128_hash_t *here = &search->tried[slot];
        if (here->low64 == 0 && here->high64 == 0) {
            *here = hash;
            search->tried_count++;
            return true;
        }
        if (XXH128_isEqual(*here, hash)) {
            return false;
        }
    }
}

static enum sim_verdict try_all(struct search *search)
{
    if (search->answered == 0) {
        return SIM_LINEAR;
    }
    if (!is_new(search)) {
        return SIM_NOT_LINEAR;
    }
    if (search->tried_count > TRIED_SLOTS / 2) {
        return SIM_TOO_HARD;
    }
    uint64_t first_answer = SIM_NEVER;
    for (unsigned i = 0; i < search->count; i++) {
        const struct sim_operation *op = &search->operations[i];
        if (op->called > first_answer) {
            break; /* this and what follows was called after something had its answer */
        }
        if (is_done(search, i)) {
            continue;
        }
        first_answer = op->returned < first_answer ? op->returned : first_answer;
    }
    for (unsigned i = 0; i < search->count && search->operations[i].called <= first_answer; i++) {
        const struct sim_operation *op = &search->operations[i];
        struct position before = search->at;
        if (is_done(search, i) || !apply(op, search->at.state)) {
            search->at = before;
            continue;
        }
        search->at.done[i / 64] |= UINT64_C(1) << (i % 64);
        search->answered -= op->returned != SIM_NEVER;
        enum sim_verdict verdict = try_all(search);
        search->answered += op->returned != SIM_NEVER;
        search->at = before;
        if (verdict != SIM_NOT_LINEAR) {
            return verdict;
        }
    }
    return SIM_NOT_LINEAR;
}

static int by_call(const void *a, const void *b)
{
    const struct sim_operation *left = a, *right = b;
    return left->called == right->called ? 0 : left->called < right->called ? -1 : 1;
}

enum sim_verdict sim_history_check(struct sim_operation *operations, unsigned count)
{
    PRE(count <= SIM_HISTORY_MAX);
    if (count == 0) {
        return SIM_LINEAR;
    }
    qsort(operations, count, sizeof *operations, by_call);
    struct search search = {.operations = operations, .count = count};
    for (unsigned i = 0; i < count; i++) {
        search.answered += operations[i].returned != SIM_NEVER;
    }
    search.tried = calloc(TRIED_SLOTS, sizeof *search.tried);
    INVARIANT(search.tried != NULL);
    enum sim_verdict verdict = try_all(&search);
    free(search.tried);
    return verdict;
}
