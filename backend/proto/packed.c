/*
 * Packed forms. Straight stores and loads: a compiler turns each into a byte-swapped move.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/proto/packed.h"
#include "backend/base/bytes.h"

#define NANOSECONDS_END UINT32_C(1000000000)
#define MODE_MASK UINT32_C(07777)
#define CHANGE_MASK                                                                                \
    (ATTR_MODE | ATTR_UID | ATTR_GID | ATTR_SIZE | ATTR_ATIME | ATTR_MTIME | ATTR_ATIME_NOW |      \
     ATTR_MTIME_NOW)

static bool put_timestamp(uint8_t **at, const struct timestamp *time)
{
    bytes_put_u64(at, (uint64_t)time->seconds);
    bytes_put_u32(at, time->nanoseconds);
    return time->nanoseconds < NANOSECONDS_END;
}

static bool get_timestamp(const uint8_t **at, struct timestamp *out_time)
{
    out_time->seconds = (int64_t)bytes_get_u64(at);
    out_time->nanoseconds = bytes_get_u32(at);
    return out_time->nanoseconds < NANOSECONDS_END;
}

bool packed_put_op_id(uint8_t **at, const struct op_id *id)
{
    bytes_put_u32(at, id->kind);
    bytes_put_u32(at, id->slot);
    bytes_put_u64(at, id->client);
    bytes_put_u64(at, id->sequence);
    return id->kind <= OP_ID_DERIVED;
}

bool packed_get_op_id(const uint8_t **at, struct op_id *out_id)
{
    out_id->kind = bytes_get_u32(at);
    out_id->slot = bytes_get_u32(at);
    out_id->client = bytes_get_u64(at);
    out_id->sequence = bytes_get_u64(at);
    return out_id->kind <= OP_ID_DERIVED;
}

static bool type_is_present(uint32_t type)
{
    return type > OBJECT_NONE && type <= OBJECT_FIFO;
}

bool packed_put_attr(uint8_t **at, const struct attr *attr)
{
    bytes_put_u32(at, attr->type);
    /* A kernel's mode carries the type too; the packed one never does. */
    bytes_put_u32(at, attr->mode & MODE_MASK);
    bytes_put_u32(at, attr->nlink);
    bytes_put_u32(at, attr->uid);
    bytes_put_u32(at, attr->gid);
    bytes_put_u32(at, attr->device_major);
    bytes_put_u32(at, attr->device_minor);
    bytes_put_u32(at, attr->flags);
    bytes_put_u64(at, attr->size);
    bytes_put_u64(at, attr->used);
    bytes_put_u64(at, attr->change);
    bytes_put(at, attr->gfid.bytes, GFID_SIZE);
    bytes_put(at, attr->parent.bytes, GFID_SIZE);
    bool good = type_is_present(attr->type) && attr->flags <= ATTR_FLAG_BITS;
    good &= put_timestamp(at, &attr->atime);
    good &= put_timestamp(at, &attr->mtime);
    good &= put_timestamp(at, &attr->ctime);
    good &= put_timestamp(at, &attr->btime);
    return good;
}

bool packed_get_attr(const uint8_t **at, struct attr *out_attr)
{
    out_attr->type = bytes_get_u32(at);
    out_attr->mode = bytes_get_u32(at);
    out_attr->nlink = bytes_get_u32(at);
    out_attr->uid = bytes_get_u32(at);
    out_attr->gid = bytes_get_u32(at);
    out_attr->device_major = bytes_get_u32(at);
    out_attr->device_minor = bytes_get_u32(at);
    out_attr->flags = bytes_get_u32(at);
    out_attr->size = bytes_get_u64(at);
    out_attr->used = bytes_get_u64(at);
    out_attr->change = bytes_get_u64(at);
    bytes_get(at, out_attr->gfid.bytes, GFID_SIZE);
    bytes_get(at, out_attr->parent.bytes, GFID_SIZE);
    bool good = type_is_present(out_attr->type) && out_attr->mode <= MODE_MASK &&
                out_attr->flags <= ATTR_FLAG_BITS;
    good &= get_timestamp(at, &out_attr->atime);
    good &= get_timestamp(at, &out_attr->mtime);
    good &= get_timestamp(at, &out_attr->ctime);
    good &= get_timestamp(at, &out_attr->btime);
    return good;
}

bool packed_put_before(uint8_t **at, const struct attr_before *before)
{
    bytes_put_u64(at, before->size);
    bool good = put_timestamp(at, &before->mtime);
    good &= put_timestamp(at, &before->ctime);
    return good;
}

bool packed_get_before(const uint8_t **at, struct attr_before *out_before)
{
    out_before->present = true;
    out_before->size = bytes_get_u64(at);
    bool good = get_timestamp(at, &out_before->mtime);
    good &= get_timestamp(at, &out_before->ctime);
    return good;
}

bool packed_put_change(uint8_t **at, const struct attr_change *change)
{
    bytes_put_u32(at, change->mask);
    bytes_put_u32(at, change->mode & MODE_MASK);
    bytes_put_u32(at, change->uid);
    bytes_put_u32(at, change->gid);
    bytes_put_u64(at, change->size);
    bool good = (change->mask & ~(uint32_t)CHANGE_MASK) == 0;
    good &= put_timestamp(at, &change->atime);
    good &= put_timestamp(at, &change->mtime);
    return good;
}

bool packed_get_change(const uint8_t **at, struct attr_change *out_change)
{
    out_change->mask = bytes_get_u32(at);
    out_change->mode = bytes_get_u32(at);
    out_change->uid = bytes_get_u32(at);
    out_change->gid = bytes_get_u32(at);
    out_change->size = bytes_get_u64(at);
    bool good = (out_change->mask & ~(uint32_t)CHANGE_MASK) == 0;
    good &= out_change->mode <= MODE_MASK;
    good &= get_timestamp(at, &out_change->atime);
    good &= get_timestamp(at, &out_change->mtime);
    return good;
}

void packed_put_statfs(uint8_t **at, const struct statfs_info *info)
{
    bytes_put_u64(at, info->bytes_total);
    bytes_put_u64(at, info->bytes_free);
    bytes_put_u64(at, info->bytes_available);
    bytes_put_u64(at, info->files_total);
    bytes_put_u64(at, info->files_free);
    bytes_put_u32(at, info->name_max);
}

void packed_get_statfs(const uint8_t **at, struct statfs_info *out_info)
{
    out_info->present = true;
    out_info->bytes_total = bytes_get_u64(at);
    out_info->bytes_free = bytes_get_u64(at);
    out_info->bytes_available = bytes_get_u64(at);
    out_info->files_total = bytes_get_u64(at);
    out_info->files_free = bytes_get_u64(at);
    out_info->name_max = bytes_get_u32(at);
}
