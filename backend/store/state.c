/*
 * See state.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/store/state.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/store/durable.h"

#define STATE_NAME "state"

int boot_id_read(char out_id[BOOT_ID_SIZE])
{
    AUTO_CLOSE int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    memset(out_id, 0, BOOT_ID_SIZE);
    ssize_t got = read(fd, out_id, BOOT_ID_SIZE - 1);
    if (got <= 0) {
        return got < 0 ? -errno : -EIO;
    }
    return 0;
}

int state_format(int directory_fd)
{
    AUTO_FREE struct disk_state *state = calloc(1, sizeof *state);
    if (!state) {
        return -ENOMEM;
    }
    state->magic = STATE_MAGIC;
    state->version = STATE_VERSION;
    state->size = sizeof *state;
    AUTO_CLOSE int fd = openat(directory_fd, STATE_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    return write_all_at(fd, state, sizeof *state, 0);
}

int state_open(int directory_fd, struct disk_state **out_state)
{
    AUTO_CLOSE int fd = openat(directory_fd, STATE_NAME, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status)) {
        return errno == ENOENT ? -E_CORRUPT : -errno;
    }
    if (status.st_size != sizeof(struct disk_state)) {
        return -E_CORRUPT;
    }
    struct disk_state *state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (state == MAP_FAILED) {
        return -errno;
    }
    if (state->magic != STATE_MAGIC || state->version != STATE_VERSION ||
        state->size != sizeof *state || state->handle_count > STATE_HANDLES) {
        state_close(state);
        return -E_CORRUPT;
    }
    *out_state = state;
    return 0;
}

void state_close(struct disk_state *state)
{
    if (state) {
        (void)munmap(state, sizeof *state); /* fails only for what was never mapped */
    }
}
