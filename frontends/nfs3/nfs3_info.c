/*
 * FSSTAT, FSINFO, PATHCONF: RFC 1813 sections 3.3.18 to 3.3.20. (NULL is in nfs3_dispatch.c.)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/nfs3/nfs3_request.h"

/* What a client that knows no better should ask a listing for: a few hundred entries. */
#define DIRECTORY_SIZE_PREFERRED NFS_READDIR_SIZE_MAX

enum nfsstat3 nfs3_fsstat(struct nfs3_request *request)
{
    request->volume.op = VOLUME_STATFS;
    return NFS3_OK;
}

void nfs3_fsstat_reply(struct nfs3_request *request, enum nfsstat3 status)
{
    const struct reply *reply = &request->volume.reply;
    const struct statfs_info *statfs = &reply->statfs;
    struct post_op_attr attributes = nfs3_post_op(request, &reply->object);
    FSSTAT3res result = {.status = status};
    if (status == NFS3_OK) {
        result.FSSTAT3res_u.resok = (FSSTAT3resok){
            .obj_attributes = attributes,
            .tbytes = statfs->bytes_total,
            .fbytes = statfs->bytes_free,
            .abytes = statfs->bytes_available,
            .tfiles = statfs->files_total,
            .ffiles = statfs->files_free,
            .afiles = statfs->files_free,
            .invarsec = 0, /* other clients write too */
        };
    } else {
        result.FSSTAT3res_u.obj_attributes = attributes;
    }
    nfs3_answer(request, (xdrproc_t)xdr_FSSTAT3res, &result, NULL);
}

/* FSINFO and PATHCONF tell constants; the volume is asked for the object's attributes, and by that
 * whether it exists. */
enum nfsstat3 nfs3_fsinfo(struct nfs3_request *request)
{
    request->volume.op = VOLUME_GETATTR;
    return NFS3_OK;
}

void nfs3_fsinfo_reply(struct nfs3_request *request, enum nfsstat3 status)
{
    struct post_op_attr attributes = nfs3_post_op(request, &request->volume.reply.object);
    uint32_t size_max = nfs3_size_max(request);
    FSINFO3res result = {.status = status};
    if (status == NFS3_OK) {
        result.FSINFO3res_u.resok = (FSINFO3resok){
            .obj_attributes = attributes,
            .rtmax = size_max,
            .rtpref = size_max,
            .rtmult = 4096,
            .wtmax = size_max,
            .wtpref = size_max,
            .wtmult = 4096,
            .dtpref = size_max < DIRECTORY_SIZE_PREFERRED ? size_max : DIRECTORY_SIZE_PREFERRED,
            .maxfilesize = FILE_SIZE_MAX,
            .time_delta = {.seconds = 0, .nseconds = 1},
            .properties = FSF3_LINK | FSF3_SYMLINK | FSF3_HOMOGENEOUS | FSF3_CANSETTIME,
        };
    } else {
        result.FSINFO3res_u.obj_attributes = attributes;
    }
    nfs3_answer(request, (xdrproc_t)xdr_FSINFO3res, &result, NULL);
}

void nfs3_pathconf_reply(struct nfs3_request *request, enum nfsstat3 status)
{
    struct post_op_attr attributes = nfs3_post_op(request, &request->volume.reply.object);
    PATHCONF3res result = {.status = status};
    if (status == NFS3_OK) {
        result.PATHCONF3res_u.resok = (PATHCONF3resok){
            .obj_attributes = attributes,
            .linkmax = LINKS_MAX,
            .name_max = NAME_SIZE_MAX,
            .no_trunc = TRUE,
            .chown_restricted = TRUE,
            .case_insensitive = FALSE,
            .case_preserving = TRUE,
        };
    } else {
        result.PATHCONF3res_u.obj_attributes = attributes;
    }
    nfs3_answer(request, (xdrproc_t)xdr_PATHCONF3res, &result, NULL);
}
