/*
 * What the kernel's FUSE protocol has and libfuse 3.14 does not know. Requests are seen before
 * libfuse parses them, and brought to a form that it does parse; what that form cannot say is told
 * by kernel_extra. This pair goes when the library knows it all (3.17 does).
 *
 *     TMPFILE             becomes CREATE; extra.is_tmpfile
 *     STATX               becomes GETATTR; extra.is_statx, answered by kernel_reply_statx
 *     HANDLE_KILLPRIV_V2  flags of WRITE, SETATTR, OPEN and CREATE; extra.kills_privilege. Without
 *                         it every write asks for security.capability first
 *     SETXATTR_EXT        a longer SETXATTR, made short; extra.kills_privilege
 *
 * Spec: Linux include/uapi/linux/fuse.h, protocol 7.39.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_FRONTENDS_FUSE_FUSE_KERNEL_H
#define TRIVET_FRONTENDS_FUSE_FUSE_KERNEL_H

#include <fuse_lowlevel.h>
#include <stdbool.h>
#include "backend/proto/attr.h"

/* Of the request that this thread's row function is working on. */
struct kernel_extra {
    bool is_tmpfile;
    bool is_statx;
    bool kills_privilege;
};
const struct kernel_extra *kernel_extra(void);

/* Before fuse_session_process_buf: look at the request, change it in place. */
void kernel_receive(struct fuse_buf *buffer);

/* The session reads and writes fd itself; the answer to INIT is completed on its way. Returns 0 or
 * a negative code. */
int kernel_io(struct fuse_session *session, int fd);

/* Answer a STATX; stat is what GETATTR would have said. */
int kernel_reply_statx(fuse_req_t req, const struct stat *stat, const struct timestamp *birth,
                       double timeout);

#endif
