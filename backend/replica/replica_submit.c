/*
 * Mutations: found in the reply memory, refused, or decided and sequenced; and their answers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/replica/replica_driver.h"

#include <linux/falloc.h>
#include <stddef.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t depends_attr(const struct replica_driver *driver, const struct attr *attr)
{
    return attr->type != OBJECT_NONE ? replica_depends(driver, replica_key_object(&attr->gfid)) : 0;
}

/* What an answer that changes nothing rests on: the objects and names of the wish, and what was
 * found under the names (the directory that is not empty, the file that was there). */
static uint64_t depends_mutation(const struct replica_driver *driver,
                                 const struct mutation *mutation, const struct operation *found)
{
    uint64_t index = replica_depends(driver, replica_key_object(&mutation->object));
    index = later(index, replica_depends(driver, replica_key_object(&mutation->parent)));
    index = later(index, replica_depends(driver, replica_key_object(&mutation->parent2)));
    index =
        later(index, replica_depends(driver, replica_key_name(&mutation->parent, mutation->name)));
    index = later(index,
                  replica_depends(driver, replica_key_name(&mutation->parent2, mutation->name2)));
    index = later(index, depends_attr(driver, &found->object));
    return later(index, depends_attr(driver, &found->replaced));
}

/* What the name of a refused removal or rename stands for, where the refusal does not say. */
static void find_objects(struct store *store, const struct mutation *mutation,
                         struct operation *found)
{
    struct attr parent;
    if (found->object.type == OBJECT_NONE && mutation->name.size > 0 &&
        store_lookup(store, &mutation->parent, mutation->name, &found->object, &parent) < 0) {
        found->object.type = OBJECT_NONE;
    }
    if (found->replaced.type == OBJECT_NONE && mutation->name2.size > 0 &&
        store_lookup(store, &mutation->parent2, mutation->name2, &found->replaced, &parent) < 0) {
        found->replaced.type = OBJECT_NONE;
    }
}

static void ticket_refuse(struct replica_ticket *ticket, int status)
{
    ticket->complete(ticket, status, NULL);
}

/* The answer to a repeated id whose operation is committed: from the record in the log. */
static void ticket_repeat(struct replica_ticket *ticket)
{
    uint8_t record[OPERATION_SIZE_MAX];
    size_t size;
    struct operation operation;
    int rc = store_log_read(ticket->driver->store, ticket->index, record, sizeof record, &size);
    if (rc == 0) {
        rc = operation_decode(slice_of(record, size), &operation);
    }
    if (rc < 0) {
        ticket_refuse(ticket, -E_ID_BELOW_WINDOW);
        return;
    }
    ticket->complete(ticket, 0, &operation);
}

static struct replica_ticket *ticket_of(struct replica_waiter *waiter)
{
    return (struct replica_ticket *)((char *)waiter - offsetof(struct replica_ticket, waiter));
}

static void wake_committed(struct replica_waiter *waiter, int status,
                           const struct operation *operation)
{
    struct replica_ticket *ticket = ticket_of(waiter);
    ticket->complete(ticket, status, status == 0 ? operation : NULL);
}

static void wake_repeat(struct replica_waiter *waiter, int status,
                        const struct operation *operation)
{
    (void)operation; /* of the wait, which may be another's */
    struct replica_ticket *ticket = ticket_of(waiter);
    if (status < 0) {
        ticket_refuse(ticket, status);
    } else {
        ticket_repeat(ticket);
    }
}

static void wake_decided(struct replica_waiter *waiter, int status,
                         const struct operation *operation)
{
    (void)operation;
    struct replica_ticket *ticket = ticket_of(waiter);
    if (status < 0) {
        ticket_refuse(ticket, status);
    } else {
        ticket->complete(ticket, ticket->status, &ticket->refused);
    }
}

/* Tell the step function the lowest operation that is held back. With the mutex held. */
static void hold_lowest(struct replica_driver *driver, struct pending **finished)
{
    uint64_t lowest = driver->grace_end_ns != 0 ? atomic_load(&driver->committed) + 1 : 0;
    for (uint64_t i = driver->replica.committed + 1; lowest == 0 && i <= driver->replica.sequenced;
         i++) {
        const struct pending *pending = pending_find(&driver->ring, i);
        lowest = pending && pending->held ? i : 0;
    }
    if (lowest != driver->replica.held) {
        struct replica_event event = {.kind = EVENT_HOLD, .index = lowest};
        replica_driver_step(driver, &event, finished);
    }
}

