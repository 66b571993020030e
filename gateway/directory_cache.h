/*
 * Attributes of directories that the volume granted this client, so that its kernel's question
 * before each change in a directory (may this caller write here?) needs no round trip: the answer to
 * the change before has them.
 *
 * An entry may be used until the time its grant ends, or is recalled. A grant never outlives a
 * recall that came after its request was submitted: the answer may have been overtaken.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_GATEWAY_DIRECTORY_CACHE_H
#define TRIVET_GATEWAY_DIRECTORY_CACHE_H

#include <pthread.h>
#include "gateway/trivet.h"

#define DIRECTORY_CACHE_LOCKS 16

struct directory_cache_entry {
    struct attr attr; /* OBJECT_NONE: empty */
    uint64_t until_ns;
};

/* Threads: any, for all functions but init and release. */
struct directory_cache {
    pthread_mutex_t locks[DIRECTORY_CACHE_LOCKS]; /* of the entries whose number modulo it is */
    struct directory_cache_entry *entries;        /* DIRECTORY_CACHE_ENTRIES, by a hash; NULL: none */
    _Atomic uint64_t recalls;
};

/* without memory, or without grants, it stays empty */
void directory_cache_init(struct directory_cache *cache, bool is_used);
void directory_cache_release(struct directory_cache *cache);

/* Recalls so far; what a request notes when it is submitted. */
uint64_t directory_cache_recalls(struct directory_cache *cache);

/* True if the directory's attributes may be used: with how much of the grant is left. */
bool directory_cache_find(struct directory_cache *cache, const struct gfid *directory,
                          uint64_t now_ns, struct attr *out_attr, uint32_t *out_grant_ms);

/* Learn from a request that has its answer (or will have none): what it was granted, and what it
 * changed without a grant. recalls and sent_ns are from when it was submitted and sent. */
void directory_cache_learn(struct directory_cache *cache, const struct volume_request *request,
                           uint64_t recalls, uint64_t sent_ns);

/* The grant of object's attributes ends. */
void directory_cache_recall(struct directory_cache *cache, const struct gfid *object);

#endif
