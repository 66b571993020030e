/*
 * The road to the primary: the step machine of its two links, and adopting what is learnt. See the
 * header for the states.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/route.h"

#include <stdio.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "backend/base/check.h"
#include "backend/base/clock.h"
#include "backend/base/errors.h"
#include "backend/base/random.h"
#include "backend/base/scope.h"
#include "gateway/volume.h"

static uint64_t now_ns(void)
{
    return clock_monotonic_ns(clock_real());
}

/* ---- links ----------------------------------------------------------------------------------- */

uint64_t link_begin(struct link *link, const struct route_host *host)
{
    INVARIANT(link->state == LINK_NONE && !link->connection);
    link->state = LINK_DIALLING;
    link->must_close = false;
    link->since_ns = now_ns();
    link->host = *host;
    return ++link->dials;
}

void link_opened(struct link *link, struct rpc_connection *connection)
{
    if (link->state != LINK_DIALLING) {
        return; /* being closed already */
    }
    link->state = LINK_OPEN;
    link->since_ns = now_ns();
    if (!link->connection) {
        link->connection = rpc_connection_get(connection);
    }
}

struct rpc_connection *link_ended(struct link *link, int error)
{
    link->state = LINK_NONE;
    link->error = error;
    link->at_ns = now_ns() + link->pause_ms * NS_PER_MS;
    link->pause_ms = link->pause_ms * 2 < RETRY_MS_MAX ? link->pause_ms * 2 : RETRY_MS_MAX;
    return TAKE(link->connection);
}

/* ---- what is learnt -------------------------------------------------------------------------- */

static bool is_sane(const struct view *view)
{
    if (view->member_count > SET_MEMBERS_MAX || view->primary >= view->member_count) {
        return false;
    }
    return view->members[view->primary].port <= UINT16_MAX;
}

bool route_has_primary(const struct route *route, struct route_host *out_host)
{
    const struct view *view = &route->spec.view;
    if (!route->has_spec || !route->spec.started || view->number == 0) {
        return false;
    }
    const struct view_member *primary = &view->members[view->primary];
    if (primary->port == 0) {
        return false;
    }
    _Static_assert(sizeof(out_host->host) == sizeof(primary->host), "a member's host fits");
    memcpy(out_host->host, primary->host, sizeof(out_host->host));
    out_host->port = (uint16_t)primary->port;
    return true;
}

