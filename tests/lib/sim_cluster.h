/*
 * A replica set in one process: the shipped step function, the in-memory store and the shipped
 * reply memory, on a virtual network, a virtual cluster store and virtual clocks. A seed repeats a
 * run; a test that gives none sets delays and faults itself and tells a story.
 *
 *     sim_cluster.c  time: the events and what they do; processes that die, freeze and return
 *     sim_driver.c   a brick: performs the effects, in replica_driver.c's order; streams to others
 *     sim_member.c   a brick: its end of streams that others open
 *     sim_serve.c    a brick: clients' requests and their answers
 *     sim_net.c      connections: in order within one, late, lost with it
 *     sim_record.c   the cluster store: compare-and-swap, readings, what it pushes; notices of
 * death sim_client.c   clients that send again until they know; the histories of what they were
 * told sim_check.c    what must hold at every step, and at the end sim_faults.c   random schedules
 *
 * What happens is cut so that anything may fall between a step, each sending, each application, its
 * report, and the look at the lease that ends an answer; sequencing is one with its step, as both
 * are under the driver's mutex.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_SIM_CLUSTER_H
#define TRIVET_TESTS_SIM_CLUSTER_H

#include "backend/base/clock.h"
#include "backend/base/random.h"
#include "backend/proto/operation.h"
#include "backend/replica/replica.h"
#include "backend/replica/reply_memory.h"
#include "backend/store/store.h"
#include "tests/lib/sim_history.h"

#define SIM_BRICKS 3
#define SIM_CLIENTS 4
#define SIM_ENDS (SIM_BRICKS + SIM_CLIENTS) /* of connections: bricks, then clients */
#define SIM_LOG_MAX 4096

/* ---- messages ------------------------------------------------------------------------------ */

enum sim_message_kind {
    SIM_BEAT,
    SIM_BEAT_ANSWER,
    SIM_OPEN,
    SIM_OPENED,
    SIM_OPERATION, /* APPEND */
    SIM_ACK,
    SIM_COMMIT, /* HEARTBEAT of a stream; answered by SIM_ACK */
    SIM_REQUEST,
    SIM_ANSWER,
    SIM_MESSAGES
};

struct sim_message {
    struct sim_message *next;
    enum sim_message_kind kind;
    int status;
    uint64_t at_ns; /* arrives then, or later */
    uint64_t view;
    uint64_t index;   /* OPENED, OPERATION, ACK: its operation; COMMIT: what is committed */
    uint64_t birth;   /* OPENED: the view that ordered it */
    uint64_t applied; /* OPENED */
    uint64_t commit;
    uint64_t cut_to;
    uint64_t incarnation;
    uint64_t sent_ns; /* BEAT and its answer: by the caller's clock */
    struct beat beat;
    uint64_t turn; /* REQUEST and its answer: which sending of the client */
    unsigned object;
    struct sim_operation operation;
    struct op_id id;
    size_t size; /* OPERATION: its record */
    uint8_t record[];
};

/* From the one that dialled (ends[0]) to the other, and back. */
struct sim_connection {
    struct sim_connection *next; /* of the cluster's */
    uint32_t ends[2];
    uint64_t generations[2]; /* of the processes */
    bool broken;
    bool lost; /* the dialler has been told */
    uint64_t blocked_ns[2];
    struct sim_message *first[2], *last[2];
};

/* ---- a brick ------------------------------------------------------------------------------- */

struct sim_peer {
    bool wanted;
    uint64_t next, last; /* to send */
    uint64_t next_try_ns;
    uint64_t dialled_ns;
    uint64_t cut_to;
    bool opened;
    struct sim_connection *stream;
    struct sim_connection *beats;
};

/* A client's request that waits for its commit, or an operation for its application. */
struct sim_wait {
    struct sim_wait *next;
    struct sim_connection *connection;
    uint64_t index;
    struct sim_message *answer; /* of a client; NULL: an APPEND's */
    uint64_t view;              /* that it was asked in */
    int status;                 /* why the wait ended */
};

