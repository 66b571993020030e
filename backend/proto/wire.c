/*
 * XDR of the hand-written structs. Each fixed-size part is one block: reserved in the message's own
 * bytes where XDR_INLINE gives them, else moved through a buffer on the stack; its contents are the
 * packed forms. A block is a multiple of four bytes, as XDR wants.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/proto/wire.h"
#include <string.h>
#include "backend/base/bytes.h"
#include "backend/proto/packed.h"

/* Largest fixed-size part: an attr. */
#define BLOCK_SIZE_MAX PACKED_ATTR_SIZE

struct block {
    uint8_t *bytes;
    uint8_t own[BLOCK_SIZE_MAX];
};

/* Reserve size bytes for encoding, or fetch them for decoding. */
static inline bool_t block_begin(XDR *xdrs, struct block *block, unsigned size)
{
    block->bytes = (uint8_t *)XDR_INLINE(xdrs, size);
    if (block->bytes) {
        return TRUE;
    }
    block->bytes = block->own;
    return xdrs->x_op == XDR_DECODE ? XDR_GETBYTES(xdrs, (char *)block->own, size) : TRUE;
}

/* An encoded block that was not stored in place is stored now. */
static inline bool_t block_end(XDR *xdrs, struct block *block, unsigned size)
{
    if (xdrs->x_op == XDR_ENCODE && block->bytes == block->own) {
        return XDR_PUTBYTES(xdrs, (char *)block->own, size);
    }
    return TRUE;
}

static bool_t xdr_bytes_fixed(XDR *xdrs, uint8_t *bytes, unsigned size)
{
    return xdr_opaque(xdrs, (char *)bytes, size);
}

/* A string kept in size bytes of the struct itself, its NUL included. */
static bool_t xdr_text(XDR *xdrs, char *text, unsigned size)
{
    if (xdrs->x_op == XDR_FREE) {
        return TRUE;
    }
    uint32_t length = xdrs->x_op == XDR_ENCODE ? (uint32_t)strnlen(text, size) : 0;
    if (!xdr_uint32_t(xdrs, &length) || length >= size || !xdr_opaque(xdrs, text, length)) {
        return FALSE;
    }
    if (xdrs->x_op == XDR_DECODE) {
        text[length] = '\0';
        return strlen(text) == length;
    }
    return TRUE;
}

bool_t xdr_gfid(XDR *xdrs, struct gfid *gfid)
{
    return xdr_bytes_fixed(xdrs, gfid->bytes, GFID_SIZE);
}

bool_t xdr_volume_id(XDR *xdrs, struct volume_id *id)
{
    return xdr_bytes_fixed(xdrs, id->bytes, VOLUME_ID_SIZE);
}

static bool_t attr_encode(XDR *xdrs, const struct attr *attr)
{
    unsigned size = attr->type == OBJECT_NONE ? 4 : PACKED_ATTR_SIZE;
    struct block block;
    if (!block_begin(xdrs, &block, size)) {
        return FALSE;
    }
    uint8_t *at = block.bytes;
    if (attr->type == OBJECT_NONE) {
        bytes_put_u32(&at, OBJECT_NONE);
    } else if (!packed_put_attr(&at, attr)) {
        return FALSE;
    }
    return block_end(xdrs, &block, size);
}

static bool_t attr_decode(XDR *xdrs, struct attr *out_attr)
{
    struct block block;
    if (!block_begin(xdrs, &block, 4)) {
        return FALSE;
    }
    const uint8_t *at = block.bytes;
    uint32_t type = bytes_get_u32(&at);
    if (type == OBJECT_NONE) {
        memset(out_attr, 0, sizeof *out_attr);
        return TRUE;
    }
    /* The type belongs to the packed form: put it back in front of the rest. */
    uint8_t packed[PACKED_ATTR_SIZE];
    memcpy(packed, block.bytes, 4);
    if (!block_begin(xdrs, &block, PACKED_ATTR_SIZE - 4)) {
        return FALSE;
    }
    memcpy(packed + 4, block.bytes, PACKED_ATTR_SIZE - 4);
    at = packed;
    return packed_get_attr(&at, out_attr);
}

bool_t xdr_attr(XDR *xdrs, struct attr *attr)
{
    switch (xdrs->x_op) {
    case XDR_ENCODE:
        return attr_encode(xdrs, attr);
    case XDR_DECODE:
        return attr_decode(xdrs, attr);
    case XDR_FREE:
        break;
    }
    return TRUE;
}

