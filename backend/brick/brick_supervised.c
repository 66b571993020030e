/*
 * Registering with trivetd, and the TRIVET_SUPERVISED program. See brick_supervised.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/brick/brick_supervised.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "backend/proto/mgmt.h"

#define DIAL_PAUSE_FIRST_MS 20
#define DIAL_PAUSE_MAX_MS 1000
#define REGISTER_TIMEOUT_MS 5000

struct supervised {
    struct brick *brick;
    char host[HOST_SIZE_MAX + 1];
    uint16_t port;
    uint16_t listen_port;
    void (*stop)(void *context, int status);
    void *context;
    struct rpc_program program;
    const struct rpc_program *programs[1];
    struct rpc_service service;
    pthread_mutex_t mutex;             /* rank 0: nothing else is taken under it */
    struct rpc_connection *connection; /* NULL: lost */
    uint64_t next_try_ns;
    uint64_t pause_ms;
};

/* ---- what trivetd asks --------------------------------------------------------------------- */

static void serve_null(struct rpc_call *call, void *context)
{
    (void)context;
    rpc_call_reply(call, (xdrproc_t)(void (*)(void))xdr_void, NULL, NULL);
}

struct view_work {
    struct brick *brick;
    struct rpc_call *call;
    struct volume_spec spec;
};

static void take_view(void *context)
{
    AUTO_FREE struct view_work *work = context;
    replica_driver_min_insync(work->brick->driver, work->spec.min_insync);
    int status = replica_driver_view(work->brick->driver, &work->spec.view);
    rpc_call_reply(work->call, (xdrproc_t)(void (*)(void))xdr_int, &status, NULL);
}

/* The view is made durable first, so a worker takes it. */
static void serve_view(struct rpc_call *call, void *context)
{
    struct supervised *supervised = context;
    struct supervised_view_args *args = calloc(1, sizeof *args);
    struct view_work *work = calloc(1, sizeof *work);
    int rc = args && work ? rpc_call_decode(call, (xdrproc_t)xdr_supervised_view_args, args, NULL)
                          : -ENOMEM;
    if (rc == 0) {
        work->brick = supervised->brick;
        work->call = call;
        work->spec = args->spec;
        rpc_offload(supervised->brick->driver->control, take_view, TAKE(work));
    } else {
        rpc_call_garbage(call);
    }
    free(args);
    free(work);
}

struct status_work {
    struct brick *brick;
    struct rpc_call *call;
};

static void peers_of(const struct replica_status *status, supervised_status_reply *reply,
                     struct supervised_peer peers[SET_MEMBERS_MAX])
{
    for (uint32_t i = 0; i < status->peer_count; i++) {
        const struct replica_status_peer *peer = &status->peers[i];
        peers[i] = (struct supervised_peer){
            .state = peer->joins ? MEMBER_JOINING : peer->state,
            .in_contact = peer->in_contact,
            .index = peer->acked,
        };
    }
    reply->peers.peers_len = status->peer_count;
    reply->peers.peers_val = peers;
}

static void tell_status(void *context)
{
    AUTO_FREE struct status_work *work = context;
    struct brick *brick = work->brick;
    struct replica_status status;
    replica_status(brick->driver, &status);
    supervised_status_reply reply = {
        .view = status.view,
        .role = status.role,
        .last_index = status.sequenced,
        .commit_index = status.committed,
        .clients = atomic_load(&brick->clients),
        .operations = atomic_load(&brick->operations),
        .bytes_read = atomic_load(&brick->bytes_read),
        .bytes_written = atomic_load(&brick->bytes_written),
    };
    struct supervised_peer peers[SET_MEMBERS_MAX];
    peers_of(&status, &reply, peers);
    reply.disk.present = store_statfs(brick->store, &reply.disk) == 0;
    rpc_call_reply(work->call, (xdrproc_t)xdr_supervised_status_reply, &reply, NULL);
}

