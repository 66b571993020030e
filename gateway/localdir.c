/*
 * Listing a plain directory. The cookie is the kernel's position behind the entry, moved up by
 * COOKIE_FIRST so that it stays clear of the reserved ones.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/localdir.h"

#include <dirent.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "backend/base/scope.h"
#include "backend/proto/dirent.h"

/* One getdents64's worth; the kernel fills it in one go. */
#define BATCH_SIZE (32 * 1024)

/* The largest position, which ext4 uses for the end, must not overflow a file offset. */
static uint64_t cookie_of(int64_t position)
{
    uint64_t top = INT64_MAX - COOKIE_FIRST;
    return (uint64_t)position >= top ? INT64_MAX : (uint64_t)position + COOKIE_FIRST;
}

static int64_t position_of(uint64_t cookie)
{
    if (cookie < COOKIE_FIRST) {
        return 0;
    }
    return cookie >= INT64_MAX ? INT64_MAX : (int64_t)(cookie - COOKIE_FIRST);
}

static bool is_dots(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* Pack one entry; what vanished meanwhile or is a mount point of its own is left out. */
static int pack_one(struct local_tree *tree, int fd, const struct dirent64 *found, bool with_attr,
                    uint8_t *buffer, size_t size, size_t *used)
{
    if (is_dots(found->d_name)) {
        return 0;
    }
    AUTO_CLOSE int object = -1;
    struct attr attr;
    int status = local_find(tree, fd, found->d_name, &object, &attr);
    if (status) {
        return status == -ENOENT || status == -EXDEV ? 0 : status;
    }
    struct dirent_entry entry = {
        .cookie = cookie_of(found->d_off),
        .gfid = attr.gfid,
        .type = attr.type,
        .name = slice_text(found->d_name),
    };
    if (with_attr) {
        entry.attr = attr;
    }
    return dirent_pack(buffer, size, used, &entry);
}

static int pack_batch(struct local_tree *tree, int fd, const char *batch, size_t batch_size,
                      bool with_attr, uint8_t *buffer, size_t size, size_t *used)
{
    for (size_t at = 0; at < batch_size;) {
        const struct dirent64 *found = (const struct dirent64 *)(const void *)(batch + at);
        int status = pack_one(tree, fd, found, with_attr, buffer, size, used);
        if (status) {
            return status;
        }
        at += found->d_reclen;
    }
    return 0;
}

int local_list(struct local_tree *tree, int fd, uint64_t cookie, bool with_attr, uint8_t *buffer,
               size_t size, size_t *out_used, bool *out_eof)
{
    if (lseek(fd, position_of(cookie), SEEK_SET) < 0) {
        return -errno;
    }
    char batch[BATCH_SIZE] __attribute__((aligned(8)));
    size_t used = 0;
    bool eof = false;
    while (!eof) {
        ssize_t got = syscall(SYS_getdents64, fd, batch, sizeof(batch));
        if (got < 0) {
            return -errno;
        }
        eof = got == 0;
        int status = pack_batch(tree, fd, batch, (size_t)got, with_attr, buffer, size, &used);
        if (status == -ENOBUFS) {
            break;
        }
        if (status) {
            return status;
        }
    }
    if (used == 0 && !eof) {
        return -EINVAL;
    }
    *out_used = used;
    *out_eof = eof;
    return 0;
}
