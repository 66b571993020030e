/*
 * What each kind of worker of a load does, one operation after the other, with a short pause.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/failover/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { APPENDS_PER_OVERWRITE = 2, TORN_READS_MAX = 100 };

/* ---- blocks -------------------------------------------------------------------------------- */

void block_fill(char *block, size_t size, const struct side *side, enum load_operation operation,
                uint32_t number)
{
    uint64_t first = number;
    uint64_t seed = (uint64_t)(unsigned char)side->name[1] << 40 | (uint64_t)operation << 36;
    way_fill(block, size, seed + number);
    memcpy(block, &first, sizeof first);
}

int64_t block_number(const char *block, size_t size, const struct side *side,
                     enum load_operation operation)
{
    char want[SLOT_SIZE];
    uint64_t first;
    memcpy(&first, block, sizeof first);
    if (first > UINT32_MAX) {
        return -1;
    }
    block_fill(want, size, side, operation, (uint32_t)first);
    return memcmp(block, want, size) ? -1 : (int64_t)first;
}

unsigned slot_of(uint32_t number)
{
    return (unsigned)(((uint64_t)number * 7919) % SLOTS);
}

/* ---- one operation ------------------------------------------------------------------------- */

static void begin(struct worker *worker)
{
    worker->begun = now_ns();
}

/* Note the answer. Returns status, negative errors as they are. */
static int answered(struct worker *worker, enum load_operation operation, uint32_t number,
                    int status)
{
    struct load *load = worker->load;
    uint64_t now = now_ns();
    pthread_mutex_lock(&worker->mutex);
    if (now - worker->completed > worker->longest) {
        worker->longest = now - worker->completed;
        worker->longest_begun = worker->completed;
    }
    worker->completed = now;
    pthread_mutex_unlock(&worker->mutex);
    atomic_fetch_add(&load->operations, 1);
    if (worker->record_count == worker->record_room) {
        size_t room = worker->record_room ? worker->record_room * 2 : 4096;
        struct record *records = realloc(worker->records, room * sizeof *records);
        if (!records) {
            abort(); /* without its memory it can judge nothing */
        }
        worker->records = records;
        worker->record_room = room;
    }
    worker->records[worker->record_count++] = (struct record){
        .number = number,
        .begun = (uint32_t)((worker->begun - load->start) / 10000),
        .took = (uint32_t)((now - worker->begun) / 10000) & 0x7ffffff,
        .operation = operation & 15U,
        .failed = status < 0,
    };
    return status;
}

/* The same, where every error is wrong; doubled: the errno with which one that was done once
 * already is answered, or 0. */
static int required(struct worker *worker, enum load_operation operation, uint32_t number,
                    int status, int doubled)
{
    (void)answered(worker, operation, number, status); /* is status */
    if (status < 0) {
        load_wrong(worker->load, doubled && status == -doubled ? WRONG_DOUBLED : WRONG_ERROR,
                   "%s: %s %u after %.0f ms: %s", worker->side->name,
                   load_operation_names[operation], number,
                   (double)(now_ns() - worker->begun) / 1e6,
                   worker->way->ops->error(worker->way, status));
    }
    return status;
}

static int whole(int count, size_t size)
{
    return count < 0 ? count : (size_t)count == size ? 0 : -EIO;
}

static void path_of(char *out_path, const struct side *side, const char *name)
{
    (void)snprintf(out_path, PATH_SIZE, "%s/%s/%s", side->directory, side->name, name);
}

static void name_of(char *out_path, const struct side *side, char letter, uint32_t number)
{
    char name[32];
    (void)snprintf(name, sizeof name, "names/%c%u", letter, number);
    path_of(out_path, side, name);
}

static struct way_file *must_open(struct worker *worker, const struct side *side, const char *name,
                                  enum way_open_how how)
{
    char path[PATH_SIZE];
    struct way_file *file = NULL;
    path_of(path, side, name);
    int status = worker->way->ops->open(worker->way, path, how, 0644, &file);
    if (status) {
        fprintf(stderr, "load: cannot open %s: %s\n", path,
                worker->way->ops->error(worker->way, status));
        exit(2);
    }
    return file;
}

