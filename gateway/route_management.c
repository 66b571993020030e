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
    struct management *management = context;
    {
        AUTO_LOCK(&management->route->lock);
        link_opened(&management->link, connection);
        /* No hello here: it may stay open as long as it likes. */
        management->link.since_ns = 0;
    }
    route_step(management->route);
}

/* Whom to keep to, now that place is no good: one who is there, or else the next. */
static void leave_main(struct route *route)
{
    for (size_t i = 1; i < route->host_count; i++) {
        size_t place = (route->main + i) % route->host_count;
        if (route->managements[place].link.state == LINK_OPEN) {
            route->main = place;
            return;
        }
    }
    route->main = (route->main + 1) % route->host_count;
}

struct rpc_connection *route_management_ended(struct management *management, int error)
{
    struct route *route = management->route;
    struct rpc_connection *held = link_ended(&management->link, error);
    if (management == &route->managements[route->main]) {
        route->tried = management->link.host;
        route->tried_error = error;
        leave_main(route);
    }
    pthread_cond_broadcast(&route->changed);
    return held;
}

void route_management_closed(struct rpc_connection *connection, void *context)
{
    struct management *management = context;
    struct route *route = management->route;
    struct rpc_connection *held;
    {
        AUTO_LOCK(&route->lock);
        int error = rpc_connection_error(connection);
        held = route_management_ended(management, error ? error : management->link.error);
    }
    if (held) {
        rpc_connection_put(held);
    }
    route_step(route);
}

/* What a daemon's answer means to us, with the lock held. Returns whether the view is another. */
static bool take_answer(struct management *management, int status,
                        const struct mgmt_volume_reply *answer)
{
    struct route *route = management->route;
    struct link *link = &management->link;
    bool has_changed = false;
    if (status == 0) {
        link->pause_ms = RETRY_MS_MIN;
        status = answer->status ? answer->status : route_adopt(route, &answer->spec, &has_changed);
        if (status == 0 || management == &route->managements[route->main]) {
            route->refusal = status;
            route->tried = link->host;
        }
    } else {
        link->error = status;
        link->must_close = true;
    }
    if (status && status != -E_VOLUME_STOPPED) {
        link->must_close = true; /* the next one may know better */
    } else if (has_changed && route->managements[route->main].link.state != LINK_OPEN) {
        route->main = (size_t)(management - route->managements);
    }
    if (has_changed) {
        management->ask_pause_ms = RETRY_MS_MIN;
        management->ask_at_ns = 0;
    }
    pthread_cond_broadcast(&route->changed);
    return has_changed;
}

static void answered(struct management *management, struct rpc_reply *reply, bool is_watch)
{
    struct route *route = management->route;
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
        is_news = take_answer(management, status, &answer);
        if (is_watch) {
            management->is_watching = false;
            /* Without news the next one is not at once, should the daemon not wait. */
            bool is_at_once = route->spec.view.number > management->watched_view;
            uint64_t pause = is_at_once ? 0 : RETRY_MS_MAX * NS_PER_MS;
            management->watch_at_ns = clock_monotonic_ns(clock_real()) + pause;
        } else {
            management->is_asking = false;
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

static void call(struct management *management, struct rpc_connection *connection,
                 uint64_t known_view, bool is_watch)
{
    struct route *route = management->route;
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
        .context = management,
    };
    int status = rpc_call_start(connection, &request);
    if (status) {
        /* No callback then. */
        AUTO_LOCK(&route->lock);
        (void)take_answer(management, status, NULL); /* a failure brings no view */
        if (is_watch) {
            management->is_watching = false;
        } else {
            management->is_asking = false;
        }
    }
}

void route_ask(struct management *management, struct rpc_connection *connection)
{
    call(management, connection, 0, false);
}

void route_watch(struct management *management, struct rpc_connection *connection)
{
    uint64_t known_view;
    {
        AUTO_LOCK(&management->route->lock);
        known_view = management->watched_view = management->route->spec.view.number;
    }
    call(management, connection, known_view, true);
}
