/*
 * A brick's driver: performs the effects of the shipped step function with the in-memory store, in
 * the order of replica_driver.c, and has both ends of its streams.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "tests/lib/sim_cluster.h"

#define TICK_MS 10
#define DIAL_PAUSE_MS 20
#define OPEN_TIMEOUT_MS 2000
#define COMMIT_BEAT_MS 500

int sim_log_operation(struct store *store, uint64_t index, uint8_t record[OPERATION_SIZE_MAX],
                      size_t *out_size, struct operation *out_operation)
{
    int rc = store_log_read(store, index, record, OPERATION_SIZE_MAX, out_size);
    return rc ? rc : operation_decode(slice_of(record, *out_size), out_operation);
}

static void later(struct sim_cluster *sim, uint32_t brick, enum sim_event_kind kind,
                  uint64_t delay_ns)
{
    sim_schedule_event(sim, delay_ns,
                       (struct sim_event){.kind = kind,
                                          .brick = brick,
                                          .generation = sim->bricks[brick].generation});
}

static uint64_t pause_ns(struct sim_cluster *sim)
{
    return sim_between(sim, 1, sim->settings.pause_us) * 1000;
}

/* ---- streams, the primary's end ------------------------------------------------------------ */

static void stream_close(struct sim_cluster *sim, struct sim_peer *peer)
{
    peer->next = 1;
    peer->last = 0;
    peer->opened = false;
    if (peer->stream) {
        struct sim_connection *stream = peer->stream;
        peer->stream = NULL;
        sim_connection_break(sim, stream);
    }
}

static void send_open(struct sim_cluster *sim, uint32_t brick, struct sim_peer *peer)
{
    struct sim_message *message = sim_message_new(SIM_OPEN, slice_of(NULL, 0));
    message->view = sim->bricks[brick].replica.view.number;
    message->commit = sim->bricks[brick].replica.committed;
    message->cut_to = peer->cut_to;
    sim_send(sim, peer->stream, 0, message);
}

static void dial_due(struct sim_cluster *sim, uint32_t brick)
{
    struct sim_brick *self = &sim->bricks[brick];
    uint64_t now_ns = sim_local_ns(sim, brick);
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        struct sim_peer *peer = &self->peers[i];
        if (peer->wanted && !peer->stream && now_ns >= peer->next_try_ns) {
            peer->next_try_ns = now_ns + DIAL_PAUSE_MS * NS_PER_MS;
            peer->dialled_ns = now_ns;
            peer->cut_to = 0;
            peer->stream = sim_dial(sim, brick, i);
            send_open(sim, brick, peer);
        }
    }
}

static void stream_lost(struct sim_cluster *sim, uint32_t brick, uint32_t member)
{
    struct sim_peer *peer = &sim->bricks[brick].peers[member];
    stream_close(sim, peer);
    peer->next_try_ns = sim_local_ns(sim, brick) + DIAL_PAUSE_MS * NS_PER_MS;
    sim_step(sim, brick, (struct replica_event){.kind = EVENT_STREAM_LOST, .member = member});
}

static void stream_opened(struct sim_cluster *sim, uint32_t brick, uint32_t member,
                          const struct sim_message *message)
{
    struct sim_brick *self = &sim->bricks[brick];
    struct sim_peer *peer = &self->peers[member];
    if (message->status < 0) {
        stream_lost(sim, brick, member);
        return;
    }
    bool is_mine =
        message->index <= self->replica.sequenced && self->births[message->index] == message->birth;
    if (self->replica.view.members[member].state != MEMBER_IN_SYNC && !is_mine) {
        if (message->commit > self->replica.sequenced) {
            sim_wrong(sim, "%u lacks %llu, which %u knows committed", brick,
                      (unsigned long long)message->commit, member);
        }
        peer->cut_to = message->commit;
        send_open(sim, brick, peer);
        return;
    }
    if (message->index <= self->replica.sequenced && !is_mine) {
        sim_wrong(sim, "in-sync brick %u has another operation %llu than its primary %u", member,
                  (unsigned long long)message->index, brick);
    }
    peer->opened = true;
    uint64_t last = message->index > self->replica.sequenced ? message->index : message->applied;
    sim_provoke(sim);
    sim_say(sim, brick, "stream to %u opened at %llu", member, (unsigned long long)last);
    sim_step(sim, brick,
             (struct replica_event){.kind = EVENT_STREAM_OPENED,
                                    .member = member,
                                    .index = last,
                                    .incarnation = message->incarnation});
}

