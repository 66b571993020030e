/*
 * The driver of a fuzzer: it makes the processes, gives orders by pipe, one at a time or to all at
 * once, and waits for each to be done. What is done depends on the seed only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/stress/fuzz.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A round: each works ALONE operations, then TURNS times one acts and another looks. */
enum { ALONE = 20, TURNS = 40, PATIENCE_MS = 120000 };

enum order_kind { ORDER_BEGIN, ORDER_ALONE, ORDER_TURN, ORDER_LOOK, ORDER_LOOK_ALL, ORDER_END };

struct order {
    enum order_kind kind;
    unsigned subject, operations;
    struct random random;
};

struct member {
    pid_t pid;
    int orders, done;
};

struct driver {
    const struct play *play;
    struct member members[MEMBERS_MAX];
    unsigned count;
    uint64_t seed, streams;
    unsigned long operations, did;
    bool require_all;
    unsigned slow_most;
};

/* ---- a member's process ------------------------------------------------------------------ */

static void obey(const struct play *play, unsigned member, const char *target, struct order *order)
{
    switch (order->kind) {
    case ORDER_BEGIN:
        play->begin(member, target);
        break;
    case ORDER_ALONE:
        play->alone(member, &order->random, order->operations);
        break;
    case ORDER_TURN:
        play->turn(member, order->subject, &order->random);
        break;
    case ORDER_LOOK:
    case ORDER_LOOK_ALL:
        play->look(member, order->subject, &order->random, order->kind == ORDER_LOOK_ALL);
        break;
    case ORDER_END:
        play->end(member);
        break;
    default:
        mismatch("an unknown order");
    }
}

static _Noreturn void member_run(const struct play *play, unsigned member, const char *target,
                                 int orders, int done)
{
    struct order order;
    note_begin(member);
    while (read(orders, &order, sizeof order) == (ssize_t)sizeof order) {
        double began = seconds_now();
        obey(play, member, target, &order);
        if (order.kind ==
            ORDER_LOOK) { /* the others are many operations, which look at the clock */
            note_if_slow(began);
        }
        if (write(done, "", 1) != 1) {
            break;
        }
    }
    _Exit(0); /* the driver has ended, or is about to */
}

static void member_start(struct driver *driver, unsigned member, const char *target)
{
    int orders[2], done[2];
    if (pipe(orders) || pipe(done)) {
        perror("pipe");
        exit(2);
    }
    pid_t pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(2);
    }
    if (pid == 0) {
        for (unsigned i = 0; i < member; i++) { /* else a member outlives the driver's pipe */
            (void)close(driver->members[i].orders);
        }
        (void)close(orders[1]);
        (void)close(done[0]);
        member_run(driver->play, member, target, orders[0], done[1]);
    }
    (void)close(orders[0]);
    (void)close(done[1]);
    driver->members[member] = (struct member){pid, orders[1], done[0]};
}

/* ---- orders ------------------------------------------------------------------------------ */

