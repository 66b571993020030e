/*
 * The judge of histories, judged. Goal: sim_history_check calls right what could have been and
 * wrong what could not. Method: small histories of each kind, right ones and wrong ones, then many
 * random right ones, each of which is made wrong in one answer that nothing else can explain.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include "backend/base/random.h"
#include "tests/lib/sim_history.h"

#define NEVER SIM_NEVER

static enum sim_verdict judge(const struct sim_operation *history, unsigned count)
{
    struct sim_operation copy[SIM_HISTORY_MAX];
    memcpy(copy, history, count * sizeof *history);
    return sim_history_check(copy, count);
}

#define JUDGE(history) judge(history, sizeof history / sizeof history[0])

/* kind, name, name2, value, status, result, called, returned */
static void registers(void)
{
    struct sim_operation in_order[] = {{SIM_WRITE, 0, 0, 7, 0, 0, 1, 2},
                                       {SIM_READ, 0, 0, 0, 0, 7, 3, 4}};
    struct sim_operation stale[] = {{SIM_WRITE, 0, 0, 7, 0, 0, 1, 2},
                                    {SIM_READ, 0, 0, 0, 0, 0, 3, 4}};
    struct sim_operation at_once[] = {{SIM_WRITE, 0, 0, 7, 0, 0, 1, 5},
                                      {SIM_READ, 0, 0, 0, 0, 0, 2, 3}};
    struct sim_operation there_and_back[] = {{SIM_WRITE, 0, 0, 7, 0, 0, 1, 9},
                                             {SIM_READ, 0, 0, 0, 0, 7, 2, 3},
                                             {SIM_READ, 0, 0, 0, 0, 0, 4, 5}};
    struct sim_operation unknown_done[] = {{SIM_WRITE, 0, 0, 7, 0, 0, 1, NEVER},
                                           {SIM_READ, 0, 0, 0, 0, 0, 2, 3},
                                           {SIM_READ, 0, 0, 0, 0, 7, 4, 5}};
    struct sim_operation unknown_undone[] = {{SIM_WRITE, 0, 0, 7, 0, 0, 1, NEVER},
                                             {SIM_READ, 0, 0, 0, 0, 7, 2, 3},
                                             {SIM_READ, 0, 0, 0, 0, 0, 4, 5}};
    struct sim_operation twice[] = {{SIM_WRITE, 0, 0, 7, 0, 0, 1, 2},
                                    {SIM_WRITE, 0, 0, 8, 0, 0, 3, 4},
                                    {SIM_READ, 0, 0, 0, 0, 7, 5, 6}};
    struct sim_operation before[] = {{SIM_READ, 0, 0, 0, 0, 7, 1, 2},
                                     {SIM_WRITE, 0, 0, 7, 0, 0, 3, 4}};
    CU_ASSERT_EQUAL(JUDGE(in_order), SIM_LINEAR);
    CU_ASSERT_EQUAL(JUDGE(stale), SIM_NOT_LINEAR);
    CU_ASSERT_EQUAL(JUDGE(at_once), SIM_LINEAR);
    CU_ASSERT_EQUAL(JUDGE(there_and_back), SIM_NOT_LINEAR);
    CU_ASSERT_EQUAL(JUDGE(unknown_done), SIM_LINEAR);
    CU_ASSERT_EQUAL(JUDGE(unknown_undone), SIM_NOT_LINEAR);
    CU_ASSERT_EQUAL(JUDGE(twice), SIM_NOT_LINEAR);
    CU_ASSERT_EQUAL(JUDGE(before), SIM_NOT_LINEAR);
}

static void counters(void)
{
    struct sim_operation right[] = {{SIM_APPEND, 0, 0, 3, 0, 2, 1, 6},
                                    {SIM_APPEND, 0, 0, 2, 0, 0, 1, 6},
                                    {SIM_SIZE, 0, 0, 0, 0, 5, 7, 8}};
    struct sim_operation same_place[] = {{SIM_APPEND, 0, 0, 3, 0, 0, 1, 6},
                                         {SIM_APPEND, 0, 0, 2, 0, 0, 1, 6}};
    struct sim_operation once_more[] = {{SIM_APPEND, 0, 0, 3, 0, 0, 1, 2},
                                        {SIM_SIZE, 0, 0, 0, 0, 6, 3, 4}};
    CU_ASSERT_EQUAL(JUDGE(right), SIM_LINEAR);
    CU_ASSERT_EQUAL(JUDGE(same_place), SIM_NOT_LINEAR);
    CU_ASSERT_EQUAL(JUDGE(once_more), SIM_NOT_LINEAR);
}

