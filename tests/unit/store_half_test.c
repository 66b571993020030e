/*
 * Operations that a process had half done when it died.
 *
 * Goal: whichever of its steps the tree has, the next process finishes the operation and does none
 * of them twice. Method: children open a brick, sequence an operation without applying it, do some
 * of its steps in the tree by hand, and leave by _exit; a store in memory that gets the log's
 * records says what the brick must be.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "backend/base/check.h"
#include "tests/lib/store_check.h"
#include "tests/lib/store_fixture.h"

#define CLIENT 77

/* A brick in a child's hands. */
struct scene {
    struct store_fixture fixture;
    int root_fd;
    struct gfid directory; /* "d" */
    struct gfid file;      /* "d/a", with "first" in it */
    struct gfid other;     /* "d/b", with "second" */
    struct gfid unnamed;   /* with "third" */
};

static struct operation operation; /* the one that is half done */

static char *orphan_path(const struct gfid *gfid)
{
    static char path[64];
    int at = snprintf(path, sizeof path, ".trivet/orphans/");
    for (size_t i = 0; i < GFID_SIZE; i++) {
        at += snprintf(path + at, sizeof path - (size_t)at, "%02x", gfid->bytes[i]);
    }
    return path;
}

static void move(const struct scene *scene, const char *from, const char *to, unsigned int flags)
{
    INVARIANT(renameat2(scene->root_fd, from, scene->root_fd, to, flags) == 0);
}

/* ---- the operations: what is wished, and its steps in the tree ------------------------------ */

static struct mutation wish_unlink(const struct scene *scene)
{
    return wish_kept(CLIENT, wish_remove(scene->directory, "a", false));
}

static void step_unlink(const struct scene *scene, int step)
{
    (void)step;
    move(scene, "d/a", orphan_path(&scene->file), 0);
}

static struct mutation wish_replace(const struct scene *scene)
{
    return wish_kept(CLIENT, wish_rename(scene->directory, "a", scene->directory, "b"));
}

static void step_replace(const struct scene *scene, int step)
{
    if (step == 0) {
        move(scene, "d/b", orphan_path(&scene->other), 0);
    } else {
        move(scene, "d/a", "d/b", 0);
    }
}

static struct mutation wish_rmdir(const struct scene *scene)
{
    (void)scene;
    return wish_kept(CLIENT, wish_remove(GFID_ROOT, "e", true));
}

static void step_rmdir(const struct scene *scene, int step)
{
    (void)step;
    move(scene, "e", orphan_path(&operation.object.gfid), 0);
}

static struct mutation wish_exchange(const struct scene *scene)
{
    struct mutation wish = wish_rename(scene->directory, "a", GFID_ROOT, "e");
    wish.rename_flags = RENAME_EXCHANGE;
    return wish;
}

static void step_exchange(const struct scene *scene, int step)
{
    (void)step;
    move(scene, "d/a", "e", RENAME_EXCHANGE);
}

static struct mutation wish_first_name(const struct scene *scene)
{
    return wish_link(scene->unnamed, scene->directory, "named");
}

static void step_first_name(const struct scene *scene, int step)
{
    (void)step;
    move(scene, orphan_path(&scene->unnamed), "d/named", 0);
}

static struct mutation wish_make_unnamed(const struct scene *scene)
{
    return wish_kept(CLIENT, wish_unnamed(scene->directory, 04640));
}

static void step_make_unnamed(const struct scene *scene, int step)
{
    (void)step;
    int fd = openat(scene->root_fd, orphan_path(&operation.object.gfid),
                    O_WRONLY | O_CREAT | O_EXCL, 0600);
    INVARIANT(fd >= 0);
    (void)close(fd);
}

static struct mutation wish_forget_it(const struct scene *scene)
{
    return wish_kept(CLIENT, wish_forget(scene->unnamed));
}

static void step_forget(const struct scene *scene, int step)
{
    (void)step;
    INVARIANT(unlinkat(scene->root_fd, orphan_path(&scene->unnamed), 0) == 0);
}

static struct mutation wish_punch(const struct scene *scene)
{
    return wish_allocate(scene->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1, 2);
}

static struct mutation wish_extend(const struct scene *scene)
{
    return wish_allocate(scene->file, FALLOC_FL_ZERO_RANGE, 3, 9000);
}

static void step_space(const struct scene *scene, int step)
{
    (void)step;
    int fd = openat(scene->root_fd, "d/a", O_RDWR);
    INVARIANT(fd >= 0 && fallocate(fd, (int)operation.how, (off_t)operation.offset,
                                   (off_t)operation.length) == 0);
    (void)close(fd);
}

static const struct half {
    const char *name;
    struct mutation (*wish)(const struct scene *scene);
    void (*step)(const struct scene *scene, int step);
    int steps;
} halves[] = {
    {"unlink", wish_unlink, step_unlink, 1},
    {"replace", wish_replace, step_replace, 2},
    {"rmdir", wish_rmdir, step_rmdir, 1},
    {"exchange", wish_exchange, step_exchange, 1},
    {"first name", wish_first_name, step_first_name, 1},
    {"make unnamed", wish_make_unnamed, step_make_unnamed, 1},
    {"forget", wish_forget_it, step_forget, 1},
    {"punch", wish_punch, step_space, 1},
    {"zero", wish_extend, step_space, 1},
};

