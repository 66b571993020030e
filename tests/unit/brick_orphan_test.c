/*
 * Files that are unlinked while clients have them open: kept while the client lives, through lost
 * connections and other primaries; let go of when it says so, or has been away for long enough.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "tests/lib/brick_set.h"
#include "tests/lib/store_fixture.h"

/* What stands for ORPHAN_KEEP_MS here, and how often the watch looks. */
enum { KEEP_MS = 400, TICK_MS = 5 };

static struct brick_set set;
static struct test_client a, b;
static struct orphan_watch *watches[3];

static void set_up(void)
{
    brick_set_open(&set, 3, true);
    CU_ASSERT_FATAL(brick_set_wait_serving(&set));
    CU_ASSERT_EQUAL_FATAL(test_client_open(&a, &set, 0, false), 0);
    CU_ASSERT_EQUAL_FATAL(test_client_open(&b, &set, 0, false), 0);
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL_FATAL(orphan_watch_new(&set.members[i].brick, KEEP_MS, &watches[i]), 0);
    }
}

static void tick(void)
{
    for (unsigned i = 0; i < 3; i++) {
        orphan_watch_tick(watches[i]);
    }
    (void)nanosleep(&(struct timespec){.tv_nsec = TICK_MS * 1000000}, NULL);
}

static void tick_for(unsigned ms)
{
    for (uint64_t end = test_now_ns() + ms * NS_PER_MS; test_now_ns() < end;) {
        tick();
    }
}

static unsigned orphan_count(unsigned member)
{
    unsigned count = 0;
    uint64_t client;
    struct gfid at = GFID_NONE;
    while (store_orphan_next(set.members[member].brick.store, &at, &at, &client) == 0) {
        count++;
    }
    return count;
}

/* Nothing is left in the indexes, nor in the trees. */
static void expect_none_left(void)
{
    for (unsigned i = 0; i < 3; i++) {
        char path[96];
        unsigned entries = 0;
        CU_ASSERT_EQUAL(orphan_count(i), 0);
        (void)snprintf(path, sizeof path, "%s/.trivet/orphans", set.members[i].path);
        DIR *directory = opendir(path);
        CU_ASSERT_PTR_NOT_NULL_FATAL(directory);
        while (readdir(directory)) {
            entries++;
        }
        (void)closedir(directory);
        CU_ASSERT_EQUAL(entries, 2); /* "." and ".." */
    }
}

static void tear_down(void)
{
    CU_ASSERT_TRUE(brick_set_wait_equal(&set));
    CU_ASSERT_EQUAL(brick_set_compare(&set, true), 0);
    test_client_close(&a);
    test_client_close(&b);
    for (unsigned i = 0; i < 3; i++) {
        brick_member_stop(&set, i);
        orphan_watch_free(watches[i]);
    }
    brick_set_close(&set);
}

/* A file of client a's, unlinked. */
static struct gfid make_orphan(const char *name)
{
    struct gfid file = client_make(&a, GFID_ROOT, name, OBJECT_FILE);
    CU_ASSERT_EQUAL(client_write(&a, file, 0, "still there"), 0);
    brick_remove_args args = args_remove(&a, GFID_ROOT, name);
    args.keep = true;
    struct reply reply;
    CU_ASSERT_EQUAL(client_call(&a, BRICK_REMOVE, &args, NULL, &reply), 0);
    CU_ASSERT_EQUAL(reply.object.nlink, 0);
    return file;
}

static int read_status(struct test_client *client, struct gfid file)
{
    struct reply reply;
    brick_read_args args = args_read(client, file, 0, 100);
    int status = client_call(client, BRICK_READ, &args, NULL, &reply);
    CU_ASSERT(status < 0 || reply.count == strlen("still there"));
    return status;
}

static int forget(struct test_client *client, struct gfid file)
{
    brick_forget_args args = {.target = client_target(client),
                              .cred = client->cred,
                              .id = client_op_id(client),
                              .object = file};
    return client_call(client, BRICK_FORGET, &args, NULL, NULL);
}

/* The same client once more, to that member. */
static void reconnect(struct test_client *client, unsigned member)
{
    uint64_t id = client->id;
    uint64_t sequences[SESSION_SLOTS];
    memcpy(sequences, client->sequences, sizeof sequences);
    client_dial(client, &set, member);
    client->id = id;
    memcpy(client->sequences, sequences, sizeof sequences);
    struct store_identity identity = test_identity(member);
    struct brick_hello hello = {.level = PROTOCOL_LEVEL,
                                .volume = identity.volume,
                                .client = id,
                                .name = (char *)(uintptr_t) "test"};
    AUTO_FREE struct brick_hello_reply *reply = calloc(1, sizeof *reply);
    CU_ASSERT_EQUAL_FATAL(client_hello(client, &hello, reply), 0);
}

static bool is_alone(void *context)
{
    (void)context;
    return atomic_load(&set.members[0].brick.clients) == 1;
}

static void disconnect(void)
{
    test_client_close(&a);
    CU_ASSERT_TRUE(test_wait(is_alone, NULL, BRICK_SET_WAIT_MS));
}

static bool none_are_left(void *context)
{
    (void)context;
    tick();
    return orphan_count(set.view.primary) == 0;
}

