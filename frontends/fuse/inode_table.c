/*
 * The table of inodes that the kernel knows; see inode_table.h.
 *
 * Chained hash tables, one for each shard, that double when they are full. Entries come from slabs
 * of the shard and go to its free list: the table keeps the memory of its largest size, which is
 * what the kernel's own inode cache does too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/fuse/inode_table.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "backend/base/check.h"
#include "backend/base/scope.h"

enum {
    SHARDS = 64,        /* few enough to fit the cache, many enough that threads do not meet */
    BUCKETS_FIRST = 64, /* in a shard: 4,096 inodes before the first growth */
    SLAB_ENTRIES = 72   /* makes a slab just under a page */
};

struct entry {
    struct gfid gfid;
    struct entry *next;
    uint64_t references;
    uint64_t granted_until_ns;
    uint64_t change;
    uint32_t opened;
    uint32_t epoch;
    bool is_orphan;  /* to be let go of when nothing is open */
    bool is_suspect; /* an orphan perhaps */
    bool is_gone;
};

struct slab {
    struct slab *next;
    struct entry entries[SLAB_ENTRIES];
};

/* Invariant: count entries hang in buckets, each with references > 0 (but for the root's). */
struct shard {
    pthread_mutex_t lock;
    struct entry **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
    struct entry *unused;
    struct slab *slabs;
} __attribute__((aligned(64)));

struct inode_table {
    struct shard shards[SHARDS];
    _Atomic uint64_t opened;
    _Atomic uint64_t opened_directories;
    _Atomic uint64_t orphans;
};

static uint64_t ino_hash(uint64_t ino)
{
    /* Inode numbers count up; a multiplication spreads them over the upper bits. */
    return ino * UINT64_C(0x9e3779b97f4a7c15);
}

static struct shard *table_shard(struct inode_table *table, uint64_t ino)
{
    return &table->shards[ino_hash(ino) >> 58];
}

static struct entry **shard_bucket(struct shard *shard, uint64_t ino)
{
    return &shard->buckets[(ino_hash(ino) >> 24) & (shard->bucket_count - 1)];
}

/* Where the pointer to ino's entry is, or the NULL at the end of its chain. */
static struct entry **shard_place(struct shard *shard, uint64_t ino)
{
    struct entry **place = shard_bucket(shard, ino);
    while (*place && gfid_ino(&(*place)->gfid) != ino) {
        place = &(*place)->next;
    }
    return place;
}

static int shard_grow(struct shard *shard, size_t bucket_count)
{
    struct entry **old = shard->buckets;
    size_t old_count = shard->bucket_count;
    struct entry **buckets = calloc(bucket_count, sizeof(struct entry *));
    if (!buckets) {
        return -ENOMEM;
    }
    shard->buckets = buckets;
    shard->bucket_count = bucket_count;
    for (size_t i = 0; i < old_count; i++) {
        for (struct entry *entry = old[i], *next; entry; entry = next) {
            next = entry->next;
            struct entry **bucket = shard_bucket(shard, gfid_ino(&entry->gfid));
            entry->next = *bucket;
            *bucket = entry;
        }
    }
    free(old);
    return 0;
}

static struct entry *shard_take(struct shard *shard)
{
    if (!shard->unused) {
        struct slab *slab = calloc(1, sizeof(*slab));
        if (!slab) {
            return NULL;
        }
        slab->next = shard->slabs;
        shard->slabs = slab;
        for (size_t i = 0; i < SLAB_ENTRIES; i++) {
            slab->entries[i].next = shard->unused;
            shard->unused = &slab->entries[i];
        }
    }
    struct entry *entry = shard->unused;
    shard->unused = entry->next;
    return entry;
}

static int shard_insert(struct shard *shard, struct entry **place, const struct gfid *gfid,
                        struct entry **out_entry)
{
    struct entry *entry = shard_take(shard);
    if (!entry) {
        return -ENOMEM;
    }
    *entry = (struct entry){.gfid = *gfid};
    *place = entry;
    shard->count++;
    *out_entry = entry;
    if (shard->count > shard->bucket_count) {
        (void)shard_grow(shard, shard->bucket_count * 2); /* without memory: longer chains */
    }
    return 0;
}

/* Remove the entry at place if nobody needs it. The kernel's FORGET may be read before the RELEASE
 * that it sent first, by another thread: what is open or to be let go stays. */
static void shard_sweep(struct shard *shard, struct entry **place)
{
    struct entry *entry = *place;
    if (entry->references == 0 && entry->opened == 0 && !entry->is_orphan) {
        *place = entry->next;
        entry->next = shard->unused;
        shard->unused = entry;
        shard->count--;
    }
}

int inode_table_new(struct inode_table **out_table)
{
    struct inode_table *table = aligned_alloc(64, sizeof(*table));
    if (!table) {
        return -ENOMEM;
    }
    memset(table, 0, sizeof(*table));
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&table->shards[i].lock, NULL);
    }
    for (size_t i = 0; i < SHARDS; i++) {
        if (shard_grow(&table->shards[i], BUCKETS_FIRST) != 0) {
            inode_table_free(table);
            return -ENOMEM;
        }
    }
    if (inode_table_refer(table, &GFID_ROOT, UINT64_MAX, 0) != 0) {
        inode_table_free(table);
        return -ENOMEM;
    }
    *out_table = table;
    return 0;
}

