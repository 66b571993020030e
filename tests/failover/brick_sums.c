/*
 * Everything in a brick's directory but its own .trivet, one line for each object in the order of
 * paths: type and mode, links, owner, size, mtime, device, extended attributes and contents or
 * target. Three bricks of one volume print the same.
 *
 *     brick_sums DIRECTORY
 *
 * Access and change times are the file system's own, and so is the size of a directory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <openssl/evp.h>

enum { PATH_SIZE = 4096, BUFFER = 1 << 17 };

static char buffer[BUFFER];

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "brick_sums: %s %s: %s\n", what, path, strerror(errno));
    exit(2);
}

static void print_digest(EVP_MD_CTX *digest)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    EVP_DigestFinal_ex(digest, sum, &length);
    for (unsigned index = 0; index < 16 && index < length; index++) {
        printf("%02x", sum[index]);
    }
}

/* ---- extended attributes, in the order of names -------------------------------------------- */

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static void print_xattrs(const char *path)
{
    char names[BUFFER];
    char *sorted[1024];
    size_t count = 0;
    ssize_t size = llistxattr(path, names, sizeof names);
    if (size < 0) {
        fail("list attributes of", path);
    }
    for (char *name = names; name < names + size && count < 1024; name += strlen(name) + 1) {
        sorted[count++] = name;
    }
    qsort(sorted, count, sizeof *sorted, compare_names);
    for (size_t index = 0; index < count; index++) {
        ssize_t length = lgetxattr(path, sorted[index], buffer, sizeof buffer);
        if (length < 0) {
            fail("read an attribute of", path);
        }
        printf(" %s=", sorted[index]);
        for (ssize_t at = 0; at < length; at++) {
            printf("%02x", (unsigned char)buffer[at]);
        }
    }
}

/* ---- one object ---------------------------------------------------------------------------- */

static void print_contents(const char *path, mode_t mode)
{
    if (S_ISLNK(mode)) {
        ssize_t length = readlink(path, buffer, sizeof buffer - 1);
        if (length < 0) {
            fail("read link", path);
        }
        printf(" -> %.*s", (int)length, buffer);
        return;
    }
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOATIME);
    if (fd < 0) {
        fail("open", path);
    }
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
    ssize_t length;
    while ((length = read(fd, buffer, sizeof buffer)) > 0) {
        EVP_DigestUpdate(digest, buffer, (size_t)length);
    }
    if (length < 0) {
        fail("read", path);
    }
    printf(" ");
    print_digest(digest);
    EVP_MD_CTX_free(digest);
    (void)close(fd); /* only read */
}

static void print_object(const char *path, const char *shown, const struct stat *stat)
{
    printf("%s %o %lu %u:%u", shown, stat->st_mode, (unsigned long)stat->st_nlink, stat->st_uid,
           stat->st_gid);
    printf(" %lld", S_ISDIR(stat->st_mode) ? 0LL : (long long)stat->st_size);
    printf(" %lld.%09ld %u,%u", (long long)stat->st_mtim.tv_sec, stat->st_mtim.tv_nsec,
           major(stat->st_rdev), minor(stat->st_rdev));
    print_xattrs(path);
    if (S_ISREG(stat->st_mode) || S_ISLNK(stat->st_mode)) {
        print_contents(path, stat->st_mode);
    }
    printf("\n");
}

/* ---- the tree ------------------------------------------------------------------------------ */

static int not_dots(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* Byte order: the same in every locale. */
static int in_byte_order(const struct dirent **left, const struct dirent **right)
{
    return strcmp((*left)->d_name, (*right)->d_name);
}

/* from: how much of a path is not shown. */
static void walk(const char *path, size_t from)
{
    struct stat stat;
    struct dirent **entries = NULL;
    if (lstat(path, &stat)) {
        fail("stat", path);
    }
    print_object(path, path[from] ? path + from : "/", &stat);
    if (!S_ISDIR(stat.st_mode)) {
        return;
    }
    int count = scandir(path, &entries, not_dots, in_byte_order);
    if (count < 0) {
        fail("list", path);
    }
    for (int index = 0; index < count; index++) {
        char below[PATH_SIZE];
        if (snprintf(below, sizeof below, "%s/%s", path, entries[index]->d_name) >= PATH_SIZE) {
            errno = ENAMETOOLONG;
            fail("list", path);
        }
        if (path[from] || strcmp(entries[index]->d_name, ".trivet") != 0) {
            walk(below, from);
        }
        free(entries[index]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: brick_sums DIRECTORY\n");
        return 2;
    }
    walk(argv[1], strlen(argv[1]));
    return 0;
}
