/*
 * A view: numbered membership of a replica set with one primary. And what a client must know of a
 * volume to reach it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_PROTO_VIEW_H
#define TRIVET_PROTO_VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include "backend/proto/limits.h"

#define VOLUME_ID_SIZE 16
#define VOLUME_KEY_SIZE 16

struct volume_id {
    uint8_t bytes[VOLUME_ID_SIZE];
};

enum member_state { MEMBER_AWAY = 0, MEMBER_IN_SYNC = 1, MEMBER_JOINING = 2 };

struct view_member {
    uint32_t brick; /* number of the brick in the volume, from 0, never reused */
    uint32_t state; /* enum member_state */
    uint64_t disk_id; /* random, made when the brick was formatted */
    uint64_t incarnation; /* random, made at each start of the brick's process; 0: not running */
    char host[HOST_SIZE_MAX + 1];
    uint32_t port; /* 0: not running */
    char path[PATH_SIZE_MAX + 1];
};

/*
 * The record of a replica set in the cluster store, changed by compare-and-swap of (number,
 * renewals) only. It lists every brick of the set, whatever its state, in the order of the volume's
 * definition. Invariant: primary is the position of an in-sync member; number rises with every
 * change but that of renewals.
 */
struct view {
    uint32_t set;
    uint64_t number; /* 0: the set has no view yet */
    uint64_t renewals; /* of a lone survivor's lease */
    uint32_t primary; /* position in members */
    uint64_t volatile_epoch; /* rises when unsynced writes may have been lost: the write verifier */
    uint64_t previous_end; /* index at which the previous view ended */
    uint32_t member_count;
    struct view_member members[SET_MEMBERS_MAX];
};

struct volume_spec {
    char name[VOLUME_NAME_MAX + 1];
    struct volume_id id;
    uint8_t handle_key[VOLUME_KEY_SIZE]; /* makes the MAC of NFS file handles */
    bool started;
    uint32_t min_insync; /* members in sync without which nothing is acknowledged */
    struct view view; /* of replica set 0, today's only one */
};

#endif
