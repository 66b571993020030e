/*
 * The parts of tidy: a tree of sources, the rules that walk it, and what they find.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_TIDY_H
#define TRIVET_TESTS_TIDY_H

#include <stdbool.h>
#include <stddef.h>

struct source {
    char *path; /* from the root of the tree, such as "backend/base/log.c" */
    char *text;
    char *code; /* text with comments, and what is in quotes, as blanks; same size and lines */
    size_t size;
    bool is_included; /* some file includes it: set by rules_include */
};

struct tree {
    const char *root;
    const char *programs; /* folder of the built programs, or NULL */
    struct source *sources;
    size_t count;
    unsigned findings;
};

/* ---- source.c */

/* Read every file that rules look at. Ends the process if the root cannot be read. */
void tree_load(struct tree *tree, const char *root);
void tree_free(struct tree *tree);
/* NULL if there is none. */
struct source *tree_find(const struct tree *tree, const char *path);

bool source_has_suffix(const struct source *source, const char *suffix);
bool source_is_below(const struct source *source, const char *folder);
bool source_is_c(const struct source *source); /* .c or .h */
/* Number of the line, from 1, on which offset is. */
unsigned source_line(const struct source *source, size_t offset);

/* Where word stands in code as a whole word, from offset on; -1 if nowhere. */
long word_find(const char *code, const char *word, size_t offset);

/* Print "path:line: text" and count it. */
void find(struct tree *tree, const char *path, unsigned line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- the rules, each file a group */

void rules_text(struct tree *tree);
void rules_include(struct tree *tree);
void rules_code(struct tree *tree);
void rules_options(struct tree *tree);
/* Not a rule: sizes, for information. */
void sizes_print(const struct tree *tree);

#endif