void replica_release(struct replica_driver *driver, uint64_t index)
{
    struct pending *finished = NULL;
    pthread_mutex_lock(&driver->mutex);
    struct pending *pending = pending_find(&driver->ring, index);
    if (pending) {
        pending->held = false;
    }
    hold_lowest(driver, &finished);
    pthread_mutex_unlock(&driver->mutex);
    replica_pump(driver, finished);
}

void replica_grace_locked(struct replica_driver *driver, unsigned ms)
{
    struct pending *finished = NULL;
    uint64_t end_ns = clock_monotonic_ns(driver->clock) + ms * NS_PER_MS;
    driver->grace_end_ns = later(driver->grace_end_ns, end_ns);
    hold_lowest(driver, &finished);
    INVARIANT(finished == NULL); /* holding finishes nothing */
}

void replica_grace(struct replica_driver *driver, unsigned ms)
{
    AUTO_LOCK(&driver->mutex);
    replica_grace_locked(driver, ms);
}

void replica_grace_tick(struct replica_driver *driver)
{
    pthread_mutex_lock(&driver->mutex);
    bool ends =
        driver->grace_end_ns != 0 && clock_monotonic_ns(driver->clock) >= driver->grace_end_ns;
    if (ends) {
        driver->grace_end_ns = 0;
    }
    pthread_mutex_unlock(&driver->mutex);
    if (ends) {
        replica_release(driver, 0);
    }
}

/*
 * True if mutation repeats a WRITE that the process before may have logged and not written, so that
 * its bytes are here only: it is written once more, where it was decided to be. Nobody has been
 * told that it was done.
 */
static bool tail_write(struct replica_driver *driver, const struct mutation *mutation,
                       uint64_t index, struct mutation *out_mutation)
{
    uint8_t record[OPERATION_SIZE_MAX];
    size_t size;
    struct operation operation;
    if (mutation->kind != MUTATION_WRITE || index < driver->tail_first ||
        index > driver->tail_last ||
        store_log_read(driver->store, index, record, sizeof record, &size) < 0 ||
        operation_decode(slice_of(record, size), &operation) < 0 ||
        operation.kind != OPERATION_WRITE) {
        return false;
    }
    *out_mutation = *mutation;
    out_mutation->append = false;
    out_mutation->offset = operation.offset;
    return true;
}

/* The ticket's answer is status, and no attributes. False, as submit_locked returns it. */
static bool refuse_locked(struct replica_ticket *ticket, int status)
{
    ticket->status = status;
    ticket->refused = (struct operation){.kind = OPERATION_NONE};
    ticket->waiter.wake = wake_decided;
    return false;
}

/* Fails: -ENOMEM. */
static int encode_record(struct pending *pending)
{
    size_t size;
    uint8_t *room = pending->buffer;
    int rc = operation_encode(&pending->operation, room, sizeof pending->buffer, &size);
    if (rc == -ENOBUFS) {
        room = pending->large = malloc(OPERATION_SIZE_MAX);
        if (!room) {
            return -ENOMEM;
        }
        rc = operation_encode(&pending->operation, room, OPERATION_SIZE_MAX, &size);
    }
    INVARIANT(rc == 0);
    pending->record = slice_of(room, size);
    const struct operation *operation = &pending->operation;
    if (operation->kind == OPERATION_SETXATTR || operation->acl.size > 0 ||
        operation->default_acl.size > 0) {
        /* ACLs that were worked out are the store's, until it decides again; here they stay. */
        rc = operation_decode(pending->record, &pending->operation);
        INVARIANT(rc == 0);
    }
    return 0;
}

/* What was reserved at once may be more than is kept back for what comes before the next look at
 * the disks, so that it is taken off here. */
static void take_space(struct replica_driver *driver, const struct operation *operation)
{
    if (operation->kind != OPERATION_ALLOCATE || operation->how & FALLOC_FL_PUNCH_HOLE) {
        return;
    }
    uint64_t bytes_free = atomic_load(&driver->bytes_free);
    atomic_store(&driver->bytes_free,
                 bytes_free > operation->length ? bytes_free - operation->length : 0);
    for (uint32_t i = 0; i < SET_MEMBERS_MAX; i++) {
        uint64_t *peer_free = &driver->peers[i].bytes_free;
        if (*peer_free != UINT64_MAX) {
            *peer_free = *peer_free > operation->length ? *peer_free - operation->length : 0;
        }
    }
}

