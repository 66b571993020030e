/*
 * Extended attributes and ACLs of a store: the rules, and what a brick's directory shows of them.
 *
 * Method: by hand, on a store in memory beside a brick; whatever the brick's inodes cannot hold is
 * looked for in .trivet/xattrs. Where the kernel has a say, acl_local_test asks it.
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
#include "backend/proto/acl.h"
#include "backend/proto/xattr.h"
#include "backend/store/access.h"
#include "backend/store/indexed.h"
#include "tests/lib/acl_sample.h"
#include "tests/lib/store_check.h"
#include "tests/lib/store_fixture.h"

static struct store_fixture fixture;
static struct operation operation;
static struct gfid file;
static struct gfid directory;

static int wish_as(uint32_t uid, uint32_t flags, struct mutation mutation)
{
    static const uint8_t bulk[64];
    mutation.cred = (struct cred){.flags = flags, .uid = uid, .gid = uid};
    return fixture_mutate(&fixture, &mutation,
                          slice_of(bulk, mutation.kind == MUTATION_WRITE ? mutation.count : 0),
                          &operation);
}

static struct mutation to_set(struct gfid object, const char *name, const void *value, size_t size)
{
    return (struct mutation){.kind = MUTATION_SETXATTR,
                             .object = object,
                             .xattr = slice_text(name),
                             .value = slice_of(value, size)};
}

static struct mutation to_remove(struct gfid object, const char *name)
{
    return (struct mutation){
        .kind = MUTATION_REMOVEXATTR, .object = object, .xattr = slice_text(name)};
}

static int set_acl(uint32_t uid, struct gfid object, const char *name, const char *text)
{
    uint8_t acl[ACL_SIZE_MAX];
    return wish_as(uid, 0, to_set(object, name, acl, acl_text(text, acl)));
}

static bool has_acl(struct gfid object, const char *name, const char *text)
{
    uint8_t want[ACL_SIZE_MAX];
    uint8_t got[ACL_SIZE_MAX];
    size_t size = 0;
    return store_getxattr(fixture.stores[0], &object, slice_text(name), got, sizeof got, &size) ==
               0 &&
           slice_equal(slice_of(got, size), slice_of(want, acl_text(text, want)));
}

static int value_size(struct gfid object, const char *name)
{
    size_t size = 0;
    int result = store_getxattr(fixture.stores[0], &object, slice_text(name), NULL, 0, &size);
    return result ? result : (int)size;
}

static void begin(void)
{
    store_fixture_open(&fixture, 1, 1);
    file = fixture_make(&fixture, GFID_ROOT, "file", OBJECT_FILE);
    directory = fixture_make(&fixture, GFID_ROOT, "directory", OBJECT_DIRECTORY);
}

/* Everything ends as it should: stores agree, and the tree with them, now and after a restart. */
static void end(void)
{
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(store_digest(fixture.stores[0]), store_digest(fixture.stores[1]));
        CU_ASSERT_EQUAL(store_compare(fixture.stores[0], fixture.paths[0], TREE_OWNERS), 0);
        CU_ASSERT_EQUAL_FATAL(store_fixture_reopen(&fixture, 0), 0);
    }
    store_fixture_close(&fixture);
}

