/*
 * A fuzzer of file operations against a model in memory:
 *
 *     files [-s SEED] [-n OPERATIONS] [--require-all] TARGET...
 *
 * One process works on each target, a directory or an NFS export of the same volume; a directory
 * that is named twice has two processes. All read what any wrote, in the next instruction.
 * What a mount refuses is found out at the start, said, and left out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/stress/files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct choice {
    operation *run;
    unsigned weight;
} choices[] = {
    {write_operation, 16},      {append_operation, 5},   {read_operation, 12},
    {truncate_operation, 7},    {sync_operation, 2},     {reopen_operation, 4},
    {rename_operation, 4},      {unlink_operation, 2},   {map_write_operation, 8},
    {map_read_operation, 6},    {send_operation, 4},     {direct_write_operation, 5},
    {direct_read_operation, 4}, {allocate_operation, 4}, {punch_operation, 6},
    {zero_operation, 4},        {copy_operation, 5},     {seek_operation, 5},
    {position_operation, 4},
};

static operation *choose(struct random *random)
{
    unsigned total = 0;
    for (unsigned i = 0; i < sizeof choices / sizeof *choices; i++) {
        total += choices[i].weight;
    }
    unsigned left = random_below(random, total);
    for (unsigned i = 0;; i++) {
        if (left < choices[i].weight) {
            return choices[i].run;
        }
        left -= choices[i].weight;
    }
}

/* Whether a file that is unlinked must still be there for this process, which has it open. */
static bool is_spared(const struct file *file)
{
    unsigned by = file->unlinked_by;
    return self.features & CAN_KEEP && !self.side.is_nfs &&
           (scene->all_spare || strcmp(scene->targets[by], scene->targets[self.member]) == 0);
}

static bool is_usable(struct file *file)
{
    bool is_open = file->generation && self.generations[file_number(file)] == file->generation;
    return file->is_linked || (is_open && is_spared(file));
}

static void step(struct file *file, struct random *random, struct bounds bounds)
{
    self.subject = file_number(file);
    if (!is_usable(file) || (!file->is_linked && random_chance(random, 15))) {
        (void)create_operation(file, random, bounds);
        return;
    }
    double began = seconds_now();
    (void)file_handle(file);
    for (unsigned tries = 0; tries < 100; tries++) {
        if (choose(random)(file, random, bounds)) {
            break;
        }
    }
    note_if_slow(began);
    if (is_usable(file)) {
        file_expect_size(file, random_chance(random, 20) && file->is_linked);
    }
}

/* ---- the play ---------------------------------------------------------------------------- */

static void files_begin(unsigned member, const char *target)
{
    self.member = member;
    side_open(&self.side, target);
    (void)snprintf(scene->targets[member], TARGET_SIZE, "%s", target);
    scene->is_nfs[member] = self.side.is_nfs;
    self.features = scene->features[member] = features_probe(&self.side, member);
    for (unsigned number = 0; number < SHARED_FILES && member == 0; number++) {
        struct file *file = &scene->files[number];
        (void)create_operation(file, &(struct random){0}, (struct bounds){0});
        file->is_shared = true;
        expect(side_file_truncate(&self.side, file_handle(file), MEMBERS_MAX * REGION_SIZE), 0,
               "truncate");
        file_resized(file, MEMBERS_MAX * REGION_SIZE);
    }
}

static bool files_begun(unsigned members, bool require_all)
{
    bool has_all = true;
    scene->members = members;
    scene->all_spare = true;
    for (unsigned member = 0; member < members; member++) {
        scene->all_spare = scene->all_spare && scene->features[member] & CAN_SPARE;
        if (scene->features[member] != CAN_ALL) {
            features_print(scene->features[member], scene->targets[member]);
            has_all = has_all && (scene->features[member] | CAN_SPARE) == CAN_ALL;
        }
    }
    return has_all || !require_all;
}

static void files_alone(unsigned member, struct random *random, unsigned operations)
{
    unsigned own = (FILES - SHARED_FILES - member + scene->members - 1) / scene->members;
    for (unsigned i = 0; i < operations; i++) {
        if (random_chance(random, 30)) {
            struct bounds region = {member * REGION_SIZE, (member + 1) * REGION_SIZE, true};
            step(&scene->files[random_below(random, SHARED_FILES)], random, region);
        } else {
            unsigned number = SHARED_FILES + member + scene->members * random_below(random, own);
            step(&scene->files[number], random, (struct bounds){0, FILE_SIZE_MAX, false});
        }
    }
}

static void files_turn(unsigned member, unsigned subject, struct random *random)
{
    (void)member;
    struct file *file = &scene->files[subject];
    uint32_t end = file->is_shared ? file->size : FILE_SIZE_MAX;
    step(file, random, (struct bounds){0, end, file->is_shared});
}

static void files_look(unsigned member, unsigned subject, struct random *random, bool all)
{
    (void)member;
    struct file *file = &scene->files[subject];
    self.subject = subject;
    if (!file->generation) {
        return;
    }
    note("look at file %u %s, size %u", subject, file->name, file->size);
    if (!file->is_linked) {
        struct stat found;
        expect(side_stat(&self.side, file->name, &found), -ENOENT, "stat of an unlinked file");
        if (!is_usable(file)) {
            file_close(file);
            return;
        }
    }
    bool by_name_first = file->is_linked && random_chance(random, 50);
    if (by_name_first) {
        file_expect_size(file, true);
    }
    uint32_t from = file->changed_at < 100 ? 0 : file->changed_at - 100;
    uint32_t most = FILE_SIZE_MAX - from, count = file->changed_count + 200;
    file_read(file, all ? (struct range){0, FILE_SIZE_MAX}
                        : (struct range){from, count < most ? count : most});
    file_expect_size(file, file->is_linked);
    if (random_chance(random, 10)) {
        struct bounds everywhere = {0, file->size, true};
        (void)map_read_operation(file, random, everywhere);
    }
}

static void files_end(unsigned member)
{
    for (unsigned number = 0; number < FILES; number++) {
        struct file *file = &scene->files[number];
        file_close(file);
        if (file->is_linked && member + 1 == scene->members) {
            expect(side_unlink(&self.side, file->name), 0, "unlink at the end");
        }
    }
    side_close(&self.side);
}

int main(int argc, char **argv)
{
    static const struct play play = {
        .name = "files",
        .subjects = FILES,
        .begin = files_begin,
        .begun = files_begun,
        .alone = files_alone,
        .turn = files_turn,
        .look = files_look,
        .end = files_end,
    };
    scene = shared_memory(sizeof *scene);
    return play_run(&play, argc, argv);
}
