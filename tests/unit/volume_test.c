/*
 * What a volume must do, whichever implementation stands behind it: the same suite runs over the
 * volume in memory and over a plain directory (which needs root, and a file system with handles).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include "backend/proto/limits.h"
#include "tests/lib/volume_fixture.h"

static void fill(uint8_t *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(i * 31 + seed);
    }
}

/* ---- attr ------------------------------------------------------------------------------------ */

static void test_root_is_a_directory(void)
{
    struct attr attr;
    CU_ASSERT_EQUAL_FATAL(volume_getattr(volume, &root, &GFID_ROOT, &attr), 0);
    CU_ASSERT_EQUAL(attr.type, OBJECT_DIRECTORY);
    CU_ASSERT_TRUE(gfid_is_root(&attr.gfid));
    CU_ASSERT_TRUE(gfid_is_root(&attr.parent));
    struct gfid nobody = gfid_make(0, 77, 123456789);
    CU_ASSERT_EQUAL(volume_getattr(volume, &root, &nobody, &attr), -ESTALE);
}

static void test_setattr_changes_what_the_mask_names(void)
{
    struct gfid place = make_place("setattr");
    struct attr attr = make_file(&place, "f", &alice, 0640);
    CU_ASSERT_EQUAL(attr.mode, 0640);
    CU_ASSERT_EQUAL(attr.uid, 1001);
    CU_ASSERT_EQUAL(attr.gid, 100);
    struct attr_change change = {.mask = ATTR_SIZE | ATTR_MTIME | ATTR_MODE,
                                 .size = 5000,
                                 .mode = 0600,
                                 .mtime = {.seconds = 1234567, .nanoseconds = 89}};
    CU_ASSERT_EQUAL(volume_setattr(volume, &alice, &attr.gfid, &change, &attr), 0);
    CU_ASSERT_EQUAL(attr.size, 5000);
    CU_ASSERT_EQUAL(attr.mode, 0600);
    CU_ASSERT_EQUAL(attr.mtime.seconds, 1234567);
    CU_ASSERT_EQUAL(attr.mtime.nanoseconds, 89);
    CU_ASSERT_EQUAL(attr.uid, 1001);
    struct attr_change owner = {.mask = ATTR_UID | ATTR_GID, .uid = 7, .gid = 8};
    CU_ASSERT_EQUAL(volume_setattr(volume, &alice, &attr.gfid, &owner, &attr), -EPERM);
    CU_ASSERT_EQUAL(volume_setattr(volume, &root, &attr.gfid, &owner, &attr), 0);
    CU_ASSERT_EQUAL(attr.uid, 7);
    CU_ASSERT_EQUAL(attr.gid, 8);
    struct attr_change now = {.mask = ATTR_MTIME_NOW | ATTR_ATIME_NOW};
    CU_ASSERT_EQUAL(volume_setattr(volume, &root, &attr.gfid, &now, &attr), 0);
    CU_ASSERT_TRUE(attr.mtime.seconds > 1234567);
}

static void test_setattr_refuses(void)
{
    struct gfid place = make_place("setattr-refuses");
    struct attr attr = make_file(&place, "f", &alice, 0600);
    struct attr_change mode = {.mask = ATTR_MODE, .mode = 0777};
    CU_ASSERT_EQUAL(volume_setattr(volume, &bob, &attr.gfid, &mode, &attr), -EPERM);
    struct attr_change size = {.mask = ATTR_SIZE, .size = 1};
    CU_ASSERT_EQUAL(volume_setattr(volume, &bob, &attr.gfid, &size, &attr), -EACCES);
    CU_ASSERT_EQUAL(volume_setattr(volume, &root, &place, &size, &attr), -EISDIR);
    struct attr_change too_big = {.mask = ATTR_SIZE, .size = UINT64_MAX};
    CU_ASSERT_EQUAL(volume_setattr(volume, &root, &attr.gfid, &too_big, &attr), -EFBIG);
    struct attr_change group = {.mask = ATTR_GID, .gid = 300};
    CU_ASSERT_EQUAL(volume_setattr(volume, &alice, &attr.gfid, &group, &attr), 0);
    group.gid = 301;
    CU_ASSERT_EQUAL(volume_setattr(volume, &alice, &attr.gfid, &group, &attr), -EPERM);
}

