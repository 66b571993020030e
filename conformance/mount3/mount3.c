/*
 * MOUNT for the cases. See mount3.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/mount3/mount3.h"

#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw.h>
#include <stdio.h>
#include <string.h>
#include "conformance/lib/peer.h"

static struct peer *peer;
static bool has_tree;
static const struct caller root = {.flavor = AUTH_UNIX};

bool mount3_start(void)
{
    peer = peer_open(PROGRAM_MOUNT, 3);
    return peer != NULL;
}

void mount3_stop(void)
{
    peer_close(peer);
    peer = NULL;
    keep_end();
}

void mount3_case_begin(void)
{
    has_tree = false;
}

/* ---- calls ----------------------------------------------------------------------------------- */

#define CODEC(type) ((zdrproc_t)(void (*)(void))zdr_##type)

static int start_mnt(void *rpc, void *callback, void *path, void *context)
{
    return rpc_mount3_mnt_async(rpc, (rpc_cb)(uintptr_t)callback, path, context);
}

static int start_umnt(void *rpc, void *callback, void *path, void *context)
{
    return rpc_mount3_umnt_async(rpc, (rpc_cb)(uintptr_t)callback, path, context);
}

static int start_dump(void *rpc, void *callback, void *arguments, void *context)
{
    (void)arguments;
    return rpc_mount3_dump_async(rpc, (rpc_cb)(uintptr_t)callback, context);
}

static int start_umntall(void *rpc, void *callback, void *arguments, void *context)
{
    (void)arguments;
    return rpc_mount3_umntall_async(rpc, (rpc_cb)(uintptr_t)callback, context);
}

static int start_export(void *rpc, void *callback, void *arguments, void *context)
{
    (void)arguments;
    return rpc_mount3_export_async(rpc, (rpc_cb)(uintptr_t)callback, context);
}

static void *call(const char *name, peer_starter *start, const char *path, zdrproc_t proc,
                  size_t size)
{
    void *result =
        peer_call(peer, &root, start, path ? keep_copy(path, strlen(path)) : NULL, proc, size);
    suite_check(result != NULL, __FILE__, __LINE__, "%s was not answered: %s", name,
                peer_error(peer));
    return result;
}

mountres3 *mount_mnt(const char *path)
{
    mountres3 *result = call("MNT", start_mnt, path, CODEC(mountres3), sizeof(mountres3));
    suite_saw("MNT", mount_status_name((int)result->fhs_status));
    return result;
}

mountlist mount_dump(void)
{
    mountlist *list = call("DUMP", start_dump, NULL, CODEC(mountlist), sizeof(mountlist));
    suite_saw("DUMP", "OK");
    return *list;
}

void mount_umnt(const char *path)
{
    (void)call("UMNT", start_umnt, path, NULL, 0);
    suite_saw("UMNT", "OK");
}

void mount_umntall(void)
{
    (void)call("UMNTALL", start_umntall, NULL, NULL, 0);
    suite_saw("UMNTALL", "OK");
}

exports mount_exports(void)
{
    exports *list = call("EXPORT", start_export, NULL, CODEC(exports), sizeof(exports));
    suite_saw("EXPORT", "OK");
    return *list;
}

struct wire_answer mount_call(enum wire_kind kind, uint32_t version, uint32_t procedure,
                              const char *path, bool is_privileged)
{
    struct wire wire;
    struct wire_answer answer = {0};
    struct wire_call one = {
        .program = PROGRAM_MOUNT, .version = version, .procedure = procedure, .caller = root};
    char *copy = path ? keep_copy(path, strlen(path)) : NULL;
    if (path) {
        wire_body(&one, CODEC(dirpath), &copy);
    }
    CHECK(wire_open(&wire, kind, wire_port(PROGRAM_MOUNT, 3, kind), is_privileged));
    bool came = wire_call(&wire, &one, &answer);
    wire_close(&wire);
    CHECK(came);
    return answer;
}

/* ---- checking -------------------------------------------------------------------------------- */

