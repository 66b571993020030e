/*
 * The log: a list of segments, the last of which is written. One mutex guards all of it; it is not
 * held while a sync waits for the disk.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/store/changelog.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/proto/limits.h"
#include "backend/store/durable.h"
#include "backend/store/segment.h"

/* A log that cannot be trimmed for a member that stays away: 64 GiB, then the log fails. */
#define SEGMENTS_MAX 1024

struct changelog {
    struct changelog_options options;
    pthread_mutex_t mutex;
    pthread_cond_t synced; /* a sync came to its end */
    bool syncing;          /* a thread is out syncing; segments stay where they are */
    bool names_unsynced;   /* a segment was made since the directory was synced */
    bool begin;            /* the helper is to sync */
    bool closing;
    bool has_helper;
    pthread_t helper;      /* for changelog_sync_begin; made when it is first wanted */
    pthread_cond_t wanted; /* begin or closing was set */
    int failed;            /* the first error; everything after it fails */
    uint64_t durable;      /* records up to this index are on stable storage */
    size_t segment_count;
    struct segment *segments[SEGMENTS_MAX]; /* by first; records are contiguous */
};

static struct segment *last_segment(struct changelog *log)
{
    return log->segments[log->segment_count - 1];
}

static uint64_t last_index(struct changelog *log)
{
    return last_segment(log)->first + last_segment(log)->count - 1;
}

/* ---- opening ------------------------------------------------------------------------------- */

static int compare_firsts(const void *a, const void *b)
{
    uint64_t first_a = *(const uint64_t *)a;
    uint64_t first_b = *(const uint64_t *)b;
    return (first_a > first_b) - (first_a < first_b);
}

/* The segments' names in order. Names that are not ours are left alone. */
static int list_segments(int directory_fd, uint64_t firsts[SEGMENTS_MAX], size_t *out_count)
{
    int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (!directory) {
        int result = -errno;
        if (fd >= 0) {
            (void)close(fd); /* only read */
        }
        return result;
    }
    size_t count = 0;
    for (struct dirent *entry; count < SEGMENTS_MAX && (entry = readdir(directory));) {
        uint64_t first;
        char name[24];
        if (sscanf(entry->d_name, "%20" SCNu64, &first) == 1) {
            segment_name(first, name);
            if (strcmp(name, entry->d_name) == 0) {
                firsts[count++] = first;
            }
        }
    }
    (void)closedir(directory); /* only read */
    qsort(firsts, count, sizeof *firsts, compare_firsts);
    *out_count = count;
    return 0;
}

static int open_segments(struct changelog *log, const uint64_t *firsts, size_t count,
                         char *out_error, size_t size)
{
    const struct changelog_options *options = &log->options;
    for (size_t i = 0; i < count; i++) {
        struct segment *segment;
        int result = segment_open(options->directory_fd, firsts[i], options->disk_id, &segment);
        if (result == -ENODATA && i + 1 == count) {
            char name[24]; /* made, and the process died before it had a head */
            segment_name(firsts[i], name);
            return unlinkat(options->directory_fd, name, 0) ? -errno : 0;
        }
        if (result) {
            (void)snprintf(out_error, size,
                           "segment %020" PRIu64 " of the log cannot be used (%s): damaged, or "
                           "copied from another brick; replace the brick",
                           firsts[i], error_text(result)); /* cut short at worst */
            return result == -ENODATA ? -E_CORRUPT : result;
        }
        log->segments[log->segment_count++] = segment;
    }
    return 0;
}

/* Begin a segment behind the last one. */
static int add_segment(struct changelog *log, uint64_t first)
{
    if (log->segment_count == SEGMENTS_MAX) {
        return -ENOSPC;
    }
    struct segment *segment;
    int result = segment_make(log->options.directory_fd, first, log->options.disk_id, &segment);
    if (result) {
        return result;
    }
    if (log->segment_count > 0) {
        segment_finish(last_segment(log));
    }
    log->names_unsynced = true;
    log->segments[log->segment_count++] = segment;
    return 0;
}

