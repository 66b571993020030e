/*
 * Extended attributes and ACLs in the tree.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/errors.h"
#include "backend/store/posix.h"

int posix_apply_xattr(struct posix_store *posix, const struct operation *operation)
{
    (void)posix, (void)operation;
    return -EOPNOTSUPP;
}
