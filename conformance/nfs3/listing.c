/*
 * Listings, and what holds for READDIR and READDIRPLUS alike. See listing.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/nfs3/listing.h"

#include <stdio.h>
#include <string.h>

#define ENTRIES_MAX 20000
#define FILES 200
#define COUNT 8192
#define SMALL 512
#define SMALL_PLUS 1024

static size_t encoded_size(uint32_t procedure, void *result)
{
    static char bytes[1024 * 1024];
    ZDR zdr;
    zdrmem_create(&zdr, bytes, sizeof bytes, ZDR_ENCODE);
    CHECK(result_proc(procedure)(&zdr, result));
    size_t size = (size_t)zdr.pos;
    zdr_destroy(&zdr);
    return size - 4; /* the status */
}

static struct listed *add(struct listing *listing, const char *name, uint64_t fileid,
                          uint64_t cookie)
{
    CHECK(listing->count < ENTRIES_MAX);
    struct listed *entry = &listing->entries[listing->count++];
    *entry = (struct listed){.name = name, .fileid = fileid, .cookie = cookie};
    listing->names_size += 8 + 4 + (strlen(name) + 3) / 4 * 4 + 8;
    return entry;
}

/* libnfs places its entries at multiples of four bytes, so they are copied rather than pointed at.
 */
static void take_plain(struct listing *listing, READDIR3resok *ok)
{
    listing->directory = &ok->dir_attributes;
    memcpy(listing->verifier, ok->cookieverf, sizeof listing->verifier);
    for (entry3 *at = ok->reply.entries; at;) {
        entry3 entry;
        memcpy(&entry, at, sizeof entry);
        (void)add(listing, entry.name, entry.fileid, entry.cookie);
        at = entry.nextentry;
    }
    listing->is_end = ok->reply.eof;
}

static void take_plus(struct listing *listing, READDIRPLUS3resok *ok)
{
    listing->directory = &ok->dir_attributes;
    memcpy(listing->verifier, ok->cookieverf, sizeof listing->verifier);
    for (entryplus3 *at = ok->reply.entries; at;) {
        entryplus3 *copy = keep_new(sizeof *copy);
        memcpy(copy, at, sizeof *copy);
        struct listed *entry = add(listing, copy->name, copy->fileid, copy->cookie);
        entry->attributes = &copy->name_attributes;
        if (copy->name_handle.handle_follows) {
            entry->handle = &copy->name_handle.post_op_fh3_u.handle;
        }
        at = copy->nextentry;
    }
    listing->is_end = ok->reply.eof;
}

struct listing *list_some(bool is_plus, nfs_fh3 *directory, uint64_t cookie, const char *verifier,
                          uint32_t dircount, uint32_t count)
{
    struct listing *listing = keep_new(sizeof *listing);
    listing->entries = keep_new(ENTRIES_MAX * sizeof *listing->entries);
    if (is_plus) {
        READDIRPLUS3res *result = call_readdirplus(directory, cookie, verifier, dircount, count);
        listing->status = (int)result->status;
        listing->size = encoded_size(NFS3_READDIRPLUS, result);
        if (result->status == NFS3_OK) {
            take_plus(listing, &result->READDIRPLUS3res_u.resok);
        }
        return listing;
    }
    READDIR3res *result = call_readdir(directory, cookie, verifier, count);
    listing->status = (int)result->status;
    listing->size = encoded_size(NFS3_READDIR, result);
    if (result->status == NFS3_OK) {
        take_plain(listing, &result->READDIR3res_u.resok);
    }
    return listing;
}

#define LISTED(listing) check_status((listing)->status, NFS3_OK, __FILE__, __LINE__)

struct listing *list_all(bool is_plus, nfs_fh3 *directory, uint32_t count)
{
    struct listing *all = keep_new(sizeof *all);
    all->entries = keep_new(ENTRIES_MAX * sizeof *all->entries);
    uint64_t cookie = 0;
    while (!all->is_end) {
        struct listing *some = list_some(is_plus, directory, cookie, all->verifier, count, count);
        LISTED(some);
        CHECK(some->count > 0 || some->is_end);
        for (unsigned i = 0; i < some->count; i++) {
            CHECK(all->count < ENTRIES_MAX);
            all->entries[all->count++] = some->entries[i];
            cookie = some->entries[i].cookie;
        }
        memcpy(all->verifier, some->verifier, sizeof all->verifier);
        all->directory = some->directory;
        all->is_end = some->is_end;
    }
    return all;
}

