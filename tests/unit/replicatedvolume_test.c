/*
 * The replicated volume against bricks and a management daemon of this process: what goes over the
 * wire, and that requests outlive connections, views, refusals and silence, under one id each.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "gateway/volume.h"
#include "tests/lib/fake_brick.h"

static struct fake fake;
static struct volume *volume;
static const struct cred cred = {.uid = 10, .gid = 20, .group_count = 2, .groups = {30, 40}};
static const struct gfid file = {{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9}};

static int open_volume(const struct volume_options *options)
{
    char name[64];
    char error[256] = "";
    (void)snprintf(name, sizeof(name), "127.0.0.1:%u:/gv0", fake.port);
    int status = volume_open(name, options, &volume, error, sizeof(error));
    if (status) {
        (void)fprintf(stderr, "%s\n", error);
    }
    return status;
}

static void start_with(const struct volume_options *options)
{
    fake_start(&fake);
    CU_ASSERT_EQUAL_FATAL(open_volume(options), 0);
}

static void start(void)
{
    start_with(&(struct volume_options){.client_name = "test client"});
}

static void stop(void)
{
    volume_close(volume);
    volume = NULL;
    fake_stop(&fake);
}

/* ---- requests that do not wait --------------------------------------------------------------- */

struct pending {
    struct volume_request request;
    uint8_t data[8];
    atomic_int completed; /* how often */
    int status;
};

static void note_completion(struct volume_request *request)
{
    struct pending *pending = request->context;
    pending->status = request->reply.status;
    atomic_fetch_add(&pending->completed, 1);
}

static void submit(struct pending *pending, enum volume_op op)
{
    *pending = (struct pending){.request = {.op = op,
                                            .cred = cred,
                                            .object = file,
                                            .count = 8,
                                            .name = slice_text("n"),
                                            .complete = note_completion,
                                            .context = pending},
                                .status = 1};
    memcpy(pending->data, "abcdefgh", sizeof(pending->data));
    pending->request.data = slice_of(pending->data, sizeof(pending->data));
    volume_submit(volume, &pending->request);
}

static void nap(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* the loop around it looks */
}

/* Wait, at most ten seconds, until it has completed; then its status. */
static int outcome(struct pending *pending)
{
    for (int i = 0; i < 10000 && atomic_load(&pending->completed) == 0; i++) {
        nap();
    }
    CU_ASSERT_EQUAL(atomic_load(&pending->completed), 1);
    return pending->status;
}

static bool wait_answers(bool wanted)
{
    for (int i = 0; i < 10000 && volume_answers(volume) != wanted; i++) {
        nap();
    }
    return volume_answers(volume) == wanted;
}

static bool id_equal(const struct op_id *a, const struct op_id *b)
{
    return a->kind == b->kind && a->client == b->client && a->slot == b->slot &&
           a->sequence == b->sequence;
}

/* ---- the wire -------------------------------------------------------------------------------- */

static void test_hello_says_who_we_are(void)
{
    start();
    const struct brick_hello *hello = &fake.bricks[0].hello;
    CU_ASSERT_EQUAL(fake.bricks[0].hellos, 1);
    CU_ASSERT_EQUAL(hello->level, PROTOCOL_LEVEL);
    CU_ASSERT_EQUAL(memcmp(&hello->volume, &fake.spec.id, sizeof(hello->volume)), 0);
    CU_ASSERT_NOT_EQUAL(hello->client, 0);
    CU_ASSERT_FALSE(hello->wants_grants);
    CU_ASSERT_STRING_EQUAL(hello->name, "test client");
    CU_ASSERT_STRING_EQUAL(volume_spec(volume)->name, "gv0");
    CU_ASSERT_TRUE(volume_answers(volume));
    stop();
}

/* The arguments of the last call, decoded. */
static union {
    struct brick_getattr_args getattr;
    struct brick_setattr_args setattr;
    struct brick_access_args access;
    struct brick_name_args name;
    struct brick_read_args read;
    struct brick_write_args write;
    struct brick_commit_args commit;
    struct brick_make_args make;
    struct brick_link_args link;
    struct brick_remove_args remove;
    struct brick_rename_args rename;
    struct brick_readdir_args readdir;
    struct brick_statfs_args statfs;
} seen;
static int seen_status;
static uint8_t seen_bulk[64];
static size_t seen_bulk_size;

static const xdrproc_t decoders[BRICK_STATFS + 1] = {
    [BRICK_GETATTR] = (xdrproc_t)xdr_brick_getattr_args,
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
};

static void decode_and_answer(struct fake *on, struct rpc_call *call, size_t number)
{
    struct slice rest = {0};
    struct slice bulk = {0};
    memset(&seen, 0, sizeof(seen));
    seen_status = rpc_call_decode(call, decoders[rpc_call_procedure(call)], &seen, &rest);
    if (seen_status == 0 && rest.size) {
        seen_status = rpc_bulk(rest, &bulk);
    }
    seen_bulk_size = bulk.size < sizeof(seen_bulk) ? bulk.size : sizeof(seen_bulk);
    if (seen_bulk_size) {
        memcpy(seen_bulk, bulk.data, seen_bulk_size);
    }
    fake_answer(on, call, number);
}

static void free_seen(uint32_t procedure)
{
    xdr_free(decoders[procedure], (char *)&seen);
}

