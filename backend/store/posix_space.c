/*
 * ALLOCATE and SEEK of a file of the tree.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/errors.h"
#include "backend/store/posix.h"

int posix_seek(struct store *store, const struct gfid *object, uint64_t offset, int whence,
               uint64_t *out_offset)
{
    (void)store, (void)object, (void)offset, (void)whence, (void)out_offset;
    return -EOPNOTSUPP;
}

int posix_apply_allocate(struct posix_store *posix, const struct operation *operation)
{
    (void)posix, (void)operation;
    return -EOPNOTSUPP;
}
