/*
 * What is the same for all procedures: who a caller is (RFC 1813 sections 2.1 and 4.4), repeated
 * calls (4.5), datagrams (2.3), and what an export says.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>
#include "conformance/nfs3/procedures.h"

#define OWNER 1001
#define LARGE 20000

/* ---- callers --------------------------------------------------------------------------------- */

static void check_owned_by(nfs_fh3 *directory, const char *name, uint32_t uid, uint32_t gid)
{
    CREATE3res *made = call_create(directory, name, UNCHECKED, with_mode(0600));
    STATUS(made, NFS3_OK);
    LOOKUP3res *found = call_lookup(directory, name);
    STATUS(found, NFS3_OK);
    fattr3 told = attributes_of(&found->LOOKUP3res_u.resok.object);
    (void)call_remove(directory, name);
    CHECK_EQUAL(told.uid, uid);
    CHECK_EQUAL(told.gid, gid);
}

static void unix_ids(void)
{
    as_user(OWNER, 2001);
    check_owned_by(here(), "one", OWNER, 2001);
    as_user(4294967290u, 4294967291u);
    check_owned_by(here(), "other", 4294967290u, 4294967291u);
}

/* All sixteen of AUTH_UNIX. */
static void sixteen_groups(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0040);
    give_to(made, 0, 3016);
    struct wire wire;
    struct wire_answer answer = {0};
    struct wire_call call = {
        .program = PROGRAM_NFS,
        .version = 3,
        .procedure = NFS3_READ,
        .caller = {.flavor = AUTH_UNIX, .uid = 7, .gid = 7, .group_count = GROUPS_MAX}};
    for (uint32_t i = 0; i < GROUPS_MAX; i++) {
        call.caller.groups[i] = 3001 + i;
    }
    READ3args args = {.file = *made, .count = 1};
    wire_body(&call, arguments_proc(NFS3_READ), &args);
    CHECK(wire_open(&wire, WIRE_TCP, wire_port(PROGRAM_NFS, 3, WIRE_TCP), true));
    bool came = wire_call(&wire, &call, &answer);
    wire_close(&wire);
    CHECK(came && answer.stat == SUCCESS && answer.size >= 4);
    CHECK(memcmp(answer.body, "\0\0\0", 4) == 0);
}

/* Who says nothing of himself is nobody, or is refused by the RPC layer. */
static void none_flavor(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0600);
    struct wire wire;
    struct wire_answer answer = {0};
    struct wire_call call = {.program = PROGRAM_NFS, .version = 3, .procedure = NFS3_READ};
    READ3args args = {.file = *made, .count = 1};
    wire_body(&call, arguments_proc(NFS3_READ), &args);
    CHECK(wire_open(&wire, WIRE_TCP, wire_port(PROGRAM_NFS, 3, WIRE_TCP), true));
    bool came = wire_call(&wire, &call, &answer);
    wire_close(&wire);
    CHECK(came);
    if (answer.reply_stat == MSG_DENIED) {
        CHECK_EQUAL(answer.stat, AUTH_ERROR);
        return;
    }
    READ3res *result =
        keep_decode(result_proc(NFS3_READ), result_size(NFS3_READ), answer.body, answer.size);
    CHECK(result != NULL);
    STATUS(result, NFS3ERR_ACCES);
}

static void unknown_flavor(void)
{
    struct wire wire;
    struct wire_answer answer = {0};
    struct wire_call call = {
        .program = PROGRAM_NFS, .version = 3, .procedure = NFS3_GETATTR, .caller = {.flavor = 77}};
    GETATTR3args args = {.object = *export_root()};
    wire_body(&call, arguments_proc(NFS3_GETATTR), &args);
    CHECK(wire_open(&wire, WIRE_TCP, wire_port(PROGRAM_NFS, 3, WIRE_TCP), true));
    bool came = wire_call(&wire, &call, &answer);
    wire_close(&wire);
    CHECK(came);
    CHECK_EQUAL(answer.reply_stat, MSG_DENIED);
    CHECK_EQUAL(answer.stat, AUTH_ERROR);
}

