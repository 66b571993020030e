/*
 * COPY and SEEK at a brick: what is copied and what is said of it, with other clients at work, and
 * when the answer got lost and the request comes once more.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "tests/lib/brick_set.h"

#define MIB (UINT64_C(1) << 20)

static struct brick_set set;
static struct test_client a, b;
static struct gfid source, target;

static void set_up(void)
{
    brick_set_open(&set, 3, true);
    CU_ASSERT_FATAL(brick_set_wait_serving(&set));
    CU_ASSERT_EQUAL_FATAL(test_client_open(&a, &set, 0, false), 0);
    CU_ASSERT_EQUAL_FATAL(test_client_open(&b, &set, 0, false), 0);
    source = client_make(&a, GFID_ROOT, "source", OBJECT_FILE);
    target = client_make(&a, GFID_ROOT, "target", OBJECT_FILE);
}

static void tear_down(void)
{
    CU_ASSERT_TRUE(brick_set_wait_equal(&set));
    CU_ASSERT_EQUAL(brick_set_compare(&set, true), 0);
    test_client_close(&a);
    test_client_close(&b);
    brick_set_close(&set);
}

static brick_copy_args copy_args(uint64_t from, uint64_t to, uint64_t length)
{
    return (brick_copy_args){.target = client_target(&a),
                             .cred = a.cred,
                             .id = client_op_id(&a),
                             .object = target,
                             .offset = to,
                             .source = source,
                             .source_offset = from,
                             .length = length};
}

static int copy(const brick_copy_args *args, struct reply *out_reply)
{
    return client_call(&a, BRICK_COPY, args, NULL, out_reply);
}

static void resize(struct test_client *client, struct gfid object, uint64_t size)
{
    brick_setattr_args args =
        args_setattr(client, object, (struct attr_change){.mask = ATTR_SIZE, .size = size});
    CU_ASSERT_EQUAL(client_call(client, BRICK_SETATTR, &args, NULL, NULL), 0);
}

static struct attr attr_of(struct gfid object)
{
    struct reply reply = {0};
    brick_getattr_args args = args_object(&a, object);
    CU_ASSERT_EQUAL(client_call(&a, BRICK_GETATTR, &args, NULL, &reply), 0);
    return reply.object;
}

static void expect_bytes(uint64_t offset, const char *text)
{
    struct answer answer;
    brick_read_args args = args_read(&a, target, offset, (uint32_t)strlen(text));
    client_send(&a, BRICK_READ, &args, NULL, &answer);
    CU_ASSERT_EQUAL(answer_wait(&answer), 0);
    CU_ASSERT_TRUE(slice_equal(answer.reply.data, slice_text(text)));
    answer_release(&answer);
}

/* ---- what is copied ------------------------------------------------------------------------- */

static void bytes_are_copied_up_to_the_end(void)
{
    struct reply reply;
    set_up();
    CU_ASSERT_EQUAL(client_write(&a, source, 0, "0123456789"), 0);
    brick_copy_args args = copy_args(3, 100, 1000);
    CU_ASSERT_EQUAL(copy(&args, &reply), 0);
    CU_ASSERT_EQUAL(reply.count, 7);
    CU_ASSERT_EQUAL(reply.object.size, 107);
    uint64_t verifier = reply.verifier;
    CU_ASSERT_NOT_EQUAL(verifier, 0);
    expect_bytes(100, "3456789");
    args = copy_args(10, 0, 5); /* there is nothing: said with the verifier all the same */
    CU_ASSERT_EQUAL(copy(&args, &reply), 0);
    CU_ASSERT_EQUAL(reply.count, 0);
    CU_ASSERT_EQUAL(reply.verifier, verifier);
    CU_ASSERT_EQUAL(reply.object.size, 107);
    tear_down();
}

