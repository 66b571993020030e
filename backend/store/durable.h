/*
 * Every order of fsync and rename in the product is in here: what must be on stable storage before
 * what, and how that is said to the kernel.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_STORE_DURABLE_H
#define TRIVET_STORE_DURABLE_H

#include "backend/base/slice.h"

/* A file's bytes and its size. An error is final: the kernel may have dropped what it could not
 * write, so that a second call would succeed without it. */
int durable_data(int fd);
/* The names in a directory. */
int durable_names(int directory_fd);
/* Everything of the file system that fd is on. */
int durable_all(int fd);

/*
 * Replace the small file name in a directory: after a stop of the machine at any moment there is
 * the old one or the new one, whole. payload is checked by a checksum when it is read.
 */
int durable_file_put(int directory_fd, const char *name, uint16_t kind, struct slice payload);
/* The same without waiting for the disk, for what the log brings back: after a stop of the machine
 * the file may be damaged, which its checksum tells. */
int file_put(int directory_fd, const char *name, uint16_t kind, struct slice payload);
/* Fails: -ENOENT, -E_CORRUPT (checksum, kind or version), -ENOBUFS. */
int durable_file_get(int directory_fd, const char *name, uint16_t kind, uint8_t *buffer,
                     size_t size, size_t *out_size);
/* No such file is no error. */
int durable_file_remove(int directory_fd, const char *name);

/* Write or read all of it at offset. read: short at the end of the file only. */
int write_all_at(int fd, const void *data, size_t size, uint64_t offset);
int read_all_at(int fd, void *buffer, size_t size, uint64_t offset, size_t *out_size);

#endif
