/*
 * volume status: what the record, the processes and the bricks themselves say of a volume. Who is
 * in contact and how far behind is said by the primary.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "mgmt/bricks.h"
#include "mgmt/command.h"
#include "mgmt/daemon.h"

/* enum replica_role, which is the bricks' own. */
enum { ROLE_IDLE, ROLE_BACKUP, ROLE_SETTLING, ROLE_PRIMARY, ROLE_JOINER };

/* A sentence that names all bricks of a volume, each with how it ended. */
#define PROBLEM_SIZE (200 + SET_MEMBERS_MAX * (VOLUME_NAME_MAX + 200))

struct brick_state {
    struct process_status process;
    bool is_registered;
    bool is_answering; /* then report is filled in */
    struct brick_report report;
};

/* A volume at one moment, as far as several processes have one. */
struct volume_status {
    struct volume_definition definition;
    const char *state;
    struct view view;
    struct view_change change;
    struct brick_state bricks[SET_MEMBERS_MAX];
    const struct brick_report *primary; /* NULL: nobody leads the view */
};

/* ---- looking ------------------------------------------------------------------------------- */

static bool look(struct daemon *daemon, const struct volume_id *id, struct volume_status *out)
{
    AUTO_LOCK(&daemon->live.lock);
    const struct live_volume *volume = live_find_id(&daemon->live, id);
    if (!volume) {
        return false;
    }
    *out = (struct volume_status){
        .definition = volume->definition,
        .state = volume_state(volume),
        .view = volume->view,
        .change = volume->change,
    };
    for (uint32_t i = 0; i < volume->definition.brick_count; i++) {
        const struct live_brick *brick = &volume->bricks[i];
        out->bricks[i].is_registered = brick->said.is_registered;
        if (brick->process) {
            process_status(brick->process, &out->bricks[i].process);
        }
    }
    return true;
}

static void ask(struct daemon *daemon, struct volume_status *status)
{
    for (uint32_t i = 0; i < status->definition.brick_count; i++) {
        struct brick_state *brick = &status->bricks[i];
        brick->is_answering = brick->is_registered &&
                              brick_status(daemon, &status->definition.id, i, &brick->report) == 0;
        if (brick->is_answering && brick->report.said.role == ROLE_PRIMARY &&
            (!status->primary || brick->report.said.view > status->primary->said.view)) {
            status->primary = &brick->report;
        }
    }
}

/* ---- one brick ----------------------------------------------------------------------------- */

static bool is_in_sync(const struct volume_status *status, uint32_t number)
{
    return status->view.number > 0 && status->view.members[number].state == MEMBER_IN_SYNC;
}

/* What the primary says of that brick; NULL if there is nobody to say it. */
static const struct supervised_peer *peer_of(const struct volume_status *status, uint32_t number)
{
    return status->primary && number < status->primary->peer_count ? &status->primary->peers[number]
                                                                   : NULL;
}

static const char *role_of(const struct volume_status *status, uint32_t number)
{
    const struct brick_state *brick = &status->bricks[number];
    const struct supervised_peer *peer = peer_of(status, number);
    if (!brick->is_answering) {
        return brick->process.pid == 0 && !brick->is_registered ? "not running" : "away";
    }
    switch (brick->report.said.role) {
    case ROLE_PRIMARY:
        return "primary";
    case ROLE_SETTLING:
        return "settling";
    case ROLE_BACKUP:
        return "backup";
    case ROLE_JOINER:
        return "joining";
    default:
        return peer && peer->state == MEMBER_JOINING ? "joining" : "away";
    }
}

/* Operations that the brick has not acknowledged, or null. */
static json_t *behind(const struct volume_status *status, uint32_t number)
{
    const struct supervised_peer *peer = peer_of(status, number);
    const struct brick_state *brick = &status->bricks[number];
    if (status->primary == &brick->report) {
        return json_integer(0);
    }
    if (!peer || (peer->index == 0 && !peer->in_contact)) {
        return json_null();
    }
    uint64_t last = status->primary->said.last_index;
    return json_integer(last > peer->index ? (json_int_t)(last - peer->index) : 0);
}

static json_t *contact(const struct volume_status *status, uint32_t number)
{
    const struct supervised_peer *peer = peer_of(status, number);
    if (status->primary == &status->bricks[number].report) {
        return json_true();
    }
    return peer ? json_boolean(peer->in_contact != 0) : json_null();
}

static json_t *describe_brick(const struct volume_status *status, uint32_t number)
{
    const struct brick_definition *definition = &status->definition.bricks[number];
    const struct brick_state *brick = &status->bricks[number];
    /* Registered and silent is as good as away. */
    json_t *json =
        json_pack("{s:i, s:s, s:s, s:i, s:i, s:b, s:i, s:i, s:s, s:s, s:b, s:o, s:o}", "number",
                  (int)number, "host", definition->host, "path", definition->path, "port",
                  (int)definition->port, "pid", (int)brick->process.pid, "online",
                  brick->is_answering, "restarts", (int)brick->process.deaths, "reentries",
                  (int)brick->process.reentries, "last_end", brick->process.ending, "role",
                  role_of(status, number), "in_sync", is_in_sync(status, number), "behind",
                  behind(status, number), "contact", contact(status, number));
    if (brick->is_answering) {
        const struct supervised_status_reply *said = &brick->report.said;
        json_object_update_new(
            json, json_pack("{s:I, s:I, s:I, s:i, s:I, s:I, s:I, s:I, s:I}", "view",
                            (json_int_t)said->view, "last_index", (json_int_t)said->last_index,
                            "committed", (json_int_t)said->commit_index, "clients",
                            (int)said->clients, "operations", (json_int_t)said->operations,
                            "bytes_read", (json_int_t)said->bytes_read, "bytes_written",
                            (json_int_t)said->bytes_written, "disk_total",
                            (json_int_t)said->disk.bytes_total, "disk_free",
                            (json_int_t)said->disk.bytes_available));
    }
    return json;
}

