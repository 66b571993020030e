/*
 * The known attacks on replication, each as a schedule that ends well by the rule that it is about
 * and not without it: tests/sim/mutations.list takes that rule out. Goal: every rule is there for a
 * reason that can be run. Method: a virtual cluster; messages, proposals, pushes and disks are held
 * where the attack needs it, then everything is let go and must be whole and linearizable.
 *
 * Not here, since what they are about is not built: rebooted-member-leads, wiped-disk-leads,
 * empty-mount-point, disk-rollback (suspects); heal-cuts-an-in-sync-brick beyond the log (every cut
 * is checked), old-block-over-new-write, new-mtime-old-data, old-mtime-new-data (heal of files);
 * ignored-store-lease, store-lease-of-old-view (lone survivors); store-copied-while-written,
 * store-rolled-back (store switch). Not modelled: grant-outlives-primary (client caches),
 * rename-cycle (directories do not move), space.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "backend/base/errors.h"
#include "tests/lib/sim_cluster.h"

static struct sim_cluster *sim;

static void begin(void)
{
    sim = sim_new();
    (void)sim_trace(sim);
    CU_ASSERT_EQUAL_FATAL(sim_primary(sim), 0);
}

static void operations_held(uint32_t from, uint32_t to, bool hold)
{
    sim->hold[SIM_OPERATION][from][to] = hold;
}

/* No heartbeats between two; everything else goes on. */
static void silent(uint32_t a, uint32_t b, bool hold)
{
    sim->hold[SIM_BEAT][a][b] = sim->hold[SIM_BEAT][b][a] = hold;
}

static void silent_to_all(uint32_t brick, bool hold)
{
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        if (i != brick) {
            silent(brick, i, hold);
        }
    }
}

static void views_held(bool hold)
{
    sim->hold_store_answers = hold;
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        sim->hold_views[i] = hold;
    }
}

/* Let everything go; it must become whole, and all histories make sense. */
static void end(void)
{
    memset(sim->hold, 0, sizeof sim->hold);
    memset(sim->hold_proposals, 0, sizeof sim->hold_proposals);
    memset(sim->hold_deaths, 0, sizeof sim->hold_deaths);
    memset(sim->hold_applied, 0, sizeof sim->hold_applied);
    views_held(false);
    sim_heal(sim);
    CU_ASSERT_TRUE(sim_run_until(sim, sim_is_whole, 20000));
    const char *wrong = sim_finish(sim);
    if (wrong) {
        printf("\n%s%s\n", sim_trace(sim), wrong);
    }
    CU_ASSERT_PTR_NULL(wrong);
    sim_free(sim);
}

static uint32_t next_primary(void)
{
    CU_ASSERT_TRUE(sim_run_until(sim, sim_is_serving, 20000));
    return (uint32_t)sim_primary(sim);
}

/* What reads the register now says. */
static int64_t value_now(unsigned client)
{
    int64_t value = -1;
    (void)sim_call(sim, client, next_primary(), SIM_READ, 0);
    (void)sim_run(sim, 100);
    CU_ASSERT_EQUAL(sim_answer(sim, client, &value), 0);
    return value;
}

/* ---- commit and settling ------------------------------------------------------------------- */

/* 1 leads with an operation that 2 never had, after it forgot what is not committed. */
static void lead_with_a_tail(void)
{
    begin();
    operations_held(0, 2, true);
    CU_ASSERT_TRUE(sim_call(sim, 0, 0, SIM_WRITE, 0));
    (void)sim_run(sim, 50);
    CU_ASSERT_EQUAL(sim_answer(sim, 0, NULL), -EINPROGRESS);
    sim_crash(sim, 0);
    sim_crash(sim, 1);
    sim_restart(sim, 1);
    operations_held(1, 2, true);
    (void)sim_run(sim, 4000);
    CU_ASSERT_EQUAL(sim->record.primary, 1);
    CU_ASSERT_EQUAL(sim->bricks[1].replica.view.number, sim->record.number);
}

