/*
 * The cluster store of one machine: a directory with a file for each key. Nothing is cached, a read
 * checks what it reads.
 *
 *     trivet-store 1 <version> <size of value> <XXH64 of key, version and value>\n<value>
 *
 * A file is replaced by writing another one beside it, syncing it, renaming it over the old one and
 * syncing the directory, so after a loss of power it is the old one or the new one. If that last
 * step fails the outcome is not known, and nothing is read until it has been made good: whoever
 * acts upon what he read must not find something older later. ".revision" keeps the highest version
 * given out before the last deletion; the others can be seen in the files.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mgmt/cluster_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/base/text.h"

#define HEADER_SIZE_MAX 96
#define FILE_NAME_MAX (3 * STORE_KEY_MAX + 1)
/* A file being written; encoded keys never begin with a dot. */
#define TEMPORARY_NAME ".new"
#define REVISION_NAME ".revision"

struct watch {
    char prefix[STORE_KEY_MAX + 1];
    cluster_store_callback *callback;
    void *context;
};

/* lock guards everything here and the order of changes to the files; watches only grow. */
struct file_store {
    struct cluster_store base;
    pthread_mutex_t lock;
    int directory;
    uint64_t revision; /* the highest version ever given out */
    bool is_unsynced;  /* a change of the directory may not be durable: none is shown until it is */
    struct watch watches[STORE_WATCHES_MAX];
    size_t watch_count;
};

static const struct cluster_store_ops file_store_ops;

static struct file_store *file_store_of(struct cluster_store *store)
{
    return (struct file_store *)store;
}

/* ---- names --------------------------------------------------------------------------------- */

static bool is_plain(char c, bool is_first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || (c == '.' && !is_first);
}

/* Keys become file names with %XX for whatever could mean something to a path. */
static int key_to_file_name(const char *key, char out_name[FILE_NAME_MAX])
{
    char *to = out_name;
    for (const char *from = key; *from; from++) {
        if (is_plain(*from, from == key)) {
            *to++ = *from;
        } else {
            to += snprintf(to, 4, "%%%02X", (unsigned char)*from);
        }
    }
    *to = '\0';
    return to - out_name > NAME_SIZE_MAX ? -ENAMETOOLONG : 0;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Fails: -EINVAL for what key_to_file_name cannot have written. */
static int key_from_file_name(const char *name, char out_key[STORE_KEY_MAX + 1])
{
    const char *spelled = name;
    size_t size = 0;
    while (*name) {
        if (size == STORE_KEY_MAX) {
            return -EINVAL;
        }
        int c = (unsigned char)*name++;
        if (c == '%') {
            int high = hex_digit(name[0]);
            int low = high < 0 ? -1 : hex_digit(name[1]);
            if (low < 0 || (high == 0 && low == 0)) {
                return -EINVAL;
            }
            c = high << 4 | low;
            name += 2;
        }
        out_key[size++] = (char)c;
    }
    out_key[size] = '\0';
    char written[FILE_NAME_MAX];
    (void)key_to_file_name(out_key, written);
    return size > 0 && strcmp(written, spelled) == 0 ? 0 : -EINVAL;
}

/* ---- files --------------------------------------------------------------------------------- */

static uint64_t checksum(const char *key, uint64_t version, struct slice value)
{
    /* The key is part of it, so that a file copied to another name is noticed. */
    uint64_t sum = XXH64(key, strlen(key), version);
    return XXH64(value.data, value.size, sum);
}

static int read_all(int fd, char *buffer, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t count = read(fd, buffer + done, size - done);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return -errno;
        }
        if (count == 0) {
            return -E_CORRUPT; /* shorter than fstat said */
        }
        done += (size_t)count;
    }
    return 0;
}

static int write_all(int fd, struct slice bytes)
{
    while (bytes.size > 0) {
        ssize_t count = write(fd, bytes.data, bytes.size);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return -errno;
        }
        bytes = slice_of(bytes.data + count, bytes.size - (size_t)count);
    }
    return 0;
}

