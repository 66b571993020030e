/*
 * The model of trees of names: what exists, and what an operation makes of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/stress/names.h"

#include <stdio.h>
#include <string.h>

enum { LONG_NAMES = 3, NAME_LONGEST = 255 };

struct scene *scene;
struct self self;

static const char *const short_names[] = {
    "a",   "b",       "c",  "d", "e",           "f",         "g",
    "h",   "i",       "j",  "k", "l",           "m",         "n",
    "o",   "p",       "q",  "r", "with blanks", "ü",         "日本",
    "..x", ".hidden", "-n", "*", "back\\slash", "new\nline", "\x01\xff\xfe",
    "~",   "A",       "B",  "C", "a.b",         "#a#",       "%s",
    "c:",  "x;y"};

const char *name_text(unsigned name)
{
    static char longest[LONG_NAMES][NAME_LONGEST + 1];
    if (name < NAMES - LONG_NAMES) {
        return short_names[name];
    }
    unsigned which = name - (NAMES - LONG_NAMES);
    memset(longest[which], 'L', NAME_LONGEST);
    longest[which][NAME_LONGEST - 1] = (char)('0' + which); /* they differ in the last byte only */
    return longest[which];
}

unsigned name_find(const char *text)
{
    for (unsigned name = 0; name < NAMES; name++) {
        if (strcmp(text, name_text(name)) == 0) {
            return name;
        }
    }
    return NOBODY;
}

bool object_is_directory(unsigned object)
{
    return self.tree->objects[object].is_used && self.tree->objects[object].type == S_IFDIR;
}

struct object *place_object(const struct place *place)
{
    return place->entry == NOBODY ? NULL
                                  : &self.tree->objects[self.tree->entries[place->entry].object];
}

static unsigned entry_find(unsigned parent, unsigned name)
{
    for (unsigned entry = 0; entry < ENTRIES; entry++) {
        const struct entry *found = &self.tree->entries[entry];
        if (found->is_used && found->parent == parent && found->name == name) {
            return entry;
        }
    }
    return NOBODY;
}

/* The entry that a directory has; the top has none. */
static const struct entry *entry_of(unsigned directory)
{
    for (unsigned entry = 0; entry < ENTRIES; entry++) {
        const struct entry *found = &self.tree->entries[entry];
        if (found->is_used && found->object == directory) {
            return found;
        }
    }
    return NULL;
}

/* "treeN/…" of a directory; returns its length, or 0: too deep or too long. */
static size_t directory_path(unsigned directory, char *path)
{
    const struct entry *chain[DEPTH_MAX];
    unsigned depth = 0;
    for (; directory != 0; directory = chain[depth - 1]->parent) {
        if (depth == DEPTH_MAX) {
            return 0;
        }
        chain[depth++] = entry_of(directory);
    }
    size_t size = (size_t)snprintf(path, PATH_SIZE, "tree%u", (unsigned)(self.tree - scene->trees));
    while (depth > 0) {
        const char *name = name_text(chain[--depth]->name);
        size_t more = strlen(name);
        if (size + more + 2 > PATH_MOST) {
            return 0;
        }
        path[size] = '/';
        memcpy(path + size + 1, name, more + 1);
        size += more + 1;
    }
    return size;
}

bool place_at(unsigned parent, unsigned name, struct place *out_place)
{
    size_t size = directory_path(parent, out_place->path);
    const char *text = name_text(name);
    if (size == 0 || size + strlen(text) + 2 > PATH_MOST) {
        return false;
    }
    out_place->path[size] = '/';
    memcpy(out_place->path + size + 1, text, strlen(text) + 1);
    out_place->parent = parent;
    out_place->name = name;
    out_place->entry = entry_find(parent, name);
    return true;
}

bool place_pick(struct random *random, bool is_there, struct place *out_place)
{
    unsigned entry = random_below(random, ENTRIES), parent = 0;
    for (unsigned i = 0; i < ENTRIES && !self.tree->entries[entry].is_used; i++) {
        entry = (entry + 1) % ENTRIES;
    }
    const struct entry *found = &self.tree->entries[entry];
    if (is_there && found->is_used) {
        return place_at(found->parent, found->name, out_place);
    }
    if (random_chance(random, 30) && object_is_directory(self.tree->newest)) {
        parent = self.tree->newest;
    } else if (found->is_used && random_chance(random, 90)) {
        parent = object_is_directory(found->object) ? found->object : found->parent;
    }
    return place_at(parent, random_below(random, NAMES), out_place);
}

