/*
 * Log lines. A line is built on the stack and leaves in one write(2), so lines of threads, and of
 * processes that append to one file, are never mixed.
 *
 * Text from other machines ends up in lines: control characters in it are replaced, so that nobody
 * can forge a line or drive a terminal.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/log.h"
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Longest line, newline included: beyond it a reader learns nothing more. */
#define LINE_SIZE_MAX 2048

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "ERROR",
    [LOG_LEVEL_WARN] = "WARN",
    [LOG_LEVEL_INFO] = "INFO",
    [LOG_LEVEL_DEBUG] = "DEBUG",
};

static char log_program[64] = "trivet";
static enum log_level log_lowest = LOG_LEVEL_INFO;

void log_open(const char *program, enum log_level level)
{
    (void)snprintf(log_program, sizeof log_program, "%s", program); /* a long name may be cut */
    log_lowest = level;
}

int log_level_parse(const char *text, enum log_level *out_level)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (strcasecmp(text, level_names[i]) == 0) {
            *out_level = (enum log_level)i;
            return 0;
        }
    }
    return -EINVAL;
}

/* What snprintf-like functions put into a buffer with room bytes, given what they returned. */
static size_t log_stored(int result, size_t room)
{
    if (result < 0) {
        return 0;
    }
    return (size_t)result < room ? (size_t)result : room - 1;
}

static size_t log_prefix(enum log_level level, char *line, size_t size)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
    struct tm utc;
    if (!gmtime_r(&now.tv_sec, &utc)) {
        memset(&utc, 0, sizeof utc);
    }
    int result =
        snprintf(line, size, "%04d-%02d-%02dT%02d:%02d:%02d.%06ldZ %s[%d] %s ", utc.tm_year + 1900,
                 utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                 now.tv_nsec / 1000, log_program, (int)getpid(), level_names[level]);
    return log_stored(result, size);
}

static void log_clean(char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte < 0x20 || byte == 0x7f) {
            text[i] = '?';
        }
    }
}

void log_write(enum log_level level, const char *format, ...)
{
    if (level > log_lowest) {
        return;
    }
    int saved_errno = errno; /* a log line between a call and its check must not change the check */
    char line[LINE_SIZE_MAX];
    size_t prefix = log_prefix(level, line, sizeof line - 1);
    size_t room = sizeof line - 1 - prefix;
    va_list arguments;
    va_start(arguments, format);
    size_t text = log_stored(vsnprintf(line + prefix, room, format, arguments), room);
    va_end(arguments);
    log_clean(line + prefix, text);
    line[prefix + text] = '\n';
    ssize_t written = write(STDERR_FILENO, line, prefix + text + 1);
    (void)written; /* there is nowhere left to say that the log is full */
    errno = saved_errno;
}