/* An attr whose presence has been told: nothing on the wire if it is absent. */
static bool_t attr_if(XDR *xdrs, struct attr *attr, bool present)
{
    if (!present) {
        return TRUE;
    }
    struct block block;
    if (!block_begin(xdrs, &block, PACKED_ATTR_SIZE)) {
        return FALSE;
    }
    if (xdrs->x_op == XDR_DECODE) {
        const uint8_t *from = block.bytes;
        return packed_get_attr(&from, attr);
    }
    uint8_t *to = block.bytes;
    return packed_put_attr(&to, attr) && block_end(xdrs, &block, PACKED_ATTR_SIZE);
}

static bool_t before_if(XDR *xdrs, struct attr_before *before, bool present)
{
    if (!present) {
        return TRUE;
    }
    struct block block;
    if (!block_begin(xdrs, &block, PACKED_BEFORE_SIZE)) {
        return FALSE;
    }
    if (xdrs->x_op == XDR_DECODE) {
        const uint8_t *from = block.bytes;
        return packed_get_before(&from, before);
    }
    uint8_t *to = block.bytes;
    return packed_put_before(&to, before) && block_end(xdrs, &block, PACKED_BEFORE_SIZE);
}

static bool_t statfs_if(XDR *xdrs, struct statfs_info *info, bool present)
{
    if (!present) {
        return TRUE;
    }
    struct block block;
    if (!block_begin(xdrs, &block, PACKED_STATFS_SIZE)) {
        return FALSE;
    }
    if (xdrs->x_op == XDR_DECODE) {
        const uint8_t *from = block.bytes;
        packed_get_statfs(&from, info);
        return TRUE;
    }
    uint8_t *to = block.bytes;
    packed_put_statfs(&to, info);
    return block_end(xdrs, &block, PACKED_STATFS_SIZE);
}

/* The word that tells presence where it stands alone. */
static bool_t xdr_present(XDR *xdrs, bool *present)
{
    uint32_t word = *present;
    if (!xdr_uint32_t(xdrs, &word) || word > 1) {
        return FALSE;
    }
    *present = word == 1;
    return TRUE;
}

bool_t xdr_attr_before(XDR *xdrs, struct attr_before *before)
{
    if (xdrs->x_op == XDR_FREE) {
        return TRUE;
    }
    if (xdrs->x_op == XDR_DECODE) {
        memset(before, 0, sizeof *before);
    }
    return xdr_present(xdrs, &before->present) && before_if(xdrs, before, before->present);
}

bool_t xdr_statfs_info(XDR *xdrs, struct statfs_info *info)
{
    if (xdrs->x_op == XDR_FREE) {
        return TRUE;
    }
    if (xdrs->x_op == XDR_DECODE) {
        memset(info, 0, sizeof *info);
    }
    return xdr_present(xdrs, &info->present) && statfs_if(xdrs, info, info->present);
}

bool_t xdr_attr_change(XDR *xdrs, struct attr_change *change)
{
    struct block block;
    if (xdrs->x_op == XDR_FREE) {
        return TRUE;
    }
    if (!block_begin(xdrs, &block, PACKED_CHANGE_SIZE)) {
        return FALSE;
    }
    if (xdrs->x_op == XDR_DECODE) {
        const uint8_t *from = block.bytes;
        return packed_get_change(&from, change);
    }
    uint8_t *to = block.bytes;
    return packed_put_change(&to, change) && block_end(xdrs, &block, PACKED_CHANGE_SIZE);
}

bool_t xdr_op_id(XDR *xdrs, struct op_id *id)
{
    struct block block;
    if (xdrs->x_op == XDR_FREE) {
        return TRUE;
    }
    if (!block_begin(xdrs, &block, PACKED_OP_ID_SIZE)) {
        return FALSE;
    }
    if (xdrs->x_op == XDR_DECODE) {
        const uint8_t *from = block.bytes;
        return packed_get_op_id(&from, id);
    }
    uint8_t *to = block.bytes;
    return packed_put_op_id(&to, id) && block_end(xdrs, &block, PACKED_OP_ID_SIZE);
}

/* flags, uid, gid and the number of groups; the groups follow. */
#define CRED_HEAD_SIZE 16

