/*
 * What a program's --help says and its man page must be the same options. The help is asked of the
 * program as built; what the man page defines is its list entries: ".It Fl -name" in mdoc, the line
 * behind ".TP" or on ".IP" in man.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/tidy/tidy.h"

#define OPTIONS_MAX 64
#define OPTION_SIZE 48

struct options {
    size_t count;
    char names[OPTIONS_MAX][OPTION_SIZE]; /* "--listen" */
};

static const struct {
    const char *source; /* the program's main */
    const char *program;
} programs[] = {
    {"backend/brick/trivet_brick", "trivet-brick"},
    {"frontends/fuse/trivet_fuse", "trivet-fuse"},
    {"gateway/trivet_gateway", "trivet-gateway"},
    {"mgmt/trivetd", "trivetd"},
    {"mgmt/trivet", "trivet"},
};

static bool options_have(const struct options *options, const char *name)
{
    for (size_t i = 0; i < options->count; i++) {
        if (strcmp(options->names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* Add every --name in a line. */
static void options_add(struct options *options, const char *line)
{
    for (const char *at = strstr(line, "--"); at; at = strstr(at + 2, "--")) {
        char name[OPTION_SIZE] = "--";
        size_t size = 2;
        while ((isalnum((unsigned char)at[size]) || at[size] == '-') && size < OPTION_SIZE - 1) {
            name[size] = at[size];
            size++;
        }
        bool is_name = size > 2 && name[2] != '-' && (at == line || at[-1] != '-');
        if (is_name && options->count < OPTIONS_MAX && !options_have(options, name)) {
            memcpy(options->names[options->count++], name, sizeof name);
        }
    }
}

/* roff's "\-" is "-", mdoc's "Fl -name" is "--name", a font change is nothing. */
static void roff_plain(const char *line, size_t size, char *out_plain)
{
    for (size_t i = 0; i < size; i++) {
        if (line[i] == '\\' && i + 2 < size && line[i + 1] == 'f') {
            i += 2;
        } else if (line[i] == '\\' && i + 1 < size) {
            continue;
        } else if (size - i > 4 && strncmp(line + i, "Fl ", 3) == 0 &&
                   (line[i + 3] == '-' || line[i + 3] == '\\')) {
            *out_plain++ = '-';
            i += 2;
        } else {
            *out_plain++ = line[i];
        }
    }
    *out_plain = '\0';
}

static void options_of_page(const struct source *page, struct options *out_defined,
                            struct options *out_mentioned)
{
    bool is_entry = false; /* the line behind .TP */
    for (const char *line = page->text; *line;) {
        size_t size = strcspn(line, "\n");
        char plain[4096];
        if (size < sizeof plain / 2) {
            roff_plain(line, size, plain);
            options_add(out_mentioned, plain);
            if (is_entry || strncmp(line, ".It ", 4) == 0 || strncmp(line, ".IP ", 4) == 0) {
                options_add(out_defined, plain);
            }
        }
        is_entry = strncmp(line, ".TP", 3) == 0 || strncmp(line, ".TQ", 3) == 0;
        line += size + (line[size] == '\n');
    }
}

/* False if the program does not run. */
static bool options_of_help(const char *program, struct options *out_options)
{
    char command[1024];
    (void)snprintf(command, sizeof command, "'%s' --help 2>&1 </dev/null", program);
    FILE *help = popen(command, "re");
    if (!help) {
        return false;
    }
    char line[4096];
    while (fgets(line, sizeof line, help)) {
        options_add(out_options, line);
    }
    return pclose(help) == 0;
}

static const struct source *page_of(const struct tree *tree, const char *source)
{
    static const char *const suffixes[] = {"8", "1"};
    for (size_t i = 0; i < 2; i++) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s.%s", source, suffixes[i]);
        const struct source *page = tree_find(tree, path);
        if (page) {
            return page;
        }
    }
    return NULL;
}

static void compare(struct tree *tree, const char *program, const struct source *page,
                    const struct options *help)
{
    static struct options defined;
    static struct options mentioned;
    memset(&defined, 0, sizeof defined);
    memset(&mentioned, 0, sizeof mentioned);
    options_of_page(page, &defined, &mentioned);
    for (size_t i = 0; i < help->count; i++) {
        if (!options_have(&mentioned, help->names[i])) {
            find(tree, page->path, 1, "%s, which %s --help lists, is missing", help->names[i],
                 program);
        }
    }
    for (size_t i = 0; i < defined.count; i++) {
        if (!options_have(help, defined.names[i])) {
            find(tree, page->path, 1, "%s is missing from %s --help", defined.names[i], program);
        }
    }
}

void rules_options(struct tree *tree)
{
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s.c", programs[i].source);
        if (!tree_find(tree, path)) {
            continue;
        }
        const struct source *page = page_of(tree, programs[i].source);
        if (!page) {
            find(tree, path, 1, "%s has no man page beside it", programs[i].program);
            continue;
        }
        static struct options help;
        memset(&help, 0, sizeof help);
        (void)snprintf(path, sizeof path, "%s/%s", tree->programs ? tree->programs : "",
                       programs[i].program);
        if (!tree->programs || access(path, X_OK) != 0) {
            printf("note: %s is not built; its options are not compared\n", programs[i].program);
        } else if (!options_of_help(path, &help)) {
            find(tree, page->path, 1, "%s --help fails", programs[i].program);
        } else {
            compare(tree, programs[i].program, page, &help);
        }
    }
}
