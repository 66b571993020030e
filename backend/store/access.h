/*
 * Who may do what: the owner, group and other bits, and the rules around them.
 *
 * With CRED_CHECKED in a caller's flags everything is allowed: its kernel has decided.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_STORE_ACCESS_H
#define TRIVET_STORE_ACCESS_H

#include "backend/proto/attr.h"
#include "backend/proto/cred.h"

enum access_right { ACCESS_EXECUTE = 1, ACCESS_WRITE = 2, ACCESS_READ = 4 }; /* a mode's 3 bits */

/* The rights (enum access_right, or-ed) that the caller has; execute in a directory: search. */
uint32_t access_rights(const struct cred *cred, const struct attr *attr);

/* Are all of the rights in want granted? */
bool access_allows(const struct cred *cred, const struct attr *attr, uint32_t want);

/* Like access_allows, but the owner may read and write whatever the mode says: the check belonged
 * to open, which an NFS client does not send. */
bool access_allows_io(const struct cred *cred, const struct attr *attr, uint32_t want);

/* Root or the object's owner. */
bool access_owns(const struct cred *cred, const struct attr *attr);

/* Root, or a member of the group. */
bool access_is_member(const struct cred *cred, uint32_t gid);

/* May the caller take object's name out of directory, as far as the sticky bit goes? */
bool access_sticky_allows(const struct cred *cred, const struct attr *directory,
                          const struct attr *object);

#endif
