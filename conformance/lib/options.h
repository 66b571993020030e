/*
 * The suites' command line.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_CONFORMANCE_OPTIONS_H
#define TRIVET_CONFORMANCE_OPTIONS_H

#include "conformance/lib/suite.h"

struct suite_command {
    bool does_list;
    const char *only;      /* cases whose names begin so; NULL: all */
    const char *explained; /* print the coverage, with this file of explanations */
};

/* Returns 0, 1 (nothing is left to do) or -1 (said why not). */
int options_parse(const char *name, int argc, char **argv, struct suite_options *out_options,
                  struct suite_command *out_command);

#endif