/* ---- before -------------------------------------------------------------------------------- */

static int make_file(struct side *side, struct way *way, const char *name, unsigned slots)
{
    char path[PATH_SIZE], block[SLOT_SIZE];
    struct way_file *file;
    path_of(path, side, name);
    int status = way->ops->open(way, path, WAY_CREATE, 0644, &file);
    if (status) {
        return status;
    }
    block_fill(block, sizeof block, side, OPERATION_OVERWRITE, 0);
    for (unsigned slot = 0; !status && slot < slots; slot++) {
        status = whole(way->ops->write(way, file, (uint64_t)slot * SLOT_SIZE, block, sizeof block),
                       sizeof block);
    }
    status = status ? status : way->ops->sync(way, file);
    int closed = way->ops->close_file(way, file);
    return status ? status : closed;
}

int side_prepare(struct side *side, struct way *way)
{
    char path[PATH_SIZE];
    path_of(path, side, "");
    path[strlen(path) - 1] = '\0';
    int status = way->ops->make_directory(way, path);
    path_of(path, side, "names");
    status = status ? status : way->ops->make_directory(way, path);
    status = status ? status : make_file(side, way, "append", 0);
    status = status ? status : make_file(side, way, "slots", SLOTS);
    return status ? status : make_file(side, way, "synced", 0);
}

/* ---- writer -------------------------------------------------------------------------------- */

struct writer {
    struct way_file *append, *slots;
};

static void append(struct worker *worker, struct writer *writer, uint32_t number)
{
    char block[BLOCK_SIZE];
    block_fill(block, sizeof block, worker->side, OPERATION_APPEND, number);
    begin(worker);
    int count = worker->way->ops->write(worker->way, writer->append,
                                        (uint64_t)(number - 1) * BLOCK_SIZE, block, BLOCK_SIZE);
    (void)required(worker, OPERATION_APPEND, number, whole(count, BLOCK_SIZE), 0); /* counted */
}

static void overwrite(struct worker *worker, struct writer *writer, uint32_t number)
{
    char block[SLOT_SIZE];
    struct side *side = worker->side;
    unsigned slot = slot_of(number);
    block_fill(block, sizeof block, side, OPERATION_OVERWRITE, number);
    atomic_store(&side->slot_begun[slot], number);
    begin(worker);
    int count = worker->way->ops->write(worker->way, writer->slots, (uint64_t)slot * SLOT_SIZE,
                                        block, SLOT_SIZE);
    if (required(worker, OPERATION_OVERWRITE, number, whole(count, SLOT_SIZE), 0) == 0) {
        atomic_store(&side->slot_acknowledged[slot], number);
    }
}

static void write_round(struct worker *worker, struct writer *writer, uint32_t round)
{
    if (round % (APPENDS_PER_OVERWRITE + 1)) {
        append(worker, writer, round - round / (APPENDS_PER_OVERWRITE + 1));
    } else {
        overwrite(worker, writer, round / (APPENDS_PER_OVERWRITE + 1));
    }
}

/* ---- fsyncer ------------------------------------------------------------------------------- */

static void sync_round(struct worker *worker, struct way_file *file, uint32_t round)
{
    char block[BLOCK_SIZE];
    block_fill(block, sizeof block, worker->side, OPERATION_SYNC, round);
    begin(worker);
    int status =
        whole(worker->way->ops->write(worker->way, file, (uint64_t)(round - 1) * BLOCK_SIZE, block,
                                      BLOCK_SIZE),
              BLOCK_SIZE);
    status = status ? status : worker->way->ops->sync(worker->way, file);
    (void)required(worker, OPERATION_SYNC, round, status, 0); /* counted */
}

/* ---- creator ------------------------------------------------------------------------------- */

