/*
 * Submit, pump, answer. See replica_driver.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/replica/replica_driver.h"

#include <stdlib.h>
#include <xxhash.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/random.h"
#include "backend/base/scope.h"
#include "backend/proto/replica.h"

#define HEARTBEAT_MS 500

/* ---- effects ------------------------------------------------------------------------------- */

static void effect_send(struct replica_driver *driver, const struct replica_effect *effect)
{
    struct peer *peer = &driver->peers[effect->member];
    if (effect->index != peer->last + 1 || peer->next > effect->index) {
        peer->next = effect->index; /* a stream opened anew: from where the member says it is */
    }
    peer->last = effect->last;
}

static void effect_commit(struct replica_driver *driver, uint64_t index, struct pending **finished)
{
    uint64_t from = atomic_load(&driver->committed) + 1;
    atomic_store(&driver->committed, index);
    (void)store_commit(driver->store, index); /* a note for restart; what it lacks is settled again
                                                 */
    for (uint64_t i = from; i <= index && driver->ring.count > 0; i++) {
        struct pending *pending = pending_find(&driver->ring, i);
        if (pending && !pending->append) {
            pending_drop(&driver->ring, pending, finished);
        }
    }
}

static void effect_halt(struct replica_driver *driver, int status)
{
    log_error("brick %s-%u: cannot apply an operation that was decided (%s); it leaves the set "
              "until it is started again. Check the disk below it and the space on it",
              driver->identity.volume_name, driver->identity.brick, error_text(status));
    driver->failed(driver->failed_context, status);
}

static void effect_sequence(struct replica_driver *driver, uint64_t index)
{
    struct pending *pending = pending_find(&driver->ring, index);
    INVARIANT(pending != NULL);
    replica_depend_operation(driver, &pending->operation);
    pending->status = store_sequence(driver->store, &pending->operation, pending->record);
    reply_memory_note(driver->memory, &pending->operation.id, index, 0);
}

static void perform(struct replica_driver *driver, const struct replica_effect *effect,
                    struct pending **finished)
{
    struct peer *peer = &driver->peers[effect->member];
    switch (effect->kind) {
    case EFFECT_SEQUENCE:
        effect_sequence(driver, effect->index);
        break;
    case EFFECT_APPLY:
        driver->apply_last = effect->index;
        break;
    case EFFECT_SEND:
        effect_send(driver, effect);
        break;
    case EFFECT_OPEN:
        peer->wanted = true;
        break;
    case EFFECT_CLOSE:
        if (effect->status < 0) {
            log_error("brick %s-%u: brick %u has operations that this primary lacks; another view "
                      "is needed: stop and start the volume",
                      driver->identity.volume_name, driver->identity.brick,
                      driver->replica.view.members[effect->member].brick);
        }
        peer->wanted = false;
        replica_stream_close(driver, effect->member);
        break;
    case EFFECT_COMMIT:
        effect_commit(driver, effect->index, finished);
        break;
    case EFFECT_SERVE:
        atomic_store(&driver->serving_view, driver->replica.view.number);
        log_info("brick %s-%u: primary of view %llu, all in-sync bricks at operation %llu",
                 driver->identity.volume_name, driver->identity.brick,
                 (unsigned long long)driver->replica.view.number,
                 (unsigned long long)driver->replica.sequenced);
        break;
    case EFFECT_SILENCE:
        atomic_store(&driver->serving_view, 0);
        break;
    case EFFECT_HALT:
        effect_halt(driver, effect->status);
        break;
    case EFFECT_ACK:    /* a backup's pending is finished, with its answer, by the pump */
    case EFFECT_REFUSE: /* replica_serve.c looks for it itself */
    case EFFECT_BEAT:
    case EFFECT_ANSWER:
    case EFFECT_PROPOSE:
    case EFFECT_READ:
    case EFFECT_REENTER:
        break;
    }
}

