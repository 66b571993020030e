/*
 * Cleanup by scope: declare, acquire, forget. TAKE hands a value over to the caller.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_BASE_SCOPE_H
#define TRIVET_BASE_SCOPE_H

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static inline void scope_free(void *pointer)
{
    free(*(void **)pointer);
}

static inline void scope_close(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd); /* only descriptors whose data does not depend on close's result */
    }
}

static inline void scope_unlock(pthread_mutex_t **mutex)
{
    if (*mutex) {
        pthread_mutex_unlock(*mutex);
    }
}

static inline pthread_mutex_t *scope_lock(pthread_mutex_t *mutex)
{
    pthread_mutex_lock(mutex);
    return mutex;
}

#define AUTO_FREE __attribute__((cleanup(scope_free)))
#define AUTO_CLOSE __attribute__((cleanup(scope_close)))

#define SCOPE_JOIN_(a, b) a##b
#define SCOPE_JOIN(a, b) SCOPE_JOIN_(a, b)
/* Hold a mutex until the end of the enclosing scope. */
#define AUTO_LOCK(mutex)                                                                           \
    pthread_mutex_t *SCOPE_JOIN(scope_held_, __LINE__)                                             \
        __attribute__((cleanup(scope_unlock), unused)) = scope_lock(mutex)

/* Hand over a pointer held by AUTO_FREE. */
#define TAKE(pointer)                                                                              \
    ({                                                                                             \
        typeof(pointer) taken_ = (pointer);                                                        \
        (pointer) = NULL;                                                                          \
        taken_;                                                                                    \
    })
/* Hand over a descriptor held by AUTO_CLOSE. */
#define TAKE_FD(fd)                                                                                \
    ({                                                                                             \
        int taken_ = (fd);                                                                         \
        (fd) = -1;                                                                                 \
        taken_;                                                                                    \
    })

#endif
