/*
 * volume set and volume get: the options of a volume. Today there is one, min-insync; a change
 * takes effect at once, since registered bricks are told.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "mgmt/command.h"
#include "mgmt/daemon.h"

#define OPTION_MIN_INSYNC "min-insync"

static int check_option(struct command *command, const char *option)
{
    if (strcmp(option, OPTION_MIN_INSYNC) != 0) {
        return refuse(&command->why, -EINVAL, "option \"%.200s\" is not known; there is %s", option,
                      OPTION_MIN_INSYNC);
    }
    return 0;
}

/* How many are in sync now. */
static unsigned count_in_sync(struct live *live, const struct volume_id *id)
{
    unsigned count = 0;
    AUTO_LOCK(&live->lock);
    const struct live_volume *volume = live_find_id(live, id);
    for (uint32_t i = 0; volume && i < volume->view.member_count; i++) {
        count += volume->view.members[i].state == MEMBER_IN_SYNC;
    }
    return count;
}

static int parse_min_insync(struct command *command, struct volume_definition *definition)
{
    const char *value = command_text(command, "value");
    char *end;
    long number = strtol(value, &end, 10);
    if (end == value || *end || number < 0 || number > UINT16_MAX) {
        return refuse(&command->why, -EINVAL, "%s needs a number from 1 to %u, not \"%.200s\"",
                      OPTION_MIN_INSYNC, definition->replica, value);
    }
    definition->min_insync = (uint32_t)number;
    return volume_definition_check(definition, &command->why);
}

int command_volume_set(struct command *command)
{
    struct volume_definition definition;
    const char *name = command_text(command, "volume");
    const char *option = command_text(command, "option");
    int status = command_load_volume(command, name, &definition);
    status = status ? status : check_option(command, option);
    status = status ? status : parse_min_insync(command, &definition);
    if (status) {
        return status;
    }
    status = volume_definition_save(command->daemon->store, &definition);
    if (status) {
        return refuse(&command->why, status, "volume %s could not be recorded in %.2000s/store: %s",
                      name, command->daemon->config.state_dir, error_text(status));
    }
    log_info("volume %s: %s is %u now", name, option, definition.min_insync);
    unsigned in_sync = count_in_sync(&command->daemon->live, &definition.id);
    if (definition.started && in_sync < definition.min_insync) {
        command_answer(command, "warning",
                       json_sprintf("%u bricks are in sync: volume %s waits until %u are", in_sync,
                                    name, definition.min_insync));
    }
    command_answer(command, "volume", json_string(name));
    return 0;
}

int command_volume_get(struct command *command)
{
    struct volume_definition definition;
    const char *option = command_text(command, "option");
    int status = command_load_volume(command, command_text(command, "volume"), &definition);
    if (status == 0 && option[0] && strcmp(option, "all") != 0) {
        status = check_option(command, option);
    }
    if (status) {
        return status;
    }
    command_answer(command, "options",
                   json_pack("{s:i}", OPTION_MIN_INSYNC, (int)definition.min_insync));
    return 0;
}