struct sim_brick {
    struct replica replica;
    struct store *store;
    bool alive;
    uint64_t generation;
    uint64_t incarnation;
    uint64_t frozen_until_ns;
    uint64_t clock_base_ns;
    uint64_t clock_rate; /* per million */
    /* the process */
    bool serving;
    bool pumping, applying;
    uint64_t apply_last;
    uint64_t log_begun; /* where the log ended when this process began, or cut it */
    struct sim_peer peers[SIM_BRICKS];
    struct reply_memory *memory;
    uint64_t depends[8]; /* the last operation on an object */
    struct sim_wait *waits;
    uint64_t commit_beat_ns;
    /* of the step being taken */
    struct slice incoming;         /* the record that it may sequence */
    struct sim_connection *asking; /* whose heartbeat it answers */
    uint64_t asked_ns;             /* and when that says it was sent */
    bool has_sequenced;
    int refused;
    /* the disk */
    unsigned disk_ms;
    int disk_status; /* of applying, once */
    bool disk_hangs;
    uint64_t disk_since_ns; /* when what hangs began; 0: nothing */
    bool disk_reported;
    /* the log, as the checks see it: by index */
    uint64_t births[SIM_LOG_MAX];
    uint64_t hashes[SIM_LOG_MAX];
};

/* ---- a client ------------------------------------------------------------------------------ */

struct sim_client {
    bool busy;
    bool automatic; /* thinks of operations itself */
    bool stopped;   /* of no more */
    uint64_t turn;  /* counts sendings */
    uint64_t view;  /* as far as it knows */
    uint32_t primary;
    uint64_t sequence; /* of its ids */
    uint64_t sent_ns, patience_ns;
    unsigned object;
    unsigned slot; /* of its operation in the object's history */
    int status;    /* of the last that ended */
    int64_t result;
    struct sim_connection *connections[SIM_BRICKS];
};

/* Registers, counters and directories, each with its history. */
#define SIM_OBJECTS 5
struct sim_object {
    enum sim_op_kind first; /* of its operations: WRITE, APPEND or CREATE */
    struct gfid gfid;
    unsigned count;
    struct sim_operation history[SIM_HISTORY_MAX];
};

/* ---- the cluster --------------------------------------------------------------------------- */

struct sim_event;

struct sim_settings {
    unsigned link_min_us, link_max_us; /* of a message */
    unsigned slow_permille;            /* messages that take up to slow_ms */
    unsigned slow_ms;
    unsigned store_min_us, store_max_us; /* each way to the cluster store */
    unsigned store_lose_permille;        /* questions and answers that are lost */
    unsigned store_slow_permille;        /* that take up to store_slow_ms */
    unsigned store_slow_ms;
    unsigned death_max_ms;     /* until others have the notice */
    unsigned death_permille;   /* of notices that come at all */
    unsigned restart_ms;       /* until a process that ended by itself is started */
    unsigned give_up_permille; /* clients that do not wait for an answer any longer */
    unsigned provoke_permille; /* faults just when something happens with views or logs */
    unsigned pause_us;         /* between what one thread of a brick does and the next */
};

struct sim_cluster {
    struct clock clock; /* the world's */
    uint64_t now_ns;
    uint64_t sequence;
    struct sim_event *heap;
    unsigned heap_count, heap_size;
    uint64_t events; /* that happened */
    struct random_sequence random;
    bool is_random; /* else nothing is drawn: the least delays, no losses */
    struct sim_settings settings;

    struct sim_brick bricks[SIM_BRICKS];
    struct sim_client clients[SIM_CLIENTS];
    struct sim_object objects[SIM_OBJECTS];
    int64_t value; /* the last that was given to an operation; all are different */
    struct sim_connection *connections;
    bool cut[SIM_ENDS][SIM_ENDS];                /* from, to */
    bool hold[SIM_MESSAGES][SIM_ENDS][SIM_ENDS]; /* stories: such messages wait */

    struct view record;
    bool store_away;
    bool hold_proposals[SIM_BRICKS], hold_store_answers, hold_views[SIM_BRICKS],
        hold_deaths[SIM_BRICKS];
    bool hold_applied[SIM_BRICKS]; /* stories: nothing is applied */

    uint64_t acknowledged; /* the highest index that a client was told of */
    uint64_t acknowledged_birth;
    char wrong[256]; /* what did not hold, the first of it */
    unsigned too_hard;
    unsigned answers, views, deaths, halts; /* counted for reports */

    bool tracing;
    char *trace; /* lines, the last ones */
    size_t trace_size, trace_room;
};

