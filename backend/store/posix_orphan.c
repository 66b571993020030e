/*
 * Orphans in the tree: .trivet/orphans/<gfid> is the name of what has none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/errors.h"
#include "backend/store/posix.h"

int posix_apply_forget(struct posix_store *posix, const struct operation *operation)
{
    (void)posix, (void)operation;
    return -EOPNOTSUPP;
}