static void unsettled_read(void)
{
    lead_with_a_tail();
    CU_ASSERT_TRUE(sim_call(sim, 1, 1, SIM_READ, 0));
    (void)sim_run(sim, 200);
    CU_ASSERT_NOT_EQUAL(sim_answer(sim, 1, NULL), 0);
    operations_held(1, 2, false);
    CU_ASSERT_EQUAL(next_primary(), 1);
    end();
}

static void cached_reply_of_uncommitted(void)
{
    begin();
    operations_held(0, 2, true);
    CU_ASSERT_TRUE(sim_call(sim, 0, 0, SIM_WRITE, 0));
    (void)sim_run(sim, 50);
    sim_call_again(sim, 0, 0);
    (void)sim_run(sim, 50);
    CU_ASSERT_EQUAL(sim_answer(sim, 0, NULL), -EINPROGRESS);
    operations_held(0, 2, false);
    (void)sim_run(sim, 50);
    CU_ASSERT_EQUAL(sim_answer(sim, 0, NULL), 0);
    end();
}

static void acknowledged_then_rebooted(void)
{
    begin();
    operations_held(0, 1, true);
    CU_ASSERT_TRUE(sim_call(sim, 0, 0, SIM_WRITE, 0));
    (void)sim_run(sim, 50);
    uint64_t index = sim->bricks[0].replica.sequenced;
    sim_step(sim, 0,
             (struct replica_event){
                 .kind = EVENT_ACK, .member = 1, .incarnation = 4711, .index = index});
    CU_ASSERT_EQUAL(sim->bricks[0].replica.committed, index - 1);
    end();
}

static void two_of_three(void)
{
    begin();
    operations_held(0, 2, true);
    silent(0, 2, true);
    sim->hold_proposals[0] = true;
    CU_ASSERT_TRUE(sim_call(sim, 0, 0, SIM_WRITE, 0));
    (void)sim_run(sim, 2500);
    CU_ASSERT_NOT_EQUAL(sim_answer(sim, 0, NULL), 0);
    CU_ASSERT_EQUAL(sim->bricks[0].replica.committed, sim->bricks[0].replica.sequenced - 1);
    sim->hold_proposals[0] = false;
    (void)sim_run(sim, 500);
    CU_ASSERT_EQUAL(sim->record.members[2].state, MEMBER_AWAY);
    sim_call_again(sim, 0, 0);
    (void)sim_run(sim, 500);
    CU_ASSERT_EQUAL(sim_answer(sim, 0, NULL), 0);
    end();
}

static void gap_after_reconnect(void)
{
    begin();
    uint64_t last = sim->bricks[1].replica.sequenced;
    sim_step(sim, 1,
             (struct replica_event){.kind = EVENT_APPEND, .view_number = 1, .index = last + 2});
    CU_ASSERT_EQUAL(sim->bricks[1].refused, -E_BAD_MESSAGE);
    CU_ASSERT_EQUAL(sim->bricks[1].replica.sequenced, last);
    end();
}

/* An operation of view 1 reaches a member in view 2, of whose log it would be the next. */
static void old_view_message(void)
{
    begin();
    operations_held(0, 1, true);
    operations_held(0, 2, true);
    CU_ASSERT_TRUE(sim_call(sim, 0, 0, SIM_WRITE, 0));
    (void)sim_run(sim, 50);
    silent_to_all(0, true);
    sim->hold_views[0] = true; /* it lives on in its view */
    (void)sim_run(sim, 4000);
    CU_ASSERT_EQUAL(next_primary(), 1);
    uint64_t last = sim->bricks[2].replica.sequenced;
    operations_held(0, 2, false);
    (void)sim_run(sim, 50);
    CU_ASSERT_EQUAL(sim->bricks[2].replica.sequenced, last);
    CU_ASSERT_EQUAL(value_now(1), 0);
    end();
}

