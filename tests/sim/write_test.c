/*
 * The normal case, told by its trace: one write on three members, a slow member, a failed one, a
 * cache that is taken back, messages that must be refused. Goal: what replica.h promises in its
 * first seven lines. Method: a virtual cluster; the expected trace stands in the test.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <stdio.h>
#include <string.h>
#include "backend/base/errors.h"
#include "tests/lib/sim_cluster.h"

static struct sim_cluster *sim;

static int begin(void)
{
    return 0;
}

static void begin_serving(void)
{
    sim = sim_new();
    sim_view(sim, 0);
    sim_run_until(sim, 100);
    CU_ASSERT_EQUAL_FATAL(sim_primary(sim), 0);
    (void)sim_trace(sim);
    sim->trace[0] = '\0';
}

static void expect(const char *wanted)
{
    const char *got = sim_trace(sim);
    if (strcmp(got, wanted) != 0) {
        printf("\nwanted:\n%sgot:\n%s", wanted, got);
    }
    CU_ASSERT_STRING_EQUAL(got, wanted);
}

static void settled_at_once_when_logs_are_equal(void)
{
    sim = sim_new();
    sim_view(sim, 0);
    sim_run_until(sim, 100);
    expect("[   20] 0 > opened 1 at 1\n"
           "[   20] 0 > opened 2 at 1\n"
           "[   20] 0 > serve view 1\n");
    sim_free(sim);
}

static void a_write_is_committed_when_all_three_have_applied_it(void)
{
    begin_serving();
    CU_ASSERT_EQUAL(sim_make(sim, "a"), 2);
    sim_run_until(sim, 200);
    expect("[  100] 0 > submit 2\n"
           "[  100] 0 > send 2..2 to 1\n"
           "[  100] 0 > send 2..2 to 2\n"
           "[  101] 0 > applied 2\n"
           "[  111] 1 > applied 2\n"
           "[  111] 2 > applied 2\n"
           "[  121] 0 > commit 2\n");
    CU_ASSERT_PTR_NULL(sim_check(sim));
    CU_ASSERT_PTR_NULL(sim_compare(sim, 0, 1));
    CU_ASSERT_PTR_NULL(sim_compare(sim, 0, 2));
    sim_free(sim);
}

static void the_slowest_member_decides_when(void)
{
    begin_serving();
    sim->members[2].disk_ms = 50;
    CU_ASSERT_EQUAL(sim_make(sim, "a"), 2);
    CU_ASSERT_EQUAL(sim_make(sim, "b"), 3);
    sim_run_until(sim, 169);
    CU_ASSERT_EQUAL(sim->acknowledged, 0);
    sim_run_until(sim, 170);
    CU_ASSERT_EQUAL(sim->acknowledged, 3);
    sim_free(sim);
}

static void a_member_that_cannot_apply_falls_silent(void)
{
    begin_serving();
    sim->members[1].apply_status = -EIO;
    CU_ASSERT_EQUAL(sim_make(sim, "a"), 2);
    sim_run_until(sim, 200);
    expect("[  100] 0 > submit 2\n"
           "[  100] 0 > send 2..2 to 1\n"
           "[  100] 0 > send 2..2 to 2\n"
           "[  101] 0 > applied 2\n"
           "[  111] 1 > applied 2 (failed)\n"
           "[  111] 1 > silence\n"
           "[  111] 1 > halt: EIO\n"
           "[  111] 2 > applied 2\n");
    CU_ASSERT_EQUAL(sim->acknowledged, 0);
    sim_free(sim);
}

static void a_change_waits_until_caches_are_taken_back(void)
{
    begin_serving();
    CU_ASSERT_EQUAL(sim_make(sim, "a"), 2);
    sim_step(sim, 0, &(struct replica_event){.kind = EVENT_HOLD, .index = 2});
    CU_ASSERT_EQUAL(sim_make(sim, "b"), 3);
    sim_run_until(sim, 300);
    CU_ASSERT_EQUAL(sim->acknowledged, 0);
    sim_step(sim, 0, &(struct replica_event){.kind = EVENT_HOLD, .index = 3});
    CU_ASSERT_EQUAL(sim->acknowledged, 2);
    sim_step(sim, 0, &(struct replica_event){.kind = EVENT_HOLD, .index = 0});
    CU_ASSERT_EQUAL(sim->acknowledged, 3);
    sim_free(sim);
}

static void a_gap_is_refused_and_a_repeat_acknowledged(void)
{
    begin_serving();
    sim_step(sim, 1,
             &(struct replica_event){.kind = EVENT_APPEND, .view_number = 1, .index = 5});
    CU_ASSERT_EQUAL(sim_make(sim, "a"), 2);
    sim_run_until(sim, 200);
    (void)sim_trace(sim);
    sim_step(sim, 1,
             &(struct replica_event){.kind = EVENT_APPEND, .view_number = 1, .index = 2});
    CU_ASSERT_EQUAL(sim->members[1].replica.sequenced, 2);
    sim_free(sim);
}

static void messages_of_another_view_are_refused(void)
{
    begin_serving();
    sim_view(sim, 0);
    sim->trace[0] = '\0';
    (void)sim_trace(sim);
    sim_step(sim, 1,
             &(struct replica_event){.kind = EVENT_APPEND, .view_number = 1, .index = 2});
    sim_step(sim, 1,
             &(struct replica_event){.kind = EVENT_APPEND, .view_number = 3, .index = 2});
    expect("[  100] 1 > refuse: E_OLD_VIEW\n"
           "[  100] 1 > refuse: E_NEW_VIEW\n");
    CU_ASSERT_EQUAL(sim->members[1].replica.sequenced, 1);
    sim_free(sim);
}

static void an_acknowledgement_of_another_incarnation_does_not_count(void)
{
    begin_serving();
    sim_cut(sim, 0, 1, true);
    CU_ASSERT_EQUAL(sim_make(sim, "a"), 2);
    sim_run_until(sim, 200);
    CU_ASSERT_EQUAL(sim->acknowledged, 0);
    sim_step(sim, 0,
             &(struct replica_event){
                 .kind = EVENT_ACK, .member = 1, .incarnation = 4711, .index = 2});
    CU_ASSERT_EQUAL(sim->acknowledged, 0);
    sim_cut(sim, 0, 1, false);
    sim_run(sim);
    CU_ASSERT_EQUAL(sim->acknowledged, 2);
    CU_ASSERT_PTR_NULL(sim_compare(sim, 0, 1));
    sim_free(sim);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"settled at once when logs are equal", settled_at_once_when_logs_are_equal},
        {"a write is committed when all three have applied it",
         a_write_is_committed_when_all_three_have_applied_it},
        {"the slowest member decides when", the_slowest_member_decides_when},
        {"a member that cannot apply falls silent", a_member_that_cannot_apply_falls_silent},
        {"a change waits until caches are taken back", a_change_waits_until_caches_are_taken_back},
        {"a gap is refused and a repeat acknowledged", a_gap_is_refused_and_a_repeat_acknowledged},
        {"messages of another view are refused", messages_of_another_view_are_refused},
        {"an acknowledgement of another incarnation does not count",
         an_acknowledgement_of_another_incarnation_does_not_count},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"write", begin, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
    CU_initialize_registry();
    CU_register_suites(suites);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
