/*
 * volume start and volume stop.
 *
 *     start: ports, "started" in the store, processes, registrations, view, primary answers, late
 *            bricks
 *     stop:  "started" off in the store, the primary's process, the others'
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "backend/base/clock.h"
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "mgmt/bricks.h"
#include "mgmt/command.h"
#include "mgmt/daemon.h"

/* A brick that died this often while its volume starts will not come up. */
#define START_DEATHS_MAX 3
/* How often a primary is asked whether it has settled. */
#define SETTLE_POLL_MS 20
#define ROLE_PRIMARY 3

static uint64_t now_ns(void)
{
    return clock_monotonic_ns(clock_real());
}

static int save_definition(struct command *command, struct volume_definition *definition)
{
    int status = volume_definition_save(command->daemon->store, definition);
    if (status) {
        return refuse(&command->why, status, "volume %s could not be recorded in %.2000s/store: %s",
                      definition->name, command->daemon->config.state_dir, error_text(status));
    }
    return 0;
}

/* ---- start --------------------------------------------------------------------------------- */

static int start_bricks(struct command *command, const struct volume_definition *definition)
{
    for (uint32_t i = 0; i < definition->brick_count; i++) {
        int status = brick_start(command->daemon, definition, i, &command->why);
        if (status) {
            return status;
        }
    }
    return 0;
}

/* Say which brick did not come up, how it died and what it said last. */
static int refuse_for_brick(struct command *command, const struct volume_definition *definition,
                            uint32_t number)
{
    const struct brick_definition *brick = &definition->bricks[number];
    struct process *process = brick_process(command->daemon, definition, number);
    struct process_status status = {.pid = 0};
    char line[1024] = "";
    if (process) {
        process_status(process, &status);
        process_last_line(process, line, sizeof(line));
    }
    return refuse(&command->why, -EREMOTEIO,
                  "brick %s:%.1500s did not come up (%s); the last line of its log "
                  "%.1500s/log/brick-%s-%u.log is: %s",
                  brick->host, brick->path,
                  status.deaths > 0 ? status.ending : "it runs but has not registered with trivetd",
                  command->daemon->config.state_dir, definition->name, number,
                  line[0] ? line : "(it is empty)");
}

/* Whether a brick that is not registered has died that often. Lock held. */
static bool is_missing(const struct live_brick *brick, unsigned deaths_min)
{
    struct process_status status = {.pid = 0};
    if (brick->process) {
        process_status(brick->process, &status);
    }
    return !brick->said.is_registered && status.deaths >= deaths_min;
}

/*
 * Whether so many bricks are missing that the volume cannot start: any at its first start, later so
 * many of those in sync that fewer than min_insync are left; who is not in sync cannot help.
 * *out_number is one of them. Lock held.
 */
static bool find_missing(const struct live_volume *volume, unsigned deaths_min,
                         uint32_t *out_number)
{
    const struct view *view = &volume->view;
    uint32_t left = 0;
    bool any = false;
    for (uint32_t i = 0; i < volume->definition.brick_count; i++) {
        if (view->number > 0 && view->members[i].state != MEMBER_IN_SYNC) {
            continue;
        }
        if (is_missing(&volume->bricks[i], deaths_min)) {
            *out_number = any ? *out_number : i;
            any = true;
        } else {
            left++;
        }
    }
    return any && (view->number == 0 || left < volume->definition.min_insync);
}

static int refuse_for_stop(struct command *command)
{
    return refuse(&command->why, -ECANCELED,
                  "trivetd stops meanwhile; it goes on with this when it is started again");
}

/* How far a start has come. */
enum progress { PROGRESS_WAITS, PROGRESS_HAS_VIEW, PROGRESS_BRICK_FAILED, PROGRESS_STOPPING };

/*
 * Wait until there is a view and enough bricks are registered to act in it or the next one, or too
 * many failed, or it is end_ns: then PROGRESS_WAITS, if none is to blame.
 */