static void attributes_come_and_go(void)
{
    uint8_t names[64];
    size_t size;
    begin();
    CU_ASSERT_EQUAL(value_size(file, "user.a"), -ENODATA);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, "user.a", "one", 3)), 0);
    CU_ASSERT_EQUAL(operation.object.flags, ATTR_HAS_XATTRS);
    CU_ASSERT(timestamp_compare(&operation.object.ctime, &operation.object_before.ctime) > 0);
    CU_ASSERT_EQUAL(timestamp_compare(&operation.object.mtime, &operation.object_before.mtime), 0);
    struct mutation again = to_set(file, "user.a", "more", 4);
    again.xattr_flags = XATTR_CREATE;
    CU_ASSERT_EQUAL(wish_as(0, 0, again), -EEXIST);
    again.xattr_flags = XATTR_REPLACE;
    CU_ASSERT_EQUAL(wish_as(0, 0, again), 0);
    again.xattr = slice_text("user.b");
    CU_ASSERT_EQUAL(wish_as(0, 0, again), -ENODATA);
    again.xattr_flags = 4;
    CU_ASSERT_EQUAL(wish_as(0, 0, again), -EINVAL);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, "user.empty", "", 0)), 0);
    CU_ASSERT_EQUAL(value_size(file, "user.empty"), 0);
    CU_ASSERT_EQUAL(value_size(file, "user.a"), 4);
    uint8_t small[3];
    CU_ASSERT_EQUAL(
        store_getxattr(fixture.stores[0], &file, slice_text("user.a"), small, sizeof small, &size),
        -ERANGE);
    CU_ASSERT_EQUAL(size, 4);
    CU_ASSERT_EQUAL(store_listxattr(fixture.stores[0], &file, names, sizeof names, &size), 0);
    CU_ASSERT(slice_equal(slice_of(names, size), slice_of("user.a\0user.empty", 18)));
    CU_ASSERT_EQUAL(wish_as(0, 0, to_remove(file, "user.a")), 0);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_remove(file, "user.a")), -ENODATA);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_remove(file, "user.empty")), 0);
    CU_ASSERT_EQUAL(operation.object.flags, 0);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, "user.a", "one", 3)), 0);
    CU_ASSERT_EQUAL(wish_as(0, 0, wish_remove(GFID_ROOT, "file", false)), 0);
    CU_ASSERT_EQUAL(value_size(file, "user.a"), -ESTALE);
    end();
}

static void names_and_sizes_have_limits(void)
{
    static uint8_t large[XATTR_VALUE_MAX];
    char name[XATTR_NAME_MAX_SIZE + 2];
    begin();
    memset(name, 'n', sizeof name);
    memcpy(name, "user.", 5);
    name[XATTR_NAME_MAX_SIZE + 1] = '\0';
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, name, "", 0)), -ERANGE);
    name[XATTR_NAME_MAX_SIZE] = '\0';
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, name, "", 0)), 0);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, "", "", 0)), -ERANGE);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, "user.", "", 0)), -EINVAL);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, "nobody.a", "", 0)), -EOPNOTSUPP);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, "system.nfs4_acl", "", 0)), -EOPNOTSUPP);
    CU_ASSERT_EQUAL(value_size(file, "nobody.a"), -EOPNOTSUPP);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, "trusted.trivet.gfid", "", 0)), -EPERM);
    CU_ASSERT_EQUAL(wish_as(0, CRED_CHECKED, to_remove(file, "trusted.trivet.gfid")), -EPERM);
    CU_ASSERT_EQUAL(value_size(file, "trusted.trivet.gfid"), -ENODATA);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, "user.large", large, sizeof large)), 0);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, "user.other", large, 5000)), -ENOSPC);
    CU_ASSERT_EQUAL(value_size(file, "user.large"), XATTR_VALUE_MAX);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, "user.large", large, 5000)), 0);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, "user.other", large, 5000)), 0);
    fixture.bytes_free = 9000;
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, "user.full", large, 1000)), -ENOSPC);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_remove(file, "user.other")), 0); /* helps */
    end();
}