/* Send, crash before it is applied: the next operation must not have its number. */
static void restarted_primary_reuses_index(void)
{
    begin();
    sim->hold_applied[0] = true;
    CU_ASSERT_TRUE(sim_call(sim, 0, 0, SIM_WRITE, 0));
    (void)sim_run(sim, 50);
    uint64_t last = sim->bricks[1].replica.sequenced;
    CU_ASSERT_EQUAL(sim->bricks[0].replica.applied, last - 1);
    sim_crash(sim, 0);
    sim->hold_applied[0] = false;
    sim_restart(sim, 0);
    CU_ASSERT_EQUAL(sim->bricks[0].replica.sequenced, last);
    CU_ASSERT_TRUE(sim_call(sim, 1, next_primary(), SIM_WRITE, 0));
    (void)sim_run(sim, 300);
    CU_ASSERT_EQUAL(sim_answer(sim, 1, NULL), 0);
    end();
}

/* ---- leases -------------------------------------------------------------------------------- */

static void one_backup_lease(void)
{
    begin();
    silent(0, 2, true);
    sim->hold_proposals[0] = true;
    (void)sim_run(sim, 1200);
    CU_ASSERT_EQUAL(sim_primary(sim), -1);
    end();
}

static void no_lease(void)
{
    begin();
    silent_to_all(0, true);
    (void)sim_run(sim, 1200);
    CU_ASSERT_EQUAL(sim_primary(sim), -1);
    (void)sim_run(sim, 3000);
    CU_ASSERT_EQUAL(sim_primary(sim), 1);
    end();
}

/* 0 has not heard that 1 leads, and is asked. */
static void no_lease_read(void)
{
    begin();
    silent_to_all(0, true);
    sim->hold_views[0] = true;
    (void)sim_run(sim, 4000);
    CU_ASSERT_EQUAL(next_primary(), 1);
    CU_ASSERT_TRUE(sim_call(sim, 0, 1, SIM_WRITE, 0));
    (void)sim_run(sim, 100);
    CU_ASSERT_EQUAL(sim_answer(sim, 0, NULL), 0);
    CU_ASSERT_EQUAL(sim->bricks[0].replica.role, ROLE_PRIMARY);
    CU_ASSERT_TRUE(sim_call(sim, 1, 0, SIM_READ, 0));
    (void)sim_run(sim, 100);
    CU_ASSERT_EQUAL(sim_answer(sim, 1, NULL), -E_LEASE_EXPIRED);
    end();
}

/* 1 has proposed itself; it is the record, and 1 has not heard. */
static void candidate_proposes(void)
{
    begin();
    silent_to_all(0, true);
    views_held(true);
    (void)sim_run(sim, 3000);
    CU_ASSERT_EQUAL(sim->record.number, 2);
    CU_ASSERT_EQUAL(sim->record.primary, 1);
    CU_ASSERT_TRUE(sim->bricks[1].replica.proposal.open);
}

static void candidate_answers_heartbeat(void)
{
    candidate_proposes();
    silent_to_all(0, false);
    (void)sim_run(sim, 500);
    CU_ASSERT_EQUAL(sim_primary(sim), -1);
    end();
}

static void candidate_takes_operations(void)
{
    candidate_proposes();
    uint64_t last = sim->bricks[1].replica.sequenced;
    sim_step(sim, 1,
             (struct replica_event){.kind = EVENT_APPEND, .view_number = 1, .index = last + 1});
    CU_ASSERT_EQUAL(sim->bricks[1].refused, -E_NOT_SETTLED);
    CU_ASSERT_EQUAL(sim->bricks[1].replica.sequenced, last);
    end();
}

static void candidate_restarts(void)
{
    begin();
    silent_to_all(0, true);
    sim->hold_proposals[1] = true;
    (void)sim_run(sim, 3000);
    CU_ASSERT_TRUE(sim->bricks[1].replica.proposal.open);
    sim->hold_deaths[0] = sim->hold_deaths[2] = true;
    sim->hold_proposals[0] = true;
    sim_crash(sim, 1);
    sim_restart(sim, 1);
    (void)sim_run(sim, 300);
    silent_to_all(0, false);
    sim->hold_proposals[1] = false;
    (void)sim_run(sim, 5);
    CU_ASSERT_EQUAL(sim->bricks[1].replica.view.number, 2);
    CU_ASSERT_EQUAL(sim->record.number, 2);
    CU_ASSERT_EQUAL(sim->bricks[1].replica.role, ROLE_IDLE);
    end();
}

