/*
 * Where a process listens, as the kernel says.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_MGMT_LISTENING_H
#define TRIVET_MGMT_LISTENING_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct listening {
    char address[INET6_ADDRSTRLEN];
    uint16_t port;
};

/* The TCP addresses that pid listens on, at most size of them. Returns how many; 0 also if it is
 * gone or another user's. */
size_t listening_of(pid_t pid, struct listening *out_listening, size_t size);

#endif
