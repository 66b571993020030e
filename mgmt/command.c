/*
 * The queue of commands and their table. See command.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mgmt/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "backend/base/text.h"
#include "backend/proto/mgmt.h"
#include "mgmt/daemon.h"

/* What a command must have for itself while it runs. */
enum command_scope {
    SCOPE_NONE, /* only looks */
    SCOPE_VOLUME,
    SCOPE_GATEWAY
};

struct command_row {
    const char *name;
    command_function *run;
    enum command_scope scope;
};

static const struct command_row command_rows[] = {
    {"volume create", command_volume_create, SCOPE_VOLUME},
    {"volume delete", command_volume_delete, SCOPE_VOLUME},
    {"volume set", command_volume_set, SCOPE_VOLUME},
    {"volume get", command_volume_get, SCOPE_NONE},
    {"volume start", command_volume_start, SCOPE_VOLUME},
    {"volume stop", command_volume_stop, SCOPE_VOLUME},
    {"volume list", command_volume_list, SCOPE_NONE},
    {"volume info", command_volume_info, SCOPE_NONE},
    {"volume status", command_volume_status, SCOPE_NONE},
    {"gateway start", command_gateway_start, SCOPE_GATEWAY},
    {"gateway stop", command_gateway_stop, SCOPE_GATEWAY},
    {"gateway status", command_gateway_status, SCOPE_NONE},
    {"peer status", command_peer_status, SCOPE_NONE},
    {"pool list", command_pool_list, SCOPE_NONE},
};

struct task {
    struct task *next;
    struct commands *commands;
    const struct command_row *row;
    struct rpc_call *call;
    json_t *request;
    char scope[VOLUME_NAME_MAX + 16]; /* "": conflicts with nothing */
};

/* ---- answers ------------------------------------------------------------------------------- */

/* Answer and let go of the answer. */
static void answer(struct rpc_call *call, json_t *json)
{
    AUTO_FREE char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    static char too_long[] =
        "{\"status\": -7, \"error\": \"the answer is too long for one message; "
        "ask for one volume at a time\"}";
    bool is_usable = text && strlen(text) <= JSON_SIZE_MAX;
    struct mgmt_command_reply reply = {.json = is_usable ? text : too_long};
    rpc_call_reply(call, (xdrproc_t)xdr_mgmt_command_reply, &reply, NULL);
}

static json_t *failure(int status, const char *sentence)
{
    json_t *json = json_object();
    json_object_set_new(json, "status", json_integer(status));
    /* What programs write need not be UTF-8, which JSON text is. */
    json_t *text = json_string(sentence);
    json_object_set_new(json, "error", text ? text : json_string(error_text(status)));
    return json;
}

const char *command_text(const struct command *command, const char *name)
{
    const char *text = json_string_value(json_object_get(command->request, name));
    return text ? text : "";
}

bool command_flag(const struct command *command, const char *name)
{
    return json_is_true(json_object_get(command->request, name));
}

void command_answer(struct command *command, const char *name, json_t *value)
{
    json_object_set_new(command->answer, name, value);
}

/* ---- running ------------------------------------------------------------------------------- */

static void task_free(struct task *task)
{
    json_decref(task->request);
    free(task);
}

/* Run the command and answer it. */
static void task_perform(struct task *task)
{
    struct command command = {
        .daemon = task->commands->daemon,
        .request = task->request,
        .answer = json_object(),
    };
    int status = task->row->run(&command);
    if (status) {
        POST(command.why.text[0] != '\0');
        json_decref(command.answer);
        log_info("%s %s: %s", task->row->name, command_text(&command, "volume"), command.why.text);
        answer(task->call, failure(status, command.why.text));
        return;
    }
    command_answer(&command, "status", json_integer(0));
    answer(task->call, command.answer);
}

static void commands_pump(struct commands *commands);

static void task_run(void *context)
{
    struct task *task = context;
    struct commands *commands = task->commands;
    task_perform(task);
    {
        AUTO_LOCK(&commands->lock);
        struct task **link = &commands->running;
        while (*link != task) {
            link = &(*link)->next;
        }
        *link = task->next;
        commands->running_count--;
        pthread_cond_broadcast(&commands->idle);
        commands_pump(commands);
    }
    task_free(task);
}

