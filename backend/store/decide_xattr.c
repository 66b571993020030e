/*
 * Deciding SETXATTR and REMOVEXATTR, and what something new inherits.
 * Spec: Linux xattr(7), setxattr(2), acl(5), capabilities(7).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sys/stat.h>
#include <sys/xattr.h>
#include "backend/base/errors.h"
#include "backend/proto/acl.h"
#include "backend/proto/xattr.h"
#include "backend/store/access.h"
#include "backend/store/decide.h"

/* What a record may cost on a disk besides its bytes. */
#define RECORD_COST 8192

/* ---- what both begin with ------------------------------------------------------------------ */

static int load(struct deciding *deciding, struct slice *out_record)
{
    struct operation *operation = deciding->operation;
    const struct gfid *gfid = &deciding->mutation->object;
    int result = deciding_load(deciding, gfid, &deciding->object, &operation->object,
                               &operation->object_before);
    if (!result) {
        result = xattr_name_check(deciding->mutation->xattr);
    }
    return result ? result : index_xattrs_get(deciding->index, gfid, out_record);
}

/* May the caller change user.* of it? On anything but files and directories these would be a way to
 * fill the disk that no permission bounds; nor may all who write to a sticky directory. */
static int check_user(const struct deciding *deciding)
{
    const struct attr *attr = &deciding->operation->object;
    if (attr->type != OBJECT_FILE && attr->type != OBJECT_DIRECTORY) {
        return -EPERM;
    }
    if (attr->type == OBJECT_DIRECTORY && attr->mode & S_ISVTX &&
        !access_owns(&deciding->mutation->cred, attr)) {
        return -EPERM;
    }
    return deciding_allows(deciding, attr, ACCESS_WRITE) ? 0 : -EACCES;
}

static int check_caller(const struct deciding *deciding, enum xattr_class class)
{
    const struct cred *cred = &deciding->mutation->cred;
    switch (class) {
    case XATTR_CLASS_USER:
        return check_user(deciding);
    case XATTR_CLASS_TRUSTED:
    case XATTR_CLASS_SECURITY:
        return cred->flags & CRED_CHECKED || cred->uid == 0 ? 0 : -EPERM;
    case XATTR_CLASS_OWN:
        return -EPERM;
    default:
        return -EOPNOTSUPP;
    }
}

/* Any but an ACL. */
static int check_plain(const struct deciding *deciding, enum xattr_class class)
{
    int result = check_caller(deciding, class);
    return !result && xattr_name_is_bare(deciding->mutation->xattr) ? -EINVAL : result;
}

/* An ACL that changes: whose it is, and of what. -ENODATA: there never is such a one. */
static int check_acl(const struct deciding *deciding, enum xattr_class class)
{
    const struct attr *attr = &deciding->operation->object;
    if (attr->type == OBJECT_SYMLINK) {
        return -EOPNOTSUPP;
    }
    if (class == XATTR_CLASS_ACL_DEFAULT && attr->type != OBJECT_DIRECTORY) {
        return -ENODATA;
    }
    return access_owns(&deciding->mutation->cred, attr) ? 0 : -EPERM;
}

static bool is_acl(enum xattr_class class)
{
    return class == XATTR_CLASS_ACL_ACCESS || class == XATTR_CLASS_ACL_DEFAULT;
}

/* ---- the outcome --------------------------------------------------------------------------- */

/* The operation sets the attribute (value NULL: takes it away); flags follow. */
static int outcome(struct deciding *deciding, struct slice record, const struct slice *value)
{
    struct operation *operation = deciding->operation;
    struct attr *attr = &operation->object;
    uint8_t changed[XATTRS_SIZE_MAX];
    size_t size = 0;
    int result =
        xattrs_change(record, deciding->mutation->xattr, value, changed, sizeof changed, &size);
    if (!result && value && size + RECORD_COST > deciding->decision->bytes_free) {
        result = -ENOSPC;
    }
    if (!result) {
        result = xattrs_flags(slice_of(changed, size), &attr->flags);
    }
    if (result) {
        return result;
    }
    operation->kind = value ? OPERATION_SETXATTR : OPERATION_REMOVEXATTR;
    operation->xattr = deciding->mutation->xattr;
    operation->value = value ? *value : slice_of(NULL, 0);
    attr_touch(attr, deciding->decision, false);
    return 0;
}

/* The ACL goes; that there is none is no error (Linux). */
static int remove_acl(struct deciding *deciding, struct slice record, enum xattr_class class)
{
    uint32_t flag = class == XATTR_CLASS_ACL_ACCESS ? ATTR_HAS_ACL : ATTR_HAS_DEFAULT_ACL;
    bool there = deciding->operation->object.flags & flag;
    return there ? outcome(deciding, record, NULL) : 0;
}

