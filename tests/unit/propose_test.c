/*
 * What trivetd tells bricks and takes from them: the first view, proposals, readings, notices of
 * death, options. The test itself plays the bricks, each on a connection of its own; the processes
 * that trivetd supervises in their place do not register (tests/lib/idle_brick.h).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend/base/clock.h"
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "tests/lib/idle_brick.h"
#include "tests/lib/trivetd_fixture.h"

#define PLAYERS 3
#define ROLE_BACKUP 1
#define ROLE_PRIMARY 3

/* A brick that the test plays; lock guards what it was told. */
struct player {
    uint32_t number;
    uint64_t incarnation;
    uint32_t pid;
    struct rpc_program program;
    const struct rpc_program *programs[1];
    struct rpc_service service;
    struct rpc_connection *connection;
    bool is_connected;
    struct volume_spec spec; /* the last one told */
    unsigned tellings;
    unsigned deaths;
    struct supervised_death_args death; /* the last one */
    uint64_t death_ns;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct player players[PLAYERS];
static struct volume_definition definition;
static pthread_t starter;

/* ---- what trivetd asks --------------------------------------------------------------------- */

static void reply_int(struct rpc_call *call, int status)
{
    rpc_call_reply(call, (xdrproc_t)xdr_int, &status, NULL);
}

static void serve_view(struct rpc_call *call, void *context)
{
    struct player *player = context;
    struct supervised_view_args args;
    CU_ASSERT(rpc_call_decode(call, (xdrproc_t)xdr_supervised_view_args, &args, NULL) == 0);
    {
        AUTO_LOCK(&lock);
        player->spec = args.spec;
        player->tellings++;
        pthread_cond_broadcast(&changed);
    }
    reply_int(call, 0);
}

/* The primary has 9 operations; 1 has acknowledged 7, 2 is not in contact. */
static void serve_status(struct rpc_call *call, void *context)
{
    struct player *player = context;
    AUTO_LOCK(&lock);
    const struct view *view = &player->spec.view;
    bool leads = view->number > 0 && view->primary == player->number;
    struct supervised_peer peers[PLAYERS] = {
        {MEMBER_IN_SYNC, 1, 9}, {MEMBER_IN_SYNC, 1, 7}, {MEMBER_AWAY, 0, 0}};
    struct supervised_status_reply reply = {
        .view = view->number,
        .role = leads ? ROLE_PRIMARY : ROLE_BACKUP,
        .last_index = 9,
        .peers = {.peers_len = leads ? PLAYERS : 0, .peers_val = peers},
    };
    rpc_call_reply(call, (xdrproc_t)xdr_supervised_status_reply, &reply, NULL);
}

static void serve_stop(struct rpc_call *call, void *context)
{
    const struct player *player = context;
    reply_int(call, 0);
    CU_ASSERT(player->pid > 0 && kill((pid_t)player->pid, SIGKILL) == 0);
}

static void serve_death(struct rpc_call *call, void *context)
{
    struct player *player = context;
    uint64_t now_ns = clock_monotonic_ns(clock_real());
    struct supervised_death_args args;
    CU_ASSERT(rpc_call_decode(call, (xdrproc_t)xdr_supervised_death_args, &args, NULL) == 0);
    {
        AUTO_LOCK(&lock);
        player->death = args;
        player->death_ns = now_ns;
        player->deaths++;
        pthread_cond_broadcast(&changed);
    }
    reply_int(call, 0);
}

static const struct rpc_procedure procedures[] = {
    [SUPERVISED_VIEW] = {"VIEW", serve_view},
    [SUPERVISED_STATUS] = {"STATUS", serve_status},
    [SUPERVISED_STOP] = {"STOP", serve_stop},
    [SUPERVISED_DEATH] = {"DEATH", serve_death},
};

static void closed(struct rpc_connection *connection, void *context)
{
    struct player *player = context;
    AUTO_LOCK(&lock);
    if (player->connection == connection) {
        player->is_connected = false;
        pthread_cond_broadcast(&changed);
    }
}

/* ---- calls --------------------------------------------------------------------------------- */

static int call_trivetd(struct rpc_connection *connection, uint32_t procedure, xdrproc_t encode,
                        const void *args, xdrproc_t decode, void *reply)
{
    struct rpc_call_request request = {
        .program = TRIVET_MGMT,
        .version = TRIVET_MGMT_V1,
        .procedure = procedure,
        .encode = encode,
        .arguments = args,
        .timeout_ms = WAIT_MS,
    };
    return rpc_call_wait(connection, &request, decode, reply);
}

static void player_register(struct player *player)
{
    struct rpc_connection *connection;
    CU_ASSERT_FATAL(rpc_dial_tcp(loop, "127.0.0.1", trivetd->port, &player->service, &connection) ==
                    0);
    {
        AUTO_LOCK(&lock);
        player->connection = connection;
        player->is_connected = true;
    }
    struct mgmt_register_args args = {
        .level = PROTOCOL_LEVEL,
        .volume = definition.id,
        .brick = player->number,
        .disk_id = definition.bricks[player->number].disk_id,
        .incarnation = player->incarnation,
        .pid = player->pid,
        .port = 1000 + player->number,
        .last_index = 1,
    };
    static struct mgmt_register_reply reply;
    CU_ASSERT_FATAL(call_trivetd(connection, MGMT_REGISTER, (xdrproc_t)xdr_mgmt_register_args,
                                 &args, (xdrproc_t)xdr_mgmt_register_reply, &reply) == 0);
    CU_ASSERT_FATAL(reply.status == 0);
}

static void player_hang_up(struct player *player)
{
    struct rpc_connection *connection;
    {
        AUTO_LOCK(&lock);
        connection = player->connection;
        player->connection = NULL;
    }
    if (connection) {
        hang_up(connection);
    }
}

static struct mgmt_propose_args proposal_of(const struct player *player, const struct view *view)
{
    struct mgmt_propose_args args = {
        .level = PROTOCOL_LEVEL,
        .volume = definition.id,
        .brick = player->number,
        .incarnation = player->incarnation,
        .number = view->number,
        .renewals = view->renewals,
        .view = *view,
    };
    args.view.number++;
    return args;
}

static int propose_on(struct rpc_connection *connection, const struct mgmt_propose_args *args,
                      struct mgmt_propose_reply *out_reply)
{
    memset(out_reply, 0, sizeof(*out_reply));
    CU_ASSERT_FATAL(call_trivetd(connection, MGMT_PROPOSE, (xdrproc_t)xdr_mgmt_propose_args, args,
                                 (xdrproc_t)xdr_mgmt_propose_reply, out_reply) == 0);
    return out_reply->status;
}

static int current_on(struct rpc_connection *connection, struct view *out_view)
{
    struct mgmt_current_args args = {.level = PROTOCOL_LEVEL, .volume = definition.id};
    static struct mgmt_current_reply reply;
    CU_ASSERT_FATAL(call_trivetd(connection, MGMT_CURRENT, (xdrproc_t)xdr_mgmt_current_args, &args,
                                 (xdrproc_t)xdr_mgmt_current_reply, &reply) == 0);
    *out_view = reply.spec.view;
    return reply.status;
}

/* ---- waiting ------------------------------------------------------------------------------- */

typedef bool player_is(const struct player *player, uint64_t value);

static void wait_for(const struct player *player, player_is *is, uint64_t value)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += WAIT_MS / 1000;
    AUTO_LOCK(&lock);
    int error = 0;
    while (!is(player, value) && error == 0) {
        error = pthread_cond_timedwait(&changed, &lock, &end);
    }
    CU_ASSERT(error == 0);
}

