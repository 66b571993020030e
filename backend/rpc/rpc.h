/*
 * ONC RPC (RFC 5531) over TCP, Unix sockets (record marking) and UDP: one loop of threads that
 * drives every connection of the process, accepted or dialled. A connection is symmetric: both ends
 * may serve programs and make calls on it.
 *
 * How threads run. The thread that finds a connection ready reads it, and runs each call's handler
 * and each reply's callback itself, in the order of arrival; a connection is read by one thread at
 * a time, so calls of one connection begin in order. Handlers and callbacks must not block; what
 * may wait for a disk or another program goes to rpc_offload. Answers may be sent later, by any
 * thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_RPC_RPC_H
#define TRIVET_RPC_RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <rpc/rpc.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include "backend/base/slice.h"
#include "backend/proto/cred.h"

struct rpc_loop;
struct rpc_connection;
struct rpc_call;

/* ---- the loop ------------------------------------------------------------------------------ */

/*
 * Make a loop of loop_threads threads that read connections and worker_threads for rpc_offload.
 * Threads start at rpc_loop_start, with all signals blocked.
 */
int rpc_loop_new(unsigned loop_threads, unsigned worker_threads, struct rpc_loop **out_loop);
int rpc_loop_start(struct rpc_loop *loop);
/* Stop reading, join all threads, close all connections (their closed callbacks run). */
void rpc_loop_stop(struct rpc_loop *loop);
/* By now every call is answered, every reference and kept reply given back. NULL is allowed. */
void rpc_loop_free(struct rpc_loop *loop);

/* Counted since rpc_loop_new. Datagrams are messages too. */
struct rpc_statistics {
    uint64_t messages_in, messages_out; /* calls and replies */
    uint64_t bytes_in, bytes_out;
    uint64_t connections_made; /* accepted and dialled */
    uint64_t connections;      /* now */
};
void rpc_loop_statistics(struct rpc_loop *loop, struct rpc_statistics *out_statistics);

/* Run function on a worker thread, soon. Never fails (memory for it is in the loop's pool or
 * allocated; the process ends when there is none). */
void rpc_offload(struct rpc_loop *loop, void (*function)(void *context), void *context);

/* Run function on a loop thread every interval_ms, never twice at once, until the loop stops. */
int rpc_loop_every(struct rpc_loop *loop, unsigned interval_ms, void (*function)(void *context),
                   void *context);

/* Run function on a loop thread whenever fd is readable, never twice at once. fd stays the
 * caller's; it must outlive the loop. */
int rpc_loop_watch(struct rpc_loop *loop, int fd, void (*function)(void *context), void *context);

/* ---- serving ------------------------------------------------------------------------------- */

/* Answers call, now or later, exactly once, with one of the rpc_call_… functions below. */
typedef void rpc_handler(struct rpc_call *call, void *context);

struct rpc_procedure {
    const char *name;
    rpc_handler *handler; /* NULL: PROC_UNAVAIL */
};

struct rpc_program {
    uint32_t program;
    uint32_t version;
    const struct rpc_procedure *procedures; /* by number */
    uint32_t procedure_count;
    void *context; /* given to handlers */
};

struct rpc_service {
    const struct rpc_program *const *programs;
    size_t program_count;
    /* May be NULL. The connection's user data can be set in opened. closed runs after the last
     * handler and callback of the connection; every call it made has by then had its callback. */
    void (*opened)(struct rpc_connection *connection, void *context);
    void (*closed)(struct rpc_connection *connection, void *context);
    void *context;
};

/*
 * Listen. host is a name or literal address (one address is used, never all interfaces unless it
 * says so: "0.0.0.0", "::"), port 0 picks a free one. TCP_NODELAY is set on what is accepted.
 *
 * Owns:  service and what it points to must outlive the loop.
 * Fails: -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -EINVAL (host cannot be resolved) …
 */
int rpc_listen_tcp(struct rpc_loop *loop, const char *host, uint16_t port,
                   const struct rpc_service *service, uint16_t *out_port);
int rpc_listen_udp(struct rpc_loop *loop, const char *host, uint16_t port,
                   const struct rpc_service *service, uint16_t *out_port);
/* mode: permissions of the socket file, which is replaced if nobody listens on it. */
int rpc_listen_unix(struct rpc_loop *loop, const char *path, mode_t mode,
                    const struct rpc_service *service);

uint32_t rpc_call_procedure(const struct rpc_call *call);
uint32_t rpc_call_version(const struct rpc_call *call);
uint32_t rpc_call_program(const struct rpc_call *call);
uint32_t rpc_call_xid(const struct rpc_call *call);
/* AUTH_SYS ids, or uid and gid 65534 for AUTH_NONE. */
const struct cred *rpc_call_cred(const struct rpc_call *call);
/* The connection it came on; NULL for UDP. */
struct rpc_connection *rpc_call_connection(const struct rpc_call *call);
const struct sockaddr *rpc_call_peer(const struct rpc_call *call);
/* All argument bytes as they arrived; they stay valid until the call is answered. */
struct slice rpc_call_arguments(const struct rpc_call *call);

