/*
 * READ: RFC 1813 section 3.3.6.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include "conformance/nfs3/procedures.h"

#define SIZE 10000
#define OWNER 1001

static char pattern[SIZE];

static nfs_fh3 *make_pattern(void)
{
    for (size_t i = 0; i < SIZE; i++) {
        pattern[i] = (char)(i * 7 + i / 256);
    }
    nfs_fh3 *made = make_file(here(), "file", 0644);
    put_bytes(made, 0, pattern, SIZE);
    return made;
}

static void check_read(nfs_fh3 *object, uint64_t offset, uint32_t count, uint32_t wanted, bool eof)
{
    READ3res *read = call_read(object, offset, count);
    STATUS(read, NFS3_OK);
    const READ3resok *ok = &read->READ3res_u.resok;
    CHECK_EQUAL(ok->count, wanted);
    CHECK_EQUAL(ok->data.data_len, wanted);
    CHECK_EQUAL(ok->eof != 0, eof);
    CHECK(memcmp(ok->data.data_val, pattern + (offset < SIZE ? offset : 0), wanted) == 0);
}

static void whole(void)
{
    nfs_fh3 *made = make_pattern();
    READ3res *read = call_read(made, 0, SIZE);
    STATUS(read, NFS3_OK);
    CHECK(read->READ3res_u.resok.file_attributes.attributes_follow);
    check_post_op(&read->READ3res_u.resok.file_attributes, made);
    check_read(made, 0, SIZE, SIZE, true);
}

/* eof is true exactly if the read reaches the end. */
static void eof(void)
{
    nfs_fh3 *made = make_pattern();
    check_read(made, 0, SIZE - 1, SIZE - 1, false);
    check_read(made, 0, SIZE, SIZE, true);
    check_read(made, 0, SIZE + 1, SIZE, true);
    check_read(made, SIZE - 1, 1, 1, true);
    check_read(made, SIZE - 2, 1, 1, false);
}

static void beyond_end(void)
{
    nfs_fh3 *made = make_pattern();
    check_read(made, SIZE, 10, 0, true);
    check_read(made, SIZE + 1, 10, 0, true);
    check_read(made, (uint64_t)1 << 40, 10, 0, true);
}

static void largest_offset(void)
{
    nfs_fh3 *made = make_pattern();
    READ3res *read = call_read(made, UINT64_MAX - 5, 100);
    STATUS_OF(read, NFS3_OK, NFS3ERR_INVAL);
    if (read->status == NFS3_OK) {
        CHECK_EQUAL(read->READ3res_u.resok.count, 0);
        CHECK(read->READ3res_u.resok.eof);
    }
}

/* "If count is 0, the READ will succeed and return 0 bytes of data, subject to access
 * permissions". */
static void count_0(void)
{
    nfs_fh3 *made = make_pattern();
    check_read(made, 0, 0, 0, false);
    check_read(made, SIZE, 0, 0, true);
    STATUS(call_setattr(made, with_mode(0600), NULL), NFS3_OK);
    as_user(OWNER, OWNER);
    STATUS(call_read(made, 0, 0), NFS3ERR_ACCES);
}

static void empty_file(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    check_read(made, 0, 100, 0, true);
}

static void unaligned(void)
{
    nfs_fh3 *made = make_pattern();
    for (uint32_t offset = 1; offset < 9; offset++) {
        check_read(made, offset * 511, 1021, 1021, false);
    }
}

static void hole(void)
{
    memset(pattern, 0, sizeof pattern);
    nfs_fh3 *made = make_file(here(), "file", 0644);
    put_bytes(made, (uint64_t)1 << 33, "x", 1);
    READ3res *read = call_read(made, (uint64_t)1 << 32, 5000);
    STATUS(read, NFS3_OK);
    CHECK_EQUAL(read->READ3res_u.resok.count, 5000);
    CHECK(memcmp(read->READ3res_u.resok.data.data_val, pattern, 5000) == 0);
    CHECK(!read->READ3res_u.resok.eof);
}

