/*
 * Small files: create, stat, read, list, rename, unlink, each phase by all threads at once; and
 * growth, which shows whether an operation costs more in a directory that has become large.
 *
 * Thread t owns the directories d with d % threads == t, so that no two threads share a directory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/bench/measure.h"
#include "tests/bench/way.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 4096 };

struct worker {
    pthread_t thread;
    uint32_t index;
    const struct options *options;
    const char *directory;
    const struct small_phase *phase;
    struct way *way;
    char *data;
    float *latencies;
    size_t latency_count;
    uint64_t operations, errors;
    double start, end;
};

static pthread_barrier_t barrier;

/* One operation on file or directory number item; a count of what was done, or negative. */
struct small_phase {
    const char *name;
    int (*run)(struct worker *worker, uint32_t item);
    int per_directory;
};

static void small_path(const struct worker *worker, uint32_t item, int renamed, char *out_path)
{
    snprintf(out_path, PATH_SIZE, "%s/d%04u/%s%06u", worker->directory,
             item % worker->options->directories, renamed ? "renamed" : "file", item);
}

static int create_file(struct way *way, const char *path, const void *data, uint32_t size)
{
    struct way_file *file;
    int status = way->ops->open(way, path, WAY_CREATE, 0644, &file);
    if (status) {
        return status;
    }
    int written = way->ops->write(way, file, 0, data, size);
    status = written < 0 ? written : (uint32_t)written != size ? -EIO : 0;
    if (!status && way->ops->sync_on_close) {
        status = way->ops->sync(way, file);
    }
    int closed = way->ops->close_file(way, file);
    return status ? status : closed;
}

static int small_create(struct worker *worker, uint32_t item)
{
    char path[PATH_SIZE];
    small_path(worker, item, 0, path);
    memcpy(worker->data, &item, sizeof item); /* no two files alike */
    int status = create_file(worker->way, path, worker->data, worker->options->size);
    return status ? status : 1;
}

static int small_stat(struct worker *worker, uint32_t item)
{
    char path[PATH_SIZE];
    struct way_attr attr;
    small_path(worker, item, 0, path);
    int status = worker->way->ops->stat(worker->way, path, &attr);
    return status ? status : 1;
}

static int small_read(struct worker *worker, uint32_t item)
{
    char path[PATH_SIZE];
    struct way *way = worker->way;
    struct way_file *file;
    small_path(worker, item, 0, path);
    int status = way->ops->open(way, path, WAY_READ, 0, &file);
    if (status) {
        return status;
    }
    int count = way->ops->read(way, file, 0, worker->data, worker->options->size);
    uint32_t first;
    memcpy(&first, worker->data, sizeof first);
    int closed = way->ops->close_file(way, file);
    if (count != (int)worker->options->size || first != item) {
        return count < 0 ? count : -EIO;
    }
    return closed ? closed : 1;
}

static int count_entry(void *context, const char *name, const struct way_attr *attr)
{
    (void)name;
    (void)attr;
    ++*(int *)context;
    return 0;
}

static int small_list(struct worker *worker, uint32_t item)
{
    char path[PATH_SIZE];
    int count = 0;
    snprintf(path, sizeof path, "%s/d%04u", worker->directory, item);
    int status = worker->way->ops->list(worker->way, path, count_entry, &count);
    return status ? status : count;
}

static int small_rename(struct worker *worker, uint32_t item)
{
    char from[PATH_SIZE], to[PATH_SIZE];
    small_path(worker, item, 0, from);
    small_path(worker, item, 1, to);
    int status = worker->way->ops->rename(worker->way, from, to);
    return status ? status : 1;
}

static int small_unlink(struct worker *worker, uint32_t item)
{
    char path[PATH_SIZE];
    small_path(worker, item, 1, path);
    int status = worker->way->ops->unlink(worker->way, path);
    return status ? status : 1;
}

static const struct small_phase phases[] = {
    {"create", small_create, 0}, {"stat", small_stat, 0},     {"read", small_read, 0},
    {"list", small_list, 1},     {"rename", small_rename, 0}, {"unlink", small_unlink, 0},
};

static void *worker_run(void *context)
{
    struct worker *worker = context;
    const struct options *options = worker->options;
    uint32_t count = worker->phase->per_directory ? options->directories : options->files;
    worker->latency_count = worker->operations = worker->errors = 0;
    pthread_barrier_wait(&barrier);
    worker->start = clock_seconds();
    for (uint32_t item = 0; item < count; item++) {
        if (item % options->directories % options->threads != worker->index) {
            continue;
        }
        double start = clock_seconds();
        int done = worker->phase->run(worker, item);
        worker->latencies[worker->latency_count++] = (float)((clock_seconds() - start) * 1e6);
        if (done >= 0) {
            worker->operations += (uint64_t)done;
        } else if (worker->errors++ < 3) {
            fprintf(stderr, "measure: %s of item %u: %s\n", worker->phase->name, item,
                    worker->way->ops->error(worker->way, done));
        }
    }
    worker->end = clock_seconds();
    return NULL;
}

static uint64_t run_phase(const struct small_phase *small, struct worker *workers, float *latencies)
{
    uint32_t threads = workers->options->threads;
    struct phase phase = {.name = small->name, .latencies = latencies};
    double start = 0, end = 0;
    pthread_barrier_init(&barrier, NULL, threads);
    for (uint32_t index = 0; index < threads; index++) {
        workers[index].phase = small;
        pthread_create(&workers[index].thread, NULL, worker_run, &workers[index]);
    }
    for (uint32_t index = 0; index < threads; index++) {
        struct worker *worker = &workers[index];
        pthread_join(worker->thread, NULL);
        start = index == 0 || worker->start < start ? worker->start : start;
        end = worker->end > end ? worker->end : end;
        memcpy(latencies + phase.latency_count, worker->latencies,
               worker->latency_count * sizeof *latencies);
        phase.latency_count += worker->latency_count;
        phase.operations += worker->operations;
        phase.errors += worker->errors;
    }
    pthread_barrier_destroy(&barrier);
    phase.seconds = end - start;
    phase_print(&phase);
    return phase.errors;
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (!memory) {
        fprintf(stderr, "measure: not enough memory for %zu items\n", count);
        exit(1);
    }
    return memory;
}

