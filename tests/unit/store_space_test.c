/*
 * Space of files: ALLOCATE and SEEK.
 *
 * Goal: sizes, bytes, times and disk used are as fallocate(2) and lseek(2) say, on a directory, in
 * memory, and on a file system that has no such calls; what is done again changes nothing.
 * Method: wishes with known outcomes; fallocate itself is replaced by one that can be told to lack
 * modes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "tests/lib/store_check.h"
#include "tests/lib/store_fixture.h"

#define KEEP FALLOC_FL_KEEP_SIZE
#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define ZERO FALLOC_FL_ZERO_RANGE
#define EVERY (~0)
#define BLOCK 4096

static struct store_fixture fixture;
static struct operation operation;
static int lacking;     /* modes of which any bit is in it are refused; EVERY: all */
static int interrupted; /* so many calls are interrupted by a signal */
static bool full;

/* In place of the C library's. */
int fallocate(int fd, int mode, off_t offset, off_t length)
{
    if (interrupted > 0) {
        interrupted--;
        errno = EINTR;
        return -1;
    }
    if (full) {
        errno = ENOSPC;
        return -1;
    }
    if (lacking == EVERY || mode & lacking) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length)
{
    return fallocate(fd, mode, offset, length);
}

static int allocate(struct gfid file, int flags, uint64_t offset, uint64_t length)
{
    struct mutation wish = wish_allocate(file, (uint32_t)flags, offset, length);
    return fixture_mutate(&fixture, &wish, slice_of(NULL, 0), &operation);
}

static int allocate_as(uint32_t uid, struct gfid file, int flags, uint64_t offset, uint64_t length)
{
    struct mutation wish = wish_allocate(file, (uint32_t)flags, offset, length);
    wish.cred.uid = uid;
    return fixture_mutate(&fixture, &wish, slice_of(NULL, 0), &operation);
}

static struct gfid make_filled(const char *name, size_t size)
{
    static uint8_t bytes[256 * 1024];
    struct gfid file = fixture_make(&fixture, GFID_ROOT, name, OBJECT_FILE);
    struct mutation wish = wish_write(file, 0, (uint32_t)size);
    memset(bytes, 'x', size);
    CU_ASSERT_EQUAL(fixture_mutate(&fixture, &wish, slice_of(bytes, size), &operation), 0);
    return file;
}

/* Is every byte from one place up to another this one, at every store? */
static bool all_are(struct gfid file, char byte, uint64_t from, uint64_t to)
{
    bool all = true;
    for (uint32_t i = 0; i < fixture.count; i++) {
        static uint8_t bytes[256 * 1024];
        uint32_t count = 0;
        all &= store_read(fixture.stores[i], &file, from, (uint32_t)(to - from), false, bytes,
                          &count) == 0 &&
               count == to - from;
        for (uint32_t at = 0; all && at < count; at++) {
            all = bytes[at] == (uint8_t)byte;
        }
    }
    return all;
}

static int seek(uint32_t i, struct gfid file, uint64_t offset, int whence, uint64_t *out_offset)
{
    *out_offset = UINT64_MAX;
    return store_seek(fixture.stores[i], &file, offset, whence, out_offset);
}

static void compare(void)
{
    uint64_t digest = store_digest(fixture.stores[0]);
    for (uint32_t i = 0; i < fixture.count; i++) {
        CU_ASSERT_EQUAL(store_digest(fixture.stores[i]), digest);
        CU_ASSERT_EQUAL(store_compare(fixture.stores[i], fixture.paths[0], TREE_CONTENTS), 0);
    }
}

