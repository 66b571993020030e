/*
 * The procedures through libnfs's raw calls. See nfs3.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw.h>
#include <stdio.h>
#include <string.h>
#include "conformance/nfs3/connection.h"

#define STARTER(call) ((peer_starter *)(void (*)(void))rpc_nfs3_##call##_async)
#define CODEC(type) ((zdrproc_t)(void (*)(void))zdr_##type)
#define ROW(NAME, name)                                                                            \
    [NFS3_##                                                                                       \
        NAME] = {#NAME, STARTER(name), CODEC(NAME##3args), CODEC(NAME##3res), sizeof(NAME##3res)}

static const struct row {
    const char *name;
    peer_starter *start;
    zdrproc_t arguments;
    zdrproc_t result;
    size_t result_size;
} rows[NFS_V3_PROCEDURES] = {
    [NFS3_NULL] = {.name = "NULL"},
    ROW(GETATTR, getattr),
    ROW(SETATTR, setattr),
    ROW(LOOKUP, lookup),
    ROW(ACCESS, access),
    ROW(READLINK, readlink),
    ROW(READ, read),
    ROW(WRITE, write),
    ROW(CREATE, create),
    ROW(MKDIR, mkdir),
    ROW(SYMLINK, symlink),
    ROW(MKNOD, mknod),
    ROW(REMOVE, remove),
    ROW(RMDIR, rmdir),
    ROW(RENAME, rename),
    ROW(LINK, link),
    ROW(READDIR, readdir),
    ROW(READDIRPLUS, readdirplus),
    ROW(FSSTAT, fsstat),
    ROW(FSINFO, fsinfo),
    ROW(PATHCONF, pathconf),
    ROW(COMMIT, commit),
};

static const struct {
    int status;
    const char *name;
} statuses[] = {
    {NFS3_OK, "OK"},
    {NFS3ERR_PERM, "PERM"},
    {NFS3ERR_NOENT, "NOENT"},
    {NFS3ERR_IO, "IO"},
    {NFS3ERR_NXIO, "NXIO"},
    {NFS3ERR_ACCES, "ACCES"},
    {NFS3ERR_EXIST, "EXIST"},
    {NFS3ERR_XDEV, "XDEV"},
    {NFS3ERR_NODEV, "NODEV"},
    {NFS3ERR_NOTDIR, "NOTDIR"},
    {NFS3ERR_ISDIR, "ISDIR"},
    {NFS3ERR_INVAL, "INVAL"},
    {NFS3ERR_FBIG, "FBIG"},
    {NFS3ERR_NOSPC, "NOSPC"},
    {NFS3ERR_ROFS, "ROFS"},
    {NFS3ERR_MLINK, "MLINK"},
    {NFS3ERR_NAMETOOLONG, "NAMETOOLONG"},
    {NFS3ERR_NOTEMPTY, "NOTEMPTY"},
    {NFS3ERR_DQUOT, "DQUOT"},
    {NFS3ERR_STALE, "STALE"},
    {NFS3ERR_REMOTE, "REMOTE"},
    {NFS3ERR_BADHANDLE, "BADHANDLE"},
    {NFS3ERR_NOT_SYNC, "NOT_SYNC"},
    {NFS3ERR_BAD_COOKIE, "BAD_COOKIE"},
    {NFS3ERR_NOTSUPP, "NOTSUPP"},
    {NFS3ERR_TOOSMALL, "TOOSMALL"},
    {NFS3ERR_SERVERFAULT, "SERVERFAULT"},
    {NFS3ERR_BADTYPE, "BADTYPE"},
    {NFS3ERR_JUKEBOX, "JUKEBOX"},
};

const char *status_name(int status)
{
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        if (statuses[i].status == status) {
            return statuses[i].name;
        }
    }
    return "a status that RFC 1813 does not have";
}

const char *procedure_name(uint32_t procedure)
{
    return rows[procedure].name;
}

zdrproc_t arguments_proc(uint32_t procedure)
{
    return rows[procedure].arguments;
}

zdrproc_t result_proc(uint32_t procedure)
{
    return rows[procedure].result;
}

size_t result_size(uint32_t procedure)
{
    return rows[procedure].result_size;
}

void *call_procedure(uint32_t procedure, void *arguments)
{
    const struct row *row = &rows[procedure];
    struct peer *peer = connection();
    void *result =
        peer_call(peer, caller_now(), row->start, arguments, row->result, row->result_size);
    if (!result) {
        char error[200];
        (void)snprintf(error, sizeof error, "%s", peer_error(peer));
        connection_renew(); /* whatever state it is in */
        suite_check(false, __FILE__, __LINE__, "%s was not answered: %s", row->name, error);
    }
    nfsstat3 status;
    memcpy(&status, result, sizeof status);
    suite_saw(row->name, status_name((int)status));
    return result;
}

