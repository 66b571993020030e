/*
 * See views.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mgmt/views.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backend/base/check.h"
#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/base/text.h"

#define FORMAT 1

/* ---- the first view ------------------------------------------------------------------------ */

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

bool view_first(const struct volume_definition *definition, const struct candidate *candidates,
                struct view *out_view)
{
    struct view view = {.number = 1, .volatile_epoch = 1, .member_count = definition->brick_count};
    for (uint32_t i = 0; i < definition->brick_count; i++) {
        const struct candidate *candidate = &candidates[i];
        if (!candidate->is_registered) {
            return false;
        }
        member_fill(&definition->bricks[i], candidate, &view.members[i]);
        if (candidate->last_index > candidates[view.primary].last_index) {
            view.primary = i;
        }
    }
    view.previous_end = candidates[view.primary].last_index;
    *out_view = view;
    return true;
}

/* ---- later views --------------------------------------------------------------------------- */

static uint32_t in_sync_count(const struct view *view)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < view->member_count; i++) {
        count += view->members[i].state == MEMBER_IN_SYNC;
    }
    return count;
}

/* Whether member is a possible entry for that brick. */
static bool member_is_plausible(const struct view_member *member,
                                const struct brick_definition *brick)
{
    bool is_brick = member->brick == brick->number && member->disk_id == brick->disk_id &&
                    strcmp(member->host, brick->host) == 0 &&
                    strcmp(member->path, brick->path) == 0;
    if (!is_brick || member->port > UINT16_MAX) {
        return false;
    }
    if (member->state == MEMBER_IN_SYNC) {
        return member->incarnation != 0 && member->port != 0;
    }
    return member->state == MEMBER_AWAY;
}

static bool members_are_equal(const struct view *one, const struct view *other)
{
    for (uint32_t i = 0; i < one->member_count; i++) {
        const struct view_member *a = &one->members[i];
        const struct view_member *b = &other->members[i];
        if (a->state != b->state || a->incarnation != b->incarnation || a->port != b->port) {
            return false;
        }
    }
    return true;
}

/* Only the renewals: the same view otherwise. */
static const char *check_renewal(const struct view *current, const struct view *next)
{
    bool is_same = next->renewals == current->renewals + 1 && next->primary == current->primary &&
                   next->volatile_epoch == current->volatile_epoch &&
                   next->previous_end == current->previous_end && members_are_equal(next, current);
    return is_same ? NULL : "it has the number of the present view and differs from it";
}

static const char *check_membership(const struct volume_definition *definition,
                                    const struct view *current, const struct view *next)
{
    uint32_t count = in_sync_count(next);
    if (next->primary >= next->member_count ||
        next->members[next->primary].state != MEMBER_IN_SYNC) {
        return "its primary is not in sync";
    }
    if (current->members[next->primary].state != MEMBER_IN_SYNC) {
        return "its primary was not in sync before";
    }
    if (count < definition->min_insync && count < in_sync_count(current)) {
        return "fewer than min-insync would be in sync";
    }
    if (next->volatile_epoch < current->volatile_epoch || next->volatile_epoch > INT64_MAX ||
        next->previous_end > INT64_MAX || next->renewals > INT64_MAX) {
        return "its epoch, end or renewals are not possible";
    }
    return NULL;
}

const char *view_check_successor(const struct volume_definition *definition,
                                 const struct view *current, const struct view *next,
                                 uint32_t proposer, uint64_t incarnation)
{
    if (current->number == 0 || next->set != current->set ||
        next->member_count != definition->brick_count) {
        return "it is not of this set";
    }
    for (uint32_t i = 0; i < next->member_count; i++) {
        if (!member_is_plausible(&next->members[i], &definition->bricks[i])) {
            return "it does not list the volume's bricks as they are defined";
        }
    }
    if (proposer >= next->member_count || current->members[proposer].state != MEMBER_IN_SYNC ||
        next->members[proposer].state != MEMBER_IN_SYNC ||
        next->members[proposer].incarnation != incarnation) {
        return "who proposes it is not in sync, before or after";
    }
    if (next->number == current->number) {
        return check_renewal(current, next);
    }
    if (next->number != current->number + 1) {
        return "its number does not follow";
    }
    return check_membership(definition, current, next);
}

/* ---- in words ------------------------------------------------------------------------------ */

