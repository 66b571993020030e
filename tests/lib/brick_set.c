/*
 * See brick_set.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/lib/brick_set.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
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

static bool hold(void *context, const struct operation *operation, uint64_t session)
{
    struct brick *brick = context;
    return grants_recall(brick->grants, operation, session);
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
    must(replica_checkpoint(brick->driver), "checkpoint");
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

/* record NULL: it is in another process. */
static void member_run(struct brick_member *member, uint32_t number, struct brick_record *record)
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
    replica_driver_listens(brick->driver, member->port);
    if (record) {
        brick_seat_take(record, number, brick->driver, member->port);
    } else {
        brick_record_attach(brick->driver);
    }
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
    member_run(member, number, NULL);
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
    struct brick_member *member = &set->members[i];
    uint64_t incarnation = member->brick.driver->incarnation;
    brick_seat_leave(&set->record, i);
    brick_member_close(member);
    brick_record_death(&set->record, i, incarnation);
}

void brick_member_start(struct brick_set *set, unsigned i)
{
    atomic_store(&set->members[i].failed, 0);
    member_run(&set->members[i], i, &set->record);
}

/* ---- a process of its own ---------------------------------------------------------------------
 */

struct greeting {
    uint64_t incarnation;
    uint16_t port;
};

/* As the daemon ends. */
static void ended(void *context, int status)
{
    (void)context;
    _exit(status == -E_REMOVED ? BRICK_REENTER : 1);
}

int brick_member_main(int argc, char **argv)
{
    static struct brick_member member;
    INVARIANT(argc == 4 && strcmp(argv[1], MEMBER_OPTION) == 0);
    brick_member_open(&member, (uint32_t)atoi(argv[2]), argv[3]);
    member.brick.driver->failed = ended;
    atomic_store(&member.hooks.jitter_us, 300);
    const struct greeting greeting = {.incarnation = member.brick.driver->incarnation,
                                      .port = member.port};
    INVARIANT(write(STDOUT_FILENO, &greeting, sizeof greeting) == sizeof greeting);
    brick_record_serve(member.brick.driver);
    brick_member_close(&member);
    return atomic_load(&member.failed) != 0;
}

