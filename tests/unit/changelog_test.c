/*
 * The log: what is appended is read back, over segments and processes; what is torn is cut; what is
 * damaged is said.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backend/base/errors.h"
#include "backend/store/changelog.h"
#include "tests/lib/store_fixture.h"

#define FIRST 2

static char path[64];
static char error[512];
static int fd;
static struct changelog *changelog;

static int reopen(bool same_boot)
{
    const struct changelog_options options = {.directory_fd = fd,
                                              .disk_id = 9,
                                              .first = FIRST,
                                              .segment_size = 64 * 1024,
                                              .same_boot = same_boot};
    changelog_close(changelog);
    changelog = NULL;
    return changelog_open(&options, &changelog, error, sizeof error);
}

static void begin(void)
{
    temporary_directory(path);
    fd = open(path, O_RDONLY | O_DIRECTORY);
    CU_ASSERT_EQUAL_FATAL(reopen(true), 0);
}

static void end(void)
{
    changelog_close(changelog);
    changelog = NULL;
    (void)close(fd);
    remove_tree(path);
}

/* The bytes of a record follow from its index. */
static struct slice record_of(uint64_t index, uint8_t bytes[1000])
{
    size_t size = 1 + index * 37 % 999;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(index * 31 + i);
    }
    return slice_of(bytes, size);
}

static void append(uint64_t from, uint64_t to)
{
    uint8_t bytes[1000];
    for (uint64_t i = from; i <= to; i++) {
        CU_ASSERT_EQUAL(changelog_append(changelog, i, record_of(i, bytes)), 0);
    }
}

static bool reads(uint64_t index)
{
    uint8_t wanted[1000];
    uint8_t got[1000];
    size_t size = 0;
    return changelog_read(changelog, index, got, sizeof got, &size) == 0 &&
           slice_equal(slice_of(got, size), record_of(index, wanted));
}

static uint64_t last(void)
{
    uint64_t from;
    uint64_t to;
    changelog_range(changelog, &from, &to);
    return to;
}

static void records_are_read_back_over_segments(void)
{
    begin();
    CU_ASSERT_EQUAL(last(), FIRST - 1);
    append(FIRST, 1000);
    CU_ASSERT_EQUAL(last(), 1000);
    for (int again = 0; again < 2; again++) {
        for (uint64_t i = FIRST; i <= 1000; i++) {
            CU_ASSERT(reads(i));
        }
        uint8_t bytes[1000];
        size_t size;
        CU_ASSERT_EQUAL(changelog_read(changelog, 1001, bytes, sizeof bytes, &size), -ENOENT);
        CU_ASSERT_EQUAL(changelog_read(changelog, 1, bytes, sizeof bytes, &size), -ENOENT);
        CU_ASSERT_EQUAL(changelog_read(changelog, 3, bytes, 2, &size), -ENOBUFS);
        CU_ASSERT_EQUAL_FATAL(reopen(true), 0);
    }
    append(1001, 1100);
    CU_ASSERT(reads(1100));
    end();
}

static void old_segments_are_dropped_but_not_those_needed(void)
{
    begin();
    append(FIRST, 1000);
    uint64_t from;
    uint64_t to;
    CU_ASSERT_EQUAL(changelog_trim(changelog, 0, 500), 0);
    changelog_range(changelog, &from, &to);
    CU_ASSERT(from > FIRST && from <= 500);
    CU_ASSERT(reads(500));
    CU_ASSERT_FALSE(reads(from - 1));
    CU_ASSERT_EQUAL_FATAL(reopen(true), 0);
    CU_ASSERT(reads(from));
    CU_ASSERT_EQUAL(changelog_trim(changelog, UINT64_MAX, 1000), 0);
    CU_ASSERT(reads(from));
    end();
}

/* Over several segments, in one, to nothing; what comes then is read back. */
static void records_may_be_taken_back(void)
{
    static const uint64_t ends[] = {1000, 999, 400, 399, FIRST, FIRST - 1};
    begin();
    append(FIRST, 1000);
    CU_ASSERT_EQUAL(changelog_sync(changelog), 0);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        CU_ASSERT_EQUAL(changelog_cut(changelog, ends[i]), 0);
        CU_ASSERT_EQUAL(changelog_cut(changelog, ends[i]), 0);
        CU_ASSERT_EQUAL(last(), ends[i]);
        CU_ASSERT_FALSE(reads(ends[i] + 1));
        CU_ASSERT(ends[i] < FIRST || reads(ends[i]));
        if (i % 2) {
            CU_ASSERT_EQUAL_FATAL(reopen(true), 0);
            CU_ASSERT_EQUAL(last(), ends[i]);
        }
        append(ends[i] + 1, ends[i] + 3);
        CU_ASSERT_EQUAL(changelog_sync(changelog), 0);
        CU_ASSERT(reads(ends[i] + 3));
        CU_ASSERT_EQUAL_FATAL(reopen(true), 0);
        CU_ASSERT_EQUAL(last(), ends[i] + 3);
        CU_ASSERT(reads(FIRST) && reads(ends[i] + 3));
    }
    end();
}

