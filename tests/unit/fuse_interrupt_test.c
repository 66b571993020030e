/*
 * What waits on a volume that does not answer can be ended: by signals that mean it, by umount(8),
 * and by ending the server; other signals leave it alone. With the real kernel, and a volume that
 * parks requests. Skipped where /dev/fuse cannot be opened.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>
#include "backend/base/scope.h"
#include "gateway/volume.h"
#include "tests/lib/fuse_fixture.h"

enum { WATCHDOG_SECONDS = 100 };

/* ---- a volume that parks ------------------------------------------------------------------ */

struct parking_volume {
    struct volume volume;
    pthread_mutex_t lock;
    struct volume_request *parked;
    bool answers;
    bool parks_all;
};

static void parking_reply(struct volume_request *request)
{
    struct reply *reply = &request->reply;
    struct attr root = {
        .type = OBJECT_DIRECTORY, .mode = 0755, .nlink = 2, .gfid = GFID_ROOT, .parent = GFID_ROOT};
    struct attr file = {
        .type = OBJECT_FILE, .mode = 0644, .nlink = 1, .size = 4096, .gfid = gfid_make(0, 1, 2)};
    reply->object = request->op == VOLUME_LOOKUP || !gfid_is_root(&request->object) ? file : root;
    reply->parent = root;
    if (request->op == VOLUME_LOOKUP && !slice_equal(request->name, slice_text("file"))) {
        reply->status = -ENOENT;
        reply->object = (struct attr){0};
    }
    volume_complete(request);
}

static void parking_submit(struct volume *volume, struct volume_request *request)
{
    struct parking_volume *parking = (struct parking_volume *)volume;
    bool is_io = request->op == VOLUME_READ || request->op == VOLUME_WRITE;
    if (!is_io && !parking->parks_all) {
        parking_reply(request);
        return;
    }
    AUTO_LOCK(&parking->lock);
    request->next = parking->parked;
    parking->parked = request;
}

static void parking_cancel(struct volume *volume, struct volume_request *request)
{
    struct parking_volume *parking = (struct parking_volume *)volume;
    bool is_found = false;
    {
        AUTO_LOCK(&parking->lock);
        for (struct volume_request **place = &parking->parked; *place; place = &(*place)->next) {
            if (*place == request) {
                *place = request->next;
                is_found = true;
                break;
            }
        }
    }
    if (is_found) {
        request->reply.status = -EINTR;
        volume_complete(request);
    }
}

static void parking_cancel_all(struct volume *volume, int status)
{
    struct parking_volume *parking = (struct parking_volume *)volume;
    for (;;) {
        struct volume_request *request;
        {
            AUTO_LOCK(&parking->lock);
            request = parking->parked;
            if (!request) {
                return;
            }
            parking->parked = request->next;
        }
        request->reply.status = status;
        volume_complete(request);
    }
}

static bool parking_answers(const struct volume *volume)
{
    return ((const struct parking_volume *)volume)->answers;
}

static void parking_stats(const struct volume *volume, struct volume_stats *out_stats)
{
    (void)volume;
    (void)out_stats;
}

static void parking_close(struct volume *volume)
{
    free(volume);
}

static const struct volume_ops parking_ops = {.submit = parking_submit,
                                              .cancel = parking_cancel,
                                              .cancel_all = parking_cancel_all,
                                              .answers = parking_answers,
                                              .stats = parking_stats,
                                              .close = parking_close};

/* "park-alive", "park-dead", and "park-all", which does not even answer for the root. */
static int parking_open(const char *name, struct volume **out_volume)
{
    struct parking_volume *parking = calloc(1, sizeof(*parking));
    if (!parking) {
        return -ENOMEM;
    }
    parking->volume.ops = &parking_ops;
    parking->answers = strcmp(name, "park-alive") == 0;
    parking->parks_all = strcmp(name, "park-all") == 0;
    pthread_mutex_init(&parking->lock, NULL);
    *out_volume = &parking->volume;
    return 0;
}

/* ---- the stories -------------------------------------------------------------------------- */

static void do_nothing(int signal)
{
    (void)signal;
}

static pid_t reader_start(bool catches)
{
    pid_t reader = fork();
    if (reader == 0) {
        char byte;
        struct sigaction action = {.sa_handler = do_nothing};
        if (catches) {
            sigaction(SIGTERM, &action, NULL);
            sigaction(SIGUSR1, &action, NULL);
        }
        int fd = open(fuse_at("file"), O_RDONLY | O_DIRECT | O_CLOEXEC);
        ssize_t size = fd < 0 ? 0 : pread(fd, &byte, 1, 0);
        _exit(size == -1 && errno == EINTR ? 42 : 1);
    }
    return reader;
}

static pid_t writer_start(void)
{
    pid_t writer = fork();
    if (writer == 0) {
        int fd = open(fuse_at("file"), O_WRONLY | O_CLOEXEC);
        _exit(write(fd, "x", 1) == -1 && errno == EINTR ? 42 : 1);
    }
    return writer;
}

