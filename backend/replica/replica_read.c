/*
 * What answers rest on: committed state only. Every operation marks the cells of what it touches
 * with its index before the index shows it; an answer that was gathered waits until the marks of
 * what it shows are committed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/replica/replica_driver.h"

#include <xxhash.h>
#include "backend/base/errors.h"
#include "backend/base/scope.h"

uint64_t replica_key_object(const struct gfid *object)
{
    return XXH3_64bits(object->bytes, GFID_SIZE);
}

uint64_t replica_key_name(const struct gfid *parent, struct slice name)
{
    return XXH3_64bits_withSeed(name.data, name.size, replica_key_object(parent));
}

uint64_t replica_depends(const struct replica_driver *driver, uint64_t key)
{
    uint64_t index = atomic_load(&driver->depends[key & (DEPENDENCY_CELLS - 1)]);
    return index > atomic_load(&driver->committed) ? index : 0;
}

static void depend(struct replica_driver *driver, uint64_t key, uint64_t index)
{
    atomic_store(&driver->depends[key & (DEPENDENCY_CELLS - 1)], index);
}

static void depend_object(struct replica_driver *driver, const struct attr *attr, uint64_t index)
{
    if (attr->type != OBJECT_NONE) {
        depend(driver, replica_key_object(&attr->gfid), index);
    }
}

/* Before the index shows the operation: whoever reads its effect then finds that it must wait. */
void replica_depend_operation(struct replica_driver *driver, const struct operation *operation)
{
    uint64_t index = operation->index;
    depend_object(driver, &operation->object, index);
    depend_object(driver, &operation->parent, index);
    depend_object(driver, &operation->parent2, index);
    depend_object(driver, &operation->replaced, index);
    if (operation->name.size > 0) {
        depend(driver, replica_key_name(&operation->parent.gfid, operation->name), index);
    }
    if (operation->name2.size > 0) {
        const struct attr *parent2 =
            operation->parent2.type != OBJECT_NONE ? &operation->parent2 : &operation->parent;
        depend(driver, replica_key_name(&parent2->gfid, operation->name2), index);
    }
}

/* With the mutex held: wait for index, or return true. */
bool replica_wait_locked(struct replica_driver *driver, uint64_t index,
                         struct replica_waiter *waiter)
{
    if (index <= atomic_load(&driver->committed)) {
        return true;
    }
    struct pending *pending = pending_find(&driver->ring, index);
    if (!pending) {
        return true; /* it has just been committed, or its view is over: whoever asks looks again */
    }
    pending_wait(pending, waiter);
    return false;
}

bool replica_wait(struct replica_driver *driver, uint64_t index, struct replica_waiter *waiter)
{
    if (index <= atomic_load(&driver->committed)) {
        return true;
    }
    AUTO_LOCK(&driver->mutex);
    return replica_wait_locked(driver, index, waiter);
}

int replica_admit(const struct replica_driver *driver, uint32_t set, uint64_t view)
{
    if (set != driver->identity.set) {
        return -E_WRONG_VOLUME;
    }
    uint64_t number = atomic_load(&driver->view_number);
    if (view != number) {
        return view < number ? -E_OLD_VIEW : -E_NEW_VIEW;
    }
    if (atomic_load(&driver->serving_view) != number) {
        return atomic_load(&driver->role) == ROLE_SETTLING ? -E_NOT_SETTLED : -E_NOT_PRIMARY;
    }
    /* What is begun without a lease may have to be taken back, and could not be answered. */
    return clock_monotonic_ns(driver->clock) < atomic_load(&driver->lease_ns) ? 0
                                                                              : -E_LEASE_EXPIRED;
}

/* ---- the lease ----------------------------------------------------------------------------- */

bool replica_has_lease(const struct replica_driver *driver, uint64_t view)
{
    uint64_t serving = atomic_load(&driver->serving_view);
    return serving != 0 && (view == 0 || view == serving) &&
           clock_monotonic_ns(driver->clock) < atomic_load(&driver->lease_ns);
}

int replica_may_send(struct replica_driver *driver, uint64_t view, struct replica_waiter *waiter)
{
    if (replica_has_lease(driver, view)) {
        return 0;
    }
    AUTO_LOCK(&driver->mutex);
    if (driver->stopping) {
        return -E_CONNECTION_LOST;
    }
    if (!replica_leads(&driver->replica)) {
        return -E_NOT_PRIMARY;
    }
    if (view != 0 && view != driver->replica.view.number) {
        return -E_OLD_VIEW;
    }
    if (replica_has_lease(driver, view)) {
        return 0;
    }
    waiter->view = driver->replica.view.number;
    waiter->next = driver->parked;
    driver->parked = waiter;
    return 1;
}

static void wake_unparked(void *context)
{
    struct replica_waiter *waiter = context;
    while (waiter) {
        struct replica_waiter *next = waiter->next; /* wake may free the waiter, or park it anew */
        waiter->wake(waiter, 0, NULL);
        waiter = next;
    }
}

void replica_unpark(struct replica_driver *driver)
{
    struct replica_waiter *first = driver->parked;
    driver->parked = NULL;
    if (first) {
        rpc_offload(driver->loop, wake_unparked, first);
    }
}

void replica_publish(struct replica_driver *driver)
{
    const struct replica *replica = &driver->replica;
    atomic_store(&driver->role, replica->role);
    atomic_store(&driver->lease_ns, replica->role == ROLE_PRIMARY ? replica->lease_ns : 0);
    if (driver->parked && (!replica_leads(replica) || replica_has_lease(driver, 0) ||
                           driver->parked->view != replica->view.number)) {
        replica_unpark(driver);
    }
}
