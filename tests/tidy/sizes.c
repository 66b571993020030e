/*
 * The table of sizes: by folder, and the longest functions and files. For information.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>
#include "tests/tidy/tidy.h"

#define FUNCTION_LINES_MAX 70
#define FILE_LINES_MAX 600

struct sizes {
    unsigned files;
    unsigned functions;
    unsigned lines;
    unsigned code_lines;
    unsigned comment_lines;
    unsigned longest_function;
};

static bool is_blank(const char *line, size_t size)
{
    return strspn(line, " \t") >= size;
}

static void function_ends(const struct source *source, unsigned number, unsigned size,
                          struct sizes *sizes)
{
    sizes->functions++;
    if (size > sizes->longest_function) {
        sizes->longest_function = size;
    }
    if (size > FUNCTION_LINES_MAX) {
        printf("note: %s:%u: the function that ends here has %u lines\n", source->path, number,
               size);
    }
}

/* A function's braces stand alone in the first column; what is not code has been blanked. */
static void source_measure(const struct source *source, struct sizes *sizes)
{
    unsigned begin = 0;
    unsigned number = 1;
    const char *text = source->text;
    const char *code = source->code;
    sizes->files++;
    for (; *text; number++) {
        size_t size = strcspn(text, "\n");
        bool has_code = !is_blank(code, size);
        sizes->lines++;
        sizes->code_lines += has_code;
        sizes->comment_lines += !has_code && !is_blank(text, size);
        if (size == 1 && code[0] == '{') {
            begin = number;
        } else if (size == 1 && code[0] == '}' && begin) {
            function_ends(source, number, number - begin - 1, sizes);
            begin = 0;
        }
        text += size + (text[size] == '\n');
        code += size + (code[size] == '\n');
    }
    if (number - 1 > FILE_LINES_MAX) {
        printf("note: %s has %u lines\n", source->path, number - 1);
    }
}

static void sizes_row(const char *folder, size_t folder_size, const struct sizes *sizes)
{
    unsigned written = sizes->code_lines + sizes->comment_lines;
    printf("%-20.*s %5u %9u %7u %7u %8u%% %7u %9u\n", (int)folder_size, folder, sizes->files,
           sizes->functions, sizes->lines, sizes->code_lines,
           written ? 100 * sizes->comment_lines / written : 0,
           sizes->functions ? sizes->code_lines / sizes->functions : 0, sizes->longest_function);
}

static void sizes_sum(struct sizes *total, const struct sizes *part)
{
    total->files += part->files;
    total->functions += part->functions;
    total->lines += part->lines;
    total->code_lines += part->code_lines;
    total->comment_lines += part->comment_lines;
    if (part->longest_function > total->longest_function) {
        total->longest_function = part->longest_function;
    }
}

void sizes_print(const struct tree *tree)
{
    struct sizes total = {0};
    struct sizes sizes = {0};
    const char *folder = NULL;
    size_t folder_size = 0;
    printf("%-20s %5s %9s %7s %7s %9s %7s %9s\n", "folder", "files", "functions", "lines", "code",
           "comments", "average", "longest");
    for (size_t i = 0; i < tree->count; i++) {
        const struct source *source = &tree->sources[i];
        if (!source_is_c(source)) {
            continue;
        }
        size_t size = (size_t)(strrchr(source->path, '/') - source->path);
        if (folder && (size != folder_size || memcmp(folder, source->path, size) != 0)) {
            sizes_row(folder, folder_size, &sizes);
            sizes_sum(&total, &sizes);
            sizes = (struct sizes){0};
        }
        folder = source->path;
        folder_size = size;
        source_measure(source, &sizes);
    }
    if (folder) {
        sizes_row(folder, folder_size, &sizes);
        sizes_sum(&total, &sizes);
    }
    sizes_row("all", 3, &total);
}
