/*
 * Directories are opened by the name that the index has for them.
 *
 * Goal: the index knows each directory's place in its parent, whatever moved it; and what is done
 * in a directory while the tree is behind the index, so that another one is still where it will be,
 * is done in the right one. Method: make, move and exchange directories, look at their places, and
 * open the brick again with nothing open and the moves sequenced, not applied.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <linux/fs.h>
#include <stdio.h>
#include <unistd.h>
#include "backend/base/scope.h"
#include "backend/store/indexed.h"
#include "tests/lib/store_fixture.h"

static bool is_placed(struct store_fixture *fixture, const struct gfid *gfid,
                      const struct gfid *parent, const char *text)
{
    struct index *index = index_of(fixture->stores[0]);
    struct object_record record;
    struct name_record name;
    AUTO_LOCK(&index->mutex);
    return index_object_get(index, gfid, &record) == 0 && gfid_equal(&record.attr.parent, parent) &&
           index_name_at(index, parent, record.place, &name) == 0 && gfid_equal(&name.gfid, gfid) &&
           slice_equal(name.name, slice_text(text));
}

static struct mutation wish_exchange(struct gfid parent, const char *name, struct gfid parent2,
                                     const char *name2)
{
    struct mutation wish = wish_rename(parent, name, parent2, name2);
    wish.rename_flags = RENAME_EXCHANGE;
    return wish;
}

static void mutate(struct store_fixture *fixture, struct mutation wish)
{
    struct operation operation;
    CU_ASSERT_EQUAL(fixture_mutate(fixture, &wish, slice_of(NULL, 0), &operation), 0);
}

static void sequence(struct store_fixture *fixture, struct mutation wish)
{
    struct operation operation;
    CU_ASSERT_EQUAL(fixture_sequence(fixture, &wish, &operation), 0);
}

static bool is_there(const struct store_fixture *fixture, const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", fixture->paths[0], name);
    return access(path, F_OK) == 0;
}

static void every_move_keeps_the_place(void)
{
    struct store_fixture fixture;
    const struct gfid root = GFID_ROOT;
    store_fixture_open(&fixture, 1, 0);
    struct gfid a = fixture_make(&fixture, root, "a", OBJECT_DIRECTORY);
    struct gfid b = fixture_make(&fixture, root, "b", OBJECT_DIRECTORY);
    struct gfid inner = fixture_make(&fixture, a, "inner", OBJECT_DIRECTORY);
    CU_ASSERT(is_placed(&fixture, &inner, &a, "inner"));
    mutate(&fixture, wish_setattr(inner, (struct attr_change){.mask = ATTR_MODE, .mode = 0700}));
    CU_ASSERT(is_placed(&fixture, &inner, &a, "inner"));
    mutate(&fixture, wish_rename(a, "inner", a, "again"));
    CU_ASSERT(is_placed(&fixture, &inner, &a, "again"));
    mutate(&fixture, wish_rename(a, "again", b, "moved"));
    CU_ASSERT(is_placed(&fixture, &inner, &b, "moved"));
    mutate(&fixture, wish_exchange(root, "a", b, "moved"));
    CU_ASSERT(is_placed(&fixture, &inner, &root, "a"));
    CU_ASSERT(is_placed(&fixture, &a, &b, "moved"));
    CU_ASSERT_EQUAL(store_fixture_reopen(&fixture, 0), 0);
    (void)fixture_make(&fixture, a, "file", OBJECT_FILE);
    CU_ASSERT(is_there(&fixture, "b/moved/file"));
    store_fixture_close(&fixture);
}

static void a_tree_that_is_behind_gets_it_right(void)
{
    struct store_fixture fixture;
    const struct gfid root = GFID_ROOT;
    store_fixture_open(&fixture, 1, 0);
    struct gfid a = fixture_make(&fixture, root, "a", OBJECT_DIRECTORY);
    struct gfid b = fixture_make(&fixture, root, "b", OBJECT_DIRECTORY);
    CU_ASSERT_EQUAL(store_fixture_reopen(&fixture, 0), 0); /* nothing is open */
    sequence(&fixture, wish_make(a, "in-a", OBJECT_FILE, 0644));
    sequence(&fixture, wish_make(b, "in-b", OBJECT_FILE, 0644));
    sequence(&fixture, wish_exchange(root, "a", root, "b"));
    sequence(&fixture, wish_rename(root, "a", root, "c")); /* what was b */
    sequence(&fixture, wish_make(b, "later", OBJECT_FILE, 0644));
    CU_ASSERT_EQUAL(store_fixture_reopen(&fixture, 0), 0);
    CU_ASSERT(is_there(&fixture, "b/in-a"));
    CU_ASSERT(is_there(&fixture, "c/in-b"));
    CU_ASSERT(is_there(&fixture, "c/later"));
    CU_ASSERT(is_placed(&fixture, &a, &root, "b"));
    CU_ASSERT(is_placed(&fixture, &b, &root, "c"));
    store_fixture_close(&fixture);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("directories by name", NULL, NULL);
    CU_ADD_TEST(suite, every_move_keeps_the_place);
    CU_ADD_TEST(suite, a_tree_that_is_behind_gets_it_right);
    CU_basic_run_tests();
    unsigned int failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
