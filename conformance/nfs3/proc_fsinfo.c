/*
 * FSINFO: RFC 1813 section 3.3.19. What maxfilesize, rtmax and wtmax promise is tried in the cases
 * of SETATTR, WRITE and READ.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/nfs3/procedures.h"

static FSINFO3resok *info_of(nfs_fh3 *object)
{
    FSINFO3res *result = call_fsinfo(object);
    STATUS(result, NFS3_OK);
    return &result->FSINFO3res_u.resok;
}

static void plausible(void)
{
    FSINFO3resok *ok = info_of(export_root());
    CHECK(ok->rtmax >= 4096 && ok->wtmax >= 4096);
    CHECK(ok->rtpref > 0 && ok->rtpref <= ok->rtmax);
    CHECK(ok->wtpref > 0 && ok->wtpref <= ok->wtmax);
    CHECK(ok->rtmult > 0 && ok->wtmult > 0 && ok->dtpref > 0);
    CHECK(ok->maxfilesize > UINT32_MAX);
    CHECK(ok->time_delta.nseconds < 1000000000);
    CHECK(ok->time_delta.seconds > 0 || ok->time_delta.nseconds > 0);
    check_post_op(&ok->obj_attributes, export_root());
}

/* Each property is tried: links, symlinks, times that can be set. */
static void properties(void)
{
    FSINFO3resok *ok = info_of(here());
    nfs_fh3 *made = make_file(here(), "file", 0644);
    CHECK_EQUAL((ok->properties & FSF3_LINK) != 0,
                call_link(made, here(), "link")->status == NFS3_OK);
    CHECK_EQUAL((ok->properties & FSF3_SYMLINK) != 0,
                call_symlink(here(), "symlink", "file", NULL)->status == NFS3_OK);
    sattr3 change = {.mtime.set_it = SET_TO_CLIENT_TIME};
    change.mtime.set_mtime_u.mtime.seconds = 1000;
    STATUS(call_setattr(made, &change, NULL), NFS3_OK);
    CHECK_EQUAL((ok->properties & FSF3_CANSETTIME) != 0, attributes_of(made).mtime.seconds == 1000);
    CHECK_EQUAL(ok->properties &
                    ~(uint32_t)(FSF3_LINK | FSF3_SYMLINK | FSF3_HOMOGENEOUS | FSF3_CANSETTIME),
                0);
}

/* HOMOGENEOUS: PATHCONF tells the same everywhere. */
static void homogeneous(void)
{
    if (!(info_of(here())->properties & FSF3_HOMOGENEOUS)) {
        return;
    }
    PATHCONF3res *one = call_pathconf(export_root());
    PATHCONF3res *other = call_pathconf(make_file(here(), "file", 0644));
    STATUS(one, NFS3_OK);
    STATUS(other, NFS3_OK);
    CHECK_EQUAL(one->PATHCONF3res_u.resok.linkmax, other->PATHCONF3res_u.resok.linkmax);
    CHECK_EQUAL(one->PATHCONF3res_u.resok.name_max, other->PATHCONF3res_u.resok.name_max);
}

/* Two changes that are further apart than time_delta have different times. */
static void time_delta(void)
{
    FSINFO3resok *ok = info_of(here());
    if (suite_lacks(ok->time_delta.seconds > 0, "time_delta is %u s", ok->time_delta.seconds)) {
        return;
    }
    nfs_fh3 *made = make_file(here(), "file", 0644);
    sattr3 change = {.mtime.set_it = SET_TO_CLIENT_TIME};
    change.mtime.set_mtime_u.mtime = (nfstime3){1000, ok->time_delta.nseconds};
    STATUS(call_setattr(made, &change, NULL), NFS3_OK);
    CHECK_EQUAL(attributes_of(made).mtime.nseconds, ok->time_delta.nseconds);
}

/* Over datagrams no answer may be asked for that does not fit. */
static void udp_sizes(void)
{
    if (suite_lacks(suite_options.is_no_udp, "datagrams are not meant to be answered")) {
        return;
    }
    struct wire wire;
    struct wire_answer answer = {0};
    struct wire_call call = {
        .program = PROGRAM_NFS, .version = 3, .procedure = NFS3_FSINFO, .caller = *caller_now()};
    FSINFO3args args = {.fsroot = *export_root()};
    wire_body(&call, arguments_proc(NFS3_FSINFO), &args);
    CHECK(wire_open(&wire, WIRE_UDP, wire_port(PROGRAM_NFS, 3, WIRE_UDP), true));
    bool came = wire_call(&wire, &call, &answer);
    wire_close(&wire);
    CHECK(came && answer.stat == SUCCESS);
    FSINFO3res *result =
        keep_decode(result_proc(NFS3_FSINFO), result_size(NFS3_FSINFO), answer.body, answer.size);
    CHECK(result && result->status == NFS3_OK);
    CHECK(result->FSINFO3res_u.resok.rtmax < 65507);
    CHECK(result->FSINFO3res_u.resok.wtmax < 65507);
}

static void bad_handle(void)
{
    check_bad_handle(NFS3_FSINFO);
}

static void stale(void)
{
    check_stale(NFS3_FSINFO);
}

static const struct suite_case cases[] = {
    {"3.3.19.plausible", "OK", plausible},     {"3.3.19.properties", "OK", properties},
    {"3.3.19.homogeneous", "OK", homogeneous}, {"3.3.19.time-delta", "OK", time_delta},
    {"3.3.19.udp-sizes", "", udp_sizes},       {"3.3.19.bad-handle", "BADHANDLE", bad_handle},
    {"3.3.19.stale", "STALE", stale},
};

SUITE_GROUP(proc_fsinfo, "FSINFO", "STALE BADHANDLE SERVERFAULT", cases);
