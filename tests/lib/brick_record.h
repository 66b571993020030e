/*
 * What trivetd is to the bricks of a test: the record of their set, changed by compare-and-swap and
 * pushed to all who are there; notices of death. A brick runs in this process, or in one of its own
 * at the other end of two pipes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_BRICK_RECORD_H
#define TRIVET_TESTS_BRICK_RECORD_H

#include <pthread.h>
#include <stdatomic.h>
#include "backend/replica/replica_driver.h"

struct brick_record;

/* A brick's place at the record. */
struct brick_seat {
    struct brick_record *record;
    uint32_t brick;
    struct replica_driver *driver; /* it runs here; NULL: it does not */
    int to, from;                  /* pipes of its process; 0: it has none */
    uint16_t port;                 /* where it listens; 0: it does not run */
    pthread_t reader;
};

struct brick_record {
    pthread_mutex_t mutex; /* rank 0, above the driver's */
    struct view *view;     /* the record; its number may be read by anybody */
    uint32_t min_insync;
    bool is_down; /* nobody gets an answer, and nothing is pushed */
    _Atomic unsigned proposals, taken;
    struct brick_seat seats[SET_MEMBERS_MAX];
};

/* view is the caller's, and becomes the record. */
void brick_record_init(struct brick_record *record, struct view *view, uint32_t min_insync);
void brick_record_release(struct brick_record *record);
void brick_record_set_down(struct brick_record *record, bool is_down);

/* A brick of this process begins: it is told the record, if there is one; or ends, before its
 * driver stops. */
void brick_seat_take(struct brick_record *record, uint32_t brick, struct replica_driver *driver,
                     uint16_t port);
void brick_seat_leave(struct brick_record *record, uint32_t brick);
/* The same of a process at the other end of two pipes, which are the seat's from now on. */
void brick_seat_take_pipes(struct brick_record *record, uint32_t brick, int to, int from,
                           uint16_t port);
void brick_seat_leave_pipes(struct brick_record *record, uint32_t brick);
/* In that process: serve driver until the pipe is closed. */
void brick_record_attach(struct replica_driver *driver);
void brick_record_serve(struct replica_driver *driver);

/* Put view in the record's place, whatever is there, with the next number; and tell everybody. */
void brick_record_force(struct brick_record *record, const struct view *view);
/* Tell everybody that that process has ended. */
void brick_record_death(struct brick_record *record, uint32_t brick, uint64_t incarnation);
void brick_record_get(struct brick_record *record, struct view *out_view);

#endif