/* A disk is asked for its space, so a worker does. */
static void serve_status(struct rpc_call *call, void *context)
{
    struct supervised *supervised = context;
    struct status_work *work = malloc(sizeof *work);
    if (!work) {
        rpc_call_drop(call);
        return;
    }
    *work = (struct status_work){.brick = supervised->brick, .call = call};
    rpc_offload(supervised->brick->loop, tell_status, work);
}

static void serve_death(struct rpc_call *call, void *context)
{
    struct supervised *supervised = context;
    supervised_death_args args = {0};
    if (rpc_call_decode(call, (xdrproc_t)xdr_supervised_death_args, &args, NULL) < 0) {
        rpc_call_garbage(call);
        return;
    }
    replica_driver_death(supervised->brick->driver, args.brick, args.incarnation);
    int status = 0;
    rpc_call_reply(call, (xdrproc_t)(void (*)(void))xdr_int, &status, NULL);
}

static void serve_stop(struct rpc_call *call, void *context)
{
    struct supervised *supervised = context;
    int status = 0;
    rpc_call_reply(call, (xdrproc_t)(void (*)(void))xdr_int, &status, NULL);
    supervised->stop(supervised->context, 0);
}

static const struct rpc_procedure procedures[] = {
    [SUPERVISED_NULL] = {"NULL", serve_null},       [SUPERVISED_VIEW] = {"VIEW", serve_view},
    [SUPERVISED_STATUS] = {"STATUS", serve_status}, [SUPERVISED_STOP] = {"STOP", serve_stop},
    [SUPERVISED_DEATH] = {"DEATH", serve_death},
};

/* ---- what is asked of trivetd ---------------------------------------------------------------- */

/* A proposal or a reading, until its outcome has been told. */
struct record_work {
    struct supervised *supervised;
    bool proposes;
    uint64_t serial;
    mgmt_propose_args args;
    int status;
    bool is_known; /* what the record is */
    struct volume_spec spec;
};

static void tell_outcome(void *context)
{
    AUTO_FREE struct record_work *work = context;
    struct replica_driver *driver = work->supervised->brick->driver;
    const struct view *view = work->is_known ? &work->spec.view : NULL;
    if (work->is_known) {
        replica_driver_min_insync(driver, work->spec.min_insync);
    }
    if (work->proposes) {
        replica_record_proposed(driver, work->serial, work->status, view);
    } else {
        replica_record_read(driver, view);
    }
}

/* Tell on a worker: a view is made durable. */
static void outcome(struct record_work *work, int status)
{
    work->status = status;
    rpc_offload(work->supervised->brick->driver->control, tell_outcome, work);
}

static void proposed(struct rpc_reply *reply, void *context)
{
    struct record_work *work = context;
    AUTO_FREE mgmt_propose_reply *answer = calloc(1, sizeof *answer);
    int rc =
        answer ? rpc_reply_decode(reply, (xdrproc_t)xdr_mgmt_propose_reply, answer, NULL) : -ENOMEM;
    if (rc == 0) {
        rc = answer->status;
        work->spec = answer->spec;
        work->is_known = work->spec.view.number > 0;
    }
    if (rc == -EINVAL && work->is_known && work->spec.view.number > work->args.number) {
        rc = -E_VERSION_CONFLICT;
    } else if (rc == -EINVAL) {
        log_error("trivetd refuses view %llu of brick %u",
                  (unsigned long long)work->args.view.number, work->args.brick);
    }
    outcome(work, rc);
}

static void was_read(struct rpc_reply *reply, void *context)
{
    struct record_work *work = context;
    AUTO_FREE mgmt_current_reply *answer = calloc(1, sizeof *answer);
    int rc =
        answer ? rpc_reply_decode(reply, (xdrproc_t)xdr_mgmt_current_reply, answer, NULL) : -ENOMEM;
    if (rc == 0 && answer->status == 0) {
        work->spec = answer->spec;
        work->is_known = true;
    }
    outcome(work, rc);
}

