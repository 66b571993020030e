/*
 * What a volume must do besides names and bytes, whichever implementation stands behind it:
 * extended attributes, space, and files without a name.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "backend/proto/limits.h"
#include "tests/lib/volume_fixture.h"

static int write_text(const struct gfid *file, uint64_t offset, const char *text)
{
    return volume_write(volume, &alice, file, offset, text, (uint32_t)strlen(text), STABLE_UNSTABLE,
                        NULL);
}

static bool has_text(const struct gfid *file, uint64_t offset, const char *text)
{
    char bytes[64];
    uint32_t count = 0;
    bool eof;
    size_t size = strlen(text);
    return volume_read(volume, &alice, file, offset, bytes, (uint32_t)size, &count, &eof) == 0 &&
           count == size && memcmp(bytes, text, size) == 0;
}

static bool has_zeros(const struct gfid *file, uint64_t offset, uint32_t size)
{
    static const uint8_t zeros[8192];
    static uint8_t bytes[sizeof(zeros)];
    uint32_t count = 0;
    bool eof;
    return volume_read(volume, &alice, file, offset, bytes, size, &count, &eof) == 0 &&
           count == size && memcmp(bytes, zeros, size) == 0;
}

static struct attr attr_of(const struct gfid *file)
{
    struct attr attr = {0};
    CU_ASSERT_EQUAL(volume_getattr(volume, &root, file, &attr), 0);
    return attr;
}

/* ---- xattr ----------------------------------------------------------------------------------- */

static int set(const struct gfid *file, const char *name, const char *value, uint32_t flags)
{
    return volume_setxattr(volume, &alice, file, name, value, strlen(value), flags);
}

static bool is_set(const struct gfid *file, const char *name, const char *value)
{
    char bytes[2000];
    size_t size = 0;
    return volume_getxattr(volume, &alice, file, name, bytes, sizeof(bytes), &size) == 0 &&
           size == strlen(value) && memcmp(bytes, value, size) == 0;
}

static void test_xattrs_are_kept(void)
{
    struct gfid place = make_place("xattr");
    struct gfid file = make_file(&place, "f", &alice, 0644).gfid;
    static char large[1001];
    memset(large, 'v', sizeof(large) - 1);
    char bytes[16];
    size_t size = 0;
    CU_ASSERT_EQUAL(set(&file, "user.a", "one", 0), 0);
    CU_ASSERT_EQUAL(set(&file, "user.empty", "", 0), 0);
    CU_ASSERT_EQUAL(set(&file, "user.large", large, 0), 0);
    CU_ASSERT_TRUE(is_set(&file, "user.a", "one"));
    CU_ASSERT_TRUE(is_set(&file, "user.empty", ""));
    CU_ASSERT_TRUE(is_set(&file, "user.large", large));
    CU_ASSERT_EQUAL(set(&file, "user.a", "two", XATTR_CREATE), -EEXIST);
    CU_ASSERT_EQUAL(set(&file, "user.b", "two", XATTR_REPLACE), -ENODATA);
    CU_ASSERT_EQUAL(set(&file, "user.a", "three", XATTR_REPLACE), 0);
    CU_ASSERT_TRUE(is_set(&file, "user.a", "three"));
    CU_ASSERT_EQUAL(volume_getxattr(volume, &alice, &file, "user.a", NULL, 0, &size), 0);
    CU_ASSERT_EQUAL(size, 5);
    CU_ASSERT_EQUAL(volume_getxattr(volume, &alice, &file, "user.a", bytes, 4, &size), -ERANGE);
    CU_ASSERT_EQUAL(volume_getxattr(volume, &alice, &file, "user.none", bytes, 16, &size),
                    -ENODATA);
    CU_ASSERT_EQUAL(volume_removexattr(volume, &alice, &file, "user.a"), 0);
    CU_ASSERT_EQUAL(volume_removexattr(volume, &alice, &file, "user.a"), -ENODATA);
    CU_ASSERT_EQUAL(volume_getxattr(volume, &alice, &file, "user.a", bytes, 16, &size), -ENODATA);
}

