/*
 * See store_check.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/lib/store_check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>
#include "backend/base/check.h"
#include "backend/proto/dirent.h"
#include "tests/lib/xattr_check.h"

int64_t store_list(struct store *store, const struct gfid *directory, size_t size,
                   void (*each)(void *context, const struct dirent_entry *entry), void *context)
{
    uint8_t *buffer = malloc(size);
    INVARIANT(buffer);
    uint64_t cookie = COOKIE_START;
    int64_t count = 0;
    bool eof = false;
    int result = 0;
    while (!eof && !result) {
        size_t used;
        result = store_readdir(store, directory, cookie, true, buffer, size, &used, &eof);
        struct slice rest = slice_of(buffer, result ? 0 : used);
        struct dirent_entry entry;
        while (!result && dirent_next(&rest, &entry) == 0) {
            INVARIANT(entry.cookie > cookie); /* they rise, and so end */
            cookie = entry.cookie;
            count++;
            each(context, &entry);
        }
    }
    free(buffer);
    return result ? result : count;
}

/* ---- digest -------------------------------------------------------------------------------- */

struct digest {
    struct store *store;
    XXH3_state_t *state;
    bool failed;
};

static void digest_number(struct digest *digest, uint64_t number)
{
    (void)XXH3_64bits_update(digest->state, &number, sizeof number);
}

static void digest_attr(struct digest *digest, const struct attr *attr)
{
    const uint64_t numbers[] = {attr->type,
                                attr->mode,
                                attr->nlink,
                                attr->uid,
                                attr->gid,
                                attr->device_major,
                                attr->device_minor,
                                attr->flags,
                                attr->size,
                                attr->used,
                                attr->change,
                                (uint64_t)attr->atime.seconds,
                                attr->atime.nanoseconds,
                                (uint64_t)attr->mtime.seconds,
                                attr->mtime.nanoseconds,
                                (uint64_t)attr->ctime.seconds,
                                attr->ctime.nanoseconds,
                                (uint64_t)attr->btime.seconds,
                                attr->btime.nanoseconds};
    (void)XXH3_64bits_update(digest->state, numbers, sizeof numbers);
    (void)XXH3_64bits_update(digest->state, &attr->gfid, sizeof attr->gfid);
    (void)XXH3_64bits_update(digest->state, &attr->parent, sizeof attr->parent);
    uint64_t xattrs = xattrs_digest(digest->store, &attr->gfid);
    digest->failed |= xattrs == 0;
    digest_number(digest, xattrs);
}

static void digest_entry(void *context, const struct dirent_entry *entry)
{
    struct digest *digest = context;
    digest_number(digest, entry->cookie);
    (void)XXH3_64bits_update(digest->state, entry->name.data, entry->name.size);
    digest_attr(digest, &entry->attr);
    if (entry->type == OBJECT_DIRECTORY) {
        digest->failed |= store_list(digest->store, &entry->gfid, 4000, digest_entry, digest) < 0;
    } else if (entry->type == OBJECT_SYMLINK) {
        char target[TARGET_SIZE_MAX];
        size_t size = 0;
        digest->failed |=
            store_readlink(digest->store, &entry->gfid, target, sizeof target, &size) != 0;
        (void)XXH3_64bits_update(digest->state, target, size);
    }
}

static void digest_orphans(struct digest *digest)
{
    struct gfid orphan = GFID_NONE;
    uint64_t keeper;
    while (store_orphan_next(digest->store, &orphan, &orphan, &keeper) == 0) {
        struct attr attr;
        digest->failed |= store_getattr(digest->store, &orphan, &attr) != 0;
        digest_number(digest, keeper);
        digest_attr(digest, &attr);
    }
}

