/*
 * Ordered tables of bytes, the seam under the index: LMDB for a brick's directory, a tree in memory
 * for the simulator. Keys are ordered as memcmp orders them.
 *
 * Nothing here locks: the index holds its lock around every call. A value that was handed out is
 * valid until the next put, remove or commit of any table.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_STORE_KV_H
#define TRIVET_STORE_KV_H

#include <stdbool.h>
#include "backend/base/slice.h"

/* In the order of the names in kv_lmdb.c. */
enum kv_table {
    KV_OBJECTS,   /* gfid → attributes and more */
    KV_NAMES,     /* directory's gfid, cookie → gfid, type, name */
    KV_HANDLES,   /* gfid → the brick's own file handle */
    KV_UNFLUSHED, /* gfid: decided times have not reached the tree */
    KV_TARGETS,   /* gfid → a symlink's target */
    KV_META,      /* text → positions and the like */
    KV_XATTRS,    /* gfid → all extended attributes (index_xattr.c) */
    KV_ORPHANS,   /* gfid → the client that keeps it */
    KV_CONTENTS,  /* memory store: gfid, page → bytes */
    KV_RECORDS,   /* memory store: index → record of the log */
    KV_UNDO,      /* index of an operation not yet committed → what it changed (undo.c) */
    KV_CUT,       /* index, birth view → record of an operation that was taken back (cut.c) */
    KV_TABLES
};

/* Longest key: gfid and a number. */
#define KV_KEY_MAX 32

struct kv;

struct kv_ops {
    /* Fails: -ENOENT. */
    int (*get)(struct kv *, enum kv_table, struct slice key, struct slice *out_value);
    /* Put, or replace. */
    int (*put)(struct kv *, enum kv_table, struct slice key, struct slice value);
    /* Fails: -ENOENT. */
    int (*remove)(struct kv *, enum kv_table, struct slice key);
    /* The first pair at or behind key. Fails: -ENOENT. */
    int (*seek)(struct kv *, enum kv_table, struct slice key, struct slice *out_key,
                struct slice *out_value);
    /* The pair behind that of the table's last call (seek or next), with no change since. */
    int (*next)(struct kv *, enum kv_table, struct slice *out_key, struct slice *out_value);
    /* What was put survives the process from now on; with durable the machine too. */
    int (*commit)(struct kv *, bool durable);
    void (*close)(struct kv *);
};

struct kv {
    const struct kv_ops *ops;
};

/* Open or make the environment in the directory path. Fails: -errno, -E_CORRUPT. */
int kv_lmdb_open(const char *path, struct kv **out_kv);
/* Fails: -ENOMEM. */
int kv_memory_open(struct kv **out_kv);

#endif
