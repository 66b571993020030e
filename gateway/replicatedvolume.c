/*
 * The replicated volume: a route to the primary, the requests under way, and the calls by which a
 * brick takes back what it granted. One loop of threads drives it all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/volume.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <utlist.h>
#include "backend/base/clock.h"
#include "backend/base/scope.h"
#include "gateway/retry.h"
#include "gateway/route.h"

#define THREADS_DEFAULT 2
/* A frontend's recall may wait for its kernel; two, so that one that does holds up no other. */
#define WORKERS 2
#define CONNECT_MS_DEFAULT 10000

struct replicated_volume {
    struct volume volume; /* first */
    struct rpc_loop *loop;
    int timer_fd; /* the route's */
    struct route route;
    struct retry retry;
    struct object_cache cache;
    struct name_cache names;
    void (*recall)(void *context, const struct gfid *object, const struct gfid *parent,
                   struct slice name);
    void (*recall_begin)(void *context);
    void *recall_context;
    uint64_t recalls;            /* atomic */
    pthread_mutex_t recall_lock; /* a leaf */
    struct recall *recall_list;  /* that the frontend is still busy with */
    struct rpc_program recall_program;
    const struct rpc_program *programs[1];
};

/* ---- recalls --------------------------------------------------------------------------------- */

/*
 * What is kept here goes as soon as a recall comes; the frontend drops what it holds on a worker,
 * where it may have to wait. The brick is told when that is done, or when nothing that was given
 * out before the recall can be in use any more: session_lease.h.
 */
struct recall {
    struct replicated_volume *volume;
    struct rpc_call *call; /* NULL: answered. Guarded by recall_lock, as the list is */
    uint64_t until_ns;
    struct recall_args arguments;
    struct recall *prev, *next;
};

static void recall_answer(struct rpc_call *call)
{
    static const int done = 0;
    rpc_call_reply(call, (xdrproc_t)xdr_int, &done, NULL);
}

/* On a worker. */
static void recall_run(void *context)
{
    struct recall *recall = context;
    struct replicated_volume *volume = recall->volume;
    struct rpc_call *call;
    volume->recall(volume->recall_context, &recall->arguments.object, &recall->arguments.parent,
                   slice_text(recall->arguments.name));
    {
        AUTO_LOCK(&volume->recall_lock);
        call = TAKE(recall->call);
        DL_DELETE(volume->recall_list, recall);
    }
    if (call) {
        recall_answer(call);
    }
    xdr_free((xdrproc_t)xdr_recall_args, (char *)&recall->arguments);
    free(recall);
}

/* Answer those that took too long. */
static void recall_tick(struct replicated_volume *volume)
{
    uint64_t now_ns = clock_monotonic_ns(clock_real());
    for (;;) {
        struct rpc_call *call = NULL;
        {
            struct recall *recall;
            AUTO_LOCK(&volume->recall_lock);
            DL_FOREACH(volume->recall_list, recall)
            {
                if (recall->call && recall->until_ns <= now_ns) {
                    call = TAKE(recall->call);
                    break;
                }
            }
        }
        if (!call) {
            return;
        }
        recall_answer(call);
    }
}

/* Drop what is kept here; from now on nothing is given out that is from before. */
static void recall_begin(struct replicated_volume *volume, const struct recall_args *arguments)
{
    object_cache_recall(&volume->cache, &arguments->object);
    name_cache_recall(&volume->names, &arguments->object, &arguments->parent,
                      slice_text(arguments->name));
    if (volume->recall_begin) {
        volume->recall_begin(volume->recall_context);
    }
    (void)__atomic_fetch_add(&volume->recalls, 1, __ATOMIC_RELAXED);
}

