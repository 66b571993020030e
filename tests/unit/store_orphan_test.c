/*
 * Objects without a name: unlinked while a client has them open, or made so.
 *
 * Goal: they go on in every way but by name until they are forgotten, over a restart too, are
 * nobody else's to forget, and leave nothing behind. Method: on a directory and in memory, the same
 * at every step.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/lib/store_check.h"
#include "tests/lib/store_fixture.h"

#define CLIENT 77
#define STRANGER 78

static struct store_fixture fixture;
static struct operation operation;

static int wish(struct mutation mutation)
{
    return fixture_mutate(&fixture, &mutation, slice_of(NULL, 0), &operation);
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

static bool holds(struct gfid file, const char *text)
{
    bool same = true;
    for (uint32_t i = 0; i < fixture.count; i++) {
        uint8_t bytes[64];
        uint32_t count = 0;
        same &= store_read(fixture.stores[i], &file, 0, sizeof bytes, false, bytes, &count) == 0 &&
                slice_equal(slice_of(bytes, count), slice_text(text));
    }
    return same;
}

static int orphans(uint64_t keeper)
{
    struct gfid at = GFID_NONE;
    struct gfid before = GFID_NONE;
    uint64_t found;
    int count = 0;
    while (store_orphan_next(fixture.stores[0], &at, &at, &found) == 0) {
        CU_ASSERT(memcmp(&before, &at, sizeof at) < 0);
        CU_ASSERT_EQUAL(found, keeper);
        before = at;
        count++;
    }
    return count;
}

static void begin(void)
{
    store_fixture_open(&fixture, 1, 1);
}

static void end(void)
{
    compare();
    store_fixture_close(&fixture);
}

static void an_unlinked_file_stays_until_it_is_forgotten(void)
{
    struct attr attr;
    struct attr root;
    begin();
    struct gfid file = fixture_make(&fixture, GFID_ROOT, "file", OBJECT_FILE);
    fixture_write(&fixture, file, 0, "before");
    CU_ASSERT_EQUAL(wish(wish_kept(CLIENT, wish_remove(GFID_ROOT, "file", false))), 0);
    CU_ASSERT_EQUAL(operation.object.nlink, 0);
    CU_ASSERT_EQUAL(store_lookup(fixture.stores[0], &GFID_ROOT, slice_text("file"), &attr, &root),
                    -ENOENT);
    compare();
    CU_ASSERT(holds(file, "before"));
    fixture_write(&fixture, file, 6, " and after");
    CU_ASSERT(holds(file, "before and after"));
    const struct attr_change change = {
        .mask = ATTR_SIZE | ATTR_MODE | ATTR_UID, .size = 6, .mode = 0400, .uid = 9};
    CU_ASSERT_EQUAL(wish(wish_setattr(file, change)), 0);
    CU_ASSERT_EQUAL(wish(wish_allocate(file, 0, 0, 8)), 0);
    CU_ASSERT_EQUAL(operation.object.size, 8);
    CU_ASSERT_EQUAL(store_sync(fixture.stores[0], &file), 0);
    CU_ASSERT_EQUAL(wish(wish_setattr(file, (struct attr_change){.mask = ATTR_SIZE, .size = 6})),
                    0);
    /* The name is free, and another file may have it. */
    struct gfid next = fixture_make(&fixture, GFID_ROOT, "file", OBJECT_FILE);
    fixture_write(&fixture, next, 0, "next");
    compare();
    CU_ASSERT_EQUAL(store_checkpoint(fixture.stores[0]), 0);
    CU_ASSERT_EQUAL_FATAL(store_fixture_reopen(&fixture, 0), 0);
    compare();
    CU_ASSERT(holds(file, "before") && holds(next, "next"));
    CU_ASSERT_EQUAL(store_getattr(fixture.stores[0], &file, &attr), 0);
    CU_ASSERT(attr.nlink == 0 && attr.mode == 0400 && attr.uid == 9);
    CU_ASSERT_EQUAL(orphans(CLIENT), 1);
    CU_ASSERT_EQUAL(wish(wish_link(file, GFID_ROOT, "again")), -ENOENT);
    CU_ASSERT_EQUAL(wish(wish_kept(STRANGER, wish_forget(file))), -EPERM);
    struct mutation derived = wish_kept(CLIENT, wish_forget(file));
    derived.id.kind = OP_ID_DERIVED;
    CU_ASSERT_EQUAL(wish(derived), -EPERM);
    CU_ASSERT_EQUAL(wish(wish_kept(CLIENT, wish_forget(file))), 0);
    CU_ASSERT_EQUAL(operation.kind, OPERATION_FORGET);
    CU_ASSERT_EQUAL(wish(wish_kept(CLIENT, wish_forget(file))), -ESTALE);
    CU_ASSERT_EQUAL(wish(wish_kept(CLIENT, wish_forget(next))), -ESTALE);
    CU_ASSERT_EQUAL(wish(wish_write(file, 0, 0)), -ESTALE);
    CU_ASSERT_EQUAL(store_getattr(fixture.stores[0], &file, &attr), -ESTALE);
    CU_ASSERT_EQUAL(orphans(CLIENT), 0);
    end();
}

