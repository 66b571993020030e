/*
 * Objects of a plain directory: the table gfid → file handle, and attributes. See the header.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/localobject.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <xxhash.h>
#include "backend/base/scope.h"
#include "backend/proto/limits.h"

struct local_object {
    struct local_object *next;
    struct gfid gfid;
    int type; /* as the kernel's struct file_handle has it */
    unsigned size;
    uint8_t bytes[];
};

/* The kernel's struct file_handle with room for the largest handle. */
struct handle {
    union {
        struct file_handle head;
        uint8_t room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
    };
};

#define BUCKETS_FIRST 4096

static int handle_of(int fd, struct handle *out_handle)
{
    out_handle->head.handle_bytes = MAX_HANDLE_SZ;
    int mount_id;
    return name_to_handle_at(fd, "", &out_handle->head, &mount_id, AT_EMPTY_PATH) ? -errno : 0;
}

int local_tree_init(struct local_tree *tree, const char *directory)
{
    *tree = (struct local_tree){.root_fd = -1, .bucket_count = BUCKETS_FIRST};
    AUTO_CLOSE int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    struct stat root;
    if (fstat(fd, &root)) {
        return -errno;
    }
    struct handle handle;
    int status = handle_of(fd, &handle);
    if (status) {
        return status;
    }
    AUTO_CLOSE int probe = open_by_handle_at(fd, &handle.head, O_PATH | O_CLOEXEC);
    if (probe < 0) {
        return -errno;
    }
    tree->buckets = calloc(tree->bucket_count, sizeof(struct local_object *));
    if (!tree->buckets) {
        return -ENOMEM;
    }
    tree->root_device = root.st_dev;
    tree->root_inode = root.st_ino;
    tree->root_fd = TAKE_FD(fd);
    pthread_rwlock_init(&tree->lock, NULL);
    return 0;
}

void local_tree_release(struct local_tree *tree)
{
    if (!tree->buckets) {
        return;
    }
    for (size_t i = 0; i < tree->bucket_count; i++) {
        for (struct local_object *object = tree->buckets[i]; object;) {
            struct local_object *next = object->next;
            free(object);
            object = next;
        }
    }
    free(tree->buckets);
    scope_close(&tree->root_fd);
    pthread_rwlock_destroy(&tree->lock);
}

/* ---- the table ------------------------------------------------------------------------------- */

static size_t bucket_of(const struct local_tree *tree, const struct gfid *gfid)
{
    return (size_t)(gfid_index(gfid) * UINT64_C(0x9e3779b97f4a7c15) >> 20) &
           (tree->bucket_count - 1);
}

static struct local_object *table_find(const struct local_tree *tree, const struct gfid *gfid)
{
    struct local_object *object = tree->buckets[bucket_of(tree, gfid)];
    while (object && !gfid_equal(&object->gfid, gfid)) {
        object = object->next;
    }
    return object;
}

static void table_grow(struct local_tree *tree)
{
    struct local_object **old = tree->buckets;
    size_t old_count = tree->bucket_count;
    struct local_object **wider = calloc(old_count * 2, sizeof(struct local_object *));
    if (!wider) {
        return; /* longer chains, nothing worse */
    }
    tree->buckets = wider;
    tree->bucket_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++) {
        for (struct local_object *object = old[i]; object;) {
            struct local_object *next = object->next;
            struct local_object **bucket = &wider[bucket_of(tree, &object->gfid)];
            object->next = *bucket;
            *bucket = object;
            object = next;
        }
    }
    free(old);
}

static int table_add(struct local_tree *tree, const struct gfid *gfid, const struct handle *handle)
{
    pthread_rwlock_wrlock(&tree->lock);
    int status = 0;
    if (!table_find(tree, gfid)) {
        size_t size = handle->head.handle_bytes;
        struct local_object *object = NULL;
        if (tree->object_count < LOCAL_OBJECTS_MAX) {
            object = malloc(sizeof(*object) + size);
        }
        if (object) {
            object->gfid = *gfid;
            object->type = handle->head.handle_type;
            object->size = handle->head.handle_bytes;
            memcpy(object->bytes, handle->head.f_handle, size);
            if (++tree->object_count > tree->bucket_count) {
                table_grow(tree);
            }
            struct local_object **bucket = &tree->buckets[bucket_of(tree, gfid)];
            object->next = *bucket;
            *bucket = object;
        } else {
            status = -ENFILE;
        }
    }
    pthread_rwlock_unlock(&tree->lock);
    return status;
}

static int table_get(struct local_tree *tree, const struct gfid *gfid, struct handle *out_handle)
{
    pthread_rwlock_rdlock(&tree->lock);
    const struct local_object *object = table_find(tree, gfid);
    if (object) {
        out_handle->head.handle_type = object->type;
        out_handle->head.handle_bytes = object->size;
        memcpy(out_handle->head.f_handle, object->bytes, object->size);
    }
    pthread_rwlock_unlock(&tree->lock);
    return object ? 0 : -ESTALE;
}

/* ---- objects --------------------------------------------------------------------------------- */

