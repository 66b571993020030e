/*
 * The clients of brick_set.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/random.h"
#include "backend/base/scope.h"
#include "tests/lib/brick_set.h"
#include "tests/lib/store_fixture.h"

static const xdrproc_t encoders[] = {
    [BRICK_GETATTR] = (xdrproc_t)xdr_brick_getattr_args,
    [BRICK_RENEW] = (xdrproc_t)xdr_brick_renew_args,
    [BRICK_SETATTR] = (xdrproc_t)xdr_brick_setattr_args,
    [BRICK_ACCESS] = (xdrproc_t)xdr_brick_access_args,
    [BRICK_LOOKUP] = (xdrproc_t)xdr_brick_name_args,
    [BRICK_READLINK] = (xdrproc_t)xdr_brick_getattr_args,
    [BRICK_READ] = (xdrproc_t)xdr_brick_read_args,
    [BRICK_WRITE] = (xdrproc_t)xdr_brick_write_args,
    [BRICK_COMMIT] = (xdrproc_t)xdr_brick_commit_args,
    [BRICK_CREATE] = (xdrproc_t)xdr_brick_make_args,
    [BRICK_MKDIR] = (xdrproc_t)xdr_brick_make_args,
    [BRICK_SYMLINK] = (xdrproc_t)xdr_brick_make_args,
    [BRICK_MKNOD] = (xdrproc_t)xdr_brick_make_args,
    [BRICK_LINK] = (xdrproc_t)xdr_brick_link_args,
    [BRICK_REMOVE] = (xdrproc_t)xdr_brick_remove_args,
    [BRICK_RMDIR] = (xdrproc_t)xdr_brick_remove_args,
    [BRICK_RENAME] = (xdrproc_t)xdr_brick_rename_args,
    [BRICK_READDIR] = (xdrproc_t)xdr_brick_readdir_args,
    [BRICK_STATFS] = (xdrproc_t)xdr_brick_statfs_args,
    [BRICK_TMPFILE] = (xdrproc_t)xdr_brick_make_args,
    [BRICK_FORGET] = (xdrproc_t)xdr_brick_forget_args,
    [BRICK_GETXATTR] = (xdrproc_t)xdr_brick_getxattr_args,
    [BRICK_LISTXATTR] = (xdrproc_t)xdr_brick_getxattr_args,
    [BRICK_SETXATTR] = (xdrproc_t)xdr_brick_setxattr_args,
    [BRICK_REMOVEXATTR] = (xdrproc_t)xdr_brick_setxattr_args,
    [BRICK_ALLOCATE] = (xdrproc_t)xdr_brick_allocate_args,
    [BRICK_SEEK] = (xdrproc_t)xdr_brick_seek_args,
    [BRICK_COPY] = (xdrproc_t)xdr_brick_copy_args,
};

/* ---- recalls ----------------------------------------------------------------------------------
 */

static void answer_recall(struct rpc_call *call)
{
    int done = 0;
    rpc_call_reply(call, (xdrproc_t)(void (*)(void))xdr_int, &done, NULL);
}

static void recall_called(struct rpc_call *call, void *context)
{
    struct test_client *client = context;
    struct recall_args args = {0};
    if (rpc_call_decode(call, (xdrproc_t)xdr_recall_args, &args, NULL) < 0) {
        rpc_call_garbage(call);
        return;
    }
    if (client->recalled) {
        client->recalled(client->recalled_context, &args);
    }
    enum recall_mode mode;
    {
        AUTO_LOCK(&client->mutex);
        mode = client->recall_mode;
        client->recalls++;
        client->last_recall = args;
        (void)snprintf(client->last_name, sizeof client->last_name, "%s", args.name);
        client->last_recall.name = client->last_name;
        if (mode == RECALL_KEEP_CALLS) {
            INVARIANT(client->kept_count < sizeof client->kept / sizeof client->kept[0]);
            client->kept[client->kept_count++] = call;
        }
        pthread_cond_broadcast(&client->changed);
    }
    xdr_free((xdrproc_t)xdr_recall_args, (char *)&args);
    if (mode == RECALL_ANSWER) {
        answer_recall(call);
    } else if (mode == RECALL_KEEP_SILENT) {
        rpc_call_drop(call);
    }
}

