/*
 * Row attr: GETATTR and SETATTR. ACCESS never comes, since the kernel checks permissions itself
 * (default_permissions).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "backend/base/clock.h"
#include "frontends/fuse/fuse_frontend.h"
#include "frontends/fuse/fuse_kernel.h"

/* Advice to programs: buffers of this size. Each write is a round trip, so larger than a page. */
#define BLOCK_SIZE_ADVICE (128 * 1024)
/* Grants end this much earlier in the kernel, which rounds up to its clock's ticks. */
#define GRANT_MARGIN_NS (20 * NS_PER_MS)

static struct timespec timestamp_to_timespec(const struct timestamp *from)
{
    return (struct timespec){.tv_sec = from->seconds, .tv_nsec = from->nanoseconds};
}

static struct timestamp timestamp_from_timespec(const struct timespec *from)
{
    return (struct timestamp){.seconds = from->tv_sec, .nanoseconds = (uint32_t)from->tv_nsec};
}

void attr_to_stat(const struct attr *attr, struct stat *out_stat)
{
    *out_stat = (struct stat){
        .st_ino = gfid_ino(&attr->gfid),
        .st_mode = object_type_to_mode(attr->type) | attr->mode,
        .st_nlink = attr->nlink,
        .st_uid = attr->uid,
        .st_gid = attr->gid,
        .st_rdev = makedev(attr->device_major, attr->device_minor),
        .st_size = (off_t)attr->size,
        .st_blksize = BLOCK_SIZE_ADVICE,
        .st_blocks = (blkcnt_t)((attr->used + 511) / 512),
        .st_atim = timestamp_to_timespec(&attr->atime),
        .st_mtim = timestamp_to_timespec(&attr->mtime),
        .st_ctim = timestamp_to_timespec(&attr->ctime),
    };
}

/* A grant runs from the moment the request was sent. */
uint64_t call_granted_until(const struct call *call)
{
    uint32_t grant_ms = call->request.reply.grant_ms;
    return grant_ms == 0 ? 0 : call->started_ns + grant_ms * NS_PER_MS;
}

double frontend_timeout(const struct frontend *frontend, long fixed_ms, uint64_t until_ns)
{
    if (fixed_ms >= 0) {
        return (double)fixed_ms / 1000;
    }
    if (until_ns == 0) {
        return 0;
    }
    uint64_t now_ns = clock_monotonic_ns(frontend->clock) + GRANT_MARGIN_NS;
    return now_ns < until_ns ? (double)(until_ns - now_ns) / (double)NS_PER_S : 0;
}

static void attr_answer(struct call *call)
{
    const struct reply *reply = &call->request.reply;
    struct stat stat;
    if (reply->status != 0 || reply->object.type == OBJECT_NONE) {
        call_fail(call, reply->status != 0 ? reply->status : -EIO);
        return;
    }
    attr_to_stat(&reply->object, &stat);
    double timeout = frontend_timeout(call->frontend, call->frontend->options->attribute_timeout_ms,
                                      call_granted_until(call));
    if (call->is_statx) {
        kernel_reply_statx(call->req, &stat, &reply->object.btime, timeout);
    } else {
        fuse_reply_attr(call->req, &stat, timeout);
    }
    call_release(call);
}

void fuse_op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
    (void)info; /* attributes belong to the object, not to the open file */
    struct call *call = call_new(req, VOLUME_GETATTR, ino, attr_answer);
    if (call) {
        call->is_statx = kernel_extra()->is_statx;
        call_submit(call);
    }
}

static struct attr_change change_from_stat(const struct stat *stat, int to_set)
{
    static const struct {
        int fuse;
        uint32_t mask;
    } bits[] = {
        {FUSE_SET_ATTR_MODE, ATTR_MODE},
        {FUSE_SET_ATTR_UID, ATTR_UID},
        {FUSE_SET_ATTR_GID, ATTR_GID},
        {FUSE_SET_ATTR_SIZE, ATTR_SIZE},
        {FUSE_SET_ATTR_ATIME, ATTR_ATIME},
        {FUSE_SET_ATTR_MTIME, ATTR_MTIME},
        {FUSE_SET_ATTR_ATIME_NOW, ATTR_ATIME_NOW},
        {FUSE_SET_ATTR_MTIME_NOW, ATTR_MTIME_NOW},
    };
    struct attr_change change = {
        .mode = stat->st_mode & 07777,
        .uid = stat->st_uid,
        .gid = stat->st_gid,
        .size = (uint64_t)stat->st_size,
        .atime = timestamp_from_timespec(&stat->st_atim),
        .mtime = timestamp_from_timespec(&stat->st_mtim),
    };
    for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        change.mask |= to_set & bits[i].fuse ? bits[i].mask : 0;
    }
    /* The kernel sets both bits for "now"; the primary's clock decides. */
    change.mask &= ~(change.mask & ATTR_ATIME_NOW ? (uint32_t)ATTR_ATIME : 0);
    change.mask &= ~(change.mask & ATTR_MTIME_NOW ? (uint32_t)ATTR_MTIME : 0);
    return change;
}

void fuse_op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *stat, int to_set,
                     struct fuse_file_info *info)
{
    (void)info;
    struct call *call = call_new(req, VOLUME_SETATTR, ino, attr_answer);
    if (call) {
        call->request.change = change_from_stat(stat, to_set);
        if (kernel_extra()->kills_privilege) {
            call->request.cred.flags |= CRED_KILLS_PRIVILEGE;
        }
        call_submit(call);
    }
}
