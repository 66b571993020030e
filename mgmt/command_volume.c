/*
 * volume create and volume delete.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/random.h"
#include "backend/base/scope.h"
#include "backend/base/text.h"
#include "mgmt/bricks.h"
#include "mgmt/command.h"
#include "mgmt/daemon.h"
#include "mgmt/members.h"

/* ---- create -------------------------------------------------------------------------------- */

static int request_parse_bricks(struct command *command, struct volume_definition *definition)
{
    json_t *bricks = json_object_get(command->request, "bricks");
    size_t count = json_array_size(bricks);
    definition->brick_count = (uint32_t)(count > UINT16_MAX ? UINT16_MAX : count);
    for (size_t i = 0; i < count && i < SET_MEMBERS_MAX; i++) {
        const char *text = json_string_value(json_array_get(bricks, i));
        int status = brick_parse(text ? text : "", &definition->bricks[i], &command->why);
        if (status) {
            return status;
        }
        definition->bricks[i].number = (uint32_t)i;
        definition->bricks[i].disk_id = random_id();
    }
    return 0;
}

static int request_parse(struct command *command, struct volume_definition *out_definition)
{
    struct volume_definition definition = {.min_insync = MIN_INSYNC_DEFAULT};
    const char *name = command_text(command, "volume");
    int status = volume_name_check(name, &command->why);
    if (status) {
        return status;
    }
    text_copy(definition.name, sizeof(definition.name), name);
    json_int_t replica = json_integer_value(json_object_get(command->request, "replica"));
    definition.replica = replica < 0 || replica > UINT16_MAX ? 0 : (uint32_t)replica;
    random_bytes(definition.id.bytes, VOLUME_ID_SIZE);
    random_bytes(definition.handle_key, VOLUME_KEY_SIZE);
    /* The version and variant bits of a random UUID (RFC 4122 section 4.4). */
    definition.id.bytes[6] = (uint8_t)((definition.id.bytes[6] & 0x0f) | 0x40);
    definition.id.bytes[8] = (uint8_t)((definition.id.bytes[8] & 0x3f) | 0x80);
    status = request_parse_bricks(command, &definition);
    if (status == 0) {
        status = volume_definition_check(&definition, &command->why);
    }
    if (status == 0) {
        *out_definition = definition;
    }
    return status;
}

/* Nothing that exists may be in the way. */
static int check_existing(struct command *command, const struct volume_definition *definition)
{
    struct live *live = &command->daemon->live;
    AUTO_LOCK(&live->lock);
    if (live_find(live, definition->name)) {
        return refuse(&command->why, -EEXIST,
                      "volume %s already exists; choose another name, or delete it first",
                      definition->name);
    }
    if (live->volume_count >= VOLUMES_MAX) {
        return refuse(&command->why, -ENOSPC, "there are %d volumes, which is the most; delete one",
                      VOLUMES_MAX);
    }
    for (struct live_volume *volume = live->volumes; volume; volume = volume->next) {
        int status = volume_definitions_compare(definition, &volume->definition, &command->why);
        if (status) {
            return status;
        }
    }
    return 0;
}

static int check_hosts(struct command *command, const struct volume_definition *definition)
{
    for (uint32_t i = 0; i < definition->brick_count; i++) {
        int status = member_check_host(definition->bricks[i].host, &command->why);
        if (status) {
            return status;
        }
    }
    return 0;
}

/*
 * GlusterFS refuses several copies on one machine unless told to force it, because elsewhere it
 * could do better. A cluster of one machine cannot: then it is said, and goes on. With more
 * machines it is refused here too.
 */
static int check_spread(struct command *command, const struct volume_definition *definition)
{
    if (member_count() > 1 && !command_flag(command, "force")) {
        return refuse(&command->why, -EINVAL,
                      "several bricks of volume %s are on one machine, and would be lost together; "
                      "choose bricks on different machines, or say force",
                      definition->name);
    }
    command_answer(
        command, "warning",
        json_string("all copies are on this machine: they survive the loss of disks, not "
                    "of the machine"));
    return 0;
}

