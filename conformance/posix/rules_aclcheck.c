/*
 * Rules of how access control lists are evaluated: owner, named users, groups by the mask, others.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "conformance/posix/acl_value.h"
#include "conformance/posix/attempt.h"

static const struct who root = {0};

/* "file" with a list, of root and its group. */
static void make_listed(struct place *place, const char *text)
{
    make_file(place, "file", 0600, "#!/bin/true\n");
    MUST(acl_set(place, "file", acl_access, text));
}

static int reads(struct place *place, const struct who *who)
{
    return try_open(place, who, "file", O_RDONLY);
}

static int writes(struct place *place, const struct who *who)
{
    return try_open(place, who, "file", O_WRONLY);
}

static void named_user_reads(struct place *place)
{
    make_listed(place, "u::rw-,u:A:r--,g::---,m::rwx,o::---");
    EQUAL(reads(place, &user_a), 0);
    EQUAL(writes(place, &user_a), EACCES);
    EQUAL(reads(place, &user_b), EACCES);
}

static void named_user_writes(struct place *place)
{
    make_listed(place, "u::rw-,u:A:-w-,g::---,m::rwx,o::---");
    EQUAL(try_append(place, &user_a, "file"), 0);
    EQUAL(try_truncate(place, &user_a, "file", 0), 0);
    EQUAL(reads(place, &user_a), EACCES);
}

static void named_user_executes(struct place *place)
{
    make_listed(place, "u::rw-,u:A:--x,g::---,m::rwx,o::---");
    EQUAL(try_execute(place, &user_a, "file"), 0);
    EQUAL(try_execute(place, &user_b, "file"), EACCES);
}

static void named_user_is_shut_out(struct place *place)
{
    make_listed(place, "u::rw-,u:A:---,g::---,m::rwx,o::rwx");
    EQUAL(reads(place, &user_a), EACCES);
    EQUAL(reads(place, &user_b), 0);
}

static void named_user_before_groups(struct place *place)
{
    make_listed(place, "u::rw-,u:A:r--,g::---,g:A:rw-,m::rwx,o::---");
    EQUAL(reads(place, &user_a), 0);
    EQUAL(writes(place, &user_a), EACCES);
}

static void owner_before_named_user(struct place *place)
{
    make_listed(place, "u::---,u:A:rw-,g::---,m::rwx,o::rwx");
    MUST(fchownat(place->fd, "file", USER_A, (gid_t)-1, 0));
    EQUAL(reads(place, &user_a), EACCES);
}

static void mask_limits_named_user(struct place *place)
{
    make_listed(place, "u::rw-,u:A:rwx,g::---,m::r--,o::---");
    EQUAL(reads(place, &user_a), 0);
    EQUAL(writes(place, &user_a), EACCES);
    EQUAL(try_execute(place, &user_a, "file"), EACCES);
}

static void mask_limits_named_group(struct place *place)
{
    make_listed(place, "u::rw-,g::---,g:A:rw-,m::r--,o::rwx");
    EQUAL(reads(place, &user_a), 0);
    EQUAL(writes(place, &user_a), EACCES);
}

static void mask_limits_owning_group(struct place *place)
{
    make_listed(place, "u::rw-,g::rw-,m::-w-,o::rwx");
    MUST(fchownat(place->fd, "file", 0, GROUP_A, 0));
    EQUAL(writes(place, &user_a), 0);
    EQUAL(reads(place, &user_a), EACCES);
}

static void mask_leaves_owner_and_other(struct place *place)
{
    make_listed(place, "u::rw-,u:B:---,g::---,m::---,o::rw-");
    EQUAL(writes(place, &user_a), 0);
    MUST(fchownat(place->fd, "file", USER_A, GROUP_A, 0));
    EQUAL(writes(place, &user_a), 0);
}

static void chmod_shuts_out(struct place *place)
{
    make_listed(place, "u::rw-,u:A:rw-,g::---,m::rw-,o::---");
    EQUAL(writes(place, &user_a), 0);
    MUST(fchmodat(place->fd, "file", 0600, 0));
    EQUAL(reads(place, &user_a), EACCES);
    MUST(fchmodat(place->fd, "file", 0640, 0));
    EQUAL(reads(place, &user_a), 0);
    EQUAL(writes(place, &user_a), EACCES);
}

static void mode_bits_are_the_mask(struct place *place)
{
    make_listed(place, "u::rw-,u:A:rw-,g::---,m::rw-,o::---");
    EQUAL(mode_of(place, "file"), 0660);
    MUST(fchownat(place->fd, "file", 0, GROUP_B, 0));
    EQUAL(reads(place, &user_b), EACCES);
}

static void named_group(struct place *place)
{
    make_listed(place, "u::rw-,g::---,g:A:r--,m::rwx,o::---");
    EQUAL(reads(place, &user_a), 0);
    EQUAL(reads(place, &user_b), EACCES);
}

static void supplementary_group(struct place *place)
{
    make_listed(place, "u::rw-,g::---,g:C:rw-,m::rwx,o::---");
    EQUAL(writes(place, &member_a), 0);
    EQUAL(writes(place, &member_b), 0);
    EQUAL(writes(place, &user_a), EACCES);
}

