/*
 * The end of a process that found itself wrong: one line to standard error, then abort.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/check.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void check_failed(const char *kind, const char *condition, const char *file, int line,
                  const char *function)
{
    /* write, not stdio: a lock of stdio may be held by the very thread that failed. */
    char text[512];
    int size = snprintf(text, sizeof text, "%s:%d: %s: %s failed: %s\n", file, line, function, kind,
                        condition);
    if (size >= (int)sizeof text) {
        size = (int)sizeof text - 1;
        text[size - 1] = '\n';
    }
    if (size > 0) {
        ssize_t written = write(STDERR_FILENO, text, (size_t)size);
        (void)written; /* the process ends either way */
    }
    abort();
}
