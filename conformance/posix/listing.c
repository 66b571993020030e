/*
 * Reading directories, and noting what came.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "conformance/posix/listing.h"

DIR *listing_open(const struct place *place, const char *name)
{
    DIR *stream = fdopendir(open_at(place, name, O_RDONLY | O_DIRECTORY));

    HOLDS(stream != NULL);
    return stream;
}

void make_files(const struct place *place, int count)
{
    char name[16];

    for (int i = 0; i < count; i++) {
        (void)snprintf(name, sizeof name, "f%d", i);
        MUST(close((int)MUST(openat(place->fd, name, O_WRONLY | O_CREAT | O_EXCL, 0666))));
    }
}

struct dirent *listing_next(DIR *stream)
{
    struct dirent *entry;

    errno = 0;
    while ((entry = readdir(stream)) != NULL &&
           (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)) {
    }
    EQUAL(errno, 0);
    return entry;
}

void listing_note(bool *seen, int count, const char *name)
{
    char *end;
    long number = name[0] == 'f' ? strtol(name + 1, &end, 10) : count;

    if (number >= count) {
        return;
    }
    HOLDS(!seen[number]);
    seen[number] = true;
}

int listing_count(const bool *seen, int count)
{
    int result = 0;

    for (int i = 0; i < count; i++) {
        result += seen[i];
    }
    return result;
}

void listing_check(DIR *stream, int count)
{
    bool *seen = calloc((size_t)count, sizeof *seen);
    struct dirent *entry;

    HOLDS(seen != NULL);
    while ((entry = listing_next(stream)) != NULL) {
        listing_note(seen, count, entry->d_name);
    }
    EQUAL(listing_count(seen, count), count);
    free(seen);
}
