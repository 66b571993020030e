/*
 * trivetd from end to end: commands over its Unix socket, clients over TCP, bricks that are this
 * very program under the name trivet-brick (tests/lib/idle_brick.h).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "backend/base/clock.h"
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/proto/mgmt.h"
#include "backend/rpc/rpc.h"
#include "mgmt/daemon.h"
#include "tests/lib/idle_brick.h"
#include "tests/lib/trivetd_fixture.h"

/* ---- creating ------------------------------------------------------------------------------ */

static void a_volume_is_created_listed_and_deleted(void)
{
    json_t *answer = create("gv0", 0);
    CU_ASSERT_PTR_NOT_NULL(json_object_get(answer, "warning"));
    succeed(answer);
    CU_ASSERT(has_file("b0/.trivet") && has_file("b1/.trivet") && has_file("b2/.trivet"));
    answer = command("{s:s}", "command", "volume list");
    json_t *names = json_object_get(answer, "volumes");
    CU_ASSERT(json_array_size(names) == 1);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(names, 0)), "gv0");
    succeed(answer);
    answer = simple("volume info", "gv0");
    json_t *volume = json_array_get(json_object_get(answer, "volumes"), 0);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(volume, "status")), "Created");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(volume, "type")), "Replicate");
    CU_ASSERT(json_array_size(json_object_get(volume, "bricks")) == 3);
    succeed(answer);

    fail(create("gv0", 3), -EEXIST, "already exists");
    fail(create("gv1", 2), -EEXIST, "of volume gv0");
    CU_ASSERT(!has_file("b3/.trivet"));
    succeed(simple("volume delete", "gv0"));
    CU_ASSERT(has_file("b0/.trivet"));
    fail(simple("volume delete", "gv0"), -E_UNKNOWN_VOLUME, "volume list");
    fail(create("gv0", 0), -EREMOTEIO, "say force");
}

static void what_failed_to_format_is_undone(void)
{
    put_file("b2/refuse-format", "");
    fail(create("gv0", 0), -EREMOTEIO, "cannot hold a brick; try another");
    CU_ASSERT(!has_file("b0/.trivet") && !has_file("b1/.trivet"));
    remove_file("b2/refuse-format");
    succeed(create("gv0", 0));
}

static void bad_wishes_are_refused(void)
{
    fail(command("{s:s}", "command", "volume create"), -EINVAL, "name");
    fail(command("{s:s, s:s, s:i, s:[]}", "command", "volume create", "volume", "a", "replica", 2,
                 "bricks"),
         -EINVAL, "replica 3");
    fail(command("{s:s, s:s, s:i, s:[sss]}", "command", "volume create", "volume", "a", "replica",
                 3, "bricks", "192.0.2.1:/a", "localhost:/b", "localhost:/c"),
         -EXDEV, "192.0.2.1 is not this machine");
    fail(command("{s:s}", "command", "volume fly"), -EINVAL, "does not know");
    fail(command_text_("no JSON"), -EINVAL, "does not know");
    fail(command_text_("[]"), -EINVAL, "does not know");
    fail(command_text_("{\"command\": {\"a\": 1}}"), -EINVAL, "does not know");
    fail(command_text_("{\"command\": \"volume start\", \"volume\": 7}"), -EINVAL, "name a volume");
    fail(simple("volume start", "none"), -E_UNKNOWN_VOLUME, "none");
    fail(simple("volume stop", "none"), -E_UNKNOWN_VOLUME, "none");
    fail(simple("volume info", "none"), -E_UNKNOWN_VOLUME, "none");
    fail(simple("volume status", "none"), -E_UNKNOWN_VOLUME, "none");
}

/* ---- starting and stopping ----------------------------------------------------------------- */

static void a_started_volume_has_a_primary_that_answers(void)
{
    put_file("b1/last-index", "9");
    create_and_start();
    wait_for_view(1); /* a start ends when the primary answers; backups may hear of it later */
    CU_ASSERT(brick_is(0, "backup") && brick_is(1, "primary") && brick_is(2, "backup"));
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT(brick_number(i, "view") == 1 && brick_number(i, "pid") > 0);
        CU_ASSERT(brick_number(i, "port") >= port_base);
    }
    fail(simple("volume start", "gv0"), -EALREADY, "already started");
    fail(simple("volume delete", "gv0"), -EBUSY, "stop it first");
    long long pid = brick_number(0, "pid");
    succeed(simple("volume stop", "gv0"));
    CU_ASSERT(kill((pid_t)pid, 0) != 0);
    fail(simple("volume stop", "gv0"), -EALREADY, "not started");
    succeed(simple("volume start", "gv0"));
    CU_ASSERT(brick_number(1, "view") == 2);
}

