/*
 * The model of the files: what each must hold, and comparing with what a process sees.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/stress/files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct scene *scene;
struct self self;

unsigned file_number(const struct file *file)
{
    return (unsigned)(file - scene->files);
}

struct range range_pick(struct random *random, uint32_t from, uint32_t to)
{
    struct range range;
    range.offset = from + (random_chance(random, 50) ? random_below(random, to - from)
                                                     : random_skewed(random, to - from));
    uint32_t most = to - range.offset;
    range.count = most ? 1 + random_skewed(random, most) : 0;
    if (random_chance(random, 25)) { /* whole pages */
        range.offset -= range.offset % PAGE;
        range.count += PAGE - 1;
        range.count -= range.count % PAGE;
        if (range.offset < from || range.count > to - range.offset) {
            return range_pick(random, from, to);
        }
    }
    return range;
}

struct side_file *file_handle(struct file *file)
{
    unsigned number = file_number(file);
    if (self.generations[number] == file->generation && file->generation) {
        return &self.handles[number];
    }
    if (!file->is_linked) {
        return NULL;
    }
    file_close(file);
    int status = side_file_open(&self.side, file->name, O_RDWR, &self.handles[number]);
    expect(status, 0, "open");
    self.generations[number] = file->generation;
    if (!self.side.is_nfs) {
        __atomic_or_fetch(&file->held_by, 1U << self.member, __ATOMIC_SEQ_CST);
    }
    return &self.handles[number];
}

void file_close(struct file *file)
{
    unsigned number = file_number(file);
    if (!self.generations[number]) {
        return;
    }
    /* what is gone by now may be stale: over NFS that is seen in the COMMIT before the close */
    bool is_current = self.generations[number] == file->generation;
    int status = side_file_close(&self.side, &self.handles[number]);
    self.generations[number] = 0;
    if (is_current) {
        __atomic_and_fetch(&file->held_by, ~(1U << self.member), __ATOMIC_SEQ_CST);
        expect(file->is_linked ? status : 0, 0, "close");
    }
}

void expect(long found, long wanted, const char *what)
{
    if (found != wanted) {
        mismatch("%s of file %u: %ld%s%s%s instead of %ld", what, self.subject, found,
                 found < 0 ? " (" : "", found < 0 ? strerror((int)-found) : "",
                 found < 0 ? ")" : "", wanted);
    }
}

void file_changed(struct file *file, uint32_t offset, const void *data, uint32_t count)
{
    if (data) {
        memcpy(file->data + offset, data, count);
    } else {
        memset(file->data + offset, 0, count);
    }
    file->changed_at = offset;
    file->changed_count = count;
    if (offset + count > file->size && data) {
        file->size = offset + count;
    }
}

void file_resized(struct file *file, uint32_t size)
{
    if (size < file->size) {
        memset(file->data + size, 0, file->size - size);
    }
    file->changed_at = size < file->size ? size : file->size;
    file->changed_count = size < file->size ? 0 : size - file->size;
    file->size = size;
}

/* For the message: whether the cache is wrong, or what lies under it. */
static const char *byte_past_cache(const struct file *file, uint32_t offset)
{
    static char block[PAGE] __attribute__((aligned(PAGE)));
    struct side_file handle;
    if (self.side.is_nfs || !(self.features & CAN_DIRECT) || !file->is_linked ||
        side_file_open(&self.side, file->name, O_RDONLY | O_DIRECT, &handle) != 0) {
        return "unknown";
    }
    int count = side_file_read(&self.side, &handle, block, PAGE, offset - offset % PAGE);
    (void)side_file_close(&self.side, &handle); /* only read */
    if (count <= (int)(offset % PAGE)) {
        return "unknown";
    }
    return (unsigned char)block[offset % PAGE] == file->data[offset] ? "right" : "wrong, too";
}

void file_expect(const struct file *file, uint32_t offset, const void *data, uint32_t count,
                 const char *what)
{
    const unsigned char *found = data;
    if (memcmp(found, file->data + offset, count) == 0) {
        return;
    }
    uint32_t first = 0, last = count - 1, wrong = 0, zeros = 0;
    while (found[first] == file->data[offset + first]) {
        first++;
    }
    while (found[last] == file->data[offset + last]) {
        last--;
    }
    for (uint32_t i = first; i <= last; i++) {
        wrong += found[i] != file->data[offset + i];
        zeros += found[i] != file->data[offset + i] && found[i] == 0;
    }
    mismatch("%s of file %u (%s, size %u) %u+%u: wrong between %u and %u, %u bytes, %u of them "
             "zero; byte %u is %02x instead of %02x; past the cache it is %s",
             what, file_number(file), file->name, file->size, offset, count, offset + first,
             offset + last, wrong, zeros, offset + first, found[first], file->data[offset + first],
             byte_past_cache(file, offset + first));
}

void file_expect_size(struct file *file, bool by_name)
{
    struct stat found = {0};
    struct side_file *handle = file_handle(file);
    if (handle) {
        expect(side_file_stat(&self.side, handle, &found), 0, "fstat");
        expect(found.st_size, file->size, "size by fstat");
        if (!self.side.is_nfs) {
            expect((long)found.st_nlink, file->is_linked, "links by fstat");
        }
    }
    if (by_name) {
        int status = side_stat(&self.side, file->name, &found);
        expect(status, file->is_linked ? 0 : -ENOENT, "stat");
        if (status == 0) {
            expect(found.st_size, file->size, "size by stat");
        }
    }
}

void file_read(struct file *file, struct range range)
{
    struct side_file *handle = file_handle(file);
    uint32_t wanted = range.offset >= file->size ? 0 : file->size - range.offset;
    wanted = wanted < range.count ? wanted : range.count;
    memset(self.buffer, 0xee, range.count);
    int found = side_file_read(&self.side, handle, self.buffer, range.count, range.offset);
    expect(found, (long)wanted, "bytes read");
    file_expect(file, range.offset, self.buffer, wanted, "read");
}
