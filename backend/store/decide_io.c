/*
 * Deciding WRITE.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/store/access.h"
#include "backend/store/decide.h"

/*
 * Disk taken after a write, from what is decided alone, so that it is the same on every brick: what
 * the write covers is counted as new unless the file has no holes. A file with holes that is
 * overwritten counts as more than it takes, never as less, and never beyond its size: programs that
 * take a small number for "only holes" lose nothing.
 */
static uint64_t used_after(const struct attr *attr, uint64_t offset, uint32_t count, uint64_t size)
{
    uint64_t covered = blocks_of(offset + count) - offset / blocks_of(1) * blocks_of(1);
    uint64_t whole = blocks_of(size);
    if (attr->used == blocks_of(attr->size) && offset <= attr->size) {
        return whole;
    }
    return attr->used + covered < whole ? attr->used + covered : whole;
}

int decide_write(struct deciding *deciding)
{
    const struct mutation *mutation = deciding->mutation;
    struct operation *operation = deciding->operation;
    struct attr *attr = &operation->object;
    int result = deciding_load(deciding, &mutation->object, &deciding->object, attr,
                               &operation->object_before);
    if (result) {
        return result;
    }
    if (attr->type != OBJECT_FILE) {
        return attr->type == OBJECT_DIRECTORY ? -EISDIR : -EINVAL;
    }
    if (!deciding_allows_io(deciding, attr, ACCESS_WRITE)) {
        return -EACCES;
    }
    uint64_t offset = mutation->append ? attr->size : mutation->offset;
    if (offset > FILE_SIZE_MAX || mutation->count > FILE_SIZE_MAX - offset) {
        return -EFBIG;
    }
    operation->offset = offset;
    operation->count = mutation->count;
    if (mutation->count == 0) {
        return 0; /* no bytes: nothing changes, not even times (POSIX write) */
    }
    if (mutation->count > deciding->decision->bytes_free) {
        return -ENOSPC;
    }
    operation->kind = OPERATION_WRITE;
    uint64_t end = offset + mutation->count;
    uint64_t size = end > attr->size ? end : attr->size;
    attr->used = used_after(attr, offset, mutation->count, size);
    attr->size = size;
    attr_touch(attr, deciding->decision, true);
    return deciding_drop_privilege(deciding);
}