static enum progress wait_for_progress(struct live *live, const struct volume_id *id,
                                       uint64_t end_ns, uint32_t *out_failed)
{
    AUTO_LOCK(&live->lock);
    int status = 0;
    const struct live_volume *volume;
    while ((volume = live_find_id(live, id)) != NULL && status != -ECANCELED) {
        bool is_complete = !find_missing(volume, 0, out_failed);
        if (is_complete && volume->view.number > 0) {
            return PROGRESS_HAS_VIEW;
        }
        if (find_missing(volume, START_DEATHS_MAX, out_failed)) {
            return PROGRESS_BRICK_FAILED;
        }
        if (status == -ETIMEDOUT) {
            return is_complete ? PROGRESS_WAITS : PROGRESS_BRICK_FAILED;
        }
        status = live_wait(live, end_ns);
    }
    return PROGRESS_STOPPING;
}

static int wait_for_view(struct command *command, const struct volume_definition *definition,
                         uint64_t end_ns)
{
    uint32_t failed = 0;
    switch (wait_for_progress(&command->daemon->live, &definition->id, end_ns, &failed)) {
    case PROGRESS_HAS_VIEW:
        return 0;
    case PROGRESS_BRICK_FAILED:
        return refuse_for_brick(command, definition, failed);
    case PROGRESS_STOPPING:
        return refuse_for_stop(command);
    case PROGRESS_WAITS:
        break;
    }
    return refuse(&command->why, -ETIMEDOUT,
                  "no view of volume %s could be stored within %d s; see trivetd's log",
                  definition->name, START_MS_MAX / 1000);
}

static int current_primary(struct command *command, const struct volume_id *id,
                           uint32_t *out_primary, uint64_t *out_view)
{
    struct live *live = &command->daemon->live;
    AUTO_LOCK(&live->lock);
    const struct live_volume *volume = live_find_id(live, id);
    if (!volume || live->stopping) {
        return refuse_for_stop(command);
    }
    *out_primary = volume->view.primary;
    *out_view = volume->view.number;
    return 0;
}

/* Pause before the primary is asked again. Returns true if a brick has failed meanwhile. */
static bool pause_or_failure(struct live *live, const struct volume_id *id, uint32_t *out_failed)
{
    AUTO_LOCK(&live->lock);
    (void)live_wait(live,
                    now_ns() + SETTLE_POLL_MS * NS_PER_MS); /* why it returned does not matter */
    const struct live_volume *volume = live_find_id(live, id);
    return volume && find_missing(volume, START_DEATHS_MAX, out_failed);
}

/* Wait until the primary of the volume's view, whichever bricks agree on, answers clients. */
static int wait_for_primary(struct command *command, const struct volume_definition *definition,
                            uint64_t end_ns)
{
    uint32_t primary = 0;
    uint32_t failed = 0;
    uint64_t view = 0;
    while (now_ns() < end_ns) {
        int status = current_primary(command, &definition->id, &primary, &view);
        if (status) {
            return status;
        }
        struct brick_report brick;
        status = brick_status(command->daemon, &definition->id, primary, &brick);
        if (status == 0 && brick.said.role == ROLE_PRIMARY && brick.said.view >= view) {
            return 0;
        }
        if (pause_or_failure(&command->daemon->live, &definition->id, &failed)) {
            return refuse_for_brick(command, definition, failed);
        }
    }
    return refuse(&command->why, -ETIMEDOUT,
                  "the bricks came up, but the primary (brick %u) did not begin to answer within "
                  "%d s; see %.2000s/log",
                  primary, START_MS_MAX / 1000, command->daemon->config.state_dir);
}

/* The names of bricks that are not registered. Returns whether some of them may still be. */
static bool collect_missing(struct live *live, const struct volume_id *id, json_t **out_names)
{
    AUTO_LOCK(&live->lock);
    bool may_come = false;
    *out_names = json_array();
    const struct live_volume *volume = live_find_id(live, id);
    for (uint32_t i = 0; volume && i < volume->definition.brick_count; i++) {
        if (is_missing(&volume->bricks[i], 0)) {
            may_come = may_come || !is_missing(&volume->bricks[i], START_DEATHS_MAX);
            json_array_append_new(*out_names, json_sprintf("%s-%u", volume->definition.name, i));
        }
    }
    return may_come && !live->stopping;
}

