/*
 * The requests of a replicated volume that are not answered yet: which slot and id each has, which
 * wait for the primary, which were sent, and what a refusal or a lost connection means for them.
 * Whatever happens to connections and views, a request is sent again under the same id until it has
 * an answer, its caller gives up, or its time is over.
 *
 *     submit → (waiting) → sent → answered
 *                 ↑_________|   refused by a brick that cannot answer now, or connection lost
 *
 * A mutation takes a slot when it is first sent and keeps it until it is answered. When the caller
 * gives up on one that was sent, the attempt lives on without its request until the answer comes or
 * the connection is gone; only then is the slot used again, with the next sequence, at which a
 * brick refuses the old one.
 *
 * A set that refuses everything is not sent everything again and again: RENEW, which asks nothing
 * else, finds out when it answers. RENEW is also what holds the session's lease up while the client
 * is idle, and tells a primary that is silent from one that is busy with what it was sent.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_GATEWAY_RETRY_H
#define TRIVET_GATEWAY_RETRY_H

#include "gateway/name_cache.h"
#include "gateway/object_cache.h"
#include "gateway/route.h"
#include "gateway/trivet.h"

struct attempt;

struct attempt_list {
    struct attempt *first, *last;
};

/* Guarded by route->lock. Requests are linked in the order of their start. */
struct retry {
    struct route *route;
    struct object_cache *cache; /* learns from every answer, as does names */
    struct name_cache *names;
    uint64_t wait_timeout_ns; /* 0: forever */
    struct volume_request *first, *last;
    struct attempt_list waiting;  /* to be sent when the primary is ready */
    struct attempt_list slotless; /* … and a slot is free */
    struct attempt *pool;
    struct attempt_chunk *chunks;
    uint32_t attempt_count; /* ever made: VOLUME_REQUESTS_MAX is the bound */
    uint64_t resend_at_ns;  /* after a refusal nothing is sent before; 0: at once */
    uint64_t refused_ns;    /* since when only refusals have come; 0: there was an answer */
    bool must_probe;        /* and then only when a RENEW was answered */
    uint64_t renewing_on;   /* the connection (route->readied) that a RENEW is under way on */
    uint64_t asked_ns;   /* when the latest call was sent that has an answer on this connection */
    uint64_t heard_ns;   /* when the primary last answered, or nothing was waited for */
    uint64_t granted_ns; /* when it last granted something */
    uint64_t sequences[SESSION_SLOTS];
    uint16_t free_slots[SESSION_SLOTS];
    uint32_t free_count, slots_used; /* slots_used: the lowest number never taken */
    uint64_t resent;                 /* for the counters */
    uint64_t answer_count, answers_seen;
    uint64_t silent_since_ns;
    bool answers; /* also read without the lock, atomically */
};

void retry_init(struct retry *retry, struct route *route, struct object_cache *cache,
                struct name_cache *names, unsigned wait_timeout_ms);
/* After the loop has stopped; every request has completed. */
void retry_release(struct retry *retry);

void retry_submit(struct retry *retry, struct volume_request *request);
void retry_cancel(struct retry *retry, struct volume_request *request, int status);
void retry_cancel_all(struct retry *retry, int status);

/* The route is ready, perhaps in a new view: send what waits, at once. */
void retry_resume(struct retry *retry);
/* On every tick: pauses and time-outs that are over. */
void retry_tick(struct retry *retry);

bool retry_answers(const struct retry *retry);

#endif
