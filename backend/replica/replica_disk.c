/*
 * The watch over the disk. Every call of the store that may wait for it notes when it began; a
 * brick with one that does not end is no member to count on, and says so by its silence.
 *
 * What only writes to memory and the log is soon done unless the disk hangs. A sync takes as long
 * as there is much to write; it is given more time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/replica/replica_driver.h"

#include "backend/base/scope.h"

static uint64_t begun_now(const struct replica_driver *driver)
{
    return atomic_load_explicit(&driver->tick_ns, memory_order_relaxed);
}

void replica_disk_begin(struct replica_driver *driver, enum disk_call call)
{
    atomic_store_explicit(&driver->disk_calls[call], begun_now(driver), memory_order_relaxed);
}

void replica_disk_end(struct replica_driver *driver, enum disk_call call)
{
    atomic_store_explicit(&driver->disk_calls[call], 0, memory_order_relaxed);
}

int replica_disk_sync_begin(struct replica_driver *driver)
{
    uint64_t begun = begun_now(driver);
    for (int call = DISK_SYNC; call < DISK_CALLS; call++) {
        uint64_t none = 0;
        if (atomic_compare_exchange_strong(&driver->disk_calls[call], &none, begun)) {
            return call;
        }
    }
    return -1; /* those that are watched stand for it */
}

void replica_disk_sync_end(struct replica_driver *driver, int call)
{
    if (call >= 0) {
        replica_disk_end(driver, (enum disk_call)call);
    }
}

static uint64_t limit_ns(int call)
{
    switch (call) {
    case DISK_APPLY:
    case DISK_REPAIR:
    case DISK_SEQUENCE:
        return DISK_STALL_MS * NS_PER_MS;
    default:
        return DISK_SYNC_STALL_MS * NS_PER_MS;
    }
}

bool replica_disk_stalls(struct replica_driver *driver, uint64_t now_ns)
{
    for (int call = 0; call < DISK_CALLS; call++) {
        uint64_t begun = atomic_load_explicit(&driver->disk_calls[call], memory_order_relaxed);
        if (begun != 0 && now_ns > begun && now_ns - begun > limit_ns(call)) {
            return true;
        }
    }
    return false;
}

int replica_checkpoint(struct replica_driver *driver)
{
    AUTO_LOCK(&driver->checkpoint_mutex);
    if (atomic_load(&driver->returning)) {
        return 0;
    }
    replica_disk_begin(driver, DISK_CHECKPOINT);
    int rc = store_checkpoint(driver->store);
    replica_disk_end(driver, DISK_CHECKPOINT);
    return rc;
}
