/*
 * The cache of granted objects. See object_cache.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/object_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>
#include "backend/base/clock.h"
#include "backend/base/scope.h"
#include "gateway/permission.h"

void object_cache_init(struct object_cache *cache, const struct session_lease *lease, bool is_used)
{
    cache->lease = lease;
    for (int i = 0; i < OBJECT_CACHE_LOCKS; i++) {
        pthread_mutex_init(&cache->locks[i], NULL);
    }
    cache->slots = is_used ? calloc(OBJECT_CACHE_SLOTS, sizeof *cache->slots) : NULL;
    atomic_init(&cache->recalls, 0);
    atomic_init(&cache->changes, 0);
    atomic_init(&cache->quiet_until_ns, 0);
    atomic_init(&cache->data_size, 0);
    atomic_init(&cache->hand, 0);
}

void object_cache_release(struct object_cache *cache)
{
    for (uint64_t i = 0; cache->slots && i < OBJECT_CACHE_SLOTS; i++) {
        free(cache->slots[i].data);
    }
    for (int i = 0; i < OBJECT_CACHE_LOCKS; i++) {
        pthread_mutex_destroy(&cache->locks[i]);
    }
    free(cache->slots);
    cache->slots = NULL;
}

/* ---- slots; with the slot's lock held ------------------------------------------------------ */

static uint64_t number_of(const struct gfid *gfid)
{
    return XXH3_64bits(gfid->bytes, GFID_SIZE) % OBJECT_CACHE_SLOTS;
}

static pthread_mutex_t *lock_of(struct object_cache *cache, uint64_t number)
{
    return &cache->locks[number % OBJECT_CACHE_LOCKS];
}

static void drop_data(struct object_cache *cache, struct object_slot *slot)
{
    if (slot->data) {
        atomic_fetch_sub(&cache->data_size, slot->attr.size);
        free(slot->data);
        slot->data = NULL;
    }
}

static void drop(struct object_cache *cache, struct object_slot *slot)
{
    drop_data(cache, slot);
    slot->attr.type = OBJECT_NONE;
}

static bool is_of(const struct object_slot *slot, const struct gfid *gfid)
{
    return gfid_equal(&slot->gfid, gfid);
}

static void take_over(struct object_cache *cache, struct object_slot *slot, const struct gfid *gfid)
{
    drop(cache, slot);
    slot->gfid = *gfid;
    slot->change = 0;
    slot->generation++;
}

/* Give up the data of other slots, one after the other, until there is room; never waits for a
 * lock. */
static bool make_room(struct object_cache *cache, uint64_t size, const pthread_mutex_t *held)
{
    for (int tries = 0; tries < 64; tries++) {
        if (atomic_load(&cache->data_size) + size <= OBJECT_CACHE_DATA_MAX) {
            return true;
        }
        uint64_t number = atomic_fetch_add(&cache->hand, 1) % OBJECT_CACHE_SLOTS;
        pthread_mutex_t *lock = lock_of(cache, number);
        if (lock == held) {
            drop_data(cache, &cache->slots[number]);
        } else if (pthread_mutex_trylock(lock) == 0) {
            drop_data(cache, &cache->slots[number]);
            pthread_mutex_unlock(lock);
        }
    }
    return false;
}

/* ---- asking -------------------------------------------------------------------------------- */

static uint64_t generation_of(struct object_cache *cache, const struct gfid *gfid)
{
    uint64_t number = number_of(gfid);
    AUTO_LOCK(lock_of(cache, number));
    return cache->slots[number].generation;
}

void object_cache_begin(struct object_cache *cache, struct volume_request *request)
{
    request->recalls = atomic_load(&cache->recalls);
    request->changes = atomic_load(&cache->changes);
    if (!cache->slots) {
        return;
    }
    request->generation = generation_of(cache, &request->object);
    if (request->op == VOLUME_RENAME || request->op == VOLUME_LINK) {
        request->generation2 = generation_of(cache, &request->object2);
    }
}

