/*
 * PATHCONF: RFC 1813 section 3.3.20.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/nfs3/procedures.h"

static PATHCONF3resok *limits_of(nfs_fh3 *object)
{
    PATHCONF3res *result = call_pathconf(object);
    STATUS(result, NFS3_OK);
    return &result->PATHCONF3res_u.resok;
}

static void plausible(void)
{
    PATHCONF3resok *ok = limits_of(here());
    CHECK(ok->linkmax >= 8);
    CHECK(ok->name_max >= 14);
    check_post_op(&ok->obj_attributes, here());
}

/* name_max is possible, and no_trunc says what one more is answered with. */
static void names(void)
{
    PATHCONF3resok *ok = limits_of(here());
    (void)make_file(here(), long_name(ok->name_max), 0644);
    CREATE3res *made = call_create(here(), long_name(ok->name_max + 1), GUARDED, NULL);
    if (ok->no_trunc) {
        STATUS(made, NFS3ERR_NAMETOOLONG);
    } else {
        STATUS(made, NFS3ERR_EXIST); /* cut to the name that is there */
    }
}

static void letters(void)
{
    PATHCONF3resok *ok = limits_of(here());
    (void)make_file(here(), "Name", 0644);
    CHECK_EQUAL(ok->case_insensitive != 0, exists(here(), "nAME"));
    CHECK(ok->case_preserving);
}

static void chown_restricted(void)
{
    PATHCONF3resok *ok = limits_of(here());
    nfs_fh3 *made = make_file(here(), "file", 0644);
    give_to(made, 1001, 1001);
    as_user(1001, 1001);
    sattr3 change = {.uid.set_it = TRUE};
    change.uid.set_uid3_u.uid = 1002;
    CHECK_EQUAL(ok->chown_restricted != 0, call_setattr(made, &change, NULL)->status != NFS3_OK);
}

static void some_links(void)
{
    PATHCONF3resok *ok = limits_of(here());
    nfs_fh3 *made = make_file(here(), "file", 0644);
    char name[] = "a";
    for (unsigned i = 0; i < 20 && i + 1 < ok->linkmax; i++, name[0]++) {
        STATUS(call_link(made, here(), name), NFS3_OK);
    }
}

static void bad_handle(void)
{
    check_bad_handle(NFS3_PATHCONF);
}

static void stale(void)
{
    check_stale(NFS3_PATHCONF);
}

static const struct suite_case cases[] = {
    {"3.3.20.plausible", "OK", plausible},   {"3.3.20.names", "OK", names},
    {"3.3.20.letters", "OK", letters},       {"3.3.20.chown-restricted", "OK", chown_restricted},
    {"3.3.20.some-links", "OK", some_links}, {"3.3.20.bad-handle", "BADHANDLE", bad_handle},
    {"3.3.20.stale", "STALE", stale},
};

SUITE_GROUP(proc_pathconf, "PATHCONF", "STALE BADHANDLE SERVERFAULT", cases);
