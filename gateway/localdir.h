/*
 * Listing a plain directory: getdents64 into packed entries (backend/proto/dirent.h).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_GATEWAY_LOCALDIR_H
#define TRIVET_GATEWAY_LOCALDIR_H

#include <stdbool.h>
#include "gateway/localobject.h"

/*
 * Pack the entries of the directory fd behind cookie into size bytes of buffer.
 *
 * Fails: -EINVAL if not even one entry fits; errno.
 */
int local_list(struct local_tree *tree, int fd, uint64_t cookie, bool with_attr, uint8_t *buffer,
               size_t size, size_t *out_used, bool *out_eof);

#endif
