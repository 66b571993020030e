/*
 * One call of a client to a brick: a volume_request becomes the arguments of brick.x, and an answer
 * becomes a struct reply. What is particular to an operation is its row, which stands in the file
 * of its family (volume_attr.c … volume_info.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_GATEWAY_BRICK_CLIENT_H
#define TRIVET_GATEWAY_BRICK_CLIENT_H

#include "backend/proto/brick.h"
#include "backend/rpc/rpc.h"
#include "gateway/trivet.h"

/* Arguments on the caller's stack, with room for the strings that XDR wants terminated. */
struct brick_arguments {
    union {
        struct brick_getattr_args getattr;
        struct brick_setattr_args setattr;
        struct brick_access_args access;
        struct brick_name_args name;
        struct brick_read_args read;
        struct brick_write_args write;
        struct brick_commit_args commit;
        struct brick_make_args make;
        struct brick_link_args link;
        struct brick_remove_args remove;
        struct brick_rename_args rename;
        struct brick_readdir_args readdir;
        struct brick_statfs_args statfs;
        struct brick_forget_args forget;
        struct brick_getxattr_args getxattr;
        struct brick_setxattr_args setxattr;
        struct brick_allocate_args allocate;
        struct brick_seek_args seek;
        struct brick_copy_args copy;
    } of;
    char name[NAME_SIZE_MAX + 1];
    char name2[NAME_SIZE_MAX + 1];
    char target[TARGET_SIZE_MAX + 1];
};

/* Where a call goes and as what: the view it names, and its id (OP_ID_NONE for reads). */
struct brick_address {
    struct brick_target target;
    struct op_id id;
};

struct brick_row {
    uint32_t procedure;
    bool is_mutation;    /* it carries an id, and takes effect once */
    bool answers_object; /* success without attributes of an object is no answer */
    bool sends_data;     /* the request's data is the call's bulk */
    xdrproc_t encode;
    void (*fill)(const struct volume_request *request, const struct brick_address *address,
                 struct brick_arguments *out_arguments);
    /* Most bytes of data that may come with success. NULL: none. */
    size_t (*data_max)(const struct volume_request *request);
};

extern const struct brick_row volume_getattr_row, volume_setattr_row, volume_access_row;
extern const struct brick_row volume_lookup_row, volume_readlink_row;
extern const struct brick_row volume_read_row, volume_write_row, volume_commit_row;
extern const struct brick_row volume_create_row, volume_mkdir_row, volume_symlink_row;
extern const struct brick_row volume_mknod_row, volume_link_row;
extern const struct brick_row volume_remove_row, volume_rmdir_row, volume_rename_row;
extern const struct brick_row volume_readdir_row, volume_statfs_row;
extern const struct brick_row volume_tmpfile_row, volume_forget_row;
extern const struct brick_row volume_getxattr_row, volume_listxattr_row;
extern const struct brick_row volume_setxattr_row, volume_removexattr_row;
extern const struct brick_row volume_allocate_row, volume_seek_row, volume_copy_row;

const struct brick_row *brick_row(enum volume_op op);

/* Copy a checked name or target with its NUL; returns out_text. */
char *brick_text(struct slice slice, char *out_text);

/*
 * Send the request. callback gets the answer.
 *
 * Owns:  the request's name, data … are not read after return.
 * Fails: -E_OVERLOADED, -E_BAD_MESSAGE; no callback then.
 */
int brick_client_call(struct rpc_connection *connection, const struct volume_request *request,
                      const struct brick_address *address, rpc_callback *callback, void *context);

/*
 * Decode an answer; out_reply->data points into the message. The request is not looked at, it may
 * be gone.
 *
 * Fails: -E_BAD_MESSAGE; safe on any bytes. The answer's status is no failure of this.
 */
int brick_client_decode(const struct rpc_reply *message, struct reply *out_reply);

/* Whether the answer can belong to the request at all. Fails: -E_BAD_MESSAGE. */
int brick_client_check(const struct volume_request *request, const struct reply *reply);

#endif
