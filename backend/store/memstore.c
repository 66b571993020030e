/*
 * A store in memory, for the simulator: the index over tables in memory, decisions by the same code
 * as on a disk, contents in pages and the log in two more tables.
 *
 * Threads: as store.h says; one mutex, the index's, guards all of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <linux/falloc.h>
#include <unistd.h>
#include "backend/base/bytes.h"
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/store/cut.h"
#include "backend/store/indexed.h"

#define PAGE_SIZE 4096
#define PAGE_KEY_SIZE (GFID_SIZE + 8)
/* What the imagined disk holds. */
#define BYTES_TOTAL (UINT64_C(1) << 40)

struct memory_store {
    struct indexed_store base;
    struct kv *kv; /* the index's */
    struct store_identity identity;
    struct view view; /* number 0: none yet */
    uint64_t durable; /* operations up to here were synced */
    bool reconciling;
};

static struct memory_store *memory_of(struct store *store)
{
    return (struct memory_store *)store;
}

/* ---- contents ------------------------------------------------------------------------------ */

static struct slice page_key(const struct gfid *gfid, uint64_t page, uint8_t key[PAGE_KEY_SIZE])
{
    uint8_t *at = key;
    bytes_put(&at, gfid->bytes, GFID_SIZE);
    bytes_put_u64(&at, page);
    return slice_of(key, PAGE_KEY_SIZE);
}

/* A page that is not there is a hole. */
static int page_get(struct memory_store *memory, const struct gfid *gfid, uint64_t page,
                    uint8_t out_page[PAGE_SIZE])
{
    uint8_t key[PAGE_KEY_SIZE];
    struct slice value;
    int result = memory->kv->ops->get(memory->kv, KV_CONTENTS, page_key(gfid, page, key), &value);
    if (result == -ENOENT) {
        memset(out_page, 0, PAGE_SIZE);
        return 0;
    }
    if (!result) {
        memcpy(out_page, value.data, PAGE_SIZE);
    }
    return result;
}

static int page_put(struct memory_store *memory, const struct gfid *gfid, uint64_t page,
                    const uint8_t bytes[PAGE_SIZE])
{
    uint8_t key[PAGE_KEY_SIZE];
    return memory->kv->ops->put(memory->kv, KV_CONTENTS, page_key(gfid, page, key),
                                slice_of(bytes, PAGE_SIZE));
}

static int contents_write(struct memory_store *memory, const struct gfid *gfid, uint64_t offset,
                          struct slice bytes)
{
    while (bytes.size > 0) {
        uint8_t page[PAGE_SIZE];
        size_t within = offset % PAGE_SIZE;
        size_t part = PAGE_SIZE - within < bytes.size ? PAGE_SIZE - within : bytes.size;
        int result = page_get(memory, gfid, offset / PAGE_SIZE, page);
        if (!result) {
            memcpy(page + within, bytes.data, part);
            result = page_put(memory, gfid, offset / PAGE_SIZE, page);
        }
        if (result) {
            return result;
        }
        offset += part;
        bytes = slice_of(bytes.data + part, bytes.size - part);
    }
    return 0;
}

/* Zeros in a page, if it is there, from a position up to another. */
static int page_clear(struct memory_store *memory, const struct gfid *gfid, uint64_t page,
                      size_t from, size_t to)
{
    uint8_t key[PAGE_KEY_SIZE];
    uint8_t bytes[PAGE_SIZE];
    struct slice value;
    int result = memory->kv->ops->get(memory->kv, KV_CONTENTS, page_key(gfid, page, key), &value);
    if (result || from >= to) {
        return result == -ENOENT ? 0 : result;
    }
    memcpy(bytes, value.data, PAGE_SIZE);
    memset(bytes + from, 0, to - from);
    return page_put(memory, gfid, page, bytes);
}

/* The first page of an object at or behind page. Fails: -ENOENT. */
static int page_seek(struct memory_store *memory, const struct gfid *gfid, uint64_t page,
                     uint64_t *out_page)
{
    uint8_t key[PAGE_KEY_SIZE];
    struct slice found;
    struct slice value;
    int result =
        memory->kv->ops->seek(memory->kv, KV_CONTENTS, page_key(gfid, page, key), &found, &value);
    if (result) {
        return result;
    }
    if (memcmp(found.data, gfid->bytes, GFID_SIZE) != 0) {
        return -ENOENT;
    }
    const uint8_t *at = found.data + GFID_SIZE;
    *out_page = bytes_get_u64(&at);
    return 0;
}

