/*
 * One call, attempted by another user: 0, or the errno that came. Rules about permissions consist
 * of these.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_CONFORMANCE_POSIX_ATTEMPT_H
#define TRIVET_CONFORMANCE_POSIX_ATTEMPT_H

#include "conformance/posix/posix.h"

struct who {
    uid_t uid;
    gid_t gid;
    gid_t groups[2]; /* supplementary */
    size_t count;
};

extern const struct who user_a;   /* USER_A, GROUP_A */
extern const struct who user_b;   /* USER_B, GROUP_B */
extern const struct who member_a; /* user_a who is in GROUP_C too */
extern const struct who member_b; /* user_b who is in GROUP_C too */

/* Names are relative to the place; none of these follows more than its call does. */
int try_open(struct place *place, const struct who *who, const char *name, int flags);
/* open with O_CREAT | O_EXCL and this mode. */
int try_create(struct place *place, const struct who *who, const char *name, mode_t mode);
/* Open for appending and write one byte. */
int try_append(struct place *place, const struct who *who, const char *name);
int try_truncate(struct place *place, const struct who *who, const char *name, off_t size);
int try_mkdir(struct place *place, const struct who *who, const char *name, mode_t mode);
int try_mkfifo(struct place *place, const struct who *who, const char *name, mode_t mode);
int try_symlink(struct place *place, const struct who *who, const char *name);
int try_link(struct place *place, const struct who *who, const char *from, const char *to);
int try_unlink(struct place *place, const struct who *who, const char *name);
int try_rmdir(struct place *place, const struct who *who, const char *name);
int try_rename(struct place *place, const struct who *who, const char *from, const char *to);
int try_exchange(struct place *place, const struct who *who, const char *from, const char *to);
int try_chmod(struct place *place, const struct who *who, const char *name, mode_t mode);
/* Not following a link. */
int try_chown(struct place *place, const struct who *who, const char *name, uid_t uid, gid_t gid);
int try_utimens(struct place *place, const struct who *who, const char *name,
                const struct timespec times[2]);
int try_access(struct place *place, const struct who *who, const char *name, int mode);
int try_stat(struct place *place, const struct who *who, const char *name);
int try_readlink(struct place *place, const struct who *who, const char *name);
/* Open a directory and read it to its end. */
int try_list(struct place *place, const struct who *who, const char *name);
int try_chdir(struct place *place, const struct who *who, const char *name);
/* Execute a file made by make_program; 0 if it ran. */
int try_execute(struct place *place, const struct who *who, const char *name);
int try_setxattr(struct place *place, const struct who *who, const char *name,
                 const char *attribute, const void *value, size_t size);
int try_getxattr(struct place *place, const struct who *who, const char *name,
                 const char *attribute);
int try_removexattr(struct place *place, const struct who *who, const char *name,
                    const char *attribute);

/* A script that ends well at once; readable or not, it can be executed where x is granted. */
void make_program(const struct place *place, const char *name, mode_t mode);
/* A file or directory with an owner. */
void make_file_of(const struct place *place, const char *name, mode_t mode, uid_t uid, gid_t gid);
void make_dir_of(const struct place *place, const char *name, mode_t mode, uid_t uid, gid_t gid);
/* The absolute path of a name, for calls without a directory's descriptor. One of eight buffers
 * in turn. */
const char *path_of(const struct place *place, const char *name);
/* Mode without the type. */
mode_t mode_of(const struct place *place, const char *name);

#endif