static void root_squash(void)
{
    if (suite_lacks(!suite_options.root_squash, "no --root-squash export is given")) {
        return;
    }
    nfs_fh3 *root = mount_export(suite_options.root_squash);
    CHECK(root != NULL);
    check_owned_by(root, "conformance-file", suite_options.anon_id, suite_options.anon_id);
    as_user(OWNER, OWNER);
    check_owned_by(root, "conformance-file", OWNER, OWNER);
    as_user(OWNER, 0);
    check_owned_by(root, "conformance-file", OWNER, suite_options.anon_id);
}

/* Root's rights are gone with his id. */
static void root_squash_rights(void)
{
    if (suite_lacks(!suite_options.root_squash, "no --root-squash export is given")) {
        return;
    }
    nfs_fh3 *root = mount_export(suite_options.root_squash);
    CHECK(root != NULL);
    as_user(OWNER, OWNER);
    nfs_fh3 *made = make_file(root, "conformance-private", 0600);
    as_root();
    int status = (int)call_read(made, 0, 1)->status;
    as_user(OWNER, OWNER);
    STATUS(call_remove(root, "conformance-private"), NFS3_OK);
    check_status(status, NFS3ERR_ACCES, __FILE__, __LINE__);
}

static void all_squash(void)
{
    if (suite_lacks(!suite_options.all_squash, "no --all-squash export is given")) {
        return;
    }
    nfs_fh3 *root = mount_export(suite_options.all_squash);
    CHECK(root != NULL);
    as_member(OWNER, OWNER, 5);
    check_owned_by(root, "conformance-file", suite_options.anon_id, suite_options.anon_id);
}

/* A handle tells which export it is of: another port does not help. */
static void secure_ports(void)
{
    if (suite_lacks(!suite_options.secure, "no --secure export is given")) {
        return;
    }
    nfs_fh3 *root = mount_export(suite_options.secure); /* libnfs comes from a privileged port */
    CHECK(root != NULL);
    struct wire_call call = {.program = PROGRAM_NFS,
                             .version = 3,
                             .procedure = NFS3_GETATTR,
                             .caller = {.flavor = AUTH_UNIX}};
    GETATTR3args args = {.object = *root};
    wire_body(&call, arguments_proc(NFS3_GETATTR), &args);
    for (int is_privileged = 0; is_privileged <= 1; is_privileged++) {
        struct wire wire;
        struct wire_answer answer = {0};
        CHECK(wire_open(&wire, WIRE_TCP, wire_port(PROGRAM_NFS, 3, WIRE_TCP), is_privileged));
        bool came = wire_call(&wire, &call, &answer);
        wire_close(&wire);
        CHECK(came);
        bool is_refused = answer.reply_stat == MSG_DENIED ||
                          (answer.size >= 4 && memcmp(answer.body, "\0\0\0", 4) != 0);
        CHECK(is_refused == !is_privileged);
    }
}

/* ---- repeated calls -------------------------------------------------------------------------- */

/* The same call twice, under one transaction id; the second on a connection of its own if asked.
 * Returns the second's result. */
static void *repeated(uint32_t procedure, const void *arguments, bool is_reconnected)
{
    struct wire wire;
    struct wire_answer answer = {0};
    struct wire_call call = {
        .program = PROGRAM_NFS, .version = 3, .procedure = procedure, .caller = *caller_now()};
    wire_body(&call, arguments_proc(procedure), arguments);
    uint16_t port = wire_port(PROGRAM_NFS, 3, WIRE_TCP);
    CHECK(wire_open(&wire, WIRE_TCP, port, true));
    bool came = wire_call(&wire, &call, &answer);
    if (came && is_reconnected) {
        wire_close(&wire);
        came = wire_open(&wire, WIRE_TCP, port, true);
    }
    came = came && wire_call(&wire, &call, &answer);
    wire_close(&wire);
    CHECK(came);
    CHECK_EQUAL(answer.stat, SUCCESS);
    void *result =
        keep_decode(result_proc(procedure), result_size(procedure), answer.body, answer.size);
    CHECK(result != NULL);
    return result;
}

static diropargs3 place(const char *name)
{
    return (diropargs3){.dir = *here(), .name = keep_copy(name, strlen(name))};
}

