/*
 * NFS version 3 over a plain directory, driven by libnfs: every procedure, what it answers and how
 * it refuses. What libnfs would not send is in tests/fuzz/nfs3_test.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw.h>
#include <nfsc/libnfs-raw-nfs.h>
#include "tests/lib/nfs_client.h"
#include "tests/lib/nfs_fixture.h"

#define ENTRIES 3000

struct handle {
    char bytes[64];
    unsigned size;
};

struct listed {
    char name[256];
    uint64_t fileid, cookie;
    bool has_attr;
    fattr3 attr;
    struct handle handle;
};

static struct nfs_fixture fixture;
static struct client client;
static struct handle root, root_ro, root_all, root_other, root_async;

/* What the last call answered. */
static struct {
    nfsstat3 status;
    struct handle handle;
    post_op_attr attr, dir;
    wcc_data wcc, wcc2;
    uint32_t count, committed, access;
    bool eof;
    char verf[8];
    char data[2 * 1024 * 1024];
    union {
        FSINFO3resok fsinfo;
        FSSTAT3resok fsstat;
        PATHCONF3resok pathconf;
    } info;
    struct listed *entries; /* added up by listings */
    size_t entry_count, first_of_last;
    size_t encoded; /* bytes of the last listing's resok */
} got;

static nfs_fh3 fh(const struct handle *handle)
{
    nfs_fh3 result;
    result.data.data_len = handle->size;
    result.data.data_val = (char *)(uintptr_t)handle->bytes;
    return result;
}

UNALIGNED_BY_LIBNFS static struct handle handle_of(const nfs_fh3 *from)
{
    struct handle handle = {.size = from->data.data_len};
    memcpy(handle.bytes, from->data.data_val, from->data.data_len);
    return handle;
}

static diropargs3 in(const struct handle *directory, const char *name)
{
    return (diropargs3){.dir = fh(directory), .name = (char *)(uintptr_t)name};
}

/* ---- what the callbacks keep --------------------------------------------------------------- */

#define KEEP(procedure, type)                                                                      \
    static void keep_##procedure(struct rpc_context *rpc, int status, void *data, void *context)   \
    {                                                                                              \
        (void)rpc;                                                                                 \
        if (client_came(context, status)) {                                                        \
            const type *result = data;                                                             \
            got.status = result->status;                                                           \
            take_##procedure(result);                                                              \
        }                                                                                          \
    }

static void take_getattr(const GETATTR3res *result)
{
    got.attr.attributes_follow = result->status == NFS3_OK;
    got.attr.post_op_attr_u.attributes = result->GETATTR3res_u.resok.obj_attributes;
}
KEEP(getattr, GETATTR3res)

static void take_setattr(const SETATTR3res *result)
{
    got.wcc = result->SETATTR3res_u.resok.obj_wcc;
}
KEEP(setattr, SETATTR3res)

static void take_lookup(const LOOKUP3res *result)
{
    got.dir = result->LOOKUP3res_u.resfail.dir_attributes;
    if (result->status == NFS3_OK) {
        got.handle = handle_of(&result->LOOKUP3res_u.resok.object);
        got.attr = result->LOOKUP3res_u.resok.obj_attributes;
        got.dir = result->LOOKUP3res_u.resok.dir_attributes;
    }
}
KEEP(lookup, LOOKUP3res)

static void take_access(const ACCESS3res *result)
{
    got.access = result->status == NFS3_OK ? result->ACCESS3res_u.resok.access : 0;
    got.attr = result->ACCESS3res_u.resok.obj_attributes;
}
KEEP(access, ACCESS3res)

static void take_readlink(const READLINK3res *result)
{
    got.attr = result->READLINK3res_u.resok.symlink_attributes;
    if (result->status == NFS3_OK) {
        snprintf(got.data, sizeof got.data, "%s", result->READLINK3res_u.resok.data);
    }
}
KEEP(readlink, READLINK3res)

static void take_read(const READ3res *result)
{
    const READ3resok *resok = &result->READ3res_u.resok;
    got.attr = resok->file_attributes;
    if (result->status == NFS3_OK) {
        got.count = resok->count;
        got.eof = resok->eof;
        CU_ASSERT_EQUAL(resok->data.data_len, resok->count);
        memcpy(got.data, resok->data.data_val, resok->data.data_len);
    }
}
KEEP(read, READ3res)

static void take_write(const WRITE3res *result)
{
    const WRITE3resok *resok = &result->WRITE3res_u.resok;
    got.wcc = resok->file_wcc;
    if (result->status == NFS3_OK) {
        got.count = resok->count;
        got.committed = resok->committed;
        memcpy(got.verf, resok->verf, sizeof got.verf);
    }
}
KEEP(write, WRITE3res)

static void take_commit(const COMMIT3res *result)
{
    got.wcc = result->COMMIT3res_u.resok.file_wcc;
    if (result->status == NFS3_OK) {
        memcpy(got.verf, result->COMMIT3res_u.resok.verf, sizeof got.verf);
    }
}
KEEP(commit, COMMIT3res)

/* CREATE, MKDIR, SYMLINK and MKNOD answer alike. */
static void take_make(const CREATE3res *result)
{
    got.wcc = result->CREATE3res_u.resfail.dir_wcc;
    if (result->status == NFS3_OK) {
        const CREATE3resok *resok = &result->CREATE3res_u.resok;
        CU_ASSERT(resok->obj.handle_follows != 0);
        got.handle = handle_of(&resok->obj.post_op_fh3_u.handle);
        got.attr = resok->obj_attributes;
        got.wcc = resok->dir_wcc;
    }
}
KEEP(make, CREATE3res)

static void take_link(const LINK3res *result)
{
    got.attr = result->LINK3res_u.resok.file_attributes;
    got.wcc = result->LINK3res_u.resok.linkdir_wcc;
}
KEEP(link, LINK3res)

static void take_remove(const REMOVE3res *result)
{
    got.wcc = result->REMOVE3res_u.resok.dir_wcc;
}
KEEP(remove, REMOVE3res)

static void take_rename(const RENAME3res *result)
{
    got.wcc = result->RENAME3res_u.resok.fromdir_wcc;
    got.wcc2 = result->RENAME3res_u.resok.todir_wcc;
}
KEEP(rename, RENAME3res)

static struct listed *listed_new(const char *name, uint64_t fileid, uint64_t cookie)
{
    got.entries = realloc(got.entries, (got.entry_count + 1) * sizeof *got.entries);
    CU_ASSERT_PTR_NOT_NULL_FATAL(got.entries);
    struct listed *listed = &got.entries[got.entry_count++];
    *listed = (struct listed){.fileid = fileid, .cookie = cookie};
    snprintf(listed->name, sizeof listed->name, "%s", name);
    got.encoded += 24 + ((strlen(name) + 3) & ~(size_t)3);
    return listed;
}

UNALIGNED_BY_LIBNFS static void take_readdir(const READDIR3res *result)
{
    const READDIR3resok *resok = &result->READDIR3res_u.resok;
    got.dir = resok->dir_attributes;
    got.first_of_last = got.entry_count;
    if (result->status == NFS3_OK) {
        got.encoded = 4 + 84 + 8 + 8;
        got.eof = resok->reply.eof;
        memcpy(got.verf, resok->cookieverf, sizeof got.verf);
        for (const entry3 *entry = resok->reply.entries; entry; entry = entry->nextentry) {
            (void)listed_new(entry->name, entry->fileid, entry->cookie);
        }
    }
}
KEEP(readdir, READDIR3res)