static struct view three(uint64_t number, uint32_t primary)
{
    struct view view = {.number = number, .primary = primary, .member_count = SIM_BRICKS};
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        view.members[i] =
            (struct view_member){.brick = i, .state = MEMBER_IN_SYNC, .incarnation = i + 1};
    }
    return view;
}

/* 2 has promised to 0; 1 leads the next view and ends; the promise to 0 still runs. */
static void death_notice_skips_promise(void)
{
    struct replica replica;
    struct replica_effects effects;
    struct view first = three(1, 0), second = three(2, 1);
    struct beat primary = {.incarnation = 1, .view = 1}, other = {.incarnation = 1, .view = 2};
    other.flags = BEAT_SILENT;
    replica_init(&replica, 2, 3, 1, 1);
    uint64_t now_ns = 10 * NS_PER_S;
    replica_step(&replica, &(struct replica_event){.kind = EVENT_VIEW, .now_ns = 1, .view = &first},
                 &effects);
    replica_step(&replica,
                 &(struct replica_event){
                     .kind = EVENT_BEAT, .now_ns = now_ns, .member = 0, .beat = &primary},
                 &effects);
    CU_ASSERT_EQUAL(effects.list[0].last & BEAT_PROMISED, BEAT_PROMISED);
    replica_step(&replica,
                 &(struct replica_event){.kind = EVENT_VIEW, .now_ns = now_ns, .view = &second},
                 &effects);
    replica_step(&replica,
                 &(struct replica_event){
                     .kind = EVENT_DEATH, .now_ns = now_ns, .member = 1, .incarnation = 2},
                 &effects);
    replica.sequenced = replica.applied = 2; /* longer than the other's */
    replica_step(&replica,
                 &(struct replica_event){.kind = EVENT_BEAT_ANSWERED,
                                         .now_ns = now_ns + NS_PER_MS,
                                         .member = 0,
                                         .beat = &other,
                                         .sent_ns = now_ns},
                 &effects);
    CU_ASSERT_FALSE(replica.proposal.open);
    now_ns += GRACE_MS * NS_PER_MS;
    replica_step(&replica,
                 &(struct replica_event){.kind = EVENT_BEAT_ANSWERED,
                                         .now_ns = now_ns,
                                         .member = 0,
                                         .beat = &other,
                                         .sent_ns = now_ns},
                 &effects);
    CU_ASSERT_TRUE(replica.proposal.open);
}

/* ---- views --------------------------------------------------------------------------------- */

/* 2 is entered, 0 has not heard of it: it must not commit without 2. */
static void promotion_unknown_to_primary(void)
{
    begin();
    sim_crash(sim, 2);
    (void)sim_run(sim, 1500);
    CU_ASSERT_EQUAL(sim->record.members[2].state, MEMBER_AWAY);
    CU_ASSERT_EQUAL(next_primary(), 0);
    sim->hold_proposals[0] = true;
    sim_restart(sim, 2);
    (void)sim_run(sim, 1000);
    CU_ASSERT_TRUE(sim->bricks[0].replica.proposal.open);
    views_held(true);
    operations_held(0, 2, true);
    sim->hold_proposals[0] = false;
    (void)sim_run(sim, 50);
    CU_ASSERT_EQUAL(sim->record.members[2].state, MEMBER_IN_SYNC);
    CU_ASSERT_TRUE(sim_call(sim, 0, 0, SIM_WRITE, 0));
    (void)sim_run(sim, 300);
    CU_ASSERT_NOT_EQUAL(sim_answer(sim, 0, NULL), 0);
    end();
}

static void isolated_primary_removes(void)
{
    begin();
    sim_isolate(sim, 0, true);
    sim->hold_proposals[1] = sim->hold_proposals[2] = true;
    (void)sim_run(sim, 5000);
    CU_ASSERT_EQUAL(sim->record.number, 1);
    CU_ASSERT_FALSE(sim->bricks[0].replica.proposal.open);
    end();
}

