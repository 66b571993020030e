/*
 * The kernel's word.
 *
 * Goal: modes, ACLs, extended attributes, refusals and access are what Linux makes of the same
 * calls by the same users on a file system of its own, so that a native client's kernel, NFS and
 * the brick's tree agree.
 * Method: random calls from a seed, each by some user on a local file or directory and on a store
 * in memory; after each of them everything is compared.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "backend/base/check.h"
#include "backend/proto/acl.h"
#include "backend/proto/xattr.h"
#include "tests/lib/acl_sample.h"
#include "tests/lib/store_fixture.h"

#define STEPS 3000
#define IDS 5

static struct store_fixture fixture;
static struct random_sequence random_numbers;
static struct gfid root_directory; /* stands for the local directory that all is in */
static char last[128];             /* what was done last, for messages */

/* What is changed: a file and a directory, here and there under the same name. */
struct pair {
    const char *name;
    struct gfid gfid;
};
static struct pair pairs[2];

static uint64_t below(uint64_t end)
{
    return random_sequence_below(&random_numbers, end);
}

/* ---- users --------------------------------------------------------------------------------- */

static struct cred random_cred(void)
{
    struct cred cred = {.uid = (uint32_t)below(IDS), .gid = (uint32_t)below(IDS)};
    cred.group_count = (uint32_t)below(3);
    for (uint32_t i = 0; i < cred.group_count; i++) {
        cred.groups[i] = (uint32_t)below(IDS);
    }
    return cred;
}

/* This thread acts for the user from now on; only the raw calls are for a thread. Its real ids stay
 * root's, to come back. */
static void become(const struct cred *cred)
{
    gid_t groups[CRED_GROUPS_MAX];
    for (uint32_t i = 0; i < cred->group_count; i++) {
        groups[i] = cred->groups[i];
    }
    INVARIANT(syscall(SYS_setgroups, (long)cred->group_count, groups) == 0);
    INVARIANT(syscall(SYS_setresgid, -1, cred->gid, -1) == 0);
    INVARIANT(syscall(SYS_setresuid, -1, cred->uid, -1) == 0);
}

static void come_back(void)
{
    INVARIANT(syscall(SYS_setresuid, -1, 0, -1) == 0);
    INVARIANT(syscall(SYS_setresgid, -1, 0, -1) == 0);
    INVARIANT(syscall(SYS_setgroups, 0L, NULL) == 0);
}

/* ---- comparing ----------------------------------------------------------------------------- */

static bool differs(const struct pair *pair, const char *what, long long ours, long long kernels)
{
    if (ours == kernels) {
        return false;
    }
    printf("%s after %s: %s: %llo, the kernel says %llo\n", pair->name, last, what, ours, kernels);
    return true;
}

static bool xattr_differs(const struct pair *pair, const char *name)
{
    uint8_t ours[ACL_SIZE_MAX];
    uint8_t kernels[ACL_SIZE_MAX];
    size_t size = 0;
    ssize_t got = getxattr(pair->name, name, kernels, sizeof kernels);
    int result =
        store_getxattr(fixture.stores[0], &pair->gfid, slice_text(name), ours, sizeof ours, &size);
    if (got < 0) {
        return differs(pair, name, result, -errno);
    }
    return differs(pair, name, result ? result : (long long)size, got) ||
           differs(pair, name, 0, memcmp(ours, kernels, size));
}

static bool access_differs(const struct pair *pair, const struct attr *attr)
{
    const struct cred cred = random_cred();
    uint32_t rights = 0;
    uint32_t kernels = 0;
    INVARIANT(store_rights(fixture.stores[0], attr, &cred, &rights) == 0);
    become(&cred);
    kernels |= faccessat(AT_FDCWD, pair->name, R_OK, AT_EACCESS) == 0 ? 4 : 0;
    kernels |= faccessat(AT_FDCWD, pair->name, W_OK, AT_EACCESS) == 0 ? 2 : 0;
    kernels |= faccessat(AT_FDCWD, pair->name, X_OK, AT_EACCESS) == 0 ? 1 : 0;
    come_back();
    return differs(pair, "access", rights, kernels);
}

static bool pair_differs(const struct pair *pair)
{
    static const char *const names[] = {XATTR_ACL_ACCESS, XATTR_ACL_DEFAULT, XATTR_CAPABILITY,
                                        "user.a", "user.b"};
    struct attr attr;
    struct stat status;
    INVARIANT(store_getattr(fixture.stores[0], &pair->gfid, &attr) == 0);
    INVARIANT(lstat(pair->name, &status) == 0);
    bool bad = differs(pair, "mode", attr.mode, status.st_mode & 07777) ||
               differs(pair, "uid", attr.uid, status.st_uid) ||
               differs(pair, "gid", attr.gid, status.st_gid);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        bad = bad || xattr_differs(pair, names[i]);
    }
    for (int i = 0; i < 4 && !strchr(pair->name, '/'); i++) { /* there, others' rights come first */
        bad = bad || access_differs(pair, &attr);
    }
    return bad;
}

