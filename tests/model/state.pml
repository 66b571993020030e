/*
 * What the model knows: the store's view records, three bricks, the client, and the words of the
 * rules.
 * SPDX-License-Identifier: Apache-2.0
 *
 * A brick that is frozen, or a message that is late, is a step not taken yet. Fields are as narrow
 * as they can be: the memory of a search is states times size. Small numbers stand for sets and
 * lists: bit b of a set is brick b; a log is a list of operations 1 and 2 in two bits each, oldest
 * lowest; so are the incarnations ("lives") and acknowledgements of three bricks.
 */
#define VIEWS 4  /* of two bits; fewer by the option VIEWS */
#define NOBODY 3 /* where a brick's number may be */
#define LOG_MAX 3 /* two operations, and one executed twice where a rule is broken */

#define member(set, b) (((set) >> (b)) & 1)
#define only(b) (1 << (b))
#define subset(part, whole_set) (((part) & ~(whole_set)) == 0)
#define pair_at(list, i) (((list) >> (2 * (i))) & 3)
#define with_pair(list, i, x) (((list) & ~(3 << (2 * (i)))) | ((x) << (2 * (i))))
#define contains(log, op) (pair_at(log, 0) == op || pair_at(log, 1) == op || pair_at(log, 2) == op)
#define prefix(log, length) ((log) & ((1 << (2 * (length))) - 1))

/* One entry of the store, and what the view's primary ordered in it. */
typedef view_record {
    unsigned primary : 2;
    unsigned in_sync : 3;
    unsigned lives : 6;        /* the incarnation that each member had when it was named */
    unsigned order : 6;        /* the stream: settled log and what was sequenced behind it */
    unsigned order_length : 2;
};

typedef brick_state {
    /* on disk; a process crash leaves it */
    unsigned life : 2;         /* incarnation, one more at each crash */
    unsigned view : 2;
    unsigned suspect : 1;      /* rule 10 */
    unsigned marked : 1;       /* reconciling, rule 11 */
    unsigned ready : 1;        /* follows this view's stream without a gap */
    unsigned log : 6;
    unsigned length : 2;
    unsigned known : 2;        /* so much of its log it knows to be committed */
    unsigned synced : 2;       /* so much of its log survives its machine */
    /* in memory */
    unsigned up : 1;
    unsigned proposed : 3;     /* the set of a proposal whose outcome it does not know; 0: none */
    unsigned lease : 3;        /* as primary: whose promises hold */
    unsigned acked : 6;        /* as primary: how much each member has acknowledged */
    unsigned reported : 3;     /* as primary: who told it its log, rule 9 */
    unsigned settled : 3;      /* as primary: who has this view's log */
    /* in the network: outlives its sender */
    unsigned offer : 3;        /* a proposal that may land yet, on the current version */
    unsigned offer_lives : 6;
    /* only where a rule is broken */
    unsigned missed : 1;       /* lost a message of the stream and went on */
    unsigned remembered : 3;   /* a reply memory that healing does not replace */
};

view_record view[VIEWS];
brick_state brick[3];
unsigned current : 2;              /* the store's view */
unsigned store_lease : 2 = NOBODY; /* whom the record protects: changed within a grace */
unsigned notice : 2 = NOBODY;      /* only where a rule is broken: the last death heard of */

/* the client's mutations: not sent, sent once (to brick sent - 1), or resent to whoever may
 * answer */
#define UNSENT 0
#define SENT_TO(b) ((b) + 1)
#define RESENT 4
byte sent[3];
unsigned answered : 3;
unsigned refused : 3;

/* one read at a time: gathered at a brick, not sent yet */
unsigned reading : 1;
unsigned read_name : 1;
unsigned read_from : 2;
unsigned read_view : 2;
unsigned read_value : 2;
unsigned read_length : 2; /* the answer rests on so much of the log */

/* one grant of one name */
unsigned grant_from : 2 = NOBODY;
unsigned grant_name : 1;
unsigned grant_value : 2;
unsigned grant_length : 2;

unsigned newest_answer : 2; /* the newest view in which something was answered */
unsigned crashes_left : 2;
unsigned reboots_left : 2;
unsigned reads_left : 2;
int possible; /* what the client may believe; see linear.c */

/* Options, set once from the environment (linear.c): no part of a state. */
hidden byte broken;
hidden byte views, ops, start, tail;
hidden byte joins, replacements, removals, store_leases, refusals, caches, names;
hidden byte durable, recovery, views_checked;
hidden byte goal;

/* Arguments and results of linear.c, and counters within a step. */
hidden byte log_given, length_given, op_given, name_given, value_given;
hidden byte k, l;

#define breaks(rule) (broken == rule)

/* ---- the words of the rules ---- */

#define record(b) view[brick[b].view]
#define in_sync(b) (record(b).in_sync)

