/*
 * After the process died: the index is as of its last commit, the tree as of the state file, the
 * log has everything. Three steps make them one again:
 *
 *     handles   of objects that the tree has and the index had not committed, from the state file
 *     index     from its own position to the end of the log
 *     tree      from the state file's position to the end of the log; the first of these operations
 *               may be half done, the others are not begun
 *
 * The tree is never replayed from further back: what came later would be undone or overwritten.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdio.h>
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/store/posix.h"

static int read_operation(struct posix_store *posix, uint64_t index, uint8_t *buffer,
                          struct operation *out_operation)
{
    size_t size;
    int result = changelog_read(posix->log, index, buffer, OPERATION_SIZE_MAX, &size);
    if (!result) {
        result = operation_decode(slice_of(buffer, size), out_operation);
    }
    if (!result && out_operation->index != index) {
        result = -E_CORRUPT;
    }
    return result == -ENOENT || result == -E_BAD_MESSAGE ? -E_CORRUPT : result;
}

static int replay_handles(struct posix_store *posix)
{
    struct index *index = posix->base.index;
    const struct disk_state *state = posix->state;
    for (uint32_t i = 0; i < state->handle_count; i++) {
        const struct state_handle *made = &state->handles[i];
        if (made->handle.size > HANDLE_BYTES_MAX) {
            return -E_CORRUPT;
        }
        AUTO_LOCK(&index->mutex);
        int result = index_handle_put(index, &made->gfid, &made->handle);
        if (result) {
            return result;
        }
    }
    return 0;
}

/* The index's part, and for operations that the tree has, that handles went with objects. */
static int replay_index(struct posix_store *posix, const struct operation *operation)
{
    struct index *index = posix->base.index;
    const struct gfid *removed = operation_removes(operation);
    int result = 0;
    AUTO_LOCK(&index->mutex);
    if (operation->index > index->position.sequenced) {
        result = index_sequence(index, operation);
    }
    if (!result && removed && operation->index <= posix->state->applied) {
        result = index_handle_remove(index, removed);
    }
    return result;
}

static int replay_range(struct posix_store *posix, uint64_t from, uint64_t to, bool tree)
{
    uint8_t buffer[OPERATION_SIZE_MAX];
    for (uint64_t i = from; i <= to; i++) {
        struct operation operation;
        int result = read_operation(posix, i, buffer, &operation);
        if (!result) {
            result = tree ? posix_apply(&posix->base.store, &operation, slice_of(NULL, 0))
                          : replay_index(posix, &operation);
        }
        if (result) {
            return result;
        }
    }
    return 0;
}

/* Positions as of now: the state file's if it is of this boot, else the index's. */
static void choose_positions(struct posix_store *posix, bool same_boot)
{
    struct store_position *position = &posix->base.index->position;
    struct disk_state *state = posix->state;
    if (!same_boot) {
        state->handle_count = 0;
        state->applied = position->applied;
        state->committed = position->committed;
    }
    if (state->committed > position->committed) {
        position->committed = state->committed;
    }
}

static int check_positions(struct posix_store *posix, uint64_t first, uint64_t last,
                           char *out_error, size_t size)
{
    const struct store_position *position = &posix->base.index->position;
    uint64_t applied = posix->state->applied;
    if (position->sequenced > last || applied > last || position->applied > applied) {
        (void)snprintf(out_error, size,
                       "the log ends with operation %" PRIu64 ", but the index has %" PRIu64
                       " and the tree %" PRIu64 ": the brick lost a part of its log, replace it",
                       last, position->sequenced, applied); /* cut short at worst */
        return -E_CORRUPT;
    }
    uint64_t needed =
        position->applied < position->sequenced ? position->applied : position->sequenced;
    if (needed + 1 < first) {
        (void)snprintf(out_error, size,
                       "the log begins with operation %" PRIu64 ", but the index has only %" PRIu64
                       ": replace the brick",
                       first, needed); /* cut short at worst */
        return -E_CORRUPT;
    }
    return 0;
}

int posix_replay(struct posix_store *posix, bool same_boot, char *out_error, size_t size)
{
    struct store_position *position = &posix->base.index->position;
    uint64_t first;
    uint64_t last;
    changelog_range(posix->log, &first, &last);
    choose_positions(posix, same_boot);
    int result = check_positions(posix, first, last, out_error, size);
    if (result) {
        return result;
    }
    uint64_t from =
        position->applied < position->sequenced ? position->applied : position->sequenced;
    result = replay_handles(posix);
    if (!result) {
        result = replay_range(posix, from + 1, last, false);
    }
    if (!result) {
        position->applied = posix->state->applied;
        result = replay_range(posix, position->applied + 1, last, true);
    }
    if (result) {
        (void)snprintf(out_error, size,
                       "the log cannot be replayed behind operation %" PRIu64 ": %s",
                       position->sequenced < last ? position->sequenced : position->applied,
                       error_text(result)); /* cut short at worst */
    }
    return result;
}