int try_getattr(nfs_fh3 *object)
{
    const struct row *row = &rows[NFS3_GETATTR];
    GETATTR3args args = {.object = *object};
    const GETATTR3res *result =
        peer_call(connection(), caller_now(), row->start, &args, row->result, row->result_size);
    return result ? (int)result->status : -1;
}

/* ---- one function each ----------------------------------------------------------------------- */

static diropargs3 place(const nfs_fh3 *directory, const char *name)
{
    return (diropargs3){.dir = *directory, .name = keep_copy(name, strlen(name))};
}

static sattr3 attributes_or_none(const sattr3 *attributes)
{
    return attributes ? *attributes : (sattr3){0};
}

GETATTR3res *call_getattr(nfs_fh3 *object)
{
    return call_procedure(NFS3_GETATTR, &(GETATTR3args){.object = *object});
}

SETATTR3res *call_setattr(nfs_fh3 *object, const sattr3 *change, const nfstime3 *guard)
{
    SETATTR3args args = {.object = *object, .new_attributes = *change};
    if (guard) {
        args.guard.check = TRUE;
        args.guard.sattrguard3_u.obj_ctime = *guard;
    }
    return call_procedure(NFS3_SETATTR, &args);
}

LOOKUP3res *call_lookup(nfs_fh3 *directory, const char *name)
{
    return call_procedure(NFS3_LOOKUP, &(LOOKUP3args){.what = place(directory, name)});
}

ACCESS3res *call_access(nfs_fh3 *object, uint32_t rights)
{
    return call_procedure(NFS3_ACCESS, &(ACCESS3args){.object = *object, .access = rights});
}

READLINK3res *call_readlink(nfs_fh3 *object)
{
    return call_procedure(NFS3_READLINK, &(READLINK3args){.symlink = *object});
}

READ3res *call_read(nfs_fh3 *object, uint64_t offset, uint32_t count)
{
    return call_procedure(NFS3_READ,
                          &(READ3args){.file = *object, .offset = offset, .count = count});
}

WRITE3res *call_write(nfs_fh3 *object, uint64_t offset, const void *data, uint32_t count,
                      stable_how stable)
{
    WRITE3args args = {.file = *object, .offset = offset, .count = count, .stable = stable};
    args.data.data_len = count;
    args.data.data_val = keep_copy(data, count);
    return call_procedure(NFS3_WRITE, &args);
}

CREATE3res *call_create(nfs_fh3 *directory, const char *name, createmode3 mode,
                        const sattr3 *attributes)
{
    CREATE3args args = {.where = place(directory, name), .how = {.mode = mode}};
    args.how.createhow3_u.obj_attributes = attributes_or_none(attributes);
    return call_procedure(NFS3_CREATE, &args);
}

CREATE3res *call_exclusive(nfs_fh3 *directory, const char *name, const char verifier[8])
{
    CREATE3args args = {.where = place(directory, name), .how = {.mode = EXCLUSIVE}};
    memcpy(args.how.createhow3_u.verf, verifier, NFS3_CREATEVERFSIZE);
    return call_procedure(NFS3_CREATE, &args);
}

