/*
 * A volume in memory, for tests of frontends: the semantics of volume operations with nothing
 * behind them, so that a test needs no directory and no root. Requests are carried out inside
 * volume_submit, one at a time. Hash tables have a fixed size: it is right at any size, fast up to
 * some ten thousand objects.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/volume.h"

#include <linux/fs.h>
#include <pthread.h>
#include <xxhash.h>
#include "backend/base/clock.h"
#include "backend/base/random.h"
#include "backend/base/scope.h"
#include "backend/proto/limits.h"
#include "gateway/permission.h"

#define NODE_BUCKETS 4096
#define NAME_BUCKETS 16384
/* Largest file: memory is the machine's. */
#define MEMORY_FILE_MAX (UINT64_C(256) * 1024 * 1024)

struct entry {
    struct entry *next_hashed;
    struct entry *next, *previous; /* in the directory, by cookie */
    struct node *directory;
    struct node *node;
    uint64_t cookie;
    size_t size;
    char name[];
};

struct node {
    struct node *next_hashed;
    struct attr attr;
    uint8_t *data; /* a file's bytes or a symlink's target */
    size_t capacity;
    struct entry *first, *last;
    bool is_exclusive;
    uint64_t create_verifier;
};

struct memory_volume {
    struct volume volume; /* first */
    pthread_mutex_t lock; /* guards all below; a leaf */
    struct node *nodes[NODE_BUCKETS];
    struct entry *names[NAME_BUCKETS];
    uint64_t next_index, next_cookie, verifier;
    uint64_t last_ns;
};

/* ---- nodes and names ------------------------------------------------------------------------- */

static struct node *node_find(struct memory_volume *memory, const struct gfid *gfid)
{
    struct node *node = memory->nodes[gfid_index(gfid) % NODE_BUCKETS];
    while (node && !gfid_equal(&node->attr.gfid, gfid)) {
        node = node->next_hashed;
    }
    return node;
}

static struct timestamp now(struct memory_volume *memory)
{
    uint64_t wall = clock_wall_ns(clock_real());
    memory->last_ns = wall > memory->last_ns ? wall : memory->last_ns + 1;
    return (struct timestamp){.seconds = (int64_t)(memory->last_ns / NS_PER_S),
                              .nanoseconds = (uint32_t)(memory->last_ns % NS_PER_S)};
}

static void touch(struct memory_volume *memory, struct node *node, bool is_content)
{
    struct timestamp time = now(memory);
    node->attr.ctime = time;
    if (is_content) {
        node->attr.mtime = time;
    }
    node->attr.change++;
}

static struct node *node_new(struct memory_volume *memory, uint32_t type)
{
    struct node *node = calloc(1, sizeof(*node));
    if (!node) {
        return NULL;
    }
    uint64_t index = memory->next_index++;
    struct timestamp time = now(memory);
    node->attr = (struct attr){
        .type = type,
        .nlink = type == OBJECT_DIRECTORY ? 2 : 1,
        .gfid = index == gfid_index(&GFID_ROOT) ? GFID_ROOT : gfid_make(0, 1, index),
        .atime = time,
        .mtime = time,
        .ctime = time,
        .btime = time,
    };
    struct node **bucket = &memory->nodes[index % NODE_BUCKETS];
    node->next_hashed = *bucket;
    *bucket = node;
    return node;
}

static void node_free(struct memory_volume *memory, struct node *node)
{
    struct node **at = &memory->nodes[gfid_index(&node->attr.gfid) % NODE_BUCKETS];
    while (*at != node) {
        at = &(*at)->next_hashed;
    }
    *at = node->next_hashed;
    free(node->data);
    free(node);
}

static struct entry **name_bucket(struct memory_volume *memory, const struct node *directory,
                                  struct slice name)
{
    uint64_t hash = XXH3_64bits_withSeed(name.data, name.size, gfid_index(&directory->attr.gfid));
    return &memory->names[hash % NAME_BUCKETS];
}

static struct entry *entry_find(struct memory_volume *memory, const struct node *directory,
                                struct slice name)
{
    struct entry *entry = *name_bucket(memory, directory, name);
    while (entry && !(entry->directory == directory &&
                      slice_equal(slice_of(entry->name, entry->size), name))) {
        entry = entry->next_hashed;
    }
    return entry;
}

