/*
 * Ordered tables in LMDB. One write transaction is open all the time; commit ends it and begins the
 * next. Everybody reads inside it, under the index's lock, so there are no reader slots and no
 * version of a page has to be kept for anybody.
 *
 * Without a sync per commit (MDB_NOSYNC) a commit survives the process, since the page cache does;
 * it does not survive the machine in order, which is why the log exists. The map is not writable
 * (no MDB_WRITEMAP): a full disk is then an error of a write and not a SIGBUS.
 *
 * A page that is not in memory is read alone (MDB_NORDAHEAD): the kernel's 128 KiB around each
 * would push out others that are needed, once the index is larger than memory, and for random
 * places in a large one they are useless anyhow. A listing of what is not in memory costs little
 * more by it.
 *
 * Each table keeps one cursor for the life of the transaction: neighbouring keys, as made one after
 * the other, are found in the cursor's page without a descent from the root.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <lmdb.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/store/kv.h"

/* Address space, not memory: room for some 500 million objects. */
#define MAP_SIZE ((size_t)256 << 30)

struct kv_lmdb {
    struct kv kv;
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi tables[KV_TABLES];
    MDB_cursor *cursors[KV_TABLES];
};

static const char *const table_names[KV_TABLES] = {
    [KV_OBJECTS] = "objects", [KV_NAMES] = "names",     [KV_HANDLES] = "handles",
    [KV_XATTRS] = "xattrs",   [KV_ORPHANS] = "orphans", [KV_UNFLUSHED] = "unflushed",
    [KV_TARGETS] = "targets", [KV_META] = "meta",       [KV_CONTENTS] = "contents",
    [KV_RECORDS] = "records", [KV_UNDO] = "undo",       [KV_CUT] = "cut",
};

static int from_mdb(int result)
{
    switch (result) {
    case MDB_SUCCESS:
        return 0;
    case MDB_NOTFOUND:
        return -ENOENT;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
        return -ENOSPC;
    case MDB_PAGE_NOTFOUND:
    case MDB_CORRUPTED:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        return -E_CORRUPT;
    default:
        return result > 0 ? -result : -EIO;
    }
}

static struct kv_lmdb *kv_lmdb_of(struct kv *kv)
{
    return (struct kv_lmdb *)kv;
}

/* NULL after a commit that failed: it took transaction and cursors with it. */
static MDB_cursor *cursor_of(struct kv *kv, enum kv_table table)
{
    struct kv_lmdb *lmdb = kv_lmdb_of(kv);
    return lmdb->txn ? lmdb->cursors[table] : NULL;
}

static MDB_val val_of(struct slice slice)
{
    union { /* LMDB takes no const, and changes nothing */
        const void *in;
        void *out;
    } data = {.in = slice.data};
    return (MDB_val){.mv_size = slice.size, .mv_data = data.out};
}

static int kv_lmdb_get(struct kv *kv, enum kv_table table, struct slice key,
                       struct slice *out_value)
{
    MDB_cursor *cursor = cursor_of(kv, table);
    MDB_val mdb_key = val_of(key);
    MDB_val value;
    int result = cursor ? mdb_cursor_get(cursor, &mdb_key, &value, MDB_SET) : EIO;
    if (result) {
        return from_mdb(result);
    }
    *out_value = slice_of(value.mv_data, value.mv_size);
    return 0;
}

static int kv_lmdb_put(struct kv *kv, enum kv_table table, struct slice key, struct slice value)
{
    MDB_cursor *cursor = cursor_of(kv, table);
    MDB_val mdb_key = val_of(key);
    MDB_val mdb_value = val_of(value);
    return cursor ? from_mdb(mdb_cursor_put(cursor, &mdb_key, &mdb_value, 0)) : -EIO;
}

static int kv_lmdb_remove(struct kv *kv, enum kv_table table, struct slice key)
{
    MDB_cursor *cursor = cursor_of(kv, table);
    MDB_val mdb_key = val_of(key);
    MDB_val value;
    int result = cursor ? mdb_cursor_get(cursor, &mdb_key, &value, MDB_SET) : EIO;
    return from_mdb(result ? result : mdb_cursor_del(cursor, 0));
}

