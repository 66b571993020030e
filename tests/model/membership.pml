/*
 * Crashes, suspects, healing and promotion: rules 10, 11 and 12.
 * SPDX-License-Identifier: Apache-2.0
 */

inline lose_memory(lost)
{
    brick[lost].up = 0;
    brick[lost].life = brick[lost].life + 1;
    brick[lost].proposed = 0;
    brick[lost].missed = 0;
    if /* attack: it goes on where it was */
    :: breaks(RESTARTED_PRIMARY_REUSES_INDEX)
    :: else ->
        brick[lost].lease = 0;
        brick[lost].acked = 0;
        brick[lost].reported = 0;
        brick[lost].settled = 0
    fi;
    if
    :: store_lease == lost -> store_lease = NOBODY
    :: else
    fi;
    if
    :: breaks(DEATH_NOTICE_SKIPS_PROMISE) || breaks(DEATH_NOTICE_WITHOUT_INCARNATION) ->
        notice = lost
    :: else
    fi;
    if /* attack: the view was not durable before it acted in it */
    :: breaks(VIEW_FORGOTTEN) && brick[lost].view > 0 && view[brick[lost].view - 1].in_sync != 0 ->
        brick[lost].view = brick[lost].view - 1
    :: else
    fi;
    /* a connection's requests end with it, and their sender cannot know how far they came */
    sent[1] = (sent[1] == SENT_TO(lost) -> RESENT : sent[1]);
    sent[2] = (sent[2] == SENT_TO(lost) -> RESENT : sent[2])
}

inline crash(b)
{
    d_step {
        brick[b].up && crashes_left > 0 ->
        crashes_left = crashes_left - 1;
        lose_memory(b);
        printf("brick %d: crashes\n", b)
    }
}

/* The machine stops: what was not synced is gone, down to a length of keep. Which part of a log
 * is left does not matter beyond that, since a suspect's log is never looked at. */
inline reboot(who, keep)
{
    d_step {
        brick[who].up && reboots_left > 0 && keep >= brick[who].synced &&
            (keep == 0 || keep < brick[who].length || keep == brick[who].synced) ->
        reboots_left = reboots_left - 1;
        lose_memory(who);
        brick[who].log = prefix(brick[who].log, keep);
        brick[who].length = keep;
        brick[who].known = (brick[who].known > keep -> keep : brick[who].known);
        if
        :: breaks(REBOOTED_MEMBER_LEADS)
        :: breaks(WIPED_DISK_LEADS) && keep == 0
        :: else ->
            brick[who].suspect = 1;
            brick[who].ready = 0
        fi;
        printf("brick %d: its machine stops, %d left of its log\n", who, keep)
    }
}

inline reboot_empty(b)
{
    reboot(b, 0)
}

inline reboot_shorter(b)
{
    reboot(b, 1)
}

inline restart(b)
{
    d_step {
        !brick[b].up ->
        brick[b].up = 1;
        printf("brick %d: starts again\n", b);
        if /* attack: its machine did not stop since the last start, so it thinks itself whole */
        :: breaks(SUSPICION_FORGOTTEN) || (breaks(UNMARKED_WHILE_HEALED) && brick[b].marked) ->
            brick[b].suspect = 0
        :: else
        fi;
        if /* attack: numbers from what it has applied, not from what it has sent */
        :: breaks(RESTARTED_PRIMARY_REUSES_INDEX) && record(b).primary == b ->
            record(b).lives = with_pair(record(b).lives, b, brick[b].life);
            record(b).order = brick[b].log;
            record(b).order_length = brick[b].length
        :: else
        fi
    }
}

/* ---- rule 11: healing may cut back, and takes its time ---- */

/* Never on a brick that is in sync, or may be (rule 1), unless it is suspect. */
#define may_heal(p, m) (joins && primary(p) && whole(p) && brick[m].up && same_view(p, m) && \
    brick[m].proposed == 0 && \
    (brick[m].suspect || (serving(p) && !member(required_to_commit(p), m))))

inline heal_begin(p, m)
{
    d_step {
        may_heal(p, m) && !brick[m].marked && !brick[m].ready ->
        brick[m].marked = 1;
        if
        :: breaks(DIVERGENT_TAIL_UNNAMED)
        :: else ->
            brick[m].log = 0;
            brick[m].length = 0
        fi;
        brick[m].known = 0;
        brick[m].synced = 0;
        printf("brick %d: is being healed by %d\n", m, p)
    }
}