uint64_t store_digest(struct store *store)
{
    struct digest digest = {.store = store, .state = XXH3_createState()};
    struct attr root;
    (void)XXH3_64bits_reset(digest.state);
    digest.failed = store_getattr(store, &GFID_ROOT, &root) != 0;
    digest_attr(&digest, &root);
    digest.failed |= store_list(store, &GFID_ROOT, 4000, digest_entry, &digest) < 0;
    digest_orphans(&digest);
    uint64_t value = XXH3_64bits_digest(digest.state);
    XXH3_freeState(digest.state);
    return digest.failed ? 0 : value;
}

/* ---- with a directory ---------------------------------------------------------------------- */

#define BLOCK_SIZE 4096

struct comparison {
    struct store *store;
    int directory_fd;
    int hidden_fd;    /* .trivet/xattrs; negative: no brick */
    const char *path; /* for messages */
    unsigned int how;
    bool unnamed; /* what is there has links that the volume does not count */
    int differences;
};

static void differ(struct comparison *comparison, const struct dirent_entry *entry,
                   const char *what, long long store_says, long long tree_says)
{
    comparison->differences++;
    printf("%s/%.*s: %s: store %lld, tree %lld\n", comparison->path, (int)entry->name.size,
           (const char *)entry->name.data, what, store_says, tree_says);
}

static uint64_t blocks_with_data(const uint8_t *bytes, size_t size)
{
    static const uint8_t zeros[BLOCK_SIZE];
    uint64_t count = 0;
    for (size_t at = 0; at < size; at += BLOCK_SIZE) {
        size_t part = size - at < BLOCK_SIZE ? size - at : BLOCK_SIZE;
        count += memcmp(bytes + at, zeros, part) != 0;
    }
    return count;
}

static void compare_contents(struct comparison *comparison, const struct dirent_entry *entry,
                             const char *name)
{
    uint8_t ours[65536];
    uint8_t theirs[65536];
    int fd = openat(comparison->directory_fd, name, O_RDONLY | O_NOFOLLOW);
    uint64_t offset = 0;
    uint64_t data = 0;
    uint32_t got = 0;
    do {
        ssize_t there = pread(fd, theirs, sizeof theirs, (off_t)offset);
        int result =
            store_read(comparison->store, &entry->gfid, offset, sizeof ours, false, ours, &got);
        if (result || there != (ssize_t)got || memcmp(ours, theirs, got) != 0) {
            differ(comparison, entry, "contents", result ? result : (long long)got, there);
            break;
        }
        data += blocks_with_data(ours, got) * BLOCK_SIZE;
        offset += got;
    } while (got == sizeof ours);
    (void)close(fd);
    if (entry->attr.used < data) {
        differ(comparison, entry, "used, too little", (long long)entry->attr.used, (long long)data);
    }
}

static int compare_directory(const struct comparison *of, const struct gfid *gfid, int fd,
                             const char *path);

