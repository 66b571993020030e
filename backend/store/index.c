/*
 * The index over ordered tables: forms of keys and values, and how names are found. What an
 * operation changes in it is in sequence.c; what is answered from it, in index_attr.c,
 * index_name.c and index_dir.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/store/index.h"

#include <assert.h>
#include <stdlib.h>
#include <xxhash.h>
#include "backend/base/bytes.h"
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/proto/dirent.h"

#define VALUE_VERSION 2
/* A fixed seed: cookies are decided once and the same on every brick for ever. */
#define NAME_HASH_SEED UINT64_C(0x7472697665740001)

#define OBJECT_SIZE 132
#define NAME_HEAD_SIZE 20
#define NAME_KEY_SIZE (GFID_SIZE + 8)
#define HANDLE_HEAD_SIZE 8
#define POSITION_SIZE 32
#define META_POSITION "position"

/* The upper half of the byte is the attributes' own flags. */
enum object_flags { OBJECT_EXCLUSIVE = 1 << 0, OBJECT_UNFLUSHED = 1 << 1 };
#define ATTR_FLAGS_SHIFT 4
static_assert(ATTR_FLAG_BITS << ATTR_FLAGS_SHIFT <= UINT8_MAX, "they share a byte");

static struct slice gfid_key(const struct gfid *gfid)
{
    return slice_of(gfid->bytes, GFID_SIZE);
}

/* ---- objects ------------------------------------------------------------------------------- */

static void put_time(uint8_t **at, const struct timestamp *time)
{
    bytes_put_u64(at, (uint64_t)time->seconds);
    bytes_put_u32(at, time->nanoseconds);
}

static void get_time(const uint8_t **at, struct timestamp *out_time)
{
    out_time->seconds = (int64_t)bytes_get_u64(at);
    out_time->nanoseconds = bytes_get_u32(at);
}

static void object_encode(const struct object_record *record, uint8_t bytes[OBJECT_SIZE])
{
    const struct attr *attr = &record->attr;
    uint8_t *at = bytes;
    bytes_put_u8(&at, VALUE_VERSION);
    bytes_put_u8(&at, (uint8_t)((record->exclusive ? OBJECT_EXCLUSIVE : 0) |
                                (record->unflushed ? OBJECT_UNFLUSHED : 0) |
                                attr->flags << ATTR_FLAGS_SHIFT));
    bytes_put_u16(&at, (uint16_t)attr->type);
    bytes_put_u32(&at, attr->mode);
    bytes_put_u32(&at, attr->nlink);
    bytes_put_u32(&at, attr->uid);
    bytes_put_u32(&at, attr->gid);
    bytes_put_u32(&at, attr->device_major);
    bytes_put_u32(&at, attr->device_minor);
    bytes_put_u64(&at, attr->size);
    bytes_put_u64(&at, attr->used);
    bytes_put_u64(&at, attr->change);
    bytes_put_u64(&at, record->entries);
    bytes_put_u64(&at, attr->type == OBJECT_DIRECTORY ? record->place : record->verifier);
    bytes_put(&at, attr->parent.bytes, GFID_SIZE);
    put_time(&at, &attr->atime);
    put_time(&at, &attr->mtime);
    put_time(&at, &attr->ctime);
    put_time(&at, &attr->btime);
    POST(at == bytes + OBJECT_SIZE);
}

