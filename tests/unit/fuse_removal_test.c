/*
 * Files that are removed while they are open, between a kernel and a volume that are both played by
 * the test: what is asked to be kept, what is let go of, and what opens wait for, whatever becomes
 * of the removal.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include "tests/lib/fuse_wire.h"

/* Others in each test: an object that is gone never comes again. */
static uint64_t file_node, other_node, directory_node;

static void choose_nodes(void)
{
    static uint64_t last = 50;
    file_node = ++last;
    other_node = ++last;
    directory_node = ++last;
}

/* ---- messages ----------------------------------------------------------------------------- */

static uint64_t send_open(uint64_t node, uint32_t flags)
{
    struct fuse_open_in in = {.flags = flags};
    return wire_send(FUSE_OPEN, node, &in, sizeof(in));
}

static void open_node(uint64_t node)
{
    wire_receive(send_open(node, O_RDWR));
    CU_ASSERT_EQUAL(wire_answer.header.error, 0);
}

static void release_node(uint64_t node)
{
    struct fuse_release_in in = {0};
    wire_receive(wire_send(FUSE_RELEASE, node, &in, sizeof(in)));
}

static uint64_t open_directory(uint64_t node)
{
    struct fuse_open_in in = {.flags = O_RDONLY};
    wire_receive(wire_send(FUSE_OPENDIR, node, &in, sizeof(in)));
    CU_ASSERT_EQUAL(wire_answer.header.error, 0);
    return ((const struct fuse_open_out *)(const void *)wire_answer.body)->fh;
}

static void release_directory(uint64_t node, uint64_t handle)
{
    struct fuse_release_in in = {.fh = handle};
    wire_receive(wire_send(FUSE_RELEASEDIR, node, &in, sizeof(in)));
}

static uint64_t send_unlink(const char *name)
{
    return wire_send(FUSE_UNLINK, FUSE_ROOT_ID, name, strlen(name) + 1);
}

static uint64_t send_rename(const char *names, size_t size)
{
    struct fuse_rename_in in = {.newdir = FUSE_ROOT_ID};
    return wire_send_as(FUSE_RENAME, FUSE_ROOT_ID, 0, &in, sizeof(in), names, size);
}

/* Let the kernel know node by name. */
static void look_up(const char *name, uint64_t node)
{
    uint64_t number = wire_lookup(name);
    wire_answer_file(wire_next(VOLUME_LOOKUP), node, 0);
    wire_receive(number);
}

static void interrupt(uint64_t number)
{
    struct fuse_interrupt_in in = {.unique = number};
    (void)wire_send(FUSE_INTERRUPT, 0, &in, sizeof(in));
}

static void set_answers(bool answers)
{
    __atomic_store_n(&wire_volume.answers, answers, __ATOMIC_RELAXED);
}

/* The volume answers a removal with success: it took the last name of node. */
static void answer_removed(struct volume_request *request, uint64_t node)
{
    struct attr attr = wire_file(node);
    attr.nlink = 0;
    attr.change = 9;
    if (request->op == VOLUME_RENAME) {
        request->reply.object = wire_file(999);
        request->reply.replaced = attr;
    } else {
        request->reply.object = attr;
    }
    volume_complete(request);
}

/* The volume is asked to let go of node. */
static void expect_forget(uint64_t node)
{
    struct volume_request *request = wire_next(VOLUME_FORGET);
    CU_ASSERT_EQUAL(gfid_ino(&request->object), node);
    volume_complete(request);
}

static void test_the_session_begins(void)
{
    CU_ASSERT_EQUAL_FATAL(wire_begin(), 0);
}

/* ---- what is kept ------------------------------------------------------------------------- */

static void test_what_is_open_is_kept_until_it_is_closed(void)
{
    look_up("file", file_node);
    open_node(file_node);
    uint64_t number = send_unlink("file");
    struct volume_request *request = wire_next(VOLUME_REMOVE);
    CU_ASSERT_TRUE(request->keep_open);
    answer_removed(request, file_node);
    wire_receive(number);
    CU_ASSERT_TRUE(wire_idle());
    release_node(file_node);
    expect_forget(file_node);
    wire_forget(file_node, 1);
}

/* The kernel may have found the name before it was removed, and come to open it after all that. */
static void test_what_was_let_go_of_is_not_opened(void)
{
    look_up("file", file_node);
    open_node(file_node);
    uint64_t number = send_unlink("file");
    answer_removed(wire_next(VOLUME_REMOVE), file_node);
    wire_receive(number);
    open_node(file_node); /* still kept */
    release_node(file_node);
    release_node(file_node);
    struct volume_request *request = wire_next(VOLUME_FORGET);
    wire_receive(send_open(file_node, O_RDONLY));
    CU_ASSERT_EQUAL(wire_answer.header.error, -ESTALE);
    volume_complete(request);
    wire_receive(send_open(file_node, O_RDONLY));
    CU_ASSERT_EQUAL(wire_answer.header.error, -ESTALE);
    wire_forget(file_node, 1);
}

