/*
 * A server as libnfs sees it. See peer.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/lib/peer.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw.h>
#include "conformance/lib/keep.h"

#define ANSWER_MS 30000
#define STEP_MS 10

struct peer {
    struct rpc_context *rpc;
    bool is_done;
    int status;
    zdrproc_t proc;
    size_t result_size;
    void *result;
    char error[256];
};

static void came(struct rpc_context *rpc, int status, void *data, void *context)
{
    struct peer *peer = context;
    (void)rpc;
    peer->is_done = true;
    peer->status = status;
    if (status == RPC_STATUS_ERROR) {
        (void)snprintf(peer->error, sizeof peer->error, "%s", data ? (char *)data : "an error");
    } else if (status == RPC_STATUS_SUCCESS && peer->proc && data) {
        peer->result = keep_result(peer->proc, peer->result_size, data);
    }
}

static bool wait_for(struct peer *peer, int started)
{
    for (int ms = 0; started == 0 && !peer->is_done && ms < ANSWER_MS; ms += STEP_MS) {
        struct pollfd ready = {
            .fd = rpc_get_fd(peer->rpc),
            .events = (short)rpc_which_events(peer->rpc),
        };
        if (poll(&ready, 1, STEP_MS) > 0) {
            ms -= STEP_MS;
        }
        if (rpc_service(peer->rpc, ready.revents) < 0) {
            break;
        }
    }
    if (!peer->is_done && !peer->error[0]) {
        (void)snprintf(peer->error, sizeof peer->error, "no answer: %s", rpc_get_error(peer->rpc));
    }
    return peer->is_done && peer->status == RPC_STATUS_SUCCESS;
}

struct peer *peer_open(uint32_t program, uint32_t version)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (!peer) {
        return NULL;
    }
    peer->rpc = rpc_init_context();
    uint16_t port = wire_port(program, version, WIRE_TCP);
    if (!peer->rpc || port == 0 ||
        !wait_for(peer, rpc_connect_port_async(peer->rpc, suite_options.server, port, (int)program,
                                               (int)version, came, peer))) {
        fprintf(stderr, "%s: program %u version %u cannot be reached%s%s\n", suite_options.server,
                program, version, peer->error[0] ? ": " : "", peer->error);
        peer_close(peer);
        return NULL;
    }
    return peer;
}

void peer_close(struct peer *peer)
{
    if (peer && peer->rpc) {
        rpc_destroy_context(peer->rpc);
    }
    free(peer);
}

void *peer_call(struct peer *peer, const struct caller *caller, peer_starter *start,
                void *arguments, zdrproc_t proc, size_t result_size)
{
    uint32_t groups[GROUPS_MAX];
    memcpy(groups, caller->groups, sizeof groups);
    /* The context takes the credentials over. */
    rpc_set_auth(peer->rpc, caller->flavor == AUTH_UNIX
                                ? libnfs_authunix_create("conformance", caller->uid, caller->gid,
                                                         caller->group_count, groups)
                                : libnfs_authnone_create());
    peer->is_done = false;
    peer->proc = proc;
    peer->result_size = result_size;
    peer->result = NULL;
    peer->error[0] = '\0';
    /* A callback is a pointer to a function, which libnfs's own type says. */
    if (!wait_for(peer, start(peer->rpc, (void *)(uintptr_t)came, arguments, peer))) {
        return NULL;
    }
    return proc ? peer->result : peer; /* no result is a result, too */
}

const char *peer_error(const struct peer *peer)
{
    return peer->error;
}
