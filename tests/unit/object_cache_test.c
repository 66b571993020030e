/*
 * The cache of granted objects. Goal: what it answers was granted, is not older than what this
 * client was told, and has not been recalled, whatever order answers and recalls come in. Method:
 * requests begun and answered by hand around recalls, failures, changes and times.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "backend/base/clock.h"
#include "gateway/object_cache.h"

static struct object_cache cache;
static struct session_lease lease;
static const struct gfid one = {{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9}};
static const struct gfid two = {{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 10}};

/* A lease that holds for longer than any grant. */
static void start(void)
{
    session_lease_init(&lease);
    CU_ASSERT_TRUE(session_lease_answered(&lease, 10 * NS_PER_S, 0));
    object_cache_init(&cache, &lease, true);
}

static struct volume_request begin(enum volume_op op, const struct gfid *object)
{
    struct volume_request request = {
        .op = op, .object = *object, .cred = {.flags = CRED_CHECKED}, .count = 4096};
    request.epoch = session_lease_epoch(&lease);
    object_cache_begin(&cache, &request);
    return request;
}

static void answer_parent(struct volume_request *request, uint64_t change, uint32_t grant_ms)
{
    request->reply = (struct reply){
        .parent = {.type = OBJECT_DIRECTORY, .gfid = request->object, .change = change},
        .parent_grant_ms = grant_ms,
    };
    object_cache_learn(&cache, request, 0);
}

static void answer_object(struct volume_request *request, uint64_t change, const char *text,
                          uint32_t grant_ms)
{
    request->reply = (struct reply){
        .object = {.type = OBJECT_FILE,
                   .gfid = request->object,
                   .change = change,
                   .size = strlen(text)},
        .count = (uint32_t)strlen(text),
        .grant_ms = grant_ms,
    };
    if (request->op == VOLUME_READ) {
        request->reply.data = slice_text(text);
    } else {
        request->data = slice_text(text);
    }
    object_cache_learn(&cache, request, 0);
}

/* The change that the attributes found at a time show, or 0 if none are found. */
static uint64_t found(const struct gfid *gfid, uint64_t at_ms)
{
    struct volume_request request = begin(VOLUME_GETATTR, gfid);
    return object_cache_answer(&cache, &request, at_ms * NS_PER_MS) ? request.reply.object.change
                                                                    : 0;
}

static bool reads(const struct gfid *gfid, uint64_t offset, uint32_t count, const char *text)
{
    struct volume_request request = begin(VOLUME_READ, gfid);
    request.offset = offset;
    request.count = count;
    return object_cache_answer(&cache, &request, NS_PER_MS) &&
           slice_equal(request.reply.data, slice_text(text)) &&
           request.reply.count == strlen(text) &&
           request.reply.eof == (offset + strlen(text) >= request.reply.object.size);
}

static void what_was_granted_is_found_until_it_ends(void)
{
    start();
    struct volume_request request = begin(VOLUME_CREATE, &one);
    CU_ASSERT_EQUAL(found(&one, 1), 0);
    answer_parent(&request, 5, 2000);
    CU_ASSERT_EQUAL(found(&one, 1000), 5);
    CU_ASSERT_EQUAL(found(&two, 1000), 0);
    CU_ASSERT_EQUAL(found(&one, 2000 - GRANT_MARGIN_MS), 0);
    object_cache_release(&cache);
}

static void of_two_changes_the_later_counts(void)
{
    start();
    struct volume_request earlier = begin(VOLUME_CREATE, &one), later = earlier;
    answer_parent(&later, 8, 2000);
    answer_parent(&earlier, 5, 2000);
    CU_ASSERT_EQUAL(found(&one, 10), 8);
    object_cache_release(&cache);
    start();
    later = earlier = begin(VOLUME_CREATE, &one);
    answer_parent(&later, 8, 0); /* not granted, and it must not come back either */
    answer_parent(&earlier, 5, 2000);
    CU_ASSERT_EQUAL(found(&one, 10), 0);
    object_cache_release(&cache);
}

