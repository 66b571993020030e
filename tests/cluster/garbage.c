/*
 * What no client sends: garbage PORT SEED COUNT [udp]
 *
 * COUNT connections (or datagrams) to 127.0.0.1:PORT, each with one kind of nonsense: noise,
 * records longer than any limit, records without end, cut off in the middle, calls whose header is
 * right and whose arguments are not. The answers are read and thrown away: what matters is who is
 * still alive afterwards.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGE_MAX = 60000, ANSWER_MS = 20 };
#define LAST_FRAGMENT 0x80000000U

static uint64_t random_state;

static uint32_t random_next(void)
{
    random_state = random_state * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(random_state >> 32);
}

struct message {
    unsigned char bytes[MESSAGE_MAX];
    size_t size;
};

static void put_word(struct message *message, uint32_t word)
{
    word = htonl(word);
    memcpy(message->bytes + message->size, &word, sizeof word);
    message->size += sizeof word;
}

/* Words as XDR has them: mostly small numbers, some huge lengths, some noise. */
static void put_words(struct message *message, uint32_t count)
{
    for (uint32_t index = 0; index < count; index++) {
        uint32_t kind = random_next() % 8;
        put_word(message, kind < 4 ? random_next() % 64 : kind == 4 ? 0xffffffffU : random_next());
    }
}

static void put_call(struct message *message)
{
    static const uint32_t programs[] = {100000,     100003,     100005,     100021,     100227,
                                        0x20545601, 0x20545602, 0x20545603, 0x20545604, 0x20545605};
    put_word(message, random_next());
    put_word(message, random_next() % 16 ? 0 : random_next()); /* CALL */
    put_word(message, random_next() % 16 ? 2 : random_next()); /* RPC version */
    put_word(message, programs[random_next() % (sizeof programs / sizeof *programs)]);
    put_word(message, random_next() % 5);
    put_word(message, random_next() % 24);
    if (random_next() % 4) { /* AUTH_NONE twice: what follows is taken for arguments */
        for (unsigned word = 0; word < 4; word++) {
            put_word(message, 0);
        }
    }
    put_words(message, random_next() % 200);
}

static void message_make(struct message *message, bool datagram)
{
    message->size = 0;
    switch (random_next() % 6) {
    case 0: /* noise */
        put_words(message, random_next() % 2000);
        break;
    case 1: /* a record longer than any limit */
        put_word(message, datagram ? random_next() : LAST_FRAGMENT | 0x7fffffffU);
        put_words(message, 1000);
        break;
    case 2: /* fragments of nothing, without a last one */
        for (unsigned fragment = 0; fragment < 10000; fragment++) {
            put_word(message, 0);
        }
        break;
    case 3: { /* cut off */
        put_word(message, LAST_FRAGMENT | 4000);
        put_call(message);
        break;
    }
    default: { /* a call that is one, up to its arguments */
        size_t mark = message->size;
        if (!datagram) {
            put_word(message, 0);
        }
        put_call(message);
        if (!datagram) {
            uint32_t length = htonl(LAST_FRAGMENT | (uint32_t)(message->size - mark - 4));
            memcpy(message->bytes + mark, &length, sizeof length);
        }
        break;
    }
    }
}

static int send_one(const struct sockaddr_in *address, bool datagram)
{
    static struct message message;
    char answer[4096];
    int fd = socket(AF_INET, datagram ? SOCK_DGRAM : SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address)) {
        fprintf(stderr, "garbage: port %u: %s\n", ntohs(address->sin_port), strerror(errno));
        if (fd >= 0) {
            (void)close(fd); /* nothing was sent */
        }
        return 1;
    }
    message_make(&message, datagram);
    /* A server that hangs up in the middle is right to. */
    (void)send(fd, message.bytes, message.size, MSG_NOSIGNAL);
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    if (poll(&poll_fd, 1, ANSWER_MS) > 0) {
        (void)recv(fd, answer, sizeof answer, 0); /* any answer will do, none too */
    }
    (void)close(fd);
    return 0;
}

int main(int argc, char **argv)
{
    bool datagram = argc == 5 && !strcmp(argv[4], "udp");
    if (argc != 4 && !datagram) {
        fprintf(stderr, "usage: garbage PORT SEED COUNT [udp]\n");
        return 2;
    }
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10)),
        .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
    };
    random_state = strtoull(argv[2], NULL, 10) * 2862933555777941757U + 1;
    for (long left = strtol(argv[3], NULL, 10); left > 0; left--) {
        if (send_one(&address, datagram)) {
            return 1;
        }
    }
    return 0;
}