static int open_last_segment(void)
{
    char name[96] = "";
    for (uint64_t from = last(); from >= FIRST; from--) {
        (void)snprintf(name, sizeof name, "%s/%020llu", path, (unsigned long long)from);
        if (access(name, F_OK) == 0) {
            break;
        }
    }
    int segment = open(name, O_RDWR);
    CU_ASSERT_FATAL(segment >= 0);
    return segment;
}

static off_t size_of(int segment)
{
    struct stat status;
    CU_ASSERT_EQUAL_FATAL(fstat(segment, &status), 0);
    return status.st_size;
}

/* Where the last record ends, padding included, before the zeros that were written ahead. */
static off_t end_of_records(int segment)
{
    off_t end = size_of(segment);
    char byte = 0;
    while (end > 0 && pread(segment, &byte, 1, end - 1) == 1 && byte == 0) {
        end--;
    }
    return (end + 7) / 8 * 8;
}

/* Change the file of the last segment. */
static void damage(off_t from_end, const char *bytes, size_t size)
{
    int segment = open_last_segment();
    off_t at = end_of_records(segment) - from_end;
    if (bytes) {
        CU_ASSERT_EQUAL(pwrite(segment, bytes, size, at), (ssize_t)size);
    } else {
        CU_ASSERT_EQUAL(ftruncate(segment, at), 0);
    }
    (void)close(segment);
}

static void a_torn_tail_is_cut(void)
{
    for (off_t cut = 1; cut < 200; cut += 7) {
        begin();
        append(FIRST, 20);
        damage(cut, NULL, 0);
        CU_ASSERT_EQUAL_FATAL(reopen(cut % 2), 0);
        uint64_t end_index = last();
        CU_ASSERT(end_index < 20 && end_index > 10);
        CU_ASSERT(reads(end_index));
        append(end_index + 1, 30);
        CU_ASSERT_EQUAL_FATAL(reopen(true), 0);
        CU_ASSERT(reads(30));
        end();
    }
}

static void zeros_after_a_power_cut_are_cut(void)
{
    begin();
    append(FIRST, 20);
    damage(300, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    CU_ASSERT_EQUAL_FATAL(reopen(false), 0);
    CU_ASSERT(last() < 20);
    end();
}

static void damage_in_the_middle_is_said(void)
{
    begin();
    append(FIRST, 20);
    damage(4000, "\x55\x55\x55", 3);
    CU_ASSERT_EQUAL(reopen(true), -E_CORRUPT); /* the machine did not stop: nothing was torn */
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "damaged"));
    CU_ASSERT_EQUAL(reopen(false), 0); /* nobody was told that it is durable */
    end();
    begin();
    append(FIRST, 20);
    CU_ASSERT_EQUAL(changelog_sync(changelog), 0);
    append(21, 22);
    damage(4000, "\x55\x55\x55", 3);
    CU_ASSERT_EQUAL(reopen(false), -E_CORRUPT); /* here somebody was */
    end();
}

static void a_record_damaged_later_is_said_when_read(void)
{
    begin();
    append(FIRST, 20);
    damage(8, "\x55", 1);
    uint8_t bytes[1000];
    size_t size;
    CU_ASSERT_EQUAL(changelog_read(changelog, 20, bytes, sizeof bytes, &size), -E_CORRUPT);
    end();
}

static void a_segment_of_another_brick_is_refused(void)
{
    begin();
    append(FIRST, 20);
    const struct changelog_options options = {
        .directory_fd = fd, .disk_id = 10, .first = FIRST, .same_boot = true};
    struct changelog *other;
    CU_ASSERT_EQUAL(changelog_open(&options, &other, error, sizeof error), -E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "another brick"));
    end();
}

static void a_segment_without_a_head_is_made_anew(void)
{
    begin();
    append(FIRST, 20);
    char name[96];
    (void)snprintf(name, sizeof name, "%s/%020d", path, 21);
    (void)close(open(name, O_WRONLY | O_CREAT | O_EXCL, 0600));
    CU_ASSERT_EQUAL_FATAL(reopen(true), 0);
    CU_ASSERT_EQUAL(last(), 20);
    append(21, 200);
    CU_ASSERT(reads(200));
    end();
}

