/*
 * Code to nfsstat3, per procedure. RFC 1813 section 3.3 lists for each procedure the errors that
 * its clients expect, "not intended to be the definitive statement of all of the errors"; the table
 * below is that list and, under "also", what is added to it because clients make the right errno of
 * it and nothing on the list would. NFS3ERR_JUKEBOX ("try again later", section 2.6) goes with all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "frontends/nfs3/nfs3_status.h"

#include "backend/base/errors.h"

/* nfsstat3's values as bits of a word: up to 31 as they are, those from 10001 from 40 on. */
#define BIT_(value)                                                                                \
    ((value) <= 31      ? (value)                                                                  \
     : (value) >= 10001 ? (value)-10001 + 40                                                       \
     : (value) == 63    ? 33                                                                       \
     : (value) == 66    ? 34                                                                       \
     : (value) == 69    ? 35                                                                       \
     : (value) == 70    ? 36                                                                       \
                        : 37)
#define BIT(name) (UINT64_C(1) << BIT_(NFS3ERR_##name))

#define ANY (UINT64_C(1) | BIT(IO) | BIT(STALE) | BIT(BADHANDLE) | BIT(SERVERFAULT) | BIT(JUKEBOX))
#define DIRECTORY_CHANGE (BIT(ACCES) | BIT(NOTDIR) | BIT(NAMETOOLONG) | BIT(ROFS))
#define MAKE (DIRECTORY_CHANGE | BIT(EXIST) | BIT(NOSPC) | BIT(DQUOT) | BIT(NOTSUPP))

static const struct {
    uint64_t listed;
    uint64_t also;
} allowed[] = {
    [NFS3_NULL] = {0, 0},
    [NFS3_GETATTR] = {0, 0},
    /* A size beyond what a file can have. */
    [NFS3_SETATTR] = {BIT(PERM) | BIT(ACCES) | BIT(INVAL) | BIT(NOSPC) | BIT(ROFS) | BIT(DQUOT) |
                          BIT(NOT_SYNC),
                      BIT(FBIG)},
    [NFS3_LOOKUP] = {BIT(NOENT) | BIT(ACCES) | BIT(NOTDIR) | BIT(NAMETOOLONG), 0},
    [NFS3_ACCESS] = {0, 0},
    [NFS3_READLINK] = {BIT(INVAL) | BIT(ACCES) | BIT(NOTSUPP), 0},
    [NFS3_READ] = {BIT(NXIO) | BIT(ACCES) | BIT(INVAL), BIT(ISDIR)},
    [NFS3_WRITE] = {BIT(ACCES) | BIT(FBIG) | BIT(DQUOT) | BIT(NOSPC) | BIT(ROFS) | BIT(INVAL),
                    BIT(PERM)},
    /* Attributes that cannot be set come with what is made. */
    [NFS3_CREATE] = {MAKE, BIT(INVAL) | BIT(PERM) | BIT(ISDIR) | BIT(FBIG)},
    [NFS3_MKDIR] = {MAKE, BIT(INVAL) | BIT(PERM) | BIT(MLINK)},
    [NFS3_SYMLINK] = {MAKE, BIT(INVAL) | BIT(PERM)},
    [NFS3_MKNOD] = {MAKE | BIT(BADTYPE), BIT(INVAL) | BIT(PERM)},
    /* "." and "..", directories, other people's files in a sticky directory. */
    [NFS3_REMOVE] = {DIRECTORY_CHANGE | BIT(NOENT), BIT(INVAL) | BIT(ISDIR) | BIT(PERM)},
    [NFS3_RMDIR] = {DIRECTORY_CHANGE | BIT(NOENT) | BIT(INVAL) | BIT(EXIST) | BIT(NOTEMPTY) |
                        BIT(NOTSUPP),
                    BIT(PERM)},
    [NFS3_RENAME] = {MAKE | BIT(NOENT) | BIT(XDEV) | BIT(ISDIR) | BIT(INVAL) | BIT(MLINK) |
                         BIT(NOTEMPTY),
                     BIT(PERM)},
    [NFS3_LINK] = {MAKE | BIT(XDEV) | BIT(INVAL) | BIT(MLINK), 0},
    [NFS3_READDIR] = {BIT(ACCES) | BIT(NOTDIR) | BIT(BAD_COOKIE) | BIT(TOOSMALL), 0},
    [NFS3_READDIRPLUS] = {BIT(ACCES) | BIT(NOTDIR) | BIT(BAD_COOKIE) | BIT(TOOSMALL) | BIT(NOTSUPP),
                          0},
    [NFS3_FSSTAT] = {0, 0},
    [NFS3_FSINFO] = {0, 0},
    [NFS3_PATHCONF] = {0, 0},
    /* A range beyond what a file can have. */
    [NFS3_COMMIT] = {0, BIT(INVAL)},
};

#define CHOICES 4

