/*
 * Big-endian numbers in bytes of any alignment. Each function moves *at behind what it stored or
 * loaded; the caller has checked that there is room.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_BASE_BYTES_H
#define TRIVET_BASE_BYTES_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void bytes_put(uint8_t **at, const void *data, size_t size)
{
    if (size > 0) { /* memcpy from the NULL of an empty slice is not defined */
        memcpy(*at, data, size);
        *at += size;
    }
}

static inline void bytes_put_u8(uint8_t **at, uint8_t value)
{
    *(*at)++ = value;
}

static inline void bytes_put_u16(uint8_t **at, uint16_t value)
{
    uint16_t big = htobe16(value);
    bytes_put(at, &big, sizeof big);
}

static inline void bytes_put_u32(uint8_t **at, uint32_t value)
{
    uint32_t big = htobe32(value);
    bytes_put(at, &big, sizeof big);
}

static inline void bytes_put_u64(uint8_t **at, uint64_t value)
{
    uint64_t big = htobe64(value);
    bytes_put(at, &big, sizeof big);
}

static inline void bytes_get(const uint8_t **at, void *out_data, size_t size)
{
    memcpy(out_data, *at, size);
    *at += size;
}

static inline uint8_t bytes_get_u8(const uint8_t **at)
{
    return *(*at)++;
}

static inline uint16_t bytes_get_u16(const uint8_t **at)
{
    uint16_t big;
    bytes_get(at, &big, sizeof big);
    return be16toh(big);
}

static inline uint32_t bytes_get_u32(const uint8_t **at)
{
    uint32_t big;
    bytes_get(at, &big, sizeof big);
    return be32toh(big);
}

static inline uint64_t bytes_get_u64(const uint8_t **at)
{
    uint64_t big;
    bytes_get(at, &big, sizeof big);
    return be64toh(big);
}

#endif
