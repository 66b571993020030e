/*
 * peer status and pool list: the machines of the cluster, which is this one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mgmt/command.h"
#include "mgmt/daemon.h"
#include "mgmt/members.h"

/* The other machines, as GlusterFS understands it. */
int command_peer_status(struct command *command)
{
    json_t *members = members_to_json();
    json_t *others = json_array();
    size_t i;
    json_t *member;
    json_array_foreach(members, i, member)
    {
        if (!json_is_true(json_object_get(member, "local"))) {
            json_array_append(others, member);
        }
    }
    json_decref(members);
    command_answer(command, "peers", others);
    return 0;
}

/* All machines. */
int command_pool_list(struct command *command)
{
    command_answer(command, "peers", members_to_json());
    return 0;
}
