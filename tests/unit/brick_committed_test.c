/*
 * Answers rest on committed state only, operations take effect once, durable is durable everywhere:
 * a set of three whose backups a test holds back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "tests/lib/brick_set.h"

/* Long enough for an answer that should not come to come. */
#define TOO_EARLY_MS 150

static struct brick_set set;
static struct test_client a, b;

static void set_up(unsigned count, bool on_directories)
{
    brick_set_open(&set, count, on_directories);
    CU_ASSERT_FATAL(brick_set_wait_serving(&set));
    CU_ASSERT_EQUAL_FATAL(test_client_open(&a, &set, 0, false), 0);
    CU_ASSERT_EQUAL_FATAL(test_client_open(&b, &set, 0, false), 0);
}

static void tear_down(void)
{
    test_client_close(&a);
    test_client_close(&b);
    brick_set_close(&set);
}

static void hold_backup(bool held)
{
    store_hooks_hold(&set.members[1].hooks, held, false);
}

/* ---- reads wait for commit ---------------------------------------------------------------------
 */

/* Send change by a, then question by b: it must not be answered before the change is committed.
 * Returns the question's status; its reply stays in *question. */
static int question_waits(uint32_t change_procedure, const void *change_args,
                          const struct slice *bulk, uint32_t procedure, const void *args,
                          struct answer *question)
{
    struct answer change;
    hold_backup(true);
    client_send(&a, change_procedure, change_args, bulk, &change);
    CU_ASSERT_FATAL(store_hooks_wait_blocked(&set.members[1].hooks, 1));
    CU_ASSERT_FALSE(change.is_done);
    client_send(&b, procedure, args, NULL, question);
    bool early = answer_wait_ms(question, TOO_EARLY_MS);
    CU_ASSERT_FALSE(early);
    if (early) {
        printf("  procedure %u was answered (%s) before procedure %u was committed\n", procedure,
               error_name(question->reply.status), change_procedure);
    }
    hold_backup(false);
    CU_ASSERT_EQUAL(answer_wait(&change), 0);
    answer_release(&change);
    return answer_wait(question);
}

static void reads_wait_for_a_write(void)
{
    set_up(3, false);
    struct gfid file = client_make(&a, GFID_ROOT, "file", OBJECT_FILE);
    struct answer answer;
    struct slice bulk = slice_text("new bytes");

    brick_write_args write = args_write(&a, file, 0);
    brick_read_args read = args_read(&b, file, 0, 100);
    CU_ASSERT_EQUAL(question_waits(BRICK_WRITE, &write, &bulk, BRICK_READ, &read, &answer), 0);
    CU_ASSERT_EQUAL(answer.reply.count, bulk.size);
    answer_release(&answer);

    write = args_write(&a, file, 100);
    brick_getattr_args getattr = args_object(&b, file);
    CU_ASSERT_EQUAL(question_waits(BRICK_WRITE, &write, &bulk, BRICK_GETATTR, &getattr, &answer),
                    0);
    CU_ASSERT_EQUAL(answer.reply.object.size, 100 + bulk.size);
    answer_release(&answer);

    write = args_write(&a, file, 200);
    brick_name_args lookup = args_name(&b, GFID_ROOT, "file");
    CU_ASSERT_EQUAL(question_waits(BRICK_WRITE, &write, &bulk, BRICK_LOOKUP, &lookup, &answer), 0);
    answer_release(&answer);

    write = args_write(&a, file, 300);
    brick_readdir_args readdir = args_readdir(&b, GFID_ROOT);
    CU_ASSERT_EQUAL(question_waits(BRICK_WRITE, &write, &bulk, BRICK_READDIR, &readdir, &answer),
                    0);
    answer_release(&answer);

    /* An unchecked CREATE that finds the file answers with its attributes. */
    write = args_write(&a, file, 400);
    brick_make_args create = args_make(&b, GFID_ROOT, "file", OBJECT_FILE);
    create.how = CREATE_UNCHECKED;
    CU_ASSERT_EQUAL(question_waits(BRICK_WRITE, &write, &bulk, BRICK_CREATE, &create, &answer), 0);
    answer_release(&answer);
    tear_down();
}

