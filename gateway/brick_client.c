/*
 * One call of a client to a brick; see the header.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/brick_client.h"

#include "backend/base/check.h"

static const struct brick_row *const rows[VOLUME_OP_COUNT] = {
    [VOLUME_GETATTR] = &volume_getattr_row,   [VOLUME_SETATTR] = &volume_setattr_row,
    [VOLUME_ACCESS] = &volume_access_row,     [VOLUME_LOOKUP] = &volume_lookup_row,
    [VOLUME_READLINK] = &volume_readlink_row, [VOLUME_READ] = &volume_read_row,
    [VOLUME_WRITE] = &volume_write_row,       [VOLUME_COMMIT] = &volume_commit_row,
    [VOLUME_CREATE] = &volume_create_row,     [VOLUME_MKDIR] = &volume_mkdir_row,
    [VOLUME_SYMLINK] = &volume_symlink_row,   [VOLUME_MKNOD] = &volume_mknod_row,
    [VOLUME_LINK] = &volume_link_row,         [VOLUME_REMOVE] = &volume_remove_row,
    [VOLUME_RMDIR] = &volume_rmdir_row,       [VOLUME_RENAME] = &volume_rename_row,
    [VOLUME_READDIR] = &volume_readdir_row,   [VOLUME_STATFS] = &volume_statfs_row,
    [VOLUME_TMPFILE] = &volume_tmpfile_row,   [VOLUME_FORGET] = &volume_forget_row,
    [VOLUME_GETXATTR] = &volume_getxattr_row, [VOLUME_LISTXATTR] = &volume_listxattr_row,
    [VOLUME_SETXATTR] = &volume_setxattr_row, [VOLUME_REMOVEXATTR] = &volume_removexattr_row,
    [VOLUME_ALLOCATE] = &volume_allocate_row, [VOLUME_SEEK] = &volume_seek_row,
    [VOLUME_COPY] = &volume_copy_row,
};

const struct brick_row *brick_row(enum volume_op op)
{
    PRE((unsigned)op < VOLUME_OP_COUNT);
    return rows[op];
}

char *brick_text(struct slice slice, char *out_text)
{
    if (slice.size) {
        memcpy(out_text, slice.data, slice.size);
    }
    out_text[slice.size] = '\0';
    return out_text;
}

int brick_client_call(struct rpc_connection *connection, const struct volume_request *request,
                      const struct brick_address *address, rpc_callback *callback, void *context)
{
    const struct brick_row *row = brick_row(request->op);
    struct brick_arguments arguments; /* fill sets what encode reads */
    row->fill(request, address, &arguments);
    const struct rpc_call_request call = {
        .program = TRIVET_BRICK,
        .version = TRIVET_BRICK_V1,
        .procedure = row->procedure,
        .encode = row->encode,
        .arguments = &arguments,
        .bulk = row->sends_data ? &request->data : NULL,
        .callback = callback,
        .context = context,
    };
    return rpc_call_start(connection, &call);
}

int brick_client_decode(const struct rpc_reply *message, struct reply *out_reply)
{
    struct slice rest;
    int status = rpc_reply_decode(message, (xdrproc_t)xdr_reply, out_reply, &rest);
    if (status) {
        return status;
    }
    out_reply->data = (struct slice){0};
    if (out_reply->status > 0) {
        return -E_BAD_MESSAGE;
    }
    return rest.size ? rpc_bulk(rest, &out_reply->data) : 0;
}

static bool is_plausible(const struct attr *attr)
{
    return attr->type <= OBJECT_FIFO;
}

int brick_client_check(const struct volume_request *request, const struct reply *reply)
{
    const struct brick_row *row = brick_row(request->op);
    if (!is_plausible(&reply->object) || !is_plausible(&reply->parent) ||
        !is_plausible(&reply->parent2)) {
        return -E_BAD_MESSAGE;
    }
    if (reply->status) {
        return 0;
    }
    if (row->answers_object && reply->object.type == OBJECT_NONE) {
        return -E_BAD_MESSAGE;
    }
    if (reply->data.size > (row->data_max ? row->data_max(request) : 0)) {
        return -E_BAD_MESSAGE;
    }
    switch ((int)request->op) {
    case VOLUME_READ:
        return reply->count == reply->data.size ? 0 : -E_BAD_MESSAGE;
    case VOLUME_WRITE:
        return reply->count <= request->data.size && reply->committed <= STABLE_FILE_SYNC
                   ? 0
                   : -E_BAD_MESSAGE;
    case VOLUME_ACCESS:
        return (reply->count & ~request->rights) == 0 ? 0 : -E_BAD_MESSAGE;
    case VOLUME_STATFS:
        return reply->statfs.present ? 0 : -E_BAD_MESSAGE;
    case VOLUME_GETXATTR:
    case VOLUME_LISTXATTR:
        return request->count == 0 || reply->count == reply->data.size ? 0 : -E_BAD_MESSAGE;
    case VOLUME_COPY:
        return reply->count <= request->length ? 0 : -E_BAD_MESSAGE;
    default:
        return 0;
    }
}
