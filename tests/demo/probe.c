/*
 * Can a brick live here? probe DIRECTORY
 *
 * A brick keeps a gfid in a trusted.* xattr of every object, and opens objects by file handle. Some
 * file systems, and containers, have neither: better said before anything is started.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { HANDLE_SIZE = 128 };

static int explain(const char *directory, const char *what, const char *advice)
{
    fprintf(stderr, "demo: the file system of %s %s: %s\n      %s\n", directory, what,
            strerror(errno), advice);
    return 1;
}

static int probe_handle(int parent, const char *name)
{
    struct {
        struct file_handle head;
        unsigned char room[HANDLE_SIZE];
    } handle = {.head = {.handle_bytes = HANDLE_SIZE}};
    int mount_id;
    if (name_to_handle_at(parent, name, &handle.head, &mount_id, 0)) {
        return -1;
    }
    int fd = open_by_handle_at(parent, &handle.head, O_RDONLY);
    return fd < 0 ? -1 : close(fd);
}

int main(int argc, char **argv)
{
    static const char name[] = ".trivet-probe";
    static const char elsewhere[] =
        "use a directory on XFS or ext4: make demo DEMO_DIR=/some/where/else (XFS and ext4 work)";
    static const char attribute[] = "trusted.trivet.probe";
    if (argc != 2) {
        fprintf(stderr, "usage: probe DIRECTORY\n");
        return 2;
    }
    const char *directory = argv[1];
    int parent = open(directory, O_RDONLY | O_DIRECTORY);
    int fd = parent < 0 ? -1 : openat(parent, name, O_RDWR | O_CREAT, 0600);
    if (fd < 0) {
        return explain(directory, "cannot be written", elsewhere);
    }
    int status = 0;
    if (fsetxattr(fd, attribute, name, sizeof name, 0)) {
        status =
            explain(directory, "cannot hold trusted xattrs",
                    errno == EPERM ? "this container lacks CAP_SYS_ADMIN: run it with --privileged"
                                   : elsewhere);
    } else if (probe_handle(parent, name)) {
        status = explain(directory, "cannot open files by handle",
                         errno == EPERM
                             ? "this container lacks CAP_DAC_READ_SEARCH: run it with --privileged"
                             : elsewhere);
    }
    (void)unlinkat(parent, name, 0); /* empty; the directory itself is the demo's */
    (void)close(fd);
    (void)close(parent);
    return status;
}
