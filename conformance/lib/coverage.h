/*
 * The table of what a suite covers: procedure, status, and the cases that provoke it or the reason
 * why none can.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_CONFORMANCE_COVERAGE_H
#define TRIVET_CONFORMANCE_COVERAGE_H

#include "conformance/lib/suite.h"

/*
 * Print it as Markdown. A line of the file explained is "PROCEDURE STATUS text"; PROCEDURE may be *
 * for every one that lists the status.
 *
 * Fails: a status has neither case nor explanation, or both; or a declaration names a status that
 * the RFC does not list. It is then said on standard error.
 */
bool coverage_print(const struct suite *suite, const char *explained);

#endif