static uint8_t *scratch(void)
{
    static _Thread_local uint8_t bytes[OBJECT_CACHE_FILE_MAX];
    return bytes;
}

static void answer_read(const struct object_slot *slot, struct volume_request *request,
                        struct reply *reply)
{
    uint64_t size = slot->attr.size;
    uint64_t left = request->offset < size ? size - request->offset : 0;
    reply->count = left < request->count ? (uint32_t)left : request->count;
    reply->eof = request->offset + reply->count >= size;
    if (reply->count > 0) {
        memcpy(scratch(), slot->data + request->offset, reply->count);
        reply->data = slice_of(scratch(), reply->count);
    }
}

/* Attributes tell which extended attributes there are none of; that is all that is known here. */
static bool answer_xattr(const struct object_slot *slot, const struct volume_request *request,
                         struct reply *reply)
{
    uint32_t flags = slot->attr.flags;
    if (request->op == VOLUME_LISTXATTR) {
        return flags == 0;
    }
    uint32_t asked = ATTR_HAS_XATTRS;
    if (slice_equal(request->name, slice_text("security.capability"))) {
        asked = ATTR_HAS_CAPABILITY;
    } else if (slice_equal(request->name, slice_text("system.posix_acl_access"))) {
        asked = ATTR_HAS_ACL;
    } else if (slice_equal(request->name, slice_text("system.posix_acl_default"))) {
        asked = ATTR_HAS_DEFAULT_ACL;
    }
    reply->status = -ENODATA;
    return (flags & asked) == 0;
}

static bool asks_what_is_kept(const struct volume_request *request)
{
    switch ((int)request->op) {
    case VOLUME_GETATTR:
    case VOLUME_ACCESS:
        return true;
    case VOLUME_READ:
    case VOLUME_GETXATTR:
    case VOLUME_LISTXATTR:
        return !request->keep; /* the bytes are lent for a moment only */
    default:
        return false;
    }
}

/* Whoever's kernel has not checked must be one whom mode bits alone let in. */
static bool may_see(const struct volume_request *request, const struct attr *attr)
{
    if (request->cred.flags & CRED_CHECKED || request->op == VOLUME_GETATTR) {
        return true;
    }
    if (attr->flags & ATTR_HAS_ACL) {
        return false;
    }
    return request->op == VOLUME_ACCESS ||
           (request->op == VOLUME_READ &&
            permission_check_io(attr, &request->cred, PERMISSION_READ) == 0);
}

/* Until when the slot's attributes of the object may be used; 0: they may not, or are not known. */
static uint64_t usable_until(const struct object_cache *cache, const struct object_slot *slot,
                             const struct gfid *object, uint64_t now_ns)
{
    if (!is_of(slot, object) || slot->attr.type == OBJECT_NONE || slot->until_ns <= now_ns) {
        return 0;
    }
    uint64_t lease_ns = session_lease_until(cache->lease, slot->epoch, now_ns);
    return lease_ns < slot->until_ns ? lease_ns : slot->until_ns;
}

bool object_cache_find(struct object_cache *cache, const struct gfid *object, uint64_t now_ns,
                       struct attr *out_attr, uint64_t *out_until_ns)
{
    if (!cache->slots) {
        return false;
    }
    uint64_t number = number_of(object);
    AUTO_LOCK(lock_of(cache, number));
    const struct object_slot *slot = &cache->slots[number];
    uint64_t until_ns = usable_until(cache, slot, object, now_ns);
    if (until_ns == 0) {
        return false;
    }
    *out_attr = slot->attr;
    *out_until_ns = until_ns;
    return true;
}

