/*
 * Row io of the volume API: READ, WRITE, COMMIT.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/brick_client.h"

/* ---- blocking -------------------------------------------------------------------------------- */

static int read_some(struct volume *volume, struct volume_request *request, uint8_t *buffer,
                     uint32_t *out_count, bool *out_eof)
{
    int status = volume_wait(volume, request);
    if (status == 0) {
        if (request->reply.data.size) {
            memcpy(buffer, request->reply.data.data, request->reply.data.size);
        }
        *out_count = (uint32_t)request->reply.data.size;
        *out_eof = request->reply.eof;
    }
    volume_request_release(request);
    return status;
}

int volume_read(struct volume *volume, const struct cred *cred, const struct gfid *object,
                uint64_t offset, void *buffer, uint32_t count, uint32_t *out_count, bool *out_eof)
{
    uint32_t done = 0;
    uint32_t some = 0;
    bool eof = false;
    do {
        struct volume_request request = {.op = VOLUME_READ,
                                         .cred = *cred,
                                         .object = *object,
                                         .offset = offset + done,
                                         .count = count - done};
        int status = read_some(volume, &request, (uint8_t *)buffer + done, &some, &eof);
        if (status) {
            return status;
        }
        done += some;
    } while (done < count && some && !eof);
    *out_count = done;
    *out_eof = eof;
    return 0;
}

int volume_write(struct volume *volume, const struct cred *cred, const struct gfid *object,
                 uint64_t offset, const void *data, uint32_t count, enum stable_how stable,
                 uint64_t *out_verifier)
{
    uint64_t verifier = 0;
    uint32_t done = 0;
    do {
        uint32_t size = count - done < IO_SIZE_MAX ? count - done : IO_SIZE_MAX;
        struct volume_request request = {.op = VOLUME_WRITE,
                                         .cred = *cred,
                                         .object = *object,
                                         .offset = offset + done,
                                         .data = slice_of((const uint8_t *)data + done, size),
                                         .stable = stable};
        int status = volume_wait(volume, &request);
        uint64_t before = verifier;
        uint32_t written = request.reply.count;
        verifier = request.reply.verifier;
        volume_request_release(&request);
        if (status) {
            return status;
        }
        /* Unsynced pieces under two verifiers may be lost unnoticed; no progress is no answer. */
        if ((done && stable == STABLE_UNSTABLE && verifier != before) || (size && !written)) {
            return -EIO;
        }
        done += written;
    } while (done < count);
    if (out_verifier) {
        *out_verifier = verifier;
    }
    return 0;
}

int volume_commit(struct volume *volume, const struct cred *cred, const struct gfid *object,
                  uint64_t *out_verifier)
{
    struct volume_request request = {.op = VOLUME_COMMIT, .cred = *cred, .object = *object};
    int status = volume_wait(volume, &request);
    if (status == 0 && out_verifier) {
        *out_verifier = request.reply.verifier;
    }
    volume_request_release(&request);
    return status;
}

/* ---- on the wire ----------------------------------------------------------------------------- */

static void fill_read(const struct volume_request *request, const struct brick_address *address,
                      struct brick_arguments *out_arguments)
{
    out_arguments->of.read = (struct brick_read_args){
        .target = address->target,
        .cred = request->cred,
        .object = request->object,
        .offset = request->offset,
        .count = request->count,
    };
}

static void fill_write(const struct volume_request *request, const struct brick_address *address,
                       struct brick_arguments *out_arguments)
{
    out_arguments->of.write = (struct brick_write_args){
        .target = address->target,
        .cred = request->cred,
        .id = address->id,
        .object = request->object,
        .offset = request->offset,
        .stable = request->stable,
        .append = request->append,
    };
}

static void fill_commit(const struct volume_request *request, const struct brick_address *address,
                        struct brick_arguments *out_arguments)
{
    out_arguments->of.commit = (struct brick_commit_args){
        .target = address->target,
        .cred = request->cred,
        .object = request->object,
        .offset = request->offset,
        .count = request->count,
    };
}

static size_t read_data_max(const struct volume_request *request)
{
    return request->count;
}

const struct brick_row volume_read_row = {
    .procedure = BRICK_READ,
    .encode = (xdrproc_t)xdr_brick_read_args,
    .fill = fill_read,
    .data_max = read_data_max,
};

const struct brick_row volume_write_row = {
    .procedure = BRICK_WRITE,
    .is_mutation = true,
    .sends_data = true,
    .encode = (xdrproc_t)xdr_brick_write_args,
    .fill = fill_write,
};

const struct brick_row volume_commit_row = {
    .procedure = BRICK_COMMIT,
    .encode = (xdrproc_t)xdr_brick_commit_args,
    .fill = fill_commit,
};