static void recall_called(struct rpc_call *call, void *context)
{
    struct replicated_volume *volume = context;
    struct recall *recall = calloc(1, sizeof(*recall));
    if (!recall) {
        rpc_call_drop(call); /* the brick waits until the lease has run out */
        return;
    }
    if (rpc_call_decode(call, (xdrproc_t)xdr_recall_args, &recall->arguments, NULL)) {
        free(recall);
        rpc_call_garbage(call);
        return;
    }
    recall_begin(volume, &recall->arguments);
    if (!volume->recall) {
        recall_answer(call);
        xdr_free((xdrproc_t)xdr_recall_args, (char *)&recall->arguments);
        free(recall);
        return;
    }
    recall->volume = volume;
    recall->call = call;
    recall->until_ns = session_lease_last(&volume->route.lease);
    {
        AUTO_LOCK(&volume->recall_lock);
        DL_APPEND(volume->recall_list, recall);
    }
    rpc_offload(volume->loop, recall_run, recall);
}

static const struct rpc_procedure recall_procedures[] = {
    [RECALL] = {.name = "RECALL", .handler = recall_called},
};

/* ---- the volume ------------------------------------------------------------------------------ */

static void replicated_submit(struct volume *volume, struct volume_request *request)
{
    struct replicated_volume *replicated = (struct replicated_volume *)volume;
    uint64_t now_ns = clock_monotonic_ns(clock_real());
    object_cache_begin(&replicated->cache, request);
    name_cache_begin(&replicated->names, request);
    if (object_cache_answer(&replicated->cache, request, now_ns) ||
        name_cache_answer(&replicated->names, request, now_ns)) {
        volume_complete(request);
        return;
    }
    retry_submit(&replicated->retry, request);
}

static void replicated_cancel(struct volume *volume, struct volume_request *request)
{
    retry_cancel(&((struct replicated_volume *)volume)->retry, request, -EINTR);
}

static void replicated_cancel_all(struct volume *volume, int status)
{
    retry_cancel_all(&((struct replicated_volume *)volume)->retry, status);
}

static bool replicated_answers(const struct volume *volume)
{
    return retry_answers(&((const struct replicated_volume *)volume)->retry);
}

static void replicated_release(struct volume_request *request)
{
    rpc_reply_release(request->kept);
}

static void replicated_stats(const struct volume *volume, struct volume_stats *out_stats)
{
    /* The lock is taken, the volume stays as it is. */
    struct replicated_volume *replicated = (struct replicated_volume *)(uintptr_t)volume;
    out_stats->recalls = __atomic_load_n(&replicated->recalls, __ATOMIC_RELAXED);
    AUTO_LOCK(&replicated->route.lock);
    out_stats->retries = replicated->retry.resent;
    out_stats->reconnects = replicated->route.readied ? replicated->route.readied - 1 : 0;
}

static void replicated_free(struct replicated_volume *replicated)
{
    rpc_loop_free(replicated->loop);
    scope_close(&replicated->timer_fd);
    pthread_mutex_destroy(&replicated->recall_lock);
    free(replicated);
}

/* In order: nothing new is dialled, nothing is under way, no thread runs, nothing is left. */
static void replicated_close(struct volume *volume)
{
    struct replicated_volume *replicated = (struct replicated_volume *)volume;
    route_close(&replicated->route);
    retry_cancel_all(&replicated->retry, -EINTR);
    rpc_loop_stop(replicated->loop);
    retry_cancel_all(&replicated->retry, -EINTR);
    retry_release(&replicated->retry);
    route_release(&replicated->route);
    name_cache_release(&replicated->names);
    object_cache_release(&replicated->cache);
    replicated_free(replicated);
}

static const struct volume_ops replicated_volume_ops = {
    .submit = replicated_submit,
    .cancel = replicated_cancel,
    .cancel_all = replicated_cancel_all,
    .answers = replicated_answers,
    .release = replicated_release,
    .stats = replicated_stats,
    .close = replicated_close,
};

static void ready(void *context)
{
    retry_resume(&((struct replicated_volume *)context)->retry);
}

static void tick(void *context)
{
    struct replicated_volume *replicated = context;
    route_step(&replicated->route);
    retry_tick(&replicated->retry);
    recall_tick(replicated);
}

