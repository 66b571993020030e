/*
 * RPC messages: parsing of what came, safe on any input, and drafting of what goes out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/rpc/rpc_message.h"

#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/proto/limits.h"

/* RFC 5531 section 8.2: no credential or verifier is longer. */
#define AUTH_SIZE_MAX 400
/* Section appendix A: machine names are no longer. */
#define MACHINE_NAME_MAX 255
#define RPC_VERSION 2
/* Who calls without saying who he is: nobody, as on every NFS server. */
#define NOBODY 65534

/* ---- received ------------------------------------------------------------------------------ */

uint32_t reader_u32(struct reader *reader)
{
    if (reader->failed || reader->rest.size < 4) {
        reader->failed = true;
        return 0;
    }
    uint32_t value = be32_load(reader->rest.data);
    reader->rest = slice_of(reader->rest.data + 4, reader->rest.size - 4);
    return value;
}

struct slice reader_opaque(struct reader *reader, size_t size)
{
    size_t padded = (size + 3) & ~(size_t)3;
    if (reader->failed || padded < size || reader->rest.size < padded) {
        reader->failed = true;
        return slice_of(NULL, 0);
    }
    struct slice opaque = slice_of(reader->rest.data, size);
    reader->rest = slice_of(reader->rest.data + padded, reader->rest.size - padded);
    return opaque;
}

static struct slice reader_auth(struct reader *reader, uint32_t *out_flavour)
{
    *out_flavour = reader_u32(reader);
    uint32_t size = reader_u32(reader);
    if (size > AUTH_SIZE_MAX) {
        reader->failed = true;
    }
    return reader_opaque(reader, size);
}

int call_head_parse(struct slice message, struct call_head *out_head)
{
    struct reader reader = {.rest = message};
    struct call_head head = {.xid = reader_u32(&reader)};
    (void)reader_u32(&reader); /* CALL, as the caller has seen */
    head.rpc_version = reader_u32(&reader);
    if (!reader.failed && head.rpc_version != RPC_VERSION) {
        *out_head = head;
        return 0;
    }
    head.program = reader_u32(&reader);
    head.version = reader_u32(&reader);
    head.procedure = reader_u32(&reader);
    head.credentials = reader_auth(&reader, &head.flavour);
    uint32_t verifier_flavour;
    (void)reader_auth(&reader, &verifier_flavour); /* AUTH_NONE and AUTH_SYS verify nothing */
    if (reader.failed) {
        return -E_BAD_MESSAGE;
    }
    head.arguments = reader.rest;
    *out_head = head;
    return 0;
}

enum auth_stat credentials_parse(uint32_t flavour, struct slice body, struct cred *out_cred)
{
    if (flavour == AUTH_NONE) {
        *out_cred = (struct cred){.uid = NOBODY, .gid = NOBODY};
        return AUTH_OK;
    }
    if (flavour != AUTH_SYS) {
        return AUTH_BADCRED;
    }
    struct reader reader = {.rest = body};
    (void)reader_u32(&reader); /* stamp */
    uint32_t name_size = reader_u32(&reader);
    if (name_size > MACHINE_NAME_MAX) {
        return AUTH_BADCRED;
    }
    (void)reader_opaque(&reader, name_size);
    struct cred cred = {.flags = 0};
    cred.uid = reader_u32(&reader);
    cred.gid = reader_u32(&reader);
    cred.group_count = reader_u32(&reader);
    if (cred.group_count > CRED_GROUPS_MAX) {
        return AUTH_BADCRED;
    }
    for (uint32_t i = 0; i < cred.group_count; i++) {
        cred.groups[i] = reader_u32(&reader);
    }
    if (reader.failed || reader.rest.size > 0) {
        return AUTH_BADCRED;
    }
    *out_cred = cred;
    return AUTH_OK;
}

int reply_head_parse(struct slice message, uint32_t *out_xid, int *out_status,
                     struct slice *out_body)
{
    struct reader reader = {.rest = message};
    uint32_t xid = reader_u32(&reader);
    (void)reader_u32(&reader); /* REPLY, as the caller has seen */
    uint32_t reply_status = reader_u32(&reader);
    int status = -EPROTO;
    if (reply_status == MSG_ACCEPTED) {
        uint32_t flavour;
        (void)reader_auth(&reader, &flavour);
        status = reader_u32(&reader) == SUCCESS ? 0 : -EPROTO;
    } else if (reply_status != MSG_DENIED) {
        return -E_BAD_MESSAGE;
    }
    if (reader.failed) {
        return -E_BAD_MESSAGE;
    }
    *out_xid = xid;
    *out_status = status;
    *out_body = reader.rest;
    return 0;
}

/* ---- sent ---------------------------------------------------------------------------------- */

/* Heads and bodies without bulk fit in here, but for long strings. */
static _Thread_local uint8_t scratch[MESSAGE_HEAD_MAX] __attribute__((aligned(64)));

static void draft_u32(struct draft *draft, uint32_t value)
{
    be32_store(draft->head + draft->head_size, value);
    draft->head_size += 4;
}

static struct draft draft_begin(uint32_t xid, uint32_t type)
{
    struct draft draft = {.head = scratch, .head_size = RECORD_MARK_SIZE};
    draft_u32(&draft, xid);
    draft_u32(&draft, type);
    return draft;
}

static void draft_auth_none(struct draft *draft)
{
    draft_u32(draft, AUTH_NONE);
    draft_u32(draft, 0);
}