static bool_t cred_encode(XDR *xdrs, const struct cred *cred)
{
    if (cred->group_count > CRED_GROUPS_MAX) {
        return FALSE;
    }
    unsigned size = CRED_HEAD_SIZE + 4 * cred->group_count;
    struct block block;
    if (!block_begin(xdrs, &block, size)) {
        return FALSE;
    }
    uint8_t *at = block.bytes;
    bytes_put_u32(&at, cred->flags);
    bytes_put_u32(&at, cred->uid);
    bytes_put_u32(&at, cred->gid);
    bytes_put_u32(&at, cred->group_count);
    for (uint32_t i = 0; i < cred->group_count; i++) {
        bytes_put_u32(&at, cred->groups[i]);
    }
    return block_end(xdrs, &block, size);
}

static bool_t cred_decode(XDR *xdrs, struct cred *out_cred)
{
    struct block block;
    if (!block_begin(xdrs, &block, CRED_HEAD_SIZE)) {
        return FALSE;
    }
    const uint8_t *at = block.bytes;
    out_cred->flags = bytes_get_u32(&at);
    out_cred->uid = bytes_get_u32(&at);
    out_cred->gid = bytes_get_u32(&at);
    uint32_t count = bytes_get_u32(&at);
    out_cred->group_count = 0;
    if (count > CRED_GROUPS_MAX) {
        return FALSE;
    }
    if (count > 0 && !block_begin(xdrs, &block, 4 * count)) {
        return FALSE;
    }
    at = block.bytes;
    for (uint32_t i = 0; i < count; i++) {
        out_cred->groups[i] = bytes_get_u32(&at);
    }
    out_cred->group_count = count;
    return TRUE;
}

bool_t xdr_cred(XDR *xdrs, struct cred *cred)
{
    switch (xdrs->x_op) {
    case XDR_ENCODE:
        return cred_encode(xdrs, cred);
    case XDR_DECODE:
        return cred_decode(xdrs, cred);
    case XDR_FREE:
        break;
    }
    return TRUE;
}

/* What of a reply is present: one word in its head, so that the absent costs nothing. */
enum reply_bits {
    REPLY_OBJECT = 1 << 0,
    REPLY_PARENT = 1 << 1,
    REPLY_PARENT2 = 1 << 2,
    REPLY_OBJECT_BEFORE = 1 << 3,
    REPLY_PARENT_BEFORE = 1 << 4,
    REPLY_PARENT2_BEFORE = 1 << 5,
    REPLY_STATFS = 1 << 6,
    REPLY_EOF = 1 << 7,
    REPLY_OFFSET = 1 << 8,
    REPLY_REPLACED = 1 << 9,
    REPLY_BITS = (1 << 10) - 1
};

#define REPLY_HEAD_SIZE (4 + 8 + 4 + 4 + 4 + 8 + 4 + 4)

static uint32_t reply_bits(const struct reply *reply)
{
    return (reply->object.type ? REPLY_OBJECT : 0U) | (reply->parent.type ? REPLY_PARENT : 0U) |
           (reply->parent2.type ? REPLY_PARENT2 : 0U) |
           (reply->object_before.present ? REPLY_OBJECT_BEFORE : 0U) |
           (reply->parent_before.present ? REPLY_PARENT_BEFORE : 0U) |
           (reply->parent2_before.present ? REPLY_PARENT2_BEFORE : 0U) |
           (reply->statfs.present ? REPLY_STATFS : 0U) | (reply->eof ? REPLY_EOF : 0U) |
           (reply->offset ? REPLY_OFFSET : 0U) | (reply->replaced.type ? REPLY_REPLACED : 0U);
}

static bool_t reply_put_head(XDR *xdrs, const struct reply *reply, uint32_t bits)
{
    struct block block;
    if (reply->status > 0 || reply->committed > STABLE_FILE_SYNC ||
        !block_begin(xdrs, &block, REPLY_HEAD_SIZE)) {
        return FALSE;
    }
    uint8_t *at = block.bytes;
    bytes_put_u32(&at, (uint32_t)reply->status);
    bytes_put_u64(&at, reply->view);
    bytes_put_u32(&at, reply->grant_ms);
    bytes_put_u32(&at, reply->parent_grant_ms);
    bytes_put_u32(&at, bits);
    bytes_put_u64(&at, reply->verifier);
    bytes_put_u32(&at, reply->count);
    bytes_put_u32(&at, reply->committed);
    return block_end(xdrs, &block, REPLY_HEAD_SIZE);
}

