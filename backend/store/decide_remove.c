/*
 * Deciding REMOVE, RMDIR and RENAME.
 * Spec: RFC 1813 sections 3.3.12 to 3.3.14; POSIX unlink, rmdir, rename; Linux renameat2.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include "backend/base/errors.h"
#include "backend/proto/disk_format.h"
#include "backend/store/access.h"
#include "backend/store/decide.h"

/* May the caller take object's name out of directory? */
static int check_taking(const struct cred *cred, const struct attr *directory,
                        const struct attr *object)
{
    if (!access_allows(cred, directory, ACCESS_WRITE | ACCESS_EXECUTE)) {
        return -EACCES;
    }
    return access_sticky_allows(cred, directory, object) ? 0 : -EPERM;
}

/* An object loses a name; a directory with it all that it is. */
static void lose_link(struct attr *attr, const struct decision *decision)
{
    attr->nlink = attr->type == OBJECT_DIRECTORY ? 0 : attr->nlink - 1;
    attr_touch(attr, decision, false);
}

int decide_remove(struct deciding *deciding)
{
    const struct mutation *mutation = deciding->mutation;
    struct operation *operation = deciding->operation;
    bool rmdir = mutation->kind == MUTATION_RMDIR;
    int result = deciding_load_directory(deciding, &mutation->parent, &deciding->parent,
                                         &operation->parent, &operation->parent_before);
    if (!result) {
        bool dotdot = mutation->name.size == 2;
        result = name_check(mutation->name, !rmdir ? -EISDIR : dotdot ? -ENOTEMPTY : -EINVAL);
    }
    if (!result && !access_allows(&mutation->cred, &operation->parent, ACCESS_EXECUTE)) {
        result = -EACCES;
    }
    struct name_record found;
    if (!result) {
        result = index_name_find(deciding->index, &mutation->parent, mutation->name, &found);
    }
    if (!result) {
        operation->cookie = found.cookie;
        result = deciding_load(deciding, &found.gfid, &deciding->object, &operation->object,
                               &operation->object_before);
    }
    if (!result) {
        result = check_taking(&mutation->cred, &operation->parent, &operation->object);
    }
    if (result) {
        return result;
    }
    bool directory = operation->object.type == OBJECT_DIRECTORY;
    if (directory != rmdir) {
        return directory ? -EISDIR : -ENOTDIR;
    }
    if (directory && deciding->object.entries > 0) {
        return -ENOTEMPTY;
    }
    operation->kind = OPERATION_REMOVE;
    operation->name = mutation->name;
    lose_link(&operation->object, deciding->decision);
    attr_touch_directory(&operation->parent, &deciding->parent, -1, directory ? -1 : 0,
                         deciding->decision);
    return 0;
}

/* Would directory become its own ancestor below target? Fails: -EINVAL if so. */
static int check_loop(struct deciding *deciding, const struct gfid *directory,
                      const struct gfid *target)
{
    struct object_record record;
    struct gfid at = *target;
    while (!gfid_equal(&at, directory)) {
        if (gfid_is_root(&at)) {
            return 0;
        }
        int result = index_object_get(deciding->index, &at, &record);
        if (result) {
            return result == -ESTALE ? -E_CORRUPT : result;
        }
        at = record.attr.parent;
    }
    return -EINVAL;
}

static int check_replacing(const struct deciding *deciding)
{
    const struct object_record *object = &deciding->object;
    const struct object_record *replaced = &deciding->replaced;
    if (deciding->mutation->rename_flags & RENAME_NOREPLACE) {
        return -EEXIST;
    }
    if (replaced->attr.type == OBJECT_DIRECTORY) {
        if (object->attr.type != OBJECT_DIRECTORY) {
            return -EISDIR;
        }
        return replaced->entries > 0 ? -ENOTEMPTY : 0;
    }
    return object->attr.type == OBJECT_DIRECTORY ? -ENOTDIR : 0;
}

/* Both directories, and that the names can be names. */
static int load_directories(struct deciding *deciding, const struct attr **out_target)
{
    const struct mutation *mutation = deciding->mutation;
    struct operation *operation = deciding->operation;
    int result = deciding_load_directory(deciding, &mutation->parent, &deciding->parent,
                                         &operation->parent, &operation->parent_before);
    *out_target = &operation->parent;
    if (!result && !gfid_equal(&mutation->parent, &mutation->parent2)) {
        result = deciding_load_directory(deciding, &mutation->parent2, &deciding->parent2,
                                         &operation->parent2, &operation->parent2_before);
        *out_target = &operation->parent2;
    }
    if (!result) {
        result = name_check(mutation->name, -EINVAL);
    }
    if (!result) {
        result = name_check(mutation->name2, -EINVAL);
    }
    if (!result && mutation->rename_flags & ~(uint32_t)RENAME_NOREPLACE) {
        result = -EINVAL; /* an exchange needs an operation of its own; what Linux says where a
                             file system cannot */
    }
    if (!result && (!access_allows(&mutation->cred, &operation->parent, ACCESS_EXECUTE) ||
                    !access_allows(&mutation->cred, *out_target, ACCESS_EXECUTE))) {
        result = -EACCES;
    }
    return result;
}

