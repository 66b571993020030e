/*
 * The mode-bit check; see the header. The replicated volume's bricks have their own access layer,
 * which knows ACLs too; its client uses this one only for what it was granted and has none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/permission.h"

#include "gateway/trivet.h"

static bool is_member(const struct cred *cred, uint32_t gid)
{
    if (cred->gid == gid) {
        return true;
    }
    for (uint32_t i = 0; i < cred->group_count; i++) {
        if (cred->groups[i] == gid) {
            return true;
        }
    }
    return false;
}

static unsigned permission_bits(const struct attr *attr, const struct cred *cred)
{
    if (cred->uid == 0) {
        bool may_execute = attr->type == OBJECT_DIRECTORY || attr->mode & 0111;
        return PERMISSION_READ | PERMISSION_WRITE | (may_execute ? PERMISSION_EXECUTE : 0u);
    }
    if (cred->uid == attr->uid) {
        return attr->mode >> 6 & 7;
    }
    return is_member(cred, attr->gid) ? attr->mode >> 3 & 7 : attr->mode & 7;
}

int permission_check(const struct attr *attr, const struct cred *cred, unsigned wanted)
{
    if (cred->flags & CRED_CHECKED || (permission_bits(attr, cred) & wanted) == wanted) {
        return 0;
    }
    return -EACCES;
}

int permission_check_io(const struct attr *attr, const struct cred *cred, unsigned wanted)
{
    if (cred->uid == attr->uid) {
        return 0;
    }
    if (wanted == PERMISSION_READ && permission_check(attr, cred, PERMISSION_EXECUTE) == 0) {
        return 0;
    }
    return permission_check(attr, cred, wanted);
}

int permission_check_remove(const struct attr *directory, const struct attr *object,
                            const struct cred *cred)
{
    int status = permission_check(directory, cred, PERMISSION_WRITE | PERMISSION_EXECUTE);
    if (status || cred->flags & CRED_CHECKED || cred->uid == 0 || !(directory->mode & 01000)) {
        return status;
    }
    return cred->uid == object->uid || cred->uid == directory->uid ? 0 : -EPERM;
}

int permission_check_change(const struct attr *attr, const struct cred *cred,
                            struct attr_change *change)
{
    if (cred->flags & CRED_CHECKED || cred->uid == 0) {
        return 0;
    }
    bool is_owner = cred->uid == attr->uid;
    uint32_t mask = change->mask;
    if (mask & (ATTR_MODE | ATTR_ATIME | ATTR_MTIME) && !is_owner) {
        return -EPERM;
    }
    if (mask & ATTR_UID && change->uid != attr->uid) {
        return -EPERM;
    }
    if (mask & ATTR_GID && change->gid != attr->gid &&
        !(is_owner && is_member(cred, change->gid))) {
        return -EPERM;
    }
    if (mask & ATTR_MODE && attr->type != OBJECT_DIRECTORY && !is_member(cred, attr->gid)) {
        change->mode &= ~02000u;
    }
    if (mask & (ATTR_SIZE | ATTR_ATIME_NOW | ATTR_MTIME_NOW)) {
        return permission_check_io(attr, cred, PERMISSION_WRITE);
    }
    return 0;
}

uint32_t permission_rights(const struct attr *attr, const struct cred *cred, uint32_t rights)
{
    unsigned bits = permission_bits(attr, cred);
    bool is_directory = attr->type == OBJECT_DIRECTORY;
    uint32_t granted = 0;
    if (bits & PERMISSION_READ) {
        granted |= RIGHT_READ;
    }
    if (bits & PERMISSION_WRITE) {
        granted |= RIGHT_MODIFY | RIGHT_EXTEND | (is_directory ? RIGHT_DELETE : 0u);
    }
    if (bits & PERMISSION_EXECUTE) {
        granted |= is_directory ? RIGHT_LOOKUP : RIGHT_EXECUTE;
    }
    return granted & rights;
}

void permission_inherit(const struct attr *directory, const struct cred *cred,
                        const struct attr_change *change, uint32_t type, struct attr *out_attr)
{
    bool inherits_group = directory->mode & 02000;
    out_attr->uid = change->mask & ATTR_UID && cred->uid == 0 ? change->uid : cred->uid;
    out_attr->gid = inherits_group ? directory->gid : cred->gid;
    if (change->mask & ATTR_GID && (cred->uid == 0 || is_member(cred, change->gid))) {
        out_attr->gid = change->gid;
    }
    out_attr->mode = change->mask & ATTR_MODE ? change->mode & 07777 : 0;
    if (type == OBJECT_DIRECTORY && inherits_group) {
        out_attr->mode |= 02000;
    }
    if (type == OBJECT_SYMLINK) {
        out_attr->mode = 0777;
    }
}
