/*
 * Settling and random histories. Goal: nothing acknowledged is missing at any member that may lead,
 * committed operations are the same everywhere, members end up equal, whatever order processes die
 * and links break in. Method: stories with processes that die between send, apply and acknowledge;
 * then random schedules by seed (SEED=, RUNS=), each checked after every step.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include "backend/base/errors.h"
#include "tests/lib/sim_cluster.h"

static void a_tail_is_rolled_forward_before_anybody_is_served(void)
{
    struct sim_cluster *sim = sim_new();
    sim_view(sim, 0);
    sim_run_until(sim, 100);
    sim_cut(sim, 0, 2, true);
    CU_ASSERT_EQUAL(sim_make(sim, "a"), 2);
    sim_run_until(sim, 200);
    CU_ASSERT_EQUAL(sim->acknowledged, 0); /* on 0 and 1, not on 2 */
    sim_crash(sim, 0);
    sim_restart(sim, 0);
    sim_cut(sim, 0, 2, false);
    sim_view(sim, 0);
    CU_ASSERT_EQUAL(sim_primary(sim), -1);
    sim_run(sim);
    CU_ASSERT_EQUAL(sim_primary(sim), 0);
    CU_ASSERT_EQUAL(sim->members[2].replica.applied, 2);
    CU_ASSERT_PTR_NULL(sim_check(sim));
    CU_ASSERT_PTR_NULL(sim_compare(sim, 0, 2));
    sim_free(sim);
}

static void a_primary_with_the_shorter_log_does_not_serve(void)
{
    struct sim_cluster *sim = sim_new();
    sim_view(sim, 0);
    sim_run_until(sim, 100);
    sim_cut(sim, 0, 2, true);
    CU_ASSERT_EQUAL(sim_make(sim, "a"), 2);
    sim_run_until(sim, 200);
    sim_cut(sim, 0, 2, false);
    sim_crash(sim, 0);
    sim_restart(sim, 0);
    sim_view(sim, 2);
    sim_run_until(sim, 400);
    CU_ASSERT_EQUAL(sim_primary(sim), -1);
    sim_view(sim, 1);
    sim_run(sim);
    CU_ASSERT_EQUAL(sim_primary(sim), 1);
    CU_ASSERT_PTR_NULL(sim_compare(sim, 1, 2));
    sim_free(sim);
}

static void a_backup_that_comes_back_is_sent_what_it_missed(void)
{
    struct sim_cluster *sim = sim_new();
    sim_view(sim, 0);
    sim_run_until(sim, 100);
    CU_ASSERT_EQUAL(sim_make(sim, "a"), 2);
    sim_run_until(sim, 105); /* on its way */
    sim_crash(sim, 1);
    CU_ASSERT_EQUAL(sim_make(sim, "b"), 3);
    sim_run_until(sim, 300);
    CU_ASSERT_EQUAL(sim->acknowledged, 0);
    sim_restart(sim, 1);
    sim_view(sim, 0);
    sim_run(sim);
    CU_ASSERT_EQUAL(sim_primary(sim), 0);
    CU_ASSERT_EQUAL(sim->members[1].replica.applied, 3);
    CU_ASSERT_PTR_NULL(sim_compare(sim, 0, 1));
    sim_free(sim);
}

static void a_restarted_member_takes_no_part_in_the_view_it_died_in(void)
{
    struct sim_cluster *sim = sim_new();
    sim_view(sim, 0);
    sim_run_until(sim, 100);
    sim_crash(sim, 0);
    sim_restart(sim, 0);
    sim_step(sim, 0, &(struct replica_event){.kind = EVENT_VIEW, .view = &sim->view});
    sim_run_until(sim, 300);
    CU_ASSERT_EQUAL(sim_primary(sim), -1);
    CU_ASSERT_EQUAL(sim->members[0].replica.role, ROLE_IDLE);
    sim_view(sim, 0);
    sim_run(sim);
    CU_ASSERT_EQUAL(sim_primary(sim), 0);
    sim_free(sim);
}

/* ---- random -------------------------------------------------------------------------------- */

static uint32_t longest(const struct sim_cluster *sim, uint32_t before)
{
    uint32_t best = before;
    for (uint32_t i = 0; i < SIM_MEMBERS; i++) {
        if (sim->members[i].replica.sequenced > sim->members[best].replica.sequenced) {
            best = i;
        }
    }
    return best;
}

/* An object to do something with: what a name stands for, or an orphan. */
static struct gfid some_object(struct sim_cluster *sim, struct slice name, bool orphan)
{
    int primary = sim_primary(sim);
    struct attr child = {.gfid = GFID_ROOT};
    struct attr parent;
    uint64_t keeper;
    if (primary >= 0 && orphan) {
        (void)store_orphan_next(sim->members[primary].store, &GFID_NONE, &child.gfid, &keeper);
    } else if (primary >= 0) {
        (void)store_lookup(sim->members[primary].store, &GFID_ROOT, name, &child, &parent);
    }
    return child.gfid;
}

