/*
 * The cache of granted names. Goal: a look-up is answered by what was granted, not recalled, not
 * changed since, and only to who may search the directory. Method: requests begun and answered by
 * hand around recalls and changes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include "backend/base/clock.h"
#include "backend/proto/dirent.h"
#include "gateway/name_cache.h"

static struct object_cache objects;
static struct session_lease lease;
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
                                     .cred = kernel,
                                     .epoch = session_lease_epoch(&lease)};
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
    session_lease_init(&lease);
    CU_ASSERT_TRUE(session_lease_answered(&lease, 10 * NS_PER_S, 0));
    object_cache_init(&objects, &lease, true);
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
    request = begin(VOLUME_CREATE, "old");
    answer(&request, 0, &file, 2000);
    request = begin(VOLUME_RENAME, "old");
    answer(&request, 0, &file, 2000);
    CU_ASSERT_TRUE(asks("old"));
    CU_ASSERT_TRUE(finds("new", &file));
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
    name_cache_recall(&names, &GFID_NONE, &directory, slice_text("g"));
    answer(&late, -ENOENT, NULL, 2000);
    CU_ASSERT_TRUE(asks("g"));
    stop();
}

static void what_is_recalled_is_asked_for(void)
{
    start();
    CU_ASSERT_TRUE(finds("first", &other));
    object_cache_recall(&objects, &GFID_NONE);
    name_cache_recall(&names, &GFID_NONE, &directory, slice_text("first"));
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

/* ---- directories that this client made ------------------------------------------------------- */

static const struct gfid fresh = {{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 12}};

static struct volume_request begin_in_fresh(enum volume_op op, const char *name)
{
    struct volume_request request = {.op = op,
                                     .object = fresh,
                                     .object2 = fresh,
                                     .name = slice_text(name),
                                     .name2 = slice_text("new"),
                                     .cred = kernel,
                                     .epoch = session_lease_epoch(&lease)};
    object_cache_begin(&objects, &request);
    name_cache_begin(&names, &request);
    return request;
}

/* An answer after which the directory's ctime is after, and before which it was before. */
static void answer_in_fresh(struct volume_request *request, int64_t before, int64_t after,
                            int status)
{
    request->reply = (struct reply){
        .status = status,
        .object = {.type = OBJECT_FILE,
                   .gfid = file,
                   .change = (uint64_t)after,
                   .ctime = {.seconds = after},
                   .btime = {.seconds = after}},
        .parent = {.type = OBJECT_DIRECTORY,
                   .gfid = fresh,
                   .change = (uint64_t)after,
                   .ctime = {.seconds = after}},
        .parent_before = {.present = true, .ctime = {.seconds = before}},
        .grant_ms = 2000,
        .parent_grant_ms = 2000,
    };
    object_cache_learn(&objects, request, 0);
    name_cache_learn(&names, request, 0);
}

static void make_fresh(void)
{
    start();
    struct volume_request request = begin(VOLUME_MKDIR, "fresh");
    request.reply = (struct reply){
        .object = {.type = OBJECT_DIRECTORY,
                   .gfid = fresh,
                   .change = 5,
                   .mode = 0700,
                   .ctime = {.seconds = 5},
                   .btime = {.seconds = 5}},
        .parent = {.type = OBJECT_DIRECTORY, .gfid = directory, .change = 5, .mode = 0750},
        .grant_ms = 2000,
        .parent_grant_ms = 2000,
    };
    object_cache_learn(&objects, &request, 0);
    name_cache_learn(&names, &request, 0);
}

static bool lacks(const char *name)
{
    struct volume_request request = begin_in_fresh(VOLUME_LOOKUP, name);
    bool is_answered = name_cache_answer(&names, &request, NS_PER_MS);
    return is_answered && request.reply.status == -ENOENT && request.reply.grant_ms == 0;
}

