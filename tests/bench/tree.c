/*
 * Whole trees: copy one in, read, list and remove it, and the sums by which two trees are compared.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/bench/measure.h"
#include "tests/bench/way.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <openssl/evp.h>

enum { PATH_SIZE = 4096, BLOCK = 1 << 20 };

struct tree {
    const struct options *options;
    struct way *way;
    struct way *source; /* of put */
    char *block;
    uint64_t files, bytes;
};

/* ---- a directory's entries in the order of names: the same order everywhere --------------------
 */

struct entry {
    char *name;
    struct way_attr attr;
};

struct entries {
    struct entry *list;
    size_t count, room;
};

static int entries_add(void *context, const char *name, const struct way_attr *attr)
{
    struct entries *entries = context;
    if (entries->count == entries->room) {
        size_t room = entries->room ? entries->room * 2 : 64;
        struct entry *list = realloc(entries->list, room * sizeof *list);
        if (!list) {
            return -ENOMEM;
        }
        entries->list = list;
        entries->room = room;
    }
    char *copy = strdup(name);
    if (!copy) {
        return -ENOMEM;
    }
    entries->list[entries->count++] = (struct entry){.name = copy, .attr = *attr};
    return 0;
}

static int compare_entries(const void *left, const void *right)
{
    return strcmp(((const struct entry *)left)->name, ((const struct entry *)right)->name);
}

static void entries_release(struct entries *entries)
{
    for (size_t index = 0; index < entries->count; index++) {
        free(entries->list[index].name);
    }
    free(entries->list);
}

static int report(struct way *way, const char *path, int status)
{
    fprintf(stderr, "measure: %s: %s\n", path, way->ops->error(way, status));
    return status;
}

typedef int visit(struct tree *tree, const char *path, const struct way_attr *attr);

static int join(char *out_path, const char *directory, const char *name)
{
    int length = snprintf(out_path, PATH_SIZE, "%s/%s", directory[1] ? directory : "", name);
    return length < PATH_SIZE ? 0 : -ENAMETOOLONG;
}

/* Visit everything below directory; before and after are called around a directory. */
static int walk(struct tree *tree, struct way *way, const char *directory, int depth, visit *before,
                visit *after)
{
    struct entries entries = {0};
    int status = way->ops->list(way, directory, entries_add, &entries);
    if (status) {
        (void)report(way, directory, status); /* returned below */
    } else if (entries.count > 1) {
        qsort(entries.list, entries.count, sizeof *entries.list, compare_entries);
    }
    for (size_t index = 0; !status && index < entries.count; index++) {
        const struct entry *entry = &entries.list[index];
        const char *exclude = tree->options->exclude;
        char path[PATH_SIZE];
        if (depth == 0 && exclude && !strcmp(exclude, entry->name)) {
            continue;
        }
        status = join(path, directory, entry->name);
        if (!status && before) {
            status = before(tree, path, &entry->attr);
        }
        if (!status && S_ISDIR(entry->attr.mode)) {
            status = walk(tree, way, path, depth + 1, before, after);
        }
        if (!status && after) {
            status = after(tree, path, &entry->attr);
        }
    }
    entries_release(&entries);
    return status;
}

static int tree_run(const struct options *options, const char *name, const char *source,
                    const char *directory, visit *before, visit *after)
{
    struct tree tree = {
        .options = options,
        .way = way_open(options->target),
        .source = source ? way_open(source) : NULL,
        .block = malloc(BLOCK),
    };
    if (!tree.way || !tree.block || (source && !tree.source)) {
        return 1;
    }
    double start = clock_seconds();
    int status = walk(&tree, source ? tree.source : tree.way, directory, 0, before, after);
    double seconds = clock_seconds() - start;
    if (!status && name) {
        printf("phase=%s ops=%llu secs=%.4f ops_s=%.1f bytes=%llu\n", name,
               (unsigned long long)tree.files, seconds, (double)tree.files / seconds,
               (unsigned long long)tree.bytes);
    }
    if (tree.source) {
        tree.source->ops->close(tree.source);
    }
    tree.way->ops->close(tree.way);
    free(tree.block);
    return status != 0;
}

/* ---- put: the target of options is the directory to copy into ----------------------------------
 */

static int put_file(struct tree *tree, const char *path, const struct way_attr *attr)
{
    struct way_file *from, *to;
    int status = tree->source->ops->open(tree->source, path, WAY_READ, 0, &from);
    if (status) {
        return report(tree->source, path, status);
    }
    status = tree->way->ops->open(tree->way, path, WAY_CREATE, attr->mode & 0777U, &to);
    if (status) {
        return report(tree->way, path, status);
    }
    uint64_t offset = 0;
    int count;
    while ((count = tree->source->ops->read(tree->source, from, offset, tree->block, BLOCK)) > 0) {
        int written = tree->way->ops->write(tree->way, to, offset, tree->block, (uint32_t)count);
        if (written <= 0) {
            return report(tree->way, path, written ? written : -EIO);
        }
        offset += (uint64_t)written;
    }
    status = count < 0 ? report(tree->source, path, count) : 0;
    if (!status && tree->way->ops->sync_on_close) {
        status = tree->way->ops->sync(tree->way, to);
    }
    int closed = tree->way->ops->close_file(tree->way, to);
    (void)tree->source->ops->close_file(tree->source, from); /* only read */
    status = status ? status : closed;
    status = status ? status : tree->way->ops->set_mtime(tree->way, path, attr->mtime_seconds);
    tree->bytes += offset;
    return status ? report(tree->way, path, status) : 0;
}