/* Nothing came of it. */
static void give_up(struct replica_driver *driver, struct pending *pending)
{
    struct pending *unused = NULL;
    pending_drop(&driver->ring, pending, &unused);
    pending_recycle(&driver->ring, unused);
}

/*
 * Decide and sequence under the mutex. Returns true if the ticket is taken care of (it waits),
 * false if it is to be completed at once by its waiter's wake.
 */
static bool submit_locked(struct replica_driver *driver, const struct mutation *mutation,
                          struct slice bulk, struct replica_ticket *ticket, bool *out_held,
                          struct pending **finished)
{
    int known = 0;
    if (mutation->id.kind == OP_ID_SESSION && mutation->id.slot >= SESSION_SLOTS) {
        return refuse_locked(ticket, -EINVAL); /* nobody could remember it */
    }
    enum reply_memory_answer answer =
        reply_memory_find(driver->memory, &mutation->id, &ticket->index, &known);
    if (answer == REPLY_TOO_LATE) {
        known = -E_ID_BELOW_WINDOW;
    }
    if (answer != REPLY_NEW && known < 0) {
        struct operation found = {.kind = OPERATION_NONE};
        find_objects(driver->store, mutation, &found);
        (void)refuse_locked(ticket, known);
        return !replica_wait_locked(driver, depends_mutation(driver, mutation, &found),
                                    &ticket->waiter);
    }
    struct mutation unwritten;
    if (answer == REPLY_DONE && tail_write(driver, mutation, ticket->index, &unwritten)) {
        mutation = &unwritten;
    } else if (answer == REPLY_DONE) {
        ticket->waiter.wake = wake_repeat;
        return !replica_wait_locked(driver, ticket->index, &ticket->waiter);
    }
    uint64_t index = driver->replica.sequenced + 1;
    struct pending *pending = pending_add(&driver->ring, index);
    if (!pending) {
        return refuse_locked(ticket, -E_OVERLOADED);
    }
    struct decision decision = {
        .index = index,
        .view = driver->replica.view.number,
        .set = (uint16_t)driver->identity.set,
        .now_ns = clock_wall_ns(driver->clock),
        .bytes_free = atomic_load(&driver->bytes_free),
    };
    struct operation *operation = &pending->operation;
    int rc = store_decide(driver->store, mutation, &decision, operation);
    if (rc < 0 || operation->kind == OPERATION_NONE) {
        ticket->status = rc;
        ticket->refused = *operation;
        ticket->waiter.wake = wake_decided;
        give_up(driver, pending);
        if (rc < 0) {
            /* An answer that was given stays given: a late duplicate must not take effect. */
            reply_memory_note(driver->memory, &mutation->id, 0, rc);
        }
        struct operation found = ticket->refused;
        find_objects(driver->store, mutation, &found);
        return !replica_wait_locked(driver, depends_mutation(driver, mutation, &found),
                                    &ticket->waiter);
    }
    rc = encode_record(pending);
    if (rc < 0) {
        give_up(driver, pending);
        return refuse_locked(ticket, rc);
    }
    take_space(driver, operation);
    pending->bulk = bulk;
    ticket->waiter.wake = wake_committed;
    pending_wait(pending, &ticket->waiter);
    struct replica_event event = {.kind = EVENT_SUBMIT, .index = index};
    replica_driver_step(driver, &event, finished);
    *out_held = driver->hold && driver->hold(driver->hold_context, operation, mutation->session);
    if (*out_held) {
        pending->held = true;
        hold_lowest(driver, finished);
    }
    return true;
}

void replica_submit(struct replica_driver *driver, const struct mutation *mutation,
                    struct slice bulk, struct replica_ticket *ticket)
{
    ticket->driver = driver;
    ticket->index = 0;
    struct pending *finished = NULL;
    pthread_mutex_lock(&driver->mutex);
    if (driver->replica.role != ROLE_PRIMARY || driver->stopping) {
        int status = driver->replica.role == ROLE_SETTLING ? -E_NOT_SETTLED : -E_NOT_PRIMARY;
        pthread_mutex_unlock(&driver->mutex);
        ticket_refuse(ticket, status);
        return;
    }
    bool held = false;
    bool waits = submit_locked(driver, mutation, bulk, ticket, &held, &finished);
    pthread_mutex_unlock(&driver->mutex);
    if (held) {
        driver->held(driver->hold_context);
    }
    if (!waits) {
        ticket->waiter.wake(&ticket->waiter, 0, NULL);
        return;
    }
    replica_pump(driver, finished);
}
