/*
 * What must hold. At every step: at most one brick may answer; where something was sequenced, cut,
 * told or entered, the logs of in-sync bricks are prefixes of one another and have all that was
 * told. At the end: every history is linearizable, no id took effect twice, replicas are equal.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/proto/dirent.h"
#include "tests/lib/sim_cluster.h"

void sim_wrong(struct sim_cluster *sim, const char *format, ...)
{
    if (sim->wrong[0]) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sim->wrong, sizeof sim->wrong, format, arguments);
    va_end(arguments);
    sim_say(sim, 0, "WRONG: %s", sim->wrong);
}

static bool is_in_sync(const struct sim_cluster *sim, uint32_t brick)
{
    return sim->record.members[brick].state == MEMBER_IN_SYNC;
}

/* Of the log, whether or not its process is there. */
static uint64_t last_of(const struct sim_cluster *sim, uint32_t brick)
{
    struct store_position position;
    store_position(sim->bricks[brick].store, &position);
    return position.sequenced;
}

static void compare_at(struct sim_cluster *sim, uint32_t a, uint32_t b, uint64_t index)
{
    const struct sim_brick *left = &sim->bricks[a], *right = &sim->bricks[b];
    if (left->births[index] != right->births[index] ||
        left->hashes[index] != right->hashes[index]) {
        sim_wrong(sim, "in-sync bricks %u and %u have different operations %llu (views %llu, %llu)",
                  a, b, (unsigned long long)index, (unsigned long long)left->births[index],
                  (unsigned long long)right->births[index]);
    }
}

void sim_check_sequenced(struct sim_cluster *sim, uint32_t brick, uint64_t index)
{
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        if (i != brick && is_in_sync(sim, brick) && is_in_sync(sim, i) &&
            last_of(sim, i) >= index) {
            compare_at(sim, brick, i, index);
        }
    }
}

/* That brick is in sync: it may lead. */
static void check_has_all(struct sim_cluster *sim, uint32_t brick)
{
    uint64_t told = sim->acknowledged;
    if (told > 0 && (last_of(sim, brick) < told ||
                     sim->bricks[brick].births[told] != sim->acknowledged_birth)) {
        sim_wrong(sim, "in-sync brick %u lacks operation %llu, of which a client was told", brick,
                  (unsigned long long)told);
    }
}

void sim_check_record(struct sim_cluster *sim)
{
    unsigned in_sync = 0;
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        if (!is_in_sync(sim, i)) {
            continue;
        }
        in_sync++;
        check_has_all(sim, i);
        for (uint32_t j = i + 1; j < SIM_BRICKS; j++) {
            uint64_t a = last_of(sim, i), b = last_of(sim, j);
            for (uint64_t index = a < b ? a : b;
                 is_in_sync(sim, j) && index >= OPERATION_INDEX_FIRST && !sim->wrong[0]; index--) {
                compare_at(sim, i, j, index);
            }
        }
    }
    if (in_sync < MIN_INSYNC_DEFAULT || !is_in_sync(sim, sim->record.primary)) {
        sim_wrong(sim, "%u in sync, primary %u", in_sync, sim->record.primary);
    }
}

void sim_check_acknowledged(struct sim_cluster *sim, uint32_t brick, uint64_t index)
{
    if (index > sim->acknowledged) {
        sim->acknowledged = index;
        sim->acknowledged_birth = sim->bricks[brick].births[index];
    }
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        if (is_in_sync(sim, i)) {
            check_has_all(sim, i);
        }
    }
}

void sim_check_log(struct sim_cluster *sim, uint32_t brick, uint64_t last)
{
    if (is_in_sync(sim, brick)) {
        sim_wrong(sim, "brick %u is in sync and cuts its log to %llu", brick,
                  (unsigned long long)last);
    }
}

void sim_check_step(struct sim_cluster *sim)
{
    int first = -1;
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        const struct sim_brick *brick = &sim->bricks[i];
        if (!brick->alive || brick->replica.role != ROLE_PRIMARY ||
            !replica_may_answer(&brick->replica, sim_local_ns(sim, i))) {
            continue;
        }
        if (first >= 0) {
            sim_wrong(sim, "bricks %d (view %llu) and %u (view %llu) may both answer", first,
                      (unsigned long long)sim->bricks[first].replica.view.number, i,
                      (unsigned long long)brick->replica.view.number);
        }
        first = (int)i;
    }
}

int sim_primary(struct sim_cluster *sim)
{
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        const struct sim_brick *brick = &sim->bricks[i];
        if (brick->alive && brick->serving &&
            replica_may_answer(&brick->replica, sim_local_ns(sim, i))) {
            return (int)i;
        }
    }
    return -1;
}

