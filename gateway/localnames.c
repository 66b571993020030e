/*
 * A plain directory as a volume: the operations that change names, from CREATE to RENAME. The
 * directory is worked on as root, so owner and mode are set after an object is made; half made it
 * is removed again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/localvolume.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include "backend/base/scope.h"
#include "gateway/permission.h"

/* Where an exclusive create's verifier is kept. */
#define VERIFIER_XATTR "trusted.trivet.create"

/* ---- make ------------------------------------------------------------------------------------ */

static int make_node(int directory, const char *name, const struct volume_request *request)
{
    switch ((int)request->op) {
    case VOLUME_MKDIR:
        return mkdirat(directory, name, 0700) ? -errno : 0;
    case VOLUME_SYMLINK: {
        char target[TARGET_SIZE_MAX + 1];
        memcpy(target, request->target.data, request->target.size);
        target[request->target.size] = '\0';
        return symlinkat(target, directory, name) ? -errno : 0;
    }
    case VOLUME_CREATE:
        return mknodat(directory, name, S_IFREG | 0600, 0) ? -errno : 0;
    default: {
        mode_t type = object_type_to_mode(request->type);
        if (type == 0 || type == S_IFDIR || type == S_IFLNK) {
            return -EINVAL;
        }
        bool is_device = type == S_IFBLK || type == S_IFCHR;
        if (is_device && request->cred.uid != 0 && !(request->cred.flags & CRED_CHECKED)) {
            return -EPERM;
        }
        dev_t device = is_device ? makedev(request->device_major, request->device_minor) : 0;
        return mknodat(directory, name, type | 0600, device) ? -errno : 0;
    }
    }
}

static uint32_t type_made(const struct volume_request *request)
{
    switch ((int)request->op) {
    case VOLUME_MKDIR:
        return OBJECT_DIRECTORY;
    case VOLUME_SYMLINK:
        return OBJECT_SYMLINK;
    case VOLUME_CREATE:
    case VOLUME_TMPFILE:
        return OBJECT_FILE;
    default:
        return request->type;
    }
}

/* Owner, mode and whatever else change says, for what was just made. */
static int finish_node(int fd, const struct volume_request *request)
{
    uint32_t type = type_made(request);
    struct attr wanted = {0};
    permission_inherit(&request->reply.parent, &request->cred, &request->change, type, &wanted);
    wanted.mode &= ~request->umask;
    if (fchownat(fd, "", wanted.uid, wanted.gid, AT_EMPTY_PATH)) {
        return -errno;
    }
    struct local_path path = local_path_of(fd);
    if (type != OBJECT_SYMLINK && chmod(path.text, wanted.mode)) {
        return -errno;
    }
    if (request->op == VOLUME_CREATE && request->how == VOLUME_CREATE_EXCLUSIVE) {
        return setxattr(path.text, VERIFIER_XATTR, &request->verifier, sizeof(uint64_t), 0) ? -errno
                                                                                            : 0;
    }
    struct attr_change rest = request->change;
    rest.mask &= (uint32_t) ~(ATTR_MODE | ATTR_UID | ATTR_GID);
    if (request->op != VOLUME_CREATE) {
        rest.mask &= (uint32_t)~ATTR_SIZE;
    }
    return local_change_apply(fd, &(struct attr){.type = type}, &rest);
}

/* CREATE of a name that is there: RFC 1813 section 3.3.8. */
static int create_existing(struct local_volume *local, int fd, struct volume_request *request)
{
    struct attr *attr = &request->reply.object;
    if (request->how == VOLUME_CREATE_GUARDED || attr->type != OBJECT_FILE) {
        return -EEXIST;
    }
    struct local_path path = local_path_of(fd);
    if (request->how == VOLUME_CREATE_EXCLUSIVE) {
        uint64_t verifier = 0;
        ssize_t size = getxattr(path.text, VERIFIER_XATTR, &verifier, sizeof(verifier));
        return size == sizeof(verifier) && verifier == request->verifier ? 0 : -EEXIST;
    }
    if (!(request->change.mask & ATTR_SIZE)) {
        return 0;
    }
    int status = permission_check_io(attr, &request->cred, PERMISSION_WRITE);
    if (status == 0) {
        status = truncate(path.text, (off_t)request->change.size) ? -errno : 0;
    }
    return status ? status : local_attr(&local->tree, fd, &attr->gfid, attr);
}

