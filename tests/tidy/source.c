/*
 * Loading the tree, and blanking what is not code.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "backend/base/check.h"
#include "tests/tidy/tidy.h"

/* Files of these folders are looked at, and the few in the root itself. */
static const char *const folders[] = {"backend", "frontends",   "gateway", "mgmt",
                                      "tests",   "conformance", "etc"};
static const char *const suffixes[] = {".c",     ".h", ".x", ".sh", ".awk", ".md",
                                       "README", ".8", ".1", ".5",  ".list"};

static struct tree *loading; /* nftw passes nothing on */

static char *copy_of(const char *bytes, size_t size)
{
    char *copy = malloc(size + 1);
    INVARIANT(copy != NULL);
    memcpy(copy, bytes, size);
    copy[size] = '\0';
    return copy;
}

static char *file_read(const char *path, size_t *out_size)
{
    FILE *file = fopen(path, "re");
    struct stat status;
    if (!file || fstat(fileno(file), &status) < 0) {
        perror(path);
        exit(2);
    }
    size_t size = (size_t)status.st_size;
    char *text = malloc(size + 1);
    INVARIANT(text != NULL);
    text[fread(text, 1, size, file)] = '\0'; /* less, if it is being written just now */
    (void)fclose(file);                      /* it was only read */
    *out_size = strlen(text);
    return text;
}

static void blank(char *code, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (code[i] != '\n') {
            code[i] = ' ';
        }
    }
}

/* The end of what begins at offset: behind the closing quote, or the end of the line. */
static size_t quoted_end(const char *text, size_t offset)
{
    char quote = text[offset];
    size_t i = offset + 1;
    while (text[i] && text[i] != quote && text[i] != '\n') {
        i += text[i] == '\\' && text[i + 1] ? 2 : 1;
    }
    return text[i] == quote ? i + 1 : i;
}

/* Line comments stay: they are a finding. */
static char *code_of(const char *text, size_t size)
{
    char *code = copy_of(text, size);
    size_t i = 0;
    while (i < size) {
        if (text[i] == '/' && text[i + 1] == '*') {
            const char *close = strstr(text + i + 2, "*/");
            size_t end = close ? (size_t)(close - text) + 2 : size;
            blank(code, i, end);
            i = end;
        } else if (text[i] == '"' || text[i] == '\'') {
            size_t end = quoted_end(text, i);
            blank(code, i + 1, end > i + 1 ? end - 1 : end);
            i = end;
        } else {
            i++;
        }
    }
    return code;
}

static void tree_add(struct tree *tree, const char *path, const char *path_in_tree)
{
    struct source *sources = realloc(tree->sources, (tree->count + 1) * sizeof *sources);
    INVARIANT(sources != NULL);
    tree->sources = sources;
    struct source *source = &sources[tree->count++];
    *source = (struct source){.path = copy_of(path_in_tree, strlen(path_in_tree))};
    source->text = file_read(path, &source->size);
    source->code = code_of(source->text, source->size);
}

static bool has_suffix(const char *path, const char *suffix)
{
    size_t size = strlen(path);
    size_t suffix_size = strlen(suffix);
    return size > suffix_size && strcmp(path + size - suffix_size, suffix) == 0;
}

static int visit(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)place;
    if (kind != FTW_F) {
        return 0;
    }
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        if (has_suffix(path, suffixes[i])) {
            tree_add(loading, path, path + strlen(loading->root) + 1);
            return 0;
        }
    }
    return 0;
}

static int source_compare(const void *a, const void *b)
{
    return strcmp(((const struct source *)a)->path, ((const struct source *)b)->path);
}

void tree_load(struct tree *tree, const char *root)
{
    tree->root = root;
    loading = tree;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/%s", root, folders[i]);
        (void)nftw(path, visit, 16, FTW_PHYS); /* a folder may be missing */
    }
    if (tree->count == 0) {
        fprintf(stderr, "tidy: %s has no sources: give the root of the tree\n", root);
        exit(2);
    }
    qsort(tree->sources, tree->count, sizeof *tree->sources, source_compare);
}

void tree_free(struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        free(tree->sources[i].path);
        free(tree->sources[i].text);
        free(tree->sources[i].code);
    }
    free(tree->sources);
    tree->sources = NULL;
}

struct source *tree_find(const struct tree *tree, const char *path)
{
    for (size_t i = 0; i < tree->count; i++) {
        if (strcmp(tree->sources[i].path, path) == 0) {
            return &tree->sources[i];
        }
    }
    return NULL;
}

bool source_has_suffix(const struct source *source, const char *suffix)
{
    return has_suffix(source->path, suffix);
}

bool source_is_below(const struct source *source, const char *folder)
{
    return strncmp(source->path, folder, strlen(folder)) == 0;
}

bool source_is_c(const struct source *source)
{
    return source_has_suffix(source, ".c") || source_has_suffix(source, ".h");
}

unsigned source_line(const struct source *source, size_t offset)
{
    unsigned line = 1;
    for (size_t i = 0; i < offset && i < source->size; i++) {
        line += source->text[i] == '\n';
    }
    return line;
}

static bool is_word_byte(char byte)
{
    return isalnum((unsigned char)byte) || byte == '_';
}

long word_find(const char *code, const char *word, size_t offset)
{
    size_t size = strlen(word);
    for (const char *at = strstr(code + offset, word); at; at = strstr(at + 1, word)) {
        if ((at == code || !is_word_byte(at[-1])) && !is_word_byte(at[size])) {
            return at - code;
        }
    }
    return -1;
}

void find(struct tree *tree, const char *path, unsigned line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("%s:%u: ", path, line);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    tree->findings++;
}
