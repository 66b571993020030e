/*
 * Views and leases: rules 1, 6 and 7.
 * SPDX-License-Identifier: Apache-2.0
 *
 * What only availability wants (who is in contact, who agrees that the primary is silent) is left
 * out: any brick proposes whenever safety lets it.
 */

/* ---- rule 1: put-if-version, with an outcome that stays unknown for any time ---- */

#define may_propose(b) (brick[b].up && whole(b) && brick[b].view == current && \
    current + 1 < views && brick[b].proposed == 0 && brick[b].offer == 0)

/* Offers the set k with the incarnations l. */
inline offer_view(proposer)
{
    brick[proposer].proposed = k;
    brick[proposer].offer = k;
    brick[proposer].offer_lives = with_pair(l, proposer, brick[proposer].life)
}

/* Whatever else was offered on the version that has gone can never land. */
inline void_offers()
{
    brick[0].offer = 0; brick[0].offer_lives = 0;
    brick[1].offer = 0; brick[1].offer_lives = 0;
    brick[2].offer = 0; brick[2].offer_lives = 0
}

/* The store takes an offer; its sender may be dead by now, or alive again. */
inline land(b)
{
    d_step {
        brick[b].offer != 0 ->
        current = current + 1;
        view[current].primary = b;
        view[current].in_sync = brick[b].offer;
        view[current].lives = brick[b].offer_lives;
        void_offers();
        printf("store: view %d, primary %d, in sync %d\n", current, b, view[current].in_sync);
        check_logs()
    }
}

/* A linearizable read tells the proposer that its offer was void: only once it cannot land any
 * more. */
inline learn_failure(b)
{
    d_step {
        brick[b].up && brick[b].proposed != 0 && brick[b].view == current &&
            (brick[b].offer == 0 || breaks(LOST_ANSWER_TAKEN_FOR_FAILURE)) ->
        brick[b].proposed = 0;
        printf("brick %d: proposal failed\n", b)
    }
}

/* Views are adopted one after the other: a read of the store may be old when it is acted upon. */
inline adopt_view(b)
{
    d_step {
        brick[b].up && brick[b].view < current ->
        brick[b].view = brick[b].view + 1;
        brick[b].proposed = 0;
        brick[b].lease = 0;
        brick[b].acked = 0;
        brick[b].reported = 0;
        brick[b].settled = 0;
        brick[b].ready = 0;
        brick[b].missed = 0;
        printf("brick %d: adopts view %d\n", b, brick[b].view);
        if /* rule 10: re-entered by the record that names what it is now */
        :: member(in_sync(b), b) && !brick[b].marked &&
            (pair_at(record(b).lives, b) == brick[b].life || breaks(ANY_VIEW_LIFTS_SUSPICION)) ->
            brick[b].suspect = 0
        :: else
        fi;
        if /* attack: its own proposal lands after it restarted, and it had promised again */
        :: breaks(CANDIDATE_RESTARTS) && record(b).primary == b ->
            record(b).lives = with_pair(record(b).lives, b, brick[b].life)
        :: else
        fi;
        if
        :: primary(b) -> brick[b].reported = only(b)
        :: else
        fi;
        if /* attack: whoever is in sync counts at once, each with the log that it has */
        :: breaks(NO_SETTLING) && primary(b) ->
            brick[b].settled = in_sync(b);
            brick[b].ready = 1;
            record(b).order = brick[b].log;
            record(b).order_length = brick[b].length;
            brick[b].acked = with_pair(0, b, brick[b].length)
        :: breaks(NO_SETTLING) && !primary(b) && member(in_sync(b), b) ->
            brick[b].ready = 1;
            acknowledge(b, brick[b].length)
        :: else
        fi;
        k = brick[b].view - 1;
        forget_view(k);
        check_logs()
    }
}