static void unformat_bricks(struct command *command, const struct volume_definition *definition,
                            uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        brick_unformat(command->daemon, definition, i);
    }
}

static int format_bricks(struct command *command, const struct volume_definition *definition)
{
    bool force = command_flag(command, "force");
    for (uint32_t i = 0; i < definition->brick_count; i++) {
        int status = brick_format(command->daemon, definition, i, force, &command->why);
        if (status) {
            unformat_bricks(command, definition, i);
            return status;
        }
    }
    return 0;
}

int command_volume_create(struct command *command)
{
    struct volume_definition definition;
    int status = request_parse(command, &definition);
    status = status ? status : check_existing(command, &definition);
    status = status ? status : check_hosts(command, &definition);
    status = status ? status : check_spread(command, &definition);
    status = status ? status : format_bricks(command, &definition);
    if (status) {
        return status;
    }
    struct cluster_store *store = command->daemon->store;
    /* What a deletion that was cut short may have left. */
    status = view_delete(store, definition.name, 0);
    status = status ? status : volume_definition_save(store, &definition);
    if (status) {
        unformat_bricks(command, &definition, definition.brick_count);
        return refuse(&command->why, status, "volume %s could not be recorded in %.2000s/store: %s",
                      definition.name, command->daemon->config.state_dir, error_text(status));
    }
    log_info("volume %s created", definition.name);
    char id[VOLUME_ID_TEXT_SIZE];
    volume_id_to_text(&definition.id, id);
    command_answer(command, "volume", json_string(definition.name));
    command_answer(command, "id", json_string(id));
    return 0;
}

/* ---- delete -------------------------------------------------------------------------------- */

static json_t *brick_names(const struct volume_definition *definition)
{
    json_t *names = json_array();
    for (uint32_t i = 0; i < definition->brick_count; i++) {
        const struct brick_definition *brick = &definition->bricks[i];
        json_array_append_new(names, json_sprintf("%s:%s", brick->host, brick->path));
    }
    return names;
}

int command_volume_delete(struct command *command)
{
    const char *name = command_text(command, "volume");
    struct cluster_store *store = command->daemon->store;
    struct volume_definition definition;
    int status = command_load_volume(command, name, &definition);
    if (status) {
        return status;
    }
    if (definition.started || bricks_have_processes(command->daemon, &definition)) {
        return refuse(&command->why, -EBUSY,
                      "volume %s is started; stop it first: trivet volume stop %s", name, name);
    }
    char key[STORE_KEY_MAX + 1];
    snprintf(key, sizeof(key), VOLUME_KEY_PREFIX "%s", definition.name);
    status = cluster_store_delete_if_version(store, key, definition.version);
    if (status) {
        return refuse(&command->why, status,
                      "volume %s could not be deleted from %.2000s/store: %s", name,
                      command->daemon->config.state_dir, error_text(status));
    }
    status = view_delete(store, definition.name, 0);
    if (status) {
        /* A view without its volume does no harm; creating the name again removes it. */
        log_warn("volume %s: its view stays in the store: %s", name, error_text(status));
    }
    log_info("volume %s deleted", name);
    command_answer(command, "volume", json_string(definition.name));
    command_answer(command, "bricks", brick_names(&definition));
    return 0;
}

/* ---- for all commands ---------------------------------------------------------------------- */

int command_load_volume(struct command *command, const char *name,
                        struct volume_definition *out_definition)
{
    if (name[0] == '\0') {
        return refuse(&command->why, -EINVAL, "name a volume");
    }
    struct live *live = &command->daemon->live;
    AUTO_LOCK(&live->lock);
    const struct live_volume *volume = live_find(live, name);
    if (!volume) {
        return refuse(&command->why, -E_UNKNOWN_VOLUME,
                      "volume %.200s does not exist; \"trivet volume list\" shows those that do",
                      name);
    }
    *out_definition = volume->definition;
    return 0;
}
