/*
 * See xattr_check.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/lib/xattr_check.h"

#include <errno.h>
#include <stdio.h>
#include <sys/xattr.h>
#include <xxhash.h>
#include "backend/base/check.h"
#include "backend/proto/xattr.h"
#include "backend/store/durable.h"
#include "backend/store/posix.h"
#include "tests/lib/acl_sample.h"

/* Names as a listing has them, one behind the other. */
static size_t next_name(const uint8_t *names, size_t at)
{
    return at + strlen((const char *)names + at) + 1;
}

uint64_t xattrs_digest(struct store *store, const struct gfid *gfid)
{
    static uint8_t names[XATTRS_SIZE_MAX];
    static uint8_t value[XATTR_VALUE_MAX];
    size_t size = 0;
    size_t value_size = 0;
    if (store_listxattr(store, gfid, names, sizeof names, &size)) {
        return 0;
    }
    uint64_t hash = 1 + XXH3_64bits(names, size);
    for (size_t at = 0; at < size; at = next_name(names, at)) {
        struct slice name = slice_text((const char *)names + at);
        if (store_getxattr(store, gfid, name, value, sizeof value, &value_size)) {
            return 0;
        }
        hash = XXH3_64bits_withSeed(value, value_size, hash);
    }
    return hash;
}

struct comparison {
    struct store *store;
    const struct attr *attr;
    const char *path;
    struct slice hidden; /* all that the object has, if it is in .trivet/xattrs */
    int differences;
};

static void differ(struct comparison *comparison, const char *what, long long store_says,
                   long long tree_says)
{
    comparison->differences++;
    printf("%s: %s: store %lld, tree %lld\n", comparison->path, what, store_says, tree_says);
}

static void load_hidden(struct comparison *comparison, int hidden_fd)
{
    static uint8_t record[XATTRS_SIZE_MAX];
    size_t size = 0;
    int result = durable_file_get(hidden_fd, gfid_name(&comparison->attr->gfid).text,
                                  DISK_FILE_XATTRS, record, sizeof record, &size);
    INVARIANT(result == 0 || result == -ENOENT);
    comparison->hidden = slice_of(record, result ? 0 : size);
}

/* What the tree shows and the volume does not have. */
static void compare_extra(struct comparison *comparison)
{
    static char names[XATTRS_SIZE_MAX];
    static uint8_t value[XATTR_VALUE_MAX];
    ssize_t size = llistxattr(comparison->path, names, sizeof names);
    for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1) {
        struct slice name = slice_text(names + at);
        enum xattr_class class = xattr_class_of(name);
        size_t got;
        bool foreign = class == XATTR_CLASS_OWN || class == XATTR_CLASS_NONE ||
                       strncmp(names + at, "trusted.SGI_ACL_", 16) == 0 || /* XFS */
                       slice_equal(name, slice_text("security.selinux"));
        if (!foreign && store_getxattr(comparison->store, &comparison->attr->gfid, name, value,
                                       sizeof value, &got)) {
            differ(comparison, names + at, 0, 1);
        }
    }
}

static void compare_one(struct comparison *comparison, const char *name)
{
    static uint8_t ours[XATTR_VALUE_MAX];
    static uint8_t theirs[XATTR_VALUE_MAX];
    struct slice kept;
    size_t size = 0;
    INVARIANT(store_getxattr(comparison->store, &comparison->attr->gfid, slice_text(name), ours,
                             sizeof ours, &size) == 0);
    ssize_t got = strncmp(name, "trusted.SGI_ACL_", 16) == 0 /* XFS's, what it may be */
                      ? -1
                      : lgetxattr(comparison->path, name, theirs, sizeof theirs);
    bool same = got == (ssize_t)size && memcmp(ours, theirs, size) == 0;
    bool is_kept = xattrs_find(comparison->hidden, slice_text(name), &kept) == 0 &&
                   slice_equal(kept, slice_of(ours, size));
    bool hides = comparison->hidden.size > 0;
    if (hides ? !is_kept || (got >= 0 && !same) : !same) {
        differ(comparison, name, (long long)size, got);
    }
}

static uint32_t flags_of(struct slice name)
{
    enum xattr_class class = xattr_class_of(name);
    uint32_t flags = class == XATTR_CLASS_ACL_ACCESS    ? ATTR_HAS_ACL
                     : class == XATTR_CLASS_ACL_DEFAULT ? ATTR_HAS_DEFAULT_ACL
                                                        : ATTR_HAS_XATTRS;
    return slice_equal(name, slice_text(XATTR_CAPABILITY)) ? flags | ATTR_HAS_CAPABILITY : flags;
}

int xattrs_compare(struct store *store, const struct attr *attr, const char *path, int hidden_fd)
{
    static uint8_t names[XATTRS_SIZE_MAX];
    struct comparison comparison = {.store = store, .attr = attr, .path = path};
    size_t size = 0;
    uint32_t flags = 0;
    uint32_t hidden_flags = 0;
    load_hidden(&comparison, hidden_fd);
    INVARIANT(store_listxattr(store, &attr->gfid, names, sizeof names, &size) == 0);
    for (size_t at = 0; at < size; at = next_name(names, at)) {
        const char *name = (const char *)names + at;
        flags |= flags_of(slice_text(name));
        compare_one(&comparison, name);
    }
    if (flags != attr->flags) {
        differ(&comparison, "flags", attr->flags, flags);
    }
    if (comparison.hidden.size > 0 &&
        (xattrs_flags(comparison.hidden, &hidden_flags) || hidden_flags != flags)) {
        differ(&comparison, "hidden", flags, hidden_flags);
    }
    compare_extra(&comparison);
    return comparison.differences;
}

struct mutation wish_xattr(struct random_sequence *random, struct gfid object, uint8_t *bulk)
{
    static const char *const names[] = {
        "user.small",        "user.a",           "user.large",
        "trusted.b",         "security.c",       XATTR_CAPABILITY,
        XATTR_ACL_ACCESS,    XATTR_ACL_ACCESS,   XATTR_ACL_DEFAULT,
        "trusted.trivet.id", "user.large.other", "trusted.SGI_ACL_FILE"};
    /* VFS_CAP_REVISION_2, and CAP_NET_RAW: the kernel takes no other form. */
    static const uint8_t capability[20] = {1, 0, 0, 2, 0, 0x20};
    const char *name = names[random_sequence_below(random, sizeof names / sizeof names[0])];
    struct mutation wish = {
        .kind = random_sequence_below(random, 4) ? MUTATION_SETXATTR : MUTATION_REMOVEXATTR,
        .object = object,
        .cred = {.uid = (uint32_t)random_sequence_below(random, 3),
                 .flags = random_sequence_below(random, 4) ? CRED_CHECKED : 0},
        .xattr = slice_text(name),
        .xattr_flags =
            random_sequence_below(random, 12) ? 0 : (uint32_t)random_sequence_below(random, 4),
    };
    size_t size = random_sequence_below(random, strstr(name, "large") ? 3500 : 40);
    if (strncmp(name, "system.", 7) == 0) {
        size = acl_random(random, bulk);
    } else if (strcmp(name, XATTR_CAPABILITY) == 0) {
        size = sizeof capability;
        memcpy(bulk, capability, size);
    } else {
        random_sequence_bytes(random, bulk, size);
    }
    wish.value = slice_of(bulk, wish.kind == MUTATION_SETXATTR ? size : 0);
    return wish;
}
