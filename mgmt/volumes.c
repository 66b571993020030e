/*
 * See volumes.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mgmt/volumes.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/base/errors.h"
#include "backend/base/scope.h"
#include "backend/base/text.h"

#define FORMAT 1

/* ---- what a user may ask for --------------------------------------------------------------- */

int volume_name_check(const char *name, struct refusal *out_why)
{
    size_t size = strlen(name);
    if (size == 0 || size > VOLUME_NAME_MAX) {
        return refuse(out_why, -EINVAL,
                      "a volume's name has 1 to %d characters, this one has %zu; choose another",
                      VOLUME_NAME_MAX, size);
    }
    for (size_t i = 0; i < size; i++) {
        /* ASCII only, whatever the locale: the name is part of keys, paths and exports. A '-' in
         * front would be read as an option, a '.' hides files. */
        char c = name[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '_' || (i > 0 && (c == '-' || c == '.'));
        if (!is_plain) {
            return refuse(out_why, -EINVAL,
                          "volume name \"%.80s\" has a character that is not allowed; use letters, "
                          "digits, '_', and, but not in front, '-' and '.'",
                          name);
        }
    }
    return 0;
}

/* Write path without empty and "." components. Fails: -EINVAL (relative, "..", too long, "/"). */
static int path_normalise(const char *path, char out_path[PATH_SIZE_MAX + 1])
{
    if (path[0] != '/' || strlen(path) > PATH_SIZE_MAX) {
        return -EINVAL;
    }
    size_t size = 0;
    while (*path) {
        path += strspn(path, "/");
        size_t part = strcspn(path, "/");
        if (part == 2 && strncmp(path, "..", 2) == 0) {
            return -EINVAL;
        }
        if (part > 0 && !(part == 1 && path[0] == '.')) {
            out_path[size++] = '/';
            memcpy(out_path + size, path, part);
            size += part;
        }
        path += part;
    }
    out_path[size] = '\0';
    return size > 0 ? 0 : -EINVAL;
}

static bool has_control_character(const char *text)
{
    for (; *text; text++) {
        if (iscntrl((unsigned char)*text)) {
            return true;
        }
    }
    return false;
}

/* A host name, an IPv4 address or, between brackets, an IPv6 address. */
static bool host_is_plain(const char *host, size_t size)
{
    if (size == 0 || size > HOST_SIZE_MAX) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (!isalnum((unsigned char)host[i]) && !strchr("-._:%", host[i])) {
            return false;
        }
    }
    return host[0] != '-';
}

int brick_parse(const char *text, struct brick_definition *out_brick, struct refusal *out_why)
{
    const char *separator = strstr(text, ":/");
    if (!separator) {
        return refuse(
            out_why, -EINVAL,
            "brick \"%.200s\" is not of the form HOST:/path, such as localhost:/bricks/b1", text);
    }
    const char *host = text;
    size_t host_size = (size_t)(separator - text);
    if (host_size > 2 && host[0] == '[' && host[host_size - 1] == ']') {
        host++;
        host_size -= 2;
    } else if (memchr(host, ':', host_size)) {
        host_size = 0; /* an IPv6 address needs its brackets */
    }
    if (!host_is_plain(host, host_size)) {
        return refuse(out_why, -EINVAL,
                      "brick \"%.200s\" has no valid host before its \":/\"; write a host name, an "
                      "IPv4 address, or an IPv6 address in brackets",
                      text);
    }
    struct brick_definition brick = {.number = 0};
    if (path_normalise(separator + 1, brick.path) || has_control_character(brick.path)) {
        return refuse(
            out_why, -EINVAL,
            "brick \"%.200s\" has no usable path; it must be absolute, not \"/\", at most "
            "%d bytes, without \"..\" and control characters",
            text, PATH_SIZE_MAX);
    }
    memcpy(brick.host, host, host_size);
    *out_brick = brick;
    return 0;
}

/* True if one path is the other or lies in it. */
static bool paths_overlap(const char *a, const char *b)
{
    size_t size_a = strlen(a);
    size_t size_b = strlen(b);
    size_t shorter = size_a < size_b ? size_a : size_b;
    const char *longer = size_a < size_b ? b : a;
    return strncmp(a, b, shorter) == 0 && (longer[shorter] == '\0' || longer[shorter] == '/');
}

static int check_replica(const struct volume_definition *definition, struct refusal *out_why)
{
    if (definition->replica != 3) {
        return refuse(out_why, -EINVAL,
                      "replica %u is not supported; a volume keeps three copies: say \"replica 3\"",
                      definition->replica);
    }
    if (definition->brick_count == 0 || definition->brick_count % definition->replica != 0) {
        return refuse(out_why, -EINVAL,
                      "the number of bricks (%u) is not a multiple of the replica count (%u); name "
                      "three bricks",
                      definition->brick_count, definition->replica);
    }
    if (definition->brick_count != definition->replica) {
        return refuse(out_why, -EINVAL,
                      "%u bricks would be %u replica sets; one is supported yet: name three bricks",
                      definition->brick_count, definition->brick_count / definition->replica);
    }
    return 0;
}