static int object_decode(struct slice value, const struct gfid *gfid,
                         struct object_record *out_record)
{
    const uint8_t *at = value.data;
    if (value.size != OBJECT_SIZE || bytes_get_u8(&at) != VALUE_VERSION) {
        return -E_CORRUPT;
    }
    struct attr *attr = &out_record->attr;
    uint8_t flags = bytes_get_u8(&at);
    out_record->exclusive = flags & OBJECT_EXCLUSIVE;
    out_record->unflushed = flags & OBJECT_UNFLUSHED;
    attr->flags = flags >> ATTR_FLAGS_SHIFT;
    attr->type = bytes_get_u16(&at);
    attr->mode = bytes_get_u32(&at);
    attr->nlink = bytes_get_u32(&at);
    attr->uid = bytes_get_u32(&at);
    attr->gid = bytes_get_u32(&at);
    attr->device_major = bytes_get_u32(&at);
    attr->device_minor = bytes_get_u32(&at);
    attr->size = bytes_get_u64(&at);
    attr->used = bytes_get_u64(&at);
    attr->change = bytes_get_u64(&at);
    out_record->entries = bytes_get_u64(&at);
    uint64_t number = bytes_get_u64(&at); /* no directory is created exclusively */
    out_record->place = attr->type == OBJECT_DIRECTORY ? number : 0;
    out_record->verifier = attr->type == OBJECT_DIRECTORY ? 0 : number;
    attr->gfid = *gfid;
    bytes_get(&at, attr->parent.bytes, GFID_SIZE);
    get_time(&at, &attr->atime);
    get_time(&at, &attr->mtime);
    get_time(&at, &attr->ctime);
    get_time(&at, &attr->btime);
    return 0;
}

int index_object_get(struct index *index, const struct gfid *gfid, struct object_record *out_record)
{
    struct slice value;
    int result = index->kv->ops->get(index->kv, KV_OBJECTS, gfid_key(gfid), &value);
    if (result) {
        return result == -ENOENT ? -ESTALE : result;
    }
    return object_decode(value, gfid, out_record);
}

int index_object_put(struct index *index, const struct object_record *record)
{
    uint8_t value[OBJECT_SIZE];
    object_encode(record, value);
    index->changed = true; /* whatever changes, an object does; but for handles */
    return index->kv->ops->put(index->kv, KV_OBJECTS, gfid_key(&record->attr.gfid),
                               slice_of(value, sizeof value));
}

static int remove_if_there(struct index *index, enum kv_table table, const struct gfid *gfid)
{
    int result = index->kv->ops->remove(index->kv, table, gfid_key(gfid));
    return result == -ENOENT ? 0 : result;
}

/* Remove what can be put back. */
static int take(struct index *index, enum kv_table table, const struct gfid *gfid)
{
    int result = undo_keep(index, table, gfid);
    return result ? result : remove_if_there(index, table, gfid);
}

int index_object_remove(struct index *index, const struct gfid *gfid)
{
    struct object_record record;
    int result = index_object_get(index, gfid, &record);
    if (!result && record.unflushed) {
        result =
            remove_if_there(index, KV_UNFLUSHED, gfid); /* not noted: undo.c asks for it anew */
    }
    if (!result && record.attr.type == OBJECT_SYMLINK) {
        result = take(index, KV_TARGETS, gfid);
    }
    if (!result && record.attr.flags) {
        result = take(index, KV_XATTRS, gfid);
    }
    return result ? result : take(index, KV_OBJECTS, gfid);
}

int index_target_get(struct index *index, const struct gfid *gfid, struct slice *out_target)
{
    return index->kv->ops->get(index->kv, KV_TARGETS, gfid_key(gfid), out_target);
}

/* ---- names --------------------------------------------------------------------------------- */

static void name_key(const struct gfid *parent, uint64_t cookie, uint8_t out_key[NAME_KEY_SIZE])
{
    uint8_t *at = out_key;
    bytes_put(&at, parent->bytes, GFID_SIZE);
    bytes_put_u64(&at, cookie);
}

static int name_decode(struct slice key, struct slice value, struct name_record *out_name)
{
    if (key.size != NAME_KEY_SIZE || value.size <= NAME_HEAD_SIZE) {
        return -E_CORRUPT;
    }
    const uint8_t *at = key.data + GFID_SIZE;
    out_name->cookie = bytes_get_u64(&at);
    at = value.data;
    if (bytes_get_u8(&at) != VALUE_VERSION) {
        return -E_CORRUPT;
    }
    out_name->type = bytes_get_u8(&at);
    at += 2;
    bytes_get(&at, out_name->gfid.bytes, GFID_SIZE);
    out_name->name = slice_of(at, value.size - NAME_HEAD_SIZE);
    return 0;
}

