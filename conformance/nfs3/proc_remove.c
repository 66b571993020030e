/*
 * REMOVE: RFC 1813 section 3.3.12.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/nfs3/procedures.h"

#define OWNER 1001

static void tells(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    fattr3 before = attributes_of(here());
    REMOVE3res *removed = call_remove(here(), "file");
    STATUS(removed, NFS3_OK);
    check_wcc(&removed->REMOVE3res_u.resok.dir_wcc, &before, here());
    fattr3 after = attributes_of(here());
    CHECK(compare_time(&after.ctime, &before.ctime) > 0);
    CHECK(compare_time(&after.mtime, &before.mtime) > 0);
    CHECK(!exists(here(), "file"));
    STATUS(call_getattr(made), NFS3ERR_STALE);
}

static void every_type(void)
{
    (void)make_symlink(here(), "link", "directory");
    (void)make_fifo(here(), "fifo", 0644);
    nfs_fh3 *directory = make_directory(here(), "directory", 0755);
    STATUS(call_remove(here(), "link"), NFS3_OK);
    STATUS(call_remove(here(), "fifo"), NFS3_OK);
    CHECK_EQUAL(attributes_of(directory).type, NF3DIR);
}

/* "The number of hard links … decreases"; the object goes with the last. */
static void one_name_of_two(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    STATUS(call_link(made, here(), "other"), NFS3_OK);
    fattr3 before = attributes_of(made);
    CHECK_EQUAL(before.nlink, 2);
    STATUS(call_remove(here(), "file"), NFS3_OK);
    fattr3 after = attributes_of(made);
    CHECK_EQUAL(after.nlink, 1);
    CHECK(compare_time(&after.ctime, &before.ctime) > 0);
}

static void none(void)
{
    fattr3 before = attributes_of(here());
    REMOVE3res *removed = call_remove(here(), "nothing");
    STATUS(removed, NFS3ERR_NOENT);
    check_wcc_unchanged(&removed->REMOVE3res_u.resfail.dir_wcc, &before, here());
}

/* A name made anew is another object, and the old handle does not become it. */
static void name_made_anew(void)
{
    nfs_fh3 *old = make_file(here(), "file", 0644);
    STATUS(call_remove(here(), "file"), NFS3_OK);
    nfs_fh3 *made = make_file(here(), "file", 0644);
    STATUS(call_getattr(old), NFS3ERR_STALE);
    CHECK(!same_handle(old, made));
}

static void directory(void)
{
    (void)make_directory(here(), "directory", 0755);
    REMOVE3res *removed = call_remove(here(), "directory");
    suite_check(removed->status != NFS3_OK, __FILE__, __LINE__, "a directory was removed");
    CHECK(exists(here(), "directory"));
}

static void dots(void)
{
    suite_check(call_remove(here(), ".")->status != NFS3_OK, __FILE__, __LINE__, "removed .");
    suite_check(call_remove(here(), "..")->status != NFS3_OK, __FILE__, __LINE__, "removed ..");
    CHECK_EQUAL(attributes_of(here()).type, NF3DIR);
}

static void sticky(void)
{
    nfs_fh3 *directory_of_all = make_directory(here(), "tmp", 0777);
    STATUS(call_setattr(directory_of_all, with_mode(01777), NULL), NFS3_OK);
    nfs_fh3 *made = make_file(directory_of_all, "file", 0666);
    give_to(made, OWNER, OWNER);
    as_user(1234, 1234);
    STATUS_OF(call_remove(directory_of_all, "file"), NFS3ERR_ACCES, NFS3ERR_PERM);
    as_user(OWNER, OWNER);
    STATUS(call_remove(directory_of_all, "file"), NFS3_OK);
}

/* The file's own mode is no matter. */
static void file_not_writable(void)
{
    (void)make_file(here(), "file", 0);
    as_user(1234, 1234);
    STATUS(call_remove(here(), "file"), NFS3_OK);
}

static void no_write(void)
{
    check_no_write(NFS3_REMOVE);
}

static void not_directory(void)
{
    check_not_directory(NFS3_REMOVE);
}

static void long_names(void)
{
    (void)make_file(here(), long_name(NAME_MAX_USUAL), 0644);
    STATUS(call_remove(here(), long_name(NAME_MAX_USUAL)), NFS3_OK);
    check_long_name(NFS3_REMOVE);
}

static void empty_name(void)
{
    check_empty_name(NFS3_REMOVE);
}

static void read_only(void)
{
    check_read_only(NFS3_REMOVE);
}

static void bad_handle(void)
{
    check_bad_handle(NFS3_REMOVE);
}

static void stale(void)
{
    check_stale(NFS3_REMOVE);
}

static const struct suite_case cases[] = {
    {"3.3.12.tells", "OK", tells},
    {"3.3.12.every-type", "OK", every_type},
    {"3.3.12.one-name-of-two", "OK", one_name_of_two},
    {"3.3.12.none", "NOENT", none},
    {"3.3.12.name-made-anew", "OK", name_made_anew},
    {"3.3.12.directory", "", directory},
    {"3.3.12.dots", "", dots},
    {"3.3.12.sticky", "OK", sticky},
    {"3.3.12.file-not-writable", "OK", file_not_writable},
    {"3.3.12.no-write", "ACCES", no_write},
    {"3.3.12.not-directory", "NOTDIR", not_directory},
    {"3.3.12.long-name", "OK NAMETOOLONG", long_names},
    {"3.3.12.empty-name", "", empty_name},
    {"3.3.12.read-only", "ROFS", read_only},
    {"3.3.12.bad-handle", "BADHANDLE", bad_handle},
    {"3.3.12.stale", "STALE", stale},
};

SUITE_GROUP(proc_remove, "REMOVE",
            "NOENT IO ACCES NOTDIR NAMETOOLONG ROFS STALE BADHANDLE SERVERFAULT", cases);
