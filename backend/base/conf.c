/*
 * Configuration files. libinih cuts long lines and section names silently and, as Debian builds it,
 * does not say on which line an entry stands; so it reads through a function of ours that counts
 * and refuses.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/conf.h"
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "backend/base/scope.h"

/* Longest line: a path of 4095 bytes and as much again. */
#define LINE_SIZE_MAX 8192
/* Longest section name: libinih keeps 50 bytes of it, its NUL included. */
#define SECTION_SIZE_MAX 49
/* Room for the reason in a message beside path and line. */
#define REASON_SIZE 256

struct conf_reading {
    FILE *file;
    conf_take *take;
    void *context;
    unsigned line;
    int status; /* the first failure */
    unsigned failed_line;
    char reason[REASON_SIZE];
};

static void scope_fclose(FILE **file)
{
    if (*file) {
        (void)fclose(*file); /* it was only read */
    }
}

static void conf_fail(struct conf_reading *reading, int status, const char *reason)
{
    reading->status = status;
    reading->failed_line = reading->line;
    if (reason) {
        (void)snprintf(reading->reason, sizeof reading->reason, "%s", reason);
    }
}

static int section_is_too_long(const char *line)
{
    line += strspn(line, " \t");
    return *line == '[' && strcspn(line + 1, "]") > SECTION_SIZE_MAX;
}

/* libinih's reader: fgets, and NULL at the end or once something failed. */
static char *conf_next_line(char *text, int size, void *stream)
{
    struct conf_reading *reading = stream;
    if (reading->status || !fgets(text, size, reading->file)) {
        return NULL;
    }
    reading->line++;
    if (!strchr(text, '\n') && !feof(reading->file)) {
        conf_fail(reading, -EINVAL, "the line is too long or has a NUL in it");
        return NULL;
    }
    if (section_is_too_long(text)) {
        conf_fail(reading, -EINVAL, "the section's name is longer than 49 bytes");
        return NULL;
    }
    return text;
}

/* libinih's handler: not 0 for "go on". */
static int conf_on_entry(void *user, const char *section, const char *key, const char *value)
{
    struct conf_reading *reading = user;
    if (reading->status) {
        return 1;
    }
    struct conf_entry entry = {
        .section = section,
        .key = key,
        .value = value ? value : "",
        .line = reading->line,
    };
    int status = reading->take(reading->context, &entry, reading->reason, sizeof reading->reason);
    if (status) {
        conf_fail(reading, status, NULL);
    }
    return 1;
}

int conf_read(const char *path, conf_take *take, void *context, char error[CONF_ERROR_SIZE])
{
    __attribute__((cleanup(scope_fclose))) FILE *file = fopen(path, "re");
    if (!file) {
        int status = -errno;
        (void)snprintf(error, CONF_ERROR_SIZE, "%.200s: %s", path, strerrordesc_np(-status));
        return status;
    }
    struct conf_reading reading = {
        .file = file,
        .take = take,
        .context = context,
        .reason = "this key or value is not accepted",
    };
    ini_max_line = LINE_SIZE_MAX;
    ini_allow_multiline = false; /* an indented line is an entry of its own, not more of a value */
    int malformed = ini_parse_stream(conf_next_line, &reading, conf_on_entry, &reading);
    if (ferror(file)) {
        (void)snprintf(error, CONF_ERROR_SIZE, "%.200s: cannot be read", path);
        return -EIO;
    }
    if (malformed > 0 && (!reading.status || (unsigned)malformed < reading.failed_line)) {
        (void)snprintf(
            error, CONF_ERROR_SIZE,
            "%.200s:%d: the line is neither \"key = value\", \"[section]\" nor a comment", path,
            malformed);
        return -EINVAL;
    }
    if (malformed < 0 && !reading.status) {
        (void)snprintf(error, CONF_ERROR_SIZE, "%.200s: not enough memory", path);
        return -ENOMEM;
    }
    if (reading.status) {
        (void)snprintf(error, CONF_ERROR_SIZE, "%.200s:%u: %s", path, reading.failed_line,
                       reading.reason);
    }
    return reading.status;
}

int conf_number(const struct conf_entry *entry, unsigned long min, unsigned long max,
                unsigned long *out_number, char *error, size_t error_size)
{
    char *end = NULL;
    errno = 0;
    unsigned long number = strtoul(entry->value, &end, 10);
    int is_digits = entry->value[0] >= '0' && entry->value[0] <= '9' && *end == '\0';
    if (!is_digits || errno || number < min || number > max) {
        (void)snprintf(error, error_size, "%.60s must be a number from %lu to %lu, not \"%.60s\"",
                       entry->key, min, max, entry->value);
        return -EINVAL;
    }
    *out_number = number;
    return 0;
}

int conf_flag(const struct conf_entry *entry, int *out_flag, char *error, size_t error_size)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(entry->value, words[i]) == 0) {
            *out_flag = (int)(i % 2);
            return 0;
        }
    }
    (void)snprintf(error, error_size, "%.60s must be yes or no, not \"%.60s\"", entry->key,
                   entry->value);
    return -EINVAL;
}