/* Send one operation of each stream that has any left. */
static void pump(struct sim_cluster *sim, uint32_t brick)
{
    struct sim_brick *self = &sim->bricks[brick];
    bool more = false;
    self->pumping = false;
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        struct sim_peer *peer = &self->peers[i];
        if (!peer->stream || peer->next > peer->last) {
            continue;
        }
        uint8_t record[OPERATION_SIZE_MAX];
        size_t size;
        struct operation operation;
        INVARIANT(sim_log_operation(self->store, peer->next, record, &size, &operation) == 0);
        struct sim_message *message = sim_message_new(SIM_OPERATION, slice_of(record, size));
        message->index = peer->next++;
        message->view = self->replica.view.number;
        message->commit = self->replica.committed;
        sim_send(sim, peer->stream, 0, message);
        more = more || peer->next <= peer->last;
    }
    if (more) {
        self->pumping = true;
        later(sim, brick, SIM_PUMP, pause_ns(sim));
    }
}

static void commit_beats(struct sim_cluster *sim, uint32_t brick)
{
    struct sim_brick *self = &sim->bricks[brick];
    uint64_t now_ns = sim_local_ns(sim, brick);
    if (now_ns < self->commit_beat_ns + COMMIT_BEAT_MS * NS_PER_MS) {
        return;
    }
    self->commit_beat_ns = now_ns;
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        struct sim_peer *peer = &self->peers[i];
        if (peer->stream && peer->opened) {
            struct sim_message *message = sim_message_new(SIM_COMMIT, slice_of(NULL, 0));
            message->view = self->replica.view.number;
            message->index = self->replica.committed;
            sim_send(sim, peer->stream, 0, message);
        }
    }
}

/* ---- effects ------------------------------------------------------------------------------- */

static void effect_sequence(struct sim_cluster *sim, uint32_t brick, uint64_t index)
{
    struct sim_brick *self = &sim->bricks[brick];
    struct operation operation;
    INVARIANT(operation_decode(self->incoming, &operation) == 0 && operation.index == index);
    sim_depend(sim, brick, &operation);
    INVARIANT(store_sequence(self->store, &operation, self->incoming) == 0);
    reply_memory_note(self->memory, &operation.id, index, 0);
    INVARIANT(index < SIM_LOG_MAX);
    self->births[index] = operation.birth_view;
    self->hashes[index] = XXH3_64bits(self->incoming.data, self->incoming.size);
    self->has_sequenced = true;
    sim_check_sequenced(sim, brick, index);
}

static void effect_send(struct sim_cluster *sim, uint32_t brick,
                        const struct replica_effect *effect)
{
    struct sim_brick *self = &sim->bricks[brick];
    struct sim_peer *peer = &self->peers[effect->member];
    if (effect->index != peer->last + 1 || peer->next > effect->index) {
        peer->next = effect->index;
    }
    peer->last = effect->last;
    if (!self->pumping) {
        self->pumping = true;
        later(sim, brick, SIM_PUMP, pause_ns(sim));
    }
}

static void effect_apply(struct sim_cluster *sim, uint32_t brick, uint64_t index)
{
    struct sim_brick *self = &sim->bricks[brick];
    self->apply_last = index;
    if (!self->applying) {
        self->applying = true;
        later(sim, brick, SIM_APPLY, sim_between(sim, 0, self->disk_ms) * NS_PER_MS + 1000);
    }
}

static void effect_beat(struct sim_cluster *sim, uint32_t brick)
{
    struct sim_brick *self = &sim->bricks[brick];
    for (uint32_t i = 0; i < self->replica.view.member_count; i++) {
        struct sim_peer *peer = &self->peers[i];
        if (i == brick) {
            continue;
        }
        struct sim_message *message = sim_message_new(SIM_BEAT, slice_of(NULL, 0));
        message->sent_ns = sim_local_ns(sim, brick);
        replica_beat(&self->replica, &message->beat);
        if (!peer->beats) {
            peer->beats = sim_dial(sim, brick, i);
        }
        sim_send(sim, peer->beats, 0, message);
    }
}

