/*
 * A store between driver and store that counts, holds back and fails; see brick_set.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include "backend/base/check.h"
#include "backend/base/random.h"
#include "backend/base/scope.h"
#include "tests/lib/brick_set.h"

/* ---- stores that a test can hold back ---------------------------------------------------------
 */

struct hooked_store {
    struct store store;
    struct store_ops ops;
    struct store *inner;
    struct store_hooks *hooks;
};

static struct hooked_store *hooked_of(struct store *store)
{
    return (struct hooked_store *)store;
}

void store_hooks_hold(struct store_hooks *hooks, bool apply, bool sequence)
{
    AUTO_LOCK(&hooks->mutex);
    hooks->holds_apply = apply;
    hooks->holds_sequence = sequence;
    pthread_cond_broadcast(&hooks->changed);
}

void store_hooks_fail(struct store_hooks *hooks, int apply_status, int sync_status)
{
    AUTO_LOCK(&hooks->mutex);
    hooks->apply_status = apply_status;
    hooks->sync_status = sync_status;
}

static void hold_while(struct store_hooks *hooks, const bool *held)
{
    unsigned jitter_us = atomic_load(&hooks->jitter_us);
    if (jitter_us > 0) {
        long ns = (long)(random_id() % jitter_us) * 1000;
        (void)nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
    }
    AUTO_LOCK(&hooks->mutex);
    hooks->blocked++;
    while (*held) {
        pthread_cond_wait(&hooks->changed, &hooks->mutex);
    }
    hooks->blocked--;
}

struct blocked_wait {
    struct store_hooks *hooks;
    unsigned count;
};

static bool is_blocked(void *context)
{
    const struct blocked_wait *wait = context;
    AUTO_LOCK(&wait->hooks->mutex);
    return wait->hooks->blocked >= wait->count;
}

bool store_hooks_wait_blocked(struct store_hooks *hooks, unsigned count)
{
    struct blocked_wait wait = {.hooks = hooks, .count = count};
    return test_wait(is_blocked, &wait, BRICK_SET_WAIT_MS);
}

static int hooked_getattr(struct store *store, const struct gfid *object, struct attr *out_attr)
{
    return store_getattr(hooked_of(store)->inner, object, out_attr);
}

static int hooked_lookup(struct store *store, const struct gfid *parent, struct slice name,
                         struct attr *out_child, struct attr *out_parent)
{
    return store_lookup(hooked_of(store)->inner, parent, name, out_child, out_parent);
}

static int hooked_readlink(struct store *store, const struct gfid *object, char *buffer,
                           size_t size, size_t *out_size)
{
    return store_readlink(hooked_of(store)->inner, object, buffer, size, out_size);
}

static int hooked_read(struct store *store, const struct gfid *object, uint64_t offset,
                       uint32_t count, bool no_wait, uint8_t *buffer, uint32_t *out_count)
{
    return store_read(hooked_of(store)->inner, object, offset, count, no_wait, buffer, out_count);
}

static int hooked_sync(struct store *store, const struct gfid *object)
{
    struct store_hooks *hooks = hooked_of(store)->hooks;
    atomic_fetch_add(object ? &hooks->syncs : &hooks->log_syncs, 1);
    int status;
    {
        AUTO_LOCK(&hooks->mutex);
        status = hooks->sync_status;
        hooks->sync_status = 0;
    }
    return status ? status : store_sync(hooked_of(store)->inner, object);
}

/* What is to fail, does so in sync. */
static int hooked_sync_join(struct store *store, const struct gfid *object, struct store_sync *sync)
{
    struct store_hooks *hooks = hooked_of(store)->hooks;
    {
        AUTO_LOCK(&hooks->mutex);
        if (hooks->sync_status) {
            return -EAGAIN;
        }
    }
    int result = store_sync_join(hooked_of(store)->inner, object, sync);
    if (result >= 0) {
        atomic_fetch_add(&hooks->syncs, 1);
    }
    return result;
}

static int hooked_readdir(struct store *store, const struct gfid *directory, uint64_t cookie,
                          bool with_attr, uint8_t *buffer, size_t size, size_t *out_size,
                          bool *out_eof)
{
    return store_readdir(hooked_of(store)->inner, directory, cookie, with_attr, buffer, size,
                         out_size, out_eof);
}

static int hooked_statfs(struct store *store, struct statfs_info *out_info)
{
    return store_statfs(hooked_of(store)->inner, out_info);
}

static int hooked_decide(struct store *store, const struct mutation *mutation,
                         const struct decision *decision, struct operation *out_operation)
{
    return store_decide(hooked_of(store)->inner, mutation, decision, out_operation);
}

static int hooked_sequence(struct store *store, const struct operation *operation,
                           struct slice record)
{
    struct store_hooks *hooks = hooked_of(store)->hooks;
    hold_while(hooks, &hooks->holds_sequence);
    return store_sequence(hooked_of(store)->inner, operation, record);
}

