/*
 * Operations on files that only a mount has: memory maps, O_DIRECT, space, the file position.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/stress/files.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

static unsigned char direct_buffer[FILE_SIZE_MAX] __attribute__((aligned(PAGE)));

static bool can(unsigned features)
{
    return !self.side.is_nfs && (self.features & features) == features;
}

static long result(long status)
{
    return status < 0 ? -errno : status;
}

/* Whole pages within bounds; count 0: none. */
static struct range pages_pick(struct random *random, struct bounds bounds)
{
    uint32_t from = (bounds.from + PAGE - 1) / PAGE, to = bounds.to / PAGE;
    if (from >= to) {
        return (struct range){0, 0};
    }
    uint32_t page = from + random_below(random, to - from);
    uint32_t pages = 1 + random_skewed(random, to - page);
    return (struct range){page * PAGE, pages * PAGE};
}

/* A kernel asks for a file's attributes in stat() and read(), but neither when it maps a file, nor
 * when a page is touched, nor when it limits what is copied to the size that it knows. So what
 * those show may be as old as the last stat(). */
static void refresh(struct file *file)
{
    file_expect_size(file, false);
}

/* Map the pages of range, which lies within the file, and hand over where range begins. */
static unsigned char *map(struct file *file, struct range range, int protection)
{
    uint32_t lead = range.offset % PAGE;
    refresh(file);
    unsigned char *memory = mmap(NULL, range.count + lead, protection, MAP_SHARED,
                                 file_handle(file)->fd, range.offset - lead);
    expect(memory == MAP_FAILED ? -errno : 0, 0, "mmap");
    return memory + lead;
}

static void unmap(unsigned char *memory, struct range range)
{
    uint32_t lead = range.offset % PAGE;
    expect(result(munmap(memory - lead, range.count + lead)), 0, "munmap");
}

bool map_write_operation(struct file *file, struct random *random, struct bounds bounds)
{
    /* A page that is mapped is written as a whole: others may own what else is on it. */
    if (bounds.is_fixed) {
        bounds.from = (bounds.from + PAGE - 1) / PAGE * PAGE;
        bounds.to -= bounds.to % PAGE;
    } else if (bounds.to > file->size) {
        bounds.to = file->size;
    }
    if (!can(CAN_MAP) || bounds.from >= bounds.to) {
        return false;
    }
    struct range range = range_pick(random, bounds.from, bounds.to);
    note("map and write file %u %u+%u", file_number(file), range.offset, range.count);
    unsigned char *memory = map(file, range, PROT_READ | PROT_WRITE);
    file_expect(file, range.offset, memory, range.count, "mapped");
    memset(memory, (int)(1 + random_below(random, 255)), range.count);
    memory[random_below(random, range.count)] = 'm';
    file_changed(file, range.offset, memory, range.count);
    if (random_chance(random, 30)) {
        file_read(file, range);
    }
    uint32_t lead = range.offset % PAGE;
    expect(result(msync(memory - lead, range.count + lead, MS_SYNC)), 0, "msync");
    unmap(memory, range);
    return true;
}

bool map_read_operation(struct file *file, struct random *random, struct bounds bounds)
{
    bounds.to = bounds.to < file->size ? bounds.to : file->size;
    if (!can(CAN_MAP) || bounds.from >= bounds.to) {
        return false;
    }
    struct range range = range_pick(random, bounds.from, bounds.to);
    note("map and read file %u %u+%u", file_number(file), range.offset, range.count);
    unsigned char *memory = map(file, range, PROT_READ);
    file_expect(file, range.offset, memory, range.count, "mapped");
    unmap(memory, range);
    return true;
}

/* What sendfile(2) and splice(2) show, as old as what a mapped page shows. */
bool send_operation(struct file *file, struct random *random, struct bounds bounds)
{
    bounds.to = bounds.to < file->size ? bounds.to : file->size;
    if (!can(0) || bounds.from >= bounds.to) {
        return false;
    }
    struct range range = range_pick(random, bounds.from, bounds.to);
    note("sendfile of file %u %u+%u", file_number(file), range.offset, range.count);
    refresh(file);
    int out = memfd_create("sent", MFD_CLOEXEC);
    expect(out < 0 ? -errno : 0, 0, "memfd_create");
    off_t from = range.offset;
    for (uint32_t done = 0; done < range.count;) {
        long status = result(sendfile(out, file_handle(file)->fd, &from, range.count - done));
        if (status <= 0 || status > range.count - done) {
            expect(status, range.count - done, "bytes sent");
        }
        done += (uint32_t)status;
    }
    expect(result(pread(out, direct_buffer, range.count, 0)), range.count, "bytes sent");
    file_expect(file, range.offset, direct_buffer, range.count, "sent");
    expect(result(close(out)), 0, "close");
    return true;
}

