/*
 * Bad input for the portmapper's three versions, by TCP and UDP: random, cut off and mutated
 * bodies. It must answer each and afterwards still know where NFS is. SEED repeats a run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/lib/nfs_fixture.h"

#define PORTMAP 100000
#define NFS 100003
#define BODY_MAX 4096
#define ANSWER_MS 10000

static struct nfs_fixture fixture;
static uint64_t random_state;

static uint32_t random32(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 32);
}

static size_t put_word(uint8_t *to, size_t at, uint32_t value)
{
    uint32_t big = htonl(value);
    memcpy(to + at, &big, 4);
    return at + 4;
}

static size_t put_text(uint8_t *to, size_t at, const char *text)
{
    size_t size = strlen(text);
    at = put_word(to, at, (uint32_t)size);
    memset(to + at, 0, (size + 3) & ~(size_t)3);
    memcpy(to + at, text, size);
    return at + ((size + 3) & ~(size_t)3);
}

/* A mapping of version 2, or a binding; never of a program of ours, so that ours stay. */
static size_t good_body(uint32_t version, uint8_t *body)
{
    size_t at = put_word(body, 0, 200000 + random32() % 50);
    at = put_word(body, at, 1 + random32() % 3);
    if (version == 2) {
        at = put_word(body, at, random32() % 2 ? 6 : 17);
        return put_word(body, at, random32() % 70000);
    }
    static const char *const addresses[] = {"127.0.0.1.8.1", "::1.8.1", "", "0.0.0.0.0.111",
                                            ".1.1"};
    at = put_text(body, at, random32() % 2 ? "tcp" : "udp6");
    at = put_text(body, at, addresses[random32() % 5]);
    return put_text(body, at, "somebody");
}

static void call(int fd, bool is_udp, uint32_t version, uint32_t procedure, const uint8_t *body,
                 size_t size)
{
    static uint8_t reply[256 * 1024];
    size_t reply_size = 0;
    CU_ASSERT_FATAL(raw_call(fd, is_udp, PORTMAP, version, procedure, body, size, reply,
                             sizeof reply, &reply_size, ANSWER_MS));
}

static void nfs_is_still_found(void)
{
    uint8_t body[16];
    uint8_t reply[64];
    size_t reply_size = 0;
    (void)put_word(body, put_word(body, put_word(body, put_word(body, 0, NFS), 3), 6), 0);
    int fd = raw_connect(fixture.portmap_udp, true);
    CU_ASSERT_FATAL(raw_call(fd, true, PORTMAP, 2, 3, body, sizeof body, reply, sizeof reply,
                             &reply_size, ANSWER_MS));
    CU_ASSERT_EQUAL_FATAL(reply_size, 28);
    CU_ASSERT_EQUAL(reply[26] << 8 | reply[27], fixture.nfs_tcp);
    (void)close(fd);
}

static void send_all_kinds(uint32_t version, uint32_t procedure, bool is_udp, int fd)
{
    uint8_t body[BODY_MAX];
    for (int i = 0; i < 100; i++) {
        size_t size = random32() % (i % 2 ? 40 : sizeof body);
        for (size_t j = 0; j < size; j++) {
            body[j] = (uint8_t)(random32() >> 9);
        }
        call(fd, is_udp, version, procedure, body, size);
    }
    size_t size = good_body(version, body);
    for (size_t cut = 0; cut <= size; cut++) {
        call(fd, is_udp, version, procedure, body, cut);
    }
    for (int i = 0; i < 200; i++) {
        size = good_body(version, body);
        /* From the third word on: a mutated program number might be one of ours. */
        size_t at = 8 + random32() % (size - 8);
        body[at] ^= (uint8_t)(1 << random32() % 8);
        if (random32() % 4 == 0) {
            (void)put_word(body, at & ~(size_t)3, random32() >> random32() % 32);
        }
        /* A length that was made too long is only dangerous if as many bytes are there. */
        if (random32() % 2) {
            memset(body + size, '1', sizeof body - size);
            size += 4 * (random32() % ((sizeof body - size) / 4));
        }
        call(fd, is_udp, version, procedure, body, size);
    }
}

static void every_body_is_answered(void)
{
    for (int is_udp = 0; is_udp < 2; is_udp++) {
        int fd = raw_connect(is_udp ? fixture.portmap_udp : fixture.portmap_tcp, is_udp);
        for (uint32_t version = 2; version <= 4; version++) {
            for (uint32_t procedure = 0; procedure < 14; procedure++) {
                send_all_kinds(version, procedure, is_udp, fd);
            }
            nfs_is_still_found();
        }
        (void)close(fd);
    }
}

int main(void)
{
    const char *seed = getenv("SEED");
    random_state = seed ? strtoull(seed, NULL, 10) : 20260101;
    printf("SEED=%llu\n", (unsigned long long)random_state);
    nfs_fixture_start(&fixture, "[export gv0]\nvolume = local:$DIR/vol0\n");
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("fuzz portmap", NULL, NULL);
    CU_ADD_TEST(suite, nfs_is_still_found);
    CU_ADD_TEST(suite, every_body_is_answered);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    nfs_fixture_stop(&fixture);
    return failures != 0;
}
