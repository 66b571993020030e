/*
 * Making and opening bricks: what is refused, and that the sentence says what to do.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backend/base/errors.h"
#include "tests/lib/store_fixture.h"

static char error[512];
static char path[64];

static int format(const char *where, uint8_t volume, bool force)
{
    struct store_identity identity = test_identity(4);
    identity.volume.bytes[0] = volume;
    return posix_store_format(where, &identity, force, error, sizeof error);
}

static int try_open(const char *where)
{
    struct store *store;
    int result = posix_store_open(where, clock_real(), &store, error, sizeof error);
    if (!result) {
        store_close(store);
    }
    return result;
}

static bool says(const char *text)
{
    bool found = strstr(error, text) && strstr(error, path);
    if (!found) {
        printf("\"%s\" does not say \"%s\"\n", error, text);
    }
    return found;
}

static const char *below(const char *name)
{
    static char buffer[128];
    (void)snprintf(buffer, sizeof buffer, "%s/%s", path, name);
    return buffer;
}

static void put_bytes(const char *name, off_t offset, const char *bytes)
{
    int fd = open(below(name), O_WRONLY | O_CREAT, 0644);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(pwrite(fd, bytes, strlen(bytes), offset), (ssize_t)strlen(bytes));
    (void)close(fd);
}

static void directories_that_cannot_be_bricks_are_refused(void)
{
    temporary_directory(path);
    CU_ASSERT_EQUAL(format(below("missing"), 1, false), -ENOENT);
    CU_ASSERT(says("no such directory"));
    put_bytes("file", 0, "x");
    CU_ASSERT_EQUAL(format(below("file"), 1, false), -ENOTDIR);
    CU_ASSERT(says("not a directory"));
    CU_ASSERT_EQUAL(format(path, 1, false), -ENOTEMPTY);
    CU_ASSERT(says("force"));
    CU_ASSERT_EQUAL(access(below(".trivet"), F_OK), -1);
    CU_ASSERT_EQUAL(try_open(path), -ENOENT);
    CU_ASSERT(says("not a brick"));
    CU_ASSERT_EQUAL(format(path, 1, true), 0);
    CU_ASSERT_EQUAL(try_open(path), 0);
    CU_ASSERT_EQUAL(format(path, 1, true), -EEXIST);
    CU_ASSERT(says("already brick 4 of volume \"gv0\""));
    CU_ASSERT_EQUAL(format(path, 2, true), -E_WRONG_VOLUME);
    CU_ASSERT_EQUAL(mkdir(below("inner"), 0755), 0);
    CU_ASSERT_EQUAL(mkdir(below("inner/most"), 0755), 0);
    CU_ASSERT_EQUAL(format(below("inner/most"), 2, false), -EEXIST);
    CU_ASSERT(says("inside another brick"));
    CU_ASSERT_EQUAL(format("/proc", 1, true), -ENOENT); /* nothing can be made in it */
    remove_tree(path);
}

static void half_a_format_can_be_done_again_but_a_lost_identity_not(void)
{
    temporary_directory(path);
    CU_ASSERT_EQUAL(mkdir(below(".trivet"), 0700), 0);
    CU_ASSERT_EQUAL(mkdir(below(".trivet/log"), 0700), 0);
    CU_ASSERT_EQUAL(format(path, 1, false), 0);
    CU_ASSERT_EQUAL(try_open(path), 0);
    CU_ASSERT_EQUAL(unlink(below(".trivet/identity")), 0);
    CU_ASSERT_EQUAL(try_open(path), -ENOENT);
    CU_ASSERT(says("identity is missing"));
    CU_ASSERT_EQUAL(format(path, 1, true), -EEXIST);
    CU_ASSERT(says("lost its identity"));
    remove_tree(path);
}

static void a_brick_is_open_once(void)
{
    struct store_fixture fixture;
    store_fixture_open(&fixture, 1, 0);
    memcpy(path, fixture.paths[0], sizeof path);
    CU_ASSERT_EQUAL(try_open(path), -EBUSY);
    CU_ASSERT(says("another process"));
    store_fixture_close(&fixture);
}

