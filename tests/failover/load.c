/*
 * A steady load beside failovers, and the judge of what they did to it.
 *
 *     load [-d DIR] [-p PAUSE_US] [-n ROUNDS] [-f FAULT] TARGET…
 *
 * Each target (a directory, or nfs://HOST/EXPORT; at most two, the same files) gets a writer, a
 * reader, a creator and a fsyncer. On standard input "mark" prints one line: for each target and
 * each of its workers the longest time without a completion since the last mark, as
 * MILLISECONDS@WHEN, when in milliseconds after that mark; "end" (or its end) stops, checks and
 * prints the verdict. The exit status is 0 if nothing was wrong. -n: each worker does so many
 * rounds, and input is not read. -f: the first target does something wrong, once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/failover/load.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WRONG_PRINTED_MAX = 40 };

const char *const load_kind_names[KINDS] = {"write", "read", "make", "sync"};
const char *const load_operation_names[OPERATIONS] = {
    "append", "overwrite", "fsync", "create", "rename", "mkdir", "unlink", "rmdir", "read", "stat"};
static const char *const wrong_names[WRONGS] = {"errors", "lost", "doubled", "stale"};

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static double ms(uint64_t ns)
{
    return (double)ns / 1e6;
}

void load_wrong(struct load *load, enum load_wrong wrong, const char *format, ...)
{
    uint32_t before = atomic_fetch_add(&load->wrong[wrong], 1);
    if (before >= WRONG_PRINTED_MAX) {
        return;
    }
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments); /* long enough, or cut */
    va_end(arguments);
    fprintf(stderr, "load: %s, %.3f s: %s%s\n", wrong_names[wrong],
            (double)(now_ns() - load->start) / 1e9, text,
            before + 1 == WRONG_PRINTED_MAX ? "; and so on" : "");
}

/* ---- marks --------------------------------------------------------------------------------- */

struct stall {
    uint64_t took, begun;
};

/* The longest of a worker, also if it is still waiting; the next mark begins here. */
static struct stall worker_mark(struct worker *worker, uint64_t now)
{
    pthread_mutex_lock(&worker->mutex);
    struct stall stall = {worker->longest, worker->longest_begun};
    if (now > worker->completed && now - worker->completed > stall.took) {
        stall = (struct stall){now - worker->completed, worker->completed};
    }
    worker->longest = 0;
    worker->completed = now;
    pthread_mutex_unlock(&worker->mutex);
    return stall;
}

static double stall_when(const struct load *load, struct stall stall)
{
    return stall.begun > load->marked ? ms(stall.begun - load->marked) : 0;
}

static void mark(struct load *load)
{
    uint64_t now = now_ns();
    struct stall stalls[SIDES_MAX][KINDS];
    printf("mark seconds=%.3f operations=%llu errors=%u stale=%u", ms(now - load->marked) / 1e3,
           (unsigned long long)atomic_load(&load->operations),
           atomic_load(&load->wrong[WRONG_ERROR]), atomic_load(&load->wrong[WRONG_STALE]));
    for (unsigned side = 0; side < load->side_count; side++) {
        struct stall longest = {0, 0};
        for (unsigned kind = 0; kind < KINDS; kind++) {
            struct stall stall = worker_mark(&load->sides[side].workers[kind], now);
            stalls[side][kind] = stall;
            longest = stall.took > longest.took ? stall : longest;
        }
        printf(" %s=%.1f@%.0f", load->sides[side].name, ms(longest.took),
               stall_when(load, longest));
    }
    for (unsigned side = 0; side < load->side_count; side++) {
        for (unsigned kind = 0; kind < KINDS; kind++) {
            printf(" %s-%s=%.1f@%.0f", load->sides[side].name, load_kind_names[kind],
                   ms(stalls[side][kind].took), stall_when(load, stalls[side][kind]));
        }
    }
    printf("\n");
    fflush(stdout);
    load->marked = now;
}

static void obey(struct load *load)
{
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        if (!strcmp(line, "mark\n")) {
            mark(load);
        } else if (!strcmp(line, "end\n")) {
            return;
        } else {
            fprintf(stderr, "load: \"mark\" or \"end\", not: %s\n", line);
        }
    }
}

/* ---- start, end ---------------------------------------------------------------------------- */

static struct worker *worker_at(struct load *load, unsigned number)
{
    return &load->sides[number / KINDS].workers[number % KINDS];
}

