/*
 * RENAME: RFC 1813 section 3.3.14.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/nfs3/procedures.h"

#define OWNER 1001

static RENAME3resok *moved(nfs_fh3 *from, const char *name, nfs_fh3 *to, const char *new_name)
{
    RENAME3res *result = call_rename(from, name, to, new_name);
    STATUS(result, NFS3_OK);
    return &result->RENAME3res_u.resok;
}

static void within_directory(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    fattr3 before = attributes_of(here());
    RENAME3resok *ok = moved(here(), "file", here(), "other");
    check_wcc(&ok->fromdir_wcc, &before, here());
    check_wcc(&ok->todir_wcc, &before, here());
    CHECK(!exists(here(), "file"));
    LOOKUP3res *found = call_lookup(here(), "other");
    STATUS(found, NFS3_OK);
    CHECK(same_handle(&found->LOOKUP3res_u.resok.object, made));
}

static void between_directories(void)
{
    nfs_fh3 *from = make_directory(here(), "from", 0755);
    nfs_fh3 *to = make_directory(here(), "to", 0755);
    nfs_fh3 *made = make_file(from, "file", 0644);
    fattr3 from_before = attributes_of(from);
    fattr3 to_before = attributes_of(to);
    fattr3 before = attributes_of(made);
    RENAME3resok *ok = moved(from, "file", to, "file");
    check_wcc(&ok->fromdir_wcc, &from_before, from);
    check_wcc(&ok->todir_wcc, &to_before, to);
    fattr3 after = attributes_of(made);
    CHECK_EQUAL(after.fileid, before.fileid);
    CHECK(compare_time(&after.mtime, &before.mtime) == 0);
    fattr3 from_after = attributes_of(from);
    fattr3 to_after = attributes_of(to);
    CHECK(compare_time(&from_after.mtime, &from_before.mtime) > 0);
    CHECK(compare_time(&to_after.mtime, &to_before.mtime) > 0);
}

static void directory_moves(void)
{
    nfs_fh3 *from = make_directory(here(), "from", 0755);
    nfs_fh3 *to = make_directory(here(), "to", 0755);
    nfs_fh3 *made = make_directory(from, "directory", 0755);
    (void)moved(from, "directory", to, "directory");
    CHECK_EQUAL(attributes_of(from).nlink, 2);
    CHECK_EQUAL(attributes_of(to).nlink, 3);
    LOOKUP3res *parent = call_lookup(made, "..");
    STATUS(parent, NFS3_OK);
    CHECK_EQUAL(attributes_of(&parent->LOOKUP3res_u.resok.object).fileid, attributes_of(to).fileid);
}

static void replaces_file(void)
{
    nfs_fh3 *one = make_file(here(), "one", 0644);
    nfs_fh3 *other = make_file(here(), "other", 0644);
    (void)moved(here(), "one", here(), "other");
    CHECK(!exists(here(), "one"));
    CHECK_EQUAL(attributes_of(one).nlink, 1);
    STATUS(call_getattr(other), NFS3ERR_STALE);
}

static void replaces_symlink(void)
{
    nfs_fh3 *target = make_file(here(), "target", 0644);
    (void)make_symlink(here(), "link", "target");
    (void)make_file(here(), "file", 0644);
    (void)moved(here(), "file", here(), "link");
    CHECK_EQUAL(attributes_of(target).nlink, 1);
}

static void replaces_empty_directory(void)
{
    nfs_fh3 *one = make_directory(here(), "one", 0755);
    (void)make_file(one, "file", 0644);
    (void)make_directory(here(), "other", 0755);
    fattr3 before = attributes_of(here());
    (void)moved(here(), "one", here(), "other");
    CHECK_EQUAL(attributes_of(here()).nlink, before.nlink - 1);
    CHECK(exists(one, "file"));
}

static void onto_full_directory(void)
{
    (void)make_directory(here(), "one", 0755);
    (void)make_file(make_directory(here(), "other", 0755), "file", 0644);
    fattr3 before = attributes_of(here());
    RENAME3res *result = call_rename(here(), "one", here(), "other");
    STATUS_OF(result, NFS3ERR_NOTEMPTY, NFS3ERR_EXIST);
    check_wcc_unchanged(&result->RENAME3res_u.resfail.fromdir_wcc, &before, here());
    check_wcc_unchanged(&result->RENAME3res_u.resfail.todir_wcc, &before, here());
}

/* The two must be "compatible"; EXIST is allowed, and the other names tell the client more. */
static void file_onto_directory(void)
{
    (void)make_file(here(), "file", 0644);
    (void)make_directory(here(), "directory", 0755);
    STATUS_OF(call_rename(here(), "file", here(), "directory"), NFS3ERR_ISDIR, NFS3ERR_EXIST);
    CHECK(exists(here(), "file"));
}

