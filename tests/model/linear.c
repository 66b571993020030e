/*
 * What a client may believe: the sequential histories that explain every answer so far.
 *
 * A history is a sequence of distinct operations. A state of belief is a history and, for a read in
 * progress, its value if it has taken place. A set of beliefs is a word with one bit for each.
 * Included into the checker by replication.pml.
 * SPDX-License-Identifier: Apache-2.0
 */

#define HISTORIES 5 /* of two operations: (), 1, 2, 1 2, 2 1; more do not fit in a word */
#define READS 5     /* none yet, or a value of 0 to 3 */
#define EMPTY_HISTORY 1

static const int histories[HISTORIES][2] = {{0, 0}, {1, 0}, {2, 0}, {1, 2}, {2, 1}};

static int linear_bit(int history, int read)
{
    return 1 << (history * READS + read);
}

/* Runs an operation on the values of two names; its result.
 * One register: swaps its number for what is there. Two names: 1 renames name 0 to name 1 and says
 * what it moved, 2 makes name 0 and says what was there. */
static int linear_run(int two_names, int operation, int values[2])
{
    int before = values[0];
    if (!two_names || operation == 2) {
        values[0] = operation;
    } else {
        values[1] = before;
        values[0] = 0;
    }
    return before;
}

/* Runs the first operations of a history up to the given one (0: all); its result. */
static int linear_play(int two_names, const int *operations, int count, int until, int values[2])
{
    int result = -1;
    values[0] = two_names ? 3 : 0;
    values[1] = 0;
    for (int i = 0; i < count && operations[i]; i++) {
        int one = linear_run(two_names, operations[i], values);
        result = operations[i] == until ? one : result;
    }
    return result;
}

static int linear_value_of(int two_names, int log, int length, int name)
{
    int operations[3] = {log & 3, log >> 2 & 3, log >> 4 & 3};
    int values[2];
    linear_play(two_names, operations, length, 0, values);
    return values[name];
}

static int linear_result_of(int two_names, int log, int length, int operation)
{
    int operations[3] = {log & 3, log >> 2 & 3, log >> 4 & 3};
    int values[2];
    return linear_play(two_names, operations, length, operation, values);
}

static int linear_has(int history, int operation)
{
    return histories[history][0] == operation || histories[history][1] == operation;
}

static int linear_extended(int history, int operation)
{
    if (history == 0) {
        return operation;
    }
    return history == 1 && operation == 2 ? 3 : 4;
}

/* Adds what may take place now: pending operations (a set), and a read of a name (-1: none). */
static int linear_closed(int beliefs, int two_names, int pending, int name)
{
    for (int before = 0; before != beliefs;) {
        before = beliefs;
        for (int i = 0; i < HISTORIES * READS; i++) {
            int history = i / READS, values[2];
            if (!(beliefs >> i & 1)) {
                continue;
            }
            for (int operation = 1; operation <= 2; operation++) {
                if ((pending >> operation & 1) && !linear_has(history, operation)) {
                    beliefs |= linear_bit(linear_extended(history, operation), i % READS);
                }
            }
            linear_play(two_names, histories[history], 2, 0, values);
            if (name >= 0 && i % READS == 0) {
                beliefs |= linear_bit(history, 1 + values[name]);
            }
        }
    }
    return beliefs;
}

/* Keeps the beliefs in which an operation took place with a result (-1: did not take place). */
static int linear_replied(int beliefs, int two_names, int operation, int result)
{
    int kept = 0, values[2];
    for (int i = 0; i < HISTORIES * READS; i++) {
        if (linear_play(two_names, histories[i / READS], 2, operation, values) == result) {
            kept |= beliefs & 1 << i;
        }
    }
    return kept;
}

/* Keeps the beliefs in which the read took place with a value (-1: any, or not at all), and ends
 * it. */
static int linear_read_done(int beliefs, int value)
{
    int kept = 0;
    for (int i = 0; i < HISTORIES * READS; i++) {
        if ((beliefs >> i & 1) && (value < 0 || i % READS == 1 + value)) {
            kept |= linear_bit(i / READS, 0);
        }
    }
    return kept;
}

static int option(const char *name, int otherwise)
{
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}
