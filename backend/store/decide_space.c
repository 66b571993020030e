/*
 * Deciding ALLOCATE. Spec: Linux fallocate(2).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/errors.h"
#include "backend/store/decide.h"

int decide_allocate(struct deciding *deciding)
{
    (void)deciding;
    return -EOPNOTSUPP;
}
