/*
 * Syncs of files: shared, begun ahead by habit, and never counted for what was changed after they
 * began.
 *
 * Method: a sync that a test holds back, counts and fails, instead of the kernel's; at last many
 * threads against a model of a disk, which has of a file what was there when a sync began.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>
#include "backend/base/random.h"
#include "backend/base/scope.h"
#include "backend/proto/attr.h"
#include "backend/store/sync_ahead.h"
#include "tests/lib/brick_set.h"
#include "tests/lib/store_fixture.h"

#define FILES 24
/* As in sync_ahead.c: how many may be synced, and wait to be, at once. */
#define AT_ONCE_MAX 2
#define AHEAD_MAX (AT_ONCE_MAX + 16)
/* Long enough for a thread that should not do something to do it. */
#define TOO_EARLY_MS 50

static char path[64];
static int directory;
static struct changelog *changelog;
static struct fd_cache *objects;
static struct sync_ahead *syncs;
static struct open_object *files[FILES];
static uint64_t last_record;

/* ---- the disk ------------------------------------------------------------------------------ */

static pthread_mutex_t disk_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t disk_changed = PTHREAD_COND_INITIALIZER;
static bool disk_held;
static int disk_status;
static unsigned disk_begun, disk_ended, disk_most;
static int told; /* by failed */

/* A model of each file: how often it was changed, and what of that a sync has brought to disk. */
static _Atomic uint64_t versions[FILES];
static _Atomic uint64_t durable[FILES];
/* What threads found wrong; CUnit counts on one. */
static _Atomic unsigned wrong;

static void check(bool holds)
{
    atomic_fetch_add(&wrong, holds ? 0 : 1);
}

static unsigned index_of(int fd)
{
    for (unsigned i = 0; i < FILES; i++) {
        if (files[i]->fd == fd) {
            return i;
        }
    }
    abort();
}

static int disk_sync(int fd)
{
    unsigned i = index_of(fd);
    uint64_t version = atomic_load(&versions[i]); /* what comes later may be left out */
    AUTO_LOCK(&disk_mutex);
    disk_begun++;
    if (disk_begun - disk_ended > disk_most) {
        disk_most = disk_begun - disk_ended;
    }
    pthread_cond_broadcast(&disk_changed);
    while (disk_held) {
        pthread_cond_wait(&disk_changed, &disk_mutex);
    }
    disk_ended++;
    if (disk_status == 0 && atomic_load(&durable[i]) < version) {
        atomic_store(&durable[i], version);
    }
    return disk_status;
}

static void disk_failed(void *context, int status)
{
    (void)context;
    AUTO_LOCK(&disk_mutex);
    told = status;
}

static void disk_hold(bool held)
{
    AUTO_LOCK(&disk_mutex);
    disk_held = held;
    pthread_cond_broadcast(&disk_changed);
}

static bool has_begun(void *context)
{
    AUTO_LOCK(&disk_mutex);
    return disk_begun >= *(unsigned *)context;
}

static bool has_ended(void *context)
{
    AUTO_LOCK(&disk_mutex);
    return disk_ended >= *(unsigned *)context;
}

static bool wait_begun(unsigned count)
{
    return test_wait(has_begun, &count, BRICK_SET_WAIT_MS);
}

static bool wait_ended(unsigned count)
{
    return test_wait(has_ended, &count, BRICK_SET_WAIT_MS);
}

/* No sync more than that begins. */
static bool stays_at(unsigned count)
{
    count++;
    return !test_wait(has_begun, &count, TOO_EARLY_MS);
}

/* ---- the fixture --------------------------------------------------------------------------- */

static void set_up(void)
{
    char error[512];
    temporary_directory(path);
    directory = open(path, O_RDONLY | O_DIRECTORY);
    const struct changelog_options log_options = {
        .directory_fd = directory, .disk_id = 9, .first = 1, .same_boot = true};
    CU_ASSERT_EQUAL_FATAL(changelog_open(&log_options, &changelog, error, sizeof error), 0);
    CU_ASSERT_EQUAL_FATAL(fd_cache_new(FILES, &objects), 0);
    disk_held = false;
    disk_status = told = 0;
    disk_begun = disk_ended = disk_most = 0;
    last_record = 0;
    const struct sync_ahead_options options = {
        .objects = objects, .log = changelog, .data = disk_sync, .failed = disk_failed};
    CU_ASSERT_EQUAL_FATAL(sync_ahead_new(&options, &syncs), 0);
    for (unsigned i = 0; i < FILES; i++) {
        char name[96];
        (void)snprintf(name, sizeof name, "%s/file%u", path, i); /* always fits */
        struct gfid gfid = {.bytes = {1, (uint8_t)i}};
        int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
        files[i] = fd_cache_add(objects, &gfid, OBJECT_FILE, fd);
        CU_ASSERT_FATAL(fd >= 0 && files[i]);
        atomic_store(&versions[i], 1);
        atomic_store(&durable[i], 0);
    }
}