static int cursor_move(struct kv *kv, enum kv_table table, MDB_val *key, MDB_cursor_op op,
                       struct slice *out_key, struct slice *out_value)
{
    MDB_cursor *cursor = cursor_of(kv, table);
    MDB_val value;
    int result = cursor ? mdb_cursor_get(cursor, key, &value, op) : EIO;
    if (result) {
        return from_mdb(result);
    }
    *out_key = slice_of(key->mv_data, key->mv_size);
    *out_value = slice_of(value.mv_data, value.mv_size);
    return 0;
}

static int kv_lmdb_seek(struct kv *kv, enum kv_table table, struct slice key, struct slice *out_key,
                        struct slice *out_value)
{
    MDB_val mdb_key = val_of(key);
    return cursor_move(kv, table, &mdb_key, MDB_SET_RANGE, out_key, out_value);
}

static int kv_lmdb_next(struct kv *kv, enum kv_table table, struct slice *out_key,
                        struct slice *out_value)
{
    MDB_val mdb_key;
    return cursor_move(kv, table, &mdb_key, MDB_NEXT, out_key, out_value);
}

static int begin(struct kv_lmdb *lmdb)
{
    int result = mdb_txn_begin(lmdb->env, NULL, 0, &lmdb->txn);
    if (result) {
        lmdb->txn = NULL;
        return from_mdb(result);
    }
    for (int i = 0; i < KV_TABLES; i++) {
        result = mdb_dbi_open(lmdb->txn, table_names[i], MDB_CREATE, &lmdb->tables[i]);
        if (!result) {
            result = mdb_cursor_open(lmdb->txn, lmdb->tables[i], &lmdb->cursors[i]);
        }
        if (result) {
            return from_mdb(result);
        }
    }
    return 0;
}

static int kv_lmdb_commit(struct kv *kv, bool durable)
{
    struct kv_lmdb *lmdb = kv_lmdb_of(kv);
    if (!lmdb->txn) {
        return -EIO; /* an earlier commit failed: there is nothing to go on from */
    }
    int result = mdb_txn_commit(lmdb->txn); /* frees its cursors too */
    lmdb->txn = NULL;
    if (!result && durable) {
        result = mdb_env_sync(lmdb->env, 1);
    }
    if (result) {
        return from_mdb(result);
    }
    return begin(lmdb);
}

static void kv_lmdb_close(struct kv *kv)
{
    struct kv_lmdb *lmdb = kv_lmdb_of(kv);
    if (lmdb->txn) {
        mdb_txn_abort(lmdb->txn);
    }
    mdb_env_close(lmdb->env);
    free(lmdb);
}

static const struct kv_ops kv_lmdb_ops = {
    .get = kv_lmdb_get,
    .put = kv_lmdb_put,
    .remove = kv_lmdb_remove,
    .seek = kv_lmdb_seek,
    .next = kv_lmdb_next,
    .commit = kv_lmdb_commit,
    .close = kv_lmdb_close,
};

int kv_lmdb_open(const char *path, struct kv **out_kv)
{
    PRE(path && out_kv);
    struct kv_lmdb *lmdb = calloc(1, sizeof *lmdb);
    if (!lmdb) {
        return -ENOMEM;
    }
    lmdb->kv.ops = &kv_lmdb_ops;
    int result = from_mdb(mdb_env_create(&lmdb->env));
    if (result) {
        free(lmdb);
        return result;
    }
    (void)mdb_env_set_maxdbs(lmdb->env, KV_TABLES); /* fails only after the environment is open */
    (void)mdb_env_set_mapsize(lmdb->env, MAP_SIZE);
    const unsigned int flags = MDB_NOSYNC | MDB_NOLOCK | MDB_NOTLS | MDB_NOMEMINIT | MDB_NORDAHEAD;
    result = from_mdb(mdb_env_open(lmdb->env, path, flags, 0600));
    if (!result) {
        result = begin(lmdb);
    }
    if (result) {
        kv_lmdb_close(&lmdb->kv);
        return result;
    }
    *out_kv = &lmdb->kv;
    return 0;
}
