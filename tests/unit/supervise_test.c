/*
 * Supervision of real processes: shells that sleep, exit or ignore signals.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backend/base/clock.h"
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "mgmt/spawn.h"
#include "mgmt/supervise.h"

#define WAIT_MS 20000

static char directory[256];
static char log_path[300], pid_path[300];
static struct supervisor *supervisor;
static struct process *process;
static atomic_uint changes;
static atomic_int ended_pid; /* of the last that ended */
static atomic_bool told_late;

/* An end is told before the next process is started: the pid file still names the one that ended,
 * or none. */
static void ended(pid_t pid, void *context)
{
    (void)context;
    int named = (int)pid;
    FILE *file = fopen(pid_path, "re");
    if (file) {
        if (fscanf(file, "%d", &named) != 1 || named != (int)pid) {
            atomic_store(&told_late, true);
        }
        fclose(file);
    }
    atomic_store(&ended_pid, (int)pid);
}

static void changed(void *context)
{
    (void)context;
    atomic_fetch_add(&changes, 1);
}

static const struct supervisor_hooks hooks = {.ended = ended, .changed = changed};

static int remove_one(const char *path, const struct stat *stat_, int type, struct FTW *ftw)
{
    (void)stat_;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void begin(void)
{
    const char *temporary = getenv("TMPDIR");
    snprintf(directory, sizeof(directory), "%s/trivet-supervise-XXXXXX",
             temporary ? temporary : "/tmp");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
    snprintf(log_path, sizeof(log_path), "%s/log", directory);
    snprintf(pid_path, sizeof(pid_path), "%s/pid", directory);
    atomic_store(&changes, 0);
    atomic_store(&ended_pid, 0);
    process = NULL;
    CU_ASSERT_FATAL(supervisor_new(&hooks, &supervisor) == 0);
}

static void end(void)
{
    if (process) {
        CU_ASSERT(processes_stop(&process, 1) == 0);
        process_release(process);
    }
    supervisor_free(supervisor);
    CU_ASSERT(!atomic_load(&told_late));
    CU_ASSERT(nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

static int start(const char *script)
{
    struct refusal why;
    const char *const arguments[] = {"/bin/sh", "-c", script, NULL};
    struct process_plan plan = {
        .name = "test",
        .arguments = arguments,
        .log_path = log_path,
        .pid_path = pid_path,
        .reenter_status = 75,
    };
    return process_start(supervisor, &plan, &process, &why);
}

static struct process_status status_of(void)
{
    struct process_status status;
    process_status(process, &status);
    return status;
}

/* Wait until it died that often and runs again. */
static pid_t wait_for_deaths(unsigned deaths)
{
    for (int i = 0; i < WAIT_MS; i++) {
        struct process_status status = status_of();
        if (status.deaths >= deaths && status.pid > 0) {
            return status.pid;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    CU_FAIL_FATAL("it was not started again");
    return 0;
}

static void a_killed_process_is_started_again(void)
{
    CU_ASSERT_FATAL(start("echo started; exec sleep 100") == 0);
    pid_t first = status_of().pid;
    CU_ASSERT(first > 0 && kill(first, SIGKILL) == 0);
    pid_t second = wait_for_deaths(1);
    CU_ASSERT(second != first && atomic_load(&ended_pid) == first);
    CU_ASSERT_STRING_EQUAL(status_of().ending, "killed by signal 9 (Killed)");
    CU_ASSERT(kill(second, SIGKILL) == 0);
    (void)wait_for_deaths(2);
    CU_ASSERT(atomic_load(&changes) >= 2);
}

static void restarts_slow_down(void)
{
    uint64_t began = clock_monotonic_ns(clock_real());
    CU_ASSERT_FATAL(start("echo no luck; exit 3") == 0);
    for (int i = 0; i < WAIT_MS && status_of().deaths < 4; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    uint64_t took_ms = (clock_monotonic_ns(clock_real()) - began) / NS_PER_MS;
    /* At once, then after 100 and 200 ms. */
    CU_ASSERT(took_ms >= 300);
    CU_ASSERT_STRING_EQUAL(status_of().ending, "it exited with status 3");
    char line[64];
    process_last_line(process, line, sizeof(line));
    CU_ASSERT_STRING_EQUAL(line, "no luck");
}

/* Goal: who wishes to begin anew does so at once, is not counted, and cannot spin. Method: a script
 * that exits so at once, twelve times, then stays; each but the first waits RESTART_DELAY_MS_MIN.
 */
static void a_process_that_begins_anew_is_no_failure(void)
{
    char script[700];
    snprintf(script, sizeof(script),
             "echo x >>%s/lives; test $(wc -l <%s/lives) -le 12 && exit 75; exec sleep 100",
             directory, directory);
    uint64_t began = clock_monotonic_ns(clock_real());
    CU_ASSERT_FATAL(start(script) == 0);
    for (int i = 0; i < WAIT_MS && (status_of().reentries < 12 || status_of().pid == 0); i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    uint64_t took_ms = (clock_monotonic_ns(clock_real()) - began) / NS_PER_MS;
    CU_ASSERT(status_of().reentries == 12 && status_of().deaths == 0);
    /* With growing pauses it would have been 25 s. */
    CU_ASSERT(took_ms >= (uint64_t)11 * RESTART_DELAY_MS_MIN && took_ms < 10000);
}

static void a_process_that_waits_for_its_restart_can_be_stopped(void)
{
    CU_ASSERT_FATAL(start("exit 1") == 0);
    while (status_of().deaths < 3) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    CU_ASSERT(processes_stop(&process, 1) == 0);
    CU_ASSERT(access(pid_path, F_OK) != 0);
}

static void a_stopped_process_stays_stopped(void)
{
    CU_ASSERT_FATAL(start("exec sleep 100") == 0);
    pid_t pid = status_of().pid;
    CU_ASSERT(processes_stop(&process, 1) == 0);
    CU_ASSERT(kill(pid, 0) != 0 && errno == ESRCH);
    CU_ASSERT(status_of().deaths == 0);
    CU_ASSERT(access(pid_path, F_OK) != 0);
}

static void a_program_that_is_not_there_is_refused(void)
{
    struct refusal why = {""};
    const char *const arguments[] = {"/nonexistent/program", NULL};
    struct process_plan plan = {
        .name = "test", .arguments = arguments, .log_path = log_path, .pid_path = pid_path};
    CU_ASSERT(process_start(supervisor, &plan, &process, &why) == -ENOENT);
    CU_ASSERT_PTR_NULL(process);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "/nonexistent/program"));
}

/* Goal: a later supervisor takes over. Method: free the first one, make another. */
static void a_running_process_is_adopted(void)
{
    CU_ASSERT_FATAL(start("exec sleep 100") == 0);
    pid_t pid = status_of().pid;
    supervisor_free(supervisor);
    CU_ASSERT_FATAL(supervisor_new(&hooks, &supervisor) == 0);
    CU_ASSERT_FATAL(start("exec sleep 200") == 0);
    CU_ASSERT(status_of().pid == pid && status_of().is_adopted);
    CU_ASSERT(kill(pid, SIGKILL) == 0);
    pid_t again = wait_for_deaths(1);
    CU_ASSERT(again != pid && !status_of().is_adopted);
    CU_ASSERT(atomic_load(&ended_pid) == pid);
}

/* Goal: a pid file whose number is another process's by now is not believed. */
static void another_process_is_not_adopted(void)
{
    FILE *file = fopen(pid_path, "we");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    char boot[64] = "";
    FILE *boot_file = fopen("/proc/sys/kernel/random/boot_id", "re");
    CU_ASSERT_FATAL(boot_file && fscanf(boot_file, "%63s", boot) == 1);
    fclose(boot_file);
    fprintf(file, "%d 1 %s\n", (int)getpid(), boot);
    fclose(file);
    CU_ASSERT_FATAL(start("exec sleep 100") == 0);
    CU_ASSERT(status_of().pid != getpid() && !status_of().is_adopted);
}

static void nothing_is_inherited(void)
{
    /* Deliberately not close-on-exec. */
    int fd = open("/dev/null", O_RDONLY);
    CU_ASSERT_FATAL(fd >= 0);
    /* Leader of its own session, and three descriptors. */
    CU_ASSERT_FATAL(start("test $(ps -o sid= -p $$) = $$ && ls -m /proc/$$/fd; exec sleep 100") ==
                    0);
    char line[256] = "";
    static const char expected[] = "0, 1, 2";
    for (int i = 0; i < WAIT_MS && strcmp(line, expected) != 0; i++) {
        process_last_line(process, line, sizeof(line));
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    CU_ASSERT_STRING_EQUAL(line, expected);
    close(fd);
}

static int run(const char *script, unsigned timeout_ms, struct refusal *why)
{
    const char *const arguments[] = {"/bin/sh", "-c", script, NULL};
    return spawn_and_wait(arguments, timeout_ms, why);
}

static void a_program_runs_to_its_end(void)
{
    struct refusal why = {""};
    CU_ASSERT(run("exit 0", WAIT_MS, &why) == 0);
    CU_ASSERT(run("echo one; echo two >&2; exit 1", WAIT_MS, &why) == -EREMOTEIO);
    CU_ASSERT_STRING_EQUAL(why.text, "two");
    CU_ASSERT(run("seq 1 100000; exit 1", WAIT_MS, &why) == -EREMOTEIO);
    CU_ASSERT_STRING_EQUAL(why.text, "100000");
    CU_ASSERT(run("exit 4", WAIT_MS, &why) == -EREMOTEIO);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "status 4"));
    CU_ASSERT(run("exec sleep 100", 50, &why) == -ETIMEDOUT);
    /* What it leaves behind holds the pipe open, and is not waited for. */
    char script[400];
    snprintf(script, sizeof(script), "sleep 300 & echo $! >%s", pid_path);
    CU_ASSERT(run(script, WAIT_MS, &why) == 0);
    FILE *file = fopen(pid_path, "re");
    int pid = 0;
    CU_ASSERT_FATAL(file && fscanf(file, "%d", &pid) == 1 && pid > 0);
    fclose(file);
    CU_ASSERT(kill(pid, SIGKILL) == 0);
    CU_ASSERT(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

#define TEST(function)                                                                             \
    {                                                                                              \
#function, function                                                                        \
    }

int main(void)
{
    log_open("supervise_test", LOG_LEVEL_WARN);
    CU_TestInfo tests[] = {
        TEST(a_killed_process_is_started_again),
        TEST(restarts_slow_down),
        TEST(a_process_that_begins_anew_is_no_failure),
        TEST(a_process_that_waits_for_its_restart_can_be_stopped),
        TEST(a_stopped_process_stays_stopped),
        TEST(a_program_that_is_not_there_is_refused),
        TEST(a_running_process_is_adopted),
        TEST(another_process_is_not_adopted),
        TEST(nothing_is_inherited),
        TEST(a_program_runs_to_its_end),
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"supervise", NULL, NULL, begin, end, tests}, CU_SUITE_INFO_NULL};
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
        return 1;
    }
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
