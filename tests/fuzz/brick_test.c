/*
 * Bad input for the two programs that a brick serves over real connections: arguments that are
 * random, cut off at every word, or good ones with bits flipped, for every procedure and some that
 * do not exist, before and after HELLO. The process lives, and answers a good call after each
 * round. SEED in the environment repeats a run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/random.h"
#include "backend/base/scope.h"
#include "backend/proto/replica.h"
#include "tests/lib/brick_set.h"
#include "tests/lib/store_fixture.h"

#define BODY_MAX 4096
#define ROUNDS 60

static struct brick_set set;
static struct random_sequence random_state;

static uint64_t below(uint64_t bound)
{
    return random_sequence_below(&random_state, bound);
}

/* ---- raw calls
 * ------------------------------------------------------------------------------------- */

struct raw {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned waiting;
};

static struct raw raw;

static bool_t xdr_raw(XDR *xdrs, const struct slice *body)
{
    /* The layer above pads to words as XDR does; what is cut off within one is padded too. */
    return xdr_opaque(xdrs, (char *)(uintptr_t)body->data, (u_int)body->size);
}

static void raw_answered(struct rpc_reply *reply, void *context)
{
    (void)reply;
    (void)context;
    AUTO_LOCK(&raw.mutex);
    raw.waiting--;
    pthread_cond_broadcast(&raw.changed);
}

static void raw_send(struct rpc_connection *connection, uint32_t program, uint32_t procedure,
                     struct slice body)
{
    struct rpc_call_request request = {
        .program = program,
        .version = 1,
        .procedure = procedure,
        .encode = (xdrproc_t)xdr_raw,
        .arguments = &body,
        .timeout_ms = BRICK_SET_WAIT_MS,
        .callback = raw_answered,
    };
    {
        AUTO_LOCK(&raw.mutex);
        raw.waiting++;
    }
    if (rpc_call_start(connection, &request) < 0) {
        AUTO_LOCK(&raw.mutex);
        raw.waiting--;
    }
}

static void raw_wait(void)
{
    AUTO_LOCK(&raw.mutex);
    while (raw.waiting > 0) { /* ends: every call has a time-out */
        pthread_cond_wait(&raw.changed, &raw.mutex);
    }
}

/* ---- good bodies
 * -------------------------------------------------------------------------------------- */

static size_t encode(xdrproc_t xdr, void *args, uint8_t body[BODY_MAX])
{
    XDR stream;
    xdrmem_create(&stream, (char *)body, BODY_MAX, XDR_ENCODE);
    CU_ASSERT_FATAL(xdr(&stream, args));
    return xdr_getpos(&stream);
}

static size_t put_bulk(uint8_t *body, size_t at, struct slice bulk)
{
    const uint8_t size[4] = {0, 0, (uint8_t)(bulk.size >> 8), (uint8_t)bulk.size};
    memcpy(body + at, size, 4);
    memset(body + at + 4, 0, (bulk.size + 3) & ~(size_t)3);
    memcpy(body + at + 4, bulk.data, bulk.size);
    return at + 4 + ((bulk.size + 3) & ~(size_t)3);
}

static struct gfid known; /* a file */

