/*
 * Row info: the handshake with the kernel, and STATFS.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sys/statvfs.h>
#include "frontends/fuse/fuse_frontend.h"

/* Unit in which STATFS counts; a page, as every local file system says. */
#define STATFS_UNIT 4096

void fuse_op_init(void *userdata, struct fuse_conn_info *connection)
{
    struct frontend *frontend = userdata;
    /* Not wanted: WRITEBACK_CACHE (acknowledged means on all bricks); READDIRPLUS_AUTO (who reads a
     * whole directory and then looks at each entry would be given attributes of the first only, and
     * an entry with them costs less than a tenth of a look-up); HANDLE_KILLPRIV (its second
     * version is, where the kernel has it: fuse_kernel.h); SPLICE_… (answers lie in memory that is
     * used again at once, so pages cannot be given away, and copying through a pipe costs more than
     * one copy). */
    const unsigned wanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO | FUSE_CAP_ATOMIC_O_TRUNC |
                            FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_READDIRPLUS |
                            FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK;
    connection->want = connection->capable & wanted;
    connection->max_write = IO_SIZE_MAX;
    connection->max_background = FUSE_BACKGROUND_MAX;
    connection->congestion_threshold = FUSE_BACKGROUND_MAX * 3 / 4;
    connection->time_gran = 1;
    atomic_store(&frontend->is_ready, true);
}

static void statfs_answer(struct call *call)
{
    const struct reply *reply = &call->request.reply;
    const struct statfs_info *info = &reply->statfs;
    if (reply->status != 0 || !info->present) {
        call_fail(call, reply->status != 0 ? reply->status : -EIO);
        return;
    }
    struct statvfs statvfs = {
        .f_bsize = STATFS_UNIT,
        .f_frsize = STATFS_UNIT,
        .f_blocks = info->bytes_total / STATFS_UNIT,
        .f_bfree = info->bytes_free / STATFS_UNIT,
        .f_bavail = info->bytes_available / STATFS_UNIT,
        .f_files = info->files_total,
        .f_ffree = info->files_free,
        .f_favail = info->files_free,
        .f_namemax = info->name_max,
    };
    fuse_reply_statfs(call->req, &statvfs);
    call_release(call);
}

void fuse_op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    struct call *call = call_new(req, VOLUME_STATFS, ino, statfs_answer);
    if (call) {
        call_submit(call);
    }
}
