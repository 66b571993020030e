/*
 * Row info of the volume API: STATFS.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/brick_client.h"

/* ---- blocking -------------------------------------------------------------------------------- */

int volume_statfs(struct volume *volume, struct statfs_info *out_info)
{
    struct volume_request request = {.op = VOLUME_STATFS, .object = GFID_ROOT};
    int status = volume_wait(volume, &request);
    if (status == 0) {
        *out_info = request.reply.statfs;
    }
    volume_request_release(&request);
    return status;
}

/* ---- on the wire ----------------------------------------------------------------------------- */

static void fill_statfs(const struct volume_request *request, const struct brick_address *address,
                        struct brick_arguments *out_arguments)
{
    out_arguments->of.statfs =
        (struct brick_statfs_args){.target = address->target, .object = request->object};
}

const struct brick_row volume_statfs_row = {
    .procedure = BRICK_STATFS,
    .encode = (xdrproc_t)xdr_brick_statfs_args,
    .fill = fill_statfs,
};
