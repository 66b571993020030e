/*
 * The encoded form of an operation, on the wire and in the logs:
 *
 *     version u8 | kind u8 | presence u32 | index u64 | birth view u64 | what is present, in the
 *     order of enum presence
 *
 * An operation has one form only: presence follows from the struct, and decoding refuses what says
 * otherwise, so that equal operations are equal bytes in every brick's log.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/proto/operation.h"
#include <assert.h>
#include <string.h>
#include "backend/base/bytes.h"
#include "backend/base/errors.h"
#include "backend/proto/name.h"
#include "backend/proto/packed.h"

#define OPERATION_VERSION 2
#define HEAD_SIZE (1 + 1 + 4 + 8 + 8)

enum presence {
    HAS_ID = 1 << 0,
    HAS_OBJECT = 1 << 1,
    HAS_OBJECT_BEFORE = 1 << 2,
    HAS_PARENT = 1 << 3,
    HAS_PARENT_BEFORE = 1 << 4,
    HAS_NAME = 1 << 5, /* size u8 | bytes | cookie u64 */
    HAS_PARENT2 = 1 << 6,
    HAS_PARENT2_BEFORE = 1 << 7,
    HAS_NAME2 = 1 << 8,
    HAS_REPLACED = 1 << 9,
    HAS_RANGE = 1 << 10, /* offset u64 | count u32 */
    HAS_MASK = 1 << 11,
    HAS_RENAME_FLAGS = 1 << 12,
    HAS_TARGET = 1 << 13, /* size u16 | bytes */
    HAS_VERIFIER = 1 << 14,
    HAS_EXCLUSIVE = 1 << 15, /* nothing follows */
    HAS_FLAGS = 1 << 16,
    HAS_LENGTH = 1 << 17,
    HAS_HOW = 1 << 18,
    HAS_XATTR = 1 << 19, /* size u8 | bytes */
    HAS_VALUE = 1 << 20, /* size u32 | bytes; so are the next two */
    HAS_ACL = 1 << 21,
    HAS_DEFAULT_ACL = 1 << 22
};

static_assert(HEAD_SIZE + PACKED_OP_ID_SIZE + 4 * PACKED_ATTR_SIZE + 3 * PACKED_BEFORE_SIZE +
                      2 * (1 + NAME_SIZE_MAX + 8) + 12 + 4 + 4 + 2 + TARGET_SIZE_MAX + 8 + 4 + 8 +
                      4 + 3 * 4 + 1 + XATTR_NAME_MAX_SIZE + 2 * ACL_SIZE_MAX <=
                  OPERATION_SIZE_COMMON,
              "every operation without a large value fits in OPERATION_SIZE_COMMON");
static_assert(OPERATION_SIZE_COMMON + XATTR_VALUE_MAX <= OPERATION_SIZE_MAX,
              "every operation fits in OPERATION_SIZE_MAX");
static_assert(NAME_SIZE_MAX <= UINT8_MAX && TARGET_SIZE_MAX <= UINT16_MAX,
              "sizes fit in the fields that carry them");

#define ATTR_CHANGE_BITS UINT32_C(0xff)

static bool target_is_good(struct slice target)
{
    return target.size > 0 && target.size <= TARGET_SIZE_MAX &&
           !memchr(target.data, '\0', target.size);
}

static bool xattr_name_is_good(struct slice name)
{
    return name.size <= XATTR_NAME_MAX_SIZE && !memchr(name.data, '\0', name.size);
}

static uint32_t bit_if(bool condition, enum presence bit)
{
    return condition ? (uint32_t)bit : 0;
}

static uint32_t operation_presence(const struct operation *operation)
{
    return bit_if(operation->id.kind != OP_ID_NONE, HAS_ID) |
           bit_if(operation->object.type != OBJECT_NONE, HAS_OBJECT) |
           bit_if(operation->object_before.present, HAS_OBJECT_BEFORE) |
           bit_if(operation->parent.type != OBJECT_NONE, HAS_PARENT) |
           bit_if(operation->parent_before.present, HAS_PARENT_BEFORE) |
           bit_if(operation->name.size > 0, HAS_NAME) |
           bit_if(operation->parent2.type != OBJECT_NONE, HAS_PARENT2) |
           bit_if(operation->parent2_before.present, HAS_PARENT2_BEFORE) |
           bit_if(operation->name2.size > 0, HAS_NAME2) |
           bit_if(operation->replaced.type != OBJECT_NONE, HAS_REPLACED) |
           bit_if(operation->offset != 0 || operation->count != 0, HAS_RANGE) |
           bit_if(operation->mask != 0, HAS_MASK) |
           bit_if(operation->rename_flags != 0, HAS_RENAME_FLAGS) |
           bit_if(operation->target.size > 0, HAS_TARGET) |
           bit_if(operation->create_verifier != 0, HAS_VERIFIER) |
           bit_if(operation->create_exclusive, HAS_EXCLUSIVE) |
           bit_if(operation->flags != 0, HAS_FLAGS) | bit_if(operation->length != 0, HAS_LENGTH) |
           bit_if(operation->how != 0, HAS_HOW) | bit_if(operation->xattr.size > 0, HAS_XATTR) |
           bit_if(operation->value.size > 0, HAS_VALUE) | bit_if(operation->acl.size > 0, HAS_ACL) |
           bit_if(operation->default_acl.size > 0, HAS_DEFAULT_ACL);
}