static void any_group_is_enough(struct place *place)
{
    make_listed(place, "u::rw-,g::---,g:A:---,g:C:rw-,m::rwx,o::---");
    EQUAL(writes(place, &member_a), 0);
    EQUAL(writes(place, &user_a), EACCES);
}

static void groups_do_not_add_up(struct place *place)
{
    make_listed(place, "u::rw-,g::---,g:A:r--,g:C:-w-,m::rwx,o::---");
    EQUAL(reads(place, &member_a), 0);
    EQUAL(writes(place, &member_a), 0);
    EQUAL(try_open(place, &member_a, "file", O_RDWR), EACCES);
}

static void owning_group_beside_named(struct place *place)
{
    make_listed(place, "u::rw-,g::---,g:A:r--,m::rwx,o::---");
    MUST(fchownat(place->fd, "file", 0, GROUP_C, 0));
    EQUAL(reads(place, &member_a), 0);
    EQUAL(reads(place, &member_b), EACCES);
}

static void group_is_not_other(struct place *place)
{
    make_listed(place, "u::rw-,g::---,g:A:---,m::rwx,o::rw-");
    EQUAL(reads(place, &user_a), EACCES);
    EQUAL(reads(place, &user_b), 0);
}

static void other_class(struct place *place)
{
    make_listed(place, "u::rw-,u:A:---,g::---,m::rwx,o::r--");
    EQUAL(reads(place, &user_b), 0);
    EQUAL(writes(place, &user_b), EACCES);
}

static void access_agrees(struct place *place)
{
    make_listed(place, "u::rw-,u:A:r-x,g::---,g:C:-w-,m::rw-,o::---");
    EQUAL(try_access(place, &user_a, "file", R_OK), 0);
    EQUAL(try_access(place, &user_a, "file", W_OK), EACCES);
    EQUAL(try_access(place, &user_a, "file", X_OK), EACCES);
    EQUAL(try_access(place, &member_b, "file", W_OK), 0);
    EQUAL(try_access(place, &user_b, "file", W_OK), EACCES);
}

static void root_reads_and_writes(struct place *place)
{
    make_listed(place, "u::---,u:A:---,g::---,m::---,o::---");
    EQUAL(try_open(place, &root, "file", O_RDWR), 0);
}

static void removed_is_not_asked(struct place *place)
{
    make_listed(place, "u::rw-,u:A:rw-,g::---,m::rw-,o::---");
    EQUAL(reads(place, &user_a), 0);
    MUST(acl_remove(place, "file", acl_access));
    EQUAL(reads(place, &user_a), EACCES);
}

static void replaced_is_not_asked(struct place *place)
{
    make_listed(place, "u::rw-,u:A:rw-,g::---,m::rw-,o::---");
    EQUAL(reads(place, &user_a), 0);
    MUST(acl_set(place, "file", acl_access, "u::rw-,u:B:rw-,g::---,m::rw-,o::---"));
    EQUAL(reads(place, &user_a), EACCES);
    EQUAL(reads(place, &user_b), 0);
}

static void owner_change_moves_rights(struct place *place)
{
    make_listed(place, "u::rw-,u:A:r--,g::---,m::rw-,o::---");
    EQUAL(writes(place, &user_a), EACCES);
    MUST(fchownat(place->fd, "file", USER_A, (gid_t)-1, 0));
    EQUAL(writes(place, &user_a), 0);
}

/* ---- directories ----------------------------------------------------------------------------- */

static void named_user_searches(struct place *place)
{
    make_dir(place, "dir", 0700);
    make_file(place, "dir/file", 0666, NULL);
    MUST(acl_set(place, "dir", acl_access, "u::rwx,u:A:--x,g::---,m::rwx,o::---"));
    EQUAL(try_open(place, &user_a, "dir/file", O_RDWR), 0);
    EQUAL(try_list(place, &user_a, "dir"), EACCES);
    EQUAL(try_stat(place, &user_b, "dir/file"), EACCES);
}

static void named_user_lists(struct place *place)
{
    make_dir(place, "dir", 0700);
    MUST(acl_set(place, "dir", acl_access, "u::rwx,u:A:r--,g::---,m::rwx,o::---"));
    EQUAL(try_list(place, &user_a, "dir"), 0);
    EQUAL(try_chdir(place, &user_a, "dir"), EACCES);
}

static void named_group_makes_and_removes(struct place *place)
{
    make_dir(place, "dir", 0700);
    MUST(acl_set(place, "dir", acl_access, "u::rwx,g::---,g:C:rwx,m::rwx,o::---"));
    EQUAL(try_create(place, &member_a, "dir/file", 0600), 0);
    EQUAL(try_rename(place, &member_b, "dir/file", "dir/other"), 0);
    EQUAL(try_unlink(place, &member_b, "dir/other"), 0);
    EQUAL(try_create(place, &user_a, "dir/file", 0600), EACCES);
}