static void test_xattrs_are_listed(void)
{
    struct gfid place = make_place("xattr-list");
    struct gfid file = make_file(&place, "f", &alice, 0644).gfid;
    char names[256];
    size_t size = 1;
    CU_ASSERT_EQUAL(volume_listxattr(volume, &alice, &file, names, sizeof(names), &size), 0);
    CU_ASSERT_EQUAL(size, 0);
    CU_ASSERT_EQUAL(set(&file, "user.a", "one", 0), 0);
    CU_ASSERT_EQUAL(volume_setxattr(volume, &root, &file, "trusted.t", "r", 1, 0), 0);
    CU_ASSERT_EQUAL(volume_listxattr(volume, &alice, &file, names, sizeof(names), &size), 0);
    CU_ASSERT_TRUE(size == 7 && memcmp(names, "user.a", 7) == 0); /* not root's */
    CU_ASSERT_EQUAL(volume_listxattr(volume, &root, &file, names, sizeof(names), &size), 0);
    CU_ASSERT_EQUAL(size, sizeof("user.a") + sizeof("trusted.t"));
    CU_ASSERT_EQUAL(volume_listxattr(volume, &root, &file, names, 8, &size), -ERANGE);
    CU_ASSERT_EQUAL(volume_listxattr(volume, &root, &file, NULL, 0, &size), 0);
    CU_ASSERT_EQUAL(size, sizeof("user.a") + sizeof("trusted.t"));
}

static void test_xattrs_refuse(void)
{
    struct gfid place = make_place("xattr-refuses");
    struct gfid file = make_file(&place, "f", &alice, 0600).gfid;
    static char large[XATTR_VALUE_MAX + 1];
    char bytes[16];
    size_t size;
    CU_ASSERT_EQUAL(set(&file, "user.a", "one", 0), 0);
    CU_ASSERT_EQUAL(volume_getxattr(volume, &bob, &file, "user.a", bytes, 16, &size), -EACCES);
    CU_ASSERT_EQUAL(volume_setxattr(volume, &bob, &file, "user.a", "x", 1, 0), -EACCES);
    CU_ASSERT_EQUAL(volume_setxattr(volume, &alice, &file, "trusted.t", "x", 1, 0), -EPERM);
    CU_ASSERT_EQUAL(volume_setxattr(volume, &root, &file, "nonsense.a", "x", 1, 0), -EOPNOTSUPP);
    CU_ASSERT_EQUAL(volume_setxattr(volume, &root, &file, "", "x", 1, 0), -ERANGE);
    CU_ASSERT_EQUAL(volume_setxattr(volume, &root, &file, "user.a", large, sizeof(large), 0),
                    -E2BIG);
    CU_ASSERT_TRUE(is_set(&file, "user.a", "one"));
    struct gfid nobody = gfid_make(0, 77, 123456789);
    CU_ASSERT_EQUAL(volume_getxattr(volume, &root, &nobody, "user.a", bytes, 16, &size), -ESTALE);
}

/* ---- space ----------------------------------------------------------------------------------- */

static int allocate(const struct gfid *file, uint32_t flags, uint64_t offset, uint64_t length)
{
    return volume_allocate(volume, &alice, file, flags, offset, length);
}

static void test_allocating_keeps_bytes(void)
{
    struct gfid place = make_place("allocate");
    struct gfid file = make_file(&place, "f", &alice, 0600).gfid;
    CU_ASSERT_EQUAL(write_text(&file, 0, "bytes"), 0);
    CU_ASSERT_EQUAL(allocate(&file, FALLOC_FL_KEEP_SIZE, 0, 100000), 0);
    CU_ASSERT_EQUAL(attr_of(&file).size, 5);
    CU_ASSERT_EQUAL(allocate(&file, 0, 3, 9997), 0);
    CU_ASSERT_EQUAL(attr_of(&file).size, 10000);
    CU_ASSERT_TRUE(has_text(&file, 0, "bytes"));
    CU_ASSERT_TRUE(has_zeros(&file, 5, 5000));
    CU_ASSERT_EQUAL(write_text(&file, 8000, "behind"), 0);
    CU_ASSERT_EQUAL(allocate(&file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2, 8000), 0);
    CU_ASSERT_TRUE(has_text(&file, 0, "by"));
    CU_ASSERT_TRUE(has_zeros(&file, 2, 8000));
    CU_ASSERT_TRUE(has_text(&file, 8002, "hind"));
    CU_ASSERT_EQUAL(allocate(&file, FALLOC_FL_ZERO_RANGE, 8003, 4000), 0);
    CU_ASSERT_TRUE(has_text(&file, 8002, "h"));
    CU_ASSERT_TRUE(has_zeros(&file, 8003, 4000));
    CU_ASSERT_EQUAL(attr_of(&file).size, 12003);
    CU_ASSERT_EQUAL(allocate(&file, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 1, 50000), 0);
    CU_ASSERT_EQUAL(attr_of(&file).size, 12003);
    CU_ASSERT_TRUE(has_text(&file, 0, "b"));
}