/* The rules that hold for an operation as a whole, before encoding and after decoding. */
static bool operation_is_good(const struct operation *operation)
{
    return operation->kind <= OPERATION_KIND_LAST && operation->count <= IO_SIZE_MAX &&
           (operation->mask & ~ATTR_CHANGE_BITS) == 0 &&
           (operation->name.size == 0 || name_is_good(operation->name)) &&
           (operation->name2.size == 0 || name_is_good(operation->name2)) &&
           (operation->target.size == 0 || target_is_good(operation->target)) &&
           (operation->flags & ~(uint32_t)OPERATION_FLAG_BITS) == 0 &&
           (operation->xattr.size == 0 || xattr_name_is_good(operation->xattr)) &&
           operation->value.size <= XATTR_VALUE_MAX && operation->acl.size <= ACL_SIZE_MAX &&
           operation->default_acl.size <= ACL_SIZE_MAX;
}

static size_t operation_size(const struct operation *operation, uint32_t presence)
{
    size_t size = HEAD_SIZE;
    size += presence & HAS_ID ? PACKED_OP_ID_SIZE : 0;
    size += presence & HAS_OBJECT ? PACKED_ATTR_SIZE : 0;
    size += presence & HAS_OBJECT_BEFORE ? PACKED_BEFORE_SIZE : 0;
    size += presence & HAS_PARENT ? PACKED_ATTR_SIZE : 0;
    size += presence & HAS_PARENT_BEFORE ? PACKED_BEFORE_SIZE : 0;
    size += presence & HAS_NAME ? 1 + operation->name.size + 8 : 0;
    size += presence & HAS_PARENT2 ? PACKED_ATTR_SIZE : 0;
    size += presence & HAS_PARENT2_BEFORE ? PACKED_BEFORE_SIZE : 0;
    size += presence & HAS_NAME2 ? 1 + operation->name2.size + 8 : 0;
    size += presence & HAS_REPLACED ? PACKED_ATTR_SIZE : 0;
    size += presence & HAS_RANGE ? 12 : 0;
    size += presence & HAS_MASK ? 4 : 0;
    size += presence & HAS_RENAME_FLAGS ? 4 : 0;
    size += presence & HAS_TARGET ? 2 + operation->target.size : 0;
    size += presence & HAS_VERIFIER ? 8 : 0;
    size += presence & HAS_FLAGS ? 4 : 0;
    size += presence & HAS_LENGTH ? 8 : 0;
    size += presence & HAS_HOW ? 4 : 0;
    size += presence & HAS_XATTR ? 1 + operation->xattr.size : 0;
    size += presence & HAS_VALUE ? 4 + operation->value.size : 0;
    size += presence & HAS_ACL ? 4 + operation->acl.size : 0;
    size += presence & HAS_DEFAULT_ACL ? 4 + operation->default_acl.size : 0;
    return size;
}

static bool put_attr_if(uint8_t **at, const struct attr *attr, uint32_t present)
{
    return !present || packed_put_attr(at, attr);
}

static bool put_before_if(uint8_t **at, const struct attr_before *before, uint32_t present)
{
    return !present || packed_put_before(at, before);
}

static void put_name_if(uint8_t **at, struct slice name, uint64_t cookie, uint32_t present)
{
    if (present) {
        bytes_put_u8(at, (uint8_t)name.size);
        bytes_put(at, name.data, name.size);
        bytes_put_u64(at, cookie);
    }
}

