/*
 * Row dir of the volume API: READDIR.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/brick_client.h"

/* ---- blocking -------------------------------------------------------------------------------- */

/* What one call asks for: some hundreds of entries. */
#define LIST_SIZE (64 * 1024)

/* Hand each packed entry on. Returns each's value, or a negative code for malformed bytes. */
static int each_of(struct slice data, uint64_t *cookie, size_t *out_entries,
                   int (*each)(const struct dirent_entry *entry, void *context), void *context)
{
    struct dirent_entry entry;
    int status = dirent_next(&data, &entry);
    for (*out_entries = 0; status == 0; status = dirent_next(&data, &entry)) {
        *cookie = entry.cookie;
        ++*out_entries;
        int stop = each(&entry, context);
        if (stop) {
            return stop;
        }
    }
    return status == -ENOENT ? 0 : status;
}

int volume_readdir(struct volume *volume, const struct cred *cred, const struct gfid *directory,
                   uint64_t *cookie, bool with_attr,
                   int (*each)(const struct dirent_entry *entry, void *context), void *context)
{
    uint64_t verifier = 0;
    for (;;) {
        struct volume_request request = {.op = VOLUME_READDIR,
                                         .cred = *cred,
                                         .object = *directory,
                                         .cookie = *cookie,
                                         .verifier = verifier,
                                         .count = LIST_SIZE,
                                         .with_attr = with_attr};
        size_t entries = 0;
        int status = volume_wait(volume, &request);
        if (status == 0) {
            status = each_of(request.reply.data, cookie, &entries, each, context);
        }
        verifier = request.reply.verifier;
        bool eof = request.reply.eof;
        volume_request_release(&request);
        if (status || eof) {
            return status;
        }
        if (entries == 0) {
            return -E_BAD_MESSAGE; /* neither an entry nor the end: it would never end */
        }
    }
}

/* ---- on the wire ----------------------------------------------------------------------------- */

static void fill_readdir(const struct volume_request *request, const struct brick_address *address,
                         struct brick_arguments *out_arguments)
{
    out_arguments->of.readdir = (struct brick_readdir_args){
        .target = address->target,
        .cred = request->cred,
        .object = request->object,
        .cookie = request->cookie,
        .verifier = request->verifier,
        .size = request->count,
        .with_attr = request->with_attr,
    };
}

static size_t readdir_data_max(const struct volume_request *request)
{
    return request->count;
}

const struct brick_row volume_readdir_row = {
    .procedure = BRICK_READDIR,
    .encode = (xdrproc_t)xdr_brick_readdir_args,
    .fill = fill_readdir,
    .data_max = readdir_data_max,
};
