/*
 * libnfs's raw calls, one at a time: start one with a keep function as its callback, then
 * client_wait.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_NFS_CLIENT_H
#define TRIVET_TESTS_NFS_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

/* For functions that walk libnfs's lists: it lays them out without regard to alignment, which the
 * sanitizer would count as ours. */
#define UNALIGNED_BY_LIBNFS __attribute__((no_sanitize("alignment")))

struct rpc_context;

struct client {
    struct rpc_context *rpc;
    bool is_done;
    int status; /* 0, or RPC_STATUS_… */
};

/* Connect by TCP to a program on 127.0.0.1. Ends the process with a message if that fails. */
void client_open(struct client *client, uint16_t port, int program, int version);
void client_close(struct client *client);
/* Until the call that was started (started: what its function returned) is answered, at most ten
 * seconds. False: the call failed as an RPC. */
bool client_wait(struct client *client, int started);
/* The first thing that a callback does. */
bool client_came(void *context, int status);

#endif