bool object_cache_answer(struct object_cache *cache, struct volume_request *request,
                         uint64_t now_ns)
{
    if (!cache->slots || !asks_what_is_kept(request)) {
        return false;
    }
    uint64_t number = number_of(&request->object);
    AUTO_LOCK(lock_of(cache, number));
    const struct object_slot *slot = &cache->slots[number];
    uint64_t until_ns = usable_until(cache, slot, &request->object, now_ns);
    if (until_ns == 0 || (request->op == VOLUME_READ && !slot->data) ||
        !may_see(request, &slot->attr)) {
        return false;
    }
    struct reply reply = {
        .object = slot->attr,
        .grant_ms = (uint32_t)((until_ns - now_ns) / NS_PER_MS),
    };
    if (request->op == VOLUME_READ) {
        answer_read(slot, request, &reply);
    } else if (request->op == VOLUME_ACCESS) {
        reply.count = permission_rights(&slot->attr, &request->cred, request->rights);
    } else if (request->op != VOLUME_GETATTR && !answer_xattr(slot, request, &reply)) {
        return false;
    }
    request->reply = reply;
    return true;
}

/* ---- learning ------------------------------------------------------------------------------ */

struct lesson {
    const struct volume_request *request;
    uint64_t generation; /* of the slot, when the request was submitted */
    bool is_change;      /* the request changed the object */
    bool is_new;         /* … or made it: nothing about it can be late */
    bool is_found;       /* by its name: which slot it has was not known before */
    uint32_t grant_ms;   /* 0: nothing may be kept */
    uint64_t sent_ns;
    struct slice data; /* the whole file; data NULL: not known */
};

/* What was found by its name is not older than what this client was told of it, or nothing of this
 * client's changed in between. */
static bool found_in_order(struct object_cache *cache, const struct object_slot *slot,
                           const struct lesson *lesson, const struct attr *attr)
{
    return slot->change != 0 ? slot->change <= attr->change
                             : atomic_load(&cache->changes) == lesson->request->changes;
}

static bool may_keep(struct object_cache *cache, const struct object_slot *slot,
                     const struct lesson *lesson, const struct attr *attr, uint64_t generation)
{
    bool in_order = lesson->is_change && slot->change != 0 ? slot->change <= attr->change
                                                           : generation == lesson->generation;
    if (lesson->is_found) {
        in_order = found_in_order(cache, slot, lesson, attr);
    }
    return (in_order || lesson->is_new) && lesson->grant_ms > GRANT_MARGIN_MS &&
           attr->type != OBJECT_NONE && lesson->sent_ns >= atomic_load(&cache->quiet_until_ns) &&
           atomic_load(&cache->recalls) == lesson->request->recalls; /* a recall counts first, then
                                                                        takes the slot's lock */
}

static void keep_data(struct object_cache *cache, struct object_slot *slot, struct slice data,
                      const pthread_mutex_t *held)
{
    uint8_t *copy = make_room(cache, data.size, held) ? malloc(data.size) : NULL;
    if (copy) {
        memcpy(copy, data.data, data.size);
        slot->data = copy;
        atomic_fetch_add(&cache->data_size, data.size);
    }
}

static void learn(struct object_cache *cache, const struct gfid *gfid, const struct attr *attr,
                  const struct lesson *lesson)
{
    uint64_t number = number_of(gfid);
    pthread_mutex_t *lock = lock_of(cache, number);
    AUTO_LOCK(lock);
    struct object_slot *slot = &cache->slots[number];
    uint64_t generation = slot->generation;
    if (!is_of(slot, gfid)) {
        take_over(cache, slot, gfid);
    }
    bool keeps = may_keep(cache, slot, lesson, attr, generation);
    if (lesson->is_change) {
        slot->generation++;
        if (attr->type != OBJECT_NONE && attr->change < slot->change) {
            return; /* a later change of our own was answered before */
        }
    }
    bool is_same = slot->attr.type != OBJECT_NONE && slot->attr.change == attr->change;
    if (!keeps) {
        if (lesson->is_change || !is_same) {
            drop(cache, slot);
        }
    } else {
        if (!is_same || lesson->data.data) {
            drop_data(cache, slot);
        }
        slot->attr = *attr;
        slot->epoch = lesson->request->epoch;
        slot->until_ns = lesson->sent_ns + (lesson->grant_ms - GRANT_MARGIN_MS) * NS_PER_MS;
        if (lesson->data.data && lesson->data.size == attr->size && attr->size > 0) {
            keep_data(cache, slot, lesson->data, lock);
        }
    }
    if (attr->type != OBJECT_NONE && attr->change > slot->change) {
        slot->change = attr->change;
    }
}