static void check_repeated_create(bool is_reconnected)
{
    CREATE3args args = {.where = place("file"), .how = {.mode = GUARDED}};
    CREATE3res *made = repeated(NFS3_CREATE, &args, is_reconnected);
    STATUS(made, NFS3_OK);
    CHECK(made->CREATE3res_u.resok.obj.handle_follows);
    CHECK_EQUAL(attributes_of(&made->CREATE3res_u.resok.obj.post_op_fh3_u.handle).nlink, 1);
}

static void repeated_create(void)
{
    check_repeated_create(false);
}

static void repeated_create_reconnected(void)
{
    check_repeated_create(true);
}

static void repeated_remove(void)
{
    (void)make_file(here(), "file", 0644);
    REMOVE3args args = {.object = place("file")};
    STATUS((REMOVE3res *)repeated(NFS3_REMOVE, &args, false), NFS3_OK);
    (void)make_file(here(), "file", 0644);
    args = (REMOVE3args){.object = place("file")};
    STATUS((REMOVE3res *)repeated(NFS3_REMOVE, &args, true), NFS3_OK);
}

static void repeated_mkdir(void)
{
    MKDIR3args args = {.where = place("directory")};
    STATUS((MKDIR3res *)repeated(NFS3_MKDIR, &args, true), NFS3_OK);
    REMOVE3args removed = {.object = place("directory")};
    STATUS((REMOVE3res *)repeated(NFS3_RMDIR, &removed, true), NFS3_OK);
}

static void repeated_rename(void)
{
    (void)make_file(here(), "file", 0644);
    RENAME3args args = {.from = place("file"), .to = place("other")};
    STATUS((RENAME3res *)repeated(NFS3_RENAME, &args, true), NFS3_OK);
    CHECK(exists(here(), "other"));
}

static void repeated_link(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    LINK3args args = {.file = *made, .link = place("link")};
    STATUS((LINK3res *)repeated(NFS3_LINK, &args, true), NFS3_OK);
    CHECK_EQUAL(attributes_of(made).nlink, 2);
}

static void repeated_guarded_setattr(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0644);
    SETATTR3args args = {.object = *made, .new_attributes = *with_mode(0600)};
    args.guard.check = TRUE;
    args.guard.sattrguard3_u.obj_ctime = attributes_of(made).ctime;
    STATUS((SETATTR3res *)repeated(NFS3_SETATTR, &args, true), NFS3_OK);
}

/* ---- datagrams ------------------------------------------------------------------------------- */

static void *by_datagram(uint32_t procedure, const void *arguments)
{
    struct wire wire;
    struct wire_answer answer = {0};
    struct wire_call call = {
        .program = PROGRAM_NFS, .version = 3, .procedure = procedure, .caller = *caller_now()};
    wire_body(&call, arguments_proc(procedure), arguments);
    CHECK(wire_open(&wire, WIRE_UDP, wire_port(PROGRAM_NFS, 3, WIRE_UDP), true));
    bool came = wire_call(&wire, &call, &answer);
    wire_close(&wire);
    CHECK(came);
    CHECK_EQUAL(answer.stat, SUCCESS);
    void *result =
        keep_decode(result_proc(procedure), result_size(procedure), answer.body, answer.size);
    CHECK(result != NULL);
    return result;
}

static void datagrams(void)
{
    if (suite_lacks(suite_options.is_no_udp, "datagrams are not meant to be answered")) {
        return;
    }
    CREATE3args create = {.where = place("file"), .how = {.mode = UNCHECKED}};
    CREATE3res *made = by_datagram(NFS3_CREATE, &create);
    STATUS(made, NFS3_OK);
    nfs_fh3 *handle = &made->CREATE3res_u.resok.obj.post_op_fh3_u.handle;
    WRITE3args write = {.file = *handle, .count = LARGE, .stable = FILE_SYNC};
    write.data.data_len = LARGE;
    write.data.data_val = long_name(LARGE);
    WRITE3res *written = by_datagram(NFS3_WRITE, &write);
    STATUS(written, NFS3_OK);
    CHECK_EQUAL(written->WRITE3res_u.resok.count, LARGE);
    READ3args read = {.file = *handle, .count = LARGE};
    READ3res *came = by_datagram(NFS3_READ, &read);
    STATUS(came, NFS3_OK);
    CHECK_EQUAL(came->READ3res_u.resok.count, LARGE);
    CHECK(memcmp(came->READ3res_u.resok.data.data_val, write.data.data_val, LARGE) == 0);
    REMOVE3args remove = {.object = place("file")};
    STATUS((REMOVE3res *)by_datagram(NFS3_REMOVE, &remove), NFS3_OK);
    CHECK(!exists(here(), "file"));
}

