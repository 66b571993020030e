/*
 * The end of a load: everything that was acknowledged must be there, once, and nothing else, seen
 * from every side. What was answered with an error may be there or not.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/failover/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One side's files, seen by one way. */
struct check {
    struct load *load;
    const struct side *side, *seen_by;
    struct way *way;
};

/* "append 17 of nfs, acknowledged at 3.210 s after 12 ms", for whoever looks into a log. */
static const char *told(const struct side *side, enum load_operation operation, uint32_t number,
                        char out_text[static 160])
{
    int length =
        snprintf(out_text, 160, "%s %u of %s", load_operation_names[operation], number, side->name);
    for (unsigned kind = 0; kind < KINDS; kind++) {
        const struct worker *worker = &side->workers[kind];
        for (size_t index = 0; index < worker->record_count; index++) {
            const struct record *record = &worker->records[index];
            if (record->operation == operation && record->number == number) {
                (void)snprintf(out_text + length, 160 - (size_t)length,
                               ", answered at %.3f s after %.1f ms%s",
                               (double)(record->begun + record->took) / 1e5,
                               (double)record->took / 1e2, record->failed ? " (an error)" : "");
                return out_text;
            }
        }
    }
    return out_text;
}

/* ---- all operations of one kind ------------------------------------------------------------ */

enum { NOT_ASKED, ACKNOWLEDGED, FAILED };

/* What became of numbers 1 to out_last: NOT_ASKED, ACKNOWLEDGED, FAILED. The caller frees it. */
static unsigned char *answers(const struct side *side, enum load_kind kind,
                              enum load_operation operation, uint32_t *out_last)
{
    const struct worker *worker = &side->workers[kind];
    uint32_t last = 0;
    for (size_t index = 0; index < worker->record_count; index++) {
        const struct record *record = &worker->records[index];
        if (record->operation == operation && record->number > last) {
            last = record->number;
        }
    }
    unsigned char *list = calloc((size_t)last + 1, 1);
    if (!list) {
        abort(); /* without memory it can judge nothing */
    }
    for (size_t index = 0; index < worker->record_count; index++) {
        const struct record *record = &worker->records[index];
        if (record->operation == operation) {
            list[record->number] = record->failed ? FAILED : ACKNOWLEDGED;
        }
    }
    *out_last = last;
    return list;
}

static struct way_file *open_checked(struct check *check, const char *name)
{
    char path[PATH_SIZE];
    struct way_file *file = NULL;
    (void)snprintf(path, sizeof path, "%s/%s/%s", check->side->directory, check->side->name, name);
    int status = check->way->ops->open(check->way, path, WAY_READ, 0, &file);
    if (status) {
        load_wrong(check->load, status == -ENOENT ? WRONG_LOST : WRONG_ERROR, "%s, seen by %s: %s",
                   path, check->seen_by->name, check->way->ops->error(check->way, status));
    }
    return file;
}

/* A whole block, or as much as there is; an error is counted and is as an end. */
static size_t read_block(struct check *check, struct way_file *file, uint64_t offset, char *block,
                         size_t size)
{
    size_t done = 0;
    while (done < size) {
        int count = check->way->ops->read(check->way, file, offset + done, block + done,
                                          (uint32_t)(size - done));
        if (count < 0) {
            load_wrong(check->load, WRONG_ERROR, "read of %s, seen by %s: %s", check->side->name,
                       check->seen_by->name, check->way->ops->error(check->way, count));
        }
        if (count <= 0) {
            break;
        }
        done += (size_t)count;
    }
    return done;
}

/* ---- files of numbered blocks -------------------------------------------------------------- */

