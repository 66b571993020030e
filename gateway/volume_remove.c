/*
 * Row remove of the volume API: REMOVE, RMDIR, RENAME, FORGET.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/brick_client.h"

/* ---- blocking -------------------------------------------------------------------------------- */

static int run(struct volume *volume, struct volume_request *request)
{
    int status = volume_wait(volume, request);
    volume_request_release(request);
    return status;
}

int volume_remove(struct volume *volume, const struct cred *cred, const struct gfid *directory,
                  const char *name)
{
    struct volume_request request = {
        .op = VOLUME_REMOVE, .cred = *cred, .object = *directory, .name = slice_text(name)};
    return run(volume, &request);
}

int volume_rmdir(struct volume *volume, const struct cred *cred, const struct gfid *directory,
                 const char *name)
{
    struct volume_request request = {
        .op = VOLUME_RMDIR, .cred = *cred, .object = *directory, .name = slice_text(name)};
    return run(volume, &request);
}

int volume_rename(struct volume *volume, const struct cred *cred, const struct gfid *directory,
                  const char *name, const struct gfid *directory2, const char *name2)
{
    struct volume_request request = {.op = VOLUME_RENAME,
                                     .cred = *cred,
                                     .object = *directory,
                                     .name = slice_text(name),
                                     .object2 = *directory2,
                                     .name2 = slice_text(name2)};
    return run(volume, &request);
}

/* ---- on the wire ----------------------------------------------------------------------------- */

static void fill_remove(const struct volume_request *request, const struct brick_address *address,
                        struct brick_arguments *out_arguments)
{
    out_arguments->of.remove = (struct brick_remove_args){
        .target = address->target,
        .cred = request->cred,
        .id = address->id,
        .parent = request->object,
        .name = brick_text(request->name, out_arguments->name),
        .keep = request->keep_open,
        .durable = request->durable,
    };
}

static void fill_rename(const struct volume_request *request, const struct brick_address *address,
                        struct brick_arguments *out_arguments)
{
    out_arguments->of.rename = (struct brick_rename_args){
        .target = address->target,
        .cred = request->cred,
        .id = address->id,
        .parent = request->object,
        .name = brick_text(request->name, out_arguments->name),
        .parent2 = request->object2,
        .name2 = brick_text(request->name2, out_arguments->name2),
        .flags = request->flags,
        .keep = request->keep_open,
        .durable = request->durable,
    };
}

static void fill_forget(const struct volume_request *request, const struct brick_address *address,
                        struct brick_arguments *out_arguments)
{
    out_arguments->of.forget = (struct brick_forget_args){
        .target = address->target,
        .cred = request->cred,
        .id = address->id,
        .object = request->object,
    };
}

const struct brick_row volume_remove_row = {
    .procedure = BRICK_REMOVE,
    .is_mutation = true,
    .encode = (xdrproc_t)xdr_brick_remove_args,
    .fill = fill_remove,
};

const struct brick_row volume_rmdir_row = {
    .procedure = BRICK_RMDIR,
    .is_mutation = true,
    .encode = (xdrproc_t)xdr_brick_remove_args,
    .fill = fill_remove,
};

const struct brick_row volume_rename_row = {
    .procedure = BRICK_RENAME,
    .is_mutation = true,
    .encode = (xdrproc_t)xdr_brick_rename_args,
    .fill = fill_rename,
};

const struct brick_row volume_forget_row = {
    .procedure = BRICK_FORGET,
    .is_mutation = true,
    .encode = (xdrproc_t)xdr_brick_forget_args,
    .fill = fill_forget,
};
