/*
 * One member of a replica set, as a step function: one event in, a list of effects out. It performs
 * no I/O, takes no lock, reads no clock; replica_driver.c performs the effects with sockets and
 * files, the simulator with a virtual network. Read this file first.
 *
 *             VIEW: not a member            VIEW: another leads
 *      ┌──────────────────────────► IDLE ◄───────────┐
 *      │                             │ VIEW           │ failed
 *      │            VIEW: this leads │                │
 *   SETTLING ◄───────────────────────┴──────────► BACKUP
 *      │  all in-sync members open and at one log       ▲
 *      ▼                                                │
 *   PRIMARY ── VIEW ──► SETTLING (leads again) or ──────┘
 *
 * The rules kept here:
 *   order    indexes are contiguous across views; the primary gives them out (SUBMIT)
 *   streams  a member takes the next index only; what it has it acknowledges again, a gap it
 * refuses
 *   commit   an operation is committed when every in-sync member has applied it
 *   settle   a primary serves only when all in-sync members have reported and have its whole log
 *   ack      an acknowledgement belongs to the member's incarnation, and so does a place in a
 * view: a
 *            restarted member takes part again in the next view only
 *   hold     a change is not committed while somebody may still read the old state in his cache
 *   fail     a member that cannot apply what was decided stops taking part
 *
 * Invariants: committed ≤ applied ≤ sequenced; role PRIMARY or SETTLING only if view.primary is
 * this member; committed never falls.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_REPLICA_REPLICA_H
#define TRIVET_REPLICA_REPLICA_H

#include <stdbool.h>
#include <stdint.h>
#include "backend/proto/view.h"

enum replica_role { ROLE_IDLE = 0, ROLE_BACKUP = 1, ROLE_SETTLING = 2, ROLE_PRIMARY = 3 };

struct replica_member {
    bool open; /* the stream to it is up (this member leads) */
    uint64_t incarnation;
    uint64_t acked; /* it has applied everything up to here */
};

struct replica {
    uint32_t brick; /* this member's brick number */
    uint64_t incarnation; /* of its process; a view that names another is not for it */
    uint32_t self;  /* its position in view.members, if a member */
    enum replica_role role;
    bool failed;
    struct view view;
    uint64_t sequenced;
    uint64_t applied;
    uint64_t committed;
    uint64_t held; /* nothing from here on may be committed yet; 0: all may */
    struct replica_member members[SET_MEMBERS_MAX];
};

enum replica_event_kind {
    EVENT_VIEW,          /* view: this is the view now, and it is durable here */
    EVENT_SUBMIT,        /* index: the primary has decided the operation of this index */
    EVENT_APPEND,        /* view_number, index: an operation arrived from the primary */
    EVENT_APPLIED,       /* index, status: the store applied it, or could not */
    EVENT_STREAM_OPENED, /* member, incarnation, index: its last contiguous operation */
    EVENT_STREAM_LOST,   /* member */
    EVENT_ACK,           /* member, incarnation, index */
    EVENT_COMMIT_KNOWN,  /* view_number, index: the primary says so much is committed */
    EVENT_HOLD           /* index: commit nothing from here on for now; 0: no more (caches are
                            being taken back) */
};

struct replica_event {
    enum replica_event_kind kind;
    uint32_t member;
    uint64_t index;
    uint64_t incarnation;
    uint64_t view_number;
    int status;
    const struct view *view; /* the caller's */
};

enum replica_effect_kind {
    EFFECT_SEQUENCE, /* index: append to the log, bring the index up; before anything below */
    EFFECT_APPLY,    /* index: then report EVENT_APPLIED; in order */
    EFFECT_SEND,     /* member, index … last: send these operations, in order */
    EFFECT_OPEN,     /* member: open a stream to it (keep trying) */
    EFFECT_CLOSE,    /* member: give the stream up */
    EFFECT_COMMIT,   /* index: everything up to here is committed: answer */
    EFFECT_ACK,      /* index: tell the primary that everything up to here is applied */
    EFFECT_REFUSE,   /* status: of an APPEND */
    EFFECT_SERVE,    /* settled: answer clients in this view */
    EFFECT_SILENCE,  /* answer no client any more */
    EFFECT_HALT      /* status: this brick has failed */
};

struct replica_effect {
    enum replica_effect_kind kind;
    uint32_t member;
    uint64_t index;
    uint64_t last;
    int status;
};

/* More than any event brings about: two per member and four. */
#define REPLICA_EFFECTS_MAX (2 * SET_MEMBERS_MAX + 4)

struct replica_effects {
    unsigned count;
    struct replica_effect list[REPLICA_EFFECTS_MAX];
};

/*
 * Begin as an idle member with what the store has. sequenced is also applied: a store replays its
 * log when it is opened.
 */
void replica_init(struct replica *replica, uint32_t brick, uint64_t incarnation,
                  uint64_t sequenced, uint64_t committed);

/*
 * Take one event. The effects are to be performed in their order, before the next step.
 *
 * Threads: the caller's lock.
 */
void replica_step(struct replica *replica, const struct replica_event *event,
                  struct replica_effects *out_effects);

/* The view's in-sync member of that brick number, or -ENOENT. */
int view_position(const struct view *view, uint32_t brick);

const char *replica_role_name(enum replica_role role);

/* Shared by the files of the step function. */
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
void replica_advance(struct replica *replica, struct replica_effects *effects);

#endif
