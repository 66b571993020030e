/*
 * See fd_cache.h. A hash table with chains, and a list in the order of use; one mutex.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/store/fd_cache.h"

#include <errno.h>
#include <sys/queue.h>
#include <xxhash.h>
#include "backend/base/check.h"
#include "backend/base/scope.h"

struct entry {
    struct open_object object; /* first: what callers hold */
    struct gfid gfid;
    uint32_t users;
    bool kept; /* in table and list */
    LIST_ENTRY(entry) chain;
    TAILQ_ENTRY(entry) use;
};

LIST_HEAD(chain_head, entry);
TAILQ_HEAD(use_head, entry);

struct fd_cache {
    pthread_mutex_t mutex;
    uint32_t size;
    uint32_t count;
    uint32_t bucket_mask;
    struct use_head used; /* the one used last is first */
    struct chain_head *buckets;
};

int fd_cache_new(uint32_t size, struct fd_cache **out_cache)
{
    PRE(size > 0 && out_cache);
    struct fd_cache *cache = calloc(1, sizeof *cache);
    if (!cache) {
        return -ENOMEM;
    }
    uint32_t buckets = 1;
    while (buckets < size * 2) {
        buckets *= 2;
    }
    cache->buckets = calloc(buckets, sizeof *cache->buckets);
    if (!cache->buckets) {
        free(cache);
        return -ENOMEM;
    }
    cache->size = size;
    cache->bucket_mask = buckets - 1;
    TAILQ_INIT(&cache->used);
    pthread_mutex_init(&cache->mutex, NULL);
    *out_cache = cache;
    return 0;
}

static void entry_free(struct entry *entry)
{
    (void)close(entry->object.fd); /* what must be durable was synced */
    free(entry);
}

/* Take the entry out of table and list; returns it if nobody uses it and it is to be freed. */
static struct entry *unkeep(struct fd_cache *cache, struct entry *entry)
{
    LIST_REMOVE(entry, chain);
    TAILQ_REMOVE(&cache->used, entry, use);
    entry->kept = false;
    cache->count--;
    return entry->users == 0 ? entry : NULL;
}

void fd_cache_free(struct fd_cache *cache)
{
    if (!cache) {
        return;
    }
    struct entry *entry;
    while ((entry = TAILQ_FIRST(&cache->used))) {
        PRE(entry->users == 0);
        (void)unkeep(cache, entry); /* it is this one */
        entry_free(entry);
    }
    pthread_mutex_destroy(&cache->mutex);
    free(cache->buckets);
    free(cache);
}

static struct chain_head *bucket_of(struct fd_cache *cache, const struct gfid *gfid)
{
    return &cache->buckets[XXH3_64bits(gfid->bytes, GFID_SIZE) & cache->bucket_mask];
}

static struct entry *find(struct fd_cache *cache, const struct gfid *gfid)
{
    struct entry *entry;
    LIST_FOREACH(entry, bucket_of(cache, gfid), chain)
    {
        if (gfid_equal(&entry->gfid, gfid)) {
            return entry;
        }
    }
    return NULL;
}

static struct open_object *use(struct fd_cache *cache, struct entry *entry)
{
    entry->users++;
    if (TAILQ_FIRST(&cache->used) != entry) {
        TAILQ_REMOVE(&cache->used, entry, use);
        TAILQ_INSERT_HEAD(&cache->used, entry, use);
    }
    return &entry->object;
}

struct open_object *fd_cache_get(struct fd_cache *cache, const struct gfid *gfid)
{
    AUTO_LOCK(&cache->mutex);
    struct entry *entry = find(cache, gfid);
    return entry ? use(cache, entry) : NULL;
}

/* Make room for one more; entries in use at the far end are passed over, the cache then grows. */
static struct entry *make_room(struct fd_cache *cache)
{
    if (cache->count < cache->size) {
        return NULL;
    }
    struct entry *entry;
    TAILQ_FOREACH_REVERSE(entry, &cache->used, use_head, use)
    {
        if (entry->users == 0) {
            return unkeep(cache, entry);
        }
    }
    return NULL;
}

static struct open_object *insert(struct fd_cache *cache, struct entry *entry,
                                  struct entry **out_closing)
{
    AUTO_LOCK(&cache->mutex);
    struct entry *there = find(cache, &entry->gfid);
    if (there) {
        *out_closing = entry;
        return use(cache, there);
    }
    *out_closing = make_room(cache);
    entry->kept = true;
    cache->count++;
    LIST_INSERT_HEAD(bucket_of(cache, &entry->gfid), entry, chain);
    TAILQ_INSERT_HEAD(&cache->used, entry, use);
    return use(cache, entry);
}

struct open_object *fd_cache_add(struct fd_cache *cache, const struct gfid *gfid, uint32_t type,
                                 int fd)
{
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry) {
        (void)close(fd); /* nothing was written through it */
        return NULL;
    }
    entry->object = (struct open_object){.fd = fd, .type = type, .sync.changed = 1};
    entry->gfid = *gfid;
    struct entry *closing;
    struct open_object *object = insert(cache, entry, &closing);
    if (closing) {
        entry_free(closing);
    }
    return object;
}

void fd_cache_hold(struct fd_cache *cache, struct open_object *object)
{
    struct entry *entry = (struct entry *)object;
    AUTO_LOCK(&cache->mutex);
    PRE(entry->users > 0);
    entry->users++;
}

static bool release(struct fd_cache *cache, struct entry *entry)
{
    AUTO_LOCK(&cache->mutex);
    PRE(entry->users > 0);
    return --entry->users == 0 && !entry->kept;
}

void fd_cache_put(struct fd_cache *cache, struct open_object *object)
{
    struct entry *entry = (struct entry *)object;
    if (entry && release(cache, entry)) {
        entry_free(entry);
    }
}

static struct entry *drop(struct fd_cache *cache, const struct gfid *gfid)
{
    AUTO_LOCK(&cache->mutex);
    struct entry *entry = find(cache, gfid);
    return entry ? unkeep(cache, entry) : NULL;
}

void fd_cache_forget(struct fd_cache *cache, const struct gfid *gfid)
{
    struct entry *closing = drop(cache, gfid);
    if (closing) {
        entry_free(closing);
    }
}
