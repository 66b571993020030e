/*
 * Clients. Each has one operation at a time and sends it again under its id, in the view and to the
 * primary that it then believes in, until it has the answer to its latest sending; an older one's
 * does not count. Or it gives up, and never learns; the id is not used again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <string.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "tests/lib/sim_cluster.h"

#define LOOK_MS 20 /* how often an automatic client looks what it has to do */

static struct sim_operation *operation_of(struct sim_cluster *sim, const struct sim_client *client)
{
    return &sim->objects[client->object].history[client->slot];
}

static void send_request(struct sim_cluster *sim, unsigned number, uint32_t brick, uint64_t view)
{
    struct sim_client *client = &sim->clients[number];
    struct sim_message *message = sim_message_new(SIM_REQUEST, slice_of(NULL, 0));
    message->turn = client->turn;
    message->view = view;
    message->object = client->object;
    message->operation = *operation_of(sim, client);
    message->id =
        (struct op_id){.kind = OP_ID_SESSION, .client = number + 1, .sequence = client->sequence};
    if (!client->connections[brick]) {
        client->connections[brick] = sim_dial(sim, SIM_BRICKS + number, brick);
    }
    sim_send(sim, client->connections[brick], 0, message);
}

static void send_to(struct sim_cluster *sim, unsigned number, uint32_t brick, uint64_t view)
{
    struct sim_client *client = &sim->clients[number];
    client->turn++;
    client->sent_ns = sim->now_ns;
    client->patience_ns = sim_between(sim, 50, 1500) * NS_PER_MS;
    send_request(sim, number, brick, view);
}

/* Begin an operation; values are never used twice. False if the object has had enough. */
static bool begin(struct sim_cluster *sim, unsigned number, unsigned object, enum sim_op_kind kind,
                  unsigned name, unsigned name2)
{
    struct sim_client *client = &sim->clients[number];
    struct sim_object *target = &sim->objects[object];
    if (client->busy || target->count == SIM_HISTORY_MAX) {
        return false;
    }
    client->busy = true;
    client->object = object;
    client->slot = target->count++;
    client->sequence++;
    client->status = -EINPROGRESS;
    sim->value++;
    *operation_of(sim, client) =
        (struct sim_operation){.kind = kind,
                               .name = name,
                               .name2 = name2,
                               .value = kind == SIM_APPEND ? 1 + sim->value % 9 : sim->value,
                               .called = sim->now_ns,
                               .returned = SIM_NEVER};
    return true;
}

/* ---- stories ------------------------------------------------------------------------------- */

bool sim_call(struct sim_cluster *sim, unsigned client, uint32_t brick, enum sim_op_kind kind,
              unsigned name)
{
    unsigned object = kind <= SIM_READ ? 0 : kind <= SIM_SIZE ? 2 : 3;
    if (!begin(sim, client, object, kind, name, (name + 1) % SIM_NAMES)) {
        return false;
    }
    sim_call_again(sim, client, brick);
    return true;
}

void sim_call_again(struct sim_cluster *sim, unsigned client, uint32_t brick)
{
    sim_say(sim, SIM_BRICKS + client, "asks %u", brick);
    send_to(sim, client, brick, sim->bricks[brick].replica.view.number);
}

int sim_answer(const struct sim_cluster *sim, unsigned client, int64_t *out_result)
{
    if (out_result && sim->clients[client].status != -EINPROGRESS) {
        *out_result = sim->clients[client].result;
    }
    return sim->clients[client].status;
}

/* ---- by themselves ------------------------------------------------------------------------- */

static void think(struct sim_cluster *sim, unsigned number)
{
    unsigned object = (unsigned)sim_between(sim, 0, SIM_OBJECTS - 1);
    enum sim_op_kind kind = sim->objects[object].first;
    if (kind == SIM_CREATE) {
        kind = (enum sim_op_kind)sim_between(sim, SIM_CREATE, SIM_LOOKUP);
    } else if (sim_chance(sim, 500)) {
        kind = kind == SIM_WRITE ? SIM_READ : SIM_SIZE;
    }
    bool named = kind >= SIM_CREATE;
    unsigned name = named ? (unsigned)sim_between(sim, 0, SIM_NAMES - 1) : 0;
    unsigned other = (name + (unsigned)sim_between(sim, 1, SIM_NAMES - 1)) % SIM_NAMES;
    if (begin(sim, number, object, kind, name, kind == SIM_RENAME ? other : name)) {
        send_to(sim, number, sim->clients[number].primary, sim->clients[number].view);
    }
}

/* Where to now? Mostly where the record says, sometimes where it said, sometimes anywhere. */
static void send_again(struct sim_cluster *sim, unsigned number)
{
    struct sim_client *client = &sim->clients[number];
    uint32_t old_primary = client->primary;
    uint64_t old_view = client->view;
    if (!sim_chance(sim, 400)) {
        client->view = sim->record.number;
        client->primary = sim->record.primary;
    }
    uint32_t brick =
        sim_chance(sim, 50) ? (uint32_t)sim_between(sim, 0, SIM_BRICKS - 1) : client->primary;
    send_to(sim, number, brick, client->view);
    if (sim_chance(sim, 100)) { /* once more, as from a queue somewhere */
        send_request(sim, number, old_primary, old_view);
    }
}

static void look(struct sim_cluster *sim, unsigned number)
{
    struct sim_client *client = &sim->clients[number];
    if (!client->busy) {
        if (!client->stopped) {
            think(sim, number);
        }
        return;
    }
    if (sim->now_ns < client->sent_ns + client->patience_ns) {
        return;
    }
    if (sim_chance(sim, sim->settings.give_up_permille)) {
        sim_say(sim, SIM_BRICKS + number, "gives up");
        client->busy = false;
        client->turn++;
        return;
    }
    send_again(sim, number);
}

void sim_client_event(struct sim_cluster *sim, const struct sim_event *event)
{
    look(sim, event->brick);
    sim_schedule_event(sim, sim_between(sim, 1, 2 * LOOK_MS) * NS_PER_MS,
                       (struct sim_event){.kind = SIM_CLIENT, .brick = event->brick});
}

/* ---- answers ------------------------------------------------------------------------------- */

void sim_client_message(struct sim_cluster *sim, struct sim_connection *connection,
                        const struct sim_message *message)
{
    unsigned number = connection->ends[0] - SIM_BRICKS;
    struct sim_client *client = &sim->clients[number];
    if (!client->busy || message->turn != client->turn) {
        return;
    }
    if (message->status < 0) {
        if (client->automatic) {
            client->patience_ns =
                sim->now_ns - client->sent_ns + sim_between(sim, 5, 60) * NS_PER_MS;
        } else {
            sim_say(sim, SIM_BRICKS + number, "is refused: %s", error_name(message->status));
            client->status = message->status;
        }
        return;
    }
    struct sim_operation *operation = operation_of(sim, client);
    operation->status = message->operation.status;
    operation->result = message->operation.result;
    operation->returned = sim->now_ns;
    client->status = operation->status;
    client->result = operation->result;
    client->busy = false;
    sim_say(sim, SIM_BRICKS + number, "object %u kind %u name %u %u value %lld: %d, %lld",
            client->object, operation->kind, operation->name, operation->name2,
            (long long)operation->value, operation->status, (long long)operation->result);
    if (operation->status == -E_ID_BELOW_WINDOW) {
        sim_wrong(sim, "client %u: its own latest operation is too old", number);
    }
}