static void reads_wait_for_names(void)
{
    set_up(3, false);
    struct gfid directory = client_make(&a, GFID_ROOT, "d", OBJECT_DIRECTORY);
    struct answer answer;

    brick_make_args make = args_make(&a, directory, "x", OBJECT_FILE);
    brick_name_args lookup = args_name(&b, directory, "x");
    CU_ASSERT_EQUAL(question_waits(BRICK_CREATE, &make, NULL, BRICK_LOOKUP, &lookup, &answer), 0);
    answer_release(&answer);

    brick_remove_args remove_x = args_remove(&a, directory, "x");
    CU_ASSERT_EQUAL(question_waits(BRICK_REMOVE, &remove_x, NULL, BRICK_LOOKUP, &lookup, &answer),
                    -ENOENT);
    answer_release(&answer);

    make = args_make(&a, directory, "y", OBJECT_FILE);
    brick_readdir_args readdir = args_readdir(&b, directory);
    CU_ASSERT_EQUAL(question_waits(BRICK_CREATE, &make, NULL, BRICK_READDIR, &readdir, &answer), 0);
    CU_ASSERT(answer.reply.data.size > 0);
    answer_release(&answer);

    brick_rename_args rename_y = args_rename(&a, directory, "y", GFID_ROOT, "z");
    lookup = args_name(&b, GFID_ROOT, "z");
    CU_ASSERT_EQUAL(question_waits(BRICK_RENAME, &rename_y, NULL, BRICK_LOOKUP, &lookup, &answer),
                    0);
    answer_release(&answer);
    tear_down();
}

/* A refusal shows state too. */
static void refusals_wait(void)
{
    set_up(3, false);
    struct gfid directory = client_make(&a, GFID_ROOT, "d", OBJECT_DIRECTORY);
    struct answer answer;

    brick_make_args make = args_make(&a, GFID_ROOT, "x", OBJECT_FILE);
    brick_make_args again = args_make(&b, GFID_ROOT, "x", OBJECT_FILE);
    CU_ASSERT_EQUAL(question_waits(BRICK_CREATE, &make, NULL, BRICK_CREATE, &again, &answer),
                    -EEXIST);
    answer_release(&answer);

    make = args_make(&a, directory, "x", OBJECT_FILE);
    brick_remove_args rmdir = args_remove(&b, GFID_ROOT, "d");
    CU_ASSERT_EQUAL(question_waits(BRICK_CREATE, &make, NULL, BRICK_RMDIR, &rmdir, &answer),
                    -ENOTEMPTY);
    answer_release(&answer);

    struct gfid empty = client_make(&a, GFID_ROOT, "e", OBJECT_DIRECTORY);
    rmdir = args_remove(&a, GFID_ROOT, "e");
    brick_name_args lookup = args_name(&b, empty, "anything");
    CU_ASSERT_EQUAL(question_waits(BRICK_RMDIR, &rmdir, NULL, BRICK_LOOKUP, &lookup, &answer),
                    -ESTALE);
    answer_release(&answer);

    brick_setattr_args close_it =
        args_setattr(&a, directory, (struct attr_change){.mask = ATTR_MODE, .mode = 0700});
    lookup = args_name(&b, directory, "x");
    lookup.cred = (struct cred){.uid = 1000, .gid = 1000};
    CU_ASSERT_EQUAL(question_waits(BRICK_SETATTR, &close_it, NULL, BRICK_LOOKUP, &lookup, &answer),
                    -EACCES);
    answer_release(&answer);
    tear_down();
}

/* The answer to a repeated refusal must wait as the first one did. */
static void a_repeated_refusal_waits(void)
{
    set_up(3, false);
    struct answer change, first, second;
    brick_make_args make = args_make(&a, GFID_ROOT, "x", OBJECT_FILE);
    brick_make_args again = args_make(&b, GFID_ROOT, "x", OBJECT_FILE);
    hold_backup(true);
    client_send(&a, BRICK_CREATE, &make, NULL, &change);
    CU_ASSERT_FATAL(store_hooks_wait_blocked(&set.members[1].hooks, 1));
    client_send(&b, BRICK_CREATE, &again, NULL, &first);
    client_send(&b, BRICK_CREATE, &again, NULL, &second);
    CU_ASSERT_FALSE(answer_wait_ms(&second, TOO_EARLY_MS));
    CU_ASSERT_FALSE(first.is_done);
    hold_backup(false);
    CU_ASSERT_EQUAL(answer_wait(&change), 0);
    CU_ASSERT_EQUAL(answer_wait(&first), -EEXIST);
    CU_ASSERT_EQUAL(answer_wait(&second), -EEXIST);
    answer_release(&change);
    answer_release(&first);
    answer_release(&second);
    tear_down();
}

