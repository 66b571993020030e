/*
 * Memory for what a case works with: given back all at once when the case has ended, however it
 * ended.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_CONFORMANCE_KEEP_H
#define TRIVET_CONFORMANCE_KEEP_H

#include <stddef.h>
#include <stdint.h>
#include <nfsc/libnfs-zdr.h>

/* Zeroed. Ends the process if there is none. */
void *keep_new(size_t size);
void *keep_copy(const void *bytes, size_t size);

/* A result of result_size bytes from its form on the wire. NULL: that is not its form. */
void *keep_decode(zdrproc_t proc, size_t result_size, const void *bytes, size_t size);

/* A copy of a result of libnfs's, which is gone when its callback returns. NULL: too large. */
void *keep_result(zdrproc_t proc, size_t result_size, void *result);

void keep_end(void);

#endif