void replica_driver_step(struct replica_driver *driver, const struct replica_event *event,
                         struct pending **finished)
{
    struct replica_effects effects;
    replica_step(&driver->replica, event, &effects);
    for (unsigned i = 0; i < effects.count; i++) {
        perform(driver, &effects.list[i], finished);
    }
    atomic_store(&driver->role, driver->replica.role);
}

/* ---- the pump ------------------------------------------------------------------------------ */

/* Send one operation that is no longer pending, from the log; a WRITE's bytes are those that the
 * file has now, which later operations of the stream bring to the same end. */
static void send_from_log(struct replica_driver *driver, struct stream *stream, uint64_t index)
{
    uint8_t record[OPERATION_SIZE_MAX];
    size_t size;
    struct operation operation;
    int rc = store_log_read(driver->store, index, record, sizeof record, &size);
    if (rc == 0) {
        rc = operation_decode(slice_of(record, size), &operation);
    }
    AUTO_FREE uint8_t *bytes = NULL;
    struct slice bulk = {.data = NULL, .size = 0};
    if (rc == 0 && operation.kind == OPERATION_WRITE) {
        bytes = calloc(1, operation.count);
        uint32_t count = 0;
        if (bytes) {
            /* A file that a later operation removed or cut has nothing to give: zeros do. */
            (void)store_read(driver->store, &operation.object.gfid, operation.offset,
                             operation.count, false, bytes, &count);
            bulk = slice_of(bytes, operation.count);
        } else {
            rc = -ENOMEM;
        }
    }
    if (rc < 0) {
        log_error("brick %s-%u: cannot read operation %llu back from its log (%s)",
                  driver->identity.volume_name, driver->identity.brick, (unsigned long long)index,
                  error_text(rc));
        rpc_connection_close(replica_stream_connection(stream));
        return;
    }
    replica_stream_send(stream, slice_of(record, size), bulk, atomic_load(&driver->committed));
}

/* With the mutex held, and again at return. */
static void send_to(struct replica_driver *driver, struct peer *peer, struct pending **finished)
{
    if (peer->sending) {
        return;
    }
    peer->sending = true;
    while (peer->stream && peer->next <= peer->last) {
        uint64_t index = peer->next++;
        struct stream *stream = replica_stream_get(peer->stream);
        struct pending *pending = pending_find(&driver->ring, index);
        if (pending) {
            pending->refs++;
        }
        pthread_mutex_unlock(&driver->mutex);
        if (pending) {
            replica_stream_send(stream, pending->record, pending->bulk,
                                atomic_load(&driver->committed));
        } else {
            send_from_log(driver, stream, index);
        }
        replica_stream_put(stream);
        pthread_mutex_lock(&driver->mutex);
        if (pending) {
            pending_put(pending, finished);
        }
    }
    peer->sending = false;
}

static void apply_one(struct replica_driver *driver, struct pending *pending,
                      struct pending **finished)
{
    uint64_t index = pending->index;
    int status = pending->status; /* of store_sequence */
    pending->refs++;
    pthread_mutex_unlock(&driver->mutex);
    if (status == 0) {
        status = store_apply(driver->store, &pending->operation, pending->bulk);
    }
    pthread_mutex_lock(&driver->mutex);
    struct replica_event event = {.kind = EVENT_APPLIED, .index = index, .status = status};
    replica_driver_step(driver, &event, finished);
    if (pending->append) {
        pending->status = status;
        pending_drop(&driver->ring, pending, finished);
    }
    pending_put(pending, finished);
}

/* Nobody will know here whether these are committed. */
static void give_back_pending(struct replica_driver *driver, struct pending **finished)
{
    for (uint64_t i = atomic_load(&driver->committed) + 1; i <= driver->replica.sequenced; i++) {
        struct pending *pending = pending_find(&driver->ring, i);
        if (pending) {
            pending->status = -E_CONNECTION_LOST;
            pending_drop(&driver->ring, pending, finished);
        }
    }
}

