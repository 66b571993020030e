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
 *   another primary   It commits nothing before LEASE_CLIENT_WAIT_MS have passed since it leads,
 *                     which is after the last such a of its predecessor. So all leases that rest on
 *                     the predecessor's answers, s + LEASE_CLIENT_MS ≤ a + LEASE_CLIENT_MS, have
 *                     run out. Answers of the new one hold up a lease of another epoch, in which
 *                     nothing from before counts.
 *   a late answer     of a primary that is none any more, arriving whenever: it is a true answer
 *                     (of a moment within the call), but not of the session's connection of now: it
 *                     neither holds up the lease nor brings a grant. On the same connection an
 *                     answer that took LEASE_CLIENT_MS brings neither.
 *   a frozen client   The brick ends a recall at E, when it has sent no answer on the connection
 *                     since E − LEASE_CLIENT_WAIT_MS. All answers sent before then had
 *                     s + LEASE_CLIENT_MS < E. The first answer that is sent after E arrives after
 *                     E, finds the lease run out, and begins a new epoch. An answer that carries
 * the recalled grant and is sent after E was called for before E − LEASE_CLIENT_MS, and is too late
 * by itself. Whatever is between looking at the lease and using an answer of this process is within
 * the call it is used for. the kernel        is given time-outs that end with the lease as it is
 * then, and later leases do not make them longer. So a recall is answered when the kernel has
 * dropped what it is about, or at the end of the lease as it was when the recall came: the kernel's
 * directory lock may be held by a change that waits for this recall. clocks            Only
 * differences on one machine's clock count, which goes on while it sleeps (CLOCK_BOOTTIME); the
 * brick's margin is for the rates, and for the kernel, which counts in ticks. These stop while it
 * sleeps: a machine that slept may believe its kernel for the rest of a lease after it wakes.
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
