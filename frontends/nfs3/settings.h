/*
 * gateway.conf(5): the [gateway] section, and all of the file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_NFS3_SETTINGS_H
#define TRIVET_NFS3_SETTINGS_H

#include <stdint.h>
#include "backend/base/conf.h"
#include "backend/proto/limits.h"
#include "frontends/nfs3/exports.h"

enum portmap_mode { PORTMAP_AUTO, PORTMAP_OWN, PORTMAP_REGISTER, PORTMAP_OFF };

struct settings {
    char management[4 * (HOST_SIZE_MAX + 8)]; /* hosts of trivetd, as in volume names */
    char listen[HOST_SIZE_MAX + 1];
    uint16_t nfs_port; /* 0: a free one, for tests */
    uint16_t mount_port;
    uint16_t portmap_port;
    enum portmap_mode portmap;
    unsigned threads;
    char run_dir[PATH_SIZE_MAX + 1];
};

/* All defaults. */
void settings_init(struct settings *settings);

/* Read a gateway.conf. Fails: as conf_read; error says file, line and what would be right. */
int settings_read(const char *path, struct settings *settings, struct exports *exports,
                  char error[CONF_ERROR_SIZE]);

#endif
