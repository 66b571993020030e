/*
 * The seam behind gateway/trivet.h: what an implementation of a volume provides. A layer is a
 * volume over a volume: it holds the next one and hands on what it does not answer itself.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_GATEWAY_VOLUME_H
#define TRIVET_GATEWAY_VOLUME_H

#include "gateway/trivet.h"

struct volume_ops {
    void (*submit)(struct volume *volume, struct volume_request *request);
    void (*cancel)(struct volume *volume, struct volume_request *request);
    void (*cancel_all)(struct volume *volume, int status);
    bool (*answers)(const struct volume *volume);
    void (*release)(struct volume_request *request); /* of request->kept, which is not NULL */
    /* Adds what only the implementation knows: retries, reconnects, recalls. */
    void (*stats)(const struct volume *volume, struct volume_stats *out_stats);
    void (*close)(struct volume *volume);
};

/* Embedded at the start of each implementation's struct. */
struct volume {
    const struct volume_ops *ops;
    struct volume_spec spec;
    struct volume_stats counters; /* relaxed atomics; volume_submit and volume_complete count */
};

/*
 * Count and complete: what every implementation calls, once, when request->reply stands. The
 * request may be gone when it returns. Holds: no lock of the implementation.
 */
void volume_complete(struct volume_request *request);

/* Write a sentence for volume_open's caller; out_error may be NULL if size is 0. */
void volume_explain(char *out_error, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

int replicated_volume_open(const char *hosts, const char *name,
                           const struct volume_options *options, struct volume **out_volume,
                           char *out_error, size_t size);
int local_volume_open(const char *directory, struct volume **out_volume, char *out_error,
                      size_t size);
int memory_volume_open(struct volume **out_volume);

#endif
