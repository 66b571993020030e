/*
 * See refusal.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mgmt/refusal.h"

#include <stdarg.h>
#include <stdio.h>

int refuse(struct refusal *out_why, int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    /* A sentence that is cut is still a sentence to read; nothing else depends on its end. */
    (void)vsnprintf(out_why->text, sizeof(out_why->text), format, arguments);
    va_end(arguments);
    return status;
}