static void test_setattr_guard_protects(void)
{
    struct gfid place = make_place("guard");
    struct attr attr = make_file(&place, "f", &alice, 0600);
    struct volume_request request = {.op = VOLUME_SETATTR,
                                     .cred = alice,
                                     .object = attr.gfid,
                                     .change = {.mask = ATTR_SIZE, .size = 9},
                                     .guarded = true,
                                     .guard = {.seconds = 1}};
    CU_ASSERT_EQUAL(volume_wait(volume, &request), -E_GUARD_FAILED);
    volume_request_release(&request);
    request.guard = attr.ctime;
    CU_ASSERT_EQUAL(volume_wait(volume, &request), 0);
    CU_ASSERT_TRUE(request.reply.object_before.present);
    CU_ASSERT_EQUAL(request.reply.object_before.size, 0);
    CU_ASSERT_EQUAL(request.reply.object.size, 9);
    volume_request_release(&request);
}

static uint32_t rights_of(const struct cred *cred, const struct gfid *object)
{
    struct volume_request request = {
        .op = VOLUME_ACCESS, .cred = *cred, .object = *object, .rights = 0x3f};
    CU_ASSERT_EQUAL(volume_wait(volume, &request), 0);
    volume_request_release(&request);
    return request.reply.count;
}

static void test_access_follows_the_mode(void)
{
    struct gfid place = make_place("access");
    struct attr file = make_file(&place, "f", &alice, 0750);
    CU_ASSERT_EQUAL(rights_of(&alice, &file.gfid),
                    RIGHT_READ | RIGHT_MODIFY | RIGHT_EXTEND | RIGHT_EXECUTE);
    CU_ASSERT_EQUAL(rights_of(&bob, &file.gfid), 0);
    struct cred member = {.uid = 5, .gid = 6, .group_count = 1, .groups = {100}};
    CU_ASSERT_EQUAL(rights_of(&member, &file.gfid), RIGHT_READ | RIGHT_EXECUTE);
    CU_ASSERT_EQUAL(rights_of(&bob, &place),
                    RIGHT_READ | RIGHT_LOOKUP | RIGHT_MODIFY | RIGHT_EXTEND | RIGHT_DELETE);
}

/* ---- name ------------------------------------------------------------------------------------ */

static void test_lookup_finds_names_and_dots(void)
{
    struct gfid place = make_place("lookup");
    struct attr file = make_file(&place, "f", &alice, 0600);
    struct attr attr;
    CU_ASSERT_EQUAL(volume_lookup(volume, &bob, &place, "f", &attr), 0);
    CU_ASSERT_TRUE(gfid_equal(&attr.gfid, &file.gfid));
    CU_ASSERT_EQUAL(volume_lookup(volume, &bob, &place, ".", &attr), 0);
    CU_ASSERT_TRUE(gfid_equal(&attr.gfid, &place));
    CU_ASSERT_EQUAL(volume_lookup(volume, &bob, &place, "..", &attr), 0);
    CU_ASSERT_TRUE(gfid_is_root(&attr.gfid));
    CU_ASSERT_EQUAL(volume_lookup(volume, &bob, &GFID_ROOT, "..", &attr), 0);
    CU_ASSERT_TRUE(gfid_is_root(&attr.gfid));
    CU_ASSERT_EQUAL(volume_lookup_path(volume, &bob, "//lookup/./f", &attr), 0);
    CU_ASSERT_TRUE(gfid_equal(&attr.gfid, &file.gfid));
    CU_ASSERT_EQUAL(volume_lookup_path(volume, &bob, "/", &attr), 0);
    CU_ASSERT_TRUE(gfid_is_root(&attr.gfid));
}

static void test_lookup_refuses(void)
{
    struct gfid place = make_place("lookup-refuses");
    struct attr file = make_file(&place, "f", &alice, 0600);
    struct attr attr;
    struct volume_request request = {
        .op = VOLUME_LOOKUP, .cred = alice, .object = place, .name = slice_text("none")};
    CU_ASSERT_EQUAL(volume_wait(volume, &request), -ENOENT);
    CU_ASSERT_EQUAL(request.reply.parent.type, OBJECT_DIRECTORY);
    volume_request_release(&request);
    CU_ASSERT_EQUAL(volume_lookup(volume, &alice, &file.gfid, "x", &attr), -ENOTDIR);
    CU_ASSERT_EQUAL(volume_lookup(volume, &alice, &place, "a/b", &attr), -EINVAL);
    CU_ASSERT_EQUAL(volume_lookup(volume, &alice, &place, "", &attr), -ENOENT);
    char longest[NAME_SIZE_MAX + 2];
    memset(longest, 'n', sizeof(longest));
    longest[NAME_SIZE_MAX + 1] = '\0';
    CU_ASSERT_EQUAL(volume_lookup(volume, &alice, &place, longest, &attr), -ENAMETOOLONG);
    longest[NAME_SIZE_MAX] = '\0';
    CU_ASSERT_EQUAL(volume_lookup(volume, &alice, &place, longest, &attr), -ENOENT);
    struct attr_change closed = {.mask = ATTR_MODE, .mode = 0700};
    CU_ASSERT_EQUAL(volume_setattr(volume, &root, &place, &closed, &attr), 0);
    CU_ASSERT_EQUAL(volume_lookup(volume, &alice, &place, "f", &attr), -EACCES);
    struct cred checked = alice;
    checked.flags = CRED_CHECKED;
    CU_ASSERT_EQUAL(volume_lookup(volume, &checked, &place, "f", &attr), 0);
}