static void tear_down(void)
{
    disk_hold(false);
    sync_ahead_free(syncs);
    CU_ASSERT_EQUAL(atomic_exchange(&wrong, 0), 0);
    for (unsigned i = 0; i < FILES; i++) {
        fd_cache_put(objects, files[i]);
    }
    fd_cache_free(objects);
    changelog_close(changelog);
    (void)close(directory);
    remove_tree(path);
}

static void record(void)
{
    check(changelog_append(changelog, ++last_record, slice_text("record")) == 0);
}

/* As a WRITE does: the record, the bytes, the word. */
static void change(unsigned i)
{
    record();
    atomic_fetch_add(&versions[i], 1);
    sync_ahead_changed(syncs, files[i]);
}

static int sync_file(unsigned i)
{
    uint64_t version = atomic_load(&versions[i]);
    int status = sync_ahead_wait(syncs, files[i]);
    check(status || atomic_load(&durable[i]) >= version);
    return status;
}

/* Ask so often, each time after so many changes. Leaves nothing under way. */
static void practise(unsigned i, unsigned times, unsigned changes)
{
    while (times-- > 0) {
        for (unsigned n = 0; n < changes; n++) {
            change(i);
        }
        CU_ASSERT_EQUAL(sync_file(i), 0);
    }
}

struct joiner {
    struct store_sync sync; /* first */
    _Atomic bool is_done;
    int status;
    bool log_durable;
};

static void joined(struct store_sync *sync, int status)
{
    struct joiner *joiner = (struct joiner *)sync;
    uint64_t last;
    joiner->status = status;
    joiner->log_durable = changelog_is_durable(changelog, &last);
    atomic_store(&joiner->is_done, true);
}

static int join(unsigned i, struct joiner *joiner)
{
    *joiner = (struct joiner){.sync.complete = joined};
    return sync_ahead_join(syncs, files[i], &joiner->sync);
}

static bool is_done(void *context)
{
    return atomic_load(&((struct joiner *)context)->is_done);
}

static bool wait_done(struct joiner *joiner)
{
    return test_wait(is_done, joiner, BRICK_SET_WAIT_MS);
}

/* ---- shared -------------------------------------------------------------------------------- */

static void *sync_first_file(void *context)
{
    *(int *)context = sync_file(0);
    return NULL;
}

static void one_sync_serves_all_who_came_before_it_began(void)
{
    set_up();
    pthread_t threads[5];
    int status[5] = {-1, -1, -1, -1, -1};
    change(0);
    disk_hold(true);
    pthread_create(&threads[0], NULL, sync_first_file, &status[0]);
    CU_ASSERT(wait_begun(1));
    change(0);
    for (unsigned i = 1; i < 5; i++) {
        pthread_create(&threads[i], NULL, sync_first_file, &status[i]);
    }
    CU_ASSERT(stays_at(1));
    disk_hold(false);
    for (unsigned i = 0; i < 5; i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_EQUAL(status[i], 0);
    }
    CU_ASSERT_EQUAL(disk_begun, 2); /* the first one, which began too early for four, and theirs */
    CU_ASSERT_EQUAL(sync_file(0), 0);
    CU_ASSERT_EQUAL(disk_begun, 2); /* nothing was changed since */
    tear_down();
}

static void a_file_just_opened_is_synced(void)
{
    set_up();
    CU_ASSERT_EQUAL(sync_file(3), 0); /* who knows what was written through another descriptor */
    CU_ASSERT_EQUAL(disk_begun, 1);
    tear_down();
}

/* ---- ahead --------------------------------------------------------------------------------- */

static void a_habit_begins_the_sync_before_it_is_asked_for(void)
{
    for (unsigned stride = 1; stride <= 8; stride++) {
        set_up();
        practise(0, 4, stride);
        unsigned before = disk_begun;
        for (unsigned n = 1; n < stride; n++) {
            change(0);
        }
        CU_ASSERT(stays_at(before));
        change(0);
        CU_ASSERT(wait_ended(before + 1));
        CU_ASSERT_EQUAL(sync_file(0), 0);
        CU_ASSERT_EQUAL(disk_begun, before + 1);
        tear_down();
    }
}

