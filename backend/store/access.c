/*
 * Permission rules; pure functions of credentials, attributes and ACLs.
 * Spec: POSIX.1-2017 XBD 4.5; Linux path_resolution(7), capabilities(7), acl(5).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/store/access.h"

#include <sys/stat.h>
#include "backend/proto/acl.h"

/* The permissions of an object that is told by its mode and, if there is one, its ACL. */
static bool permits(const struct cred *cred, const struct attr *attr, struct slice acl,
                    uint32_t want)
{
    if (cred->uid == attr->uid) {
        return (attr->mode >> 6 & want) == want;
    }
    /* Linux asks no ACL whose mask is empty: even whom it names is one of the others then. It does
     * so on a native client, so it is done here too (fs/namei.c, acl_permission_check). */
    if (acl.size > 0 && attr->mode & S_IRWXG) {
        return acl_permits(acl, attr->uid, attr->gid, cred, want);
    }
    uint32_t bits = cred_has_group(cred, attr->gid) ? attr->mode >> 3 : attr->mode;
    return (bits & want) == want;
}

bool access_permits(const struct cred *cred, const struct attr *attr, struct slice acl,
                    uint32_t want)
{
    if (cred->flags & CRED_CHECKED) {
        return true;
    }
    if (cred->uid == 0) {
        bool may_execute = attr->type == OBJECT_DIRECTORY || attr->mode & 0111;
        return may_execute || !(want & ACCESS_EXECUTE);
    }
    return permits(cred, attr, acl, want);
}

uint32_t access_rights(const struct cred *cred, const struct attr *attr, struct slice acl)
{
    static const uint32_t each[] = {ACCESS_READ, ACCESS_WRITE, ACCESS_EXECUTE};
    uint32_t rights = 0;
    for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
        rights |= access_permits(cred, attr, acl, each[i]) ? each[i] : 0;
    }
    return rights;
}

bool access_owns(const struct cred *cred, const struct attr *attr)
{
    return cred->flags & CRED_CHECKED || cred->uid == 0 || cred->uid == attr->uid;
}

bool access_is_member(const struct cred *cred, uint32_t gid)
{
    return cred->flags & CRED_CHECKED || cred->uid == 0 || cred_has_group(cred, gid);
}

bool access_sticky_allows(const struct cred *cred, const struct attr *directory,
                          const struct attr *object)
{
    return !(directory->mode & S_ISVTX) || access_owns(cred, directory) ||
           access_owns(cred, object);
}
