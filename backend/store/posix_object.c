/*
 * Objects of the tree by gfid: descriptors by file handle, and what is done to a node of any type.
 *
 * Symlinks, devices, fifos and sockets can be open only as O_PATH, which takes neither fchmod nor
 * fsetxattr; the kernel's /proc/self/fd leads to exactly that node.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/store/posix.h"

/* Directories above that are opened by name on the way to one; deeper, the first is by handle. */
#define LEVELS_BY_NAME 16

struct name_text name_text(struct slice name)
{
    PRE(name.size <= NAME_SIZE_MAX);
    struct name_text text;
    memcpy(text.text, name.data, name.size);
    text.text[name.size] = '\0';
    return text;
}

struct gfid_name gfid_name(const struct gfid *gfid)
{
    static const char digits[] = "0123456789abcdef";
    struct gfid_name name;
    for (size_t i = 0; i < GFID_SIZE; i++) {
        name.text[2 * i] = digits[gfid->bytes[i] >> 4];
        name.text[2 * i + 1] = digits[gfid->bytes[i] & 15];
    }
    name.text[sizeof name.text - 1] = '\0';
    return name;
}

static int flags_of(uint32_t type)
{
    switch (type) {
    case OBJECT_FILE:
        return O_RDWR | O_NOFOLLOW | O_NOATIME | O_CLOEXEC;
    case OBJECT_DIRECTORY:
        return O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC;
    default:
        return O_PATH | O_NOFOLLOW | O_CLOEXEC;
    }
}

static bool is_by_path(uint32_t type)
{
    return type != OBJECT_FILE && type != OBJECT_DIRECTORY;
}

struct proc_path {
    char text[32];
};

static struct proc_path proc_path(int fd)
{
    struct proc_path path;
    (void)snprintf(path.text, sizeof path.text, "/proc/self/fd/%d", fd); /* always fits */
    return path;
}

/* struct file_handle with its bytes. */
union handle_buffer {
    struct file_handle handle;
    uint8_t bytes[sizeof(struct file_handle) + HANDLE_BYTES_MAX];
};

int posix_handle_of(int fd, uint32_t type, struct handle_record *out_handle)
{
    union handle_buffer buffer;
    buffer.handle.handle_bytes = HANDLE_BYTES_MAX;
    int mount_id;
    if (name_to_handle_at(fd, "", &buffer.handle, &mount_id, AT_EMPTY_PATH)) {
        return -errno;
    }
    out_handle->type = type;
    out_handle->handle_type = buffer.handle.handle_type;
    out_handle->size = buffer.handle.handle_bytes;
    memcpy(out_handle->bytes, buffer.bytes + sizeof(struct file_handle), out_handle->size);
    return 0;
}

int posix_open_handle(struct posix_store *posix, const struct handle_record *handle, int *out_fd)
{
    union handle_buffer buffer;
    buffer.handle.handle_bytes = handle->size;
    buffer.handle.handle_type = handle->handle_type;
    memcpy(buffer.bytes + sizeof(struct file_handle), handle->bytes, handle->size);
    int fd = open_by_handle_at(posix->root_fd, &buffer.handle, flags_of(handle->type));
    if (fd < 0) {
        return errno == ESTALE ? -ENOENT : -errno;
    }
    *out_fd = fd;
    return 0;
}

int posix_open_name(int parent_fd, const char *name, uint32_t type, int *out_fd)
{
    int fd = openat(parent_fd, name, flags_of(type));
    if (fd < 0) {
        return -errno;
    }
    *out_fd = fd;
    return 0;
}

static int load_handle(struct posix_store *posix, const struct gfid *gfid,
                       struct handle_record *out_handle)
{
    AUTO_LOCK(&posix->base.index->mutex);
    return index_handle_get(posix->base.index, gfid, out_handle);
}

/* Where a directory is, as sequenced: the tree may not have come there yet. */
static int load_place(struct posix_store *posix, const struct gfid *gfid, struct gfid *out_parent,
                      struct name_text *out_name)
{
    struct index *index = posix->base.index;
    struct object_record record;
    struct name_record name;
    AUTO_LOCK(&index->mutex);
    int result = index_object_get(index, gfid, &record);
    if (!result) {
        result = index_name_at(index, &record.attr.parent, record.place, &name);
    }
    if (!result && !gfid_equal(&name.gfid, gfid)) {
        result = -ENOENT;
    }
    if (!result) {
        *out_parent = record.attr.parent;
        *out_name = name_text(name.name);
    }
    return result;
}

static bool has_handle(int fd, const struct handle_record *handle)
{
    struct handle_record found;
    return posix_handle_of(fd, handle->type, &found) == 0 &&
           found.handle_type == handle->handle_type && found.size == handle->size &&
           memcmp(found.bytes, handle->bytes, found.size) == 0;
}

static int open_object(struct posix_store *posix, const struct gfid *gfid, uint32_t levels,
                       struct open_object **out_object);

/*
 * Opening a directory by handle, the kernel looks for its name, in the order of its parent's
 * entries, unless it has it in memory: that takes the longer the more there are. The index knows
 * the name, and the handle tells whether it is still, or already, the right one.
 */
static int open_named(struct posix_store *posix, const struct gfid *gfid,
                      const struct handle_record *handle, uint32_t levels, int *out_fd)
{
    struct open_object *parent;
    struct gfid parent_gfid;
    struct name_text name;
    AUTO_CLOSE int fd = -1;
    int result = load_place(posix, gfid, &parent_gfid, &name);
    if (!result) {
        result = open_object(posix, &parent_gfid, levels, &parent);
    }
    if (result) {
        return result;
    }
    result = posix_open_name(parent->fd, name.text, handle->type, &fd);
    fd_cache_put(posix->objects, parent);
    if (result || !has_handle(fd, handle)) {
        return result ? result : -ENOENT;
    }
    *out_fd = TAKE_FD(fd);
    return 0;
}

