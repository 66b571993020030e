/*
 * A volume in memory: the operations that change names, from CREATE to RENAME.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/memvolume.h"

#include <linux/fs.h>
#include <stdlib.h>
#include "gateway/permission.h"

/* ---- make ------------------------------------------------------------------------------------ */

static uint32_t type_made(const struct volume_request *request)
{
    switch ((int)request->op) {
    case VOLUME_CREATE:
    case VOLUME_TMPFILE:
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
                           struct memory_node *node)
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
        status = status ? status : memory_change_apply(memory, node, &size);
    }
    if (status == 0) {
        request->reply.object = node->attr;
    }
    return status;
}

static int fill_node(struct memory_volume *memory, struct memory_node *node,
                     const struct memory_node *directory, const struct volume_request *request)
{
    permission_inherit(&directory->attr, &request->cred, &request->change, node->attr.type,
                       &node->attr);
    node->attr.mode &= ~request->umask;
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
    return memory_change_apply(memory, node, &rest);
}

static int make_new(struct memory_volume *memory, struct volume_request *request,
                    struct memory_node *directory)
{
    uint32_t type = type_made(request);
    bool is_device = type == OBJECT_BLOCK || type == OBJECT_CHARACTER;
    if (type == OBJECT_NONE || type > OBJECT_FIFO) {
        return -EINVAL;
    }
    if (is_device && request->cred.uid != 0 && !(request->cred.flags & CRED_CHECKED)) {
        return -EPERM;
    }
    struct memory_node *node = memory_node_new(memory, type);
    if (!node) {
        return -ENOMEM;
    }
    int status = fill_node(memory, node, directory, request);
    if (status == 0 && request->op != VOLUME_TMPFILE) {
        status = memory_entry_add(memory, directory, request->name, node);
    } else {
        node->attr.nlink = 0;
        node->is_linkable = true;
    }
    if (status) {
        memory_node_free(memory, node);
        return status;
    }
    request->reply.object = node->attr;
    return 0;
}

int memory_make(struct memory_volume *memory, struct volume_request *request)
{
    struct memory_node *directory;
    int status = memory_find(memory, &request->object, true, &directory);
    if (status) {
        return status;
    }
    request->reply.parent_before = memory_before(directory);
    status = permission_check(&directory->attr, &request->cred, PERMISSION_EXECUTE);
    struct memory_entry *entry =
        status ? NULL : memory_entry_find(memory, directory, request->name);
    if (entry) {
        status = create_existing(memory, request, entry->node);
    } else if (status == 0) {
        status = permission_check(&directory->attr, &request->cred, PERMISSION_WRITE);
        status = status ? status : make_new(memory, request, directory);
    }
    request->reply.parent = directory->attr;
    return status;
}

int memory_tmpfile(struct memory_volume *memory, struct volume_request *request)
{
    struct memory_node *directory;
    int status = memory_find(memory, &request->object, true, &directory);
    if (status == 0) {
        status = permission_check(&directory->attr, &request->cred,
                                  PERMISSION_WRITE | PERMISSION_EXECUTE);
    }
    return status ? status : make_new(memory, request, directory);
}

int memory_link(struct memory_volume *memory, struct volume_request *request)
{
    struct memory_node *node;
    struct memory_node *directory;
    int status = memory_find(memory, &request->object, false, &node);
    status = status ? status : memory_find(memory, &request->object2, true, &directory);
    if (status) {
        return status;
    }
    request->reply.parent_before = memory_before(directory);
    status =
        permission_check(&directory->attr, &request->cred, PERMISSION_WRITE | PERMISSION_EXECUTE);
    if (status == 0 && node->attr.type == OBJECT_DIRECTORY) {
        status = -EPERM;
    }
    if (status == 0 && memory_entry_find(memory, directory, request->name)) {
        status = -EEXIST;
    }
    if (status == 0 && node->attr.nlink == 0 && !node->is_linkable) {
        status = -ENOENT; /* what has lost its last name gets none any more */
    }
    status = status ? status : memory_entry_add(memory, directory, request->name, node);
    if (status == 0) {
        node->attr.nlink++;
        node->is_linkable = false;
        memory_touch(memory, node, false);
    }
    request->reply.object = node->attr;
    request->reply.parent = directory->attr;
    return status;
}

/* ---- remove ---------------------------------------------------------------------------------- */

/* A name went: the node with it if it was the last. Returns its attributes after. */
static struct attr drop(struct memory_volume *memory, struct memory_node *node, bool keeps)
{
    node->attr.nlink = node->attr.type == OBJECT_DIRECTORY ? 0 : node->attr.nlink - 1;
    memory_touch(memory, node, false);
    struct attr attr = node->attr;
    if (attr.nlink == 0 && !keeps) {
        memory_node_free(memory, node);
    }
    return attr;
}

