/*
 * ALLOCATE, SEEK, COPY.
 *
 * A copy is ordered as what it comes to: the primary reads committed bytes of the source and orders
 * an ordinary WRITE of them, or a hole where the source has one. Nothing in the log then depends on
 * what another file had at some moment, which a log that is replayed could not say again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/brick/brick.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
#include "backend/base/errors.h"
#include "backend/store/access.h"

/* How often what waits for an operation to be applied looks again. */
#define ATTEMPTS_MAX 100
/* A hole may be as long as a reply can say. */
#define HOLE_MAX (UINT64_C(1) << 30)

static struct brick_request *request_of_waiter(struct replica_waiter *waiter)
{
    return (struct brick_request *)((char *)waiter - offsetof(struct brick_request, waiter));
}

/* ---- ALLOCATE ------------------------------------------------------------------------------ */

void brick_allocate(struct rpc_call *call, void *context)
{
    brick_allocate_args args = {0};
    struct brick_request *request =
        brick_begin(call, context, (xdrproc_t)xdr_brick_allocate_args, &args, NULL);
    if (!request) {
        return;
    }
    request->mutation = (struct mutation){
        .kind = MUTATION_ALLOCATE,
        .cred = args.cred,
        .id = args.id,
        .object = args.object,
        .offset = args.offset,
        .length = args.length,
        .space_flags = args.flags,
    };
    brick_submit(request, slice_of(NULL, 0));
}

/* ---- what SEEK and COPY share: run on a worker once all of an object is in the tree ---------- */

static void
when_applied(struct brick_request *request, const struct gfid *object, void (*run)(void *context),
             void (*again)(struct replica_waiter *waiter, int status, const struct operation *))
{
    struct brick *brick = request->brick;
    uint64_t index = replica_depends(brick->driver, replica_key_object(object));
    if (++request->attempts > ATTEMPTS_MAX) {
        brick_refuse(request, -EIO); /* it is never to be seen in the tree */
        return;
    }
    request->waiter.wake = again;
    if (replica_wait(brick->driver, index, &request->waiter)) {
        rpc_offload(brick->loop, run, request);
    }
}

/* ---- SEEK ---------------------------------------------------------------------------------- */

static void seek_on_worker(void *context);

static void seek_again(struct replica_waiter *waiter, int status, const struct operation *operation)
{
    (void)operation;
    struct brick_request *request = request_of_waiter(waiter);
    if (status < 0) {
        brick_refuse(request, status);
    } else {
        rpc_offload(request->brick->loop, seek_on_worker, request);
    }
}

static void seek_on_worker(void *context)
{
    struct brick_request *request = context;
    struct brick *brick = request->brick;
    struct reply *reply = &request->reply;
    reply->status = store_getattr(brick->store, &request->object, &reply->object);
    if (reply->status == 0) {
        reply->status = store_seek(brick->store, &request->object, request->offset, request->whence,
                                   &reply->offset);
    }
    if (reply->status == -EAGAIN) {
        when_applied(request, &request->object, seek_on_worker, seek_again);
        return;
    }
    brick_send_committed(request,
                         replica_depends(brick->driver, replica_key_object(&request->object)));
}

void brick_seek(struct rpc_call *call, void *context)
{
    brick_seek_args args = {0};
    struct brick_request *request =
        brick_begin(call, context, (xdrproc_t)xdr_brick_seek_args, &args, NULL);
    if (!request) {
        return;
    }
    if (args.whence != SEEK_DATA && args.whence != SEEK_HOLE) {
        brick_garbage(request);
        return;
    }
    request->object = args.object;
    request->offset = args.offset;
    request->whence = (int)args.whence;
    when_applied(request, &args.object, seek_on_worker, seek_again);
}

/* ---- COPY ---------------------------------------------------------------------------------- */

/* The source is a readable file, the ranges are apart; how much of it there is. What the target is,
 * is for the operation to decide. */
static int copy_check(struct brick_request *request, uint64_t *out_length)
{
    struct store *store = request->brick->store;
    struct attr source;
    uint32_t rights = 0;
    int rc = store_getattr(store, &request->source, &source);
    if (rc == 0 && source.type != OBJECT_FILE) {
        rc = source.type == OBJECT_DIRECTORY ? -EISDIR : -EINVAL;
    }
    if (rc == 0) {
        rc = store_rights(store, &source, &request->cred, &rights);
    }
    if (rc < 0 || !(rights & ACCESS_READ)) {
        return rc < 0 ? rc : -EACCES;
    }
    uint64_t left = source.size > request->source_offset ? source.size - request->source_offset : 0;
    uint64_t length = left < request->length ? left : request->length;
    if (gfid_equal(&request->source, &request->object) &&
        request->offset < request->source_offset + length &&
        request->source_offset < request->offset + length) {
        return -EINVAL;
    }
    *out_length = length;
    return 0;
}