static bool has_view(const struct player *player, uint64_t number)
{
    return player->spec.view.number >= number;
}

static bool has_deaths(const struct player *player, uint64_t count)
{
    return player->deaths >= count;
}

static bool has_min_insync(const struct player *player, uint64_t count)
{
    return player->spec.min_insync == count;
}

static bool is_cut_off(const struct player *player, uint64_t unused)
{
    (void)unused;
    return !player->is_connected;
}

static void wait_for_views(uint64_t number)
{
    for (size_t i = 0; i < PLAYERS; i++) {
        wait_for(&players[i], has_view, number);
    }
}

/* The process that runs in a brick's place, another one than before. */
static uint32_t wait_for_pid(unsigned number, uint32_t before)
{
    for (int i = 0; i < WAIT_MS; i++) {
        long long pid = brick_number(number, "pid");
        if (pid > 0 && pid != before) {
            return (uint32_t)pid;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    CU_FAIL_FATAL("there is no process");
    return 0;
}

/* ---- a volume whose bricks are played ------------------------------------------------------ */

static void *start_volume(void *context)
{
    (void)context;
    succeed(simple("volume start", "gv0"));
    return NULL;
}

static void play(void)
{
    succeed(create("gv0", 0));
    {
        AUTO_LOCK(&trivetd->live.lock);
        definition = live_find(&trivetd->live, "gv0")->definition;
    }
    static const char *const silent[] = {"b0/never-register", "b1/never-register",
                                         "b2/never-register"};
    for (uint32_t i = 0; i < PLAYERS; i++) {
        put_file(silent[i], "");
        players[i] = (struct player){.number = i, .incarnation = 100 + i};
        struct player *player = &players[i];
        player->program = (struct rpc_program){
            .program = TRIVET_SUPERVISED,
            .version = TRIVET_SUPERVISED_V1,
            .procedures = procedures,
            .procedure_count = SUPERVISED_DEATH + 1,
            .context = player,
        };
        player->programs[0] = &player->program;
        player->service = (struct rpc_service){
            .programs = player->programs, .program_count = 1, .closed = closed, .context = player};
    }
    CU_ASSERT_FATAL(pthread_create(&starter, NULL, start_volume, NULL) == 0);
    for (uint32_t i = 0; i < PLAYERS; i++) {
        players[i].pid = wait_for_pid(i, 0);
    }
    for (uint32_t i = 0; i < PLAYERS; i++) {
        struct view view;
        player_register(&players[i]);
        CU_ASSERT(current_on(players[i].connection, &view) == 0);
        CU_ASSERT(view.number == (i == PLAYERS - 1 ? 1 : 0));
    }
    pthread_join(starter, NULL);
    wait_for_views(1);
}

static void stop_playing(void)
{
    succeed(simple("volume stop", "gv0"));
    for (size_t i = 0; i < PLAYERS; i++) {
        player_hang_up(&players[i]);
    }
}

/* What is said of gv0; the caller's reference. */
static json_t *volume_member(const char *name)
{
    json_t *answer = simple("volume status", "gv0");
    json_t *volume = json_array_get(json_object_get(answer, "volumes"), 0);
    json_t *member = json_incref(json_object_get(volume, name));
    json_decref(answer);
    return member;
}

static void expect_text(json_t *json, const char *text)
{
    const char *is = json_string_value(json);
    CU_ASSERT_PTR_NOT_NULL_FATAL(is);
    if (!strstr(is, text)) {
        fprintf(stderr, "\"%s\" is not in: %s\n", text, is);
        CU_FAIL("another text was expected");
    }
    json_decref(json);
}

/* ---- proposals ----------------------------------------------------------------------------- */

static void the_first_view_is_made_by_trivetd(void)
{
    play();
    struct view view;
    CU_ASSERT(current_on(players[2].connection, &view) == 0);
    CU_ASSERT(view.number == 1 && view.primary == 0 && view.member_count == 3);
    for (uint32_t i = 0; i < PLAYERS; i++) {
        CU_ASSERT(players[i].spec.view.number == 1 && players[i].spec.min_insync == 2);
        CU_ASSERT(view.members[i].incarnation == 100 + i);
    }
    /* A brick that comes back changes nothing by itself. */
    player_hang_up(&players[2]);
    players[2].incarnation = 555;
    player_register(&players[2]);
    CU_ASSERT(current_on(players[2].connection, &view) == 0);
    CU_ASSERT(view.number == 1 && view.members[2].incarnation == 102);
    stop_playing();
}

struct outcome {
    sem_t done;
    int status;
    struct mgmt_propose_reply reply;
};

static void proposed(struct rpc_reply *reply, void *context)
{
    struct outcome *outcome = context;
    outcome->status =
        rpc_reply_decode(reply, (xdrproc_t)xdr_mgmt_propose_reply, &outcome->reply, NULL);
    sem_post(&outcome->done);
}

static void propose_start(const struct player *player, const struct mgmt_propose_args *args,
                          struct outcome *outcome)
{
    struct rpc_call_request request = {
        .program = TRIVET_MGMT,
        .version = TRIVET_MGMT_V1,
        .procedure = MGMT_PROPOSE,
        .encode = (xdrproc_t)xdr_mgmt_propose_args,
        .arguments = args,
        .timeout_ms = WAIT_MS,
        .callback = proposed,
        .context = outcome,
    };
    sem_init(&outcome->done, 0, 0);
    CU_ASSERT_FATAL(rpc_call_start(player->connection, &request) == 0);
}

/* Goal: of two proposers at once one wins, and the other is given the winner's record. Method: 1
 * and 2 want to lead in turn, twenty times. */
static void one_of_two_proposers_wins(void)
{
    play();
    static struct outcome outcomes[2];
    struct view view = players[0].spec.view;
    for (unsigned round = 0; round < 20; round++) {
        struct mgmt_propose_args args[2];
        for (uint32_t i = 0; i < 2; i++) {
            args[i] = proposal_of(&players[1 + i], &view);
            args[i].view.primary = 1 + i;
            args[i].view.volatile_epoch++; /* so that it is a change in any case */
        }
        uint32_t first = round % 2;
        propose_start(&players[1 + first], &args[first], &outcomes[first]);
        propose_start(&players[2 - first], &args[1 - first], &outcomes[1 - first]);
        for (uint32_t i = 0; i < 2; i++) {
            while (sem_wait(&outcomes[i].done)) {
            }
            CU_ASSERT_FATAL(outcomes[i].status == 0);
        }
        uint32_t winner = outcomes[0].reply.status == 0 ? 0 : 1;
        CU_ASSERT(outcomes[winner].reply.status == 0);
        CU_ASSERT(outcomes[1 - winner].reply.status == -E_VERSION_CONFLICT);
        for (uint32_t i = 0; i < 2; i++) {
            CU_ASSERT(memcmp(&outcomes[i].reply.spec.view, &args[winner].view, sizeof(view)) == 0);
        }
        view = args[winner].view;
        wait_for_views(view.number);
        CU_ASSERT(players[0].spec.view.primary == 1 + winner);
    }
    stop_playing();
}

static void a_stranger_is_refused(void)
{
    play();
    struct mgmt_propose_args good = proposal_of(&players[1], &players[1].spec.view);
    struct mgmt_propose_args args = good;
    static struct mgmt_propose_reply reply;
    struct view view;
    struct rpc_connection *stranger = dial_trivetd();
    CU_ASSERT(propose_on(stranger, &good, &reply) == -EPERM);
    CU_ASSERT(current_on(stranger, &view) == -EPERM);
    hang_up(stranger);
    CU_ASSERT(propose_on(players[2].connection, &good, &reply) == -EPERM);
    args.incarnation++;
    CU_ASSERT(propose_on(players[1].connection, &args, &reply) == -EPERM);
    args = good;
    args.volume.bytes[0]++;
    CU_ASSERT(propose_on(players[1].connection, &args, &reply) == -E_UNKNOWN_VOLUME);
    args = good;
    args.level++;
    CU_ASSERT(propose_on(players[1].connection, &args, &reply) == -E_BAD_PROTOCOL);
    args = good;
    args.number++;
    args.view.number++;
    CU_ASSERT(propose_on(players[1].connection, &args, &reply) == -E_VERSION_CONFLICT);
    CU_ASSERT(reply.spec.view.number == 1);
    args = good;
    args.renewals++;
    CU_ASSERT(propose_on(players[1].connection, &args, &reply) == -E_VERSION_CONFLICT);
    CU_ASSERT(current_on(players[1].connection, &view) == 0 && view.number == 1);
    CU_ASSERT(propose_on(players[1].connection, &good, &reply) == 0);
    stop_playing();
}

/* What else is implausible: tests/unit/views_test.c. */
static void an_implausible_view_is_refused(void)
{
    play();
    static struct mgmt_propose_reply reply;
    struct mgmt_propose_args good = proposal_of(&players[1], &players[1].spec.view);
    struct mgmt_propose_args bad[4] = {good, good, good, good};
    bad[0].view.number++;
    bad[1].view.members[2].disk_id++;
    bad[2].view.members[0].state = MEMBER_AWAY; /* it leads */
    bad[3].view.members[0].state = bad[3].view.members[2].state = MEMBER_AWAY;
    bad[3].view.primary = 1;
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT(propose_on(players[1].connection, &bad[i], &reply) == -EINVAL);
        CU_ASSERT(memcmp(&reply.spec.view, &players[1].spec.view, sizeof(struct view)) == 0);
    }
    stop_playing();
}

/* Goal: the others hear of a view whose proposer is gone. Method: it hangs up as soon as a client
 * that waits has heard of it. */
static void a_proposer_need_not_live_to_be_heard(void)
{
    play();
    static struct outcome outcome;
    struct mgmt_propose_args args = proposal_of(&players[1], &players[1].spec.view);
    args.view.primary = 1;
    args.view.members[0].state = MEMBER_AWAY;
    struct rpc_connection *client = dial_trivetd();
    static struct mgmt_volume_reply volume;
    propose_start(&players[1], &args, &outcome);
    CU_ASSERT(ask_volume(client, "gv0", 1, WAIT_MS, &volume) == 0);
    CU_ASSERT(volume.status == 0 && volume.spec.view.number == 2 && volume.spec.view.primary == 1);
    player_hang_up(&players[1]);
    wait_for(&players[0], has_view, 2);
    wait_for(&players[2], has_view, 2);
    CU_ASSERT(players[0].spec.view.members[0].state == MEMBER_AWAY);
    while (sem_wait(&outcome.done)) {
    }
    hang_up(client);
    player_register(&players[1]); /* so that it can be asked to stop */
    wait_for(&players[1], has_view, 2);
    stop_playing();
}

/* Goal: a reading says what became of every proposal before it. Method: both are sent at once. */
static void a_reading_follows_the_proposals_before_it(void)
{
    play();
    for (uint64_t number = 2; number < 12; number++) {
        static struct outcome outcome;
        struct view view;
        struct mgmt_propose_args args = proposal_of(&players[2], &players[2].spec.view);
        args.view.volatile_epoch++;
        propose_start(&players[2], &args, &outcome);
        CU_ASSERT(current_on(players[2].connection, &view) == 0);
        CU_ASSERT(view.number == number && view.volatile_epoch == number);
        while (sem_wait(&outcome.done)) {
        }
        wait_for_views(number);
    }
    stop_playing();
}

static void a_stopped_volume_keeps_its_view(void)
{
    play();
    static struct mgmt_propose_reply reply;
    struct mgmt_propose_args args = proposal_of(&players[1], &players[1].spec.view);
    {
        AUTO_LOCK(&trivetd->live.lock);
        definition = live_find(&trivetd->live, "gv0")->definition;
    }
    definition.started = false;
    CU_ASSERT_FATAL(volume_definition_save(trivetd->store, &definition) == 0);
    CU_ASSERT(propose_on(players[1].connection, &args, &reply) == -E_VOLUME_STOPPED);
    /* Its ends are nobody's business. */
    CU_ASSERT(kill((pid_t)players[2].pid, SIGKILL) == 0);
    wait_for(&players[2], is_cut_off, 0);
    players[2].pid = wait_for_pid(2, players[2].pid);
    CU_ASSERT(players[0].deaths == 0 && players[1].deaths == 0);
    succeed(command("{s:s, s:s, s:b}", "command", "volume stop", "volume", "gv0", "force", 1));
    for (size_t i = 0; i < PLAYERS; i++) {
        player_hang_up(&players[i]);
    }
}

/* ---- deaths -------------------------------------------------------------------------------- */

static void kill_player(uint32_t number, unsigned deaths_before)
{
    struct player *player = &players[number];
    uint64_t began_ns = clock_monotonic_ns(clock_real());
    CU_ASSERT_FATAL(kill((pid_t)player->pid, SIGKILL) == 0);
    for (uint32_t i = 0; i < PLAYERS; i++) {
        if (i != number) {
            wait_for(&players[i], has_deaths, deaths_before + 1);
            CU_ASSERT(players[i].death.brick == number);
            CU_ASSERT(players[i].death.incarnation == player->incarnation);
            printf(" [%u told of %u after %" PRIu64 " us]", i, number,
                   (players[i].death_ns - began_ns) / 1000);
        }
    }
    wait_for(player, is_cut_off, 0);
    CU_ASSERT(player->deaths == 0);
    player_hang_up(player);
    player->pid = wait_for_pid(number, player->pid);
}

static void the_others_are_told_of_a_death(void)
{
    play();
    unsigned deaths = 0;
    for (unsigned round = 0; round < 3; round++) {
        kill_player(2, deaths++);
        players[2].incarnation += 10;
        player_register(&players[2]);
    }
    /* An end before it has registered says nothing. */
    player_hang_up(&players[2]);
    uint32_t pid = players[2].pid;
    CU_ASSERT_FATAL(kill((pid_t)pid, SIGKILL) == 0);
    wait_for(&players[0], has_deaths, ++deaths); /* this one had */
    players[2].pid = wait_for_pid(2, pid);
    pid = players[2].pid;
    CU_ASSERT_FATAL(kill((pid_t)pid, SIGKILL) == 0);
    players[2].pid = wait_for_pid(2, pid);
    CU_ASSERT(players[0].deaths == deaths && players[1].deaths == deaths);
    player_register(&players[2]);
    stop_playing();
}

static void an_adopted_process_is_told_of_too(void)
{
    play();
    uint16_t port = trivetd->port;
    daemon_stop(trivetd);
    trivetd_start(port);
    for (size_t i = 0; i < PLAYERS; i++) {
        player_hang_up(&players[i]);
        player_register(&players[i]);
    }
    kill_player(0, 0);
    player_register(&players[0]);
    stop_playing();
}

/* ---- options and status -------------------------------------------------------------------- */

static json_t *set_min_insync(const char *value)
{
    return command("{s:s, s:s, s:s, s:s}", "command", "volume set", "volume", "gv0", "option",
                   "min-insync", "value", value);
}

static void min_insync_is_told_at_once(void)
{
    play();
    succeed(set_min_insync("3"));
    for (size_t i = 0; i < PLAYERS; i++) {
        wait_for(&players[i], has_min_insync, 3);
        CU_ASSERT(players[i].spec.view.number == 1);
    }
    static struct mgmt_propose_reply reply;
    struct mgmt_propose_args args = proposal_of(&players[1], &players[1].spec.view);
    args.view.members[2].state = MEMBER_AWAY;
    CU_ASSERT(propose_on(players[1].connection, &args, &reply) == -EINVAL);
    CU_ASSERT(reply.spec.min_insync == 3);
    succeed(set_min_insync("1"));
    args.view.members[0].state = MEMBER_AWAY;
    args.view.primary = 1;
    CU_ASSERT(propose_on(players[1].connection, &args, &reply) == 0);
    json_t *answer = set_min_insync("2");
    expect_text(json_incref(json_object_get(answer, "warning")), "waits until 2 are");
    succeed(answer);
    json_t *problems = volume_member("problems");
    expect_text(json_incref(json_array_get(problems, 0)),
                "below min-insync (2): waits for brick gv0-0 (backup), brick gv0-2");
    json_decref(problems);

    fail(set_min_insync("0"), -EINVAL, "1 to 3");
    fail(set_min_insync("4"), -EINVAL, "1 to 3");
    fail(set_min_insync("two"), -EINVAL, "number");
    fail(command("{s:s, s:s, s:s, s:s}", "command", "volume set", "volume", "gv0", "option",
                 "colour", "value", "1"),
         -EINVAL, "colour");
    answer = simple("volume get", "gv0");
    CU_ASSERT(
        json_integer_value(json_object_get(json_object_get(answer, "options"), "min-insync")) == 2);
    succeed(answer);
    stop_playing();
}

static void status_says_who_and_why(void)
{
    play();
    expect_text(volume_member("why"), "brick gv0-0 leads the first view");
    static struct mgmt_propose_reply reply;
    struct mgmt_propose_args args = proposal_of(&players[0], &players[0].spec.view);
    args.view.members[2].state = MEMBER_AWAY;
    CU_ASSERT(propose_on(players[0].connection, &args, &reply) == 0);
    wait_for_views(2);
    expect_text(volume_member("why"), "brick gv0-2 removed");
    expect_text(volume_member("since"), "T");
    CU_ASSERT(brick_is(0, "primary") && brick_is(1, "backup"));
    CU_ASSERT(brick_number(0, "behind") == 0 && brick_number(1, "behind") == 2);
    static const bool expected[] = {true, true, false};
    for (unsigned i = 0; i < PLAYERS; i++) {
        json_t *in_sync = brick_member(i, "in_sync");
        json_t *contact = brick_member(i, "contact");
        CU_ASSERT(json_is_true(in_sync) == expected[i] && json_is_true(contact) == expected[i]);
        json_decref(in_sync);
        json_decref(contact);
    }
    json_t *behind = brick_member(2, "behind");
    CU_ASSERT(json_is_null(behind));
    json_decref(behind);
    json_t *problems = volume_member("problems");
    CU_ASSERT(json_array_size(problems) == 1);
    expect_text(json_incref(json_array_get(problems, 0)), "brick gv0-2");
    json_decref(problems);

    /* Without its primary nobody knows who is in contact. */
    player_hang_up(&players[0]);
    while (brick_is(0, "primary")) {
    }
    CU_ASSERT(brick_is(0, "away"));
    json_t *contact = brick_member(1, "contact");
    CU_ASSERT(json_is_null(contact));
    json_decref(contact);
    problems = volume_member("problems");
    expect_text(json_incref(json_array_get(problems, 0)), "waits for brick gv0-0 (away)");
    json_decref(problems);
    player_register(&players[0]);
    stop_playing();
}

/* ---- all ----------------------------------------------------------------------------------- */

#define TEST(function)                                                                             \
    {                                                                                              \
#function, function                                                                        \
    }

int main(int argc, char **argv)
{
    if (is_idle_brick(argv[0])) {
        return idle_brick_main(argc, argv);
    }
    log_open("propose_test", LOG_LEVEL_ERROR);
    port_base = (uint16_t)(20000 + getpid() % 1000 * 10);
    CU_TestInfo tests[] = {
        TEST(the_first_view_is_made_by_trivetd),
        TEST(one_of_two_proposers_wins),
        TEST(a_stranger_is_refused),
        TEST(an_implausible_view_is_refused),
        TEST(a_proposer_need_not_live_to_be_heard),
        TEST(a_reading_follows_the_proposals_before_it),
        TEST(a_stopped_volume_keeps_its_view),
        TEST(the_others_are_told_of_a_death),
        TEST(an_adopted_process_is_told_of_too),
        TEST(min_insync_is_told_at_once),
        TEST(status_says_who_and_why),
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"proposals", NULL, NULL, begin, end, tests}, CU_SUITE_INFO_NULL};
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
        return 1;
    }
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
