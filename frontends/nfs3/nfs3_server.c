/*
 * Start and stop of the gateway.
 *
 * Start: programs, loop, listeners, portmapper, volumes. Stop, in this order: registrations, so
 * that nobody new comes; the loop, so that nothing new is read; the calls that wait for their
 * volumes, which give up and are dropped; then what all of them used.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/nfs3/nfs3_server.h"

#include <stdio.h>
#include <stdlib.h>
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "frontends/nfs3/mount.h"
#include "frontends/nfs3/nfs3_dispatch.h"
#include "frontends/nfs3/portmap.h"
#include "frontends/nfs3/portmap_register.h"

#define NFS_PROGRAM_NUMBER 100003
#define MOUNT_PROGRAM_NUMBER 100005
/* NFS 3, MOUNT 3 and 1, portmapper 2, 3 and 4; each over TCP and UDP. */
#define ENTRIES_MAX 12
/* How long a start waits for the volumes, so that whoever mounts right after it finds them. */
#define VOLUMES_MS 2000

struct nfs3_server {
    const struct settings *settings;
    struct exports *exports;
    struct rpc_loop *loop;
    struct nfs3 *nfs3;
    struct mount *mount;
    struct portmap *portmap; /* NULL: not ours */
    struct nfs3_server_ports ports;
    /* NFS's socket serves MOUNT too, in case they have one port; MOUNT's serves only it. */
    const struct rpc_program *programs[1 + MOUNT_PROGRAMS];
    const struct rpc_program *portmap_programs[PORTMAP_PROGRAMS];
    struct rpc_service nfs_service;
    struct rpc_service mount_service;
    struct rpc_service portmap_service;
    struct portmap_entry entries[ENTRIES_MAX];
    size_t entry_count;
    bool is_registered;
};

/* ---- listening ----------------------------------------------------------------------------- */

static int listen_failed(const struct nfs3_server *server, const char *what, const char *key,
                         uint16_t port, int status, char *out_error, size_t size)
{
    const char *host = server->settings->listen;
    if (status == -EADDRINUSE) {
        snprintf(out_error, size,
                 "port %u of %s (%s) is in use; 'ss -ltnup sport = :%u' shows by whom: stop that "
                 "program (another NFS server, rpcbind?), or set %s in [gateway]",
                 port, host, what, port, key);
    } else if (status == -EACCES || status == -EPERM) {
        snprintf(out_error, size,
                 "port %u (%s) may be used by root only: start as root, or set %s in [gateway] to "
                 "1024 or more",
                 port, what, key);
    } else if (status == -EINVAL || status == -EADDRNOTAVAIL) {
        snprintf(out_error, size,
                 "listen = %s is no address of this machine; 'ip address' shows those it has, "
                 "0.0.0.0 means all",
                 host);
    } else {
        snprintf(out_error, size, "cannot listen on port %u of %s (%s): %s", port, host, what,
                 error_text(status));
    }
    return status;
}

static int listen_both(struct nfs3_server *server, const char *what, const char *key, uint16_t port,
                       const struct rpc_service *service, uint16_t out_ports[2], char *out_error,
                       size_t size)
{
    const char *host = server->settings->listen;
    int status = rpc_listen_tcp(server->loop, host, port, service, &out_ports[0]);
    if (status == 0) {
        status = rpc_listen_udp(server->loop, host, port, service, &out_ports[1]);
    }
    return status ? listen_failed(server, what, key, port, status, out_error, size) : 0;
}

static int listen_nfs(struct nfs3_server *server, char *out_error, size_t size)
{
    const struct settings *settings = server->settings;
    struct nfs3_server_ports *ports = &server->ports;
    uint16_t pair[2];
    int status = listen_both(server, "NFS", "nfs-port", settings->nfs_port, &server->nfs_service,
                             pair, out_error, size);
    if (status) {
        return status;
    }
    ports->nfs_tcp = pair[0];
    ports->nfs_udp = pair[1];
    if (settings->mount_port != settings->nfs_port) {
        status = listen_both(server, "MOUNT", "mount-port", settings->mount_port,
                             &server->mount_service, pair, out_error, size);
    }
    if (status == 0) {
        ports->mount_tcp = pair[0];
        ports->mount_udp = pair[1];
    }
    return status;
}

/* ---- being found --------------------------------------------------------------------------- */

static void add_entry(struct nfs3_server *server, uint32_t program, uint32_t version,
                      const char *protocol, uint16_t port)
{
    struct portmap_entry *entry = &server->entries[server->entry_count++];
    const char *host = server->settings->listen;
    bool is_ipv6 = strchr(host, ':') != NULL;
    *entry = (struct portmap_entry){.program = program, .version = version, .port = port};
    snprintf(entry->netid, sizeof entry->netid, "%s%s", protocol, is_ipv6 ? "6" : "");
    snprintf(entry->host, sizeof entry->host, "%.*s", PORTMAP_ADDRESS_MAX, host);
}

static void add_entries(struct nfs3_server *server)
{
    const struct nfs3_server_ports *ports = &server->ports;
    add_entry(server, NFS_PROGRAM_NUMBER, 3, "tcp", ports->nfs_tcp);
    add_entry(server, NFS_PROGRAM_NUMBER, 3, "udp", ports->nfs_udp);
    for (uint32_t version = 1; version <= 3; version += 2) {
        add_entry(server, MOUNT_PROGRAM_NUMBER, version, "tcp", ports->mount_tcp);
        add_entry(server, MOUNT_PROGRAM_NUMBER, version, "udp", ports->mount_udp);
    }
}

