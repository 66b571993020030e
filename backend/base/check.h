/*
 * Checks of our own mistakes. They stay on in every build; what came from a wire or a disk is never
 * checked with these but returned as an error.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_BASE_CHECK_H
#define TRIVET_BASE_CHECK_H

/* Print the failed condition and where it stands, flush, abort. */
void check_failed(const char *kind, const char *condition, const char *file, int line,
                  const char *function) __attribute__((noreturn, cold));

#define CHECK_(kind, condition)                                                                    \
    (__builtin_expect(!!(condition), 1)                                                            \
         ? (void)0                                                                                 \
         : check_failed(kind, #condition, __FILE__, __LINE__, __func__))

#define PRE(condition) CHECK_("precondition", condition)
#define POST(condition) CHECK_("postcondition", condition)
#define INVARIANT(condition) CHECK_("invariant", condition)
#define UNREACHABLE() check_failed("unreachable", "reached", __FILE__, __LINE__, __func__)

#endif
