/*
 * READ, WRITE, COMMIT: RFC 1813 sections 3.3.6, 3.3.7, 3.3.21. The bytes themselves go from the
 * received record to the volume, and from the volume's answer to the socket, without a copy here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/nfs3/nfs3_request.h"

enum nfsstat3 nfs3_read(struct nfs3_request *request)
{
    const READ3args *args = &request->args.read;
    uint32_t count_max = nfs3_size_max(request);
    request->volume.op = VOLUME_READ;
    request->volume.offset = args->offset;
    request->volume.count = args->count < count_max ? args->count : count_max;
    return args->offset > INT64_MAX - IO_SIZE_MAX ? NFS3ERR_INVAL : NFS3_OK;
}

void nfs3_read_reply(struct nfs3_request *request, enum nfsstat3 status)
{
    const struct reply *reply = &request->volume.reply;
    struct post_op_attr attributes = nfs3_post_op(request, &reply->object);
    READ3res result = {.status = status};
    if (status != NFS3_OK) {
        result.READ3res_u.file_attributes = attributes;
        nfs3_answer(request, (xdrproc_t)xdr_READ3res, &result, NULL);
        return;
    }
    result.READ3res_u.resok = (READ3resok){
        .file_attributes = attributes,
        .count = (uint32_t)reply->data.size,
        .eof = reply->eof,
    };
    nfs3_answer(request, (xdrproc_t)xdr_READ3res, &result, &reply->data);
}

enum nfsstat3 nfs3_write(struct nfs3_request *request)
{
    const WRITE3args *args = &request->args.write;
    struct slice data;
    if (rpc_bulk(request->rest, &data) || args->stable > STABLE_FILE_SYNC) {
        return NFS3_GARBAGE;
    }
    if (data.size != args->count) {
        return NFS3ERR_INVAL;
    }
    if (data.size > IO_SIZE_MAX) {
        data.size = IO_SIZE_MAX; /* the rest is the client's to send again, as count tells it */
    }
    if (args->offset > INT64_MAX - data.size) {
        return NFS3ERR_FBIG;
    }
    request->volume.op = VOLUME_WRITE;
    request->volume.offset = args->offset;
    request->volume.count = (uint32_t)data.size;
    request->volume.data = data;
    request->volume.stable = request->export->is_sync ? args->stable : STABLE_UNSTABLE;
    return NFS3_OK;
}

void nfs3_write_reply(struct nfs3_request *request, enum nfsstat3 status)
{
    const struct reply *reply = &request->volume.reply;
    struct wcc_data wcc = nfs3_wcc(request, &reply->object_before, &reply->object);
    WRITE3res result = {.status = status};
    if (status == NFS3_OK) {
        result.WRITE3res_u.resok = (WRITE3resok){
            .file_wcc = wcc,
            .count = reply->count,
            .committed = request->export->is_sync ? reply->committed : request->args.write.stable,
            .verf = reply->verifier,
        };
        atomic_store_explicit(&request->export->verifier, reply->verifier, memory_order_relaxed);
    } else {
        result.WRITE3res_u.file_wcc = wcc;
    }
    nfs3_answer(request, (xdrproc_t)xdr_WRITE3res, &result, NULL);
}

/* An async export answers at once, with the verifier that the last WRITE brought: a volume that has
 * lost unsynced data tells by the next one. Before the first, a READ of nothing tells it. */
enum nfsstat3 nfs3_commit(struct nfs3_request *request)
{
    const COMMIT3args *args = &request->args.commit;
    if (args->offset > INT64_MAX) {
        return NFS3ERR_INVAL;
    }
    if (request->export->is_sync) {
        request->volume.op = VOLUME_COMMIT;
        request->volume.offset = args->offset;
        request->volume.count = args->count;
        return NFS3_OK;
    }
    request->volume.cred.flags = CRED_CHECKED; /* no right is needed to commit */
    if (atomic_load_explicit(&request->export->verifier, memory_order_relaxed) != 0) {
        request->volume.op = VOLUME_GETATTR;
        return NFS3_OK;
    }
    request->volume.op = VOLUME_READ;
    request->volume.keep = true; /* no cache answers that, and none has a verifier */
    return NFS3_OK;
}

void nfs3_commit_reply(struct nfs3_request *request, enum nfsstat3 status)
{
    const struct reply *reply = &request->volume.reply;
    /* It changes nothing: before is as after. */
    const struct attr *object = &reply->object;
    struct attr_before before = {
        .present = object->type != OBJECT_NONE,
        .size = object->size,
        .mtime = object->mtime,
        .ctime = object->ctime,
    };
    struct wcc_data wcc = nfs3_wcc(request, &before, object);
    COMMIT3res result = {.status = status};
    if (status == NFS3_OK) {
        uint64_t verifier =
            request->volume.op == VOLUME_GETATTR
                ? atomic_load_explicit(&request->export->verifier, memory_order_relaxed)
                : reply->verifier;
        result.COMMIT3res_u.resok = (COMMIT3resok){.file_wcc = wcc, .verf = verifier};
    } else {
        result.COMMIT3res_u.file_wcc = wcc;
    }
    nfs3_answer(request, (xdrproc_t)xdr_COMMIT3res, &result, NULL);
}
