/*
 * Views: who is in a replica set and who leads it. The record lies in the cluster store under
 * "view/<volume>/<set>" and changes only by compare-and-swap. The first one is decided here, the
 * later ones by the bricks, whose proposals are looked at here; both by functions without side
 * effects.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_MGMT_VIEWS_H
#define TRIVET_MGMT_VIEWS_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "backend/proto/view.h"
#include "mgmt/cluster_store.h"
#include "mgmt/volumes.h"

#define VIEW_KEY_PREFIX "view/"

/* What a brick said of itself when it registered. */
struct candidate {
    bool is_registered;
    uint64_t incarnation;
    uint32_t port;
    uint64_t last_index; /* last contiguous operation in its log */
};

/* Room for the changes of SET_MEMBERS_MAX bricks in words. */
#define VIEW_WHY_SIZE 640

/* When a record became what it is, and why: for people, kept with it. */
struct view_change {
    uint64_t since_ms; /* of the wall clock, since 1970 */
    char why[VIEW_WHY_SIZE];
};

/*
 * Decide view number 1, once every brick is registered: all are in sync, and the longest log leads,
 * on a tie the lowest number. candidates are in the order of definition->bricks. Returns false if
 * it is too early.
 */
bool view_first(const struct volume_definition *definition, const struct candidate *candidates,
                struct view *out_view);

/*
 * Whether next may follow current, as brick number proposer, a process of that incarnation, wishes:
 * the next number, or the same with one renewal more and nothing else; it lists the volume's bricks
 * as they are defined, in sync or away; proposer is in sync before and after; who leads was in sync
 * before; and no change leaves fewer than min_insync in sync (that there are too few already, since
 * min_insync was raised, forbids no change that loses none).
 *
 * Returns NULL, or what is wrong with it.
 */
const char *view_check_successor(const struct volume_definition *definition,
                                 const struct view *current, const struct view *next,
                                 uint32_t proposer, uint64_t incarnation);

/* Say what changed from one view to another: "brick gv0-1 leads in place of gv0-0, brick gv0-0
 * removed". */
void view_describe_change(const char *volume, const struct view *from, const struct view *to,
                          char out_why[VIEW_WHY_SIZE]);

/* The set and volume of a key. Fails: -EINVAL if it is not a view's. */
int view_key_parse(const char *key, char out_volume[VOLUME_NAME_MAX + 1], uint32_t *out_set);

/*
 * Read the view of a set. A view that a deleted volume of the same name left behind does not count:
 * out_view->number is then 0, as if there were none, and *out_version is what to replace.
 *
 * Fails: -E_CORRUPT, -EIO …
 */
int view_load(struct cluster_store *store, const struct volume_definition *definition, uint32_t set,
              struct view *out_view, struct view_change *out_change, uint64_t *out_version);

/* Write if the store's version is still expected. Durable: on 0. Fails: -E_VERSION_CONFLICT … */
int view_save(struct cluster_store *store, const struct volume_definition *definition,
              const struct view *view, const struct view_change *change, uint64_t expected);

/* Remove a set's view, whatever its version. Fails: -EIO …; not if there is none. */
int view_delete(struct cluster_store *store, const char *volume, uint32_t set);

#endif
