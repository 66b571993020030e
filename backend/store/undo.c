/*
 * See undo.h.
 *
 * An entry is a table u8, the size of the key u8, the size of the value u32 (ABSENT: there was
 * none), key, value. In the table: key is the operation's index, the value its entries.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/store/undo.h"

#include <stdlib.h>
#include "backend/base/bytes.h"
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/proto/limits.h"
#include "backend/store/index.h"

#define ABSENT UINT32_MAX
#define ENTRY_HEAD_SIZE (1 + 1 + 4)
#define INDEX_KEY_SIZE 8
/* An operation changes up to four objects, two names, and what is beside them. */
#define ENTRIES_MAX 32
#define CAPACITY_FIRST ((size_t)64 * 1024)

struct undo_head {
    uint64_t index;
    uint64_t size; /* of the entries behind it */
};

static struct undo_head head_at(const struct undo *undo, size_t at)
{
    struct undo_head head;
    memcpy(&head, undo->bytes + at, sizeof head);
    return head;
}

static struct slice index_key(uint64_t index, uint8_t key[INDEX_KEY_SIZE])
{
    uint8_t *at = key;
    bytes_put_u64(&at, index);
    return slice_of(key, INDEX_KEY_SIZE);
}

/* ---- in memory ----------------------------------------------------------------------------- */

void undo_free(struct undo *undo)
{
    free(undo->bytes);
    *undo = (struct undo){.bytes = NULL};
}

static int reserve(struct undo *undo, size_t size)
{
    if (undo->size + size <= undo->capacity) {
        return 0;
    }
    size_t wanted = undo->capacity ? undo->capacity : CAPACITY_FIRST;
    while (wanted < undo->size + size) {
        wanted *= 2;
    }
    uint8_t *bytes = realloc(undo->bytes, wanted);
    if (!bytes) {
        return -ENOMEM;
    }
    undo->bytes = bytes;
    undo->capacity = wanted;
    return 0;
}

/* Let go of what is committed, and of its room if that is worth the copy. */
static void drop_committed(struct undo *undo, uint64_t committed)
{
    while (undo->begin < undo->size) {
        struct undo_head head = head_at(undo, undo->begin);
        if (head.index > committed) {
            break;
        }
        undo->begin += sizeof head + head.size;
    }
    size_t left = undo->size - undo->begin;
    if (undo->begin >= left && undo->begin >= CAPACITY_FIRST / 2) {
        memmove(undo->bytes, undo->bytes + undo->begin, left);
        undo->begin = 0;
        undo->size = left;
    } else if (left == 0) {
        undo->begin = undo->size = 0;
    }
}

int undo_begin(struct index *index, uint64_t operation)
{
    struct undo *undo = &index->undo;
    const struct undo_head head = {.index = operation};
    int result = 0;
    if (operation <= index->position.committed) {
        return 0;
    }
    drop_committed(undo, index->position.committed);
    if (undo->size - undo->begin > UNDO_BYTES_MAX) {
        result = undo_store(index);
    }
    if (!result) {
        result = reserve(undo, sizeof head);
    }
    if (result) {
        return result;
    }
    undo->noting = true;
    undo->noted = undo->size;
    memcpy(undo->bytes + undo->size, &head, sizeof head);
    undo->size += sizeof head;
    return 0;
}

void undo_end(struct index *index, bool keep)
{
    struct undo *undo = &index->undo;
    if (!undo->noting) {
        return;
    }
    undo->noting = false;
    if (!keep) {
        undo->size = undo->noted;
        return;
    }
    struct undo_head head = head_at(undo, undo->noted);
    head.size = undo->size - undo->noted - sizeof head;
    memcpy(undo->bytes + undo->noted, &head, sizeof head);
}

int undo_note(struct index *index, enum kv_table table, struct slice key, const struct slice *old)
{
    struct undo *undo = &index->undo;
    if (!undo->noting) {
        return 0;
    }
    PRE(key.size <= KV_KEY_MAX);
    size_t size = old ? old->size : 0;
    int result = reserve(undo, ENTRY_HEAD_SIZE + key.size + size);
    if (result) {
        return result;
    }
    uint8_t *at = undo->bytes + undo->size;
    bytes_put_u8(&at, (uint8_t)table);
    bytes_put_u8(&at, (uint8_t)key.size);
    bytes_put_u32(&at, old ? (uint32_t)size : ABSENT);
    bytes_put(&at, key.data, key.size);
    if (old) {
        bytes_put(&at, old->data, size);
    }
    undo->size = (size_t)(at - undo->bytes);
    return 0;
}

int undo_keep(struct index *index, enum kv_table table, const struct gfid *gfid)
{
    struct slice key = slice_of(gfid->bytes, GFID_SIZE);
    struct slice old;
    if (!index->undo.noting) {
        return 0;
    }
    int result = index->kv->ops->get(index->kv, table, key, &old);
    if (result && result != -ENOENT) {
        return result;
    }
    return undo_note(index, table, key, result ? NULL : &old);
}

/* ---- in the table -------------------------------------------------------------------------- */

int undo_load(struct index *index)
{
    struct undo *undo = &index->undo;
    uint8_t from[INDEX_KEY_SIZE];
    struct slice key;
    struct slice value;
    undo->table_first = 1;
    undo->table_last = 0;
    int result = index->kv->ops->seek(index->kv, KV_UNDO, index_key(0, from), &key, &value);
    for (; !result; result = index->kv->ops->next(index->kv, KV_UNDO, &key, &value)) {
        if (key.size != INDEX_KEY_SIZE) {
            return -E_CORRUPT;
        }
        const uint8_t *at = key.data;
        undo->table_last = bytes_get_u64(&at);
        if (undo->table_first == 1) {
            undo->table_first = undo->table_last;
        }
    }
    return result == -ENOENT ? 0 : result;
}

