/*
 * The step function: one switch over events, and what the files of the rules share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/replica/replica.h"

#include "backend/base/check.h"
#include "backend/base/errors.h"

void replica_init(struct replica *replica, uint32_t brick, uint64_t incarnation,
                  uint64_t sequenced, uint64_t committed)
{
    PRE(committed <= sequenced);
    *replica = (struct replica){
        .brick = brick,
        .self = SET_MEMBERS_MAX,
        .min_insync = MIN_INSYNC_DEFAULT,
        .incarnation = incarnation,
        .role = ROLE_IDLE,
        .sequenced = sequenced,
        .applied = sequenced,
        .committed = committed,
    };
}

void replica_effect_add(struct replica_effects *effects, struct replica_effect effect)
{
    INVARIANT(effects->count < REPLICA_EFFECTS_MAX);
    effects->list[effects->count++] = effect;
}

int view_position(const struct view *view, uint32_t brick)
{
    for (uint32_t i = 0; i < view->member_count; i++) {
        if (view->members[i].brick == brick && view->members[i].state == MEMBER_IN_SYNC) {
            return (int)i;
        }
    }
    return -ENOENT;
}

const char *replica_role_name(enum replica_role role)
{
    static const char *const names[] = {
        [ROLE_IDLE] = "idle",
        [ROLE_BACKUP] = "backup",
        [ROLE_SETTLING] = "settling",
        [ROLE_PRIMARY] = "primary",
        [ROLE_JOINER] = "joiner",
    };
    PRE((unsigned)role < sizeof names / sizeof names[0]);
    return names[role];
}

void replica_step(struct replica *replica, const struct replica_event *event,
                  struct replica_effects *out_effects)
{
    out_effects->count = 0;
    if (event->now_ns > replica->now_ns) {
        replica->now_ns = event->now_ns;
    }
    if (replica->started_ns == 0) {
        /* The process before may have promised something just before it ended. */
        replica->started_ns = replica->promise_ns = replica->now_ns;
    }
    if (replica->failed && event->kind != EVENT_BEAT) {
        return; /* a failed member takes part in nothing until its process starts anew */
    }
    switch (event->kind) {
    case EVENT_VIEW:
        replica_step_view(replica, event, out_effects);
        break;
    case EVENT_SUBMIT:
        replica_step_submit(replica, event, out_effects);
        break;
    case EVENT_APPEND:
        replica_step_append(replica, event, out_effects);
        break;
    case EVENT_APPLIED:
        replica_step_applied(replica, event, out_effects);
        break;
    case EVENT_STREAM_OPENED:
        replica_step_opened(replica, event, out_effects);
        break;
    case EVENT_STREAM_LOST:
        replica_step_lost(replica, event, out_effects);
        break;
    case EVENT_ACK:
        replica_step_ack(replica, event, out_effects);
        break;
    case EVENT_COMMIT_KNOWN:
        replica_step_commit_known(replica, event, out_effects);
        break;
    case EVENT_HOLD:
        replica_step_hold(replica, event, out_effects);
        break;
    case EVENT_TICK:
        replica_step_tick(replica, out_effects);
        break;
    case EVENT_BEAT:
        replica_step_beat(replica, event, out_effects);
        break;
    case EVENT_BEAT_ANSWERED:
        replica_step_beat_answered(replica, event, out_effects);
        break;
    case EVENT_DEATH:
        replica_step_death(replica, event, out_effects);
        break;
    case EVENT_PROPOSED:
        replica_step_proposed(replica, event, out_effects);
        break;
    case EVENT_DISK:
        replica_step_disk(replica, event, out_effects);
        break;
    case EVENT_JOIN:
        replica_step_join(replica, event, out_effects);
        break;
    }
    INVARIANT(replica->committed <= replica->applied);
    INVARIANT(replica->applied <= replica->sequenced);
}