static void test_symlink_keeps_its_target(void)
{
    struct gfid place = make_place("symlink");
    struct attr attr;
    char target[16];
    CU_ASSERT_EQUAL(volume_symlink(volume, &alice, &place, "l", "../to/it", &attr), 0);
    CU_ASSERT_EQUAL(attr.type, OBJECT_SYMLINK);
    CU_ASSERT_EQUAL(attr.size, 8);
    CU_ASSERT_EQUAL(volume_readlink(volume, &alice, &attr.gfid, target, sizeof(target)), 0);
    CU_ASSERT_STRING_EQUAL(target, "../to/it");
    CU_ASSERT_EQUAL(volume_readlink(volume, &alice, &attr.gfid, target, 8), -ENAMETOOLONG);
    CU_ASSERT_EQUAL(volume_readlink(volume, &alice, &place, target, sizeof(target)), -EINVAL);
    CU_ASSERT_EQUAL(volume_symlink(volume, &alice, &place, "l", "x", &attr), -EEXIST);
    CU_ASSERT_EQUAL(volume_symlink(volume, &alice, &place, "m", "", &attr), -EINVAL);
}

/* ---- io -------------------------------------------------------------------------------------- */

static void test_written_bytes_are_read(void)
{
    struct gfid place = make_place("io");
    struct attr file = make_file(&place, "f", &alice, 0600);
    static uint8_t written[3 * 1024 * 1024 + 17];
    static uint8_t read[sizeof(written) + 100];
    fill(written, sizeof(written), 1);
    uint64_t verifier = 0;
    CU_ASSERT_EQUAL(volume_write(volume, &alice, &file.gfid, 4097, written, sizeof(written),
                                 STABLE_UNSTABLE, &verifier),
                    0);
    uint64_t committed = 1;
    CU_ASSERT_EQUAL(volume_commit(volume, &alice, &file.gfid, &committed), 0);
    CU_ASSERT_EQUAL(verifier, committed);
    uint32_t count = 0;
    bool eof = false;
    CU_ASSERT_EQUAL(volume_read(volume, &alice, &file.gfid, 4097, read, sizeof(read), &count, &eof),
                    0);
    CU_ASSERT_EQUAL(count, sizeof(written));
    CU_ASSERT_TRUE(eof);
    CU_ASSERT_EQUAL(memcmp(read, written, sizeof(written)), 0);
    /* The hole before. */
    CU_ASSERT_EQUAL(volume_read(volume, &alice, &file.gfid, 0, read, 4097, &count, &eof), 0);
    CU_ASSERT_EQUAL(count, 4097);
    CU_ASSERT_FALSE(eof);
    CU_ASSERT_TRUE(read[0] == 0 && memcmp(read, read + 1, 4096) == 0);
    CU_ASSERT_EQUAL(volume_read(volume, &alice, &file.gfid, 1 << 30, read, 1, &count, &eof), 0);
    CU_ASSERT_EQUAL(count, 0);
    CU_ASSERT_TRUE(eof);
}

static void test_write_answers_what_was_before(void)
{
    struct gfid place = make_place("write-before");
    struct attr file = make_file(&place, "f", &alice, 0600);
    struct volume_request request = {.op = VOLUME_WRITE,
                                     .cred = alice,
                                     .object = file.gfid,
                                     .data = slice_text("hello"),
                                     .stable = STABLE_FILE_SYNC};
    CU_ASSERT_EQUAL(volume_wait(volume, &request), 0);
    CU_ASSERT_EQUAL(request.reply.count, 5);
    CU_ASSERT_EQUAL(request.reply.committed, STABLE_FILE_SYNC);
    CU_ASSERT_EQUAL(request.reply.object.size, 5);
    CU_ASSERT_EQUAL(request.reply.object_before.size, 0);
    CU_ASSERT_EQUAL(timestamp_compare(&request.reply.object_before.ctime, &file.ctime), 0);
    volume_request_release(&request);
    request.append = true;
    request.stable = STABLE_DATA_SYNC;
    CU_ASSERT_EQUAL(volume_wait(volume, &request), 0);
    CU_ASSERT_EQUAL(request.reply.object.size, 10);
    volume_request_release(&request);
}