static void not_everybody_may(void)
{
    begin();
    struct gfid symlink = fixture_make(&fixture, GFID_ROOT, "symlink", OBJECT_SYMLINK);
    struct gfid fifo = fixture_make(&fixture, GFID_ROOT, "fifo", OBJECT_FIFO);
    const struct attr_change open = {.mask = ATTR_MODE, .mode = 01777};
    CU_ASSERT_EQUAL(wish_as(1000, 0, to_set(file, "user.a", "", 0)), -EACCES);
    CU_ASSERT_EQUAL(wish_as(1000, CRED_CHECKED, to_set(file, "user.a", "", 0)), 0);
    CU_ASSERT_EQUAL(wish_as(1000, 0, to_remove(file, "user.a")), -EACCES);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(symlink, "user.a", "", 0)), -EPERM);
    CU_ASSERT_EQUAL(wish_as(0, CRED_CHECKED, to_set(fifo, "user.a", "", 0)), -EPERM);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(symlink, "trusted.a", "x", 1)), 0);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(fifo, "security.a", "x", 1)), 0);
    CU_ASSERT_EQUAL(wish_as(1000, 0, to_set(file, "trusted.a", "", 0)), -EPERM);
    CU_ASSERT_EQUAL(wish_as(1000, 0, to_set(file, "security.a", "", 0)), -EPERM);
    CU_ASSERT_EQUAL(wish_as(0, 0, wish_setattr(directory, open)), 0);
    CU_ASSERT_EQUAL(wish_as(1000, 0, to_set(directory, "user.a", "", 0)), -EPERM); /* sticky */
    CU_ASSERT_EQUAL(set_acl(1000, file, XATTR_ACL_ACCESS, "u::rwx,g::rwx,o::rwx"), -EPERM);
    CU_ASSERT_EQUAL(set_acl(0, symlink, XATTR_ACL_ACCESS, "u::rwx,g::rwx,o::rwx"), -EOPNOTSUPP);
    CU_ASSERT_EQUAL(value_size(symlink, XATTR_ACL_ACCESS), -EOPNOTSUPP);
    CU_ASSERT_EQUAL(wish_as(1000, 0, to_remove(file, XATTR_ACL_ACCESS)), -EPERM);
    CU_ASSERT_EQUAL(set_acl(0, file, XATTR_ACL_DEFAULT, "u::rwx,g::rwx,o::rwx"), -EACCES);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_remove(file, XATTR_ACL_DEFAULT)), 0);
    CU_ASSERT_EQUAL(operation.kind, OPERATION_NONE);
    end();
}

static void an_access_acl_and_the_mode_are_one(void)
{
    begin();
    const struct attr_change setgid = {.mask = ATTR_MODE, .mode = 02755};
    CU_ASSERT_EQUAL(wish_as(0, 0, wish_setattr(file, setgid)), 0);
    CU_ASSERT_EQUAL(set_acl(0, file, XATTR_ACL_ACCESS, "u::rw-,g::r--,o::---"), 0);
    CU_ASSERT_EQUAL(operation.object.mode, 02640); /* no more than a mode */
    CU_ASSERT_EQUAL(operation.object.flags, 0);
    CU_ASSERT_EQUAL(value_size(file, XATTR_ACL_ACCESS), -ENODATA);
    CU_ASSERT_EQUAL(set_acl(0, file, XATTR_ACL_ACCESS, "u::rw-,u:7:rw-,g::r--,m::rwx,o::---"), 0);
    CU_ASSERT_EQUAL(operation.object.mode, 02670);
    CU_ASSERT_EQUAL(operation.object.flags, ATTR_HAS_ACL);
    CU_ASSERT_EQUAL(timestamp_compare(&operation.object.mtime, &operation.object_before.mtime), 0);
    const struct attr_change chmod = {.mask = ATTR_MODE, .mode = 02741};
    CU_ASSERT_EQUAL(wish_as(0, 0, wish_setattr(file, chmod)), 0);
    CU_ASSERT(has_acl(file, XATTR_ACL_ACCESS, "u::rwx,u:7:rw-,g::r--,m::r--,o::--x"));
    struct mutation kills = to_set(file, XATTR_ACL_ACCESS, NULL, 0);
    uint8_t acl[ACL_SIZE_MAX];
    kills.value = slice_of(acl, acl_text("u::rw-,u:7:rw-,g::r--,m::rw-,o::---", acl));
    CU_ASSERT_EQUAL(wish_as(1, CRED_CHECKED, kills), 0);
    CU_ASSERT_EQUAL(operation.object.mode, 02660);
    CU_ASSERT_EQUAL(wish_as(1, CRED_CHECKED | CRED_KILLS_PRIVILEGE, kills), 0);
    CU_ASSERT_EQUAL(operation.object.mode, 0660);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, XATTR_ACL_ACCESS, "", 0)), 0); /* takes it away */
    CU_ASSERT_EQUAL(operation.object.mode, 0660);
    CU_ASSERT_EQUAL(operation.object.flags, 0);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_remove(file, XATTR_ACL_ACCESS)), 0);
    CU_ASSERT_EQUAL(operation.kind, OPERATION_NONE);
    CU_ASSERT_EQUAL(set_acl(0, file, XATTR_ACL_ACCESS, "u::rw-,u:7:rw-,g::r--,o::---"), -EINVAL);
    end();
}

