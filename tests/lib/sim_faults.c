/*
 * Random schedules. Each has a temper of its own: which faults it has and how often, how slow
 * links, disks and the cluster store are. After the faults everything is made whole, and the set
 * must be whole and serve within a bound.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdio.h>
#include "tests/lib/sim_cluster.h"

#define RECOVERY_MS 20000

static uint32_t any_brick(struct sim_cluster *sim)
{
    return sim_chance(sim, 400) ? sim->record.primary
                                : (uint32_t)sim_between(sim, 0, SIM_BRICKS - 1);
}

static uint32_t other_than(struct sim_cluster *sim, uint32_t brick, uint32_t ends)
{
    return (brick + 1 + (uint32_t)sim_between(sim, 0, ends - 2)) % ends;
}

static void fault_link(struct sim_cluster *sim)
{
    uint32_t a = any_brick(sim);
    uint32_t b = other_than(sim, a, sim_chance(sim, 200) ? SIM_ENDS : SIM_BRICKS);
    switch (sim_between(sim, 0, 7)) {
    case 0:
        sim_cut(sim, a, b, true);
        break;
    case 1:
        sim_cut(sim, b, a, true);
        break;
    case 2:
        sim_cut_both(sim, a, b, true);
        break;
    case 3:
        sim_isolate(sim, a, true);
        break;
    case 4:
        sim_break(sim, a, b);
        break;
    default:
        for (uint32_t i = 0; i < SIM_ENDS; i++) {
            sim_cut_both(sim, a, i, false);
        }
        break;
    }
}

static void fault_disk(struct sim_cluster *sim)
{
    struct sim_brick *brick = &sim->bricks[any_brick(sim)];
    if (sim_chance(sim, 300)) {
        brick->disk_status = -EIO;
    } else {
        brick->disk_hangs = sim_chance(sim, 400);
        brick->disk_ms = (unsigned)sim_between(sim, 0, 30);
    }
}

static void fault_store(struct sim_cluster *sim)
{
    sim->store_away = sim_chance(sim, 300);
    sim_say(sim, 0, "store is %s", sim->store_away ? "away" : "there");
    sim->settings.store_lose_permille = (unsigned)sim_between(sim, 0, 1) * 150;
    sim->settings.store_slow_permille = (unsigned)sim_between(sim, 0, 1) * 200;
}

static unsigned long_or_short(struct sim_cluster *sim)
{
    return (unsigned)(sim_chance(sim, 500) ? sim_between(sim, 1, 200)
                                           : sim_between(sim, 200, 4000));
}

void sim_fault_event(struct sim_cluster *sim)
{
    switch (sim_between(sim, 0, 9)) {
    case 0:
    case 1:
    case 2:
        fault_link(sim);
        break;
    case 3:
    case 4:
        sim_crash_for(sim, any_brick(sim), long_or_short(sim));
        break;
    case 5:
    case 6:
        sim_freeze(sim, any_brick(sim), long_or_short(sim));
        break;
    case 7:
        fault_store(sim);
        break;
    case 8:
        fault_disk(sim);
        break;
    default:
        if (sim_chance(sim, 200)) { /* all at once */
            for (uint32_t i = 0; i < SIM_BRICKS; i++) {
                sim_crash_for(sim, i, long_or_short(sim));
            }
        }
        break;
    }
}

void sim_provoke(struct sim_cluster *sim)
{
    if (sim_chance(sim, sim->settings.provoke_permille)) {
        sim_schedule_event(sim, sim_between(sim, 0, 30000) * 1000,
                           (struct sim_event){.kind = SIM_FAULT});
    }
}

static void draw_temper(struct sim_cluster *sim)
{
    static const unsigned slowest_us[] = {1000, 3000, 20000, 80000};
    struct sim_settings *settings = &sim->settings;
    settings->link_min_us = 100;
    settings->link_max_us = slowest_us[sim_between(sim, 0, 3)];
    settings->slow_permille = (unsigned)sim_between(sim, 0, 2) * 10;
    settings->slow_ms = (unsigned)sim_between(sim, 50, 1500);
    settings->store_max_us = slowest_us[sim_between(sim, 0, 3)] + settings->store_min_us;
    settings->store_lose_permille = (unsigned)sim_between(sim, 0, 2) * 50;
    settings->store_slow_permille = (unsigned)sim_between(sim, 0, 2) * 50;
    settings->store_slow_ms = (unsigned)sim_between(sim, 100, 6000);
    settings->death_max_ms = sim_chance(sim, 300) ? 5000 : 20;
    settings->death_permille = sim_chance(sim, 300) ? 300 : 1000;
    settings->restart_ms = (unsigned)sim_between(sim, 1, 1500);
    settings->give_up_permille = (unsigned)sim_between(sim, 0, 2) * 50;
    settings->provoke_permille = (unsigned)sim_between(sim, 0, 2) * 100;
    settings->pause_us = (unsigned)(sim_chance(sim, 300) ? 5000 : 50);
}

const char *sim_schedule(struct sim_cluster *sim, unsigned ms)
{
    draw_temper(sim);
    (void)sim_run_until(sim, sim_is_serving, 3000);
    for (unsigned i = 0; i < SIM_CLIENTS; i++) {
        sim->clients[i].automatic = true;
        sim_schedule_event(sim, i * NS_PER_MS, (struct sim_event){.kind = SIM_CLIENT, .brick = i});
    }
    uint64_t end_ns = sim->now_ns + ms * NS_PER_MS;
    unsigned mean_ms = (unsigned)sim_between(sim, 30, 1200);
    while (sim->now_ns < end_ns && !sim->wrong[0]) {
        (void)sim_run(sim, (unsigned)sim_between(sim, 1, 2 * mean_ms));
        sim_fault_event(sim);
    }
    sim_heal(sim);
    (void)sim_run(sim, 500);
    for (unsigned i = 0; i < SIM_CLIENTS; i++) {
        sim->clients[i].stopped = true;
    }
    if (!sim_run_until(sim, sim_is_whole, RECOVERY_MS)) {
        sim_wrong(sim, "not whole %u s after everything was: view %llu, primary %u",
                  RECOVERY_MS / 1000, (unsigned long long)sim->record.number, sim->record.primary);
    }
    return sim_finish(sim);
}
