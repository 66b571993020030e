/*
 * Why something was refused or failed: a sentence for the person who asked, which says what to do.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_MGMT_REFUSAL_H
#define TRIVET_MGMT_REFUSAL_H

#include "backend/proto/limits.h"

struct refusal {
    char text[REFUSAL_SIZE]; /* "" if there is nothing to say */
};

/*
 * Write the sentence (cut at REFUSAL_SIZE) and return status, so that callers can
 * return refuse(out_why, -EINVAL, …). A sentence once written is replaced.
 */
int refuse(struct refusal *out_why, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
