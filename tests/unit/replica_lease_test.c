/*
 * The begin of a lease. Goal: a primary whose view has a member that promised nothing in it yet
 * asks as soon as that member is in the view, not a heartbeat later. Method: events one by one, and
 * what they bring about.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>

#include "backend/base/clock.h"
#include "backend/replica/replica.h"

static struct replica replica;
static struct replica_effects effects;
static uint64_t now_ns;

/* Brick 0 of three leads view 5 since now. */
static void begin(void)
{
    struct view view = {.number = 5, .primary = 0, .member_count = 3};
    for (uint32_t i = 0; i < 3; i++) {
        view.members[i].brick = i;
        view.members[i].state = MEMBER_IN_SYNC;
        view.members[i].incarnation = 100 + i;
    }
    now_ns = 1000 * NS_PER_MS;
    replica_init(&replica, 0, 100, 0, 0);
    replica_step(&replica,
                 &(struct replica_event){.kind = EVENT_VIEW, .now_ns = now_ns, .view = &view},
                 &effects);
}

static unsigned count_of(enum replica_effect_kind kind)
{
    unsigned count = 0;
    for (unsigned i = 0; i < effects.count; i++) {
        count += effects.list[i].kind == kind;
    }
    return count;
}

/* A heartbeat of a member, or what it says to one that was sent just before. */
static void said(enum replica_event_kind kind, uint32_t member, uint64_t view, uint32_t flags)
{
    const struct beat beat = {.incarnation = 100 + member, .view = view, .flags = flags};
    now_ns += NS_PER_MS;
    struct replica_event event = {.kind = kind,
                                  .now_ns = now_ns,
                                  .sent_ns = now_ns - NS_PER_MS / 2,
                                  .member = member,
                                  .beat = &beat};
    replica_step(&replica, &event, &effects);
}

static void the_view_begins_with_a_heartbeat(void)
{
    CU_ASSERT_EQUAL(count_of(EFFECT_BEAT), 1);
}

static void a_member_that_comes_later_is_asked_at_once(void)
{
    said(EVENT_BEAT_ANSWERED, 1, 4, 0); /* it was not in the view yet */
    said(EVENT_BEAT_ANSWERED, 2, 5, BEAT_PROMISED);
    CU_ASSERT_EQUAL(count_of(EFFECT_BEAT), 0);
    CU_ASSERT_EQUAL(replica.lease_ns, 0);
    said(EVENT_BEAT, 1, 5, 0); /* now it is */
    CU_ASSERT_EQUAL(count_of(EFFECT_ANSWER), 1);
    CU_ASSERT_EQUAL(count_of(EFFECT_BEAT), 1);
    said(EVENT_BEAT_ANSWERED, 1, 5, BEAT_PROMISED);
    CU_ASSERT(replica.lease_ns > now_ns);
}

static void one_that_has_promised_is_not(void)
{
    said(EVENT_BEAT_ANSWERED, 1, 5, BEAT_PROMISED);
    said(EVENT_BEAT, 1, 5, 0);
    CU_ASSERT_EQUAL(count_of(EFFECT_BEAT), 0);
}

static void one_of_another_view_is_not(void)
{
    said(EVENT_BEAT, 1, 4, 0);
    CU_ASSERT_EQUAL(count_of(EFFECT_BEAT), 0);
}

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name                                                                                \
    }

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(the_view_begins_with_a_heartbeat),
        TEST(a_member_that_comes_later_is_asked_at_once),
        TEST(one_that_has_promised_is_not),
        TEST(one_of_another_view_is_not),
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"replica_lease", NULL, NULL, begin, NULL, tests}, CU_SUITE_INFO_NULL};
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
        return 1;
    }
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
