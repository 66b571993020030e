/*
 * Live volumes: the records of sets. trivetd makes the first view itself, bricks propose the
 * others; each is a compare-and-swap in the cluster store, on a worker, one after the other in the
 * order in which they came. See live.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mgmt/live.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/base/check.h"
#include "backend/base/clock.h"
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"

struct record_work {
    struct record_work *next;
    void (*run)(struct live *live, struct record_work *work);
    struct rpc_call *call;         /* NULL: nobody waits for an answer */
    struct mgmt_propose_args args; /* level and volume of all, the rest of a proposal */
};

/* A record as the store has it. */
struct record {
    struct volume_definition definition;
    struct view view;
    struct view_change change;
    uint64_t version;
};

/* ---- the queue ----------------------------------------------------------------------------- */

/* Returns NULL, and nobody works any more, if there is nothing left. */
static struct record_work *work_take(struct live *live)
{
    AUTO_LOCK(&live->lock);
    struct record_work *work = live->works;
    if (!work) {
        live->is_working = false;
        return NULL;
    }
    live->works = work->next;
    if (!live->works) {
        live->works_end = &live->works;
    }
    live->work_count--;
    return work;
}

static void works_run(void *context)
{
    struct live *live = context;
    struct record_work *work;
    while ((work = work_take(live)) != NULL) {
        work->run(live, work);
        free(work);
    }
}

/* Takes work. Fails: -E_OVERLOADED. */
static int work_put(struct live *live, struct record_work *work)
{
    bool begins = false;
    {
        AUTO_LOCK(&live->lock);
        if (live->work_count >= RECORD_WORKS_MAX) {
            free(work);
            return -E_OVERLOADED;
        }
        *live->works_end = work;
        live->works_end = &work->next;
        live->work_count++;
        begins = !live->is_working;
        live->is_working = true;
    }
    if (begins) {
        rpc_offload(live->loop, works_run, live);
    }
    return 0;
}

/* ---- reading and writing ------------------------------------------------------------------- */

static void record_spec(const struct record *record, struct volume_spec *out_spec)
{
    const struct live_volume volume = {.definition = record->definition, .view = record->view};
    live_spec(&volume, out_spec);
}

/* Read the store; if memory lags behind, since an earlier write's outcome was not known, it is
 * brought along, and everybody is told. */
static int record_read(struct live *live, const struct volume_definition *definition,
                       struct record *out_record)
{
    out_record->definition = *definition;
    int status = view_load(live->store, definition, 0, &out_record->view, &out_record->change,
                           &out_record->version);
    if (status) {
        log_error("volume %s: its view cannot be read: %s", definition->name, error_text(status));
        return -EIO;
    }
    bool is_behind = false;
    {
        AUTO_LOCK(&live->lock);
        const struct live_volume *volume = live_find_id(live, &definition->id);
        is_behind = volume && volume->view_version < out_record->version;
    }
    if (is_behind) {
        live_follow(live, definition->name);
    }
    return 0;
}

/* What led to the change, by when it happened: the earliest loss or return of a brick that has
 * changed in it, since the view before. Lock held. */
struct cause {
    uint64_t at_ns; /* 0: none is known */
    uint32_t brick;
    const char *how;
};

static void cause_consider(struct cause *cause, uint64_t since_ns, uint64_t at_ns, uint32_t brick,
                           const char *how)
{
    if (at_ns > since_ns && (cause->at_ns == 0 || at_ns < cause->at_ns)) {
        *cause = (struct cause){.at_ns = at_ns, .brick = brick, .how = how};
    }
}

static struct cause find_cause(const struct live_volume *volume, const struct view *to)
{
    const struct view *from = &volume->view;
    struct cause cause = {.at_ns = 0};
    for (uint32_t i = 0; i < to->member_count; i++) {
        const struct live_brick *brick = &volume->bricks[i];
        bool was = from->number > 0 && from->members[i].state == MEMBER_IN_SYNC;
        bool is = to->members[i].state == MEMBER_IN_SYNC;
        bool is_new = is && (!was || from->members[i].incarnation != to->members[i].incarnation);
        bool is_replaced = was && from->primary == i && to->primary != i;
        if ((was && !is) || is_replaced) {
            cause_consider(&cause, volume->view_ns, brick->lost_ns, i, brick->lost_how);
        }
        if (is_new) {
            cause_consider(&cause, volume->view_ns, brick->came_ns, i, "registered");
        }
    }
    return cause;
}

