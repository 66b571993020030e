/*
 * READDIR and READDIRPLUS by libnfs's raw calls, over a server that is killed meanwhile.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/stress/listing.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw.h>
#include <nfsc/libnfs-raw-mount.h>
#include <nfsc/libnfs-raw-nfs.h>

/* libnfs lays out its lists without regard to alignment. */
#define UNALIGNED_BY_LIBNFS __attribute__((no_sanitize("alignment")))

enum {
    HANDLE_SIZE = 64,
    ANSWER_BYTES = 16384,
    CALL_TRIES = 200, /* of CALL_WAIT_MS: how long one answer is waited for */
    CALL_WAIT_MS = 50,
    AGAIN_US = 100000,
    AGAIN_MAX = 600,
};

struct handle {
    unsigned size;
    char data[HANDLE_SIZE];
};

struct client {
    char server[128], export[512];
    struct rpc_context *rpc;
    bool is_done, plus, is_end;
    int status;   /* RPC_STATUS_… */
    int answered; /* the server's */
    struct handle root, directory;
    cookie3 cookie;
    cookieverf3 verifier;
};

static bool came(struct client *client, int status)
{
    client->is_done = true;
    client->status = status;
    return status == RPC_STATUS_SUCCESS;
}

/* False: no answer, or no connection. */
static bool wait_answer(struct client *client, int started)
{
    for (int i = 0; started == 0 && !client->is_done && i < CALL_TRIES; i++) {
        struct pollfd ready = {.fd = rpc_get_fd(client->rpc),
                               .events = (short)rpc_which_events(client->rpc)};
        (void)poll(&ready, 1, CALL_WAIT_MS); /* time passing is an outcome too */
        if (rpc_service(client->rpc, ready.revents) < 0) {
            break;
        }
    }
    bool is_answered = started == 0 && client->is_done && client->status == RPC_STATUS_SUCCESS;
    client->is_done = false;
    return is_answered;
}

static void connected(struct rpc_context *rpc, int status, void *data, void *context)
{
    (void)rpc;
    (void)data;
    (void)came(context, status);
}

static void disconnect(struct client *client)
{
    if (client->rpc) {
        rpc_destroy_context(client->rpc);
        client->rpc = NULL;
    }
}

static bool connect_to(struct client *client, int program)
{
    disconnect(client);
    client->rpc = rpc_init_context();
    if (!client->rpc) {
        return false;
    }
    return wait_answer(client, rpc_connect_program_async(client->rpc, client->server, program, 3,
                                                         connected, client));
}

static void handle_keep(struct handle *handle, unsigned size, const char *data)
{
    handle->size = size < HANDLE_SIZE ? size : HANDLE_SIZE;
    memcpy(handle->data, data, handle->size);
}

static void mounted(struct rpc_context *rpc, int status, void *data, void *context)
{
    struct client *client = context;
    (void)rpc;
    if (came(client, status)) {
        const mountres3 *answer = data;
        client->answered = (int)answer->fhs_status;
        if (answer->fhs_status == MNT3_OK) {
            const fhandle3 *handle = &answer->mountres3_u.mountinfo.fhandle;
            handle_keep(&client->root, handle->fhandle3_len, handle->fhandle3_val);
        }
    }
}

static void looked_up(struct rpc_context *rpc, int status, void *data, void *context)
{
    struct client *client = context;
    (void)rpc;
    if (came(client, status)) {
        const LOOKUP3res *answer = data;
        client->answered = (int)answer->status;
        if (answer->status == NFS3_OK) {
            const nfs_fh3 *handle = &answer->LOOKUP3res_u.resok.object;
            handle_keep(&client->directory, handle->data.data_len, handle->data.data_val);
        }
    }
}

UNALIGNED_BY_LIBNFS
static void listed(struct rpc_context *rpc, int status, void *data, void *context)
{
    struct client *client = context;
    (void)rpc;
    if (!came(client, status)) {
        return;
    }
    const READDIR3res *answer = data;
    client->answered = (int)answer->status;
    if (answer->status != NFS3_OK) {
        return;
    }
    const READDIR3resok *good = &answer->READDIR3res_u.resok;
    memcpy(client->verifier, good->cookieverf, sizeof client->verifier);
    for (const entry3 *entry = good->reply.entries; entry; entry = entry->nextentry) {
        listing_saw(entry->name, entry->fileid);
        client->cookie = entry->cookie;
    }
    client->is_end = good->reply.eof != 0;
}

