/*
 * Who may do what: the owner, group and other bits, the ACL, and the rules around them.
 *
 * acl is the object's access ACL (proto/acl.h), size 0 if it has none beyond its mode. In deciding,
 * decide.h's deciding_allows finds it; elsewhere store_rights does.
 *
 * With CRED_CHECKED in a caller's flags everything is allowed: its kernel has decided.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_STORE_ACCESS_H
#define TRIVET_STORE_ACCESS_H

#include "backend/base/slice.h"
#include "backend/proto/attr.h"
#include "backend/proto/cred.h"

enum access_right { ACCESS_EXECUTE = 1, ACCESS_WRITE = 2, ACCESS_READ = 4 }; /* a mode's 3 bits */

/* The rights (enum access_right, or-ed) that the caller has; execute in a directory: search. */
uint32_t access_rights(const struct cred *cred, const struct attr *attr, struct slice acl);

/* Are all of the rights in want granted? With an ACL that is more than each of them: no two of the
 * caller's groups add up. */
bool access_permits(const struct cred *cred, const struct attr *attr, struct slice acl,
                    uint32_t want);

/* Root or the object's owner. */
bool access_owns(const struct cred *cred, const struct attr *attr);

/* Root, or a member of the group. */
bool access_is_member(const struct cred *cred, uint32_t gid);

/* May the caller take object's name out of directory, as far as the sticky bit goes? */
bool access_sticky_allows(const struct cred *cred, const struct attr *directory,
                          const struct attr *object);

#endif
