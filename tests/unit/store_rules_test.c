/*
 * The rules of deciding: permissions, times, sizes, creates, names, limits. On a store in memory,
 * since the rules are the same for all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include "backend/base/errors.h"
#include "backend/store/access.h"
#include "tests/lib/store_fixture.h"

static struct store_fixture fixture;
static struct operation operation;
static struct gfid open_to_all; /* a directory anybody may write to */

static int wish_as(uint32_t uid, struct mutation mutation)
{
    static const uint8_t bulk[64];
    mutation.cred.uid = uid;
    mutation.cred.gid = uid;
    return fixture_mutate(&fixture, &mutation,
                          slice_of(bulk, mutation.kind == MUTATION_WRITE ? mutation.count : 0),
                          &operation);
}

static struct gfid make_as(uint32_t uid, struct gfid parent, const char *name, uint32_t type,
                           uint32_t mode)
{
    CU_ASSERT_EQUAL(wish_as(uid, wish_make(parent, name, type, mode)), 0);
    return operation.object.gfid;
}

static struct mutation chmod_to(struct gfid object, uint32_t mode)
{
    return wish_setattr(object, (struct attr_change){.mask = ATTR_MODE, .mode = mode});
}

static struct mutation cut_to(struct gfid object, uint64_t size)
{
    return wish_setattr(object, (struct attr_change){.mask = ATTR_SIZE, .size = size});
}

static void begin(void)
{
    store_fixture_open(&fixture, 0, 1);
    open_to_all = fixture_make(&fixture, GFID_ROOT, "open", OBJECT_DIRECTORY);
    CU_ASSERT_EQUAL(wish_as(0, chmod_to(open_to_all, 0777)), 0);
}

static void end(void)
{
    store_fixture_close(&fixture);
}

static void others_are_kept_out(void)
{
    begin();
    struct gfid file = make_as(1000, open_to_all, "file", OBJECT_FILE, 0600);
    struct gfid closed = make_as(1000, open_to_all, "closed", OBJECT_DIRECTORY, 0700);
    CU_ASSERT_EQUAL(wish_as(1001, wish_make(GFID_ROOT, "new", OBJECT_FILE, 0644)), -EACCES);
    CU_ASSERT_EQUAL(wish_as(1001, wish_make(closed, "new", OBJECT_FILE, 0644)), -EACCES);
    CU_ASSERT_EQUAL(wish_as(1001, wish_write(file, 0, 10)), -EACCES);
    CU_ASSERT_EQUAL(wish_as(1001, cut_to(file, 0)), -EACCES);
    CU_ASSERT_EQUAL(wish_as(1001, chmod_to(file, 0666)), -EPERM);
    CU_ASSERT_EQUAL(wish_as(1001, wish_rename(open_to_all, "file", closed, "file")), -EACCES);
    CU_ASSERT_EQUAL(wish_as(1001, wish_link(file, GFID_ROOT, "link")), -EACCES);
    CU_ASSERT_EQUAL(wish_as(1001, wish_remove(GFID_ROOT, "open", true)), -EACCES);
    CU_ASSERT_EQUAL(wish_as(1001, wish_setattr(file, (struct attr_change){.mask = ATTR_MTIME})),
                    -EPERM);
    CU_ASSERT_EQUAL(wish_as(1001, wish_setattr(file, (struct attr_change){.mask = ATTR_MTIME_NOW})),
                    -EACCES);
    CU_ASSERT_EQUAL(
        wish_as(1000, wish_setattr(file, (struct attr_change){.mask = ATTR_UID, .uid = 7})),
        -EPERM);
    CU_ASSERT_EQUAL(
        wish_as(1000, wish_setattr(file, (struct attr_change){.mask = ATTR_GID, .gid = 7})),
        -EPERM);
    CU_ASSERT_EQUAL(wish_as(1001, wish_make(open_to_all, "dev", OBJECT_BLOCK, 0600)), -EPERM);
    /* Attributes as they are come with a refusal, for the answer. */
    CU_ASSERT_EQUAL(wish_as(1001, wish_write(file, 0, 10)), -EACCES);
    CU_ASSERT(gfid_equal(&operation.object.gfid, &file) && operation.object_before.present);
    /* A caller whose kernel has checked is believed. */
    struct mutation checked = wish_write(file, 0, 10);
    checked.cred.flags = CRED_CHECKED;
    CU_ASSERT_EQUAL(wish_as(1001, checked), 0);
    /* The owner writes whatever the mode says: open was checked, or created it so. */
    CU_ASSERT_EQUAL(wish_as(1000, chmod_to(file, 0400)), 0);
    CU_ASSERT_EQUAL(wish_as(1000, wish_write(file, 0, 10)), 0);
    end();
}

