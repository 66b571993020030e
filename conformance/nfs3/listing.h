/*
 * Listings by READDIR and READDIRPLUS, in one form.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_CONFORMANCE_LISTING_H
#define TRIVET_CONFORMANCE_LISTING_H

#include "conformance/nfs3/nfs3.h"

struct listed {
    const char *name;
    uint64_t fileid;
    uint64_t cookie;
    const post_op_attr *attributes; /* READDIRPLUS */
    nfs_fh3 *handle;                /* likewise; NULL: not told */
};

/* What one call answered, and how many bytes its result had behind the status. */
struct listing {
    int status;
    struct listed *entries;
    unsigned count;
    bool is_end;
    char verifier[NFS3_COOKIEVERFSIZE];
    const post_op_attr *directory;
    size_t size;
    size_t names_size; /* as dircount counts: fileid, name, cookie of each entry */
};

/* count is READDIR's, or READDIRPLUS's maxcount. */
struct listing *list_some(bool is_plus, nfs_fh3 *directory, uint64_t cookie, const char *verifier,
                          uint32_t dircount, uint32_t count);
/* All of it, in pieces of count. */
struct listing *list_all(bool is_plus, nfs_fh3 *directory, uint32_t count);
const struct listed *listing_find(const struct listing *listing, const char *name);

/* What holds for both, by procedure. */
void listed_all_once(bool is_plus);
void listed_dots(bool is_plus);
void listed_small_pieces(bool is_plus);
void listed_limits(bool is_plus);
void listed_too_small(bool is_plus);
void listed_bad_cookie(bool is_plus);
void listed_cookies_stay(bool is_plus);
void listed_from_any_cookie(bool is_plus);
void listed_while_removing(bool is_plus);
void listed_while_making(bool is_plus);
void listed_end(bool is_plus);
void listed_no_read(bool is_plus);
void listed_long_names(bool is_plus);

#endif
