/*
 * Counted buffers: three size classes with a bounded free list each.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/rpc/rpc_buffer.h"

#include <stdlib.h>
#include "backend/base/check.h"
#include "backend/base/scope.h"
#include "backend/proto/limits.h"

/* How many free buffers are kept: 4 MiB, 8 MiB and 67 MiB; a busy daemon's working set. */
static const struct {
    size_t capacity;
    unsigned kept;
} classes[BUFFER_CLASSES] = {
    {.capacity = BUFFER_SIZE_SMALL, .kept = 64},
    {.capacity = (size_t)256 * 1024, .kept = 32},
    {.capacity = RECORD_SIZE_MAX + 64 /* its mark */, .kept = 64},
};

int buffer_pool_init(struct buffer_pool *pool)
{
    *pool = (struct buffer_pool){.lock = PTHREAD_MUTEX_INITIALIZER};
    return 0;
}

void buffer_pool_release(struct buffer_pool *pool)
{
    for (unsigned i = 0; i < BUFFER_CLASSES; i++) {
        while (pool->classes[i].free) {
            struct buffer *buffer = pool->classes[i].free;
            pool->classes[i].free = buffer->next;
            free(buffer);
        }
    }
    pthread_mutex_destroy(&pool->lock);
}

static struct buffer *pool_take(struct buffer_pool *pool, unsigned size_class)
{
    AUTO_LOCK(&pool->lock);
    struct buffer *buffer = pool->classes[size_class].free;
    if (buffer) {
        pool->classes[size_class].free = buffer->next;
        pool->classes[size_class].free_count--;
    }
    return buffer;
}

struct buffer *buffer_new(struct buffer_pool *pool, size_t size)
{
    unsigned size_class = 0;
    while (size_class < BUFFER_CLASSES && classes[size_class].capacity < size) {
        size_class++;
    }
    if (size_class == BUFFER_CLASSES) {
        return NULL;
    }
    struct buffer *buffer = pool_take(pool, size_class);
    if (!buffer) {
        size_t all = sizeof *buffer + classes[size_class].capacity;
        buffer = aligned_alloc(_Alignof(struct buffer), (all + 63) & ~(size_t)63);
        if (!buffer) {
            return NULL;
        }
    }
    /* Field by field: an initialiser would have to know where the flexible data begins. */
    atomic_init(&buffer->references, 1);
    buffer->size_class = size_class;
    buffer->capacity = classes[size_class].capacity;
    buffer->pool = pool;
    buffer->next = NULL;
    buffer->start = 0;
    buffer->end = 0;
    buffer->sealed = 0;
    return buffer;
}

static int pool_keep(struct buffer_pool *pool, struct buffer *buffer)
{
    AUTO_LOCK(&pool->lock);
    unsigned size_class = buffer->size_class;
    if (pool->classes[size_class].free_count >= classes[size_class].kept) {
        return 0;
    }
    buffer->next = pool->classes[size_class].free;
    pool->classes[size_class].free = buffer;
    pool->classes[size_class].free_count++;
    return 1;
}

void buffer_put(struct buffer *buffer)
{
    if (!buffer) {
        return;
    }
    unsigned before = atomic_fetch_sub_explicit(&buffer->references, 1, memory_order_acq_rel);
    INVARIANT(before > 0);
    if (before == 1 && !pool_keep(buffer->pool, buffer)) {
        free(buffer);
    }
}