static void record_call(struct record_work *work, const struct rpc_call_request *request)
{
    struct supervised *supervised = work->supervised;
    struct rpc_connection *connection = NULL;
    {
        AUTO_LOCK(&supervised->mutex);
        if (supervised->connection) {
            connection = rpc_connection_get(supervised->connection);
        }
    }
    int rc = connection ? rpc_call_start(connection, request) : -E_CONNECTION_LOST;
    if (rc < 0) {
        outcome(work, rc);
    }
    if (connection) {
        rpc_connection_put(connection);
    }
}

static void record_propose(void *context, uint64_t serial, const struct view *current,
                           const struct view *next)
{
    struct supervised *supervised = context;
    const struct brick *brick = supervised->brick;
    struct record_work *work = calloc(1, sizeof *work);
    if (!work) {
        return; /* it is sent again when an answer is overdue */
    }
    *work = (struct record_work){.supervised = supervised,
                                 .proposes = true,
                                 .serial = serial,
                                 .args = {
                                     .level = PROTOCOL_LEVEL,
                                     .volume = brick->identity.volume,
                                     .brick = brick->identity.brick,
                                     .incarnation = brick->driver->incarnation,
                                     .number = current->number,
                                     .renewals = current->renewals,
                                     .view = *next,
                                 }};
    struct rpc_call_request request = {
        .program = TRIVET_MGMT,
        .version = TRIVET_MGMT_V1,
        .procedure = MGMT_PROPOSE,
        .encode = (xdrproc_t)xdr_mgmt_propose_args,
        .arguments = &work->args,
        .timeout_ms = STORE_ANSWER_MS,
        .callback = proposed,
        .context = work,
    };
    record_call(work, &request);
}

static void record_read(void *context)
{
    struct supervised *supervised = context;
    struct record_work *work = calloc(1, sizeof *work);
    if (!work) {
        return; /* the next heartbeat says again that there is a newer view */
    }
    work->supervised = supervised;
    mgmt_current_args args = {.level = PROTOCOL_LEVEL,
                              .volume = supervised->brick->identity.volume};
    struct rpc_call_request request = {
        .program = TRIVET_MGMT,
        .version = TRIVET_MGMT_V1,
        .procedure = MGMT_CURRENT,
        .encode = (xdrproc_t)xdr_mgmt_current_args,
        .arguments = &args,
        .timeout_ms = STORE_ANSWER_MS,
        .callback = was_read,
        .context = work,
    };
    record_call(work, &request);
}

/* ---- registering --------------------------------------------------------------------------- */

/* Lost or refused: dial again later, more slowly each time. */
static void forget(struct supervised *supervised, struct rpc_connection *connection)
{
    pthread_mutex_lock(&supervised->mutex);
    bool current = supervised->connection == connection;
    if (current) {
        supervised->connection = NULL;
        supervised->next_try_ns =
            clock_monotonic_ns(supervised->brick->driver->clock) + supervised->pause_ms * NS_PER_MS;
        supervised->pause_ms = supervised->pause_ms * 2 < DIAL_PAUSE_MAX_MS
                                   ? supervised->pause_ms * 2
                                   : DIAL_PAUSE_MAX_MS;
    }
    pthread_mutex_unlock(&supervised->mutex);
    if (current) {
        rpc_connection_close(connection);
        rpc_connection_put(connection);
    }
}

static void lost(struct rpc_connection *connection, void *context)
{
    forget(context, connection);
}

static void registered(struct rpc_reply *reply, void *context)
{
    struct supervised *supervised = context;
    AUTO_FREE mgmt_register_reply *answer = calloc(1, sizeof *answer);
    int rc = answer ? rpc_reply_decode(reply, (xdrproc_t)xdr_mgmt_register_reply, answer, NULL)
                    : -ENOMEM;
    if (rc == -E_CONNECTION_LOST) {
        return; /* lost() has seen it */
    }
    if (rc == 0 && answer->status < 0) {
        log_error("trivetd refuses this brick: %s. Is the directory of another volume, or trivetd "
                  "of another cluster?",
                  error_text(answer->status));
        supervised->stop(supervised->context, answer->status);
        return;
    }
    pthread_mutex_lock(&supervised->mutex);
    struct rpc_connection *connection =
        supervised->connection ? rpc_connection_get(supervised->connection) : NULL;
    if (rc == 0) {
        supervised->pause_ms = DIAL_PAUSE_FIRST_MS;
    }
    pthread_mutex_unlock(&supervised->mutex);
    if (rc < 0 && connection) {
        forget(supervised, connection);
    }
    if (connection) {
        rpc_connection_put(connection);
    }
}