/* Three bricks with the same objects, a view that brick 0 leads, all serving soon. */
struct sim_cluster *sim_new(void);
/* The same from a seed, with its own delays, clocks and losses. */
struct sim_cluster *sim_new_random(uint64_t seed);
void sim_free(struct sim_cluster *sim);

/* Run what happens in the next ms. False if something is wrong. */
bool sim_run(struct sim_cluster *sim, unsigned ms);
/* Until condition holds, at most ms; does it? */
bool sim_run_until(struct sim_cluster *sim, bool (*condition)(struct sim_cluster *sim),
                   unsigned ms);
bool sim_is_whole(struct sim_cluster *sim); /* three in sync, one of them primary, clients idle */
bool sim_is_serving(struct sim_cluster *sim);

/* The process ends; its store stays. With restart_ms it is started again then. */
void sim_crash(struct sim_cluster *sim, uint32_t brick);
void sim_crash_for(struct sim_cluster *sim, uint32_t brick, unsigned restart_ms);
void sim_restart(struct sim_cluster *sim, uint32_t brick);
void sim_freeze(struct sim_cluster *sim, uint32_t brick, unsigned ms);
/* Nothing comes from one end to the other; what is sent waits. */
void sim_cut(struct sim_cluster *sim, uint32_t from, uint32_t to, bool cut);
void sim_cut_both(struct sim_cluster *sim, uint32_t a, uint32_t b, bool cut);
void sim_isolate(struct sim_cluster *sim, uint32_t brick, bool cut);
/* Connections between two ends break; what is under way on them is lost from some point on. */
void sim_break(struct sim_cluster *sim, uint32_t a, uint32_t b);
/* Everything whole, nobody frozen, all started. */
void sim_heal(struct sim_cluster *sim);

/* A client begins an operation at a brick; the object is found by kind. False if it is busy. */
bool sim_call(struct sim_cluster *sim, unsigned client, uint32_t brick, enum sim_op_kind kind,
              unsigned name);
/* It sends again what it has no answer to, there. */
void sim_call_again(struct sim_cluster *sim, unsigned client, uint32_t brick);
/* -EINPROGRESS: it has no answer yet. */
int sim_answer(const struct sim_cluster *sim, unsigned client, int64_t *out_result);

/* The member that may answer just now, or -1. */
int sim_primary(struct sim_cluster *sim);
/* At the end: histories, replicas, ids. NULL, or what is wrong. */
const char *sim_finish(struct sim_cluster *sim);
const char *sim_trace(struct sim_cluster *sim);

/* One random schedule with that many ms of faults. NULL, or what is wrong. */
const char *sim_schedule(struct sim_cluster *sim, unsigned ms);

/* ---- between the files ----------------------------------------------------------------------- */

enum sim_event_kind {
    SIM_TICK,     /* brick */
    SIM_ARRIVE,   /* connection, way */
    SIM_LOST,     /* connection */
    SIM_PUMP,     /* brick */
    SIM_APPLY,    /* brick */
    SIM_APPLIED,  /* brick, number: index, status */
    SIM_REPLY,    /* brick, wait */
    SIM_PROPOSAL, /* at the cluster store: brick, record, number: expected */
    SIM_READING,  /* likewise */
    SIM_PROPOSED, /* brick, record, status, number: proposed */
    SIM_VIEW,     /* brick, record */
    SIM_DEATH,    /* brick, number: whose, incarnation */
    SIM_END,      /* brick: its process ends by itself */
    SIM_RESTART,  /* brick */
    SIM_CLIENT,   /* brick: its number */
    SIM_FAULT
};

struct sim_event {
    uint64_t at_ns, sequence;
    enum sim_event_kind kind;
    uint32_t brick;
    uint64_t generation; /* of the brick's process, if it is for a process */
    uint64_t number, incarnation;
    int status;
    int way;
    struct sim_connection *connection;
    struct sim_wait *wait;
    struct view *record; /* the event's own */
};