static int hooked_apply(struct store *store, const struct operation *operation, struct slice bulk)
{
    struct store_hooks *hooks = hooked_of(store)->hooks;
    hold_while(hooks, &hooks->holds_apply);
    int status;
    {
        AUTO_LOCK(&hooks->mutex);
        status = hooks->apply_status;
    }
    atomic_fetch_add(&hooks->applied, 1);
    return status ? status : store_apply(hooked_of(store)->inner, operation, bulk);
}

static int hooked_commit(struct store *store, uint64_t index)
{
    return store_commit(hooked_of(store)->inner, index);
}

static int hooked_log_read(struct store *store, uint64_t index, uint8_t *buffer, size_t size,
                           size_t *out_size)
{
    return store_log_read(hooked_of(store)->inner, index, buffer, size, out_size);
}

static void hooked_position(struct store *store, struct store_position *out_position)
{
    store_position(hooked_of(store)->inner, out_position);
}

static void hooked_identity(struct store *store, struct store_identity *out_identity)
{
    store_identity(hooked_of(store)->inner, out_identity);
}

static int hooked_checkpoint(struct store *store)
{
    return store_checkpoint(hooked_of(store)->inner);
}

static int hooked_view_get(struct store *store, struct view *out_view)
{
    return store_view_get(hooked_of(store)->inner, out_view);
}

static int hooked_view_put(struct store *store, const struct view *view)
{
    return store_view_put(hooked_of(store)->inner, view);
}

static void hooked_close(struct store *store)
{
    store_close(hooked_of(store)->inner);
    free(store);
}

static int hooked_getxattr(struct store *store, const struct gfid *object, struct slice name,
                           uint8_t *buffer, size_t size, size_t *out_size)
{
    return store_getxattr(hooked_of(store)->inner, object, name, buffer, size, out_size);
}

static int hooked_listxattr(struct store *store, const struct gfid *object, uint8_t *buffer,
                            size_t size, size_t *out_size)
{
    return store_listxattr(hooked_of(store)->inner, object, buffer, size, out_size);
}

static int hooked_seek(struct store *store, const struct gfid *object, uint64_t offset, int whence,
                       uint64_t *out_offset)
{
    return store_seek(hooked_of(store)->inner, object, offset, whence, out_offset);
}

static int hooked_rights(struct store *store, const struct attr *attr, const struct cred *cred,
                         uint32_t *out_rights)
{
    return store_rights(hooked_of(store)->inner, attr, cred, out_rights);
}

static int hooked_orphan_next(struct store *store, const struct gfid *after,
                              struct gfid *out_object, uint64_t *out_keeper)
{
    return store_orphan_next(hooked_of(store)->inner, after, out_object, out_keeper);
}

static int hooked_cut(struct store *store, uint64_t to)
{
    struct store *inner = hooked_of(store)->inner;
    return inner->ops->cut(inner, to);
}

static int hooked_refetch(struct store *store,
                          int (*each)(void *context, const struct store_refetch *), void *context)
{
    return store_refetch(hooked_of(store)->inner, each, context);
}

static int hooked_restore(struct store *store, const struct gfid *object, uint64_t offset,
                          struct slice bytes)
{
    return store_restore(hooked_of(store)->inner, object, offset, bytes);
}

static bool hooked_reconciling(struct store *store)
{
    return store_reconciling(hooked_of(store)->inner);
}

static int hooked_reconciled(struct store *store)
{
    return store_reconciled(hooked_of(store)->inner);
}

static const struct store_ops hooked_ops = {
    .getattr = hooked_getattr,
    .lookup = hooked_lookup,
    .readlink = hooked_readlink,
    .read = hooked_read,
    .sync = hooked_sync,
    .sync_join = hooked_sync_join,
    .getxattr = hooked_getxattr,
    .listxattr = hooked_listxattr,
    .seek = hooked_seek,
    .readdir = hooked_readdir,
    .statfs = hooked_statfs,
    .rights = hooked_rights,
    .orphan_next = hooked_orphan_next,
    .decide = hooked_decide,
    .sequence = hooked_sequence,
    .apply = hooked_apply,
    .commit = hooked_commit,
    .log_read = hooked_log_read,
    .cut = hooked_cut,
    .refetch = hooked_refetch,
    .restore = hooked_restore,
    .reconciling = hooked_reconciling,
    .reconciled = hooked_reconciled,
    .position = hooked_position,
    .identity = hooked_identity,
    .checkpoint = hooked_checkpoint,
    .view_get = hooked_view_get,
    .view_put = hooked_view_put,
    .close = hooked_close,
};

struct store *store_hooked(struct store *inner, struct store_hooks *hooks)
{
    struct hooked_store *hooked = calloc(1, sizeof *hooked);
    INVARIANT(hooked);
    hooked->store.ops = &hooked_ops;
    hooked->inner = inner;
    hooked->hooks = hooks;
    return &hooked->store;
}
