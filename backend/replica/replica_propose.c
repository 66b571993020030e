/*
 * Proposals: which view is needed next, as far as this member can tell, and what it does until it
 * knows whether the cluster store took it.
 *
 * A proposal is the record of the next number, in place of the very record that this member acts
 * in. It is sent again until it is known to be the record or known to be refused: since numbers
 * only rise, a copy that arrives late finds another number and changes nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/replica/replica.h"

#include <string.h>
#include "backend/base/clock.h"
#include "backend/base/errors.h"

/* After a refusal, so that two who propose by turns do not go on so. */
#define PAUSE_MS 20
/* A joiner this close to the end of the log is entered; what is under way then waits for it. */
#define JOIN_WITHIN 256

static uint32_t count_in_sync(const struct view *view)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < view->member_count; i++) {
        count += view->members[i].state == MEMBER_IN_SYNC;
    }
    return count;
}

static void propose(struct replica *replica, const struct view *next, uint32_t primary,
                    struct replica_effects *effects)
{
    replica->proposal = (struct replica_proposal){
        .open = true, .at_ns = replica->now_ns, .view = *next};
    replica->proposal.view.number = replica->view.number + 1;
    replica->proposal.view.renewals = 0;
    replica->proposal.view.primary = primary;
    replica->proposal.view.previous_end = replica->sequenced;
    replica_lease_count(replica); /* both views are required from now on */
    replica_effect_add(effects, (struct replica_effect){.kind = EFFECT_PROPOSE});
}

/* As its process is now. */
static void enter(struct replica *replica, struct view *next, uint32_t member)
{
    struct view_member *entry = &next->members[member];
    entry->state = MEMBER_IN_SYNC;
    if (member == replica->self) {
        entry->incarnation = replica->incarnation;
        entry->port = replica->port ? replica->port : entry->port;
        return;
    }
    const struct beat *said = &replica->members[member].said;
    entry->incarnation = said->incarnation;
    entry->port = said->port ? said->port : entry->port;
}

/* ---- as the primary ------------------------------------------------------------------------ */

/* It has not promised for so long that it cannot be told of this view, or does not act in it. */
static bool is_mute(const struct replica *replica, uint32_t member)
{
    uint64_t since_ns = replica->members[member].promised_ns;
    since_ns = since_ns > replica->entered_ns ? since_ns : replica->entered_ns;
    return replica->now_ns >= since_ns + GRACE_MS * NS_PER_MS;
}

static bool must_go(const struct replica *replica, uint32_t member)
{
    const struct replica_member *other = &replica->members[member];
    uint64_t incarnation = replica->view.members[member].incarnation;
    if (replica_is_dead(replica, member, incarnation)) {
        return true;
    }
    uint64_t waited_ns = replica->now_ns - replica->entered_ns;
    if (!replica_in_contact(replica, member)) {
        return other->answered_ns != 0 || (other->said.flags & BEAT_FAILED) != 0 ||
               waited_ns >= CONTACT_MS * NS_PER_MS;
    }
    return is_mute(replica, member);
}

/* In sync as it was, but as a new process, which has all that the old one had. */
static bool is_back(const struct replica *replica, uint32_t member)
{
    return replica_is_replaced(replica, member) &&
           (replica->members[member].said.flags & BEAT_AWAY) == 0 &&
           replica_in_contact(replica, member);
}

static bool has_all(const struct replica *replica, uint32_t member)
{
    const struct replica_member *other = &replica->members[member];
    return other->wanted && other->open && other->incarnation == other->said.incarnation &&
           other->acked >= replica->committed &&
           other->acked + JOIN_WITHIN >= replica->sequenced &&
           replica_in_contact(replica, member);
}

/* Whoever is away and wants to return gets a stream; who is gone again loses it. */
static void attend(struct replica *replica, uint32_t member, struct replica_effects *effects)
{
    struct replica_member *other = &replica->members[member];
    bool wants = replica->role == ROLE_PRIMARY && replica_in_contact(replica, member) &&
                 (other->said.flags & BEAT_AWAY) != 0 && other->said.view == replica->view.number;
    if (wants && other->wanted && other->open && other->incarnation != other->said.incarnation) {
        wants = false; /* another process: from the beginning */
    }
    if (wants == other->wanted) {
        return;
    }
    other->wanted = wants;
    other->open = false;
    replica_effect_add(effects, (struct replica_effect){
                                    .kind = wants ? EFFECT_OPEN : EFFECT_CLOSE, .member = member});
}

static void consider_as_primary(struct replica *replica, struct replica_effects *effects)
{
    struct view next = replica->view;
    uint32_t going[SET_MEMBERS_MAX];
    uint32_t going_count = 0;
    bool changed = false;
    for (uint32_t i = 0; i < next.member_count; i++) {
        if (i == replica->self) {
            continue;
        }
        if (next.members[i].state != MEMBER_IN_SYNC) {
            attend(replica, i, effects);
            if (replica->role == ROLE_PRIMARY && has_all(replica, i)) {
                enter(replica, &next, i);
                changed = true;
            }
        } else if (is_back(replica, i)) {
            enter(replica, &next, i);
            changed = true;
        } else if (must_go(replica, i)) {
            going[going_count++] = i;
        }
    }
    uint32_t in_contact = 1;
    for (uint32_t i = 0; i < next.member_count; i++) {
        in_contact += i != replica->self && next.members[i].state == MEMBER_IN_SYNC &&
                      replica_in_contact(replica, i);
    }
    uint32_t staying = count_in_sync(&next) - going_count;
    if (going_count > 0 && staying >= replica->min_insync && in_contact >= replica->min_insync) {
        for (uint32_t i = 0; i < going_count; i++) {
            next.members[going[i]].state = MEMBER_AWAY;
        }
        changed = true;
    }
    if (changed) {
        propose(replica, &next, replica->self, effects);
    }
}

