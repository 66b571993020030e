/*
 * The FUSE frontend between a kernel and a volume that are both played by the test: messages of
 * <linux/fuse.h> go through a socket pair, and every request to the volume waits until the test
 * answers it. Shows what the real kernel hides: how listings are cut, which references and grants
 * are given, and in which order.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "backend/base/scope.h"
#include "tests/lib/fuse_wire.h"

/* ---- the handshake ------------------------------------------------------------------------ */

static void test_only_what_is_meant_is_asked_for(void)
{
    const struct fuse_init_out *out = (const void *)wire_answer.body;
    CU_ASSERT_EQUAL_FATAL(wire_begin(), 0);
    CU_ASSERT_EQUAL(out->max_write, IO_SIZE_MAX);
    CU_ASSERT_EQUAL(out->max_pages, IO_SIZE_MAX / 4096);
    CU_ASSERT_FALSE(out->flags & FUSE_WRITEBACK_CACHE);
    CU_ASSERT_FALSE(out->flags & FUSE_HANDLE_KILLPRIV);
    CU_ASSERT_TRUE(out->flags & FUSE_AUTO_INVAL_DATA);
    CU_ASSERT_TRUE(out->flags & FUSE_ATOMIC_O_TRUNC);
    CU_ASSERT_TRUE(out->flags & FUSE_DO_READDIRPLUS);
}

/* ---- listings ----------------------------------------------------------------------------- */

/* Read on from *offset; counts entries, checks their order. Returns false at the end. */
static bool list_some(uint64_t handle, uint64_t *offset, int *count)
{
    uint64_t number = wire_readdir(FUSE_READDIR, handle, *offset, 1024);
    if (!wire_has_message(0) && (*offset < 2 || !wire_has_message(100))) {
        wire_answer_listing(wire_next(VOLUME_READDIR), 0);
    }
    wire_receive(number);
    CU_ASSERT_EQUAL(wire_answer.header.error, 0);
    for (size_t at = 0; at < wire_answer.size; (*count)++) {
        const struct fuse_dirent *entry = (const void *)(wire_answer.body + at);
        char name[32];
        snprintf(name, sizeof(name),
                 *count == 0   ? "."
                 : *count == 1 ? ".."
                               : "name-%d",
                 *count - 2);
        CU_ASSERT_TRUE(entry->namelen == strlen(name) &&
                       memcmp(entry->name, name, entry->namelen) == 0);
        CU_ASSERT_EQUAL(entry->ino, *count == 0   ? FUSE_ROOT_ID
                                    : *count == 1 ? WIRE_PARENT_INDEX
                                                  : 98 + (uint64_t)*count);
        CU_ASSERT_EQUAL(entry->off, *count < 2 ? (uint64_t)*count + COOKIE_DOT
                                               : WIRE_COOKIE_BASE - 2 + (uint64_t)*count);
        *offset = entry->off;
        at += FUSE_DIRENT_SIZE(entry);
    }
    return wire_answer.size > 0;
}

static void test_a_listing_is_whole_and_takes_few_requests(void)
{
    uint64_t handle = wire_opendir(), offset = 0;
    int count = 0;
    unsigned before = wire_volume.submitted[VOLUME_READDIR];
    while (list_some(handle, &offset, &count)) {
    }
    CU_ASSERT_EQUAL(count, WIRE_ENTRIES + 2);
    CU_ASSERT_EQUAL(wire_volume.submitted[VOLUME_READDIR] - before, 1); /* 700 small entries: one
                                                                       buffer */
    wire_releasedir(handle);
}

static void test_seeking_asks_the_volume_there(void)
{
    uint64_t handle = wire_opendir(), offset = 0;
    int count = 0;
    CU_ASSERT_TRUE(list_some(handle, &offset, &count));
    uint64_t number = wire_readdir(FUSE_READDIR, handle, WIRE_COOKIE_BASE + 500, 1024);
    struct volume_request *request = wire_next(VOLUME_READDIR);
    CU_ASSERT_EQUAL(request->cookie, WIRE_COOKIE_BASE + 500);
    CU_ASSERT_FALSE(request->with_attr);
    wire_answer_listing(request, 0);
    wire_receive(number);
    const struct fuse_dirent *entry = (const void *)wire_answer.body;
    CU_ASSERT_EQUAL(entry->off, WIRE_COOKIE_BASE + 501);
    offset = 0; /* rewind */
    count = 0;
    CU_ASSERT_TRUE(list_some(handle, &offset, &count));
    wire_releasedir(handle);
}