UNALIGNED_BY_LIBNFS static void take_readdirplus(const READDIRPLUS3res *result)
{
    const READDIRPLUS3resok *resok = &result->READDIRPLUS3res_u.resok;
    got.dir = resok->dir_attributes;
    got.first_of_last = got.entry_count;
    if (result->status == NFS3_OK) {
        got.encoded = 4 + 84 + 8 + 8;
        got.eof = resok->reply.eof;
        for (const entryplus3 *entry = resok->reply.entries; entry; entry = entry->nextentry) {
            struct listed *listed = listed_new(entry->name, entry->fileid, entry->cookie);
            listed->has_attr = entry->name_attributes.attributes_follow;
            listed->attr = entry->name_attributes.post_op_attr_u.attributes;
            CU_ASSERT(entry->name_handle.handle_follows != 0);
            listed->handle = handle_of(&entry->name_handle.post_op_fh3_u.handle);
            got.encoded += 4 + (listed->has_attr ? 84u : 0u) + 8 + 44;
        }
    }
}
KEEP(readdirplus, READDIRPLUS3res)

static void take_fsinfo(const FSINFO3res *result)
{
    got.info.fsinfo = result->FSINFO3res_u.resok;
}
KEEP(fsinfo, FSINFO3res)

static void take_fsstat(const FSSTAT3res *result)
{
    got.info.fsstat = result->FSSTAT3res_u.resok;
}
KEEP(fsstat, FSSTAT3res)

static void take_pathconf(const PATHCONF3res *result)
{
    got.info.pathconf = result->PATHCONF3res_u.resok;
}
KEEP(pathconf, PATHCONF3res)

/* ---- calls --------------------------------------------------------------------------------- */

static nfsstat3 answered(int started)
{
    CU_ASSERT_FATAL(client_wait(&client, started));
    return got.status;
}

