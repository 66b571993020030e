/*
 * The volume takes back what it granted: the kernel's attributes and names go.
 *
 * A recall must be answered without waiting for this mount's own requests, since these may wait for
 * the very change that the recall is for. So the attributes go, which never waits, and pages stay:
 * with the attributes every read(2) and stat(2) asks the volume, and drops the pages if the file
 * has changed (FUSE_CAP_AUTO_INVAL_DATA); so does the next open. Dropping pages here would wait for
 * those that a request under way has locked; dropping them later, from another thread, would make
 * the kernel take an answer that is on its way for an old one. What looks at pages without asking
 * for attributes (a mapping, sendfile) sees old bytes until one of these happens.
 *
 * A name waits for its directory's lock; that is held while this mount changes the directory
 * itself, perhaps by what waits for this very recall. The volume's answer does not wait for that
 * longer than the kernel believes what it was told: time-outs end with the session's lease.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/fuse/fuse_frontend.h"

void frontend_recall_begin(void *context)
{
    struct frontend *frontend = context;
    pthread_rwlock_wrlock(&frontend->grant_lock);
    __atomic_add_fetch(&frontend->recalls, 1, __ATOMIC_RELEASE);
    pthread_rwlock_unlock(&frontend->grant_lock);
}

void frontend_recall(void *context, const struct gfid *object, const struct gfid *parent,
                     struct slice name)
{
    struct frontend *frontend = context;
    if (!atomic_load(&frontend->is_ready)) {
        return;
    }
    /* Failures mean that nothing was cached. */
    if (!gfid_is_none(object)) {
        inode_table_revoke(frontend->inodes, gfid_ino(object));
        /* A negative offset: attributes only. */
        (void)fuse_lowlevel_notify_inval_inode(frontend->session, gfid_ino(object), -1, 0);
    }
    if (!gfid_is_none(parent) && name.size > 0) {
        name_changed(frontend, gfid_ino(parent), name, 0, 0);
        (void)fuse_lowlevel_notify_inval_entry(frontend->session, gfid_ino(parent),
                                               (const char *)name.data, name.size);
    }
}
