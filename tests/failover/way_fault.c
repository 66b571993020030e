/*
 * A way that does one thing wrong, once, as a store would that loses or repeats what it
 * acknowledged: what the checker of a load is tested with.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/failover/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The call of that kind with which it begins: late enough that there is something around it, and a
 * drop so late that the same place is not written once more in 400 rounds. */
enum { FAULT_AT = 100, LATE_AT = 50 };

enum fault_call {
    CALL_WRITE,
    CALL_READ,
    CALL_CREATE,
    CALL_RENAME,
    CALL_MKDIR,
    CALL_UNLINK,
    CALL_RMDIR
};
/* As it should be; answered and not done; done twice, with the second answer; done again when the
 * same place was written or renamed; with other bytes; not done, and answered so. */
enum fault_how { HOW_RIGHT, HOW_DROP, HOW_DOUBLE, HOW_LATE, HOW_OTHER, HOW_ERROR };

static const struct fault {
    const char *name;
    enum load_kind kind;
    enum fault_call call;
    const char *file; /* of this name only; NULL: any */
    enum fault_how how;
} faults[] = {
    {"drop-append", KIND_WRITE, CALL_WRITE, "append", HOW_DROP},
    {"double-append", KIND_WRITE, CALL_WRITE, "append", HOW_DOUBLE},
    {"other-append", KIND_WRITE, CALL_WRITE, "append", HOW_OTHER},
    {"drop-overwrite", KIND_WRITE, CALL_WRITE, "slots", HOW_DROP},
    {"late-overwrite", KIND_WRITE, CALL_WRITE, "slots", HOW_LATE},
    {"error-overwrite", KIND_WRITE, CALL_WRITE, "slots", HOW_ERROR},
    {"other-read", KIND_READ, CALL_READ, "slots", HOW_OTHER},
    {"drop-synced", KIND_SYNC, CALL_WRITE, "synced", HOW_DROP},
    {"double-create", KIND_MAKE, CALL_CREATE, NULL, HOW_DOUBLE},
    {"late-create", KIND_MAKE, CALL_CREATE, NULL, HOW_LATE},
    {"drop-rename", KIND_MAKE, CALL_RENAME, NULL, HOW_DROP},
    {"double-rename", KIND_MAKE, CALL_RENAME, NULL, HOW_DOUBLE},
    {"drop-mkdir", KIND_MAKE, CALL_MKDIR, NULL, HOW_DROP},
    {"double-mkdir", KIND_MAKE, CALL_MKDIR, NULL, HOW_DOUBLE},
    {"drop-unlink", KIND_MAKE, CALL_UNLINK, NULL, HOW_DROP},
    {"double-unlink", KIND_MAKE, CALL_UNLINK, NULL, HOW_DOUBLE},
    {"drop-rmdir", KIND_MAKE, CALL_RMDIR, NULL, HOW_DROP},
    {"double-rmdir", KIND_MAKE, CALL_RMDIR, NULL, HOW_DOUBLE},
};

enum { FAULTS = sizeof faults / sizeof *faults };

struct fault_way {
    struct way way;
    struct way *inner;
    const struct fault *fault;
    unsigned calls;
    bool is_held; /* HOW_LATE: this is done again */
    uint64_t held_offset;
    char held[SLOT_SIZE], held_path[PATH_SIZE];
};

struct way_file {
    struct way_file *inner; /* of the inner way's own kind */
    bool is_chosen;         /* the fault is about this file */
};

static struct fault_way *fault_of(struct way *way)
{
    return (struct fault_way *)way;
}

/* How this call is to go. */
static enum fault_how next(struct fault_way *fault, enum fault_call call)
{
    unsigned at = fault->fault->how == HOW_LATE ? LATE_AT : FAULT_AT;
    return fault->fault->call == call && ++fault->calls == at ? fault->fault->how : HOW_RIGHT;
}

static unsigned times(enum fault_how how)
{
    return how == HOW_DROP || how == HOW_ERROR ? 0 : how == HOW_DOUBLE ? 2 : 1;
}

static int answer_undone(enum fault_how how)
{
    return how == HOW_ERROR ? -EIO : 0;
}

/* ---- names --------------------------------------------------------------------------------- */

static int fault_make_directory(struct way *way, const char *path)
{
    struct way *inner = fault_of(way)->inner;
    enum fault_how how = next(fault_of(way), CALL_MKDIR);
    int status = answer_undone(how);
    for (unsigned left = times(how); left > 0; left--) {
        status = inner->ops->make_directory(inner, path);
    }
    return status;
}

static int fault_remove_directory(struct way *way, const char *path)
{
    struct way *inner = fault_of(way)->inner;
    enum fault_how how = next(fault_of(way), CALL_RMDIR);
    int status = answer_undone(how);
    for (unsigned left = times(how); left > 0; left--) {
        status = inner->ops->remove_directory(inner, path);
    }
    return status;
}

static int fault_unlink(struct way *way, const char *path)
{
    struct way *inner = fault_of(way)->inner;
    enum fault_how how = next(fault_of(way), CALL_UNLINK);
    int status = answer_undone(how);
    for (unsigned left = times(how); left > 0; left--) {
        status = inner->ops->unlink(inner, path);
    }
    return status;
}

/* A late create arrives when its file has another name already. */
static int create_again(struct fault_way *fault, const char *path)
{
    struct way_file *file;
    if (!fault->is_held || strcmp(path, fault->held_path)) {
        return 0;
    }
    fault->is_held = false;
    int status = fault->inner->ops->open(fault->inner, path, WAY_CREATE, 0644, &file);
    return status ? status : fault->inner->ops->close_file(fault->inner, file);
}

