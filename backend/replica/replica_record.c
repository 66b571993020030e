/*
 * Views: taken from trivetd, made durable and begun in their order; proposals and readings of the
 * record in the cluster store.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/replica/replica_driver.h"

#include <xxhash.h>
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"

/* Between two readings of the record: whoever has a newer view says so with every heartbeat. */
#define READ_PAUSE_MS 20

void replica_driver_listens(struct replica_driver *driver, uint16_t port)
{
    AUTO_LOCK(&driver->mutex);
    driver->replica.port = port;
}

void replica_driver_min_insync(struct replica_driver *driver, uint32_t count)
{
    AUTO_LOCK(&driver->mutex);
    if (count > 0) {
        driver->replica.min_insync = count;
    }
}

/* ---- a view begins ------------------------------------------------------------------------- */

/* A member that no longer leads answers for nothing that is not committed: the next primary will.
 * What is not applied yet is abandoned when it is. */
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
 * True if this member leads in view and another may have led before: what that one granted ends by
 * itself only, since this one does not know who holds it.
 */
static bool takes_over(struct replica_driver *driver, const struct view *view)
{
    struct view before;
    {
        AUTO_LOCK(&driver->mutex);
        before = driver->replica.view;
    }
    if (before.number == 0 && store_view_get(driver->store, &before) < 0) {
        return false;
    }
    return before.number > 0 && view->members[view->primary].brick == driver->identity.brick &&
           (before.members[before.primary].brick != driver->identity.brick ||
            view->number != before.number + 1);
}

/*
 * What a process finds in its log above what it knows committed may lack the bytes of WRITEs. A
 * backup takes them from the primary; if it leads itself, everybody takes what it has, so that all
 * have the same: no client was told that these are done.
 */
static void begin_bytes(struct replica_driver *driver)
{
    if (replica_leads(&driver->replica)) {
        if (driver->repair_next <= driver->repair_last) {
            driver->unsure_first = driver->repair_next;
            driver->unsure_last = driver->repair_last;
        }
        driver->repair_next = driver->repair_last + 1;
    } else if (driver->unsure_first != 0) {
        driver->repair_next = driver->unsure_first;
        driver->repair_last = driver->unsure_last;
        driver->unsure_first = driver->unsure_last = 0;
    }
}

/* With the mutex held. */
static void view_begin(struct replica_driver *driver, const struct view *view,
                       struct pending **finished)
{
    if (view->volatile_epoch != driver->replica.view.volatile_epoch) {
        atomic_store(&driver->verifier, verifier_of(&driver->identity, view->volatile_epoch));
    }
    struct replica_event event = {.kind = EVENT_VIEW, .view = view};
    replica_driver_step(driver, &event, finished);
    atomic_store(&driver->view_number, driver->replica.view.number);
    begin_bytes(driver);
    if (!replica_leads(&driver->replica)) {
        abandon_pending(driver, finished);
    }
    log_info("brick %s-%u: %s in view %llu", driver->identity.volume_name, driver->identity.brick,
             replica_role_name(driver->replica.role), (unsigned long long)view->number);
}

static bool is_news(struct replica_driver *driver, const struct view *view)
{
    AUTO_LOCK(&driver->mutex);
    return view->number > driver->replica.view.number && !driver->stopping &&
           !driver->replica.failed;
}

int replica_driver_view(struct replica_driver *driver, const struct view *view)
{
    struct pending *finished = NULL;
    AUTO_LOCK(&driver->view_mutex);
    if (!is_news(driver, view)) {
        return 0;
    }
    bool grace = takes_over(driver, view);
    /* Durable before it is acted in: a brick that comes back must know the latest view it was in.
     */
    replica_disk_begin(driver, DISK_VIEW);
    int rc = store_view_put(driver->store, view);
    replica_disk_end(driver, DISK_VIEW);
    if (rc < 0) {
        replica_driver_fail(driver, rc);
        return rc;
    }
    pthread_mutex_lock(&driver->mutex);
    if (grace) {
        replica_grace_locked(driver, LEASE_CLIENT_WAIT_MS);
    }
    view_begin(driver, view, &finished);
    replica_pump_soon(driver, finished);
    if (!driver->stopping) {
        rpc_offload(driver->loop, replica_stream_dial_due, driver);
    }
    pthread_mutex_unlock(&driver->mutex);
    return 0;
}

void replica_driver_death(struct replica_driver *driver, uint32_t brick, uint64_t incarnation)
{
    struct pending *finished = NULL;
    AUTO_LOCK(&driver->mutex);
    for (uint32_t i = 0; i < driver->replica.view.member_count; i++) {
        if (driver->replica.view.members[i].brick == brick) {
            struct replica_event event = {
                .kind = EVENT_DEATH, .member = i, .incarnation = incarnation};
            replica_driver_step(driver, &event, &finished);
        }
    }
    replica_pump_soon(driver, finished);
}

/* ---- proposals ----------------------------------------------------------------------------- */

struct proposing {
    struct replica_driver *driver;
    uint64_t serial;
    struct view current, next;
};

static void propose_job(void *context)
{
    AUTO_FREE struct proposing *proposing = context;
    const struct replica_record *record = &proposing->driver->record;
    record->propose(record->context, proposing->serial, &proposing->current, &proposing->next);
}

void replica_record_propose(struct replica_driver *driver)
{
    driver->propose_serial++;
    struct proposing *proposing = NULL;
    if (driver->record.propose && !driver->stopping) {
        proposing = malloc(sizeof *proposing);
    }
    if (proposing) { /* else it is sent again when an answer is overdue */
        *proposing = (struct proposing){.driver = driver,
                                        .serial = driver->propose_serial,
                                        .current = driver->replica.view,
                                        .next = driver->replica.proposal.view};
        log_info("brick %s-%u: proposes view %llu", driver->identity.volume_name,
                 driver->identity.brick, (unsigned long long)proposing->next.number);
        rpc_offload(driver->control, propose_job, proposing);
    }
}

void replica_record_proposed(struct replica_driver *driver, uint64_t serial, int status,
                             const struct view *record)
{
    if (!record || replica_driver_view(driver, record) < 0) {
        return; /* not known */
    }
    struct pending *finished = NULL;
    AUTO_LOCK(&driver->mutex);
    /* An answer to an earlier proposal says nothing of the one that is open now. */
    if (!driver->stopping && serial >= driver->propose_first) {
        struct replica_event event = {.kind = EVENT_PROPOSED,
                                      .view_number = driver->replica.proposal.view.number,
                                      .status = status};
        replica_driver_step(driver, &event, &finished);
        replica_pump_soon(driver, finished);
    }
}

/* ---- readings ------------------------------------------------------------------------------ */

static void read_job(void *context)
{
    struct replica_driver *driver = context;
    driver->record.read(driver->record.context);
}

void replica_record_want(struct replica_driver *driver)
{
    driver->read_wanted = true;
    replica_record_tick(driver);
}

void replica_record_tick(struct replica_driver *driver)
{
    uint64_t now_ns = clock_monotonic_ns(driver->clock);
    if (driver->read_wanted && driver->record.read && !driver->stopping &&
        now_ns >= driver->read_ns + READ_PAUSE_MS * NS_PER_MS) {
        driver->read_wanted = false;
        driver->read_ns = now_ns;
        rpc_offload(driver->control, read_job, driver);
    }
}

void replica_record_read(struct replica_driver *driver, const struct view *record)
{
    if (record) {
        (void)replica_driver_view(driver, record);
    }
}