/* A server may read less than is asked, never more, and says the end only at the end. */
static void more_than_rtmax(void)
{
    FSINFO3res *info = call_fsinfo(here());
    STATUS(info, NFS3_OK);
    uint32_t rtmax = info->FSINFO3res_u.resok.rtmax;
    if (suite_lacks(rtmax > 1 << 20, "rtmax is %u, more than is tried", rtmax)) {
        return;
    }
    nfs_fh3 *made = make_file(here(), "file", 0644);
    sattr3 change = {.size.set_it = TRUE};
    change.size.set_size3_u.size = (uint64_t)rtmax * 3;
    STATUS(call_setattr(made, &change, NULL), NFS3_OK);
    READ3res *read = call_read(made, 0, rtmax * 2);
    STATUS(read, NFS3_OK);
    CHECK(read->READ3res_u.resok.count > 0 && read->READ3res_u.resok.count <= rtmax * 2);
    CHECK(!read->READ3res_u.resok.eof);
}

static void rtmax(void)
{
    FSINFO3res *info = call_fsinfo(here());
    STATUS(info, NFS3_OK);
    uint32_t size = info->FSINFO3res_u.resok.rtmax;
    size = size < 1 << 20 ? size : 1 << 20;
    nfs_fh3 *made = make_file(here(), "file", 0644);
    sattr3 change = {.size.set_it = TRUE};
    change.size.set_size3_u.size = size;
    STATUS(call_setattr(made, &change, NULL), NFS3_OK);
    READ3res *read = call_read(made, 0, size);
    STATUS(read, NFS3_OK);
    CHECK_EQUAL(read->READ3res_u.resok.count, size);
}

static void not_readable(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0622);
    as_user(OWNER, OWNER);
    READ3res *read = call_read(made, 0, 10);
    STATUS(read, NFS3ERR_ACCES);
}

/* Section 4.4: the owner, whatever the mode; and who may execute, since programs are paged in. */
static void owner_and_executable(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0);
    give_to(made, OWNER, OWNER);
    as_user(OWNER, OWNER);
    STATUS(call_read(made, 0, 10), NFS3_OK);
    as_root();
    STATUS(call_setattr(made, with_mode(0001), NULL), NFS3_OK);
    as_user(77, 77);
    STATUS(call_read(made, 0, 10), NFS3_OK);
}

static void not_a_file(void)
{
    STATUS(call_read(make_symlink(here(), "link", "target"), 0, 10), NFS3ERR_INVAL);
    STATUS(call_read(make_fifo(here(), "fifo", 0644), 0, 10), NFS3ERR_INVAL);
    CREATE3res *made = call_mknod(here(), "null", NF3CHR, with_mode(0666), 1, 3);
    STATUS(made, NFS3_OK);
    STATUS(call_read(&made->CREATE3res_u.resok.obj.post_op_fh3_u.handle, 0, 10), NFS3ERR_INVAL);
}

static void directory(void)
{
    STATUS_OF(call_read(here(), 0, 10), NFS3ERR_INVAL, NFS3ERR_ISDIR);
}

static void after_removal_of_one_name(void)
{
    nfs_fh3 *made = make_pattern();
    STATUS(call_link(made, here(), "other"), NFS3_OK);
    STATUS(call_remove(here(), "file"), NFS3_OK);
    check_read(made, 0, SIZE, SIZE, true);
}

static void bad_handle(void)
{
    check_bad_handle(NFS3_READ);
}

static void stale(void)
{
    check_stale(NFS3_READ);
}

static const struct suite_case cases[] = {
    {"3.3.6.whole", "OK", whole},
    {"3.3.6.eof", "OK", eof},
    {"3.3.6.beyond-end", "OK", beyond_end},
    {"3.3.6.largest-offset", "", largest_offset},
    {"3.3.6.count-0", "OK ACCES", count_0},
    {"3.3.6.empty-file", "OK", empty_file},
    {"3.3.6.unaligned", "OK", unaligned},
    {"3.3.6.hole", "OK", hole},
    {"3.3.6.rtmax", "OK", rtmax},
    {"3.3.6.more-than-rtmax", "OK", more_than_rtmax},
    {"3.3.6.not-readable", "ACCES", not_readable},
    {"3.3.6.owner-and-executable", "OK", owner_and_executable},
    {"3.3.6.not-a-file", "INVAL", not_a_file},
    {"3.3.6.directory", "", directory},
    {"3.3.6.after-removal-of-one-name", "OK", after_removal_of_one_name},
    {"3.3.6.bad-handle", "BADHANDLE", bad_handle},
    {"3.3.6.stale", "STALE", stale},
};

SUITE_GROUP(proc_read, "READ", "IO NXIO ACCES INVAL STALE BADHANDLE SERVERFAULT", cases);
