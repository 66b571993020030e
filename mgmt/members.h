/*
 * The peers of the cluster: the machines with a trivetd. Today there is one, this one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_MGMT_MEMBERS_H
#define TRIVET_MGMT_MEMBERS_H

#include <jansson.h>

#include "mgmt/refusal.h"

/*
 * Check that host names this machine: it resolves to an address that one of its interfaces has.
 * "localhost" and its like are fine as long as there is one machine: unlike in GlusterFS nothing
 * else would ever resolve the name differently.
 *
 * Threads: one that may wait for a name server.
 * Fails:   -EHOSTUNREACH (does not resolve), -EXDEV (another machine's).
 */
int member_check_host(const char *host, struct refusal *out_why);

/* How many machines the cluster has, this one included. */
unsigned member_count(void);

/* [{"hostname", "state", "connected", "local"}]: the cluster's machines; the caller's reference. */
json_t *members_to_json(void);

#endif
