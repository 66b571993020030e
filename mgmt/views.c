/*
 * See views.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mgmt/views.h"

#include <stdio.h>
#include <string.h>

#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/base/text.h"

#define FORMAT 1

/* ---- the next view ------------------------------------------------------------------------- */

static void member_fill(const struct brick_definition *brick, const struct candidate *candidate,
                        struct view_member *out_member)
{
    *out_member = (struct view_member){
        .brick = brick->number,
        .state = MEMBER_IN_SYNC,
        .disk_id = brick->disk_id,
        .incarnation = candidate->incarnation,
        .port = candidate->port,
    };
    text_copy(out_member->host, sizeof(out_member->host), brick->host);
    text_copy(out_member->path, sizeof(out_member->path), brick->path);
}

/* The position of the member that leads from now on; all are registered. */
static uint32_t primary_choose(const struct view *current, const struct candidate *candidates,
                               uint32_t count)
{
    uint32_t best = current->number > 0 && current->primary < count ? current->primary : 0;
    for (uint32_t i = 0; i < count; i++) {
        if (candidates[i].last_index > candidates[best].last_index) {
            best = i;
        }
    }
    return best;
}

static bool primary_stays(const struct view *current, const struct candidate *candidates)
{
    const struct candidate *primary = &candidates[current->primary];
    return current->number > 0 && primary->is_registered &&
           primary->incarnation == current->members[current->primary].incarnation &&
           primary->port == current->members[current->primary].port;
}

static bool all_registered(const struct candidate *candidates, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!candidates[i].is_registered) {
            return false;
        }
    }
    return true;
}

static uint64_t longest_log(const struct view *current, const struct candidate *candidates,
                            uint32_t count)
{
    uint64_t longest = current->previous_end;
    for (uint32_t i = 0; i < count; i++) {
        if (candidates[i].is_registered && candidates[i].last_index > longest) {
            longest = candidates[i].last_index;
        }
    }
    return longest;
}

