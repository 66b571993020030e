/*
 * READDIR: RFC 1813 section 3.3.16. What it has in common with READDIRPLUS is in listing.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/nfs3/listing.h"
#include "conformance/nfs3/procedures.h"

static void all_once(void)
{
    listed_all_once(false);
}

static void dots(void)
{
    listed_dots(false);
}

static void small_pieces(void)
{
    listed_small_pieces(false);
}

static void limits(void)
{
    listed_limits(false);
}

static void too_small(void)
{
    listed_too_small(false);
}

static void bad_cookie(void)
{
    listed_bad_cookie(false);
}

static void cookies_stay(void)
{
    listed_cookies_stay(false);
}

static void from_any_cookie(void)
{
    listed_from_any_cookie(false);
}

static void while_removing(void)
{
    listed_while_removing(false);
}

static void while_making(void)
{
    listed_while_making(false);
}

static void end(void)
{
    listed_end(false);
}

static void no_read(void)
{
    listed_no_read(false);
}

static void long_names(void)
{
    listed_long_names(false);
}

static void not_directory(void)
{
    check_not_directory(NFS3_READDIR);
}

static void bad_handle(void)
{
    check_bad_handle(NFS3_READDIR);
}

static void stale(void)
{
    check_stale(NFS3_READDIR);
}

static const struct suite_case cases[] = {
    {"3.3.16.all-once", "OK", all_once},
    {"3.3.16.dots", "OK", dots},
    {"3.3.16.small-pieces", "OK", small_pieces},
    {"3.3.16.limits", "OK", limits},
    {"3.3.16.too-small", "TOOSMALL", too_small},
    {"3.3.16.bad-cookie", "BAD_COOKIE", bad_cookie},
    {"3.3.16.cookies-stay", "OK", cookies_stay},
    {"3.3.16.from-any-cookie", "OK", from_any_cookie},
    {"3.3.16.while-removing", "OK", while_removing},
    {"3.3.16.while-making", "OK", while_making},
    {"3.3.16.end", "OK", end},
    {"3.3.16.no-read", "ACCES", no_read},
    {"3.3.16.long-names", "OK", long_names},
    {"3.3.16.not-directory", "NOTDIR", not_directory},
    {"3.3.16.bad-handle", "BADHANDLE", bad_handle},
    {"3.3.16.stale", "STALE", stale},
};

SUITE_GROUP(proc_readdir, "READDIR",
            "IO ACCES NOTDIR BAD_COOKIE TOOSMALL STALE BADHANDLE SERVERFAULT", cases);