/* A listing that is larger than a datagram comes in pieces. */
static void datagram_listing(void)
{
    if (suite_lacks(suite_options.is_no_udp, "datagrams are not meant to be answered")) {
        return;
    }
    for (unsigned i = 0; i < 600; i++) {
        char name[200];
        (void)snprintf(name, sizeof name, "%0150u", i);
        (void)make_file(here(), name, 0644);
    }
    READDIR3args args = {.dir = *here(), .count = 128 * 1024};
    READDIR3res *listing = by_datagram(NFS3_READDIR, &args);
    STATUS(listing, NFS3_OK);
    CHECK(listing->READDIR3res_u.resok.reply.entries != NULL);
    CHECK(!listing->READDIR3res_u.resok.reply.eof);
}

/* ---- async exports --------------------------------------------------------------------------- */

/* Answers come early there, but they are the same answers. */
static void async(void)
{
    if (suite_lacks(!suite_options.async, "no --async export is given")) {
        return;
    }
    nfs_fh3 *root = mount_export(suite_options.async);
    CHECK(root != NULL);
    nfs_fh3 *made = make_file(root, "conformance-async", 0644);
    WRITE3res *written = call_write(made, 0, "12345", 5, FILE_SYNC);
    STATUS(written, NFS3_OK);
    CHECK_EQUAL(written->WRITE3res_u.resok.committed, FILE_SYNC);
    WRITE3res *unstable = call_write(made, 5, "67890", 5, UNSTABLE);
    STATUS(unstable, NFS3_OK);
    fattr3 before = attributes_of(made);
    COMMIT3res *committed = call_commit(made, 0, 0);
    STATUS(committed, NFS3_OK);
    check_wcc_unchanged(&committed->COMMIT3res_u.resok.file_wcc, &before, made);
    CHECK(memcmp(unstable->WRITE3res_u.resok.verf, committed->COMMIT3res_u.resok.verf,
                 NFS3_WRITEVERFSIZE) == 0);
    as_user(OWNER, OWNER);
    STATUS(call_commit(made, 0, 0), NFS3_OK);
    as_root();
    STATUS(call_remove(root, "conformance-async"), NFS3_OK);
    STATUS(call_commit(made, 0, 0), NFS3ERR_STALE);
}

static const struct suite_case cases[] = {
    {"2.1.unix-ids", "", unix_ids},
    {"2.1.sixteen-groups", "", sixteen_groups},
    {"2.1.none-flavor", "", none_flavor},
    {"2.1.unknown-flavor", "", unknown_flavor},
    {"2.3.datagrams", "", datagrams},
    {"2.3.datagram-listing", "", datagram_listing},
    {"4.4.root-squash", "", root_squash},
    {"4.4.root-squash-rights", "", root_squash_rights},
    {"4.4.all-squash", "", all_squash},
    {"4.4.secure-ports", "", secure_ports},
    {"4.5.repeated-create", "", repeated_create},
    {"4.5.repeated-create-reconnected", "", repeated_create_reconnected},
    {"4.5.repeated-remove", "", repeated_remove},
    {"4.5.repeated-mkdir-and-rmdir", "", repeated_mkdir},
    {"4.5.repeated-rename", "", repeated_rename},
    {"4.5.repeated-link", "", repeated_link},
    {"4.5.repeated-guarded-setattr", "", repeated_guarded_setattr},
    {"4.8.async-export", "", async},
};

const struct suite_group exports_group = {"callers, transports, exports", NULL, cases,
                                          sizeof cases / sizeof cases[0]};