bool sim_is_serving(struct sim_cluster *sim)
{
    return sim_primary(sim) >= 0;
}

bool sim_is_whole(struct sim_cluster *sim)
{
    int primary = sim_primary(sim);
    if (primary < 0 || (uint32_t)primary != sim->record.primary) {
        return false;
    }
    for (uint32_t i = 0; i < SIM_BRICKS; i++) {
        const struct replica *replica = &sim->bricks[i].replica;
        if (!sim->bricks[i].alive || !is_in_sync(sim, i) ||
            replica->view.number != sim->record.number ||
            sim->record.members[i].incarnation != sim->bricks[i].incarnation ||
            replica->applied != sim->bricks[primary].replica.sequenced) {
            return false;
        }
    }
    for (unsigned i = 0; i < SIM_CLIENTS; i++) {
        if (sim->clients[i].busy && sim->clients[i].automatic) {
            return false;
        }
    }
    return sim->bricks[primary].replica.committed == sim->bricks[primary].replica.sequenced;
}

/* ---- the end ------------------------------------------------------------------------------- */

static bool same_directory(struct store *a, struct store *b, const struct gfid *directory)
{
    uint8_t left[4096], right[4096];
    size_t left_size, right_size;
    bool left_eof, right_eof;
    return store_readdir(a, directory, COOKIE_START, true, left, sizeof left, &left_size,
                         &left_eof) == 0 &&
           store_readdir(b, directory, COOKIE_START, true, right, sizeof right, &right_size,
                         &right_eof) == 0 &&
           left_eof && right_eof && left_size == right_size && memcmp(left, right, left_size) == 0;
}

static void check_equal(struct sim_cluster *sim)
{
    for (uint32_t i = 1; i < SIM_BRICKS; i++) {
        struct store *a = sim->bricks[0].store, *b = sim->bricks[i].store;
        bool same = last_of(sim, 0) == last_of(sim, i) && same_directory(a, b, &GFID_ROOT);
        for (unsigned object = 0; object < SIM_OBJECTS; object++) {
            same = same && (sim->objects[object].first != SIM_CREATE ||
                            same_directory(a, b, &sim->objects[object].gfid));
        }
        if (!same) {
            sim_wrong(sim, "bricks 0 and %u differ", i);
        }
    }
}

static void check_once(struct sim_cluster *sim)
{
    struct op_id *seen = calloc(SIM_LOG_MAX, sizeof *seen);
    INVARIANT(seen != NULL);
    uint64_t last = last_of(sim, 0);
    for (uint64_t index = OPERATION_INDEX_FIRST; index <= last; index++) {
        uint8_t record[OPERATION_SIZE_MAX];
        size_t size;
        struct operation operation;
        INVARIANT(sim_log_operation(sim->bricks[0].store, index, record, &size, &operation) == 0);
        seen[index] = operation.id;
        for (uint64_t before = OPERATION_INDEX_FIRST; operation.id.client && before < index;
             before++) {
            if (seen[before].client == operation.id.client &&
                seen[before].sequence == operation.id.sequence) {
                sim_wrong(sim, "%llu of client %llu was done twice: %llu, %llu",
                          (unsigned long long)operation.id.sequence,
                          (unsigned long long)operation.id.client - 1, (unsigned long long)before,
                          (unsigned long long)index);
            }
        }
    }
    free(seen);
}

static void say_history(struct sim_cluster *sim, unsigned object)
{
    const struct sim_object *at = &sim->objects[object];
    for (unsigned i = 0; i < at->count; i++) {
        const struct sim_operation *op = &at->history[i];
        sim_say(sim, 0, "object %u kind %u name %u %u value %lld: %d, %lld; %.3f to %.3f", object,
                op->kind, op->name, op->name2, (long long)op->value, op->status,
                (long long)op->result, (double)op->called / NS_PER_MS,
                op->returned == SIM_NEVER ? 0 : (double)op->returned / NS_PER_MS);
    }
}

const char *sim_finish(struct sim_cluster *sim)
{
    for (unsigned i = 0; i < SIM_OBJECTS && !sim->wrong[0]; i++) {
        struct sim_object *object = &sim->objects[i];
        enum sim_verdict verdict = sim_history_check(object->history, object->count);
        sim->too_hard += verdict == SIM_TOO_HARD;
        if (verdict == SIM_NOT_LINEAR) {
            say_history(sim, i);
            sim_wrong(sim, "the history of object %u is not linearizable", i);
        }
    }
    if (!sim->wrong[0]) {
        check_once(sim);
        check_equal(sim);
    }
    return sim->wrong[0] ? sim->wrong : NULL;
}
