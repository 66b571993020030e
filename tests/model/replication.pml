/*
 * Replication: primary and backups over agreed views, with everything that may go wrong.
 * ../../ARCHITECTURE.md says what for; README how to run it.
 * SPDX-License-Identifier: Apache-2.0
 *
 * One process chooses steps; each is atomic and guarded by its rule.
 */
c_decl {
\#include <stdlib.h>
\#include "linear.c"
}

#include "breaks.pml"
#include "state.pml"
#include "promises.pml"
#include "views.pml"
#include "order.pml"
#include "membership.pml"
#include "client.pml"
#include "goals.pml"

inline read_options()
{
    c_code {
        broken = option("BROKEN", 0);
        views = option("VIEWS", 3);
        ops = option("OPS", 1);
        start = option("START", 7);
        tail = option("TAIL", 0);
        joins = option("JOINS", 0);
        replacements = option("REPLACEMENTS", 0);
        durable = option("DURABLE", 0);
        views_checked = option("P2", 1);
        recovery = option("RECOVERY", 0);
        goal = option("GOAL", 0);
        removals = option("REMOVALS", 1);
        store_leases = option("STORE_LEASES", 0);
        refusals = option("REFUSALS", 0);
        caches = option("CACHES", 0);
        names = option("NAMES", 0);
        now.crashes_left = option("CRASHES", 0);
        now.reboots_left = option("REBOOTS", 0);
        now.reads_left = option("READS", 0);
        now.possible = EMPTY_HISTORY;
    }
}

/* View 0: the lowest brick leads the set START, all with empty logs. With TAIL, brick 0 is not
 * in sync and has what it once sequenced and nobody else got: operation 1. */
inline start_bricks()
{
    k = (member(start, 0) -> 0 : 1);
    view[0].primary = k;
    view[0].in_sync = start;
    brick[k].settled = start;
    brick[k].reported = start;
    brick[0].up = 1;
    brick[1].up = 1;
    brick[2].up = 1;
    brick[0].ready = member(start, 0);
    brick[1].ready = member(start, 1);
    brick[2].ready = member(start, 2);
    if
    :: tail ->
        brick[0].log = 1;
        brick[0].length = 1;
        brick[0].remembered = only(1);
        sent[1] = RESENT;
        client_begins()
    :: else
    fi
}

active proctype replication()
{
    d_step {
        read_options();
        start_bricks()
    };
    do
    /* bricks at work */
    :: each_brick_and_op(sequence)
    :: each_brick(apply)
    :: each_brick(learn_committed)
    :: each_brick(sync)
    :: each_pair(heartbeat)
    :: each_pair(promise_ends)
    /* views */
    :: each_brick(land)
    :: each_brick(learn_failure)
    :: each_brick(adopt_view)
    :: each_pair(succeed)
    :: each_brick(succeed_alone)
    :: each_pair(remove_member)
    :: each_brick(renew_store_lease)
    :: store_lease_ends()
    :: each_pair(report)
    :: each_pair(roll_forward)
    /* failures and their repair */
    :: each_brick(crash)
    :: each_brick(reboot_empty)
    :: each_brick(reboot_shorter)
    :: each_brick(restart)
    :: each_pair(heal_begin)
    :: each_pair(heal_end)
    :: each_pair(promote)
    :: each_pair(replace)
    :: each_brick(succeed_suspect)
    /* the client */
    :: each_brick_and_op(send_once)
    :: each_op(resend)
    :: each_brick_and_op(refuse)
    :: each_brick_and_op(reply)
    :: each_brick(gather_first)
    :: each_brick(gather_second)
    :: each_brick(answer_read)
    :: abandon_read()
    :: grant_ends()
    :: read_from_cache()
    /* attacks that are steps of their own */
    :: each_brick(lose_message)
    :: each_pair(apply_old)
    :: each_pair(cut_back)
    :: each_brick_and_op(reply_of_undone)
    :: reach_goal()
    :: break
    od
}
