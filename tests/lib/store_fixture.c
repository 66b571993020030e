/*
 * See store_fixture.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/lib/store_fixture.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "backend/base/check.h"

void temporary_directory(char out_path[64])
{
    const char *base = getenv("TMPDIR");
    if (!base || strlen(base) > 40) {
        base = "/tmp";
    }
    (void)snprintf(out_path, 64, "%s/trivet-XXXXXX", base); /* fits: 40 + 15 */
    INVARIANT(mkdtemp(out_path) != NULL);
}

static int remove_one(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
    (void)status;
    (void)flag;
    (void)walk;
    return remove(path);
}

void remove_tree(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); /* a test's leftovers at worst */
}

struct store_identity test_identity(uint32_t brick)
{
    return (struct store_identity){
        .volume = {{1, 2, 3}}, .volume_name = "gv0", .brick = brick, .disk_id = 1000 + brick};
}

static void must(int result, const char *what, const char *text)
{
    if (result) {
        fprintf(stderr, "%s: %d %s\n", what, result, text);
    }
    INVARIANT(result == 0);
}

void store_fixture_open(struct store_fixture *fixture, uint32_t directories, uint32_t memories)
{
    char error[512] = "";
    *fixture = (struct store_fixture){.count = directories + memories,
                                      .now_ns = UINT64_C(1700000000) * NS_PER_S,
                                      .bytes_free = UINT64_C(1) << 40,
                                      .index = OPERATION_INDEX_FIRST - 1};
    for (uint32_t i = 0; i < fixture->count; i++) {
        struct store_identity identity = test_identity(i);
        if (i >= directories) {
            must(memory_store_open(&identity, clock_real(), &fixture->stores[i]), "memory", "");
            continue;
        }
        temporary_directory(fixture->paths[i]);
        must(posix_store_format(fixture->paths[i], &identity, false, error, sizeof error), "format",
             error);
        must(posix_store_open(fixture->paths[i], clock_real(), &fixture->stores[i], error,
                              sizeof error),
             "open", error);
    }
}

void store_fixture_close(struct store_fixture *fixture)
{
    for (uint32_t i = 0; i < fixture->count; i++) {
        store_close(fixture->stores[i]);
        if (fixture->paths[i][0]) {
            remove_tree(fixture->paths[i]);
        }
    }
}

int store_fixture_reopen(struct store_fixture *fixture, uint32_t i)
{
    char error[512] = "";
    store_close(fixture->stores[i]);
    fixture->stores[i] = NULL;
    int result =
        posix_store_open(fixture->paths[i], clock_real(), &fixture->stores[i], error, sizeof error);
    if (result) {
        fprintf(stderr, "reopen: %d %s\n", result, error);
    }
    return result;
}

static uint64_t cpu_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

int fixture_sequence(struct store_fixture *fixture, const struct mutation *wish,
                     struct operation *out_operation)
{
    fixture->now_ns += 1000;
    const struct decision decision = {.index = fixture->index + 1,
                                      .view = 1,
                                      .now_ns = fixture->now_ns,
                                      .bytes_free = fixture->bytes_free};
    int result = store_decide(fixture->stores[0], wish, &decision, out_operation);
    if (result || out_operation->kind == OPERATION_NONE) {
        return result ? result : -EAGAIN;
    }
    uint8_t bytes[OPERATION_SIZE_MAX];
    size_t size;
    must(operation_encode(out_operation, bytes, sizeof bytes, &size), "encode", "");
    must(store_sequence(fixture->stores[0], out_operation, slice_of(bytes, size)), "sequence", "");
    fixture->index++;
    return 0;
}

