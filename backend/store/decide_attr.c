/*
 * Deciding SETATTR. Spec: RFC 1813 section 3.3.2; POSIX chmod, chown, utimensat, truncate; where
 * they leave a choice, as Linux chooses.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sys/stat.h>
#include "backend/base/errors.h"
#include "backend/proto/acl.h"
#include "backend/proto/xattr.h"
#include "backend/store/access.h"
#include "backend/store/decide.h"

static int check_owner(const struct deciding *deciding)
{
    const struct cred *cred = &deciding->mutation->cred;
    const struct attr *attr = &deciding->operation->object;
    const struct attr_change *change = &deciding->mutation->change;
    bool checked = cred->flags & CRED_CHECKED;
    bool owns = access_owns(cred, attr);
    if (change->mask & ATTR_MODE && !owns) {
        return -EPERM;
    }
    if (change->mask & ATTR_UID && !checked && cred->uid != 0 &&
        (!owns || change->uid != attr->uid)) {
        return -EPERM;
    }
    if (change->mask & ATTR_GID && !checked && cred->uid != 0 &&
        (!owns || (change->gid != attr->gid && !access_is_member(cred, change->gid)))) {
        return -EPERM;
    }
    if (change->mask & (ATTR_ATIME | ATTR_MTIME) && !owns) {
        return -EPERM;
    }
    if (change->mask & (ATTR_ATIME_NOW | ATTR_MTIME_NOW) && !owns &&
        !deciding_allows(deciding, attr, ACCESS_WRITE)) {
        return -EACCES;
    }
    return 0;
}

static int check_size(const struct deciding *deciding, const struct attr *attr)
{
    const struct mutation *mutation = deciding->mutation;
    if (attr->type != OBJECT_FILE) {
        return attr->type == OBJECT_DIRECTORY ? -EISDIR : -EINVAL;
    }
    if (!deciding_allows_io(deciding, attr, ACCESS_WRITE)) {
        return -EACCES;
    }
    return mutation->change.size > FILE_SIZE_MAX ? -EFBIG : 0;
}

int check_times(const struct attr_change *change)
{
    bool atime_bad = change->mask & ATTR_ATIME && change->atime.nanoseconds >= NS_PER_S;
    bool mtime_bad = change->mask & ATTR_MTIME && change->mtime.nanoseconds >= NS_PER_S;
    return atime_bad || mtime_bad ? -EINVAL : 0;
}

/* security.capability goes, and with the last of them the note that there are any. */
static int drop_capability(struct deciding *deciding)
{
    struct operation *operation = deciding->operation;
    struct attr *attr = &operation->object;
    uint8_t rest[XATTRS_SIZE_MAX];
    struct slice record;
    size_t size = 0;
    if (!(attr->flags & ATTR_HAS_CAPABILITY)) {
        return 0;
    }
    int result = index_xattrs_get(deciding->index, &attr->gfid, &record);
    if (!result) {
        result =
            xattrs_change(record, slice_text(XATTR_CAPABILITY), NULL, rest, sizeof rest, &size);
    }
    if (!result) {
        result = xattrs_flags(slice_of(rest, size), &attr->flags);
    }
    if (!result) {
        operation->flags |= OPERATION_DROPS_CAPABILITY;
    }
    return result;
}

static void drop_bits(struct operation *operation, const struct cred *cred)
{
    struct attr *attr = &operation->object;
    uint32_t drop = S_ISUID;
    /* Without the group's x the bit once meant mandatory locking: Linux lets members keep that. */
    if (attr->mode & S_IXGRP || !access_is_member(cred, attr->gid)) {
        drop |= S_ISGID;
    }
    if (attr->mode & drop) {
        attr->mode &= ~drop;
        operation->mask |= ATTR_MODE;
    }
}

int deciding_drop_privilege(struct deciding *deciding)
{
    const struct cred *cred = &deciding->mutation->cred;
    bool kills = cred->flags & CRED_CHECKED ? cred->flags & CRED_KILLS_PRIVILEGE : cred->uid != 0;
    if (kills && deciding->operation->object.type == OBJECT_FILE) {
        drop_bits(deciding->operation, cred);
    }
    return drop_capability(deciding);
}

