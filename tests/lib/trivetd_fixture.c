/*
 * A trivetd for tests; see the header.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/lib/trivetd_fixture.h"

#include <CUnit/Basic.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backend/base/errors.h"

char directory[128];
struct daemon *trivetd;
struct rpc_loop *loop;
uint16_t port_base;

/* ---- a trivetd in a directory of its own --------------------------------------------------- */

static int remove_one(const char *path, const struct stat *stat_, int type, struct FTW *ftw)
{
    (void)stat_;
    (void)type;
    (void)ftw;
    return remove(path);
}

void make_path(char out_path[PATH_MAX], const char *format, ...)
{
    char name[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof(name), format, arguments);
    va_end(arguments);
    snprintf(out_path, PATH_MAX, "%s/%s", directory, name);
}

void put_file(const char *name, const char *text)
{
    char path[PATH_MAX];
    make_path(path, "%s", name);
    FILE *file = fopen(path, "we");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(text, file);
    fclose(file);
}

void remove_file(const char *name)
{
    char path[PATH_MAX];
    make_path(path, "%s", name);
    CU_ASSERT(unlink(path) == 0);
}

bool has_file(const char *name)
{
    char path[PATH_MAX];
    make_path(path, "%s", name);
    return access(path, F_OK) == 0;
}

void config_make(struct daemon_config *config)
{
    daemon_config_init(config);
    make_path(config->state_dir, "state");
    make_path(config->run_dir, "run");
    make_path(config->program_dir, "bin");
    config->port = 0;
    config->brick_port_base = port_base;
}

void trivetd_start(uint16_t port)
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

void begin(void)
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

void end(void)
{
    json_decref(command("{s:s, s:s, s:b}", "command", "volume stop", "volume", "gv0", "force", 1));
    daemon_stop(trivetd);
    rpc_loop_stop(loop);
    rpc_loop_free(loop);
    CU_ASSERT(nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

/* ---- commands ------------------------------------------------------------------------------ */

static const struct rpc_service no_service = {.program_count = 0};

struct rpc_connection *dial_socket(void)
{
    char path[PATH_MAX];
    struct rpc_connection *connection = NULL;
    make_path(path, "run/trivetd.sock");
    CU_ASSERT_FATAL(rpc_dial_unix(loop, path, &no_service, &connection) == 0);
    return connection;
}

int call_json(struct rpc_connection *connection, const char *text, char **out_text)
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

json_t *command_text_(const char *text)
{
    char *answer = NULL;
    CU_ASSERT_FATAL(call_json(dial_socket(), text, &answer) == 0);
    json_t *json = json_loads(answer, 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(json);
    free(answer);
    return json;
}

/* Format and values are json_pack's. */
json_t *command(const char *format, ...)
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

int status_of(const json_t *answer)
{
    return (int)json_integer_value(json_object_get(answer, "status"));
}

/* Expect a command to succeed. */
void succeed(json_t *answer)
{
    if (status_of(answer)) {
        fprintf(stderr, "%s\n", json_string_value(json_object_get(answer, "error")));
    }
    CU_ASSERT(status_of(answer) == 0);
    json_decref(answer);
}

/* Expect it to fail with that status and a sentence that contains text. */
void fail(json_t *answer, int status, const char *text)
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

json_t *create(const char *name, int first_brick)
{
    json_t *bricks = json_array();
    for (int i = 0; i < 3; i++) {
        json_array_append_new(bricks, json_sprintf("localhost:%s/b%d", directory, first_brick + i));
    }
    return command("{s:s, s:s, s:i, s:o}", "command", "volume create", "volume", name, "replica", 3,
                   "bricks", bricks);
}

json_t *simple(const char *verb, const char *name)
{
    return command("{s:s, s:s}", "command", verb, "volume", name);
}

void create_and_start(void)
{
    succeed(create("gv0", 0));
    succeed(simple("volume start", "gv0"));
}

/* A member of brick number in the status of gv0. */
json_t *brick_member(unsigned number, const char *name)
{
    json_t *answer = simple("volume status", "gv0");
    json_t *volume = json_array_get(json_object_get(answer, "volumes"), 0);
    json_t *brick = json_array_get(json_object_get(volume, "bricks"), number);
    json_t *member = json_incref(json_object_get(brick, name));
    json_decref(answer);
    return member;
}

long long brick_number(unsigned number, const char *name)
{
    json_t *member = brick_member(number, name);
    long long value = json_integer_value(member);
    json_decref(member);
    return value;
}

bool brick_is(unsigned number, const char *role)
{
    json_t *member = brick_member(number, "role");
    bool is = json_is_string(member) && strcmp(json_string_value(member), role) == 0;
    json_decref(member);
    return is;
}

/* Wait until all bricks say that they act in that view. */
void wait_for_view(long long view)
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

struct rpc_connection *dial_trivetd(void)
{
    struct rpc_connection *connection = NULL;
    CU_ASSERT_FATAL(rpc_dial_tcp(loop, "127.0.0.1", trivetd->port, &no_service, &connection) == 0);
    return connection;
}

int ask_volume(struct rpc_connection *connection, const char *name, uint64_t known_view,
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

void hang_up(struct rpc_connection *connection)
{
    rpc_connection_close(connection);
    rpc_connection_put(connection);
}