static int load_source(struct deciding *deciding, const struct attr *target)
{
    const struct mutation *mutation = deciding->mutation;
    struct operation *operation = deciding->operation;
    struct name_record found;
    int result = index_name_find(deciding->index, &mutation->parent, mutation->name, &found);
    if (result) {
        return result;
    }
    operation->cookie = found.cookie;
    result = deciding_load(deciding, &found.gfid, &deciding->object, &operation->object,
                           &operation->object_before);
    if (result || operation->object.type != OBJECT_DIRECTORY || target == &operation->parent) {
        return result;
    }
    /* A directory that moves gets another "..", which is a change of itself. */
    if (!access_allows(&mutation->cred, &operation->object, ACCESS_WRITE)) {
        return -EACCES;
    }
    return check_loop(deciding, &found.gfid, &mutation->parent2);
}

/* What the new name stands for now, if anything. Sets *out_same if it is the very object. */
static int load_replaced(struct deciding *deciding, const struct attr *target, bool *out_same)
{
    const struct mutation *mutation = deciding->mutation;
    struct operation *operation = deciding->operation;
    struct attr_before unused;
    struct name_record found;
    int result = index_name_find(deciding->index, &mutation->parent2, mutation->name2, &found);
    if (result == -ENOENT) {
        if (gfid_is_root(&mutation->parent2) &&
            slice_equal(mutation->name2, slice_text(DISK_DIRECTORY))) {
            return -EPERM; /* the brick's own */
        }
        return index_name_cookie(deciding->index, &mutation->parent2, mutation->name2,
                                 &operation->cookie2);
    }
    if (result) {
        return result;
    }
    operation->cookie2 = found.cookie;
    *out_same = gfid_equal(&found.gfid, &operation->object.gfid);
    if (*out_same) {
        return mutation->rename_flags & RENAME_NOREPLACE ? -EEXIST : 0;
    }
    result =
        deciding_load(deciding, &found.gfid, &deciding->replaced, &operation->replaced, &unused);
    if (!result) {
        result = check_replacing(deciding);
    }
    return result ? result : check_taking(&mutation->cred, target, &operation->replaced);
}

static void rename_outcome(struct deciding *deciding)
{
    struct operation *operation = deciding->operation;
    const struct decision *decision = deciding->decision;
    bool directory = operation->object.type == OBJECT_DIRECTORY;
    bool replaces = operation->replaced.type != OBJECT_NONE;
    operation->kind = OPERATION_RENAME;
    operation->name = deciding->mutation->name;
    operation->name2 = deciding->mutation->name2;
    operation->rename_flags = deciding->mutation->rename_flags;
    attr_touch(&operation->object, decision, false);
    if (replaces) {
        lose_link(&operation->replaced, decision);
    }
    int gain = replaces ? 0 : 1;
    if (operation->parent2.type == OBJECT_NONE) {
        int lost = directory && replaces ? -1 : 0;
        attr_touch_directory(&operation->parent, &deciding->parent, gain - 1, lost, decision);
        return;
    }
    attr_touch_directory(&operation->parent, &deciding->parent, -1, directory ? -1 : 0, decision);
    attr_touch_directory(&operation->parent2, &deciding->parent2, gain, directory ? gain : 0,
                         decision);
    if (directory) {
        operation->object.parent = operation->parent2.gfid;
    }
}

int decide_rename(struct deciding *deciding)
{
    const struct mutation *mutation = deciding->mutation;
    struct operation *operation = deciding->operation;
    const struct attr *target;
    int result = load_directories(deciding, &target);
    if (!result) {
        result = load_source(deciding, target);
    }
    bool same = false;
    if (!result) {
        result = load_replaced(deciding, target, &same);
    }
    if (result || same) {
        return result; /* one object by both names: success, and nothing happens (POSIX rename) */
    }
    result = check_taking(&mutation->cred, &operation->parent, &operation->object);
    if (!result && !access_allows(&mutation->cred, target, ACCESS_WRITE)) {
        result = -EACCES;
    }
    if (!result) {
        rename_outcome(deciding);
    }
    return result;
}
