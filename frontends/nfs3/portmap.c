/*
 * The portmapper: a table of who listens where, and the three forms of asking it (RFC 1833).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/nfs3/portmap.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/proto/limits.h"
#include "frontends/nfs3/exports.h"

struct mapping {
    struct portmap_entry entry;
    char owner[PORTMAP_OWNER_MAX + 1];
};

/* lock guards mappings. Invariant: count <= PORTMAP_MAPPINGS_MAX; no two mappings have the same
 * program, version and netid. */
struct portmap {
    struct rpc_program programs[PORTMAP_PROGRAMS];
    pthread_mutex_t lock;
    size_t count;
    struct mapping mappings[PORTMAP_MAPPINGS_MAX];
};

/* ---- the table (the caller holds lock) ----------------------------------------------------- */

static struct mapping *find(struct portmap *portmap, uint32_t program, uint32_t version,
                            const char *netid)
{
    for (size_t i = 0; i < portmap->count; i++) {
        const struct portmap_entry *entry = &portmap->mappings[i].entry;
        if (entry->program == program && entry->version == version &&
            strcmp(entry->netid, netid) == 0) {
            return &portmap->mappings[i];
        }
    }
    return NULL;
}

/* The mapping of that version or, as clients are used to, of another one of the program: they learn
 * by PROG_MISMATCH which there are. */
static struct mapping *find_any(struct portmap *portmap, uint32_t program, uint32_t version,
                                const char *netid)
{
    struct mapping *found = find(portmap, program, version, netid);
    for (size_t i = 0; i < portmap->count && !found; i++) {
        const struct portmap_entry *entry = &portmap->mappings[i].entry;
        if (entry->program == program && strcmp(entry->netid, netid) == 0) {
            found = &portmap->mappings[i];
        }
    }
    return found;
}

/* Remove a program's mappings of one version; netid NULL or "": of every transport. */
static bool remove_mappings(struct portmap *portmap, uint32_t program, uint32_t version,
                            const char *netid)
{
    size_t kept = 0;
    for (size_t i = 0; i < portmap->count; i++) {
        const struct portmap_entry *entry = &portmap->mappings[i].entry;
        bool goes = entry->program == program && entry->version == version &&
                    (!netid || netid[0] == '\0' || strcmp(entry->netid, netid) == 0);
        if (!goes) {
            portmap->mappings[kept++] = portmap->mappings[i];
        }
    }
    bool removed = kept < portmap->count;
    portmap->count = kept;
    return removed;
}

int portmap_set(struct portmap *portmap, const struct portmap_entry *entry, const char *owner)
{
    AUTO_LOCK(&portmap->lock);
    struct mapping *found = find(portmap, entry->program, entry->version, entry->netid);
    if (found) {
        return found->entry.port == entry->port ? 0 : -EEXIST;
    }
    if (portmap->count == PORTMAP_MAPPINGS_MAX) {
        return -ENOSPC;
    }
    struct mapping *mapping = &portmap->mappings[portmap->count++];
    mapping->entry = *entry;
    snprintf(mapping->owner, sizeof mapping->owner, "%s", owner);
    return 0;
}

/* ---- addresses ----------------------------------------------------------------------------- */

/* "10.0.0.1.8.1", "::1.8.1": host, and the port's two bytes. */
static void universal_write(const char *host, uint16_t port, char *out_address, size_t size)
{
    snprintf(out_address, size, "%s.%u.%u", host, (unsigned)port >> 8, (unsigned)port & 0xff);
}

static int universal_read(const char *address, struct portmap_entry *out_entry)
{
    const char *low = strrchr(address, '.');
    const char *high = low ? low - 1 : NULL;
    while (high && high > address && *high != '.') {
        high--;
    }
    unsigned high_byte;
    unsigned low_byte;
    char more;
    if (!high || high == address || (size_t)(high - address) >= sizeof out_entry->host ||
        sscanf(high, ".%3u.%3u%c", &high_byte, &low_byte, &more) != 2 || high_byte > 255 ||
        low_byte > 255) {
        return -EINVAL;
    }
    memcpy(out_entry->host, address, (size_t)(high - address));
    out_entry->host[high - address] = '\0';
    out_entry->port = (uint16_t)(high_byte << 8 | low_byte);
    return 0;
}