static void test_what_is_not_open_is_not_kept(void)
{
    look_up("other", other_node);
    look_up("file", file_node);
    open_node(other_node);
    uint64_t number = send_unlink("file");
    struct volume_request *request = wire_next(VOLUME_REMOVE);
    CU_ASSERT_FALSE(request->keep_open);
    answer_removed(request, file_node);
    wire_receive(number);
    release_node(other_node);
    CU_ASSERT_TRUE(wire_idle());
    wire_forget(file_node, 1);
    wire_forget(other_node, 1);
}

/* A look-up that was answered before a rename, and comes after it, says nothing of what is there.
 */
static void test_a_late_look_up_does_not_mislead_a_removal(void)
{
    static const char names[] = "other\0file";
    look_up("file", file_node);
    look_up("other", other_node);
    open_node(other_node);
    uint64_t late_number = wire_lookup("file");
    struct volume_request *late = wire_next(VOLUME_LOOKUP);
    uint64_t number = send_rename(names, sizeof(names));
    struct volume_request *request = wire_next(VOLUME_RENAME);
    CU_ASSERT_FALSE(request->keep_open); /* it is not open */
    request->reply.object = wire_file(other_node);
    request->reply.replaced = wire_file(file_node);
    request->reply.replaced.nlink = 0;
    volume_complete(request);
    wire_receive(number);
    wire_answer_file(late, file_node, 0);
    wire_receive(late_number);
    number = send_unlink("file");
    request = wire_next(VOLUME_REMOVE);
    CU_ASSERT_TRUE(request->keep_open);
    answer_removed(request, other_node);
    wire_receive(number);
    release_node(other_node);
    expect_forget(other_node);
    wire_forget(file_node, 2);
    wire_forget(other_node, 1);
}

/* What was made here, or moved, is known by its name without a look-up. */
static void test_what_was_made_is_known(void)
{
    static const char names[] = "made\0moved";
    struct fuse_mkdir_in in = {.mode = 0755};
    look_up("other", other_node);
    open_node(other_node);
    uint64_t number =
        wire_send_as(FUSE_MKDIR, FUSE_ROOT_ID, 0, &in, sizeof(in), "made", sizeof("made"));
    struct volume_request *request = wire_next(VOLUME_MKDIR);
    request->reply.object = wire_file(file_node); /* a file, for brevity */
    volume_complete(request);
    wire_receive(number);
    number = send_rename(names, sizeof(names));
    request = wire_next(VOLUME_RENAME);
    request->reply.object = wire_file(file_node);
    volume_complete(request);
    wire_receive(number);
    number = send_unlink("moved");
    request = wire_next(VOLUME_REMOVE);
    CU_ASSERT_FALSE(request->keep_open);
    answer_removed(request, file_node);
    wire_receive(number);
    release_node(other_node);
    wire_forget(file_node, 1);
    wire_forget(other_node, 1);
}

/* The name was another's by then: what was kept in vain goes at once. */
static void test_what_was_kept_and_is_not_open_is_let_go_of(void)
{
    look_up("other", other_node);
    open_node(other_node);
    uint64_t number = send_unlink("never-seen");
    struct volume_request *request = wire_next(VOLUME_REMOVE);
    CU_ASSERT_TRUE(request->keep_open);
    answer_removed(request, 12345); /* which the kernel does not know */
    expect_forget(12345);
    wire_receive(number);
    release_node(other_node);
    wire_forget(other_node, 1);
}

static void test_an_open_directory_is_kept_when_it_is_replaced(void)
{
    static const char names[] = "from\0to";
    wire_know(directory_node); /* not by the name that is replaced */
    uint64_t handle = open_directory(directory_node);
    uint64_t number = send_rename(names, sizeof(names));
    struct volume_request *request = wire_next(VOLUME_RENAME);
    CU_ASSERT_TRUE_FATAL(request->keep_open);
    answer_removed(request, directory_node);
    wire_receive(number);
    CU_ASSERT_TRUE(wire_idle());
    release_directory(directory_node, handle);
    expect_forget(directory_node);
    wire_forget(directory_node, 1);
}

/* ---- removals whose outcome is not known -------------------------------------------------- */

static void removal_is_interrupted(const char *name)
{
    uint64_t number = send_unlink(name);
    set_answers(false);
    interrupt(number);
    wire_receive(number);
    CU_ASSERT_EQUAL(wire_answer.header.error, -EINTR);
    set_answers(true);
}

static void test_an_interrupted_removal_may_have_left_an_orphan(void)
{
    look_up("file", file_node);
    look_up("other", other_node);
    open_node(file_node);
    open_node(other_node);
    removal_is_interrupted("file");
    release_node(other_node); /* that one it was not */
    CU_ASSERT_TRUE(wire_idle());
    release_node(file_node);
    struct volume_request *request = wire_next(VOLUME_FORGET);
    CU_ASSERT_EQUAL(gfid_ino(&request->object), file_node);
    request->reply.status = -ESTALE; /* it was none, after all */
    volume_complete(request);
    /* Of a name that is not known it may have been any. */
    open_node(file_node);
    open_node(other_node);
    removal_is_interrupted("never-seen");
    release_node(file_node);
    expect_forget(file_node);
    release_node(other_node);
    expect_forget(other_node);
    wire_forget(file_node, 1);
    wire_forget(other_node, 1);
}

