/*
 * Deciding: a wish and the sequenced state become an operation, or a refusal. Reads the index only,
 * so the rules are the same for every store.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_STORE_DECIDE_H
#define TRIVET_STORE_DECIDE_H

#include "backend/store/index.h"

/* store_decide's work; takes the index's mutex. */
int decide(struct index *index, const struct mutation *mutation, const struct decision *decision,
           struct operation *out_operation);

/* ---- for decide_<family>.c ----------------------------------------------------------------- */

struct deciding {
    struct index *index;
    const struct mutation *mutation;
    const struct decision *decision;
    struct operation *operation; /* attributes are in it as they are until changed */
    struct object_record object;
    struct object_record parent;
    struct object_record parent2;
    struct object_record replaced;
};

/* The families; the mutex is held. On failure attributes loaded so far are the answer's. */
int decide_write(struct deciding *deciding);
int decide_setattr(struct deciding *deciding);
int decide_make(struct deciding *deciding);
int decide_link(struct deciding *deciding);
int decide_remove(struct deciding *deciding);
int decide_rename(struct deciding *deciding);
int decide_forget(struct deciding *deciding);
int decide_allocate(struct deciding *deciding);
int decide_setxattr(struct deciding *deciding);
int decide_removexattr(struct deciding *deciding);

/* Load an object's record and put its attributes into the operation. Fails: -ESTALE. */
int deciding_load(struct deciding *deciding, const struct gfid *gfid, struct object_record *record,
                  struct attr *attr, struct attr_before *before);
/* The same for a directory that a name is in. Fails: -ESTALE -ENOTDIR. */
int deciding_load_directory(struct deciding *deciding, const struct gfid *gfid,
                            struct object_record *record, struct attr *attr,
                            struct attr_before *before);

/* Has the caller all of want to the object that attr is of, its ACL considered? io: as the owner
 * may read and write whatever the mode says, since the check belonged to open, which an NFS client
 * does not send. An ACL that cannot be read allows nothing. */
bool deciding_allows(const struct deciding *deciding, const struct attr *attr, uint32_t want);
bool deciding_allows_io(const struct deciding *deciding, const struct attr *attr, uint32_t want);

/* What something new in the directory deciding->parent gets from its default ACL, or, without one,
 * has taken by the umask: attr's mode and flags, the operation's acl and default_acl.
 * (decide_xattr.c) Fails: -E_CORRUPT. */
int deciding_inherit(struct deciding *deciding, struct attr *attr);

/* Are the given times times? Fails: -EINVAL. */
int check_times(const struct attr_change *change);

/* Is it a name that an entry can have? Fails: -EINVAL -ENAMETOOLONG; "." and "..": if_dots. */
int name_check(struct slice name, int if_dots);

/* Record that the operation changes the object: its ctime, and with contents its mtime. */
void attr_touch(struct attr *attr, const struct decision *decision, bool contents);
/* A directory gets or loses entries and subdirectories: its size, times, links. */
void attr_touch_directory(struct attr *attr, const struct object_record *record, int entries,
                          int subdirectories, const struct decision *decision);
/* The object's data change: setuid and setgid go if the caller may not keep them, and
 * security.capability goes in any case, as in Linux. Sets ATTR_MODE in the operation's mask and
 * OPERATION_DROPS_CAPABILITY in its flags if so. (decide_attr.c) Fails: -E_CORRUPT. */
int deciding_drop_privilege(struct deciding *deciding);

/* Bytes of disk that size bytes without holes take, in blocks of 4 KiB. */
uint64_t blocks_of(uint64_t size);
/* A file's size becomes size by truncation; what is beyond the old one is a hole. */
void attr_resize(struct attr *attr, uint64_t size);

#endif
