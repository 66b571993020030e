/*
 * What the rules about directories share: files by number, and each seen once in a listing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_CONFORMANCE_POSIX_LISTING_H
#define TRIVET_CONFORMANCE_POSIX_LISTING_H

#include <dirent.h>
#include "conformance/posix/posix.h"

/* Empty files f0, f1, … */
void make_files(const struct place *place, int count);
DIR *listing_open(const struct place *place, const char *name);
/* The next entry other than dot and dot-dot, or NULL at the end. */
struct dirent *listing_next(DIR *stream);
/* Mark "f<number>" as seen; other names are passed over. Each may come once. */
void listing_note(bool *seen, int count, const char *name);
int listing_count(const bool *seen, int count);
/* Read to the end: each of f0 … is there once. */
void listing_check(DIR *stream, int count);

#endif
