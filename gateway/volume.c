/*
 * The volume API's own part: opening by name, checks that hold for every implementation, counters,
 * and waiting. Every request passes volume_submit on its way in and volume_complete on its way out,
 * so what is checked or counted there is checked and counted once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/volume.h"

#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "backend/base/check.h"
#include "backend/proto/limits.h"

/* ---- open and close -------------------------------------------------------------------------- */

void volume_explain(char *out_error, size_t size, const char *format, ...)
{
    if (size == 0) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(out_error, size, format, arguments); /* a cut sentence is still one */
    va_end(arguments);
}

static const char *last_separator(const char *name)
{
    const char *found = NULL;
    for (const char *at = strstr(name, ":/"); at; at = strstr(at + 1, ":/")) {
        found = at;
    }
    return found;
}

/* Sizes of "HOST[:PORT],…" lists that a command line can hold. */
#define HOSTS_SIZE 4096

static int open_replicated(const char *name, const struct volume_options *options,
                           struct volume **out_volume, char *out_error, size_t size)
{
    const char *separator = last_separator(name);
    if (!separator || separator == name || (size_t)(separator - name) >= HOSTS_SIZE) {
        volume_explain(out_error, size,
                       "\"%s\" names no volume; write HOST:/VOLUME, H1,H2:/VOLUME or local:/DIR",
                       name);
        return -EINVAL;
    }
    const char *volume_name = separator + 2;
    if (!*volume_name || strlen(volume_name) > VOLUME_NAME_MAX || strchr(volume_name, '/')) {
        volume_explain(out_error, size,
                       "\"%s\" is no name of a volume; it has 1 to %d characters and no '/'",
                       volume_name, VOLUME_NAME_MAX);
        return -EINVAL;
    }
    char hosts[HOSTS_SIZE];
    memcpy(hosts, name, (size_t)(separator - name));
    hosts[separator - name] = '\0';
    return replicated_volume_open(hosts, volume_name, options, out_volume, out_error, size);
}

int volume_open(const char *name, const struct volume_options *options, struct volume **out_volume,
                char *out_error, size_t size)
{
    PRE(name && out_volume);
    static const struct volume_options defaults = {0};
    if (strncmp(name, "local:", 6) == 0) {
        return local_volume_open(name + 6, out_volume, out_error, size);
    }
    if (strcmp(name, "memory:") == 0) {
        return memory_volume_open(out_volume);
    }
    return open_replicated(name, options ? options : &defaults, out_volume, out_error, size);
}

void volume_close(struct volume *volume)
{
    if (volume) {
        volume->ops->close(volume);
    }
}

const struct volume_spec *volume_spec(const struct volume *volume)
{
    return &volume->spec;
}

/* ---- checks ---------------------------------------------------------------------------------- */

enum op_trait {
    TRAIT_NAME = 1 << 0,  /* name must be one component */
    TRAIT_NAME2 = 1 << 1, /* and name2 */
    TRAIT_DOTS = 1 << 2,  /* "." and ".." are allowed as name */
    TRAIT_MAKES = 1 << 3, /* a name comes into being: "." and ".." exist already */
    TRAIT_XATTR = 1 << 4  /* name is that of an extended attribute */
};

static const struct {
    const char *name;
    unsigned traits;
} ops[VOLUME_OP_COUNT] = {
    [VOLUME_GETATTR] = {"GETATTR", 0},
    [VOLUME_SETATTR] = {"SETATTR", 0},
    [VOLUME_ACCESS] = {"ACCESS", 0},
    [VOLUME_LOOKUP] = {"LOOKUP", TRAIT_NAME | TRAIT_DOTS},
    [VOLUME_READLINK] = {"READLINK", 0},
    [VOLUME_READ] = {"READ", 0},
    [VOLUME_WRITE] = {"WRITE", 0},
    [VOLUME_COMMIT] = {"COMMIT", 0},
    [VOLUME_CREATE] = {"CREATE", TRAIT_NAME | TRAIT_MAKES},
    [VOLUME_MKDIR] = {"MKDIR", TRAIT_NAME | TRAIT_MAKES},
    [VOLUME_SYMLINK] = {"SYMLINK", TRAIT_NAME | TRAIT_MAKES},
    [VOLUME_MKNOD] = {"MKNOD", TRAIT_NAME | TRAIT_MAKES},
    [VOLUME_LINK] = {"LINK", TRAIT_NAME | TRAIT_MAKES},
    [VOLUME_REMOVE] = {"REMOVE", TRAIT_NAME},
    [VOLUME_RMDIR] = {"RMDIR", TRAIT_NAME},
    [VOLUME_RENAME] = {"RENAME", TRAIT_NAME | TRAIT_NAME2},
    [VOLUME_READDIR] = {"READDIR", 0},
    [VOLUME_STATFS] = {"STATFS", 0},
    [VOLUME_TMPFILE] = {"TMPFILE", 0},
    [VOLUME_FORGET] = {"FORGET", 0},
    [VOLUME_GETXATTR] = {"GETXATTR", TRAIT_XATTR},
    [VOLUME_LISTXATTR] = {"LISTXATTR", 0},
    [VOLUME_SETXATTR] = {"SETXATTR", TRAIT_XATTR},
    [VOLUME_REMOVEXATTR] = {"REMOVEXATTR", TRAIT_XATTR},
    [VOLUME_ALLOCATE] = {"ALLOCATE", 0},
    [VOLUME_SEEK] = {"SEEK", 0},
    [VOLUME_COPY] = {"COPY", 0},
};

