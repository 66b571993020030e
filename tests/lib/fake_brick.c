/*
 * A volume's other side; see the header.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/lib/fake_brick.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "backend/base/errors.h"
#include "backend/base/scope.h"

#define PROCEDURES (BRICK_RENEW + 1)
#define WAIT_S 10

static void must(int status, const char *what)
{
    if (status) {
        (void)fprintf(stderr, "fake brick: %s: %s\n", what, error_text(status));
        exit(2);
    }
}

static void send_reply(struct fake *fake, struct rpc_call *call, xdrproc_t encode,
                       const void *reply)
{
    void (*send)(struct rpc_call *, xdrproc_t, const void *);
    {
        AUTO_LOCK(&fake->lock);
        send = fake->send;
    }
    if (send) {
        send(call, encode, reply);
    } else {
        rpc_call_reply(call, encode, reply, NULL);
    }
}

/* ---- management ------------------------------------------------------------------------------ */

static void answer_volume(struct fake *fake, struct rpc_call *call)
{
    struct mgmt_volume_reply reply = {0};
    {
        AUTO_LOCK(&fake->lock);
        reply.status = fake->volume_status;
        reply.spec = fake->spec;
    }
    send_reply(fake, call, (xdrproc_t)xdr_mgmt_volume_reply, &reply);
}

/* Wait for news, if that is what was asked for. With the lock held. */
static bool wait_for_news(struct fake_management *management, struct rpc_call *call,
                          const struct mgmt_volume_args *arguments)
{
    struct fake *fake = management->fake;
    bool waits = fake->volume_status == 0 && arguments->wait_ms &&
                 arguments->known_view >= fake->spec.view.number && fake->waiting_count < 64;
    if (waits) {
        fake->waiting[fake->waiting_count++] =
            (struct fake_waiter){.call = call, .management = management};
    }
    return waits;
}

static void handle_volume(struct rpc_call *call, void *context)
{
    struct fake_management *management = context;
    struct fake *fake = management->fake;
    struct mgmt_volume_args arguments = {0};
    if (rpc_call_decode(call, (xdrproc_t)xdr_mgmt_volume_args, &arguments, NULL)) {
        rpc_call_garbage(call);
        return;
    }
    bool waits = false;
    bool is_silent;
    {
        AUTO_LOCK(&fake->lock);
        management->asked++;
        is_silent = fake->is_stopping || management->is_frozen;
        waits = !is_silent && wait_for_news(management, call, &arguments);
        pthread_cond_broadcast(&fake->changed);
    }
    xdr_free((xdrproc_t)xdr_mgmt_volume_args, (char *)&arguments);
    if (is_silent) {
        rpc_call_drop(call);
    } else if (!waits) {
        answer_volume(fake, call);
    }
}

void fake_next_view(struct fake *fake, unsigned brick)
{
    struct rpc_call *calls[64];
    size_t count = 0, left = 0;
    {
        AUTO_LOCK(&fake->lock);
        fake->spec.view.number++;
        fake->spec.view.primary = brick;
        for (size_t i = 0; i < fake->waiting_count; i++) {
            if (fake->waiting[i].management->is_frozen) {
                fake->waiting[left++] = fake->waiting[i];
            } else {
                calls[count++] = fake->waiting[i].call;
            }
        }
        fake->waiting_count = left;
    }
    for (size_t i = 0; i < count; i++) {
        answer_volume(fake, calls[i]);
    }
}

void fake_freeze_management(struct fake *fake, unsigned number, bool is_frozen)
{
    AUTO_LOCK(&fake->lock);
    fake->managements[number].is_frozen = is_frozen;
}

unsigned fake_asked(struct fake *fake, unsigned number)
{
    AUTO_LOCK(&fake->lock);
    return fake->managements[number].asked;
}

void fake_set_status(struct fake *fake, int volume_status, int hello_status)
{
    AUTO_LOCK(&fake->lock);
    fake->volume_status = volume_status;
    fake->hello_status = hello_status;
}

void fake_set_renew_status(struct fake *fake, int status)
{
    AUTO_LOCK(&fake->lock);
    fake->renew_status = status;
}

void fake_set_port(struct fake *fake, unsigned brick, uint16_t port)
{
    AUTO_LOCK(&fake->lock);
    fake->spec.view.members[brick].port = port;
}