static void test_allocating_refuses(void)
{
    struct gfid place = make_place("allocate-refuses");
    struct gfid file = make_file(&place, "f", &alice, 0600).gfid;
    CU_ASSERT_EQUAL(allocate(&file, 0, 0, 0), -EINVAL);
    CU_ASSERT_EQUAL(allocate(&file, 0, INT64_MAX, 1), -EFBIG);
    CU_ASSERT_EQUAL(allocate(&file, FALLOC_FL_PUNCH_HOLE, 0, 1), -EOPNOTSUPP);
    CU_ASSERT_EQUAL(volume_allocate(volume, &bob, &file, 0, 0, 1), -EACCES);
    CU_ASSERT_EQUAL(volume_allocate(volume, &root, &place, 0, 0, 1), -EISDIR);
}

static void test_seeking_finds_data(void)
{
    struct gfid place = make_place("seek");
    struct gfid file = make_file(&place, "f", &alice, 0600).gfid;
    uint64_t found = 0;
    CU_ASSERT_EQUAL(write_text(&file, 1 << 20, "data"), 0);
    CU_ASSERT_EQUAL(volume_seek(volume, &alice, &file, 0, SEEK_DATA, &found), 0);
    CU_ASSERT_TRUE(found <= 1 << 20);
    CU_ASSERT_EQUAL(volume_seek(volume, &alice, &file, 1 << 20, SEEK_DATA, &found), 0);
    CU_ASSERT_EQUAL(found, 1 << 20);
    CU_ASSERT_EQUAL(volume_seek(volume, &alice, &file, 1 << 20, SEEK_HOLE, &found), 0);
    CU_ASSERT_EQUAL(found, (1 << 20) + 4);
    CU_ASSERT_EQUAL(volume_seek(volume, &alice, &file, (1 << 20) + 4, SEEK_DATA, &found), -ENXIO);
    CU_ASSERT_EQUAL(volume_seek(volume, &alice, &file, UINT64_MAX, SEEK_HOLE, &found), -ENXIO);
}

static void test_copies(void)
{
    struct gfid place = make_place("copy");
    struct gfid from = make_file(&place, "from", &alice, 0600).gfid;
    struct gfid to = make_file(&place, "to", &alice, 0600).gfid;
    uint64_t copied = 0;
    CU_ASSERT_EQUAL(write_text(&from, 0, "0123456789"), 0);
    CU_ASSERT_EQUAL(volume_copy(volume, &alice, &from, 2, &to, 7, 100, &copied), 0);
    CU_ASSERT_EQUAL(copied, 8);
    CU_ASSERT_EQUAL(attr_of(&to).size, 15);
    CU_ASSERT_TRUE(has_zeros(&to, 0, 7));
    CU_ASSERT_TRUE(has_text(&to, 7, "23456789"));
    CU_ASSERT_EQUAL(volume_copy(volume, &alice, &from, 10, &to, 0, 5, &copied), 0);
    CU_ASSERT_EQUAL(copied, 0);
    CU_ASSERT_EQUAL(volume_copy(volume, &alice, &from, 0, &from, 5, 10, &copied), -EINVAL);
    CU_ASSERT_EQUAL(volume_copy(volume, &alice, &from, 0, &from, 10, 10, &copied), 0);
    CU_ASSERT_TRUE(has_text(&from, 0, "01234567890123456789"));
    CU_ASSERT_EQUAL(volume_copy(volume, &bob, &from, 0, &to, 0, 1, &copied), -EACCES);
    CU_ASSERT_EQUAL(volume_copy(volume, &root, &place, 0, &to, 0, 1, &copied), -EISDIR);
    CU_ASSERT_EQUAL(volume_copy(volume, &root, &from, 0, &place, 0, 1, &copied), -EISDIR);
    CU_ASSERT_EQUAL(volume_copy(volume, &root, &from, 0, &to, INT64_MAX, 1, &copied), -EFBIG);
}

/* ---- without a name -------------------------------------------------------------------------- */

static int forget(const struct gfid *object)
{
    struct volume_request request = {.op = VOLUME_FORGET, .cred = root, .object = *object};
    int status = volume_wait(volume, &request);
    volume_request_release(&request);
    return status;
}

static int tmpfile_in(const struct gfid *place, uint32_t umask, struct attr *out_attr)
{
    struct volume_request request = {.op = VOLUME_TMPFILE,
                                     .cred = alice,
                                     .object = *place,
                                     .change = {.mask = ATTR_MODE, .mode = 0666},
                                     .umask = umask};
    int status = volume_wait(volume, &request);
    *out_attr = request.reply.object;
    volume_request_release(&request);
    return status;
}

