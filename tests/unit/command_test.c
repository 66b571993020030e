/*
 * trivetd from end to end: commands over its Unix socket, clients over TCP, bricks that are this
 * very program under the name trivet-brick (tests/lib/idle_brick.h).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <ftw.h>
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

#define WAIT_MS 30000

static char directory[128];
static struct daemon *trivetd;
static struct rpc_loop *loop;
static uint16_t port_base;

/* ---- a trivetd in a directory of its own --------------------------------------------------- */

static int remove_one(const char *path, const struct stat *stat_, int type, struct FTW *ftw)
{
    (void)stat_;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void make_path(char out_path[PATH_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void make_path(char out_path[PATH_MAX], const char *format, ...)
{
    char name[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof(name), format, arguments);
    va_end(arguments);
    snprintf(out_path, PATH_MAX, "%s/%s", directory, name);
}

static void make_file(const char *name, const char *text)
{
    char path[PATH_MAX];
    make_path(path, "%s", name);
    FILE *file = fopen(path, "we");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(text, file);
    fclose(file);
}

static void remove_file(const char *name)
{
    char path[PATH_MAX];
    make_path(path, "%s", name);
    CU_ASSERT(unlink(path) == 0);
}

static bool has_file(const char *name)
{
    char path[PATH_MAX];
    make_path(path, "%s", name);
    return access(path, F_OK) == 0;
}

static void config_make(struct daemon_config *config)
{
    daemon_config_init(config);
    make_path(config->state_dir, "state");
    make_path(config->run_dir, "run");
    make_path(config->program_dir, "bin");
    config->port = 0;
    config->brick_port_base = port_base;
}

static void trivetd_start(uint16_t port)
{
    struct daemon_config config;
    struct refusal why = {""};
    config_make(&config);
    config.port = port;
    CU_ASSERT_FATAL(daemon_make_directories(&config, &why) == 0);
    int status = daemon_start(&config, &trivetd, &why);
    if (status) {
        fprintf(stderr, "%s\n", why.text);
    }
    CU_ASSERT_FATAL(status == 0);
}

static void begin(void)
{
    const char *temporary = getenv("TMPDIR");
    snprintf(directory, sizeof(directory), "%s/trivet-command-XXXXXX",
             temporary ? temporary : "/tmp");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
    static const char *const names[] = {"bin", "b0", "b1", "b2", "b3", "b4", "b5"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        make_path(path, "%s", names[i]);
        CU_ASSERT_FATAL(mkdir(path, 0755) == 0);
    }
    char self[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
    CU_ASSERT_FATAL(size > 0);
    self[size] = '\0';
    make_path(path, "bin/trivet-brick");
    CU_ASSERT_FATAL(symlink(self, path) == 0);
    CU_ASSERT_FATAL(rpc_loop_new(1, 1, &loop) == 0 && rpc_loop_start(loop) == 0);
    trivetd_start(0);
}

static json_t *command(const char *format, ...);

static void end(void)
{
    json_decref(command("{s:s, s:s, s:b}", "command", "volume stop", "volume", "gv0", "force", 1));
    daemon_stop(trivetd);
    rpc_loop_stop(loop);
    rpc_loop_free(loop);
    CU_ASSERT(nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

/* ---- commands ------------------------------------------------------------------------------ */

static const struct rpc_service no_service = {.program_count = 0};

static struct rpc_connection *dial_socket(void)
{
    char path[PATH_MAX];
    struct rpc_connection *connection = NULL;
    make_path(path, "run/trivetd.sock");
    CU_ASSERT_FATAL(rpc_dial_unix(loop, path, &no_service, &connection) == 0);
    return connection;
}

static int call_json(struct rpc_connection *connection, const char *text, char **out_text)
{
    struct mgmt_command_args args = {.json = (char *)(uintptr_t)text};
    struct mgmt_command_reply reply = {.json = NULL};
    struct rpc_call_request request = {
        .program = TRIVET_MGMT,
        .version = TRIVET_MGMT_V1,
        .procedure = MGMT_COMMAND,
        .encode = (xdrproc_t)xdr_mgmt_command_args,
        .arguments = &args,
        .timeout_ms = 60000,
    };
    int status = rpc_call_wait(connection, &request, (xdrproc_t)xdr_mgmt_command_reply, &reply);
    if (status == 0) {
        *out_text = strdup(reply.json);
        xdr_free((xdrproc_t)xdr_mgmt_command_reply, &reply);
    }
    rpc_connection_close(connection);
    rpc_connection_put(connection);
    return status;
}

static json_t *command_text_(const char *text)
{
    char *answer = NULL;
    CU_ASSERT_FATAL(call_json(dial_socket(), text, &answer) == 0);
    json_t *json = json_loads(answer, 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(json);
    free(answer);
    return json;
}

/* Format and values are json_pack's. */
static json_t *command(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    json_t *request = json_vpack_ex(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = json_dumps(request, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    json_decref(request);
    json_t *answer = command_text_(text);
    free(text);
    return answer;
}

static int status_of(const json_t *answer)
{
    return (int)json_integer_value(json_object_get(answer, "status"));
}

/* Expect a command to succeed. */
static void succeed(json_t *answer)
{
    if (status_of(answer)) {
        fprintf(stderr, "%s\n", json_string_value(json_object_get(answer, "error")));
    }
    CU_ASSERT(status_of(answer) == 0);
    json_decref(answer);
}

/* Expect it to fail with that status and a sentence that contains text. */
static void fail(json_t *answer, int status, const char *text)
{
    const char *sentence = json_string_value(json_object_get(answer, "error"));
    CU_ASSERT(status_of(answer) == status);
    CU_ASSERT_PTR_NOT_NULL_FATAL(sentence);
    if (!strstr(sentence, text)) {
        fprintf(stderr, "\"%s\" is not in: %s\n", text, sentence);
        CU_FAIL("another sentence was expected");
    }
    json_decref(answer);
}

static json_t *create(const char *name, int first_brick)
{
    json_t *bricks = json_array();
    for (int i = 0; i < 3; i++) {
        json_array_append_new(bricks, json_sprintf("localhost:%s/b%d", directory, first_brick + i));
    }
    return command("{s:s, s:s, s:i, s:o}", "command", "volume create", "volume", name, "replica", 3,
                   "bricks", bricks);
}

static json_t *simple(const char *verb, const char *name)
{
    return command("{s:s, s:s}", "command", verb, "volume", name);
}

static void create_and_start(void)
{
    succeed(create("gv0", 0));
    succeed(simple("volume start", "gv0"));
}

/* A member of brick number in the status of gv0. */
static json_t *brick_member(unsigned number, const char *name)
{
    json_t *answer = simple("volume status", "gv0");
    json_t *volume = json_array_get(json_object_get(answer, "volumes"), 0);
    json_t *brick = json_array_get(json_object_get(volume, "bricks"), number);
    json_t *member = json_incref(json_object_get(brick, name));
    json_decref(answer);
    return member;
}

static long long brick_number(unsigned number, const char *name)
{
    json_t *member = brick_member(number, name);
    long long value = json_integer_value(member);
    json_decref(member);
    return value;
}

static bool brick_is(unsigned number, const char *role)
{
    json_t *member = brick_member(number, "role");
    bool is = json_is_string(member) && strcmp(json_string_value(member), role) == 0;
    json_decref(member);
    return is;
}

/* Wait until all bricks say that they act in that view. */
static void wait_for_view(long long view)
{
    for (int i = 0; i < WAIT_MS / 5; i++) {
        unsigned there = 0;
        for (unsigned brick = 0; brick < 3; brick++) {
            there += brick_number(brick, "view") == view;
        }
        if (there == 3) {
            return;
        }
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    CU_FAIL_FATAL("the view did not come");
}

/* ---- clients ------------------------------------------------------------------------------- */

static struct rpc_connection *dial_trivetd(void)
{
    struct rpc_connection *connection = NULL;
    CU_ASSERT_FATAL(rpc_dial_tcp(loop, "127.0.0.1", trivetd->port, &no_service, &connection) == 0);
    return connection;
}

static int ask_volume(struct rpc_connection *connection, const char *name, uint64_t known_view,
                      unsigned wait_ms, struct mgmt_volume_reply *out_reply)
{
    struct mgmt_volume_args args = {
        .level = PROTOCOL_LEVEL,
        .name = (char *)(uintptr_t)name,
        .known_view = known_view,
        .wait_ms = wait_ms,
    };
    struct rpc_call_request request = {
        .program = TRIVET_MGMT,
        .version = TRIVET_MGMT_V1,
        .procedure = MGMT_VOLUME,
        .encode = (xdrproc_t)xdr_mgmt_volume_args,
        .arguments = &args,
        .timeout_ms = WAIT_MS,
    };
    return rpc_call_wait(connection, &request, (xdrproc_t)xdr_mgmt_volume_reply, out_reply);
}

static void hang_up(struct rpc_connection *connection)
{
    rpc_connection_close(connection);
    rpc_connection_put(connection);
}

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
    make_file("b2/refuse-format", "");
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
    make_file("b1/last-index", "9");
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
    make_file("b2/refuse-start", "");
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
    make_file("b1/last-index", "5");
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
    make_file("state/store/volume%2Fgv0", "nonsense");
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
    make_file("b0/never-register", "");
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
