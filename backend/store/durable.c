/*
 * See durable.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/store/durable.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <xxhash.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/proto/disk_format.h"

int durable_data(int fd)
{
    return fdatasync(fd) ? -errno : 0;
}

int durable_names(int directory_fd)
{
    return fsync(directory_fd) ? -errno : 0;
}

int durable_all(int fd)
{
    return syncfs(fd) ? -errno : 0;
}

int write_all_at(int fd, const void *data, size_t size, uint64_t offset)
{
    const uint8_t *at = data;
    while (size > 0) {
        ssize_t done = pwrite(fd, at, size, (off_t)offset);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return done < 0 ? -errno : -EIO;
        }
        at += done;
        size -= (size_t)done;
        offset += (uint64_t)done;
    }
    return 0;
}

int read_all_at(int fd, void *buffer, size_t size, uint64_t offset, size_t *out_size)
{
    uint8_t *at = buffer;
    size_t total = 0;
    while (total < size) {
        ssize_t done = pread(fd, at + total, size - total, (off_t)(offset + total));
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done < 0) {
            return -errno;
        }
        if (done == 0) {
            break;
        }
        total += (size_t)done;
    }
    *out_size = total;
    return 0;
}

static int write_new(int directory_fd, const char *name, uint16_t kind, struct slice payload,
                     bool durable)
{
    AUTO_CLOSE int fd = openat(directory_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    const struct disk_file head = {
        .magic = htobe32(DISK_FILE_MAGIC),
        .version = htobe16(DISK_VERSION),
        .kind = htobe16(kind),
        .size = htobe32((uint32_t)payload.size),
        .checksum = htobe64(XXH3_64bits(payload.data, payload.size)),
    };
    int result = write_all_at(fd, &head, sizeof head, 0);
    if (!result) {
        result = write_all_at(fd, payload.data, payload.size, sizeof head);
    }
    if (!result && durable) {
        result = durable_data(fd);
    }
    return result;
}

static int replace(int directory_fd, const char *name, uint16_t kind, struct slice payload,
                   bool durable)
{
    char new_name[64];
    int length = snprintf(new_name, sizeof new_name, "%s.new", name);
    PRE(length > 0 && (size_t)length < sizeof new_name);
    PRE(payload.size <= UINT32_MAX);
    /* Bytes first, then the name, then the directory: the name never stands for half a file. */
    int result = write_new(directory_fd, new_name, kind, payload, durable);
    if (!result && renameat(directory_fd, new_name, directory_fd, name)) {
        result = -errno;
    }
    if (!result && durable) {
        result = durable_names(directory_fd);
    }
    return result;
}

int durable_file_put(int directory_fd, const char *name, uint16_t kind, struct slice payload)
{
    return replace(directory_fd, name, kind, payload, true);
}

int file_put(int directory_fd, const char *name, uint16_t kind, struct slice payload)
{
    return replace(directory_fd, name, kind, payload, false);
}

int durable_file_get(int directory_fd, const char *name, uint16_t kind, uint8_t *buffer,
                     size_t size, size_t *out_size)
{
    AUTO_CLOSE int fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    struct disk_file head;
    size_t got;
    int result = read_all_at(fd, &head, sizeof head, 0, &got);
    if (result) {
        return result;
    }
    if (got != sizeof head || be32toh(head.magic) != DISK_FILE_MAGIC ||
        be16toh(head.version) != DISK_VERSION || be16toh(head.kind) != kind) {
        return -E_CORRUPT;
    }
    size_t payload = be32toh(head.size);
    if (payload > size) {
        return -ENOBUFS;
    }
    result = read_all_at(fd, buffer, payload, sizeof head, &got);
    if (result) {
        return result;
    }
    if (got != payload || be64toh(head.checksum) != XXH3_64bits(buffer, payload)) {
        return -E_CORRUPT;
    }
    *out_size = payload;
    return 0;
}

int durable_file_remove(int directory_fd, const char *name)
{
    if (unlinkat(directory_fd, name, 0)) {
        return errno == ENOENT ? 0 : -errno;
    }
    return durable_names(directory_fd);
}
