/*
 * What holds for all that makes a new object: CREATE, MKDIR, SYMLINK, MKNOD.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>
#include "conformance/nfs3/nfs3.h"

#define OWNER 1001
#define GROUP 2001
#define FILL_CALLS_MAX 100000

CREATE3res *make_one(uint32_t procedure, nfs_fh3 *directory, const char *name,
                     const sattr3 *attributes)
{
    switch (procedure) {
    case NFS3_CREATE:
        return call_create(directory, name, GUARDED, attributes);
    case NFS3_MKDIR:
        return call_mkdir(directory, name, attributes);
    case NFS3_SYMLINK:
        return call_symlink(directory, name, "target", attributes);
    default:
        return call_mknod(directory, name, NF3FIFO, attributes, 0, 0);
    }
}

static ftype3 type_of(uint32_t procedure)
{
    switch (procedure) {
    case NFS3_CREATE:
        return NF3REG;
    case NFS3_MKDIR:
        return NF3DIR;
    case NFS3_SYMLINK:
        return NF3LNK;
    default:
        return NF3FIFO;
    }
}

void made_tells(uint32_t procedure)
{
    fattr3 before = attributes_of(here());
    CREATE3res *made = make_one(procedure, here(), "new", with_mode(0640));
    STATUS(made, NFS3_OK);
    CREATE3resok *ok = &made->CREATE3res_u.resok;
    CHECK(ok->obj.handle_follows);
    CHECK(ok->obj_attributes.attributes_follow);
    const fattr3 *told = &ok->obj_attributes.post_op_attr_u.attributes;
    CHECK_EQUAL(told->type, type_of(procedure));
    if (procedure != NFS3_SYMLINK) { /* a link's mode is its own affair */
        CHECK_EQUAL(told->mode & 07777, 0640);
    }
    CHECK_EQUAL(told->nlink, procedure == NFS3_MKDIR ? 2 : 1);
    check_post_op(&ok->obj_attributes, &ok->obj.post_op_fh3_u.handle);
    check_wcc(&ok->dir_wcc, &before, here());
    LOOKUP3res *found = call_lookup(here(), "new");
    STATUS(found, NFS3_OK);
    CHECK(same_handle(&found->LOOKUP3res_u.resok.object, &ok->obj.post_op_fh3_u.handle));
}

void made_exists(uint32_t procedure)
{
    (void)make_file(here(), "file", 0644);
    (void)make_directory(here(), "directory", 0755);
    (void)make_symlink(here(), "dangling", "nothing");
    fattr3 before = attributes_of(here());
    static const char *const names[] = {"file", "directory", "dangling"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        CREATE3res *made = make_one(procedure, here(), names[i], NULL);
        STATUS(made, NFS3ERR_EXIST);
        check_wcc_unchanged(&made->CREATE3res_u.resfail.dir_wcc, &before, here());
    }
}

void made_dots(uint32_t procedure)
{
    STATUS_OF(make_one(procedure, here(), ".", NULL), NFS3ERR_EXIST, NFS3ERR_INVAL);
    STATUS_OF(make_one(procedure, here(), "..", NULL), NFS3ERR_EXIST, NFS3ERR_INVAL);
}

void made_name_255(uint32_t procedure)
{
    PATHCONF3res *limits = call_pathconf(here());
    STATUS(limits, NFS3_OK);
    uint32_t name_max = limits->PATHCONF3res_u.resok.name_max;
    suite_check(name_max > 0 && name_max <= NAME_MAX_USUAL, __FILE__, __LINE__,
                "name_max is %u, which no file system of Linux has", name_max);
    STATUS(make_one(procedure, here(), long_name(name_max), with_mode(0600)), NFS3_OK);
    CHECK(exists(here(), long_name(name_max)));
    STATUS(make_one(procedure, here(), long_name(name_max + 1), with_mode(0600)),
           NFS3ERR_NAMETOOLONG);
}

/* Section 3.2: what a server cannot handle in a name it refuses; it must not take it as a path. */
void made_slash(uint32_t procedure)
{
    nfs_fh3 *directory = make_directory(here(), "a", 0777);
    CREATE3res *made = make_one(procedure, here(), "a/b", NULL);
    STATUS_OF(made, NFS3ERR_ACCES, NFS3ERR_INVAL);
    CHECK(!exists(directory, "b"));
}

static void check_owner(uint32_t procedure, nfs_fh3 *directory, const char *name, uint32_t gid)
{
    CREATE3res *made = make_one(procedure, directory, name, with_mode(0700));
    STATUS(made, NFS3_OK);
    CHECK(made->CREATE3res_u.resok.obj_attributes.attributes_follow);
    const fattr3 *told = &made->CREATE3res_u.resok.obj_attributes.post_op_attr_u.attributes;
    CHECK_EQUAL(told->uid, OWNER);
    CHECK_EQUAL(told->gid, gid);
}

void made_is_owned(uint32_t procedure)
{
    nfs_fh3 *inherits = make_directory(here(), "set-gid", 02777);
    give_to(inherits, 0, 4321);
    STATUS(call_setattr(inherits, with_mode(02777), NULL), NFS3_OK);
    as_user(OWNER, GROUP);
    check_owner(procedure, here(), "own", GROUP);
    check_owner(procedure, inherits, "inherited", 4321);
}

void made_touches(uint32_t procedure)
{
    nfs_fh3 *directory = make_directory(here(), "directory", 0755);
    fattr3 before = attributes_of(directory);
    STATUS(make_one(procedure, directory, "new", with_mode(0700)), NFS3_OK);
    fattr3 after = attributes_of(directory);
    CHECK(compare_time(&after.mtime, &before.mtime) >= 0);
    CHECK(compare_time(&after.ctime, &before.ctime) > 0);
    CHECK(compare_time(&after.mtime, &after.ctime) == 0);
    CHECK_EQUAL(after.nlink, before.nlink + (procedure == NFS3_MKDIR));
}

/* Until one fails; then it fails with NOSPC, and leaves nothing of it. */
void made_fills(uint32_t procedure)
{
    if (suite_lacks(!suite_options.small, "no --small export is given")) {
        return;
    }
    nfs_fh3 *root = mount_export(suite_options.small);
    CHECK(root != NULL);
    nfs_fh3 *directory = make_directory(root, "full", 0777);
    int status = NFS3_OK;
    unsigned made = 0;
    char name[NAME_MAX_USUAL + 1];
    while (status == NFS3_OK && made < FILL_CALLS_MAX) {
        (void)snprintf(name, sizeof name, "%0200u", made);
        status = (int)make_one(procedure, directory, name, with_mode(0700))->status;
        made += status == NFS3_OK;
    }
    bool was_left = status != NFS3_OK && exists(directory, name);
    for (unsigned i = 0; i < made; i++) {
        (void)snprintf(name, sizeof name, "%0200u", i);
        STATUS(procedure == NFS3_MKDIR ? call_rmdir(directory, name) : call_remove(directory, name),
               NFS3_OK);
    }
    STATUS(call_rmdir(root, "full"), NFS3_OK);
    check_status(status, NFS3ERR_NOSPC, __FILE__, __LINE__);
    CHECK(!was_left);
}
