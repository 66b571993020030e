/*
 * ACLs by themselves: what is one, what modes it stands for, what is inherited, whom it lets in.
 *
 * Method: the examples of acl(5) and of its rules as tables; any bytes at random. That the kernel
 * agrees is tests/unit/acl_local_test.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <stdio.h>
#include "tests/lib/acl_sample.h"

static uint8_t room[ACL_SIZE_MAX];

static struct slice acl_of(const char *text)
{
    static uint8_t bytes[ACL_SIZE_MAX];
    return slice_of(bytes, acl_text(text, bytes));
}

static bool is_text(struct slice acl, const char *text)
{
    uint8_t bytes[ACL_SIZE_MAX];
    return slice_equal(acl, slice_of(bytes, acl_text(text, bytes)));
}

static void only_acls_are_taken(void)
{
    static const struct {
        const char *text;
        int result;
    } table[] = {
        {"u::rwx,g::r-x,o::---", 0},
        {"u::rwx,g::r-x,m::r--,o::---", 0},
        {"u::rwx,u:5:r--,g::r-x,m::rwx,o::---", 0},
        {"u::rwx,u:7:r--,u:5:r--,u:7:---,g::r-x,g:1:---,g:0:rwx,m::rwx,o::---", 0},
        {"u::rwx,u:5:r--,g::r-x,o::---", -EINVAL},                 /* no mask */
        {"u::rwx,g::r-x,u:5:r--,m::rwx,o::---", -EINVAL},          /* out of order */
        {"g::r-x,u::rwx,o::---", -EINVAL},                         /* out of order */
        {"u::rwx,g::r-x,o::---,o::---", -EINVAL},                  /* twice */
        {"u::rwx,u::rwx,g::r-x,o::---", -EINVAL},                  /* twice */
        {"u::rwx,g::r-x", -EINVAL},                                /* no others */
        {"u::rwx,o::r-x", -EINVAL},                                /* no group */
        {"u::rwx,u:4294967295:r--,g::r-x,m::rwx,o::---", -EINVAL}, /* nobody */
        {"", 0},
    };
    size_t size = 1;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        int result = acl_canonical(acl_of(table[i].text), room, &size);
        if (result != table[i].result) {
            printf("%s: %d\n", table[i].text, result);
        }
        CU_ASSERT_EQUAL(result, table[i].result);
        CU_ASSERT(result ||
                  (table[i].text[0] ? is_text(slice_of(room, size), table[i].text) : size == 0));
    }
    uint8_t bytes[ACL_SIZE_MAX + 8] = {0};
    memcpy(bytes, acl_of("u::rwx,g::r-x,o::---").data, 28);
    CU_ASSERT_EQUAL(acl_canonical(slice_of(bytes, 27), room, &size), -EINVAL);
    CU_ASSERT_EQUAL(acl_canonical(slice_of(bytes, 3), room, &size), -EINVAL);
    CU_ASSERT_EQUAL(acl_canonical(slice_of(bytes, sizeof bytes), room, &size), -E2BIG);
    bytes[8] = 5; /* an id where there is none */
    CU_ASSERT_EQUAL(acl_canonical(slice_of(bytes, 28), room, &size), 0);
    CU_ASSERT(is_text(slice_of(room, size), "u::rwx,g::r-x,o::---"));
    bytes[6] = 8; /* no such permission */
    CU_ASSERT_EQUAL(acl_canonical(slice_of(bytes, 28), room, &size), -EINVAL);
    bytes[0] = 3;
    CU_ASSERT_EQUAL(acl_canonical(slice_of(bytes, 28), room, &size), -EOPNOTSUPP);
    CU_ASSERT_EQUAL(acl_canonical(slice_of(NULL, 0), room, &size), 0);
    CU_ASSERT_EQUAL(size, 0);
}

static void modes_and_acls_follow_each_other(void)
{
    struct slice acl = acl_of("u::rwx,u:5:rw-,g::r-x,m::-w-,o::--x");
    CU_ASSERT_EQUAL(acl_mode(acl), 0721);
    CU_ASSERT_FALSE(acl_is_mode(acl));
    acl_chmod(acl, 06654, room);
    CU_ASSERT(is_text(slice_of(room, acl.size), "u::rw-,u:5:rw-,g::r-x,m::r-x,o::r--"));
    acl = acl_of("u::rwx,g::r-x,o::--x");
    CU_ASSERT_EQUAL(acl_mode(acl), 0751);
    CU_ASSERT(acl_is_mode(acl));
    acl_chmod(acl, 0020, room);
    CU_ASSERT(is_text(slice_of(room, acl.size), "u::---,g::-w-,o::---"));
    CU_ASSERT_FALSE(acl_is_mode(acl_of("u::rwx,g::r-x,m::rwx,o::--x")));
}

