/*
 * A brick's answers to clients. They rest on what is committed: an answer is gathered, waits for
 * the operations that it shows, and is sent if the brick then still may, in the view that the
 * request named. An id that was seen is not executed again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "tests/lib/sim_cluster.h"

static int object_of(const struct sim_cluster *sim, const struct gfid *gfid)
{
    for (int i = 0; i < SIM_OBJECTS; i++) {
        if (gfid_equal(&sim->objects[i].gfid, gfid)) {
            return i;
        }
    }
    return -1;
}

void sim_depend(struct sim_cluster *sim, uint32_t brick, const struct operation *operation)
{
    int object = object_of(sim, &operation->object.gfid);
    object = object < 0 ? object_of(sim, &operation->parent.gfid) : object;
    INVARIANT(object >= 0);
    sim->bricks[brick].depends[object] = operation->index;
}

static void reply_later(struct sim_cluster *sim, uint32_t brick, struct sim_wait *wait)
{
    sim_schedule_event(sim, sim_between(sim, 1, sim->settings.pause_us) * 1000,
                       (struct sim_event){.kind = SIM_REPLY,
                                          .brick = brick,
                                          .generation = sim->bricks[brick].generation,
                                          .wait = wait});
}

/* The answer goes out when everything up to index is committed. */
static void reply_when(struct sim_cluster *sim, uint32_t brick, struct sim_connection *connection,
                       struct sim_message *answer, uint64_t index)
{
    struct sim_brick *self = &sim->bricks[brick];
    struct sim_wait *wait = calloc(1, sizeof *wait);
    INVARIANT(wait != NULL);
    *wait = (struct sim_wait){
        .connection = connection, .index = index, .answer = answer, .view = answer->view};
    if (index <= self->replica.committed) {
        reply_later(sim, brick, wait);
        return;
    }
    wait->next = self->waits;
    self->waits = wait;
}

void sim_serve_wake(struct sim_cluster *sim, uint32_t brick, uint64_t index, int status)
{
    struct sim_brick *self = &sim->bricks[brick];
    for (struct sim_wait **place = &self->waits; *place;) {
        struct sim_wait *wait = *place;
        if (!wait->answer || wait->index > index) {
            place = &wait->next;
            continue;
        }
        *place = wait->next;
        wait->next = NULL;
        wait->status = status;
        reply_later(sim, brick, wait);
    }
}

/* The result of an operation that is in the log. */
static int64_t result_of(const struct operation *operation)
{
    return operation->kind == OPERATION_WRITE ? (int64_t)operation->offset : 0;
}

/* May it be answered, now that it is gathered? */
static int admit(struct sim_cluster *sim, uint32_t brick, const struct sim_wait *wait)
{
    const struct sim_brick *self = &sim->bricks[brick];
    if (wait->status < 0) {
        return wait->status;
    }
    if (wait->view != self->replica.view.number || !self->serving) {
        return -E_OLD_VIEW;
    }
    return replica_may_answer(&self->replica, sim_local_ns(sim, brick)) ? 0 : -E_LEASE_EXPIRED;
}

void sim_serve_reply(struct sim_cluster *sim, const struct sim_event *event)
{
    struct sim_wait *wait = event->wait;
    struct sim_brick *self = &sim->bricks[event->brick];
    struct sim_message *answer = wait->answer;
    int status = admit(sim, event->brick, wait);
    wait->answer = NULL;
    if (status < 0) {
        answer->status = status;
        answer->index = 0;
    } else {
        sim->answers++;
    }
    if (status == 0 && answer->index > 0) {
        uint8_t record[OPERATION_SIZE_MAX];
        size_t size;
        struct operation operation;
        INVARIANT(sim_log_operation(self->store, answer->index, record, &size, &operation) == 0);
        answer->operation.result = result_of(&operation);
        sim_check_acknowledged(sim, event->brick, answer->index);
    }
    sim_send(sim, wait->connection, 1, answer);
}

/* ---- reads --------------------------------------------------------------------------------- */

static char *name_of(unsigned number, char name[4])
{
    (void)snprintf(name, 4, "n%u", number % 10);
    return name;
}

static bool is_read(enum sim_op_kind kind)
{
    return kind == SIM_READ || kind == SIM_SIZE || kind == SIM_LOOKUP;
}

static void gather(struct sim_cluster *sim, uint32_t brick, const struct sim_message *request,
                   struct sim_message *answer)
{
    struct store *store = sim->bricks[brick].store;
    const struct gfid *gfid = &sim->objects[request->object].gfid;
    struct attr attr = {.type = OBJECT_NONE}, parent;
    char name[4];
    if (request->operation.kind == SIM_LOOKUP) {
        answer->operation.status = store_lookup(
            store, gfid, slice_text(name_of(request->operation.name, name)), &attr, &parent);
    } else {
        answer->operation.status = store_getattr(store, gfid, &attr);
    }
    answer->operation.result =
        request->operation.kind == SIM_SIZE ? (int64_t)attr.size : (int64_t)attr.uid;
    if (answer->operation.status < 0) {
        answer->operation.result = 0;
    }
}

