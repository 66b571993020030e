/*
 * See supervise.h. The life of a process here:
 *
 *     running ── died ──► waiting (restart_at_ns) ── time ──► running
 *        │                   │
 *        └─ expect_end, died ┴─ expect_end ──► ended
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mgmt/supervise.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "backend/base/check.h"
#include "backend/base/clock.h"
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "backend/base/text.h"
#include "mgmt/pid_file.h"
#include "mgmt/spawn.h"

#define WAKE_ID UINT64_C(0)
#define EVENTS_AT_ONCE 32

enum process_state { PROCESS_RUNNING, PROCESS_WAITING, PROCESS_ENDED };

/* All but the plan is guarded by the supervisor's lock. */
struct process {
    struct supervisor *supervisor;
    struct process *next;
    uint64_t id; /* what epoll knows it by: a late event finds nothing, not freed memory */
    enum process_state state;
    bool end_expected;
    bool is_adopted;
    pid_t pid;
    int pidfd; /* -1 unless running */
    uint64_t started_ns;
    uint64_t restart_at_ns;
    unsigned series; /* restarts since it last lived for RESTART_SERIES_MS */
    unsigned deaths;
    unsigned reentries;
    bool is_reentered; /* its last end was with reenter_status */
    char ending[128];
    /* the plan */
    int reenter_status;
    char *name;
    char *log_path;
    char *pid_path;
    char **arguments;
};

/* lock guards the processes; it is held while one is started, which takes a millisecond or so. */
struct supervisor {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    pthread_t thread;
    int epoll;
    int wake;
    bool stopping;
    uint64_t next_id;
    size_t count;
    struct process *processes;
    struct supervisor_hooks hooks;
};

static uint64_t now_ns(void)
{
    return clock_monotonic_ns(clock_real());
}

/* ---- starting and adopting (lock held) ----------------------------------------------------- */

static int process_attach(struct process *process, pid_t pid, int pidfd, bool is_adopted)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = process->id};
    if (epoll_ctl(process->supervisor->epoll, EPOLL_CTL_ADD, pidfd, &event)) {
        return -errno;
    }
    process->pid = pid;
    process->pidfd = pidfd;
    process->is_adopted = is_adopted;
    process->state = PROCESS_RUNNING;
    process->started_ns = now_ns();
    return 0;
}

static int process_attach_running(struct process *process)
{
    pid_t pid;
    AUTO_CLOSE int pidfd = -1;
    int status = pid_file_open_process(process->pid_path, &pid, &pidfd);
    if (status == 0) {
        status = process_attach(process, pid, pidfd, true);
    }
    if (status == 0) {
        (void)TAKE_FD(pidfd);
    }
    return status;
}

static int process_spawn(struct process *process)
{
    AUTO_CLOSE int output =
        open(process->log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (output < 0) {
        return -errno;
    }
    pid_t pid;
    AUTO_CLOSE int pidfd = -1;
    int status = spawn((const char *const *)process->arguments, output, &pid, &pidfd);
    if (status) {
        return status;
    }
    status = pid_file_write(process->pid_path, pid);
    if (status == 0) {
        status = process_attach(process, pid, pidfd, false);
    }
    if (status) {
        /* Unsupervised it would be lost: rather have none. */
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return status;
    }
    (void)TAKE_FD(pidfd);
    return 0;
}

/* ---- deaths (lock held) -------------------------------------------------------------------- */

static void describe_ending(const siginfo_t *info, char *out_text, size_t size)
{
    if (info->si_code == CLD_EXITED) {
        snprintf(out_text, size, "it exited with status %d", info->si_status);
    } else {
        snprintf(out_text, size, "killed by signal %d (%s)", info->si_status,
                 strsignal(info->si_status));
    }
}

/* Collect the process; the pidfd was readable, so this does not wait. Returns the status that it
 * exited with, -1 if it did not or that is not known. */
static int process_reap(struct process *process)
{
    siginfo_t info = {.si_code = 0};
    int result;
    do {
        result = waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED | WNOHANG);
    } while (result && errno == EINTR);
    if (result || info.si_pid == 0) {
        snprintf(process->ending, sizeof(process->ending),
                 "how is not known, since an earlier trivetd had started it");
    } else {
        describe_ending(&info, process->ending, sizeof(process->ending));
    }
    (void)close(process->pidfd); /* which also takes it out of epoll */
    process->pidfd = -1;
    process->pid = 0;
    return info.si_pid != 0 && info.si_code == CLD_EXITED ? info.si_status : -1;
}

