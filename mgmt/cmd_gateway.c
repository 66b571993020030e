/*
 * trivet gateway: start, stop, status of the NFS gateway on this machine.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/cmd.h"

const char cmd_gateway_usage[] =
    "usage: trivet gateway start [--config FILE]     (default /etc/trivet/gateway.conf)\n"
    "       trivet gateway stop\n"
    "       trivet gateway status\n";

static int gateway_start(struct cmd *cmd)
{
    json_t *request = cmd_request(cmd, "start", NULL);
    char path[PATH_MAX];
    if (cmd->count == 3 && strcmp(cmd->words[1], "--config") == 0) {
        /* trivetd has another working directory. A path that does not resolve is refused there. */
        const char *absolute = realpath(cmd->words[2], path);
        json_t *config = json_string(absolute ? absolute : cmd->words[2]);
        json_object_set_new(request, "config", config ? config : json_string("?"));
    } else if (cmd->count > 1) {
        json_decref(request);
        return cmd_usage_error(cmd, "%s is not known here", cmd->words[1]);
    }
    json_t *answer;
    int status = cmd_call(cmd, request, &answer);
    if (answer) {
        printf("gateway start: success: NFS on port %lld\n", cmd_number(answer, "nfs_port"));
    }
    json_decref(answer);
    return status;
}

static int gateway_stop(struct cmd *cmd)
{
    json_t *answer;
    int status = cmd_call(cmd, cmd_request(cmd, "stop", NULL), &answer);
    if (answer) {
        puts("gateway stop: success");
    }
    json_decref(answer);
    return status;
}

static int gateway_status(struct cmd *cmd)
{
    static const char *const titles[] = {"Trivet process", "NFS Port", "Online", "Pid", "Restarts"};
    json_t *answer;
    int status = cmd_call(cmd, cmd_request(cmd, "status", NULL), &answer);
    if (!answer) {
        return status;
    }
    if (!json_is_true(json_object_get(answer, "started"))) {
        puts("The gateway is not started");
        json_decref(answer);
        return 0;
    }
    struct cmd_table table;
    cmd_table_begin(&table, 5, titles);
    cmd_table_add(&table, "Gateway %s", cmd_text(answer, "config"));
    cmd_table_add(&table, "%lld", cmd_number(answer, "nfs_port"));
    cmd_table_add(&table, "%s", json_is_true(json_object_get(answer, "online")) ? "Y" : "N");
    cmd_table_add(&table, "%lld", cmd_number(answer, "pid"));
    cmd_table_add(&table, "%lld", cmd_number(answer, "restarts"));
    cmd_table_end(&table);
    size_t i;
    json_t *at;
    json_array_foreach(json_object_get(answer, "listening"), i, at)
    {
        printf("Listens on: %s port %lld\n", cmd_text(at, "address"), cmd_number(at, "port"));
    }
    json_decref(answer);
    return 0;
}

int cmd_gateway(struct cmd *cmd)
{
    const char *verb = cmd->count > 0 ? cmd->words[0] : "";
    if (strcmp(verb, "start") == 0) {
        return gateway_start(cmd);
    }
    if (cmd->count == 1 && strcmp(verb, "stop") == 0) {
        return gateway_stop(cmd);
    }
    if (cmd->count == 1 && strcmp(verb, "status") == 0) {
        return gateway_status(cmd);
    }
    return cmd_usage_error(cmd, "gateway knows: start, stop, status");
}
