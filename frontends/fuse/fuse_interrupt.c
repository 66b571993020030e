/*
 * The watch: ends calls whose process wants to end while the volume does not answer, so that Ctrl-C
 * and kill work on what waits for it.
 *
 * The kernel tells of a signal with an INTERRUPT message, which libfuse notes in the request. An
 * interrupt alone ends nothing: most signals (a timer, a child's end, a resized terminal) are none
 * of the operation's business, and a program that gets EINTR from mkdir() because the volume was
 * electing a primary is likely to break. The watch looks every FUSE_INTERRUPT_EVERY_MS at all calls
 * in flight. One that has waited for FUSE_INTERRUPT_AFTER_MS, or is interrupted before a volume
 * that does not answer, is cancelled if the signals that its process has to take would end it, or
 * are those by which people ask it to.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include "backend/base/clock.h"
#include "backend/base/scope.h"
#include "frontends/fuse/fuse_frontend.h"

/* Calls looked at in one pass, in turn: bounds what the watch costs while thousands wait. */
#define SUSPECTS_MAX 64

static uint64_t signal_bit(int signal)
{
    return UINT64_C(1) << (signal - 1);
}

/* The hexadecimal mask behind a name such as "SigCgt:" in /proc/PID/status. */
static uint64_t status_mask(const char *status, const char *name)
{
    const char *line = strstr(status, name);
    return line ? strtoull(line + strlen(name), NULL, 16) : 0;
}

static bool signals_end(const char *status)
{
    /* Signals that do nothing unless caught. SIGSTOP and its like stop, and can wait. */
    const uint64_t harmless = signal_bit(SIGCHLD) | signal_bit(SIGCONT) | signal_bit(SIGURG) |
                              signal_bit(SIGWINCH) | signal_bit(SIGSTOP) | signal_bit(SIGTSTP) |
                              signal_bit(SIGTTIN) | signal_bit(SIGTTOU);
    const uint64_t asking =
        signal_bit(SIGHUP) | signal_bit(SIGINT) | signal_bit(SIGQUIT) | signal_bit(SIGTERM);
    uint64_t pending = status_mask(status, "SigPnd:") | status_mask(status, "ShdPnd:");
    pending &= ~status_mask(status, "SigBlk:") | signal_bit(SIGKILL);
    pending &= ~status_mask(status, "SigIgn:");
    uint64_t caught = status_mask(status, "SigCgt:");
    return (pending & ~caught & ~harmless) != 0 || (pending & asking) != 0;
}

/*
 * umount(8) looks at the mount point before it unmounts, and goes on if that fails: it need not
 * wait for a volume that may never answer.
 */
static bool is_umount(const char *status, enum volume_op op)
{
    static const char name[] = "Name:\tumount\n";
    return op == VOLUME_GETATTR && strncmp(status, name, sizeof(name) - 1) == 0;
}

/* Does the calling thread have to take signals that end it? otherwise: what to say if that cannot
 * be told, of a process in another name space or one that has gone. */
static bool caller_wants_to_end(pid_t pid, enum volume_op op, bool otherwise)
{
    char path[64], status[16384];
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    AUTO_CLOSE int fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t size = fd >= 0 ? read(fd, status, sizeof(status) - 1) : 0;
    if (size <= 0) {
        return otherwise;
    }
    status[size] = '\0';
    if (!strstr(status, "SigCgt:")) {
        return otherwise;
    }
    return is_umount(status, op) || signals_end(status);
}

/* A call whose caller is to be looked at. */
struct suspect {
    struct call *call;
    enum volume_op op;
    bool is_interrupted;
};

/*
 * The kernel interrupts only what its caller waits for in person. Direct I/O is sent in the
 * background and waited for without regard to signals, so what is late is looked at, too.
 */
static bool is_suspect(const struct call *call, uint64_t now_ns, bool answers,
                       bool *out_is_interrupted)
{
    bool is_late = now_ns - call->started_ns >= FUSE_INTERRUPT_AFTER_MS * NS_PER_MS;
    *out_is_interrupted = fuse_req_interrupted(call->req) != 0;
    /* Not write-back: its data may be another process's, which would lose it. */
    return !call->is_cancelled && !call->is_writeback &&
           (is_late || (*out_is_interrupted && !answers));
}

/* Hold the next calls to look at, and put them behind all others. */
static size_t watch_collect(struct frontend *frontend, struct suspect *suspects, size_t max)
{
    uint64_t now_ns = clock_monotonic_ns(frontend->clock);
    bool answers = volume_answers(frontend->volume);
    size_t count = 0;
    AUTO_LOCK(&frontend->lock);
    struct call *next, *last = frontend->flight.previous;
    for (struct call *call = frontend->flight.next; call != &frontend->flight && count < max;
         call = next) {
        next = call == last ? &frontend->flight : call->next;
        if (is_suspect(call, now_ns, answers, &suspects[count].is_interrupted)) {
            call_hold(call);
            suspects[count].op = call->request.op;
            suspects[count++].call = call;
            call_leave_flight(call);
            call_enter_flight(call);
        }
    }
    return count;
}

static void suspect_end(const struct suspect *suspect)
{
    struct call *call = suspect->call;
    struct frontend *frontend = call->frontend;
    bool is_cancelled = false;
    if (caller_wants_to_end(call->pid, suspect->op, suspect->is_interrupted)) {
        AUTO_LOCK(&frontend->lock);
        is_cancelled = call->is_in_flight;
        call->is_cancelled = is_cancelled;
    }
    if (is_cancelled) {
        /* Held: it may complete, but stays. It waits for the volume, or for another call. */
        open_cancel(call);
        volume_cancel(frontend->volume, &call->request);
    }
    call_drop(call);
}

static void watch_pass(struct frontend *frontend)
{
    struct suspect suspects[SUSPECTS_MAX];
    size_t count = watch_collect(frontend, suspects, SUSPECTS_MAX);
    for (size_t i = 0; i < count; i++) {
        suspect_end(&suspects[i]);
    }
}

static void *watch_thread(void *context)
{
    struct frontend *frontend = context;
    AUTO_LOCK(&frontend->watch_lock);
    while (!frontend->is_stopping) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += (long)(FUSE_INTERRUPT_EVERY_MS * NS_PER_MS);
        until.tv_sec += until.tv_nsec / (long)NS_PER_S;
        until.tv_nsec %= (long)NS_PER_S;
        (void)pthread_cond_timedwait(&frontend->watch_stop, &frontend->watch_lock, &until);
        if (!frontend->is_stopping) {
            watch_pass(frontend);
        }
    }
    return NULL;
}

int frontend_start_watch(struct frontend *frontend)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    frontend->is_stopping = false;
    int status = -pthread_create(&frontend->watch, NULL, watch_thread, frontend);
    frontend->has_watch = status == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return status;
}

void frontend_stop_watch(struct frontend *frontend)
{
    if (!frontend->has_watch) {
        return;
    }
    {
        AUTO_LOCK(&frontend->watch_lock);
        frontend->is_stopping = true;
        pthread_cond_signal(&frontend->watch_stop);
    }
    pthread_join(frontend->watch, NULL);
    frontend->has_watch = false;
}