static void apply_all(struct replica_driver *driver, struct pending **finished)
{
    if (driver->applying) {
        return;
    }
    driver->applying = true;
    while (!driver->replica.failed && driver->replica.applied < driver->apply_last) {
        struct pending *pending = pending_find(&driver->ring, driver->replica.applied + 1);
        INVARIANT(pending != NULL);
        apply_one(driver, pending, finished);
    }
    driver->applying = false;
    if (driver->stopping) {
        give_back_pending(driver, finished);
    }
}

static void wake_all(struct pending *pending)
{
    struct replica_waiter *waiter = pending->waiters;
    while (waiter) {
        struct replica_waiter *next = waiter->next; /* wake may free the waiter */
        waiter->wake(waiter, pending->append ? 0 : pending->status, &pending->operation);
        waiter = next;
    }
}

/* Answer for what has finished. */
static void answer(struct replica_driver *driver, struct pending *finished)
{
    for (struct pending *pending = finished; pending; pending = pending->next) {
        wake_all(pending);
        if (pending->append) {
            replica_serve_applied(driver, pending, pending->status);
        }
    }
}

void replica_pump(struct replica_driver *driver, struct pending *finished)
{
    pthread_mutex_lock(&driver->mutex);
    for (;;) {
        for (uint32_t i = 0; i < driver->replica.view.member_count; i++) {
            send_to(driver, &driver->peers[i], &finished);
        }
        apply_all(driver, &finished);
        if (!finished) {
            break;
        }
        struct pending *done = finished;
        finished = NULL;
        pthread_mutex_unlock(&driver->mutex);
        answer(driver, done);
        pthread_mutex_lock(&driver->mutex);
        pending_recycle(&driver->ring, done);
    }
    pthread_mutex_unlock(&driver->mutex);
}

/* ---- views and time ------------------------------------------------------------------------ */

/* A member that no longer leads answers for nothing that is not committed: the next primary will.
 */
static void abandon_pending(struct replica_driver *driver, struct pending **finished)
{
    for (uint64_t i = atomic_load(&driver->committed) + 1; i <= driver->replica.sequenced; i++) {
        struct pending *pending = pending_find(&driver->ring, i);
        if (pending && !pending->append && i <= driver->replica.applied) {
            pending->status = -E_NOT_PRIMARY;
            pending_drop(&driver->ring, pending, finished);
        }
    }
}

static uint64_t verifier_of(const struct store_identity *identity, uint64_t epoch)
{
    return XXH3_64bits_withSeed(identity->volume.bytes, VOLUME_ID_SIZE, epoch);
}

/*
 * True if this member leads in view and another led before: what that one granted ends by itself
 * only, since this one does not know who holds it.
 */
static bool takes_over(struct replica_driver *driver, const struct view *view)
{
    struct view before = driver->replica.view;
    if (before.number == 0 && store_view_get(driver->store, &before) < 0) {
        return false;
    }
    return before.number > 0 && view->members[view->primary].brick == driver->identity.brick &&
           before.members[before.primary].brick != driver->identity.brick;
}

/* True if the primary of view has died since the view before: its own bytes above what is committed
 * may be missing, and everybody's are to be the same. */
static bool leader_restarted(const struct view *before, const struct view *view)
{
    const struct view_member *leader = &view->members[view->primary];
    for (uint32_t i = 0; i < before->member_count; i++) {
        if (before->members[i].brick == leader->brick) {
            return before->members[i].incarnation != leader->incarnation;
        }
    }
    return false;
}

