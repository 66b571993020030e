/*
 * Room on the disk, and what the brick is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sys/statvfs.h>
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/store/posix.h"

static uint64_t less(uint64_t value, uint64_t taken)
{
    return value > taken ? value - taken : 0;
}

int posix_measure_space(struct posix_store *posix)
{
    struct statvfs status;
    uint64_t taken = atomic_load(&posix->taken);
    if (fstatvfs(posix->root_fd, &status)) {
        return -errno;
    }
    /* Full is said before the disk is: what was decided must find room on every brick. */
    uint64_t total = status.f_blocks * status.f_frsize;
    uint64_t reserve = total / RESERVE_PART < RESERVE_MAX ? total / RESERVE_PART : RESERVE_MAX;
    AUTO_LOCK(&posix->space_mutex);
    posix->space = (struct statfs_info){
        .present = true,
        .bytes_total = total,
        .bytes_free = less(status.f_bfree * status.f_frsize, reserve),
        .bytes_available = less(status.f_bavail * status.f_frsize, reserve),
        .files_total = status.f_files,
        .files_free = status.f_ffree,
        .name_max = NAME_SIZE_MAX,
    };
    atomic_fetch_sub(&posix->taken, taken); /* what came meanwhile is counted twice, on purpose */
    return 0;
}

int posix_statfs(struct store *store, struct statfs_info *out_info)
{
    struct posix_store *posix = posix_of(store);
    uint64_t taken = atomic_load_explicit(&posix->taken, memory_order_relaxed) +
                     atomic_load_explicit(&posix->reserved, memory_order_relaxed);
    AUTO_LOCK(&posix->space_mutex);
    *out_info = posix->space;
    out_info->bytes_free = less(out_info->bytes_free, taken);
    out_info->bytes_available = less(out_info->bytes_available, taken);
    return 0;
}

void posix_identity(struct store *store, struct store_identity *out_identity)
{
    *out_identity = posix_of(store)->identity;
}