#define CALL(procedure, keep, args)                                                                \
    answered(rpc_nfs3_##procedure##_async(client.rpc, keep_##keep, args, &client))

static nfsstat3 getattr(const struct handle *object)
{
    GETATTR3args args = {.object = fh(object)};
    return CALL(getattr, getattr, &args);
}

static nfsstat3 lookup(const struct handle *directory, const char *name)
{
    LOOKUP3args args = {.what = in(directory, name)};
    return CALL(lookup, lookup, &args);
}

static nfsstat3 create(const struct handle *directory, const char *name, createmode3 how,
                       uint32_t mode)
{
    CREATE3args args = {.where = in(directory, name), .how.mode = how};
    args.how.createhow3_u.obj_attributes.mode.set_it = 1;
    args.how.createhow3_u.obj_attributes.mode.set_mode3_u.mode = mode;
    return CALL(create, make, &args);
}

static nfsstat3 create_exclusive(const struct handle *directory, const char *name,
                                 const char verf[8])
{
    CREATE3args args = {.where = in(directory, name), .how.mode = EXCLUSIVE};
    memcpy(args.how.createhow3_u.verf, verf, 8);
    return CALL(create, make, &args);
}

static nfsstat3 make_directory(const struct handle *directory, const char *name, uint32_t mode)
{
    MKDIR3args args = {.where = in(directory, name)};
    args.attributes.mode.set_it = 1;
    args.attributes.mode.set_mode3_u.mode = mode;
    return CALL(mkdir, make, &args);
}

static nfsstat3 write_bytes(const struct handle *file, uint64_t offset, const char *data,
                            uint32_t size, stable_how stable)
{
    WRITE3args args = {.file = fh(file), .offset = offset, .count = size, .stable = stable};
    args.data.data_len = size;
    args.data.data_val = (char *)(uintptr_t)data;
    return CALL(write, write, &args);
}

static nfsstat3 read_bytes(const struct handle *file, uint64_t offset, uint32_t count)
{
    READ3args args = {.file = fh(file), .offset = offset, .count = count};
    return CALL(read, read, &args);
}

static nfsstat3 remove_name(const struct handle *directory, const char *name)
{
    REMOVE3args args = {.object = in(directory, name)};
    return CALL(remove, remove, &args);
}

static nfsstat3 remove_directory(const struct handle *directory, const char *name)
{
    RMDIR3args args = {.object = in(directory, name)};
    return CALL(rmdir, remove, &args);
}

static nfsstat3 rename_to(const struct handle *from, const char *name, const struct handle *to,
                          const char *name2)
{
    RENAME3args args = {.from = in(from, name), .to = in(to, name2)};
    return CALL(rename, rename, &args);
}

static nfsstat3 readdir(const struct handle *directory, uint64_t cookie, uint32_t count)
{
    READDIR3args args = {.dir = fh(directory), .cookie = cookie, .count = count};
    memcpy(args.cookieverf, got.verf, sizeof args.cookieverf);
    return CALL(readdir, readdir, &args);
}

static nfsstat3 readdirplus(const struct handle *directory, uint64_t cookie, uint32_t dircount,
                            uint32_t maxcount)
{
    READDIRPLUS3args args = {
        .dir = fh(directory), .cookie = cookie, .dircount = dircount, .maxcount = maxcount};
    memcpy(args.cookieverf, got.verf, sizeof args.cookieverf);
    return CALL(readdirplus, readdirplus, &args);
}

static const fattr3 *attributes(void)
{
    return &got.attr.post_op_attr_u.attributes;
}

static bool has_wcc(const wcc_data *wcc)
{
    return wcc->before.attributes_follow && wcc->after.attributes_follow;
}

/* ---- attr ---------------------------------------------------------------------------------- */

static void the_root_has_attributes(void)
{
    CU_ASSERT_EQUAL(getattr(&root), NFS3_OK);
    CU_ASSERT_EQUAL(attributes()->type, NF3DIR);
    CU_ASSERT_EQUAL(attributes()->fileid, 1);
    CU_ASSERT_NOT_EQUAL(attributes()->fsid, 0);
    uint64_t fsid = attributes()->fsid;
    CU_ASSERT_EQUAL(getattr(&root_other), NFS3_OK);
    CU_ASSERT_NOT_EQUAL(attributes()->fsid, fsid);
}

static void setattr_changes_what_it_names_and_obeys_its_guard(void)
{
    CU_ASSERT_EQUAL(create(&root, "attrs", GUARDED, 0644), NFS3_OK);
    struct handle file = got.handle;
    SETATTR3args args = {.object = fh(&file)};
    args.new_attributes.mode.set_it = 1;
    args.new_attributes.mode.set_mode3_u.mode = 0751;
    args.new_attributes.uid.set_it = 1;
    args.new_attributes.uid.set_uid3_u.uid = 1234;
    args.new_attributes.size.set_it = 1;
    args.new_attributes.size.set_size3_u.size = 5000;
    args.new_attributes.mtime.set_it = SET_TO_CLIENT_TIME;
    args.new_attributes.mtime.set_mtime_u.mtime = (nfstime3){1000000000, 123456789};
    CU_ASSERT_EQUAL(CALL(setattr, setattr, &args), NFS3_OK);
    CU_ASSERT(has_wcc(&got.wcc));
    CU_ASSERT_EQUAL(got.wcc.before.pre_op_attr_u.attributes.size, 0);
    CU_ASSERT_EQUAL(got.wcc.after.post_op_attr_u.attributes.size, 5000);
    CU_ASSERT_EQUAL(getattr(&file), NFS3_OK);
    CU_ASSERT_EQUAL(attributes()->mode, 0751);
    CU_ASSERT_EQUAL(attributes()->uid, 1234);
    CU_ASSERT_EQUAL(attributes()->gid, 0);
    CU_ASSERT_EQUAL(attributes()->size, 5000);
    CU_ASSERT_EQUAL(attributes()->mtime.seconds, 1000000000);
    CU_ASSERT_EQUAL(attributes()->mtime.nseconds, 123456789);
    nfstime3 ctime = attributes()->ctime;

    SETATTR3args guarded = {.object = fh(&file), .guard.check = 1};
    guarded.new_attributes.mode.set_it = 1;
    guarded.new_attributes.mode.set_mode3_u.mode = 0600;
    guarded.guard.sattrguard3_u.obj_ctime = ctime;
    guarded.guard.sattrguard3_u.obj_ctime.nseconds ^= 1;
    CU_ASSERT_EQUAL(CALL(setattr, setattr, &guarded), NFS3ERR_NOT_SYNC);
    guarded.guard.sattrguard3_u.obj_ctime = ctime;
    CU_ASSERT_EQUAL(CALL(setattr, setattr, &guarded), NFS3_OK);

    args.new_attributes.mtime.set_mtime_u.mtime.nseconds = 1000000000;
    CU_ASSERT_EQUAL(CALL(setattr, setattr, &args), NFS3ERR_INVAL);
    args = (SETATTR3args){.object = fh(&file)};
    args.new_attributes.atime.set_it = SET_TO_SERVER_TIME;
    args.new_attributes.mtime.set_it = SET_TO_SERVER_TIME;
    CU_ASSERT_EQUAL(CALL(setattr, setattr, &args), NFS3_OK);
    CU_ASSERT(got.wcc.after.post_op_attr_u.attributes.mtime.seconds > 1700000000);
}

static nfsstat3 ask_access(const struct handle *object, uint32_t rights)
{
    ACCESS3args args = {.object = fh(object), .access = rights};
    return CALL(access, access, &args);
}

static void access_tells_rights_and_exports_bound_them(void)
{
    CU_ASSERT_EQUAL(ask_access(&root, 0x3f), NFS3_OK);
    CU_ASSERT_EQUAL(got.access & 0x1f, 0x1f);
    CU_ASSERT_EQUAL(ask_access(&root, ACCESS3_READ), NFS3_OK);
    CU_ASSERT_EQUAL(got.access, ACCESS3_READ);
    CU_ASSERT(got.attr.attributes_follow != 0);
    CU_ASSERT_EQUAL(ask_access(&root_ro, 0x3f), NFS3_OK);
    CU_ASSERT_EQUAL(got.access & (ACCESS3_MODIFY | ACCESS3_EXTEND | ACCESS3_DELETE), 0);
    CU_ASSERT_EQUAL(got.access & (ACCESS3_READ | ACCESS3_LOOKUP), ACCESS3_READ | ACCESS3_LOOKUP);
}

static void callers_are_who_they_say_or_whom_the_export_makes_them(void)
{
    rpc_set_uid(client.rpc, 1000);
    rpc_set_gid(client.rpc, 1000);
    CU_ASSERT_EQUAL(create(&root, "forbidden", UNCHECKED, 0644), NFS3ERR_ACCES);
    CU_ASSERT_EQUAL(ask_access(&root, 0x1f), NFS3_OK);
    CU_ASSERT_EQUAL(got.access, ACCESS3_READ | ACCESS3_LOOKUP);
    rpc_set_uid(client.rpc, 0);
    rpc_set_gid(client.rpc, 0);
    SETATTR3args args = {.object = fh(&root_all)};
    CU_ASSERT_EQUAL(CALL(setattr, setattr, &args), NFS3_OK);
    CU_ASSERT_EQUAL(create(&root_all, "squashed", UNCHECKED, 0644), NFS3_OK);
    CU_ASSERT_EQUAL(attributes()->uid, 77);
    CU_ASSERT_EQUAL(attributes()->gid, 78);
}

static void a_read_only_export_refuses_every_change(void)
{
    SETATTR3args setattr_args = {.object = fh(&root_ro)};
    LINK3args link_args = {.file = fh(&root_ro), .link = in(&root_ro, "x")};
    SYMLINK3args symlink_args = {.where = in(&root_ro, "x")};
    char target[] = "t";
    symlink_args.symlink.symlink_data = target;
    MKNOD3args mknod_args = {.where = in(&root_ro, "x"), .what.type = NF3FIFO};
    CU_ASSERT_EQUAL(CALL(setattr, setattr, &setattr_args), NFS3ERR_ROFS);
    CU_ASSERT_EQUAL(create(&root_ro, "x", UNCHECKED, 0644), NFS3ERR_ROFS);
    CU_ASSERT_EQUAL(make_directory(&root_ro, "x", 0755), NFS3ERR_ROFS);
    CU_ASSERT_EQUAL(CALL(symlink, make, &symlink_args), NFS3ERR_ROFS);
    CU_ASSERT_EQUAL(CALL(mknod, make, &mknod_args), NFS3ERR_ROFS);
    CU_ASSERT_EQUAL(CALL(link, link, &link_args), NFS3ERR_ROFS);
    CU_ASSERT_EQUAL(remove_name(&root_ro, "x"), NFS3ERR_ROFS);
    CU_ASSERT_EQUAL(remove_directory(&root_ro, "x"), NFS3ERR_ROFS);
    CU_ASSERT_EQUAL(rename_to(&root_ro, "x", &root_ro, "y"), NFS3ERR_ROFS);
    CU_ASSERT_EQUAL(write_bytes(&root_ro, 0, "x", 1, UNSTABLE), NFS3ERR_ROFS);
    CU_ASSERT_EQUAL(getattr(&root_ro), NFS3_OK);
}

/* ---- name ---------------------------------------------------------------------------------- */

static void lookup_finds_names_and_refuses_what_is_none(void)
{
    char longest[257];
    memset(longest, 'n', 256);
    longest[256] = '\0';
    CU_ASSERT_EQUAL(create(&root, "found", GUARDED, 0644), NFS3_OK);
    struct handle made = got.handle;
    CU_ASSERT_EQUAL(lookup(&root, "found"), NFS3_OK);
    CU_ASSERT_EQUAL(memcmp(got.handle.bytes, made.bytes, made.size), 0);
    CU_ASSERT(got.attr.attributes_follow && got.dir.attributes_follow != 0);
    CU_ASSERT_EQUAL(lookup(&root, "missing"), NFS3ERR_NOENT);
    CU_ASSERT(got.dir.attributes_follow != 0);
    CU_ASSERT_EQUAL(lookup(&root, "."), NFS3_OK);
    CU_ASSERT_EQUAL(memcmp(got.handle.bytes, root.bytes, root.size), 0);
    CU_ASSERT_EQUAL(lookup(&root, ".."), NFS3_OK);
    CU_ASSERT_EQUAL(memcmp(got.handle.bytes, root.bytes, root.size), 0);
    CU_ASSERT_EQUAL(lookup(&root, ""), NFS3ERR_ACCES);
    CU_ASSERT_EQUAL(lookup(&root, "a/b"), NFS3ERR_ACCES);
    CU_ASSERT_EQUAL(lookup(&root, longest), NFS3ERR_NAMETOOLONG);
    CU_ASSERT_EQUAL(create(&root, longest, UNCHECKED, 0644), NFS3ERR_NAMETOOLONG);
    longest[255] = '\0';
    CU_ASSERT_EQUAL(create(&root, longest, UNCHECKED, 0644), NFS3_OK);
    CU_ASSERT_EQUAL(lookup(&root, longest), NFS3_OK);
    CU_ASSERT_EQUAL(remove_name(&root, longest), NFS3_OK);
    CU_ASSERT_EQUAL(lookup(&made, "x"), NFS3ERR_NOTDIR);
}

static void symlinks_keep_their_target(void)
{
    char target[900];
    memset(target, 't', sizeof target);
    target[sizeof target - 1] = '\0';
    SYMLINK3args args = {.where = in(&root, "symlink")};
    args.symlink.symlink_data = target;
    CU_ASSERT_EQUAL(CALL(symlink, make, &args), NFS3_OK);
    CU_ASSERT_EQUAL(attributes()->type, NF3LNK);
    CU_ASSERT(has_wcc(&got.wcc));
    READLINK3args readlink_args = {.symlink = fh(&got.handle)};
    CU_ASSERT_EQUAL(CALL(readlink, readlink, &readlink_args), NFS3_OK);
    CU_ASSERT_STRING_EQUAL(got.data, target);
    CU_ASSERT(got.attr.attributes_follow != 0);
    CU_ASSERT_EQUAL(CALL(symlink, make, &args), NFS3ERR_EXIST);
    readlink_args.symlink = fh(&root);
    CU_ASSERT_EQUAL(CALL(readlink, readlink, &readlink_args), NFS3ERR_INVAL);
}

/* ---- io ------------------------------------------------------------------------------------ */

static void what_is_written_is_read_back_with_an_exact_end(void)
{
    CU_ASSERT_EQUAL(create(&root, "io", GUARDED, 0644), NFS3_OK);
    struct handle file = got.handle;
    CU_ASSERT_EQUAL(write_bytes(&file, 10, "hello", 5, UNSTABLE), NFS3_OK);
    CU_ASSERT_EQUAL(got.count, 5);
    CU_ASSERT(has_wcc(&got.wcc));
    CU_ASSERT_EQUAL(got.wcc.before.pre_op_attr_u.attributes.size, 0);
    CU_ASSERT_EQUAL(got.wcc.after.post_op_attr_u.attributes.size, 15);
    CU_ASSERT_EQUAL(read_bytes(&file, 0, 15), NFS3_OK);
    CU_ASSERT(got.count == 15 && got.eof);
    CU_ASSERT_EQUAL(memcmp(got.data, "\0\0\0\0\0\0\0\0\0\0hello", 15), 0);
    CU_ASSERT_EQUAL(read_bytes(&file, 0, 14), NFS3_OK);
    CU_ASSERT(got.count == 14 && !got.eof);
    CU_ASSERT_EQUAL(read_bytes(&file, 12, 100), NFS3_OK);
    CU_ASSERT(got.count == 3 && got.eof);
    CU_ASSERT_EQUAL(read_bytes(&file, 15, 1), NFS3_OK);
    CU_ASSERT(got.count == 0 && got.eof);
    CU_ASSERT_EQUAL(read_bytes(&file, 1000, 1), NFS3_OK);
    CU_ASSERT(got.count == 0 && got.eof);
    CU_ASSERT_EQUAL(read_bytes(&root, 0, 1), NFS3ERR_ISDIR);
    CU_ASSERT_EQUAL(write_bytes(&root, 0, "x", 1, UNSTABLE), NFS3ERR_INVAL);
    CU_ASSERT_EQUAL(write_bytes(&file, UINT64_MAX - 2, "xxxx", 4, UNSTABLE), NFS3ERR_FBIG);
    CU_ASSERT_EQUAL(read_bytes(&file, UINT64_MAX - 2, 4), NFS3ERR_INVAL);
}

static void stable_writes_and_commit_tell_one_verifier(void)
{
    CU_ASSERT_EQUAL(lookup(&root, "io"), NFS3_OK);
    struct handle file = got.handle;
    char verf[8];
    CU_ASSERT_EQUAL(write_bytes(&file, 0, "a", 1, UNSTABLE), NFS3_OK);
    memcpy(verf, got.verf, sizeof verf);
    CU_ASSERT_EQUAL(write_bytes(&file, 0, "b", 1, DATA_SYNC), NFS3_OK);
    CU_ASSERT(got.committed >= DATA_SYNC);
    CU_ASSERT_EQUAL(memcmp(verf, got.verf, sizeof verf), 0);
    CU_ASSERT_EQUAL(write_bytes(&file, 0, "c", 1, FILE_SYNC), NFS3_OK);
    CU_ASSERT_EQUAL(got.committed, FILE_SYNC);
    CU_ASSERT_EQUAL(memcmp(verf, got.verf, sizeof verf), 0);
    memset(got.verf, 0, sizeof got.verf);
    COMMIT3args args = {.file = fh(&file)};
    CU_ASSERT_EQUAL(CALL(commit, commit, &args), NFS3_OK);
    CU_ASSERT_EQUAL(memcmp(verf, got.verf, sizeof verf), 0);
    CU_ASSERT(got.wcc.after.attributes_follow != 0);
}

static atomic_uint synced;

/* Instead of libc's: what the volume brings to the disk is counted. */
int fsync(int fd)
{
    (void)fd;
    (void)atomic_fetch_add(&synced, 1);
    return 0;
}

static void an_async_export_waits_for_no_disk(void)
{
    static const struct {
        const struct handle *directory;
        unsigned synced;
    } cases[] = {{&root, 2}, {&root_async, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(create(cases[i].directory, "synced", GUARDED, 0600), NFS3_OK);
        struct handle file = got.handle;
        char verf[8];
        CU_ASSERT_EQUAL(write_bytes(&file, 0, "a", 1, UNSTABLE), NFS3_OK);
        CU_ASSERT_EQUAL(got.committed, UNSTABLE);
        memcpy(verf, got.verf, sizeof verf);
        atomic_store(&synced, 0);
        CU_ASSERT_EQUAL(write_bytes(&file, 0, "b", 1, FILE_SYNC), NFS3_OK);
        CU_ASSERT_EQUAL(got.committed, FILE_SYNC);
        COMMIT3args args = {.file = fh(&file)};
        CU_ASSERT_EQUAL(CALL(commit, commit, &args), NFS3_OK);
        CU_ASSERT_EQUAL(memcmp(verf, got.verf, sizeof verf), 0);
        CU_ASSERT(has_wcc(&got.wcc));
        CU_ASSERT_EQUAL(atomic_load(&synced), cases[i].synced);
    }
}

static void a_megabyte_goes_in_one_call_and_no_more(void)
{
    static char data[1024 * 1024 + 16384];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (char)(i * 7 + i / 251);
    }
    CU_ASSERT_EQUAL(create(&root, "large", GUARDED, 0644), NFS3_OK);
    struct handle file = got.handle;
    CU_ASSERT_EQUAL(write_bytes(&file, 0, data, 1024 * 1024, UNSTABLE), NFS3_OK);
    CU_ASSERT_EQUAL(got.count, 1024 * 1024);
    CU_ASSERT_EQUAL(write_bytes(&file, 0, data, sizeof data, UNSTABLE), NFS3_OK);
    CU_ASSERT_EQUAL(got.count, 1024 * 1024); /* the rest is the client's to send again */
    CU_ASSERT_EQUAL(read_bytes(&file, 0, 2 * 1024 * 1024), NFS3_OK);
    CU_ASSERT_EQUAL(got.count, 1024 * 1024);
    CU_ASSERT(got.eof);
    CU_ASSERT_EQUAL(memcmp(got.data, data, 1024 * 1024), 0);
}

/* ---- make ---------------------------------------------------------------------------------- */

static void create_is_unchecked_guarded_or_exclusive(void)
{
    CU_ASSERT_EQUAL(create(&root, "made", GUARDED, 0640), NFS3_OK);
    struct handle made = got.handle;
    CU_ASSERT(has_wcc(&got.wcc));
    CU_ASSERT_EQUAL(attributes()->mode, 0640);
    CU_ASSERT_EQUAL(create(&root, "made", GUARDED, 0640), NFS3ERR_EXIST);
    CU_ASSERT(got.wcc.after.attributes_follow != 0);
    CU_ASSERT_EQUAL(create(&root, "made", UNCHECKED, 0640), NFS3_OK);
    CU_ASSERT_EQUAL(memcmp(made.bytes, got.handle.bytes, made.size), 0);
    CU_ASSERT_EQUAL(create(&root, ".", UNCHECKED, 0640), NFS3ERR_EXIST);
    CU_ASSERT_EQUAL(create(&root, "..", GUARDED, 0640), NFS3ERR_EXIST);
    CU_ASSERT_EQUAL(create(&root, "", GUARDED, 0640), NFS3ERR_ACCES);
    CU_ASSERT_EQUAL(create(&made, "x", GUARDED, 0640), NFS3ERR_NOTDIR);
}

static void an_exclusive_create_may_be_repeated_with_its_whole_verifier(void)
{
    static const char verf[8] = "\1\2\3\4\5\6\7\10";
    CU_ASSERT_EQUAL(create_exclusive(&root, "exclusive", verf), NFS3_OK);
    struct handle made = got.handle;
    CU_ASSERT_EQUAL(create_exclusive(&root, "exclusive", verf), NFS3_OK);
    CU_ASSERT_EQUAL(memcmp(made.bytes, got.handle.bytes, made.size), 0);
    for (int i = 0; i < 8; i++) {
        char other[8];
        memcpy(other, verf, sizeof other);
        other[i] ^= 0x40;
        CU_ASSERT_EQUAL(create_exclusive(&root, "exclusive", other), NFS3ERR_EXIST);
    }
}

static void special_files_are_made_by_mknod(void)
{
    MKNOD3args args = {.where = in(&root, "fifo"), .what.type = NF3FIFO};
    CU_ASSERT_EQUAL(CALL(mknod, make, &args), NFS3_OK);
    CU_ASSERT_EQUAL(attributes()->type, NF3FIFO);
    args = (MKNOD3args){.where = in(&root, "socket"), .what.type = NF3SOCK};
    CU_ASSERT_EQUAL(CALL(mknod, make, &args), NFS3_OK);
    CU_ASSERT_EQUAL(attributes()->type, NF3SOCK);
    args = (MKNOD3args){.where = in(&root, "device"), .what.type = NF3CHR};
    args.what.mknoddata3_u.chr_device.spec = (specdata3){1, 3};
    CU_ASSERT_EQUAL(CALL(mknod, make, &args), NFS3_OK);
    CU_ASSERT_EQUAL(attributes()->type, NF3CHR);
    CU_ASSERT(attributes()->rdev.specdata1 == 1 && attributes()->rdev.specdata2 == 3);
    args = (MKNOD3args){.where = in(&root, "bad"), .what.type = NF3REG};
    CU_ASSERT_EQUAL(CALL(mknod, make, &args), NFS3ERR_BADTYPE);
}

static void links_share_an_object(void)
{
    CU_ASSERT_EQUAL(create(&root, "linked", GUARDED, 0644), NFS3_OK);
    struct handle file = got.handle;
    LINK3args args = {.file = fh(&file), .link = in(&root, "linked2")};
    CU_ASSERT_EQUAL(CALL(link, link, &args), NFS3_OK);
    CU_ASSERT_EQUAL(attributes()->nlink, 2);
    CU_ASSERT(has_wcc(&got.wcc));
    CU_ASSERT_EQUAL(CALL(link, link, &args), NFS3ERR_EXIST);
    CU_ASSERT_EQUAL(lookup(&root, "linked2"), NFS3_OK);
    CU_ASSERT_EQUAL(memcmp(file.bytes, got.handle.bytes, file.size), 0);
    args.link = in(&root_other, "linked3");
    CU_ASSERT_EQUAL(CALL(link, link, &args), NFS3ERR_XDEV);
    CU_ASSERT_EQUAL(make_directory(&root, "no-link", 0755), NFS3_OK);
    args = (LINK3args){.file = fh(&got.handle), .link = in(&root, "linked4")};
    CU_ASSERT_EQUAL(CALL(link, link, &args), NFS3ERR_INVAL);
}

/* ---- remove -------------------------------------------------------------------------------- */

static void names_are_removed(void)
{
    CU_ASSERT_EQUAL(make_directory(&root, "dir", 0755), NFS3_OK);
    struct handle directory = got.handle;
    CU_ASSERT_EQUAL(attributes()->type, NF3DIR);
    CU_ASSERT_EQUAL(make_directory(&root, "dir", 0755), NFS3ERR_EXIST);
    CU_ASSERT_EQUAL(make_directory(&root, ".", 0755), NFS3ERR_EXIST);
    CU_ASSERT_EQUAL(create(&directory, "file", GUARDED, 0644), NFS3_OK);
    struct handle file = got.handle;
    CU_ASSERT_EQUAL(remove_directory(&root, "dir"), NFS3ERR_NOTEMPTY);
    CU_ASSERT_EQUAL(remove_name(&root, "dir"), NFS3ERR_ISDIR);
    CU_ASSERT_EQUAL(remove_directory(&directory, "file"), NFS3ERR_NOTDIR);
    CU_ASSERT_EQUAL(remove_directory(&root, "."), NFS3ERR_INVAL);
    CU_ASSERT_EQUAL(remove_directory(&root, ".."), NFS3ERR_EXIST);
    CU_ASSERT_EQUAL(remove_name(&root, ".."), NFS3ERR_INVAL);
    CU_ASSERT_EQUAL(remove_name(&directory, "file"), NFS3_OK);
    CU_ASSERT(has_wcc(&got.wcc));
    CU_ASSERT_EQUAL(remove_name(&directory, "file"), NFS3ERR_NOENT);
    CU_ASSERT_EQUAL(getattr(&file), NFS3ERR_STALE);
    CU_ASSERT_EQUAL(remove_directory(&root, "dir"), NFS3_OK);
    CU_ASSERT_EQUAL(getattr(&directory), NFS3ERR_STALE);
    CU_ASSERT_EQUAL(lookup(&directory, "x"), NFS3ERR_STALE);
}

static void names_move_between_directories(void)
{
    CU_ASSERT_EQUAL(make_directory(&root, "from", 0755), NFS3_OK);
    struct handle from = got.handle;
    CU_ASSERT_EQUAL(make_directory(&root, "to", 0755), NFS3_OK);
    struct handle to = got.handle;
    CU_ASSERT_EQUAL(create(&from, "a", GUARDED, 0644), NFS3_OK);
    struct handle file = got.handle;
    CU_ASSERT_EQUAL(rename_to(&from, "a", &to, "b"), NFS3_OK);
    CU_ASSERT(has_wcc(&got.wcc) && has_wcc(&got.wcc2));
    CU_ASSERT_NOT_EQUAL(got.wcc.after.post_op_attr_u.attributes.fileid,
                        got.wcc2.after.post_op_attr_u.attributes.fileid);
    CU_ASSERT_EQUAL(rename_to(&to, "b", &to, "c"), NFS3_OK);
    CU_ASSERT(has_wcc(&got.wcc) && has_wcc(&got.wcc2));
    CU_ASSERT_EQUAL(lookup(&to, "c"), NFS3_OK);
    CU_ASSERT_EQUAL(memcmp(file.bytes, got.handle.bytes, file.size), 0);
    CU_ASSERT_EQUAL(rename_to(&from, "a", &to, "b"), NFS3ERR_NOENT);
    CU_ASSERT_EQUAL(rename_to(&to, ".", &to, "b"), NFS3ERR_INVAL);
    CU_ASSERT_EQUAL(rename_to(&to, "c", &to, ".."), NFS3ERR_INVAL);
    CU_ASSERT_EQUAL(rename_to(&to, "c", &root_other, "c"), NFS3ERR_XDEV);
    CU_ASSERT_EQUAL(rename_to(&root, "from", &root, "to"), NFS3ERR_NOTEMPTY);
    CU_ASSERT_EQUAL(rename_to(&root, "to", &to, "inside"), NFS3ERR_INVAL);
}

/* ---- dir ----------------------------------------------------------------------------------- */

static void listing_begin(void)
{
    free(got.entries);
    got.entries = NULL;
    got.entry_count = 0;
}

/* Each of "." and ".." and the names once, and nothing else. */
static void check_listing(size_t wanted)
{
    static bool seen[ENTRIES];
    memset(seen, 0, sizeof seen);
    CU_ASSERT_EQUAL_FATAL(got.entry_count, wanted + 2);
    CU_ASSERT_STRING_EQUAL(got.entries[0].name, ".");
    CU_ASSERT_STRING_EQUAL(got.entries[1].name, "..");
    CU_ASSERT(got.entries[0].cookie == 1 && got.entries[1].cookie == 2);
    for (size_t i = 2; i < got.entry_count; i++) {
        unsigned number = ENTRIES;
        CU_ASSERT_EQUAL(sscanf(got.entries[i].name, "entry%u", &number), 1);
        CU_ASSERT_FATAL(number < ENTRIES);
        CU_ASSERT(!seen[number]);
        seen[number] = true;
    }
}

static void a_large_directory_is_listed_whole_in_small_pieces(void)
{
    char path[160];
    CU_ASSERT_EQUAL(make_directory(&root, "many", 0755), NFS3_OK);
    struct handle many = got.handle;
    for (int i = 0; i < ENTRIES; i++) {
        snprintf(path, sizeof path, "%s/vol0/many/entry%d", fixture.directory, i);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        CU_ASSERT_FATAL(fd >= 0);
        (void)close(fd);
    }
    static const uint32_t counts[] = {200, 512, 4096, 65536, 1024 * 1024};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        listing_begin();
        uint64_t cookie = 0;
        do {
            CU_ASSERT_EQUAL_FATAL(readdir(&many, cookie, counts[i]), NFS3_OK);
            CU_ASSERT(got.encoded <= counts[i]);
            CU_ASSERT_FATAL(got.entry_count > got.first_of_last || got.eof);
            /* As full as it can be: what is free is less than one more entry. */
            CU_ASSERT(got.eof || counts[i] > 128 * 1024 || counts[i] - got.encoded < 24 + 12);
            cookie = got.entries[got.entry_count - 1].cookie;
        } while (!got.eof);
        check_listing(ENTRIES);
        CU_ASSERT_EQUAL(got.entries[1].fileid, 1);
    }
}

