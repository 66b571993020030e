/*
 * Stores for tests: made in a temporary directory or in memory, and driven through the four steps
 * of a mutation as a replica set drives them: decided by the first store, encoded, decoded,
 * sequenced, applied and committed by all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_STORE_FIXTURE_H
#define TRIVET_TESTS_STORE_FIXTURE_H

#include "backend/base/random.h"
#include "backend/store/store.h"

#define FIXTURE_STORES_MAX 4

struct store_fixture {
    uint32_t count;
    struct store *stores[FIXTURE_STORES_MAX];
    char paths[FIXTURE_STORES_MAX][64]; /* "" for one in memory */
    uint64_t now_ns;                    /* the decisions' clock; rises by a microsecond each */
    uint64_t bytes_free;
    uint64_t index;    /* of the last operation */
    uint64_t index_ns; /* CPU time of deciding and sequencing: what does not wait for the tree */
};

/* Open directories bricks and then memories stores, formatting first. Aborts if it cannot. */
void store_fixture_open(struct store_fixture *fixture, uint32_t directories, uint32_t memories);
/* Close what is open and remove the directories. */
void store_fixture_close(struct store_fixture *fixture);
/* Close and open again one of the directories. */
int store_fixture_reopen(struct store_fixture *fixture, uint32_t i);

/* A fresh directory under TMPDIR or /tmp; its path is at most 63 bytes. */
void temporary_directory(char out_path[64]);
void remove_tree(const char *path);
struct store_identity test_identity(uint32_t brick);

/* Decide, and if there is something to sequence, do it on all stores; bulk is a WRITE's. Returns
 * decide's result. Aborts if a store fails in a later step, or if stores differ. */
int fixture_mutate(struct store_fixture *fixture, struct mutation *mutation, struct slice bulk,
                   struct operation *out_operation);

/* Decide and sequence a wish on the first store without applying it. Returns decide's result;
 * -EAGAIN if there is nothing to sequence. */
int fixture_sequence(struct store_fixture *fixture, const struct mutation *wish,
                     struct operation *out_operation);

/* Wishes of root, checked by nobody. */
struct mutation wish_make(struct gfid parent, const char *name, uint32_t type, uint32_t mode);
struct mutation wish_write(struct gfid object, uint64_t offset, uint32_t count);
struct mutation wish_setattr(struct gfid object, struct attr_change change);
struct mutation wish_link(struct gfid object, struct gfid parent, const char *name);
struct mutation wish_remove(struct gfid parent, const char *name, bool directory);
struct mutation wish_rename(struct gfid parent, const char *name, struct gfid parent2,
                            const char *name2);
struct mutation wish_allocate(struct gfid object, uint32_t flags, uint64_t offset, uint64_t length);
struct mutation wish_unnamed(struct gfid parent, uint32_t mode);
struct mutation wish_forget(struct gfid object);
/* The same of a session's client, who has open what it is about. */
struct mutation wish_kept(uint64_t client, struct mutation wish);

/* Shortcuts that abort if refused. */
struct gfid fixture_make(struct store_fixture *fixture, struct gfid parent, const char *name,
                         uint32_t type);
void fixture_write(struct store_fixture *fixture, struct gfid object, uint64_t offset,
                   const char *text);

#endif