static void effect_answer(struct sim_cluster *sim, uint32_t brick,
                          const struct replica_effect *effect)
{
    struct sim_brick *self = &sim->bricks[brick];
    struct sim_message *message = sim_message_new(SIM_BEAT_ANSWER, slice_of(NULL, 0));
    message->status = effect->status;
    message->sent_ns = self->asked_ns;
    replica_beat(&self->replica, &message->beat);
    message->beat.flags |= (uint32_t)effect->last;
    sim_send(sim, self->asking, 1, message);
}

void sim_driver_end(struct sim_cluster *sim, uint32_t brick, const struct replica_effect *effect)
{
    sim_say(sim, brick, effect->kind == EFFECT_HALT ? "halts: %s" : "is to return%s",
            effect->kind == EFFECT_HALT ? error_name(effect->status) : "");
    sim->halts++;
    later(sim, brick, SIM_END, sim_between(sim, 100, 30000) * 1000);
}

static void perform(struct sim_cluster *sim, uint32_t brick, const struct replica_effect *effect)
{
    struct sim_brick *self = &sim->bricks[brick];
    struct sim_peer *peer = &self->peers[effect->member];
    switch (effect->kind) {
    case EFFECT_SEQUENCE:
        effect_sequence(sim, brick, effect->index);
        break;
    case EFFECT_APPLY:
        effect_apply(sim, brick, effect->index);
        break;
    case EFFECT_SEND:
        effect_send(sim, brick, effect);
        break;
    case EFFECT_OPEN:
        peer->wanted = true;
        break;
    case EFFECT_CLOSE:
        peer->wanted = false;
        stream_close(sim, peer);
        break;
    case EFFECT_COMMIT:
        (void)store_commit(self->store, effect->index);
        sim_serve_wake(sim, brick, effect->index, 0);
        break;
    case EFFECT_ACK: /* the answer to the APPEND, when it is reported as applied */
        break;
    case EFFECT_REFUSE:
        self->refused = effect->status;
        break;
    case EFFECT_SERVE:
        self->serving = true;
        sim_provoke(sim);
        sim_say(sim, brick, "serves view %llu", (unsigned long long)self->replica.view.number);
        break;
    case EFFECT_SILENCE:
        self->serving = false;
        break;
    case EFFECT_HALT:
    case EFFECT_REENTER:
        sim_driver_end(sim, brick, effect);
        break;
    case EFFECT_BEAT:
        effect_beat(sim, brick);
        break;
    case EFFECT_ANSWER:
        effect_answer(sim, brick, effect);
        break;
    case EFFECT_PROPOSE:
        sim_record_propose(sim, brick);
        break;
    case EFFECT_READ:
        sim_record_read(sim, brick);
        break;
    }
}

void sim_step(struct sim_cluster *sim, uint32_t brick, struct replica_event event)
{
    struct sim_brick *self = &sim->bricks[brick];
    struct replica_effects effects;
    event.now_ns = sim_local_ns(sim, brick);
    self->has_sequenced = false;
    self->refused = 0;
    replica_step(&self->replica, &event, &effects);
    for (unsigned i = 0; i < effects.count; i++) {
        perform(sim, brick, &effects.list[i]);
    }
}

void sim_driver_view(struct sim_cluster *sim, uint32_t brick, const struct view *view)
{
    struct sim_brick *self = &sim->bricks[brick];
    if (view->number <= self->replica.view.number) {
        return;
    }
    INVARIANT(store_view_put(self->store, view) == 0);
    sim_step(sim, brick, (struct replica_event){.kind = EVENT_VIEW, .view = view});
    sim_say(sim, brick, "%s in view %llu", replica_role_name(self->replica.role),
            (unsigned long long)view->number);
    if (!replica_leads(&self->replica)) {
        sim_serve_wake(sim, brick, UINT64_MAX, -E_NOT_PRIMARY);
    }
    dial_due(sim, brick);
}

/* The store replays at its opening what its log has and its tree has not; replies are remembered
 * from the log. */