static void test_requests_on_one_handle_may_run_together(void)
{
    uint64_t handle = wire_opendir(), numbers[2];
    numbers[0] = wire_readdir(FUSE_READDIR, handle, 0, 1024);
    numbers[1] = wire_readdir(FUSE_READDIR, handle, 0, 1024);
    struct volume_request *first = wire_next(VOLUME_READDIR);
    struct volume_request *second = wire_next(VOLUME_READDIR);
    wire_answer_listing(second, 0);
    wire_answer_listing(first, 0);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_TRUE_FATAL(wire_has_message(WIRE_WAIT_MS));
        CU_ASSERT_TRUE(recv(wire_kernel, &wire_answer, sizeof(wire_answer), 0) > 1000 - 64);
        CU_ASSERT_TRUE(wire_answer.header.unique == numbers[0] ||
                       wire_answer.header.unique == numbers[1]);
    }
    wire_releasedir(handle);
}

/* Walk the entries of a READDIRPLUS answer; returns how many carry a node, and checks timeouts. */
static int plus_nodes(uint64_t expected_valid_at_least, uint64_t *out_last_node)
{
    int nodes = 0;
    for (size_t at = 0; at < wire_answer.size;) {
        const struct fuse_direntplus *entry = (const void *)(wire_answer.body + at);
        if (entry->entry_out.nodeid != 0) {
            nodes++;
            *out_last_node = entry->entry_out.nodeid;
            CU_ASSERT_EQUAL(entry->entry_out.attr.size, entry->entry_out.nodeid);
            CU_ASSERT_EQUAL(entry->entry_out.generation, 5);
            CU_ASSERT_TRUE(entry->entry_out.attr_valid >= expected_valid_at_least);
            CU_ASSERT_TRUE(entry->entry_out.entry_valid >= expected_valid_at_least);
        }
        at += FUSE_DIRENTPLUS_SIZE(entry);
    }
    return nodes;
}

static void test_listings_with_attributes_are_references(void)
{
    uint64_t handle = wire_opendir(), last = 0;
    uint64_t before = inode_table_count(wire_frontend->inodes);
    atomic_store(&wire_frontend->is_granting, true);
    uint64_t number = wire_readdir(FUSE_READDIRPLUS, handle, 0, 4096);
    struct volume_request *request = wire_next(VOLUME_READDIR);
    CU_ASSERT_TRUE(request->with_attr);
    wire_answer_listing(request, 1900);
    wire_receive(number);
    int nodes = plus_nodes(1, &last);
    CU_ASSERT_TRUE(nodes > 5);
    CU_ASSERT_EQUAL(inode_table_count(wire_frontend->inodes) - before, (uint64_t)nodes);

    /* More, from what was kept; but not for what was changed meanwhile. */
    struct attr changed = wire_file(last + 1);
    (void)inode_table_refer(wire_frontend->inodes, &changed.gfid, UINT64_MAX, 0);
    inode_table_changed(wire_frontend->inodes, &changed.gfid, 2);
    number = wire_readdir(FUSE_READDIRPLUS, handle, WIRE_COOKIE_BASE + last - 100, 4096);
    wire_receive(number);
    CU_ASSERT_TRUE(wire_idle());
    int more = plus_nodes(1, &last);
    CU_ASSERT_EQUAL(more, nodes + 2 - 1); /* no dots; one without a node */
    CU_ASSERT_EQUAL(inode_table_count(wire_frontend->inodes) - before,
                    (uint64_t)(nodes + more + 1));
    for (uint64_t node = 100; node <= last; node++) {
        wire_forget(node, 1);
    }
    wire_releasedir(handle);
    /* FORGET has no answer, and another thread may be working on it. */
    for (int i = 0; i < WIRE_WAIT_MS && inode_table_count(wire_frontend->inodes) != before; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
    }
    CU_ASSERT_EQUAL(inode_table_count(wire_frontend->inodes), before);
}

/* The notification that an inode's attributes are to go, and not its pages. */
static void receive_drop(void)
{
    wire_receive(0);
    CU_ASSERT_EQUAL(wire_answer.header.error, FUSE_NOTIFY_INVAL_INODE);
    const struct fuse_notify_inval_inode_out *out = (const void *)wire_answer.body;
    CU_ASSERT_EQUAL(out->off, -1);
}