static bool host_equal(const struct route_host *a, const struct route_host *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* Machines with bricks have a trivetd too: ask there when those we were given are gone. */
static void learn_hosts(struct route *route)
{
    route->host_count = route->given_count;
    for (uint32_t i = 0; i < route->spec.view.member_count; i++) {
        struct route_host host = {.port = PORT_MANAGEMENT};
        memcpy(host.host, route->spec.view.members[i].host, sizeof(host.host));
        size_t at = 0;
        while (at < route->host_count && !host_equal(&route->hosts[at], &host)) {
            at++;
        }
        if (at == route->host_count && at < MANAGEMENT_HOSTS_MAX && host.host[0]) {
            route->hosts[route->host_count++] = host;
        }
    }
}

/* Calls are sent on this connection no more, and what was told on it is void. */
static void leave_primary(struct route *route, enum link_state state)
{
    route->primary.state = state;
    session_lease_end(&route->lease);
}

/* The view or its addresses may be new: leave a primary that is none any more. */
static void follow_primary(struct route *route)
{
    struct link *link = &route->primary;
    struct route_host host;
    if (!route_has_primary(route, &host) || host_equal(&host, &link->host)) {
        return;
    }
    link->at_ns = 0;
    link->pause_ms = RETRY_MS_MIN;
    if (link->state == LINK_DIALLING || link->state == LINK_OPEN || link->state == LINK_READY) {
        link->must_close = true;
        leave_primary(route, link->state == LINK_READY ? LINK_OPEN : link->state);
    }
}

int route_adopt(struct route *route, const struct volume_spec *spec, bool *out_changed)
{
    *out_changed = false;
    if (!spec->started) {
        return -E_VOLUME_STOPPED;
    }
    if (spec->view.number == 0) {
        return 0; /* its bricks are coming up; ask again */
    }
    if (!is_sane(&spec->view)) {
        return -E_BAD_MESSAGE;
    }
    if (route->has_spec && memcmp(&route->spec.id, &spec->id, sizeof(spec->id)) != 0) {
        return -E_WRONG_VOLUME; /* deleted and made anew: handles mean nothing there */
    }
    uint64_t known = route->has_spec ? route->spec.view.number : 0;
    if (spec->view.number < known) {
        return 0; /* late news */
    }
    route->spec = *spec;
    route->has_spec = true;
    route->is_in_doubt = false;
    *out_changed = spec->view.number > known;
    learn_hosts(route);
    follow_primary(route);
    return 0;
}

bool route_adopt_view(struct route *route, const struct view *view)
{
    if (!is_sane(view) || view->number <= route->spec.view.number ||
        view->set != route->spec.view.set) {
        return false;
    }
    route->spec.view = *view;
    learn_hosts(route);
    follow_primary(route);
    return true;
}

/* ---- the step machine ------------------------------------------------------------------------ */

enum step_kind {
    STEP_NONE,
    STEP_DIAL_MANAGEMENT,
    STEP_DIAL_PRIMARY,
    STEP_CLOSE,
    STEP_ASK,
    STEP_WATCH
};

/* One thing to do without the lock; what it needs is taken along. */
struct step {
    enum step_kind kind;
    struct management *management;
    uint64_t dial;
    struct route_host host;
    struct rpc_connection *connection; /* a reference */
};

/* A connection that must go, or that takes too long to come, is closed. */
static bool close_due(struct link *link, uint64_t now, struct step *out_step)
{
    bool is_coming = link->state == LINK_DIALLING || (link->state == LINK_OPEN && link->since_ns);
    bool is_late = is_coming && now > link->since_ns + DIAL_MS_MAX * NS_PER_MS;
    bool is_closable = link->state != LINK_NONE && link->state != LINK_CLOSING && link->connection;
    if (!is_closable || !(link->must_close || is_late)) {
        return false;
    }
    link->state = LINK_CLOSING;
    *out_step =
        (struct step){.kind = STEP_CLOSE, .connection = rpc_connection_get(link->connection)};
    return true;
}

static bool ask_due(struct management *management, uint64_t now)
{
    const struct route *route = management->route;
    struct route_host unused;
    bool is_wanted = route->is_in_doubt || !route_has_primary(route, &unused);
    if (!is_wanted || management->is_asking || now < management->ask_at_ns) {
        return false;
    }
    management->is_asking = true;
    management->ask_at_ns = now + management->ask_pause_ms * NS_PER_MS;
    unsigned doubled = management->ask_pause_ms * 2;
    management->ask_pause_ms = doubled < RETRY_MS_MAX ? doubled : RETRY_MS_MAX;
    return true;
}

static bool watch_due(struct management *management, uint64_t now)
{
    if (!management->route->has_spec || management->is_watching || now < management->watch_at_ns) {
        return false;
    }
    management->is_watching = true;
    return true;
}

/* Whether there is reason to ask others than main, or was a moment ago: a connection that is closed
 * at once would be missed at the next hiccup. */
static bool asks_all(struct route *route, uint64_t now)
{
    const struct link *main = &route->managements[route->main].link;
    bool is_late = main->state == LINK_DIALLING && now > main->since_ns + QUIET_MS * NS_PER_MS;
    bool is_unsettled = route->is_silent || route->is_in_doubt || !route_is_ready(route);
    if (is_late || (route->has_spec && is_unsettled)) {
        route->unsettled_ns = now;
    }
    return route->unsettled_ns && now - route->unsettled_ns < SPARES_KEEP_MS * NS_PER_MS;
}

static bool is_wanted(struct route *route, const struct management *management, uint64_t now)
{
    size_t place = (size_t)(management - route->managements);
    return place < route->host_count && (place == route->main || asks_all(route, now));
}

static bool management_due(struct route *route, struct management *management, uint64_t now,
                           struct step *out_step)
{
    struct link *link = &management->link;
    bool is_kept = is_wanted(route, management, now);
    out_step->management = management;
    if (!is_kept && link->state != LINK_NONE) {
        link->must_close = true;
    }
    if (close_due(link, now, out_step)) {
        return true;
    }
    if (is_kept && link->state == LINK_NONE && now >= link->at_ns) {
        out_step->kind = STEP_DIAL_MANAGEMENT;
        out_step->host = route->tried = route->hosts[management - route->managements];
        out_step->dial = link_begin(link, &out_step->host);
        return true;
    }
    if (link->state != LINK_OPEN || link->must_close) {
        return false;
    }
    if (ask_due(management, now)) {
        out_step->kind = STEP_ASK;
    } else if (watch_due(management, now)) {
        out_step->kind = STEP_WATCH;
    } else {
        return false;
    }
    out_step->connection = rpc_connection_get(link->connection);
    return true;
}

static bool primary_due(struct route *route, uint64_t now, struct step *out_step)
{
    struct link *link = &route->primary;
    if (close_due(link, now, out_step)) {
        return true;
    }
    if (link->state != LINK_NONE || now < link->at_ns ||
        !route_has_primary(route, &out_step->host)) {
        return false;
    }
    out_step->kind = STEP_DIAL_PRIMARY;
    out_step->dial = link_begin(link, &out_step->host);
    return true;
}

/* ---- the timer ------------------------------------------------------------------------------- */

void route_wake_at(struct route *route, uint64_t at_ns)
{
    if (route->timer_fd < 0 || (route->timer_at_ns && route->timer_at_ns <= at_ns)) {
        return;
    }
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(at_ns / NS_PER_S), .tv_nsec = (long)(at_ns % NS_PER_S)}};
    if (timerfd_settime(route->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) == 0) {
        route->timer_at_ns = at_ns;
    }
}