/* ---- bricks ---------------------------------------------------------------------------------- */

static void handle_hello(struct rpc_call *call, void *context)
{
    struct fake_brick *brick = context;
    struct fake *fake = brick->fake;
    struct brick_hello hello = {0};
    if (rpc_call_decode(call, (xdrproc_t)xdr_brick_hello, &hello, NULL)) {
        rpc_call_garbage(call);
        return;
    }
    struct brick_hello_reply reply = {0};
    struct rpc_connection *old;
    {
        AUTO_LOCK(&fake->lock);
        (void)snprintf(brick->hello_name, sizeof(brick->hello_name), "%s", hello.name);
        free(hello.name);
        brick->hello = hello;
        brick->hello.name = brick->hello_name;
        brick->hellos++;
        old = brick->connection;
        brick->connection = rpc_connection_get(rpc_call_connection(call));
        reply.status = fake->hello_status;
        reply.view = fake->spec.view;
        reply.slots = fake->slots;
        pthread_cond_broadcast(&fake->changed);
    }
    if (old) {
        rpc_connection_put(old);
    }
    send_reply(fake, call, (xdrproc_t)xdr_brick_hello_reply, &reply);
}

static bool is_mutation(uint32_t procedure)
{
    switch (procedure) {
    case BRICK_SETATTR:
    case BRICK_WRITE:
    case BRICK_CREATE:
    case BRICK_MKDIR:
    case BRICK_SYMLINK:
    case BRICK_MKNOD:
    case BRICK_LINK:
    case BRICK_REMOVE:
    case BRICK_RMDIR:
    case BRICK_RENAME:
        return true;
    default:
        return false;
    }
}

static bool_t decode_head(XDR *xdrs, struct brick_getattr_args *head, bool has_id, struct op_id *id)
{
    bool is_statfs = head->target.set == UINT32_MAX; /* it has no credentials */
    return xdr_brick_target(xdrs, &head->target) && (is_statfs || xdr_cred(xdrs, &head->cred)) &&
           (!has_id || xdr_op_id(xdrs, id));
}

/* Target, credentials and id begin the arguments of every operation. */
static void note_call(struct fake_brick *brick, struct rpc_call *call, struct fake_call *out_call)
{
    struct slice bytes = rpc_call_arguments(call);
    uint32_t procedure = rpc_call_procedure(call);
    struct brick_getattr_args head = {.target.set = procedure == BRICK_STATFS ? UINT32_MAX : 0};
    *out_call = (struct fake_call){
        .brick = brick->number, .procedure = procedure, .connection = rpc_call_connection(call)};
    XDR xdrs;
    xdrmem_create(&xdrs, (char *)(uintptr_t)bytes.data, (u_int)bytes.size, XDR_DECODE);
    if (decode_head(&xdrs, &head, is_mutation(procedure), &out_call->id)) {
        out_call->target = head.target;
    }
    xdr_destroy(&xdrs);
}

static void handle_op(struct rpc_call *call, void *context)
{
    struct fake_brick *brick = context;
    struct fake *fake = brick->fake;
    struct fake_call noted;
    note_call(brick, call, &noted);
    bool is_frozen;
    void (*answer)(struct fake *, struct rpc_call *, size_t);
    size_t number;
    {
        AUTO_LOCK(&fake->lock);
        number = fake->call_count < FAKE_CALLS_MAX ? fake->call_count++ : FAKE_CALLS_MAX - 1;
        fake->calls[number] = noted;
        answer = fake->answer;
        is_frozen = brick->is_frozen;
    }
    if (is_frozen) {
        rpc_call_drop(call);
    } else {
        answer(fake, call, number);
    }
    AUTO_LOCK(&fake->lock);
    pthread_cond_broadcast(&fake->changed);
}

/* Not among the calls: when they come is the client's own affair. */
static void handle_renew(struct rpc_call *call, void *context)
{
    struct fake_brick *brick = context;
    struct fake *fake = brick->fake;
    int status;
    bool is_frozen;
    {
        AUTO_LOCK(&fake->lock);
        brick->renewals++;
        is_frozen = brick->is_frozen || fake->is_stopping;
        status = fake->renew_status;
        pthread_cond_broadcast(&fake->changed);
    }
    if (is_frozen) {
        rpc_call_drop(call);
    } else {
        fake_answer_status(call, status);
    }
}