static int entry_add(struct memory_volume *memory, struct node *directory, struct slice name,
                     struct node *node)
{
    struct entry *entry = malloc(sizeof(*entry) + name.size + 1);
    if (!entry) {
        return -ENOMEM;
    }
    struct entry **bucket = name_bucket(memory, directory, name);
    *entry = (struct entry){
        .next_hashed = *bucket,
        .previous = directory->last,
        .directory = directory,
        .node = node,
        .cookie = memory->next_cookie++,
        .size = name.size,
    };
    memcpy(entry->name, name.data, name.size);
    entry->name[name.size] = '\0';
    *bucket = entry;
    *(directory->last ? &directory->last->next : &directory->first) = entry;
    directory->last = entry;
    directory->attr.size += name.size + 32;
    if (node->attr.type == OBJECT_DIRECTORY) {
        directory->attr.nlink++;
        node->attr.parent = directory->attr.gfid;
    }
    touch(memory, directory, true);
    return 0;
}

static void entry_remove(struct memory_volume *memory, struct entry *entry)
{
    struct node *directory = entry->directory;
    struct entry **at = name_bucket(memory, directory, slice_of(entry->name, entry->size));
    while (*at != entry) {
        at = &(*at)->next_hashed;
    }
    *at = entry->next_hashed;
    *(entry->previous ? &entry->previous->next : &directory->first) = entry->next;
    *(entry->next ? &entry->next->previous : &directory->last) = entry->previous;
    directory->attr.size -= entry->size + 32;
    if (entry->node->attr.type == OBJECT_DIRECTORY) {
        directory->attr.nlink--;
    }
    touch(memory, directory, true);
    free(entry);
}

static struct attr_before before_of(const struct node *node)
{
    return (struct attr_before){.present = true,
                                .size = node->attr.size,
                                .mtime = node->attr.mtime,
                                .ctime = node->attr.ctime};
}

/* The node of a gfid, a directory if it must be one. */
static int find(struct memory_volume *memory, const struct gfid *gfid, bool is_directory,
                struct node **out_node)
{
    struct node *node = node_find(memory, gfid);
    if (!node) {
        return -ESTALE;
    }
    if (is_directory && node->attr.type != OBJECT_DIRECTORY) {
        return -ENOTDIR;
    }
    *out_node = node;
    return 0;
}

/* ---- attr ------------------------------------------------------------------------------------ */

static int memory_getattr(struct memory_volume *memory, struct volume_request *request)
{
    struct node *node;
    int status = find(memory, &request->object, false, &node);
    if (status == 0) {
        request->reply.object = node->attr;
    }
    return status;
}

static int resize(struct node *node, uint64_t size)
{
    if (node->attr.type != OBJECT_FILE) {
        return node->attr.type == OBJECT_DIRECTORY ? -EISDIR : -EINVAL;
    }
    if (size > MEMORY_FILE_MAX) {
        return -EFBIG;
    }
    if (size > node->capacity) {
        size_t capacity = size * 2;
        uint8_t *data = realloc(node->data, capacity);
        if (!data) {
            return -ENOSPC;
        }
        node->data = data;
        node->capacity = capacity;
    }
    if (size > node->attr.size) {
        memset(node->data + node->attr.size, 0, size - node->attr.size);
    }
    node->attr.size = size;
    node->attr.used = (size + 511) / 512 * 512;
    return 0;
}

static int change_apply(struct memory_volume *memory, struct node *node,
                        const struct attr_change *change)
{
    struct attr *attr = &node->attr;
    uint32_t mask = change->mask;
    if (mask & ATTR_SIZE) {
        int status = resize(node, change->size);
        if (status) {
            return status;
        }
    }
    touch(memory, node, mask & ATTR_SIZE);
    if (mask & (ATTR_UID | ATTR_GID) && attr->type != OBJECT_DIRECTORY) {
        attr->mode &= (uint32_t)~06000; /* POSIX chown */
    }
    attr->mode = mask & ATTR_MODE ? change->mode & 07777 : attr->mode;
    attr->uid = mask & ATTR_UID ? change->uid : attr->uid;
    attr->gid = mask & ATTR_GID ? change->gid : attr->gid;
    attr->atime = mask & ATTR_ATIME ? change->atime : attr->atime;
    attr->mtime = mask & ATTR_MTIME ? change->mtime : attr->mtime;
    attr->atime = mask & ATTR_ATIME_NOW ? attr->ctime : attr->atime;
    attr->mtime = mask & ATTR_MTIME_NOW ? attr->ctime : attr->mtime;
    return 0;
}