bool view_next(const struct volume_definition *definition, const struct view *current,
               const struct candidate *candidates, struct view *out_next)
{
    uint32_t count = definition->brick_count;
    bool stays = primary_stays(current, candidates);
    if (!stays && !all_registered(candidates, count)) {
        return false;
    }
    struct view next = *current;
    bool changed = !stays;
    next.member_count = count;
    for (uint32_t i = 0; i < count; i++) {
        const struct candidate *candidate = &candidates[i];
        const struct view_member *member = &current->members[i];
        if (candidate->is_registered && (!stays || candidate->incarnation != member->incarnation ||
                                         candidate->port != member->port)) {
            member_fill(&definition->bricks[i], candidate, &next.members[i]);
            changed = true;
        }
    }
    if (!changed) {
        return false;
    }
    next.number = current->number + 1;
    if (!stays) {
        next.primary = primary_choose(current, candidates, count);
    }
    if (current->number == 0) {
        next.volatile_epoch = 1;
    }
    next.previous_end = longest_log(current, candidates, count);
    POST(next.primary < next.member_count);
    *out_next = next;
    return true;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static const char *const member_state_names[] = {
    [MEMBER_AWAY] = "away",
    [MEMBER_IN_SYNC] = "in sync",
    [MEMBER_JOINING] = "joining",
};
#define MEMBER_STATE_COUNT (sizeof(member_state_names) / sizeof(member_state_names[0]))

static json_t *member_to_json(const struct view_member *member)
{
    return json_pack("{s:i, s:s, s:o, s:o, s:s, s:i, s:s}", "brick", (int)member->brick, "state",
                     member_state_names[member->state], "disk_id", json_from_u64(member->disk_id),
                     "incarnation", json_from_u64(member->incarnation), "host", member->host,
                     "port", (int)member->port, "path", member->path);
}

static json_t *view_to_json(const struct volume_definition *definition, const struct view *view)
{
    char id[VOLUME_ID_TEXT_SIZE];
    volume_id_to_text(&definition->id, id);
    json_t *members = json_array();
    for (uint32_t i = 0; i < view->member_count; i++) {
        json_array_append_new(members, member_to_json(&view->members[i]));
    }
    return json_pack("{s:i, s:s, s:i, s:I, s:i, s:I, s:I, s:o}", "format", FORMAT, "volume_id", id,
                     "set", (int)view->set, "number", (json_int_t)view->number, "primary",
                     (int)view->primary, "volatile_epoch", (json_int_t)view->volatile_epoch,
                     "previous_end", (json_int_t)view->previous_end, "members", members);
}

static int member_from_json(const json_t *json, struct view_member *out_member)
{
    const char *state = NULL;
    const char *host = NULL;
    const char *path = NULL;
    json_t *disk_id = NULL;
    json_t *incarnation = NULL;
    int brick = -1;
    int port = -1;
    if (json_unpack((json_t *)json, "{s:i, s:s, s:o, s:o, s:s, s:i, s:s}", "brick", &brick, "state",
                    &state, "disk_id", &disk_id, "incarnation", &incarnation, "host", &host, "port",
                    &port, "path", &path) ||
        brick < 0 || brick > UINT16_MAX || port < 0 || port > UINT16_MAX ||
        strlen(host) > HOST_SIZE_MAX || strlen(path) > PATH_SIZE_MAX) {
        return -E_CORRUPT;
    }
    struct view_member member = {.brick = (uint32_t)brick, .port = (uint32_t)port};
    while (member.state < MEMBER_STATE_COUNT && strcmp(member_state_names[member.state], state)) {
        member.state++;
    }
    if (member.state == MEMBER_STATE_COUNT || json_to_u64(disk_id, &member.disk_id) ||
        json_to_u64(incarnation, &member.incarnation)) {
        return -E_CORRUPT;
    }
    text_copy(member.host, sizeof(member.host), host);
    text_copy(member.path, sizeof(member.path), path);
    *out_member = member;
    return 0;
}

static int members_from_json(const json_t *members, struct view *view)
{
    size_t count = json_array_size(members);
    if (count > SET_MEMBERS_MAX) {
        return -E_CORRUPT;
    }
    for (size_t i = 0; i < count; i++) {
        int status = member_from_json(json_array_get(members, i), &view->members[i]);
        if (status) {
            return status;
        }
    }
    view->member_count = (uint32_t)count;
    return 0;
}

static bool view_is_valid(const struct view *view, const struct volume_definition *definition)
{
    return view->number > 0 && view->member_count == definition->brick_count &&
           view->primary < view->member_count &&
           view->members[view->primary].state == MEMBER_IN_SYNC;
}

/* *out_view is left alone if the record belongs to another volume of that name. */
static int view_from_json(const json_t *json, const struct volume_definition *definition,
                          struct view *out_view)
{
    const char *id = NULL;
    json_t *members = NULL;
    int format = 0;
    int set = -1;
    int primary = -1;
    json_int_t number = 0;
    json_int_t volatile_epoch = 0;
    json_int_t previous_end = 0;
    if (json_unpack((json_t *)json, "{s:i, s:s, s:i, s:I, s:i, s:I, s:I, s:o}", "format", &format,
                    "volume_id", &id, "set", &set, "number", &number, "primary", &primary,
                    "volatile_epoch", &volatile_epoch, "previous_end", &previous_end, "members",
                    &members) ||
        format != FORMAT || set < 0 || primary < 0 || number < 0 || volatile_epoch < 0 ||
        previous_end < 0) {
        return -E_CORRUPT;
    }
    struct volume_id volume;
    if (volume_id_from_text(id, &volume)) {
        return -E_CORRUPT;
    }
    if (memcmp(volume.bytes, definition->id.bytes, VOLUME_ID_SIZE) != 0) {
        return 0;
    }
    struct view view = {
        .set = (uint32_t)set,
        .number = (uint64_t)number,
        .primary = (uint32_t)primary,
        .volatile_epoch = (uint64_t)volatile_epoch,
        .previous_end = (uint64_t)previous_end,
    };
    if (members_from_json(members, &view) || !view_is_valid(&view, definition)) {
        return -E_CORRUPT;
    }
    *out_view = view;
    return 0;
}

/* ---- in the cluster store ------------------------------------------------------------------ */

static void view_key(const char *volume, uint32_t set, char out_key[STORE_KEY_MAX + 1])
{
    snprintf(out_key, STORE_KEY_MAX + 1, VIEW_KEY_PREFIX "%.*s/%u", VOLUME_NAME_MAX, volume,
             set & UINT16_MAX);
}

int view_key_parse(const char *key, char out_volume[VOLUME_NAME_MAX + 1], uint32_t *out_set)
{
    int end = 0;
    _Static_assert(VOLUME_NAME_MAX == 63, "the width below");
    if (sscanf(key, VIEW_KEY_PREFIX "%63[^/]/%5u%n", out_volume, out_set, &end) != 2 ||
        key[end] != '\0') {
        return -EINVAL;
    }
    return 0;
}

int view_load(struct cluster_store *store, const struct volume_definition *definition, uint32_t set,
              struct view *out_view, uint64_t *out_version)
{
    char key[STORE_KEY_MAX + 1];
    view_key(definition->name, set, key);
    struct view view = {.set = set};
    json_t *json = NULL;
    uint64_t version = 0;
    int status = json_load(store, key, &json, &version);
    if (status == 0) {
        status = view_from_json(json, definition, &view);
        json_decref(json);
    } else if (status == -ENOENT) {
        status = 0;
    }
    if (status == 0) {
        *out_view = view;
        *out_version = version;
    }
    return status;
}

int view_save(struct cluster_store *store, const struct volume_definition *definition,
              const struct view *view, uint64_t expected)
{
    PRE(view_is_valid(view, definition));
    char key[STORE_KEY_MAX + 1];
    view_key(definition->name, view->set, key);
    json_t *json = view_to_json(definition, view);
    int status = json_save(store, key, json, expected, NULL);
    json_decref(json);
    return status;
}

int view_delete(struct cluster_store *store, const char *volume, uint32_t set)
{
    char key[STORE_KEY_MAX + 1];
    view_key(volume, set, key);
    AUTO_FREE char *value = NULL;
    uint64_t version = 0;
    int status = cluster_store_get(store, key, &value, &version);
    if (status == 0) {
        status = cluster_store_delete_if_version(store, key, version);
    }
    return status == -ENOENT ? 0 : status;
}