static int change_owner(struct deciding *deciding)
{
    const struct mutation *mutation = deciding->mutation;
    const struct attr_change *change = &mutation->change;
    struct attr *attr = &deciding->operation->object;
    if (!(change->mask & (ATTR_UID | ATTR_GID))) {
        return 0;
    }
    if (attr->type != OBJECT_DIRECTORY) { /* Linux: also if root gives it away */
        if (!(change->mask & ATTR_MODE)) {
            drop_bits(deciding->operation, &mutation->cred);
        }
        int result = drop_capability(deciding);
        if (result) {
            return result;
        }
    }
    attr->uid = change->mask & ATTR_UID ? change->uid : attr->uid;
    attr->gid = change->mask & ATTR_GID ? change->gid : attr->gid;
    return 0;
}

/* An ACL follows the mode. */
static int change_acl(struct deciding *deciding)
{
    struct operation *operation = deciding->operation;
    uint8_t *bytes = deciding->index->acl;
    struct slice acl;
    int result = index_acl_get(deciding->index, &operation->object, &acl);
    if (!result && acl.size > ACL_SIZE_MAX) {
        result = -E_CORRUPT;
    }
    if (!result && acl.size > 0) {
        acl_chmod(acl, operation->object.mode, bytes);
        operation->acl = slice_of(bytes, acl.size);
    }
    return result;
}

static int change_mode(struct deciding *deciding)
{
    struct operation *operation = deciding->operation;
    const struct attr_change *change = &deciding->mutation->change;
    struct attr *attr = &operation->object;
    if (!(change->mask & ATTR_MODE)) {
        return 0;
    }
    if (attr->type == OBJECT_SYMLINK) {
        operation->mask &= ~(uint32_t)ATTR_MODE; /* a symlink's mode means nothing in Linux */
        return 0;
    }
    attr->mode = change->mode & 07777;
    if (!access_is_member(&deciding->mutation->cred, attr->gid)) {
        attr->mode &= ~(uint32_t)S_ISGID; /* POSIX chmod */
    }
    return change_acl(deciding);
}

static void change_times(struct attr *attr, const struct attr_change *change)
{
    if (change->mask & ATTR_ATIME_NOW) {
        attr->atime = attr->ctime;
    } else if (change->mask & ATTR_ATIME) {
        attr->atime = change->atime;
    }
    if (change->mask & ATTR_MTIME_NOW) {
        attr->mtime = attr->ctime;
    } else if (change->mask & ATTR_MTIME) {
        attr->mtime = change->mtime;
    }
}

int decide_setattr(struct deciding *deciding)
{
    const struct mutation *mutation = deciding->mutation;
    const struct attr_change *change = &mutation->change;
    struct operation *operation = deciding->operation;
    struct attr *attr = &operation->object;
    int result = deciding_load(deciding, &mutation->object, &deciding->object, attr,
                               &operation->object_before);
    if (!result && mutation->guarded && timestamp_compare(&attr->ctime, &mutation->guard) != 0) {
        result = -E_GUARD_FAILED;
    }
    if (!result) {
        result = check_owner(deciding);
    }
    if (!result && change->mask & ATTR_SIZE) {
        result = check_size(deciding, attr);
    }
    if (!result) {
        result = check_times(change);
    }
    bool is_there = mutation->only_grows && change->size <= attr->size;
    if (result || change->mask == 0 || is_there) {
        return result; /* nothing wished: OPERATION_NONE */
    }
    operation->kind = OPERATION_SETATTR;
    operation->mask = change->mask;
    if (change->mask & ATTR_SIZE) {
        attr_resize(attr, change->size);
        result = deciding_drop_privilege(deciding);
    }
    if (!result) {
        result = change_owner(deciding);
    }
    if (!result) {
        result = change_mode(deciding);
    }
    if (result) {
        return result;
    }
    attr_touch(attr, deciding->decision, change->mask & ATTR_SIZE);
    change_times(attr, change);
    return 0;
}
