/*
 * A brick's end of a stream that another has opened to it: what it has, operations, and cutting its
 * log back when it returns.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "tests/lib/sim_cluster.h"

void sim_member_acknowledge(struct sim_cluster *sim, uint32_t brick,
                            struct sim_connection *connection, int status, uint64_t index)
{
    struct sim_message *message = sim_message_new(SIM_ACK, slice_of(NULL, 0));
    message->status = status;
    message->index = index;
    message->incarnation = sim->bricks[brick].incarnation;
    sim_send(sim, connection, 1, message);
}

/* Cut the log back, and begin anew as far as the step function goes. */
static void cut_back(struct sim_cluster *sim, uint32_t brick, uint64_t last)
{
    struct sim_brick *self = &sim->bricks[brick];
    struct store_identity identity;
    struct view view = self->replica.view;
    struct store *store;
    store_identity(self->store, &identity);
    INVARIANT(memory_store_open(&identity, &sim->clock, &store) == 0);
    for (uint64_t index = OPERATION_INDEX_FIRST; index <= last; index++) {
        static uint8_t zeros[16];
        uint8_t record[OPERATION_SIZE_MAX];
        size_t size;
        struct operation operation;
        INVARIANT(sim_log_operation(self->store, index, record, &size, &operation) == 0);
        INVARIANT(store_sequence(store, &operation, slice_of(record, size)) == 0);
        INVARIANT(store_apply(store, &operation, slice_of(zeros, operation.count)) == 0);
    }
    INVARIANT(store_commit(store, last) == 0 && store_view_put(store, &view) == 0);
    sim_say(sim, brick, "cut back from %llu to %llu", (unsigned long long)self->replica.sequenced,
            (unsigned long long)last);
    sim_check_log(sim, brick, last);
    store_close(self->store);
    self->store = store;
    reply_memory_free(self->memory);
    sim_driver_load(sim, brick);
    sim_driver_view(sim, brick, &view);
    sim_step(sim, brick, (struct replica_event){.kind = EVENT_JOIN, .view_number = view.number});
}

static int open_status(struct sim_cluster *sim, uint32_t brick, const struct sim_message *message)
{
    struct sim_brick *self = &sim->bricks[brick];
    struct replica *replica = &self->replica;
    if (message->view != replica->view.number) {
        if (message->view > replica->view.number) {
            sim_record_read(sim, brick);
        }
        return message->view < replica->view.number ? -E_OLD_VIEW : -E_NEW_VIEW;
    }
    if (replica->failed) {
        return -EIO;
    }
    if (replica->role != ROLE_BACKUP) {
        sim_step(sim, brick,
                 (struct replica_event){.kind = EVENT_JOIN, .view_number = message->view});
        if (self->refused < 0) {
            return self->refused;
        }
    }
    bool drains = replica->role == ROLE_JOINER && replica->applied < replica->sequenced;
    return drains ? -E_NOT_SETTLED : 0;
}

void sim_member_open(struct sim_cluster *sim, uint32_t brick, struct sim_connection *connection,
                     const struct sim_message *message)
{
    struct sim_brick *self = &sim->bricks[brick];
    int status = open_status(sim, brick, message);
    if (status == 0 && self->replica.role == ROLE_JOINER && message->cut_to != 0) {
        if (self->replica.sequenced == self->log_begun) {
            cut_back(sim, brick, message->cut_to);
        } else { /* too late for this process */
            sim_driver_end(sim, brick, &(struct replica_effect){.kind = EFFECT_REENTER});
            status = -E_NOT_SETTLED;
        }
    }
    struct sim_message *reply = sim_message_new(SIM_OPENED, slice_of(NULL, 0));
    reply->status = status;
    reply->incarnation = self->incarnation;
    reply->index = self->replica.sequenced;
    reply->birth = self->births[self->replica.sequenced];
    reply->applied = self->replica.applied;
    reply->commit = self->replica.committed;
    sim_send(sim, connection, 1, reply);
}

static void wait_append(struct sim_brick *self, struct sim_connection *connection, uint64_t index)
{
    struct sim_wait *wait = calloc(1, sizeof *wait);
    INVARIANT(wait != NULL);
    wait->connection = connection;
    wait->index = index;
    wait->next = self->waits;
    self->waits = wait;
}

void sim_member_operation(struct sim_cluster *sim, uint32_t brick,
                          struct sim_connection *connection, const struct sim_message *message)
{
    struct sim_brick *self = &sim->bricks[brick];
    self->incoming = slice_of(message->record, message->size);
    sim_step(sim, brick,
             (struct replica_event){
                 .kind = EVENT_APPEND, .view_number = message->view, .index = message->index});
    if (!self->has_sequenced) {
        sim_member_acknowledge(sim, brick, connection, self->refused, self->replica.applied);
        return;
    }
    wait_append(self, connection, message->index);
    sim_step(sim, brick,
             (struct replica_event){.kind = EVENT_COMMIT_KNOWN,
                                    .view_number = message->view,
                                    .index = message->commit});
}

void sim_member_commit(struct sim_cluster *sim, uint32_t brick, struct sim_connection *connection,
                       const struct sim_message *message)
{
    struct sim_brick *self = &sim->bricks[brick];
    sim_step(sim, brick,
             (struct replica_event){.kind = EVENT_COMMIT_KNOWN,
                                    .view_number = message->view,
                                    .index = message->index});
    if (message->view == self->replica.view.number) {
        sim_member_acknowledge(sim, brick, connection, 0, self->replica.applied);
    }
}
