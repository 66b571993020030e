/*
 * A member that returns: what it says of its log to the primary that asks, and taking back what the
 * others never got. Before this process has sequenced anything, or never.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "backend/proto/replica.h"
#include "backend/replica/replica_driver.h"

/* A primary that does not answer this long is no longer one. */
#define FETCH_TIMEOUT_MS 10000

struct returning {
    struct replica_driver *driver;
    struct rpc_call *call;
    uint64_t cut_to; /* 0: nothing is to be cut */
    uint64_t view;
    char host[HOST_SIZE_MAX + 1];
    uint16_t port;
    struct rpc_connection *connection; /* to the primary */
};

/* ---- bytes from the primary ------------------------------------------------------------------ */

/* One call, waited for. */
struct fetch {
    pthread_mutex_t mutex; /* rank 9: nothing is taken under it */
    pthread_cond_t changed;
    bool is_done;
    int status;
    uint32_t count;
    uint8_t *bytes; /* IO_SIZE_MAX */
};

static void fetched(struct rpc_reply *reply, void *context)
{
    struct fetch *fetch = context;
    replica_fetch_reply answer = {0};
    struct slice rest, bulk = {.data = NULL, .size = 0};
    int rc = rpc_reply_decode(reply, (xdrproc_t)xdr_replica_fetch_reply, &answer, &rest);
    rc = rc == 0 ? answer.status : rc;
    rc = rc == 0 ? rpc_bulk(rest, &bulk) : rc;
    if (rc == 0 && bulk.size > IO_SIZE_MAX) {
        rc = -E_BAD_MESSAGE;
    }
    AUTO_LOCK(&fetch->mutex);
    if (rc == 0 && bulk.size > 0) {
        memcpy(fetch->bytes, bulk.data, bulk.size);
    }
    fetch->count = (uint32_t)bulk.size;
    fetch->status = rc;
    fetch->is_done = true;
    pthread_cond_signal(&fetch->changed);
}

static int fetch_bytes(struct returning *returning, struct fetch *fetch, const struct gfid *object,
                       uint64_t offset, uint32_t count)
{
    replica_fetch_args args = {
        .set = returning->driver->identity.set,
        .view = returning->view,
        .object = *object,
        .offset = offset,
        .count = count,
    };
    struct rpc_call_request request = {
        .program = TRIVET_REPLICA,
        .version = TRIVET_REPLICA_V1,
        .procedure = REPLICA_FETCH,
        .encode = (xdrproc_t)xdr_replica_fetch_args,
        .arguments = &args,
        .timeout_ms = FETCH_TIMEOUT_MS,
        .callback = fetched,
        .context = fetch,
    };
    fetch->is_done = false;
    int rc = rpc_call_start(returning->connection, &request);
    if (rc < 0) {
        return rc;
    }
    AUTO_LOCK(&fetch->mutex);
    while (!fetch->is_done) {
        pthread_cond_wait(&fetch->changed, &fetch->mutex);
    }
    return fetch->status;
}

static int restore_range(struct returning *returning, struct fetch *fetch,
                         const struct store_refetch *range)
{
    for (uint64_t done = 0; done < range->length;) {
        uint64_t left = range->length - done;
        uint32_t count = left < IO_SIZE_MAX ? (uint32_t)left : IO_SIZE_MAX;
        int rc = fetch_bytes(returning, fetch, &range->object, range->offset + done, count);
        if (rc == -ESTALE || rc == -EISDIR) {
            return 0; /* removed since, which comes with the stream */
        }
        if (rc == 0 && fetch->count > 0) {
            rc = store_restore(returning->driver->store, &range->object, range->offset + done,
                               slice_of(fetch->bytes, fetch->count));
        }
        if (rc < 0) {
            return rc;
        }
        if (fetch->count < count) {
            return 0; /* it ends here, or was cut since, which comes with the stream */
        }
        done += count;
    }
    return 0;
}

/* What is to be fetched is listed first: the store may not be written while it lists. */
struct ranges {
    struct store_refetch *list;
    size_t count, capacity;
};

static int note_range(void *context, const struct store_refetch *range)
{
    struct ranges *ranges = context;
    if (ranges->count == ranges->capacity) {
        size_t capacity = ranges->capacity > 0 ? 2 * ranges->capacity : 64;
        struct store_refetch *list = reallocarray(ranges->list, capacity, sizeof *list);
        if (!list) {
            return -ENOMEM;
        }
        ranges->list = list;
        ranges->capacity = capacity;
    }
    ranges->list[ranges->count++] = *range;
    return 0;
}

