/*
 * MOUNT: from an export's path, or a directory below it, to the handle that a client begins with.
 * RFC 1813 section 5. MNT walks the path name by name, each a request of its own to the volume, so
 * that no thread waits here either. Whether a client may use an export is decided by its address,
 * again at every NFS call; the list of mounts only informs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/nfs3/mount.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "backend/base/check.h"
#include "backend/base/scope.h"
#include "backend/proto/fhandle.h"
#include "frontends/nfs3/mount3.h"

/* Names in a path: far more than anybody has; bounds a walk, which costs a request each. */
#define WALK_NAMES_MAX 64

static_assert(FHANDLE_SIZE <= MOUNT_HANDLE_MAX, "a handle fits");

struct mounted {
    char host[INET6_ADDRSTRLEN];
    char directory[MOUNT_PATH_MAX + 1];
};

/* lock guards what follows it. Invariant: mounted_count <= MOUNTS_LISTED_MAX, the oldest first. */
struct mount {
    const struct exports *exports;
    struct rpc_program programs[MOUNT_PROGRAMS];
    atomic_bool is_stopping;
    pthread_mutex_t lock;
    pthread_cond_t drained;
    unsigned open_count;
    struct mounted *mounted[MOUNTS_LISTED_MAX];
    size_t mounted_count;
};

/* A MNT on its way down the path. */
struct walk {
    struct mount *mount;
    struct rpc_call *call;
    const struct export *export;
    char path[MOUNT_PATH_MAX + 1];
    const char *next; /* in path: the names still to be walked */
    unsigned names;
    struct volume_request volume;
};

/* ---- the list of mounts -------------------------------------------------------------------- */

static void peer_text(const struct rpc_call *call, char out_text[INET6_ADDRSTRLEN])
{
    const struct sockaddr *peer = rpc_call_peer(call);
    uint8_t address[16];
    if (!peer_address(peer, address)) {
        snprintf(out_text, INET6_ADDRSTRLEN, "local");
    } else if (peer->sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, address + 12, out_text, INET6_ADDRSTRLEN); /* it fits */
    } else {
        (void)inet_ntop(AF_INET6, address, out_text, INET6_ADDRSTRLEN);
    }
}

/* Forget the mounts of host, all or that of one directory. The caller holds lock. */
static void forget(struct mount *mount, const char *host, const char *directory)
{
    size_t kept = 0;
    for (size_t i = 0; i < mount->mounted_count; i++) {
        struct mounted *mounted = mount->mounted[i];
        if (strcmp(mounted->host, host) == 0 &&
            (!directory || strcmp(mounted->directory, directory) == 0)) {
            free(mounted);
        } else {
            mount->mounted[kept++] = mounted;
        }
    }
    mount->mounted_count = kept;
}

static void remember(struct mount *mount, const struct rpc_call *call, const char *directory)
{
    struct mounted *mounted = malloc(sizeof *mounted);
    if (!mounted) {
        return; /* the list only informs */
    }
    peer_text(call, mounted->host);
    snprintf(mounted->directory, sizeof mounted->directory, "%s", directory);
    AUTO_LOCK(&mount->lock);
    forget(mount, mounted->host, mounted->directory);
    if (mount->mounted_count == MOUNTS_LISTED_MAX) {
        free(mount->mounted[0]);
        mount->mounted_count--;
        memmove(mount->mounted, mount->mounted + 1,
                mount->mounted_count * sizeof mount->mounted[0]);
    }
    mount->mounted[mount->mounted_count++] = mounted;
}

/* ---- MNT ----------------------------------------------------------------------------------- */

