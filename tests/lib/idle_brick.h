/*
 * A brick without a disk, for tests of trivetd: takes trivet-brick's options, registers, answers
 * what trivetd asks, and keeps no file. A test links it and runs itself under the name
 * trivet-brick.
 *
 * Files in the brick's directory change what it does:
 *
 *     refuse-format   --format fails
 *     refuse-start    the daemon says a sentence and exits with 1
 *     never-register  the daemon listens and does not register
 *     ignore-stop     neither SUPERVISED_STOP nor SIGTERM ends it
 *     last-index      holds the number it registers with
 *     hold            it proposes no view
 *     remove-dead     as primary it removes members whose process is gone
 *     exit-status     it removes this file and exits with the number in it
 *
 * It finds the others by files, not by messages: once registered each leaves ".idle" in its
 * directory, "<incarnation> <pid> <port> <last index>". From these it proposes views much as real
 * bricks do: the primary enters members whose process is a new one; when the primary's process is
 * gone, the longest log of those in sync takes its place, once all of them are back or
 * START_WAIT_MS have passed. Each notice of a death that it was given becomes a line of "deaths":
 * "<brick> <incarnation> <CLOCK_BOOTTIME, ns>".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_IDLE_BRICK_H
#define TRIVET_TESTS_IDLE_BRICK_H

#include <stdbool.h>

/* Whether this process was started as a brick. */
bool is_idle_brick(const char *program);

/* Its main. */
int idle_brick_main(int argc, char **argv);

#endif