struct draft draft_call(uint32_t program, uint32_t version, uint32_t procedure,
                        const struct cred *credentials)
{
    struct draft draft = draft_begin(0, CALL);
    draft_u32(&draft, RPC_VERSION);
    draft_u32(&draft, program);
    draft_u32(&draft, version);
    draft_u32(&draft, procedure);
    if (!credentials) {
        draft_auth_none(&draft);
    } else {
        PRE(credentials->group_count <= CRED_GROUPS_MAX);
        draft_u32(&draft, AUTH_SYS);
        draft_u32(&draft, (5 + credentials->group_count) * 4);
        draft_u32(&draft, 0); /* stamp */
        draft_u32(&draft, 0); /* machine name */
        draft_u32(&draft, credentials->uid);
        draft_u32(&draft, credentials->gid);
        draft_u32(&draft, credentials->group_count);
        for (uint32_t i = 0; i < credentials->group_count; i++) {
            draft_u32(&draft, credentials->groups[i]);
        }
    }
    draft_auth_none(&draft);
    return draft;
}

struct draft draft_reply(uint32_t xid, enum accept_stat status)
{
    struct draft draft = draft_begin(xid, REPLY);
    draft_u32(&draft, MSG_ACCEPTED);
    draft_auth_none(&draft);
    draft_u32(&draft, status);
    return draft;
}

struct draft draft_mismatch(uint32_t xid, uint32_t low, uint32_t high)
{
    struct draft draft = draft_reply(xid, PROG_MISMATCH);
    draft_u32(&draft, low);
    draft_u32(&draft, high);
    return draft;
}

struct draft draft_rpc_mismatch(uint32_t xid)
{
    struct draft draft = draft_begin(xid, REPLY);
    draft_u32(&draft, MSG_DENIED);
    draft_u32(&draft, RPC_MISMATCH);
    draft_u32(&draft, RPC_VERSION);
    draft_u32(&draft, RPC_VERSION);
    return draft;
}

struct draft draft_auth_error(uint32_t xid, enum auth_stat why)
{
    struct draft draft = draft_begin(xid, REPLY);
    draft_u32(&draft, MSG_DENIED);
    draft_u32(&draft, AUTH_ERROR);
    draft_u32(&draft, why);
    return draft;
}

/* Encode value at the end of head, in room bytes. */
static bool draft_try(struct draft *draft, size_t room, xdrproc_t encode, const void *value)
{
    XDR xdrs;
    xdrmem_create(&xdrs, (char *)draft->head + draft->head_size, (u_int)room, XDR_ENCODE);
    /* XDR's one signature for both directions has no const; encoding does not write. */
    bool done = encode(&xdrs, (void *)(uintptr_t)value);
    if (done) {
        draft->head_size += XDR_GETPOS(&xdrs);
    }
    xdr_destroy(&xdrs);
    return done;
}

static bool draft_enlarge(struct draft *draft, struct buffer_pool *pool)
{
    struct buffer *large = buffer_new(pool, RECORD_MARK_SIZE + RECORD_SIZE_MAX);
    if (!large) {
        return false;
    }
    memcpy(large->data, draft->head, draft->head_size);
    draft->head = large->data;
    draft->large = large;
    return true;
}

static const uint8_t zeros[4];

static void draft_bulk(struct draft *draft, const struct slice *bulk)
{
    draft_u32(draft, (uint32_t)bulk->size);
    size_t padding = (4 - bulk->size % 4) % 4;
    /* sendmsg reads only, though struct iovec cannot say so. */
    draft->pieces[1] = (struct iovec){(void *)(uintptr_t)bulk->data, bulk->size};
    draft->pieces[2] = (struct iovec){(void *)(uintptr_t)zeros, padding};
    draft->count = 3;
    draft->size += bulk->size + padding;
}

int draft_encode(struct draft *draft, struct buffer_pool *pool, xdrproc_t encode, const void *value,
                 const struct slice *bulk)
{
    const size_t bulk_head = 4;
    if (bulk && bulk->size > RECORD_SIZE_MAX) {
        return -E_BAD_MESSAGE;
    }
    if (encode) {
        size_t room = sizeof scratch - draft->head_size - bulk_head;
        bool done = draft_try(draft, room, encode, value);
        if (!done && draft_enlarge(draft, pool)) {
            room = draft->large->capacity - draft->head_size - bulk_head;
            done = draft_try(draft, room, encode, value);
        }
        if (!done) {
            return -E_BAD_MESSAGE;
        }
    }
    if (bulk) {
        draft_bulk(draft, bulk);
    }
    return draft->size + draft->head_size - RECORD_MARK_SIZE > RECORD_SIZE_MAX ? -E_BAD_MESSAGE : 0;
}

int draft_append(struct draft *draft, const struct iovec *body, int count)
{
    if (count >= MESSAGE_PIECES_MAX) {
        return -E_BAD_MESSAGE;
    }
    for (int i = 0; i < count; i++) {
        if (body[i].iov_len > RECORD_SIZE_MAX) {
            return -E_BAD_MESSAGE;
        }
        draft->pieces[1 + i] = body[i];
        draft->size += body[i].iov_len;
    }
    draft->count = 1 + count;
    return draft->size + draft->head_size - RECORD_MARK_SIZE > RECORD_SIZE_MAX ? -E_BAD_MESSAGE : 0;
}

void draft_finish(struct draft *draft)
{
    draft->pieces[0] = (struct iovec){draft->head, draft->head_size};
    if (draft->count == 0) {
        draft->count = 1;
    }
    draft->size += draft->head_size - RECORD_MARK_SIZE;
    be32_store(draft->head, UINT32_C(0x80000000) | (uint32_t)draft->size);
}

void draft_release(struct draft *draft)
{
    buffer_put(draft->large);
    draft->large = NULL;
}