static void direct_open(struct file *file, struct side_file *out_handle)
{
    expect(side_file_open(&self.side, file->name, O_RDWR | O_DIRECT, out_handle), 0,
           "open with O_DIRECT");
}

bool direct_write_operation(struct file *file, struct random *random, struct bounds bounds)
{
    struct range range = pages_pick(random, bounds);
    if (!can(CAN_DIRECT) || !file->is_linked || range.count == 0) {
        return false;
    }
    note("write file %u %u+%u directly", file_number(file), range.offset, range.count);
    struct side_file handle;
    direct_open(file, &handle);
    memset(direct_buffer, (int)(1 + random_below(random, 255)), range.count);
    direct_buffer[random_below(random, range.count)] = 'd';
    expect(side_file_write(&self.side, &handle, direct_buffer, range.count, range.offset),
           range.count, "bytes written directly");
    expect(side_file_close(&self.side, &handle), 0, "close");
    file_changed(file, range.offset, direct_buffer, range.count);
    return true;
}

bool direct_read_operation(struct file *file, struct random *random, struct bounds bounds)
{
    bounds.to = bounds.to < file->size ? bounds.to : file->size;
    struct range range = pages_pick(random, bounds);
    if (!can(CAN_DIRECT) || !file->is_linked || range.count == 0) {
        return false;
    }
    note("read file %u %u+%u directly", file_number(file), range.offset, range.count);
    struct side_file handle;
    direct_open(file, &handle);
    expect(side_file_read(&self.side, &handle, direct_buffer, range.count, range.offset),
           range.count, "bytes read directly");
    file_expect(file, range.offset, direct_buffer, range.count, "direct read");
    expect(side_file_close(&self.side, &handle), 0, "close");
    return true;
}

/* ---- space ------------------------------------------------------------------------------- */

static void allocate(struct file *file, int mode, struct range range, const char *what)
{
    note("%s file %u size %u %u+%u", what, file_number(file), file->size, range.offset,
         range.count);
    expect(result(fallocate(file_handle(file)->fd, mode, range.offset, range.count)), 0, what);
}

static void extend(struct file *file, struct range range)
{
    if (range.offset + range.count > file->size) {
        file_resized(file, range.offset + range.count);
    }
}

bool allocate_operation(struct file *file, struct random *random, struct bounds bounds)
{
    bool keep_size = bounds.is_fixed || random_chance(random, 40);
    if (!can(CAN_ALLOCATE)) {
        return false;
    }
    struct range range = range_pick(random, bounds.from, bounds.to);
    allocate(file, keep_size ? FALLOC_FL_KEEP_SIZE : 0, range,
             keep_size ? "fallocate, size kept," : "fallocate");
    if (!keep_size) {
        extend(file, range);
    }
    return true;
}

/* What is cleared ends with the file, unless that grows. */
static void clear(struct file *file, struct range range)
{
    if (range.offset < file->size) {
        uint32_t left = file->size - range.offset;
        file_changed(file, range.offset, NULL, range.count < left ? range.count : left);
    }
}

bool punch_operation(struct file *file, struct random *random, struct bounds bounds)
{
    if (!can(CAN_PUNCH)) {
        return false;
    }
    struct range range = range_pick(random, bounds.from, bounds.to);
    allocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, range, "punch");
    clear(file, range);
    return true;
}

bool zero_operation(struct file *file, struct random *random, struct bounds bounds)
{
    bool keep_size = bounds.is_fixed || random_chance(random, 40);
    if (!can(CAN_ZERO)) {
        return false;
    }
    struct range range = range_pick(random, bounds.from, bounds.to);
    allocate(file, FALLOC_FL_ZERO_RANGE | (keep_size ? FALLOC_FL_KEEP_SIZE : 0), range,
             keep_size ? "zero, size kept," : "zero");
    clear(file, range);
    if (!keep_size) {
        extend(file, range);
    }
    return true;
}