/* ---- READ while a write is between index and tree
 * ------------------------------------------------ */

/* Attributes of after a write must not come with bytes of before it: whoever caches both keeps the
 * old bytes for as long as the file does not change. */
static void a_read_never_mixes_new_attributes_and_old_bytes(void)
{
    set_up(3, false);
    struct gfid file = client_make(&a, GFID_ROOT, "file", OBJECT_FILE);
    CU_ASSERT_EQUAL(client_write(&a, file, 0, "old"), 0);
    store_hooks_hold(&set.members[0].hooks, true, false); /* the primary's own tree waits */
    struct answer change, question;
    brick_write_args write = args_write(&a, file, 0);
    struct slice bulk = slice_text("new");
    client_send(&a, BRICK_WRITE, &write, &bulk, &change);
    CU_ASSERT_FATAL(store_hooks_wait_blocked(&set.members[0].hooks, 1));
    brick_read_args read = args_read(&b, file, 0, 3);
    client_send(&b, BRICK_READ, &read, NULL, &question);
    CU_ASSERT_FALSE(answer_wait_ms(&question, TOO_EARLY_MS));
    store_hooks_hold(&set.members[0].hooks, false, false);
    CU_ASSERT_EQUAL(answer_wait(&change), 0);
    CU_ASSERT_EQUAL_FATAL(answer_wait(&question), 0);
    CU_ASSERT_EQUAL(question.reply.count, 3);
    bool new_attr = question.reply.object.type != OBJECT_NONE &&
                    question.reply.object.change == change.reply.object.change;
    CU_ASSERT(!new_attr || memcmp(question.reply.data.data, "new", 3) == 0);
    answer_release(&change);
    answer_release(&question);
    tear_down();
}

/* ---- once
 * ---------------------------------------------------------------------------------------- */

static void an_id_sent_twice_is_executed_once(void)
{
    set_up(3, true);
    struct gfid file = client_make(&a, GFID_ROOT, "file", OBJECT_FILE);
    brick_write_args write = args_write(&a, file, 0);
    write.append = true;
    struct slice bulk = slice_text("appended");
    struct reply first, second;
    CU_ASSERT_EQUAL(client_call(&a, BRICK_WRITE, &write, &bulk, &first), 0);
    CU_ASSERT_EQUAL(client_call(&a, BRICK_WRITE, &write, &bulk, &second), 0);
    CU_ASSERT_EQUAL(second.object.size, bulk.size);
    CU_ASSERT_EQUAL(second.object.change, first.object.change);
    CU_ASSERT_EQUAL(second.count, first.count);

    /* While the first is under way, on another connection. */
    write.id = client_op_id(&a);
    hold_backup(true);
    struct answer one, two;
    client_send(&a, BRICK_WRITE, &write, &bulk, &one);
    CU_ASSERT_FATAL(store_hooks_wait_blocked(&set.members[1].hooks, 1));
    client_send(&b, BRICK_WRITE, &write, &bulk, &two);
    CU_ASSERT_FALSE(answer_wait_ms(&two, TOO_EARLY_MS));
    hold_backup(false);
    CU_ASSERT_EQUAL(answer_wait(&one), 0);
    CU_ASSERT_EQUAL(answer_wait(&two), 0);
    CU_ASSERT_EQUAL(one.reply.object.size, 2 * bulk.size);
    CU_ASSERT_EQUAL(two.reply.object.size, 2 * bulk.size);
    CU_ASSERT_EQUAL(two.reply.object.change, one.reply.object.change);
    answer_release(&one);
    answer_release(&two);

    /* After a restart of the primary. */
    brick_remove_args remove_it = args_remove(&a, GFID_ROOT, "file");
    CU_ASSERT_EQUAL(client_call(&a, BRICK_REMOVE, &remove_it, NULL, &first), 0);
    test_client_close(&b);
    brick_member_stop(&set, 0);
    brick_member_start(&set, 0);
    brick_set_view(&set, 0);
    CU_ASSERT_FATAL(brick_set_wait_serving(&set));
    CU_ASSERT_EQUAL(test_client_open(&b, &set, 0, false), 0);
    remove_it.target = client_target(&b);
    CU_ASSERT_EQUAL(client_call(&b, BRICK_REMOVE, &remove_it, NULL, &second), 0);
    CU_ASSERT_EQUAL(second.parent.change, first.parent.change);
    write.target = client_target(&b);
    CU_ASSERT_EQUAL(client_call(&b, BRICK_WRITE, &write, &bulk, &second), 0);
    CU_ASSERT_EQUAL(second.object.size, 2 * bulk.size);

    /* Below the window: refused, never executed. */
    brick_make_args make = args_make(&b, GFID_ROOT, "late", OBJECT_FILE);
    make.id = (struct op_id){.kind = OP_ID_SESSION, .client = b.id, .slot = 7, .sequence = 9};
    CU_ASSERT_EQUAL(client_call(&b, BRICK_CREATE, &make, NULL, NULL), 0);
    make.id.sequence = 8;
    make.name = (char *)(uintptr_t) "later";
    CU_ASSERT_EQUAL(client_call(&b, BRICK_CREATE, &make, NULL, NULL), -E_ID_BELOW_WINDOW);
    brick_name_args lookup = args_name(&b, GFID_ROOT, "later");
    CU_ASSERT_EQUAL(client_call(&b, BRICK_LOOKUP, &lookup, NULL, NULL), -ENOENT);

    /* A slot that no session has is not remembered, so it must not be executed. */
    make.id.slot = SESSION_SLOTS;
    CU_ASSERT(client_call(&b, BRICK_CREATE, &make, NULL, NULL) < 0);
    CU_ASSERT_EQUAL(client_call(&b, BRICK_LOOKUP, &lookup, NULL, NULL), -ENOENT);
    tear_down();
}