/* ---- opens that wait for a removal -------------------------------------------------------- */

static void test_an_open_waits_for_the_removal_of_the_same(void)
{
    look_up("file", file_node);
    uint64_t unlink_number = send_unlink("file");
    struct volume_request *request = wire_next(VOLUME_REMOVE);
    CU_ASSERT_FALSE(request->keep_open);
    uint64_t open_number = send_open(file_node, O_RDONLY);
    CU_ASSERT_FALSE(wire_has_message(50));
    answer_removed(request, file_node);
    wire_receive(open_number);
    CU_ASSERT_EQUAL(wire_answer.header.error, -ESTALE);
    wire_receive(unlink_number);
    wire_forget(file_node, 1);
}

/* Whoever waits so can be killed, though the one that it waits for cannot. */
static void test_an_open_that_waits_can_be_interrupted(void)
{
    look_up("file", file_node);
    uint64_t unlink_number = send_unlink("file");
    struct volume_request *request = wire_next(VOLUME_REMOVE);
    set_answers(false);
    uint64_t open_number = send_open(file_node, O_RDONLY);
    interrupt(open_number);
    CU_ASSERT_TRUE(wire_has_message(WIRE_WAIT_MS));
    if (wire_has_message(0)) {
        wire_receive(open_number);
        CU_ASSERT_EQUAL(wire_answer.header.error, -EINTR);
    }
    set_answers(true);
    CU_ASSERT_EQUAL(inode_table_opened(wire_frontend->inodes, file_node), 0);
    request->reply.status = -EACCES;
    volume_complete(request);
    wire_receive(unlink_number);
    CU_ASSERT_EQUAL(wire_answer.header.error, -EACCES);
    CU_ASSERT_FALSE(wire_has_message(20)); /* no second answer */
    wire_forget(file_node, 1);
}

/* ---- the end ------------------------------------------------------------------------------ */

static void *answer_forget(void *context)
{
    (void)context;
    expect_forget(file_node);
    return NULL;
}

/* What the kernel did not live to close is let go of, and who waits is answered. */
static void test_the_end_lets_go_of_what_is_open(void)
{
    pthread_t thread;
    look_up("file", file_node);
    look_up("other", other_node);
    open_node(file_node);
    uint64_t number = send_unlink("file");
    struct volume_request *request = wire_next(VOLUME_REMOVE);
    CU_ASSERT_TRUE(request->keep_open);
    answer_removed(request, file_node);
    wire_receive(number);
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, answer_forget, NULL), 0);
    wire_end();
    pthread_join(thread, NULL);
    CU_ASSERT_TRUE(wire_idle());
}

/* A removal that is given up lets an open go on, which then has to be given up, too. */
static void test_the_end_answers_opens_that_wait(void)
{
    CU_ASSERT_EQUAL_FATAL(wire_begin(), 0);
    look_up("other", other_node);
    (void)send_unlink("other");
    while (wire_idle()) {
        nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
    }
    (void)send_open(other_node, O_RDONLY | O_TRUNC);
    CU_ASSERT_FALSE(wire_has_message(50));
    wire_end();
    CU_ASSERT_TRUE(wire_idle());
    CU_ASSERT_EQUAL(wire_volume.submitted[VOLUME_SETATTR], 1);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite_with_setup_and_teardown("removals of what is open", NULL, NULL,
                                                           choose_nodes, NULL);
    CU_ADD_TEST(suite, test_the_session_begins);
    CU_ADD_TEST(suite, test_what_is_open_is_kept_until_it_is_closed);
    CU_ADD_TEST(suite, test_what_was_let_go_of_is_not_opened);
    CU_ADD_TEST(suite, test_what_is_not_open_is_not_kept);
    CU_ADD_TEST(suite, test_a_late_look_up_does_not_mislead_a_removal);
    CU_ADD_TEST(suite, test_what_was_made_is_known);
    CU_ADD_TEST(suite, test_what_was_kept_and_is_not_open_is_let_go_of);
    CU_ADD_TEST(suite, test_an_open_directory_is_kept_when_it_is_replaced);
    CU_ADD_TEST(suite, test_an_interrupted_removal_may_have_left_an_orphan);
    CU_ADD_TEST(suite, test_an_open_waits_for_the_removal_of_the_same);
    CU_ADD_TEST(suite, test_an_open_that_waits_can_be_interrupted);
    CU_ADD_TEST(suite, test_the_end_lets_go_of_what_is_open);
    CU_ADD_TEST(suite, test_the_end_answers_opens_that_wait);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
