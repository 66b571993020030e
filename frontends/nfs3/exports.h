/*
 * What is given out, and to whom: the [export NAME] sections of gateway.conf and the volumes behind
 * them. An export whose volume is not there yet is opened in the background, for as long as it
 * takes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_NFS3_EXPORTS_H
#define TRIVET_NFS3_EXPORTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include "backend/base/conf.h"
#include "gateway/trivet.h"

enum export_squash { SQUASH_NONE, SQUASH_ROOT, SQUASH_ALL };

/* Addresses that may use an export: those whose first prefix bits are address's. */
struct export_client {
    char text[64];       /* as configured: what EXPORT lists */
    bool is_everybody;   /* "*" */
    uint8_t address[16]; /* IPv6, or IPv4 in its mapped form */
    unsigned prefix;
};

/* Everything up to state is set when the configuration is read; then it is read by all threads. */
struct export
{
    char name[VOLUME_NAME_MAX + 1];
    char path[NAME_SIZE_MAX + 1];                         /* "/gv0" */
    char volume_name[HOST_SIZE_MAX + PATH_SIZE_MAX + 16]; /* for volume_open */
    struct export_client clients[EXPORT_CLIENTS_MAX];
    size_t client_count;
    bool is_read_only;
    bool is_secure; /* source ports below 1024 only */
    bool is_sync;   /* what is answered as done or stable is on stable storage before */
    unsigned wait_timeout_ms; /* of volume_options */
    enum export_squash squash;
    uint32_t anon_uid, anon_gid;

    /* The volume, once it is open; it and what follows from it never change after. */
    _Atomic(struct volume *) volume;
    atomic_int open_status;    /* of the last attempt: 0, or why the volume is not open */
    uint64_t fsid;             /* valid once volume is set */
    _Atomic uint64_t verifier; /* that the last WRITE was answered with; 0: none yet */
    struct exports *exports;
    pthread_t opener;
    bool opener_runs;
};

struct exports {
    size_t count;
    struct export *items[EXPORTS_MAX];
    pthread_mutex_t lock; /* of is_stopping and of publishing a volume, for the openers */
    pthread_cond_t stopped;
    bool is_stopping;
    /* Called, if set, by an opener when its volume has come. */
    void (*opened)(struct export *export, void *context);
    void *opened_context;
};

int exports_new(struct exports **out_exports);
/* Stops the openers, closes the volumes. Every request must have completed. */
void exports_free(struct exports *exports);

/*
 * Find the export of that name, or add one with all its defaults.
 *
 * Fails: -EINVAL (not a volume's name), -ENOSPC (EXPORTS_MAX); error then says what would be right.
 */
int exports_get(struct exports *exports, const char *name, struct export **out_export, char *error,
                size_t size);

/* Set one key of an export. Fails: -EINVAL, with a sentence in error. */
int export_set(struct export *export, const struct conf_entry *entry, char *error, size_t size);

/*
 * Complete the defaults once everything is read: the volume is MANAGEMENT:/NAME, clients is "*".
 *
 * Fails: -EINVAL: there is no export, or two have one path or one volume.
 */
int exports_complete(struct exports *exports, const char *management, char *error, size_t size);

/*
 * Begin to open all volumes, each by a thread of its own that keeps trying. Waits, up to
 * patience_ms, for those that can be opened at once.
 */
int exports_open(struct exports *exports, unsigned patience_ms);

/* The export of a volume that is open, or NULL. */
struct export *exports_by_volume(const struct exports *exports, const struct volume_id *id);
/* True if all volumes are open. */
bool exports_are_open(const struct exports *exports);

/* The export that path is, or is below; out_below is what follows, without slashes in front. */
struct export *exports_by_path(const struct exports *exports, const char *path,
                               const char **out_below);

/* May peer use the export at all? */
bool export_admits(const struct export *export, const struct sockaddr *peer);

/* Who a caller is to the volume, after squashing. */
void export_squash_cred(const struct export *export, const struct cred *cred,
                        struct cred *out_cred);

/* The peer's address in 16 bytes: IPv6, or IPv4 in its mapped form. False: it has none. */
bool peer_address(const struct sockaddr *peer, uint8_t out_address[16]);
bool peer_is_loopback(const struct sockaddr *peer);

#endif
