/*
 * See brick_set.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/lib/brick_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/random.h"
#include "backend/base/scope.h"
#include "tests/lib/store_check.h"
#include "tests/lib/store_fixture.h"

#define LOOP_THREADS 3
#define WORKER_THREADS 2
#define TICK_MS 10
#define CHECKPOINT_MS 200

static void must(int status, const char *what)
{
    if (status < 0) {
        (void)fprintf(stderr, "brick set: %s: %s\n", what, error_text(status));
    }
    INVARIANT(status >= 0);
}

uint64_t test_now_ns(void)
{
    return clock_monotonic_ns(clock_real());
}

bool test_wait(bool (*condition)(void *context), void *context, unsigned ms)
{
    uint64_t end = test_now_ns() + ms * NS_PER_MS;
    while (!condition(context)) {
        if (test_now_ns() > end) {
            return false;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return true;
}

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

static const struct store_ops hooked_ops = {
    .getattr = hooked_getattr,
    .lookup = hooked_lookup,
    .readlink = hooked_readlink,
    .read = hooked_read,
    .sync = hooked_sync,
    .readdir = hooked_readdir,
    .statfs = hooked_statfs,
    .decide = hooked_decide,
    .sequence = hooked_sequence,
    .apply = hooked_apply,
    .commit = hooked_commit,
    .log_read = hooked_log_read,
    .position = hooked_position,
    .identity = hooked_identity,
    .checkpoint = hooked_checkpoint,
    .view_get = hooked_view_get,
    .view_put = hooked_view_put,
    .close = hooked_close,
};

static struct store *store_hooked(struct store *inner, struct store_hooks *hooks)
{
    struct hooked_store *hooked = calloc(1, sizeof *hooked);
    INVARIANT(hooked);
    hooked->store.ops = &hooked_ops;
    hooked->inner = inner;
    hooked->hooks = hooks;
    return &hooked->store;
}

/* ---- a member, wired as in trivet_brick.c -----------------------------------------------------
 */

static void failed(void *context, int status)
{
    struct brick_member *member = context;
    atomic_store(&member->failed, status);
}

static void client_closed(struct rpc_connection *connection, void *context)
{
    struct brick_member *member = context;
    brick_client_closed(&member->brick, connection);
}

static bool hold(void *context, const struct operation *operation)
{
    struct brick *brick = context;
    return grants_recall(brick->grants, operation);
}

static void held(void *context)
{
    struct brick *brick = context;
    grants_send(brick->grants);
}

static void released(void *context, uint64_t index)
{
    struct brick *brick = context;
    replica_release(brick->driver, index);
}

static void tick(void *context)
{
    struct brick_member *member = context;
    replica_driver_tick(member->brick.driver);
    grants_tick(member->brick.grants);
}

static void checkpoint_run(void *context)
{
    struct brick *brick = context;
    must(store_checkpoint(brick->store), "checkpoint");
}

static void checkpoint(void *context)
{
    struct brick *brick = context;
    rpc_offload(brick->loop, checkpoint_run, brick);
}

static struct store *member_store(struct brick_member *member, uint32_t number)
{
    struct store *store = NULL;
    struct store_identity identity = test_identity(number);
    char error[512] = "";
    int status = member->path[0]
                     ? posix_store_open(member->path, clock_real(), &store, error, sizeof error)
                     : memory_store_open(&identity, clock_real(), &store);
    if (status < 0) {
        (void)fprintf(stderr, "%s\n", error);
    }
    must(status, "open a store");
    return store_hooked(store, &member->hooks);
}

static void member_listen(struct brick_member *member)
{
    struct brick *brick = &member->brick;
    member->clients = (struct rpc_program){
        .program = TRIVET_BRICK,
        .version = TRIVET_BRICK_V1,
        .procedures = brick_procedures,
        .procedure_count = brick_procedure_count,
        .context = brick,
    };
    member->programs[0] = &member->clients;
    member->programs[1] = &brick->driver->program;
    member->service = (struct rpc_service){
        .programs = member->programs,
        .program_count = 2,
        .closed = client_closed,
        .context = member,
    };
    must(rpc_listen_tcp(brick->loop, "127.0.0.1", 0, &member->service, &member->port), "listen");
}

static void member_run(struct brick_member *member, uint32_t number)
{
    struct brick *brick = &member->brick;
    *brick = (struct brick){.store = member_store(member, number)};
    store_identity(brick->store, &brick->identity);
    pthread_mutex_init(&brick->sessions_mutex, NULL);
    must(rpc_loop_new(LOOP_THREADS, WORKER_THREADS, &brick->loop), "loop");
    must(
        replica_driver_new(brick->loop, brick->store, clock_real(), failed, member, &brick->driver),
        "driver");
    brick->grants = grants_new(clock_real(), released, brick);
    INVARIANT(brick->grants);
    brick->driver->hold = hold;
    brick->driver->held = held;
    brick->driver->hold_context = brick;
    if (member->path[0]) {
        brick_grace_begin(brick, member->path);
    } else {
        (void)snprintf(brick->granted_path, sizeof brick->granted_path, "/dev/null");
    }
    member_listen(member);
    must(rpc_loop_every(brick->loop, TICK_MS, tick, member), "tick");
    must(rpc_loop_every(brick->loop, CHECKPOINT_MS, checkpoint, brick), "checkpoint");
    must(rpc_loop_start(brick->loop), "start");
    member->is_running = true;
}

