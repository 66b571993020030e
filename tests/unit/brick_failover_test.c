/*
 * A set that makes its views itself, of processes that are killed, stopped and started again while
 * clients work. Goal: with one brick gone the others go on, by themselves; whatever was
 * acknowledged stays; nothing is done twice; a brick that returns ends up equal. Method: each brick
 * is this program, started again with --member; the test plays trivetd.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "tests/lib/brick_set.h"

static struct brick_set set;

/* ---- a client that follows the record -------------------------------------------------------- */

static struct test_client client;
static bool is_open;
static unsigned client_of; /* the member it is connected to */

static bool is_definite(int status)
{
    return status != -E_CONNECTION_LOST && status != -EPROTO && status != -ETIMEDOUT &&
           (status == 0 || error_errno(status) != EAGAIN);
}

static void client_end(void)
{
    if (is_open) {
        test_client_close(&client);
        is_open = false;
    }
}

static bool is_lost(void)
{
    pthread_mutex_lock(&client.mutex);
    bool lost = client.is_closed;
    pthread_mutex_unlock(&client.mutex);
    return lost;
}

/* Be connected to the record's primary. */
static bool client_follow(void)
{
    brick_set_tend(&set);
    unsigned primary = brick_set_primary(&set);
    if (is_open && (is_lost() || client_of != primary)) {
        client_end();
    }
    if (!is_open) {
        client_of = primary;
        is_open = true;
        return test_client_open(&client, &set, primary, false) == 0;
    }
    return true;
}

