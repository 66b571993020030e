/*
 * The bytes of files on stable storage. One sync of a file at a time serves all who wait for it;
 * and where a file is synced again and again after the same few changes, the next sync begins with
 * the last of them, on a thread kept for that, before it is asked for.
 *
 * That makes no promise weaker: a sync counts only for changes that were made before it began. An
 * error of any is final, whether somebody waits for it or not: failed is told at once, and so is
 * everybody who asks from then on.
 *
 * Threads: any. The mutex is held for moments, never while the disk is waited for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_STORE_SYNC_AHEAD_H
#define TRIVET_STORE_SYNC_AHEAD_H

#include "backend/store/changelog.h"
#include "backend/store/fd_cache.h"
#include "backend/store/store.h"

struct sync_ahead;

struct sync_ahead_options {
    struct fd_cache *objects;
    struct changelog *log; /* its sync begins with a file's: the disk has one flush for both */
    int (*data)(int fd);   /* durable_data, or a test's */
    void (*failed)(void *context, int status); /* by the thread that syncs */
    void *context;
};

int sync_ahead_new(const struct sync_ahead_options *options, struct sync_ahead **out_syncs);
/* Whoever joined is answered first. Nobody else uses it any more. NULL is allowed. */
void sync_ahead_free(struct sync_ahead *syncs);

/* The bytes or the size of a file were changed. The caller holds object, here and below. */
void sync_ahead_changed(struct sync_ahead *syncs, struct open_object *object);

/* Wait until every change that was told is durable; of the file, not of the log. Fails: -errno. */
int sync_ahead_wait(struct sync_ahead *syncs, struct open_object *object);

/*
 * The same without waiting, the log's records so far included, where a sync that was begun ahead
 * will do: 0, and sync->complete is called by another thread. 1: all that is durable by now.
 * -EAGAIN: neither; wait.
 */
int sync_ahead_join(struct sync_ahead *syncs, struct open_object *object, struct store_sync *sync);

#endif