static void acls_let_in_and_keep_out(void)
{
    begin();
    struct attr attr;
    uint32_t rights = 0;
    const struct cred named = {.uid = 7, .gid = 7};
    CU_ASSERT_EQUAL(
        set_acl(0, directory, XATTR_ACL_ACCESS, "u::rwx,u:7:-wx,u:8:---,g::r--,m::rwx,o::rwx"), 0);
    CU_ASSERT_EQUAL(wish_as(7, 0, wish_make(directory, "seven", OBJECT_FILE, 0600)), 0);
    CU_ASSERT_EQUAL(wish_as(8, 0, wish_make(directory, "eight", OBJECT_FILE, 0600)), -EACCES);
    CU_ASSERT_EQUAL(wish_as(9, 0, wish_make(directory, "nine", OBJECT_FILE, 0600)), 0);
    CU_ASSERT_EQUAL(wish_as(8, 0, wish_remove(directory, "nine", false)), -EACCES);
    CU_ASSERT_EQUAL(wish_as(7, 0, wish_rename(directory, "nine", directory, "ten")), 0);
    CU_ASSERT_EQUAL(set_acl(0, file, XATTR_ACL_ACCESS, "u::rwx,u:7:rw-,g::---,m::rw-,o::---"), 0);
    CU_ASSERT_EQUAL(wish_as(7, 0, wish_write(file, 0, 10)), 0);
    CU_ASSERT_EQUAL(wish_as(9, 0, wish_write(file, 0, 10)), -EACCES);
    attr = operation.object;
    CU_ASSERT_EQUAL(store_rights(fixture.stores[0], &attr, &named, &rights), 0);
    CU_ASSERT_EQUAL(rights, ACCESS_READ | ACCESS_WRITE);
    end();
}

static void what_is_made_inherits(void)
{
    static const char acl[] = "u::rwx,u:7:rwx,g::r-x,m::rwx,o::---";
    begin();
    struct mutation make = wish_make(directory, "plain", OBJECT_FILE, 0666);
    make.umask = 027;
    CU_ASSERT_EQUAL(wish_as(0, 0, make), 0);
    CU_ASSERT_EQUAL(operation.object.mode, 0640);
    CU_ASSERT_EQUAL(set_acl(0, directory, XATTR_ACL_DEFAULT, acl), 0);
    CU_ASSERT_EQUAL(operation.object.flags, ATTR_HAS_DEFAULT_ACL);
    make.name = slice_text("heir");
    CU_ASSERT_EQUAL(wish_as(0, 0, make), 0);
    CU_ASSERT_EQUAL(operation.object.mode, 0660);
    CU_ASSERT_EQUAL(operation.object.flags, ATTR_HAS_ACL);
    CU_ASSERT(
        has_acl(operation.object.gfid, XATTR_ACL_ACCESS, "u::rw-,u:7:rwx,g::r-x,m::rw-,o::---"));
    CU_ASSERT_EQUAL(wish_as(0, 0, wish_make(directory, "sub", OBJECT_DIRECTORY, 0755)), 0);
    CU_ASSERT_EQUAL(operation.object.mode, 0750);
    CU_ASSERT_EQUAL(operation.object.flags, ATTR_HAS_ACL | ATTR_HAS_DEFAULT_ACL);
    CU_ASSERT(has_acl(operation.object.gfid, XATTR_ACL_DEFAULT, acl));
    CU_ASSERT_EQUAL(wish_as(0, 0, wish_make(directory, "symlink", OBJECT_SYMLINK, 0777)), 0);
    CU_ASSERT_EQUAL(operation.object.flags, 0);
    /* The least default ACL is one too. */
    CU_ASSERT_EQUAL(set_acl(0, directory, XATTR_ACL_DEFAULT, "u::rwx,g::r-x,o::---"), 0);
    make.name = slice_text("least");
    CU_ASSERT_EQUAL(wish_as(0, 0, make), 0);
    CU_ASSERT_EQUAL(operation.object.mode, 0640);
    CU_ASSERT_EQUAL(operation.object.flags, 0);
    end();
}

