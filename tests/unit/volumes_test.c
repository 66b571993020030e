/*
 * Volume definitions: what a user may ask for, and JSON there and back.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/base/errors.h"
#include "mgmt/members.h"
#include "mgmt/volumes.h"

static void names_are_checked(void)
{
    struct refusal why;
    static const char *const good[] = {"gv0", "A", "_x", "a-b.c_9", "0"};
    static const char *const bad[] = {"", "-a", ".a", "a/b", "a b", "\xc3\xa4", "a%", "a\n", "a:b"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CU_ASSERT(volume_name_check(good[i], &why) == 0);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT(volume_name_check(bad[i], &why) == -EINVAL);
    }
    char name[VOLUME_NAME_MAX + 2];
    memset(name, 'n', sizeof(name));
    name[VOLUME_NAME_MAX + 1] = '\0';
    CU_ASSERT(volume_name_check(name, &why) == -EINVAL);
    name[VOLUME_NAME_MAX] = '\0';
    CU_ASSERT(volume_name_check(name, &why) == 0);
}

static void expect_brick(const char *text, const char *host, const char *path)
{
    struct brick_definition brick;
    struct refusal why;
    CU_ASSERT_FATAL(brick_parse(text, &brick, &why) == 0);
    CU_ASSERT_STRING_EQUAL(brick.host, host);
    CU_ASSERT_STRING_EQUAL(brick.path, path);
}

static void bricks_are_parsed(void)
{
    expect_brick("localhost:/b/1", "localhost", "/b/1");
    expect_brick("127.0.0.1:/b//1/./x/", "127.0.0.1", "/b/1/x");
    expect_brick("[::1]:/b", "::1", "/b");
    expect_brick("host:/with:/colon and blank", "host", "/with:/colon and blank");
    static const char *const bad[] = {
        "",     "/b",      "host",    "host:b",  ":/b",   "::1:/b", "[]:/b", "a b:/b",    "h:/",
        "h://", "h:/../b", "h:/a/..", "h:/a\nb", "-h:/b", "h;x:/b", "[:/b",  "h:/a/../b",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct brick_definition brick;
        struct refusal why = {""};
        CU_ASSERT(brick_parse(bad[i], &brick, &why) == -EINVAL);
        CU_ASSERT(why.text[0] != '\0');
    }
    char text[PATH_SIZE_MAX + 10];
    memset(text, 'p', sizeof(text));
    memcpy(text, "h:/", 3);
    text[sizeof(text) - 1] = '\0';
    struct brick_definition brick;
    struct refusal why;
    CU_ASSERT(brick_parse(text, &brick, &why) == -EINVAL);
    text[PATH_SIZE_MAX + 2] = '\0';
    CU_ASSERT(brick_parse(text, &brick, &why) == 0);
}

static struct volume_definition sample(const char *name, const char *one, const char *two,
                                       const char *three)
{
    struct volume_definition definition = {
        .replica = 3, .min_insync = MIN_INSYNC_DEFAULT, .brick_count = 3};
    const char *const paths[] = {one, two, three};
    strcpy(definition.name, name);
    memset(definition.id.bytes, 0xa5, VOLUME_ID_SIZE);
    memset(definition.handle_key, 0x5a, VOLUME_KEY_SIZE);
    for (uint32_t i = 0; i < 3; i++) {
        definition.bricks[i].number = i;
        definition.bricks[i].port = 49152 + i;
        definition.bricks[i].disk_id = UINT64_MAX - i;
        strcpy(definition.bricks[i].host, "localhost");
        strcpy(definition.bricks[i].path, paths[i]);
    }
    return definition;
}

static void definitions_are_checked(void)
{
    struct refusal why;
    struct volume_definition definition = sample("v", "/a", "/ab", "/c");
    CU_ASSERT(volume_definition_check(&definition, &why) == 0);
    definition.replica = 2;
    CU_ASSERT(volume_definition_check(&definition, &why) == -EINVAL);
    definition.replica = 3;
    definition.brick_count = 2;
    CU_ASSERT(volume_definition_check(&definition, &why) == -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "multiple"));
    definition.brick_count = 6;
    CU_ASSERT(volume_definition_check(&definition, &why) == -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "one is supported"));
    definition = sample("v", "/a", "/b", "/c");
    for (definition.min_insync = 1; definition.min_insync <= 3; definition.min_insync++) {
        CU_ASSERT(volume_definition_check(&definition, &why) == 0);
    }
    CU_ASSERT(volume_definition_check(&definition, &why) == -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "1 to 3"));
    definition.min_insync = 0;
    CU_ASSERT(volume_definition_check(&definition, &why) == -EINVAL);
    definition = sample("v", "/a", "/b", "/a");
    CU_ASSERT(volume_definition_check(&definition, &why) == -EINVAL);
    definition = sample("v", "/a/b", "/b", "/a");
    CU_ASSERT(volume_definition_check(&definition, &why) == -EINVAL);
}

static void volumes_do_not_share_bricks(void)
{
    struct refusal why;
    struct volume_definition one = sample("v", "/a", "/b", "/c");
    struct volume_definition other = sample("w", "/d", "/e", "/f");
    CU_ASSERT(volume_definitions_compare(&one, &other, &why) == 0);
    other = sample("w", "/d", "/e", "/b/x");
    CU_ASSERT(volume_definitions_compare(&one, &other, &why) == -EEXIST);
    CU_ASSERT(volume_definitions_compare(&other, &one, &why) == -EEXIST);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, "/b/x"));
}

static void json_brings_back_the_definition(void)
{
    struct volume_definition definition = sample("gv0", "/a \"x\"", "/b", "/c");
    definition.started = true;
    definition.min_insync = 3;
    json_t *json = volume_definition_to_json(&definition);
    struct volume_definition read = {.version = 9};
    CU_ASSERT_FATAL(volume_definition_from_json(json, &read) == 0);
    CU_ASSERT(read.version == 0);
    CU_ASSERT(memcmp(&read, &definition, sizeof(read)) == 0);
    /* Written before there was this option. */
    json_object_clear(json_object_get(json, "options"));
    CU_ASSERT(volume_definition_from_json(json, &read) == 0 && read.min_insync == 2);
    json_decref(json);
}

