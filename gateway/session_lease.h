/*
 * The lease of a client's session: what this client was told may be used while it holds, and only
 * for as long as it was granted (brick_grants.h). It is counted from the sending of a call that the
 * primary answered, so an idle client that uses what it was granted sends a RENEW now and then.
 *
 *     until    LEASE_CLIENT_MS after the latest sending of a call that was answered on the
 *              connection that the session has now; 0: there is none, or it is being left
 *     epoch    rises when what was told before is void: the connection has ended (so at every
 *              change of primary, and when one restarts), or an answer comes after the lease had
 *              run out. Whatever is kept is kept with the epoch it was told in.
 *
 * Why nobody reads an old state from a cache. Let a call be sent at s and answered by a brick that
 * was the primary, and allowed to answer, at some moment a, s ≤ a: bricks look at view and lease
 * when they admit a call, and again after they have gathered an answer.
 *
 * Another primary commits nothing before LEASE_CLIENT_WAIT_MS have passed since it leads, which is
 * after the last such a of its predecessor. So all leases that rest on the predecessor's answers,
 * s + LEASE_CLIENT_MS ≤ a + LEASE_CLIENT_MS, have run out by then. Its own answers hold up a lease
 * of another epoch, in which nothing from before counts.
 *
 * A late answer of a primary that is none any more is a true answer, of a moment within the call.
 * But it is not of the session's connection of now, so it neither holds up the lease nor brings a
 * grant. Nor does one on the same connection that took LEASE_CLIENT_MS.
 *
 * A frozen client: the brick ends a recall at E, when it has sent no answer on the connection since
 * E − LEASE_CLIENT_WAIT_MS. All answers sent before had s + LEASE_CLIENT_MS < E. The first one sent
 * after E arrives after E, finds the lease run out, and begins a new epoch. If it carries a grant
 * that was recalled, that was given, and so called for, before E − LEASE_CLIENT_WAIT_MS: too late
 * by the rule above. And what happens between a look at the lease and the use of an answer is
 * within the call that it is used for.
 *
 * The kernel is given time-outs that end with the lease as it is then, and later leases do not make
 * them longer. So a recall is answered when the kernel has dropped what it is about, or at the end
 * of the lease as it was when the recall came: the directory's lock may be held by a change that
 * waits for this very recall. A time-out is no point in time but counted from when the kernel gets
 * to it, which the margins are for (that of fuse_attr.c, and the brick's). Where a program is kept
 * from the processor for longer than these, just then, and the primary dies or this process is
 * frozen, too, the kernel believes an answer longer by as much.
 *
 * Clocks: only differences on one machine's clock count, which goes on while it sleeps; the brick's
 * margin is for the rates. The kernel's ticks stop while it sleeps, so that it may believe what it
 * was told for the rest of a lease after it wakes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_GATEWAY_SESSION_LEASE_H
#define TRIVET_GATEWAY_SESSION_LEASE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Changed by one thread at a time (the route's lock); read by any. */
struct session_lease {
    _Atomic uint64_t until_ns;
    _Atomic uint64_t epoch;
    _Atomic uint64_t last_ns; /* the latest until_ns there ever was */
};

void session_lease_init(struct session_lease *lease);

/* A call that was sent at sent_ns, on the session's present connection, is answered. True if what
 * it brings may be kept, in the epoch of now. */
bool session_lease_answered(struct session_lease *lease, uint64_t sent_ns, uint64_t now_ns);

/* The connection has ended, or is left. */
void session_lease_end(struct session_lease *lease);

static inline uint64_t session_lease_epoch(const struct session_lease *lease)
{
    return atomic_load(&lease->epoch);
}

/* Until when what was told in epoch may be used, if now_ns is before; else 0. */
uint64_t session_lease_until(const struct session_lease *lease, uint64_t epoch, uint64_t now_ns);

/* When nothing that anybody was ever told by now can be used any more. */
static inline uint64_t session_lease_last(const struct session_lease *lease)
{
    return atomic_load(&lease->last_ns);
}

#endif
