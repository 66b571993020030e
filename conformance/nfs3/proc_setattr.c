/*
 * SETATTR: RFC 1813 section 3.3.2.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include "conformance/nfs3/procedures.h"

#define OWNER 1001
#define GROUP 2001

static sattr3 size_of(uint64_t size)
{
    sattr3 change = {.size.set_it = TRUE};
    change.size.set_size3_u.size = size;
    return change;
}

static sattr3 times_of(time_how how, uint32_t seconds, uint32_t nseconds)
{
    sattr3 change = {.atime.set_it = how, .mtime.set_it = how};
    change.atime.set_atime_u.atime = (nfstime3){seconds, nseconds};
    change.mtime.set_mtime_u.mtime = (nfstime3){seconds + 1, nseconds};
    return change;
}

/* Every attribute alone, and no other one with it. */
static void mode(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0600);
    give_to(made, OWNER, GROUP);
    fattr3 before = attributes_of(made);
    SETATTR3res *result = call_setattr(made, with_mode(06751), NULL);
    STATUS(result, NFS3_OK);
    check_wcc(&result->SETATTR3res_u.resok.obj_wcc, &before, made);
    fattr3 after = attributes_of(made);
    CHECK_EQUAL(after.mode & 07777, 06751);
    CHECK_EQUAL(after.uid, OWNER);
    CHECK(compare_time(&after.mtime, &before.mtime) == 0);
    CHECK(compare_time(&after.ctime, &before.ctime) > 0);
}

static void owner_and_group(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0600);
    sattr3 change = {.gid.set_it = TRUE};
    change.gid.set_gid3_u.gid = GROUP;
    STATUS(call_setattr(made, &change, NULL), NFS3_OK);
    fattr3 after = attributes_of(made);
    CHECK_EQUAL(after.uid, 0);
    CHECK_EQUAL(after.gid, GROUP);
    give_to(made, 4000000000u, 4000000001u);
    after = attributes_of(made);
    CHECK_EQUAL(after.uid, 4000000000u);
    CHECK_EQUAL(after.gid, 4000000001u);
}

static void shorter(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0600);
    put_bytes(made, 0, "123456789", 9);
    fattr3 before = attributes_of(made);
    sattr3 change = size_of(4);
    SETATTR3res *result = call_setattr(made, &change, NULL);
    STATUS(result, NFS3_OK);
    check_wcc(&result->SETATTR3res_u.resok.obj_wcc, &before, made);
    fattr3 after = attributes_of(made);
    CHECK_EQUAL(after.size, 4);
    CHECK(compare_time(&after.mtime, &before.mtime) > 0);
    READ3res *read = call_read(made, 0, 100);
    STATUS(read, NFS3_OK);
    CHECK_EQUAL(read->READ3res_u.resok.count, 4);
}

/* "bytes between the old end-of-file and the new one shall be zeros". */
static void longer_is_zeros(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0600);
    put_bytes(made, 0, "123456789", 9);
    sattr3 change = size_of(3);
    STATUS(call_setattr(made, &change, NULL), NFS3_OK);
    change = size_of(9);
    STATUS(call_setattr(made, &change, NULL), NFS3_OK);
    READ3res *read = call_read(made, 0, 100);
    STATUS(read, NFS3_OK);
    CHECK_EQUAL(read->READ3res_u.resok.count, 9);
    CHECK(memcmp(read->READ3res_u.resok.data.data_val, "123\0\0\0\0\0\0", 9) == 0);
}

static void client_times(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0600);
    fattr3 before = attributes_of(made);
    sattr3 change = times_of(SET_TO_CLIENT_TIME, 1000000000, 123456789);
    STATUS(call_setattr(made, &change, NULL), NFS3_OK);
    fattr3 after = attributes_of(made);
    CHECK_EQUAL(after.atime.seconds, 1000000000);
    CHECK_EQUAL(after.mtime.seconds, 1000000001);
    CHECK(compare_time(&after.ctime, &before.ctime) > 0);
    FSINFO3res *info = call_fsinfo(made);
    STATUS(info, NFS3_OK);
    if (info->FSINFO3res_u.resok.time_delta.nseconds == 1) {
        CHECK_EQUAL(after.atime.nseconds, 123456789);
        CHECK_EQUAL(after.mtime.nseconds, 123456789);
    }
}

/* Times are unsigned: those after 2038 are times, too. */
static void late_times(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0600);
    sattr3 change = times_of(SET_TO_CLIENT_TIME, 4000000000u, 0);
    STATUS(call_setattr(made, &change, NULL), NFS3_OK);
    CHECK_EQUAL(attributes_of(made).atime.seconds, 4000000000u);
}

