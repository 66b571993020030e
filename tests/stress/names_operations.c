/*
 * Operations on names, each with what it must answer. Errors are those of Linux, in its order;
 * where an NFS server may answer otherwise, the other answers are there, too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/stress/names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define ERRORS(...) ((const int[]){__VA_ARGS__, 0})

static struct place here, there;

/* Over NFS any of others will do for wanted. */
static void expect_error(int status, int wanted, const int *others, const char *what)
{
    if (self.side.is_nfs && status != 0) {
        for (const int *other = others; *other; other++) {
            if (status == -*other) {
                return;
            }
        }
    }
    expect(status, wanted, what, here.path);
}

static void create(struct random *random)
{
    bool exclusive = random_chance(random, 70);
    const struct object *object = place_object(&here);
    if ((object || self.side.is_nfs) && !exclusive &&
        (!object || self.side.is_nfs || object->type == S_IFLNK || object->type == S_IFIFO ||
         object->type == S_IFSOCK)) {
        exclusive = true; /* what an open does to those is not asked here */
    }
    int flags = O_CREAT | O_RDWR | (exclusive ? O_EXCL : 0);
    note("create %s%s", here.path, exclusive ? ", exclusively" : "");
    struct side_file file;
    int status = side_file_open(&self.side, here.path, flags, &file);
    if (status == 0) {
        (void)side_file_close(&self.side, &file); /* nothing was written */
    }
    if (object) {
        expect(status,
               exclusive                 ? EEXIST
               : object->type == S_IFDIR ? EISDIR
                                         : 0,
               "create", here.path);
        return;
    }
    expect(status, 0, "create", here.path);
    (void)place_make(&here, S_IFREG, 0644);
}

static void make_directory(struct random *random)
{
    (void)random;
    note("mkdir %s", here.path);
    int status = side_mkdir(&self.side, here.path);
    expect(status, place_object(&here) ? EEXIST : 0, "mkdir", here.path);
    if (status == 0) {
        (void)place_make(&here, S_IFDIR, 0755);
    }
}

static void make_node(struct random *random)
{
    mode_t type = random_chance(random, 50) ? S_IFIFO : S_IFSOCK;
    note("mknod %s %o", here.path, type);
    int status = side_mknod(&self.side, here.path, type);
    expect(status, place_object(&here) ? EEXIST : 0, "mknod", here.path);
    if (status == 0) {
        (void)place_make(&here, type, 0644);
    }
}

static void make_symlink(struct random *random)
{
    char target[TARGET_SIZE];
    int size = 1 + (int)random_below(random, TARGET_SIZE - 1);
    (void)snprintf(target, sizeof target, "%0*u", size, random_below(random, 10));
    note("symlink %s", here.path);
    int status = side_symlink(&self.side, target, here.path);
    expect(status, place_object(&here) ? EEXIST : 0, "symlink", here.path);
    if (status == 0) {
        unsigned object = place_make(&here, S_IFLNK, 0777);
        memcpy(self.tree->objects[object].target, target, sizeof target);
    }
}

static void make_link(struct random *random)
{
    (void)random;
    const struct object *object = place_object(&here);
    if (object && object->type == S_IFLNK && self.side.is_nfs) {
        return; /* libnfs would follow it */
    }
    note("link %s to %s", here.path, there.path);
    int status = side_link(&self.side, here.path, there.path);
    if (!object) {
        expect(status, ENOENT, "link", here.path);
    } else if (place_object(&there)) {
        expect_error(status, EEXIST, ERRORS(EPERM, EISDIR, EINVAL), "link");
    } else if (object->type == S_IFDIR) {
        expect_error(status, EPERM, ERRORS(EISDIR, EINVAL), "link");
    } else {
        expect(status, 0, "link", here.path);
        place_link(&there, self.tree->entries[here.entry].object);
    }
}

static void remove_name(struct random *random)
{
    (void)random;
    const struct object *object = place_object(&here);
    note("unlink %s", here.path);
    int status = side_unlink(&self.side, here.path);
    if (object && object->type == S_IFDIR) {
        expect_error(status, EISDIR, ERRORS(EPERM), "unlink");
        return;
    }
    expect(status, object ? 0 : ENOENT, "unlink", here.path);
    if (object) {
        place_remove(&here);
    }
}

static void remove_directory(struct random *random)
{
    (void)random;
    const struct object *object = place_object(&here);
    note("rmdir %s", here.path);
    int status = side_rmdir(&self.side, here.path);
    if (!object) {
        expect(status, ENOENT, "rmdir", here.path);
    } else if (object->type != S_IFDIR) {
        expect(status, ENOTDIR, "rmdir", here.path);
    } else if (!directory_is_empty(self.tree->entries[here.entry].object)) {
        expect_error(status, ENOTEMPTY, ERRORS(EEXIST), "rmdir");
    } else {
        expect(status, 0, "rmdir", here.path);
        place_remove(&here);
    }
}