/* ---- a full ring
 * ----------------------------------------------------------------------------------- */

#define FILL (OPERATIONS_IN_FLIGHT_MAX + 40)

static void a_full_ring_is_refused(void)
{
    set_up(3, false);
    struct gfid file = client_make(&a, GFID_ROOT, "file", OBJECT_FILE);
    struct answer *answers = calloc(FILL, sizeof *answers);
    CU_ASSERT_FATAL(answers != NULL);
    struct test_client more[8]; /* a connection takes CALLS_PER_CONNECTION_MAX calls at once */
    for (unsigned i = 0; i < 8; i++) {
        CU_ASSERT_EQUAL(test_client_open(&more[i], &set, 0, false), 0);
    }
    hold_backup(true);
    for (unsigned i = 0; i < FILL; i++) {
        struct test_client *client = &more[i % 8];
        brick_setattr_args args = args_setattr(
            client, file, (struct attr_change){.mask = ATTR_MODE, .mode = 0600 + i % 64});
        args.id = (struct op_id){.kind = OP_ID_NONE};
        client_send(client, BRICK_SETATTR, &args, NULL, &answers[i]);
    }
    unsigned overloaded = 0;
    for (unsigned tries = 0; tries < 200 && overloaded < FILL - OPERATIONS_IN_FLIGHT_MAX; tries++) {
        overloaded = 0;
        for (unsigned i = 0; i < FILL; i++) {
            overloaded +=
                answer_wait_ms(&answers[i], 0) && answers[i].reply.status == -E_OVERLOADED;
        }
        (void)answer_wait_ms(&answers[0], 50);
    }
    CU_ASSERT_EQUAL(overloaded, FILL - OPERATIONS_IN_FLIGHT_MAX);
    hold_backup(false);
    unsigned done = 0;
    for (unsigned i = 0; i < FILL; i++) {
        done += answer_wait(&answers[i]) == 0;
        answer_release(&answers[i]);
    }
    CU_ASSERT_EQUAL(done, OPERATIONS_IN_FLIGHT_MAX);
    free(answers);
    for (unsigned i = 0; i < 8; i++) {
        test_client_close(&more[i]);
    }
    CU_ASSERT(brick_set_wait_equal(&set));
    CU_ASSERT_EQUAL(brick_set_compare(&set, true), 0);
    tear_down();
}

/* ---- durable
 * ----------------------------------------------------------------------------------------- */

