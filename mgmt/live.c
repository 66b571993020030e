/*
 * The table of live volumes: kept as the store says. See live.h; views are settled and told in
 * live_view.c, clients wait for them in live_wait.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mgmt/live.h"

#include <string.h>

#include "backend/base/check.h"
#include "backend/base/clock.h"
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/scope.h"
#include "backend/base/text.h"

/* ---- the table (lock held) ----------------------------------------------------------------- */

struct live_volume *live_find(struct live *live, const char *name)
{
    struct live_volume *volume = live->volumes;
    while (volume && strcmp(volume->definition.name, name) != 0) {
        volume = volume->next;
    }
    return volume;
}

struct live_volume *live_find_id(struct live *live, const struct volume_id *id)
{
    struct live_volume *volume = live->volumes;
    while (volume && memcmp(volume->definition.id.bytes, id->bytes, VOLUME_ID_SIZE) != 0) {
        volume = volume->next;
    }
    return volume;
}

void live_spec(const struct live_volume *volume, struct volume_spec *out_spec)
{
    const struct volume_definition *definition = &volume->definition;
    *out_spec = (struct volume_spec){
        .id = definition->id,
        .started = definition->started,
        .min_insync = definition->min_insync,
        .view = volume->view,
    };
    /* A brick that listens elsewhere than the record says is to be found by the others: when all
     * have, nobody could make the next record. */
    for (uint32_t i = 0; i < out_spec->view.member_count; i++) {
        const struct live_brick *brick = &volume->bricks[i];
        if (brick->connection && brick->said.port != 0) {
            out_spec->view.members[i].port = brick->said.port;
        }
    }
    text_copy(out_spec->name, sizeof(out_spec->name), definition->name);
    memcpy(out_spec->handle_key, definition->handle_key, VOLUME_KEY_SIZE);
}

static void live_remove(struct live *live, struct live_volume *volume)
{
    struct live_volume **link = &live->volumes;
    while (*link != volume) {
        link = &(*link)->next;
    }
    *link = volume->next;
    live->volume_count--;
    for (uint32_t i = 0; i < SET_MEMBERS_MAX; i++) {
        struct live_brick *brick = &volume->bricks[i];
        if (brick->connection) {
            rpc_connection_close(brick->connection);
            rpc_connection_put(brick->connection);
        }
    }
    free(volume);
}

static struct live_volume *live_add(struct live *live)
{
    if (live->volume_count == VOLUMES_MAX) {
        return NULL;
    }
    struct live_volume *volume = calloc(1, sizeof(*volume));
    if (volume) {
        volume->next = live->volumes;
        live->volumes = volume;
        live->volume_count++;
    }
    return volume;
}

/* ---- following the store ------------------------------------------------------------------- */

/* Enter what the store says of a volume. Lock held. */
static int live_enter(struct live *live, const struct volume_definition *definition,
                      const struct view *view, const struct view_change *change,
                      uint64_t view_version)
{
    struct live_volume *volume = live_find(live, definition->name);
    if (volume && memcmp(volume->definition.id.bytes, definition->id.bytes, VOLUME_ID_SIZE) != 0) {
        live_remove(live, volume); /* deleted and made again */
        volume = NULL;
    }
    if (!volume) {
        volume = live_add(live);
    }
    if (!volume) {
        return -ENOSPC;
    }
    /* Watches may overtake one another: never go back. */
    if (definition->version > volume->definition.version) {
        volume->definition = *definition;
        volume->news++;
    }
    if (view_version > volume->view_version) {
        volume->view = *view;
        volume->change = *change;
        volume->view_version = view_version;
        volume->view_ns = clock_monotonic_ns(clock_real());
        volume->news++;
    }
    return 0;
}

static void live_forget(struct live *live, const char *name)
{
    AUTO_LOCK(&live->lock);
    struct live_volume *volume = live_find(live, name);
    if (volume) {
        live_remove(live, volume);
    }
    pthread_cond_broadcast(&live->changed);
}