static void test_io_refuses(void)
{
    struct gfid place = make_place("io-refuses");
    struct attr file = make_file(&place, "f", &alice, 0);
    uint8_t byte = 1;
    uint32_t count;
    bool eof;
    CU_ASSERT_EQUAL(volume_write(volume, &bob, &file.gfid, 0, &byte, 1, STABLE_UNSTABLE, NULL),
                    -EACCES);
    CU_ASSERT_EQUAL(volume_read(volume, &bob, &file.gfid, 0, &byte, 1, &count, &eof), -EACCES);
    /* Its owner has opened it before the mode became 0. */
    CU_ASSERT_EQUAL(volume_write(volume, &alice, &file.gfid, 0, &byte, 1, STABLE_UNSTABLE, NULL),
                    0);
    CU_ASSERT_EQUAL(volume_read(volume, &alice, &file.gfid, 0, &byte, 1, &count, &eof), 0);
    CU_ASSERT_EQUAL(volume_read(volume, &root, &place, 0, &byte, 1, &count, &eof), -EISDIR);
    CU_ASSERT_EQUAL(volume_write(volume, &root, &place, 0, &byte, 1, STABLE_UNSTABLE, NULL),
                    -EISDIR);
    CU_ASSERT_EQUAL(
        volume_write(volume, &root, &file.gfid, INT64_MAX, &byte, 1, STABLE_UNSTABLE, NULL),
        -EFBIG);
    struct attr fifo;
    struct volume_request request = {.op = VOLUME_MKNOD,
                                     .cred = alice,
                                     .object = place,
                                     .name = slice_text("fifo"),
                                     .type = OBJECT_FIFO,
                                     .change = {.mask = ATTR_MODE, .mode = 0666}};
    CU_ASSERT_EQUAL(volume_wait(volume, &request), 0);
    fifo = request.reply.object;
    volume_request_release(&request);
    CU_ASSERT_EQUAL(fifo.type, OBJECT_FIFO);
    CU_ASSERT_EQUAL(volume_read(volume, &root, &fifo.gfid, 0, &byte, 1, &count, &eof), -EINVAL);
}

static void test_write_by_another_clears_setuid(void)
{
    struct gfid place = make_place("setuid");
    struct attr file = make_file(&place, "f", &alice, 06777);
    CU_ASSERT_EQUAL(file.mode, 06777);
    CU_ASSERT_EQUAL(volume_write(volume, &bob, &file.gfid, 0, "x", 1, STABLE_UNSTABLE, NULL), 0);
    CU_ASSERT_EQUAL(volume_getattr(volume, &bob, &file.gfid, &file), 0);
    CU_ASSERT_EQUAL(file.mode, 0777);
}

/* ---- make ------------------------------------------------------------------------------------ */

static int create(const struct gfid *place, enum volume_create_how how, uint64_t verifier,
                  const struct attr_change *change, struct attr *out_attr)
{
    struct volume_request request = {.op = VOLUME_CREATE,
                                     .cred = alice,
                                     .object = *place,
                                     .name = slice_text("f"),
                                     .how = how,
                                     .verifier = verifier,
                                     .change = *change};
    int status = volume_wait(volume, &request);
    *out_attr = request.reply.object;
    volume_request_release(&request);
    return status;
}

static void test_create_unchecked_guarded_exclusive(void)
{
    struct gfid place = make_place("create");
    struct attr first;
    struct attr again;
    struct attr_change change = {.mask = ATTR_MODE | ATTR_SIZE, .mode = 0644, .size = 10};
    CU_ASSERT_EQUAL(create(&place, VOLUME_CREATE_UNCHECKED, 0, &change, &first), 0);
    CU_ASSERT_EQUAL(first.size, 10);
    CU_ASSERT_EQUAL(first.mode, 0644);
    change.size = 0;
    change.mode = 0600;
    CU_ASSERT_EQUAL(create(&place, VOLUME_CREATE_UNCHECKED, 0, &change, &again), 0);
    CU_ASSERT_TRUE(gfid_equal(&first.gfid, &again.gfid));
    CU_ASSERT_EQUAL(again.size, 0);
    CU_ASSERT_EQUAL(again.mode, 0644);
    CU_ASSERT_EQUAL(create(&place, VOLUME_CREATE_GUARDED, 0, &change, &again), -EEXIST);
    CU_ASSERT_EQUAL(create(&place, VOLUME_CREATE_EXCLUSIVE, 5, &change, &again), -EEXIST);

    struct gfid other = make_place("create-exclusive");
    CU_ASSERT_EQUAL(create(&other, VOLUME_CREATE_EXCLUSIVE, 5, &change, &first), 0);
    CU_ASSERT_EQUAL(create(&other, VOLUME_CREATE_EXCLUSIVE, 5, &change, &again), 0);
    CU_ASSERT_TRUE(gfid_equal(&first.gfid, &again.gfid));
    CU_ASSERT_EQUAL(create(&other, VOLUME_CREATE_EXCLUSIVE, 6, &change, &again), -EEXIST);
}