static void test_a_recall_ends_what_a_handle_keeps(void)
{
    uint64_t handle = wire_opendir(), last = 0;
    struct gfid gfid = gfid_make(0, 5, 300);
    atomic_store(&wire_frontend->is_granting, true);
    uint64_t number = wire_readdir(FUSE_READDIRPLUS, handle, 0, 4096);
    wire_answer_listing(wire_next(VOLUME_READDIR), 1900);
    wire_receive(number);
    (void)plus_nodes(1, &last);
    frontend_recall_begin(wire_frontend);
    frontend_recall(wire_frontend, &gfid, &GFID_NONE, slice_of(NULL, 0));
    receive_drop();
    number = wire_readdir(FUSE_READDIRPLUS, handle, WIRE_COOKIE_BASE + last - 100, 4096);
    wire_answer_listing(wire_next(VOLUME_READDIR), 1900); /* asked anew */
    wire_receive(number);
    uint64_t end_node = 0;
    CU_ASSERT_TRUE(plus_nodes(1, &end_node) > 5);
    for (uint64_t node = 100; node <= end_node; node++) {
        wire_forget(node, 1);
    }
    wire_releasedir(handle);
}

static void test_attributes_are_not_listed_if_they_cannot_be_kept(void)
{
    uint64_t handle = wire_opendir(), last = 0;
    wire_know(90); /* answered without a grant */
    uint64_t number = wire_readdir(FUSE_READDIRPLUS, handle, 0, 4096);
    struct volume_request *request = wire_next(VOLUME_READDIR);
    CU_ASSERT_FALSE(request->with_attr);
    wire_answer_listing(request, 0);
    wire_receive(number);
    CU_ASSERT_EQUAL(plus_nodes(0, &last), 0);
    wire_releasedir(handle);
    wire_forget(90, 1);
}

static void test_malformed_entries_are_an_error(void)
{
    static const uint8_t garbage[] = {0, 0, 0, 0, 0, 0, 4, 0, 1, 2, 3};
    uint64_t handle = wire_opendir();
    uint64_t number = wire_readdir(FUSE_READDIR, handle, 1001, 4096);
    struct volume_request *request = wire_next(VOLUME_READDIR);
    request->reply.data = slice_of(garbage, sizeof(garbage));
    volume_complete(request);
    wire_receive(number);
    CU_ASSERT_EQUAL(wire_answer.header.error, -EBADMSG);
    wire_releasedir(handle);
}

/* ---- names and grants --------------------------------------------------------------------- */

static const struct fuse_entry_out *entry_answer(void)
{
    return (const void *)wire_answer.body;
}

static void test_entries_carry_what_is_granted(void)
{
    uint64_t number = wire_lookup("file");
    struct volume_request *request = wire_next(VOLUME_LOOKUP);
    CU_ASSERT_TRUE(slice_equal(request->name, slice_text("file")));
    CU_ASSERT_TRUE(gfid_is_root(&request->object));
    CU_ASSERT_EQUAL(request->cred.uid, 12);
    CU_ASSERT_EQUAL(request->cred.gid, 34);
    CU_ASSERT_EQUAL(request->cred.flags, CRED_CHECKED);
    wire_answer_file(request, 40, 1800);
    wire_receive(number);
    CU_ASSERT_EQUAL(entry_answer()->nodeid, 40);
    CU_ASSERT_EQUAL(entry_answer()->attr_valid, 1);
    CU_ASSERT_EQUAL(entry_answer()->entry_valid, 1);
    number = wire_lookup("file");
    wire_answer_file(wire_next(VOLUME_LOOKUP), 40, 0);
    wire_receive(number);
    CU_ASSERT_EQUAL(entry_answer()->attr_valid + entry_answer()->attr_valid_nsec, 0);
    CU_ASSERT_EQUAL(entry_answer()->entry_valid + entry_answer()->entry_valid_nsec, 0);
    wire_forget(40, 2);
}