static void mask_limits_directory(struct place *place)
{
    make_dir(place, "dir", 0700);
    MUST(acl_set(place, "dir", acl_access, "u::rwx,u:A:rwx,g::---,m::r-x,o::---"));
    EQUAL(try_list(place, &user_a, "dir"), 0);
    EQUAL(try_create(place, &user_a, "dir/file", 0600), EACCES);
}

static void sticky_counts_beside_list(struct place *place)
{
    make_dir(place, "dir", 01700);
    MUST(acl_set(place, "dir", acl_access, "u::rwx,u:A:rwx,g::---,m::rwx,o::---"));
    make_file_of(place, "dir/b", 0666, USER_B, GROUP_B);
    EQUAL(try_unlink(place, &user_a, "dir/b"), EPERM);
    EQUAL(try_create(place, &user_a, "dir/a", 0600), 0);
    EQUAL(try_unlink(place, &user_a, "dir/a"), 0);
}

static void times_by_named_writer(struct place *place)
{
    make_listed(place, "u::rw-,u:A:-w-,g::---,m::rwx,o::---");
    EQUAL(try_utimens(place, &user_a, "file", NULL), 0);
    EQUAL(try_utimens(place, &user_b, "file", NULL), EACCES);
}

static const struct rule rules[] = {
    {"named-user-reads", "a named user reads by the own entry", "acl(5) ACCESS CHECK",
     named_user_reads},
    {"named-user-writes", "and writes and truncates by it", "acl(5) ACCESS CHECK",
     named_user_writes},
    {"named-user-executes", "and executes by it", "acl(5) ACCESS CHECK", named_user_executes},
    {"named-user-is-shut-out", "and is shut out by it where others are not", "acl(5) ACCESS CHECK",
     named_user_is_shut_out},
    {"named-user-before-groups", "a named user gets nothing by a group", "acl(5) ACCESS CHECK",
     named_user_before_groups},
    {"owner-before-named-user", "the owner gets nothing by a name", "acl(5) ACCESS CHECK",
     owner_before_named_user},
    {"mask-limits-named-user", "the mask limits named users", "acl(5) ACCESS CHECK",
     mask_limits_named_user},
    {"mask-limits-named-group", "and named groups", "acl(5) ACCESS CHECK", mask_limits_named_group},
    {"mask-limits-owning-group", "and the owning group", "acl(5) ACCESS CHECK",
     mask_limits_owning_group},
    {"mask-leaves-owner-and-other", "but neither owner nor others", "acl(5) ACCESS CHECK",
     mask_leaves_owner_and_other},
    {"chmod-shuts-out", "chmod's group bits limit who is named", "acl(5) CORRESPONDENCE",
     chmod_shuts_out},
    {"mode-bits-are-the-mask", "the mode's group bits give the owning group nothing",
     "acl(5) CORRESPONDENCE", mode_bits_are_the_mask},
    {"named-group", "a named group's members read by its entry", "acl(5) ACCESS CHECK",
     named_group},
    {"supplementary-group", "also supplementary ones", "acl(5), credentials(7)",
     supplementary_group},
    {"any-group-is-enough", "one entry that grants is enough, though another does not",
     "acl(5) ACCESS CHECK", any_group_is_enough},
    {"groups-do-not-add-up", "but one entry must grant all", "acl(5) ACCESS CHECK",
     groups_do_not_add_up},
    {"owning-group-beside-named", "the owning group is one of them", "acl(5) ACCESS CHECK",
     owning_group_beside_named},
    {"group-is-not-other", "who is in a group gets nothing as one of the others",
     "acl(5) ACCESS CHECK", group_is_not_other},
    {"other-class", "all others have the others' entry", "acl(5) ACCESS CHECK", other_class},
    {"access-agrees", "access(2) says the same", "acl(5), POSIX access", access_agrees},
    {"root-reads-and-writes", "root needs no entry", "capabilities(7) CAP_DAC_OVERRIDE",
     root_reads_and_writes},
    {"removed-is-not-asked", "a removed list grants nothing", "acl(5)", removed_is_not_asked},
    {"replaced-is-not-asked", "nor does a replaced one", "acl(5)", replaced_is_not_asked},
    {"owner-change-moves-rights", "a new owner has the owner's entry", "acl(5), chown(2)",
     owner_change_moves_rights},
    {"named-user-searches", "x for a named user finds names in a directory", "acl(5) ACCESS CHECK",
     named_user_searches},
    {"named-user-lists", "r lists them", "acl(5) ACCESS CHECK", named_user_lists},
    {"named-group-makes-and-removes", "w for a named group makes, renames and removes",
     "acl(5) ACCESS CHECK", named_group_makes_and_removes},
    {"mask-limits-directory", "the mask limits a directory's too", "acl(5) ACCESS CHECK",
     mask_limits_directory},
    {"sticky-counts-beside-list", "a sticky directory protects also from who is named",
     "acl(5), inode(7)", sticky_counts_beside_list},
    {"times-by-named-writer", "a named writer sets times to now", "acl(5), POSIX utimensat",
     times_by_named_writer},
};

const struct subject subject_aclcheck = {"aclcheck", rules, sizeof rules / sizeof rules[0]};