static size_t good_brick(struct test_client *client, uint32_t procedure, uint8_t body[BODY_MAX])
{
    static const uint32_t types[] = {[BRICK_CREATE] = OBJECT_FILE,
                                     [BRICK_MKDIR] = OBJECT_DIRECTORY,
                                     [BRICK_SYMLINK] = OBJECT_SYMLINK,
                                     [BRICK_MKNOD] = OBJECT_FIFO};
    char name[32];
    (void)snprintf(name, sizeof name, "n%u", (unsigned)below(20));
    switch (procedure) {
    case BRICK_HELLO: {
        struct brick_hello hello = {.level = PROTOCOL_LEVEL,
                                    .volume = test_identity(0).volume,
                                    .client = 1 + below(5),
                                    .wants_grants = below(2) == 1,
                                    .name = name};
        return encode((xdrproc_t)xdr_brick_hello, &hello, body);
    }
    case BRICK_SETATTR: {
        brick_setattr_args args =
            args_setattr(client, known, (struct attr_change){.mask = ATTR_MODE, .mode = 0600});
        return encode((xdrproc_t)xdr_brick_setattr_args, &args, body);
    }
    case BRICK_LOOKUP: {
        brick_name_args args = args_name(client, GFID_ROOT, name);
        return encode((xdrproc_t)xdr_brick_name_args, &args, body);
    }
    case BRICK_READ: {
        brick_read_args args = args_read(client, known, below(100), 100);
        return encode((xdrproc_t)xdr_brick_read_args, &args, body);
    }
    case BRICK_WRITE: {
        brick_write_args args = args_write(client, known, below(100));
        size_t size = encode((xdrproc_t)xdr_brick_write_args, &args, body);
        return put_bulk(body, size, slice_text("some bytes"));
    }
    case BRICK_COMMIT: {
        brick_commit_args args = args_commit(client, known);
        return encode((xdrproc_t)xdr_brick_commit_args, &args, body);
    }
    case BRICK_CREATE:
    case BRICK_MKDIR:
    case BRICK_SYMLINK:
    case BRICK_MKNOD: {
        brick_make_args args = args_make(client, GFID_ROOT, name, types[procedure]);
        return encode((xdrproc_t)xdr_brick_make_args, &args, body);
    }
    case BRICK_LINK: {
        brick_link_args args = args_link(client, known, GFID_ROOT, name);
        return encode((xdrproc_t)xdr_brick_link_args, &args, body);
    }
    case BRICK_REMOVE:
    case BRICK_RMDIR: {
        brick_remove_args args = args_remove(client, GFID_ROOT, name);
        return encode((xdrproc_t)xdr_brick_remove_args, &args, body);
    }
    case BRICK_RENAME: {
        brick_rename_args args = args_rename(client, GFID_ROOT, name, GFID_ROOT, "n7");
        return encode((xdrproc_t)xdr_brick_rename_args, &args, body);
    }
    case BRICK_READDIR: {
        brick_readdir_args args = args_readdir(client, GFID_ROOT);
        return encode((xdrproc_t)xdr_brick_readdir_args, &args, body);
    }
    case BRICK_STATFS: {
        brick_statfs_args args = {.target = client_target(client), .object = known};
        return encode((xdrproc_t)xdr_brick_statfs_args, &args, body);
    }
    default: {
        brick_getattr_args args = args_object(client, known);
        return encode((xdrproc_t)xdr_brick_getattr_args, &args, body);
    }
    }
}

/* A member in view 1 of the set takes these for its primary's. */
static size_t good_replica(struct test_client *client, uint32_t procedure, uint8_t body[BODY_MAX])
{
    struct replica_status status = brick_set_status(&set, 1);
    switch (procedure) {
    case REPLICA_APPEND: {
        uint8_t record[OPERATION_SIZE_MAX];
        size_t size = 0;
        struct operation operation = {
            .index = status.sequenced + below(3),
            .birth_view = 1,
            .kind = OPERATION_SETATTR,
            .object = {.type = OBJECT_FILE, .mode = 0644, .nlink = 1, .gfid = known},
            .mask = ATTR_MODE,
            .id = client_op_id(client),
        };
        CU_ASSERT_EQUAL(operation_encode(&operation, record, sizeof record, &size), 0);
        replica_append_args args = {
            .view = set.view.number,
            .commit_index = below(1000),
            .operation = {.operation_len = (u_int)size, .operation_val = (char *)record}};
        size = encode((xdrproc_t)xdr_replica_append_args, &args, body);
        return put_bulk(body, size, slice_text(""));
    }
    case REPLICA_SYNC: {
        replica_sync_args args = {.view = set.view.number, .object = known};
        return encode((xdrproc_t)xdr_replica_sync_args, &args, body);
    }
    case REPLICA_HEARTBEAT: {
        replica_heartbeat_args args = {.view = set.view.number, .commit_index = below(1000)};
        return encode((xdrproc_t)xdr_replica_heartbeat_args, &args, body);
    }
    default: {
        replica_open_args args = {.level = PROTOCOL_LEVEL,
                                  .volume = test_identity(0).volume,
                                  .brick = 1,
                                  .view = set.view};
        return encode((xdrproc_t)xdr_replica_open_args, &args, body);
    }
    }
}

/* ---- rounds
 * -----------------------------------------------------------------------------------------------
 */

static void flip_bits(uint8_t *body, size_t size)
{
    for (uint64_t i = 1 + below(4); i > 0 && size > 0; i--) {
        body[below(size)] ^= (uint8_t)(1U << below(8));
    }
}

typedef size_t good_body(struct test_client *client, uint32_t procedure, uint8_t body[BODY_MAX]);

static void round_of(struct test_client *client, uint32_t program, uint32_t procedure,
                     good_body *good)
{
    uint8_t body[BODY_MAX];
    struct rpc_connection *connection = client->connection;
    size_t size = good(client, procedure, body);
    raw_send(connection, program, procedure, slice_of(body, size));
    for (size_t cut = 0; cut < size; cut += size < 400 ? 4 : 4 * (1 + below(size / 100))) {
        raw_send(connection, program, procedure, slice_of(body, cut));
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        size = good(client, procedure, body);
        flip_bits(body, size);
        raw_send(connection, program, procedure, slice_of(body, size));
        size = below(below(10) == 0 ? BODY_MAX : 200);
        random_sequence_bytes(&random_state, body, size);
        raw_send(connection, program, procedure, slice_of(body, size));
        if (i % 16 == 0) {
            raw_wait();
        }
    }
    raw_wait();
}