static void names(void)
{
    struct sim_operation right[] = {
        {SIM_CREATE, 0, 0, 5, 0, 0, 1, 2},        {SIM_CREATE, 0, 0, 6, -EEXIST, 0, 3, 4},
        {SIM_RENAME, 0, 1, 7, 0, 0, 5, 6},        {SIM_LOOKUP, 0, 0, 0, -ENOENT, 0, 7, 8},
        {SIM_LOOKUP, 1, 1, 0, 0, 5, 7, 8},        {SIM_REMOVE, 1, 1, 0, 0, 0, 9, 10},
        {SIM_REMOVE, 1, 1, 0, -ENOENT, 0, 11, 12}};
    struct sim_operation both[] = {{SIM_CREATE, 0, 0, 5, 0, 0, 1, 2},
                                   {SIM_RENAME, 0, 1, 7, 0, 0, 3, 9},
                                   {SIM_LOOKUP, 1, 1, 0, 0, 5, 4, 5},
                                   {SIM_LOOKUP, 0, 0, 0, 0, 5, 6, 7}};
    struct sim_operation two_made[] = {{SIM_CREATE, 0, 0, 5, 0, 0, 1, 9},
                                       {SIM_CREATE, 0, 0, 6, 0, 0, 1, 9}};
    struct sim_operation refused_and_done[] = {{SIM_CREATE, 0, 0, 5, -EEXIST, 0, 1, 2},
                                               {SIM_LOOKUP, 0, 0, 0, 0, 5, 3, 4}};
    CU_ASSERT_EQUAL(JUDGE(right), SIM_LINEAR);
    CU_ASSERT_EQUAL(JUDGE(both), SIM_NOT_LINEAR);
    CU_ASSERT_EQUAL(JUDGE(two_made), SIM_NOT_LINEAR);
    CU_ASSERT_EQUAL(JUDGE(refused_and_done), SIM_NOT_LINEAR);
}

/* Operations that overlap with their neighbours, in an order that is known to explain them. */
static unsigned random_history(struct random_sequence *random, struct sim_operation *history)
{
    unsigned count = 2 + (unsigned)random_sequence_below(random, 100);
    int64_t value = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t at = 100 * (i + 1);
        bool writes = random_sequence_below(random, 2);
        value = writes ? i + 1 : value;
        history[i] = (struct sim_operation){
            .kind = writes ? SIM_WRITE : SIM_READ,
            .value = value,
            .result = writes ? 0 : value,
            .called = at - random_sequence_below(random, 300 < at ? 300 : at),
            .returned = at + 1 + random_sequence_below(random, 300),
        };
        if (writes && random_sequence_below(random, 8) == 0) {
            history[i].returned = SIM_NEVER;
        }
    }
    return count;
}

static void random_histories(void)
{
    struct random_sequence random;
    random_sequence_init(&random, 1);
    for (unsigned turn = 0; turn < 300; turn++) {
        struct sim_operation history[SIM_HISTORY_MAX];
        unsigned count = random_history(&random, history);
        CU_ASSERT_EQUAL_FATAL(judge(history, count), SIM_LINEAR);
        unsigned victim = (unsigned)random_sequence_below(&random, count);
        while (victim < count && history[victim].kind != SIM_READ) {
            victim++;
        }
        if (victim == count) {
            continue;
        }
        history[victim].result = 1000; /* nobody wrote that */
        CU_ASSERT_EQUAL_FATAL(judge(history, count), SIM_NOT_LINEAR);
    }
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"registers", registers}, {"counters", counters},
        {"names", names},         {"random histories", random_histories},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"history", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
    CU_initialize_registry();
    CU_register_suites(suites);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
