/*
 * Calls byte by byte. See wire.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/lib/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include "conformance/lib/keep.h"
#include "conformance/lib/suite.h"

#define MESSAGE_SIZE_MAX (2 * 1024 * 1024)
#define DATAGRAM_SIZE_MAX 65507
#define ANSWER_MS 20000
/* A datagram is sent again after this time. */
#define RESEND_MS 1000
#define LAST_FRAGMENT 0x80000000u

static uint8_t sent[MESSAGE_SIZE_MAX + 4];
static uint8_t received[MESSAGE_SIZE_MAX + 4];

/* ---- sockets --------------------------------------------------------------------------------- */

static bool resolve(uint16_t port, enum wire_kind kind, struct sockaddr_storage *out_address,
                    socklen_t *out_size)
{
    char service[8];
    (void)snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_socktype = kind == WIRE_UDP ? SOCK_DGRAM : SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(suite_options.server, service, &hints, &found) || !found) {
        return false;
    }
    memcpy(out_address, found->ai_addr, found->ai_addrlen);
    *out_size = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

static bool bind_source(int fd, int family, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    return family == AF_INET ? bind(fd, (struct sockaddr *)&in, sizeof in) == 0
                             : bind(fd, (struct sockaddr *)&in6, sizeof in6) == 0;
}

/* From a port of 600 to 1023 that is free towards this server. */
static int connect_privileged(const struct sockaddr_storage *address, socklen_t size, int type)
{
    for (uint16_t port = 1023; port >= 600; port--) {
        int fd = socket(address->ss_family, type | SOCK_CLOEXEC, 0);
        if (fd >= 0 && bind_source(fd, address->ss_family, port) &&
            connect(fd, (const struct sockaddr *)address, size) == 0) {
            return fd;
        }
        if (fd >= 0) {
            (void)close(fd);
        }
    }
    return -1;
}

bool wire_open(struct wire *wire, enum wire_kind kind, uint16_t port, bool is_privileged)
{
    struct sockaddr_storage address;
    socklen_t size;
    *wire = (struct wire){.fd = -1, .kind = kind};
    if (port == 0 || !resolve(port, kind, &address, &size)) {
        return false;
    }
    int type = kind == WIRE_UDP ? SOCK_DGRAM : SOCK_STREAM;
    if (is_privileged) {
        wire->fd = connect_privileged(&address, size, type);
        return wire->fd >= 0;
    }
    wire->fd = socket(address.ss_family, type | SOCK_CLOEXEC, 0);
    if (wire->fd >= 0 && connect(wire->fd, (struct sockaddr *)&address, size) == 0) {
        return true;
    }
    wire_close(wire);
    return false;
}

void wire_close(struct wire *wire)
{
    if (wire->fd >= 0) {
        (void)close(wire->fd);
        wire->fd = -1;
    }
}

/* ---- sending --------------------------------------------------------------------------------- */

static uint8_t *put32(uint8_t *to, uint32_t value)
{
    uint32_t big = htonl(value);
    memcpy(to, &big, sizeof big);
    return to + sizeof big;
}

static uint32_t take32(const uint8_t **from, const uint8_t *end)
{
    uint32_t big = 0;
    if (end - *from >= (ptrdiff_t)sizeof big) {
        memcpy(&big, *from, sizeof big);
        *from += sizeof big;
    } else {
        *from = end;
    }
    return ntohl(big);
}

static uint8_t *put_caller(uint8_t *to, const struct caller *caller)
{
    if (caller->flavor == AUTH_UNIX) {
        to = put32(put32(to, AUTH_UNIX), 4 * (5 + caller->group_count));
        to = put32(to, 0); /* stamp */
        to = put32(to, 0); /* the machine's name is empty */
        to = put32(put32(to, caller->uid), caller->gid);
        to = put32(to, caller->group_count);
        for (uint32_t i = 0; i < caller->group_count; i++) {
            to = put32(to, caller->groups[i]);
        }
    } else {
        to = put32(put32(to, caller->flavor), 0);
    }
    return put32(put32(to, AUTH_NONE), 0); /* verifier */
}

bool wire_send(struct wire *wire, struct wire_call *call)
{
    static uint32_t next_xid;
    if (next_xid == 0 && getrandom(&next_xid, sizeof next_xid, 0) < 0) {
        next_xid = (uint32_t)getpid() << 16;
    }
    call->xid = call->xid ? call->xid : ++next_xid;
    uint8_t *to = put32(put32(sent + 4, call->xid), 0);
    to = put32(to, call->rpc_version ? call->rpc_version : RPC_MSG_VERSION);
    to = put32(put32(put32(to, call->program), call->version), call->procedure);
    to = put_caller(to, &call->caller);
    if (call->size > (size_t)(sent + sizeof sent - to)) {
        return false;
    }
    if (call->size > 0) {
        memcpy(to, call->body, call->size);
    }
    size_t size = (size_t)(to - sent) + call->size;
    if (wire->kind == WIRE_UDP) {
        return send(wire->fd, sent + 4, size - 4, MSG_NOSIGNAL) == (ssize_t)(size - 4);
    }
    (void)put32(sent, LAST_FRAGMENT | (uint32_t)(size - 4));
    for (size_t done = 0; done < size;) {
        ssize_t some = send(wire->fd, sent + done, size - done, MSG_NOSIGNAL);
        if (some <= 0) {
            return false;
        }
        done += (size_t)some;
    }
    return true;
}

