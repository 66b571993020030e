/*
 * Requests until they are answered; see the header. Every function here takes the lock for the
 * state and gives it back before it sends or completes anything.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/retry.h"

#include "backend/base/check.h"
#include "backend/base/clock.h"
#include "backend/base/scope.h"
#include "gateway/brick_client.h"
#include "gateway/volume.h"

enum attempt_state { ATTEMPT_WAITING, ATTEMPT_SLOTLESS, ATTEMPT_SENT, ATTEMPT_DONE };

/*
 * One request under way. While a thread is in rpc_call_start for it (is_sending), the request's
 * memory is read: the request then completes only by its answer, which proves that it was sent, or
 * by that thread.
 */
struct attempt {
    struct attempt *next, *previous;
    struct retry *retry;
    struct volume_request *request; /* NULL: the caller has given up */
    struct op_id id;
    uint64_t sent_ns;
    uint64_t sent_view;
    uint64_t sent_on; /* which connection: route->readied */
    enum attempt_state state;
    int given_up; /* status to complete with when is_sending ends */
    bool is_sending;
    bool needs_slot, has_slot;
    bool was_sent;
};

#define CHUNK_ATTEMPTS 64
struct attempt_chunk {
    struct attempt_chunk *next;
    struct attempt attempts[CHUNK_ATTEMPTS];
};

static uint64_t now_ns(void)
{
    return clock_monotonic_ns(clock_real());
}

/* ---- lists, pool and slots; with the lock held ----------------------------------------------- */

static void list_append(struct attempt_list *list, struct attempt *attempt)
{
    attempt->next = NULL;
    attempt->previous = list->last;
    *(list->last ? &list->last->next : &list->first) = attempt;
    list->last = attempt;
}

static void list_remove(struct attempt_list *list, struct attempt *attempt)
{
    *(attempt->previous ? &attempt->previous->next : &list->first) = attempt->next;
    *(attempt->next ? &attempt->next->previous : &list->last) = attempt->previous;
}

static void link_request(struct retry *retry, struct volume_request *request)
{
    request->next = NULL;
    request->previous = retry->last;
    *(retry->last ? &retry->last->next : &retry->first) = request;
    retry->last = request;
}

static void unlink_request(struct retry *retry, struct volume_request *request)
{
    *(request->previous ? &request->previous->next : &retry->first) = request->next;
    *(request->next ? &request->next->previous : &retry->last) = request->previous;
    request->internal = NULL;
}

static int pool_grow(struct retry *retry)
{
    if (retry->attempt_count >= VOLUME_REQUESTS_MAX) {
        return -E_OVERLOADED;
    }
    struct attempt_chunk *chunk = calloc(1, sizeof(*chunk));
    if (!chunk) {
        return -ENOMEM;
    }
    chunk->next = retry->chunks;
    retry->chunks = chunk;
    retry->attempt_count += CHUNK_ATTEMPTS;
    for (int i = 0; i < CHUNK_ATTEMPTS; i++) {
        chunk->attempts[i].next = retry->pool;
        retry->pool = &chunk->attempts[i];
    }
    return 0;
}

static int attempt_new(struct retry *retry, struct volume_request *request,
                       struct attempt **out_attempt)
{
    int status = retry->pool ? 0 : pool_grow(retry);
    if (status) {
        return status;
    }
    struct attempt *attempt = retry->pool;
    retry->pool = attempt->next;
    bool is_mutation = brick_row(request->op)->is_mutation;
    bool is_derived = request->id.kind == OP_ID_DERIVED;
    *attempt = (struct attempt){
        .retry = retry, .request = request, .needs_slot = is_mutation && !is_derived};
    if (is_mutation && is_derived) {
        attempt->id = request->id;
    }
    request->internal = attempt;
    *out_attempt = attempt;
    return 0;
}

static bool take_slot(struct retry *retry, struct attempt *attempt)
{
    uint32_t slot;
    if (retry->free_count) {
        slot = retry->free_slots[--retry->free_count];
    } else if (retry->slots_used < retry->route->slots) {
        slot = retry->slots_used++;
    } else {
        return false;
    }
    attempt->has_slot = true;
    attempt->id = (struct op_id){.kind = OP_ID_SESSION,
                                 .client = retry->route->client,
                                 .slot = slot,
                                 .sequence = ++retry->sequences[slot]};
    return true;
}