/* Lock held. */
static bool may_run(const struct commands *commands, const struct task *task)
{
    if (commands->running_count >= COMMANDS_RUNNING_MAX) {
        return false;
    }
    for (const struct task *other = commands->running; other && task->scope[0];
         other = other->next) {
        if (strcmp(other->scope, task->scope) == 0) {
            return false;
        }
    }
    return true;
}

/* Start what may run. A task behind one that must wait for its volume may overtake it, but one of
 * the same volume does not: they are looked at in order. Lock held. */
static void commands_pump(struct commands *commands)
{
    struct task **link = &commands->queued;
    while (*link) {
        struct task *task = *link;
        if (!may_run(commands, task)) {
            link = &task->next;
            continue;
        }
        *link = task->next;
        commands->queued_count--;
        task->next = commands->running;
        commands->running = task;
        commands->running_count++;
        rpc_offload(commands->daemon->loop, task_run, task);
    }
}

/* ---- taking -------------------------------------------------------------------------------- */

static const struct command_row *find_row(const char *name)
{
    for (size_t i = 0; i < sizeof(command_rows) / sizeof(command_rows[0]); i++) {
        if (strcmp(command_rows[i].name, name) == 0) {
            return &command_rows[i];
        }
    }
    return NULL;
}

static struct task *task_new(struct commands *commands, const struct command_row *row,
                             struct rpc_call *call, json_t *request)
{
    struct task *task = calloc(1, sizeof(*task));
    INVARIANT(task != NULL);
    task->commands = commands;
    task->row = row;
    task->call = call;
    task->request = request;
    const char *volume = json_string_value(json_object_get(request, "volume"));
    if (row->scope == SCOPE_VOLUME) {
        snprintf(task->scope, sizeof(task->scope), "volume %.*s", VOLUME_NAME_MAX,
                 volume ? volume : "");
    } else if (row->scope == SCOPE_GATEWAY) {
        text_copy(task->scope, sizeof(task->scope), "gateway");
    }
    return task;
}

/* Returns NULL, or a sentence why not. */
static const char *commands_enter(struct commands *commands, struct task *task)
{
    AUTO_LOCK(&commands->lock);
    if (commands->stopping) {
        return "trivetd is stopping; start it again and repeat the command";
    }
    if (commands->queued_count >= COMMANDS_QUEUED_MAX) {
        return "too many commands are waiting; try again in a moment";
    }
    struct task **link = &commands->queued;
    while (*link) {
        link = &(*link)->next;
    }
    *link = task;
    commands->queued_count++;
    commands_pump(commands);
    return NULL;
}

void command_submit(struct commands *commands, struct rpc_call *call, const char *json)
{
    json_error_t error;
    json_t *request = json_loads(json, 0, &error);
    const char *name = json_string_value(json_object_get(request, "command"));
    const struct command_row *row = name ? find_row(name) : NULL;
    if (!row) {
        json_decref(request);
        answer(call,
               failure(-EINVAL, "trivetd does not know this command; trivet and trivetd must be "
                                "of the same version"));
        return;
    }
    struct task *task = task_new(commands, row, call, request);
    const char *sentence = commands_enter(commands, task);
    if (sentence) {
        answer(call, failure(-EBUSY, sentence));
        task_free(task);
    }
}

/* ---- life ---------------------------------------------------------------------------------- */

void commands_init(struct commands *commands, struct daemon *daemon)
{
    *commands = (struct commands){.daemon = daemon};
    pthread_mutex_init(&commands->lock, NULL);
    pthread_cond_init(&commands->idle, NULL);
}

void commands_stop(struct commands *commands)
{
    struct task *queued;
    {
        AUTO_LOCK(&commands->lock);
        commands->stopping = true;
        queued = commands->queued;
        commands->queued = NULL;
        commands->queued_count = 0;
        while (commands->running_count > 0) {
            pthread_cond_wait(&commands->idle, &commands->lock);
        }
    }
    while (queued) {
        struct task *next = queued->next;
        answer(queued->call, failure(-EBUSY, "trivetd is stopping; start it again and repeat the "
                                             "command"));
        task_free(queued);
        queued = next;
    }
}

void commands_release(struct commands *commands)
{
    INVARIANT(commands->running_count == 0 && !commands->queued);
    pthread_cond_destroy(&commands->idle);
    pthread_mutex_destroy(&commands->lock);
}
