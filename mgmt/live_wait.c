/*
 * Live volumes: clients that ask for a volume, and wait for its next view. See live.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mgmt/live.h"

#include <string.h>

#include "backend/base/check.h"
#include "backend/base/clock.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/base/text.h"

/* A call that is not answered yet. */
struct waiter {
    struct waiter *next;
    struct rpc_call *call;
    char name[VOLUME_NAME_MAX + 1];
    struct volume_id id; /* of the volume as it was asked for */
    uint64_t known_view;
    uint64_t end_ns;
};

static void answer(struct rpc_call *call, const struct mgmt_volume_reply *reply)
{
    rpc_call_reply(call, (xdrproc_t)xdr_mgmt_volume_reply, reply, NULL);
}

/* What there is to say of a volume. Lock held. */
static void volume_reply(struct live *live, const char *name, struct mgmt_volume_reply *out_reply)
{
    *out_reply = (struct mgmt_volume_reply){.status = 0};
    const struct live_volume *volume = live_find(live, name);
    if (!volume) {
        out_reply->status = -E_UNKNOWN_VOLUME;
        return;
    }
    live_spec(volume, &out_reply->spec);
    if (!volume->definition.started) {
        out_reply->status = -E_VOLUME_STOPPED;
    }
}

/* ---- asking -------------------------------------------------------------------------------- */

/* Lock held. Returns false if there is no room. */
static bool park(struct live *live, struct rpc_call *call, const struct mgmt_volume_args *args,
                 const struct volume_spec *spec)
{
    struct waiter *waiter =
        live->waiter_count < VOLUME_WAITERS_MAX ? malloc(sizeof(*waiter)) : NULL;
    if (!waiter) {
        return false;
    }
    uint64_t wait_ms = args->wait_ms < VOLUME_WAIT_MS_MAX ? args->wait_ms : VOLUME_WAIT_MS_MAX;
    *waiter = (struct waiter){
        .next = live->waiters,
        .call = call,
        .id = spec->id,
        .known_view = args->known_view,
        .end_ns = clock_monotonic_ns(clock_real()) + wait_ms * NS_PER_MS,
    };
    text_copy(waiter->name, sizeof(waiter->name), spec->name);
    live->waiters = waiter;
    live->waiter_count++;
    return true;
}

void live_answer_volume(struct live *live, struct rpc_call *call,
                        const struct mgmt_volume_args *args)
{
    struct mgmt_volume_reply reply;
    {
        AUTO_LOCK(&live->lock);
        volume_reply(live, args->name, &reply);
        if (args->level != PROTOCOL_LEVEL) {
            reply = (struct mgmt_volume_reply){.status = -E_BAD_PROTOCOL};
        }
        bool is_news = args->known_view == 0 || reply.spec.view.number > args->known_view;
        if (reply.status == 0 && !is_news && args->wait_ms > 0 && !live->stopping) {
            if (park(live, call, args, &reply.spec)) {
                return;
            }
            reply.status = -E_OVERLOADED;
        }
    }
    answer(call, &reply);
}

/* ---- answering ----------------------------------------------------------------------------- */

/* Lock held. */
static bool is_over(struct live *live, const struct waiter *waiter, uint64_t now_ns)
{
    const struct live_volume *volume = live_find_id(live, &waiter->id);
    return live->stopping || waiter->end_ns <= now_ns || !volume || !volume->definition.started ||
           volume->view.number > waiter->known_view;
}

/* Take those whose wait is over, or who asked on the connection that was lost, out of the list. */
static struct waiter *take_over(struct live *live, const struct rpc_connection *lost)
{
    uint64_t now_ns = clock_monotonic_ns(clock_real());
    struct waiter *taken = NULL;
    AUTO_LOCK(&live->lock);
    for (struct waiter **link = &live->waiters; *link;) {
        struct waiter *waiter = *link;
        bool is_taken =
            lost ? rpc_call_connection(waiter->call) == lost : is_over(live, waiter, now_ns);
        if (!is_taken) {
            link = &waiter->next;
            continue;
        }
        *link = waiter->next;
        live->waiter_count--;
        waiter->next = taken;
        taken = waiter;
    }
    return taken;
}

void live_answer_waiters(struct live *live, const struct rpc_connection *lost)
{
    struct waiter *waiter = take_over(live, lost);
    while (waiter) {
        struct waiter *next = waiter->next;
        if (lost) {
            rpc_call_drop(waiter->call);
        } else {
            struct mgmt_volume_reply reply;
            {
                AUTO_LOCK(&live->lock);
                volume_reply(live, waiter->name, &reply);
            }
            answer(waiter->call, &reply);
        }
        free(waiter);
        waiter = next;
    }
}