static int prepare(struct load *load)
{
    for (unsigned index = 0; index < load->side_count; index++) {
        struct side *side = &load->sides[index];
        struct way *way = way_open(side->target);
        int status = -1;
        if (way) {
            status = index ? 0 : way->ops->make_directory(way, load->directory);
            status = status ? status : side_prepare(side, way);
            if (status) {
                fprintf(stderr, "load: %s: cannot prepare: %s\n", side->target,
                        way->ops->error(way, status));
            }
            way->ops->close(way);
        }
        if (status) {
            return -1;
        }
    }
    return 0;
}

/* Every worker has a way of its own: a connection, or a descriptor. */
static int workers_open(struct load *load, const char *fault)
{
    enum load_kind faulty = KINDS;
    if (fault && !way_fault_kind(fault, &faulty)) {
        fprintf(stderr, "load: no such fault: %s\n", fault);
        return -1;
    }
    for (unsigned number = 0; number < load->side_count * KINDS; number++) {
        struct worker *worker = worker_at(load, number);
        *worker = (struct worker){
            .load = load,
            .side = &load->sides[number / KINDS],
            .kind = (enum load_kind)(number % KINDS),
            .state = number + 1,
            .completed = now_ns(),
        };
        pthread_mutex_init(&worker->mutex, NULL);
        worker->way = way_open(worker->side->target);
        if (worker->way && number < KINDS && faulty == worker->kind) {
            worker->way = way_fault_open(worker->way, fault);
        }
        if (!worker->way) {
            return -1;
        }
    }
    return 0;
}

static int work(struct load *load, const char *fault)
{
    if (prepare(load) || workers_open(load, fault)) {
        return -1;
    }
    load->start = load->marked = now_ns();
    unsigned count = load->side_count * KINDS;
    for (unsigned number = 0; number < count; number++) {
        struct worker *worker = worker_at(load, number);
        if (pthread_create(&worker->thread, NULL, worker_run, worker)) {
            fprintf(stderr, "load: cannot start a thread\n");
            exit(2); /* ends the others */
        }
    }
    if (!load->rounds) {
        obey(load);
        atomic_store(&load->is_ending, true);
    }
    for (unsigned number = 0; number < count; number++) {
        (void)pthread_join(worker_at(load, number)->thread, NULL); /* was started */
    }
    return 0;
}

static int verdict(struct load *load)
{
    uint32_t all = 0;
    double seconds = (double)(now_ns() - load->start) / 1e9;
    load_check(load);
    printf("verdict seconds=%.1f operations=%llu", seconds,
           (unsigned long long)atomic_load(&load->operations));
    for (unsigned wrong = 0; wrong < WRONGS; wrong++) {
        uint32_t count = atomic_load(&load->wrong[wrong]);
        printf(" %s=%u", wrong_names[wrong], count);
        all += count;
    }
    printf("\n");
    for (unsigned number = 0; number < load->side_count * KINDS; number++) {
        struct worker *worker = worker_at(load, number);
        worker->way->ops->close(worker->way);
        pthread_mutex_destroy(&worker->mutex);
        free(worker->records);
    }
    return all ? 1 : 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: load [-d DIR] [-p PAUSE_US] [-n ROUNDS] [-f FAULT] TARGET [TARGET]\n"
                    "faults:");
    for (unsigned number = 0; way_fault_name(number); number++) {
        fprintf(stderr, " %s", way_fault_name(number));
    }
    fprintf(stderr, "\n");
    return 2;
}

int main(int argc, char **argv)
{
    static struct load load = {.directory = "/load", .pause_us = 3000};
    const char *fault = NULL;
    for (int option; (option = getopt(argc, argv, "d:p:n:f:")) != -1;) {
        switch (option) {
        case 'd':
            load.directory = optarg;
            break;
        case 'p':
            load.pause_us = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'n':
            load.rounds = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'f':
            fault = optarg;
            break;
        default:
            return usage();
        }
    }
    if (argc - optind < 1 || argc - optind > SIDES_MAX) {
        return usage();
    }
    for (; optind < argc; optind++) {
        struct side *side = &load.sides[load.side_count++];
        side->target = argv[optind];
        side->name = strncmp(side->target, "nfs://", 6) ? "native" : "nfs";
        side->directory = load.directory;
    }
    if (load.side_count == 2 && !strcmp(load.sides[0].name, load.sides[1].name)) {
        load.sides[1].name = "other";
    }
    if (work(&load, fault)) {
        return 2;
    }
    return verdict(&load);
}