/* Each mode by its effect, whatever the file system lacks. */
static void modes(void)
{
    store_fixture_open(&fixture, 1, 1);
    struct gfid file = make_filled("file", 10000);
    CU_ASSERT_EQUAL(allocate(file, KEEP, 5000, 20000), 0);
    CU_ASSERT_EQUAL(operation.object.size, 10000);
    CU_ASSERT(all_are(file, 'x', 0, 10000));
    CU_ASSERT_EQUAL(allocate(file, 0, 9000, 5000), 0);
    CU_ASSERT_EQUAL(operation.object.size, 14000);
    CU_ASSERT(all_are(file, 'x', 0, 10000) && all_are(file, 0, 10000, 14000));
    CU_ASSERT_EQUAL(allocate(file, PUNCH, 100, 8000), 0);
    CU_ASSERT_EQUAL(operation.object.size, 14000);
    CU_ASSERT(all_are(file, 'x', 0, 100) && all_are(file, 0, 100, 8100));
    CU_ASSERT(all_are(file, 'x', 8100, 10000));
    CU_ASSERT_EQUAL(allocate(file, PUNCH, 9990, 100000), 0);
    CU_ASSERT_EQUAL(operation.object.size, 14000);
    CU_ASSERT(all_are(file, 'x', 8100, 9990) && all_are(file, 0, 9990, 14000));
    CU_ASSERT_EQUAL(allocate(file, ZERO | KEEP, 50, 20), 0);
    CU_ASSERT(all_are(file, 'x', 0, 50) && all_are(file, 0, 50, 70) && all_are(file, 'x', 70, 100));
    CU_ASSERT_EQUAL(allocate(file, ZERO | KEEP, 9000, 50000), 0);
    CU_ASSERT_EQUAL(operation.object.size, 14000);
    CU_ASSERT(all_are(file, 'x', 8100, 9000) && all_are(file, 0, 9000, 14000));
    CU_ASSERT_EQUAL(allocate(file, ZERO, 8200, 90000), 0);
    CU_ASSERT_EQUAL(operation.object.size, 98200);
    CU_ASSERT(all_are(file, 'x', 8100, 8200) && all_are(file, 0, 8200, 98200));
    compare();
    store_fixture_close(&fixture);
}

static void modes_have_their_effects(void)
{
    lacking = 0;
    modes();
}

static void what_a_disk_lacks_is_done_otherwise(void)
{
    lacking = FALLOC_FL_ZERO_RANGE;
    modes();
    lacking = EVERY;
    modes();
    lacking = 0;
    interrupted = 5;
    modes();
    CU_ASSERT_EQUAL(interrupted, 0);
}

static void refusals_are_linux(void)
{
    store_fixture_open(&fixture, 0, 1);
    struct gfid file = make_filled("file", 100);
    struct gfid directory = fixture_make(&fixture, GFID_ROOT, "directory", OBJECT_DIRECTORY);
    struct gfid fifo = fixture_make(&fixture, GFID_ROOT, "fifo", OBJECT_FIFO);
    struct gfid none = gfid_make(0, 9, 12345);
    static const int unknown[] = {FALLOC_FL_PUNCH_HOLE,
                                  PUNCH | ZERO,
                                  FALLOC_FL_COLLAPSE_RANGE,
                                  FALLOC_FL_INSERT_RANGE,
                                  FALLOC_FL_UNSHARE_RANGE,
                                  FALLOC_FL_NO_HIDE_STALE,
                                  1 << 30};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        CU_ASSERT_EQUAL(allocate(file, unknown[i], 0, BLOCK), -EOPNOTSUPP);
    }
    CU_ASSERT_EQUAL(allocate(file, 0, 0, 0), -EINVAL);
    CU_ASSERT_EQUAL(allocate(none, 0, 0, 1), -ESTALE);
    CU_ASSERT_EQUAL(allocate(directory, 0, 0, 1), -EISDIR);
    CU_ASSERT_EQUAL(allocate(fifo, 0, 0, 1), -ENODEV);
    CU_ASSERT_EQUAL(allocate(file, 0, FILE_SIZE_MAX, 1), -EFBIG);
    CU_ASSERT_EQUAL(allocate(file, KEEP, 1, FILE_SIZE_MAX), -EFBIG);
    CU_ASSERT_EQUAL(allocate(file, KEEP, UINT64_MAX, UINT64_MAX), -EFBIG);
    CU_ASSERT_EQUAL(allocate_as(1000, file, 0, 0, 1), -EACCES);
    fixture.bytes_free = 10000;
    CU_ASSERT_EQUAL(allocate(file, 0, 0, 10001), -ENOSPC);
    CU_ASSERT_EQUAL(allocate(file, ZERO | KEEP, 0, 10001), -ENOSPC);
    CU_ASSERT_EQUAL(allocate(file, PUNCH, 0, 10001), 0);
    CU_ASSERT_EQUAL(allocate(file, 0, 0, 10000), 0);
    store_fixture_close(&fixture);
}