static void server_time(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0600);
    sattr3 change = times_of(SET_TO_CLIENT_TIME, 1000, 0);
    STATUS(call_setattr(made, &change, NULL), NFS3_OK);
    change = times_of(SET_TO_SERVER_TIME, 0, 0);
    STATUS(call_setattr(made, &change, NULL), NFS3_OK);
    fattr3 after = attributes_of(made);
    CHECK(after.atime.seconds > 1000000 && after.mtime.seconds > 1000000);
    CHECK(after.ctime.seconds - after.mtime.seconds <= 1);
}

static void one_time_only(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0600);
    sattr3 change = times_of(SET_TO_CLIENT_TIME, 5000, 0);
    STATUS(call_setattr(made, &change, NULL), NFS3_OK);
    sattr3 only = {.atime.set_it = SET_TO_CLIENT_TIME};
    only.atime.set_atime_u.atime.seconds = 7000;
    STATUS(call_setattr(made, &only, NULL), NFS3_OK);
    fattr3 after = attributes_of(made);
    CHECK_EQUAL(after.atime.seconds, 7000);
    CHECK_EQUAL(after.mtime.seconds, 5001);
}

static void nothing(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0600);
    fattr3 before = attributes_of(made);
    sattr3 change = {0};
    STATUS(call_setattr(made, &change, NULL), NFS3_OK);
    fattr3 after = attributes_of(made);
    CHECK(compare_time(&after.mtime, &before.mtime) == 0);
    CHECK_EQUAL(after.mode, before.mode);
}

static void several_at_once(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0600);
    sattr3 change = times_of(SET_TO_CLIENT_TIME, 2000, 0);
    change.size = size_of(77).size;
    change.mode = with_mode(0123)->mode;
    STATUS(call_setattr(made, &change, NULL), NFS3_OK);
    fattr3 after = attributes_of(made);
    CHECK_EQUAL(after.size, 77);
    CHECK_EQUAL(after.mode & 07777, 0123);
    CHECK_EQUAL(after.mtime.seconds, 2001); /* though the size changes, too */
}

static void guard_holds(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0600);
    fattr3 before = attributes_of(made);
    SETATTR3res *result = call_setattr(made, with_mode(0640), &before.ctime);
    STATUS(result, NFS3_OK);
    check_wcc(&result->SETATTR3res_u.resok.obj_wcc, &before, made);
}

static void guard_refuses(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0600);
    nfstime3 old = attributes_of(made).ctime;
    STATUS(call_setattr(made, with_mode(0640), NULL), NFS3_OK);
    fattr3 before = attributes_of(made);
    CHECK(compare_time(&before.ctime, &old) > 0);
    SETATTR3res *result = call_setattr(made, with_mode(0700), &old);
    STATUS(result, NFS3ERR_NOT_SYNC);
    check_wcc_unchanged(&result->SETATTR3res_u.resfail.obj_wcc, &before, made);
    nfstime3 near = before.ctime;
    near.nseconds ^= 1;
    STATUS(call_setattr(made, with_mode(0700), &near), NFS3ERR_NOT_SYNC);
    near = before.ctime;
    near.seconds ^= 1;
    STATUS(call_setattr(made, with_mode(0700), &near), NFS3ERR_NOT_SYNC);
}

static void not_owner(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0666);
    fattr3 before = attributes_of(made);
    as_user(OWNER, GROUP);
    SETATTR3res *result = call_setattr(made, with_mode(0600), NULL);
    STATUS(result, NFS3ERR_PERM);
    check_wcc_unchanged(&result->SETATTR3res_u.resfail.obj_wcc, &before, made);
    sattr3 change = times_of(SET_TO_CLIENT_TIME, 5, 5);
    STATUS(call_setattr(made, &change, NULL), NFS3ERR_PERM);
    change = times_of(SET_TO_SERVER_TIME, 0, 0);
    STATUS(call_setattr(made, &change, NULL), NFS3_OK); /* who may write, may */
}

static void give_away(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0666);
    give_to(made, OWNER, GROUP);
    as_member(OWNER, GROUP, 3001);
    sattr3 change = {.uid.set_it = TRUE};
    change.uid.set_uid3_u.uid = 5;
    STATUS(call_setattr(made, &change, NULL), NFS3ERR_PERM);
    change = (sattr3){.gid.set_it = TRUE};
    change.gid.set_gid3_u.gid = 5;
    STATUS(call_setattr(made, &change, NULL), NFS3ERR_PERM);
    change.gid.set_gid3_u.gid = 3001;
    STATUS(call_setattr(made, &change, NULL), NFS3_OK);
    CHECK_EQUAL(attributes_of(made).gid, 3001);
}

