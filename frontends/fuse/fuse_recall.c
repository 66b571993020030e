/*
 * The volume takes back what it granted: the kernel's attributes, pages and names go.
 *
 * A recall must be answered without waiting for this mount's own requests, since these may wait for
 * the very change that the recall is for. Attributes go at once, and with them every read(2) looks
 * at the volume again (FUSE_CAP_AUTO_INVAL_DATA). Pages may be locked by a request under way, so a
 * thread drops them right after: what looks at pages without asking for attributes (mappings,
 * sendfile) may see old bytes until then. A name waits for its directory's lock; that is held while
 * this mount changes the directory itself, and bounded by the grant.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/scope.h"
#include "frontends/fuse/fuse_frontend.h"

/* ---- pages --------------------------------------------------------------------------------- */

static void drop_pages(struct frontend *frontend, fuse_ino_t ino)
{
    /* A failure means that nothing was cached. */
    (void)fuse_lowlevel_notify_inval_inode(frontend->session, ino, 0, 0);
}

/* False if the queue is full. */
static bool drop_later(struct page_drops *drops, fuse_ino_t ino)
{
    AUTO_LOCK(&drops->lock);
    for (unsigned i = 0; i < drops->count; i++) {
        if (drops->inos[(drops->first + i) % FUSE_PAGE_DROPS] == ino) {
            return true;
        }
    }
    if (!drops->runs || drops->count == FUSE_PAGE_DROPS) {
        return false;
    }
    drops->inos[(drops->first + drops->count++) % FUSE_PAGE_DROPS] = ino;
    pthread_cond_signal(&drops->wake);
    return true;
}

/* The next inode, or 0 at the end. */
static fuse_ino_t drop_next(struct page_drops *drops)
{
    AUTO_LOCK(&drops->lock);
    while (drops->runs && drops->count == 0) {
        pthread_cond_wait(&drops->wake, &drops->lock);
    }
    if (drops->count == 0) {
        return 0;
    }
    fuse_ino_t ino = drops->inos[drops->first];
    drops->first = (drops->first + 1) % FUSE_PAGE_DROPS;
    drops->count--;
    return ino;
}

static void *drops_thread(void *context)
{
    struct frontend *frontend = context;
    fuse_ino_t ino;
    while ((ino = drop_next(&frontend->drops)) != 0) {
        drop_pages(frontend, ino);
    }
    return NULL;
}

int frontend_start_drops(struct frontend *frontend)
{
    struct page_drops *drops = &frontend->drops;
    AUTO_LOCK(&drops->lock);
    int status = -pthread_create(&drops->thread, NULL, drops_thread, frontend);
    drops->runs = status == 0;
    return status;
}

void frontend_stop_drops(struct frontend *frontend)
{
    struct page_drops *drops = &frontend->drops;
    {
        AUTO_LOCK(&drops->lock);
        if (!drops->runs) {
            return;
        }
        drops->runs = false;
        drops->count = 0;
        pthread_cond_signal(&drops->wake);
    }
    pthread_join(drops->thread, NULL);
}

/* ---- recalls ------------------------------------------------------------------------------- */

void frontend_recall(void *context, const struct gfid *object, const struct gfid *parent,
                     struct slice name)
{
    struct frontend *frontend = context;
    if (!atomic_load(&frontend->is_ready)) {
        return;
    }
    pthread_rwlock_wrlock(&frontend->grant_lock);
    __atomic_add_fetch(&frontend->recalls, 1, __ATOMIC_RELEASE);
    pthread_rwlock_unlock(&frontend->grant_lock);
    if (!gfid_is_none(object)) {
        fuse_ino_t ino = gfid_ino(object);
        inode_table_revoke(frontend->inodes, ino);
        /* A negative offset: attributes only, which never waits. */
        int status = fuse_lowlevel_notify_inval_inode(frontend->session, ino, -1, 0);
        if (status != -ENOENT && !drop_later(&frontend->drops, ino)) {
            drop_pages(frontend, ino);
        }
    }
    if (!gfid_is_none(parent) && name.size > 0) {
        name_changed(frontend, gfid_ino(parent), name, 0, 0);
        (void)fuse_lowlevel_notify_inval_entry(frontend->session, gfid_ino(parent),
                                               (const char *)name.data, name.size);
    }
}