/* What renaming here to there must answer, in the order in which Linux looks. */
static int rename_outcome(unsigned flags)
{
    const struct object *from = place_object(&here), *to = place_object(&there);
    bool is_exchange = flags == RENAME_EXCHANGE;
    if (!from) {
        return ENOENT;
    }
    if (flags == RENAME_NOREPLACE && to) {
        return EEXIST;
    }
    if (is_exchange && !to) {
        return ENOENT;
    }
    unsigned from_number = self.tree->entries[here.entry].object;
    if (from->type == S_IFDIR && is_below(there.parent, from_number)) {
        return EINVAL;
    }
    if (!to) {
        return 0;
    }
    unsigned to_number = self.tree->entries[there.entry].object;
    if (to->type == S_IFDIR && is_below(here.parent, to_number)) {
        return is_exchange ? EINVAL : ENOTEMPTY;
    }
    if (from == to || is_exchange) {
        return 0;
    }
    if (from->type == S_IFDIR && to->type != S_IFDIR) {
        return ENOTDIR;
    }
    if (from->type != S_IFDIR && to->type == S_IFDIR) {
        return EISDIR;
    }
    return to->type == S_IFDIR && !directory_is_empty(to_number) ? ENOTEMPTY : 0;
}

static void rename_name(struct random *random)
{
    static const char *const names[] = {"rename", "rename without replacing", "exchange"};
    unsigned kind = random_below(random, 10);
    kind = self.side.is_nfs || kind < 6 ? 0 : kind < 8 ? 1 : 2;
    kind = kind == 2 && !scene->can_exchange[self.member] ? 0 : kind;
    unsigned flags = kind == 0 ? 0 : kind == 1 ? RENAME_NOREPLACE : RENAME_EXCHANGE;
    if ((here.entry != NOBODY && !may_move(self.tree->entries[here.entry].object, &there)) ||
        (kind == 2 && there.entry != NOBODY &&
         !may_move(self.tree->entries[there.entry].object, &here))) {
        return;
    }
    note("%s %s to %s", names[kind], here.path, there.path);
    int wanted = rename_outcome(flags);
    int status = side_rename(&self.side, here.path, there.path, flags);
    expect_error(status, wanted,
                 wanted && wanted != ENOENT ? ERRORS(EEXIST, EISDIR, ENOTDIR, ENOTEMPTY, EINVAL)
                                            : ERRORS(0),
                 names[kind]);
    if (wanted == 0 && kind == 2) {
        place_exchange(&here, &there);
    } else if (wanted == 0) {
        place_move(&here, &there);
    }
}

static void change_mode(struct random *random)
{
    struct object *object = place_object(&here);
    if (!object || object->type == S_IFLNK) {
        return;
    }
    mode_t mode = (object->type == S_IFDIR ? 0700 : 0400) | (mode_t)random_below(random, 0100);
    note("chmod %s %o", here.path, mode);
    expect(side_chmod(&self.side, here.path, mode), 0, "chmod", here.path);
    object->mode = mode;
}

/* Below what is no directory, and below nothing. */
static void pass_through(struct random *random)
{
    const struct object *object = place_object(&here);
    char path[PATH_SIZE + 2];
    struct stat found;
    if (object && (object->type == S_IFDIR || object->type == S_IFLNK)) {
        return;
    }
    (void)snprintf(path, sizeof path, "%s/x", here.path);
    note("pass through %s", here.path);
    int wanted = object ? ENOTDIR : ENOENT;
    switch (random_below(random, 3)) {
    case 0:
        expect(side_stat(&self.side, path, &found), wanted, "stat", path);
        break;
    case 1:
        expect(side_mkdir(&self.side, path), wanted, "mkdir", path);
        break;
    default:
        expect(side_unlink(&self.side, path), wanted, "unlink", path);
    }
}

static void list(struct random *random)
{
    (void)random;
    note("list the directory of %s", here.path);
    directory_expect(here.parent);
}

static void look(struct random *random)
{
    (void)random;
    note("stat %s", here.path);
}

static const struct operation {
    void (*run)(struct random *random);
    unsigned weight;
    bool is_there; /* rather on something that exists */
    bool grows;
} operations[] = {
    {create, 12, false, true},
    {make_directory, 12, false, true},
    {make_node, 3, false, true},
    {make_symlink, 5, false, true},
    {make_link, 8, true, true},
    {remove_name, 16, true, false},
    {remove_directory, 10, true, false},
    {rename_name, 22, true, false},
    {change_mode, 3, true, false},
    {pass_through, 3, true, false},
    {list, 6, true, false},
    {look, 8, true, false},
};

static const struct operation *choose(struct random *random)
{
    for (;;) {
        const struct operation *operation =
            &operations[random_below(random, sizeof operations / sizeof *operations)];
        unsigned weight = operation->weight;
        if (operation->grows && self.tree->entry_count > ENTRIES / 2) {
            weight /= 3;
        }
        if (!(operation->grows && is_full()) && random_below(random, 22) < weight) {
            return operation;
        }
    }
}

/* What has become of a place; its directory may be gone, and its path another. */
static void look_again(unsigned which, struct place *place)
{
    place_touch(which, place);
    if (!object_is_directory(place->parent)) {
        return;
    }
    if (!place_at(place->parent, place->name, place)) {
        mismatch("the model lost %s", place->path);
    }
    place_expect(place);
}

void operation_run(struct random *random)
{
    const struct operation *operation = choose(random);
    bool is_there = operation->is_there ? random_chance(random, 90) : random_chance(random, 15);
    if (!place_pick(random, is_there, &here) ||
        !place_pick(random, random_chance(random, 40), &there)) {
        return;
    }
    operation->run(random);
    look_again(0, &here);
    look_again(1, &there);
}