void brick_member_spawn(struct brick_set *set, unsigned i)
{
    struct brick_member *member = &set->members[i];
    int views[2], greetings[2];
    char number[16];
    INVARIANT(!member->is_running && !member->pid);
    INVARIANT(pipe2(views, O_CLOEXEC) == 0 && pipe2(greetings, O_CLOEXEC) == 0);
    (void)snprintf(number, sizeof number, "%u", i);
    char option[] = MEMBER_OPTION;
    char *argv[] = {option, option, number, member->path, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, views[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, greetings[1], STDOUT_FILENO);
    INVARIANT(posix_spawn(&member->pid, "/proc/self/exe", &actions, NULL, argv, environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    (void)close(views[0]);
    (void)close(greetings[1]);
    struct greeting greeting;
    INVARIANT(read(greetings[0], &greeting, sizeof greeting) == sizeof greeting);
    member->incarnation = greeting.incarnation;
    member->port = greeting.port;
    brick_seat_take_pipes(&set->record, i, views[1], greetings[0], member->port);
}

void brick_member_end(struct brick_set *set, unsigned i, bool kills)
{
    struct brick_member *member = &set->members[i];
    int status;
    INVARIANT(member->pid);
    if (kills) {
        (void)kill(member->pid, SIGKILL);
    }
    brick_seat_leave_pipes(&set->record, i);
    INVARIANT(waitpid(member->pid, &status, 0) == member->pid);
    INVARIANT(kills || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
    member->pid = 0;
    brick_record_death(&set->record, i, member->incarnation);
}

void brick_set_tend(struct brick_set *set)
{
    for (unsigned i = 0; i < set->count; i++) {
        struct brick_member *member = &set->members[i];
        int status;
        if (member->pid && waitpid(member->pid, &status, WNOHANG) == member->pid) {
            INVARIANT(WIFEXITED(status) && WEXITSTATUS(status) == BRICK_REENTER);
            brick_seat_leave_pipes(&set->record, i);
            member->pid = 0;
            brick_record_death(&set->record, i, member->incarnation);
            brick_member_spawn(set, i);
        }
    }
}

static void set_open(struct brick_set *set, unsigned count, bool on_directories,
                     unsigned min_insync)
{
    *set = (struct brick_set){.count = count};
    brick_record_init(&set->record, &set->view, min_insync);
    for (unsigned i = 0; i < count; i++) {
        struct brick_member *member = &set->members[i];
        struct store_identity identity = test_identity(i);
        char error[512] = "";
        hooks_init(&member->hooks);
        if (on_directories) {
            temporary_directory(member->path);
            must(posix_store_format(member->path, &identity, false, error, sizeof error), error);
        }
        member_run(member, i, &set->record);
    }
    must(rpc_loop_new(2, 1, &set->client_loop), "loop");
    must(rpc_loop_start(set->client_loop), "start");
    brick_set_view(set, 0);
}

void brick_set_open(struct brick_set *set, unsigned count, bool on_directories)
{
    set_open(set, count, on_directories, SET_MEMBERS_MAX + 1); /* more than there can be */
}

void brick_set_open_led(struct brick_set *set, unsigned count, unsigned min_insync)
{
    set_open(set, count, true, min_insync);
}

void brick_set_close(struct brick_set *set)
{
    rpc_loop_stop(set->client_loop);
    for (unsigned i = 0; i < set->count; i++) {
        struct brick_member *member = &set->members[i];
        store_hooks_hold(&member->hooks, false, false);
        if (member->pid) {
            brick_member_end(set, i, true);
        }
        brick_seat_leave(&set->record, i);
    }
    for (unsigned i = 0; i < set->count; i++) {
        struct brick_member *member = &set->members[i];
        brick_member_close(member);
        if (member->path[0]) {
            remove_tree(member->path);
        }
        pthread_mutex_destroy(&member->hooks.mutex);
        pthread_cond_destroy(&member->hooks.changed);
    }
    rpc_loop_free(set->client_loop);
    brick_record_release(&set->record);
}

void brick_set_view(struct brick_set *set, unsigned primary)
{
    struct view *view = malloc(sizeof *view);
    INVARIANT(view);
    brick_record_get(&set->record, view);
    view->primary = primary;
    view->volatile_epoch = 1;
    view->member_count = set->count;
    for (unsigned i = 0; i < set->count; i++) {
        struct brick_member *member = &set->members[i];
        struct view_member *seat = &view->members[i];
        seat->brick = i;
        seat->state = MEMBER_IN_SYNC;
        seat->disk_id = test_identity(i).disk_id;
        if (member->is_running || member->pid) { /* else it keeps its place and is waited for */
            seat->incarnation =
                member->pid ? member->incarnation : member->brick.driver->incarnation;
            seat->port = member->port;
        }
        (void)snprintf(seat->host, sizeof seat->host, "127.0.0.1");
    }
    brick_record_force(&set->record, view);
    free(view);
}

unsigned brick_set_primary(struct brick_set *set)
{
    return __atomic_load_n(&set->view.primary, __ATOMIC_SEQ_CST);
}

struct in_sync_wait {
    struct brick_set *set;
    unsigned count;
};

static bool is_in_sync(void *context)
{
    const struct in_sync_wait *wait = context;
    AUTO_LOCK(&wait->set->record.mutex);
    unsigned count = 0;
    for (unsigned i = 0; i < wait->set->count; i++) {
        count += wait->set->view.members[i].state == MEMBER_IN_SYNC;
    }
    return count == wait->count;
}

bool brick_set_wait_in_sync(struct brick_set *set, unsigned count)
{
    struct in_sync_wait wait = {.set = set, .count = count};
    return test_wait(is_in_sync, &wait, BRICK_SET_WAIT_MS);
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
    uint64_t number = __atomic_load_n(&set->view.number, __ATOMIC_SEQ_CST);
    struct brick_member *member = &set->members[brick_set_primary(set)];
    return member->is_running && replica_has_lease(member->brick.driver, number);
}

bool brick_set_wait_serving(struct brick_set *set)
{
    return test_wait(is_serving, set, BRICK_SET_WAIT_MS);
}

static bool is_equal(void *context)
{
    struct brick_set *set = context;
    uint64_t sequenced = brick_set_status(set, brick_set_primary(set)).sequenced;
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

int brick_set_compare(struct brick_set *set, bool contents)
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
            differences += store_compare(set->members[0].brick.store, member->path,
                                         contents ? TREE_CONTENTS : 0);
        }
    }
    return differences;
}