struct words {
    char *text;
    size_t size;
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void words_add(struct words *words, const char *format,
                                                            ...)
{
    if (words->used > 0) {
        text_copy(words->text + words->used, words->size - words->used, ", ");
        words->used += 2;
    }
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(words->text + words->used, words->size - words->used, format, arguments);
    va_end(arguments);
    INVARIANT(size >= 0 && (size_t)size < words->size - words->used); /* VIEW_WHY_SIZE */
    words->used += (size_t)size;
}

void view_describe_change(const char *volume, const struct view *from, const struct view *to,
                          char out_why[VIEW_WHY_SIZE])
{
    struct words words = {.text = out_why, .size = VIEW_WHY_SIZE};
    out_why[0] = '\0';
    if (from->number == 0) {
        words_add(&words, "brick %s-%u leads the first view", volume, to->primary);
        return;
    }
    if (from->primary != to->primary) {
        words_add(&words, "brick %s-%u leads in place of %s-%u", volume, to->primary, volume,
                  from->primary);
    }
    for (uint32_t i = 0; i < to->member_count; i++) {
        const struct view_member *before = &from->members[i];
        const struct view_member *after = &to->members[i];
        if (before->state == MEMBER_IN_SYNC && after->state != MEMBER_IN_SYNC) {
            words_add(&words, "brick %s-%u removed", volume, i);
        } else if (before->state != MEMBER_IN_SYNC && after->state == MEMBER_IN_SYNC) {
            words_add(&words, "brick %s-%u in sync again", volume, i);
        } else if (after->state == MEMBER_IN_SYNC && before->incarnation != after->incarnation) {
            words_add(&words, "brick %s-%u entered anew", volume, i);
        }
    }
    if (words.used == 0) {
        words_add(&words,
                  from->number == to->number ? "renewed by brick %s-%u"
                                             : "brick %s-%u leads as before",
                  volume, to->primary);
    }
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

static json_t *view_to_json(const struct volume_definition *definition, const struct view *view,
                            const struct view_change *change)
{
    char id[VOLUME_ID_TEXT_SIZE];
    volume_id_to_text(&definition->id, id);
    json_t *members = json_array();
    for (uint32_t i = 0; i < view->member_count; i++) {
        json_array_append_new(members, member_to_json(&view->members[i]));
    }
    return json_pack("{s:i, s:s, s:i, s:I, s:I, s:i, s:I, s:I, s:I, s:s, s:o}", "format", FORMAT,
                     "volume_id", id, "set", (int)view->set, "number", (json_int_t)view->number,
                     "renewals", (json_int_t)view->renewals, "primary", (int)view->primary,
                     "volatile_epoch", (json_int_t)view->volatile_epoch, "previous_end",
                     (json_int_t)view->previous_end, "since_ms", (json_int_t)change->since_ms,
                     "why", change->why, "members", members);
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

/* The numbers and the word of a record; *out_members is borrowed from json. */
static int record_from_json(const json_t *json, struct volume_id *out_volume, struct view *out_view,
                            struct view_change *out_change, json_t **out_members)
{
    const char *id = NULL;
    const char *why = "";
    int format = 0;
    int set = -1;
    int primary = -1;
    json_int_t number = 0;
    json_int_t renewals = 0;
    json_int_t volatile_epoch = 0;
    json_int_t previous_end = 0;
    json_int_t since_ms = 0;
    if (json_unpack((json_t *)json, "{s:i, s:s, s:i, s:I, s?I, s:i, s:I, s:I, s?I, s?s, s:o}",
                    "format", &format, "volume_id", &id, "set", &set, "number", &number, "renewals",
                    &renewals, "primary", &primary, "volatile_epoch", &volatile_epoch,
                    "previous_end", &previous_end, "since_ms", &since_ms, "why", &why, "members",
                    out_members) ||
        format != FORMAT || set < 0 || primary < 0 || number < 0 || renewals < 0 ||
        volatile_epoch < 0 || previous_end < 0 || since_ms < 0 || strlen(why) >= VIEW_WHY_SIZE ||
        volume_id_from_text(id, out_volume)) {
        return -E_CORRUPT;
    }
    *out_view = (struct view){
        .set = (uint32_t)set,
        .number = (uint64_t)number,
        .renewals = (uint64_t)renewals,
        .primary = (uint32_t)primary,
        .volatile_epoch = (uint64_t)volatile_epoch,
        .previous_end = (uint64_t)previous_end,
    };
    *out_change = (struct view_change){.since_ms = (uint64_t)since_ms};
    text_copy(out_change->why, sizeof(out_change->why), why);
    return 0;
}

/* What is written is left alone if the record belongs to another volume of that name. */
static int view_from_json(const json_t *json, const struct volume_definition *definition,
                          struct view *out_view, struct view_change *out_change)
{
    struct volume_id volume;
    struct view view;
    struct view_change change;
    json_t *members = NULL;
    int status = record_from_json(json, &volume, &view, &change, &members);
    if (status) {
        return status;
    }
    if (memcmp(volume.bytes, definition->id.bytes, VOLUME_ID_SIZE) != 0) {
        return 0;
    }
    if (members_from_json(members, &view) || !view_is_valid(&view, definition)) {
        return -E_CORRUPT;
    }
    *out_view = view;
    *out_change = change;
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
              struct view *out_view, struct view_change *out_change, uint64_t *out_version)
{
    char key[STORE_KEY_MAX + 1];
    view_key(definition->name, set, key);
    struct view view = {.set = set};
    struct view_change change = {.since_ms = 0};
    json_t *json = NULL;
    uint64_t version = 0;
    int status = json_load(store, key, &json, &version);
    if (status == 0) {
        status = view_from_json(json, definition, &view, &change);
        json_decref(json);
    } else if (status == -ENOENT) {
        status = 0;
    }
    if (status == 0) {
        *out_view = view;
        *out_change = change;
        *out_version = version;
    }
    return status;
}

int view_save(struct cluster_store *store, const struct volume_definition *definition,
              const struct view *view, const struct view_change *change, uint64_t expected)
{
    PRE(view_is_valid(view, definition));
    char key[STORE_KEY_MAX + 1];
    view_key(definition->name, view->set, key);
    json_t *json = view_to_json(definition, view, change);
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
