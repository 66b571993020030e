/*
 * What the row files share: admitting a request, waiting until what an answer shows is committed,
 * granting, sending.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/brick/brick.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"

static struct brick_request *brick_request_new(struct rpc_call *call, struct brick *brick)
{
    struct rpc_connection *connection = rpc_call_connection(call);
    struct brick_client *client = connection ? rpc_connection_user(connection) : NULL;
    if (!client || atomic_load(&client->fenced)) {
        rpc_call_reject_auth(call, AUTH_TOOWEAK); /* who does not say hello is nobody's client */
        return NULL;
    }
    struct brick_request *request = malloc(sizeof *request);
    if (!request) {
        rpc_call_drop(call);
        return NULL;
    }
    /* Not zeroed as a whole: most of it is scratch space of one kind of request. */
    request->brick = brick;
    request->call = call;
    request->client = client;
    atomic_fetch_add(&client->refs, 1);
    request->view = 0;
    memset(&request->reply, 0, sizeof request->reply);
    memset(&request->mutation, 0, sizeof request->mutation);
    request->kept = NULL;
    request->durable = false;
    request->object_sync = false;
    request->copies = false;
    request->refusal = 0;
    request->attempts = 0;
    request->ungrantable = false;
    request->object_key = 0;
    request->name_key = 0;
    request->parent_key = 0;
    request->parent2_key = 0;
    request->name = NULL;
    request->name2 = NULL;
    request->target = NULL;
    atomic_fetch_add_explicit(&brick->operations, 1, memory_order_relaxed);
    return request;
}

static void client_put(struct brick_client *client)
{
    if (atomic_fetch_sub(&client->refs, 1) == 1) {
        if (client->holder) {
            grants_holder_put(client->holder);
        }
        free(client);
    }
}

static void request_free(struct brick_request *request)
{
    free(request->kept);
    free(request->name);
    free(request->name2);
    free(request->target);
    client_put(request->client);
    free(request);
}

void brick_garbage(struct brick_request *request)
{
    rpc_call_garbage(request->call);
    request_free(request);
}

struct brick_request *brick_begin(struct rpc_call *call, struct brick *brick, xdrproc_t decode,
                                  void *arguments, struct slice *out_rest)
{
    struct brick_request *request = brick_request_new(call, brick);
    if (!request) {
        return NULL;
    }
    if (rpc_call_decode(call, decode, arguments, out_rest) < 0) {
        brick_garbage(request);
        return NULL;
    }
    const brick_target *target = arguments; /* every struct of arguments begins with it */
    int rc = replica_admit(brick->driver, target->set, target->view);
    if (rc < 0) {
        xdr_free(decode, arguments);
        brick_refuse(request, rc);
        return NULL;
    }
    request->view = target->view;
    return request;
}

static pthread_key_t scratch_key;

static void scratch_key_make(void)
{
    int error = pthread_key_create(&scratch_key, free); /* when the thread ends */
    INVARIANT(error == 0);
}

uint8_t *brick_scratch(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static _Thread_local uint8_t *scratch;
    if (!scratch) {
        pthread_once(&once, scratch_key_make);
        scratch = malloc(IO_SIZE_MAX);
        (void)pthread_setspecific(scratch_key, scratch); /* on failure it is kept to the end */
    }
    return scratch;
}

/* ---- grants -------------------------------------------------------------------------------- */

uint64_t brick_cell(const struct brick *brick, uint64_t key)
{
    return atomic_load(&brick->driver->depends[key & (DEPENDENCY_CELLS - 1)]);
}

/*
 * Note the cell of key before what it stands for is gathered. A change whose index is not committed
 * may have marked the cell and not yet be in the index, or be in the index and not yet in the tree:
 * what is gathered then may be of before it, and nobody would take it back.
 */
static uint64_t watch(struct brick_request *request, uint64_t key)
{
    uint64_t seen = brick_cell(request->brick, key);
    if (seen > atomic_load(&request->brick->driver->committed)) {
        request->ungrantable = true;
    }
    return seen;
}

void brick_watch_object(struct brick_request *request, const struct gfid *object)
{
    if (request->client->holder) {
        request->object_key = replica_key_object(object);
        request->object_cell = watch(request, request->object_key);
    }
}

void brick_watch_name(struct brick_request *request, const struct gfid *parent,
                      struct slice name)
{
    if (request->client->holder) {
        request->name_key = replica_key_name(parent, name);
        request->name_cell = watch(request, request->name_key);
    }
}

void brick_watch_parent(struct brick_request *request, const struct gfid *parent)
{
    uint64_t key = replica_key_object(parent);
    uint64_t seen = brick_cell(request->brick, key);
    if (request->client->holder && seen <= atomic_load(&request->brick->driver->committed)) {
        request->parent_key = key;
        request->parent_cell = seen;
    }
}

