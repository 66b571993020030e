/*
 * MKDIR: RFC 1813 section 3.3.9.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/nfs3/procedures.h"

static void is_empty(void)
{
    nfs_fh3 *made = make_directory(here(), "new", 0755);
    READDIR3res *listing = call_readdir(made, 0, NULL, 4096);
    STATUS(listing, NFS3_OK);
    unsigned entries = 0;
    for (entry3 *entry = listing->READDIR3res_u.resok.reply.entries; entry;
         entry = entry->nextentry) {
        CHECK(entry->name[0] == '.');
        entries++;
    }
    CHECK(entries == 2 || entries == 0);
    CHECK(listing->READDIR3res_u.resok.reply.eof);
}

/* What is made in a set-gid directory is set-gid itself, as BSD's and Linux' trees go on. */
static void set_gid_is_inherited(void)
{
    nfs_fh3 *parent = make_directory(here(), "parent", 02777);
    give_to(parent, 0, 555);
    STATUS(call_setattr(parent, with_mode(02777), NULL), NFS3_OK);
    as_user(1001, 2001);
    fattr3 told = attributes_of(make_directory(parent, "new", 0755));
    CHECK_EQUAL(told.gid, 555);
    CHECK_EQUAL(told.mode & 07777, 02755);
}

static void times_are_set(void)
{
    sattr3 *change = with_mode(0700);
    change->mtime.set_it = SET_TO_CLIENT_TIME;
    change->mtime.set_mtime_u.mtime.seconds = 4242;
    CREATE3res *made = call_mkdir(here(), "new", change);
    STATUS(made, NFS3_OK);
    const fattr3 *told = &made->CREATE3res_u.resok.obj_attributes.post_op_attr_u.attributes;
    CHECK_EQUAL(told->mtime.seconds, 4242);
}

static void tells(void)
{
    made_tells(NFS3_MKDIR);
}

static void exists_already(void)
{
    made_exists(NFS3_MKDIR);
}

static void dots(void)
{
    made_dots(NFS3_MKDIR);
}

static void longest_name(void)
{
    made_name_255(NFS3_MKDIR);
}

static void empty_name(void)
{
    check_empty_name(NFS3_MKDIR);
}

static void slash(void)
{
    made_slash(NFS3_MKDIR);
}

static void owned(void)
{
    made_is_owned(NFS3_MKDIR);
}

static void touches(void)
{
    made_touches(NFS3_MKDIR);
}

static void no_write(void)
{
    check_no_write(NFS3_MKDIR);
}

static void not_directory(void)
{
    check_not_directory(NFS3_MKDIR);
}

static void no_space(void)
{
    made_fills(NFS3_MKDIR);
}

static void read_only(void)
{
    check_read_only(NFS3_MKDIR);
}

static void bad_handle(void)
{
    check_bad_handle(NFS3_MKDIR);
}

static void stale(void)
{
    check_stale(NFS3_MKDIR);
}

static const struct suite_case cases[] = {
    {"3.3.9.tells", "OK", tells},
    {"3.3.9.exists", "EXIST", exists_already},
    {"3.3.9.dots", "", dots},
    {"3.3.9.longest-name", "OK NAMETOOLONG", longest_name},
    {"3.3.9.empty-name", "", empty_name},
    {"3.3.9.slash", "", slash},
    {"3.3.9.owned", "OK", owned},
    {"3.3.9.touches-directory", "OK", touches},
    {"3.3.9.no-write", "ACCES", no_write},
    {"3.3.9.not-directory", "NOTDIR", not_directory},
    {"3.3.9.no-space", "NOSPC", no_space},
    {"3.3.9.read-only", "ROFS", read_only},
    {"3.3.9.bad-handle", "BADHANDLE", bad_handle},
    {"3.3.9.stale", "STALE", stale},
    {"3.3.9.is-empty", "OK", is_empty},
    {"3.3.9.set-gid-is-inherited", "OK", set_gid_is_inherited},
    {"3.3.9.times-are-set", "OK", times_are_set},
};

SUITE_GROUP(
    proc_mkdir, "MKDIR",
    "IO ACCES EXIST NOTDIR NOSPC ROFS NAMETOOLONG DQUOT STALE BADHANDLE NOTSUPP SERVERFAULT",
    cases);