static void damage_is_said(void)
{
    temporary_directory(path);
    CU_ASSERT_EQUAL(format(path, 1, false), 0);
    put_bytes(".trivet/identity", 50, "damage");
    CU_ASSERT_EQUAL(try_open(path), -E_CORRUPT);
    CU_ASSERT(says("identity is damaged"));
    CU_ASSERT_EQUAL(format(path, 1, true), -EEXIST);
    CU_ASSERT(says("cannot be read"));
    remove_tree(path);
    temporary_directory(path);
    CU_ASSERT_EQUAL(format(path, 1, false), 0);
    CU_ASSERT_EQUAL(truncate(below(".trivet/state"), 100), 0);
    CU_ASSERT_EQUAL(try_open(path), -E_CORRUPT);
    CU_ASSERT(says("cannot be opened"));
    remove_tree(path);
    temporary_directory(path);
    CU_ASSERT_EQUAL(format(path, 1, false), 0);
    put_bytes(".trivet/index/data.mdb", 0, "this is not a database, nor was it ever one");
    put_bytes(".trivet/index/data.mdb", 4096, "this is not a database, nor was it ever one");
    CU_ASSERT_EQUAL(try_open(path), -E_CORRUPT);
    CU_ASSERT(says("cannot be opened"));
    remove_tree(path);
}

/* Log gone, index not: operations were lost that somebody may have been told of. */
static void a_log_that_ends_too_early_is_said(void)
{
    struct store_fixture fixture;
    store_fixture_open(&fixture, 1, 0);
    memcpy(path, fixture.paths[0], sizeof path);
    (void)fixture_make(&fixture, GFID_ROOT, "file", OBJECT_FILE);
    store_close(fixture.stores[0]);
    fixture.stores[0] = NULL;
    CU_ASSERT_EQUAL(truncate(below(".trivet/log/00000000000000000002"), 40), 0);
    CU_ASSERT_EQUAL(try_open(path), -E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error, "log"));
    store_fixture_close(&fixture);
}

static void identity_view_and_space_are_kept(void)
{
    static struct view view;
    static struct view kept;
    struct store_fixture fixture;
    struct store_identity identity;
    struct statfs_info space;
    store_fixture_open(&fixture, 2, 1);
    for (uint32_t i = 0; i < fixture.count; i++) {
        struct store *store = fixture.stores[i];
        store_identity(store, &identity);
        CU_ASSERT_EQUAL(identity.brick, i);
        CU_ASSERT_EQUAL(identity.disk_id, 1000 + i);
        CU_ASSERT_STRING_EQUAL(identity.volume_name, "gv0");
        CU_ASSERT_EQUAL(store_view_get(store, &kept), -ENOENT);
        view = (struct view){.number = 7, .primary = 1, .member_count = 3, .previous_end = 99};
        (void)snprintf(view.members[2].host, sizeof view.members[2].host, "host.example");
        (void)snprintf(view.members[2].path, sizeof view.members[2].path, "%s", path);
        view.members[2].incarnation = UINT64_MAX;
        CU_ASSERT_EQUAL(store_view_put(store, &view), 0);
        CU_ASSERT_EQUAL(store_statfs(store, &space), 0);
        CU_ASSERT(space.present && space.bytes_available > 0 && space.name_max == 255);
    }
    CU_ASSERT_EQUAL(store_fixture_reopen(&fixture, 1), 0);
    for (uint32_t i = 0; i < fixture.count; i++) {
        memset(&kept, 0, sizeof kept);
        CU_ASSERT_EQUAL(store_view_get(fixture.stores[i], &kept), 0);
        CU_ASSERT_EQUAL(memcmp(&kept, &view, sizeof view), 0);
    }
    store_fixture_close(&fixture);
}

