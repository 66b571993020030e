/*
 * See volume_fixture.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/lib/volume_fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct volume *volume;
static char directory[64];

const struct cred root = {.uid = 0, .gid = 0};
const struct cred alice = {.uid = 1001, .gid = 100, .group_count = 1, .groups = {300}};
const struct cred bob = {.uid = 1002, .gid = 200};

struct gfid make_place(const char *name)
{
    struct attr attr = {0};
    CU_ASSERT_EQUAL_FATAL(volume_mkdir(volume, &root, &GFID_ROOT, name, 0777, &attr), 0);
    return attr.gfid;
}

struct attr make_file(const struct gfid *place, const char *name, const struct cred *cred,
                      uint32_t mode)
{
    struct attr attr = {0};
    CU_ASSERT_EQUAL_FATAL(
        volume_create(volume, cred, place, name, VOLUME_CREATE_GUARDED, mode, &attr), 0);
    return attr;
}

static int open_memory(void)
{
    return volume_open("memory:", NULL, &volume, NULL, 0);
}

static int open_local(void)
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(directory, sizeof(directory), "%s/trivet-volume-XXXXXX", base ? base : "/tmp");
    char name[96];
    char error[256] = "";
    if (!mkdtemp(directory) || chmod(directory, 0755)) {
        return 1;
    }
    (void)snprintf(name, sizeof(name), "local:%s", directory);
    int status = volume_open(name, NULL, &volume, error, sizeof(error));
    if (status) {
        (void)fprintf(stderr, "%s\n", error);
    }
    return status;
}

static int remove_one(const char *path, const struct stat *found, int type, struct FTW *walk)
{
    (void)found;
    (void)type;
    (void)walk;
    return remove(path);
}

static int close_volume(void)
{
    volume_close(volume);
    volume = NULL;
    if (directory[0]) {
        (void)nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS); /* as far as it goes */
    }
    return 0;
}

int volume_fixture_run(const CU_TestInfo *tests)
{
    CU_TestInfo *all = (CU_TestInfo *)(uintptr_t)tests; /* CUnit's structs have no const */
    CU_SuiteInfo suites[] = {
        {"volume in memory", open_memory, close_volume, NULL, NULL, all},
        {"plain directory", open_local, close_volume, NULL, NULL, all},
        CU_SUITE_INFO_NULL,
    };
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
        return 2;
    }
    CU_basic_set_mode(CU_BRM_NORMAL);
    (void)CU_basic_run_tests(); /* the counts below say more */
    bool failed = CU_get_number_of_failures() || CU_get_number_of_suites_failed();
    CU_cleanup_registry();
    return failed;
}
