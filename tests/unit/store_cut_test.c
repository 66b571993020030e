/*
 * A brick takes back operations that its set never got.
 *
 * Goal: whatever it had done, after store_cut, the bytes it asks for, and the set's own operations
 * the brick is as if it had never done anything else: index, log, tree, contents, times, what is
 * kept of colliding names; whenever its process died on the way. Method: a store in memory is the
 * set. Children of the test open the brick, do random operations that the set does not get, and
 * leave by _exit; further ones cut it, and die at a call of the kernel or of LMDB that is counted
 * out, the first, then the second …; the last one comes to the end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "backend/base/check.h"
#include "backend/proto/dirent.h"
#include "backend/proto/disk_format.h"
#include "backend/store/indexed.h"
#include "tests/lib/store_check.h"
#include "tests/lib/store_fixture.h"

/* ---- dying at a call ----------------------------------------------------------------------- */

#define DIED 9

static uint32_t calls_left; /* until the process dies; 0: it does not */

static void count_call(void)
{
    if (calls_left > 0 && --calls_left == 0) {
        _exit(DIED);
    }
}

/* What changes a disk: these take the place of libc's, for the store and for LMDB. */

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    count_call();
    return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned int flags)
{
    count_call();
    return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    count_call();
    return (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
}

int unlinkat(int fd, const char *name, int flags)
{
    count_call();
    return (int)syscall(SYS_unlinkat, fd, name, flags);
}

int mkdirat(int fd, const char *name, mode_t mode)
{
    count_call();
    return (int)syscall(SYS_mkdirat, fd, name, mode);
}

int fchownat(int fd, const char *name, uid_t uid, gid_t gid, int flags)
{
    count_call();
    return (int)syscall(SYS_fchownat, fd, name, uid, gid, flags);
}

int fchmod(int fd, mode_t mode)
{
    count_call();
    return (int)syscall(SYS_fchmod, fd, mode);
}

int ftruncate(int fd, off_t size)
{
    count_call();
    return (int)syscall(SYS_ftruncate, fd, size);
}

int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
    count_call();
    return (int)syscall(SYS_fsetxattr, fd, name, value, size, flags);
}

int fremovexattr(int fd, const char *name)
{
    count_call();
    return (int)syscall(SYS_fremovexattr, fd, name);
}

/* The machine does not stop here: what a process leaves is there without these. */

int fsync(int fd)
{
    (void)fd;
    count_call();
    return 0;
}

int fdatasync(int fd)
{
    (void)fd;
    count_call();
    return 0;
}

int syncfs(int fd)
{
    (void)fd;
    count_call();
    return 0;
}

struct MDB_txn;
int mdb_txn_commit(struct MDB_txn *txn);

int mdb_txn_commit(struct MDB_txn *txn)
{
    static int (*real)(struct MDB_txn * txn);
    if (!real) {
        *(void **)&real = dlsym(RTLD_NEXT, "mdb_txn_commit");
        INVARIANT(real);
    }
    count_call();
    int result = real(txn);
    count_call();
    return result;
}

/* ---- a set and a brick ----------------------------------------------------------------------- */

#define HISTORY_MAX 600
#define CALLS_OF_A_CUT 150
#define HASH_BITS_KEPT UINT64_C(3) /* of names: so that many collide */

/* What was taken back, so that nobody believes that something was tried that never was. Shared with
 * children. */
struct tally {
    uint32_t kinds[OPERATION_KIND_LAST + 1];
    uint32_t kept;
    uint32_t gone;        /* objects taken from the volume */
    uint32_t directories; /* that were renamed */
    uint32_t exchanged;
    uint32_t whole; /* files fetched */
    uint32_t parts;
    uint32_t deaths;
};

static struct tally *tally;

static void count_operation(const struct operation *operation)
{
    tally->kinds[operation->kind]++;
    tally->kept += operation->flags & OPERATION_KEEPS ? 1 : 0;
    tally->gone += operation_removes(operation) ? 1 : 0;
    tally->directories +=
        operation->kind == OPERATION_RENAME && operation->object.type == OBJECT_DIRECTORY;
    tally->exchanged += operation->rename_flags & RENAME_EXCHANGE ? 1 : 0;
}

/* An operation of the set that the brick is to get. */
struct sent {
    uint8_t *record;
    size_t size;
    uint8_t *bulk;
    size_t bulk_size;
};

