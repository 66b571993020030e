/*
 * Views: which comes next, and the record there and back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/base/errors.h"
#include "mgmt/views.h"

static struct volume_definition definition;
static struct candidate candidates[SET_MEMBERS_MAX];
static struct view view, next;

/* ---- a volume of three bricks that are all registered -------------------------------------- */

static void begin(void)
{
    memset(&definition, 0, sizeof(definition));
    memset(&view, 0, sizeof(view));
    memset(candidates, 0, sizeof(candidates));
    strcpy(definition.name, "gv0");
    definition.id.bytes[0] = 1;
    definition.replica = 3;
    definition.brick_count = 3;
    for (uint32_t i = 0; i < 3; i++) {
        struct brick_definition *brick = &definition.bricks[i];
        brick->number = i;
        brick->disk_id = 100 + i;
        strcpy(brick->host, "localhost");
        snprintf(brick->path, sizeof(brick->path), "/b%u", i);
        candidates[i] = (struct candidate){
            .is_registered = true, .incarnation = 10 + i, .port = 49152 + i, .last_index = 1};
    }
}

static void take_next(void)
{
    CU_ASSERT_FATAL(view_next(&definition, &view, candidates, &next));
    CU_ASSERT(next.number == view.number + 1);
    view = next;
}

/* ---- the first view ------------------------------------------------------------------------ */

static void the_first_view_waits_for_all(void)
{
    for (uint32_t i = 0; i < 3; i++) {
        candidates[i].is_registered = false;
        CU_ASSERT(!view_next(&definition, &view, candidates, &next));
        candidates[i].is_registered = true;
    }
    take_next();
    CU_ASSERT(view.number == 1 && view.volatile_epoch == 1 && view.member_count == 3);
    CU_ASSERT(view.previous_end == 1);
    for (uint32_t i = 0; i < 3; i++) {
        const struct view_member *member = &view.members[i];
        CU_ASSERT(member->brick == i && member->state == MEMBER_IN_SYNC);
        CU_ASSERT(member->disk_id == 100 + i && member->incarnation == 10 + i);
        CU_ASSERT(member->port == 49152 + i);
        CU_ASSERT_STRING_EQUAL(member->path, definition.bricks[i].path);
    }
    CU_ASSERT(!view_next(&definition, &view, candidates, &next));
}

static void the_longest_log_leads(void)
{
    candidates[1].last_index = 7;
    candidates[2].last_index = 7;
    take_next();
    CU_ASSERT(view.primary == 1);
    CU_ASSERT(view.previous_end == 7);
}

static void on_a_tie_the_old_primary_leads(void)
{
    candidates[2].last_index = 5;
    take_next();
    CU_ASSERT(view.primary == 2);
    for (uint32_t i = 0; i < 3; i++) {
        candidates[i].last_index = 9;
        candidates[i].incarnation += 100;
    }
    take_next();
    CU_ASSERT(view.primary == 2);
    CU_ASSERT(view.previous_end == 9);
    CU_ASSERT(view.volatile_epoch == 1);
}

/* ---- later views --------------------------------------------------------------------------- */

static void a_backup_that_came_back_makes_a_view(void)
{
    candidates[0].last_index = 3;
    take_next();
    candidates[1] = (struct candidate){.is_registered = false};
    CU_ASSERT(!view_next(&definition, &view, candidates, &next));
    /* It has more in its log than the primary had when that registered, which leads all the same.
     */
    candidates[1] =
        (struct candidate){.is_registered = true, .incarnation = 99, .port = 5, .last_index = 8};
    take_next();
    CU_ASSERT(view.number == 2 && view.primary == 0);
    CU_ASSERT(view.members[1].incarnation == 99 && view.members[1].port == 5);
    CU_ASSERT(view.members[2].incarnation == 12);
    CU_ASSERT(view.previous_end == 8);
}

static void an_absent_backup_keeps_its_place(void)
{
    take_next();
    candidates[1].is_registered = false;
    candidates[2].incarnation = 77;
    take_next();
    CU_ASSERT(view.members[1].incarnation == 11 && view.members[2].incarnation == 77);
}

