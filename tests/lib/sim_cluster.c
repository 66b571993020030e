/*
 * Time, and the life of processes. See sim_cluster.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/lib/sim_cluster.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"

#define WALL_START_NS (UINT64_C(1700000000) * NS_PER_S)
#define TRACE_ROOM (256 * 1024)

static uint64_t sim_monotonic(struct clock *clock)
{
    return ((struct sim_cluster *)clock)->now_ns;
}

static uint64_t sim_wall(struct clock *clock)
{
    return WALL_START_NS + sim_monotonic(clock);
}

uint64_t sim_local_ns(const struct sim_cluster *sim, uint32_t brick)
{
    const struct sim_brick *self = &sim->bricks[brick];
    return self->clock_base_ns + sim->now_ns / 1000000 * self->clock_rate +
           sim->now_ns % 1000000 * self->clock_rate / 1000000;
}

uint64_t sim_between(struct sim_cluster *sim, uint64_t least, uint64_t most)
{
    return !sim->is_random || most <= least
               ? least
               : least + random_sequence_below(&sim->random, most - least + 1);
}

bool sim_chance(struct sim_cluster *sim, unsigned permille)
{
    return sim->is_random && permille > 0 && random_sequence_below(&sim->random, 1000) < permille;
}

struct view *sim_view_copy(const struct view *view)
{
    struct view *copy = malloc(sizeof *copy);
    INVARIANT(copy != NULL);
    *copy = *view;
    return copy;
}

/* ---- the trace ----------------------------------------------------------------------------- */

void sim_say(struct sim_cluster *sim, uint32_t end, const char *format, ...)
{
    if (!sim->tracing) {
        return;
    }
    if (sim->trace_size > TRACE_ROOM - 512) { /* keep the later half */
        const char *half = strchr(sim->trace + TRACE_ROOM / 2, '\n') + 1;
        sim->trace_size -= (size_t)(half - sim->trace);
        memmove(sim->trace, half, sim->trace_size);
    }
    char *at = sim->trace + sim->trace_size;
    int size = snprintf(at, 64, "[%9.3f] %c%u ", (double)sim->now_ns / NS_PER_MS,
                        end < SIM_BRICKS ? 'b' : 'c', end < SIM_BRICKS ? end : end - SIM_BRICKS);
    va_list arguments;
    va_start(arguments, format);
    size += vsnprintf(at + size, 400, format, arguments);
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

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->sequence < b->sequence;
}

