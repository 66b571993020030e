/*
 * A replica set in the test's own process: bricks on directories or in memory, each with a loop, a
 * driver and a listener wired as trivet_brick.c does it, and clients that speak brick.x with them.
 * Between driver and store lies a store that counts, holds back and fails what a test wants.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_BRICK_SET_H
#define TRIVET_TESTS_BRICK_SET_H

#include <pthread.h>
#include <stdatomic.h>
#include "backend/brick/brick.h"
#include "tests/lib/brick_record.h"

/* How long anything may take before a test gives up: sanitizers on a busy machine are slow. */
#define BRICK_SET_WAIT_MS 20000

/* ---- stores that a test can hold back ---------------------------------------------------------
 */

/* Outlives restarts of its member. Set and read with store_hooks_set and store_hooks_blocked. */
struct store_hooks {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool holds_apply;           /* apply waits */
    bool holds_sequence;        /* sequence waits, and with it the driver's mutex */
    unsigned blocked;           /* threads that wait */
    int apply_status;           /* not 0: what apply fails with, without doing anything */
    int sync_status;            /* the same for sync, once */
    _Atomic unsigned jitter_us; /* sequence and apply take up to so much longer */
    _Atomic unsigned syncs, log_syncs, applied;
};

/* Hold back apply or sequence, or let them go. */
void store_hooks_hold(struct store_hooks *hooks, bool apply, bool sequence);
/* Wait until that many threads are held back. */
bool store_hooks_wait_blocked(struct store_hooks *hooks, unsigned count);
void store_hooks_fail(struct store_hooks *hooks, int apply_status, int sync_status);

/* Put a store that obeys hooks in front of inner, which it closes. */
struct store *store_hooked(struct store *inner, struct store_hooks *hooks);

/* ---- the set --------------------------------------------------------------------------------- */

struct brick_member {
    char path[64]; /* "": in memory */
    bool is_running;
    uint16_t port;
    struct brick brick;
    struct store_hooks hooks;
    struct rpc_program clients;
    const struct rpc_program *programs[2];
    struct rpc_service service;
    _Atomic int failed; /* what the driver's failed callback was told, or 0 */
    pid_t pid;          /* not 0: it runs in a process of its own, not here */
    uint64_t incarnation;
};

struct brick_set {
    unsigned count;
    struct brick_member members[SET_MEMBERS_MAX];
    struct view view; /* the record */
    struct brick_record record;
    struct rpc_loop *client_loop;
};

/* Make and start count members and give them view 1, led by member 0. Aborts if it cannot. They
 * enter who restarts, but nobody is removed or succeeded unless brick_set_view does it. */
void brick_set_open(struct brick_set *set, unsigned count, bool on_directories);
/* The same on directories, and they make their views themselves. */
void brick_set_open_led(struct brick_set *set, unsigned count, unsigned min_insync);
/* Stop what runs; check that no member failed unless it was told to; remove the directories. */
void brick_set_close(struct brick_set *set);
/* Stop as the daemon does at SIGTERM; the store is closed. Only with directories may it start
 * again with what it had. */
void brick_member_stop(struct brick_set *set, unsigned i);
void brick_member_start(struct brick_set *set, unsigned i);
/* The same in a process of its own: the test's program, started again with MEMBER_OPTION, which
 * must then call brick_member_main. The member must not run here. */
#define MEMBER_OPTION "--member"
void brick_member_spawn(struct brick_set *set, unsigned i);
int brick_member_main(int argc, char **argv);
/* End that process, by itself or by SIGKILL; the others are told. */
void brick_member_end(struct brick_set *set, unsigned i, bool kills);
/* The next view, of all members that run, led by primary; told to all of them. */
void brick_set_view(struct brick_set *set, unsigned primary);
/* Wait until the view's primary answers clients. */
bool brick_set_wait_serving(struct brick_set *set);
/* Wait until the record has had that many members in sync, led by whom it says, for a moment. */
bool brick_set_wait_in_sync(struct brick_set *set, unsigned count);
/* Which member leads in the record as it is now. */
unsigned brick_set_primary(struct brick_set *set);
/* A process of the set that ended by itself since: start it again as trivetd does. */
void brick_set_tend(struct brick_set *set);
/* Wait until every running member has applied, and knows committed, what the primary sequenced. */
bool brick_set_wait_equal(struct brick_set *set);
/* Break the primary's stream to member, as a network does. */
void brick_set_break_stream(struct brick_set *set, unsigned member);
struct replica_status brick_set_status(struct brick_set *set, unsigned i);
/* Differences between the members: trees, attributes, cookies, and contents (of small files); each
 * is printed. */
