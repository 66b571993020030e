/*
 * CREATE: RFC 1813 section 3.3.8.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/nfs3/procedures.h"

#define OWNER 1001

static void check_fails(CREATE3res *made, const fattr3 *before)
{
    STATUS(made, NFS3ERR_EXIST);
    check_wcc_unchanged(&made->CREATE3res_u.resfail.dir_wcc, before, here());
}

static void unchecked_existing(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0600);
    put_bytes(made, 0, "12345", 5);
    CREATE3res *again = call_create(here(), "file", UNCHECKED, NULL);
    STATUS(again, NFS3_OK);
    CHECK(same_handle(&again->CREATE3res_u.resok.obj.post_op_fh3_u.handle, made));
    CHECK_EQUAL(attributes_of(made).size, 5);
}

/* "UNCHECKED … without checking for the existence": with a size it is how open(O_TRUNC) goes. */
static void unchecked_truncates(void)
{
    nfs_fh3 *made = make_file(here(), "file", 0600);
    put_bytes(made, 0, "12345", 5);
    sattr3 change = {.size.set_it = TRUE};
    CREATE3res *again = call_create(here(), "file", UNCHECKED, &change);
    STATUS(again, NFS3_OK);
    CHECK_EQUAL(attributes_of(made).size, 0);
    CHECK_EQUAL(again->CREATE3res_u.resok.obj_attributes.post_op_attr_u.attributes.size, 0);
}

static void unchecked_on_others(void)
{
    (void)make_directory(here(), "directory", 0755);
    CREATE3res *made = call_create(here(), "directory", UNCHECKED, NULL);
    STATUS_OF(made, NFS3ERR_EXIST, NFS3ERR_ISDIR);
    (void)make_symlink(here(), "link", "nothing");
    made = call_create(here(), "link", UNCHECKED, NULL);
    STATUS_OF(made, NFS3ERR_EXIST, NFS3ERR_INVAL);
    CHECK(!exists(here(), "nothing"));
}

static void guarded_existing(void)
{
    nfs_fh3 *file = make_file(here(), "file", 0600);
    put_bytes(file, 0, "12345", 5);
    fattr3 before = attributes_of(here());
    sattr3 change = {.size.set_it = TRUE};
    check_fails(call_create(here(), "file", GUARDED, &change), &before);
    CHECK_EQUAL(attributes_of(file).size, 5);
}

static void attributes_are_set(void)
{
    sattr3 *change = with_mode(0751);
    change->size.set_it = TRUE;
    change->size.set_size3_u.size = 1000;
    change->mtime.set_it = SET_TO_CLIENT_TIME;
    change->mtime.set_mtime_u.mtime.seconds = 12345;
    CREATE3res *made = call_create(here(), "file", GUARDED, change);
    STATUS(made, NFS3_OK);
    const fattr3 *told = &made->CREATE3res_u.resok.obj_attributes.post_op_attr_u.attributes;
    CHECK_EQUAL(told->mode & 07777, 0751);
    CHECK_EQUAL(told->size, 1000);
    CHECK_EQUAL(told->mtime.seconds, 12345);
}

static void foreign_owner(void)
{
    as_user(OWNER, OWNER);
    sattr3 *change = with_mode(0644);
    change->uid.set_it = TRUE;
    change->uid.set_uid3_u.uid = 5;
    CREATE3res *made = call_create(here(), "file", GUARDED, change);
    if (made->status == NFS3_OK) {
        CHECK_EQUAL(made->CREATE3res_u.resok.obj_attributes.post_op_attr_u.attributes.uid, OWNER);
    } else {
        STATUS_OF(made, NFS3ERR_PERM, NFS3ERR_ACCES);
    }
}

static void exclusive(void)
{
    fattr3 before = attributes_of(here());
    CREATE3res *made = call_exclusive(here(), "file", "12345678");
    STATUS(made, NFS3_OK);
    CREATE3resok *ok = &made->CREATE3res_u.resok;
    CHECK(ok->obj.handle_follows);
    check_wcc(&ok->dir_wcc, &before, here());
    CHECK_EQUAL(attributes_of(&ok->obj.post_op_fh3_u.handle).size, 0);
}