static void a_brick_that_does_not_come_up_is_named(void)
{
    succeed(create("gv0", 0));
    put_file("b2/refuse-start", "");
    json_t *answer = simple("volume start", "gv0");
    CU_ASSERT_PTR_NOT_NULL(
        strstr(json_string_value(json_object_get(answer, "error")), "/b2 did not"));
    fail(answer, -EREMOTEIO, "this brick does not want to start");
    answer = simple("volume info", "gv0");
    json_t *volume = json_array_get(json_object_get(answer, "volumes"), 0);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(volume, "status")), "Created");
    succeed(answer);
    CU_ASSERT(brick_number(0, "pid") == 0);
    remove_file("b2/refuse-start");
    succeed(simple("volume start", "gv0"));
}

/* Wait until the brick that leads says of the volume's view that it is this one. */
static void wait_for_primary_view(unsigned brick, long long view)
{
    for (int i = 0; i < WAIT_MS / 5 && brick_number(brick, "view") < view; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    CU_ASSERT(brick_number(brick, "view") == view && brick_is(brick, "primary"));
}

static bool brick_is_in_sync(unsigned number)
{
    json_t *member = brick_member(number, "in_sync");
    bool is = json_is_true(member);
    json_decref(member);
    return is;
}

/* Goal: a volume that has a view starts with two of three, which is said; the third is entered when
 * it comes; with one of three it does not start. */
static void a_volume_starts_without_a_brick(void)
{
    create_and_start();
    succeed(simple("volume stop", "gv0"));
    put_file("b0/refuse-start", "");
    json_t *answer = simple("volume start", "gv0");
    const char *warning = json_string_value(json_object_get(answer, "warning"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(warning);
    CU_ASSERT_PTR_NOT_NULL(strstr(warning, "gv0-0 did not come up"));
    CU_ASSERT(json_array_size(json_object_get(answer, "missing")) == 1);
    succeed(answer);
    wait_for_primary_view(1, 2);
    CU_ASSERT(!brick_is_in_sync(0) && brick_is_in_sync(1) && brick_is_in_sync(2));
    remove_file("b0/refuse-start");
    wait_for_view(3);
    CU_ASSERT(brick_is_in_sync(0) && brick_is(0, "backup"));
    answer = simple("volume status", "gv0");
    json_t *volume = json_array_get(json_object_get(answer, "volumes"), 0);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(volume, "why")),
                           "brick gv0-0 in sync again");
    CU_ASSERT(json_array_size(json_object_get(volume, "problems")) == 0);
    succeed(answer);

    succeed(simple("volume stop", "gv0"));
    put_file("b1/refuse-start", "");
    put_file("b2/refuse-start", "");
    fail(simple("volume start", "gv0"), -EREMOTEIO, "/b1 did not come up");
    remove_file("b1/refuse-start");
    remove_file("b2/refuse-start");
    succeed(simple("volume start", "gv0"));
    wait_for_view(4);
}

/* Goal: who is not in sync does not help a volume to start. */
static void who_is_away_does_not_count(void)
{
    create_and_start();
    put_file("b0/remove-dead", "");
    put_file("b2/refuse-start", "");
    CU_ASSERT_FATAL(kill((pid_t)brick_number(2, "pid"), SIGKILL) == 0);
    wait_for_primary_view(0, 2);
    CU_ASSERT(!brick_is_in_sync(2));
    /* Between two of its lives. */
    bool was_seen = false;
    for (int i = 0; i < WAIT_MS && !was_seen; i++) {
        was_seen = brick_is(2, "not running");
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    CU_ASSERT(was_seen);
    succeed(simple("volume stop", "gv0"));
    remove_file("b2/refuse-start");
    put_file("b1/refuse-start", "");
    fail(simple("volume start", "gv0"), -EREMOTEIO, "/b1 did not come up");
}

/* Goal: a removed brick that ends to begin anew is started again at once, and it is no failure. */
static void a_brick_that_begins_anew_is_no_failure(void)
{
    create_and_start();
    long long pid = brick_number(1, "pid");
    char path[PATH_MAX];
    put_file("exit-status", "75");
    make_path(path, "exit-status");
    char to[PATH_MAX];
    make_path(to, "b1/exit-status");
    CU_ASSERT_FATAL(rename(path, to) == 0); /* so that it is never seen empty */
    wait_for_view(2);
    CU_ASSERT(brick_number(1, "pid") != pid && brick_number(1, "restarts") == 0);
    CU_ASSERT(brick_number(1, "reentries") == 1);
    CU_ASSERT(has_file("b0/deaths") && has_file("b2/deaths") && !has_file("b1/deaths"));
}

/* Goal: a port that somebody else has is passed over. Method: have the first one. */
static void a_taken_port_is_passed_over(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port_base)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool is_mine =
        bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 1) == 0;
    create_and_start();
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT(!is_mine || brick_number(i, "port") != port_base);
    }
    close(fd);
}

