/*
 * WRITE: RFC 1813 section 3.3.7.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include "conformance/nfs3/procedures.h"

#define OWNER 1001
#define FILL_CALLS_MAX 100000

static void check_content(nfs_fh3 *object, const char *content, uint32_t size)
{
    READ3res *read = call_read(object, 0, size + 1);
    STATUS(read, NFS3_OK);
    CHECK_EQUAL(read->READ3res_u.resok.count, size);
    CHECK(memcmp(read->READ3res_u.resok.data.data_val, content, size) == 0);
}

static WRITE3resok *write_ok(nfs_fh3 *object, uint64_t offset, const char *text, stable_how stable)
{
    WRITE3res *written = call_write(object, offset, text, (uint32_t)strlen(text), stable);
    STATUS(written, NFS3_OK);
    CHECK_EQUAL(written->WRITE3res_u.resok.count, strlen(text));
    return &written->WRITE3res_u.resok;
}

static void wcc(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    fattr3 before = attributes_of(made);
    WRITE3resok *ok = write_ok(made, 0, "hello", FILE_SYNC);
    check_wcc(&ok->file_wcc, &before, made);
    const fattr3 *after = &ok->file_wcc.after.post_op_attr_u.attributes;
    CHECK_EQUAL(after->size, 5);
    CHECK(compare_time(&after->mtime, &before.mtime) > 0);
    CHECK(compare_time(&after->ctime, &before.ctime) > 0);
    check_content(made, "hello", 5);
}

static void wcc_of_overwrite(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    (void)write_ok(made, 0, "123456789", UNSTABLE);
    fattr3 before = attributes_of(made);
    WRITE3resok *ok = write_ok(made, 3, "xyz", UNSTABLE);
    check_wcc(&ok->file_wcc, &before, made);
    CHECK_EQUAL(ok->file_wcc.after.post_op_attr_u.attributes.size, 9);
    check_content(made, "123xyz789", 9);
}

/* "committed … must be" at least what was asked. */
static void stable_how_reached(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    for (int stable = UNSTABLE; stable <= FILE_SYNC; stable++) {
        WRITE3resok *ok = write_ok(made, 0, "data", (stable_how)stable);
        CHECK((int)ok->committed >= stable && ok->committed <= FILE_SYNC);
    }
}

/* Section 3.3.7: "constant … as long as the server has not lost uncommitted data". */
static void one_verifier(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    nfs_fh3 *other = make_file(here(), "other", 0644);
    char verifier[NFS3_WRITEVERFSIZE];
    memcpy(verifier, write_ok(made, 0, "one", UNSTABLE)->verf, sizeof verifier);
    CHECK(memcmp(verifier, write_ok(made, 3, "two", FILE_SYNC)->verf, sizeof verifier) == 0);
    CHECK(memcmp(verifier, write_ok(other, 0, "three", DATA_SYNC)->verf, sizeof verifier) == 0);
    COMMIT3res *committed = call_commit(made, 0, 0);
    STATUS(committed, NFS3_OK);
    CHECK(memcmp(verifier, committed->COMMIT3res_u.resok.verf, sizeof verifier) == 0);
}

static void beyond_end(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    (void)write_ok(made, 0, "ab", UNSTABLE);
    (void)write_ok(made, 5, "cd", UNSTABLE);
    check_content(made, "ab\0\0\0cd", 7);
}

/* "If count is 0, the WRITE will succeed and return a count of 0, barring errors due to
 * permissions checking". */
static void count_0(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0600);
    WRITE3res *written = call_write(made, 100, "", 0, FILE_SYNC);
    STATUS(written, NFS3_OK);
    CHECK_EQUAL(written->WRITE3res_u.resok.count, 0);
    CHECK_EQUAL(attributes_of(made).size, 0);
    as_user(OWNER, OWNER);
    STATUS(call_write(made, 100, "", 0, FILE_SYNC), NFS3ERR_ACCES);
}

static void wtmax(void)
{
    FSINFO3res *info = call_fsinfo(here());
    STATUS(info, NFS3_OK);
    uint32_t size = info->FSINFO3res_u.resok.wtmax;
    size = size < 1 << 20 ? size : 1 << 20;
    char *data = keep_new(size);
    memset(data, 'w', size);
    nfs_fh3 *made = make_file(here(), "file", 0644);
    WRITE3res *written = call_write(made, 1, data, size, UNSTABLE);
    STATUS(written, NFS3_OK);
    CHECK_EQUAL(written->WRITE3res_u.resok.count, size);
    CHECK_EQUAL(attributes_of(made).size, (uint64_t)size + 1);
}

/* count and the length of data "must be" the same. */
static void count_and_data_differ(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    WRITE3args args = {.file = *made, .count = 3, .stable = FILE_SYNC};
    args.data.data_len = 5;
    args.data.data_val = keep_copy("12345", 5);
    WRITE3res *written = call_procedure(NFS3_WRITE, &args);
    STATUS_OF(written, NFS3_OK, NFS3ERR_INVAL);
    if (written->status == NFS3_OK) {
        CHECK(written->WRITE3res_u.resok.count <= 3);
    }
    CHECK(attributes_of(made).size <= 3);
}

/* At maxfilesize nothing more can be written; just below it, something can. */
static void largest_offset(void)
{
    FSINFO3res *info = call_fsinfo(here());
    STATUS(info, NFS3_OK);
    uint64_t most = info->FSINFO3res_u.resok.maxfilesize;
    nfs_fh3 *made = make_file(here(), "file", 0644);
    WRITE3res *written = call_write(made, most, "x", 1, UNSTABLE);
    STATUS(written, NFS3ERR_FBIG);
    STATUS(call_write(made, UINT64_MAX - 1, "x", 1, UNSTABLE), NFS3ERR_FBIG);
    CHECK_EQUAL(attributes_of(made).size, 0);
    (void)write_ok(made, most - 1, "x", UNSTABLE);
    CHECK_EQUAL(attributes_of(made).size, most);
}

