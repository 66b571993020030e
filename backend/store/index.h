/*
 * The index: decided attributes of every object, and every directory's entries in the order of
 * their cookies. It holds the state after the last sequenced operation. All functions but
 * index_open and index_close want the index's mutex held.
 *
 * A cookie is 58 bits of the name's hash and 5 bits of order among names of equal hash, so a lookup
 * is a seek, a listing goes on wherever it stopped, and nothing moves when entries come and go.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_STORE_INDEX_H
#define TRIVET_STORE_INDEX_H

#include <pthread.h>
#include "backend/proto/attr.h"
#include "backend/proto/operation.h"
#include "backend/store/kv.h"
#include "backend/store/store.h"
#include "backend/store/undo.h"

#define COOKIE_ORDER_BITS 5
#define COOKIE_ORDER_MASK ((UINT64_C(1) << COOKIE_ORDER_BITS) - 1)
/* Orders that are given out. With 5 bits there could be 32, but whoever finds names of one hash on
 * purpose shall not overfill a directory's xattrs (a block of 4 KiB in ext4), where they are kept.
 */
#define COOKIE_ORDERS 8
/* struct file_handle's limit in Linux. */
#define HANDLE_BYTES_MAX 128

struct index {
    pthread_mutex_t mutex;
    struct kv *kv;
    struct store_position position; /* as of memory; the stored one is as of the last commit */
    uint64_t hash_mask;             /* of the upper 58 bits; tests clear bits to make collisions */
    uint32_t uncommitted;           /* operations since the last commit */
    struct store_position stored;   /* as of the last commit */
    bool changed;                   /* anything but positions since then */
    struct undo undo;               /* of operations that are not committed */
    /* ACLs that deciding worked out, good until the next decision. */
    uint8_t acl[ACL_SIZE_MAX];
    uint8_t default_acl[ACL_SIZE_MAX];
};

struct object_record {
    struct attr attr;
    uint64_t entries;  /* of a directory */
    uint64_t verifier; /* of an exclusive create */
    uint64_t place;    /* of a directory: its cookie in attr.parent; 0: not known */
    bool exclusive;
    bool unflushed; /* decided times have not reached the tree */
};

struct name_record {
    uint64_t cookie;
    struct gfid gfid;
    uint32_t type;
    struct slice name; /* in the index: good until its next change */
};

struct handle_record {
    uint32_t type; /* enum object_type */
    int32_t handle_type;
    uint32_t size;
    uint8_t bytes[HANDLE_BYTES_MAX];
};

struct orphan_record {
    uint64_t keeper; /* the client that has it open; 0: none known */
    bool linkable;   /* it never had a name, and LINK may give it one */
};

/* Owns: kv, in success as in failure. */
int index_open(struct kv *kv, struct index **out_index);
void index_close(struct index *index);

/* Fails: -ESTALE (no such object). */
int index_object_get(struct index *index, const struct gfid *gfid,
                     struct object_record *out_record);
int index_object_put(struct index *index, const struct object_record *record);
/* Forget the object, its symlink target and extended attributes, and that it was to be flushed; not
 * its handle. */
int index_object_remove(struct index *index, const struct gfid *gfid);

/* Fails: -ENOENT. */
int index_name_find(struct index *index, const struct gfid *parent, struct slice name,
                    struct name_record *out_name);
/* The cookie for a name that is not there yet. Fails: -ENOSPC (too many equal hashes). */
int index_name_cookie(struct index *index, const struct gfid *parent, struct slice name,
                      uint64_t *out_cookie);
/* What has exactly this cookie. Fails: -ENOENT. */
int index_name_at(struct index *index, const struct gfid *parent, uint64_t cookie,
                  struct name_record *out_name);
int index_name_put(struct index *index, const struct gfid *parent, const struct name_record *name);
/* An entry is about to change that the operation says was so, or was not there (NULL). */
int index_name_note(struct index *index, const struct gfid *parent, uint64_t cookie,
                    const struct name_record *was);
int index_name_remove(struct index *index, const struct gfid *parent, uint64_t cookie);
/* The first entry behind cookie; with go_on, behind the last one found (no other call between but
 * for objects). Fails: -ENOENT at the end. */
int index_name_next(struct index *index, const struct gfid *parent, uint64_t cookie, bool go_on,
                    struct name_record *out_name);

/* Fails: -ENOENT. The target is good until the index's next change. */
int index_target_get(struct index *index, const struct gfid *gfid, struct slice *out_target);

/* All extended attributes of an object (proto/xattr.h), good until the index's next change; none:
 * size 0. */
int index_xattrs_get(struct index *index, const struct gfid *gfid, struct slice *out_record);
/* The access ACL of the object that attr is of; none: size 0. Fails: -E_CORRUPT. */
int index_acl_get(struct index *index, const struct attr *attr, struct slice *out_acl);
/* What the operation does to extended attributes, whose flags are in its attributes already. */
int index_xattr_sequence(struct index *index, const struct operation *operation);

/* Fails: -ENOENT. */
int index_handle_get(struct index *index, const struct gfid *gfid,
                     struct handle_record *out_handle);
int index_handle_put(struct index *index, const struct gfid *gfid,
                     const struct handle_record *handle);
/* No handle is no error. */
int index_handle_remove(struct index *index, const struct gfid *gfid);

/* Fails: -ENOENT (no orphan). */
int index_orphan_get(struct index *index, const struct gfid *gfid,
                     struct orphan_record *out_orphan);
int index_orphan_put(struct index *index, const struct gfid *gfid,
                     const struct orphan_record *orphan);
/* Fails: -ENOENT. */
int index_orphan_remove(struct index *index, const struct gfid *gfid);

/* The first object behind gfid whose times are to be flushed. Fails: -ENOENT. */
int index_unflushed_next(struct index *index, const struct gfid *gfid, struct gfid *out_gfid);
/* The tree is to get the object's times once more; no such object is no error. */
int index_unflush(struct index *index, const struct gfid *gfid);
/* Its times, as of change, are in the tree. */
int index_flushed(struct index *index, const struct gfid *gfid, uint64_t change);

/* Bring the index to the state after operation, which is the next one. (sequence.c) */
int index_sequence(struct index *index, const struct operation *operation);
/* The object that the operation takes from the volume, or NULL. (sequence.c) */
const struct gfid *operation_removes(const struct operation *operation);
/* The object that the operation leaves without a name but keeps: what had its last one taken; not
 * what is made without one. NULL: none. (sequence.c) */
const struct gfid *operation_orphans(const struct operation *operation);

/* Commit with the positions as they are; if nothing changed and it need not be durable, nothing is
 * written. */
int index_commit(struct index *index, bool durable);

#endif
