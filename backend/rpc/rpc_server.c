/*
 * Serving: from a call's head to its handler, and from the handler's answer to the connection or
 * datagram it came by. Answers come on any thread, at any time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/rpc/rpc_server.h"

#include <stdlib.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/proto/limits.h"
#include "backend/rpc/rpc_connection.h"
#include "backend/rpc/rpc_message.h"
#include "backend/rpc/rpc_udp.h"

/* ---- answering ----------------------------------------------------------------------------- */

static void call_free(struct rpc_call *call)
{
    buffer_put(call->buffer);
    if (call->connection) {
        rpc_connection_put(call->connection);
    }
    free(call->origin);
    free(call);
}

/* Send a finished draft, or nothing if draft is NULL; the call is over. */
static void call_end(struct rpc_call *call, struct draft *draft)
{
    struct rpc_connection *connection = call->connection;
    if (connection) {
        pthread_mutex_lock(&connection->lock);
        atomic_fetch_sub_explicit(&connection->unanswered, 1, memory_order_relaxed);
        if (draft) {
            connection_submit(connection, draft->pieces, draft->count);
        }
        connection_resume(connection);
        pthread_mutex_unlock(&connection->lock);
    } else {
        if (draft) {
            datagram_send(call->origin, draft->pieces, draft->count);
        }
        datagram_answered(call->origin);
    }
    call_free(call);
}

static void call_send(struct rpc_call *call, struct draft *draft)
{
    draft_finish(draft);
    call_end(call, draft);
    draft_release(draft);
}

static void call_answer_status(struct rpc_call *call, enum accept_stat status)
{
    struct draft draft = draft_reply(call->xid, status);
    call_send(call, &draft);
}

void rpc_call_reply(struct rpc_call *call, xdrproc_t encode, const void *result,
                    const struct slice *bulk)
{
    struct draft draft = draft_reply(call->xid, SUCCESS);
    if (draft_encode(&draft, &call->loop->buffers, encode, result, bulk) < 0) {
        draft_release(&draft);
        call_answer_status(call, SYSTEM_ERR);
        return;
    }
    call_send(call, &draft);
}

void rpc_call_reply_raw(struct rpc_call *call, const struct iovec *body, int count)
{
    struct draft draft = draft_reply(call->xid, SUCCESS);
    if (draft_append(&draft, body, count) < 0) {
        call_answer_status(call, SYSTEM_ERR);
        return;
    }
    call_send(call, &draft);
}

void rpc_call_garbage(struct rpc_call *call)
{
    call_answer_status(call, GARBAGE_ARGS);
}

void rpc_call_reject_auth(struct rpc_call *call, enum auth_stat why)
{
    struct draft draft = draft_auth_error(call->xid, why);
    call_send(call, &draft);
}

void rpc_call_drop(struct rpc_call *call)
{
    call_end(call, NULL);
}

/* ---- dispatch ------------------------------------------------------------------------------ */

/* Answer PROG_MISMATCH with the versions there are, or PROG_UNAVAIL if there is none. */
static void call_refuse_program(struct rpc_call *call, const struct rpc_service *service)
{
    uint32_t low = UINT32_MAX;
    uint32_t high = 0;
    for (size_t i = 0; i < service->program_count; i++) {
        const struct rpc_program *program = service->programs[i];
        if (program->program == call->program) {
            low = program->version < low ? program->version : low;
            high = program->version > high ? program->version : high;
        }
    }
    if (low > high) {
        call_answer_status(call, PROG_UNAVAIL);
        return;
    }
    struct draft draft = draft_mismatch(call->xid, low, high);
    call_send(call, &draft);
}

static const struct rpc_program *service_find(const struct rpc_service *service,
                                              const struct rpc_call *call)
{
    for (size_t i = 0; i < service->program_count; i++) {
        const struct rpc_program *program = service->programs[i];
        if (program->program == call->program && program->version == call->version) {
            return program;
        }
    }
    return NULL;
}

static void call_dispatch(struct rpc_call *call, const struct rpc_service *service,
                          const struct call_head *head)
{
    if (head->rpc_version != 2) {
        struct draft draft = draft_rpc_mismatch(head->xid);
        call_send(call, &draft);
        return;
    }
    enum auth_stat why = credentials_parse(head->flavour, head->credentials, &call->cred);
    if (why != AUTH_OK) {
        rpc_call_reject_auth(call, why);
        return;
    }
    const struct rpc_program *program = service_find(service, call);
    if (!program) {
        call_refuse_program(call, service);
        return;
    }
    if (head->procedure >= program->procedure_count ||
        !program->procedures[head->procedure].handler) {
        call_answer_status(call, PROC_UNAVAIL);
        return;
    }
    program->procedures[head->procedure].handler(call, program->context);
}

