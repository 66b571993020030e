/*
 * MAKE and LINK in the tree. The xattr with the gfid is set at once, so that a scan finds every
 * object; a process that dies in between leaves an empty node without it, which is made anew.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/store/posix.h"

/* XFS holds targets up to this, ext4 and btrfs any that the kernel takes. */
#define TARGET_SIZE_SAFE 1023

/* A target that the file system cannot hold is in the index and, for a rebuild of it, an xattr; the
 * link in the tree shows its beginning. */
static int make_symlink(int parent_fd, const char *name, struct slice target)
{
    char text[TARGET_SIZE_MAX + 1];
    memcpy(text, target.data, target.size);
    text[target.size] = '\0';
    if (symlinkat(text, parent_fd, name) == 0) {
        return 0;
    }
    if (errno != ENAMETOOLONG || target.size <= TARGET_SIZE_SAFE) {
        return -errno;
    }
    text[TARGET_SIZE_SAFE] = '\0';
    return symlinkat(text, parent_fd, name) ? -errno : 0;
}

static int set_target(int fd, struct slice target)
{
    char shown[TARGET_SIZE_MAX + 1];
    ssize_t size = readlinkat(fd, "", shown, sizeof shown);
    if (size < 0) {
        return -errno;
    }
    return (size_t)size == target.size
               ? 0
               : node_xattr_set(fd, OBJECT_SYMLINK, DISK_XATTR_TARGET, target.data, target.size);
}

static int make_node(int parent_fd, const char *name, const struct operation *operation,
                     int *out_fd)
{
    const struct attr *attr = &operation->object;
    int result;
    switch (attr->type) {
    case OBJECT_FILE:
        *out_fd =
            openat(parent_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOATIME | O_CLOEXEC,
                   attr->mode & 0777);
        return *out_fd < 0 ? -errno : 0;
    case OBJECT_DIRECTORY:
        result = mkdirat(parent_fd, name, attr->mode & 0777) ? -errno : 0;
        break;
    case OBJECT_SYMLINK:
        result = make_symlink(parent_fd, name, operation->target);
        break;
    default:
        result = mknodat(parent_fd, name, object_type_to_mode(attr->type) | (attr->mode & 0777),
                         makedev(attr->device_major, attr->device_minor))
                     ? -errno
                     : 0;
    }
    return result ? result : posix_open_name(parent_fd, name, attr->type, out_fd);
}

/* What was there already: the object itself, made by a process that died then? */
static int open_made(int parent_fd, const char *name, const struct attr *attr, int *out_fd)
{
    AUTO_CLOSE int fd = -1;
    struct gfid gfid;
    int result = posix_open_name(parent_fd, name, attr->type, &fd);
    if (!result) {
        result = node_gfid(fd, attr->type, &gfid);
    }
    if (result || !gfid_equal(&gfid, &attr->gfid)) {
        return -EEXIST;
    }
    *out_fd = TAKE_FD(fd);
    return 0;
}

static int set_gfid(int fd, const struct operation *operation)
{
    const struct attr *attr = &operation->object;
    const struct disk_gfid value = {
        .version = htobe16(DISK_VERSION),
        .size = htobe16(sizeof value),
        .type = htobe32(attr->type),
        .gfid = attr->gfid,
        .verifier = htobe64(operation->create_verifier),
        .exclusive = htobe32(operation->create_exclusive),
        .birth = {htobe64((uint64_t)attr->btime.seconds), htobe32(attr->btime.nanoseconds)},
    };
    return node_xattr_set(fd, attr->type, DISK_XATTR_GFID, &value, sizeof value);
}

/* Owner, the bits that making does not set, size; only what differs from what making gave. */
static int finish_node(int fd, const struct operation *operation, bool again)
{
    const struct attr *attr = &operation->object;
    bool inherits = operation->parent.mode & S_ISGID;
    bool owner = again || attr->uid != 0 || attr->gid != 0 || inherits;
    if (owner && fchownat(fd, "", attr->uid, attr->gid, AT_EMPTY_PATH)) {
        return -errno;
    }
    int result = 0;
    if (again || attr->mode & 07000) {
        result = node_chmod(fd, attr->type, attr->mode);
    }
    if (!result && attr->type == OBJECT_FILE && attr->size > 0 &&
        ftruncate(fd, (off_t)attr->size)) {
        result = -errno;
    }
    if (!result && attr->type == OBJECT_SYMLINK) {
        result = set_target(fd, operation->target);
    }
    return result;
}