static void compare_entry(void *context, const struct dirent_entry *entry)
{
    struct comparison *comparison = context;
    const struct attr *attr = &entry->attr;
    char name[NAME_SIZE_MAX + 1];
    struct stat status;
    memcpy(name, entry->name.data, entry->name.size);
    name[entry->name.size] = '\0';
    if (fstatat(comparison->directory_fd, name, &status, AT_SYMLINK_NOFOLLOW)) {
        differ(comparison, entry, "errno", 0, errno);
        return;
    }
    uint32_t type = object_type_from_mode(status.st_mode);
    bool directory = type == OBJECT_DIRECTORY;
    if (type != attr->type) {
        differ(comparison, entry, "type", attr->type, type);
    }
    if ((status.st_mode & 07777) != attr->mode) {
        differ(comparison, entry, "mode", attr->mode, status.st_mode & 07777);
    }
    uint32_t uncounted = !comparison->unnamed ? 0 : directory ? 2 : 1;
    if (status.st_nlink != attr->nlink + uncounted) {
        differ(comparison, entry, "nlink", attr->nlink, (long long)status.st_nlink);
    }
    if (!directory && (uint64_t)status.st_size != attr->size) {
        differ(comparison, entry, "size", (long long)attr->size, status.st_size);
    }
    if (comparison->how & TREE_OWNERS &&
        (status.st_uid != attr->uid || status.st_gid != attr->gid)) {
        differ(comparison, entry, "owner", attr->uid, status.st_uid);
    }
    if (comparison->how & TREE_TIMES && (status.st_mtim.tv_sec != attr->mtime.seconds ||
                                         status.st_mtim.tv_nsec != attr->mtime.nanoseconds)) {
        differ(comparison, entry, "mtime", attr->mtime.nanoseconds, status.st_mtim.tv_nsec);
    }
    if (comparison->hidden_fd >= 0) {
        char path[32 + NAME_SIZE_MAX];
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d/%s", comparison->directory_fd, name);
        comparison->differences +=
            xattrs_compare(comparison->store, attr, path, comparison->hidden_fd);
    }
    if (comparison->how & TREE_CONTENTS && type == OBJECT_FILE) {
        compare_contents(comparison, entry, name);
    }
    if (directory) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s/%.16s", comparison->path, name);
        int fd = openat(comparison->directory_fd, name, O_RDONLY | O_DIRECTORY);
        comparison->differences += compare_directory(comparison, &entry->gfid, fd, path);
    }
}

static int64_t count_entries(int fd)
{
    DIR *directory = fdopendir(dup(fd));
    INVARIANT(directory);
    rewinddir(directory);
    int64_t count = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                 strcmp(entry->d_name, ".trivet") != 0;
    }
    (void)closedir(directory);
    return count;
}

/* Takes fd. */
static int compare_directory(const struct comparison *of, const struct gfid *gfid, int fd,
                             const char *path)
{
    struct comparison comparison = {.store = of->store,
                                    .directory_fd = fd,
                                    .hidden_fd = of->hidden_fd,
                                    .path = path,
                                    .how = of->how};
    int64_t count = store_list(of->store, gfid, 4000, compare_entry, &comparison);
    int64_t there = count_entries(fd);
    if (count != there) {
        comparison.differences++;
        printf("%s: entries: store %lld, tree %lld\n", path, (long long)count, (long long)there);
    }
    (void)close(fd);
    return comparison.differences;
}

/* Each orphan has a node of its own, and no other node is there. */
static int compare_orphans(const struct comparison *of, int root_fd)
{
    int fd = openat(root_fd, ".trivet/orphans", O_RDONLY | O_DIRECTORY);
    struct store *store = of->store;
    struct comparison comparison = *of;
    comparison.directory_fd = fd;
    comparison.path = "(orphans)";
    comparison.unnamed = true;
    struct dirent_entry entry = {.cookie = COOKIE_START};
    uint64_t keeper;
    int64_t count = 0;
    if (fd < 0) {
        return 0; /* a directory that is no brick */
    }
    while (store_orphan_next(store, &entry.gfid, &entry.gfid, &keeper) == 0) {
        char name[2 * GFID_SIZE + 1];
        for (size_t i = 0; i < GFID_SIZE; i++) {
            (void)snprintf(name + 2 * i, 3, "%02x", entry.gfid.bytes[i]);
        }
        entry.name = slice_text(name);
        INVARIANT(store_getattr(store, &entry.gfid, &entry.attr) == 0);
        compare_entry(&comparison, &entry);
        count++;
    }
    int64_t there = count_entries(fd);
    if (count != there) {
        comparison.differences++;
        printf("orphans: store %lld, tree %lld\n", (long long)count, (long long)there);
    }
    (void)close(fd);
    return comparison.differences;
}

int store_compare(struct store *store, const char *path, unsigned int how)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    INVARIANT(fd >= 0);
    struct comparison comparison = {.store = store, .how = how};
    comparison.hidden_fd = openat(fd, ".trivet/xattrs", O_RDONLY | O_DIRECTORY);
    int differences = compare_orphans(&comparison, fd);
    differences += compare_directory(&comparison, &GFID_ROOT, fd, "");
    if (comparison.hidden_fd >= 0) {
        (void)close(comparison.hidden_fd);
    }
    return differences;
}

