/*
 * Pid files that cannot name the wrong process: "<pid> <start time> <boot id>".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_MGMT_PID_FILE_H
#define TRIVET_MGMT_PID_FILE_H

#include <sys/types.h>

/* Write path for the living process pid. Fails: -ESRCH, -ENOSPC … */
int pid_file_write(const char *path, pid_t pid);

/*
 * Open the process that path names, if it lives.
 *
 * Owns:  *out_pidfd is the caller's.
 * Fails: -ESRCH: there is no such file, it cannot be read, or the process is gone.
 */
int pid_file_open_process(const char *path, pid_t *out_pid, int *out_pidfd);

#endif
