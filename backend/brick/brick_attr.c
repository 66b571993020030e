/*
 * GETATTR, SETATTR, ACCESS.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/brick/brick.h"

#include "backend/base/errors.h"
#include "backend/store/access.h"

void brick_getattr(struct rpc_call *call, void *context)
{
    brick_getattr_args args = {0};
    struct brick_request *request =
        brick_begin(call, context, (xdrproc_t)xdr_brick_getattr_args, &args, NULL);
    if (!request) {
        return;
    }
    brick_watch_object(request, &args.object);
    request->reply.status =
        store_getattr(request->brick->store, &args.object, &request->reply.object);
    brick_send_committed(request, replica_depends(request->brick->driver,
                                                  replica_key_object(&args.object)));
}

void brick_setattr(struct rpc_call *call, void *context)
{
    brick_setattr_args args = {0};
    struct brick_request *request =
        brick_begin(call, context, (xdrproc_t)xdr_brick_setattr_args, &args, NULL);
    if (!request) {
        return;
    }
    if (args.guard_nanoseconds >= NS_PER_S) {
        brick_garbage(request);
        return;
    }
    request->mutation = (struct mutation){
        .kind = MUTATION_SETATTR,
        .cred = args.cred,
        .id = args.id,
        .object = args.object,
        .change = args.change,
        .guarded = args.guarded,
        .guard = {.seconds = args.guard_seconds, .nanoseconds = args.guard_nanoseconds},
    };
    brick_submit(request, slice_of(NULL, 0));
}

/* The three bits of a mode as the six rights of RFC 1813 section 3.3.4, in one table. */
static int rights_of(struct store *store, const struct cred *cred, const struct attr *attr,
                     uint32_t *out_rights)
{
    static const struct {
        uint32_t bit, of_directory, of_other;
    } table[] = {
        {ACCESS_READ, RIGHT_READ, RIGHT_READ},
        {ACCESS_WRITE, RIGHT_MODIFY | RIGHT_EXTEND | RIGHT_DELETE, RIGHT_MODIFY | RIGHT_EXTEND},
        {ACCESS_EXECUTE, RIGHT_LOOKUP, RIGHT_EXECUTE},
    };
    uint32_t bits = 0, rights = 0;
    int rc = store_rights(store, attr, cred, &bits);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (bits & table[i].bit) {
            rights |= attr->type == OBJECT_DIRECTORY ? table[i].of_directory : table[i].of_other;
        }
    }
    *out_rights = rights;
    return rc;
}

void brick_access(struct rpc_call *call, void *context)
{
    brick_access_args args = {0};
    struct brick_request *request =
        brick_begin(call, context, (xdrproc_t)xdr_brick_access_args, &args, NULL);
    if (!request) {
        return;
    }
    struct reply *reply = &request->reply;
    reply->status = store_getattr(request->brick->store, &args.object, &reply->object);
    if (reply->status == 0) {
        reply->status = rights_of(request->brick->store, &args.cred, &reply->object, &reply->count);
        reply->count &= args.rights;
    }
    brick_send_committed(request, replica_depends(request->brick->driver,
                                                  replica_key_object(&args.object)));
}