int store_follow(struct store *memory, struct store *brick)
{
    struct store_position position;
    struct store_position end;
    uint8_t bytes[OPERATION_SIZE_MAX];
    size_t size;
    store_position(memory, &position);
    store_position(brick, &end);
    for (uint64_t i = position.sequenced + 1; i <= end.sequenced; i++) {
        struct operation operation;
        int result = store_log_read(brick, i, bytes, sizeof bytes, &size);
        if (!result) {
            result = operation_decode(slice_of(bytes, size), &operation);
        }
        if (!result) {
            result = store_sequence(memory, &operation, slice_of(bytes, size));
        }
        if (result) {
            return result;
        }
    }
    return 0;
}

/* ---- random wishes ------------------------------------------------------------------------- */

void wish_room_init(struct wish_room *room)
{
    for (size_t i = 0; i < sizeof room->directories / sizeof room->directories[0]; i++) {
        room->directories[i] = GFID_ROOT;
    }
    for (size_t i = 0; i < sizeof room->others / sizeof room->others[0]; i++) {
        room->others[i] = GFID_ROOT;
    }
    memset(room->orphans, 0, sizeof room->orphans);
}

static struct gfid pick_directory(struct random_sequence *random, const struct wish_room *room)
{
    if (random_sequence_below(random, 40) == 0) {
        return room->others[0]; /* mostly not one */
    }
    return room->directories[random_sequence_below(random, sizeof room->directories /
                                                               sizeof room->directories[0])];
}

static struct gfid pick(struct random_sequence *random, const struct wish_room *room)
{
    if (random_sequence_below(random, 4) == 0) {
        return pick_directory(random, room);
    }
    return room
        ->others[random_sequence_below(random, sizeof room->others / sizeof room->others[0])];
}

static void pick_name(struct random_sequence *random, char name[16])
{
    (void)snprintf(name, 16, "n%u", (unsigned int)random_sequence_below(random, 12));
}

static struct attr_change random_change(struct random_sequence *random)
{
    return (struct attr_change){
        .mask = (uint32_t)random_sequence_below(random, 256),
        .mode = (uint32_t)random_sequence_below(random, 010000),
        .uid = (uint32_t)random_sequence_below(random, 3),
        .gid = (uint32_t)random_sequence_below(random, 3),
        .size = random_sequence_below(random, 50000),
        .atime = {.seconds = (int64_t)random_sequence_below(random, 2000000000),
                  .nanoseconds = (uint32_t)random_sequence_below(random, 1000000000)},
        .mtime = {.seconds = (int64_t)random_sequence_below(random, 2000000000),
                  .nanoseconds = (uint32_t)random_sequence_below(random, 1000000000)},
    };
}

static const uint32_t allocate_flags[] = {0,
                                          FALLOC_FL_KEEP_SIZE,
                                          FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                          FALLOC_FL_ZERO_RANGE,
                                          FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
                                          FALLOC_FL_COLLAPSE_RANGE};