/* True if key was granted: noted, and nothing has touched it since its cell was looked at. */
static bool grant(struct brick_request *request, uint64_t key, uint64_t seen)
{
    struct brick *brick = request->brick;
    return seen <= atomic_load(&brick->driver->committed) &&
           grants_give(brick->grants, request->client->holder, key) &&
           brick_cell(brick, key) == seen;
}

static uint32_t grant_all(struct brick_request *request)
{
    if (request->object_key && !grant(request, request->object_key, request->object_cell)) {
        return 0;
    }
    if (request->name_key && !grant(request, request->name_key, request->name_cell)) {
        return 0;
    }
    return GRANT_MS_MAX;
}

/* A client that changes a directory looks at it again before its next change: to check permission
 * in its kernel; one that looks names up in it for others, before each look-up. What it was just
 * told spares it the question. */
static uint32_t grant_parents(struct brick_request *request)
{
    bool granted = grant(request, request->parent_key, request->parent_cell) &&
                   (!request->parent2_key ||
                    grant(request, request->parent2_key, request->parent_cell));
    return granted ? GRANT_MS_MAX : 0;
}

/* ---- sending ------------------------------------------------------------------------------- */

static void send_now(struct brick_request *request)
{
    struct reply *reply = &request->reply;
    reply->view = request->view;
    if ((request->object_key || request->name_key) && !request->ungrantable &&
        (reply->status == 0 || reply->status == -ENOENT)) {
        reply->grant_ms = grant_all(request);
    }
    if (request->parent_key && (reply->status == 0 || reply->status == -ENOENT)) {
        reply->parent_grant_ms = grant_parents(request);
    }
    if (request->client->holder) {
        grants_answers(request->brick->grants, request->client->holder);
    }
    rpc_call_reply(request->call, (xdrproc_t)xdr_reply, reply, &reply->data);
    request_free(request);
}

/* Nothing is shown by it that a lease would have to cover: ask again, here or elsewhere. */
static void refuse_now(struct brick_request *request, int status)
{
    memset(&request->reply, 0, sizeof request->reply);
    request->reply.status = status;
    request->object_key = 0;
    request->name_key = 0;
    request->parent_key = 0;
    send_now(request);
}

static bool asks_again(int status)
{
    return status == -E_NOT_PRIMARY || status == -E_OLD_VIEW || status == -E_NEW_VIEW ||
           status == -E_NOT_SETTLED || status == -E_LEASE_EXPIRED || status == -E_OVERLOADED ||
           status == -E_CONNECTION_LOST || status == -E_WRONG_VOLUME;
}

static struct brick_request *request_of_waiter(struct replica_waiter *waiter)
{
    return (struct brick_request *)((char *)waiter - offsetof(struct brick_request, waiter));
}

/* The scratch that data was gathered in is needed before the answer goes out. */
static bool keep(struct brick_request *request)
{
    struct reply *reply = &request->reply;
    if (reply->data.size == 0 || request->kept) {
        return true;
    }
    request->kept = malloc(reply->data.size);
    if (request->kept) {
        memcpy(request->kept, reply->data.data, reply->data.size);
        reply->data.data = request->kept;
    }
    return request->kept != NULL;
}

static void lease_changed(struct replica_waiter *waiter, int status,
                          const struct operation *operation)
{
    (void)status;
    (void)operation;
    struct brick_request *request = request_of_waiter(waiter);
    brick_send_in(request, request->sends_in);
}

/* View and lease are looked at last: after the answer was gathered and what it shows committed. */
void brick_send_in(struct brick_request *request, uint64_t view)
{
    struct replica_driver *driver = request->brick->driver;
    request->sends_in = view;
    request->waiter.wake = lease_changed;
    if (replica_has_lease(driver, view)) {
        send_now(request);
        return;
    }
    int rc = keep(request) ? replica_may_send(driver, view, &request->waiter) : -E_OVERLOADED;
    if (rc == 0) {
        send_now(request);
    } else if (rc < 0) {
        refuse_now(request, rc);
    }
}

void brick_send(struct brick_request *request)
{
    brick_send_in(request, 0);
}

void brick_refuse(struct brick_request *request, int status)
{
    /* Nor does a disk's error say anything of the volume's state, and a brick that has failed gets
     * no lease any more. */
    if (asks_again(status) || status == -EIO || request->view == 0) {
        refuse_now(request, status);
        return;
    }
    memset(&request->reply, 0, sizeof request->reply);
    request->reply.status = status;
    request->object_key = 0;
    request->name_key = 0;
    request->parent_key = 0;
    brick_send_in(request, 0);
}

static void read_committed(struct replica_waiter *waiter, int status,
                           const struct operation *operation)
{
    (void)operation;
    struct brick_request *request = request_of_waiter(waiter);
    if (status < 0) {
        brick_refuse(request, status);
    } else {
        brick_send_in(request, request->view);
    }
}