static int dial_primary(struct returning *returning)
{
    static const struct rpc_service nothing = {.program_count = 0};
    return rpc_dial_tcp(returning->driver->loop, returning->host, returning->port, &nothing,
                        &returning->connection);
}

static int restore_all(struct returning *returning, const struct ranges *ranges)
{
    struct fetch fetch = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    AUTO_FREE uint8_t *bytes = malloc(IO_SIZE_MAX);
    fetch.bytes = bytes;
    int rc = bytes ? dial_primary(returning) : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < ranges->count; i++) {
        rc = restore_range(returning, &fetch, &ranges->list[i]);
    }
    if (returning->connection) {
        rpc_connection_close(returning->connection);
        rpc_connection_put(returning->connection);
    }
    return rc;
}

/* ---- the log ------------------------------------------------------------------------------- */

/* All that this member knows of its log begins anew. */
static int begin_anew(struct replica_driver *driver)
{
    struct reply_memory *memory = reply_memory_new();
    if (!memory) {
        return -ENOMEM;
    }
    struct store_position position;
    store_position(driver->store, &position);
    AUTO_LOCK(&driver->mutex);
    struct replica *replica = &driver->replica;
    replica->sequenced = replica->applied = position.sequenced;
    driver->apply_last = driver->log_begun = position.sequenced;
    driver->tail_first = driver->repair_next = position.sequenced + 1;
    driver->tail_last = driver->repair_last = position.sequenced;
    reply_memory_free(driver->memory);
    driver->memory = memory;
    replica_driver_remember(driver, position.sequenced);
    for (unsigned i = 0; i < DEPENDENCY_CELLS; i++) {
        atomic_store_explicit(&driver->depends[i], 0, memory_order_relaxed);
    }
    return 0;
}

static int cut_back(struct returning *returning)
{
    struct replica_driver *driver = returning->driver;
    struct ranges ranges = {.count = 0};
    int rc;
    if (returning->cut_to != 0) {
        log_info("brick %s-%u: takes back what its set never got, above operation %" PRIu64,
                 driver->identity.volume_name, driver->identity.brick, returning->cut_to);
        rc = store_cut(driver->store, returning->cut_to, note_range, &ranges);
    } else {
        rc = store_refetch(driver->store, note_range, &ranges);
    }
    if (rc == 0) {
        rc = begin_anew(driver);
    }
    if (rc == 0 && ranges.count > 0) {
        rc = restore_all(returning, &ranges);
    }
    if (rc == 0) {
        rc = store_reconciled(driver->store);
    }
    free(ranges.list);
    return rc;
}

static void return_job(void *context)
{
    AUTO_FREE struct returning *returning = context;
    struct replica_driver *driver = returning->driver;
    int rc = 0;
    if (returning->cut_to != 0 || store_reconciling(driver->store)) {
        AUTO_LOCK(&driver->checkpoint_mutex); /* the store is this thread's alone */
        rc = cut_back(returning);
    }
    if (rc < 0) {
        log_warn("brick %s-%u: cannot return to its set yet: %s", driver->identity.volume_name,
                 driver->identity.brick, error_text(rc));
    }
    if (rc == -EIO || rc == -EROFS || rc == -ENOSPC || rc == -E_CORRUPT) {
        replica_driver_fail(driver, rc);
    }
    {
        AUTO_LOCK(&driver->mutex);
        driver->returning = false;
    }
    replica_serve_opened(driver, returning->call, rc);
}

int replica_return_begin(struct replica_driver *driver, struct rpc_call *call, uint64_t cut_to)
{
    if (driver->returning || driver->stopping ||
        driver->replica.applied < driver->replica.sequenced) {
        return -E_NOT_SETTLED;
    }
    if (cut_to != 0 && driver->replica.sequenced != driver->log_begun) {
        replica_reenter(driver); /* too late for this process */
        return -E_NOT_SETTLED;
    }
    struct returning *returning = malloc(sizeof *returning);
    if (!returning) {
        return -ENOMEM;
    }
    const struct view *view = &driver->replica.view;
    *returning = (struct returning){.driver = driver,
                                    .call = call,
                                    .cut_to = cut_to,
                                    .view = view->number,
                                    .port = replica_member_port(driver, view->primary)};
    memcpy(returning->host, view->members[view->primary].host, sizeof returning->host);
    driver->returning = true;
    rpc_offload(driver->loop, return_job, returning);
    return 0;
}
