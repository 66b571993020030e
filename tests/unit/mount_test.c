/*
 * The MOUNT program, driven by libnfs: what may be mounted, by whom, and the lists.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw.h>
#include <nfsc/libnfs-raw-mount.h>
#include "tests/lib/nfs_client.h"
#include "tests/lib/nfs_fixture.h"

static struct nfs_fixture fixture;
static struct client client;

/* What the last call answered. */
static mountstat3 got_status;
static unsigned got_handle_size;
static char got_handle[64];
static char got_text[4096]; /* lists, as text */

static void keep_mnt(struct rpc_context *rpc, int status, void *data, void *context)
{
    (void)rpc;
    const mountres3 *result = data;
    if (client_came(context, status)) {
        got_status = result->fhs_status;
        got_handle_size = 0;
        if (got_status == MNT3_OK) {
            got_handle_size = result->mountres3_u.mountinfo.fhandle.fhandle3_len;
            memcpy(got_handle, result->mountres3_u.mountinfo.fhandle.fhandle3_val, got_handle_size);
        }
    }
}

static void keep_nothing(struct rpc_context *rpc, int status, void *data, void *context)
{
    (void)rpc;
    (void)data;
    (void)client_came(context, status);
}

static void append(const char *text)
{
    strncat(got_text, text, sizeof got_text - strlen(got_text) - 1);
}

UNALIGNED_BY_LIBNFS static void keep_dump(struct rpc_context *rpc, int status, void *data,
                                          void *context)
{
    (void)rpc;
    got_text[0] = '\0';
    if (client_came(context, status)) {
        for (mountlist at = *(mountlist *)data; at; at = at->ml_next) {
            append(at->ml_hostname);
            append(":");
            append(at->ml_directory);
            append(" ");
        }
    }
}

UNALIGNED_BY_LIBNFS static void keep_export(struct rpc_context *rpc, int status, void *data,
                                            void *context)
{
    (void)rpc;
    got_text[0] = '\0';
    if (client_came(context, status)) {
        for (exports at = *(exports *)data; at; at = at->ex_next) {
            append(at->ex_dir);
            for (groups group = at->ex_groups; group; group = group->gr_next) {
                append(" ");
                append(group->gr_name);
            }
            append(";");
        }
    }
}

static mountstat3 mnt(const char *path)
{
    CU_ASSERT_FATAL(client_wait(
        &client, rpc_mount3_mnt_async(client.rpc, keep_mnt, (char *)(uintptr_t)path, &client)));
    return got_status;
}

static void an_export_and_directories_below_can_be_mounted(void)
{
    char root[64];
    CU_ASSERT_EQUAL(mnt("/gv0"), MNT3_OK);
    unsigned size = got_handle_size;
    CU_ASSERT_EQUAL(size, 44);
    memcpy(root, got_handle, sizeof root);
    CU_ASSERT_EQUAL(mnt("/gv0/"), MNT3_OK);
    CU_ASSERT_EQUAL(memcmp(root, got_handle, size), 0);
    CU_ASSERT_EQUAL(mnt("/gv0//sub/deeper/"), MNT3_OK);
    CU_ASSERT_NOT_EQUAL(memcmp(root, got_handle, size), 0);
}

static void what_cannot_be_mounted_is_refused_with_its_reason(void)
{
    char path[1024];
    CU_ASSERT_EQUAL(mnt("/nothing"), MNT3ERR_NOENT);
    CU_ASSERT_EQUAL(mnt("/gv"), MNT3ERR_NOENT);
    CU_ASSERT_EQUAL(mnt("/"), MNT3ERR_NOENT);
    CU_ASSERT_EQUAL(mnt(""), MNT3ERR_NOENT);
    CU_ASSERT_EQUAL(mnt("/gv0/missing"), MNT3ERR_NOENT);
    CU_ASSERT_EQUAL(mnt("/gv0/file"), MNT3ERR_NOTDIR);
    CU_ASSERT_EQUAL(mnt("/gv0/file/x"), MNT3ERR_NOTDIR);
    CU_ASSERT_EQUAL(mnt("/closed"), MNT3ERR_ACCES);
    CU_ASSERT_EQUAL(mnt("/later"), MNT3ERR_SERVERFAULT); /* its volume is not there yet */
    snprintf(path, sizeof path, "/gv0/%0300d", 0);
    CU_ASSERT_EQUAL(mnt(path), MNT3ERR_NAMETOOLONG);
    strcpy(path, "/gv0");
    for (int i = 0; i < 200; i++) {
        strcat(path, "/.");
    }
    CU_ASSERT_EQUAL(mnt(path), MNT3ERR_NAMETOOLONG);
}