static void a_read_does_not_overtake_an_own_change(void)
{
    start();
    struct volume_request read = begin(VOLUME_READ, &one), write = begin(VOLUME_WRITE, &one);
    answer_object(&write, 6, "new", 0);
    answer_object(&read, 5, "old", 2000);
    CU_ASSERT_EQUAL(found(&one, 10), 0);
    CU_ASSERT_FALSE(reads(&one, 0, 4096, "old"));
    read = begin(VOLUME_READ, &one);
    answer_object(&read, 6, "new", 2000);
    CU_ASSERT_TRUE(reads(&one, 0, 4096, "new"));
    object_cache_release(&cache);
}

static void a_small_file_is_read_back_from_what_was_written(void)
{
    start();
    struct volume_request write = begin(VOLUME_WRITE, &one);
    answer_object(&write, 6, "contents", 2000);
    CU_ASSERT_TRUE(reads(&one, 0, 4096, "contents"));
    CU_ASSERT_TRUE(reads(&one, 3, 2, "te"));
    CU_ASSERT_TRUE(reads(&one, 100, 10, ""));
    write = begin(VOLUME_WRITE, &one); /* a part: what the whole is now is not known */
    write.offset = 3;
    answer_object(&write, 7, "x", 2000);
    CU_ASSERT_EQUAL(found(&one, 10), 7);
    CU_ASSERT_FALSE(reads(&one, 0, 4096, "contents"));
    CU_ASSERT_FALSE(reads(&one, 0, 4096, "x"));
    object_cache_release(&cache);
}

static void attributes_asked_again_leave_the_bytes(void)
{
    start();
    struct volume_request write = begin(VOLUME_WRITE, &one);
    answer_object(&write, 6, "contents", 2000);
    struct volume_request getattr = begin(VOLUME_GETATTR, &one);
    answer_object(&getattr, 6, "contents", 2000);
    CU_ASSERT_TRUE(reads(&one, 0, 4096, "contents"));
    getattr = begin(VOLUME_GETATTR, &one); /* somebody else has changed it since */
    answer_object(&getattr, 9, "CONTENTS", 2000);
    CU_ASSERT_EQUAL(found(&one, 10), 9);
    CU_ASSERT_FALSE(reads(&one, 0, 4096, "contents"));
    object_cache_release(&cache);
}

static void a_recall_ends_it_and_what_was_under_way(void)
{
    start();
    struct volume_request request = begin(VOLUME_CREATE, &one);
    answer_parent(&request, 5, 2000);
    struct volume_request late = begin(VOLUME_CREATE, &one);
    object_cache_recall(&cache, &one);
    CU_ASSERT_EQUAL(found(&one, 10), 0);
    answer_parent(&late, 6, 2000); /* its answer was overtaken */
    CU_ASSERT_EQUAL(found(&one, 10), 0);
    request = begin(VOLUME_CREATE, &one);
    answer_parent(&request, 7, 2000);
    CU_ASSERT_EQUAL(found(&one, 10), 7);
    object_cache_release(&cache);
}

static void a_failure_and_an_unknown_outcome_end_it(void)
{
    start();
    struct volume_request request = begin(VOLUME_CREATE, &one);
    answer_parent(&request, 5, 2000);
    request = begin(VOLUME_CREATE, &one);
    request.reply = (struct reply){.status = -EIO};
    object_cache_learn(&cache, &request, 0);
    CU_ASSERT_EQUAL(found(&one, 10), 0);
    request = begin(VOLUME_CREATE, &one);
    answer_parent(&request, 6, 2000);
    request = begin(VOLUME_CREATE, &one);
    request.reply = (struct reply){.status = -EINTR};
    object_cache_unknown(&cache, &request, 10 * NS_PER_MS);
    CU_ASSERT_EQUAL(found(&one, 10), 0);
    request = begin(VOLUME_CREATE, &one);
    answer_parent(&request, 7, 2000); /* sent before the quiet time is over */
    CU_ASSERT_EQUAL(found(&one, 10), 0);
    object_cache_release(&cache);
}

