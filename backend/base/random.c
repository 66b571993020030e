/*
 * Random numbers. The sequence is xoshiro256** of Blackman and Vigna, its state filled by
 * splitmix64, as its authors advise, because a seed of few bits would start it badly.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/random.h"
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>
#include "backend/base/check.h"

void random_bytes(void *out_bytes, size_t size)
{
    uint8_t *at = out_bytes;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        INVARIANT(got > 0 || errno == EINTR); /* every kernel that runs us has the call */
        if (got > 0) {
            at += got;
            size -= (size_t)got;
        }
    }
}

uint64_t random_id(void)
{
    uint64_t id;
    do {
        random_bytes(&id, sizeof id);
    } while (id == 0);
    return id;
}

void random_sequence_init(struct random_sequence *sequence, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t mixed = seed;
        mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
        sequence->state[i] = mixed ^ (mixed >> 31);
    }
}

static uint64_t rotate_left(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

uint64_t random_sequence_next(struct random_sequence *sequence)
{
    uint64_t *state = sequence->state;
    uint64_t result = rotate_left(state[1] * 5, 7) * 9;
    uint64_t shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotate_left(state[3], 45);
    return result;
}

uint64_t random_sequence_below(struct random_sequence *sequence, uint64_t bound)
{
    PRE(bound > 0);
    return random_sequence_next(sequence) % bound;
}

void random_sequence_bytes(struct random_sequence *sequence, void *out_bytes, size_t size)
{
    uint8_t *at = out_bytes;
    while (size > 0) {
        uint64_t number = random_sequence_next(sequence);
        size_t part = size < sizeof number ? size : sizeof number;
        memcpy(at, &number, part);
        at += part;
        size -= part;
    }
}
