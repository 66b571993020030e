/*
 * The virtual cluster. See sim_cluster.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/lib/sim_cluster.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/proto/dirent.h"
#include "backend/proto/packed.h"

#define DIAL_PAUSE_MS 20
#define WALL_START_NS (UINT64_C(1700000000) * NS_PER_S)

enum sim_event_kind { SIM_APPLIED, SIM_DIAL, SIM_OPENED, SIM_OPERATION, SIM_ACK };

struct sim_event {
    uint64_t at_ms, sequence;
    enum sim_event_kind kind;
    uint32_t from, to;
    uint64_t index, view, incarnation;
    uint64_t generation; /* of the receiver's process */
    uint64_t stream;     /* of the primary's stream it belongs to */
    struct sim_event *next;
};

static uint64_t sim_monotonic(struct clock *clock)
{
    return ((struct sim_cluster *)clock)->now_ms * NS_PER_MS;
}

static uint64_t sim_wall(struct clock *clock)
{
    return WALL_START_NS + sim_monotonic(clock);
}

static void __attribute__((format(printf, 3, 4))) say(struct sim_cluster *sim, uint32_t member,
                                                      const char *format, ...)
{
    if (!sim->tracing || sim->trace_size > sizeof sim->trace - 256) {
        return;
    }
    char *at = sim->trace + sim->trace_size;
    int size = snprintf(at, 64, "[%5llu] %u > ", (unsigned long long)sim->now_ms, member);
    va_list arguments;
    va_start(arguments, format);
    size += vsnprintf(at + size, 128, format, arguments);
    va_end(arguments);
    at[size++] = '\n';
    at[size] = '\0';
    sim->trace_size += (size_t)size;
}

const char *sim_trace(struct sim_cluster *sim)
{
    sim->trace_size = 0;
    return sim->trace;
}

/* ---- events -------------------------------------------------------------------------------- */

static int event_order(const struct sim_event *a, const struct sim_event *b)
{
    if (a->at_ms != b->at_ms) {
        return a->at_ms < b->at_ms ? -1 : 1;
    }
    return a->sequence < b->sequence ? -1 : 1;
}

static void schedule(struct sim_cluster *sim, unsigned delay_ms, struct sim_event event)
{
    struct sim_event *copy = malloc(sizeof *copy);
    INVARIANT(copy != NULL);
    *copy = event;
    copy->at_ms = sim->now_ms + delay_ms;
    copy->sequence = sim->sequence++;
    if (event.kind != SIM_DIAL) {
        /* Disks and connections keep their order when they become faster. */
        uint64_t *last = &sim->last_ms[event.from][event.to];
        copy->at_ms = copy->at_ms > *last ? copy->at_ms : *last;
        *last = copy->at_ms;
    }
    copy->generation = sim->members[event.to].generation;
    LL_INSERT_INORDER(sim->events, copy, event_order);
}

static void dial_later(struct sim_cluster *sim, uint32_t from, uint32_t to, unsigned delay_ms)
{
    schedule(sim, delay_ms,
             (struct sim_event){.kind = SIM_DIAL,
                                .from = to,
                                .to = from,
                                .stream = sim->members[from].streams[to].generation});
}

/* ---- effects ------------------------------------------------------------------------------- */

static void effect_send(struct sim_cluster *sim, uint32_t member,
                        const struct replica_effect *effect)
{
    struct sim_member *self = &sim->members[member];
    if (!self->streams[effect->member].open) {
        return; /* lost in the meantime; what is missing is sent when it opens again */
    }
    say(sim, member, "send %llu..%llu to %u", (unsigned long long)effect->index,
        (unsigned long long)effect->last, effect->member);
    for (uint64_t index = effect->index; index <= effect->last; index++) {
        schedule(sim, sim->link_ms[member][effect->member],
                 (struct sim_event){.kind = SIM_OPERATION,
                                    .from = member,
                                    .to = effect->member,
                                    .index = index,
                                    .view = self->replica.view.number,
                                    .stream = self->streams[effect->member].generation});
    }
}

