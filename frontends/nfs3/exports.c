/*
 * Exports: configuration, who may use them and as whom. Opening the volumes is export_volume.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/nfs3/exports.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include "backend/base/scope.h"

#define UID_NOBODY 65534

int exports_new(struct exports **out_exports)
{
    struct exports *exports = calloc(1, sizeof *exports);
    if (!exports) {
        return -ENOMEM;
    }
    pthread_mutex_init(&exports->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&exports->stopped, &monotonic);
    pthread_condattr_destroy(&monotonic);
    *out_exports = exports;
    return 0;
}

static bool is_volume_name(const char *name)
{
    size_t size = strlen(name);
    return size > 0 && size <= VOLUME_NAME_MAX && name[0] != '.' && name[0] != '-' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
               size;
}

int exports_get(struct exports *exports, const char *name, struct export **out_export, char *error,
                size_t size)
{
    for (size_t i = 0; i < exports->count; i++) {
        if (strcmp(exports->items[i]->name, name) == 0) {
            *out_export = exports->items[i];
            return 0;
        }
    }
    if (!is_volume_name(name)) {
        snprintf(error, size,
                 "\"%s\" is not a volume name: letters, digits, '_', '-' and '.', at most %d", name,
                 VOLUME_NAME_MAX);
        return -EINVAL;
    }
    if (exports->count == EXPORTS_MAX) {
        snprintf(error, size, "a gateway has at most %d exports; run a second one", EXPORTS_MAX);
        return -ENOSPC;
    }
    struct export *export = calloc(1, sizeof *export);
    if (!export) {
        snprintf(error, size, "out of memory");
        return -ENOMEM;
    }
    snprintf(export->name, sizeof export->name, "%s", name);
    snprintf(export->path, sizeof export->path, "/%s", name);
    export->is_sync = true;
    export->anon_uid = UID_NOBODY;
    export->anon_gid = UID_NOBODY;
    export->exports = exports;
    atomic_store(&export->open_status, -EAGAIN);
    exports->items[exports->count++] = export;
    *out_export = export;
    return 0;
}

/* ---- clients ------------------------------------------------------------------------------- */

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void map_ipv4(const void *ipv4, uint8_t out_address[16])
{
    memcpy(out_address, mapped_prefix, sizeof mapped_prefix);
    memcpy(out_address + sizeof mapped_prefix, ipv4, 4);
}

bool peer_address(const struct sockaddr *peer, uint8_t out_address[16])
{
    if (peer && peer->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, peer, sizeof in);
        map_ipv4(&in.sin_addr, out_address);
        return true;
    }
    if (peer && peer->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, peer, sizeof in6);
        memcpy(out_address, &in6.sin6_addr, 16);
        return true;
    }
    return false;
}

bool peer_is_loopback(const struct sockaddr *peer)
{
    if (peer && peer->sa_family == AF_UNIX) {
        return true;
    }
    uint8_t address[16];
    if (!peer_address(peer, address)) {
        return false;
    }
    if (memcmp(address, mapped_prefix, sizeof mapped_prefix) == 0) {
        return address[12] == 127;
    }
    return memcmp(address, &in6addr_loopback, sizeof address) == 0;
}

static uint16_t peer_port(const struct sockaddr *peer)
{
    /* sin_port and sin6_port are at the same place. */
    struct sockaddr_in in;
    memcpy(&in, peer, sizeof in);
    return ntohs(in.sin_port);
}

/* "*", "10.0.0.7", "10.0.0.0/8", "fd00::/8". */
static int client_parse(const char *text, struct export_client *out_client)
{
    struct export_client client = {.prefix = 128};
    if (strlen(text) >= sizeof client.text) {
        return -EINVAL;
    }
    memcpy(client.text, text, strlen(text) + 1);
    if (strcmp(text, "*") == 0) {
        client.is_everybody = true;
        *out_client = client;
        return 0;
    }
    char address[sizeof client.text];
    memcpy(address, client.text, sizeof address);
    char *slash = strchr(address, '/');
    if (slash) {
        *slash++ = '\0';
    }
    struct in_addr ipv4;
    unsigned bits = 128;
    if (inet_pton(AF_INET, address, &ipv4) == 1) {
        map_ipv4(&ipv4, client.address);
        bits = 32;
    } else if (inet_pton(AF_INET6, address, client.address) != 1) {
        return -EINVAL;
    }
    if (slash) {
        char *end;
        unsigned long prefix = strtoul(slash, &end, 10);
        if (*slash < '0' || *slash > '9' || *end != '\0' || prefix > bits) {
            return -EINVAL;
        }
        client.prefix = (unsigned)prefix + 128 - bits;
    }
    *out_client = client;
    return 0;
}