/* "; 312 ms after brick gv0-0 ended", or "" if nothing is known. */
static void cause_format(const struct cause *cause, const char *volume, char *out_text, size_t size)
{
    out_text[0] = '\0';
    if (cause->at_ns > 0) {
        uint64_t took_ms = (clock_monotonic_ns(clock_real()) - cause->at_ns) / NS_PER_MS;
        snprintf(out_text, size, "; %" PRIu64 " ms after brick %s-%u %s", took_ms, volume,
                 cause->brick, cause->how);
    }
}

/* Replace the record by next. proposer NULL: trivetd itself. Fails: as view_save. */
static int record_replace(struct live *live, struct record *record, const struct view *next,
                          const uint32_t *proposer)
{
    const char *name = record->definition.name;
    struct view_change change = {.since_ms = clock_wall_ns(clock_real()) / NS_PER_MS};
    view_describe_change(name, &record->view, next, change.why);
    struct cause cause = {.at_ns = 0};
    {
        AUTO_LOCK(&live->lock);
        const struct live_volume *volume = live_find_id(live, &record->definition.id);
        if (volume) {
            cause = find_cause(volume, next);
        }
    }
    int status = view_save(live->store, &record->definition, next, &change, record->version);
    if (status) {
        return status;
    }
    char by[VOLUME_NAME_MAX + 32] = "trivetd";
    char took[VOLUME_NAME_MAX + 80];
    if (proposer) {
        snprintf(by, sizeof(by), "brick %s-%u", name, *proposer);
    }
    cause_format(&cause, name, took, sizeof(took));
    log_info("volume %s: view %" PRIu64 " by %s: %s%s", name, next->number, by, change.why, took);
    record->view = *next;
    record->change = change;
    return 0;
}

/* ---- the first view ------------------------------------------------------------------------ */

/* Lock held. */
static bool is_complete(const struct live_volume *volume)
{
    for (uint32_t i = 0; i < volume->definition.brick_count; i++) {
        if (!volume->bricks[i].said.is_registered) {
            return false;
        }
    }
    return volume->definition.started && volume->view.number == 0;
}

static void begin_run(struct live *live, struct record_work *work)
{
    struct volume_definition definition;
    struct view next;
    {
        AUTO_LOCK(&live->lock);
        const struct live_volume *volume = live_find_id(live, &work->args.volume);
        struct candidate candidates[SET_MEMBERS_MAX];
        for (uint32_t i = 0; volume && i < SET_MEMBERS_MAX; i++) {
            candidates[i] = volume->bricks[i].said;
        }
        if (!volume || live->stopping || !is_complete(volume) ||
            !view_first(&volume->definition, candidates, &next)) {
            return;
        }
        definition = volume->definition;
    }
    struct record record;
    int status = record_read(live, &definition, &record);
    if (status == 0 && record.view.number == 0) {
        status = record_replace(live, &record, &next, NULL);
    }
    if (status) {
        log_error("volume %s: its first view could not be stored: %s; trying again",
                  definition.name, error_text(status));
    }
}

void live_begin(struct live *live, const struct volume_id *id)
{
    {
        AUTO_LOCK(&live->lock);
        const struct live_volume *volume = live_find_id(live, id);
        if (!volume || live->stopping || !is_complete(volume)) {
            return;
        }
    }
    struct record_work *work = calloc(1, sizeof(*work));
    INVARIANT(work != NULL);
    work->run = begin_run;
    work->args.volume = *id;
    (void)work_put(live, work); /* if there are too many, the next tick tries again */
}

/* ---- proposals ----------------------------------------------------------------------------- */

/* Whether the call is of a brick that is registered on its connection; any brick of the volume if
 * proposal is NULL. Lock held. */
static int check_caller(struct live *live, struct rpc_call *call, unsigned level,
                        const struct volume_id *id, const struct mgmt_propose_args *proposal,
                        struct volume_definition *out_definition)
{
    const struct live_volume *volume = live_find_id(live, id);
    if (level != PROTOCOL_LEVEL) {
        return -E_BAD_PROTOCOL;
    }
    if (!volume) {
        return -E_UNKNOWN_VOLUME;
    }
    *out_definition = volume->definition;
    for (uint32_t i = 0; i < volume->definition.brick_count; i++) {
        const struct live_brick *brick = &volume->bricks[i];
        if (brick->connection && brick->connection == rpc_call_connection(call) &&
            (!proposal ||
             (proposal->brick == i && proposal->incarnation == brick->said.incarnation))) {
            return volume->definition.started ? 0 : -E_VOLUME_STOPPED;
        }
    }
    return -EPERM;
}

