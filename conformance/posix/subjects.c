/*
 * All subjects, in the order of subjects.list: one line SUBJECT(name) per file rules_<name>.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "conformance/posix/harness.h"

#define SUBJECT(name) extern const struct subject subject_##name;
#include "conformance/posix/subjects.list"
#undef SUBJECT

#define SUBJECT(name) &subject_##name,
const struct subject *const subjects[] = {
#include "conformance/posix/subjects.list"
};
#undef SUBJECT

const size_t subjects_count = sizeof subjects / sizeof subjects[0];

const struct rule *subjects_find(const char *subject, const char *rule)
{
    for (size_t i = 0; i < subjects_count; i++) {
        if (strcmp(subjects[i]->name, subject) != 0) {
            continue;
        }
        for (size_t k = 0; k < subjects[i]->count; k++) {
            if (strcmp(subjects[i]->rules[k].name, rule) == 0) {
                return &subjects[i]->rules[k];
            }
        }
    }
    return NULL;
}
