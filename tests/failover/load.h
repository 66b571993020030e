/*
 * A steady load on one or more ways to the same files, which remembers all that was acknowledged:
 * what load.c, load_work.c and load_check.c share.
 *
 * Below the directory of a load each way ("side") has one of its own:
 *
 *     append        blocks 1, 2, 3 … in the order in which they were acknowledged
 *     slots         SLOTS blocks, overwritten again and again
 *     synced        blocks 1, 2, 3 …, each followed by fsync
 *     names/rN dN   a file that was created as cN and renamed, a directory; the last KEPT of each
 *
 * Every block begins with its number, so that one that is missing, twice there or old is
 * recognized.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_FAILOVER_LOAD_H
#define TRIVET_TESTS_FAILOVER_LOAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bench/way.h"

enum {
    SIDES_MAX = 2,
    SLOTS = 64,
    SLOT_SIZE = 4096,
    BLOCK_SIZE = 512,
    KEPT = 128,
    PATH_SIZE = 4096
};

/* Kinds of workers; each side has one of each. */
enum load_kind { KIND_WRITE, KIND_READ, KIND_MAKE, KIND_SYNC, KINDS };

enum load_operation {
    OPERATION_APPEND,
    OPERATION_OVERWRITE,
    OPERATION_SYNC, /* of block number and of all before it */
    OPERATION_CREATE,
    OPERATION_RENAME,
    OPERATION_MKDIR,
    OPERATION_UNLINK,
    OPERATION_RMDIR,
    OPERATION_READ,
    OPERATION_STAT,
    OPERATIONS
};

extern const char *const load_kind_names[KINDS];
extern const char *const load_operation_names[OPERATIONS];

/* What is wrong. An error is an answer that the operation cannot have; lost: acknowledged, and not
 * there; doubled: done once more; stale: a read showed what was over before it began, or never
 * written. */
enum load_wrong { WRONG_ERROR, WRONG_LOST, WRONG_DOUBLED, WRONG_STALE, WRONGS };

/* One operation that was answered. Times in units of 10 µs since the start. */
struct record {
    uint32_t number;
    uint32_t begun;
    uint32_t took : 27;
    uint32_t operation : 4;
    uint32_t failed : 1; /* then it may or may not have been done */
};

struct worker {
    struct load *load;
    struct side *side;
    enum load_kind kind;
    struct way *way;
    pthread_t thread;
    uint64_t state; /* of the worker's own random sequence */
    struct record *records;
    size_t record_count, record_room;
    uint64_t begun;        /* the operation at hand */
    pthread_mutex_t mutex; /* below: read by mark */
    uint64_t completed, longest, longest_begun;
};

/* One way in. Atomics are written by its writer and its creator, read by all readers. */
struct side {
    const char *name, *target, *directory;
    struct worker workers[KINDS];
    _Atomic uint32_t slot_begun[SLOTS], slot_acknowledged[SLOTS];
    _Atomic uint32_t renamed, unlinked;
};

struct load {
    struct side sides[SIDES_MAX];
    unsigned side_count;
    const char *directory;
    uint64_t start, marked;
    unsigned pause_us;
    uint32_t rounds; /* that each worker does; 0: until it is told to end */
    atomic_bool is_ending;
    _Atomic uint32_t wrong[WRONGS];
    _Atomic uint64_t operations;
};

uint64_t now_ns(void);

/* Count something wrong, and say what; only the first of many are printed. */
__attribute__((format(printf, 3, 4))) void load_wrong(struct load *load, enum load_wrong wrong,
                                                      const char *format, ...);

/* ---- load_work.c */

void block_fill(char *block, size_t size, const struct side *side, enum load_operation operation,
                uint32_t number);
/* The number of a block that is whole, or -1. */
int64_t block_number(const char *block, size_t size, const struct side *side,
                     enum load_operation operation);
/* Overwrites go round: number's slot. */
unsigned slot_of(uint32_t number);
/* Makes the directory of a side with its files. */
int side_prepare(struct side *side, struct way *way);
void *worker_run(void *context);

/* ---- load_check.c */

/* Compare everything on every side with what was acknowledged; counts what is wrong. */
void load_check(struct load *load);

/* ---- way_fault.c: a way that does the named operation wrong once, to test the checker with */

/* Owns: way, also if it fails. NULL: there is no such fault. */
struct way *way_fault_open(struct way *way, const char *fault_name);
/* NULL: no fault of that number. */
const char *way_fault_name(unsigned number);
/* Whose way it is about; false: there is no such fault. */
bool way_fault_kind(const char *fault_name, enum load_kind *out_kind);

#endif
