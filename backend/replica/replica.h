/*
 * One member of a replica set, as a step function: one event in, a list of effects out. It performs
 * no I/O, takes no lock, reads no clock; replica_driver.c performs the effects with sockets and
 * files, the simulator with a virtual network. Read this file first.
 *
 *             VIEW: not in sync            VIEW: another leads
 *      ┌──────────────────────────► IDLE ◄───────────┐
 *      │              its stream │    │ VIEW          │ HALT
 *      │                         ▼    │ (leads)       │
 *      │      JOINER ── VIEW ──► BACKUP ◄─────────────┤
 *      │                              │ promise over, or void: PROPOSE, VIEW (leads)
 *   SETTLING ◄────────────────────────┘
 *      │  all in-sync members open and at one log
 *      ▼
 *   PRIMARY ── VIEW ──► SETTLING (leads again) or BACKUP
 *
 * The rules kept here, each with the file that keeps it:
 *
 *   order      replica_write.c   indexes are contiguous across views; the primary gives them out
 *   streams    replica_write.c   a member takes the next index only; what it has it acknowledges
 *                                again, a gap it refuses
 *   commit     replica_write.c   committed is what every member that is required has applied; while
 *                                a proposal's outcome is not known, both views say who is required
 *   hold       replica_write.c   nothing is committed while somebody may read the old state in his
 *                                cache
 *   settle     replica_view.c    a new primary serves when all in-sync members have its whole log;
 *                                one with a longer log leads in its place
 *   contact    replica_contact.c who is heard of, who is known dead, who says the primary is silent
 *   lease      replica_lease.c   a primary answers while every required member has promised not to
 *                                lead; a member keeps its promise for longer than that
 *   removal    replica_propose.c a silent member leaves the view before anything is committed
 *                                without it, never below min_insync
 *   succession replica_propose.c a member leads when its promise is over, the others agree, and
 *                                none has a longer log
 *   return     replica_propose.c a joiner that has everything is entered by the primary
 *   unknown    replica_propose.c while the outcome of a proposal is not known: no promise, nothing
 *                                new from the old view's primary, no other proposal
 *   ack        replica_view.c    an acknowledgement belongs to the member's incarnation, and so
 *                                does a place in a view: a restarted process enters by a new view
 *   fail       replica_write.c   a member that cannot apply what was decided stops taking part
 *
 * Invariants: committed ≤ applied ≤ sequenced; role PRIMARY or SETTLING only if view.primary is
 * this member; committed never falls.
 *
 * Members are named by their position in the view, which is the brick's number: a view lists every
 * brick of the set. Times are nanoseconds of the caller's monotonic clock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_REPLICA_REPLICA_H
#define TRIVET_REPLICA_REPLICA_H

#include <stdbool.h>
#include <stdint.h>
#include "backend/proto/view.h"

/* Numbers are on the wire. */
enum replica_role {
    ROLE_IDLE = 0,
    ROLE_BACKUP = 1,
    ROLE_SETTLING = 2,
    ROLE_PRIMARY = 3,
    ROLE_JOINER = 4
};

/* What a heartbeat, or its answer, says besides numbers. On the wire. */
enum beat_flag {
    BEAT_PROMISED = 1 << 0, /* answer: the sender of this does not lead for GRACE_MS */
    BEAT_SILENT = 1 << 1,   /* the primary of my view is silent or dead as far as I know */
    BEAT_AWAY = 1 << 2,     /* I am not in sync in my view, and want to return */
    BEAT_FAILED = 1 << 3,   /* do not count on me: my disk fails */
    BEAT_FLAG_BITS = (1 << 4) - 1
};

/* What one brick says of itself to another. */
struct beat {
    uint64_t incarnation;
    uint64_t view; /* number of the latest view it knows */
    uint64_t sequenced;
    uint64_t committed;
    uint32_t port;
    uint32_t flags; /* enum beat_flag */
};

struct replica_member {
    /* the stream to it, if this member leads */
    bool open;
    bool wanted;          /* a stream is to be open; of one that is away: it is returning */
    uint64_t incarnation; /* of the process at its other end */
    uint64_t acked;       /* it has applied everything up to here */
    /* contact */
    uint64_t answered_ns; /* when the last heartbeat was sent that it answered; 0: none */
    uint64_t primary_ns;  /* when it was last heard of as the primary of this view */
    struct beat said;     /* the latest, of the process that answers; incarnation 0: none yet */
    uint64_t dead;        /* incarnation that is known to have ended; 0: none */
    /* lease */
    uint64_t promised_ns; /* this member leads: it sent the last heartbeat that was answered with a
                             promise then; 0: none in this view */
};