static void groups_and_the_sticky_bit_count(void)
{
    begin();
    struct gfid file = make_as(1000, open_to_all, "file", OBJECT_FILE, 0660);
    struct mutation write = wish_write(file, 0, 10);
    write.cred.group_count = 2;
    write.cred.groups[1] = 1000;
    CU_ASSERT_EQUAL(wish_as(1001, write), 0);
    CU_ASSERT_EQUAL(wish_as(0, chmod_to(open_to_all, 01777)), 0);
    CU_ASSERT_EQUAL(wish_as(1001, wish_remove(open_to_all, "file", false)), -EPERM);
    CU_ASSERT_EQUAL(wish_as(1001, wish_rename(open_to_all, "file", open_to_all, "x")), -EPERM);
    (void)make_as(1001, open_to_all, "mine", OBJECT_FILE, 0600);
    CU_ASSERT_EQUAL(wish_as(1001, wish_rename(open_to_all, "mine", open_to_all, "file")), -EPERM);
    CU_ASSERT_EQUAL(wish_as(1001, wish_remove(open_to_all, "mine", false)), 0);
    CU_ASSERT_EQUAL(wish_as(1000, wish_remove(open_to_all, "file", false)), 0);
    end();
}

static void setuid_and_setgid_go_and_come_as_they_should(void)
{
    begin();
    struct gfid file = make_as(1000, open_to_all, "file", OBJECT_FILE, 06777);
    CU_ASSERT_EQUAL(wish_as(0, wish_write(file, 0, 10)), 0);
    CU_ASSERT_EQUAL(operation.object.mode, 06777);
    CU_ASSERT_EQUAL(wish_as(1001, wish_write(file, 0, 10)), 0);
    CU_ASSERT_EQUAL(operation.object.mode, 0777);
    CU_ASSERT(operation.mask & ATTR_MODE);
    CU_ASSERT_EQUAL(wish_as(1000, chmod_to(file, 06777)), 0);
    CU_ASSERT_EQUAL(
        wish_as(0, wish_setattr(file, (struct attr_change){.mask = ATTR_UID, .uid = 5})), 0);
    CU_ASSERT_EQUAL(operation.object.mode, 0777);
    CU_ASSERT_EQUAL(wish_as(5, chmod_to(file, 02777)), 0); /* not a member of group 1000 */
    CU_ASSERT_EQUAL(operation.object.mode, 0777);
    CU_ASSERT_EQUAL(wish_as(0, chmod_to(open_to_all, 02777)), 0);
    CU_ASSERT_EQUAL(
        wish_as(0, wish_setattr(open_to_all, (struct attr_change){.mask = ATTR_GID, .gid = 42})),
        0);
    CU_ASSERT_EQUAL(operation.object.mode, 02777);
    (void)make_as(1000, open_to_all, "heir", OBJECT_DIRECTORY, 0755);
    CU_ASSERT_EQUAL(operation.object.gid, 42);
    CU_ASSERT_EQUAL(operation.object.mode, 02755);
    (void)make_as(1000, open_to_all, "plain", OBJECT_FILE, 02755);
    CU_ASSERT_EQUAL(operation.object.gid, 42);
    CU_ASSERT_EQUAL(operation.object.mode, 0755);
    end();
}

static void creates_are_told_apart(void)
{
    begin();
    struct mutation exclusive = wish_make(GFID_ROOT, "once", OBJECT_FILE, 0644);
    exclusive.how = CREATE_EXCLUSIVE;
    exclusive.verifier = 77;
    CU_ASSERT_EQUAL(wish_as(0, exclusive), 0);
    CU_ASSERT_EQUAL(operation.kind, OPERATION_MAKE);
    struct gfid once = operation.object.gfid;
    CU_ASSERT_EQUAL(wish_as(0, exclusive), 0);
    CU_ASSERT_EQUAL(operation.kind, OPERATION_NONE);
    CU_ASSERT(gfid_equal(&operation.object.gfid, &once));
    CU_ASSERT_EQUAL(operation.parent.type, OBJECT_DIRECTORY);
    exclusive.verifier = 78;
    CU_ASSERT_EQUAL(wish_as(0, exclusive), -EEXIST);
    struct mutation unchecked = wish_make(GFID_ROOT, "once", OBJECT_FILE, 0600);
    unchecked.how = CREATE_UNCHECKED;
    CU_ASSERT_EQUAL(wish_as(0, unchecked), 0);
    CU_ASSERT_EQUAL(operation.kind, OPERATION_NONE);
    CU_ASSERT_EQUAL(operation.object.mode, 0644);
    fixture_write(&fixture, once, 0, "content");
    unchecked.change.mask |= ATTR_SIZE;
    CU_ASSERT_EQUAL(wish_as(0, unchecked), 0);
    CU_ASSERT_EQUAL(operation.kind, OPERATION_SETATTR);
    CU_ASSERT_EQUAL(operation.object.size, 0);
    CU_ASSERT_EQUAL(operation.object.mode, 0644);
    CU_ASSERT_EQUAL(wish_as(1000, unchecked), -EACCES);
    unchecked.name = slice_text("open");
    CU_ASSERT_EQUAL(wish_as(0, unchecked), -EISDIR);
    end();
}

