/*
 * Attributes, decisions and positions, answered from the index.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/store/decide.h"
#include "backend/store/indexed.h"

int indexed_getattr(struct store *store, const struct gfid *object, struct attr *out_attr)
{
    struct index *index = index_of(store);
    struct object_record record;
    AUTO_LOCK(&index->mutex);
    int result = index_object_get(index, object, &record);
    if (!result) {
        *out_attr = record.attr;
    }
    return result;
}

int indexed_decide(struct store *store, const struct mutation *mutation,
                   const struct decision *decision, struct operation *out_operation)
{
    return decide(index_of(store), mutation, decision, out_operation);
}

int indexed_commit(struct store *store, uint64_t committed)
{
    struct index *index = index_of(store);
    AUTO_LOCK(&index->mutex);
    if (committed > index->position.committed) {
        index->position.committed = committed;
    }
    return 0;
}

void indexed_position(struct store *store, struct store_position *out_position)
{
    struct index *index = index_of(store);
    AUTO_LOCK(&index->mutex);
    *out_position = index->position;
}