static void put_rest(uint8_t **at, const struct operation *operation, uint32_t presence)
{
    if (presence & HAS_RANGE) {
        bytes_put_u64(at, operation->offset);
        bytes_put_u32(at, operation->count);
    }
    if (presence & HAS_MASK) {
        bytes_put_u32(at, operation->mask);
    }
    if (presence & HAS_RENAME_FLAGS) {
        bytes_put_u32(at, operation->rename_flags);
    }
    if (presence & HAS_TARGET) {
        bytes_put_u16(at, (uint16_t)operation->target.size);
        bytes_put(at, operation->target.data, operation->target.size);
    }
    if (presence & HAS_VERIFIER) {
        bytes_put_u64(at, operation->create_verifier);
    }
}

static void put_slice_if(uint8_t **at, struct slice slice, uint32_t present)
{
    if (present) {
        bytes_put_u32(at, (uint32_t)slice.size);
        bytes_put(at, slice.data, slice.size);
    }
}

static void put_beside(uint8_t **at, const struct operation *operation, uint32_t presence)
{
    if (presence & HAS_FLAGS) {
        bytes_put_u32(at, operation->flags);
    }
    if (presence & HAS_LENGTH) {
        bytes_put_u64(at, operation->length);
    }
    if (presence & HAS_HOW) {
        bytes_put_u32(at, operation->how);
    }
    if (presence & HAS_XATTR) {
        bytes_put_u8(at, (uint8_t)operation->xattr.size);
        bytes_put(at, operation->xattr.data, operation->xattr.size);
    }
    put_slice_if(at, operation->value, presence & HAS_VALUE);
    put_slice_if(at, operation->acl, presence & HAS_ACL);
    put_slice_if(at, operation->default_acl, presence & HAS_DEFAULT_ACL);
}

int operation_encode(const struct operation *operation, uint8_t *buffer, size_t size,
                     size_t *out_size)
{
    if (!operation_is_good(operation)) {
        return -EINVAL;
    }
    uint32_t presence = operation_presence(operation);
    size_t needed = operation_size(operation, presence);
    if (size < needed) {
        return -ENOBUFS;
    }
    uint8_t *at = buffer;
    bytes_put_u8(&at, OPERATION_VERSION);
    bytes_put_u8(&at, (uint8_t)operation->kind);
    bytes_put_u32(&at, presence);
    bytes_put_u64(&at, operation->index);
    bytes_put_u64(&at, operation->birth_view);
    bool good = !(presence & HAS_ID) || packed_put_op_id(&at, &operation->id);
    good &= put_attr_if(&at, &operation->object, presence & HAS_OBJECT);
    good &= put_before_if(&at, &operation->object_before, presence & HAS_OBJECT_BEFORE);
    good &= put_attr_if(&at, &operation->parent, presence & HAS_PARENT);
    good &= put_before_if(&at, &operation->parent_before, presence & HAS_PARENT_BEFORE);
    put_name_if(&at, operation->name, operation->cookie, presence & HAS_NAME);
    good &= put_attr_if(&at, &operation->parent2, presence & HAS_PARENT2);
    good &= put_before_if(&at, &operation->parent2_before, presence & HAS_PARENT2_BEFORE);
    put_name_if(&at, operation->name2, operation->cookie2, presence & HAS_NAME2);
    good &= put_attr_if(&at, &operation->replaced, presence & HAS_REPLACED);
    put_rest(&at, operation, presence);
    put_beside(&at, operation, presence);
    if (!good) {
        return -EINVAL;
    }
    *out_size = needed;
    return 0;
}

/* Bytes being decoded. Whoever takes from them asks have first; once short, good stays false. */
struct source {
    const uint8_t *at;
    const uint8_t *end;
    bool good;
};

static bool source_have(struct source *source, size_t size)
{
    if (source->good && (size_t)(source->end - source->at) < size) {
        source->good = false;
    }
    return source->good;
}

static void get_attr_if(struct source *source, struct attr *attr, uint32_t present)
{
    if (present && source_have(source, PACKED_ATTR_SIZE)) {
        source->good = packed_get_attr(&source->at, attr);
    }
}

static void get_before_if(struct source *source, struct attr_before *before, uint32_t present)
{
    if (present && source_have(source, PACKED_BEFORE_SIZE)) {
        source->good = packed_get_before(&source->at, before);
    }
}

static void get_slice(struct source *source, struct slice *slice, size_t size)
{
    if (source_have(source, size)) {
        *slice = slice_of(source->at, size);
        source->at += size;
    }
}

static void get_name_if(struct source *source, struct slice *name, uint64_t *cookie,
                        uint32_t present)
{
    if (!present || !source_have(source, 1)) {
        return;
    }
    get_slice(source, name, bytes_get_u8(&source->at));
    if (source_have(source, 8)) {
        *cookie = bytes_get_u64(&source->at);
    }
}

