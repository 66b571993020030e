/*
 * Row dir: OPENDIR, READDIR, READDIRPLUS, RELEASEDIR, FSYNCDIR.
 *
 * The kernel asks for a few KiB at a time; the volume is asked for more, and what is left over
 * stays with the directory handle for the kernel's next request, if that goes on where this one
 * ended. Requests on one handle may run at the same time: each takes the buffer away from the
 * handle, works on it alone, and puts back the rest.
 *
 * Offsets given to the kernel are the volume's cookies, and COOKIE_DOT and COOKIE_DOTDOT for the
 * two entries that are made here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <linux/fuse.h>
#include <sys/stat.h>
#include "backend/base/clock.h"
#include "backend/base/scope.h"
#include "frontends/fuse/fuse_frontend.h"

/* Entries that the volume gave and the kernel has not. */
struct entries {
    bool is_valid;
    char *memory;      /* NULL: rest is empty, or somebody else's */
    struct slice rest; /* packed */
    uint64_t cookie;   /* of the entry before rest */
    bool has_attr;
    bool ends;    /* the directory ends with rest */
    bool is_kept; /* taken from the handle, so older than the kernel's request */
    uint64_t granted_until_ns;
    uint64_t recalls; /* the frontend's, when it was read */
    uint64_t changes; /* likewise, of all names */
};

/* Behind fuse_file_info.fh. lock guards kept. */
struct directory {
    pthread_mutex_t lock;
    struct entries kept;
};

/* A reply to the kernel being filled. */
struct listing {
    struct call *call;
    char *buffer;
    size_t size, used;
};

static struct directory *directory_of(const struct fuse_file_info *info)
{
    return (struct directory *)(uintptr_t)info->fh; /* NOLINT: what opendir put there */
}

void fuse_op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
    struct frontend *frontend = fuse_req_userdata(req);
    struct directory *directory = calloc(1, sizeof(*directory));
    if (!directory) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    pthread_mutex_init(&directory->lock, NULL);
    info->fh = (uintptr_t)directory;
    inode_table_open_directory(frontend->inodes, ino);
    if (fuse_reply_open(req, info) != 0) {
        (void)inode_table_close_directory(frontend->inodes, ino);
        orphan_closed(frontend, ino);
        pthread_mutex_destroy(&directory->lock);
        free(directory);
    }
}

void fuse_op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
    struct frontend *frontend = fuse_req_userdata(req);
    struct directory *directory = directory_of(info);
    if (inode_table_close_directory(frontend->inodes, ino)) {
        orphan_closed(frontend, ino);
    }
    free(directory->kept.memory);
    pthread_mutex_destroy(&directory->lock);
    free(directory);
    fuse_reply_err(req, 0);
}

/* ---- the handle's buffer ------------------------------------------------------------------ */

/* Take the buffer away. True if it goes on at cookie; else it is dropped. */
static bool directory_take(struct directory *directory, uint64_t cookie, bool with_attr,
                           struct entries *out_entries)
{
    {
        AUTO_LOCK(&directory->lock);
        *out_entries = directory->kept;
        directory->kept = (struct entries){0};
    }
    if (out_entries->is_valid && out_entries->cookie == cookie &&
        (out_entries->has_attr || !with_attr)) {
        out_entries->is_kept = true;
        return true;
    }
    free(out_entries->memory);
    return false;
}

/* Keep what is left; an empty rest if it says that the directory ends. Takes entries->memory. */
static void directory_keep(struct directory *directory, struct entries *entries)
{
    if (entries->rest.size == 0 && !entries->ends) {
        free(entries->memory);
        return;
    }
    if (entries->rest.size > 0 && !entries->memory) {
        entries->memory = malloc(entries->rest.size);
        if (!entries->memory) {
            return; /* they will be read again */
        }
        memcpy(entries->memory, entries->rest.data, entries->rest.size);
        entries->rest = slice_of(entries->memory, entries->rest.size);
    }
    char *old;
    {
        AUTO_LOCK(&directory->lock);
        old = directory->kept.memory;
        directory->kept = *entries;
    }
    free(old);
}

