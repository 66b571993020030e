/*
 * Two objects change places (Linux renameat2, RENAME_EXCHANGE).
 *
 * Goal: names, parents, link counts and times are as the kernel's own file systems leave them, and
 * whoever may not is refused. Method: on a directory and in memory, the same after every step; the
 * kernel's own answers to random exchanges are in store_posix_test.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include "tests/lib/store_check.h"
#include "tests/lib/store_fixture.h"

static struct store_fixture fixture;
static struct operation operation;
static struct gfid left;  /* "left", where anybody may write */
static struct gfid right; /* "right", likewise */

static int wish_as(uint32_t uid, struct mutation wish)
{
    wish.cred.uid = uid;
    wish.cred.gid = uid;
    return fixture_mutate(&fixture, &wish, slice_of(NULL, 0), &operation);
}

static int exchange_as(uint32_t uid, struct gfid parent, const char *name, struct gfid parent2,
                       const char *name2)
{
    struct mutation wish = wish_rename(parent, name, parent2, name2);
    wish.rename_flags = RENAME_EXCHANGE;
    return wish_as(uid, wish);
}

static void compare(void)
{
    uint64_t digest = store_digest(fixture.stores[0]);
    CU_ASSERT_NOT_EQUAL(digest, 0);
    for (uint32_t i = 0; i < fixture.count; i++) {
        CU_ASSERT_EQUAL(store_digest(fixture.stores[i]), digest);
        CU_ASSERT_EQUAL(
            store_compare(fixture.stores[i], fixture.paths[0], TREE_CONTENTS | TREE_OWNERS), 0);
    }
}

static struct attr find(struct gfid parent, const char *name)
{
    struct attr child = {.type = OBJECT_NONE};
    struct attr unused;
    CU_ASSERT_EQUAL(store_lookup(fixture.stores[0], &parent, slice_text(name), &child, &unused), 0);
    return child;
}

static struct attr attr_of(struct gfid object)
{
    struct attr attr = {.type = OBJECT_NONE};
    CU_ASSERT_EQUAL(store_getattr(fixture.stores[0], &object, &attr), 0);
    return attr;
}

static struct gfid make_open(const char *name, uint32_t mode)
{
    struct gfid directory = fixture_make(&fixture, GFID_ROOT, name, OBJECT_DIRECTORY);
    const struct attr_change change = {.mask = ATTR_MODE, .mode = mode};
    CU_ASSERT_EQUAL(wish_as(0, wish_setattr(directory, change)), 0);
    return directory;
}

static void begin(uint32_t mode)
{
    store_fixture_open(&fixture, 1, 1);
    left = make_open("left", mode);
    right = make_open("right", mode);
}

static void end(void)
{
    compare();
    store_fixture_close(&fixture);
}

