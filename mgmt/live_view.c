/*
 * Live volumes: bricks register and are told the view until they have acknowledged it, and are told
 * of the deaths of others. See live.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mgmt/live.h"

#include <inttypes.h>
#include <string.h>

#include "backend/base/clock.h"
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "backend/base/text.h"

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
    brick->told = 0;
    brick->told_view = 0;
    brick->acknowledged = 0;
    brick->tellings = 0;
}

/* how NULL: as is right, since the volume stops. */
static void brick_lose(struct live_brick *brick, const char *how)
{
    brick->lost_ns = how ? clock_monotonic_ns(clock_real()) : 0;
    brick->lost_how = how;
    brick_detach(brick);
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
    brick->came_ns = clock_monotonic_ns(clock_real());
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
                    brick_lose(&volume->bricks[i], volume->definition.started ? "was lost" : NULL);
                    log_info("brick %s-%u is no longer registered: its connection ended",
                             volume->definition.name, i);
                }
            }
        }
        pthread_cond_broadcast(&live->changed);
    }
    live_answer_waiters(live, connection);
}

/* ---- telling ------------------------------------------------------------------------------- */

/* A SUPERVISED_VIEW under way. */
struct telling {
    struct live *live;
    struct volume_id id;
    uint32_t brick;
    uint64_t news;
    uint64_t view;
    struct rpc_connection *connection; /* a reference */
};

/* Note the outcome. Returns true if the brick took it and there is more to tell. */
static bool tell_note(const struct telling *telling, bool is_acknowledged)
{
    struct live *live = telling->live;
    AUTO_LOCK(&live->lock);
    struct live_volume *volume = live_find_id(live, &telling->id);
    if (!volume || volume->bricks[telling->brick].connection != telling->connection) {
        return false; /* another connection, another acknowledgement */
    }
    struct live_brick *brick = &volume->bricks[telling->brick];
    brick->tellings--;
    if (is_acknowledged && telling->news > brick->acknowledged) {
        brick->acknowledged = telling->news;
        pthread_cond_broadcast(&live->changed);
    }
    if (!is_acknowledged && brick->told == telling->news) {
        brick->told = brick->acknowledged; /* the next tick tells it again */
    }
    return is_acknowledged && brick->told < volume->news;
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
        log_warn("the brick at %s did not take view %" PRIu64 ": %s",
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

/* A newer view does not wait for the acknowledgement of an older one: its brick may hang. What
 * changed besides does, so that it does not overtake. */
static bool is_to_be_told(const struct live_brick *brick, const struct live_volume *volume)
{
    return brick->connection && volume->view.number > 0 && brick->told < volume->news &&
           (brick->tellings == 0 || brick->told_view < volume->view.number);
}

/* Collect whom to tell. Lock held. */
static uint32_t tell_whom(struct live *live, struct live_volume *volume,
                          struct telling *tellings[SET_MEMBERS_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < volume->definition.brick_count; i++) {
        struct live_brick *brick = &volume->bricks[i];
        if (!is_to_be_told(brick, volume)) {
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
            .news = volume->news,
            .view = volume->view.number,
            .connection = rpc_connection_get(brick->connection),
        };
        brick->told = volume->news;
        brick->told_view = volume->view.number;
        brick->tellings++;
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

/* ---- deaths -------------------------------------------------------------------------------- */

/* A brick's end, and who is to hear of it. */
struct death {
    char volume[VOLUME_NAME_MAX + 1];
    struct supervised_death_args args;
    struct rpc_connection *others[SET_MEMBERS_MAX]; /* references */
    uint32_t count;
};

/* Lock held. */
static struct live_brick *find_process(struct live *live, uint32_t pid,
                                       struct live_volume **out_volume, uint32_t *out_number)
{
    for (struct live_volume *volume = live->volumes; volume; volume = volume->next) {
        for (uint32_t i = 0; i < volume->definition.brick_count; i++) {
            if (volume->bricks[i].pid == pid) {
                *out_volume = volume;
                *out_number = i;
                return &volume->bricks[i];
            }
        }
    }
    return NULL;
}

/* Take note of the end. Returns false if it was no brick's that has registered. */
static bool death_note(struct live *live, uint32_t pid, struct death *out_death)
{
    AUTO_LOCK(&live->lock);
    struct live_volume *volume;
    uint32_t number;
    struct live_brick *brick = find_process(live, pid, &volume, &number);
    if (!brick) {
        return false;
    }
    *out_death = (struct death){
        .args = {.brick = number, .incarnation = brick->said.incarnation},
    };
    text_copy(out_death->volume, sizeof(out_death->volume), volume->definition.name);
    const char *how = volume->definition.started ? "ended" : NULL;
    brick->pid = 0;
    brick->lost_how = how;
    if (brick->connection) {
        rpc_connection_close(brick->connection);
        brick_lose(brick, how);
    }
    /* While a volume stops nobody is to take anybody's place. */
    for (uint32_t i = 0; i < volume->definition.brick_count; i++) {
        struct rpc_connection *other = volume->bricks[i].connection;
        if (other && volume->definition.started && !live->stopping) {
            out_death->others[out_death->count++] = rpc_connection_get(other);
        }
    }
    pthread_cond_broadcast(&live->changed);
    return true;
}

static void death_told(struct rpc_reply *reply, void *context)
{
    (void)reply; /* who does not hear it finds out by himself, a little later */
    (void)context;
}

void live_process_ended(struct live *live, pid_t pid)
{
    struct death death;
    if (!death_note(live, (uint32_t)pid, &death)) {
        return;
    }
    struct rpc_call_request request = {
        .program = TRIVET_SUPERVISED,
        .version = TRIVET_SUPERVISED_V1,
        .procedure = SUPERVISED_DEATH,
        .encode = (xdrproc_t)xdr_supervised_death_args,
        .arguments = &death.args,
        .timeout_ms = TELL_MS_MAX,
        .callback = death_told,
    };
    for (uint32_t i = 0; i < death.count; i++) {
        (void)rpc_call_start(death.others[i], &request); /* as death_told */
        rpc_connection_put(death.others[i]);
    }
    if (death.count > 0) {
        log_info(
            "volume %s: %u bricks were told of the end of brick %s-%u, incarnation %016" PRIx64,
            death.volume, death.count, death.volume, death.args.brick,
            (uint64_t)death.args.incarnation);
    }
}

/* ---- now and then -------------------------------------------------------------------------- */

void live_tick(struct live *live)
{
    struct volume_id ids[VOLUMES_MAX];
    bool is_new[VOLUMES_MAX];
    size_t count = 0;
    {
        AUTO_LOCK(&live->lock);
        for (struct live_volume *volume = live->volumes; volume; volume = volume->next) {
            is_new[count] = volume->definition.started && volume->view.number == 0;
            ids[count++] = volume->definition.id;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (is_new[i]) {
            live_begin(live, &ids[i]); /* the store may not have taken it */
        }
        live_tell(live, &ids[i]);
    }
    live_answer_waiters(live, NULL);
}
