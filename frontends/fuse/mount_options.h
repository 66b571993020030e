/*
 * The command line of trivet-fuse, which is also what mount(8) gives a mount helper.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_FRONTENDS_FUSE_MOUNT_OPTIONS_H
#define TRIVET_FRONTENDS_FUSE_MOUNT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include "backend/base/log.h"
#include "backend/proto/limits.h"

struct mount_options {
    const char *volume;      /* as for volume_open */
    const char *mount_point; /* as given */
    bool help, version;
    bool foreground;           /* -f of trivet-fuse */
    bool fake;                 /* -f of mount(8): everything but the mount */
    bool sloppy;               /* -s of mount(8): unknown options are ignored */
    unsigned long mount_flags; /* MS_… */
    unsigned threads;
    long attribute_timeout_ms; /* -1: what the volume grants */
    long entry_timeout_ms;     /* -1: what the volume grants */
    unsigned wait_timeout_ms;  /* 0: for ever */
    enum log_level log_level;
    char log_file[PATH_SIZE_MAX + 1]; /* empty: by the mount point's name */
};

/*
 * Parse. The strings are those of argv. As mount.trivet (by argv[0])
 * the flag -f means fake, as mount(8) defines it.
 *
 * Fails: -EINVAL; out_error then says what is wrong.
 */
int mount_options_parse(int argc, char **argv, struct mount_options *out_options, char *out_error,
                        size_t size);

/* What --help prints. */
extern const char mount_options_help[];

#endif
