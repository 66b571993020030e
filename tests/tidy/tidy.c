/*
 * Tidy: the rules of the house that a program can check, over the whole tree. What it finds it
 * prints as "path:line: text", and it fails if it found something. Then it prints a table of sizes,
 * so that drift shows; sizes are a guide, not a rule.
 *
 * Usage: tidy [-q] [-p FOLDER] ROOT
 *     -q  without the table
 *     -p  where the programs are built; the options of those that are there are compared with
 *         their man pages
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <unistd.h>
#include "tests/tidy/tidy.h"

int main(int argc, char **argv)
{
    struct tree tree = {0};
    bool is_quiet = false;
    int option;
    while ((option = getopt(argc, argv, "p:q")) != -1) {
        if (option == 'p') {
            tree.programs = optarg;
        } else if (option == 'q') {
            is_quiet = true;
        } else {
            return 2;
        }
    }
    if (optind + 1 != argc) {
        fprintf(stderr, "usage: tidy [-q] [-p FOLDER] ROOT\n");
        return 2;
    }
    tree_load(&tree, argv[optind]);
    rules_text(&tree);
    rules_include(&tree);
    rules_code(&tree);
    rules_options(&tree);
    if (!is_quiet) {
        sizes_print(&tree);
    }
    printf("%zu files, %u findings\n", tree.count, tree.findings);
    unsigned findings = tree.findings;
    tree_free(&tree);
    return findings != 0;
}
