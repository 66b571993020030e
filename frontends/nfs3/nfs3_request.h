/*
 * One NFS call on its way: what the row files (nfs3_attr.c … nfs3_info.c) work with.
 *
 * A call's road: nfs3_dispatch.c decodes the arguments and the handle that they all begin with and
 * finds the export; the row's begin checks the rest and fills request->volume; the volume completes
 * it, on any thread; the row's reply encodes the answer. A call that is refused on the way goes to
 * reply directly, with attributes absent.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_NFS3_REQUEST_H
#define TRIVET_NFS3_REQUEST_H

#include "backend/rpc/rpc.h"
#include "frontends/nfs3/exports.h"
#include "frontends/nfs3/nfs3.h"
#include "gateway/trivet.h"

#define NFS3_PROCEDURES 22

/* From begin: the arguments cannot be decoded (no value of RFC 1813's). */
#define NFS3_GARBAGE ((enum nfsstat3)100000)

struct nfs3;

struct nfs3_request {
    struct nfs3 *nfs3;
    struct rpc_call *call;
    const struct nfs3_row *row;
    const struct export *export;
    struct slice rest; /* the bytes behind the arguments; the call's */
    struct volume_request volume;
    struct nfs3_request *next; /* in the list of spare ones */
    union {
        struct nfs_fh3 handle; /* every procedure's arguments begin with the handle of what it is
                                  about */
        GETATTR3args getattr;
        SETATTR3args setattr;
        LOOKUP3args lookup;
        ACCESS3args access;
        READLINK3args readlink;
        READ3args read;
        WRITE3args write;
        CREATE3args create;
        MKDIR3args mkdir;
        SYMLINK3args symlink;
        MKNOD3args mknod;
        REMOVE3args remove;
        RENAME3args rename;
        LINK3args link;
        READDIR3args readdir;
        READDIRPLUS3args readdirplus;
        FSSTAT3args fsstat;
        COMMIT3args commit;
    } args;
};

/* A procedure. */
struct nfs3_row {
    xdrproc_t decode;
    /* Check the arguments and fill request->volume, in which cred and object already are. */
    enum nfsstat3 (*begin)(struct nfs3_request *request);
    /* Answer the call; request->volume.reply may hold attributes even if status is an error. */
    void (*reply)(struct nfs3_request *request, enum nfsstat3 status);
    bool is_mutation;  /* refused on a read-only export; carries an id that keeps it from happening
                          twice */
    bool is_namespace; /* durable before the answer if the export says sync */
};

/* Encode a result as the answer. */
void nfs3_answer(struct nfs3_request *request, xdrproc_t encode, const void *result,
                 const struct slice *bulk);

/* Attributes for the answer, as the volume told them. */
static inline struct post_op_attr nfs3_post_op(const struct nfs3_request *request,
                                               const struct attr *attr)
{
    return (struct post_op_attr){.attr = attr, .fsid = request->export ? request->export->fsid : 0};
}

static inline struct wcc_data nfs3_wcc(const struct nfs3_request *request,
                                       const struct attr_before *before, const struct attr *after)
{
    return (struct wcc_data){.before = before, .after = nfs3_post_op(request, after)};
}

/* The largest READ, WRITE or directory answer on the call's transport. */
uint32_t nfs3_size_max(const struct nfs3_request *request);

/* ---- nfs3_fh.c */

/* The handle of gfid in the request's export. */
void nfs3_fh_make(const struct nfs3_request *request, const struct gfid *gfid,
                  struct nfs_fh3 *out_handle);
/* Find the export that a handle belongs to, and the object. NFS3ERR_BADHANDLE, NFS3ERR_STALE;
 * NFS3ERR_JUKEBOX while it may belong to a volume that is not open yet. */
enum nfsstat3 nfs3_fh_find(const struct exports *exports, const struct nfs_fh3 *handle,
                           const struct export **out_export, struct gfid *out_gfid);
