/*
 * The FUSE frontend between a kernel and a volume that are both played by the test: messages of
 * <linux/fuse.h> go through a socket pair, and every request to the volume waits until the test
 * answers it. What must come and does not ends the test's case.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_TESTS_LIB_FUSE_WIRE_H
#define TRIVET_TESTS_LIB_FUSE_WIRE_H

#include <linux/fuse.h>
#include "frontends/fuse/fuse_frontend.h"
#include "gateway/volume.h"

/* The directory has WIRE_ENTRIES files; entry i has cookie WIRE_COOKIE_BASE + i. */
enum { WIRE_WAIT_MS = 5000, WIRE_ENTRIES = 700, WIRE_COOKIE_BASE = 1000, WIRE_PARENT_INDEX = 77 };

/* Its requests wait in a queue. */
struct wire_volume {
    struct volume volume;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct volume_request *first;
    unsigned submitted[VOLUME_OP_COUNT];
    bool answers;
};

extern struct wire_volume wire_volume;
extern struct frontend *wire_frontend;
/* The kernel's end of the socket pair. */
extern int wire_kernel;

/* The last message from the frontend. */
struct wire_answer {
    struct fuse_out_header header;
    char body[128 * 1024];
    size_t size; /* of body */
};

extern struct wire_answer wire_answer;

/* Start the frontend and shake hands; 0 if it worked. The answer to INIT is in wire_answer. */
int wire_begin(void);
/* As when the real kernel unmounts. */
void wire_end(void);

/* ---- the volume's side --------------------------------------------------------------------- */

/* The next request, which must come. */
struct volume_request *wire_next(enum volume_op op);
/* True if no request waits. */
bool wire_idle(void);
struct attr wire_file(uint64_t index);
/* Answer with the attributes of file index. */
void wire_answer_file(struct volume_request *request, uint64_t index, uint32_t grant_ms);
void wire_answer_listing(struct volume_request *request, uint32_t grant_ms);

/* ---- the kernel's side --------------------------------------------------------------------- */

/* Send a message; returns its number. */
uint64_t wire_send_as(uint32_t opcode, uint64_t node, pid_t pid, const void *body, size_t size,
                      const void *tail, size_t tail_size);
uint64_t wire_send(uint32_t opcode, uint64_t node, const void *body, size_t size);
bool wire_has_message(int timeout_ms);
/* The next message, which must come: the answer to expected, or a notification (0). */
void wire_receive(uint64_t expected);
uint64_t wire_lookup(const char *name);
/* Let the kernel know file index, so that it may name it as a node. */
void wire_know(uint64_t index);
void wire_forget(uint64_t node, uint64_t count);
uint64_t wire_opendir(void);
void wire_releasedir(uint64_t handle);
uint64_t wire_readdir(uint32_t opcode, uint64_t handle, uint64_t offset, uint32_t size);

#endif
