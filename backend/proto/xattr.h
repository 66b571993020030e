/*
 * Extended attributes: the classes of their names, and the packed record of all that an object has.
 *
 * The record is a version, then for each attribute, in the order of names as memcmp has it:
 *
 *     size of the name u8 | size of the value u32 | name | value
 *
 * so that equal attributes are equal bytes on every brick. An object without any has none (size 0).
 * Spec: Linux xattr(7).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_PROTO_XATTR_H
#define TRIVET_PROTO_XATTR_H

#include <stdbool.h>
#include "backend/base/slice.h"
#include "backend/proto/limits.h"

#define XATTR_ACL_ACCESS "system.posix_acl_access"
#define XATTR_ACL_DEFAULT "system.posix_acl_default"
#define XATTR_CAPABILITY "security.capability"
/* What begins so is the brick's own in the tree, and does not exist for clients. */
#define XATTR_OWN_PREFIX "trusted.trivet."

enum xattr_class {
    XATTR_CLASS_NONE, /* of no name space that there is */
    XATTR_CLASS_USER,
    XATTR_CLASS_TRUSTED,
    XATTR_CLASS_SECURITY,
    XATTR_CLASS_ACL_ACCESS,
    XATTR_CLASS_ACL_DEFAULT,
    XATTR_CLASS_OWN
};

enum xattr_class xattr_class_of(struct slice name);

/* Can it be a name? Fails: -ERANGE (its size), -EINVAL (a NUL). */
int xattr_name_check(struct slice name);
/* Is it a name space's prefix and nothing behind it? */
bool xattr_name_is_bare(struct slice name);

/* ---- the record ---------------------------------------------------------------------------- */

struct xattr_entry {
    struct slice name;
    struct slice value;
};

/* Where entries begin. Fails: -E_CORRUPT. */
int xattrs_begin(struct slice record, struct slice *out_rest);
/* The next entry, in the record's bytes. Fails: -ENOENT (no more), -E_CORRUPT; safe on any bytes.
 */
int xattrs_next(struct slice *rest, struct xattr_entry *out_entry);

/* Fails: -ENODATA, -E_CORRUPT. */
int xattrs_find(struct slice record, struct slice name, struct slice *out_value);

/*
 * The record with name set to a value, or without it (value NULL; that it is not there is no
 * error). buffer may not be the record's; *out_size is 0 if nothing is left.
 *
 * Fails: -ENOSPC (larger than size), -E_CORRUPT.
 */
int xattrs_change(struct slice record, struct slice name, const struct slice *value,
                  uint8_t *buffer, size_t size, size_t *out_size);

/* The attributes' flags (enum attr_flags) that tell of such a record. Fails: -E_CORRUPT. */
int xattrs_flags(struct slice record, uint32_t *out_flags);

/* The names, each with its NUL, as listxattr has them. *out_size also with -ERANGE, which a size of
 * 0 never is: it asks. Fails: -ERANGE, -E_CORRUPT. */
int xattrs_list(struct slice record, uint8_t *buffer, size_t size, size_t *out_size);

#endif
