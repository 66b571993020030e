/*
 * Row make of the volume API: CREATE, MKDIR, SYMLINK, MKNOD, TMPFILE, LINK.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/brick_client.h"

/* ---- blocking -------------------------------------------------------------------------------- */

static int make(struct volume *volume, struct volume_request *request, struct attr *out_attr)
{
    int status = volume_wait(volume, request);
    if (status == 0) {
        *out_attr = request->reply.object;
    }
    volume_request_release(request);
    return status;
}

int volume_create(struct volume *volume, const struct cred *cred, const struct gfid *directory,
                  const char *name, enum volume_create_how how, uint32_t mode,
                  struct attr *out_attr)
{
    struct volume_request request = {.op = VOLUME_CREATE,
                                     .cred = *cred,
                                     .object = *directory,
                                     .name = slice_text(name),
                                     .how = how,
                                     .change = {.mask = ATTR_MODE, .mode = mode}};
    return make(volume, &request, out_attr);
}

int volume_mkdir(struct volume *volume, const struct cred *cred, const struct gfid *directory,
                 const char *name, uint32_t mode, struct attr *out_attr)
{
    struct volume_request request = {.op = VOLUME_MKDIR,
                                     .cred = *cred,
                                     .object = *directory,
                                     .name = slice_text(name),
                                     .change = {.mask = ATTR_MODE, .mode = mode}};
    return make(volume, &request, out_attr);
}

int volume_symlink(struct volume *volume, const struct cred *cred, const struct gfid *directory,
                   const char *name, const char *target, struct attr *out_attr)
{
    struct volume_request request = {.op = VOLUME_SYMLINK,
                                     .cred = *cred,
                                     .object = *directory,
                                     .name = slice_text(name),
                                     .change = {.mask = ATTR_MODE, .mode = 0777},
                                     .target = slice_text(target)};
    return make(volume, &request, out_attr);
}

int volume_link(struct volume *volume, const struct cred *cred, const struct gfid *object,
                const struct gfid *directory, const char *name, struct attr *out_attr)
{
    struct volume_request request = {.op = VOLUME_LINK,
                                     .cred = *cred,
                                     .object = *object,
                                     .object2 = *directory,
                                     .name = slice_text(name)};
    return make(volume, &request, out_attr);
}

/* ---- on the wire ----------------------------------------------------------------------------- */

static uint32_t type_made(const struct volume_request *request)
{
    switch ((int)request->op) {
    case VOLUME_CREATE:
    case VOLUME_TMPFILE:
        return OBJECT_FILE;
    case VOLUME_MKDIR:
        return OBJECT_DIRECTORY;
    case VOLUME_SYMLINK:
        return OBJECT_SYMLINK;
    default:
        return request->type;
    }
}

static void fill_make(const struct volume_request *request, const struct brick_address *address,
                      struct brick_arguments *out_arguments)
{
    bool is_create = request->op == VOLUME_CREATE;
    struct slice name = request->op == VOLUME_TMPFILE ? (struct slice){0} : request->name;
    struct slice target = request->op == VOLUME_SYMLINK ? request->target : (struct slice){0};
    out_arguments->of.make = (struct brick_make_args){
        .target = address->target,
        .cred = request->cred,
        .id = address->id,
        .parent = request->object,
        .name = brick_text(name, out_arguments->name),
        .type = type_made(request),
        /* Whatever is no CREATE must find the name free. */
        .how = is_create ? request->how : VOLUME_CREATE_GUARDED,
        .change = request->change,
        .verifier = is_create ? request->verifier : 0,
        .device_major = request->device_major,
        .device_minor = request->device_minor,
        .symlink_target = brick_text(target, out_arguments->target),
        .umask = request->umask,
        .durable = request->durable,
    };
}

static void fill_link(const struct volume_request *request, const struct brick_address *address,
                      struct brick_arguments *out_arguments)
{
    out_arguments->of.link = (struct brick_link_args){
        .target = address->target,
        .cred = request->cred,
        .id = address->id,
        .object = request->object,
        .parent = request->object2,
        .name = brick_text(request->name, out_arguments->name),
        .durable = request->durable,
    };
}

const struct brick_row volume_create_row = {
    .procedure = BRICK_CREATE,
    .is_mutation = true,
    .answers_object = true,
    .encode = (xdrproc_t)xdr_brick_make_args,
    .fill = fill_make,
};

const struct brick_row volume_mkdir_row = {
    .procedure = BRICK_MKDIR,
    .is_mutation = true,
    .answers_object = true,
    .encode = (xdrproc_t)xdr_brick_make_args,
    .fill = fill_make,
};

const struct brick_row volume_symlink_row = {
    .procedure = BRICK_SYMLINK,
    .is_mutation = true,
    .answers_object = true,
    .encode = (xdrproc_t)xdr_brick_make_args,
    .fill = fill_make,
};

const struct brick_row volume_mknod_row = {
    .procedure = BRICK_MKNOD,
    .is_mutation = true,
    .answers_object = true,
    .encode = (xdrproc_t)xdr_brick_make_args,
    .fill = fill_make,
};

const struct brick_row volume_tmpfile_row = {
    .procedure = BRICK_TMPFILE,
    .is_mutation = true,
    .answers_object = true,
    .encode = (xdrproc_t)xdr_brick_make_args,
    .fill = fill_make,
};

const struct brick_row volume_link_row = {
    .procedure = BRICK_LINK,
    .is_mutation = true,
    .answers_object = true,
    .encode = (xdrproc_t)xdr_brick_link_args,
    .fill = fill_link,
};
