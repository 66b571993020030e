/*
 * See xattr.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/proto/xattr.h"

#include "backend/base/bytes.h"
#include "backend/base/errors.h"
#include "backend/proto/attr.h"

#define RECORD_VERSION 1
#define RECORD_HEAD_SIZE 1
#define ENTRY_HEAD_SIZE (1 + 4)

/* ---- names --------------------------------------------------------------------------------- */

static bool begins_with(struct slice name, const char *prefix)
{
    size_t size = strlen(prefix);
    return name.size >= size && memcmp(name.data, prefix, size) == 0;
}

enum xattr_class xattr_class_of(struct slice name)
{
    if (slice_equal(name, slice_text(XATTR_ACL_ACCESS))) {
        return XATTR_CLASS_ACL_ACCESS;
    }
    if (slice_equal(name, slice_text(XATTR_ACL_DEFAULT))) {
        return XATTR_CLASS_ACL_DEFAULT;
    }
    if (begins_with(name, XATTR_OWN_PREFIX)) {
        return XATTR_CLASS_OWN;
    }
    return begins_with(name, "user.")       ? XATTR_CLASS_USER
           : begins_with(name, "trusted.")  ? XATTR_CLASS_TRUSTED
           : begins_with(name, "security.") ? XATTR_CLASS_SECURITY
                                            : XATTR_CLASS_NONE;
}

int xattr_name_check(struct slice name)
{
    if (name.size == 0 || name.size > XATTR_NAME_MAX_SIZE) {
        return -ERANGE;
    }
    return memchr(name.data, '\0', name.size) ? -EINVAL : 0;
}

bool xattr_name_is_bare(struct slice name)
{
    return xattr_class_of(name) != XATTR_CLASS_NONE &&
           memchr(name.data, '.', name.size) == name.data + name.size - 1;
}

static int name_compare(struct slice a, struct slice b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = memcmp(a.data, b.data, common);
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* ---- reading ------------------------------------------------------------------------------- */

int xattrs_begin(struct slice record, struct slice *out_rest)
{
    if (record.size == 0) {
        *out_rest = record;
        return 0;
    }
    if (record.data[0] != RECORD_VERSION) {
        return -E_CORRUPT;
    }
    *out_rest = slice_of(record.data + RECORD_HEAD_SIZE, record.size - RECORD_HEAD_SIZE);
    return 0;
}

int xattrs_next(struct slice *rest, struct xattr_entry *out_entry)
{
    if (rest->size == 0) {
        return -ENOENT;
    }
    if (rest->size < ENTRY_HEAD_SIZE) {
        return -E_CORRUPT;
    }
    const uint8_t *at = rest->data;
    size_t name_size = bytes_get_u8(&at);
    size_t value_size = bytes_get_u32(&at);
    size_t left = rest->size - ENTRY_HEAD_SIZE;
    if (name_size == 0 || name_size > left || value_size > left - name_size) {
        return -E_CORRUPT;
    }
    out_entry->name = slice_of(at, name_size);
    out_entry->value = slice_of(at + name_size, value_size);
    *rest = slice_of(at + name_size + value_size, left - name_size - value_size);
    return 0;
}

int xattrs_find(struct slice record, struct slice name, struct slice *out_value)
{
    struct slice rest;
    struct xattr_entry entry;
    int result = xattrs_begin(record, &rest);
    while (!result && (result = xattrs_next(&rest, &entry)) == 0) {
        if (slice_equal(entry.name, name)) {
            *out_value = entry.value;
            return 0;
        }
    }
    return result == -ENOENT ? -ENODATA : result;
}

int xattrs_flags(struct slice record, uint32_t *out_flags)
{
    struct slice rest;
    struct xattr_entry entry;
    uint32_t flags = 0;
    int result = xattrs_begin(record, &rest);
    while (!result && (result = xattrs_next(&rest, &entry)) == 0) {
        enum xattr_class class = xattr_class_of(entry.name);
        flags |= class == XATTR_CLASS_ACL_ACCESS    ? ATTR_HAS_ACL
                 : class == XATTR_CLASS_ACL_DEFAULT ? ATTR_HAS_DEFAULT_ACL
                                                    : ATTR_HAS_XATTRS;
        if (slice_equal(entry.name, slice_text(XATTR_CAPABILITY))) {
            flags |= ATTR_HAS_CAPABILITY;
        }
    }
    if (result != -ENOENT) {
        return result;
    }
    *out_flags = flags;
    return 0;
}

int xattrs_list(struct slice record, uint8_t *buffer, size_t size, size_t *out_size)
{
    struct slice rest;
    struct xattr_entry entry;
    uint8_t *at = buffer;
    size_t total = 0;
    int result = xattrs_begin(record, &rest);
    while (!result && (result = xattrs_next(&rest, &entry)) == 0) {
        total += entry.name.size + 1;
        if (total <= size) {
            bytes_put(&at, entry.name.data, entry.name.size);
            bytes_put_u8(&at, '\0');
        }
    }
    if (result != -ENOENT) {
        return result;
    }
    *out_size = total;
    return size > 0 && total > size ? -ERANGE : 0;
}

/* ---- changing ------------------------------------------------------------------------------ */

/* A record being written. */
struct target {
    uint8_t *at;
    uint8_t *end;
};

static int append(struct target *target, struct slice name, struct slice value)
{
    size_t left = (size_t)(target->end - target->at);
    if (left < ENTRY_HEAD_SIZE + name.size || left - ENTRY_HEAD_SIZE - name.size < value.size) {
        return -ENOSPC;
    }
    bytes_put_u8(&target->at, (uint8_t)name.size);
    bytes_put_u32(&target->at, (uint32_t)value.size);
    bytes_put(&target->at, name.data, name.size);
    bytes_put(&target->at, value.data, value.size);
    return 0;
}

int xattrs_change(struct slice record, struct slice name, const struct slice *value,
                  uint8_t *buffer, size_t size, size_t *out_size)
{
    struct slice rest;
    struct xattr_entry entry;
    int result = xattrs_begin(record, &rest);
    if (result || size < RECORD_HEAD_SIZE) {
        return result ? result : -ENOSPC;
    }
    struct target target = {buffer, buffer + size};
    bytes_put_u8(&target.at, RECORD_VERSION);
    bool pending = value;
    while (!result && (result = xattrs_next(&rest, &entry)) == 0) {
        int order = name_compare(entry.name, name);
        if (pending && order >= 0) {
            result = append(&target, name, *value);
            pending = false;
        }
        if (!result && order != 0) {
            result = append(&target, entry.name, entry.value);
        }
    }
    if (result == -ENOENT) {
        result = pending ? append(&target, name, *value) : 0;
    }
    if (result) {
        return result;
    }
    *out_size = (size_t)(target.at - buffer);
    if (*out_size == RECORD_HEAD_SIZE) {
        *out_size = 0;
    }
    return 0;
}