/* The bytes of the request or answer, if they are those of a whole small file. */
static struct slice whole_file(const struct volume_request *request)
{
    const struct attr *object = &request->reply.object;
    struct slice data = request->op == VOLUME_WRITE ? request->data : request->reply.data;
    bool is_whole = request->offset == 0 && !request->append && data.size == object->size &&
                    request->reply.count == data.size && data.size <= OBJECT_CACHE_FILE_MAX;
    return is_whole ? data : slice_of(NULL, 0);
}

/* What an answer says of the object itself. */
static void learn_object(struct object_cache *cache, const struct volume_request *request,
                         struct lesson *lesson)
{
    const struct reply *reply = &request->reply;
    const struct gfid *gfid = &request->object;
    switch (request->op) {
    case VOLUME_READ:
    case VOLUME_WRITE:
        lesson->data = whole_file(request);
        break;
    case VOLUME_LOOKUP:
        lesson->is_found = true;
        gfid = &reply->object.gfid;
        break;
    case VOLUME_GETATTR:
    case VOLUME_ACCESS:
    case VOLUME_SETATTR:
    case VOLUME_LINK:
    case VOLUME_SETXATTR:
    case VOLUME_REMOVEXATTR:
    case VOLUME_ALLOCATE:
    case VOLUME_COPY:
    case VOLUME_FORGET:
        break;
    case VOLUME_TMPFILE:
    case VOLUME_CREATE:
    case VOLUME_MKDIR:
    case VOLUME_SYMLINK:
    case VOLUME_MKNOD:
        /* An unchecked CREATE may have found a file: made it is what has no other change. */
        lesson->is_new = timestamp_compare(&reply->object.ctime, &reply->object.btime) == 0;
        lesson->grant_ms = lesson->is_new ? lesson->grant_ms : 0;
        gfid = &reply->object.gfid;
        break;
    case VOLUME_RENAME:
        lesson->is_found = true;
        gfid = &reply->object.gfid;
        break;
    default: /* REMOVE, RMDIR: other than it was, and not granted */
        lesson->grant_ms = 0;
        gfid = &reply->object.gfid;
        break;
    }
    if (gfid == &request->object || reply->object.type != OBJECT_NONE) {
        learn(cache, gfid, &reply->object, lesson);
    }
}

static bool is_read(enum volume_op op)
{
    return op == VOLUME_GETATTR || op == VOLUME_READ || op == VOLUME_LOOKUP || op == VOLUME_ACCESS;
}

static bool is_mutation(enum volume_op op)
{
    static const uint32_t mutations =
        1U << VOLUME_SETATTR | 1U << VOLUME_WRITE | 1U << VOLUME_CREATE | 1U << VOLUME_MKDIR |
        1U << VOLUME_SYMLINK | 1U << VOLUME_MKNOD | 1U << VOLUME_LINK | 1U << VOLUME_REMOVE |
        1U << VOLUME_RMDIR | 1U << VOLUME_RENAME | 1U << VOLUME_TMPFILE | 1U << VOLUME_FORGET |
        1U << VOLUME_SETXATTR | 1U << VOLUME_REMOVEXATTR | 1U << VOLUME_ALLOCATE |
        1U << VOLUME_COPY;
    return (mutations >> op & 1) != 0;
}