static int fault_rename(struct way *way, const char *from, const char *to)
{
    struct fault_way *fault = fault_of(way);
    enum fault_how how = next(fault, CALL_RENAME);
    int status = answer_undone(how);
    for (unsigned left = times(how); left > 0; left--) {
        status = fault->inner->ops->rename(fault->inner, from, to);
    }
    return status ? status : create_again(fault, from);
}

static int fault_stat(struct way *way, const char *path, struct way_attr *out_attr)
{
    struct way *inner = fault_of(way)->inner;
    return inner->ops->stat(inner, path, out_attr);
}

static int fault_list(struct way *way, const char *path, way_each *each, void *context)
{
    struct way *inner = fault_of(way)->inner;
    return inner->ops->list(inner, path, each, context);
}

/* ---- files --------------------------------------------------------------------------------- */

static int fault_open(struct way *way, const char *path, enum way_open_how how, uint32_t mode,
                      struct way_file **out_file)
{
    struct fault_way *fault = fault_of(way);
    const struct way_ops *ops = fault->inner->ops;
    enum fault_how wrong = how == WAY_CREATE ? next(fault, CALL_CREATE) : HOW_RIGHT;
    const char *name = strrchr(path, '/') + 1;
    struct way_file *file = malloc(sizeof *file);
    if (!file) {
        return -ENOMEM;
    }
    file->is_chosen = fault->fault->file && !strcmp(fault->fault->file, name);
    int status = ops->open(fault->inner, path, how, mode, &file->inner);
    if (!status && wrong == HOW_DOUBLE) {
        (void)ops->close_file(fault->inner, file->inner); /* nothing was written to it */
        status = ops->open(fault->inner, path, how, mode, &file->inner);
    }
    if (wrong == HOW_LATE) {
        fault->is_held = true;
        (void)snprintf(fault->held_path, sizeof fault->held_path, "%s", path);
    }
    if (status) {
        free(file);
        return status;
    }
    *out_file = file;
    return 0;
}

static int fault_read(struct way *way, struct way_file *file, uint64_t offset, void *data,
                      uint32_t count)
{
    struct fault_way *fault = fault_of(way);
    int done = fault->inner->ops->read(fault->inner, file->inner, offset, data, count);
    if (file->is_chosen && done > 100 && next(fault, CALL_READ) == HOW_OTHER) {
        ((char *)data)[100] ^= 1;
    }
    return done;
}

static int fault_write(struct way *way, struct way_file *file, uint64_t offset, const void *data,
                       uint32_t count)
{
    struct fault_way *fault = fault_of(way);
    enum fault_how how = file->is_chosen ? next(fault, CALL_WRITE) : HOW_RIGHT;
    char other[SLOT_SIZE];
    int status = how == HOW_ERROR ? -EIO : (int)count;
    memcpy(other, data, count);
    other[100] ^= how == HOW_OTHER;
    for (unsigned left = times(how); left > 0; left--) {
        status = fault->inner->ops->write(fault->inner, file->inner, offset, other, count);
    }
    if (fault->is_held && file->is_chosen && offset == fault->held_offset) {
        fault->is_held = false;
        status = fault->inner->ops->write(fault->inner, file->inner, offset, fault->held, count);
    }
    if (how == HOW_LATE) {
        fault->is_held = true;
        fault->held_offset = offset;
        memcpy(fault->held, data, count);
    }
    return status;
}

static int fault_sync(struct way *way, struct way_file *file)
{
    struct way *inner = fault_of(way)->inner;
    return inner->ops->sync(inner, file->inner);
}

static int fault_close_file(struct way *way, struct way_file *file)
{
    struct way *inner = fault_of(way)->inner;
    int status = inner->ops->close_file(inner, file->inner);
    free(file);
    return status;
}

/* ---- the way ------------------------------------------------------------------------------- */

static void fault_close(struct way *way)
{
    struct way *inner = fault_of(way)->inner;
    inner->ops->close(inner);
    free(way);
}

static const char *fault_error(struct way *way, int status)
{
    (void)way;
    return strerror(-status);
}

/* Only what a load calls. */
static const struct way_ops fault_ops = {
    .close = fault_close,
    .error = fault_error,
    .make_directory = fault_make_directory,
    .remove_directory = fault_remove_directory,
    .stat = fault_stat,
    .list = fault_list,
    .rename = fault_rename,
    .unlink = fault_unlink,
    .open = fault_open,
    .read = fault_read,
    .write = fault_write,
    .sync = fault_sync,
    .close_file = fault_close_file,
};

static const struct fault *fault_find(const char *name)
{
    for (unsigned number = 0; number < FAULTS; number++) {
        if (!strcmp(faults[number].name, name)) {
            return &faults[number];
        }
    }
    return NULL;
}

struct way *way_fault_open(struct way *way, const char *fault_name)
{
    const struct fault *fault = fault_find(fault_name);
    struct fault_way *made = fault ? calloc(1, sizeof *made) : NULL;
    if (!made) {
        way->ops->close(way);
        return NULL;
    }
    made->way.ops = &fault_ops;
    made->inner = way;
    made->fault = fault;
    return &made->way;
}

const char *way_fault_name(unsigned number)
{
    return number < FAULTS ? faults[number].name : NULL;
}

bool way_fault_kind(const char *fault_name, enum load_kind *out_kind)
{
    const struct fault *fault = fault_find(fault_name);
    if (!fault) {
        return false;
    }
    *out_kind = fault->kind;
    return true;
}
