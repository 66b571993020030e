/*
 * The cluster store's checked calls: what holds for every implementation is tested here, once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mgmt/cluster_store.h"

#include "backend/base/check.h"
#include "backend/base/errors.h"

int cluster_store_get(struct cluster_store *store, const char *key, char **out_value,
                      uint64_t *out_version)
{
    uint64_t version = 0;
    int status = store->ops->get(store, key, out_value, &version);
    if (status) {
        return status;
    }
    POST(version > 0);
    if (out_version) {
        *out_version = version;
    }
    return 0;
}

int cluster_store_put_if_version(struct cluster_store *store, const char *key, struct slice value,
                                 uint64_t expected, uint64_t *out_version)
{
    if (key[0] == '\0' || strlen(key) > STORE_KEY_MAX) {
        return -EINVAL;
    }
    if (value.size > STORE_VALUE_MAX) {
        return -EFBIG;
    }
    uint64_t version = 0;
    int status = store->ops->put_if_version(store, key, value, expected, &version);
    if (status) {
        return status;
    }
    POST(version > expected);
    if (out_version) {
        *out_version = version;
    }
    return 0;
}

int cluster_store_delete_if_version(struct cluster_store *store, const char *key, uint64_t expected)
{
    return store->ops->delete_if_version(store, key, expected);
}

int cluster_store_list(struct cluster_store *store, const char *prefix, cluster_store_each *each,
                       void *context)
{
    return store->ops->list(store, prefix, each, context);
}

int cluster_store_watch(struct cluster_store *store, const char *prefix,
                        cluster_store_callback *callback, void *context)
{
    PRE(callback != NULL);
    return store->ops->watch(store, prefix, callback, context);
}

void cluster_store_close(struct cluster_store *store)
{
    if (store) {
        store->ops->close(store);
    }
}