/* Somebody put things into the brick's directory behind the volume's back. */
static void strays_are_moved_out_of_the_way(void)
{
    struct store_fixture fixture;
    struct operation operation;
    store_fixture_open(&fixture, 1, 0);
    memcpy(path, fixture.paths[0], sizeof path);
    struct gfid directory = fixture_make(&fixture, GFID_ROOT, "directory", OBJECT_DIRECTORY);
    struct gfid file = fixture_make(&fixture, GFID_ROOT, "file", OBJECT_FILE);
    put_bytes("new", 0, "a stray");
    put_bytes("link", 0, "a stray");
    put_bytes("renamed", 0, "a stray");
    put_bytes("directory/stray", 0, "a stray");
    (void)fixture_make(&fixture, GFID_ROOT, "new", OBJECT_FILE);
    const struct mutation wishes[] = {wish_link(file, GFID_ROOT, "link"),
                                      wish_rename(GFID_ROOT, "file", GFID_ROOT, "renamed"),
                                      wish_remove(GFID_ROOT, "directory", true)};
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
        struct mutation wish = wishes[i];
        CU_ASSERT_EQUAL(fixture_mutate(&fixture, &wish, slice_of(NULL, 0), &operation), 0);
    }
    struct stat status;
    CU_ASSERT_EQUAL(stat(below("new"), &status), 0);
    CU_ASSERT_EQUAL(status.st_size, 0);
    CU_ASSERT_EQUAL(access(below("directory"), F_OK), -1);
    CU_ASSERT_EQUAL(stat(below("renamed"), &status), 0);
    CU_ASSERT_EQUAL(status.st_nlink, 2);
    CU_ASSERT_EQUAL(stat(below(".trivet/stray"), &status), 0);
    CU_ASSERT_EQUAL(access(below(".trivet/stray/00000000000000000007/stray"), F_OK), 0);
    CU_ASSERT_EQUAL(store_getattr(fixture.stores[0], &directory, &operation.object), -ESTALE);
    store_fixture_close(&fixture);
}

static void the_bricks_own_directory_is_out_of_reach(void)
{
    struct store_fixture fixture;
    struct operation operation;
    struct attr child;
    struct attr parent;
    store_fixture_open(&fixture, 1, 0);
    (void)fixture_make(&fixture, GFID_ROOT, "file", OBJECT_FILE);
    struct gfid directory = fixture_make(&fixture, GFID_ROOT, "d", OBJECT_DIRECTORY);
    CU_ASSERT_EQUAL(
        store_lookup(fixture.stores[0], &GFID_ROOT, slice_text(".trivet"), &child, &parent),
        -ENOENT);
    struct mutation make = wish_make(GFID_ROOT, ".trivet", OBJECT_FILE, 0644);
    CU_ASSERT_EQUAL(fixture_mutate(&fixture, &make, slice_of(NULL, 0), &operation), -EPERM);
    struct mutation away = wish_rename(GFID_ROOT, "file", GFID_ROOT, ".trivet");
    CU_ASSERT_EQUAL(fixture_mutate(&fixture, &away, slice_of(NULL, 0), &operation), -EPERM);
    struct mutation remove = wish_remove(GFID_ROOT, ".trivet", true);
    CU_ASSERT_EQUAL(fixture_mutate(&fixture, &remove, slice_of(NULL, 0), &operation), -ENOENT);
    struct mutation elsewhere = wish_make(directory, ".trivet", OBJECT_FILE, 0644);
    CU_ASSERT_EQUAL(fixture_mutate(&fixture, &elsewhere, slice_of(NULL, 0), &operation), 0);
    store_fixture_close(&fixture);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("bricks", NULL, NULL);
    CU_ADD_TEST(suite, directories_that_cannot_be_bricks_are_refused);
    CU_ADD_TEST(suite, half_a_format_can_be_done_again_but_a_lost_identity_not);
    CU_ADD_TEST(suite, a_brick_is_open_once);
    CU_ADD_TEST(suite, damage_is_said);
    CU_ADD_TEST(suite, a_log_that_ends_too_early_is_said);
    CU_ADD_TEST(suite, identity_view_and_space_are_kept);
    CU_ADD_TEST(suite, strays_are_moved_out_of_the_way);
    CU_ADD_TEST(suite, the_bricks_own_directory_is_out_of_reach);
    CU_basic_run_tests();
    unsigned int failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
