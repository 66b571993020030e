/*
 * MKNOD: RFC 1813 section 3.3.11.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/nfs3/procedures.h"

static void check_type(const char *name, ftype3 type, uint32_t major, uint32_t minor)
{
    CREATE3res *made = call_mknod(here(), name, type, with_mode(0620), major, minor);
    STATUS(made, NFS3_OK);
    const fattr3 *told = &made->CREATE3res_u.resok.obj_attributes.post_op_attr_u.attributes;
    CHECK_EQUAL(told->type, type);
    CHECK_EQUAL(told->mode & 07777, 0620);
    if (type == NF3CHR || type == NF3BLK) {
        CHECK_EQUAL(told->rdev.specdata1, major);
        CHECK_EQUAL(told->rdev.specdata2, minor);
    }
}

static void every_type(void)
{
    check_type("character", NF3CHR, 1, 3);
    check_type("block", NF3BLK, 7, 200);
    check_type("socket", NF3SOCK, 0, 0);
    check_type("fifo", NF3FIFO, 0, 0);
}

/* Linux keeps 12 and 20 bits. */
static void large_device_numbers(void)
{
    check_type("large", NF3CHR, 4095, 1048575);
}

static void bad_types(void)
{
    static const ftype3 types[] = {NF3REG, NF3DIR, NF3LNK};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        STATUS(call_mknod(here(), "new", types[i], NULL, 0, 0), NFS3ERR_BADTYPE);
    }
    CHECK(!exists(here(), "new"));
}

/* Devices are root's to make; sockets and pipes anybody's. */
static void devices_by_user(void)
{
    as_user(1001, 1001);
    STATUS_OF(call_mknod(here(), "device", NF3CHR, with_mode(0666), 1, 3), NFS3ERR_PERM,
              NFS3ERR_ACCES);
    STATUS(call_mknod(here(), "fifo", NF3FIFO, with_mode(0666), 0, 0), NFS3_OK);
    STATUS(call_mknod(here(), "socket", NF3SOCK, with_mode(0666), 0, 0), NFS3_OK);
}

static void tells(void)
{
    made_tells(NFS3_MKNOD);
}

static void exists_already(void)
{
    made_exists(NFS3_MKNOD);
}

static void dots(void)
{
    made_dots(NFS3_MKNOD);
}

static void longest_name(void)
{
    made_name_255(NFS3_MKNOD);
}

static void empty_name(void)
{
    check_empty_name(NFS3_MKNOD);
}

static void slash(void)
{
    made_slash(NFS3_MKNOD);
}

static void owned(void)
{
    made_is_owned(NFS3_MKNOD);
}

static void touches(void)
{
    made_touches(NFS3_MKNOD);
}

static void no_write(void)
{
    check_no_write(NFS3_MKNOD);
}

static void not_directory(void)
{
    check_not_directory(NFS3_MKNOD);
}

static void no_space(void)
{
    made_fills(NFS3_MKNOD);
}

static void read_only(void)
{
    check_read_only(NFS3_MKNOD);
}

static void bad_handle(void)
{
    check_bad_handle(NFS3_MKNOD);
}

static void stale(void)
{
    check_stale(NFS3_MKNOD);
}

static const struct suite_case cases[] = {
    {"3.3.11.tells", "OK", tells},
    {"3.3.11.exists", "EXIST", exists_already},
    {"3.3.11.dots", "", dots},
    {"3.3.11.longest-name", "OK NAMETOOLONG", longest_name},
    {"3.3.11.empty-name", "", empty_name},
    {"3.3.11.slash", "", slash},
    {"3.3.11.owned", "OK", owned},
    {"3.3.11.touches-directory", "OK", touches},
    {"3.3.11.no-write", "ACCES", no_write},
    {"3.3.11.not-directory", "NOTDIR", not_directory},
    {"3.3.11.no-space", "NOSPC", no_space},
    {"3.3.11.read-only", "ROFS", read_only},
    {"3.3.11.bad-handle", "BADHANDLE", bad_handle},
    {"3.3.11.stale", "STALE", stale},
    {"3.3.11.every-type", "OK", every_type},
    {"3.3.11.large-device-numbers", "OK", large_device_numbers},
    {"3.3.11.bad-types", "BADTYPE", bad_types},
    {"3.3.11.devices-by-user", "OK", devices_by_user},
};

SUITE_GROUP(proc_mknod, "MKNOD",
            "IO ACCES EXIST NOTDIR NOSPC ROFS NAMETOOLONG DQUOT STALE BADHANDLE NOTSUPP "
            "SERVERFAULT BADTYPE",
            cases);
