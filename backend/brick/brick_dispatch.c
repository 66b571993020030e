/*
 * The procedures of brick.x, by number: the table of contents of this folder.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/brick/brick.h"

const struct rpc_procedure brick_procedures[] = {
    [BRICK_NULL] = {"NULL", brick_null},
    [BRICK_HELLO] = {"HELLO", brick_serve_hello},
    [BRICK_GETATTR] = {"GETATTR", brick_getattr},
    [BRICK_SETATTR] = {"SETATTR", brick_setattr},
    [BRICK_ACCESS] = {"ACCESS", brick_access},
    [BRICK_LOOKUP] = {"LOOKUP", brick_lookup},
    [BRICK_READLINK] = {"READLINK", brick_readlink},
    [BRICK_READ] = {"READ", brick_read},
    [BRICK_WRITE] = {"WRITE", brick_write},
    [BRICK_COMMIT] = {"COMMIT", brick_commit},
    [BRICK_CREATE] = {"CREATE", brick_create},
    [BRICK_MKDIR] = {"MKDIR", brick_mkdir},
    [BRICK_SYMLINK] = {"SYMLINK", brick_symlink},
    [BRICK_MKNOD] = {"MKNOD", brick_mknod},
    [BRICK_LINK] = {"LINK", brick_link},
    [BRICK_REMOVE] = {"REMOVE", brick_remove},
    [BRICK_RMDIR] = {"RMDIR", brick_rmdir},
    [BRICK_RENAME] = {"RENAME", brick_rename},
    [BRICK_READDIR] = {"READDIR", brick_readdir},
    [BRICK_STATFS] = {"STATFS", brick_statfs},
    [BRICK_TMPFILE] = {"TMPFILE", brick_tmpfile},
    [BRICK_FORGET] = {"FORGET", brick_forget},
    [BRICK_GETXATTR] = {"GETXATTR", brick_getxattr},
    [BRICK_LISTXATTR] = {"LISTXATTR", brick_listxattr},
    [BRICK_SETXATTR] = {"SETXATTR", brick_setxattr},
    [BRICK_REMOVEXATTR] = {"REMOVEXATTR", brick_removexattr},
    [BRICK_ALLOCATE] = {"ALLOCATE", brick_allocate},
    [BRICK_SEEK] = {"SEEK", brick_seek},
    [BRICK_COPY] = {"COPY", brick_copy},
    [BRICK_RENEW] = {"RENEW", brick_renew},
};
const uint32_t brick_procedure_count = sizeof brick_procedures / sizeof brick_procedures[0];