/* ---- life and death ------------------------------------------------------------------------ */

static void live_and_die(const char *path, const struct half *half, int steps)
{
    char error[512];
    static struct scene scene;
    scene.fixture = (struct store_fixture){.count = 1,
                                           .bytes_free = UINT64_C(1) << 40,
                                           .now_ns = UINT64_C(1700000000) * NS_PER_S,
                                           .index = OPERATION_INDEX_FIRST - 1};
    struct store_fixture *fixture = &scene.fixture;
    if (posix_store_open(path, clock_real(), &fixture->stores[0], error, sizeof error)) {
        fprintf(stderr, "%s\n", error);
        _exit(1);
    }
    scene.root_fd = open(path, O_RDONLY | O_DIRECTORY);
    scene.directory = fixture_make(fixture, GFID_ROOT, "d", OBJECT_DIRECTORY);
    scene.file = fixture_make(fixture, scene.directory, "a", OBJECT_FILE);
    scene.other = fixture_make(fixture, scene.directory, "b", OBJECT_FILE);
    (void)fixture_make(fixture, GFID_ROOT, "e", OBJECT_DIRECTORY);
    struct mutation unnamed = wish_kept(CLIENT, wish_unnamed(GFID_ROOT, 0644));
    if (fixture_mutate(fixture, &unnamed, slice_of(NULL, 0), &operation)) {
        _exit(2);
    }
    scene.unnamed = operation.object.gfid;
    fixture_write(fixture, scene.file, 0, "first");
    fixture_write(fixture, scene.other, 0, "second");
    fixture_write(fixture, scene.unnamed, 0, "third");
    struct mutation wish = half->wish(&scene);
    int result = fixture_sequence(fixture, &wish, &operation);
    if (result) {
        fprintf(stderr, "%s: %d\n", half->name, result);
        _exit(3);
    }
    for (int i = 0; i < steps; i++) {
        half->step(&scene, i);
    }
    _exit(0);
}

/* A client goes on with what it has open, and lets go of it. */
static void use_orphans(struct store *brick)
{
    struct store_position position;
    struct gfid orphan = GFID_NONE;
    uint64_t keeper = 0;
    store_position(brick, &position);
    struct store_fixture fixture = {
        .count = 1, .stores = {brick}, .index = position.sequenced, .bytes_free = 1 << 20};
    while (store_orphan_next(brick, &GFID_NONE, &orphan, &keeper) == 0) {
        struct mutation forget = wish_kept(keeper, wish_forget(orphan));
        struct attr attr = {.type = OBJECT_NONE};
        CU_ASSERT_EQUAL(store_getattr(brick, &orphan, &attr), 0);
        if (attr.type == OBJECT_FILE) {
            fixture_write(&fixture, orphan, 5, " and more");
        }
        CU_ASSERT_EQUAL(keeper, CLIENT);
        CU_ASSERT_EQUAL_FATAL(fixture_mutate(&fixture, &forget, slice_of(NULL, 0), &operation), 0);
    }
}

static void one_half(const struct half *half, int steps)
{
    char path[64];
    char error[512];
    struct store_identity identity = test_identity(1);
    struct store *memory;
    struct store *brick;
    temporary_directory(path);
    CU_ASSERT_EQUAL_FATAL(posix_store_format(path, &identity, false, error, sizeof error), 0);
    CU_ASSERT_EQUAL_FATAL(memory_store_open(&identity, clock_real(), &memory), 0);
    pid_t child = fork();
    if (child == 0) {
        live_and_die(path, half, steps);
    }
    int status = -1;
    CU_ASSERT_EQUAL_FATAL(waitpid(child, &status, 0), child);
    CU_ASSERT_EQUAL_FATAL(status, 0);
    CU_ASSERT_EQUAL_FATAL(posix_store_open(path, clock_real(), &brick, error, sizeof error), 0);
    CU_ASSERT_EQUAL_FATAL(store_follow(memory, brick), 0);
    CU_ASSERT_EQUAL(store_digest(brick), store_digest(memory));
    CU_ASSERT_EQUAL(store_compare(brick, path, TREE_CONTENTS | TREE_OWNERS), 0);
    use_orphans(brick);
    CU_ASSERT_EQUAL(store_compare(brick, path, TREE_CONTENTS | TREE_OWNERS), 0);
    store_close(brick);
    store_close(memory);
    remove_tree(path);
}

static void what_was_half_done_is_finished(void)
{
    for (size_t i = 0; i < sizeof halves / sizeof halves[0]; i++) {
        for (int steps = 0; steps <= halves[i].steps; steps++) {
            printf("%s after %d of %d ", halves[i].name, steps, halves[i].steps);
            fflush(stdout);
            one_half(&halves[i], steps);
        }
    }
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("store, operations half done", NULL, NULL);
    CU_ADD_TEST(suite, what_was_half_done_is_finished);
    CU_basic_run_tests();
    unsigned int failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