static void a_rename_keeps_both_directories(void)
{
    start();
    struct volume_request request = {
        .op = VOLUME_RENAME, .object = one, .object2 = one, .epoch = session_lease_epoch(&lease)};
    object_cache_begin(&cache, &request);
    answer_parent(&request, 5, 2000);
    CU_ASSERT_EQUAL(found(&one, 10), 5);
    request = (struct volume_request){
        .op = VOLUME_RENAME, .object = one, .object2 = two, .epoch = session_lease_epoch(&lease)};
    object_cache_begin(&cache, &request);
    request.reply = (struct reply){
        .parent = {.type = OBJECT_DIRECTORY, .gfid = one, .change = 6},
        .parent2 = {.type = OBJECT_DIRECTORY, .gfid = two, .change = 6},
        .parent_grant_ms = 2000,
    };
    object_cache_learn(&cache, &request, 0);
    CU_ASSERT_EQUAL(found(&one, 10), 6);
    CU_ASSERT_EQUAL(found(&two, 10), 6);
    object_cache_release(&cache);
}

static void what_is_kept_needs_the_lease(void)
{
    session_lease_init(&lease);
    object_cache_init(&cache, &lease, true);
    CU_ASSERT_TRUE(session_lease_answered(&lease, 0, 0));
    struct volume_request request = begin(VOLUME_CREATE, &one);
    answer_parent(&request, 5, 2000);
    CU_ASSERT_EQUAL(found(&one, LEASE_CLIENT_MS - 1), 5);
    CU_ASSERT_EQUAL(found(&one, LEASE_CLIENT_MS), 0);
    /* What the caller may keep ends with the lease. */
    request = begin(VOLUME_GETATTR, &one);
    CU_ASSERT_TRUE(object_cache_answer(&cache, &request, 50 * NS_PER_MS));
    CU_ASSERT_EQUAL(request.reply.grant_ms, LEASE_CLIENT_MS - 50);
    /* A renewal in time keeps it, up to the end of the grant. */
    CU_ASSERT_TRUE(session_lease_answered(&lease, 200 * NS_PER_MS, 210 * NS_PER_MS));
    CU_ASSERT_EQUAL(found(&one, 200 + LEASE_CLIENT_MS - 1), 5);
    /* After the lease has run out nothing from before comes back. */
    CU_ASSERT_TRUE(session_lease_answered(&lease, 500 * NS_PER_MS, 510 * NS_PER_MS));
    CU_ASSERT_EQUAL(found(&one, 520), 0);
    request = begin(VOLUME_CREATE, &one);
    answer_parent(&request, 6, 2000);
    CU_ASSERT_EQUAL(found(&one, 520), 6);
    /* The connection has ended: void, whatever a new one brings. */
    session_lease_end(&lease);
    CU_ASSERT_EQUAL(found(&one, 520), 0);
    CU_ASSERT_TRUE(session_lease_answered(&lease, 530 * NS_PER_MS, 531 * NS_PER_MS));
    CU_ASSERT_EQUAL(found(&one, 532), 0);
    object_cache_release(&cache);
}

/* An answer that took as long as a lease holds up none. */
static void a_late_answer_is_no_lease(void)
{
    session_lease_init(&lease);
    uint64_t epoch = session_lease_epoch(&lease);
    CU_ASSERT_FALSE(session_lease_answered(&lease, 0, LEASE_CLIENT_MS * NS_PER_MS));
    CU_ASSERT_EQUAL(session_lease_epoch(&lease), epoch);
    CU_ASSERT_EQUAL(session_lease_last(&lease), 0);
    CU_ASSERT_TRUE(session_lease_answered(&lease, 100 * NS_PER_MS, 101 * NS_PER_MS));
    CU_ASSERT_TRUE(session_lease_answered(&lease, 50 * NS_PER_MS, 102 * NS_PER_MS));
    epoch = session_lease_epoch(&lease);
    CU_ASSERT_EQUAL(session_lease_until(&lease, epoch, 103 * NS_PER_MS),
                    (100 + LEASE_CLIENT_MS) * NS_PER_MS); /* not less by an earlier call's */
    CU_ASSERT_EQUAL(session_lease_until(&lease, epoch - 1, 103 * NS_PER_MS), 0);
    session_lease_end(&lease);
    CU_ASSERT_EQUAL(session_lease_until(&lease, epoch, 103 * NS_PER_MS), 0);
    CU_ASSERT_EQUAL(session_lease_last(&lease), (100 + LEASE_CLIENT_MS) * NS_PER_MS);
}

