/*
 * A plain directory as a volume: rows xattr and space, which the directory's file system does, and
 * the files without a name that a client keeps open.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "backend/base/scope.h"
#include "gateway/localvolume.h"
#include "gateway/permission.h"

/* Ours: the verifier of an exclusive create. */
#define XATTR_OWN "trusted.trivet."

/* ---- xattr ----------------------------------------------------------------------------------- */

struct xattr_name {
    char text[XATTR_NAME_MAX_SIZE + 1];
};

static struct xattr_name xattr_name_of(struct slice slice)
{
    struct xattr_name name;
    memcpy(name.text, slice.data, slice.size);
    name.text[slice.size] = '\0';
    return name;
}

/* Who may, where no kernel has checked: xattr(7), in short. */
static int check_xattr(const struct volume_request *request, const char *name, unsigned wanted)
{
    const struct attr *attr = &request->reply.object;
    if (strncmp(name, XATTR_OWN, sizeof(XATTR_OWN) - 1) == 0) {
        return wanted == PERMISSION_READ ? -ENODATA : -EPERM;
    }
    if (request->cred.flags & CRED_CHECKED || request->cred.uid == 0) {
        return 0;
    }
    if (strncmp(name, "user.", 5) == 0) {
        return permission_check(attr, &request->cred, wanted);
    }
    if (wanted == PERMISSION_READ) {
        return strncmp(name, "trusted.", 8) == 0 ? -ENODATA : 0;
    }
    bool is_acl = strncmp(name, "system.posix_acl_", 17) == 0;
    return is_acl && request->cred.uid == attr->uid ? 0 : -EPERM;
}

int local_getxattr(struct local_volume *local, struct volume_request *request)
{
    AUTO_CLOSE int fd = -1;
    struct xattr_name name = xattr_name_of(request->name);
    int status = local_open_object(local, request, O_PATH | O_NOFOLLOW, &fd);
    if (status == 0) {
        status = check_xattr(request, name.text, PERMISSION_READ);
    }
    if (status) {
        return status;
    }
    uint8_t *room = request->kept = malloc(XATTR_VALUE_MAX);
    if (!room) {
        return -ENOMEM;
    }
    ssize_t size = getxattr(local_path_of(fd).text, name.text, room, XATTR_VALUE_MAX);
    if (size < 0) {
        return -errno;
    }
    request->reply.count = (uint32_t)size;
    if (request->count > 0) {
        request->reply.data = slice_of(room, (size_t)size);
    }
    return request->count > 0 && (size_t)size > request->count ? -ERANGE : 0;
}

/* Take out our own names, and root's where the caller is not root. */
static size_t filter_names(char *names, size_t size, bool is_root)
{
    size_t kept = 0;
    for (size_t at = 0; at < size;) {
        size_t length = strlen(names + at) + 1;
        bool is_hidden = strncmp(names + at, XATTR_OWN, sizeof(XATTR_OWN) - 1) == 0 ||
                         (!is_root && strncmp(names + at, "trusted.", 8) == 0);
        if (!is_hidden) {
            memmove(names + kept, names + at, length);
            kept += length;
        }
        at += length;
    }
    return kept;
}

int local_listxattr(struct local_volume *local, struct volume_request *request)
{
    AUTO_CLOSE int fd = -1;
    int status = local_open_object(local, request, O_PATH | O_NOFOLLOW, &fd);
    if (status) {
        return status;
    }
    char *room = request->kept = malloc(XATTRS_SIZE_MAX);
    if (!room) {
        return -ENOMEM;
    }
    ssize_t size = listxattr(local_path_of(fd).text, room, XATTRS_SIZE_MAX);
    if (size < 0) {
        return -errno;
    }
    size_t kept = filter_names(room, (size_t)size, request->cred.uid == 0);
    request->reply.count = (uint32_t)kept;
    if (request->count > 0) {
        request->reply.data = slice_of(room, kept);
    }
    return request->count > 0 && kept > request->count ? -ERANGE : 0;
}