static int file_parse(const char *key, char *text, size_t size, struct slice *out_value,
                      uint64_t *out_version)
{
    uint64_t version = 0;
    uint64_t stored_sum = 0;
    size_t value_size = 0;
    int header_size = 0;
    if (sscanf(text, "trivet-store 1 %" SCNu64 " %zu %16" SCNx64 "%n", &version, &value_size,
               &stored_sum, &header_size) != 3 ||
        text[header_size] != '\n') {
        return -E_CORRUPT;
    }
    char *value = text + header_size + 1;
    struct slice bytes = slice_of(value, value_size);
    if (version == 0 || value_size != size - (size_t)(value - text) ||
        stored_sum != checksum(key, version, bytes)) {
        return -E_CORRUPT;
    }
    *out_value = bytes;
    *out_version = version;
    return 0;
}

/* Make the directory's changes durable. Caller holds the lock. */
static int directory_sync(struct file_store *store)
{
    store->is_unsynced = fsync(store->directory) != 0;
    return store->is_unsynced ? -errno : 0;
}

/* Caller holds the lock. */
static int file_read(struct file_store *store, const char *name, const char *key, char **out_value,
                     uint64_t *out_version)
{
    if (store->is_unsynced && directory_sync(store)) {
        return -EIO;
    }
    AUTO_CLOSE int fd = openat(store->directory, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    struct stat stat;
    if (fstat(fd, &stat)) {
        return -errno;
    }
    if (stat.st_size < 0 || stat.st_size > STORE_VALUE_MAX + HEADER_SIZE_MAX) {
        return -E_CORRUPT;
    }
    size_t size = (size_t)stat.st_size;
    AUTO_FREE char *text = malloc(size + 1);
    if (!text) {
        return -ENOMEM;
    }
    int status = read_all(fd, text, size);
    if (status) {
        return status;
    }
    text[size] = '\0';
    struct slice value;
    status = file_parse(key, text, size, &value, out_version);
    if (status) {
        return status;
    }
    memmove(text, value.data, value.size);
    text[value.size] = '\0';
    *out_value = TAKE(text);
    return 0;
}

/* Caller holds the lock: there is one temporary name. */
static int file_write(struct file_store *store, const char *name, const char *key,
                      struct slice value, uint64_t version)
{
    char header[HEADER_SIZE_MAX];
    int header_size =
        snprintf(header, sizeof(header), "trivet-store 1 %" PRIu64 " %zu %016" PRIx64 "\n", version,
                 value.size, checksum(key, version, value));
    INVARIANT(header_size > 0 && (size_t)header_size < sizeof(header));

    AUTO_CLOSE int fd =
        openat(store->directory, TEMPORARY_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    int status = write_all(fd, slice_of(header, (size_t)header_size));
    if (status == 0) {
        status = write_all(fd, value);
    }
    if (status == 0 && fsync(fd)) {
        status = -errno;
    }
    if (status) {
        return status;
    }
    if (renameat(store->directory, TEMPORARY_NAME, store->directory, name)) {
        return -errno;
    }
    return directory_sync(store);
}

/* ---- the operations ------------------------------------------------------------------------ */

/* The version a key has, 0 if it does not exist. Caller holds the lock. */
static int version_of(struct file_store *store, const char *name, const char *key,
                      uint64_t *out_version)
{
    AUTO_FREE char *value = NULL;
    int status = file_read(store, name, key, &value, out_version);
    if (status == -ENOENT) {
        *out_version = 0;
        return 0;
    }
    return status;
}

static void tell_watches(struct file_store *store, const char *key)
{
    size_t count;
    {
        AUTO_LOCK(&store->lock);
        count = store->watch_count;
    }
    /* Without the lock: callbacks read the store. Watches up to count do not change any more. */
    for (size_t i = 0; i < count; i++) {
        struct watch *watch = &store->watches[i];
        if (strncmp(key, watch->prefix, strlen(watch->prefix)) == 0) {
            watch->callback(key, watch->context);
        }
    }
}

static int file_store_get(struct cluster_store *base, const char *key, char **out_value,
                          uint64_t *out_version)
{
    struct file_store *store = file_store_of(base);
    char name[FILE_NAME_MAX];
    if (strlen(key) > STORE_KEY_MAX || key_to_file_name(key, name)) {
        return -ENOENT; /* what cannot be written is not there */
    }
    AUTO_LOCK(&store->lock);
    return file_read(store, name, key, out_value, out_version);
}

static int file_store_put_locked(struct file_store *store, const char *name, const char *key,
                                 struct slice value, uint64_t expected, uint64_t *out_version)
{
    AUTO_LOCK(&store->lock);
    uint64_t version;
    int status = version_of(store, name, key, &version);
    if (status) {
        return status;
    }
    if (version != expected) {
        return -E_VERSION_CONFLICT;
    }
    /* Given out even if the write fails: its outcome may be that it is on disk. */
    store->revision++;
    status = file_write(store, name, key, value, store->revision);
    if (status == 0) {
        *out_version = store->revision;
    }
    return status;
}

static int file_store_put_if_version(struct cluster_store *base, const char *key,
                                     struct slice value, uint64_t expected, uint64_t *out_version)
{
    struct file_store *store = file_store_of(base);
    char name[FILE_NAME_MAX];
    if (key_to_file_name(key, name)) {
        return -EINVAL;
    }
    int status = file_store_put_locked(store, name, key, value, expected, out_version);
    if (status == 0) {
        tell_watches(store, key);
    }
    return status;
}

static int file_store_delete_locked(struct file_store *store, const char *name, const char *key,
                                    uint64_t expected)
{
    AUTO_LOCK(&store->lock);
    uint64_t version;
    int status = version_of(store, name, key, &version);
    if (status) {
        return status;
    }
    if (version == 0) {
        return -ENOENT;
    }
    if (version != expected) {
        return -E_VERSION_CONFLICT;
    }
    /* The highest version may be this file's: note it elsewhere before the file goes. */
    store->revision++;
    status = file_write(store, REVISION_NAME, REVISION_NAME, slice_of(NULL, 0), store->revision);
    if (status) {
        return status;
    }
    if (unlinkat(store->directory, name, 0)) {
        return -errno;
    }
    return directory_sync(store);
}

static int file_store_delete_if_version(struct cluster_store *base, const char *key,
                                        uint64_t expected)
{
    struct file_store *store = file_store_of(base);
    char name[FILE_NAME_MAX];
    if (strlen(key) > STORE_KEY_MAX || key_to_file_name(key, name)) {
        return -ENOENT;
    }
    int status = file_store_delete_locked(store, name, key, expected);
    if (status == 0) {
        tell_watches(store, key);
    }
    return status;
}

/* ---- listing ------------------------------------------------------------------------------- */

struct key_list {
    char (*keys)[STORE_KEY_MAX + 1];
    size_t count;
    size_t capacity;
};

static void key_list_release(struct key_list *list)
{
    free(list->keys);
}

static int key_list_add(struct key_list *list, const char *key)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 16;
        void *grown = realloc(list->keys, capacity * sizeof(*list->keys));
        if (!grown) {
            return -ENOMEM;
        }
        list->keys = grown;
        list->capacity = capacity;
    }
    text_copy(list->keys[list->count++], sizeof(list->keys[0]), key);
    return 0;
}

