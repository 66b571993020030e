/*
 * The replicated volume. Only its place in volume_open exists so far.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/volume.h"

int replicated_volume_open(const char *hosts, const char *name,
                           const struct volume_options *options, struct volume **out_volume,
                           char *out_error, size_t size)
{
    (void)options;
    (void)out_volume;
    volume_explain(out_error, size, "%s:/%s: this build opens only local:/DIR", hosts, name);
    return -EOPNOTSUPP;
}

int memory_volume_open(struct volume **out_volume)
{
    (void)out_volume;
    return -EOPNOTSUPP;
}