static void only_last_names_of_sessions_are_kept(void)
{
    begin();
    struct gfid file = fixture_make(&fixture, GFID_ROOT, "file", OBJECT_FILE);
    CU_ASSERT_EQUAL(wish(wish_link(file, GFID_ROOT, "link")), 0);
    CU_ASSERT_EQUAL(wish(wish_kept(CLIENT, wish_remove(GFID_ROOT, "file", false))), 0);
    CU_ASSERT(operation.flags == 0 && operation.object.nlink == 1);
    CU_ASSERT_EQUAL(orphans(CLIENT), 0);
    struct mutation derived = wish_kept(CLIENT, wish_remove(GFID_ROOT, "link", false));
    derived.id.kind = OP_ID_DERIVED;
    CU_ASSERT_EQUAL(wish(derived), 0);
    CU_ASSERT(operation.flags == 0 && operation.object.nlink == 0);
    CU_ASSERT_EQUAL(orphans(CLIENT), 0);
    /* Whatever else can be open is kept as well as a file. */
    static const uint32_t types[] = {OBJECT_SYMLINK, OBJECT_FIFO, OBJECT_SOCKET, OBJECT_BLOCK};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct gfid other = fixture_make(&fixture, GFID_ROOT, "other", types[i]);
        CU_ASSERT_EQUAL(wish(wish_kept(CLIENT, wish_remove(GFID_ROOT, "other", false))), 0);
        CU_ASSERT_EQUAL(wish(wish_setattr(other, (struct attr_change){.mask = ATTR_UID, .uid = 3})),
                        0);
        compare();
        if (types[i] == OBJECT_SYMLINK) {
            char target[16];
            size_t size = 0;
            CU_ASSERT_EQUAL(store_readlink(fixture.stores[0], &other, target, 16, &size), 0);
            CU_ASSERT(slice_equal(slice_of(target, size), slice_text("target")));
        }
    }
    CU_ASSERT_EQUAL(orphans(CLIENT), 4);
    struct gfid orphan = GFID_NONE;
    uint64_t keeper;
    while (store_orphan_next(fixture.stores[0], &GFID_NONE, &orphan, &keeper) == 0) {
        CU_ASSERT_EQUAL_FATAL(wish(wish_forget(orphan)), 0); /* nobody's wish: the brick's own */
    }
    end();
}

