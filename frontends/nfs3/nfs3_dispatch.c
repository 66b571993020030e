/*
 * NFS version 3: the table of procedures, and the way of every call through it. Nothing here waits:
 * a call is decoded and submitted to its volume by the thread that read it, and answered by the
 * thread that completes it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/nfs3/nfs3_dispatch.h"

#include <pthread.h>
#include <stdlib.h>
#include <xxhash.h>
#include "backend/base/check.h"
#include "backend/base/scope.h"
#include "frontends/nfs3/nfs3_request.h"
#include "frontends/nfs3/nfs3_status.h"

/* lock guards everything below it. Invariant: open_count counts the requests not in spare. */
struct nfs3 {
    const struct exports *exports;
    struct rpc_program program;
    atomic_bool is_stopping;
    pthread_mutex_t lock;
    pthread_cond_t drained;
    struct nfs3_request *spare;
    unsigned spare_count;
    unsigned open_count;
};

#define DECODE(type) ((xdrproc_t)(void (*)(void))xdr_##type)

static const struct nfs3_row rows[NFS3_PROCEDURES] = {
    [NFS3_GETATTR] = {DECODE(GETATTR3args), nfs3_getattr, nfs3_getattr_reply, false, false},
    [NFS3_SETATTR] = {DECODE(SETATTR3args), nfs3_setattr, nfs3_setattr_reply, true, true},
    [NFS3_LOOKUP] = {DECODE(LOOKUP3args), nfs3_lookup, nfs3_lookup_reply, false, false},
    [NFS3_ACCESS] = {DECODE(ACCESS3args), nfs3_access, nfs3_access_reply, false, false},
    [NFS3_READLINK] = {DECODE(READLINK3args), nfs3_readlink, nfs3_readlink_reply, false, false},
    [NFS3_READ] = {DECODE(READ3args), nfs3_read, nfs3_read_reply, false, false},
    [NFS3_WRITE] = {DECODE(WRITE3args), nfs3_write, nfs3_write_reply, true, false},
    [NFS3_CREATE] = {DECODE(CREATE3args), nfs3_create, nfs3_make_reply, true, true},
    [NFS3_MKDIR] = {DECODE(MKDIR3args), nfs3_mkdir, nfs3_make_reply, true, true},
    [NFS3_SYMLINK] = {DECODE(SYMLINK3args), nfs3_symlink, nfs3_make_reply, true, true},
    [NFS3_MKNOD] = {DECODE(MKNOD3args), nfs3_mknod, nfs3_make_reply, true, true},
    [NFS3_REMOVE] = {DECODE(REMOVE3args), nfs3_remove, nfs3_remove_reply, true, true},
    [NFS3_RMDIR] = {DECODE(REMOVE3args), nfs3_rmdir, nfs3_remove_reply, true, true},
    [NFS3_RENAME] = {DECODE(RENAME3args), nfs3_rename, nfs3_rename_reply, true, true},
    [NFS3_LINK] = {DECODE(LINK3args), nfs3_link, nfs3_link_reply, true, true},
    [NFS3_READDIR] = {DECODE(READDIR3args), nfs3_readdir, nfs3_readdir_reply, false, false},
    [NFS3_READDIRPLUS] = {DECODE(READDIRPLUS3args), nfs3_readdirplus, nfs3_readdirplus_reply, false,
                          false},
    [NFS3_FSSTAT] = {DECODE(FSSTAT3args), nfs3_fsstat, nfs3_fsstat_reply, false, false},
    [NFS3_FSINFO] = {DECODE(FSSTAT3args), nfs3_fsinfo, nfs3_fsinfo_reply, false, false},
    [NFS3_PATHCONF] = {DECODE(FSSTAT3args), nfs3_fsinfo, nfs3_pathconf_reply, false, false},
    [NFS3_COMMIT] = {DECODE(COMMIT3args), nfs3_commit, nfs3_commit_reply, false, false},
};

static rpc_handler handle_null;
static rpc_handler handle_call;

