/*
 * Live volumes: bricks register, the view that follows is settled, and everybody in it is told
 * until he has acknowledged it. See live.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mgmt/live.h"

#include <inttypes.h>
#include <string.h>

#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"

/* How long a brick may take to acknowledge a view before it is told again. */
#define TELL_MS_MAX 5000

/* ---- registering --------------------------------------------------------------------------- */

/* Lock held. */
static int check_registration(struct live_volume *volume, const struct mgmt_register_args *args)
{
    if (args->level != PROTOCOL_LEVEL) {
        return -E_BAD_PROTOCOL;
    }
    if (!volume) {
        return -E_UNKNOWN_VOLUME;
    }
    const struct volume_definition *definition = &volume->definition;
    if (args->brick >= definition->brick_count ||
        args->disk_id != definition->bricks[args->brick].disk_id) {
        return -E_WRONG_VOLUME;
    }
    if (args->incarnation == 0 || args->port == 0 || args->port > UINT16_MAX) {
        return -EINVAL;
    }
    return definition->started ? 0 : -E_VOLUME_STOPPED;
}

static void brick_detach(struct live_brick *brick)
{
    rpc_connection_put(brick->connection);
    brick->connection = NULL;
    brick->said.is_registered = false;
    brick->is_being_told = false;
    brick->view_acknowledged = 0;
}

static int live_register_locked(struct live *live, struct rpc_connection *connection,
                                const struct mgmt_register_args *args, struct volume_spec *out_spec)
{
    AUTO_LOCK(&live->lock);
    struct live_volume *volume = live_find_id(live, &args->volume);
    int status = check_registration(volume, args);
    if (volume && status != -E_BAD_PROTOCOL) {
        live_spec(volume, out_spec);
    }
    if (status) {
        return status;
    }
    struct live_brick *brick = &volume->bricks[args->brick];
    if (brick->connection) {
        if (brick->connection != connection) {
            rpc_connection_close(brick->connection);
        }
        brick_detach(brick);
    }
    brick->connection = rpc_connection_get(connection);
    brick->pid = args->pid;
    brick->said = (struct candidate){
        .is_registered = true,
        .incarnation = args->incarnation,
        .port = args->port,
        .last_index = args->last_index,
    };
    pthread_cond_broadcast(&live->changed);
    log_info("brick %s-%u registered: pid %u, port %u, incarnation %016" PRIx64
             ", last index %" PRIu64,
             volume->definition.name, args->brick, args->pid, args->port,
             (uint64_t)args->incarnation, (uint64_t)args->last_index);
    return 0;
}

int live_register(struct live *live, struct rpc_connection *connection,
                  const struct mgmt_register_args *args, struct volume_spec *out_spec)
{
    int status = live_register_locked(live, connection, args, out_spec);
    if (status) {
        log_warn("a brick at %s was not registered: %s", rpc_connection_name(connection),
                 error_text(status));
    }
    return status;
}

void live_disconnected(struct live *live, struct rpc_connection *connection)
{
    {
        AUTO_LOCK(&live->lock);
        for (struct live_volume *volume = live->volumes; volume; volume = volume->next) {
            for (uint32_t i = 0; i < volume->definition.brick_count; i++) {
                if (volume->bricks[i].connection == connection) {
                    brick_detach(&volume->bricks[i]);
                    log_info("brick %s-%u is no longer registered: its connection ended",
                             volume->definition.name, i);
                }
            }
        }
        pthread_cond_broadcast(&live->changed);
    }
    live_answer_waiters(live, connection);
}

/* ---- settling ------------------------------------------------------------------------------ */

struct settling {
    struct live *live;
    struct volume_id id;
};

/* What a decision rests on, copied so that it is made and stored without the lock. */
struct situation {
    struct volume_definition definition;
    struct view view;
    uint64_t view_version;
    struct candidate candidates[SET_MEMBERS_MAX];
};

/* Returns false, and ends the settling, if there is nothing more to decide. */
static bool settle_look(struct settling *settling, struct situation *out_situation, bool first)
{
    struct live *live = settling->live;
    AUTO_LOCK(&live->lock);
    struct live_volume *volume = live_find_id(live, &settling->id);
    if (!volume) {
        return false;
    }
    if ((!first && !volume->settle_again) || !volume->definition.started || live->stopping) {
        volume->is_settling = false;
        return false;
    }
    volume->settle_again = false;
    out_situation->definition = volume->definition;
    out_situation->view = volume->view;
    out_situation->view_version = volume->view_version;
    for (uint32_t i = 0; i < SET_MEMBERS_MAX; i++) {
        out_situation->candidates[i] = volume->bricks[i].said;
    }
    return true;
}

static void settle_note(struct settling *settling, int status)
{
    struct live *live = settling->live;
    AUTO_LOCK(&live->lock);
    struct live_volume *volume = live_find_id(live, &settling->id);
    if (volume) {
        /* A conflict means that memory lagged behind the store; its watch is bringing it along. */
        volume->settle_failed = status != 0;
    }
}

static void settle_decide(struct settling *settling, const struct situation *situation)
{
    struct view next;
    if (!view_next(&situation->definition, &situation->view, situation->candidates, &next)) {
        settle_note(settling, 0);
        return;
    }
    int status =
        view_save(settling->live->store, &situation->definition, &next, situation->view_version);
    settle_note(settling, status);
    if (status == 0) {
        const struct view_member *primary = &next.members[next.primary];
        log_info("volume %s: view %" PRIu64 ", primary brick %s-%u at %s:%u",
                 situation->definition.name, next.number, situation->definition.name,
                 primary->brick, primary->host, primary->port);
    } else {
        log_error("volume %s: view %" PRIu64 " could not be stored: %s; trying again",
                  situation->definition.name, next.number, error_text(status));
    }
}

