/*
 * Random operations.
 *
 * Goal: two directories and a store in memory stay the same in every attribute, cookie and listing,
 * the trees are what the indexes say, and all is as it was after closing and opening again.
 * Method: thousands of random wishes from a seed, many of them to be refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <dirent.h>
#include <stdio.h>
#include "tests/lib/store_check.h"
#include "tests/lib/store_fixture.h"

#define ROUNDS 3
#define WISHES 4000

static void compare_all(struct store_fixture *fixture, unsigned int how)
{
    uint64_t first = store_digest(fixture->stores[0]);
    CU_ASSERT_NOT_EQUAL_FATAL(first, 0);
    for (uint32_t i = 1; i < fixture->count; i++) {
        CU_ASSERT_EQUAL_FATAL(store_digest(fixture->stores[i]), first);
    }
    for (uint32_t i = 0; i < fixture->count; i++) {
        CU_ASSERT_EQUAL_FATAL(store_compare(fixture->stores[i], fixture->paths[0], how), 0);
    }
}

/* What was done, so that nobody believes a kind was tried that never was. */
struct tally {
    uint32_t done[OPERATION_KIND_LAST + 1];
    uint32_t kept;      /* names taken from what stays */
    uint32_t unnamed;   /* files made without one */
    uint32_t named;     /* those that got one */
    uint32_t exchanged; /* of two different types */
    uint32_t inherited; /* things made that have an ACL */
    uint32_t masked;    /* modes of what has an ACL */
    uint32_t dropped;   /* capabilities */
    uint32_t hidden;    /* objects whose inodes cannot hold all that they have */
};

static void count(struct tally *tally, const struct operation *operation)
{
    bool keeps = operation->flags & OPERATION_KEEPS;
    tally->done[operation->kind]++;
    tally->kept += keeps && operation->kind != OPERATION_MAKE;
    tally->unnamed += keeps && operation->kind == OPERATION_MAKE;
    tally->named += operation->kind == OPERATION_LINK && operation->object.nlink == 1;
    tally->exchanged += operation->rename_flags & RENAME_EXCHANGE &&
                        operation->object.type != operation->replaced.type;
    tally->inherited += operation->kind == OPERATION_MAKE && operation->acl.size > 0;
    tally->masked += operation->kind == OPERATION_SETATTR && operation->acl.size > 0;
    tally->dropped += (operation->flags & OPERATION_DROPS_CAPABILITY) != 0;
}

static uint32_t count_hidden(const char *path)
{
    char hidden[128];
    (void)snprintf(hidden, sizeof hidden, "%s/.trivet/xattrs", path);
    DIR *directory = opendir(hidden);
    uint32_t files = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        files += entry->d_name[0] != '.';
    }
    (void)closedir(directory);
    return files;
}

static void check_tally(const struct tally *tally)
{
    for (uint32_t kind = OPERATION_NONE + 1; kind <= OPERATION_KIND_LAST; kind++) {
        CU_ASSERT(tally->done[kind] >= 5);
    }
    CU_ASSERT(tally->kept >= 5);
    CU_ASSERT(tally->unnamed >= 5);
    CU_ASSERT(tally->named >= 1);
    CU_ASSERT(tally->exchanged >= 5);
    CU_ASSERT(tally->inherited >= 5);
    CU_ASSERT(tally->masked >= 5);
    CU_ASSERT(tally->dropped >= 1);
    printf("(%u kept, %u unnamed, %u named, %u exchanged, %u forgotten) ", tally->kept,
           tally->unnamed, tally->named, tally->exchanged, tally->done[OPERATION_FORGET]);
    printf("(%u xattrs set, %u removed, %u inherited, %u masked, %u dropped, %u hidden) ",
           tally->done[OPERATION_SETXATTR], tally->done[OPERATION_REMOVEXATTR], tally->inherited,
           tally->masked, tally->dropped, tally->hidden);
}

static void one_round(uint64_t seed)
{
    struct store_fixture fixture;
    struct random_sequence random;
    static struct wish_room room;
    printf("seed %llu ", (unsigned long long)seed);
    fflush(stdout);
    wish_room_init(&room);
    random_sequence_init(&random, seed);
    store_fixture_open(&fixture, 2, 1);
    struct tally tally = {.kept = 0};
    for (int i = 0; i < WISHES; i++) {
        struct slice bulk;
        struct operation operation;
        struct mutation wish = wish_random(&random, &room, &bulk);
        if (fixture_mutate(&fixture, &wish, bulk, &operation) == 0) {
            wish_done(&room, &operation);
            count(&tally, &operation);
        }
        if (i % 500 == 0) {
            CU_ASSERT_EQUAL(store_checkpoint(fixture.stores[0]), 0); /* of one of them only */
        }
        if (i % 1000 == 999) {
            compare_all(&fixture, TREE_CONTENTS | TREE_OWNERS);
            tally.hidden += count_hidden(fixture.paths[0]);
        }
    }
    check_tally(&tally);
    for (int i = 0; i <= CHECKPOINTS_UNFLUSHED; i++) { /* then all times have reached the tree */
        CU_ASSERT_EQUAL(store_checkpoint(fixture.stores[0]), 0);
    }
    compare_all(&fixture, TREE_CONTENTS | TREE_OWNERS | TREE_TIMES);
    CU_ASSERT_EQUAL_FATAL(store_fixture_reopen(&fixture, 1), 0);
    compare_all(&fixture, TREE_CONTENTS | TREE_OWNERS | TREE_TIMES);
    CU_ASSERT_EQUAL(store_compare(fixture.stores[1], fixture.paths[1],
                                  TREE_CONTENTS | TREE_OWNERS | TREE_TIMES),
                    0);
    store_fixture_close(&fixture);
}

static void stores_stay_the_same(void)
{
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        one_round(seed);
    }
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("store, at random", NULL, NULL);
    CU_ADD_TEST(suite, stores_stay_the_same);
    CU_basic_run_tests();
    unsigned int failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
