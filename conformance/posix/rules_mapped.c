/*
 * Rules about mapped files and time: write-back, faults, several processes, executing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include "conformance/posix/rules_io.h"

static char *map_shared(int fd, size_t size)
{
    char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    MUST(map);
    return map;
}

static sigjmp_buf faulted;

static void on_fault(int number)
{
    (void)number;
    siglongjmp(faulted, 1);
}

struct touch {
    volatile char *byte;
    int fd;
    bool store;
    off_t shrink_to; /* before it is touched; -1: not */
};

/* EFAULT: SIGBUS came. */
static int touch_byte(struct place *place, void *argument)
{
    struct touch *touch = argument;
    (void)place;
    (void)signal(SIGBUS, on_fault);
    if (touch->shrink_to >= 0 && ftruncate(touch->fd, touch->shrink_to) != 0) {
        return errno;
    }
    if (sigsetjmp(faulted, 1)) {
        return EFAULT;
    }
    if (touch->store) {
        *touch->byte = 'x';
        return 0;
    }
    return *touch->byte == 0 ? 0 : EEXIST;
}

static void msync_stores(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char *map = map_shared(fd, 5);
    map[0] = 'J';
    MUST(msync(map, 5, MS_SYNC));
    check_content(place, "f", "Jello");
}

static void msync_async(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char *map = map_shared(fd, 5);
    map[0] = 'J';
    MUST(msync(map, 5, MS_ASYNC));
    check_content(place, "f", "Jello");
}

static void msync_odd_address_einval(struct place *place)
{
    char *map = map_shared(open_new(place, "f", "hello"), 5);
    FAILS(msync(map + 1, 4, MS_SYNC), EINVAL);
}

static void msync_both_flags_einval(struct place *place)
{
    char *map = map_shared(open_new(place, "f", "hello"), 5);
    FAILS(msync(map, 5, MS_SYNC | MS_ASYNC), EINVAL);
}

static void msync_unmapped_enomem(struct place *place)
{
    char *map = map_shared(open_new(place, "f", "hello"), 5);
    MUST(munmap(map, 5));
    FAILS(msync(map, 5, MS_SYNC), ENOMEM);
}

static void munmap_stores(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(ftruncate(fd, 10 * PAGE));
    char *map = map_shared(fd, 10 * PAGE);
    memset(map, 'm', 10 * PAGE);
    MUST(munmap(map, 10 * PAGE));
    MUST(close(fd));
    check_fill(open_at(place, "f", O_RDONLY), 0, 10 * PAGE, 'm');
}

