/*
 * Rules of making and removing directories.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <unistd.h>

#include "conformance/posix/posix.h"

static void makes_an_empty_directory(struct place *place)
{
    MUST(mkdirat(place->fd, "d", 0755));
    HOLDS(S_ISDIR(look(place, "d").st_mode));
    EQUAL(count_entries(place, "d"), 0);
}

static const struct rule rules[] = {
    {"empty", "a new directory is a directory without entries", "POSIX mkdir, DESCRIPTION",
     makes_an_empty_directory},
};

const struct subject subject_mkdir = {"mkdir", rules, sizeof rules / sizeof rules[0]};