int replica_driver_view(struct replica_driver *driver, const struct view *view)
{
    struct pending *finished = NULL;
    pthread_mutex_lock(&driver->mutex);
    if (view->number <= driver->replica.view.number || driver->stopping) {
        pthread_mutex_unlock(&driver->mutex);
        return 0;
    }
    if (takes_over(driver, view)) {
        replica_grace_locked(driver, LEASE_CLIENT_WAIT_MS);
    }
    /* Durable before it is acted in: a brick that comes back must know the latest view it was in.
     */
    int rc = store_view_put(driver->store, view);
    if (rc < 0) {
        pthread_mutex_unlock(&driver->mutex);
        driver->failed(driver->failed_context, rc);
        return rc;
    }
    if (view->volatile_epoch != driver->replica.view.volatile_epoch) {
        atomic_store(&driver->verifier, verifier_of(&driver->identity, view->volatile_epoch));
    }
    bool leader_died = leader_restarted(&driver->replica.view, view);
    struct replica_event event = {.kind = EVENT_VIEW, .view = view};
    replica_driver_step(driver, &event, &finished);
    atomic_store(&driver->view_number, view->number);
    if (driver->replica.role == ROLE_SETTLING || driver->replica.role == ROLE_PRIMARY) {
        driver->repair_next = driver->repair_last + 1; /* its bytes are what the others get */
    } else {
        abandon_pending(driver, &finished);
    }
    if (driver->replica.role == ROLE_BACKUP && leader_died) {
        if (driver->repair_next > driver->repair_last) {
            driver->repair_next = driver->replica.committed + 1;
        }
        driver->repair_last = driver->replica.sequenced;
    }
    log_info("brick %s-%u: %s in view %llu", driver->identity.volume_name, driver->identity.brick,
             replica_role_name(driver->replica.role), (unsigned long long)view->number);
    pthread_mutex_unlock(&driver->mutex);
    replica_pump(driver, finished);
    replica_stream_dial_due(driver);
    return 0;
}

/* The space that new data may take: the smallest in-sync disk less a reserve for the others'
 * metadata, so that what is decided here can be applied there. */
static void refresh_bytes_free(struct replica_driver *driver)
{
    struct statfs_info info;
    if (store_statfs(driver->store, &info) < 0) {
        return;
    }
    uint64_t least = info.bytes_available;
    for (uint32_t i = 0; i < driver->replica.view.member_count; i++) {
        if (driver->peers[i].bytes_free < least) {
            least = driver->peers[i].bytes_free;
        }
    }
    uint64_t reserve = info.bytes_total / 100 < DISK_RESERVE_MAX ? info.bytes_total / 100
                                                                 : DISK_RESERVE_MAX;
    atomic_store(&driver->bytes_free, least > reserve ? least - reserve : 0);
}

void replica_driver_tick(struct replica_driver *driver)
{
    replica_grace_tick(driver);
    uint64_t now = clock_monotonic_ns(driver->clock);
    bool heartbeat = now - driver->last_heartbeat_ns >= HEARTBEAT_MS * NS_PER_MS;
    struct stream *streams[SET_MEMBERS_MAX] = {NULL};
    bool dial = false;
    pthread_mutex_lock(&driver->mutex);
    for (uint32_t i = 0; i < driver->replica.view.member_count; i++) {
        struct peer *peer = &driver->peers[i];
        dial = dial || (peer->wanted && !peer->stream && now >= peer->next_try_ns);
        if (heartbeat && driver->replica.members[i].open && peer->stream) {
            streams[i] = replica_stream_get(peer->stream);
        }
    }
    if (heartbeat) {
        driver->last_heartbeat_ns = now;
        refresh_bytes_free(driver);
    }
    pthread_mutex_unlock(&driver->mutex);
    for (uint32_t i = 0; i < SET_MEMBERS_MAX; i++) {
        if (streams[i]) {
            replica_stream_heartbeat(streams[i], atomic_load(&driver->committed));
            replica_stream_put(streams[i]);
        }
    }
    if (dial) {
        rpc_offload(driver->loop, replica_stream_dial_due, driver); /* a name may need resolving */
    }
}

void replica_status(struct replica_driver *driver, struct replica_status *out_status)
{
    AUTO_LOCK(&driver->mutex);
    *out_status = (struct replica_status){
        .role = driver->replica.role,
        .view = driver->replica.view.number,
        .sequenced = driver->replica.sequenced,
        .applied = driver->replica.applied,
        .committed = driver->replica.committed,
    };
}

