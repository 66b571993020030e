/*
 * Rules about #include: arrows between layers point one way, a library is known to one layer, and
 * a header exists because another file includes it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/tidy/tidy.h"

#define TARGETS_MAX 8

/* Files whose path begins with from may include files whose path begins with one of to. The first
 * row that fits counts, so exceptions come first. */
static const struct arrow {
    const char *from;
    const char *to[TARGETS_MAX];
} arrows[] = {
    /* a file with main may include what it assembles */
    {"gateway/trivet_gateway.c", {"gateway/", "frontends/nfs3/", "backend/"}},
    {"backend/base/", {"backend/base/"}},
    {"backend/proto/", {"backend/proto/", "backend/base/"}},
    {"backend/rpc/", {"backend/rpc/", "backend/proto/", "backend/base/"}},
    {"backend/store/", {"backend/store/", "backend/proto/", "backend/base/"}},
    /* the step machine performs nothing; its driver knows the store and the peers */
    {"backend/replica/replica.", {"backend/replica/", "backend/proto/", "backend/base/"}},
    {"backend/replica/replica_view.", {"backend/replica/", "backend/proto/", "backend/base/"}},
    {"backend/replica/replica_write.", {"backend/replica/", "backend/proto/", "backend/base/"}},
    {"backend/replica/",
     {"backend/replica/", "backend/store/", "backend/rpc/", "backend/proto/", "backend/base/"}},
    {"backend/brick/", {"backend/"}},
    {"gateway/", {"gateway/", "backend/rpc/", "backend/proto/", "backend/base/"}},
    {"frontends/nfs3/",
     {"frontends/nfs3/", "gateway/", "backend/rpc/", "backend/proto/", "backend/base/"}},
    {"frontends/fuse/",
     {"frontends/fuse/", "gateway/", "backend/rpc/", "backend/proto/", "backend/base/"}},
    {"mgmt/", {"mgmt/", "backend/rpc/", "backend/proto/", "backend/base/"}},
    /* measurements and the conformance suite know Trivet only as its users do */
    {"tests/", {"tests/", "backend/", "gateway/", "frontends/", "mgmt/"}},
    {"conformance/", {"conformance/"}},
};

/* Who may include the headers of a library: files whose path begins so. */
static const struct library {
    const char *header; /* the beginning of what stands between < and > */
    const char *users[TARGETS_MAX];
} libraries[] = {
    /* and who includes generated headers */
    {"rpc/", {"backend/rpc/", "backend/proto/wire.", "frontends/nfs3/nfs3_wire."}},
    {"fuse", {"frontends/fuse/"}},
    {"nfsc/", {"tests/", "conformance/"}},
    {"CUnit/", {"tests/", "conformance/"}},
    {"lmdb.h", {"backend/store/"}},
    {"ini.h", {"backend/base/"}},
    {"jansson.h", {"mgmt/", "tests/"}},
};

static bool begins_with_one(const char *path, const char *const *prefixes)
{
    for (size_t i = 0; i < TARGETS_MAX && prefixes[i]; i++) {
        if (strncmp(path, prefixes[i], strlen(prefixes[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void check_arrow(struct tree *tree, const struct source *source, unsigned line,
                        const char *target)
{
    for (size_t i = 0; i < sizeof arrows / sizeof arrows[0]; i++) {
        if (source_is_below(source, arrows[i].from)) {
            if (!begins_with_one(target, arrows[i].to)) {
                find(tree, source->path, line,
                     "may not include %s: see the grid in ARCHITECTURE.md", target);
            }
            return;
        }
    }
    find(tree, source->path, line, "this folder is not in tidy's table of arrows");
}

/* "a/b.h" → the .x file that it is generated from, or NULL. */
static struct source *generator_of(const struct tree *tree, const char *header)
{
    char path[512];
    size_t size = strlen(header);
    if (size < 2 || size >= sizeof path) {
        return NULL;
    }
    (void)snprintf(path, sizeof path, "%.*s.x", (int)(size - 2), header);
    return tree_find(tree, path);
}

static void check_own(struct tree *tree, const struct source *source, unsigned line,
                      const char *target)
{
    struct source *included = tree_find(tree, target);
    if (!included) {
        included = generator_of(tree, target);
    }
    if (!included) {
        find(tree, source->path, line, "\"%s\" is no path from the root of the tree", target);
        return;
    }
    if (included != source) {
        included->is_included = true;
    }
    check_arrow(tree, source, line, target);
}

/* Whether some include of source is a generated header: its types are then libtirpc's. */
static bool includes_generated(const struct tree *tree, const struct source *source)
{
    for (const char *at = strstr(source->text, "#include \""); at;
         at = strstr(at + 1, "#include \"")) {
        char target[256];
        if (sscanf(at, "#include \"%255[^\"\n]\"", target) == 1 && !tree_find(tree, target) &&
            generator_of(tree, target)) {
            return true;
        }
    }
    return false;
}

static void check_library(struct tree *tree, const struct source *source, unsigned line,
                          const char *header)
{
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
        if (strncmp(header, libraries[i].header, strlen(libraries[i].header)) != 0 ||
            begins_with_one(source->path, libraries[i].users)) {
            continue;
        }
        if (i == 0 && includes_generated(tree, source)) {
            continue;
        }
        find(tree, source->path, line, "<%s> belongs to %s%s%s only", header, libraries[i].users[0],
             libraries[i].users[1] ? " and " : "",
             libraries[i].users[1] ? libraries[i].users[1] : "");
    }
}

static void check_includes(struct tree *tree, const struct source *source)
{
    unsigned line = 1;
    for (const char *at = source->text; *at; line++) {
        char target[256];
        char open[2];
        /* sscanf's own blanks would go on into the next line */
        at += strspn(at, " ");
        if (sscanf(at, "#include %1[\"<]%255[^\">\n]", open, target) == 2) {
            if (open[0] == '"') {
                check_own(tree, source, line, target);
            } else {
                check_library(tree, source, line, target);
            }
        }
        at += strcspn(at, "\n");
        at += *at == '\n';
    }
}

/* .x files include by a line that rpcgen passes on. */
static void mark_passed_on(struct tree *tree, const struct source *source)
{
    for (const char *at = strstr(source->text, "%#include \""); at;
         at = strstr(at + 1, "%#include \"")) {
        char target[256];
        if (sscanf(at, "%%#include \"%255[^\"\n]\"", target) == 1) {
            struct source *included = tree_find(tree, target);
            if (included) {
                included->is_included = true;
            }
        }
    }
}

void rules_include(struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        if (source_is_c(&tree->sources[i])) {
            check_includes(tree, &tree->sources[i]);
        } else if (source_has_suffix(&tree->sources[i], ".x")) {
            mark_passed_on(tree, &tree->sources[i]);
        }
    }
    for (size_t i = 0; i < tree->count; i++) {
        const struct source *source = &tree->sources[i];
        if (source_has_suffix(source, ".h") && !source->is_included) {
            find(tree, source->path, 1, "no other file includes this header");
        }
    }
}