static void test_make_answers_the_directory(void)
{
    struct gfid place = make_place("make");
    struct attr before;
    CU_ASSERT_EQUAL(volume_getattr(volume, &root, &place, &before), 0);
    struct volume_request request = {.op = VOLUME_MKDIR,
                                     .cred = alice,
                                     .object = place,
                                     .name = slice_text("d"),
                                     .change = {.mask = ATTR_MODE, .mode = 0750},
                                     .durable = true};
    CU_ASSERT_EQUAL(volume_wait(volume, &request), 0);
    const struct reply *reply = &request.reply;
    CU_ASSERT_EQUAL(reply->object.type, OBJECT_DIRECTORY);
    CU_ASSERT_EQUAL(reply->object.mode, 0750);
    CU_ASSERT_EQUAL(reply->object.nlink, 2);
    CU_ASSERT_TRUE(gfid_equal(&reply->object.parent, &place));
    CU_ASSERT_EQUAL(timestamp_compare(&reply->parent_before.mtime, &before.mtime), 0);
    CU_ASSERT_TRUE(timestamp_compare(&reply->parent.mtime, &before.mtime) > 0);
    CU_ASSERT_EQUAL(reply->parent.nlink, before.nlink + 1);
    volume_request_release(&request);
}

static void test_make_refuses(void)
{
    struct gfid place = make_place("make-refuses");
    struct attr file = make_file(&place, "f", &alice, 0600);
    struct attr attr;
    CU_ASSERT_EQUAL(volume_mkdir(volume, &alice, &place, "f", 0700, &attr), -EEXIST);
    CU_ASSERT_EQUAL(volume_mkdir(volume, &alice, &place, "..", 0700, &attr), -EEXIST);
    CU_ASSERT_EQUAL(volume_mkdir(volume, &alice, &file.gfid, "x", 0700, &attr), -ENOTDIR);
    CU_ASSERT_EQUAL(volume_mkdir(volume, &alice, &GFID_ROOT, "alice", 0700, &attr), -EACCES);
    struct volume_request request = {.op = VOLUME_MKNOD,
                                     .cred = alice,
                                     .object = place,
                                     .name = slice_text("dev"),
                                     .type = OBJECT_BLOCK,
                                     .device_major = 7,
                                     .device_minor = 3};
    CU_ASSERT_EQUAL(volume_wait(volume, &request), -EPERM);
    volume_request_release(&request);
    request.type = OBJECT_DIRECTORY + 100;
    CU_ASSERT_EQUAL(volume_wait(volume, &request), -EINVAL);
    volume_request_release(&request);
    request.op = VOLUME_OP_COUNT;
    CU_ASSERT_EQUAL(volume_wait(volume, &request), -EINVAL);
    volume_request_release(&request);
}

static void test_group_is_inherited(void)
{
    struct gfid place = make_place("setgid");
    struct attr attr;
    struct attr_change change = {.mask = ATTR_MODE | ATTR_GID, .mode = 02777, .gid = 4242};
    CU_ASSERT_EQUAL(volume_setattr(volume, &root, &place, &change, &attr), 0);
    attr = make_file(&place, "f", &alice, 0600);
    CU_ASSERT_EQUAL(attr.gid, 4242);
    CU_ASSERT_EQUAL(volume_mkdir(volume, &alice, &place, "d", 0700, &attr), 0);
    CU_ASSERT_EQUAL(attr.gid, 4242);
    CU_ASSERT_EQUAL(attr.mode, 02700);
}

static void test_link_is_the_same_object(void)
{
    struct gfid place = make_place("link");
    struct attr file = make_file(&place, "f", &alice, 0600);
    struct attr attr;
    CU_ASSERT_EQUAL(volume_link(volume, &alice, &file.gfid, &place, "g", &attr), 0);
    CU_ASSERT_EQUAL(attr.nlink, 2);
    CU_ASSERT_EQUAL(volume_lookup(volume, &alice, &place, "g", &attr), 0);
    CU_ASSERT_TRUE(gfid_equal(&attr.gfid, &file.gfid));
    CU_ASSERT_EQUAL(volume_link(volume, &alice, &file.gfid, &place, "g", &attr), -EEXIST);
    CU_ASSERT_EQUAL(volume_link(volume, &root, &place, &GFID_ROOT, "hard", &attr), -EPERM);
    CU_ASSERT_EQUAL(volume_remove(volume, &alice, &place, "f"), 0);
    CU_ASSERT_EQUAL(volume_getattr(volume, &alice, &file.gfid, &attr), 0);
    CU_ASSERT_EQUAL(attr.nlink, 1);
}