static int create(struct worker *worker, const char *path, uint32_t number)
{
    char block[BLOCK_SIZE];
    struct way *way = worker->way;
    struct way_file *file;
    block_fill(block, sizeof block, worker->side, OPERATION_CREATE, number);
    int status = way->ops->open(way, path, WAY_CREATE, 0644, &file);
    if (status) {
        return status;
    }
    status = whole(way->ops->write(way, file, 0, block, sizeof block), sizeof block);
    int closed = way->ops->close_file(way, file);
    return status ? status : closed;
}

static void make_names(struct worker *worker, uint32_t number)
{
    char created[PATH_SIZE], renamed[PATH_SIZE], directory[PATH_SIZE];
    struct side *side = worker->side;
    struct way *way = worker->way;
    name_of(created, side, 'c', number);
    name_of(renamed, side, 'r', number);
    name_of(directory, side, 'd', number);
    begin(worker);
    (void)required(worker, OPERATION_CREATE, number, create(worker, created, number), EEXIST);
    begin(worker);
    if (required(worker, OPERATION_RENAME, number, way->ops->rename(way, created, renamed),
                 ENOENT) == 0) {
        atomic_store(&side->renamed, number);
    }
    begin(worker);
    (void)required(worker, OPERATION_MKDIR, number, way->ops->make_directory(way, directory),
                   EEXIST);
}

/* They are looked at first: what is not there was lost, what goes while it is removed went twice.
 */
static void remove_names(struct worker *worker, uint32_t number)
{
    char renamed[PATH_SIZE], directory[PATH_SIZE];
    struct side *side = worker->side;
    struct way *way = worker->way;
    struct way_attr attr;
    name_of(renamed, side, 'r', number);
    name_of(directory, side, 'd', number);
    if (way->ops->stat(way, renamed, &attr) == -ENOENT) {
        load_wrong(worker->load, WRONG_LOST, "%s: r%u, before it was removed", side->name, number);
    }
    begin(worker);
    if (required(worker, OPERATION_UNLINK, number, way->ops->unlink(way, renamed), ENOENT) == 0) {
        atomic_store(&side->unlinked, number);
    }
    if (way->ops->stat(way, directory, &attr) == -ENOENT) {
        load_wrong(worker->load, WRONG_LOST, "%s: d%u, before it was removed", side->name, number);
    }
    begin(worker);
    (void)required(worker, OPERATION_RMDIR, number, way->ops->remove_directory(way, directory),
                   ENOENT);
}

static void make_round(struct worker *worker, uint32_t round)
{
    make_names(worker, round);
    if (round > KEPT) {
        remove_names(worker, round - KEPT);
    }
}

/* ---- reader -------------------------------------------------------------------------------- */

static uint32_t random_below(struct worker *worker, uint32_t bound)
{
    worker->state = worker->state * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(worker->state >> 33) % bound;
}

/* A slot shows nothing older than what was acknowledged before, nor newer than what has begun. */
static void read_slot(struct worker *worker, struct side *side, struct way_file *file)
{
    char block[SLOT_SIZE];
    unsigned slot = random_below(worker, SLOTS);
    for (unsigned try = 0; try < TORN_READS_MAX; try++) {
        uint32_t oldest = atomic_load(&side->slot_acknowledged[slot]);
        begin(worker);
        int count =
            worker->way->ops->read(worker->way, file, (uint64_t)slot * SLOT_SIZE, block, SLOT_SIZE);
        if (required(worker, OPERATION_READ, slot, whole(count, SLOT_SIZE), 0)) {
            return;
        }
        uint32_t newest = atomic_load(&side->slot_begun[slot]);
        int64_t number = block_number(block, SLOT_SIZE, side, OPERATION_OVERWRITE);
        if (number >= oldest && number <= newest &&
            (number == 0 || slot_of((uint32_t)number) == slot)) {
            return;
        }
        if (number >= 0 || oldest == newest) {
            load_wrong(worker->load, WRONG_STALE,
                       "%s read slot %u of %s: block %lld; %u was acknowledged, %u begun",
                       worker->side->name, slot, side->name, (long long)number, oldest, newest);
            return;
        } /* read while it was written: parts of two blocks */
    }
}

