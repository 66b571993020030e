/*
 * measure: the workloads of `make bench` and `make demo`, the same for a directory and for an NFSv3
 * export.
 *
 *     measure [options] TARGET COMMAND [ARGUMENT…]
 *
 * TARGET is a directory, or nfs://HOST/EXPORT. Each measurement prints one line of name=value
 * pairs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/bench/measure.h"
#include "tests/bench/way.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct command {
    const char *name;
    int arguments;
    int (*run)(const struct options *options, char **arguments);
    const char *does;
} commands[] = {
    {"small", 1, measure_small, "DIR: create, stat, read, list, rename, unlink small files"},
    {"growth", 1, measure_growth,
     "DIR: create and stat in a directory before and after it has grown"},
    {"stream-write", 1, measure_stream_write, "FILE: write -m MiB from the start, then fsync"},
    {"stream-read", 1, measure_stream_read, "FILE: read it from the start"},
    {"random-write", 1, measure_random_write, "FILE: write 4 KiB and fsync, at random places"},
    {"random-read", 1, measure_random_read, "FILE: read 4 KiB at random places, none twice"},
    {"unlink", 1, measure_unlink, "FILE"},
    {"steady", 1, measure_steady,
     "DIR: all kinds of operations for -l seconds, with every result checked"},
    {"put", 2, tree_put, "SOURCE DIR: copy a local tree in"},
    {"get", 1, tree_get, "DIR: read every file of a tree"},
    {"list", 1, tree_list, "DIR: list a tree with all attributes"},
    {"remove", 1, tree_remove, "DIR: remove a tree"},
    {"sums", 1, tree_sums, "DIR: sha256 of every file, in the order of names; -a: attributes too"},
};

double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int compare_floats(const void *left, const void *right)
{
    float a = *(const float *)left, b = *(const float *)right;
    return (a > b) - (a < b);
}

void phase_print(struct phase *phase)
{
    size_t count = phase->latency_count;
    double p50 = 0, p99 = 0, max = 0;
    if (count > 0) {
        qsort(phase->latencies, count, sizeof *phase->latencies, compare_floats);
        p50 = (double)phase->latencies[count / 2];
        p99 = (double)phase->latencies[count * 99 / 100];
        max = (double)phase->latencies[count - 1];
    }
    printf(
        "phase=%s ops=%llu secs=%.4f ops_s=%.1f p50_us=%.0f p99_us=%.0f max_us=%.0f errors=%llu\n",
        phase->name, (unsigned long long)phase->operations, phase->seconds,
        phase->seconds > 0 ? (double)phase->operations / phase->seconds : 0.0, p50, p99, max,
        (unsigned long long)phase->errors);
    fflush(stdout);
}

static int usage(void)
{
    fprintf(stderr, "usage: measure [-n files] [-s bytes] [-d directories] [-t threads] [-m MiB] "
                    "[-l seconds]\n               [-p phases] [-x name] [-a] TARGET COMMAND …\n");
    for (size_t index = 0; index < sizeof commands / sizeof *commands; index++) {
        fprintf(stderr, "  %-13s %s\n", commands[index].name, commands[index].does);
    }
    return 2;
}

/* 0 is no sensible value of any option; neither is what does not fit. */
static uint32_t number(const char *text)
{
    unsigned long value = strtoul(text, NULL, 10);
    if (value == 0 || value > 100000000) {
        fprintf(stderr, "measure: %s: a number from 1 to 100000000 is needed\n", text);
        exit(2);
    }
    return (uint32_t)value;
}

int main(int argc, char **argv)
{
    struct options options = {
        .files = 4000,
        .size = 4096,
        .directories = 20,
        .threads = 1,
        .mebibytes = 512,
        .seconds = 30,
        .phases = "create,stat,read,list,rename,unlink",
    };
    for (int option; (option = getopt(argc, argv, "n:s:d:t:m:l:p:x:a")) != -1;) {
        switch (option) {
        case 'n':
            options.files = number(optarg);
            break;
        case 's':
            options.size = number(optarg);
            break;
        case 'd':
            options.directories = number(optarg);
            break;
        case 't':
            options.threads = number(optarg);
            break;
        case 'm':
            options.mebibytes = number(optarg);
            break;
        case 'l':
            options.seconds = number(optarg);
            break;
        case 'p':
            options.phases = optarg;
            break;
        case 'x':
            options.exclude = optarg;
            break;
        case 'a':
            options.attributes = 1;
            break;
        default:
            return usage();
        }
    }
    if (argc - optind < 2) {
        return usage();
    }
    options.target = argv[optind];
    for (size_t index = 0; index < sizeof commands / sizeof *commands; index++) {
        if (!strcmp(commands[index].name, argv[optind + 1]) &&
            commands[index].arguments == argc - optind - 2) {
            return commands[index].run(&options, argv + optind + 2);
        }
    }
    return usage();
}