static _Noreturn void give_up(struct driver *driver, const char *why)
{
    printf("FAILED: %s\n", why);
    notes_print();
    printf("seed %llu, operation %lu; again: %s -s %llu -n %lu\n", (unsigned long long)driver->seed,
           driver->did, driver->play->name, (unsigned long long)driver->seed, driver->did);
    for (unsigned member = 0; member < driver->count; member++) {
        int status = 0;
        if (waitpid(driver->members[member].pid, &status, WNOHANG) > 0) {
            printf("process %u ended by %s %d\n", member, WIFSIGNALED(status) ? "signal" : "exit",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
            continue;
        }
        (void)kill(driver->members[member].pid, SIGKILL); /* ours */
    }
    exit(1);
}

static void order_send(struct driver *driver, unsigned member, enum order_kind kind,
                       unsigned subject, unsigned operations)
{
    struct order order = {kind, subject, operations, random_of(driver->seed, driver->streams++)};
    if (write(driver->members[member].orders, &order, sizeof order) != (ssize_t)sizeof order) {
        give_up(driver, "a process has ended");
    }
}

static void order_wait(struct driver *driver, unsigned member)
{
    struct pollfd poll_fd = {.fd = driver->members[member].done, .events = POLLIN};
    char done;
    if (poll(&poll_fd, 1, PATIENCE_MS) != 1) {
        give_up(driver, "a process does not answer");
    }
    if (read(poll_fd.fd, &done, 1) != 1) {
        give_up(driver, "a process has ended");
    }
}

static void order_do(struct driver *driver, unsigned member, enum order_kind kind, unsigned subject)
{
    order_send(driver, member, kind, subject, 0);
    order_wait(driver, member);
}

static void all_alone(struct driver *driver)
{
    for (unsigned member = 0; member < driver->count; member++) {
        order_send(driver, member, ORDER_ALONE, 0, ALONE);
    }
    driver->did += (unsigned long)ALONE * driver->count;
    for (unsigned member = 0; member < driver->count; member++) {
        order_wait(driver, member);
    }
}

static void take_turns(struct driver *driver)
{
    struct random random = random_of(driver->seed, driver->streams++);
    for (unsigned turn = 0; turn < TURNS && driver->did < driver->operations; turn++) {
        unsigned member = random_below(&random, driver->count);
        unsigned other = (member + 1 + random_below(&random, driver->count - 1)) % driver->count;
        unsigned subject = random_below(&random, driver->play->subjects);
        driver->did++;
        order_do(driver, member, ORDER_TURN, subject);
        order_do(driver, other, ORDER_LOOK, subject);
    }
}

static void look_everywhere(struct driver *driver)
{
    for (unsigned member = 0; member < driver->count; member++) {
        for (unsigned subject = 0; subject < driver->play->subjects; subject++) {
            order_do(driver, member, ORDER_LOOK_ALL, subject);
        }
    }
}

static int usage(const struct play *play)
{
    fprintf(stderr,
            "usage: %s [-s SEED] [-n OPERATIONS] [--require-all] [--slow-most COUNT] TARGET...\n",
            play->name);
    return 2;
}

static int play_parse(struct driver *driver, int argc, char **argv)
{
    static const struct option options[] = {{"require-all", no_argument, NULL, 'a'},
                                            {"slow-most", required_argument, NULL, 'l'},
                                            {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "s:n:", options, NULL)) >= 0;) {
        switch (option) {
        case 's':
            driver->seed = strtoull(optarg, NULL, 10);
            break;
        case 'n':
            driver->operations = strtoul(optarg, NULL, 10);
            break;
        case 'l':
            driver->slow_most = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'a':
            driver->require_all = true;
            break;
        default:
            return usage(driver->play);
        }
    }
    return argc - optind < 1 || argc - optind > MEMBERS_MAX ? usage(driver->play) : 0;
}

int play_run(const struct play *play, int argc, char **argv)
{
    struct driver driver = {.play = play, .seed = 1, .operations = 1000, .slow_most = UINT32_MAX};
    int status = play_parse(&driver, argc, argv);
    if (status) {
        return status;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    printf("%s: seed %llu, %lu operations\n", play->name, (unsigned long long)driver.seed,
           driver.operations);
    double start = seconds_now();
    note_begin(0);
    for (int i = optind; i < argc; i++) {
        member_start(&driver, driver.count, argv[i]);
        order_do(&driver, driver.count++, ORDER_BEGIN, 0);
    }
    if (play->begun && !play->begun(driver.count, driver.require_all)) {
        give_up(&driver, "something is left out, but all is required");
    }
    while (driver.did < driver.operations) {
        all_alone(&driver);
        take_turns(&driver);
    }
    look_everywhere(&driver);
    for (unsigned member = 0; member < driver.count; member++) {
        order_do(&driver, member, ORDER_END, 0);
        (void)close(driver.members[member].orders);
        (void)waitpid(driver.members[member].pid, NULL, 0); /* it has said that it is done */
    }
    printf("%s: %lu operations by %u processes, %.1f s, %u slow, no mismatch\n", play->name,
           driver.did, driver.count, seconds_now() - start, notes_slow());
    return notes_slow() > driver.slow_most;
}
