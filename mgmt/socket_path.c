/*
 * Where trivetd's socket is; apart from the daemon, since the command line needs it too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "backend/base/errors.h"
#include "mgmt/daemon.h"

int daemon_socket_path(const char *run_dir, char *out_path, size_t size)
{
    int written = snprintf(out_path, size, "%s/trivetd.sock", run_dir);
    return written > 0 && (size_t)written < size ? 0 : -ENAMETOOLONG;
}