static void not_writable(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    put_bytes(made, 0, "123", 3);
    as_user(OWNER, GROUP);
    sattr3 change = size_of(1);
    STATUS(call_setattr(made, &change, NULL), NFS3ERR_ACCES);
    CHECK_EQUAL(attributes_of(made).size, 3);
    change = times_of(SET_TO_SERVER_TIME, 0, 0);
    STATUS(call_setattr(made, &change, NULL), NFS3ERR_ACCES);
}

static void bad_nanoseconds(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    sattr3 change = times_of(SET_TO_CLIENT_TIME, 5, 1000000000);
    STATUS(call_setattr(made, &change, NULL), NFS3ERR_INVAL);
}

static void size_of_others(void)
{
    sattr3 change = size_of(1);
    STATUS_OF(call_setattr(make_directory(here(), "d", 0755), &change, NULL), NFS3ERR_INVAL,
              NFS3ERR_ISDIR);
    STATUS(call_setattr(make_symlink(here(), "l", "t"), &change, NULL), NFS3ERR_INVAL);
    STATUS(call_setattr(make_fifo(here(), "p", 0644), &change, NULL), NFS3ERR_INVAL);
}

/* Beyond maxfilesize nothing is possible, and all that is below it is. */
static void largest_size(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    FSINFO3res *info = call_fsinfo(made);
    STATUS(info, NFS3_OK);
    uint64_t most = info->FSINFO3res_u.resok.maxfilesize;
    sattr3 change = size_of(most);
    STATUS(call_setattr(made, &change, NULL), NFS3_OK);
    CHECK_EQUAL(attributes_of(made).size, most);
    if (most < UINT64_MAX) {
        change = size_of(most + 1);
        STATUS_OF(call_setattr(made, &change, NULL), NFS3ERR_FBIG, NFS3ERR_INVAL);
        CHECK_EQUAL(attributes_of(made).size, most);
    }
}

/* The size of a file without write permission for its owner: UNIX checks at open, which NFS has
 * not; "the server should allow the owner" (section 4.4). */
static void owner_truncates(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0444);
    give_to(made, OWNER, GROUP);
    as_user(OWNER, GROUP);
    sattr3 change = size_of(10);
    STATUS(call_setattr(made, &change, NULL), NFS3_OK);
}

static void read_only(void)
{
    check_read_only(NFS3_SETATTR);
}

static void bad_handle(void)
{
    check_bad_handle(NFS3_SETATTR);
}

static void stale(void)
{
    check_stale(NFS3_SETATTR);
}

static const struct suite_case cases[] = {
    {"3.3.2.mode", "OK", mode},
    {"3.3.2.owner-and-group", "OK", owner_and_group},
    {"3.3.2.size-shorter", "OK", shorter},
    {"3.3.2.size-longer-is-zeros", "OK", longer_is_zeros},
    {"3.3.2.size-largest", "OK", largest_size},
    {"3.3.2.size-by-owner", "OK", owner_truncates},
    {"3.3.2.size-of-others", "INVAL", size_of_others},
    {"3.3.2.client-times", "OK", client_times},
    {"3.3.2.late-times", "OK", late_times},
    {"3.3.2.server-time", "OK", server_time},
    {"3.3.2.one-time-only", "OK", one_time_only},
    {"3.3.2.bad-nanoseconds", "INVAL", bad_nanoseconds},
    {"3.3.2.nothing", "OK", nothing},
    {"3.3.2.several-at-once", "OK", several_at_once},
    {"3.3.2.guard-holds", "OK", guard_holds},
    {"3.3.2.guard-refuses", "NOT_SYNC", guard_refuses},
    {"3.3.2.not-owner", "PERM", not_owner},
    {"3.3.2.give-away", "PERM", give_away},
    {"3.3.2.not-writable", "ACCES", not_writable},
    {"3.3.2.read-only", "ROFS", read_only},
    {"3.3.2.bad-handle", "BADHANDLE", bad_handle},
    {"3.3.2.stale", "STALE", stale},
};

SUITE_GROUP(proc_setattr, "SETATTR",
            "PERM IO ACCES INVAL NOSPC ROFS DQUOT NOT_SYNC STALE BADHANDLE SERVERFAULT", cases);
