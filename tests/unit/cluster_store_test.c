/*
 * The cluster store, through its seam: every implementation passes the same suite. What only files
 * can suffer is tested behind it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/base/errors.h"
#include "mgmt/cluster_store.h"

static char directory[256];
static struct cluster_store *store;

/* ---- the implementation under test --------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *stat_, int type, struct FTW *ftw)
{
    (void)stat_;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int open_store(struct refusal *why)
{
    return file_store_open(directory, &store, why);
}

static void begin(void)
{
    struct refusal why;
    const char *temporary = getenv("TMPDIR");
    snprintf(directory, sizeof(directory), "%s/trivet-store-XXXXXX",
             temporary ? temporary : "/tmp");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
    CU_ASSERT_FATAL(open_store(&why) == 0);
}

static void end(void)
{
    cluster_store_close(store);
    store = NULL;
    CU_ASSERT(nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

static void reopen(void)
{
    struct refusal why;
    cluster_store_close(store);
    store = NULL;
    CU_ASSERT_FATAL(open_store(&why) == 0);
}

/* ---- helpers ------------------------------------------------------------------------------- */

static int put(const char *key, const char *value, uint64_t expected, uint64_t *out_version)
{
    return cluster_store_put_if_version(store, key, slice_text(value), expected, out_version);
}

static void expect(const char *key, const char *value, uint64_t version)
{
    char *found = NULL;
    uint64_t found_version = 0;
    CU_ASSERT_FATAL(cluster_store_get(store, key, &found, &found_version) == 0);
    CU_ASSERT_STRING_EQUAL(found, value);
    CU_ASSERT(found_version == version);
    free(found);
}

static void expect_none(const char *key)
{
    char *found = NULL;
    CU_ASSERT(cluster_store_get(store, key, &found, NULL) == -ENOENT);
    CU_ASSERT_PTR_NULL(found);
}

struct names {
    size_t count;
    char text[512];
};

static int note_name(const char *key, void *context)
{
    struct names *names = context;
    names->count++;
    strcat(names->text, key);
    strcat(names->text, " ");
    return 0;
}

/* ---- the suite ----------------------------------------------------------------------------- */

static void a_value_is_read_back_also_after_reopening(void)
{
    uint64_t version;
    CU_ASSERT(put("volume/gv0", "{\"a\": 1}\n", 0, &version) == 0);
    expect("volume/gv0", "{\"a\": 1}\n", version);
    reopen();
    expect("volume/gv0", "{\"a\": 1}\n", version);
    expect_none("volume/gv1");
}

static void a_put_needs_the_right_version(void)
{
    uint64_t first;
    uint64_t second;
    CU_ASSERT(put("k", "one", 7, NULL) == -E_VERSION_CONFLICT);
    expect_none("k");
    CU_ASSERT(put("k", "one", 0, &first) == 0);
    CU_ASSERT(put("k", "two", 0, NULL) == -E_VERSION_CONFLICT);
    CU_ASSERT(put("k", "two", first + 1, NULL) == -E_VERSION_CONFLICT);
    expect("k", "one", first);
    CU_ASSERT(put("k", "two", first, &second) == 0);
    CU_ASSERT(second > first);
    CU_ASSERT(put("k", "three", first, NULL) == -E_VERSION_CONFLICT);
    expect("k", "two", second);
}

static void a_delete_needs_the_right_version(void)
{
    uint64_t version;
    CU_ASSERT(cluster_store_delete_if_version(store, "k", 1) == -ENOENT);
    CU_ASSERT(put("k", "one", 0, &version) == 0);
    CU_ASSERT(cluster_store_delete_if_version(store, "k", version + 1) == -E_VERSION_CONFLICT);
    expect("k", "one", version);
    CU_ASSERT(cluster_store_delete_if_version(store, "k", version) == 0);
    expect_none("k");
    CU_ASSERT(cluster_store_delete_if_version(store, "k", version) == -ENOENT);
    reopen();
    expect_none("k");
}

static void a_version_never_comes_again(void)
{
    uint64_t before;
    uint64_t after;
    CU_ASSERT(put("k", "one", 0, &before) == 0);
    CU_ASSERT(cluster_store_delete_if_version(store, "k", before) == 0);
    reopen();
    CU_ASSERT(put("k", "two", 0, &after) == 0);
    CU_ASSERT(after > before);
    CU_ASSERT(put("k", "three", before, NULL) == -E_VERSION_CONFLICT);
}