static void durable_reaches_every_member(void)
{
    set_up(3, true);
    unsigned before[3];
    for (unsigned i = 0; i < 3; i++) {
        before[i] = atomic_load(&set.members[i].hooks.log_syncs);
    }
    brick_make_args make = args_make(&a, GFID_ROOT, "file", OBJECT_FILE);
    make.durable = true;
    struct reply reply;
    CU_ASSERT_EQUAL(client_call(&a, BRICK_CREATE, &make, NULL, &reply), 0);
    struct gfid file = reply.object.gfid;
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(atomic_load(&set.members[i].hooks.log_syncs), before[i] + 1);
    }
    CU_ASSERT_EQUAL(client_write(&a, file, 0, "bytes"), 0);
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(atomic_load(&set.members[i].hooks.syncs), 0);
    }
    brick_commit_args commit = args_commit(&a, file);
    CU_ASSERT_EQUAL(client_call(&a, BRICK_COMMIT, &commit, NULL, &reply), 0);
    uint64_t verifier = reply.verifier;
    brick_write_args write = args_write(&a, file, 5);
    write.stable = STABLE_FILE_SYNC;
    struct slice bulk = slice_text("more");
    CU_ASSERT_EQUAL(client_call(&a, BRICK_WRITE, &write, &bulk, &reply), 0);
    CU_ASSERT_EQUAL(reply.committed, STABLE_FILE_SYNC);
    CU_ASSERT_EQUAL(reply.verifier, verifier);
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(atomic_load(&set.members[i].hooks.syncs), 2);
    }
    tear_down();
}

/* Then the members' syncs begin with the WRITE, and COMMIT finds them under way. */
static void commits_by_habit_reach_every_member(void)
{
    set_up(3, true);
    struct gfid file = client_make(&a, GFID_ROOT, "file", OBJECT_FILE);
    brick_commit_args commit = args_commit(&a, file);
    for (unsigned n = 1; n <= 50; n++) {
        struct reply reply;
        CU_ASSERT_EQUAL(client_write(&a, file, n * 5, "bytes"), 0);
        CU_ASSERT_EQUAL(client_call(&a, BRICK_COMMIT, &commit, NULL, &reply), 0);
        CU_ASSERT_EQUAL(reply.object.size, n * 5 + 5);
        for (unsigned i = 0; i < 3; i++) {
            CU_ASSERT_EQUAL(atomic_load(&set.members[i].hooks.syncs), n);
        }
    }
    CU_ASSERT(brick_set_wait_equal(&set));
    CU_ASSERT_EQUAL(brick_set_compare(&set, true), 0);
    tear_down();
}

/* Whoever waits for one is answered, or told to come again; the process ends in any case. */
static void a_member_stops_amid_commits(void)
{
    for (unsigned round = 0; round < 8; round++) {
        set_up(3, true);
        unsigned stopping = round % 3;
        struct answer answers[6];
        struct gfid files[6];
        struct slice bulk = slice_text("bytes");
        for (unsigned i = 0; i < 6; i++) {
            char name[2] = {(char)('a' + i), '\0'};
            files[i] = client_make(&a, GFID_ROOT, name, OBJECT_FILE);
            brick_commit_args commit = args_commit(&a, files[i]);
            for (unsigned n = 0; n < 4; n++) {
                CU_ASSERT_EQUAL(client_write(&a, files[i], n, "bytes"), 0);
                CU_ASSERT_EQUAL(client_call(&a, BRICK_COMMIT, &commit, NULL, NULL), 0);
            }
        }
        for (unsigned i = 0; i < 6; i++) {
            brick_write_args write = args_write(&a, files[i], 0);
            write.stable = STABLE_FILE_SYNC;
            client_send(&a, BRICK_WRITE, &write, &bulk, &answers[i]);
        }
        brick_member_stop(&set, stopping);
        if (stopping != 0) {
            brick_member_start(&set, stopping);
            brick_set_view(&set, 0);
        }
        for (unsigned i = 0; i < 6; i++) {
            CU_ASSERT_NOT_EQUAL(answer_wait(&answers[i]), -ETIMEDOUT);
            answer_release(&answers[i]);
        }
        tear_down();
    }
}

static bool has_failed(void *context)
{
    struct brick_member *member = context;
    return atomic_load(&member->failed) != 0;
}

/* Send a commit until there is a definite answer. */
static int commit_until_answered(struct gfid file, struct reply *out_reply)
{
    uint64_t end_ns = test_now_ns() + BRICK_SET_WAIT_MS * NS_PER_MS;
    int status;
    do {
        brick_commit_args commit = args_commit(&a, file);
        status = client_call(&a, BRICK_COMMIT, &commit, NULL, out_reply);
    } while (error_errno(status) == EAGAIN && test_now_ns() < end_ns);
    return status;
}

