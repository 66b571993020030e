/*
 * Directories that this client knows all of. See the header.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/whole_directory.h"

#include <stdlib.h>
#include <xxhash.h>
#include "backend/base/clock.h"
#include "backend/base/scope.h"

#define CAPACITY_MIN 64

void whole_directories_init(struct whole_directories *whole, struct object_cache *objects,
                            bool is_used)
{
    for (int i = 0; i < OBJECT_CACHE_LOCKS; i++) {
        pthread_mutex_init(&whole->locks[i], NULL);
    }
    whole->slots = is_used ? calloc(WHOLE_DIRECTORIES, sizeof *whole->slots) : NULL;
    whole->objects = objects;
}

void whole_directories_release(struct whole_directories *whole)
{
    for (int i = 0; whole->slots && i < WHOLE_DIRECTORIES; i++) {
        free(whole->slots[i].hashes);
    }
    for (int i = 0; i < OBJECT_CACHE_LOCKS; i++) {
        pthread_mutex_destroy(&whole->locks[i]);
    }
    free(whole->slots);
    whole->slots = NULL;
}

/* ---- slots; with the slot's lock held -------------------------------------------------------- */

static uint64_t number_of(const struct gfid *gfid)
{
    return XXH3_64bits(gfid->bytes, GFID_SIZE) % WHOLE_DIRECTORIES;
}

static pthread_mutex_t *lock_of(struct whole_directories *whole, uint64_t number)
{
    return &whole->locks[number % OBJECT_CACHE_LOCKS];
}

static void drop(struct whole_directory *directory)
{
    free(directory->hashes);
    *directory = (struct whole_directory){0};
}

static uint64_t hash_of(struct slice name)
{
    uint64_t hash = XXH3_64bits(name.data, name.size);
    return hash ? hash : 1;
}

/* The hash's place, or the free one where it would be. */
static uint64_t *place_of(const struct whole_directory *directory, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (directory->capacity - 1);
    while (directory->hashes[at] != 0 && directory->hashes[at] != hash) {
        at = (at + 1) & (directory->capacity - 1);
    }
    return &directory->hashes[at];
}

/* Fails: -ENOMEM; -EFBIG, the directory has more names than are kept. */
static int grow(struct whole_directory *directory)
{
    uint32_t capacity = directory->capacity ? 2 * directory->capacity : CAPACITY_MIN;
    if (capacity > WHOLE_DIRECTORY_HASHES) {
        return -EFBIG;
    }
    struct whole_directory grown = *directory;
    grown.capacity = capacity;
    grown.hashes = calloc(capacity, sizeof *grown.hashes);
    if (!grown.hashes) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < directory->capacity; i++) {
        if (directory->hashes[i]) {
            *place_of(&grown, directory->hashes[i]) = directory->hashes[i];
        }
    }
    free(directory->hashes);
    *directory = grown;
    return 0;
}

/* A name that came in; the directory is dropped if it cannot be kept. */
static void add(struct whole_directory *directory, struct slice name)
{
    if (4 * (directory->count + 1) > 3 * directory->capacity && grow(directory) != 0) {
        drop(directory);
        return;
    }
    uint64_t hash = hash_of(name);
    uint64_t *place = place_of(directory, hash);
    directory->count += *place == 0;
    *place = hash;
}

bool whole_directories_lack(struct whole_directories *whole, const struct gfid *directory,
                            struct slice name, uint64_t now_ns)
{
    if (!whole->slots) {
        return false;
    }
    uint64_t number = number_of(directory);
    AUTO_LOCK(lock_of(whole, number));
    const struct whole_directory *slot = &whole->slots[number];
    if (slot->until_ns <= now_ns || !gfid_equal(&slot->gfid, directory) ||
        session_lease_until(whole->objects->lease, slot->epoch, now_ns) == 0) {
        return false;
    }
    return slot->capacity == 0 || *place_of(slot, hash_of(name)) == 0;
}

/* ---- learning -------------------------------------------------------------------------------- */

/* Until when a grant of the answer counts; 0: there is none. */
static uint64_t granted_until(struct whole_directories *whole, const struct volume_request *request,
                              uint32_t grant_ms, uint64_t sent_ns)
{
    bool counts = request->reply.status == 0 && grant_ms > GRANT_MARGIN_MS &&
                  sent_ns >= atomic_load(&whole->objects->quiet_until_ns) &&
                  atomic_load(&whole->objects->recalls) == request->recalls;
    return counts ? sent_ns + (grant_ms - GRANT_MARGIN_MS) * NS_PER_MS : 0;
}

/* An answer about a directory: as it was before, as it is now, and a name that may have come. */
struct news {
    const struct volume_request *request;
    const struct gfid *gfid;
    const struct timestamp *before; /* NULL: the answer does not say */
    const struct attr *after;
    struct slice name; /* empty: none came */
    uint64_t until_ns;
};

/* With the slot's lock held: a recall counts first and then takes it, so that it is seen here or
 * sees what is left here. */
static bool is_recalled(const struct whole_directories *whole, const struct volume_request *request)
{
    return atomic_load(&whole->objects->recalls) != request->recalls;
}

