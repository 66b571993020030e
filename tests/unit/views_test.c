/*
 * Views: the first one, which may follow, what is said of a change, and the record there and back.
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
    definition.min_insync = MIN_INSYNC_DEFAULT;
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

/* The first view, brick 0 leads; next is the one after it, as it was. */
static void take_first(void)
{
    CU_ASSERT_FATAL(view_first(&definition, candidates, &view));
    next = view;
    next.number++;
}

/* ---- the first view ------------------------------------------------------------------------ */

static void the_first_view_waits_for_all(void)
{
    for (uint32_t i = 0; i < 3; i++) {
        candidates[i].is_registered = false;
        CU_ASSERT(!view_first(&definition, candidates, &view));
        candidates[i].is_registered = true;
    }
    take_first();
    CU_ASSERT(view.number == 1 && view.volatile_epoch == 1 && view.member_count == 3);
    CU_ASSERT(view.previous_end == 1 && view.primary == 0);
    for (uint32_t i = 0; i < 3; i++) {
        const struct view_member *member = &view.members[i];
        CU_ASSERT(member->brick == i && member->state == MEMBER_IN_SYNC);
        CU_ASSERT(member->disk_id == 100 + i && member->incarnation == 10 + i);
        CU_ASSERT(member->port == 49152 + i);
        CU_ASSERT_STRING_EQUAL(member->path, definition.bricks[i].path);
    }
}

static void the_longest_log_leads(void)
{
    candidates[1].last_index = 7;
    candidates[2].last_index = 7;
    take_first();
    CU_ASSERT(view.primary == 1);
    CU_ASSERT(view.previous_end == 7);
}

/* ---- what may follow ----------------------------------------------------------------------- */

/* Whether brick 1 may propose next after view. */
static bool may_follow(void)
{
    return view_check_successor(&definition, &view, &next, 1, 11) == NULL;
}

static void a_plausible_view_may_follow(void)
{
    take_first();
    CU_ASSERT(may_follow());
    /* Succession without the old primary. */
    next.primary = 1;
    next.members[0].state = MEMBER_AWAY;
    next.previous_end = 0; /* a shorter log */
    next.volatile_epoch++;
    CU_ASSERT(may_follow());
    view = next;
    next.number++;
    /* It comes back, as another process. */
    next.members[0].state = MEMBER_IN_SYNC;
    next.members[0].incarnation = 77;
    next.members[0].port = 1;
    CU_ASSERT(may_follow());
    /* One returns while another goes. */
    next.members[2].state = MEMBER_AWAY;
    next.members[2].incarnation = 0;
    next.members[2].port = 0;
    CU_ASSERT(may_follow());
    /* A renewal. */
    view = next;
    next.renewals++;
    CU_ASSERT(may_follow());
    next.number++;
    next.renewals = 0;
    CU_ASSERT(may_follow());
}

/* Goal: whatever is no successor is refused. Method: one change at a time. */
static void an_implausible_view_may_not_follow(void)
{
    take_first();
    struct view good = next;
#define REFUSED(change)                                                                            \
    do {                                                                                           \
        next = good;                                                                               \
        change;                                                                                    \
        CU_ASSERT(!may_follow());                                                                  \
    } while (0)
    REFUSED(next.number++);
    REFUSED(next.number--); /* the same, not renewed */
    REFUSED(next.number = 0);
    REFUSED(next.set = 1);
    REFUSED(next.member_count = 2);
    REFUSED(next.member_count = 4);
    REFUSED(next.primary = 3);
    REFUSED(next.primary = UINT32_MAX);
    REFUSED(next.members[0].state = MEMBER_AWAY); /* the primary */
    REFUSED(next.members[2].state = MEMBER_JOINING);
    REFUSED(next.members[2].state = 9);
    REFUSED(next.members[2].brick = 1);
    REFUSED(next.members[2].disk_id++);
    REFUSED(next.members[2].host[0] = 'x');
    REFUSED(next.members[2].path[1] = 'x');
    REFUSED(next.members[2].port = 0);
    REFUSED(next.members[2].port = 65536);
    REFUSED(next.members[2].incarnation = 0);
    REFUSED(next.volatile_epoch = 0);
    REFUSED(next.volatile_epoch = UINT64_MAX);
    REFUSED(next.previous_end = UINT64_MAX);
    REFUSED(next.renewals = UINT64_MAX);
    /* The proposer's own entry. */
    REFUSED(next.members[1].incarnation = 12);
    REFUSED(next.members[1].state = MEMBER_AWAY);
    /* A renewal changes nothing else. */
    good.number = view.number;
    good.renewals = view.renewals + 1;
    next = good;
    CU_ASSERT(may_follow());
    REFUSED(next.renewals++);
    REFUSED(next.primary = 1);
    REFUSED(next.members[2].state = MEMBER_AWAY);
    REFUSED(next.members[2].incarnation++);
    REFUSED(next.members[2].port++);
    REFUSED(next.previous_end++);
    REFUSED(next.volatile_epoch++);
#undef REFUSED
}