/* Every number that was acknowledged once, in their order. */
static void check_blocks(struct check *check, const char *name, enum load_kind kind,
                         enum load_operation operation)
{
    char block[BLOCK_SIZE], text[160];
    uint32_t last;
    unsigned char *answered = answers(check->side, kind, operation, &last);
    struct way_file *file = open_checked(check, name);
    uint32_t number = 0; /* the last one seen */
    size_t size = BLOCK_SIZE;
    for (uint64_t offset = 0; file && size == BLOCK_SIZE; offset += BLOCK_SIZE) {
        size = read_block(check, file, offset, block, BLOCK_SIZE);
        int64_t have = size == BLOCK_SIZE ? block_number(block, BLOCK_SIZE, check->side, operation)
                                          : (int64_t)last + 1;
        bool is_hole = have < 0 && number < last && answered[number + 1] == FAILED;
        if (have < 0 && !is_hole) {
            load_wrong(check->load, WRONG_LOST, "%s of %s, seen by %s: no block at %llu: %s", name,
                       check->side->name, check->seen_by->name, (unsigned long long)offset,
                       told(check->side, operation, number + 1, text));
        }
        if (have < 0) { /* it stands where the next one should */
            number += number < last;
            continue;
        }
        if (have > (int64_t)last + 1 || have <= number) {
            load_wrong(check->load, WRONG_DOUBLED,
                       "%s, seen by %s: once more at %llu, after %u: %s", name,
                       check->seen_by->name, (unsigned long long)offset, number,
                       told(check->side, operation, (uint32_t)have, text));
            continue;
        }
        while (++number < have) {
            if (answered[number] == ACKNOWLEDGED) {
                load_wrong(check->load, WRONG_LOST, "%s, seen by %s: %s", name,
                           check->seen_by->name, told(check->side, operation, number, text));
            }
        }
    }
    if (file && size != 0 && size != BLOCK_SIZE) {
        load_wrong(check->load, WRONG_LOST, "%s of %s, seen by %s: ends within a block", name,
                   check->side->name, check->seen_by->name);
    }
    if (file) {
        (void)check->way->ops->close_file(check->way, file); /* only read */
    }
    free(answered);
}

/* Each slot has its last block; after an error, that or the one that was being written. */
static void check_slots(struct check *check)
{
    char block[SLOT_SIZE], text[160];
    uint32_t last, want[SLOTS] = {0};
    unsigned char *answered = answers(check->side, KIND_WRITE, OPERATION_OVERWRITE, &last);
    for (uint32_t number = 1; number <= last; number++) {
        want[slot_of(number)] = answered[number] == ACKNOWLEDGED ? number : want[slot_of(number)];
    }
    struct way_file *file = open_checked(check, "slots");
    for (unsigned slot = 0; file && slot < SLOTS; slot++) {
        size_t size = read_block(check, file, (uint64_t)slot * SLOT_SIZE, block, SLOT_SIZE);
        int64_t have = size == SLOT_SIZE
                           ? block_number(block, SLOT_SIZE, check->side, OPERATION_OVERWRITE)
                           : -1;
        bool may_be = have > (int64_t)want[slot] && have <= (int64_t)last &&
                      slot_of((uint32_t)have) == slot && answered[have] == FAILED;
        if (have != (int64_t)want[slot] && !may_be) {
            load_wrong(check->load, WRONG_LOST, "slot %u, seen by %s: has %lld, not %s", slot,
                       check->seen_by->name, (long long)have,
                       told(check->side, OPERATION_OVERWRITE, want[slot], text));
        }
    }
    if (file) {
        (void)check->way->ops->close_file(check->way, file); /* only read */
    }
    free(answered);
}

/* ---- names --------------------------------------------------------------------------------- */

enum { NAME_CREATED, NAME_RENAMED, NAME_DIRECTORY, NAMES };
enum { NAME_ABSENT, NAME_PRESENT, NAME_UNKNOWN };

/* What names there should be, from the record of a creator; seen: those that are. */
struct names {
    struct check *check;
    uint32_t last;
    unsigned char *want[NAMES];
    unsigned char *seen[NAMES];
};

static void name_put(struct names *names, unsigned name, const struct record *record, bool is_there)
{
    names->want[name][record->number] = record->failed ? NAME_UNKNOWN
                                        : is_there     ? NAME_PRESENT
                                                       : NAME_ABSENT;
}

static void names_replay(struct names *names, const struct worker *creator)
{
    for (size_t index = 0; index < creator->record_count; index++) {
        const struct record *record = &creator->records[index];
        switch (record->operation) {
        case OPERATION_CREATE:
            name_put(names, NAME_CREATED, record, true);
            break;
        case OPERATION_RENAME:
            name_put(names, NAME_CREATED, record, false);
            name_put(names, NAME_RENAMED, record, true);
            break;
        case OPERATION_MKDIR:
            name_put(names, NAME_DIRECTORY, record, true);
            break;
        case OPERATION_UNLINK:
            name_put(names, NAME_RENAMED, record, false);
            break;
        case OPERATION_RMDIR:
            name_put(names, NAME_DIRECTORY, record, false);
            break;
        default:
            break;
        }
    }
}

