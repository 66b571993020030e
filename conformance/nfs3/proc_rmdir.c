/*
 * RMDIR: RFC 1813 section 3.3.13.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/nfs3/procedures.h"

static void tells(void)
{
    nfs_fh3 *made = make_directory(here(), "directory", 0755);
    fattr3 before = attributes_of(here());
    REMOVE3res *removed = call_rmdir(here(), "directory");
    STATUS(removed, NFS3_OK);
    check_wcc(&removed->REMOVE3res_u.resok.dir_wcc, &before, here());
    fattr3 after = attributes_of(here());
    CHECK_EQUAL(after.nlink, before.nlink - 1);
    CHECK(compare_time(&after.mtime, &before.mtime) > 0);
    CHECK(!exists(here(), "directory"));
    STATUS(call_getattr(made), NFS3ERR_STALE);
}

static void none(void)
{
    STATUS(call_rmdir(here(), "nothing"), NFS3ERR_NOENT);
}

static void not_empty(void)
{
    nfs_fh3 *made = make_directory(here(), "directory", 0755);
    (void)make_file(made, "file", 0644);
    fattr3 before = attributes_of(here());
    REMOVE3res *removed = call_rmdir(here(), "directory");
    STATUS_OF(removed, NFS3ERR_NOTEMPTY, NFS3ERR_EXIST);
    check_wcc_unchanged(&removed->REMOVE3res_u.resfail.dir_wcc, &before, here());
    STATUS(call_remove(made, "file"), NFS3_OK);
    STATUS(call_rmdir(here(), "directory"), NFS3_OK);
}

/* "." is NFS3ERR_INVAL, ".." NFS3ERR_EXIST. */
static void dot(void)
{
    STATUS(call_rmdir(here(), "."), NFS3ERR_INVAL);
}

static void dotdot(void)
{
    STATUS(call_rmdir(make_directory(here(), "directory", 0755), ".."), NFS3ERR_EXIST);
}

static void a_file(void)
{
    (void)make_file(here(), "file", 0644);
    (void)make_symlink(here(), "link", ".");
    STATUS(call_rmdir(here(), "file"), NFS3ERR_NOTDIR);
    STATUS(call_rmdir(here(), "link"), NFS3ERR_NOTDIR);
    CHECK(exists(here(), "file") && exists(here(), "link"));
}

static void sticky(void)
{
    nfs_fh3 *directory = make_directory(here(), "tmp", 0777);
    STATUS(call_setattr(directory, with_mode(01777), NULL), NFS3_OK);
    (void)make_directory(directory, "of-root", 0777);
    as_user(1234, 1234);
    STATUS_OF(call_rmdir(directory, "of-root"), NFS3ERR_ACCES, NFS3ERR_PERM);
}

static void no_write(void)
{
    check_no_write(NFS3_RMDIR);
}

static void not_directory(void)
{
    check_not_directory(NFS3_RMDIR);
}

static void long_names(void)
{
    check_long_name(NFS3_RMDIR);
}

static void empty_name(void)
{
    check_empty_name(NFS3_RMDIR);
}

static void read_only(void)
{
    check_read_only(NFS3_RMDIR);
}

static void bad_handle(void)
{
    check_bad_handle(NFS3_RMDIR);
}

static void stale(void)
{
    check_stale(NFS3_RMDIR);
}

static const struct suite_case cases[] = {
    {"3.3.13.tells", "OK", tells},
    {"3.3.13.none", "NOENT", none},
    {"3.3.13.not-empty", "NOTEMPTY|EXIST OK", not_empty},
    {"3.3.13.dot", "INVAL", dot},
    {"3.3.13.dotdot", "EXIST", dotdot},
    {"3.3.13.a-file", "NOTDIR", a_file},
    {"3.3.13.sticky", "", sticky},
    {"3.3.13.no-write", "ACCES", no_write},
    {"3.3.13.not-directory", "NOTDIR", not_directory},
    {"3.3.13.long-name", "NAMETOOLONG", long_names},
    {"3.3.13.empty-name", "", empty_name},
    {"3.3.13.read-only", "ROFS", read_only},
    {"3.3.13.bad-handle", "BADHANDLE", bad_handle},
    {"3.3.13.stale", "STALE", stale},
};

SUITE_GROUP(proc_rmdir, "RMDIR",
            "NOENT IO ACCES INVAL EXIST NOTDIR NAMETOOLONG ROFS NOTEMPTY STALE BADHANDLE NOTSUPP "
            "SERVERFAULT",
            cases);