/* The cookie of the first of a name's hash; 63 bits, never below COOKIE_FIRST. */
static uint64_t cookie_base(const struct index *index, struct slice name)
{
    uint64_t hash = XXH3_64bits_withSeed(name.data, name.size, NAME_HASH_SEED) >> 6;
    hash &= index->hash_mask;
    return (hash ? hash : 1) << COOKIE_ORDER_BITS;
}

int index_name_next(struct index *index, const struct gfid *parent, uint64_t cookie, bool go_on,
                    struct name_record *out_name)
{
    struct slice key;
    struct slice value;
    int result;
    if (go_on) {
        result = index->kv->ops->next(index->kv, KV_NAMES, &key, &value);
    } else {
        uint8_t from[NAME_KEY_SIZE];
        if (cookie == UINT64_MAX) {
            return -ENOENT;
        }
        name_key(parent, cookie + 1, from);
        result =
            index->kv->ops->seek(index->kv, KV_NAMES, slice_of(from, sizeof from), &key, &value);
    }
    if (result) {
        return result;
    }
    if (key.size != NAME_KEY_SIZE || memcmp(key.data, parent->bytes, GFID_SIZE) != 0) {
        return -ENOENT;
    }
    return name_decode(key, value, out_name);
}

int index_name_find(struct index *index, const struct gfid *parent, struct slice name,
                    struct name_record *out_name)
{
    uint64_t base = cookie_base(index, name);
    int result = index_name_next(index, parent, base - 1, false, out_name);
    while (!result && out_name->cookie <= (base | COOKIE_ORDER_MASK)) {
        if (slice_equal(out_name->name, name)) {
            return 0;
        }
        result = index_name_next(index, parent, 0, true, out_name);
    }
    return result ? result : -ENOENT;
}

int index_name_cookie(struct index *index, const struct gfid *parent, struct slice name,
                      uint64_t *out_cookie)
{
    uint64_t base = cookie_base(index, name);
    uint64_t cookie = base;
    struct name_record found;
    int result = index_name_next(index, parent, base - 1, false, &found);
    while (!result && found.cookie == cookie) {
        cookie++;
        result = index_name_next(index, parent, 0, true, &found);
    }
    if (result && result != -ENOENT) {
        return result;
    }
    if (cookie >= base + COOKIE_ORDERS) {
        return -ENOSPC;
    }
    *out_cookie = cookie;
    return 0;
}

int index_name_at(struct index *index, const struct gfid *parent, uint64_t cookie,
                  struct name_record *out_name)
{
    if (cookie < COOKIE_FIRST) {
        return -ENOENT;
    }
    int result = index_name_next(index, parent, cookie - 1, false, out_name);
    return !result && out_name->cookie != cookie ? -ENOENT : result;
}

static struct slice name_encode(const struct name_record *name,
                                uint8_t value[NAME_HEAD_SIZE + NAME_SIZE_MAX])
{
    PRE(name->name.size > 0 && name->name.size <= NAME_SIZE_MAX);
    uint8_t *at = value;
    bytes_put_u8(&at, VALUE_VERSION);
    bytes_put_u8(&at, (uint8_t)name->type);
    bytes_put_u16(&at, 0);
    bytes_put(&at, name->gfid.bytes, GFID_SIZE);
    bytes_put(&at, name->name.data, name->name.size);
    return slice_of(value, (size_t)(at - value));
}

