/*
 * How many of a loop's threads wait for events: as few as keep up.
 *
 * To wake a thread costs more than most messages do. With every thread waiting, two
 * acknowledgements that arrive together wake two of them, who then wait for each other's locks; one
 * would have found the second message when it was done with the first. So one thread polls while it
 * keeps up, more are let in when those that poll are busy nearly all the time, or stuck in
 * something slow.
 *
 * Threads: any.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_RPC_RPC_POLLERS_H
#define TRIVET_RPC_RPC_POLLERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pollers {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    unsigned thread_count;
    unsigned polling;    /* lock: waiting for an event, or handling one */
    unsigned resting;    /* lock */
    bool watched;        /* lock: one of the resting looks whether the others are stuck */
    bool stopping;       /* lock */
    atomic_uint allowed; /* changed under lock */
    atomic_bool active;  /* there were events lately: somebody is to watch */
    atomic_uint_least64_t begun, ended; /* events */
    atomic_uint_least64_t busy_ns;      /* handling, since window_ns */
    atomic_uint_least64_t window_ns;
};

void pollers_init(struct pollers *pollers, unsigned thread_count);
void pollers_release(struct pollers *pollers);

/* Rest until this thread is to poll: true; false at the end. */
bool pollers_enter(struct pollers *pollers);
/* Around the handling of an event. end: true if the thread goes on polling, else it is to enter
 * again. */
uint64_t pollers_begin(struct pollers *pollers);
bool pollers_end(struct pollers *pollers, uint64_t begun_ns);
/* Let everybody who rests go. */
void pollers_stop(struct pollers *pollers);

#endif