struct replica_proposal {
    bool open; /* its outcome is not known: it is sent again until it is, which changes nothing */
    uint64_t at_ns; /* when it was last sent */
    struct view view;
};

struct replica {
    uint32_t brick;       /* this member's number */
    uint32_t self;        /* its position in view.members; SET_MEMBERS_MAX: none */
    uint64_t incarnation; /* of its process; a view that names another is not for it */
    uint32_t port;        /* where it listens */
    uint32_t min_insync;
    enum replica_role role;
    bool failed;
    bool stalled; /* the disk does not answer just now */
    bool entered; /* this process has been in sync in some view: it never joins again */
    struct view view;
    uint64_t sequenced;
    uint64_t applied;
    uint64_t committed;
    uint64_t held;        /* nothing from here on may be committed yet; 0: all may */
    uint64_t now_ns;      /* of the latest event */
    uint64_t started_ns;  /* of the first */
    uint64_t entered_ns;  /* when it began to act in the view */
    uint64_t beat_ns;     /* when heartbeats were last sent */
    uint64_t promise_ns;  /* when this member last sent a promise; 0: it has none to keep */
    uint64_t promised_to; /* incarnation of the primary that it was given to */
    uint64_t lease_ns;    /* it may answer until then; 0: not at all */
    uint64_t propose_ns;  /* no proposal before: a pause after one that failed */
    struct replica_proposal proposal;
    struct replica_member members[SET_MEMBERS_MAX];
};

/* Every event carries the time (now_ns). */
enum replica_event_kind {
    EVENT_VIEW,          /* view: the record is this now, and it is durable here */
    EVENT_SUBMIT,        /* index: the primary has decided the operation of this index */
    EVENT_APPEND,        /* view_number, index: an operation arrived from the primary */
    EVENT_APPLIED,       /* index, status: the store applied it, or could not */
    EVENT_STREAM_OPENED, /* member, incarnation, index: its last contiguous operation, which this
                            log has too (the driver has compared and, for a joiner, had it cut) */
    EVENT_STREAM_LOST,   /* member */
    EVENT_ACK,           /* member, incarnation, index */
    EVENT_COMMIT_KNOWN,  /* view_number, index: the primary says so much is committed */
    EVENT_HOLD,          /* index: commit nothing from here on for now; 0: no more (caches are
                            being taken back) */
    EVENT_TICK,          /* every few ms */
    EVENT_BEAT,          /* member, beat: it called; EFFECT_ANSWER says what to answer */
    EVENT_BEAT_ANSWERED, /* member, beat, sent_ns: it answered a heartbeat that was sent then; in
                            the order of sending (one connection at a time, and nothing of one that
                            was given up) */
    EVENT_DEATH,         /* member, incarnation: trivetd has seen that process end */
    EVENT_PROPOSED,      /* view_number: of the view that was proposed; status: 0, it is the record;
                            -E_VERSION_CONFLICT: it is not and never will be, or another came after
                            it; else not known. An EVENT_VIEW with the record as it is now precedes
                            the first two. */
    EVENT_DISK,          /* status: 0, the disk answers; -EIO: not for DISK_STALL_MS */
    EVENT_JOIN           /* the primary of view_number has opened a stream to this brick, which is
                            not in sync there: it is a JOINER from now on */
};

struct replica_event {
    enum replica_event_kind kind;
    uint64_t now_ns;
    uint32_t member;
    uint64_t index;
    uint64_t incarnation;
    uint64_t view_number;
    uint64_t sent_ns;
    int status;
    const struct view *view; /* the caller's */
    const struct beat *beat; /* the caller's */
};

enum replica_effect_kind {
    EFFECT_SEQUENCE, /* index: append to the log, bring the index up; before anything below */
    EFFECT_APPLY,    /* index: then report EVENT_APPLIED; in order */
    EFFECT_SEND,     /* member, index … last: send these operations, in order */
    EFFECT_OPEN,     /* member: open a stream to it (keep trying) */
    EFFECT_CLOSE,    /* member: give the stream up */
    EFFECT_COMMIT,   /* index: everything up to here is committed: answer */
    EFFECT_ACK,      /* index: tell the primary that everything up to here is applied */
    EFFECT_REFUSE,   /* status: of an APPEND or JOIN */
    EFFECT_SERVE,    /* settled: answer clients in this view while replica.lease_ns allows */
    EFFECT_SILENCE,  /* answer no client any more */
    EFFECT_HALT,     /* status: this brick has failed */
    EFFECT_BEAT,     /* send a heartbeat (replica_beat) to every other brick */
    EFFECT_ANSWER,   /* of EVENT_BEAT: answer with replica_beat and flags in last; status < 0: with
                        that and nothing else */
    EFFECT_PROPOSE,  /* replica.proposal.view, in place of replica.view, perhaps once more; then
                        EVENT_PROPOSED */
    EFFECT_READ,     /* there is a newer view: read the record, then EVENT_VIEW */
    EFFECT_REENTER   /* end the process: it was removed, and returns as a new one */
};

