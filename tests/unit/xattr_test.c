/*
 * The packed record of extended attributes.
 *
 * Method: random changes beside a table that a child could keep, and records that somebody
 * damaged.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <stdio.h>
#include "backend/base/errors.h"
#include "backend/base/random.h"
#include "backend/proto/attr.h"
#include "backend/proto/xattr.h"

#define NAMES 8

static const char *const names[NAMES] = {"user.a",     "user.ab",        XATTR_CAPABILITY,
                                         "trusted.z",  XATTR_ACL_ACCESS, XATTR_ACL_DEFAULT,
                                         "security.x", "user.b"};

static uint8_t record[XATTRS_SIZE_MAX];
static uint8_t changed[XATTRS_SIZE_MAX];
static size_t size;

static int change(const char *name, const void *value, size_t value_size)
{
    const struct slice bytes = slice_of(value, value_size);
    size_t out = 0;
    int result = xattrs_change(slice_of(record, size), slice_text(name), value ? &bytes : NULL,
                               changed, sizeof changed, &out);
    if (!result) {
        memcpy(record, changed, out);
        size = out;
    }
    return result;
}

static void names_have_classes(void)
{
    static const struct {
        const char *name;
        enum xattr_class class;
        bool bare;
    } table[] = {
        {"user.a", XATTR_CLASS_USER, false},
        {"user.", XATTR_CLASS_USER, true},
        {"user.a.", XATTR_CLASS_USER, false},
        {"user", XATTR_CLASS_NONE, false},
        {"users.a", XATTR_CLASS_NONE, false},
        {"trusted.overlay.opaque", XATTR_CLASS_TRUSTED, false},
        {"trusted.trivet.gfid", XATTR_CLASS_OWN, false},
        {"trusted.trivetx", XATTR_CLASS_TRUSTED, false},
        {"security.selinux", XATTR_CLASS_SECURITY, false},
        {"system.posix_acl_access", XATTR_CLASS_ACL_ACCESS, false},
        {"system.posix_acl_default", XATTR_CLASS_ACL_DEFAULT, false},
        {"system.nfs4_acl", XATTR_CLASS_NONE, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        CU_ASSERT_EQUAL(xattr_class_of(slice_text(table[i].name)), table[i].class);
        CU_ASSERT_EQUAL(xattr_name_is_bare(slice_text(table[i].name)), table[i].bare);
        CU_ASSERT_EQUAL(xattr_name_check(slice_text(table[i].name)), 0);
    }
    char longest[XATTR_NAME_MAX_SIZE + 1];
    memset(longest, 'u', sizeof longest);
    CU_ASSERT_EQUAL(xattr_name_check(slice_of(longest, sizeof longest)), -ERANGE);
    CU_ASSERT_EQUAL(xattr_name_check(slice_of(longest, sizeof longest - 1)), 0);
    CU_ASSERT_EQUAL(xattr_name_check(slice_text("")), -ERANGE);
    CU_ASSERT_EQUAL(xattr_name_check(slice_of("user.a\0b", 8)), -EINVAL);
}

static void a_record_is_what_was_put(void)
{
    struct random_sequence random;
    uint8_t values[NAMES][64];
    int sizes[NAMES];
    struct slice found;
    random_sequence_init(&random, 3);
    size = 0;
    memset(sizes, -1, sizeof sizes);
    for (int i = 0; i < 20000; i++) {
        size_t n = random_sequence_below(&random, NAMES);
        if (random_sequence_below(&random, 2)) {
            sizes[n] = (int)random_sequence_below(&random, 64);
            random_sequence_bytes(&random, values[n], (size_t)sizes[n]);
            CU_ASSERT_EQUAL_FATAL(change(names[n], values[n], (size_t)sizes[n]), 0);
        } else {
            sizes[n] = -1;
            CU_ASSERT_EQUAL_FATAL(change(names[n], NULL, 0), 0);
        }
        uint32_t flags = 0;
        size_t listed = 0;
        size_t there = 0;
        for (n = 0; n < NAMES; n++) {
            int result = xattrs_find(slice_of(record, size), slice_text(names[n]), &found);
            CU_ASSERT_EQUAL_FATAL(result, sizes[n] < 0 ? -ENODATA : 0);
            there += sizes[n] < 0 ? 0 : strlen(names[n]) + 1;
            CU_ASSERT_FATAL(result || slice_equal(found, slice_of(values[n], (size_t)sizes[n])));
        }
        CU_ASSERT_EQUAL_FATAL(xattrs_flags(slice_of(record, size), &flags), 0);
        CU_ASSERT_EQUAL(!(flags & ATTR_HAS_ACL), sizes[4] < 0);
        CU_ASSERT_EQUAL(!(flags & ATTR_HAS_DEFAULT_ACL), sizes[5] < 0);
        CU_ASSERT_EQUAL(!(flags & ATTR_HAS_CAPABILITY), sizes[2] < 0);
        CU_ASSERT_EQUAL(xattrs_list(slice_of(record, size), NULL, 0, &listed), 0);
        CU_ASSERT_EQUAL_FATAL(listed, there);
        CU_ASSERT_EQUAL(size == 0, there == 0);
    }
}

static void equal_attributes_are_equal_bytes(void)
{
    uint8_t first[256];
    size = 0;
    CU_ASSERT_EQUAL(change("user.b", "2", 1), 0);
    CU_ASSERT_EQUAL(change("user.a", "1", 1), 0);
    CU_ASSERT_EQUAL(change("user.ab", "", 0), 0);
    memcpy(first, record, size);
    size_t first_size = size;
    size = 0;
    CU_ASSERT_EQUAL(change("user.ab", "", 0), 0);
    CU_ASSERT_EQUAL(change("user.a", "0", 1), 0);
    CU_ASSERT_EQUAL(change("user.b", "2", 1), 0);
    CU_ASSERT_EQUAL(change("user.a", "1", 1), 0);
    CU_ASSERT(slice_equal(slice_of(first, first_size), slice_of(record, size)));
    uint8_t list[64];
    size_t listed;
    CU_ASSERT_EQUAL(xattrs_list(slice_of(record, size), list, sizeof list, &listed), 0);
    CU_ASSERT(slice_equal(slice_of(list, listed), slice_of("user.a\0user.ab\0user.b", 22)));
    CU_ASSERT_EQUAL(xattrs_list(slice_of(record, size), list, 21, &listed), -ERANGE);
    CU_ASSERT_EQUAL(listed, 22);
}

static void there_is_a_largest_record(void)
{
    static uint8_t large[XATTR_VALUE_MAX];
    size = 0;
    CU_ASSERT_EQUAL(change("user.large", large, sizeof large), 0);
    CU_ASSERT_EQUAL(change("user.more", large, 5000), -ENOSPC);
    CU_ASSERT_EQUAL(change("user.more", large, 3000), 0);
    CU_ASSERT_EQUAL(change("user.large", large, 10), 0);
    CU_ASSERT_EQUAL(change("user.yet", large, 5000), 0);
}

static void damage_is_noticed(void)
{
    struct random_sequence random;
    uint32_t bad = 0;
    random_sequence_init(&random, 5);
    for (int i = 0; i < 100000; i++) {
        uint8_t copy[64];
        struct slice found;
        uint32_t flags;
        size_t out;
        size = 0;
        CU_ASSERT_EQUAL_FATAL(change("user.b", "12345", 5), 0);
        CU_ASSERT_EQUAL_FATAL(change("user.a", "1", 1), 0);
        size_t at = random_sequence_below(&random, size);
        record[at] ^= (uint8_t)(1U << random_sequence_below(&random, 8));
        size_t cut =
            random_sequence_below(&random, 4) ? size : random_sequence_below(&random, size + 1);
        memcpy(copy, record, cut); /* so that a sanitizer sees a step too far */
        struct slice damaged = slice_of(copy, cut);
        bad += xattrs_flags(damaged, &flags) == -E_CORRUPT;
        (void)xattrs_find(damaged, slice_text("user.c"), &found);
        (void)xattrs_list(damaged, changed, sizeof changed, &out);
        (void)xattrs_change(damaged, slice_text("user.c"), NULL, changed, sizeof changed, &out);
    }
    CU_ASSERT(bad > 1000);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("extended attributes", NULL, NULL);
    CU_ADD_TEST(suite, names_have_classes);
    CU_ADD_TEST(suite, a_record_is_what_was_put);
    CU_ADD_TEST(suite, equal_attributes_are_equal_bytes);
    CU_ADD_TEST(suite, there_is_a_largest_record);
    CU_ADD_TEST(suite, damage_is_noticed);
    CU_basic_run_tests();
    unsigned int failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
