/*
 * gateway.conf and what follows from it: values and mistakes, who may use an export and as whom.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "frontends/nfs3/settings.h"

static char config_path[] = "/tmp/trivet-exports-XXXXXX";

/* Read a configuration. The exports are the caller's even on failure. */
static int read_text(const char *text, struct settings *settings, struct exports **out_exports,
                     char error[CONF_ERROR_SIZE])
{
    FILE *file = fopen(config_path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(text, file);
    fclose(file);
    error[0] = '\0';
    settings_init(settings);
    CU_ASSERT_EQUAL_FATAL(exports_new(out_exports), 0);
    return settings_read(config_path, settings, *out_exports, error);
}

static struct sockaddr_storage peer_of(const char *address, uint16_t port)
{
    struct sockaddr_storage peer = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&peer;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&peer;
    if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
    } else {
        CU_ASSERT_EQUAL_FATAL(inet_pton(AF_INET6, address, &in6->sin6_addr), 1);
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
    }
    return peer;
}

static bool admits(const struct exports *exports, const char *address, uint16_t port)
{
    struct sockaddr_storage peer = peer_of(address, port);
    return export_admits(exports->items[0], (struct sockaddr *)&peer);
}

static void all_values_are_taken(void)
{
    struct settings settings;
    struct exports *exports;
    char error[CONF_ERROR_SIZE];
    CU_ASSERT_EQUAL_FATAL(read_text("[export gv0]\n"
                                    "path = /data/gv0/\n"
                                    "clients = 10.0.0.0/8, fd00::/8\n"
                                    "access = ro\nsquash = root\nanonuid = 100\nanongid = 101\n"
                                    "secure = yes\nsync = no\nwait-timeout = 30\n"
                                    "[export gv1]\nvolume = local:/tmp\n"
                                    "[gateway]\nmanagement = a:1,b:2\nlisten = ::\n"
                                    "nfs-port = 3049\nmount-port = 3050\nportmap-port = 3111\n"
                                    "portmap = off\nthreads = 4\nrun-dir = /tmp/x\n",
                                    &settings, &exports, error),
                          0);
    CU_ASSERT_EQUAL_FATAL(exports->count, 2);
    const struct export *export = exports->items[0];
    CU_ASSERT_STRING_EQUAL(export->path, "/data/gv0");
    CU_ASSERT_STRING_EQUAL(export->volume_name, "a:1,b:2:/gv0");
    CU_ASSERT(export->is_read_only && export->is_secure && !export->is_sync);
    CU_ASSERT(export->squash == SQUASH_ROOT && export->anon_uid == 100 && export->anon_gid == 101);
    CU_ASSERT_EQUAL(export->wait_timeout_ms, 30000);
    CU_ASSERT_EQUAL(exports->items[1]->wait_timeout_ms, 0);
    CU_ASSERT_STRING_EQUAL(exports->items[1]->path, "/gv1");
    CU_ASSERT_STRING_EQUAL(exports->items[1]->volume_name, "local:/tmp");
    CU_ASSERT(!exports->items[1]->is_read_only && exports->items[1]->is_sync);
    CU_ASSERT_STRING_EQUAL(settings.listen, "::");
    CU_ASSERT(settings.nfs_port == 3049 && settings.mount_port == 3050);
    CU_ASSERT(settings.portmap_port == 3111 && settings.portmap == PORTMAP_OFF);
    CU_ASSERT(settings.threads == 4);
    CU_ASSERT_STRING_EQUAL(settings.run_dir, "/tmp/x");
    exports_free(exports);
}

static void mistakes_are_named_with_file_and_line(void)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"[gateway]\nlisten = 127.0.0.1\n", "nothing to export"},
        {"[gateway]\nfoo = 1\n", "no key \"foo\""},
        {"[other]\nfoo = 1\n", "not [other]"},
        {"[gateway]\nnfs-port = 70000\n[export a]\nsync = yes\n", ":2:"},
        {"[gateway]\nportmap = maybe\n", "auto, own, register or off"},
        {"[gateway]\nthreads = 0\n", ":2:"},
        {"[export a/b]\nsync = yes\n", "not a volume name"},
        {"[export a]\nsync = perhaps\n", ":2:"},
        {"[export a]\naccess = rx\n", "rw or ro"},
        {"[export a]\nsquash = some\n", "none, root or all"},
        {"[export a]\npath = gv0\n", "what clients mount"},
        {"[export a]\nvolume = /tmp\n", "local:/DIRECTORY"},
        {"[export a]\nclients = 10.0.0.0/33\n", "10.0.0.0/33"},
        {"[export a]\nclients = *, host.example\n", "host.example"},
        {"[export a]\nnonsense = 1\n", "no key \"nonsense\""},
        {"[export a]\nanonuid = -1\n", ":2:"},
        {"[export a]\nwait-timeout = 1m\n", ":2:"},
        {"[export a]\npath = /x\n[export b]\npath = /x\n", "same path"},
        {"[export a]\nvolume = h:/v\n[export b]\naccess = ro\nvolume = h:/v\n", "same volume"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct settings settings;
        struct exports *exports;
        char error[CONF_ERROR_SIZE];
        CU_ASSERT(read_text(cases[i].text, &settings, &exports, error) < 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(error, cases[i].says));
        CU_ASSERT_PTR_NOT_NULL(strstr(error, config_path));
        exports_free(exports);
    }
}

