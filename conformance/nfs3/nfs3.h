/*
 * NFS version 3 for the cases: a directory of their own, calls as one likes to write them, and what
 * is checked again and again.
 *
 * All that is returned lives until the case ends. A call that is not answered ends the case as
 * failed. Calls are made as root until as_user says otherwise.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_CONFORMANCE_NFS3_H
#define TRIVET_CONFORMANCE_NFS3_H

#include <nfsc/libnfs-zdr.h>
#include <nfsc/libnfs-raw-mount.h>
#include <nfsc/libnfs-raw-nfs.h>
#include "conformance/lib/keep.h"
#include "conformance/lib/suite.h"
#include "conformance/lib/wire.h"

#define NFS_V3_PROCEDURES 22
#define NAME_MAX_USUAL 255

/* ---- where and as whom ----------------------------------------------------------------------- */

bool nfs3_start(void);
void nfs3_stop(void);
void nfs3_case_begin(void);
void nfs3_case_end(void);

/* The export's root; and the case's own directory, empty, mode 0777. */
nfs_fh3 *export_root(void);
nfs_fh3 *here(void);
/* The root of one more export; NULL: it cannot be mounted. */
nfs_fh3 *mount_export(const char *path);

void as_root(void);
void as_user(uint32_t uid, uint32_t gid);
void as_member(uint32_t uid, uint32_t gid, uint32_t group); /* with one more group */
void as_nobody(void);                                       /* AUTH_NONE */
const struct caller *caller_now(void);

/* ---- procedures ------------------------------------------------------------------------------ */

const char *status_name(int status);
const char *procedure_name(uint32_t procedure);

/* Any procedure by number, with its arguments; the result begins with the status. */
void *call_procedure(uint32_t procedure, void *arguments);
/* Its functions, for calls byte by byte. */
zdrproc_t arguments_proc(uint32_t procedure);
zdrproc_t result_proc(uint32_t procedure);
size_t result_size(uint32_t procedure);

/* GETATTR's status; -1 if the call is not answered, or refused by the RPC layer. */
int try_getattr(nfs_fh3 *object);
GETATTR3res *call_getattr(nfs_fh3 *object);
SETATTR3res *call_setattr(nfs_fh3 *object, const sattr3 *change, const nfstime3 *guard);
LOOKUP3res *call_lookup(nfs_fh3 *directory, const char *name);
ACCESS3res *call_access(nfs_fh3 *object, uint32_t rights);
READLINK3res *call_readlink(nfs_fh3 *object);
READ3res *call_read(nfs_fh3 *object, uint64_t offset, uint32_t count);
WRITE3res *call_write(nfs_fh3 *object, uint64_t offset, const void *data, uint32_t count,
                      stable_how stable);
CREATE3res *call_create(nfs_fh3 *directory, const char *name, createmode3 mode,
                        const sattr3 *attributes);
CREATE3res *call_exclusive(nfs_fh3 *directory, const char *name, const char verifier[8]);
/* The results of all that makes a name are of one form. */
CREATE3res *call_mkdir(nfs_fh3 *directory, const char *name, const sattr3 *attributes);
CREATE3res *call_symlink(nfs_fh3 *directory, const char *name, const char *target,
                         const sattr3 *attributes);
CREATE3res *call_mknod(nfs_fh3 *directory, const char *name, ftype3 type, const sattr3 *attributes,
                       uint32_t major, uint32_t minor);
REMOVE3res *call_remove(nfs_fh3 *directory, const char *name);
REMOVE3res *call_rmdir(nfs_fh3 *directory, const char *name);
RENAME3res *call_rename(nfs_fh3 *from, const char *name, nfs_fh3 *to, const char *new_name);
LINK3res *call_link(nfs_fh3 *object, nfs_fh3 *directory, const char *name);
READDIR3res *call_readdir(nfs_fh3 *directory, uint64_t cookie, const char *verifier,
                          uint32_t count);
READDIRPLUS3res *call_readdirplus(nfs_fh3 *directory, uint64_t cookie, const char *verifier,
                                  uint32_t dircount, uint32_t maxcount);