static int memory_setattr(struct memory_volume *memory, struct volume_request *request)
{
    struct node *node;
    int status = find(memory, &request->object, false, &node);
    if (status) {
        return status;
    }
    request->reply.object_before = before_of(node);
    struct attr_change change = request->change;
    if (request->guarded && timestamp_compare(&request->guard, &node->attr.ctime) != 0) {
        status = -E_GUARD_FAILED;
    } else {
        status = permission_check_change(&node->attr, &request->cred, &change);
    }
    if (status == 0 && change.mask & ATTR_MODE && node->attr.type == OBJECT_SYMLINK) {
        status = -EOPNOTSUPP;
    }
    if (status == 0) {
        status = change_apply(memory, node, &change);
    }
    request->reply.object = node->attr;
    return status;
}

static int memory_access(struct memory_volume *memory, struct volume_request *request)
{
    int status = memory_getattr(memory, request);
    if (status == 0) {
        request->reply.count =
            permission_rights(&request->reply.object, &request->cred, request->rights);
    }
    return status;
}

/* ---- name ------------------------------------------------------------------------------------ */

static int memory_lookup(struct memory_volume *memory, struct volume_request *request)
{
    struct node *directory;
    int status = find(memory, &request->object, true, &directory);
    if (status) {
        return status;
    }
    request->reply.parent = directory->attr;
    status = permission_check(&directory->attr, &request->cred, PERMISSION_EXECUTE);
    if (status) {
        return status;
    }
    struct node *found = NULL;
    if (slice_equal(request->name, slice_text("."))) {
        found = directory;
    } else if (slice_equal(request->name, slice_text(".."))) {
        found = node_find(memory, &directory->attr.parent);
    } else {
        struct entry *entry = entry_find(memory, directory, request->name);
        found = entry ? entry->node : NULL;
    }
    if (!found) {
        return -ENOENT;
    }
    request->reply.object = found->attr;
    return 0;
}

/* A copy of the bytes for reply.data: they may change as soon as the lock is given up. */
static int answer_data(struct volume_request *request, const uint8_t *bytes, size_t size)
{
    request->kept = malloc(size ? size : 1);
    if (!request->kept) {
        return -ENOMEM;
    }
    if (size) {
        memcpy(request->kept, bytes, size);
    }
    request->reply.data = slice_of(request->kept, size);
    return 0;
}

static int memory_readlink(struct memory_volume *memory, struct volume_request *request)
{
    struct node *node;
    int status = find(memory, &request->object, false, &node);
    if (status) {
        return status;
    }
    request->reply.object = node->attr;
    if (node->attr.type != OBJECT_SYMLINK) {
        return -EINVAL;
    }
    return answer_data(request, node->data, node->attr.size);
}

/* ---- io -------------------------------------------------------------------------------------- */

static int find_file(struct memory_volume *memory, struct volume_request *request, unsigned wanted,
                     struct node **out_node)
{
    struct node *node;
    int status = find(memory, &request->object, false, &node);
    if (status) {
        return status;
    }
    request->reply.object = node->attr;
    if (node->attr.type != OBJECT_FILE) {
        return node->attr.type == OBJECT_DIRECTORY ? -EISDIR : -EINVAL;
    }
    *out_node = node;
    return permission_check_io(&node->attr, &request->cred, wanted);
}

static int memory_read(struct memory_volume *memory, struct volume_request *request)
{
    struct node *node;
    int status = find_file(memory, request, PERMISSION_READ, &node);
    if (status) {
        return status;
    }
    uint64_t left = request->offset < node->attr.size ? node->attr.size - request->offset : 0;
    size_t size = request->count < left ? request->count : left;
    request->reply.count = (uint32_t)size;
    request->reply.eof = size == left;
    request->reply.verifier = memory->verifier;
    return answer_data(request, size ? node->data + request->offset : NULL, size);
}