CREATE3res *call_mkdir(nfs_fh3 *directory, const char *name, const sattr3 *attributes)
{
    MKDIR3args args = {.where = place(directory, name),
                       .attributes = attributes_or_none(attributes)};
    return call_procedure(NFS3_MKDIR, &args);
}

CREATE3res *call_symlink(nfs_fh3 *directory, const char *name, const char *target,
                         const sattr3 *attributes)
{
    SYMLINK3args args = {.where = place(directory, name)};
    args.symlink.symlink_attributes = attributes_or_none(attributes);
    args.symlink.symlink_data = keep_copy(target, strlen(target));
    return call_procedure(NFS3_SYMLINK, &args);
}

CREATE3res *call_mknod(nfs_fh3 *directory, const char *name, ftype3 type, const sattr3 *attributes,
                       uint32_t major, uint32_t minor)
{
    MKNOD3args args = {.where = place(directory, name), .what = {.type = type}};
    if (type == NF3CHR || type == NF3BLK) {
        devicedata3 *device = &args.what.mknoddata3_u.chr_device;
        device->dev_attributes = attributes_or_none(attributes);
        device->spec = (specdata3){.specdata1 = major, .specdata2 = minor};
    } else {
        args.what.mknoddata3_u.pipe_attributes = attributes_or_none(attributes);
    }
    return call_procedure(NFS3_MKNOD, &args);
}

REMOVE3res *call_remove(nfs_fh3 *directory, const char *name)
{
    return call_procedure(NFS3_REMOVE, &(REMOVE3args){.object = place(directory, name)});
}

REMOVE3res *call_rmdir(nfs_fh3 *directory, const char *name)
{
    return call_procedure(NFS3_RMDIR, &(RMDIR3args){.object = place(directory, name)});
}

RENAME3res *call_rename(nfs_fh3 *from, const char *name, nfs_fh3 *to, const char *new_name)
{
    RENAME3args args = {.from = place(from, name), .to = place(to, new_name)};
    return call_procedure(NFS3_RENAME, &args);
}

LINK3res *call_link(nfs_fh3 *object, nfs_fh3 *directory, const char *name)
{
    LINK3args args = {.file = *object, .link = place(directory, name)};
    return call_procedure(NFS3_LINK, &args);
}

READDIR3res *call_readdir(nfs_fh3 *directory, uint64_t cookie, const char *verifier, uint32_t count)
{
    READDIR3args args = {.dir = *directory, .cookie = cookie, .count = count};
    if (verifier) {
        memcpy(args.cookieverf, verifier, NFS3_COOKIEVERFSIZE);
    }
    return call_procedure(NFS3_READDIR, &args);
}

READDIRPLUS3res *call_readdirplus(nfs_fh3 *directory, uint64_t cookie, const char *verifier,
                                  uint32_t dircount, uint32_t maxcount)
{
    READDIRPLUS3args args = {
        .dir = *directory, .cookie = cookie, .dircount = dircount, .maxcount = maxcount};
    if (verifier) {
        memcpy(args.cookieverf, verifier, NFS3_COOKIEVERFSIZE);
    }
    return call_procedure(NFS3_READDIRPLUS, &args);
}

FSSTAT3res *call_fsstat(nfs_fh3 *object)
{
    return call_procedure(NFS3_FSSTAT, &(FSSTAT3args){.fsroot = *object});
}

FSINFO3res *call_fsinfo(nfs_fh3 *object)
{
    return call_procedure(NFS3_FSINFO, &(FSINFO3args){.fsroot = *object});
}

PATHCONF3res *call_pathconf(nfs_fh3 *object)
{
    return call_procedure(NFS3_PATHCONF, &(PATHCONF3args){.object = *object});
}

COMMIT3res *call_commit(nfs_fh3 *object, uint64_t offset, uint32_t count)
{
    return call_procedure(NFS3_COMMIT,
                          &(COMMIT3args){.file = *object, .offset = offset, .count = count});
}