/* Do as proposed, if that is possible. *out_spec is written unless the status is -EIO. */
static int propose(struct live *live, const struct mgmt_propose_args *args,
                   const struct volume_definition *definition, struct volume_spec *out_spec)
{
    struct record record;
    int status = record_read(live, definition, &record);
    if (status) {
        return status;
    }
    if (record.view.number != args->number || record.view.renewals != args->renewals) {
        record_spec(&record, out_spec);
        return -E_VERSION_CONFLICT;
    }
    const char *wrong =
        view_check_successor(definition, &record.view, &args->view, args->brick, args->incarnation);
    if (wrong) {
        log_warn("volume %s: view %" PRIu64 ", proposed by brick %s-%u, is refused: %s",
                 definition->name, args->view.number, definition->name, args->brick, wrong);
        record_spec(&record, out_spec);
        return -EINVAL;
    }
    status = record_replace(live, &record, &args->view, &args->brick);
    if (status == -E_VERSION_CONFLICT) {
        /* Not by another proposal, which would have come before or after. */
        int read = record_read(live, definition, &record);
        status = read ? read : status;
    } else if (status) {
        log_error("volume %s: view %" PRIu64 " could not be stored: %s", definition->name,
                  args->view.number, error_text(status));
        return -EIO;
    }
    if (status != -EIO) {
        record_spec(&record, out_spec);
    }
    return status;
}

static void answer_proposal(struct rpc_call *call, const struct mgmt_propose_reply *reply)
{
    rpc_call_reply(call, (xdrproc_t)xdr_mgmt_propose_reply, reply, NULL);
}

static void propose_run(struct live *live, struct record_work *work)
{
    struct mgmt_propose_reply reply = {.status = 0};
    struct volume_definition definition;
    const struct mgmt_propose_args *args = &work->args;
    {
        /* Again: its process may have ended meanwhile, or begun anew. */
        AUTO_LOCK(&live->lock);
        reply.status = live->stopping ? -ECANCELED
                                      : check_caller(live, work->call, args->level, &args->volume,
                                                     args, &definition);
    }
    if (reply.status == 0) {
        reply.status = propose(live, args, &definition, &reply.spec);
    }
    answer_proposal(work->call, &reply);
}

void live_propose(struct live *live, struct rpc_call *call, const struct mgmt_propose_args *args)
{
    struct mgmt_propose_reply reply = {.status = 0};
    struct volume_definition definition;
    {
        AUTO_LOCK(&live->lock);
        reply.status = check_caller(live, call, args->level, &args->volume, args, &definition);
    }
    struct record_work *work = reply.status == 0 ? malloc(sizeof(*work)) : NULL;
    if (work) {
        *work = (struct record_work){.run = propose_run, .call = call, .args = *args};
        reply.status = work_put(live, work);
        if (reply.status == 0) {
            return;
        }
    } else if (reply.status == 0) {
        reply.status = -E_OVERLOADED;
    }
    log_warn("volume's view, proposed from %s, is refused: %s",
             rpc_connection_name(rpc_call_connection(call)), error_text(reply.status));
    answer_proposal(call, &reply);
}

/* ---- readings ------------------------------------------------------------------------------ */

static void answer_reading(struct rpc_call *call, const struct mgmt_current_reply *reply)
{
    rpc_call_reply(call, (xdrproc_t)xdr_mgmt_current_reply, reply, NULL);
}

static void current_run(struct live *live, struct record_work *work)
{
    struct mgmt_current_reply reply = {.status = 0};
    struct record record;
    struct volume_definition definition;
    const struct mgmt_propose_args *args = &work->args;
    {
        AUTO_LOCK(&live->lock);
        reply.status =
            check_caller(live, work->call, args->level, &args->volume, NULL, &definition);
    }
    if (reply.status == 0) {
        reply.status = record_read(live, &definition, &record);
    }
    if (reply.status == 0) {
        record_spec(&record, &reply.spec);
    }
    answer_reading(work->call, &reply);
}

void live_answer_current(struct live *live, struct rpc_call *call,
                         const struct mgmt_current_args *args)
{
    struct mgmt_current_reply reply = {.status = 0};
    struct volume_definition definition;
    {
        AUTO_LOCK(&live->lock);
        reply.status = check_caller(live, call, args->level, &args->volume, NULL, &definition);
    }
    struct record_work *work = reply.status == 0 ? calloc(1, sizeof(*work)) : NULL;
    if (work) {
        work->run = current_run;
        work->call = call;
        work->args.level = args->level;
        work->args.volume = args->volume;
        reply.status = work_put(live, work);
        if (reply.status == 0) {
            return;
        }
    } else if (reply.status == 0) {
        reply.status = -E_OVERLOADED;
    }
    answer_reading(call, &reply);
}