int volume_definition_check(const struct volume_definition *definition, struct refusal *out_why)
{
    int status = volume_name_check(definition->name, out_why);
    if (status == 0) {
        status = check_replica(definition, out_why);
    }
    if (status) {
        return status;
    }
    if (definition->min_insync < 1 || definition->min_insync > definition->replica) {
        return refuse(out_why, -EINVAL,
                      "min-insync %u is not possible; a volume of %u copies can require 1 to %u of "
                      "them",
                      definition->min_insync, definition->replica, definition->replica);
    }
    /* Paths are compared without their hosts: with one machine every host is the same one. */
    for (uint32_t i = 0; i < definition->brick_count; i++) {
        for (uint32_t j = i + 1; j < definition->brick_count; j++) {
            const char *one = definition->bricks[i].path;
            const char *other = definition->bricks[j].path;
            if (paths_overlap(one, other)) {
                return refuse(
                    out_why, -EINVAL,
                    "bricks %.400s and %.400s are the same or one lies in the other; give "
                    "each brick a directory of its own",
                    one, other);
            }
        }
    }
    return 0;
}

int volume_definitions_compare(const struct volume_definition *wanted,
                               const struct volume_definition *existing, struct refusal *out_why)
{
    for (uint32_t i = 0; i < wanted->brick_count; i++) {
        for (uint32_t j = 0; j < existing->brick_count; j++) {
            const char *one = wanted->bricks[i].path;
            const char *other = existing->bricks[j].path;
            if (paths_overlap(one, other)) {
                return refuse(out_why, -EEXIST,
                              "brick %.400s is, contains or lies in brick %.400s of volume %s; "
                              "choose another directory",
                              one, other, existing->name);
            }
        }
    }
    return 0;
}

/* ---- ids as text --------------------------------------------------------------------------- */

static void hex_write(const uint8_t *bytes, size_t size, char *out_text)
{
    for (size_t i = 0; i < size; i++) {
        snprintf(out_text + 2 * i, 3, "%02x", bytes[i]);
    }
}

/* text must have exactly 2 * size digits. */
static int hex_read(const char *text, uint8_t *out_bytes, size_t size)
{
    if (!text || strlen(text) != 2 * size || strspn(text, "0123456789abcdef") != 2 * size) {
        return -EINVAL;
    }
    for (size_t i = 0; i < size; i++) {
        unsigned byte;
        if (sscanf(text + 2 * i, "%2x", &byte) != 1) {
            return -EINVAL;
        }
        out_bytes[i] = (uint8_t)byte;
    }
    return 0;
}

void volume_id_to_text(const struct volume_id *id, char out_text[VOLUME_ID_TEXT_SIZE])
{
    char digits[2 * VOLUME_ID_SIZE + 1];
    hex_write(id->bytes, VOLUME_ID_SIZE, digits);
    snprintf(out_text, VOLUME_ID_TEXT_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8,
             digits + 12, digits + 16, digits + 20);
}

int volume_id_from_text(const char *text, struct volume_id *out_id)
{
    char digits[2 * VOLUME_ID_SIZE + 1];
    size_t size = 0;
    if (strlen(text) != VOLUME_ID_TEXT_SIZE - 1) {
        return -EINVAL;
    }
    for (size_t i = 0; i < VOLUME_ID_TEXT_SIZE - 1; i++) {
        bool is_hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_hyphen != (text[i] == '-')) {
            return -EINVAL;
        }
        if (!is_hyphen) {
            digits[size++] = text[i];
        }
    }
    digits[size] = '\0';
    return hex_read(digits, out_id->bytes, VOLUME_ID_SIZE);
}

json_t *json_from_u64(uint64_t number)
{
    char text[17];
    snprintf(text, sizeof(text), "%016" PRIx64, number);
    return json_string(text);
}

