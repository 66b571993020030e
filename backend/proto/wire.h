/*
 * XDR of the hand-written structs that the .x files mention. Fixed-size parts are moved in one
 * piece, since these run several times in every operation. Only generated code, this pair and
 * backend/rpc know libtirpc.
 *
 * Every function encodes, decodes or frees according to xdrs->x_op and returns FALSE for input that
 * breaks a limit; decoding allocates nothing but the strings that rpcgen's own code would.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_PROTO_WIRE_H
#define TRIVET_PROTO_WIRE_H

#include <rpc/rpc.h>
#include "backend/proto/attr.h"
#include "backend/proto/cred.h"
#include "backend/proto/reply.h"
#include "backend/proto/view.h"

bool_t xdr_gfid(XDR *xdrs, struct gfid *gfid);
/* An absent attr (OBJECT_NONE) takes 4 bytes. */
bool_t xdr_attr(XDR *xdrs, struct attr *attr);
bool_t xdr_attr_before(XDR *xdrs, struct attr_before *before);
bool_t xdr_attr_change(XDR *xdrs, struct attr_change *change);
bool_t xdr_cred(XDR *xdrs, struct cred *cred);
bool_t xdr_op_id(XDR *xdrs, struct op_id *id);
bool_t xdr_statfs_info(XDR *xdrs, struct statfs_info *info);
/* All of a reply but its data, which travels as the message's bulk. */
bool_t xdr_reply(XDR *xdrs, struct reply *reply);
bool_t xdr_volume_id(XDR *xdrs, struct volume_id *id);
bool_t xdr_view(XDR *xdrs, struct view *view);
bool_t xdr_volume_spec(XDR *xdrs, struct volume_spec *spec);

#endif
