/*
 * Deciding SETXATTR and REMOVEXATTR. Spec: Linux xattr(7), setxattr(2), acl(5).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/errors.h"
#include "backend/store/decide.h"

int decide_setxattr(struct deciding *deciding)
{
    (void)deciding;
    return -EOPNOTSUPP;
}

int decide_removexattr(struct deciding *deciding)
{
    (void)deciding;
    return -EOPNOTSUPP;
}