static int load(struct changelog *log, char *out_error, size_t size)
{
    AUTO_FREE uint64_t *firsts = calloc(SEGMENTS_MAX, sizeof *firsts);
    if (!firsts) {
        return -ENOMEM;
    }
    size_t count = 0;
    int result = list_segments(log->options.directory_fd, firsts, &count);
    if (!result) {
        result = open_segments(log, firsts, count, out_error, size);
    }
    if (result) {
        return result;
    }
    if (log->segment_count == 0) {
        return add_segment(log, log->options.first);
    }
    const struct segment_check check = {
        .same_boot = log->options.same_boot, .error = out_error, .error_size = size};
    return segment_recover(last_segment(log), &check);
}

int changelog_open(const struct changelog_options *options, struct changelog **out_log,
                   char *out_error, size_t size)
{
    PRE(options && out_log && out_error && size > 0);
    struct changelog *log = calloc(1, sizeof *log);
    if (!log) {
        return -ENOMEM;
    }
    log->options = *options;
    if (log->options.segment_size == 0) {
        log->options.segment_size = LOG_SEGMENT_SIZE;
    }
    pthread_mutex_init(&log->mutex, NULL);
    pthread_cond_init(&log->synced, NULL);
    pthread_cond_init(&log->wanted, NULL);
    out_error[0] = '\0';
    int result = load(log, out_error, size);
    if (result) {
        if (out_error[0] == '\0') {
            (void)snprintf(out_error, size, "the log cannot be opened: %s",
                           error_text(result)); /* cut short at worst */
        }
        changelog_close(log);
        return result;
    }
    last_segment(log)->synced = 0; /* who knows what the process before had synced */
    log->durable = 0;
    *out_log = log;
    return 0;
}

static void end_helper(struct changelog *log)
{
    pthread_mutex_lock(&log->mutex);
    log->closing = true;
    pthread_cond_signal(&log->wanted);
    pthread_mutex_unlock(&log->mutex);
    if (log->has_helper) {
        (void)pthread_join(log->helper, NULL); /* fails only for what is no thread */
    }
}

void changelog_close(struct changelog *log)
{
    if (!log) {
        return;
    }
    end_helper(log);
    for (size_t i = 0; i < log->segment_count; i++) {
        segment_free(log->segments[i]);
    }
    pthread_cond_destroy(&log->wanted);
    pthread_cond_destroy(&log->synced);
    pthread_mutex_destroy(&log->mutex);
    free(log);
}

/* ---- records ------------------------------------------------------------------------------- */

int changelog_append(struct changelog *log, uint64_t index, struct slice record)
{
    AUTO_LOCK(&log->mutex);
    PRE(index == last_index(log) + 1);
    int result = log->failed;
    if (!result && last_segment(log)->size >= log->options.segment_size) {
        result = add_segment(log, index);
    }
    if (!result) {
        result = segment_append(last_segment(log), log->durable, record);
    }
    log->failed = result;
    return result;
}

int changelog_read(struct changelog *log, uint64_t index, uint8_t *buffer, size_t size,
                   size_t *out_size)
{
    AUTO_LOCK(&log->mutex);
    size_t i = log->segment_count;
    while (i > 0 && log->segments[i - 1]->first > index) {
        i--;
    }
    if (i == 0) {
        return -ENOENT;
    }
    struct segment *segment = log->segments[i - 1];
    if (i < log->segment_count) {
        int result = segment_map(segment, log->segments[i]->first - segment->first);
        if (result) {
            return result;
        }
    }
    return segment_read(segment, index, buffer, size, out_size);
}

void changelog_range(struct changelog *log, uint64_t *out_first, uint64_t *out_last)
{
    AUTO_LOCK(&log->mutex);
    *out_first = log->segments[0]->first;
    *out_last = last_index(log);
}

/* ---- stable storage ------------------------------------------------------------------------ */

/* Sync what there is, the mutex given up meanwhile. Records appended after the beginning are left
 * to the next one. */
static int sync_segments(struct changelog *log)
{
    uint64_t covers = last_index(log);
    bool names = log->names_unsynced;
    log->names_unsynced = false;
    int result = 0;
    for (size_t i = 0; i < log->segment_count && !result; i++) {
        struct segment *segment = log->segments[i];
        uint64_t end = segment->size;
        if (segment->synced == end) {
            continue;
        }
        pthread_mutex_unlock(&log->mutex);
        result = durable_data(segment->fd);
        pthread_mutex_lock(&log->mutex);
        segment->synced = end;
    }
    if (!result && names) {
        pthread_mutex_unlock(&log->mutex);
        result = durable_names(log->options.directory_fd);
        pthread_mutex_lock(&log->mutex);
    }
    if (!result) {
        log->durable = covers;
    }
    return result;
}