/* The set still does its work. */
static void must_live(void)
{
    struct test_client client;
    struct reply reply;
    CU_ASSERT_EQUAL_FATAL(test_client_open(&client, &set, 0, false), 0);
    brick_getattr_args args = args_object(&client, GFID_ROOT);
    CU_ASSERT_EQUAL(client_call(&client, BRICK_GETATTR, &args, NULL, &reply), 0);
    CU_ASSERT_EQUAL(reply.object.type, OBJECT_DIRECTORY);
    test_client_close(&client);
}

/* A client whose connection is the fuzzer's: opened again when bad input has ended it. */
static void fuzz_brick(bool says_hello)
{
    brick_set_open(&set, 3, true);
    CU_ASSERT_FATAL(brick_set_wait_serving(&set));
    struct test_client owner;
    CU_ASSERT_EQUAL_FATAL(test_client_open(&owner, &set, 0, false), 0);
    known = client_make(&owner, GFID_ROOT, "known", OBJECT_FILE);
    CU_ASSERT_EQUAL(client_write(&owner, known, 0, "known bytes"), 0);
    for (uint32_t procedure = 0; procedure <= BRICK_STATFS + 2; procedure++) {
        struct test_client client;
        if (says_hello) {
            CU_ASSERT_EQUAL(test_client_open(&client, &set, 0, true), 0);
        } else {
            client_dial(&client, &set, 0);
        }
        round_of(&client, TRIVET_BRICK, procedure, good_brick);
        test_client_close(&client);
        must_live();
    }
    brick_read_args read = args_read(&owner, known, 0, 4);
    CU_ASSERT_EQUAL(client_call(&owner, BRICK_READ, &read, NULL, NULL), 0);
    CU_ASSERT(brick_set_wait_equal(&set));
    CU_ASSERT_EQUAL(brick_set_compare(&set, false), 0);
    test_client_close(&owner);
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(atomic_load(&set.members[i].failed), 0);
    }
    brick_set_close(&set);
}

static void a_brick_before_hello(void)
{
    fuzz_brick(false);
}

static void a_brick_after_hello(void)
{
    fuzz_brick(true);
}

/* A member believes its primary, so a wrong operation may fail it: it must say so and live. What it
 * has is not looked at. The primary takes nothing from anybody. */
static void fuzz_replica(unsigned member)
{
    brick_set_open(&set, 3, false);
    CU_ASSERT_FATAL(brick_set_wait_serving(&set));
    struct test_client owner;
    CU_ASSERT_EQUAL_FATAL(test_client_open(&owner, &set, 0, false), 0);
    known = client_make(&owner, GFID_ROOT, "known", OBJECT_FILE);
    test_client_close(&owner);
    for (uint32_t procedure = 0; procedure <= REPLICA_HEARTBEAT + 2; procedure++) {
        struct test_client client;
        client_dial(&client, &set, member);
        round_of(&client, TRIVET_REPLICA, procedure, good_replica);
        test_client_close(&client);
        must_live();
    }
    if (member == 0) {
        CU_ASSERT(brick_set_wait_equal(&set));
        CU_ASSERT_EQUAL(brick_set_compare(&set, false), 0);
    }
    brick_set_close(&set);
}

static void a_primary_as_a_member(void)
{
    fuzz_replica(0);
}

static void a_backup(void)
{
    fuzz_replica(1);
}

int main(void)
{
    const char *seed = getenv("SEED");
    log_open("brick_fuzz", LOG_LEVEL_ERROR);
    random_sequence_init(&random_state, seed ? strtoull(seed, NULL, 0) : 20261120);
    pthread_mutex_init(&raw.mutex, NULL);
    pthread_cond_init(&raw.changed, NULL);
    CU_TestInfo tests[] = {
        {"a brick before hello", a_brick_before_hello},
        {"a brick after hello", a_brick_after_hello},
        {"a primary as a member", a_primary_as_a_member},
        {"a backup", a_backup},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{.pName = "brick fuzz", .pTests = tests}, CU_SUITE_INFO_NULL};
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
        return 2;
    }
    CU_basic_set_mode(getenv("VERBOSE") ? CU_BRM_VERBOSE : CU_BRM_NORMAL);
    (void)CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