int local_open(struct local_tree *tree, const struct gfid *gfid, int flags, int *out_fd)
{
    int fd;
    if (gfid_is_root(gfid)) {
        fd = openat(tree->root_fd, ".", flags | O_CLOEXEC);
    } else {
        struct handle handle;
        int status = table_get(tree, gfid, &handle);
        if (status) {
            return status;
        }
        fd = open_by_handle_at(tree->root_fd, &handle.head, flags | O_CLOEXEC);
    }
    if (fd < 0) {
        return -errno;
    }
    *out_fd = fd;
    return 0;
}

static bool is_root(const struct local_tree *tree, uint64_t device, uint64_t inode)
{
    return device == tree->root_device && inode == tree->root_inode;
}

/* The gfid of an open object with that inode number, remembered in the table. */
static int learn_gfid(struct local_tree *tree, int fd, uint64_t device, uint64_t inode,
                      struct gfid *out_gfid)
{
    if (is_root(tree, device, inode)) {
        *out_gfid = GFID_ROOT;
        return 0;
    }
    if (device != tree->root_device) {
        return -EXDEV;
    }
    struct handle handle;
    int status = handle_of(fd, &handle);
    if (status) {
        return status;
    }
    uint64_t hash = XXH3_64bits_withSeed(handle.head.f_handle, handle.head.handle_bytes,
                                         (uint64_t)handle.head.handle_type);
    /* The lowest bit keeps it apart from the root's view 0. */
    *out_gfid = gfid_make(0, (hash >> 16) | 1, inode);
    return table_add(tree, out_gfid, &handle);
}

static struct timestamp timestamp_of(struct statx_timestamp from)
{
    return (struct timestamp){.seconds = from.tv_sec, .nanoseconds = from.tv_nsec};
}

static void attr_of(const struct statx *from, struct attr *out_attr)
{
    uint32_t type = object_type_from_mode(from->stx_mode);
    bool is_device = type == OBJECT_BLOCK || type == OBJECT_CHARACTER;
    *out_attr = (struct attr){
        .type = type,
        .mode = from->stx_mode & 07777u,
        .nlink = from->stx_nlink,
        .uid = from->stx_uid,
        .gid = from->stx_gid,
        .device_major = is_device ? from->stx_rdev_major : 0,
        .device_minor = is_device ? from->stx_rdev_minor : 0,
        .size = from->stx_size,
        .used = from->stx_blocks * 512,
        .change = (uint64_t)from->stx_ctime.tv_sec * 1000000000 + from->stx_ctime.tv_nsec,
        .atime = timestamp_of(from->stx_atime),
        .mtime = timestamp_of(from->stx_mtime),
        .ctime = timestamp_of(from->stx_ctime),
        .btime = timestamp_of(from->stx_btime),
    };
}

static int statx_of(int fd, struct statx *out_statx)
{
    return statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME,
                 out_statx)
               ? -errno
               : 0;
}

static uint64_t device_of(const struct statx *from)
{
    return makedev(from->stx_dev_major, from->stx_dev_minor);
}

static int parent_of(struct local_tree *tree, int fd, struct gfid *out_parent)
{
    AUTO_CLOSE int parent = openat(fd, "..", O_PATH | O_CLOEXEC);
    if (parent < 0) {
        return errno == ENOENT ? 0 : -errno; /* the directory itself has been removed */
    }
    struct stat found;
    if (fstat(parent, &found)) {
        return -errno;
    }
    return learn_gfid(tree, parent, found.st_dev, found.st_ino, out_parent);
}

static int attr_fill(struct local_tree *tree, int fd, const struct statx *from,
                     const struct gfid *gfid, struct attr *out_attr)
{
    struct gfid own = *gfid; /* gfid may be out_attr's */
    attr_of(from, out_attr);
    out_attr->gfid = own;
    if (out_attr->type != OBJECT_DIRECTORY) {
        return 0;
    }
    if (gfid_is_root(&own)) {
        out_attr->parent = own;
        return 0;
    }
    return parent_of(tree, fd, &out_attr->parent);
}

int local_attr(struct local_tree *tree, int fd, const struct gfid *gfid, struct attr *out_attr)
{
    struct statx found;
    int status = statx_of(fd, &found);
    return status ? status : attr_fill(tree, fd, &found, gfid, out_attr);
}

int local_find_open(struct local_tree *tree, int fd, struct attr *out_attr)
{
    struct statx found;
    struct gfid gfid;
    int status = statx_of(fd, &found);
    if (status == 0) {
        status = learn_gfid(tree, fd, device_of(&found), found.stx_ino, &gfid);
    }
    return status ? status : attr_fill(tree, fd, &found, &gfid, out_attr);
}

int local_find(struct local_tree *tree, int directory_fd, const char *name, int *out_fd,
               struct attr *out_attr)
{
    struct stat directory;
    if (strcmp(name, "..") == 0 && fstat(directory_fd, &directory) == 0 &&
        is_root(tree, directory.st_dev, directory.st_ino)) {
        name = ".";
    }
    AUTO_CLOSE int fd = openat(directory_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    struct attr attr;
    int status = local_find_open(tree, fd, &attr);
    if (status) {
        return status;
    }
    *out_attr = attr;
    *out_fd = TAKE_FD(fd);
    return 0;
}