/* Send one request and leave its decoded arguments in seen. */
static void exchange(struct volume_request *request, uint32_t procedure)
{
    request->cred = cred;
    CU_ASSERT_EQUAL(volume_wait(volume, request), 0);
    CU_ASSERT_EQUAL(seen_status, 0);
    struct fake_call call = fake_call_at(&fake, fake_call_count(&fake) - 1);
    CU_ASSERT_EQUAL(call.procedure, procedure);
    CU_ASSERT_EQUAL(call.target.view, 1);
    CU_ASSERT_EQUAL(call.target.set, 0);
    volume_request_release(request);
}

static void test_reads_are_encoded(void)
{
    start();
    fake_set_answer(&fake, decode_and_answer);
    struct volume_request request = {.op = VOLUME_GETATTR, .object = file};
    exchange(&request, BRICK_GETATTR);
    CU_ASSERT_TRUE(gfid_equal(&seen.getattr.object, &file));
    CU_ASSERT_EQUAL(seen.getattr.cred.groups[1], 40);
    request = (struct volume_request){.op = VOLUME_ACCESS, .object = file, .rights = 5};
    exchange(&request, BRICK_ACCESS);
    CU_ASSERT_EQUAL(seen.access.rights, 5);
    request =
        (struct volume_request){.op = VOLUME_LOOKUP, .object = file, .name = slice_of("namely", 4)};
    exchange(&request, BRICK_LOOKUP);
    CU_ASSERT_STRING_EQUAL(seen.name.name, "name");
    free_seen(BRICK_LOOKUP);
    request = (struct volume_request){.op = VOLUME_READLINK, .object = file};
    exchange(&request, BRICK_READLINK);
    request = (struct volume_request){
        .op = VOLUME_READ, .object = file, .offset = 1ull << 40, .count = 4096};
    exchange(&request, BRICK_READ);
    CU_ASSERT_EQUAL(seen.read.offset, 1ull << 40);
    CU_ASSERT_EQUAL(seen.read.count, 4096);
    request = (struct volume_request){.op = VOLUME_COMMIT, .object = file, .offset = 3, .count = 7};
    exchange(&request, BRICK_COMMIT);
    CU_ASSERT_EQUAL(seen.commit.offset + seen.commit.count, 10);
    request = (struct volume_request){.op = VOLUME_READDIR,
                                      .object = GFID_ROOT,
                                      .cookie = 77,
                                      .verifier = 88,
                                      .count = 999,
                                      .with_attr = true};
    exchange(&request, BRICK_READDIR);
    CU_ASSERT_EQUAL(seen.readdir.cookie, 77);
    CU_ASSERT_EQUAL(seen.readdir.verifier, 88);
    CU_ASSERT_EQUAL(seen.readdir.size, 999);
    CU_ASSERT_TRUE(seen.readdir.with_attr);
    request = (struct volume_request){.op = VOLUME_STATFS, .object = GFID_ROOT};
    exchange(&request, BRICK_STATFS);
    CU_ASSERT_TRUE(gfid_is_root(&seen.statfs.object));
    stop();
}

static void test_setattr_and_write_are_encoded(void)
{
    start();
    fake_set_answer(&fake, decode_and_answer);
    struct volume_request request = {.op = VOLUME_SETATTR,
                                     .object = file,
                                     .change = {.mask = ATTR_SIZE, .size = 1234},
                                     .guarded = true,
                                     .guard = {.seconds = -5, .nanoseconds = 6}};
    exchange(&request, BRICK_SETATTR);
    CU_ASSERT_EQUAL(seen.setattr.change.size, 1234);
    CU_ASSERT_EQUAL(seen.setattr.guard_seconds, -5);
    CU_ASSERT_EQUAL(seen.setattr.guard_nanoseconds, 6);
    CU_ASSERT_TRUE(seen.setattr.guarded);
    CU_ASSERT_EQUAL(seen.setattr.id.kind, OP_ID_SESSION);
    CU_ASSERT_EQUAL(seen.setattr.id.client, fake.bricks[0].hello.client);
    CU_ASSERT_EQUAL(seen.setattr.id.sequence, 1);
    request = (struct volume_request){.op = VOLUME_WRITE,
                                      .object = file,
                                      .offset = 5,
                                      .data = slice_of("0123456789", 9),
                                      .stable = STABLE_DATA_SYNC,
                                      .append = true};
    exchange(&request, BRICK_WRITE);
    CU_ASSERT_EQUAL(seen.write.offset, 5);
    CU_ASSERT_EQUAL(seen.write.stable, STABLE_DATA_SYNC);
    CU_ASSERT_TRUE(seen.write.append);
    CU_ASSERT_EQUAL(seen_bulk_size, 9);
    CU_ASSERT_EQUAL(memcmp(seen_bulk, "012345678", 9), 0);
    /* The slot was free again. */
    CU_ASSERT_EQUAL(seen.write.id.slot, 0);
    CU_ASSERT_EQUAL(seen.write.id.sequence, 2);
    stop();
}