static void effect_apply(struct sim_cluster *sim, uint32_t member, uint64_t index)
{
    struct sim_member *self = &sim->members[member];
    PRE(index == self->applying + 1);
    self->applying = index;
    schedule(sim, self->disk_ms,
             (struct sim_event){.kind = SIM_APPLIED, .from = member, .to = member, .index = index});
}

static void effect_stream(struct sim_cluster *sim, uint32_t member, uint32_t other, bool wanted)
{
    struct sim_member *self = &sim->members[member];
    self->streams[other].wanted = wanted;
    self->streams[other].open = false;
    self->streams[other].generation++;
    if (wanted) {
        dial_later(sim, member, other, 0);
    }
}

static void effect_ack(struct sim_cluster *sim, uint32_t member, uint64_t index)
{
    struct sim_member *self = &sim->members[member];
    uint32_t primary = self->replica.view.members[self->replica.view.primary].brick;
    schedule(sim, sim->link_ms[member][primary],
             (struct sim_event){.kind = SIM_ACK,
                                .from = member,
                                .to = primary,
                                .index = index,
                                .incarnation = self->incarnation,
                                .stream = sim->members[primary].streams[member].generation});
}

static void perform(struct sim_cluster *sim, uint32_t member, const struct replica_effect *effect)
{
    struct sim_member *self = &sim->members[member];
    switch (effect->kind) {
    case EFFECT_SEQUENCE: /* done by whoever brought the operation, who has it */
        break;
    case EFFECT_APPLY:
        effect_apply(sim, member, effect->index);
        break;
    case EFFECT_SEND:
        effect_send(sim, member, effect);
        break;
    case EFFECT_OPEN:
        effect_stream(sim, member, effect->member, true);
        break;
    case EFFECT_CLOSE:
        effect_stream(sim, member, effect->member, false);
        break;
    case EFFECT_COMMIT:
        say(sim, member, "commit %llu", (unsigned long long)effect->index);
        (void)store_commit(self->store, effect->index);
        if (self->replica.role != ROLE_BACKUP && effect->index > sim->acknowledged) {
            sim->acknowledged = effect->index;
        }
        break;
    case EFFECT_ACK:
        effect_ack(sim, member, effect->index);
        break;
    case EFFECT_REFUSE:
        say(sim, member, "refuse: %s", error_name(effect->status));
        break;
    case EFFECT_SERVE:
        self->serving = true;
        say(sim, member, "serve view %llu", (unsigned long long)self->replica.view.number);
        break;
    case EFFECT_SILENCE:
        self->serving = false;
        say(sim, member, "silence");
        break;
    case EFFECT_HALT:
        say(sim, member, "halt: %s", error_name(effect->status));
        break;
    }
}

void sim_step(struct sim_cluster *sim, uint32_t member, const struct replica_event *event)
{
    struct replica_effects effects;
    replica_step(&sim->members[member].replica, event, &effects);
    for (unsigned i = 0; i < effects.count; i++) {
        perform(sim, member, &effects.list[i]);
    }
}

/* ---- what happens -------------------------------------------------------------------------- */

static void happen_applied(struct sim_cluster *sim, const struct sim_event *event)
{
    struct sim_member *self = &sim->members[event->to];
    uint8_t record[OPERATION_SIZE_MAX];
    size_t size;
    struct operation operation;
    int rc = store_log_read(self->store, event->index, record, sizeof record, &size);
    INVARIANT(rc == 0);
    rc = operation_decode(slice_of(record, size), &operation);
    INVARIANT(rc == 0);
    rc = self->apply_status;
    if (rc == 0) {
        rc = store_apply(self->store, &operation, slice_of(NULL, 0));
    }
    say(sim, event->to, "applied %llu%s", (unsigned long long)event->index,
        rc < 0 ? " (failed)" : "");
    if (!self->replica.failed) {
        sim_step(sim, event->to,
                 &(struct replica_event){
                     .kind = EVENT_APPLIED, .index = event->index, .status = rc});
    }
}