struct replica_effect {
    enum replica_effect_kind kind;
    uint32_t member;
    uint64_t index;
    uint64_t last;
    int status;
};

/* More than any event brings about: three per member and eight. */
#define REPLICA_EFFECTS_MAX (3 * SET_MEMBERS_MAX + 8)

struct replica_effects {
    unsigned count;
    struct replica_effect list[REPLICA_EFFECTS_MAX];
};

/*
 * Begin as an idle member with what the store has. sequenced is also applied: a store replays its
 * log when it is opened.
 */
void replica_init(struct replica *replica, uint32_t brick, uint64_t incarnation, uint64_t sequenced,
                  uint64_t committed);

/*
 * Take one event. The effects are to be performed in their order, before the next step.
 *
 * Threads: the caller's lock.
 */
void replica_step(struct replica *replica, const struct replica_event *event,
                  struct replica_effects *out_effects);

/* What this member says of itself now, but for the flags that belong to an answer. */
void replica_beat(const struct replica *replica, struct beat *out_beat);

/* May an answer that was gathered be sent now? */
bool replica_may_answer(const struct replica *replica, uint64_t now_ns);

/* It answered a heartbeat that was sent less than CONTACT_MS ago, and is not known dead or failing.
 */
bool replica_in_contact(const struct replica *replica, uint32_t member);

/* The view's in-sync member of that brick number, or -ENOENT. */
int view_position(const struct view *view, uint32_t brick);

const char *replica_role_name(enum replica_role role);

/* ---- shared by the files of the step function ---------------------------------------------- */

void replica_effect_add(struct replica_effects *effects, struct replica_effect effect);
void replica_step_view(struct replica *replica, const struct replica_event *event,
                       struct replica_effects *effects);
void replica_step_opened(struct replica *replica, const struct replica_event *event,
                         struct replica_effects *effects);
void replica_step_lost(struct replica *replica, const struct replica_event *event,
                       struct replica_effects *effects);
void replica_step_submit(struct replica *replica, const struct replica_event *event,
                         struct replica_effects *effects);
void replica_step_append(struct replica *replica, const struct replica_event *event,
                         struct replica_effects *effects);
void replica_step_applied(struct replica *replica, const struct replica_event *event,
                          struct replica_effects *effects);
void replica_step_ack(struct replica *replica, const struct replica_event *event,
                      struct replica_effects *effects);
void replica_step_commit_known(struct replica *replica, const struct replica_event *event,
                               struct replica_effects *effects);
void replica_step_hold(struct replica *replica, const struct replica_event *event,
                       struct replica_effects *effects);
void replica_step_join(struct replica *replica, const struct replica_event *event,
                       struct replica_effects *effects);
void replica_step_tick(struct replica *replica, struct replica_effects *effects);
void replica_step_beat(struct replica *replica, const struct replica_event *event,
                       struct replica_effects *effects);
void replica_step_beat_answered(struct replica *replica, const struct replica_event *event,
                                struct replica_effects *effects);
void replica_step_death(struct replica *replica, const struct replica_event *event,
                        struct replica_effects *effects);
void replica_step_proposed(struct replica *replica, const struct replica_event *event,
                           struct replica_effects *effects);
void replica_step_disk(struct replica *replica, const struct replica_event *event,
                       struct replica_effects *effects);
/* Commit what can be, and serve if settled. */
void replica_advance(struct replica *replica, struct replica_effects *effects);
/* See whether another view is needed, and propose it. */
void replica_consider(struct replica *replica, struct replica_effects *effects);
/* Is a member's acknowledgement, and promise, needed: in sync in the view, or in the one proposed?
 */
bool replica_requires(const struct replica *replica, uint32_t member);
/* Propose that member leads, whose log is longer; this one has not settled. */
void replica_hand_over(struct replica *replica, uint32_t member, struct replica_effects *effects);
bool replica_leads(const struct replica *replica);
/* It takes operations from a primary. */
bool replica_follows(const struct replica *replica);
bool replica_is_dead(const struct replica *replica, uint32_t member, uint64_t incarnation);
/* Another process of the brick has answered since this member learnt of the one in the view. */
bool replica_is_replaced(const struct replica *replica, uint32_t member);
/* As far as this member knows, the primary of its view does not act any more. */
bool replica_primary_silent(const struct replica *replica);
/* Bring lease_ns up to date. */
void replica_lease_count(struct replica *replica);

#endif