static void test_making_is_encoded(void)
{
    start();
    fake_set_answer(&fake, decode_and_answer);
    struct volume_request request = {.op = VOLUME_CREATE,
                                     .object = GFID_ROOT,
                                     .name = slice_text("f"),
                                     .how = VOLUME_CREATE_EXCLUSIVE,
                                     .verifier = 42,
                                     .change = {.mask = ATTR_MODE, .mode = 0640},
                                     .durable = true};
    exchange(&request, BRICK_CREATE);
    CU_ASSERT_STRING_EQUAL(seen.make.name, "f");
    CU_ASSERT_EQUAL(seen.make.type, OBJECT_FILE);
    CU_ASSERT_EQUAL(seen.make.how, VOLUME_CREATE_EXCLUSIVE);
    CU_ASSERT_EQUAL(seen.make.verifier, 42);
    CU_ASSERT_EQUAL(seen.make.change.mode, 0640);
    CU_ASSERT_TRUE(seen.make.durable);
    free_seen(BRICK_CREATE);
    request.op = VOLUME_MKDIR;
    exchange(&request, BRICK_MKDIR);
    CU_ASSERT_EQUAL(seen.make.type, OBJECT_DIRECTORY);
    free_seen(BRICK_MKDIR);
    request.op = VOLUME_SYMLINK;
    request.target = slice_text("to");
    exchange(&request, BRICK_SYMLINK);
    CU_ASSERT_EQUAL(seen.make.type, OBJECT_SYMLINK);
    CU_ASSERT_STRING_EQUAL(seen.make.symlink_target, "to");
    free_seen(BRICK_SYMLINK);
    request.op = VOLUME_MKNOD;
    request.type = OBJECT_BLOCK;
    request.device_major = 8;
    request.device_minor = 1;
    exchange(&request, BRICK_MKNOD);
    CU_ASSERT_EQUAL(seen.make.type, OBJECT_BLOCK);
    CU_ASSERT_EQUAL(seen.make.device_major * 100 + seen.make.device_minor, 801);
    CU_ASSERT_STRING_EQUAL(seen.make.symlink_target, "");
    free_seen(BRICK_MKNOD);
    request.op = VOLUME_LINK;
    request.object = file;
    request.object2 = GFID_ROOT;
    exchange(&request, BRICK_LINK);
    CU_ASSERT_TRUE(gfid_equal(&seen.link.object, &file) && gfid_is_root(&seen.link.parent));
    free_seen(BRICK_LINK);
    stop();
}

static void test_removing_is_encoded(void)
{
    start();
    fake_set_answer(&fake, decode_and_answer);
    struct volume_request request = {.op = VOLUME_REMOVE,
                                     .object = GFID_ROOT,
                                     .name = slice_text("gone"),
                                     .object2 = file,
                                     .name2 = slice_text("come"),
                                     .flags = 2,
                                     .durable = true};
    exchange(&request, BRICK_REMOVE);
    CU_ASSERT_STRING_EQUAL(seen.remove.name, "gone");
    free_seen(BRICK_REMOVE);
    request.op = VOLUME_RMDIR;
    exchange(&request, BRICK_RMDIR);
    free_seen(BRICK_RMDIR);
    request.op = VOLUME_RENAME;
    exchange(&request, BRICK_RENAME);
    CU_ASSERT_STRING_EQUAL(seen.rename.name, "gone");
    CU_ASSERT_STRING_EQUAL(seen.rename.name2, "come");
    CU_ASSERT_TRUE(gfid_equal(&seen.rename.parent2, &file));
    CU_ASSERT_EQUAL(seen.rename.flags, 2);
    free_seen(BRICK_RENAME);
    stop();
}

static void test_data_comes_back(void)
{
    start();
    uint8_t buffer[8];
    uint32_t count = 0;
    bool eof;
    CU_ASSERT_EQUAL(volume_read(volume, &cred, &file, 0, buffer, 8, &count, &eof), 0);
    CU_ASSERT_EQUAL(count, 8);
    CU_ASSERT_EQUAL(memcmp(buffer, "12345678", 8), 0);
    char target[16];
    CU_ASSERT_EQUAL(volume_readlink(volume, &cred, &file, target, sizeof(target)), 0);
    CU_ASSERT_STRING_EQUAL(target, "12345678");
    stop();
}

static void test_derived_ids_are_sent_as_they_are(void)
{
    start();
    struct op_id id = {.kind = OP_ID_DERIVED, .client = 11, .slot = 22, .sequence = 33};
    struct volume_request request = {
        .op = VOLUME_REMOVE, .object = GFID_ROOT, .name = slice_text("x"), .id = id};
    CU_ASSERT_EQUAL(volume_wait(volume, &request), 0);
    volume_request_release(&request);
    struct fake_call call = fake_call_at(&fake, 0);
    CU_ASSERT_TRUE(id_equal(&call.id, &id));
    stop();
}

/* ---- trouble --------------------------------------------------------------------------------- */