static int memory_write(struct memory_volume *memory, struct volume_request *request)
{
    struct node *node;
    int status = find_file(memory, request, PERMISSION_WRITE, &node);
    if (status) {
        return status;
    }
    struct reply *reply = &request->reply;
    reply->object_before = before_of(node);
    uint64_t offset = request->append ? node->attr.size : request->offset;
    size_t size = request->data.size;
    if (size && offset + size > node->attr.size) {
        status = resize(node, offset + size);
    }
    if (status == 0 && size) {
        memcpy(node->data + offset, request->data.data, size);
        touch(memory, node, true);
        if (request->cred.uid != 0) {
            node->attr.mode &= (uint32_t)~06000;
        }
    }
    reply->object = node->attr;
    reply->count = (uint32_t)size;
    reply->committed = request->stable;
    reply->verifier = memory->verifier;
    return status;
}

static int memory_commit(struct memory_volume *memory, struct volume_request *request)
{
    request->reply.verifier = memory->verifier;
    return memory_getattr(memory, request);
}

/* ---- make ------------------------------------------------------------------------------------ */

static uint32_t type_made(const struct volume_request *request)
{
    switch ((int)request->op) {
    case VOLUME_CREATE:
        return OBJECT_FILE;
    case VOLUME_MKDIR:
        return OBJECT_DIRECTORY;
    case VOLUME_SYMLINK:
        return OBJECT_SYMLINK;
    default:
        return request->type;
    }
}

static int create_existing(struct memory_volume *memory, struct volume_request *request,
                           struct node *node)
{
    if (request->op != VOLUME_CREATE || request->how == VOLUME_CREATE_GUARDED ||
        node->attr.type != OBJECT_FILE) {
        return -EEXIST;
    }
    int status = 0;
    if (request->how == VOLUME_CREATE_EXCLUSIVE) {
        bool is_same = node->is_exclusive && node->create_verifier == request->verifier;
        status = is_same ? 0 : -EEXIST;
    } else if (request->change.mask & ATTR_SIZE) {
        const struct attr_change size = {.mask = ATTR_SIZE, .size = request->change.size};
        status = permission_check_io(&node->attr, &request->cred, PERMISSION_WRITE);
        status = status ? status : change_apply(memory, node, &size);
    }
    if (status == 0) {
        request->reply.object = node->attr;
    }
    return status;
}

static int fill_node(struct memory_volume *memory, struct node *node, const struct node *directory,
                     const struct volume_request *request)
{
    permission_inherit(&directory->attr, &request->cred, &request->change, node->attr.type,
                       &node->attr);
    node->attr.device_major = request->op == VOLUME_MKNOD ? request->device_major : 0;
    node->attr.device_minor = request->op == VOLUME_MKNOD ? request->device_minor : 0;
    if (request->op == VOLUME_SYMLINK) {
        node->data = malloc(request->target.size);
        if (!node->data) {
            return -ENOMEM;
        }
        memcpy(node->data, request->target.data, request->target.size);
        node->attr.size = request->target.size;
    }
    if (request->op == VOLUME_CREATE && request->how == VOLUME_CREATE_EXCLUSIVE) {
        node->is_exclusive = true;
        node->create_verifier = request->verifier;
        return 0;
    }
    struct attr_change rest = request->change;
    rest.mask &= ATTR_ATIME | ATTR_MTIME | (request->op == VOLUME_CREATE ? ATTR_SIZE : 0);
    return change_apply(memory, node, &rest);
}

static int make_new(struct memory_volume *memory, struct volume_request *request,
                    struct node *directory)
{
    uint32_t type = type_made(request);
    bool is_device = type == OBJECT_BLOCK || type == OBJECT_CHARACTER;
    if (type == OBJECT_NONE || type > OBJECT_FIFO) {
        return -EINVAL;
    }
    if (is_device && request->cred.uid != 0 && !(request->cred.flags & CRED_CHECKED)) {
        return -EPERM;
    }
    struct node *node = node_new(memory, type);
    if (!node) {
        return -ENOMEM;
    }
    int status = fill_node(memory, node, directory, request);
    if (status == 0) {
        status = entry_add(memory, directory, request->name, node);
    }
    if (status) {
        node_free(memory, node);
        return status;
    }
    request->reply.object = node->attr;
    return 0;
}

static int memory_make(struct memory_volume *memory, struct volume_request *request)
{
    struct node *directory;
    int status = find(memory, &request->object, true, &directory);
    if (status) {
        return status;
    }
    request->reply.parent_before = before_of(directory);
    status = permission_check(&directory->attr, &request->cred, PERMISSION_EXECUTE);
    struct entry *entry = status ? NULL : entry_find(memory, directory, request->name);
    if (entry) {
        status = create_existing(memory, request, entry->node);
    } else if (status == 0) {
        status = permission_check(&directory->attr, &request->cred, PERMISSION_WRITE);
        status = status ? status : make_new(memory, request, directory);
    }
    request->reply.parent = directory->attr;
    return status;
}

