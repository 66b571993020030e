/*
 * What the measurements share: their options, time, and the line in which each reports.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_BENCH_MEASURE_H
#define TRIVET_TESTS_BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

struct options {
    const char *target;
    uint32_t files;       /* -n */
    uint32_t size;        /* -s, bytes of a small file */
    uint32_t directories; /* -d */
    uint32_t threads;     /* -t */
    uint32_t mebibytes;   /* -m, of a large file */
    uint32_t seconds;     /* -l, limit of a measurement that could go on for ever */
    const char *exclude;  /* -x, a name in the top directory that is left out */
    const char *phases;   /* -p, separated by commas */
    int attributes;       /* -a, compare attributes too */
};

/* The numbers of one phase; latencies is sorted by phase_print. */
struct phase {
    const char *name;
    uint64_t operations;
    uint64_t errors;
    double seconds;
    float *latencies; /* microseconds */
    size_t latency_count;
};

double clock_seconds(void);
void phase_print(struct phase *phase);

/* Each is one command of measure; arguments are what follows the target. Returns an exit status. */
int measure_small(const struct options *options, char **arguments);
int measure_growth(const struct options *options, char **arguments);
int measure_stream_write(const struct options *options, char **arguments);
int measure_stream_read(const struct options *options, char **arguments);
int measure_random_write(const struct options *options, char **arguments);
int measure_random_read(const struct options *options, char **arguments);
int measure_steady(const struct options *options, char **arguments);
int measure_unlink(const struct options *options, char **arguments);
int tree_put(const struct options *options, char **arguments);
int tree_get(const struct options *options, char **arguments);
int tree_list(const struct options *options, char **arguments);
int tree_remove(const struct options *options, char **arguments);
int tree_sums(const struct options *options, char **arguments);

#endif
