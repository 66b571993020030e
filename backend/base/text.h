/*
 * Copying text into a place of known size.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_BASE_TEXT_H
#define TRIVET_BASE_TEXT_H

#include <string.h>
#include "backend/base/check.h"

/* Copy from, which the caller has checked to fit into size bytes with its NUL. */
static inline void text_copy(char *to, size_t size, const char *from)
{
    size_t length = strlen(from);
    PRE(length < size);
    memcpy(to, from, length + 1);
}

#endif
