/*
 * See fuse_wire.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/lib/fuse_wire.h"

#include <CUnit/Basic.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include "backend/base/scope.h"

/* ---- the volume: requests wait in a queue ------------------------------------------------- */

struct wire_volume wire_volume;

static void waiting_submit(struct volume *volume, struct volume_request *request)
{
    (void)volume;
    AUTO_LOCK(&wire_volume.lock);
    struct volume_request **place = &wire_volume.first;
    while (*place) {
        place = &(*place)->next;
    }
    request->next = NULL;
    *place = request;
    wire_volume.submitted[request->op]++;
    pthread_cond_broadcast(&wire_volume.changed);
}

/* Take request out of the queue, or the first if NULL. */
static struct volume_request *waiting_take(struct volume_request *request)
{
    AUTO_LOCK(&wire_volume.lock);
    for (struct volume_request **place = &wire_volume.first; *place; place = &(*place)->next) {
        if (!request || *place == request) {
            struct volume_request *found = *place;
            *place = found->next;
            return found;
        }
    }
    return NULL;
}

static void waiting_cancel(struct volume *volume, struct volume_request *request)
{
    (void)volume;
    if (waiting_take(request)) {
        request->reply.status = -EINTR;
        volume_complete(request);
    }
}

static void waiting_cancel_all(struct volume *volume, int status)
{
    (void)volume;
    for (struct volume_request *request; (request = waiting_take(NULL)) != NULL;) {
        request->reply.status = status;
        volume_complete(request);
    }
}

static bool waiting_answers(const struct volume *volume)
{
    (void)volume;
    return __atomic_load_n(&wire_volume.answers, __ATOMIC_RELAXED);
}

static const struct volume_ops waiting_ops = {.submit = waiting_submit,
                                              .cancel = waiting_cancel,
                                              .cancel_all = waiting_cancel_all,
                                              .answers = waiting_answers};

/* The next request, which must come. */
struct volume_request *wire_next(enum volume_op op)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WIRE_WAIT_MS / 1000;
    {
        AUTO_LOCK(&wire_volume.lock);
        while (!wire_volume.first &&
               pthread_cond_timedwait(&wire_volume.changed, &wire_volume.lock, &until) == 0) {
        }
    }
    struct volume_request *request = waiting_take(NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(request);
    CU_ASSERT_EQUAL(request->op, op);
    return request;
}

bool wire_idle(void)
{
    AUTO_LOCK(&wire_volume.lock);
    return wire_volume.first == NULL;
}

struct attr wire_file(uint64_t index)
{
    return (struct attr){.type = OBJECT_FILE,
                         .mode = 0644,
                         .nlink = 1,
                         .size = index,
                         .change = 1,
                         .gfid = gfid_make(0, 5, index)};
}

static struct attr directory_attr(void)
{
    return (struct attr){.type = OBJECT_DIRECTORY,
                         .mode = 0755,
                         .nlink = 2,
                         .gfid = GFID_ROOT,
                         .parent = gfid_make(0, 0, WIRE_PARENT_INDEX)};
}

void wire_answer_file(struct volume_request *request, uint64_t index, uint32_t grant_ms)
{
    request->reply.object = wire_file(index);
    request->reply.grant_ms = grant_ms;
    volume_complete(request);
}

/* The directory has WIRE_ENTRIES files; entry i has cookie WIRE_COOKIE_BASE + i. */
void wire_answer_listing(struct volume_request *request, uint32_t grant_ms)
{
    static uint8_t bytes[READDIR_SIZE_MAX];
    size_t used = 0,
           i = request->cookie < WIRE_COOKIE_BASE ? 0 : request->cookie - WIRE_COOKIE_BASE + 1;
    for (; i < WIRE_ENTRIES; i++) {
        char name[32];
        snprintf(name, sizeof(name), "name-%zu", i);
        struct dirent_entry entry = {.cookie = WIRE_COOKIE_BASE + i,
                                     .gfid = gfid_make(0, 5, 100 + i),
                                     .type = OBJECT_FILE,
                                     .name = slice_text(name)};
        if (request->with_attr) {
            entry.attr = wire_file(100 + i);
        }
        if (dirent_pack(bytes, request->count, &used, &entry) != 0) {
            break;
        }
    }
    request->reply.data = slice_of(bytes, used);
    request->reply.eof = i == WIRE_ENTRIES;
    request->reply.object = directory_attr();
    request->reply.grant_ms = grant_ms;
    volume_complete(request);
}

/* ---- the kernel --------------------------------------------------------------------------- */

int wire_kernel = -1;
struct frontend *wire_frontend;
static struct mount_options options;
static uint64_t unique;

struct wire_answer wire_answer;

