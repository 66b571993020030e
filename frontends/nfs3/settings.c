/*
 * Reading gateway.conf.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/nfs3/settings.h"

#include <stdio.h>
#include <string.h>

#define RUN_DIR_DEFAULT "/run/trivet"
#define THREADS_MAX 64

void settings_init(struct settings *settings)
{
    *settings = (struct settings){
        .management = "127.0.0.1:24007",
        .listen = "127.0.0.1",
        .nfs_port = PORT_NFS,
        .mount_port = PORT_NFS,
        .portmap_port = PORT_PORTMAP,
        .portmap = PORTMAP_AUTO,
        .threads = 2,
        .run_dir = RUN_DIR_DEFAULT,
    };
}

static int set_text(char *out_text, size_t room, const struct conf_entry *entry, char *error,
                    size_t size)
{
    if (entry->value[0] == '\0' || strlen(entry->value) >= room) {
        snprintf(error, size, "%s is empty or longer than %zu characters", entry->key, room - 1);
        return -EINVAL;
    }
    memcpy(out_text, entry->value, strlen(entry->value) + 1);
    return 0;
}

static int set_port(uint16_t *out_port, const struct conf_entry *entry, char *error, size_t size)
{
    unsigned long number;
    int status = conf_number(entry, 0, UINT16_MAX, &number, error, size);
    if (status == 0) {
        *out_port = (uint16_t)number;
    }
    return status;
}

static int set_portmap(struct settings *settings, const struct conf_entry *entry, char *error,
                       size_t size)
{
    static const char *const names[] = {"auto", "own", "register", "off"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(entry->value, names[i]) == 0) {
            settings->portmap = (enum portmap_mode)i;
            return 0;
        }
    }
    snprintf(error, size, "portmap is auto, own, register or off, not \"%s\"", entry->value);
    return -EINVAL;
}

static int set_threads(struct settings *settings, const struct conf_entry *entry, char *error,
                       size_t size)
{
    unsigned long number;
    int status = conf_number(entry, 1, THREADS_MAX, &number, error, size);
    if (status == 0) {
        settings->threads = (unsigned)number;
    }
    return status;
}

static int set_gateway(struct settings *settings, const struct conf_entry *entry, char *error,
                       size_t size)
{
    if (strcmp(entry->key, "management") == 0) {
        return set_text(settings->management, sizeof settings->management, entry, error, size);
    }
    if (strcmp(entry->key, "listen") == 0) {
        return set_text(settings->listen, sizeof settings->listen, entry, error, size);
    }
    if (strcmp(entry->key, "run-dir") == 0) {
        return set_text(settings->run_dir, sizeof settings->run_dir, entry, error, size);
    }
    if (strcmp(entry->key, "nfs-port") == 0) {
        return set_port(&settings->nfs_port, entry, error, size);
    }
    if (strcmp(entry->key, "mount-port") == 0) {
        return set_port(&settings->mount_port, entry, error, size);
    }
    if (strcmp(entry->key, "portmap-port") == 0) {
        return set_port(&settings->portmap_port, entry, error, size);
    }
    if (strcmp(entry->key, "portmap") == 0) {
        return set_portmap(settings, entry, error, size);
    }
    if (strcmp(entry->key, "threads") == 0) {
        return set_threads(settings, entry, error, size);
    }
    snprintf(error, size,
             "[gateway] has no key \"%s\"; it has management, listen, nfs-port, mount-port, "
             "portmap-port, portmap, threads and run-dir",
             entry->key);
    return -EINVAL;
}

struct reading {
    struct settings *settings;
    struct exports *exports;
};

static int take_entry(void *context, const struct conf_entry *entry, char *error, size_t size)
{
    static const char prefix[] = "export ";
    struct reading *reading = context;
    if (strcmp(entry->section, "gateway") == 0) {
        return set_gateway(reading->settings, entry, error, size);
    }
    if (strncmp(entry->section, prefix, sizeof prefix - 1) != 0) {
        snprintf(error, size, "sections are [gateway] and [export VOLUME], not [%s]",
                 entry->section);
        return -EINVAL;
    }
    const char *name = entry->section + sizeof prefix - 1;
    struct export *export = NULL;
    int status = exports_get(reading->exports, name + strspn(name, " \t"), &export, error, size);
    return status ? status : export_set(export, entry, error, size);
}

int settings_read(const char *path, struct settings *settings, struct exports *exports,
                  char error[CONF_ERROR_SIZE])
{
    struct reading reading = {.settings = settings, .exports = exports};
    int status = conf_read(path, take_entry, &reading, error);
    if (status) {
        return status;
    }
    char what[CONF_ERROR_SIZE / 2];
    status = exports_complete(exports, settings->management, what, sizeof what);
    if (status) {
        snprintf(error, CONF_ERROR_SIZE, "%.*s: %s", CONF_ERROR_SIZE / 2 - 3, path, what);
    }
    return status;
}