static void times_rise(void)
{
    begin();
    struct gfid file = make_as(0, GFID_ROOT, "file", OBJECT_FILE, 0644);
    struct timestamp ctime = operation.object.ctime;
    CU_ASSERT_EQUAL(timestamp_compare(&ctime, &operation.object.btime), 0);
    CU_ASSERT_EQUAL(timestamp_compare(&operation.parent.mtime, &operation.parent.ctime), 0);
    fixture.now_ns -= 5 * NS_PER_S; /* the clock is set back */
    CU_ASSERT_EQUAL(wish_as(0, wish_write(file, 0, 10)), 0);
    CU_ASSERT(timestamp_compare(&operation.object.ctime, &ctime) > 0);
    CU_ASSERT_EQUAL(timestamp_compare(&operation.object_before.ctime, &ctime), 0);
    CU_ASSERT_EQUAL(operation.object.change, operation.index);
    ctime = operation.object.ctime;
    CU_ASSERT_EQUAL(wish_as(0, wish_write(file, 0, 0)), 0);
    CU_ASSERT_EQUAL(operation.kind, OPERATION_NONE);
    struct mutation guarded = chmod_to(file, 0600);
    guarded.guarded = true;
    guarded.guard = ctime;
    guarded.guard.nanoseconds ^= 1;
    CU_ASSERT_EQUAL(wish_as(0, guarded), -E_GUARD_FAILED);
    guarded.guard = ctime;
    CU_ASSERT_EQUAL(wish_as(0, guarded), 0);
    const struct attr_change future = {.mask = ATTR_MTIME, .mtime = {.seconds = 4000000000}};
    CU_ASSERT_EQUAL(wish_as(0, wish_setattr(file, future)), 0);
    CU_ASSERT_EQUAL(operation.object.mtime.seconds, 4000000000);
    CU_ASSERT(operation.object.ctime.seconds < 4000000000);
    CU_ASSERT_EQUAL(wish_as(0, wish_write(file, 0, 10)), 0);
    CU_ASSERT(operation.object.mtime.seconds < 4000000000);
    const struct attr_change bad = {.mask = ATTR_MTIME, .mtime = {.nanoseconds = 1000000000}};
    CU_ASSERT_EQUAL(wish_as(0, wish_setattr(file, bad)), -EINVAL);
    end();
}

static void sizes_and_space_have_limits(void)
{
    begin();
    struct gfid file = make_as(0, GFID_ROOT, "file", OBJECT_FILE, 0644);
    CU_ASSERT_EQUAL(wish_as(0, wish_write(file, FILE_SIZE_MAX - 9, 10)), -EFBIG);
    CU_ASSERT_EQUAL(wish_as(0, wish_write(file, UINT64_MAX - 5, 10)), -EFBIG);
    CU_ASSERT_EQUAL(wish_as(0, cut_to(file, FILE_SIZE_MAX + 1)), -EFBIG);
    CU_ASSERT_EQUAL(wish_as(0, cut_to(open_to_all, 0)), -EISDIR);
    CU_ASSERT_EQUAL(wish_as(0, wish_write(open_to_all, 0, 1)), -EISDIR);
    CU_ASSERT_EQUAL(wish_as(0, cut_to(file, 1000000)), 0);
    CU_ASSERT_EQUAL(operation.object.used, 0);
    CU_ASSERT_EQUAL(wish_as(0, wish_write(file, 500000, 10)), 0);
    CU_ASSERT_EQUAL(operation.object.used, 4096);
    struct mutation append = wish_write(file, 0, 10);
    append.append = true;
    CU_ASSERT_EQUAL(wish_as(0, append), 0);
    CU_ASSERT_EQUAL(operation.offset, 1000000);
    CU_ASSERT_EQUAL(operation.object.size, 1000010);
    CU_ASSERT_EQUAL(wish_as(0, cut_to(file, 1)), 0);
    CU_ASSERT_EQUAL(operation.object.used, 4096);
    fixture.bytes_free = 9;
    CU_ASSERT_EQUAL(wish_as(0, wish_write(file, 0, 10)), -ENOSPC);
    CU_ASSERT_EQUAL(wish_as(0, wish_make(GFID_ROOT, "more", OBJECT_FILE, 0644)), -ENOSPC);
    CU_ASSERT_EQUAL(wish_as(0, wish_remove(GFID_ROOT, "file", false)), 0); /* helps */
    end();
}

