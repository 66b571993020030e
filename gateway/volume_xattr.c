/*
 * Row xattr of the volume API: GETXATTR, LISTXATTR, SETXATTR, REMOVEXATTR.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/brick_client.h"

/* ---- blocking -------------------------------------------------------------------------------- */

static int fetch(struct volume *volume, struct volume_request *request, void *buffer,
                 size_t *out_size)
{
    int status = volume_wait(volume, request);
    if (status == 0 || status == -ERANGE) {
        *out_size = request->reply.count;
    }
    if (status == 0 && request->reply.data.size) {
        memcpy(buffer, request->reply.data.data, request->reply.data.size);
    }
    volume_request_release(request);
    return status;
}

static uint32_t room(size_t size)
{
    return size < XATTRS_SIZE_MAX ? (uint32_t)size : XATTRS_SIZE_MAX;
}

int volume_getxattr(struct volume *volume, const struct cred *cred, const struct gfid *object,
                    const char *name, void *buffer, size_t size, size_t *out_size)
{
    struct volume_request request = {.op = VOLUME_GETXATTR,
                                     .cred = *cred,
                                     .object = *object,
                                     .name = slice_text(name),
                                     .count = room(size)};
    return fetch(volume, &request, buffer, out_size);
}

int volume_listxattr(struct volume *volume, const struct cred *cred, const struct gfid *object,
                     char *buffer, size_t size, size_t *out_size)
{
    struct volume_request request = {
        .op = VOLUME_LISTXATTR, .cred = *cred, .object = *object, .count = room(size)};
    return fetch(volume, &request, buffer, out_size);
}

int volume_setxattr(struct volume *volume, const struct cred *cred, const struct gfid *object,
                    const char *name, const void *value, size_t size, uint32_t flags)
{
    struct volume_request request = {.op = VOLUME_SETXATTR,
                                     .cred = *cred,
                                     .object = *object,
                                     .name = slice_text(name),
                                     .data = slice_of(value, size),
                                     .flags = flags};
    int status = volume_wait(volume, &request);
    volume_request_release(&request);
    return status;
}

int volume_removexattr(struct volume *volume, const struct cred *cred, const struct gfid *object,
                       const char *name)
{
    struct volume_request request = {
        .op = VOLUME_REMOVEXATTR, .cred = *cred, .object = *object, .name = slice_text(name)};
    int status = volume_wait(volume, &request);
    volume_request_release(&request);
    return status;
}

/* ---- on the wire ----------------------------------------------------------------------------- */

static void fill_getxattr(const struct volume_request *request, const struct brick_address *address,
                          struct brick_arguments *out_arguments)
{
    struct slice name = request->op == VOLUME_GETXATTR ? request->name : (struct slice){0};
    out_arguments->of.getxattr = (struct brick_getxattr_args){
        .target = address->target,
        .cred = request->cred,
        .object = request->object,
        .name = brick_text(name, out_arguments->name),
        .size = request->count,
    };
}

static void fill_setxattr(const struct volume_request *request, const struct brick_address *address,
                          struct brick_arguments *out_arguments)
{
    out_arguments->of.setxattr = (struct brick_setxattr_args){
        .target = address->target,
        .cred = request->cred,
        .id = address->id,
        .object = request->object,
        .name = brick_text(request->name, out_arguments->name),
        .flags = request->flags,
    };
}

static size_t xattr_data_max(const struct volume_request *request)
{
    return request->count;
}

const struct brick_row volume_getxattr_row = {
    .procedure = BRICK_GETXATTR,
    .encode = (xdrproc_t)xdr_brick_getxattr_args,
    .fill = fill_getxattr,
    .data_max = xattr_data_max,
};

const struct brick_row volume_listxattr_row = {
    .procedure = BRICK_LISTXATTR,
    .encode = (xdrproc_t)xdr_brick_getxattr_args,
    .fill = fill_getxattr,
    .data_max = xattr_data_max,
};

const struct brick_row volume_setxattr_row = {
    .procedure = BRICK_SETXATTR,
    .is_mutation = true,
    .answers_object = true,
    .sends_data = true,
    .encode = (xdrproc_t)xdr_brick_setxattr_args,
    .fill = fill_setxattr,
};

const struct brick_row volume_removexattr_row = {
    .procedure = BRICK_REMOVEXATTR,
    .is_mutation = true,
    .answers_object = true,
    .encode = (xdrproc_t)xdr_brick_setxattr_args,
    .fill = fill_setxattr,
};
