/*
 * Answers that no honest brick or management daemon sends: random bytes, and good answers with
 * bytes changed, cut or added. A client must end each request with some status, and must neither
 * crash nor believe data that was not asked for. The seed is the first argument.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include "backend/base/random.h"
#include "gateway/volume.h"
#include "tests/lib/fake_brick.h"

#define ROUNDS 150
#define BODY_MAX (64 * 1024)

static struct fake fake;
static struct volume *volume;
static struct random_sequence numbers; /* used by the fake's one thread only, once it runs */
static uint64_t seed = 1;

/* ---- bad answers ----------------------------------------------------------------------------- */

static uint64_t below(uint64_t bound)
{
    return random_sequence_below(&numbers, bound);
}

/* A few changes anywhere, the head preferred; sometimes a cut or a tail. Sizes stay multiples of 4
 * most of the time, as XDR's are. */
static size_t spoil(uint8_t *body, size_t size)
{
    for (uint64_t changes = 1 + below(4); size && changes; changes--) {
        size_t at = (size_t)below(below(2) ? size : (size < 64 ? size : 64));
        body[at] = (uint8_t)(below(2) ? random_sequence_next(&numbers) : below(8));
    }
    switch (below(6)) {
    case 0:
        return (size_t)below(size + 1);
    case 1:
        return (size_t)below(size / 4 + 1) * 4;
    case 2:
        memset(body + size, (int)below(256), 64);
        return size + 4 * (size_t)below(16);
    default:
        return size;
    }
}

static void send_raw(struct rpc_call *call, uint8_t *body, size_t size)
{
    const struct iovec piece = {.iov_base = body, .iov_len = size};
    rpc_call_reply_raw(call, &piece, 1);
}

static size_t encoded(xdrproc_t encode, const void *reply, uint8_t *body, size_t size)
{
    XDR xdrs;
    xdrmem_create(&xdrs, (char *)body, (u_int)size, XDR_ENCODE);
    bool done = encode(&xdrs, (void *)(uintptr_t)reply);
    size_t used = xdr_getpos(&xdrs);
    xdr_destroy(&xdrs);
    return done ? used : 0;
}

static void send_spoilt(struct rpc_call *call, xdrproc_t encode, const void *reply)
{
    static uint8_t body[BODY_MAX];
    size_t size = encoded(encode, reply, body, sizeof(body) - 64);
    if (below(3)) {
        size = spoil(body, size); /* else it is a good one */
    }
    send_raw(call, body, size);
}

static void answer_spoilt(struct fake *on, struct rpc_call *call, size_t number)
{
    (void)on;
    (void)number;
    static uint8_t body[BODY_MAX];
    struct reply reply;
    size_t size;
    if (below(4) == 0) {
        size = (size_t)below(400);
        random_sequence_bytes(&numbers, body, size);
    } else {
        fake_reply_of(rpc_call_procedure(call), &reply);
        size = encoded((xdrproc_t)xdr_reply, &reply, body, BODY_MAX / 2);
        const uint8_t data[12] = {0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8};
        memcpy(body + size, data, sizeof(data));
        size = spoil(body, size + sizeof(data));
    }
    send_raw(call, body, size);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static int open_volume(unsigned timeout_ms)
{
    char name[64];
    char error[256];
    (void)snprintf(name, sizeof(name), "127.0.0.1:%u:/gv0", fake.port);
    const struct volume_options options = {.connect_timeout_ms = timeout_ms,
                                           .wait_timeout_ms = 5000};
    return volume_open(name, &options, &volume, error, sizeof(error));
}

static void run_one(enum volume_op op, unsigned *statuses)
{
    static uint8_t bytes[8];
    struct volume_request request = {.op = op,
                                     .object = GFID_ROOT,
                                     .object2 = GFID_ROOT,
                                     .name = slice_text("a"),
                                     .name2 = slice_text("b"),
                                     .target = slice_text("t"),
                                     .type = OBJECT_FIFO,
                                     .rights = 0x3f,
                                     .data = slice_of(bytes, sizeof(bytes)),
                                     .count = 8};
    int status = volume_wait(volume, &request);
    statuses[status == 0]++;
    CU_ASSERT_TRUE(status <= 0);
    CU_ASSERT_TRUE(request.reply.data.size <= (op == VOLUME_READLINK ? 4095 : 8));
    if (op == VOLUME_READDIR) {
        struct slice rest = request.reply.data;
        struct dirent_entry entry;
        while (dirent_next(&rest, &entry) == 0) {
        }
    }
    volume_request_release(&request);
}

static void test_spoilt_replies_end_requests(void)
{
    fake_start(&fake);
    CU_ASSERT_EQUAL_FATAL(open_volume(5000), 0);
    fake_set_answer(&fake, answer_spoilt);
    unsigned statuses[2] = {0};
    for (int round = 0; round < ROUNDS; round++) {
        for (int op = 0; op < VOLUME_OP_COUNT; op++) {
            run_one((enum volume_op)op, statuses);
        }
    }
    CU_ASSERT_TRUE(statuses[0] > 0);
    CU_ASSERT_TRUE(statuses[1] > 0);
    volume_close(volume);
    fake_stop(&fake);
}

static void test_spoilt_views_do_no_harm(void)
{
    for (int round = 0; round < 20; round++) {
        fake_start(&fake);
        fake.send = send_spoilt;
        if (open_volume(300) == 0) {
            fake_cut(&fake, 0);
            volume_cancel_all(volume, -EINTR);
            volume_close(volume);
        }
        fake_stop(&fake);
    }
}

int main(int argc, char **argv)
{
    seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    (void)printf("seed %llu\n", (unsigned long long)seed);
    random_sequence_init(&numbers, seed);
    CU_TestInfo tests[] = {
        {"spoilt replies end requests", test_spoilt_replies_end_requests},
        {"spoilt views do no harm", test_spoilt_views_do_no_harm},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {
        {"answers to a volume", NULL, NULL, NULL, NULL, tests},
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
