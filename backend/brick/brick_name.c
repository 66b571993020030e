/*
 * LOOKUP, READLINK.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/brick/brick.h"

#include <string.h>
#include "backend/base/errors.h"
#include "backend/store/access.h"

/* "." and "..": the directory itself, and the one it is in (the root is in itself). */
static int look_up_dots(struct store *store, const struct gfid *parent, bool up,
                        struct reply *reply)
{
    int rc = store_getattr(store, parent, &reply->parent);
    if (rc < 0) {
        return rc;
    }
    if (reply->parent.type != OBJECT_DIRECTORY) {
        return -ENOTDIR;
    }
    if (!up) {
        reply->object = reply->parent;
        return 0;
    }
    return store_getattr(store, &reply->parent.parent, &reply->object);
}

static int look_up(struct brick_request *request, const brick_name_args *args, struct slice name)
{
    struct reply *reply = &request->reply;
    struct store *store = request->brick->store;
    brick_watch_name(request, &args->parent, name);
    if (!(args->cred.flags & CRED_CHECKED)) {
        /* Who looks up for callers that nobody has checked, as a gateway does, can judge by the
         * directory's attributes the next time, and then need not ask. */
        brick_watch_parent(request, &args->parent);
    }
    int rc;
    if (strcmp(args->name, ".") == 0 || strcmp(args->name, "..") == 0) {
        request->name_key = 0;
        rc = look_up_dots(store, &args->parent, args->name[1] == '.', reply);
    } else {
        rc = store_lookup(store, &args->parent, name, &reply->object, &reply->parent);
    }
    if (rc == 0 || rc == -ENOENT) {
        uint32_t rights = 0;
        int refused = store_rights(store, &reply->parent, &args->cred, &rights);
        if (refused < 0 || !(rights & ACCESS_EXECUTE)) {
            reply->object.type = OBJECT_NONE;
            return refused < 0 ? refused : -EACCES;
        }
    }
    return rc;
}

/*
 * Which object a name has is known only after the look-up, so its cell is seen too late if an
 * operation came in between. Then its attributes are read again, after the cell.
 */
static void watch_found(struct brick_request *request, uint64_t committed_before)
{
    struct attr *object = &request->reply.object;
    brick_watch_object(request, &object->gfid);
    if (request->object_key != 0 && request->object_cell > committed_before) {
        struct gfid gfid = object->gfid;
        if (store_getattr(request->brick->store, &gfid, object) < 0) {
            request->object_key = 0; /* gone since: the answer is from before, and not to be kept */
            request->name_key = 0;
            object->gfid = gfid;
        }
    }
}

void brick_lookup(struct rpc_call *call, void *context)
{
    brick_name_args args = {0};
    struct brick_request *request =
        brick_begin(call, context, (xdrproc_t)xdr_brick_name_args, &args, NULL);
    if (!request) {
        return;
    }
    request->name = args.name;
    struct brick *brick = request->brick;
    struct reply *reply = &request->reply;
    struct slice name = slice_text(args.name);
    uint64_t committed = atomic_load(&brick->driver->committed);
    reply->status = look_up(request, &args, name);
    uint64_t index = replica_depends(brick->driver, replica_key_name(&args.parent, name));
    if (reply->status == 0) {
        watch_found(request, committed);
        uint64_t object =
            replica_depends(brick->driver, replica_key_object(&reply->object.gfid));
        index = object > index ? object : index;
    }
    if (reply->status < 0 && reply->status != -ENOENT) {
        /* A refusal shows the directory itself: that it is gone, or whom it lets in. */
        uint64_t parent = replica_depends(brick->driver, replica_key_object(&args.parent));
        index = parent > index ? parent : index;
    } else if (reply->parent.type != OBJECT_NONE &&
        replica_depends(brick->driver, replica_key_object(&reply->parent.gfid)) != 0) {
        reply->parent.type = OBJECT_NONE; /* not worth a wait: what is in it changes all the time */
        request->parent_key = 0;
    }
    brick_send_committed(request, index);
}

void brick_readlink(struct rpc_call *call, void *context)
{
    brick_getattr_args args = {0};
    struct brick_request *request =
        brick_begin(call, context, (xdrproc_t)xdr_brick_getattr_args, &args, NULL);
    if (!request) {
        return;
    }
    struct reply *reply = &request->reply;
    char *target = (char *)brick_scratch();
    size_t size = 0;
    reply->status = target ? store_getattr(request->brick->store, &args.object, &reply->object)
                           : -ENOMEM;
    if (reply->status == 0) {
        reply->status = store_readlink(request->brick->store, &args.object, target,
                                       TARGET_SIZE_MAX + 1, &size);
        reply->data = slice_of(target, reply->status == 0 ? size : 0);
    }
    brick_send_committed(request, replica_depends(request->brick->driver,
                                                  replica_key_object(&args.object)));
}