void sim_driver_load(struct sim_cluster *sim, uint32_t brick)
{
    static uint8_t zeros[16];
    struct sim_brick *self = &sim->bricks[brick];
    struct store_position position;
    store_position(self->store, &position);
    self->memory = reply_memory_new();
    INVARIANT(self->memory != NULL);
    for (uint64_t index = OPERATION_INDEX_FIRST; index <= position.sequenced; index++) {
        uint8_t record[OPERATION_SIZE_MAX];
        size_t size;
        struct operation operation;
        INVARIANT(sim_log_operation(self->store, index, record, &size, &operation) == 0);
        if (index > position.applied) {
            INVARIANT(store_apply(self->store, &operation, slice_of(zeros, operation.count)) == 0);
        }
        reply_memory_note(self->memory, &operation.id, index, 0);
        self->births[index] = operation.birth_view;
        self->hashes[index] = XXH3_64bits(record, size);
    }
    replica_init(&self->replica, brick, self->incarnation, position.sequenced, position.committed);
    self->replica.port = brick + 1;
    self->replica.min_insync = MIN_INSYNC_DEFAULT;
    self->apply_last = self->log_begun = position.sequenced;
}

/* ---- messages ------------------------------------------------------------------------------ */

void sim_driver_message(struct sim_cluster *sim, struct sim_connection *connection, int way,
                        const struct sim_message *message)
{
    uint32_t brick = connection->ends[1 - way], other = connection->ends[way];
    struct sim_brick *self = &sim->bricks[brick];
    bool is_stream = other < SIM_BRICKS && self->peers[other].stream == connection;
    switch (message->kind) {
    case SIM_BEAT:
        self->asking = connection;
        self->asked_ns = message->sent_ns;
        sim_step(
            sim, brick,
            (struct replica_event){.kind = EVENT_BEAT, .member = other, .beat = &message->beat});
        break;
    case SIM_BEAT_ANSWER:
        if (message->status == 0) {
            sim_step(sim, brick,
                     (struct replica_event){.kind = EVENT_BEAT_ANSWERED,
                                            .member = other,
                                            .sent_ns = message->sent_ns,
                                            .beat = &message->beat});
        }
        break;
    case SIM_OPEN:
        sim_member_open(sim, brick, connection, message);
        break;
    case SIM_OPENED:
        if (is_stream) {
            stream_opened(sim, brick, other, message);
        }
        break;
    case SIM_OPERATION:
        sim_member_operation(sim, brick, connection, message);
        break;
    case SIM_COMMIT:
        sim_member_commit(sim, brick, connection, message);
        break;
    case SIM_ACK:
        if (is_stream && message->status < 0) {
            stream_lost(sim, brick, other);
        } else if (is_stream) {
            sim_step(sim, brick,
                     (struct replica_event){.kind = EVENT_ACK,
                                            .member = other,
                                            .index = message->index,
                                            .incarnation = message->incarnation});
        }
        break;
    case SIM_REQUEST:
        sim_serve_request(sim, brick, connection, message);
        break;
    case SIM_ANSWER:
    case SIM_MESSAGES:
        break;
    }
    dial_due(sim, brick);
}

void sim_driver_lost(struct sim_cluster *sim, struct sim_connection *connection)
{
    uint32_t brick = connection->ends[0], other = connection->ends[1];
    if (brick >= SIM_BRICKS) {
        struct sim_client *client = &sim->clients[brick - SIM_BRICKS];
        if (client->connections[other] == connection) {
            client->connections[other] = NULL;
        }
        return;
    }
    struct sim_peer *peer = &sim->bricks[brick].peers[other];
    if (peer->beats == connection) {
        peer->beats = NULL;
    } else if (peer->stream == connection) {
        stream_lost(sim, brick, other);
    }
}

/* ---- the disk and the time ----------------------------------------------------------------- */

static void apply_next(struct sim_cluster *sim, uint32_t brick)
{
    static uint8_t zeros[16];
    struct sim_brick *self = &sim->bricks[brick];
    if (self->disk_hangs || sim->hold_applied[brick]) {
        later(sim, brick, SIM_APPLY, 10 * NS_PER_MS);
        return;
    }
    uint8_t record[OPERATION_SIZE_MAX];
    size_t size;
    struct operation operation;
    int status = self->disk_status;
    self->disk_status = 0;
    INVARIANT(
        sim_log_operation(self->store, self->replica.applied + 1, record, &size, &operation) == 0);
    if (status == 0) {
        status = store_apply(self->store, &operation, slice_of(zeros, operation.count));
    }
    sim_schedule_event(sim, pause_ns(sim),
                       (struct sim_event){.kind = SIM_APPLIED,
                                          .brick = brick,
                                          .generation = self->generation,
                                          .number = operation.index,
                                          .status = status});
}

