/*
 * Counted buffers in three sizes, kept on free lists: what is received is parsed where it lies, and
 * a call or a kept reply holds on to its buffer. Buffers of a megabyte are recycled because mapping
 * and first touching one costs more than filling it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_RPC_RPC_BUFFER_H
#define TRIVET_RPC_RPC_BUFFER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define BUFFER_CLASSES 3
/* What the smallest class holds; streams are read into buffers of this class. */
#define BUFFER_SIZE_SMALL ((size_t)64 * 1024)

struct buffer_pool;

/*
 * Invariant: memory at data belongs to whoever filled it until references reaches 0. Bytes already
 * filled never change while referenced; whoever fills may go on behind them.
 */
struct buffer {
    atomic_uint references;
    unsigned size_class;
    size_t capacity;
    struct buffer_pool *pool;
    struct buffer *next; /* on a free list or in a send queue */
    /* In a send queue: what is still to be sent; a sealed buffer takes no more. */
    size_t start;
    size_t end;
    int sealed;
    _Alignas(64) uint8_t data[];
};

struct buffer_pool {
    pthread_mutex_t lock;
    struct {
        struct buffer *free;
        unsigned free_count;
    } classes[BUFFER_CLASSES];
};

int buffer_pool_init(struct buffer_pool *pool);
/* All buffers must have been put. */
void buffer_pool_release(struct buffer_pool *pool);

/*
 * A buffer with room for size bytes and one reference.
 *
 * Threads: any.
 * Fails:   NULL when memory is short or size is above RECORD_SIZE_MAX.
 */
struct buffer *buffer_new(struct buffer_pool *pool, size_t size);

static inline struct buffer *buffer_get(struct buffer *buffer)
{
    atomic_fetch_add_explicit(&buffer->references, 1, memory_order_relaxed);
    return buffer;
}

/* NULL is allowed. */
void buffer_put(struct buffer *buffer);

/* Whether the caller's reference is the only one, so that he may reuse filled bytes. */
static inline int buffer_is_sole(struct buffer *buffer)
{
    return atomic_load_explicit(&buffer->references, memory_order_acquire) == 1;
}

#endif
