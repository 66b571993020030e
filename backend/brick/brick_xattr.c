/*
 * GETXATTR, LISTXATTR, SETXATTR, REMOVEXATTR.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/brick/brick.h"

#include <string.h>
#include "backend/base/errors.h"
#include "backend/store/access.h"

static bool begins_with(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* Who may see it: xattr(7). */
static int check_seeing(struct brick_request *request, const struct cred *cred, const char *name)
{
    uint32_t rights = 0;
    if (cred->flags & CRED_CHECKED) {
        return 0;
    }
    if (begins_with(name, "trusted.")) {
        return cred->uid == 0 ? 0 : -ENODATA;
    }
    if (!begins_with(name, "user.")) {
        return 0;
    }
    int rc = store_rights(request->brick->store, &request->reply.object, cred, &rights);
    return rc == 0 && !(rights & ACCESS_READ) ? -EACCES : rc;
}

/* Names that begin with "trusted." are root's to see. */
static size_t hide_trusted(uint8_t *names, size_t size)
{
    size_t kept = 0;
    for (size_t at = 0; at < size;) {
        size_t length = strlen((const char *)names + at) + 1;
        if (!begins_with((const char *)names + at, "trusted.")) {
            memmove(names + kept, names + at, length);
            kept += length;
        }
        at += length;
    }
    return kept;
}

static int gather(struct brick_request *request, const brick_getxattr_args *args, bool list)
{
    struct reply *reply = &request->reply;
    struct store *store = request->brick->store;
    uint8_t *bytes = brick_scratch();
    size_t size = 0;
    int rc = bytes ? store_getattr(store, &args->object, &reply->object) : -ENOMEM;
    if (rc == 0 && list) {
        rc = store_listxattr(store, &args->object, bytes, IO_SIZE_MAX, &size);
        size = rc == 0 && args->cred.uid != 0 ? hide_trusted(bytes, size) : size;
    } else if (rc == 0) {
        rc = check_seeing(request, &args->cred, args->name);
        if (rc == 0) {
            rc = store_getxattr(store, &args->object, slice_text(args->name), bytes, IO_SIZE_MAX,
                                &size);
        }
    }
    if (rc == 0) {
        reply->count = (uint32_t)size;
        rc = args->size > 0 && size > args->size ? -ERANGE : 0;
    }
    reply->data = slice_of(bytes, rc == 0 && args->size > 0 ? size : 0);
    return rc;
}

static void get(struct rpc_call *call, struct brick *brick, bool list)
{
    brick_getxattr_args args = {0};
    struct brick_request *request =
        brick_begin(call, brick, (xdrproc_t)xdr_brick_getxattr_args, &args, NULL);
    if (!request) {
        return;
    }
    request->name = args.name;
    request->reply.status = gather(request, &args, list);
    brick_send_committed(request, replica_depends(brick->driver, replica_key_object(&args.object)));
}

void brick_getxattr(struct rpc_call *call, void *context)
{
    get(call, context, false);
}

void brick_listxattr(struct rpc_call *call, void *context)
{
    get(call, context, true);
}

static void set(struct rpc_call *call, struct brick *brick, enum mutation_kind kind)
{
    brick_setxattr_args args = {0};
    struct slice rest, value = slice_of(NULL, 0);
    struct brick_request *request =
        brick_begin(call, brick, (xdrproc_t)xdr_brick_setxattr_args, &args, &rest);
    if (!request) {
        return;
    }
    request->name = args.name;
    if (kind == MUTATION_SETXATTR && (rpc_bulk(rest, &value) < 0 || value.size > XATTR_VALUE_MAX)) {
        brick_garbage(request);
        return;
    }
    request->mutation = (struct mutation){
        .kind = kind,
        .cred = args.cred,
        .id = args.id,
        .object = args.object,
        .xattr = slice_text(args.name),
        .value = value,
        .xattr_flags = args.flags,
    };
    brick_submit(request, slice_of(NULL, 0));
}

void brick_setxattr(struct rpc_call *call, void *context)
{
    set(call, context, MUTATION_SETXATTR);
}

void brick_removexattr(struct rpc_call *call, void *context)
{
    set(call, context, MUTATION_REMOVEXATTR);
}
