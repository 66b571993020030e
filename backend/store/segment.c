/*
 * One segment of the log. A record is a head, the encoded operation, and zeros up to a multiple of
 * 8; the checksum covers the head too, so that a record is good only in its own place.
 *
 * Behind the last record lie zeros, written ahead: a record then goes where the file has blocks and
 * size already, and a sync is the write of a page and a flush, without a transaction of the file
 * system for the new size. Zeros are no record, so whoever looks for the end finds it there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/store/segment.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <xxhash.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/proto/disk_format.h"
#include "backend/proto/operation.h"
#include "backend/store/durable.h"

/* What a record is first tried to be read with. */
#define READ_SIZE ((size_t)2048)
#define ALIGNMENT 8
/* Zeros written at once: hundreds of records share the transaction that this costs at a sync. */
#define LAY_SIZE ((size_t)256 * 1024)

static size_t padded(size_t size)
{
    return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

static uint64_t record_checksum(const struct disk_record *head, const uint8_t *operation,
                                size_t size)
{
    uint64_t seed = XXH3_64bits(head, offsetof(struct disk_record, checksum));
    return XXH3_64bits_withSeed(operation, size, seed);
}

static uint64_t segment_checksum(const struct disk_segment *head)
{
    return XXH3_64bits(head, offsetof(struct disk_segment, checksum));
}

void segment_name(uint64_t first, char out_name[24])
{
    (void)snprintf(out_name, 24, "%020" PRIu64, first); /* 20 digits always fit */
}

static struct segment *segment_new(uint64_t first, int fd)
{
    struct segment *segment = calloc(1, sizeof *segment);
    if (segment) {
        segment->first = first;
        segment->fd = fd;
        segment->size = sizeof(struct disk_segment);
        segment->laid = segment->size;
    }
    return segment;
}

int segment_make(int directory_fd, uint64_t first, uint64_t disk_id, struct segment **out_segment)
{
    char name[24];
    segment_name(first, name);
    AUTO_CLOSE int fd = openat(directory_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    struct disk_segment head = {
        .magic = htobe32(DISK_SEGMENT_MAGIC),
        .version = htobe16(DISK_VERSION),
        .size = htobe16(sizeof head),
        .first = htobe64(first),
        .disk_id = htobe64(disk_id),
    };
    head.checksum = htobe64(segment_checksum(&head));
    int result = write_all_at(fd, &head, sizeof head, 0);
    if (result) {
        return result;
    }
    struct segment *segment = segment_new(first, fd);
    if (!segment) {
        return -ENOMEM;
    }
    (void)TAKE_FD(fd); /* the segment's now */
    segment->mapped = true;
    *out_segment = segment;
    return 0;
}

int segment_open(int directory_fd, uint64_t first, uint64_t disk_id, struct segment **out_segment)
{
    char name[24];
    segment_name(first, name);
    AUTO_CLOSE int fd = openat(directory_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    struct disk_segment head;
    size_t got;
    struct stat status;
    int result = read_all_at(fd, &head, sizeof head, 0, &got);
    if (!result && fstat(fd, &status)) {
        result = -errno;
    }
    if (result) {
        return result;
    }
    if (got != sizeof head) {
        return -ENODATA;
    }
    if (be32toh(head.magic) != DISK_SEGMENT_MAGIC || be16toh(head.version) != DISK_VERSION ||
        be64toh(head.checksum) != segment_checksum(&head) || be64toh(head.first) != first ||
        be64toh(head.disk_id) != disk_id) {
        return -E_CORRUPT;
    }
    struct segment *segment = segment_new(first, fd);
    if (!segment) {
        return -ENOMEM;
    }
    (void)TAKE_FD(fd); /* the segment's now */
    segment->size = (uint64_t)status.st_size;
    segment->laid = segment->size;
    segment->synced = segment->size;
    *out_segment = segment;
    return 0;
}

void segment_free(struct segment *segment)
{
    if (!segment) {
        return;
    }
    (void)close(segment->fd); /* what must be durable was synced */
    free(segment->offsets);
    free(segment);
}

static int note_offset(struct segment *segment, uint64_t offset)
{
    if (segment->count == segment->offsets_size) {
        uint64_t wanted = segment->offsets_size ? segment->offsets_size * 2 : 1024;
        uint32_t *offsets = realloc(segment->offsets, wanted * sizeof *offsets);
        if (!offsets) {
            return -ENOMEM;
        }
        segment->offsets = offsets;
        segment->offsets_size = wanted;
    }
    segment->offsets[segment->count++] = (uint32_t)(offset / ALIGNMENT);
    return 0;
}

/* Zeros for many records to come. Where there is no room for them a record may still find some. */
static void lay_ahead(struct segment *segment)
{
    static const uint8_t zeros[LAY_SIZE];
    uint64_t from = segment->laid > segment->size ? segment->laid : segment->size;
    uint64_t end = (from / LAY_SIZE + 1) * LAY_SIZE;
    if (write_all_at(segment->fd, zeros, end - from, from) == 0) {
        segment->laid = end;
    }
}

void segment_finish(struct segment *segment)
{
    if (segment->laid > segment->size && ftruncate(segment->fd, (off_t)segment->size) == 0) {
        segment->laid = segment->size; /* else it stays longer than needed, which harms nobody */
    }
}

int segment_append(struct segment *segment, uint64_t durable, struct slice record)
{
    PRE(segment->mapped && record.size > 0 && record.size <= OPERATION_SIZE_MAX);
    static const uint8_t zeros[ALIGNMENT];
    struct disk_record head = {
        .magic = htobe32(DISK_RECORD_MAGIC),
        .size = htobe32((uint32_t)record.size),
        .index = htobe64(segment->first + segment->count),
        .durable = htobe64(durable),
    };
    head.checksum = htobe64(record_checksum(&head, record.data, record.size));
    union { /* writev takes no const, and changes nothing */
        const void *in;
        void *out;
    } data = {.in = record.data}, padding = {.in = zeros};
    const struct iovec parts[] = {{&head, sizeof head},
                                  {data.out, record.size},
                                  {padding.out, padded(record.size) - record.size}};
    size_t size = sizeof head + padded(record.size);
    if (segment->size + size > segment->laid) {
        lay_ahead(segment);
    }
    ssize_t done;
    do {
        done = pwritev(segment->fd, parts, 3, (off_t)segment->size);
    } while (done < 0 && errno == EINTR);
    if (done != (ssize_t)size) {
        return done < 0 ? -errno : -ENOSPC; /* a regular file is written short only when full */
    }
    int result = note_offset(segment, segment->size);
    if (!result) {
        segment->size += size;
    }
    return result;
}

/* The size of the whole record at offset of bytes, or 0 if there is no good one of this index. */
static size_t record_at(struct slice bytes, uint64_t offset, uint64_t index, bool whole)
{
    struct disk_record head;
    if (offset + sizeof head > bytes.size) {
        return 0;
    }
    memcpy(&head, bytes.data + offset, sizeof head);
    size_t size = be32toh(head.size);
    if (be32toh(head.magic) != DISK_RECORD_MAGIC || be64toh(head.index) != index || size == 0 ||
        size > OPERATION_SIZE_MAX || offset + sizeof head + padded(size) > bytes.size) {
        return 0;
    }
    if (whole &&
        be64toh(head.checksum) != record_checksum(&head, bytes.data + offset + sizeof head, size)) {
        return 0;
    }
    return sizeof head + padded(size);
}

/* What a record that begins with these bytes, a head at least, says that it takes. */
static size_t record_size(const uint8_t *bytes)
{
    struct disk_record head;
    memcpy(&head, bytes, sizeof head);
    return sizeof head + padded(be32toh(head.size));
}

int segment_read(struct segment *segment, uint64_t index, uint8_t *buffer, size_t size,
                 size_t *out_size)
{
    PRE(segment->mapped);
    if (index < segment->first || index - segment->first >= segment->count) {
        return -ENOENT;
    }
    uint64_t offset = (uint64_t)segment->offsets[index - segment->first] * ALIGNMENT;
    uint8_t bytes[sizeof(struct disk_record) + OPERATION_SIZE_MAX];
    size_t got, rest = 0;
    /* Most records are short: a first read has them whole. */
    int result = read_all_at(segment->fd, bytes, READ_SIZE, offset, &got);
    if (!result && got == READ_SIZE && record_size(bytes) > READ_SIZE) {
        result = read_all_at(segment->fd, bytes + got, sizeof bytes - got, offset + got, &rest);
    }
    if (result) {
        return result;
    }
    got += rest;
    if (record_at(slice_of(bytes, got), 0, index, true) == 0) {
        return -E_CORRUPT;
    }
    struct disk_record head;
    memcpy(&head, bytes, sizeof head);
    if (be32toh(head.size) > size) {
        return -ENOBUFS;
    }
    *out_size = be32toh(head.size);
    memcpy(buffer, bytes + sizeof head, *out_size);
    return 0;
}

static int map_file(const struct segment *segment, struct slice *out_bytes)
{
    void *bytes = mmap(NULL, segment->size, PROT_READ, MAP_SHARED, segment->fd, 0);
    if (bytes == MAP_FAILED) {
        return -errno;
    }
    *out_bytes = slice_of(bytes, segment->size);
    return 0;
}

static void unmap_file(struct slice bytes)
{
    union {
        const void *in;
        void *out;
    } data = {.in = bytes.data};
    (void)munmap(data.out, bytes.size); /* fails only for what was never mapped */
}

/* Note the places of records until one is not there; *out_end is behind the last. */
static int walk(struct segment *segment, struct slice bytes, bool whole, uint64_t count_max,
                uint64_t *out_end)
{
    uint64_t offset = sizeof(struct disk_segment);
    segment->count = 0;
    while (segment->count < count_max) {
        size_t size = record_at(bytes, offset, segment->first + segment->count, whole);
        if (size == 0) {
            break;
        }
        int result = note_offset(segment, offset);
        if (result) {
            return result;
        }
        offset += size;
    }
    *out_end = offset;
    return 0;
}

int segment_map(struct segment *segment, uint64_t count)
{
    if (segment->mapped) {
        return 0;
    }
    struct slice bytes;
    uint64_t end;
    int result = map_file(segment, &bytes);
    if (result) {
        return result;
    }
    result = walk(segment, bytes, false, count, &end);
    unmap_file(bytes);
    segment->mapped = !result && segment->count == count;
    return !result && !segment->mapped ? -E_CORRUPT : result;
}

int segment_cut(struct segment *segment, uint64_t count)
{
    struct slice bytes;
    uint64_t end;
    int result = map_file(segment, &bytes);
    if (result) {
        return result;
    }
    result = walk(segment, bytes, true, count, &end);
    unmap_file(bytes);
    if (!result && segment->count != count) {
        result = -E_CORRUPT;
    }
    if (!result && ftruncate(segment->fd, (off_t)end)) {
        result = -errno;
    }
    if (!result) {
        segment->size = segment->laid = end;
        segment->synced = segment->synced < end ? segment->synced : end;
        segment->mapped = true;
    }
    return result;
}

/* Is there a good record behind the bad one at offset? Then how far the log was durable by it. */
static bool good_behind(struct slice bytes, uint64_t offset, uint64_t bad, uint64_t *out_durable)
{
    bool found = false;
    *out_durable = 0;
    for (; offset + sizeof(struct disk_record) <= bytes.size; offset += ALIGNMENT) {
        struct disk_record head;
        memcpy(&head, bytes.data + offset, sizeof head);
        uint64_t index = be64toh(head.index);
        if (be32toh(head.magic) != DISK_RECORD_MAGIC || index < bad ||
            record_at(bytes, offset, index, true) == 0) {
            continue;
        }
        found = true;
        if (be64toh(head.durable) > *out_durable) {
            *out_durable = be64toh(head.durable);
        }
    }
    return found;
}

int segment_recover(struct segment *segment, const struct segment_check *check)
{
    struct slice bytes;
    uint64_t end = 0;
    int result = map_file(segment, &bytes);
    if (result) {
        return result;
    }
    result = walk(segment, bytes, true, UINT64_MAX, &end);
    uint64_t bad = segment->first + segment->count;
    uint64_t durable = 0;
    if (!result && end < bytes.size && good_behind(bytes, end, bad, &durable) &&
        (check->same_boot || durable >= bad)) {
        (void)snprintf(check->error, check->error_size,
                       "the log's record of operation %" PRIu64
                       " is damaged while later ones are whole: the disk is failing, or somebody "
                       "wrote into .trivet/log; replace the brick",
                       bad); /* cut short at worst */
        result = -E_CORRUPT;
    }
    unmap_file(bytes);
    if (result) {
        return result;
    }
    if (end < segment->size && ftruncate(segment->fd, (off_t)end)) {
        return -errno;
    }
    segment->size = end;
    segment->laid = end;
    segment->mapped = true;
    return 0;
}
