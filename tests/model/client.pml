/*
 * The client: answers, refusals, replies, caches. Rules 5, 8, 14 and 15.
 * SPDX-License-Identifier: Apache-2.0
 *
 * Operations begin when they are first sequenced and answers arrive when they are sent: anything
 * later constrains less. A client that does not hear sends again, so an operation may come to any
 * primary, at any time, any number of times, also after it was answered.
 */

/* ---- rule 8 ---- */

inline send_once(b, op)
{
    d_step {
        refusals && op <= ops && sent[op] == UNSENT && brick[b].up ->
        sent[op] = SENT_TO(b);
        printf("client: sends operation %d to brick %d\n", op, b);
        client_begins()
    }
}

inline resend(op)
{
    d_step {
        sent[op] != UNSENT && sent[op] != RESENT && !member(refused, op) ->
        sent[op] = RESENT;
        printf("client: sends operation %d again\n", op)
    }
}

#define never_sequenced(p, op) (sent[op] == SENT_TO(p) || \
    (breaks(REFUSED_THEN_COMMITTED) && sent[op] == RESENT && contains(record(p).order, op)) || \
    (breaks(REFUSED_BY_ANOTHER) && sent[op] == RESENT && unseen(p, op)))

inline refuse(p, op)
{
    d_step {
        refusals && !member(answered | refused, op) && primary(p) && lease_valid(p) &&
            never_sequenced(p, op) ->
        refused = refused | only(op);
        printf("brick %d: refuses operation %d\n", p, op);
        client_hears_refusal(op);
        check_view(p)
    }
}

/* ---- rule 5: on committed state only, and with a view and lease that hold when it is sent ---- */

/* Where an operation is in a log that contains it. */
#define index_of(p, op) (pair_at(brick[p].log, 0) == op -> 0 : \
    (pair_at(brick[p].log, 1) == op -> 1 : 2))

inline reply(p, op)
{
    d_step {
        sent[op] != UNSENT && !member(answered | refused, op) && primary(p) && lease_valid(p) &&
            contains(brick[p].log, op) &&
            synced(p, index_of(p, op) + 1) &&
            (known_committed(p, index_of(p, op) + 1) ||
                (breaks(CACHED_REPLY_OF_UNCOMMITTED) && !serving(p))) ->
        answered = answered | only(op);
        log_given = brick[p].log;
        length_given = index_of(p, op) + 1;
        printf("brick %d: answers operation %d\n", p, op);
        client_hears_reply(op);
        check_view(p);
        check_logs()
    }
}

/* attack: the reply memory still has what healing undid */
inline reply_of_undone(p, op)
{
    d_step {
        breaks(UNDONE_OPERATION_ANSWERED) && member(brick[p].remembered, op) &&
            !contains(brick[p].log, op) && !member(answered, op) && serving(p) && lease_valid(p) ->
        answered = answered | only(op);
        printf("brick %d: answers operation %d from its memory\n", p, op);
        check_logs()
    }
}

#define read_length_now(p, name) rests_on_marked(brick[p].log, brick[p].length, name)

inline gather(who, which)
{
    d_step {
        reads_left > 0 && !reading && primary(who) && (which == 0 || names) &&
            (known_committed(who, read_length_now(who, which)) || breaks(UNCOMMITTED_READ) ||
                (breaks(UNSETTLED_READ) && !serving(who))) &&
            (lease_valid(who) || !breaks(CHECKED_BEFORE_GATHERED)) ->
        reads_left = reads_left - 1;
        reading = 1;
        read_name = which;
        read_from = who;
        read_view = brick[who].view;
        read_length = rests_on(brick[who].log, brick[who].length, which);
        take_value(who, which);
        printf("brick %d: gathers an answer, name %d has %d\n", who, which, read_value);
        client_begins()
    }
}

inline take_value(from, what)
{
    log_given = brick[from].log;
    length_given = brick[from].length;
    name_given = what;
    c_code { value_given = linear_value_of(names, log_given, length_given, name_given); };
    read_value = value_given
}

inline gather_first(p)
{
    gather(p, 0)
}

inline gather_second(p)
{
    gather(p, 1)
}

inline forget_read()
{
    reading = 0;
    read_name = 0;
    read_from = 0;
    read_view = 0;
    read_value = 0;
    read_length = 0
}

#define gathered_in_this_view(p) (primary(p) && brick[p].view == read_view)

inline answer_read(p)
{
    d_step {
        reading && read_from == p && ((gathered_in_this_view(p) && lease_valid(p)) ||
            (breaks(CHECKED_BEFORE_GATHERED) && brick[p].up)) ->
        if /* attack: looked at view and lease first, at the data afterwards */
        :: breaks(CHECKED_BEFORE_GATHERED) -> take_value(p, read_name)
        :: else
        fi;
        printf("brick %d: answers a read in view %d\n", p, brick[p].view);
        client_hears_value(read_value);
        check_view(p);
        grant(p);
        forget_read()
    }
}

/* The client asks again: as if it had not asked before. */
inline abandon_read()
{
    d_step {
        reading && !gathered_in_this_view(read_from) ->
        reads_left = reads_left + 1;
        forget_read();
        c_code { now.possible = linear_read_done(now.possible, -1); }
    }
}

/* ---- rule 15 ---- */

/* Of the state just read, unless it has changed meanwhile. What is sequenced after it waits for
 * the grant's end before it commits. */
inline grant(by)
{
    if
    :: caches && grant_from == NOBODY &&
        rests_on(brick[by].log, brick[by].length, read_name) == read_length ->
        grant_from = by;
        grant_name = read_name;
        grant_value = read_value;
        grant_length = read_length;
        printf("brick %d: grants name %d\n", by, read_name)
    :: else
    fi
}

/* Run out, or given back. */
inline grant_ends()
{
    d_step {
        grant_from != NOBODY ->
        grant_from = NOBODY;
        grant_name = 0;
        grant_value = 0;
        grant_length = 0;
        printf("client: its grant has ended\n")
    }
}

inline read_from_cache()
{
    d_step {
        grant_from != NOBODY && reads_left > 0 && !reading ->
        reads_left = reads_left - 1;
        printf("client: reads name %d from its cache, %d\n", grant_name, grant_value);
        client_begins_read(grant_name);
        client_hears_value(grant_value)
    }
}
