/*
 * See brick_record.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/lib/brick_record.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"

/* Room for what is told to a process that is stopped for a while. */
#define PIPE_SIZE (1024 * 1024)

enum message_kind { MESSAGE_VIEW, MESSAGE_DEATH, MESSAGE_PROPOSED, MESSAGE_PROPOSE, MESSAGE_READ };

/* Both ways. */
struct message {
    enum message_kind kind;
    uint64_t serial;
    uint64_t number, renewals; /* PROPOSE: of what is to be replaced */
    int status;
    uint32_t brick; /* DEATH */
    uint64_t incarnation;
    uint32_t min_insync;
    bool is_known;
    struct view view;
};

/* Take a whole struct from a pipe; false at its end. */
static bool take(int fd, struct message *out_message)
{
    for (size_t done = 0; done < sizeof *out_message;) {
        ssize_t got = read(fd, (uint8_t *)out_message + done, sizeof *out_message - done);
        if (got <= 0) {
            return false;
        }
        done += (size_t)got;
    }
    return true;
}

static void put(int fd, const struct message *message)
{
    for (size_t done = 0; done < sizeof *message;) {
        ssize_t wrote = write(fd, (const uint8_t *)message + done, sizeof *message - done);
        if (wrote <= 0) {
            return; /* its process has ended, or is about to */
        }
        done += (size_t)wrote;
    }
}

/* ---- telling a driver, on its own threads ------------------------------------------------------
 */

struct telling {
    struct replica_driver *driver;
    struct message message;
};

static void tell_driver(struct replica_driver *driver, const struct message *message)
{
    const struct view *view = message->is_known ? &message->view : NULL;
    replica_driver_min_insync(driver, message->min_insync);
    switch (message->kind) {
    case MESSAGE_VIEW:
        (void)replica_driver_view(driver, view);
        break;
    case MESSAGE_DEATH:
        replica_driver_death(driver, message->brick, message->incarnation);
        break;
    case MESSAGE_PROPOSED:
        replica_record_proposed(driver, message->serial, message->status, view);
        break;
    case MESSAGE_READ:
        replica_record_read(driver, view);
        break;
    case MESSAGE_PROPOSE:
        break;
    }
}

static void tell_job(void *context)
{
    AUTO_FREE struct telling *telling = context;
    tell_driver(telling->driver, &telling->message);
}

/* With the record's mutex held: the seat's driver lives until it has left it. */
static void tell(struct brick_seat *seat, const struct message *message)
{
    if (seat->driver) {
        struct telling *telling = malloc(sizeof *telling);
        INVARIANT(telling);
        *telling = (struct telling){.driver = seat->driver, .message = *message};
        rpc_offload(seat->driver->control, tell_job, telling);
    } else if (seat->to > 0) {
        put(seat->to, message);
    }
}

/* The record, with the addresses of those who are there now. */
static struct message view_message(const struct brick_record *record)
{
    struct message message = {.kind = MESSAGE_VIEW,
                              .min_insync = record->min_insync,
                              .is_known = record->view->number > 0,
                              .view = *record->view};
    for (uint32_t i = 0; i < message.view.member_count; i++) {
        uint16_t port = record->seats[i].port;
        message.view.members[i].port = port != 0 ? port : message.view.members[i].port;
    }
    return message;
}

static void tell_all(struct brick_record *record)
{
    struct message message = view_message(record);
    for (uint32_t i = 0; i < SET_MEMBERS_MAX; i++) {
        tell(&record->seats[i], &message);
    }
}

/* Clients look at number and primary meanwhile; set is 0, and stays. */
static void store_view(struct brick_record *record, const struct view *view, uint64_t number)
{
    struct view *own = record->view;
    for (uint32_t i = 0; i < view->member_count; i++) {
        own->members[i] = view->members[i];
    }
    own->renewals = view->renewals;
    own->volatile_epoch = view->volatile_epoch;
    own->previous_end = view->previous_end;
    own->member_count = view->member_count;
    __atomic_store_n(&own->primary, view->primary, __ATOMIC_SEQ_CST);
    __atomic_store_n(&own->number, number, __ATOMIC_SEQ_CST);
}

/* ---- what bricks ask --------------------------------------------------------------------------
 */

/* Take a brick's question, and tell it the answer. */
static void serve(struct brick_seat *seat, const struct message *question)
{
    struct brick_record *record = seat->record;
    AUTO_LOCK(&record->mutex);
    struct message answer = {.kind = question->kind == MESSAGE_PROPOSE ? MESSAGE_PROPOSED
                                                                       : MESSAGE_READ,
                             .serial = question->serial,
                             .min_insync = record->min_insync,
                             .status = -EIO};
    if (question->kind == MESSAGE_PROPOSE) {
        atomic_fetch_add(&record->proposals, 1);
    }
    if (record->is_down) {
        tell(seat, &answer);
        return;
    }
    answer.status = 0;
    if (question->kind == MESSAGE_PROPOSE) {
        bool matches = question->number == record->view->number &&
                       question->renewals == record->view->renewals;
        answer.status = matches ? 0 : -E_VERSION_CONFLICT;
        if (matches) {
            atomic_fetch_add(&record->taken, 1);
            store_view(record, &question->view, question->view.number);
            tell_all(record);
        }
    }
    answer.is_known = true;
    answer.view = *record->view;
    tell(seat, &answer);
}

