/*
 * See cmd.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mgmt/cmd.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/proto/mgmt.h"
#include "backend/rpc/rpc.h"
#include "mgmt/daemon.h"

/* Longer than the longest command: formatting, starting and undoing both. */
#define COMMAND_MS_MAX (3 * FORMAT_MS_MAX + START_MS_MAX + 4 * STOP_MS_MAX + 30000)

int cmd_usage_error(const struct cmd *cmd, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("trivet: ", stderr);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n%s", cmd->usage);
    return EXIT_USAGE;
}

/* ---- calling trivetd ----------------------------------------------------------------------- */

/* Call and wait. *out_text is XDR's, to free with the reply. */
static int call_over(struct rpc_connection *connection, char *json,
                     struct mgmt_command_reply *out_reply)
{
    struct mgmt_command_args args = {.json = json};
    struct rpc_call_request request = {
        .program = TRIVET_MGMT,
        .version = TRIVET_MGMT_V1,
        .procedure = MGMT_COMMAND,
        .encode = (xdrproc_t)xdr_mgmt_command_args,
        .arguments = &args,
        .timeout_ms = COMMAND_MS_MAX,
    };
    return rpc_call_wait(connection, &request, (xdrproc_t)xdr_mgmt_command_reply, out_reply);
}

/* Returns 0 with the answer's text, or why trivetd was not reached. */
static int call_trivetd(const char *path, char *json, char **out_text)
{
    static const struct rpc_service no_service = {.program_count = 0};
    struct rpc_loop *loop;
    int status = rpc_loop_new(1, 1, &loop);
    if (status) {
        return status;
    }
    status = rpc_loop_start(loop);
    struct rpc_connection *connection = NULL;
    status = status ? status : rpc_dial_unix(loop, path, &no_service, &connection);
    if (status == 0) {
        struct mgmt_command_reply reply = {.json = NULL};
        status = call_over(connection, json, &reply);
        if (status == 0) {
            *out_text = strdup(reply.json);
            status = *out_text ? 0 : -ENOMEM;
        }
        int error = rpc_connection_error(connection);
        status = status == -E_CONNECTION_LOST && error ? error : status;
        xdr_free((xdrproc_t)xdr_mgmt_command_reply, &reply);
        rpc_connection_close(connection);
        rpc_connection_put(connection);
    }
    rpc_loop_stop(loop);
    rpc_loop_free(loop);
    return status;
}

