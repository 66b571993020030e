/*
 * Heartbeats: to every other brick of the view, on connections that carry nothing else, and the
 * answers to theirs.
 *
 * One that does not answer holds up nobody: its calls are few, end by themselves, and with them its
 * connection, which is dialled again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/replica/replica_driver.h"

#include <string.h>
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/proto/replica.h"

/* Between two tries to reach a brick; a try costs little and somebody may wait for it. */
#define DIAL_PAUSE_FIRST_MS 5
#define DIAL_PAUSE_MAX_MS 100

/* ---- links; with the mutex held -------------------------------------------------------------- */

uint16_t replica_member_port(const struct replica_driver *driver, uint32_t member)
{
    const struct replica_member *other = &driver->replica.members[member];
    bool said = other->said.port != 0 && other->said.incarnation != other->dead;
    return (uint16_t)(said ? other->said.port : driver->replica.view.members[member].port);
}

/* Where to dial next: where the last process that called says that it listens, where the one that
 * answered last did, or where the view has it. */
static uint16_t next_port(const struct beat_link *link)
{
    const struct replica_driver *driver = link->driver;
    const uint16_t ports[] = {link->called_port, replica_member_port(driver, link->member),
                              (uint16_t)driver->replica.view.members[link->member].port};
    const unsigned count = sizeof ports / sizeof ports[0];
    for (unsigned i = 0; i < count; i++) {
        uint16_t port = ports[(link->tries + i) % count];
        if (port != 0) {
            return port;
        }
    }
    return 0;
}

/* Its connection is no good: another is dialled after a while. What the link held of it is given
 * back. */
static struct rpc_connection *link_drop(struct beat_link *link)
{
    struct rpc_connection *connection = link->connection;
    link->connection = NULL;
    link->next_try_ns = clock_monotonic_ns(link->driver->clock) + link->pause_ms * NS_PER_MS;
    unsigned pause_ms = link->pause_ms > 0 ? 2 * link->pause_ms : DIAL_PAUSE_FIRST_MS;
    link->pause_ms = pause_ms < DIAL_PAUSE_MAX_MS ? pause_ms : DIAL_PAUSE_MAX_MS;
    return connection;
}

static void connection_end(struct rpc_connection *connection)
{
    if (connection) {
        rpc_connection_close(connection);
        rpc_connection_put(connection);
    }
}

static void beats_send(void *context);

static void connection_closed(struct rpc_connection *connection, void *context)
{
    struct replica_driver *driver = context;
    struct rpc_connection *dropped = NULL;
    {
        AUTO_LOCK(&driver->mutex);
        for (uint32_t i = 0; i < SET_MEMBERS_MAX; i++) {
            if (driver->links[i].connection == connection) {
                dropped = link_drop(&driver->links[i]);
            }
        }
    }
    connection_end(dropped);
}

static void link_dial(void *context)
{
    struct beat_link *link = context;
    struct replica_driver *driver = link->driver;
    char host[HOST_SIZE_MAX + 1];
    uint16_t port;
    {
        AUTO_LOCK(&driver->mutex);
        memcpy(host, driver->replica.view.members[link->member].host, sizeof host);
        port = next_port(link);
        link->tries++;
    }
    struct rpc_connection *connection = NULL;
    int rc = rpc_dial_tcp(driver->control, host, port, &driver->beat_service, &connection);
    struct rpc_connection *dropped = NULL;
    {
        AUTO_LOCK(&driver->mutex);
        link->dialling = false;
        link->connection = rc == 0 ? connection : NULL;
        if (rc < 0 || driver->stopping || rpc_connection_error(connection) != 0) {
            dropped = link_drop(link); /* closed may have run before it was the link's */
        }
    }
    connection_end(dropped);
    beats_send(driver);
}

/* ---- sending ------------------------------------------------------------------------------- */

static void beat_of_reply(const replica_beat_reply *reply, struct beat *out_beat)
{
    *out_beat = (struct beat){
        .incarnation = reply->incarnation,
        .view = reply->view,
        .sequenced = reply->last_index,
        .committed = reply->commit_index,
        .port = reply->port,
        .flags = reply->flags & BEAT_FLAG_BITS,
    };
}

