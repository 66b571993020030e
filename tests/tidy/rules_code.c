/*
 * Rules about code: calls that are banned, macros without control flow, bounds in .x files, limits
 * with reasons.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "tests/tidy/tidy.h"

static const struct ban {
    const char *name;
    const char *instead;
    bool in_tests; /* tests may not either */
} bans[] = {
    {"strcpy", "copy with a size: snprintf or memcpy", false},
    {"strcat", "copy with a size: snprintf", false},
    {"sprintf", "snprintf", false},
    {"vsprintf", "vsnprintf", true},
    {"gets", "fgets", true},
    {"strtok", "strsep or strtok_r", true},
    {"localtime", "gmtime_r", true},
    {"gmtime", "gmtime_r", true},
    {"asctime", "strftime", true},
    {"ctime", "strftime", true},
    {"alloca", "an array with a bound", true},
    {"tmpnam", "mkstemp", true},
    {"tempnam", "mkstemp", true},
    {"mktemp", "mkstemp", true},
    {"inet_ntoa", "inet_ntop", true},
    {"gethostbyname", "getaddrinfo", true},
    {"atoi", "conf_number or strtoul, which tell errors", false},
    {"atol", "conf_number or strtoul, which tell errors", false},
    {"rand", "backend/base/random.h", true},
    {"srand", "backend/base/random.h", true},
    {"system", "posix_spawn", false},
    {"popen", "posix_spawn", false},
    {"assert", "PRE, POST or INVARIANT, which stay on", true},
};

/* A call, not a member or a declaration's name that merely looks like one. */
static bool is_call(const char *code, size_t offset, const char *name)
{
    const char *behind = code + offset + strlen(name);
    behind += strspn(behind, " ");
    bool is_member = (offset >= 1 && code[offset - 1] == '.') ||
                     (offset >= 2 && code[offset - 1] == '>' && code[offset - 2] == '-');
    return *behind == '(' && !is_member;
}

static void check_bans(struct tree *tree, const struct source *source)
{
    bool is_test = source_is_below(source, "tests/") || source_is_below(source, "conformance/");
    for (size_t i = 0; i < sizeof bans / sizeof bans[0]; i++) {
        if (is_test && !bans[i].in_tests) {
            continue;
        }
        for (long at = word_find(source->code, bans[i].name, 0); at >= 0;
             at = word_find(source->code, bans[i].name, (size_t)at + 1)) {
            if (is_call(source->code, (size_t)at, bans[i].name)) {
                find(tree, source->path, source_line(source, (size_t)at), "%s is banned; use %s",
                     bans[i].name, bans[i].instead);
            }
        }
    }
}

/* The size of the logical line at text: a backslash before its end goes on. */
static size_t logical_size(const char *text)
{
    size_t size = strcspn(text, "\n");
    while (text[size] && size > 0 && text[size - 1] == '\\') {
        size += 1 + strcspn(text + size + 1, "\n");
    }
    return size;
}

static void check_macro(struct tree *tree, const struct source *source, size_t offset)
{
    static const char *const words[] = {"return", "goto", "break", "continue"};
    char body[16384];
    size_t size = logical_size(source->code + offset);
    size = size < sizeof body ? size : sizeof body - 1;
    memcpy(body, source->code + offset, size);
    body[size] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (word_find(body, words[i], 0) >= 0) {
            find(tree, source->path, source_line(source, offset), "%s in a macro", words[i]);
        }
    }
}

static void check_macros(struct tree *tree, const struct source *source)
{
    for (const char *at = strstr(source->code, "#define"); at; at = strstr(at + 1, "#define")) {
        check_macro(tree, source, (size_t)(at - source->code));
    }
}

static void check_typedefs(struct tree *tree, const struct source *source)
{
    static const char *const kinds[] = {"struct", "union", "enum"};
    for (long at = word_find(source->code, "typedef", 0); at >= 0;
         at = word_find(source->code, "typedef", (size_t)at + 1)) {
        const char *behind = source->code + at + strlen("typedef");
        behind += strspn(behind, " ");
        /* A function's type may be named, also one that gives or takes a struct. */
        size_t size = strcspn(behind, ";");
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
            if (strncmp(behind, kinds[i], strlen(kinds[i])) == 0 && !memchr(behind, '(', size)) {
                find(tree, source->path, source_line(source, (size_t)at), "a typedef of a %s",
                     kinds[i]);
            }
        }
    }
}

/* rpcgen makes "no limit" of "<>". */
static void check_bounds(struct tree *tree, const struct source *source)
{
    for (const char *at = strchr(source->code, '<'); at; at = strchr(at + 1, '<')) {
        if (at[1 + strspn(at + 1, " \t\n")] == '>') {
            find(tree, source->path, source_line(source, (size_t)(at - source->code)),
                 "<> is no bound");
        }
    }
}

/* Whether the reason of the limit on the line that begins at offset stands behind or above it, or
 * above the limits that it follows directly. */
static bool limit_has_reason(const char *text, size_t offset)
{
    size_t size = strcspn(text + offset, "\n");
    if (memmem(text + offset, size, "/*", 2)) {
        return true;
    }
    if (offset < 2) {
        return false;
    }
    size_t above = offset - 1;
    while (above > 0 && text[above - 1] != '\n') {
        above--;
    }
    size_t above_size = offset - 1 - above;
    if (strncmp(text + above, "#define ", 8) == 0) {
        return limit_has_reason(text, above);
    }
    return above_size >= 2 && memcmp(text + above + above_size - 2, "*/", 2) == 0;
}

static void check_limits(struct tree *tree)
{
    const struct source *source = tree_find(tree, "backend/proto/limits.h");
    if (!source) {
        return;
    }
    for (const char *at = strstr(source->code, "\n#define "); at;
         at = strstr(at + 1, "\n#define ")) {
        size_t offset = (size_t)(at - source->code) + 1;
        char name[128] = "";
        char value[128] = "";
        if (sscanf(at, "\n#define %127s%*[ ]%127[^\n]", name, value) != 2) {
            continue; /* the include guard has no value */
        }
        if (!limit_has_reason(source->text, offset)) {
            find(tree, source->path, source_line(source, offset), "%s has no reason above it",
                 name);
        }
    }
}

void rules_code(struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        const struct source *source = &tree->sources[i];
        bool is_test = source_is_below(source, "tests/") || source_is_below(source, "conformance/");
        if (source_is_c(source)) {
            check_bans(tree, source);
            check_typedefs(tree, source);
            if (!is_test) {
                check_macros(tree, source);
            }
        } else if (source_has_suffix(source, ".x")) {
            check_bounds(tree, source);
        }
    }
    check_limits(tree);
}
