/*
 * Deciding: the entry point and what the families share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/store/decide.h"

#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/store/access.h"

#define BLOCK_SIZE UINT64_C(4096)
/* What an entry adds to its directory's size: as much as it is in ext4 with a name of 24 bytes. */
#define ENTRY_SIZE 32

int decide(struct index *index, const struct mutation *mutation, const struct decision *decision,
           struct operation *out_operation)
{
    static int (*const families[])(struct deciding *) = {
        [MUTATION_WRITE] = decide_write,       [MUTATION_SETATTR] = decide_setattr,
        [MUTATION_MAKE] = decide_make,         [MUTATION_LINK] = decide_link,
        [MUTATION_REMOVE] = decide_remove,     [MUTATION_RMDIR] = decide_remove,
        [MUTATION_RENAME] = decide_rename,     [MUTATION_ALLOCATE] = decide_allocate,
        [MUTATION_SETXATTR] = decide_setxattr, [MUTATION_REMOVEXATTR] = decide_removexattr,
        [MUTATION_FORGET] = decide_forget,
    };
    PRE((size_t)mutation->kind < sizeof families / sizeof families[0]);
    *out_operation = (struct operation){
        .index = decision->index, .birth_view = decision->view, .id = mutation->id};
    struct deciding deciding = {
        .index = index, .mutation = mutation, .decision = decision, .operation = out_operation};
    AUTO_LOCK(&index->mutex);
    int result = families[mutation->kind](&deciding);
    if (result) {
        out_operation->kind = OPERATION_NONE;
    }
    return result;
}

int deciding_load(struct deciding *deciding, const struct gfid *gfid, struct object_record *record,
                  struct attr *attr, struct attr_before *before)
{
    int result = index_object_get(deciding->index, gfid, record);
    if (result) {
        return result;
    }
    *attr = record->attr;
    *before = (struct attr_before){
        .present = true, .size = attr->size, .mtime = attr->mtime, .ctime = attr->ctime};
    return 0;
}

int deciding_load_directory(struct deciding *deciding, const struct gfid *gfid,
                            struct object_record *record, struct attr *attr,
                            struct attr_before *before)
{
    int result = deciding_load(deciding, gfid, record, attr, before);
    if (!result && record->attr.type != OBJECT_DIRECTORY) {
        result = -ENOTDIR;
    }
    return !result && attr->nlink == 0 ? -ENOENT : result; /* removed, and still open */
}

bool deciding_allows(const struct deciding *deciding, const struct attr *attr, uint32_t want)
{
    const struct cred *cred = &deciding->mutation->cred;
    struct slice acl;
    return cred->flags & CRED_CHECKED || (index_acl_get(deciding->index, attr, &acl) == 0 &&
                                          access_permits(cred, attr, acl, want));
}

bool deciding_allows_io(const struct deciding *deciding, const struct attr *attr, uint32_t want)
{
    return deciding->mutation->cred.uid == attr->uid || deciding_allows(deciding, attr, want);
}

int name_check(struct slice name, int if_dots)
{
    if (name.size == 0) {
        return -EINVAL;
    }
    if (name.size > NAME_SIZE_MAX) {
        return -ENAMETOOLONG;
    }
    if (memchr(name.data, '/', name.size) || memchr(name.data, '\0', name.size)) {
        return -EINVAL;
    }
    bool dots = name.data[0] == '.' && (name.size == 1 || (name.size == 2 && name.data[1] == '.'));
    return dots ? if_dots : 0;
}

/* The object's time of this operation: the clock's, but later than any that it had. */
static struct timestamp time_after(const struct timestamp *last, const struct decision *decision)
{
    struct timestamp now = {.seconds = (int64_t)(decision->now_ns / NS_PER_S),
                            .nanoseconds = (uint32_t)(decision->now_ns % NS_PER_S)};
    if (timestamp_compare(&now, last) > 0) {
        return now;
    }
    now = *last;
    now.nanoseconds++;
    if (now.nanoseconds == NS_PER_S) {
        now.nanoseconds = 0;
        now.seconds++;
    }
    return now;
}

void attr_touch(struct attr *attr, const struct decision *decision, bool contents)
{
    /* Only ctime is kept from going back: nobody can set it, whereas an mtime that was set to a
     * day in the future has to come back when the file is written. */
    attr->ctime = time_after(&attr->ctime, decision);
    if (contents) {
        attr->mtime = attr->ctime;
    }
    attr->change = decision->index;
}

uint64_t blocks_of(uint64_t size)
{
    return (size + BLOCK_SIZE - 1) / BLOCK_SIZE * BLOCK_SIZE;
}

void attr_touch_directory(struct attr *attr, const struct object_record *record, int entries,
                          int subdirectories, const struct decision *decision)
{
    uint64_t bytes = (record->entries + (uint64_t)entries) * ENTRY_SIZE;
    attr->size = bytes ? blocks_of(bytes) : BLOCK_SIZE;
    attr->used = attr->size;
    attr->nlink += (uint32_t)subdirectories;
    attr_touch(attr, decision, true);
}

void attr_resize(struct attr *attr, uint64_t size)
{
    attr->size = size;
    if (attr->used > blocks_of(size)) {
        attr->used = blocks_of(size);
    }
}