static void beat_answered(struct rpc_reply *reply, void *context)
{
    struct beat_call *call = context;
    struct beat_link *link = call->link;
    struct replica_driver *driver = link->driver;
    struct rpc_connection *connection, *dropped = NULL;
    struct pending *finished = NULL;
    replica_beat_reply answer = {0};
    int rc = rpc_reply_decode(reply, (xdrproc_t)xdr_replica_beat_reply, &answer, NULL);
    {
        AUTO_LOCK(&driver->mutex);
        connection = call->connection;
        call->connection = NULL;
        if (link->connection != connection) {
            rc = -ECANCELED; /* given up: what comes late on it says nothing */
        } else if (rc == 0 && answer.status == 0) {
            struct beat beat;
            beat_of_reply(&answer, &beat);
            link->pause_ms = 0;
            link->tries = 0;
            driver->peers[link->member].bytes_free = answer.bytes_free;
            struct replica_event event = {.kind = EVENT_BEAT_ANSWERED,
                                          .member = link->member,
                                          .beat = &beat,
                                          .sent_ns = call->sent_ns};
            replica_driver_step(driver, &event, &finished);
        } else if (answer.status != -EIO) {
            dropped = link_drop(link); /* lost, frozen, or not who was meant */
        }
        if (finished) {
            replica_pump_soon(driver, finished);
        }
    }
    connection_end(dropped);
    rpc_connection_put(connection);
}

/* Taken under the mutex, sent without it. */
struct sending {
    struct beat_call *call;
    struct rpc_connection *connection;
    uint32_t to;
};

static void call_beat(struct replica_driver *driver, const struct sending *sending,
                      const struct beat *beat)
{
    replica_beat_args args = {
        .level = PROTOCOL_LEVEL,
        .volume = driver->identity.volume,
        .set = driver->identity.set,
        .to = sending->to,
        .brick = driver->identity.brick,
        .incarnation = beat->incarnation,
        .view = beat->view,
        .last_index = beat->sequenced,
        .commit_index = beat->committed,
        .port = beat->port,
        .flags = beat->flags,
    };
    struct rpc_call_request request = {
        .program = TRIVET_REPLICA,
        .version = TRIVET_REPLICA_V1,
        .procedure = REPLICA_BEAT,
        .encode = (xdrproc_t)xdr_replica_beat_args,
        .arguments = &args,
        .timeout_ms = CONTACT_MS,
        .callback = beat_answered,
        .context = sending->call,
    };
    if (rpc_call_start(sending->connection, &request) < 0) {
        AUTO_LOCK(&driver->mutex);
        sending->call->connection = NULL;
        rpc_connection_put(sending->connection);
    }
}

static struct beat_call *free_call(struct beat_link *link)
{
    for (unsigned i = 0; i < BEATS_WAITING_MAX; i++) {
        if (!link->calls[i].connection) {
            return &link->calls[i];
        }
    }
    return NULL;
}

/* Take what is to be sent on a link, or have it dialled. With the mutex held. */
static bool link_take(struct beat_link *link, uint64_t now_ns, struct sending *out_sending)
{
    struct replica_driver *driver = link->driver;
    const struct view_member *member = &driver->replica.view.members[link->member];
    if (!link->connection) {
        if (!link->dialling && now_ns >= link->next_try_ns && next_port(link) != 0) {
            link->dialling = true;
            rpc_offload(driver->control, link_dial, link);
        }
        return false;
    }
    struct beat_call *call = free_call(link);
    if (!call) {
        return false;
    }
    call->connection = rpc_connection_get(link->connection);
    call->sent_ns = now_ns;
    *out_sending =
        (struct sending){.call = call, .connection = call->connection, .to = member->brick};
    return true;
}

