/*
 * Views, streams and settling: who leads, whom it is in contact with, and when it may serve.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/replica/replica.h"

#include "backend/base/check.h"
#include "backend/base/errors.h"

static void open_streams(struct replica *replica, struct replica_effects *effects)
{
    for (uint32_t i = 0; i < replica->view.member_count; i++) {
        if (i != replica->self && replica->view.members[i].state == MEMBER_IN_SYNC) {
            replica_effect_add(effects, (struct replica_effect){.kind = EFFECT_OPEN, .member = i});
        }
    }
}

void replica_step_view(struct replica *replica, const struct replica_event *event,
                       struct replica_effects *effects)
{
    if (event->view->number <= replica->view.number) {
        return; /* sent again, or late */
    }
    bool led = replica->role == ROLE_PRIMARY || replica->role == ROLE_SETTLING;
    if (led) {
        replica_effect_add(effects, (struct replica_effect){.kind = EFFECT_SILENCE});
        for (uint32_t i = 0; i < replica->view.member_count; i++) {
            if (i != replica->self) {
                replica_effect_add(effects,
                                   (struct replica_effect){.kind = EFFECT_CLOSE, .member = i});
            }
        }
    }
    replica->view = *event->view;
    for (uint32_t i = 0; i < SET_MEMBERS_MAX; i++) {
        replica->members[i] = (struct replica_member){.open = false};
    }
    int position = view_position(&replica->view, replica->brick);
    if (position < 0 || replica->view.members[position].incarnation != replica->incarnation) {
        replica->role = ROLE_IDLE;
        return;
    }
    replica->self = (uint32_t)position;
    if (replica->view.primary != replica->self) {
        replica->role = ROLE_BACKUP;
        return;
    }
    replica->role = ROLE_SETTLING;
    open_streams(replica, effects);
    replica_advance(replica, effects);
}

void replica_step_opened(struct replica *replica, const struct replica_event *event,
                         struct replica_effects *effects)
{
    if (replica->role != ROLE_SETTLING && replica->role != ROLE_PRIMARY) {
        return;
    }
    PRE(event->member < replica->view.member_count);
    if (event->index > replica->sequenced) {
        /* It has operations that this one lacks; the longest log leads, so this view cannot settle.
         * The one who makes views sees both positions and makes another. */
        replica_effect_add(effects, (struct replica_effect){.kind = EFFECT_CLOSE,
                                                            .member = event->member,
                                                            .status = -E_NOT_SETTLED});
        return;
    }
    replica->members[event->member] = (struct replica_member){
        .open = true,
        .incarnation = event->incarnation,
        .acked = event->index,
    };
    if (event->index < replica->sequenced) {
        replica_effect_add(effects, (struct replica_effect){.kind = EFFECT_SEND,
                                                            .member = event->member,
                                                            .index = event->index + 1,
                                                            .last = replica->sequenced});
    }
    replica_advance(replica, effects);
}

void replica_step_lost(struct replica *replica, const struct replica_event *event,
                       struct replica_effects *effects)
{
    if (replica->role != ROLE_SETTLING && replica->role != ROLE_PRIMARY) {
        return;
    }
    PRE(event->member < replica->view.member_count);
    replica->members[event->member].open = false;
    replica_effect_add(effects,
                       (struct replica_effect){.kind = EFFECT_OPEN, .member = event->member});
}
