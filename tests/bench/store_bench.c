/*
 * What an operation costs one brick: CPU time and wall time of each step of a mutation, and of the
 * answers from the index, on a brick in a directory given as argument (made and removed again).
 *
 *     store_bench DIRECTORY [COUNT]
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "backend/base/check.h"
#include "backend/proto/dirent.h"
#include "backend/proto/operation.h"
#include "backend/store/store.h"

enum step { STEP_DECIDE, STEP_ENCODE, STEP_SEQUENCE, STEP_APPLY, STEP_COUNT };

struct bench {
    struct store *store;
    uint64_t index;
    uint32_t count;
    uint64_t steps[STEP_COUNT];
    uint64_t cpu;
    uint64_t wall;
    struct gfid *files;
};

static uint64_t now_ns(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void start(struct bench *bench)
{
    memset(bench->steps, 0, sizeof bench->steps);
    bench->cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    bench->wall = now_ns(CLOCK_MONOTONIC);
}

static double us(uint64_t ns, uint64_t count)
{
    return (double)ns / 1000.0 / (double)count;
}

static void report(const struct bench *bench, const char *what, uint64_t count)
{
    uint64_t cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID) - bench->cpu;
    uint64_t wall = now_ns(CLOCK_MONOTONIC) - bench->wall;
    printf("%-22s %8.2f cpu µs %8.2f wall µs", what, us(cpu, count), us(wall, count));
    if (bench->steps[STEP_DECIDE]) {
        printf("   decide %.2f encode %.2f sequence %.2f apply %.2f",
               us(bench->steps[STEP_DECIDE], count), us(bench->steps[STEP_ENCODE], count),
               us(bench->steps[STEP_SEQUENCE], count), us(bench->steps[STEP_APPLY], count));
    }
    printf("\n");
    fflush(stdout);
}

static struct gfid mutate(struct bench *bench, const struct mutation *mutation, struct slice bulk)
{
    uint64_t at[STEP_COUNT + 1];
    uint8_t bytes[OPERATION_SIZE_MAX];
    size_t size;
    struct operation operation;
    at[0] = now_ns(CLOCK_MONOTONIC);
    const struct decision decision = {
        .index = bench->index + 1, .view = 1, .now_ns = at[0], .bytes_free = UINT64_C(1) << 40};
    INVARIANT(store_decide(bench->store, mutation, &decision, &operation) == 0);
    at[1] = now_ns(CLOCK_MONOTONIC);
    INVARIANT(operation_encode(&operation, bytes, sizeof bytes, &size) == 0);
    at[2] = now_ns(CLOCK_MONOTONIC);
    INVARIANT(store_sequence(bench->store, &operation, slice_of(bytes, size)) == 0);
    at[3] = now_ns(CLOCK_MONOTONIC);
    INVARIANT(store_apply(bench->store, &operation, bulk) == 0);
    INVARIANT(store_commit(bench->store, operation.index) == 0);
    at[4] = now_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < STEP_COUNT; i++) {
        bench->steps[i] += at[i + 1] - at[i];
    }
    bench->index++;
    return operation.object.gfid;
}

static struct slice name_of(const char *prefix, uint32_t i, char name[32])
{
    return slice_of(name, (size_t)snprintf(name, 32, "%s%07u", prefix, i));
}

static void bench_create(struct bench *bench, struct gfid parent)
{
    start(bench);
    for (uint32_t i = 0; i < bench->count; i++) {
        char name[32];
        const struct mutation wish = {.kind = MUTATION_MAKE,
                                      .parent = parent,
                                      .name = name_of("file", i, name),
                                      .type = OBJECT_FILE,
                                      .how = CREATE_GUARDED,
                                      .change = {.mask = ATTR_MODE, .mode = 0644}};
        bench->files[i] = mutate(bench, &wish, slice_of(NULL, 0));
    }
    report(bench, "create", bench->count);
}

static void write_at(struct bench *bench, struct gfid file, uint64_t offset)
{
    static uint8_t bytes[4096];
    const struct mutation wish = {
        .kind = MUTATION_WRITE, .object = file, .offset = offset, .count = sizeof bytes};
    (void)mutate(bench, &wish, slice_of(bytes, sizeof bytes));
}

static void bench_write(struct bench *bench)
{
    start(bench);
    for (uint32_t i = 0; i < bench->count; i++) {
        write_at(bench, bench->files[0], (uint64_t)i * 4096);
    }
    report(bench, "write 4K, appending", bench->count);
    start(bench);
    for (uint32_t i = 0; i < bench->count; i++) {
        write_at(bench, bench->files[0], (uint64_t)(i * 7919 % bench->count) * 4096);
    }
    report(bench, "write 4K, overwriting", bench->count);
    start(bench);
    for (uint32_t i = 0; i < bench->count; i++) {
        write_at(bench, bench->files[i], 0);
    }
    report(bench, "write 4K, new files", bench->count);
}

static void bench_read(struct bench *bench, struct gfid parent)
{
    static uint8_t buffer[65536];
    struct attr attr;
    struct attr directory;
    char name[32];
    uint32_t got;
    start(bench);
    for (uint32_t i = 0; i < bench->count; i++) {
        struct gfid gfid = bench->files[i * 7919 % bench->count];
        INVARIANT(store_getattr(bench->store, &gfid, &attr) == 0);
    }
    report(bench, "getattr", bench->count);
    start(bench);
    for (uint32_t i = 0; i < bench->count; i++) {
        struct slice text = name_of("file", i * 7919 % bench->count, name);
        INVARIANT(store_lookup(bench->store, &parent, text, &attr, &directory) == 0);
    }
    report(bench, "lookup", bench->count);
    start(bench);
    for (uint32_t i = 0; i < bench->count; i++) {
        INVARIANT(store_read(bench->store, &bench->files[0], (uint64_t)i * 4096, 4096, true, buffer,
                             &got) == 0);
    }
    report(bench, "read 4K, in memory", bench->count);
    uint64_t cookie = 0;
    uint64_t entries = 0;
    bool eof = false;
    start(bench);
    while (!eof) {
        size_t used;
        INVARIANT(store_readdir(bench->store, &parent, cookie, true, buffer, sizeof buffer, &used,
                                &eof) == 0);
        struct slice rest = slice_of(buffer, used);
        struct dirent_entry entry;
        while (dirent_next(&rest, &entry) == 0) {
            cookie = entry.cookie;
            entries++;
        }
    }
    report(bench, "readdirplus entry", entries);
}

static void bench_names(struct bench *bench, struct gfid parent)
{
    char name[32];
    char name2[32];
    start(bench);
    for (uint32_t i = 0; i < bench->count; i++) {
        const struct mutation wish = {.kind = MUTATION_RENAME,
                                      .parent = parent,
                                      .name = name_of("file", i, name),
                                      .parent2 = parent,
                                      .name2 = name_of("renamed", i, name2)};
        (void)mutate(bench, &wish, slice_of(NULL, 0));
    }
    report(bench, "rename", bench->count);
    start(bench);
    for (uint32_t i = 0; i < bench->count; i++) {
        const struct mutation wish = {
            .kind = MUTATION_REMOVE, .parent = parent, .name = name_of("renamed", i, name)};
        (void)mutate(bench, &wish, slice_of(NULL, 0));
    }
    report(bench, "remove", bench->count);
}

static void checkpoint(struct bench *bench)
{
    start(bench);
    for (uint32_t i = 0; i < bench->count / 8192 + 1; i++) {
        INVARIANT(store_checkpoint(bench->store) == 0);
    }
    report(bench, "checkpoint, per object", bench->count);
}

/* The same calls without a store, to compare with. */
static void bench_bare(struct bench *bench, const char *path)
{
    char name[32];
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    start(bench);
    for (uint32_t i = 0; i < bench->count; i++) {
        (void)name_of("file", i, name);
        (void)close(openat(fd, name, O_RDWR | O_CREAT | O_EXCL, 0644));
    }
    report(bench, "bare: create, close", bench->count);
    start(bench);
    for (uint32_t i = 0; i < bench->count; i++) {
        (void)name_of("file", i, name);
        (void)unlinkat(fd, name, 0);
    }
    report(bench, "bare: unlink", bench->count);
    (void)close(fd);
}

