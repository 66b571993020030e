/*
 * Commands of the command line, as JSON objects. Each runs on a worker, so that it may wait;
 * commands that change the same volume run one after the other, in the order they came.
 *
 *     {"command": "volume info", "volume": "gv0"}  →  {"status": 0, …}
 *                                                     {"status": -2, "error": "a sentence"}
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_MGMT_COMMAND_H
#define TRIVET_MGMT_COMMAND_H

#include <pthread.h>
#include <stdbool.h>

#include <jansson.h>

#include "backend/rpc/rpc.h"
#include "mgmt/refusal.h"

struct daemon;

/* A command that runs. Whatever it has to say goes into answer; on failure into why. */
struct command {
    struct daemon *daemon;
    const json_t *request;
    json_t *answer;
    struct refusal why;
};

/* Returns 0 or a negative code, and then has written why. */
typedef int command_function(struct command *command);

/* lock guards all; each task is in one of the lists. */
struct commands {
    struct daemon *daemon;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    struct task *queued; /* oldest first */
    struct task *running;
    size_t queued_count;
    size_t running_count;
    bool stopping;
};

void commands_init(struct commands *commands, struct daemon *daemon);
/* Refuse what is queued and wait for what runs. */
void commands_stop(struct commands *commands);
void commands_release(struct commands *commands);

/* Take a call of MGMT_COMMAND; it is answered when the command has ended. */
void command_submit(struct commands *commands, struct rpc_call *call, const char *json);

/* The text of a request's member, or "" if there is none. */
const char *command_text(const struct command *command, const char *name);
bool command_flag(const struct command *command, const char *name);
/* Add to the answer; the value's reference is taken. */
void command_answer(struct command *command, const char *name, json_t *value);

struct volume_definition;
/* The definition of the volume of that name. Fails: -EINVAL (""), -E_UNKNOWN_VOLUME. */
int command_load_volume(struct command *command, const char *name,
                        struct volume_definition *out_definition);

struct live_volume;
struct volume_id;
/* "Created", "Started" or "Stopped", GlusterFS's words. The live volumes' lock is held. */
const char *volume_state(const struct live_volume *volume);
/* How a volume and its bricks are; they are asked. NULL: it went. */
json_t *describe_status(struct daemon *daemon, const struct volume_id *id);

/* The commands, by file: command_volume.c, command_option.c, command_start.c, command_show.c,
 * command_status.c, command_gateway.c, command_peer.c. */
command_function command_volume_create, command_volume_delete;
command_function command_volume_set, command_volume_get;
command_function command_volume_start, command_volume_stop;
command_function command_volume_list, command_volume_info, command_volume_status;
command_function command_gateway_start, command_gateway_stop, command_gateway_status;
command_function command_peer_status, command_pool_list;

#endif
