/*
 * A volume in memory, for tests of frontends: the semantics of volume operations with nothing
 * behind them, so that a test needs no directory and no root. Requests are carried out inside
 * volume_submit, one at a time. Hash tables have a fixed size: it is right at any size, fast up to
 * some ten thousand objects.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/memvolume.h"

#include "backend/base/random.h"
#include "backend/base/scope.h"
#include "backend/proto/limits.h"
#include "gateway/permission.h"

/* Largest file: memory is the machine's. */
#define MEMORY_FILE_MAX (UINT64_C(256) * 1024 * 1024)

/* ---- attr ------------------------------------------------------------------------------------ */

static int memory_getattr(struct memory_volume *memory, struct volume_request *request)
{
    struct memory_node *node;
    int status = memory_find(memory, &request->object, false, &node);
    if (status == 0) {
        request->reply.object = node->attr;
    }
    return status;
}

int memory_resize(struct memory_node *node, uint64_t size)
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

int memory_change_apply(struct memory_volume *memory, struct memory_node *node,
                        const struct attr_change *change)
{
    struct attr *attr = &node->attr;
    uint32_t mask = change->mask;
    if (mask & ATTR_SIZE) {
        int status = memory_resize(node, change->size);
        if (status) {
            return status;
        }
    }
    memory_touch(memory, node, mask & ATTR_SIZE);
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
    struct memory_node *node;
    int status = memory_find(memory, &request->object, false, &node);
    if (status) {
        return status;
    }
    request->reply.object_before = memory_before(node);
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
        status = memory_change_apply(memory, node, &change);
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
    struct memory_node *directory;
    int status = memory_find(memory, &request->object, true, &directory);
    if (status) {
        return status;
    }
    request->reply.parent = directory->attr;
    status = permission_check(&directory->attr, &request->cred, PERMISSION_EXECUTE);
    if (status) {
        return status;
    }
    struct memory_node *found = NULL;
    if (slice_equal(request->name, slice_text("."))) {
        found = directory;
    } else if (slice_equal(request->name, slice_text(".."))) {
        found = memory_node_find(memory, &directory->attr.parent);
    } else {
        struct memory_entry *entry = memory_entry_find(memory, directory, request->name);
        found = entry ? entry->node : NULL;
    }
    if (!found) {
        return -ENOENT;
    }
    request->reply.object = found->attr;
    return 0;
}

int memory_answer_data(struct volume_request *request, const uint8_t *bytes, size_t size)
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
    struct memory_node *node;
    int status = memory_find(memory, &request->object, false, &node);
    if (status) {
        return status;
    }
    request->reply.object = node->attr;
    if (node->attr.type != OBJECT_SYMLINK) {
        return -EINVAL;
    }
    return memory_answer_data(request, node->data, node->attr.size);
}

/* ---- io -------------------------------------------------------------------------------------- */

int memory_find_file(struct memory_volume *memory, struct volume_request *request, unsigned wanted,
                     struct memory_node **out_node)
{
    struct memory_node *node;
    int status = memory_find(memory, &request->object, false, &node);
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
    struct memory_node *node;
    int status = memory_find_file(memory, request, PERMISSION_READ, &node);
    if (status) {
        return status;
    }
    uint64_t left = request->offset < node->attr.size ? node->attr.size - request->offset : 0;
    size_t size = request->count < left ? request->count : left;
    request->reply.count = (uint32_t)size;
    request->reply.eof = size == left;
    request->reply.verifier = memory->verifier;
    return memory_answer_data(request, size ? node->data + request->offset : NULL, size);
}

void memory_wrote(struct memory_volume *memory, struct memory_node *node,
                  const struct volume_request *request)
{
    const struct cred *cred = &request->cred;
    bool kills = cred->flags & CRED_CHECKED ? cred->flags & CRED_KILLS_PRIVILEGE : cred->uid != 0;
    memory_touch(memory, node, true);
    if (kills) {
        node->attr.mode &= (uint32_t)~06000;
    }
}

static int memory_write(struct memory_volume *memory, struct volume_request *request)
{
    struct memory_node *node;
    int status = memory_find_file(memory, request, PERMISSION_WRITE, &node);
    if (status) {
        return status;
    }
    struct reply *reply = &request->reply;
    reply->object_before = memory_before(node);
    uint64_t offset = request->append ? node->attr.size : request->offset;
    size_t size = request->data.size;
    if (size && offset + size > node->attr.size) {
        status = memory_resize(node, offset + size);
    }
    if (status == 0 && size) {
        memcpy(node->data + offset, request->data.data, size);
        memory_wrote(memory, node, request);
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

/* ---- dir and info ---------------------------------------------------------------------------- */

static int memory_readdir(struct memory_volume *memory, struct volume_request *request)
{
    struct memory_node *directory;
    int status = memory_find(memory, &request->object, true, &directory);
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
    const struct memory_entry *at = directory->first;
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
    [VOLUME_GETATTR] = memory_getattr,   [VOLUME_SETATTR] = memory_setattr,
    [VOLUME_ACCESS] = memory_access,     [VOLUME_LOOKUP] = memory_lookup,
    [VOLUME_READLINK] = memory_readlink, [VOLUME_READ] = memory_read,
    [VOLUME_WRITE] = memory_write,       [VOLUME_COMMIT] = memory_commit,
    [VOLUME_CREATE] = memory_make,       [VOLUME_MKDIR] = memory_make,
    [VOLUME_SYMLINK] = memory_make,      [VOLUME_MKNOD] = memory_make,
    [VOLUME_LINK] = memory_link,         [VOLUME_REMOVE] = memory_remove,
    [VOLUME_RMDIR] = memory_remove,      [VOLUME_RENAME] = memory_rename,
    [VOLUME_READDIR] = memory_readdir,   [VOLUME_STATFS] = memory_statfs,
    [VOLUME_TMPFILE] = memory_tmpfile,   [VOLUME_FORGET] = memory_forget,
    [VOLUME_GETXATTR] = memory_getxattr, [VOLUME_LISTXATTR] = memory_listxattr,
    [VOLUME_SETXATTR] = memory_setxattr, [VOLUME_REMOVEXATTR] = memory_setxattr,
    [VOLUME_ALLOCATE] = memory_allocate, [VOLUME_SEEK] = memory_seek,
    [VOLUME_COPY] = memory_copy,
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
        for (struct memory_entry *entry = memory->names[i]; entry;) {
            struct memory_entry *next = entry->next_hashed;
            free(entry);
            entry = next;
        }
    }
    for (size_t i = 0; i < NODE_BUCKETS; i++) {
        while (memory->nodes[i]) {
            memory_node_free(memory, memory->nodes[i]);
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
    struct memory_node *root = memory_node_new(memory, OBJECT_DIRECTORY);
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
