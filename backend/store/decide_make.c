/*
 * Deciding MAKE (create, mkdir, symlink, mknod) and LINK.
 * Spec: RFC 1813 sections 3.3.8 to 3.3.11 and 3.3.15; POSIX open, mkdir, link.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sys/stat.h>
#include "backend/base/errors.h"
#include "backend/proto/disk_format.h"
#include "backend/store/access.h"
#include "backend/store/decide.h"

/* What a new entry may cost: a block of the directory, and one of the object. */
#define ENTRY_COST 8192

/* A name that is there: an error, or the answer to a create that may find a file. */
static int meet_existing(struct deciding *deciding, const struct name_record *found)
{
    const struct mutation *mutation = deciding->mutation;
    struct operation *operation = deciding->operation;
    int result = deciding_load(deciding, &found->gfid, &deciding->object, &operation->object,
                               &operation->object_before);
    if (result) {
        return result;
    }
    const struct object_record *record = &deciding->object;
    if (mutation->type != OBJECT_FILE || mutation->how == CREATE_GUARDED) {
        return -EEXIST;
    }
    if (mutation->how == CREATE_EXCLUSIVE) {
        bool own = record->exclusive && record->verifier == mutation->verifier &&
                   record->attr.type == OBJECT_FILE;
        return own ? 0 : -EEXIST;
    }
    if (record->attr.type != OBJECT_FILE) {
        return record->attr.type == OBJECT_DIRECTORY ? -EISDIR : -EEXIST;
    }
    if (!(mutation->change.mask & ATTR_SIZE)) {
        return 0;
    }
    struct mutation resize = {
        .kind = MUTATION_SETATTR,
        .cred = mutation->cred,
        .id = mutation->id,
        .object = record->attr.gfid,
        .change = {.mask = ATTR_SIZE, .size = mutation->change.size},
    };
    deciding->mutation = &resize;
    result = decide_setattr(deciding);
    deciding->mutation = mutation;
    return result;
}

static int check_type(const struct mutation *mutation)
{
    switch (mutation->type) {
    case OBJECT_SYMLINK:
        if (mutation->target.size == 0) {
            return -ENOENT; /* POSIX symlink, as Linux has it */
        }
        if (memchr(mutation->target.data, '\0', mutation->target.size)) {
            return -EINVAL;
        }
        return mutation->target.size > TARGET_SIZE_MAX ? -ENAMETOOLONG : 0;
    case OBJECT_BLOCK:
    case OBJECT_CHARACTER:
        return mutation->cred.flags & CRED_CHECKED || mutation->cred.uid == 0 ? 0 : -EPERM;
    case OBJECT_FILE:
        return mutation->change.mask & ATTR_SIZE && mutation->change.size > FILE_SIZE_MAX ? -EFBIG
                                                                                          : 0;
    case OBJECT_DIRECTORY:
    case OBJECT_SOCKET:
    case OBJECT_FIFO:
        return 0;
    default:
        return -EINVAL;
    }
}

static uint32_t default_mode(uint32_t type)
{
    return type == OBJECT_SYMLINK ? 0777 : type == OBJECT_DIRECTORY ? 0700 : 0600;
}

