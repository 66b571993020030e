/*
 * The promises, as assertions: called after every step that could break one.
 * SPDX-License-Identifier: Apache-2.0
 */

/* P1: no brick that may lead misses what was acknowledged; rule 3: in-sync logs are prefix-
 * related. */
#define may_lead(b) (member(view[current].in_sync, b) && whole(b))
#define holds_answered(b) ((!member(answered, 1) || contains(brick[b].log, 1)) && \
    (!member(answered, 2) || contains(brick[b].log, 2)))
#define logs_agree(a, b) (!may_lead(a) || !may_lead(b) || prefix_related(a, b))

inline check_logs()
{
    assert(!may_lead(0) || holds_answered(0)); /* P1 */
    assert(!may_lead(1) || holds_answered(1)); /* P1 */
    assert(!may_lead(2) || holds_answered(2)); /* P1 */
    assert(logs_agree(0, 1) && logs_agree(0, 2) && logs_agree(1, 2))
}

/* P2: once a view has answered, no older one does. With the option P2=0 not asked, so that a
 * search goes on to what a client sees of it (P4). */
inline check_view(who)
{
    assert(!views_checked || brick[who].view >= newest_answer); /* P2 */
    newest_answer = (brick[who].view > newest_answer -> brick[who].view : newest_answer)
}

/* P3: at most once. */
inline check_once(who, what)
{
    assert(!contains(brick[who].log, what)) /* P3 */
}

/* P4: some order of the operations explains every answer. */
inline client_begins()
{
    c_code {
        now.possible = linear_closed(now.possible, names,
            ((now.sent[1] != 0) << 1 | (now.sent[2] != 0) << 2) & ~now.refused,
            now.reading ? now.read_name : -1);
    }
}

inline client_begins_read(which)
{
    name_given = which;
    c_code {
        now.possible = linear_closed(now.possible, names,
            ((now.sent[1] != 0) << 1 | (now.sent[2] != 0) << 2) & ~now.refused, name_given);
    }
}

inline client_hears_reply(what)
{
    op_given = what;
    c_code {
        now.possible = linear_replied(now.possible, names, op_given,
            linear_result_of(names, log_given, length_given, op_given));
    };
    assert(possible != 0) /* P4 */
}

inline client_hears_refusal(what)
{
    op_given = what;
    c_code { now.possible = linear_replied(now.possible, names, op_given, -1); };
    assert(possible != 0) /* P4 */
}

inline client_hears_value(what)
{
    value_given = what;
    c_code { now.possible = linear_read_done(now.possible, value_given); };
    assert(possible != 0) /* P4 */
}
