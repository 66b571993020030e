/*
 * See nfs_client.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/lib/nfs_client.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw.h>

bool client_came(void *context, int status)
{
    struct client *client = context;
    client->is_done = true;
    client->status = status;
    return status == RPC_STATUS_SUCCESS;
}

static void connected(struct rpc_context *rpc, int status, void *data, void *context)
{
    (void)rpc;
    (void)data;
    (void)client_came(context, status);
}

bool client_wait(struct client *client, int started)
{
    for (int i = 0; started == 0 && !client->is_done && i < 1000; i++) {
        struct pollfd ready = {
            .fd = rpc_get_fd(client->rpc),
            .events = (short)rpc_which_events(client->rpc),
        };
        (void)poll(&ready, 1, 10); /* time passing is an outcome too */
        if (rpc_service(client->rpc, ready.revents) < 0) {
            break;
        }
    }
    bool is_answered = started == 0 && client->is_done && client->status == RPC_STATUS_SUCCESS;
    client->is_done = false;
    return is_answered;
}

void client_open(struct client *client, uint16_t port, int program, int version)
{
    *client = (struct client){.rpc = rpc_init_context()};
    if (!client->rpc ||
        !client_wait(client, rpc_connect_port_async(client->rpc, "127.0.0.1", port, program,
                                                    version, connected, client))) {
        fprintf(stderr, "client: cannot connect to program %d on port %u\n", program, port);
        exit(EXIT_FAILURE);
    }
}

void client_close(struct client *client)
{
    rpc_destroy_context(client->rpc);
}
