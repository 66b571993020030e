/*
 * Deciding REMOVE, RMDIR, RENAME and FORGET.
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
static int check_taking(const struct deciding *deciding, const struct attr *directory,
                        const struct attr *object)
{
    if (!deciding_allows(deciding, directory, ACCESS_WRITE | ACCESS_EXECUTE)) {
        return -EACCES;
    }
    return access_sticky_allows(&deciding->mutation->cred, directory, object) ? 0 : -EPERM;
}

/* An object loses a name. What was its last name goes, and the object stays, if the caller is one
 * that has it open; a directory's names are one. */
static void lose_link(struct deciding *deciding, struct attr *attr)
{
    const struct mutation *mutation = deciding->mutation;
    attr->nlink = attr->type == OBJECT_DIRECTORY ? 0 : attr->nlink - 1;
    attr_touch(attr, deciding->decision, false);
    if (attr->nlink == 0 && mutation->keep && mutation->id.kind == OP_ID_SESSION) {
        deciding->operation->flags |= OPERATION_KEEPS;
    }
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
    if (!result && !deciding_allows(deciding, &operation->parent, ACCESS_EXECUTE)) {
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
        result = check_taking(deciding, &operation->parent, &operation->object);
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
    lose_link(deciding, &operation->object);
    attr_touch_directory(&operation->parent, &deciding->parent, -1, directory ? -1 : 0,
                         deciding->decision);
    return 0;
}

/* Is directory an ancestor of at, or at itself? Fails: result if so. */
static int check_not_above(struct deciding *deciding, const struct gfid *directory, struct gfid at,
                           int result_if_so)
{
    struct object_record record;
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
    return result_if_so;
}

/* Neither goes into itself, nor is a directory replaced (or moved) that the object is in. */
static int check_loops(struct deciding *deciding)
{
    const struct mutation *mutation = deciding->mutation;
    const struct attr *object = &deciding->operation->object;
    const struct attr *replaced = &deciding->operation->replaced;
    int above = mutation->rename_flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
    int result = 0;
    if (object->type == OBJECT_DIRECTORY) {
        result = check_not_above(deciding, &object->gfid, mutation->parent2, -EINVAL);
    }
    if (!result && replaced->type == OBJECT_DIRECTORY) {
        result = check_not_above(deciding, &replaced->gfid, mutation->parent, above);
    }
    return result;
}

static int check_types(const struct deciding *deciding)
{
    const struct object_record *object = &deciding->object;
    const struct object_record *replaced = &deciding->replaced;
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
    if (!result && mutation->rename_flags != 0 && mutation->rename_flags != RENAME_NOREPLACE &&
        mutation->rename_flags != RENAME_EXCHANGE) {
        result = -EINVAL; /* both, or a whiteout, which is for file systems below overlayfs */
    }
    if (!result && (!deciding_allows(deciding, &operation->parent, ACCESS_EXECUTE) ||
                    !deciding_allows(deciding, *out_target, ACCESS_EXECUTE))) {
        result = -EACCES;
    }
    return result;
}

static int load_source(struct deciding *deciding)
{
    const struct mutation *mutation = deciding->mutation;
    struct operation *operation = deciding->operation;
    struct name_record found;
    int result = index_name_find(deciding->index, &mutation->parent, mutation->name, &found);
    if (result) {
        return result;
    }
    operation->cookie = found.cookie;
    return deciding_load(deciding, &found.gfid, &deciding->object, &operation->object,
                         &operation->object_before);
}

/* What the new name stands for now, if anything. */
static int load_replaced(struct deciding *deciding)
{
    const struct mutation *mutation = deciding->mutation;
    struct operation *operation = deciding->operation;
    struct attr_before unused;
    struct name_record found;
    int result = index_name_find(deciding->index, &mutation->parent2, mutation->name2, &found);
    if (result == -ENOENT && !(mutation->rename_flags & RENAME_EXCHANGE)) {
        return index_name_cookie(deciding->index, &mutation->parent2, mutation->name2,
                                 &operation->cookie2);
    }
    if (!result && mutation->rename_flags & RENAME_NOREPLACE) {
        result = -EEXIST;
    }
    if (result) {
        return result;
    }
    operation->cookie2 = found.cookie;
    return deciding_load(deciding, &found.gfid, &deciding->replaced, &operation->replaced, &unused);
}

/* A directory that moves gets another "..", which is a change of itself. */
static bool may_move(const struct deciding *deciding, const struct attr *attr)
{
    return attr->type != OBJECT_DIRECTORY || deciding_allows(deciding, attr, ACCESS_WRITE);
}

/* Permissions and types, in the kernel's order. */
static int check_rename(const struct deciding *deciding, const struct attr *target)
{
    const struct mutation *mutation = deciding->mutation;
    const struct operation *operation = deciding->operation;
    bool exchange = mutation->rename_flags & RENAME_EXCHANGE;
    int result = check_taking(deciding, &operation->parent, &operation->object);
    if (!result && operation->replaced.type != OBJECT_NONE) {
        result = check_taking(deciding, target, &operation->replaced);
        if (!result && !exchange) {
            result = check_types(deciding);
        }
    } else if (!result && !deciding_allows(deciding, target, ACCESS_WRITE | ACCESS_EXECUTE)) {
        result = -EACCES;
    }
    if (!result && target != &operation->parent &&
        (!may_move(deciding, &operation->object) ||
         (exchange && !may_move(deciding, &operation->replaced)))) {
        result = -EACCES;
    }
    if (!result && gfid_is_root(&mutation->parent2) &&
        slice_equal(mutation->name2, slice_text(DISK_DIRECTORY))) {
        result = -EPERM; /* the brick's own */
    }
    return result;
}

static void exchange_outcome(struct deciding *deciding)
{
    struct operation *operation = deciding->operation;
    const struct decision *decision = deciding->decision;
    int out = operation->object.type == OBJECT_DIRECTORY;
    int in = operation->replaced.type == OBJECT_DIRECTORY;
    attr_touch(&operation->object, decision, false);
    attr_touch(&operation->replaced, decision, false);
    if (operation->parent2.type == OBJECT_NONE) {
        attr_touch_directory(&operation->parent, &deciding->parent, 0, 0, decision);
        return;
    }
    attr_touch_directory(&operation->parent, &deciding->parent, 0, in - out, decision);
    attr_touch_directory(&operation->parent2, &deciding->parent2, 0, out - in, decision);
    if (out) {
        operation->object.parent = operation->parent2.gfid;
    }
    if (in) {
        operation->replaced.parent = operation->parent.gfid;
    }
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
    if (operation->rename_flags & RENAME_EXCHANGE) {
        exchange_outcome(deciding);
        return;
    }
    attr_touch(&operation->object, decision, false);
    if (replaces) {
        lose_link(deciding, &operation->replaced);
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
    struct operation *operation = deciding->operation;
    const struct attr *target;
    int result = load_directories(deciding, &target);
    if (!result) {
        result = load_source(deciding);
    }
    if (!result) {
        result = load_replaced(deciding);
    }
    if (!result) {
        result = check_loops(deciding);
    }
    if (result) {
        operation->replaced.type = OBJECT_NONE;
        return result;
    }
    if (gfid_equal(&operation->replaced.gfid, &operation->object.gfid)) {
        operation->replaced.type = OBJECT_NONE;
        return 0; /* one object by both names: success, and nothing happens (POSIX rename) */
    }
    result = check_rename(deciding, target);
    if (!result) {
        rename_outcome(deciding);
    }
    return result;
}

int decide_forget(struct deciding *deciding)
{
    const struct mutation *mutation = deciding->mutation;
    struct operation *operation = deciding->operation;
    struct orphan_record orphan;
    int result = deciding_load(deciding, &mutation->object, &deciding->object, &operation->object,
                               &operation->object_before);
    if (!result) {
        result = index_orphan_get(deciding->index, &mutation->object, &orphan);
        result = result == -ENOENT ? -ESTALE : result; /* gone, or it has got a name */
    }
    if (result) {
        return result;
    }
    const struct op_id *id = &mutation->id;
    if (id->client != 0 && (id->kind != OP_ID_SESSION || id->client != orphan.keeper)) {
        return -EPERM;
    }
    operation->kind = OPERATION_FORGET;
    attr_touch(&operation->object, deciding->decision, false);
    return 0;
}
