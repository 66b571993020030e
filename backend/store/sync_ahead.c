/*
 * See sync_ahead.h. Threads are made when they are first wanted; whoever waits syncs by himself,
 * unless somebody else is at it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/store/sync_ahead.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "backend/base/check.h"
#include "backend/base/scope.h"

/* Files that are synced ahead at once; more would only queue at the disk. */
#define THREADS_MAX 2
/* Files that wait for one of these; others are synced when they are asked for. */
#define QUEUE_MAX 16
/* A habit: asked so often in a row after the same number of changes, and that is at most … */
#define HABIT_REPEATS 2
#define HABIT_CHANGES_MAX 8

struct sync_ahead {
    struct sync_ahead_options options;
    pthread_mutex_t mutex;
    pthread_cond_t ended;  /* a sync that somebody waits for came to its end */
    pthread_cond_t wanted; /* something was queued, or closing set */
    int failed;            /* the first error */
    bool closing;
    unsigned idle;
    unsigned thread_count;
    pthread_t threads[THREADS_MAX];
    unsigned queued;
    struct open_object *queue[QUEUE_MAX]; /* held */
};

int sync_ahead_new(const struct sync_ahead_options *options, struct sync_ahead **out_syncs)
{
    PRE(options && options->objects && options->log && options->data && options->failed);
    struct sync_ahead *syncs = calloc(1, sizeof *syncs);
    if (!syncs) {
        return -ENOMEM;
    }
    syncs->options = *options;
    pthread_mutex_init(&syncs->mutex, NULL);
    pthread_cond_init(&syncs->ended, NULL);
    pthread_cond_init(&syncs->wanted, NULL);
    *out_syncs = syncs;
    return 0;
}

void sync_ahead_free(struct sync_ahead *syncs)
{
    if (!syncs) {
        return;
    }
    pthread_mutex_lock(&syncs->mutex);
    syncs->closing = true;
    pthread_cond_broadcast(&syncs->wanted);
    pthread_mutex_unlock(&syncs->mutex);
    for (unsigned i = 0; i < syncs->thread_count; i++) {
        (void)pthread_join(syncs->threads[i], NULL); /* fails only for what is no thread */
    }
    pthread_cond_destroy(&syncs->wanted);
    pthread_cond_destroy(&syncs->ended);
    pthread_mutex_destroy(&syncs->mutex);
    free(syncs);
}

/* With the mutex held, which is given up meanwhile: sync what there is now. */
static void sync_once(struct sync_ahead *syncs, struct open_object *object)
{
    struct file_sync *file = &object->sync;
    uint64_t covers = file->changed;
    file->syncing = true;
    pthread_mutex_unlock(&syncs->mutex);
    changelog_sync_begin(syncs->options.log);
    int result = syncs->options.data(object->fd);
    if (result) {
        syncs->options.failed(syncs->options.context, result);
    }
    pthread_mutex_lock(&syncs->mutex);
    file->syncing = false;
    if (!result) {
        file->synced = covers;
    } else if (!syncs->failed) {
        syncs->failed = result;
    }
    if (file->waiting > 0 || syncs->failed) {
        pthread_cond_broadcast(&syncs->ended);
    }
}

/* With the mutex held: wait until everything changed so far is durable, or nothing will be. */
static void sync_locked(struct sync_ahead *syncs, struct open_object *object)
{
    struct file_sync *file = &object->sync;
    uint64_t wanted = file->changed;
    while (!syncs->failed && file->synced < wanted) {
        if (file->syncing) {
            file->waiting++;
            pthread_cond_wait(&syncs->ended, &syncs->mutex);
            file->waiting--;
        } else {
            sync_once(syncs, object);
        }
    }
}

/* ---- ahead --------------------------------------------------------------------------------- */

static void answer(struct sync_ahead *syncs, struct store_sync *joined, int status)
{
    while (joined) {
        struct store_sync *next = joined->next; /* complete may free it */
        int result = status ? status : changelog_sync_to(syncs->options.log, joined->index);
        if (result && !status) {
            syncs->options.failed(syncs->options.context, result);
        }
        joined->complete(joined, result);
        joined = next;
    }
}

/* With the mutex held, which is given up meanwhile. */
static void sync_first(struct sync_ahead *syncs)
{
    struct open_object *object = syncs->queue[0];
    struct file_sync *file = &object->sync;
    syncs->queued--;
    memmove(syncs->queue, syncs->queue + 1, syncs->queued * sizeof *syncs->queue);
    sync_locked(syncs, object);
    struct store_sync *joined = file->joined;
    int status = syncs->failed;
    file->joined = NULL;
    file->ahead = 0;
    pthread_mutex_unlock(&syncs->mutex);
    answer(syncs, joined, status);
    fd_cache_put(syncs->options.objects, object);
    pthread_mutex_lock(&syncs->mutex);
}

static void *run(void *context)
{
    struct sync_ahead *syncs = context;
    AUTO_LOCK(&syncs->mutex);
    for (;;) {
        if (syncs->queued > 0) {
            sync_first(syncs);
        } else if (syncs->closing) {
            return NULL;
        } else {
            syncs->idle++;
            pthread_cond_wait(&syncs->wanted, &syncs->mutex);
            syncs->idle--;
        }
    }
}

/* With the mutex held: have the file synced by a thread, if there is one to be had. */
static void queue(struct sync_ahead *syncs, struct open_object *object)
{
    if (syncs->idle <= syncs->queued && syncs->thread_count < THREADS_MAX &&
        pthread_create(&syncs->threads[syncs->thread_count], NULL, run, syncs) == 0) {
        syncs->thread_count++;
    }
    if (syncs->thread_count > 0 && syncs->queued < QUEUE_MAX) {
        fd_cache_hold(syncs->options.objects, object);
        object->sync.ahead = object->sync.changed;
        syncs->queue[syncs->queued++] = object;
        pthread_cond_signal(&syncs->wanted);
    }
}

void sync_ahead_changed(struct sync_ahead *syncs, struct open_object *object)
{
    struct file_sync *file = &object->sync;
    AUTO_LOCK(&syncs->mutex);
    file->changed++;
    if (file->repeats == HABIT_REPEATS && file->changed - file->asked == file->stride &&
        file->ahead == 0 && !syncs->failed) {
        queue(syncs, object);
    }
}

/* Learn after how many changes it is asked for. */
static void learn(struct file_sync *file)
{
    uint64_t stride = file->changed - file->asked;
    if (stride == 0) {
        return; /* several ask */
    }
    if (stride != file->stride || stride > HABIT_CHANGES_MAX) {
        file->repeats = 0;
    } else if (file->repeats < HABIT_REPEATS) {
        file->repeats++;
    }
    file->stride = stride;
    file->asked = file->changed;
}

int sync_ahead_wait(struct sync_ahead *syncs, struct open_object *object)
{
    AUTO_LOCK(&syncs->mutex);
    learn(&object->sync);
    sync_locked(syncs, object);
    return syncs->failed;
}

int sync_ahead_join(struct sync_ahead *syncs, struct open_object *object, struct store_sync *sync)
{
    struct file_sync *file = &object->sync;
    bool log_durable = changelog_is_durable(syncs->options.log, &sync->index);
    AUTO_LOCK(&syncs->mutex);
    bool durable = log_durable && file->synced >= file->changed;
    if (syncs->failed || (!durable && file->ahead < file->changed)) {
        return -EAGAIN;
    }
    learn(file);
    if (durable) {
        return 1;
    }
    sync->next = file->joined;
    file->joined = sync;
    return 0;
}
