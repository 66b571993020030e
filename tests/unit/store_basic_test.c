/*
 * A directory and a store in memory side by side: each family of operations, what the index says,
 * and what is in the tree.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "backend/base/errors.h"
#include "backend/proto/dirent.h"
#include "tests/lib/store_fixture.h"

static struct store_fixture fixture;

static int set_up(void)
{
    store_fixture_open(&fixture, 1, 1);
    return 0;
}

static int tear_down(void)
{
    store_fixture_close(&fixture);
    return 0;
}

static int wish(struct mutation mutation, struct operation *out_operation)
{
    return fixture_mutate(&fixture, &mutation, slice_of(NULL, 0), out_operation);
}

static const char *in_tree(const char *name)
{
    static char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", fixture.paths[0], name);
    return path;
}

static void a_file_is_made_written_and_read(void)
{
    struct gfid file = fixture_make(&fixture, GFID_ROOT, "file", OBJECT_FILE);
    fixture_write(&fixture, file, 0, "hello, brick");
    fixture_write(&fixture, file, 7, "tree");
    for (uint32_t i = 0; i < fixture.count; i++) {
        uint8_t buffer[64];
        uint32_t count = 0;
        struct attr attr;
        CU_ASSERT_EQUAL(store_read(fixture.stores[i], &file, 0, 64, true, buffer, &count), 0);
        CU_ASSERT_EQUAL(count, 12);
        CU_ASSERT_EQUAL(memcmp(buffer, "hello, treek", 12), 0);
        CU_ASSERT_EQUAL(store_read(fixture.stores[i], &file, 7, 2, false, buffer, &count), 0);
        CU_ASSERT_EQUAL(count, 2);
        CU_ASSERT_EQUAL(store_getattr(fixture.stores[i], &file, &attr), 0);
        CU_ASSERT_EQUAL(attr.size, 12);
        CU_ASSERT_EQUAL(attr.used, 4096);
        CU_ASSERT_EQUAL(attr.nlink, 1);
        CU_ASSERT_EQUAL(attr.mode, 0755);
        CU_ASSERT_EQUAL(store_sync(fixture.stores[i], &file), 0);
    }
    struct stat status;
    CU_ASSERT_EQUAL(stat(in_tree("file"), &status), 0);
    CU_ASSERT_EQUAL(status.st_size, 12);
    uint8_t value[64];
    CU_ASSERT_EQUAL(getxattr(in_tree("file"), "trusted.trivet.gfid", value, sizeof value), 48);
    CU_ASSERT_EQUAL(memcmp(value + 8, file.bytes, GFID_SIZE), 0);
}

static void every_type_is_made_with_its_owner_and_mode(void)
{
    static const uint32_t types[] = {OBJECT_FILE,   OBJECT_DIRECTORY, OBJECT_SYMLINK,  OBJECT_FIFO,
                                     OBJECT_SOCKET, OBJECT_BLOCK,     OBJECT_CHARACTER};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "type%u", types[i]);
        struct mutation make = wish_make(GFID_ROOT, name, types[i], 04751);
        make.cred = (struct cred){.flags = CRED_CHECKED, .uid = 1000, .gid = 1001};
        make.device_major = 7;
        make.device_minor = 300;
        struct operation operation;
        CU_ASSERT_EQUAL(wish(make, &operation), 0);
        struct stat status;
        CU_ASSERT_EQUAL(lstat(in_tree(name), &status), 0);
        CU_ASSERT_EQUAL(status.st_uid, 1000);
        CU_ASSERT_EQUAL(status.st_gid, 1001);
        CU_ASSERT_EQUAL(object_type_from_mode(status.st_mode), types[i]);
        CU_ASSERT_EQUAL(status.st_mode & 07777, operation.object.mode);
        if (types[i] == OBJECT_SYMLINK) {
            char target[16];
            size_t size;
            CU_ASSERT_EQUAL(store_readlink(fixture.stores[0], &operation.object.gfid, target,
                                           sizeof target, &size),
                            0);
            CU_ASSERT(slice_equal(slice_of(target, size), slice_text("target")));
        }
    }
    CU_ASSERT_EQUAL(store_checkpoint(fixture.stores[0]), 0);
}

static void names_are_looked_up_linked_renamed_and_removed(void)
{
    struct operation operation;
    struct attr child;
    struct attr parent;
    struct gfid a = fixture_make(&fixture, GFID_ROOT, "a", OBJECT_DIRECTORY);
    struct gfid b = fixture_make(&fixture, GFID_ROOT, "b", OBJECT_DIRECTORY);
    struct gfid x = fixture_make(&fixture, a, "x", OBJECT_FILE);
    fixture_write(&fixture, x, 0, "x");
    CU_ASSERT_EQUAL(wish(wish_link(x, b, "y"), &operation), 0);
    CU_ASSERT_EQUAL(operation.object.nlink, 2);
    CU_ASSERT_EQUAL(wish(wish_rename(a, "x", b, "z"), &operation), 0);
    CU_ASSERT_EQUAL(store_lookup(fixture.stores[0], &a, slice_text("x"), &child, &parent), -ENOENT);
    CU_ASSERT(gfid_equal(&parent.gfid, &a));
    CU_ASSERT_EQUAL(store_lookup(fixture.stores[0], &b, slice_text("z"), &child, &parent), 0);
    CU_ASSERT(gfid_equal(&child.gfid, &x));
    CU_ASSERT_EQUAL(store_lookup(fixture.stores[0], &b, slice_text(".."), &child, &parent), 0);
    CU_ASSERT(gfid_is_root(&child.gfid));
    CU_ASSERT_EQUAL(access(in_tree("b/z"), F_OK), 0);
    CU_ASSERT_EQUAL(access(in_tree("a/x"), F_OK), -1);
    CU_ASSERT_EQUAL(wish(wish_remove(GFID_ROOT, "b", true), &operation), -ENOTEMPTY);
    CU_ASSERT_EQUAL(wish(wish_remove(b, "y", false), &operation), 0);
    CU_ASSERT_EQUAL(wish(wish_remove(b, "z", false), &operation), 0);
    CU_ASSERT_EQUAL(operation.object.nlink, 0);
    CU_ASSERT_EQUAL(store_getattr(fixture.stores[0], &x, &child), -ESTALE);
    CU_ASSERT_EQUAL(wish(wish_remove(GFID_ROOT, "b", true), &operation), 0);
    CU_ASSERT_EQUAL(access(in_tree("b"), F_OK), -1);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("store", set_up, tear_down);
    CU_ADD_TEST(suite, a_file_is_made_written_and_read);
    CU_ADD_TEST(suite, every_type_is_made_with_its_owner_and_mode);
    CU_ADD_TEST(suite, names_are_looked_up_linked_renamed_and_removed);
    CU_basic_run_tests();
    unsigned int failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