static void directories_stay_too_but_nothing_goes_into_them(void)
{
    begin();
    struct gfid removed = fixture_make(&fixture, GFID_ROOT, "removed", OBJECT_DIRECTORY);
    struct gfid from = fixture_make(&fixture, GFID_ROOT, "from", OBJECT_DIRECTORY);
    struct gfid to = fixture_make(&fixture, GFID_ROOT, "to", OBJECT_DIRECTORY);
    struct gfid file = fixture_make(&fixture, from, "file", OBJECT_FILE);
    CU_ASSERT_EQUAL(wish(wish_kept(CLIENT, wish_remove(GFID_ROOT, "removed", true))), 0);
    CU_ASSERT(operation.flags & OPERATION_KEEPS && operation.object.nlink == 0);
    CU_ASSERT_EQUAL(wish(wish_kept(CLIENT, wish_rename(GFID_ROOT, "from", GFID_ROOT, "to"))), 0);
    CU_ASSERT(operation.flags & OPERATION_KEEPS && operation.replaced.nlink == 0);
    compare();
    CU_ASSERT_EQUAL(orphans(CLIENT), 2);
    const struct gfid gone[] = {removed, to};
    for (size_t i = 0; i < 2; i++) {
        uint8_t entries[4096];
        size_t size = 1;
        bool eof = false;
        CU_ASSERT_EQUAL(store_readdir(fixture.stores[0], &gone[i], 0, true, entries, sizeof entries,
                                      &size, &eof),
                        0);
        CU_ASSERT(size == 0 && eof);
        CU_ASSERT_EQUAL(wish(wish_make(gone[i], "new", OBJECT_FILE, 0644)), -ENOENT);
        CU_ASSERT_EQUAL(wish(wish_kept(CLIENT, wish_unnamed(gone[i], 0644))), -ENOENT);
        CU_ASSERT_EQUAL(wish(wish_link(file, gone[i], "link")), -ENOENT);
        CU_ASSERT_EQUAL(wish(wish_rename(from, "file", gone[i], "file")), -ENOENT);
        CU_ASSERT_EQUAL(wish(wish_link(gone[i], GFID_ROOT, "again")), -EPERM);
        const struct attr_change change = {.mask = ATTR_MODE, .mode = 0700};
        CU_ASSERT_EQUAL(wish(wish_setattr(gone[i], change)), 0);
    }
    compare();
    CU_ASSERT_EQUAL_FATAL(store_fixture_reopen(&fixture, 0), 0);
    compare();
    for (size_t i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(wish(wish_kept(CLIENT, wish_forget(gone[i]))), 0);
    }
    end();
}

static void what_a_rename_replaces_stays_too(void)
{
    begin();
    struct gfid directory = fixture_make(&fixture, GFID_ROOT, "d", OBJECT_DIRECTORY);
    struct gfid file = fixture_make(&fixture, GFID_ROOT, "file", OBJECT_FILE);
    struct gfid old = fixture_make(&fixture, directory, "old", OBJECT_FILE);
    fixture_write(&fixture, file, 0, "new bytes");
    fixture_write(&fixture, old, 0, "old bytes");
    CU_ASSERT_EQUAL(wish(wish_kept(CLIENT, wish_rename(GFID_ROOT, "file", directory, "old"))), 0);
    CU_ASSERT(operation.flags & OPERATION_KEEPS && operation.replaced.nlink == 0);
    compare();
    CU_ASSERT(holds(file, "new bytes") && holds(old, "old bytes"));
    CU_ASSERT_EQUAL(orphans(CLIENT), 1);
    /* The moved file is no orphan, whoever has it open. */
    CU_ASSERT_EQUAL(wish(wish_kept(CLIENT, wish_forget(file))), -ESTALE);
    CU_ASSERT_EQUAL(wish(wish_kept(CLIENT, wish_forget(old))), 0);
    CU_ASSERT(holds(file, "new bytes"));
    end();
}

static void a_file_may_be_made_without_a_name(void)
{
    struct attr before;
    struct attr after;
    begin();
    struct gfid directory = fixture_make(&fixture, GFID_ROOT, "d", OBJECT_DIRECTORY);
    const struct attr_change change = {.mask = ATTR_MODE | ATTR_GID, .mode = 02777, .gid = 42};
    CU_ASSERT_EQUAL(wish(wish_setattr(directory, change)), 0);
    CU_ASSERT_EQUAL(store_getattr(fixture.stores[0], &directory, &before), 0);
    struct mutation make = wish_kept(CLIENT, wish_unnamed(directory, 0640));
    make.cred.uid = 1000;
    make.cred.gid = 1000;
    CU_ASSERT_EQUAL_FATAL(wish(make), 0);
    struct gfid file = operation.object.gfid;
    CU_ASSERT(operation.object.nlink == 0 && operation.object.mode == 0640);
    CU_ASSERT(operation.object.uid == 1000 && operation.object.gid == 42);
    CU_ASSERT(operation.parent.type == OBJECT_NONE && operation.name.size == 0);
    CU_ASSERT_EQUAL(store_getattr(fixture.stores[0], &directory, &after), 0);
    CU_ASSERT_EQUAL(after.change, before.change);
    fixture_write(&fixture, file, 0, "written");
    CU_ASSERT_EQUAL(orphans(CLIENT), 1);
    compare();
    /* It gets its first name, and is like any other from then on. */
    CU_ASSERT_EQUAL(wish(wish_link(file, directory, "named")), 0);
    CU_ASSERT_EQUAL(operation.object.nlink, 1);
    CU_ASSERT_EQUAL(orphans(CLIENT), 0);
    compare();
    CU_ASSERT_EQUAL(wish(wish_kept(CLIENT, wish_forget(file))), -ESTALE);
    CU_ASSERT_EQUAL(wish(wish_link(file, GFID_ROOT, "second")), 0);
    CU_ASSERT_EQUAL(operation.object.nlink, 2);
    CU_ASSERT(holds(file, "written"));
    compare();
    CU_ASSERT_EQUAL(wish(wish_kept(CLIENT, wish_remove(directory, "named", false))), 0);
    CU_ASSERT_EQUAL(wish(wish_kept(CLIENT, wish_remove(GFID_ROOT, "second", false))), 0);
    CU_ASSERT_EQUAL(orphans(CLIENT), 1);
    CU_ASSERT_EQUAL(wish(wish_link(file, GFID_ROOT, "third")), -ENOENT); /* it had its chance */
    CU_ASSERT_EQUAL(wish(wish_kept(CLIENT, wish_forget(file))), 0);
    end();
}