static const struct rpc_procedure recall_procedures[] = {[RECALL] = {"RECALL", recall_called}};

void client_answer_recalls(struct test_client *client)
{
    struct rpc_call *kept[16];
    unsigned count;
    {
        AUTO_LOCK(&client->mutex);
        count = client->kept_count;
        memcpy(kept, client->kept, sizeof kept);
        client->kept_count = 0;
        client->recall_mode = RECALL_ANSWER;
    }
    for (unsigned i = 0; i < count; i++) {
        answer_recall(kept[i]);
    }
}

static bool changed_within(struct test_client *client, uint64_t end_ns)
{
    struct timespec end = {.tv_sec = (time_t)(end_ns / NS_PER_S),
                           .tv_nsec = (long)(end_ns % NS_PER_S)};
    return pthread_cond_clockwait(&client->changed, &client->mutex, CLOCK_MONOTONIC, &end) == 0;
}

static uint64_t monotonic_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

bool client_wait_recalls(struct test_client *client, unsigned count)
{
    uint64_t end = monotonic_ns() + BRICK_SET_WAIT_MS * NS_PER_MS;
    AUTO_LOCK(&client->mutex);
    while (client->recalls < count) {
        if (!changed_within(client, end)) {
            break;
        }
    }
    return client->recalls >= count;
}

/* ---- connections ------------------------------------------------------------------------------
 */

static void connection_closed(struct rpc_connection *connection, void *context)
{
    (void)connection;
    struct test_client *client = context;
    AUTO_LOCK(&client->mutex);
    client->is_closed = true;
    pthread_cond_broadcast(&client->changed);
}

void client_dial(struct test_client *client, struct brick_set *set, unsigned member)
{
    *client = (struct test_client){.set = set, .id = random_id(), .cred = {.flags = CRED_CHECKED}};
    pthread_mutex_init(&client->mutex, NULL);
    pthread_cond_init(&client->changed, NULL);
    client->program = (struct rpc_program){
        .program = TRIVET_RECALL,
        .version = TRIVET_RECALL_V1,
        .procedures = recall_procedures,
        .procedure_count = sizeof recall_procedures / sizeof recall_procedures[0],
        .context = client,
    };
    client->programs[0] = &client->program;
    client->service = (struct rpc_service){
        .programs = client->programs,
        .program_count = 1,
        .closed = connection_closed,
        .context = client,
    };
    int status = rpc_dial_tcp(set->client_loop, "127.0.0.1", set->members[member].port,
                              &client->service, &client->connection);
    INVARIANT(status == 0);
}

int client_hello(struct test_client *client, const struct brick_hello *hello,
                 struct brick_hello_reply *out_reply)
{
    struct rpc_call_request request = {
        .program = TRIVET_BRICK,
        .version = TRIVET_BRICK_V1,
        .procedure = BRICK_HELLO,
        .encode = (xdrproc_t)xdr_brick_hello,
        .arguments = hello,
        .timeout_ms = BRICK_SET_WAIT_MS,
    };
    return rpc_call_wait(client->connection, &request, (xdrproc_t)xdr_brick_hello_reply, out_reply);
}

int test_client_open(struct test_client *client, struct brick_set *set, unsigned member,
                bool wants_grants)
{
    client_dial(client, set, member);
    struct store_identity identity = test_identity(member);
    struct brick_hello hello = {.level = PROTOCOL_LEVEL,
                                .volume = identity.volume,
                                .client = client->id,
                                .wants_grants = wants_grants,
                                .name = (char *)(uintptr_t) "test"};
    AUTO_FREE struct brick_hello_reply *reply = calloc(1, sizeof *reply);
    INVARIANT(reply);
    int status = client_hello(client, &hello, reply);
    return status < 0 ? status : reply->status;
}