/* Send a message; returns its number. */
uint64_t wire_send_as(uint32_t opcode, uint64_t node, pid_t pid, const void *body, size_t size,
                      const void *tail, size_t tail_size)
{
    struct fuse_in_header header = {.len = (uint32_t)(sizeof(header) + size + tail_size),
                                    .opcode = opcode,
                                    .unique = unique += 2,
                                    .nodeid = node,
                                    .uid = 12,
                                    .gid = 34,
                                    .pid = (uint32_t)pid};
    struct iovec parts[] = {{.iov_base = &header, .iov_len = sizeof(header)},
                            {.iov_base = (void *)(uintptr_t)body, .iov_len = size},
                            {.iov_base = (void *)(uintptr_t)tail, .iov_len = tail_size}};
    CU_ASSERT_EQUAL(writev(wire_kernel, parts, 3), (ssize_t)header.len);
    return header.unique;
}

uint64_t wire_send(uint32_t opcode, uint64_t node, const void *body, size_t size)
{
    return wire_send_as(opcode, node, 0, body, size, NULL, 0);
}

bool wire_has_message(int timeout_ms)
{
    struct pollfd readable = {.fd = wire_kernel, .events = POLLIN};
    return poll(&readable, 1, timeout_ms) == 1;
}

/* The next message from the frontend, which must come: an answer, or a notification (unique 0). */
void wire_receive(uint64_t expected)
{
    struct iovec parts[] = {
        {.iov_base = &wire_answer.header, .iov_len = sizeof(wire_answer.header)},
        {.iov_base = wire_answer.body, .iov_len = sizeof(wire_answer.body)}};
    CU_ASSERT_TRUE_FATAL(wire_has_message(WIRE_WAIT_MS));
    ssize_t size = readv(wire_kernel, parts, 2);
    CU_ASSERT_TRUE_FATAL(size >= (ssize_t)sizeof(wire_answer.header));
    wire_answer.size = (size_t)size - sizeof(wire_answer.header);
    CU_ASSERT_EQUAL(wire_answer.header.unique, expected);
}

uint64_t wire_lookup(const char *name)
{
    return wire_send(FUSE_LOOKUP, FUSE_ROOT_ID, name, strlen(name) + 1);
}

/* Let the kernel know file index, so that it may name it as a node. */
void wire_know(uint64_t index)
{
    uint64_t number = wire_lookup("known");
    wire_answer_file(wire_next(VOLUME_LOOKUP), index, 0);
    wire_receive(number);
    CU_ASSERT_EQUAL(wire_answer.header.error, 0);
}

void wire_forget(uint64_t node, uint64_t count)
{
    struct fuse_forget_in forget = {.nlookup = count};
    (void)wire_send(FUSE_FORGET, node, &forget, sizeof(forget));
}

uint64_t wire_opendir(void)
{
    struct fuse_open_in in = {.flags = O_RDONLY};
    wire_receive(wire_send(FUSE_OPENDIR, FUSE_ROOT_ID, &in, sizeof(in)));
    const struct fuse_open_out *out = (const void *)wire_answer.body;
    CU_ASSERT_EQUAL(wire_answer.header.error, 0);
    return out->fh;
}

void wire_releasedir(uint64_t handle)
{
    struct fuse_release_in in = {.fh = handle};
    wire_receive(wire_send(FUSE_RELEASEDIR, FUSE_ROOT_ID, &in, sizeof(in)));
}

uint64_t wire_readdir(uint32_t opcode, uint64_t handle, uint64_t offset, uint32_t size)
{
    struct fuse_read_in in = {.fh = handle, .offset = offset, .size = size};
    return wire_send(opcode, FUSE_ROOT_ID, &in, sizeof(in));
}

int wire_begin(void)
{
    int pair[2];
    static char program[] = "trivet-fuse", volume[] = "test:", place[] = "/";
    char *argv[] = {program, volume, place}, error[256];
    struct fuse_init_in init = {.major = FUSE_KERNEL_VERSION,
                                .minor = FUSE_KERNEL_MINOR_VERSION,
                                .max_readahead = 131072,
                                .flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_MAX_PAGES |
                                         FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO |
                                         FUSE_WRITEBACK_CACHE | FUSE_HANDLE_KILLPRIV |
                                         FUSE_AUTO_INVAL_DATA | FUSE_ATOMIC_O_TRUNC};
    wire_volume = (struct wire_volume){.volume.ops = &waiting_ops, .answers = true};
    pthread_mutex_init(&wire_volume.lock, NULL);
    pthread_cond_init(&wire_volume.changed, NULL);
    int large = 4 * 1024 * 1024;
    if (mount_options_parse(3, argv, &options, error, sizeof(error)) != 0 ||
        frontend_new(&options, &wire_frontend) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return 1;
    }
    wire_kernel = pair[0];
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUFFORCE, &large, sizeof(large));
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUFFORCE, &large, sizeof(large));
    wire_frontend->volume = &wire_volume.volume;
    unique = 0;
    uint64_t number = wire_send(FUSE_INIT, 0, &init, sizeof(init));
    if (frontend_serve(wire_frontend, pair[1]) != 0) {
        return 1;
    }
    wire_receive(number);
    return 0;
}

void wire_end(void)
{
    wire_receive(wire_send(FUSE_DESTROY, 0, NULL, 0));
    shutdown(wire_kernel, SHUT_RDWR);
    frontend_run(wire_frontend, -1);
    (void)close(wire_kernel);
    frontend_free(wire_frontend);
    wire_kernel = -1;
}
