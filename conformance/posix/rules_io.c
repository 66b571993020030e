/*
 * What the rules about contents share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "conformance/posix/rules_io.h"

int open_new(const struct place *place, const char *name, const char *content)
{
    make_file(place, name, 0666, content);
    return open_at(place, name, O_RDWR);
}

int open_pattern(const struct place *place, const char *name, size_t size)
{
    int fd = open_new(place, name, NULL);
    write_pattern(fd, 0, size);
    MUST(lseek(fd, 0, SEEK_SET));
    return fd;
}

int open_fifo(const struct place *place, const char *name)
{
    make_fifo(place, name, 0666);
    return open_at(place, name, O_RDWR | O_NONBLOCK);
}

void fill(int fd, off_t offset, size_t size, char byte)
{
    char block[PAGE];
    memset(block, byte, sizeof block);
    for (size_t done = 0; done < size;) {
        size_t part = size - done < sizeof block ? size - done : sizeof block;
        done += (size_t)MUST(pwrite(fd, block, part, offset + (off_t)done));
    }
}

void check_fill(int fd, off_t offset, size_t size, char byte)
{
    char block[PAGE];
    for (size_t done = 0; done < size;) {
        size_t part = size - done < sizeof block ? size - done : sizeof block;
        long got = MUST(pread(fd, block, part, offset + (off_t)done));
        HOLDS(got > 0);
        for (long i = 0; i < got; i++) {
            if (block[i] != byte) {
                EQUAL(block[i], byte);
            }
        }
        done += (size_t)got;
    }
}

void check_text(int fd, const char *text)
{
    char block[PAGE];
    long got = MUST(pread(fd, block, sizeof block, 0));
    EQUAL(got, strlen(text));
    HOLDS(memcmp(block, text, strlen(text)) == 0);
}

off_t size_of(int fd)
{
    return look_fd(fd).st_size;
}

void *no_memory(void)
{
    static void *page;
    if (!page) {
        void *mapped = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        MUST(mapped);
        page = mapped;
    }
    return page;
}

pid_t child_start(int (*work)(struct place *place, void *argument), struct place *place,
                  void *argument)
{
    pid_t child = fork();
    MUST(child);
    if (child == 0) {
        _exit(work(place, argument));
    }
    return child;
}

int child_end(pid_t child)
{
    int status;
    MUST(waitpid(child, &status, 0));
    HOLDS(WIFEXITED(status));
    return WEXITSTATUS(status);
}

int say(int pipe)
{
    return write(pipe, "!", 1) == 1 ? 0 : errno;
}

int hear(int pipe)
{
    struct pollfd ready = {.fd = pipe, .events = POLLIN};
    char byte;
    if (poll(&ready, 1, 10000) != 1) {
        return ETIMEDOUT;
    }
    return read(pipe, &byte, 1) == 1 ? 0 : EPIPE;
}
