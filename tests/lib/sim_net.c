/*
 * The network: connections keep their order, and nothing else does. A cut direction holds back what
 * is sent until it is whole again or the connection breaks; what was under way on a connection that
 * breaks arrives up to some point, perhaps late, and is taken by a server that has not noticed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>
#include "backend/base/check.h"
#include "tests/lib/sim_cluster.h"

#define SILENCE_MS 4000 /* what waits longer on a cut link breaks its connection */
#define BLOCKED_MS 5    /* between two looks at a cut link */

static uint64_t generation_of(const struct sim_cluster *sim, uint32_t end)
{
    return end < SIM_BRICKS ? sim->bricks[end].generation : 1;
}

static bool is_there(const struct sim_cluster *sim, const struct sim_connection *connection,
                     int side)
{
    uint32_t end = connection->ends[side];
    return end >= SIM_BRICKS ||
           (sim->bricks[end].alive && sim->bricks[end].generation == connection->generations[side]);
}

struct sim_connection *sim_dial(struct sim_cluster *sim, uint32_t from, uint32_t to)
{
    struct sim_connection *connection = calloc(1, sizeof *connection);
    INVARIANT(connection != NULL);
    connection->ends[0] = from;
    connection->ends[1] = to;
    connection->generations[0] = generation_of(sim, from);
    connection->generations[1] = generation_of(sim, to);
    connection->next = sim->connections;
    sim->connections = connection;
    if (!is_there(sim, connection, 1)) {
        sim_connection_break(sim, connection);
    }
    return connection;
}

struct sim_message *sim_message_new(enum sim_message_kind kind, struct slice record)
{
    struct sim_message *message = calloc(1, sizeof *message + record.size);
    INVARIANT(message != NULL);
    message->kind = kind;
    message->size = record.size;
    if (record.size > 0) {
        memcpy(message->record, record.data, record.size);
    }
    return message;
}

static void arrive_at(struct sim_cluster *sim, struct sim_connection *connection, int way,
                      uint64_t at_ns)
{
    uint32_t receiver = connection->ends[1 - way];
    sim_schedule_event(sim, at_ns > sim->now_ns ? at_ns - sim->now_ns : 0,
                       (struct sim_event){.kind = SIM_ARRIVE,
                                          .brick = receiver < SIM_BRICKS ? receiver : 0,
                                          .generation = receiver < SIM_BRICKS
                                                            ? connection->generations[1 - way]
                                                            : 0,
                                          .connection = connection,
                                          .way = way});
}

void sim_send(struct sim_cluster *sim, struct sim_connection *connection, int way,
              struct sim_message *message)
{
    if (connection->broken) {
        free(message);
        return;
    }
    const struct sim_settings *settings = &sim->settings;
    uint64_t delay_ns = sim_between(sim, settings->link_min_us, settings->link_max_us) * 1000;
    if (sim_chance(sim, settings->slow_permille)) {
        delay_ns = sim_between(sim, 1, settings->slow_ms) * NS_PER_MS;
    }
    message->at_ns = sim->now_ns + delay_ns;
    if (connection->last[way]) {
        connection->last[way]->next = message;
        connection->last[way] = message;
        return;
    }
    connection->first[way] = connection->last[way] = message;
    arrive_at(sim, connection, way, message->at_ns);
}

static void drop_from(struct sim_connection *connection, int way, unsigned keep)
{
    struct sim_message **place = &connection->first[way];
    connection->last[way] = NULL;
    for (; *place && keep > 0; keep--) {
        connection->last[way] = *place;
        place = &(*place)->next;
    }
    while (*place) {
        struct sim_message *message = *place;
        *place = message->next;
        free(message);
    }
}

/* The head's event is under way: without a head it finds nothing. */
void sim_connection_break(struct sim_cluster *sim, struct sim_connection *connection)
{
    if (connection->broken) {
        return;
    }
    connection->broken = true;
    drop_from(connection, 0, (unsigned)sim_between(sim, 0, 3));
    drop_from(connection, 1, 0);
    uint32_t dialler = connection->ends[0];
    sim_schedule_event(
        sim, sim_between(sim, 100, 20000) * 1000,
        (struct sim_event){.kind = SIM_LOST,
                           .brick = dialler < SIM_BRICKS ? dialler : 0,
                           .generation = dialler < SIM_BRICKS ? connection->generations[0] : 0,
                           .connection = connection});
}