void route_woken(struct route *route)
{
    uint64_t expirations;
    AUTO_LOCK(&route->lock);
    (void)!read(route->timer_fd, &expirations, sizeof(expirations)); /* only to be armed again */
    route->timer_at_ns = 0;
}

static void wake_later(struct route *route, uint64_t at_ns, uint64_t now)
{
    if (at_ns > now && at_ns < now + CLIENT_TICK_MS * NS_PER_MS) {
        route_wake_at(route, at_ns); /* ticks do for what is later */
    }
}

/* Nothing is due: be here again when something is. */
static void wake_when_due(struct route *route, uint64_t now)
{
    if (route->primary.state == LINK_NONE) {
        wake_later(route, route->primary.at_ns, now);
    }
    for (size_t i = 0; i < route->host_count; i++) {
        struct management *management = &route->managements[i];
        bool is_idle = management->link.state == LINK_NONE;
        wake_later(route, is_idle ? management->link.at_ns : management->ask_at_ns, now);
    }
}

static bool next_step(struct route *route, struct step *out_step)
{
    uint64_t now = now_ns();
    AUTO_LOCK(&route->lock);
    *out_step = (struct step){.kind = STEP_NONE};
    if (route->is_closing) {
        return false;
    }
    if (primary_due(route, now, out_step)) {
        return true;
    }
    for (size_t i = 0; i < MANAGEMENT_HOSTS_MAX; i++) {
        if (management_due(route, &route->managements[i], now, out_step)) {
            return true;
        }
    }
    wake_when_due(route, now);
    return false;
}

static void dial(struct route *route, const struct step *step)
{
    bool is_primary = step->kind == STEP_DIAL_PRIMARY;
    struct link *link = is_primary ? &route->primary : &step->management->link;
    const struct rpc_service *service =
        is_primary ? &route->primary_service : &step->management->service;
    struct rpc_connection *connection = NULL;
    int status = rpc_dial_tcp(route->loop, step->host.host, step->host.port, service, &connection);
    {
        AUTO_LOCK(&route->lock);
        /* By now it may have opened, closed, and been dialled again. */
        bool is_current = link->dials == step->dial && link->state != LINK_NONE;
        if (status && is_current) {
            connection = is_primary ? link_ended(link, status)
                                    : route_management_ended(step->management, status);
            pthread_cond_broadcast(&route->changed);
        } else if (is_current && !link->connection) {
            link->connection = TAKE(connection);
        }
    }
    if (connection) {
        rpc_connection_put(connection);
    }
}

void route_step(struct route *route)
{
    struct step step;
    while (next_step(route, &step)) {
        switch (step.kind) {
        case STEP_DIAL_MANAGEMENT:
        case STEP_DIAL_PRIMARY:
            dial(route, &step);
            break;
        case STEP_CLOSE:
            rpc_connection_close(step.connection);
            break;
        case STEP_ASK:
            route_ask(step.management, step.connection);
            break;
        case STEP_WATCH:
            route_watch(step.management, step.connection);
            break;
        case STEP_NONE:
        default:
            UNREACHABLE();
        }
        if (step.connection) {
            rpc_connection_put(step.connection);
        }
    }
}

struct rpc_connection *route_connection(struct route *route)
{
    PRE(route_is_ready(route) && route->primary.connection);
    return rpc_connection_get(route->primary.connection);
}

void route_lost(struct route *route)
{
    if (route->primary.state == LINK_READY) {
        leave_primary(route, LINK_CLOSING);
    }
    route->is_in_doubt = true;
}

void route_leave(struct route *route)
{
    if (route->primary.state == LINK_READY) {
        route->primary.must_close = true;
        leave_primary(route, LINK_OPEN);
    }
    route->is_in_doubt = true;
}

void route_silent(struct route *route, bool is_silent)
{
    route->is_silent = is_silent;
}

