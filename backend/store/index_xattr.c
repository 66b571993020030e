/*
 * Extended attributes and ACLs of objects, from the index: one record for each object that has any.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/store/access.h"
#include "backend/store/indexed.h"

int indexed_getxattr(struct store *store, const struct gfid *object, struct slice name,
                     uint8_t *buffer, size_t size, size_t *out_size)
{
    (void)store, (void)object, (void)name, (void)buffer, (void)size, (void)out_size;
    return -ENODATA;
}

int indexed_listxattr(struct store *store, const struct gfid *object, uint8_t *buffer, size_t size,
                      size_t *out_size)
{
    (void)store, (void)object, (void)buffer, (void)size;
    *out_size = 0;
    return 0;
}

int indexed_rights(struct store *store, const struct attr *attr, const struct cred *cred,
                   uint32_t *out_rights)
{
    (void)store;
    *out_rights = access_rights(cred, attr);
    return 0;
}
