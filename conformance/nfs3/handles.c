/*
 * What holds for every procedure: bad and stale handles, read-only exports; and for all that take a
 * name: directories that are none or may not be used, and names that are none.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include "conformance/nfs3/nfs3.h"

#define HANDLE_SIZE_MAX 64
#define STRANGER 1234

static int status_of(void *result)
{
    nfsstat3 status;
    memcpy(&status, result, sizeof status);
    return (int)status;
}

int call_with(uint32_t procedure, nfs_fh3 *handle, const char *name)
{
    sattr3 *change = with_mode(0755);
    switch (procedure) {
    case NFS3_GETATTR:
        return status_of(call_getattr(handle));
    case NFS3_SETATTR:
        return status_of(call_setattr(handle, change, NULL));
    case NFS3_LOOKUP:
        return status_of(call_lookup(handle, name));
    case NFS3_ACCESS:
        return status_of(call_access(handle, ACCESS3_READ));
    case NFS3_READLINK:
        return status_of(call_readlink(handle));
    case NFS3_READ:
        return status_of(call_read(handle, 0, 10));
    case NFS3_WRITE:
        return status_of(call_write(handle, 0, "x", 1, FILE_SYNC));
    case NFS3_CREATE:
        return status_of(call_create(handle, name, UNCHECKED, change));
    case NFS3_MKDIR:
        return status_of(call_mkdir(handle, name, change));
    case NFS3_SYMLINK:
        return status_of(call_symlink(handle, name, "target", NULL));
    case NFS3_MKNOD:
        return status_of(call_mknod(handle, name, NF3FIFO, change, 0, 0));
    case NFS3_REMOVE:
        return status_of(call_remove(handle, name));
    case NFS3_RMDIR:
        return status_of(call_rmdir(handle, name));
    case NFS3_RENAME:
        return status_of(call_rename(handle, name, handle, "renamed"));
    case NFS3_LINK:
        return status_of(call_link(make_file(here(), "to-link", 0644), handle, name));
    case NFS3_READDIR:
        return status_of(call_readdir(handle, 0, NULL, 4096));
    case NFS3_READDIRPLUS:
        return status_of(call_readdirplus(handle, 0, NULL, 1024, 4096));
    case NFS3_FSSTAT:
        return status_of(call_fsstat(handle));
    case NFS3_FSINFO:
        return status_of(call_fsinfo(handle));
    case NFS3_PATHCONF:
        return status_of(call_pathconf(handle));
    default:
        return status_of(call_commit(handle, 0, 0));
    }
}

#define WANT(status, wanted) check_status((status), (wanted), __FILE__, __LINE__)

/* RFC 1813 section 2.6: it "failed internal consistency checks". Empty, far too short, and bytes
 * that nobody made. */
void check_bad_handle(uint32_t procedure)
{
    char bytes[HANDLE_SIZE_MAX];
    memset(bytes, 0xa5, sizeof bytes);
    static const uint32_t sizes[] = {0, 1, 7, HANDLE_SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        nfs_fh3 bad = {{.data_len = sizes[i], .data_val = bytes}};
        int status = call_with(procedure, &bad, "name");
        suite_check(status == NFS3ERR_BADHANDLE, __FILE__, __LINE__,
                    "a handle of %u bytes is answered by %s", sizes[i], status_name(status));
        if (procedure == NFS3_LINK) {
            STATUS(call_remove(here(), "to-link"), NFS3_OK);
        }
    }
}

static bool is_of_directory(uint32_t procedure)
{
    return procedure == NFS3_LOOKUP || (procedure >= NFS3_CREATE && procedure <= NFS3_READDIRPLUS);
}

void check_stale(uint32_t procedure)
{
    nfs_fh3 *gone;
    if (is_of_directory(procedure)) {
        gone = make_directory(here(), "gone", 0755);
        STATUS(call_rmdir(here(), "gone"), NFS3_OK);
    } else if (procedure == NFS3_READLINK) {
        gone = make_symlink(here(), "gone", "target");
        STATUS(call_remove(here(), "gone"), NFS3_OK);
    } else {
        gone = make_file(here(), "gone", 0644);
        STATUS(call_remove(here(), "gone"), NFS3_OK);
    }
    WANT(call_with(procedure, gone, "name"), NFS3ERR_STALE);
}

void check_read_only(uint32_t procedure)
{
    if (suite_lacks(!suite_options.read_only, "no --read-only export is given")) {
        return;
    }
    nfs_fh3 *root = mount_export(suite_options.read_only);
    CHECK(root != NULL);
    if (procedure == NFS3_LINK) {
        /* Of a file of the export itself: the directory is the only one that there surely is. */
        WANT(status_of(call_link(root, root, "name")), NFS3ERR_ROFS);
        return;
    }
    WANT(call_with(procedure, root, "name"), NFS3ERR_ROFS);
}

void check_not_directory(uint32_t procedure)
{
    WANT(call_with(procedure, make_file(here(), "file", 0644), "name"), NFS3ERR_NOTDIR);
    WANT(call_with(procedure, make_symlink(here(), "link", "."), "name"), NFS3ERR_NOTDIR);
}

void check_no_search(uint32_t procedure)
{
    nfs_fh3 *directory = make_directory(here(), "directory", 0755);
    (void)make_file(directory, "name", 0666);
    STATUS(call_setattr(directory, with_mode(0766), NULL), NFS3_OK);
    as_user(STRANGER, STRANGER);
    WANT(call_with(procedure, directory, "name"), NFS3ERR_ACCES);
}

void check_no_write(uint32_t procedure)
{
    nfs_fh3 *directory = make_directory(here(), "directory", 0755);
    bool needs_name = procedure >= NFS3_REMOVE && procedure <= NFS3_RENAME;
    if (needs_name && procedure == NFS3_RMDIR) {
        (void)make_directory(directory, "name", 0777);
    } else if (needs_name) {
        (void)make_file(directory, "name", 0666);
    }
    as_user(STRANGER, STRANGER);
    fattr3 before = attributes_of(directory);
    WANT(call_with(procedure, directory, "name"), NFS3ERR_ACCES);
    fattr3 after = attributes_of(directory);
    check_same(&before, &after);
    CHECK(exists(directory, "name") == needs_name);
}

void check_long_name(uint32_t procedure)
{
    WANT(call_with(procedure, here(), long_name(NAME_MAX_USUAL + 1)), NFS3ERR_NAMETOOLONG);
}

/* RFC 1813 section 3.2 leaves the status open; a name must not come of it. */
void check_empty_name(uint32_t procedure)
{
    int status = call_with(procedure, here(), "");
    suite_check(status == NFS3ERR_ACCES || status == NFS3ERR_INVAL || status == NFS3ERR_NOENT,
                __FILE__, __LINE__, "an empty name is answered by %s", status_name(status));
}
