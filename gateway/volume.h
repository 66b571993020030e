/*
 * The seam behind gateway/trivet.h: what an implementation of a volume provides. A layer is a volume
 * over a volume: it holds the next one and hands on what it does not answer itself.
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
    void (*release)(struct volume_request *request); /* of request->kept */
    void (*stats)(const struct volume *volume, struct volume_stats *out_stats);
    void (*close)(struct volume *volume);
};

/* Embedded at the start of each implementation's struct. */
struct volume {
    const struct volume_ops *ops;
    struct volume_spec spec;
};

int replicated_volume_open(const char *hosts, const char *name,
                           const struct volume_options *options, struct volume **out_volume,
                           char *out_error, size_t size);
int local_volume_open(const char *directory, struct volume **out_volume, char *out_error,
                      size_t size);
int memory_volume_open(struct volume **out_volume);

#endif
