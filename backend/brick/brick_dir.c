/*
 * READDIR, with and without attributes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/brick/brick.h"

#include <string.h>
#include "backend/base/errors.h"
#include "backend/proto/dirent.h"
#include "backend/store/access.h"

/* The verifier of every directory's cookies: they are decided once and never change. */
#define COOKIE_VERIFIER UINT64_C(1)

/* What the entries with attributes rest on besides the directory itself. */
static uint64_t depends_entries(struct replica_driver *driver, struct slice entries)
{
    uint64_t index = 0;
    struct dirent_entry entry;
    while (dirent_next(&entries, &entry) == 0) {
        uint64_t object = replica_depends(driver, replica_key_object(&entry.gfid));
        index = object > index ? object : index;
    }
    return index;
}

/* One bit for each entry of the longest listing. */
#define ENTRIES_MAX (READDIR_SIZE_MAX / 128)
struct granted {
    uint8_t bits[ENTRIES_MAX / 8];
};

/* Grant what the kernel will cache of each entry: attributes and name; as far as there is room. */
static void grant_entries(struct brick_request *request, struct slice entries,
                          struct granted *out_granted)
{
    struct grants *grants = request->brick->grants;
    struct holder *holder = request->client->holder;
    struct dirent_entry entry;
    memset(out_granted, 0, sizeof *out_granted);
    for (unsigned i = 0; i < ENTRIES_MAX && dirent_next(&entries, &entry) == 0; i++) {
        if (grants_give(grants, holder, replica_key_object(&entry.gfid)) &&
            grants_give(grants, holder, replica_key_name(&request->object, entry.name))) {
            out_granted->bits[i / 8] |= (uint8_t)(1U << i % 8);
        }
    }
}

/* Say which of the entries, the same ones gathered again, are not granted. */
static void mark_entries(uint8_t *bytes, size_t size, const struct granted *granted)
{
    struct slice rest = slice_of(bytes, size);
    struct dirent_entry entry;
    for (unsigned i = 0; rest.size > 0; i++) {
        uint8_t *at = bytes + (size - rest.size);
        if (dirent_next(&rest, &entry) != 0) {
            return;
        }
        if (i >= ENTRIES_MAX || !(granted->bits[i / 8] >> i % 8 & 1)) {
            dirent_set_ungranted(at);
        }
    }
}

/*
 * Entries are granted before they are gathered a second time: a change that the first gathering did
 * not see either finds the grant, or is seen by the second.
 */
static int gather(struct brick_request *request, uint8_t *buffer)
{
    struct reply *reply = &request->reply;
    struct store *store = request->brick->store;
    size_t size = 0;
    int rc = store_getattr(store, &request->object, &reply->object);
    if (rc == 0 && reply->object.type != OBJECT_DIRECTORY) {
        rc = -ENOTDIR;
    }
    uint32_t rights = 0;
    if (rc == 0) {
        rc = store_rights(store, &reply->object, &request->cred, &rights);
    }
    if (rc == 0 && !(rights & ACCESS_READ)) {
        rc = -EACCES;
    }
    if (rc == 0) {
        rc = store_readdir(store, &request->object, request->cookie, request->with_attr, buffer,
                           request->count, &size, &reply->eof);
    }
    reply->data = slice_of(buffer, rc == 0 ? size : 0);
    return rc;
}

/* Attributes for "..", which a brick does not list: an NFS client that gets an entry without them
 * asks for each. They are left out while they change, as they are not worth a wait. */
static void gather_parent(struct brick_request *request)
{
    struct attr *parent = &request->reply.parent;
    bool is_first = request->with_attr && request->cookie == COOKIE_START;
    if (request->reply.status != 0 || !is_first || request->cred.flags & CRED_CHECKED) {
        return;
    }
    if (store_getattr(request->brick->store, &request->reply.object.parent, parent) < 0 ||
        replica_depends(request->brick->driver, replica_key_object(&parent->gfid)) != 0) {
        parent->type = OBJECT_NONE;
    }
}

void brick_readdir(struct rpc_call *call, void *context)
{
    brick_readdir_args args = {0};
    struct brick_request *request =
        brick_begin(call, context, (xdrproc_t)xdr_brick_readdir_args, &args, NULL);
    if (!request) {
        return;
    }
    request->cred = args.cred;
    request->object = args.object;
    request->cookie = args.cookie;
    request->count = args.size < READDIR_SIZE_MAX ? args.size : READDIR_SIZE_MAX;
    request->with_attr = args.with_attr;
    struct brick *brick = request->brick;
    struct reply *reply = &request->reply;
    reply->verifier = COOKIE_VERIFIER;
    uint8_t *buffer = brick_scratch();
    if (args.verifier != 0 && args.verifier != COOKIE_VERIFIER) {
        brick_refuse(request, -E_BAD_COOKIE);
        return;
    }
    uint64_t directory = replica_key_object(&args.object);
    brick_watch_object(request, &args.object);
    reply->status = buffer ? gather(request, buffer) : -ENOMEM;
    if (reply->status == 0 && args.with_attr && request->client->holder) {
        struct granted granted;
        grant_entries(request, reply->data, &granted);
        reply->status = gather(request, buffer);
        /* Only the entries of the first gathering were granted: no name may have come since. */
        if (reply->status == 0 && !request->ungrantable &&
            brick_cell(brick, directory) == request->object_cell) {
            mark_entries(buffer, reply->data.size, &granted);
            reply->grant_ms = GRANT_MS_MAX;
        }
    }
    request->object_key = 0; /* what is granted, is */
    gather_parent(request);
    uint64_t index = replica_depends(brick->driver, directory);
    if (reply->status == 0 && args.with_attr) {
        uint64_t entries = depends_entries(brick->driver, reply->data);
        index = entries > index ? entries : index;
    }
    brick_send_committed(request, index);
}