const struct listed *listing_find(const struct listing *listing, const char *name)
{
    for (unsigned i = 0; i < listing->count; i++) {
        if (strcmp(listing->entries[i].name, name) == 0) {
            return &listing->entries[i];
        }
    }
    return NULL;
}

static unsigned times_listed(const struct listing *listing, const char *name)
{
    unsigned times = 0;
    for (unsigned i = 0; i < listing->count; i++) {
        times += strcmp(listing->entries[i].name, name) == 0;
    }
    return times;
}

static void check_files(const struct listing *listing, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "f%u", i);
        suite_check(times_listed(listing, name) == 1, __FILE__, __LINE__, "%s is listed %u times",
                    name, times_listed(listing, name));
    }
}

void listed_all_once(bool is_plus)
{
    make_files(here(), "f", FILES);
    struct listing *all = list_all(is_plus, here(), COUNT);
    check_files(all, 0, FILES);
    for (unsigned i = 0; i < all->count; i++) {
        for (unsigned j = i + 1; j < all->count; j++) {
            CHECK(all->entries[i].cookie != all->entries[j].cookie);
        }
    }
    const struct listed *one = listing_find(all, "f7");
    LOOKUP3res *found = call_lookup(here(), "f7");
    STATUS(found, NFS3_OK);
    CHECK_EQUAL(one->fileid, attributes_of(&found->LOOKUP3res_u.resok.object).fileid);
    check_post_op(all->directory, here());
}

void listed_dots(bool is_plus)
{
    nfs_fh3 *below = make_directory(here(), "below", 0755);
    struct listing *all = list_all(is_plus, below, COUNT);
    const struct listed *dot = listing_find(all, ".");
    const struct listed *dotdot = listing_find(all, "..");
    CHECK(dot && dotdot); /* "should": all clients that there are want them */
    CHECK_EQUAL(dot->fileid, attributes_of(below).fileid);
    CHECK_EQUAL(dotdot->fileid, attributes_of(here()).fileid);
    all = list_all(is_plus, export_root(), 32768);
    CHECK(times_listed(all, ".") == 1 && times_listed(all, "..") == 1);
}

void listed_small_pieces(bool is_plus)
{
    make_files(here(), "f", FILES);
    check_files(list_all(is_plus, here(), is_plus ? SMALL_PLUS : SMALL), 0, FILES);
}

/* The size of what is answered, as count and maxcount want it: all of the resok. */
void listed_limits(bool is_plus)
{
    make_files(here(), "f", FILES);
    for (uint32_t count = is_plus ? SMALL_PLUS : SMALL; count <= 32768; count += 700) {
        struct listing *some = list_some(is_plus, here(), 0, NULL, count, count);
        LISTED(some);
        CHECK(some->count > 0);
        suite_check(some->size <= count, __FILE__, __LINE__, "%zu bytes for a count of %u",
                    some->size, count);
    }
}

void listed_too_small(bool is_plus)
{
    (void)make_file(here(), long_name(NAME_MAX_USUAL), 0644);
    static const uint32_t counts[] = {1, 16, 64};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct listing *some = list_some(is_plus, here(), 0, NULL, 4096, counts[i]);
        check_status(some->status, NFS3ERR_TOOSMALL, __FILE__, __LINE__);
    }
}

/*
 * A cookie that was never told, with a verifier that was never told either. One call at least must
 * be refused, or else the verifier says nothing; one that is not must still tell no name twice.
 */
void listed_bad_cookie(bool is_plus)
{
    make_files(here(), "f", 5);
    struct listing *first = list_some(is_plus, here(), 0, NULL, COUNT, COUNT);
    LISTED(first);
    char verifier[NFS3_COOKIEVERFSIZE];
    for (size_t i = 0; i < sizeof verifier; i++) {
        verifier[i] = (char)(first->verifier[i] ^ 0x5a);
    }
    uint64_t told = first->entries[first->count / 2].cookie;
    struct listing *some = list_some(is_plus, here(), told, verifier, COUNT, COUNT);
    check_status(some->status, NFS3ERR_BAD_COOKIE, __FILE__, __LINE__);
}

