/*
 * Extended attributes and ACLs in the tree, where an administrator looks for them.
 *
 * Each operation changes the one that it names, to the value that it carries, so that repeating it
 * is harmless, and a directory has the default ACL that was decided on when something is made in
 * it. What the file system refuses (ext4 has 4 KiB for all of an inode, a mount without ACLs has
 * none) is not shown there: then all that the object has is in a file of .trivet/xattrs. The index
 * answers in any case.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/proto/acl.h"
#include "backend/proto/xattr.h"
#include "backend/store/durable.h"
#include "backend/store/posix.h"

/* Where inodes are small, a directory's keeps room for names of equal hash (posix_order_set) … */
#define ROOM_NAME XATTR_OWN_PREFIX "room"
#define ROOM_SIZE ((COOKIE_ORDERS - 1) * (NAME_SIZE_MAX + 56))
/* … and no ACL is shown that could fill, by inheritance and twice, a new directory's. */
#define SMALL_ACL_MAX 512
/* Linux's of XFS; not in linux/magic.h. */
#define XFS_MAGIC 0x58465342

/* A node of the tree. */
struct node {
    struct posix_store *posix;
    const struct attr *attr; /* as of the operation */
    int fd;
    bool hides; /* something was refused */
};

struct xattr_text {
    char text[XATTR_NAME_MAX_SIZE + 1];
};

static struct xattr_text xattr_text(struct slice name)
{
    struct xattr_text text;
    memcpy(text.text, name.data, name.size);
    text.text[name.size] = '\0';
    return text;
}

/* Does the file system not want it, whatever its reason? What fails otherwise is the disk. */
static bool is_refusal(int result)
{
    switch (result) {
    case -ENOSPC:
    case -E2BIG:
    case -ERANGE:
    case -EDQUOT:
    case -EOPNOTSUPP:
    case -EINVAL: /* of security.*: no value that this kernel knows */
    case -EPERM:
    case -EACCES:
        return true;
    default:
        return false;
    }
}

/* ---- one attribute ------------------------------------------------------------------------- */

/* Names under which XFS shows its ACLs once more: a client's attribute may not get there. */
static bool is_reserved(const char *name)
{
    static const char prefix[] = "trusted.SGI_ACL_";
    return strncmp(name, prefix, sizeof prefix - 1) == 0;
}

static int take_away(struct node *node, const char *name)
{
    if (is_reserved(name)) {
        return 0;
    }
    int result = node_xattr_remove(node->fd, node->attr->type, name);
    return result == -ENODATA || is_refusal(result) ? 0 : result;
}

/* Room for the brick's own comes first: an object's times, which the checkpoint only replaces. */
static int keep_room(struct node *node)
{
    size_t size;
    if (!node->posix->small_inodes) {
        return 0;
    }
    int result = node_xattr_get(node->fd, node->attr->type, DISK_XATTR_TIMES, NULL, 0, &size);
    return result == -ENODATA ? posix_times_set(node->fd, node->attr) : result;
}

/* Is there still room in a directory for what may be needed later? The kernel knows. */
static int check_room(struct node *node)
{
    static const uint8_t room[ROOM_SIZE];
    if (!node->posix->small_inodes || node->attr->type != OBJECT_DIRECTORY) {
        return 0;
    }
    int result = node_xattr_set(node->fd, OBJECT_DIRECTORY, ROOM_NAME, room, sizeof room);
    int removed = node_xattr_remove(node->fd, OBJECT_DIRECTORY, ROOM_NAME);
    return result || removed == -ENODATA ? result : removed;
}

static int show(struct node *node, struct slice name, struct slice value)
{
    struct xattr_text text = xattr_text(name);
    enum xattr_class class = xattr_class_of(name);
    bool is_acl = class == XATTR_CLASS_ACL_ACCESS || class == XATTR_CLASS_ACL_DEFAULT;
    int result = keep_room(node);
    if (result) {
        return result;
    }
    if (is_reserved(text.text)) {
        result = -EPERM;
    } else if (is_acl && node->posix->small_inodes && value.size > SMALL_ACL_MAX) {
        result = -E2BIG;
    } else {
        result = node_xattr_set(node->fd, node->attr->type, text.text, value.data, value.size);
    }
    if (!result) {
        result = check_room(node);
    }
    if (!is_refusal(result)) {
        return result;
    }
    node->hides = true;
    return take_away(node, text.text); /* rather none than an old one */
}

static int show_or_not(struct node *node, const char *name, struct slice value)
{
    return value.size > 0 ? show(node, slice_text(name), value) : take_away(node, name);
}

/* ---- what is not shown --------------------------------------------------------------------- */