static bool client_matches(const struct export_client *client, const uint8_t address[16])
{
    unsigned whole = client->prefix / 8;
    unsigned rest = client->prefix % 8;
    if (memcmp(client->address, address, whole) != 0) {
        return false;
    }
    return rest == 0 || ((client->address[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

bool export_admits(const struct export *export, const struct sockaddr *peer)
{
    if (export->is_secure && peer->sa_family != AF_UNIX && peer_port(peer) >= 1024) {
        return false;
    }
    uint8_t address[16];
    bool has_address = false;
    for (size_t i = 0; i < export->client_count; i++) {
        if (export->clients[i].is_everybody) {
            return true;
        }
        has_address = has_address || peer_address(peer, address);
        if (has_address && client_matches(&export->clients[i], address)) {
            return true;
        }
    }
    return false;
}

void export_squash_cred(const struct export *export, const struct cred *cred, struct cred *out_cred)
{
    *out_cred = *cred;
    out_cred->flags = 0;
    if (export->squash == SQUASH_ALL) {
        out_cred->uid = export->anon_uid;
        out_cred->gid = export->anon_gid;
        out_cred->group_count = 0;
    }
    if (export->squash == SQUASH_ROOT) {
        out_cred->uid = cred->uid == 0 ? export->anon_uid : cred->uid;
        out_cred->gid = cred->gid == 0 ? export->anon_gid : cred->gid;
        for (uint32_t i = 0; i < cred->group_count; i++) {
            out_cred->groups[i] = cred->groups[i] == 0 ? export->anon_gid : cred->groups[i];
        }
    }
}

/* ---- keys ---------------------------------------------------------------------------------- */

static int set_path(struct export *export, const struct conf_entry *entry, char *error, size_t size)
{
    size_t length = strlen(entry->value);
    while (length > 1 && entry->value[length - 1] == '/') {
        length--;
    }
    if (entry->value[0] != '/' || length < 2 || length >= sizeof export->path) {
        snprintf(error, size, "path is what clients mount, such as /%s; \"%s\" is not",
                 export->name, entry->value);
        return -EINVAL;
    }
    memcpy(export->path, entry->value, length);
    export->path[length] = '\0';
    return 0;
}

static int set_volume(struct export *export, const struct conf_entry *entry, char *error,
                      size_t size)
{
    if (strlen(entry->value) >= sizeof export->volume_name || !strchr(entry->value, ':')) {
        snprintf(error, size,
                 "volume is HOST:/VOLUME, HOST:PORT:/VOLUME or local:/DIRECTORY; \"%s\" is not",
                 entry->value);
        return -EINVAL;
    }
    snprintf(export->volume_name, sizeof export->volume_name, "%s", entry->value);
    return 0;
}

static int set_clients(struct export *export, const struct conf_entry *entry, char *error,
                       size_t size)
{
    AUTO_FREE char *copy = strdup(entry->value);
    if (!copy) {
        return -ENOMEM;
    }
    export->client_count = 0;
    char *state = NULL;
    for (char *text = strtok_r(copy, ", \t", &state); text; text = strtok_r(NULL, ", \t", &state)) {
        if (export->client_count == EXPORT_CLIENTS_MAX) {
            snprintf(error, size, "an export has at most %d clients; name networks instead",
                     EXPORT_CLIENTS_MAX);
            return -EINVAL;
        }
        if (client_parse(text, &export->clients[export->client_count])) {
            snprintf(error, size, "client \"%s\" is neither \"*\" nor an address nor ADDRESS/BITS",
                     text);
            return -EINVAL;
        }
        export->client_count++;
    }
    return 0;
}

static int set_access(struct export *export, const struct conf_entry *entry, char *error,
                      size_t size)
{
    if (strcmp(entry->value, "rw") != 0 && strcmp(entry->value, "ro") != 0) {
        snprintf(error, size, "access is rw or ro, not \"%s\"", entry->value);
        return -EINVAL;
    }
    export->is_read_only = entry->value[1] == 'o';
    return 0;
}

static int set_squash(struct export *export, const struct conf_entry *entry, char *error,
                      size_t size)
{
    static const char *const names[] = {"none", "root", "all"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(entry->value, names[i]) == 0) {
            export->squash = (enum export_squash)i;
            return 0;
        }
    }
    snprintf(error, size, "squash is none, root or all, not \"%s\"", entry->value);
    return -EINVAL;
}

static int set_id(uint32_t *out_id, const struct conf_entry *entry, char *error, size_t size)
{
    unsigned long number;
    int status = conf_number(entry, 0, UINT32_MAX - 1, &number, error, size);
    if (status == 0) {
        *out_id = (uint32_t)number;
    }
    return status;
}

static int set_anon_uid(struct export *export, const struct conf_entry *entry, char *error,
                        size_t size)
{
    return set_id(&export->anon_uid, entry, error, size);
}

static int set_anon_gid(struct export *export, const struct conf_entry *entry, char *error,
                        size_t size)
{
    return set_id(&export->anon_gid, entry, error, size);
}

static int set_flag(bool *out_flag, const struct conf_entry *entry, char *error, size_t size)
{
    int flag;
    int status = conf_flag(entry, &flag, error, size);
    if (status == 0) {
        *out_flag = flag;
    }
    return status;
}

static int set_secure(struct export *export, const struct conf_entry *entry, char *error,
                      size_t size)
{
    return set_flag(&export->is_secure, entry, error, size);
}

static int set_sync(struct export *export, const struct conf_entry *entry, char *error, size_t size)
{
    return set_flag(&export->is_sync, entry, error, size);
}

#define WAIT_SECONDS_MAX (UINT32_MAX / 1000)

static int set_wait_timeout(struct export *export, const struct conf_entry *entry, char *error,
                            size_t size)
{
    unsigned long seconds;
    int status = conf_number(entry, 0, WAIT_SECONDS_MAX, &seconds, error, size);
    if (status == 0) {
        export->wait_timeout_ms = (unsigned)seconds * 1000;
    }
    return status;
}

static const struct {
    const char *key;
    int (*set)(struct export *export, const struct conf_entry *entry, char *error, size_t size);
} export_keys[] = {
    {"path", set_path},        {"volume", set_volume},
    {"clients", set_clients},  {"access", set_access},
    {"squash", set_squash},    {"anonuid", set_anon_uid},
    {"anongid", set_anon_gid}, {"secure", set_secure},
    {"sync", set_sync},        {"wait-timeout", set_wait_timeout},
};

int export_set(struct export *export, const struct conf_entry *entry, char *error, size_t size)
{
    for (size_t i = 0; i < sizeof export_keys / sizeof export_keys[0]; i++) {
        if (strcmp(entry->key, export_keys[i].key) == 0) {
            return export_keys[i].set(export, entry, error, size);
        }
    }
    snprintf(error, size,
             "an export has no key \"%s\"; it has path, volume, clients, access, squash, anonuid, "
             "anongid, secure, sync and wait-timeout",
             entry->key);
    return -EINVAL;
}

int exports_complete(struct exports *exports, const char *management, char *error, size_t size)
{
    if (exports->count == 0) {
        snprintf(error, size,
                 "there is nothing to export: add a section [export VOLUME] with at least one key");
        return -EINVAL;
    }
    for (size_t i = 0; i < exports->count; i++) {
        struct export *export = exports->items[i];
        if (export->client_count == 0) {
            (void)client_parse("*", &export->clients[0]); /* cannot fail */
            export->client_count = 1;
        }
        if (export->volume_name[0] == '\0') {
            snprintf(export->volume_name, sizeof export->volume_name, "%s:/%s", management,
                     export->name);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(exports->items[j]->volume_name, export->volume_name) == 0) {
                snprintf(error, size, "exports %s and %s have the same volume %s",
                         exports->items[j]->name, export->name, export->volume_name);
                return -EINVAL;
            }
            if (strcmp(exports->items[j]->path, export->path) == 0) {
                snprintf(error, size, "exports %s and %s have the same path %s",
                         exports->items[j]->name, export->name, export->path);
                return -EINVAL;
            }
        }
    }
    return 0;
}

/* ---- finding ------------------------------------------------------------------------------- */

struct export *exports_by_volume(const struct exports *exports, const struct volume_id *id)
{
    for (size_t i = 0; i < exports->count; i++) {
        struct volume *volume = atomic_load(&exports->items[i]->volume);
        if (volume && memcmp(volume_spec(volume)->id.bytes, id->bytes, VOLUME_ID_SIZE) == 0) {
            return exports->items[i];
        }
    }
    return NULL;
}

bool exports_are_open(const struct exports *exports)
{
    for (size_t i = 0; i < exports->count; i++) {
        if (!atomic_load(&exports->items[i]->volume)) {
            return false;
        }
    }
    return true;
}

struct export *exports_by_path(const struct exports *exports, const char *path,
                               const char **out_below)
{
    struct export *found = NULL;
    size_t found_size = 0;
    for (size_t i = 0; i < exports->count; i++) {
        size_t size = strlen(exports->items[i]->path);
        /* The longest that fits: an export may lie below another one's path. */
        if (strncmp(path, exports->items[i]->path, size) == 0 &&
            (path[size] == '/' || path[size] == '\0') && size > found_size) {
            found = exports->items[i];
            found_size = size;
        }
    }
    if (found) {
        *out_below = path + found_size + strspn(path + found_size, "/");
    }
    return found;
}