static void readdirplus_tells_attributes_and_handles(void)
{
    CU_ASSERT_EQUAL(lookup(&root, "many"), NFS3_OK);
    struct handle many = got.handle;
    static const uint32_t counts[][2] = {
        {512, 1024}, {8192, 8192}, {1024, 65536}, {65536, 65536}, {1024 * 1024, 1024 * 1024}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        listing_begin();
        uint64_t cookie = 0;
        do {
            CU_ASSERT_EQUAL_FATAL(readdirplus(&many, cookie, counts[i][0], counts[i][1]), NFS3_OK);
            CU_ASSERT(got.encoded <= counts[i][1]);
            CU_ASSERT(got.eof || counts[i][1] != 65536 || counts[i][0] != 65536 ||
                      counts[i][1] - got.encoded < 24 + 12 + 140);
            size_t names = 0;
            for (size_t j = got.first_of_last; j < got.entry_count; j++) {
                names += 24 + ((strlen(got.entries[j].name) + 3) & ~(size_t)3);
            }
            CU_ASSERT(names <= counts[i][0]);
            CU_ASSERT_FATAL(got.entry_count > got.first_of_last || got.eof);
            cookie = got.entries[got.entry_count - 1].cookie;
        } while (!got.eof);
        check_listing(ENTRIES);
    }
    for (size_t i = 2; i < got.entry_count; i += 100) {
        const struct listed *listed = &got.entries[i];
        CU_ASSERT(listed->has_attr);
        CU_ASSERT_EQUAL(listed->attr.fileid, listed->fileid);
        CU_ASSERT_EQUAL(getattr(&listed->handle), NFS3_OK);
        CU_ASSERT_EQUAL(memcmp(attributes(), &listed->attr, sizeof listed->attr), 0);
    }
    CU_ASSERT_EQUAL(memcmp(got.entries[0].handle.bytes, many.bytes, many.size), 0);
    CU_ASSERT_EQUAL(memcmp(got.entries[1].handle.bytes, root.bytes, root.size), 0);
}