int posix_xattrs_open(struct posix_store *posix)
{
    struct statfs status;
    if (fstatfs(posix->root_fd, &status)) {
        return -errno;
    }
    posix->small_inodes = status.f_type != XFS_MAGIC && status.f_type != BTRFS_SUPER_MAGIC &&
                          status.f_type != TMPFS_MAGIC;
    int fd = openat(posix->xattrs_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (!directory) {
        int result = -errno;
        if (fd >= 0) {
            (void)close(fd); /* only read */
        }
        return result;
    }
    bool found = false;
    for (struct dirent *entry; (entry = readdir(directory));) {
        found = found || entry->d_name[0] != '.';
    }
    (void)closedir(directory); /* only read */
    atomic_store(&posix->hides_xattrs, found);
    return 0;
}

static bool is_hidden(struct posix_store *posix, const struct gfid *gfid)
{
    return atomic_load_explicit(&posix->hides_xattrs, memory_order_relaxed) &&
           faccessat(posix->xattrs_fd, gfid_name(gfid).text, F_OK, 0) == 0;
}

static int hidden_remove(struct posix_store *posix, const struct gfid *gfid)
{
    if (!atomic_load_explicit(&posix->hides_xattrs, memory_order_relaxed)) {
        return 0;
    }
    return unlinkat(posix->xattrs_fd, gfid_name(gfid).text, 0) && errno != ENOENT ? -errno : 0;
}

static int hidden_put(struct posix_store *posix, const struct gfid *gfid, struct slice record)
{
    atomic_store_explicit(&posix->hides_xattrs, true, memory_order_relaxed);
    return file_put(posix->xattrs_fd, gfid_name(gfid).text, DISK_FILE_XATTRS, record);
}

/* A copy of all that the object has, as of the last sequenced operation. */
static int load(struct posix_store *posix, const struct gfid *gfid, uint8_t *buffer,
                struct slice *out_record)
{
    struct slice record;
    AUTO_LOCK(&posix->base.index->mutex);
    int result = index_xattrs_get(posix->base.index, gfid, &record);
    if (!result && record.size > XATTRS_SIZE_MAX) {
        result = -E_CORRUPT;
    }
    if (!result) {
        if (record.size > 0) {
            memcpy(buffer, record.data, record.size);
        }
        *out_record = slice_of(buffer, record.size);
    }
    return result;
}

/* Has the tree this value? Buffer: XATTR_VALUE_MAX bytes. */
static bool is_shown(const struct node *node, const struct xattr_entry *entry, uint8_t *buffer)
{
    size_t size;
    int result = node_xattr_get(node->fd, node->attr->type, xattr_text(entry->name).text, buffer,
                                XATTR_VALUE_MAX, &size);
    return !result && slice_equal(slice_of(buffer, size), entry->value);
}

/* Try again with what is not shown; not with ACLs, whose times are those of their operations. */
static int show_more(struct node *node, struct slice record, uint8_t *buffer)
{
    struct slice rest;
    struct xattr_entry entry;
    int result = xattrs_begin(record, &rest);
    node->hides = false;
    while (!result && (result = xattrs_next(&rest, &entry)) == 0) {
        enum xattr_class class = xattr_class_of(entry.name);
        if (is_shown(node, &entry, buffer)) {
            continue;
        }
        if (class == XATTR_CLASS_ACL_ACCESS || class == XATTR_CLASS_ACL_DEFAULT) {
            node->hides = true;
        } else {
            result = show(node, entry.name, entry.value);
        }
    }
    return result == -ENOENT ? 0 : result;
}

/* The object has, or had, more than the tree shows. */
static int hide_rest(struct node *node)
{
    const struct gfid *gfid = &node->attr->gfid;
    AUTO_FREE uint8_t *buffer = malloc(XATTRS_SIZE_MAX + XATTR_VALUE_MAX);
    struct slice record;
    if (!buffer) {
        return -ENOMEM;
    }
    int result = load(node->posix, gfid, buffer, &record);
    if (!result) {
        result = show_more(node, record, buffer + XATTRS_SIZE_MAX);
    }
    if (result) {
        return result;
    }
    return node->hides ? hidden_put(node->posix, gfid, record) : hidden_remove(node->posix, gfid);
}

/* ---- taking operations back -------------------------------------------------------------------
 */

static int restore_one(struct node *node, struct slice record, struct slice name, uint8_t *buffer)
{
    struct xattr_entry entry = {.name = name};
    int result = xattrs_find(record, name, &entry.value);
    if (result) {
        return result == -ENODATA ? take_away(node, xattr_text(name).text) : result;
    }
    return is_shown(node, &entry, buffer) ? 0 : show(node, name, entry.value);
}

static int restore_all(struct node *node, struct slice record, uint8_t *buffer)
{
    struct slice rest;
    struct xattr_entry entry;
    int result = xattrs_begin(record, &rest);
    while (!result && (result = xattrs_next(&rest, &entry)) == 0) {
        result = restore_one(node, record, entry.name, buffer);
    }
    return result == -ENOENT ? 0 : result;
}

static int restore_changed(struct node *node, const struct operation *operation,
                           struct slice record, uint8_t *buffer)
{
    int result = 0;
    if (operation->xattr.size > 0) {
        result = restore_one(node, record, operation->xattr, buffer);
    }
    if (!result && operation->flags & OPERATION_DROPS_CAPABILITY) {
        result = restore_one(node, record, slice_text(XATTR_CAPABILITY), buffer);
    }
    if (!result && operation->acl.size > 0) {
        result = restore_one(node, record, slice_text(XATTR_ACL_ACCESS), buffer);
    }
    return result;
}

int posix_restore_xattrs(struct posix_store *posix, const struct attr *attr, int fd,
                         const struct operation *operation)
{
    struct node node = {.posix = posix, .attr = attr, .fd = fd};
    AUTO_FREE uint8_t *buffer = malloc(XATTRS_SIZE_MAX + XATTR_VALUE_MAX);
    struct slice record;
    if (!buffer) {
        return -ENOMEM;
    }
    int result = load(posix, &attr->gfid, buffer, &record);
    if (!result) {
        result = operation ? restore_changed(&node, operation, record, buffer + XATTRS_SIZE_MAX)
                           : restore_all(&node, record, buffer + XATTRS_SIZE_MAX);
    }
    if (!result && (node.hides || is_hidden(posix, &attr->gfid))) {
        result = hide_rest(&node);
    }
    return result;
}

int posix_forget_xattrs(struct posix_store *posix, const struct gfid *gfid)
{
    return hidden_remove(posix, gfid);
}

/* ---- operations ---------------------------------------------------------------------------- */

static int change_one(struct node *node, const struct operation *operation)
{
    if (operation->kind == OPERATION_SETXATTR) {
        return show(node, operation->xattr, operation->value);
    }
    if (operation->kind == OPERATION_REMOVEXATTR) {
        return take_away(node, xattr_text(operation->xattr).text);
    }
    int result = 0;
    if (operation->flags & OPERATION_DROPS_CAPABILITY) {
        result = take_away(node, XATTR_CAPABILITY);
    }
    if (!result && operation->acl.size > 0) {
        result = show(node, slice_text(XATTR_ACL_ACCESS), operation->acl);
    }
    return result;
}

static bool changes_any(const struct operation *operation)
{
    return operation->kind == OPERATION_SETXATTR || operation->kind == OPERATION_REMOVEXATTR ||
           operation->flags & OPERATION_DROPS_CAPABILITY ||
           (operation->kind == OPERATION_SETATTR && operation->acl.size > 0);
}

int posix_apply_xattr(struct posix_store *posix, const struct operation *operation)
{
    const struct attr *attr = &operation->object;
    const struct gfid *removed = operation_removes(operation);
    struct open_object *object;
    if (removed) {
        return hidden_remove(posix, removed);
    }
    if (!changes_any(operation)) {
        return 0;
    }
    int result = posix_open_object(posix, &attr->gfid, &object);
    if (result) {
        return result;
    }
    struct node node = {.posix = posix, .attr = attr, .fd = object->fd};
    result = change_one(&node, operation);
    if (!result && (node.hides || is_hidden(posix, &attr->gfid))) {
        result = hide_rest(&node);
    }
    /* With an access ACL comes a mode, but not from one that is hidden. */
    bool acl =
        operation->acl.size > 0 || slice_equal(operation->xattr, slice_text(XATTR_ACL_ACCESS));
    if (!result && acl) {
        result = node_chmod(object->fd, object->type, attr->mode);
    }
    fd_cache_put(posix->objects, object);
    return result;
}

int posix_make_acl(struct posix_store *posix, int parent_fd, int fd,
                   const struct operation *operation)
{
    const struct attr *attr = &operation->object;
    struct node node = {.posix = posix, .attr = attr, .fd = fd};
    if (attr->type == OBJECT_SYMLINK ||
        (operation->acl.size == 0 && operation->default_acl.size == 0 &&
         fgetxattr(parent_fd, XATTR_ACL_DEFAULT, NULL, 0) < 0)) {
        return 0;
    }
    int result = show_or_not(&node, XATTR_ACL_ACCESS, operation->acl);
    if (!result && attr->type == OBJECT_DIRECTORY) {
        result = show_or_not(&node, XATTR_ACL_DEFAULT, operation->default_acl);
    }
    if (!result && node.hides) {
        result = hide_rest(&node);
    }
    return result ? result : node_chmod(fd, attr->type, attr->mode);
}

int posix_keep_capability(struct posix_store *posix, const struct gfid *gfid)
{
    struct attr attr;
    struct slice record;
    struct slice value;
    struct open_object *object;
    int result = indexed_getattr(&posix->base.store, gfid, &attr);
    if (result || !(attr.flags & ATTR_HAS_CAPABILITY)) {
        return result == -ESTALE ? 0 : result;
    }
    AUTO_FREE uint8_t *buffer = malloc(XATTRS_SIZE_MAX);
    result = buffer ? load(posix, gfid, buffer, &record) : -ENOMEM;
    if (!result) {
        result = xattrs_find(record, slice_text(XATTR_CAPABILITY), &value);
    }
    if (!result) {
        result = posix_open_object(posix, gfid, &object);
    }
    if (result) {
        return result == -ENODATA ? 0 : result;
    }
    struct node node = {.posix = posix, .attr = &attr, .fd = object->fd};
    result = show(&node, slice_text(XATTR_CAPABILITY), value);
    fd_cache_put(posix->objects, object);
    return result;
}