void fake_freeze(struct fake *fake, unsigned brick, bool is_frozen)
{
    AUTO_LOCK(&fake->lock);
    fake->bricks[brick].is_frozen = is_frozen;
}

unsigned fake_renewals(struct fake *fake, unsigned brick)
{
    AUTO_LOCK(&fake->lock);
    return fake->bricks[brick].renewals;
}

static const struct rpc_procedure management_procedures[] = {
    [MGMT_VOLUME] = {.name = "VOLUME", .handler = handle_volume},
};

static const struct rpc_procedure brick_procedures[PROCEDURES] = {
    [BRICK_HELLO] = {.name = "HELLO", .handler = handle_hello},
    [BRICK_GETATTR... BRICK_STATFS] = {.name = "op", .handler = handle_op},
    [BRICK_RENEW] = {.name = "RENEW", .handler = handle_renew},
};

/* ---- answers --------------------------------------------------------------------------------- */

void fake_reply_of(uint32_t procedure, struct reply *out_reply)
{
    *out_reply = (struct reply){
        .view = 1,
        .object = {.type = OBJECT_FILE, .mode = 0644, .nlink = 1, .gfid = gfid_make(0, 1, 99)},
        .parent = {.type = OBJECT_DIRECTORY, .mode = 0755, .nlink = 2, .gfid = GFID_ROOT},
    };
    switch (procedure) {
    case BRICK_READ:
    case BRICK_WRITE:
        out_reply->count = 8;
        out_reply->committed = STABLE_FILE_SYNC;
        break;
    case BRICK_ACCESS:
        out_reply->count = RIGHT_READ;
        break;
    case BRICK_STATFS:
        out_reply->statfs = (struct statfs_info){.present = true, .bytes_total = 1 << 20};
        break;
    default:
        break;
    }
}

void fake_answer(struct fake *fake, struct rpc_call *call, size_t number)
{
    (void)fake;
    (void)number;
    uint32_t procedure = rpc_call_procedure(call);
    struct reply reply;
    fake_reply_of(procedure, &reply);
    struct slice data = slice_text("12345678");
    bool has_data = procedure == BRICK_READ || procedure == BRICK_READLINK;
    rpc_call_reply(call, (xdrproc_t)xdr_reply, &reply, has_data ? &data : NULL);
}

void fake_answer_status(struct rpc_call *call, int status)
{
    const struct reply reply = {.status = status, .view = 1};
    rpc_call_reply(call, (xdrproc_t)xdr_reply, &reply, NULL);
}

void fake_park(struct fake *fake, struct rpc_call *call, size_t number)
{
    {
        AUTO_LOCK(&fake->lock);
        if (!fake->is_stopping) {
            fake->calls[number].parked = call;
            return;
        }
    }
    rpc_call_drop(call);
}

void fake_release(struct fake *fake, size_t number, int status)
{
    struct rpc_call *call;
    {
        AUTO_LOCK(&fake->lock);
        call = TAKE(fake->calls[number].parked);
    }
    if (call && status) {
        fake_answer_status(call, status);
    } else if (call) {
        fake_answer(fake, call, number);
    }
}

void fake_release_all(struct fake *fake, int status)
{
    for (size_t i = 0; i < fake_call_count(fake); i++) {
        fake_release(fake, i, status);
    }
}

void fake_set_answer(struct fake *fake,
                     void (*answer)(struct fake *fake, struct rpc_call *call, size_t number))
{
    AUTO_LOCK(&fake->lock);
    fake->answer = answer;
}

/* ---- looking on ------------------------------------------------------------------------------ */

static bool wait_changed(struct fake *fake, const struct timespec *until)
{
    return pthread_cond_timedwait(&fake->changed, &fake->lock, until) == 0;
}

static struct timespec deadline(void)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until); /* cannot fail */
    until.tv_sec += WAIT_S;
    return until;
}

bool fake_wait_calls(struct fake *fake, size_t count)
{
    struct timespec until = deadline();
    AUTO_LOCK(&fake->lock);
    while (fake->call_count < count && wait_changed(fake, &until)) {
    }
    return fake->call_count >= count;
}

