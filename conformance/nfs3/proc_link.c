/*
 * LINK: RFC 1813 section 3.3.15.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include "conformance/nfs3/procedures.h"

#define OWNER 1001
/* A server that permits more names is not tried to the end. */
#define LINKS_TRIED_MAX 70000
#define FILL_CALLS_MAX 100000

static void tells(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    nfs_fh3 *directory = make_directory(here(), "directory", 0755);
    fattr3 before = attributes_of(directory);
    fattr3 object_before = attributes_of(made);
    LINK3res *linked = call_link(made, directory, "link");
    STATUS(linked, NFS3_OK);
    check_wcc(&linked->LINK3res_u.resok.linkdir_wcc, &before, directory);
    check_post_op(&linked->LINK3res_u.resok.file_attributes, made);
    fattr3 after = attributes_of(made);
    CHECK_EQUAL(after.nlink, 2);
    CHECK(compare_time(&after.ctime, &object_before.ctime) > 0);
    CHECK(compare_time(&after.mtime, &object_before.mtime) == 0);
    LOOKUP3res *found = call_lookup(directory, "link");
    STATUS(found, NFS3_OK);
    CHECK(same_handle(&found->LOOKUP3res_u.resok.object, made));
}

static void check_linkable(nfs_fh3 *object, const char *name)
{
    STATUS(call_link(object, here(), name), NFS3_OK);
    CHECK_EQUAL(attributes_of(object).nlink, 2);
}

static void every_type(void)
{
    check_linkable(make_symlink(here(), "symlink", "nothing"), "a");
    check_linkable(make_fifo(here(), "fifo", 0644), "b");
    CREATE3res *made = call_mknod(here(), "device", NF3CHR, with_mode(0600), 1, 3);
    STATUS(made, NFS3_OK);
    check_linkable(&made->CREATE3res_u.resok.obj.post_op_fh3_u.handle, "c");
}

static void of_directory(void)
{
    nfs_fh3 *made = make_directory(here(), "directory", 0755);
    fattr3 before = attributes_of(here());
    LINK3res *linked = call_link(made, here(), "link");
    STATUS(linked, NFS3ERR_INVAL);
    check_wcc_unchanged(&linked->LINK3res_u.resfail.linkdir_wcc, &before, here());
    CHECK(!exists(here(), "link"));
}

static void name_exists(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    (void)make_file(here(), "other", 0644);
    fattr3 before = attributes_of(here());
    LINK3res *linked = call_link(made, here(), "other");
    STATUS(linked, NFS3ERR_EXIST);
    check_wcc_unchanged(&linked->LINK3res_u.resfail.linkdir_wcc, &before, here());
    STATUS(call_link(made, here(), "file"), NFS3ERR_EXIST);
    CHECK_EQUAL(attributes_of(made).nlink, 1);
}

static void dots(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    STATUS_OF(call_link(made, here(), "."), NFS3ERR_EXIST, NFS3ERR_INVAL);
    STATUS_OF(call_link(made, here(), ".."), NFS3ERR_EXIST, NFS3ERR_INVAL);
}

static void other_file_system(void)
{
    if (suite_lacks(!suite_options.other, "no --other export is given")) {
        return;
    }
    nfs_fh3 *other = mount_export(suite_options.other);
    CHECK(other != NULL);
    nfs_fh3 *made = make_file(here(), "file", 0644);
    STATUS(call_link(made, other, "conformance-link"), NFS3ERR_XDEV);
    CHECK_EQUAL(attributes_of(made).nlink, 1);
}

/* PATHCONF's linkmax is true: so many names, and not one more. */
static void linkmax(void)
{
    PATHCONF3res *limits = call_pathconf(here());
    STATUS(limits, NFS3_OK);
    uint32_t most = limits->PATHCONF3res_u.resok.linkmax;
    if (suite_lacks(most > LINKS_TRIED_MAX, "linkmax is %u, which is not tried", most) ||
        suite_lacks(!suite_options.is_long, "needs --long: linkmax is %u", most)) {
        return;
    }
    nfs_fh3 *made = make_file(here(), "file", 0644);
    nfs_fh3 *directory = make_directory(here(), "directory", 0755);
    for (uint32_t i = 1; i < most; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%u", i);
        STATUS(call_link(made, directory, name), NFS3_OK);
    }
    STATUS(call_link(made, directory, "one-more"), NFS3ERR_MLINK);
    CHECK_EQUAL(attributes_of(made).nlink, most);
}