/* ---- life ---------------------------------------------------------------------------------- */

static void remember_log(struct replica_driver *driver, const struct store_position *position)
{
    uint64_t from = position->sequenced > REPLY_MEMORY_RECORDS
                        ? position->sequenced - REPLY_MEMORY_RECORDS
                        : OPERATION_INDEX_FIRST;
    for (uint64_t index = from; index <= position->sequenced; index++) {
        uint8_t record[OPERATION_SIZE_MAX];
        size_t size;
        struct operation operation;
        if (store_log_read(driver->store, index, record, sizeof record, &size) == 0 &&
            operation_decode(slice_of(record, size), &operation) == 0) {
            reply_memory_note(driver->memory, &operation.id, index, 0);
        }
    }
}

int replica_driver_new(struct rpc_loop *loop, struct store *store, struct clock *clock,
                       void (*failed)(void *context, int status), void *failed_context,
                       struct replica_driver **out_driver)
{
    AUTO_FREE struct replica_driver *driver = calloc(1, sizeof *driver);
    if (!driver) {
        return -ENOMEM;
    }
    driver->loop = loop;
    driver->store = store;
    driver->clock = clock;
    driver->failed = failed;
    driver->failed_context = failed_context;
    store_identity(store, &driver->identity);
    driver->memory = reply_memory_new();
    driver->depends = calloc(DEPENDENCY_CELLS, sizeof *driver->depends);
    if (!driver->memory || !driver->depends) {
        reply_memory_free(driver->memory);
        free(driver->depends);
        return -ENOMEM;
    }
    random_bytes(&driver->incarnation, sizeof driver->incarnation);
    driver->incarnation |= 1; /* 0 means: not running */
    pthread_mutex_init(&driver->mutex, NULL);
    pthread_cond_init(&driver->joined_changed, NULL);
    struct store_position position;
    store_position(store, &position);
    uint64_t committed =
        position.committed < position.sequenced ? position.committed : position.sequenced;
    replica_init(&driver->replica, driver->identity.brick, driver->incarnation,
                 position.sequenced, committed);
    driver->apply_last = position.sequenced;
    driver->tail_first = committed + 1;
    driver->tail_last = position.sequenced;
    driver->repair_next = committed + 1;
    driver->repair_last = position.sequenced;
    atomic_store(&driver->committed, committed);
    for (uint32_t i = 0; i < SET_MEMBERS_MAX; i++) {
        driver->peers[i].bytes_free = UINT64_MAX;
        driver->peers[i].next = 1; /* nothing to send */
    }
    refresh_bytes_free(driver);
    remember_log(driver, &position);
    driver->program = (struct rpc_program){
        .program = TRIVET_REPLICA,
        .version = TRIVET_REPLICA_V1,
        .procedures = replica_procedures,
        .procedure_count = replica_procedure_count,
        .context = driver,
    };
    replica_stream_service(driver, &driver->peer_service);
    *out_driver = TAKE(driver);
    return 0;
}

void replica_driver_stop(struct replica_driver *driver)
{
    pthread_mutex_lock(&driver->mutex);
    driver->stopping = true;
    atomic_store(&driver->serving_view, 0);
    for (uint32_t i = 0; i < SET_MEMBERS_MAX; i++) {
        driver->peers[i].wanted = false;
        replica_stream_close(driver, i);
    }
    pthread_mutex_unlock(&driver->mutex);
    /* What was sequenced is applied first, here or by the thread that does so just now. */
    replica_pump(driver, NULL);
    replica_sync_drain(driver);
}

void replica_driver_free(struct replica_driver *driver)
{
    if (!driver) {
        return;
    }
    pending_ring_release(&driver->ring);
    reply_memory_free(driver->memory);
    free(driver->depends);
    pthread_cond_destroy(&driver->joined_changed);
    pthread_mutex_destroy(&driver->mutex);
    free(driver);
}