/* sim_cluster.c */
void sim_schedule_event(struct sim_cluster *sim, uint64_t delay_ns, struct sim_event event);
uint64_t sim_between(struct sim_cluster *sim, uint64_t least, uint64_t most);
bool sim_chance(struct sim_cluster *sim, unsigned permille);
uint64_t sim_local_ns(const struct sim_cluster *sim, uint32_t brick);
struct view *sim_view_copy(const struct view *view);
void __attribute__((format(printf, 3, 4)))
sim_say(struct sim_cluster *sim, uint32_t end, const char *format, ...);
/* sim_driver.c */
void sim_step(struct sim_cluster *sim, uint32_t brick, struct replica_event event);
void sim_driver_start(struct sim_cluster *sim, uint32_t brick);
void sim_driver_stop(struct sim_cluster *sim, uint32_t brick);
void sim_driver_view(struct sim_cluster *sim, uint32_t brick, const struct view *view);
void sim_driver_event(struct sim_cluster *sim, const struct sim_event *event);
void sim_driver_message(struct sim_cluster *sim, struct sim_connection *connection, int way,
                        const struct sim_message *message);
void sim_driver_lost(struct sim_cluster *sim, struct sim_connection *connection);
int sim_log_operation(struct store *store, uint64_t index, uint8_t record[OPERATION_SIZE_MAX],
                      size_t *out_size, struct operation *out_operation);
void sim_driver_load(struct sim_cluster *sim, uint32_t brick);
void sim_driver_end(struct sim_cluster *sim, uint32_t brick, const struct replica_effect *effect);
/* sim_member.c */
void sim_member_acknowledge(struct sim_cluster *sim, uint32_t brick,
                            struct sim_connection *connection, int status, uint64_t index);
void sim_member_open(struct sim_cluster *sim, uint32_t brick, struct sim_connection *connection,
                     const struct sim_message *message);
void sim_member_operation(struct sim_cluster *sim, uint32_t brick,
                          struct sim_connection *connection, const struct sim_message *message);
void sim_member_commit(struct sim_cluster *sim, uint32_t brick, struct sim_connection *connection,
                       const struct sim_message *message);
/* sim_serve.c */
void sim_serve_request(struct sim_cluster *sim, uint32_t brick, struct sim_connection *connection,
                       const struct sim_message *message);
void sim_serve_wake(struct sim_cluster *sim, uint32_t brick, uint64_t index, int status);
void sim_serve_reply(struct sim_cluster *sim, const struct sim_event *event);
void sim_depend(struct sim_cluster *sim, uint32_t brick, const struct operation *operation);
/* sim_net.c */
struct sim_connection *sim_dial(struct sim_cluster *sim, uint32_t from, uint32_t to);
struct sim_message *sim_message_new(enum sim_message_kind kind, struct slice record);
void sim_send(struct sim_cluster *sim, struct sim_connection *connection, int way,
              struct sim_message *message);
void sim_arrive(struct sim_cluster *sim, const struct sim_event *event);
void sim_connection_break(struct sim_cluster *sim, struct sim_connection *connection);
void sim_net_collect(struct sim_cluster *sim);
void sim_net_free(struct sim_cluster *sim);
/* sim_record.c */
void sim_record_propose(struct sim_cluster *sim, uint32_t brick);
void sim_record_read(struct sim_cluster *sim, uint32_t brick);
void sim_record_event(struct sim_cluster *sim, const struct sim_event *event);
void sim_record_death(struct sim_cluster *sim, uint32_t brick, uint64_t incarnation);
void sim_record_push(struct sim_cluster *sim, uint32_t brick);
/* sim_client.c */
void sim_client_event(struct sim_cluster *sim, const struct sim_event *event);
void sim_client_message(struct sim_cluster *sim, struct sim_connection *connection,
                        const struct sim_message *message);
/* sim_check.c */
void __attribute__((format(printf, 2, 3)))
sim_wrong(struct sim_cluster *sim, const char *format, ...);
void sim_check_sequenced(struct sim_cluster *sim, uint32_t brick, uint64_t index);
void sim_check_record(struct sim_cluster *sim);
void sim_check_acknowledged(struct sim_cluster *sim, uint32_t brick, uint64_t index);
void sim_check_step(struct sim_cluster *sim);
void sim_check_log(struct sim_cluster *sim, uint32_t brick, uint64_t last);
/* sim_faults.c */
void sim_fault_event(struct sim_cluster *sim);
/* Something happens just now that a fault may fall upon. */
void sim_provoke(struct sim_cluster *sim);

#endif
