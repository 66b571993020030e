/*
 * Three members of a replica set in one process: the shipped step function and the in-memory store,
 * on a virtual network and a virtual clock. Everything that happens is an event at a time in
 * milliseconds, so a test is a story with the expected trace in it, and a seed repeats a run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_SIM_CLUSTER_H
#define TRIVET_TESTS_SIM_CLUSTER_H

#include "backend/base/random.h"
#include "backend/proto/operation.h"
#include "backend/replica/replica.h"
#include "backend/store/store.h"

#define SIM_MEMBERS 3

struct sim_cluster;

struct sim_member {
    struct sim_cluster *cluster;
    struct replica replica;
    struct store *store;
    uint64_t incarnation;
    bool alive;
    bool serving;
    unsigned disk_ms;     /* from APPLY to APPLIED */
    int apply_status;     /* what applying gives from now on */
    uint64_t applying;    /* scheduled up to here */
    uint64_t generation;  /* of the process: events of an earlier one are void */
    struct {
        bool wanted;
        uint64_t generation; /* of the stream */
        bool open;
    } streams[SIM_MEMBERS];
};

struct sim_event;

struct sim_cluster {
    struct clock clock;
    uint64_t now_ms;
    uint64_t sequence; /* of events, for a total order */
    struct sim_event *events;
    struct view view;
    struct sim_member members[SIM_MEMBERS];
    unsigned link_ms[SIM_MEMBERS][SIM_MEMBERS];
    bool cut[SIM_MEMBERS][SIM_MEMBERS];
    uint64_t last_ms[SIM_MEMBERS][SIM_MEMBERS]; /* when the last event of a link or disk comes */
    uint64_t acknowledged; /* highest index that a client has had an answer for */
    bool tracing;
    char trace[64 * 1024];
    size_t trace_size;
};

/* Members 0, 1, 2 with empty stores, links of 10 ms, disks of 1 ms, no view yet. */
struct sim_cluster *sim_new(void);
void sim_free(struct sim_cluster *sim);

/* Give the next view, with member primary leading, to all living members, at once. */
void sim_view(struct sim_cluster *sim, uint32_t primary);
/* A client's wish at the primary: the index of the operation, or why it was refused. */
int64_t sim_make(struct sim_cluster *sim, const char *name);
int64_t sim_submit(struct sim_cluster *sim, const struct mutation *mutation);
/* Run everything that happens up to and including time ms. */
void sim_run_until(struct sim_cluster *sim, uint64_t ms);
/* Run until nothing happens any more but dialling members that do not answer. */
void sim_run(struct sim_cluster *sim);
/* The process dies; its store stays as it is. It comes back with another incarnation and no view.
 */
void sim_crash(struct sim_cluster *sim, uint32_t member);
void sim_restart(struct sim_cluster *sim, uint32_t member);
/* Streams between two members break; while cut, none is opened. */
void sim_cut(struct sim_cluster *sim, uint32_t a, uint32_t b, bool cut);
/* Hand one event to a member and perform what follows. */
void sim_step(struct sim_cluster *sim, uint32_t member, const struct replica_event *event);
/* The member that serves, or -1. */
int sim_primary(const struct sim_cluster *sim);

/* What has happened so far, a line each: "[   12] 1 > applied 2"; then forgotten. */
const char *sim_trace(struct sim_cluster *sim);

/* NULL if committed operations are the same at all members and no acknowledged one is missing at a
 * member of the view; else what is wrong. */
const char *sim_check(struct sim_cluster *sim);
/* NULL if the trees of a and b are the same in every name, attribute and cookie. */
const char *sim_compare(struct sim_cluster *sim, uint32_t a, uint32_t b);

#endif