void route_doubt(struct route *route)
{
    route->is_in_doubt = true;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void init_services(struct route *route, const struct route_options *options)
{
    for (size_t i = 0; i < MANAGEMENT_HOSTS_MAX; i++) {
        struct management *management = &route->managements[i];
        *management = (struct management){
            .route = route,
            .service = {.opened = route_management_opened,
                        .closed = route_management_closed,
                        .context = management},
            .link.pause_ms = RETRY_MS_MIN,
            .ask_pause_ms = RETRY_MS_MIN,
        };
    }
    route->primary_service = (struct rpc_service){
        .programs = options->programs,
        .program_count = options->program_count,
        .opened = route_primary_opened,
        .closed = route_primary_closed,
        .context = route,
    };
}

static void init_names(struct route *route, const struct route_options *options)
{
    (void)snprintf(route->name, sizeof(route->name), "%s", options->name);
    if (options->client_name) {
        (void)snprintf(route->client_name, sizeof(route->client_name), "%s", options->client_name);
    } else {
        (void)snprintf(route->client_name, sizeof(route->client_name), "%s pid %d",
                       program_invocation_short_name, (int)getpid());
    }
}

int route_init(struct route *route, const struct route_options *options)
{
    *route = (struct route){
        .loop = options->loop,
        .client = random_id(),
        .wants_grants = options->program_count > 0,
        .ready = options->ready,
        .context = options->context,
        .timer_fd = options->timer_fd,
        .primary.pause_ms = RETRY_MS_MIN,
    };
    session_lease_init(&route->lease);
    int status = route_hosts_parse(options->hosts, route->hosts,
                                   MANAGEMENT_HOSTS_MAX - SET_MEMBERS_MAX, &route->given_count);
    if (status) {
        return status;
    }
    route->host_count = route->given_count;
    init_names(route, options);
    init_services(route, options);
    pthread_mutex_init(&route->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&route->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return 0;
}

void route_close(struct route *route)
{
    AUTO_LOCK(&route->lock);
    route->is_closing = true;
}

void route_release(struct route *route)
{
    INVARIANT(!route->primary.connection);
    for (size_t i = 0; i < MANAGEMENT_HOSTS_MAX; i++) {
        INVARIANT(!route->managements[i].link.connection);
    }
    pthread_cond_destroy(&route->changed);
    pthread_mutex_destroy(&route->lock);
}

/* ---- waiting at open ------------------------------------------------------------------------- */

int route_wait(struct route *route, unsigned timeout_ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* cannot fail */
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000 * NS_PER_MS);
    if (until.tv_nsec >= (long)NS_PER_S) {
        until.tv_sec++;
        until.tv_nsec -= (long)NS_PER_S;
    }
    AUTO_LOCK(&route->lock);
    while (!route_is_ready(route) && !route->refusal) {
        if (pthread_cond_timedwait(&route->changed, &route->lock, &until)) {
            return -ETIMEDOUT;
        }
    }
    return route_is_ready(route) ? 0 : route->refusal;
}

static void explain_silence(const struct route *route, char *out_error, size_t size)
{
    struct route_host host;
    if (!route->has_spec) {
        volume_explain(out_error, size,
                       "no management daemon answers at %s port %u (%s); is trivetd running there?",
                       route->tried.host, route->tried.port,
                       error_text(route->tried_error ? route->tried_error : -ETIMEDOUT));
    } else if (!route_has_primary(route, &host)) {
        volume_explain(out_error, size,
                       "volume %s has no primary brick at present; see: trivet volume status %s",
                       route->name, route->name);
    } else {
        const struct link *link = &route->primary;
        volume_explain(out_error, size,
                       "the primary brick of volume %s does not answer at %s port %u (%s); see: "
                       "trivet volume status %s",
                       route->name, host.host, host.port,
                       error_text(link->error ? link->error : -ETIMEDOUT), route->name);
    }
}

void route_explain(struct route *route, int status, char *out_error, size_t size)
{
    AUTO_LOCK(&route->lock);
    switch (status) {
    case -ETIMEDOUT:
        explain_silence(route, out_error, size);
        break;
    case -E_UNKNOWN_VOLUME:
        volume_explain(out_error, size,
                       "%s knows no volume %s; see those it knows with: trivet volume list",
                       route->tried.host, route->name);
        break;
    case -E_VOLUME_STOPPED:
        volume_explain(out_error, size,
                       "volume %s is not started; start it with: trivet volume "
                       "start %s",
                       route->name, route->name);
        break;
    case -E_BAD_PROTOCOL:
        volume_explain(out_error, size,
                       "%s speaks another protocol level than this program (%d); install the same "
                       "version of Trivet on both",
                       route->tried.host, PROTOCOL_LEVEL);
        break;
    default:
        volume_explain(out_error, size,
                       "volume %s cannot be opened: %s; see: trivet volume status "
                       "%s",
                       route->name, error_text(status), route->name);
        break;
    }
}