static void heap_push(struct sim_cluster *sim, const struct sim_event *event)
{
    if (sim->heap_count == sim->heap_size) {
        sim->heap_size = sim->heap_size ? 2 * sim->heap_size : 256;
        sim->heap = realloc(sim->heap, sim->heap_size * sizeof *sim->heap);
        INVARIANT(sim->heap != NULL);
    }
    unsigned at = sim->heap_count++;
    while (at > 0 && is_before(event, &sim->heap[(at - 1) / 2])) {
        sim->heap[at] = sim->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    sim->heap[at] = *event;
}

static struct sim_event heap_pop(struct sim_cluster *sim)
{
    struct sim_event top = sim->heap[0];
    struct sim_event last = sim->heap[--sim->heap_count];
    unsigned at = 0;
    for (unsigned child = 1; child < sim->heap_count; child = 2 * at + 1) {
        if (child + 1 < sim->heap_count && is_before(&sim->heap[child + 1], &sim->heap[child])) {
            child++;
        }
        if (!is_before(&sim->heap[child], &last)) {
            break;
        }
        sim->heap[at] = sim->heap[child];
        at = child;
    }
    if (sim->heap_count > 0) {
        sim->heap[at] = last;
    }
    return top;
}

void sim_schedule_event(struct sim_cluster *sim, uint64_t delay_ns, struct sim_event event)
{
    event.at_ns = sim->now_ns + delay_ns;
    event.sequence = sim->sequence++;
    heap_push(sim, &event);
}

/* Is it for a process that is no more? */
static bool is_void(const struct sim_cluster *sim, const struct sim_event *event)
{
    return event->generation != 0 && (event->generation != sim->bricks[event->brick].generation ||
                                      !sim->bricks[event->brick].alive);
}

/* What a frozen process would do waits. */
static bool is_frozen(const struct sim_cluster *sim, const struct sim_event *event)
{
    return event->generation != 0 && sim->bricks[event->brick].frozen_until_ns > sim->now_ns;
}

static void happen(struct sim_cluster *sim, const struct sim_event *event)
{
    switch (event->kind) {
    case SIM_TICK:
    case SIM_PUMP:
    case SIM_APPLY:
    case SIM_APPLIED:
        sim_driver_event(sim, event);
        break;
    case SIM_REPLY:
        sim_serve_reply(sim, event);
        break;
    case SIM_ARRIVE:
        sim_arrive(sim, event);
        break;
    case SIM_LOST:
        sim_driver_lost(sim, event->connection);
        break;
    case SIM_PROPOSAL:
    case SIM_READING:
    case SIM_PROPOSED:
    case SIM_VIEW:
    case SIM_DEATH:
        sim_record_event(sim, event);
        break;
    case SIM_END:
        sim_crash_for(sim, event->brick, sim->settings.restart_ms);
        break;
    case SIM_RESTART:
        sim_restart(sim, event->brick);
        break;
    case SIM_CLIENT:
        sim_client_event(sim, event);
        break;
    case SIM_FAULT:
        if (sim->settings.provoke_permille > 0) {
            sim_fault_event(sim);
        }
        break;
    }
}

static void event_free(const struct sim_event *event)
{
    if (event->wait) {
        free(event->wait->answer);
        free(event->wait);
    }
    free(event->record);
}

static void happen_next(struct sim_cluster *sim)
{
    struct sim_event event = heap_pop(sim);
    sim->now_ns = event.at_ns;
    if (!is_void(sim, &event) && is_frozen(sim, &event)) {
        sim_schedule_event(sim, sim->bricks[event.brick].frozen_until_ns - sim->now_ns, event);
        return;
    }
    if (!is_void(sim, &event)) {
        happen(sim, &event);
        sim->events++;
        sim_check_step(sim);
    }
    event_free(&event);
    if (sim->events % 4096 == 0) {
        sim_net_collect(sim);
    }
}

bool sim_run(struct sim_cluster *sim, unsigned ms)
{
    uint64_t end_ns = sim->now_ns + ms * NS_PER_MS;
    while (sim->heap_count > 0 && sim->heap[0].at_ns <= end_ns && !sim->wrong[0]) {
        happen_next(sim);
    }
    sim->now_ns = end_ns;
    return !sim->wrong[0];
}

bool sim_run_until(struct sim_cluster *sim, bool (*condition)(struct sim_cluster *sim), unsigned ms)
{
    for (unsigned waited = 0; waited < ms && !condition(sim) && !sim->wrong[0]; waited += 5) {
        (void)sim_run(sim, 5);
    }
    return condition(sim) && !sim->wrong[0];
}

/* ---- life ---------------------------------------------------------------------------------- */

void sim_crash(struct sim_cluster *sim, uint32_t brick)
{
    struct sim_brick *self = &sim->bricks[brick];
    if (!self->alive) {
        return;
    }
    sim_say(sim, brick, "ends");
    self->alive = false;
    self->frozen_until_ns = 0;
    for (struct sim_connection *at = sim->connections; at; at = at->next) {
        if (at->ends[0] == brick || at->ends[1] == brick) {
            sim_connection_break(sim, at);
        }
    }
    sim_driver_stop(sim, brick);
    sim_record_death(sim, brick, self->incarnation);
}

void sim_crash_for(struct sim_cluster *sim, uint32_t brick, unsigned restart_ms)
{
    if (sim->bricks[brick].alive) {
        sim_crash(sim, brick);
        sim_schedule_event(sim, restart_ms * NS_PER_MS,
                           (struct sim_event){.kind = SIM_RESTART, .brick = brick});
    }
}

void sim_restart(struct sim_cluster *sim, uint32_t brick)
{
    struct sim_brick *self = &sim->bricks[brick];
    if (self->alive) {
        return;
    }
    self->generation++;
    /* Random as the shipped one: later is not greater. */
    self->incarnation = (self->generation * UINT64_C(0x9e3779b97f4a7c15) >> 40 << 8) | (brick + 1);
    self->alive = true;
    sim_driver_start(sim, brick);
    sim_say(sim, brick, "starts as %llx at %llu", (unsigned long long)self->incarnation,
            (unsigned long long)self->replica.sequenced);
    sim_record_push(sim, brick);
}

void sim_freeze(struct sim_cluster *sim, uint32_t brick, unsigned ms)
{
    if (sim->bricks[brick].alive) {
        sim_say(sim, brick, "frozen for %u ms", ms);
        sim->bricks[brick].frozen_until_ns = sim->now_ns + ms * NS_PER_MS;
    }
}

void sim_heal(struct sim_cluster *sim)
{
    sim_say(sim, 0, "everything is whole again");
    memset(sim->cut, 0, sizeof sim->cut);
    sim->store_away = false;
    sim->settings.provoke_permille = 0;
    sim->settings.store_lose_permille = sim->settings.store_slow_permille = 0;
    sim->settings.slow_permille = sim->settings.give_up_permille = 0;
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        struct sim_brick *self = &sim->bricks[i];
        self->disk_hangs = false;
        self->disk_status = 0;
        self->disk_ms = 1;
        if (self->frozen_until_ns > sim->now_ns + 100 * NS_PER_MS) {
            self->frozen_until_ns = sim->now_ns + 100 * NS_PER_MS;
        }
        if (!self->alive) {
            sim_restart(sim, i);
        }
    }
}

