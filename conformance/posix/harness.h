/*
 * What the program keeps to itself: subjects, running one rule in a process of its own, and the
 * list of rules that a kind of mount is known not to keep. Files of rules include posix.h only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_CONFORMANCE_POSIX_HARNESS_H
#define TRIVET_CONFORMANCE_POSIX_HARNESS_H

#include "conformance/posix/posix.h"

extern const struct subject *const subjects[];
extern const size_t subjects_count;

const struct rule *subjects_find(const char *subject, const char *rule);

/* Where the rules of one run lie: DIR/.posix-suite-<pid>. */
struct run {
    int fd;
    char path[4096];
    int clock_fd; /* a file whose times tell the file system's clock */
};

enum verdict_kind { VERDICT_PASSED, VERDICT_FAILED, VERDICT_NOT_APPLICABLE };

struct verdict {
    enum verdict_kind kind;
    char text[1024]; /* why, if not passed */
    double seconds;
};

enum { RULE_SECONDS = 30 };

/* 0 or -errno. */
int run_begin(struct run *run, const char *directory);
/* Run a rule in a child, on a fresh directory, for RULE_SECONDS at most; remove the directory. */
void run_rule(const struct run *run, const char *subject, const struct rule *rule,
              struct verdict *out_verdict);
int run_end(struct run *run);

/* In the child: where the macros of posix.h write to, and what pass_time() looks at. */
void posix_begin(int report_fd, int clock_fd);

/* ---- rules that a mount is known not to keep ------------------------------------------------- */

struct exception {
    char *rule; /* "subject.rule" */
    char *reason;
};

struct exceptions {
    struct exception *items;
    size_t count;
};

/* Lines "subject.rule  reason"; '#' and empty ones are passed over. 0, or -1 with a message. */
int exceptions_read(struct exceptions *exceptions, const char *path);
const struct exception *exceptions_find(const struct exceptions *exceptions, const char *subject,
                                        const char *rule);
void exceptions_release(struct exceptions *exceptions);

#endif