/* The volume serves; give the rest a moment, and name who is still missing. */
static void wait_for_late_bricks(struct command *command,
                                 const struct volume_definition *definition, uint64_t end_ns)
{
    struct live *live = &command->daemon->live;
    json_t *names;
    while (collect_missing(live, &definition->id, &names) && now_ns() < end_ns) {
        json_decref(names);
        AUTO_LOCK(&live->lock);
        (void)live_wait(live, end_ns); /* why it returned does not matter */
    }
    char text[SET_MEMBERS_MAX * (VOLUME_NAME_MAX + 16)] = "";
    size_t used = 0;
    for (size_t i = 0; i < json_array_size(names); i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i ? ", " : "",
                                 json_string_value(json_array_get(names, i)));
    }
    if (used > 0) {
        command_answer(command, "warning",
                       json_sprintf("volume %s serves, but of its bricks %s did not come up; see "
                                    "\"trivet volume status %s\" and the logs of these bricks in "
                                    "%.1000s/log",
                                    definition->name, text, definition->name,
                                    command->daemon->config.state_dir));
    }
    command_answer(command, "missing", names);
}

/* Undo a start that failed, keeping its sentence. */
static void start_undo(struct command *command, struct volume_definition *definition)
{
    struct refusal ignored;
    definition->started = false;
    int status = volume_definition_save(command->daemon->store, definition);
    if (status == 0) {
        status = bricks_stop(command->daemon, definition, &ignored);
    }
    if (status) {
        log_error("volume %s: its start failed and could not be undone: %s", definition->name,
                  error_text(status));
    }
}

int command_volume_start(struct command *command)
{
    struct volume_definition definition;
    const char *name = command_text(command, "volume");
    int status = command_load_volume(command, name, &definition);
    if (status) {
        return status;
    }
    bool was_started = definition.started;
    if (was_started && !command_flag(command, "force")) {
        return refuse(&command->why, -EALREADY, "volume %s is already started", name);
    }
    if (!was_started && bricks_have_processes(command->daemon, &definition)) {
        return refuse(&command->why, -EBUSY,
                      "bricks of volume %s have not ended since it was stopped; say volume stop %s "
                      "force first",
                      name, name);
    }
    if (!was_started) {
        status = bricks_assign_ports(command->daemon, &definition, &command->why);
        definition.started = true;
        status = status ? status : save_definition(command, &definition);
        if (status) {
            return status;
        }
    }
    uint64_t begin_ns = now_ns();
    uint64_t end_ns = begin_ns + START_MS_MAX * NS_PER_MS;
    status = start_bricks(command, &definition);
    status = status ? status : wait_for_view(command, &definition, end_ns);
    status = status ? status : wait_for_primary(command, &definition, end_ns);
    /* Bricks that served before a forced start go on, whatever it says. */
    if (status && status != -ECANCELED && !was_started) {
        start_undo(command, &definition);
    }
    if (status) {
        return status;
    }
    wait_for_late_bricks(command, &definition, begin_ns + START_WAIT_MS * NS_PER_MS);
    log_info("volume %s started", name);
    command_answer(command, "volume", json_string(name));
    return 0;
}

/* ---- stop ---------------------------------------------------------------------------------- */

int command_volume_stop(struct command *command)
{
    struct volume_definition definition;
    const char *name = command_text(command, "volume");
    int status = command_load_volume(command, name, &definition);
    if (status) {
        return status;
    }
    if (!definition.started && !command_flag(command, "force")) {
        return refuse(&command->why, -EALREADY, "volume %s is not started", name);
    }
    if (definition.started) {
        definition.started = false;
        status = save_definition(command, &definition);
        if (status) {
            return status;
        }
    }
    status = bricks_stop(command->daemon, &definition, &command->why);
    if (status) {
        return status;
    }
    log_info("volume %s stopped", name);
    command_answer(command, "volume", json_string(name));
    return 0;
}
