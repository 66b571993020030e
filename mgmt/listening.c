/*
 * See listening.h. /proc/PID/net/tcp names the sockets of its network name space with their inodes,
 * /proc/PID/fd tells which of them are the process's own (proc(5)).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mgmt/listening.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Listening sockets of a machine that are looked at; a gateway's machine has a few dozen. */
#define SOCKETS_MAX 1024
#define STATE_LISTEN 0x0a

struct socket_row {
    unsigned long inode;
    struct listening at;
};

/* The kernel prints addresses as native 32-bit numbers of the bytes in memory. */
static bool address_parse(const char *hex, char out_address[INET6_ADDRSTRLEN])
{
    uint32_t words[4];
    size_t count = strlen(hex) / 8;
    if (count != 1 && count != 4) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (sscanf(hex + 8 * i, "%8x", &words[i]) != 1) {
            return false;
        }
    }
    return inet_ntop(count == 1 ? AF_INET : AF_INET6, words, out_address, INET6_ADDRSTRLEN) != NULL;
}

static size_t sockets_read(pid_t pid, const char *table, struct socket_row *rows, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)pid, table);
    FILE *file = fopen(path, "re");
    if (!file) {
        return 0;
    }
    size_t count = 0;
    char line[512];
    while (count < size && fgets(line, sizeof(line), file)) {
        char address[33];
        unsigned port;
        unsigned state;
        unsigned long inode;
        if (sscanf(line, " %*d: %32[0-9A-F]:%4x %*[0-9A-F]:%*x %2x %*x:%*x %*x:%*x %*x %*u %*u %lu",
                   address, &port, &state, &inode) == 4 &&
            state == STATE_LISTEN && address_parse(address, rows[count].at.address)) {
            rows[count].inode = inode;
            rows[count].at.port = (uint16_t)port;
            count++;
        }
    }
    (void)fclose(file); /* it was only read */
    return count;
}

static const struct socket_row *find_row(const struct socket_row *rows, size_t count,
                                         unsigned long inode)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].inode == inode) {
            return &rows[i];
        }
    }
    return NULL;
}

size_t listening_of(pid_t pid, struct listening *out_listening, size_t size)
{
    struct socket_row rows[SOCKETS_MAX];
    size_t row_count = sockets_read(pid, "tcp", rows, SOCKETS_MAX);
    row_count += sockets_read(pid, "tcp6", rows + row_count, SOCKETS_MAX - row_count);

    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    if (!dir) {
        return 0;
    }
    size_t count = 0;
    struct dirent *entry;
    while (count < size && (entry = readdir(dir)) != NULL) {
        char target[64];
        ssize_t length = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
        unsigned long inode;
        if (length <= 0) {
            continue;
        }
        target[length] = '\0';
        if (sscanf(target, "socket:[%lu]", &inode) != 1) {
            continue;
        }
        const struct socket_row *row = find_row(rows, row_count, inode);
        if (row) {
            out_listening[count++] = row->at;
        }
    }
    (void)closedir(dir); /* it was only read */
    return count;
}
