/*
 * READDIRPLUS: RFC 1813 section 3.3.17. What it has in common with READDIR is in listing.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include "conformance/nfs3/listing.h"
#include "conformance/nfs3/procedures.h"

static void all_once(void)
{
    listed_all_once(true);
}

static void dots(void)
{
    listed_dots(true);
}

static void small_pieces(void)
{
    listed_small_pieces(true);
}

static void limits(void)
{
    listed_limits(true);
}

static void too_small(void)
{
    listed_too_small(true);
}

static void bad_cookie(void)
{
    listed_bad_cookie(true);
}

static void cookies_stay(void)
{
    listed_cookies_stay(true);
}

static void from_any_cookie(void)
{
    listed_from_any_cookie(true);
}

static void while_removing(void)
{
    listed_while_removing(true);
}

static void while_making(void)
{
    listed_while_making(true);
}

static void end(void)
{
    listed_end(true);
}

static void no_read(void)
{
    listed_no_read(true);
}

static void long_names(void)
{
    listed_long_names(true);
}

/* Attributes and handles may be left out; what is told is true. */
static void attributes_and_handles(void)
{
    make_files(here(), "f", 10);
    (void)make_directory(here(), "directory", 0751);
    (void)make_symlink(here(), "link", "target");
    struct listing *all = list_all(true, here(), 8192);
    unsigned told = 0;
    for (unsigned i = 0; i < all->count; i++) {
        const struct listed *entry = &all->entries[i];
        if (strcmp(entry->name, "..") == 0) {
            continue;
        }
        LOOKUP3res *found = call_lookup(here(), entry->name);
        STATUS(found, NFS3_OK);
        if (entry->handle) {
            CHECK(same_handle(entry->handle, &found->LOOKUP3res_u.resok.object));
        }
        if (entry->attributes->attributes_follow) {
            check_post_op(entry->attributes, &found->LOOKUP3res_u.resok.object);
        }
        told += entry->handle && entry->attributes->attributes_follow;
    }
    CHECK_EQUAL(told, 13); /* twelve and "." */
}

/* dircount bounds what a READDIR would have told of the same entries. */
static void dircount(void)
{
    make_files(here(), "f", 100);
    for (uint32_t limit = 100; limit <= 2000; limit += 190) {
        struct listing *some = list_some(true, here(), 0, NULL, limit, 32768);
        check_status(some->status, NFS3_OK, __FILE__, __LINE__);
        CHECK(some->count > 0);
        suite_check(some->names_size <= limit || some->count == 1, __FILE__, __LINE__,
                    "%zu bytes of names for a dircount of %u", some->names_size, limit);
    }
}

/* The names are READDIR's. */
static void same_as_readdir(void)
{
    make_files(here(), "f", 100);
    struct listing *plus = list_all(true, here(), 8192);
    struct listing *plain = list_all(false, here(), 8192);
    CHECK_EQUAL(plus->count, plain->count);
    for (unsigned i = 0; i < plus->count; i++) {
        const struct listed *entry = listing_find(plain, plus->entries[i].name);
        CHECK(entry != NULL);
        CHECK_EQUAL(entry->fileid, plus->entries[i].fileid);
    }
}

static void not_directory(void)
{
    check_not_directory(NFS3_READDIRPLUS);
}

static void bad_handle(void)
{
    check_bad_handle(NFS3_READDIRPLUS);
}

static void stale(void)
{
    check_stale(NFS3_READDIRPLUS);
}

static const struct suite_case cases[] = {
    {"3.3.17.all-once", "OK", all_once},
    {"3.3.17.dots", "OK", dots},
    {"3.3.17.small-pieces", "OK", small_pieces},
    {"3.3.17.limits", "OK", limits},
    {"3.3.17.too-small", "TOOSMALL", too_small},
    {"3.3.17.bad-cookie", "BAD_COOKIE", bad_cookie},
    {"3.3.17.cookies-stay", "OK", cookies_stay},
    {"3.3.17.from-any-cookie", "OK", from_any_cookie},
    {"3.3.17.while-removing", "OK", while_removing},
    {"3.3.17.while-making", "OK", while_making},
    {"3.3.17.end", "OK", end},
    {"3.3.17.no-read", "ACCES", no_read},
    {"3.3.17.long-names", "OK", long_names},
    {"3.3.17.attributes-and-handles", "OK", attributes_and_handles},
    {"3.3.17.dircount", "OK", dircount},
    {"3.3.17.same-as-readdir", "OK", same_as_readdir},
    {"3.3.17.not-directory", "NOTDIR", not_directory},
    {"3.3.17.bad-handle", "BADHANDLE", bad_handle},
    {"3.3.17.stale", "STALE", stale},
};

SUITE_GROUP(proc_readdirplus, "READDIRPLUS",
            "IO ACCES NOTDIR BAD_COOKIE TOOSMALL STALE BADHANDLE NOTSUPP SERVERFAULT", cases);