static const struct rpc_procedure procedures[NFS3_PROCEDURES] = {
    [NFS3_NULL] = {"NULL", handle_null},         [NFS3_GETATTR] = {"GETATTR", handle_call},
    [NFS3_SETATTR] = {"SETATTR", handle_call},   [NFS3_LOOKUP] = {"LOOKUP", handle_call},
    [NFS3_ACCESS] = {"ACCESS", handle_call},     [NFS3_READLINK] = {"READLINK", handle_call},
    [NFS3_READ] = {"READ", handle_call},         [NFS3_WRITE] = {"WRITE", handle_call},
    [NFS3_CREATE] = {"CREATE", handle_call},     [NFS3_MKDIR] = {"MKDIR", handle_call},
    [NFS3_SYMLINK] = {"SYMLINK", handle_call},   [NFS3_MKNOD] = {"MKNOD", handle_call},
    [NFS3_REMOVE] = {"REMOVE", handle_call},     [NFS3_RMDIR] = {"RMDIR", handle_call},
    [NFS3_RENAME] = {"RENAME", handle_call},     [NFS3_LINK] = {"LINK", handle_call},
    [NFS3_READDIR] = {"READDIR", handle_call},   [NFS3_READDIRPLUS] = {"READDIRPLUS", handle_call},
    [NFS3_FSSTAT] = {"FSSTAT", handle_call},     [NFS3_FSINFO] = {"FSINFO", handle_call},
    [NFS3_PATHCONF] = {"PATHCONF", handle_call}, [NFS3_COMMIT] = {"COMMIT", handle_call},
};

static struct nfs3_request *request_get(struct nfs3 *nfs3)
{
    struct nfs3_request *request;
    {
        AUTO_LOCK(&nfs3->lock);
        request = nfs3->spare;
        if (request) {
            nfs3->spare = request->next;
            nfs3->spare_count--;
        }
        nfs3->open_count++;
    }
    if (!request) {
        request = malloc(sizeof *request);
    }
    if (request) {
        request->nfs3 = nfs3;
        request->export = NULL;
        memset(&request->volume, 0, sizeof request->volume);
        return request;
    }
    AUTO_LOCK(&nfs3->lock);
    nfs3->open_count--;
    return NULL;
}

static void request_put(struct nfs3_request *request)
{
    struct nfs3 *nfs3 = request->nfs3;
    struct nfs3_request *surplus = NULL;
    {
        AUTO_LOCK(&nfs3->lock);
        if (nfs3->spare_count < NFS_REQUESTS_SPARE_MAX) {
            request->next = nfs3->spare;
            nfs3->spare = request;
            nfs3->spare_count++;
        } else {
            surplus = request;
        }
        nfs3->open_count--;
        if (nfs3->open_count == 0) {
            /* Under the lock: whoever waits may free nfs3 as soon as it is released. */
            pthread_cond_broadcast(&nfs3->drained);
        }
    }
    free(surplus);
}

void nfs3_answer(struct nfs3_request *request, xdrproc_t encode, const void *result,
                 const struct slice *bulk)
{
    rpc_call_reply(request->call, encode, result, bulk);
}

uint32_t nfs3_size_max(const struct nfs3_request *request)
{
    return rpc_call_connection(request->call) ? IO_SIZE_MAX : NFS_UDP_SIZE_MAX;
}

/* The same call, sent again to this or another gateway, must get the same id; a different call must
 * not, even if a client that was restarted uses its transaction ids anew. Hence all argument bytes,
 * WRITE's data included, and the address without the port. */
static void derive_id(const struct nfs3_request *request, struct op_id *out_id)
{
    uint8_t address[16] = {0};
    (void)peer_address(rpc_call_peer(request->call), address); /* zeros for a Unix socket */
    struct slice arguments = rpc_call_arguments(request->call);
    uint64_t procedure = rpc_call_procedure(request->call);
    *out_id = (struct op_id){
        .kind = OP_ID_DERIVED,
        .client = XXH3_64bits(address, sizeof address),
        .slot = rpc_call_xid(request->call),
        .sequence =
            XXH3_64bits(arguments.data, arguments.size) ^ procedure * UINT64_C(0x9e3779b97f4a7c15),
    };
}