static void holes_stay_holes(void)
{
    struct reply reply;
    set_up();
    resize(&a, source, 64 * MIB);
    CU_ASSERT_EQUAL(client_write(&a, source, 32 * MIB, "middle"), 0);
    CU_ASSERT_EQUAL(client_write(&a, target, 0, "old bytes that go"), 0);
    uint64_t done = 0;
    for (int i = 0; i < 100 && done < 64 * MIB; i++) {
        brick_copy_args args = copy_args(done, done, 64 * MIB - done);
        CU_ASSERT_EQUAL(copy(&args, &reply), 0);
        CU_ASSERT_FATAL(reply.count > 0);
        done += reply.count;
    }
    struct attr attr = attr_of(target);
    CU_ASSERT_EQUAL(attr.size, 64 * MIB);
    CU_ASSERT(attr.used < 4 * MIB);
    expect_bytes(32 * MIB, "middle");
    struct answer answer;
    brick_read_args read_args = args_read(&a, target, 0, 4);
    client_send(&a, BRICK_READ, &read_args, NULL, &answer);
    CU_ASSERT_EQUAL(answer_wait(&answer), 0);
    CU_ASSERT_TRUE(slice_equal(answer.reply.data, slice_of("\0\0\0\0", 4)));
    answer_release(&answer);
    tear_down();
}

static void a_file_is_copied_into_itself_only_beside(void)
{
    struct reply reply;
    set_up();
    CU_ASSERT_EQUAL(client_write(&a, source, 0, "0123456789"), 0);
    target = source;
    brick_copy_args args = copy_args(0, 5, 10);
    CU_ASSERT_EQUAL(copy(&args, &reply), -EINVAL);
    args = copy_args(0, 20, 1000); /* what there is ends before */
    CU_ASSERT_EQUAL(copy(&args, &reply), 0);
    CU_ASSERT_EQUAL(reply.count, 10);
    expect_bytes(20, "0123456789");
    tear_down();
}

static void copies_are_refused(void)
{
    struct reply reply;
    struct gfid file = {0};
    set_up();
    file = target;
    CU_ASSERT_EQUAL(client_write(&a, source, 0, "0123456789"), 0);
    for (uint64_t from = 0; from <= 10; from += 10) { /* with bytes, and without */
        target = GFID_ROOT;
        brick_copy_args args = copy_args(from, 0, 10);
        CU_ASSERT_EQUAL(copy(&args, &reply), -EISDIR);
        target = file;
        args = copy_args(from, 0, 10);
        args.source = GFID_ROOT;
        CU_ASSERT_EQUAL(copy(&args, &reply), -EISDIR);
        args = copy_args(from, 0, 10);
        args.object = gfid_make(0, 1, 77777);
        CU_ASSERT_EQUAL(copy(&args, &reply), -ESTALE);
        args = copy_args(from, 0, 10);
        args.cred = (struct cred){.uid = 1, .gid = 1};
        CU_ASSERT_EQUAL(copy(&args, &reply), -EACCES); /* may not write */
        args = copy_args(from, INT64_MAX - 5, 10);
        CU_ASSERT_EQUAL(copy(&args, &reply), -EFBIG);
    }
    tear_down();
}

/* ---- others at work ------------------------------------------------------------------------- */

/* A hole that is copied beyond the target's end makes it longer, never shorter: though the end was
 * elsewhere when the copy looked. */
static void a_hole_takes_nothing_away(void)
{
    struct answer write_answer, copy_answer;
    struct store_hooks *hooks = &set.members[0].hooks;
    struct slice bulk = slice_text("written meanwhile");
    set_up();
    resize(&a, source, 8 * MIB);
    store_hooks_hold(hooks, false, true);
    brick_write_args write = args_write(&b, target, 16 * MIB);
    client_send(&b, BRICK_WRITE, &write, &bulk, &write_answer);
    CU_ASSERT_FATAL(store_hooks_wait_blocked(hooks, 1));
    brick_copy_args args = copy_args(0, 0, 8 * MIB);
    client_send(&a, BRICK_COPY, &args, NULL, &copy_answer);
    CU_ASSERT_FALSE(answer_wait_ms(&copy_answer, 200)); /* it has looked, and waits */
    store_hooks_hold(hooks, false, false);
    CU_ASSERT_EQUAL(answer_wait(&write_answer), 0);
    CU_ASSERT_EQUAL(answer_wait(&copy_answer), 0);
    CU_ASSERT_EQUAL(copy_answer.reply.count, 8 * MIB);
    answer_release(&write_answer);
    answer_release(&copy_answer);
    CU_ASSERT_EQUAL(attr_of(target).size, 16 * MIB + bulk.size);
    expect_bytes(16 * MIB, "written meanwhile");
    tear_down();
}

