/*
 * FSSTAT: RFC 1813 section 3.3.18.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/nfs3/procedures.h"

static FSSTAT3resok *stat_of(nfs_fh3 *object)
{
    FSSTAT3res *result = call_fsstat(object);
    STATUS(result, NFS3_OK);
    return &result->FSSTAT3res_u.resok;
}

static void plausible(void)
{
    FSSTAT3resok *ok = stat_of(export_root());
    CHECK(ok->tbytes > 0);
    CHECK(ok->fbytes <= ok->tbytes);
    CHECK(ok->abytes <= ok->fbytes);
    CHECK(ok->ffiles <= ok->tfiles);
    CHECK(ok->afiles <= ok->ffiles);
    check_post_op(&ok->obj_attributes, export_root());
}

static void of_any_object(void)
{
    FSSTAT3resok *root = stat_of(export_root());
    FSSTAT3resok *file = stat_of(make_file(here(), "file", 0));
    CHECK_EQUAL(root->tbytes, file->tbytes);
    as_user(1234, 1234);
    CHECK_EQUAL(stat_of(here())->tbytes, root->tbytes);
}

/* What is written is no longer free. */
static void follows_writes(void)
{
    if (suite_lacks(!suite_options.small, "no --small export is given")) {
        return;
    }
    enum { SIZE = 256 * 1024 };
    nfs_fh3 *root = mount_export(suite_options.small);
    CHECK(root != NULL);
    FSSTAT3resok *before = stat_of(root);
    nfs_fh3 *made = make_file(root, "written", 0644);
    char *data = keep_new(SIZE);
    for (size_t i = 0; i < SIZE; i++) {
        data[i] = (char)i;
    }
    put_bytes(made, 0, data, SIZE);
    STATUS(call_commit(made, 0, 0), NFS3_OK);
    FSSTAT3resok *after = stat_of(root);
    STATUS(call_remove(root, "written"), NFS3_OK);
    CHECK(after->fbytes + SIZE <= before->fbytes);
    CHECK(after->ffiles < before->ffiles || before->tfiles == 0);
}

static void bad_handle(void)
{
    check_bad_handle(NFS3_FSSTAT);
}

static void stale(void)
{
    check_stale(NFS3_FSSTAT);
}

static const struct suite_case cases[] = {
    {"3.3.18.plausible", "OK", plausible},
    {"3.3.18.of-any-object", "OK", of_any_object},
    {"3.3.18.follows-writes", "OK", follows_writes},
    {"3.3.18.bad-handle", "BADHANDLE", bad_handle},
    {"3.3.18.stale", "STALE", stale},
};

SUITE_GROUP(proc_fsstat, "FSSTAT", "IO STALE BADHANDLE SERVERFAULT", cases);
