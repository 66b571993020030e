/*
 * A way into the volume by NFSv3: libnfs, with its caches off. "Try again later" is tried again for
 * a while, as a kernel's client would.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/stress/side.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#include <nfsc/libnfs.h>

enum { PATH_SIZE = 8192, AGAIN_MS = 20, PATIENCE_MS = 60000, URL_SIZE = 1024 };

static bool try_again(int status, unsigned *waited_ms)
{
    if (status != -EAGAIN || *waited_ms >= PATIENCE_MS) {
        return false;
    }
    *waited_ms += AGAIN_MS;
    usleep(AGAIN_MS * 1000);
    return true;
}

/* libnfs wants a slash; two of these are in use at a time. */
static const char *absolute(const char *path)
{
    static char buffers[2][PATH_SIZE];
    static unsigned next;
    char *buffer = buffers[next++ % 2];
    (void)snprintf(buffer, PATH_SIZE, "/%s", path);
    return buffer;
}

int nfs_side_open(struct side *side, const char *url)
{
    char full[URL_SIZE];
    (void)snprintf(full, sizeof full, "%s%s", url, strchr(url, '?') ? "" : "?version=3");
    struct nfs_context *nfs = nfs_init_context();
    struct nfs_url *parsed = nfs ? nfs_parse_url_dir(nfs, full) : NULL;
    if (!parsed || nfs_mount(nfs, parsed->server, parsed->path) != 0) {
        fprintf(stderr, "cannot mount %s: %s\n", url, nfs ? nfs_get_error(nfs) : "no memory");
        return -EIO;
    }
    nfs_destroy_url(parsed);
    nfs_set_dircache(nfs, 0);
    nfs_set_autoreconnect(nfs, -1);
    (void)nfs_umask(nfs, 022);
    side->nfs = nfs;
    return 0;
}

void nfs_side_close(struct side *side)
{
    (void)nfs_umount(side->nfs); /* the server keeps no state that this would have to end */
    nfs_destroy_context(side->nfs);
}

static void stat_from_nfs(const struct nfs_stat_64 *from, struct stat *out_stat)
{
    *out_stat = (struct stat){
        .st_ino = from->nfs_ino,
        .st_mode = (mode_t)from->nfs_mode,
        .st_nlink = from->nfs_nlink,
        .st_size = (off_t)from->nfs_size,
    };
}

int nfs_side_stat(struct side *side, const char *path, struct stat *out_stat)
{
    struct nfs_stat_64 found;
    unsigned waited_ms = 0;
    int status;
    do {
        status = nfs_lstat64(side->nfs, absolute(path), &found);
    } while (try_again(status, &waited_ms));
    if (status == 0) {
        stat_from_nfs(&found, out_stat);
    }
    return status;
}

/* libnfs gives NFSv3's numbers for types: RFC 1813 section 2.6. */
static mode_t type_of(uint32_t type)
{
    static const mode_t types[] = {0,       S_IFREG, S_IFDIR,  S_IFBLK,
                                   S_IFCHR, S_IFLNK, S_IFSOCK, S_IFIFO};
    return type < sizeof types / sizeof *types ? types[type] : 0;
}

int nfs_side_list(struct side *side, const char *path, side_entry *entry, void *context)
{
    struct nfsdir *directory;
    unsigned waited_ms = 0;
    int status;
    do {
        status = nfs_opendir(side->nfs, absolute(path), &directory);
    } while (try_again(status, &waited_ms));
    if (status) {
        return status;
    }
    for (struct nfsdirent *found; (found = nfs_readdir(side->nfs, directory));) {
        if (strcmp(found->name, ".") != 0 && strcmp(found->name, "..") != 0) {
            entry(context, found->name, found->inode, type_of(found->type));
        }
    }
    nfs_closedir(side->nfs, directory);
    return 0;
}

int nfs_side_readlink(struct side *side, const char *path, char *buffer, size_t size)
{
    unsigned waited_ms = 0;
    int status;
    do {
        status = nfs_readlink(side->nfs, absolute(path), buffer, (int)size);
    } while (try_again(status, &waited_ms));
    return status;
}

int nfs_side_chmod(struct side *side, const char *path, mode_t mode)
{
    unsigned waited_ms = 0;
    int status;
    do {
        status = nfs_chmod(side->nfs, absolute(path), (int)mode);
    } while (try_again(status, &waited_ms));
    return status;
}