/* ---- remove ---------------------------------------------------------------------------------- */

static void test_remove_and_rmdir(void)
{
    struct gfid place = make_place("remove");
    struct attr file = make_file(&place, "f", &alice, 0600);
    struct attr attr;
    CU_ASSERT_EQUAL(volume_mkdir(volume, &alice, &place, "d", 0700, &attr), 0);
    struct gfid inner = attr.gfid;
    (void)make_file(&inner, "x", &alice, 0600); /* asserts by itself */
    CU_ASSERT_EQUAL(volume_rmdir(volume, &alice, &place, "d"), -ENOTEMPTY);
    CU_ASSERT_EQUAL(volume_rmdir(volume, &alice, &place, "f"), -ENOTDIR);
    CU_ASSERT_EQUAL(volume_remove(volume, &alice, &place, "d"), -EISDIR);
    CU_ASSERT_EQUAL(volume_remove(volume, &alice, &place, "none"), -ENOENT);
    CU_ASSERT_EQUAL(volume_rmdir(volume, &alice, &place, "."), -EINVAL);
    CU_ASSERT_EQUAL(volume_remove(volume, &alice, &inner, "x"), 0);
    CU_ASSERT_EQUAL(volume_rmdir(volume, &alice, &place, "d"), 0);
    struct volume_request request = {
        .op = VOLUME_REMOVE, .cred = alice, .object = place, .name = slice_text("f")};
    CU_ASSERT_EQUAL(volume_wait(volume, &request), 0);
    CU_ASSERT_TRUE(gfid_equal(&request.reply.object.gfid, &file.gfid));
    CU_ASSERT_EQUAL(request.reply.object.nlink, 0);
    CU_ASSERT_TRUE(request.reply.parent_before.present);
    volume_request_release(&request);
    CU_ASSERT_EQUAL(volume_lookup(volume, &alice, &place, "f", &attr), -ENOENT);
    CU_ASSERT_EQUAL(volume_getattr(volume, &alice, &file.gfid, &attr), -ESTALE);
}

static void test_sticky_directory(void)
{
    struct gfid place = make_place("sticky");
    struct attr attr;
    struct attr_change sticky = {.mask = ATTR_MODE, .mode = 01777};
    CU_ASSERT_EQUAL(volume_setattr(volume, &root, &place, &sticky, &attr), 0);
    (void)make_file(&place, "f", &alice, 0666); /* asserts by itself */
    CU_ASSERT_EQUAL(volume_remove(volume, &bob, &place, "f"), -EPERM);
    CU_ASSERT_EQUAL(volume_rename(volume, &bob, &place, "f", &place, "g"), -EPERM);
    CU_ASSERT_EQUAL(volume_remove(volume, &alice, &place, "f"), 0);
}

static void test_rename_moves_and_replaces(void)
{
    struct gfid from = make_place("rename-from");
    struct gfid to = make_place("rename-to");
    struct attr file = make_file(&from, "f", &alice, 0600);
    struct attr replaced = make_file(&to, "g", &alice, 0600);
    struct attr attr;
    struct volume_request request = {.op = VOLUME_RENAME,
                                     .cred = alice,
                                     .object = from,
                                     .name = slice_text("f"),
                                     .object2 = to,
                                     .name2 = slice_text("g")};
    CU_ASSERT_EQUAL(volume_wait(volume, &request), 0);
    CU_ASSERT_TRUE(gfid_equal(&request.reply.parent.gfid, &from));
    CU_ASSERT_TRUE(gfid_equal(&request.reply.parent2.gfid, &to));
    CU_ASSERT_TRUE(request.reply.parent_before.present && request.reply.parent2_before.present);
    volume_request_release(&request);
    CU_ASSERT_EQUAL(volume_lookup(volume, &alice, &from, "f", &attr), -ENOENT);
    CU_ASSERT_EQUAL(volume_lookup(volume, &alice, &to, "g", &attr), 0);
    CU_ASSERT_TRUE(gfid_equal(&attr.gfid, &file.gfid));
    CU_ASSERT_EQUAL(volume_getattr(volume, &alice, &replaced.gfid, &attr), -ESTALE);

    request.name = slice_text("none");
    CU_ASSERT_EQUAL(volume_wait(volume, &request), -ENOENT);
    volume_request_release(&request);
    request = (struct volume_request){.op = VOLUME_RENAME,
                                      .cred = alice,
                                      .object = to,
                                      .name = slice_text("g"),
                                      .object2 = to,
                                      .name2 = slice_text("h")};
    CU_ASSERT_EQUAL(volume_wait(volume, &request), 0);
    CU_ASSERT_TRUE(gfid_equal(&request.reply.parent2.gfid, &to));
    volume_request_release(&request);
}

