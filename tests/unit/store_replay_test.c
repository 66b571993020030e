/*
 * A brick whose process dies.
 *
 * Goal: whenever it dies, the next process finds index and tree at the end of the log, the
 * positions say so, and nothing that was in the tree is lost or undone. Method: children open the
 * brick, work, and leave by _exit at a random point, with operations sequenced but not applied, or
 * one of them half applied; a store in memory that gets the log's records says what the brick must
 * be.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/lib/store_check.h"
#include "tests/lib/store_fixture.h"

#define LIVES 25

/* How a child ends. */
enum death { DEATH_IDLE, DEATH_BEHIND, DEATH_HALF_DONE, DEATH_KINDS };

struct life {
    char path[64];
    uint64_t seed;
    uint32_t wishes;
    bool checkpoints;
    enum death death;
};

static struct store *open_brick(const char *path)
{
    char error[512];
    struct store *store = NULL;
    if (posix_store_open(path, clock_real(), &store, error, sizeof error)) {
        fprintf(stderr, "%s\n", error);
        return NULL;
    }
    return store;
}

/* What a process leaves that dies between making a file and giving it its gfid. */
static void half_do(const struct life *life, const struct operation *operation)
{
    if (operation->kind == OPERATION_MAKE && gfid_is_root(&operation->parent.gfid)) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%.*s", life->path, (int)operation->name.size,
                       (const char *)operation->name.data);
        (void)close(open(path, O_WRONLY | O_CREAT | O_EXCL, 0644));
    }
}

static void live_and_die(const struct life *life)
{
    struct store_fixture fixture = {.count = 1, .bytes_free = UINT64_C(1) << 40};
    struct store_position position;
    struct random_sequence random;
    static struct wish_room room;
    fixture.stores[0] = open_brick(life->path);
    if (!fixture.stores[0]) {
        _exit(1);
    }
    store_position(fixture.stores[0], &position);
    if (position.applied != position.sequenced) {
        _exit(2);
    }
    fixture.index = position.sequenced;
    fixture.now_ns = (1700000000 + life->seed) * NS_PER_S;
    random_sequence_init(&random, life->seed);
    wish_room_init(&room);
    struct operation operation;
    struct slice bulk;
    for (uint32_t i = 0; i < life->wishes; i++) {
        struct mutation wish = wish_random(&random, &room, &bulk);
        if (fixture_mutate(&fixture, &wish, bulk, &operation) == 0) {
            wish_done(&room, &operation);
        }
        if (life->checkpoints && i % 100 == 99 && store_checkpoint(fixture.stores[0])) {
            _exit(3);
        }
    }
    bool half_done = life->death != DEATH_HALF_DONE;
    for (uint32_t i = 0; life->death != DEATH_IDLE && i < 20; i++) {
        struct mutation wish = wish_random(&random, &room, &bulk);
        if (!half_done) { /* the first one only, as a process is at one operation at a time */
            wish = wish_make(GFID_ROOT, room.name, OBJECT_FILE, 0640);
        }
        if (wish.kind != MUTATION_WRITE && fixture_sequence(&fixture, &wish, &operation) == 0) {
            wish_done(&room, &operation);
            if (!half_done) {
                half_do(life, &operation);
            }
            half_done = true;
        }
    }
    _exit(0);
}

static void bury_and_check(struct life *life, struct store *memory, bool cleanly)
{
    pid_t child = fork();
    if (child == 0) {
        live_and_die(life);
    }
    int status = -1;
    CU_ASSERT_EQUAL_FATAL(waitpid(child, &status, 0), child);
    CU_ASSERT_EQUAL_FATAL(status, 0);
    if (!cleanly) {
        return; /* the next child replays */
    }
    struct store *brick = open_brick(life->path);
    struct store_position position;
    CU_ASSERT_PTR_NOT_NULL_FATAL(brick);
    store_position(brick, &position);
    CU_ASSERT_EQUAL(position.applied, position.sequenced);
    CU_ASSERT(position.committed <= position.sequenced);
    CU_ASSERT_EQUAL_FATAL(store_follow(memory, brick), 0);
    CU_ASSERT_EQUAL(store_digest(brick), store_digest(memory));
    CU_ASSERT_EQUAL(store_compare(brick, life->path, TREE_CONTENTS | TREE_OWNERS), 0);
    store_close(brick);
}

static void a_brick_survives_its_process(void)
{
    struct life life = {.checkpoints = false};
    char error[512];
    struct store_identity identity = test_identity(1);
    struct store *memory;
    temporary_directory(life.path);
    CU_ASSERT_EQUAL_FATAL(posix_store_format(life.path, &identity, false, error, sizeof error), 0);
    CU_ASSERT_EQUAL_FATAL(memory_store_open(&identity, clock_real(), &memory), 0);
    for (uint32_t i = 0; i < LIVES; i++) {
        life.seed = i + 1;
        life.wishes = i * i % 600;
        life.checkpoints = i % 3 == 1;
        life.death = (enum death)(i % DEATH_KINDS);
        printf("life %u ", i);
        fflush(stdout);
        bury_and_check(&life, memory, i % 2 == 0 || i + 1 == LIVES);
    }
    /* Once more than the index commits of itself, so that its own position is in the middle. */
    life.wishes = 9000;
    life.seed = 1000;
    life.death = DEATH_BEHIND;
    bury_and_check(&life, memory, true);
    store_close(memory);
    remove_tree(life.path);
}

