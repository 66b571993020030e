/*
 * Row attr of the volume API: GETATTR, SETATTR, ACCESS.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/brick_client.h"

/* ---- blocking -------------------------------------------------------------------------------- */

int volume_getattr(struct volume *volume, const struct cred *cred, const struct gfid *object,
                   struct attr *out_attr)
{
    struct volume_request request = {.op = VOLUME_GETATTR, .cred = *cred, .object = *object};
    int status = volume_wait(volume, &request);
    if (status == 0) {
        *out_attr = request.reply.object;
    }
    volume_request_release(&request);
    return status;
}

int volume_setattr(struct volume *volume, const struct cred *cred, const struct gfid *object,
                   const struct attr_change *change, struct attr *out_attr)
{
    struct volume_request request = {
        .op = VOLUME_SETATTR, .cred = *cred, .object = *object, .change = *change};
    int status = volume_wait(volume, &request);
    if (status == 0) {
        *out_attr = request.reply.object;
    }
    volume_request_release(&request);
    return status;
}

/* ---- on the wire ----------------------------------------------------------------------------- */

static void fill_getattr(const struct volume_request *request, const struct brick_address *address,
                         struct brick_arguments *out_arguments)
{
    out_arguments->of.getattr = (struct brick_getattr_args){
        .target = address->target, .cred = request->cred, .object = request->object};
}

static void fill_setattr(const struct volume_request *request, const struct brick_address *address,
                         struct brick_arguments *out_arguments)
{
    out_arguments->of.setattr = (struct brick_setattr_args){
        .target = address->target,
        .cred = request->cred,
        .id = address->id,
        .object = request->object,
        .change = request->change,
        .guarded = request->guarded,
        .guard_seconds = request->guard.seconds,
        .guard_nanoseconds = request->guard.nanoseconds,
    };
}

static void fill_access(const struct volume_request *request, const struct brick_address *address,
                        struct brick_arguments *out_arguments)
{
    out_arguments->of.access = (struct brick_access_args){.target = address->target,
                                                          .cred = request->cred,
                                                          .object = request->object,
                                                          .rights = request->rights};
}

const struct brick_row volume_getattr_row = {
    .procedure = BRICK_GETATTR,
    .answers_object = true,
    .encode = (xdrproc_t)xdr_brick_getattr_args,
    .fill = fill_getattr,
};

const struct brick_row volume_setattr_row = {
    .procedure = BRICK_SETATTR,
    .is_mutation = true,
    .answers_object = true,
    .encode = (xdrproc_t)xdr_brick_setattr_args,
    .fill = fill_setattr,
};

const struct brick_row volume_access_row = {
    .procedure = BRICK_ACCESS,
    .encode = (xdrproc_t)xdr_brick_access_args,
    .fill = fill_access,
};
