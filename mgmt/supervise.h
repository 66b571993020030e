/*
 * Supervision: processes that are to run, are started again when they die, and outlive trivetd. A
 * later trivetd adopts them by their pid files, which name pid, start time and boot, so that no
 * other process that happens to have the number is taken for them.
 *
 * One thread of its own waits for deaths and restarts; it waits for nothing else.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_MGMT_SUPERVISE_H
#define TRIVET_MGMT_SUPERVISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mgmt/refusal.h"

struct supervisor;
struct process;

struct process_plan {
    const char *name;             /* in log lines: "brick gv0-0" */
    const char *const *arguments; /* [0] is a path; ends with NULL */
    const char *log_path;         /* where its output is appended */
    const char *pid_path;
    int reenter_status; /* an exit with this is no failure: it is started again at once; 0: none */
};

struct process_status {
    pid_t pid; /* 0: not running */
    bool is_adopted;
    unsigned deaths;    /* since it was first started or adopted here; wanted ends and those with
                         * reenter_status not counted */
    unsigned reentries; /* ends with reenter_status */
    char ending[128];   /* how it died last: "killed by signal 9 (Killed)"; "" */
};

/* Called on the supervisor's thread, without its lock. They must not wait. */
struct supervisor_hooks {
    /* That process has ended, wanted or not; it is started again after this has returned. */
    void (*ended)(pid_t pid, void *context);
    /* Something ended or was started again. */
    void (*changed)(void *context);
    void *context;
};

/* hooks is copied. */
int supervisor_new(const struct supervisor_hooks *hooks, struct supervisor **out_supervisor);

/* Stop supervising; processes run on. Their struct process must not be used any more. */
void supervisor_free(struct supervisor *supervisor);

/*
 * Adopt the living process that the pid file names, or start one.
 *
 * Owns:    plan is copied. The result is released with process_release.
 * Threads: any.
 * Fails:   -ENOENT, -EACCES … (the program cannot be started), -ENOSPC (PROCESSES_MAX).
 */
int process_start(struct supervisor *supervisor, const struct process_plan *plan,
                  struct process **out_process, struct refusal *out_why);

/* The same, but fails with -ESRCH rather than start one. */
int process_adopt(struct supervisor *supervisor, const struct process_plan *plan,
                  struct process **out_process);

void process_status(struct process *process, struct process_status *out_status);
/* The last line of its log, or "" if there is none. */
void process_last_line(struct process *process, char *out_line, size_t size);

/* From now on an end is wanted: it is not started again. */
void process_expect_end(struct process *process);

/* Ask it to end. */
void process_terminate(struct process *process);

/* Wait until all have ended; expect_end was called for each. Fails: -ETIMEDOUT. */
int processes_wait_ended(struct process *const *processes, size_t count, unsigned timeout_ms);

/*
 * End them: SIGTERM, and SIGKILL after STOP_MS_MAX. Fails: -ETIMEDOUT (not even SIGKILL helped: one
 * hangs in the kernel).
 */
int processes_stop(struct process *const *processes, size_t count);

/* Forget it. If it still runs it runs on, unsupervised. process may be NULL. */
void process_release(struct process *process);

#endif
