/*
 * Orphans: objects without a name that a client keeps open. They are in the index as any object is,
 * with a link count of 0, and in a table that says whose they are.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/bytes.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/store/indexed.h"

#define ORPHAN_VERSION 2
#define ORPHAN_SIZE (2 + 8)

enum orphan_flags { ORPHAN_LINKABLE = 1 << 0 };

static struct slice orphan_key(const struct gfid *gfid)
{
    return slice_of(gfid->bytes, GFID_SIZE);
}

static int orphan_decode(struct slice value, struct orphan_record *out_orphan)
{
    const uint8_t *at = value.data;
    if (value.size != ORPHAN_SIZE || bytes_get_u8(&at) != ORPHAN_VERSION) {
        return -E_CORRUPT;
    }
    out_orphan->linkable = bytes_get_u8(&at) & ORPHAN_LINKABLE;
    out_orphan->keeper = bytes_get_u64(&at);
    return 0;
}

int index_orphan_get(struct index *index, const struct gfid *gfid, struct orphan_record *out_orphan)
{
    struct slice value;
    int result = index->kv->ops->get(index->kv, KV_ORPHANS, orphan_key(gfid), &value);
    return result ? result : orphan_decode(value, out_orphan);
}

int index_orphan_put(struct index *index, const struct gfid *gfid,
                     const struct orphan_record *orphan)
{
    uint8_t value[ORPHAN_SIZE];
    uint8_t *at = value;
    bytes_put_u8(&at, ORPHAN_VERSION);
    bytes_put_u8(&at, orphan->linkable ? ORPHAN_LINKABLE : 0);
    bytes_put_u64(&at, orphan->keeper);
    int result = undo_keep(index, KV_ORPHANS, gfid);
    return result ? result
                  : index->kv->ops->put(index->kv, KV_ORPHANS, orphan_key(gfid),
                                        slice_of(value, sizeof value));
}

int index_orphan_remove(struct index *index, const struct gfid *gfid)
{
    int result = undo_keep(index, KV_ORPHANS, gfid);
    return result ? result : index->kv->ops->remove(index->kv, KV_ORPHANS, orphan_key(gfid));
}

int indexed_orphan_next(struct store *store, const struct gfid *after, struct gfid *out_object,
                        uint64_t *out_keeper)
{
    struct index *index = index_of(store);
    uint8_t from[GFID_SIZE + 1] = {0}; /* the next longer key: behind after, before all others */
    struct orphan_record orphan;
    struct slice key;
    struct slice value;
    memcpy(from, after->bytes, GFID_SIZE);
    AUTO_LOCK(&index->mutex);
    int result =
        index->kv->ops->seek(index->kv, KV_ORPHANS, slice_of(from, sizeof from), &key, &value);
    if (result) {
        return result;
    }
    result = key.size == GFID_SIZE ? orphan_decode(value, &orphan) : -E_CORRUPT;
    if (!result) {
        memcpy(out_object->bytes, key.data, GFID_SIZE);
        *out_keeper = orphan.keeper;
    }
    return result;
}