/* With no change between them two listings are the same, cookies and verifier included. */
void listed_cookies_stay(bool is_plus)
{
    make_files(here(), "f", 50);
    struct listing *one = list_all(is_plus, here(), COUNT);
    struct listing *other = list_all(is_plus, here(), is_plus ? SMALL_PLUS : SMALL);
    CHECK_EQUAL(one->count, other->count);
    CHECK(memcmp(one->verifier, other->verifier, sizeof one->verifier) == 0);
    for (unsigned i = 0; i < one->count; i++) {
        CHECK(strcmp(one->entries[i].name, other->entries[i].name) == 0);
        CHECK_EQUAL(one->entries[i].cookie, other->entries[i].cookie);
    }
}

void listed_from_any_cookie(bool is_plus)
{
    make_files(here(), "f", 20);
    struct listing *all = list_all(is_plus, here(), COUNT);
    for (unsigned i = 0; i + 1 < all->count; i++) {
        struct listing *rest =
            list_some(is_plus, here(), all->entries[i].cookie, all->verifier, COUNT, COUNT);
        LISTED(rest);
        CHECK_EQUAL(rest->count, all->count - i - 1);
        CHECK(strcmp(rest->entries[0].name, all->entries[i + 1].name) == 0);
    }
}

/* Clients list and remove as they go: what is left is listed, once. */
void listed_while_removing(bool is_plus)
{
    make_files(here(), "f", FILES);
    uint64_t cookie = 0;
    char verifier[NFS3_COOKIEVERFSIZE] = {0};
    unsigned removed = 0;
    for (bool is_end = false; !is_end;) {
        struct listing *some =
            list_some(is_plus, here(), cookie, verifier, COUNT, is_plus ? SMALL_PLUS : SMALL);
        LISTED(some);
        for (unsigned i = 0; i < some->count; i++) {
            cookie = some->entries[i].cookie;
            if (some->entries[i].name[0] == 'f') {
                STATUS(call_remove(here(), some->entries[i].name), NFS3_OK);
                removed++;
            }
        }
        memcpy(verifier, some->verifier, sizeof verifier);
        is_end = some->is_end;
    }
    CHECK_EQUAL(removed, FILES);
}

/* What was there throughout is listed once, whatever is made meanwhile. */
void listed_while_making(bool is_plus)
{
    make_files(here(), "f", 60);
    struct listing *all = keep_new(sizeof *all);
    all->entries = keep_new(ENTRIES_MAX * sizeof *all->entries);
    uint64_t cookie = 0;
    for (unsigned round = 0; !all->is_end && round < 1000; round++) {
        struct listing *some =
            list_some(is_plus, here(), cookie, all->verifier, COUNT, is_plus ? SMALL_PLUS : SMALL);
        LISTED(some);
        for (unsigned i = 0; i < some->count; i++) {
            all->entries[all->count++] = some->entries[i];
            cookie = some->entries[i].cookie;
        }
        memcpy(all->verifier, some->verifier, sizeof all->verifier);
        all->is_end = some->is_end;
        char name[16];
        (void)snprintf(name, sizeof name, "n%u", round);
        if (round < 40) {
            (void)make_file(here(), name, 0644);
        }
    }
    check_files(all, 0, 60);
}

/* Behind the last entry there is nothing, and the end. */
void listed_end(bool is_plus)
{
    make_files(here(), "f", 3);
    struct listing *all = list_all(is_plus, here(), COUNT);
    struct listing *rest = list_some(is_plus, here(), all->entries[all->count - 1].cookie,
                                     all->verifier, COUNT, COUNT);
    LISTED(rest);
    CHECK_EQUAL(rest->count, 0);
    CHECK(rest->is_end);
}

void listed_no_read(bool is_plus)
{
    nfs_fh3 *directory = make_directory(here(), "directory", 0733);
    as_user(1234, 1234);
    struct listing *some = list_some(is_plus, directory, 0, NULL, COUNT, COUNT);
    check_status(some->status, NFS3ERR_ACCES, __FILE__, __LINE__);
}

void listed_long_names(bool is_plus)
{
    char *name = long_name(NAME_MAX_USUAL);
    for (char first = 'a'; first < 'a' + 20; first++) {
        name[0] = first;
        (void)make_file(here(), name, 0644);
    }
    CHECK_EQUAL(list_all(is_plus, here(), 2048)->count, 22);
}