static int rename_flags(const struct gfid *place, const char *name, const char *name2,
                        uint32_t flags)
{
    struct volume_request request = {.op = VOLUME_RENAME,
                                     .cred = alice,
                                     .object = *place,
                                     .name = slice_text(name),
                                     .object2 = *place,
                                     .name2 = slice_text(name2),
                                     .flags = flags};
    int status = volume_wait(volume, &request);
    volume_request_release(&request);
    return status;
}

static void test_rename_of_directories_and_flags(void)
{
    struct gfid place = make_place("rename-dirs");
    struct attr a;
    struct attr b;
    struct attr attr;
    CU_ASSERT_EQUAL(volume_mkdir(volume, &alice, &place, "a", 0700, &a), 0);
    CU_ASSERT_EQUAL(volume_mkdir(volume, &alice, &a.gfid, "b", 0700, &b), 0);
    CU_ASSERT_EQUAL(volume_rename(volume, &alice, &place, "a", &b.gfid, "c"), -EINVAL);
    CU_ASSERT_EQUAL(volume_rename(volume, &alice, &a.gfid, "b", &place, "b"), 0);
    CU_ASSERT_EQUAL(volume_lookup(volume, &alice, &b.gfid, "..", &attr), 0);
    CU_ASSERT_TRUE(gfid_equal(&attr.gfid, &place));
    (void)make_file(&place, "f", &alice, 0600); /* asserts by itself */
    CU_ASSERT_EQUAL(rename_flags(&place, "f", "b", 0), -EISDIR);
    CU_ASSERT_EQUAL(rename_flags(&place, "b", "f", 0), -ENOTDIR);
    CU_ASSERT_EQUAL(rename_flags(&place, "f", "b", RENAME_NOREPLACE), -EEXIST);
    CU_ASSERT_EQUAL(rename_flags(&place, "f", "b", RENAME_EXCHANGE), 0);
    CU_ASSERT_EQUAL(volume_lookup(volume, &alice, &place, "f", &attr), 0);
    CU_ASSERT_EQUAL(attr.type, OBJECT_DIRECTORY);
    CU_ASSERT_EQUAL(rename_flags(&place, "a", "f", 0), 0);
    CU_ASSERT_EQUAL(rename_flags(&place, "f", "none", RENAME_EXCHANGE), -ENOENT);
    CU_ASSERT_EQUAL(rename_flags(&place, "f", "..", 0), -EINVAL);
}

/* ---- dir and info ---------------------------------------------------------------------------- */

#define ENTRIES 3000

struct listing {
    uint8_t seen[ENTRIES];
    unsigned count, stop_at;
    bool with_attr;
};

static int note_entry(const struct dirent_entry *entry, void *context)
{
    struct listing *listing = context;
    char name[NAME_SIZE_MAX + 1] = {0};
    memcpy(name, entry->name.data, entry->name.size);
    unsigned number = 0;
    CU_ASSERT_EQUAL(sscanf(name, "entry-%u", &number), 1);
    CU_ASSERT_TRUE_FATAL(number < ENTRIES);
    listing->seen[number]++;
    listing->count++;
    CU_ASSERT_EQUAL(entry->type, OBJECT_FILE);
    CU_ASSERT_TRUE(entry->cookie >= COOKIE_FIRST && entry->cookie <= INT64_MAX);
    CU_ASSERT_EQUAL(entry->attr.type, listing->with_attr ? OBJECT_FILE : OBJECT_NONE);
    return listing->count == listing->stop_at;
}

static void test_readdir_lists_each_entry_once(void)
{
    struct gfid place = make_place("readdir");
    for (unsigned i = 0; i < ENTRIES; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "entry-%u", i); /* fits */
        (void)make_file(&place, name, &root, 0600);        /* asserts by itself */
    }
    static struct listing listing;
    for (int with_attr = 0; with_attr < 2; with_attr++) {
        listing = (struct listing){.stop_at = 1000, .with_attr = with_attr};
        uint64_t cookie = 0;
        int status;
        /* Stop thrice in the middle and go on from the cookie. */
        while ((status = volume_readdir(volume, &root, &place, &cookie, with_attr, note_entry,
                                        &listing)) == 1) {
            listing.stop_at += 1000;
        }
        CU_ASSERT_EQUAL(status, 0);
        CU_ASSERT_EQUAL(listing.count, ENTRIES);
        for (unsigned i = 0; i < ENTRIES; i++) {
            CU_ASSERT_EQUAL(listing.seen[i], 1);
        }
    }
}