void object_cache_learn(struct object_cache *cache, const struct volume_request *request,
                        uint64_t sent_ns)
{
    const struct reply *reply = &request->reply;
    bool changes = is_mutation(request->op);
    bool is_found =
        reply->status == 0 || (request->op == VOLUME_LOOKUP && reply->status == -ENOENT);
    if (!cache->slots || (!changes && (!is_read(request->op) || !is_found))) {
        return;
    }
    if (changes) {
        atomic_fetch_add(&cache->changes, 1);
    }
    struct lesson object = {
        .request = request,
        .generation = request->generation,
        .is_change = changes,
        .grant_ms = reply->status == 0 ? reply->grant_ms : 0,
        .sent_ns = sent_ns,
    };
    struct lesson parent = object;
    parent.grant_ms = is_found ? reply->parent_grant_ms : 0;
    switch (request->op) {
    case VOLUME_LOOKUP:
        if (parent.grant_ms > 0 && reply->parent.type != OBJECT_NONE) {
            learn(cache, &request->object, &reply->parent, &parent);
        }
        break;
    case VOLUME_GETATTR:
    case VOLUME_ACCESS:
    case VOLUME_READ:
    case VOLUME_SETATTR:
    case VOLUME_WRITE:
    case VOLUME_SETXATTR:
    case VOLUME_REMOVEXATTR:
    case VOLUME_ALLOCATE:
    case VOLUME_COPY:
    case VOLUME_FORGET:
    case VOLUME_TMPFILE:
        break;
    case VOLUME_LINK:
        parent.generation = request->generation2;
        learn(cache, &request->object2, &reply->parent, &parent);
        break;
    case VOLUME_RENAME:
        learn(cache, &request->object, &reply->parent, &parent);
        if (!gfid_equal(&request->object, &request->object2)) {
            parent.generation = request->generation2;
            learn(cache, &request->object2, &reply->parent2, &parent);
        }
        if (reply->replaced.type != OBJECT_NONE) {
            parent.grant_ms = 0;
            parent.generation = 0;
            learn(cache, &reply->replaced.gfid, &reply->replaced, &parent);
        }
        break;
    default:
        learn(cache, &request->object, &reply->parent, &parent);
        break;
    }
    learn_object(cache, request, &object);
}

static bool is_taken(struct object_cache *cache, const struct gfid *gfid, uint64_t now_ns)
{
    uint64_t number = number_of(gfid);
    AUTO_LOCK(lock_of(cache, number));
    const struct object_slot *slot = &cache->slots[number];
    return !is_of(slot, gfid) && slot->attr.type != OBJECT_NONE && slot->until_ns > now_ns;
}

void object_cache_list(struct object_cache *cache, const struct volume_request *request,
                       const struct attr *attr, uint64_t sent_ns)
{
    const struct lesson lesson = {
        .request = request,
        .is_found = true,
        .grant_ms = request->reply.grant_ms,
        .sent_ns = sent_ns,
    };
    if (cache->slots && !is_taken(cache, &attr->gfid, sent_ns)) {
        learn(cache, &attr->gfid, attr, &lesson);
    }
}

void object_cache_unknown(struct object_cache *cache, const struct volume_request *request,
                          uint64_t now_ns)
{
    if (cache->slots && is_mutation(request->op)) {
        /* The kernel was told EINTR; what it asks next goes to the volume for as long as a grant
         * of before could last. */
        atomic_store(&cache->quiet_until_ns, now_ns + GRANT_MS_MAX * NS_PER_MS);
        atomic_fetch_add(&cache->recalls, 1);
        object_cache_learn(cache, request, 0);
    }
}

void object_cache_recall(struct object_cache *cache, const struct gfid *object)
{
    atomic_fetch_add(&cache->recalls, 1);
    if (cache->slots) {
        uint64_t number = number_of(object);
        AUTO_LOCK(lock_of(cache, number));
        if (is_of(&cache->slots[number], object)) {
            drop(cache, &cache->slots[number]);
        }
    }
}