/* A hole from a position up to another. */
static int contents_punch(struct memory_store *memory, const struct gfid *gfid, uint64_t from,
                          uint64_t to)
{
    uint64_t first = (from + PAGE_SIZE - 1) / PAGE_SIZE;
    uint64_t last = to / PAGE_SIZE;
    uint64_t page;
    int result;
    if (first > last) { /* within one page */
        return page_clear(memory, gfid, last, from % PAGE_SIZE, to % PAGE_SIZE);
    }
    while (!(result = page_seek(memory, gfid, first, &page)) && page < last) {
        uint8_t key[PAGE_KEY_SIZE];
        result = memory->kv->ops->remove(memory->kv, KV_CONTENTS, page_key(gfid, page, key));
        if (result) {
            return result;
        }
    }
    if (result && result != -ENOENT) {
        return result;
    }
    result = page_clear(memory, gfid, last, 0, to % PAGE_SIZE);
    return result || first * PAGE_SIZE == from
               ? result
               : page_clear(memory, gfid, first - 1, from % PAGE_SIZE, PAGE_SIZE);
}

static int contents_truncate(struct memory_store *memory, const struct gfid *gfid, uint64_t size)
{
    return contents_punch(memory, gfid, size, UINT64_MAX / PAGE_SIZE * PAGE_SIZE);
}

static int memory_read(struct store *store, const struct gfid *gfid, uint64_t offset,
                       uint32_t count, bool no_wait, uint8_t *buffer, uint32_t *out_count)
{
    struct memory_store *memory = memory_of(store);
    struct index *index = memory->base.index;
    struct object_record record;
    (void)no_wait; /* everything is in memory */
    AUTO_LOCK(&index->mutex);
    int result = index_object_get(index, gfid, &record);
    if (result) {
        return result;
    }
    if (record.attr.type != OBJECT_FILE) {
        return record.attr.type == OBJECT_DIRECTORY ? -EISDIR : -EINVAL;
    }
    uint64_t left = offset < record.attr.size ? record.attr.size - offset : 0;
    uint32_t total = left < count ? (uint32_t)left : count;
    for (uint32_t done = 0; done < total;) {
        uint8_t page[PAGE_SIZE];
        size_t within = (offset + done) % PAGE_SIZE;
        uint32_t part = (uint32_t)(PAGE_SIZE - within);
        part = part < total - done ? part : total - done;
        result = page_get(memory, gfid, (offset + done) / PAGE_SIZE, page);
        if (result) {
            return result;
        }
        memcpy(buffer + done, page + within, part);
        done += part;
    }
    *out_count = total;
    return 0;
}

/* Every page that was ever written is data. */
static int memory_seek(struct store *store, const struct gfid *gfid, uint64_t offset, int whence,
                       uint64_t *out_offset)
{
    struct memory_store *memory = memory_of(store);
    struct index *index = memory->base.index;
    struct object_record record;
    uint64_t page = offset / PAGE_SIZE;
    uint64_t found;
    AUTO_LOCK(&index->mutex);
    int result = index_object_get(index, gfid, &record);
    if (!result &&
        (record.attr.type != OBJECT_FILE || (whence != SEEK_DATA && whence != SEEK_HOLE))) {
        result = -EINVAL;
    }
    if (!result && offset >= record.attr.size) {
        result = -ENXIO;
    }
    if (result) {
        return result;
    }
    while (!(result = page_seek(memory, gfid, page, &found)) && whence == SEEK_HOLE &&
           found == page && page * PAGE_SIZE < record.attr.size) {
        page++;
    }
    if (result && result != -ENOENT) {
        return result;
    }
    if (whence == SEEK_DATA) {
        page = result ? UINT64_MAX / PAGE_SIZE : found;
    }
    uint64_t at = page * PAGE_SIZE > offset ? page * PAGE_SIZE : offset;
    if (at >= record.attr.size && whence == SEEK_DATA) {
        return -ENXIO;
    }
    *out_offset = at < record.attr.size ? at : record.attr.size; /* at its end there is a hole */
    return 0;
}

/* ---- mutations ----------------------------------------------------------------------------- */

static struct slice record_key(uint64_t index, uint8_t key[8])
{
    uint8_t *at = key;
    bytes_put_u64(&at, index);
    return slice_of(key, 8);
}