static void isolated_backup_deposes(void)
{
    begin();
    sim_cut_both(sim, 0, 1, true);
    sim->hold_proposals[0] = true;
    (void)sim_run(sim, 5000);
    CU_ASSERT_EQUAL(sim->record.number, 1);
    CU_ASSERT_FALSE(sim->bricks[1].replica.proposal.open);
    end();
}

/* 0 returns with an operation of its own that nobody got, where the others have another. */
static void divergent_tail(void)
{
    begin();
    operations_held(0, 1, true);
    operations_held(0, 2, true);
    CU_ASSERT_TRUE(sim_call(sim, 0, 0, SIM_WRITE, 0));
    (void)sim_run(sim, 50);
    sim_crash(sim, 0);
    (void)sim_run(sim, 200);
    CU_ASSERT_EQUAL(next_primary(), 1);
    CU_ASSERT_TRUE(sim_call(sim, 1, 1, SIM_CREATE, 0));
    (void)sim_run(sim, 100);
    CU_ASSERT_EQUAL(sim_answer(sim, 1, NULL), 0);
    CU_ASSERT_EQUAL(sim->bricks[1].replica.sequenced, sim->bricks[0].replica.sequenced);
    operations_held(0, 1, false);
    operations_held(0, 2, false);
    sim_restart(sim, 0);
    (void)sim_run(sim, 3000);
    CU_ASSERT_EQUAL(sim->record.members[0].state, MEMBER_IN_SYNC);
}

static void divergent_tail_unnamed(void)
{
    divergent_tail();
    end();
}

/* The client whose operation was cut off asks 0 once more, which leads again. */
static void undone_operation_answered(void)
{
    divergent_tail();
    sim_crash(sim, 1);
    CU_ASSERT_EQUAL(next_primary(), 0);
    sim_call_again(sim, 0, 0);
    (void)sim_run(sim, 200);
    CU_ASSERT_EQUAL(sim_answer(sim, 0, NULL), 0);
    CU_ASSERT_EQUAL(value_now(1), 1);
    end();
}

/* Heartbeats of processes that have ended long ago come after those of the living one. */
static void late_heartbeats_of_ended_processes(void)
{
    begin();
    struct beat old = {.incarnation = sim->bricks[2].incarnation, .view = 1};
    sim_crash(sim, 2);
    sim_restart(sim, 2);
    (void)sim_run(sim, 1000);
    struct beat middle = {.incarnation = sim->bricks[2].incarnation, .view = 1};
    sim_crash(sim, 2);
    sim_restart(sim, 2);
    (void)sim_run(sim, 1000);
    const struct beat *beats[] = {&old, &middle, &old};
    for (unsigned i = 0; i < sizeof beats / sizeof beats[0]; i++) {
        struct replica_effects effects;
        replica_step(
            &sim->bricks[0].replica,
            &(struct replica_event){
                .kind = EVENT_BEAT, .now_ns = sim_local_ns(sim, 0), .member = 2, .beat = beats[i]},
            &effects);
    }
    CU_ASSERT_TRUE(replica_in_contact(&sim->bricks[0].replica, 2));
    end();
}

/* The answer to the proposal before must not end the present one. */
static void late_answer_of_old_proposal(void)
{
    begin();
    sim_crash(sim, 2);
    sim->hold_store_answers = true;
    (void)sim_run(sim, 1500);
    CU_ASSERT_EQUAL(sim->record.number, 2);
    CU_ASSERT_EQUAL(next_primary(), 0);
    sim->hold_proposals[0] = true;
    sim_restart(sim, 2);
    (void)sim_run(sim, 1000);
    CU_ASSERT_TRUE(sim->bricks[0].replica.proposal.open);
    sim->hold_store_answers = false;
    (void)sim_run(sim, 100);
    CU_ASSERT_TRUE(sim->bricks[0].replica.proposal.open);
    end();
}

