/*
 * Operations on files that both ways into the volume have.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/stress/files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void buffer_fill(struct random *random, uint32_t count)
{
    uint32_t at = 0;
    for (; at + 4 <= count; at += 4) {
        uint32_t word = random_below(random, UINT32_MAX) | 0x01010101;
        memcpy(self.buffer + at, &word, 4);
    }
    memset(self.buffer + at, 'e', count - at);
}

bool write_operation(struct file *file, struct random *random, struct bounds bounds)
{
    struct range range = range_pick(random, bounds.from, bounds.to);
    note("write file %u %u+%u", file_number(file), range.offset, range.count);
    buffer_fill(random, range.count);
    expect(side_file_write(&self.side, file_handle(file), self.buffer, range.count, range.offset),
           range.count, "bytes written");
    file_changed(file, range.offset, self.buffer, range.count);
    return true;
}

bool append_operation(struct file *file, struct random *random, struct bounds bounds)
{
    if (bounds.is_fixed || file->size == FILE_SIZE_MAX || !file->is_linked || self.side.is_nfs) {
        return false;
    }
    uint32_t count = 1 + random_skewed(random, FILE_SIZE_MAX - file->size);
    note("append file %u size %u +%u", file_number(file), file->size, count);
    buffer_fill(random, count);
    struct side_file appended;
    expect(side_file_open(&self.side, file->name, O_WRONLY | O_APPEND, &appended), 0, "open");
    /* the offset that pwrite() gives does not count then: write(2), BUGS */
    expect(side_file_write(&self.side, &appended, self.buffer, count, 0), count, "bytes appended");
    expect(side_file_close(&self.side, &appended), 0, "close");
    file_changed(file, file->size, self.buffer, count);
    return true;
}

bool read_operation(struct file *file, struct random *random, struct bounds bounds)
{
    struct range range = range_pick(random, bounds.from, bounds.to);
    note("read file %u %u+%u", file_number(file), range.offset, range.count);
    file_read(file, range);
    return true;
}

bool truncate_operation(struct file *file, struct random *random, struct bounds bounds)
{
    if (bounds.is_fixed) {
        return false;
    }
    uint32_t size = random_chance(random, 60) ? random_below(random, file->size + 1)
                                              : random_skewed(random, FILE_SIZE_MAX);
    note("truncate file %u from %u to %u", file_number(file), file->size, size);
    expect(side_file_truncate(&self.side, file_handle(file), size), 0, "truncate");
    file_resized(file, size);
    return true;
}

bool sync_operation(struct file *file, struct random *random, struct bounds bounds)
{
    (void)random;
    (void)bounds;
    note("fsync file %u", file_number(file));
    expect(side_file_sync(&self.side, file_handle(file)), 0, "fsync");
    return true;
}

bool reopen_operation(struct file *file, struct random *random, struct bounds bounds)
{
    if (!file->is_linked) {
        return false;
    }
    bool emptied = !bounds.is_fixed && random_chance(random, 10);
    note("reopen file %u%s", file_number(file), emptied ? " with O_TRUNC" : "");
    file_close(file);
    if (emptied && !self.side.is_nfs) {
        struct side_file handle;
        expect(side_file_open(&self.side, file->name, O_RDWR | O_TRUNC, &handle), 0, "open");
        expect(side_file_close(&self.side, &handle), 0, "close");
        file_resized(file, 0);
    }
    return file_handle(file) != NULL;
}

bool rename_operation(struct file *file, struct random *random, struct bounds bounds)
{
    (void)random;
    if (bounds.is_fixed || !file->is_linked) {
        return false;
    }
    char name[sizeof file->name];
    (void)snprintf(name, sizeof name, "file%u-%u", file_number(file), ++file->renames);
    note("rename file %u %s to %s", file_number(file), file->name, name);
    expect(side_rename(&self.side, file->name, name, 0), 0, "rename");
    struct stat found;
    expect(side_stat(&self.side, file->name, &found), -ENOENT, "stat of the old name");
    memcpy(file->name, name, sizeof name);
    return true;
}

bool unlink_operation(struct file *file, struct random *random, struct bounds bounds)
{
    (void)random;
    if (bounds.is_fixed || !file->is_linked) {
        return false;
    }
    bool kept = (self.features & CAN_KEEP) != 0 && !self.side.is_nfs;
    note("unlink file %u %s%s", file_number(file), file->name, kept ? ", kept open" : "");
    if (kept) {
        (void)file_handle(file);
    } else {
        file_close(file);
    }
    expect(side_unlink(&self.side, file->name), 0, "unlink");
    file->is_linked = false;
    file->unlinked_by = self.member;
    return true;
}

bool create_operation(struct file *file, struct random *random, struct bounds bounds)
{
    (void)random;
    if (bounds.is_fixed || file->is_linked) {
        return false;
    }
    file_close(file);
    file->generation++;
    file->held_by = 0;
    file_resized(file, 0);
    if (!self.side.is_nfs && self.features & CAN_TMPFILE && random_chance(random, 30)) {
        return tmpfile_operation(file, random, bounds);
    }
    (void)snprintf(file->name, sizeof file->name, "file%u-%u", file_number(file), ++file->renames);
    note("create file %u %s", file_number(file), file->name);
    struct side_file handle;
    expect(side_file_open(&self.side, file->name, O_RDWR | O_CREAT | O_EXCL, &handle), 0, "create");
    expect(side_file_close(&self.side, &handle), 0, "close");
    file->is_linked = true;
    return true;
}