static void timer(void *context)
{
    struct replicated_volume *replicated = context;
    route_woken(&replicated->route);
    route_step(&replicated->route);
    retry_tick(&replicated->retry);
}

/* ---- open ------------------------------------------------------------------------------------ */

static int init_route(struct replicated_volume *replicated, const char *hosts, const char *name,
                      const struct volume_options *options)
{
    replicated->recall = options->recall;
    replicated->recall_begin = options->recall_begin;
    replicated->recall_context = options->recall_context;
    replicated->recall_program = (struct rpc_program){
        .program = TRIVET_RECALL,
        .version = TRIVET_RECALL_V1,
        .procedures = recall_procedures,
        .procedure_count = sizeof(recall_procedures) / sizeof(recall_procedures[0]),
        .context = replicated,
    };
    replicated->programs[0] = &replicated->recall_program;
    const struct route_options route_options = {
        .loop = replicated->loop,
        .hosts = hosts,
        .name = name,
        .client_name = options->client_name,
        .programs = replicated->programs,
        .program_count = options->recall || options->cache ? 1 : 0,
        .ready = ready,
        .context = replicated,
        .timer_fd = replicated->timer_fd,
    };
    return route_init(&replicated->route, &route_options);
}

static int start(struct replicated_volume *replicated, const struct volume_options *options,
                 char *out_error, size_t size)
{
    int status = rpc_loop_every(replicated->loop, CLIENT_TICK_MS, tick, replicated);
    if (status == 0) {
        status = rpc_loop_watch(replicated->loop, replicated->timer_fd, timer, replicated);
    }
    if (status == 0) {
        status = rpc_loop_start(replicated->loop);
    }
    if (status) {
        volume_explain(out_error, size, "threads cannot be started: %s", error_text(status));
        return status;
    }
    route_step(&replicated->route);
    unsigned timeout_ms = options->connect_timeout_ms;
    status = route_wait(&replicated->route, timeout_ms ? timeout_ms : CONNECT_MS_DEFAULT);
    if (status) {
        route_explain(&replicated->route, status, out_error, size);
        return status;
    }
    {
        AUTO_LOCK(&replicated->route.lock);
        replicated->volume.spec = replicated->route.spec;
    }
    retry_tick(&replicated->retry); /* so that it answers from the first moment */
    return 0;
}

int replicated_volume_open(const char *hosts, const char *name,
                           const struct volume_options *options, struct volume **out_volume,
                           char *out_error, size_t size)
{
    struct replicated_volume *replicated = calloc(1, sizeof(*replicated));
    if (!replicated) {
        return -ENOMEM;
    }
    replicated->volume.ops = &replicated_volume_ops;
    pthread_mutex_init(&replicated->recall_lock, NULL);
    replicated->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    int status = replicated->timer_fd < 0 ? -errno : 0;
    if (status == 0) {
        status = rpc_loop_new(options->threads ? options->threads : THREADS_DEFAULT, WORKERS,
                              &replicated->loop);
    }
    if (status) {
        volume_explain(out_error, size, "no event loop: %s", error_text(status));
        replicated_free(replicated);
        return status;
    }
    status = init_route(replicated, hosts, name, options);
    if (status) {
        volume_explain(out_error, size,
                       "\"%s\" is no list of hosts; write HOST, HOST:PORT or [V6]:PORT, at most "
                       "%d, with commas between",
                       hosts, MANAGEMENT_HOSTS_MAX - SET_MEMBERS_MAX);
        replicated_free(replicated);
        return status;
    }
    bool caches = options->recall || options->cache;
    object_cache_init(&replicated->cache, &replicated->route.lease, caches);
    name_cache_init(&replicated->names, &replicated->cache, caches);
    retry_init(&replicated->retry, &replicated->route, &replicated->cache, &replicated->names,
               options->wait_timeout_ms);
    status = start(replicated, options, out_error, size);
    if (status) {
        replicated_close(&replicated->volume);
        return status;
    }
    *out_volume = &replicated->volume;
    return 0;
}