static void volume_completed(struct volume_request *volume_request)
{
    struct nfs3_request *request = volume_request->context;
    int status = volume_request->reply.status;
    /* A request that was given up has no outcome that could be told; the client sends it again. */
    if (status == -EINTR || (status && atomic_load(&request->nfs3->is_stopping))) {
        rpc_call_drop(request->call);
    } else {
        request->row->reply(request, nfs3_status(rpc_call_procedure(request->call), status));
    }
    if (request->volume.keep) {
        volume_request_release(&request->volume);
    }
    request_put(request);
}

/* Everything from the export to the volume. */
static enum nfsstat3 prepare(struct nfs3_request *request)
{
    if (request->row->is_mutation && request->export->is_read_only) {
        return NFS3ERR_ROFS;
    }
    export_squash_cred(request->export, rpc_call_cred(request->call), &request->volume.cred);
    enum nfsstat3 status = request->row->begin(request);
    if (status == NFS3_OK && request->row->is_mutation) {
        request->volume.durable = request->row->is_namespace && request->export->is_sync;
        derive_id(request, &request->volume.id);
    }
    return status;
}

/* Bring the call to its volume (true), or answer it. */
static bool begin_call(struct nfs3_request *request)
{
    struct rpc_call *call = request->call;
    if (rpc_call_decode(call, request->row->decode, &request->args, &request->rest)) {
        rpc_call_garbage(call);
        return false;
    }
    enum nfsstat3 status = nfs3_fh_find(request->nfs3->exports, &request->args.handle,
                                        &request->export, &request->volume.object);
    if (status == NFS3_OK && !export_admits(request->export, rpc_call_peer(call))) {
        rpc_call_reject_auth(call, AUTH_TOOWEAK);
        return false;
    }
    if (status == NFS3_OK) {
        status = prepare(request);
    }
    if (status == NFS3_GARBAGE) {
        rpc_call_garbage(call);
    } else if (status != NFS3_OK) {
        request->row->reply(request, status);
    }
    return status == NFS3_OK;
}

static void handle_call(struct rpc_call *call, void *context)
{
    struct nfs3 *nfs3 = context;
    struct nfs3_request *request = request_get(nfs3);
    if (!request) {
        rpc_call_drop(call); /* the client repeats it, by then there may be memory */
        return;
    }
    request->call = call;
    request->row = &rows[rpc_call_procedure(call)];
    if (!begin_call(request)) {
        request_put(request);
        return;
    }
    request->volume.complete = volume_completed;
    request->volume.context = request;
    volume_submit(atomic_load(&request->export->volume), &request->volume);
}

static void handle_null(struct rpc_call *call, void *context)
{
    (void)context;
    rpc_call_reply_raw(call, NULL, 0);
}

int nfs3_new(const struct exports *exports, struct nfs3 **out_nfs3)
{
    struct nfs3 *nfs3 = calloc(1, sizeof *nfs3);
    if (!nfs3) {
        return -ENOMEM;
    }
    nfs3->exports = exports;
    nfs3->program = (struct rpc_program){
        .program = NFS3_PROGRAM,
        .version = NFS3_VERSION,
        .procedures = procedures,
        .procedure_count = NFS3_PROCEDURES,
        .context = nfs3,
    };
    pthread_mutex_init(&nfs3->lock, NULL);
    pthread_cond_init(&nfs3->drained, NULL);
    *out_nfs3 = nfs3;
    return 0;
}

const struct rpc_program *nfs3_program(const struct nfs3 *nfs3)
{
    return &nfs3->program;
}

void nfs3_stop(struct nfs3 *nfs3)
{
    atomic_store(&nfs3->is_stopping, true);
}

void nfs3_drain(struct nfs3 *nfs3)
{
    AUTO_LOCK(&nfs3->lock);
    while (nfs3->open_count > 0) {
        pthread_cond_wait(&nfs3->drained, &nfs3->lock);
    }
}

void nfs3_free(struct nfs3 *nfs3)
{
    if (!nfs3) {
        return;
    }
    PRE(nfs3->open_count == 0);
    while (nfs3->spare) {
        struct nfs3_request *request = nfs3->spare;
        nfs3->spare = request->next;
        free(request);
    }
    pthread_cond_destroy(&nfs3->drained);
    pthread_mutex_destroy(&nfs3->lock);
    free(nfs3);
}
