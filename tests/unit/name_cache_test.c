/*
 * The cache of granted names. Goal: a look-up is answered by what was granted, not recalled, not
 * changed since, and only to who may search the directory. Method: requests begun and answered by
 * hand around recalls and changes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <stdlib.h>
#include "backend/base/clock.h"
#include "gateway/name_cache.h"

static struct object_cache objects;
static struct name_cache names;
static const struct gfid directory = {{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9}};
static const struct gfid file = {{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 10}};
static const struct gfid other = {{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 11}};
static const struct cred kernel = {.flags = CRED_CHECKED};

static struct volume_request begin(enum volume_op op, const char *name)
{
    struct volume_request request = {.op = op,
                                     .object = directory,
                                     .object2 = directory,
                                     .name = slice_text(name),
                                     .name2 = slice_text("new"),
                                     .cred = kernel};
    object_cache_begin(&objects, &request);
    name_cache_begin(&names, &request);
    return request;
}

static void answer(struct volume_request *request, int status, const struct gfid *found,
                   uint32_t grant_ms)
{
    request->reply = (struct reply){
        .status = status,
        .parent = {.type = OBJECT_DIRECTORY, .gfid = directory, .change = 3, .mode = 0750},
        .grant_ms = grant_ms,
        .parent_grant_ms = status == 0 ? grant_ms : 0,
    };
    if (status == 0) {
        request->reply.object = (struct attr){.type = OBJECT_FILE,
                                              .gfid = *found,
                                              .change = 3,
                                              .ctime = {.seconds = 1},
                                              .btime = {.seconds = 1}};
    }
    object_cache_learn(&objects, request, 0);
    name_cache_learn(&names, request, 0);
}

/* The directory's attributes are known, as after any change in it. */
static void start(void)
{
    object_cache_init(&objects, true);
    name_cache_init(&names, &objects, true);
    struct volume_request request = begin(VOLUME_CREATE, "first");
    answer(&request, 0, &other, 2000);
}

static void stop(void)
{
    name_cache_release(&names);
    object_cache_release(&objects);
}

static bool looks_up(const char *name, const struct cred *cred, struct reply *out_reply)
{
    struct volume_request request = begin(VOLUME_LOOKUP, name);
    request.cred = *cred;
    bool is_answered = name_cache_answer(&names, &request, NS_PER_MS);
    *out_reply = request.reply;
    return is_answered;
}

static bool finds(const char *name, const struct gfid *wanted)
{
    struct reply reply;
    return looks_up(name, &kernel, &reply) && reply.status == 0 &&
           gfid_equal(&reply.object.gfid, wanted) && reply.parent.type == OBJECT_DIRECTORY;
}

static bool misses(const char *name)
{
    struct reply reply;
    return looks_up(name, &kernel, &reply) && reply.status == -ENOENT;
}

static bool asks(const char *name)
{
    struct reply reply;
    return !looks_up(name, &kernel, &reply);
}

static void what_was_found_is_found_again(void)
{
    start();
    CU_ASSERT_TRUE(asks("f"));
    struct volume_request request = begin(VOLUME_LOOKUP, "f");
    answer(&request, 0, &file, 2000);
    CU_ASSERT_TRUE(finds("f", &file));
    CU_ASSERT_TRUE(finds("first", &other)); /* what was made */
    request = begin(VOLUME_LOOKUP, "none");
    answer(&request, -ENOENT, NULL, 2000);
    CU_ASSERT_TRUE(misses("none"));
    request = begin(VOLUME_LOOKUP, "ungranted");
    answer(&request, 0, &file, 0);
    CU_ASSERT_TRUE(asks("ungranted"));
    CU_ASSERT_TRUE(asks("."));
    CU_ASSERT_TRUE(asks(".."));
    stop();
}

static void own_changes_count_at_once(void)
{
    start();
    struct volume_request request = begin(VOLUME_LOOKUP, "none");
    answer(&request, -ENOENT, NULL, 2000);
    request = begin(VOLUME_CREATE, "none");
    answer(&request, 0, &file, 2000);
    CU_ASSERT_TRUE(finds("none", &file));
    request = begin(VOLUME_REMOVE, "none");
    answer(&request, 0, &file, 0);
    CU_ASSERT_TRUE(asks("none"));
    request = begin(VOLUME_CREATE, "old");
    answer(&request, 0, &file, 2000);
    request = begin(VOLUME_RENAME, "old");
    answer(&request, 0, &file, 0);
    CU_ASSERT_TRUE(asks("old"));
    CU_ASSERT_TRUE(asks("new"));
    stop();
}

static void a_late_look_up_brings_nothing_back(void)
{
    start();
    struct volume_request late = begin(VOLUME_LOOKUP, "f");
    struct volume_request request = begin(VOLUME_CREATE, "f");
    answer(&request, 0, &file, 2000);
    answer(&late, -ENOENT, NULL, 2000);
    CU_ASSERT_TRUE(finds("f", &file));
    late = begin(VOLUME_LOOKUP, "g");
    object_cache_recall(&objects, &GFID_NONE);
    name_cache_recall(&names, &directory, slice_text("g"));
    answer(&late, -ENOENT, NULL, 2000);
    CU_ASSERT_TRUE(asks("g"));
    stop();
}

static void what_is_recalled_is_asked_for(void)
{
    start();
    CU_ASSERT_TRUE(finds("first", &other));
    object_cache_recall(&objects, &GFID_NONE);
    name_cache_recall(&names, &directory, slice_text("first"));
    CU_ASSERT_TRUE(asks("first"));
    struct volume_request request = begin(VOLUME_LOOKUP, "first");
    answer(&request, 0, &other, 2000);
    CU_ASSERT_TRUE(finds("first", &other));
    object_cache_recall(&objects, &other); /* its attributes only */
    CU_ASSERT_TRUE(asks("first"));
    stop();
}

static void an_unknown_outcome_is_asked_for(void)
{
    start();
    struct volume_request request = begin(VOLUME_RMDIR, "first");
    request.reply = (struct reply){.status = -EINTR};
    object_cache_unknown(&objects, &request, 0);
    name_cache_learn(&names, &request, 0);
    CU_ASSERT_TRUE(asks("first"));
    stop();
}

static void who_may_not_search_is_not_answered(void)
{
    start(); /* the directory's mode is 0750 */
    struct reply reply;
    CU_ASSERT_TRUE(looks_up("first", &(struct cred){.uid = 0}, &reply));
    CU_ASSERT_TRUE(looks_up("first", &(struct cred){.uid = 5, .gid = 0}, &reply));
    CU_ASSERT_FALSE(looks_up("first", &(struct cred){.uid = 5, .gid = 5}, &reply));
    stop();
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"what was found is found again", what_was_found_is_found_again},
        {"own changes count at once", own_changes_count_at_once},
        {"a late look-up brings nothing back", a_late_look_up_brings_nothing_back},
        {"what is recalled is asked for", what_is_recalled_is_asked_for},
        {"an unknown outcome is asked for", an_unknown_outcome_is_asked_for},
        {"who may not search is not answered", who_may_not_search_is_not_answered},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"name cache", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
    CU_initialize_registry();
    CU_register_suites(suites);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
