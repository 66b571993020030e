/*
 * File handles between the wire, the exports and the volume API; their form is
 * backend/proto/fhandle.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/nfs3/nfs3_request.h"

bool_t xdr_nfs_fh3(XDR *xdrs, struct nfs_fh3 *handle)
{
    if (xdrs->x_op == XDR_FREE) {
        return TRUE;
    }
    return xdr_uint32_t(xdrs, &handle->size) && handle->size <= sizeof handle->data &&
           xdr_opaque(xdrs, (char *)handle->data, handle->size);
}

void nfs3_fh_make(const struct nfs3_request *request, const struct gfid *gfid,
                  struct nfs_fh3 *out_handle)
{
    const struct volume_spec *spec = volume_spec(atomic_load(&request->export->volume));
    out_handle->size = FHANDLE_SIZE;
    fhandle_make(&spec->id, spec->handle_key, gfid, out_handle->data);
}

enum nfsstat3 nfs3_fh_find(const struct exports *exports, const struct nfs_fh3 *handle,
                           const struct export **out_export, struct gfid *out_gfid)
{
    struct slice bytes = slice_of(handle->data, handle->size);
    struct fhandle parsed;
    if (fhandle_parse(bytes, &parsed)) {
        return NFS3ERR_BADHANDLE;
    }
    const struct export *export = exports_by_volume(exports, &parsed.volume);
    if (!export) {
        /* A client that mounted before this gateway was started must not be told that its files are
         * gone, only because their volume is still being opened. */
        return exports_are_open(exports) ? NFS3ERR_STALE : NFS3ERR_JUKEBOX;
    }
    if (fhandle_check(bytes, volume_spec(atomic_load(&export->volume))->handle_key)) {
        return NFS3ERR_BADHANDLE;
    }
    *out_export = export;
    *out_gfid = parsed.gfid;
    return NFS3_OK;
}

enum nfsstat3 nfs3_fh_second(const struct nfs3_request *request, const struct nfs_fh3 *handle,
                             struct gfid *out_gfid)
{
    const struct export *export = NULL;
    enum nfsstat3 status = nfs3_fh_find(request->export->exports, handle, &export, out_gfid);
    return status == NFS3_OK && export != request->export ? NFS3ERR_XDEV : status;
}
