/*
 * Was a history linearizable? The operations on one object, each with when it was called and when
 * its answer came, are put into an order that respects both and explains every answer (Wing and
 * Gong 1993, with Lowe's memory of what was tried). An operation without an answer may have
 * happened at any time after its call, or never.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_SIM_HISTORY_H
#define TRIVET_TESTS_SIM_HISTORY_H

#include <stdint.h>

/* A register has one value, a counter grows, a directory has SIM_NAMES names. */
enum sim_op_kind {
    SIM_WRITE,  /* register: value */
    SIM_READ,   /* register: result is its value */
    SIM_APPEND, /* counter: grows by value; result is what it was before */
    SIM_SIZE,   /* counter: result */
    SIM_CREATE, /* directory: name stands for value; -EEXIST */
    SIM_REMOVE, /* name; -ENOENT */
    SIM_RENAME, /* name becomes name2; -ENOENT */
    SIM_LOOKUP, /* name; result; -ENOENT */
    SIM_OPS
};

#define SIM_NAMES 3
#define SIM_HISTORY_MAX 256
#define SIM_NEVER UINT64_MAX

struct sim_operation {
    enum sim_op_kind kind;
    unsigned name, name2;
    int64_t value;
    int status;
    int64_t result;
    uint64_t called;
    uint64_t returned; /* SIM_NEVER: no answer; status and result mean nothing */
};

enum sim_verdict { SIM_LINEAR, SIM_NOT_LINEAR, SIM_TOO_HARD };

/* All operations of one object, at most SIM_HISTORY_MAX, in any order (it sorts them). At first
 * everything is 0: no name stands for anything. */
enum sim_verdict sim_history_check(struct sim_operation *operations, unsigned count);

#endif
