/*
 * Fills a brick quickly, without a network, for measurements at large sizes (scale.sh), and makes a
 * copy of a filled brick's disk another member.
 *
 *     scale_bench fill BRICK FILES DIRECTORIES BIG
 *     scale_bench adopt BRICK IDENTITY
 *
 * fill: BRICK belongs to a volume that is stopped. It is given FILES empty files, evenly in
 * DIRECTORIES directories /d00000…, and BIG more in one, /big; through the store's own steps, so
 * that log, index and tree are as if a client had made them. The volume's other bricks must become
 * copies of this one before the volume starts again.
 *
 * adopt: BRICK lies on a copy, byte by byte, of a brick's disk: file handles stay good on it. It
 * becomes the brick that IDENTITY, the file .trivet/identity of an emptied one, says.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/proto/disk_format.h"
#include "backend/proto/operation.h"
#include "backend/store/durable.h"
#include "backend/store/store.h"

/* Operations between checkpoints: each of them brings the times of as many objects to the tree. */
#define CHECKPOINT_EVERY 4096
#define REPORT_EVERY 1000000

struct fill {
    struct store *store;
    uint64_t index;
    uint64_t view;
    uint64_t made;
    double started;
};

static double seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t wall_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static int step(struct fill *fill, const struct mutation *mutation, struct operation *operation)
{
    uint8_t bytes[OPERATION_SIZE_MAX];
    size_t size;
    const struct decision decision = {.index = fill->index + 1,
                                      .view = fill->view,
                                      .now_ns = wall_ns(),
                                      .bytes_free = UINT64_C(1) << 40};
    int result = store_decide(fill->store, mutation, &decision, operation);
    if (!result) {
        result = operation_encode(operation, bytes, sizeof bytes, &size);
    }
    if (!result) {
        result = store_sequence(fill->store, operation, slice_of(bytes, size));
    }
    if (!result) {
        result = store_apply(fill->store, operation, slice_of(NULL, 0));
    }
    if (!result) {
        result = store_commit(fill->store, operation->index);
    }
    if (!result) {
        fill->index++;
        result = fill->index % CHECKPOINT_EVERY ? 0 : store_checkpoint(fill->store);
    }
    return result;
}

static int make(struct fill *fill, const struct gfid *parent, const char *name, uint32_t type,
                struct gfid *out_gfid)
{
    const struct mutation wish = {
        .kind = MUTATION_MAKE,
        .parent = *parent,
        .name = slice_text(name),
        .type = type,
        .how = CREATE_GUARDED,
        .cred = {.flags = CRED_CHECKED},
        .change = {.mask = ATTR_MODE, .mode = type == OBJECT_DIRECTORY ? 0755 : 0644}};
    struct operation operation;
    int result = step(fill, &wish, &operation);
    if (result) {
        fprintf(stderr, "scale: %s: %s\n", name, error_text(result));
        return result;
    }
    *out_gfid = operation.object.gfid;
    if (++fill->made % REPORT_EVERY == 0) {
        printf("made %" PRIu64 " in %.0f s\n", fill->made, seconds() - fill->started);
        (void)fflush(stdout);
    }
    return 0;
}

static int make_directory(struct fill *fill, const char *name, uint32_t files)
{
    struct gfid directory;
    struct gfid file;
    char text[32];
    int result = make(fill, &GFID_ROOT, name, OBJECT_DIRECTORY, &directory);
    for (uint32_t i = 0; !result && i < files; i++) {
        (void)snprintf(text, sizeof text, "f%07" PRIu32, i); /* always fits */
        result = make(fill, &directory, text, OBJECT_FILE, &file);
    }
    return result;
}

static int fill_tree(struct fill *fill, uint32_t files, uint32_t directories, uint32_t big)
{
    int result = big ? make_directory(fill, "big", big) : 0;
    for (uint32_t i = 0; !result && i < directories; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "d%05" PRIu32, i); /* always fits */
        result = make_directory(fill, name, files / directories);
    }
    return result;
}

static int run_fill(const char *path, uint32_t files, uint32_t directories, uint32_t big)
{
    char error[512];
    struct fill fill = {.started = seconds()};
    struct store_position position;
    struct view *view = calloc(1, sizeof *view);
    if (!view || directories == 0) {
        free(view);
        return 2;
    }
    if (posix_store_open(path, clock_real(), &fill.store, error, sizeof error)) {
        fprintf(stderr, "scale: %s\n", error);
        free(view);
        return 1;
    }
    fill.view = store_view_get(fill.store, view) ? 1 : view->number;
    free(view);
    store_position(fill.store, &position);
    fill.index = position.sequenced;
    int result = fill_tree(&fill, files, directories, big);
    double made = seconds();
    store_close(fill.store);
    printf("made %" PRIu64 " objects in %.1f s, %.1f µs each; closed in %.1f s\n", fill.made,
           made - fill.started, (made - fill.started) * 1e6 / (double)fill.made, seconds() - made);
    return result != 0;
}

/* A segment of the log says whose it is. */
static int adopt_segment(int log_fd, const char *name, uint64_t disk_id)
{
    AUTO_CLOSE int fd = openat(log_fd, name, O_RDWR | O_CLOEXEC);
    struct disk_segment head;
    if (fd < 0 || pread(fd, &head, sizeof head, 0) != sizeof head) {
        return -EIO;
    }
    head.disk_id = htobe64(disk_id);
    head.checksum = htobe64(XXH3_64bits(&head, offsetof(struct disk_segment, checksum)));
    return write_all_at(fd, &head, sizeof head, 0);
}

static int adopt_log(int log_fd, uint64_t disk_id)
{
    DIR *directory = fdopendir(dup(log_fd));
    if (!directory) {
        return -errno;
    }
    int result = 0;
    for (struct dirent *entry; !result && (entry = readdir(directory));) {
        if (entry->d_name[0] != '.') {
            result = adopt_segment(log_fd, entry->d_name, disk_id);
        }
    }
    (void)closedir(directory); /* only read */
    return result;
}

static int run_adopt(const char *path, const char *identity_path)
{
    struct {
        struct disk_file head;
        struct disk_identity identity;
    } __attribute__((packed)) file;
    AUTO_CLOSE int root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE int log_fd = openat(root_fd, DISK_DIRECTORY "/log", O_RDONLY | O_DIRECTORY);
    AUTO_CLOSE int from_fd = open(identity_path, O_RDONLY | O_CLOEXEC);
    AUTO_CLOSE int to_fd = openat(root_fd, DISK_DIRECTORY "/identity", O_WRONLY | O_CLOEXEC);
    if (log_fd < 0 || to_fd < 0 || from_fd < 0 ||
        read(from_fd, &file, sizeof file) != sizeof file) {
        perror("scale: adopt");
        return 1;
    }
    int result = write_all_at(to_fd, &file, sizeof file, 0);
    if (!result) {
        result = adopt_log(log_fd, be64toh(file.identity.disk_id));
    }
    if (result) {
        fprintf(stderr, "scale: %s: %s\n", path, error_text(result));
    }
    return result != 0;
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "fill") == 0) {
        return run_fill(argv[2], (uint32_t)atoi(argv[3]), (uint32_t)atoi(argv[4]),
                        (uint32_t)atoi(argv[5]));
    }
    if (argc == 4 && strcmp(argv[1], "adopt") == 0) {
        return run_adopt(argv[2], argv[3]);
    }
    fprintf(stderr, "usage: %s fill BRICK FILES DIRECTORIES BIG | adopt BRICK IDENTITY\n", argv[0]);
    return 2;
}
