/*
 * Bad input for NFS and MOUNT over real connections: bodies that are random, cut off at each word,
 * or mutated from good ones, for every procedure and some that do not exist, by TCP and UDP. After
 * each round the server still answers a good call. SEED in the environment repeats a run.
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

#define NFS 100003
#define MOUNT 100005
#define BODY_MAX 16384
#define ANSWER_MS 10000

static struct nfs_fixture fixture;
static uint8_t root[64];
static size_t root_size;
static uint64_t random_state;

static uint32_t random32(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 32);
}

/* ---- good bodies --------------------------------------------------------------------------- */

static size_t put_word(uint8_t *to, size_t at, uint32_t value)
{
    uint32_t big = htonl(value);
    memcpy(to + at, &big, 4);
    return at + 4;
}

static size_t put_opaque(uint8_t *to, size_t at, const void *data, size_t size)
{
    at = put_word(to, at, (uint32_t)size);
    memset(to + at, 0, (size + 3) & ~(size_t)3);
    memcpy(to + at, data, size);
    return at + ((size + 3) & ~(size_t)3);
}

/*
 * The arguments of each procedure, as a word of letters:
 * h handle, n name, w small word, q word that chooses (0), d data, p path, s attributes (one set)
 */
static const char *const nfs_shapes[22] = {
    "",      "h",  "hsq", "hn",   "hw",  "h",      "hwww",    "hwwwwd", "hnws", "hns", "hnsp",
    "hnwsq", "hn", "hn",  "hnhn", "hhn", "hwwwww", "hwwwwww", "h",      "h",    "h",   "hwww",
};
static const char *const mount_shapes[6] = {"", "p", "", "p", "", ""};

static size_t good_body(const char *shape, uint8_t *body)
{
    static const char path[] = "/gv0/sub";
    static const char data[] = "some data to be written";
    size_t at = 0;
    for (; *shape; shape++) {
        switch (*shape) {
        case 'h':
            at = put_opaque(body, at, root, root_size);
            break;
        case 'n':
            at = put_opaque(body, at, "name", 1 + random32() % 4);
            break;
        case 'p':
            at = put_opaque(body, at, path, sizeof path - 1);
            break;
        case 'd':
            at = put_opaque(body, at, data, sizeof data);
            break;
        case 's':
            at = put_word(body, at, 1);
            at = put_word(body, at, 0644);
            for (int i = 0; i < 5; i++) {
                at = put_word(body, at, 0);
            }
            break;
        default:
            at = put_word(body, at, *shape == 'q' ? 0 : random32() % 3);
        }
    }
    return at;
}

static const char *shape_of(uint32_t program, uint32_t procedure)
{
    if (program == NFS) {
        return procedure < 22 ? nfs_shapes[procedure] : "hhnw";
    }
    return procedure < 6 ? mount_shapes[procedure] : "p";
}

/* ---- rounds -------------------------------------------------------------------------------- */

static void assert_alive(void)
{
    uint8_t body[128];
    uint8_t reply[512];
    size_t size = put_opaque(body, 0, root, root_size);
    size_t reply_size = 0;
    int fd = raw_connect(fixture.nfs_tcp, false);
    CU_ASSERT_FATAL(
        raw_call(fd, false, NFS, 3, 1, body, size, reply, sizeof reply, &reply_size, ANSWER_MS));
    CU_ASSERT_EQUAL(reply_size, 24 + 4 + 84); /* GETATTR's attributes */
    (void)close(fd);
}

/* A call that must be answered, whatever with; the connection must go on. */
static void must_be_answered(int fd, bool is_udp, uint32_t program, uint32_t procedure,
                             const uint8_t *body, size_t size)
{
    static uint8_t reply[1024 * 1024 + 65536];
    size_t reply_size = 0;
    CU_ASSERT_FATAL(raw_call(fd, is_udp, program, 3, procedure, body, size, reply, sizeof reply,
                             &reply_size, ANSWER_MS));
}

static uint16_t port_of(uint32_t program, bool is_udp)
{
    if (program == NFS) {
        return is_udp ? fixture.nfs_udp : fixture.nfs_tcp;
    }
    return is_udp ? fixture.mount_udp : fixture.mount_tcp;
}

static void random_bodies(uint32_t program, uint32_t procedures, bool is_udp)
{
    int fd = raw_connect(port_of(program, is_udp), is_udp);
    for (uint32_t procedure = 0; procedure < procedures + 2; procedure++) {
        for (int i = 0; i < 40; i++) {
            uint8_t body[BODY_MAX];
            size_t size = random32() % (i < 20 ? 64 : sizeof body);
            for (size_t j = 0; j < size; j++) {
                body[j] = (uint8_t)(random32() >> 7);
            }
            /* Small sizes in front get past the first checks. */
            if (size >= 4 && i % 2) {
                (void)put_word(body, 0, random32() % 65);
            }
            must_be_answered(fd, is_udp, program, procedure, body, size);
        }
    }
    (void)close(fd);
    assert_alive();
}