static void beats_send(void *context)
{
    struct replica_driver *driver = context;
    struct sending sendings[SET_MEMBERS_MAX];
    unsigned count = 0;
    struct beat beat;
    {
        AUTO_LOCK(&driver->mutex);
        driver->beats_wanted = false;
        if (driver->stopping || driver->replica.failed) {
            return;
        }
        /* Taken before it is sent: a lease counts from then. */
        uint64_t now_ns = clock_monotonic_ns(driver->clock);
        replica_beat(&driver->replica, &beat);
        for (uint32_t i = 0; i < driver->replica.view.member_count; i++) {
            if (i != driver->replica.self &&
                link_take(&driver->links[i], now_ns, &sendings[count])) {
                count++;
            }
        }
    }
    for (unsigned i = 0; i < count; i++) {
        call_beat(driver, &sendings[i], &beat);
    }
}

void replica_beats_want(struct replica_driver *driver)
{
    if (!driver->beats_wanted && !driver->stopping && driver->replica.view.number > 0) {
        driver->beats_wanted = true;
        rpc_offload(driver->control, beats_send, driver);
    }
}

/* Dial again what is due, without waiting for the next heartbeat. */
void replica_beats_tick(struct replica_driver *driver)
{
    uint64_t now_ns = clock_monotonic_ns(driver->clock);
    for (uint32_t i = 0; i < driver->replica.view.member_count; i++) {
        const struct beat_link *link = &driver->links[i];
        if (i != driver->replica.self && !link->connection && !link->dialling &&
            now_ns >= link->next_try_ns && next_port(link) != 0) {
            replica_beats_want(driver);
        }
    }
}

void replica_beats_stop(struct replica_driver *driver)
{
    for (uint32_t i = 0; i < SET_MEMBERS_MAX; i++) {
        connection_end(link_drop(&driver->links[i]));
    }
}

void replica_beats_service(struct replica_driver *driver, struct rpc_service *out_service)
{
    *out_service = (struct rpc_service){.closed = connection_closed, .context = driver};
}

/* ---- answering ----------------------------------------------------------------------------- */

static int beat_check(const struct replica_driver *driver, const replica_beat_args *args)
{
    const struct store_identity *identity = &driver->identity;
    if (args->level != PROTOCOL_LEVEL) {
        return -E_BAD_PROTOCOL;
    }
    bool is_ours = memcmp(args->volume.bytes, identity->volume.bytes, VOLUME_ID_SIZE) == 0 &&
                   args->set == identity->set && args->to == identity->brick &&
                   args->brick != identity->brick && args->brick < SET_MEMBERS_MAX;
    return is_ours ? 0 : -E_WRONG_VOLUME;
}

/* With the mutex held. */
static int beat_take(struct replica_driver *driver, const replica_beat_args *args,
                     struct beat *out_own)
{
    const struct beat beat = {
        .incarnation = args->incarnation,
        .view = args->view,
        .sequenced = args->last_index,
        .committed = args->commit_index,
        .port = args->port,
        .flags = args->flags & BEAT_FLAG_BITS,
    };
    struct pending *finished = NULL;
    driver->links[args->brick].called_port = (uint16_t)args->port;
    struct replica_event event = {.kind = EVENT_BEAT, .member = args->brick, .beat = &beat};
    replica_driver_step(driver, &event, &finished);
    if (driver->answer.kind != EFFECT_ANSWER) {
        return -EIO;
    }
    uint32_t flags = (uint32_t)driver->answer.last;
    replica_beat(&driver->replica, out_own);
    out_own->flags |= flags;
    return driver->answer.status;
}

void replica_serve_beat(struct rpc_call *call, void *context)
{
    struct replica_driver *driver = context;
    replica_beat_args args = {0};
    if (rpc_call_decode(call, (xdrproc_t)xdr_replica_beat_args, &args, NULL) < 0) {
        rpc_call_garbage(call);
        return;
    }
    struct beat own = {.incarnation = driver->incarnation};
    int status = beat_check(driver, &args);
    if (status == 0) {
        AUTO_LOCK(&driver->mutex);
        status = driver->stopping ? -EIO : beat_take(driver, &args, &own);
    }
    replica_beat_reply reply = {
        .status = status,
        .incarnation = own.incarnation,
        .view = own.view,
        .last_index = own.sequenced,
        .commit_index = own.committed,
        .port = own.port,
        .flags = own.flags,
        .bytes_free = atomic_load(&driver->own_bytes_free),
    };
    rpc_call_reply(call, (xdrproc_t)xdr_replica_beat_reply, &reply, NULL);
}