/* A request that was refused elsewhere reaches a brick that has come to lead meanwhile. */
static void refused_by_another(void)
{
    begin();
    sim->hold[SIM_REQUEST][SIM_BRICKS][1] = true;
    CU_ASSERT_TRUE(sim_call(sim, 1, 0, SIM_CREATE, 0));
    (void)sim_run(sim, 50);
    CU_ASSERT_EQUAL(sim_answer(sim, 1, NULL), 0);
    CU_ASSERT_TRUE(sim_call(sim, 0, 1, SIM_CREATE, 0));
    sim_call_again(sim, 0, 0);
    (void)sim_run(sim, 50);
    CU_ASSERT_EQUAL(sim_answer(sim, 0, NULL), -EEXIST);
    CU_ASSERT_TRUE(sim_call(sim, 1, 0, SIM_REMOVE, 0));
    (void)sim_run(sim, 50);
    CU_ASSERT_EQUAL(sim_answer(sim, 1, NULL), 0);
    sim_crash(sim, 0);
    (void)sim_run(sim, 200);
    CU_ASSERT_EQUAL(next_primary(), 1);
    sim->hold[SIM_REQUEST][SIM_BRICKS][1] = false;
    (void)sim_run(sim, 50);
    CU_ASSERT_TRUE(sim_call(sim, 1, 1, SIM_LOOKUP, 0));
    (void)sim_run(sim, 50);
    CU_ASSERT_EQUAL(sim_answer(sim, 1, NULL), -ENOENT);
    end();
}

/* ---- disks --------------------------------------------------------------------------------- */

static void eio_on_one(void)
{
    begin();
    sim->bricks[1].disk_status = -EIO;
    CU_ASSERT_TRUE(sim_call(sim, 0, 0, SIM_WRITE, 0));
    (void)sim_run(sim, 2000);
    sim_call_again(sim, 0, next_primary());
    (void)sim_run(sim, 100);
    CU_ASSERT_EQUAL(sim_answer(sim, 0, NULL), 0);
    CU_ASSERT_EQUAL(sim->halts, 1);
    end();
}

static void hung_disk(void)
{
    begin();
    sim->bricks[1].disk_hangs = true;
    CU_ASSERT_TRUE(sim_call(sim, 0, 0, SIM_WRITE, 0));
    (void)sim_run(sim, 5000);
    CU_ASSERT_EQUAL(sim->record.members[1].state, MEMBER_AWAY);
    sim_call_again(sim, 0, next_primary());
    (void)sim_run(sim, 100);
    CU_ASSERT_EQUAL(sim_answer(sim, 0, NULL), 0);
    end();
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"unsettled-read", unsettled_read},
        {"cached-reply-of-uncommitted", cached_reply_of_uncommitted},
        {"acknowledged-then-rebooted", acknowledged_then_rebooted},
        {"two-of-three", two_of_three},
        {"gap-after-reconnect", gap_after_reconnect},
        {"old-view-message", old_view_message},
        {"restarted-primary-reuses-index", restarted_primary_reuses_index},
        {"one-backup-lease", one_backup_lease},
        {"no-lease", no_lease},
        {"no-lease, a read", no_lease_read},
        {"candidate-answers-heartbeat", candidate_answers_heartbeat},
        {"candidate-takes-operations", candidate_takes_operations},
        {"candidate-restarts", candidate_restarts},
        {"death-notice-skips-promise", death_notice_skips_promise},
        {"promotion-unknown-to-primary", promotion_unknown_to_primary},
        {"isolated-primary-removes", isolated_primary_removes},
        {"isolated-backup-deposes", isolated_backup_deposes},
        {"divergent-tail-unnamed", divergent_tail_unnamed},
        {"undone-operation-answered", undone_operation_answered},
        {"late-heartbeats-of-ended-processes", late_heartbeats_of_ended_processes},
        {"late-answer-of-old-proposal", late_answer_of_old_proposal},
        {"refused-by-another", refused_by_another},
        {"eio-on-one", eio_on_one},
        {"hung-disk", hung_disk},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"attacks", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
    CU_initialize_registry();
    CU_register_suites(suites);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
