/*
 * The cache of granted names. See name_cache.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/name_cache.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "backend/base/clock.h"
#include "backend/base/scope.h"
#include "backend/proto/dirent.h"
#include "gateway/permission.h"

void name_cache_init(struct name_cache *cache, struct object_cache *objects, bool is_used)
{
    for (int i = 0; i < OBJECT_CACHE_LOCKS; i++) {
        pthread_mutex_init(&cache->locks[i], NULL);
    }
    cache->slots = is_used ? calloc(NAME_CACHE_SLOTS, sizeof *cache->slots) : NULL;
    cache->objects = objects;
    whole_directories_init(&cache->whole, objects, is_used);
}

void name_cache_release(struct name_cache *cache)
{
    for (int i = 0; i < OBJECT_CACHE_LOCKS; i++) {
        pthread_mutex_destroy(&cache->locks[i]);
    }
    free(cache->slots);
    cache->slots = NULL;
    whole_directories_release(&cache->whole);
}

/* ---- slots ----------------------------------------------------------------------------------- */

static uint64_t number_of(const struct gfid *parent, struct slice name)
{
    uint64_t seed = XXH3_64bits(parent->bytes, GFID_SIZE);
    return XXH3_64bits_withSeed(name.data, name.size, seed) % NAME_CACHE_SLOTS;
}

static pthread_mutex_t *lock_of(struct name_cache *cache, uint64_t number)
{
    return &cache->locks[number % OBJECT_CACHE_LOCKS];
}

static bool is_kept(struct slice name)
{
    bool dots = name.size > 0 && name.data[0] == '.' &&
                (name.size == 1 || (name.size == 2 && name.data[1] == '.'));
    return name.size > 0 && name.size <= NAME_CACHE_NAME_MAX && !dots;
}

static bool is_of(const struct name_slot *slot, const struct gfid *parent, struct slice name)
{
    return slot->size == name.size && memcmp(slot->name, name.data, name.size) == 0 &&
           gfid_equal(&slot->parent, parent);
}

static void take_over(struct name_slot *slot, const struct gfid *parent, struct slice name)
{
    slot->parent = *parent;
    slot->size = (uint8_t)name.size;
    memcpy(slot->name, name.data, name.size);
    slot->until_ns = 0;
    slot->generation++;
}

static uint64_t generation_of(struct name_cache *cache, const struct gfid *parent,
                              struct slice name)
{
    if (!is_kept(name)) {
        return 0;
    }
    uint64_t number = number_of(parent, name);
    AUTO_LOCK(lock_of(cache, number));
    return cache->slots[number].generation;
}

void name_cache_begin(struct name_cache *cache, struct volume_request *request)
{
    if (cache->slots && request->op == VOLUME_LOOKUP) {
        request->generation2 = generation_of(cache, &request->object, request->name);
    }
}

/* ---- asking ---------------------------------------------------------------------------------- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static bool find_kept(struct name_cache *cache, const struct volume_request *request,
                      uint64_t now_ns, struct gfid *out_child, uint64_t *out_until_ns)
{
    uint64_t number = number_of(&request->object, request->name);
    AUTO_LOCK(lock_of(cache, number));
    const struct name_slot *slot = &cache->slots[number];
    uint64_t lease_ns = session_lease_until(cache->objects->lease, slot->epoch, now_ns);
    if (slot->until_ns <= now_ns || lease_ns == 0 ||
        !is_of(slot, &request->object, request->name)) {
        return false;
    }
    *out_child = slot->child;
    *out_until_ns = earlier(slot->until_ns, lease_ns);
    return true;
}

/* A name that is missing in a directory that is known is not granted by itself: others who make it
 * have the directory recalled, not the name, so that nobody may keep it. */
static bool find(struct name_cache *cache, const struct volume_request *request, uint64_t now_ns,
                 struct gfid *out_child, uint64_t *out_until_ns)
{
    if (find_kept(cache, request, now_ns, out_child, out_until_ns)) {
        return true;
    }
    *out_child = GFID_NONE;
    *out_until_ns = now_ns;
    return whole_directories_lack(&cache->whole, &request->object, request->name, now_ns);
}

bool name_cache_answer(struct name_cache *cache, struct volume_request *request, uint64_t now_ns)
{
    struct gfid child;
    uint64_t name_ns, parent_ns, child_ns = UINT64_MAX;
    struct reply reply = {0};
    if (!cache->slots || request->op != VOLUME_LOOKUP || !is_kept(request->name) ||
        !find(cache, request, now_ns, &child, &name_ns) ||
        !object_cache_find(cache->objects, &request->object, now_ns, &reply.parent, &parent_ns)) {
        return false;
    }
    bool checked = request->cred.flags & CRED_CHECKED;
    if (!checked && (reply.parent.flags & ATTR_HAS_ACL ||
                     permission_check(&reply.parent, &request->cred, PERMISSION_EXECUTE) != 0)) {
        return false; /* the brick says it better */
    }
    if (gfid_is_none(&child)) {
        reply.status = -ENOENT;
    } else if (!object_cache_find(cache->objects, &child, now_ns, &reply.object, &child_ns)) {
        return false;
    }
    reply.grant_ms = (uint32_t)((earlier(name_ns, child_ns) - now_ns) / NS_PER_MS);
    request->reply = reply;
    return true;
}

/* ---- learning -------------------------------------------------------------------------------- */

/* until_ns 0: what it was is not known any more. A recall counts first and then takes the slot's
 * lock, so that it is seen here or sees what is left here. */
