/*
 * trivet volume: create, start, stop, delete, set, get, list, info, status, in the words of
 * GlusterFS's users.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/cmd.h"

const char cmd_volume_usage[] =
    "usage: trivet volume create NAME replica 3 HOST:/path HOST:/path HOST:/path [force]\n"
    "       trivet volume start NAME [force]\n"
    "       trivet volume stop NAME [force]\n"
    "       trivet volume delete NAME\n"
    "       trivet volume set NAME min-insync N\n"
    "       trivet volume get NAME [min-insync]\n"
    "       trivet volume list\n"
    "       trivet volume info [NAME|all]\n"
    "       trivet volume status [NAME|all] [detail]\n";

/* What went well, but not quite. */
static void print_warning(const json_t *answer)
{
    const char *warning = cmd_text(answer, "warning");
    if (warning[0]) {
        fprintf(stderr, "warning: %s\n", warning);
    }
}

/* ---- create -------------------------------------------------------------------------------- */

static bool parse_count(const char *text, long *out_count)
{
    char *end;
    long count = text ? strtol(text, &end, 10) : 0;
    if (!text || end == text || *end || count < 1 || count > 1000) {
        return false;
    }
    *out_count = count;
    return true;
}

/* Collect the words behind the name. */
static int create_parse(const struct cmd *cmd, json_t *request)
{
    json_t *bricks = json_array();
    json_object_set_new(request, "bricks", bricks);
    long replica = 0;
    for (int i = 2; i < cmd->count; i++) {
        const char *word = cmd->words[i];
        const char *next = i + 1 < cmd->count ? cmd->words[i + 1] : NULL;
        if (strcmp(word, "replica") == 0) {
            if (!parse_count(next, &replica)) {
                return cmd_usage_error(cmd, "replica needs a number: replica 3");
            }
            i++;
        } else if (strcmp(word, "transport") == 0) {
            if (!next || strcmp(next, "tcp") != 0) {
                return cmd_usage_error(cmd, "the transport is always tcp");
            }
            i++;
        } else if (strcmp(word, "force") == 0) {
            json_object_set_new(request, "force", json_true());
        } else if (strchr(word, ':')) {
            json_t *brick = json_string(word);
            if (!brick) {
                return cmd_usage_error(cmd, "a brick's path must be UTF-8: %s", word);
            }
            json_array_append_new(bricks, brick);
        } else {
            return cmd_usage_error(
                cmd, "%s is neither a brick (HOST:/path) nor a word that is known", word);
        }
    }
    if (replica == 0) {
        return cmd_usage_error(cmd, "say how many copies to keep: replica 3");
    }
    json_object_set_new(request, "replica", json_integer(replica));
    return 0;
}

static int volume_create(struct cmd *cmd)
{
    const char *name = cmd->words[1];
    json_t *request = cmd_request(cmd, "create", name);
    int status = create_parse(cmd, request);
    if (status) {
        json_decref(request);
        return status;
    }
    json_t *answer;
    status = cmd_call(cmd, request, &answer);
    if (answer) {
        print_warning(answer);
        printf("volume create: %s: success: please start the volume to access data\n", name);
    }
    json_decref(answer);
    return status;
}

/* ---- start, stop, delete ------------------------------------------------------------------- */

static int volume_change(struct cmd *cmd, const char *verb, bool may_force)
{
    const char *name = cmd->words[1];
    json_t *request = cmd_request(cmd, verb, name);
    if (cmd->count == 3 && may_force && strcmp(cmd->words[2], "force") == 0) {
        json_object_set_new(request, "force", json_true());
    } else if (cmd->count > 2) {
        json_decref(request);
        return cmd_usage_error(cmd, "%s is not known here", cmd->words[2]);
    }
    json_t *answer;
    int status = cmd_call(cmd, request, &answer);
    if (answer) {
        print_warning(answer);
        printf("volume %s: %s: success\n", verb, name);
    }
    if (answer && strcmp(verb, "delete") == 0) {
        puts("The files of its bricks are left in place, and .trivet in them:");
        size_t i;
        json_t *brick;
        json_array_foreach(json_object_get(answer, "bricks"), i, brick)
        {
            printf("  %s\n", json_string_value(brick));
        }
        puts("To use such a directory for another volume, remove .trivet and what else is in it.");
    }
    json_decref(answer);
    return status;
}

static int volume_start(struct cmd *cmd)
{
    return volume_change(cmd, "start", true);
}

static int volume_stop(struct cmd *cmd)
{
    return volume_change(cmd, "stop", true);
}

static int volume_delete(struct cmd *cmd)
{
    return volume_change(cmd, "delete", false);
}

/* ---- options ------------------------------------------------------------------------------- */

