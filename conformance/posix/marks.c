/*
 * Which times a call has marked.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>
#include "conformance/posix/marks.h"

void make_marked(struct place *place)
{
    make_dir(place, "dir", 0777);
    make_file(place, "dir/file", 0666, "content");
}

struct stat before_mark(struct place *place, const char *name)
{
    struct stat now = look(place, name);
    pass_time(place);
    return now;
}

static void check_mark(const char *what, int order, bool is_marked)
{
    char message[64];
    (void)snprintf(message, sizeof message, "the order of the new and the old %s", what);
    posix_equal(__FILE__, __LINE__, message, order, is_marked);
}

void check_marks(struct stat now, struct stat before, const char *marked)
{
    check_mark("mtime", compare_times(now.st_mtim, before.st_mtim), strchr(marked, 'm') != NULL);
    check_mark("ctime", compare_times(now.st_ctim, before.st_ctim), strchr(marked, 'c') != NULL);
}

void check_marked(struct place *place, const char *name, struct stat before, const char *marked)
{
    check_marks(look(place, name), before, marked);
}
