/*
 * Views: who is in a replica set and who leads it. The record lies in the cluster store under
 * "view/<volume>/<set>" and changes only by compare-and-swap; which view comes next is decided
 * here, by a function without side effects.
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

/*
 * Decide the view that follows current (number 0: there is none yet) from who is registered;
 * candidates are in the order of definition->bricks. Returns false if current stays.
 *
 * While the primary's process is the one of the view it stays primary, and a member that came back
 * as a new process is entered with its new incarnation: any change of a member makes a new number,
 * so that no message of the old process counts. If the primary's process is another one, or there
 * is no view yet, the primary is chosen anew once every member is registered: the longest log
 * leads, since what was acknowledged is a prefix of it; on a tie the old primary, then the lowest
 * number.
 */
bool view_next(const struct volume_definition *definition, const struct view *current,
               const struct candidate *candidates, struct view *out_next);

/* The set and volume of a key. Fails: -EINVAL if it is not a view's. */
int view_key_parse(const char *key, char out_volume[VOLUME_NAME_MAX + 1], uint32_t *out_set);

/*
 * Read the view of a set. A view that a deleted volume of the same name left behind does not count:
 * out_view->number is then 0, as if there were none, and *out_version is what to replace.
 *
 * Fails: -E_CORRUPT, -EIO …
 */
int view_load(struct cluster_store *store, const struct volume_definition *definition, uint32_t set,
              struct view *out_view, uint64_t *out_version);

/* Write if the store's version is still expected. Durable: on 0. Fails: -E_VERSION_CONFLICT … */
int view_save(struct cluster_store *store, const struct volume_definition *definition,
              const struct view *view, uint64_t expected);

/* Remove a set's view, whatever its version. Fails: -EIO …; not if there is none. */
int view_delete(struct cluster_store *store, const char *volume, uint32_t set);

#endif