/* Owner, group and mode of something new in parent. */
static int choose_owner(struct attr *attr, const struct attr *parent,
                        const struct mutation *mutation)
{
    const struct cred *cred = &mutation->cred;
    const struct attr_change *change = &mutation->change;
    bool inherits = parent->mode & S_ISGID;
    attr->uid = cred->uid;
    attr->gid = inherits ? parent->gid : cred->gid;
    if (change->mask & ATTR_UID && change->uid != attr->uid) {
        if (cred->uid != 0 && !(cred->flags & CRED_CHECKED)) {
            return -EPERM;
        }
        attr->uid = change->uid;
    }
    if (change->mask & ATTR_GID && change->gid != attr->gid) {
        if (!access_is_member(cred, change->gid)) {
            return -EPERM;
        }
        attr->gid = change->gid;
    }
    attr->mode = change->mask & ATTR_MODE && attr->type != OBJECT_SYMLINK
                     ? change->mode & 07777
                     : default_mode(attr->type);
    if (attr->type == OBJECT_DIRECTORY) {
        attr->mode |= inherits ? S_ISGID : 0;
    } else if ((attr->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
               !access_is_member(cred, attr->gid)) {
        attr->mode &= ~(uint32_t)S_ISGID; /* as Linux's inode_init_owner */
    }
    return 0;
}

static void choose_rest(struct attr *attr, const struct deciding *deciding)
{
    const struct mutation *mutation = deciding->mutation;
    const struct decision *decision = deciding->decision;
    attr->gfid = gfid_make(decision->set, decision->view, decision->index);
    attr->nlink = mutation->unnamed ? 0 : 1;
    if (attr->type == OBJECT_DIRECTORY) {
        attr->nlink = 2;
        attr->parent = mutation->parent;
        attr->size = attr->used = blocks_of(1);
    } else if (attr->type == OBJECT_SYMLINK) {
        attr->size = mutation->target.size;
    } else if (attr->type == OBJECT_BLOCK || attr->type == OBJECT_CHARACTER) {
        attr->device_major = mutation->device_major;
        attr->device_minor = mutation->device_minor;
    } else if (attr->type == OBJECT_FILE && mutation->change.mask & ATTR_SIZE) {
        attr->size = mutation->change.size; /* a hole */
    }
    attr_touch(attr, decision, true);
    attr->btime = attr->ctime;
    attr->atime = attr->ctime;
    if (mutation->change.mask & ATTR_ATIME) {
        attr->atime = mutation->change.atime;
    }
    if (mutation->change.mask & ATTR_MTIME) {
        attr->mtime = mutation->change.mtime;
    }
}

/* The directory that is to get a name, and whether it may. Fails: -EEXIST is left to the caller:
 * then out_found is the entry that is there, else its cookie is 0. */
static int load_place(struct deciding *deciding, struct name_record *out_found)
{
    const struct mutation *mutation = deciding->mutation;
    struct operation *operation = deciding->operation;
    int result = deciding_load_directory(deciding, &mutation->parent, &deciding->parent,
                                         &operation->parent, &operation->parent_before);
    if (!result) {
        result = name_check(mutation->name, -EEXIST);
    }
    if (!result && !deciding_allows(deciding, &operation->parent, ACCESS_EXECUTE)) {
        result = -EACCES;
    }
    if (result) {
        return result;
    }
    result = index_name_find(deciding->index, &mutation->parent, mutation->name, out_found);
    if (result != -ENOENT) {
        return result;
    }
    out_found->cookie = 0;
    if (gfid_is_root(&mutation->parent) &&
        slice_equal(mutation->name, slice_text(DISK_DIRECTORY))) {
        return -EPERM; /* the brick's own */
    }
    /* Both at once: two of the caller's groups in an ACL do not add up. */
    if (!deciding_allows(deciding, &operation->parent, ACCESS_WRITE | ACCESS_EXECUTE)) {
        return -EACCES;
    }
    if (deciding->decision->bytes_free < ENTRY_COST) {
        return -ENOSPC;
    }
    return index_name_cookie(deciding->index, &mutation->parent, mutation->name,
                             &operation->cookie);
}

/* The object that is to be, in a directory that may have it. */
static int choose_object(struct deciding *deciding)
{
    const struct mutation *mutation = deciding->mutation;
    struct operation *operation = deciding->operation;
    int result = check_type(mutation);
    if (!result) {
        result = check_times(&mutation->change);
    }
    if (result) {
        return result;
    }
    struct attr attr = {.type = mutation->type};
    result = choose_owner(&attr, &operation->parent, mutation);
    if (result) {
        return result;
    }
    choose_rest(&attr, deciding);
    result = deciding_inherit(deciding, &attr);
    if (result) {
        return result;
    }
    operation->kind = OPERATION_MAKE;
    operation->object = attr;
    if (attr.type == OBJECT_SYMLINK) {
        operation->target = mutation->target;
    }
    if (attr.type == OBJECT_FILE && mutation->how == CREATE_EXCLUSIVE) {
        operation->create_exclusive = true;
        operation->create_verifier = mutation->verifier;
    }
    return 0;
}

/*
 * A file without a name (open's O_TMPFILE): an orphan from the beginning. The directory says what
 * is inherited and does not change. An exclusive one never gets a name.
 */
static int make_unnamed(struct deciding *deciding)
{
    const struct mutation *mutation = deciding->mutation;
    struct operation *operation = deciding->operation;
    int result = deciding_load_directory(deciding, &mutation->parent, &deciding->parent,
                                         &operation->parent, &operation->parent_before);
    if (!result && mutation->type != OBJECT_FILE) {
        result = -EINVAL;
    }
    if (!result && mutation->id.kind != OP_ID_SESSION) {
        result = -EOPNOTSUPP; /* nobody would have it open */
    }
    if (!result && !deciding_allows(deciding, &operation->parent, ACCESS_WRITE | ACCESS_EXECUTE)) {
        result = -EACCES;
    }
    if (!result && deciding->decision->bytes_free < ENTRY_COST) {
        result = -ENOSPC;
    }
    if (!result) {
        result = choose_object(deciding);
    }
    if (!result) {
        operation->flags |= OPERATION_KEEPS;
        operation->parent = (struct attr){.type = OBJECT_NONE};
        operation->parent_before = (struct attr_before){.present = false};
    }
    return result;
}

int decide_make(struct deciding *deciding)
{
    const struct mutation *mutation = deciding->mutation;
    struct operation *operation = deciding->operation;
    struct name_record found;
    if (mutation->unnamed) {
        return make_unnamed(deciding);
    }
    int result = load_place(deciding, &found);
    if (result) {
        return result;
    }
    if (found.cookie != 0) {
        return meet_existing(deciding, &found);
    }
    result = choose_object(deciding);
    if (!result) {
        bool directory = operation->object.type == OBJECT_DIRECTORY;
        attr_touch_directory(&operation->parent, &deciding->parent, 1, directory,
                             deciding->decision);
        operation->name = mutation->name;
    }
    return result;
}

/* An orphan may get a name if it never had one. */
static int check_linkable(struct deciding *deciding)
{
    struct orphan_record orphan;
    int result = index_orphan_get(deciding->index, &deciding->mutation->object, &orphan);
    if (result) {
        return result == -ENOENT ? -E_CORRUPT : result;
    }
    return orphan.linkable ? 0 : -ENOENT;
}

int decide_link(struct deciding *deciding)
{
    const struct mutation *mutation = deciding->mutation;
    struct operation *operation = deciding->operation;
    int result = deciding_load(deciding, &mutation->object, &deciding->object, &operation->object,
                               &operation->object_before);
    if (result) {
        return result;
    }
    struct name_record found;
    result = load_place(deciding, &found);
    if (result) {
        return result;
    }
    if (found.cookie != 0) {
        return -EEXIST;
    }
    if (operation->object.type == OBJECT_DIRECTORY) {
        return -EPERM;
    }
    if (operation->object.nlink >= LINKS_MAX) {
        return -EMLINK;
    }
    result = operation->object.nlink == 0 ? check_linkable(deciding) : 0;
    if (result) {
        return result;
    }
    operation->kind = OPERATION_LINK;
    operation->name = mutation->name;
    operation->object.nlink++;
    attr_touch(&operation->object, deciding->decision, false);
    attr_touch_directory(&operation->parent, &deciding->parent, 1, 0, deciding->decision);
    return 0;
}
