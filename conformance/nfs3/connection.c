/*
 * The suite's connection, its exports, and the directory that each case has for itself.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/nfs3/connection.h"

#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HANDLE_SIZE_MAX 64
#define LISTING_SIZE 32768

static struct peer *nfs;
static struct caller caller = {.flavor = AUTH_UNIX};
static struct {
    char root_bytes[HANDLE_SIZE_MAX];
    nfs_fh3 root;
    char own_bytes[HANDLE_SIZE_MAX];
    nfs_fh3 own;
    char name[64]; /* of the case's directory */
    unsigned cases;
    bool is_fresh;
} place;

struct peer *connection(void)
{
    if (!nfs) {
        nfs = peer_open(PROGRAM_NFS, 3);
    }
    suite_check(nfs != NULL, __FILE__, __LINE__, "no connection");
    return nfs;
}

void connection_renew(void)
{
    peer_close(nfs);
    nfs = NULL;
}

const struct caller *caller_now(void)
{
    return &caller;
}

void as_root(void)
{
    caller = (struct caller){.flavor = AUTH_UNIX};
}

void as_user(uint32_t uid, uint32_t gid)
{
    caller = (struct caller){.flavor = AUTH_UNIX, .uid = uid, .gid = gid};
}

void as_member(uint32_t uid, uint32_t gid, uint32_t group)
{
    as_user(uid, gid);
    caller.group_count = 1;
    caller.groups[0] = group;
}

void as_nobody(void)
{
    caller = (struct caller){.flavor = AUTH_NONE};
}

/* ---- mounting -------------------------------------------------------------------------------- */

nfs_fh3 *mount_export(const char *path)
{
    if (!path) {
        return NULL;
    }
    struct peer *mount = peer_open(PROGRAM_MOUNT, 3);
    struct caller root = {.flavor = AUTH_UNIX};
    mountres3 *result = NULL;
    if (mount) {
        result = peer_call(mount, &root, (peer_starter *)(void (*)(void))rpc_mount3_mnt_async,
                           keep_copy(path, strlen(path)), (zdrproc_t)(void (*)(void))zdr_mountres3,
                           sizeof(mountres3));
    }
    peer_close(mount);
    if (!result || result->fhs_status != MNT3_OK) {
        return NULL;
    }
    nfs_fh3 *handle = keep_new(sizeof *handle);
    const fhandle3 *came = &result->mountres3_u.mountinfo.fhandle;
    handle->data.data_len = came->fhandle3_len;
    handle->data.data_val = came->fhandle3_val;
    return handle;
}

static nfs_fh3 handle_copy(const nfs_fh3 *handle, char bytes[HANDLE_SIZE_MAX])
{
    memcpy(bytes, handle->data.data_val, handle->data.data_len);
    nfs_fh3 copy = {{.data_len = handle->data.data_len, .data_val = bytes}};
    return copy;
}

bool nfs3_start(void)
{
    const nfs_fh3 *root = mount_export(suite_options.export);
    if (!root) {
        fprintf(stderr, "%s:%s cannot be mounted\n", suite_options.server, suite_options.export);
        return false;
    }
    place.root = handle_copy(root, place.root_bytes);
    nfs = peer_open(PROGRAM_NFS, 3);
    keep_end();
    return nfs != NULL;
}

void nfs3_stop(void)
{
    peer_close(nfs);
    nfs = NULL;
    keep_end();
}

nfs_fh3 *export_root(void)
{
    return &place.root;
}

nfs_fh3 *here(void)
{
    if (place.is_fresh) {
        return &place.own;
    }
    struct caller before = caller;
    as_root();
    (void)snprintf(place.name, sizeof place.name, "conformance-%d-%u", (int)getpid(), place.cases);
    CREATE3res *made = call_mkdir(&place.root, place.name, with_mode(0777));
    STATUS(made, NFS3_OK);
    LOOKUP3res *found = call_lookup(&place.root, place.name);
    STATUS(found, NFS3_OK);
    place.own = handle_copy(&found->LOOKUP3res_u.resok.object, place.own_bytes);
    place.is_fresh = true;
    STATUS(call_setattr(&place.own, with_mode(0777), NULL), NFS3_OK); /* whatever its umask is */
    caller = before;
    return &place.own;
}

/* ---- after a case ---------------------------------------------------------------------------- */

/* These calls must not end anything: what they cannot do is left behind. */
static void *quietly(uint32_t procedure, peer_starter *start, void *arguments)
{
    return peer_call(nfs, &caller, start, arguments, result_proc(procedure),
                     result_size(procedure));
}

#define QUIETLY(NAME, name, arguments)                                                             \
    quietly(NFS3_##NAME, (peer_starter *)(void (*)(void))rpc_nfs3_##name##_async, (arguments))

static void remove_all(nfs_fh3 *directory, unsigned depth);

static void remove_entry(nfs_fh3 *directory, char *name, unsigned depth)
{
    diropargs3 at = {.dir = *directory, .name = name};
    const REMOVE3res *removed = QUIETLY(REMOVE, remove, &(REMOVE3args){.object = at});
    if (!removed || removed->status == NFS3_OK) {
        return;
    }
    const LOOKUP3res *found = QUIETLY(LOOKUP, lookup, &(LOOKUP3args){.what = at});
    if (found && found->status == NFS3_OK && depth > 0) {
        nfs_fh3 below = found->LOOKUP3res_u.resok.object;
        remove_all(&below, depth - 1);
    }
    (void)QUIETLY(RMDIR, rmdir, &(RMDIR3args){.object = at});
}

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* From the start again and again, until a listing has nothing but the dots. */
static void remove_all(nfs_fh3 *directory, unsigned depth)
{
    for (unsigned round = 0; round < 1000; round++) {
        READDIR3args args = {.dir = *directory, .count = LISTING_SIZE};
        const READDIR3res *listing = QUIETLY(READDIR, readdir, &args);
        bool has_more = false;
        if (listing && listing->status == NFS3_OK) {
            for (const entry3 *entry = listing->READDIR3res_u.resok.reply.entries; entry;
                 entry = entry->nextentry) {
                if (!is_dot(entry->name)) {
                    has_more = true;
                    remove_entry(directory, entry->name, depth);
                }
            }
        }
        if (!has_more) {
            return;
        }
    }
}

void nfs3_case_begin(void)
{
    place.cases++;
    place.is_fresh = false;
    as_root();
}

void nfs3_case_end(void)
{
    as_root();
    if (!nfs) {
        nfs = peer_open(PROGRAM_NFS, 3);
    }
    if (place.is_fresh && nfs) {
        remove_all(&place.own, 4);
        diropargs3 at = {.dir = place.root, .name = place.name};
        const RMDIR3res *removed = QUIETLY(RMDIR, rmdir, &(RMDIR3args){.object = at});
        if (!removed || removed->status != NFS3_OK) {
            printf("left behind: %s\n", place.name);
        }
    }
    place.is_fresh = false;
    keep_end();
}
