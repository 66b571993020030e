/*
 * Deciding ALLOCATE. Spec: Linux fallocate(2).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <linux/falloc.h>
#include "backend/base/errors.h"
#include "backend/store/access.h"
#include "backend/store/decide.h"

/* Blocks that a range touches, and those that it has as a whole; in bytes. */
static uint64_t touched(uint64_t offset, uint64_t end)
{
    return blocks_of(end) - offset / blocks_of(1) * blocks_of(1);
}

static uint64_t whole(uint64_t offset, uint64_t end)
{
    uint64_t from = blocks_of(offset);
    uint64_t to = end / blocks_of(1) * blocks_of(1);
    return to > from ? to - from : 0;
}

/*
 * Disk taken after blocks were reserved: as after a write (decide_io.c), but that what lies behind
 * the end of the file counts too.
 */
static uint64_t used_reserved(const struct attr *attr, uint64_t offset, uint64_t end)
{
    uint64_t before = blocks_of(attr->size);
    uint64_t most = blocks_of(end) > before ? blocks_of(end) : before;
    uint64_t used = attr->used + touched(offset, end);
    if (attr->used == before && offset <= attr->size) {
        used = most; /* no holes so far, and none now */
    }
    used = used < most ? used : most;
    return used > attr->used ? used : attr->used;
}

/*
 * Disk taken after a hole was punched: which blocks of the range had been there is known to the
 * trees only, and so the answer is the most that can be left: all that was used, but not more than
 * the file without the hole.
 */
static uint64_t used_punched(const struct attr *attr, uint64_t offset, uint64_t end)
{
    uint64_t before = blocks_of(attr->size);
    uint64_t to = end < attr->size ? end : before; /* the rest of the last block is nobody's */
    uint64_t most = before - (offset < to ? whole(offset, to) : 0);
    return attr->used < most ? attr->used : most;
}

static bool is_known(uint32_t how)
{
    return how == 0 || how == FALLOC_FL_KEEP_SIZE ||
           how == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE) || how == FALLOC_FL_ZERO_RANGE ||
           how == (FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE);
}

/* In the kernel's order. */
static int check_range(const struct deciding *deciding)
{
    const struct mutation *mutation = deciding->mutation;
    const struct attr *attr = &deciding->operation->object;
    if (mutation->length == 0) {
        return -EINVAL;
    }
    if (!is_known(mutation->space_flags)) {
        return -EOPNOTSUPP;
    }
    if (!deciding_allows_io(deciding, attr, ACCESS_WRITE)) {
        return -EACCES;
    }
    if (attr->type != OBJECT_FILE) {
        return attr->type == OBJECT_DIRECTORY ? -EISDIR : -ENODEV;
    }
    if (mutation->offset > FILE_SIZE_MAX || mutation->length > FILE_SIZE_MAX - mutation->offset) {
        return -EFBIG;
    }
    bool punches = mutation->space_flags & FALLOC_FL_PUNCH_HOLE;
    return !punches && mutation->length > deciding->decision->bytes_free ? -ENOSPC : 0;
}

int decide_allocate(struct deciding *deciding)
{
    const struct mutation *mutation = deciding->mutation;
    struct operation *operation = deciding->operation;
    struct attr *attr = &operation->object;
    int result = deciding_load(deciding, &mutation->object, &deciding->object, attr,
                               &operation->object_before);
    if (!result) {
        result = check_range(deciding);
    }
    if (result) {
        return result;
    }
    uint64_t end = mutation->offset + mutation->length;
    operation->kind = OPERATION_ALLOCATE;
    operation->offset = mutation->offset;
    operation->length = mutation->length;
    operation->how = mutation->space_flags;
    attr->used = mutation->space_flags & FALLOC_FL_PUNCH_HOLE
                     ? used_punched(attr, mutation->offset, end)
                     : used_reserved(attr, mutation->offset, end);
    if (!(mutation->space_flags & FALLOC_FL_KEEP_SIZE) && end > attr->size) {
        attr->size = end;
    }
    attr_touch(attr, deciding->decision, true);
    return deciding_drop_privilege(deciding);
}
