/*
 * Random numbers, shared memory and notes of the fuzzers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/stress/fuzz.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { NOTES = 150, NOTE_SIZE = 400, TEXT_SIZE = 8000, SLOW_SECONDS = 1 };

struct notes {
    atomic_uint next, slow;
    char lines[NOTES][NOTE_SIZE];
};

static struct notes *notes;
static unsigned self;
static const char *last_note = "";

struct random random_of(uint64_t seed, uint64_t stream)
{
    struct random random = {(seed + 1) * 0x9e3779b97f4a7c15U ^ (stream + 1) * 0xc2b2ae3d27d4eb4fU};
    (void)random_below(&random, 2);
    return random;
}

uint32_t random_below(struct random *random, uint32_t limit)
{
    uint64_t mixed = random->state += 0x9e3779b97f4a7c15U;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
    return limit ? (uint32_t)((mixed ^ (mixed >> 31)) % limit) : 0;
}

uint32_t random_skewed(struct random *random, uint32_t limit)
{
    unsigned bits = 0;
    while (bits < 31 && (limit >> bits) > 1) {
        bits++;
    }
    uint32_t below = (uint32_t)2 << random_below(random, bits + 1);
    return random_below(random, below < limit ? below : limit);
}

bool random_chance(struct random *random, unsigned percent)
{
    return random_below(random, 100) < percent;
}

void *shared_memory(size_t size)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
    return memory;
}

void note_begin(unsigned member)
{
    if (!notes) {
        notes = shared_memory(sizeof *notes);
    }
    self = member;
}

/* Long runs of a letter in short, and what is not printable as a number. */
static void text_squeeze(const char *from, char *to, size_t size)
{
    size_t used = 0;
    while (*from && used + 24 < size) {
        size_t run = strspn(from, (const char[]){*from, '\0'});
        if (run > 8) {
            used += (size_t)snprintf(to + used, size - used, "%c{%zu}", *from, run);
            from += run;
        } else if (*from >= ' ' && *from <= '~') {
            to[used++] = *from++;
        } else {
            used += (size_t)snprintf(to + used, size - used, "\\%02x", (unsigned char)*from++);
        }
    }
    to[used] = '\0';
}

void note(const char *format, ...)
{
    char *line = notes->lines[atomic_fetch_add(&notes->next, 1) % NOTES];
    last_note = line;
    int used = snprintf(line, NOTE_SIZE, "process %u: ", self);
    char text[TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    text_squeeze(text, line + used, NOTE_SIZE - (size_t)used);
}

void notes_print(void)
{
    unsigned next = atomic_load(&notes->next);
    printf("the last operations:\n");
    for (unsigned i = next > NOTES ? next - NOTES : 0; i < next; i++) {
        printf("  %u %s\n", i + 1, notes->lines[i % NOTES]);
    }
}

unsigned notes_slow(void)
{
    return atomic_load(&notes->slow);
}

double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void note_if_slow(double began)
{
    double took = seconds_now() - began;
    if (took > SLOW_SECONDS) {
        printf("slow, %.1f s: %s\n", took, last_note);
        atomic_fetch_add(&notes->slow, 1);
    }
}

void mismatch(const char *format, ...)
{
    char text[TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    note("%s", text);
    printf("MISMATCH in %s\n", last_note);
    (void)fflush(stdout);
    _Exit(3);
}