/* Whether a caller whose kernel has not checked is answered a READ of a file of this mode. */
static bool stranger_reads(uint32_t mode, uint32_t flags)
{
    const struct cred stranger = {.uid = 7, .gid = 7};
    start();
    struct volume_request request = begin(VOLUME_WRITE, &one);
    request.reply = (struct reply){
        .object = {.type = OBJECT_FILE,
                   .gfid = one,
                   .change = 5,
                   .size = 2,
                   .mode = mode,
                   .flags = flags},
        .count = 2,
        .grant_ms = 2000,
    };
    request.data = slice_text("xy");
    object_cache_learn(&cache, &request, 0);
    request = begin(VOLUME_GETATTR, &one);
    request.cred = stranger;
    CU_ASSERT_TRUE(object_cache_answer(&cache, &request, NS_PER_MS)); /* anybody may */
    request = begin(VOLUME_ACCESS, &one);
    request.cred = stranger;
    request.rights = RIGHT_READ | RIGHT_MODIFY;
    CU_ASSERT_EQUAL(object_cache_answer(&cache, &request, NS_PER_MS), flags == 0);
    CU_ASSERT_EQUAL(request.reply.count, flags == 0 && mode & 04 ? RIGHT_READ : 0);
    request = begin(VOLUME_READ, &one);
    request.cred = stranger;
    bool is_answered = object_cache_answer(&cache, &request, NS_PER_MS);
    object_cache_release(&cache);
    return is_answered;
}

static void a_caller_whose_kernel_has_not_checked_needs_the_right(void)
{
    CU_ASSERT_TRUE(stranger_reads(0644, 0));
    CU_ASSERT_FALSE(stranger_reads(0640, 0));
    CU_ASSERT_FALSE(stranger_reads(0644, ATTR_HAS_ACL)); /* the brick knows the ACL */
}

/* What a look-up finds counts unless this client changed it, or anything, in between. */
static bool look_up_keeps(uint64_t found_change, bool changes_between, bool recalls_between)
{
    start();
    struct volume_request request = begin(VOLUME_LOOKUP, &one);
    if (changes_between) {
        struct volume_request change = begin(VOLUME_SETATTR, &two);
        answer_object(&change, 6, "", 0);
    }
    if (recalls_between) {
        object_cache_recall(&cache, &one);
    }
    request.reply = (struct reply){
        .object = {.type = OBJECT_FILE, .gfid = two, .change = found_change}, .grant_ms = 2000};
    object_cache_learn(&cache, &request, 0);
    bool is_kept = found(&two, 10) == found_change;
    object_cache_release(&cache);
    return is_kept;
}

static void what_a_look_up_found_is_kept_if_it_is_not_late(void)
{
    CU_ASSERT_TRUE(look_up_keeps(5, false, false));
    CU_ASSERT_TRUE(look_up_keeps(6, true, false));
    CU_ASSERT_FALSE(look_up_keeps(5, true, false));
    CU_ASSERT_FALSE(look_up_keeps(5, false, true));
}

/* The directory's attributes that came with a look-up in it; between: what happens meanwhile. */
static bool look_up_keeps_directory(int status, uint32_t grant_ms, enum volume_op between)
{
    object_cache_init(&cache, &lease, true);
    struct volume_request request = begin(VOLUME_LOOKUP, &one);
    if (between != VOLUME_LOOKUP) {
        struct volume_request change = begin(between, &one);
        answer_object(&change, 6, "", 0);
    }
    request.reply = (struct reply){
        .status = status,
        .parent = {.type = OBJECT_DIRECTORY, .gfid = one, .change = 5},
        .parent_grant_ms = grant_ms,
    };
    object_cache_learn(&cache, &request, 0);
    bool is_kept = found(&one, 10) == 5;
    object_cache_release(&cache);
    return is_kept;
}