struct world {
    struct random_sequence random;
    struct wish_room room;
    uint64_t now_ns;
    struct store *set; /* in memory */
    char path[64];     /* the brick's directory; "": it is in memory too, brick */
    struct store *brick;
    uint64_t common; /* the last operation that both have */
    struct sent history[HISTORY_MAX];
    uint32_t history_count;
};

static void must(int result, const char *what)
{
    if (result) {
        fprintf(stderr, "%s: %d\n", what, result);
    }
    INVARIANT(result == 0);
}

static void collide(struct store *store)
{
    index_of(store)->hash_mask = HASH_BITS_KEPT;
}

static struct store *open_brick(const struct world *world)
{
    char error[512];
    struct store *store = world->brick;
    if (!store && posix_store_open(world->path, clock_real(), &store, error, sizeof error)) {
        fprintf(stderr, "%s\n", error);
        _exit(20);
    }
    collide(store);
    return store;
}

static uint64_t sequenced(struct store *store)
{
    struct store_position position;
    store_position(store, &position);
    return position.sequenced;
}

/* A wish, if it is granted sequenced and applied by store; both may be left out. False: refused. */
static bool act(struct world *world, struct store *store, uint64_t view, bool applied,
                struct sent *out_sent)
{
    uint8_t bytes[OPERATION_SIZE_MAX];
    struct operation operation;
    struct slice bulk;
    size_t size;
    world->now_ns += 1000;
    const struct decision decision = {.index = sequenced(store) + 1,
                                      .view = view,
                                      .now_ns = world->now_ns,
                                      .bytes_free = UINT64_C(1) << 40};
    const struct mutation wish = wish_random(&world->random, &world->room, &bulk);
    if (store_decide(store, &wish, &decision, &operation) || operation.kind == OPERATION_NONE ||
        (!applied && operation.kind == OPERATION_WRITE)) {
        return false;
    }
    must(operation_encode(&operation, bytes, sizeof bytes, &size), "encode");
    must(store_sequence(store, &operation, slice_of(bytes, size)), "sequence");
    if (applied) {
        must(store_apply(store, &operation, bulk), "apply");
    }
    wish_done(&world->room, &operation);
    if (!out_sent) {
        count_operation(&operation); /* to be taken back */
    } else {
        bool writes = operation.kind == OPERATION_WRITE;
        *out_sent = (struct sent){.record = malloc(size),
                                  .size = size,
                                  .bulk = malloc(bulk.size + 1),
                                  .bulk_size = writes ? bulk.size : 0};
        memcpy(out_sent->record, bytes, size);
        memcpy(out_sent->bulk, bulk.data ? bulk.data : bytes, out_sent->bulk_size);
    }
    return true;
}

/* The set does operations, which the brick gets by catch_up. */
static void set_acts(struct world *world, uint32_t wishes, uint64_t view)
{
    for (uint32_t i = 0; i < wishes && world->history_count < HISTORY_MAX; i++) {
        if (act(world, world->set, view, true, &world->history[world->history_count])) {
            world->history_count++;
            must(store_commit(world->set, sequenced(world->set)), "commit");
        }
    }
}

/* uncommitted: so many of the last ones are not known committed. */
static void catch_up(struct world *world, struct store *brick, uint32_t uncommitted)
{
    for (uint32_t i = 0; i < world->history_count; i++) {
        const struct sent *sent = &world->history[i];
        struct operation operation;
        must(operation_decode(slice_of(sent->record, sent->size), &operation), "decode");
        must(store_sequence(brick, &operation, slice_of(sent->record, sent->size)), "sequence");
        must(store_apply(brick, &operation, slice_of(sent->bulk, sent->bulk_size)), "apply");
        if (i + uncommitted < world->history_count) {
            must(store_commit(brick, operation.index), "commit");
        }
    }
}

static void forget_history(struct world *world)
{
    for (uint32_t i = 0; i < world->history_count; i++) {
        free(world->history[i].record);
        free(world->history[i].bulk);
    }
    world->history_count = 0;
    world->common = sequenced(world->set);
}

/* ---- children -------------------------------------------------------------------------------- */

/* Do what in a process of its own, that dies at a call. Returns its status. For a brick in memory:
 * here, to the end. */
