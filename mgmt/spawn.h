/*
 * Starting other programs: with nothing inherited but what is named here, in a session of their
 * own, so that they outlive trivetd and a Ctrl-C at its terminal.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_MGMT_SPAWN_H
#define TRIVET_MGMT_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

#include "mgmt/refusal.h"

/*
 * Start arguments[0] (a path) with standard input from nowhere and both outputs to output. Signals
 * are as at login, no other descriptor is inherited.
 *
 * Owns:  *out_pidfd is the caller's, who must also waitid for the process.
 * Fails: -ENOENT, -EACCES … as execve.
 */
int spawn(const char *const *arguments, int output, pid_t *out_pid, int *out_pidfd);

/*
 * Run a program to its end, bounded by timeout_ms, after which it is killed.
 *
 * Threads: one that may wait.
 * Fails:   -EREMOTEIO (it exited with another status than 0; out_why has the last line it wrote),
 *          -ETIMEDOUT; -ENOENT … as spawn.
 */
int spawn_and_wait(const char *const *arguments, unsigned timeout_ms, struct refusal *out_why);

/*
 * Find one of our programs: in directory or, if that is NULL, beside this program, then in PATH.
 *
 * Fails: -ENOENT; out_why says where was looked.
 */
int program_find(const char *directory, const char *name, char out_path[PATH_SIZE_MAX + 1],
                 struct refusal *out_why);

#endif