static void process_end(struct process *process)
{
    process->state = PROCESS_ENDED;
    (void)unlink(process->pid_path); /* if it stays it names a process that is no more */
    pthread_cond_broadcast(&process->supervisor->ended);
}

static uint64_t restart_delay_ms(unsigned series)
{
    if (series == 0) {
        return 0;
    }
    uint64_t delay = RESTART_DELAY_MS_MIN;
    for (unsigned i = 1; i < series && delay < RESTART_DELAY_MS_MAX; i++) {
        delay *= 2;
    }
    return delay < RESTART_DELAY_MS_MAX ? delay : RESTART_DELAY_MS_MAX;
}

static void process_restart_in(struct process *process, uint64_t delay_ms)
{
    process->state = PROCESS_WAITING;
    process->restart_at_ns = now_ns() + delay_ms * NS_PER_MS;
    log_warn("%s ended: %s; it is started again in %u ms, its log is %s", process->name,
             process->ending, (unsigned)delay_ms, process->log_path);
}

static void process_restart_later(struct process *process)
{
    process_restart_in(process, restart_delay_ms(process->series++));
}

/* It wishes to begin anew. */
static void process_reenter(struct process *process, uint64_t lived_ns)
{
    bool is_again = process->is_reentered && lived_ns < REENTER_MS_MIN * NS_PER_MS;
    process->reentries++;
    process->is_reentered = true;
    process_restart_in(process, is_again ? RESTART_DELAY_MS_MIN : 0);
}

static void process_died(struct process *process)
{
    uint64_t lived_ns = now_ns() - process->started_ns;
    if (lived_ns >= RESTART_SERIES_MS * NS_PER_MS) {
        process->series = 0;
    }
    int status = process_reap(process);
    if (process->end_expected) {
        log_info("%s ended: %s", process->name, process->ending);
        process_end(process);
        return;
    }
    if (process->reenter_status && status == process->reenter_status) {
        process_reenter(process, lived_ns);
        return;
    }
    process->is_reentered = false;
    process->deaths++;
    process_restart_later(process);
}

static void process_restart(struct process *process)
{
    int status = process_spawn(process);
    if (status) {
        process->deaths++;
        snprintf(process->ending, sizeof(process->ending), "it cannot be started: %s",
                 error_text(status));
        process_restart_later(process);
        return;
    }
    log_info("%s started again, pid %d", process->name, (int)process->pid);
}

/* ---- the thread ---------------------------------------------------------------------------- */

static struct process *find_process(struct supervisor *supervisor, uint64_t id)
{
    struct process *process = supervisor->processes;
    while (process && process->id != id) {
        process = process->next;
    }
    return process;
}

/* Returns the pid of the process that has ended, 0 if none has. */
static pid_t handle_event(struct supervisor *supervisor, uint64_t id)
{
    if (id == WAKE_ID) {
        uint64_t count;
        (void)!read(supervisor->wake, &count, sizeof(count)); /* only to make it unreadable */
        return 0;
    }
    struct process *process = find_process(supervisor, id);
    if (!process || process->state != PROCESS_RUNNING) {
        return 0;
    }
    pid_t pid = process->pid;
    process_died(process);
    return pid;
}

/* Restart what is due; returns how long to wait for the next one, -1: for ever. */
static int restart_due(struct supervisor *supervisor, bool *out_any)
{
    int wait_ms = -1;
    for (struct process *process = supervisor->processes; process; process = process->next) {
        if (process->state == PROCESS_WAITING && process->restart_at_ns <= now_ns()) {
            process_restart(process);
            *out_any = true;
        }
        if (process->state == PROCESS_WAITING) {
            uint64_t now = now_ns();
            uint64_t left = process->restart_at_ns > now ? process->restart_at_ns - now : 0;
            int left_ms = (int)(left / NS_PER_MS) + 1;
            wait_ms = wait_ms < 0 || left_ms < wait_ms ? left_ms : wait_ms;
        }
    }
    return wait_ms;
}

/* Returns false when the supervisor stops. */
static bool handle_events(struct supervisor *supervisor, const struct epoll_event *events,
                          int count, pid_t ended[EVENTS_AT_ONCE])
{
    AUTO_LOCK(&supervisor->lock);
    for (int i = 0; i < count && !supervisor->stopping; i++) {
        ended[i] = handle_event(supervisor, events[i].data.u64);
    }
    return !supervisor->stopping;
}

/* Deaths are told before anything is started, which takes a while. Returns false when the
 * supervisor stops. */