static void get_rest(struct source *source, struct operation *operation, uint32_t presence)
{
    if (presence & HAS_RANGE && source_have(source, 12)) {
        operation->offset = bytes_get_u64(&source->at);
        operation->count = bytes_get_u32(&source->at);
    }
    if (presence & HAS_MASK && source_have(source, 4)) {
        operation->mask = bytes_get_u32(&source->at);
    }
    if (presence & HAS_RENAME_FLAGS && source_have(source, 4)) {
        operation->rename_flags = bytes_get_u32(&source->at);
    }
    if (presence & HAS_TARGET && source_have(source, 2)) {
        get_slice(source, &operation->target, bytes_get_u16(&source->at));
    }
    if (presence & HAS_VERIFIER && source_have(source, 8)) {
        operation->create_verifier = bytes_get_u64(&source->at);
    }
    operation->create_exclusive = (presence & HAS_EXCLUSIVE) != 0;
}

static void get_slice_if(struct source *source, struct slice *slice, uint32_t present)
{
    if (present && source_have(source, 4)) {
        get_slice(source, slice, bytes_get_u32(&source->at));
    }
}

static void get_beside(struct source *source, struct operation *operation, uint32_t presence)
{
    if (presence & HAS_FLAGS && source_have(source, 4)) {
        operation->flags = bytes_get_u32(&source->at);
    }
    if (presence & HAS_LENGTH && source_have(source, 8)) {
        operation->length = bytes_get_u64(&source->at);
    }
    if (presence & HAS_HOW && source_have(source, 4)) {
        operation->how = bytes_get_u32(&source->at);
    }
    if (presence & HAS_XATTR && source_have(source, 1)) {
        get_slice(source, &operation->xattr, bytes_get_u8(&source->at));
    }
    get_slice_if(source, &operation->value, presence & HAS_VALUE);
    get_slice_if(source, &operation->acl, presence & HAS_ACL);
    get_slice_if(source, &operation->default_acl, presence & HAS_DEFAULT_ACL);
}

int operation_decode(struct slice bytes, struct operation *out_operation)
{
    if (bytes.size < HEAD_SIZE || bytes.data[0] != OPERATION_VERSION) {
        return -E_BAD_MESSAGE;
    }
    struct source source = {.at = bytes.data + 1, .end = bytes.data + bytes.size, .good = true};
    struct operation *operation = out_operation;
    memset(operation, 0, sizeof *operation);
    operation->kind = bytes_get_u8(&source.at);
    uint32_t presence = bytes_get_u32(&source.at);
    operation->index = bytes_get_u64(&source.at);
    operation->birth_view = bytes_get_u64(&source.at);
    if (presence & HAS_ID && source_have(&source, PACKED_OP_ID_SIZE)) {
        source.good = packed_get_op_id(&source.at, &operation->id);
    }
    get_attr_if(&source, &operation->object, presence & HAS_OBJECT);
    get_before_if(&source, &operation->object_before, presence & HAS_OBJECT_BEFORE);
    get_attr_if(&source, &operation->parent, presence & HAS_PARENT);
    get_before_if(&source, &operation->parent_before, presence & HAS_PARENT_BEFORE);
    get_name_if(&source, &operation->name, &operation->cookie, presence & HAS_NAME);
    get_attr_if(&source, &operation->parent2, presence & HAS_PARENT2);
    get_before_if(&source, &operation->parent2_before, presence & HAS_PARENT2_BEFORE);
    get_name_if(&source, &operation->name2, &operation->cookie2, presence & HAS_NAME2);
    get_attr_if(&source, &operation->replaced, presence & HAS_REPLACED);
    get_rest(&source, operation, presence);
    get_beside(&source, operation, presence);
    if (!source.good || source.at != source.end || !operation_is_good(operation) ||
        operation_presence(operation) != presence) {
        return -E_BAD_MESSAGE;
    }
    return 0;
}

void operation_to_reply(const struct operation *operation, struct reply *out_reply)
{
    *out_reply = (struct reply){
        .object = operation->object,
        .parent = operation->parent,
        .parent2 = operation->parent2,
        .replaced = operation->replaced,
        .object_before = operation->object_before,
        .parent_before = operation->parent_before,
        .parent2_before = operation->parent2_before,
        .count = operation->kind == OPERATION_WRITE ? operation->count : 0,
    };
    /* A rename within one directory tells its attributes once; the client hears them as both. */
    if (operation->kind == OPERATION_RENAME && operation->parent2.type == OBJECT_NONE) {
        out_reply->parent2 = operation->parent;
        out_reply->parent2_before = operation->parent_before;
    }
}