/* The attempt is over: its slot and, unless a thread is still sending, itself are free. */
static void attempt_end(struct retry *retry, struct attempt *attempt)
{
    if (attempt->has_slot) {
        retry->free_slots[retry->free_count++] = (uint16_t)attempt->id.slot;
        attempt->has_slot = false;
    }
    attempt->state = ATTEMPT_DONE;
    attempt->request = NULL;
    if (!attempt->is_sending) {
        attempt->next = retry->pool;
        retry->pool = attempt;
    }
}

static void attempt_wait(struct retry *retry, struct attempt *attempt)
{
    attempt->state = ATTEMPT_WAITING;
    list_append(&retry->waiting, attempt);
}

/* A pause for everybody, a quarter of the time that nothing has been answered: so much longer than
 * the set needs may a failover take the client, however long it is. */
static void pause_sending(struct retry *retry)
{
    uint64_t now = now_ns();
    if (retry->resend_at_ns > now) {
        return;
    }
    if (retry->refused_ns == 0) {
        retry->refused_ns = now;
    }
    uint64_t pause_ns = (now - retry->refused_ns) / 4;
    pause_ns = pause_ns > RETRY_MS_MIN * NS_PER_MS ? pause_ns : RETRY_MS_MIN * NS_PER_MS;
    pause_ns = pause_ns < RESEND_MS_MAX * NS_PER_MS ? pause_ns : RESEND_MS_MAX * NS_PER_MS;
    retry->resend_at_ns = now + pause_ns;
    route_wake_at(retry->route, retry->resend_at_ns);
}

