/*
 * The inodes that the kernel knows: node id (the inode number) → gfid, with the kernel's count of
 * references. An inode number is part of the gfid but does not contain the birth view, so the way
 * back needs this table. It grows with what the kernel looks up and shrinks with its FORGETs, which
 * are its only bound. The root is always known.
 *
 * Threads: every function may run on any thread. The table is split into shards by node id, each
 * with its own lock, which is a leaf: nothing else is locked under it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_FRONTENDS_FUSE_INODE_TABLE_H
#define TRIVET_FRONTENDS_FUSE_INODE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "backend/proto/gfid.h"

struct inode_table;

/* Fails: -ENOMEM. */
int inode_table_new(struct inode_table **out_table);
void inode_table_free(struct inode_table *table);

/*
 * Count one more reference to gfid, which the kernel is about to be told of, and remember until
 * when (monotonic) its attributes may be cached; 0: not. change is that of the attributes it will
 * be told.
 *
 * Fails: -ENOMEM; -ESTALE if inode_table_changed was told of a later change.
 */
int inode_table_refer(struct inode_table *table, const struct gfid *gfid, uint64_t change,
                      uint64_t granted_until_ns);
/* A change of gfid was answered, of which the kernel is about to hear. */
void inode_table_changed(struct inode_table *table, const struct gfid *gfid, uint64_t change);

/* Give back count references; the entry goes with the last one. Unknown node ids are ignored. */
void inode_table_forget(struct inode_table *table, uint64_t ino, uint64_t count);

/* Fails: -ESTALE if the kernel was never told of ino or has forgotten it. */
int inode_table_find(struct inode_table *table, uint64_t ino, struct gfid *out_gfid);

/* One more open file on ino, or handle of it if it is a directory. True if its attributes may still
 * be cached at now_ns. */
bool inode_table_open(struct inode_table *table, uint64_t ino, uint64_t now_ns);
void inode_table_open_directory(struct inode_table *table, uint64_t ino);
/* One open file less. True if it was the last. */
bool inode_table_close(struct inode_table *table, uint64_t ino);
bool inode_table_close_directory(struct inode_table *table, uint64_t ino);
/* ino has no name, and the volume keeps it for what is open here; or has one again. False if there
 * is no ino. */
bool inode_table_set_orphan(struct inode_table *table, uint64_t ino, bool is_orphan);
/* ino may be such an orphan; 0: everything that is open may. */
void inode_table_suspect_orphan(struct inode_table *table, uint64_t ino);
/* True, once, if ino is such an orphan and nothing is open on it: then it is to be let go. */
bool inode_table_take_orphan(struct inode_table *table, uint64_t ino, struct gfid *out_gfid);
/* Every orphan, open or not, is one no more: each is called once for it, and must not call back. */
void inode_table_take_orphans(struct inode_table *table,
                              void (*each)(void *context, const struct gfid *gfid), void *context);
/* ino lost its last name, and nothing was open on it: the volume has it no more. */
void inode_table_set_gone(struct inode_table *table, uint64_t ino);
bool inode_table_is_gone(struct inode_table *table, uint64_t ino);
/* How many are open on ino; files, and directories, in the whole table. */
uint32_t inode_table_opened(struct inode_table *table, uint64_t ino);
uint64_t inode_table_opened_all(const struct inode_table *table);
uint64_t inode_table_opened_directories(const struct inode_table *table);

/* The volume took back what it granted for ino. */
void inode_table_revoke(struct inode_table *table, uint64_t ino);

/* Writes to ino are not yet known to be durable since epoch (see fuse_io.c); the first one counts
 * until inode_table_clean. */
void inode_table_wrote(struct inode_table *table, uint64_t ino, uint32_t epoch);
/* The epoch of the first write since the last clean, 0 if none; and forget it. */
uint32_t inode_table_clean(struct inode_table *table, uint64_t ino);

/* Entries in the table, without the root. */
uint64_t inode_table_count(struct inode_table *table);

#endif
