/*
 * GETATTR: RFC 1813 section 3.3.1.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/nfs3/procedures.h"

static void root(void)
{
    fattr3 attributes = attributes_of(export_root());
    CHECK_EQUAL(attributes.type, NF3DIR);
    CHECK(attributes.nlink >= 2);
    CHECK(attributes.fileid != 0);
}

static void file(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0641);
    give_to(made, 11, 22);
    put_bytes(made, 0, "12345", 5);
    fattr3 told = attributes_of(made);
    CHECK_EQUAL(told.type, NF3REG);
    CHECK_EQUAL(told.mode & 07777, 0641);
    CHECK_EQUAL(told.nlink, 1);
    CHECK_EQUAL(told.uid, 11);
    CHECK_EQUAL(told.gid, 22);
    CHECK_EQUAL(told.size, 5);
    fattr3 root = attributes_of(export_root());
    CHECK_EQUAL(told.fsid, root.fsid);
    CHECK(told.fileid != root.fileid);
}

static void types(void)
{
    CHECK_EQUAL(attributes_of(make_directory(here(), "d", 0755)).type, NF3DIR);
    CHECK_EQUAL(attributes_of(make_symlink(here(), "l", "12345678")).type, NF3LNK);
    CHECK_EQUAL(attributes_of(make_fifo(here(), "p", 0644)).type, NF3FIFO);
    LOOKUP3res *link = call_lookup(here(), "l");
    STATUS(link, NFS3_OK);
    CHECK_EQUAL(attributes_of(&link->LOOKUP3res_u.resok.object).size, 8);
}

static void device_numbers(void)
{
    CREATE3res *made = call_mknod(here(), "c", NF3CHR, with_mode(0600), 12, 345);
    STATUS(made, NFS3_OK);
    fattr3 told = attributes_of(&made->CREATE3res_u.resok.obj.post_op_fh3_u.handle);
    CHECK_EQUAL(told.type, NF3CHR);
    CHECK_EQUAL(told.rdev.specdata1, 12);
    CHECK_EQUAL(told.rdev.specdata2, 345);
}

/* Section 2.5: fileid is unique in the file system. */
static void unique_fileid(void)
{
    fattr3 one = attributes_of(make_file(here(), "one", 0644));
    fattr3 other = attributes_of(make_file(here(), "other", 0644));
    CHECK(one.fileid != other.fileid);
}

static void needs_no_right(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0);
    as_user(99, 99);
    CHECK_EQUAL(attributes_of(made).mode & 07777, 0);
}

static void repeated(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    fattr3 one = attributes_of(made);
    fattr3 other = attributes_of(made);
    check_same(&one, &other);
}

/* Nothing but the file type makes mode; its type bits, if told at all, agree. */
static void mode_has_no_other_type(void)
{
    fattr3 told = attributes_of(make_directory(here(), "d", 0755));
    CHECK((told.mode & 0170000) == 0 || (told.mode & 0170000) == 0040000);
}

static void used(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    static const char block[65536] = {1};
    put_bytes(made, 0, block, sizeof block);
    STATUS(call_commit(made, 0, 0), NFS3_OK);
    CHECK(attributes_of(made).used >= sizeof block);
    nfs_fh3 *sparse = make_file(here(), "sparse", 0644);
    put_bytes(sparse, (uint64_t)1 << 30, "x", 1);
    STATUS(call_commit(sparse, 0, 0), NFS3_OK);
    CHECK(attributes_of(sparse).used < (uint64_t)1 << 29);
}

static void bad_handle(void)
{
    check_bad_handle(NFS3_GETATTR);
}

static void stale(void)
{
    check_stale(NFS3_GETATTR);
}

/* One bit of a good handle: however the server refuses it, it must not be another object's. */
static void spoiled_handle(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    fattr3 own = attributes_of(made);
    unsigned taken = 0;
    for (uint32_t bit = 0; bit < made->data.data_len * 8; bit++) {
        nfs_fh3 spoiled = {{.data_len = made->data.data_len}};
        spoiled.data.data_val = keep_copy(made->data.data_val, made->data.data_len);
        spoiled.data.data_val[bit / 8] = (char)(spoiled.data.data_val[bit / 8] ^ 1 << bit % 8);
        if (try_getattr(&spoiled) == NFS3_OK) {
            taken += attributes_of(&spoiled).fileid != own.fileid;
        }
    }
    CHECK_EQUAL(taken, 0);
}

/* A handle lives as long as its object, whatever its names are. */
static void handle_survives_rename(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    nfs_fh3 *directory = make_directory(here(), "directory", 0755);
    fattr3 before = attributes_of(made);
    STATUS(call_rename(here(), "file", directory, "moved"), NFS3_OK);
    STATUS(call_rename(here(), "directory", here(), "other"), NFS3_OK);
    CHECK_EQUAL(attributes_of(made).fileid, before.fileid);
}

static const struct suite_case cases[] = {
    {"3.3.1.root", "OK", root},
    {"3.3.1.file", "OK", file},
    {"3.3.1.types", "OK", types},
    {"3.3.1.device-numbers", "OK", device_numbers},
    {"3.3.1.unique-fileid", "OK", unique_fileid},
    {"3.3.1.needs-no-right", "OK", needs_no_right},
    {"3.3.1.repeated", "OK", repeated},
    {"3.3.1.mode-has-no-other-type", "OK", mode_has_no_other_type},
    {"3.3.1.used", "OK", used},
    {"3.3.1.bad-handle", "BADHANDLE", bad_handle},
    {"3.3.1.stale", "STALE", stale},
    {"3.3.1.spoiled-handle", "", spoiled_handle},
    {"3.3.1.handle-survives-rename", "OK", handle_survives_rename},
};

SUITE_GROUP(proc_getattr, "GETATTR", "IO STALE BADHANDLE SERVERFAULT", cases);
