/*
 * A volume's other side, for tests of its client: two management daemons and two bricks in one loop
 * of the test's process. They keep no files: what a brick answers is the test's function, and what
 * arrived is noted.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_FAKE_BRICK_H
#define TRIVET_TESTS_FAKE_BRICK_H

#include <pthread.h>
#include "backend/proto/brick.h"
#include "backend/proto/mgmt.h"
#include "backend/rpc/rpc.h"

#define FAKE_BRICKS 2
#define FAKE_MANAGEMENTS 2
#define FAKE_CALLS_MAX 4096

struct fake;

struct fake_brick {
    struct fake *fake;
    unsigned number;
    uint16_t port;
    struct rpc_program program;
    const struct rpc_program *programs[1];
    struct rpc_service service;
    struct rpc_connection *connection; /* the last that said hello; a reference */
    unsigned hellos, renewals;
    bool is_frozen;           /* it takes calls and answers none */
    struct brick_hello hello; /* the last; its name is in hello_name */
    char hello_name[256];
};

/* A call that arrived: its id if it has one, the view it named. */
struct fake_call {
    unsigned brick;
    uint32_t procedure;
    struct brick_target target;
    struct op_id id;
    struct rpc_connection *connection; /* to tell them apart, no reference */
    struct rpc_call *parked;           /* not answered yet, by fake_park */
};

struct fake_management {
    struct fake *fake;
    uint16_t port;
    struct rpc_program program;
    const struct rpc_program *programs[1];
    struct rpc_service service;
    bool is_frozen; /* it takes calls and answers none */
    unsigned asked;
};

struct fake {
    struct rpc_loop *loop;
    uint16_t port; /* of the first management daemon */
    struct fake_management managements[FAKE_MANAGEMENTS];
    struct fake_brick bricks[FAKE_BRICKS];

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    bool is_stopping; /* what still arrives stays without an answer */
    struct volume_spec spec;
    int volume_status, hello_status, renew_status;
    uint32_t slots;
    struct fake_waiter {
        struct rpc_call *call;
        struct fake_management *management;
    } waiting[64]; /* MGMT_VOLUME calls that wait for a newer view */
    size_t waiting_count;
    struct fake_call calls[FAKE_CALLS_MAX];
    size_t call_count;
    /* Answers one call; default fake_answer. number is its place in calls. Runs without lock. */
    void (*answer)(struct fake *fake, struct rpc_call *call, size_t number);
    /* If set, sends the answers of management and to HELLO instead of rpc_call_reply. */
    void (*send)(struct rpc_call *call, xdrproc_t encode, const void *reply);
};

/* Start; view 1 has brick 0 as primary. Ends the test's process if it cannot. */
void fake_start(struct fake *fake);
void fake_stop(struct fake *fake);
/* Make brick the primary of the next view and tell those who wait. */
void fake_next_view(struct fake *fake, unsigned brick);
/* What the next questions are answered with; a port of 0 means that the brick does not run. */
void fake_set_status(struct fake *fake, int volume_status, int hello_status);
void fake_set_port(struct fake *fake, unsigned brick, uint16_t port);
/* From now on the brick takes calls and answers none, or does again; HELLO it answers. */
void fake_freeze(struct fake *fake, unsigned brick, bool is_frozen);
void fake_freeze_management(struct fake *fake, unsigned number, bool is_frozen);
unsigned fake_asked(struct fake *fake, unsigned number);
unsigned fake_renewals(struct fake *fake, unsigned brick);
void fake_set_renew_status(struct fake *fake, int status);
/* What follows uses answer. */
void fake_set_answer(struct fake *fake,
                     void (*answer)(struct fake *fake, struct rpc_call *call, size_t number));

/* ---- answers --------------------------------------------------------------------------------- */

/* Success, with what every check of a client wants to see: a file, and eight bytes of data. */
void fake_answer(struct fake *fake, struct rpc_call *call, size_t number);
void fake_answer_status(struct rpc_call *call, int status);
void fake_reply_of(uint32_t procedure, struct reply *out_reply);
/* None, until fake_release. */
void fake_park(struct fake *fake, struct rpc_call *call, size_t number);
/* Answer call number with status (0: fake_answer), if it is parked. */
void fake_release(struct fake *fake, size_t number, int status);
void fake_release_all(struct fake *fake, int status);

/* ---- looking on ------------------------------------------------------------------------------ */

/* Wait until count calls have arrived; false after ten seconds. */
bool fake_wait_calls(struct fake *fake, size_t count);
bool fake_wait_hellos(struct fake *fake, unsigned brick, unsigned count);
size_t fake_call_count(struct fake *fake);
struct fake_call fake_call_at(struct fake *fake, size_t number);
/* End the connection that last said hello to brick. */
void fake_cut(struct fake *fake, unsigned brick);

#endif