static void test_names_that_are_not_there_are_cached_as_granted(void)
{
    for (uint32_t grant_ms = 0; grant_ms <= 1500; grant_ms += 1500) {
        uint64_t number = wire_lookup("nothing");
        struct volume_request *request = wire_next(VOLUME_LOOKUP);
        request->reply.status = -ENOENT;
        request->reply.grant_ms = grant_ms;
        volume_complete(request);
        wire_receive(number);
        CU_ASSERT_EQUAL(wire_answer.header.error, 0);
        CU_ASSERT_EQUAL(entry_answer()->nodeid, 0);
        CU_ASSERT_EQUAL(entry_answer()->entry_valid, grant_ms / 1000);
    }
}

static void test_a_recall_is_not_overtaken_by_the_grant(void)
{
    struct gfid gfid = gfid_make(0, 5, 41);
    uint64_t number = wire_lookup("file");
    struct volume_request *request = wire_next(VOLUME_LOOKUP);
    frontend_recall_begin(wire_frontend);
    frontend_recall(wire_frontend, &gfid, &GFID_ROOT, slice_text("file"));
    receive_drop();
    wire_receive(0);
    CU_ASSERT_EQUAL(wire_answer.header.error, FUSE_NOTIFY_INVAL_ENTRY);
    wire_answer_file(request, 41, 1800); /* granted before it was recalled */
    wire_receive(number);
    CU_ASSERT_EQUAL(entry_answer()->attr_valid + entry_answer()->attr_valid_nsec, 0);
    CU_ASSERT_EQUAL(entry_answer()->entry_valid + entry_answer()->entry_valid_nsec, 0);
    wire_forget(41, 1);
}

static void test_nodes_never_told_are_stale(void)
{
    struct fuse_getattr_in in = {0};
    wire_receive(wire_send(FUSE_GETATTR, 999999, &in, sizeof(in)));
    CU_ASSERT_EQUAL(wire_answer.header.error, -ESTALE);
    char name[NAME_SIZE_MAX + 2];
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    wire_receive(wire_lookup(name));
    CU_ASSERT_EQUAL(wire_answer.header.error, -ENAMETOOLONG);
}

/* ---- io ----------------------------------------------------------------------------------- */

static uint64_t kernel_write(uint64_t node, uint32_t flags, uint32_t write_flags, const char *data,
                             size_t size)
{
    struct fuse_write_in in = {
        .offset = 7, .size = (uint32_t)size, .flags = flags, .write_flags = write_flags};
    return wire_send_as(FUSE_WRITE, node, 0, &in, sizeof(in), data, size);
}

static void answer_write(struct volume_request *request, uint64_t verifier)
{
    request->reply.count = (uint32_t)request->data.size;
    request->reply.verifier = verifier;
    request->reply.committed = request->stable;
    request->reply.object = wire_file(50);
    volume_complete(request);
}

static void test_waiting_writes_keep_their_data(void)
{
    enum { WRITES = 90 }; /* more than take their buffers over */
    static char data[WRITES][300];
    struct volume_request *requests[WRITES];
    uint64_t numbers[WRITES];
    wire_know(50);
    for (int i = 0; i < WRITES; i++) {
        memset(data[i], 'a' + i % 26, sizeof(data[i]));
        numbers[i] = kernel_write(50, O_WRONLY, 0, data[i], sizeof(data[i]));
        requests[i] = wire_next(VOLUME_WRITE);
    }
    for (int i = 0; i < WRITES; i++) {
        CU_ASSERT_TRUE(slice_equal(requests[i]->data, slice_of(data[i], sizeof(data[i]))));
        CU_ASSERT_EQUAL(requests[i]->offset, 7);
        CU_ASSERT_EQUAL(requests[i]->stable, STABLE_UNSTABLE);
        CU_ASSERT_FALSE(requests[i]->append);
        answer_write(requests[i], 1);
        wire_receive(numbers[i]);
        CU_ASSERT_EQUAL(((const struct fuse_write_out *)(const void *)wire_answer.body)->size, 300);
    }
    wire_forget(50, 1);
}

static void test_open_flags_reach_the_volume(void)
{
    static const struct {
        uint32_t flags, write_flags, stable;
        bool append;
    } cases[] = {{O_APPEND, 0, STABLE_UNSTABLE, true},
                 {O_APPEND, FUSE_WRITE_CACHE, STABLE_UNSTABLE, false},
                 {O_SYNC, 0, STABLE_FILE_SYNC, false},
                 {O_DSYNC, 0, STABLE_DATA_SYNC, false}};
    wire_know(50);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t number =
            kernel_write(50, O_WRONLY | cases[i].flags, cases[i].write_flags, "data", 4);
        struct volume_request *request = wire_next(VOLUME_WRITE);
        CU_ASSERT_EQUAL(request->stable, cases[i].stable);
        CU_ASSERT_EQUAL(request->append, cases[i].append);
        answer_write(request, 1);
        wire_receive(number);
    }
    wire_forget(50, 1);
}