static void test_lost_connection_sends_the_same_again(void)
{
    start();
    fake_set_answer(&fake, fake_park);
    struct pending write;
    struct pending read;
    submit(&write, VOLUME_WRITE);
    submit(&read, VOLUME_READ);
    CU_ASSERT_TRUE_FATAL(fake_wait_calls(&fake, 2));
    fake_set_answer(&fake, decode_and_answer);
    fake_cut(&fake, 0);
    CU_ASSERT_EQUAL(outcome(&write), 0);
    CU_ASSERT_EQUAL(outcome(&read), 0);
    CU_ASSERT_EQUAL(fake_call_count(&fake), 4);
    struct fake_call first = fake_call_at(&fake, 0);
    for (size_t i = 2; i < 4; i++) {
        struct fake_call again = fake_call_at(&fake, i);
        CU_ASSERT_PTR_NOT_EQUAL(again.connection, first.connection);
        if (again.procedure == BRICK_WRITE) {
            CU_ASSERT_TRUE(id_equal(&first.id, &again.id));
        } else {
            CU_ASSERT_EQUAL(again.id.kind, OP_ID_NONE);
        }
    }
    CU_ASSERT_EQUAL(fake.bricks[0].hellos, 2);
    struct volume_stats stats;
    volume_stats(volume, &stats);
    CU_ASSERT_EQUAL(stats.reconnects, 1);
    CU_ASSERT_EQUAL(stats.retries, 2);
    stop();
}

static void refuse_not_primary(struct fake *on, struct rpc_call *call, size_t number)
{
    if (fake_call_at(on, number).brick == 0) {
        fake_answer_status(call, -E_NOT_PRIMARY);
    } else {
        fake_answer(on, call, number);
    }
}

static void test_not_primary_finds_the_new_one(void)
{
    start();
    fake_set_answer(&fake, refuse_not_primary);
    {
        /* Nobody is told: only asking finds out. */
        pthread_mutex_lock(&fake.lock);
        fake.spec.view.number = 5;
        fake.spec.view.primary = 1;
        pthread_mutex_unlock(&fake.lock);
    }
    struct pending write;
    submit(&write, VOLUME_WRITE);
    CU_ASSERT_EQUAL(outcome(&write), 0);
    struct fake_call first = fake_call_at(&fake, 0);
    struct fake_call last = fake_call_at(&fake, fake_call_count(&fake) - 1);
    CU_ASSERT_EQUAL(last.brick, 1);
    CU_ASSERT_EQUAL(last.target.view, 5);
    CU_ASSERT_TRUE(id_equal(&first.id, &last.id));
    stop();
}

static void test_silent_primary_is_left_at_the_next_view(void)
{
    start();
    fake_set_answer(&fake, fake_park);
    struct pending write;
    submit(&write, VOLUME_WRITE);
    CU_ASSERT_TRUE_FATAL(fake_wait_calls(&fake, 1));
    CU_ASSERT_TRUE(wait_answers(false));
    fake_next_view(&fake, 1);
    CU_ASSERT_TRUE_FATAL(fake_wait_calls(&fake, 2));
    struct fake_call again = fake_call_at(&fake, 1);
    CU_ASSERT_EQUAL(again.brick, 1);
    CU_ASSERT_EQUAL(again.target.view, 2);
    fake_release(&fake, 1, 0);
    CU_ASSERT_EQUAL(outcome(&write), 0);
    CU_ASSERT_TRUE(wait_answers(true));
    fake_release(&fake, 0, 0); /* far too late */
    stop();
}

static const int refusals[] = {-E_NOT_SETTLED, -E_NO_QUORUM, -E_LEASE_EXPIRED, -E_OVERLOADED,
                               -E_OLD_VIEW,    -E_NEW_VIEW,  -E_NOT_PRIMARY};
#define REFUSALS (sizeof(refusals) / sizeof(refusals[0]))

static void refuse_in_turn(struct fake *on, struct rpc_call *call, size_t number)
{
    if (number < REFUSALS) {
        fake_answer_status(call, refusals[number]);
    } else {
        fake_answer(on, call, number);
    }
}

static void test_refusals_are_waited_out(void)
{
    start();
    fake_set_answer(&fake, refuse_in_turn);
    struct pending write;
    submit(&write, VOLUME_WRITE);
    CU_ASSERT_EQUAL(outcome(&write), 0);
    CU_ASSERT_EQUAL(fake_call_count(&fake), REFUSALS + 1);
    struct fake_call first = fake_call_at(&fake, 0);
    struct fake_call last = fake_call_at(&fake, REFUSALS);
    CU_ASSERT_TRUE(id_equal(&first.id, &last.id));
    stop();
}

static void answer_error(struct fake *on, struct rpc_call *call, size_t number)
{
    (void)on;
    (void)number;
    fake_answer_status(call, -ENOSPC);
}

static void test_errors_are_answers(void)
{
    start();
    fake_set_answer(&fake, answer_error);
    CU_ASSERT_EQUAL(volume_remove(volume, &cred, &GFID_ROOT, "x"), -ENOSPC);
    CU_ASSERT_EQUAL(fake_call_count(&fake), 1);
    stop();
}

static void test_no_primary_is_waited_for(void)
{
    start();
    fake_set_port(&fake, 0, 0);
    fake_cut(&fake, 0);
    CU_ASSERT_TRUE(wait_answers(false));
    struct pending write;
    submit(&write, VOLUME_WRITE);
    CU_ASSERT_EQUAL(atomic_load(&write.completed), 0);
    fake_next_view(&fake, 1);
    CU_ASSERT_EQUAL(outcome(&write), 0);
    stop();
}

/* ---- giving up ------------------------------------------------------------------------------- */

