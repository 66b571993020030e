/*
 * What the fuzzers share: random numbers by seed, notes of the last operations, and how a mismatch
 * ends a program.
 *
 * A fuzzer is a crew of processes, each with its own way into the volume, and a model of what must
 * be there in memory that all of them share. Between rounds where each works alone, on what it
 * owns, one acts and another looks, in the next instruction, at what has just been acknowledged.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_STRESS_FUZZ_H
#define TRIVET_TESTS_STRESS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MEMBERS_MAX = 8 };

struct random {
    uint64_t state;
};

struct random random_of(uint64_t seed, uint64_t stream);
/* Below limit; 0 if limit is 0. */
uint32_t random_below(struct random *random, uint32_t limit);
/* Below limit, small ones more often than large ones. */
uint32_t random_skewed(struct random *random, uint32_t limit);
bool random_chance(struct random *random, unsigned percent);

/* Memory that the processes made later share; ends with the last of them. */
void *shared_memory(size_t size);

/* Note what is about to be done, in a ring that all processes share. */
void note_begin(unsigned member);
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void notes_print(void);
double seconds_now(void);
/* How many were slow. */
unsigned notes_slow(void);
/* Say so if what was noted last, and began then, took longer than anyone should have to wait. */
void note_if_slow(double began);

/* Say what is wrong, and end this process; the others and the notes are the driver's business. */
void mismatch(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* What a fuzzer does. Every function runs in the process of the member that it names. */
struct play {
    const char *name;
    unsigned subjects; /* of turns: files, or trees */
    void (*begin)(unsigned member, const char *target);
    void (*alone)(unsigned member, struct random *random, unsigned operations);
    void (*turn)(unsigned member, unsigned subject, struct random *random);
    void (*look)(unsigned member, unsigned subject, struct random *random, bool all);
    void (*end)(unsigned member);
    /* In the driver, when all have begun: false ends the run as failed. */
    bool (*begun)(unsigned members, bool require_all);
};

/* The command line: NAME [-s SEED] [-n OPERATIONS] [--require-all] [--slow-most COUNT] TARGET…, one
 * process on each target, a directory or nfs://HOST/EXPORT. --slow-most: fail if more operations
 * than that took a second or more. Returns the exit status. */
int play_run(const struct play *play, int argc, char **argv);

#endif
