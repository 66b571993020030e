/*
 * The volumes behind the exports. A gateway may start before its volumes do, and must serve the
 * others meanwhile; so each export has a thread that opens its volume, tries again every second
 * while that fails, says once why, and ends when the volume is there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/nfs3/exports.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>
#include "backend/base/log.h"
#include "backend/base/scope.h"

#define RETRY_MS 1000

static struct timespec after_ms(unsigned ms)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += (time_t)(ms / 1000);
    time.tv_nsec += (long)(ms % 1000) * 1000000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_sec++;
        time.tv_nsec -= 1000000000;
    }
    return time;
}

/* Wait for the stop; false: it did not come. */
static bool wait_for_stop(struct exports *exports, unsigned ms)
{
    struct timespec until = after_ms(ms);
    AUTO_LOCK(&exports->lock);
    while (!exports->is_stopping &&
           pthread_cond_timedwait(&exports->stopped, &exports->lock, &until) == 0) {
    }
    return exports->is_stopping;
}

/* A handle names its volume, so a volume has one export: two with different rights would both be
 * the first. Known by its name only when it is open. */
static int publish(struct export *export, struct volume *volume, char *error, size_t size)
{
    struct exports *exports = export->exports;
    AUTO_LOCK(&exports->lock);
    const struct export *other = exports_by_volume(exports, &volume_spec(volume)->id);
    if (other) {
        snprintf(error, size, "export %.64s has this volume already; leave one of them out",
                 other->path);
        return -EEXIST;
    }
    atomic_store(&export->volume, volume);
    return 0;
}

static int open_once(struct export *export, char *error, size_t size)
{
    char client[96];
    snprintf(client, sizeof client, "trivet-gateway %s pid %d", export->name, (int)getpid());
    struct volume_options options = {
        .client_name = client,
        .connect_timeout_ms = RETRY_MS,
        .wait_timeout_ms = export->wait_timeout_ms,
        .cache = true,
    };
    struct volume *volume = NULL;
    int status = volume_open(export->volume_name, &options, &volume, error, size);
    if (status) {
        return status;
    }
    const struct volume_spec *spec = volume_spec(volume);
    uint64_t fsid = XXH3_64bits(spec->id.bytes, VOLUME_ID_SIZE);
    export->fsid = fsid ? fsid : 1; /* some clients take 0 for "unknown" */
    status = publish(export, volume, error, size);
    if (status) {
        volume_close(volume);
    }
    return status;
}

static void *opener_run(void *context)
{
    struct export *export = context;
    struct exports *exports = export->exports;
    int told = 0;
    for (;;) {
        char error[256] = "";
        int status = open_once(export, error, sizeof error);
        atomic_store(&export->open_status, status);
        if (status == 0) {
            break;
        }
        if (status != told) {
            log_warn("export %s: %s (%s); trying again until it can be opened", export->path,
                     error[0] ? error : error_text(status), export->volume_name);
            told = status;
        }
        if (wait_for_stop(exports, RETRY_MS)) {
            return NULL;
        }
    }
    log_info("export %s: volume %s is open", export->path, export->volume_name);
    if (exports->opened) {
        exports->opened(export, exports->opened_context);
    }
    return NULL;
}

int exports_open(struct exports *exports, unsigned patience_ms)
{
    /* Signals are for the thread that waits for them; an opener must not be given any. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = 0;
    for (size_t i = 0; i < exports->count && status == 0; i++) {
        struct export *export = exports->items[i];
        status = -pthread_create(&export->opener, NULL, opener_run, export);
        export->opener_runs = status == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    for (unsigned waited = 0; status == 0 && waited < patience_ms && !exports_are_open(exports);
         waited += 5) {
        (void)usleep(5000); /* a start is no hot path; an early return only asks again */
    }
    return status;
}

void exports_free(struct exports *exports)
{
    if (!exports) {
        return;
    }
    pthread_mutex_lock(&exports->lock);
    exports->is_stopping = true;
    pthread_cond_broadcast(&exports->stopped);
    pthread_mutex_unlock(&exports->lock);
    for (size_t i = 0; i < exports->count; i++) {
        struct export *export = exports->items[i];
        if (export->opener_runs) {
            pthread_join(export->opener, NULL);
        }
        struct volume *volume = atomic_load(&export->volume);
        if (volume) {
            volume_close(volume);
        }
        free(export);
    }
    pthread_cond_destroy(&exports->stopped);
    pthread_mutex_destroy(&exports->lock);
    free(exports);
}