/* How long the hole at the beginning of the range is: 0 if there are bytes. */
static int hole_length(struct brick_request *request, uint64_t length, uint64_t *out_hole)
{
    uint64_t data;
    int rc = store_seek(request->brick->store, &request->source, request->source_offset, SEEK_DATA,
                        &data);
    if (rc == -ENXIO) {
        *out_hole = length;
        return 0;
    }
    if (rc == 0) {
        uint64_t hole = data - request->source_offset;
        *out_hole = hole < length ? hole : length;
    }
    return rc;
}

/* Up to the target's end the hole is punched; beyond, its size is set. One of them at a time. */
static int copy_hole(struct brick_request *request, uint64_t hole)
{
    struct mutation *mutation = &request->mutation;
    struct attr target;
    int rc = store_getattr(request->brick->store, &request->object, &target);
    if (rc < 0) {
        return rc;
    }
    hole = hole < HOLE_MAX ? hole : HOLE_MAX;
    if (request->offset >= target.size) {
        mutation->kind = MUTATION_SETATTR;
        mutation->only_grows = true; /* it may have grown by then */
        mutation->change = (struct attr_change){.mask = ATTR_SIZE, .size = request->offset + hole};
    } else {
        uint64_t left = target.size - request->offset;
        mutation->kind = MUTATION_ALLOCATE;
        mutation->space_flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
        mutation->offset = request->offset;
        mutation->length = hole = hole < left ? hole : left;
    }
    brick_submit(request, slice_of(NULL, 0));
    return 0;
}

static int copy_bytes(struct brick_request *request, uint64_t length)
{
    uint32_t count = length < IO_SIZE_MAX ? (uint32_t)length : IO_SIZE_MAX;
    uint32_t got = 0;
    request->kept = malloc(count);
    if (!request->kept) {
        return -ENOMEM;
    }
    int rc = store_read(request->brick->store, &request->source, request->source_offset, count,
                        false, request->kept, &got);
    if (rc == 0 && got == 0) {
        rc = -EAGAIN; /* the size says more, so the bytes are on their way */
    }
    if (rc < 0) {
        free(request->kept);
        request->kept = NULL;
        return rc;
    }
    request->mutation.kind = MUTATION_WRITE;
    request->mutation.offset = request->offset;
    request->mutation.count = got;
    brick_submit(request, slice_of(request->kept, got));
    return 0;
}

static void copy_on_worker(void *context);

static void copy_again(struct replica_waiter *waiter, int status, const struct operation *operation)
{
    (void)operation;
    struct brick_request *request = request_of_waiter(waiter);
    if (status < 0) {
        brick_refuse(request, status);
    } else {
        rpc_offload(request->brick->loop, copy_on_worker, request);
    }
}

/*
 * There is nothing to copy, now; but if this is a request that comes once more, there may have been
 * at first. So the empty WRITE is submitted, which is answered by what was done then, and else
 * refused where a WRITE would be.
 */
static void copy_nothing(struct brick_request *request, int status)
{
    request->refusal = status;
    request->mutation.kind = MUTATION_WRITE;
    request->mutation.offset = request->offset;
    request->mutation.count = 0;
    brick_submit(request, slice_of(NULL, 0));
}

static void copy_on_worker(void *context)
{
    struct brick_request *request = context;
    uint64_t length = 0, hole = 0;
    int rc = copy_check(request, &length);
    if (rc < 0 || length == 0) {
        copy_nothing(request, rc);
        return;
    }
    rc = hole_length(request, length, &hole);
    if (rc == 0) {
        rc = hole > 0 ? copy_hole(request, hole) : copy_bytes(request, length);
    }
    if (rc == -EAGAIN) {
        when_applied(request, &request->source, copy_on_worker, copy_again);
    } else if (rc < 0) {
        copy_nothing(request, rc);
    }
}

void brick_copied_nothing(struct brick_request *request)
{
    struct brick *brick = request->brick;
    if (request->mutation.kind != MUTATION_WRITE) {
        /* The target has grown since it was looked at. */
        when_applied(request, &request->object, copy_on_worker, copy_again);
    } else if (request->refusal < 0) {
        brick_refuse(request, request->refusal);
    } else {
        brick_send_committed(request,
                             replica_depends(brick->driver, replica_key_object(&request->source)));
    }
}

void brick_copy(struct rpc_call *call, void *context)
{
    brick_copy_args args = {0};
    struct brick_request *request =
        brick_begin(call, context, (xdrproc_t)xdr_brick_copy_args, &args, NULL);
    if (!request) {
        return;
    }
    uint64_t most = INT64_MAX;
    if (args.length > most || args.offset > most - args.length ||
        args.source_offset > most - args.length) {
        brick_refuse(request, -EFBIG);
        return;
    }
    request->cred = args.cred;
    request->object = args.object;
    request->offset = args.offset;
    request->source = args.source;
    request->source_offset = args.source_offset;
    request->length = args.length;
    request->copies = true;
    request->mutation = (struct mutation){.cred = args.cred, .id = args.id, .object = args.object};
    when_applied(request, &args.source, copy_on_worker, copy_again);
}