static void a_look_up_keeps_its_directory_if_granted(void)
{
    CU_ASSERT_TRUE(look_up_keeps_directory(0, 2000, VOLUME_LOOKUP));
    CU_ASSERT_TRUE(look_up_keeps_directory(-ENOENT, 2000, VOLUME_LOOKUP));
    CU_ASSERT_FALSE(look_up_keeps_directory(0, 0, VOLUME_LOOKUP));
    CU_ASSERT_FALSE(look_up_keeps_directory(-EACCES, 2000, VOLUME_LOOKUP));
    CU_ASSERT_FALSE(look_up_keeps_directory(0, 2000, VOLUME_SETATTR));
}

/* An answer without the directory, since that was just changing, says nothing about it. */
static void a_look_up_without_its_directory_leaves_what_is_kept(void)
{
    object_cache_init(&cache, &lease, true);
    struct volume_request request = begin(VOLUME_CREATE, &one);
    answer_parent(&request, 5, 2000);
    request = begin(VOLUME_LOOKUP, &one);
    request.reply =
        (struct reply){.object = {.type = OBJECT_FILE, .gfid = two, .change = 4}, .grant_ms = 2000};
    object_cache_learn(&cache, &request, 0);
    CU_ASSERT_EQUAL(found(&one, 10), 5);
    object_cache_release(&cache);
}

static void without_recalls_nothing_is_kept(void)
{
    object_cache_init(&cache, &lease, false);
    struct volume_request request = begin(VOLUME_CREATE, &one);
    answer_parent(&request, 5, 2000);
    CU_ASSERT_EQUAL(found(&one, 10), 0);
    object_cache_recall(&cache, &one);
    object_cache_release(&cache);
}

static void bytes_in_sum_are_bounded(void)
{
    start();
    char *text = malloc(OBJECT_CACHE_FILE_MAX + 1);
    memset(text, 'x', OBJECT_CACHE_FILE_MAX);
    text[OBJECT_CACHE_FILE_MAX] = '\0';
    for (uint64_t i = 1; i <= 3 * OBJECT_CACHE_DATA_MAX / OBJECT_CACHE_FILE_MAX; i++) {
        struct gfid gfid = gfid_make(0, 1, i);
        struct volume_request write = begin(VOLUME_WRITE, &gfid);
        answer_object(&write, i, text, 2000);
        CU_ASSERT_TRUE(atomic_load(&cache.data_size) <= OBJECT_CACHE_DATA_MAX);
    }
    CU_ASSERT_TRUE(atomic_load(&cache.data_size) > OBJECT_CACHE_DATA_MAX / 2);
    free(text);
    object_cache_release(&cache);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"what was granted is found until it ends", what_was_granted_is_found_until_it_ends},
        {"of two changes the later counts", of_two_changes_the_later_counts},
        {"a read does not overtake an own change", a_read_does_not_overtake_an_own_change},
        {"a small file is read back from what was written",
         a_small_file_is_read_back_from_what_was_written},
        {"attributes asked again leave the bytes", attributes_asked_again_leave_the_bytes},
        {"a recall ends it and what was under way", a_recall_ends_it_and_what_was_under_way},
        {"a failure and an unknown outcome end it", a_failure_and_an_unknown_outcome_end_it},
        {"a rename keeps both directories", a_rename_keeps_both_directories},
        {"what is kept needs the lease", what_is_kept_needs_the_lease},
        {"a late answer is no lease", a_late_answer_is_no_lease},
        {"a caller whose kernel has not checked needs the right",
         a_caller_whose_kernel_has_not_checked_needs_the_right},
        {"what a look-up found is kept if it is not late",
         what_a_look_up_found_is_kept_if_it_is_not_late},
        {"a look-up keeps its directory if granted", a_look_up_keeps_its_directory_if_granted},
        {"a look-up without its directory leaves what is kept",
         a_look_up_without_its_directory_leaves_what_is_kept},
        {"without recalls nothing is kept", without_recalls_nothing_is_kept},
        {"bytes in sum are bounded", bytes_in_sum_are_bounded},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"object cache", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
    CU_initialize_registry();
    CU_register_suites(suites);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