static void tell(struct whole_directories *whole, const struct news *news)
{
    uint64_t number = number_of(news->gfid);
    AUTO_LOCK(lock_of(whole, number));
    struct whole_directory *slot = &whole->slots[number];
    if (!gfid_equal(&slot->gfid, news->gfid)) {
        return;
    }
    if (!news->before || news->after->type == OBJECT_NONE || news->until_ns == 0 ||
        timestamp_compare(news->before, &slot->ctime) != 0 || is_recalled(whole, news->request)) {
        drop(slot);
        return;
    }
    slot->ctime = news->after->ctime;
    slot->until_ns = news->until_ns;
    slot->epoch = news->request->epoch;
    if (news->name.size > 0) {
        add(slot, news->name);
    }
}

/* A directory that was just made is empty. */
static void begin(struct whole_directories *whole, const struct volume_request *request,
                  uint64_t until_ns)
{
    const struct attr *made = &request->reply.object;
    uint64_t number = number_of(&made->gfid);
    AUTO_LOCK(lock_of(whole, number));
    struct whole_directory *slot = &whole->slots[number];
    drop(slot);
    if (until_ns != 0 && !is_recalled(whole, request)) {
        slot->gfid = made->gfid;
        slot->ctime = made->ctime;
        slot->until_ns = until_ns;
        slot->epoch = request->epoch;
    }
}

/* Names in the directory gfid changed, if the request succeeded. */
static void changed(struct whole_directories *whole, const struct volume_request *request,
                    const struct gfid *gfid, const struct attr_before *before,
                    const struct attr *after, struct slice name, uint64_t sent_ns)
{
    int status = request->reply.status;
    bool unsure = status == -EINTR || status == -EEXIST || status == -ENOTEMPTY;
    if (status != 0 && !unsure) {
        return; /* refused: nothing changed */
    }
    const struct news news = {
        .request = request,
        .gfid = gfid,
        .before = !unsure && before->present ? &before->ctime : NULL,
        .after = after,
        .name = name,
        .until_ns = granted_until(whole, request, request->reply.parent_grant_ms, sent_ns),
    };
    tell(whole, &news);
}

/* Attributes of what may be a directory that is known; before NULL: nothing changed them. */
static void seen(struct whole_directories *whole, const struct volume_request *request,
                 const struct attr_before *before, uint64_t sent_ns)
{
    const struct reply *reply = &request->reply;
    if (reply->object.type != OBJECT_DIRECTORY || reply->status != 0) {
        return;
    }
    const struct timestamp *ctime = &reply->object.ctime;
    if (before) {
        ctime = before->present ? &before->ctime : NULL;
    }
    const struct news news = {
        .request = request,
        .gfid = &reply->object.gfid,
        .before = ctime,
        .after = &reply->object,
        .until_ns = granted_until(whole, request, reply->grant_ms, sent_ns),
    };
    tell(whole, &news);
}

void whole_directories_learn(struct whole_directories *whole, const struct volume_request *request,
                             uint64_t sent_ns)
{
    const struct reply *reply = &request->reply;
    const struct slice none = {0};
    if (!whole->slots) {
        return;
    }
    switch ((int)request->op) {
    case VOLUME_MKDIR:
        if (reply->status == 0) {
            begin(whole, request, granted_until(whole, request, reply->grant_ms, sent_ns));
        }
        changed(whole, request, &request->object, &reply->parent_before, &reply->parent,
                request->name, sent_ns);
        break;
    case VOLUME_CREATE:
    case VOLUME_SYMLINK:
    case VOLUME_MKNOD:
        changed(whole, request, &request->object, &reply->parent_before, &reply->parent,
                request->name, sent_ns);
        break;
    case VOLUME_LINK:
        changed(whole, request, &request->object2, &reply->parent_before, &reply->parent,
                request->name, sent_ns);
        break;
    case VOLUME_REMOVE:
    case VOLUME_RMDIR:
        changed(whole, request, &request->object, &reply->parent_before, &reply->parent, none,
                sent_ns);
        break;
    case VOLUME_RENAME: {
        bool crosses = !gfid_equal(&request->object, &request->object2);
        changed(whole, request, &request->object, &reply->parent_before, &reply->parent,
                crosses ? none : request->name2, sent_ns);
        if (crosses) {
            changed(whole, request, &request->object2, &reply->parent2_before, &reply->parent2,
                    request->name2, sent_ns);
        }
        break;
    }
    case VOLUME_SETATTR:
    case VOLUME_SETXATTR:
    case VOLUME_REMOVEXATTR:
        seen(whole, request, &reply->object_before, sent_ns);
        break;
    case VOLUME_GETATTR:
    case VOLUME_LOOKUP:
        seen(whole, request, NULL, sent_ns);
        break;
    default:
        break;
    }
}

void whole_directories_recall(struct whole_directories *whole, const struct gfid *object)
{
    if (!whole->slots) {
        return;
    }
    uint64_t number = number_of(object);
    AUTO_LOCK(lock_of(whole, number));
    if (gfid_equal(&whole->slots[number].gfid, object)) {
        drop(&whole->slots[number]);
    }
}
