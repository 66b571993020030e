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
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

static void a_symlink_may_be_as_long_as_the_kernel_allows(void)
{
    char target[TARGET_SIZE_MAX];
    char got[TARGET_SIZE_MAX];
    size_t size = 0;
    memset(target, 't', sizeof target);
    struct mutation make = wish_make(GFID_ROOT, "long", OBJECT_SYMLINK, 0777);
    make.target = slice_of(target, sizeof target);
    struct operation operation;
    CU_ASSERT_EQUAL(wish(make, &operation), 0);
    CU_ASSERT_EQUAL(operation.object.size, TARGET_SIZE_MAX);
    CU_ASSERT_EQUAL(store_readlink(fixture.stores[0], &operation.object.gfid, got, 10, &size),
                    -ERANGE);
    CU_ASSERT_EQUAL(
        store_readlink(fixture.stores[0], &operation.object.gfid, got, sizeof got, &size), 0);
    CU_ASSERT(slice_equal(slice_of(got, size), make.target));
    struct stat status;
    CU_ASSERT_EQUAL(lstat(in_tree("long"), &status), 0);
    CU_ASSERT(S_ISLNK(status.st_mode)); /* XFS shows its first 1023 bytes */
}

/* A brick that cannot do what was decided has failed, and says so to everything from then on. */
static void a_brick_that_cannot_follow_has_failed(void)
{
    struct store_fixture broken;
    struct operation operation;
    uint8_t bytes[OPERATION_SIZE_MAX];
    size_t size;
    store_fixture_open(&broken, 1, 0);
    struct gfid directory = fixture_make(&broken, GFID_ROOT, "directory", OBJECT_DIRECTORY);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/directory", broken.paths[0]);
    CU_ASSERT_EQUAL(rmdir(path), 0);
    struct store *store = broken.stores[0];
    struct mutation make = wish_make(directory, "file", OBJECT_FILE, 0644);
    const struct decision decision = {
        .index = broken.index + 1, .view = 1, .now_ns = 1, .bytes_free = 1 << 20};
    CU_ASSERT_EQUAL(store_decide(store, &make, &decision, &operation), 0);
    CU_ASSERT_EQUAL(operation_encode(&operation, bytes, sizeof bytes, &size), 0);
    CU_ASSERT_EQUAL(store_sequence(store, &operation, slice_of(bytes, size)), 0);
    CU_ASSERT_EQUAL(store_apply(store, &operation, slice_of(NULL, 0)), -ENOENT);
    CU_ASSERT_EQUAL(store_apply(store, &operation, slice_of(NULL, 0)), -EIO);
    CU_ASSERT_EQUAL(store_decide(store, &make, &decision, &operation), -EIO);
    CU_ASSERT_EQUAL(store_sync(store, NULL), -EIO);
    CU_ASSERT_EQUAL(store_checkpoint(store), -EIO);
    store_fixture_close(&broken);
}

/* In a process of its own, whose files may not grow as the index wants to. */
static int meet_a_full_disk(void)
{
    struct store_fixture full;
    uint8_t bytes[OPERATION_SIZE_MAX];
    size_t size;
    struct operation operation;
    struct attr attr;
    struct attr root;
    char name[32];
    const struct rlimit little = {.rlim_cur = 100000, .rlim_max = RLIM_INFINITY};
    int result = 0;
    store_fixture_open(&full, 1, 0);
    struct store *store = full.stores[0];
    (void)signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &little)) {
        return 1;
    }
    for (uint32_t i = 0; i < 10000 && !result; i++) {
        (void)snprintf(name, sizeof name, "file%u", i);
        struct mutation make = wish_make(GFID_ROOT, name, OBJECT_FILE, 0644);
        const struct decision decision = {
            .index = ++full.index, .view = 1, .now_ns = 1, .bytes_free = 1 << 20};
        result = store_decide(store, &make, &decision, &operation) ||
                 operation_encode(&operation, bytes, sizeof bytes, &size);
        if (result) {
            return 2;
        }
        result = store_sequence(store, &operation, slice_of(bytes, size));
        if (!result) {
            result = store_apply(store, &operation, slice_of(NULL, 0));
        }
        if (!result && i % 10 == 9) {
            result = store_checkpoint(store);
        }
    }
    /* The commit took the index with it; nothing may be read from where it was. */
    bool failed = result != 0 && store_checkpoint(store) == -EIO &&
                  store_getattr(store, &GFID_ROOT, &attr) == -EIO &&
                  store_lookup(store, &GFID_ROOT, slice_text("file1"), &attr, &root) == -EIO;
    store_fixture_close(&full);
    return failed ? 0 : 3;
}

static void a_full_disk_fails_the_brick_and_not_the_process(void)
{
    pid_t child = fork();
    if (child == 0) {
        _exit(meet_a_full_disk());
    }
    int status = -1;
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_EQUAL(status, 0);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("store", set_up, tear_down);
    CU_ADD_TEST(suite, a_file_is_made_written_and_read);
    CU_ADD_TEST(suite, every_type_is_made_with_its_owner_and_mode);
    CU_ADD_TEST(suite, names_are_looked_up_linked_renamed_and_removed);
    CU_ADD_TEST(suite, a_symlink_may_be_as_long_as_the_kernel_allows);
    CU_ADD_TEST(suite, a_brick_that_cannot_follow_has_failed);
    CU_ADD_TEST(suite, a_full_disk_fails_the_brick_and_not_the_process);
    CU_basic_run_tests();
    unsigned int failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