/* A repetition with the same verifier is the same call: it succeeds, with the same file. */
static void exclusive_retry(void)
{
    CREATE3res *made = call_exclusive(here(), "file", "12345678");
    STATUS(made, NFS3_OK);
    nfs_fh3 *handle = &made->CREATE3res_u.resok.obj.post_op_fh3_u.handle;
    fattr3 before = attributes_of(here());
    CREATE3res *again = call_exclusive(here(), "file", "12345678");
    STATUS(again, NFS3_OK);
    CHECK(same_handle(&again->CREATE3res_u.resok.obj.post_op_fh3_u.handle, handle));
    fattr3 after = attributes_of(here());
    check_same(&before, &after);
}

/* All eight bytes count: a verifier that differs in any one is another client's. */
static void exclusive_every_byte(void)
{
    STATUS(call_exclusive(here(), "file", "12345678"), NFS3_OK);
    for (unsigned i = 0; i < NFS3_CREATEVERFSIZE; i++) {
        char verifier[] = "12345678";
        verifier[i] = 'x';
        STATUS(call_exclusive(here(), "file", verifier), NFS3ERR_EXIST);
        verifier[i] = (char)("12345678"[i] ^ (char)0x80);
        STATUS(call_exclusive(here(), "file", verifier), NFS3ERR_EXIST);
    }
}

/* Bytes that look like no time at all, should a server keep them in times. */
static void exclusive_any_bytes(void)
{
    static const char verifiers[][NFS3_CREATEVERFSIZE + 1] = {
        "\0\0\0\0\0\0\0\0", "\xff\xff\xff\xff\xff\xff\xff\xff", "\x80\0\0\0\x80\0\0\0",
        "\0\0\0\x01\x3b\x9a\xca\0"};
    char name[] = "a";
    for (size_t i = 0; i < sizeof verifiers / sizeof verifiers[0]; i++, name[0]++) {
        STATUS(call_exclusive(here(), name, verifiers[i]), NFS3_OK);
        STATUS(call_exclusive(here(), name, verifiers[i]), NFS3_OK);
        STATUS(call_exclusive(here(), name, "otherone"), NFS3ERR_EXIST);
    }
}

static void exclusive_on_existing(void)
{
    (void)make_file(here(), "file", 0644);
    STATUS(call_exclusive(here(), "file", "\0\0\0\0\0\0\0\0"), NFS3ERR_EXIST);
    (void)make_directory(here(), "directory", 0755);
    STATUS(call_exclusive(here(), "directory", "12345678"), NFS3ERR_EXIST);
    (void)make_symlink(here(), "link", "nothing");
    STATUS(call_exclusive(here(), "link", "12345678"), NFS3ERR_EXIST);
}

/* The client sets what it wants by a SETATTR that follows; then the file is like any other. */
static void exclusive_then_setattr(void)
{
    as_user(OWNER, OWNER);
    CREATE3res *made = call_exclusive(here(), "file", "12345678");
    STATUS(made, NFS3_OK);
    nfs_fh3 *handle = &made->CREATE3res_u.resok.obj.post_op_fh3_u.handle;
    sattr3 *change = with_mode(0640);
    change->atime.set_it = SET_TO_SERVER_TIME;
    change->mtime.set_it = SET_TO_SERVER_TIME;
    STATUS(call_setattr(handle, change, NULL), NFS3_OK);
    fattr3 told = attributes_of(handle);
    CHECK_EQUAL(told.mode & 07777, 0640);
    CHECK_EQUAL(told.uid, OWNER);
    CHECK(told.ctime.seconds - told.mtime.seconds <= 1);
}