int json_to_u64(const json_t *json, uint64_t *out_number)
{
    const char *text = json_string_value(json);
    if (!text || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16) {
        return -E_CORRUPT;
    }
    return sscanf(text, "%16" SCNx64, out_number) == 1 ? 0 : -E_CORRUPT;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static json_t *brick_to_json(const struct brick_definition *brick)
{
    return json_pack("{s:i, s:s, s:s, s:i, s:o}", "number", (int)brick->number, "host", brick->host,
                     "path", brick->path, "port", (int)brick->port, "disk_id",
                     json_from_u64(brick->disk_id));
}

json_t *volume_definition_to_json(const struct volume_definition *definition)
{
    char id[VOLUME_ID_TEXT_SIZE];
    volume_id_to_text(&definition->id, id);
    char key[2 * VOLUME_KEY_SIZE + 1];
    hex_write(definition->handle_key, VOLUME_KEY_SIZE, key);
    json_t *bricks = json_array();
    for (uint32_t i = 0; i < definition->brick_count; i++) {
        json_array_append_new(bricks, brick_to_json(&definition->bricks[i]));
    }
    return json_pack("{s:i, s:s, s:s, s:s, s:i, s:{s:i}, s:b, s:o}", "format", FORMAT, "name",
                     definition->name, "id", id, "handle_key", key, "replica",
                     (int)definition->replica, "options", "min-insync", (int)definition->min_insync,
                     "started", definition->started, "bricks", bricks);
}

static int brick_from_json(const json_t *json, struct brick_definition *out_brick)
{
    const char *host = NULL;
    const char *path = NULL;
    json_t *disk_id = NULL;
    int number = -1;
    int port = -1;
    if (json_unpack((json_t *)json, "{s:i, s:s, s:s, s:i, s:o}", "number", &number, "host", &host,
                    "path", &path, "port", &port, "disk_id", &disk_id)) {
        return -E_CORRUPT;
    }
    struct brick_definition brick = {.number = (uint32_t)number, .port = (uint32_t)port};
    if (number < 0 || number > UINT16_MAX || port < 0 || port > UINT16_MAX ||
        !host_is_plain(host, strlen(host)) || path_normalise(path, brick.path) ||
        json_to_u64(disk_id, &brick.disk_id)) {
        return -E_CORRUPT;
    }
    text_copy(brick.host, sizeof(brick.host), host);
    *out_brick = brick;
    return 0;
}

static int bricks_from_json(const json_t *bricks, struct volume_definition *definition)
{
    size_t count = json_array_size(bricks);
    if (count > SET_MEMBERS_MAX) {
        return -E_CORRUPT;
    }
    for (size_t i = 0; i < count; i++) {
        int status = brick_from_json(json_array_get(bricks, i), &definition->bricks[i]);
        if (status) {
            return status;
        }
    }
    definition->brick_count = (uint32_t)count;
    return 0;
}

int volume_definition_from_json(const json_t *json, struct volume_definition *out_definition)
{
    struct volume_definition definition = {.version = 0};
    const char *name = NULL;
    const char *id = NULL;
    const char *key = NULL;
    json_t *bricks = NULL;
    int format = 0;
    int replica = 0;
    int started = 0;
    int min_insync = MIN_INSYNC_DEFAULT;
    if (json_unpack((json_t *)json, "{s:i, s:s, s:s, s:s, s:i, s:{s?i}, s:b, s:o}", "format",
                    &format, "name", &name, "id", &id, "handle_key", &key, "replica", &replica,
                    "options", "min-insync", &min_insync, "started", &started, "bricks", &bricks) ||
        format != FORMAT || strlen(name) > VOLUME_NAME_MAX || replica < 0 || min_insync < 0) {
        return -E_CORRUPT;
    }
    text_copy(definition.name, sizeof(definition.name), name);
    definition.replica = (uint32_t)replica;
    definition.min_insync = (uint32_t)min_insync;
    definition.started = started;
    struct refusal why;
    if (volume_id_from_text(id, &definition.id) ||
        hex_read(key, definition.handle_key, VOLUME_KEY_SIZE) ||
        bricks_from_json(bricks, &definition) || volume_definition_check(&definition, &why)) {
        return -E_CORRUPT;
    }
    *out_definition = definition;
    return 0;
}

/* ---- in the cluster store ------------------------------------------------------------------ */

int json_save(struct cluster_store *store, const char *key, json_t *json, uint64_t expected,
              uint64_t *out_version)
{
    AUTO_FREE char *text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;
    if (!text) {
        return -ENOMEM;
    }
    return cluster_store_put_if_version(store, key, slice_text(text), expected, out_version);
}

int json_load(struct cluster_store *store, const char *key, json_t **out_json,
              uint64_t *out_version)
{
    AUTO_FREE char *text = NULL;
    int status = cluster_store_get(store, key, &text, out_version);
    if (status) {
        return status;
    }
    *out_json = json_loads(text, 0, NULL);
    return *out_json ? 0 : -E_CORRUPT;
}

static void definition_key(const char *name, char out_key[STORE_KEY_MAX + 1])
{
    snprintf(out_key, STORE_KEY_MAX + 1, VOLUME_KEY_PREFIX "%.*s", VOLUME_NAME_MAX, name);
}

int volume_definition_load(struct cluster_store *store, const char *name,
                           struct volume_definition *out_definition)
{
    char key[STORE_KEY_MAX + 1];
    definition_key(name, key);
    json_t *json = NULL;
    uint64_t version;
    int status = json_load(store, key, &json, &version);
    if (status) {
        return status;
    }
    status = volume_definition_from_json(json, out_definition);
    json_decref(json);
    if (status == 0 && strcmp(out_definition->name, name) != 0) {
        status = -E_CORRUPT;
    }
    if (status == 0) {
        out_definition->version = version;
    }
    return status;
}

int volume_definition_save(struct cluster_store *store, struct volume_definition *definition)
{
    char key[STORE_KEY_MAX + 1];
    definition_key(definition->name, key);
    json_t *json = volume_definition_to_json(definition);
    int status = json_save(store, key, json, definition->version, &definition->version);
    json_decref(json);
    return status;
}
