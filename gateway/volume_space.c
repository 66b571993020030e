/*
 * Row space of the volume API: ALLOCATE, SEEK, COPY.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/brick_client.h"

/* ---- blocking -------------------------------------------------------------------------------- */

int volume_allocate(struct volume *volume, const struct cred *cred, const struct gfid *object,
                    uint32_t flags, uint64_t offset, uint64_t length)
{
    struct volume_request request = {.op = VOLUME_ALLOCATE,
                                     .cred = *cred,
                                     .object = *object,
                                     .flags = flags,
                                     .offset = offset,
                                     .length = length};
    int status = volume_wait(volume, &request);
    volume_request_release(&request);
    return status;
}

int volume_seek(struct volume *volume, const struct cred *cred, const struct gfid *object,
                uint64_t offset, int whence, uint64_t *out_offset)
{
    struct volume_request request = {.op = VOLUME_SEEK,
                                     .cred = *cred,
                                     .object = *object,
                                     .offset = offset,
                                     .flags = (uint32_t)whence};
    int status = volume_wait(volume, &request);
    if (status == 0) {
        *out_offset = request.reply.offset;
    }
    volume_request_release(&request);
    return status;
}

int volume_copy(struct volume *volume, const struct cred *cred, const struct gfid *from,
                uint64_t from_offset, const struct gfid *to, uint64_t to_offset, uint64_t length,
                uint64_t *out_copied)
{
    uint64_t done = 0;
    uint32_t some;
    do {
        struct volume_request request = {.op = VOLUME_COPY,
                                         .cred = *cred,
                                         .object = *to,
                                         .offset = to_offset + done,
                                         .object2 = *from,
                                         .offset2 = from_offset + done,
                                         .length = length - done};
        int status = volume_wait(volume, &request);
        some = request.reply.count;
        volume_request_release(&request);
        if (status) {
            return status;
        }
        done += some;
    } while (some && done < length);
    *out_copied = done;
    return 0;
}

/* ---- on the wire ----------------------------------------------------------------------------- */

static void fill_allocate(const struct volume_request *request, const struct brick_address *address,
                          struct brick_arguments *out_arguments)
{
    out_arguments->of.allocate = (struct brick_allocate_args){
        .target = address->target,
        .cred = request->cred,
        .id = address->id,
        .object = request->object,
        .offset = request->offset,
        .length = request->length,
        .flags = request->flags,
    };
}

static void fill_seek(const struct volume_request *request, const struct brick_address *address,
                      struct brick_arguments *out_arguments)
{
    out_arguments->of.seek = (struct brick_seek_args){
        .target = address->target,
        .cred = request->cred,
        .object = request->object,
        .offset = request->offset,
        .whence = request->flags,
    };
}

static void fill_copy(const struct volume_request *request, const struct brick_address *address,
                      struct brick_arguments *out_arguments)
{
    out_arguments->of.copy = (struct brick_copy_args){
        .target = address->target,
        .cred = request->cred,
        .id = address->id,
        .object = request->object,
        .offset = request->offset,
        .source = request->object2,
        .source_offset = request->offset2,
        .length = request->length,
    };
}

const struct brick_row volume_allocate_row = {
    .procedure = BRICK_ALLOCATE,
    .is_mutation = true,
    .answers_object = true,
    .encode = (xdrproc_t)xdr_brick_allocate_args,
    .fill = fill_allocate,
};

const struct brick_row volume_seek_row = {
    .procedure = BRICK_SEEK,
    .encode = (xdrproc_t)xdr_brick_seek_args,
    .fill = fill_seek,
};

const struct brick_row volume_copy_row = {
    .procedure = BRICK_COPY,
    .is_mutation = true,
    .encode = (xdrproc_t)xdr_brick_copy_args,
    .fill = fill_copy,
};