static bool supervisor_step(struct supervisor *supervisor, const struct epoll_event *events,
                            int count, int *out_wait_ms)
{
    const struct supervisor_hooks *hooks = &supervisor->hooks;
    pid_t ended[EVENTS_AT_ONCE] = {0};
    bool any = false;
    if (!handle_events(supervisor, events, count, ended)) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (ended[i]) {
            hooks->ended(ended[i], hooks->context);
            any = true;
        }
    }
    {
        AUTO_LOCK(&supervisor->lock);
        *out_wait_ms = restart_due(supervisor, &any);
    }
    if (any) {
        hooks->changed(hooks->context);
    }
    return true;
}

static void *supervisor_run(void *context)
{
    struct supervisor *supervisor = context;
    struct epoll_event events[EVENTS_AT_ONCE];
    int wait_ms = -1;
    int count = 0;
    do {
        count = epoll_wait(supervisor->epoll, events, EVENTS_AT_ONCE, wait_ms);
    } while (supervisor_step(supervisor, events, count, &wait_ms));
    return NULL;
}

static void supervisor_wake(struct supervisor *supervisor)
{
    uint64_t one = 1;
    (void)!write(supervisor->wake, &one, sizeof(one)); /* full means that a wake-up is under way */
}

static int supervisor_start_thread(struct supervisor *supervisor)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = WAKE_ID};
    if (supervisor->epoll < 0 || supervisor->wake < 0 ||
        epoll_ctl(supervisor->epoll, EPOLL_CTL_ADD, supervisor->wake, &event)) {
        return -errno;
    }
    /* Signals are for the main thread. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&supervisor->thread, NULL, supervisor_run, supervisor);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}

static void supervisor_release(struct supervisor *supervisor)
{
    if (supervisor->epoll >= 0) {
        (void)close(supervisor->epoll);
    }
    if (supervisor->wake >= 0) {
        (void)close(supervisor->wake);
    }
    pthread_cond_destroy(&supervisor->ended);
    pthread_mutex_destroy(&supervisor->lock);
    free(supervisor);
}

int supervisor_new(const struct supervisor_hooks *hooks, struct supervisor **out_supervisor)
{
    struct supervisor *supervisor = calloc(1, sizeof(*supervisor));
    if (!supervisor) {
        return -ENOMEM;
    }
    supervisor->hooks = *hooks;
    supervisor->next_id = WAKE_ID + 1;
    pthread_mutex_init(&supervisor->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&supervisor->ended, &attributes);
    pthread_condattr_destroy(&attributes);
    supervisor->epoll = epoll_create1(EPOLL_CLOEXEC);
    supervisor->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int status = supervisor_start_thread(supervisor);
    if (status) {
        supervisor_release(supervisor);
        return status;
    }
    *out_supervisor = supervisor;
    return 0;
}

void supervisor_free(struct supervisor *supervisor)
{
    if (!supervisor) {
        return;
    }
    {
        AUTO_LOCK(&supervisor->lock);
        supervisor->stopping = true;
    }
    supervisor_wake(supervisor);
    pthread_join(supervisor->thread, NULL);
    while (supervisor->processes) {
        process_release(supervisor->processes);
    }
    supervisor_release(supervisor);
}

/* ---- processes ----------------------------------------------------------------------------- */

static void process_free(struct process *process)
{
    if (process->pidfd >= 0) {
        (void)close(process->pidfd);
    }
    for (size_t i = 0; process->arguments && process->arguments[i]; i++) {
        free(process->arguments[i]);
    }
    free(process->arguments);
    free(process->name);
    free(process->log_path);
    free(process->pid_path);
    free(process);
}

static struct process *process_new(struct supervisor *supervisor, const struct process_plan *plan)
{
    struct process *process = calloc(1, sizeof(*process));
    if (!process) {
        return NULL;
    }
    process->supervisor = supervisor;
    process->pidfd = -1;
    process->reenter_status = plan->reenter_status;
    process->name = strdup(plan->name);
    process->log_path = strdup(plan->log_path);
    process->pid_path = strdup(plan->pid_path);
    size_t count = 0;
    while (plan->arguments[count]) {
        count++;
    }
    process->arguments = calloc(count + 1, sizeof(*process->arguments));
    bool complete = process->name && process->log_path && process->pid_path && process->arguments;
    for (size_t i = 0; complete && i < count; i++) {
        process->arguments[i] = strdup(plan->arguments[i]);
        complete = process->arguments[i] != NULL;
    }
    if (!complete) {
        process_free(process);
        return NULL;
    }
    return process;
}

