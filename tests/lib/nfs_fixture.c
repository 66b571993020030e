/*
 * See nfs_fixture.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/lib/nfs_fixture.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "frontends/nfs3/nfs3_server.h"

static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "fixture: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static void write_config(const struct nfs_fixture *fixture, const char *path, const char *exports)
{
    FILE *file = fopen(path, "w");
    if (!file) {
        give_up(path, strerror(errno));
    }
    fprintf(file, "[gateway]\nlisten = 127.0.0.1\nnfs-port = 0\nmount-port = 0\nportmap-port = 0\n"
                  "portmap = own\n");
    for (const char *at = exports; *at != '\0';) {
        if (strncmp(at, "$DIR", 4) == 0) {
            fputs(fixture->directory, file);
            at += 4;
        } else {
            fputc(*at++, file);
        }
    }
    fclose(file);
}

void nfs_fixture_start(struct nfs_fixture *fixture, const char *exports)
{
    const char *parent = getenv("TMPDIR");
    snprintf(fixture->directory, sizeof fixture->directory, "%.40s/trivet-nfs-XXXXXX",
             parent ? parent : "/tmp");
    if (!mkdtemp(fixture->directory)) {
        give_up(fixture->directory, strerror(errno));
    }
    (void)chmod(fixture->directory, 0755);
    char path[128];
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/vol%d", fixture->directory, i);
        (void)mkdir(path, i < 3 ? 0755 : 0777);
        (void)chmod(path, i < 3 ? 0755 : 0777); /* whatever the umask */
    }
    snprintf(path, sizeof path, "%s/gateway.conf", fixture->directory);
    write_config(fixture, path, exports);
    struct settings *settings = malloc(sizeof *settings);
    struct exports *all = NULL;
    char error[CONF_ERROR_SIZE] = "";
    settings_init(settings);
    if (exports_new(&all) || settings_read(path, settings, all, error)) {
        give_up("configuration", error);
    }
    struct nfs3_server *server = NULL;
    if (nfs3_server_start(settings, all, &server, error, sizeof error)) {
        give_up("start", error);
    }
    struct nfs3_server_ports ports;
    nfs3_server_ports(server, &ports);
    fixture->nfs_tcp = ports.nfs_tcp;
    fixture->nfs_udp = ports.nfs_udp;
    fixture->mount_tcp = ports.mount_tcp;
    fixture->mount_udp = ports.mount_udp;
    fixture->portmap_tcp = ports.portmap_tcp;
    fixture->portmap_udp = ports.portmap_udp;
    fixture->settings = settings;
    fixture->exports = all;
    fixture->server = server;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void)stat;
    (void)type;
    (void)ftw;
    (void)remove(path); /* what cannot be removed shows in the parent's removal */
    return 0;
}

void nfs_fixture_stop(struct nfs_fixture *fixture)
{
    nfs3_server_stop(fixture->server);
    exports_free(fixture->exports);
    free(fixture->settings);
    (void)nftw(fixture->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- calls byte by byte -------------------------------------------------------------------- */

int raw_connect(uint16_t port, bool is_udp)
{
    int fd = socket(AF_INET, (is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) {
        give_up("connect", strerror(errno));
    }
    return fd;
}

static uint8_t *put32(uint8_t *to, uint32_t value)
{
    uint32_t big = htonl(value);
    memcpy(to, &big, sizeof big);
    return to + sizeof big;
}

static uint32_t get32(const uint8_t *from)
{
    uint32_t big;
    memcpy(&big, from, sizeof big);
    return ntohl(big);
}

bool raw_send(int fd, bool is_udp, uint32_t xid, uint32_t program, uint32_t version,
              uint32_t procedure, const uint8_t *body, size_t size)
{
    uint8_t head[80];
    uint8_t *to = put32(head, 0); /* record mark */
    const uint32_t words[] = {
        xid,          0, 2, program,        version, procedure, 1 /* SYS */, 20, 0,
        0 /* name */, 0, 0, 0 /* groups */, 0,       0};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        to = put32(to, words[i]);
    }
    size_t head_size = (size_t)(to - head);
    (void)put32(head, UINT32_C(0x80000000) | (uint32_t)(head_size - 4 + size));
    size_t skip = is_udp ? 4 : 0;
    struct iovec pieces[2] = {
        {head + skip, head_size - skip},
        {(void *)(uintptr_t)body, size},
    };
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    size_t left = head_size - skip + size;
    while (left > 0) {
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        left -= (size_t)sent;
        for (size_t i = 0; i < 2; i++) {
            size_t taken = (size_t)sent < pieces[i].iov_len ? (size_t)sent : pieces[i].iov_len;
            pieces[i].iov_base = (uint8_t *)pieces[i].iov_base + taken;
            pieces[i].iov_len -= taken;
            sent -= (ssize_t)taken;
        }
    }
    return true;
}

static bool read_some(int fd, uint8_t *to, size_t size, int timeout_ms, size_t *out_size)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    if (poll(&ready, 1, timeout_ms) != 1) {
        return false;
    }
    ssize_t got = read(fd, to, size);
    *out_size = got > 0 ? (size_t)got : 0;
    return got > 0;
}

static bool read_record(int fd, uint8_t *to, size_t room, int timeout_ms, size_t *out_size)
{
    uint8_t mark[4];
    size_t have = 0;
    size_t got;
    while (have < sizeof mark) {
        if (!read_some(fd, mark + have, sizeof mark - have, timeout_ms, &got)) {
            return false;
        }
        have += got;
    }
    size_t size = get32(mark) & 0x7fffffff;
    for (have = 0; have < size; have += got) {
        if (size > room || !read_some(fd, to + have, size - have, timeout_ms, &got)) {
            return false;
        }
    }
    *out_size = size;
    return true;
}

bool raw_call(int fd, bool is_udp, uint32_t program, uint32_t version, uint32_t procedure,
              const uint8_t *body, size_t size, uint8_t *out_reply, size_t room, size_t *out_size,
              int timeout_ms)
{
    static uint32_t xid = 1000;
    xid++;
    if (!raw_send(fd, is_udp, xid, program, version, procedure, body, size)) {
        return false;
    }
    for (;;) {
        bool came = is_udp ? read_some(fd, out_reply, room, timeout_ms, out_size)
                           : read_record(fd, out_reply, room, timeout_ms, out_size);
        if (!came || (*out_size >= 4 && get32(out_reply) == xid)) {
            return came;
        }
    }
}

size_t raw_mount(const struct nfs_fixture *fixture, const char *path, uint8_t out_handle[64])
{
    uint8_t body[1100] = {0};
    size_t size = strlen(path);
    (void)put32(body, (uint32_t)size);
    memcpy(body + 4, path, size);
    int fd = raw_connect(fixture->mount_tcp, false);
    uint8_t reply[256];
    size_t reply_size = 0;
    bool came = raw_call(fd, false, 100005, 3, 1, body, 4 + ((size + 3) & ~(size_t)3), reply,
                         sizeof reply, &reply_size, 10000);
    (void)close(fd);
    /* xid, REPLY, accepted, verifier 2, success, status, size, handle */
    if (!came || reply_size < 32 || get32(reply + 24) != 0 || get32(reply + 28) > 64) {
        return 0;
    }
    memcpy(out_handle, reply + 32, get32(reply + 28));
    return get32(reply + 28);
}
