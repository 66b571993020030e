/*
 * ACCESS: RFC 1813 section 3.3.4.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/nfs3/procedures.h"

#define OWNER 1001
#define GROUP 2001
#define ALL                                                                                        \
    (ACCESS3_READ | ACCESS3_LOOKUP | ACCESS3_MODIFY | ACCESS3_EXTEND | ACCESS3_DELETE |            \
     ACCESS3_EXECUTE)
#define CHANGE (ACCESS3_MODIFY | ACCESS3_EXTEND)

static uint32_t rights(nfs_fh3 *object, uint32_t asked)
{
    ACCESS3res *result = call_access(object, asked);
    STATUS(result, NFS3_OK);
    uint32_t granted = result->ACCESS3res_u.resok.access;
    CHECK_EQUAL(granted & ~asked, 0);
    return granted;
}

static void tells_attributes(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    ACCESS3res *result = call_access(made, ALL);
    STATUS(result, NFS3_OK);
    check_post_op(&result->ACCESS3res_u.resok.obj_attributes, made);
}

static void only_what_is_asked(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0777);
    CHECK_EQUAL(rights(made, 0), 0);
    CHECK_EQUAL(rights(made, ACCESS3_READ), ACCESS3_READ);
    CHECK_EQUAL(rights(made, ACCESS3_EXECUTE), ACCESS3_EXECUTE);
    CHECK_EQUAL(rights(made, 0xffffffc0u), 0);
}

/* File: READ, MODIFY and EXTEND, EXECUTE by the three bits, of the class that one is in. */
static void file_bits(void)
{
    static const struct {
        uint32_t mode, granted;
    } rows[] = {
        {0, 0},
        {4, ACCESS3_READ},
        {2, CHANGE},
        {1, ACCESS3_EXECUTE},
        {5, ACCESS3_READ | ACCESS3_EXECUTE},
        {7, ACCESS3_READ | CHANGE | ACCESS3_EXECUTE},
    };
    nfs_fh3 *made = make_file(here(), "file", 0);
    give_to(made, OWNER, GROUP);
    for (unsigned shift = 0; shift <= 6; shift += 3) {
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            as_root();
            STATUS(call_setattr(made, with_mode(rows[i].mode << shift), NULL), NFS3_OK);
            as_user(shift == 6 ? OWNER : 1234, shift == 3 ? GROUP : 1234);
            CHECK_EQUAL(rights(made, ACCESS3_READ | CHANGE | ACCESS3_EXECUTE), rows[i].granted);
        }
    }
}

static void first_class_decides(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0077);
    give_to(made, OWNER, GROUP);
    as_user(OWNER, GROUP);
    CHECK_EQUAL(rights(made, ACCESS3_READ), 0);
    as_root();
    STATUS(call_setattr(made, with_mode(0707), NULL), NFS3_OK);
    as_member(1234, 1234, GROUP);
    CHECK_EQUAL(rights(made, ACCESS3_READ), 0);
}

static void directory_bits(void)
{
    nfs_fh3 *made = make_directory(here(), "directory", 0);
    as_user(1234, 1234);
    CHECK_EQUAL(rights(made, ALL), 0);
    as_root();
    STATUS(call_setattr(made, with_mode(0005), NULL), NFS3_OK);
    as_user(1234, 1234);
    CHECK_EQUAL(rights(made, ALL & ~ACCESS3_EXECUTE), ACCESS3_READ | ACCESS3_LOOKUP);
    as_root();
    STATUS(call_setattr(made, with_mode(0003), NULL), NFS3_OK);
    as_user(1234, 1234);
    CHECK_EQUAL(rights(made, ALL & ~ACCESS3_EXECUTE), ACCESS3_LOOKUP | CHANGE | ACCESS3_DELETE);
}

/* Section 3.3.4: EXECUTE has "no meaning for a directory". */
static void directory_is_not_executed(void)
{
    nfs_fh3 *made = make_directory(here(), "directory", 0777);
    CHECK_EQUAL(rights(made, ACCESS3_EXECUTE), 0);
}

/* LOOKUP is about directories only. */
static void file_is_not_searched(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0777);
    CHECK_EQUAL(rights(made, ACCESS3_LOOKUP), 0);
}

static void superuser(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0);
    give_to(made, OWNER, GROUP);
    uint32_t asked = ACCESS3_READ | CHANGE | ACCESS3_EXECUTE;
    CHECK_EQUAL(rights(made, asked), ACCESS3_READ | CHANGE); /* nobody may execute it */
    STATUS(call_setattr(made, with_mode(0010), NULL), NFS3_OK);
    CHECK_EQUAL(rights(made, asked), asked);
    CHECK_EQUAL(rights(make_directory(here(), "directory", 0), ALL & ~ACCESS3_EXECUTE),
                ALL & ~ACCESS3_EXECUTE);
}

static void others(void)
{
    nfs_fh3 *link = make_symlink(here(), "link", "target");
    as_user(1234, 1234);
    CHECK_EQUAL(rights(link, ACCESS3_READ), ACCESS3_READ);
    as_root();
    nfs_fh3 *fifo = make_fifo(here(), "fifo", 0604);
    as_user(1234, 1234);
    CHECK_EQUAL(rights(fifo, ACCESS3_READ | CHANGE), ACCESS3_READ);
}

static void read_only_export(void)
{
    if (suite_lacks(!suite_options.read_only, "no --read-only export is given")) {
        return;
    }
    nfs_fh3 *root = mount_export(suite_options.read_only);
    CHECK(root != NULL);
    CHECK_EQUAL(rights(root, CHANGE | ACCESS3_DELETE), 0);
    CHECK_EQUAL(rights(root, ACCESS3_READ | ACCESS3_LOOKUP), ACCESS3_READ | ACCESS3_LOOKUP);
}

static void bad_handle(void)
{
    check_bad_handle(NFS3_ACCESS);
}

static void stale(void)
{
    check_stale(NFS3_ACCESS);
}

static const struct suite_case cases[] = {
    {"3.3.4.tells-attributes", "OK", tells_attributes},
    {"3.3.4.only-what-is-asked", "OK", only_what_is_asked},
    {"3.3.4.file-bits", "OK", file_bits},
    {"3.3.4.first-class-decides", "OK", first_class_decides},
    {"3.3.4.directory-bits", "OK", directory_bits},
    {"3.3.4.directory-is-not-executed", "OK", directory_is_not_executed},
    {"3.3.4.file-is-not-searched", "OK", file_is_not_searched},
    {"3.3.4.superuser", "OK", superuser},
    {"3.3.4.others", "OK", others},
    {"3.3.4.read-only-export", "OK", read_only_export},
    {"3.3.4.bad-handle", "BADHANDLE", bad_handle},
    {"3.3.4.stale", "STALE", stale},
};

SUITE_GROUP(proc_access, "ACCESS", "IO STALE BADHANDLE SERVERFAULT", cases);