static void who_is_away_neither_proposes_nor_leads(void)
{
    take_first();
    CU_ASSERT(view_check_successor(&definition, &view, &next, 3, 11) != NULL);
    CU_ASSERT(view_check_successor(&definition, &view, &next, 1, 12) != NULL);
    next.members[1].incarnation = 50; /* a new process of it, that enters itself */
    CU_ASSERT(view_check_successor(&definition, &view, &next, 1, 50) == NULL);
    view.members[1].state = MEMBER_AWAY;
    CU_ASSERT(view_check_successor(&definition, &view, &next, 1, 50) != NULL);
    CU_ASSERT(view_check_successor(&definition, &view, &next, 0, 10) == NULL);
    next.primary = 1;
    CU_ASSERT(view_check_successor(&definition, &view, &next, 0, 10) != NULL);
    memset(&view, 0, sizeof(view)); /* the first one is not a brick's to make */
    next.number = 1;
    CU_ASSERT(view_check_successor(&definition, &view, &next, 0, 10) != NULL);
}

static void min_insync_is_kept(void)
{
    take_first();
    next.members[0].state = MEMBER_AWAY;
    next.primary = 1;
    definition.min_insync = 3;
    CU_ASSERT(!may_follow());
    definition.min_insync = 2;
    CU_ASSERT(may_follow());
    next.members[2].state = MEMBER_AWAY;
    CU_ASSERT(!may_follow());
    definition.min_insync = 1;
    CU_ASSERT(may_follow());
    /* Raised above what is in sync: no fewer, but as many. */
    next.members[2].state = MEMBER_IN_SYNC;
    view = next;
    definition.min_insync = 3;
    next.number++;
    next.primary = 2;
    CU_ASSERT(may_follow());
    next.members[2].state = MEMBER_AWAY;
    next.primary = 1;
    CU_ASSERT(!may_follow());
}

/* ---- in words ------------------------------------------------------------------------------ */

static void describe(const char *expected)
{
    char why[VIEW_WHY_SIZE];
    view_describe_change("gv0", &view, &next, why);
    CU_ASSERT_STRING_EQUAL(why, expected);
    view = next;
}

static void a_change_is_said_in_words(void)
{
    take_first();
    view.number = 0;
    describe("brick gv0-0 leads the first view");
    describe("renewed by brick gv0-0");
    next.number++;
    describe("brick gv0-0 leads as before");
    next.members[1].state = MEMBER_AWAY;
    next.number++;
    describe("brick gv0-1 removed");
    next.members[1].state = MEMBER_IN_SYNC;
    next.members[1].incarnation++;
    describe("brick gv0-1 in sync again");
    next.primary = 1;
    next.members[0].state = MEMBER_AWAY;
    describe("brick gv0-1 leads in place of gv0-0, brick gv0-0 removed");
    next.members[2].incarnation++;
    describe("brick gv0-2 entered anew");
}

/* Goal: the longest text has room. */
static void the_longest_words_have_room(void)
{
    char name[VOLUME_NAME_MAX + 1];
    char why[VIEW_WHY_SIZE];
    memset(name, 'v', VOLUME_NAME_MAX);
    name[VOLUME_NAME_MAX] = '\0';
    take_first();
    view.member_count = next.member_count = SET_MEMBERS_MAX;
    next.primary = 1;
    for (uint32_t i = 0; i < SET_MEMBERS_MAX; i++) {
        view.members[i].state = MEMBER_AWAY;
        next.members[i].state = MEMBER_IN_SYNC;
    }
    view_describe_change(name, &view, &next, why);
    CU_ASSERT(strlen(why) > 6 * VOLUME_NAME_MAX && strlen(why) < VIEW_WHY_SIZE);
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
    struct view_change change = {.since_ms = 7, .why = "a \"reason\""};
    struct view_change read_change;
    uint64_t version = 1;
    CU_ASSERT(view_load(store, &definition, 0, &read, &read_change, &version) == 0);
    CU_ASSERT(read.number == 0 && version == 0 && read_change.since_ms == 0);

    candidates[1].incarnation = UINT64_MAX;
    take_first();
    view.renewals = 3;
    CU_ASSERT(view_save(store, &definition, &view, &change, 0) == 0);
    CU_ASSERT(view_save(store, &definition, &view, &change, 0) == -E_VERSION_CONFLICT);
    CU_ASSERT_FATAL(view_load(store, &definition, 0, &read, &read_change, &version) == 0);
    CU_ASSERT(version > 0);
    CU_ASSERT(memcmp(&read, &view, sizeof(read)) == 0);
    CU_ASSERT(read_change.since_ms == 7);
    CU_ASSERT_STRING_EQUAL(read_change.why, change.why);

    /* A volume of the same name that is not the same does not inherit it. */
    definition.id.bytes[0] = 2;
    CU_ASSERT_FATAL(view_load(store, &definition, 0, &read, &read_change, &version) == 0);
    CU_ASSERT(read.number == 0 && version > 0);
    CU_ASSERT(view_save(store, &definition, &view, &change, version) == 0);
    CU_ASSERT(view_delete(store, "gv0", 0) == 0);
    CU_ASSERT(view_delete(store, "gv0", 0) == 0);
    CU_ASSERT(view_load(store, &definition, 0, &read, &read_change, &version) == 0 && version == 0);
    CU_ASSERT(cluster_store_put_if_version(store, "view/gv0/0", slice_text("{}"), 0, NULL) == 0);
    CU_ASSERT(view_load(store, &definition, 0, &read, &read_change, &version) == -E_CORRUPT);
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
        TEST(a_plausible_view_may_follow),
        TEST(an_implausible_view_may_not_follow),
        TEST(who_is_away_neither_proposes_nor_leads),
        TEST(min_insync_is_kept),
        TEST(a_change_is_said_in_words),
        TEST(the_longest_words_have_room),
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
