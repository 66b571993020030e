/*
 * The brick's connection to trivetd: it registers there, again after every loss, and is told its
 * view, asked for its state, and told to stop on the same connection.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_BRICK_BRICK_SUPERVISED_H
#define TRIVET_BRICK_BRICK_SUPERVISED_H

#include "backend/brick/brick.h"

struct supervised;

/*
 * Begin. host and port are trivetd's; listen_port is what the brick listens on. stop is called
 * once, on a thread of the loop, when trivetd says so, or with a negative status when it refuses
 * the brick for good.
 */
int supervised_new(struct brick *brick, const char *host, uint16_t port, uint16_t listen_port,
                   void (*stop)(void *context, int status), void *context,
                   struct supervised **out_supervised);
/* Every few ms: dial again if the connection is lost. */
void supervised_tick(struct supervised *supervised);
/* After the loop has stopped. */
void supervised_free(struct supervised *supervised);

#endif