static void test_cancelled_slot_rests_until_the_answer(void)
{
    start();
    fake_set_answer(&fake, fake_park);
    struct pending given_up;
    struct pending other;
    submit(&given_up, VOLUME_WRITE);
    CU_ASSERT_TRUE_FATAL(fake_wait_calls(&fake, 1));
    volume_cancel(volume, &given_up.request);
    CU_ASSERT_EQUAL(outcome(&given_up), -EINTR);
    volume_cancel(volume, &given_up.request); /* harmless */
    submit(&other, VOLUME_WRITE);
    CU_ASSERT_TRUE_FATAL(fake_wait_calls(&fake, 2));
    CU_ASSERT_EQUAL(fake_call_at(&fake, 0).id.slot, 0);
    CU_ASSERT_EQUAL(fake_call_at(&fake, 1).id.slot, 1);
    fake_release(&fake, 0, 0);
    fake_release(&fake, 1, 0);
    CU_ASSERT_EQUAL(outcome(&other), 0);
    CU_ASSERT_EQUAL(atomic_load(&given_up.completed), 1);
    /* Both slots are free: the next two use them again. */
    fake_set_answer(&fake, fake_answer);
    CU_ASSERT_EQUAL(volume_remove(volume, &cred, &GFID_ROOT, "x"), 0);
    CU_ASSERT_TRUE(fake_call_at(&fake, 2).id.slot < 2);
    CU_ASSERT_EQUAL(fake_call_at(&fake, 2).id.sequence, 2);
    stop();
}

static void test_cancel_ends_what_waits(void)
{
    start();
    fake_set_port(&fake, 0, 0);
    fake_set_answer(&fake, fake_park);
    struct pending sent;
    submit(&sent, VOLUME_WRITE);
    CU_ASSERT_TRUE_FATAL(fake_wait_calls(&fake, 1));
    fake_cut(&fake, 0);
    CU_ASSERT_TRUE(wait_answers(false));
    struct pending waiting[3];
    for (int i = 0; i < 3; i++) {
        submit(&waiting[i], i ? VOLUME_READ : VOLUME_WRITE);
    }
    volume_cancel(volume, &waiting[1].request);
    CU_ASSERT_EQUAL(outcome(&waiting[1]), -EINTR);
    volume_cancel(volume, &sent.request);
    CU_ASSERT_EQUAL(outcome(&sent), -EINTR);
    volume_cancel_all(volume, -ESHUTDOWN);
    CU_ASSERT_EQUAL(outcome(&waiting[0]), -ESHUTDOWN);
    CU_ASSERT_EQUAL(outcome(&waiting[2]), -ESHUTDOWN);
    /* What was given up is not sent again, and its slot goes on with the next sequence. */
    fake_set_answer(&fake, fake_answer);
    fake_next_view(&fake, 1);
    CU_ASSERT_EQUAL(volume_remove(volume, &cred, &GFID_ROOT, "x"), 0);
    CU_ASSERT_EQUAL(fake_call_count(&fake), 2);
    CU_ASSERT_EQUAL(fake_call_at(&fake, 1).id.sequence, 2);
    stop();
}

static void test_time_out_ends_requests(void)
{
    start_with(&(struct volume_options){.wait_timeout_ms = 150});
    fake_set_answer(&fake, fake_park);
    struct pending write;
    submit(&write, VOLUME_WRITE);
    CU_ASSERT_EQUAL(outcome(&write), -ETIMEDOUT);
    fake_release_all(&fake, 0);
    stop();
}

static void test_close_ends_requests(void)
{
    start();
    fake_set_answer(&fake, fake_park);
    static struct pending writes[20];
    for (int i = 0; i < 20; i++) {
        submit(&writes[i], VOLUME_WRITE);
    }
    volume_close(volume);
    for (int i = 0; i < 20; i++) {
        CU_ASSERT_EQUAL(outcome(&writes[i]), -EINTR);
    }
    fake_stop(&fake);
}

static void test_slots_bound_what_is_in_flight(void)
{
    fake_start(&fake);
    fake.slots = 3;
    CU_ASSERT_EQUAL_FATAL(open_volume(NULL), 0);
    fake_set_answer(&fake, fake_park);
    static struct pending writes[50];
    struct pending read;
    for (int i = 0; i < 50; i++) {
        submit(&writes[i], VOLUME_WRITE);
    }
    submit(&read, VOLUME_READ); /* needs no slot */
    CU_ASSERT_TRUE_FATAL(fake_wait_calls(&fake, 4));
    for (size_t i = 0; i < 51; i++) {
        CU_ASSERT_TRUE_FATAL(fake_wait_calls(&fake, i + 1));
        size_t arrived = fake_call_count(&fake);
        CU_ASSERT_TRUE(arrived <= i + 4);
        CU_ASSERT_TRUE(fake_call_at(&fake, i).id.slot < 3);
        fake_release(&fake, i, 0);
    }
    for (int i = 0; i < 50; i++) {
        CU_ASSERT_EQUAL(outcome(&writes[i]), 0);
    }
    CU_ASSERT_EQUAL(outcome(&read), 0);
    CU_ASSERT_EQUAL(fake_call_count(&fake), 51);
    stop();
}

/* ---- grants ---------------------------------------------------------------------------------- */

static atomic_int recalled;
static struct gfid recalled_object, recalled_parent;
static char recalled_name[16];

static void note_recall(void *context, const struct gfid *object, const struct gfid *parent,
                        struct slice name)
{
    CU_ASSERT_PTR_EQUAL(context, &recalled);
    recalled_object = *object;
    recalled_parent = *parent;
    memcpy(recalled_name, name.data, name.size);
    recalled_name[name.size] = '\0';
    atomic_fetch_add(&recalled, 1);
}