static int memory_sequence(struct store *store, const struct operation *operation,
                           struct slice record)
{
    struct memory_store *memory = memory_of(store);
    struct index *index = memory->base.index;
    uint8_t key[8];
    AUTO_LOCK(&index->mutex);
    int result =
        memory->kv->ops->put(memory->kv, KV_RECORDS, record_key(operation->index, key), record);
    return result ? result : index_sequence(index, operation);
}

static int memory_apply(struct store *store, const struct operation *operation, struct slice bulk)
{
    struct memory_store *memory = memory_of(store);
    struct index *index = memory->base.index;
    const struct gfid *removed = operation_removes(operation);
    const uint32_t clears = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
    int result = 0;
    AUTO_LOCK(&index->mutex);
    PRE(operation->index <= index->position.applied + 1);
    PRE(operation->index <= index->position.sequenced);
    if (operation->kind == OPERATION_WRITE) {
        result = contents_write(memory, &operation->object.gfid, operation->offset, bulk);
    } else if (operation->kind == OPERATION_SETATTR && operation->mask & ATTR_SIZE) {
        result = contents_truncate(memory, &operation->object.gfid, operation->object.size);
    } else if (operation->kind == OPERATION_ALLOCATE && operation->how & clears) {
        result = contents_punch(memory, &operation->object.gfid, operation->offset,
                                operation->offset + operation->length);
    } else if (removed) {
        result = contents_truncate(memory, removed, 0);
    }
    if (!result && operation->index > index->position.applied) {
        index->position.applied = operation->index;
    }
    return result;
}

static int memory_log_read(struct store *store, uint64_t operation, uint8_t *buffer, size_t size,
                           size_t *out_size)
{
    struct memory_store *memory = memory_of(store);
    uint8_t key[8];
    struct slice value;
    AUTO_LOCK(&memory->base.index->mutex);
    int result = memory->kv->ops->get(memory->kv, KV_RECORDS, record_key(operation, key), &value);
    if (result) {
        return result;
    }
    if (value.size > size) {
        return -ENOBUFS;
    }
    memcpy(buffer, value.data, value.size);
    *out_size = value.size;
    return 0;
}

/* ---- returning to a set -------------------------------------------------------------------- */

/* Nothing of a file's contents is kept for what is taken back, as on a disk. */
static int restore_size(void *context, const struct operation *operation)
{
    struct memory_store *memory = context;
    const struct gfid *objects[CUT_OBJECTS_MAX];
    uint32_t count = cut_objects(operation, objects);
    int result = 0;
    AUTO_LOCK(&memory->base.index->mutex);
    for (uint32_t i = 0; i < count && !result; i++) {
        struct object_record record = {.attr.size = 0};
        result = index_object_get(memory->base.index, objects[i], &record);
        if (!result || result == -ESTALE) {
            result = contents_truncate(memory, objects[i], result ? 0 : record.attr.size);
        }
    }
    return result;
}

static int records_remove(struct memory_store *memory, uint64_t to, uint64_t last)
{
    int result = 0;
    for (uint64_t i = to + 1; i <= last && !result; i++) {
        uint8_t key[8];
        result = memory->kv->ops->remove(memory->kv, KV_RECORDS, record_key(i, key));
    }
    return result;
}

static int memory_cut(struct store *store, uint64_t to)
{
    struct memory_store *memory = memory_of(store);
    struct index *index = memory->base.index;
    struct store_position position;
    int result = cut_check(index, to, OPERATION_INDEX_FIRST);
    indexed_position(store, &position);
    if (result || to == position.sequenced) {
        return result;
    }
    memory->reconciling = true;
    result = cut_keep_records(store, index, to);
    if (!result) {
        AUTO_LOCK(&index->mutex);
        result = cut_index(index, to);
        result = result ? result : cut_finished(index);
        result = result ? result : records_remove(memory, to, position.sequenced);
        memory->durable = memory->durable < to ? memory->durable : to;
    }
    return result ? result : cut_each(index, restore_size, memory);
}

