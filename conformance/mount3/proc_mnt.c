/*
 * MNT: RFC 1813 section 5.2.1.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw.h>
#include <string.h>
#include "conformance/lib/peer.h"
#include "conformance/mount3/mount3.h"

#define MNTPATH_MAX 1024

static mountres3_ok *mounted(const char *path)
{
    mountres3 *result = mount_mnt(path);
    STATUS(result, MNT3_OK);
    return &result->mountres3_u.mountinfo;
}

static bool same_handle(const mountres3_ok *one, const mountres3_ok *other)
{
    return one->fhandle.fhandle3_len == other->fhandle.fhandle3_len &&
           memcmp(one->fhandle.fhandle3_val, other->fhandle.fhandle3_val,
                  one->fhandle.fhandle3_len) == 0;
}

static void tells(void)
{
    mountres3_ok *ok = mounted(suite_options.export);
    CHECK(ok->fhandle.fhandle3_len > 0 && ok->fhandle.fhandle3_len <= FHSIZE3);
    bool has_unix = false;
    for (uint32_t i = 0; i < ok->auth_flavors.auth_flavors_len; i++) {
        has_unix = has_unix || ok->auth_flavors.auth_flavors_val[i] == AUTH_UNIX;
    }
    CHECK(has_unix);
}

/* The handle is of a directory, for NFS. */
static void handle_is_good(void)
{
    mountres3_ok *ok = mounted(suite_options.export);
    struct peer *nfs = peer_open(PROGRAM_NFS, 3);
    CHECK(nfs != NULL);
    struct caller root = {.flavor = AUTH_UNIX};
    GETATTR3args args = {0};
    args.object.data.data_len = ok->fhandle.fhandle3_len;
    args.object.data.data_val = ok->fhandle.fhandle3_val;
    GETATTR3res *result =
        peer_call(nfs, &root, (peer_starter *)(void (*)(void))rpc_nfs3_getattr_async, &args,
                  (zdrproc_t)(void (*)(void))zdr_GETATTR3res, sizeof(GETATTR3res));
    peer_close(nfs);
    CHECK(result != NULL);
    CHECK_EQUAL(result->status, NFS3_OK);
    CHECK_EQUAL(result->GETATTR3res_u.resok.obj_attributes.type, NF3DIR);
}

static void repeated(void)
{
    CHECK(same_handle(mounted(suite_options.export), mounted(suite_options.export)));
}

static void slash_behind(void)
{
    CHECK(same_handle(mounted(below_export("/")), mounted(suite_options.export)));
}

static void below(void)
{
    make_tree();
    mountres3_ok *ok = mounted(below_export("/conformance-dir"));
    CHECK(!same_handle(ok, mounted(suite_options.export)));
}

static void none(void)
{
    STATUS(mount_mnt("/no/such/export"), MNT3ERR_NOENT);
    STATUS(mount_mnt(below_export("/no-such-directory")), MNT3ERR_NOENT);
}

/* The beginning of a path is not the path. */
static void prefix(void)
{
    mountres3 *result = mount_mnt(below_export("x"));
    CHECK(result->fhs_status == MNT3ERR_NOENT || result->fhs_status == MNT3ERR_ACCES);
}

static void not_a_directory(void)
{
    make_tree();
    STATUS(mount_mnt(below_export("/conformance-dir/file")), MNT3ERR_NOTDIR);
}

static void not_for_us(void)
{
    if (suite_lacks(!suite_options.refused, "no --refused export is given")) {
        return;
    }
    STATUS(mount_mnt(suite_options.refused), MNT3ERR_ACCES);
}

static void long_name(void)
{
    char name[300] = "/";
    memset(name + 1, 'n', 256);
    STATUS(mount_mnt(below_export(name)), MNT3ERR_NAMETOOLONG);
}

/* MNTPATHLEN is a limit of the protocol's, so longer ones are refused below it or by it. */
static void long_path(void)
{
    char path[MNTPATH_MAX + 2] = "";
    for (size_t i = 0; i < sizeof path - 1; i++) {
        path[i] = i % 10 ? 'd' : '/';
    }
    struct wire_answer answer = mount_call(WIRE_TCP, 3, MOUNT3_MNT, path, true);
    if (answer.stat == SUCCESS) {
        CHECK(answer.size >= 4 && memcmp(answer.body, "\0\0\0", 4) != 0);
    } else {
        CHECK_EQUAL(answer.stat, GARBAGE_ARGS);
    }
}

static void odd_paths(void)
{
    static const char *const paths[] = {"", "relative", "//", "/../..", "."};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (strcmp(suite_options.export, "/") == 0) {
            break;
        }
        mountres3 *result = mount_mnt(paths[i]);
        suite_check(result->fhs_status != MNT3_OK, __FILE__, __LINE__, "\"%s\" is mounted",
                    paths[i]);
    }
}

/* Nothing above an export is reached by it. */
static void dotdot(void)
{
    mountres3 *result = mount_mnt(below_export("/.."));
    if (result->fhs_status == MNT3_OK) {
        CHECK(same_handle(&result->mountres3_u.mountinfo, mounted(suite_options.export)));
    }
}

static void by_datagram(void)
{
    if (suite_lacks(suite_options.is_no_udp, "datagrams are not meant to be answered")) {
        return;
    }
    struct wire_answer answer = mount_call(WIRE_UDP, 3, MOUNT3_MNT, suite_options.export, true);
    CHECK_EQUAL(answer.stat, SUCCESS);
    CHECK(answer.size > 4 && memcmp(answer.body, "\0\0\0", 4) == 0);
}

/* "AUTH_UNIX … or AUTH_SHORT" are wanted for the list; some servers take less. */
static void secure_ports(void)
{
    if (suite_lacks(!suite_options.secure, "no --secure export is given")) {
        return;
    }
    struct wire_answer answer = mount_call(WIRE_TCP, 3, MOUNT3_MNT, suite_options.secure, false);
    CHECK(answer.reply_stat == MSG_DENIED || memcmp(answer.body, "\0\0\0", 4) != 0);
    answer = mount_call(WIRE_TCP, 3, MOUNT3_MNT, suite_options.secure, true);
    CHECK(answer.stat == SUCCESS && memcmp(answer.body, "\0\0\0", 4) == 0);
}

static const struct suite_case cases[] = {
    {"5.2.1.tells", "OK", tells},
    {"5.2.1.handle-is-good", "OK", handle_is_good},
    {"5.2.1.repeated", "OK", repeated},
    {"5.2.1.slash-behind", "OK", slash_behind},
    {"5.2.1.below", "OK", below},
    {"5.2.1.none", "NOENT", none},
    {"5.2.1.prefix", "", prefix},
    {"5.2.1.not-a-directory", "NOTDIR", not_a_directory},
    {"5.2.1.not-for-us", "ACCES", not_for_us},
    {"5.2.1.long-name", "NAMETOOLONG", long_name},
    {"5.2.1.long-path", "", long_path},
    {"5.2.1.odd-paths", "", odd_paths},
    {"5.2.1.dotdot", "", dotdot},
    {"5.2.1.by-datagram", "", by_datagram},
    {"5.2.1.secure-ports", "", secure_ports},
};

SUITE_GROUP(mount_mnt_group, "MNT", "NOENT IO ACCES NOTDIR NAMETOOLONG", cases);
