/*
 * The cache of granted directory attributes. Goal: what is found was granted, is not older than what
 * is known, and has not been recalled, even by a recall that came before the answer. Method: answers
 * in every order around recalls, failures and times.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include "backend/base/clock.h"
#include "gateway/directory_cache.h"

static struct directory_cache cache;
static const struct gfid one = {{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9}};
static const struct gfid two = {{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 10}};

static struct volume_request made_in(const struct gfid *parent, uint64_t change, uint32_t grant_ms)
{
    return (struct volume_request){
        .op = VOLUME_CREATE,
        .object = *parent,
        .reply = {.parent = {.type = OBJECT_DIRECTORY, .gfid = *parent, .change = change},
                  .parent_grant_ms = grant_ms},
    };
}

/* What is found at 1,000 ms of attributes granted at 0: the change that they show, or 0. */
static uint64_t found(const struct gfid *gfid, uint64_t at_ms)
{
    struct attr attr;
    uint32_t grant_ms;
    return directory_cache_find(&cache, gfid, at_ms * NS_PER_MS, &attr, &grant_ms) ? attr.change
                                                                                   : 0;
}

static void what_was_granted_is_found_until_it_ends(void)
{
    directory_cache_init(&cache, true);
    struct volume_request request = made_in(&one, 5, 2000);
    CU_ASSERT_EQUAL(found(&one, 1), 0);
    directory_cache_learn(&cache, &request, directory_cache_recalls(&cache), 0);
    CU_ASSERT_EQUAL(found(&one, 1000), 5);
    CU_ASSERT_EQUAL(found(&two, 1000), 0);
    CU_ASSERT_EQUAL(found(&one, 2000 - GRANT_MARGIN_MS), 0);
    directory_cache_release(&cache);
}

static void a_later_state_stays(void)
{
    directory_cache_init(&cache, true);
    struct volume_request later = made_in(&one, 8, 2000), earlier = made_in(&one, 5, 2000);
    directory_cache_learn(&cache, &later, 0, 0);
    directory_cache_learn(&cache, &earlier, 0, 0);
    CU_ASSERT_EQUAL(found(&one, 10), 8);
    directory_cache_release(&cache);
}

static void a_change_without_a_grant_ends_what_was_known(void)
{
    directory_cache_init(&cache, true);
    struct volume_request granted = made_in(&one, 5, 2000), bare = made_in(&one, 6, 0);
    struct volume_request failed = made_in(&one, 7, 2000);
    directory_cache_learn(&cache, &granted, 0, 0);
    directory_cache_learn(&cache, &bare, 0, 0);
    CU_ASSERT_EQUAL(found(&one, 10), 0);
    directory_cache_learn(&cache, &granted, 0, 0);
    failed.reply.status = -EINTR;
    directory_cache_learn(&cache, &failed, 0, 0);
    CU_ASSERT_EQUAL(found(&one, 10), 0);
    directory_cache_release(&cache);
}

static void a_recall_ends_it_and_what_was_under_way(void)
{
    directory_cache_init(&cache, true);
    struct volume_request request = made_in(&one, 5, 2000);
    directory_cache_learn(&cache, &request, 0, 0);
    uint64_t before = directory_cache_recalls(&cache);
    directory_cache_recall(&cache, &one);
    CU_ASSERT_EQUAL(found(&one, 10), 0);
    directory_cache_learn(&cache, &request, before, 0); /* its answer was overtaken */
    CU_ASSERT_EQUAL(found(&one, 10), 0);
    directory_cache_learn(&cache, &request, directory_cache_recalls(&cache), 0);
    CU_ASSERT_EQUAL(found(&one, 10), 5);
    directory_cache_release(&cache);
}

static void a_rename_in_one_directory_keeps_it(void)
{
    directory_cache_init(&cache, true);
    struct volume_request request = made_in(&one, 5, 2000);
    request.op = VOLUME_RENAME;
    request.object2 = one;
    directory_cache_learn(&cache, &request, 0, 0);
    CU_ASSERT_EQUAL(found(&one, 10), 5);
    request.object2 = two;
    request.reply.parent2 =
        (struct attr){.type = OBJECT_DIRECTORY, .gfid = two, .change = 6};
    directory_cache_learn(&cache, &request, 0, 0);
    CU_ASSERT_EQUAL(found(&two, 10), 6);
    directory_cache_release(&cache);
}

static void without_recalls_nothing_is_kept(void)
{
    directory_cache_init(&cache, false);
    struct volume_request request = made_in(&one, 5, 2000);
    directory_cache_learn(&cache, &request, 0, 0);
    CU_ASSERT_EQUAL(found(&one, 10), 0);
    directory_cache_recall(&cache, &one);
    directory_cache_release(&cache);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"what was granted is found until it ends", what_was_granted_is_found_until_it_ends},
        {"a later state stays", a_later_state_stays},
        {"a change without a grant ends what was known",
         a_change_without_a_grant_ends_what_was_known},
        {"a recall ends it and what was under way", a_recall_ends_it_and_what_was_under_way},
        {"a rename in one directory keeps it", a_rename_in_one_directory_keeps_it},
        {"without recalls nothing is kept", without_recalls_nothing_is_kept},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"directory cache", NULL, NULL, NULL, NULL, tests},
                             CU_SUITE_INFO_NULL};
    CU_initialize_registry();
    CU_register_suites(suites);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
