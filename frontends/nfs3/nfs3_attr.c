/*
 * GETATTR, SETATTR, ACCESS: RFC 1813 sections 3.3.1, 3.3.2, 3.3.4.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/nfs3/nfs3_request.h"

enum nfsstat3 nfs3_getattr(struct nfs3_request *request)
{
    request->volume.op = VOLUME_GETATTR;
    return NFS3_OK;
}

void nfs3_getattr_reply(struct nfs3_request *request, enum nfsstat3 status)
{
    GETATTR3res result = {.status = status};
    if (status == NFS3_OK) {
        result.GETATTR3res_u.obj_attributes = (struct fattr3){
            .attr = &request->volume.reply.object,
            .fsid = request->export->fsid,
        };
    }
    nfs3_answer(request, (xdrproc_t)xdr_GETATTR3res, &result, NULL);
}

enum nfsstat3 nfs3_setattr(struct nfs3_request *request)
{
    const SETATTR3args *args = &request->args.setattr;
    if (!args->new_attributes.is_valid) {
        return NFS3ERR_INVAL;
    }
    request->volume.op = VOLUME_SETATTR;
    request->volume.change = args->new_attributes.change;
    if (args->guard.check) {
        request->volume.guarded = true;
        request->volume.guard = (struct timestamp){
            .seconds = args->guard.sattrguard3_u.obj_ctime.seconds,
            .nanoseconds = args->guard.sattrguard3_u.obj_ctime.nseconds,
        };
    }
    return NFS3_OK;
}

void nfs3_setattr_reply(struct nfs3_request *request, enum nfsstat3 status)
{
    const struct reply *reply = &request->volume.reply;
    wcc3res result = {
        .status = status,
        .wcc = nfs3_wcc(request, &reply->object_before, &reply->object),
    };
    nfs3_answer(request, (xdrproc_t)xdr_wcc3res, &result, NULL);
}

enum nfsstat3 nfs3_access(struct nfs3_request *request)
{
    request->volume.op = VOLUME_ACCESS;
    request->volume.rights = request->args.access.access;
    if (request->export->is_read_only) {
        request->volume.rights &= ~(uint32_t)(RIGHT_MODIFY | RIGHT_EXTEND | RIGHT_DELETE);
    }
    return NFS3_OK;
}

void nfs3_access_reply(struct nfs3_request *request, enum nfsstat3 status)
{
    const struct reply *reply = &request->volume.reply;
    ACCESS3res result = {.status = status};
    if (status == NFS3_OK) {
        result.ACCESS3res_u.resok = (ACCESS3resok){
            .obj_attributes = nfs3_post_op(request, &reply->object),
            .access = reply->count & request->volume.rights,
        };
    } else {
        result.ACCESS3res_u.obj_attributes = nfs3_post_op(request, &reply->object);
    }
    nfs3_answer(request, (xdrproc_t)xdr_ACCESS3res, &result, NULL);
}