static void directory_onto_file(void)
{
    (void)make_file(here(), "file", 0644);
    (void)make_directory(here(), "directory", 0755);
    STATUS_OF(call_rename(here(), "directory", here(), "file"), NFS3ERR_NOTDIR, NFS3ERR_EXIST);
    CHECK(exists(here(), "directory"));
}

/* "If … refer to the same file …, RENAME should perform no action and return success." */
static void onto_itself(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    (void)moved(here(), "file", here(), "file");
    CHECK(exists(here(), "file"));
    STATUS(call_link(made, here(), "link"), NFS3_OK);
    (void)moved(here(), "file", here(), "link");
    CHECK(exists(here(), "file") && exists(here(), "link"));
    CHECK_EQUAL(attributes_of(made).nlink, 2);
}

static void into_itself(void)
{
    nfs_fh3 *directory = make_directory(here(), "directory", 0755);
    nfs_fh3 *below = make_directory(directory, "below", 0755);
    STATUS(call_rename(here(), "directory", directory, "x"), NFS3ERR_INVAL);
    STATUS(call_rename(here(), "directory", below, "x"), NFS3ERR_INVAL);
    CHECK(exists(here(), "directory"));
}

static void none(void)
{
    STATUS(call_rename(here(), "nothing", here(), "other"), NFS3ERR_NOENT);
}

static void dots(void)
{
    nfs_fh3 *directory = make_directory(here(), "directory", 0755);
    (void)make_file(here(), "file", 0644);
    suite_check(call_rename(directory, ".", here(), "x")->status != NFS3_OK, __FILE__, __LINE__,
                "moved .");
    suite_check(call_rename(directory, "..", here(), "x")->status != NFS3_OK, __FILE__, __LINE__,
                "moved ..");
    suite_check(call_rename(here(), "file", directory, ".")->status != NFS3_OK, __FILE__, __LINE__,
                "moved to .");
    suite_check(call_rename(here(), "file", directory, "..")->status != NFS3_OK, __FILE__, __LINE__,
                "moved to ..");
    CHECK(exists(here(), "file") && exists(here(), "directory"));
}

static void second_directory(void)
{
    (void)make_file(here(), "file", 0644);
    nfs_fh3 *other = make_file(here(), "other", 0644);
    STATUS(call_rename(here(), "file", other, "x"), NFS3ERR_NOTDIR);
    nfs_fh3 *gone = make_directory(here(), "gone", 0755);
    STATUS(call_rmdir(here(), "gone"), NFS3_OK);
    STATUS(call_rename(here(), "file", gone, "x"), NFS3ERR_STALE);
    nfs_fh3 *closed = make_directory(here(), "closed", 0755);
    as_user(1234, 1234);
    STATUS(call_rename(here(), "file", closed, "x"), NFS3ERR_ACCES);
}

static void second_handle_bad(void)
{
    (void)make_file(here(), "file", 0644);
    char bytes[] = "nobody's handle";
    nfs_fh3 bad = {{.data_len = sizeof bytes, .data_val = bytes}};
    STATUS(call_rename(here(), "file", &bad, "x"), NFS3ERR_BADHANDLE);
}