/* ---- filling the kernel's buffer ---------------------------------------------------------- */

static bool listing_add(struct listing *listing, const char *name,
                        const struct fuse_entry_param *entry, uint64_t cookie)
{
    const struct call *call = listing->call;
    size_t left = listing->size - listing->used;
    char *place = listing->buffer + listing->used;
    size_t size =
        call->plus ? fuse_add_direntry_plus(call->req, place, left, name, entry, (off_t)cookie)
                   : fuse_add_direntry(call->req, place, left, name, &entry->attr, (off_t)cookie);
    if (size > left) {
        return false;
    }
    listing->used += size;
    return true;
}

/* "." and "..", as far as the kernel does not have them. They are no references (libfuse). */
static void listing_add_dots(struct listing *listing, const struct gfid *parent)
{
    struct fuse_entry_param entry = {.attr = {.st_mode = S_IFDIR}};
    uint64_t offset = listing->call->offset;
    entry.attr.st_ino = listing->call->ino;
    if (offset >= COOKIE_DOT || listing_add(listing, ".", &entry, COOKIE_DOT)) {
        entry.attr.st_ino = gfid_ino(parent);
        (void)listing_add(listing, "..", &entry, COOKIE_DOTDOT); /* the smallest buffer has room */
    }
}

static bool listing_add_entry(struct listing *listing, const struct entries *entries,
                              const struct dirent_entry *from)
{
    struct frontend *frontend = listing->call->frontend;
    struct fuse_entry_param entry;
    char name[NAME_SIZE_MAX + 1];
    bool is_referred = listing->call->plus && entries->has_attr && !from->ungranted &&
                       frontend_entry(frontend, &from->attr, entries->granted_until_ns,
                                      entries->is_kept, &entry) == 0;
    if (!is_referred) { /* without an inode: the kernel looks it up if it wants to know more */
        entry = (struct fuse_entry_param){.ino = 0};
        entry.attr.st_ino = gfid_ino(&from->gfid);
        entry.attr.st_mode = object_type_to_mode(from->type);
    }
    if (is_referred && from->type == OBJECT_DIRECTORY) {
        /* Whoever lists directories to remove them has the one above open. */
        uint64_t changes = name_changes(frontend, listing->call->ino, from->name);
        if (atomic_load(&frontend->names_changed) == entries->changes) {
            name_seen(frontend, listing->call->ino, from->name, entry.ino, changes);
        }
    }
    memcpy(name, from->name.data, from->name.size);
    name[from->name.size] = '\0';
    if (listing_add(listing, name, &entry, from->cookie)) {
        return true;
    }
    if (is_referred) {
        inode_table_forget(frontend->inodes, entry.ino, 1);
    }
    return false;
}

/* Add from entries until the kernel's buffer is full; entries then begins with what did not fit. */
static int listing_fill(struct listing *listing, struct entries *entries)
{
    struct dirent_entry from;
    for (;;) {
        struct slice rest = entries->rest;
        int status = dirent_next(&rest, &from);
        if (status == -ENOENT) {
            return 0;
        }
        if (status != 0 || from.name.size > NAME_SIZE_MAX) {
            return status != 0 ? status : -E_BAD_MESSAGE;
        }
        if (!listing_add_entry(listing, entries, &from)) {
            return 0;
        }
        entries->rest = rest;
        entries->cookie = from.cookie;
    }
}

/* The kernel did not get the listing: take back the references it contains. */
static void listing_undo(const struct listing *listing)
{
    struct fuse_direntplus plus;
    for (size_t at = 0; at + FUSE_NAME_OFFSET_DIRENTPLUS <= listing->used;
         at += FUSE_DIRENTPLUS_SIZE(&plus)) {
        memcpy(&plus, listing->buffer + at, FUSE_NAME_OFFSET_DIRENTPLUS);
        if (plus.entry_out.nodeid != 0) {
            inode_table_forget(listing->call->frontend->inodes, plus.entry_out.nodeid, 1);
        }
    }
}

