/*
 * The hosts that a volume's name lists.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int parse_port(const char *text, size_t size, uint16_t *out_port)
{
    if (size == 0 || size > 5 || strspn(text, "0123456789") < size) {
        return -EINVAL;
    }
    unsigned long port = strtoul(text, NULL, 10);
    if (port == 0 || port > UINT16_MAX) {
        return -EINVAL;
    }
    *out_port = (uint16_t)port;
    return 0;
}

static int parse_one(const char *text, size_t size, struct route_host *out_host)
{
    const char *host = text;
    const char *end = text + size;
    const char *host_end;
    if (size && *text == '[') {
        host++;
        host_end = memchr(text, ']', size);
        if (!host_end || (host_end + 1 < end && host_end[1] != ':')) {
            return -EINVAL;
        }
    } else {
        const char *colon = memchr(text, ':', size);
        host_end = colon ? colon : end;
    }
    size_t host_size = (size_t)(host_end - host);
    if (host_size == 0 || host_size > HOST_SIZE_MAX) {
        return -EINVAL;
    }
    struct route_host parsed = {.port = PORT_MANAGEMENT};
    memcpy(parsed.host, host, host_size);
    const char *port = host_end + (*text == '[');
    if (port < end) {
        int status = parse_port(port + 1, (size_t)(end - port - 1), &parsed.port);
        if (status) {
            return status;
        }
    }
    *out_host = parsed;
    return 0;
}

int route_hosts_parse(const char *text, struct route_host *out_hosts, size_t limit,
                      size_t *out_count)
{
    size_t count = 0;
    for (;;) {
        size_t size = strcspn(text, ",");
        if (count == limit) {
            return -EINVAL;
        }
        int status = parse_one(text, size, &out_hosts[count]);
        if (status) {
            return status;
        }
        count++;
        if (text[size] == '\0') {
            break;
        }
        text += size + 1;
    }
    *out_count = count;
    return 0;
}