/* ---- calls --------------------------------------------------------------------------------- */

static int wish(const struct cred *cred, struct mutation mutation, struct gfid *out_gfid)
{
    static const uint8_t byte[1] = {7};
    struct operation operation;
    mutation.cred = *cred;
    struct slice bulk = slice_of(byte, mutation.kind == MUTATION_WRITE ? 1 : 0);
    int result = fixture_mutate(&fixture, &mutation, bulk, &operation);
    if (out_gfid) {
        *out_gfid = operation.object.gfid;
    }
    return result;
}

static void say(const char *what, const struct cred *cred, unsigned int with)
{
    (void)snprintf(last, sizeof last, "%s %o by %u.%u+%u(%u,%u)", what, with, cred->uid, cred->gid,
                   cred->group_count, cred->groups[0], cred->groups[1]);
}

static int from_errno(long result)
{
    return result < 0 ? -errno : 0;
}

static bool try_setxattr(const struct pair *pair, const struct cred *cred)
{
    static const char *const names[] = {XATTR_ACL_ACCESS,  XATTR_ACL_ACCESS, XATTR_ACL_ACCESS,
                                        XATTR_ACL_DEFAULT, "user.a",         "user.b",
                                        XATTR_CAPABILITY,  "user."};
    static const uint8_t capability[20] = {1, 0, 0, 2, 0, 0x20};
    const char *name = names[below(8)];
    uint8_t value[ACL_SIZE_MAX] = {0};
    size_t size = below(20);
    if (strncmp(name, "system.", 7) == 0) {
        size = acl_random(&random_numbers, value);
    } else if (strcmp(name, XATTR_CAPABILITY) == 0) {
        size = sizeof capability;
        memcpy(value, capability, size);
    }
    bool removes = below(4) == 0;
    unsigned int flags = below(6) ? 0 : (unsigned int)below(3);
    say(removes ? "removexattr" : "setxattr", cred, flags);
    (void)strncat(last, name, sizeof last - strlen(last) - 1);
    become(cred);
    int kernels = from_errno(removes ? removexattr(pair->name, name)
                                     : setxattr(pair->name, name, value, size, (int)flags));
    come_back();
    int ours = wish(cred,
                    (struct mutation){.kind = removes ? MUTATION_REMOVEXATTR : MUTATION_SETXATTR,
                                      .object = pair->gfid,
                                      .xattr = slice_text(name),
                                      .value = slice_of(value, removes ? 0 : size),
                                      .xattr_flags = flags},
                    NULL);
    if (size % 8 != 4 && kernels == -EINVAL && ours < 0 && ours != -EINVAL) {
        return false; /* no ACL at all: the kernel sees that before it sees who asks */
    }
    return differs(pair, "result", -ours, -kernels);
}

static bool try_chmod(const struct pair *pair, const struct cred *cred)
{
    uint32_t mode = (uint32_t)below(010000);
    say("chmod", cred, mode);
    become(cred);
    int kernels = from_errno(chmod(pair->name, mode));
    come_back();
    const struct attr_change change = {.mask = ATTR_MODE, .mode = mode};
    int ours = wish(cred, wish_setattr(pair->gfid, change), NULL);
    return differs(pair, "result", -ours, -kernels);
}

static bool try_chown(const struct pair *pair, const struct cred *cred)
{
    uint32_t uid = (uint32_t)below(IDS);
    uint32_t gid = (uint32_t)below(IDS);
    bool with_uid = below(2);
    say("chown", cred, with_uid ? uid * 8 + gid : gid);
    become(cred);
    int kernels = from_errno(chown(pair->name, with_uid ? uid : (uid_t)-1, gid));
    come_back();
    const struct attr_change change = {
        .mask = ATTR_GID | (with_uid ? ATTR_UID : 0), .uid = uid, .gid = gid};
    int ours = wish(cred, wish_setattr(pair->gfid, change), NULL);
    return differs(pair, "result", -ours, -kernels);
}

/* By a descriptor that is open already: whoever writes, may. */
static bool try_write(const struct pair *pair, const struct cred *cred)
{
    struct attr attr;
    if (pair != &pairs[0]) {
        return false;
    }
    bool truncates = below(2);
    say(truncates ? "ftruncate" : "write", cred, 0);
    int fd = open(pair->name, O_WRONLY);
    INVARIANT(fd >= 0);
    become(cred);
    int kernels = from_errno(truncates ? ftruncate(fd, 5) : pwrite(fd, "\7", 1, 0));
    come_back();
    (void)close(fd);
    INVARIANT(store_getattr(fixture.stores[0], &pair->gfid, &attr) == 0);
    struct cred checked = *cred;
    checked.flags = CRED_CHECKED | (cred->uid ? CRED_KILLS_PRIVILEGE : 0);
    if ((attr.mode & (S_ISGID | S_IXGRP)) == S_ISGID && !cred_has_group(cred, attr.gid)) {
        /* Mandatory locking, once: who is no member loses it. A native client's kernel says no more
         * than that privilege goes. */
        const struct attr_change keep = {.mask = ATTR_MODE, .mode = attr.mode & 05777};
        const struct cred root = {.uid = 0};
        if (cred->uid) {
            INVARIANT(wish(&root, wish_setattr(pair->gfid, keep), NULL) == 0);
        }
    }
    const struct attr_change change = {.mask = ATTR_SIZE, .size = 5};
    int ours =
        wish(&checked, truncates ? wish_setattr(pair->gfid, change) : wish_write(pair->gfid, 0, 1),
             NULL);
    return differs(pair, "result", -ours, -kernels);
}

