/*
 * The written list of rules that a kind of mount cannot keep, each with its reason.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/posix/harness.h"

static int add(struct exceptions *exceptions, const char *rule, const char *reason)
{
    struct exception *items =
        reallocarray(exceptions->items, exceptions->count + 1, sizeof *exceptions->items);

    if (items == NULL) {
        return -1;
    }
    exceptions->items = items;
    struct exception *item = &items[exceptions->count];
    item->rule = strdup(rule);
    item->reason = strdup(reason);
    exceptions->count++;
    return item->rule != NULL && item->reason != NULL ? 0 : -1;
}

/* A line that names no rule, or gives no reason, is a mistake and not an exception. */
static int read_line(struct exceptions *exceptions, char *line, const char *path, int number)
{
    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '\0' || line[0] == '#') {
        return 0;
    }
    char *reason = line + strcspn(line, " \t");
    if (*reason != '\0') {
        *reason++ = '\0';
    }
    while (isspace((unsigned char)*reason)) {
        reason++;
    }
    char *dot = strchr(line, '.');
    if (dot == NULL || *reason == '\0') {
        fprintf(stderr, "%s:%d: want \"subject.rule  reason\"\n", path, number);
        return -1;
    }
    *dot = '\0';
    bool known = subjects_find(line, dot + 1) != NULL;
    *dot = '.';
    if (!known) {
        fprintf(stderr, "%s:%d: there is no rule %s\n", path, number, line);
        return -1;
    }
    return add(exceptions, line, reason);
}

int exceptions_read(struct exceptions *exceptions, const char *path)
{
    FILE *file = fopen(path, "re");
    char line[1024];
    int result = 0;

    if (file == NULL) {
        fprintf(stderr, "cannot read %s: %m\n", path);
        return -1;
    }
    for (int number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        if (read_line(exceptions, line, path, number) != 0) {
            result = -1;
        }
    }
    fclose(file);
    return result;
}

const struct exception *exceptions_find(const struct exceptions *exceptions, const char *subject,
                                        const char *rule)
{
    size_t length = strlen(subject);

    for (size_t i = 0; i < exceptions->count; i++) {
        const char *name = exceptions->items[i].rule;
        if (strncmp(name, subject, length) == 0 && name[length] == '.' &&
            strcmp(name + length + 1, rule) == 0) {
            return &exceptions->items[i];
        }
    }
    return NULL;
}

void exceptions_release(struct exceptions *exceptions)
{
    for (size_t i = 0; i < exceptions->count; i++) {
        free(exceptions->items[i].rule);
        free(exceptions->items[i].reason);
    }
    free(exceptions->items);
    *exceptions = (struct exceptions){0};
}