static int volume_set(struct cmd *cmd)
{
    if (cmd->count != 4) {
        return cmd_usage_error(cmd, "volume set needs a volume, an option and its value");
    }
    json_t *request = cmd_request(cmd, "set", cmd->words[1]);
    /* NULL for what is not UTF-8, which is missing then, and refused. */
    json_object_set_new(request, "option", json_string(cmd->words[2]));
    json_object_set_new(request, "value", json_string(cmd->words[3]));
    json_t *answer;
    int status = cmd_call(cmd, request, &answer);
    if (answer) {
        print_warning(answer);
        printf("volume set: %s: success\n", cmd->words[1]);
    }
    json_decref(answer);
    return status;
}

static int volume_get(struct cmd *cmd)
{
    if (cmd->count > 3) {
        return cmd_usage_error(cmd, "%s is not known here", cmd->words[3]);
    }
    json_t *request = cmd_request(cmd, "get", cmd->words[1]);
    if (cmd->count == 3) {
        json_object_set_new(request, "option", json_string(cmd->words[2]));
    }
    json_t *answer;
    int status = cmd_call(cmd, request, &answer);
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(answer, "options"), name, value)
    {
        printf("%s: %lld\n", name, (long long)json_integer_value(value));
    }
    json_decref(answer);
    return status;
}

/* ---- list and info ------------------------------------------------------------------------- */

static int volume_list(struct cmd *cmd)
{
    json_t *answer;
    int status = cmd_call(cmd, cmd_request(cmd, "list", NULL), &answer);
    json_t *volumes = json_object_get(answer, "volumes");
    size_t i;
    json_t *volume;
    json_array_foreach(volumes, i, volume)
    {
        puts(json_string_value(volume));
    }
    if (answer && json_array_size(volumes) == 0) {
        puts("No volumes present in cluster");
    }
    json_decref(answer);
    return status;
}

static void print_info(const json_t *volume)
{
    json_t *bricks = json_object_get(volume, "bricks");
    long long replica = cmd_number(volume, "replica");
    long long count = (long long)json_array_size(bricks);
    printf("\nVolume Name: %s\n", cmd_text(volume, "name"));
    printf("Type: %s\n", cmd_text(volume, "type"));
    printf("Volume ID: %s\n", cmd_text(volume, "id"));
    printf("Status: %s\n", cmd_text(volume, "status"));
    printf("Number of Bricks: %lld x %lld = %lld\n", replica ? count / replica : 0, replica, count);
    printf("Transport-type: %s\n", cmd_text(volume, "transport"));
    puts("Bricks:");
    size_t i;
    json_t *brick;
    json_array_foreach(bricks, i, brick)
    {
        printf("Brick%zu: %s:%s\n", i + 1, cmd_text(brick, "host"), cmd_text(brick, "path"));
    }
    puts("Options:");
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(volume, "options"), name, value)
    {
        printf("%s: %lld\n", name, (long long)json_integer_value(value));
    }
}

/* The volume that info or status asks for; "all" and nothing are all. */
static json_t *show_request(const struct cmd *cmd, const char *verb)
{
    return cmd_request(cmd, verb, cmd->count > 1 ? cmd->words[1] : NULL);
}

static int volume_info(struct cmd *cmd)
{
    if (cmd->count > 2) {
        return cmd_usage_error(cmd, "%s is not known here", cmd->words[2]);
    }
    json_t *answer;
    int status = cmd_call(cmd, show_request(cmd, "info"), &answer);
    json_t *volumes = json_object_get(answer, "volumes");
    size_t i;
    json_t *volume;
    json_array_foreach(volumes, i, volume)
    {
        print_info(volume);
    }
    if (answer && json_array_size(volumes) == 0) {
        puts("No volumes present in cluster");
    }
    json_decref(answer);
    return status;
}

/* ---- status -------------------------------------------------------------------------------- */

static const char *const status_titles[] = {"Trivet process", "TCP Port", "Online",   "Pid",
                                            "Role",           "In Sync",  "Behind",   "Contact",
                                            "Restarts",       "Clients",  "Disk Free"};
#define STATUS_COLUMNS (sizeof(status_titles) / sizeof(status_titles[0]))

/* A number that an absent brick does not have. */
static void add_number(struct cmd_table *table, const json_t *brick, const char *name)
{
    const json_t *number = json_object_get(brick, name);
    if (json_is_integer(number)) {
        cmd_table_add(table, "%lld", (long long)json_integer_value(number));
    } else {
        cmd_table_add(table, "N/A");
    }
}

static void add_flag(struct cmd_table *table, const json_t *brick, const char *name)
{
    const json_t *flag = json_object_get(brick, name);
    cmd_table_add(table, "%s", json_is_true(flag) ? "Y" : json_is_false(flag) ? "N" : "N/A");
}

static void add_brick(struct cmd_table *table, const json_t *brick)
{
    bool is_online = json_is_true(json_object_get(brick, "online"));
    long long pid = cmd_number(brick, "pid");
    char free_text[SIZE_TEXT_SIZE];
    cmd_table_add(table, "Brick %s:%s", cmd_text(brick, "host"), cmd_text(brick, "path"));
    add_number(table, brick, "port");
    add_flag(table, brick, "online");
    cmd_table_add(table, pid ? "%lld" : "N/A", pid);
    cmd_table_add(table, "%s", cmd_text(brick, "role"));
    add_flag(table, brick, "in_sync");
    add_number(table, brick, "behind");
    add_flag(table, brick, "contact");
    add_number(table, brick, "restarts");
    add_number(table, brick, "clients");
    cmd_table_add(table, "%s",
                  is_online ? cmd_size_text(cmd_number(brick, "disk_free"), free_text) : "N/A");
}