static void kill_while_parked(bool catches, int signal, int expected)
{
    pid_t reader = reader_start(catches);
    CU_ASSERT_EQUAL(fuse_child_wait(reader, 300), -1); /* it waits */
    CU_ASSERT_EQUAL(kill(reader, signal), 0);
    CU_ASSERT_EQUAL(fuse_child_wait(reader, 3000), expected);
}

static void signals_end_what_waits(const char *volume)
{
    CU_ASSERT_TRUE_FATAL(fuse_server_start(parking_open, volume));
    kill_while_parked(false, SIGKILL, 128 + SIGKILL);
    kill_while_parked(false, SIGINT, 128 + SIGINT);
    kill_while_parked(true, SIGTERM, 42); /* caught, but a wish to end */
    pid_t writer = writer_start();
    CU_ASSERT_EQUAL(fuse_child_wait(writer, 300), -1);
    CU_ASSERT_EQUAL(kill(writer, SIGKILL), 0);
    CU_ASSERT_EQUAL(fuse_child_wait(writer, 3000), 128 + SIGKILL);
    CU_ASSERT_EQUAL(umount2(fuse_mount_point, 0), 0);
    CU_ASSERT_TRUE(fuse_server_ended());
}

static void test_signals_end_what_a_slow_volume_keeps(void)
{
    signals_end_what_waits("park-alive");
}

static void test_signals_end_what_a_dead_volume_keeps(void)
{
    signals_end_what_waits("park-dead");
}

static void test_a_caught_signal_does_not_break_a_read(void)
{
    CU_ASSERT_TRUE_FATAL(fuse_server_start(parking_open, "park-dead"));
    pid_t reader = reader_start(true);
    CU_ASSERT_EQUAL(fuse_child_wait(reader, 300), -1);
    CU_ASSERT_EQUAL(kill(reader, SIGUSR1), 0);
    CU_ASSERT_EQUAL(fuse_child_wait(reader, 2000), -1);
    CU_ASSERT_EQUAL(kill(reader, SIGKILL), 0);
    CU_ASSERT_EQUAL(fuse_child_wait(reader, 3000), 128 + SIGKILL);
    CU_ASSERT_EQUAL(fuse_server_clean(), 0);
}

/* The server's end, too, ends what waits: with ENOTCONN or EINTR, but soon. */
static void test_sigterm_ends_what_waits(void)
{
    CU_ASSERT_TRUE_FATAL(fuse_server_start(parking_open, "park-dead"));
    pid_t reader = reader_start(false);
    CU_ASSERT_EQUAL(fuse_child_wait(reader, 300), -1);
    CU_ASSERT_EQUAL(kill(fuse_server, SIGTERM), 0);
    CU_ASSERT_TRUE(fuse_server_ended());
    CU_ASSERT_NOT_EQUAL(fuse_child_wait(reader, 3000), -1);
    CU_ASSERT_FALSE(fuse_is_mounted());
}

/* umount(8) looks at the mount point first, which a dead volume does not answer. */
static void test_umount_works_before_a_dead_volume(void)
{
    CU_ASSERT_TRUE_FATAL(fuse_server_start(parking_open, "park-all"));
    pid_t umount = fork();
    if (umount == 0) {
        execlp("umount", "umount", fuse_mount_point, NULL);
        _exit(127);
    }
    CU_ASSERT_EQUAL(fuse_child_wait(umount, 5000), 0);
    CU_ASSERT_FALSE(fuse_is_mounted());
    CU_ASSERT_TRUE(fuse_server_ended());
}

/* Killed while it unmounts: it must not wait for answers that only it could give. */
static void test_the_server_can_be_killed_while_it_ends(void)
{
    CU_ASSERT_TRUE_FATAL(fuse_server_start(parking_open, "park-all"));
    CU_ASSERT_EQUAL(kill(fuse_server, SIGTERM), 0);
    CU_ASSERT_EQUAL(fuse_child_wait(fuse_server, 300), -1);
    CU_ASSERT_EQUAL(kill(fuse_server, SIGKILL), 0);
    CU_ASSERT_EQUAL(fuse_child_wait(fuse_server, 5000), 128 + SIGKILL);
    fuse_server = 0;
    (void)umount2(fuse_mount_point, MNT_DETACH);
}

static void add_tests(void)
{
    CU_pSuite suite = CU_add_suite("a volume that does not answer", NULL, fuse_server_clean);
    CU_ADD_TEST(suite, test_signals_end_what_a_slow_volume_keeps);
    CU_ADD_TEST(suite, test_signals_end_what_a_dead_volume_keeps);
    CU_ADD_TEST(suite, test_a_caught_signal_does_not_break_a_read);
    CU_ADD_TEST(suite, test_sigterm_ends_what_waits);
    CU_ADD_TEST(suite, test_umount_works_before_a_dead_volume);
    CU_ADD_TEST(suite, test_the_server_can_be_killed_while_it_ends);
}

int main(void)
{
    const char *skip = fuse_reason_to_skip();
    if (skip) {
        printf("skipped: %s\n", skip);
        return 0;
    }
    if (!fuse_work_begin(WATCHDOG_SECONDS)) {
        perror("a temporary directory in a mount name space");
        return 1;
    }
    CU_initialize_registry();
    add_tests();
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    fuse_work_end();
    return failures != 0;
}