static void grant(struct fake *on, struct rpc_call *call, size_t number)
{
    (void)on;
    (void)number;
    struct reply reply;
    fake_reply_of(rpc_call_procedure(call), &reply);
    reply.grant_ms = 1000;
    rpc_call_reply(call, (xdrproc_t)xdr_reply, &reply, NULL);
}

static uint32_t granted_ms(void)
{
    struct volume_request request = {.op = VOLUME_GETATTR, .object = file};
    CU_ASSERT_EQUAL(volume_wait(volume, &request), 0);
    volume_request_release(&request);
    return request.reply.grant_ms;
}

static atomic_int recall_status;

static void recall_answered(struct rpc_reply *reply, void *context)
{
    (void)context;
    int status = 1;
    if (reply->status || rpc_reply_decode(reply, (xdrproc_t)xdr_int, &status, NULL)) {
        status = 2;
    }
    atomic_store(&recall_status, status);
}

/* Take a grant back as brick 0; the client's answer. */
static int recall(const struct gfid *parent, const char *name)
{
    char text[16];
    (void)snprintf(text, sizeof(text), "%s", name);
    struct recall_args arguments = {.view = 1, .object = file, .parent = *parent, .name = text};
    const struct rpc_call_request call = {.program = TRIVET_RECALL,
                                          .version = TRIVET_RECALL_V1,
                                          .procedure = RECALL,
                                          .encode = (xdrproc_t)xdr_recall_args,
                                          .arguments = &arguments,
                                          .callback = recall_answered};
    atomic_store(&recall_status, -1);
    CU_ASSERT_EQUAL_FATAL(rpc_call_start(fake.bricks[0].connection, &call), 0);
    for (int i = 0; i < 10000 && atomic_load(&recall_status) == -1; i++) {
        nap();
    }
    return atomic_load(&recall_status);
}

static void test_grants_are_recalled(void)
{
    start_with(&(struct volume_options){.recall = note_recall, .recall_context = &recalled});
    CU_ASSERT_TRUE(fake.bricks[0].hello.wants_grants);
    fake_set_answer(&fake, grant);
    uint32_t left = granted_ms();
    CU_ASSERT_TRUE(left > 0 && left <= 950);
    CU_ASSERT_EQUAL(recall(&GFID_ROOT, "n"), 0);
    CU_ASSERT_TRUE(gfid_equal(&recalled_object, &file));
    CU_ASSERT_TRUE(gfid_is_root(&recalled_parent));
    CU_ASSERT_STRING_EQUAL(recalled_name, "n");
    CU_ASSERT_EQUAL(recall(&GFID_NONE, ""), 0);
    CU_ASSERT_TRUE(gfid_is_none(&recalled_parent));
    CU_ASSERT_STRING_EQUAL(recalled_name, "");
    CU_ASSERT_EQUAL(atomic_load(&recalled), 2);
    struct volume_stats stats;
    volume_stats(volume, &stats);
    CU_ASSERT_EQUAL(stats.recalls, 2);
    stop();

    start(); /* without recall nothing is granted */
    fake_set_answer(&fake, grant);
    CU_ASSERT_EQUAL(granted_ms(), 0);
    stop();
}

/* ---- the session's lease --------------------------------------------------------------------- */

static uint64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void grant_for_long(struct fake *on, struct rpc_call *call, size_t number)
{
    (void)on;
    (void)number;
    struct reply reply;
    fake_reply_of(rpc_call_procedure(call), &reply);
    reply.object.gfid = file;
    reply.grant_ms = GRANT_MS_MAX;
    rpc_call_reply(call, (xdrproc_t)xdr_reply, &reply, NULL);
}

static void start_caching(void)
{
    start_with(&(struct volume_options){.cache = true});
    fake_set_answer(&fake, grant_for_long);
}

static bool wait_renewals(unsigned brick, unsigned count)
{
    for (int i = 0; i < 10000 && fake_renewals(&fake, brick) < count; i++) {
        nap();
    }
    return fake_renewals(&fake, brick) >= count;
}

static void test_renewals_keep_what_was_granted(void)
{
    start_caching();
    uint64_t start_ms = now_ms();
    CU_ASSERT_TRUE(granted_ms() <= LEASE_CLIENT_MS);
    CU_ASSERT_EQUAL(fake_call_count(&fake), 1);
    CU_ASSERT_TRUE_FATAL(wait_renewals(0, LEASE_CLIENT_MS / RENEW_MS + 3));
    uint32_t left = granted_ms();
    if (now_ms() - start_ms < GRANT_MS_MAX - GRANT_MARGIN_MS) { /* else the machine is too busy */
        CU_ASSERT_EQUAL(fake_call_count(&fake), 1);
        CU_ASSERT_TRUE(left > 0 && left <= LEASE_CLIENT_MS);
    }
    stop();
}