static void call_register(struct supervised *supervised, struct rpc_connection *connection)
{
    struct brick *brick = supervised->brick;
    struct replica_status status;
    replica_status(brick->driver, &status);
    mgmt_register_args args = {
        .level = PROTOCOL_LEVEL,
        .volume = brick->identity.volume,
        .brick = brick->identity.brick,
        .disk_id = brick->identity.disk_id,
        .incarnation = brick->driver->incarnation,
        .pid = (u_int)getpid(),
        .port = supervised->listen_port,
        .last_index = status.sequenced,
    };
    struct rpc_call_request request = {
        .program = TRIVET_MGMT,
        .version = TRIVET_MGMT_V1,
        .procedure = MGMT_REGISTER,
        .encode = (xdrproc_t)xdr_mgmt_register_args,
        .arguments = &args,
        .timeout_ms = REGISTER_TIMEOUT_MS,
        .callback = registered,
        .context = supervised,
    };
    if (rpc_call_start(connection, &request) < 0) {
        rpc_connection_close(connection);
    }
}

static void dial(void *context)
{
    struct supervised *supervised = context;
    struct rpc_connection *connection = NULL;
    uint64_t now = clock_monotonic_ns(supervised->brick->driver->clock);
    {
        AUTO_LOCK(&supervised->mutex);
        if (supervised->connection || now < supervised->next_try_ns) {
            return;
        }
        supervised->next_try_ns = now + supervised->pause_ms * NS_PER_MS;
        if (rpc_dial_tcp(supervised->brick->driver->control, supervised->host, supervised->port,
                         &supervised->service, &supervised->connection) < 0) {
            supervised->connection = NULL;
            return;
        }
        connection = rpc_connection_get(supervised->connection);
    }
    call_register(supervised, connection);
    rpc_connection_put(connection);
}

void supervised_tick(struct supervised *supervised)
{
    pthread_mutex_lock(&supervised->mutex);
    bool due = !supervised->connection &&
               clock_monotonic_ns(supervised->brick->driver->clock) >= supervised->next_try_ns;
    pthread_mutex_unlock(&supervised->mutex);
    if (due) {
        rpc_offload(supervised->brick->driver->control, dial, supervised);
    }
}

int supervised_new(struct brick *brick, const char *host, uint16_t port, uint16_t listen_port,
                   void (*stop)(void *context, int status), void *context,
                   struct supervised **out_supervised)
{
    struct supervised *supervised = calloc(1, sizeof *supervised);
    if (!supervised) {
        return -ENOMEM;
    }
    supervised->brick = brick;
    strncpy(supervised->host, host, HOST_SIZE_MAX);
    supervised->port = port;
    supervised->listen_port = listen_port;
    supervised->stop = stop;
    supervised->context = context;
    supervised->pause_ms = DIAL_PAUSE_FIRST_MS;
    pthread_mutex_init(&supervised->mutex, NULL);
    supervised->program = (struct rpc_program){
        .program = TRIVET_SUPERVISED,
        .version = TRIVET_SUPERVISED_V1,
        .procedures = procedures,
        .procedure_count = sizeof procedures / sizeof procedures[0],
        .context = supervised,
    };
    supervised->programs[0] = &supervised->program;
    supervised->service = (struct rpc_service){
        .programs = supervised->programs,
        .program_count = 1,
        .closed = lost,
        .context = supervised,
    };
    brick->driver->record = (struct replica_record){
        .propose = record_propose, .read = record_read, .context = supervised};
    *out_supervised = supervised;
    return 0;
}

void supervised_free(struct supervised *supervised)
{
    if (supervised) {
        if (supervised->connection) {
            rpc_connection_put(supervised->connection);
        }
        pthread_mutex_destroy(&supervised->mutex);
        free(supervised);
    }
}
