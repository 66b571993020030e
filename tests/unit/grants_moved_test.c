/*
 * What a client's kernel moves to another name by its own rename it goes on believing in, so that
 * the new name is taken back from it before another client's change of it is answered.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "tests/lib/brick_set.h"

static struct brick_set set;
static struct test_client a, b; /* a renames and caches, b changes */

static void set_up(void)
{
    brick_set_open(&set, 3, false);
    CU_ASSERT_FATAL(brick_set_wait_serving(&set));
    CU_ASSERT_EQUAL_FATAL(test_client_open(&a, &set, 0, true), 0);
    CU_ASSERT_EQUAL_FATAL(test_client_open(&b, &set, 0, false), 0);
}

static void tear_down(void)
{
    test_client_close(&a);
    test_client_close(&b);
    brick_set_close(&set);
}

static struct gfid wanted_parent;
static const char *wanted_name;
static _Atomic bool is_asked;

static void recalled(void *context, const struct recall_args *args)
{
    (void)context;
    if (gfid_equal(&args->parent, &wanted_parent) && strcmp(args->name, wanted_name) == 0) {
        atomic_store(&is_asked, true);
    }
}

/* b moves name of directory away; a is asked to give up exactly that. */
static void move_recalls(struct gfid directory, const char *name)
{
    {
        AUTO_LOCK(&a.mutex);
        wanted_parent = directory;
        wanted_name = name;
        atomic_store(&is_asked, false);
        a.recalled = recalled;
    }
    brick_rename_args args = args_rename(&b, directory, name, GFID_ROOT, "elsewhere");
    CU_ASSERT_EQUAL(client_call(&b, BRICK_RENAME, &args, NULL, NULL), 0);
    CU_ASSERT_TRUE(atomic_load(&is_asked));
}

static void rename_by_a(struct gfid directory, const char *name, struct gfid directory2,
                        const char *name2, uint32_t flags)
{
    brick_rename_args args = args_rename(&a, directory, name, directory2, name2);
    args.flags = flags;
    CU_ASSERT_EQUAL(client_call(&a, BRICK_RENAME, &args, NULL, NULL), 0);
}

static void the_new_name_is_taken_back(void)
{
    set_up();
    struct gfid directory = client_make(&b, GFID_ROOT, "d", OBJECT_DIRECTORY);
    (void)client_make(&b, GFID_ROOT, "from", OBJECT_FILE);
    rename_by_a(GFID_ROOT, "from", directory, "to", 0);
    move_recalls(directory, "to");
    tear_down();
}

static void both_names_that_changed_places_are(void)
{
    set_up();
    struct gfid directory = client_make(&b, GFID_ROOT, "d", OBJECT_DIRECTORY);
    (void)client_make(&b, GFID_ROOT, "one", OBJECT_FILE);
    (void)client_make(&b, directory, "two", OBJECT_FILE);
    rename_by_a(GFID_ROOT, "one", directory, "two", RENAME_EXCHANGE);
    move_recalls(directory, "two");
    tear_down();
    set_up();
    directory = client_make(&b, GFID_ROOT, "d", OBJECT_DIRECTORY);
    (void)client_make(&b, directory, "one", OBJECT_FILE);
    (void)client_make(&b, GFID_ROOT, "two", OBJECT_FILE);
    rename_by_a(directory, "one", GFID_ROOT, "two", RENAME_EXCHANGE);
    move_recalls(directory, "one");
    tear_down();
}

int main(void)
{
    log_open("grants_moved_test", LOG_LEVEL_ERROR);
    CU_TestInfo tests[] = {
        {"the new name is taken back", the_new_name_is_taken_back},
        {"both names that changed places are", both_names_that_changed_places_are},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{.pName = "grants of what was moved", .pTests = tests},
                             CU_SUITE_INFO_NULL};
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
        return 2;
    }
    CU_basic_set_mode(getenv("VERBOSE") ? CU_BRM_VERBOSE : CU_BRM_NORMAL);
    (void)CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