static void no_space(void)
{
    if (suite_lacks(!suite_options.small, "no --small export is given")) {
        return;
    }
    nfs_fh3 *root = mount_export(suite_options.small);
    CHECK(root != NULL);
    nfs_fh3 *directory = make_directory(root, "full", 0777);
    nfs_fh3 *file = make_file(root, "to-link", 0644);
    int status = NFS3_OK;
    unsigned made = 0;
    char name[NAME_MAX_USUAL + 1];
    while (status == NFS3_OK && made < FILL_CALLS_MAX) {
        (void)snprintf(name, sizeof name, "%0200u", made);
        status = (int)call_link(file, directory, name)->status;
        made += status == NFS3_OK;
    }
    for (unsigned i = 0; i < made; i++) {
        (void)snprintf(name, sizeof name, "%0200u", i);
        STATUS(call_remove(directory, name), NFS3_OK);
    }
    STATUS(call_remove(root, "to-link"), NFS3_OK);
    STATUS(call_rmdir(root, "full"), NFS3_OK);
    check_status(status, NFS3ERR_NOSPC, __FILE__, __LINE__);
}

static void file_stale(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    STATUS(call_remove(here(), "file"), NFS3_OK);
    STATUS(call_link(made, here(), "link"), NFS3ERR_STALE);
    CHECK(!exists(here(), "link"));
}

static void file_handle_bad(void)
{
    char bytes[] = "nobody's handle";
    nfs_fh3 bad = {{.data_len = sizeof bytes, .data_val = bytes}};
    STATUS(call_link(&bad, here(), "link"), NFS3ERR_BADHANDLE);
}

/* Only the directory's rights count. */
static void of_foreign_file(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0666);
    as_user(OWNER, OWNER);
    STATUS(call_link(made, here(), "link"), NFS3_OK);
}

static void no_write(void)
{
    check_no_write(NFS3_LINK);
}

static void not_directory(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    STATUS(call_link(made, made, "link"), NFS3ERR_NOTDIR);
}

static void long_names(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    STATUS(call_link(made, here(), long_name(NAME_MAX_USUAL)), NFS3_OK);
    STATUS(call_link(made, here(), long_name(NAME_MAX_USUAL + 1)), NFS3ERR_NAMETOOLONG);
}

static void empty_name(void)
{
    check_empty_name(NFS3_LINK);
}

static void read_only(void)
{
    check_read_only(NFS3_LINK);
}

static void bad_handle(void)
{
    check_bad_handle(NFS3_LINK);
}

static void stale(void)
{
    check_stale(NFS3_LINK);
}

static const struct suite_case cases[] = {
    {"3.3.15.tells", "OK", tells},
    {"3.3.15.every-type", "OK", every_type},
    {"3.3.15.of-directory", "INVAL", of_directory},
    {"3.3.15.name-exists", "EXIST", name_exists},
    {"3.3.15.dots", "", dots},
    {"3.3.15.other-file-system", "XDEV", other_file_system},
    {"3.3.15.linkmax", "MLINK OK", linkmax},
    {"3.3.15.no-space", "NOSPC", no_space},
    {"3.3.15.file-stale", "STALE", file_stale},
    {"3.3.15.file-handle-bad", "BADHANDLE", file_handle_bad},
    {"3.3.15.of-foreign-file", "OK", of_foreign_file},
    {"3.3.15.no-write", "ACCES", no_write},
    {"3.3.15.not-directory", "NOTDIR", not_directory},
    {"3.3.15.long-name", "OK NAMETOOLONG", long_names},
    {"3.3.15.empty-name", "", empty_name},
    {"3.3.15.read-only", "ROFS", read_only},
    {"3.3.15.bad-handle", "BADHANDLE", bad_handle},
    {"3.3.15.stale", "STALE", stale},
};

SUITE_GROUP(proc_link, "LINK",
            "IO ACCES EXIST XDEV NOTDIR INVAL NOSPC ROFS MLINK NAMETOOLONG DQUOT STALE BADHANDLE "
            "NOTSUPP SERVERFAULT",
            cases);
