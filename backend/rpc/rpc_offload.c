/*
 * Worker threads: one queue, first come first served. A thread is only woken when one sleeps.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/rpc/rpc_offload.h"

#include <errno.h>
#include <stdlib.h>
#include "backend/base/check.h"
#include "backend/base/scope.h"
#include "backend/rpc/rpc_loop.h"

/* Free jobs kept, 24 bytes each. */
#define JOBS_KEPT 1024

struct job {
    struct job *next;
    void (*function)(void *context);
    void *context;
};

void offload_init(struct offload *offload, unsigned thread_count)
{
    *offload = (struct offload){
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .wake = PTHREAD_COND_INITIALIZER,
        .threads_wanted = thread_count,
    };
}

static bool offload_take(struct offload *offload, struct job *out_job)
{
    AUTO_LOCK(&offload->lock);
    while (!offload->first && !offload->stopping) {
        offload->idle++;
        pthread_cond_wait(&offload->wake, &offload->lock);
        offload->idle--;
    }
    struct job *job = offload->first;
    if (!job) {
        return false;
    }
    offload->first = job->next;
    if (!offload->first) {
        offload->last = NULL;
    }
    *out_job = *job;
    if (offload->free_count < JOBS_KEPT) {
        job->next = offload->free;
        offload->free = job;
        offload->free_count++;
    } else {
        free(job);
    }
    return true;
}

static void *offload_thread(void *context)
{
    struct offload *offload = context;
    struct job job;
    while (offload_take(offload, &job)) {
        job.function(job.context);
    }
    return NULL;
}

int offload_start(struct offload *offload)
{
    if (offload->threads_wanted == 0) {
        return 0;
    }
    offload->threads = calloc(offload->threads_wanted, sizeof *offload->threads);
    if (!offload->threads) {
        return -ENOMEM;
    }
    while (offload->thread_count < offload->threads_wanted) {
        pthread_t *thread = &offload->threads[offload->thread_count];
        int error = pthread_create(thread, NULL, offload_thread, offload);
        if (error) {
            return -error;
        }
        offload->thread_count++;
    }
    return 0;
}

void offload_stop(struct offload *offload)
{
    pthread_mutex_lock(&offload->lock);
    offload->stopping = true;
    pthread_cond_broadcast(&offload->wake);
    pthread_mutex_unlock(&offload->lock);
    for (unsigned i = 0; i < offload->thread_count; i++) {
        pthread_join(offload->threads[i], NULL);
    }
    offload->thread_count = 0;
    pthread_mutex_lock(&offload->lock);
    offload->stopped = true;
    pthread_mutex_unlock(&offload->lock);
    /* Without workers, or queued after the last one left. */
    struct job job;
    while (offload_take(offload, &job)) {
        job.function(job.context);
    }
}

void offload_release(struct offload *offload)
{
    while (offload->free) {
        struct job *job = offload->free;
        offload->free = job->next;
        free(job);
    }
    free(offload->threads);
    pthread_cond_destroy(&offload->wake);
    pthread_mutex_destroy(&offload->lock);
}

static struct job *offload_job(struct offload *offload)
{
    struct job *job = offload->free;
    if (job) {
        offload->free = job->next;
        offload->free_count--;
        return job;
    }
    job = malloc(sizeof *job);
    INVARIANT(job); /* the contract: the process ends when there is no memory for a job */
    return job;
}

static bool offload_put(struct offload *offload, void (*function)(void *context), void *context)
{
    AUTO_LOCK(&offload->lock);
    if (offload->stopped) {
        return false;
    }
    struct job *job = offload_job(offload);
    *job = (struct job){.function = function, .context = context};
    if (offload->last) {
        offload->last->next = job;
    } else {
        offload->first = job;
    }
    offload->last = job;
    if (offload->idle > 0) {
        pthread_cond_signal(&offload->wake);
    }
    return true;
}

void rpc_offload(struct rpc_loop *loop, void (*function)(void *context), void *context)
{
    if (!offload_put(&loop->offload, function, context)) {
        function(context);
    }
}
