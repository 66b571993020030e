/*
 * Members that stop, die and start again while clients work: at the end all members are equal and
 * every acknowledged operation is there. A member that dies is a process of its own: this program,
 * started again with --member, which is killed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/random.h"
#include "tests/lib/brick_set.h"
#include "tests/lib/store_check.h"
#include "tests/lib/store_fixture.h"

#define WORKERS 4
#define CONNECTIONS 2
#define FILES 5
#define BLOCK 512
#define BLOCKS 128
#define RESTARTS 12
/* What the workers do at least between two restarts. */
#define DONE_BETWEEN 150

static struct brick_set set;

/* ---- a client that sends again what it got no definite answer to
 * ---------------------------------- */

struct session {
    pthread_rwlock_t lock; /* written while the client is replaced */
    struct test_client client;
    uint64_t id;
};

static struct session sessions[CONNECTIONS];

static bool is_definite(int status)
{
    return status != -E_CONNECTION_LOST && status != -EPROTO &&
           (status == 0 || error_errno(status) != EAGAIN);
}

union arguments {
    brick_target target; /* the first of each */
    brick_write_args write;
    brick_make_args make;
    brick_remove_args remove;
    brick_rename_args rename;
    brick_setattr_args setattr;
};

static int session_call(struct session *session, uint32_t procedure, union arguments *args,
                        const struct slice *bulk, struct reply *out_reply)
{
    uint64_t end_ns = test_now_ns() + BRICK_SET_WAIT_MS * NS_PER_MS;
    for (;;) {
        pthread_rwlock_rdlock(&session->lock);
        args->target = client_target(&session->client);
        int status = client_call(&session->client, procedure, args, bulk, out_reply);
        pthread_rwlock_unlock(&session->lock);
        if (is_definite(status) || test_now_ns() > end_ns) {
            return status;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
}

/* Both sessions to the primary, whose process is another one now. */
static void sessions_dial(bool again)
{
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        struct session *session = &sessions[i];
        pthread_rwlock_wrlock(&session->lock);
        if (again) {
            test_client_close(&session->client);
        }
        CU_ASSERT_EQUAL_FATAL(test_client_open(&session->client, &set, set.view.primary, false), 0);
        pthread_rwlock_unlock(&session->lock);
    }
}

/* ---- the workers
 * ------------------------------------------------------------------------------------ */

struct file {
    struct gfid gfid; /* none: not there */
    char name[16];
    unsigned name_number;
    uint32_t mode;
    uint8_t blocks[BLOCKS]; /* the byte that each block is full of; 0: never written */
    unsigned written;       /* blocks up to here */
};

struct worker {
    struct session *session;
    unsigned number;
    struct random_sequence random;
    struct gfid directory;
    struct file files[FILES];
    uint64_t sequence; /* of its slot, which is its number */
    _Atomic unsigned done;
    pthread_t thread;
};

static struct worker workers[WORKERS];
static _Atomic bool work_over;

static struct op_id worker_id(struct worker *worker)
{
    return (struct op_id){.kind = OP_ID_SESSION,
                          .slot = worker->number,
                          .client = worker->session->id,
                          .sequence = ++worker->sequence};
}

static const struct cred root_cred = {.flags = CRED_CHECKED};

static void work_make(struct worker *worker, struct file *file)
{
    (void)snprintf(file->name, sizeof file->name, "f%zu-%u", (size_t)(file - worker->files),
                   file->name_number++);
    union arguments args = {.make = {.cred = root_cred,
                                     .id = worker_id(worker),
                                     .parent = worker->directory,
                                     .name = file->name,
                                     .type = OBJECT_FILE,
                                     .how = CREATE_GUARDED,
                                     .change = {.mask = ATTR_MODE, .mode = 0644},
                                     .symlink_target = (char *)(uintptr_t) ""}};
    struct reply reply;
    int status = session_call(worker->session, BRICK_CREATE, &args, NULL, &reply);
    CU_ASSERT_EQUAL(status, 0);
    memset(file->blocks, 0, sizeof file->blocks);
    file->written = 0;
    file->mode = 0644;
    file->gfid = status == 0 ? reply.object.gfid : GFID_NONE;
}

static void work_write(struct worker *worker, struct file *file)
{
    uint8_t bytes[BLOCK];
    bool appends = file->written < BLOCKS && random_sequence_below(&worker->random, 3) == 0;
    unsigned block =
        appends ? file->written : (unsigned)random_sequence_below(&worker->random, BLOCKS);
    uint8_t value = (uint8_t)(1 + random_sequence_below(&worker->random, 255));
    memset(bytes, value, sizeof bytes);
    union arguments args = {.write = {.cred = root_cred,
                                      .id = worker_id(worker),
                                      .object = file->gfid,
                                      .offset = appends ? 0 : block * BLOCK,
                                      .append = appends}};
    struct slice bulk = slice_of(bytes, sizeof bytes);
    CU_ASSERT_EQUAL(session_call(worker->session, BRICK_WRITE, &args, &bulk, NULL), 0);
    file->blocks[block] = value;
    file->written = block + 1 > file->written ? block + 1 : file->written;
}

static void work_rename(struct worker *worker, struct file *file)
{
    char before[16];
    memcpy(before, file->name, sizeof before);
    (void)snprintf(file->name, sizeof file->name, "f%zu-%u", (size_t)(file - worker->files),
                   file->name_number++);
    union arguments args = {.rename = {.cred = root_cred,
                                       .id = worker_id(worker),
                                       .parent = worker->directory,
                                       .name = before,
                                       .parent2 = worker->directory,
                                       .name2 = file->name}};
    CU_ASSERT_EQUAL(session_call(worker->session, BRICK_RENAME, &args, NULL, NULL), 0);
}

static void work_remove(struct worker *worker, struct file *file)
{
    union arguments args = {.remove = {.cred = root_cred,
                                       .id = worker_id(worker),
                                       .parent = worker->directory,
                                       .name = file->name}};
    CU_ASSERT_EQUAL(session_call(worker->session, BRICK_REMOVE, &args, NULL, NULL), 0);
    file->gfid = GFID_NONE;
}

static void work_chmod(struct worker *worker, struct file *file)
{
    file->mode = 0600 + (uint32_t)random_sequence_below(&worker->random, 64);
    union arguments args = {.setattr = {.cred = root_cred,
                                        .id = worker_id(worker),
                                        .object = file->gfid,
                                        .change = {.mask = ATTR_MODE, .mode = file->mode}}};
    CU_ASSERT_EQUAL(session_call(worker->session, BRICK_SETATTR, &args, NULL, NULL), 0);
}

static void *worker_run(void *context)
{
    struct worker *worker = context;
    while (!atomic_load(&work_over)) {
        struct file *file = &worker->files[random_sequence_below(&worker->random, FILES)];
        unsigned what = (unsigned)random_sequence_below(&worker->random, 12);
        if (gfid_is_none(&file->gfid)) {
            work_make(worker, file);
        } else if (what < 8) {
            work_write(worker, file);
        } else if (what < 10) {
            work_rename(worker, file);
        } else if (what == 10) {
            work_chmod(worker, file);
        } else {
            work_remove(worker, file);
        }
        atomic_fetch_add(&worker->done, 1);
    }
    return NULL;
}

/* Whether the store has what worker was told is done. */
static void worker_check(const struct worker *worker, struct store *store)
{
    for (unsigned i = 0; i < FILES; i++) {
        const struct file *file = &worker->files[i];
        struct attr attr, parent;
        int status =
            store_lookup(store, &worker->directory, slice_text(file->name), &attr, &parent);
        if (gfid_is_none(&file->gfid)) {
            CU_ASSERT_EQUAL(status, -ENOENT);
            continue;
        }
        CU_ASSERT_EQUAL_FATAL(status, 0);
        CU_ASSERT(gfid_equal(&attr.gfid, &file->gfid));
        CU_ASSERT_EQUAL(attr.mode, file->mode);
        CU_ASSERT_EQUAL(attr.size, file->written * BLOCK);
        for (unsigned block = 0; block < file->written; block++) {
            uint8_t bytes[BLOCK], wanted[BLOCK];
            uint32_t count = 0;
            memset(wanted, file->blocks[block], sizeof wanted);
            CU_ASSERT_EQUAL(
                store_read(store, &file->gfid, block * BLOCK, BLOCK, false, bytes, &count), 0);
            CU_ASSERT_EQUAL(count, BLOCK);
            CU_ASSERT_EQUAL(memcmp(bytes, wanted, sizeof bytes), 0);
        }
    }
}

/* ---- the tests
 * ---------------------------------------------------------------------------------------- */

static void work_start(uint64_t seed)
{
    atomic_store(&work_over, false);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        pthread_rwlock_init(&sessions[i].lock, NULL);
        sessions[i].id = seed * 100 + i + 1;
    }
    sessions_dial(false);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct worker *worker = &workers[i];
        char name[8];
        (void)snprintf(name, sizeof name, "w%u", i);
        *worker = (struct worker){.session = &sessions[i % CONNECTIONS], .number = i};
        random_sequence_init(&worker->random, seed + i);
        union arguments args = {
            .make = args_make(&worker->session->client, GFID_ROOT, name, OBJECT_DIRECTORY)};
        struct reply reply;
        CU_ASSERT_EQUAL_FATAL(session_call(worker->session, BRICK_MKDIR, &args, NULL, &reply), 0);
        worker->directory = reply.object.gfid;
        pthread_create(&worker->thread, NULL, worker_run, worker);
    }
}

