/*
 * READDIR and READDIRPLUS: RFC 1813 sections 3.3.16 and 3.3.17. The volume's packed entries become
 * the answer's bytes in one pass.
 *
 * Cookies are the volume's, decided once for each name, equal from every brick and valid for ever;
 * "." and ".." are ours, with cookies 1 and 2. So a cookie verifier has nothing to find out but
 * that a cookie is another server's: it is always 0, and a cookie with any other one is refused.
 *
 * The answer, behind the status: post_op_attr, verifier, the entries each with TRUE in front,
 * FALSE, eof. count, or maxcount, bounds all of it but the status, in bytes as encoded.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/nfs3/nfs3_request.h"

#include <stdlib.h>
#include "backend/base/scope.h"

#define COOKIE_VERIFIER 0
/* Behind the entries. */
#define TAIL_SIZE 8
/* TRUE, fileid, name's length, cookie; the name comes on top. */
#define ENTRY_HEAD_SIZE 24
/* What an entry of READDIRPLUS has besides. */
#define ENTRY_PLUS_SIZE (POST_OP_ATTR_SIZE_MAX + 4 + 4 + FHANDLE_SIZE)
/* An entry of the volume's with attributes and the longest name fits in this. */
#define PACKED_SIZE_MIN 1024

static_assert(FHANDLE_SIZE % 4 == 0, "a handle needs no padding");

/* The entries as far as they are written. Invariant: to <= end, end leaves room for the tail. */
struct listing {
    const struct nfs3_request *request;
    bool is_plus;
    uint8_t *to;
    uint8_t *end;
    uint32_t dircount_left;
    unsigned count;
    bool is_full;
};

static size_t entry_size(const struct listing *listing, size_t name_size)
{
    return ENTRY_HEAD_SIZE + wire_padded(name_size) + (listing->is_plus ? ENTRY_PLUS_SIZE : 0);
}

/* Append an entry, or find that it does not fit. dircount is a wish about everything behind the
 * first entry only: nobody is served by an answer without any. */
static void listing_add(struct listing *listing, const struct gfid *gfid, struct slice name,
                        uint64_t cookie, const struct attr *attr)
{
    size_t names = ENTRY_HEAD_SIZE + wire_padded(name.size);
    bool has_room = entry_size(listing, name.size) <= (size_t)(listing->end - listing->to);
    if (!has_room || (names > listing->dircount_left && listing->count > 0)) {
        listing->is_full = true;
        return;
    }
    uint8_t *to = wire_put32(listing->to, TRUE);
    to = wire_put64(to, gfid_ino(gfid));
    to = wire_put_opaque(to, name.data, name.size);
    to = wire_put64(to, cookie);
    if (listing->is_plus) {
        struct post_op_attr attributes = nfs3_post_op(listing->request, attr);
        struct nfs_fh3 handle;
        nfs3_fh_make(listing->request, gfid, &handle);
        to = wire_put_post_op_attr(to, &attributes);
        to = wire_put_opaque(wire_put32(to, TRUE), handle.data, handle.size);
    }
    listing->to = to;
    listing->dircount_left -=
        names < listing->dircount_left ? (uint32_t)names : listing->dircount_left;
    listing->count++;
}

/* All entries behind cookie that fit; the volume's answer has those from COOKIE_FIRST on. */
static int listing_fill(struct listing *listing, uint64_t cookie, const struct reply *reply)
{
    const struct attr *directory = &reply->object;
    const struct attr *parent =
        gfid_equal(&directory->parent, &reply->parent.gfid) ? &reply->parent : NULL;
    if (cookie < COOKIE_DOT) {
        listing_add(listing, &directory->gfid, slice_text("."), COOKIE_DOT, directory);
    }
    if (cookie < COOKIE_DOTDOT && !listing->is_full) {
        listing_add(listing, &directory->parent, slice_text(".."), COOKIE_DOTDOT, parent);
    }
    struct slice rest = reply->data;
    while (!listing->is_full) {
        struct dirent_entry entry;
        int status = dirent_next(&rest, &entry);
        if (status) {
            return status == -ENOENT ? 0 : status;
        }
        listing_add(listing, &entry.gfid, entry.name, entry.cookie, &entry.attr);
    }
    return 0;
}

/* An answer without entries: an error's. */
static void answer_failure(struct nfs3_request *request, enum nfsstat3 status)
{
    attr3res result = {
        .status = status,
        .attributes = nfs3_post_op(request, &request->volume.reply.object),
    };
    nfs3_answer(request, (xdrproc_t)xdr_attr3res, &result, NULL);
}

