/*
 * The lease: until when a primary may answer.
 *
 * A member that answers the heartbeat of its primary promises not to lead for GRACE_MS from the
 * moment it sends that answer. The primary counts LEASE_MS from the moment it sent the heartbeat,
 * which is earlier, and LEASE_MS is less than GRACE_MS by more than two clocks can differ in that
 * time. So while every member that could lead in another view is bound by a promise, no other view
 * has another primary that answers. Required are those of the view and those of a view that was
 * proposed and may be the record already: one of either could lead.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/replica/replica.h"

#include "backend/base/clock.h"

bool replica_leads(const struct replica *replica)
{
    return replica->role == ROLE_PRIMARY || replica->role == ROLE_SETTLING;
}

bool replica_follows(const struct replica *replica)
{
    return replica->role == ROLE_BACKUP || replica->role == ROLE_JOINER;
}

bool replica_requires(const struct replica *replica, uint32_t member)
{
    const struct view *view = &replica->view;
    const struct view *proposed = &replica->proposal.view;
    return (member < view->member_count && view->members[member].state == MEMBER_IN_SYNC) ||
           (replica->proposal.open && member < proposed->member_count &&
            proposed->members[member].state == MEMBER_IN_SYNC);
}

void replica_lease_count(struct replica *replica)
{
    if (!replica_leads(replica) || replica->failed || replica->stalled) {
        replica->lease_ns = 0;
        return;
    }
    uint64_t until_ns = UINT64_MAX;
    for (uint32_t i = 0; i < SET_MEMBERS_MAX; i++) {
        if (i == replica->self || !replica_requires(replica, i)) {
            continue;
        }
        uint64_t promised_ns = replica->members[i].promised_ns;
        uint64_t end_ns = promised_ns > 0 ? promised_ns + LEASE_MS * NS_PER_MS : 0;
        until_ns = end_ns < until_ns ? end_ns : until_ns;
    }
    replica->lease_ns = until_ns;
}

bool replica_may_answer(const struct replica *replica, uint64_t now_ns)
{
    return replica->role == ROLE_PRIMARY && now_ns < replica->lease_ns;
}