static int remove_from_table(struct index *index, uint64_t operation)
{
    uint8_t key[INDEX_KEY_SIZE];
    int result = index->kv->ops->remove(index->kv, KV_UNDO, index_key(operation, key));
    return result == -ENOENT ? 0 : result;
}

static int trim_table(struct index *index)
{
    struct undo *undo = &index->undo;
    int result = 0;
    while (!result && undo->table_first <= undo->table_last &&
           undo->table_first <= index->position.committed) {
        result = remove_from_table(index, undo->table_first++);
    }
    if (undo->table_first > undo->table_last) {
        undo->table_first = 1;
        undo->table_last = 0;
    }
    return result;
}

int undo_store(struct index *index)
{
    struct undo *undo = &index->undo;
    PRE(!undo->noting);
    int result = trim_table(index);
    drop_committed(undo, index->position.committed);
    while (!result && undo->begin < undo->size) {
        struct undo_head head = head_at(undo, undo->begin);
        uint8_t key[INDEX_KEY_SIZE];
        struct slice entries = slice_of(undo->bytes + undo->begin + sizeof head, head.size);
        result = index->kv->ops->put(index->kv, KV_UNDO, index_key(head.index, key), entries);
        undo->begin += sizeof head + head.size;
        if (undo->table_last == 0) {
            undo->table_first = head.index;
        }
        undo->table_last = head.index;
    }
    undo->begin = undo->size = 0;
    return result;
}

/* ---- taking back --------------------------------------------------------------------------- */

int undo_check(struct index *index, uint64_t to)
{
    int result = undo_store(index);
    for (uint64_t i = index->position.sequenced; !result && i > to; i--) {
        uint8_t key[INDEX_KEY_SIZE];
        struct slice entries;
        result = index->kv->ops->get(index->kv, KV_UNDO, index_key(i, key), &entries);
    }
    return result;
}

/* Whatever the tree got of an object's times is to be replaced. */
static int unflush(struct index *index, struct slice key, bool is_there)
{
    struct gfid gfid;
    if (key.size != GFID_SIZE) {
        return -E_CORRUPT;
    }
    memcpy(gfid.bytes, key.data, GFID_SIZE);
    if (is_there) {
        return index_unflush(index, &gfid);
    }
    int result = index->kv->ops->remove(index->kv, KV_UNFLUSHED, key);
    return result == -ENOENT ? 0 : result;
}

static int take_back_entry(struct index *index, const uint8_t *at)
{
    uint32_t table = bytes_get_u8(&at);
    size_t key_size = bytes_get_u8(&at);
    uint32_t size = bytes_get_u32(&at);
    struct slice key = slice_of(at, key_size);
    if (table >= KV_TABLES) {
        return -E_CORRUPT;
    }
    int result = size == ABSENT ? index->kv->ops->remove(index->kv, (enum kv_table)table, key)
                                : index->kv->ops->put(index->kv, (enum kv_table)table, key,
                                                      slice_of(at + key_size, size));
    result = result == -ENOENT ? 0 : result; /* the operation itself had taken it away again */
    return result || table != KV_OBJECTS ? result : unflush(index, key, size != ABSENT);
}

/* The last one first: an operation may change a pair twice. */
static int take_back_entries(struct index *index, struct slice entries)
{
    const uint8_t *places[ENTRIES_MAX];
    size_t count = 0;
    for (size_t at = 0; at < entries.size;) {
        const uint8_t *head = entries.data + at;
        if (count == ENTRIES_MAX || entries.size - at < ENTRY_HEAD_SIZE) {
            return -E_CORRUPT;
        }
        places[count++] = head++;
        size_t key_size = bytes_get_u8(&head);
        uint32_t size = bytes_get_u32(&head);
        at += ENTRY_HEAD_SIZE + key_size + (size == ABSENT ? 0 : size);
        if (at > entries.size) {
            return -E_CORRUPT;
        }
    }
    int result = 0;
    while (!result && count > 0) {
        result = take_back_entry(index, places[--count]);
    }
    return result;
}

static int take_back_one(struct index *index, uint64_t operation)
{
    uint8_t key[INDEX_KEY_SIZE];
    struct slice found;
    int result = index->kv->ops->get(index->kv, KV_UNDO, index_key(operation, key), &found);
    if (result) {
        return result;
    }
    AUTO_FREE uint8_t *entries = malloc(found.size + 1);
    if (!entries) {
        return -ENOMEM;
    }
    memcpy(entries, found.data, found.size);
    result = take_back_entries(index, slice_of(entries, found.size));
    return result ? result : remove_from_table(index, operation);
}

int undo_take_back(struct index *index, uint64_t to)
{
    struct store_position *position = &index->position;
    int result = undo_check(index, to);
    while (!result && position->sequenced > to) {
        result = take_back_one(index, position->sequenced);
        if (!result) {
            position->sequenced--;
        }
    }
    if (position->applied > position->sequenced) {
        position->applied = position->sequenced;
    }
    if (!result && index->undo.table_last > to) {
        index->undo.table_last = to; /* what is below its first one: it is empty */
        result = trim_table(index);
    }
    index->changed = true;
    return result;
}