static int memory_link(struct memory_volume *memory, struct volume_request *request)
{
    struct node *node;
    struct node *directory;
    int status = find(memory, &request->object, false, &node);
    status = status ? status : find(memory, &request->object2, true, &directory);
    if (status) {
        return status;
    }
    request->reply.parent_before = before_of(directory);
    status = permission_check(&directory->attr, &request->cred,
                              PERMISSION_WRITE | PERMISSION_EXECUTE);
    if (status == 0 && node->attr.type == OBJECT_DIRECTORY) {
        status = -EPERM;
    }
    if (status == 0 && entry_find(memory, directory, request->name)) {
        status = -EEXIST;
    }
    status = status ? status : entry_add(memory, directory, request->name, node);
    if (status == 0) {
        node->attr.nlink++;
        touch(memory, node, false);
    }
    request->reply.object = node->attr;
    request->reply.parent = directory->attr;
    return status;
}

/* ---- remove ---------------------------------------------------------------------------------- */

/* A name went: the node with it if it was the last. Returns its attributes after. */
static struct attr drop(struct memory_volume *memory, struct node *node)
{
    node->attr.nlink = node->attr.type == OBJECT_DIRECTORY ? 0 : node->attr.nlink - 1;
    touch(memory, node, false);
    struct attr attr = node->attr;
    if (attr.nlink == 0) {
        node_free(memory, node);
    }
    return attr;
}

/* Whether this entry may be removed as a directory or as anything else. */
static int check_kind(const struct node *node, bool is_rmdir)
{
    bool is_directory = node->attr.type == OBJECT_DIRECTORY;
    if (is_rmdir != is_directory) {
        return is_directory ? -EISDIR : -ENOTDIR;
    }
    return is_directory && node->first ? -ENOTEMPTY : 0;
}

static int memory_remove(struct memory_volume *memory, struct volume_request *request)
{
    struct node *directory;
    int status = find(memory, &request->object, true, &directory);
    if (status) {
        return status;
    }
    struct reply *reply = &request->reply;
    reply->parent_before = before_of(directory);
    reply->parent = directory->attr;
    status = permission_check(&directory->attr, &request->cred, PERMISSION_EXECUTE);
    struct entry *entry = status ? NULL : entry_find(memory, directory, request->name);
    if (!entry) {
        return status ? status : -ENOENT;
    }
    struct node *node = entry->node;
    status = permission_check_remove(&directory->attr, &node->attr, &request->cred);
    status = status ? status : check_kind(node, request->op == VOLUME_RMDIR);
    if (status) {
        return status;
    }
    entry_remove(memory, entry);
    reply->object = drop(memory, node);
    reply->parent = directory->attr;
    return 0;
}

/* Whether a directory would come to lie below itself. */
static bool is_below(struct memory_volume *memory, struct node *directory, const struct node *above)
{
    while (directory && directory != above && !gfid_is_root(&directory->attr.gfid)) {
        directory = node_find(memory, &directory->attr.parent);
    }
    return directory == above;
}

static int check_rename(struct memory_volume *memory, const struct volume_request *request,
                        const struct entry *entry, struct node *to, const struct entry *replaced)
{
    const struct cred *cred = &request->cred;
    int status = permission_check_remove(&entry->directory->attr, &entry->node->attr, cred);
    status = status ? status
                    : permission_check(&to->attr, cred, PERMISSION_WRITE | PERMISSION_EXECUTE);
    if (status) {
        return status;
    }
    bool is_directory = entry->node->attr.type == OBJECT_DIRECTORY;
    if (is_directory && is_below(memory, to, entry->node)) {
        return -EINVAL;
    }
    if (!replaced) {
        return request->flags & RENAME_EXCHANGE ? -ENOENT : 0;
    }
    if (request->flags & RENAME_NOREPLACE) {
        return -EEXIST;
    }
    status = permission_check_remove(&to->attr, &replaced->node->attr, cred);
    if (status || request->flags & RENAME_EXCHANGE) {
        return status;
    }
    return check_kind(replaced->node, is_directory);
}

