/*
 * Names; LOOKUP and READLINK: RFC 1813 sections 3.2, 3.3.3, 3.3.5.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/nfs3/nfs3_request.h"

/* Longest name that is read over to answer it properly; a longer one makes the call garbage. */
#define NAME_SIZE_READ_MAX 4096

bool_t xdr_filename3(XDR *xdrs, struct filename3 *name)
{
    if (xdrs->x_op != XDR_DECODE) {
        return xdrs->x_op == XDR_FREE;
    }
    if (!xdr_uint32_t(xdrs, &name->size) || name->size > NAME_SIZE_READ_MAX) {
        return FALSE;
    }
    if (name->size <= NAME_SIZE_MAX) {
        return xdr_opaque(xdrs, name->bytes, name->size);
    }
    char skipped[NAME_SIZE_READ_MAX];
    return xdr_opaque(xdrs, skipped, name->size);
}

enum nfsstat3 nfs3_name_take(const struct filename3 *name, struct slice *out_name)
{
    if (name->size > NAME_SIZE_MAX) {
        return NFS3ERR_NAMETOOLONG;
    }
    if (name->size == 0 || memchr(name->bytes, '/', name->size) ||
        memchr(name->bytes, '\0', name->size)) {
        return NFS3ERR_ACCES;
    }
    *out_name = slice_of(name->bytes, name->size);
    return NFS3_OK;
}

enum nfsstat3 nfs3_name_change(const struct filename3 *name, enum nfsstat3 dot,
                               enum nfsstat3 dotdot, struct slice *out_name)
{
    if (name->size == 1 && name->bytes[0] == '.') {
        return dot;
    }
    if (name->size == 2 && name->bytes[0] == '.' && name->bytes[1] == '.') {
        return dotdot;
    }
    return nfs3_name_take(name, out_name);
}

enum nfsstat3 nfs3_lookup(struct nfs3_request *request)
{
    request->volume.op = VOLUME_LOOKUP;
    return nfs3_name_take(&request->args.lookup.what.name, &request->volume.name);
}

void nfs3_lookup_reply(struct nfs3_request *request, enum nfsstat3 status)
{
    const struct reply *reply = &request->volume.reply;
    struct post_op_attr directory = nfs3_post_op(request, &reply->parent);
    LOOKUP3res result = {.status = status};
    if (status == NFS3_OK) {
        LOOKUP3resok *resok = &result.LOOKUP3res_u.resok;
        nfs3_fh_make(request, &reply->object.gfid, &resok->object);
        resok->obj_attributes = nfs3_post_op(request, &reply->object);
        resok->dir_attributes = directory;
    } else {
        result.LOOKUP3res_u.dir_attributes = directory;
    }
    nfs3_answer(request, (xdrproc_t)xdr_LOOKUP3res, &result, NULL);
}

enum nfsstat3 nfs3_readlink(struct nfs3_request *request)
{
    request->volume.op = VOLUME_READLINK;
    return NFS3_OK;
}

void nfs3_readlink_reply(struct nfs3_request *request, enum nfsstat3 status)
{
    const struct reply *reply = &request->volume.reply;
    attr3res result = {
        .status = status,
        .attributes = nfs3_post_op(request, &reply->object),
    };
    nfs3_answer(request, (xdrproc_t)xdr_attr3res, &result, status == NFS3_OK ? &reply->data : NULL);
}