bool directory_is_empty(unsigned object)
{
    for (unsigned entry = 0; entry < ENTRIES; entry++) {
        if (self.tree->entries[entry].is_used && self.tree->entries[entry].parent == object) {
            return false;
        }
    }
    return true;
}

bool is_below(unsigned directory, unsigned object)
{
    while (directory != object && directory != 0) {
        directory = entry_of(directory)->parent;
    }
    return directory == object;
}

bool is_full(void)
{
    return self.tree->object_count > OBJECTS - 10 || self.tree->entry_count > ENTRIES - 10;
}

/* The longest path below object, from its own name on, and its depth. */
static size_t longest_below(unsigned object, unsigned depth, unsigned *depth_most)
{
    size_t longest = 0;
    *depth_most = depth > *depth_most ? depth : *depth_most;
    for (unsigned entry = 0; entry < ENTRIES && depth < DEPTH_MAX; entry++) {
        const struct entry *found = &self.tree->entries[entry];
        if (found->is_used && found->parent == object) {
            size_t size = 1 + strlen(name_text(found->name));
            if (object_is_directory(found->object)) {
                size += longest_below(found->object, depth + 1, depth_most);
            }
            longest = size > longest ? size : longest;
        }
    }
    return longest;
}

bool may_move(unsigned object, const struct place *place)
{
    if (!object_is_directory(object)) {
        return true;
    }
    unsigned below = 0, above = 1;
    size_t size = longest_below(object, 1, &below);
    for (unsigned parent = place->parent; parent != 0; parent = entry_of(parent)->parent) {
        above++;
    }
    return strlen(place->path) + size + 2 < PATH_MOST && above + below < DEPTH_MAX;
}

/* ---- changes ----------------------------------------------------------------------------- */

static unsigned free_object(void)
{
    unsigned object = 1;
    while (self.tree->objects[object].is_used) {
        object++;
    }
    return object;
}

void place_link(struct place *place, unsigned object)
{
    struct tree *tree = self.tree;
    unsigned entry = 0;
    while (tree->entries[entry].is_used) {
        entry++;
    }
    tree->entries[entry] = (struct entry){true, place->parent, object, place->name};
    tree->entry_count++;
    place->entry = entry;
    if (object_is_directory(object)) {
        tree->objects[place->parent].links++;
    } else {
        tree->objects[object].links++;
    }
}

unsigned place_make(struct place *place, mode_t type, mode_t mode)
{
    unsigned object = free_object();
    self.tree->objects[object] = (struct object){
        .is_used = true, .type = type, .mode = mode, .links = type == S_IFDIR ? 2 : 0};
    self.tree->object_count++;
    place_link(place, object);
    if (type == S_IFDIR) {
        self.tree->newest = object;
    }
    return object;
}

void place_remove(struct place *place)
{
    struct tree *tree = self.tree;
    unsigned number = tree->entries[place->entry].object;
    struct object *object = &tree->objects[number];
    tree->entries[place->entry].is_used = false;
    tree->entry_count--;
    place->entry = NOBODY;
    if (object->type == S_IFDIR) {
        tree->objects[place->parent].links--;
        object->links = 0;
    } else {
        object->links--;
    }
    if (object->links == 0) {
        object->is_used = false;
        tree->object_count--;
    }
}

void place_move(struct place *from, struct place *to)
{
    unsigned object = self.tree->entries[from->entry].object;
    if (to->entry != NOBODY && self.tree->entries[to->entry].object == object) {
        return; /* two names of one object: nothing happens */
    }
    if (to->entry != NOBODY) {
        place_remove(to);
    }
    place_link(to, object); /* first, so that the object is never without a name */
    unsigned links = self.tree->objects[object].links;
    self.tree->entries[from->entry].is_used = false;
    self.tree->entry_count--;
    from->entry = NOBODY;
    if (object_is_directory(object)) {
        self.tree->objects[from->parent].links--;
    } else {
        self.tree->objects[object].links = links - 1;
    }
}

void place_exchange(struct place *from, struct place *to)
{
    struct tree *tree = self.tree;
    struct entry *first = &tree->entries[from->entry], *second = &tree->entries[to->entry];
    unsigned object = first->object;
    if (object_is_directory(object)) {
        tree->objects[from->parent].links--;
        tree->objects[to->parent].links++;
    }
    if (object_is_directory(second->object)) {
        tree->objects[to->parent].links--;
        tree->objects[from->parent].links++;
    }
    first->object = second->object;
    second->object = object;
}

void place_touch(unsigned which, const struct place *place)
{
    self.tree->touched_parent[which] = place->parent;
    self.tree->touched_name[which] = place->name;
}
