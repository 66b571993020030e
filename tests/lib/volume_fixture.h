/*
 * The same suite of tests over every volume that needs no daemon: the one in memory, and a plain
 * directory (which needs root, and a file system with handles).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_LIB_VOLUME_FIXTURE_H
#define TRIVET_TESTS_LIB_VOLUME_FIXTURE_H

#include <CUnit/Basic.h>
#include "gateway/volume.h"

/* The one that is tested now. */
extern struct volume *volume;

extern const struct cred root, alice, bob;

/* A directory of its own for each test, which anybody may write to. */
struct gfid make_place(const char *name);
struct attr make_file(const struct gfid *place, const char *name, const struct cred *cred,
                      uint32_t mode);

/* For main: run tests, an array that ends with CU_TEST_INFO_NULL, over each. Returns the exit
 * status. */
int volume_fixture_run(const CU_TestInfo *tests);

#endif
