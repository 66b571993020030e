/*
 * See acl_sample.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/lib/acl_sample.h"

#include <endian.h>
#include <stdbool.h>
#include <stdlib.h>
#include "backend/base/check.h"

static size_t put(uint8_t *acl, size_t size, uint16_t tag, uint64_t permissions, uint64_t id)
{
    uint16_t numbers[2] = {htole16(tag), htole16((uint16_t)permissions)};
    uint32_t id_bytes = htole32((uint32_t)id);
    INVARIANT(size + 8 <= ACL_SIZE_MAX);
    memcpy(acl + size, numbers, sizeof numbers);
    memcpy(acl + size + 4, &id_bytes, sizeof id_bytes);
    return size + 8;
}

static size_t put_version(uint8_t *acl)
{
    uint32_t version = htole32(2);
    memcpy(acl, &version, sizeof version);
    return sizeof version;
}

static uint16_t tag_of(char letter, bool named)
{
    switch (letter) {
    case 'u':
        return named ? ACL_TAG_USER : ACL_TAG_USER_OBJ;
    case 'g':
        return named ? ACL_TAG_GROUP : ACL_TAG_GROUP_OBJ;
    case 'm':
        return ACL_TAG_MASK;
    default:
        INVARIANT(letter == 'o');
        return ACL_TAG_OTHER;
    }
}

size_t acl_text(const char *text, uint8_t out_acl[ACL_SIZE_MAX])
{
    size_t size = put_version(out_acl);
    while (*text) {
        char letter = *text;
        INVARIANT(text[1] == ':');
        char *end;
        bool named = text[2] != ':';
        unsigned long id = named ? strtoul(text + 2, &end, 10) : ACL_ID_NONE;
        const char *bits = named ? end + 1 : text + 3;
        uint64_t permissions = 0;
        for (int i = 0; i < 3; i++) {
            INVARIANT(bits[i] == "rwx"[i] || bits[i] == '-');
            permissions |= bits[i] == '-' ? 0 : 4U >> i;
        }
        size = put(out_acl, size, tag_of(letter, named), permissions, id);
        text = bits + 3;
        text += *text == ',';
    }
    return size;
}

size_t acl_random(struct random_sequence *random, uint8_t out_acl[ACL_SIZE_MAX])
{
    size_t size = put_version(out_acl);
    if (random_sequence_below(random, 20) == 0) {
        return size;
    }
    uint64_t users = random_sequence_below(random, 4);
    uint64_t groups = random_sequence_below(random, 4);
    size = put(out_acl, size, ACL_TAG_USER_OBJ, random_sequence_below(random, 8), ACL_ID_NONE);
    for (uint64_t i = 0; i < users; i++) {
        size = put(out_acl, size, ACL_TAG_USER, random_sequence_below(random, 8),
                   random_sequence_below(random, 5));
    }
    size = put(out_acl, size, ACL_TAG_GROUP_OBJ, random_sequence_below(random, 8), 7);
    for (uint64_t i = 0; i < groups; i++) {
        size = put(out_acl, size, ACL_TAG_GROUP, random_sequence_below(random, 8),
                   random_sequence_below(random, 5));
    }
    bool masked = users + groups > 0 ? random_sequence_below(random, 20) > 0
                                     : random_sequence_below(random, 2) > 0;
    if (masked) {
        size = put(out_acl, size, ACL_TAG_MASK, random_sequence_below(random, 8), ACL_ID_NONE);
    }
    size = put(out_acl, size, ACL_TAG_OTHER, random_sequence_below(random, 8), ACL_ID_NONE);
    return random_sequence_below(random, 30) ? size : size - 1; /* seldom a bad one */
}