static void privilege_and_times_are_as_after_a_write(void)
{
    store_fixture_open(&fixture, 1, 0);
    struct gfid file = make_filled("file", 100);
    struct mutation mode =
        wish_setattr(file, (struct attr_change){.mask = ATTR_MODE, .mode = 06777});
    CU_ASSERT_EQUAL(fixture_mutate(&fixture, &mode, slice_of(NULL, 0), &operation), 0);
    struct timestamp ctime = operation.object.ctime;
    CU_ASSERT_EQUAL(allocate_as(0, file, KEEP, 0, 10), 0);
    CU_ASSERT_EQUAL(operation.object.mode, 06777);
    CU_ASSERT(timestamp_compare(&operation.object.ctime, &ctime) > 0);
    CU_ASSERT_EQUAL(timestamp_compare(&operation.object.mtime, &operation.object.ctime), 0);
    CU_ASSERT(operation.object_before.present);
    CU_ASSERT_EQUAL(allocate_as(1000, file, KEEP, 0, 10), 0);
    CU_ASSERT_EQUAL(operation.object.mode, 0777);
    compare();
    store_fixture_close(&fixture);
}

static uint64_t used_after(struct gfid file, int flags, uint64_t offset, uint64_t length)
{
    CU_ASSERT_EQUAL(allocate(file, flags, offset, length), 0);
    return operation.object.used;
}

static void used_is_never_less_than_the_data(void)
{
    store_fixture_open(&fixture, 0, 1);
    struct gfid empty = fixture_make(&fixture, GFID_ROOT, "empty", OBJECT_FILE);
    CU_ASSERT_EQUAL(used_after(empty, KEEP, 0, 3 * BLOCK + 1), 4 * BLOCK);
    CU_ASSERT_EQUAL(used_after(empty, PUNCH, 0, BLOCK), 0); /* and the rest is not data */
    struct gfid file = make_filled("file", 10 * BLOCK + 5);
    CU_ASSERT_EQUAL(operation.object.used, 11 * BLOCK);
    CU_ASSERT_EQUAL(used_after(file, 0, 0, 10), 11 * BLOCK);
    CU_ASSERT_EQUAL(used_after(file, KEEP, 10 * BLOCK, 5 * BLOCK), 15 * BLOCK);
    CU_ASSERT_EQUAL(used_after(file, PUNCH, 1, BLOCK), 11 * BLOCK);
    CU_ASSERT_EQUAL(used_after(file, PUNCH, BLOCK - 1, 3 * BLOCK), 9 * BLOCK);
    CU_ASSERT_EQUAL(used_after(file, PUNCH, 0, 10 * BLOCK + 4), BLOCK);
    CU_ASSERT_EQUAL(used_after(file, ZERO, BLOCK, 1), 2 * BLOCK);
    CU_ASSERT_EQUAL(used_after(file, PUNCH, 0, 10 * BLOCK + 5), 0);
    CU_ASSERT_EQUAL(used_after(file, 0, 0, 10 * BLOCK), 10 * BLOCK);
    CU_ASSERT_EQUAL(used_after(file, 0, 20 * BLOCK, BLOCK), 11 * BLOCK);
    CU_ASSERT_EQUAL(used_after(file, PUNCH, 30 * BLOCK, BLOCK), 11 * BLOCK);
    /* A hole in a hole leaves the data alone. */
    struct gfid sparse = fixture_make(&fixture, GFID_ROOT, "sparse", OBJECT_FILE);
    fixture_write(&fixture, sparse, 100 * BLOCK, "data");
    CU_ASSERT_EQUAL(used_after(sparse, PUNCH, 0, 50 * BLOCK), BLOCK);
    store_fixture_close(&fixture);
}

