/*
 * The log: one line an event, to standard error (which a supervisor redirects to a file).
 * Libraries do not log; the layer that decides does, once, and says what to do.
 *
 *     2026-11-20T13:12:01.123456Z trivet-brick[412] WARN brick gv0-1: lost the primary 127.0.0.1
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_BASE_LOG_H
#define TRIVET_BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Name the program and set the lowest level that is written. Call once, before threads start. */
void log_open(const char *program, enum log_level level);

/* Parse "error", "warn", "info" or "debug". Fails: -EINVAL. */
int log_level_parse(const char *text, enum log_level *out_level);

/* Write one line; a newline is added. Threads: any; lines are never mixed. */
void log_write(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
