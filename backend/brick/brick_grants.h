/*
 * Grants: what a client may cache, until when, and taking it back before another client's change
 * becomes visible.
 *
 * An answer that shows an object's attributes or a name may grant them for GRANT_MS_MAX, counted at
 * the client from sending its request and here from sending the answer, so that the brick's end is
 * the later one. A mutation by another client is held back from commit until every holder has
 * answered RECALL, its grant has ended, or its session's lease has: LEASE_CLIENT_WAIT_MS after the
 * last answer on its connection (gateway/session_lease.h says why that is enough). Nobody sees the
 * new state before, so nobody can see the old one after. A client that is frozen or gone so delays
 * others by as much, once.
 *
 * Giving out and changing meet in the dependency cells (replica_driver.h): the giver notes the
 * grant and then looks whether the cell is what it was before it gathered the answer; the changer
 * marks the cell and then looks for grants. Whichever comes second sees the other.
 *
 * The table is of fixed size; where it is full nothing is granted, which costs only speed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_BRICK_BRICK_GRANTS_H
#define TRIVET_BRICK_BRICK_GRANTS_H

#include <stdbool.h>
#include <stdint.h>
#include "backend/base/clock.h"
#include "backend/proto/operation.h"
#include "backend/rpc/rpc.h"

struct grants;
/* One connection of a client that caches. */
struct holder;

/*
 * released is called, without locks, when the last holder of an operation that grants_recall held
 * back has given up.
 */
struct grants *grants_new(struct clock *clock, void (*released)(void *context, uint64_t index),
                          void *context); /* NULL: no memory */
void grants_free(struct grants *grants);

/* A client that answers RECALL on connection (of which a reference is kept) until
 * grants_client_lost; what it was granted ends with its lease, connected or not. The caller has a
 * reference to what is returned; NULL: no memory. */
struct holder *grants_client_add(struct grants *grants, uint64_t client,
                                 struct rpc_connection *connection);
void grants_client_lost(struct grants *grants, struct rpc_connection *connection);
void grants_holder_put(struct holder *holder);

/* Before every answer on the holder's connection: it may hold the session's lease up. */
void grants_answers(struct grants *grants, struct holder *holder);
/* Note a grant of key. False: there is no room, and the answer must grant nothing. */
bool grants_give(struct grants *grants, struct holder *holder, uint64_t key);

/*
 * Take back what others than client, from whom operation came, hold of what it touches; note that
 * client keeps what it moves. True if somebody must be waited for: released(operation->index)
 * follows. Called with the replica's mutex held, after the cells are marked; it does not send yet:
 * grants_send does, without locks. Keys are those of replica_key_object and replica_key_name.
 */
bool grants_recall(struct grants *grants, const struct operation *operation, uint64_t client);
void grants_send(struct grants *grants);

/* Now and then (about every 20 ms): holders whose lease has run out have lost their grants. */
void grants_tick(struct grants *grants);

#endif
