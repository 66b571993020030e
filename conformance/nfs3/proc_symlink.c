/*
 * SYMLINK: RFC 1813 section 3.3.10.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include "conformance/nfs3/procedures.h"

static void text_is_kept(void)
{
    READLINK3res *read = call_readlink(make_symlink(here(), "link", "../x//y"));
    STATUS(read, NFS3_OK);
    CHECK(strcmp(read->READLINK3res_u.resok.data, "../x//y") == 0);
}

/* As long as PATH_MAX lets it be; longer ones are refused or kept whole. */
static void long_text(void)
{
    STATUS(call_symlink(here(), "long", long_name(1023), NULL), NFS3_OK);
    struct wire wire;
    struct wire_answer answer = {0};
    struct wire_call call = {
        .program = PROGRAM_NFS, .version = 3, .procedure = NFS3_SYMLINK, .caller = *caller_now()};
    char name[] = "longer";
    SYMLINK3args args = {.where = {.dir = *here(), .name = name}};
    args.symlink.symlink_data = long_name(5000);
    wire_body(&call, arguments_proc(NFS3_SYMLINK), &args);
    CHECK(wire_open(&wire, WIRE_TCP, wire_port(PROGRAM_NFS, 3, WIRE_TCP), true));
    bool came = wire_call(&wire, &call, &answer);
    wire_close(&wire);
    CHECK(came);
    CHECK_EQUAL(answer.stat, SUCCESS);
    SYMLINK3res *made =
        keep_decode(result_proc(NFS3_SYMLINK), result_size(NFS3_SYMLINK), answer.body, answer.size);
    CHECK(made != NULL);
    suite_saw("SYMLINK", status_name((int)made->status));
    STATUS(made, NFS3ERR_NAMETOOLONG);
    CHECK(!exists(here(), "longer"));
}

static void empty_text(void)
{
    CREATE3res *made = call_symlink(here(), "link", "", NULL);
    if (made->status != NFS3_OK) {
        CHECK(made->status == NFS3ERR_INVAL || made->status == NFS3ERR_ACCES ||
              made->status == NFS3ERR_NOENT);
    }
    CHECK(exists(here(), "link") == (made->status == NFS3_OK));
}

static void tells(void)
{
    made_tells(NFS3_SYMLINK);
}

static void exists_already(void)
{
    made_exists(NFS3_SYMLINK);
}

static void dots(void)
{
    made_dots(NFS3_SYMLINK);
}

static void longest_name(void)
{
    made_name_255(NFS3_SYMLINK);
}

static void empty_name(void)
{
    check_empty_name(NFS3_SYMLINK);
}

static void slash(void)
{
    made_slash(NFS3_SYMLINK);
}

static void owned(void)
{
    made_is_owned(NFS3_SYMLINK);
}

static void touches(void)
{
    made_touches(NFS3_SYMLINK);
}

static void no_write(void)
{
    check_no_write(NFS3_SYMLINK);
}

static void not_directory(void)
{
    check_not_directory(NFS3_SYMLINK);
}

static void no_space(void)
{
    made_fills(NFS3_SYMLINK);
}

static void read_only(void)
{
    check_read_only(NFS3_SYMLINK);
}

static void bad_handle(void)
{
    check_bad_handle(NFS3_SYMLINK);
}

static void stale(void)
{
    check_stale(NFS3_SYMLINK);
}

static const struct suite_case cases[] = {
    {"3.3.10.tells", "OK", tells},
    {"3.3.10.exists", "EXIST", exists_already},
    {"3.3.10.dots", "", dots},
    {"3.3.10.longest-name", "OK NAMETOOLONG", longest_name},
    {"3.3.10.empty-name", "", empty_name},
    {"3.3.10.slash", "", slash},
    {"3.3.10.owned", "OK", owned},
    {"3.3.10.touches-directory", "OK", touches},
    {"3.3.10.no-write", "ACCES", no_write},
    {"3.3.10.not-directory", "NOTDIR", not_directory},
    {"3.3.10.no-space", "NOSPC", no_space},
    {"3.3.10.read-only", "ROFS", read_only},
    {"3.3.10.bad-handle", "BADHANDLE", bad_handle},
    {"3.3.10.stale", "STALE", stale},
    {"3.3.10.text-is-kept", "OK", text_is_kept},
    {"3.3.10.long-text", "OK NAMETOOLONG", long_text},
    {"3.3.10.empty-text", "", empty_text},
};

SUITE_GROUP(
    proc_symlink, "SYMLINK",
    "IO ACCES EXIST NOTDIR NOSPC ROFS NAMETOOLONG DQUOT STALE BADHANDLE NOTSUPP SERVERFAULT",
    cases);
