/*
 * The mode-bit check for implementations of a volume that have no brick to make it: what POSIX and
 * RFC 1813 section 4.4 let a caller do with an object of these attributes. A caller with
 * CRED_CHECKED may do everything, its kernel has decided.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_GATEWAY_PERMISSION_H
#define TRIVET_GATEWAY_PERMISSION_H

#include "backend/proto/attr.h"
#include "backend/proto/cred.h"

enum permission { PERMISSION_EXECUTE = 1, PERMISSION_WRITE = 2, PERMISSION_READ = 4 };

/* Whether all bits of wanted (enum permission) are granted. Fails: -EACCES. */
int permission_check(const struct attr *attr, const struct cred *cred, unsigned wanted);

/*
 * READ and WRITE of a file: its owner always may, since the open that decided it was elsewhere and
 * before (RFC 1813 section 4.4), and who may execute may read. Fails: -EACCES.
 */
int permission_check_io(const struct attr *attr, const struct cred *cred, unsigned wanted);

/* Whether a name of object in directory may go or be replaced. Fails: -EACCES, -EPERM (sticky). */
int permission_check_remove(const struct attr *directory, const struct attr *object,
                            const struct cred *cred);

/*
 * Whether the change may be made; change->mode loses the setgid bit where POSIX says so.
 * Fails: -EPERM, -EACCES.
 */
int permission_check_change(const struct attr *attr, const struct cred *cred,
                            struct attr_change *change);

/* Which of rights (enum access_right) the caller has. */
uint32_t permission_rights(const struct attr *attr, const struct cred *cred, uint32_t rights);

/* Owner, group and mode of an object of that type made in directory. */
void permission_inherit(const struct attr *directory, const struct cred *cred,
                        const struct attr_change *change, uint32_t type, struct attr *out_attr);

#endif
