/*
 * Order, streams, commit and settling: rules 2, 3, 4 and 9.
 * SPDX-License-Identifier: Apache-2.0
 */

/* ---- rule 2: the primary of a settled view numbers operations ---- */

/* Rule 14: neither remembered nor (rule 5: a duplicate joins) in flight. */
#define unseen(p, op) (!contains(brick[p].log, op) && !contains(record(p).order, op))
#define seen_naively(p, op) \
    ((breaks(DUPLICATE_NOT_JOINED) && !contains(brick[p].log, op)) || \
    (breaks(NO_REPLY_MEMORY) && !member(answered, op) && brick[p].view > 0 && \
        record(p).order_length == brick[p].length))
/* The two operations are alike on one register: call the one that is sequenced first 1. */
#define in_turn(op) (op <= ops && (op == 1 || names || sent[1] != UNSENT))

inline sequence(p, op)
{
    d_step {
        in_turn(op) && (refusals -> sent[op] == SENT_TO(p) || sent[op] == RESENT : 1) &&
            !member(refused, op) && serving(p) && record(p).order_length < LOG_MAX &&
            (unseen(p, op) || seen_naively(p, op)) ->
        record(p).order = with_pair(record(p).order, record(p).order_length, op);
        record(p).order_length = record(p).order_length + 1;
        sent[op] = RESENT;
        printf("brick %d: sequences operation %d\n", p, op);
        client_begins()
    }
}

/* ---- rule 3: members append what comes next, and nothing else ---- */

/* Rule 10: a suspect of the in-sync set acknowledges nothing until it was re-entered. */
#define follows(b) (brick[b].up && brick[b].ready && \
    !(brick[b].suspect && member(in_sync(b), b)))
#define next_index(b) (brick[b].length + brick[b].missed)

/* To a primary that is still there; what a dead one would have heard is lost. */
inline acknowledge(from, upto)
{
    if
    :: primary(record(from).primary) && same_view(record(from).primary, from) ->
        brick[record(from).primary].acked = with_pair(brick[record(from).primary].acked, from, upto)
    :: else
    fi
}

inline apply(b)
{
    d_step {
        follows(b) && next_index(b) < record(b).order_length && brick[b].length < LOG_MAX &&
            (brick[b].proposed == 0 || primary(b) || breaks(CANDIDATE_ACKNOWLEDGES)) ->
        k = pair_at(record(b).order, next_index(b));
        check_once(b, k);
        brick[b].log = with_pair(brick[b].log, brick[b].length, k);
        brick[b].length = brick[b].length + 1;
        if
        :: breaks(UNDONE_OPERATION_ANSWERED) -> brick[b].remembered = brick[b].remembered | only(k)
        :: else
        fi;
        acknowledge(b, next_index(b));
        printf("brick %d: applies operation %d in view %d\n", b, k, brick[b].view);
        check_logs()
    }
}

/* attack: a message is lost with its connection, and the next one's acknowledgement covers it */
inline lose_message(b)
{
    d_step {
        breaks(GAP_AFTER_RECONNECT) && follows(b) && !primary(b) && !brick[b].missed &&
            brick[b].length < record(b).order_length ->
        brick[b].missed = 1;
        printf("brick %d: loses a message\n", b)
    }
}

/* attack: an operation of the view before, from a primary that is still in it */
inline apply_old(p, b)
{
    d_step {
        breaks(OLD_VIEW_MESSAGE) && primary(p) && brick[b].up && brick[p].view < brick[b].view &&
            member(in_sync(p), b) && brick[b].length < record(p).order_length ->
        brick[b].log = with_pair(brick[b].log, brick[b].length,
                                 pair_at(record(p).order, brick[b].length));
        brick[b].length = brick[b].length + 1;
        brick[p].acked = with_pair(brick[p].acked, b, brick[b].length);
        printf("brick %d: applies an operation of view %d\n", b, brick[p].view)
    }
}

/* Rule 16: only where operations are durable (option DURABLE). A promotion has synced the
 * joiner. */
inline sync(b)
{
    d_step {
        durable && brick[b].up && brick[b].synced < brick[b].length ->
        brick[b].synced = brick[b].length;
        printf("brick %d: syncs\n", b)
    }
}

/* The commit index rides on operations and heartbeats. */
inline learn_committed(b)
{
    d_step {
        brick[b].up && brick[b].ready && brick[b].known < brick[b].length &&
            same_view(b, record(b).primary) &&
            committed(record(b).primary, brick[b].known + 1) ->
        brick[b].known = brick[b].known + 1;
        printf("brick %d: knows of %d committed\n", b, brick[b].known)
    }
}

/* ---- rule 9: one log for all in-sync members before anything else ---- */

/* A member reports its log, the primary takes over what is longer: forward, never back. */
inline report(p, m)
{
    d_step {
        primary(p) && brick[m].up && same_view(p, m) && member(in_sync(p), m) &&
            !member(brick[p].reported, m) && whole(m) && brick[m].proposed == 0 &&
            !subset(in_sync(p), brick[p].settled) ->
        assert(prefix_related(p, m));
        if
        :: brick[m].length > brick[p].length && !breaks(HEAL_CUTS_AN_IN_SYNC_BRICK) ->
            brick[p].log = brick[m].log;
            brick[p].length = brick[m].length
        :: else
        fi;
        brick[p].reported = brick[p].reported | only(m);
        printf("brick %d: reports to %d in view %d\n", m, p, brick[p].view);
        if
        :: subset(in_sync(p), brick[p].reported) ->
            record(p).order = brick[p].log;
            record(p).order_length = brick[p].length;
            brick[p].settled = only(p);
            brick[p].acked = with_pair(0, p, brick[p].length);
            brick[p].ready = 1
        :: else
        fi
    }
}

/* What it lacks of the longest log, each member gets. */
inline roll_forward(p, m)
{
    d_step {
        primary(p) && member(brick[p].settled, p) && brick[m].up && same_view(p, m) &&
            member(in_sync(p), m) && !member(brick[p].settled, m) && whole(m) &&
            brick[m].proposed == 0 && brick[m].length <= brick[p].length ->
        brick[m].log = brick[p].log;
        brick[m].length = brick[p].length;
        brick[m].ready = 1;
        brick[p].settled = brick[p].settled | only(m);
        brick[p].acked = with_pair(brick[p].acked, m, brick[m].length);
        printf("brick %d: has the log of %d\n", m, p);
        check_logs()
    }
}

/* attack: a member with more than the primary is cut back instead; half of it done, it has
 * neither state */
inline cut_back(p, m)
{
    d_step {
        breaks(HEAL_CUTS_AN_IN_SYNC_BRICK) && primary(p) && member(brick[p].settled, p) &&
            brick[m].up && same_view(p, m) && member(in_sync(p), m) &&
            !member(brick[p].settled, m) && whole(m) &&
            brick[m].length > brick[p].length ->
        brick[m].log = 0;
        brick[m].length = 0;
        brick[m].known = 0;
        brick[m].synced = 0;
        printf("brick %d: is half cut back\n", m)
    }
}
