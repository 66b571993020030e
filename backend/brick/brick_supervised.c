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
    pthread_mutex_t mutex; /* rank 0: nothing else is taken under it */
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
        rpc_offload(supervised->brick->loop, take_view, TAKE(work));
    } else {
        rpc_call_garbage(call);
    }
    free(args);
    free(work);
}

static void serve_status(struct rpc_call *call, void *context)
{
    struct supervised *supervised = context;
    struct brick *brick = supervised->brick;
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
    reply.disk.present = store_statfs(brick->store, &reply.disk) == 0;
    rpc_call_reply(call, (xdrproc_t)xdr_supervised_status_reply, &reply, NULL);
}

static void serve_stop(struct rpc_call *call, void *context)
{
    struct supervised *supervised = context;
    int status = 0;
    rpc_call_reply(call, (xdrproc_t)(void (*)(void))xdr_int, &status, NULL);
    supervised->stop(supervised->context, 0);
}

static const struct rpc_procedure procedures[] = {
    [SUPERVISED_NULL] = {"NULL", serve_null},
    [SUPERVISED_VIEW] = {"VIEW", serve_view},
    [SUPERVISED_STATUS] = {"STATUS", serve_status},
    [SUPERVISED_STOP] = {"STOP", serve_stop},
};

/* ---- registering --------------------------------------------------------------------------- */

/* Lost or refused: dial again later, more slowly each time. */
static void forget(struct supervised *supervised, struct rpc_connection *connection)
{
    pthread_mutex_lock(&supervised->mutex);
    bool current = supervised->connection == connection;
    if (current) {
        supervised->connection = NULL;
        supervised->next_try_ns = clock_monotonic_ns(supervised->brick->driver->clock) +
                                  supervised->pause_ms * NS_PER_MS;
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
        if (rpc_dial_tcp(supervised->brick->loop, supervised->host, supervised->port,
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
        rpc_offload(supervised->brick->loop, dial, supervised);
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