static void files_change_places(void)
{
    begin(0777);
    struct gfid a = fixture_make(&fixture, left, "a", OBJECT_FILE);
    struct gfid b = fixture_make(&fixture, right, "b", OBJECT_SYMLINK);
    struct gfid c = fixture_make(&fixture, left, "c", OBJECT_FIFO);
    fixture_write(&fixture, a, 0, "bytes");
    CU_ASSERT_EQUAL(wish_as(0, wish_link(a, GFID_ROOT, "link")), 0);
    CU_ASSERT_EQUAL(exchange_as(0, left, "a", right, "b"), 0);
    CU_ASSERT_EQUAL(operation.object.nlink, 2);
    CU_ASSERT_EQUAL(operation.replaced.nlink, 1);
    struct attr at_a = find(left, "a");
    struct attr at_b = find(right, "b");
    CU_ASSERT(gfid_equal(&at_a.gfid, &b) && gfid_equal(&at_b.gfid, &a));
    compare();
    struct timestamp ctimes[] = {attr_of(a).ctime, attr_of(b).ctime, attr_of(left).ctime,
                                 attr_of(right).ctime};
    for (size_t i = 0; i < 4; i++) { /* those that it is about, and where they are */
        CU_ASSERT_EQUAL(timestamp_compare(&ctimes[i], &ctimes[0]), 0);
    }
    CU_ASSERT_EQUAL(timestamp_compare(&operation.parent.mtime, &ctimes[0]), 0);
    CU_ASSERT_EQUAL(timestamp_compare(&operation.parent2.mtime, &ctimes[0]), 0);
    CU_ASSERT(timestamp_compare(&at_b.mtime, &ctimes[0]) < 0);
    /* In one directory; and there and back is where it was. */
    CU_ASSERT_EQUAL(exchange_as(0, left, "a", left, "c"), 0);
    CU_ASSERT_EQUAL(operation.parent2.type, OBJECT_NONE);
    at_a = find(left, "a");
    CU_ASSERT(gfid_equal(&at_a.gfid, &c));
    compare();
    CU_ASSERT_EQUAL(exchange_as(0, left, "a", left, "c"), 0);
    CU_ASSERT_EQUAL(exchange_as(0, right, "b", left, "a"), 0);
    at_a = find(left, "a");
    CU_ASSERT(gfid_equal(&at_a.gfid, &a));
    CU_ASSERT_EQUAL_FATAL(store_fixture_reopen(&fixture, 0), 0);
    end();
}

static void directories_take_their_parents_along(void)
{
    begin(0777);
    struct gfid directory = fixture_make(&fixture, left, "x", OBJECT_DIRECTORY);
    struct gfid other = fixture_make(&fixture, right, "y", OBJECT_DIRECTORY);
    struct gfid file = fixture_make(&fixture, right, "f", OBJECT_FILE);
    (void)fixture_make(&fixture, directory, "inside", OBJECT_FILE);
    CU_ASSERT_EQUAL(exchange_as(0, left, "x", right, "y"), 0); /* neither need be empty */
    CU_ASSERT(attr_of(left).nlink == 3 && attr_of(right).nlink == 3);
    struct attr moved = attr_of(directory);
    CU_ASSERT(gfid_equal(&moved.parent, &right));
    moved = attr_of(other);
    CU_ASSERT(gfid_equal(&moved.parent, &left));
    compare();
    CU_ASSERT_EQUAL(exchange_as(0, left, "x", right, "f"), 0);
    CU_ASSERT(attr_of(left).nlink == 2 && attr_of(right).nlink == 4);
    struct attr at_x = find(left, "x");
    CU_ASSERT(gfid_equal(&at_x.gfid, &file));
    compare();
    CU_ASSERT_EQUAL(exchange_as(0, left, "x", right, "f"), 0); /* and the other way round */
    CU_ASSERT(attr_of(left).nlink == 3 && attr_of(right).nlink == 3);
    moved = attr_of(other);
    CU_ASSERT(gfid_equal(&moved.parent, &left));
    end();
}

static void some_exchanges_make_no_sense(void)
{
    begin(0777);
    struct gfid deep = fixture_make(&fixture, left, "x", OBJECT_DIRECTORY);
    struct gfid file = fixture_make(&fixture, deep, "f", OBJECT_FILE);
    uint64_t digest = store_digest(fixture.stores[0]);
    CU_ASSERT_EQUAL(exchange_as(0, GFID_ROOT, "left", deep, "f"), -EINVAL);
    CU_ASSERT_EQUAL(exchange_as(0, deep, "f", GFID_ROOT, "left"), -EINVAL);
    CU_ASSERT_EQUAL(exchange_as(0, left, "x", GFID_ROOT, "left"), -EINVAL);
    CU_ASSERT_EQUAL(exchange_as(0, left, "x", right, "none"), -ENOENT);
    CU_ASSERT_EQUAL(exchange_as(0, right, "none", left, "x"), -ENOENT);
    CU_ASSERT_EQUAL(exchange_as(0, left, ".", right, "x"), -EINVAL);
    CU_ASSERT_EQUAL(exchange_as(0, file, "a", right, "x"), -ENOTDIR);
    static const uint32_t bad[] = {RENAME_EXCHANGE | RENAME_NOREPLACE, RENAME_WHITEOUT,
                                   RENAME_EXCHANGE | RENAME_WHITEOUT, 8};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct mutation wish = wish_rename(deep, "f", right, "g");
        wish.rename_flags = bad[i];
        CU_ASSERT_EQUAL(wish_as(0, wish), -EINVAL);
    }
    CU_ASSERT_EQUAL(store_digest(fixture.stores[0]), digest);
    /* One object by two names: nothing happens. */
    CU_ASSERT_EQUAL(wish_as(0, wish_link(file, right, "link")), 0);
    CU_ASSERT_EQUAL(exchange_as(0, deep, "f", right, "link"), 0);
    CU_ASSERT_EQUAL(operation.kind, OPERATION_NONE);
    CU_ASSERT_EQUAL(exchange_as(0, deep, "f", deep, "f"), 0);
    CU_ASSERT_EQUAL(operation.kind, OPERATION_NONE);
    end();
}

