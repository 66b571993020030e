/*
 * What must be possible: a model that forbids too much keeps every promise. The option GOAL names
 * one, and the search must find a way there.
 * SPDX-License-Identifier: Apache-2.0
 */
#define goal_is(n) (goal == n)

/* Brick b has answered in the newest view that there may be, as a primary that could sequence
 * more. */
#define leads_last(b) (serving(b) && brick[b].view + 1 == views && newest_answer + 1 == views)
#define some_brick(what) (what(0) || what(1) || what(2))

#define leads_after_joining(b) (leads_last(b) && !member(start, b) && member(answered, 1))
#define leads_after_reboot(b) (leads_last(b) && brick[b].life > 0 && reboots_left == 0 && \
    crashes_left == 0 && member(answered, 1))
#define survives_alone(b) (primary(b) && brick[b].view + 1 == views && store_lease == b && \
    newest_answer + 1 == views && brick[b].lease == 0 && member(answered, 1))
#define answers_in_last(b) (leads_last(b) && member(answered, 1) && \
    (ops == 1 || member(answered, 2)))
#define grants_in_last(b) (leads_last(b) && grant_from == b && member(answered, 1))

inline reach_goal()
{
    d_step {
        (goal_is(1) && some_brick(leads_after_joining)) ||
        (goal_is(2) && some_brick(leads_after_reboot)) ||
        (goal_is(3) && some_brick(survives_alone)) ||
        (goal_is(4) && some_brick(answers_in_last)) ||
        (goal_is(5) && some_brick(grants_in_last)) ||
        (goal_is(6) && refused != 0 && some_brick(leads_last)) ->
        assert(goal == 0) /* reached */
    }
}