static void names_follow_the_rules(void)
{
    static const struct {
        const char *name;
        size_t size;
        int make, lookup;
    } names[] = {
        {"", 0, -EINVAL, -ENOENT},     {".", 1, -EEXIST, 0},
        {"..", 2, -EEXIST, 0},         {"a/b", 3, -EINVAL, -ENOENT},
        {"a\0b", 3, -EINVAL, -ENOENT}, {"...", 3, 0, 0},
        {"\xff\xfe", 2, 0, 0},         {" ", 1, 0, 0},
    };
    struct attr child;
    struct attr parent;
    begin();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct mutation make = wish_make(GFID_ROOT, "", OBJECT_FILE, 0644);
        make.name = slice_of(names[i].name, names[i].size);
        CU_ASSERT_EQUAL(wish_as(0, make), names[i].make);
        CU_ASSERT_EQUAL(store_lookup(fixture.stores[0], &GFID_ROOT, make.name, &child, &parent),
                        names[i].lookup);
    }
    char longest[NAME_SIZE_MAX + 2];
    memset(longest, 'n', sizeof longest);
    struct mutation make = wish_make(GFID_ROOT, "", OBJECT_FILE, 0644);
    make.name = slice_of(longest, NAME_SIZE_MAX + 1);
    CU_ASSERT_EQUAL(wish_as(0, make), -ENAMETOOLONG);
    CU_ASSERT_EQUAL(store_lookup(fixture.stores[0], &GFID_ROOT, make.name, &child, &parent),
                    -ENAMETOOLONG);
    make.name.size--;
    CU_ASSERT_EQUAL(wish_as(0, make), 0);
    CU_ASSERT_EQUAL(wish_as(0, wish_remove(GFID_ROOT, ".", true)), -EINVAL);
    CU_ASSERT_EQUAL(wish_as(0, wish_remove(GFID_ROOT, "..", true)), -ENOTEMPTY);
    CU_ASSERT_EQUAL(wish_as(0, wish_rename(GFID_ROOT, "...", GFID_ROOT, "..")), -EINVAL);
    struct gfid none = gfid_make(0, 9, 12345);
    CU_ASSERT_EQUAL(wish_as(0, wish_make(none, "x", OBJECT_FILE, 0644)), -ESTALE);
    struct mutation symlink = wish_make(GFID_ROOT, "symlink", OBJECT_SYMLINK, 0777);
    symlink.target = slice_text("");
    CU_ASSERT_EQUAL(wish_as(0, symlink), -ENOENT);
    symlink.type = 99;
    CU_ASSERT_EQUAL(wish_as(0, symlink), -EINVAL);
    end();
}

static void links_have_limits(void)
{
    begin();
    struct gfid file = make_as(0, GFID_ROOT, "file", OBJECT_FILE, 0644);
    char name[32];
    for (int i = 1; i < LINKS_MAX; i++) {
        (void)snprintf(name, sizeof name, "l%d", i);
        CU_ASSERT_EQUAL_FATAL(wish_as(0, wish_link(file, open_to_all, name)), 0);
    }
    CU_ASSERT_EQUAL(operation.object.nlink, LINKS_MAX);
    CU_ASSERT_EQUAL(wish_as(0, wish_link(file, open_to_all, "more")), -EMLINK);
    CU_ASSERT_EQUAL(wish_as(0, wish_link(open_to_all, GFID_ROOT, "directory")), -EPERM);
    end();
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("rules", NULL, NULL);
    CU_ADD_TEST(suite, others_are_kept_out);
    CU_ADD_TEST(suite, groups_and_the_sticky_bit_count);
    CU_ADD_TEST(suite, setuid_and_setgid_go_and_come_as_they_should);
    CU_ADD_TEST(suite, creates_are_told_apart);
    CU_ADD_TEST(suite, times_rise);
    CU_ADD_TEST(suite, sizes_and_space_have_limits);
    CU_ADD_TEST(suite, names_follow_the_rules);
    CU_ADD_TEST(suite, links_have_limits);
    CU_basic_run_tests();
    unsigned int failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
