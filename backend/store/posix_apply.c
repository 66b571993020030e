/*
 * The two steps of a mutation on a brick: sequence (log, then index), and apply (the tree).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <linux/falloc.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/store/posix.h"

/* What an operation may take from the disk besides a file's bytes. */
#define OPERATION_COST 4096

int posix_fail(struct posix_store *posix, int result)
{
    int none = 0;
    (void)atomic_compare_exchange_strong(&posix->failed, &none, result); /* the first one stays */
    return result;
}

int posix_check(struct posix_store *posix)
{
    return atomic_load_explicit(&posix->failed, memory_order_relaxed) ? -EIO : 0;
}

int posix_commit_index(struct posix_store *posix, bool durable)
{
    int result = index_commit(posix->base.index, durable);
    if (!result) {
        posix->state->handle_count = 0; /* the index has them */
    }
    return result;
}

/* What it takes however large it is, whereas writes fit in what is kept back of the disk while
 * nobody looks: it counts from when it is decided, and until the disk shows it. */
static uint64_t reserves(const struct operation *operation)
{
    bool takes = operation->kind == OPERATION_ALLOCATE && !(operation->how & FALLOC_FL_PUNCH_HOLE);
    return takes ? operation->length : 0;
}

int posix_sequence(struct store *store, const struct operation *operation, struct slice record)
{
    struct posix_store *posix = posix_of(store);
    struct index *index = posix->base.index;
    int result = posix_check(posix);
    if (result) {
        return result;
    }
    result = changelog_append(posix->log, operation->index, record);
    if (!result) {
        AUTO_LOCK(&index->mutex);
        result = index_sequence(index, operation);
        if (!result && index->uncommitted >= INDEX_COMMIT_OPERATIONS) {
            result = posix_commit_index(posix, false);
        }
    }
    atomic_fetch_add_explicit(&posix->taken, operation->count + OPERATION_COST,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&posix->reserved, reserves(operation), memory_order_relaxed);
    return result ? posix_fail(posix, result) : 0;
}

/* Keep the handle of a new object where it outlives the process, and where it is looked for. */
static int keep_handle(struct posix_store *posix, const struct gfid *gfid,
                       const struct handle_record *handle)
{
    struct disk_state *state = posix->state;
    int result = index_handle_put(posix->base.index, gfid, handle);
    if (!result && state->handle_count == STATE_HANDLES) {
        result = posix_commit_index(posix, false);
    }
    if (!result) {
        state->handles[state->handle_count] = (struct state_handle){*gfid, *handle};
        atomic_signal_fence(memory_order_release); /* first the handle, then that it is there */
        state->handle_count++;
    }
    return result;
}

/* The tree has the operation: note so. */
static int note_applied(struct posix_store *posix, const struct operation *operation,
                        const struct handle_record *handle)
{
    struct index *index = posix->base.index;
    const struct gfid *removed = operation_removes(operation);
    int result = 0;
    {
        AUTO_LOCK(&index->mutex);
        if (operation->kind == OPERATION_MAKE) {
            result = keep_handle(posix, &operation->object.gfid, handle);
        }
        if (!result && removed) {
            result = index_handle_remove(index, removed);
        }
        if (!result) {
            index->position.applied = operation->index;
            posix->state->applied = operation->index;
        }
    }
    if (!result && removed) {
        fd_cache_forget(posix->objects, removed);
    }
    uint64_t reserved = reserves(operation);
    if (reserved > 0) {
        atomic_fetch_add_explicit(&posix->taken, reserved, memory_order_relaxed);
        atomic_fetch_sub_explicit(&posix->reserved, reserved, memory_order_relaxed);
    }
    return result;
}

static int apply_kind(struct posix_store *posix, const struct operation *operation,
                      struct slice bulk, struct handle_record *out_handle)
{
    switch (operation->kind) {
    case OPERATION_WRITE:
        return posix_apply_write(posix, operation, bulk);
    case OPERATION_SETATTR:
        return posix_apply_setattr(posix, operation);
    case OPERATION_MAKE:
        return posix_apply_make(posix, operation, out_handle);
    case OPERATION_LINK:
        return posix_apply_link(posix, operation);
    case OPERATION_REMOVE:
        return posix_apply_remove(posix, operation);
    case OPERATION_RENAME:
        return posix_apply_rename(posix, operation);
    case OPERATION_ALLOCATE:
        return posix_apply_allocate(posix, operation);
    case OPERATION_SETXATTR:
    case OPERATION_REMOVEXATTR:
        return 0;
    case OPERATION_FORGET:
        return posix_apply_forget(posix, operation);
    default:
        return -E_BAD_MESSAGE;
    }
}

static int apply_one(struct posix_store *posix, const struct operation *operation,
                     struct slice bulk, struct handle_record *out_handle)
{
    int result = apply_kind(posix, operation, bulk, out_handle);
    return result ? result : posix_apply_xattr(posix, operation);
}

/*
 * An operation that the tree has already. Names are as they were after it, or later, and are left
 * alone. Bytes may be missing that the process died before writing: a member that has them sends
 * them again, from the first missing on and in order, and so they are written in order.
 */
static int apply_again(struct posix_store *posix, const struct operation *operation,
                       struct slice bulk)
{
    struct operation bytes_only = *operation;
    bytes_only.mask &= ATTR_SIZE;
    int result = 0;
    if (operation->kind == OPERATION_WRITE) {
        result = posix_apply_write(posix, &bytes_only, bulk);
    } else if (operation->kind == OPERATION_SETATTR && bytes_only.mask) {
        result = posix_apply_setattr(posix, &bytes_only);
    } else if (operation->kind == OPERATION_ALLOCATE) {
        result = posix_apply_allocate(posix, &bytes_only);
    }
    if (!result) {
        result = posix_keep_capability(posix, &operation->object.gfid);
    }
    return result == -ENOENT ? 0 : result; /* removed later on */
}

int posix_apply(struct store *store, const struct operation *operation, struct slice bulk)
{
    struct posix_store *posix = posix_of(store);
    struct handle_record handle;
    int result = posix_check(posix);
    if (result) {
        return result;
    }
    struct store_position position;
    indexed_position(store, &position);
    PRE(operation->index <= position.applied + 1);
    PRE(operation->index <= position.sequenced);
    if (operation->index <= position.applied) {
        result = apply_again(posix, operation, bulk);
    } else {
        result = apply_one(posix, operation, bulk, &handle);
        if (!result) {
            result = note_applied(posix, operation, &handle);
        }
    }
    return result ? posix_fail(posix, result) : 0;
}
