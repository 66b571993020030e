/*
 * The cluster store with one record, and what trivetd does around it: it hands proposals and
 * readings on, pushes the record to bricks when it has changed and when they register, and tells of
 * processes that have ended. Any of it may be late, twice or lost; a proposal that is under way
 * outlives its proposer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/errors.h"
#include "tests/lib/sim_cluster.h"

#define AWAY_MS 50

static uint64_t delay_ns(struct sim_cluster *sim)
{
    const struct sim_settings *settings = &sim->settings;
    return sim_chance(sim, settings->store_slow_permille)
               ? sim_between(sim, 1, settings->store_slow_ms) * NS_PER_MS
               : sim_between(sim, settings->store_min_us, settings->store_max_us) * 1000;
}

void sim_record_propose(struct sim_cluster *sim, uint32_t brick)
{
    const struct replica *replica = &sim->bricks[brick].replica;
    sim_say(sim, brick, "proposes view %llu, primary %u, in sync %u%u%u",
            (unsigned long long)replica->proposal.view.number, replica->proposal.view.primary,
            replica->proposal.view.members[0].state, replica->proposal.view.members[1].state,
            replica->proposal.view.members[2].state);
    sim_provoke(sim);
    if (sim_chance(sim, sim->settings.store_lose_permille)) {
        return;
    }
    sim_schedule_event(sim, delay_ns(sim),
                       (struct sim_event){.kind = SIM_PROPOSAL,
                                          .brick = brick,
                                          .incarnation = sim->bricks[brick].generation,
                                          .number = replica->view.number,
                                          .record = sim_view_copy(&replica->proposal.view)});
}

void sim_record_read(struct sim_cluster *sim, uint32_t brick)
{
    if (!sim_chance(sim, sim->settings.store_lose_permille)) {
        sim_schedule_event(sim, delay_ns(sim),
                           (struct sim_event){.kind = SIM_READING,
                                              .brick = brick,
                                              .incarnation = sim->bricks[brick].generation});
    }
}

/* What the store says, to the process that asked. */
static void answer(struct sim_cluster *sim, const struct sim_event *event, int status)
{
    if (sim_chance(sim, sim->settings.store_lose_permille)) {
        return;
    }
    sim_schedule_event(sim, delay_ns(sim),
                       (struct sim_event){.kind = SIM_PROPOSED,
                                          .brick = event->brick,
                                          .generation = event->incarnation,
                                          .number = event->record ? event->record->number : 0,
                                          .status = status,
                                          .record = sim_view_copy(&sim->record)});
}

void sim_record_push(struct sim_cluster *sim, uint32_t brick)
{
    if (sim->record.number > 0 && sim->bricks[brick].alive) {
        sim_schedule_event(sim, delay_ns(sim),
                           (struct sim_event){.kind = SIM_VIEW,
                                              .brick = brick,
                                              .generation = sim->bricks[brick].generation,
                                              .record = sim_view_copy(&sim->record)});
    }
}

static void propose(struct sim_cluster *sim, const struct sim_event *event)
{
    int status = -E_VERSION_CONFLICT;
    if (event->number == sim->record.number) {
        status = 0;
        sim->record = *event->record;
        sim->views++;
        sim_say(sim, event->brick, "its view %llu is the record, primary %u, in sync %u%u%u",
                (unsigned long long)sim->record.number, sim->record.primary,
                sim->record.members[0].state, sim->record.members[1].state,
                sim->record.members[2].state);
        sim_check_record(sim);
        sim_provoke(sim);
        for (uint32_t i = 0; i < SIM_BRICKS; i++) {
            sim_record_push(sim, i);
        }
    }
    answer(sim, event, status);
}

/* It waits: nobody reaches the store, or the story wants it so. */
static bool waits(struct sim_cluster *sim, const struct sim_event *event)
{
    bool held = (event->kind == SIM_PROPOSAL && sim->hold_proposals[event->brick]) ||
                (event->kind == SIM_PROPOSED && sim->hold_store_answers) ||
                (event->kind == SIM_VIEW && sim->hold_views[event->brick]) ||
                (event->kind == SIM_DEATH && sim->hold_deaths[event->brick]);
    if (event->kind == SIM_PROPOSAL || event->kind == SIM_READING) {
        held = held || sim->store_away;
    }
    if (held) {
        struct sim_event again = *event;
        again.record = event->record ? sim_view_copy(event->record) : NULL;
        sim_schedule_event(sim, AWAY_MS / 10 * NS_PER_MS, again);
    }
    return held;
}

static void proposed(struct sim_cluster *sim, const struct sim_event *event)
{
    sim_driver_view(sim, event->brick, event->record);
    if (event->number > 0) {
        sim_say(sim, event->brick, "hears of its proposal %llu: %d",
                (unsigned long long)event->number, event->status);
        sim_step(sim, event->brick,
                 (struct replica_event){.kind = EVENT_PROPOSED,
                                        .view_number = event->number,
                                        .status = event->status});
    }
}

void sim_record_event(struct sim_cluster *sim, const struct sim_event *event)
{
    if (waits(sim, event)) {
        return;
    }
    switch (event->kind) {
    case SIM_PROPOSAL:
        propose(sim, event);
        break;
    case SIM_READING:
        answer(sim, event, 0);
        break;
    case SIM_PROPOSED:
        proposed(sim, event);
        break;
    case SIM_VIEW:
        sim_driver_view(sim, event->brick, event->record);
        break;
    default:
        sim_say(sim, event->brick, "hears that %llu has ended as %llx",
                (unsigned long long)event->number, (unsigned long long)event->incarnation);
        sim_step(sim, event->brick,
                 (struct replica_event){.kind = EVENT_DEATH,
                                        .member = (uint32_t)event->number,
                                        .incarnation = event->incarnation});
        break;
    }
}

void sim_record_death(struct sim_cluster *sim, uint32_t brick, uint64_t incarnation)
{
    sim->deaths++;
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        for (unsigned times = 0; i != brick && sim->bricks[i].alive && times < 2; times++) {
            if (times == 0 ? sim->is_random && !sim_chance(sim, sim->settings.death_permille)
                           : !sim_chance(sim, 200)) {
                continue;
            }
            uint64_t late_ms = sim_between(sim, 0, sim->settings.death_max_ms);
            sim_schedule_event(sim, late_ms * NS_PER_MS + 500000,
                               (struct sim_event){.kind = SIM_DEATH,
                                                  .brick = i,
                                                  .generation = sim->bricks[i].generation,
                                                  .number = brick,
                                                  .incarnation = incarnation});
        }
    }
}
