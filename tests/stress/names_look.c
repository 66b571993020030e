/*
 * Comparing what a process sees of a tree with the model.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/stress/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void expect_one(int status, const int *wanted, const char *what, const char *path)
{
    for (const int *one = wanted; one == wanted || *one; one++) {
        if (status == -*one) {
            return;
        }
    }
    mismatch("%s of %s: %d (%s) instead of %d (%s)", what, path, status, strerror(-status),
             -*wanted, strerror(*wanted));
}

void expect(int status, int wanted, const char *what, const char *path)
{
    expect_one(status, (const int[]){wanted, 0}, what, path);
}

/* No two objects have one inode number. */
static void inode_expect_new(const struct object *object, uint64_t inode, const char *path)
{
    for (unsigned i = 0; i < OBJECTS; i++) {
        const struct object *other = &self.tree->objects[i];
        if (other != object && other->is_used && other->inode == inode) {
            mismatch("%s has inode number %llu, as another object", path,
                     (unsigned long long)inode);
        }
    }
}

static void object_expect(struct object *object, const char *path)
{
    struct stat found;
    expect(side_stat(&self.side, path, &found), 0, "stat", path);
    if ((found.st_mode & S_IFMT) != object->type) {
        mismatch("%s has type %o instead of %o", path, found.st_mode & S_IFMT, object->type);
    }
    if (object->type != S_IFLNK && (found.st_mode & 07777) != object->mode) {
        mismatch("%s has mode %o instead of %o", path, found.st_mode & 07777, object->mode);
    }
    if (found.st_nlink != object->links) {
        mismatch("%s has %lu links instead of %u", path, (unsigned long)found.st_nlink,
                 object->links);
    }
    if (object->type == S_IFLNK && (size_t)found.st_size != strlen(object->target)) {
        mismatch("%s has size %ld instead of %zu", path, (long)found.st_size,
                 strlen(object->target));
    }
    if (object->inode == 0) {
        inode_expect_new(object, found.st_ino, path);
        object->inode = found.st_ino;
    }
    if (found.st_ino != object->inode) {
        mismatch("%s has inode number %llu instead of %llu", path, (unsigned long long)found.st_ino,
                 (unsigned long long)object->inode);
    }
}

void place_expect(const struct place *place)
{
    struct object *object = place_object(place);
    struct stat found;
    if (!object) {
        expect(side_stat(&self.side, place->path, &found), ENOENT, "stat", place->path);
        return;
    }
    object_expect(object, place->path);
    if (object->type == S_IFLNK) {
        char target[PATH_SIZE];
        expect(side_readlink(&self.side, place->path, target, sizeof target), 0, "readlink",
               place->path);
        if (strcmp(target, object->target) != 0) {
            mismatch("%s leads to %s instead of %s", place->path, target, object->target);
        }
    }
}

/* ---- listings ---------------------------------------------------------------------------- */

struct listing {
    unsigned directory;
    const char *path;
    bool seen[ENTRIES];
};

static void listed(void *context, const char *name, uint64_t inode, mode_t type)
{
    struct listing *listing = context;
    unsigned number = name_find(name);
    for (unsigned entry = 0; entry < ENTRIES; entry++) {
        const struct entry *found = &self.tree->entries[entry];
        if (!found->is_used || found->parent != listing->directory || found->name != number) {
            continue;
        }
        const struct object *object = &self.tree->objects[found->object];
        if (listing->seen[entry]) {
            mismatch("the list of %s has %s twice", listing->path, name);
        }
        if (type != object->type && type != 0) {
            mismatch("the list of %s has %s with type %o instead of %o", listing->path, name, type,
                     object->type);
        }
        if (object->inode && inode != object->inode) {
            mismatch("the list of %s has %s with inode number %llu instead of %llu", listing->path,
                     name, (unsigned long long)inode, (unsigned long long)object->inode);
        }
        listing->seen[entry] = true;
        return;
    }
    mismatch("the list of %s has %s, which does not exist", listing->path, name);
}

/* The path of a directory: that of a place in it, without the name. */
static bool path_of(unsigned directory, struct place *out_place)
{
    if (!place_at(directory, 0, out_place)) {
        return false;
    }
    *strrchr(out_place->path, '/') = '\0';
    return true;
}

void directory_expect(unsigned directory)
{
    static struct place place;
    struct listing listing = {.directory = directory, .path = place.path};
    if (!path_of(directory, &place)) {
        return;
    }
    expect(side_list(&self.side, place.path, listed, &listing), 0, "list", place.path);
    for (unsigned entry = 0; entry < ENTRIES; entry++) {
        const struct entry *found = &self.tree->entries[entry];
        if (found->is_used && found->parent == directory && !listing.seen[entry]) {
            mismatch("the list of %s is without %s", place.path, name_text(found->name));
        }
    }
    object_expect(&self.tree->objects[directory], place.path);
}

void tree_expect(void)
{
    static struct place place;
    for (unsigned object = 0; object < OBJECTS; object++) {
        if (object_is_directory(object)) {
            directory_expect(object);
        }
    }
    for (unsigned entry = 0; entry < ENTRIES; entry++) {
        const struct entry *found = &self.tree->entries[entry];
        if (found->is_used && place_at(found->parent, found->name, &place)) {
            place_expect(&place);
        }
    }
}

void tree_remove(void)
{
    static struct place place;
    while (self.tree->entry_count > 0) {
        for (unsigned entry = 0; entry < ENTRIES; entry++) {
            const struct entry *found = &self.tree->entries[entry];
            if (!found->is_used ||
                (object_is_directory(found->object) && !directory_is_empty(found->object))) {
                continue;
            }
            (void)place_at(found->parent, found->name, &place);
            expect(object_is_directory(found->object) ? side_rmdir(&self.side, place.path)
                                                      : side_unlink(&self.side, place.path),
                   0, "removal at the end", place.path);
            place_remove(&place);
        }
    }
    directory_expect(0);
    (void)path_of(0, &place);
    expect(side_rmdir(&self.side, place.path), 0, "rmdir at the end", place.path);
}
