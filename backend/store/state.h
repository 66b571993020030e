/*
 * The brick's state, shared memory over .trivet/state: it survives the process exactly as it was,
 * at the price of a few stores. What the index had not committed when the process died and cannot
 * be had from the log is in here: how far the tree is, and the handles of objects just made.
 *
 * It means nothing after the machine stopped: the boot id tells.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_STORE_STATE_H
#define TRIVET_STORE_STATE_H

#include <assert.h>
#include <stddef.h>
#include "backend/store/index.h"

#define STATE_MAGIC UINT32_C(0x54525653) /* TRVS; in the machine's own order, as all here */
#define STATE_VERSION 1
#define BOOT_ID_SIZE 40
/* Between two commits of the index at most INDEX_COMMIT_OPERATIONS objects are made, unless
 * applying lags behind; full, it forces a commit. */
#define STATE_HANDLES 8192

struct state_handle {
    struct gfid gfid;
    struct handle_record handle;
};

struct disk_state {
    uint32_t magic;
    uint32_t version;
    uint32_t size;
    uint32_t handle_count;
    char boot_id[BOOT_ID_SIZE];
    uint64_t applied; /* every operation up to here is in the tree; at most the next one in part */
    uint64_t committed;
    struct state_handle handles[STATE_HANDLES];
};
static_assert(offsetof(struct disk_state, applied) == 56, "shared with the next process");
static_assert(sizeof(struct state_handle) == GFID_SIZE + 12 + HANDLE_BYTES_MAX, "no gaps");

/* This machine's present boot. */
int boot_id_read(char out_id[BOOT_ID_SIZE]);

/* Make the file, all of it written: a store into a hole could find the disk full. */
int state_format(int directory_fd);
/* Fails: -E_CORRUPT. */
int state_open(int directory_fd, struct disk_state **out_state);
void state_close(struct disk_state *state);

#endif
