/*
 * The packed forms of the small structs: big endian, without gaps, the same on the wire (they are
 * XDR), in log records and in directory entries. Pack and unpack move *at; the caller has checked
 * that PACKED_…_SIZE bytes are there.
 *
 * Unpacking returns false for a value that no packing writes, packing for one that breaks the
 * struct's own rules (it then may have stored some bytes).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_PROTO_PACKED_H
#define TRIVET_PROTO_PACKED_H

#include <stdbool.h>
#include <stdint.h>
#include "backend/proto/attr.h"
#include "backend/proto/cred.h"

#define PACKED_TIMESTAMP_SIZE 12
#define PACKED_OP_ID_SIZE 24
/* Of an attr that is present; an absent one is four bytes of zero, its type, where it must be
 * told. */
#define PACKED_ATTR_SIZE (8 * 4 + 3 * 8 + 2 * GFID_SIZE + 4 * PACKED_TIMESTAMP_SIZE)
/* Of a present attr_before; presence is told elsewhere. */
#define PACKED_BEFORE_SIZE (8 + 2 * PACKED_TIMESTAMP_SIZE)
#define PACKED_CHANGE_SIZE (4 * 4 + 8 + 2 * PACKED_TIMESTAMP_SIZE)
/* Of a present statfs_info; presence is told elsewhere. */
#define PACKED_STATFS_SIZE (5 * 8 + 4)

bool packed_put_op_id(uint8_t **at, const struct op_id *id);
bool packed_get_op_id(const uint8_t **at, struct op_id *out_id);

/* The attr must be present: its type not OBJECT_NONE. */
bool packed_put_attr(uint8_t **at, const struct attr *attr);
bool packed_get_attr(const uint8_t **at, struct attr *out_attr);

bool packed_put_before(uint8_t **at, const struct attr_before *before);
bool packed_get_before(const uint8_t **at, struct attr_before *out_before);

bool packed_put_change(uint8_t **at, const struct attr_change *change);
bool packed_get_change(const uint8_t **at, struct attr_change *out_change);

void packed_put_statfs(uint8_t **at, const struct statfs_info *info);
void packed_get_statfs(const uint8_t **at, struct statfs_info *out_info);

#endif