/* The mode that an access ACL brings with it. */
static void set_mode(struct deciding *deciding, struct slice acl)
{
    struct attr *attr = &deciding->operation->object;
    const struct cred *cred = &deciding->mutation->cred;
    uint32_t mode = (attr->mode & 07000) | acl_mode(acl);
    bool may_keep = cred->flags & CRED_CHECKED ? !(cred->flags & CRED_KILLS_PRIVILEGE)
                                               : access_is_member(cred, attr->gid);
    if (!may_keep) {
        mode &= ~(uint32_t)S_ISGID;
    }
    if (mode != attr->mode) {
        attr->mode = mode;
        deciding->operation->mask |= ATTR_MODE;
    }
}

static int set_acl(struct deciding *deciding, struct slice record, enum xattr_class class)
{
    size_t size = 0;
    uint8_t *bytes = deciding->index->acl;
    int result = check_acl(deciding, class);
    if (result == -ENODATA) {
        return acl_count(deciding->mutation->value) > 0 ? -EACCES : 0;
    }
    if (!result) {
        result = acl_canonical(deciding->mutation->value, bytes, &size);
    }
    if (result) {
        return result;
    }
    struct slice acl = slice_of(bytes, size);
    if (size == 0) {
        return remove_acl(deciding, record, class);
    }
    if (class == XATTR_CLASS_ACL_ACCESS) {
        const struct attr before = deciding->operation->object;
        set_mode(deciding, acl);
        result = outcome(deciding, record, acl_is_mode(acl) ? NULL : &acl);
        if (result) {
            deciding->operation->object = before;
            deciding->operation->mask = 0;
        }
        return result;
    }
    return outcome(deciding, record, &acl);
}

int decide_setxattr(struct deciding *deciding)
{
    const struct mutation *mutation = deciding->mutation;
    struct slice record;
    struct slice present;
    int result = load(deciding, &record);
    if (result) {
        return result;
    }
    if (mutation->value.size > XATTR_VALUE_MAX) {
        return -E2BIG;
    }
    if (mutation->xattr_flags & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE)) {
        return -EINVAL;
    }
    enum xattr_class class = xattr_class_of(mutation->xattr);
    if (is_acl(class)) {
        return set_acl(deciding, record, class); /* whatever the flags say (Linux) */
    }
    result = check_plain(deciding, class);
    if (result) {
        return result;
    }
    result = xattrs_find(record, mutation->xattr, &present);
    if (result == 0 && mutation->xattr_flags & XATTR_CREATE) {
        return -EEXIST;
    }
    if (result == -ENODATA && !(mutation->xattr_flags & XATTR_REPLACE)) {
        result = 0;
    }
    return result ? result : outcome(deciding, record, &mutation->value);
}

int decide_removexattr(struct deciding *deciding)
{
    const struct mutation *mutation = deciding->mutation;
    struct slice record;
    struct slice present;
    int result = load(deciding, &record);
    if (result) {
        return result;
    }
    enum xattr_class class = xattr_class_of(mutation->xattr);
    if (is_acl(class)) {
        result = check_acl(deciding, class);
        if (result) {
            return result == -ENODATA ? 0 : result;
        }
        return remove_acl(deciding, record, class);
    }
    result = check_plain(deciding, class);
    if (!result) {
        result = xattrs_find(record, mutation->xattr, &present);
    }
    return result ? result : outcome(deciding, record, NULL);
}

/* ---- what is made -------------------------------------------------------------------------- */

int deciding_inherit(struct deciding *deciding, struct attr *attr)
{
    struct operation *operation = deciding->operation;
    struct index *index = deciding->index;
    const struct attr *parent = &deciding->parent.attr;
    struct slice record;
    struct slice acl;
    if (attr->type == OBJECT_SYMLINK) {
        return 0;
    }
    if (!(parent->flags & ATTR_HAS_DEFAULT_ACL)) {
        attr->mode &= ~(deciding->mutation->umask & 0777);
        return 0;
    }
    int result = index_xattrs_get(index, &parent->gfid, &record);
    if (!result) {
        result = xattrs_find(record, slice_text(XATTR_ACL_DEFAULT), &acl);
    }
    if (result || acl.size > ACL_SIZE_MAX) {
        return result && result != -ENODATA ? result : -E_CORRUPT;
    }
    if (acl_inherit(acl, &attr->mode, index->acl)) {
        operation->acl = slice_of(index->acl, acl.size);
        attr->flags |= ATTR_HAS_ACL;
    }
    if (attr->type == OBJECT_DIRECTORY) {
        memcpy(index->default_acl, acl.data, acl.size);
        operation->default_acl = slice_of(index->default_acl, acl.size);
        attr->flags |= ATTR_HAS_DEFAULT_ACL;
    }
    return 0;
}
