/*
 * trivet peer and trivet pool: the machines of the cluster.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "mgmt/cmd.h"

const char cmd_peer_usage[] = "usage: trivet peer status\n";
const char cmd_pool_usage[] = "usage: trivet pool list\n";

int cmd_peer(struct cmd *cmd)
{
    if (cmd->count != 1 || strcmp(cmd->words[0], "status") != 0) {
        return cmd_usage_error(cmd, "peer knows: status");
    }
    json_t *answer;
    int status = cmd_call(cmd, cmd_request(cmd, "status", NULL), &answer);
    json_t *peers = json_object_get(answer, "peers");
    if (answer) {
        printf("Number of Peers: %zu\n", json_array_size(peers));
    }
    size_t i;
    json_t *peer;
    json_array_foreach(peers, i, peer)
    {
        printf("\nHostname: %s\nState: %s (%s)\n", cmd_text(peer, "hostname"),
               cmd_text(peer, "state"),
               json_is_true(json_object_get(peer, "connected")) ? "Connected" : "Disconnected");
    }
    json_decref(answer);
    return status;
}

int cmd_pool(struct cmd *cmd)
{
    static const char *const titles[] = {"Hostname", "State"};
    if (cmd->count != 1 || strcmp(cmd->words[0], "list") != 0) {
        return cmd_usage_error(cmd, "pool knows: list");
    }
    json_t *answer;
    int status = cmd_call(cmd, cmd_request(cmd, "list", NULL), &answer);
    if (!answer) {
        return status;
    }
    struct cmd_table table;
    cmd_table_begin(&table, 2, titles);
    size_t i;
    json_t *peer;
    json_array_foreach(json_object_get(answer, "peers"), i, peer)
    {
        bool is_connected = json_is_true(json_object_get(peer, "connected"));
        cmd_table_add(&table, "%s%s", cmd_text(peer, "hostname"),
                      json_is_true(json_object_get(peer, "local")) ? " (this machine)" : "");
        cmd_table_add(&table, "%s", is_connected ? "Connected" : "Disconnected");
    }
    cmd_table_end(&table);
    json_decref(answer);
    return 0;
}
