/*
 * The index: names of equal hash, listings while the directory changes, directories of any size.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "backend/base/errors.h"
#include "backend/proto/dirent.h"
#include "backend/store/indexed.h"
#include "tests/lib/store_check.h"
#include "tests/lib/store_fixture.h"

static struct store_fixture fixture;
static struct operation operation;

static int wish(struct mutation mutation)
{
    return fixture_mutate(&fixture, &mutation, slice_of(NULL, 0), &operation);
}

static void names_of_equal_hash_live_together(void)
{
    store_fixture_open(&fixture, 1, 1);
    for (uint32_t i = 0; i < fixture.count; i++) {
        index_of(fixture.stores[i])->hash_mask = 3; /* four hashes for all names */
    }
    char name[32];
    for (int i = 0; i < 16; i++) {
        (void)snprintf(name, sizeof name, "n%d", i);
        int result = wish(wish_make(GFID_ROOT, name, OBJECT_FILE, 0644));
        CU_ASSERT(result == 0 || result == -ENOSPC); /* eight of one hash, then no more */
    }
    uint64_t made = fixture.index - 1;
    CU_ASSERT(made >= 12);
    CU_ASSERT_EQUAL(store_compare(fixture.stores[0], fixture.paths[0], 0), 0);
    /* An order that became free is given out again, and the rest keep theirs. */
    CU_ASSERT_EQUAL(wish(wish_remove(GFID_ROOT, "n0", false)), 0);
    uint64_t freed = operation.cookie;
    struct attr n1;
    struct attr root;
    CU_ASSERT_EQUAL(store_lookup(fixture.stores[0], &GFID_ROOT, slice_text("n1"), &n1, &root), 0);
    CU_ASSERT_EQUAL(store_lookup(fixture.stores[0], &GFID_ROOT, slice_text("n0"), &n1, &root),
                    -ENOENT);
    CU_ASSERT_EQUAL(wish(wish_make(GFID_ROOT, "n0", OBJECT_FILE, 0644)), 0);
    CU_ASSERT_EQUAL(operation.cookie, freed);
    CU_ASSERT_EQUAL(wish(wish_rename(GFID_ROOT, "n0", GFID_ROOT, "n1")), 0);
    CU_ASSERT_EQUAL(store_digest(fixture.stores[0]), store_digest(fixture.stores[1]));
    CU_ASSERT_EQUAL(store_compare(fixture.stores[0], fixture.paths[0], 0), 0);
    store_fixture_close(&fixture);
}

static void cookies_are_positive_and_behind_those_of_the_dots(void)
{
    store_fixture_open(&fixture, 0, 1);
    index_of(fixture.stores[0])->hash_mask = 0; /* every hash is 0 */
    CU_ASSERT_EQUAL(wish(wish_make(GFID_ROOT, "zero", OBJECT_FILE, 0644)), 0);
    CU_ASSERT(operation.cookie >= COOKIE_FIRST);
    index_of(fixture.stores[0])->hash_mask = UINT64_MAX >> 6;
    for (int i = 0; i < 1000; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "n%d", i);
        CU_ASSERT_EQUAL(wish(wish_make(GFID_ROOT, name, OBJECT_FILE, 0644)), 0);
        CU_ASSERT(operation.cookie >= COOKIE_FIRST && operation.cookie <= INT64_MAX);
        CU_ASSERT_EQUAL(operation.cookie & COOKIE_ORDER_MASK, 0);
    }
    store_fixture_close(&fixture);
}

struct seen {
    uint32_t times[1000];
    uint64_t listed;
};

/* Entries come and go while the listing is under way; those that stay are met once each. */
static void change_while_listed(void *context, const struct dirent_entry *entry)
{
    struct seen *seen = context;
    char name[32];
    int number;
    (void)snprintf(name, sizeof name, "%.*s", (int)entry->name.size,
                   (const char *)entry->name.data);
    if (sscanf(name, "stays%d", &number) == 1) {
        seen->times[number]++;
    }
    uint64_t n = seen->listed++ % 500;
    (void)snprintf(name, sizeof name, "goes%llu", (unsigned long long)n);
    if (wish(wish_remove(GFID_ROOT, name, false)) != 0) {
        (void)wish(wish_make(GFID_ROOT, name, OBJECT_FILE, 0644));
    }
}

static void a_listing_meets_what_stays_once(void)
{
    static struct seen seen;
    store_fixture_open(&fixture, 1, 0);
    for (int i = 0; i < 1000; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "stays%d", i);
        (void)fixture_make(&fixture, GFID_ROOT, name, OBJECT_FILE);
        (void)snprintf(name, sizeof name, "goes%d", i);
        if (i % 2) {
            (void)fixture_make(&fixture, GFID_ROOT, name, OBJECT_FILE);
        }
    }
    CU_ASSERT(store_list(fixture.stores[0], &GFID_ROOT, 600, change_while_listed, &seen) >= 1000);
    for (int i = 0; i < 1000; i++) {
        CU_ASSERT_EQUAL(seen.times[i], 1);
    }
    uint8_t small[16];
    size_t used;
    bool eof;
    CU_ASSERT_EQUAL(
        store_readdir(fixture.stores[0], &GFID_ROOT, 0, true, small, sizeof small, &used, &eof),
        -ENOBUFS);
    CU_ASSERT_EQUAL(store_readdir(fixture.stores[0], &GFID_ROOT, UINT64_MAX, true, small,
                                  sizeof small, &used, &eof),
                    0);
    CU_ASSERT(eof && used == 0);
    store_fixture_close(&fixture);
}

static uint64_t cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t make_some(int from, int to)
{
    uint64_t before = fixture.index_ns;
    for (int i = from; i < to; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "file%06d", i);
        (void)fixture_make(&fixture, GFID_ROOT, name, OBJECT_FILE);
    }
    return (fixture.index_ns - before) / (uint64_t)(to - from);
}

static void count_entry(void *context, const struct dirent_entry *entry)
{
    (void)entry;
    (*(uint64_t *)context)++;
}

static void a_directory_of_a_hundred_thousand_stays_quick(void)
{
    store_fixture_open(&fixture, 1, 0);
    uint64_t first = make_some(0, 5000);
    (void)make_some(5000, 95000);
    uint64_t last = make_some(95000, 100000);
    uint64_t count = 0;
    uint64_t before = cpu_ns();
    CU_ASSERT_EQUAL(store_list(fixture.stores[0], &GFID_ROOT, 32768, count_entry, &count), 100000);
    uint64_t listed = (cpu_ns() - before) / count;
    printf("%llu ns a file at first, %llu at last, %llu an entry listed ",
           (unsigned long long)first, (unsigned long long)last, (unsigned long long)listed);
    CU_ASSERT(last < 3 * first + 20000);
    CU_ASSERT(listed < 20000);
    store_fixture_close(&fixture);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("index", NULL, NULL);
    CU_ADD_TEST(suite, names_of_equal_hash_live_together);
    CU_ADD_TEST(suite, cookies_are_positive_and_behind_those_of_the_dots);
    CU_ADD_TEST(suite, a_listing_meets_what_stays_once);
    CU_ADD_TEST(suite, a_directory_of_a_hundred_thousand_stays_quick);
    CU_basic_run_tests();
    unsigned int failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