/* A second handle of a call: NFS3ERR_XDEV if it is of another export. */
enum nfsstat3 nfs3_fh_second(const struct nfs3_request *request, const struct nfs_fh3 *handle,
                             struct gfid *out_gfid);

/* ---- nfs3_name.c */

/* Check a name and take it as a slice. NFS3ERR_NAMETOOLONG; NFS3ERR_ACCES as RFC 1813 section 3.2
 * has it for names that are empty or hold '/' or NUL. */
enum nfsstat3 nfs3_name_take(const struct filename3 *name, struct slice *out_name);
/* The same for a name that is to be made or removed; "." is answered with dot, ".." with dotdot. */
enum nfsstat3 nfs3_name_change(const struct filename3 *name, enum nfsstat3 dot,
                               enum nfsstat3 dotdot, struct slice *out_name);

/* ---- the rows, by file */

enum nfsstat3 nfs3_getattr(struct nfs3_request *request);
void nfs3_getattr_reply(struct nfs3_request *request, enum nfsstat3 status);
enum nfsstat3 nfs3_setattr(struct nfs3_request *request);
void nfs3_setattr_reply(struct nfs3_request *request, enum nfsstat3 status);
enum nfsstat3 nfs3_access(struct nfs3_request *request);
void nfs3_access_reply(struct nfs3_request *request, enum nfsstat3 status);

enum nfsstat3 nfs3_lookup(struct nfs3_request *request);
void nfs3_lookup_reply(struct nfs3_request *request, enum nfsstat3 status);
enum nfsstat3 nfs3_readlink(struct nfs3_request *request);
void nfs3_readlink_reply(struct nfs3_request *request, enum nfsstat3 status);

enum nfsstat3 nfs3_read(struct nfs3_request *request);
void nfs3_read_reply(struct nfs3_request *request, enum nfsstat3 status);
enum nfsstat3 nfs3_write(struct nfs3_request *request);
void nfs3_write_reply(struct nfs3_request *request, enum nfsstat3 status);
enum nfsstat3 nfs3_commit(struct nfs3_request *request);
void nfs3_commit_reply(struct nfs3_request *request, enum nfsstat3 status);

enum nfsstat3 nfs3_create(struct nfs3_request *request);
enum nfsstat3 nfs3_mkdir(struct nfs3_request *request);
enum nfsstat3 nfs3_symlink(struct nfs3_request *request);
enum nfsstat3 nfs3_mknod(struct nfs3_request *request);
void nfs3_make_reply(struct nfs3_request *request, enum nfsstat3 status);
enum nfsstat3 nfs3_link(struct nfs3_request *request);
void nfs3_link_reply(struct nfs3_request *request, enum nfsstat3 status);

enum nfsstat3 nfs3_remove(struct nfs3_request *request);
enum nfsstat3 nfs3_rmdir(struct nfs3_request *request);
void nfs3_remove_reply(struct nfs3_request *request, enum nfsstat3 status);
enum nfsstat3 nfs3_rename(struct nfs3_request *request);
void nfs3_rename_reply(struct nfs3_request *request, enum nfsstat3 status);

enum nfsstat3 nfs3_readdir(struct nfs3_request *request);
void nfs3_readdir_reply(struct nfs3_request *request, enum nfsstat3 status);
enum nfsstat3 nfs3_readdirplus(struct nfs3_request *request);
void nfs3_readdirplus_reply(struct nfs3_request *request, enum nfsstat3 status);

enum nfsstat3 nfs3_fsstat(struct nfs3_request *request);
void nfs3_fsstat_reply(struct nfs3_request *request, enum nfsstat3 status);
enum nfsstat3 nfs3_fsinfo(struct nfs3_request *request);
void nfs3_fsinfo_reply(struct nfs3_request *request, enum nfsstat3 status);
void nfs3_pathconf_reply(struct nfs3_request *request, enum nfsstat3 status);

#endif