/* The primary (to) dials a member (from); both directions must work for an answer. */
static void happen_dial(struct sim_cluster *sim, const struct sim_event *event)
{
    struct sim_member *self = &sim->members[event->to];
    struct sim_member *other = &sim->members[event->from];
    if (!self->streams[event->from].wanted ||
        self->streams[event->from].generation != event->stream) {
        return;
    }
    bool answers = other->alive && !sim->cut[event->to][event->from] &&
                   !sim->cut[event->from][event->to] && !other->replica.failed &&
                   other->replica.role == ROLE_BACKUP &&
                   other->replica.view.number == self->replica.view.number &&
                   other->replica.applied == other->replica.sequenced;
    if (!answers) {
        dial_later(sim, event->to, event->from, DIAL_PAUSE_MS);
        return;
    }
    schedule(sim, sim->link_ms[event->to][event->from] + sim->link_ms[event->from][event->to],
             (struct sim_event){.kind = SIM_OPENED,
                                .from = event->from,
                                .to = event->to,
                                .index = other->replica.applied,
                                .incarnation = other->incarnation,
                                .stream = event->stream});
}

static void happen_opened(struct sim_cluster *sim, const struct sim_event *event)
{
    struct sim_member *self = &sim->members[event->to];
    if (!self->streams[event->from].wanted ||
        self->streams[event->from].generation != event->stream) {
        return;
    }
    self->streams[event->from].open = true;
    say(sim, event->to, "opened %u at %llu", event->from, (unsigned long long)event->index);
    sim_step(sim, event->to,
             &(struct replica_event){.kind = EVENT_STREAM_OPENED,
                                     .member = event->from,
                                     .index = event->index,
                                     .incarnation = event->incarnation});
}

static void happen_operation(struct sim_cluster *sim, const struct sim_event *event)
{
    struct sim_member *self = &sim->members[event->to];
    struct sim_member *sender = &sim->members[event->from];
    if (sender->streams[event->to].generation != event->stream) {
        return; /* its connection is gone, and it with it */
    }
    uint8_t record[OPERATION_SIZE_MAX];
    size_t size;
    struct operation operation;
    int rc = store_log_read(sender->store, event->index, record, sizeof record, &size);
    INVARIANT(rc == 0);
    rc = operation_decode(slice_of(record, size), &operation);
    INVARIANT(rc == 0);
    uint64_t before = self->replica.sequenced;
    struct replica_event append = {
        .kind = EVENT_APPEND, .view_number = event->view, .index = event->index};
    struct replica_effects effects;
    replica_step(&self->replica, &append, &effects);
    if (self->replica.sequenced > before) {
        rc = store_sequence(self->store, &operation, slice_of(record, size));
        INVARIANT(rc == 0);
    }
    for (unsigned i = 0; i < effects.count; i++) {
        perform(sim, event->to, &effects.list[i]);
    }
}

static void happen_ack(struct sim_cluster *sim, const struct sim_event *event)
{
    if (sim->members[event->to].streams[event->from].generation != event->stream ||
        !sim->members[event->to].streams[event->from].open) {
        return;
    }
    sim_step(sim, event->to,
             &(struct replica_event){.kind = EVENT_ACK,
                                     .member = event->from,
                                     .index = event->index,
                                     .incarnation = event->incarnation});
}

static void happen(struct sim_cluster *sim, const struct sim_event *event)
{
    static void (*const handlers[])(struct sim_cluster *, const struct sim_event *) = {
        [SIM_APPLIED] = happen_applied, [SIM_DIAL] = happen_dial,
        [SIM_OPENED] = happen_opened,   [SIM_OPERATION] = happen_operation,
        [SIM_ACK] = happen_ack,
    };
    struct sim_member *self = &sim->members[event->to];
    if (self->alive && self->generation == event->generation) {
        handlers[event->kind](sim, event);
    }
}

