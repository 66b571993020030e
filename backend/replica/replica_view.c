/*
 * Views, streams and settling: who leads, whom it is in contact with, and when it may serve.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/replica/replica.h"

#include <stddef.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"

static void open_streams(struct replica *replica, struct replica_effects *effects)
{
    for (uint32_t i = 0; i < replica->view.member_count; i++) {
        if (i != replica->self && replica->view.members[i].state == MEMBER_IN_SYNC) {
            replica->members[i].wanted = true;
            replica_effect_add(effects, (struct replica_effect){.kind = EFFECT_OPEN, .member = i});
        }
    }
}

static void give_up_leading(struct replica *replica, struct replica_effects *effects)
{
    if (!replica_leads(replica)) {
        return;
    }
    replica_effect_add(effects, (struct replica_effect){.kind = EFFECT_SILENCE});
    for (uint32_t i = 0; i < replica->view.member_count; i++) {
        if (i != replica->self && replica->members[i].wanted) {
            replica_effect_add(effects, (struct replica_effect){.kind = EFFECT_CLOSE, .member = i});
        }
    }
}

/* What was known of the members in the old view, as far as it holds in the new one. */
static void carry_over(struct replica *replica, const struct view *next)
{
    const struct view *old = &replica->view;
    bool leads_on = replica_leads(replica) && next->primary == old->primary &&
                    next->members[next->primary].incarnation == replica->incarnation;
    for (uint32_t i = 0; i < SET_MEMBERS_MAX; i++) {
        struct replica_member *member = &replica->members[i];
        bool is_same = i < old->member_count && i < next->member_count &&
                       old->members[i].incarnation == next->members[i].incarnation;
        if (!is_same && i < old->member_count && old->members[i].incarnation != 0) {
            member->dead = old->members[i].incarnation;
        }
        if (!is_same || !leads_on) {
            member->promised_ns = 0;
        }
        member->wanted = member->open = false;
        member->incarnation = member->acked = member->primary_ns = 0;
    }
}

static uint32_t position_of(const struct view *view, uint32_t brick)
{
    for (uint32_t i = 0; i < view->member_count; i++) {
        if (view->members[i].brick == brick) {
            return i;
        }
    }
    return SET_MEMBERS_MAX;
}

/* The role that the view, which is this member's now, gives it. */
static void take_role(struct replica *replica, struct replica_effects *effects)
{
    const struct view_member *entry =
        replica->self < SET_MEMBERS_MAX ? &replica->view.members[replica->self] : NULL;
    replica->role = ROLE_IDLE;
    if (!entry || entry->state != MEMBER_IN_SYNC) {
        if (replica->entered) {
            /* It was removed while it ran, and may have what the others never got. */
            replica_effect_add(effects, (struct replica_effect){.kind = EFFECT_REENTER});
        }
        return;
    }
    if (entry->incarnation != replica->incarnation) {
        return; /* the process before is meant: this one is to be entered by another view */
    }
    replica->entered = true;
    if (replica->view.primary != replica->self) {
        replica->role = ROLE_BACKUP;
        return;
    }
    replica->role = ROLE_SETTLING;
    open_streams(replica, effects);
    replica_advance(replica, effects);
}

void replica_step_view(struct replica *replica, const struct replica_event *event,
                       struct replica_effects *effects)
{
    if (event->view->number <= replica->view.number) {
        return; /* sent again, or late */
    }
    give_up_leading(replica, effects);
    carry_over(replica, event->view);
    if (replica->promised_to == 0) {
        /* The process before this one may have promised something to the primary. */
        replica->promised_to = event->view->members[event->view->primary].incarnation;
    }
    if (replica->proposal.open && event->view->number >= replica->proposal.view.number) {
        replica->proposal.open = false; /* taken, or too late for ever */
    }
    replica->view = *event->view;
    replica->entered_ns = replica->now_ns;
    replica->self = position_of(&replica->view, replica->brick);
    take_role(replica, effects);
    replica_lease_count(replica);
    /* The lease, and everybody's knowledge of this view, begins with a heartbeat. */
    replica->beat_ns = replica->now_ns;
    replica_effect_add(effects, (struct replica_effect){.kind = EFFECT_BEAT});
}

void replica_step_join(struct replica *replica, const struct replica_event *event,
                       struct replica_effects *effects)
{
    int status = 0;
    if (event->view_number != replica->view.number) {
        status = event->view_number < replica->view.number ? -E_OLD_VIEW : -E_NEW_VIEW;
    } else if ((replica->role != ROLE_IDLE && replica->role != ROLE_JOINER) || replica->entered ||
               replica->self >= replica->view.member_count ||
               replica->view.members[replica->self].state == MEMBER_IN_SYNC) {
        status = -E_NOT_SETTLED;
    }
    if (status < 0) {
        replica_effect_add(effects,
                           (struct replica_effect){.kind = EFFECT_REFUSE, .status = status});
        return;
    }
    replica->role = ROLE_JOINER;
}

void replica_step_opened(struct replica *replica, const struct replica_event *event,
                         struct replica_effects *effects)
{
    if (!replica_leads(replica)) {
        return;
    }
    PRE(event->member < replica->view.member_count);
    struct replica_member *member = &replica->members[event->member];
    bool in_sync = replica->view.members[event->member].state == MEMBER_IN_SYNC;
    if (event->index > replica->sequenced) {
        /* The longest log leads: nothing is cut back on a member that is in sync. */
        if (in_sync) {
            replica_hand_over(replica, event->member, effects);
        }
        return;
    }
    member->open = true;
    member->incarnation = event->incarnation;
    member->acked = event->index;
    if (event->index < replica->sequenced) {
        replica_effect_add(effects, (struct replica_effect){.kind = EFFECT_SEND,
                                                            .member = event->member,
                                                            .index = event->index + 1,
                                                            .last = replica->sequenced});
    }
    replica_advance(replica, effects);
    replica_consider(replica, effects);
}

void replica_step_lost(struct replica *replica, const struct replica_event *event,
                       struct replica_effects *effects)
{
    if (!replica_leads(replica)) {
        return;
    }
    PRE(event->member < replica->view.member_count);
    replica->members[event->member].open = false;
    if (replica->members[event->member].wanted) {
        replica_effect_add(effects,
                           (struct replica_effect){.kind = EFFECT_OPEN, .member = event->member});
    }
}
