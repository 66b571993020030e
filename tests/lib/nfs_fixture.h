/*
 * A gateway inside the test's process, over plain directories in a temporary directory, on free
 * ports of 127.0.0.1; and calls to it byte by byte, for what no well-behaved client would send.
 *
 * This header names no type of Trivet's and of libnfs's, which have some names in common.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_NFS_FIXTURE_H
#define TRIVET_TESTS_NFS_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nfs_fixture {
    char directory[64]; /* holds gateway.conf and the volumes */
    uint16_t nfs_tcp, nfs_udp, mount_tcp, mount_udp, portmap_tcp, portmap_udp;
    void *settings, *exports, *server; /* the fixture's own */
};

/*
 * Start a gateway with the given [export …] sections, in which $DIR stands for the directory;
 * directories vol0 to vol2 are in it, and vol3 that all may write to. Ends the process with a
 * message if that fails.
 */
void nfs_fixture_start(struct nfs_fixture *fixture, const char *exports);
/* Stop it and remove the directory. */
void nfs_fixture_stop(struct nfs_fixture *fixture);

/* A connected socket; is_udp: a datagram one. */
int raw_connect(uint16_t port, bool is_udp);
/* One call with AUTH_SYS ids (uid and gid 0). False: nothing, or no whole answer, came within
 * timeout_ms. */
bool raw_call(int fd, bool is_udp, uint32_t program, uint32_t version, uint32_t procedure,
              const uint8_t *body, size_t size, uint8_t *out_reply, size_t room, size_t *out_size,
              int timeout_ms);
/* Send a call without waiting; is_udp as above. False: the socket is gone. */
bool raw_send(int fd, bool is_udp, uint32_t xid, uint32_t program, uint32_t version,
              uint32_t procedure, const uint8_t *body, size_t size);

/* The handle of an export's directory, by MNT. Returns its size, 0 on failure. */
size_t raw_mount(const struct nfs_fixture *fixture, const char *path, uint8_t out_handle[64]);

#endif