static void a_brick_that_died_makes_a_view(void)
{
    create_and_start();
    CU_ASSERT(brick_is(0, "primary"));
    long long pid = brick_number(2, "pid");
    CU_ASSERT_FATAL(pid > 0 && kill((pid_t)pid, SIGKILL) == 0);
    wait_for_view(2);
    CU_ASSERT(brick_is(0, "primary") && brick_is(2, "backup"));
    CU_ASSERT(brick_number(2, "pid") != pid && brick_number(2, "restarts") == 1);

    /* The primary dies: the longest log leads. */
    put_file("b1/last-index", "5");
    CU_ASSERT_FATAL(kill((pid_t)brick_number(1, "pid"), SIGKILL) == 0);
    wait_for_view(3);
    CU_ASSERT_FATAL(kill((pid_t)brick_number(0, "pid"), SIGKILL) == 0);
    wait_for_view(4);
    CU_ASSERT(brick_is(1, "primary") && brick_is(0, "backup"));
}

static void a_later_trivetd_adopts_the_bricks(void)
{
    create_and_start();
    long long pids[3];
    for (unsigned i = 0; i < 3; i++) {
        pids[i] = brick_number(i, "pid");
    }
    uint16_t port = trivetd->port;
    daemon_stop(trivetd);
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT(kill((pid_t)pids[i], 0) == 0);
    }
    trivetd_start(port);
    wait_for_view(1);
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT(brick_number(i, "pid") == pids[i]);
    }
    CU_ASSERT(brick_is(0, "primary"));
    /* And it still sees them die. */
    CU_ASSERT_FATAL(kill((pid_t)pids[1], SIGKILL) == 0);
    wait_for_view(2);
    CU_ASSERT(brick_number(1, "pid") != pids[1]);
}

static void a_second_trivetd_is_refused(void)
{
    struct daemon_config config;
    struct daemon *other;
    struct refusal why = {""};
    config_make(&config);
    CU_ASSERT(daemon_start(&config, &other, &why) == -EBUSY);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, config.state_dir));
    make_path(config.state_dir, "state2");
    CU_ASSERT_FATAL(daemon_make_directories(&config, &why) == 0);
    config.port = trivetd->port;
    CU_ASSERT(daemon_start(&config, &other, &why) == -EADDRINUSE);
    config.port = 0;
    CU_ASSERT(daemon_start(&config, &other, &why) == -EADDRINUSE);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "--run-dir"));
}

static void a_damaged_store_stops_the_start(void)
{
    succeed(create("gv0", 0));
    daemon_stop(trivetd);
    put_file("state/store/volume%2Fgv0", "nonsense");
    struct daemon_config config;
    struct refusal why = {""};
    config_make(&config);
    CU_ASSERT(daemon_start(&config, &trivetd, &why) == -E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "state/store/volume%2Fgv0"));
    remove_file("state/store/volume%2Fgv0");
    trivetd_start(0);
}

/* ---- several at once ----------------------------------------------------------------------- */

struct sent {
    pthread_t thread;
    const char *text;
    int status;
};

static void *send_command(void *context)
{
    struct sent *sent = context;
    char *answer = NULL;
    if (call_json(dial_socket(), sent->text, &answer) == 0) {
        json_t *json = json_loads(answer, 0, NULL);
        sent->status = status_of(json);
        json_decref(json);
        free(answer);
    }
    return NULL;
}

/* Goal: commands on one volume run one after the other. Method: two starts at once; if both ran,
 * both would succeed. */