static void capabilities_end_with_a_change(void)
{
    static const uint8_t capability[20] = {1, 0, 0, 2, 0, 0x20};
    static const struct attr_change cut = {.mask = ATTR_SIZE, .size = 3};
    static const struct attr_change give = {.mask = ATTR_UID, .uid = 5};
    begin();
    const struct mutation changes[] = {wish_write(file, 0, 10), wish_setattr(file, cut),
                                       wish_setattr(file, give)};
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, "user.other", "x", 1)), 0);
    for (size_t i = 0; i < 3; i++) {
        const struct mutation set = to_set(file, XATTR_CAPABILITY, capability, sizeof capability);
        CU_ASSERT_EQUAL(wish_as(0, 0, set), 0);
        CU_ASSERT_EQUAL(operation.object.flags, ATTR_HAS_XATTRS | ATTR_HAS_CAPABILITY);
        CU_ASSERT_EQUAL(wish_as(0, 0, changes[i]), 0);
        CU_ASSERT(operation.flags & OPERATION_DROPS_CAPABILITY);
        CU_ASSERT_EQUAL(operation.object.flags, i < 2 ? ATTR_HAS_XATTRS : 0);
        CU_ASSERT_EQUAL(value_size(file, XATTR_CAPABILITY), -ENODATA);
        CU_ASSERT_EQUAL(i == 1 ? wish_as(0, 0, to_remove(file, "user.other")) : 0, 0);
    }
    end();
}

/* What an older operation writes once more takes nothing from a later one. */
static void capabilities_outlive_what_is_applied_again(void)
{
    static const uint8_t capability[20] = {1, 0, 0, 2, 0, 0x20};
    static const uint8_t bytes[10];
    uint8_t record[OPERATION_SIZE_MAX];
    size_t size;
    begin();
    CU_ASSERT_EQUAL(wish_as(0, 0, wish_write(file, 0, 10)), 0);
    uint64_t index = operation.index;
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, XATTR_CAPABILITY, capability, 20)), 0);
    CU_ASSERT_EQUAL(store_log_read(fixture.stores[0], index, record, sizeof record, &size), 0);
    CU_ASSERT_EQUAL_FATAL(operation_decode(slice_of(record, size), &operation), 0);
    CU_ASSERT_EQUAL(store_apply(fixture.stores[0], &operation, slice_of(bytes, sizeof bytes)), 0);
    end();
}

/* What the brick's file system refuses is kept all the same, and shown once there is room. */
static void what_does_not_fit_is_kept_aside(void)
{
    static uint8_t large[XATTR_VALUE_MAX];
    char path[128];
    char kept[160];
    struct stat status;
    begin();
    (void)snprintf(path, sizeof path, "%s/file", fixture.paths[0]);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, "user.small", "x", 1)), 0);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, "trusted.SGI_ACL_FILE", large, 9000)), 0);
    int at = snprintf(kept, sizeof kept, "%s/.trivet/xattrs/", fixture.paths[0]);
    for (size_t i = 0; i < GFID_SIZE; i++) {
        at += snprintf(kept + at, sizeof kept - (size_t)at, "%02x", file.bytes[i]);
    }
    CU_ASSERT_EQUAL(stat(kept, &status), 0); /* on any file system */
    CU_ASSERT(status.st_size > 9000);
    CU_ASSERT_EQUAL(getxattr(path, "user.small", large, sizeof large), 1);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_remove(file, "trusted.SGI_ACL_FILE")), 0);
    CU_ASSERT(stat(kept, &status) != 0);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, "trusted.SGI_ACL_FILE", large, 9000)), 0);
    CU_ASSERT_EQUAL(wish_as(0, 0, wish_remove(GFID_ROOT, "file", false)), 0);
    CU_ASSERT(stat(kept, &status) != 0);
    end();
}