/* A backup whose flush fails is no member any more; the others have it all, and nobody is told. */
static void a_backup_that_cannot_flush_is_removed(void)
{
    brick_set_open_led(&set, 3, 2);
    CU_ASSERT_FATAL(brick_set_wait_serving(&set));
    CU_ASSERT_EQUAL_FATAL(test_client_open(&a, &set, 0, false), 0);
    struct reply reply;
    struct gfid file = client_make(&a, GFID_ROOT, "file", OBJECT_FILE);
    CU_ASSERT_EQUAL(client_write(&a, file, 0, "bytes"), 0);
    CU_ASSERT_EQUAL(commit_until_answered(file, &reply), 0);
    uint64_t verifier = reply.verifier;
    store_hooks_fail(&set.members[1].hooks, 0, -EIO);
    CU_ASSERT_EQUAL(commit_until_answered(file, &reply), 0);
    CU_ASSERT_EQUAL(reply.verifier, verifier);
    CU_ASSERT(test_wait(has_failed, &set.members[1], BRICK_SET_WAIT_MS));
    CU_ASSERT(brick_set_wait_in_sync(&set, 2));
    CU_ASSERT_EQUAL(brick_set_primary(&set), 0);
    test_client_close(&a);
    brick_set_close(&set);
}

/* A primary's is asked of the next one. */
static void a_primary_that_cannot_flush_is_succeeded(void)
{
    brick_set_open_led(&set, 3, 2);
    CU_ASSERT_FATAL(brick_set_wait_serving(&set));
    CU_ASSERT_EQUAL_FATAL(test_client_open(&a, &set, 0, false), 0);
    struct gfid file = client_make(&a, GFID_ROOT, "file", OBJECT_FILE);
    CU_ASSERT_EQUAL(client_write(&a, file, 0, "bytes"), 0);
    store_hooks_fail(&set.members[0].hooks, 0, -EIO);
    brick_commit_args commit = args_commit(&a, file);
    CU_ASSERT_EQUAL(client_call(&a, BRICK_COMMIT, &commit, NULL, NULL), -E_NOT_PRIMARY);
    CU_ASSERT(test_wait(has_failed, &set.members[0], BRICK_SET_WAIT_MS));
    CU_ASSERT(brick_set_wait_in_sync(&set, 2));
    CU_ASSERT_FATAL(brick_set_wait_serving(&set));
    test_client_close(&a);
    CU_ASSERT_EQUAL_FATAL(test_client_open(&a, &set, brick_set_primary(&set), false), 0);
    CU_ASSERT_EQUAL(commit_until_answered(file, NULL), 0);
    test_client_close(&a);
    brick_set_close(&set);
}

/* Nobody else has what a lone brick could not flush: its client is told, and to write it again. */
static void a_lone_brick_that_cannot_flush_says_so(void)
{
    brick_set_open(&set, 1, true);
    CU_ASSERT_FATAL(brick_set_wait_serving(&set));
    CU_ASSERT_EQUAL_FATAL(test_client_open(&a, &set, 0, false), 0);
    struct gfid file = client_make(&a, GFID_ROOT, "file", OBJECT_FILE);
    CU_ASSERT_EQUAL(client_write(&a, file, 0, "bytes"), 0);
    store_hooks_fail(&set.members[0].hooks, 0, -EIO);
    CU_ASSERT_EQUAL(commit_until_answered(file, NULL), -EIO);
    CU_ASSERT(test_wait(has_failed, &set.members[0], BRICK_SET_WAIT_MS));
    test_client_close(&a);
    brick_set_close(&set);
}

/* Neither dead nor silent, but its disk does not answer: the others do without it. */
static void a_backup_whose_disk_hangs_is_removed(void)
{
    brick_set_open_led(&set, 3, 2);
    CU_ASSERT_FATAL(brick_set_wait_serving(&set));
    CU_ASSERT_EQUAL_FATAL(test_client_open(&a, &set, 0, false), 0);
    struct gfid file = client_make(&a, GFID_ROOT, "file", OBJECT_FILE);
    hold_backup(true);
    struct answer answer;
    brick_write_args write = args_write(&a, file, 0);
    struct slice bulk = slice_text("bytes");
    client_send(&a, BRICK_WRITE, &write, &bulk, &answer);
    CU_ASSERT_EQUAL(answer_wait(&answer), 0); /* by the same primary, in the view without it */
    answer_release(&answer);
    CU_ASSERT(brick_set_wait_in_sync(&set, 2));
    CU_ASSERT_EQUAL(brick_set_primary(&set), 0);
    hold_backup(false);
    CU_ASSERT(test_wait(has_failed, &set.members[1], BRICK_SET_WAIT_MS));
    CU_ASSERT_EQUAL(atomic_load(&set.members[1].failed), -E_REMOVED);
    test_client_close(&a);
    brick_set_close(&set);
}