static void test_what_has_no_name_may_get_one(void)
{
    struct gfid place = make_place("tmpfile");
    struct attr file, attr;
    CU_ASSERT_EQUAL_FATAL(tmpfile_in(&place, 027, &file), 0);
    CU_ASSERT_EQUAL(file.nlink, 0);
    CU_ASSERT_EQUAL(file.mode, 0640);
    CU_ASSERT_EQUAL(file.uid, 1001);
    CU_ASSERT_EQUAL(write_text(&file.gfid, 0, "unnamed"), 0);
    CU_ASSERT_EQUAL(volume_link(volume, &alice, &file.gfid, &place, "named", &attr), 0);
    CU_ASSERT_EQUAL(attr.nlink, 1);
    CU_ASSERT_EQUAL(volume_lookup(volume, &alice, &place, "named", &attr), 0);
    CU_ASSERT_TRUE(gfid_equal(&attr.gfid, &file.gfid));
    CU_ASSERT_TRUE(has_text(&attr.gfid, 0, "unnamed"));
    CU_ASSERT_EQUAL(forget(&file.gfid), -ESTALE); /* it has a name */
    CU_ASSERT_EQUAL_FATAL(tmpfile_in(&place, 0, &file), 0);
    CU_ASSERT_EQUAL(forget(&file.gfid), 0);
    CU_ASSERT_EQUAL(volume_getattr(volume, &alice, &file.gfid, &attr), -ESTALE);
    CU_ASSERT_EQUAL(tmpfile_in(&file.gfid, 0, &attr), -ESTALE);
}

static int remove_open(const struct gfid *place, const char *name, const char *replaces)
{
    struct volume_request request = {.op = replaces ? VOLUME_RENAME : VOLUME_REMOVE,
                                     .cred = alice,
                                     .object = *place,
                                     .name = slice_text(replaces ? replaces : name),
                                     .object2 = *place,
                                     .name2 = slice_text(replaces ? name : ""),
                                     .keep_open = true};
    int status = volume_wait(volume, &request);
    volume_request_release(&request);
    return status;
}

static void expect_kept(const struct gfid *place, const struct gfid *file)
{
    struct attr attr;
    CU_ASSERT_EQUAL(attr_of(file).nlink, 0);
    CU_ASSERT_TRUE(has_text(file, 0, "open"));
    CU_ASSERT_EQUAL(write_text(file, 4, " still"), 0);
    CU_ASSERT_TRUE(has_text(file, 0, "open still"));
    CU_ASSERT_EQUAL(set(file, "user.a", "one", 0), 0);
    CU_ASSERT_EQUAL(volume_link(volume, &alice, file, place, "again", &attr), -ENOENT);
    CU_ASSERT_EQUAL(forget(file), 0);
    CU_ASSERT_EQUAL(forget(file), -ESTALE);
    CU_ASSERT_EQUAL(volume_getattr(volume, &alice, file, &attr), -ESTALE);
}

static void test_what_is_open_is_kept(void)
{
    struct gfid place = make_place("keep");
    struct gfid file = make_file(&place, "f", &alice, 0600).gfid;
    CU_ASSERT_EQUAL(write_text(&file, 0, "open"), 0);
    CU_ASSERT_EQUAL(remove_open(&place, "f", NULL), 0);
    expect_kept(&place, &file);
    file = make_file(&place, "f", &alice, 0600).gfid;
    (void)make_file(&place, "g", &alice, 0600); /* asserts by itself */
    CU_ASSERT_EQUAL(write_text(&file, 0, "open"), 0);
    CU_ASSERT_EQUAL(remove_open(&place, "f", "g"), 0);
    expect_kept(&place, &file);
}

/* A removal that fails keeps nothing, and one name of two is not the last. */
static void test_what_has_a_name_is_not_kept(void)
{
    struct gfid place = make_place("keep-not");
    struct gfid file = make_file(&place, "f", &alice, 0600).gfid;
    struct attr attr;
    CU_ASSERT_EQUAL(volume_mkdir(volume, &alice, &place, "d", 0700, &attr), 0);
    CU_ASSERT_EQUAL(remove_open(&place, "f", "d"), -ENOTDIR);
    CU_ASSERT_EQUAL(forget(&file), -ESTALE);
    CU_ASSERT_EQUAL(volume_link(volume, &alice, &file, &place, "g", &attr), 0);
    CU_ASSERT_EQUAL(remove_open(&place, "f", NULL), 0);
    CU_ASSERT_EQUAL(forget(&file), -ESTALE);
    CU_ASSERT_EQUAL(attr_of(&file).nlink, 1);
}