static int make_in(struct local_volume *local, int directory, struct volume_request *request)
{
    struct reply *reply = &request->reply;
    struct local_name name = local_name_of(request->name);
    AUTO_CLOSE int fd = -1;
    int status = permission_check(&reply->parent, &request->cred, PERMISSION_EXECUTE);
    if (status) {
        return status;
    }
    if (request->op == VOLUME_CREATE) {
        status = local_find(&local->tree, directory, name.text, &fd, &reply->object);
        if (status == 0) {
            return create_existing(local, fd, request);
        }
        if (status != -ENOENT) {
            return status;
        }
    }
    status = permission_check(&reply->parent, &request->cred, PERMISSION_WRITE);
    if (status == 0) {
        status = make_node(directory, name.text, request);
    }
    if (status) {
        return status;
    }
    status = local_find(&local->tree, directory, name.text, &fd, &reply->object);
    if (status == 0) {
        status = finish_node(fd, request);
    }
    if (status) {
        /* Half made is not made. */
        (void)unlinkat(directory, name.text, request->op == VOLUME_MKDIR ? AT_REMOVEDIR : 0);
        return status;
    }
    return local_attr(&local->tree, fd, &reply->object.gfid, &reply->object);
}

/* Make an operation in one directory durable if it must be, and tell the directory's new state. */
static int finish_directory(struct local_volume *local, int directory, const struct gfid *gfid,
                            const struct volume_request *request, int status, struct attr *out_attr)
{
    if (status == 0 && request->durable) {
        AUTO_CLOSE int fd = -1;
        status = local_open(&local->tree, gfid, O_RDONLY | O_DIRECTORY, &fd);
        if (status == 0 && fsync(fd)) {
            status = -errno;
        }
    }
    int status_after = local_attr(&local->tree, directory, gfid, out_attr);
    return status ? status : status_after;
}

int local_make(struct local_volume *local, struct volume_request *request)
{
    AUTO_CLOSE int directory = -1;
    struct reply *reply = &request->reply;
    int status = local_open_directory(local, &request->object, &directory, &reply->parent,
                                      &reply->parent_before);
    if (status) {
        return status;
    }
    status = make_in(local, directory, request);
    if (status) {
        reply->object = (struct attr){0};
    }
    return finish_directory(local, directory, &request->object, request, status, &reply->parent);
}

