/*
 * Directory entries in the bulk of a READDIR answer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/proto/dirent.h"
#include "backend/base/bytes.h"
#include "backend/base/errors.h"
#include "backend/proto/limits.h"
#include "backend/proto/name.h"
#include "backend/proto/packed.h"

/* cookie, gfid, type, size of the name */
#define ENTRY_HEAD_SIZE (8 + GFID_SIZE + 4 + 4)
#define TYPE_AT (8 + GFID_SIZE)
#define UNGRANTED (UINT32_C(1) << 31)

static size_t padded(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

static size_t attr_size(uint32_t type)
{
    return type == OBJECT_NONE ? 4 : PACKED_ATTR_SIZE;
}

static bool type_is_known(uint32_t type)
{
    return type > OBJECT_NONE && type <= OBJECT_FIFO;
}

int dirent_pack(uint8_t *buffer, size_t size, size_t *used, const struct dirent_entry *entry)
{
    if (!name_is_good(entry->name) || !type_is_known(entry->type)) {
        return -EINVAL;
    }
    size_t needed = ENTRY_HEAD_SIZE + attr_size(entry->attr.type) + padded(entry->name.size);
    if (*used > size || size - *used < needed) {
        return -ENOBUFS;
    }
    uint8_t *at = buffer + *used;
    bytes_put_u64(&at, entry->cookie);
    bytes_put(&at, entry->gfid.bytes, GFID_SIZE);
    bytes_put_u32(&at, entry->type | (entry->ungranted ? UNGRANTED : 0));
    bytes_put_u32(&at, (uint32_t)entry->name.size);
    if (entry->attr.type == OBJECT_NONE) {
        bytes_put_u32(&at, OBJECT_NONE);
    } else if (!packed_put_attr(&at, &entry->attr)) {
        return -EINVAL;
    }
    bytes_put(&at, entry->name.data, entry->name.size);
    memset(at, 0, padded(entry->name.size) - entry->name.size);
    *used += needed;
    return 0;
}

void dirent_set_ungranted(uint8_t *bytes)
{
    bytes[TYPE_AT] |= UNGRANTED >> 24; /* big endian: the upper byte comes first */
}

/* Sizes are checked before each part is read: at never passes end. */
static bool dirent_read(const uint8_t **at, const uint8_t *end, struct dirent_entry *out_entry)
{
    if ((size_t)(end - *at) < ENTRY_HEAD_SIZE + 4) {
        return false;
    }
    out_entry->cookie = bytes_get_u64(at);
    bytes_get(at, out_entry->gfid.bytes, GFID_SIZE);
    uint32_t type = bytes_get_u32(at);
    out_entry->type = type & ~UNGRANTED;
    out_entry->ungranted = (type & UNGRANTED) != 0;
    uint32_t name_size = bytes_get_u32(at);
    const uint8_t *attr = *at;
    uint32_t attr_type = bytes_get_u32(&attr);
    if (!type_is_known(out_entry->type) || name_size > NAME_SIZE_MAX ||
        (size_t)(end - *at) < attr_size(attr_type) + padded(name_size)) {
        return false;
    }
    if (attr_type == OBJECT_NONE) {
        memset(&out_entry->attr, 0, sizeof out_entry->attr);
        *at = attr;
    } else if (!packed_get_attr(at, &out_entry->attr)) {
        return false;
    }
    out_entry->name = slice_of(*at, name_size);
    static const uint8_t zeros[4] = {0};
    size_t padding = padded(name_size) - name_size;
    *at += name_size + padding;
    return name_is_good(out_entry->name) && memcmp(*at - padding, zeros, padding) == 0;
}

int dirent_next(struct slice *rest, struct dirent_entry *out_entry)
{
    if (rest->size == 0) {
        return -ENOENT;
    }
    const uint8_t *at = rest->data;
    const uint8_t *end = rest->data + rest->size;
    struct dirent_entry entry;
    if (!dirent_read(&at, end, &entry)) {
        return -E_BAD_MESSAGE;
    }
    *out_entry = entry;
    *rest = slice_of(at, (size_t)(end - at));
    return 0;
}