/* Full inodes keep room for times, and directories for the order of names of equal hash. */
static void there_is_room_for_the_bricks_own(void)
{
    static uint8_t value[60];
    char name[NAME_SIZE_MAX + 1];
    begin();
    for (uint32_t i = 0; i < fixture.count; i++) {
        index_of(fixture.stores[i])->hash_mask = 0; /* all are of one hash */
    }
    for (int i = 0; i < 80; i++) {
        (void)snprintf(name, sizeof name, "user.%d", i);
        CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, name, value, sizeof value)), 0);
        CU_ASSERT_EQUAL(wish_as(0, 0, to_set(directory, name, value, sizeof value)), 0);
    }
    for (int i = 0; i < COOKIE_ORDERS; i++) {
        memset(name, 'a' + i, NAME_SIZE_MAX);
        name[NAME_SIZE_MAX] = '\0';
        CU_ASSERT_EQUAL(wish_as(0, 0, wish_make(directory, name, OBJECT_FILE, 0600)), 0);
    }
    CU_ASSERT_EQUAL(store_checkpoint(fixture.stores[0]), 0);
    CU_ASSERT_EQUAL(store_digest(fixture.stores[0]), store_digest(fixture.stores[1]));
    CU_ASSERT_EQUAL(store_compare(fixture.stores[0], fixture.paths[0], TREE_OWNERS), 0);
    store_fixture_close(&fixture);
}

/* A process that died in between left the tree with the attribute and without the rest. */
static void half_done_is_done_once_more(void)
{
    uint8_t acl[ACL_SIZE_MAX];
    char path[128];
    begin();
    (void)snprintf(path, sizeof path, "%s/file", fixture.paths[0]);
    CU_ASSERT_EQUAL(setxattr(path, "user.a", "new", 3, 0), 0);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, "user.a", "new", 3)), 0);
    CU_ASSERT_EQUAL(removexattr(path, "user.a"), 0);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_remove(file, "user.a")), 0);
    size_t size = acl_text("u::rw-,u:7:rwx,g::---,m::rwx,o::---", acl);
    if (setxattr(path, XATTR_ACL_ACCESS, acl, size, 0)) {
        printf("skipped: the file system of %s has no ACLs ", path);
    }
    CU_ASSERT_EQUAL(wish_as(0, 0, to_set(file, XATTR_ACL_ACCESS, acl, size)), 0);
    (void)removexattr(path, XATTR_ACL_ACCESS);
    CU_ASSERT_EQUAL(wish_as(0, 0, to_remove(file, XATTR_ACL_ACCESS)), 0);
    end();
}

/* Somebody gave a brick's directory a default ACL that the volume knows nothing of. */
static void the_brick_decides_what_is_inherited(void)
{
    uint8_t acl[ACL_SIZE_MAX];
    char path[128];
    begin();
    (void)snprintf(path, sizeof path, "%s/directory", fixture.paths[0]);
    size_t size = acl_text("u::rwx,u:7:rwx,g::---,m::rwx,o::---", acl);
    if (setxattr(path, XATTR_ACL_DEFAULT, acl, size, 0)) {
        printf("skipped: the file system of %s has no ACLs ", path);
    } else {
        CU_ASSERT_EQUAL(wish_as(0, 0, wish_make(directory, "file", OBJECT_FILE, 0644)), 0);
        CU_ASSERT_EQUAL(wish_as(0, 0, wish_make(directory, "sub", OBJECT_DIRECTORY, 0755)), 0);
        CU_ASSERT_EQUAL(removexattr(path, XATTR_ACL_DEFAULT), 0);
    }
    end();
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("extended attributes of a store", NULL, NULL);
    CU_ADD_TEST(suite, attributes_come_and_go);
    CU_ADD_TEST(suite, names_and_sizes_have_limits);
    CU_ADD_TEST(suite, not_everybody_may);
    CU_ADD_TEST(suite, an_access_acl_and_the_mode_are_one);
    CU_ADD_TEST(suite, acls_let_in_and_keep_out);
    CU_ADD_TEST(suite, what_is_made_inherits);
    CU_ADD_TEST(suite, capabilities_end_with_a_change);
    CU_ADD_TEST(suite, capabilities_outlive_what_is_applied_again);
    CU_ADD_TEST(suite, what_does_not_fit_is_kept_aside);
    CU_ADD_TEST(suite, there_is_room_for_the_bricks_own);
    CU_ADD_TEST(suite, half_done_is_done_once_more);
    CU_ADD_TEST(suite, the_brick_decides_what_is_inherited);
    CU_basic_run_tests();
    unsigned int failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