static void clients_are_admitted_by_address(void)
{
    struct settings settings;
    struct exports *exports;
    char error[CONF_ERROR_SIZE];
    CU_ASSERT_EQUAL_FATAL(
        read_text("[export a]\nclients = 10.1.0.0/15 192.168.7.9 fd00:1::/33 ::1\n", &settings,
                  &exports, error),
        0);
    CU_ASSERT(admits(exports, "10.0.255.255", 5000));
    CU_ASSERT(admits(exports, "10.1.2.3", 5000));
    CU_ASSERT(!admits(exports, "10.2.0.0", 5000));
    CU_ASSERT(admits(exports, "192.168.7.9", 700));
    CU_ASSERT(!admits(exports, "192.168.7.8", 700));
    CU_ASSERT(admits(exports, "fd00:1:7fff::1", 1));
    CU_ASSERT(!admits(exports, "fd00:1:8000::1", 1));
    CU_ASSERT(admits(exports, "::1", 1));
    CU_ASSERT(!admits(exports, "::2", 1));
    CU_ASSERT(admits(exports, "::ffff:10.1.2.3", 1)); /* IPv4 over a socket for both */
    exports_free(exports);
    CU_ASSERT_EQUAL_FATAL(
        read_text("[export a]\nclients = 0.0.0.0/0\nsecure = yes\n", &settings, &exports, error),
        0);
    CU_ASSERT(admits(exports, "8.8.8.8", 1023));
    CU_ASSERT(!admits(exports, "8.8.8.8", 1024));
    CU_ASSERT(!admits(exports, "2001:db8::1", 1023));
    exports_free(exports);
}

static struct cred squashed(const char *squash, struct cred cred)
{
    struct settings settings;
    struct exports *exports;
    char error[CONF_ERROR_SIZE];
    char text[128];
    snprintf(text, sizeof text, "[export a]\nsquash = %s\nanonuid = 7\nanongid = 8\n", squash);
    CU_ASSERT_EQUAL_FATAL(read_text(text, &settings, &exports, error), 0);
    struct cred result;
    export_squash_cred(exports->items[0], &cred, &result);
    exports_free(exports);
    return result;
}

static void callers_are_squashed_as_configured(void)
{
    struct cred root = {.flags = CRED_CHECKED, .group_count = 2, .groups = {0, 50}};
    struct cred user = {.uid = 1000, .gid = 1000, .group_count = 1, .groups = {50}};
    struct cred result = squashed("none", root);
    CU_ASSERT(result.uid == 0 && result.gid == 0 && result.groups[0] == 0 && result.flags == 0);
    result = squashed("root", root);
    CU_ASSERT(result.uid == 7 && result.gid == 8);
    CU_ASSERT(result.group_count == 2 && result.groups[0] == 8 && result.groups[1] == 50);
    result = squashed("root", user);
    CU_ASSERT(result.uid == 1000 && result.gid == 1000 && result.groups[0] == 50);
    result = squashed("all", user);
    CU_ASSERT(result.uid == 7 && result.gid == 8 && result.group_count == 0);
}

static void paths_find_their_export(void)
{
    struct settings settings;
    struct exports *exports;
    char error[CONF_ERROR_SIZE];
    CU_ASSERT_EQUAL_FATAL(
        read_text("[export a]\npath = /x\n[export b]\npath = /x/y\n", &settings, &exports, error),
        0);
    static const struct {
        const char *path;
        int index;
        const char *below;
    } cases[] = {
        {"/x", 0, ""},   {"/x/", 0, ""},     {"/x/z/w", 0, "z/w"}, {"/x//z", 0, "z"},
        {"/x/y", 1, ""}, {"/x/y/z", 1, "z"}, {"/x/yz", 0, "yz"},   {"/xy", -1, ""},
        {"/", -1, ""},   {"", -1, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *below = "";
        const struct export *export = exports_by_path(exports, cases[i].path, &below);
        const struct export *wanted = cases[i].index < 0 ? NULL : exports->items[cases[i].index];
        CU_ASSERT_PTR_EQUAL(export, wanted);
        CU_ASSERT_STRING_EQUAL(below, cases[i].below);
    }
    exports_free(exports);
}

int main(void)
{
    int fd = mkstemp(config_path);
    if (fd < 0) {
        return EXIT_FAILURE;
    }
    (void)close(fd);
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("exports", NULL, NULL);
    CU_ADD_TEST(suite, all_values_are_taken);
    CU_ADD_TEST(suite, mistakes_are_named_with_file_and_line);
    CU_ADD_TEST(suite, clients_are_admitted_by_address);
    CU_ADD_TEST(suite, callers_are_squashed_as_configured);
    CU_ADD_TEST(suite, paths_find_their_export);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    (void)unlink(config_path);
    return failures != 0;
}