int main(int argc, char **argv)
{
    char error[512];
    char path[256];
    char command[300];
    struct store_identity identity = {.volume_name = "bench", .disk_id = 1};
    struct bench bench = {.index = OPERATION_INDEX_FIRST - 1,
                          .count = argc > 2 ? (uint32_t)atoi(argv[2]) : 20000};
    if (argc < 2) {
        fprintf(stderr, "usage: %s DIRECTORY [COUNT]\n", argv[0]);
        return 2;
    }
    (void)snprintf(path, sizeof path, "%s/store-bench-XXXXXX", argv[1]);
    if (!mkdtemp(path)) {
        perror(path);
        return 1;
    }
    bench.files = calloc(bench.count, sizeof *bench.files);
    INVARIANT(bench.files);
    bench_bare(&bench, path);
    if (posix_store_format(path, &identity, false, error, sizeof error) ||
        posix_store_open(path, clock_real(), &bench.store, error, sizeof error)) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    const struct mutation wish = {.kind = MUTATION_MAKE,
                                  .parent = GFID_ROOT,
                                  .name = slice_text("directory"),
                                  .type = OBJECT_DIRECTORY};
    struct gfid directory = mutate(&bench, &wish, slice_of(NULL, 0));
    bench_create(&bench, directory);
    checkpoint(&bench);
    bench_write(&bench);
    bench_read(&bench, directory);
    bench_names(&bench, directory);
    store_close(bench.store);
    free(bench.files);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", path);
    return system(command) != 0;
}
