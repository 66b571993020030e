/*
 * What the rules about contents share: files that are made and open, filled stretches, memory that
 * nobody may touch, and a child that runs beside its rule.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_CONFORMANCE_POSIX_RULES_IO_H
#define TRIVET_CONFORMANCE_POSIX_RULES_IO_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include "conformance/posix/attempt.h"
#include "conformance/posix/posix.h"

/* Larger than any block of a local file system, so that what is that large and so aligned is really
 * a hole once it was never written or was punched. */
enum { UNIT = 65536, PAGE = 4096 };

/* A new file, mode 0666, with this text (NULL: none), open for both; its offset is 0. */
int open_new(const struct place *place, const char *name, const char *content);
/* The same with size bytes of the pattern. */
int open_pattern(const struct place *place, const char *name, size_t size);
/* A new fifo, open for both, so that nobody waits. */
int open_fifo(const struct place *place, const char *name);
/* size times this byte, at offset; and that they are there. */
void fill(int fd, off_t offset, size_t size, char byte);
void check_fill(int fd, off_t offset, size_t size, char byte);
/* The file's whole content is this text. */
void check_text(int fd, const char *text);
off_t size_of(int fd);
/* A page that may be neither read nor written. */
void *no_memory(void);

/* A child that stays root and runs beside the rule; its result, 0 or an errno, once it has ended.
 * work must not use the macros of posix.h. */
pid_t child_start(int (*work)(struct place *place, void *argument), struct place *place,
                  void *argument);
int child_end(pid_t child);
/* In a child: 0, or ETIMEDOUT when the other end of a pipe says nothing for ten seconds. */
int say(int pipe);
int hear(int pipe);

#endif