static void applied(struct sim_cluster *sim, const struct sim_event *event)
{
    struct sim_brick *self = &sim->bricks[event->brick];
    if (self->replica.failed) {
        return;
    }
    sim_step(sim, event->brick,
             (struct replica_event){
                 .kind = EVENT_APPLIED, .index = event->number, .status = event->status});
    for (struct sim_wait **place = &self->waits; *place;) {
        struct sim_wait *wait = *place;
        if (wait->answer || wait->index != event->number) {
            place = &wait->next;
            continue;
        }
        *place = wait->next;
        sim_member_acknowledge(sim, event->brick, wait->connection, event->status, event->number);
        free(wait);
    }
    self->applying = !self->replica.failed && self->replica.applied < self->apply_last;
    if (self->applying) {
        later(sim, event->brick, SIM_APPLY, sim_between(sim, 0, self->disk_ms) * NS_PER_MS + 1000);
    }
}

/* What watches the disk: it tries it all the time. */
static void watch_disk(struct sim_cluster *sim, uint32_t brick)
{
    struct sim_brick *self = &sim->bricks[brick];
    uint64_t now_ns = sim_local_ns(sim, brick);
    if (!self->disk_hangs) {
        self->disk_since_ns = 0;
    } else if (self->disk_since_ns == 0) {
        self->disk_since_ns = now_ns;
    }
    bool stalls =
        self->disk_since_ns != 0 && now_ns >= self->disk_since_ns + DISK_STALL_MS * NS_PER_MS;
    if (stalls != self->disk_reported) {
        self->disk_reported = stalls;
        sim_say(sim, brick, stalls ? "disk hangs" : "disk answers");
        sim_step(sim, brick,
                 (struct replica_event){.kind = EVENT_DISK, .status = stalls ? -EIO : 0});
    }
}

static void tick(struct sim_cluster *sim, uint32_t brick)
{
    struct sim_brick *self = &sim->bricks[brick];
    uint64_t now_ns = sim_local_ns(sim, brick);
    watch_disk(sim, brick);
    sim_step(sim, brick, (struct replica_event){.kind = EVENT_TICK});
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        struct sim_peer *peer = &self->peers[i];
        if (peer->stream && !peer->opened &&
            now_ns >= peer->dialled_ns + OPEN_TIMEOUT_MS * NS_PER_MS) {
            stream_lost(sim, brick, i);
        }
    }
    commit_beats(sim, brick);
    dial_due(sim, brick);
    later(sim, brick, SIM_TICK, sim_between(sim, TICK_MS, 2 * TICK_MS) * NS_PER_MS);
}

void sim_driver_event(struct sim_cluster *sim, const struct sim_event *event)
{
    if (event->kind == SIM_TICK) {
        tick(sim, event->brick);
    } else if (event->kind == SIM_PUMP) {
        pump(sim, event->brick);
    } else if (event->kind == SIM_APPLY) {
        apply_next(sim, event->brick);
    } else {
        applied(sim, event);
    }
}

/* ---- life ---------------------------------------------------------------------------------- */

void sim_driver_start(struct sim_cluster *sim, uint32_t brick)
{
    struct sim_brick *self = &sim->bricks[brick];
    sim_driver_load(sim, brick);
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        self->peers[i] = (struct sim_peer){.next = 1};
    }
    later(sim, brick, SIM_TICK, NS_PER_MS);
}

void sim_driver_stop(struct sim_cluster *sim, uint32_t brick)
{
    struct sim_brick *self = &sim->bricks[brick];
    (void)sim;
    while (self->waits) {
        struct sim_wait *wait = self->waits;
        self->waits = wait->next;
        free(wait->answer);
        free(wait);
    }
    reply_memory_free(self->memory);
    self->memory = NULL;
    memset(self->depends, 0, sizeof self->depends);
    memset(self->peers, 0, sizeof self->peers);
    self->serving = self->pumping = self->applying = self->disk_reported = false;
    self->disk_since_ns = self->commit_beat_ns = 0;
}