static int fsync_error(uint64_t verifier)
{
    struct fuse_fsync_in in = {0};
    uint64_t number = wire_send(FUSE_FSYNC, 50, &in, sizeof(in));
    struct volume_request *request = wire_next(VOLUME_COMMIT);
    request->reply.verifier = verifier;
    volume_complete(request);
    wire_receive(number);
    return wire_answer.header.error;
}

static void test_fsync_fails_once_if_writes_may_be_lost(void)
{
    wire_know(50);
    uint64_t number = kernel_write(50, O_WRONLY, 0, "data", 4);
    answer_write(wire_next(VOLUME_WRITE), 10);
    wire_receive(number);
    CU_ASSERT_EQUAL(fsync_error(10), 0);
    CU_ASSERT_EQUAL(fsync_error(11), 0); /* nothing was written since */
    number = kernel_write(50, O_WRONLY, 0, "data", 4);
    answer_write(wire_next(VOLUME_WRITE), 11);
    wire_receive(number);
    CU_ASSERT_EQUAL(fsync_error(12), -EIO);
    CU_ASSERT_EQUAL(fsync_error(12), 0);
    wire_forget(50, 1);
}

/* At the end of its source a copy has nothing to say of what was written. */
static void test_fsync_does_not_mind_an_empty_copy(void)
{
    struct fuse_copy_file_range_in in = {.nodeid_out = 50, .len = 100};
    wire_know(50);
    uint64_t number = kernel_write(50, O_WRONLY, 0, "data", 4);
    answer_write(wire_next(VOLUME_WRITE), 12);
    wire_receive(number);
    number = wire_send(FUSE_COPY_FILE_RANGE, 50, &in, sizeof(in));
    struct volume_request *request = wire_next(VOLUME_COPY);
    request->reply.object = wire_file(50);
    volume_complete(request);
    wire_receive(number);
    CU_ASSERT_EQUAL(wire_answer.header.error, 0);
    CU_ASSERT_EQUAL(fsync_error(12), 0);
    wire_forget(50, 1);
}

static void test_opening_keeps_data_that_is_vouched_for(void)
{
    struct fuse_open_in in = {.flags = O_RDONLY};
    struct fuse_release_in release = {0};
    for (uint32_t grant_ms = 0; grant_ms <= 1800; grant_ms += 1800) {
        uint64_t number = wire_lookup("file");
        wire_answer_file(wire_next(VOLUME_LOOKUP), 60, grant_ms);
        wire_receive(number);
        wire_receive(wire_send(FUSE_OPEN, 60, &in, sizeof(in)));
        const struct fuse_open_out *out = (const void *)wire_answer.body;
        CU_ASSERT_EQUAL(!!(out->open_flags & FOPEN_KEEP_CACHE), grant_ms > 0);
        wire_receive(wire_send(FUSE_RELEASE, 60, &release, sizeof(release)));
    }
    in.flags = O_WRONLY | O_TRUNC;
    uint64_t number = wire_send(FUSE_OPEN, 60, &in, sizeof(in));
    struct volume_request *request = wire_next(VOLUME_SETATTR);
    CU_ASSERT_EQUAL(request->change.mask, ATTR_SIZE);
    CU_ASSERT_EQUAL(request->change.size, 0);
    wire_answer_file(request, 60, 0);
    wire_receive(number);
    wire_receive(wire_send(FUSE_RELEASE, 60, &release, sizeof(release)));
    wire_forget(60, 2);
}

/* ---- interrupts --------------------------------------------------------------------------- */