/* ---- READDIR ------------------------------------------------------------------------------ */

/* Reply from entries, keep the rest, and end the call. Takes entries->memory. */
static void listing_reply(struct listing *listing, struct entries *entries)
{
    struct call *call = listing->call;
    int status = listing_fill(listing, entries);
    if (status != 0 && listing->used == 0) {
        free(entries->memory);
        call_fail(call, status);
        return;
    }
    /* Before the reply: after it the handle may be gone. */
    directory_keep(call->directory, entries);
    if (fuse_reply_buf(call->req, listing->buffer, listing->used) != 0 && call->plus) {
        listing_undo(listing);
    }
    call_release(call);
}

static void readdir_answer(struct call *call)
{
    const struct reply *reply = &call->request.reply;
    if (reply->status != 0) {
        call_fail(call, reply->status);
        return;
    }
    AUTO_FREE char *buffer = malloc(call->size);
    if (!buffer) {
        call_fail(call, -ENOMEM);
        return;
    }
    struct listing listing = {.call = call, .buffer = buffer, .size = call->size};
    struct entries entries = {.is_valid = true,
                              .rest = reply->data,
                              .cookie = call->request.cookie,
                              .has_attr = call->request.with_attr,
                              .ends = reply->eof,
                              .granted_until_ns = call_granted_until(call),
                              .recalls = call->recalls,
                              .changes = call->changes};
    if (call->offset < COOKIE_DOTDOT) {
        listing_add_dots(&listing, &reply->object.parent);
    }
    listing_reply(&listing, &entries);
}

/* Answer from what the handle keeps. Attributes count only while they are granted: the kernel may
 * have newer ones. */
static bool readdir_from_kept(struct call *call)
{
    struct frontend *frontend = call->frontend;
    struct entries entries;
    if (call->offset < COOKIE_DOTDOT ||
        !directory_take(call->directory, call->request.cookie, call->request.with_attr, &entries)) {
        return false;
    }
    AUTO_FREE char *buffer = malloc(call->size);
    bool is_granted = grants_hold(frontend, entries.recalls) &&
                      clock_monotonic_ns(frontend->clock) < entries.granted_until_ns;
    bool is_usable = buffer && (is_granted || !call->request.with_attr);
    if (is_usable) {
        struct listing listing = {.call = call, .buffer = buffer, .size = call->size};
        entries.has_attr = entries.has_attr && is_granted;
        listing_reply(&listing, &entries);
    } else {
        free(entries.memory);
    }
    grants_let_go(frontend);
    return is_usable;
}

static void readdir_begin(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                          const struct fuse_file_info *info, bool plus)
{
    struct call *call = call_new(req, VOLUME_READDIR, ino, readdir_answer);
    if (!call) {
        return;
    }
    call->directory = directory_of(info);
    call->size = size < READDIR_SIZE_MAX ? size : READDIR_SIZE_MAX;
    call->offset = (uint64_t)offset;
    call->plus = plus;
    call->request.cookie = call->offset <= COOKIE_DOTDOT ? COOKIE_START : call->offset;
    call->request.with_attr =
        plus && (call->frontend->options->attribute_timeout_ms > 0 ||
                 atomic_load_explicit(&call->frontend->is_granting, memory_order_relaxed));
    call->request.count = FUSE_DIRECTORY_BUFFER;
    call->changes = atomic_load(&call->frontend->names_changed);
    if (!readdir_from_kept(call)) {
        call_submit(call);
    }
}

void fuse_op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                     struct fuse_file_info *info)
{
    readdir_begin(req, ino, size, offset, info, false);
}

void fuse_op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                         struct fuse_file_info *info)
{
    readdir_begin(req, ino, size, offset, info, true);
}

void fuse_op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int data_only, struct fuse_file_info *info)
{
    fuse_op_fsync(req, ino, data_only, info);
}
