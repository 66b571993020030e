/*
 * Orphans: objects without a name that a client keeps open.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/store/indexed.h"

int indexed_orphan_next(struct store *store, const struct gfid *after, struct gfid *out_object,
                        uint64_t *out_keeper)
{
    (void)store, (void)after, (void)out_object, (void)out_keeper;
    return -ENOENT;
}
