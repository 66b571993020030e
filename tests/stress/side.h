/*
 * A process's way into the volume: a directory by system calls, or an NFSv3 export by libnfs, which
 * keeps nothing of its own here. Paths are relative to the target and begin without a slash; "" is
 * the target. All return 0 or a count, or a negative errno.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_STRESS_SIDE_H
#define TRIVET_TESTS_STRESS_SIDE_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct nfs_context;
struct nfsfh;

struct side {
    bool is_nfs;
    int directory;
    struct nfs_context *nfs;
};

/* Of one open file; zeros: none. */
struct side_file {
    int fd;
    struct nfsfh *handle;
};

typedef void side_entry(void *context, const char *name, uint64_t inode, mode_t type);

/* Ends the process if the target cannot be used. */
void side_open(struct side *side, const char *target);
void side_close(struct side *side);

int side_stat(struct side *side, const char *path, struct stat *out_stat);
/* Each entry but "." and "..". */
int side_list(struct side *side, const char *path, side_entry *entry, void *context);
int side_readlink(struct side *side, const char *path, char *buffer, size_t size);
int side_chmod(struct side *side, const char *path, mode_t mode);
int side_mkdir(struct side *side, const char *path);
int side_mknod(struct side *side, const char *path, mode_t type);
int side_symlink(struct side *side, const char *target, const char *path);
int side_link(struct side *side, const char *from, const char *to);
int side_unlink(struct side *side, const char *path);
int side_rmdir(struct side *side, const char *path);
/* flags: RENAME_…; over NFS 0. */
int side_rename(struct side *side, const char *from, const char *to, unsigned flags);

/* flags: O_RDWR and others; over NFS O_CREAT with O_EXCL or O_TRUNC are known. */
int side_file_open(struct side *side, const char *path, int flags, struct side_file *out_file);
int side_file_close(struct side *side, struct side_file *file);
int side_file_stat(struct side *side, const struct side_file *file, struct stat *out_stat);
/* The whole count is read unless the file ends, and written. */
int side_file_read(struct side *side, const struct side_file *file, void *data, uint32_t count,
                   uint64_t offset);
int side_file_write(struct side *side, const struct side_file *file, const void *data,
                    uint32_t count, uint64_t offset);
int side_file_truncate(struct side *side, const struct side_file *file, uint64_t size);
int side_file_sync(struct side *side, const struct side_file *file);

/* side_nfs.c, in the same order; used by side.c only. */
int nfs_side_open(struct side *side, const char *url);
void nfs_side_close(struct side *side);
int nfs_side_stat(struct side *side, const char *path, struct stat *out_stat);
int nfs_side_list(struct side *side, const char *path, side_entry *entry, void *context);
int nfs_side_readlink(struct side *side, const char *path, char *buffer, size_t size);
int nfs_side_chmod(struct side *side, const char *path, mode_t mode);
int nfs_side_mkdir(struct side *side, const char *path);
int nfs_side_mknod(struct side *side, const char *path, mode_t type);
int nfs_side_symlink(struct side *side, const char *target, const char *path);
int nfs_side_link(struct side *side, const char *from, const char *to);
int nfs_side_unlink(struct side *side, const char *path);
int nfs_side_rmdir(struct side *side, const char *path);
int nfs_side_rename(struct side *side, const char *from, const char *to);
int nfs_side_file_open(struct side *side, const char *path, int flags, struct nfsfh **out_handle);
int nfs_side_file_close(struct side *side, struct nfsfh *handle);
int nfs_side_file_stat(struct side *side, struct nfsfh *handle, struct stat *out_stat);
int nfs_side_file_read(struct side *side, struct nfsfh *handle, void *data, uint32_t count,
                       uint64_t offset);
int nfs_side_file_write(struct side *side, struct nfsfh *handle, const void *data, uint32_t count,
                        uint64_t offset);
int nfs_side_file_truncate(struct side *side, struct nfsfh *handle, uint64_t size);
int nfs_side_file_sync(struct side *side, struct nfsfh *handle);

#endif