/* ---- once more ------------------------------------------------------------------------------ */

static void a_repeated_copy_says_what_was_done(void)
{
    struct reply first, again;
    set_up();
    CU_ASSERT_EQUAL(client_write(&a, source, 0, "0123456789"), 0);
    brick_copy_args args = copy_args(0, 0, 10);
    CU_ASSERT_EQUAL(copy(&args, &first), 0);
    resize(&b, source, 0);
    CU_ASSERT_EQUAL(copy(&args, &again), 0);
    CU_ASSERT_EQUAL(again.count, 10);
    CU_ASSERT_EQUAL(again.object.change, first.object.change);
    expect_bytes(0, "0123456789");
    /* Nor if there is no source any more; and a hole is as long as it was. */
    resize(&b, source, 3 * MIB);
    args = copy_args(0, 10, 3 * MIB);
    CU_ASSERT_EQUAL(copy(&args, &first), 0);
    CU_ASSERT_EQUAL(first.count, 3 * MIB);
    brick_remove_args remove_args = args_remove(&b, GFID_ROOT, "source");
    CU_ASSERT_EQUAL(client_call(&b, BRICK_REMOVE, &remove_args, NULL, NULL), 0);
    CU_ASSERT_EQUAL(copy(&args, &again), 0);
    CU_ASSERT_EQUAL(again.count, 3 * MIB);
    args = copy_args(0, 10, 3 * MIB);
    CU_ASSERT_EQUAL(copy(&args, &again), -ESTALE);
    tear_down();
}

/* ---- SEEK ----------------------------------------------------------------------------------- */

static int seek(uint64_t offset, uint32_t whence, uint64_t *out_offset)
{
    struct reply reply = {0};
    brick_seek_args args = {.target = client_target(&a),
                            .cred = a.cred,
                            .object = source,
                            .offset = offset,
                            .whence = whence};
    int status = client_call(&a, BRICK_SEEK, &args, NULL, &reply);
    *out_offset = reply.offset;
    return status;
}

/* What was acknowledged is found, while another writes the same file all the time. */
static void seek_finds_what_was_written(void)
{
    enum { ROUNDS = 60 };
    struct slice bulk = slice_text("x");
    struct answer busy[8];
    uint64_t found;
    set_up();
    resize(&a, source, 1024 * MIB);
    for (uint64_t i = 0; i < ROUNDS; i++) {
        for (unsigned j = 0; j < 8; j++) {
            brick_write_args write = args_write(&b, source, 1000 * MIB + j);
            client_send(&b, BRICK_WRITE, &write, &bulk, &busy[j]);
        }
        CU_ASSERT_EQUAL(client_write(&a, source, (ROUNDS - i) * MIB, "data"), 0);
        CU_ASSERT_EQUAL(seek(0, SEEK_DATA, &found), 0);
        CU_ASSERT_EQUAL(found, (ROUNDS - i) * MIB);
        CU_ASSERT_EQUAL(seek(found, SEEK_HOLE, &found), 0);
        CU_ASSERT(found > (ROUNDS - i) * MIB && found < (ROUNDS - i + 1) * MIB);
        for (unsigned j = 0; j < 8; j++) {
            CU_ASSERT_EQUAL(answer_wait(&busy[j]), 0);
            answer_release(&busy[j]);
        }
    }
    CU_ASSERT_EQUAL(seek(1024 * MIB, SEEK_DATA, &found), -ENXIO);
    tear_down();
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("COPY and SEEK", NULL, NULL);
    CU_ADD_TEST(suite, bytes_are_copied_up_to_the_end);
    CU_ADD_TEST(suite, holes_stay_holes);
    CU_ADD_TEST(suite, a_file_is_copied_into_itself_only_beside);
    CU_ADD_TEST(suite, copies_are_refused);
    CU_ADD_TEST(suite, a_hole_takes_nothing_away);
    CU_ADD_TEST(suite, a_repeated_copy_says_what_was_done);
    CU_ADD_TEST(suite, seek_finds_what_was_written);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
