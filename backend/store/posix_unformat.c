/*
 * Taking a directory back from being a brick: .trivet/ goes, the files stay.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/store/posix.h"

static int remove_entry(const char *path, const struct stat *attr, int flag, struct FTW *walk)
{
    (void)attr;
    (void)flag;
    (void)walk;
    return remove(path);
}

int posix_store_unformat(const char *path, const struct volume_id *volume, char *out_error,
                         size_t size)
{
    PRE(path && volume && out_error && size > 0);
    char meta[PATH_SIZE_MAX + sizeof DISK_DIRECTORY + 1];
    (void)snprintf(meta, sizeof meta, "%s/%s", path, DISK_DIRECTORY);
    AUTO_CLOSE int meta_fd = open(meta, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    struct store_identity identity;
    int rc = meta_fd < 0 ? -errno : posix_identity_get(meta_fd, &identity);
    if (rc < 0) {
        (void)snprintf(out_error, size, "%s: is not a brick (%s)", path, error_text(rc));
        return rc;
    }
    if (memcmp(&identity.volume, volume, sizeof *volume) != 0) {
        (void)snprintf(out_error, size, "%s: is a brick of volume %s; nothing was removed", path,
                       identity.volume_name);
        return -E_WRONG_VOLUME;
    }
    if (nftw(meta, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) < 0) {
        rc = -errno;
        (void)snprintf(out_error, size, "%s: cannot be removed: %s", meta, error_text(rc));
        return rc;
    }
    return 0;
}
