/*
 * Object types as the mode bits of <sys/stat.h>, and back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/proto/attr.h"
#include <stddef.h>
#include <sys/stat.h>

static const uint32_t type_modes[] = {
    [OBJECT_NONE] = 0,
    [OBJECT_FILE] = S_IFREG,
    [OBJECT_DIRECTORY] = S_IFDIR,
    [OBJECT_BLOCK] = S_IFBLK,
    [OBJECT_CHARACTER] = S_IFCHR,
    [OBJECT_SYMLINK] = S_IFLNK,
    [OBJECT_SOCKET] = S_IFSOCK,
    [OBJECT_FIFO] = S_IFIFO,
};

#define TYPE_COUNT (sizeof type_modes / sizeof type_modes[0])

uint32_t object_type_to_mode(uint32_t type)
{
    return type < TYPE_COUNT ? type_modes[type] : 0;
}

uint32_t object_type_from_mode(uint32_t mode)
{
    for (uint32_t type = OBJECT_FILE; type < TYPE_COUNT; type++) {
        if (type_modes[type] == (mode & S_IFMT)) {
            return type;
        }
    }
    return OBJECT_NONE;
}