static int exchange(struct memory_volume *memory, struct entry *a, struct entry *b)
{
    struct node *node = a->node;
    bool crosses = a->directory != b->directory;
    uint32_t a_links = node->attr.type == OBJECT_DIRECTORY;
    uint32_t b_links = b->node->attr.type == OBJECT_DIRECTORY;
    a->node = b->node;
    b->node = node;
    if (crosses) {
        a->directory->attr.nlink += b_links - a_links;
        b->directory->attr.nlink += a_links - b_links;
        a->node->attr.parent = b_links ? a->directory->attr.gfid : GFID_NONE;
        b->node->attr.parent = a_links ? b->directory->attr.gfid : GFID_NONE;
    }
    touch(memory, a->node, false);
    touch(memory, b->node, false);
    touch(memory, a->directory, true);
    touch(memory, b->directory, true);
    return 0;
}

static int rename_entry(struct memory_volume *memory, struct volume_request *request,
                        struct node *from, struct node *to)
{
    struct entry *entry = entry_find(memory, from, request->name);
    struct entry *replaced = entry_find(memory, to, request->name2);
    if (!entry) {
        return -ENOENT;
    }
    int status = check_rename(memory, request, entry, to, replaced);
    if (status) {
        return status;
    }
    struct node *node = entry->node;
    if (replaced && replaced->node == node) {
        return 0; /* POSIX: two names of one object stay */
    }
    if (request->flags & RENAME_EXCHANGE) {
        return exchange(memory, entry, replaced);
    }
    struct node *gone = replaced ? replaced->node : NULL;
    status = entry_add(memory, to, request->name2, node);
    if (status) {
        return status;
    }
    if (replaced) {
        entry_remove(memory, replaced);
        (void)drop(memory, gone); /* its attributes are nobody's */
    }
    entry_remove(memory, entry);
    touch(memory, node, false);
    return 0;
}

static int memory_rename(struct memory_volume *memory, struct volume_request *request)
{
    struct node *from;
    struct node *to;
    struct reply *reply = &request->reply;
    int status = find(memory, &request->object, true, &from);
    status = status ? status : find(memory, &request->object2, true, &to);
    if (status) {
        return status;
    }
    reply->parent_before = before_of(from);
    reply->parent2_before = before_of(to);
    status = request->flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE) ? -EINVAL : 0;
    if (status == 0) {
        status = permission_check(&from->attr, &request->cred, PERMISSION_EXECUTE);
    }
    if (status == 0) {
        status = rename_entry(memory, request, from, to);
    }
    reply->parent = from->attr;
    reply->parent2 = to->attr;
    return status;
}

/* ---- dir and info ---------------------------------------------------------------------------- */

static int memory_readdir(struct memory_volume *memory, struct volume_request *request)
{
    struct node *directory;
    int status = find(memory, &request->object, true, &directory);
    if (status) {
        return status;
    }
    struct reply *reply = &request->reply;
    reply->object = directory->attr;
    status = permission_check(&directory->attr, &request->cred, PERMISSION_READ);
    if (status) {
        return status;
    }
    uint8_t *room = request->kept = malloc(request->count);
    if (!room) {
        return -ENOMEM;
    }
    size_t used = 0;
    const struct entry *at = directory->first;
    while (at && at->cookie <= request->cookie) {
        at = at->next;
    }
    for (; at; at = at->next) {
        struct dirent_entry entry = {.cookie = at->cookie,
                                     .gfid = at->node->attr.gfid,
                                     .type = at->node->attr.type,
                                     .name = slice_of(at->name, at->size)};
        if (request->with_attr) {
            entry.attr = at->node->attr;
        }
        if (dirent_pack(room, request->count, &used, &entry)) {
            break;
        }
    }
    reply->eof = !at;
    reply->data = slice_of(room, used);
    return at && used == 0 ? -EINVAL : 0;
}

static int memory_statfs(struct memory_volume *memory, struct volume_request *request)
{
    request->reply.statfs = (struct statfs_info){
        .present = true,
        .bytes_total = 4 * MEMORY_FILE_MAX,
        .bytes_free = 4 * MEMORY_FILE_MAX,
        .bytes_available = 4 * MEMORY_FILE_MAX,
        .files_total = UINT32_MAX,
        .files_free = UINT32_MAX - memory->next_index,
        .name_max = NAME_SIZE_MAX,
    };
    return memory_getattr(memory, request);
}

