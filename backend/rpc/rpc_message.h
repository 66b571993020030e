/*
 * RPC messages (RFC 5531 section 9): heads by hand, bodies through XDR.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_RPC_RPC_MESSAGE_H
#define TRIVET_RPC_RPC_MESSAGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include "backend/rpc/rpc.h"
#include "backend/rpc/rpc_buffer.h"
#include "backend/rpc/rpc_send.h"

static inline uint32_t be32_load(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static inline void be32_store(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value >> 24);
    to[1] = (uint8_t)(value >> 16);
    to[2] = (uint8_t)(value >> 8);
    to[3] = (uint8_t)value;
}

/* ---- received ------------------------------------------------------------------------------ */

/* Takes values off the front; once something was missing, failed stays set and values are 0. */
struct reader {
    struct slice rest;
    bool failed;
};

uint32_t reader_u32(struct reader *reader);
/* size bytes, padded to 4. */
struct slice reader_opaque(struct reader *reader, size_t size);

struct call_head {
    uint32_t xid, rpc_version, program, version, procedure;
    uint32_t flavour;
    struct slice credentials;
    struct slice arguments;
};

/* Fails: -E_BAD_MESSAGE. With another rpc_version than 2 only xid is valid besides. */
int call_head_parse(struct slice message, struct call_head *out_head);

/* Ids of AUTH_NONE and AUTH_SYS. Returns AUTH_OK or what to reject the call with. */
enum auth_stat credentials_parse(uint32_t flavour, struct slice body, struct cred *out_cred);

/* How a call went: status as in struct rpc_reply. Fails: -E_BAD_MESSAGE. */
int reply_head_parse(struct slice message, uint32_t *out_xid, int *out_status,
                     struct slice *out_body);

/* ---- sent ---------------------------------------------------------------------------------- */

/*
 * A message under construction. Its head and body lie in this thread's scratch memory (or, when
 * that is too small, in large) and must be submitted before the thread makes another one.
 */
struct draft {
    struct buffer *large;
    uint8_t *head; /* the record mark, then the message */
    size_t head_size;
    struct iovec pieces[MESSAGE_PIECES_MAX];
    int count;
    size_t size; /* without the mark */
};

#define RECORD_MARK_SIZE ((size_t)4)
/* Where a call's xid lies behind head. */
#define DRAFT_XID_AT RECORD_MARK_SIZE

struct draft draft_call(uint32_t program, uint32_t version, uint32_t procedure,
                        const struct cred *credentials);
struct draft draft_reply(uint32_t xid, enum accept_stat status);
struct draft draft_mismatch(uint32_t xid, uint32_t low, uint32_t high); /* PROG_MISMATCH */
struct draft draft_rpc_mismatch(uint32_t xid);                          /* RPC_MISMATCH */
struct draft draft_auth_error(uint32_t xid, enum auth_stat why);        /* AUTH_ERROR */

/* Append an encoded value and, unless bulk is NULL, an opaque. Fails: -E_BAD_MESSAGE if it cannot
 * be encoded or exceeds RECORD_SIZE_MAX. */
int draft_encode(struct draft *draft, struct buffer_pool *pool, xdrproc_t encode, const void *value,
                 const struct slice *bulk);
/* Append pieces that are XDR already. Fails: -E_BAD_MESSAGE as above. */
int draft_append(struct draft *draft, const struct iovec *body, int count);
/* Write the record mark; nothing may be added any more. */
void draft_finish(struct draft *draft);
void draft_release(struct draft *draft);

#endif
