/*
 * CREATE, MKDIR, SYMLINK, MKNOD, LINK: RFC 1813 sections 3.3.8 to 3.3.11 and 3.3.15.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/nfs3/nfs3_request.h"

/* The mode of what is made by a call that names none, as an exclusive CREATE cannot: the owner's
 * alone until a SETATTR follows. */
#define FILE_MODE_DEFAULT 0600
#define DIRECTORY_MODE_DEFAULT 0700

/* The name to be made and its attributes. RFC 1813 says of "." and "..": they exist. */
static enum nfsstat3 take_new(struct nfs3_request *request, const diropargs3 *where,
                              const struct sattr3 *attributes, uint32_t mode_default)
{
    struct attr_change *change = &request->volume.change;
    if (attributes) {
        *change = attributes->change;
    }
    if (!(change->mask & ATTR_MODE)) {
        change->mask |= ATTR_MODE;
        change->mode = mode_default;
    }
    enum nfsstat3 status =
        nfs3_name_change(&where->name, NFS3ERR_EXIST, NFS3ERR_EXIST, &request->volume.name);
    return status == NFS3_OK && attributes && !attributes->is_valid ? NFS3ERR_INVAL : status;
}

enum nfsstat3 nfs3_create(struct nfs3_request *request)
{
    const CREATE3args *args = &request->args.create;
    request->volume.op = VOLUME_CREATE;
    request->volume.type = OBJECT_FILE;
    request->volume.how = args->how.mode; /* enum volume_create_how has createmode3's numbers */
    const struct sattr3 *attributes = &args->how.createhow3_u.obj_attributes;
    if (args->how.mode == EXCLUSIVE) {
        request->volume.verifier = args->how.createhow3_u.verf;
        attributes = NULL;
    }
    return take_new(request, &args->where, attributes, FILE_MODE_DEFAULT);
}

enum nfsstat3 nfs3_mkdir(struct nfs3_request *request)
{
    const MKDIR3args *args = &request->args.mkdir;
    request->volume.op = VOLUME_MKDIR;
    request->volume.type = OBJECT_DIRECTORY;
    return take_new(request, &args->where, &args->attributes, DIRECTORY_MODE_DEFAULT);
}

enum nfsstat3 nfs3_symlink(struct nfs3_request *request)
{
    const SYMLINK3args *args = &request->args.symlink;
    struct slice target;
    if (rpc_bulk(request->rest, &target)) {
        return NFS3_GARBAGE;
    }
    if (target.size == 0 || memchr(target.data, '\0', target.size)) {
        return NFS3ERR_ACCES; /* as for names: characters that cannot be handled */
    }
    if (target.size > TARGET_SIZE_MAX) {
        return NFS3ERR_NAMETOOLONG;
    }
    request->volume.op = VOLUME_SYMLINK;
    request->volume.type = OBJECT_SYMLINK;
    request->volume.target = target;
    return take_new(request, &args->where, &args->symlink_attributes, 0777);
}

enum nfsstat3 nfs3_mknod(struct nfs3_request *request)
{
    const MKNOD3args *args = &request->args.mknod;
    const struct sattr3 *attributes = &args->what.mknoddata3_u.pipe_attributes;
    if (args->what.type == NF3CHR || args->what.type == NF3BLK) {
        const devicedata3 *device = &args->what.mknoddata3_u.device;
        attributes = &device->dev_attributes;
        request->volume.device_major = device->specdata1;
        request->volume.device_minor = device->specdata2;
    } else if (args->what.type != NF3SOCK && args->what.type != NF3FIFO) {
        return NFS3ERR_BADTYPE;
    }
    request->volume.op = VOLUME_MKNOD;
    request->volume.type = args->what.type; /* enum object_type has ftype3's numbers */
    return take_new(request, &args->where, attributes, FILE_MODE_DEFAULT);
}

void nfs3_make_reply(struct nfs3_request *request, enum nfsstat3 status)
{
    const struct reply *reply = &request->volume.reply;
    struct wcc_data wcc = nfs3_wcc(request, &reply->parent_before, &reply->parent);
    make3res result = {.status = status};
    if (status == NFS3_OK) {
        make3resok *resok = &result.make3res_u.resok;
        resok->obj.handle_follows = TRUE;
        nfs3_fh_make(request, &reply->object.gfid, &resok->obj.post_op_fh3_u.handle);
        resok->obj_attributes = nfs3_post_op(request, &reply->object);
        resok->dir_wcc = wcc;
    } else {
        result.make3res_u.dir_wcc = wcc;
    }
    nfs3_answer(request, (xdrproc_t)xdr_make3res, &result, NULL);
}

enum nfsstat3 nfs3_link(struct nfs3_request *request)
{
    const LINK3args *args = &request->args.link;
    request->volume.op = VOLUME_LINK;
    enum nfsstat3 status = nfs3_fh_second(request, &args->link.dir, &request->volume.object2);
    if (status != NFS3_OK) {
        return status;
    }
    return nfs3_name_change(&args->link.name, NFS3ERR_EXIST, NFS3ERR_EXIST, &request->volume.name);
}

void nfs3_link_reply(struct nfs3_request *request, enum nfsstat3 status)
{
    const struct reply *reply = &request->volume.reply;
    /* Of a directory: POSIX says EPERM, RFC 1813 lists INVAL for it and no PERM. */
    bool is_directory = reply->status == -EPERM;
    LINK3res result = {
        .status = is_directory ? NFS3ERR_INVAL : status,
        .file_attributes = nfs3_post_op(request, &reply->object),
        .linkdir_wcc = nfs3_wcc(request, &reply->parent_before, &reply->parent),
    };
    nfs3_answer(request, (xdrproc_t)xdr_LINK3res, &result, NULL);
}