/* Goal: whatever is missing or of another kind is refused. Method: take out and replace each
 * member, and each member of a brick. */
static void damaged_json_is_refused(void)
{
    struct volume_definition definition = sample("gv0", "/a", "/b", "/c");
    static const char *const members[] = {"format",  "name",    "id",     "handle_key",
                                          "replica", "started", "bricks", "options"};
    static const char *const brick_members[] = {"number", "host", "path", "port", "disk_id"};
    struct volume_definition read;
    for (size_t i = 0; i < 2 * 8; i++) {
        json_t *json = volume_definition_to_json(&definition);
        if (i < 8) {
            json_object_del(json, members[i]);
        } else {
            json_object_set_new(json, members[i - 8], json_real(1.5));
        }
        CU_ASSERT(volume_definition_from_json(json, &read) == -E_CORRUPT);
        json_decref(json);
    }
    for (int min_insync = -1; min_insync <= 4; min_insync++) {
        json_t *json = volume_definition_to_json(&definition);
        json_object_set_new(json_object_get(json, "options"), "min-insync",
                            json_integer(min_insync));
        bool is_good = min_insync >= 1 && min_insync <= 3;
        CU_ASSERT(volume_definition_from_json(json, &read) == (is_good ? 0 : -E_CORRUPT));
        json_decref(json);
    }
    for (size_t i = 0; i < 2 * 5; i++) {
        json_t *json = volume_definition_to_json(&definition);
        json_t *brick = json_array_get(json_object_get(json, "bricks"), 1);
        if (i < 5) {
            json_object_del(brick, brick_members[i]);
        } else {
            json_object_set_new(brick, brick_members[i - 5], json_integer(-1));
        }
        CU_ASSERT(volume_definition_from_json(json, &read) == -E_CORRUPT);
        json_decref(json);
    }
}

static void ids_are_text_and_back(void)
{
    struct volume_id id;
    struct volume_id back;
    char text[VOLUME_ID_TEXT_SIZE];
    for (int i = 0; i < VOLUME_ID_SIZE; i++) {
        id.bytes[i] = (uint8_t)(i * 17);
    }
    volume_id_to_text(&id, text);
    CU_ASSERT_STRING_EQUAL(text, "00112233-4455-6677-8899-aabbccddeeff");
    CU_ASSERT(volume_id_from_text(text, &back) == 0);
    CU_ASSERT(memcmp(&id, &back, sizeof(id)) == 0);
    text[8] = '0';
    CU_ASSERT(volume_id_from_text(text, &back) == -EINVAL);
    CU_ASSERT(volume_id_from_text("", &back) == -EINVAL);
    CU_ASSERT(volume_id_from_text("0011223G-4455-6677-8899-aabbccddeeff", &back) == -EINVAL);
}

static void hosts_are_of_this_machine(void)
{
    struct refusal why;
    CU_ASSERT(member_check_host("localhost", &why) == 0);
    CU_ASSERT(member_check_host("127.0.0.1", &why) == 0);
    CU_ASSERT(member_check_host("127.9.9.9", &why) == 0);
    CU_ASSERT(member_check_host("::1", &why) == 0);
    /* TEST-NET-1 of RFC 5737: nobody's. */
    CU_ASSERT(member_check_host("192.0.2.1", &why) == -EXDEV);
    CU_ASSERT(member_check_host("no host has blanks", &why) == -EHOSTUNREACH);
}

#define TEST(function)                                                                             \
    {                                                                                              \
#function, function                                                                        \
    }

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(names_are_checked),
        TEST(bricks_are_parsed),
        TEST(definitions_are_checked),
        TEST(volumes_do_not_share_bricks),
        TEST(json_brings_back_the_definition),
        TEST(damaged_json_is_refused),
        TEST(ids_are_text_and_back),
        TEST(hosts_are_of_this_machine),
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"volumes", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
        return 1;
    }
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