static void a_new_directory_lacks_what_was_not_made_in_it(void)
{
    make_fresh();
    CU_ASSERT_TRUE(lacks("a"));
    struct volume_request request = begin_in_fresh(VOLUME_CREATE, "a");
    answer_in_fresh(&request, 5, 6, 0);
    CU_ASSERT_FALSE(lacks("a"));
    CU_ASSERT_TRUE(lacks("b"));
    request = begin_in_fresh(VOLUME_RENAME, "a");
    answer_in_fresh(&request, 6, 7, 0);
    CU_ASSERT_FALSE(lacks("new"));
    CU_ASSERT_TRUE(lacks("b"));
    request = begin_in_fresh(VOLUME_REMOVE, "b");
    answer_in_fresh(&request, 7, 7, -ENOENT); /* a refusal says nothing new */
    CU_ASSERT_TRUE(whole_directories_lack(&names.whole, &fresh, slice_text("c"), NS_PER_MS));
    stop();
}

static void what_others_may_have_changed_is_asked_for(void)
{
    make_fresh();
    struct volume_request request = begin_in_fresh(VOLUME_CREATE, "a");
    answer_in_fresh(&request, 8, 9, 0); /* it was changed at 8, by somebody else */
    CU_ASSERT_FALSE(lacks("b"));
    stop();

    make_fresh();
    object_cache_recall(&objects, &fresh);
    name_cache_recall(&names, &fresh, &GFID_NONE, slice_of(NULL, 0));
    CU_ASSERT_FALSE(lacks("b"));
    stop();

    make_fresh();
    request = begin_in_fresh(VOLUME_CREATE, "a");
    answer_in_fresh(&request, 5, 5, -EINTR);
    CU_ASSERT_FALSE(lacks("a"));
    stop();

    make_fresh();
    request = begin_in_fresh(VOLUME_CREATE, "a");
    answer_in_fresh(&request, 5, 5, -EEXIST); /* so there is more than is known */
    CU_ASSERT_FALSE(lacks("b"));
    stop();
}

static void a_directory_with_many_names_is_asked_for(void)
{
    make_fresh();
    int64_t time = 5;
    bool kept = true;
    for (int i = 0; i < WHOLE_DIRECTORY_HASHES && kept; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "n%d", i);
        struct volume_request request = begin_in_fresh(VOLUME_CREATE, name);
        answer_in_fresh(&request, time, time + 1, 0);
        time++;
        CU_ASSERT_FALSE(lacks(name));
        kept = lacks("other");
        CU_ASSERT_TRUE(kept || i > WHOLE_DIRECTORY_HASHES / 2);
    }
    CU_ASSERT_FALSE(kept);
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

/* ---- listings ------------------------------------------------------------------------------ */

static const struct cred stranger = {.uid = 0};
static uint8_t packed[4096];

/* One entry for each name; the last one is not granted. */
static struct slice pack(const char *const *listed, unsigned count)
{
    size_t used = 0;
    for (unsigned i = 0; i < count; i++) {
        size_t at = used;
        struct gfid gfid = gfid_make(0, 2, i + 1);
        const struct dirent_entry entry = {
            .cookie = COOKIE_FIRST + i,
            .gfid = gfid,
            .type = OBJECT_FILE,
            .attr = {.type = OBJECT_FILE, .gfid = gfid, .change = 3, .mode = 0644, .nlink = 1},
            .name = slice_text(listed[i]),
        };
        CU_ASSERT_EQUAL_FATAL(dirent_pack(packed, sizeof packed, &used, &entry), 0);
        if (i + 1 == count) {
            dirent_set_ungranted(packed + at);
        }
    }
    return slice_of(packed, used);
}

static struct volume_request begin_listing(const struct cred *cred)
{
    struct volume_request request = begin(VOLUME_READDIR, "");
    request.cred = *cred;
    request.with_attr = true;
    return request;
}

static void answer_listing(struct volume_request *request, uint32_t grant_ms)
{
    static const char *const listed[] = {"one", "two", "three"};
    request->reply = (struct reply){
        .object = {.type = OBJECT_DIRECTORY, .gfid = directory, .change = 3, .mode = 0755},
        .grant_ms = grant_ms,
        .data = pack(listed, 3),
    };
    object_cache_learn(&objects, request, 0);
    name_cache_learn(&names, request, 0);
}