const char *volume_op_name(enum volume_op op)
{
    return (unsigned)op < VOLUME_OP_COUNT ? ops[op].name : "?";
}

static int check_name(const struct volume_request *request, struct slice name, unsigned traits)
{
    if (name.size == 0) {
        return traits & TRAIT_DOTS ? -ENOENT : -EINVAL;
    }
    if (name.size > NAME_SIZE_MAX) {
        return -ENAMETOOLONG;
    }
    if (memchr(name.data, '/', name.size) || memchr(name.data, '\0', name.size)) {
        return -EINVAL;
    }
    bool is_dot = name.data[0] == '.' && name.size == 1;
    bool is_dotdot = name.size == 2 && name.data[0] == '.' && name.data[1] == '.';
    if ((!is_dot && !is_dotdot) || traits & TRAIT_DOTS) {
        return 0;
    }
    /* RFC 1813 section 3.3.13: RMDIR of ".." is NFS3ERR_EXIST, of "." NFS3ERR_INVAL. */
    if (traits & TRAIT_MAKES || (request->op == VOLUME_RMDIR && is_dotdot)) {
        return -EEXIST;
    }
    return -EINVAL;
}

/* Linux's answers: xattr(7), setxattr(2). */
static int check_xattr(struct slice name)
{
    if (name.size == 0 || name.size > XATTR_NAME_MAX_SIZE) {
        return -ERANGE;
    }
    return memchr(name.data, '\0', name.size) ? -EINVAL : 0;
}

static int check_space(const struct volume_request *request)
{
    if (request->length == 0 && request->op == VOLUME_ALLOCATE) {
        return -EINVAL;
    }
    uint64_t most = INT64_MAX;
    if (request->length > most || request->offset > most - request->length ||
        request->offset2 > most - request->length) {
        return -EFBIG;
    }
    return 0;
}

static int check_sizes(struct volume_request *request)
{
    uint64_t offset_max = INT64_MAX;
    switch ((int)request->op) {
    case VOLUME_READ:
        request->count = request->count < IO_SIZE_MAX ? request->count : IO_SIZE_MAX;
        return request->offset > offset_max - IO_SIZE_MAX ? -EINVAL : 0;
    case VOLUME_WRITE:
        if (request->data.size > IO_SIZE_MAX || request->stable > STABLE_FILE_SYNC) {
            return -EINVAL;
        }
        return request->offset > offset_max - request->data.size ? -EFBIG : 0;
    case VOLUME_SETATTR:
    case VOLUME_CREATE:
        return request->change.mask & ATTR_SIZE && request->change.size > offset_max ? -EFBIG : 0;
    case VOLUME_SYMLINK:
        if (request->target.size > TARGET_SIZE_MAX) {
            return -ENAMETOOLONG;
        }
        return request->target.size == 0 || memchr(request->target.data, 0, request->target.size)
                   ? -EINVAL
                   : 0;
    case VOLUME_SETXATTR:
        return request->data.size > XATTR_VALUE_MAX ? -E2BIG : 0;
    case VOLUME_ALLOCATE:
    case VOLUME_COPY:
        return check_space(request);
    case VOLUME_SEEK:
        return request->offset > offset_max ? -ENXIO : 0;
    case VOLUME_READDIR:
        request->count = request->count < READDIR_SIZE_MAX ? request->count : READDIR_SIZE_MAX;
        return request->count == 0 ? -EINVAL : 0;
    default:
        return 0;
    }
}