static void commands_on_a_volume_are_serialized(void)
{
    succeed(create("gv0", 0));
    struct sent sent[4];
    for (size_t i = 0; i < 4; i++) {
        sent[i] = (struct sent){.text = "{\"command\": \"volume start\", \"volume\": \"gv0\"}",
                                .status = 1};
        CU_ASSERT_FATAL(pthread_create(&sent[i].thread, NULL, send_command, &sent[i]) == 0);
    }
    unsigned started = 0;
    for (size_t i = 0; i < 4; i++) {
        pthread_join(sent[i].thread, NULL);
        started += sent[i].status == 0;
        CU_ASSERT(sent[i].status == 0 || sent[i].status == -EALREADY);
    }
    CU_ASSERT(started == 1);
}

/* Goal: a start that waits holds nobody up, and ends with trivetd. Method: a brick that never
 * registers. */
static void a_waiting_start_holds_nobody_up(void)
{
    succeed(create("gv0", 0));
    put_file("b0/never-register", "");
    struct sent sent = {.text = "{\"command\": \"volume start\", \"volume\": \"gv0\"}",
                        .status = 1};
    CU_ASSERT_FATAL(pthread_create(&sent.thread, NULL, send_command, &sent) == 0);
    uint64_t end = clock_monotonic_ns(clock_real()) + WAIT_MS * NS_PER_MS;
    while (brick_number(2, "pid") == 0 && clock_monotonic_ns(clock_real()) < end) {
    }
    CU_ASSERT(brick_number(2, "pid") > 0);
    pid_t silent = (pid_t)brick_number(0, "pid");
    uint16_t port = trivetd->port;
    daemon_stop(trivetd);
    pthread_join(sent.thread, NULL);
    CU_ASSERT(sent.status == -ECANCELED);
    /* It ends before the file goes: one that is slow to look would still register. */
    CU_ASSERT_FATAL(silent > 0 && kill(silent, SIGKILL) == 0);
    remove_file("b0/never-register");
    trivetd_start(port);
    wait_for_view(1);
}

/* ---- clients ------------------------------------------------------------------------------- */

static void clients_are_told_of_volumes(void)
{
    struct rpc_connection *connection = dial_trivetd();
    static struct mgmt_volume_reply reply;
    CU_ASSERT_FATAL(ask_volume(connection, "gv0", 0, 0, &reply) == 0);
    CU_ASSERT(reply.status == -E_UNKNOWN_VOLUME);
    succeed(create("gv0", 0));
    CU_ASSERT_FATAL(ask_volume(connection, "gv0", 0, 0, &reply) == 0);
    CU_ASSERT(reply.status == -E_VOLUME_STOPPED && !reply.spec.started);
    succeed(simple("volume start", "gv0"));
    CU_ASSERT_FATAL(ask_volume(connection, "gv0", 0, 0, &reply) == 0);
    CU_ASSERT(reply.status == 0 && reply.spec.started && reply.spec.view.number == 1);
    CU_ASSERT_STRING_EQUAL(reply.spec.name, "gv0");
    CU_ASSERT(reply.spec.view.members[0].port == brick_number(0, "port"));
    /* Commands are for the Unix socket. */
    char *answer = NULL;
    CU_ASSERT(call_json(connection, "{\"command\": \"volume list\"}", &answer) == -EPROTO);
}

static void a_client_waits_for_the_next_view(void)
{
    create_and_start();
    struct rpc_connection *connection = dial_trivetd();
    static struct mgmt_volume_reply reply;
    uint64_t began = clock_monotonic_ns(clock_real());
    CU_ASSERT_FATAL(ask_volume(connection, "gv0", 1, 150, &reply) == 0);
    CU_ASSERT(clock_monotonic_ns(clock_real()) - began >= 150 * NS_PER_MS);
    CU_ASSERT(reply.status == 0 && reply.spec.view.number == 1);

    CU_ASSERT_FATAL(kill((pid_t)brick_number(1, "pid"), SIGKILL) == 0);
    began = clock_monotonic_ns(clock_real());
    CU_ASSERT_FATAL(ask_volume(connection, "gv0", 1, 20000, &reply) == 0);
    CU_ASSERT(reply.spec.view.number == 2);
    CU_ASSERT(clock_monotonic_ns(clock_real()) - began < 20000 * NS_PER_MS);
    /* One who hangs up is forgotten; a volume that stops answers who waits. */
    struct rpc_connection *other = dial_trivetd();
    struct mgmt_volume_args args = {.level = PROTOCOL_LEVEL,
                                    .name = (char *)(uintptr_t) "gv0",
                                    .known_view = 2,
                                    .wait_ms = 60000};
    struct rpc_call_request request = {
        .program = TRIVET_MGMT,
        .version = TRIVET_MGMT_V1,
        .procedure = MGMT_VOLUME,
        .encode = (xdrproc_t)xdr_mgmt_volume_args,
        .arguments = &args,
        .timeout_ms = 100,
    };
    CU_ASSERT(rpc_call_wait(other, &request, (xdrproc_t)xdr_mgmt_volume_reply, &reply) ==
              -ETIMEDOUT);
    hang_up(other);
    struct sent sent = {.text = "{\"command\": \"volume stop\", \"volume\": \"gv0\"}", .status = 1};
    CU_ASSERT_FATAL(pthread_create(&sent.thread, NULL, send_command, &sent) == 0);
    CU_ASSERT_FATAL(ask_volume(connection, "gv0", 2, 60000, &reply) == 0);
    CU_ASSERT(reply.status == -E_VOLUME_STOPPED);
    pthread_join(sent.thread, NULL);
    CU_ASSERT(sent.status == 0);
    hang_up(connection);
}