int nfs_side_mkdir(struct side *side, const char *path)
{
    unsigned waited_ms = 0;
    int status;
    do {
        status = nfs_mkdir2(side->nfs, absolute(path), 0755);
    } while (try_again(status, &waited_ms));
    return status;
}

int nfs_side_mknod(struct side *side, const char *path, mode_t type)
{
    unsigned waited_ms = 0;
    int status;
    do {
        status = nfs_mknod(side->nfs, absolute(path), (int)(type | 0644), 0);
    } while (try_again(status, &waited_ms));
    return status;
}

int nfs_side_symlink(struct side *side, const char *target, const char *path)
{
    unsigned waited_ms = 0;
    int status;
    do {
        status = nfs_symlink(side->nfs, target, absolute(path));
    } while (try_again(status, &waited_ms));
    return status;
}

int nfs_side_link(struct side *side, const char *from, const char *to)
{
    unsigned waited_ms = 0;
    int status;
    do {
        status = nfs_link(side->nfs, absolute(from), absolute(to));
    } while (try_again(status, &waited_ms));
    return status;
}

int nfs_side_unlink(struct side *side, const char *path)
{
    unsigned waited_ms = 0;
    int status;
    do {
        status = nfs_unlink(side->nfs, absolute(path));
    } while (try_again(status, &waited_ms));
    return status;
}

int nfs_side_rmdir(struct side *side, const char *path)
{
    unsigned waited_ms = 0;
    int status;
    do {
        status = nfs_rmdir(side->nfs, absolute(path));
    } while (try_again(status, &waited_ms));
    return status;
}

int nfs_side_rename(struct side *side, const char *from, const char *to)
{
    unsigned waited_ms = 0;
    int status;
    do {
        status = nfs_rename(side->nfs, absolute(from), absolute(to));
    } while (try_again(status, &waited_ms));
    return status;
}

/* ---- open files -------------------------------------------------------------------------- */

int nfs_side_file_open(struct side *side, const char *path, int flags, struct nfsfh **out_handle)
{
    unsigned waited_ms = 0;
    int status;
    do {
        status = flags & O_CREAT ? nfs_create(side->nfs, absolute(path), flags, 0644, out_handle)
                                 : nfs_open(side->nfs, absolute(path), flags, out_handle);
    } while (try_again(status, &waited_ms));
    return status;
}

int nfs_side_file_close(struct side *side, struct nfsfh *handle)
{
    return nfs_close(side->nfs, handle);
}

int nfs_side_file_stat(struct side *side, struct nfsfh *handle, struct stat *out_stat)
{
    struct nfs_stat_64 found;
    unsigned waited_ms = 0;
    int status;
    do {
        status = nfs_fstat64(side->nfs, handle, &found);
    } while (try_again(status, &waited_ms));
    if (status == 0) {
        stat_from_nfs(&found, out_stat);
    }
    return status;
}

/* At and behind the end of a file nfs_pread() of libnfs 4.0 gives a negative difference of offsets,
 * which looks like an error; so the end is asked for first. */
int nfs_side_file_read(struct side *side, struct nfsfh *handle, void *data, uint32_t count,
                       uint64_t offset)
{
    struct stat found;
    unsigned waited_ms = 0;
    int status = nfs_side_file_stat(side, handle, &found);
    if (status != 0 || offset >= (uint64_t)found.st_size) {
        return status;
    }
    if (count > (uint64_t)found.st_size - offset) {
        count = (uint32_t)((uint64_t)found.st_size - offset);
    }
    do {
        status = nfs_pread(side->nfs, handle, offset, count, data);
    } while (try_again(status, &waited_ms));
    return status;
}

int nfs_side_file_write(struct side *side, struct nfsfh *handle, const void *data, uint32_t count,
                        uint64_t offset)
{
    unsigned waited_ms = 0;
    int status;
    do {
        status = nfs_pwrite(side->nfs, handle, offset, count, data);
    } while (try_again(status, &waited_ms));
    return status;
}

int nfs_side_file_truncate(struct side *side, struct nfsfh *handle, uint64_t size)
{
    unsigned waited_ms = 0;
    int status;
    do {
        status = nfs_ftruncate(side->nfs, handle, size);
    } while (try_again(status, &waited_ms));
    return status;
}

int nfs_side_file_sync(struct side *side, struct nfsfh *handle)
{
    unsigned waited_ms = 0;
    int status;
    do {
        status = nfs_fsync(side->nfs, handle);
    } while (try_again(status, &waited_ms));
    return status;
}
