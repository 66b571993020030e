/*
 * See cut.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/store/cut.h"

#include <linux/falloc.h>
#include <stdlib.h>
#include "backend/base/bytes.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/store/indexed.h"

#define META_CUT "cut"
#define CUT_VERSION 1
#define CUT_SIZE (8 + 8)
#define RECORD_KEY_SIZE (8 + 8)

/* ---- the index ----------------------------------------------------------------------------- */

int cut_check(struct index *index, uint64_t to, uint64_t log_first)
{
    AUTO_LOCK(&index->mutex);
    const struct store_position *position = &index->position;
    if (to < position->committed || to > position->sequenced) {
        return -EINVAL;
    }
    return to + 1 < log_first ? -ENOENT : undo_check(index, to);
}

/* Two operations of one index may be taken back, one after the other. */
static struct slice record_key(uint64_t operation, uint64_t birth_view,
                               uint8_t key[RECORD_KEY_SIZE])
{
    uint8_t *at = key;
    bytes_put_u64(&at, operation);
    bytes_put_u64(&at, birth_view);
    return slice_of(key, RECORD_KEY_SIZE);
}

static int keep_record(struct index *index, struct slice record)
{
    struct operation operation;
    uint8_t key[RECORD_KEY_SIZE];
    int result = operation_decode(record, &operation);
    if (result) {
        return -E_CORRUPT;
    }
    AUTO_LOCK(&index->mutex);
    return index->kv->ops->put(index->kv, KV_CUT,
                               record_key(operation.index, operation.birth_view, key), record);
}

int cut_keep_records(struct store *store, struct index *index, uint64_t to)
{
    uint8_t record[OPERATION_SIZE_MAX];
    struct store_position position;
    size_t size;
    int result = 0;
    store_position(store, &position);
    for (uint64_t i = to + 1; !result && i <= position.sequenced; i++) {
        result = store_log_read(store, i, record, sizeof record, &size);
        if (!result) {
            result = keep_record(index, slice_of(record, size));
        }
    }
    return result == -ENOENT ? -E_CORRUPT : result;
}

int cut_index(struct index *index, uint64_t to)
{
    uint8_t value[CUT_SIZE];
    uint8_t *at = value;
    bytes_put_u64(&at, CUT_VERSION);
    bytes_put_u64(&at, to);
    int result = undo_take_back(index, to);
    return result ? result
                  : index->kv->ops->put(index->kv, KV_META, slice_text(META_CUT),
                                        slice_of(value, sizeof value));
}

int cut_pending(struct index *index, uint64_t *out_to)
{
    struct slice value;
    AUTO_LOCK(&index->mutex);
    int result = index->kv->ops->get(index->kv, KV_META, slice_text(META_CUT), &value);
    if (result) {
        return result;
    }
    const uint8_t *at = value.data;
    if (value.size != CUT_SIZE || bytes_get_u64(&at) != CUT_VERSION) {
        return -E_CORRUPT;
    }
    *out_to = bytes_get_u64(&at);
    return 0;
}

int cut_finished(struct index *index)
{
    index->changed = true;
    int result = index->kv->ops->remove(index->kv, KV_META, slice_text(META_CUT));
    return result == -ENOENT ? 0 : result;
}

/* ---- what was taken back ------------------------------------------------------------------- */

/* The first record at or behind from, copied. Fails: -ENOENT. */
static int next_record(struct index *index, struct slice from, uint8_t buffer[OPERATION_SIZE_MAX],
                       struct operation *out_operation)
{
    struct slice key;
    struct slice value;
    AUTO_LOCK(&index->mutex);
    int result = index->kv->ops->seek(index->kv, KV_CUT, from, &key, &value);
    if (result) {
        return result;
    }
    if (value.size > OPERATION_SIZE_MAX) {
        return -E_CORRUPT;
    }
    memcpy(buffer, value.data, value.size);
    return operation_decode(slice_of(buffer, value.size), out_operation) ? -E_CORRUPT : 0;
}

int cut_each(struct index *index, int (*each)(void *context, const struct operation *operation),
             void *context)
{
    uint8_t buffer[OPERATION_SIZE_MAX];
    uint8_t key[RECORD_KEY_SIZE];
    struct operation operation;
    struct slice from = record_key(0, 0, key);
    int result;
    while (!(result = next_record(index, from, buffer, &operation))) {
        result = each(context, &operation);
        if (result) {
            return result;
        }
        from = record_key(operation.index, operation.birth_view + 1, key);
    }
    return result == -ENOENT ? 0 : result;
}

int cut_forget(struct index *index)
{
    uint8_t buffer[OPERATION_SIZE_MAX];
    uint8_t key[RECORD_KEY_SIZE];
    struct operation operation;
    int result;
    while (!(result = next_record(index, record_key(0, 0, key), buffer, &operation))) {
        struct slice found = record_key(operation.index, operation.birth_view, key);
        AUTO_LOCK(&index->mutex);
        index->changed = true;
        result = index->kv->ops->remove(index->kv, KV_CUT, found);
        if (result) {
            return result == -ENOENT ? -E_CORRUPT : result;
        }
    }
    return result == -ENOENT ? 0 : result;
}