int fixture_mutate(struct store_fixture *fixture, struct mutation *mutation, struct slice bulk,
                   struct operation *out_operation)
{
    fixture->now_ns += 1000;
    const struct decision decision = {.index = fixture->index + 1,
                                      .view = 1,
                                      .now_ns = fixture->now_ns,
                                      .bytes_free = fixture->bytes_free};
    uint64_t before = cpu_ns();
    int result = store_decide(fixture->stores[0], mutation, &decision, out_operation);
    fixture->index_ns += cpu_ns() - before;
    if (result || out_operation->kind == OPERATION_NONE) {
        return result;
    }
    uint8_t bytes[OPERATION_SIZE_MAX];
    size_t size;
    must(operation_encode(out_operation, bytes, sizeof bytes, &size), "encode", "");
    struct operation decoded;
    must(operation_decode(slice_of(bytes, size), &decoded), "decode", "");
    for (uint32_t i = 0; i < fixture->count; i++) {
        struct store *store = fixture->stores[i];
        before = cpu_ns();
        must(store_sequence(store, &decoded, slice_of(bytes, size)), "sequence", "");
        fixture->index_ns += cpu_ns() - before;
        must(store_apply(store, &decoded, bulk), "apply", "");
        must(store_commit(store, decoded.index), "commit", "");
    }
    fixture->index++;
    return 0;
}

struct mutation wish_make(struct gfid parent, const char *name, uint32_t type, uint32_t mode)
{
    return (struct mutation){.kind = MUTATION_MAKE,
                             .parent = parent,
                             .name = slice_text(name),
                             .type = type,
                             .how = CREATE_GUARDED,
                             .target = slice_text(type == OBJECT_SYMLINK ? "target" : ""),
                             .change = {.mask = ATTR_MODE, .mode = mode}};
}

struct mutation wish_write(struct gfid object, uint64_t offset, uint32_t count)
{
    return (struct mutation){
        .kind = MUTATION_WRITE, .object = object, .offset = offset, .count = count};
}

struct mutation wish_setattr(struct gfid object, struct attr_change change)
{
    return (struct mutation){.kind = MUTATION_SETATTR, .object = object, .change = change};
}

struct mutation wish_link(struct gfid object, struct gfid parent, const char *name)
{
    return (struct mutation){
        .kind = MUTATION_LINK, .object = object, .parent = parent, .name = slice_text(name)};
}

struct mutation wish_remove(struct gfid parent, const char *name, bool directory)
{
    return (struct mutation){.kind = directory ? MUTATION_RMDIR : MUTATION_REMOVE,
                             .parent = parent,
                             .name = slice_text(name)};
}

struct mutation wish_rename(struct gfid parent, const char *name, struct gfid parent2,
                            const char *name2)
{
    return (struct mutation){.kind = MUTATION_RENAME,
                             .parent = parent,
                             .name = slice_text(name),
                             .parent2 = parent2,
                             .name2 = slice_text(name2)};
}

struct mutation wish_allocate(struct gfid object, uint32_t flags, uint64_t offset, uint64_t length)
{
    return (struct mutation){.kind = MUTATION_ALLOCATE,
                             .object = object,
                             .space_flags = flags,
                             .offset = offset,
                             .length = length};
}

struct mutation wish_unnamed(struct gfid parent, uint32_t mode)
{
    struct mutation wish = wish_make(parent, "", OBJECT_FILE, mode);
    wish.how = CREATE_UNCHECKED;
    wish.unnamed = true;
    return wish;
}

struct mutation wish_forget(struct gfid object)
{
    return (struct mutation){.kind = MUTATION_FORGET, .object = object};
}

struct mutation wish_kept(uint64_t client, struct mutation wish)
{
    wish.id = (struct op_id){.kind = OP_ID_SESSION, .client = client, .sequence = 1};
    wish.keep = true;
    return wish;
}

struct gfid fixture_make(struct store_fixture *fixture, struct gfid parent, const char *name,
                         uint32_t type)
{
    struct mutation wish = wish_make(parent, name, type, 0755);
    struct operation operation;
    must(fixture_mutate(fixture, &wish, slice_of(NULL, 0), &operation), "make", name);
    return operation.object.gfid;
}

void fixture_write(struct store_fixture *fixture, struct gfid object, uint64_t offset,
                   const char *text)
{
    struct mutation wish = wish_write(object, offset, (uint32_t)strlen(text));
    struct operation operation;
    must(fixture_mutate(fixture, &wish, slice_text(text), &operation), "write", text);
}