void sim_run_until(struct sim_cluster *sim, uint64_t ms)
{
    while (sim->events && sim->events->at_ms <= ms) {
        struct sim_event *event = sim->events;
        LL_DELETE(sim->events, event);
        sim->now_ms = event->at_ms;
        happen(sim, event);
        free(event);
    }
    sim->now_ms = ms;
}

void sim_run(struct sim_cluster *sim)
{
    for (;;) {
        struct sim_event *event = NULL;
        LL_FOREACH (sim->events, event) {
            if (event->kind != SIM_DIAL) {
                break;
            }
        }
        /* Dials alone change nothing any more once each has failed after the last other event. */
        uint64_t until = event ? event->at_ms : sim->now_ms + 3 * DIAL_PAUSE_MS;
        bool settled = event == NULL;
        sim_run_until(sim, until);
        if (settled) {
            LL_FOREACH (sim->events, event) {
                if (event->kind != SIM_DIAL) {
                    break;
                }
            }
            if (!event) {
                return;
            }
        }
    }
}

/* ---- the outside --------------------------------------------------------------------------- */

static struct store_identity identity_of(uint32_t member)
{
    return (struct store_identity){
        .volume = {{7}}, .volume_name = "sim", .brick = member, .disk_id = member + 1};
}

struct sim_cluster *sim_new(void)
{
    struct sim_cluster *sim = calloc(1, sizeof *sim);
    INVARIANT(sim != NULL);
    sim->clock = (struct clock){.monotonic_ns = sim_monotonic, .wall_ns = sim_wall};
    sim->tracing = true;
    for (uint32_t i = 0; i < SIM_MEMBERS; i++) {
        struct sim_member *member = &sim->members[i];
        struct store_identity identity = identity_of(i);
        member->cluster = sim;
        int rc = memory_store_open(&identity, &sim->clock, &member->store);
        INVARIANT(rc == 0);
        member->disk_ms = 1;
        for (uint32_t j = 0; j < SIM_MEMBERS; j++) {
            sim->link_ms[i][j] = 10;
        }
        sim_restart(sim, i);
    }
    sim->view.member_count = SIM_MEMBERS;
    sim->view.volatile_epoch = 1;
    return sim;
}

void sim_free(struct sim_cluster *sim)
{
    for (uint32_t i = 0; i < SIM_MEMBERS; i++) {
        store_close(sim->members[i].store);
    }
    struct sim_event *event, *next;
    LL_FOREACH_SAFE (sim->events, event, next) {
        free(event);
    }
    free(sim);
}

void sim_view(struct sim_cluster *sim, uint32_t primary)
{
    sim->view.number++;
    sim->view.primary = primary;
    for (uint32_t i = 0; i < SIM_MEMBERS; i++) {
        sim->view.members[i].brick = i;
        sim->view.members[i].state = MEMBER_IN_SYNC;
        sim->view.members[i].incarnation = sim->members[i].incarnation;
    }
    for (uint32_t i = 0; i < SIM_MEMBERS; i++) {
        if (sim->members[i].alive) {
            sim_step(sim, i, &(struct replica_event){.kind = EVENT_VIEW, .view = &sim->view});
        }
    }
}

int sim_primary(const struct sim_cluster *sim)
{
    for (uint32_t i = 0; i < SIM_MEMBERS; i++) {
        if (sim->members[i].alive && sim->members[i].serving) {
            return (int)i;
        }
    }
    return -1;
}