static int names_see(void *context, const char *name, const struct way_attr *attr)
{
    static const char letters[] = "crd";
    struct names *names = context;
    (void)attr;
    const char *letter = strchr(letters, name[0]);
    char *end = NULL;
    unsigned long number = letter && *letter ? strtoul(name + 1, &end, 10) : 0;
    if (!end || *end || number == 0 || number > names->last) {
        load_wrong(names->check->load, WRONG_DOUBLED, "%s has %s, which nobody made",
                   names->check->side->name, name);
        return 0;
    }
    unsigned char *seen = &names->seen[letter - letters][number];
    if ((*seen)++) {
        load_wrong(names->check->load, WRONG_DOUBLED, "%s, listed by %s: %s twice",
                   names->check->side->name, names->check->seen_by->name, name);
    }
    return 0;
}

/* The file that was created as cN holds block N. */
static void check_contents(struct names *names, uint32_t number)
{
    char name[32], block[BLOCK_SIZE];
    (void)snprintf(name, sizeof name, "names/r%u", number);
    struct way_file *file = open_checked(names->check, name);
    if (!file) {
        return;
    }
    size_t size = read_block(names->check, file, 0, block, BLOCK_SIZE);
    if (size != BLOCK_SIZE ||
        block_number(block, BLOCK_SIZE, names->check->side, OPERATION_CREATE) != number) {
        load_wrong(names->check->load, WRONG_LOST, "the contents of %s of %s, seen by %s", name,
                   names->check->side->name, names->check->seen_by->name);
    }
    (void)names->check->way->ops->close_file(names->check->way, file); /* only read */
}

static void compare_name(struct names *names, unsigned name, uint32_t number)
{
    static const enum load_operation made_by[NAMES] = {OPERATION_CREATE, OPERATION_RENAME,
                                                       OPERATION_MKDIR};
    static const enum load_operation removed_by[NAMES] = {OPERATION_RENAME, OPERATION_UNLINK,
                                                          OPERATION_RMDIR};
    char text[160];
    unsigned want = names->want[name][number];
    bool is_there = names->seen[name][number];
    if (want == NAME_PRESENT && !is_there) {
        load_wrong(names->check->load, WRONG_LOST, "not listed by %s: %s",
                   names->check->seen_by->name,
                   told(names->check->side, made_by[name], number, text));
    } else if (want == NAME_ABSENT && is_there) {
        load_wrong(names->check->load, name == NAME_CREATED ? WRONG_DOUBLED : WRONG_LOST,
                   "listed by %s although it should be gone: %s", names->check->seen_by->name,
                   told(names->check->side, removed_by[name], number, text));
    } else if (want == NAME_PRESENT && name == NAME_RENAMED) {
        check_contents(names, number);
    }
}

static void check_names(struct check *check)
{
    struct names names = {.check = check};
    char path[PATH_SIZE];
    const struct worker *creator = &check->side->workers[KIND_MAKE];
    for (size_t index = 0; index < creator->record_count; index++) {
        uint32_t number = creator->records[index].number;
        names.last = number > names.last ? number : names.last;
    }
    for (unsigned name = 0; name < NAMES; name++) {
        names.want[name] = calloc((size_t)names.last + 1, 1);
        names.seen[name] = calloc((size_t)names.last + 1, 1);
        if (!names.want[name] || !names.seen[name]) {
            abort(); /* without memory it can judge nothing */
        }
    }
    names_replay(&names, creator);
    (void)snprintf(path, sizeof path, "%s/%s/names", check->side->directory, check->side->name);
    int status = check->way->ops->list(check->way, path, names_see, &names);
    if (status) {
        load_wrong(check->load, WRONG_ERROR, "listing of %s by %s: %s", path, check->seen_by->name,
                   check->way->ops->error(check->way, status));
    }
    for (uint32_t number = 1; !status && number <= names.last; number++) {
        for (unsigned name = 0; name < NAMES; name++) {
            compare_name(&names, name, number);
        }
    }
    for (unsigned name = 0; name < NAMES; name++) {
        free(names.want[name]);
        free(names.seen[name]);
    }
}

void load_check(struct load *load)
{
    for (unsigned side = 0; side < load->side_count; side++) {
        for (unsigned eye = 0; eye < load->side_count; eye++) {
            struct check check = {
                .load = load,
                .side = &load->sides[side],
                .seen_by = &load->sides[eye],
                .way = load->sides[eye].workers[KIND_READ].way,
            };
            check_blocks(&check, "append", KIND_WRITE, OPERATION_APPEND);
            check_blocks(&check, "synced", KIND_SYNC, OPERATION_SYNC);
            check_slots(&check);
            check_names(&check);
        }
    }
}
