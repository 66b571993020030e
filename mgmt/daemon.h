/*
 * trivetd, put together: what its parts share, and its start and stop. trivetd.c is its main; tests
 * run it inside themselves.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_MGMT_DAEMON_H
#define TRIVET_MGMT_DAEMON_H

#include "mgmt/command.h"
#include "mgmt/live.h"

struct daemon_config {
    char state_dir[PATH_SIZE_MAX + 1];
    char run_dir[PATH_SIZE_MAX + 1];
    char listen[HOST_SIZE_MAX + 1];
    uint16_t port;                       /* 0: a free one */
    uint16_t brick_port_base;            /* bricks get ports from here up */
    char program_dir[PATH_SIZE_MAX + 1]; /* "": beside trivetd, then PATH */
    char log_level[8];                   /* given to bricks */
};

/* The gateway that this trivetd supervises; guarded by live.lock. */
struct gateway {
    struct process *process; /* NULL: none */
    char config[PATH_SIZE_MAX + 1];
};

/* What is served on a listener. */
struct daemon_service {
    struct rpc_program program;
    const struct rpc_program *programs[1];
    struct rpc_service service;
};

struct daemon {
    struct daemon_config config;
    int state_lock; /* held as long as trivetd runs */
    uint16_t port;  /* that it listens on */
    struct rpc_loop *loop;
    struct supervisor *supervisor;
    struct cluster_store *store;
    struct live live;
    struct commands commands;
    struct gateway gateway;
    struct daemon_service tcp_service;
    struct daemon_service unix_service;
};

/* The defaults of etc/trivetd.conf. */
void daemon_config_init(struct daemon_config *out_config);

/* Make the state and run directories and what belongs in them. */
int daemon_make_directories(const struct daemon_config *config, struct refusal *out_why);

/*
 * Start: lock the state directory, read the store, adopt or start what is to run, listen.
 *
 * The directories exist and are named by absolute paths.
 *
 * Fails: -EBUSY (another trivetd has the state directory), -EADDRINUSE, -E_CORRUPT …; out_why says
 *        what to do.
 */
int daemon_start(const struct daemon_config *config, struct daemon **out_daemon,
                 struct refusal *out_why);

/* Stop and free. Bricks and gateway run on. */
void daemon_stop(struct daemon *daemon);

/* RUN_DIR/trivetd.sock: what the command line connects to. Fails: -ENAMETOOLONG. */
int daemon_socket_path(const char *run_dir, char *out_path, size_t size);

/* What the daemon answers, on TCP and on the Unix socket: daemon_serve.c. Contexts are the daemon.
 */
int daemon_serve(struct daemon *daemon, struct refusal *out_why);

#endif