/* Whether this entry may be removed as a directory or as anything else. */
static int check_kind(const struct memory_node *node, bool is_rmdir)
{
    bool is_directory = node->attr.type == OBJECT_DIRECTORY;
    if (is_rmdir != is_directory) {
        return is_directory ? -EISDIR : -ENOTDIR;
    }
    return is_directory && node->first ? -ENOTEMPTY : 0;
}

int memory_remove(struct memory_volume *memory, struct volume_request *request)
{
    struct memory_node *directory;
    int status = memory_find(memory, &request->object, true, &directory);
    if (status) {
        return status;
    }
    struct reply *reply = &request->reply;
    reply->parent_before = memory_before(directory);
    reply->parent = directory->attr;
    status = permission_check(&directory->attr, &request->cred, PERMISSION_EXECUTE);
    struct memory_entry *entry =
        status ? NULL : memory_entry_find(memory, directory, request->name);
    if (!entry) {
        return status ? status : -ENOENT;
    }
    struct memory_node *node = entry->node;
    status = permission_check_remove(&directory->attr, &node->attr, &request->cred);
    status = status ? status : check_kind(node, request->op == VOLUME_RMDIR);
    if (status) {
        return status;
    }
    memory_entry_remove(memory, entry);
    reply->object = drop(memory, node, request->keep_open && node->attr.type != OBJECT_DIRECTORY);
    reply->parent = directory->attr;
    return 0;
}

/* Whether a directory would come to lie below itself. */
static bool is_below(struct memory_volume *memory, struct memory_node *directory,
                     const struct memory_node *above)
{
    while (directory && directory != above && !gfid_is_root(&directory->attr.gfid)) {
        directory = memory_node_find(memory, &directory->attr.parent);
    }
    return directory == above;
}

static int check_rename(struct memory_volume *memory, const struct volume_request *request,
                        const struct memory_entry *entry, struct memory_node *to,
                        const struct memory_entry *replaced)
{
    const struct cred *cred = &request->cred;
    int status = permission_check_remove(&entry->directory->attr, &entry->node->attr, cred);
    status =
        status ? status : permission_check(&to->attr, cred, PERMISSION_WRITE | PERMISSION_EXECUTE);
    if (status) {
        return status;
    }
    bool is_directory = entry->node->attr.type == OBJECT_DIRECTORY;
    bool exchanges = replaced && request->flags & RENAME_EXCHANGE;
    if ((is_directory && is_below(memory, to, entry->node)) ||
        (exchanges && is_below(memory, entry->directory, replaced->node))) {
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

static int exchange(struct memory_volume *memory, struct memory_entry *a, struct memory_entry *b)
{
    struct memory_node *node = a->node;
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
    memory_touch(memory, a->node, false);
    memory_touch(memory, b->node, false);
    memory_touch(memory, a->directory, true);
    memory_touch(memory, b->directory, true);
    return 0;
}

static int rename_entry(struct memory_volume *memory, struct volume_request *request,
                        struct memory_node *from, struct memory_node *to)
{
    struct memory_entry *entry = memory_entry_find(memory, from, request->name);
    struct memory_entry *replaced = memory_entry_find(memory, to, request->name2);
    if (!entry) {
        return -ENOENT;
    }
    int status = check_rename(memory, request, entry, to, replaced);
    if (status) {
        return status;
    }
    struct memory_node *node = entry->node;
    if (replaced && replaced->node == node) {
        return 0; /* POSIX: two names of one object stay */
    }
    if (request->flags & RENAME_EXCHANGE) {
        return exchange(memory, entry, replaced);
    }
    struct memory_node *gone = replaced ? replaced->node : NULL;
    status = memory_entry_add(memory, to, request->name2, node);
    if (status) {
        return status;
    }
    if (replaced) {
        memory_entry_remove(memory, replaced);
        bool keeps = request->keep_open && gone->attr.type != OBJECT_DIRECTORY;
        request->reply.replaced = drop(memory, gone, keeps);
    }
    memory_entry_remove(memory, entry);
    memory_touch(memory, node, false);
    return 0;
}

int memory_rename(struct memory_volume *memory, struct volume_request *request)
{
    struct memory_node *from;
    struct memory_node *to;
    struct reply *reply = &request->reply;
    int status = memory_find(memory, &request->object, true, &from);
    status = status ? status : memory_find(memory, &request->object2, true, &to);
    if (status) {
        return status;
    }
    reply->parent_before = memory_before(from);
    reply->parent2_before = memory_before(to);
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

/* What was kept without a name. */
int memory_forget(struct memory_volume *memory, struct volume_request *request)
{
    struct memory_node *node = memory_node_find(memory, &request->object);
    if (!node || node->attr.nlink > 0) {
        return -ESTALE;
    }
    memory_node_free(memory, node);
    return 0;
}