static void settle_run(void *context)
{
    struct settling *settling = context;
    AUTO_FREE struct situation *situation = malloc(sizeof(*situation));
    INVARIANT(situation != NULL);
    for (bool first = true; settle_look(settling, situation, first); first = false) {
        settle_decide(settling, situation);
    }
    free(settling);
}

void live_settle(struct live *live, const struct volume_id *id)
{
    {
        AUTO_LOCK(&live->lock);
        struct live_volume *volume = live_find_id(live, id);
        if (!volume) {
            return;
        }
        if (volume->is_settling) {
            volume->settle_again = true;
            return;
        }
        volume->is_settling = true;
    }
    struct settling *settling = malloc(sizeof(*settling));
    INVARIANT(settling != NULL);
    *settling = (struct settling){.live = live, .id = *id};
    rpc_offload(live->loop, settle_run, settling);
}

/* ---- telling ------------------------------------------------------------------------------- */

/* A SUPERVISED_VIEW under way. */
struct telling {
    struct live *live;
    struct volume_id id;
    uint32_t brick;
    uint64_t view;
    struct rpc_connection *connection; /* a reference */
};

/* Note the outcome. Returns true if the brick took the view and there is a newer one already. */
static bool tell_note(const struct telling *telling, bool is_acknowledged)
{
    struct live *live = telling->live;
    AUTO_LOCK(&live->lock);
    struct live_volume *volume = live_find_id(live, &telling->id);
    if (!volume || volume->bricks[telling->brick].connection != telling->connection) {
        return false; /* another connection, another acknowledgement */
    }
    struct live_brick *brick = &volume->bricks[telling->brick];
    brick->is_being_told = false;
    if (is_acknowledged && telling->view > brick->view_acknowledged) {
        brick->view_acknowledged = telling->view;
        pthread_cond_broadcast(&live->changed);
    }
    return is_acknowledged && brick->view_acknowledged < volume->view.number;
}

static void tell_done(struct rpc_reply *reply, void *context)
{
    struct telling *telling = context;
    int answer = 0;
    int status = reply->status;
    if (status == 0) {
        status = rpc_reply_decode(reply, (xdrproc_t)xdr_int, &answer, NULL);
    }
    if (status == 0) {
        status = answer;
    }
    /* A lost connection is told of by its end. */
    if (status && status != -E_CONNECTION_LOST) {
        log_warn("the brick at %s did not take view %" PRIu64 ": %s; telling it again",
                 rpc_connection_name(telling->connection), telling->view, error_text(status));
    }
    bool is_outdated = tell_note(telling, status == 0);
    if (is_outdated) {
        live_tell(telling->live, &telling->id);
    }
    rpc_connection_put(telling->connection);
    free(telling);
}

static void tell_start(struct telling *telling, struct supervised_view_args *args)
{
    struct rpc_call_request request = {
        .program = TRIVET_SUPERVISED,
        .version = TRIVET_SUPERVISED_V1,
        .procedure = SUPERVISED_VIEW,
        .encode = (xdrproc_t)xdr_supervised_view_args,
        .arguments = args,
        .timeout_ms = TELL_MS_MAX,
        .callback = tell_done,
        .context = telling,
    };
    if (rpc_call_start(telling->connection, &request)) {
        (void)tell_note(telling, false); /* the next tick tries again */
        rpc_connection_put(telling->connection);
        free(telling);
    }
}

/* Collect whom to tell. Lock held. */
static uint32_t tell_whom(struct live *live, struct live_volume *volume,
                          struct telling *tellings[SET_MEMBERS_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < volume->definition.brick_count; i++) {
        struct live_brick *brick = &volume->bricks[i];
        if (!brick->connection || brick->is_being_told ||
            brick->view_acknowledged >= volume->view.number) {
            continue;
        }
        struct telling *telling = malloc(sizeof(*telling));
        if (!telling) {
            continue; /* the next tick tries again */
        }
        *telling = (struct telling){
            .live = live,
            .id = volume->definition.id,
            .brick = i,
            .view = volume->view.number,
            .connection = rpc_connection_get(brick->connection),
        };
        brick->is_being_told = true;
        tellings[count++] = telling;
    }
    return count;
}

void live_tell(struct live *live, const struct volume_id *id)
{
    struct telling *tellings[SET_MEMBERS_MAX];
    struct supervised_view_args args;
    uint32_t count = 0;
    {
        AUTO_LOCK(&live->lock);
        struct live_volume *volume = live_find_id(live, id);
        if (volume && volume->definition.started && !live->stopping) {
            live_spec(volume, &args.spec);
            count = tell_whom(live, volume, tellings);
        }
    }
    /* Without the lock: a callback may run before rpc_call_start returns. */
    for (uint32_t i = 0; i < count; i++) {
        tell_start(tellings[i], &args);
    }
}

/* ---- now and then -------------------------------------------------------------------------- */

void live_tick(struct live *live)
{
    struct volume_id ids[VOLUMES_MAX];
    bool settle[VOLUMES_MAX];
    size_t count = 0;
    {
        AUTO_LOCK(&live->lock);
        for (struct live_volume *volume = live->volumes; volume; volume = volume->next) {
            settle[count] = volume->settle_failed;
            ids[count++] = volume->definition.id;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (settle[i]) {
            live_settle(live, &ids[i]);
        }
        live_tell(live, &ids[i]);
    }
    live_answer_waiters(live, NULL);
}
