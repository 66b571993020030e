/*
 * Random numbers: the kernel's for ids and keys, and a seeded sequence for tests and simulations,
 * which must repeat.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_BASE_RANDOM_H
#define TRIVET_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Fill size bytes from the kernel's generator, good for keys. Threads: any. */
void random_bytes(void *out_bytes, size_t size);

/* A number from the kernel's generator that is not 0, as our ids use 0 for "none". Threads: any. */
uint64_t random_id(void);

/* A repeatable sequence (xoshiro256**). Threads: one at a time. */
struct random_sequence {
    uint64_t state[4];
};

void random_sequence_init(struct random_sequence *sequence, uint64_t seed);
uint64_t random_sequence_next(struct random_sequence *sequence);
/* Below bound, which is at least 1; close enough to uniform for tests. */
uint64_t random_sequence_below(struct random_sequence *sequence, uint64_t bound);
void random_sequence_bytes(struct random_sequence *sequence, void *out_bytes, size_t size);

#endif
