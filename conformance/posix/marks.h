/*
 * Which times a call has marked: mtime, ctime, both or none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_CONFORMANCE_POSIX_MARKS_H
#define TRIVET_CONFORMANCE_POSIX_MARKS_H

#include "conformance/posix/posix.h"

/* "dir" with "dir/file" in it, which has content and is open to all. */
void make_marked(struct place *place);
/* What an object has now; a change behind that gets another time. */
struct stat before_mark(struct place *place, const char *name);
/* Times since before: those in marked must be later, the others the same; "m" is mtime, "c" ctime.
 */
void check_marks(struct stat now, struct stat before, const char *marked);
void check_marked(struct place *place, const char *name, struct stat before, const char *marked);

#endif