/* ---- streams
 * --------------------------------------------------------------------------------------------- */

/* An operation that arrived on a stream that was lost, and is applied after the next was opened. */
static void an_operation_in_a_lost_stream_is_acknowledged(void)
{
    set_up(3, false);
    hold_backup(true);
    struct answer change;
    brick_make_args make = args_make(&a, GFID_ROOT, "x", OBJECT_FILE);
    client_send(&a, BRICK_CREATE, &make, NULL, &change);
    CU_ASSERT_FATAL(store_hooks_wait_blocked(&set.members[1].hooks, 1));
    brick_set_break_stream(&set, 1);
    CU_ASSERT_FALSE(answer_wait_ms(&change, 500)); /* by now it has been opened again */
    hold_backup(false);
    CU_ASSERT(answer_wait_ms(&change, 5000));
    CU_ASSERT_EQUAL(answer_wait(&change), 0);
    answer_release(&change);
    tear_down();
}

static void a_stream_is_taken_up_again(void)
{
    set_up(3, true);
    struct gfid file = client_make(&a, GFID_ROOT, "file", OBJECT_FILE);
    struct answer answers[60];
    struct slice bulk = slice_text("0123456789abcdef");
    for (unsigned i = 0; i < 60; i++) {
        brick_write_args write = args_write(&a, file, i * bulk.size);
        client_send(&a, BRICK_WRITE, &write, &bulk, &answers[i]);
        if (i % 7 == 3) {
            brick_set_break_stream(&set, 1 + i % 2);
        }
    }
    for (unsigned i = 0; i < 60; i++) {
        CU_ASSERT_EQUAL(answer_wait(&answers[i]), 0);
        answer_release(&answers[i]);
    }
    CU_ASSERT(brick_set_wait_equal(&set));
    CU_ASSERT_EQUAL(brick_set_compare(&set, true), 0);
    tear_down();
}

/* ---- stopping and failing
 * -------------------------------------------------------------------------------- */

static void stop_with_member_held(unsigned held)
{
    set_up(3, true);
    struct gfid file = client_make(&a, GFID_ROOT, "file", OBJECT_FILE);
    struct answer answers[20];
    struct slice bulk = slice_text("0123456789abcdef");
    store_hooks_hold(&set.members[held].hooks, true, false);
    for (unsigned i = 0; i < 20; i++) {
        brick_write_args write = args_write(&a, file, i * bulk.size);
        client_send(&a, BRICK_WRITE, &write, &bulk, &answers[i]);
    }
    CU_ASSERT(store_hooks_wait_blocked(&set.members[held].hooks, 1));
    (void)answer_wait_ms(&answers[0], TOO_EARLY_MS); /* most of them have been sequenced */
    struct replica_driver *driver = set.members[held].brick.driver;
    replica_driver_stop(driver); /* while one is being applied and others wait */
    store_hooks_hold(&set.members[held].hooks, false, false);
    if (held != 0) {
        brick_member_stop(&set, held);
        brick_member_start(&set, held);
        brick_set_view(&set, 0);
        CU_ASSERT(brick_set_wait_serving(&set));
    } else {
        brick_member_stop(&set, 0);
    }
    for (unsigned i = 0; i < 20; i++) {
        int status = answer_wait(&answers[i]);
        CU_ASSERT_NOT_EQUAL(status, -ETIMEDOUT);
        CU_ASSERT(held == 0 || status == 0);
        answer_release(&answers[i]);
    }
    if (held == 0) {
        brick_member_start(&set, 0);
        brick_set_view(&set, 0);
        CU_ASSERT(brick_set_wait_serving(&set));
    }
    CU_ASSERT(brick_set_wait_equal(&set));
    CU_ASSERT_EQUAL(brick_set_compare(&set, true), 0);
    tear_down();
}

