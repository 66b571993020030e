/*
 * Attributes on NFS's wire: fattr3, post_op_attr and wcc_data out, sattr3 in. RFC 1813 section 2.6.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/nfs3/nfs3_wire.h"

#include <endian.h>

uint8_t *wire_put32(uint8_t *to, uint32_t value)
{
    uint32_t big = htobe32(value);
    memcpy(to, &big, sizeof big);
    return to + sizeof big;
}

uint8_t *wire_put64(uint8_t *to, uint64_t value)
{
    uint64_t big = htobe64(value);
    memcpy(to, &big, sizeof big);
    return to + sizeof big;
}

uint8_t *wire_put_opaque(uint8_t *to, const void *data, size_t size)
{
    to = wire_put32(to, (uint32_t)size);
    if (size > 0) {
        memcpy(to, data, size);
    }
    memset(to + size, 0, wire_padded(size) - size);
    return to + wire_padded(size);
}

/* Seconds are unsigned and of 32 bits here: what lies before 1970 or after 2106 is told as the
 * nearest time that can be. */
static uint8_t *put_time(uint8_t *to, const struct timestamp *time)
{
    if (time->seconds < 0) {
        return wire_put64(to, 0);
    }
    if (time->seconds > UINT32_MAX) {
        return wire_put32(wire_put32(to, UINT32_MAX), 999999999);
    }
    return wire_put32(wire_put32(to, (uint32_t)time->seconds), time->nanoseconds);
}

static uint8_t *put_fattr3(uint8_t *to, const struct attr *attr, uint64_t fsid)
{
    to = wire_put32(to, attr->type); /* enum object_type has ftype3's numbers */
    to = wire_put32(to, attr->mode & 07777);
    to = wire_put32(to, attr->nlink);
    to = wire_put32(to, attr->uid);
    to = wire_put32(to, attr->gid);
    to = wire_put64(to, attr->size);
    to = wire_put64(to, attr->used);
    to = wire_put32(to, attr->device_major);
    to = wire_put32(to, attr->device_minor);
    to = wire_put64(to, fsid);
    to = wire_put64(to, gfid_ino(&attr->gfid));
    to = put_time(to, &attr->atime);
    to = put_time(to, &attr->mtime);
    return put_time(to, &attr->ctime);
}

uint8_t *wire_put_post_op_attr(uint8_t *to, const struct post_op_attr *attributes)
{
    if (!attributes->attr || attributes->attr->type == OBJECT_NONE) {
        return wire_put32(to, FALSE);
    }
    return put_fattr3(wire_put32(to, TRUE), attributes->attr, attributes->fsid);
}

static bool_t put_bytes(XDR *xdrs, uint8_t *bytes, const uint8_t *end)
{
    return xdrs->x_op == XDR_FREE ||
           (xdrs->x_op == XDR_ENCODE && XDR_PUTBYTES(xdrs, (char *)bytes, (u_int)(end - bytes)));
}

bool_t xdr_fattr3(XDR *xdrs, struct fattr3 *fattr)
{
    uint8_t bytes[FATTR3_SIZE];
    return put_bytes(xdrs, bytes, put_fattr3(bytes, fattr->attr, fattr->fsid));
}

bool_t xdr_post_op_attr(XDR *xdrs, struct post_op_attr *attributes)
{
    uint8_t bytes[POST_OP_ATTR_SIZE_MAX];
    return put_bytes(xdrs, bytes, wire_put_post_op_attr(bytes, attributes));
}

bool_t xdr_wcc_data(XDR *xdrs, struct wcc_data *wcc)
{
    uint8_t bytes[WCC_DATA_SIZE_MAX];
    uint8_t *to = bytes;
    if (wcc->before && wcc->before->present) {
        to = wire_put32(to, TRUE);
        to = wire_put64(to, wcc->before->size);
        to = put_time(to, &wcc->before->mtime);
        to = put_time(to, &wcc->before->ctime);
    } else {
        to = wire_put32(to, FALSE);
    }
    return put_bytes(xdrs, bytes, wire_put_post_op_attr(to, &wcc->after));
}

/* A flag, and behind it a number if the flag is set. */
static bool_t optional32(XDR *xdrs, struct attr_change *change, uint32_t bit, uint32_t *value)
{
    bool_t is_set = FALSE;
    if (!xdr_bool(xdrs, &is_set) || (is_set && !xdr_uint32_t(xdrs, value))) {
        return FALSE;
    }
    change->mask |= is_set ? bit : 0;
    return TRUE;
}

static bool_t optional_size(XDR *xdrs, struct attr_change *change)
{
    bool_t is_set = FALSE;
    if (!xdr_bool(xdrs, &is_set) || (is_set && !xdr_uint64_t(xdrs, &change->size))) {
        return FALSE;
    }
    change->mask |= is_set ? ATTR_SIZE : 0;
    return TRUE;
}

/* RFC 1813's time_how, and the time behind SET_TO_CLIENT_TIME. */
static bool_t optional_time(XDR *xdrs, struct sattr3 *sattr, uint32_t now, uint32_t given,
                            struct timestamp *time)
{
    enum { DONT_CHANGE = 0, SET_TO_SERVER_TIME = 1, SET_TO_CLIENT_TIME = 2 };
    uint32_t how = DONT_CHANGE;
    uint32_t seconds = 0;
    if (!xdr_uint32_t(xdrs, &how) || how > SET_TO_CLIENT_TIME) {
        return FALSE;
    }
    if (how == SET_TO_SERVER_TIME) {
        sattr->change.mask |= now;
    }
    if (how == SET_TO_CLIENT_TIME) {
        if (!xdr_uint32_t(xdrs, &seconds) || !xdr_uint32_t(xdrs, &time->nanoseconds)) {
            return FALSE;
        }
        time->seconds = seconds;
        sattr->change.mask |= given;
        sattr->is_valid = sattr->is_valid && time->nanoseconds < 1000000000;
    }
    return TRUE;
}

bool_t xdr_sattr3(XDR *xdrs, struct sattr3 *sattr)
{
    if (xdrs->x_op != XDR_DECODE) {
        return xdrs->x_op == XDR_FREE;
    }
    struct attr_change *change = &sattr->change;
    *sattr = (struct sattr3){.is_valid = true};
    bool_t done = optional32(xdrs, change, ATTR_MODE, &change->mode) &&
                  optional32(xdrs, change, ATTR_UID, &change->uid) &&
                  optional32(xdrs, change, ATTR_GID, &change->gid) && optional_size(xdrs, change) &&
                  optional_time(xdrs, sattr, ATTR_ATIME_NOW, ATTR_ATIME, &change->atime) &&
                  optional_time(xdrs, sattr, ATTR_MTIME_NOW, ATTR_MTIME, &change->mtime);
    change->mode &= 07777;
    return done;
}