static void listings_refuse_what_cannot_be(void)
{
    CU_ASSERT_EQUAL(lookup(&root, "many"), NFS3_OK);
    struct handle many = got.handle;
    CU_ASSERT_EQUAL(readdir(&many, 0, 0), NFS3ERR_TOOSMALL);
    CU_ASSERT_EQUAL(readdir(&many, 0, 4 + 84 + 8 + 8 + 27), NFS3ERR_TOOSMALL);
    CU_ASSERT_EQUAL(readdir(&many, 0, 4 + 84 + 8 + 8 + 28), NFS3_OK);
    CU_ASSERT_EQUAL(readdirplus(&many, 0, 512, 4 + 84 + 8 + 8 + 28 + 139), NFS3ERR_TOOSMALL);
    CU_ASSERT_EQUAL(readdirplus(&many, 0, 512, 4 + 84 + 8 + 8 + 28 + 140), NFS3_OK);
    CU_ASSERT_EQUAL(readdir(&many, 5, 4096), NFS3ERR_BAD_COOKIE);
    memset(got.verf, 1, sizeof got.verf); /* which is not ours */
    CU_ASSERT_EQUAL(readdir(&many, 2, 4096), NFS3ERR_BAD_COOKIE);
    memset(got.verf, 1, sizeof got.verf);
    CU_ASSERT_EQUAL(readdirplus(&many, 1, 4096, 4096), NFS3ERR_BAD_COOKIE);
    CU_ASSERT_EQUAL(readdir(&many, 0, 4096), NFS3_OK);
    CU_ASSERT_EQUAL(lookup(&many, "entry0"), NFS3_OK);
    struct handle file = got.handle;
    CU_ASSERT_EQUAL(readdir(&file, 0, 4096), NFS3ERR_NOTDIR);
    CU_ASSERT_EQUAL(readdirplus(&file, 0, 4096, 4096), NFS3ERR_NOTDIR);
}