static int in_child(struct world *world, void (*what)(struct world *, struct store *),
                    uint32_t call)
{
    if (world->brick) {
        what(world, world->brick);
        return 0;
    }
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        calls_left = call;
        what(world, open_brick(world));
        _exit(0);
    }
    int status = -1;
    INVARIANT(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* The set's operations, and then some that it does not get; at the end a few are not in the tree.
 */
static void stray_off(struct world *world, struct store *brick)
{
    uint64_t view = 2 * world->common; /* of no other brick */
    uint64_t wishes = 20 + random_sequence_below(&world->random, 200);
    bool checkpoints = random_sequence_below(&world->random, 2);
    for (uint64_t i = 0; i < wishes; i++) {
        (void)act(world, brick, view, true, NULL);
        if (checkpoints && i % 20 == 19) {
            must(store_checkpoint(brick), "checkpoint");
        }
    }
    for (uint32_t i = 0; i < 5 && !world->brick; i++) {
        (void)act(world, brick, view, false, NULL);
    }
}

static void catch_up_and_stray(struct world *world, struct store *brick)
{
    catch_up(world, brick, (uint32_t)random_sequence_below(&world->random, 4));
    stray_off(world, brick);
}

static void only_catch_up(struct world *world, struct store *brick)
{
    catch_up(world, brick, 0);
    for (int i = 0; i <= CHECKPOINTS_UNFLUSHED; i++) {
        must(store_checkpoint(brick), "checkpoint");
    }
    if (!world->brick) {
        store_close(brick);
    }
}

struct refetching {
    struct world *world;
    struct store *brick;
    uint64_t bytes;
};

static int fetch(void *context, const struct store_refetch *range)
{
    struct refetching *refetching = context;
    static uint8_t buffer[7000];
    uint64_t left = range->length;
    tally->whole += left == UINT64_MAX;
    tally->parts += left < UINT64_MAX;
    uint64_t offset = range->offset;
    while (left > 0) {
        uint32_t wanted = left < sizeof buffer ? (uint32_t)left : sizeof buffer;
        uint32_t got = 0;
        int result =
            store_read(refetching->world->set, &range->object, offset, wanted, false, buffer, &got);
        if (result == -ESTALE) {
            return 0; /* the set has removed it since */
        }
        if (!result && got > 0) {
            result =
                store_restore(refetching->brick, &range->object, offset, slice_of(buffer, got));
        }
        if (result || got < wanted) {
            return result;
        }
        offset += got;
        left -= got;
        refetching->bytes += got;
    }
    return 0;
}

static int fetch_nothing(void *context, const struct store_refetch *range)
{
    (void)context;
    (void)range;
    return 0;
}

/* Somebody who led for a moment had it cut less far, and its bytes were never fetched. */
static void cut_less(struct world *world, struct store *brick)
{
    uint64_t last = sequenced(brick);
    uint64_t to = world->common + random_sequence_below(&world->random, last - world->common + 1);
    must(store_cut(brick, to, fetch_nothing, NULL), "cut");
    must(store_reconciling(brick) != (to < last), "reconciling");
}

static void cut(struct world *world, struct store *brick)
{
    struct refetching refetching = {.world = world, .brick = brick};
    struct store_position position;
    if (sequenced(brick) > world->common) {
        must(store_cut(brick, world->common, fetch, &refetching), "cut");
    } else {
        must(store_refetch(brick, fetch, &refetching), "refetch");
    }
    must(store_reconciled(brick), "reconciled");
    store_position(brick, &position);
    must(position.sequenced != world->common || position.applied != world->common, "position");
    must(store_reconciling(brick), "reconciling");
}

/* ---- comparisons ----------------------------------------------------------------------------- */

struct orders {
    struct store *store;
    int fd;
    uint32_t wrong;
    uint32_t kept;
};

static void check_order(void *context, const struct dirent_entry *entry);

/* What is kept of collisions is what there is, and nothing else. */
static uint32_t count_wrong_orders(struct store *store, const struct gfid *directory, int fd)
{
    struct orders orders = {.store = store, .fd = fd};
    char names[16384];
    uint32_t there = 0;
    int64_t count = store_list(store, directory, 4000, check_order, &orders);
    ssize_t size = flistxattr(fd, names, sizeof names);
    for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1) {
        there += strncmp(names + at, DISK_XATTR_ORDER, sizeof DISK_XATTR_ORDER - 1) == 0;
    }
    (void)close(fd);
    return orders.wrong + (count < 0) + (orders.kept != there);
}