static void strangers_are_not_registered(void)
{
    create_and_start();
    struct rpc_connection *connection = dial_trivetd();
    static struct mgmt_volume_reply volume;
    CU_ASSERT_FATAL(ask_volume(connection, "gv0", 0, 0, &volume) == 0);
    struct mgmt_register_args good = {
        .level = PROTOCOL_LEVEL,
        .volume = volume.spec.id,
        .disk_id = volume.spec.view.members[0].disk_id,
        .incarnation = 1,
        .port = 1,
    };
    struct mgmt_register_args bad[5] = {good, good, good, good, good};
    bad[0].disk_id++;
    bad[1].brick = 3;
    bad[2].volume.bytes[0]++;
    bad[3].level++;
    bad[4].incarnation = 0;
    static const int expected[] = {-E_WRONG_VOLUME, -E_WRONG_VOLUME, -E_UNKNOWN_VOLUME,
                                   -E_BAD_PROTOCOL, -EINVAL};
    for (size_t i = 0; i < 5; i++) {
        static struct mgmt_register_reply reply;
        struct rpc_call_request request = {
            .program = TRIVET_MGMT,
            .version = TRIVET_MGMT_V1,
            .procedure = MGMT_REGISTER,
            .encode = (xdrproc_t)xdr_mgmt_register_args,
            .arguments = &bad[i],
            .timeout_ms = WAIT_MS,
        };
        CU_ASSERT_FATAL(
            rpc_call_wait(connection, &request, (xdrproc_t)xdr_mgmt_register_reply, &reply) == 0);
        CU_ASSERT(reply.status == expected[i]);
    }
    CU_ASSERT(brick_number(0, "view") == 1);
    hang_up(connection);
}

/* ---- all ----------------------------------------------------------------------------------- */

#define TEST(function)                                                                             \
    {                                                                                              \
#function, function                                                                        \
    }

int main(int argc, char **argv)
{
    if (is_idle_brick(argv[0])) {
        return idle_brick_main(argc, argv);
    }
    log_open("command_test", LOG_LEVEL_WARN);
    /* Apart from other tests that run now, and from real bricks. */
    port_base = (uint16_t)(20000 + getpid() % 1000 * 10);
    CU_TestInfo tests[] = {
        TEST(a_volume_is_created_listed_and_deleted),
        TEST(what_failed_to_format_is_undone),
        TEST(bad_wishes_are_refused),
        TEST(a_started_volume_has_a_primary_that_answers),
        TEST(a_brick_that_does_not_come_up_is_named),
        TEST(a_volume_starts_without_a_brick),
        TEST(who_is_away_does_not_count),
        TEST(a_brick_that_begins_anew_is_no_failure),
        TEST(a_taken_port_is_passed_over),
        TEST(a_brick_that_died_makes_a_view),
        TEST(a_later_trivetd_adopts_the_bricks),
        TEST(a_second_trivetd_is_refused),
        TEST(a_damaged_store_stops_the_start),
        TEST(commands_on_a_volume_are_serialized),
        TEST(a_waiting_start_holds_nobody_up),
        TEST(clients_are_told_of_volumes),
        TEST(a_client_waits_for_the_next_view),
        TEST(strangers_are_not_registered),
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"commands", NULL, NULL, begin, end, tests}, CU_SUITE_INFO_NULL};
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
        return 1;
    }
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
