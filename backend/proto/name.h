/*
 * What may be a name in a directory: 1 to NAME_SIZE_MAX bytes without NUL and '/'. "." and ".." are
 * names in this sense; whether they make sense depends on the operation.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_PROTO_NAME_H
#define TRIVET_PROTO_NAME_H

#include <stdbool.h>
#include <string.h>
#include "backend/base/slice.h"
#include "backend/proto/limits.h"

static inline bool name_is_good(struct slice name)
{
    return name.size > 0 && name.size <= NAME_SIZE_MAX && !memchr(name.data, '\0', name.size) &&
           !memchr(name.data, '/', name.size);
}

static inline bool name_is_dot_or_dotdot(struct slice name)
{
    return (name.size == 1 && name.data[0] == '.') ||
           (name.size == 2 && name.data[0] == '.' && name.data[1] == '.');
}

#endif
