/*
 * A brick's daemon: requests of clients, on the replica's member and the store.
 *
 *     brick_dispatch.c           the procedure table
 *     brick_attr.c … brick_info.c  the row files: decode, submit or gather, nothing else
 *     brick_answer.c             what they share: admit, wait for commit, grant, send
 *     brick_grants.c             what clients may cache, and taking it back
 *     brick_supervised.c         the connection to trivetd
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_BRICK_BRICK_H
#define TRIVET_BRICK_BRICK_H

#include <stdatomic.h>
#include "backend/brick/brick_grants.h"
#include "backend/proto/brick.h"
#include "backend/replica/replica_driver.h"
#include "backend/rpc/rpc.h"
#include "backend/store/store.h"

struct brick {
    struct rpc_loop *loop;
    struct store *store;
    struct replica_driver *driver;
    struct grants *grants;
    struct store_identity identity;
    _Atomic uint64_t operations, bytes_read, bytes_written;
    _Atomic unsigned clients;
    pthread_mutex_t sessions_mutex; /* rank 0 */
    struct brick_client *sessions;
    char granted_path[PATH_SIZE_MAX + 32]; /* see brick_grace.c */
    _Atomic bool granting;
};

/* A client's connection, from HELLO on. Lives until the connection and its last request have
 * ended. */
struct brick_client {
    atomic_uint refs;
    uint64_t client; /* the session's id */
    struct holder *holder; /* of grants; NULL: it wants none */
    /* The session has a newer connection: what is still unread on this one must not take effect
     * after answers that the session has had since. */
    atomic_bool fenced;
    struct brick_client *prev, *next; /* in brick.sessions */
    struct rpc_connection *connection; /* while it is in brick.sessions */
};

/* One request, from its call to its answer. */
struct brick_request {
    struct brick *brick;
    struct rpc_call *call;
    struct brick_client *client;
    uint64_t view; /* it was admitted in */
    uint64_t sends_in; /* what it waits for a lease in, see brick_send_in */
    struct reply reply;
    uint8_t *kept; /* reply.data, where it had to be copied */

    /* mutations */
    struct mutation mutation;
    struct replica_ticket ticket;
    struct replica_sync sync;
    bool durable;       /* the name space record, before the answer */
    bool object_sync;   /* the object's data, before the answer */
    struct gfid sync_object;

    /* reads */
    struct replica_waiter waiter;
    struct cred cred;
    struct gfid object;
    uint64_t offset, cookie;
    uint32_t count;
    int whence;          /* SEEK */
    struct gfid source;  /* COPY: object, offset are the target's */
    uint64_t source_offset, length;
    bool copies;  /* the mutation is what a COPY from offset came to */
    int refusal;  /* COPY: what is wrong with the source */
    bool with_attr;
    unsigned attempts;

    /* grants: the cells of what the answer shows, as they were before it was gathered */
    uint64_t object_key, name_key;
    uint64_t object_cell, name_cell;
    bool ungrantable; /* a change of what it shows was under way when it was gathered */
    uint64_t parent_key, parent2_key, parent_cell; /* parent_cell: of a mutation, its index */

    /* strings that XDR allocated */
    char *name, *name2, *target;
};

/* ---- brick_answer.c ------------------------------------------------------------------------ */

/*
 * Begin the request of a call: who calls has said hello, the arguments (a struct that begins with a
 * brick_target) decode, set and view are right. NULL: it has been answered. Strings in the
 * arguments are the caller's to give to the request, which frees them.
 */
struct brick_request *brick_begin(struct rpc_call *call, struct brick *brick, xdrproc_t decode,
                                  void *arguments, struct slice *out_rest);
/* Arguments that make no sense: GARBAGE_ARGS. Frees the request. */
void brick_garbage(struct brick_request *request);
/* Answer with what is in reply, as soon as there is a lease: what rests on a committed operation,
 * in whatever view. Frees the request. */
void brick_send(struct brick_request *request);
/* The same of what was gathered in view, unless that is over. */
void brick_send_in(struct brick_request *request, uint64_t view);
/* Answer with a status only. Frees the request. */
void brick_refuse(struct brick_request *request, int status);
/* Answer a read: when everything up to index is committed, and if the view still is ours. */
void brick_send_committed(struct brick_request *request, uint64_t index);
/* Order the request's mutation; answers when it is committed, and durable if asked for. */
void brick_submit(struct brick_request *request, struct slice bulk);
/* Remember the cells of object and name before gathering; see brick_grants.h. */
void brick_watch_object(struct brick_request *request, const struct gfid *object);
void brick_watch_name(struct brick_request *request, const struct gfid *parent,
                      struct slice name);
/* The same of a directory whose attributes go with a look-up in it; not if it is just changing. */
void brick_watch_parent(struct brick_request *request, const struct gfid *parent);
/* Index of the last operation that touched something of key. */
uint64_t brick_cell(const struct brick *brick, uint64_t key);
/* 1 MiB of the calling thread's own, for gathering; valid until the thread handles another call. */
uint8_t *brick_scratch(void);

/* ---- the rows ------------------------------------------------------------------------------ */

rpc_handler brick_null, brick_serve_hello, brick_statfs, brick_renew;
rpc_handler brick_getattr, brick_setattr, brick_access;
rpc_handler brick_lookup, brick_readlink;
rpc_handler brick_read, brick_write, brick_commit;
rpc_handler brick_create, brick_mkdir, brick_symlink, brick_mknod, brick_link;
rpc_handler brick_remove, brick_rmdir, brick_rename;
rpc_handler brick_readdir;

rpc_handler brick_tmpfile, brick_forget;
rpc_handler brick_getxattr, brick_listxattr, brick_setxattr, brick_removexattr;
rpc_handler brick_allocate, brick_seek, brick_copy;

extern const struct rpc_procedure brick_procedures[];
extern const uint32_t brick_procedure_count;

/* brick_space.c: the mutation of a COPY has come to nothing that was to be ordered. */
void brick_copied_nothing(struct brick_request *request);

/* ---- brick_orphans.c ----------------------------------------------------------------------- */

struct orphan_watch;
/* Fails: -ENOMEM. */
int orphan_watch_new(struct brick *brick, unsigned keep_ms, struct orphan_watch **out_watch);
/* After the driver has stopped. */
void orphan_watch_free(struct orphan_watch *watch);
/* About once a second, on the primary: what is kept for clients that are gone goes. */
void orphan_watch_tick(struct orphan_watch *watch);

/* ---- brick_grace.c ------------------------------------------------------------------------- */

/* At start: hold back changes while something granted by the process before may be cached. */
void brick_grace_begin(struct brick *brick, const char *directory);
/* Before the first client is granted anything. */
void brick_grace_mark(struct brick *brick);
/* At a clean stop: note when what was granted ends. */
void brick_grace_end(struct brick *brick);

/* Connections of clients: freed with the connection. */
void brick_client_closed(struct brick *brick, struct rpc_connection *connection);

#endif
