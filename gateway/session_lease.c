/*
 * The lease of a client's session. See the header.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/session_lease.h"

#include "backend/base/clock.h"
#include "backend/proto/limits.h"

void session_lease_init(struct session_lease *lease)
{
    atomic_init(&lease->until_ns, 0);
    atomic_init(&lease->epoch, 1);
    atomic_init(&lease->last_ns, 0);
}

bool session_lease_answered(struct session_lease *lease, uint64_t sent_ns, uint64_t now_ns)
{
    uint64_t until_ns = sent_ns + LEASE_CLIENT_MS * NS_PER_MS;
    uint64_t known_ns = atomic_load(&lease->until_ns);
    if (until_ns <= now_ns) {
        return false;
    }
    if (known_ns <= now_ns) {
        atomic_fetch_add(&lease->epoch, 1); /* before until_ns: who sees that one sees this */
    }
    if (until_ns > atomic_load(&lease->last_ns)) {
        atomic_store(&lease->last_ns, until_ns); /* likewise: who is told until then, is known */
    }
    if (until_ns > known_ns) {
        atomic_store(&lease->until_ns, until_ns);
    }
    return true;
}

void session_lease_end(struct session_lease *lease)
{
    atomic_fetch_add(&lease->epoch, 1);
    atomic_store(&lease->until_ns, 0);
}

uint64_t session_lease_until(const struct session_lease *lease, uint64_t epoch, uint64_t now_ns)
{
    uint64_t until_ns = atomic_load(&lease->until_ns); /* first: see session_lease_answered */
    return until_ns > now_ns && atomic_load(&lease->epoch) == epoch ? until_ns : 0;
}
