/*
 * REMOVE, RMDIR, RENAME: RFC 1813 sections 3.3.12 to 3.3.14.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/nfs3/nfs3_request.h"

enum nfsstat3 nfs3_remove(struct nfs3_request *request)
{
    request->volume.op = VOLUME_REMOVE;
    return nfs3_name_change(&request->args.remove.object.name, NFS3ERR_INVAL, NFS3ERR_INVAL,
                            &request->volume.name);
}

/* RFC 1813 section 3.3.13: "." is NFS3ERR_INVAL, ".." NFS3ERR_EXIST. */
enum nfsstat3 nfs3_rmdir(struct nfs3_request *request)
{
    request->volume.op = VOLUME_RMDIR;
    return nfs3_name_change(&request->args.remove.object.name, NFS3ERR_INVAL, NFS3ERR_EXIST,
                            &request->volume.name);
}

void nfs3_remove_reply(struct nfs3_request *request, enum nfsstat3 status)
{
    const struct reply *reply = &request->volume.reply;
    wcc3res result = {
        .status = status,
        .wcc = nfs3_wcc(request, &reply->parent_before, &reply->parent),
    };
    nfs3_answer(request, (xdrproc_t)xdr_wcc3res, &result, NULL);
}

enum nfsstat3 nfs3_rename(struct nfs3_request *request)
{
    const RENAME3args *args = &request->args.rename;
    request->volume.op = VOLUME_RENAME;
    enum nfsstat3 status = nfs3_fh_second(request, &args->to.dir, &request->volume.object2);
    if (status != NFS3_OK) {
        return status;
    }
    status =
        nfs3_name_change(&args->from.name, NFS3ERR_INVAL, NFS3ERR_INVAL, &request->volume.name);
    if (status != NFS3_OK) {
        return status;
    }
    return nfs3_name_change(&args->to.name, NFS3ERR_INVAL, NFS3ERR_INVAL, &request->volume.name2);
}

void nfs3_rename_reply(struct nfs3_request *request, enum nfsstat3 status)
{
    const struct reply *reply = &request->volume.reply;
    RENAME3res result = {
        .status = status,
        .fromdir_wcc = nfs3_wcc(request, &reply->parent_before, &reply->parent),
        .todir_wcc = nfs3_wcc(request, &reply->parent2_before, &reply->parent2),
    };
    /* A volume tells the attributes of one directory once. */
    if (gfid_equal(&request->volume.object, &request->volume.object2)) {
        result.todir_wcc = result.fromdir_wcc;
    }
    nfs3_answer(request, (xdrproc_t)xdr_RENAME3res, &result, NULL);
}
