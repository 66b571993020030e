/*
 * Rules about lines and files as text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>
#include "tests/tidy/tidy.h"

#define COLUMNS_MAX 100
#define README_LINES_MAX 20

/* Characters, not bytes, of UTF-8. */
static size_t columns_of(const char *line, size_t size)
{
    size_t columns = 0;
    for (size_t i = 0; i < size; i++) {
        columns += ((unsigned char)line[i] & 0xc0) != 0x80;
    }
    return columns;
}

static void check_line(struct tree *tree, const struct source *source, unsigned number,
                       const char *line, size_t size)
{
    if (memchr(line, '\t', size)) {
        find(tree, source->path, number, "a tab; indent by 4 blanks");
    }
    if (size > 0 && line[size - 1] == ' ') {
        find(tree, source->path, number, "blanks at the end of the line");
    }
    size_t columns = columns_of(line, size);
    if (columns > COLUMNS_MAX) {
        find(tree, source->path, number, "%zu columns; at most %d", columns, COLUMNS_MAX);
    }
}

static void check_lines(struct tree *tree, const struct source *source)
{
    unsigned number = 1;
    for (const char *line = source->text; *line; number++) {
        size_t size = strcspn(line, "\n");
        check_line(tree, source, number, line, size);
        line += size + (line[size] == '\n');
    }
}

static void check_line_comments(struct tree *tree, const struct source *source)
{
    for (const char *at = strstr(source->code, "//"); at; at = strstr(at + 2, "//")) {
        find(tree, source->path, source_line(source, (size_t)(at - source->code)),
             "a line comment; write a block comment");
    }
}

static void check_leftovers(struct tree *tree, const struct source *source)
{
    /* In two parts each, so that they are not found here. */
    static const char *const words[] = {"TO"
                                        "DO",
                                        "FIX"
                                        "ME",
                                        "XX"
                                        "X"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        for (long at = word_find(source->text, words[i], 0); at >= 0;
             at = word_find(source->text, words[i], (size_t)at + 1)) {
            find(tree, source->path, source_line(source, (size_t)at), "%s is left over", words[i]);
        }
    }
}

static void check_licence(struct tree *tree, const struct source *source)
{
    bool is_program = source_is_c(source) || source_has_suffix(source, ".x") ||
                      source_has_suffix(source, ".sh") || source_has_suffix(source, ".awk");
    if (is_program && !strstr(source->text, "SPDX-License-Identifier: Apache-2.0")) {
        find(tree, source->path, 1, "no line \"SPDX-License-Identifier: Apache-2.0\"");
    }
}

/* Each folder with C files has a README, not longer than a screen. */
static void check_readme(struct tree *tree, const char *folder, size_t folder_size)
{
    static const char *const names[] = {"README", "README.md"};
    char path[512];
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%.*s/%s", (int)folder_size, folder, names[i]);
        const struct source *readme = tree_find(tree, path);
        if (readme) {
            unsigned lines = source_line(readme, readme->size) - 1;
            if (lines > README_LINES_MAX) {
                find(tree, path, lines, "%u lines; at most %d", lines, README_LINES_MAX);
            }
            return;
        }
    }
    find(tree, path, 1, "missing: a folder's README lists its files in reading order");
}

static void check_readmes(struct tree *tree)
{
    const char *last = "";
    size_t last_size = 0;
    for (size_t i = 0; i < tree->count; i++) {
        const char *path = tree->sources[i].path;
        if (!source_has_suffix(&tree->sources[i], ".c")) {
            continue;
        }
        /* the tests' folders are small: one README tells them all */
        bool is_test = source_is_below(&tree->sources[i], "tests/");
        size_t size = is_test ? strlen("tests") : (size_t)(strrchr(path, '/') - path);
        if (size != last_size || memcmp(path, last, size) != 0) {
            check_readme(tree, path, size);
        }
        last = path;
        last_size = size;
    }
}

void rules_text(struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        const struct source *source = &tree->sources[i];
        if (source_is_c(source)) {
            check_lines(tree, source);
        }
        if (source_is_c(source) || source_has_suffix(source, ".x")) {
            check_line_comments(tree, source);
        }
        check_leftovers(tree, source);
        check_licence(tree, source);
    }
    check_readmes(tree);
}
