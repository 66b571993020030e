/*
 * The road from a volume to its primary: what management daemons say of the volume (spec, view),
 * and one connection to the view's primary.
 *
 *     link to management   none → dialling → open: asks for the volume at once when in doubt, and
 *                          always has a question open that is answered by a newer view. There is
 *                          one in quiet times; while the primary is away or silent, one to every
 *                          host that is known: the machine that has failed may be that of both
 *     link to the primary  none → dialling → open (HELLO sent) → ready; closed when it is lost,
 *                          does not answer in time, or the view has another primary
 *
 * route_step does whatever is due; it runs on every tick, when the timer says so, and after every
 * event. A link is dialled
 * only after the last connection's closed callback, so each callback is the present one's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_GATEWAY_ROUTE_H
#define TRIVET_GATEWAY_ROUTE_H

#include <pthread.h>
#include "backend/proto/brick.h"
#include "backend/proto/limits.h"
#include "backend/rpc/rpc.h"
#include "gateway/session_lease.h"

enum link_state { LINK_NONE, LINK_DIALLING, LINK_OPEN, LINK_READY, LINK_CLOSING };

struct route_host {
    char host[HOST_SIZE_MAX + 1];
    uint16_t port;
};

/* Invariant: connection is NULL in state NONE. */
struct link {
    enum link_state state;
    struct rpc_connection *connection; /* our reference; may be NULL while dialling */
    uint64_t dials;                    /* which dial is under way */
    bool must_close;                   /* as soon as the connection is known */
    uint64_t since_ns;                 /* of the state */
    uint64_t at_ns;                    /* not dialled again before */
    unsigned pause_ms;
    int error; /* why the last connection ended */
    struct route_host host;
};

/* One management daemon. */
struct management {
    struct route *route;
    struct rpc_service service;
    struct link link;
    bool is_asking, is_watching;
    uint64_t ask_at_ns, watch_at_ns;
    uint64_t watched_view; /* what the open watch was told that we know */
    unsigned ask_pause_ms;
};

/* lock guards everything below it, and the retry state of the same volume; rank: a leaf, no call to
 * another module is made under it but reference counting. */
struct route {
    struct rpc_loop *loop;
    char name[VOLUME_NAME_MAX + 1];
    char client_name[HOST_SIZE_MAX + 1];
    uint64_t client; /* the session's id */
    bool wants_grants;
    struct rpc_service primary_service;
    int timer_fd;               /* readable when route_step is to run; -1: at ticks only */
    struct session_lease lease; /* of the connection to the primary */
    /* Called without lock when requests may go out (again): the primary said hello, or the view
     * has changed. */
    void (*ready)(void *context);
    void *context;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* for route_wait */
    bool is_closing;
    bool has_spec;
    struct volume_spec spec;
    uint32_t slots;   /* of the session; 0 until the first hello */
    uint64_t readied; /* how often the primary said hello */
    int refusal;      /* what management or primary last refused with, 0: nothing */
    struct link primary;
    struct management managements[MANAGEMENT_HOSTS_MAX]; /* of the host of the same place */
    struct route_host hosts[MANAGEMENT_HOSTS_MAX];
    size_t host_count, given_count;
    size_t main;             /* whom we keep to in quiet times */
    struct route_host tried; /* who was dialled last, and why that failed */
    int tried_error;
    bool is_in_doubt;      /* the spec may be old: ask at once */
    bool is_silent;        /* the primary is connected and does not answer */
    uint64_t unsettled_ns; /* when one of these was so last, or there was no primary */
    uint64_t timer_at_ns;  /* 0: not set */
};

struct route_options {
    struct rpc_loop *loop;
    const char *hosts; /* "HOST[:PORT],…" */
    const char *name;
    const char *client_name;                   /* NULL: program name and pid */
    const struct rpc_program *const *programs; /* served to the primary: RECALL */
    size_t program_count;
    void (*ready)(void *context);
    void *context;
    int timer_fd;
};

/* Fails: -EINVAL: hosts or the name cannot be read. */
int route_init(struct route *route, const struct route_options *options);
/* After the loop has stopped. */
void route_release(struct route *route);

/* Do what is due. Threads: any, without the lock. */
void route_step(struct route *route);

/*
 * Wait until the primary is ready. Fails: -E_UNKNOWN_VOLUME, -E_VOLUME_STOPPED, -E_BAD_PROTOCOL,
 * -E_WRONG_VOLUME; -ETIMEDOUT. Threads: not on the loop.
 */
int route_wait(struct route *route, unsigned timeout_ms);

/* A sentence on why route_wait failed with status. */
void route_explain(struct route *route, int status, char *out_error, size_t size);

/* End what route_step does, before the loop stops. */
void route_close(struct route *route);

/* ---- with the lock held ---------------------------------------------------------------------- */

static inline bool route_is_ready(const struct route *route)
{
    return route->primary.state == LINK_READY;
}

/* The connection to the primary, one reference for the caller; it must be ready. */
struct rpc_connection *route_connection(struct route *route);
/* A call said that the connection is gone; its closed callback follows. */
void route_lost(struct route *route);
/* A brick said that it is stopping. */
void route_leave(struct route *route);
/* A call said that the view may be another one. */
void route_doubt(struct route *route);
/* A call was answered. */
static inline void route_answered(struct route *route)
{
    if (route->primary.pause_ms != RETRY_MS_MIN) {
        route->primary.pause_ms = RETRY_MS_MIN;
    }
}
/* Whether calls have been met with silence for a while. */
void route_silent(struct route *route, bool is_silent);
/* Run route_step and retry_tick at at_ns, or before. */
void route_wake_at(struct route *route, uint64_t at_ns);
/* The timer has gone off; without the lock. */
void route_woken(struct route *route);

/* ---- among the files of the route, with the lock held ---------------------------------------- */

/* Take over a spec or view unless ours is newer; *out_changed says whether the view is another. */
int route_adopt(struct route *route, const struct volume_spec *spec, bool *out_changed);
bool route_adopt_view(struct route *route, const struct view *view);
/* Whether the view names a primary that runs, and where. */
bool route_has_primary(const struct route *route, struct route_host *out_host);

/* route_management.c and route_primary.c: callbacks of the services, and the calls; no lock. */
void route_management_opened(struct rpc_connection *connection, void *context);
void route_management_closed(struct rpc_connection *connection, void *context);
/* Its connection has ended, or could not be dialled. With the lock held. */
struct rpc_connection *route_management_ended(struct management *management, int error);
void route_ask(struct management *management, struct rpc_connection *connection);
void route_watch(struct management *management, struct rpc_connection *connection);
void route_primary_opened(struct rpc_connection *connection, void *context);
void route_primary_closed(struct rpc_connection *connection, void *context);

/* ---- links, with the lock held --------------------------------------------------------------- */

/* A dial begins; returns its number. */
uint64_t link_begin(struct link *link, const struct route_host *host);
/* The connection is up. */
void link_opened(struct link *link, struct rpc_connection *connection);
/* The connection is gone, or could not be dialled. Returns the reference to put. */
struct rpc_connection *link_ended(struct link *link, int error);

/* ---- hosts ----------------------------------------------------------------------------------- */

/* Read "HOST[:PORT],[V6]:PORT,…". Fails: -EINVAL. */
int route_hosts_parse(const char *text, struct route_host *out_hosts, size_t limit,
                      size_t *out_count);

#endif
