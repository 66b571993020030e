/*
 * Large files: streams from the start to the end, and single blocks at random places.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/bench/measure.h"
#include "tests/bench/way.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { STREAM_BLOCK = 1 << 20, RANDOM_BLOCK = 4096 };

static int report(struct way *way, const char *path, int status)
{
    fprintf(stderr, "measure: %s: %s\n", path, way->ops->error(way, status));
    return 1;
}

static int stream(const struct options *options, const char *path, bool writing)
{
    struct way *way = way_open(options->target);
    if (!way) {
        return 1;
    }
    struct way_file *file;
    int status = way->ops->open(way, path, writing ? WAY_REPLACE : WAY_READ, 0644, &file);
    if (status) {
        return report(way, path, status);
    }
    double start = clock_seconds();
    status = way->ops->stream(way, file, writing, (uint64_t)options->mebibytes << 20, STREAM_BLOCK);
    if (!status && writing) {
        status = way->ops->sync(way, file);
    }
    double seconds = clock_seconds() - start;
    int closed = way->ops->close_file(way, file);
    if (status || closed) {
        return report(way, path, status ? status : closed);
    }
    way->ops->close(way);
    printf("phase=%s ops=%u secs=%.4f ops_s=%.1f\n", writing ? "stream_write" : "stream_read",
           options->mebibytes, seconds, options->mebibytes / seconds);
    return 0;
}

int measure_stream_write(const struct options *options, char **arguments)
{
    return stream(options, arguments[0], true);
}

int measure_stream_read(const struct options *options, char **arguments)
{
    return stream(options, arguments[0], false);
}

int measure_unlink(const struct options *options, char **arguments)
{
    struct way *way = way_open(options->target);
    int status = way ? way->ops->unlink(way, arguments[0]) : -EIO;
    if (!way) {
        return 1;
    }
    if (status) {
        return report(way, arguments[0], status);
    }
    way->ops->close(way);
    return 0;
}

/* Each thread has a region of the file of its own and visits its blocks in a random order, none
 * twice: no answer comes from the client's cache. */
struct random_worker {
    pthread_t thread;
    uint32_t index;
    bool writing;
    const struct options *options;
    const char *path;
    uint32_t *order;
    uint32_t blocks;
    float *latencies;
    size_t latency_count;
    int failed;
};

static pthread_barrier_t barrier;

static void order_shuffle(uint32_t *order, uint32_t count, uint64_t seed)
{
    for (uint32_t index = 0; index < count; index++) {
        order[index] = index;
    }
    for (uint32_t left = count; left > 1; left--) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        uint32_t other = (uint32_t)(seed >> 33) % left;
        uint32_t block = order[other];
        order[other] = order[left - 1];
        order[left - 1] = block;
    }
}

static int random_operation(struct random_worker *worker, struct way *way, struct way_file *file,
                            uint64_t offset, char *data)
{
    if (!worker->writing) {
        int count = way->ops->read(way, file, offset, data, RANDOM_BLOCK);
        return count == RANDOM_BLOCK ? 0 : count < 0 ? count : -EIO;
    }
    int count = way->ops->write(way, file, offset, data, RANDOM_BLOCK);
    if (count != RANDOM_BLOCK) {
        return count < 0 ? count : -EIO;
    }
    return way->ops->sync(way, file);
}

static void *random_run(void *context)
{
    struct random_worker *worker = context;
    struct way *way = way_open(worker->options->target);
    struct way_file *file = NULL;
    char data[RANDOM_BLOCK];
    way_fill(data, sizeof data, worker->index + 77);
    worker->failed = !way || way->ops->open(way, worker->path,
                                            worker->writing ? WAY_UPDATE : WAY_READ, 0, &file);
    pthread_barrier_wait(&barrier);
    double end = clock_seconds() + worker->options->seconds;
    for (uint32_t index = 0; !worker->failed && index < worker->blocks; index++) {
        uint64_t block = (uint64_t)worker->index * worker->blocks + worker->order[index];
        double start = clock_seconds();
        if (start > end) {
            break;
        }
        int status = random_operation(worker, way, file, block * RANDOM_BLOCK, data);
        worker->latencies[worker->latency_count++] = (float)((clock_seconds() - start) * 1e6);
        worker->failed = status ? report(way, worker->path, status) : 0;
    }
    pthread_barrier_wait(&barrier);
    if (file) {
        (void)way->ops->close_file(way,
                                   file); /* what mattered was synced, and its result looked at */
    }
    if (way) {
        way->ops->close(way);
    }
    return NULL;
}

static int random_measure(const struct options *options, const char *path, bool writing)
{
    uint32_t threads = options->threads;
    uint32_t blocks = (uint32_t)(((uint64_t)options->mebibytes << 20) / RANDOM_BLOCK / threads);
    struct random_worker *workers = calloc(threads, sizeof *workers);
    float *latencies = calloc((size_t)blocks * threads, sizeof *latencies);
    uint32_t *orders = calloc((size_t)blocks * threads, sizeof *orders);
    struct phase phase = {
        .name = writing ? "random_write" : "random_read",
        .latencies = calloc((size_t)blocks * threads, sizeof *latencies),
    };
    if (!workers || !latencies || !orders || !phase.latencies) {
        fprintf(stderr, "measure: not enough memory for %u blocks\n", blocks * threads);
        return 1;
    }
    pthread_barrier_init(&barrier, NULL, threads + 1);
    for (uint32_t index = 0; index < threads; index++) {
        workers[index] = (struct random_worker){
            .index = index,
            .writing = writing,
            .options = options,
            .path = path,
            .order = orders + (size_t)index * blocks,
            .blocks = blocks,
            .latencies = latencies + (size_t)index * blocks,
        };
        order_shuffle(workers[index].order, blocks, index + 12345);
        pthread_create(&workers[index].thread, NULL, random_run, &workers[index]);
    }
    pthread_barrier_wait(&barrier);
    double start = clock_seconds();
    pthread_barrier_wait(&barrier);
    phase.seconds = clock_seconds() - start;
    for (uint32_t index = 0; index < threads; index++) {
        pthread_join(workers[index].thread, NULL);
        for (size_t one = 0; one < workers[index].latency_count; one++) {
            phase.latencies[phase.latency_count++] = workers[index].latencies[one];
        }
        phase.errors += (uint64_t)workers[index].failed;
    }
    phase.operations = phase.latency_count;
    phase_print(&phase);
    free(phase.latencies);
    free(orders);
    free(latencies);
    free(workers);
    return phase.errors != 0;
}

int measure_random_write(const struct options *options, char **arguments)
{
    return random_measure(options, arguments[0], true);
}

int measure_random_read(const struct options *options, char **arguments)
{
    return random_measure(options, arguments[0], false);
}