/* levels: how many directories above may be opened by name too. */
static int open_object(struct posix_store *posix, const struct gfid *gfid, uint32_t levels,
                       struct open_object **out_object)
{
    struct open_object *object = fd_cache_get(posix->objects, gfid);
    if (!object) {
        struct handle_record handle;
        int fd;
        int result = load_handle(posix, gfid, &handle);
        if (result) {
            return result;
        }
        bool by_name = handle.type == OBJECT_DIRECTORY && levels > 0;
        if (!by_name || open_named(posix, gfid, &handle, levels - 1, &fd)) {
            result = posix_open_handle(posix, &handle, &fd);
        }
        if (result) {
            return result;
        }
        object = fd_cache_add(posix->objects, gfid, handle.type, fd);
        if (!object) {
            return -ENOMEM;
        }
    }
    *out_object = object;
    return 0;
}

int posix_open_object(struct posix_store *posix, const struct gfid *gfid,
                      struct open_object **out_object)
{
    return open_object(posix, gfid, LEVELS_BY_NAME, out_object);
}

int node_chmod(int fd, uint32_t type, uint32_t mode)
{
    if (type == OBJECT_SYMLINK) {
        return 0;
    }
    int result = is_by_path(type) ? chmod(proc_path(fd).text, mode) : fchmod(fd, mode);
    return result ? -errno : 0;
}

int node_xattr_set(int fd, uint32_t type, const char *name, const void *value, size_t size)
{
    int result = is_by_path(type) ? setxattr(proc_path(fd).text, name, value, size, 0)
                                  : fsetxattr(fd, name, value, size, 0);
    return result ? -errno : 0;
}

int node_xattr_remove(int fd, uint32_t type, const char *name)
{
    int result = is_by_path(type) ? removexattr(proc_path(fd).text, name) : fremovexattr(fd, name);
    return result ? -errno : 0;
}

int node_xattr_get(int fd, uint32_t type, const char *name, void *value, size_t size,
                   size_t *out_size)
{
    ssize_t got = is_by_path(type) ? getxattr(proc_path(fd).text, name, value, size)
                                   : fgetxattr(fd, name, value, size);
    if (got < 0) {
        return -errno;
    }
    *out_size = (size_t)got;
    return 0;
}

int node_gfid(int fd, uint32_t type, struct gfid *out_gfid)
{
    struct disk_gfid value;
    size_t got = 0;
    int result = node_xattr_get(fd, type, DISK_XATTR_GFID, &value, sizeof value, &got);
    if (result) {
        return result == -ERANGE ? -E_CORRUPT : result;
    }
    if (got != sizeof value || be16toh(value.version) != DISK_VERSION) {
        return -E_CORRUPT;
    }
    *out_gfid = value.gfid;
    return 0;
}

bool posix_is_at(int parent_fd, const char *name, const struct gfid *gfid)
{
    const uint32_t any = OBJECT_SYMLINK; /* how such a node is opened suits every type */
    AUTO_CLOSE int fd = -1;
    struct gfid found;
    return posix_open_name(parent_fd, name, any, &fd) == 0 && node_gfid(fd, any, &found) == 0 &&
           gfid_equal(&found, gfid);
}

/* Nobody's, and nothing in it? */
static bool is_leftover(int parent_fd, const char *name, struct stat *status)
{
    if (fstatat(parent_fd, name, status, AT_SYMLINK_NOFOLLOW)) {
        return false;
    }
    uint32_t type = object_type_from_mode(status->st_mode);
    AUTO_CLOSE int fd = -1;
    struct gfid gfid;
    return (type != OBJECT_FILE || status->st_size == 0) &&
           posix_open_name(parent_fd, name, type, &fd) == 0 &&
           node_gfid(fd, type, &gfid) == -ENODATA;
}

int posix_move_aside(struct posix_store *posix, int parent_fd, const char *name, uint64_t index)
{
    struct stat status;
    if (is_leftover(parent_fd, name, &status) &&
        unlinkat(parent_fd, name, S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0) == 0) {
        return 0;
    }
    char aside[32];
    (void)snprintf(aside, sizeof aside, "%020" PRIu64, index); /* always fits */
    return renameat2(parent_fd, name, posix->stray_fd, aside, RENAME_NOREPLACE) ? -errno : 0;
}

struct order_name {
    char text[sizeof DISK_XATTR_ORDER + 16];
};

static struct order_name order_name(uint64_t cookie)
{
    struct order_name name;
    (void)snprintf(name.text, sizeof name.text, DISK_XATTR_ORDER "%016" PRIx64,
                   cookie); /* always fits */
    return name;
}

int posix_order_set(int directory_fd, uint64_t cookie, struct slice name)
{
    if ((cookie & COOKIE_ORDER_MASK) == 0) {
        return 0; /* what a name without a word about it is taken for */
    }
    return fsetxattr(directory_fd, order_name(cookie).text, name.data, name.size, 0) ? -errno : 0;
}

int posix_order_remove(int directory_fd, uint64_t cookie)
{
    if ((cookie & COOKIE_ORDER_MASK) == 0) {
        return 0;
    }
    return fremovexattr(directory_fd, order_name(cookie).text) && errno != ENODATA ? -errno : 0;
}