static void propose(void *context, uint64_t serial, const struct view *current,
                    const struct view *next)
{
    const struct message question = {.kind = MESSAGE_PROPOSE,
                                     .serial = serial,
                                     .number = current->number,
                                     .renewals = current->renewals,
                                     .view = *next};
    serve(context, &question);
}

static void read_record(void *context)
{
    const struct message question = {.kind = MESSAGE_READ};
    serve(context, &question);
}

static void *read_pipe(void *context)
{
    struct brick_seat *seat = context;
    struct message *question = malloc(sizeof *question);
    INVARIANT(question);
    while (take(seat->from, question)) {
        serve(seat, question);
    }
    free(question);
    return NULL;
}

/* ---- seats ------------------------------------------------------------------------------------
 */

void brick_record_init(struct brick_record *record, struct view *view, uint32_t min_insync)
{
    *record = (struct brick_record){.view = view, .min_insync = min_insync};
    pthread_mutex_init(&record->mutex, NULL);
    for (uint32_t i = 0; i < SET_MEMBERS_MAX; i++) {
        record->seats[i] = (struct brick_seat){.record = record, .brick = i};
    }
}

void brick_record_release(struct brick_record *record)
{
    pthread_mutex_destroy(&record->mutex);
}

void brick_record_set_down(struct brick_record *record, bool is_down)
{
    AUTO_LOCK(&record->mutex);
    record->is_down = is_down;
}

void brick_seat_take(struct brick_record *record, uint32_t brick, struct replica_driver *driver,
                     uint16_t port)
{
    struct brick_seat *seat = &record->seats[brick];
    AUTO_LOCK(&record->mutex);
    seat->port = port;
    driver->record =
        (struct replica_record){.propose = propose, .read = read_record, .context = seat};
    seat->driver = driver;
    struct message message = view_message(record);
    if (message.is_known) {
        tell(seat, &message);
    }
}

void brick_seat_leave(struct brick_record *record, uint32_t brick)
{
    AUTO_LOCK(&record->mutex);
    record->seats[brick].driver = NULL;
    record->seats[brick].port = 0;
}

void brick_seat_take_pipes(struct brick_record *record, uint32_t brick, int to, int from,
                           uint16_t port)
{
    struct brick_seat *seat = &record->seats[brick];
    (void)fcntl(to, F_SETPIPE_SZ, PIPE_SIZE);
    AUTO_LOCK(&record->mutex);
    seat->to = to;
    seat->from = from;
    seat->port = port;
    INVARIANT(pthread_create(&seat->reader, NULL, read_pipe, seat) == 0);
    struct message message = view_message(record);
    if (message.is_known) {
        tell(seat, &message);
    }
}

void brick_seat_leave_pipes(struct brick_record *record, uint32_t brick)
{
    struct brick_seat *seat = &record->seats[brick];
    {
        AUTO_LOCK(&record->mutex);
        (void)close(seat->to);
        seat->to = 0;
        seat->port = 0;
    }
    pthread_join(seat->reader, NULL); /* its process closes the other pipe when it ends */
    (void)close(seat->from);
    seat->from = 0;
}

/* ---- in a process of its own -------------------------------------------------------------------
 */

static pthread_mutex_t output_mutex = PTHREAD_MUTEX_INITIALIZER; /* rank 9 */

static void ask_propose(void *context, uint64_t serial, const struct view *current,
                        const struct view *next)
{
    (void)context;
    const struct message question = {.kind = MESSAGE_PROPOSE,
                                     .serial = serial,
                                     .number = current->number,
                                     .renewals = current->renewals,
                                     .view = *next};
    AUTO_LOCK(&output_mutex);
    put(STDOUT_FILENO, &question);
}

static void ask_read(void *context)
{
    (void)context;
    const struct message question = {.kind = MESSAGE_READ};
    AUTO_LOCK(&output_mutex);
    put(STDOUT_FILENO, &question);
}

void brick_record_attach(struct replica_driver *driver)
{
    driver->record = (struct replica_record){.propose = ask_propose, .read = ask_read};
}

void brick_record_serve(struct replica_driver *driver)
{
    static struct message message;
    while (take(STDIN_FILENO, &message)) {
        tell_driver(driver, &message);
    }
}

/* ---- what happens to the set ------------------------------------------------------------------
 */

void brick_record_force(struct brick_record *record, const struct view *view)
{
    AUTO_LOCK(&record->mutex);
    store_view(record, view, record->view->number + 1);
    tell_all(record);
}

void brick_record_death(struct brick_record *record, uint32_t brick, uint64_t incarnation)
{
    AUTO_LOCK(&record->mutex);
    struct message message = {.kind = MESSAGE_DEATH,
                              .min_insync = record->min_insync,
                              .brick = brick,
                              .incarnation = incarnation};
    for (uint32_t i = 0; i < SET_MEMBERS_MAX; i++) {
        if (i != brick && !record->is_down) {
            tell(&record->seats[i], &message);
        }
    }
}

void brick_record_get(struct brick_record *record, struct view *out_view)
{
    AUTO_LOCK(&record->mutex);
    *out_view = *record->view;
}