/* ---- what is wrong ------------------------------------------------------------------------- */

struct problem {
    char text[PROBLEM_SIZE];
    size_t size;
};

__attribute__((format(printf, 2, 3))) static void problem_add(struct problem *problem,
                                                              const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(problem->text + problem->size, sizeof(problem->text) - problem->size,
                         format, arguments);
    va_end(arguments);
    INVARIANT(size >= 0 && (size_t)size < sizeof(problem->text) - problem->size);
    problem->size += (size_t)size;
}

/* "brick gv0-1 (not running: killed by signal 9 (Killed))" */
static void problem_add_brick(struct problem *problem, const struct volume_status *status,
                              uint32_t number, const char *separator)
{
    const struct process_status *process = &status->bricks[number].process;
    problem_add(problem, "%sbrick %s-%u (%s%s%s)", separator, status->definition.name, number,
                role_of(status, number), process->pid == 0 && process->ending[0] ? ": " : "",
                process->pid == 0 ? process->ending : "");
}

/* For whom the volume waits, if it has too few: those in sync that are not there, and if these
 * would not do, whoever else is not in sync. Returns false if it has enough. */
static bool waits_for_bricks(const struct volume_status *status, struct problem *problem)
{
    uint32_t min_insync =
        status->view.number > 0 ? status->definition.min_insync : status->definition.brick_count;
    uint32_t in_sync = 0;
    uint32_t present = 0;
    for (uint32_t i = 0; i < status->definition.brick_count; i++) {
        bool counts = status->view.number == 0 || is_in_sync(status, i);
        in_sync += counts;
        present += counts && status->bricks[i].is_answering;
    }
    if (present >= min_insync) {
        return false;
    }
    if (status->view.number > 0) {
        problem_add(problem, "below min-insync (%u): waits for", min_insync);
    } else {
        problem_add(problem, "never served yet: waits for");
    }
    const char *separator = " ";
    for (uint32_t i = 0; i < status->definition.brick_count; i++) {
        bool counts = status->view.number == 0 || is_in_sync(status, i);
        bool is_missing = !status->bricks[i].is_answering;
        if (counts ? is_missing : in_sync < min_insync) {
            problem_add_brick(problem, status, i, separator);
            separator = ", ";
        }
    }
    return true;
}

/* NULL: none. */
static const char *brick_problem(const struct volume_status *status, uint32_t number)
{
    const struct brick_state *brick = &status->bricks[number];
    const struct supervised_peer *peer = peer_of(status, number);
    if (!is_in_sync(status, number)) {
        return "is not in sync";
    }
    if (!brick->is_answering) {
        return "does not answer";
    }
    bool is_cut_off = peer && status->primary != &brick->report && !peer->in_contact;
    return is_cut_off ? "is out of contact with the primary" : NULL;
}

static json_t *describe_problems(const struct volume_status *status)
{
    json_t *problems = json_array();
    if (!status->definition.started) {
        return problems;
    }
    struct problem problem = {.size = 0};
    if (waits_for_bricks(status, &problem)) {
        json_array_append_new(problems, json_string(problem.text));
        return problems;
    }
    if (!status->primary) {
        json_array_append_new(problems, json_string("nobody leads at this moment: the bricks are "
                                                    "agreeing, or the new primary is settling"));
    }
    for (uint32_t i = 0; i < status->definition.brick_count; i++) {
        const char *wrong = brick_problem(status, i);
        if (wrong) {
            problem = (struct problem){.size = 0};
            problem_add_brick(&problem, status, i, "");
            problem_add(&problem, " %s", wrong);
            json_array_append_new(problems, json_string(problem.text));
        }
    }
    return problems;
}

/* ---- all ----------------------------------------------------------------------------------- */

static json_t *describe_volume_status(const struct volume_status *status)
{
    char since[32] = "";
    time_t seconds = (time_t)(status->change.since_ms / 1000);
    struct tm tm;
    if (seconds > 0 && gmtime_r(&seconds, &tm)) {
        (void)strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%SZ", &tm); /* has room */
    }
    json_t *bricks = json_array();
    uint32_t in_sync = 0;
    for (uint32_t i = 0; i < status->definition.brick_count; i++) {
        json_array_append_new(bricks, describe_brick(status, i));
        in_sync += is_in_sync(status, i);
    }
    return json_pack("{s:s, s:s, s:I, s:s, s:I, s:s, s:i, s:i, s:o, s:o}", "name",
                     status->definition.name, "status", status->state, "view",
                     (json_int_t)status->view.number, "since", since, "since_ms",
                     (json_int_t)status->change.since_ms, "why", status->change.why, "in_sync",
                     (int)in_sync, "min_insync", (int)status->definition.min_insync, "problems",
                     describe_problems(status), "bricks", bricks);
}

json_t *describe_status(struct daemon *daemon, const struct volume_id *id)
{
    AUTO_FREE struct volume_status *status = malloc(sizeof(*status));
    INVARIANT(status != NULL);
    if (!look(daemon, id, status)) {
        return NULL;
    }
    ask(daemon, status);
    return describe_volume_status(status);
}
