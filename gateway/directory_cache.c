/*
 * The cache of directories' attributes. See directory_cache.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/directory_cache.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <xxhash.h>
#include "backend/base/clock.h"
#include "backend/base/scope.h"

void directory_cache_init(struct directory_cache *cache, bool is_used)
{
    for (int i = 0; i < DIRECTORY_CACHE_LOCKS; i++) {
        pthread_mutex_init(&cache->locks[i], NULL);
    }
    cache->entries = is_used ? calloc(DIRECTORY_CACHE_ENTRIES, sizeof *cache->entries) : NULL;
    atomic_init(&cache->recalls, 0);
}

void directory_cache_release(struct directory_cache *cache)
{
    for (int i = 0; i < DIRECTORY_CACHE_LOCKS; i++) {
        pthread_mutex_destroy(&cache->locks[i]);
    }
    free(cache->entries);
    cache->entries = NULL;
}

uint64_t directory_cache_recalls(struct directory_cache *cache)
{
    return atomic_load(&cache->recalls);
}

static uint64_t number_of(const struct gfid *gfid)
{
    return XXH3_64bits(gfid->bytes, GFID_SIZE) % DIRECTORY_CACHE_ENTRIES;
}

static bool holds(const struct directory_cache_entry *entry, const struct gfid *gfid)
{
    return entry->attr.type != OBJECT_NONE && gfid_equal(&entry->attr.gfid, gfid);
}

bool directory_cache_find(struct directory_cache *cache, const struct gfid *directory,
                          uint64_t now_ns, struct attr *out_attr, uint32_t *out_grant_ms)
{
    if (!cache->entries) {
        return false;
    }
    uint64_t number = number_of(directory);
    AUTO_LOCK(&cache->locks[number % DIRECTORY_CACHE_LOCKS]);
    const struct directory_cache_entry *entry = &cache->entries[number];
    if (!holds(entry, directory) || entry->until_ns <= now_ns) {
        return false;
    }
    *out_attr = entry->attr;
    *out_grant_ms = (uint32_t)((entry->until_ns - now_ns) / NS_PER_MS);
    return true;
}

static void forget(struct directory_cache *cache, const struct gfid *gfid)
{
    uint64_t number = number_of(gfid);
    AUTO_LOCK(&cache->locks[number % DIRECTORY_CACHE_LOCKS]);
    if (holds(&cache->entries[number], gfid)) {
        cache->entries[number].attr.type = OBJECT_NONE;
    }
}

static void keep(struct directory_cache *cache, const struct attr *attr, uint64_t recalls,
                 uint64_t until_ns)
{
    uint64_t number = number_of(&attr->gfid);
    AUTO_LOCK(&cache->locks[number % DIRECTORY_CACHE_LOCKS]);
    struct directory_cache_entry *entry = &cache->entries[number];
    if (holds(entry, &attr->gfid) && entry->attr.change > attr->change) {
        return; /* a later answer was faster */
    }
    entry->attr.type = OBJECT_NONE;
    if (atomic_load(&cache->recalls) == recalls) { /* a recall counts first, then takes the lock */
        *entry = (struct directory_cache_entry){.attr = *attr, .until_ns = until_ns};
    }
}

/* Keep attr, a directory's, if it was granted; else forget what is known of gfid. */
static void learn(struct directory_cache *cache, const struct gfid *gfid, const struct attr *attr,
                  uint32_t grant_ms, uint64_t recalls, uint64_t sent_ns)
{
    uint64_t margin_ms = grant_ms > GRANT_MARGIN_MS ? grant_ms - GRANT_MARGIN_MS : 0;
    if (margin_ms == 0 || attr->type == OBJECT_NONE) {
        forget(cache, gfid);
    } else if (attr->type == OBJECT_DIRECTORY) {
        keep(cache, attr, recalls, sent_ns + margin_ms * NS_PER_MS);
    }
}

void directory_cache_learn(struct directory_cache *cache, const struct volume_request *request,
                           uint64_t recalls, uint64_t sent_ns)
{
    const struct reply *reply = &request->reply;
    uint32_t granted = reply->status == 0 ? reply->grant_ms : 0;
    uint32_t parents = reply->status == 0 ? reply->parent_grant_ms : 0;
    if (!cache->entries) {
        return;
    }
    switch (request->op) {
    case VOLUME_GETATTR:
    case VOLUME_LOOKUP:
        if (granted && reply->object.type == OBJECT_DIRECTORY) {
            learn(cache, &reply->object.gfid, &reply->object, granted, recalls, sent_ns);
        }
        break;
    case VOLUME_SETATTR:
        learn(cache, &request->object, &reply->object, granted, recalls, sent_ns);
        break;
    case VOLUME_CREATE:
    case VOLUME_MKDIR:
    case VOLUME_SYMLINK:
    case VOLUME_MKNOD:
    case VOLUME_REMOVE:
    case VOLUME_RMDIR:
        learn(cache, &request->object, &reply->parent, parents, recalls, sent_ns);
        if (request->op == VOLUME_RMDIR && reply->object.type != OBJECT_NONE) {
            forget(cache, &reply->object.gfid);
        }
        break;
    case VOLUME_LINK:
        learn(cache, &request->object2, &reply->parent, parents, recalls, sent_ns);
        break;
    case VOLUME_RENAME:
        learn(cache, &request->object, &reply->parent, parents, recalls, sent_ns);
        if (!gfid_equal(&request->object, &request->object2)) {
            learn(cache, &request->object2, &reply->parent2, parents, recalls, sent_ns);
        }
        if (reply->object.type != OBJECT_NONE) {
            forget(cache, &reply->object.gfid); /* a directory has another parent now */
        }
        break;
    case VOLUME_ACCESS:
    case VOLUME_READLINK:
    case VOLUME_READ:
    case VOLUME_WRITE:
    case VOLUME_COMMIT:
    case VOLUME_READDIR:
    case VOLUME_STATFS:
    case VOLUME_OP_COUNT:
        break;
    }
}

void directory_cache_recall(struct directory_cache *cache, const struct gfid *object)
{
    atomic_fetch_add(&cache->recalls, 1);
    if (cache->entries) {
        forget(cache, object);
    }
}
