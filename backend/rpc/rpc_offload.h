/*
 * Worker threads for what may wait for a disk or another program.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_RPC_RPC_OFFLOAD_H
#define TRIVET_RPC_RPC_OFFLOAD_H

#include <pthread.h>
#include <stdbool.h>

struct job;

/* Jobs run in the order they came. Their number is bounded by the calls that caused them. */
struct offload {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *first;
    struct job *last;
    struct job *free;
    unsigned free_count;
    unsigned idle;
    bool stopping;
    bool stopped; /* no workers any more: jobs run in place */
    pthread_t *threads;
    unsigned thread_count;
    unsigned threads_wanted;
};

void offload_init(struct offload *offload, unsigned thread_count);
int offload_start(struct offload *offload);
/* Run what is queued, then join. */
void offload_stop(struct offload *offload);
void offload_release(struct offload *offload);

#endif
