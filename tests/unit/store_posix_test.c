/*
 * The rules of names and files against the kernel's own.
 *
 * Goal: whatever Linux answers to a call on a local directory, the store answers to the same wish,
 * errors included, and both trees stay the same.
 * Method: random calls by path, on a plain directory and on a store in memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/lib/store_check.h"
#include "tests/lib/store_fixture.h"

#define CALLS 30000
#define ALLOCATE_FLAGS (FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)

struct world {
    struct store_fixture fixture;
    struct random_sequence random;
    char path[64];
    int fd;
};

/* A path of one to three of four names. */
static void random_path(struct world *world, char path[32])
{
    size_t used = 0;
    uint64_t depth = 1 + random_sequence_below(&world->random, 3);
    for (uint64_t i = 0; i < depth; i++) {
        path[used++] = (char)('a' + random_sequence_below(&world->random, 4));
        path[used++] = i + 1 < depth ? '/' : '\0';
    }
}

/* Find the directory of a path in the store; out_name is its last component. */
static int resolve(struct world *world, const char *path, struct gfid *out_parent,
                   const char **out_name)
{
    struct store *store = world->fixture.stores[0];
    *out_parent = GFID_ROOT;
    for (const char *slash; (slash = strchr(path, '/')); path = slash + 1) {
        struct attr child;
        struct attr parent;
        int result = store_lookup(store, out_parent, slice_of(path, (size_t)(slash - path)), &child,
                                  &parent);
        if (!result && child.type != OBJECT_DIRECTORY) {
            /* All symlinks lead to a name that is nowhere. */
            result = child.type == OBJECT_SYMLINK ? -ENOENT : -ENOTDIR;
        }
        if (result) {
            return result;
        }
        *out_parent = child.gfid;
    }
    *out_name = path;
    return 0;
}

static int find(struct world *world, const char *path, struct attr *out_attr)
{
    struct gfid parent;
    struct attr unused;
    const char *name;
    int result = resolve(world, path, &parent, &name);
    return result ? result
                  : store_lookup(world->fixture.stores[0], &parent, slice_text(name), out_attr,
                                 &unused);
}

static int mutate(struct world *world, struct mutation wish, struct slice bulk)
{
    struct operation operation;
    return fixture_mutate(&world->fixture, &wish, bulk, &operation);
}

static int make_ours(struct world *world, const char *path, uint32_t type, uint32_t mode)
{
    struct gfid parent;
    const char *name;
    int result = resolve(world, path, &parent, &name);
    return result ? result : mutate(world, wish_make(parent, name, type, mode), slice_of(NULL, 0));
}

static int make_theirs(struct world *world, const char *path, uint32_t type, uint32_t mode)
{
    int fd;
    switch (type) {
    case OBJECT_DIRECTORY:
        return mkdirat(world->fd, path, mode) ? -errno : 0;
    case OBJECT_SYMLINK:
        return symlinkat("target", world->fd, path) ? -errno : 0;
    default:
        fd = openat(world->fd, path, O_WRONLY | O_CREAT | O_EXCL, mode);
        return fd < 0 ? -errno : close(fd);
    }
}

static int remove_ours(struct world *world, const char *path, bool directory)
{
    struct gfid parent;
    const char *name;
    int result = resolve(world, path, &parent, &name);
    return result ? result : mutate(world, wish_remove(parent, name, directory), slice_of(NULL, 0));
}

static int link_ours(struct world *world, const char *path, const char *path2)
{
    struct attr attr;
    struct gfid parent;
    const char *name;
    int result = find(world, path, &attr);
    if (!result) {
        result = resolve(world, path2, &parent, &name);
    }
    return result ? result : mutate(world, wish_link(attr.gfid, parent, name), slice_of(NULL, 0));
}

static int rename_ours(struct world *world, const char *path, const char *path2, unsigned int flags)
{
    struct gfid parent;
    struct gfid parent2;
    const char *name;
    const char *name2;
    int result = resolve(world, path, &parent, &name);
    if (!result) {
        result = resolve(world, path2, &parent2, &name2);
    }
    if (result) {
        return result;
    }
    struct mutation wish = wish_rename(parent, name, parent2, name2);
    wish.rename_flags = flags;
    return mutate(world, wish, slice_of(NULL, 0));
}

static int write_ours(struct world *world, const char *path, uint64_t offset, struct slice bytes)
{
    struct attr attr;
    int result = find(world, path, &attr);
    if (!result && attr.type == OBJECT_SYMLINK) {
        return -ELOOP;
    }
    return result ? result
                  : mutate(world, wish_write(attr.gfid, offset, (uint32_t)bytes.size), bytes);
}

static int write_theirs(struct world *world, const char *path, uint64_t offset, struct slice bytes)
{
    int fd = openat(world->fd, path, O_WRONLY | O_NOFOLLOW);
    if (fd < 0) {
        return -errno;
    }
    int result = pwrite(fd, bytes.data, bytes.size, (off_t)offset) < 0 ? -errno : 0;
    (void)close(fd);
    return result;
}

static int change_ours(struct world *world, const char *path, uint32_t mask, uint64_t value)
{
    struct attr attr;
    int result = find(world, path, &attr);
    if (!result && attr.type == OBJECT_SYMLINK) {
        return -ELOOP;
    }
    struct attr_change change = {.mask = mask, .mode = (uint32_t)value, .size = value};
    change.uid = (uint32_t)value % 3;
    return result ? result : mutate(world, wish_setattr(attr.gfid, change), slice_of(NULL, 0));
}