uint32_t cut_names(const struct operation *operation, struct cut_name out_names[CUT_NAMES_MAX])
{
    const struct gfid *parent = &operation->parent.gfid;
    if (operation->parent.type == OBJECT_NONE || operation->name.size == 0) {
        return 0;
    }
    out_names[0] = (struct cut_name){parent, operation->name, operation->cookie};
    if (operation->kind != OPERATION_RENAME) {
        return 1;
    }
    if (operation->parent2.type != OBJECT_NONE) {
        parent = &operation->parent2.gfid;
    }
    out_names[1] = (struct cut_name){parent, operation->name2, operation->cookie2};
    return 2;
}

uint32_t cut_objects(const struct operation *operation,
                     const struct gfid *out_objects[CUT_OBJECTS_MAX])
{
    const struct attr *const attrs[CUT_OBJECTS_MAX] = {&operation->object, &operation->replaced,
                                                       &operation->parent, &operation->parent2};
    uint32_t count = 0;
    for (size_t i = 0; i < CUT_OBJECTS_MAX; i++) {
        if (attrs[i]->type != OBJECT_NONE) {
            out_objects[count++] = &attrs[i]->gfid;
        }
    }
    return count;
}

/* ---- what only others have ----------------------------------------------------------------- */

struct ranges {
    struct store_refetch *all;
    size_t count;
    size_t capacity;
};

static int add(struct ranges *ranges, const struct gfid *object, uint64_t offset, uint64_t length)
{
    if (ranges->count == ranges->capacity) {
        size_t wanted = ranges->capacity ? ranges->capacity * 2 : 64;
        struct store_refetch *all = realloc(ranges->all, wanted * sizeof *all);
        if (!all) {
            return -ENOMEM;
        }
        ranges->all = all;
        ranges->capacity = wanted;
    }
    ranges->all[ranges->count++] =
        (struct store_refetch){.object = *object, .offset = offset, .length = length};
    return 0;
}

/* Which bytes of what was there before did the operation change? */
static int add_operation(void *context, const struct operation *operation)
{
    struct ranges *ranges = context;
    const struct gfid *object = &operation->object.gfid;
    const struct gfid *removed = operation_removes(operation);
    const struct attr_before *before = &operation->object_before;
    if (removed) {
        return add(ranges, removed, 0, UINT64_MAX);
    }
    if (operation->kind == OPERATION_WRITE) {
        return add(ranges, object, operation->offset, operation->count);
    }
    if (operation->kind == OPERATION_ALLOCATE &&
        operation->how & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
        return add(ranges, object, operation->offset, operation->length);
    }
    if (operation->kind == OPERATION_SETATTR && operation->mask & ATTR_SIZE) {
        uint64_t from = operation->object.size;
        uint64_t to = before->present ? before->size : UINT64_MAX;
        return from < to ? add(ranges, object, from, to - from) : 0;
    }
    return 0;
}

static int compare_ranges(const void *a, const void *b)
{
    const struct store_refetch *one = a;
    const struct store_refetch *other = b;
    int order = memcmp(&one->object, &other->object, sizeof one->object);
    return order ? order : (one->offset > other->offset) - (one->offset < other->offset);
}

static uint64_t end_of(const struct store_refetch *range)
{
    return range->length > UINT64_MAX - range->offset ? UINT64_MAX : range->offset + range->length;
}

/* The ranges of one object that touch become one. */
static void merge(struct ranges *ranges)
{
    size_t kept = 0;
    if (ranges->count == 0) {
        return;
    }
    qsort(ranges->all, ranges->count, sizeof *ranges->all, compare_ranges);
    for (size_t i = 1; i < ranges->count; i++) {
        struct store_refetch *last = &ranges->all[kept];
        const struct store_refetch *range = &ranges->all[i];
        if (!gfid_equal(&last->object, &range->object) || range->offset > end_of(last)) {
            ranges->all[++kept] = *range;
        } else if (end_of(range) > end_of(last)) {
            last->length = end_of(range) - last->offset;
        }
    }
    ranges->count = kept + 1;
}

/* What of it is in the file as it is now; *out_any: is there anything? */
static int clip(struct index *index, struct store_refetch *range, bool *out_any)
{
    struct object_record record;
    AUTO_LOCK(&index->mutex);
    int result = index_object_get(index, &range->object, &record);
    bool is_file = !result && record.attr.type == OBJECT_FILE;
    *out_any = is_file && range->offset < record.attr.size;
    if (*out_any && end_of(range) > record.attr.size) {
        range->length = range->offset == 0 ? UINT64_MAX : record.attr.size - range->offset;
    }
    return result == -ESTALE ? 0 : result;
}

int indexed_refetch(struct store *store, int (*each)(void *context, const struct store_refetch *),
                    void *context)
{
    struct index *index = index_of(store);
    struct ranges ranges = {.count = 0};
    int result = cut_each(index, add_operation, &ranges);
    merge(&ranges);
    for (size_t i = 0; i < ranges.count && !result; i++) {
        bool any;
        result = clip(index, &ranges.all[i], &any);
        if (!result && any) {
            result = each(context, &ranges.all[i]);
        }
    }
    free(ranges.all);
    return result;
}