/* The address of this machine that peer reaches it by: what the kernel would send from. */
static int local_host_towards(const struct sockaddr *peer, char *out_host, size_t size)
{
    socklen_t peer_size = peer->sa_family == AF_INET    ? sizeof(struct sockaddr_in)
                          : peer->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                        : 0;
    if (peer_size == 0) {
        return -EAFNOSUPPORT;
    }
    AUTO_CLOSE int fd = socket(peer->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage local;
    socklen_t local_size = sizeof local;
    if (fd < 0 || connect(fd, peer, peer_size) < 0 ||
        getsockname(fd, (struct sockaddr *)&local, &local_size) < 0) {
        return -errno;
    }
    const void *address = &((struct sockaddr_in6 *)&local)->sin6_addr;
    if (local.ss_family == AF_INET) {
        address = &((struct sockaddr_in *)&local)->sin_addr;
    }
    return inet_ntop(local.ss_family, address, out_host, (socklen_t)size) ? 0 : -errno;
}

static void address_towards(const struct portmap_entry *entry, const struct sockaddr *peer,
                            char out_address[PORTMAP_ADDRESS_MAX + 1])
{
    char host[PORTMAP_ADDRESS_MAX + 1];
    bool is_any = strcmp(entry->host, "0.0.0.0") == 0 || strcmp(entry->host, "::") == 0;
    if (!is_any || local_host_towards(peer, host, sizeof host)) {
        memcpy(host, entry->host, sizeof host);
    }
    char address[2 * sizeof host];
    universal_write(host, entry->port, address, sizeof address);
    /* A host of the longest kind, an IPv6 address of 45 characters, leaves room for the port. */
    snprintf(out_address, PORTMAP_ADDRESS_MAX + 1, "%.*s", PORTMAP_ADDRESS_MAX, address);
}

/* ---- version 2 ----------------------------------------------------------------------------- */

static const char *netid_of(uint32_t protocol)
{
    return protocol == IPPROTO_TCP ? "tcp" : protocol == IPPROTO_UDP ? "udp" : NULL;
}

static void answer_number(struct rpc_call *call, uint32_t value)
{
    portmap_number result = {.value = value};
    rpc_call_reply(call, (xdrproc_t)xdr_portmap_number, &result, NULL);
}

static void handle_null(struct rpc_call *call, void *context)
{
    (void)context;
    rpc_call_reply_raw(call, NULL, 0);
}

static bool may_change(const struct rpc_call *call)
{
    return peer_is_loopback(rpc_call_peer(call));
}

static void handle_set2(struct rpc_call *call, void *context)
{
    portmap_mapping args;
    if (rpc_call_decode(call, (xdrproc_t)xdr_portmap_mapping, &args, NULL)) {
        rpc_call_garbage(call);
        return;
    }
    const char *netid = netid_of(args.protocol);
    bool done = false;
    if (may_change(call) && netid && args.port > 0 && args.port <= UINT16_MAX) {
        struct portmap_entry entry = {
            .program = args.prog,
            .version = args.vers,
            .host = "0.0.0.0",
            .port = (uint16_t)args.port,
        };
        snprintf(entry.netid, sizeof entry.netid, "%s", netid);
        done = portmap_set(context, &entry, "unknown") == 0;
    }
    answer_number(call, done);
}

static void handle_unset2(struct rpc_call *call, void *context)
{
    struct portmap *portmap = context;
    portmap_mapping args;
    if (rpc_call_decode(call, (xdrproc_t)xdr_portmap_mapping, &args, NULL)) {
        rpc_call_garbage(call);
        return;
    }
    bool done = false;
    if (may_change(call)) {
        AUTO_LOCK(&portmap->lock); /* RFC 1833 section 3: protocol and port are ignored */
        done = remove_mappings(portmap, args.prog, args.vers, NULL);
    }
    answer_number(call, done);
}

static void handle_getport(struct rpc_call *call, void *context)
{
    struct portmap *portmap = context;
    portmap_mapping args;
    if (rpc_call_decode(call, (xdrproc_t)xdr_portmap_mapping, &args, NULL)) {
        rpc_call_garbage(call);
        return;
    }
    const char *netid = netid_of(args.protocol);
    uint32_t port = 0;
    if (netid) {
        AUTO_LOCK(&portmap->lock);
        const struct mapping *found = find_any(portmap, args.prog, args.vers, netid);
        port = found ? found->entry.port : 0;
    }
    answer_number(call, port);
}

static void handle_dump2(struct rpc_call *call, void *context)
{
    struct portmap *portmap = context;
    portmap_mapping_item items[PORTMAP_MAPPINGS_MAX];
    size_t count = 0;
    {
        AUTO_LOCK(&portmap->lock);
        for (size_t i = 0; i < portmap->count; i++) {
            const struct portmap_entry *entry = &portmap->mappings[i].entry;
            bool is_tcp = strcmp(entry->netid, "tcp") == 0;
            if (!is_tcp && strcmp(entry->netid, "udp") != 0) {
                continue; /* version 2 knows IPv4 only */
            }
            items[count++] = (portmap_mapping_item){
                .mapping = {entry->program, entry->version, is_tcp ? IPPROTO_TCP : IPPROTO_UDP,
                            entry->port},
            };
        }
    }
    portmap_mapping_list list = {.first = count > 0 ? items : NULL};
    for (size_t i = 0; i + 1 < count; i++) {
        items[i].next = &items[i + 1];
    }
    rpc_call_reply(call, (xdrproc_t)xdr_portmap_mapping_list, &list, NULL);
}

/* ---- versions 3 and 4 ---------------------------------------------------------------------- */

/* Decode a binding; the strings are the caller's to free. Fails: the call is then answered. */
static int take_binding(struct rpc_call *call, portmap_binding *out_binding)
{
    *out_binding = (portmap_binding){.prog = 0};
    if (rpc_call_decode(call, (xdrproc_t)xdr_portmap_binding, out_binding, NULL)) {
        rpc_call_garbage(call);
        return -E_BAD_MESSAGE;
    }
    return 0;
}

static void free_binding(portmap_binding *binding)
{
    xdr_free((xdrproc_t)xdr_portmap_binding, (char *)binding);
}

static void handle_set(struct rpc_call *call, void *context)
{
    portmap_binding args;
    if (take_binding(call, &args)) {
        return;
    }
    struct portmap_entry entry = {.program = args.prog, .version = args.vers};
    bool done = false;
    if (may_change(call) && args.netid[0] != '\0' && universal_read(args.address, &entry) == 0) {
        snprintf(entry.netid, sizeof entry.netid, "%s", args.netid);
        done = portmap_set(context, &entry, args.owner) == 0;
    }
    free_binding(&args);
    answer_number(call, done);
}

static void handle_unset(struct rpc_call *call, void *context)
{
    struct portmap *portmap = context;
    portmap_binding args;
    if (take_binding(call, &args)) {
        return;
    }
    bool done = false;
    if (may_change(call)) {
        AUTO_LOCK(&portmap->lock);
        done = remove_mappings(portmap, args.prog, args.vers, args.netid);
    }
    free_binding(&args);
    answer_number(call, done);
}

/* What a client that names no transport means: the one that it asks by. */
static const char *netid_of_call(const struct rpc_call *call)
{
    bool is_ipv6 = rpc_call_peer(call)->sa_family == AF_INET6;
    if (rpc_call_connection(call)) {
        return is_ipv6 ? "tcp6" : "tcp";
    }
    return is_ipv6 ? "udp6" : "udp";
}

static void answer_address(struct rpc_call *call, struct portmap *portmap, bool any_version)
{
    portmap_binding args;
    if (take_binding(call, &args)) {
        return;
    }
    const char *netid = args.netid[0] != '\0' ? args.netid : netid_of_call(call);
    struct portmap_entry entry;
    bool is_found = false;
    {
        AUTO_LOCK(&portmap->lock);
        const struct mapping *found = any_version ? find_any(portmap, args.prog, args.vers, netid)
                                                  : find(portmap, args.prog, args.vers, netid);
        if (found) {
            entry = found->entry;
            is_found = true;
        }
    }
    free_binding(&args);
    char address[PORTMAP_ADDRESS_MAX + 1] = "";
    if (is_found) {
        address_towards(&entry, rpc_call_peer(call), address);
    }
    portmap_address result = {.address = address};
    rpc_call_reply(call, (xdrproc_t)xdr_portmap_address, &result, NULL);
}

static void handle_getaddr(struct rpc_call *call, void *context)
{
    answer_address(call, context, true);
}

static void handle_getversaddr(struct rpc_call *call, void *context)
{
    answer_address(call, context, false);
}

struct binding_text {
    portmap_binding_item item;
    char address[PORTMAP_ADDRESS_MAX + 1];
};

static void handle_dump(struct rpc_call *call, void *context)
{
    struct portmap *portmap = context;
    AUTO_LOCK(&portmap->lock); /* an answer is copied or sent, never waited for */
    AUTO_FREE struct binding_text *texts = calloc(PORTMAP_MAPPINGS_MAX, sizeof *texts);
    if (!texts) {
        rpc_call_drop(call);
        return;
    }
    for (size_t i = 0; i < portmap->count; i++) {
        struct mapping *mapping = &portmap->mappings[i];
        address_towards(&mapping->entry, rpc_call_peer(call), texts[i].address);
        texts[i].item = (portmap_binding_item){
            .binding = {mapping->entry.program, mapping->entry.version, mapping->entry.netid,
                        texts[i].address, mapping->owner},
            .next = i + 1 < portmap->count ? &texts[i + 1].item : NULL,
        };
    }
    portmap_binding_list list = {.first = portmap->count > 0 ? &texts[0].item : NULL};
    rpc_call_reply(call, (xdrproc_t)xdr_portmap_binding_list, &list, NULL);
}

static void handle_gettime(struct rpc_call *call, void *context)
{
    (void)context;
    answer_number(call, (uint32_t)time(NULL)); /* the protocol has 32 bits for it */
}

/* ---- life ---------------------------------------------------------------------------------- */

static const struct rpc_procedure procedures2[] = {
    [PORTMAP2_NULL] = {"NULL", handle_null},     [PORTMAP2_SET] = {"SET", handle_set2},
    [PORTMAP2_UNSET] = {"UNSET", handle_unset2}, [PORTMAP2_GETPORT] = {"GETPORT", handle_getport},
    [PORTMAP2_DUMP] = {"DUMP", handle_dump2},
};

static const struct rpc_procedure procedures34[] = {
    [RPCBIND4_NULL] = {"NULL", handle_null},
    [RPCBIND4_SET] = {"SET", handle_set},
    [RPCBIND4_UNSET] = {"UNSET", handle_unset},
    [RPCBIND4_GETADDR] = {"GETADDR", handle_getaddr},
    [RPCBIND4_DUMP] = {"DUMP", handle_dump},
    [RPCBIND4_GETTIME] = {"GETTIME", handle_gettime},
    [RPCBIND4_GETVERSADDR] = {"GETVERSADDR", handle_getversaddr}, /* version 4's */
};

static_assert(RPCBIND3_GETTIME == RPCBIND4_GETTIME, "versions 3 and 4 have the same numbers");

int portmap_new(struct portmap **out_portmap)
{
    struct portmap *portmap = calloc(1, sizeof *portmap);
    if (!portmap) {
        return -ENOMEM;
    }
    pthread_mutex_init(&portmap->lock, NULL);
    portmap->programs[0] = (struct rpc_program){
        .program = PORTMAP_PROGRAM,
        .version = PORTMAP_VERSION2,
        .procedures = procedures2,
        .procedure_count = sizeof procedures2 / sizeof procedures2[0],
        .context = portmap,
    };
    portmap->programs[1] = (struct rpc_program){
        .program = PORTMAP_PROGRAM,
        .version = PORTMAP_VERSION3,
        .procedures = procedures34,
        .procedure_count = RPCBIND3_GETTIME + 1,
        .context = portmap,
    };
    portmap->programs[2] = (struct rpc_program){
        .program = PORTMAP_PROGRAM,
        .version = PORTMAP_VERSION4,
        .procedures = procedures34,
        .procedure_count = sizeof procedures34 / sizeof procedures34[0],
        .context = portmap,
    };
    *out_portmap = portmap;
    return 0;
}

const struct rpc_program *portmap_program(const struct portmap *portmap, size_t index)
{
    PRE(index < PORTMAP_PROGRAMS);
    return &portmap->programs[index];
}

void portmap_free(struct portmap *portmap)
{
    if (portmap) {
        pthread_mutex_destroy(&portmap->lock);
        free(portmap);
    }
}
