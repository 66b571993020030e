/*
 * The route's questions to a management daemon. Two kinds: "ask", answered at once, when what we
 * know is in doubt; "watch", answered when there is a newer view, always open so that a failover
 * reaches us without polling.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/route.h"

#include "backend/base/clock.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/proto/mgmt.h"

/* How long a watch waits for news: below VOLUME_WAIT_MS_MAX, so that a daemon that hangs is
 * noticed now and then. */
#define WATCH_MS 30000

void route_management_opened(struct rpc_connection *connection, void *context)
{
    struct route *route = context;
    {
        AUTO_LOCK(&route->lock);
        link_opened(&route->management, connection);
        /* No hello here: it may stay open as long as it likes. */
        route->management.since_ns = 0;
    }
    route_step(route);
}

void route_management_closed(struct rpc_connection *connection, void *context)
{
    struct route *route = context;
    struct rpc_connection *held;
    {
        AUTO_LOCK(&route->lock);
        held = link_ended(&route->management, rpc_connection_error(connection));
        pthread_cond_broadcast(&route->changed);
    }
    if (held) {
        rpc_connection_put(held);
    }
    route_step(route);
}

/* What a daemon's answer means to us, with the lock held. Returns whether the view is another. */
static bool take_answer(struct route *route, int status, const struct mgmt_volume_reply *answer)
{
    bool has_changed = false;
    if (status == 0) {
        route->management.pause_ms = RETRY_MS_MIN;
        status = answer->status ? answer->status : route_adopt(route, &answer->spec, &has_changed);
        route->refusal = status;
    } else {
        route->management.error = status;
        route->management.must_close = true;
    }
    if (status && status != -E_VOLUME_STOPPED) {
        route->management.must_close = true; /* the next one may know better */
    }
    if (has_changed) {
        route->ask_pause_ms = RETRY_MS_MIN;
        route->ask_at_ns = 0;
    }
    pthread_cond_broadcast(&route->changed);
    return has_changed;
}

static void answered(struct route *route, struct rpc_reply *reply, bool is_watch)
{
    struct mgmt_volume_reply answer = {0}; /* decoding it allocates nothing */
    int status = reply->status;
    if (status == 0) {
        status = rpc_reply_decode(reply, (xdrproc_t)xdr_mgmt_volume_reply, &answer, NULL);
    }
    if (status == 0 && answer.status > 0) {
        status = -E_BAD_MESSAGE;
    }
    bool is_news;
    {
        AUTO_LOCK(&route->lock);
        is_news = take_answer(route, status, &answer);
        if (is_watch) {
            route->is_watching = false;
            /* Without news the next one is not at once, should the daemon not wait. */
            bool is_at_once = route->spec.view.number > route->watched_view;
            uint64_t pause = is_at_once ? 0 : RETRY_MS_MAX * NS_PER_MS;
            route->watch_at_ns = clock_monotonic_ns(clock_real()) + pause;
        } else {
            route->is_asking = false;
        }
        is_news = is_news && route_is_ready(route);
    }
    route_step(route);
    if (is_news) {
        route->ready(route->context);
    }
}

static void asked(struct rpc_reply *reply, void *context)
{
    answered(context, reply, false);
}

static void watched(struct rpc_reply *reply, void *context)
{
    answered(context, reply, true);
}

static void call(struct route *route, struct rpc_connection *connection, uint64_t known_view,
                 bool is_watch)
{
    const struct mgmt_volume_args arguments = {
        .level = PROTOCOL_LEVEL,
        .name = route->name,
        .known_view = known_view,
        .wait_ms = is_watch ? WATCH_MS : 0,
    };
    const struct rpc_call_request request = {
        .program = TRIVET_MGMT,
        .version = TRIVET_MGMT_V1,
        .procedure = MGMT_VOLUME,
        .encode = (xdrproc_t)xdr_mgmt_volume_args,
        .arguments = &arguments,
        .timeout_ms = is_watch ? WATCH_MS + DIAL_MS_MAX : DIAL_MS_MAX,
        .callback = is_watch ? watched : asked,
        .context = route,
    };
    int status = rpc_call_start(connection, &request);
    if (status) {
        /* No callback then. */
        AUTO_LOCK(&route->lock);
        (void)take_answer(route, status, NULL); /* a failure brings no view */
        if (is_watch) {
            route->is_watching = false;
        } else {
            route->is_asking = false;
        }
    }
}

void route_ask(struct route *route, struct rpc_connection *connection)
{
    call(route, connection, 0, false);
}

void route_watch(struct route *route, struct rpc_connection *connection)
{
    uint64_t known_view;
    {
        AUTO_LOCK(&route->lock);
        known_view = route->watched_view = route->spec.view.number;
    }
    call(route, connection, known_view, true);
}
