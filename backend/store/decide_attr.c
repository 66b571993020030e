/*
 * Deciding SETATTR. Spec: RFC 1813 section 3.3.2; POSIX chmod, chown, utimensat, truncate; where
 * they leave a choice, as Linux chooses.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sys/stat.h>
#include "backend/base/errors.h"
#include "backend/store/access.h"
#include "backend/store/decide.h"

static int check_owner(const struct cred *cred, const struct attr *attr,
                       const struct attr_change *change)
{
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
        !access_allows(cred, attr, ACCESS_WRITE)) {
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
    if (!access_allows_io(&mutation->cred, attr, ACCESS_WRITE)) {
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

static void change_owner(struct operation *operation, const struct attr_change *change)
{
    struct attr *attr = &operation->object;
    if (change->mask & ATTR_UID) {
        attr->uid = change->uid;
    }
    if (change->mask & ATTR_GID) {
        attr->gid = change->gid;
    }
    if (change->mask & (ATTR_UID | ATTR_GID) && !(change->mask & ATTR_MODE)) {
        attr_drop_privilege(operation); /* Linux: also if root gives it away */
    }
}

static void change_mode(struct operation *operation, const struct cred *cred,
                        const struct attr_change *change)
{
    struct attr *attr = &operation->object;
    if (attr->type == OBJECT_SYMLINK) {
        operation->mask &= ~(uint32_t)ATTR_MODE; /* a symlink's mode means nothing in Linux */
        return;
    }
    attr->mode = change->mode & 07777;
    if (!access_is_member(cred, attr->gid)) {
        attr->mode &= ~(uint32_t)S_ISGID; /* POSIX chmod */
    }
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
        result = check_owner(&mutation->cred, attr, change);
    }
    if (!result && change->mask & ATTR_SIZE) {
        result = check_size(deciding, attr);
    }
    if (!result) {
        result = check_times(change);
    }
    if (result || change->mask == 0) {
        return result; /* nothing wished: OPERATION_NONE */
    }
    operation->kind = OPERATION_SETATTR;
    operation->mask = change->mask;
    if (change->mask & ATTR_SIZE) {
        attr_resize(attr, change->size);
        if (mutation->cred.uid != 0) {
            attr_drop_privilege(operation);
        }
    }
    change_owner(operation, change);
    if (change->mask & ATTR_MODE) {
        change_mode(operation, &mutation->cred, change);
    }
    attr_touch(attr, deciding->decision, change->mask & ATTR_SIZE);
    change_times(attr, change);
    return 0;
}