void test_client_close(struct test_client *client)
{
    client_answer_recalls(client);
    rpc_connection_close(client->connection);
    {
        AUTO_LOCK(&client->mutex);
        while (!client->is_closed) {
            pthread_cond_wait(&client->changed, &client->mutex);
        }
    }
    rpc_connection_put(client->connection);
    pthread_mutex_destroy(&client->mutex);
    pthread_cond_destroy(&client->changed);
}

struct op_id client_op_id(struct test_client *client)
{
    AUTO_LOCK(&client->mutex);
    uint32_t slot = client->next_slot++ % SESSION_SLOTS;
    return (struct op_id){.kind = OP_ID_SESSION,
                          .slot = slot,
                          .client = client->id,
                          .sequence = ++client->sequences[slot]};
}

brick_target client_target(const struct test_client *client)
{
    return (brick_target){.set = client->set->view.set,
                          .view = __atomic_load_n(&client->set->view.number, __ATOMIC_SEQ_CST)};
}

/* ---- calls ------------------------------------------------------------------------------------
 */

static void answered(struct rpc_reply *reply, void *context)
{
    struct answer *answer = context;
    struct test_client *client = answer->client;
    struct slice rest, bulk;
    struct reply decoded = {0};
    uint8_t *data = NULL;
    int status = rpc_reply_decode(reply, (xdrproc_t)xdr_reply, &decoded, &rest);
    if (status == 0) {
        status = rpc_bulk(rest, &bulk);
    }
    if (status == 0) {
        data = malloc(bulk.size + 1);
        INVARIANT(data);
        memcpy(data, bulk.size ? (const void *)bulk.data : "", bulk.size);
        decoded.data = slice_of(data, bulk.size);
    }
    AUTO_LOCK(&client->mutex);
    answer->status = status;
    answer->reply = decoded;
    answer->data = data;
    answer->done_ns = test_now_ns();
    answer->is_done = true;
    pthread_cond_broadcast(&client->changed);
}

void client_send(struct test_client *client, uint32_t procedure, const void *arguments,
                 const struct slice *bulk, struct answer *answer)
{
    *answer = (struct answer){.client = client};
    struct rpc_call_request request = {
        .program = TRIVET_BRICK,
        .version = TRIVET_BRICK_V1,
        .procedure = procedure,
        .encode = encoders[procedure],
        .arguments = arguments,
        .bulk = bulk,
        .callback = answered,
        .context = answer,
    };
    int status = rpc_call_start(client->connection, &request);
    INVARIANT(status == 0);
}

bool answer_wait_ms(struct answer *answer, unsigned ms)
{
    struct test_client *client = answer->client;
    uint64_t end = monotonic_ns() + ms * NS_PER_MS;
    AUTO_LOCK(&client->mutex);
    while (!answer->is_done) {
        if (!changed_within(client, end)) {
            break;
        }
    }
    return answer->is_done;
}

int answer_wait(struct answer *answer)
{
    if (!answer_wait_ms(answer, BRICK_SET_WAIT_MS)) {
        return -ETIMEDOUT;
    }
    return answer->status < 0 ? answer->status : answer->reply.status;
}

void answer_release(struct answer *answer)
{
    free(answer->data);
    answer->data = NULL;
}

int client_call(struct test_client *client, uint32_t procedure, const void *arguments,
                const struct slice *bulk, struct reply *out_reply)
{
    struct answer *answer = malloc(sizeof *answer);
    INVARIANT(answer);
    client_send(client, procedure, arguments, bulk, answer);
    int status = answer_wait(answer);
    if (status == -ETIMEDOUT && !answer->is_done) {
        (void)fprintf(stderr, "no answer to procedure %u\n", procedure);
        abort(); /* the answer may still come, to memory that is gone */
    }
    if (out_reply) {
        *out_reply = answer->reply;
        out_reply->data = slice_of(NULL, 0);
    }
    answer_release(answer);
    free(answer);
    return status;
}

/* ---- arguments ---------------------------------------------------------------------------------
 */

static char *text(const char *name)
{
    return (char *)(uintptr_t)name; /* XDR's structs have no const */
}

brick_getattr_args args_object(struct test_client *client, struct gfid object)
{
    return (brick_getattr_args){
        .target = client_target(client), .cred = client->cred, .object = object};
}

