/*
 * The structs of nfs3.x that are written by hand: they are in nearly every message, and this way
 * cost one copy, no allocation and no second form of what the volume API already has.
 *
 * What a server only receives is only decoded (handles also encoded), what it only sends is only
 * encoded; the other direction returns FALSE.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_NFS3_WIRE_H
#define TRIVET_NFS3_WIRE_H

#include <rpc/rpc.h>
#include "backend/proto/attr.h"
#include "backend/proto/fhandle.h"
#include "backend/proto/limits.h"

struct nfs_fh3 {
    uint32_t size;
    uint8_t data[FHANDLE_SIZE_MAX];
};

/* A name. One longer than bytes is read over and keeps its size, so that it can be answered with
 * NFS3ERR_NAMETOOLONG as RFC 1813 section 3.2 wants. */
struct filename3 {
    uint32_t size;
    char bytes[NAME_SIZE_MAX + 1];
};

/* A wish for attributes. is_valid is false if a time has more than 999,999,999 nanoseconds, which
 * is for the procedure to refuse (NFS3ERR_INVAL). */
struct sattr3 {
    struct attr_change change;
    bool is_valid;
};

struct fattr3 {
    const struct attr *attr;
    uint64_t fsid;
};

/* Attributes are absent if attr is NULL or of type OBJECT_NONE. */
struct post_op_attr {
    const struct attr *attr;
    uint64_t fsid;
};

struct wcc_data {
    const struct attr_before *before; /* NULL: absent */
    struct post_op_attr after;
};

#define FATTR3_SIZE 84
#define POST_OP_ATTR_SIZE_MAX (4 + FATTR3_SIZE)
#define WCC_DATA_SIZE_MAX (4 + 24 + POST_OP_ATTR_SIZE_MAX)

bool_t xdr_nfs_fh3(XDR *xdrs, struct nfs_fh3 *handle);
bool_t xdr_filename3(XDR *xdrs, struct filename3 *name);
bool_t xdr_sattr3(XDR *xdrs, struct sattr3 *sattr);
bool_t xdr_fattr3(XDR *xdrs, struct fattr3 *fattr);
bool_t xdr_post_op_attr(XDR *xdrs, struct post_op_attr *attributes);
bool_t xdr_wcc_data(XDR *xdrs, struct wcc_data *wcc);

/* Write at to, as XDR; returns the byte behind. */
uint8_t *wire_put32(uint8_t *to, uint32_t value);
uint8_t *wire_put64(uint8_t *to, uint64_t value);
/* Length, bytes and padding with zeros. */
uint8_t *wire_put_opaque(uint8_t *to, const void *data, size_t size);
/* At most POST_OP_ATTR_SIZE_MAX. */
uint8_t *wire_put_post_op_attr(uint8_t *to, const struct post_op_attr *attributes);

static inline size_t wire_padded(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

#endif
