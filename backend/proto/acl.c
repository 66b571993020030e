/*
 * See acl.h. The rules are Linux's own (fs/posix_acl.c says the same in other words), since a FUSE
 * client's kernel applies them to what it reads here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/proto/acl.h"

#include <endian.h>
#include <errno.h>

#define VERSION 2
#define HEAD_SIZE 4
#define ENTRY_SIZE 8
#define PERMISSIONS 7

/* ---- form ---------------------------------------------------------------------------------- */

size_t acl_count(struct slice acl)
{
    return acl.size < HEAD_SIZE ? 0 : (acl.size - HEAD_SIZE) / ENTRY_SIZE;
}

struct acl_entry acl_entry_at(struct slice acl, size_t i)
{
    const uint8_t *at = acl.data + HEAD_SIZE + i * ENTRY_SIZE;
    struct acl_entry entry;
    memcpy(&entry.tag, at, sizeof entry.tag);
    memcpy(&entry.permissions, at + 2, sizeof entry.permissions);
    memcpy(&entry.id, at + 4, sizeof entry.id);
    entry.tag = le16toh(entry.tag);
    entry.permissions = le16toh(entry.permissions);
    entry.id = le32toh(entry.id);
    return entry;
}

static void put_entry(uint8_t *acl, size_t i, const struct acl_entry *entry)
{
    uint8_t *at = acl + HEAD_SIZE + i * ENTRY_SIZE;
    uint16_t tag = htole16(entry->tag);
    uint16_t permissions = htole16(entry->permissions);
    uint32_t id = htole32(entry->id);
    memcpy(at, &tag, sizeof tag);
    memcpy(at + 2, &permissions, sizeof permissions);
    memcpy(at + 4, &id, sizeof id);
}

/* What may come next: entries are in the order of acl(5), the three of a mode exactly once. */
enum expected { EXPECT_OWNER, EXPECT_USERS, EXPECT_GROUPS, EXPECT_OTHER, EXPECT_END };

/* Take an entry. Fails: false, it is out of place. */
static bool take_entry(const struct acl_entry *entry, enum expected *expected, bool *named)
{
    switch (entry->tag) {
    case ACL_TAG_USER_OBJ:
        if (*expected != EXPECT_OWNER) {
            return false;
        }
        *expected = EXPECT_USERS;
        return true;
    case ACL_TAG_USER:
        *named = true;
        return *expected == EXPECT_USERS && entry->id != ACL_ID_NONE;
    case ACL_TAG_GROUP_OBJ:
        if (*expected != EXPECT_USERS) {
            return false;
        }
        *expected = EXPECT_GROUPS;
        return true;
    case ACL_TAG_GROUP:
        *named = true;
        return *expected == EXPECT_GROUPS && entry->id != ACL_ID_NONE;
    case ACL_TAG_MASK:
        if (*expected != EXPECT_GROUPS) {
            return false;
        }
        *expected = EXPECT_OTHER;
        return true;
    case ACL_TAG_OTHER:
        /* Named entries want a mask. */
        if (*expected != EXPECT_OTHER && (*expected != EXPECT_GROUPS || *named)) {
            return false;
        }
        *expected = EXPECT_END;
        return true;
    default:
        return false;
    }
}

int acl_canonical(struct slice value, uint8_t out_acl[ACL_SIZE_MAX], size_t *out_size)
{
    if (value.size == 0) {
        *out_size = 0;
        return 0;
    }
    uint32_t version;
    if (value.size < HEAD_SIZE) {
        return -EINVAL;
    }
    memcpy(&version, value.data, sizeof version);
    if (le32toh(version) != VERSION) {
        return -EOPNOTSUPP;
    }
    if ((value.size - HEAD_SIZE) % ENTRY_SIZE != 0) {
        return -EINVAL;
    }
    size_t count = acl_count(value);
    if (count > ACL_ENTRIES_MAX) {
        return -E2BIG;
    }
    enum expected expected = EXPECT_OWNER;
    bool named = false;
    memcpy(out_acl, value.data, HEAD_SIZE);
    for (size_t i = 0; i < count; i++) {
        struct acl_entry entry = acl_entry_at(value, i);
        if (!take_entry(&entry, &expected, &named) || entry.permissions & ~PERMISSIONS) {
            return -EINVAL;
        }
        if (entry.tag != ACL_TAG_USER && entry.tag != ACL_TAG_GROUP) {
            entry.id = ACL_ID_NONE;
        }
        put_entry(out_acl, i, &entry);
    }
    if (count > 0 && expected != EXPECT_END) {
        return -EINVAL;
    }
    *out_size = count > 0 ? value.size : 0;
    return 0;
}