void brick_send_committed(struct brick_request *request, uint64_t index)
{
    if (index > atomic_load(&request->brick->driver->committed)) {
        if (!keep(request)) {
            brick_refuse(request, -ENOMEM);
            return;
        }
        request->waiter.wake = read_committed;
        if (!replica_wait(request->brick->driver, index, &request->waiter)) {
            return;
        }
    }
    brick_send_in(request, request->view);
}

/* ---- mutations ----------------------------------------------------------------------------- */

static struct brick_request *request_of_ticket(struct replica_ticket *ticket)
{
    return (struct brick_request *)((char *)ticket - offsetof(struct brick_request, ticket));
}

static void synced(struct replica_sync *sync, int status)
{
    struct brick_request *request =
        (struct brick_request *)((char *)sync - offsetof(struct brick_request, sync));
    if (status < 0) {
        brick_refuse(request, status);
        return;
    }
    if (request->object_sync) {
        request->reply.committed = STABLE_FILE_SYNC;
    }
    request->reply.verifier = atomic_load(&request->brick->driver->verifier);
    brick_send(request);
}

/* A renamed object, and its new name. */
static void watch_rename(struct brick_request *request, const struct operation *operation)
{
    const struct attr *parent =
        operation->parent2.type != OBJECT_NONE ? &operation->parent2 : &operation->parent;
    if (operation->rename_flags != 0) {
        return; /* of an exchange two objects had to be granted */
    }
    request->object_key = replica_key_object(&operation->object.gfid);
    request->object_cell = operation->index;
    request->name_key = replica_key_name(&parent->gfid, operation->name2);
    request->name_cell = operation->index;
}

/* What the client of a mutation may cache: what it made or changed, unless somebody has touched it
 * since. */
static void watch_operation(struct brick_request *request, const struct operation *operation)
{
    if (!request->client->holder || operation->index == 0) {
        return;
    }
    if (operation->parent.type != OBJECT_NONE) {
        request->parent_key = replica_key_object(&operation->parent.gfid);
        request->parent_cell = operation->index;
    }
    if (operation->parent2.type != OBJECT_NONE) {
        request->parent2_key = replica_key_object(&operation->parent2.gfid);
    }
    if (operation->kind == OPERATION_REMOVE) {
        return;
    }
    if (operation->kind == OPERATION_RENAME) {
        watch_rename(request, operation);
        return;
    }
    if (request->mutation.kind == MUTATION_MAKE && operation->kind != OPERATION_MAKE) {
        return; /* it was found: its name is in the answer, too, and not in the operation */
    }
    request->object_key = replica_key_object(&operation->object.gfid);
    request->object_cell = operation->index;
    if (operation->name.size > 0) {
        request->name_key = replica_key_name(&operation->parent.gfid, operation->name);
        request->name_cell = operation->index;
    }
}

/* How much of a COPY an operation did: as many bytes as it wrote, or how far its hole reaches. */
static uint32_t copied(const struct brick_request *request, const struct operation *operation)
{
    switch (operation->kind) {
    case OPERATION_WRITE:
        return operation->count;
    case OPERATION_ALLOCATE:
        return (uint32_t)operation->length;
    case OPERATION_SETATTR:
        return (uint32_t)(operation->object.size - request->offset);
    default:
        return 0;
    }
}

static void submitted(struct replica_ticket *ticket, int status, const struct operation *operation)
{
    struct brick_request *request = request_of_ticket(ticket);
    struct brick *brick = request->brick;
    struct reply *reply = &request->reply;
    if (operation) {
        operation_to_reply(operation, reply);
    }
    reply->status = status;
    reply->verifier = atomic_load(&brick->driver->verifier);
    if (asks_again(status)) {
        brick_refuse(request, status);
        return;
    }
    if (status == 0 && operation->kind == OPERATION_NONE && request->copies) {
        brick_copied_nothing(request);
        return;
    }
    if (status == 0 && operation->kind != OPERATION_NONE) {
        watch_operation(request, operation);
        if (request->copies) {
            reply->count = copied(request, operation);
        }
    }
    if (status < 0 || operation->kind == OPERATION_NONE ||
        (!request->durable && !request->object_sync)) {
        brick_send(request);
        return;
    }
    request->sync.complete = synced;
    replica_sync_start(brick->driver, request->object_sync ? &operation->object.gfid : &GFID_NONE,
                       &request->sync);
}

void brick_submit(struct brick_request *request, struct slice bulk)
{
    request->mutation.session = request->client->client;
    request->ticket.complete = submitted;
    replica_submit(request->brick->driver, &request->mutation, bulk, &request->ticket);
}

void brick_client_closed(struct brick *brick, struct rpc_connection *connection)
{
    struct brick_client *client = rpc_connection_user(connection);
    if (client) {
        rpc_connection_set_user(connection, NULL);
        pthread_mutex_lock(&brick->sessions_mutex);
        DL_DELETE(brick->sessions, client);
        pthread_mutex_unlock(&brick->sessions_mutex);
        grants_client_lost(brick->grants, connection);
        atomic_fetch_sub(&brick->clients, 1);
        client_put(client);
    }
}