void inode_table_free(struct inode_table *table)
{
    if (!table) {
        return;
    }
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &table->shards[i];
        for (struct slab *slab = shard->slabs, *next; slab; slab = next) {
            next = slab->next;
            free(slab);
        }
        free(shard->buckets);
        pthread_mutex_destroy(&shard->lock);
    }
    free(table);
}

int inode_table_refer(struct inode_table *table, const struct gfid *gfid, uint64_t change,
                      uint64_t granted_until_ns)
{
    uint64_t ino = gfid_ino(gfid);
    struct shard *shard = table_shard(table, ino);
    AUTO_LOCK(&shard->lock);
    struct entry **place = shard_place(shard, ino);
    struct entry *entry = *place;
    if (!entry) {
        int status = shard_insert(shard, place, gfid, &entry);
        if (status != 0) {
            return status;
        }
    }
    if (change < entry->change && gfid_equal(&entry->gfid, gfid)) {
        return -ESTALE;
    }
    /* A plain directory may use an inode number again: the newer object counts. The kernel tells
     * them apart by the generation and gives back the references of both under this number. */
    if (!gfid_equal(&entry->gfid, gfid)) {
        entry->gfid = *gfid;
        entry->change = 0;
        entry->is_gone = false;
    }
    entry->references++;
    entry->granted_until_ns = granted_until_ns;
    return 0;
}

void inode_table_changed(struct inode_table *table, const struct gfid *gfid, uint64_t change)
{
    uint64_t ino = gfid_ino(gfid);
    struct shard *shard = table_shard(table, ino);
    AUTO_LOCK(&shard->lock);
    struct entry *entry = *shard_place(shard, ino);
    if (entry && entry->change < change) {
        entry->change = change;
    }
}

void inode_table_forget(struct inode_table *table, uint64_t ino, uint64_t count)
{
    if (ino == gfid_ino(&GFID_ROOT)) {
        return;
    }
    struct shard *shard = table_shard(table, ino);
    AUTO_LOCK(&shard->lock);
    struct entry **place = shard_place(shard, ino);
    struct entry *entry = *place;
    if (!entry) {
        return;
    }
    entry->references -= count < entry->references ? count : entry->references;
    shard_sweep(shard, place);
}

int inode_table_find(struct inode_table *table, uint64_t ino, struct gfid *out_gfid)
{
    struct shard *shard = table_shard(table, ino);
    AUTO_LOCK(&shard->lock);
    const struct entry *entry = *shard_place(shard, ino);
    if (!entry) {
        return -ESTALE;
    }
    *out_gfid = entry->gfid;
    return 0;
}

static bool count_open(struct inode_table *table, uint64_t ino, uint64_t now_ns,
                       _Atomic uint64_t *total)
{
    struct shard *shard = table_shard(table, ino);
    AUTO_LOCK(&shard->lock);
    struct entry *entry = *shard_place(shard, ino);
    if (!entry) {
        return false;
    }
    entry->opened++;
    atomic_fetch_add(total, 1);
    return now_ns < entry->granted_until_ns;
}

static bool count_close(struct inode_table *table, uint64_t ino, _Atomic uint64_t *total)
{
    struct shard *shard = table_shard(table, ino);
    AUTO_LOCK(&shard->lock);
    struct entry **place = shard_place(shard, ino);
    struct entry *entry = *place;
    if (!entry || entry->opened == 0) {
        return false;
    }
    entry->opened--;
    atomic_fetch_sub(total, 1);
    bool is_last = entry->opened == 0;
    shard_sweep(shard, place);
    return is_last;
}

bool inode_table_open(struct inode_table *table, uint64_t ino, uint64_t now_ns)
{
    return count_open(table, ino, now_ns, &table->opened);
}

void inode_table_open_directory(struct inode_table *table, uint64_t ino)
{
    (void)count_open(table, ino, 0, &table->opened_directories);
}

bool inode_table_close(struct inode_table *table, uint64_t ino)
{
    return count_close(table, ino, &table->opened);
}

bool inode_table_close_directory(struct inode_table *table, uint64_t ino)
{
    return count_close(table, ino, &table->opened_directories);
}

void inode_table_set_gone(struct inode_table *table, uint64_t ino)
{
    struct shard *shard = table_shard(table, ino);
    AUTO_LOCK(&shard->lock);
    struct entry *entry = *shard_place(shard, ino);
    if (entry) {
        entry->is_gone = true;
    }
}

bool inode_table_is_gone(struct inode_table *table, uint64_t ino)
{
    struct shard *shard = table_shard(table, ino);
    AUTO_LOCK(&shard->lock);
    const struct entry *entry = *shard_place(shard, ino);
    return entry && entry->is_gone;
}