/* The group as a create in the directory would have it; an open descriptor is all that keeps it. */
int local_tmpfile(struct local_volume *local, struct volume_request *request)
{
    AUTO_CLOSE int directory = -1;
    AUTO_CLOSE int fd = -1;
    AUTO_CLOSE int by_path = -1;
    struct reply *reply = &request->reply;
    struct attr_before before;
    int status = local_open_directory(local, &request->object, &directory, &reply->parent, &before);
    if (status == 0) {
        status =
            permission_check(&reply->parent, &request->cred, PERMISSION_WRITE | PERMISSION_EXECUTE);
    }
    if (status) {
        return status;
    }
    fd = open(local_path_of(directory).text, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    status = local_find_open(&local->tree, fd, &reply->object);
    if (status == 0) {
        status = finish_node(fd, request);
    }
    if (status == 0) {
        status = local_attr(&local->tree, fd, &reply->object.gfid, &reply->object);
    }
    if (status == 0) {
        status = local_keep(local, &reply->object.gfid, fd);
    }
    reply->parent = (struct attr){0};
    return status;
}

int local_link(struct local_volume *local, struct volume_request *request)
{
    AUTO_CLOSE int directory = -1;
    AUTO_CLOSE int fd = -1;
    struct reply *reply = &request->reply;
    int status = local_open_object(local, request, O_PATH | O_NOFOLLOW, &fd);
    if (status == 0) {
        status = local_open_directory(local, &request->object2, &directory, &reply->parent,
                                      &reply->parent_before);
    }
    if (status) {
        return status;
    }
    struct local_name name = local_name_of(request->name);
    status =
        permission_check(&reply->parent, &request->cred, PERMISSION_WRITE | PERMISSION_EXECUTE);
    if (status == 0 && reply->object.type == OBJECT_DIRECTORY) {
        status = -EPERM;
    }
    if (status == 0) {
        status = linkat(fd, "", directory, name.text, AT_EMPTY_PATH) ? -errno : 0;
    }
    if (status == 0 && reply->object.nlink == 0) {
        (void)local_let_go(local, &request->object); /* it has a name now */
    }
    int status_after = local_attr(&local->tree, fd, &request->object, &reply->object);
    status = status ? status : status_after;
    return finish_directory(local, directory, &request->object2, request, status, &reply->parent);
}

/* ---- remove ---------------------------------------------------------------------------------- */

int local_remove(struct local_volume *local, struct volume_request *request)
{
    AUTO_CLOSE int directory = -1;
    AUTO_CLOSE int fd = -1;
    struct reply *reply = &request->reply;
    int status = local_open_directory(local, &request->object, &directory, &reply->parent,
                                      &reply->parent_before);
    if (status) {
        return status;
    }
    struct local_name name = local_name_of(request->name);
    status = permission_check(&reply->parent, &request->cred, PERMISSION_EXECUTE);
    if (status == 0) {
        status = local_find(&local->tree, directory, name.text, &fd, &reply->object);
    }
    if (status == 0) {
        status = permission_check_remove(&reply->parent, &reply->object, &request->cred);
    }
    if (status == 0) {
        int flags = request->op == VOLUME_RMDIR ? AT_REMOVEDIR : 0;
        status = unlinkat(directory, name.text, flags) ? -errno : 0;
    }
    if (status == 0 && request->keep_open && reply->object.nlink == 1 &&
        request->op == VOLUME_REMOVE) {
        status = local_keep(local, &reply->object.gfid, fd);
    }
    if (status == 0) {
        struct gfid gfid = reply->object.gfid;
        status = local_attr(&local->tree, fd, &gfid, &reply->object);
    }
    return finish_directory(local, directory, &request->object, request, status, &reply->parent);
}

/* Whether the caller may take both names, and replace what stands at the second. */
static int check_rename(struct local_volume *local, int from, int to, const struct local_name *name,
                        const struct local_name *name2, struct volume_request *request,
                        int *out_replaced, bool *out_kept)
{
    AUTO_CLOSE int moved = -1;
    AUTO_CLOSE int replaced = -1;
    struct reply *reply = &request->reply;
    struct attr attr;
    int status = permission_check(&reply->parent, &request->cred, PERMISSION_EXECUTE);
    if (status == 0) {
        status = local_find(&local->tree, from, name->text, &moved, &attr);
    }
    if (status == 0) {
        status = permission_check_remove(&reply->parent, &attr, &request->cred);
    }
    if (status == 0) {
        status = permission_check(&reply->parent2, &request->cred,
                                  PERMISSION_WRITE | PERMISSION_EXECUTE);
    }
    if (status) {
        return status;
    }
    status = local_find(&local->tree, to, name2->text, &replaced, &attr);
    if (status) {
        return status == -ENOENT ? 0 : status;
    }
    status = permission_check_remove(&reply->parent2, &attr, &request->cred);
    if (status == 0 && request->keep_open && request->flags == 0 && attr.nlink == 1 &&
        attr.type != OBJECT_DIRECTORY) {
        status = local_keep(local, &attr.gfid, replaced);
        *out_kept = status == 0;
    }
    if (status == 0) {
        reply->replaced = attr;
        *out_replaced = TAKE_FD(replaced);
    }
    return status;
}

int local_rename(struct local_volume *local, struct volume_request *request)
{
    AUTO_CLOSE int from = -1;
    AUTO_CLOSE int to = -1;
    struct reply *reply = &request->reply;
    int status =
        local_open_directory(local, &request->object, &from, &reply->parent, &reply->parent_before);
    if (status == 0) {
        status = local_open_directory(local, &request->object2, &to, &reply->parent2,
                                      &reply->parent2_before);
    }
    if (status) {
        return status;
    }
    struct local_name name = local_name_of(request->name);
    struct local_name name2 = local_name_of(request->name2);
    AUTO_CLOSE int replaced = -1;
    bool is_kept = false;
    status = check_rename(local, from, to, &name, &name2, request, &replaced, &is_kept);
    if (status == 0) {
        status = renameat2(from, name.text, to, name2.text, request->flags) ? -errno : 0;
    }
    if (status && is_kept) {
        (void)local_let_go(local, &reply->replaced.gfid); /* it still has its name */
    }
    if (replaced >= 0) {
        struct gfid gfid = reply->replaced.gfid;
        (void)local_attr(&local->tree, replaced, &gfid, &reply->replaced); /* else as it was */
    }
    status = finish_directory(local, from, &request->object, request, status, &reply->parent);
    return finish_directory(local, to, &request->object2, request, status, &reply->parent2);
}