/* ---- and modes ----------------------------------------------------------------------------- */

/* Which of a mode's bits an entry stands for: how far they are shifted; -1: none. */
static int shift_of(uint16_t tag, bool has_mask)
{
    switch (tag) {
    case ACL_TAG_USER_OBJ:
        return 6;
    case ACL_TAG_GROUP_OBJ:
        return has_mask ? -1 : 3;
    case ACL_TAG_MASK:
        return 3;
    case ACL_TAG_OTHER:
        return 0;
    default:
        return -1;
    }
}

/* The mask comes behind all that it bounds: if there is one, it is the last but one. */
static bool has_mask(struct slice acl)
{
    size_t count = acl_count(acl);
    return count >= 2 && acl_entry_at(acl, count - 2).tag == ACL_TAG_MASK;
}

uint32_t acl_mode(struct slice acl)
{
    bool masked = has_mask(acl);
    uint32_t mode = 0;
    for (size_t i = 0; i < acl_count(acl); i++) {
        struct acl_entry entry = acl_entry_at(acl, i);
        int shift = shift_of(entry.tag, masked);
        if (shift >= 0) {
            mode |= (uint32_t)(entry.permissions & PERMISSIONS) << shift;
        }
    }
    return mode;
}

bool acl_is_mode(struct slice acl)
{
    return acl_count(acl) <= 3; /* owner, group, others; one more wants a mask */
}

void acl_chmod(struct slice acl, uint32_t mode, uint8_t out_acl[ACL_SIZE_MAX])
{
    bool masked = has_mask(acl);
    memcpy(out_acl, acl.data, acl.size);
    for (size_t i = 0; i < acl_count(acl); i++) {
        struct acl_entry entry = acl_entry_at(acl, i);
        int shift = shift_of(entry.tag, masked);
        if (shift >= 0) {
            entry.permissions = (uint16_t)(mode >> shift & PERMISSIONS);
            put_entry(out_acl, i, &entry);
        }
    }
}

bool acl_inherit(struct slice default_acl, uint32_t *mode, uint8_t out_acl[ACL_SIZE_MAX])
{
    uint32_t allowed = *mode & acl_mode(default_acl);
    acl_chmod(default_acl, allowed, out_acl);
    *mode = (*mode & ~UINT32_C(0777)) | allowed;
    return !acl_is_mode(default_acl);
}

/* ---- evaluation ---------------------------------------------------------------------------- */

/* Whom an entry is for. */
static bool is_for(const struct acl_entry *entry, uint32_t owner, uint32_t group,
                   const struct cred *cred)
{
    switch (entry->tag) {
    case ACL_TAG_USER_OBJ:
        return cred->uid == owner;
    case ACL_TAG_USER:
        return cred->uid == entry->id;
    case ACL_TAG_GROUP_OBJ:
        return cred_has_group(cred, group);
    case ACL_TAG_GROUP:
        return cred_has_group(cred, entry->id);
    default:
        return entry->tag == ACL_TAG_OTHER;
    }
}

/* What the entry allows after the mask. */
static uint32_t allowed_by(struct slice acl, const struct acl_entry *entry)
{
    bool bounded = entry->tag != ACL_TAG_USER_OBJ && entry->tag != ACL_TAG_OTHER;
    if (bounded && has_mask(acl)) {
        return entry->permissions & acl_entry_at(acl, acl_count(acl) - 2).permissions;
    }
    return entry->permissions;
}

bool acl_permits(struct slice acl, uint32_t owner, uint32_t group, const struct cred *cred,
                 uint32_t want)
{
    bool in_group = false;
    for (size_t i = 0; i < acl_count(acl); i++) {
        struct acl_entry entry = acl_entry_at(acl, i);
        if (!is_for(&entry, owner, group, cred)) {
            continue;
        }
        bool by_group = entry.tag == ACL_TAG_GROUP_OBJ || entry.tag == ACL_TAG_GROUP;
        if (by_group && (entry.permissions & want) != want) {
            in_group = true; /* another of the caller's groups may allow it, but others' not */
            continue;
        }
        if (entry.tag == ACL_TAG_OTHER && in_group) {
            return false;
        }
        return (allowed_by(acl, &entry) & want) == want;
    }
    return false;
}