bool fake_wait_hellos(struct fake *fake, unsigned brick, unsigned count)
{
    struct timespec until = deadline();
    AUTO_LOCK(&fake->lock);
    while (fake->bricks[brick].hellos < count && wait_changed(fake, &until)) {
    }
    return fake->bricks[brick].hellos >= count;
}

size_t fake_call_count(struct fake *fake)
{
    AUTO_LOCK(&fake->lock);
    return fake->call_count;
}

struct fake_call fake_call_at(struct fake *fake, size_t number)
{
    AUTO_LOCK(&fake->lock);
    return fake->calls[number];
}

void fake_cut(struct fake *fake, unsigned brick)
{
    struct rpc_connection *connection;
    {
        AUTO_LOCK(&fake->lock);
        connection = TAKE(fake->bricks[brick].connection);
    }
    if (connection) {
        rpc_connection_close(connection);
        rpc_connection_put(connection);
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

static void start_management(struct fake *fake, unsigned number)
{
    struct fake_management *management = &fake->managements[number];
    management->fake = fake;
    management->program = (struct rpc_program){.program = TRIVET_MGMT,
                                               .version = TRIVET_MGMT_V1,
                                               .procedures = management_procedures,
                                               .procedure_count = MGMT_VOLUME + 1,
                                               .context = management};
    management->programs[0] = &management->program;
    management->service =
        (struct rpc_service){.programs = management->programs, .program_count = 1};
    must(rpc_listen_tcp(fake->loop, "127.0.0.1", 0, &management->service, &management->port),
         "listen");
}

static void start_brick(struct fake *fake, unsigned number)
{
    struct fake_brick *brick = &fake->bricks[number];
    brick->fake = fake;
    brick->number = number;
    brick->program = (struct rpc_program){.program = TRIVET_BRICK,
                                          .version = TRIVET_BRICK_V1,
                                          .procedures = brick_procedures,
                                          .procedure_count = PROCEDURES,
                                          .context = brick};
    brick->programs[0] = &brick->program;
    brick->service = (struct rpc_service){.programs = brick->programs, .program_count = 1};
    must(rpc_listen_tcp(fake->loop, "127.0.0.1", 0, &brick->service, &brick->port), "listen");
    struct view_member *member = &fake->spec.view.members[number];
    *member = (struct view_member){.brick = number,
                                   .state = MEMBER_IN_SYNC,
                                   .incarnation = 1,
                                   .host = "127.0.0.1",
                                   .port = brick->port,
                                   .path = "/brick"};
}

void fake_start(struct fake *fake)
{
    *fake = (struct fake){.lock = PTHREAD_MUTEX_INITIALIZER,
                          .changed = PTHREAD_COND_INITIALIZER,
                          .slots = SESSION_SLOTS,
                          .answer = fake_answer,
                          .spec = {.name = "gv0", .id = {{7}}, .started = true}};
    fake->spec.view.number = 1;
    fake->spec.view.member_count = FAKE_BRICKS;
    must(rpc_loop_new(1, 0, &fake->loop), "loop");
    for (unsigned i = 0; i < FAKE_MANAGEMENTS; i++) {
        start_management(fake, i);
    }
    fake->port = fake->managements[0].port;
    for (unsigned i = 0; i < FAKE_BRICKS; i++) {
        start_brick(fake, i);
    }
    must(rpc_loop_start(fake->loop), "start");
}

void fake_stop(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    fake->is_stopping = true; /* from here on nobody else waits or is parked */
    pthread_mutex_unlock(&fake->lock);
    for (size_t i = 0; i < fake->waiting_count; i++) {
        rpc_call_drop(fake->waiting[i].call);
    }
    for (size_t i = 0; i < fake_call_count(fake); i++) {
        struct rpc_call *parked = fake_call_at(fake, i).parked;
        if (parked) {
            rpc_call_drop(parked);
        }
    }
    for (unsigned i = 0; i < FAKE_BRICKS; i++) {
        fake_cut(fake, i);
    }
    rpc_loop_stop(fake->loop);
    rpc_loop_free(fake->loop);
    pthread_cond_destroy(&fake->changed);
    pthread_mutex_destroy(&fake->lock);
}