struct mutation wish_random(struct random_sequence *random, struct wish_room *room,
                            struct slice *out_bulk)
{
    static const enum mutation_kind kinds[] = {
        MUTATION_MAKE,    MUTATION_MAKE,     MUTATION_MAKE,   MUTATION_WRITE,  MUTATION_WRITE,
        MUTATION_LINK,    MUTATION_RMDIR,    MUTATION_REMOVE, MUTATION_RENAME, MUTATION_RENAME,
        MUTATION_SETATTR, MUTATION_ALLOCATE, MUTATION_FORGET};
    struct mutation wish = {
        .kind = kinds[random_sequence_below(random, sizeof kinds / sizeof kinds[0])]};
    pick_name(random, room->name);
    pick_name(random, room->name2);
    wish.object = pick(random, room);
    wish.parent = pick_directory(random, room);
    wish.parent2 = pick_directory(random, room);
    wish.name = slice_text(room->name);
    wish.name2 = slice_text(room->name2);
    wish.cred.uid = (uint32_t)random_sequence_below(random, 3);
    wish.cred.flags = random_sequence_below(random, 4) ? CRED_CHECKED : 0;
    wish.change = random_change(random);
    wish.umask = random_sequence_below(random, 2) ? 027 : 0;
    if (random_sequence_below(random, 2)) {
        wish.id = (struct op_id){
            .kind = OP_ID_SESSION, .client = 1 + random_sequence_below(random, 2), .sequence = 1};
        wish.keep = random_sequence_below(random, 2);
    }
    *out_bulk = slice_of(NULL, 0);
    if (wish.kind == MUTATION_FORGET ||
        random_sequence_below(random, wish.kind == MUTATION_LINK ? 2 : 4) == 0) {
        const struct orphan_seen *orphan = &room->orphans[random_sequence_below(random, 4)];
        wish.object = orphan->gfid;
        wish.id.client = random_sequence_below(random, 8) ? orphan->client : 3;
    }
    if (random_sequence_below(random, 5) == 0) {
        return wish_xattr(random, wish.object, room->bulk);
    }
    if (wish.kind == MUTATION_MAKE) {
        uint64_t type = random_sequence_below(random, 12);
        wish.type = type < 8 && type > 0 ? (uint32_t)type
                    : type < 10          ? OBJECT_FILE
                                         : OBJECT_DIRECTORY;
        wish.how = (enum create_how)random_sequence_below(random, 3);
        wish.verifier = random_sequence_below(random, 3);
        wish.device_minor = (uint32_t)random_sequence_below(random, 300);
        (void)snprintf(room->target, sizeof room->target, "../%s", room->name2);
        wish.target = slice_text(room->target);
        wish.change.mode |= 0700;
        wish.unnamed = wish.keep && random_sequence_below(random, 4) == 0;
    } else if (wish.kind == MUTATION_WRITE) {
        wish.offset = random_sequence_below(random, 50000);
        wish.count = (uint32_t)random_sequence_below(random, sizeof room->bulk);
        wish.append = random_sequence_below(random, 4) == 0;
        random_sequence_bytes(random, room->bulk, wish.count);
        *out_bulk = slice_of(room->bulk, wish.count);
    } else if (wish.kind == MUTATION_RENAME) {
        uint64_t flags = random_sequence_below(random, 12);
        wish.rename_flags = flags < 4 ? (uint32_t)flags : flags < 8 ? RENAME_EXCHANGE : 0;
    } else if (wish.kind == MUTATION_ALLOCATE) {
        wish.offset = random_sequence_below(random, 50000);
        wish.length = random_sequence_below(random, 30000);
        wish.space_flags = allocate_flags[random_sequence_below(random, 6)];
    }
    return wish;
}

void wish_done(struct wish_room *room, const struct operation *operation)
{
    const struct attr *made = &operation->object;
    if (operation->flags & OPERATION_KEEPS) {
        room->orphans[operation->index % 4] = (struct orphan_seen){
            operation->kind == OPERATION_RENAME ? operation->replaced.gfid : made->gfid,
            operation->id.client};
    }
    if (operation->kind == OPERATION_MAKE && made->type == OBJECT_DIRECTORY) {
        room->directories[operation->index % 8] = made->gfid;
    } else if (operation->kind == OPERATION_MAKE) {
        room->others[operation->index % 16] = made->gfid;
    } else if (operation->kind == OPERATION_REMOVE && made->type == OBJECT_DIRECTORY) {
        for (size_t i = 0; i < 8; i++) {
            if (gfid_equal(&room->directories[i], &made->gfid)) {
                room->directories[i] = GFID_ROOT;
            }
        }
    }
}