static enum mountstat3 mount_status(int code)
{
    static const struct {
        int code;
        enum mountstat3 status;
    } mapping[] = {
        {0, MNT3_OK},
        {ENOENT, MNT3ERR_NOENT},
        {ESTALE, MNT3ERR_NOENT}, /* removed while it was walked */
        {E_UNKNOWN_VOLUME, MNT3ERR_NOENT},
        {ENOTDIR, MNT3ERR_NOTDIR},
        {EACCES, MNT3ERR_ACCES},
        {EPERM, MNT3ERR_PERM},
        {EINVAL, MNT3ERR_INVAL},
        {ENAMETOOLONG, MNT3ERR_NAMETOOLONG},
        {EIO, MNT3ERR_IO},
    };
    for (size_t i = 0; i < sizeof mapping / sizeof mapping[0]; i++) {
        if (mapping[i].code == -code) {
            return mapping[i].status;
        }
    }
    return MNT3ERR_SERVERFAULT;
}

static void answer_failure(struct rpc_call *call, int code)
{
    mountres3 result = {.fhs_status = mount_status(code)};
    rpc_call_reply(call, (xdrproc_t)xdr_mountres3, &result, NULL);
}

static void answer_handle(struct rpc_call *call, const struct export *export,
                          const struct gfid *gfid)
{
    const struct volume_spec *spec = volume_spec(atomic_load(&export->volume));
    uint8_t handle[FHANDLE_SIZE];
    fhandle_make(&spec->id, spec->handle_key, gfid, handle);
    int flavors[] = {AUTH_SYS, AUTH_NONE};
    mountres3 result = {.fhs_status = MNT3_OK};
    mountres3_ok *mountinfo = &result.mountres3_u.mountinfo;
    mountinfo->fhandle.fhandle_val = (char *)handle;
    mountinfo->fhandle.fhandle_len = sizeof handle;
    mountinfo->auth_flavors.auth_flavors_val = flavors;
    mountinfo->auth_flavors.auth_flavors_len = sizeof flavors / sizeof flavors[0];
    rpc_call_reply(call, (xdrproc_t)xdr_mountres3, &result, NULL);
}

static void walk_end(struct walk *walk)
{
    struct mount *mount = walk->mount;
    free(walk);
    AUTO_LOCK(&mount->lock);
    mount->open_count--;
    if (mount->open_count == 0) {
        pthread_cond_broadcast(&mount->drained);
    }
}

/* The next name of the path, "" at its end. */
static struct slice walk_name(struct walk *walk)
{
    walk->next += strspn(walk->next, "/");
    struct slice name = slice_of(walk->next, strcspn(walk->next, "/"));
    walk->next += name.size;
    return name;
}

static void walk_submit(struct walk *walk, enum volume_op op, const struct gfid *object,
                        struct slice name);

static void walk_completed(struct volume_request *request)
{
    struct walk *walk = request->context;
    const struct attr *attr = &request->reply.object;
    int status = request->reply.status;
    struct slice name = walk_name(walk);
    if (status == 0 && attr->type != OBJECT_DIRECTORY) {
        status = -ENOTDIR;
    } else if (status == 0 && (name.size > NAME_SIZE_MAX || ++walk->names > WALK_NAMES_MAX)) {
        status = -ENAMETOOLONG;
    }
    if (status == -EINTR || atomic_load(&walk->mount->is_stopping)) {
        rpc_call_drop(walk->call);
    } else if (status) {
        answer_failure(walk->call, status);
    } else if (name.size == 0) {
        remember(walk->mount, walk->call, walk->path);
        answer_handle(walk->call, walk->export, &attr->gfid);
    } else {
        struct gfid directory = attr->gfid;
        walk_submit(walk, VOLUME_LOOKUP, &directory, name);
        return;
    }
    walk_end(walk);
}

static void walk_submit(struct walk *walk, enum volume_op op, const struct gfid *object,
                        struct slice name)
{
    walk->volume = (struct volume_request){
        .op = op,
        /* Where a client may begin is the administrator's decision, made by the export; what it may
         * do there is checked at every call. */
        .cred = {.flags = CRED_CHECKED},
        .object = *object,
        .name = name,
        .complete = walk_completed,
        .context = walk,
    };
    volume_submit(atomic_load(&walk->export->volume), &walk->volume);
}