static void check_order(void *context, const struct dirent_entry *entry)
{
    struct orders *orders = context;
    char text[sizeof DISK_XATTR_ORDER + 16];
    char name[NAME_SIZE_MAX + 1];
    memcpy(name, entry->name.data, entry->name.size);
    name[entry->name.size] = '\0';
    if (entry->cookie & COOKIE_ORDER_MASK) {
        char value[NAME_SIZE_MAX];
        (void)snprintf(text, sizeof text, DISK_XATTR_ORDER "%016" PRIx64, entry->cookie);
        ssize_t got = fgetxattr(orders->fd, text, value, sizeof value);
        bool good = got == (ssize_t)entry->name.size && memcmp(value, name, (size_t)got) == 0;
        orders->kept++;
        orders->wrong += !good;
    }
    if (entry->type == OBJECT_DIRECTORY) {
        int fd = openat(orders->fd, name, O_RDONLY | O_DIRECTORY);
        orders->wrong += count_wrong_orders(orders->store, &entry->gfid, fd);
    }
}

static uint32_t count_names(const char *brick, const char *part)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/.trivet/%s", brick, part);
    DIR *directory = opendir(path);
    uint32_t count = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        count += entry->d_name[0] != '.';
    }
    (void)closedir(directory);
    return count;
}

static int compare_files(struct store *set, struct store *brick);

static void compare(struct world *world, unsigned int how)
{
    struct store *brick = open_brick(world);
    CU_ASSERT_EQUAL(sequenced(brick), sequenced(world->set));
    CU_ASSERT_EQUAL_FATAL(store_digest(brick), store_digest(world->set));
    CU_ASSERT_FALSE(store_reconciling(brick));
    if (world->brick) {
        CU_ASSERT_EQUAL_FATAL(compare_files(world->set, brick), 0);
        return;
    }
    how |= TREE_CONTENTS | TREE_OWNERS;
    CU_ASSERT_EQUAL_FATAL(store_compare(world->set, world->path, how), 0);
    CU_ASSERT_EQUAL_FATAL(store_compare(brick, world->path, how), 0);
    int fd = open(world->path, O_RDONLY | O_DIRECTORY);
    CU_ASSERT_EQUAL(count_wrong_orders(brick, &GFID_ROOT, fd), 0);
    CU_ASSERT_EQUAL(count_names(world->path, "stray"), 0);
    CU_ASSERT_EQUAL(count_names(world->path, "limbo"), 0);
    store_close(brick);
}

struct file_comparison {
    struct store *set;
    struct store *brick;
    int differences;
};

static void compare_file(void *context, const struct dirent_entry *entry)
{
    struct file_comparison *comparison = context;
    static uint8_t ours[1024 * 1024];
    static uint8_t theirs[1024 * 1024];
    uint32_t got = 0;
    uint32_t got_there = 0;
    if (entry->type == OBJECT_DIRECTORY) {
        (void)store_list(comparison->set, &entry->gfid, 4000, compare_file, comparison);
    } else if (entry->type == OBJECT_FILE) {
        must(store_read(comparison->set, &entry->gfid, 0, sizeof ours, false, ours, &got), "read");
        must(store_read(comparison->brick, &entry->gfid, 0, sizeof theirs, false, theirs,
                        &got_there),
             "read");
        comparison->differences += got != got_there || memcmp(ours, theirs, got) != 0;
    }
}

static int compare_files(struct store *set, struct store *brick)
{
    struct file_comparison comparison = {.set = set, .brick = brick};
    (void)store_list(set, &GFID_ROOT, 4000, compare_file, &comparison);
    return comparison.differences;
}

/* ---- the stories ----------------------------------------------------------------------------- */

static void begin(struct world *world, uint64_t seed, bool on_disk)
{
    struct store_identity identity = test_identity(1);
    char error[512];
    *world = (struct world){.now_ns = UINT64_C(1700000000) * NS_PER_S,
                            .common = OPERATION_INDEX_FIRST - 1};
    random_sequence_init(&world->random, seed);
    wish_room_init(&world->room);
    must(memory_store_open(&identity, clock_real(), &world->set), "memory");
    collide(world->set);
    if (on_disk) {
        temporary_directory(world->path);
        must(posix_store_format(world->path, &identity, false, error, sizeof error), error);
    } else {
        must(memory_store_open(&identity, clock_real(), &world->brick), "memory");
    }
}

static void end(struct world *world)
{
    forget_history(world);
    store_close(world->set);
    if (world->brick) {
        store_close(world->brick);
    } else {
        remove_tree(world->path);
    }
}

