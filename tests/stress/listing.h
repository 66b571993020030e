/*
 * Listing a directory while it changes: what has been seen, and the way by raw NFSv3 calls.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_STRESS_LISTING_H
#define TRIVET_TESTS_STRESS_LISTING_H

#include <stdbool.h>
#include <stdint.h>

#define LISTED_DIRECTORY "many"

/* One entry; called in the order of the listing. */
void listing_saw(const char *name, uint64_t inode);

/* List LISTED_DIRECTORY of nfs://HOST/EXPORT by READDIR or READDIRPLUS, each answer from the cookie
 * that the one before ended with. A connection that breaks is made again, as a kernel's client
 * would. Ends the process if that does not help. */
void listing_nfs(const char *url, bool plus);

#endif