static void fsync_of_mapped(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    map_shared(fd, 5)[1] = 'a';
    MUST(fsync(fd));
    MUST(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
    check_text(fd, "hallo");
}

static void store_marks_mtime(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char *map = map_shared(fd, 5);
    struct stat before = look_fd(fd);
    pass_time(place);
    map[0] = 'J';
    MUST(msync(map, 5, MS_SYNC));
    HOLDS(compare_times(before.st_mtim, look_fd(fd).st_mtim) < 0);
    HOLDS(compare_times(before.st_ctim, look_fd(fd).st_ctim) < 0);
}

static void second_store_after_sync(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char *map = map_shared(fd, 5);
    for (char letter = 'a'; letter < 'f'; letter++) {
        map[0] = letter;
        MUST(msync(map, 5, MS_SYNC));
    }
    check_content(place, "f", "eello");
}

static void beyond_end_sigbus(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    struct touch touch = {.byte = map_shared(fd, 3 * PAGE) + PAGE, .shrink_to = -1};
    EQUAL(as_child(touch_byte, place, &touch), EFAULT);
}

static void store_beyond_end_sigbus(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    struct touch touch = {
        .byte = map_shared(fd, 3 * PAGE) + 2 * PAGE, .store = true, .shrink_to = -1};
    EQUAL(as_child(touch_byte, place, &touch), EFAULT);
    EQUAL(size_of(fd), 5);
}

static void empty_file_sigbus(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    struct touch touch = {.byte = map_shared(fd, PAGE), .shrink_to = -1};
    EQUAL(as_child(touch_byte, place, &touch), EFAULT);
}

static void shrunk_sigbus(struct place *place)
{
    int fd = open_pattern(place, "f", 3 * PAGE);
    char *map = map_shared(fd, 3 * PAGE);
    HOLDS(map[2 * PAGE] != 0);
    struct touch touch = {.byte = map + 2 * PAGE, .fd = fd, .shrink_to = PAGE};
    EQUAL(as_child(touch_byte, place, &touch), EFAULT);
}

static void shrunk_inside_page_zeros(struct place *place)
{
    int fd = open_pattern(place, "f", PAGE);
    char *map = map_shared(fd, PAGE);
    HOLDS(map[200] != 0);
    MUST(ftruncate(fd, 100));
    EQUAL(map[200], 0);
    HOLDS(map[50] != 0);
}

static void regrown_zeros(struct place *place)
{
    int fd = open_pattern(place, "f", 3 * PAGE);
    char *map = map_shared(fd, 3 * PAGE);
    HOLDS(map[2 * PAGE + 7] != 0);
    MUST(ftruncate(fd, PAGE));
    MUST(ftruncate(fd, 3 * PAGE));
    EQUAL(map[2 * PAGE + 7], 0);
}

static void fork_shares(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char *map = map_shared(fd, 5);
    struct touch touch = {.byte = map + 1, .store = true, .shrink_to = -1};
    EQUAL(as_child(touch_byte, place, &touch), 0);
    EQUAL(map[1], 'x');
    check_text(fd, "hxllo");
}

static void fork_private_separate(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    char *map = mmap(NULL, 5, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    MUST(map);
    struct touch touch = {.byte = map + 1, .store = true, .shrink_to = -1};
    EQUAL(as_child(touch_byte, place, &touch), 0);
    EQUAL(map[1], 'e');
}

static int map_and_store(struct place *place, void *argument)
{
    int fd = openat(place->fd, "f", O_RDWR | O_CLOEXEC);
    (void)argument;
    char *map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || map == MAP_FAILED) {
        return errno;
    }
    memcpy(map, "JELLO", 5);
    return 0;
}

static void other_process_maps(struct place *place)
{
    int fd = open_new(place, "f", "hello");
    const char *map = map_shared(fd, 5);
    EQUAL(map[0], 'h');
    EQUAL(as_child(map_and_store, place, NULL), 0);
    HOLDS(memcmp(map, "JELLO", 5) == 0);
}

static void stored_by_killed_process(struct place *place)
{
    make_file(place, "f", 0666, "hello");
    EQUAL(as_child(map_and_store, place, NULL), 0);
    check_content(place, "f", "JELLO");
}

/* Adds to a counter in a mapped file, under nothing but the processor's own atomicity. */
static int count_up(struct place *place, void *argument)
{
    int *counter = argument;
    (void)place;
    for (int i = 0; i < 10000; i++) {
        __atomic_fetch_add(counter, 1, __ATOMIC_SEQ_CST);
    }
    return 0;
}

static void atomic_counter(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(ftruncate(fd, PAGE));
    int *counter = (int *)(void *)map_shared(fd, PAGE);
    pid_t one = child_start(count_up, place, counter), two = child_start(count_up, place, counter);
    EQUAL(child_end(one), 0);
    EQUAL(child_end(two), 0);
    int stored;
    EQUAL(MUST(pread(fd, &stored, sizeof stored, 0)), sizeof stored);
    EQUAL(stored, 20000);
}

static void execute_from_mapping(struct place *place)
{
    int fd = open_new(place, "f", NULL);
#if defined(__x86_64__)
    EQUAL(MUST(pwrite(fd, "\xb8\x2a\0\0\0\xc3", 6, 0)), 6); /* return 42 */
#elif defined(__aarch64__)
    EQUAL(MUST(pwrite(fd, "\x40\x05\x80\x52\xc0\x03\x5f\xd6", 8, 0)), 8);
#else
    NEEDS(false, "no code for this processor");
#endif
    void *map = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    NEEDS(map != MAP_FAILED || errno != EPERM, "mounted noexec");
    MUST(map);
    int (*code)(void);
    memcpy(&code, &map, sizeof code);
    EQUAL(code(), 42);
}

static void advice(struct place *place)
{
    int fd = open_pattern(place, "f", 4 * PAGE);
    char *map = map_shared(fd, 4 * PAGE), bytes[PAGE];
    MUST(madvise(map, 4 * PAGE, MADV_WILLNEED));
    MUST(madvise(map, 4 * PAGE, MADV_RANDOM));
    MUST(madvise(map, 4 * PAGE, MADV_DONTNEED));
    EQUAL(MUST(pread(fd, bytes, PAGE, PAGE)), PAGE);
    HOLDS(memcmp(map + PAGE, bytes, PAGE) == 0);
}

static void dropped_page_keeps_store(struct place *place)
{
    int fd = open_pattern(place, "f", 2 * PAGE);
    char *map = map_shared(fd, 2 * PAGE);
    map[5] = 'x';
    MUST(madvise(map, 2 * PAGE, MADV_DONTNEED));
    EQUAL(map[5], 'x');
}

static void locked_in_memory(struct place *place)
{
    int fd = open_pattern(place, "f", 2 * PAGE);
    char *map = map_shared(fd, 2 * PAGE);
    NEEDS(mlock(map, 2 * PAGE) == 0 || errno != ENOMEM, "too little memory may be locked");
    map[PAGE] = 'x';
    MUST(munlock(map, 2 * PAGE));
    check_fill(fd, PAGE, 1, 'x');
}

static void remapped_larger(struct place *place)
{
    int fd = open_pattern(place, "f", PAGE);
    char *map = map_shared(fd, PAGE);
    MUST(ftruncate(fd, 3 * PAGE));
    map = mremap(map, PAGE, 3 * PAGE, MREMAP_MAYMOVE);
    MUST(map);
    map[2 * PAGE] = 'x';
    check_fill(fd, 2 * PAGE, 1, 'x');
}

static void database_page_swap(struct place *place)
{
    int fd = open_new(place, "f", NULL);
    MUST(ftruncate(fd, 20 * PAGE));
    char *map = map_shared(fd, 20 * PAGE);
    for (int i = 0; i < 20; i += 2) {
        memset(map + i * PAGE, 'a' + i, PAGE);
        fill(fd, (i + 1) * PAGE, PAGE, (char)('a' + i + 1));
    }
    for (int i = 0; i < 20; i++) {
        check_fill(fd, i * PAGE, PAGE, (char)('a' + i));
        EQUAL(map[i * PAGE + 99], 'a' + i);
    }
}

static const struct rule rules[] = {
    {"msync-stores", "msync writes what was stored", "POSIX msync MS_SYNC", msync_stores},
    {"msync-async", "msync may be asked not to wait", "POSIX msync MS_ASYNC", msync_async},
    {"msync-odd-address-einval", "msync wants an address of a page", "POSIX msync EINVAL",
     msync_odd_address_einval},
    {"msync-both-flags-einval", "msync is asked to wait or not to wait", "POSIX msync EINVAL",
     msync_both_flags_einval},
    {"msync-unmapped-enomem", "msync of what is not mapped fails", "POSIX msync ENOMEM",
     msync_unmapped_enomem},
    {"munmap-stores", "what was stored is in the file after munmap", "POSIX munmap", munmap_stores},
    {"fsync-of-mapped", "fsync of the descriptor writes what was stored through a mapping",
     "POSIX fsync", fsync_of_mapped},
    {"store-marks-mtime", "a store is marked in mtime once it was synced", "POSIX mmap",
     store_marks_mtime},
    {"second-store-after-sync", "a page that was synced may be stored into again", "POSIX msync",
     second_store_after_sync},
    {"beyond-end-sigbus", "a page behind the end of the file faults", "POSIX mmap, SIGBUS",
     beyond_end_sigbus},
    {"store-beyond-end-sigbus", "storing there faults too and does not grow the file",
     "POSIX mmap, SIGBUS", store_beyond_end_sigbus},
    {"empty-file-sigbus", "a mapping of an empty file faults", "POSIX mmap, SIGBUS",
     empty_file_sigbus},
    {"shrunk-sigbus", "a page that was cut off faults though it was there before",
     "POSIX ftruncate, mmap", shrunk_sigbus},
    {"shrunk-inside-page-zeros", "the cut-off part of the last page reads as zeros",
     "POSIX ftruncate, mmap", shrunk_inside_page_zeros},
    {"regrown-zeros", "a page that was cut off and grown again is zeros", "POSIX ftruncate, mmap",
     regrown_zeros},
    {"fork-shares", "a child's store into a shared mapping is seen by the parent and in the file",
     "POSIX fork, MAP_SHARED", fork_shares},
    {"fork-private-separate", "a child's store into a private mapping is its own",
     "POSIX fork, MAP_PRIVATE", fork_private_separate},
    {"other-process-maps", "two processes that map a file see each other's stores",
     "POSIX mmap MAP_SHARED", other_process_maps},
    {"stored-by-killed-process", "what a process stored stays when it ends without unmapping",
     "POSIX mmap MAP_SHARED", stored_by_killed_process},
    {"atomic-counter", "processes may count in a mapped file without losing any",
     "POSIX mmap MAP_SHARED", atomic_counter},
    {"execute-from-mapping", "code in a file may be mapped and run", "POSIX mmap PROT_EXEC",
     execute_from_mapping},
    {"advice", "advice on a mapping changes no byte", "POSIX posix_madvise", advice},
    {"dropped-page-keeps-store",
     "a stored page of a shared mapping may be dropped and comes back as stored",
     "madvise(2) MADV_DONTNEED", dropped_page_keeps_store},
    {"locked-in-memory", "a mapped file may be locked in memory", "POSIX mlock", locked_in_memory},
    {"remapped-larger", "a mapping may be made larger with its file", "mremap(2)", remapped_larger},
    {"database-page-swap", "pages stored and pages written alternately are all there",
     "POSIX mmap, write", database_page_swap},
};

const struct subject subject_mapped = {"mapped", rules, sizeof rules / sizeof rules[0]};
