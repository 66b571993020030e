/*
 * What every store over an index has in common: the answers that need nothing but the index.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_STORE_INDEXED_H
#define TRIVET_STORE_INDEXED_H

#include "backend/store/index.h"
#include "backend/store/store.h"

/* The beginning of a store's own struct. */
struct indexed_store {
    struct store store;
    struct index *index;
};

/* Rows of struct store_ops, in its order. */
int indexed_getattr(struct store *store, const struct gfid *object, struct attr *out_attr);
int indexed_lookup(struct store *store, const struct gfid *parent, struct slice name,
                   struct attr *out_child, struct attr *out_parent);
int indexed_readlink(struct store *store, const struct gfid *object, char *buffer, size_t size,
                     size_t *out_size);
int indexed_readdir(struct store *store, const struct gfid *directory, uint64_t cookie,
                    bool with_attr, uint8_t *buffer, size_t size, size_t *out_size, bool *out_eof);
int indexed_getxattr(struct store *store, const struct gfid *object, struct slice name,
                     uint8_t *buffer, size_t size, size_t *out_size);
int indexed_listxattr(struct store *store, const struct gfid *object, uint8_t *buffer, size_t size,
                      size_t *out_size);
int indexed_rights(struct store *store, const struct attr *attr, const struct cred *cred,
                   uint32_t *out_rights);
int indexed_orphan_next(struct store *store, const struct gfid *after, struct gfid *out_object,
                        uint64_t *out_keeper);
int indexed_decide(struct store *store, const struct mutation *mutation,
                   const struct decision *decision, struct operation *out_operation);
int indexed_refetch(struct store *store, int (*each)(void *context, const struct store_refetch *),
                    void *context);
int indexed_commit(struct store *store, uint64_t index);
void indexed_position(struct store *store, struct store_position *out_position);

static inline struct index *index_of(struct store *store)
{
    return ((struct indexed_store *)store)->index;
}

#endif
