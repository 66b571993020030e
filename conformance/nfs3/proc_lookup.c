/*
 * LOOKUP: RFC 1813 section 3.3.3.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/nfs3/procedures.h"

static void tells(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    LOOKUP3res *found = call_lookup(here(), "file");
    STATUS(found, NFS3_OK);
    LOOKUP3resok *ok = &found->LOOKUP3res_u.resok;
    CHECK(same_handle(&ok->object, made));
    check_post_op(&ok->obj_attributes, made);
    check_post_op(&ok->dir_attributes, here());
}

static void symlink_is_not_followed(void)
{
    (void)make_file(here(), "file", 0644);
    (void)make_symlink(here(), "link", "file");
    LOOKUP3res *found = call_lookup(here(), "link");
    STATUS(found, NFS3_OK);
    CHECK_EQUAL(attributes_of(&found->LOOKUP3res_u.resok.object).type, NF3LNK);
}

static void dot(void)
{
    LOOKUP3res *found = call_lookup(here(), ".");
    STATUS(found, NFS3_OK);
    CHECK_EQUAL(attributes_of(&found->LOOKUP3res_u.resok.object).fileid,
                attributes_of(here()).fileid);
}

static void dotdot(void)
{
    nfs_fh3 *below = make_directory(here(), "below", 0755);
    LOOKUP3res *found = call_lookup(below, "..");
    STATUS(found, NFS3_OK);
    CHECK_EQUAL(attributes_of(&found->LOOKUP3res_u.resok.object).fileid,
                attributes_of(here()).fileid);
}

/* Section 5: nothing above what is exported can be reached. */
static void dotdot_of_root(void)
{
    LOOKUP3res *found = call_lookup(export_root(), "..");
    if (found->status == NFS3_OK) {
        CHECK_EQUAL(attributes_of(&found->LOOKUP3res_u.resok.object).fileid,
                    attributes_of(export_root()).fileid);
    } else {
        STATUS_OF(found, NFS3ERR_NOENT, NFS3ERR_ACCES);
    }
}

static void none(void)
{
    LOOKUP3res *found = call_lookup(here(), "nothing");
    STATUS(found, NFS3ERR_NOENT);
    if (found->LOOKUP3res_u.resfail.dir_attributes.attributes_follow) {
        check_post_op(&found->LOOKUP3res_u.resfail.dir_attributes, here());
    }
}

static void case_and_bytes_count(void)
{
    (void)make_file(here(), "Name", 0644);
    (void)make_file(here(), "\xff\xfe\x01 ", 0644);
    CHECK(exists(here(), "Name"));
    CHECK(!exists(here(), "name"));
    CHECK(!exists(here(), "Name "));
    CHECK(exists(here(), "\xff\xfe\x01 "));
}

static void slash(void)
{
    (void)make_file(make_directory(here(), "a", 0755), "b", 0644);
    LOOKUP3res *found = call_lookup(here(), "a/b");
    STATUS_OF(found, NFS3ERR_ACCES, NFS3ERR_NOENT);
}

static void needs_search_only(void)
{
    nfs_fh3 *directory = make_directory(here(), "directory", 0711);
    (void)make_file(directory, "name", 0);
    as_user(1234, 1234);
    STATUS(call_lookup(directory, "name"), NFS3_OK);
}

static void group_may_search(void)
{
    nfs_fh3 *directory = make_directory(here(), "directory", 0710);
    (void)make_file(directory, "name", 0);
    give_to(directory, 0, 777);
    as_user(1234, 1234);
    STATUS(call_lookup(directory, "name"), NFS3ERR_ACCES);
    as_member(1234, 1234, 777);
    STATUS(call_lookup(directory, "name"), NFS3_OK);
}

static void no_search(void)
{
    check_no_search(NFS3_LOOKUP);
}

static void not_directory(void)
{
    check_not_directory(NFS3_LOOKUP);
}

static void long_names(void)
{
    (void)make_file(here(), long_name(NAME_MAX_USUAL), 0644);
    CHECK(exists(here(), long_name(NAME_MAX_USUAL)));
    check_long_name(NFS3_LOOKUP);
}

static void empty_name(void)
{
    check_empty_name(NFS3_LOOKUP);
}

static void bad_handle(void)
{
    check_bad_handle(NFS3_LOOKUP);
}

static void stale(void)
{
    check_stale(NFS3_LOOKUP);
}

static const struct suite_case cases[] = {
    {"3.3.3.tells", "OK", tells},
    {"3.3.3.symlink-is-not-followed", "OK", symlink_is_not_followed},
    {"3.3.3.dot", "OK", dot},
    {"3.3.3.dotdot", "OK", dotdot},
    {"3.3.3.dotdot-of-root", "", dotdot_of_root},
    {"3.3.3.none", "NOENT", none},
    {"3.3.3.case-and-bytes-count", "OK NOENT", case_and_bytes_count},
    {"3.3.3.slash", "", slash},
    {"3.3.3.needs-search-only", "OK", needs_search_only},
    {"3.3.3.group-may-search", "OK ACCES", group_may_search},
    {"3.3.3.no-search", "ACCES", no_search},
    {"3.3.3.not-directory", "NOTDIR", not_directory},
    {"3.3.3.long-name", "NAMETOOLONG", long_names},
    {"3.3.3.empty-name", "", empty_name},
    {"3.3.3.bad-handle", "BADHANDLE", bad_handle},
    {"3.3.3.stale", "STALE", stale},
};

SUITE_GROUP(proc_lookup, "LOOKUP", "IO NOENT ACCES NOTDIR NAMETOOLONG STALE BADHANDLE SERVERFAULT",
            cases);