static bool is_held(const struct sim_cluster *sim, const struct sim_connection *connection, int way)
{
    return sim
        ->hold[connection->first[way]->kind][connection->ends[way]][connection->ends[1 - way]];
}

/* It waits: the link is cut, or the story wants it so. */
static bool is_blocked(struct sim_cluster *sim, struct sim_connection *connection, int way)
{
    bool cut = sim->cut[connection->ends[way]][connection->ends[1 - way]];
    if (!cut && !is_held(sim, connection, way)) {
        connection->blocked_ns[way] = 0;
        return false;
    }
    if (connection->blocked_ns[way] == 0) {
        connection->blocked_ns[way] = sim->now_ns;
    }
    if (cut && sim->now_ns - connection->blocked_ns[way] > SILENCE_MS * NS_PER_MS) {
        if (connection->broken) {
            drop_from(connection, way, 0);
        }
        sim_connection_break(sim, connection);
    }
    if (connection->first[way]) {
        arrive_at(sim, connection, way, sim->now_ns + BLOCKED_MS * NS_PER_MS);
    }
    return true;
}

void sim_arrive(struct sim_cluster *sim, const struct sim_event *event)
{
    struct sim_connection *connection = event->connection;
    int way = event->way;
    struct sim_message *message = connection->first[way];
    if (!message || is_blocked(sim, connection, way)) {
        return;
    }
    if (message->at_ns > sim->now_ns) { /* what was before it is gone with the connection */
        arrive_at(sim, connection, way, message->at_ns);
        return;
    }
    connection->first[way] = message->next;
    if (!message->next) {
        connection->last[way] = NULL;
    } else {
        arrive_at(sim, connection, way, message->next->at_ns);
    }
    if (connection->ends[1 - way] < SIM_BRICKS) {
        sim_driver_message(sim, connection, way, message);
    } else {
        sim_client_message(sim, connection, message);
    }
    free(message);
}

void sim_cut(struct sim_cluster *sim, uint32_t from, uint32_t to, bool cut)
{
    sim_say(sim, from, "link to %u %s", to, cut ? "cut" : "whole");
    sim->cut[from][to] = cut;
}

void sim_cut_both(struct sim_cluster *sim, uint32_t a, uint32_t b, bool cut)
{
    sim_cut(sim, a, b, cut);
    sim_cut(sim, b, a, cut);
}

void sim_isolate(struct sim_cluster *sim, uint32_t brick, bool cut)
{
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        if (i != brick) {
            sim_cut_both(sim, brick, i, cut);
        }
    }
}

void sim_break(struct sim_cluster *sim, uint32_t a, uint32_t b)
{
    sim_say(sim, a, "connections with %u break", b);
    for (struct sim_connection *at = sim->connections; at; at = at->next) {
        if ((at->ends[0] == a && at->ends[1] == b) || (at->ends[0] == b && at->ends[1] == a)) {
            sim_connection_break(sim, at);
        }
    }
}

static bool is_used(const struct sim_cluster *sim, const struct sim_connection *connection)
{
    if (!connection->broken || connection->first[0] || connection->first[1]) {
        return true;
    }
    for (unsigned i = 0; i < sim->heap_count; i++) {
        if (sim->heap[i].connection == connection ||
            (sim->heap[i].wait && sim->heap[i].wait->connection == connection)) {
            return true;
        }
    }
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        for (uint32_t j = 0; j < SIM_BRICKS; j++) {
            if (sim->bricks[i].peers[j].stream == connection ||
                sim->bricks[i].peers[j].beats == connection) {
                return true;
            }
        }
        for (const struct sim_wait *wait = sim->bricks[i].waits; wait; wait = wait->next) {
            if (wait->connection == connection) {
                return true;
            }
        }
    }
    for (unsigned i = 0; i < SIM_CLIENTS; i++) {
        for (uint32_t j = 0; j < SIM_BRICKS; j++) {
            if (sim->clients[i].connections[j] == connection) {
                return true;
            }
        }
    }
    return false;
}

void sim_net_collect(struct sim_cluster *sim)
{
    struct sim_connection **place = &sim->connections;
    while (*place) {
        struct sim_connection *connection = *place;
        if (is_used(sim, connection)) {
            place = &connection->next;
            continue;
        }
        *place = connection->next;
        free(connection);
    }
}

void sim_net_free(struct sim_cluster *sim)
{
    while (sim->connections) {
        struct sim_connection *connection = sim->connections;
        sim->connections = connection->next;
        drop_from(connection, 0, 0);
        drop_from(connection, 1, 0);
        free(connection);
    }
}
