/*
 * A volume in memory: rows xattr and space.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <linux/falloc.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "backend/proto/limits.h"
#include "gateway/memvolume.h"
#include "gateway/permission.h"

/* ---- xattr ----------------------------------------------------------------------------------- */

static bool begins_with(struct slice name, const char *prefix)
{
    size_t size = strlen(prefix);
    return name.size > size && memcmp(name.data, prefix, size) == 0;
}

/* Who may, where no kernel has checked: xattr(7), in short. */
static int check_xattr(const struct volume_request *request, const struct memory_node *node,
                       unsigned wanted)
{
    struct slice name = request->name;
    bool is_trusted = begins_with(name, "trusted.");
    if (!is_trusted && !begins_with(name, "user.") && !begins_with(name, "security.")) {
        return -EOPNOTSUPP;
    }
    if (request->cred.flags & CRED_CHECKED || request->cred.uid == 0) {
        return 0;
    }
    if (begins_with(name, "user.")) {
        return permission_check(&node->attr, &request->cred, wanted);
    }
    if (wanted == PERMISSION_READ) {
        return is_trusted ? -ENODATA : 0;
    }
    return -EPERM;
}

static struct memory_xattr **xattr_place(struct memory_node *node, struct slice name)
{
    struct memory_xattr **place = &node->xattrs;
    while (*place && !slice_equal(slice_of((*place)->bytes, (*place)->name_size), name)) {
        place = &(*place)->next;
    }
    return place;
}

/* An answer of that many bytes, as far as the request has room; 0 only asks. */
static int answer_sized(struct volume_request *request, const void *bytes, size_t size)
{
    request->reply.count = (uint32_t)size;
    if (request->count == 0) {
        return 0;
    }
    return size > request->count ? -ERANGE : memory_answer_data(request, bytes, size);
}

int memory_getxattr(struct memory_volume *memory, struct volume_request *request)
{
    struct memory_node *node;
    int status = memory_find(memory, &request->object, false, &node);
    status = status ? status : check_xattr(request, node, PERMISSION_READ);
    if (status) {
        return status;
    }
    request->reply.object = node->attr;
    const struct memory_xattr *found = *xattr_place(node, request->name);
    if (!found) {
        return -ENODATA;
    }
    return answer_sized(request, found->bytes + found->name_size + 1, found->size);
}

int memory_listxattr(struct memory_volume *memory, struct volume_request *request)
{
    struct memory_node *node;
    int status = memory_find(memory, &request->object, false, &node);
    if (status) {
        return status;
    }
    request->reply.object = node->attr;
    char names[XATTRS_SIZE_MAX];
    size_t used = 0;
    for (const struct memory_xattr *at = node->xattrs; at; at = at->next) {
        struct slice name = slice_of(at->bytes, at->name_size);
        if (request->cred.uid != 0 && begins_with(name, "trusted.")) {
            continue;
        }
        if (name.size + 1 > sizeof(names) - used) {
            return -E2BIG;
        }
        memcpy(names + used, at->bytes, name.size + 1);
        used += name.size + 1;
    }
    return answer_sized(request, names, used);
}

static int xattr_put(struct memory_node *node, const struct volume_request *request)
{
    struct memory_xattr **place = xattr_place(node, request->name);
    struct memory_xattr *old = *place;
    if (old ? request->flags & XATTR_CREATE : request->flags & XATTR_REPLACE) {
        return old ? -EEXIST : -ENODATA;
    }
    size_t name_size = request->name.size;
    struct memory_xattr *xattr = malloc(sizeof(*xattr) + name_size + 1 + request->data.size);
    if (!xattr) {
        return -ENOSPC;
    }
    *xattr = (struct memory_xattr){
        .next = old ? old->next : NULL, .name_size = name_size, .size = request->data.size};
    memcpy(xattr->bytes, request->name.data, name_size);
    xattr->bytes[name_size] = '\0';
    if (request->data.size) {
        memcpy(xattr->bytes + name_size + 1, request->data.data, request->data.size);
    }
    *place = xattr;
    free(old);
    return 0;
}

static int xattr_remove(struct memory_node *node, struct slice name)
{
    struct memory_xattr **place = xattr_place(node, name);
    struct memory_xattr *old = *place;
    if (!old) {
        return -ENODATA;
    }
    *place = old->next;
    free(old);
    return 0;
}

