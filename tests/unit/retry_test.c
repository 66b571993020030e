/*
 * At most once, and never lost: several threads write while connections are cut, views change,
 * bricks refuse, stay silent after they have carried a write out, and callers give up. The bricks
 * of the test keep a reply memory as real ones do; at the end every answered write was carried out
 * exactly once, every other at most once. The seed is the first argument.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "backend/base/random.h"
#include "backend/base/scope.h"
#include "gateway/volume.h"
#include "tests/lib/fake_brick.h"

#define THREADS 4
#define WRITES 800
#define SLOTS 8

static struct fake fake;
static struct volume *volume;
static uint64_t seed = 1;

/* ---- the bricks: one memory of replies, as if replicated; the fake's thread only ------------- */

static struct random_sequence numbers;
static struct {
    uint64_t sequence;
    uint64_t offset;
} memory[SLOTS];
static atomic_uchar applied[THREADS * WRITES];
static atomic_uint wrong_ids, twice, duplicates, late;

static void apply(const struct brick_write_args *arguments)
{
    const struct op_id *id = &arguments->id;
    if (id->kind != OP_ID_SESSION || id->slot >= SLOTS || id->sequence == 0 ||
        arguments->offset >= THREADS * WRITES) {
        atomic_fetch_add(&wrong_ids, 1);
        return;
    }
    if (id->sequence < memory[id->slot].sequence) {
        atomic_fetch_add(&late, 1); /* its caller has given up; refused by every brick */
        return;
    }
    if (id->sequence == memory[id->slot].sequence) {
        atomic_fetch_add(&duplicates, 1);
        atomic_fetch_add(&wrong_ids, memory[id->slot].offset != arguments->offset);
        return;
    }
    memory[id->slot].sequence = id->sequence;
    memory[id->slot].offset = arguments->offset;
    atomic_fetch_add(&twice, atomic_fetch_add(&applied[arguments->offset], 1) > 0);
}

static void answer_unreliably(struct fake *on, struct rpc_call *call, size_t number)
{
    static const int refusals[] = {-E_NOT_SETTLED, -E_NOT_PRIMARY, -E_OLD_VIEW, -E_OVERLOADED};
    uint64_t chance = random_sequence_below(&numbers, 100);
    if (chance < 3) {
        fake_answer_status(call, refusals[chance]);
        return;
    }
    struct brick_write_args arguments = {0};
    if (rpc_call_decode(call, (xdrproc_t)xdr_brick_write_args, &arguments, NULL)) {
        atomic_fetch_add(&wrong_ids, 1);
    } else if (chance > 3) {
        apply(&arguments);
    }
    if (chance < 6) {
        /* Carried out or not: no answer, and the connection ends. */
        rpc_call_drop(call);
        fake_cut(on, fake_call_at(on, number).brick);
    } else {
        fake_answer(on, call, number);
    }
}

/* ---- the clients ----------------------------------------------------------------------------- */

struct client {
    pthread_t thread;
    unsigned number;
    unsigned interrupted;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t completed;
    struct volume_request *waiting;
    int status;
    bool is_done;
    bool is_held; /* a canceller looks at the request, which must stay */
};

static atomic_bool finished;
static struct client clients[THREADS];

static void note_completion(struct volume_request *request)
{
    struct client *client = request->context;
    AUTO_LOCK(&client->lock);
    client->status = request->reply.status;
    client->is_done = true;
    pthread_cond_signal(&client->completed);
}

static int write_one(struct client *client, uint64_t offset)
{
    struct volume_request request = {.op = VOLUME_WRITE,
                                     .object = GFID_ROOT,
                                     .offset = offset,
                                     .data = slice_text("12345678"),
                                     .complete = note_completion,
                                     .context = client};
    client->is_done = false; /* nobody else looks while nothing is submitted */
    volume_submit(volume, &request);
    AUTO_LOCK(&client->lock);
    client->waiting = &request; /* from here it may be cancelled */
    while (!client->is_done || client->is_held) {
        pthread_cond_wait(&client->completed, &client->lock);
    }
    client->waiting = NULL;
    return client->status;
}