static int put_visit(struct tree *tree, const char *path, const struct way_attr *attr)
{
    char target[PATH_SIZE];
    int status = 0;
    tree->files++;
    if (S_ISDIR(attr->mode)) {
        status = tree->way->ops->make_directory(tree->way, path);
    } else if (S_ISLNK(attr->mode)) {
        status = tree->source->ops->readlink(tree->source, path, target, sizeof target);
        status = status ? status : tree->way->ops->symlink(tree->way, target, path);
    } else if (S_ISREG(attr->mode)) {
        return put_file(tree, path, attr);
    }
    return status ? report(tree->way, path, status) : 0;
}

/* Copies what is in SOURCE/DIR to DIR of the target, which is made: a tree keeps its path. */
int tree_put(const struct options *options, char **arguments)
{
    struct way *way = way_open(options->target);
    if (!way) {
        return 1;
    }
    int status = way->ops->make_directory(way, arguments[1]);
    if (status) {
        (void)report(way, arguments[1], status);
        return 1;
    }
    way->ops->close(way);
    return tree_run(options, "put", arguments[0], arguments[1], put_visit, NULL);
}

/* ---- get, list, remove
 * --------------------------------------------------------------------------- */

static int get_visit(struct tree *tree, const char *path, const struct way_attr *attr)
{
    struct way_file *file;
    if (!S_ISREG(attr->mode)) {
        return 0;
    }
    int status = tree->way->ops->open(tree->way, path, WAY_READ, 0, &file);
    if (status) {
        return report(tree->way, path, status);
    }
    uint64_t offset = 0;
    while (offset < attr->size) { /* the size came with the listing: no READ only to find the end */
        int count = tree->way->ops->read(tree->way, file, offset, tree->block, BLOCK);
        if (count <= 0) {
            return report(tree->way, path, count ? count : -EIO);
        }
        offset += (uint64_t)count;
    }
    tree->files++;
    tree->bytes += offset;
    return tree->way->ops->close_file(tree->way, file);
}

int tree_get(const struct options *options, char **arguments)
{
    return tree_run(options, "get", NULL, arguments[0], get_visit, NULL);
}

static int list_visit(struct tree *tree, const char *path, const struct way_attr *attr)
{
    (void)path;
    tree->files++;
    tree->bytes += attr->size;
    return 0;
}

int tree_list(const struct options *options, char **arguments)
{
    return tree_run(options, "list", NULL, arguments[0], list_visit, NULL);
}

static int remove_visit(struct tree *tree, const char *path, const struct way_attr *attr)
{
    tree->files++;
    int status = S_ISDIR(attr->mode) ? tree->way->ops->remove_directory(tree->way, path)
                                     : tree->way->ops->unlink(tree->way, path);
    return status ? report(tree->way, path, status) : 0;
}

int tree_remove(const struct options *options, char **arguments)
{
    int status = tree_run(options, "remove", NULL, arguments[0], NULL, remove_visit);
    struct way *way = status ? NULL : way_open(options->target);
    if (!way) {
        return 1;
    }
    status = arguments[0][1] ? way->ops->remove_directory(way, arguments[0]) : 0;
    way->ops->close(way);
    return status != 0;
}

/* ---- sums
 * ---------------------------------------------------------------------------------------- */

static int file_sum(struct tree *tree, const char *path, char out_text[2 * EVP_MAX_MD_SIZE + 1])
{
    struct way_file *file;
    int status = tree->way->ops->open(tree->way, path, WAY_READ, 0, &file);
    if (status) {
        return report(tree->way, path, status);
    }
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    uint64_t offset = 0;
    int count;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
    while ((count = tree->way->ops->read(tree->way, file, offset, tree->block, BLOCK)) > 0) {
        EVP_DigestUpdate(digest, tree->block, (size_t)count);
        offset += (uint64_t)count;
    }
    EVP_DigestFinal_ex(digest, sum, &length);
    EVP_MD_CTX_free(digest);
    (void)tree->way->ops->close_file(tree->way, file); /* only read */
    if (count < 0) {
        return report(tree->way, path, count);
    }
    for (unsigned index = 0; index < length; index++) {
        snprintf(out_text + 2 * index, 3, "%02x", sum[index]);
    }
    return 0;
}

static int sums_visit(struct tree *tree, const char *path, const struct way_attr *attr)
{
    char text[PATH_SIZE];
    int status = 0;
    if (S_ISREG(attr->mode)) {
        status = file_sum(tree, path, text);
    } else if (S_ISLNK(attr->mode)) {
        memcpy(text, "-> ", 4);
        status = tree->way->ops->readlink(tree->way, path, text + 3, sizeof text - 3);
    } else {
        snprintf(text, sizeof text, "type %o", attr->mode & S_IFMT);
    }
    if (status) {
        return status;
    }
    if (tree->options->attributes) {
        struct way_attr now;
        status = tree->way->ops->stat(tree->way, path, &now);
        if (status) {
            return report(tree->way, path, status);
        }
        printf("%o %u %u:%u %llu %llu.%09llu %llu ", now.mode, now.nlink, now.uid, now.gid,
               (unsigned long long)now.size, (unsigned long long)now.mtime_seconds,
               (unsigned long long)now.mtime_nanoseconds, (unsigned long long)now.inode);
    }
    printf("%s  %s\n", text, path);
    return 0;
}

int tree_sums(const struct options *options, char **arguments)
{
    return tree_run(options, NULL, NULL, arguments[0], sums_visit, NULL);
}
