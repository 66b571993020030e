/*
 * The ring of pending operations.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/replica/pending.h"

#include <stdlib.h>
#include "backend/base/check.h"

static struct pending **slot_of(struct pending_ring *ring, uint64_t index)
{
    return &ring->slots[index % OPERATIONS_IN_FLIGHT_MAX];
}

struct pending *pending_add(struct pending_ring *ring, uint64_t index)
{
    struct pending **slot = slot_of(ring, index);
    if (*slot) {
        return NULL;
    }
    struct pending *pending = ring->free;
    if (pending) {
        ring->free = pending->next;
    } else {
        pending = malloc(sizeof *pending);
        if (!pending) {
            return NULL;
        }
    }
    pending->index = index;
    pending->refs = 1;
    pending->held = false;
    pending->status = 0;
    pending->record = (struct slice){.data = NULL, .size = 0};
    pending->bulk = (struct slice){.data = NULL, .size = 0};
    pending->append = NULL;
    pending->large = NULL;
    pending->waiters = NULL;
    pending->waiters_end = &pending->waiters;
    pending->next = NULL;
    *slot = pending;
    ring->count++;
    return pending;
}

struct pending *pending_find(const struct pending_ring *ring, uint64_t index)
{
    struct pending *pending = ring->slots[index % OPERATIONS_IN_FLIGHT_MAX];
    return pending && pending->index == index ? pending : NULL;
}

void pending_put(struct pending *pending, struct pending **finished)
{
    PRE(pending->refs > 0);
    if (--pending->refs > 0) {
        return;
    }
    /* At the end: answers go out in the order of operations. */
    while (*finished) {
        finished = &(*finished)->next;
    }
    pending->next = NULL;
    *finished = pending;
}

void pending_drop(struct pending_ring *ring, struct pending *pending, struct pending **finished)
{
    struct pending **slot = slot_of(ring, pending->index);
    PRE(*slot == pending);
    *slot = NULL;
    ring->count--;
    pending_put(pending, finished);
}

void pending_wait(struct pending *pending, struct replica_waiter *waiter)
{
    waiter->next = NULL;
    *pending->waiters_end = waiter;
    pending->waiters_end = &waiter->next;
}

void pending_recycle(struct pending_ring *ring, struct pending *finished)
{
    while (finished) {
        struct pending *next = finished->next;
        free(finished->large);
        finished->large = NULL;
        finished->next = ring->free;
        ring->free = finished;
        finished = next;
    }
}

void pending_ring_release(struct pending_ring *ring)
{
    PRE(ring->count == 0);
    while (ring->free) {
        struct pending *next = ring->free->next;
        free(ring->free);
        ring->free = next;
    }
}
