/*
 * The checked wrappers: the only way into a store. They check what would be a mistake of our own;
 * what a caller may be told wrong by a client is checked by decide and comes back as an error.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/store/store.h"

#include "backend/base/check.h"
#include "backend/base/errors.h"

int store_getattr(struct store *store, const struct gfid *object, struct attr *out_attr)
{
    PRE(store && object && out_attr);
    return store->ops->getattr(store, object, out_attr);
}

int store_lookup(struct store *store, const struct gfid *parent, struct slice name,
                 struct attr *out_child, struct attr *out_parent)
{
    PRE(store && parent && out_child && out_parent);
    PRE(name.data || name.size == 0);
    return store->ops->lookup(store, parent, name, out_child, out_parent);
}

int store_readlink(struct store *store, const struct gfid *object, char *buffer, size_t size,
                   size_t *out_size)
{
    PRE(store && object && buffer && out_size);
    return store->ops->readlink(store, object, buffer, size, out_size);
}

int store_read(struct store *store, const struct gfid *object, uint64_t offset, uint32_t count,
               bool no_wait, uint8_t *buffer, uint32_t *out_count)
{
    PRE(store && object && out_count);
    PRE(buffer || count == 0);
    if (offset > INT64_MAX) {
        return -EINVAL;
    }
    return store->ops->read(store, object, offset, count, no_wait, buffer, out_count);
}

int store_sync(struct store *store, const struct gfid *object)
{
    PRE(store);
    return store->ops->sync(store, object && gfid_is_none(object) ? NULL : object);
}

int store_sync_join(struct store *store, const struct gfid *object, struct store_sync *sync)
{
    PRE(store && object && sync && sync->complete);
    return store->ops->sync_join(store, object, sync);
}

int store_getxattr(struct store *store, const struct gfid *object, struct slice name,
                   uint8_t *buffer, size_t size, size_t *out_size)
{
    PRE(store && object && out_size);
    PRE(buffer || size == 0);
    return store->ops->getxattr(store, object, name, buffer, size, out_size);
}

int store_listxattr(struct store *store, const struct gfid *object, uint8_t *buffer, size_t size,
                    size_t *out_size)
{
    PRE(store && object && out_size);
    PRE(buffer || size == 0);
    return store->ops->listxattr(store, object, buffer, size, out_size);
}

int store_seek(struct store *store, const struct gfid *object, uint64_t offset, int whence,
               uint64_t *out_offset)
{
    PRE(store && object && out_offset);
    if (offset > INT64_MAX) {
        return -ENXIO;
    }
    return store->ops->seek(store, object, offset, whence, out_offset);
}

int store_rights(struct store *store, const struct attr *attr, const struct cred *cred,
                 uint32_t *out_rights)
{
    PRE(store && attr && cred && out_rights);
    return store->ops->rights(store, attr, cred, out_rights);
}

int store_orphan_next(struct store *store, const struct gfid *after, struct gfid *out_object,
                      uint64_t *out_keeper)
{
    PRE(store && after && out_object && out_keeper);
    return store->ops->orphan_next(store, after, out_object, out_keeper);
}

int store_readdir(struct store *store, const struct gfid *directory, uint64_t cookie,
                  bool with_attr, uint8_t *buffer, size_t size, size_t *out_size, bool *out_eof)
{
    PRE(store && directory && buffer && out_size && out_eof);
    return store->ops->readdir(store, directory, cookie, with_attr, buffer, size, out_size,
                               out_eof);
}

int store_statfs(struct store *store, struct statfs_info *out_info)
{
    PRE(store && out_info);
    return store->ops->statfs(store, out_info);
}

int store_decide(struct store *store, const struct mutation *mutation,
                 const struct decision *decision, struct operation *out_operation)
{
    PRE(store && mutation && decision && out_operation);
    PRE(decision->index >= OPERATION_INDEX_FIRST);
    PRE(mutation->count <= IO_SIZE_MAX);
    PRE(mutation->cred.group_count <= CRED_GROUPS_MAX);
    PRE(mutation->value.size <= XATTR_VALUE_MAX);
    return store->ops->decide(store, mutation, decision, out_operation);
}

int store_sequence(struct store *store, const struct operation *operation, struct slice record)
{
    PRE(store && operation && record.data);
    PRE(operation->kind != OPERATION_NONE);
    PRE(record.size > 0 && record.size <= OPERATION_SIZE_MAX);
    return store->ops->sequence(store, operation, record);
}

int store_apply(struct store *store, const struct operation *operation, struct slice bulk)
{
    PRE(store && operation);
    PRE(operation->kind != OPERATION_NONE);
    PRE(bulk.size == (operation->kind == OPERATION_WRITE ? operation->count : 0));
    return store->ops->apply(store, operation, bulk);
}

int store_commit(struct store *store, uint64_t index)
{
    PRE(store);
    return store->ops->commit(store, index);
}

int store_log_read(struct store *store, uint64_t index, uint8_t *buffer, size_t size,
                   size_t *out_size)
{
    PRE(store && buffer && out_size);
    return store->ops->log_read(store, index, buffer, size, out_size);
}

int store_log_birth(struct store *store, uint64_t index, uint64_t *out_birth)
{
    PRE(store && out_birth);
    uint8_t record[OPERATION_SIZE_MAX];
    struct operation operation;
    size_t size;
    if (index < OPERATION_INDEX_FIRST) {
        *out_birth = 0;
        return 0;
    }
    int result = store->ops->log_read(store, index, record, sizeof record, &size);
    if (!result && operation_decode(slice_of(record, size), &operation)) {
        result = -E_CORRUPT;
    }
    if (!result) {
        *out_birth = operation.birth_view;
    }
    return result;
}

int store_cut(struct store *store, uint64_t to,
              int (*each)(void *context, const struct store_refetch *), void *context)
{
    PRE(store && each);
    int result = store->ops->cut(store, to);
    return result ? result : store->ops->refetch(store, each, context);
}

int store_refetch(struct store *store, int (*each)(void *context, const struct store_refetch *),
                  void *context)
{
    PRE(store && each);
    return store->ops->refetch(store, each, context);
}

int store_restore(struct store *store, const struct gfid *object, uint64_t offset,
                  struct slice bytes)
{
    PRE(store && object);
    PRE(bytes.data || bytes.size == 0);
    return store->ops->reconciling(store) ? store->ops->restore(store, object, offset, bytes)
                                          : -EINVAL;
}

bool store_reconciling(struct store *store)
{
    PRE(store);
    return store->ops->reconciling(store);
}

int store_reconciled(struct store *store)
{
    PRE(store);
    return store->ops->reconciling(store) ? store->ops->reconciled(store) : 0;
}

void store_position(struct store *store, struct store_position *out_position)
{
    PRE(store && out_position);
    store->ops->position(store, out_position);
}

void store_identity(struct store *store, struct store_identity *out_identity)
{
    PRE(store && out_identity);
    store->ops->identity(store, out_identity);
}

int store_checkpoint(struct store *store)
{
    PRE(store);
    return store->ops->checkpoint(store);
}

int store_view_get(struct store *store, struct view *out_view)
{
    PRE(store && out_view);
    return store->ops->view_get(store, out_view);
}

int store_view_put(struct store *store, const struct view *view)
{
    PRE(store && view);
    PRE(view->member_count <= SET_MEMBERS_MAX);
    return store->ops->view_put(store, view);
}

void store_close(struct store *store)
{
    if (store) {
        store->ops->close(store);
    }
}