int index_name_put(struct index *index, const struct gfid *parent, const struct name_record *name)
{
    PRE(name->cookie >= COOKIE_FIRST && name->cookie <= INT64_MAX);
    uint8_t key[NAME_KEY_SIZE];
    uint8_t value[NAME_HEAD_SIZE + NAME_SIZE_MAX];
    name_key(parent, name->cookie, key);
    return index->kv->ops->put(index->kv, KV_NAMES, slice_of(key, sizeof key),
                               name_encode(name, value));
}

int index_name_note(struct index *index, const struct gfid *parent, uint64_t cookie,
                    const struct name_record *was)
{
    uint8_t key[NAME_KEY_SIZE];
    uint8_t value[NAME_HEAD_SIZE + NAME_SIZE_MAX];
    struct slice old = was ? name_encode(was, value) : slice_of(NULL, 0);
    name_key(parent, cookie, key);
    return undo_note(index, KV_NAMES, slice_of(key, sizeof key), was ? &old : NULL);
}

int index_name_remove(struct index *index, const struct gfid *parent, uint64_t cookie)
{
    uint8_t key[NAME_KEY_SIZE];
    name_key(parent, cookie, key);
    return index->kv->ops->remove(index->kv, KV_NAMES, slice_of(key, sizeof key));
}

/* ---- handles, what is to be flushed -------------------------------------------------------- */

int index_handle_get(struct index *index, const struct gfid *gfid, struct handle_record *out_handle)
{
    struct slice value;
    int result = index->kv->ops->get(index->kv, KV_HANDLES, gfid_key(gfid), &value);
    if (result) {
        return result;
    }
    const uint8_t *at = value.data;
    if (value.size < HANDLE_HEAD_SIZE || value.size > HANDLE_HEAD_SIZE + HANDLE_BYTES_MAX ||
        bytes_get_u8(&at) != VALUE_VERSION) {
        return -E_CORRUPT;
    }
    out_handle->type = bytes_get_u8(&at);
    at += 2;
    out_handle->handle_type = (int32_t)bytes_get_u32(&at);
    out_handle->size = (uint32_t)(value.size - HANDLE_HEAD_SIZE);
    bytes_get(&at, out_handle->bytes, out_handle->size);
    return 0;
}

int index_handle_put(struct index *index, const struct gfid *gfid,
                     const struct handle_record *handle)
{
    PRE(handle->size <= HANDLE_BYTES_MAX);
    index->changed = true;
    uint8_t value[HANDLE_HEAD_SIZE + HANDLE_BYTES_MAX];
    uint8_t *at = value;
    bytes_put_u8(&at, VALUE_VERSION);
    bytes_put_u8(&at, (uint8_t)handle->type);
    bytes_put_u16(&at, 0);
    bytes_put_u32(&at, (uint32_t)handle->handle_type);
    bytes_put(&at, handle->bytes, handle->size);
    return index->kv->ops->put(index->kv, KV_HANDLES, gfid_key(gfid),
                               slice_of(value, (size_t)(at - value)));
}

int index_handle_remove(struct index *index, const struct gfid *gfid)
{
    index->changed = true;
    return remove_if_there(index, KV_HANDLES, gfid);
}

int index_unflushed_next(struct index *index, const struct gfid *gfid, struct gfid *out_gfid)
{
    uint8_t from[GFID_SIZE + 1] = {0}; /* the next longer key: behind gfid, before all others */
    memcpy(from, gfid->bytes, GFID_SIZE);
    struct slice key;
    struct slice value;
    int result =
        index->kv->ops->seek(index->kv, KV_UNFLUSHED, slice_of(from, sizeof from), &key, &value);
    if (result) {
        return result;
    }
    if (key.size != GFID_SIZE) {
        return -E_CORRUPT;
    }
    memcpy(out_gfid->bytes, key.data, GFID_SIZE);
    return 0;
}

int index_unflush(struct index *index, const struct gfid *gfid)
{
    struct object_record record;
    int result = index_object_get(index, gfid, &record);
    if (result) {
        return result == -ESTALE ? 0 : result;
    }
    record.unflushed = true;
    result = index_object_put(index, &record);
    return result ? result
                  : index->kv->ops->put(index->kv, KV_UNFLUSHED, gfid_key(gfid), slice_of(NULL, 0));
}