/* ---- mutations ----------------------------------------------------------------------------- */

static struct mutation mutation_of(const struct sim_cluster *sim, const struct sim_message *request,
                                   char name[4], char name2[4])
{
    const struct sim_operation *wish = &request->operation;
    const struct gfid *gfid = &sim->objects[request->object].gfid;
    struct mutation mutation = {.cred = {.flags = CRED_CHECKED},
                                .id = request->id,
                                .session = request->id.client,
                                .object = *gfid,
                                .parent = *gfid,
                                .parent2 = *gfid};
    switch (wish->kind) {
    case SIM_WRITE:
        mutation.kind = MUTATION_SETATTR;
        mutation.change = (struct attr_change){.mask = ATTR_UID, .uid = (uint32_t)wish->value};
        break;
    case SIM_APPEND:
        mutation.kind = MUTATION_WRITE;
        mutation.append = true;
        mutation.count = (uint32_t)wish->value;
        break;
    case SIM_CREATE:
        mutation.kind = MUTATION_MAKE;
        mutation.type = OBJECT_FILE;
        mutation.how = CREATE_GUARDED;
        mutation.cred.uid = (uint32_t)wish->value;
        mutation.change = (struct attr_change){.mask = ATTR_MODE, .mode = 0644};
        mutation.name = slice_text(name_of(wish->name, name));
        break;
    default:
        mutation.kind = wish->kind == SIM_REMOVE ? MUTATION_REMOVE : MUTATION_RENAME;
        mutation.name = slice_text(name_of(wish->name, name));
        mutation.name2 = slice_text(name_of(wish->name2, name2));
        break;
    }
    return mutation;
}

/* Returns the index that the answer waits for; answer->index is its operation, if there is one. */
static uint64_t submit(struct sim_cluster *sim, uint32_t brick, const struct sim_message *request,
                       struct sim_message *answer)
{
    struct sim_brick *self = &sim->bricks[brick];
    int known = 0;
    uint64_t depends = self->depends[request->object];
    enum reply_memory_answer found =
        reply_memory_find(self->memory, &request->id, &answer->index, &known);
    if (found == REPLY_TOO_LATE) {
        known = -E_ID_BELOW_WINDOW;
    }
    if (found != REPLY_NEW) {
        answer->operation.status = known;
        answer->index = known < 0 ? 0 : answer->index;
        return known < 0 ? depends : answer->index;
    }
    char name[4], name2[4];
    struct mutation mutation = mutation_of(sim, request, name, name2);
    struct decision decision = {.index = self->replica.sequenced + 1,
                                .view = self->replica.view.number,
                                .now_ns = clock_wall_ns(&sim->clock),
                                .bytes_free = UINT64_C(1) << 40};
    struct operation operation = {0};
    uint8_t record[OPERATION_SIZE_MAX];
    size_t size;
    int rc = store_decide(self->store, &mutation, &decision, &operation);
    answer->operation.status = rc;
    if (rc < 0 || operation.kind == OPERATION_NONE) {
        if (rc < 0) {
            reply_memory_note(self->memory, &request->id, 0, rc);
        }
        return depends;
    }
    INVARIANT(operation_encode(&operation, record, sizeof record, &size) == 0);
    self->incoming = slice_of(record, size);
    answer->index = operation.index;
    sim_step(sim, brick, (struct replica_event){.kind = EVENT_SUBMIT, .index = operation.index});
    return operation.index;
}

void sim_serve_request(struct sim_cluster *sim, uint32_t brick, struct sim_connection *connection,
                       const struct sim_message *request)
{
    const struct replica *replica = &sim->bricks[brick].replica;
    struct sim_message *answer = sim_message_new(SIM_ANSWER, slice_of(NULL, 0));
    answer->turn = request->turn;
    answer->view = request->view;
    answer->operation = request->operation;
    answer->operation.status = 0;
    answer->operation.result = 0;
    if (request->view != replica->view.number || replica->role != ROLE_PRIMARY) {
        answer->status = request->view != replica->view.number ? -E_OLD_VIEW : -E_NOT_PRIMARY;
        sim_send(sim, connection, 1, answer);
        return;
    }
    uint64_t index = sim->bricks[brick].depends[request->object];
    if (is_read(request->operation.kind)) {
        gather(sim, brick, request, answer);
    } else if (sim->bricks[brick].replica.sequenced + 2 < SIM_LOG_MAX) {
        index = submit(sim, brick, request, answer);
    } else {
        answer->status = -E_OVERLOADED;
    }
    reply_when(sim, brick, connection, answer, index);
}