/* ---- make and rename ------------------------------------------------------------------------- */

static void test_the_umask_is_taken_from_the_mode(void)
{
    struct gfid place = make_place("umask");
    static const enum volume_op ops[] = {VOLUME_CREATE, VOLUME_MKDIR, VOLUME_MKNOD};
    static const char *const names[] = {"file", "directory", "fifo"};
    for (size_t i = 0; i < 3; i++) {
        struct volume_request request = {.op = ops[i],
                                         .cred = alice,
                                         .object = place,
                                         .name = slice_text(names[i]),
                                         .type = OBJECT_FIFO,
                                         .change = {.mask = ATTR_MODE, .mode = 0777},
                                         .umask = 026};
        CU_ASSERT_EQUAL(volume_wait(volume, &request), 0);
        CU_ASSERT_EQUAL(request.reply.object.mode, 0751);
        volume_request_release(&request);
    }
}

static void test_an_exchange_moves_both(void)
{
    struct gfid place = make_place("exchange");
    struct attr directory, attr;
    struct gfid file = make_file(&place, "f", &alice, 0600).gfid;
    CU_ASSERT_EQUAL(volume_mkdir(volume, &alice, &place, "d", 0700, &directory), 0);
    struct gfid inner = make_file(&directory.gfid, "x", &alice, 0600).gfid;
    CU_ASSERT_EQUAL(volume_mkdir(volume, &alice, &place, "e", 0700, &attr), 0);
    uint32_t before = attr_of(&place).nlink;
    struct volume_request request = {.op = VOLUME_RENAME,
                                     .cred = alice,
                                     .object = place,
                                     .name = slice_text("e"),
                                     .object2 = directory.gfid,
                                     .name2 = slice_text("x"),
                                     .flags = RENAME_EXCHANGE};
    CU_ASSERT_EQUAL(volume_wait(volume, &request), 0);
    volume_request_release(&request);
    CU_ASSERT_EQUAL(attr_of(&place).nlink, before - 1); /* a directory went, a file came */
    CU_ASSERT_EQUAL(attr_of(&directory.gfid).nlink, 3);
    CU_ASSERT_EQUAL(volume_lookup(volume, &alice, &place, "e", &attr), 0);
    CU_ASSERT_TRUE(gfid_equal(&attr.gfid, &inner));
    CU_ASSERT_EQUAL(attr.nlink, 1);
    CU_ASSERT_EQUAL(volume_lookup(volume, &alice, &directory.gfid, "x", &attr), 0);
    CU_ASSERT_EQUAL(attr.type, OBJECT_DIRECTORY);
    struct gfid moved = attr.gfid;
    CU_ASSERT_EQUAL(volume_lookup(volume, &alice, &moved, "..", &attr), 0);
    CU_ASSERT_TRUE(gfid_equal(&attr.gfid, &directory.gfid));
    /* Not with what is above it, either way. */
    request.name = slice_text("d");
    CU_ASSERT_EQUAL(volume_wait(volume, &request), -EINVAL);
    volume_request_release(&request);
    request.object = directory.gfid;
    request.name = slice_text("x");
    request.object2 = place;
    request.name2 = slice_text("d");
    CU_ASSERT_NOT_EQUAL(volume_wait(volume, &request), 0);
    volume_request_release(&request);
    CU_ASSERT_EQUAL(attr_of(&file).nlink, 1);
}

static const CU_TestInfo tests[] = {
    {"extended attributes are kept", test_xattrs_are_kept},
    {"extended attributes are listed", test_xattrs_are_listed},
    {"extended attributes refuse", test_xattrs_refuse},
    {"ALLOCATE keeps bytes", test_allocating_keeps_bytes},
    {"ALLOCATE refuses", test_allocating_refuses},
    {"SEEK finds data", test_seeking_finds_data},
    {"COPY", test_copies},
    {"what has no name may get one", test_what_has_no_name_may_get_one},
    {"what is open is kept", test_what_is_open_is_kept},
    {"what has a name is not kept", test_what_has_a_name_is_not_kept},
    {"the umask is taken from the mode", test_the_umask_is_taken_from_the_mode},
    {"an exchange moves both", test_an_exchange_moves_both},
    CU_TEST_INFO_NULL,
};

int main(void)
{
    return volume_fixture_run(tests);
}