/* Bit i: entry i is found by its name, and with its attributes. */
static unsigned listed_found(void)
{
    static const char *const listed[] = {"one", "two", "three"};
    unsigned found = 0;
    for (unsigned i = 0; i < 3; i++) {
        struct gfid gfid = gfid_make(0, 2, i + 1);
        found |= finds(listed[i], &gfid) ? 1U << i : 0;
    }
    return found;
}

static void what_was_listed_is_found(void)
{
    start();
    struct volume_request request = begin_listing(&stranger);
    answer_listing(&request, 2000);
    CU_ASSERT_EQUAL(listed_found(), 3); /* but for the one that was not granted */
    stop();
    start();
    request = begin_listing(&kernel); /* which keeps it by itself */
    answer_listing(&request, 2000);
    CU_ASSERT_EQUAL(listed_found(), 0);
    request = begin_listing(&stranger);
    answer_listing(&request, 0);
    CU_ASSERT_EQUAL(listed_found(), 0);
    stop();
}

static void a_late_listing_brings_nothing_back(void)
{
    start();
    struct volume_request request = begin_listing(&stranger);
    struct volume_request removal = begin(VOLUME_REMOVE, "one");
    answer(&removal, 0, &file, 0);
    answer_listing(&request, 2000);
    CU_ASSERT_EQUAL(listed_found(), 0);
    request = begin_listing(&stranger);
    object_cache_recall(&objects, &other);
    answer_listing(&request, 2000);
    CU_ASSERT_EQUAL(listed_found(), 0);
    stop();
}

static void what_was_listed_is_changed_and_recalled(void)
{
    start();
    struct gfid one = gfid_make(0, 2, 1), two = gfid_make(0, 2, 2);
    struct volume_request request = begin_listing(&stranger);
    answer_listing(&request, 2000);
    struct volume_request removal = begin(VOLUME_REMOVE, "one");
    answer(&removal, 0, &one, 2000); /* the directory stays granted */
    CU_ASSERT_EQUAL(listed_found(), 2);
    object_cache_recall(&objects, &two);
    CU_ASSERT_EQUAL(listed_found(), 0);
    stop();
}

/* However long a listing is, what was granted before it stays. */
static void a_listing_takes_no_place_from_what_is_kept(void)
{
    start();
    for (unsigned i = 0; i < 100000; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "entry%u", i);
        struct gfid gfid = gfid_make(0, 3, i + 1);
        const struct dirent_entry entry = {
            .cookie = COOKIE_FIRST,
            .gfid = gfid,
            .type = OBJECT_FILE,
            .attr = {.type = OBJECT_FILE, .gfid = gfid, .change = 3},
            .name = slice_text(name),
        };
        size_t used = 0;
        struct volume_request request = begin_listing(&stranger);
        CU_ASSERT_EQUAL_FATAL(dirent_pack(packed, sizeof packed, &used, &entry), 0);
        request.reply = (struct reply){.grant_ms = 2000, .data = slice_of(packed, used)};
        name_cache_learn(&names, &request, 0);
    }
    CU_ASSERT_TRUE(finds("first", &other));
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
        {"a new directory lacks what was not made in it",
         a_new_directory_lacks_what_was_not_made_in_it},
        {"what others may have changed is asked for", what_others_may_have_changed_is_asked_for},
        {"a directory with many names is asked for", a_directory_with_many_names_is_asked_for},
        {"who may not search is not answered", who_may_not_search_is_not_answered},
        {"what was listed is found", what_was_listed_is_found},
        {"a late listing brings nothing back", a_late_listing_brings_nothing_back},
        {"what was listed is changed and recalled", what_was_listed_is_changed_and_recalled},
        {"a listing takes no place from what is kept", a_listing_takes_no_place_from_what_is_kept},
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