static void note_flags(struct memory_node *node)
{
    bool has_capability = *xattr_place(node, slice_text("security.capability")) != NULL;
    node->attr.flags = (node->xattrs ? (uint32_t)ATTR_HAS_XATTRS : 0) |
                       (has_capability ? (uint32_t)ATTR_HAS_CAPABILITY : 0);
}

int memory_setxattr(struct memory_volume *memory, struct volume_request *request)
{
    struct memory_node *node;
    int status = memory_find(memory, &request->object, false, &node);
    status = status ? status : check_xattr(request, node, PERMISSION_WRITE);
    if (status == 0) {
        status = request->op == VOLUME_REMOVEXATTR ? xattr_remove(node, request->name)
                                                   : xattr_put(node, request);
    }
    if (status == 0) {
        note_flags(node);
        memory_touch(memory, node, false);
        request->reply.object = node->attr;
    }
    return status;
}

void memory_xattrs_free(struct memory_node *node)
{
    for (struct memory_xattr *at = node->xattrs, *next; at; at = next) {
        next = at->next;
        free(at);
    }
    node->xattrs = NULL;
}

/* ---- space ----------------------------------------------------------------------------------- */

static bool is_known(uint32_t how)
{
    return how == 0 || how == FALLOC_FL_KEEP_SIZE ||
           how == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE) || how == FALLOC_FL_ZERO_RANGE ||
           how == (FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE);
}

static int allocate(struct memory_node *node, const struct volume_request *request)
{
    uint64_t end = request->offset + request->length;
    uint64_t size = node->attr.size;
    uint64_t to = end < size ? end : size;
    if (request->flags & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE) && request->offset < to) {
        memset(node->data + request->offset, 0, to - request->offset);
    }
    return request->flags & FALLOC_FL_KEEP_SIZE || end <= size ? 0 : memory_resize(node, end);
}

int memory_allocate(struct memory_volume *memory, struct volume_request *request)
{
    struct memory_node *node;
    if (!is_known(request->flags)) {
        return -EOPNOTSUPP;
    }
    int status = memory_find_file(memory, request, PERMISSION_WRITE, &node);
    if (status) {
        return status;
    }
    request->reply.object_before = memory_before(node);
    status = allocate(node, request);
    if (status == 0) {
        memory_wrote(memory, node, request);
    }
    request->reply.object = node->attr;
    return status;
}

int memory_seek(struct memory_volume *memory, struct volume_request *request)
{
    struct memory_node *node;
    int status = memory_find_file(memory, request, PERMISSION_READ, &node);
    if (status) {
        return status;
    }
    if (request->flags != SEEK_DATA && request->flags != SEEK_HOLE) {
        return -EINVAL;
    }
    if (request->offset >= node->attr.size) {
        return -ENXIO;
    }
    request->reply.offset = request->flags == SEEK_DATA ? request->offset : node->attr.size;
    return 0;
}

/* How much is to be copied. */
static int copy_length(const struct memory_node *from, const struct memory_node *to,
                       const struct volume_request *request, uint64_t *out_length)
{
    uint64_t left = request->offset2 < from->attr.size ? from->attr.size - request->offset2 : 0;
    uint64_t length = request->length < left ? request->length : left;
    if (from == to && request->offset < request->offset2 + length &&
        request->offset2 < request->offset + length) {
        return -EINVAL;
    }
    *out_length = length < IO_SIZE_MAX ? length : IO_SIZE_MAX;
    return 0;
}

int memory_copy(struct memory_volume *memory, struct volume_request *request)
{
    struct memory_node *from, *to;
    struct gfid target = request->object;
    uint64_t length;
    request->object = request->object2;
    int status = memory_find_file(memory, request, PERMISSION_READ, &from);
    request->object = target;
    status = status ? status : memory_find_file(memory, request, PERMISSION_WRITE, &to);
    status = status ? status : copy_length(from, to, request, &length);
    if (status == 0 && length > 0 && request->offset + length > to->attr.size) {
        status = memory_resize(to, request->offset + length);
    }
    if (status) {
        return status;
    }
    if (length > 0) {
        memcpy(to->data + request->offset, from->data + request->offset2, length);
        memory_wrote(memory, to, request);
    }
    request->reply.object = to->attr;
    request->reply.count = (uint32_t)length;
    request->reply.verifier = memory->verifier;
    return 0;
}