brick_name_args args_name(struct test_client *client, struct gfid parent, const char *name)
{
    return (brick_name_args){.target = client_target(client),
                             .cred = client->cred,
                             .parent = parent,
                             .name = text(name)};
}

brick_read_args args_read(struct test_client *client, struct gfid object, uint64_t offset,
                          uint32_t count)
{
    return (brick_read_args){.target = client_target(client),
                             .cred = client->cred,
                             .object = object,
                             .offset = offset,
                             .count = count};
}

brick_write_args args_write(struct test_client *client, struct gfid object, uint64_t offset)
{
    return (brick_write_args){.target = client_target(client),
                              .cred = client->cred,
                              .id = client_op_id(client),
                              .object = object,
                              .offset = offset};
}

brick_make_args args_make(struct test_client *client, struct gfid parent, const char *name,
                          uint32_t type)
{
    return (brick_make_args){
        .target = client_target(client),
        .cred = client->cred,
        .id = client_op_id(client),
        .parent = parent,
        .name = text(name),
        .type = type,
        .how = CREATE_GUARDED,
        .change = {.mask = ATTR_MODE, .mode = type == OBJECT_DIRECTORY ? 0755 : 0644},
        .symlink_target = text(type == OBJECT_SYMLINK ? "the/target" : ""),
    };
}

brick_setattr_args args_setattr(struct test_client *client, struct gfid object,
                                struct attr_change change)
{
    return (brick_setattr_args){.target = client_target(client),
                                .cred = client->cred,
                                .id = client_op_id(client),
                                .object = object,
                                .change = change};
}

brick_remove_args args_remove(struct test_client *client, struct gfid parent, const char *name)
{
    return (brick_remove_args){.target = client_target(client),
                               .cred = client->cred,
                               .id = client_op_id(client),
                               .parent = parent,
                               .name = text(name)};
}

brick_rename_args args_rename(struct test_client *client, struct gfid parent, const char *name,
                              struct gfid parent2, const char *name2)
{
    return (brick_rename_args){.target = client_target(client),
                               .cred = client->cred,
                               .id = client_op_id(client),
                               .parent = parent,
                               .name = text(name),
                               .parent2 = parent2,
                               .name2 = text(name2)};
}

brick_link_args args_link(struct test_client *client, struct gfid object, struct gfid parent,
                          const char *name)
{
    return (brick_link_args){.target = client_target(client),
                             .cred = client->cred,
                             .id = client_op_id(client),
                             .object = object,
                             .parent = parent,
                             .name = text(name)};
}

brick_readdir_args args_readdir(struct test_client *client, struct gfid directory)
{
    return (brick_readdir_args){.target = client_target(client),
                                .cred = client->cred,
                                .object = directory,
                                .size = 65536,
                                .with_attr = true};
}

brick_commit_args args_commit(struct test_client *client, struct gfid object)
{
    return (brick_commit_args){
        .target = client_target(client), .cred = client->cred, .object = object};
}

struct gfid client_make(struct test_client *client, struct gfid parent, const char *name,
                        uint32_t type)
{
    static const uint32_t procedures[] = {[OBJECT_FILE] = BRICK_CREATE,
                                          [OBJECT_DIRECTORY] = BRICK_MKDIR,
                                          [OBJECT_SYMLINK] = BRICK_SYMLINK,
                                          [OBJECT_FIFO] = BRICK_MKNOD};
    struct brick_make_args args = args_make(client, parent, name, type);
    struct reply reply;
    int status = client_call(client, procedures[type], &args, NULL, &reply);
    if (status < 0) {
        (void)fprintf(stderr, "make %s: %s\n", name, error_text(status));
    }
    INVARIANT(status == 0);
    return reply.object.gfid;
}

int client_write(struct test_client *client, struct gfid object, uint64_t offset, const char *bytes)
{
    struct brick_write_args args = args_write(client, object, offset);
    struct slice bulk = slice_text(bytes);
    return client_call(client, BRICK_WRITE, &args, &bulk, NULL);
}
