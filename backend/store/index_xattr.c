/*
 * Extended attributes and ACLs of objects, in the index: one record for each object that has any.
 * An object's flags tell what its record has, so that most questions need not look.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/proto/xattr.h"
#include "backend/store/access.h"
#include "backend/store/indexed.h"

static struct slice key_of(const struct gfid *gfid)
{
    return slice_of(gfid->bytes, GFID_SIZE);
}

int index_xattrs_get(struct index *index, const struct gfid *gfid, struct slice *out_record)
{
    int result = index->kv->ops->get(index->kv, KV_XATTRS, key_of(gfid), out_record);
    if (result == -ENOENT) {
        *out_record = slice_of(NULL, 0);
        return 0;
    }
    return result;
}

int index_acl_get(struct index *index, const struct attr *attr, struct slice *out_acl)
{
    struct slice record;
    if (!(attr->flags & ATTR_HAS_ACL)) {
        *out_acl = slice_of(NULL, 0);
        return 0;
    }
    int result = index_xattrs_get(index, &attr->gfid, &record);
    if (!result) {
        result = xattrs_find(record, slice_text(XATTR_ACL_ACCESS), out_acl);
    }
    return result == -ENODATA ? -E_CORRUPT : result;
}

/* ---- sequencing ---------------------------------------------------------------------------- */

/* Set one (value NULL: remove it), in a record that has been looked up. */
static int change(struct index *index, const struct gfid *gfid, struct slice name,
                  const struct slice *value)
{
    uint8_t buffer[XATTRS_SIZE_MAX];
    struct slice record;
    size_t size = 0;
    int result = undo_keep(index, KV_XATTRS, gfid);
    if (!result) {
        result = index_xattrs_get(index, gfid, &record);
    }
    if (!result) {
        result = xattrs_change(record, name, value, buffer, sizeof buffer, &size);
    }
    if (result) {
        return result == -ENOSPC ? -E_CORRUPT : result; /* decided on another record */
    }
    if (size > 0) {
        return index->kv->ops->put(index->kv, KV_XATTRS, key_of(gfid), slice_of(buffer, size));
    }
    return record.size > 0 ? index->kv->ops->remove(index->kv, KV_XATTRS, key_of(gfid)) : 0;
}

int index_xattr_sequence(struct index *index, const struct operation *operation)
{
    const struct gfid *gfid = &operation->object.gfid;
    if (operation->kind == OPERATION_SETXATTR) {
        return change(index, gfid, operation->xattr, &operation->value);
    }
    if (operation->kind == OPERATION_REMOVEXATTR) {
        return change(index, gfid, operation->xattr, NULL);
    }
    int result = 0;
    if (operation->flags & OPERATION_DROPS_CAPABILITY) {
        result = change(index, gfid, slice_text(XATTR_CAPABILITY), NULL);
    }
    if (!result && operation->acl.size > 0) {
        result = change(index, gfid, slice_text(XATTR_ACL_ACCESS), &operation->acl);
    }
    if (!result && operation->default_acl.size > 0) {
        result = change(index, gfid, slice_text(XATTR_ACL_DEFAULT), &operation->default_acl);
    }
    return result;
}

/* ---- answers ------------------------------------------------------------------------------- */

/* What the object has, with the mutex held. */
static int load(struct index *index, const struct gfid *gfid, struct object_record *out_object,
                struct slice *out_record)
{
    *out_record = slice_of(NULL, 0);
    int result = index_object_get(index, gfid, out_object);
    return result || !out_object->attr.flags ? result : index_xattrs_get(index, gfid, out_record);
}

int indexed_getxattr(struct store *store, const struct gfid *gfid, struct slice name,
                     uint8_t *buffer, size_t size, size_t *out_size)
{
    struct index *index = index_of(store);
    struct object_record object;
    struct slice record;
    struct slice value;
    enum xattr_class class = xattr_class_of(name);
    bool is_acl = class == XATTR_CLASS_ACL_ACCESS || class == XATTR_CLASS_ACL_DEFAULT;
    AUTO_LOCK(&index->mutex);
    int result = load(index, gfid, &object, &record);
    if (!result && (class == XATTR_CLASS_NONE || (is_acl && object.attr.type == OBJECT_SYMLINK))) {
        result = -EOPNOTSUPP;
    }
    if (!result) {
        result = xattrs_find(record, name, &value);
    }
    if (result) {
        return result;
    }
    *out_size = value.size;
    if (size == 0 && !buffer) {
        return 0;
    }
    if (value.size > size) {
        return -ERANGE;
    }
    if (value.size > 0) {
        memcpy(buffer, value.data, value.size);
    }
    return 0;
}

int indexed_listxattr(struct store *store, const struct gfid *gfid, uint8_t *buffer, size_t size,
                      size_t *out_size)
{
    struct index *index = index_of(store);
    struct object_record object;
    struct slice record;
    AUTO_LOCK(&index->mutex);
    int result = load(index, gfid, &object, &record);
    return result ? result : xattrs_list(record, buffer, size, out_size);
}

int indexed_rights(struct store *store, const struct attr *attr, const struct cred *cred,
                   uint32_t *out_rights)
{
    struct index *index = index_of(store);
    struct object_record object;
    struct slice acl;
    if (!(attr->flags & ATTR_HAS_ACL)) {
        *out_rights = access_rights(cred, attr, slice_of(NULL, 0));
        return 0;
    }
    /* Mode and ACL of one moment: the group's bits of a mode are not the group's if there is an
     * ACL. */
    AUTO_LOCK(&index->mutex);
    int result = index_object_get(index, &attr->gfid, &object);
    if (!result) {
        result = index_acl_get(index, &object.attr, &acl);
    }
    if (!result) {
        *out_rights = access_rights(cred, &object.attr, acl);
    }
    return result;
}
