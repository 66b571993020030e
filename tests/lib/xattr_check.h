/*
 * Extended attributes and ACLs of a store, for whole-store comparisons and random wishes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_XATTR_CHECK_H
#define TRIVET_TESTS_XATTR_CHECK_H

#include "backend/base/random.h"
#include "backend/store/store.h"

/* A hash of names and values of an object; 0: something failed. */
uint64_t xattrs_digest(struct store *store, const struct gfid *gfid);

/*
 * The number of differences, each printed, between what the store says of the object and what the
 * node at path shows: all of it, unless hidden_fd (.trivet/xattrs) has a file with all of it; and
 * nothing else. The flags of attr must be right too.
 */
int xattrs_compare(struct store *store, const struct attr *attr, const char *path, int hidden_fd);

/* A random wish about object, with names and values such that an inode of ext4 cannot hold all of
 * them. bulk: 4096 bytes for the value. */
struct mutation wish_xattr(struct random_sequence *random, struct gfid object, uint8_t *bulk);

#endif
