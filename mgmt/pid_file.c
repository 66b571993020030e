/*
 * See pid_file.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mgmt/pid_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>

#include "backend/base/errors.h"
#include "backend/base/scope.h"

#define BOOT_ID_SIZE 36

static int text_read(const char *path, char *out_text, size_t size)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    ssize_t count = read(fd, out_text, size - 1);
    if (count < 0) {
        return -errno;
    }
    out_text[count] = '\0';
    return 0;
}

static int boot_id(char out_id[BOOT_ID_SIZE + 1])
{
    int status = text_read("/proc/sys/kernel/random/boot_id", out_id, BOOT_ID_SIZE + 1);
    return status == 0 && strlen(out_id) == BOOT_ID_SIZE ? 0 : -ESRCH;
}

/* When the process was started, in clock ticks since boot: field 22 of /proc/PID/stat (proc(5)). */
static int start_time(pid_t pid, unsigned long long *out_time)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    char text[1024];
    if (text_read(path, text, sizeof(text))) {
        return -ESRCH;
    }
    /* The second field is the program's name in parentheses and may contain anything. */
    const char *field = strrchr(text, ')');
    for (int number = 2; field && number < 22; number++) {
        field = strchr(field + 1, ' ');
    }
    return field && sscanf(field, "%llu", out_time) == 1 ? 0 : -ESRCH;
}

int pid_file_write(const char *path, pid_t pid)
{
    unsigned long long time;
    char boot[BOOT_ID_SIZE + 1];
    if (start_time(pid, &time) || boot_id(boot)) {
        return -ESRCH;
    }
    char text[128];
    int size = snprintf(text, sizeof(text), "%d %llu %s\n", (int)pid, time, boot);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        return -errno;
    }
    ssize_t written = write(fd, text, (size_t)size);
    return written == size ? 0 : written < 0 ? -errno : -ENOSPC;
}

int pid_file_open_process(const char *path, pid_t *out_pid, int *out_pidfd)
{
    char text[128];
    char boot[BOOT_ID_SIZE + 1];
    char named_boot[BOOT_ID_SIZE + 1];
    unsigned long long named_time;
    int pid;
    if (text_read(path, text, sizeof(text)) || boot_id(boot) ||
        sscanf(text, "%d %llu %36s", &pid, &named_time, named_boot) != 3 || pid <= 0 ||
        strcmp(boot, named_boot) != 0) {
        return -ESRCH;
    }
    /* The descriptor first: what the start time is then read of is the process it stands for. */
    AUTO_CLOSE int pidfd = pidfd_open(pid, 0);
    unsigned long long time;
    if (pidfd < 0 || start_time(pid, &time) || time != named_time) {
        return -ESRCH;
    }
    *out_pid = pid;
    *out_pidfd = TAKE_FD(pidfd);
    return 0;
}