static int process_begin(struct supervisor *supervisor, const struct process_plan *plan,
                         bool may_spawn, struct process **out_process)
{
    struct process *process = process_new(supervisor, plan);
    if (!process) {
        return -ENOMEM;
    }
    AUTO_LOCK(&supervisor->lock);
    process->id = supervisor->next_id++;
    int status = supervisor->count < PROCESSES_MAX ? process_attach_running(process) : -ENOSPC;
    if (status == -ESRCH && may_spawn) {
        status = process_spawn(process);
    }
    if (status) {
        process_free(process);
        return status;
    }
    process->next = supervisor->processes;
    supervisor->processes = process;
    supervisor->count++;
    log_info("%s %s, pid %d", process->name, process->is_adopted ? "adopted" : "started",
             (int)process->pid);
    *out_process = process;
    return 0;
}

int process_start(struct supervisor *supervisor, const struct process_plan *plan,
                  struct process **out_process, struct refusal *out_why)
{
    int status = process_begin(supervisor, plan, true, out_process);
    if (status) {
        return refuse(out_why, status, "%s (%s) cannot be started: %s", plan->name,
                      plan->arguments[0], error_text(status));
    }
    return 0;
}

int process_adopt(struct supervisor *supervisor, const struct process_plan *plan,
                  struct process **out_process)
{
    return process_begin(supervisor, plan, false, out_process);
}

void process_status(struct process *process, struct process_status *out_status)
{
    AUTO_LOCK(&process->supervisor->lock);
    *out_status = (struct process_status){
        .pid = process->pid,
        .is_adopted = process->is_adopted,
        .deaths = process->deaths,
        .reentries = process->reentries,
    };
    text_copy(out_status->ending, sizeof(out_status->ending), process->ending);
}

void process_last_line(struct process *process, char *out_line, size_t size)
{
    PRE(size > 0);
    out_line[0] = '\0';
    AUTO_CLOSE int fd = open(process->log_path, O_RDONLY | O_CLOEXEC);
    off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    if (end <= 0) {
        return;
    }
    char text[2048];
    off_t from = end > (off_t)sizeof(text) - 1 ? end - (off_t)sizeof(text) + 1 : 0;
    ssize_t count = pread(fd, text, sizeof(text) - 1, from);
    while (count > 0 && (text[count - 1] == '\n' || text[count - 1] == ' ')) {
        count--;
    }
    if (count <= 0) {
        return;
    }
    text[count] = '\0';
    const char *newline = strrchr(text, '\n');
    snprintf(out_line, size, "%s", newline ? newline + 1 : text);
}

void process_expect_end(struct process *process)
{
    AUTO_LOCK(&process->supervisor->lock);
    process->end_expected = true;
    if (process->state == PROCESS_WAITING) {
        process_end(process);
    }
}

/* Fails: -ETIMEDOUT. */
static int process_wait_ended(struct process *process, const struct timespec *end)
{
    struct supervisor *supervisor = process->supervisor;
    AUTO_LOCK(&supervisor->lock);
    while (process->state != PROCESS_ENDED) {
        PRE(process->end_expected);
        if (pthread_cond_timedwait(&supervisor->ended, &supervisor->lock, end) == ETIMEDOUT) {
            return process->state == PROCESS_ENDED ? 0 : -ETIMEDOUT;
        }
    }
    return 0;
}

int processes_wait_ended(struct process *const *processes, size_t count, unsigned timeout_ms)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += timeout_ms / 1000;
    end.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    int status = 0;
    for (size_t i = 0; i < count; i++) {
        int one = process_wait_ended(processes[i], &end);
        status = status ? status : one;
    }
    return status;
}

/* Returns whether there was something to send it to. */
static bool process_signal(struct process *process, int signal)
{
    AUTO_LOCK(&process->supervisor->lock);
    return process->state == PROCESS_RUNNING &&
           pidfd_send_signal(process->pidfd, signal, NULL, 0) == 0;
}

void process_terminate(struct process *process)
{
    (void)process_signal(process, SIGTERM); /* gone already is as good */
}

int processes_stop(struct process *const *processes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        process_expect_end(processes[i]);
        process_terminate(processes[i]);
    }
    if (processes_wait_ended(processes, count, STOP_MS_MAX) == 0) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (process_signal(processes[i], SIGKILL)) {
            log_warn("%s did not end within %d s of SIGTERM and is killed", processes[i]->name,
                     STOP_MS_MAX / 1000);
        }
    }
    return processes_wait_ended(processes, count, STOP_MS_MAX);
}

void process_release(struct process *process)
{
    if (!process) {
        return;
    }
    struct supervisor *supervisor = process->supervisor;
    {
        AUTO_LOCK(&supervisor->lock);
        struct process **link = &supervisor->processes;
        while (*link != process) {
            link = &(*link)->next;
        }
        *link = process->next;
        supervisor->count--;
    }
    process_free(process);
}