static void random_mutation(struct sim_cluster *sim, struct random_sequence *random)
{
    char name[8], name2[8];
    (void)snprintf(name, sizeof name, "f%u", (unsigned)random_sequence_below(random, 12));
    (void)snprintf(name2, sizeof name2, "f%u", (unsigned)random_sequence_below(random, 12));
    struct mutation mutation = {
        .kind = MUTATION_MAKE,
        .cred = {.flags = CRED_CHECKED},
        .parent = GFID_ROOT,
        .parent2 = GFID_ROOT,
        .name = slice_text(name),
        .name2 = slice_text(name2),
        .type = OBJECT_FILE,
        .how = CREATE_GUARDED,
        .change = {.mask = ATTR_MODE, .mode = 0644},
    };
    static const enum mutation_kind kinds[] = {MUTATION_MAKE,   MUTATION_MAKE,     MUTATION_MAKE,
                                               MUTATION_REMOVE, MUTATION_RENAME,   MUTATION_RENAME,
                                               MUTATION_LINK,   MUTATION_ALLOCATE, MUTATION_FORGET};
    mutation.kind = kinds[random_sequence_below(random, sizeof kinds / sizeof kinds[0])];
    /* A client that has everything open, and lets go of it now and then. */
    mutation.id = (struct op_id){.kind = OP_ID_SESSION, .client = 7, .sequence = 1};
    mutation.keep = random_sequence_below(random, 2);
    mutation.unnamed = random_sequence_below(random, 4) == 0;
    mutation.rename_flags = random_sequence_below(random, 2) ? RENAME_EXCHANGE : 0;
    bool orphan = mutation.kind == MUTATION_FORGET || random_sequence_below(random, 2);
    mutation.object = some_object(sim, mutation.name2, orphan);
    mutation.length = 1 + random_sequence_below(random, 100000);
    mutation.space_flags = random_sequence_below(random, 2) ? FALLOC_FL_ZERO_RANGE : 0;
    (void)sim_submit(sim, &mutation);
}

static void random_fault(struct sim_cluster *sim, struct random_sequence *random)
{
    uint32_t a = (uint32_t)random_sequence_below(random, SIM_MEMBERS);
    uint32_t b = (a + 1 + (uint32_t)random_sequence_below(random, SIM_MEMBERS - 1)) % SIM_MEMBERS;
    switch (random_sequence_below(random, 4)) {
    case 0:
        sim_cut(sim, a, b, true);
        break;
    case 1:
        sim_cut(sim, a, b, false);
        break;
    case 2:
        sim_crash(sim, a);
        sim_restart(sim, a);
        sim_view(sim, longest(sim, sim->view.primary));
        break;
    default:
        sim->link_ms[a][b] = (unsigned)random_sequence_below(random, 40);
        sim->members[a].disk_ms = (unsigned)random_sequence_below(random, 20);
        break;
    }
}

static const char *random_run(uint64_t seed)
{
    struct random_sequence random;
    random_sequence_init(&random, seed);
    struct sim_cluster *sim = sim_new();
    sim->tracing = getenv("TRACE") != NULL;
    sim_view(sim, (uint32_t)random_sequence_below(&random, SIM_MEMBERS));
    const char *wrong = NULL;
    for (int step = 0; step < 400 && !wrong; step++) {
        sim_run_until(sim, sim->now_ms + random_sequence_below(&random, 15));
        if (random_sequence_below(&random, 12) == 0) {
            random_fault(sim, &random);
        } else {
            random_mutation(sim, &random);
        }
        wrong = sim_check(sim);
    }
    for (uint32_t i = 0; i < SIM_MEMBERS; i++) {
        sim_cut(sim, i, (i + 1) % SIM_MEMBERS, false);
    }
    sim_run(sim);
    wrong = wrong ? wrong : sim_check(sim);
    wrong = wrong || sim_primary(sim) >= 0 ? wrong : "nobody serves at the end";
    wrong = wrong ? wrong : sim_compare(sim, 0, 1);
    wrong = wrong ? wrong : sim_compare(sim, 0, 2);
    if (wrong && sim->tracing) {
        printf("%s", sim_trace(sim));
    }
    sim_free(sim);
    return wrong;
}

static void random_histories_lose_nothing(void)
{
    const char *seed_text = getenv("SEED"), *runs_text = getenv("RUNS");
    uint64_t first = seed_text ? strtoull(seed_text, NULL, 10) : 1;
    uint64_t runs = runs_text ? strtoull(runs_text, NULL, 10) : 300;
    for (uint64_t seed = first; seed < first + runs; seed++) {
        const char *wrong = random_run(seed);
        if (wrong) {
            printf("\nseed %llu: %s; repeat with: "
                   "SEED=%llu RUNS=1 build/debug/tests/sim/settle_test\n",
                   (unsigned long long)seed, wrong, (unsigned long long)seed);
        }
        CU_ASSERT_PTR_NULL_FATAL(wrong);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"a tail is rolled forward before anybody is served",
         a_tail_is_rolled_forward_before_anybody_is_served},
        {"a primary with the shorter log does not serve",
         a_primary_with_the_shorter_log_does_not_serve},
        {"a backup that comes back is sent what it missed",
         a_backup_that_comes_back_is_sent_what_it_missed},
        {"a restarted member takes no part in the view it died in",
         a_restarted_member_takes_no_part_in_the_view_it_died_in},
        {"random histories lose nothing", random_histories_lose_nothing},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"settle", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
    CU_initialize_registry();
    CU_register_suites(suites);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