int index_flushed(struct index *index, const struct gfid *gfid, uint64_t change)
{
    struct object_record record;
    int result = index_object_get(index, gfid, &record);
    if (result == -ESTALE) {
        return 0; /* removed meanwhile, and what was to be flushed with it */
    }
    if (result || record.attr.change != change || !record.unflushed) {
        return result;
    }
    record.unflushed = false;
    result = index_object_put(index, &record);
    return result ? result : remove_if_there(index, KV_UNFLUSHED, gfid);
}

/* ---- life ---------------------------------------------------------------------------------- */

static int position_load(struct index *index)
{
    struct slice value;
    int result = index->kv->ops->get(index->kv, KV_META, slice_text(META_POSITION), &value);
    if (result == -ENOENT) {
        return 0; /* a new index */
    }
    if (result) {
        return result;
    }
    const uint8_t *at = value.data;
    if (value.size != POSITION_SIZE || bytes_get_u64(&at) != VALUE_VERSION) {
        return -E_CORRUPT;
    }
    index->position.sequenced = bytes_get_u64(&at);
    index->position.applied = bytes_get_u64(&at);
    index->position.committed = bytes_get_u64(&at);
    return 0;
}

int index_commit(struct index *index, bool durable)
{
    if (!durable && !index->changed &&
        memcmp(&index->position, &index->stored, sizeof index->position) == 0) {
        return 0; /* an idle brick leaves its disk alone */
    }
    uint8_t value[POSITION_SIZE];
    uint8_t *at = value;
    bytes_put_u64(&at, VALUE_VERSION);
    bytes_put_u64(&at, index->position.sequenced);
    bytes_put_u64(&at, index->position.applied);
    bytes_put_u64(&at, index->position.committed);
    int result = undo_store(index);
    if (!result) {
        result = index->kv->ops->put(index->kv, KV_META, slice_text(META_POSITION),
                                     slice_of(value, sizeof value));
    }
    if (!result) {
        result = index->kv->ops->commit(index->kv, durable);
    }
    index->uncommitted = 0;
    index->stored = index->position;
    index->changed = result != 0;
    return result;
}

/* The root is there from the beginning, the same on every brick; no clock has a say in it. */
static int root_make(struct index *index)
{
    struct object_record root;
    int result = index_object_get(index, &GFID_ROOT, &root);
    if (result != -ESTALE) {
        return result;
    }
    root = (struct object_record){
        .attr = {.type = OBJECT_DIRECTORY,
                 .mode = 0755,
                 .nlink = 2,
                 .size = 4096,
                 .used = 4096,
                 .change = gfid_index(&GFID_ROOT),
                 .gfid = GFID_ROOT,
                 .parent = GFID_ROOT},
    };
    return index_object_put(index, &root);
}

int index_open(struct kv *kv, struct index **out_index)
{
    PRE(kv && out_index);
    struct index *index = calloc(1, sizeof *index);
    if (!index) {
        kv->ops->close(kv);
        return -ENOMEM;
    }
    pthread_mutex_init(&index->mutex, NULL);
    index->kv = kv;
    index->hash_mask = UINT64_MAX >> 6;
    uint64_t before_first = OPERATION_INDEX_FIRST - 1;
    index->position = (struct store_position){before_first, before_first, before_first};
    int result = position_load(index);
    index->stored = index->position;
    if (!result) {
        result = root_make(index);
    }
    if (!result) {
        result = undo_load(index);
    }
    if (result) {
        index_close(index);
        return result;
    }
    *out_index = index;
    return 0;
}

void index_close(struct index *index)
{
    if (!index) {
        return;
    }
    index->kv->ops->close(index->kv);
    undo_free(&index->undo);
    pthread_mutex_destroy(&index->mutex);
    free(index);
}
