/*
 * The kernel's inodes: what was referred to is found until it is forgotten as often, counts survive
 * growth and threads, and listings cannot bring back older attributes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <pthread.h>
#include "frontends/fuse/inode_table.h"

enum { MANY = 50000, THREADS = 4, ROUNDS = 20000, SHARED = 97 };

static struct gfid gfid_at(uint64_t index)
{
    return gfid_make(3, 7, index + OPERATION_INDEX_FIRST);
}

static void test_the_root_is_always_known(void)
{
    struct inode_table *table;
    struct gfid found;
    CU_ASSERT_EQUAL_FATAL(inode_table_new(&table), 0);
    inode_table_forget(table, 1, 1000);
    CU_ASSERT_EQUAL(inode_table_find(table, 1, &found), 0);
    CU_ASSERT_TRUE(gfid_is_root(&found));
    CU_ASSERT_EQUAL(inode_table_count(table), 0);
    CU_ASSERT_EQUAL(inode_table_find(table, 2, &found), -ESTALE);
    inode_table_free(table);
    inode_table_free(NULL);
}

static void test_references_are_counted(void)
{
    struct inode_table *table;
    struct gfid gfid = gfid_at(0), found;
    uint64_t ino = gfid_ino(&gfid);
    CU_ASSERT_EQUAL_FATAL(inode_table_new(&table), 0);
    for (int i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(inode_table_refer(table, &gfid, UINT64_MAX, 0), 0);
    }
    CU_ASSERT_EQUAL(inode_table_count(table), 1);
    inode_table_forget(table, ino, 4);
    CU_ASSERT_EQUAL(inode_table_find(table, ino, &found), 0);
    CU_ASSERT_TRUE(gfid_equal(&found, &gfid)); /* the birth view, too */
    inode_table_forget(table, ino, 1);
    CU_ASSERT_EQUAL(inode_table_find(table, ino, &found), -ESTALE);
    inode_table_forget(table, ino, 1); /* of what is not there */
    CU_ASSERT_EQUAL(inode_table_count(table), 0);
    inode_table_free(table);
}

static void test_many_are_found_and_forgotten(void)
{
    struct inode_table *table;
    struct gfid found;
    int wrong = 0;
    CU_ASSERT_EQUAL_FATAL(inode_table_new(&table), 0);
    for (uint64_t i = 0; i < MANY; i++) {
        struct gfid gfid = gfid_at(i);
        wrong += inode_table_refer(table, &gfid, UINT64_MAX, 0) != 0;
    }
    CU_ASSERT_EQUAL(inode_table_count(table), MANY);
    for (uint64_t i = 0; i < MANY; i++) {
        struct gfid gfid = gfid_at(i);
        wrong +=
            inode_table_find(table, gfid_ino(&gfid), &found) != 0 || !gfid_equal(&gfid, &found);
        if (i % 2 == 0) {
            inode_table_forget(table, gfid_ino(&gfid), 1);
        }
    }
    for (uint64_t i = 0; i < MANY; i++) {
        struct gfid gfid = gfid_at(i);
        int expected = i % 2 == 0 ? -ESTALE : 0;
        wrong += inode_table_find(table, gfid_ino(&gfid), &found) != expected;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(inode_table_count(table), MANY / 2);
    inode_table_free(table);
}

static void test_older_attributes_are_refused_after_a_change(void)
{
    struct inode_table *table;
    struct gfid gfid = gfid_at(0);
    CU_ASSERT_EQUAL_FATAL(inode_table_new(&table), 0);
    inode_table_changed(table, &gfid, 50); /* not known: nothing to remember */
    CU_ASSERT_EQUAL(inode_table_refer(table, &gfid, 10, 0), 0);
    inode_table_changed(table, &gfid, 11);
    CU_ASSERT_EQUAL(inode_table_refer(table, &gfid, 10, 0), -ESTALE);
    CU_ASSERT_EQUAL(inode_table_refer(table, &gfid, 11, 0), 0);
    CU_ASSERT_EQUAL(inode_table_refer(table, &gfid, UINT64_MAX, 0), 0);
    inode_table_forget(table, gfid_ino(&gfid), 3);
    CU_ASSERT_EQUAL(inode_table_count(table), 0); /* the refused one was not counted */
    inode_table_free(table);
}

static void test_opens_grants_and_epochs(void)
{
    struct inode_table *table;
    struct gfid gfid = gfid_at(0);
    uint64_t ino = gfid_ino(&gfid);
    CU_ASSERT_EQUAL_FATAL(inode_table_new(&table), 0);
    CU_ASSERT_EQUAL(inode_table_refer(table, &gfid, UINT64_MAX, 1000), 0);
    CU_ASSERT_TRUE(inode_table_open(table, ino, 999));
    CU_ASSERT_FALSE(inode_table_open(table, ino, 1000));
    inode_table_revoke(table, ino);
    CU_ASSERT_FALSE(inode_table_open(table, ino, 0));
    CU_ASSERT_EQUAL(inode_table_opened(table, ino), 3);
    CU_ASSERT_EQUAL(inode_table_opened_all(table), 3);
    CU_ASSERT_FALSE(inode_table_close(table, ino));
    CU_ASSERT_FALSE(inode_table_close(table, ino));
    CU_ASSERT_TRUE(inode_table_close(table, ino));
    CU_ASSERT_FALSE(inode_table_close(table, ino));
    CU_ASSERT_EQUAL(inode_table_opened_all(table), 0);
    CU_ASSERT_EQUAL(inode_table_clean(table, ino), 0);
    inode_table_wrote(table, ino, 4);
    inode_table_wrote(table, ino, 5);
    CU_ASSERT_EQUAL(inode_table_clean(table, ino), 4);
    CU_ASSERT_EQUAL(inode_table_clean(table, ino), 0);
    inode_table_free(table);
}

struct worker {
    struct inode_table *table;
    uint64_t seed;
    int wrong;
};

/* Refer and forget in pairs, on a few objects that all threads share. */
static void *worker_run(void *context)
{
    struct worker *worker = context;
    struct gfid found;
    for (int i = 0; i < ROUNDS; i++) {
        worker->seed = worker->seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        struct gfid gfid = gfid_at((worker->seed >> 33) % SHARED);
        worker->wrong += inode_table_refer(worker->table, &gfid, UINT64_MAX, 0) != 0;
        worker->wrong += inode_table_find(worker->table, gfid_ino(&gfid), &found) != 0;
        (void)inode_table_open(worker->table, gfid_ino(&gfid), 0);
        (void)inode_table_close(worker->table, gfid_ino(&gfid));
        inode_table_forget(worker->table, gfid_ino(&gfid), 1);
    }
    return NULL;
}

static void test_threads_share_the_table(void)
{
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    struct inode_table *table;
    CU_ASSERT_EQUAL_FATAL(inode_table_new(&table), 0);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.table = table, .seed = (uint64_t)i + 1};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, worker_run, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_EQUAL(workers[i].wrong, 0);
    }
    CU_ASSERT_EQUAL(inode_table_count(table), 0);
    CU_ASSERT_EQUAL(inode_table_opened_all(table), 0);
    inode_table_free(table);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("inode table", NULL, NULL);
    CU_ADD_TEST(suite, test_the_root_is_always_known);
    CU_ADD_TEST(suite, test_references_are_counted);
    CU_ADD_TEST(suite, test_many_are_found_and_forgotten);
    CU_ADD_TEST(suite, test_older_attributes_are_refused_after_a_change);
    CU_ADD_TEST(suite, test_opens_grants_and_epochs);
    CU_ADD_TEST(suite, test_threads_share_the_table);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