static void without_a_habit_nothing_is_begun(void)
{
    set_up();
    for (unsigned i = 0; i < 10; i++) { /* never twice the same */
        practise(0, 1, 1 + i % 2);
    }
    practise(1, 6, 9); /* too many */
    practise(2, 2, 1); /* too few times */
    CU_ASSERT_EQUAL(disk_begun, 10 + 6 + 2);
    for (unsigned i = 0; i < 3; i++) {
        change(i);
    }
    CU_ASSERT(stays_at(10 + 6 + 2));
    tear_down();
}

static void a_habit_is_lost(void)
{
    set_up();
    practise(0, 4, 1);
    unsigned before = disk_begun;
    change(0);
    CU_ASSERT(wait_ended(before + 1));
    for (unsigned i = 1; i < 100; i++) {
        change(0);
    }
    CU_ASSERT(stays_at(before + 1)); /* with the first of them, and that was all */
    CU_ASSERT_EQUAL(sync_file(0), 0);
    CU_ASSERT_EQUAL(disk_begun, before + 2);
    change(0);
    CU_ASSERT(stays_at(before + 2));
    tear_down();
}

static void a_change_during_a_sync_ahead_is_not_covered_by_it(void)
{
    set_up();
    practise(0, 4, 1);
    unsigned before = disk_begun;
    disk_hold(true);
    change(0);
    CU_ASSERT(wait_begun(before + 1));
    struct joiner early, late;
    CU_ASSERT_EQUAL(join(0, &early), 0);
    change(0); /* the habit says that one is to begin now, but one is under way */
    CU_ASSERT_EQUAL(join(0, &late), -EAGAIN);
    pthread_t thread;
    int status = -1;
    pthread_create(&thread, NULL, sync_first_file, &status);
    CU_ASSERT(stays_at(before + 1));
    disk_hold(false);
    pthread_join(thread, NULL);
    CU_ASSERT(wait_done(&early));
    CU_ASSERT_EQUAL(status, 0); /* sync_file looks at the model */
    CU_ASSERT_EQUAL(disk_begun, before + 2);
    tear_down();
}

static void who_joins_is_answered_by_the_sync_under_way(void)
{
    set_up();
    struct joiner joiners[3], late;
    practise(0, 4, 1);
    unsigned before = disk_begun;
    disk_hold(true);
    change(0);
    CU_ASSERT_EQUAL(join(0, &joiners[0]), 0);
    CU_ASSERT(wait_begun(before + 1));
    CU_ASSERT_EQUAL(join(0, &joiners[1]), 0);
    record(); /* another file's, or this one's mode: theirs to wait for, if it came before them */
    CU_ASSERT_EQUAL(join(0, &joiners[2]), 0);
    CU_ASSERT_FALSE(test_wait(is_done, &joiners[0], TOO_EARLY_MS));
    disk_hold(false);
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT(wait_done(&joiners[i]));
        CU_ASSERT_EQUAL(joiners[i].status, 0);
    }
    CU_ASSERT(joiners[2].log_durable);
    CU_ASSERT_EQUAL(disk_begun, before + 1);
    CU_ASSERT_EQUAL(changelog_sync(changelog), 0);
    CU_ASSERT_EQUAL(join(0, &late), 1);
    record();
    CU_ASSERT_EQUAL(join(0, &late), -EAGAIN); /* the log has more, and nobody syncs it */
    tear_down();
}

static void an_error_ahead_is_told_to_whoever_asks_next(void)
{
    set_up();
    practise(0, 4, 1);
    disk_status = -EIO;
    unsigned before = disk_begun;
    change(0);
    CU_ASSERT(wait_ended(before + 1));
    disk_status = 0; /* as the kernel: it says so once */
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(sync_ahead_wait(syncs, files[0]), -EIO);
    }
    CU_ASSERT_EQUAL(sync_ahead_wait(syncs, files[1]), -EIO); /* the brick has failed */
    CU_ASSERT_EQUAL(told, -EIO);
    struct joiner joiner;
    CU_ASSERT_EQUAL(join(0, &joiner), -EAGAIN);
    change(0);
    CU_ASSERT(stays_at(before + 1));
    tear_down();
}

static void an_error_is_told_to_those_who_joined_and_who_wait(void)
{
    set_up();
    practise(0, 4, 1);
    unsigned before = disk_begun;
    disk_hold(true);
    disk_status = -EIO;
    change(0);
    struct joiner joiner;
    CU_ASSERT_EQUAL(join(0, &joiner), 0);
    CU_ASSERT(wait_begun(before + 1));
    pthread_t thread;
    int status = 0;
    pthread_create(&thread, NULL, sync_first_file, &status);
    CU_ASSERT(stays_at(before + 1));
    disk_hold(false);
    CU_ASSERT(wait_done(&joiner));
    CU_ASSERT_EQUAL(joiner.status, -EIO);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(status, -EIO);
    CU_ASSERT_EQUAL(told, -EIO);
    tear_down();
}