static int check_request(struct volume_request *request)
{
    if ((unsigned)request->op >= VOLUME_OP_COUNT || request->cred.group_count > CRED_GROUPS_MAX) {
        return -EINVAL;
    }
    unsigned traits = ops[request->op].traits;
    int status = traits & TRAIT_NAME ? check_name(request, request->name, traits) : 0;
    if (status == 0 && traits & TRAIT_XATTR) {
        status = check_xattr(request->name);
    }
    if (status == 0 && traits & TRAIT_NAME2) {
        status = check_name(request, request->name2, traits);
    }
    return status ? status : check_sizes(request);
}

/* ---- submit and complete --------------------------------------------------------------------- */

static void count(uint64_t *counter, uint64_t by)
{
    (void)__atomic_fetch_add(counter, by, __ATOMIC_RELAXED);
}

void volume_submit(struct volume *volume, struct volume_request *request)
{
    PRE(volume && request && request->complete);
    request->volume = volume;
    request->internal = NULL;
    request->kept = NULL;
    request->next = request->previous = NULL;
    int status = check_request(request);
    if (status) {
        request->reply = (struct reply){.status = status};
        volume_complete(request);
        return;
    }
    volume->ops->submit(volume, request);
}

void volume_complete(struct volume_request *request)
{
    struct volume_stats *counters = &request->volume->counters;
    struct reply *reply = &request->reply;
    if ((unsigned)request->op < VOLUME_OP_COUNT) {
        count(&counters->requests[request->op], 1);
        if (reply->status != 0) {
            count(&counters->failures[request->op], 1);
        }
    }
    if (request->op == VOLUME_READ && reply->status == 0) {
        count(&counters->bytes_read, reply->data.size);
    } else if (request->op == VOLUME_WRITE && reply->status == 0) {
        count(&counters->bytes_written, reply->count);
    } else if (request->op == VOLUME_RENAME && reply->parent2.type == OBJECT_NONE &&
               gfid_equal(&request->object, &request->object2)) {
        /* Within one directory the second one is the first; frontends need not know. */
        reply->parent2 = reply->parent;
        reply->parent2_before = reply->parent_before;
    }
    request->complete(request);
}

void volume_cancel(struct volume *volume, struct volume_request *request)
{
    volume->ops->cancel(volume, request);
}

void volume_cancel_all(struct volume *volume, int status)
{
    PRE(status < 0);
    volume->ops->cancel_all(volume, status);
}

bool volume_answers(const struct volume *volume)
{
    return volume->ops->answers(volume);
}

void volume_request_release(struct volume_request *request)
{
    if (request->kept) {
        request->volume->ops->release(request);
        request->kept = NULL;
    }
    request->reply.data = (struct slice){0};
}

void volume_stats(const struct volume *volume, struct volume_stats *out_stats)
{
    struct volume_stats *counters = (struct volume_stats *)&volume->counters;
    *out_stats = (struct volume_stats){0};
    for (int op = 0; op < VOLUME_OP_COUNT; op++) {
        out_stats->requests[op] = __atomic_load_n(&counters->requests[op], __ATOMIC_RELAXED);
        out_stats->failures[op] = __atomic_load_n(&counters->failures[op], __ATOMIC_RELAXED);
    }
    out_stats->bytes_read = __atomic_load_n(&counters->bytes_read, __ATOMIC_RELAXED);
    out_stats->bytes_written = __atomic_load_n(&counters->bytes_written, __ATOMIC_RELAXED);
    volume->ops->stats(volume, out_stats);
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* A word on the waiter's stack: the completer enters the kernel only if the waiter sleeps. */
enum { WAIT_PENDING, WAIT_DONE, WAIT_ASLEEP };

static void wait_complete(struct volume_request *request)
{
    uint32_t *word = request->context;
    /* The waiter may return at once, so the word's address is used but its memory is not read. */
    if (__atomic_exchange_n(word, WAIT_DONE, __ATOMIC_ACQ_REL) == WAIT_ASLEEP) {
        (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0); /* nothing to do */
    }
}

int volume_wait(struct volume *volume, struct volume_request *request)
{
    uint32_t word = WAIT_PENDING;
    request->complete = wait_complete;
    request->context = &word;
    request->keep = true;
    volume_submit(volume, request);
    for (;;) {
        uint32_t expected = WAIT_PENDING;
        if (!__atomic_compare_exchange_n(&word, &expected, WAIT_ASLEEP, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_ACQUIRE) &&
            expected == WAIT_DONE) {
            return request->reply.status;
        }
        /* A signal or a change of the word ends the call; either way look again. */
        (void)syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, WAIT_ASLEEP, NULL, NULL, 0);
    }
}