int64_t sim_submit(struct sim_cluster *sim, const struct mutation *mutation)
{
    int primary = sim_primary(sim);
    if (primary < 0) {
        return -E_NOT_PRIMARY;
    }
    struct sim_member *self = &sim->members[primary];
    struct decision decision = {
        .index = self->replica.sequenced + 1,
        .view = self->replica.view.number,
        .now_ns = sim->clock.wall_ns(&sim->clock),
        .bytes_free = UINT64_C(1) << 40,
    };
    struct operation operation = {0};
    uint8_t record[OPERATION_SIZE_MAX];
    size_t size;
    int rc = store_decide(self->store, mutation, &decision, &operation);
    if (rc < 0 || operation.kind == OPERATION_NONE) {
        return rc;
    }
    rc = operation_encode(&operation, record, sizeof record, &size);
    INVARIANT(rc == 0);
    rc = store_sequence(self->store, &operation, slice_of(record, size));
    INVARIANT(rc == 0);
    say(sim, (uint32_t)primary, "submit %llu", (unsigned long long)decision.index);
    sim_step(sim, (uint32_t)primary,
             &(struct replica_event){.kind = EVENT_SUBMIT, .index = decision.index});
    return (int64_t)decision.index;
}

int64_t sim_make(struct sim_cluster *sim, const char *name)
{
    struct mutation mutation = {
        .kind = MUTATION_MAKE,
        .cred = {.flags = CRED_CHECKED},
        .parent = GFID_ROOT,
        .name = slice_text(name),
        .type = OBJECT_FILE,
        .how = CREATE_GUARDED,
        .change = {.mask = ATTR_MODE, .mode = 0644},
    };
    return sim_submit(sim, &mutation);
}

void sim_crash(struct sim_cluster *sim, uint32_t member)
{
    struct sim_member *self = &sim->members[member];
    say(sim, member, "crash");
    self->alive = false;
    self->serving = false;
    for (uint32_t i = 0; i < SIM_MEMBERS; i++) {
        self->streams[i].wanted = false;
        self->streams[i].generation++;
        if (i != member && sim->members[i].streams[member].wanted) {
            sim_cut(sim, i, member, sim->cut[i][member]); /* its streams break */
        }
    }
}

void sim_restart(struct sim_cluster *sim, uint32_t member)
{
    struct sim_member *self = &sim->members[member];
    struct store_position position;
    self->generation++;
    self->incarnation = member * 1000 + self->generation;
    self->alive = true;
    self->serving = false;
    /* The process replays what its log has and its tree has not. */
    store_position(self->store, &position);
    for (uint64_t index = position.applied + 1; index <= position.sequenced; index++) {
        uint8_t record[OPERATION_SIZE_MAX];
        size_t size;
        struct operation operation;
        int rc = store_log_read(self->store, index, record, sizeof record, &size);
        INVARIANT(rc == 0 && operation_decode(slice_of(record, size), &operation) == 0);
        rc = store_apply(self->store, &operation, slice_of(NULL, 0));
        INVARIANT(rc == 0);
    }
    replica_init(&self->replica, member, self->incarnation, position.sequenced,
                 position.committed);
    self->applying = position.sequenced;
    if (self->generation > 1) {
        say(sim, member, "restart at %llu", (unsigned long long)position.sequenced);
    }
}

void sim_cut(struct sim_cluster *sim, uint32_t a, uint32_t b, bool cut)
{
    sim->cut[a][b] = cut;
    sim->cut[b][a] = cut;
    for (int turn = 0; turn < 2; turn++) {
        uint32_t from = turn ? a : b, to = turn ? b : a;
        struct sim_member *self = &sim->members[from];
        if (self->alive && self->streams[to].wanted) {
            self->streams[to].open = false;
            self->streams[to].generation++;
            sim_step(sim, from,
                     &(struct replica_event){.kind = EVENT_STREAM_LOST, .member = to});
        }
    }
}

/* ---- checks -------------------------------------------------------------------------------- */