static void cut_bodies(uint32_t program, uint32_t procedures, bool is_udp)
{
    int fd = raw_connect(port_of(program, is_udp), is_udp);
    for (uint32_t procedure = 0; procedure < procedures; procedure++) {
        uint8_t body[BODY_MAX];
        size_t size = good_body(shape_of(program, procedure), body);
        for (size_t cut = 0; cut <= size; cut++) {
            must_be_answered(fd, is_udp, program, procedure, body, cut);
        }
    }
    (void)close(fd);
    assert_alive();
}

static void mutated_bodies(uint32_t program, uint32_t procedures, bool is_udp)
{
    static const uint32_t words[] = {0,
                                     1,
                                     2,
                                     3,
                                     64,
                                     65,
                                     255,
                                     256,
                                     4095,
                                     4096,
                                     1024,
                                     0x7fffffff,
                                     999,
                                     0x80000000,
                                     0xffffffff,
                                     0xfffffffc,
                                     1024 * 1024 + 1};
    int fd = raw_connect(port_of(program, is_udp), is_udp);
    for (uint32_t procedure = 0; procedure < procedures; procedure++) {
        for (int i = 0; i < 300; i++) {
            uint8_t body[BODY_MAX];
            size_t size = good_body(shape_of(program, procedure), body);
            for (uint32_t j = 0; size >= 4 && j <= random32() % 3; j++) {
                size_t at = 4 * (random32() % (size / 4));
                if (random32() % 3 == 0) {
                    body[at + random32() % 4] ^= (uint8_t)(1 << random32() % 8);
                } else {
                    (void)put_word(body, at, words[random32() % (sizeof words / sizeof words[0])]);
                }
            }
            /* A length that was made too long is only dangerous if as many bytes are there. */
            if (random32() % 2) {
                size_t longer = size + 4 * (random32() % ((sizeof body - size) / 4));
                memset(body + size, 'x', longer - size);
                size = longer;
            }
            must_be_answered(fd, is_udp, program, procedure, body, size);
        }
    }
    (void)close(fd);
    assert_alive();
}

static void every_body_is_answered(void)
{
    for (int is_udp = 0; is_udp < 2; is_udp++) {
        random_bodies(NFS, 22, is_udp);
        random_bodies(MOUNT, 6, is_udp);
        cut_bodies(NFS, 22, is_udp);
        cut_bodies(MOUNT, 6, is_udp);
        mutated_bodies(NFS, 22, is_udp);
        mutated_bodies(MOUNT, 6, is_udp);
    }
}

static void listings_of_any_size_are_answered(void)
{
    int fd = raw_connect(fixture.nfs_tcp, false);
    for (uint32_t procedure = 16; procedure <= 17; procedure++) {
        for (uint32_t count = 0; count < 1200; count += 1 + random32() % 5) {
            uint8_t body[BODY_MAX];
            size_t size = put_opaque(body, 0, root, root_size);
            for (int i = 0; i < 4; i++) {
                size = put_word(body, size, 0);
            }
            size = put_word(body, size, count);
            size = procedure == 17 ? put_word(body, size, count) : size;
            must_be_answered(fd, false, NFS, procedure, body, size);
        }
    }
    (void)close(fd);
}

static void connections_may_break_at_any_byte(void)
{
    uint8_t body[BODY_MAX];
    size_t size = good_body(shape_of(NFS, 7), body);
    for (size_t cut = 0; cut < size; cut += 3) {
        int fd = raw_connect(fixture.nfs_tcp, false);
        uint8_t mark[4];
        (void)put_word(mark, 0, UINT32_C(0x80000000) | (uint32_t)(size + 1000));
        CU_ASSERT_EQUAL(write(fd, mark, sizeof mark), sizeof mark);
        CU_ASSERT_EQUAL(write(fd, body, cut), (ssize_t)cut);
        (void)close(fd);
    }
    for (int i = 0; i < 50; i++) { /* calls whose answers nobody waits for */
        int fd = raw_connect(fixture.nfs_tcp, false);
        for (uint32_t xid = 0; xid < 20; xid++) {
            uint32_t procedure = random32() % 22;
            size = good_body(shape_of(NFS, procedure), body);
            if (!raw_send(fd, false, xid, NFS, 3, procedure, body, size)) {
                break;
            }
        }
        (void)close(fd);
    }
    assert_alive();
}

int main(void)
{
    const char *seed = getenv("SEED");
    random_state = seed ? strtoull(seed, NULL, 10) : 20260101;
    printf("SEED=%llu\n", (unsigned long long)random_state);
    nfs_fixture_start(&fixture, "[export gv0]\nvolume = local:$DIR/vol0\n");
    root_size = raw_mount(&fixture, "/gv0", root);
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("fuzz nfs3", NULL, NULL);
    CU_ADD_TEST(suite, assert_alive);
    CU_ADD_TEST(suite, every_body_is_answered);
    CU_ADD_TEST(suite, listings_of_any_size_are_answered);
    CU_ADD_TEST(suite, connections_may_break_at_any_byte);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    nfs_fixture_stop(&fixture);
    return failures != 0;
}