/* ---- the volume ------------------------------------------------------------------------------ */

static int (*const memory_ops[VOLUME_OP_COUNT])(struct memory_volume *, struct volume_request *) = {
    [VOLUME_GETATTR] = memory_getattr, [VOLUME_SETATTR] = memory_setattr,
    [VOLUME_ACCESS] = memory_access,   [VOLUME_LOOKUP] = memory_lookup,
    [VOLUME_READLINK] = memory_readlink, [VOLUME_READ] = memory_read,
    [VOLUME_WRITE] = memory_write,     [VOLUME_COMMIT] = memory_commit,
    [VOLUME_CREATE] = memory_make,     [VOLUME_MKDIR] = memory_make,
    [VOLUME_SYMLINK] = memory_make,    [VOLUME_MKNOD] = memory_make,
    [VOLUME_LINK] = memory_link,       [VOLUME_REMOVE] = memory_remove,
    [VOLUME_RMDIR] = memory_remove,    [VOLUME_RENAME] = memory_rename,
    [VOLUME_READDIR] = memory_readdir, [VOLUME_STATFS] = memory_statfs,
};

static void memory_submit(struct volume *volume, struct volume_request *request)
{
    struct memory_volume *memory = (struct memory_volume *)volume;
    request->reply = (struct reply){0};
    {
        AUTO_LOCK(&memory->lock);
        request->reply.status = memory_ops[request->op](memory, request);
    }
    if (request->reply.status) {
        request->reply.data = (struct slice){0};
    }
    /* complete may free the request, so the data's memory is taken out first. */
    AUTO_FREE void *room = request->keep ? NULL : TAKE(request->kept);
    volume_complete(request);
}

static void memory_cancel(struct volume *volume, struct volume_request *request)
{
    (void)volume; /* nothing is ever under way: submit completes */
    (void)request;
}

static void memory_cancel_all(struct volume *volume, int status)
{
    (void)volume; /* as above */
    (void)status;
}

static bool memory_answers(const struct volume *volume)
{
    (void)volume; /* memory always answers */
    return true;
}

static void memory_release(struct volume_request *request)
{
    free(request->kept);
}

static void memory_stats(const struct volume *volume, struct volume_stats *out_stats)
{
    (void)volume; /* no connection: nothing to add */
    (void)out_stats;
}

static void memory_close(struct volume *volume)
{
    struct memory_volume *memory = (struct memory_volume *)volume;
    for (size_t i = 0; i < NAME_BUCKETS; i++) {
        for (struct entry *entry = memory->names[i]; entry;) {
            struct entry *next = entry->next_hashed;
            free(entry);
            entry = next;
        }
    }
    for (size_t i = 0; i < NODE_BUCKETS; i++) {
        while (memory->nodes[i]) {
            node_free(memory, memory->nodes[i]);
        }
    }
    pthread_mutex_destroy(&memory->lock);
    free(memory);
}

static const struct volume_ops memory_volume_ops = {
    .submit = memory_submit,
    .cancel = memory_cancel,
    .cancel_all = memory_cancel_all,
    .answers = memory_answers,
    .release = memory_release,
    .stats = memory_stats,
    .close = memory_close,
};

int memory_volume_open(struct volume **out_volume)
{
    struct memory_volume *memory = calloc(1, sizeof(*memory));
    if (!memory) {
        return -ENOMEM;
    }
    memory->volume.ops = &memory_volume_ops;
    memory->next_index = gfid_index(&GFID_ROOT);
    memory->next_cookie = COOKIE_FIRST;
    memory->verifier = random_id();
    struct node *root = node_new(memory, OBJECT_DIRECTORY);
    if (!root) {
        free(memory);
        return -ENOMEM;
    }
    root->attr.mode = 0755;
    root->attr.parent = GFID_ROOT;
    memcpy(memory->volume.spec.name, "memory", sizeof("memory"));
    random_bytes(memory->volume.spec.id.bytes, sizeof(memory->volume.spec.id.bytes));
    random_bytes(memory->volume.spec.handle_key, sizeof(memory->volume.spec.handle_key));
    memory->volume.spec.started = true;
    pthread_mutex_init(&memory->lock, NULL);
    *out_volume = &memory->volume;
    return 0;
}
