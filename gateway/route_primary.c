/*
 * The route's connection to the primary: HELLO when it opens, and what its answer and its end mean.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/route.h"

#include "backend/base/errors.h"
#include "backend/base/scope.h"

/* A brick that says one of these will say it again. */
static bool is_lasting(int status)
{
    return status == -E_WRONG_VOLUME || status == -E_BAD_PROTOCOL;
}

/* What HELLO's answer means, with the lock held. Returns whether requests may go out. */
static bool take_hello(struct route *route, int status, const struct brick_hello_reply *answer)
{
    struct link *link = &route->primary;
    if (status == 0) {
        status = answer->status;
        (void)route_adopt_view(route, &answer->view); /* if it is newer; the link shows */
    }
    if (status == 0 && answer->slots == 0) {
        status = -E_BAD_MESSAGE;
    }
    if (status) {
        link->error = status;
        link->must_close = true;
        route->is_in_doubt = true;
        route->refusal = is_lasting(status) ? status : route->refusal;
    } else if (!link->must_close && link->state == LINK_OPEN) {
        uint32_t slots = answer->slots < SESSION_SLOTS ? answer->slots : SESSION_SLOTS;
        /* Slots in use stay in use, so their number only rises. */
        route->slots = slots > route->slots ? slots : route->slots;
        route->readied++;
        link->state = LINK_READY;
    }
    pthread_cond_broadcast(&route->changed);
    return link->state == LINK_READY;
}

static void hello_answered(struct rpc_reply *reply, void *context)
{
    struct route *route = context;
    struct brick_hello_reply answer = {0}; /* decoding it allocates nothing */
    int status = reply->status;
    if (status == 0) {
        status = rpc_reply_decode(reply, (xdrproc_t)xdr_brick_hello_reply, &answer, NULL);
    }
    if (status == 0 && answer.status > 0) {
        status = -E_BAD_MESSAGE;
    }
    bool is_ready;
    {
        AUTO_LOCK(&route->lock);
        is_ready = take_hello(route, status, &answer);
    }
    if (is_ready) {
        route->ready(route->context);
    }
    route_step(route);
}

void route_primary_opened(struct rpc_connection *connection, void *context)
{
    struct route *route = context;
    struct brick_hello hello = {
        .level = PROTOCOL_LEVEL,
        .client = route->client,
        .wants_grants = route->wants_grants,
        .name = route->client_name,
    };
    {
        AUTO_LOCK(&route->lock);
        link_opened(&route->primary, connection);
        hello.volume = route->spec.id;
    }
    const struct rpc_call_request request = {
        .program = TRIVET_BRICK,
        .version = TRIVET_BRICK_V1,
        .procedure = BRICK_HELLO,
        .encode = (xdrproc_t)xdr_brick_hello,
        .arguments = &hello,
        .timeout_ms = DIAL_MS_MAX,
        .callback = hello_answered,
        .context = route,
    };
    if (rpc_call_start(connection, &request)) {
        rpc_connection_close(connection); /* and closed runs */
    }
}

void route_primary_closed(struct rpc_connection *connection, void *context)
{
    struct route *route = context;
    struct rpc_connection *held;
    {
        AUTO_LOCK(&route->lock);
        int error = rpc_connection_error(connection);
        held = link_ended(&route->primary, error ? error : route->primary.error);
        session_lease_end(&route->lease);
        route->is_silent = false;
        route->is_in_doubt = true;
        pthread_cond_broadcast(&route->changed);
    }
    if (held) {
        rpc_connection_put(held);
    }
    route_step(route);
}