/* createmode3 has three values. */
static void no_such_mode(void)
{
    struct wire wire;
    struct wire_answer answer = {0};
    struct wire_call call = {
        .program = PROGRAM_NFS, .version = 3, .procedure = NFS3_CREATE, .caller = *caller_now()};
    char name[] = "file";
    CREATE3args args = {.where = {.dir = *here(), .name = name}};
    wire_body(&call, arguments_proc(NFS3_CREATE), &args);
    uint8_t *body = keep_copy(call.body, call.size);
    size_t mode_at = 4 + ((size_t)here()->data.data_len + 3) / 4 * 4 + 4 + 4;
    body[mode_at + 3] = 3;
    call.body = body;
    CHECK(wire_open(&wire, WIRE_TCP, wire_port(PROGRAM_NFS, 3, WIRE_TCP), true));
    bool came = wire_call(&wire, &call, &answer);
    wire_close(&wire);
    CHECK(came);
    CHECK_EQUAL(answer.stat, GARBAGE_ARGS);
    CHECK(!exists(here(), "file"));
}

static void tells(void)
{
    made_tells(NFS3_CREATE);
}

static void exists_already(void)
{
    made_exists(NFS3_CREATE);
}

static void dots(void)
{
    made_dots(NFS3_CREATE);
}

static void longest_name(void)
{
    made_name_255(NFS3_CREATE);
}

static void empty_name(void)
{
    check_empty_name(NFS3_CREATE);
}

static void slash(void)
{
    made_slash(NFS3_CREATE);
}

static void owned(void)
{
    made_is_owned(NFS3_CREATE);
}

static void touches(void)
{
    made_touches(NFS3_CREATE);
}

static void no_write(void)
{
    check_no_write(NFS3_CREATE);
}

static void not_directory(void)
{
    check_not_directory(NFS3_CREATE);
}

static void no_space(void)
{
    made_fills(NFS3_CREATE);
}

static void read_only(void)
{
    check_read_only(NFS3_CREATE);
}

static void bad_handle(void)
{
    check_bad_handle(NFS3_CREATE);
}

static void stale(void)
{
    check_stale(NFS3_CREATE);
}

static const struct suite_case cases[] = {
    {"3.3.8.tells", "OK", tells},
    {"3.3.8.exists", "EXIST", exists_already},
    {"3.3.8.dots", "", dots},
    {"3.3.8.longest-name", "OK NAMETOOLONG", longest_name},
    {"3.3.8.empty-name", "", empty_name},
    {"3.3.8.slash", "", slash},
    {"3.3.8.owned", "OK", owned},
    {"3.3.8.touches-directory", "OK", touches},
    {"3.3.8.no-write", "ACCES", no_write},
    {"3.3.8.not-directory", "NOTDIR", not_directory},
    {"3.3.8.no-space", "NOSPC", no_space},
    {"3.3.8.read-only", "ROFS", read_only},
    {"3.3.8.bad-handle", "BADHANDLE", bad_handle},
    {"3.3.8.stale", "STALE", stale},
    {"3.3.8.unchecked-existing", "OK", unchecked_existing},
    {"3.3.8.unchecked-truncates", "OK", unchecked_truncates},
    {"3.3.8.unchecked-on-others", "", unchecked_on_others},
    {"3.3.8.guarded-existing", "EXIST", guarded_existing},
    {"3.3.8.attributes-are-set", "OK", attributes_are_set},
    {"3.3.8.foreign-owner", "", foreign_owner},
    {"3.3.8.exclusive", "OK", exclusive},
    {"3.3.8.exclusive-retry", "OK", exclusive_retry},
    {"3.3.8.exclusive-every-byte", "OK EXIST", exclusive_every_byte},
    {"3.3.8.exclusive-any-bytes", "OK EXIST", exclusive_any_bytes},
    {"3.3.8.exclusive-on-existing", "EXIST", exclusive_on_existing},
    {"3.3.8.exclusive-then-setattr", "OK", exclusive_then_setattr},
    {"3.3.8.no-such-mode", "", no_such_mode},
};

SUITE_GROUP(
    proc_create, "CREATE",
    "IO ACCES EXIST NOTDIR NOSPC ROFS NAMETOOLONG DQUOT STALE BADHANDLE NOTSUPP SERVERFAULT",
    cases);
