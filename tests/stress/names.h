/*
 * The model of trees of names, which all processes share, and one process's place in it.
 *
 * Each process has a tree of its own, which it works on alone; one more belongs to all. In turns,
 * when all others are still, anyone works on any.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_STRESS_NAMES_H
#define TRIVET_TESTS_STRESS_NAMES_H

#include "tests/stress/fuzz.h"
#include "tests/stress/side.h"

enum {
    TREES = 1 + MEMBERS_MAX,
    OBJECTS = 300,
    ENTRIES = 400,
    NAMES = 40,
    DEPTH_MAX = 40,
    PATH_SIZE = 4000,
    PATH_MOST = 3300, /* of what is made: a mount's own path comes before it */
    TARGET_SIZE = 120,
    NOBODY = 0xffff,
};

struct object {
    bool is_used;
    mode_t type, mode;
    unsigned links; /* names; of a directory two and one for each directory in it */
    uint64_t inode; /* 0: not known yet */
    char target[TARGET_SIZE];
};

struct entry {
    bool is_used;
    unsigned parent, object, name;
};

/* Object 0 is the tree's top. */
struct tree {
    struct object objects[OBJECTS];
    struct entry entries[ENTRIES];
    unsigned object_count, entry_count;
    unsigned newest; /* a directory that was made not long ago: trees get deep there */
    unsigned touched_parent[2], touched_name[2]; /* the last operation's, which are looked at */
};

/* A name in a directory, whether there is something or not. */
struct place {
    unsigned parent, name;
    unsigned entry; /* or NOBODY */
    char path[PATH_SIZE];
};

struct scene {
    unsigned members;
    bool can_exchange[MEMBERS_MAX];
    bool is_nfs[MEMBERS_MAX];
    struct tree trees[TREES];
};

struct self {
    unsigned member;
    struct side side;
    struct tree *tree; /* that is worked on */
};

extern struct scene *scene;
extern struct self self;

/* names_model.c */
const char *name_text(unsigned name);
unsigned name_find(const char *text);                   /* or NOBODY */
struct object *place_object(const struct place *place); /* or NULL */
/* False: its path would be too long. */
bool place_at(unsigned parent, unsigned name, struct place *out_place);
/* Any name in any directory; is_there says whether rather one that exists. */
bool place_pick(struct random *random, bool is_there, struct place *out_place);
bool object_is_directory(unsigned object);
bool directory_is_empty(unsigned object);
/* Whether directory is object, or lies below it. */
bool is_below(unsigned directory, unsigned object);
bool is_full(void);
/* Whether everything below object would stay reachable by paths, were it moved to place. */
bool may_move(unsigned object, const struct place *place);

/* Changes of the model. */
unsigned place_make(struct place *place, mode_t type, mode_t mode);
void place_link(struct place *place, unsigned object);
void place_remove(struct place *place);
void place_move(struct place *from, struct place *to);
void place_exchange(struct place *from, struct place *to);
void place_touch(unsigned which, const struct place *place);

/* names_look.c: ends the process if what is seen is not as in the model. */
void place_expect(const struct place *place);
void directory_expect(unsigned directory);
void tree_expect(void);
void tree_remove(void);
/* A status must be wanted, or, since NFS servers may differ, one of the others; 0: none. */
void expect(int status, int wanted, const char *what, const char *path);
void expect_one(int status, const int *wanted, const char *what, const char *path);

/* names_operations.c */
void operation_run(struct random *random);

#endif