inline heal_end(p, m)
{
    d_step {
        may_heal(p, m) && brick[m].marked ->
        brick[m].marked = 0;
        brick[m].ready = 1;
        if
        :: breaks(DIVERGENT_TAIL_UNNAMED) && brick[m].length >= brick[p].length
        :: else ->
            brick[m].log = brick[p].log;
            brick[m].length = brick[p].length
        fi;
        if /* rule 4: what it acknowledged before its crash is not counted any more */
        :: breaks(ACKNOWLEDGED_THEN_REBOOTED) && has_acked(p, m, brick[m].length)
        :: else -> brick[p].acked = with_pair(brick[p].acked, m, brick[m].length)
        fi;
        printf("brick %d: is healed by %d\n", m, p)
    }
}

/* ---- rule 12: who has everything committed, and acknowledges, is put in; rule 10: so re-enters
 * a suspect ---- A promotion sent after an unnoticed crash of the joiner is like one sent before
 * it. */

#define has_if_committed(p, m, index) (has_acked(p, m, index) || !committed(p, index))
#define caught_up(p, m) (breaks(PROMOTED_BEFORE_CAUGHT_UP) || \
    (has_if_committed(p, m, 1) && has_if_committed(p, m, 2) && has_if_committed(p, m, 3)))

inline promote(p, m)
{
    d_step {
        joins && may_propose(p) && primary(p) && brick[m].up && same_view(p, m) && brick[m].ready &&
            ((serving(p) && !member(in_sync(p), m)) || brick[m].suspect) && caught_up(p, m) &&
            (!durable || brick[m].synced == brick[m].length) ->
        k = in_sync(p) | only(m);
        l = with_pair(record(p).lives, m, brick[m].life);
        offer_view(p);
        printf("brick %d: proposes with %d\n", p, m)
    }
}

/* In one step with the removal of the third. */
inline replace(p, m)
{
    d_step {
        replacements && may_propose(p) && primary(p) && serving(p) && brick[m].up &&
            same_view(p, m) && brick[m].ready && !member(in_sync(p), m) && caught_up(p, m) &&
            (!durable || brick[m].synced == brick[m].length) ->
        k = only(p) | only(m);
        l = with_pair(record(p).lives, m, brick[m].life);
        offer_view(p);
        printf("brick %d: proposes only itself and %d\n", p, m)
    }
}

/* ---- rule 10: all are suspect ---- Once all are back, and not before, the view names what they
 * are now, and settling takes the longest log. What was durable is on each of them; the rest may
 * be gone from all, as the view's volatile epoch says. */

#define back(b) (!member(view[current].in_sync, b) || \
    (brick[b].up && brick[b].view == current && brick[b].suspect && !brick[b].marked) || \
    (breaks(SUSPECT_LEADS_BEFORE_ALL_ARE_BACK) && !brick[b].up))
#define suspect_if_in_sync(b) (!member(view[current].in_sync, b) || brick[b].suspect)
#define holds_if_in_sync(b, op) (member(view[current].in_sync, b) && contains(brick[b].log, op))
#define held(op) (holds_if_in_sync(0, op) || holds_if_in_sync(1, op) || holds_if_in_sync(2, op))

inline succeed_suspect(b)
{
    d_step {
        recovery && brick[b].up && brick[b].suspect && !brick[b].marked &&
            brick[b].view == current && current + 1 < views && brick[b].proposed == 0 &&
            brick[b].offer == 0 && member(in_sync(b), b) && back(0) && back(1) && back(2) &&
            no_promise_runs(b) && store_lease_over(b) ->
        if /* P1 promises nothing but what is durable once no unsuspect brick is left */
        :: !durable && suspect_if_in_sync(0) && suspect_if_in_sync(1) && suspect_if_in_sync(2) ->
            answered = answered & ((held(1) -> only(1) : 0) | (held(2) -> only(2) : 0))
        :: else
        fi;
        k = in_sync(b);
        l = brick[0].life | (brick[1].life << 2) | (brick[2].life << 4);
        offer_view(b);
        printf("brick %d: suspect, proposes itself\n", b)
    }
}