static void test_readdir_refuses(void)
{
    struct gfid place = make_place("readdir-refuses");
    struct attr file = make_file(&place, "f", &alice, 0600);
    struct volume_request request = {
        .op = VOLUME_READDIR, .cred = alice, .object = place, .count = 8};
    CU_ASSERT_EQUAL(volume_wait(volume, &request), -EINVAL);
    volume_request_release(&request);
    request.object = file.gfid;
    request.count = 4096;
    CU_ASSERT_EQUAL(volume_wait(volume, &request), -ENOTDIR);
    volume_request_release(&request);
    struct attr_change closed = {.mask = ATTR_MODE, .mode = 0711};
    struct attr attr;
    CU_ASSERT_EQUAL(volume_setattr(volume, &root, &place, &closed, &attr), 0);
    request.object = place;
    CU_ASSERT_EQUAL(volume_wait(volume, &request), -EACCES);
    volume_request_release(&request);
}

static void test_statfs_and_counters(void)
{
    struct statfs_info info = {0};
    CU_ASSERT_EQUAL(volume_statfs(volume, &info), 0);
    CU_ASSERT_TRUE(info.bytes_total > 0);
    CU_ASSERT_EQUAL(info.name_max, NAME_SIZE_MAX);
    CU_ASSERT_TRUE(volume_answers(volume));
    struct volume_stats before;
    struct volume_stats after;
    struct attr attr;
    volume_stats(volume, &before);
    CU_ASSERT_EQUAL(volume_lookup(volume, &root, &GFID_ROOT, "missing", &attr), -ENOENT);
    volume_stats(volume, &after);
    CU_ASSERT_EQUAL(after.requests[VOLUME_LOOKUP], before.requests[VOLUME_LOOKUP] + 1);
    CU_ASSERT_EQUAL(after.failures[VOLUME_LOOKUP], before.failures[VOLUME_LOOKUP] + 1);
    CU_ASSERT_TRUE(after.bytes_written > 0);
}

static void test_names_of_volumes_are_checked(void)
{
    static const char *const bad[] = {"",
                                      "gv0",
                                      ":/gv0",
                                      "host:/",
                                      "host:/a/b",
                                      "local:dir",
                                      "local:/no/such/directory",
                                      "host:0:/v",
                                      "host:99999:/v",
                                      "[::1:/v",
                                      "a,,b:/v",
                                      "h:x:/v"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct volume *opened = NULL;
        char error[256] = "";
        int status = volume_open(bad[i], NULL, &opened, error, sizeof(error));
        CU_ASSERT_TRUE(status == -EINVAL || status == -ENOENT);
        CU_ASSERT_TRUE(strlen(error) > 10);
    }
    for (int op = 0; op < VOLUME_OP_COUNT; op++) {
        CU_ASSERT_STRING_NOT_EQUAL(volume_op_name((enum volume_op)op), "?");
    }
    CU_ASSERT_STRING_EQUAL(volume_op_name(VOLUME_OP_COUNT), "?");
}

static const CU_TestInfo tests[] = {
    {"the root is a directory", test_root_is_a_directory},
    {"SETATTR changes what the mask names", test_setattr_changes_what_the_mask_names},
    {"SETATTR refuses", test_setattr_refuses},
    {"SETATTR's guard protects", test_setattr_guard_protects},
    {"ACCESS follows the mode", test_access_follows_the_mode},
    {"LOOKUP finds names and dots", test_lookup_finds_names_and_dots},
    {"LOOKUP refuses", test_lookup_refuses},
    {"a symlink keeps its target", test_symlink_keeps_its_target},
    {"written bytes are read", test_written_bytes_are_read},
    {"WRITE answers what was before", test_write_answers_what_was_before},
    {"READ and WRITE refuse", test_io_refuses},
    {"a write by another clears setuid", test_write_by_another_clears_setuid},
    {"CREATE: unchecked, guarded, exclusive", test_create_unchecked_guarded_exclusive},
    {"making answers the directory", test_make_answers_the_directory},
    {"making refuses", test_make_refuses},
    {"a setgid directory hands on its group", test_group_is_inherited},
    {"a link is the same object", test_link_is_the_same_object},
    {"REMOVE and RMDIR", test_remove_and_rmdir},
    {"a sticky directory protects names", test_sticky_directory},
    {"RENAME moves and replaces", test_rename_moves_and_replaces},
    {"RENAME of directories, and its flags", test_rename_of_directories_and_flags},
    {"READDIR lists each entry once", test_readdir_lists_each_entry_once},
    {"READDIR refuses", test_readdir_refuses},
    {"STATFS and counters", test_statfs_and_counters},
    {"names of volumes are checked", test_names_of_volumes_are_checked},
    CU_TEST_INFO_NULL,
};

int main(void)
{
    return volume_fixture_run(tests);
}
