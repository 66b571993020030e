/*
 * CREATE, MKDIR, SYMLINK, MKNOD, TMPFILE, LINK.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/brick/brick.h"

#include "backend/base/errors.h"

/* Those that make an object differ in its type, and in whether it gets a name. */
static void make(struct rpc_call *call, struct brick *brick, uint32_t type, bool unnamed)
{
    brick_make_args args = {0};
    struct brick_request *request =
        brick_begin(call, brick, (xdrproc_t)xdr_brick_make_args, &args, NULL);
    if (!request) {
        return;
    }
    request->name = args.name;
    request->target = args.symlink_target;
    if (args.how > CREATE_EXCLUSIVE || args.umask > 0777) {
        brick_garbage(request);
        return;
    }
    request->mutation = (struct mutation){
        .kind = MUTATION_MAKE,
        .cred = args.cred,
        .id = args.id,
        .parent = args.parent,
        .name = unnamed ? slice_of(NULL, 0) : slice_text(args.name),
        .unnamed = unnamed,
        .umask = args.umask,
        .change = args.change,
        .type = type != OBJECT_NONE ? type : args.type,
        .how = type == OBJECT_FILE && !unnamed ? (enum create_how)args.how : CREATE_GUARDED,
        .verifier = args.verifier,
        .device_major = args.device_major,
        .device_minor = args.device_minor,
        .target = type == OBJECT_SYMLINK ? slice_text(args.symlink_target) : slice_of(NULL, 0),
    };
    request->durable = args.durable;
    brick_submit(request, slice_of(NULL, 0));
}

void brick_create(struct rpc_call *call, void *context)
{
    make(call, context, OBJECT_FILE, false);
}

void brick_mkdir(struct rpc_call *call, void *context)
{
    make(call, context, OBJECT_DIRECTORY, false);
}

void brick_symlink(struct rpc_call *call, void *context)
{
    make(call, context, OBJECT_SYMLINK, false);
}

void brick_mknod(struct rpc_call *call, void *context)
{
    make(call, context, OBJECT_NONE, false); /* the arguments name it */
}

void brick_tmpfile(struct rpc_call *call, void *context)
{
    make(call, context, OBJECT_FILE, true);
}

void brick_link(struct rpc_call *call, void *context)
{
    brick_link_args args = {0};
    struct brick_request *request =
        brick_begin(call, context, (xdrproc_t)xdr_brick_link_args, &args, NULL);
    if (!request) {
        return;
    }
    request->name = args.name;
    request->mutation = (struct mutation){
        .kind = MUTATION_LINK,
        .cred = args.cred,
        .id = args.id,
        .object = args.object,
        .parent = args.parent,
        .name = slice_text(args.name),
    };
    request->durable = args.durable;
    brick_submit(request, slice_of(NULL, 0));
}