static struct gfid make_as(uint32_t uid, struct gfid parent, const char *name, uint32_t type,
                           uint32_t mode)
{
    CU_ASSERT_EQUAL(wish_as(uid, wish_make(parent, name, type, mode)), 0);
    return operation.object.gfid;
}

static void set_mode(struct gfid object, uint32_t mode)
{
    CU_ASSERT_EQUAL(
        wish_as(0, wish_setattr(object, (struct attr_change){.mask = ATTR_MODE, .mode = mode})), 0);
}

static void both_sides_must_be_allowed(void)
{
    begin(0777);
    (void)make_as(1000, left, "a", OBJECT_FILE, 0600);
    (void)make_as(1001, right, "b", OBJECT_FILE, 0600);
    struct gfid directory = make_as(1001, right, "d", OBJECT_DIRECTORY, 0755);
    CU_ASSERT_EQUAL(exchange_as(1000, left, "a", right, "b"), 0);
    /* "b" is 1000's now, and "a" 1001's. */
    set_mode(right, 0755);
    CU_ASSERT_EQUAL(exchange_as(1000, left, "a", right, "b"), -EACCES);
    CU_ASSERT_EQUAL(exchange_as(1000, right, "b", left, "a"), -EACCES);
    set_mode(right, 0776);
    CU_ASSERT_EQUAL(exchange_as(1000, left, "a", right, "b"), -EACCES);
    set_mode(right, 01777);
    CU_ASSERT_EQUAL(exchange_as(1000, left, "a", right, "b"), 0);
    CU_ASSERT_EQUAL(exchange_as(1000, left, "a", right, "b"), -EPERM);
    CU_ASSERT_EQUAL(exchange_as(1000, right, "b", left, "a"), -EPERM);
    set_mode(right, 0777);
    set_mode(left, 01777);
    CU_ASSERT_EQUAL(exchange_as(1001, left, "a", right, "b"), -EPERM);
    /* A directory that gets another parent is written to; within its own it is not. */
    CU_ASSERT_EQUAL(exchange_as(1000, left, "a", right, "d"), -EACCES);
    CU_ASSERT_EQUAL(exchange_as(1000, right, "d", left, "a"), -EACCES);
    CU_ASSERT_EQUAL(exchange_as(1000, right, "d", right, "b"), 0);
    CU_ASSERT_EQUAL(exchange_as(1000, right, "d", right, "b"), 0);
    set_mode(directory, 0777);
    CU_ASSERT_EQUAL(exchange_as(1000, left, "a", right, "d"), 0);
    end();
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("exchange", NULL, NULL);
    CU_ADD_TEST(suite, files_change_places);
    CU_ADD_TEST(suite, directories_take_their_parents_along);
    CU_ADD_TEST(suite, some_exchanges_make_no_sense);
    CU_ADD_TEST(suite, both_sides_must_be_allowed);
    CU_basic_run_tests();
    unsigned int failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
