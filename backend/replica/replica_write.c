/*
 * Order, streams and commit: the life of an operation from the primary's number to the answer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/replica/replica.h"

#include "backend/base/check.h"
#include "backend/base/errors.h"

/* Bring committed up to what every required member has applied. */
void replica_advance(struct replica *replica, struct replica_effects *effects)
{
    if (!replica_leads(replica)) {
        return;
    }
    uint64_t everywhere = replica->applied;
    bool all_open = true;
    for (uint32_t i = 0; i < replica->view.member_count; i++) {
        if (i == replica->self || !replica_requires(replica, i)) {
            continue;
        }
        all_open = all_open && replica->members[i].open;
        if (replica->members[i].acked < everywhere) {
            everywhere = replica->members[i].acked;
        }
    }
    if (replica->held != 0 && everywhere >= replica->held) {
        everywhere = replica->held - 1;
    }
    if (everywhere > replica->committed) {
        replica->committed = everywhere;
        replica_effect_add(effects,
                           (struct replica_effect){.kind = EFFECT_COMMIT, .index = everywhere});
    }
    /* A new primary serves nothing before all in-sync members are at one log: what lies above the
     * committed index may be on some of them only, and whoever reads it must find it again. */
    if (replica->role == ROLE_SETTLING && all_open && replica->committed == replica->sequenced) {
        replica->role = ROLE_PRIMARY;
        replica_effect_add(effects, (struct replica_effect){.kind = EFFECT_SERVE});
    }
}

void replica_step_submit(struct replica *replica, const struct replica_event *event,
                         struct replica_effects *effects)
{
    PRE(replica->role == ROLE_PRIMARY);
    PRE(event->index == replica->sequenced + 1);
    replica->sequenced = event->index;
    replica_effect_add(effects,
                       (struct replica_effect){.kind = EFFECT_SEQUENCE, .index = event->index});
    for (uint32_t i = 0; i < replica->view.member_count; i++) {
        if (replica->members[i].open) {
            replica_effect_add(effects, (struct replica_effect){.kind = EFFECT_SEND,
                                                                .member = i,
                                                                .index = event->index,
                                                                .last = event->index});
        }
    }
    replica_effect_add(effects,
                       (struct replica_effect){.kind = EFFECT_APPLY, .index = event->index});
}

static void refuse(struct replica_effects *effects, int status)
{
    replica_effect_add(effects, (struct replica_effect){.kind = EFFECT_REFUSE, .status = status});
}

void replica_step_append(struct replica *replica, const struct replica_event *event,
                         struct replica_effects *effects)
{
    if (event->view_number != replica->view.number) {
        refuse(effects, event->view_number < replica->view.number ? -E_OLD_VIEW : -E_NEW_VIEW);
        return;
    }
    if (!replica_follows(replica)) {
        refuse(effects, -E_BAD_MESSAGE);
        return;
    }
    if (replica->proposal.open) {
        /* It may lead already, with what it has now. */
        refuse(effects, -E_NOT_SETTLED);
        return;
    }
    if (event->index > replica->sequenced + 1) {
        refuse(effects, -E_BAD_MESSAGE); /* an acknowledgement never covers a gap */
        return;
    }
    if (event->index <= replica->sequenced) {
        if (event->index <= replica->applied) {
            replica_effect_add(effects, (struct replica_effect){.kind = EFFECT_ACK,
                                                                .index = replica->applied});
        }
        return; /* otherwise the acknowledgement comes when it is applied */
    }
    replica->sequenced = event->index;
    replica_effect_add(effects,
                       (struct replica_effect){.kind = EFFECT_SEQUENCE, .index = event->index});
    replica_effect_add(effects,
                       (struct replica_effect){.kind = EFFECT_APPLY, .index = event->index});
}

void replica_step_applied(struct replica *replica, const struct replica_event *event,
                          struct replica_effects *effects)
{
    if (event->status < 0) {
        /* The outcome was decided and may already be on others: it cannot be taken back, and this
         * brick cannot have it. */
        replica->failed = true;
        replica->role = ROLE_IDLE;
        replica->lease_ns = 0;
        replica_effect_add(effects, (struct replica_effect){.kind = EFFECT_SILENCE});
        replica_effect_add(
            effects, (struct replica_effect){.kind = EFFECT_HALT, .status = event->status});
        return;
    }
    PRE(event->index == replica->applied + 1);
    PRE(event->index <= replica->sequenced);
    replica->applied = event->index;
    if (replica_follows(replica)) {
        replica_effect_add(effects,
                           (struct replica_effect){.kind = EFFECT_ACK, .index = event->index});
        return;
    }
    replica_advance(replica, effects);
}

void replica_step_ack(struct replica *replica, const struct replica_event *event,
                      struct replica_effects *effects)
{
    PRE(event->member < replica->view.member_count);
    struct replica_member *member = &replica->members[event->member];
    if (!member->open || event->incarnation != member->incarnation ||
        event->index > replica->sequenced) {
        return; /* late, of another incarnation, or nonsense */
    }
    if (event->index > member->acked) {
        member->acked = event->index;
        replica_advance(replica, effects);
        if (!replica_requires(replica, event->member)) {
            replica_consider(replica, effects); /* a joiner may have everything now */
        }
    }
}

void replica_step_commit_known(struct replica *replica, const struct replica_event *event,
                               struct replica_effects *effects)
{
    if (!replica_follows(replica) || event->view_number != replica->view.number) {
        return;
    }
    uint64_t known = event->index < replica->applied ? event->index : replica->applied;
    if (known > replica->committed) {
        replica->committed = known;
        replica_effect_add(effects,
                           (struct replica_effect){.kind = EFFECT_COMMIT, .index = known});
    }
}

void replica_step_hold(struct replica *replica, const struct replica_event *event,
                       struct replica_effects *effects)
{
    PRE(event->index == 0 || event->index > replica->committed);
    replica->held = event->index;
    replica_advance(replica, effects);
}
