/*
 * Random but valid values of the protocol's structs, for tests that send them through a codec.
 * Every struct is zeroed first and filled field by field, so that two can be compared by memcmp.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_SAMPLE_H
#define TRIVET_TESTS_SAMPLE_H

#include "backend/base/random.h"
#include "backend/proto/attr.h"
#include "backend/proto/cred.h"
#include "backend/proto/operation.h"
#include "backend/proto/reply.h"
#include "backend/proto/view.h"

/* A number with few, many or all bits set, so that limits are met often. */
uint64_t sample_u64(struct random_sequence *random);
uint32_t sample_u32(struct random_sequence *random);

/* Text of size_min to size_max bytes without NUL and '/', and its NUL. */
void sample_text(struct random_sequence *random, size_t size_min, size_t size_max, char *out_text);

void sample_gfid(struct random_sequence *random, struct gfid *out_gfid);
void sample_attr(struct random_sequence *random, struct attr *out_attr);            /* present */
void sample_before(struct random_sequence *random, struct attr_before *out_before); /* present */
void sample_change(struct random_sequence *random, struct attr_change *out_change);
void sample_cred(struct random_sequence *random, struct cred *out_cred);
void sample_op_id(struct random_sequence *random, struct op_id *out_id);
void sample_statfs(struct random_sequence *random, struct statfs_info *out_info); /* present */
/* presence: bits 0 to 9 choose what the reply has, in the order of enum reply_bits in wire.c. */
void sample_reply(struct random_sequence *random, unsigned presence, struct reply *out_reply);
void sample_volume_id(struct random_sequence *random, struct volume_id *out_id);
void sample_view(struct random_sequence *random, struct view *out_view);
void sample_volume_spec(struct random_sequence *random, struct volume_spec *out_spec);

/* Where an operation's slices point. */
struct sample_text_room {
    char name[NAME_SIZE_MAX + 1];
    char name2[NAME_SIZE_MAX + 1];
    char target[TARGET_SIZE_MAX + 1];
    char xattr[XATTR_NAME_MAX_SIZE + 1];
    char value[XATTR_VALUE_MAX + 1];
    char acl[ACL_SIZE_MAX + 1];
    char default_acl[ACL_SIZE_MAX + 1];
};

/* presence: bits 0 to 22 choose what is present, in the order of enum presence in operation.c. */
void sample_operation(struct random_sequence *random, unsigned presence,
                      struct sample_text_room *room, struct operation *out_operation);

#endif