static void a_primary_that_came_back_is_chosen_anew(void)
{
    candidates[0].last_index = 4;
    take_next();
    CU_ASSERT(view.primary == 0);
    candidates[0] =
        (struct candidate){.is_registered = true, .incarnation = 50, .port = 6, .last_index = 4};
    candidates[2].is_registered = false;
    CU_ASSERT(!view_next(&definition, &view, candidates, &next));
    candidates[2] = (struct candidate){
        .is_registered = true, .incarnation = 12, .port = 49154, .last_index = 6};
    take_next();
    CU_ASSERT(view.primary == 2 && view.previous_end == 6);
    CU_ASSERT(view.members[0].incarnation == 50);
}

static void the_same_process_again_makes_no_view(void)
{
    take_next();
    for (uint32_t i = 0; i < 3; i++) {
        candidates[i].last_index = 1000 + i;
    }
    CU_ASSERT(!view_next(&definition, &view, candidates, &next));
}

/* ---- the record ---------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *stat_, int type, struct FTW *ftw)
{
    (void)stat_;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void the_record_brings_back_the_view(void)
{
    char directory[256];
    const char *temporary = getenv("TMPDIR");
    snprintf(directory, sizeof(directory), "%s/trivet-views-XXXXXX",
             temporary ? temporary : "/tmp");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
    struct cluster_store *store;
    struct refusal why;
    CU_ASSERT_FATAL(file_store_open(directory, &store, &why) == 0);
    struct view read;
    uint64_t version = 1;
    CU_ASSERT(view_load(store, &definition, 0, &read, &version) == 0);
    CU_ASSERT(read.number == 0 && version == 0);

    candidates[1].incarnation = UINT64_MAX;
    take_next();
    CU_ASSERT(view_save(store, &definition, &view, 0) == 0);
    CU_ASSERT(view_save(store, &definition, &view, 0) == -E_VERSION_CONFLICT);
    CU_ASSERT_FATAL(view_load(store, &definition, 0, &read, &version) == 0);
    CU_ASSERT(version > 0);
    CU_ASSERT(memcmp(&read, &view, sizeof(read)) == 0);

    /* A volume of the same name that is not the same does not inherit it. */
    definition.id.bytes[0] = 2;
    CU_ASSERT_FATAL(view_load(store, &definition, 0, &read, &version) == 0);
    CU_ASSERT(read.number == 0 && version > 0);
    CU_ASSERT(view_save(store, &definition, &view, version) == 0);
    CU_ASSERT(view_delete(store, "gv0", 0) == 0);
    CU_ASSERT(view_delete(store, "gv0", 0) == 0);
    CU_ASSERT(view_load(store, &definition, 0, &read, &version) == 0 && version == 0);
    CU_ASSERT(cluster_store_put_if_version(store, "view/gv0/0", slice_text("{}"), 0, NULL) == 0);
    CU_ASSERT(view_load(store, &definition, 0, &read, &version) == -E_CORRUPT);
    cluster_store_close(store);
    CU_ASSERT(nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

static void keys_are_parsed(void)
{
    char name[VOLUME_NAME_MAX + 1];
    uint32_t set;
    CU_ASSERT(view_key_parse("view/gv0/7", name, &set) == 0);
    CU_ASSERT_STRING_EQUAL(name, "gv0");
    CU_ASSERT(set == 7);
    CU_ASSERT(view_key_parse("view/gv0", name, &set) == -EINVAL);
    CU_ASSERT(view_key_parse("view//0", name, &set) == -EINVAL);
    CU_ASSERT(view_key_parse("view/a/0x", name, &set) == -EINVAL);
    CU_ASSERT(view_key_parse("volume/a", name, &set) == -EINVAL);
}

#define TEST(function)                                                                             \
    {                                                                                              \
#function, function                                                                        \
    }

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(the_first_view_waits_for_all),
        TEST(the_longest_log_leads),
        TEST(on_a_tie_the_old_primary_leads),
        TEST(a_backup_that_came_back_makes_a_view),
        TEST(an_absent_backup_keeps_its_place),
        TEST(a_primary_that_came_back_is_chosen_anew),
        TEST(the_same_process_again_makes_no_view),
        TEST(the_record_brings_back_the_view),
        TEST(keys_are_parsed),
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"views", NULL, NULL, begin, NULL, tests}, CU_SUITE_INFO_NULL};
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
        return 1;
    }
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