/* A brick that may lead, report and vote: neither suspect (rule 10) nor half healed (rule 11). */
#define whole(b) (!brick[b].suspect && (!brick[b].marked || breaks(UNMARKED_WHILE_HEALED)))

/* The view names its primary's incarnation: one that restarted is not that primary (rule 6). */
#define primary(b) (brick[b].up && record(b).primary == b && \
    pair_at(record(b).lives, b) == brick[b].life)
#define serving(b) (primary(b) && subset(in_sync(b), brick[b].settled))
#define same_view(a, b) (brick[a].view == brick[b].view)

/* Rule 1: while a proposal's outcome is unknown, what both views require. */
#define required_to_commit(p) (breaks(PROMOTION_UNKNOWN_TO_PRIMARY) -> in_sync(p) : \
    (breaks(REMOVAL_BEFORE_OUTCOME) && brick[p].proposed -> brick[p].proposed : \
    (in_sync(p) | brick[p].proposed)))
#define required_to_answer(p) (breaks(PROMOTION_UNKNOWN_TO_LEASE) -> in_sync(p) : \
    (in_sync(p) | brick[p].proposed))

/* Rule 4: acknowledged by all who are required. */
#define has_acked(p, m, index) (pair_at(brick[p].acked, m) >= (index))
#define acked_if_required(p, m, index) (!member(required_to_commit(p), m) || has_acked(p, m, index))
#define all_acked(p, index) (breaks(TWO_OF_THREE) -> \
    has_acked(p, 0, index) + has_acked(p, 1, index) + has_acked(p, 2, index) >= 2 : \
    (acked_if_required(p, 0, index) && acked_if_required(p, 1, index) && \
        acked_if_required(p, 2, index)))

/* Which names an operation touches. One register: all do. Two names: 1 renames name 0 to name 1,
 * 2 makes name 0 anew. */
#define touches(op, name) ((op) != 0 && (!names || (name) == 0 || (op) == 1))
/* The length of the shortest prefix that a name's state rests on. */
#define rests_on(log, length, name) \
    ((length) >= 3 && touches(pair_at(log, 2), name) -> 3 : \
    ((length) >= 2 && touches(pair_at(log, 1), name) -> 2 : \
    ((length) >= 1 && touches(pair_at(log, 0), name) -> 1 : 0)))
/* The same with a rename that marks only the name it takes away. */
#define rests_on_marked(log, length, name) \
    (breaks(RENAME_MARKS_ONE_NAME) && (name) == 1 -> 0 : rests_on(log, length, name))
#define rests_on_recalled(log, length, name) \
    (breaks(RENAME_RECALLS_ONE_NAME) && (name) == 1 -> 0 : rests_on(log, length, name))

/* Rule 15: no client may still read from its cache what the operation changes. */
#define no_conflicting_grant(p, index) (grant_from == NOBODY || \
    (breaks(GRANT_OUTLIVES_PRIMARY) && grant_from != p) || \
    (breaks(GRANT_OUTLIVES_LEASE) && grant_from != p && brick[grant_from].up) || \
    rests_on_recalled(brick[p].log, index, grant_name) <= grant_length)

/* What a primary knows to be committed: in its own view, or from before. */
#define committed(p, index) (serving(p) && (index) <= brick[p].length && all_acked(p, index) && \
    no_conflicting_grant(p, index))
#define known_committed(p, index) (brick[p].known >= (index) || committed(p, index))

/* Rule 6: every in-sync member's promise, or rule 7: the store's. */
#define promised(p) (breaks(NO_LEASE) || (breaks(ONE_BACKUP_LEASE) && brick[p].lease != 0) || \
    subset(required_to_answer(p), brick[p].lease | only(p)))
#define lease_valid(p) (promised(p) || store_lease == p)

/* Rule 16: on stable storage of every in-sync member. */
#define synced_if_required(p, m, index) \
    (!member(required_to_commit(p), m) || brick[m].synced >= (index))
#define synced(p, index) (!durable || breaks(ANSWERED_BEFORE_SYNC) || \
    (brick[p].synced >= (index) && (breaks(SYNCED_ON_PRIMARY_ONLY) || \
    (synced_if_required(p, 0, index) && synced_if_required(p, 1, index) && \
    synced_if_required(p, 2, index)))))

/* Rule 3: in-sync logs are prefixes of one another. */
#define shorter(a, b) (brick[a].length < brick[b].length -> brick[a].length : brick[b].length)
#define prefix_related(a, b) \
    (prefix(brick[a].log, shorter(a, b)) == prefix(brick[b].log, shorter(a, b)))

#define each_brick(action) action(0) :: action(1) :: action(2)
#define each_pair(action) action(0, 1) :: action(0, 2) :: action(1, 0) :: action(1, 2) \
    :: action(2, 0) :: action(2, 1)
#define each_op(action) action(1) :: action(2)
#define each_brick_and_op(action) action(0, 1) :: action(0, 2) :: action(1, 1) :: action(1, 2) \
    :: action(2, 1) :: action(2, 2)