static unsigned work_done(void)
{
    unsigned done = 0;
    for (unsigned i = 0; i < WORKERS; i++) {
        done += atomic_load(&workers[i].done);
    }
    return done;
}

static bool is_done(void *context)
{
    return work_done() >= *(const unsigned *)context;
}

static void work_more(void)
{
    unsigned wanted = work_done() + DONE_BETWEEN;
    CU_ASSERT_FATAL(test_wait(is_done, &wanted, 3 * BRICK_SET_WAIT_MS));
}

static void work_end(void)
{
    atomic_store(&work_over, true);
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        test_client_close(&sessions[i].client);
        pthread_rwlock_destroy(&sessions[i].lock);
    }
}

static void check_all(void)
{
    CU_ASSERT_FATAL(brick_set_wait_serving(&set));
    CU_ASSERT_FATAL(brick_set_wait_equal(&set));
    CU_ASSERT_EQUAL(brick_set_compare(&set, true), 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        for (unsigned member = 0; member < set.count; member++) {
            worker_check(&workers[i], set.members[member].brick.store);
        }
    }
}

static void members_restart(void)
{
    struct random_sequence random;
    random_sequence_init(&random, 7);
    brick_set_open(&set, 3, true);
    CU_ASSERT_FATAL(brick_set_wait_serving(&set));
    work_start(7);
    for (unsigned i = 0; i < RESTARTS; i++) {
        unsigned member = (unsigned)random_sequence_below(&random, 3);
        work_more();
        brick_member_stop(&set, member);
        brick_member_start(&set, member);
        brick_set_view(&set, 0);
        if (member == 0) {
            sessions_dial(true);
        }
    }
    work_more();
    work_end();
    check_all();
    brick_set_close(&set);
}