static void hooks_init(struct store_hooks *hooks)
{
    pthread_mutex_init(&hooks->mutex, NULL);
    pthread_cond_init(&hooks->changed, NULL);
}

void brick_member_open(struct brick_member *member, uint32_t number, const char *path)
{
    *member = (struct brick_member){.is_running = false};
    (void)snprintf(member->path, sizeof member->path, "%s", path);
    hooks_init(&member->hooks);
    member_run(member, number);
}

void brick_member_close(struct brick_member *member)
{
    struct brick *brick = &member->brick;
    if (!member->is_running) {
        return;
    }
    member->is_running = false;
    replica_driver_stop(brick->driver);
    rpc_loop_stop(brick->loop);
    brick_grace_end(brick);
    grants_free(brick->grants);
    replica_driver_free(brick->driver);
    rpc_loop_free(brick->loop);
    store_close(brick->store);
    pthread_mutex_destroy(&brick->sessions_mutex);
}

/* ---- the set --------------------------------------------------------------------------------- */

void brick_member_stop(struct brick_set *set, unsigned i)
{
    brick_member_close(&set->members[i]);
}

void brick_member_start(struct brick_set *set, unsigned i)
{
    atomic_store(&set->members[i].failed, 0);
    member_run(&set->members[i], i);
}

void brick_set_open(struct brick_set *set, unsigned count, bool on_directories)
{
    *set = (struct brick_set){.count = count};
    for (unsigned i = 0; i < count; i++) {
        struct brick_member *member = &set->members[i];
        struct store_identity identity = test_identity(i);
        char error[512] = "";
        hooks_init(&member->hooks);
        if (on_directories) {
            temporary_directory(member->path);
            must(posix_store_format(member->path, &identity, false, error, sizeof error), error);
        }
        member_run(member, i);
    }
    must(rpc_loop_new(2, 1, &set->client_loop), "loop");
    must(rpc_loop_start(set->client_loop), "start");
    brick_set_view(set, 0);
}

void brick_set_close(struct brick_set *set)
{
    rpc_loop_stop(set->client_loop);
    for (unsigned i = 0; i < set->count; i++) {
        struct brick_member *member = &set->members[i];
        store_hooks_hold(&member->hooks, false, false);
        brick_member_close(member);
        if (member->path[0]) {
            remove_tree(member->path);
        }
        pthread_mutex_destroy(&member->hooks.mutex);
        pthread_cond_destroy(&member->hooks.changed);
    }
    rpc_loop_free(set->client_loop);
}

void brick_set_view(struct brick_set *set, unsigned primary)
{
    struct view *view = &set->view;
    view->number++;
    view->primary = primary;
    view->volatile_epoch = 1;
    view->member_count = set->count;
    for (unsigned i = 0; i < set->count; i++) {
        struct brick_member *member = &set->members[i];
        struct view_member *seat = &view->members[i];
        seat->brick = i;
        seat->state = MEMBER_IN_SYNC;
        seat->disk_id = test_identity(i).disk_id;
        if (member->is_running) { /* one that does not keeps its place and is waited for */
            seat->incarnation = member->brick.driver->incarnation;
            seat->port = member->port;
        }
        (void)snprintf(seat->host, sizeof seat->host, "127.0.0.1");
    }
    for (unsigned i = 0; i < set->count; i++) {
        if (set->members[i].is_running) {
            must(replica_driver_view(set->members[i].brick.driver, view), "view");
        }
    }
}

struct replica_status brick_set_status(struct brick_set *set, unsigned i)
{
    struct replica_status status;
    replica_status(set->members[i].brick.driver, &status);
    return status;
}

static bool is_serving(void *context)
{
    struct brick_set *set = context;
    return atomic_load(&set->members[set->view.primary].brick.driver->serving_view) ==
           set->view.number;
}

bool brick_set_wait_serving(struct brick_set *set)
{
    return test_wait(is_serving, set, BRICK_SET_WAIT_MS);
}

static bool is_equal(void *context)
{
    struct brick_set *set = context;
    uint64_t sequenced = brick_set_status(set, set->view.primary).sequenced;
    for (unsigned i = 0; i < set->count; i++) {
        if (!set->members[i].is_running) {
            continue;
        }
        struct replica_status status = brick_set_status(set, i);
        if (status.sequenced != sequenced || status.committed != sequenced) {
            return false;
        }
    }
    return true;
}

bool brick_set_wait_equal(struct brick_set *set)
{
    return test_wait(is_equal, set, BRICK_SET_WAIT_MS);
}

void brick_set_break_stream(struct brick_set *set, unsigned member)
{
    struct replica_driver *driver = set->members[set->view.primary].brick.driver;
    AUTO_LOCK(&driver->mutex);
    if (driver->peers[member].stream) {
        rpc_connection_close(replica_stream_connection(driver->peers[member].stream));
    }
}

int brick_set_compare(struct brick_set *set)
{
    int differences = 0;
    uint64_t first = store_digest(set->members[0].brick.store);
    INVARIANT(first != 0);
    for (unsigned i = 0; i < set->count; i++) {
        struct brick_member *member = &set->members[i];
        uint64_t digest = store_digest(member->brick.store);
        if (digest != first) {
            printf("members 0 and %u differ in names or attributes\n", i);
            differences++;
        }
        must(store_checkpoint(member->brick.store), "checkpoint");
        if (member->path[0]) {
            differences += store_compare(set->members[0].brick.store, member->path, TREE_CONTENTS);
        }
    }
    return differences;
}