static void keys_may_contain_anything(void)
{
    static const char *const keys[] = {".",          "..",  "../escape", "a/b/c",     ".hidden",
                                       "with space", "%2F", "A%",        "\xc3\xa4\n"};
    uint64_t versions[9];
    for (size_t i = 0; i < 9; i++) {
        CU_ASSERT(put(keys[i], keys[i], 0, &versions[i]) == 0);
    }
    reopen();
    for (size_t i = 0; i < 9; i++) {
        expect(keys[i], keys[i], versions[i]);
    }
    struct names names = {.count = 0};
    CU_ASSERT(cluster_store_list(store, "", note_name, &names) == 0);
    CU_ASSERT(names.count == 9);
}

static void keys_and_values_have_limits(void)
{
    char key[STORE_KEY_MAX + 2];
    memset(key, '/', sizeof(key));
    key[STORE_KEY_MAX + 1] = '\0';
    CU_ASSERT(put(key, "x", 0, NULL) == -EINVAL);
    expect_none(key);
    key[STORE_KEY_MAX] = '\0';
    uint64_t version;
    CU_ASSERT(put(key, "x", 0, &version) == 0);
    expect(key, "x", version);
    CU_ASSERT(put("", "x", 0, NULL) == -EINVAL);
    char *value = malloc(STORE_VALUE_MAX + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(value);
    memset(value, 'v', STORE_VALUE_MAX + 1);
    CU_ASSERT(cluster_store_put_if_version(store, "big", slice_of(value, STORE_VALUE_MAX + 1), 0,
                                           NULL) == -EFBIG);
    CU_ASSERT(cluster_store_put_if_version(store, "big", slice_of(value, STORE_VALUE_MAX), 0,
                                           &version) == 0);
    value[STORE_VALUE_MAX] = '\0';
    expect("big", value, version);
    free(value);
    CU_ASSERT(put("empty", "", 0, &version) == 0);
    expect("empty", "", version);
}

static int stop_listing(const char *key, void *context)
{
    (void)key;
    (*(int *)context)++;
    return -ECANCELED;
}

static void a_list_is_sorted_and_by_prefix(void)
{
    CU_ASSERT(put("view/b/0", "x", 0, NULL) == 0);
    CU_ASSERT(put("volume/b", "x", 0, NULL) == 0);
    CU_ASSERT(put("volume/a", "x", 0, NULL) == 0);
    struct names names = {.count = 0};
    CU_ASSERT(cluster_store_list(store, "volume/", note_name, &names) == 0);
    CU_ASSERT_STRING_EQUAL(names.text, "volume/a volume/b ");
    int calls = 0;
    CU_ASSERT(cluster_store_list(store, "v", stop_listing, &calls) == -ECANCELED);
    CU_ASSERT(calls == 1);
}

/* A callback may read, and change, the store. */
static void note_change(const char *key, void *context)
{
    char *value = NULL;
    struct names *names = context;
    if (cluster_store_get(store, key, &value, NULL) == 0) {
        strcat(names->text, value);
    } else {
        strcat(names->text, "-");
    }
    free(value);
    note_name(key, context);
}

static void a_watch_is_told_of_changes(void)
{
    struct names names = {.count = 0};
    uint64_t version;
    CU_ASSERT(cluster_store_watch(store, "view/", note_change, &names) == 0);
    CU_ASSERT(put("volume/a", "x", 0, NULL) == 0);
    CU_ASSERT(put("view/a", "1", 0, &version) == 0);
    CU_ASSERT(put("view/a", "9", 0, NULL) == -E_VERSION_CONFLICT);
    CU_ASSERT(put("view/a", "2", version, &version) == 0);
    CU_ASSERT(cluster_store_delete_if_version(store, "view/a", version) == 0);
    CU_ASSERT_STRING_EQUAL(names.text, "1view/a 2view/a -view/a ");
    for (int i = 1; i < STORE_WATCHES_MAX; i++) {
        CU_ASSERT(cluster_store_watch(store, "x", note_change, &names) == 0);
    }
    CU_ASSERT(cluster_store_watch(store, "x", note_change, &names) == -ENOSPC);
}

#define RACERS 4
#define RACES 25

static void *race(void *context)
{
    unsigned *won = context;
    while (*won < RACES) {
        char *value = NULL;
        uint64_t version = 0;
        unsigned long count = 0;
        if (cluster_store_get(store, "count", &value, &version) == 0) {
            count = strtoul(value, NULL, 10);
            free(value);
        }
        char next[32];
        snprintf(next, sizeof(next), "%lu", count + 1);
        *won += put("count", next, version, NULL) == 0;
    }
    return NULL;
}

/* Goal: no update is lost. Method: threads count up by compare-and-swap. */
static void one_of_several_wins(void)
{
    pthread_t threads[RACERS];
    unsigned won[RACERS] = {0};
    for (size_t i = 0; i < RACERS; i++) {
        CU_ASSERT_FATAL(pthread_create(&threads[i], NULL, race, &won[i]) == 0);
    }
    for (size_t i = 0; i < RACERS; i++) {
        pthread_join(threads[i], NULL);
    }
    char *value = NULL;
    CU_ASSERT_FATAL(cluster_store_get(store, "count", &value, NULL) == 0);
    CU_ASSERT(strtoul(value, NULL, 10) == RACERS * RACES);
    free(value);
}

/* ---- files only ---------------------------------------------------------------------------- */

static void file_path(const char *name, char out_path[512])
{
    snprintf(out_path, 512, "%s/%s", directory, name);
}

/* Goal: damage is refused by name, wherever it is. Method: flip each byte of a file in turn. */
static void a_damaged_file_is_refused(void)
{
    CU_ASSERT(put("volume/gv0", "some value", 0, NULL) == 0);
    char path[512];
    file_path("volume%2Fgv0", path);
    struct stat stat_;
    CU_ASSERT_FATAL(stat(path, &stat_) == 0);
    for (off_t at = 0; at < stat_.st_size; at++) {
        int fd = open(path, O_RDWR);
        char byte;
        CU_ASSERT_FATAL(fd >= 0 && pread(fd, &byte, 1, at) == 1);
        char damaged = (char)(byte ^ 0x01);
        CU_ASSERT(pwrite(fd, &damaged, 1, at) == 1);
        char *value = NULL;
        CU_ASSERT(cluster_store_get(store, "volume/gv0", &value, NULL) == -E_CORRUPT);
        free(value);
        CU_ASSERT(put("volume/gv0", "other", 1, NULL) == -E_CORRUPT);
        CU_ASSERT(pwrite(fd, &byte, 1, at) == 1);
        close(fd);
    }
    expect("volume/gv0", "some value", 1);
    CU_ASSERT(truncate(path, stat_.st_size - 1) == 0);
    cluster_store_close(store);
    store = NULL;
    struct refusal why = {""};
    CU_ASSERT(open_store(&why) == -E_CORRUPT);
    CU_ASSERT_PTR_NOT_NULL(strstr(why.text, path));
    CU_ASSERT(unlink(path) == 0);
    CU_ASSERT_FATAL(open_store(&why) == 0);
}

static void a_file_under_another_name_is_refused(void)
{
    CU_ASSERT(put("volume/gv0", "some value", 0, NULL) == 0);
    char from[512];
    char to[512];
    file_path("volume%2Fgv0", from);
    file_path("volume%2Fgv1", to);
    CU_ASSERT(rename(from, to) == 0);
    char *value = NULL;
    CU_ASSERT(cluster_store_get(store, "volume/gv1", &value, NULL) == -E_CORRUPT);
    free(value);
}

static void foreign_files_are_left_alone(void)
{
    char path[512];
    file_path("volume%2Fgv0~", path);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    CU_ASSERT_FATAL(fd >= 0);
    close(fd);
    reopen();
    struct names names = {.count = 0};
    CU_ASSERT(cluster_store_list(store, "", note_name, &names) == 0);
    CU_ASSERT(names.count == 0);
    CU_ASSERT(access(path, F_OK) == 0);
}

/* ---- all ----------------------------------------------------------------------------------- */

#define TEST(function)                                                                             \
    {                                                                                              \
#function, function                                                                        \
    }

int main(void)
{
    CU_TestInfo seam[] = {
        TEST(a_value_is_read_back_also_after_reopening),
        TEST(a_put_needs_the_right_version),
        TEST(a_delete_needs_the_right_version),
        TEST(a_version_never_comes_again),
        TEST(keys_may_contain_anything),
        TEST(keys_and_values_have_limits),
        TEST(a_list_is_sorted_and_by_prefix),
        TEST(a_watch_is_told_of_changes),
        TEST(one_of_several_wins),
        CU_TEST_INFO_NULL,
    };
    CU_TestInfo files[] = {
        TEST(a_damaged_file_is_refused),
        TEST(a_file_under_another_name_is_refused),
        TEST(foreign_files_are_left_alone),
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {
        {"cluster store", NULL, NULL, begin, end, seam},
        {"store of files", NULL, NULL, begin, end, files},
        CU_SUITE_INFO_NULL,
    };
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
        return 1;
    }
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