/* The brick strays off, is cut, dies at two calls on the way, catches up. Returns the number of
 * deaths. */
static uint32_t stray_and_return(struct world *world, uint32_t first_call, uint32_t second_call)
{
    uint32_t deaths = 0;
    bool goes_on = random_sequence_below(&world->random, 2);
    CU_ASSERT_EQUAL_FATAL(in_child(world, catch_up_and_stray, 0), 0);
    forget_history(world);
    for (uint64_t i = random_sequence_below(&world->random, 3); i > 1; i--) {
        random_sequence_init(&world->random, world->now_ns++);
        CU_ASSERT_EQUAL_FATAL(in_child(world, stray_off, 0), 0);
    }
    if (goes_on) { /* while it is away */
        set_acts(world, 60, 2 * world->common + 1);
    }
    if (random_sequence_below(&world->random, 3) == 0) {
        int status = in_child(world, cut_less, first_call);
        CU_ASSERT_FATAL(status == 0 || status == DIED);
    }
    const uint32_t calls[] = {first_call, second_call, 0};
    for (size_t i = 0; i < 3; i++) {
        int status = in_child(world, cut, calls[i]);
        CU_ASSERT_FATAL(status == 0 || (status == DIED && calls[i] > 0));
        deaths += status == DIED;
        if (status == 0) {
            break;
        }
    }
    if (!goes_on) {
        compare(world, 0);
    }
    set_acts(world, 60, 2 * world->common + 1);
    CU_ASSERT_EQUAL_FATAL(in_child(world, only_catch_up, 0), 0);
    forget_history(world);
    compare(world, TREE_TIMES);
    return deaths;
}

static void at_random(uint64_t seed, uint32_t rounds, bool on_disk)
{
    static struct world world;
    printf("seed %" PRIu64 " ", seed);
    begin(&world, seed, on_disk);
    for (uint32_t i = 0; i < rounds; i++) {
        set_acts(&world, 200, 1);
        tally->deaths += stray_and_return(
            &world, 1 + (uint32_t)random_sequence_below(&world.random, CALLS_OF_A_CUT),
            1 + (uint32_t)random_sequence_below(&world.random, CALLS_OF_A_CUT));
    }
    end(&world);
}

static void check_tally(void)
{
    for (uint32_t kind = OPERATION_NONE + 1; kind <= OPERATION_KIND_LAST; kind++) {
        printf("%u ", tally->kinds[kind]);
        CU_ASSERT(tally->kinds[kind] >= 5);
    }
    printf("of each kind; %u kept, %u gone, %u directories moved, %u exchanged; %u files, %u parts "
           "fetched; %u deaths ",
           tally->kept, tally->gone, tally->directories, tally->exchanged, tally->whole,
           tally->parts, tally->deaths);
    CU_ASSERT(tally->kept >= 5);
    CU_ASSERT(tally->gone >= 5);
    CU_ASSERT(tally->directories >= 5);
    CU_ASSERT(tally->exchanged >= 5);
    CU_ASSERT(tally->whole >= 5);
    CU_ASSERT(tally->parts >= 5);
    *tally = (struct tally){.kept = 0};
}

static void a_brick_takes_back_what_it_did_alone(void)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        at_random(seed, 8, true);
    }
    CU_ASSERT(tally->deaths > 8);
    check_tally();
}

static void a_store_in_memory_does_the_same(void)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        at_random(seed, 10, false);
    }
    check_tally();
}

/* One death at the first call, one at the second … until there is none any more, however much there
 * is to take back. */
static void it_may_die_at_every_call(void)
{
    static struct world world;
    uint32_t survived = 0;
    uint32_t call = 1;
    begin(&world, 77, true);
    while (call < 5000 && survived < 5) {
        set_acts(&world, 20, 1);
        survived += stray_and_return(&world, call, call % 3 ? 0 : call / 2) == 0;
        call += 1 + call / 32;
    }
    printf("(%u calls) ", call);
    CU_ASSERT(call > CALLS_OF_A_CUT / 2);
    end(&world);
}

int main(void)
{
    tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    INVARIANT(tally != MAP_FAILED);
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("store, taking operations back", NULL, NULL);
    CU_ADD_TEST(suite, a_store_in_memory_does_the_same);
    CU_ADD_TEST(suite, a_brick_takes_back_what_it_did_alone);
    CU_ADD_TEST(suite, it_may_die_at_every_call);
    CU_basic_run_tests();
    unsigned int failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