/* With the mutex held, which is given up meanwhile: make durable what there is, up to wanted at
 * least. */
static void sync_locked(struct changelog *log, uint64_t wanted)
{
    while (!log->failed && log->durable < wanted) {
        if (log->syncing) {
            pthread_cond_wait(&log->synced, &log->mutex);
            continue;
        }
        log->syncing = true;
        int result = sync_segments(log);
        log->syncing = false;
        if (result) {
            log->failed = result;
        }
        pthread_cond_broadcast(&log->synced);
    }
}

int changelog_sync(struct changelog *log)
{
    AUTO_LOCK(&log->mutex);
    sync_locked(log, last_index(log));
    return log->failed;
}

int changelog_sync_to(struct changelog *log, uint64_t index)
{
    AUTO_LOCK(&log->mutex);
    PRE(index <= last_index(log));
    sync_locked(log, index);
    return log->failed;
}

bool changelog_is_durable(struct changelog *log, uint64_t *out_last)
{
    AUTO_LOCK(&log->mutex);
    *out_last = last_index(log);
    return !log->failed && log->durable >= *out_last;
}

static void *help(void *context)
{
    struct changelog *log = context;
    AUTO_LOCK(&log->mutex);
    while (!log->closing) {
        if (!log->begin) {
            pthread_cond_wait(&log->wanted, &log->mutex);
            continue;
        }
        log->begin = false;
        sync_locked(log, last_index(log));
    }
    return NULL;
}

void changelog_sync_begin(struct changelog *log)
{
    AUTO_LOCK(&log->mutex);
    if (log->failed || log->durable == last_index(log) || log->begin) {
        return;
    }
    if (!log->has_helper) {
        log->has_helper = pthread_create(&log->helper, NULL, help, log) == 0;
    }
    if (log->has_helper) {
        log->begin = true;
        pthread_cond_signal(&log->wanted);
    }
}

/* The last segments that are all above to go, the last first: what is left is a whole log at any
 * moment. The first one stays. */
static int cut_segments(struct changelog *log, uint64_t to)
{
    while (log->segment_count > 1 && last_segment(log)->first > to) {
        struct segment *segment = last_segment(log);
        char name[24];
        segment_name(segment->first, name);
        int result = unlinkat(log->options.directory_fd, name, 0)
                         ? -errno
                         : durable_names(log->options.directory_fd);
        if (result) {
            return result;
        }
        segment_free(segment);
        log->segment_count--;
    }
    return 0;
}

int changelog_cut(struct changelog *log, uint64_t to)
{
    AUTO_LOCK(&log->mutex);
    PRE(to + 1 >= log->segments[0]->first);
    while (log->syncing) {
        pthread_cond_wait(&log->synced, &log->mutex);
    }
    size_t before = log->segment_count;
    int result = log->failed ? log->failed : cut_segments(log, to);
    if (!result && (log->segment_count < before || last_index(log) > to)) {
        struct segment *segment = last_segment(log);
        result = segment_cut(segment, to + 1 - segment->first);
        result = result ? result : durable_data(segment->fd);
    }
    log->durable = log->durable < to ? log->durable : to;
    log->failed = result;
    return result;
}

int changelog_trim(struct changelog *log, uint64_t keep_size, uint64_t needed)
{
    AUTO_LOCK(&log->mutex);
    uint64_t total = 0;
    for (size_t i = 0; i < log->segment_count; i++) {
        total += log->segments[i]->size;
    }
    while (!log->syncing && log->segment_count > 1 && total > keep_size &&
           log->segments[1]->first <= needed) {
        struct segment *segment = log->segments[0];
        char name[24];
        segment_name(segment->first, name);
        if (unlinkat(log->options.directory_fd, name, 0)) {
            return -errno;
        }
        total -= segment->size;
        segment_free(segment);
        log->segment_count--;
        memmove(log->segments, log->segments + 1, log->segment_count * sizeof *log->segments);
    }
    return 0;
}