static struct worker *workers_new(const struct options *options, const char *directory)
{
    struct worker *workers = allocate(options->threads, sizeof *workers);
    for (uint32_t index = 0; index < options->threads; index++) {
        workers[index] = (struct worker){
            .index = index,
            .options = options,
            .directory = directory,
            .way = way_open(options->target),
            .data = allocate(1, options->size + sizeof index),
            .latencies = allocate(options->files + options->directories, sizeof(float)),
        };
        if (!workers[index].way) {
            exit(1);
        }
        way_fill(workers[index].data, options->size, index + 1);
    }
    return workers;
}

static void workers_free(struct worker *workers, uint32_t threads)
{
    for (uint32_t index = 0; index < threads; index++) {
        workers[index].way->ops->close(workers[index].way);
        free(workers[index].data);
        free(workers[index].latencies);
    }
    free(workers);
}

static int make_directory(struct way *way, const char *path)
{
    int status = way->ops->make_directory(way, path);
    if (status) {
        fprintf(stderr, "measure: cannot make %s: %s\n", path, way->ops->error(way, status));
    }
    return status;
}

/* The directories are made before "create", outside its time, and removed after "unlink". */
static int make_directories(struct way *way, const struct options *options, const char *directory)
{
    char path[PATH_SIZE];
    int status = make_directory(way, directory);
    for (uint32_t index = 0; !status && index < options->directories; index++) {
        snprintf(path, sizeof path, "%s/d%04u", directory, index);
        status = make_directory(way, path);
    }
    return status;
}

static int remove_directories(struct way *way, const struct options *options, const char *directory)
{
    char path[PATH_SIZE];
    int status = 0;
    for (uint32_t index = 0; index < options->directories; index++) {
        snprintf(path, sizeof path, "%s/d%04u", directory, index);
        int removed = way->ops->remove_directory(way, path);
        status = status ? status : removed;
    }
    int removed = way->ops->remove_directory(way, directory);
    return status ? status : removed;
}

int measure_small(const struct options *options, char **arguments)
{
    const char *directory = arguments[0];
    struct worker *workers = workers_new(options, directory);
    float *latencies = allocate(options->files + options->directories, sizeof *latencies);
    int failed = strstr(options->phases, "create") &&
                 make_directories(workers->way, options, directory) != 0;
    for (size_t index = 0; !failed && index < sizeof phases / sizeof *phases; index++) {
        if (strstr(options->phases, phases[index].name)) {
            failed = run_phase(&phases[index], workers, latencies) != 0;
        }
    }
    if (!failed && strstr(options->phases, "unlink")) {
        failed = remove_directories(workers->way, options, directory) != 0;
    }
    free(latencies);
    workers_free(workers, options->threads);
    return failed;
}

/* ---- growth ------------------------------------------------------------------------------------
 */

enum { GROWTH_SAMPLE = 1000 };

static int growth_sample(struct way *way, const char *directory, uint32_t from,
                         const char *names[2])
{
    char path[PATH_SIZE], data[16] = "growth";
    float latencies[GROWTH_SAMPLE];
    struct way_attr attr;
    for (unsigned kind = 0; kind < 2; kind++) {
        struct phase phase = {.name = names[kind], .latencies = latencies};
        double start = clock_seconds();
        for (uint32_t index = 0; index < GROWTH_SAMPLE; index++) {
            snprintf(path, sizeof path, "%s/file%07u", directory, from + index);
            double one = clock_seconds();
            int status = kind == 0 ? create_file(way, path, data, sizeof data)
                                   : way->ops->stat(way, path, &attr);
            latencies[phase.latency_count++] = (float)((clock_seconds() - one) * 1e6);
            if (status) {
                fprintf(stderr, "measure: %s: %s\n", path, way->ops->error(way, status));
                return status;
            }
        }
        phase.operations = GROWTH_SAMPLE;
        phase.seconds = clock_seconds() - start;
        phase_print(&phase);
    }
    return 0;
}

/* Create and stat 1,000 files in an empty directory, fill it up to -n or for -l seconds, and again.
 */
int measure_growth(const struct options *options, char **arguments)
{
    const char *directory = arguments[0];
    static const char *before[] = {"create_first", "stat_first"};
    static const char *after[] = {"create_last", "stat_last"};
    char path[PATH_SIZE], data[16] = "growth";
    struct way *way = way_open(options->target);
    if (!way || make_directory(way, directory) || growth_sample(way, directory, 0, before)) {
        return 1;
    }
    uint32_t entries = GROWTH_SAMPLE;
    double end = clock_seconds() + options->seconds;
    for (; entries < options->files && clock_seconds() < end; entries++) {
        snprintf(path, sizeof path, "%s/file%07u", directory, entries);
        int status = create_file(way, path, data, sizeof data);
        if (status) {
            fprintf(stderr, "measure: %s: %s\n", path, way->ops->error(way, status));
            return 1;
        }
    }
    if (growth_sample(way, directory, entries, after)) {
        return 1;
    }
    printf("phase=entries ops=%u secs=0 ops_s=%u\n", entries, entries);
    way->ops->close(way);
    return 0;
}