/* The export of a path, if the caller may have it. */
static int find_export(const struct mount *mount, const struct rpc_call *call, const char *path,
                       const struct export **out_export, const char **out_below)
{
    const struct export *export = exports_by_path(mount->exports, path, out_below);
    if (!export) {
        return -ENOENT;
    }
    if (!export_admits(export, rpc_call_peer(call))) {
        return -EACCES;
    }
    if (!atomic_load(&export->volume)) {
        int status = atomic_load(&export->open_status);
        return status == -E_UNKNOWN_VOLUME ? status : -EAGAIN;
    }
    *out_export = export;
    return 0;
}

/* Take the path of MNT and UMNT, without slashes at its end. Fails: the call is then answered. */
static int take_path(struct rpc_call *call, char out_path[MOUNT_PATH_MAX + 1])
{
    mount_path args = {.path = NULL};
    if (rpc_call_decode(call, (xdrproc_t)xdr_mount_path, &args, NULL)) {
        rpc_call_garbage(call);
        return -E_BAD_MESSAGE;
    }
    snprintf(out_path, MOUNT_PATH_MAX + 1, "%s", args.path);
    xdr_free((xdrproc_t)xdr_mount_path, (char *)&args);
    for (size_t size = strlen(out_path); size > 1 && out_path[size - 1] == '/'; size--) {
        out_path[size - 1] = '\0';
    }
    return 0;
}

static void handle_mnt(struct rpc_call *call, void *context)
{
    struct mount *mount = context;
    struct walk *walk = calloc(1, sizeof *walk);
    if (!walk) {
        rpc_call_drop(call);
        return;
    }
    *walk = (struct walk){.mount = mount, .call = call};
    if (take_path(call, walk->path)) {
        free(walk);
        return;
    }
    int status = find_export(mount, call, walk->path, &walk->export, &walk->next);
    if (status) {
        answer_failure(call, status);
        free(walk);
        return;
    }
    {
        AUTO_LOCK(&mount->lock);
        mount->open_count++;
    }
    /* The root is asked for too: a handle of a volume that does not answer would help nobody. */
    walk_submit(walk, VOLUME_GETATTR, &GFID_ROOT, slice_of(NULL, 0));
}

/* ---- the others ---------------------------------------------------------------------------- */

static void handle_null(struct rpc_call *call, void *context)
{
    (void)context;
    rpc_call_reply_raw(call, NULL, 0);
}

static void handle_dump(struct rpc_call *call, void *context)
{
    struct mount *mount = context;
    AUTO_LOCK(&mount->lock); /* an answer is copied or sent, never waited for */
    AUTO_FREE mount_item *items = calloc(MOUNTS_LISTED_MAX, sizeof *items);
    if (!items) {
        rpc_call_drop(call);
        return;
    }
    mount_list list = {.first = mount->mounted_count ? items : NULL};
    for (size_t i = 0; i < mount->mounted_count; i++) {
        items[i] = (mount_item){
            .hostname = mount->mounted[i]->host,
            .directory = mount->mounted[i]->directory,
            .next = i + 1 < mount->mounted_count ? &items[i + 1] : NULL,
        };
    }
    rpc_call_reply(call, (xdrproc_t)xdr_mount_list, &list, NULL);
}

static void handle_umnt(struct rpc_call *call, void *context)
{
    struct mount *mount = context;
    char path[MOUNT_PATH_MAX + 1];
    if (take_path(call, path)) {
        return;
    }
    char host[INET6_ADDRSTRLEN];
    peer_text(call, host);
    {
        AUTO_LOCK(&mount->lock);
        forget(mount, host, path);
    }
    rpc_call_reply_raw(call, NULL, 0);
}

static void handle_umntall(struct rpc_call *call, void *context)
{
    struct mount *mount = context;
    char host[INET6_ADDRSTRLEN];
    peer_text(call, host);
    {
        AUTO_LOCK(&mount->lock);
        forget(mount, host, NULL);
    }
    rpc_call_reply_raw(call, NULL, 0);
}

