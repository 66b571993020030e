/*
 * ACLs for tests, in the form of proto/acl.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_ACL_SAMPLE_H
#define TRIVET_TESTS_ACL_SAMPLE_H

#include "backend/base/random.h"
#include "backend/proto/acl.h"

/* Entries as getfacl prints them in short: "u::rwx,u:5:r--,g::r-x,m::rwx,o::---". Aborts on any
 * other text. Returns the size. */
size_t acl_text(const char *text, uint8_t out_acl[ACL_SIZE_MAX]);

/* A good one, mostly; a few for nobody but the three of a mode, seldom one without entries. Ids are
 * 0 to 4. Returns the size. */
size_t acl_random(struct random_sequence *random, uint8_t out_acl[ACL_SIZE_MAX]);

#endif