/* ---- as a candidate ------------------------------------------------------------------------ */

static bool promise_is_over(const struct replica *replica)
{
    uint64_t end_ns = replica->promise_ns + GRACE_MS * NS_PER_MS;
    if (replica->now_ns >= end_ns) {
        return true;
    }
    for (uint32_t i = 0; i < replica->view.member_count; i++) {
        if (replica->view.members[i].incarnation == replica->promised_to) {
            return replica_is_dead(replica, i, replica->promised_to);
        }
    }
    return false;
}

/* Its log is longer, or as long and it comes first. */
static bool precedes(const struct replica *replica, uint32_t member)
{
    uint64_t sequenced = replica->members[member].said.sequenced;
    return sequenced > replica->sequenced ||
           (sequenced == replica->sequenced && member < replica->self);
}

enum opinion { OPINION_NONE, OPINION_WITH, OPINION_AGAINST };

/* What an in-sync member thinks of this one leading. */
static enum opinion opinion_of(const struct replica *replica, uint32_t member)
{
    const struct beat *said = &replica->members[member].said;
    if (!replica_in_contact(replica, member) || said->view != replica->view.number ||
        (said->flags & BEAT_AWAY) != 0) {
        return OPINION_NONE;
    }
    bool silent = (said->flags & BEAT_SILENT) != 0 || member == replica->view.primary;
    return !silent || precedes(replica, member) ? OPINION_AGAINST : OPINION_WITH;
}

static void consider_as_candidate(struct replica *replica, struct replica_effects *effects)
{
    struct view next = replica->view;
    if (!replica_primary_silent(replica) || !promise_is_over(replica)) {
        return;
    }
    bool is_complete = true;
    for (uint32_t i = 0; i < next.member_count; i++) {
        if (next.members[i].state != MEMBER_IN_SYNC) {
            continue;
        }
        enum opinion opinion = i == replica->self ? OPINION_WITH : opinion_of(replica, i);
        if (opinion == OPINION_AGAINST) {
            return;
        }
        if (opinion == OPINION_WITH) {
            enter(replica, &next, i);
        } else {
            next.members[i].state = MEMBER_AWAY;
            is_complete = false;
        }
    }
    /* A set that starts anew waits for everybody a while, or who is slow would have to be brought
     * up to date. */
    bool is_new = replica->view.members[replica->self].incarnation != replica->incarnation;
    bool waits = is_new && !is_complete &&
                 replica->now_ns < replica->started_ns + START_WAIT_MS * NS_PER_MS;
    if (count_in_sync(&next) >= replica->min_insync && !waits) {
        propose(replica, &next, replica->self, effects);
    }
}

/* ---- when ---------------------------------------------------------------------------------- */

static void propose_again(struct replica *replica, struct replica_effects *effects)
{
    struct replica_proposal *proposal = &replica->proposal;
    if (replica->now_ns >= proposal->at_ns + STORE_ANSWER_MS * NS_PER_MS) {
        proposal->at_ns = replica->now_ns;
        replica_effect_add(effects, (struct replica_effect){.kind = EFFECT_PROPOSE});
    }
}

void replica_consider(struct replica *replica, struct replica_effects *effects)
{
    if (replica->proposal.open) {
        propose_again(replica, effects);
        return;
    }
    if (replica->failed || replica->stalled || replica->now_ns < replica->propose_ns ||
        replica->self >= replica->view.member_count ||
        replica->view.members[replica->self].state != MEMBER_IN_SYNC) {
        return;
    }
    if (replica_leads(replica)) {
        consider_as_primary(replica, effects);
    } else {
        consider_as_candidate(replica, effects);
    }
}

void replica_hand_over(struct replica *replica, uint32_t member, struct replica_effects *effects)
{
    if (!replica->proposal.open) {
        propose(replica, &replica->view, member, effects);
    }
}

void replica_step_proposed(struct replica *replica, const struct replica_event *event,
                           struct replica_effects *effects)
{
    bool is_known = event->status == 0 || event->status == -E_VERSION_CONFLICT;
    if (!replica->proposal.open || event->view_number != replica->proposal.view.number) {
        return; /* of an earlier proposal, late */
    }
    if (!is_known) {
        return; /* it is sent again when STORE_ANSWER_MS are over */
    }
    /* The view before has come: if the proposal was taken, this member acts in it by now. */
    replica->proposal.open = false;
    replica->propose_ns = replica->now_ns + PAUSE_MS * (replica->self + 1) * NS_PER_MS;
    replica_lease_count(replica);
    replica_advance(replica, effects);
}

void replica_step_tick(struct replica *replica, struct replica_effects *effects)
{
    if (replica->now_ns >= replica->beat_ns + BEAT_MS * NS_PER_MS && !replica->stalled &&
        !replica->failed) {
        replica->beat_ns = replica->now_ns;
        replica_effect_add(effects, (struct replica_effect){.kind = EFFECT_BEAT});
    }
    replica_consider(replica, effects);
}
