/*
 * Submit, pump, answer. See replica_driver.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/replica/replica_driver.h"

#include <stdlib.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/random.h"
#include "backend/base/scope.h"
#include "backend/proto/replica.h"

/* Between two notes of the commit index and the space left, besides those of operations. */
#define HEARTBEAT_MS 500
/* The driver's own loop: one thread for heartbeats' answers and time, one to spare while trivetd is
 * listened to; and threads that wait for the disk (views), or for a name server. */
#define CONTROL_THREADS 2
#define CONTROL_WORKERS 4
#define CONTROL_TICK_MS 10

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
    log_error("brick %s-%u: cannot do what was decided (%s); it leaves the set until it is started "
              "again. Check the disk below it and the space on it",
              driver->identity.volume_name, driver->identity.brick, error_text(status));
    driver->failed(driver->failed_context, status);
}

void replica_reenter(struct replica_driver *driver)
{
    log_warn("brick %s-%u: not in sync in view %llu; it returns to the set as a new process",
             driver->identity.volume_name, driver->identity.brick,
             (unsigned long long)driver->replica.view.number);
    driver->replica.failed = true; /* it takes part in nothing until then */
    atomic_store(&driver->serving_view, 0);
    driver->failed(driver->failed_context, -E_REMOVED);
}

static void effect_sequence(struct replica_driver *driver, uint64_t index)
{
    struct pending *pending = pending_find(&driver->ring, index);
    INVARIANT(pending != NULL);
    replica_depend_operation(driver, &pending->operation);
    replica_disk_begin(driver, DISK_SEQUENCE);
    pending->status = store_sequence(driver->store, &pending->operation, pending->record);
    replica_disk_end(driver, DISK_SEQUENCE);
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
        peer->wanted = false;
        peer->told = false;
        replica_stream_close(driver, effect->member);
        break;
    case EFFECT_COMMIT:
        effect_commit(driver, effect->index, finished);
        break;
    case EFFECT_SERVE:
        atomic_store(&driver->serving_view, driver->replica.view.number);
        driver->unsure_first = driver->unsure_last = 0; /* all have the same bytes now */
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
    case EFFECT_BEAT:
        replica_beats_want(driver);
        break;
    case EFFECT_PROPOSE:
        replica_record_propose(driver);
        break;
    case EFFECT_READ:
        replica_record_want(driver);
        break;
    case EFFECT_REENTER:
        replica_reenter(driver);
        break;
    case EFFECT_REFUSE: /* for who took the step */
    case EFFECT_ANSWER:
        driver->answer = *effect;
        break;
    case EFFECT_ACK: /* a backup's pending is finished, with its answer, by the pump */
        break;
    }
}

void replica_driver_step(struct replica_driver *driver, const struct replica_event *event,
                         struct pending **finished)
{
    struct replica_effects effects;
    struct replica_event timed = *event;
    timed.now_ns = clock_monotonic_ns(driver->clock);
    driver->answer = (struct replica_effect){.kind = EFFECT_ACK};
    replica_step(&driver->replica, &timed, &effects);
    for (unsigned i = 0; i < effects.count; i++) {
        perform(driver, &effects.list[i], finished);
    }
    if (!driver->replica.proposal.open) {
        driver->propose_first = driver->propose_serial + 1; /* no answer belongs to the next one */
    }
    replica_publish(driver);
}