static void sticky(void)
{
    nfs_fh3 *directory = make_directory(here(), "tmp", 0777);
    STATUS(call_setattr(directory, with_mode(01777), NULL), NFS3_OK);
    (void)make_file(directory, "of-root", 0666);
    as_user(OWNER, OWNER);
    (void)make_file(directory, "own", 0666);
    STATUS_OF(call_rename(directory, "of-root", here(), "x"), NFS3ERR_ACCES, NFS3ERR_PERM);
    STATUS_OF(call_rename(directory, "own", directory, "of-root"), NFS3ERR_ACCES, NFS3ERR_PERM);
    STATUS(call_rename(directory, "own", directory, "mine"), NFS3_OK);
}

static void other_file_system(void)
{
    if (suite_lacks(!suite_options.other, "no --other export is given")) {
        return;
    }
    nfs_fh3 *other = mount_export(suite_options.other);
    CHECK(other != NULL);
    (void)make_file(here(), "file", 0644);
    STATUS(call_rename(here(), "file", other, "file"), NFS3ERR_XDEV);
    CHECK(exists(here(), "file"));
}

static void long_names(void)
{
    (void)make_file(here(), "file", 0644);
    STATUS(call_rename(here(), "file", here(), long_name(NAME_MAX_USUAL + 1)), NFS3ERR_NAMETOOLONG);
    (void)moved(here(), "file", here(), long_name(NAME_MAX_USUAL));
    check_long_name(NFS3_RENAME);
}

static void empty_name(void)
{
    check_empty_name(NFS3_RENAME);
}

static void no_write(void)
{
    check_no_write(NFS3_RENAME);
}

static void not_directory(void)
{
    check_not_directory(NFS3_RENAME);
}

static void read_only(void)
{
    check_read_only(NFS3_RENAME);
}

static void bad_handle(void)
{
    check_bad_handle(NFS3_RENAME);
}

static void stale(void)
{
    check_stale(NFS3_RENAME);
}

static const struct suite_case cases[] = {
    {"3.3.14.within-directory", "OK", within_directory},
    {"3.3.14.between-directories", "OK", between_directories},
    {"3.3.14.directory-moves", "OK", directory_moves},
    {"3.3.14.replaces-file", "OK", replaces_file},
    {"3.3.14.replaces-symlink", "OK", replaces_symlink},
    {"3.3.14.replaces-empty-directory", "OK", replaces_empty_directory},
    {"3.3.14.onto-full-directory", "NOTEMPTY|EXIST", onto_full_directory},
    {"3.3.14.file-onto-directory", "ISDIR|EXIST", file_onto_directory},
    {"3.3.14.directory-onto-file", "NOTDIR|EXIST", directory_onto_file},
    {"3.3.14.onto-itself", "OK", onto_itself},
    {"3.3.14.into-itself", "INVAL", into_itself},
    {"3.3.14.none", "NOENT", none},
    {"3.3.14.dots", "", dots},
    {"3.3.14.second-directory", "NOTDIR STALE ACCES", second_directory},
    {"3.3.14.second-handle-bad", "BADHANDLE", second_handle_bad},
    {"3.3.14.sticky", "OK", sticky},
    {"3.3.14.other-file-system", "XDEV", other_file_system},
    {"3.3.14.long-name", "OK NAMETOOLONG", long_names},
    {"3.3.14.empty-name", "", empty_name},
    {"3.3.14.no-write", "ACCES", no_write},
    {"3.3.14.not-directory", "NOTDIR", not_directory},
    {"3.3.14.read-only", "ROFS", read_only},
    {"3.3.14.bad-handle", "BADHANDLE", bad_handle},
    {"3.3.14.stale", "STALE", stale},
};

SUITE_GROUP(proc_rename, "RENAME",
            "NOENT IO ACCES EXIST XDEV NOTDIR ISDIR INVAL NOSPC ROFS MLINK NAMETOOLONG NOTEMPTY "
            "DQUOT STALE BADHANDLE NOTSUPP SERVERFAULT",
            cases);
