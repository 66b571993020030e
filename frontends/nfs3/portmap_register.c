/*
 * Registering with the portmapper of the machine. rpcbind takes SET and UNSET from its Unix socket;
 * older portmappers, and our own, from loopback.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/nfs3/portmap_register.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/proto/limits.h"

#define RPCBIND_SOCKET "/run/rpcbind.sock"
#define CALL_MS 1000

static const struct rpc_service no_service = {.program_count = 0};

/* A connection to the portmapper, by its Unix socket or by TCP. */
static int dial(struct rpc_loop *loop, uint16_t port, bool by_unix,
                struct rpc_connection **out_connection)
{
    if (by_unix) {
        return rpc_dial_unix(loop, RPCBIND_SOCKET, &no_service, out_connection);
    }
    return rpc_dial_tcp(loop, "127.0.0.1", port, &no_service, out_connection);
}

static bool has_unix_socket(uint16_t port)
{
    return port == PORT_PORTMAP && access(RPCBIND_SOCKET, F_OK) == 0;
}

static int call(struct rpc_connection *connection, uint32_t version, uint32_t procedure,
                xdrproc_t encode, const void *arguments, uint32_t *out_value)
{
    struct rpc_call_request request = {
        .program = PORTMAP_PROGRAM,
        .version = version,
        .procedure = procedure,
        .encode = encode,
        .arguments = arguments,
        .timeout_ms = CALL_MS,
    };
    portmap_number result = {.value = 0};
    int status = rpc_call_wait(connection, &request, (xdrproc_t)xdr_portmap_number, &result);
    if (status == 0) {
        *out_value = result.value;
    }
    return status;
}

bool portmap_is_there(struct rpc_loop *loop, uint16_t port)
{
    if (has_unix_socket(port)) {
        struct rpc_connection *connection = NULL;
        uint32_t ignored;
        portmap_mapping nothing = {.prog = PORTMAP_PROGRAM};
        if (dial(loop, port, true, &connection) == 0) {
            int status = call(connection, PORTMAP_VERSION2, PORTMAP2_GETPORT,
                              (xdrproc_t)xdr_portmap_mapping, &nothing, &ignored);
            rpc_connection_close(connection);
            rpc_connection_put(connection);
            if (status == 0 || status == -EPROTO) {
                return true;
            }
        }
    }
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
}

/* ---- SET and UNSET ------------------------------------------------------------------------- */

static uint32_t protocol_of(const struct portmap_entry *entry)
{
    return strncmp(entry->netid, "tcp", 3) == 0 ? IPPROTO_TCP : IPPROTO_UDP;
}

static int change(struct rpc_connection *connection, bool by_unix, bool set,
                  const struct portmap_entry *entry, uint32_t *out_done)
{
    if (!by_unix) {
        portmap_mapping mapping = {entry->program, entry->version, protocol_of(entry), entry->port};
        return call(connection, PORTMAP_VERSION2, set ? PORTMAP2_SET : PORTMAP2_UNSET,
                    (xdrproc_t)xdr_portmap_mapping, &mapping, out_done);
    }
    char netid[PORTMAP_NETID_MAX + 1];
    char address[PORTMAP_ADDRESS_MAX + 16];
    char owner[] = "trivet-gateway";
    snprintf(netid, sizeof netid, "%s", entry->netid);
    snprintf(address, sizeof address, "%s.%u.%u", entry->host, (unsigned)entry->port >> 8,
             (unsigned)entry->port & 0xff);
    portmap_binding binding = {entry->program, entry->version, netid, address, owner};
    return call(connection, PORTMAP_VERSION4, set ? RPCBIND4_SET : RPCBIND4_UNSET,
                (xdrproc_t)xdr_portmap_binding, &binding, out_done);
}

/* Does anybody accept connections there? */
static bool is_alive(uint32_t port)
{
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
}

/* Another server's registration: in the way if it lives, else removed. */
static int make_room(struct rpc_connection *connection, bool by_unix,
                     const struct portmap_entry *entry, char *out_error, size_t size)
{
    portmap_mapping mapping = {entry->program, entry->version, IPPROTO_TCP, 0};
    uint32_t port = 0;
    int status = call(connection, PORTMAP_VERSION2, PORTMAP2_GETPORT,
                      (xdrproc_t)xdr_portmap_mapping, &mapping, &port);
    if (status == 0 && port != 0 && port != entry->port && is_alive(port)) {
        snprintf(out_error, size,
                 "program %u is registered by another NFS server, on port %u; stop that server, or "
                 "set portmap = off and give clients the ports",
                 entry->program, port);
        return -EEXIST;
    }
    uint32_t ignored;
    return status ? status : change(connection, by_unix, false, entry, &ignored);
}

static int register_all(struct rpc_connection *connection, bool by_unix,
                        const struct portmap_entry *entries, size_t count, char *out_error,
                        size_t size)
{
    for (size_t i = 0; i < count; i++) {
        /* UNSET of version 2 takes both transports, so it must come before the first SET only. */
        bool is_first = i == 0 || entries[i].program != entries[i - 1].program ||
                        entries[i].version != entries[i - 1].version;
        int status = 0;
        if (is_first || by_unix) {
            status = make_room(connection, by_unix, &entries[i], out_error, size);
        }
        uint32_t done = 0;
        if (status == 0) {
            status = change(connection, by_unix, true, &entries[i], &done);
        }
        if (status == 0 && !done) {
            snprintf(out_error, size,
                     "the portmapper refuses to register program %u; run as root, or set "
                     "portmap = off",
                     entries[i].program);
            return -EACCES;
        }
        if (status) {
            return status;
        }
    }
    return 0;
}

int portmap_register(struct rpc_loop *loop, uint16_t port, const struct portmap_entry *entries,
                     size_t count, char *out_error, size_t size)
{
    out_error[0] = '\0';
    bool by_unix = has_unix_socket(port);
    int status = -E_CONNECTION_LOST;
    /* A socket file may be all that is left of an rpcbind: then whoever has the port is asked. */
    for (int attempt = by_unix ? 0 : 1; attempt < 2 && status; attempt++) {
        struct rpc_connection *connection = NULL;
        by_unix = attempt == 0;
        status = dial(loop, port, by_unix, &connection);
        if (status) {
            continue;
        }
        status = register_all(connection, by_unix, entries, count, out_error, size);
        rpc_connection_close(connection);
        rpc_connection_put(connection);
        if (status == -EEXIST) {
            break;
        }
    }
    if (status && out_error[0] == '\0') {
        snprintf(out_error, size,
                 "what holds port %u does not answer as a portmapper (%s); 'ss -ltnup sport = :%u' "
                 "shows it; stop it, or set portmap = off",
                 port, error_text(status), port);
    }
    return status;
}

void portmap_unregister(struct rpc_loop *loop, uint16_t port, const struct portmap_entry *entries,
                        size_t count)
{
    struct rpc_connection *connection = NULL;
    bool by_unix = has_unix_socket(port);
    if (dial(loop, port, by_unix, &connection)) {
        return;
    }
    int status = 0;
    for (size_t i = 0; i < count && status == 0; i++) {
        uint32_t ignored;
        status = change(connection, by_unix, false, &entries[i], &ignored);
    }
    rpc_connection_close(connection);
    rpc_connection_put(connection);
}
