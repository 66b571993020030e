/*
 * A way to the files that are measured: a directory by system calls, or an NFSv3 export by libnfs,
 * a client that did not grow with our server. Everything measured is written once, over this table.
 *
 * Paths begin with "/" and are relative to the target. A way belongs to one thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_BENCH_WAY_H
#define TRIVET_TESTS_BENCH_WAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct way;
struct way_file;

struct way_attr {
    uint64_t inode, size;
    uint32_t mode, nlink, uid, gid;
    uint64_t mtime_seconds, mtime_nanoseconds;
};

/* WAY_APPEND: a directory's writes go to the end of the file wherever they say; an NFSv3 client has
 * only the offset. */
enum way_open_how { WAY_READ, WAY_UPDATE, WAY_CREATE, WAY_REPLACE, WAY_APPEND };

/* One entry of a directory; non-zero ends the listing. */
typedef int way_each(void *context, const char *name, const struct way_attr *attr);

/* All return 0 or a count, or a negative errno. */
struct way_ops {
    void (*close)(struct way *way);
    const char *(*error)(struct way *way, int status);
    int (*make_directory)(struct way *way, const char *path);
    int (*remove_directory)(struct way *way, const char *path);
    int (*stat)(struct way *way, const char *path, struct way_attr *out_attr);
    int (*list)(struct way *way, const char *path, way_each *each, void *context);
    int (*rename)(struct way *way, const char *from, const char *to);
    int (*unlink)(struct way *way, const char *path);
    int (*symlink)(struct way *way, const char *target, const char *path);
    int (*readlink)(struct way *way, const char *path, char *buffer, size_t size);
    int (*set_mtime)(struct way *way, const char *path, uint64_t seconds);
    int (*open)(struct way *way, const char *path, enum way_open_how how, uint32_t mode,
                struct way_file **out_file);
    int (*read)(struct way *way, struct way_file *file, uint64_t offset, void *data,
                uint32_t count);
    int (*write)(struct way *way, struct way_file *file, uint64_t offset, const void *data,
                 uint32_t count);
    int (*sync)(struct way *way, struct way_file *file);
    int (*close_file)(struct way *way, struct way_file *file);
    /* Read or write bytes from the start, several blocks in flight where the way has that. */
    int (*stream)(struct way *way, struct way_file *file, bool writing, uint64_t bytes,
                  uint32_t block);
    /* A client over NFS commits before close, as the kernel's does; a directory need not. */
    bool sync_on_close;
};

struct way {
    const struct way_ops *ops;
};

/* Target: "nfs://HOST/EXPORT…", else a directory. Prints why it failed, and returns NULL. */
struct way *way_open(const char *target);
struct way *way_posix_open(const char *directory);
struct way *way_nfs_open(const char *url);

/* Not constant: some disks shortcut zeros. */
void way_fill(void *buffer, size_t size, uint64_t seed);

#endif