int local_setxattr(struct local_volume *local, struct volume_request *request)
{
    AUTO_CLOSE int fd = -1;
    struct xattr_name name = xattr_name_of(request->name);
    struct reply *reply = &request->reply;
    int status = local_open_object(local, request, O_PATH | O_NOFOLLOW, &fd);
    if (status == 0) {
        status = check_xattr(request, name.text, PERMISSION_WRITE);
    }
    if (status) {
        return status;
    }
    const char *path = local_path_of(fd).text;
    if (request->op == VOLUME_REMOVEXATTR) {
        status = removexattr(path, name.text) ? -errno : 0;
    } else {
        status =
            setxattr(path, name.text, request->data.data, request->data.size, (int)request->flags)
                ? -errno
                : 0;
    }
    if (status == 0 && request->cred.flags & CRED_KILLS_PRIVILEGE && reply->object.mode & 02000) {
        struct attr now;
        status = local_attr(&local->tree, fd, &request->object, &now);
        if (status == 0 && chmod(path, now.mode & 05777)) {
            status = -errno;
        }
    }
    int status_after = local_attr(&local->tree, fd, &request->object, &reply->object);
    return status ? status : status_after;
}

/* ---- space ----------------------------------------------------------------------------------- */

int local_allocate(struct local_volume *local, struct volume_request *request)
{
    AUTO_CLOSE int fd = -1;
    struct reply *reply = &request->reply;
    int status = local_open_file(local, request, O_WRONLY, PERMISSION_WRITE, &fd);
    if (status) {
        return status;
    }
    reply->object_before = local_before(&reply->object);
    status = fallocate(fd, (int)request->flags, (off_t)request->offset, (off_t)request->length)
                 ? -errno
                 : 0;
    local_drop_privilege(fd, request);
    int status_after = local_attr(&local->tree, fd, &request->object, &reply->object);
    return status ? status : status_after;
}

int local_seek(struct local_volume *local, struct volume_request *request)
{
    AUTO_CLOSE int fd = -1;
    int status = local_open_file(local, request, O_RDONLY | O_NOATIME, PERMISSION_READ, &fd);
    if (status) {
        return status;
    }
    off_t found = lseek(fd, (off_t)request->offset, (int)request->flags);
    if (found < 0) {
        return -errno;
    }
    request->reply.offset = (uint64_t)found;
    return 0;
}

int local_copy(struct local_volume *local, struct volume_request *request)
{
    AUTO_CLOSE int from = -1;
    AUTO_CLOSE int to = -1;
    struct gfid target = request->object;
    request->object = request->object2;
    int status = local_open_file(local, request, O_RDONLY | O_NOATIME, PERMISSION_READ, &from);
    request->object = target;
    if (status == 0) {
        status = local_open_file(local, request, O_WRONLY, PERMISSION_WRITE, &to);
    }
    if (status) {
        return status;
    }
    off_t source = (off_t)request->offset2;
    off_t offset = (off_t)request->offset;
    size_t length = request->length < IO_SIZE_MAX ? (size_t)request->length : IO_SIZE_MAX;
    ssize_t done = copy_file_range(from, &source, to, &offset, length, 0);
    status = done < 0 ? -errno : 0;
    request->reply.count = done > 0 ? (uint32_t)done : 0;
    request->reply.verifier = local->verifier;
    local_drop_privilege(to, request);
    int status_after = local_attr(&local->tree, to, &target, &request->reply.object);
    return status ? status : status_after;
}

/* ---- files without a name -------------------------------------------------------------------- */

/* What is open somewhere can still be opened by its handle: the descriptor is all it takes. */
struct local_kept {
    struct local_kept *next;
    struct gfid gfid;
    int fd;
};

int local_keep(struct local_volume *local, const struct gfid *gfid, int fd)
{
    struct local_kept *kept = malloc(sizeof(*kept));
    if (!kept) {
        return -ENOMEM;
    }
    kept->gfid = *gfid;
    kept->fd = dup(fd);
    if (kept->fd < 0) {
        int status = -errno;
        free(kept);
        return status;
    }
    AUTO_LOCK(&local->kept_lock);
    kept->next = local->kept;
    local->kept = kept;
    return 0;
}

int local_forget(struct local_volume *local, struct volume_request *request)
{
    return local_let_go(local, &request->object);
}

int local_let_go(struct local_volume *local, const struct gfid *gfid)
{
    AUTO_LOCK(&local->kept_lock);
    for (struct local_kept **place = &local->kept; *place; place = &(*place)->next) {
        struct local_kept *kept = *place;
        if (gfid_equal(&kept->gfid, gfid)) {
            *place = kept->next;
            (void)close(kept->fd); /* it was only held */
            free(kept);
            return 0;
        }
    }
    return -ESTALE;
}

void local_forget_all(struct local_volume *local)
{
    for (struct local_kept *kept = local->kept, *next; kept; kept = next) {
        next = kept->next;
        (void)close(kept->fd);
        free(kept);
    }
    local->kept = NULL;
}
