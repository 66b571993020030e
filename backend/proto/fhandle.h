/*
 * The NFS file handle: what a client holds for an object. Any gateway makes and understands it from
 * the volume's description alone, with no table of handles anywhere, so that clients go on over
 * restarts and over another gateway. The MAC keeps clients from naming what they were never given.
 *
 *     version u8 | type u8 | replica set u16 | volume id 16 | gfid 16 | MAC 8
 *
 * all big endian but the MAC, which is SipHash-2-4 of everything before it, keyed with the volume's
 * handle key. Clients keep handles for as long as they like: this form never changes, a new one
 * gets a version.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_PROTO_FHANDLE_H
#define TRIVET_PROTO_FHANDLE_H

#include <assert.h>
#include "backend/base/slice.h"
#include "backend/proto/gfid.h"
#include "backend/proto/view.h"

#define FHANDLE_VERSION 1
#define FHANDLE_SIZE 44
#define FHANDLE_MAC_SIZE 8
#define FHANDLE_SIZE_MAX 64 /* NFS3_FHSIZE */

enum fhandle_type { FHANDLE_OBJECT = 1 };

static_assert(FHANDLE_SIZE == 4 + VOLUME_ID_SIZE + GFID_SIZE + FHANDLE_MAC_SIZE, "fields add up");
static_assert(FHANDLE_SIZE <= FHANDLE_SIZE_MAX, "RFC 1813 section 2.4 gives a handle 64 bytes");

/* What a handle says; nothing of it may be believed before fhandle_check. */
struct fhandle {
    struct volume_id volume;
    struct gfid gfid;
};

/* Write the handle of gfid. Threads: any. */
void fhandle_make(const struct volume_id *volume, const uint8_t key[VOLUME_KEY_SIZE],
                  const struct gfid *gfid, uint8_t out_bytes[FHANDLE_SIZE]);

/*
 * Take a handle apart, to learn which volume's key to check it with.
 *
 * Fails: -E_BAD_HANDLE: wrong size, version, type, or a set that is not the gfid's. Safe on any
 * input.
 */
int fhandle_parse(struct slice bytes, struct fhandle *out_handle);

/*
 * Check the MAC of bytes that fhandle_parse accepted, in time that does not depend on them.
 *
 * Fails: -E_BAD_HANDLE: it was not made with this key.
 */
int fhandle_check(struct slice bytes, const uint8_t key[VOLUME_KEY_SIZE]);

#endif
