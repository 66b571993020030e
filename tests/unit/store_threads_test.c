/*
 * Many threads on one brick: readers of all kinds, one that sequences, one that applies behind it,
 * and the checkpoint. To be run under the thread sanitizer too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include "backend/proto/dirent.h"
#include "tests/lib/store_check.h"
#include "tests/lib/store_fixture.h"

#define FILES 64
#define OPERATIONS 3000
#define READERS 2

struct queued {
    uint8_t bytes[1024];
    size_t size;
};

static struct store_fixture fixture;
static struct store *store;
static struct gfid files[FILES];
static struct queued queue[OPERATIONS];
static atomic_int queued;
static atomic_int applied;
static atomic_bool over;
static atomic_int failures;
static uint8_t content[8192];

static void check(bool good, const char *what)
{
    if (!good) {
        atomic_fetch_add(&failures, 1);
        fprintf(stderr, "%s\n", what);
    }
}

static void sequence(struct mutation *wish)
{
    struct operation operation;
    const struct decision decision = {.index = ++fixture.index,
                                      .view = 1,
                                      .now_ns = fixture.now_ns += 1000,
                                      .bytes_free = UINT64_C(1) << 40};
    struct queued *slot = &queue[atomic_load(&queued)];
    check(store_decide(store, wish, &decision, &operation) == 0, "decide");
    check(operation_encode(&operation, slot->bytes, sizeof slot->bytes, &slot->size) == 0,
          "encode");
    check(store_sequence(store, &operation, slice_of(slot->bytes, slot->size)) == 0, "sequence");
    atomic_fetch_add(&queued, 1);
}

static void *run_sequencer(void *context)
{
    struct random_sequence random;
    random_sequence_init(&random, 3);
    for (int i = 0; i < OPERATIONS; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "temporary%d", i / 2);
        struct mutation wish = wish_write(files[random_sequence_below(&random, FILES)],
                                          random_sequence_below(&random, 4096), 4096);
        if (i % 4 == 0) {
            wish = wish_make(GFID_ROOT, name, OBJECT_FILE, 0644);
        } else if (i % 4 == 2) {
            (void)snprintf(name, sizeof name, "temporary%d", (i - 2) / 2);
            wish = wish_remove(GFID_ROOT, name, false);
        }
        sequence(&wish);
    }
    return context;
}

static void *run_applier(void *context)
{
    for (int i = 0; i < OPERATIONS; i++) {
        while (atomic_load(&queued) <= i) {
            sched_yield();
        }
        struct operation operation;
        check(operation_decode(slice_of(queue[i].bytes, queue[i].size), &operation) == 0, "decode");
        check(store_apply(store, &operation, slice_of(content, operation.count)) == 0, "apply");
        check(store_commit(store, operation.index) == 0, "commit");
        atomic_fetch_add(&applied, 1);
    }
    atomic_store(&over, true);
    return context;
}

static void *run_checkpoints(void *context)
{
    while (!atomic_load(&over)) {
        check(store_checkpoint(store) == 0, "checkpoint");
        check(store_sync(store, &files[0]) == 0, "sync");
        check(store_sync(store, NULL) == 0, "sync of the log");
    }
    return context;
}

static void nothing(void *context, const struct dirent_entry *entry)
{
    (void)context;
    (void)entry;
}

static void *run_reader(void *context)
{
    struct random_sequence random;
    random_sequence_init(&random, (uint64_t)(uintptr_t)context);
    while (!atomic_load(&over)) {
        uint8_t buffer[8192];
        uint32_t got;
        struct attr attr;
        struct attr parent;
        struct statfs_info space;
        struct store_position position;
        struct gfid file = files[random_sequence_below(&random, FILES)];
        check(store_getattr(store, &file, &attr) == 0, "getattr");
        int result = store_read(store, &file, 0, sizeof buffer, true, buffer, &got);
        check(result == 0 || result == -EAGAIN, "read");
        result = store_lookup(store, &GFID_ROOT, slice_text("temporary8"), &attr, &parent);
        check(result == 0 || result == -ENOENT, "lookup");
        check(store_list(store, &GFID_ROOT, 3000, nothing, NULL) >= FILES, "list");
        check(store_statfs(store, &space) == 0, "statfs");
        store_position(store, &position);
        check(position.applied <= position.sequenced, "position");
    }
    return NULL;
}

static void threads_do_not_disturb_one_another(void)
{
    pthread_t threads[3 + READERS];
    store_fixture_open(&fixture, 1, 0);
    store = fixture.stores[0];
    for (int i = 0; i < FILES; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "file%d", i);
        files[i] = fixture_make(&fixture, GFID_ROOT, name, OBJECT_FILE);
    }
    void *(*const works[])(void *) = {run_sequencer, run_applier, run_checkpoints};
    for (size_t i = 0; i < 3 + READERS; i++) {
        void *(*work)(void *) = i < 3 ? works[i] : run_reader;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, work, (void *)(i + 1)), 0);
    }
    for (size_t i = 0; i < 3 + READERS; i++) {
        CU_ASSERT_EQUAL(pthread_join(threads[i], NULL), 0);
    }
    CU_ASSERT_EQUAL(atomic_load(&failures), 0);
    CU_ASSERT_EQUAL(store_checkpoint(store), 0);
    CU_ASSERT_EQUAL(store_compare(store, fixture.paths[0], TREE_CONTENTS | TREE_TIMES), 0);
    store_fixture_close(&fixture);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("store, threads", NULL, NULL);
    CU_ADD_TEST(suite, threads_do_not_disturb_one_another);
    CU_basic_run_tests();
    unsigned int failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed != 0;
}