static void a_primary_stops_while_it_applies(void)
{
    stop_with_member_held(0);
}

static void a_backup_stops_while_it_applies(void)
{
    stop_with_member_held(1);
}

static void fail_member(unsigned failing)
{
    set_up(3, true);
    struct gfid file = client_make(&a, GFID_ROOT, "file", OBJECT_FILE);
    store_hooks_fail(&set.members[failing].hooks, -ENOSPC, 0);
    struct answer answers[5];
    brick_write_args writes[5];
    struct slice bulk = slice_text("bytes");
    for (unsigned i = 0; i < 5; i++) {
        writes[i] = args_write(&a, file, i * bulk.size);
        client_send(&a, BRICK_WRITE, &writes[i], &bulk, &answers[i]);
    }
    CU_ASSERT(test_wait(has_failed, &set.members[failing], BRICK_SET_WAIT_MS));
    CU_ASSERT_EQUAL(atomic_load(&set.members[failing].failed), -ENOSPC);
    brick_member_stop(&set, failing); /* as its daemon does then */
    store_hooks_fail(&set.members[failing].hooks, 0, 0);
    brick_member_start(&set, failing);
    brick_set_view(&set, 0);
    CU_ASSERT_FATAL(brick_set_wait_serving(&set));
    for (unsigned i = 0; i < 5; i++) {
        int status = answer_wait(&answers[i]);
        CU_ASSERT_NOT_EQUAL(status, -ETIMEDOUT);
        CU_ASSERT(failing == 0 || status == 0);
        answer_release(&answers[i]);
        if (status < 0) { /* logged, perhaps, but never written there: the client sends it again */
            writes[i].target = client_target(&a);
            struct test_client again;
            CU_ASSERT_EQUAL(test_client_open(&again, &set, 0, false), 0);
            struct reply reply;
            CU_ASSERT_EQUAL(client_call(&again, BRICK_WRITE, &writes[i], &bulk, &reply), 0);
            CU_ASSERT_EQUAL(reply.count, bulk.size);
            test_client_close(&again);
        }
    }
    CU_ASSERT(brick_set_wait_equal(&set));
    CU_ASSERT_EQUAL(brick_set_compare(&set, true), 0);
    tear_down();
}

static void a_backup_that_cannot_apply_halts(void)
{
    fail_member(2);
}

static void a_primary_that_cannot_apply_halts(void)
{
    fail_member(0);
}

int main(void)
{
    log_open("brick_committed_test", LOG_LEVEL_ERROR);
    CU_TestInfo tests[] = {
        {"reads wait for a write", reads_wait_for_a_write},
        {"reads wait for names", reads_wait_for_names},
        {"refusals wait", refusals_wait},
        {"a repeated refusal waits", a_repeated_refusal_waits},
        {"a read never mixes new attributes and old bytes",
         a_read_never_mixes_new_attributes_and_old_bytes},
        {"an id sent twice is executed once", an_id_sent_twice_is_executed_once},
        {"a full ring is refused", a_full_ring_is_refused},
        {"durable reaches every member", durable_reaches_every_member},
        {"commits by habit reach every member", commits_by_habit_reach_every_member},
        {"a member stops amid commits", a_member_stops_amid_commits},
        {"a backup that cannot flush is removed", a_backup_that_cannot_flush_is_removed},
        {"a primary that cannot flush is succeeded", a_primary_that_cannot_flush_is_succeeded},
        {"a backup whose disk hangs is removed", a_backup_whose_disk_hangs_is_removed},
        {"a lone brick that cannot flush says so", a_lone_brick_that_cannot_flush_says_so},
        {"an operation in a lost stream is acknowledged",
         an_operation_in_a_lost_stream_is_acknowledged},
        {"a stream is taken up again", a_stream_is_taken_up_again},
        {"a backup that cannot apply halts", a_backup_that_cannot_apply_halts},
        {"a primary that cannot apply halts", a_primary_that_cannot_apply_halts},
        {"a backup stops while it applies", a_backup_stops_while_it_applies},
        {"a primary stops while it applies", a_primary_stops_while_it_applies},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{.pName = "committed", .pTests = tests}, CU_SUITE_INFO_NULL};
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
        return 2;
    }
    CU_basic_set_mode(getenv("VERBOSE") ? CU_BRM_VERBOSE : CU_BRM_NORMAL);
    (void)CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