struct export_item {
    mount_export export;
    mount_group groups[EXPORT_CLIENTS_MAX];
};

/* XDR's structs have no const, but an answer is only read. */
static char *text_of(const char *text)
{
    return (char *)(uintptr_t)text;
}

static void handle_export(struct rpc_call *call, void *context)
{
    const struct exports *exports = ((struct mount *)context)->exports;
    AUTO_FREE struct export_item *items = calloc(exports->count, sizeof *items);
    if (!items) {
        rpc_call_drop(call);
        return;
    }
    mount_exports list = {.first = &items[0].export};
    for (size_t i = 0; i < exports->count; i++) {
        const struct export *export = exports->items[i];
        items[i].export = (mount_export){
            .directory = text_of(export->path),
            .groups = items[i].groups,
            .next = i + 1 < exports->count ? &items[i + 1].export : NULL,
        };
        for (size_t j = 0; j < export->client_count; j++) {
            items[i].groups[j] = (mount_group){
                .name = text_of(export->clients[j].text),
                .next = j + 1 < export->client_count ? &items[i].groups[j + 1] : NULL,
            };
        }
    }
    rpc_call_reply(call, (xdrproc_t)xdr_mount_exports, &list, NULL);
}

/* ---- life ---------------------------------------------------------------------------------- */

static const struct rpc_procedure procedures3[] = {
    [MOUNT3_NULL] = {"NULL", handle_null},          [MOUNT3_MNT] = {"MNT", handle_mnt},
    [MOUNT3_DUMP] = {"DUMP", handle_dump},          [MOUNT3_UMNT] = {"UMNT", handle_umnt},
    [MOUNT3_UMNTALL] = {"UMNTALL", handle_umntall}, [MOUNT3_EXPORT] = {"EXPORT", handle_export},
};

static const struct rpc_procedure procedures1[] = {
    [MOUNT1_NULL] = {"NULL", handle_null},       [MOUNT1_DUMP] = {"DUMP", handle_dump},
    [MOUNT1_UMNT] = {"UMNT", handle_umnt},       [MOUNT1_UMNTALL] = {"UMNTALL", handle_umntall},
    [MOUNT1_EXPORT] = {"EXPORT", handle_export},
};

int mount_new(const struct exports *exports, struct mount **out_mount)
{
    PRE(exports->count > 0);
    struct mount *mount = calloc(1, sizeof *mount);
    if (!mount) {
        return -ENOMEM;
    }
    mount->exports = exports;
    mount->programs[0] = (struct rpc_program){
        .program = MOUNT_PROGRAM,
        .version = MOUNT_VERSION3,
        .procedures = procedures3,
        .procedure_count = sizeof procedures3 / sizeof procedures3[0],
        .context = mount,
    };
    mount->programs[1] = (struct rpc_program){
        .program = MOUNT_PROGRAM,
        .version = MOUNT_VERSION1,
        .procedures = procedures1,
        .procedure_count = sizeof procedures1 / sizeof procedures1[0],
        .context = mount,
    };
    pthread_mutex_init(&mount->lock, NULL);
    pthread_cond_init(&mount->drained, NULL);
    *out_mount = mount;
    return 0;
}

const struct rpc_program *mount_program(const struct mount *mount, size_t index)
{
    PRE(index < MOUNT_PROGRAMS);
    return &mount->programs[index];
}

void mount_stop(struct mount *mount)
{
    atomic_store(&mount->is_stopping, true);
}

void mount_drain(struct mount *mount)
{
    AUTO_LOCK(&mount->lock);
    while (mount->open_count > 0) {
        pthread_cond_wait(&mount->drained, &mount->lock);
    }
}

void mount_free(struct mount *mount)
{
    if (!mount) {
        return;
    }
    PRE(mount->open_count == 0);
    for (size_t i = 0; i < mount->mounted_count; i++) {
        free(mount->mounted[i]);
    }
    pthread_cond_destroy(&mount->drained);
    pthread_mutex_destroy(&mount->lock);
    free(mount);
}
