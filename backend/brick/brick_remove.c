/*
 * REMOVE, RMDIR, RENAME, FORGET.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/brick/brick.h"

#include "backend/base/errors.h"

static void remove_name(struct rpc_call *call, struct brick *brick, enum mutation_kind kind)
{
    brick_remove_args args = {0};
    struct brick_request *request =
        brick_begin(call, brick, (xdrproc_t)xdr_brick_remove_args, &args, NULL);
    if (!request) {
        return;
    }
    request->name = args.name;
    request->mutation = (struct mutation){
        .kind = kind,
        .cred = args.cred,
        .id = args.id,
        .parent = args.parent,
        .name = slice_text(args.name),
        .keep = args.keep,
    };
    request->durable = args.durable;
    brick_submit(request, slice_of(NULL, 0));
}

void brick_remove(struct rpc_call *call, void *context)
{
    remove_name(call, context, MUTATION_REMOVE);
}

void brick_rmdir(struct rpc_call *call, void *context)
{
    remove_name(call, context, MUTATION_RMDIR);
}

void brick_rename(struct rpc_call *call, void *context)
{
    brick_rename_args args = {0};
    struct brick_request *request =
        brick_begin(call, context, (xdrproc_t)xdr_brick_rename_args, &args, NULL);
    if (!request) {
        return;
    }
    request->name = args.name;
    request->name2 = args.name2;
    request->mutation = (struct mutation){
        .kind = MUTATION_RENAME,
        .cred = args.cred,
        .id = args.id,
        .parent = args.parent,
        .name = slice_text(args.name),
        .parent2 = args.parent2,
        .name2 = slice_text(args.name2),
        .rename_flags = args.flags,
        .keep = args.keep,
    };
    request->durable = args.durable;
    brick_submit(request, slice_of(NULL, 0));
}

void brick_forget(struct rpc_call *call, void *context)
{
    brick_forget_args args = {0};
    struct brick_request *request =
        brick_begin(call, context, (xdrproc_t)xdr_brick_forget_args, &args, NULL);
    if (!request) {
        return;
    }
    if (args.id.kind != OP_ID_SESSION) {
        brick_garbage(request); /* whose is it? */
        return;
    }
    request->mutation = (struct mutation){
        .kind = MUTATION_FORGET,
        .cred = args.cred,
        .id = args.id,
        .object = args.object,
    };
    brick_submit(request, slice_of(NULL, 0));
}