/* The first choice that the procedure may answer with. */
static const struct {
    int code;
    enum nfsstat3 choices[CHOICES]; /* 0 ends them */
} mapping[] = {
    {EPERM, {NFS3ERR_PERM, NFS3ERR_ACCES}},
    {ENOENT, {NFS3ERR_NOENT, NFS3ERR_STALE}}, /* no name involved: the object itself is gone */
    {ESTALE, {NFS3ERR_STALE}},
    {EIO, {NFS3ERR_IO}},
    {ENXIO, {NFS3ERR_NXIO}},
    {EACCES, {NFS3ERR_ACCES, NFS3ERR_PERM}},
    {EEXIST, {NFS3ERR_EXIST}},
    {EXDEV, {NFS3ERR_XDEV}},
    {ENOTDIR, {NFS3ERR_NOTDIR, NFS3ERR_INVAL}},
    {EISDIR, {NFS3ERR_ISDIR, NFS3ERR_INVAL}},
    {EINVAL, {NFS3ERR_INVAL}},
    {ELOOP,
     {NFS3ERR_INVAL, NFS3ERR_NOTDIR}}, /* an object that is a symlink where it may not be one */
    {EOVERFLOW, {NFS3ERR_FBIG, NFS3ERR_INVAL}},
    {EFBIG, {NFS3ERR_FBIG, NFS3ERR_INVAL}},
    {ENOSPC, {NFS3ERR_NOSPC}},
    {EROFS, {NFS3ERR_ROFS, NFS3ERR_ACCES}},
    {EMLINK, {NFS3ERR_MLINK, NFS3ERR_NOSPC}},
    {ENAMETOOLONG, {NFS3ERR_NAMETOOLONG}},
    {ENOTEMPTY, {NFS3ERR_NOTEMPTY, NFS3ERR_EXIST}},
    {EDQUOT, {NFS3ERR_DQUOT, NFS3ERR_NOSPC}},
    {EOPNOTSUPP, {NFS3ERR_NOTSUPP, NFS3ERR_INVAL}},
    {ENOSYS, {NFS3ERR_NOTSUPP, NFS3ERR_INVAL}},
    {EBUSY, {NFS3ERR_ACCES}}, /* the root, or a directory with a rename under way */
    {ENOBUFS, {NFS3ERR_TOOSMALL, NFS3ERR_JUKEBOX}},
    {E_BAD_COOKIE, {NFS3ERR_BAD_COOKIE}},
    {E_GUARD_FAILED, {NFS3ERR_NOT_SYNC}},
    {E_BAD_HANDLE, {NFS3ERR_BADHANDLE}},
    {E_WRONG_VOLUME, {NFS3ERR_STALE}},
    {E_UNKNOWN_VOLUME, {NFS3ERR_STALE}},
    {E_BAD_MESSAGE, {NFS3ERR_SERVERFAULT}},
    {E_BAD_PROTOCOL, {NFS3ERR_SERVERFAULT}},
    /* Whether it took effect is not known, and the client would ask again as if it had not. */
    {ETIMEDOUT, {NFS3ERR_IO}},
    /* What passes when the client asks again. */
    {EAGAIN, {NFS3ERR_JUKEBOX}},
    {EINTR, {NFS3ERR_JUKEBOX}},
    {ENOMEM, {NFS3ERR_JUKEBOX}},
    {E_NOT_PRIMARY, {NFS3ERR_JUKEBOX}},
    {E_OLD_VIEW, {NFS3ERR_JUKEBOX}},
    {E_NEW_VIEW, {NFS3ERR_JUKEBOX}},
    {E_NO_QUORUM, {NFS3ERR_JUKEBOX}},
    {E_NOT_SETTLED, {NFS3ERR_JUKEBOX}},
    {E_LEASE_EXPIRED, {NFS3ERR_JUKEBOX}},
    {E_VOLUME_STOPPED, {NFS3ERR_JUKEBOX}},
    {E_CONNECTION_LOST, {NFS3ERR_JUKEBOX}},
    {E_OVERLOADED, {NFS3ERR_JUKEBOX}},
};

bool nfs3_status_is_allowed(uint32_t procedure, enum nfsstat3 status)
{
    if (procedure >= sizeof allowed / sizeof allowed[0]) {
        return false;
    }
    uint64_t set = ANY | allowed[procedure].listed | allowed[procedure].also;
    return set >> BIT_((int)status) & 1;
}

enum nfsstat3 nfs3_status(uint32_t procedure, int code)
{
    if (code == 0) {
        return NFS3_OK;
    }
    for (size_t i = 0; i < sizeof mapping / sizeof mapping[0]; i++) {
        if (mapping[i].code != -code) {
            continue;
        }
        for (size_t j = 0; j < CHOICES && mapping[i].choices[j] != NFS3_OK; j++) {
            if (nfs3_status_is_allowed(procedure, mapping[i].choices[j])) {
                return mapping[i].choices[j];
            }
        }
    }
    return NFS3ERR_IO;
}
