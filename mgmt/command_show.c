/*
 * volume list and volume info; volume status is in command_status.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "mgmt/command.h"
#include "mgmt/daemon.h"

/* ---- which volumes ------------------------------------------------------------------------- */

static int name_compare(const void *a, const void *b)
{
    const struct live_volume *const *one = a;
    const struct live_volume *const *other = b;
    return strcmp((*one)->definition.name, (*other)->definition.name);
}

/* The ids of the named volume, or of all, sorted by name, if the command names none. */
static int select_volumes(struct command *command, struct volume_id out_ids[VOLUMES_MAX],
                          size_t *out_count)
{
    const char *name = command_text(command, "volume");
    if (name[0] && strcmp(name, "all") != 0) {
        struct volume_definition definition;
        int status = command_load_volume(command, name, &definition);
        if (status == 0) {
            out_ids[0] = definition.id;
            *out_count = 1;
        }
        return status;
    }
    const struct live_volume *volumes[VOLUMES_MAX];
    size_t count = 0;
    AUTO_LOCK(&command->daemon->live.lock);
    for (struct live_volume *volume = command->daemon->live.volumes; volume;
         volume = volume->next) {
        volumes[count++] = volume;
    }
    if (count > 0) {
        qsort(volumes, count, sizeof(volumes[0]), name_compare);
    }
    for (size_t i = 0; i < count; i++) {
        out_ids[i] = volumes[i]->definition.id;
    }
    *out_count = count;
    return 0;
}

/* Makes what is said of one volume; NULL if it went meanwhile. */
typedef json_t *describe_volume(struct daemon *daemon, const struct volume_id *id);

static int show(struct command *command, describe_volume *describe)
{
    struct volume_id ids[VOLUMES_MAX];
    size_t count;
    int status = select_volumes(command, ids, &count);
    if (status) {
        return status;
    }
    json_t *volumes = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *volume = describe(command->daemon, &ids[i]);
        if (volume) {
            json_array_append_new(volumes, volume);
        }
    }
    command_answer(command, "volumes", volumes);
    return 0;
}

/* ---- list and info ------------------------------------------------------------------------- */

static json_t *describe_name(struct daemon *daemon, const struct volume_id *id)
{
    AUTO_LOCK(&daemon->live.lock);
    const struct live_volume *volume = live_find_id(&daemon->live, id);
    return volume ? json_string(volume->definition.name) : NULL;
}

int command_volume_list(struct command *command)
{
    return show(command, describe_name);
}

const char *volume_state(const struct live_volume *volume)
{
    if (volume->definition.started) {
        return "Started";
    }
    return volume->view.number > 0 ? "Stopped" : "Created";
}

static json_t *info_bricks(const struct volume_definition *definition)
{
    json_t *bricks = json_array();
    for (uint32_t i = 0; i < definition->brick_count; i++) {
        const struct brick_definition *brick = &definition->bricks[i];
        json_array_append_new(bricks, json_pack("{s:i, s:s, s:s, s:i, s:o}", "number",
                                                (int)brick->number, "host", brick->host, "path",
                                                brick->path, "port", (int)brick->port, "disk_id",
                                                json_from_u64(brick->disk_id)));
    }
    return bricks;
}

static json_t *describe_info(struct daemon *daemon, const struct volume_id *id)
{
    AUTO_LOCK(&daemon->live.lock);
    const struct live_volume *volume = live_find_id(&daemon->live, id);
    if (!volume) {
        return NULL;
    }
    const struct volume_definition *definition = &volume->definition;
    char text[VOLUME_ID_TEXT_SIZE];
    volume_id_to_text(&definition->id, text);
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:I, s:{s:i}, s:o}", "name", definition->name,
                     "type", "Replicate", "id", text, "status", volume_state(volume), "replica",
                     (int)definition->replica, "transport", "tcp", "view",
                     (json_int_t)volume->view.number, "options", "min-insync",
                     (int)definition->min_insync, "bricks", info_bricks(definition));
}

int command_volume_info(struct command *command)
{
    return show(command, describe_info);
}

/* ---- status -------------------------------------------------------------------------------- */

int command_volume_status(struct command *command)
{
    return show(command, describe_status);
}
