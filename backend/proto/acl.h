/*
 * POSIX access control lists in the form of Linux's xattrs system.posix_acl_access and _default: a
 * version, then entries of tag, permissions and id, all little endian. This is the form in
 * requests, operations, the index and the tree; nothing else is ever made of them.
 *
 * Spec: Linux acl(5); POSIX 1003.1e draft 17 section 23.1; <linux/posix_acl_xattr.h>.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_PROTO_ACL_H
#define TRIVET_PROTO_ACL_H

#include <stdbool.h>
#include "backend/base/slice.h"
#include "backend/proto/cred.h"
#include "backend/proto/limits.h"

/* On the wire and on disk. */
enum acl_tag {
    ACL_TAG_USER_OBJ = 0x01,
    ACL_TAG_USER = 0x02,
    ACL_TAG_GROUP_OBJ = 0x04,
    ACL_TAG_GROUP = 0x08,
    ACL_TAG_MASK = 0x10,
    ACL_TAG_OTHER = 0x20
};
/* The id of an entry that has none, and of nobody. */
#define ACL_ID_NONE UINT32_C(0xffffffff)

struct acl_entry {
    uint16_t tag;         /* enum acl_tag */
    uint16_t permissions; /* as a mode's 3 bits */
    uint32_t id;          /* of ACL_TAG_USER and ACL_TAG_GROUP, else ACL_ID_NONE */
};

/*
 * Check a value that a client sets, and write the one form that it has from here on, which is what
 * Linux would answer: entries stay in their order, ids mean nothing where there are none.
 * *out_size is 0 for a value without entries, which wishes that there be no ACL.
 *
 * Fails: -EINVAL (no ACL), -EOPNOTSUPP (of another version), -E2BIG (more than ACL_ENTRIES_MAX).
 */
int acl_canonical(struct slice value, uint8_t out_acl[ACL_SIZE_MAX], size_t *out_size);

/* ---- of ACLs that acl_canonical wrote; any other bytes are harmless ------------------------- */

size_t acl_count(struct slice acl);
struct acl_entry acl_entry_at(struct slice acl, size_t i);

/* The 9 permission bits of an object that has it: owner, mask (without one the group), others. */
uint32_t acl_mode(struct slice acl);
/* Does it say no more than these bits? */
bool acl_is_mode(struct slice acl);

/* chmod: the ACL after it, of the same size. The group's bits go to the mask if there is one. */
void acl_chmod(struct slice acl, uint32_t mode, uint8_t out_acl[ACL_SIZE_MAX]);

/*
 * What an object that is made with mode gets from its directory's default ACL. *mode loses what the
 * ACL does not allow. Returns true if the object has an access ACL (out_acl, of the same size);
 * false if its mode says it all.
 */
bool acl_inherit(struct slice default_acl, uint32_t *mode, uint8_t out_acl[ACL_SIZE_MAX]);

/* Has the caller all of want (a mode's 3 bits) to an object of this owner and group? */
bool acl_permits(struct slice acl, uint32_t owner, uint32_t group, const struct cred *cred,
                 uint32_t want);

#endif