static void print_detail(const json_t *brick)
{
    char text[SIZE_TEXT_SIZE];
    printf("\nBrick                : %s:%s\n", cmd_text(brick, "host"), cmd_text(brick, "path"));
    printf("Disk Space Free      : %s\n", cmd_size_text(cmd_number(brick, "disk_free"), text));
    printf("Total Disk Space     : %s\n", cmd_size_text(cmd_number(brick, "disk_total"), text));
    printf("View                 : %lld\n", cmd_number(brick, "view"));
    printf("Last Index           : %lld\n", cmd_number(brick, "last_index"));
    printf("Committed            : %lld\n", cmd_number(brick, "committed"));
    printf("Operations           : %lld\n", cmd_number(brick, "operations"));
    printf("Bytes Read           : %s\n", cmd_size_text(cmd_number(brick, "bytes_read"), text));
    printf("Bytes Written        : %s\n", cmd_size_text(cmd_number(brick, "bytes_written"), text));
    printf("Restarts             : %lld, and %lld to begin anew after a removal\n",
           cmd_number(brick, "restarts"), cmd_number(brick, "reentries"));
    if (cmd_text(brick, "last_end")[0]) {
        printf("Last End             : %s\n", cmd_text(brick, "last_end"));
    }
}

static void print_view(const json_t *volume)
{
    printf("View: %lld", cmd_number(volume, "view"));
    if (cmd_text(volume, "since")[0]) {
        printf(" since %s: %s", cmd_text(volume, "since"), cmd_text(volume, "why"));
    }
    printf("\nIn sync: %lld of %zu, at least %lld needed\n", cmd_number(volume, "in_sync"),
           json_array_size(json_object_get(volume, "bricks")), cmd_number(volume, "min_insync"));
    size_t i;
    json_t *problem;
    json_array_foreach(json_object_get(volume, "problems"), i, problem)
    {
        printf("Attention: %s\n", json_string_value(problem));
    }
}

static void print_status(const json_t *volume, bool detail)
{
    const char *state = cmd_text(volume, "status");
    if (strcmp(state, "Started") != 0) {
        printf("Volume %s is not started\n", cmd_text(volume, "name"));
        return;
    }
    printf("Status of volume: %s\n", cmd_text(volume, "name"));
    print_view(volume);
    struct cmd_table table;
    cmd_table_begin(&table, STATUS_COLUMNS, status_titles);
    size_t i;
    json_t *brick;
    json_t *bricks = json_object_get(volume, "bricks");
    json_array_foreach(bricks, i, brick)
    {
        add_brick(&table, brick);
    }
    cmd_table_end(&table);
    json_array_foreach(bricks, i, brick)
    {
        if (detail) {
            print_detail(brick);
        }
    }
    putchar('\n');
}

static int volume_status(struct cmd *cmd)
{
    bool detail = cmd->count > 1 && strcmp(cmd->words[cmd->count - 1], "detail") == 0;
    if (detail) {
        cmd->count--;
    }
    if (cmd->count > 2) {
        return cmd_usage_error(cmd, "%s is not known here", cmd->words[2]);
    }
    json_t *answer;
    int status = cmd_call(cmd, show_request(cmd, "status"), &answer);
    json_t *volumes = json_object_get(answer, "volumes");
    size_t i;
    json_t *volume;
    json_array_foreach(volumes, i, volume)
    {
        print_status(volume, detail);
    }
    if (answer && json_array_size(volumes) == 0) {
        puts("No volumes present");
    }
    json_decref(answer);
    return status;
}

/* ---- verbs --------------------------------------------------------------------------------- */

static const struct {
    const char *verb;
    cmd_function *run;
    bool needs_name;
} verbs[] = {
    {"create", volume_create, true},  {"start", volume_start, true},
    {"stop", volume_stop, true},      {"delete", volume_delete, true},
    {"set", volume_set, true},        {"get", volume_get, true},
    {"list", volume_list, false},     {"info", volume_info, false},
    {"status", volume_status, false},
};

int cmd_volume(struct cmd *cmd)
{
    const char *verb = cmd->count > 0 ? cmd->words[0] : "";
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verb, verbs[i].verb) != 0) {
            continue;
        }
        if (verbs[i].needs_name && cmd->count < 2) {
            return cmd_usage_error(cmd, "volume %s needs the name of a volume", verb);
        }
        return verbs[i].run(cmd);
    }
    return verb[0] ? cmd_usage_error(cmd, "volume %s is not known", verb)
                   : cmd_usage_error(cmd, "say what to do with volumes");
}
