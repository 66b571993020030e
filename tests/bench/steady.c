/*
 * A client that works steadily for -l seconds while others kill daemons: writes with and without
 * fsync, files made, renamed and removed, contents read back. Any error, and anything that is not
 * as it was acknowledged, is a failure; the longest wait of any one operation is reported.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/bench/measure.h"
#include "tests/bench/way.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORD = 8192, RECORDS = 2048, KEPT = 64, PATH_SIZE = 4096, PAUSE_US = 1000 };

struct steady {
    struct way *way;
    const char *directory;
    struct way_file *file;
    uint32_t round;
    uint32_t written[RECORDS]; /* the round in which each record was written last; 0: never */
    double longest, longest_at, start;
    const char *longest_what;
    char data[RECORD], back[RECORD];
};

static void record_fill(char *record, uint32_t round)
{
    way_fill(record, RECORD, round);
}

/* Name the operation that waited longest; a failure is told at once. */
static int done(struct steady *steady, const char *what, double since, int status)
{
    double now = clock_seconds();
    if (now - since > steady->longest) {
        steady->longest = now - since;
        steady->longest_at = since - steady->start;
        steady->longest_what = what;
    }
    if (status < 0) {
        fprintf(stderr, "measure: %s in round %u, %.2f s after the start: %s\n", what,
                steady->round, since - steady->start, steady->way->ops->error(steady->way, status));
    }
    return status;
}

static int write_record(struct steady *steady)
{
    uint32_t index = steady->round % RECORDS;
    double since = clock_seconds();
    record_fill(steady->data, steady->round);
    int count = steady->way->ops->write(steady->way, steady->file, (uint64_t)index * RECORD,
                                        steady->data, RECORD);
    int status = done(steady, "write", since, count == RECORD ? 0 : count < 0 ? count : -EIO);
    if (status) {
        return status;
    }
    steady->written[index] = steady->round;
    if (steady->round % 16) {
        return 0;
    }
    since = clock_seconds();
    return done(steady, "fsync", since, steady->way->ops->sync(steady->way, steady->file));
}

static int check_record(struct steady *steady, uint32_t index)
{
    if (!steady->written[index]) {
        return 0;
    }
    double since = clock_seconds();
    int count = steady->way->ops->read(steady->way, steady->file, (uint64_t)index * RECORD,
                                       steady->back, RECORD);
    if (count == RECORD) {
        record_fill(steady->data, steady->written[index]);
        if (memcmp(steady->data, steady->back, RECORD)) {
            fprintf(stderr, "measure: record %u is not what round %u wrote\n", index,
                    steady->written[index]);
            return -EIO;
        }
    }
    return done(steady, "read", since, count == RECORD ? 0 : count < 0 ? count : -EIO);
}

static void steady_path(const struct steady *steady, const char *kind, uint32_t round,
                        char *out_path)
{
    snprintf(out_path, PATH_SIZE, "%s/%s%07u", steady->directory, kind, round);
}

static int make_file(struct steady *steady)
{
    char made[PATH_SIZE], named[PATH_SIZE];
    struct way *way = steady->way;
    struct way_file *file;
    steady_path(steady, "made", steady->round, made);
    steady_path(steady, "named", steady->round, named);
    double since = clock_seconds();
    int status = done(steady, "create", since, way->ops->open(way, made, WAY_CREATE, 0644, &file));
    if (status) {
        return status;
    }
    int count = way->ops->write(way, file, 0, &steady->round, sizeof steady->round);
    int closed = way->ops->close_file(way, file);
    status = done(steady, "write of a new file", since,
                  count == sizeof steady->round ? closed
                  : count < 0                   ? count
                                                : -EIO);
    if (status) {
        return status;
    }
    since = clock_seconds();
    return done(steady, "rename", since, way->ops->rename(way, made, named));
}

/* The file that has been there longest: still as it was made? Then it goes. */
static int remove_file(struct steady *steady, uint32_t round)
{
    char named[PATH_SIZE];
    struct way *way = steady->way;
    struct way_file *file;
    uint32_t contents = 0;
    steady_path(steady, "named", round, named);
    double since = clock_seconds();
    int status = done(steady, "open", since, way->ops->open(way, named, WAY_READ, 0, &file));
    if (status) {
        return status;
    }
    int count = way->ops->read(way, file, 0, &contents, sizeof contents);
    int closed = way->ops->close_file(way, file);
    if (count == sizeof contents && contents != round) {
        fprintf(stderr, "measure: %s holds %u\n", named, contents);
        return -EIO;
    }
    status = done(steady, "read of a small file", since,
                  count == sizeof contents ? closed
                  : count < 0              ? count
                                           : -EIO);
    if (status) {
        return status;
    }
    since = clock_seconds();
    return done(steady, "unlink", since, way->ops->unlink(way, named));
}

static int steady_round(struct steady *steady)
{
    int status = write_record(steady);
    status = status ? status : check_record(steady, steady->round * 7919 % RECORDS);
    status = status ? status : make_file(steady);
    if (!status && steady->round > KEPT) {
        status = remove_file(steady, steady->round - KEPT);
    }
    return status;
}

/* At the end everything acknowledged is there, and nothing else. */
static int steady_verify(struct steady *steady)
{
    int status = 0;
    for (uint32_t index = 0; !status && index < RECORDS; index++) {
        status = check_record(steady, index);
    }
    uint32_t first = steady->round > KEPT ? steady->round - KEPT + 1 : 1;
    for (uint32_t round = first; !status && round <= steady->round; round++) {
        status = remove_file(steady, round);
    }
    return status;
}

int measure_steady(const struct options *options, char **arguments)
{
    struct steady *steady = calloc(1, sizeof *steady);
    char path[PATH_SIZE];
    if (!steady || !(steady->way = way_open(options->target))) {
        return 1;
    }
    struct way *way = steady->way;
    steady->directory = arguments[0];
    steady->longest_what = "nothing";
    steady->start = clock_seconds();
    snprintf(path, sizeof path, "%s/data", steady->directory);
    int status = done(steady, "mkdir", steady->start, way->ops->make_directory(way, arguments[0]));
    if (!status) {
        status = way->ops->open(way, path, WAY_REPLACE, 0644, &steady->file);
    }
    if (!status) { /* the ways open for writing only; records are read back too */
        status = way->ops->close_file(way, steady->file);
        status = status ? status : way->ops->open(way, path, WAY_UPDATE, 0, &steady->file);
    }
    while (!status && clock_seconds() < steady->start + options->seconds) {
        steady->round++;
        status = steady_round(steady);
        usleep(PAUSE_US); /* a steady client, not one that takes the whole machine */
    }
    status = status ? status : steady_verify(steady);
    if (!status) {
        status = done(steady, "close", clock_seconds(), way->ops->close_file(way, steady->file));
    }
    status = status ? status : way->ops->unlink(way, path);
    status = status ? status : way->ops->remove_directory(way, arguments[0]);
    printf("phase=steady ops=%u secs=%.2f longest_s=%.3f longest=%s at_s=%.2f errors=%d\n",
           steady->round, clock_seconds() - steady->start, steady->longest, steady->longest_what,
           steady->longest_at, status != 0);
    way->ops->close(way);
    free(steady);
    return status != 0;
}