static void scope_closedir(DIR **dir)
{
    if (*dir) {
        (void)closedir(*dir); /* it was only read */
    }
}

static int key_compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* All keys with prefix, sorted. Files that are no keys are left alone: somebody's backup copy. */
static int key_list_read(struct file_store *store, const char *prefix, struct key_list *list)
{
    AUTO_LOCK(&store->lock);
    int fd = openat(store->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    __attribute__((cleanup(scope_closedir))) DIR *dir = fdopendir(fd);
    if (!dir) {
        (void)close(fd); /* nothing was written to it */
        return -ENOMEM;
    }
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        char key[STORE_KEY_MAX + 1];
        if (entry->d_name[0] == '.' || key_from_file_name(entry->d_name, key) ||
            strncmp(key, prefix, strlen(prefix)) != 0) {
            continue;
        }
        int status = key_list_add(list, key);
        if (status) {
            return status;
        }
    }
    if (list->count > 0) {
        qsort(list->keys, list->count, sizeof(*list->keys), key_compare);
    }
    return 0;
}

static int file_store_list(struct cluster_store *base, const char *prefix, cluster_store_each *each,
                           void *context)
{
    __attribute__((cleanup(key_list_release))) struct key_list list = {0};
    int status = key_list_read(file_store_of(base), prefix, &list);
    for (size_t i = 0; status == 0 && i < list.count; i++) {
        status = each(list.keys[i], context);
    }
    return status;
}