static void an_empty_directory_has_two_entries(void)
{
    CU_ASSERT_EQUAL(make_directory(&root, "empty", 0755), NFS3_OK);
    struct handle empty = got.handle;
    listing_begin();
    CU_ASSERT_EQUAL(readdir(&empty, 0, 4096), NFS3_OK);
    CU_ASSERT(got.eof && got.entry_count == 2);
    CU_ASSERT_EQUAL(readdir(&empty, 2, 4096), NFS3_OK);
    CU_ASSERT(got.eof && got.entry_count == 2);
    CU_ASSERT(got.dir.attributes_follow != 0);
}

/* ---- info ---------------------------------------------------------------------------------- */

static void the_volume_is_described(void)
{
    FSINFO3args fsinfo_args = {.fsroot = fh(&root)};
    CU_ASSERT_EQUAL(CALL(fsinfo, fsinfo, &fsinfo_args), NFS3_OK);
    const FSINFO3resok *fsinfo = &got.info.fsinfo;
    CU_ASSERT(fsinfo->obj_attributes.attributes_follow != 0);
    CU_ASSERT(fsinfo->rtmax == 1024 * 1024 && fsinfo->wtmax == 1024 * 1024);
    CU_ASSERT(fsinfo->rtpref == 1024 * 1024 && fsinfo->wtpref == 1024 * 1024);
    CU_ASSERT(fsinfo->dtpref == 128 * 1024);
    CU_ASSERT_EQUAL(fsinfo->properties,
                    FSF3_LINK | FSF3_SYMLINK | FSF3_HOMOGENEOUS | FSF3_CANSETTIME);
    CU_ASSERT(fsinfo->time_delta.seconds == 0 && fsinfo->time_delta.nseconds == 1);
    FSSTAT3args fsstat_args = {.fsroot = fh(&root)};
    CU_ASSERT_EQUAL(CALL(fsstat, fsstat, &fsstat_args), NFS3_OK);
    const FSSTAT3resok *fsstat = &got.info.fsstat;
    CU_ASSERT(fsstat->tbytes >= fsstat->fbytes && fsstat->fbytes >= fsstat->abytes);
    CU_ASSERT(fsstat->abytes > 0);
    PATHCONF3args pathconf_args = {.object = fh(&root)};
    CU_ASSERT_EQUAL(CALL(pathconf, pathconf, &pathconf_args), NFS3_OK);
    const PATHCONF3resok *pathconf = &got.info.pathconf;
    CU_ASSERT(pathconf->name_max == 255 && pathconf->no_trunc && pathconf->chown_restricted);
    CU_ASSERT(!pathconf->case_insensitive && pathconf->case_preserving);
    CU_ASSERT(pathconf->linkmax >= 1000);
}