static void not_writable(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    fattr3 before = attributes_of(made);
    as_user(OWNER, OWNER);
    WRITE3res *written = call_write(made, 0, "x", 1, UNSTABLE);
    STATUS(written, NFS3ERR_ACCES);
    check_wcc_unchanged(&written->WRITE3res_u.resfail.file_wcc, &before, made);
}

static void by_owner(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0444);
    give_to(made, OWNER, OWNER);
    as_user(OWNER, OWNER);
    (void)write_ok(made, 0, "x", UNSTABLE);
}

/* A write by anybody but root takes set-uid and set-gid away. */
static void drops_privilege(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0777);
    STATUS(call_setattr(made, with_mode(06777), NULL), NFS3_OK);
    as_user(OWNER, OWNER);
    (void)write_ok(made, 0, "x", UNSTABLE);
    CHECK_EQUAL(attributes_of(made).mode & 07777, 0777);
}

static void not_a_file(void)
{
    STATUS(call_write(make_symlink(here(), "link", "t"), 0, "x", 1, UNSTABLE), NFS3ERR_INVAL);
    STATUS(call_write(make_fifo(here(), "fifo", 0666), 0, "x", 1, UNSTABLE), NFS3ERR_INVAL);
}

static void directory(void)
{
    STATUS_OF(call_write(here(), 0, "x", 1, UNSTABLE), NFS3ERR_INVAL, NFS3ERR_ISDIR);
}

/* A small file system, until there is no room; what was answered with OK is there. */
static void no_space(void)
{
    if (suite_lacks(!suite_options.small, "no --small export is given")) {
        return;
    }
    nfs_fh3 *root = mount_export(suite_options.small);
    CHECK(root != NULL);
    nfs_fh3 *made = make_file(root, "full", 0644);
    char *data = keep_new(65536);
    memset(data, 'f', 65536);
    uint64_t offset = 0;
    int status = NFS3_OK;
    for (unsigned i = 0; i < FILL_CALLS_MAX && status == NFS3_OK; i++) {
        WRITE3res *written = call_write(made, offset, data, 65536, FILE_SYNC);
        status = (int)written->status;
        offset += status == NFS3_OK ? written->WRITE3res_u.resok.count : 0;
    }
    uint64_t size = attributes_of(made).size;
    STATUS(call_remove(root, "full"), NFS3_OK);
    check_status(status, NFS3ERR_NOSPC, __FILE__, __LINE__);
    CHECK_EQUAL(size, offset);
}

/* stable_how has three values. */
static void no_such_stable_how(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    struct wire wire;
    struct wire_answer answer = {0};
    struct wire_call call = {
        .program = PROGRAM_NFS, .version = 3, .procedure = NFS3_WRITE, .caller = *caller_now()};
    WRITE3args args = {.file = *made, .count = 1, .stable = (stable_how)3};
    args.data.data_len = 1;
    args.data.data_val = keep_copy("x", 1);
    wire_body(&call, arguments_proc(NFS3_WRITE), &args);
    CHECK(wire_open(&wire, WIRE_TCP, wire_port(PROGRAM_NFS, 3, WIRE_TCP), true));
    bool came = wire_call(&wire, &call, &answer);
    wire_close(&wire);
    CHECK(came);
    if (answer.stat == SUCCESS) {
        CHECK(answer.size >= 4 && memcmp(answer.body, "\0\0\0", 4) != 0);
    } else {
        CHECK_EQUAL(answer.stat, GARBAGE_ARGS);
    }
    CHECK_EQUAL(attributes_of(made).size, 0);
}

static void read_only(void)
{
    check_read_only(NFS3_WRITE);
}

static void bad_handle(void)
{
    check_bad_handle(NFS3_WRITE);
}

static void stale(void)
{
    check_stale(NFS3_WRITE);
}

static const struct suite_case cases[] = {
    {"3.3.7.wcc", "OK", wcc},
    {"3.3.7.wcc-of-overwrite", "OK", wcc_of_overwrite},
    {"3.3.7.stable-how-reached", "OK", stable_how_reached},
    {"3.3.7.no-such-stable-how", "", no_such_stable_how},
    {"3.3.7.one-verifier", "OK", one_verifier},
    {"3.3.7.beyond-end", "OK", beyond_end},
    {"3.3.7.count-0", "OK ACCES", count_0},
    {"3.3.7.count-and-data-differ", "", count_and_data_differ},
    {"3.3.7.wtmax", "OK", wtmax},
    {"3.3.7.largest-offset", "FBIG OK", largest_offset},
    {"3.3.7.not-writable", "ACCES", not_writable},
    {"3.3.7.by-owner", "OK", by_owner},
    {"3.3.7.drops-privilege", "OK", drops_privilege},
    {"3.3.7.not-a-file", "INVAL", not_a_file},
    {"3.3.7.directory", "", directory},
    {"3.3.7.no-space", "NOSPC", no_space},
    {"3.3.7.read-only", "ROFS", read_only},
    {"3.3.7.bad-handle", "BADHANDLE", bad_handle},
    {"3.3.7.stale", "STALE", stale},
};

SUITE_GROUP(proc_write, "WRITE", "IO ACCES FBIG DQUOT NOSPC ROFS INVAL STALE BADHANDLE SERVERFAULT",
            cases);