static int file_store_watch(struct cluster_store *base, const char *prefix,
                            cluster_store_callback *callback, void *context)
{
    struct file_store *store = file_store_of(base);
    PRE(strlen(prefix) <= STORE_KEY_MAX);
    AUTO_LOCK(&store->lock);
    if (store->watch_count == STORE_WATCHES_MAX) {
        return -ENOSPC;
    }
    struct watch *watch = &store->watches[store->watch_count++];
    text_copy(watch->prefix, sizeof(watch->prefix), prefix);
    watch->callback = callback;
    watch->context = context;
    return 0;
}

static void file_store_close(struct cluster_store *base)
{
    struct file_store *store = file_store_of(base);
    (void)close(store->directory); /* everything written was synced */
    pthread_mutex_destroy(&store->lock);
    free(store);
}

/* ---- opening ------------------------------------------------------------------------------- */

/* Check a file and see which version it has, so that a damaged one is told of at the start. */
static int file_store_check(struct file_store *store, const char *directory, const char *name,
                            const char *key, struct refusal *out_why)
{
    AUTO_FREE char *value = NULL;
    uint64_t version;
    int status = file_read(store, name, key, &value, &version);
    if (status) {
        return refuse(out_why, status,
                      "%s/%s cannot be used: %s. Restore this file from a backup, or move it away "
                      "if what it describes (%s) can be given up, and start trivetd again",
                      directory, name, error_text(status), key);
    }
    if (version > store->revision) {
        store->revision = version;
    }
    return 0;
}

static int file_store_load(struct file_store *store, const char *directory, struct refusal *out_why)
{
    __attribute__((cleanup(key_list_release))) struct key_list list = {0};
    int status = key_list_read(store, "", &list);
    if (status) {
        return refuse(out_why, status, "%s cannot be read: %s", directory, error_text(status));
    }
    for (size_t i = 0; i < list.count; i++) {
        char name[FILE_NAME_MAX];
        if (key_to_file_name(list.keys[i], name)) {
            continue; /* a name this long was never written */
        }
        status = file_store_check(store, directory, name, list.keys[i], out_why);
        if (status) {
            return status;
        }
    }
    if (faccessat(store->directory, REVISION_NAME, F_OK, 0) == 0) {
        return file_store_check(store, directory, REVISION_NAME, REVISION_NAME, out_why);
    }
    return 0;
}

int file_store_open(const char *directory, struct cluster_store **out_store,
                    struct refusal *out_why)
{
    if (mkdir(directory, 0700) && errno != EEXIST) {
        return refuse(out_why, -errno, "%s cannot be made: %s", directory, error_text(-errno));
    }
    AUTO_CLOSE int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return refuse(out_why, -errno, "%s cannot be opened: %s", directory, error_text(-errno));
    }
    struct file_store *store = calloc(1, sizeof(*store));
    if (!store) {
        return refuse(out_why, -ENOMEM, "there is not enough memory to open %s", directory);
    }
    store->base.ops = &file_store_ops;
    store->directory = TAKE_FD(fd);
    store->is_unsynced = true; /* its last user may have died before */
    pthread_mutex_init(&store->lock, NULL);
    int status = file_store_load(store, directory, out_why);
    if (status) {
        file_store_close(&store->base);
        return status;
    }
    *out_store = &store->base;
    return 0;
}

static const struct cluster_store_ops file_store_ops = {
    .get = file_store_get,
    .put_if_version = file_store_put_if_version,
    .delete_if_version = file_store_delete_if_version,
    .list = file_store_list,
    .watch = file_store_watch,
    .close = file_store_close,
};
