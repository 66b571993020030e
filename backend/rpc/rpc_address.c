/*
 * Socket addresses: literals fast, names through the resolver.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/rpc/rpc_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static int address_lookup(const char *host, uint16_t port, struct address *out_address)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char service[8];
    snprintf(service, sizeof service, "%u", (unsigned)port);
    if (getaddrinfo(host, service, &hints, &found) != 0 || !found) {
        return -EINVAL;
    }
    int result = -EINVAL;
    if (found->ai_addrlen <= sizeof out_address->in6) {
        memcpy(&out_address->any, found->ai_addr, found->ai_addrlen);
        out_address->size = found->ai_addrlen;
        result = 0;
    }
    freeaddrinfo(found);
    return result;
}

int address_resolve(const char *host, uint16_t port, struct address *out_address)
{
    struct address address = {.size = 0};
    if (inet_pton(AF_INET, host, &address.in.sin_addr) == 1) {
        address.in.sin_family = AF_INET;
        address.in.sin_port = htons(port);
        address.size = sizeof address.in;
    } else if (inet_pton(AF_INET6, host, &address.in6.sin6_addr) == 1) {
        address.in6.sin6_family = AF_INET6;
        address.in6.sin6_port = htons(port);
        address.size = sizeof address.in6;
    } else if (address_lookup(host, port, &address) < 0) {
        return -EINVAL;
    }
    *out_address = address;
    return 0;
}

int address_of_path(const char *path, struct address *out_address)
{
    struct address address = {.size = sizeof address.un, .un = {.sun_family = AF_UNIX}};
    size_t size = strlen(path) + 1;
    if (size > sizeof address.un.sun_path) {
        return -ENAMETOOLONG;
    }
    memcpy(address.un.sun_path, path, size);
    *out_address = address;
    return 0;
}

void address_name(const struct address *address, char out_name[ADDRESS_NAME_SIZE])
{
    char host[INET6_ADDRSTRLEN] = "";
    out_name[0] = '\0';
    if (address->any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &address->in.sin_addr, host, sizeof host);
        snprintf(out_name, ADDRESS_NAME_SIZE, "%s:%u", host, ntohs(address->in.sin_port));
    } else if (address->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address->in6.sin6_addr, host, sizeof host);
        snprintf(out_name, ADDRESS_NAME_SIZE, "[%s]:%u", host, ntohs(address->in6.sin6_port));
    } else if (address->any.sa_family == AF_UNIX &&
               address->size > offsetof(struct sockaddr_un, sun_path)) {
        snprintf(out_name, ADDRESS_NAME_SIZE, "%.*s", (int)sizeof address->un.sun_path,
                 address->un.sun_path);
    }
}

uint16_t address_port(const struct address *address)
{
    if (address->any.sa_family == AF_INET) {
        return ntohs(address->in.sin_port);
    }
    return address->any.sa_family == AF_INET6 ? ntohs(address->in6.sin6_port) : 0;
}
