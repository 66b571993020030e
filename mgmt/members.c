/*
 * See members.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mgmt/members.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/base/errors.h"
#include "backend/base/text.h"

static bool is_same_address(const struct sockaddr *a, const struct sockaddr *b)
{
    if (!a || !b || a->sa_family != b->sa_family) {
        return false;
    }
    if (a->sa_family == AF_INET) {
        const struct sockaddr_in *a4 = (const void *)a;
        const struct sockaddr_in *b4 = (const void *)b;
        return a4->sin_addr.s_addr == b4->sin_addr.s_addr;
    }
    if (a->sa_family == AF_INET6) {
        const struct sockaddr_in6 *a6 = (const void *)a;
        const struct sockaddr_in6 *b6 = (const void *)b;
        return memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) == 0;
    }
    return false;
}

/* Debian maps the host's own name to 127.0.1.1: every address of 127/8 is this machine. */
static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    return false;
}

static bool is_local(const struct addrinfo *resolved, const struct ifaddrs *interfaces)
{
    for (; resolved; resolved = resolved->ai_next) {
        if (is_loopback(resolved->ai_addr)) {
            return true;
        }
        for (const struct ifaddrs *own = interfaces; own; own = own->ifa_next) {
            if (is_same_address(own->ifa_addr, resolved->ai_addr)) {
                return true;
            }
        }
    }
    return false;
}

int member_check_host(const char *host, struct refusal *out_why)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *resolved = NULL;
    int error = getaddrinfo(host, NULL, &hints, &resolved);
    if (error) {
        return refuse(
            out_why, -EHOSTUNREACH,
            "host %s cannot be resolved (%s); use a name or address of this machine, such "
            "as localhost",
            host, gai_strerror(error));
    }
    struct ifaddrs *interfaces = NULL;
    if (getifaddrs(&interfaces)) {
        interfaces = NULL; /* loopback addresses can still be told */
    }
    bool found = is_local(resolved, interfaces);
    freeifaddrs(interfaces);
    freeaddrinfo(resolved);
    if (!found) {
        return refuse(
            out_why, -EXDEV,
            "host %s is not this machine; bricks on other machines are not supported yet: "
            "use a name or address of this machine, such as localhost",
            host);
    }
    return 0;
}

unsigned member_count(void)
{
    return 1;
}

json_t *members_to_json(void)
{
    char name[HOST_SIZE_MAX + 1] = "localhost";
    if (gethostname(name, sizeof(name) - 1)) {
        text_copy(name, sizeof(name), "localhost");
    }
    return json_pack("[{s:s, s:s, s:b, s:b}]", "hostname", name, "state", "Peer in Cluster",
                     "connected", 1, "local", 1);
}