/* ---- handles ------------------------------------------------------------------------------- */

static void handles_that_we_did_not_make_are_refused(void)
{
    for (unsigned i = 0; i < root.size; i++) {
        struct handle garbled = root;
        garbled.bytes[i] ^= 0x25; /* not 1: ids of neighbouring directories may differ by that */
        nfsstat3 status = getattr(&garbled);
        bool is_volume = i >= 4 && i < 20; /* whose key it was made with cannot be told then */
        CU_ASSERT_EQUAL(status, is_volume ? (nfsstat3)NFS3ERR_STALE : NFS3ERR_BADHANDLE);
    }
    for (unsigned size = 0; size <= 64; size++) {
        struct handle other = root;
        other.size = size;
        CU_ASSERT_EQUAL(getattr(&other), size == root.size ? NFS3_OK : NFS3ERR_BADHANDLE);
    }
    /* A handle of one volume with another one's id: its MAC is the wrong key's. */
    struct handle mixed = root;
    memcpy(mixed.bytes + 4, root_other.bytes + 4, 16);
    CU_ASSERT_EQUAL(getattr(&mixed), NFS3ERR_BADHANDLE);
}

/* ---- transports and clients ---------------------------------------------------------------- */

static size_t put_handle(uint8_t *to, const struct handle *handle)
{
    uint32_t size = htonl(handle->size);
    memcpy(to, &size, 4);
    memcpy(to + 4, handle->bytes, handle->size);
    return 4 + handle->size;
}

static uint32_t word(const uint8_t *from)
{
    uint32_t big;
    memcpy(&big, from, 4);
    return ntohl(big);
}

static void datagrams_are_answered_within_their_size(void)
{
    static uint8_t reply[65536];
    uint8_t body[128] = {0};
    size_t got_size = 0;
    int fd = raw_connect(fixture.nfs_udp, true);
    CU_ASSERT(raw_call(fd, true, 100003, 3, 0, NULL, 0, reply, sizeof reply, &got_size, 10000));
    CU_ASSERT_EQUAL(got_size, 24);
    size_t size = put_handle(body, &root);
    CU_ASSERT(raw_call(fd, true, 100003, 3, 19, body, size, reply, sizeof reply, &got_size, 10000));
    CU_ASSERT_EQUAL(word(reply + 24), NFS3_OK);
    CU_ASSERT_EQUAL(word(reply + 24 + 4 + 88), 32 * 1024); /* FSINFO's rtmax */
    CU_ASSERT_EQUAL(lookup(&root, "large"), NFS3_OK);
    size = put_handle(body, &got.handle);
    memset(body + size, 0, 8);
    memset(body + size + 8, 0x10, 4); /* READ of far too much */
    CU_ASSERT(
        raw_call(fd, true, 100003, 3, 6, body, size + 12, reply, sizeof reply, &got_size, 10000));
    CU_ASSERT_EQUAL(word(reply + 24), NFS3_OK);
    CU_ASSERT_EQUAL(word(reply + 24 + 4 + 88), 32 * 1024);
    (void)close(fd);
}