void replica_driver_fail(struct replica_driver *driver, int status)
{
    struct pending *finished = NULL;
    pthread_mutex_lock(&driver->mutex);
    if (!driver->replica.failed) {
        struct replica_event event = {.kind = EVENT_APPLIED, .status = status};
        replica_driver_step(driver, &event, &finished);
    }
    pthread_mutex_unlock(&driver->mutex);
    replica_pump(driver, finished);
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

void replica_send_one(struct replica_driver *driver, struct peer *peer, struct pending **finished)
{
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

/* With the mutex held, and again at return. */
static void send_to(struct replica_driver *driver, struct peer *peer, struct pending **finished)
{
    if (peer->sending || !peer->stream) {
        return;
    }
    if (peer->stream->joins) {
        replica_catch_up_send(driver, peer); /* nobody waits for it */
        return;
    }
    peer->sending = true;
    while (peer->stream && !peer->stream->joins && peer->next <= peer->last) {
        replica_send_one(driver, peer, finished);
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
        replica_disk_begin(driver, DISK_APPLY);
        status = store_apply(driver->store, &pending->operation, pending->bulk);
        replica_disk_end(driver, DISK_APPLY);
    }
    pthread_mutex_lock(&driver->mutex);
    struct replica_event event = {.kind = EVENT_APPLIED, .index = index, .status = status};
    replica_driver_step(driver, &event, finished);
    if (pending->append) {
        pending->status = status;
        pending_drop(&driver->ring, pending, finished);
    } else if (!replica_leads(&driver->replica) && pending_find(&driver->ring, index) == pending) {
        pending->status = -E_NOT_PRIMARY; /* abandoned, see replica_record.c */
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
    if (driver->finished) {
        struct pending **end = &driver->finished;
        while (*end) {
            end = &(*end)->next;
        }
        *end = finished;
        finished = driver->finished;
        driver->finished = NULL;
    }
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

static void pump_job(void *context)
{
    replica_pump(context, NULL);
}

void replica_pump_soon(struct replica_driver *driver, struct pending *finished)
{
    struct pending **end = &driver->finished;
    while (*end) {
        end = &(*end)->next;
    }
    *end = finished;
    if (!driver->stopping) { /* else the last pump takes it */
        rpc_offload(driver->loop, pump_job, driver);
    }
}

/* ---- time ---------------------------------------------------------------------------------- */

/* The space that new data may take: the smallest in-sync disk less a reserve for the others'
 * metadata, so that what is decided here can be applied there. */
static void refresh_bytes_free(struct replica_driver *driver)
{
    struct statfs_info info;
    if (store_statfs(driver->store, &info) < 0) {
        return;
    }
    atomic_store(&driver->own_bytes_free, info.bytes_available);
    uint64_t least = info.bytes_available;
    AUTO_LOCK(&driver->mutex);
    for (uint32_t i = 0; i < driver->replica.view.member_count; i++) {
        bool counts = driver->replica.view.members[i].state == MEMBER_IN_SYNC;
        if (counts && driver->peers[i].bytes_free < least) {
            least = driver->peers[i].bytes_free;
        }
    }
    uint64_t reserve =
        info.bytes_total / 100 < DISK_RESERVE_MAX ? info.bytes_total / 100 : DISK_RESERVE_MAX;
    atomic_store(&driver->bytes_free, least > reserve ? least - reserve : 0);
}

void replica_driver_tick(struct replica_driver *driver)
{
    replica_grace_tick(driver);
    uint64_t now = clock_monotonic_ns(driver->clock);
    bool heartbeat = now - driver->last_heartbeat_ns >= HEARTBEAT_MS * NS_PER_MS;
    if (heartbeat) {
        driver->last_heartbeat_ns = now;
        refresh_bytes_free(driver);
    }
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

/* Whether the disk answers, and what the passing of time brings. */
static void control_tick(void *context)
{
    struct replica_driver *driver = context;
    struct pending *finished = NULL;
    uint64_t now_ns = clock_monotonic_ns(driver->clock);
    atomic_store(&driver->tick_ns, now_ns);
    bool stalls = replica_disk_stalls(driver, now_ns);
    AUTO_LOCK(&driver->mutex);
    if (stalls != driver->replica.stalled) {
        log_warn("brick %s-%u: its disk %s", driver->identity.volume_name, driver->identity.brick,
                 stalls ? "does not answer" : "answers again");
        struct replica_event event = {.kind = EVENT_DISK, .status = stalls ? -EIO : 0};
        replica_driver_step(driver, &event, &finished);
    }
    struct replica_event event = {.kind = EVENT_TICK};
    replica_driver_step(driver, &event, &finished);
    replica_beats_tick(driver);
    replica_record_tick(driver);
    if (finished) {
        replica_pump_soon(driver, finished);
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
        .peer_count = driver->replica.view.member_count,
    };
    for (uint32_t i = 0; i < out_status->peer_count; i++) {
        const struct replica_member *member = &driver->replica.members[i];
        struct replica_status_peer *peer = &out_status->peers[i];
        peer->state = driver->replica.view.members[i].state;
        peer->joins = peer->state != MEMBER_IN_SYNC && member->open;
        peer->in_contact = replica_in_contact(&driver->replica, i);
        peer->acked = i == driver->replica.self ? driver->replica.applied : member->acked;
    }
}

/* ---- life ---------------------------------------------------------------------------------- */

void replica_driver_remember(struct replica_driver *driver, uint64_t sequenced)
{
    uint64_t from =
        sequenced > REPLY_MEMORY_RECORDS ? sequenced - REPLY_MEMORY_RECORDS : OPERATION_INDEX_FIRST;
    for (uint64_t index = from; index <= sequenced; index++) {
        uint8_t record[OPERATION_SIZE_MAX];
        size_t size;
        struct operation operation;
        if (store_log_read(driver->store, index, record, sizeof record, &size) == 0 &&
            operation_decode(slice_of(record, size), &operation) == 0) {
            reply_memory_note(driver->memory, &operation.id, index, 0);
        }
    }
}

/* What the log had when it was opened is not known to be everywhere, nor with its bytes. */
static void begin_with_log(struct replica_driver *driver)
{
    struct store_position position;
    store_position(driver->store, &position);
    uint64_t committed =
        position.committed < position.sequenced ? position.committed : position.sequenced;
    replica_init(&driver->replica, driver->identity.brick, driver->incarnation, position.sequenced,
                 committed);
    driver->apply_last = position.sequenced;
    driver->log_begun = position.sequenced;
    driver->tail_first = committed + 1;
    driver->tail_last = position.sequenced;
    driver->repair_next = committed + 1;
    driver->repair_last = position.sequenced;
    atomic_store(&driver->committed, committed);
    replica_driver_remember(driver, position.sequenced);
}

static void peers_init(struct replica_driver *driver)
{
    for (uint32_t i = 0; i < SET_MEMBERS_MAX; i++) {
        driver->peers[i] =
            (struct peer){.driver = driver, .member = i, .bytes_free = UINT64_MAX, .next = 1};
        driver->links[i] = (struct beat_link){.driver = driver, .member = i};
        for (unsigned call = 0; call < BEATS_WAITING_MAX; call++) {
            driver->links[i].calls[call].link = &driver->links[i];
        }
    }
}

static int control_start(struct replica_driver *driver)
{
    int rc = rpc_loop_new(CONTROL_THREADS, CONTROL_WORKERS, &driver->control);
    if (rc == 0) {
        rc = rpc_loop_every(driver->control, CONTROL_TICK_MS, control_tick, driver);
    }
    return rc == 0 ? rpc_loop_start(driver->control) : rc;
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
    atomic_init(&driver->tick_ns, clock_monotonic_ns(clock));
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
    pthread_mutex_init(&driver->view_mutex, NULL);
    pthread_mutex_init(&driver->checkpoint_mutex, NULL);
    pthread_mutex_init(&driver->mutex, NULL);
    pthread_cond_init(&driver->joined_changed, NULL);
    begin_with_log(driver);
    peers_init(driver);
    refresh_bytes_free(driver);
    driver->program = (struct rpc_program){
        .program = TRIVET_REPLICA,
        .version = TRIVET_REPLICA_V1,
        .procedures = replica_procedures,
        .procedure_count = replica_procedure_count,
        .context = driver,
    };
    replica_stream_service(driver, &driver->peer_service);
    replica_beats_service(driver, &driver->beat_service);
    int rc = control_start(driver);
    if (rc < 0) {
        replica_driver_free(TAKE(driver));
        return rc;
    }
    *out_driver = TAKE(driver);
    return 0;
}

void replica_driver_stop(struct replica_driver *driver)
{
    pthread_mutex_lock(&driver->mutex);
    driver->stopping = true;
    atomic_store(&driver->serving_view, 0);
    replica_beats_stop(driver);
    for (uint32_t i = 0; i < SET_MEMBERS_MAX; i++) {
        driver->peers[i].wanted = false;
        replica_stream_close(driver, i);
    }
    replica_unpark(driver);
    pthread_mutex_unlock(&driver->mutex);
    rpc_loop_stop(driver->control);
    /* What was sequenced is applied first, here or by the thread that does so just now. */
    replica_pump(driver, NULL);
    replica_sync_drain(driver);
}

void replica_driver_free(struct replica_driver *driver)
{
    if (!driver) {
        return;
    }
    rpc_loop_free(driver->control);
    pending_ring_release(&driver->ring);
    reply_memory_free(driver->memory);
    free(driver->depends);
    pthread_cond_destroy(&driver->joined_changed);
    pthread_mutex_destroy(&driver->mutex);
    pthread_mutex_destroy(&driver->view_mutex);
    pthread_mutex_destroy(&driver->checkpoint_mutex);
    free(driver);
}