/* Data at 64 to 68 KiB of a file of 200 KiB. */
static void seek_finds_data_and_holes(void)
{
    const uint64_t data = 16 * BLOCK;
    uint64_t at;
    store_fixture_open(&fixture, 1, 1);
    struct gfid file = fixture_make(&fixture, GFID_ROOT, "file", OBJECT_FILE);
    struct gfid link = fixture_make(&fixture, GFID_ROOT, "link", OBJECT_SYMLINK);
    struct gfid empty = fixture_make(&fixture, GFID_ROOT, "empty", OBJECT_FILE);
    fixture_write(&fixture, file, data, "data");
    CU_ASSERT_EQUAL(allocate(file, 0, data, BLOCK), 0);
    struct mutation cut =
        wish_setattr(file, (struct attr_change){.mask = ATTR_SIZE, .size = 50 * BLOCK});
    CU_ASSERT_EQUAL(fixture_mutate(&fixture, &cut, slice_of(NULL, 0), &operation), 0);
    for (uint32_t i = 0; i < fixture.count; i++) {
        CU_ASSERT(seek(i, file, 0, SEEK_DATA, &at) == 0 && at == data);
        CU_ASSERT(seek(i, file, data + 3, SEEK_DATA, &at) == 0 && at == data + 3);
        CU_ASSERT_EQUAL(seek(i, file, data + BLOCK, SEEK_DATA, &at), -ENXIO);
        CU_ASSERT(seek(i, file, 7, SEEK_HOLE, &at) == 0 && at == 7);
        CU_ASSERT_EQUAL(seek(i, file, data + 7, SEEK_HOLE, &at), 0);
        CU_ASSERT(at > data + 7 && at <= data + BLOCK); /* blocks may be smaller than ours */
        CU_ASSERT(seek(i, file, 50 * BLOCK - 1, SEEK_HOLE, &at) == 0 && at == 50 * BLOCK - 1);
        CU_ASSERT_EQUAL(seek(i, file, 50 * BLOCK, SEEK_HOLE, &at), -ENXIO);
        CU_ASSERT_EQUAL(seek(i, file, 50 * BLOCK, SEEK_DATA, &at), -ENXIO);
        CU_ASSERT_EQUAL(seek(i, file, UINT64_MAX, SEEK_DATA, &at), -ENXIO);
        CU_ASSERT_EQUAL(seek(i, empty, 0, SEEK_HOLE, &at), -ENXIO);
        CU_ASSERT_EQUAL(seek(i, file, 0, SEEK_SET, &at), -EINVAL);
        CU_ASSERT_EQUAL(seek(i, link, 0, SEEK_DATA, &at), -EINVAL);
        CU_ASSERT_EQUAL(seek(i, GFID_ROOT, 0, SEEK_DATA, &at), -EINVAL);
        CU_ASSERT_EQUAL(seek(i, gfid_make(0, 9, 9), 0, SEEK_DATA, &at), -ESTALE);
    }
    /* Full to its end: the hole is there. */
    struct gfid full_file = make_filled("full", 10000);
    for (uint32_t i = 0; i < fixture.count; i++) {
        CU_ASSERT(seek(i, full_file, 1, SEEK_HOLE, &at) == 0 && at == 10000);
        CU_ASSERT(seek(i, full_file, 9999, SEEK_DATA, &at) == 0 && at == 9999);
    }
    struct mutation made = wish_make(GFID_ROOT, "sequenced", OBJECT_FILE, 0644);
    CU_ASSERT_EQUAL(fixture_sequence(&fixture, &made, &operation), 0);
    CU_ASSERT_EQUAL(seek(0, operation.object.gfid, 0, SEEK_DATA, &at), -EAGAIN);
    CU_ASSERT_EQUAL(store_apply(fixture.stores[0], &operation, slice_of(NULL, 0)), 0);
    store_fixture_close(&fixture);
}

