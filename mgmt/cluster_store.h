/*
 * The seam of the cluster store: a small linearizable map from keys to values with versions. Volume
 * definitions and views live in it and change only by compare-and-swap, so that whoever loses a
 * race hears of it. Today's implementation is a directory of files (store_file.c); one that spans
 * several machines follows, and both pass the same tests (tests/unit/cluster_store_test.c).
 *
 * A version is unique in the store's life: a key that was deleted and made again never has a
 * version that it had before.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_MGMT_CLUSTER_STORE_H
#define TRIVET_MGMT_CLUSTER_STORE_H

#include <stdint.h>
#include "backend/base/slice.h"
#include "mgmt/refusal.h"

struct cluster_store;

/* Called after key changed or went, by the thread that changed it or one of the store's own. Says
 * only that there is something new: read the key. Several changes may be told as one. */
typedef void cluster_store_callback(const char *key, void *context);

/* Return non-zero to end the listing; cluster_store_list then returns that. */
typedef int cluster_store_each(const char *key, void *context);

struct cluster_store_ops {
    int (*get)(struct cluster_store *, const char *key, char **out_value, uint64_t *out_version);
    int (*put_if_version)(struct cluster_store *, const char *key, struct slice value,
                          uint64_t expected, uint64_t *out_version);
    int (*delete_if_version)(struct cluster_store *, const char *key, uint64_t expected);
    int (*list)(struct cluster_store *, const char *prefix, cluster_store_each *each,
                void *context);
    int (*watch)(struct cluster_store *, const char *prefix, cluster_store_callback *callback,
                 void *context);
    void (*close)(struct cluster_store *);
};

/* Embedded at the start of each implementation's struct. */
struct cluster_store {
    const struct cluster_store_ops *ops;
};

/*
 * Open the store of files in directory, which is made if need be. One process at a time may have it
 * open; the state directory's lock sees to that.
 *
 * Fails: -E_CORRUPT (a file fails its check) -EIO …; out_why says which file and what to do.
 */
int file_store_open(const char *directory, struct cluster_store **out_store,
                    struct refusal *out_why);

/*
 * Read a key. The value ends with a NUL that does not count.
 *
 * Owns:    *out_value is the caller's, to free. out_version may be NULL.
 * Threads: any.
 * Fails:   -ENOENT; -E_CORRUPT (the stored value fails its check); -EIO …
 */
int cluster_store_get(struct cluster_store *store, const char *key, char **out_value,
                      uint64_t *out_version);

/*
 * Write a key if it still has the expected version; 0: if it does not exist.
 *
 * Durable: on 0 the value survives a loss of power. On -EIO the outcome is unknown: read again.
 * Threads: any; watches are called before return.
 * Fails:   -E_VERSION_CONFLICT; -EINVAL (not a key); -EFBIG (STORE_VALUE_MAX); -ENOSPC -EIO …
 */
int cluster_store_put_if_version(struct cluster_store *store, const char *key, struct slice value,
                                 uint64_t expected, uint64_t *out_version);

/*
 * Delete a key if it still has the expected version.
 *
 * Durable: as put_if_version.
 * Fails:   -ENOENT; -E_VERSION_CONFLICT; -EIO …
 */
int cluster_store_delete_if_version(struct cluster_store *store, const char *key,
                                    uint64_t expected);

/* Call each for every key that begins with prefix, in ascending order, as they were at one moment.
 * each may read and change the store. Fails: what each returned; -EIO … */
int cluster_store_list(struct cluster_store *store, const char *prefix, cluster_store_each *each,
                       void *context);

/* Have changes of keys that begin with prefix told, until the store is closed.
 * Fails: -ENOSPC (STORE_WATCHES_MAX). */
int cluster_store_watch(struct cluster_store *store, const char *prefix,
                        cluster_store_callback *callback, void *context);

/* Close and free. store may be NULL. */
void cluster_store_close(struct cluster_store *store);

#endif