/* ---- the stories ---------------------------------------------------------------------------- */

static void kept_until_its_client_lets_go(void)
{
    set_up();
    struct gfid file = make_orphan("f");
    tick_for(3 * KEEP_MS);
    CU_ASSERT_EQUAL(read_status(&a, file), 0);
    CU_ASSERT_EQUAL(client_write(&a, file, 0, "STILL"), 0);
    CU_ASSERT_EQUAL(forget(&b, file), -EPERM); /* not its own */
    CU_ASSERT_EQUAL(forget(&a, file), 0);
    CU_ASSERT_EQUAL(forget(&a, file), -ESTALE);
    CU_ASSERT_EQUAL(read_status(&a, file), -ESTALE);
    CU_ASSERT_TRUE(brick_set_wait_equal(&set));
    expect_none_left();
    tear_down();
}

static void goes_when_its_client_is_gone(void)
{
    set_up();
    struct gfid files[150]; /* more than a tick looks at */
    for (unsigned i = 0; i < 150; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "f%u", i);
        files[i] = make_orphan(name);
    }
    CU_ASSERT_EQUAL(orphan_count(0), 150);
    disconnect();
    uint64_t gone_ns = test_now_ns();
    CU_ASSERT_EQUAL(read_status(&b, files[7]), 0);
    CU_ASSERT_TRUE(test_wait(none_are_left, NULL, BRICK_SET_WAIT_MS));
    CU_ASSERT(test_now_ns() - gone_ns >= KEEP_MS * NS_PER_MS);
    CU_ASSERT_EQUAL(read_status(&b, files[7]), -ESTALE);
    CU_ASSERT_TRUE(brick_set_wait_equal(&set));
    expect_none_left();
    CU_ASSERT_EQUAL_FATAL(test_client_open(&a, &set, 0, false), 0);
    tear_down();
}

static void stays_when_its_client_comes_back(void)
{
    set_up();
    struct gfid file = make_orphan("f");
    disconnect();
    tick_for(KEEP_MS / 2);
    reconnect(&a, 0);
    tick_for(2 * KEEP_MS);
    CU_ASSERT_EQUAL(read_status(&a, file), 0);
    disconnect(); /* the time begins anew */
    tick_for(KEEP_MS / 2);
    CU_ASSERT_EQUAL(read_status(&b, file), 0);
    reconnect(&a, 0);
    CU_ASSERT_EQUAL(forget(&a, file), 0);
    CU_ASSERT_TRUE(brick_set_wait_equal(&set));
    expect_none_left();
    tear_down();
}

/* A brick that was primary, was not, and is again knows nothing of who was connected meanwhile. */
static void time_begins_anew_with_each_primary(void)
{
    set_up();
    struct gfid file = make_orphan("f");
    disconnect();
    tick_for(KEEP_MS / 2);
    brick_set_view(&set, 1);
    CU_ASSERT_FATAL(brick_set_wait_serving(&set));
    reconnect(&a, 1);
    tick_for(2 * KEEP_MS);
    CU_ASSERT_EQUAL(read_status(&a, file), 0);
    brick_set_view(&set, 0);
    CU_ASSERT_FATAL(brick_set_wait_serving(&set));
    tick_for(KEEP_MS / 2);
    CU_ASSERT_EQUAL(read_status(&b, file), 0);
    test_client_close(&a);
    reconnect(&a, 0);
    CU_ASSERT_EQUAL(read_status(&a, file), 0);
    CU_ASSERT_EQUAL(forget(&a, file), 0);
    tear_down();
}

/* The primary's process ends and starts; the client goes on reading. */
static void stays_through_a_restart(void)
{
    set_up();
    struct gfid file = make_orphan("f");
    test_client_close(&a);
    test_client_close(&b);
    brick_member_stop(&set, 0);
    orphan_watch_free(watches[0]);
    brick_member_start(&set, 0);
    CU_ASSERT_EQUAL_FATAL(orphan_watch_new(&set.members[0].brick, KEEP_MS, &watches[0]), 0);
    brick_set_view(&set, 0);
    CU_ASSERT_FATAL(brick_set_wait_serving(&set));
    reconnect(&a, 0);
    CU_ASSERT_EQUAL_FATAL(test_client_open(&b, &set, 0, false), 0);
    tick_for(2 * KEEP_MS);
    CU_ASSERT_EQUAL(read_status(&a, file), 0);
    CU_ASSERT_EQUAL(client_write(&a, file, 0, "STILL"), 0);
    disconnect();
    CU_ASSERT_TRUE(test_wait(none_are_left, NULL, BRICK_SET_WAIT_MS));
    CU_ASSERT_TRUE(brick_set_wait_equal(&set));
    expect_none_left();
    CU_ASSERT_EQUAL_FATAL(test_client_open(&a, &set, 0, false), 0);
    tear_down();
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("orphans", NULL, NULL);
    CU_ADD_TEST(suite, kept_until_its_client_lets_go);
    CU_ADD_TEST(suite, goes_when_its_client_is_gone);
    CU_ADD_TEST(suite, stays_when_its_client_comes_back);
    CU_ADD_TEST(suite, time_begins_anew_with_each_primary);
    CU_ADD_TEST(suite, stays_through_a_restart);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