static struct rpc_call *call_new(struct rpc_loop *loop, struct buffer *buffer,
                                 const struct call_head *head)
{
    struct rpc_call *call = malloc(sizeof *call);
    if (!call) {
        return NULL;
    }
    /* Not cleared as a whole: the credentials are set when they are parsed. */
    call->connection = NULL;
    call->origin = NULL;
    call->loop = loop;
    call->buffer = buffer_get(buffer);
    call->arguments = head->arguments;
    call->xid = head->xid;
    call->program = head->program;
    call->version = head->version;
    call->procedure = head->procedure;
    return call;
}

int server_call(struct rpc_connection *connection, struct buffer *buffer, struct slice message)
{
    struct call_head head;
    int result = call_head_parse(message, &head);
    if (result < 0) {
        return result;
    }
    struct rpc_call *call = call_new(connection->loop, buffer, &head);
    if (!call) {
        return -ENOMEM;
    }
    call->connection = rpc_connection_get(connection);
    atomic_fetch_add_explicit(&connection->unanswered, 1, memory_order_relaxed);
    call_dispatch(call, connection->service, &head);
    return 0;
}

void server_datagram(struct rpc_loop *loop, const struct rpc_service *service,
                     const struct datagram_origin *origin, struct buffer *buffer,
                     struct slice message)
{
    struct call_head head;
    if (message.size < 8 || be32_load(message.data + 4) != CALL ||
        call_head_parse(message, &head) < 0 || !datagram_admit(origin)) {
        return;
    }
    struct datagram_origin *kept = malloc(sizeof *kept);
    struct rpc_call *call = kept ? call_new(loop, buffer, &head) : NULL;
    if (!call) {
        free(kept);
        datagram_answered(origin);
        return;
    }
    *kept = *origin;
    call->origin = kept;
    call_dispatch(call, service, &head);
}

/* ---- what a handler may ask ---------------------------------------------------------------- */

uint32_t rpc_call_procedure(const struct rpc_call *call)
{
    return call->procedure;
}

uint32_t rpc_call_version(const struct rpc_call *call)
{
    return call->version;
}

uint32_t rpc_call_program(const struct rpc_call *call)
{
    return call->program;
}

uint32_t rpc_call_xid(const struct rpc_call *call)
{
    return call->xid;
}

const struct cred *rpc_call_cred(const struct rpc_call *call)
{
    return &call->cred;
}

struct rpc_connection *rpc_call_connection(const struct rpc_call *call)
{
    return call->connection;
}

const struct sockaddr *rpc_call_peer(const struct rpc_call *call)
{
    return call->connection ? &call->connection->peer.any : &call->origin->peer.any;
}

struct slice rpc_call_arguments(const struct rpc_call *call)
{
    return call->arguments;
}

/* ---- decoding ------------------------------------------------------------------------------ */

#ifdef __SANITIZE_THREAD__
/* libtirpc's xdr_opaque lets every thread write the padding it skips to one static array, which
 * nobody reads. Here because every program that decodes has this file. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:libtirpc.so\n";
}
#endif

static int slice_decode(struct slice bytes, xdrproc_t decode, void *out_value,
                        struct slice *out_rest)
{
    XDR xdrs;
    /* XDR's one signature for both directions has no const; decoding does not write. */
    xdrmem_create(&xdrs, (char *)(uintptr_t)bytes.data, (u_int)bytes.size, XDR_DECODE);
    bool done = !decode || decode(&xdrs, out_value);
    size_t used = XDR_GETPOS(&xdrs);
    xdr_destroy(&xdrs);
    if (!done) {
        xdr_free(decode, out_value);
        return -E_BAD_MESSAGE;
    }
    if (out_rest) {
        *out_rest = slice_of(bytes.data + used, bytes.size - used);
    }
    return 0;
}

int rpc_call_decode(struct rpc_call *call, xdrproc_t decode, void *out_arguments,
                    struct slice *out_rest)
{
    return slice_decode(call->arguments, decode, out_arguments, out_rest);
}

int rpc_reply_decode(const struct rpc_reply *reply, xdrproc_t decode, void *out_result,
                     struct slice *out_rest)
{
    return reply->status ? reply->status
                         : slice_decode(reply->body, decode, out_result, out_rest);
}

int rpc_bulk(struct slice rest, struct slice *out_bulk)
{
    struct reader reader = {.rest = rest};
    uint32_t size = reader_u32(&reader);
    struct slice bulk = reader_opaque(&reader, size);
    if (reader.failed || reader.rest.size > 0) {
        return -E_BAD_MESSAGE;
    }
    *out_bulk = bulk;
    return 0;
}