const char *sim_check(struct sim_cluster *sim)
{
    uint64_t committed = 0;
    uint32_t highest = 0;
    for (uint32_t i = 0; i < SIM_MEMBERS; i++) {
        if (sim->members[i].replica.committed >= committed) {
            committed = sim->members[i].replica.committed;
            highest = i;
        }
    }
    for (uint32_t i = 0; i < SIM_MEMBERS; i++) {
        struct store_position position;
        store_position(sim->members[i].store, &position);
        if (position.sequenced < sim->acknowledged) {
            return "an acknowledged operation is missing at a member";
        }
        uint64_t last = position.sequenced < committed ? position.sequenced : committed;
        uint64_t first = last > 8 + OPERATION_INDEX_FIRST ? last - 8 : OPERATION_INDEX_FIRST;
        for (uint64_t index = first; index <= last; index++) {
            uint8_t a[OPERATION_SIZE_MAX], b[OPERATION_SIZE_MAX];
            size_t size_a, size_b;
            if (store_log_read(sim->members[highest].store, index, a, sizeof a, &size_a) < 0 ||
                store_log_read(sim->members[i].store, index, b, sizeof b, &size_b) < 0 ||
                size_a != size_b || memcmp(a, b, size_a) != 0) {
                return "two members have different operations at a committed index";
            }
        }
    }
    return NULL;
}

static const char *compare_directory(struct store *a, struct store *b, const struct gfid *directory)
{
    static uint8_t entries_a[READDIR_SIZE_MAX], entries_b[READDIR_SIZE_MAX];
    uint64_t cookie = COOKIE_START;
    for (bool eof = false; !eof;) {
        size_t size_a, size_b;
        bool eof_b;
        if (store_readdir(a, directory, cookie, true, entries_a, sizeof entries_a, &size_a, &eof) <
                0 ||
            store_readdir(b, directory, cookie, true, entries_b, sizeof entries_b, &size_b,
                          &eof_b) < 0) {
            return "a directory cannot be read";
        }
        if (eof != eof_b || size_a != size_b || memcmp(entries_a, entries_b, size_a) != 0) {
            return "a directory differs";
        }
        struct slice rest = slice_of(entries_a, size_a);
        struct dirent_entry entry;
        while (dirent_next(&rest, &entry) == 0) {
            cookie = entry.cookie;
        }
    }
    return NULL;
}

static const char *compare_orphans(struct store *a, struct store *b)
{
    struct gfid at_a = GFID_NONE, at_b = GFID_NONE;
    uint64_t keeper_a = 0, keeper_b = 0;
    for (int found = 0; found == 0;) {
        struct attr attr_a = {.type = OBJECT_NONE}, attr_b = {.type = OBJECT_NONE};
        found = store_orphan_next(a, &at_a, &at_a, &keeper_a);
        if (found != store_orphan_next(b, &at_b, &at_b, &keeper_b) || keeper_a != keeper_b ||
            !gfid_equal(&at_a, &at_b)) {
            return "the orphans differ";
        }
        uint8_t bytes_a[PACKED_ATTR_SIZE], bytes_b[PACKED_ATTR_SIZE];
        uint8_t *end_a = bytes_a, *end_b = bytes_b;
        if (found == 0 &&
            (store_getattr(a, &at_a, &attr_a) < 0 || store_getattr(b, &at_b, &attr_b) < 0 ||
             !packed_put_attr(&end_a, &attr_a) || !packed_put_attr(&end_b, &attr_b) ||
             memcmp(bytes_a, bytes_b, sizeof bytes_a) != 0)) {
            return "an orphan differs";
        }
    }
    return NULL;
}

const char *sim_compare(struct sim_cluster *sim, uint32_t a, uint32_t b)
{
    struct attr root_a, root_b;
    struct store *store_a = sim->members[a].store, *store_b = sim->members[b].store;
    if (store_getattr(store_a, &GFID_ROOT, &root_a) < 0 ||
        store_getattr(store_b, &GFID_ROOT, &root_b) < 0 ||
        memcmp(&root_a, &root_b, sizeof root_a) != 0) {
        return "the root differs";
    }
    const char *wrong = compare_orphans(store_a, store_b);
    return wrong ? wrong : compare_directory(store_a, store_b, &GFID_ROOT);
}
