/*
 * READ, WRITE, COMMIT.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/brick/brick.h"

#include <stddef.h>
#include "backend/base/errors.h"
#include "backend/store/access.h"

/* How often a read that meets a change under way is gathered anew. */
#define READ_ATTEMPTS_MAX 100
/* After this many it is answered without attributes: writers may never leave a gap. */
#define READ_ATTR_ATTEMPTS_MAX 3

static void read_gather(struct brick_request *request, bool no_wait);

static void read_on_worker(void *context)
{
    read_gather(context, false);
}

static void read_again(struct replica_waiter *waiter, int status,
                       const struct operation *operation)
{
    (void)operation;
    struct brick_request *request =
        (struct brick_request *)((char *)waiter - offsetof(struct brick_request, waiter));
    if (status < 0) {
        brick_refuse(request, status);
    } else {
        read_gather(request, true);
    }
}

/* How many bytes of the file the request covers; the rights of who asks are checked on the way. */
static int read_plan(struct brick_request *request, uint32_t *out_count)
{
    struct attr *object = &request->reply.object;
    int rc = store_getattr(request->brick->store, &request->object, object);
    if (rc < 0) {
        return rc;
    }
    if (object->type != OBJECT_FILE) {
        return object->type == OBJECT_DIRECTORY ? -EISDIR : -EINVAL;
    }
    /* Who may execute a file may read it (RFC 1813 section 4.4): its client pages it in. The owner
     * may always: the check belonged to open, which an NFS client does not send. */
    uint32_t rights = ACCESS_READ;
    if (request->cred.uid != object->uid) {
        rc = store_rights(request->brick->store, object, &request->cred, &rights);
    }
    if (rc < 0 || !(rights & (ACCESS_READ | ACCESS_EXECUTE))) {
        return rc < 0 ? rc : -EACCES;
    }
    uint64_t left = object->size > request->offset ? object->size - request->offset : 0;
    *out_count = left < request->count ? (uint32_t)left : request->count;
    return 0;
}

/*
 * Attributes come from the index, bytes from the tree, which follows a moment later. Fewer bytes
 * than the size promises mean that an operation is under way: the read waits for it and begins
 * again. So it does if the attributes are of an operation that was not committed when it began, as
 * the bytes may be of before it: whoever kept both would take the old bytes for the new.
 */
static void read_gather(struct brick_request *request, bool no_wait)
{
    struct brick *brick = request->brick;
    struct reply *reply = &request->reply;
    uint8_t *bytes = brick_scratch();
    uint32_t wanted = 0, count = 0;
    uint64_t committed_before = atomic_load(&brick->driver->committed);
    request->ungrantable = false;
    brick_watch_object(request, &request->object);
    reply->status = bytes ? read_plan(request, &wanted) : -ENOMEM;
    if (reply->status == 0 && wanted > 0) {
        reply->status = store_read(brick->store, &request->object, request->offset, wanted,
                                   no_wait, bytes, &count);
    }
    if (reply->status == -EAGAIN && no_wait) {
        rpc_offload(brick->loop, read_on_worker, request);
        return;
    }
    bool is_mixed = false;
    uint64_t index = replica_depends(brick->driver, replica_key_object(&request->object));
    if (reply->status == -EAGAIN) {
        reply->status = 0; /* sequenced, and about to be made */
    }
    if (reply->status == 0 && count < wanted) {
        if (++request->attempts > READ_ATTEMPTS_MAX) {
            brick_refuse(request, -EIO); /* the file is shorter than everything says */
            return;
        }
        request->waiter.wake = read_again;
        if (replica_wait(brick->driver, index, &request->waiter)) {
            read_gather(request, no_wait);
        }
        return;
    }
    if (reply->status == 0 && reply->object.change > committed_before) {
        if (++request->attempts <= READ_ATTR_ATTEMPTS_MAX) {
            request->waiter.wake = read_again;
            if (replica_wait(brick->driver, reply->object.change, &request->waiter)) {
                read_gather(request, no_wait);
            }
            return;
        }
        request->ungrantable = true;
        is_mixed = true;
    }
    reply->count = count;
    reply->eof = request->offset + count >= reply->object.size;
    if (is_mixed) {
        reply->object.type = OBJECT_NONE;
    }
    reply->data = slice_of(bytes, count);
    reply->verifier = atomic_load(&brick->driver->verifier);
    atomic_fetch_add_explicit(&brick->bytes_read, count, memory_order_relaxed);
    brick_send_committed(request, index);
}

void brick_read(struct rpc_call *call, void *context)
{
    brick_read_args args = {0};
    struct brick_request *request =
        brick_begin(call, context, (xdrproc_t)xdr_brick_read_args, &args, NULL);
    if (!request) {
        return;
    }
    request->cred = args.cred;
    request->object = args.object;
    request->offset = args.offset;
    request->count = args.count < IO_SIZE_MAX ? args.count : IO_SIZE_MAX;
    read_gather(request, true);
}

void brick_write(struct rpc_call *call, void *context)
{
    brick_write_args args = {0};
    struct slice rest, bulk;
    struct brick_request *request =
        brick_begin(call, context, (xdrproc_t)xdr_brick_write_args, &args, &rest);
    if (!request) {
        return;
    }
    if (rpc_bulk(rest, &bulk) < 0 || bulk.size > IO_SIZE_MAX) {
        brick_garbage(request);
        return;
    }
    request->mutation = (struct mutation){
        .kind = MUTATION_WRITE,
        .cred = args.cred,
        .id = args.id,
        .object = args.object,
        .offset = args.offset,
        .count = (uint32_t)bulk.size,
        .append = args.append,
    };
    request->object_sync = args.stable != STABLE_UNSTABLE;
    atomic_fetch_add_explicit(&request->brick->bytes_written, bulk.size, memory_order_relaxed);
    brick_submit(request, bulk);
}

static void committed(struct replica_sync *sync, int status)
{
    struct brick_request *request =
        (struct brick_request *)((char *)sync - offsetof(struct brick_request, sync));
    struct brick *brick = request->brick;
    if (status < 0) {
        brick_refuse(request, status);
        return;
    }
    request->reply.verifier = atomic_load(&brick->driver->verifier);
    request->reply.status =
        store_getattr(brick->store, &request->object, &request->reply.object);
    brick_send_committed(request, replica_depends(brick->driver,
                                                  replica_key_object(&request->object)));
}

void brick_commit(struct rpc_call *call, void *context)
{
    brick_commit_args args = {0};
    struct brick_request *request =
        brick_begin(call, context, (xdrproc_t)xdr_brick_commit_args, &args, NULL);
    if (!request) {
        return;
    }
    request->object = args.object;
    request->sync.complete = committed;
    replica_sync_start(request->brick->driver, &args.object, &request->sync);
}