static void look_up_new(struct worker *worker, struct side *side)
{
    char path[PATH_SIZE];
    struct way_attr attr;
    uint32_t renamed = atomic_load(&side->renamed);
    uint32_t back = random_below(worker, KEPT / 4);
    if (renamed <= back) {
        return;
    }
    name_of(path, side, 'r', renamed - back);
    begin(worker);
    int status = worker->way->ops->stat(worker->way, path, &attr);
    bool was_removed = atomic_load(&side->renamed) + 2 > renamed - back + KEPT;
    if (answered(worker, OPERATION_STAT, renamed - back, status) && !was_removed) {
        load_wrong(worker->load, status == -ENOENT ? WRONG_STALE : WRONG_ERROR,
                   "%s: stat of %s, renamed to it %u names ago: %s", worker->side->name, path, back,
                   worker->way->ops->error(worker->way, status));
    }
}

static void look_up_removed(struct worker *worker, struct side *side)
{
    char path[PATH_SIZE];
    struct way_attr attr;
    uint32_t unlinked = atomic_load(&side->unlinked);
    if (!unlinked) {
        return;
    }
    name_of(path, side, 'r', unlinked);
    begin(worker);
    int status = worker->way->ops->stat(worker->way, path, &attr);
    if (answered(worker, OPERATION_STAT, unlinked,
                 status == -ENOENT ? 0
                 : status          ? status
                                   : -EIO)) {
        load_wrong(worker->load, status ? WRONG_ERROR : WRONG_STALE,
                   "%s: stat of %s, which was removed: %s", worker->side->name, path,
                   status ? worker->way->ops->error(worker->way, status) : "it is there");
    }
}

static void read_round(struct worker *worker, struct way_file **files, uint32_t round)
{
    struct load *load = worker->load;
    unsigned index = round % load->side_count;
    struct side *side = &load->sides[index];
    switch (round / load->side_count % 4) {
    case 0:
        look_up_new(worker, side);
        break;
    case 1:
        look_up_removed(worker, side);
        break;
    default:
        read_slot(worker, side, files[index]);
    }
}

/* ---- the thread ---------------------------------------------------------------------------- */

void *worker_run(void *context)
{
    struct worker *worker = context;
    struct load *load = worker->load;
    struct writer writer = {NULL, NULL};
    struct way_file *files[SIDES_MAX] = {NULL, NULL};
    if (worker->kind == KIND_WRITE) {
        writer.append = files[0] = must_open(worker, worker->side, "append", WAY_APPEND);
        writer.slots = files[1] = must_open(worker, worker->side, "slots", WAY_UPDATE);
    } else if (worker->kind == KIND_SYNC) {
        files[0] = must_open(worker, worker->side, "synced", WAY_UPDATE);
    } else if (worker->kind == KIND_READ) {
        for (unsigned index = 0; index < load->side_count; index++) {
            files[index] = must_open(worker, &load->sides[index], "slots", WAY_READ);
        }
    }
    for (uint32_t round = 1;
         !atomic_load(&load->is_ending) && (!load->rounds || round <= load->rounds); round++) {
        switch (worker->kind) {
        case KIND_WRITE:
            write_round(worker, &writer, round);
            break;
        case KIND_READ:
            read_round(worker, files, round);
            break;
        case KIND_MAKE:
            make_round(worker, round);
            break;
        default:
            sync_round(worker, files[0], round);
        }
        usleep(load->pause_us); /* a steady load, not one that takes the whole machine */
    }
    for (unsigned index = 0; index < SIDES_MAX; index++) {
        int status = files[index] ? worker->way->ops->close_file(worker->way, files[index]) : 0;
        if (status < 0) {
            load_wrong(load, WRONG_ERROR, "%s: close: %s", worker->side->name,
                       worker->way->ops->error(worker->way, status));
        }
    }
    return NULL;
}
