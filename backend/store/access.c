/*
 * Permission rules; pure functions of credentials and attributes.
 * Spec: POSIX.1-2017 XBD 4.5; Linux path_resolution(7), capabilities(7).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/store/access.h"

#include <sys/stat.h>

static bool in_group(const struct cred *cred, uint32_t gid)
{
    if (cred->gid == gid) {
        return true;
    }
    for (uint32_t i = 0; i < cred->group_count && i < CRED_GROUPS_MAX; i++) {
        if (cred->groups[i] == gid) {
            return true;
        }
    }
    return false;
}

uint32_t access_rights(const struct cred *cred, const struct attr *attr)
{
    const uint32_t all = ACCESS_READ | ACCESS_WRITE | ACCESS_EXECUTE;
    if (cred->flags & CRED_CHECKED) {
        return all;
    }
    if (cred->uid == 0) {
        bool may_execute = attr->type == OBJECT_DIRECTORY || (attr->mode & 0111);
        return may_execute ? all : all & ~(uint32_t)ACCESS_EXECUTE;
    }
    if (cred->uid == attr->uid) {
        return attr->mode >> 6 & 7;
    }
    return in_group(cred, attr->gid) ? attr->mode >> 3 & 7 : attr->mode & 7;
}

bool access_allows(const struct cred *cred, const struct attr *attr, uint32_t want)
{
    return (access_rights(cred, attr) & want) == want;
}

bool access_allows_io(const struct cred *cred, const struct attr *attr, uint32_t want)
{
    return cred->uid == attr->uid || access_allows(cred, attr, want);
}

bool access_owns(const struct cred *cred, const struct attr *attr)
{
    return cred->flags & CRED_CHECKED || cred->uid == 0 || cred->uid == attr->uid;
}

bool access_is_member(const struct cred *cred, uint32_t gid)
{
    return cred->flags & CRED_CHECKED || cred->uid == 0 || in_group(cred, gid);
}

bool access_sticky_allows(const struct cred *cred, const struct attr *directory,
                          const struct attr *object)
{
    return !(directory->mode & S_ISVTX) || access_owns(cred, directory) ||
           access_owns(cred, object);
}