/* Nobody will ask for a view that all have left: equal states become one. */
inline forget_view(v)
{
    if
    :: brick[0].view > v && brick[1].view > v && brick[2].view > v ->
        view[v].primary = 0;
        view[v].in_sync = 0;
        view[v].lives = 0;
        view[v].order = 0;
        view[v].order_length = 0
    :: else
    fi
}

/* ---- rule 6: leases, as tokens ---- The member counts from sending its promise and the primary
 * from asking for it, so the primary's part ends first: one token for both, which may go at any
 * time. It outlives the member's crash. The primary's crash takes its tokens along: it can use
 * them no more, and a death notice may be as quick as that. */

inline heartbeat(p, m)
{
    d_step {
        primary(p) && brick[m].up && same_view(p, m) && member(required_to_answer(p), m) &&
            !member(brick[p].lease, m) &&
            (brick[m].proposed == 0 || breaks(CANDIDATE_ANSWERS_HEARTBEAT)) ->
        brick[p].lease = brick[p].lease | only(m);
        printf("brick %d: promises to %d in view %d\n", m, p, brick[m].view)
    }
}

inline promise_ends(p, m)
{
    d_step {
        /* rule 15: the lease that a grant was given under lasts at least as long */
        member(brick[p].lease, m) && (grant_from != p || breaks(GRANT_OUTLIVES_LEASE)) ->
        brick[p].lease = brick[p].lease & ~only(m);
        printf("brick %d: its promise to %d ends\n", m, p)
    }
}

#define no_promise_runs(b) (!member(brick[0].lease, b) && !member(brick[1].lease, b) && \
    !member(brick[2].lease, b))
/* attack: the notice about one primary voids what was promised to an older one; or, it does not
 * say which incarnation died */
#define death_excuses(b) \
    ((breaks(DEATH_NOTICE_SKIPS_PROMISE) && notice == view[current].primary) || \
    (breaks(DEATH_NOTICE_WITHOUT_INCARNATION) && notice == view[current].primary && \
        !primary(notice)))

/* ---- rule 7: succession, removal, the lone survivor ---- */

#define store_lease_over(b) \
    (store_lease == NOBODY || store_lease == b || breaks(IGNORED_STORE_LEASE))

/* A member takes over, once nothing that it promised runs; with or without removing one (not
 * itself: then nobody). */
inline succeed(who, removed)
{
    d_step {
        may_propose(who) && member(in_sync(who), who) && !primary(who) &&
            (no_promise_runs(who) || death_excuses(who)) && store_lease_over(who) &&
            (removed == who || (removals && in_sync(who) == 7)) ->
        k = (removed == who -> in_sync(who) : in_sync(who) & ~only(removed));
        l = record(who).lives;
        offer_view(who);
        printf("brick %d: proposes itself, in sync %d\n", who, brick[who].proposed)
    }
}

inline succeed_alone(b)
{
    succeed(b, b)
}

inline remove_member(p, removed)
{
    d_step {
        removals && may_propose(p) && primary(p) && in_sync(p) == 7 ->
        k = in_sync(p) & ~only(removed);
        l = record(p).lives;
        offer_view(p);
        printf("brick %d: proposes without %d\n", p, removed)
    }
}

/* A primary that cannot have all promises lets the store protect it: it changes the record,
 * which voids offers on the version before. */
inline renew_store_lease(p)
{
    d_step {
        store_leases && store_lease == NOBODY && primary(p) && !promised(p) &&
            brick[p].proposed == 0 &&
            (brick[p].view == current || breaks(STORE_LEASE_OF_OLD_VIEW)) ->
        store_lease = p;
        printf("brick %d: renews the store's record\n", p);
        if
        :: breaks(STORE_LEASE_UNDER_PROPOSAL) || breaks(STORE_LEASE_OF_OLD_VIEW)
        :: else -> void_offers()
        fi
    }
}

inline store_lease_ends()
{
    d_step {
        store_lease != NOBODY && (grant_from != store_lease || breaks(GRANT_OUTLIVES_LEASE)) ->
        store_lease = NOBODY;
        printf("store: record unchanged for a grace\n")
    }
}