/*
 * Decode the arguments into memory that was cleared. Strings are allocated by XDR: xdr_free them;
 * on failure they are already. out_rest (may be NULL) gets the undecoded bytes behind, which stay
 * valid until the call is answered.
 *
 * Fails: -E_BAD_MESSAGE; the caller then answers with rpc_call_garbage.
 */
int rpc_call_decode(struct rpc_call *call, xdrproc_t decode, void *out_arguments,
                    struct slice *out_rest);

/*
 * Take the XDR opaque (length, bytes, padding) that rest must consist of, as when bulk follows
 * arguments. Fails: -E_BAD_MESSAGE.
 */
int rpc_bulk(struct slice rest, struct slice *out_bulk);

/*
 * Answer: the encoded result (encode NULL: none) and, unless bulk is NULL, bulk as an XDR opaque
 * behind it. The bytes are copied or sent before return. An answer that cannot be encoded becomes
 * SYSTEM_ERR.
 */
void rpc_call_reply(struct rpc_call *call, xdrproc_t encode, const void *result,
                    const struct slice *bulk);
/* The same; body is already XDR, in count pieces. */
void rpc_call_reply_raw(struct rpc_call *call, const struct iovec *body, int count);
void rpc_call_garbage(struct rpc_call *call);                          /* GARBAGE_ARGS */
void rpc_call_reject_auth(struct rpc_call *call, enum auth_stat why);  /* AUTH_ERROR */
void rpc_call_drop(struct rpc_call *call);                             /* stay silent */

/* ---- calling ------------------------------------------------------------------------------- */

/*
 * Dial in the background. A literal address is taken as it is; a name is looked up before return,
 * which may wait for a name server. opened runs when connected; closed runs, once, when the
 * connection is lost or could not be made (rpc_connection_error says why). service may serve no
 * programs.
 *
 * Owns:  the caller holds one reference to *out_connection: rpc_connection_put.
 * Fails: -EINVAL (host cannot be resolved).
 */
int rpc_dial_tcp(struct rpc_loop *loop, const char *host, uint16_t port,
                 const struct rpc_service *service, struct rpc_connection **out_connection);
int rpc_dial_unix(struct rpc_loop *loop, const char *path, const struct rpc_service *service,
                  struct rpc_connection **out_connection);

struct rpc_connection *rpc_connection_get(struct rpc_connection *connection);
void rpc_connection_put(struct rpc_connection *connection);
void rpc_connection_close(struct rpc_connection *connection); /* any thread; closed runs later */
void rpc_connection_set_user(struct rpc_connection *connection, void *user);
void *rpc_connection_user(const struct rpc_connection *connection);
int rpc_connection_error(const struct rpc_connection *connection); /* 0 while it lives */
/* "127.0.0.1:49152" or the socket's path; valid as long as the connection. */
const char *rpc_connection_name(const struct rpc_connection *connection);

/*
 * How a call ended. status: 0; -E_CONNECTION_LOST; -ETIMEDOUT; -E_BAD_MESSAGE; -EPROTO (rejected by
 * the other side). body is valid during the callback only, unless kept with rpc_reply_keep.
 */
struct rpc_reply {
    int status;
    struct slice body;
};
typedef void rpc_callback(struct rpc_reply *reply, void *context);

/*
 * Call. The callback runs exactly once, on a loop thread, or before return if the connection is
 * already lost. Calls of one connection are sent in the order of rpc_call_start. The callback may
 * give back the reference by which the caller holds the connection.
 *
 * credentials NULL: AUTH_NONE. encode NULL: no arguments. bulk (may be NULL) goes out as an XDR
 * opaque behind the arguments and is copied or sent before return. timeout_ms 0: until the
 * connection is lost.
 *
 * Fails: -E_OVERLOADED (SEND_QUEUE_MAX), -E_BAD_MESSAGE (cannot be encoded); no callback then.
 */
struct rpc_call_request {
    uint32_t program, version, procedure;
    const struct cred *credentials;
    xdrproc_t encode;
    const void *arguments;
    const struct slice *bulk;
    unsigned timeout_ms;
    rpc_callback *callback;
    void *context;
};
int rpc_call_start(struct rpc_connection *connection, const struct rpc_call_request *request);

/* Decode a reply's body, as rpc_call_decode does. Fails: the reply's status, if it has one. */
int rpc_reply_decode(const struct rpc_reply *reply, xdrproc_t decode, void *out_result,
                     struct slice *out_rest);
/* Keep the bytes of the reply beyond the callback; free with rpc_reply_release. */
void *rpc_reply_keep(struct rpc_reply *reply);
void rpc_reply_release(void *kept);

/*
 * Call and wait (not on a loop thread). For command lines and tests. *out_result is decoded.
 */
int rpc_call_wait(struct rpc_connection *connection, const struct rpc_call_request *request,
                  xdrproc_t decode, void *out_result);

#endif