static void members_die(void)
{
    struct random_sequence random;
    random_sequence_init(&random, 11);
    brick_set_open(&set, 3, true);
    for (unsigned i = 0; i < set.count; i++) {
        brick_member_stop(&set, i);
        brick_member_spawn(&set, i);
    }
    brick_set_view(&set, 0);
    work_start(11);
    for (unsigned i = 0; i < RESTARTS; i++) {
        unsigned member = (unsigned)random_sequence_below(&random, 3);
        work_more();
        brick_member_end(&set, member, true);
        brick_member_spawn(&set, member);
        brick_set_view(&set, 0);
        if (member == 0) {
            sessions_dial(true);
        }
    }
    work_more();
    work_end();
    for (unsigned i = 0; i < set.count; i++) {
        brick_member_end(&set, i, false);
        brick_member_start(&set, i);
    }
    brick_set_view(&set, 0);
    check_all();
    brick_set_close(&set);
}

int main(int argc, char **argv)
{
    log_open("brick_restart_test", LOG_LEVEL_ERROR);
    signal(SIGPIPE, SIG_IGN);
    if (argc > 1) {
        return brick_member_main(argc, argv);
    }
    CU_TestInfo tests[] = {
        {"members restart", members_restart},
        {"members die", members_die},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{.pName = "restart", .pTests = tests}, CU_SUITE_INFO_NULL};
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
        return 2;
    }
    CU_basic_set_mode(getenv("VERBOSE") ? CU_BRM_VERBOSE : CU_BRM_NORMAL);
    (void)CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