static void so_many_at_once_and_no_more(void)
{
    set_up();
    for (unsigned i = 0; i < FILES; i++) {
        practise(i, 4, 1);
    }
    unsigned before = disk_begun;
    disk_most = 0;
    disk_hold(true);
    struct joiner joiners[FILES];
    for (unsigned i = 0; i < FILES; i++) {
        change(i);
        if (i < AT_ONCE_MAX) {
            CU_ASSERT(wait_begun(before + i + 1));
        }
        int expected = i < AHEAD_MAX ? 0 : -EAGAIN;
        CU_ASSERT_EQUAL(join(i, &joiners[i]), expected);
    }
    CU_ASSERT(stays_at(before + AT_ONCE_MAX));
    disk_hold(false);
    CU_ASSERT(wait_ended(before + AHEAD_MAX));
    CU_ASSERT_EQUAL(disk_most, AT_ONCE_MAX);
    for (unsigned i = 0; i < FILES; i++) {
        CU_ASSERT(i >= AHEAD_MAX || wait_done(&joiners[i]));
        CU_ASSERT_EQUAL(sync_file(i), 0);
    }
    CU_ASSERT_EQUAL(disk_begun, before + FILES);
    tear_down();
}

static void who_joined_is_answered_before_the_end(void)
{
    set_up();
    struct joiner joiners[6];
    for (unsigned i = 0; i < 6; i++) {
        practise(i, 4, 1);
    }
    for (unsigned i = 0; i < 6; i++) {
        change(i);
        atomic_store(&joiners[i].is_done, false);
        joiners[i].status = join(i, &joiners[i]);
    }
    tear_down();
    for (unsigned i = 0; i < 6; i++) {
        CU_ASSERT(joiners[i].status != 0 || atomic_load(&joiners[i].is_done));
    }
}

/* ---- many threads -------------------------------------------------------------------------- */

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

static void *change_and_sync(void *context)
{
    unsigned seed = *(unsigned *)context;
    struct random_sequence random;
    random_sequence_init(&random, seed);
    for (unsigned i = 0; i < 2000; i++) {
        unsigned file = (unsigned)random_sequence_below(&random, 3);
        {
            AUTO_LOCK(&order); /* operations are sequenced and applied one at a time */
            change(file);
        }
        struct joiner joiner;
        uint64_t version = atomic_load(&versions[file]);
        int status = random_sequence_below(&random, 2) == 0 ? join(file, &joiner) : -EAGAIN;
        if (status == 0) {
            check(wait_done(&joiner));
            check(joiner.status == 0);
        }
        check(status < 0 || atomic_load(&durable[file]) >= version);
        check(status >= 0 || sync_file(file) == 0);
    }
    return NULL;
}

static void no_answer_comes_before_the_disk_has_it(void)
{
    set_up();
    pthread_t threads[4];
    unsigned seeds[4] = {1, 2, 3, 4};
    for (unsigned i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, change_and_sync, &seeds[i]);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    tear_down();
}

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS) {
        return 1;
    }
    CU_pSuite suite = CU_add_suite("sync_ahead", NULL, NULL);
    CU_ADD_TEST(suite, one_sync_serves_all_who_came_before_it_began);
    CU_ADD_TEST(suite, a_file_just_opened_is_synced);
    CU_ADD_TEST(suite, a_habit_begins_the_sync_before_it_is_asked_for);
    CU_ADD_TEST(suite, without_a_habit_nothing_is_begun);
    CU_ADD_TEST(suite, a_habit_is_lost);
    CU_ADD_TEST(suite, a_change_during_a_sync_ahead_is_not_covered_by_it);
    CU_ADD_TEST(suite, who_joins_is_answered_by_the_sync_under_way);
    CU_ADD_TEST(suite, an_error_ahead_is_told_to_whoever_asks_next);
    CU_ADD_TEST(suite, an_error_is_told_to_those_who_joined_and_who_wait);
    CU_ADD_TEST(suite, so_many_at_once_and_no_more);
    CU_ADD_TEST(suite, who_joined_is_answered_before_the_end);
    CU_ADD_TEST(suite, no_answer_comes_before_the_disk_has_it);
    CU_basic_run_tests();
    unsigned int failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
