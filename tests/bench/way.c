/*
 * What all ways share: which one a target asks for, and bytes to write.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/bench/way.h"

#include <string.h>

void way_fill(void *buffer, size_t size, uint64_t seed)
{
    uint64_t state = seed * 0x9e3779b97f4a7c15U + 1; /* never 0, where xorshift would stay */
    char *bytes = buffer;
    for (size_t index = 0; index + sizeof state <= size; index += sizeof state) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memcpy(bytes + index, &state, sizeof state);
    }
}

struct way *way_open(const char *target)
{
    return strncmp(target, "nfs://", 6) ? way_posix_open(target) : way_nfs_open(target);
}
