/*
 * Bricks as programs: how trivet-brick is called to format, to unformat and to run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_MGMT_BRICKS_H
#define TRIVET_MGMT_BRICKS_H

#include "mgmt/daemon.h"

/* "HOST:PORT", with brackets round an IPv6 address. */
#define ADDRESS_SIZE (HOST_SIZE_MAX + 16)
void address_format(const char *host, unsigned port, char out_text[ADDRESS_SIZE]);

/* Make brick number's directory a brick. Threads: workers. Fails: the sentence is trivet-brick's.
 */
int brick_format(struct daemon *daemon, const struct volume_definition *definition, uint32_t number,
                 bool force, struct refusal *out_why);
/* Undo that, if the directory is this volume's. */
void brick_unformat(struct daemon *daemon, const struct volume_definition *definition,
                    uint32_t number);

/* Give each brick a port that nobody has now: the one it had, if it is still free. Fails:
 * -EADDRINUSE, -EADDRNOTAVAIL. */
int bricks_assign_ports(struct daemon *daemon, struct volume_definition *definition,
                        struct refusal *out_why);

/* Adopt or start brick number's process and enter it in the live volume; one that is there stays.
 */
int brick_start(struct daemon *daemon, const struct volume_definition *definition, uint32_t number,
                struct refusal *out_why);
/* Adopt its process if it runs. Fails: -ESRCH … */
int brick_adopt(struct daemon *daemon, const struct volume_definition *definition, uint32_t number);

/* Its process, NULL if none is supervised; it stays for as long as a command has the volume. */
struct process *brick_process(struct daemon *daemon, const struct volume_definition *definition,
                              uint32_t number);

/* Whether any brick's process is supervised. */
bool bricks_have_processes(struct daemon *daemon, const struct volume_definition *definition);

/*
 * Stop all bricks of a volume, the primary first, so that what it answered is on the others: each
 * is asked over its connection, then by SIGTERM, then killed. Fails: -ETIMEDOUT.
 */
int bricks_stop(struct daemon *daemon, const struct volume_definition *definition,
                struct refusal *out_why);

/* What a brick says of itself; said.peers is in peers. */
struct brick_report {
    struct supervised_status_reply said;
    struct supervised_peer peers[SET_MEMBERS_MAX];
    uint32_t peer_count;
};

/*
 * Ask a brick how it is. Threads: workers. Fails: -ENOTCONN (not registered), -ETIMEDOUT …
 */
int brick_status(struct daemon *daemon, const struct volume_id *id, uint32_t number,
                 struct brick_report *out_report);

#endif
