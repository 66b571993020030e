/*
 * Row name of the volume API: LOOKUP, READLINK.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/brick_client.h"

/* ---- blocking -------------------------------------------------------------------------------- */

static int lookup(struct volume *volume, const struct cred *cred, const struct gfid *directory,
                  struct slice name, struct attr *out_attr)
{
    struct volume_request request = {
        .op = VOLUME_LOOKUP, .cred = *cred, .object = *directory, .name = name};
    int status = volume_wait(volume, &request);
    if (status == 0) {
        *out_attr = request.reply.object;
    }
    volume_request_release(&request);
    return status;
}

int volume_lookup(struct volume *volume, const struct cred *cred, const struct gfid *directory,
                  const char *name, struct attr *out_attr)
{
    return lookup(volume, cred, directory, slice_text(name), out_attr);
}

int volume_lookup_path(struct volume *volume, const struct cred *cred, const char *path,
                       struct attr *out_attr)
{
    struct attr attr;
    int status = volume_getattr(volume, cred, &GFID_ROOT, &attr);
    for (path += strspn(path, "/"); status == 0 && *path; path += strspn(path, "/")) {
        size_t size = strcspn(path, "/");
        struct gfid directory = attr.gfid;
        status = lookup(volume, cred, &directory, slice_of(path, size), &attr);
        path += size;
    }
    if (status == 0) {
        *out_attr = attr;
    }
    return status;
}

int volume_readlink(struct volume *volume, const struct cred *cred, const struct gfid *object,
                    char *buffer, size_t size)
{
    struct volume_request request = {.op = VOLUME_READLINK, .cred = *cred, .object = *object};
    int status = volume_wait(volume, &request);
    if (status == 0 && request.reply.data.size >= size) {
        status = -ENAMETOOLONG;
    }
    if (status == 0) {
        (void)brick_text(request.reply.data, buffer);
    }
    volume_request_release(&request);
    return status;
}

/* ---- on the wire ----------------------------------------------------------------------------- */

static void fill_lookup(const struct volume_request *request, const struct brick_address *address,
                        struct brick_arguments *out_arguments)
{
    out_arguments->of.name = (struct brick_name_args){
        .target = address->target,
        .cred = request->cred,
        .parent = request->object,
        .name = brick_text(request->name, out_arguments->name),
    };
}

static void fill_readlink(const struct volume_request *request, const struct brick_address *address,
                          struct brick_arguments *out_arguments)
{
    out_arguments->of.getattr = (struct brick_getattr_args){
        .target = address->target, .cred = request->cred, .object = request->object};
}

static size_t readlink_data_max(const struct volume_request *request)
{
    (void)request; /* every link may be this long */
    return TARGET_SIZE_MAX;
}

const struct brick_row volume_lookup_row = {
    .procedure = BRICK_LOOKUP,
    .answers_object = true,
    .encode = (xdrproc_t)xdr_brick_name_args,
    .fill = fill_lookup,
};

const struct brick_row volume_readlink_row = {
    .procedure = BRICK_READLINK,
    .encode = (xdrproc_t)xdr_brick_getattr_args,
    .fill = fill_readlink,
    .data_max = readlink_data_max,
};
