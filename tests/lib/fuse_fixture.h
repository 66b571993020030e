/*
 * A mount for tests: a child process that serves a volume through the real kernel, in a mount name
 * space of the test, with a watchdog. Whatever happens, mount and child are gone at the end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_LIB_FUSE_FIXTURE_H
#define TRIVET_TESTS_LIB_FUSE_FIXTURE_H

#include <stdbool.h>
#include <sys/types.h>

struct volume;

/* Empty directories below a temporary one: a tree to serve, and a place to mount on. */
extern char fuse_tree[80], fuse_mount_point[80];
/* The child that serves, 0 if none. */
extern pid_t fuse_server;

/* NULL, or why there can be no mount here. */
const char *fuse_reason_to_skip(void);
/* Make the directories and set the watchdog, which ends the test. Fails with errno. */
bool fuse_work_begin(unsigned watchdog_seconds);
void fuse_work_end(void);

/* Serve what open_volume opens by name; true when it is mounted. */
bool fuse_server_start(int (*open_volume)(const char *name, struct volume **out_volume),
                       const char *name);
/* Wait for the server's end. True if it came by itself, with exit status 0. */
bool fuse_server_ended(void);
/* Unmount and end the server, whatever state they are in. Returns 0, for CUnit. */
int fuse_server_clean(void);
bool fuse_is_mounted(void);

/* The exit status of a child (128 + signal) if it ends within timeout_ms, else -1. */
int fuse_child_wait(pid_t child, unsigned timeout_ms);

/* A path below the mount point; one of eight buffers in turn. */
const char *fuse_at(const char *name);

#endif
