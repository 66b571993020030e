/*
 * What a brick keeps on its disk besides names and contents. Every structure begins with a version
 * and its size; numbers are big endian.
 *
 *     <object>                 xattr trusted.trivet.gfid    struct disk_gfid, set once
 *                              xattr trusted.trivet.times   struct disk_times, at the checkpoint
 *     <directory>              xattr trusted.trivet.order.<cookie, 16 hex digits>   a name: only
 *                              if the name's hash collides with an older one's
 *     <symlink>                xattr trusted.trivet.target  if longer than the tree can hold
 *
 *     .trivet/identity         struct disk_file, then struct disk_identity
 *     .trivet/view             struct disk_file, then the view
 *     .trivet/clean            struct disk_file, then boot id: the machine had everything synced
 *     .trivet/index/           LMDB; its values are described in backend/store/index.c
 *     .trivet/log/<index>      segments: struct disk_segment, then records: struct disk_record, an
 *                              encoded operation, zeros up to a multiple of 8
 *     .trivet/state            struct disk_state (backend/store/state.h), shared memory really
 *     .trivet/orphans/<gfid, 32 hex digits>   objects that have no name and are in use
 *     .trivet/xattrs/<gfid, 32 hex digits>    struct disk_file, then all extended attributes of
 *                              an object whose inode cannot hold them (backend/proto/xattr.h)
 *     .trivet/reconciling      struct disk_file, then an index u64: operations above it were taken
 *                              back, or are about to be; not all that they overwrote is there again
 *     .trivet/limbo/<gfid, 32 hex digits>     what they had made, until it is
 *     .trivet/stray/           what lay in the way in the tree and is not the volume's
 *     .trivet/lock             held with flock while a process has the brick open
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_PROTO_DISK_FORMAT_H
#define TRIVET_PROTO_DISK_FORMAT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include "backend/proto/gfid.h"
#include "backend/proto/view.h"

#define DISK_VERSION 3

#define DISK_DIRECTORY ".trivet"
#define DISK_XATTR_GFID "trusted.trivet.gfid"
#define DISK_XATTR_TIMES "trusted.trivet.times"
#define DISK_XATTR_TARGET "trusted.trivet.target"
#define DISK_XATTR_ORDER "trusted.trivet.order."

struct disk_time {
    uint64_t seconds; /* two's complement */
    uint32_t nanoseconds;
} __attribute__((packed));

struct disk_gfid {
    uint16_t version;
    uint16_t size;
    uint32_t type; /* enum object_type */
    struct gfid gfid;
    uint64_t verifier;  /* of an exclusive create */
    uint32_t exclusive; /* 1: verifier counts */
    struct disk_time birth;
} __attribute__((packed));
static_assert(offsetof(struct disk_gfid, gfid) == 8, "on disk");
static_assert(offsetof(struct disk_gfid, birth) == 36, "on disk");
static_assert(sizeof(struct disk_gfid) == 48, "on disk");

/* What the brick's file system cannot be told. */
struct disk_times {
    uint16_t version;
    uint16_t size;
    uint32_t nlink; /* as of change */
    uint64_t change;
    uint64_t used;
    struct disk_time atime;
    struct disk_time mtime;
    struct disk_time ctime;
} __attribute__((packed));
static_assert(offsetof(struct disk_times, atime) == 24, "on disk");
static_assert(sizeof(struct disk_times) == 60, "on disk");

#define DISK_FILE_MAGIC UINT32_C(0x54525646)    /* TRVF */
#define DISK_SEGMENT_MAGIC UINT32_C(0x5452564c) /* TRVL */
#define DISK_RECORD_MAGIC UINT32_C(0x54525652)  /* TRVR */

/* Before the payload of a small file. */
struct disk_file {
    uint32_t magic;
    uint16_t version;
    uint16_t kind; /* enum disk_file_kind */
    uint32_t size; /* of the payload */
    uint32_t reserved;
    uint64_t checksum; /* XXH3-64 of the payload */
} __attribute__((packed));
static_assert(sizeof(struct disk_file) == 24, "on disk");

enum disk_file_kind {
    DISK_FILE_IDENTITY = 1,
    DISK_FILE_VIEW = 2,
    DISK_FILE_CLEAN = 3,
    DISK_FILE_XATTRS = 4,
    DISK_FILE_RECONCILING = 5
};

struct disk_identity {
    struct volume_id volume;
    uint8_t volume_name[VOLUME_NAME_MAX + 1];
    uint32_t set;
    uint32_t brick;
    uint64_t disk_id;
} __attribute__((packed));
static_assert(sizeof(struct disk_identity) == 96, "on disk");

struct disk_segment {
    uint32_t magic;
    uint16_t version;
    uint16_t size;
    uint64_t first; /* index of the first record */
    uint64_t disk_id;
    uint64_t checksum; /* XXH3-64 of what is before it */
} __attribute__((packed));
static_assert(sizeof(struct disk_segment) == 32, "on disk");

struct disk_record {
    uint32_t magic;
    uint32_t size; /* of the operation behind it, without the padding */
    uint64_t index;
    uint64_t durable;  /* the log was durable up to this index when this record was written */
    uint64_t checksum; /* XXH3-64 of the operation, seeded with XXH3-64 of what is before it */
} __attribute__((packed));
static_assert(sizeof(struct disk_record) == 32, "on disk");

#endif