/* A sync that finds a new size costs a transaction of the file system. */
static void records_go_where_zeros_were_written(void)
{
    begin();
    append(FIRST, 20);
    int segment = open_last_segment();
    off_t laid = size_of(segment);
    CU_ASSERT(laid > end_of_records(segment));
    append(21, 60);
    CU_ASSERT_EQUAL(size_of(segment), laid);
    CU_ASSERT_EQUAL_FATAL(reopen(false), 0); /* it ends where the zeros begin */
    CU_ASSERT_EQUAL(last(), 60);
    CU_ASSERT_EQUAL(size_of(segment), end_of_records(segment));
    append(61, 90);
    CU_ASSERT(reads(60) && reads(90));
    append(91, 500); /* another segment: the room of this one is given back */
    CU_ASSERT_EQUAL(size_of(segment), end_of_records(segment));
    (void)close(segment);
    CU_ASSERT_EQUAL_FATAL(reopen(true), 0);
    CU_ASSERT(reads(90) && reads(91) && reads(500));
    end();
}

static void a_record_in_the_zeros_of_a_power_cut_is_found_out(void)
{
    begin();
    append(FIRST, 20);
    int segment = open_last_segment();
    off_t before = end_of_records(segment);
    append(21, 21);
    off_t after = end_of_records(segment);
    CU_ASSERT_EQUAL(changelog_sync(changelog), 0);
    append(22, 22);
    static const char zeros[2048];
    CU_ASSERT_EQUAL(pwrite(segment, zeros, (size_t)(after - before), before), after - before);
    (void)close(segment);
    CU_ASSERT_EQUAL(reopen(false), -E_CORRUPT); /* it was durable by what comes behind it */
    end();
}

static void a_sync_that_was_begun_is_waited_for(void)
{
    begin();
    for (uint64_t index = FIRST; index <= 200; index++) {
        append(index, index);
        changelog_sync_begin(changelog);
        if (index % 3 == 0) {
            CU_ASSERT_EQUAL(changelog_sync(changelog), 0);
        }
    }
    CU_ASSERT(reads(200));
    end(); /* perhaps in the middle of one */
}

static void a_sync_goes_as_far_as_asked(void)
{
    begin();
    uint64_t index;
    append(FIRST, 20);
    CU_ASSERT_FALSE(changelog_is_durable(changelog, &index));
    CU_ASSERT_EQUAL(index, 20);
    CU_ASSERT_EQUAL(changelog_sync_to(changelog, 10), 0);
    CU_ASSERT(changelog_is_durable(changelog, &index)); /* it takes all there is */
    append(21, 30);
    CU_ASSERT_EQUAL(changelog_sync_to(changelog, 20), 0);
    CU_ASSERT_FALSE(
        changelog_is_durable(changelog, &index)); /* had been done: nothing to wait for */
    CU_ASSERT_EQUAL(index, 30);
    CU_ASSERT_EQUAL(changelog_sync_to(changelog, 21), 0);
    CU_ASSERT(changelog_is_durable(changelog, &index));
    end();
}

static void *sync_often(void *context)
{
    (void)context;
    for (int i = 0; i < 50; i++) {
        changelog_sync_begin(changelog);
        if (changelog_sync(changelog)) {
            return changelog;
        }
    }
    return NULL;
}

static void many_may_sync_while_one_appends(void)
{
    begin();
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(pthread_create(&threads[i], NULL, sync_often, NULL), 0);
    }
    append(FIRST, 2000);
    for (int i = 0; i < 4; i++) {
        void *failed = changelog;
        CU_ASSERT_EQUAL(pthread_join(threads[i], &failed), 0);
        CU_ASSERT_PTR_NULL(failed);
    }
    CU_ASSERT_EQUAL(changelog_sync(changelog), 0);
    CU_ASSERT(reads(2000));
    end();
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("changelog", NULL, NULL);
    CU_ADD_TEST(suite, records_are_read_back_over_segments);
    CU_ADD_TEST(suite, old_segments_are_dropped_but_not_those_needed);
    CU_ADD_TEST(suite, records_may_be_taken_back);
    CU_ADD_TEST(suite, a_torn_tail_is_cut);
    CU_ADD_TEST(suite, zeros_after_a_power_cut_are_cut);
    CU_ADD_TEST(suite, damage_in_the_middle_is_said);
    CU_ADD_TEST(suite, a_record_damaged_later_is_said_when_read);
    CU_ADD_TEST(suite, a_segment_of_another_brick_is_refused);
    CU_ADD_TEST(suite, a_segment_without_a_head_is_made_anew);
    CU_ADD_TEST(suite, records_go_where_zeros_were_written);
    CU_ADD_TEST(suite, a_record_in_the_zeros_of_a_power_cut_is_found_out);
    CU_ADD_TEST(suite, a_sync_that_was_begun_is_waited_for);
    CU_ADD_TEST(suite, a_sync_goes_as_far_as_asked);
    CU_ADD_TEST(suite, many_may_sync_while_one_appends);
    CU_basic_run_tests();
    unsigned int failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