/* Within the file: from a lower half to an upper one, or back. */
bool copy_operation(struct file *file, struct random *random, struct bounds bounds)
{
    uint32_t end = bounds.to < file->size ? bounds.to : file->size;
    if (!can(CAN_COPY) || bounds.from + 2 > end) {
        return false;
    }
    uint32_t middle = bounds.from + (end - bounds.from) / 2;
    struct range range = range_pick(random, bounds.from, middle);
    uint32_t most = (bounds.is_fixed ? end : bounds.to) - middle - range.count;
    off_t from = range.offset, to = middle + random_below(random, most + 1);
    if (random_chance(random, 30) && (uint32_t)to + range.count <= end) {
        off_t other = from;
        from = to;
        to = other;
    }
    note("copy file %u size %u %u+%u to %u", file_number(file), file->size, (uint32_t)from,
         range.count, (uint32_t)to);
    int fd = file_handle(file)->fd;
    uint32_t target = (uint32_t)to;
    refresh(file);
    memcpy(direct_buffer, file->data + from, range.count);
    for (uint32_t done = 0; done < range.count;) {
        long status = result(copy_file_range(fd, &from, fd, &to, range.count - done, 0));
        if (status <= 0 || status > range.count - done) {
            expect(status, range.count - done, "bytes copied");
        }
        done += (uint32_t)status;
    }
    file_changed(file, target, direct_buffer, range.count);
    return true;
}

static bool is_zero(const struct file *file, uint32_t from, uint32_t to)
{
    for (uint32_t at = from; at < to; at++) {
        if (file->data[at]) {
            return false;
        }
    }
    return true;
}

bool seek_operation(struct file *file, struct random *random, struct bounds bounds)
{
    if (!can(CAN_SEEK) || bounds.from != 0) {
        return false;
    }
    uint32_t offset = random_below(random, file->size + file->size / 8 + 1);
    int fd = file_handle(file)->fd;
    note("seek file %u size %u from %u", file_number(file), file->size, offset);
    long data = result(lseek(fd, offset, SEEK_DATA)), hole = result(lseek(fd, offset, SEEK_HOLE));
    if (offset >= file->size) {
        expect(data, -ENXIO, "SEEK_DATA behind the end");
        expect(hole, -ENXIO, "SEEK_HOLE behind the end");
        return true;
    }
    uint32_t first = data == -ENXIO ? file->size : (uint32_t)data;
    if ((data < offset && data != -ENXIO) || data >= (long)file->size ||
        !is_zero(file, offset, first)) {
        mismatch("SEEK_DATA from %u of size %u: %ld passes over data", offset, file->size, data);
    }
    if (hole < offset || hole > (long)file->size || (hole < (long)file->size && file->data[hole])) {
        mismatch("SEEK_HOLE from %u of size %u: %ld is no hole", offset, file->size, hole);
    }
    return true;
}

bool position_operation(struct file *file, struct random *random, struct bounds bounds)
{
    if (!can(0)) {
        return false;
    }
    struct range range = range_pick(random, bounds.from, bounds.to);
    note("seek and write file %u %u+%u", file_number(file), range.offset, range.count);
    int fd = file_handle(file)->fd;
    expect(result(lseek(fd, range.offset, SEEK_SET)), range.offset, "lseek");
    memset(self.buffer, (int)(1 + random_below(random, 255)), range.count);
    expect(result(write(fd, self.buffer, range.count)), range.count, "bytes written");
    expect(result(lseek(fd, 0, SEEK_CUR)), range.offset + range.count, "position");
    file_changed(file, range.offset, self.buffer, range.count);
    return true;
}

/* A new file without a name gets one. */
bool tmpfile_operation(struct file *file, struct random *random, struct bounds bounds)
{
    char path[64];
    (void)bounds;
    uint32_t count = 1 + random_skewed(random, PAGE * 4);
    (void)snprintf(file->name, sizeof file->name, "file%u-%u", file_number(file), ++file->renames);
    note("O_TMPFILE of %u bytes, then link as %s", count, file->name);
    int fd = openat(self.side.directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
    expect(fd < 0 ? -errno : 0, 0, "O_TMPFILE");
    memset(self.buffer, 't', count);
    expect(result(write(fd, self.buffer, count)), count, "bytes written");
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    expect(result(linkat(AT_FDCWD, path, self.side.directory, file->name, AT_SYMLINK_FOLLOW)), 0,
           "linkat");
    expect(result(close(fd)), 0, "close");
    file_changed(file, 0, self.buffer, count);
    file->is_linked = true;
    return true;
}