static int own_portmap(struct nfs3_server *server, char *out_error, size_t size)
{
    int status = portmap_new(&server->portmap);
    if (status) {
        return status;
    }
    for (size_t i = 0; i < PORTMAP_PROGRAMS; i++) {
        server->portmap_programs[i] = portmap_program(server->portmap, i);
    }
    server->portmap_service = (struct rpc_service){
        .programs = server->portmap_programs,
        .program_count = PORTMAP_PROGRAMS,
    };
    uint16_t pair[2];
    status = listen_both(server, "portmapper", "portmap-port", server->settings->portmap_port,
                         &server->portmap_service, pair, out_error, size);
    if (status) {
        return status;
    }
    server->ports.portmap_tcp = pair[0];
    server->ports.portmap_udp = pair[1];
    for (size_t i = 0; i < PORTMAP_PROGRAMS; i++) {
        add_entry(server, server->portmap_programs[i]->program,
                  server->portmap_programs[i]->version, "tcp", pair[0]);
        add_entry(server, server->portmap_programs[i]->program,
                  server->portmap_programs[i]->version, "udp", pair[1]);
    }
    for (size_t i = 0; i < server->entry_count && status == 0; i++) {
        status = portmap_set(server->portmap, &server->entries[i], "trivet-gateway");
    }
    return status;
}

static int be_found(struct nfs3_server *server, char *out_error, size_t size)
{
    const struct settings *settings = server->settings;
    add_entries(server);
    bool does_register = settings->portmap == PORTMAP_REGISTER;
    if (settings->portmap == PORTMAP_AUTO && settings->portmap_port != 0) {
        does_register = portmap_is_there(server->loop, settings->portmap_port);
    }
    if (settings->portmap == PORTMAP_OFF) {
        return 0;
    }
    if (!does_register) {
        return own_portmap(server, out_error, size);
    }
    int status = portmap_register(server->loop, settings->portmap_port, server->entries,
                                  server->entry_count, out_error, size);
    server->is_registered = status == 0;
    return status;
}

const char *nfs3_server_portmap(const struct nfs3_server *server)
{
    return server->is_registered ? "register" : server->portmap ? "own" : "off";
}

void nfs3_server_ports(const struct nfs3_server *server, struct nfs3_server_ports *out_ports)
{
    *out_ports = server->ports;
}

/* ---- life ---------------------------------------------------------------------------------- */

static int make_programs(struct nfs3_server *server)
{
    int status = nfs3_new(server->exports, &server->nfs3);
    if (status == 0) {
        status = mount_new(server->exports, &server->mount);
    }
    if (status) {
        return status;
    }
    server->programs[0] = nfs3_program(server->nfs3);
    for (size_t i = 0; i < MOUNT_PROGRAMS; i++) {
        server->programs[1 + i] = mount_program(server->mount, i);
    }
    server->nfs_service = (struct rpc_service){
        .programs = server->programs,
        .program_count = 1 + MOUNT_PROGRAMS,
    };
    server->mount_service = (struct rpc_service){
        .programs = server->programs + 1,
        .program_count = MOUNT_PROGRAMS,
    };
    return 0;
}

static int start(struct nfs3_server *server, char *out_error, size_t size)
{
    int status = make_programs(server);
    if (status == 0) {
        status = rpc_loop_new(server->settings->threads, 1, &server->loop);
    }
    if (status == 0) {
        status = listen_nfs(server, out_error, size);
    }
    /* Ports are taken first, so that a start fails at once; calls are read when the volumes are
     * open: what a client sends again to a gateway that has just come back waits in its socket
     * rather than be told to try later, under another xid. */
    if (status == 0) {
        status = exports_open(server->exports, VOLUMES_MS);
    }
    if (status == 0) {
        status = rpc_loop_start(server->loop);
    }
    /* Last: who finds us finds us ready. */
    return status ? status : be_found(server, out_error, size);
}

int nfs3_server_start(const struct settings *settings, struct exports *exports,
                      struct nfs3_server **out_server, char *out_error, size_t size)
{
    snprintf(out_error, size, "out of memory or descriptors");
    struct nfs3_server *server = calloc(1, sizeof *server);
    if (!server) {
        return -ENOMEM;
    }
    server->settings = settings;
    server->exports = exports;
    int status = start(server, out_error, size);
    if (status) {
        nfs3_server_stop(server);
        return status;
    }
    *out_server = server;
    return 0;
}

static void cancel_calls(struct nfs3_server *server)
{
    for (size_t i = 0; i < server->exports->count; i++) {
        struct volume *volume = atomic_load(&server->exports->items[i]->volume);
        if (volume) {
            volume_cancel_all(volume, -EINTR);
        }
    }
}

void nfs3_server_stop(struct nfs3_server *server)
{
    if (!server) {
        return;
    }
    if (server->is_registered) {
        portmap_unregister(server->loop, server->settings->portmap_port, server->entries,
                           server->entry_count);
    }
    if (server->nfs3 && server->mount) {
        nfs3_stop(server->nfs3);
        mount_stop(server->mount);
    }
    if (server->loop) {
        rpc_loop_stop(server->loop);
    }
    if (server->nfs3 && server->mount) {
        cancel_calls(server);
        nfs3_drain(server->nfs3);
        mount_drain(server->mount);
    }
    rpc_loop_free(server->loop);
    portmap_free(server->portmap);
    mount_free(server->mount);
    nfs3_free(server->nfs3);
    free(server);
}