static bool_t reply_get_head(XDR *xdrs, struct reply *out_reply, uint32_t *out_bits)
{
    struct block block;
    if (!block_begin(xdrs, &block, REPLY_HEAD_SIZE)) {
        return FALSE;
    }
    const uint8_t *at = block.bytes;
    out_reply->status = (int32_t)bytes_get_u32(&at);
    out_reply->view = bytes_get_u64(&at);
    out_reply->grant_ms = bytes_get_u32(&at);
    out_reply->parent_grant_ms = bytes_get_u32(&at);
    *out_bits = bytes_get_u32(&at);
    out_reply->verifier = bytes_get_u64(&at);
    out_reply->count = bytes_get_u32(&at);
    out_reply->committed = bytes_get_u32(&at);
    out_reply->eof = (*out_bits & REPLY_EOF) != 0;
    return out_reply->status <= 0 && out_reply->committed <= STABLE_FILE_SYNC &&
           (*out_bits & ~(uint32_t)REPLY_BITS) == 0;
}

bool_t xdr_reply(XDR *xdrs, struct reply *reply)
{
    uint32_t bits = 0;
    switch (xdrs->x_op) {
    case XDR_ENCODE:
        bits = reply_bits(reply);
        if (!reply_put_head(xdrs, reply, bits)) {
            return FALSE;
        }
        break;
    case XDR_DECODE:
        memset(reply, 0, sizeof *reply);
        if (!reply_get_head(xdrs, reply, &bits)) {
            return FALSE;
        }
        break;
    case XDR_FREE:
        return TRUE; /* data is a slice of somebody else's bytes */
    }
    return attr_if(xdrs, &reply->object, bits & REPLY_OBJECT) &&
           attr_if(xdrs, &reply->parent, bits & REPLY_PARENT) &&
           attr_if(xdrs, &reply->parent2, bits & REPLY_PARENT2) &&
           attr_if(xdrs, &reply->replaced, bits & REPLY_REPLACED) &&
           before_if(xdrs, &reply->object_before, bits & REPLY_OBJECT_BEFORE) &&
           before_if(xdrs, &reply->parent_before, bits & REPLY_PARENT_BEFORE) &&
           before_if(xdrs, &reply->parent2_before, bits & REPLY_PARENT2_BEFORE) &&
           statfs_if(xdrs, &reply->statfs, bits & REPLY_STATFS) &&
           (!(bits & REPLY_OFFSET) || (xdr_uint64_t(xdrs, &reply->offset) && reply->offset));
}

/* A view travels when it changes, not with operations: field by field will do. */
static bool_t xdr_view_member(XDR *xdrs, struct view_member *member)
{
    return xdr_uint32_t(xdrs, &member->brick) && xdr_uint32_t(xdrs, &member->state) &&
           member->state <= MEMBER_JOINING && xdr_uint64_t(xdrs, &member->disk_id) &&
           xdr_uint64_t(xdrs, &member->incarnation) &&
           xdr_text(xdrs, member->host, sizeof member->host) && xdr_uint32_t(xdrs, &member->port) &&
           member->port <= UINT16_MAX && xdr_text(xdrs, member->path, sizeof member->path);
}

bool_t xdr_view(XDR *xdrs, struct view *view)
{
    if (xdrs->x_op == XDR_FREE) {
        return TRUE;
    }
    if (xdrs->x_op == XDR_DECODE) {
        memset(view, 0, sizeof *view);
    }
    if (!xdr_uint32_t(xdrs, &view->set) || !xdr_uint64_t(xdrs, &view->number) ||
        !xdr_uint64_t(xdrs, &view->renewals) ||
        !xdr_uint32_t(xdrs, &view->primary) || !xdr_uint64_t(xdrs, &view->volatile_epoch) ||
        !xdr_uint64_t(xdrs, &view->previous_end) || !xdr_uint32_t(xdrs, &view->member_count)) {
        return FALSE;
    }
    if (view->member_count > SET_MEMBERS_MAX ||
        (view->member_count > 0 && view->primary >= view->member_count)) {
        return FALSE;
    }
    for (uint32_t i = 0; i < view->member_count; i++) {
        if (!xdr_view_member(xdrs, &view->members[i])) {
            return FALSE;
        }
    }
    return TRUE;
}

bool_t xdr_volume_spec(XDR *xdrs, struct volume_spec *spec)
{
    if (xdrs->x_op == XDR_FREE) {
        return TRUE;
    }
    return xdr_text(xdrs, spec->name, sizeof spec->name) && xdr_volume_id(xdrs, &spec->id) &&
           xdr_bytes_fixed(xdrs, spec->handle_key, VOLUME_KEY_SIZE) &&
           xdr_present(xdrs, &spec->started) && xdr_uint32_t(xdrs, &spec->min_insync) &&
           xdr_view(xdrs, &spec->view);
}
