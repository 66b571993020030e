/*
 * Files that are held open while others remove and replace them: processes on one or more mounts
 * make files, move them over a few shared names, open whatever has such a name, and read it for as
 * long as they hold it. What is opened through a mount, and removed through the same, must stay
 * readable, whole and the same.
 *
 *     held SEED SECONDS PROCESSES DIRECTORY…    a directory for each mount, with names of its own
 *
 * Half of the processes end in the midst of it, by SIGKILL.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NAMES = 6, HELD_MAX = 8, WORDS = 2000 };

struct contents {
    uint64_t words[WORDS];
};

struct held {
    int fd;
    uint64_t tag;
};

struct worker {
    const char *directory;
    unsigned number;
    uint64_t state; /* of the random numbers */
    uint64_t made;
    struct held held[HELD_MAX];
    unsigned held_count;
};

static uint64_t draw(struct worker *worker, uint64_t below)
{
    worker->state ^= worker->state << 13;
    worker->state ^= worker->state >> 7;
    worker->state ^= worker->state << 17;
    return worker->state % below;
}

static void fail(const struct worker *worker, const char *what, int error)
{
    (void)fprintf(stderr, "held: process %u in %s: %s: %s\n", worker->number, worker->directory,
                  what, error ? strerror(error) : "wrong");
    _exit(1);
}

static void path_of(char *path, size_t size, const struct worker *worker, const char *kind,
                    uint64_t number)
{
    (void)snprintf(path, size, "%s/%s-%llu", worker->directory, kind, (unsigned long long)number);
}

static void shared_path(char *path, size_t size, struct worker *worker)
{
    path_of(path, size, worker, "shared", draw(worker, NAMES));
}

static void hold(struct worker *worker, int fd, uint64_t tag)
{
    struct held *place = &worker->held[worker->held_count];
    if (worker->held_count == HELD_MAX) {
        place = &worker->held[draw(worker, HELD_MAX)];
        if (close(place->fd) != 0) {
            fail(worker, "close", errno);
        }
    } else {
        worker->held_count++;
    }
    *place = (struct held){.fd = fd, .tag = tag};
}

/* All words are the tag; 0 if the file is one that was made elsewhere, and gives it. */
static void look(struct worker *worker, struct held *held)
{
    struct contents contents;
    ssize_t size = pread(held->fd, &contents, sizeof(contents), 0);
    if (size != sizeof(contents)) {
        fail(worker, "read", size < 0 ? errno : 0);
    }
    held->tag = held->tag ? held->tag : contents.words[0];
    for (unsigned i = 0; i < WORDS; i++) {
        if (contents.words[i] != held->tag) {
            fail(worker, "contents", 0);
        }
    }
}

static void look_mapped(struct worker *worker, const struct held *held)
{
    const struct contents *contents =
        mmap(NULL, sizeof(*contents), PROT_READ, MAP_SHARED, held->fd, 0);
    if (contents == MAP_FAILED) {
        fail(worker, "mmap", errno);
    }
    if (contents->words[WORDS - 1] != held->tag) {
        fail(worker, "mapped contents", 0);
    }
    (void)munmap((void *)(uintptr_t)contents, sizeof(*contents));
}

/* A file, whole before it has a shared name. */
static void make(struct worker *worker)
{
    static struct contents contents;
    char own[300], shared[300], proc[40];
    uint64_t tag = (uint64_t)worker->number << 40 | ++worker->made;
    bool is_unnamed = draw(worker, 3) == 0;
    path_of(own, sizeof(own), worker, "own", worker->number);
    shared_path(shared, sizeof(shared), worker);
    int fd = is_unnamed ? open(worker->directory, O_TMPFILE | O_RDWR, 0644)
                        : open(own, O_CREAT | O_EXCL | O_RDWR, 0644);
    if (fd < 0) {
        fail(worker, "create", errno);
    }
    for (unsigned i = 0; i < WORDS; i++) {
        contents.words[i] = tag;
    }
    if (write(fd, &contents, sizeof(contents)) != sizeof(contents)) {
        fail(worker, "write", errno);
    }
    (void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
    if (is_unnamed && linkat(AT_FDCWD, proc, AT_FDCWD, own, AT_SYMLINK_FOLLOW) != 0) {
        fail(worker, "link", errno);
    }
    if (rename(own, shared) != 0) {
        fail(worker, "rename", errno);
    }
    hold(worker, fd, tag);
}

static void open_shared(struct worker *worker)
{
    char shared[300];
    shared_path(shared, sizeof(shared), worker);
    int fd = open(shared, O_RDWR);
    if (fd >= 0) {
        hold(worker, fd, 0);
        look(worker, &worker->held[worker->held_count - 1]);
    } else if (errno != ENOENT) {
        fail(worker, "open", errno);
    }
}

static void unlink_shared(struct worker *worker)
{
    char shared[300];
    shared_path(shared, sizeof(shared), worker);
    if (unlink(shared) != 0 && errno != ENOENT) {
        fail(worker, "unlink", errno);
    }
}

static void let_go(struct worker *worker)
{
    if (worker->held_count > 0 && close(worker->held[--worker->held_count].fd) != 0) {
        fail(worker, "close", errno);
    }
}

static void step(struct worker *worker)
{
    uint64_t what = draw(worker, 10);
    if (what < 3) {
        make(worker);
    } else if (what < 5) {
        open_shared(worker);
    } else if (what < 6) {
        unlink_shared(worker);
    } else if (what < 7) {
        let_go(worker);
    } else if (worker->held_count > 0) {
        struct held *held = &worker->held[draw(worker, worker->held_count)];
        look(worker, held);
        if (what == 9) {
            look_mapped(worker, held);
        }
    }
}

static void work(struct worker *worker, unsigned seconds)
{
    time_t end = time(NULL) + (time_t)seconds;
    uint64_t steps = 0;
    while (time(NULL) < end) {
        step(worker);
        steps++;
    }
    (void)printf("process %u: %llu steps\n", worker->number, (unsigned long long)steps);
    (void)fflush(stdout);
    _exit(0);
}

int main(int argc, char **argv)
{
    enum { PROCESSES_MAX = 64 };
    pid_t pids[PROCESSES_MAX];
    if (argc < 5) {
        return 2;
    }
    uint64_t seed = strtoull(argv[1], NULL, 10);
    unsigned seconds = (unsigned)atoi(argv[2]), count = (unsigned)atoi(argv[3]);
    count = count < PROCESSES_MAX ? count : PROCESSES_MAX;
    for (unsigned i = 0; i < count; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            struct worker worker = {.directory = argv[4 + i % (unsigned)(argc - 4)],
                                    .number = i + 1,
                                    .state = seed * 1000 + i + 88172645463325252U};
            work(&worker, seconds);
        }
    }
    (void)sleep(seconds - 1);
    int failed = 0;
    for (unsigned i = 1; i < count; i += 2) {
        (void)kill(pids[i], SIGKILL);
    }
    for (unsigned i = 0; i < count; i++) {
        int status = 0;
        (void)waitpid(pids[i], &status, 0);
        failed |= WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status) != SIGKILL;
    }
    return failed;
}
