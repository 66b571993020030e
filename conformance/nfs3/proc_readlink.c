/*
 * READLINK: RFC 1813 section 3.3.5.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include "conformance/nfs3/procedures.h"

static void check_target(nfs_fh3 *link, const char *target)
{
    READLINK3res *read = call_readlink(link);
    STATUS(read, NFS3_OK);
    CHECK(strcmp(read->READLINK3res_u.resok.data, target) == 0);
    check_post_op(&read->READLINK3res_u.resok.symlink_attributes, link);
    CHECK_EQUAL(attributes_of(link).size, strlen(target));
}

static void tells(void)
{
    check_target(make_symlink(here(), "link", "some/where"), "some/where");
}

/* "The server does not interpret" what is in a link. */
static void any_text(void)
{
    static const char *const targets[] = {"/", "..", "a//b/", "\xff\x01\n ", "nfs://host/", "-"};
    char name[2] = "a";
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++, name[0]++) {
        check_target(make_symlink(here(), name, targets[i]), targets[i]);
    }
}

static void long_target(void)
{
    check_target(make_symlink(here(), "link", long_name(1000)), long_name(1000));
}

static void by_anybody(void)
{
    nfs_fh3 *link = make_symlink(here(), "link", "target");
    as_user(1234, 1234);
    STATUS(call_readlink(link), NFS3_OK);
}

static void not_a_link(void)
{
    STATUS(call_readlink(make_file(here(), "file", 0644)), NFS3ERR_INVAL);
    STATUS(call_readlink(make_directory(here(), "directory", 0755)), NFS3ERR_INVAL);
    STATUS(call_readlink(make_fifo(here(), "fifo", 0644)), NFS3ERR_INVAL);
}

static void bad_handle(void)
{
    check_bad_handle(NFS3_READLINK);
}

static void stale(void)
{
    check_stale(NFS3_READLINK);
}

static const struct suite_case cases[] = {
    {"3.3.5.tells", "OK", tells},
    {"3.3.5.any-text", "OK", any_text},
    {"3.3.5.long-target", "OK", long_target},
    {"3.3.5.by-anybody", "OK", by_anybody},
    {"3.3.5.not-a-link", "INVAL", not_a_link},
    {"3.3.5.bad-handle", "BADHANDLE", bad_handle},
    {"3.3.5.stale", "STALE", stale},
};

SUITE_GROUP(proc_readlink, "READLINK", "IO INVAL ACCES STALE BADHANDLE NOTSUPP SERVERFAULT", cases);