static void mounts_are_listed_until_they_end(void)
{
    char sub[] = "/gv0/sub";
    CU_ASSERT(client_wait(&client, rpc_mount3_umntall_async(client.rpc, keep_nothing, &client)));
    CU_ASSERT(client_wait(&client, rpc_mount3_dump_async(client.rpc, keep_dump, &client)));
    CU_ASSERT_STRING_EQUAL(got_text, "");
    CU_ASSERT_EQUAL(mnt("/gv0"), MNT3_OK);
    CU_ASSERT_EQUAL(mnt(sub), MNT3_OK);
    CU_ASSERT_EQUAL(mnt("/gv0"), MNT3_OK);
    CU_ASSERT(client_wait(&client, rpc_mount3_dump_async(client.rpc, keep_dump, &client)));
    CU_ASSERT_STRING_EQUAL(got_text, "127.0.0.1:/gv0/sub 127.0.0.1:/gv0 ");
    CU_ASSERT(client_wait(&client, rpc_mount3_umnt_async(client.rpc, keep_nothing, sub, &client)));
    CU_ASSERT(client_wait(&client, rpc_mount3_dump_async(client.rpc, keep_dump, &client)));
    CU_ASSERT_STRING_EQUAL(got_text, "127.0.0.1:/gv0 ");
}

static void the_list_of_mounts_is_bounded(void)
{
    char path[128];
    for (int i = 0; i < 1100; i++) {
        snprintf(path, sizeof path, "%s/vol0/m%d", fixture.directory, i);
        CU_ASSERT_EQUAL_FATAL(mkdir(path, 0755), 0);
        snprintf(path, sizeof path, "/gv0/m%d", i);
        CU_ASSERT_EQUAL(mnt(path), MNT3_OK);
    }
    CU_ASSERT(client_wait(&client, rpc_mount3_dump_async(client.rpc, keep_dump, &client)));
    CU_ASSERT_PTR_NULL(strstr(got_text, "/gv0/m0 ")); /* the oldest made room */
    CU_ASSERT(client_wait(&client, rpc_mount3_umntall_async(client.rpc, keep_nothing, &client)));
}

static void exports_are_listed_with_their_clients(void)
{
    CU_ASSERT(client_wait(&client, rpc_mount3_export_async(client.rpc, keep_export, &client)));
    CU_ASSERT_STRING_EQUAL(got_text, "/gv0 *;/closed 10.0.0.0/8 fd00::/8;/later *;");
}

static void version_1_has_the_lists_but_no_handles(void)
{
    struct client old;
    char path[] = "/gv0";
    client_open(&old, fixture.mount_tcp, 100005, 1);
    CU_ASSERT(client_wait(&old, rpc_mount1_null_async(old.rpc, keep_nothing, &old)));
    CU_ASSERT(client_wait(&old, rpc_mount1_export_async(old.rpc, keep_export, &old)));
    CU_ASSERT_PTR_NOT_NULL(strstr(got_text, "/gv0 *;"));
    CU_ASSERT(client_wait(&old, rpc_mount1_umnt_async(old.rpc, keep_nothing, path, &old)));
    CU_ASSERT(client_wait(&old, rpc_mount1_umntall_async(old.rpc, keep_nothing, &old)));
    CU_ASSERT(!client_wait(&old, rpc_mount1_mnt_async(old.rpc, keep_nothing, path, &old)));
    client_close(&old);
}

static void it_answers_by_datagram_too(void)
{
    int fd = raw_connect(fixture.mount_udp, true);
    uint8_t reply[512];
    size_t size = 0;
    CU_ASSERT(raw_call(fd, true, 100005, 3, 5, NULL, 0, reply, sizeof reply, &size, 10000));
    CU_ASSERT(size > 40);
}

static void prepare(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/vol0/sub", fixture.directory);
    CU_ASSERT_EQUAL(mkdir(path, 0755), 0);
    strcat(path, "/deeper");
    CU_ASSERT_EQUAL(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/vol0/file", fixture.directory);
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fclose(file);
}

int main(void)
{
    nfs_fixture_start(&fixture, "[export gv0]\nvolume = local:$DIR/vol0\n"
                                "[export closed]\nvolume = local:$DIR/vol1\n"
                                "clients = 10.0.0.0/8 fd00::/8\n"
                                "[export later]\nvolume = local:$DIR/later\n");
    client_open(&client, fixture.mount_tcp, 100005, 3);
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("mount", NULL, NULL);
    CU_ADD_TEST(suite, prepare);
    CU_ADD_TEST(suite, an_export_and_directories_below_can_be_mounted);
    CU_ADD_TEST(suite, what_cannot_be_mounted_is_refused_with_its_reason);
    CU_ADD_TEST(suite, mounts_are_listed_until_they_end);
    CU_ADD_TEST(suite, the_list_of_mounts_is_bounded);
    CU_ADD_TEST(suite, exports_are_listed_with_their_clients);
    CU_ADD_TEST(suite, version_1_has_the_lists_but_no_handles);
    CU_ADD_TEST(suite, it_answers_by_datagram_too);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    client_close(&client);
    nfs_fixture_stop(&fixture);
    return failures != 0;
}