/* Something new in the directory; it is compared, and goes again. */
static bool try_make(const struct pair *pair, const struct cred *cred)
{
    static const char path[] = "d/new";
    bool directory = below(2);
    uint32_t mode = (uint32_t)below(directory ? 02000 : 010000) & (directory ? 01777U : 07777U);
    uint32_t mask = (uint32_t)below(01000);
    struct pair made = {.name = path};
    say(directory ? "mkdir" : "create", cred, mode);
    mode_t old = umask(mask);
    become(cred);
    int fd = directory ? mkdir(path, mode) : open(path, O_CREAT | O_EXCL | O_RDONLY, mode);
    int kernels = from_errno(fd);
    come_back();
    (void)umask(old);
    if (!directory && fd >= 0) {
        (void)close(fd);
    }
    struct mutation make =
        wish_make(pairs[1].gfid, "new", directory ? OBJECT_DIRECTORY : OBJECT_FILE, mode);
    make.umask = mask;
    int ours = wish(cred, make, &made.gfid);
    bool bad = differs(pair, "result", -ours, -kernels);
    if (!bad && !ours) {
        const struct cred root = {.uid = 0};
        bad = pair_differs(&made);
        INVARIANT((directory ? rmdir(path) : unlink(path)) == 0);
        INVARIANT(wish(&root, wish_remove(pairs[1].gfid, "new", directory), NULL) == 0);
    }
    return bad;
}

static bool step(void)
{
    static bool (*const calls[])(const struct pair *, const struct cred *) = {
        try_setxattr, try_setxattr, try_setxattr, try_chmod, try_chown, try_write, try_make};
    const struct pair *pair = &pairs[below(2)];
    const struct cred cred = random_cred();
    return calls[below(sizeof calls / sizeof calls[0])](pair, &cred) || pair_differs(&pairs[0]) ||
           pair_differs(&pairs[1]);
}

/* tmpfs takes setgid with the removal of an ACL, which neither XFS nor ext4 does. */
static bool has_acls(const char *name)
{
    struct statfs file_system;
    uint8_t acl[ACL_SIZE_MAX];
    size_t size = acl_text("u::rwx,u:1:r--,g::r-x,m::r-x,o::---", acl);
    return statfs(".", &file_system) == 0 && file_system.f_type != TMPFS_MAGIC &&
           setxattr(name, XATTR_ACL_ACCESS, acl, size, 0) == 0 &&
           removexattr(name, XATTR_ACL_ACCESS) == 0 && chmod(name, 0755) == 0;
}

static void store_and_kernel_agree(void)
{
    char path[64];
    temporary_directory(path);
    CU_ASSERT_EQUAL_FATAL(chdir(path), 0);
    (void)umask(0);
    CU_ASSERT_EQUAL_FATAL(chmod(".", 0755), 0);
    int fd = open("f", O_CREAT | O_RDWR, 0755);
    CU_ASSERT_EQUAL_FATAL(fd < 0 || mkdir("d", 0755), 0);
    (void)close(fd);
    if (!has_acls("d")) {
        printf("skipped: the file system of %s has no ACLs as XFS and ext4 have them ", path);
    } else {
        store_fixture_open(&fixture, 0, 1);
        root_directory = GFID_ROOT;
        pairs[0] = (struct pair){"f", fixture_make(&fixture, root_directory, "f", OBJECT_FILE)};
        pairs[1] =
            (struct pair){"d", fixture_make(&fixture, root_directory, "d", OBJECT_DIRECTORY)};
        int done = 0;
        while (done < STEPS && !step()) {
            done++;
        }
        CU_ASSERT_EQUAL(done, STEPS);
        store_fixture_close(&fixture);
    }
    CU_ASSERT_EQUAL(chdir("/"), 0);
    remove_tree(path);
}

int main(void)
{
    uint64_t seed = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 10) : 1;
    random_sequence_init(&random_numbers, seed);
    printf("SEED=%llu\n", (unsigned long long)seed);
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("ACLs, as the kernel has them", NULL, NULL);
    CU_ADD_TEST(suite, store_and_kernel_agree);
    CU_basic_run_tests();
    unsigned int failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