/* Bring memory to what the store says of the volume of that name. */
static int live_reload(struct live *live, const char *name)
{
    struct volume_definition definition;
    struct view view;
    struct view_change change;
    uint64_t view_version = 0;
    int status = volume_definition_load(live->store, name, &definition);
    if (status == -ENOENT) {
        live_forget(live, name);
        return 0;
    }
    if (status == 0) {
        status = view_load(live->store, &definition, 0, &view, &change, &view_version);
    }
    if (status) {
        return status;
    }
    AUTO_LOCK(&live->lock);
    status = live_enter(live, &definition, &view, &change, view_version);
    pthread_cond_broadcast(&live->changed);
    return status;
}

void live_follow(struct live *live, const char *name)
{
    int status = live_reload(live, name);
    if (status) {
        log_error("volume %s: its record in the cluster store cannot be followed: %s", name,
                  error_text(status));
        return;
    }
    struct volume_id id;
    {
        AUTO_LOCK(&live->lock);
        struct live_volume *volume = live_find(live, name);
        if (!volume) {
            id = (struct volume_id){{0}};
        } else {
            id = volume->definition.id;
        }
    }
    live_tell(live, &id);
    live_answer_waiters(live, NULL);
}

static void volume_changed(const char *key, void *context)
{
    live_follow(context, key + strlen(VOLUME_KEY_PREFIX));
}

static void view_changed(const char *key, void *context)
{
    char name[VOLUME_NAME_MAX + 1];
    uint32_t set;
    if (view_key_parse(key, name, &set) == 0) {
        live_follow(context, name);
    }
}

struct loading {
    struct live *live;
    struct refusal *why;
};

static int load_volume(const char *key, void *context)
{
    struct loading *loading = context;
    int status = live_reload(loading->live, key + strlen(VOLUME_KEY_PREFIX));
    if (status) {
        return refuse(
            loading->why, status,
            "the record \"%s\" in the cluster store cannot be used: %s. Restore the store "
            "directory from a backup, or remove this record's file if the volume can be "
            "given up, and start trivetd again",
            key, error_text(status));
    }
    return 0;
}

/* ---- life ---------------------------------------------------------------------------------- */

int live_init(struct live *live, struct cluster_store *store, struct rpc_loop *loop,
              struct refusal *out_why)
{
    *live = (struct live){.store = store, .loop = loop};
    live->works_end = &live->works;
    pthread_mutex_init(&live->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&live->changed, &attributes);
    pthread_condattr_destroy(&attributes);

    struct loading loading = {.live = live, .why = out_why};
    int status = cluster_store_list(store, VOLUME_KEY_PREFIX, load_volume, &loading);
    if (status == 0) {
        status = cluster_store_watch(store, VOLUME_KEY_PREFIX, volume_changed, live);
    }
    if (status == 0) {
        status = cluster_store_watch(store, VIEW_KEY_PREFIX, view_changed, live);
    }
    if (status) {
        live_release(live);
    }
    return status;
}

void live_stop(struct live *live)
{
    {
        AUTO_LOCK(&live->lock);
        live->stopping = true;
        pthread_cond_broadcast(&live->changed);
    }
    live_answer_waiters(live, NULL);
}

void live_release(struct live *live)
{
    {
        AUTO_LOCK(&live->lock);
        INVARIANT(live->waiter_count == 0 && live->work_count == 0);
        while (live->volumes) {
            live_remove(live, live->volumes);
        }
    }
    pthread_cond_destroy(&live->changed);
    pthread_mutex_destroy(&live->lock);
}

int live_wait(struct live *live, uint64_t end_ns)
{
    if (live->stopping) {
        return -ECANCELED;
    }
    struct timespec end = {
        .tv_sec = (time_t)(end_ns / UINT64_C(1000000000)),
        .tv_nsec = (long)(end_ns % UINT64_C(1000000000)),
    };
    int error = pthread_cond_timedwait(&live->changed, &live->lock, &end);
    return live->stopping ? -ECANCELED : -error;
}

void live_poke(struct live *live)
{
    AUTO_LOCK(&live->lock);
    pthread_cond_broadcast(&live->changed);
}