/* Send until there is a definite answer; args begins with its target. */
static int call(uint32_t procedure, void *args, const struct slice *bulk, struct reply *out_reply)
{
    uint64_t end_ns = test_now_ns() + BRICK_SET_WAIT_MS * NS_PER_MS;
    int status = -E_CONNECTION_LOST;
    while (!is_definite(status) && test_now_ns() < end_ns) {
        if (client_follow()) {
            *(brick_target *)args = client_target(&client);
            struct answer answer;
            client_send(&client, procedure, args, bulk, &answer);
            /* A primary that is stopped does not answer; its connection is given up for that. */
            while (!answer_wait_ms(&answer, 50)) {
                brick_set_tend(&set);
                if (brick_set_primary(&set) != client_of) {
                    rpc_connection_close(client.connection);
                }
            }
            status = answer_wait(&answer);
            if (out_reply) {
                *out_reply = answer.reply;
            }
            answer_release(&answer);
        }
        if (!is_definite(status)) {
            (void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        }
    }
    return status;
}

static uint64_t next_sequence;

static struct op_id next_id(void)
{
    return (struct op_id){
        .kind = OP_ID_SESSION, .slot = 1, .client = 77, .sequence = ++next_sequence};
}

static const struct cred root_cred = {.flags = CRED_CHECKED};

static struct gfid make_file(const char *name)
{
    brick_make_args args = {.cred = root_cred,
                            .id = next_id(),
                            .parent = GFID_ROOT,
                            .name = (char *)(uintptr_t)name,
                            .type = OBJECT_FILE,
                            .how = CREATE_GUARDED,
                            .change = {.mask = ATTR_MODE, .mode = 0644},
                            .symlink_target = (char *)(uintptr_t) ""};
    struct reply reply;
    CU_ASSERT_EQUAL_FATAL(call(BRICK_CREATE, &args, NULL, &reply), 0);
    return reply.object.gfid;
}

static int append(struct gfid file, struct op_id id, const char *text, struct reply *out_reply)
{
    brick_write_args args = {.cred = root_cred, .id = id, .object = file, .append = true};
    struct slice bulk = slice_text(text);
    return call(BRICK_WRITE, &args, &bulk, out_reply);
}

static uint64_t size_of(struct gfid file)
{
    brick_getattr_args args = {.cred = root_cred, .object = file};
    struct reply reply = {.status = 0};
    CU_ASSERT_EQUAL(call(BRICK_GETATTR, &args, NULL, &reply), 0);
    return reply.object.size;
}

/* ---- the set -------------------------------------------------------------------------------- */

static void set_up(unsigned min_insync)
{
    next_sequence = 0;
    brick_set_open_led(&set, 3, min_insync);
    for (unsigned i = 0; i < set.count; i++) {
        brick_member_stop(&set, i);
    }
    for (unsigned i = 0; i < set.count; i++) {
        brick_member_spawn(&set, i);
    }
    CU_ASSERT_FATAL(brick_set_wait_in_sync(&set, 3));
}

struct count_wait {
    unsigned count;
};

static bool has_in_sync(void *context)
{
    const struct count_wait *wait = context;
    unsigned count = 0;
    brick_set_tend(&set);
    struct view *view = malloc(sizeof *view);
    brick_record_get(&set.record, view);
    for (unsigned i = 0; i < set.count; i++) {
        count +=
            view->members[i].state == MEMBER_IN_SYNC &&
            (!set.members[i].pid || view->members[i].incarnation == set.members[i].incarnation);
    }
    free(view);
    return count == wait->count;
}

static void expect_in_sync(unsigned count)
{
    struct count_wait wait = {.count = count};
    CU_ASSERT_FATAL(test_wait(has_in_sync, &wait, BRICK_SET_WAIT_MS));
}

/* Everybody is there, in sync, and equal; then the set ends. */
static void expect_equal(void)
{
    expect_in_sync(3);
    make_file("last"); /* answered: all have everything before it */
    client_end();
    for (unsigned i = 0; i < set.count; i++) {
        brick_member_end(&set, i, true);
    }
    for (unsigned i = 0; i < set.count; i++) {
        brick_member_start(&set, i);
    }
    expect_in_sync(3);
    CU_ASSERT_FATAL(brick_set_wait_serving(&set));
    CU_ASSERT_FATAL(brick_set_wait_equal(&set));
    CU_ASSERT_EQUAL(brick_set_compare(&set, true), 0);
    brick_set_close(&set);
}

/* Not before all of its threads stand still. */
static void stop_process(unsigned i)
{
    int status;
    CU_ASSERT_EQUAL_FATAL(kill(set.members[i].pid, SIGSTOP), 0);
    CU_ASSERT_EQUAL_FATAL(waitpid(set.members[i].pid, &status, WUNTRACED), set.members[i].pid);
    CU_ASSERT(WIFSTOPPED(status));
}

/* ---- the tests ------------------------------------------------------------------------------- */

static void a_backup_that_dies_is_removed_and_returns(void)
{
    set_up(2);
    struct gfid file = make_file("file");
    unsigned primary = brick_set_primary(&set);
    unsigned gone = (primary + 1) % 3;
    brick_member_end(&set, gone, true);
    CU_ASSERT_EQUAL(append(file, next_id(), "while one is away", NULL), 0);
    CU_ASSERT_EQUAL(brick_set_primary(&set), primary);
    for (unsigned i = 0; i < 300; i++) {
        CU_ASSERT_EQUAL(append(file, next_id(), "more", NULL), 0);
    }
    brick_member_spawn(&set, gone);
    expect_in_sync(3);
    CU_ASSERT_EQUAL(size_of(file), 17 + 300 * 4);
    expect_equal();
}

static void another_leads_when_the_primary_dies(void)
{
    set_up(2);
    struct gfid file = make_file("file");
    for (unsigned i = 0; i < 6; i++) {
        struct op_id id = next_id();
        struct reply first, second;
        CU_ASSERT_EQUAL(append(file, id, "0123456789", &first), 0);
        unsigned primary = brick_set_primary(&set);
        brick_member_end(&set, primary, true);
        CU_ASSERT_EQUAL(append(file, id, "0123456789", &second), 0); /* not once more */
        CU_ASSERT_EQUAL(second.object.size, first.object.size);
        CU_ASSERT_NOT_EQUAL(brick_set_primary(&set), primary);
        CU_ASSERT_EQUAL(size_of(file), 10 * (i + 1));
        brick_member_spawn(&set, primary);
        expect_in_sync(3);
    }
    expect_equal();
}

/* What only the old primary has is taken back when it returns, or was done after all: never twice.
 */
static void a_tail_of_its_own_is_taken_back(void)
{
    set_up(2);
    struct gfid file = make_file("file");
    CU_ASSERT_EQUAL(append(file, next_id(), "0123456789", NULL), 0);
    for (unsigned i = 0; i < 4; i++) {
        unsigned primary = brick_set_primary(&set);
        CU_ASSERT_EQUAL(size_of(file), 10 * (i + 1));  /* so the client has its view */
        for (unsigned other = 0; other < 3; other++) { /* nobody gets what is sent now */
            if (other != primary) {
                stop_process(other);
            }
        }
        struct op_id id = next_id();
        brick_write_args args = {.target = client_target(&client),
                                 .cred = root_cred,
                                 .id = id,
                                 .object = file,
                                 .append = true};
        struct slice bulk = slice_text("abcdefghij");
        struct answer answer;
        client_send(&client, BRICK_WRITE, &args, &bulk, &answer);
        CU_ASSERT_FALSE(answer_wait_ms(&answer, 100));
        stop_process(primary);
        for (unsigned other = 0; other < 3; other++) {
            if (other != primary) {
                (void)kill(set.members[other].pid, SIGCONT);
            }
        }
        brick_member_end(&set, primary, true);
        (void)answer_wait(&answer);
        answer_release(&answer);
        CU_ASSERT_EQUAL(append(file, id, "abcdefghij", NULL), 0);
        CU_ASSERT_EQUAL(size_of(file), 10 * (i + 2));
        brick_member_spawn(&set, primary);
        expect_in_sync(3);
    }
    expect_equal();
}

/* It does not know that another leads, but that its lease is over. */
static void a_primary_that_was_stopped_answers_nothing_old(void)
{
    set_up(2);
    struct gfid file = make_file("file");
    CU_ASSERT_EQUAL(append(file, next_id(), "old", NULL), 0);
    unsigned primary = brick_set_primary(&set);
    struct test_client late;
    CU_ASSERT_EQUAL_FATAL(test_client_open(&late, &set, primary, false), 0);
    brick_read_args read = args_read(&late, file, 0, 10);
    stop_process(primary);
    struct answer answer;
    client_send(&late, BRICK_READ, &read, NULL, &answer);
    CU_ASSERT_EQUAL(append(file, next_id(), " and new", NULL), 0);
    CU_ASSERT_NOT_EQUAL(brick_set_primary(&set), primary);
    (void)kill(set.members[primary].pid, SIGCONT);
    int status = answer_wait(&answer);
    CU_ASSERT_NOT_EQUAL(status, 0);
    CU_ASSERT_FALSE(is_definite(status));
    answer_release(&answer);
    test_client_close(&late);
    expect_equal(); /* it was removed, and returned as a new process */
}

/* Below min_insync nothing is acknowledged, and nothing is lost. */
static void one_that_is_left_waits(void)
{
    set_up(2);
    struct gfid file = make_file("file");
    unsigned primary = brick_set_primary(&set);
    brick_member_end(&set, (primary + 1) % 3, true);
    expect_in_sync(2);
    CU_ASSERT_EQUAL(append(file, next_id(), "two of three", NULL), 0);
    brick_member_end(&set, (primary + 2) % 3, true);
    CU_ASSERT_FATAL(client_follow());
    brick_write_args args = {.target = client_target(&client),
                             .cred = root_cred,
                             .id = next_id(),
                             .object = file,
                             .append = true};
    struct slice bulk = slice_text("alone");
    struct answer answer;
    client_send(&client, BRICK_WRITE, &args, &bulk, &answer);
    bool is_answered = answer_wait_ms(&answer, 2 * CONTACT_MS);
    CU_ASSERT(!is_answered || !is_definite(answer.reply.status));
    brick_member_spawn(&set, (primary + 2) % 3);
    CU_ASSERT_NOT_EQUAL(answer_wait(&answer), -ETIMEDOUT);
    answer_release(&answer);
    CU_ASSERT_EQUAL(append(file, args.id, "alone", NULL), 0);
    CU_ASSERT_EQUAL(size_of(file), 17);
    brick_member_spawn(&set, (primary + 1) % 3);
    expect_equal();
}

/* While trivetd is away nothing changes; when it is back, what is due happens. */
static void without_the_record_views_stay(void)
{
    set_up(2);
    struct gfid file = make_file("file");
    brick_record_set_down(&set.record, true);
    CU_ASSERT_EQUAL(append(file, next_id(), "goes on", NULL), 0);
    unsigned gone = (brick_set_primary(&set) + 1) % 3;
    brick_member_end(&set, gone, true);
    (void)nanosleep(&(struct timespec){.tv_sec = 2}, NULL);
    CU_ASSERT(brick_set_wait_in_sync(&set, 3));
    brick_record_set_down(&set.record, false);
    CU_ASSERT_EQUAL(append(file, next_id(), " again", NULL), 0);
    CU_ASSERT(brick_set_wait_in_sync(&set, 2));
    brick_member_spawn(&set, gone);
    expect_equal();
}

int main(int argc, char **argv)
{
    log_open("brick_failover_test", getenv("VERBOSE") ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR);
    signal(SIGPIPE, SIG_IGN);
    if (argc > 1) {
        return brick_member_main(argc, argv);
    }
    CU_TestInfo tests[] = {
        {"a backup that dies is removed and returns", a_backup_that_dies_is_removed_and_returns},
        {"another leads when the primary dies", another_leads_when_the_primary_dies},
        {"a tail of its own is taken back", a_tail_of_its_own_is_taken_back},
        {"a primary that was stopped answers nothing old",
         a_primary_that_was_stopped_answers_nothing_old},
        {"one that is left waits", one_that_is_left_waits},
        {"without the record views stay", without_the_record_views_stay},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{.pName = "failover", .pTests = tests}, CU_SUITE_INFO_NULL};
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
        return 2;
    }
    CU_basic_set_mode(CU_BRM_VERBOSE);
    (void)CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