/* A READ of a caller whose process cannot be seen (pid 0), interrupted: how long until EINTR? */
static int interrupted_ms(bool answers)
{
    struct fuse_read_in in = {.size = 4096};
    struct timespec from, to;
    wire_know(50);
    __atomic_store_n(&wire_volume.answers, answers, __ATOMIC_RELAXED);
    uint64_t number = wire_send(FUSE_READ, 50, &in, sizeof(in));
    struct fuse_interrupt_in interrupt = {.unique = number};
    clock_gettime(CLOCK_MONOTONIC, &from);
    (void)wire_send(FUSE_INTERRUPT, 0, &interrupt, sizeof(interrupt));
    wire_receive(number);
    clock_gettime(CLOCK_MONOTONIC, &to);
    CU_ASSERT_EQUAL(wire_answer.header.error, -EINTR);
    __atomic_store_n(&wire_volume.answers, true, __ATOMIC_RELAXED);
    wire_forget(50, 1);
    return (int)((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000);
}

static void test_an_interrupt_counts_after_a_second(void)
{
    CU_ASSERT_TRUE(interrupted_ms(true) >= FUSE_INTERRUPT_AFTER_MS - 100);
}

static void test_an_interrupt_counts_at_once_if_nothing_answers(void)
{
    CU_ASSERT_TRUE(interrupted_ms(false) < FUSE_INTERRUPT_AFTER_MS - 100);
}

/* Pages of a mapping may be another process's: they wait for the volume, whatever happens. */
static void test_write_back_is_not_interrupted(void)
{
    wire_know(50);
    __atomic_store_n(&wire_volume.answers, false, __ATOMIC_RELAXED);
    uint64_t number = kernel_write(50, 0, FUSE_WRITE_CACHE, "data", 4);
    struct fuse_interrupt_in interrupt = {.unique = number};
    (void)wire_send(FUSE_INTERRUPT, 0, &interrupt, sizeof(interrupt));
    CU_ASSERT_FALSE(wire_has_message(FUSE_INTERRUPT_AFTER_MS + 2 * FUSE_INTERRUPT_EVERY_MS));
    __atomic_store_n(&wire_volume.answers, true, __ATOMIC_RELAXED);
    answer_write(wire_next(VOLUME_WRITE), 1);
    wire_receive(number);
    CU_ASSERT_EQUAL(wire_answer.header.error, 0);
    wire_forget(50, 1);
}

/* Last: as when the real kernel unmounts. */
static void test_the_session_ends(void)
{
    /* All forgotten; FORGET has no answer, and another thread may be working on it. */
    for (int i = 0; i < WIRE_WAIT_MS && inode_table_count(wire_frontend->inodes) != 0; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
    }
    CU_ASSERT_EQUAL(inode_table_count(wire_frontend->inodes), 0);
    wire_end();
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("FUSE messages", NULL, NULL);
    CU_ADD_TEST(suite, test_only_what_is_meant_is_asked_for);
    CU_ADD_TEST(suite, test_a_listing_is_whole_and_takes_few_requests);
    CU_ADD_TEST(suite, test_seeking_asks_the_volume_there);
    CU_ADD_TEST(suite, test_requests_on_one_handle_may_run_together);
    CU_ADD_TEST(suite, test_listings_with_attributes_are_references);
    CU_ADD_TEST(suite, test_a_recall_ends_what_a_handle_keeps);
    CU_ADD_TEST(suite, test_attributes_are_not_listed_if_they_cannot_be_kept);
    CU_ADD_TEST(suite, test_malformed_entries_are_an_error);
    CU_ADD_TEST(suite, test_entries_carry_what_is_granted);
    CU_ADD_TEST(suite, test_names_that_are_not_there_are_cached_as_granted);
    CU_ADD_TEST(suite, test_a_recall_is_not_overtaken_by_the_grant);
    CU_ADD_TEST(suite, test_nodes_never_told_are_stale);
    CU_ADD_TEST(suite, test_waiting_writes_keep_their_data);
    CU_ADD_TEST(suite, test_open_flags_reach_the_volume);
    CU_ADD_TEST(suite, test_fsync_fails_once_if_writes_may_be_lost);
    CU_ADD_TEST(suite, test_fsync_does_not_mind_an_empty_copy);
    CU_ADD_TEST(suite, test_opening_keeps_data_that_is_vouched_for);
    CU_ADD_TEST(suite, test_an_interrupt_counts_after_a_second);
    CU_ADD_TEST(suite, test_an_interrupt_counts_at_once_if_nothing_answers);
    CU_ADD_TEST(suite, test_write_back_is_not_interrupted);
    CU_ADD_TEST(suite, test_the_session_ends);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
