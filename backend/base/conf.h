/*
 * Configuration files: INI, as libinih reads it, with errors that name file and line.
 *
 *     ; comment                 # comment, at the start of a line
 *     [section]
 *     key = value               ; comment behind a blank
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_BASE_CONF_H
#define TRIVET_BASE_CONF_H

#include <stddef.h>

/* Room that every message of conf_read fits in. */
#define CONF_ERROR_SIZE 512

struct conf_entry {
    const char *section; /* "" above the first section */
    const char *key;
    const char *value; /* blanks around it are gone; may be "" */
    unsigned line;
};

/* Takes one entry. On failure it returns a negative code and writes, without file and line, what is
 * wrong and what would be right. */
typedef int conf_take(void *context, const struct conf_entry *entry, char *error,
                      size_t error_size);

/*
 * Read the file at path and give each entry to take, in order, until one fails.
 *
 * Threads: one at a time in a process, as libinih's settings are global.
 * Fails:   -errno of opening and reading; -EINVAL for a malformed line; what take returned. error
 *          then says "path:line: …", in at most CONF_ERROR_SIZE bytes.
 */
int conf_read(const char *path, conf_take *take, void *context, char error[CONF_ERROR_SIZE]);

/*
 * Values. Fails: -EINVAL, with error as conf_take wants it; a number must be from min to max.
 *
 * Threads: any.
 */
int conf_number(const struct conf_entry *entry, unsigned long min, unsigned long max,
                unsigned long *out_number, char *error, size_t error_size);
/* yes, true, on, 1; no, false, off, 0. */
int conf_flag(const struct conf_entry *entry, int *out_flag, char *error, size_t error_size);

#endif