FSSTAT3res *call_fsstat(nfs_fh3 *object);
FSINFO3res *call_fsinfo(nfs_fh3 *object);
PATHCONF3res *call_pathconf(nfs_fh3 *object);
COMMIT3res *call_commit(nfs_fh3 *object, uint64_t offset, uint32_t count);

/* ---- making what a case needs; what fails here ends it --------------------------------------- */

sattr3 *with_mode(uint32_t mode);
nfs_fh3 *make_file(nfs_fh3 *directory, const char *name, uint32_t mode);
nfs_fh3 *make_directory(nfs_fh3 *directory, const char *name, uint32_t mode);
nfs_fh3 *make_symlink(nfs_fh3 *directory, const char *name, const char *target);
nfs_fh3 *make_fifo(nfs_fh3 *directory, const char *name, uint32_t mode);
void give_to(nfs_fh3 *object, uint32_t uid, uint32_t gid);
void put_bytes(nfs_fh3 *object, uint64_t offset, const void *data, uint32_t size);
/* Files NAME0 … of a directory. */
void make_files(nfs_fh3 *directory, const char *name, unsigned count);
/* A name of that many bytes. */
char *long_name(size_t size);

/* ---- checking -------------------------------------------------------------------------------- */

void check_status(int status, int wanted, const char *file, unsigned line);
void check_status_of(int status, int one, int other, const char *file, unsigned line);
#define STATUS(result, wanted) check_status((int)(result)->status, (wanted), __FILE__, __LINE__)
/* Two are right: the one that the RFC lists, and one that tells a client more. */
#define STATUS_OF(result, one, other)                                                              \
    check_status_of((int)(result)->status, (one), (other), __FILE__, __LINE__)

fattr3 attributes_of(nfs_fh3 *object);
/* All of them, but for what reading changes (atime) and what no one promises at once (used). */
void check_same(const fattr3 *one, const fattr3 *other);
void check_post_op(const post_op_attr *attributes, nfs_fh3 *object);
/* Both halves present; before is what GETATTR told before, after what it tells now. */
void check_wcc(const wcc_data *wcc, const fattr3 *before, nfs_fh3 *object);
/* An error's: what is there must be true. */
void check_wcc_unchanged(const wcc_data *wcc, const fattr3 *before, nfs_fh3 *object);
bool same_handle(const nfs_fh3 *one, const nfs_fh3 *other);
int compare_time(const nfstime3 *one, const nfstime3 *other);
bool exists(nfs_fh3 *directory, const char *name);

/* ---- what holds for every procedure that takes a handle: handles.c --------------------------- */

/* Handles that are none, and the handle of what was removed. */
void check_bad_handle(uint32_t procedure);
void check_stale(uint32_t procedure);
void check_read_only(uint32_t procedure);
/* The directory (or the first one) is a file. */
void check_not_directory(uint32_t procedure);
/* As somebody who may not search, or not write, the directory. */
void check_no_search(uint32_t procedure);
void check_no_write(uint32_t procedure);
void check_long_name(uint32_t procedure);
void check_empty_name(uint32_t procedure);
/* A call with that first handle and name, otherwise sound; returns the status. */
int call_with(uint32_t procedure, nfs_fh3 *handle, const char *name);

/* ---- what holds for CREATE, MKDIR, SYMLINK and MKNOD: made.c --------------------------------- */

void made_tells(uint32_t procedure);  /* handle, attributes and wcc data */
void made_exists(uint32_t procedure); /* the name is taken, by anything */
void made_dots(uint32_t procedure);
void made_name_255(uint32_t procedure);
void made_slash(uint32_t procedure);
void made_is_owned(uint32_t procedure); /* by the caller; the group from a set-gid directory */
void made_touches(uint32_t procedure);  /* times and links of the directory */
void made_fills(uint32_t procedure);    /* a small file system, until there is no room */
CREATE3res *make_one(uint32_t procedure, nfs_fh3 *directory, const char *name,
                     const sattr3 *attributes);

#endif