static bool may_send(const struct retry *retry, uint64_t now)
{
    return route_is_ready(retry->route) && now >= retry->resend_at_ns && !retry->must_probe;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* What a send needs without the lock. */
struct launch {
    struct attempt *attempt;
    struct volume_request *request;
    struct rpc_connection *connection; /* a reference */
    struct brick_address address;
};

static void launch_prepare(struct retry *retry, struct attempt *attempt, uint64_t now,
                           struct launch *out_launch)
{
    const struct view *view = &retry->route->spec.view;
    retry->resent += attempt->was_sent;
    attempt->state = ATTEMPT_SENT;
    attempt->is_sending = true;
    attempt->was_sent = true;
    attempt->sent_view = view->number;
    attempt->sent_on = retry->route->readied;
    attempt->sent_ns = now;
    *out_launch = (struct launch){
        .attempt = attempt,
        .request = attempt->request,
        .connection = route_connection(retry->route),
        .address = {.target = {.set = view->set, .view = view->number}, .id = attempt->id},
    };
}

/* The next attempt that may be sent, or false. */
static bool launch_next(struct retry *retry, struct launch *out_launch)
{
    uint64_t now = now_ns();
    AUTO_LOCK(&retry->route->lock);
    if (!may_send(retry, now)) {
        return false;
    }
    struct attempt *attempt = retry->slotless.first;
    if (attempt && take_slot(retry, attempt)) {
        list_remove(&retry->slotless, attempt);
        launch_prepare(retry, attempt, now, out_launch);
        return true;
    }
    struct attempt *next;
    for (attempt = retry->waiting.first; attempt; attempt = next) {
        next = attempt->next;
        if (attempt->is_sending) {
            continue; /* on the lost connection, still; its sender comes back to it */
        }
        list_remove(&retry->waiting, attempt);
        if (!attempt->needs_slot || attempt->has_slot || take_slot(retry, attempt)) {
            launch_prepare(retry, attempt, now, out_launch);
            return true;
        }
        attempt->state = ATTEMPT_SLOTLESS;
        list_append(&retry->slotless, attempt);
    }
    return false;
}

/* Take an attempt out of whatever it is in and end or orphan it; the caller completes. */
static struct volume_request *give_up(struct retry *retry, struct attempt *attempt, int status)
{
    struct volume_request *request = attempt->request;
    unlink_request(retry, request);
    request->reply = (struct reply){.status = status};
    attempt->request = NULL;
    if (attempt->state == ATTEMPT_WAITING || attempt->state == ATTEMPT_SLOTLESS) {
        bool is_waiting = attempt->state == ATTEMPT_WAITING;
        list_remove(is_waiting ? &retry->waiting : &retry->slotless, attempt);
        attempt_end(retry, attempt);
    }
    return request;
}

/*
 * rpc_call_start has returned: settle what had to wait for that. Returns a request to complete, and
 * whether something waits that could be sent.
 */
static struct volume_request *sending_ended(struct retry *retry, struct attempt *attempt,
                                            int status, bool *out_resume)
{
    AUTO_LOCK(&retry->route->lock);
    attempt->is_sending = false;
    if (attempt->state == ATTEMPT_DONE) {
        attempt_end(retry, attempt);
        return NULL;
    }
    if (status) {
        /* Nothing was sent, no callback comes. */
        attempt_wait(retry, attempt);
        if (status != -E_OVERLOADED) {
            return give_up(retry, attempt, status);
        }
        pause_sending(retry);
    }
    if (attempt->given_up) {
        return give_up(retry, attempt, attempt->given_up);
    }
    *out_resume = attempt->state == ATTEMPT_WAITING;
    return NULL;
}

static void attempt_answered(struct rpc_reply *message, void *context);

/* Send; returns whether more might be sendable because of how it went. */
static bool launch_run(struct retry *retry, struct launch *launch)
{
    bool is_to_resume = false;
    int status = brick_client_call(launch->connection, launch->request, &launch->address,
                                   attempt_answered, launch->attempt);
    struct volume_request *request = sending_ended(retry, launch->attempt, status, &is_to_resume);
    rpc_connection_put(launch->connection);
    if (request) {
        volume_complete(request);
    }
    return is_to_resume;
}

static void pump(struct retry *retry)
{
    struct launch launch;
    while (launch_next(retry, &launch)) {
        (void)launch_run(retry, &launch); /* what became sendable is found by the loop */
    }
}

/* Accept a request. Returns whether it is to be sent now. */
static bool admit(struct retry *retry, struct volume_request *request, int *out_status,
                  struct launch *out_launch)
{
    request->started_ns = now_ns();
    AUTO_LOCK(&retry->route->lock);
    struct attempt *attempt;
    *out_status = attempt_new(retry, request, &attempt);
    if (*out_status) {
        return false;
    }
    link_request(retry, request);
    if (!may_send(retry, request->started_ns)) {
        attempt_wait(retry, attempt);
        return false;
    }
    if (attempt->needs_slot && !take_slot(retry, attempt)) {
        attempt->state = ATTEMPT_SLOTLESS;
        list_append(&retry->slotless, attempt);
        return false;
    }
    launch_prepare(retry, attempt, request->started_ns, out_launch);
    return true;
}

void retry_submit(struct retry *retry, struct volume_request *request)
{
    struct launch launch;
    int status;
    if (admit(retry, request, &status, &launch)) {
        if (launch_run(retry, &launch)) {
            pump(retry);
        }
    } else if (status) {
        request->reply = (struct reply){.status = status};
        volume_complete(request);
    }
}

/* ---- answers --------------------------------------------------------------------------------- */

/* Refusals of an operation that was not sequenced: the same request may be answered later. */
static bool is_refusal(int status)
{
    switch (status) {
    case -E_NOT_PRIMARY:
    case -E_OLD_VIEW:
    case -E_NEW_VIEW:
    case -E_NOT_SETTLED:
    case -E_NO_QUORUM:
    case -E_LEASE_EXPIRED:
    case -E_OVERLOADED:
        return true;
    default:
        return false;
    }
}

/* What it means that a call was not answered, with the lock held. */
static void note_refusal(struct retry *retry, int status, uint64_t sent_view, bool is_answer)
{
    if (status == -E_CONNECTION_LOST) {
        if (is_answer) {
            route_leave(retry->route); /* of a brick that is stopping */
        } else {
            route_lost(retry->route);
        }
        return;
    }
    if (status == -E_NOT_PRIMARY || status == -E_OLD_VIEW || status == -E_NEW_VIEW) {
        route_doubt(retry->route);
    }
    /* In a view that we have left meanwhile a refusal says nothing about the present one. */
    if (sent_view == retry->route->spec.view.number) {
        retry->must_probe = status != -E_OVERLOADED; /* which is of one request, not of all */
        pause_sending(retry);
    }
}

/* The attempt waits again, with the lock held. */
static void take_back(struct retry *retry, struct attempt *attempt, int status, bool is_answer)
{
    note_refusal(retry, status, attempt->sent_view, is_answer);
    if (attempt->request) {
        attempt_wait(retry, attempt);
    } else {
        attempt_end(retry, attempt);
    }
}

/* The primary answered, on a connection, a call of that time. With the lock held. True if it is the
 * session's connection, and what the answer brings may be kept. */
static bool heard(struct retry *retry, uint64_t sent_on, uint64_t sent_ns, bool is_success)
{
    struct route *route = retry->route;
    if (!is_success || !route_is_ready(route) || sent_on != route->readied) {
        return false; /* who refuses for long may not know of a newer view himself */
    }
    uint64_t now = now_ns();
    retry->heard_ns = now;
    route_silent(route, false);
    retry->asked_ns = sent_ns > retry->asked_ns ? sent_ns : retry->asked_ns;
    return session_lease_answered(&route->lease, sent_ns, now);
}

struct outcome {
    struct volume_request *request; /* to complete; NULL: none */
    uint64_t sent_ns;
    uint64_t epoch; /* in which what it brings may be kept */
    bool may_keep;
    bool is_to_resume;
};

static struct outcome settle(struct retry *retry, struct attempt *attempt,
                             const struct reply *reply, bool is_answer)
{
    struct outcome outcome = {.sent_ns = attempt->sent_ns};
    int status = reply->status;
    AUTO_LOCK(&retry->route->lock);
    INVARIANT(attempt->state == ATTEMPT_SENT);
    bool is_refused = status == -E_CONNECTION_LOST || is_refusal(status);
    if (is_answer) {
        outcome.may_keep = heard(retry, attempt->sent_on, attempt->sent_ns, !is_refused);
        outcome.epoch = session_lease_epoch(&retry->route->lease);
    }
    if (status == -E_CONNECTION_LOST || (is_answer && is_refused)) {
        take_back(retry, attempt, status, is_answer);
        outcome.is_to_resume = may_send(retry, now_ns());
        return outcome;
    }
    if (outcome.may_keep && (reply->grant_ms || reply->parent_grant_ms)) {
        retry->granted_ns = retry->heard_ns;
    }
    retry->answer_count++;
    retry->refused_ns = 0;
    route_answered(retry->route);
    outcome.request = attempt->request;
    if (outcome.request) {
        unlink_request(retry, outcome.request);
    }
    attempt_end(retry, attempt);
    outcome.is_to_resume = retry->slotless.first != NULL;
    return outcome;
}

/* A grant counts from sending; what is left now, of it and of the lease, is what the caller may
 * use. */
static uint32_t grant_left(const struct retry *retry, uint32_t grant_ms,
                           const struct outcome *outcome)
{
    if (grant_ms == 0 || !retry->route->wants_grants) {
        return 0;
    }
    uint64_t now = now_ns();
    uint64_t granted = grant_ms < GRANT_MS_MAX ? grant_ms : GRANT_MS_MAX;
    uint64_t gone = (now - outcome->sent_ns) / NS_PER_MS + GRANT_MARGIN_MS;
    uint64_t left = gone < granted ? granted - gone : 0;
    uint64_t until_ns = session_lease_until(&retry->route->lease, outcome->epoch, now);
    uint64_t lease = until_ns ? (until_ns - now) / NS_PER_MS : 0;
    return (uint32_t)(left < lease ? left : lease);
}

static void complete(struct retry *retry, struct rpc_reply *message, const struct reply *reply,
                     const struct outcome *outcome)
{
    struct volume_request *request = outcome->request;
    int status = brick_client_check(request, reply);
    if (status) {
        request->reply = (struct reply){.status = status};
        volume_complete(request);
        return;
    }
    request->reply = *reply;
    request->epoch = outcome->epoch;
    if (!outcome->may_keep) {
        request->reply.grant_ms = request->reply.parent_grant_ms = 0;
    }
    object_cache_learn(retry->cache, request, outcome->sent_ns);
    name_cache_learn(retry->names, request, outcome->sent_ns);
    request->reply.grant_ms = grant_left(retry, request->reply.grant_ms, outcome);
    if (request->keep && reply->data.size) {
        request->kept = rpc_reply_keep(message);
    }
    volume_complete(request);
}

static void attempt_answered(struct rpc_reply *message, void *context)
{
    struct attempt *attempt = context;
    struct retry *retry = attempt->retry;
    struct reply reply;
    int status = message->status ? message->status : brick_client_decode(message, &reply);
    bool is_answer = status == 0;
    if (!is_answer) {
        reply = (struct reply){.status = status};
    }
    struct outcome outcome = settle(retry, attempt, &reply, is_answer);
    if (outcome.request) {
        complete(retry, message, &reply, &outcome);
    }
    if (outcome.is_to_resume) {
        pump(retry);
    }
}

/* ---- RENEW ----------------------------------------------------------------------------------- */

/* One that is under way. */
struct renewal {
    struct retry *retry;
    struct rpc_connection *connection; /* a reference, until it is sent */
    struct brick_renew_args arguments;
    uint64_t sent_ns, sent_on;
};

/* Returns whether requests may go out again. With the lock held. */
static bool settle_renewal(const struct renewal *renewal, int status, bool is_answer)
{
    struct retry *retry = renewal->retry;
    bool is_refused = status == -E_CONNECTION_LOST || is_refusal(status);
    if (retry->renewing_on == renewal->sent_on) {
        retry->renewing_on = 0;
    }
    if (is_answer) {
        (void)heard(retry, renewal->sent_on, renewal->sent_ns, !is_refused);
    }
    if (is_refused) {
        note_refusal(retry, status, renewal->arguments.target.view, is_answer);
        return false;
    }
    bool was_probe = retry->must_probe;
    retry->must_probe = false; /* a brick that does not know RENEW is asked what there is to ask */
    return was_probe;
}

static void renewal_answered(struct rpc_reply *message, void *context)
{
    AUTO_FREE struct renewal *renewal = context;
    struct retry *retry = renewal->retry;
    struct reply reply;
    int status = message->status ? message->status : brick_client_decode(message, &reply);
    bool is_answer = status == 0;
    bool is_to_resume;
    {
        AUTO_LOCK(&retry->route->lock);
        is_to_resume = settle_renewal(renewal, is_answer ? reply.status : status, is_answer);
    }
    if (is_to_resume) {
        pump(retry);
    }
}

/* With the lock held. */
static bool is_renewal_due(const struct retry *retry, uint64_t now)
{
    const struct route *route = retry->route;
    if (!route_is_ready(route) || retry->renewing_on == route->readied) {
        return false;
    }
    if (retry->must_probe) {
        return retry->first && now >= retry->resend_at_ns;
    }
    bool is_of_use =
        retry->first || (route->wants_grants && now < retry->granted_ns + GRANT_MS_MAX * NS_PER_MS);
    return is_of_use && now >= retry->asked_ns + RENEW_MS * NS_PER_MS;
}

static struct renewal *renewal_begin(struct retry *retry)
{
    uint64_t now = now_ns();
    struct route *route = retry->route;
    AUTO_LOCK(&route->lock);
    struct renewal *renewal = is_renewal_due(retry, now) ? malloc(sizeof(*renewal)) : NULL;
    if (renewal) {
        *renewal = (struct renewal){
            .retry = retry,
            .connection = route_connection(route),
            .arguments.target = {.set = route->spec.view.set, .view = route->spec.view.number},
            .sent_ns = now,
            .sent_on = route->readied,
        };
        retry->renewing_on = route->readied;
    }
    return renewal;
}

static void renew(struct retry *retry)
{
    struct renewal *renewal = renewal_begin(retry);
    if (!renewal) {
        return;
    }
    struct rpc_connection *connection = TAKE(renewal->connection);
    uint64_t sent_on = renewal->sent_on;
    const struct rpc_call_request request = {
        .program = TRIVET_BRICK,
        .version = TRIVET_BRICK_V1,
        .procedure = BRICK_RENEW,
        .encode = (xdrproc_t)xdr_brick_renew_args,
        .arguments = &renewal->arguments,
        .callback = renewal_answered,
        .context = renewal,
    };
    if (rpc_call_start(connection, &request) != 0) {
        AUTO_LOCK(&retry->route->lock);
        retry->renewing_on = retry->renewing_on == sent_on ? 0 : retry->renewing_on;
        free(renewal); /* no callback; the next tick tries again */
    }
    rpc_connection_put(connection);
}

/* ---- giving up ------------------------------------------------------------------------------- */

/* With the lock held. Returns the request if it is to be completed by the caller. */
static struct volume_request *try_give_up(struct retry *retry, struct attempt *attempt, int status)
{
    if (attempt->is_sending) {
        attempt->given_up = attempt->given_up ? attempt->given_up : status;
        return NULL;
    }
    return give_up(retry, attempt, status);
}

static void complete_unknown(struct retry *retry, struct volume_request *request)
{
    object_cache_unknown(retry->cache, request, now_ns());
    name_cache_learn(retry->names, request, 0);
    volume_complete(request);
}

void retry_cancel(struct retry *retry, struct volume_request *request, int status)
{
    struct volume_request *ended = NULL;
    {
        AUTO_LOCK(&retry->route->lock);
        if (request->internal) {
            ended = try_give_up(retry, request->internal, status);
        }
    }
    if (ended) {
        complete_unknown(retry, ended);
    }
}

/* The first request that can be given up: all, or those that started before. */
static struct volume_request *give_up_first(struct retry *retry, uint64_t started_before,
                                            int status)
{
    AUTO_LOCK(&retry->route->lock);
    struct volume_request *next;
    for (struct volume_request *request = retry->first; request; request = next) {
        next = request->next;
        if (request->started_ns >= started_before) {
            return NULL; /* as are all behind it */
        }
        struct volume_request *ended = try_give_up(retry, request->internal, status);
        if (ended) {
            return ended;
        }
    }
    return NULL;
}

void retry_cancel_all(struct retry *retry, int status)
{
    struct volume_request *request;
    while ((request = give_up_first(retry, UINT64_MAX, status))) {
        complete_unknown(retry, request);
    }
}

/* ---- time ------------------------------------------------------------------------------------ */

void retry_resume(struct retry *retry)
{
    {
        AUTO_LOCK(&retry->route->lock);
        retry->resend_at_ns = 0;
        retry->refused_ns = 0;
        retry->must_probe = false;
        retry->heard_ns = retry->asked_ns = now_ns();
    }
    pump(retry);
}

/* Whether the volume answers: the primary is there, and requests are not met with silence. */
static void judge_silence(struct retry *retry, uint64_t now)
{
    if (!retry->first || retry->answers_seen != retry->answer_count) {
        retry->silent_since_ns = now;
    }
    retry->answers_seen = retry->answer_count;
    bool answers =
        route_is_ready(retry->route) && now - retry->silent_since_ns <= SILENCE_MS_MAX * NS_PER_MS;
    __atomic_store_n(&retry->answers, answers, __ATOMIC_RELAXED);
}

/* Whether the primary has let calls wait without a word, so that a newer view is looked for. */
static void judge_quiet(struct retry *retry, uint64_t now)
{
    const struct route *route = retry->route;
    bool is_waiting = retry->first || retry->renewing_on == route->readied;
    if (!route_is_ready(route) || !is_waiting) {
        retry->heard_ns = now;
    } else if (now > retry->heard_ns + QUIET_MS * NS_PER_MS) {
        route_silent(retry->route, true);
    }
}

void retry_tick(struct retry *retry)
{
    uint64_t now = now_ns();
    bool is_due;
    {
        AUTO_LOCK(&retry->route->lock);
        judge_silence(retry, now);
        judge_quiet(retry, now);
        is_due = retry->waiting.first || retry->slotless.first;
    }
    if (retry->wait_timeout_ns && now > retry->wait_timeout_ns) {
        struct volume_request *request;
        while ((request = give_up_first(retry, now - retry->wait_timeout_ns, -ETIMEDOUT))) {
            complete_unknown(retry, request);
        }
    }
    renew(retry);
    if (is_due) {
        pump(retry);
    }
}

bool retry_answers(const struct retry *retry)
{
    return __atomic_load_n(&retry->answers, __ATOMIC_RELAXED);
}

/* ---- life ------------------------------------------------------------------------------------ */

void retry_init(struct retry *retry, struct route *route, struct object_cache *cache,
                struct name_cache *names, unsigned wait_timeout_ms)
{
    *retry = (struct retry){
        .route = route,
        .cache = cache,
        .names = names,
        .wait_timeout_ns = wait_timeout_ms * NS_PER_MS,
        .silent_since_ns = now_ns(),
    };
}

void retry_release(struct retry *retry)
{
    PRE(!retry->first);
    for (struct attempt_chunk *chunk = retry->chunks; chunk;) {
        struct attempt_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    retry->chunks = NULL;
}