static int change_theirs(struct world *world, const char *path, uint32_t mask, uint64_t value)
{
    struct stat status;
    if (fstatat(world->fd, path, &status, AT_SYMLINK_NOFOLLOW)) {
        return -errno;
    }
    if (S_ISLNK(status.st_mode)) {
        return -ELOOP;
    }
    char whole[128];
    (void)snprintf(whole, sizeof whole, "%s/%s", world->path, path);
    int result = mask == ATTR_SIZE   ? truncate(whole, (off_t)value)
                 : mask == ATTR_MODE ? chmod(whole, (mode_t)value)
                                     : chown(whole, (uid_t)(value % 3), (gid_t)-1);
    return result ? -errno : 0;
}

static int allocate_ours(struct world *world, const char *path, uint32_t flags, uint64_t offset,
                         uint64_t length)
{
    struct attr attr;
    int result = find(world, path, &attr);
    if (!result && attr.type == OBJECT_SYMLINK) {
        return -ELOOP;
    }
    if (!result && attr.type == OBJECT_DIRECTORY) {
        return -EISDIR; /* open says so, before anybody looks at the range */
    }
    return result
               ? result
               : mutate(world, wish_allocate(attr.gfid, flags, offset, length), slice_of(NULL, 0));
}

static int allocate_theirs(struct world *world, const char *path, uint32_t flags, uint64_t offset,
                           uint64_t length)
{
    int fd = openat(world->fd, path, O_WRONLY | O_NOFOLLOW);
    if (fd < 0) {
        return -errno;
    }
    int result = fallocate(fd, (int)flags, (off_t)offset, (off_t)length) ? -errno : 0;
    (void)close(fd);
    return result;
}

static unsigned int random_rename_flags(struct random_sequence *random)
{
    uint64_t value = random_sequence_below(random, 6);
    return value == 0 ? RENAME_NOREPLACE : value < 3 ? RENAME_EXCHANGE : 0;
}

static void one_call(struct world *world, int number)
{
    static const uint32_t types[] = {OBJECT_FILE, OBJECT_FILE, OBJECT_DIRECTORY, OBJECT_DIRECTORY,
                                     OBJECT_SYMLINK};
    static const uint32_t masks[] = {ATTR_SIZE, ATTR_MODE, ATTR_UID};
    struct random_sequence *random = &world->random;
    char path[32];
    char path2[32];
    uint8_t bytes[3000];
    int ours;
    int theirs;
    random_path(world, path);
    random_path(world, path2);
    uint64_t kind = random_sequence_below(random, 13);
    uint64_t value = random_sequence_below(random, 010000);
    if (kind < 3) {
        uint32_t type = types[random_sequence_below(random, 5)];
        value &= type == OBJECT_DIRECTORY ? 01777 : 07777; /* all that mkdir takes */
        ours = make_ours(world, path, type, (uint32_t)value);
        theirs = make_theirs(world, path, type, (uint32_t)value);
    } else if (kind < 5) {
        bool directory = random_sequence_below(random, 2);
        ours = remove_ours(world, path, directory);
        theirs = unlinkat(world->fd, path, directory ? AT_REMOVEDIR : 0) ? -errno : 0;
    } else if (kind < 6) {
        ours = link_ours(world, path, path2);
        theirs = linkat(world->fd, path, world->fd, path2, 0) ? -errno : 0;
    } else if (kind < 9) {
        unsigned int flags = random_rename_flags(random);
        ours = rename_ours(world, path, path2, flags);
        theirs = renameat2(world->fd, path, world->fd, path2, flags) ? -errno : 0;
        if (theirs == -EEXIST && !(flags & RENAME_NOREPLACE)) {
            theirs = -ENOTEMPTY; /* POSIX has both for this; XFS the one, ext4 the other */
        }
    } else if (kind < 10) {
        random_sequence_bytes(random, bytes, sizeof bytes);
        struct slice bulk = slice_of(bytes, value % sizeof bytes);
        ours = write_ours(world, path, value * 5, bulk);
        theirs = write_theirs(world, path, value * 5, bulk);
    } else if (kind < 11) {
        uint32_t flags = (uint32_t)random_sequence_below(random, 32) & ALLOCATE_FLAGS;
        uint64_t length = random_sequence_below(random, 10000) * (value % 16 != 0);
        ours = allocate_ours(world, path, flags, value * 4, length);
        theirs = allocate_theirs(world, path, flags, value * 4, length);
    } else {
        uint32_t mask = masks[random_sequence_below(random, 3)];
        ours = change_ours(world, path, mask, value);
        theirs = change_theirs(world, path, mask, value);
    }
    if (ours != theirs) {
        printf("call %d, kind %d %s %s: ours %d, the kernel's %d\n", number, (int)kind, path, path2,
               ours, theirs);
    }
    CU_ASSERT_EQUAL_FATAL(ours, theirs);
}

static void the_store_answers_as_the_kernel_does(void)
{
    static struct world world;
    (void)umask(0);
    temporary_directory(world.path);
    world.fd = open(world.path, O_RDONLY | O_DIRECTORY);
    store_fixture_open(&world.fixture, 0, 1);
    random_sequence_init(&world.random, 7);
    for (int i = 0; i < CALLS; i++) {
        one_call(&world, i);
        if (i % 3000 == 2999) {
            CU_ASSERT_EQUAL_FATAL(
                store_compare(world.fixture.stores[0], world.path, TREE_CONTENTS | TREE_OWNERS), 0);
        }
    }
    printf("%llu of %d calls changed something ", (unsigned long long)world.fixture.index, CALLS);
    CU_ASSERT(world.fixture.index > CALLS / 10);
    store_fixture_close(&world.fixture);
    (void)close(world.fd);
    remove_tree(world.path);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("store, against the kernel", NULL, NULL);
    CU_ADD_TEST(suite, the_store_answers_as_the_kernel_does);
    CU_basic_run_tests();
    unsigned int failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
