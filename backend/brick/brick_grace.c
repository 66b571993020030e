/*
 * What an earlier process of this brick granted may still be in the caches of clients when the next
 * one leads, until the leases of their sessions have run out. A file beside the index says whether
 * anything was granted; a clean stop writes into it when that ends.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/brick/brick.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"

void brick_grace_begin(struct brick *brick, const char *directory)
{
    char text[32] = "";
    (void)snprintf(brick->granted_path, sizeof brick->granted_path, "%s/.trivet/granted",
                   directory);
    AUTO_CLOSE int fd = open(brick->granted_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return; /* nothing was ever granted here */
    }
    uint64_t now_ms = clock_monotonic_ns(clock_real()) / NS_PER_MS;
    const uint64_t most_ms = LEASE_CLIENT_WAIT_MS;
    uint64_t left_ms = most_ms; /* an empty file: that process did not stop by itself */
    if (read(fd, text, sizeof text - 1) > 0) {
        uint64_t until_ms = strtoull(text, NULL, 10);
        left_ms = until_ms > now_ms ? until_ms - now_ms : 0;
        left_ms = left_ms < most_ms ? left_ms : most_ms; /* of an earlier boot */
    }
    if (left_ms > 0) {
        replica_grace(brick->driver, (unsigned)left_ms);
    }
}

static void write_file(const char *path, const char *text, int size)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, (size_t)size) != size) {
        log_error("%s: %s", path, error_text(-errno));
    }
}

void brick_grace_mark(struct brick *brick)
{
    if (!atomic_exchange(&brick->granting, true)) {
        write_file(brick->granted_path, "", 0);
    }
}

void brick_grace_end(struct brick *brick)
{
    if (atomic_load(&brick->granting)) {
        char text[32];
        int size = snprintf(text, sizeof text, "%llu\n",
                            (unsigned long long)(clock_monotonic_ns(clock_real()) / NS_PER_MS +
                                                 LEASE_CLIENT_WAIT_MS));
        write_file(brick->granted_path, text, size);
    }
}