/* libnfs sends no longer ones than its own buffers. */
static void long_targets_are_taken_up_to_their_limit(void)
{
    static uint8_t body[8192];
    uint8_t reply[512];
    size_t got_size = 0;
    int fd = raw_connect(fixture.nfs_tcp, false);
    for (uint32_t target = 4094; target <= 4097; target++) {
        memset(body, 0, sizeof body);
        size_t size = put_handle(body, &root);
        body[size + 3] = 4;
        memcpy(body + size + 4, "tgt", 3);
        body[size + 7] = (uint8_t)('0' + target % 10);
        size += 8 + 6 * 4; /* the name; sattr3 that sets nothing */
        uint32_t big = htonl(target);
        memcpy(body + size, &big, 4);
        memset(body + size + 4, 't', target);
        size += 4 + ((target + 3) & ~3u);
        CU_ASSERT_FATAL(
            raw_call(fd, false, 100003, 3, 10, body, size, reply, sizeof reply, &got_size, 10000));
        CU_ASSERT_EQUAL(word(reply + 20), 0);
        CU_ASSERT_EQUAL(word(reply + 24), target <= 4095 ? 0u : (uint32_t)NFS3ERR_NAMETOOLONG);
    }
    (void)close(fd);
}

static void programs_use_it_as_any_server(void)
{
    struct nfs_context *nfs = nfs_init_context();
    char url[256];
    snprintf(url, sizeof url, "nfs://127.0.0.1/gv0/?version=3&nfsport=%u&mountport=%u",
             fixture.nfs_tcp, fixture.mount_tcp);
    struct nfs_url *parsed = nfs_parse_url_dir(nfs, url);
    CU_ASSERT_PTR_NOT_NULL_FATAL(parsed);
    CU_ASSERT_EQUAL_FATAL(nfs_mount(nfs, parsed->server, parsed->path), 0);
    struct nfsfh *file = NULL;
    char text[] = "written by a stranger";
    CU_ASSERT_EQUAL_FATAL(nfs_creat(nfs, "/stranger", 0644, &file), 0);
    CU_ASSERT_EQUAL(nfs_pwrite(nfs, file, 0, sizeof text, text), sizeof text);
    CU_ASSERT_EQUAL(nfs_fsync(nfs, file), 0);
    CU_ASSERT_EQUAL(nfs_close(nfs, file), 0);
    char back[sizeof text] = "";
    CU_ASSERT_EQUAL_FATAL(nfs_open(nfs, "/stranger", O_RDONLY, &file), 0);
    CU_ASSERT_EQUAL(nfs_pread(nfs, file, 0, sizeof back, back), sizeof back);
    CU_ASSERT_STRING_EQUAL(back, text);
    CU_ASSERT_EQUAL(nfs_close(nfs, file), 0);
    CU_ASSERT_EQUAL(nfs_unlink(nfs, "/stranger"), 0);
    CU_ASSERT(nfs_unlink(nfs, "/stranger") < 0);
    struct nfsdir *directory = NULL;
    CU_ASSERT_EQUAL_FATAL(nfs_opendir(nfs, "/many", &directory), 0);
    size_t count = 0;
    while (nfs_readdir(nfs, directory)) {
        count++;
    }
    CU_ASSERT_EQUAL(count, ENTRIES + 2);
    nfs_closedir(nfs, directory);
    nfs_destroy_url(parsed);
    nfs_destroy_context(nfs);
}

static void mount_all(void)
{
    struct {
        const char *path;
        struct handle *handle;
    } exports[] = {{"/gv0", &root},
                   {"/ro", &root_ro},
                   {"/all", &root_all},
                   {"/gv1", &root_other},
                   {"/async", &root_async}};
    for (size_t i = 0; i < sizeof exports / sizeof exports[0]; i++) {
        exports[i].handle->size =
            (unsigned)raw_mount(&fixture, exports[i].path, (uint8_t *)exports[i].handle->bytes);
        CU_ASSERT_EQUAL_FATAL(exports[i].handle->size, 44);
    }
}

int main(void)
{
    nfs_fixture_start(&fixture, "[export gv0]\nvolume = local:$DIR/vol0\n"
                                "[export gv1]\nvolume = local:$DIR/vol1\n"
                                "[export ro]\nvolume = local:$DIR/vol2\naccess = ro\n"
                                "[export async]\nvolume = local:$DIR\nsync = no\n"
                                "[export all]\nvolume = local:$DIR/vol3\nsquash = all\n"
                                "anonuid = 77\nanongid = 78\n");
    client_open(&client, fixture.nfs_tcp, 100003, 3);
    rpc_set_uid(client.rpc, 0);
    rpc_set_gid(client.rpc, 0);
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("nfs3", NULL, NULL);
    CU_ADD_TEST(suite, mount_all);
    CU_ADD_TEST(suite, the_root_has_attributes);
    CU_ADD_TEST(suite, setattr_changes_what_it_names_and_obeys_its_guard);
    CU_ADD_TEST(suite, access_tells_rights_and_exports_bound_them);
    CU_ADD_TEST(suite, callers_are_who_they_say_or_whom_the_export_makes_them);
    CU_ADD_TEST(suite, a_read_only_export_refuses_every_change);
    CU_ADD_TEST(suite, lookup_finds_names_and_refuses_what_is_none);
    CU_ADD_TEST(suite, symlinks_keep_their_target);
    CU_ADD_TEST(suite, what_is_written_is_read_back_with_an_exact_end);
    CU_ADD_TEST(suite, stable_writes_and_commit_tell_one_verifier);
    CU_ADD_TEST(suite, an_async_export_waits_for_no_disk);
    CU_ADD_TEST(suite, a_megabyte_goes_in_one_call_and_no_more);
    CU_ADD_TEST(suite, create_is_unchecked_guarded_or_exclusive);
    CU_ADD_TEST(suite, an_exclusive_create_may_be_repeated_with_its_whole_verifier);
    CU_ADD_TEST(suite, special_files_are_made_by_mknod);
    CU_ADD_TEST(suite, links_share_an_object);
    CU_ADD_TEST(suite, names_are_removed);
    CU_ADD_TEST(suite, names_move_between_directories);
    CU_ADD_TEST(suite, a_large_directory_is_listed_whole_in_small_pieces);
    CU_ADD_TEST(suite, readdirplus_tells_attributes_and_handles);
    CU_ADD_TEST(suite, listings_refuse_what_cannot_be);
    CU_ADD_TEST(suite, an_empty_directory_has_two_entries);
    CU_ADD_TEST(suite, the_volume_is_described);
    CU_ADD_TEST(suite, handles_that_we_did_not_make_are_refused);
    CU_ADD_TEST(suite, datagrams_are_answered_within_their_size);
    CU_ADD_TEST(suite, long_targets_are_taken_up_to_their_limit);
    CU_ADD_TEST(suite, programs_use_it_as_any_server);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    client_close(&client);
    nfs_fixture_stop(&fixture);
    free(got.entries);
    return failures != 0;
}
