/*
 * A fuzzer of names against a model in memory:
 *
 *     names [-s SEED] [-n OPERATIONS] [--require-all] TARGET...
 *
 * One process works on each target, a directory or an NFS export of the same volume. Each makes,
 * links, renames and removes whatever has a name in a tree of its own; in turns also in the
 * others'. Every answer is foreseen, errors too, and what one changed another sees in the next
 * instruction.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/stress/names.h"

#include <stdio.h>
#include <string.h>

static bool probe_exchange(unsigned member)
{
    char from[32], to[32];
    (void)snprintf(from, sizeof from, "probe%u-1", member);
    (void)snprintf(to, sizeof to, "probe%u-2", member);
    expect(side_mkdir(&self.side, from), 0, "mkdir of a probe", from);
    expect(side_mkdir(&self.side, to), 0, "mkdir of a probe", to);
    int status = side_rename(&self.side, from, to, RENAME_EXCHANGE);
    expect(side_rmdir(&self.side, from), 0, "rmdir of a probe", from);
    expect(side_rmdir(&self.side, to), 0, "rmdir of a probe", to);
    return status == 0;
}

static void names_begin(unsigned member, const char *target)
{
    self.member = member;
    side_open(&self.side, target);
    scene->is_nfs[member] = self.side.is_nfs;
    scene->can_exchange[member] = self.side.is_nfs || probe_exchange(member);
    for (unsigned tree = 0; tree < TREES && member == 0; tree++) {
        char path[32];
        (void)snprintf(path, sizeof path, "tree%u", tree);
        expect(side_mkdir(&self.side, path), 0, "mkdir", path);
        scene->trees[tree].objects[0] =
            (struct object){.is_used = true, .type = S_IFDIR, .mode = 0755, .links = 2};
        scene->trees[tree].object_count = 1;
    }
}

static bool names_begun(unsigned members, bool require_all)
{
    bool has_all = true;
    scene->members = members;
    for (unsigned member = 0; member < members; member++) {
        if (!scene->can_exchange[member]) {
            printf("left out by process %u: RENAME_EXCHANGE\n", member);
            has_all = false;
        }
    }
    return has_all || !require_all;
}

static void run(unsigned tree, struct random *random)
{
    self.tree = &scene->trees[tree];
    double began = seconds_now();
    operation_run(random);
    note_if_slow(began);
}

static void names_alone(unsigned member, struct random *random, unsigned operations)
{
    for (unsigned i = 0; i < operations; i++) {
        run(1 + member, random);
    }
}

static void names_turn(unsigned member, unsigned subject, struct random *random)
{
    (void)member;
    run(subject, random);
}

static void names_look(unsigned member, unsigned subject, struct random *random, bool all)
{
    static struct place place;
    (void)member;
    self.tree = &scene->trees[subject];
    if (all) {
        tree_expect();
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        unsigned parent = self.tree->touched_parent[i];
        if (!object_is_directory(parent) || !place_at(parent, self.tree->touched_name[i], &place)) {
            continue;
        }
        note("look at %s", place.path);
        place_expect(&place);
        if (random_chance(random, 10)) {
            directory_expect(parent);
        }
    }
}

static void names_end(unsigned member)
{
    for (unsigned tree = 0; tree < TREES && member + 1 == scene->members; tree++) {
        self.tree = &scene->trees[tree];
        tree_remove();
    }
    side_close(&self.side);
}

int main(int argc, char **argv)
{
    static const struct play play = {
        .name = "names",
        .subjects = TREES,
        .begin = names_begin,
        .begun = names_begun,
        .alone = names_alone,
        .turn = names_turn,
        .look = names_look,
        .end = names_end,
    };
    scene = shared_memory(sizeof *scene);
    return play_run(&play, argc, argv);
}