static void change(struct name_cache *cache, const struct volume_request *request,
                   const struct gfid *parent, struct slice name, const struct gfid *child,
                   uint64_t until_ns)
{
    if (!is_kept(name)) {
        return;
    }
    uint64_t number = number_of(parent, name);
    AUTO_LOCK(lock_of(cache, number));
    struct name_slot *slot = &cache->slots[number];
    if (!is_of(slot, parent, name)) {
        take_over(slot, parent, name);
    }
    slot->generation++;
    slot->child = *child;
    slot->epoch = request->epoch;
    slot->until_ns = atomic_load(&cache->objects->recalls) == request->recalls ? until_ns : 0;
}

static void look_up(struct name_cache *cache, const struct volume_request *request,
                    uint64_t until_ns)
{
    bool found = request->reply.status == 0;
    if (!is_kept(request->name)) {
        return;
    }
    uint64_t number = number_of(&request->object, request->name);
    AUTO_LOCK(lock_of(cache, number));
    struct name_slot *slot = &cache->slots[number];
    if (slot->generation != request->generation2 ||
        atomic_load(&cache->objects->recalls) != request->recalls) {
        return;
    }
    if (!is_of(slot, &request->object, request->name)) {
        take_over(slot, &request->object, request->name);
    }
    slot->child = found ? request->reply.object.gfid : GFID_NONE;
    slot->epoch = request->epoch;
    slot->until_ns = until_ns;
}

/* Until when the answer's grant counts; 0: there is none. */
static uint64_t granted_until(struct name_cache *cache, const struct volume_request *request,
                              uint64_t sent_ns)
{
    uint32_t grant_ms = request->reply.grant_ms;
    bool counts = grant_ms > GRANT_MARGIN_MS &&
                  sent_ns >= atomic_load(&cache->objects->quiet_until_ns) &&
                  atomic_load(&cache->objects->recalls) == request->recalls;
    return counts ? sent_ns + (grant_ms - GRANT_MARGIN_MS) * NS_PER_MS : 0;
}

/* What was made has its name; an unchecked CREATE may have found it, and then was granted nothing.
 */
static void make(struct name_cache *cache, const struct volume_request *request, uint64_t sent_ns)
{
    const struct reply *reply = &request->reply;
    bool is_link = request->op == VOLUME_LINK;
    uint64_t until_ns = reply->status == 0 ? granted_until(cache, request, sent_ns) : 0;
    change(cache, request, is_link ? &request->object2 : &request->object, request->name,
           &reply->object.gfid, until_ns);
}

/* Nothing is known of this name's slot from before the request; so no change of this client's may
 * have been answered since. Such a change counts first and then takes the slot's lock. */
static void list_name(struct name_cache *cache, const struct volume_request *request,
                      const struct dirent_entry *entry, uint64_t sent_ns)
{
    if (!is_kept(entry->name)) {
        return;
    }
    uint64_t number = number_of(&request->object, entry->name);
    AUTO_LOCK(lock_of(cache, number));
    struct name_slot *slot = &cache->slots[number];
    bool is_same = is_of(slot, &request->object, entry->name);
    if ((!is_same && slot->until_ns > sent_ns) ||
        atomic_load(&cache->objects->changes) != request->changes ||
        atomic_load(&cache->objects->recalls) != request->recalls) {
        return;
    }
    if (!is_same) {
        take_over(slot, &request->object, entry->name);
    }
    slot->child = entry->gfid;
    slot->until_ns = granted_until(cache, request, sent_ns);
    slot->epoch = request->epoch;
}

/* Whoever lists looks up next what he found. A kernel keeps that by itself. */
static void list(struct name_cache *cache, const struct volume_request *request, uint64_t sent_ns)
{
    struct slice rest = request->reply.data;
    struct dirent_entry entry;
    if (!request->with_attr || request->cred.flags & CRED_CHECKED ||
        granted_until(cache, request, sent_ns) == 0) {
        return;
    }
    while (dirent_next(&rest, &entry) == 0) {
        if (!entry.ungranted && entry.attr.type != OBJECT_NONE) {
            object_cache_list(cache->objects, request, &entry.attr, sent_ns);
            list_name(cache, request, &entry, sent_ns);
        }
    }
}

void name_cache_learn(struct name_cache *cache, const struct volume_request *request,
                      uint64_t sent_ns)
{
    int status = request->reply.status;
    if (!cache->slots) {
        return;
    }
    whole_directories_learn(&cache->whole, request, sent_ns);
    switch ((int)request->op) {
    case VOLUME_LOOKUP:
        if (status == 0 || status == -ENOENT) {
            look_up(cache, request, granted_until(cache, request, sent_ns));
        }
        break;
    case VOLUME_READDIR:
        if (status == 0) {
            list(cache, request, sent_ns);
        }
        break;
    case VOLUME_CREATE:
    case VOLUME_MKDIR:
    case VOLUME_SYMLINK:
    case VOLUME_MKNOD:
    case VOLUME_LINK:
        make(cache, request, sent_ns);
        break;
    case VOLUME_REMOVE:
    case VOLUME_RMDIR:
        change(cache, request, &request->object, request->name, &GFID_NONE, 0);
        break;
    case VOLUME_RENAME:
        change(cache, request, &request->object, request->name, &GFID_NONE, 0);
        change(cache, request, &request->object2, request->name2, &request->reply.object.gfid,
               status == 0 ? granted_until(cache, request, sent_ns) : 0);
        break;
    default:
        break;
    }
}

void name_cache_recall(struct name_cache *cache, const struct gfid *object,
                       const struct gfid *parent, struct slice name)
{
    whole_directories_recall(&cache->whole, object);
    if (!cache->slots || !is_kept(name)) {
        return;
    }
    uint64_t number = number_of(parent, name);
    AUTO_LOCK(lock_of(cache, number));
    struct name_slot *slot = &cache->slots[number];
    if (is_of(slot, parent, name)) {
        slot->until_ns = 0;
    }
}