static int make_or_find(struct posix_store *posix, int parent_fd, const char *name,
                        const struct operation *operation, int *out_fd, bool *out_again)
{
    *out_again = false;
    int result = make_node(parent_fd, name, operation, out_fd);
    if (result != -EEXIST) {
        return result;
    }
    *out_again = true;
    result = open_made(parent_fd, name, &operation->object, out_fd);
    if (result != -EEXIST) {
        return result;
    }
    result = posix_move_aside(posix, parent_fd, name, operation->index);
    return result ? result : make_node(parent_fd, name, operation, out_fd);
}

int posix_make_in(struct posix_store *posix, int parent_fd, const char *name,
                  const struct operation *operation, struct handle_record *out_handle)
{
    const struct attr *attr = &operation->object;
    AUTO_CLOSE int fd = -1;
    bool again;
    int result = make_or_find(posix, parent_fd, name, operation, &fd, &again);
    if (!result) {
        result = set_gfid(fd, operation);
    }
    if (!result) {
        result = finish_node(fd, operation, again);
    }
    if (!result) {
        result = posix_make_acl(posix, parent_fd, fd, operation);
    }
    if (!result) {
        result = posix_order_set(parent_fd, operation->cookie, operation->name);
    }
    if (!result) {
        result = posix_handle_of(fd, attr->type, out_handle);
    }
    if (result) {
        return result;
    }
    struct open_object *object = fd_cache_add(posix->objects, &attr->gfid, attr->type, TAKE_FD(fd));
    fd_cache_put(posix->objects, object); /* kept for the WRITE that mostly comes next */
    return object ? 0 : -ENOMEM;
}

int posix_apply_make(struct posix_store *posix, const struct operation *operation,
                     struct handle_record *out_handle)
{
    struct open_object *parent;
    if (operation->flags & OPERATION_KEEPS) {
        struct gfid_name orphan = gfid_name(&operation->object.gfid);
        return posix_make_in(posix, posix->orphans_fd, orphan.text, operation, out_handle);
    }
    int result = posix_open_object(posix, &operation->parent.gfid, &parent);
    if (result) {
        return result;
    }
    result =
        posix_make_in(posix, parent->fd, name_text(operation->name).text, operation, out_handle);
    fd_cache_put(posix->objects, parent);
    return result;
}

static int link_in(struct posix_store *posix, int parent_fd, int fd,
                   const struct operation *operation)
{
    struct name_text name = name_text(operation->name);
    const struct gfid *gfid = &operation->object.gfid;
    int result;
    if (operation->object.nlink == 1) { /* its first */
        result = posix_orphan_name(posix, gfid, parent_fd, name.text, operation->index);
    } else {
        result = linkat(fd, "", parent_fd, name.text, AT_EMPTY_PATH) ? -errno : 0;
    }
    if (result == -EEXIST && posix_is_at(parent_fd, name.text, gfid)) {
        result = 0; /* done before */
    } else if (result == -EEXIST) {
        result = posix_move_aside(posix, parent_fd, name.text, operation->index);
        if (!result && linkat(fd, "", parent_fd, name.text, AT_EMPTY_PATH)) {
            result = -errno;
        }
    }
    return result ? result : posix_order_set(parent_fd, operation->cookie, operation->name);
}

int posix_apply_link(struct posix_store *posix, const struct operation *operation)
{
    struct open_object *object;
    struct open_object *parent;
    int result = posix_open_object(posix, &operation->object.gfid, &object);
    if (result) {
        return result;
    }
    result = posix_open_object(posix, &operation->parent.gfid, &parent);
    if (!result) {
        result = link_in(posix, parent->fd, object->fd, operation);
        fd_cache_put(posix->objects, parent);
    }
    fd_cache_put(posix->objects, object);
    return result;
}