static atomic_uint unanswered, lost;

static void *client_run(void *context)
{
    struct client *client = context;
    for (uint64_t i = 0; i < WRITES; i++) {
        uint64_t offset = client->number * WRITES + i;
        int status = write_one(client, offset);
        if (status == -EINTR) {
            client->interrupted++;
        } else if (status) {
            atomic_fetch_add(&unanswered, 1);
        } else {
            /* Answered, so it was carried out before. */
            atomic_fetch_add(&lost, atomic_load(&applied[offset]) != 1);
        }
    }
    return NULL;
}

static void cancel_one(struct client *client)
{
    struct volume_request *request;
    {
        AUTO_LOCK(&client->lock);
        request = client->waiting;
        client->is_held = request != NULL;
    }
    if (request) {
        volume_cancel(volume, request); /* completes inside, so without the lock */
        AUTO_LOCK(&client->lock);
        client->is_held = false;
        pthread_cond_signal(&client->completed);
    }
}

/* Cuts, views and cancels, until the clients are through. */
static void *chaos_run(void *context)
{
    (void)context;
    struct random_sequence random;
    random_sequence_init(&random, seed + 1);
    while (!atomic_load(&finished)) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL); /* the pace of trouble */
        switch (random_sequence_below(&random, 4)) {
        case 0:
            fake_cut(&fake, (unsigned)random_sequence_below(&random, FAKE_BRICKS));
            break;
        case 1:
            fake_next_view(&fake, (unsigned)random_sequence_below(&random, FAKE_BRICKS));
            break;
        default:
            cancel_one(&clients[random_sequence_below(&random, THREADS)]);
            break;
        }
    }
    return NULL;
}

static void test_writes_take_effect_once(void)
{
    random_sequence_init(&numbers, seed);
    fake_start(&fake);
    fake.slots = SLOTS;
    char name[64];
    char error[256] = "";
    (void)snprintf(name, sizeof(name), "127.0.0.1:%u:/gv0", fake.port);
    CU_ASSERT_EQUAL_FATAL(volume_open(name, NULL, &volume, error, sizeof(error)), 0);
    fake_set_answer(&fake, answer_unreliably);
    for (unsigned i = 0; i < THREADS; i++) {
        clients[i] = (struct client){
            .number = i, .lock = PTHREAD_MUTEX_INITIALIZER, .completed = PTHREAD_COND_INITIALIZER};
        CU_ASSERT_EQUAL_FATAL(pthread_create(&clients[i].thread, NULL, client_run, &clients[i]), 0);
    }
    pthread_t chaos;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&chaos, NULL, chaos_run, NULL), 0);
    unsigned interrupted = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(clients[i].thread, NULL);
        interrupted += clients[i].interrupted;
    }
    atomic_store(&finished, true);
    pthread_join(chaos, NULL);
    struct volume_stats stats;
    volume_stats(volume, &stats);
    volume_close(volume);
    fake_stop(&fake);
    (void)printf("interrupted %u, sent again %llu, reconnects %llu, duplicates %u, late %u\n",
                 interrupted, (unsigned long long)stats.retries,
                 (unsigned long long)stats.reconnects, atomic_load(&duplicates),
                 atomic_load(&late));
    CU_ASSERT_EQUAL(atomic_load(&wrong_ids), 0);
    CU_ASSERT_EQUAL(atomic_load(&twice), 0);
    CU_ASSERT_EQUAL(atomic_load(&lost), 0);
    CU_ASSERT_EQUAL(atomic_load(&unanswered), 0);
    CU_ASSERT_TRUE(stats.reconnects > 0 && stats.retries > 0 && atomic_load(&duplicates) > 0);
}

int main(int argc, char **argv)
{
    seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    (void)printf("seed %llu\n", (unsigned long long)seed);
    CU_TestInfo tests[] = {
        {"writes take effect once", test_writes_take_effect_once},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {
        {"retry", NULL, NULL, NULL, NULL, tests},
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