bool inode_table_set_orphan(struct inode_table *table, uint64_t ino, bool is_orphan)
{
    struct shard *shard = table_shard(table, ino);
    AUTO_LOCK(&shard->lock);
    struct entry **place = shard_place(shard, ino);
    struct entry *entry = *place;
    if (!entry || entry->is_orphan == is_orphan) {
        return entry != NULL;
    }
    entry->is_orphan = is_orphan;
    entry->is_suspect = false;
    if (is_orphan) {
        atomic_fetch_add(&table->orphans, 1);
    } else {
        atomic_fetch_sub(&table->orphans, 1);
        shard_sweep(shard, place);
    }
    return true;
}

/* With the shard's lock held. */
static void suspect(struct inode_table *table, struct entry *entry)
{
    if (!entry->is_orphan) {
        entry->is_orphan = entry->is_suspect = true;
        atomic_fetch_add(&table->orphans, 1);
    }
}

void inode_table_suspect_orphan(struct inode_table *table, uint64_t ino)
{
    if (ino != 0) {
        struct shard *shard = table_shard(table, ino);
        AUTO_LOCK(&shard->lock);
        struct entry *entry = *shard_place(shard, ino);
        if (entry) { /* the kernel still knows it */
            suspect(table, entry);
        }
        return;
    }
    for (size_t i = 0; i < SHARDS; i++) {
        struct shard *shard = &table->shards[i];
        AUTO_LOCK(&shard->lock);
        for (size_t bucket = 0; bucket < shard->bucket_count; bucket++) {
            for (struct entry *entry = shard->buckets[bucket]; entry; entry = entry->next) {
                if (entry->opened > 0) {
                    suspect(table, entry);
                }
            }
        }
    }
}

bool inode_table_take_orphan(struct inode_table *table, uint64_t ino, struct gfid *out_gfid)
{
    if (atomic_load(&table->orphans) == 0) {
        return false;
    }
    struct shard *shard = table_shard(table, ino);
    AUTO_LOCK(&shard->lock);
    struct entry **place = shard_place(shard, ino);
    struct entry *entry = *place;
    if (!entry || !entry->is_orphan || entry->opened > 0) {
        return false;
    }
    /* Whoever comes to open it now, by a name that the kernel had, comes too late. */
    entry->is_gone = !entry->is_suspect;
    entry->is_orphan = entry->is_suspect = false;
    atomic_fetch_sub(&table->orphans, 1);
    *out_gfid = entry->gfid;
    shard_sweep(shard, place);
    return true;
}

void inode_table_take_orphans(struct inode_table *table,
                              void (*each)(void *context, const struct gfid *gfid), void *context)
{
    for (size_t i = 0; i < SHARDS && atomic_load(&table->orphans) > 0; i++) {
        struct shard *shard = &table->shards[i];
        AUTO_LOCK(&shard->lock);
        for (size_t bucket = 0; bucket < shard->bucket_count; bucket++) {
            for (struct entry *entry = shard->buckets[bucket]; entry; entry = entry->next) {
                if (entry->is_orphan) {
                    entry->is_orphan = false;
                    atomic_fetch_sub(&table->orphans, 1);
                    each(context, &entry->gfid);
                }
            }
        }
    }
}

uint32_t inode_table_opened(struct inode_table *table, uint64_t ino)
{
    struct shard *shard = table_shard(table, ino);
    AUTO_LOCK(&shard->lock);
    const struct entry *entry = *shard_place(shard, ino);
    return entry ? entry->opened : 0;
}

uint64_t inode_table_opened_all(const struct inode_table *table)
{
    return atomic_load(&table->opened);
}

uint64_t inode_table_opened_directories(const struct inode_table *table)
{
    return atomic_load(&table->opened_directories);
}

void inode_table_revoke(struct inode_table *table, uint64_t ino)
{
    struct shard *shard = table_shard(table, ino);
    AUTO_LOCK(&shard->lock);
    struct entry *entry = *shard_place(shard, ino);
    if (entry) {
        entry->granted_until_ns = 0;
    }
}

void inode_table_wrote(struct inode_table *table, uint64_t ino, uint32_t epoch)
{
    struct shard *shard = table_shard(table, ino);
    AUTO_LOCK(&shard->lock);
    struct entry *entry = *shard_place(shard, ino);
    if (entry && entry->epoch == 0) {
        entry->epoch = epoch;
    }
}

uint32_t inode_table_clean(struct inode_table *table, uint64_t ino)
{
    struct shard *shard = table_shard(table, ino);
    AUTO_LOCK(&shard->lock);
    struct entry *entry = *shard_place(shard, ino);
    if (!entry) {
        return 0;
    }
    uint32_t epoch = entry->epoch;
    entry->epoch = 0;
    return epoch;
}

uint64_t inode_table_count(struct inode_table *table)
{
    uint64_t count = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        AUTO_LOCK(&table->shards[i].lock);
        count += table->shards[i].count;
    }
    INVARIANT(count > 0);
    return count - 1;
}