static void test_a_lease_that_ran_out_voids(void)
{
    start_caching();
    (void)granted_ms();
    fake_freeze(&fake, 0, true);
    uint64_t start_ms = now_ms();
    while (now_ms() - start_ms <= LEASE_CLIENT_MS) {
        nap();
    }
    struct pending ask;
    submit(&ask, VOLUME_GETATTR);
    CU_ASSERT_TRUE(fake_wait_calls(&fake, 2));
    CU_ASSERT_EQUAL(atomic_load(&ask.completed), 0);
    fake_next_view(&fake, 1);
    CU_ASSERT_EQUAL(outcome(&ask), 0);
    stop();
}

static void test_another_primary_voids(void)
{
    start_caching();
    (void)granted_ms();
    fake_next_view(&fake, 1);
    CU_ASSERT_TRUE_FATAL(fake_wait_hellos(&fake, 1, 1));
    (void)granted_ms();
    CU_ASSERT_EQUAL(fake_call_count(&fake), 2);
    CU_ASSERT_EQUAL(fake_call_at(&fake, 1).brick, 1);
    (void)granted_ms();
    CU_ASSERT_EQUAL(fake_call_count(&fake), 2); /* and what it granted counts */
    stop();
}

static atomic_bool is_blocking;

static void block_recall(void *context, const struct gfid *object, const struct gfid *parent,
                         struct slice name)
{
    (void)context;
    (void)object;
    (void)parent;
    (void)name;
    while (atomic_load(&is_blocking)) {
        nap();
    }
}

/* The kernel may not let go of a name before what waits for the recall is done. */
static void test_a_recall_is_answered_by_the_end_of_the_lease(void)
{
    start_with(&(struct volume_options){.recall = block_recall});
    fake_set_answer(&fake, grant_for_long);
    (void)granted_ms();
    atomic_store(&is_blocking, true);
    uint64_t start_ms = now_ms();
    for (int i = 0; i < 4; i++) { /* more than there are workers */
        CU_ASSERT_EQUAL(recall(&GFID_ROOT, "n"), 0);
    }
    CU_ASSERT_TRUE(now_ms() - start_ms < GRANT_MS_MAX);
    size_t calls = fake_call_count(&fake);
    (void)granted_ms();
    CU_ASSERT_EQUAL(fake_call_count(&fake), calls + 1); /* what was kept is gone at once */
    atomic_store(&is_blocking, false);
    stop();
}

/* ---- following views ------------------------------------------------------------------------- */

static void test_a_frozen_primary_is_left_at_once(void)
{
    uint64_t best_ms = UINT64_MAX; /* of several, as the machine may be busy */
    start();
    for (unsigned turn = 0; turn < 6; turn++) {
        struct pending write;
        size_t calls = fake_call_count(&fake);
        fake_freeze(&fake, turn % 2, true);
        fake_freeze(&fake, (turn + 1) % 2, false);
        submit(&write, VOLUME_WRITE);
        CU_ASSERT_TRUE_FATAL(fake_wait_calls(&fake, calls + 1));
        uint64_t start_ms = now_ms();
        fake_next_view(&fake, (turn + 1) % 2);
        CU_ASSERT_EQUAL(outcome(&write), 0);
        uint64_t took_ms = now_ms() - start_ms;
        best_ms = took_ms < best_ms ? took_ms : best_ms;
    }
    CU_ASSERT_TRUE(best_ms < 50);
    stop();
}

/* The machine that fails may be the primary's and that of the daemon that we ask. */
static void test_another_management_daemon_knows_the_view(void)
{
    fake_start(&fake);
    char name[64];
    char error[256] = "";
    (void)snprintf(name, sizeof(name), "127.0.0.1:%u,127.0.0.1:%u:/gv0", fake.managements[0].port,
                   fake.managements[1].port);
    CU_ASSERT_EQUAL_FATAL(volume_open(name, NULL, &volume, error, sizeof(error)), 0);
    fake_freeze_management(&fake, 0, true);
    fake_freeze(&fake, 0, true);
    struct pending write;
    submit(&write, VOLUME_WRITE);
    CU_ASSERT_TRUE_FATAL(fake_wait_calls(&fake, 1));
    uint64_t start_ms = now_ms();
    for (int i = 0; i < 10000 && fake_asked(&fake, 1) == 0; i++) {
        nap();
    }
    CU_ASSERT_TRUE(now_ms() - start_ms < DIAL_MS_MAX);
    fake_next_view(&fake, 1);
    CU_ASSERT_EQUAL(outcome(&write), 0);
    stop();
}

static void stop_at_first(struct fake *on, struct rpc_call *call, size_t number)
{
    if (number == 0) {
        fake_answer_status(call, -E_CONNECTION_LOST);
    } else {
        fake_answer(on, call, number);
    }
}

/* It may take its time to stop, and its connection stays open until then. */
static void test_a_brick_that_stops_is_left(void)
{
    start();
    fake_set_answer(&fake, stop_at_first);
    struct pending write;
    submit(&write, VOLUME_WRITE);
    CU_ASSERT_EQUAL(outcome(&write), 0);
    CU_ASSERT_EQUAL(fake.bricks[0].hellos, 2);
    struct fake_call first = fake_call_at(&fake, 0);
    struct fake_call again = fake_call_at(&fake, 1);
    CU_ASSERT_TRUE(id_equal(&first.id, &again.id));
    stop();
}

static void refuse_not_settled(struct fake *on, struct rpc_call *call, size_t number)
{
    (void)on;
    (void)number;
    fake_answer_status(call, -E_NOT_SETTLED);
}