static void making_without_a_name_has_rules(void)
{
    begin();
    struct gfid directory = fixture_make(&fixture, GFID_ROOT, "d", OBJECT_DIRECTORY);
    struct gfid file = fixture_make(&fixture, GFID_ROOT, "f", OBJECT_FILE);
    struct mutation make = wish_kept(CLIENT, wish_unnamed(directory, 0640));
    struct mutation other = make;
    other.cred.uid = 1000;
    CU_ASSERT_EQUAL(wish(other), -EACCES); /* 0755 */
    other = make;
    other.type = OBJECT_FIFO;
    CU_ASSERT_EQUAL(wish(other), -EINVAL);
    other = make;
    other.parent = file;
    CU_ASSERT_EQUAL(wish(other), -ENOTDIR);
    other.parent = gfid_make(0, 9, 9);
    CU_ASSERT_EQUAL(wish(other), -ESTALE);
    other = make;
    other.id.kind = OP_ID_DERIVED;
    CU_ASSERT_EQUAL(wish(other), -EOPNOTSUPP);
    fixture.bytes_free = 10;
    CU_ASSERT_EQUAL(wish(make), -ENOSPC);
    fixture.bytes_free = 1 << 20;
    make.how = CREATE_EXCLUSIVE;
    CU_ASSERT_EQUAL(wish(make), 0);
    struct gfid never = operation.object.gfid;
    CU_ASSERT_EQUAL(wish(wish_link(never, GFID_ROOT, "f")), -EEXIST);
    CU_ASSERT_EQUAL(wish(wish_link(never, GFID_ROOT, "never")), -ENOENT);
    CU_ASSERT_EQUAL(wish(wish_kept(CLIENT, wish_forget(never))), 0);
    end();
}

static void an_older_brick_gets_its_folders(void)
{
    static const char *const folders[] = {"orphans", "xattrs"};
    begin();
    for (size_t i = 0; i < 2; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/.trivet/%s", fixture.paths[0], folders[i]);
        CU_ASSERT_EQUAL(rmdir(path), 0);
    }
    CU_ASSERT_EQUAL_FATAL(store_fixture_reopen(&fixture, 0), 0);
    struct gfid file = fixture_make(&fixture, GFID_ROOT, "file", OBJECT_FILE);
    CU_ASSERT_EQUAL(wish(wish_kept(CLIENT, wish_remove(GFID_ROOT, "file", false))), 0);
    compare();
    CU_ASSERT_EQUAL(wish(wish_forget(file)), 0);
    end();
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("orphans", NULL, NULL);
    CU_ADD_TEST(suite, an_unlinked_file_stays_until_it_is_forgotten);
    CU_ADD_TEST(suite, only_last_names_of_sessions_are_kept);
    CU_ADD_TEST(suite, directories_stay_too_but_nothing_goes_into_them);
    CU_ADD_TEST(suite, what_a_rename_replaces_stays_too);
    CU_ADD_TEST(suite, a_file_may_be_made_without_a_name);
    CU_ADD_TEST(suite, making_without_a_name_has_rules);
    CU_ADD_TEST(suite, an_older_brick_gets_its_folders);
    CU_basic_run_tests();
    unsigned int failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