/* A member sends again what may be missing; in order, the outcome is the same. */
static void done_again_it_changes_nothing(void)
{
    store_fixture_open(&fixture, 1, 0);
    struct gfid file = fixture_make(&fixture, GFID_ROOT, "file", OBJECT_FILE);
    uint64_t first = fixture.index + 1;
    fixture_write(&fixture, file, 0, "0123456789");
    CU_ASSERT_EQUAL(allocate(file, PUNCH, 2, 3), 0);
    fixture_write(&fixture, file, 3, "ab");
    CU_ASSERT_EQUAL(allocate(file, ZERO, 8, 5000), 0);
    fixture_write(&fixture, file, 9, "end");
    struct mutation cut = wish_setattr(file, (struct attr_change){.mask = ATTR_SIZE, .size = 11});
    CU_ASSERT_EQUAL(fixture_mutate(&fixture, &cut, slice_of(NULL, 0), &operation), 0);
    CU_ASSERT_EQUAL(allocate(file, 0, 0, 16), 0);
    uint64_t digest = store_digest(fixture.stores[0]);
    static const char *const bulks[] = {"0123456789", "", "ab", "", "end", "", ""};
    for (uint64_t i = first; i <= fixture.index; i++) {
        uint8_t bytes[OPERATION_SIZE_MAX];
        size_t size;
        CU_ASSERT_EQUAL(store_log_read(fixture.stores[0], i, bytes, sizeof bytes, &size), 0);
        CU_ASSERT_EQUAL(operation_decode(slice_of(bytes, size), &operation), 0);
        CU_ASSERT_EQUAL(store_apply(fixture.stores[0], &operation, slice_text(bulks[i - first])),
                        0);
    }
    uint8_t bytes[32];
    uint32_t count = 0;
    CU_ASSERT_EQUAL(store_read(fixture.stores[0], &file, 0, 32, false, bytes, &count), 0);
    CU_ASSERT(count == 16 && memcmp(bytes, "01\0ab567\0en\0\0\0\0\0", 16) == 0);
    CU_ASSERT_EQUAL(store_digest(fixture.stores[0]), digest);
    compare();
    store_fixture_close(&fixture);
}

static void a_full_disk_is_told(void)
{
    struct statfs_info before;
    struct statfs_info after;
    store_fixture_open(&fixture, 1, 0);
    struct store *store = fixture.stores[0];
    struct gfid file = fixture_make(&fixture, GFID_ROOT, "file", OBJECT_FILE);
    struct mutation wish = wish_allocate(file, 0, 0, 1 << 20);
    CU_ASSERT_EQUAL(store_statfs(store, &before), 0);
    CU_ASSERT_EQUAL(fixture_sequence(&fixture, &wish, &operation), 0);
    /* It counts before the tree has it, and still after. */
    CU_ASSERT_EQUAL(store_statfs(store, &after), 0);
    CU_ASSERT(after.bytes_free + (1 << 20) <= before.bytes_free);
    CU_ASSERT_EQUAL(store_apply(store, &operation, slice_of(NULL, 0)), 0);
    CU_ASSERT_EQUAL(store_statfs(store, &after), 0);
    CU_ASSERT(after.bytes_free + (1 << 20) <= before.bytes_free);
    /* What was decided and cannot be done has failed the brick. */
    full = true;
    CU_ASSERT_EQUAL(fixture_sequence(&fixture, &wish, &operation), 0);
    CU_ASSERT_EQUAL(store_apply(store, &operation, slice_of(NULL, 0)), -ENOSPC);
    CU_ASSERT_EQUAL(store_apply(store, &operation, slice_of(NULL, 0)), -EIO);
    full = false;
    store_fixture_close(&fixture);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("space", NULL, NULL);
    CU_ADD_TEST(suite, modes_have_their_effects);
    CU_ADD_TEST(suite, what_a_disk_lacks_is_done_otherwise);
    CU_ADD_TEST(suite, refusals_are_linux);
    CU_ADD_TEST(suite, privilege_and_times_are_as_after_a_write);
    CU_ADD_TEST(suite, used_is_never_less_than_the_data);
    CU_ADD_TEST(suite, seek_finds_data_and_holes);
    CU_ADD_TEST(suite, done_again_it_changes_nothing);
    CU_ADD_TEST(suite, a_full_disk_is_told);
    CU_basic_run_tests();
    unsigned int failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
