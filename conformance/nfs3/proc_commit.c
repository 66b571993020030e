/*
 * COMMIT: RFC 1813 section 3.3.21.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include "conformance/nfs3/procedures.h"

static COMMIT3resok *committed(nfs_fh3 *object, uint64_t offset, uint32_t count)
{
    COMMIT3res *result = call_commit(object, offset, count);
    STATUS(result, NFS3_OK);
    return &result->COMMIT3res_u.resok;
}

static void tells(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    put_bytes(made, 0, "12345", 5);
    fattr3 before = attributes_of(made);
    COMMIT3resok *ok = committed(made, 0, 0);
    check_wcc_unchanged(&ok->file_wcc, &before, made);
    CHECK(ok->file_wcc.after.attributes_follow);
}

/* Before and after, as every change tells them; COMMIT itself changes nothing. */
static void wcc(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    put_bytes(made, 0, "12345", 5);
    fattr3 before = attributes_of(made);
    check_wcc(&committed(made, 0, 0)->file_wcc, &before, made);
}

static void ranges(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    put_bytes(made, 0, "12345", 5);
    (void)committed(made, 0, 5);
    (void)committed(made, 2, 0); /* to the end */
    (void)committed(made, 5, 100);
    (void)committed(made, (uint64_t)1 << 40, 0xffffffff);
    (void)committed(made, 4096, 1);
}

static void again(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    char verifier[NFS3_WRITEVERFSIZE];
    memcpy(verifier, committed(made, 0, 0)->verf, sizeof verifier);
    CHECK(memcmp(verifier, committed(made, 0, 0)->verf, sizeof verifier) == 0);
}

/* Whoever wrote may commit, though the mode has changed since. */
static void by_writer(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0622);
    as_user(1234, 1234);
    put_bytes(made, 0, "12345", 5);
    (void)committed(made, 0, 0);
}

static void content_stays(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    put_bytes(made, 0, "12345", 5);
    (void)committed(made, 0, 0);
    READ3res *read = call_read(made, 0, 10);
    STATUS(read, NFS3_OK);
    CHECK(memcmp(read->READ3res_u.resok.data.data_val, "12345", 5) == 0);
}

static void bad_handle(void)
{
    check_bad_handle(NFS3_COMMIT);
}

static void stale(void)
{
    check_stale(NFS3_COMMIT);
}

static const struct suite_case cases[] = {
    {"3.3.21.tells", "OK", tells},
    {"3.3.21.wcc", "OK", wcc},
    {"3.3.21.ranges", "OK", ranges},
    {"3.3.21.again", "OK", again},
    {"3.3.21.by-writer", "OK", by_writer},
    {"3.3.21.content-stays", "OK", content_stays},
    {"3.3.21.bad-handle", "BADHANDLE", bad_handle},
    {"3.3.21.stale", "STALE", stale},
};

SUITE_GROUP(proc_commit, "COMMIT", "IO STALE BADHANDLE SERVERFAULT", cases);
