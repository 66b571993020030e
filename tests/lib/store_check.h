/*
 * Whole-store comparisons for tests: of stores with one another, and of a store with a directory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_STORE_CHECK_H
#define TRIVET_TESTS_STORE_CHECK_H

#include "backend/base/random.h"
#include "backend/store/store.h"

/* A hash of every name, cookie and attribute below the root, by listings, and of all orphans; 0: a
 * listing failed. */
uint64_t store_digest(struct store *store);

enum tree_compare {
    TREE_TIMES = 1 << 0,    /* mtimes too: all are flushed */
    TREE_CONTENTS = 1 << 1, /* files' bytes too */
    TREE_OWNERS = 1 << 2
};

/* The number of differences between what the store says and what a directory has, each printed;
 * orphans too if the directory is a brick. */
int store_compare(struct store *store, const char *path, unsigned int how);

/* Bring a store in memory to the end of a brick's log, without contents. Returns 0 or what failed.
 */
int store_follow(struct store *memory, struct store *brick);

/* Do what to every entry of a directory, in the order of the listing. Returns the number, or a
 * negative code. size: of the buffer of one listing, so that many are needed. */
struct dirent_entry;
int64_t store_list(struct store *store, const struct gfid *directory, size_t size,
                   void (*each)(void *context, const struct dirent_entry *entry), void *context);

/* A random wish about a small world of names and of objects made lately; its slices point into
 * room. Many are to be refused. */
struct wish_room {
    char name[16];
    char name2[16];
    char target[32];
    uint8_t bulk[20000];
    struct gfid directories[8]; /* made lately; the root where there is none */
    struct gfid others[16];
    struct orphan_seen {
        struct gfid gfid;
        uint64_t client;
    } orphans[4];
};
void wish_room_init(struct wish_room *room);
struct mutation wish_random(struct random_sequence *random, struct wish_room *room,
                            struct slice *out_bulk);
/* Tell the room what became of it. */
void wish_done(struct wish_room *room, const struct operation *operation);

#endif