int brick_set_compare(struct brick_set *set, bool contents);

/* One member alone, for a process of its own. */
void brick_member_open(struct brick_member *member, uint32_t number, const char *path);
void brick_member_close(struct brick_member *member);

/* ---- clients --------------------------------------------------------------------------------- */

enum recall_mode { RECALL_ANSWER, RECALL_KEEP_SILENT, RECALL_KEEP_CALLS };

struct test_client {
    struct brick_set *set;
    struct rpc_connection *connection;
    struct rpc_service service;
    struct rpc_program program;
    const struct rpc_program *programs[1];
    uint64_t id;
    struct cred cred;
    uint32_t next_slot; /* of op ids */
    uint64_t sequences[SESSION_SLOTS];
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_closed;
    enum recall_mode recall_mode;
    unsigned recalls;
    struct recall_args last_recall; /* its name is in last_name */
    char last_name[NAME_SIZE_MAX + 1];
    struct rpc_call *kept[16]; /* RECALL_KEEP_CALLS: to be answered by client_answer_recalls */
    unsigned kept_count;
    /* Called for each recall before it is answered; may be NULL. */
    void (*recalled)(void *context, const struct recall_args *args);
    void *recalled_context;
};

/* The answer to a call; wait for it with answer_wait. */
struct answer {
    struct test_client *client;
    bool is_done;
    int status; /* of the call; the operation's is in reply.status */
    struct reply reply;
    uint8_t *data; /* reply.data's bytes; answer_release */
    uint64_t done_ns;
};

/* Dial the member and say hello. Returns HELLO's status. */
int test_client_open(struct test_client *client, struct brick_set *set, unsigned member,
                     bool wants_grants);
/* Dial only. */
void client_dial(struct test_client *client, struct brick_set *set, unsigned member);
int client_hello(struct test_client *client, const struct brick_hello *hello,
                 struct brick_hello_reply *out_reply);
void test_client_close(struct test_client *client);
bool client_wait_recalls(struct test_client *client, unsigned count);
void client_answer_recalls(struct test_client *client);

struct op_id client_op_id(struct test_client *client);
brick_target client_target(const struct test_client *client);

/* Send; arguments of the procedure, whose strings stay the caller's. */
void client_send(struct test_client *client, uint32_t procedure, const void *arguments,
                 const struct slice *bulk, struct answer *answer);
/* True if the answer came within that time. */
bool answer_wait_ms(struct answer *answer, unsigned ms);
/* Wait; the call's status, or the reply's. -ETIMEDOUT if none came in BRICK_SET_WAIT_MS. */
int answer_wait(struct answer *answer);
void answer_release(struct answer *answer);

/* Arguments, with the client's target, credentials and a fresh id where there is one. */
brick_getattr_args args_object(struct test_client *client, struct gfid object);
brick_name_args args_name(struct test_client *client, struct gfid parent, const char *name);
brick_read_args args_read(struct test_client *client, struct gfid object, uint64_t offset,
                          uint32_t count);
brick_write_args args_write(struct test_client *client, struct gfid object, uint64_t offset);
brick_make_args args_make(struct test_client *client, struct gfid parent, const char *name,
                          uint32_t type);
brick_setattr_args args_setattr(struct test_client *client, struct gfid object,
                                struct attr_change change);
brick_remove_args args_remove(struct test_client *client, struct gfid parent, const char *name);
brick_rename_args args_rename(struct test_client *client, struct gfid parent, const char *name,
                              struct gfid parent2, const char *name2);
brick_link_args args_link(struct test_client *client, struct gfid object, struct gfid parent,
                          const char *name);
brick_readdir_args args_readdir(struct test_client *client, struct gfid directory);
brick_commit_args args_commit(struct test_client *client, struct gfid object);

/* Send and wait. out_reply may be NULL; its data is gone then. */
int client_call(struct test_client *client, uint32_t procedure, const void *arguments,
                const struct slice *bulk, struct reply *out_reply);
/* Make something, or abort. */
struct gfid client_make(struct test_client *client, struct gfid parent, const char *name,
                        uint32_t type);
int client_write(struct test_client *client, struct gfid object, uint64_t offset, const char *text);

uint64_t test_now_ns(void);
/* Wait for condition to hold; looks every ms. */
bool test_wait(bool (*condition)(void *context), void *context, unsigned ms);

#endif