const char *mount_status_name(int status)
{
    switch (status) {
    case MNT3_OK:
        return "OK";
    case MNT3ERR_PERM:
        return "PERM";
    case MNT3ERR_NOENT:
        return "NOENT";
    case MNT3ERR_IO:
        return "IO";
    case MNT3ERR_ACCES:
        return "ACCES";
    case MNT3ERR_NOTDIR:
        return "NOTDIR";
    case MNT3ERR_INVAL:
        return "INVAL";
    case MNT3ERR_NAMETOOLONG:
        return "NAMETOOLONG";
    case MNT3ERR_NOTSUPP:
        return "NOTSUPP";
    case MNT3ERR_SERVERFAULT:
        return "SERVERFAULT";
    default:
        return "a status that RFC 1813 does not have";
    }
}

/* libnfs places what it decodes at multiples of four bytes, so it is copied. */
unsigned times_mounted(mountlist list, const char *directory)
{
    unsigned times = 0;
    while (list) {
        mountbody one;
        memcpy(&one, list, sizeof one);
        times += strcmp(one.ml_directory, directory) == 0;
        list = one.ml_next;
    }
    return times;
}

exports export_named(exports list, const char *path)
{
    while (list) {
        exportnode *one = keep_copy(list, sizeof *one);
        if (strcmp(one->ex_dir, path) == 0) {
            return one;
        }
        list = one->ex_next;
    }
    return NULL;
}

char *below_export(const char *more)
{
    size_t size = strlen(suite_options.export) + strlen(more) + 1;
    char *path = keep_new(size);
    (void)snprintf(path, size, "%s%s", suite_options.export, more);
    return path;
}

/* ---- a tree to mount ------------------------------------------------------------------------- */

#define NFS(name) ((peer_starter *)(void (*)(void))rpc_nfs3_##name##_async)

/* The calls go through a connection of their own; what fails shows in the case. */
static void change_tree(bool does_make)
{
    mountres3 *mounted =
        peer_call(peer, &root, start_mnt, below_export(""), CODEC(mountres3), sizeof(mountres3));
    struct peer *nfs = peer_open(PROGRAM_NFS, 3);
    if (!nfs || !mounted || mounted->fhs_status != MNT3_OK) {
        peer_close(nfs);
        return;
    }
    const fhandle3 *handle = &mounted->mountres3_u.mountinfo.fhandle;
    nfs_fh3 top = {{.data_len = handle->fhandle3_len, .data_val = handle->fhandle3_val}};
    static char directory[] = "conformance-dir";
    static char file[] = "file";
    diropargs3 at = {.dir = top, .name = directory};
    if (does_make) {
        (void)peer_call(nfs, &root, NFS(mkdir), &(MKDIR3args){.where = at}, CODEC(MKDIR3res),
                        sizeof(MKDIR3res));
    }
    LOOKUP3res *found = peer_call(nfs, &root, NFS(lookup), &(LOOKUP3args){.what = at},
                                  CODEC(LOOKUP3res), sizeof(LOOKUP3res));
    if (found && found->status == NFS3_OK) {
        diropargs3 in = {.dir = found->LOOKUP3res_u.resok.object, .name = file};
        (void)(does_make ? peer_call(nfs, &root, NFS(create), &(CREATE3args){.where = in},
                                     CODEC(CREATE3res), sizeof(CREATE3res))
                         : peer_call(nfs, &root, NFS(remove), &(REMOVE3args){.object = in},
                                     CODEC(REMOVE3res), sizeof(REMOVE3res)));
    }
    if (!does_make) {
        (void)peer_call(nfs, &root, NFS(rmdir), &(RMDIR3args){.object = at}, CODEC(RMDIR3res),
                        sizeof(RMDIR3res));
    }
    peer_close(nfs);
}

void make_tree(void)
{
    has_tree = true;
    change_tree(true);
}

void mount3_case_end(void)
{
    if (has_tree) {
        change_tree(false);
    }
    keep_end();
}