static json_t *answer_failure(int status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static json_t *answer_failure(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    json_t *sentence = json_vsprintf(format, arguments);
    va_end(arguments);
    return json_pack("{s:i, s:o}", "status", status, "error", sentence);
}

static json_t *unreached(const char *path, int status)
{
    if (status == -ENOENT || status == -ECONNREFUSED) {
        return answer_failure(
            status,
            "trivetd is not running (nobody listens on %s); start it with "
            "\"systemctl start trivetd\" or \"trivetd\", or name another --run-dir",
            path);
    }
    if (status == -EACCES || status == -EPERM) {
        return answer_failure(status, "%s may not be used by this user; be root", path);
    }
    if (status == -ETIMEDOUT) {
        return answer_failure(status, "trivetd did not answer in time; see its log");
    }
    return answer_failure(status, "trivetd at %s cannot be asked: %s", path, error_text(status));
}

static json_t *ask(const struct cmd *cmd, const json_t *request)
{
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    if (cmd->socket_path) {
        snprintf(path, sizeof(path), "%s", cmd->socket_path);
    } else if (daemon_socket_path(cmd->run_dir, path, sizeof(path))) {
        return answer_failure(-ENAMETOOLONG, "the run directory's name is too long for a socket");
    }
    AUTO_FREE char *json = json_dumps(request, JSON_COMPACT);
    if (!json || strlen(json) > JSON_SIZE_MAX) {
        return answer_failure(-E2BIG, "the command is too long");
    }
    AUTO_FREE char *text = NULL;
    int status = call_trivetd(path, json, &text);
    if (status) {
        return unreached(path, status);
    }
    json_t *answer = json_loads(text, 0, NULL);
    if (!json_is_object(answer)) {
        json_decref(answer);
        return answer_failure(-E_BAD_MESSAGE,
                              "trivetd's answer is not understood; trivet and trivetd "
                              "must be of the same version");
    }
    return answer;
}

int cmd_call(const struct cmd *cmd, json_t *request, json_t **out_answer)
{
    json_t *answer = ask(cmd, request);
    const char *volume = cmd_text(request, "volume");
    int exit_status = cmd_number(answer, "status") ? 1 : 0;
    *out_answer = NULL;
    if (cmd->json) {
        json_dumpf(answer, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(answer);
    } else if (exit_status) {
        fprintf(stderr, "%s: %s%sfailed: %s\n", cmd_text(request, "command"), volume,
                volume[0] ? ": " : "", cmd_text(answer, "error"));
        json_decref(answer);
    } else {
        *out_answer = answer;
    }
    json_decref(request);
    return exit_status;
}

json_t *cmd_request(const struct cmd *cmd, const char *verb, const char *volume)
{
    json_t *request = json_object();
    json_object_set_new(request, "command", json_sprintf("%s %s", cmd->noun, verb));
    if (volume) {
        /* NULL for what is not UTF-8, which no volume's name is: trivetd refuses the empty name. */
        json_t *name = json_string(volume);
        json_object_set_new(request, "volume", name ? name : json_string("?"));
    }
    return request;
}

const char *cmd_text(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    return text ? text : "";
}

long long cmd_number(const json_t *json, const char *name)
{
    return json_integer_value(json_object_get(json, name));
}

/* ---- tables -------------------------------------------------------------------------------- */

void cmd_table_begin(struct cmd_table *table, size_t columns, const char *const *titles)
{
    PRE(columns > 0 && columns <= TABLE_COLUMNS_MAX);
    *table = (struct cmd_table){.columns = columns};
    for (size_t i = 0; i < columns; i++) {
        cmd_table_add(table, "%s", titles[i]);
    }
}

void cmd_table_add(struct cmd_table *table, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *cell = NULL;
    int size = vasprintf(&cell, format, arguments);
    va_end(arguments);
    char **cells = realloc(table->cells, (table->count + 1) * sizeof(*cells));
    INVARIANT(size >= 0 && cells); /* a command line without memory can do nothing better */
    table->cells = cells;
    table->cells[table->count++] = cell;
}

void cmd_table_end(struct cmd_table *table)
{
    int widths[TABLE_COLUMNS_MAX] = {0};
    for (size_t i = 0; i < table->count; i++) {
        int width = (int)strlen(table->cells[i]);
        int *widest = &widths[i % table->columns];
        *widest = width > *widest ? width : *widest;
    }
    int total = 0;
    for (size_t i = 0; i < table->columns; i++) {
        total += widths[i] + 2;
    }
    for (size_t i = 0; i < table->count; i++) {
        bool is_last = i % table->columns == table->columns - 1;
        if (is_last) {
            printf("%s\n", table->cells[i]);
        } else {
            printf("%-*s  ", widths[i % table->columns], table->cells[i]);
        }
        free(table->cells[i]);
        if (i == table->columns - 1) {
            for (int dash = 0; dash < total - 2; dash++) {
                putchar('-');
            }
            putchar('\n');
        }
    }
    free(table->cells);
}

const char *cmd_size_text(long long bytes, char text[SIZE_TEXT_SIZE])
{
    static const char *const units[] = {"Bytes", "KB", "MB", "GB", "TB", "PB"};
    double size = (double)bytes;
    size_t unit = 0;
    while (size >= 1024 && unit < 5) {
        size /= 1024;
        unit++;
    }
    snprintf(text, SIZE_TEXT_SIZE, unit ? "%.1f%s" : "%.0f%s", size, units[unit]);
    return text;
}