static void what_is_made_inherits(void)
{
    uint32_t mode = 04664;
    struct slice acl = acl_of("u::rwx,u:5:rwx,g::r-x,m::rwx,o::r-x");
    CU_ASSERT(acl_inherit(acl, &mode, room));
    CU_ASSERT_EQUAL(mode, 04664);
    CU_ASSERT(is_text(slice_of(room, acl.size), "u::rw-,u:5:rwx,g::r-x,m::rw-,o::r--"));
    mode = 0777;
    acl = acl_of("u::rw-,u:5:rwx,g::rwx,m::r--,o::---");
    CU_ASSERT(acl_inherit(acl, &mode, room));
    CU_ASSERT_EQUAL(mode, 0640);
    mode = 0666;
    acl = acl_of("u::rwx,g::r-x,o::---");
    CU_ASSERT_FALSE(acl_inherit(acl, &mode, room));
    CU_ASSERT_EQUAL(mode, 0640);
}

static void the_first_entry_that_is_for_somebody_counts(void)
{
    static const char text[] = "u::rwx,u:5:rw-,u:6:-wx,g::r--,g:30:-w-,g:31:rw-,m::rw-,o::rwx";
    static const struct {
        struct cred cred;
        uint32_t want;
        bool may;
    } table[] = {
        {{.uid = 1, .gid = 99}, 7, true}, /* the owner */
        {{.uid = 5, .gid = 99}, 6, true}, /* named */
        {{.uid = 5, .gid = 99}, 1, false},
        {{.uid = 6, .gid = 99}, 2, true},
        {{.uid = 6, .gid = 99}, 1, false}, /* masked */
        {{.uid = 6, .gid = 31}, 4, false}, /* not as a group */
        {{.uid = 9, .gid = 2}, 4, true},   /* the group */
        {{.uid = 9, .gid = 2}, 2, false},
        {{.uid = 9, .gid = 2}, 1, false}, /* not as others */
        {{.uid = 9, .gid = 30}, 2, true},
        {{.uid = 9, .gid = 99, .group_count = 1, .groups = {30}}, 2, true},
        {{.uid = 9, .gid = 2, .group_count = 1, .groups = {30}}, 6, false}, /* no adding up */
        {{.uid = 9, .gid = 2, .group_count = 2, .groups = {30, 31}}, 6, true},
        {{.uid = 9, .gid = 99}, 7, true}, /* others */
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        bool may = acl_permits(acl_of(text), 1, 2, &table[i].cred, table[i].want);
        if (may != table[i].may) {
            printf("row %zu ", i);
        }
        CU_ASSERT_EQUAL(may, table[i].may);
    }
}

static void any_bytes_are_harmless(void)
{
    struct random_sequence random;
    random_sequence_init(&random, 7);
    const struct cred cred = {.uid = 3, .gid = 3};
    uint32_t taken = 0;
    for (int i = 0; i < 200000; i++) {
        uint8_t bytes[ACL_SIZE_MAX];
        size_t size = acl_random(&random, bytes);
        uint64_t flips = random_sequence_below(&random, 3);
        for (uint64_t n = 0; n < flips && size > 0; n++) {
            bytes[random_sequence_below(&random, size)] ^=
                (uint8_t)(1U << random_sequence_below(&random, 8));
        }
        size = random_sequence_below(&random, 5) ? size : random_sequence_below(&random, size + 1);
        struct slice acl = slice_of(bytes, size);
        uint32_t mode = 0777;
        size_t out = 0;
        uint8_t again[ACL_SIZE_MAX];
        size_t out_again = 0;
        (void)acl_permits(acl, 1, 2, &cred, 4);
        (void)acl_inherit(acl, &mode, room);
        if (acl_canonical(acl, room, &out) == 0) {
            taken++;
            CU_ASSERT_EQUAL_FATAL(acl_canonical(slice_of(room, out), again, &out_again), 0);
            CU_ASSERT_FATAL(slice_equal(slice_of(room, out), slice_of(again, out_again)));
        }
    }
    CU_ASSERT(taken > 1000 && taken < 190000);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("ACLs", NULL, NULL);
    CU_ADD_TEST(suite, only_acls_are_taken);
    CU_ADD_TEST(suite, modes_and_acls_follow_each_other);
    CU_ADD_TEST(suite, what_is_made_inherits);
    CU_ADD_TEST(suite, the_first_entry_that_is_for_somebody_counts);
    CU_ADD_TEST(suite, any_bytes_are_harmless);
    CU_basic_run_tests();
    unsigned int failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