/* Truncations and overwriting renames must not be done again over what came later. */
static void bytes_written_after_a_truncation_stay(void)
{
    char path[64];
    char error[512];
    struct store_identity identity = test_identity(1);
    temporary_directory(path);
    CU_ASSERT_EQUAL_FATAL(posix_store_format(path, &identity, false, error, sizeof error), 0);
    pid_t child = fork();
    if (child == 0) {
        struct store_fixture fixture = {.count = 1,
                                        .bytes_free = UINT64_C(1) << 40,
                                        .index = OPERATION_INDEX_FIRST - 1,
                                        .stores = {open_brick(path)}};
        struct operation operation;
        struct gfid file = fixture_make(&fixture, GFID_ROOT, "file", OBJECT_FILE);
        struct mutation cut = wish_setattr(file, (struct attr_change){.mask = ATTR_SIZE});
        struct mutation away = wish_rename(GFID_ROOT, "file", GFID_ROOT, "kept");
        fixture_write(&fixture, file, 0, "first");
        (void)fixture_mutate(&fixture, &cut, slice_of(NULL, 0), &operation);
        fixture_write(&fixture, file, 0, "second");
        (void)fixture_mutate(&fixture, &away, slice_of(NULL, 0), &operation);
        (void)fixture_make(&fixture, GFID_ROOT, "file", OBJECT_FILE);
        _exit(0);
    }
    int status = -1;
    CU_ASSERT_EQUAL_FATAL(waitpid(child, &status, 0), child);
    CU_ASSERT_EQUAL_FATAL(status, 0);
    struct store *brick = open_brick(path);
    CU_ASSERT_PTR_NOT_NULL_FATAL(brick);
    struct attr attr;
    struct attr root;
    uint8_t bytes[16];
    uint32_t count = 0;
    CU_ASSERT_EQUAL(store_lookup(brick, &GFID_ROOT, slice_text("kept"), &attr, &root), 0);
    CU_ASSERT_EQUAL(store_read(brick, &attr.gfid, 0, 16, false, bytes, &count), 0);
    CU_ASSERT(slice_equal(slice_of(bytes, count), slice_text("second")));
    CU_ASSERT_EQUAL(store_compare(brick, path, TREE_CONTENTS), 0);
    store_close(brick);
    remove_tree(path);
}

/* A member sends again what the process died before writing, from the first missing byte on. */
static void operations_may_be_applied_again(void)
{
    struct store_fixture fixture;
    store_fixture_open(&fixture, 1, 0);
    struct gfid file = fixture_make(&fixture, GFID_ROOT, "file", OBJECT_FILE);
    fixture_write(&fixture, file, 0, "0123456789");
    struct gfid other = fixture_make(&fixture, GFID_ROOT, "other", OBJECT_FILE);
    struct operation operation;
    struct mutation away = wish_remove(GFID_ROOT, "other", false);
    struct mutation wish = wish_setattr(file, (struct attr_change){.mask = ATTR_SIZE, .size = 4});
    fixture_write(&fixture, other, 0, "gone");
    CU_ASSERT_EQUAL(fixture_mutate(&fixture, &away, slice_of(NULL, 0), &operation), 0);
    CU_ASSERT_EQUAL(fixture_mutate(&fixture, &wish, slice_of(NULL, 0), &operation), 0);
    uint64_t digest = store_digest(fixture.stores[0]);
    for (uint64_t i = OPERATION_INDEX_FIRST; i <= fixture.index; i++) {
        uint8_t bytes[OPERATION_SIZE_MAX];
        size_t size;
        CU_ASSERT_EQUAL(store_log_read(fixture.stores[0], i, bytes, sizeof bytes, &size), 0);
        CU_ASSERT_EQUAL(operation_decode(slice_of(bytes, size), &operation), 0);
        const char *bulk = operation.kind != OPERATION_WRITE ? ""
                           : operation.count == 10           ? "0123456789"
                                                             : "gone";
        CU_ASSERT_EQUAL(store_apply(fixture.stores[0], &operation, slice_text(bulk)), 0);
    }
    CU_ASSERT_EQUAL(store_digest(fixture.stores[0]), digest);
    CU_ASSERT_EQUAL(store_compare(fixture.stores[0], fixture.paths[0], TREE_CONTENTS), 0);
    store_fixture_close(&fixture);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("store, after its process died", NULL, NULL);
    CU_ADD_TEST(suite, a_brick_survives_its_process);
    CU_ADD_TEST(suite, bytes_written_after_a_truncation_stay);
    CU_ADD_TEST(suite, operations_may_be_applied_again);
    CU_basic_run_tests();
    unsigned int failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