static void test_a_set_that_settles_is_not_sent_everything(void)
{
    static struct pending writes[20];
    start();
    fake_set_renew_status(&fake, -E_NOT_SETTLED);
    fake_set_answer(&fake, refuse_not_settled);
    for (int i = 0; i < 20; i++) {
        submit(&writes[i], VOLUME_WRITE);
    }
    CU_ASSERT_TRUE_FATAL(wait_renewals(0, 6));
    CU_ASSERT_TRUE(fake_call_count(&fake) <= 20);
    fake_set_answer(&fake, fake_answer);
    fake_set_renew_status(&fake, 0);
    for (int i = 0; i < 20; i++) {
        CU_ASSERT_EQUAL(outcome(&writes[i]), 0);
    }
    CU_ASSERT_TRUE(fake_call_count(&fake) <= 40);
    stop();
}

/* ---- open ------------------------------------------------------------------------------------ */

static int open_error(const char *hosts, unsigned timeout_ms, const char *expected)
{
    char name[128];
    char error[256] = "";
    (void)snprintf(name, sizeof(name), "%s:/gv0", hosts);
    int status = volume_open(name, &(struct volume_options){.connect_timeout_ms = timeout_ms},
                             &volume, error, sizeof(error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error, expected));
    return status;
}

static void test_open_says_what_is_wrong(void)
{
    fake_start(&fake);
    char host[64];
    char two[64];
    (void)snprintf(host, sizeof(host), "127.0.0.1:%u", fake.port);
    fake_set_status(&fake, -E_UNKNOWN_VOLUME, 0);
    CU_ASSERT_EQUAL(open_error(host, 5000, "volume list"), -E_UNKNOWN_VOLUME);
    fake_set_status(&fake, -E_VOLUME_STOPPED, 0);
    CU_ASSERT_EQUAL(open_error(host, 5000, "volume start gv0"), -E_VOLUME_STOPPED);
    fake_set_status(&fake, 0, -E_WRONG_VOLUME);
    CU_ASSERT_EQUAL(open_error(host, 5000, "serves another volume"), -E_WRONG_VOLUME);
    fake_set_status(&fake, 0, 0);
    fake_set_port(&fake, 0, 0);
    CU_ASSERT_EQUAL(open_error(host, 100, "no primary"), -ETIMEDOUT);
    CU_ASSERT_EQUAL(open_error("127.0.0.1:1", 100, "is trivetd running"), -ETIMEDOUT);
    /* The second host answers when the first does not. */
    fake_set_port(&fake, 0, fake.bricks[0].port);
    (void)snprintf(two, sizeof(two), "127.0.0.1:1,127.0.0.1:%u", fake.port);
    CU_ASSERT_EQUAL(open_error(two, 5000, ""), 0);
    stop();
}

/* ---- main ------------------------------------------------------------------------------------ */

static CU_TestInfo tests[] = {
    {"hello says who we are", test_hello_says_who_we_are},
    {"reads are encoded", test_reads_are_encoded},
    {"SETATTR and WRITE are encoded", test_setattr_and_write_are_encoded},
    {"making is encoded", test_making_is_encoded},
    {"removing is encoded", test_removing_is_encoded},
    {"data comes back", test_data_comes_back},
    {"derived ids are sent as they are", test_derived_ids_are_sent_as_they_are},
    {"a lost connection sends the same again", test_lost_connection_sends_the_same_again},
    {"not primary finds the new one", test_not_primary_finds_the_new_one},
    {"a silent primary is left at the next view", test_silent_primary_is_left_at_the_next_view},
    {"refusals are waited out", test_refusals_are_waited_out},
    {"errors are answers", test_errors_are_answers},
    {"no primary is waited for", test_no_primary_is_waited_for},
    {"a cancelled slot rests until the answer", test_cancelled_slot_rests_until_the_answer},
    {"cancel ends what waits", test_cancel_ends_what_waits},
    {"time-out ends requests", test_time_out_ends_requests},
    {"close ends requests", test_close_ends_requests},
    {"slots bound what is in flight", test_slots_bound_what_is_in_flight},
    {"grants are recalled", test_grants_are_recalled},
    {"renewals keep what was granted", test_renewals_keep_what_was_granted},
    {"a lease that ran out voids", test_a_lease_that_ran_out_voids},
    {"another primary voids", test_another_primary_voids},
    {"a recall is answered by the end of the lease",
     test_a_recall_is_answered_by_the_end_of_the_lease},
    {"a frozen primary is left at once", test_a_frozen_primary_is_left_at_once},
    {"another management daemon knows the view", test_another_management_daemon_knows_the_view},
    {"a brick that stops is left", test_a_brick_that_stops_is_left},
    {"a set that settles is not sent everything", test_a_set_that_settles_is_not_sent_everything},
    {"open says what is wrong", test_open_says_what_is_wrong},
    CU_TEST_INFO_NULL,
};

int main(void)
{
    CU_SuiteInfo suites[] = {
        {"replicated volume", NULL, NULL, NULL, NULL, tests},
        CU_SUITE_INFO_NULL,
    };
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
        return 2;
    }
    CU_basic_set_mode(CU_BRM_NORMAL);
    (void)CU_basic_run_tests(); /* the count below says more */
    bool failed = CU_get_number_of_failures() > 0;
    CU_cleanup_registry();
    return failed;
}