void wire_body(struct wire_call *call, zdrproc_t proc, const void *arguments)
{
    static char bytes[MESSAGE_SIZE_MAX];
    ZDR zdr;
    zdrmem_create(&zdr, bytes, sizeof bytes, ZDR_ENCODE);
    /* Encoding only reads; libnfs's functions serve both directions. */
    suite_check(proc(&zdr, (void *)(uintptr_t)arguments), __FILE__, __LINE__,
                "the arguments cannot be encoded");
    call->body = keep_copy(bytes, (size_t)zdr.pos);
    call->size = (size_t)zdr.pos;
    zdr_destroy(&zdr);
}

/* ---- receiving ------------------------------------------------------------------------------- */

static bool receive_all(int fd, uint8_t *to, size_t size)
{
    for (size_t done = 0; done < size;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (poll(&ready, 1, ANSWER_MS) <= 0) {
            return false;
        }
        ssize_t some = recv(fd, to + done, size - done, 0);
        if (some <= 0) {
            return false;
        }
        done += (size_t)some;
    }
    return true;
}

/* A record of one or more fragments. */
static bool receive_record(int fd, size_t *out_size)
{
    size_t size = 0;
    for (;;) {
        uint8_t mark[4];
        if (!receive_all(fd, mark, sizeof mark)) {
            return false;
        }
        const uint8_t *at = mark;
        uint32_t head = take32(&at, mark + sizeof mark);
        size_t more = head & ~LAST_FRAGMENT;
        if (more > sizeof received - size || !receive_all(fd, received + size, more)) {
            return false;
        }
        size += more;
        if (head & LAST_FRAGMENT) {
            *out_size = size;
            return true;
        }
    }
}

static bool parse(size_t size, struct wire_answer *out_answer)
{
    const uint8_t *at = received;
    const uint8_t *end = received + size;
    *out_answer = (struct wire_answer){.xid = take32(&at, end)};
    if (size < 12 || take32(&at, end) != REPLY) {
        return false;
    }
    out_answer->reply_stat = take32(&at, end);
    if (out_answer->reply_stat == MSG_ACCEPTED) {
        (void)take32(&at, end); /* the verifier's flavor */
        uint32_t verifier_size = (take32(&at, end) + 3) & ~3u;
        if (verifier_size > (size_t)(end - at)) {
            return false;
        }
        at += verifier_size;
    }
    out_answer->stat = take32(&at, end);
    bool is_accepted = out_answer->reply_stat == MSG_ACCEPTED;
    if (!is_accepted && out_answer->stat == AUTH_ERROR) {
        out_answer->auth_stat = take32(&at, end);
    } else if (out_answer->stat == (is_accepted ? (uint32_t)PROG_MISMATCH : RPC_MISMATCH)) {
        out_answer->low = take32(&at, end);
        out_answer->high = take32(&at, end);
    }
    out_answer->body = at;
    out_answer->size = (size_t)(end - at);
    return true;
}

static bool receive_within(struct wire *wire, int ms, struct wire_answer *out_answer)
{
    struct pollfd ready = {.fd = wire->fd, .events = POLLIN};
    if (poll(&ready, 1, ms) <= 0) {
        return false;
    }
    size_t size = 0;
    if (wire->kind == WIRE_TCP) {
        return receive_record(wire->fd, &size) && parse(size, out_answer);
    }
    ssize_t came = recv(wire->fd, received, sizeof received, 0);
    return came > 0 && parse((size_t)came, out_answer);
}

bool wire_receive(struct wire *wire, struct wire_answer *out_answer)
{
    return receive_within(wire, ANSWER_MS, out_answer);
}

bool wire_call(struct wire *wire, struct wire_call *call, struct wire_answer *out_answer)
{
    int tries = wire->kind == WIRE_UDP ? ANSWER_MS / RESEND_MS : 1;
    for (int i = 0; i < tries; i++) {
        if (!wire_send(wire, call)) {
            return false;
        }
        int ms = wire->kind == WIRE_UDP ? RESEND_MS : ANSWER_MS;
        while (receive_within(wire, ms, out_answer)) {
            if (out_answer->xid == call->xid) {
                return true;
            }
        }
    }
    return false;
}

/* ---- the portmapper -------------------------------------------------------------------------- */

uint16_t wire_port(uint32_t program, uint32_t version, enum wire_kind kind)
{
    enum { GETPORT = 3, PORT = 111 };
    uint16_t given = program == PROGRAM_NFS ? suite_options.nfs_port : suite_options.mount_port;
    if (given) {
        return given;
    }
    uint8_t body[16];
    uint32_t protocol = kind == WIRE_UDP ? IPPROTO_UDP : IPPROTO_TCP;
    (void)put32(put32(put32(put32(body, program), version), protocol), 0);
    struct wire_call call = {
        .program = PROGRAM_PORTMAP,
        .version = 2,
        .procedure = GETPORT,
        .body = body,
        .size = sizeof body,
    };
    struct wire wire;
    struct wire_answer answer = {0};
    uint32_t port = 0;
    if (wire_open(&wire, WIRE_TCP, PORT, false)) {
        if (wire_call(&wire, &call, &answer) && answer.reply_stat == MSG_ACCEPTED &&
            answer.stat == SUCCESS) {
            const uint8_t *at = answer.body;
            port = take32(&at, answer.body + answer.size);
        }
        wire_close(&wire);
    }
    return (uint16_t)port;
}
