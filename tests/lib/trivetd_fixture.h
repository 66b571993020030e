/*
 * A trivetd inside a test, in a directory of its own: commands over its Unix socket, clients over
 * TCP, bricks that are the test itself under the name trivet-brick (tests/lib/idle_brick.h). What
 * fails is a failure of the CUnit test that runs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_TRIVETD_FIXTURE_H
#define TRIVET_TESTS_TRIVETD_FIXTURE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "backend/proto/mgmt.h"
#include "backend/rpc/rpc.h"
#include "mgmt/daemon.h"

#define WAIT_MS 30000

extern char directory[128]; /* holds state, run, bin and the bricks b0 to b5 */
extern struct daemon *trivetd;
extern struct rpc_loop *loop; /* of the test's own connections */
extern uint16_t port_base;    /* to set before begin */

/* CUnit's set-up and tear-down of each test. */
void begin(void);
void end(void);

/* ---- its directory ------------------------------------------------------------------------- */

void make_path(char out_path[PATH_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void put_file(const char *name, const char *text);
void remove_file(const char *name);
bool has_file(const char *name);
void config_make(struct daemon_config *config);
/* After daemon_stop; port 0: a free one. */
void trivetd_start(uint16_t port);

/* ---- commands ------------------------------------------------------------------------------ */

struct rpc_connection *dial_socket(void);
/* Send a command's text; closes the connection. */
int call_json(struct rpc_connection *connection, const char *text, char **out_text);
json_t *command_text_(const char *text);
/* Format and values are json_pack's. */
json_t *command(const char *format, ...);
/* A command that names a volume and nothing else. */
json_t *simple(const char *verb, const char *name);
/* Volume create, of three bricks from that one on. */
json_t *create(const char *name, int first_brick);
/* Of gv0. */
void create_and_start(void);

int status_of(const json_t *answer);
/* Expect a command to succeed; consumes the answer. */
void succeed(json_t *answer);
/* Expect it to fail with that status and a sentence that contains text. */
void fail(json_t *answer, int status, const char *text);

/* ---- volume status of gv0 ------------------------------------------------------------------ */

/* A member of brick number; the caller's reference. */
json_t *brick_member(unsigned number, const char *name);
long long brick_number(unsigned number, const char *name);
bool brick_is(unsigned number, const char *role);
/* Wait until all bricks say that they act in that view. */
void wait_for_view(long long view);

/* ---- clients ------------------------------------------------------------------------------- */

struct rpc_connection *dial_trivetd(void);
int ask_volume(struct rpc_connection *connection, const char *name, uint64_t known_view,
               unsigned wait_ms, struct mgmt_volume_reply *out_reply);
void hang_up(struct rpc_connection *connection);

#endif
