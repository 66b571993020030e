/*
 * Contact: who answers, who is known dead, and whether the primary is silent.
 *
 * Contact is a round trip: a member whose heartbeats arrive but who does not get ours, or the other
 * way round, is out of contact, or a primary would wait for ever for promises that cannot reach it.
 *
 * A brick's directory is open in one process at a time, so whoever knows that a process of a brick
 * came after another knows that the other has ended. A heartbeat that was called does not tell: it
 * may have waited in a queue while its process was replaced, twice even. An answer does, since it
 * was given after its heartbeat was sent: later than all that was known then.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/replica/replica.h"

#include "backend/base/check.h"
#include "backend/base/clock.h"
#include "backend/base/errors.h"

bool replica_is_replaced(const struct replica *replica, uint32_t member)
{
    const struct replica_member *other = &replica->members[member];
    return member < replica->view.member_count && other->said.incarnation != 0 &&
           other->said.incarnation != replica->view.members[member].incarnation &&
           other->answered_ns != 0 && other->answered_ns >= replica->entered_ns;
}

bool replica_is_dead(const struct replica *replica, uint32_t member, uint64_t incarnation)
{
    const struct replica_member *other = &replica->members[member];
    if (member == replica->self) {
        return incarnation != replica->incarnation;
    }
    return incarnation != 0 && (other->dead == incarnation ||
                                (replica_is_replaced(replica, member) &&
                                 incarnation == replica->view.members[member].incarnation));
}

bool replica_in_contact(const struct replica *replica, uint32_t member)
{
    const struct replica_member *other = &replica->members[member];
    if (member == replica->self) {
        return !replica->failed && !replica->stalled;
    }
    return other->answered_ns != 0 && other->dead != other->said.incarnation &&
           (other->said.flags & BEAT_FAILED) == 0 &&
           replica->now_ns < other->answered_ns + CONTACT_MS * NS_PER_MS;
}

bool replica_primary_silent(const struct replica *replica)
{
    if (replica->view.number == 0) {
        return false;
    }
    uint32_t primary = replica->view.primary;
    if (replica_is_dead(replica, primary, replica->view.members[primary].incarnation)) {
        return true;
    }
    if (primary == replica->self) {
        return false;
    }
    uint64_t since_ns = replica->members[primary].primary_ns;
    since_ns = since_ns > replica->started_ns ? since_ns : replica->started_ns;
    return replica->now_ns >= since_ns + CONTACT_MS * NS_PER_MS;
}

void replica_beat(const struct replica *replica, struct beat *out_beat)
{
    *out_beat = (struct beat){
        .incarnation = replica->incarnation,
        .view = replica->view.number,
        .sequenced = replica->sequenced,
        .committed = replica->committed,
        .port = replica->port,
    };
    bool in_sync = replica->self < replica->view.member_count &&
                   replica->view.members[replica->self].state == MEMBER_IN_SYNC;
    if (replica->failed || replica->stalled) {
        out_beat->flags |= BEAT_FAILED;
    }
    if (replica_primary_silent(replica)) {
        out_beat->flags |= BEAT_SILENT;
    }
    if (!in_sync && !replica->entered) {
        out_beat->flags |= BEAT_AWAY;
    }
}

/* Note what a member said, in an answer or a call. False if it is known to have ended. */
static bool hear(struct replica *replica, uint32_t member, const struct beat *beat, bool is_answer,
                 struct replica_effects *effects)
{
    struct replica_member *other = &replica->members[member];
    if (beat->incarnation == 0 || beat->incarnation == other->dead) {
        return false;
    }
    if (beat->view > replica->view.number) {
        replica_effect_add(effects, (struct replica_effect){.kind = EFFECT_READ});
    }
    if (other->said.incarnation != beat->incarnation && !is_answer) {
        return true; /* which of the two is the later one is not known */
    }
    if (other->said.incarnation != 0 && other->said.incarnation != beat->incarnation) {
        other->dead = other->said.incarnation;
        other->answered_ns = 0;
        other->promised_ns = 0;
    }
    other->said = *beat;
    return true;
}

static bool is_primary_of_my_view(const struct replica *replica, uint32_t member,
                                  const struct beat *beat)
{
    const struct view *view = &replica->view;
    return view->number > 0 && member == view->primary && beat->view == view->number &&
           beat->incarnation == view->members[member].incarnation;
}

void replica_step_beat(struct replica *replica, const struct replica_event *event,
                       struct replica_effects *effects)
{
    PRE(event->member < SET_MEMBERS_MAX && event->member != replica->self);
    struct replica_effect answer = {.kind = EFFECT_ANSWER, .member = event->member};
    bool heard = hear(replica, event->member, event->beat, false, effects);
    if (replica->failed || replica->stalled) {
        answer.status = -EIO; /* as good as no answer */
    } else if (heard && is_primary_of_my_view(replica, event->member, event->beat)) {
        replica->members[event->member].primary_ns = replica->now_ns;
        if (replica_follows(replica) && !replica->proposal.open) {
            answer.last |= BEAT_PROMISED;
            replica->promise_ns = replica->now_ns;
            replica->promised_to = event->beat->incarnation;
        }
    }
    replica_effect_add(effects, answer);
    /* The heartbeat with which the view began came before this member was in it, and got no
     * promise: clients need not wait for the next one. */
    if (heard && replica_leads(replica) && replica_requires(replica, event->member) &&
        replica->members[event->member].promised_ns == 0 &&
        event->beat->view == replica->view.number) {
        replica_effect_add(effects, (struct replica_effect){.kind = EFFECT_BEAT});
    }
}

void replica_step_beat_answered(struct replica *replica, const struct replica_event *event,
                                struct replica_effects *effects)
{
    PRE(event->member < SET_MEMBERS_MAX && event->member != replica->self);
    struct replica_member *other = &replica->members[event->member];
    if (!hear(replica, event->member, event->beat, true, effects)) {
        return;
    }
    if (event->sent_ns > other->answered_ns) {
        other->answered_ns = event->sent_ns;
    }
    const struct view *view = &replica->view;
    if (is_primary_of_my_view(replica, event->member, event->beat)) {
        other->primary_ns = replica->now_ns;
    }
    /* A promise is a process's to a process: it holds in the primary's next view too. */
    if ((event->beat->flags & BEAT_PROMISED) && replica_leads(replica) &&
        event->member < view->member_count && event->beat->view == view->number &&
        event->sent_ns > other->promised_ns) {
        other->promised_ns = event->sent_ns;
    }
    replica_lease_count(replica);
    replica_consider(replica, effects);
}

void replica_step_death(struct replica *replica, const struct replica_event *event,
                        struct replica_effects *effects)
{
    if (event->member >= SET_MEMBERS_MAX || event->member == replica->self) {
        return;
    }
    struct replica_member *other = &replica->members[event->member];
    if (other->said.incarnation == event->incarnation || other->said.incarnation == 0 ||
        (event->member < replica->view.member_count &&
         replica->view.members[event->member].incarnation == event->incarnation)) {
        other->dead = event->incarnation;
    }
    if (other->said.incarnation == event->incarnation) {
        other->answered_ns = 0;
        other->promised_ns = 0;
    }
    /* So that the others hear at once that the primary is known to be silent here. */
    replica_effect_add(effects, (struct replica_effect){.kind = EFFECT_BEAT});
    replica_lease_count(replica);
    replica_consider(replica, effects);
}

void replica_step_disk(struct replica *replica, const struct replica_event *event,
                       struct replica_effects *effects)
{
    replica->stalled = event->status < 0;
    replica_lease_count(replica);
    replica_consider(replica, effects);
}