/* ---- beginning and end --------------------------------------------------------------------- */

/* The same objects on every brick: what was made before the story begins. */
static void make_object(struct sim_cluster *sim, unsigned object, enum sim_op_kind first)
{
    char name[8];
    (void)snprintf(name, sizeof name, "o%u", object);
    struct mutation mutation = {
        .kind = MUTATION_MAKE,
        .cred = {.flags = CRED_CHECKED},
        .parent = GFID_ROOT,
        .name = slice_text(name),
        .type = first == SIM_CREATE ? OBJECT_DIRECTORY : OBJECT_FILE,
        .how = CREATE_GUARDED,
        .change = {.mask = ATTR_MODE, .mode = 0755},
    };
    uint64_t index = OPERATION_INDEX_FIRST + object;
    struct decision decision = {
        .index = index, .view = 1, .now_ns = WALL_START_NS, .bytes_free = UINT64_C(1) << 40};
    struct operation operation = {0};
    uint8_t record[OPERATION_SIZE_MAX];
    size_t size;
    INVARIANT(store_decide(sim->bricks[0].store, &mutation, &decision, &operation) == 0);
    INVARIANT(operation_encode(&operation, record, sizeof record, &size) == 0);
    sim->objects[object].first = first;
    sim->objects[object].gfid = operation.object.gfid;
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        struct store *store = sim->bricks[i].store;
        INVARIANT(store_sequence(store, &operation, slice_of(record, size)) == 0);
        INVARIANT(store_apply(store, &operation, slice_of(NULL, 0)) == 0);
        INVARIANT(store_commit(store, index) == 0);
    }
}

static void make_bricks(struct sim_cluster *sim)
{
    static const enum sim_op_kind kinds[SIM_OBJECTS] = {SIM_WRITE, SIM_WRITE, SIM_APPEND,
                                                        SIM_CREATE, SIM_CREATE};
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        struct sim_brick *self = &sim->bricks[i];
        struct store_identity identity = {
            .volume = {{7}}, .volume_name = "sim", .brick = i, .disk_id = i + 1};
        INVARIANT(memory_store_open(&identity, &sim->clock, &self->store) == 0);
        self->disk_ms = 1;
        self->clock_rate = 1000000;
        if (sim->is_random) {
            self->clock_base_ns = sim_between(sim, 1, 1000) * NS_PER_S;
            self->clock_rate = sim_between(sim, 850000, 1150000);
        } else {
            self->clock_base_ns = (1 + i) * NS_PER_S;
        }
    }
    for (unsigned i = 0; i < SIM_OBJECTS; i++) {
        make_object(sim, i, kinds[i]);
    }
}

static struct sim_cluster *new_cluster(uint64_t seed, bool is_random)
{
    struct sim_cluster *sim = calloc(1, sizeof *sim);
    INVARIANT(sim != NULL);
    sim->clock = (struct clock){.monotonic_ns = sim_monotonic, .wall_ns = sim_wall};
    sim->trace_room = TRACE_ROOM;
    sim->trace = calloc(1, TRACE_ROOM);
    INVARIANT(sim->trace != NULL);
    sim->tracing = !is_random;
    random_sequence_init(&sim->random, seed);
    sim->is_random = is_random;
    sim->now_ns = NS_PER_S;
    sim->settings = (struct sim_settings){.link_min_us = 500,
                                          .store_min_us = 2000,
                                          .death_max_ms = 5,
                                          .death_permille = 1000,
                                          .restart_ms = 100,
                                          .pause_us = 10};
    make_bricks(sim);
    sim->record.member_count = SIM_BRICKS;
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        sim_restart(sim, i);
        sim->record.members[i] = (struct view_member){.brick = i,
                                                      .state = MEMBER_IN_SYNC,
                                                      .disk_id = i + 1,
                                                      .incarnation = sim->bricks[i].incarnation,
                                                      .port = i + 1};
    }
    sim->record.number = 1;
    sim->record.volatile_epoch = 1;
    sim->record.primary = (uint32_t)sim_between(sim, 0, is_random ? SIM_BRICKS - 1 : 0);
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        sim_record_push(sim, i);
    }
    return sim;
}

struct sim_cluster *sim_new(void)
{
    struct sim_cluster *sim = new_cluster(0, false);
    (void)sim_run_until(sim, sim_is_serving, 5000);
    INVARIANT(sim_is_serving(sim));
    return sim;
}

struct sim_cluster *sim_new_random(uint64_t seed)
{
    return new_cluster(seed, true);
}

void sim_free(struct sim_cluster *sim)
{
    while (sim->heap_count > 0) {
        struct sim_event event = heap_pop(sim);
        event_free(&event);
    }
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        sim_driver_stop(sim, i);
        store_close(sim->bricks[i].store);
    }
    sim_net_free(sim);
    free(sim->heap);
    free(sim->trace);
    free(sim);
}
