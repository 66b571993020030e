/*
 * Listings, answered from the index.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/proto/dirent.h"
#include "backend/store/indexed.h"

/* Entries packed while the lock is held: some 100 µs that others may have to wait. */
#define ENTRIES_PER_LOCK 128

struct listing {
    uint64_t cookie; /* of the last entry packed */
    uint8_t *buffer;
    size_t size;
    size_t used;
    bool with_attr;
};

static int pack(struct index *index, struct listing *listing, const struct name_record *name)
{
    struct dirent_entry entry = {
        .cookie = name->cookie, .gfid = name->gfid, .type = name->type, .name = name->name};
    if (listing->with_attr) {
        struct object_record record;
        int result = index_object_get(index, &name->gfid, &record);
        if (result) {
            return result == -ESTALE ? -E_CORRUPT : result;
        }
        entry.attr = record.attr;
    }
    return dirent_pack(listing->buffer, listing->size, &listing->used, &entry);
}

/* Some entries, under one lock. Fails: -ENOENT at the end, -ENOBUFS when the buffer is full. */
static int list_some(struct index *index, const struct gfid *directory, struct listing *listing)
{
    struct object_record record;
    struct name_record name;
    AUTO_LOCK(&index->mutex);
    int result = index_object_get(index, directory, &record);
    if (!result && record.attr.type != OBJECT_DIRECTORY) {
        result = -ENOTDIR;
    }
    for (int i = 0; i < ENTRIES_PER_LOCK && !result; i++) {
        result = index_name_next(index, directory, listing->cookie, i > 0, &name);
        if (!result) {
            result = pack(index, listing, &name);
        }
        if (!result) {
            listing->cookie = name.cookie;
        }
    }
    return result;
}

int indexed_readdir(struct store *store, const struct gfid *directory, uint64_t cookie,
                    bool with_attr, uint8_t *buffer, size_t size, size_t *out_size, bool *out_eof)
{
    struct listing listing = {
        .cookie = cookie, .buffer = buffer, .size = size, .with_attr = with_attr};
    int result;
    do {
        result = list_some(index_of(store), directory, &listing);
    } while (!result);
    bool full = result == -ENOBUFS && listing.used > 0;
    if (result != -ENOENT && !full) {
        return result;
    }
    *out_size = listing.used;
    *out_eof = !full;
    return 0;
}