static void answer_listing(struct nfs3_request *request, bool is_plus, uint32_t size_max,
                           uint32_t dircount)
{
    const struct reply *reply = &request->volume.reply;
    uint64_t cookie = request->args.readdir.cookie;
    /* An entry takes at most as much here as it does packed, or little more. */
    size_t room = 2 * reply->data.size + 4 * PACKED_SIZE_MIN;
    uint32_t size = size_max < room ? size_max : (uint32_t)room;
    AUTO_FREE uint8_t *bytes = malloc(4 + POST_OP_ATTR_SIZE_MAX + 8 + TAIL_SIZE + size);
    if (!bytes) {
        answer_failure(request, NFS3ERR_JUKEBOX);
        return;
    }
    struct post_op_attr attributes = nfs3_post_op(request, &reply->object);
    uint8_t *start = wire_put32(bytes, NFS3_OK);
    uint8_t *to = wire_put64(wire_put_post_op_attr(start, &attributes), COOKIE_VERIFIER);
    if ((size_t)(to - start) + TAIL_SIZE > size) {
        answer_failure(request, NFS3ERR_TOOSMALL);
        return;
    }
    struct listing listing = {
        .request = request,
        .is_plus = is_plus,
        .to = to,
        .end = start + size - TAIL_SIZE,
        .dircount_left = dircount,
    };
    if (listing_fill(&listing, cookie, reply)) {
        answer_failure(request, NFS3ERR_SERVERFAULT);
        return;
    }
    bool is_end = reply->eof && !listing.is_full;
    if (listing.count == 0 && !is_end) {
        answer_failure(request, NFS3ERR_TOOSMALL);
        return;
    }
    to = wire_put32(wire_put32(listing.to, FALSE), is_end);
    struct iovec body = {.iov_base = bytes, .iov_len = (size_t)(to - bytes)};
    rpc_call_reply_raw(request->call, &body, 1);
}

static uint32_t listing_size_max(const struct nfs3_request *request, uint32_t asked)
{
    uint32_t size_max = nfs3_size_max(request);
    size_max = size_max < NFS_READDIR_SIZE_MAX ? size_max : NFS_READDIR_SIZE_MAX;
    return asked < size_max ? asked : size_max;
}

/* READDIRPLUS's arguments begin as READDIR's do. */
static_assert(offsetof(READDIR3args, cookie) == offsetof(READDIRPLUS3args, cookie) &&
                  offsetof(READDIR3args, cookieverf) == offsetof(READDIRPLUS3args, cookieverf),
              "one name for both");

static enum nfsstat3 begin_listing(struct nfs3_request *request, uint32_t packed_size)
{
    uint64_t cookie = request->args.readdir.cookie;
    bool is_foreign = cookie != COOKIE_START && request->args.readdir.cookieverf != COOKIE_VERIFIER;
    if (is_foreign || (cookie > COOKIE_DOTDOT && cookie < COOKIE_FIRST)) {
        return NFS3ERR_BAD_COOKIE;
    }
    request->volume.op = VOLUME_READDIR;
    request->volume.cookie = cookie <= COOKIE_DOTDOT ? COOKIE_START : cookie;
    request->volume.count = packed_size < PACKED_SIZE_MIN ? PACKED_SIZE_MIN : packed_size;
    return NFS3_OK;
}

/* An entry with a name of four bytes has 40 bytes packed and 28 here; so a full answer may need
 * half as much again as its size. */
enum nfsstat3 nfs3_readdir(struct nfs3_request *request)
{
    uint32_t size = listing_size_max(request, request->args.readdir.count);
    return begin_listing(request, size + size / 2);
}

void nfs3_readdir_reply(struct nfs3_request *request, enum nfsstat3 status)
{
    if (status != NFS3_OK) {
        answer_failure(request, status);
        return;
    }
    answer_listing(request, false, listing_size_max(request, request->args.readdir.count),
                   UINT32_MAX);
}

/* With attributes and a handle it is 172 and 168. */
enum nfsstat3 nfs3_readdirplus(struct nfs3_request *request)
{
    uint32_t size = listing_size_max(request, request->args.readdirplus.maxcount);
    request->volume.with_attr = true;
    return begin_listing(request, size + size / 32);
}

void nfs3_readdirplus_reply(struct nfs3_request *request, enum nfsstat3 status)
{
    const READDIRPLUS3args *args = &request->args.readdirplus;
    if (status != NFS3_OK) {
        answer_failure(request, status);
        return;
    }
    answer_listing(request, true, listing_size_max(request, args->maxcount), args->dircount);
}
