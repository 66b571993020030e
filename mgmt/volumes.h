/*
 * Volume definitions: what `trivet volume create` decided, kept in the cluster store under
 * "volume/<name>" as JSON. Checks of what a user may ask for are here too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_MGMT_VOLUMES_H
#define TRIVET_MGMT_VOLUMES_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "backend/proto/view.h"
#include "mgmt/cluster_store.h"
#include "mgmt/refusal.h"

#define VOLUME_ID_TEXT_SIZE 37
#define VOLUME_KEY_PREFIX "volume/"

struct brick_definition {
    uint32_t number; /* in the volume, from 0, never reused */
    uint32_t port;   /* 0: none assigned yet */
    uint64_t disk_id;
    char host[HOST_SIZE_MAX + 1];
    char path[PATH_SIZE_MAX + 1];
};

/* Invariant: a definition that was decoded or stored has passed volume_definition_check. */
struct volume_definition {
    char name[VOLUME_NAME_MAX + 1];
    struct volume_id id;
    uint8_t handle_key[VOLUME_KEY_SIZE];
    uint32_t replica;
    uint32_t min_insync; /* option "min-insync": bricks without which nothing is acknowledged */
    bool started;
    uint32_t brick_count;
    struct brick_definition bricks[SET_MEMBERS_MAX];
    uint64_t version; /* in the cluster store; 0: not stored */
};

/* Letters, digits, '-', '_' and '.', beginning with a letter, digit or '_'; at most
 * VOLUME_NAME_MAX. Fails: -EINVAL. */
int volume_name_check(const char *name, struct refusal *out_why);

/* Parse "HOST:/path" or "[v6]:/path". The path is made canonical in its text (no double, trailing
 * or "." components). Fails: -EINVAL. */
int brick_parse(const char *text, struct brick_definition *out_brick, struct refusal *out_why);

/* Check names, counts and that no brick lies in another of the same volume. Fails: -EINVAL. */
int volume_definition_check(const struct volume_definition *definition, struct refusal *out_why);

/* Check that no brick of one lies in, above or at a brick of the other. Fails: -EEXIST. */
int volume_definitions_compare(const struct volume_definition *wanted,
                               const struct volume_definition *existing, struct refusal *out_why);

/* The caller's reference; NULL without memory. With the handle key. */
json_t *volume_definition_to_json(const struct volume_definition *definition);
/* Fails: -E_CORRUPT for what volume_definition_to_json cannot have written. */
int volume_definition_from_json(const json_t *json, struct volume_definition *out_definition);

/* Read a volume's definition. Fails: -ENOENT, -E_CORRUPT, -EIO … */
int volume_definition_load(struct cluster_store *store, const char *name,
                           struct volume_definition *out_definition);
/*
 * Write if the store's version is still definition->version (0: must not exist), which is then
 * brought up to date. Durable: on 0. Fails: -E_VERSION_CONFLICT, -EIO …
 */
int volume_definition_save(struct cluster_store *store, struct volume_definition *definition);

/* ---- text of ids --------------------------------------------------------------------------- */

void volume_id_to_text(const struct volume_id *id, char out_text[VOLUME_ID_TEXT_SIZE]);
/* Fails: -EINVAL. */
int volume_id_from_text(const char *text, struct volume_id *out_id);

/* Numbers of 64 bits are hexadecimal text in JSON, whose own numbers end at 63. */
json_t *json_from_u64(uint64_t number);
/* Fails: -E_CORRUPT, if json is not what json_from_u64 makes. */
int json_to_u64(const json_t *json, uint64_t *out_number);

/* JSON to text and back, for the cluster store. The text is the caller's, to free. */
int json_save(struct cluster_store *store, const char *key, json_t *json, uint64_t expected,
              uint64_t *out_version);
int json_load(struct cluster_store *store, const char *key, json_t **out_json,
              uint64_t *out_version);

#endif