static int memory_restore(struct store *store, const struct gfid *gfid, uint64_t offset,
                          struct slice bytes)
{
    struct memory_store *memory = memory_of(store);
    struct object_record record;
    AUTO_LOCK(&memory->base.index->mutex);
    int result = index_object_get(memory->base.index, gfid, &record);
    if (result || record.attr.type != OBJECT_FILE) {
        return result ? result : -EINVAL;
    }
    if (offset >= record.attr.size) {
        return 0;
    }
    uint64_t left = record.attr.size - offset;
    size_t size = bytes.size < left ? bytes.size : (size_t)left;
    return contents_write(memory, gfid, offset, slice_of(bytes.data, size));
}

static bool memory_reconciling(struct store *store)
{
    return memory_of(store)->reconciling;
}

static int memory_reconciled(struct store *store)
{
    int result = cut_forget(index_of(store));
    memory_of(store)->reconciling = result != 0;
    return result;
}

/* ---- the rest ------------------------------------------------------------------------------ */

static int memory_sync(struct store *store, const struct gfid *gfid)
{
    struct memory_store *memory = memory_of(store);
    struct object_record record;
    AUTO_LOCK(&memory->base.index->mutex);
    int result = gfid ? index_object_get(memory->base.index, gfid, &record) : 0;
    if (!result) {
        memory->durable = memory->base.index->position.sequenced;
    }
    return result;
}

static int memory_sync_join(struct store *store, const struct gfid *gfid, struct store_sync *sync)
{
    (void)store;
    (void)gfid;
    (void)sync;
    return -EAGAIN; /* nothing here takes long enough to be joined */
}

static int memory_statfs(struct store *store, struct statfs_info *out_info)
{
    (void)store;
    *out_info = (struct statfs_info){.present = true,
                                     .bytes_total = BYTES_TOTAL,
                                     .bytes_free = BYTES_TOTAL / 2,
                                     .bytes_available = BYTES_TOTAL / 2,
                                     .files_total = 1000000,
                                     .files_free = 500000,
                                     .name_max = NAME_SIZE_MAX};
    return 0;
}

static void memory_identity(struct store *store, struct store_identity *out_identity)
{
    *out_identity = memory_of(store)->identity;
}

static int memory_checkpoint(struct store *store)
{
    struct index *index = index_of(store);
    AUTO_LOCK(&index->mutex);
    return index_commit(index, false);
}

static int memory_view_get(struct store *store, struct view *out_view)
{
    AUTO_LOCK(&index_of(store)->mutex);
    if (memory_of(store)->view.number == 0) {
        return -ENOENT;
    }
    *out_view = memory_of(store)->view;
    return 0;
}

static int memory_view_put(struct store *store, const struct view *view)
{
    AUTO_LOCK(&index_of(store)->mutex);
    memory_of(store)->view = *view;
    return 0;
}

static void memory_close(struct store *store)
{
    index_close(index_of(store));
    free(memory_of(store));
}

static const struct store_ops memory_store_ops = {
    .getattr = indexed_getattr,
    .lookup = indexed_lookup,
    .readlink = indexed_readlink,
    .read = memory_read,
    .sync = memory_sync,
    .sync_join = memory_sync_join,
    .getxattr = indexed_getxattr,
    .listxattr = indexed_listxattr,
    .seek = memory_seek,
    .readdir = indexed_readdir,
    .statfs = memory_statfs,
    .rights = indexed_rights,
    .orphan_next = indexed_orphan_next,
    .decide = indexed_decide,
    .sequence = memory_sequence,
    .apply = memory_apply,
    .commit = indexed_commit,
    .log_read = memory_log_read,
    .cut = memory_cut,
    .refetch = indexed_refetch,
    .restore = memory_restore,
    .reconciling = memory_reconciling,
    .reconciled = memory_reconciled,
    .position = indexed_position,
    .identity = memory_identity,
    .checkpoint = memory_checkpoint,
    .view_get = memory_view_get,
    .view_put = memory_view_put,
    .close = memory_close,
};

int memory_store_open(const struct store_identity *identity, struct clock *clock,
                      struct store **out_store)
{
    PRE(identity && out_store);
    (void)clock; /* every time is decided by the primary and comes with its operation */
    struct memory_store *memory = calloc(1, sizeof *memory);
    if (!memory) {
        return -ENOMEM;
    }
    memory->base.store.ops = &memory_store_ops;
    memory->identity = *identity;
    int result = kv_memory_open(&memory->kv);
    if (!result) {
        result = index_open(memory->kv, &memory->base.index);
    }
    if (result) {
        free(memory);
        return result;
    }
    *out_store = &memory->base.store;
    return 0;
}