UNALIGNED_BY_LIBNFS
static void listed_plus(struct rpc_context *rpc, int status, void *data, void *context)
{
    struct client *client = context;
    (void)rpc;
    if (!came(client, status)) {
        return;
    }
    const READDIRPLUS3res *answer = data;
    client->answered = (int)answer->status;
    if (answer->status != NFS3_OK) {
        return;
    }
    const READDIRPLUS3resok *good = &answer->READDIRPLUS3res_u.resok;
    memcpy(client->verifier, good->cookieverf, sizeof client->verifier);
    for (const entryplus3 *entry = good->reply.entries; entry; entry = entry->nextentry) {
        if (entry->name_attributes.attributes_follow &&
            entry->name_attributes.post_op_attr_u.attributes.fileid != entry->fileid) {
            fprintf(stderr, "%s has two inode numbers\n", entry->name);
            exit(1);
        }
        listing_saw(entry->name, entry->fileid);
        client->cookie = entry->cookie;
    }
    client->is_end = good->reply.eof != 0;
}

static nfs_fh3 handle_of(struct handle *handle)
{
    return (nfs_fh3){.data = {.data_len = handle->size, .data_val = handle->data}};
}

static bool call_list(struct client *client)
{
    if (client->plus) {
        READDIRPLUS3args arguments = {.dir = handle_of(&client->directory),
                                      .cookie = client->cookie,
                                      .dircount = ANSWER_BYTES,
                                      .maxcount = ANSWER_BYTES};
        memcpy(arguments.cookieverf, client->verifier, sizeof client->verifier);
        return wait_answer(
            client, rpc_nfs3_readdirplus_async(client->rpc, listed_plus, &arguments, client));
    }
    READDIR3args arguments = {
        .dir = handle_of(&client->directory), .cookie = client->cookie, .count = ANSWER_BYTES};
    memcpy(arguments.cookieverf, client->verifier, sizeof client->verifier);
    return wait_answer(client, rpc_nfs3_readdir_async(client->rpc, listed, &arguments, client));
}

static bool call_mount(struct client *client)
{
    return wait_answer(client, rpc_mount3_mnt_async(client->rpc, mounted, client->export, client));
}

static bool call_lookup(struct client *client)
{
    static char name[] = LISTED_DIRECTORY;
    LOOKUP3args arguments = {.what = {.dir = handle_of(&client->root), .name = name}};
    return wait_answer(client, rpc_nfs3_lookup_async(client->rpc, looked_up, &arguments, client));
}

/* Call until there is an answer which is not "later". */
static void insist(struct client *client, int program, bool (*call)(struct client *),
                   const char *what)
{
    for (unsigned again = 0; again < AGAIN_MAX; again++) {
        if (!client->rpc && !connect_to(client, program)) {
            disconnect(client);
        } else if (!call(client)) {
            disconnect(client);
        } else if (client->answered != NFS3ERR_JUKEBOX) {
            break;
        }
        (void)usleep(AGAIN_US);
    }
    if (!client->rpc || client->answered != 0) {
        fprintf(stderr, "%s fails: status %d\n", what, client->answered);
        exit(1);
    }
}

void listing_nfs(const char *url, bool plus)
{
    struct client client = {.plus = plus};
    if (sscanf(url, "nfs://%127[^/]%511s", client.server, client.export) != 2) {
        fprintf(stderr, "not a URL: %s\n", url);
        exit(2);
    }
    insist(&client, MOUNT_PROGRAM, call_mount, "MNT");
    disconnect(&client);
    insist(&client, NFS_PROGRAM, call_lookup, "LOOKUP");
    while (!client.is_end) {
        insist(&client, NFS_PROGRAM, call_list, plus ? "READDIRPLUS" : "READDIR");
    }
    disconnect(&client);
}
