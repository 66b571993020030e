/*
 * Every procedure of brick.x, once right and with its errors, against three bricks on directories.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "backend/base/errors.h"
#include "backend/base/log.h"
#include "backend/base/random.h"
#include "backend/base/scope.h"
#include "backend/proto/dirent.h"
#include "tests/lib/brick_set.h"
#include "tests/lib/store_fixture.h"

static struct brick_set set;
static struct test_client client;
static struct gfid file, directory;

static int suite_begin(void)
{
    brick_set_open(&set, 3, true);
    if (!brick_set_wait_serving(&set) || test_client_open(&client, &set, 0, false) != 0) {
        return -1;
    }
    directory = client_make(&client, GFID_ROOT, "directory", OBJECT_DIRECTORY);
    file = client_make(&client, directory, "file", OBJECT_FILE);
    return 0;
}

static int suite_end(void)
{
    test_client_close(&client);
    brick_set_close(&set);
    return 0;
}

/* ---- who may ask
 * --------------------------------------------------------------------------------- */

static int hello(struct test_client *who, uint32_t level, struct volume_id volume,
                 struct brick_hello_reply *out_reply)
{
    struct brick_hello args = {
        .level = level, .volume = volume, .client = who->id, .name = (char *)(uintptr_t) "test"};
    int status = client_hello(who, &args, out_reply);
    return status < 0 ? status : out_reply->status;
}

static void hello_is_first_and_checked(void)
{
    static struct brick_hello_reply reply;
    struct test_client stranger;
    struct volume_id right = test_identity(0).volume, wrong = {{9}};
    client_dial(&stranger, &set, 0);
    brick_getattr_args getattr = args_object(&stranger, GFID_ROOT);
    CU_ASSERT_EQUAL(client_call(&stranger, BRICK_GETATTR, &getattr, NULL, NULL), -EPROTO);
    CU_ASSERT_EQUAL(hello(&stranger, PROTOCOL_LEVEL + 1, right, &reply), -E_BAD_PROTOCOL);
    CU_ASSERT_EQUAL(hello(&stranger, PROTOCOL_LEVEL, wrong, &reply), -E_WRONG_VOLUME);
    CU_ASSERT_EQUAL(client_call(&stranger, BRICK_GETATTR, &getattr, NULL, NULL), -EPROTO);
    CU_ASSERT_EQUAL(hello(&stranger, PROTOCOL_LEVEL, right, &reply), 0);
    CU_ASSERT_EQUAL(reply.slots, SESSION_SLOTS);
    CU_ASSERT_EQUAL(reply.view.number, set.view.number);
    CU_ASSERT_EQUAL(reply.view.member_count, 3);
    CU_ASSERT_EQUAL(client_call(&stranger, BRICK_GETATTR, &getattr, NULL, NULL), 0);
    CU_ASSERT_EQUAL(hello(&stranger, PROTOCOL_LEVEL, right, &reply), -EALREADY);
    test_client_close(&stranger);
}

/* Every procedure refuses another set, another view, and on a member that does not lead. */
static void targets_are_checked(void)
{
    struct test_client backup;
    CU_ASSERT_EQUAL_FATAL(test_client_open(&backup, &set, 1, false), 0);
    union {
        brick_target target;
        brick_getattr_args object;
        brick_setattr_args setattr;
        brick_access_args access;
        brick_name_args name;
        brick_read_args read;
        brick_write_args write;
        brick_commit_args commit;
        brick_make_args make;
        brick_link_args link;
        brick_remove_args remove;
        brick_rename_args rename;
        brick_readdir_args readdir;
        brick_statfs_args statfs;
    } args;
    static char name[] = "name";
    struct slice bulk = slice_text("bytes");
    for (uint32_t procedure = BRICK_GETATTR; procedure <= BRICK_STATFS; procedure++) {
        memset(&args, 0, sizeof args);
        switch (procedure) {
        case BRICK_LOOKUP:
            args.name.name = name;
            break;
        case BRICK_CREATE:
        case BRICK_MKDIR:
        case BRICK_SYMLINK:
        case BRICK_MKNOD:
            args.make.name = name;
            args.make.symlink_target = name;
            break;
        case BRICK_LINK:
            args.link.name = name;
            break;
        case BRICK_REMOVE:
        case BRICK_RMDIR:
            args.remove.name = name;
            break;
        case BRICK_RENAME:
            args.rename.name = name;
            args.rename.name2 = name;
            break;
        default:
            break;
        }
        const struct slice *with = procedure == BRICK_WRITE ? &bulk : NULL;
        args.target = (brick_target){.set = 1, .view = set.view.number};
        CU_ASSERT_EQUAL(client_call(&client, procedure, &args, with, NULL), -E_WRONG_VOLUME);
        args.target = (brick_target){.view = set.view.number - 1};
        CU_ASSERT_EQUAL(client_call(&client, procedure, &args, with, NULL), -E_OLD_VIEW);
        args.target = (brick_target){.view = set.view.number + 1};
        CU_ASSERT_EQUAL(client_call(&client, procedure, &args, with, NULL), -E_NEW_VIEW);
        args.target = (brick_target){.view = set.view.number};
        CU_ASSERT_EQUAL(client_call(&backup, procedure, &args, with, NULL), -E_NOT_PRIMARY);
    }
    test_client_close(&backup);
}

/* ---- rows
 * ------------------------------------------------------------------------------------------- */

static void attributes(void)
{
    struct reply reply;
    brick_getattr_args getattr = args_object(&client, file);
    CU_ASSERT_EQUAL(client_call(&client, BRICK_GETATTR, &getattr, NULL, &reply), 0);
    CU_ASSERT_EQUAL(reply.object.type, OBJECT_FILE);
    CU_ASSERT(gfid_equal(&reply.object.gfid, &file));
    CU_ASSERT_EQUAL(reply.view, set.view.number);
    CU_ASSERT_EQUAL(reply.grant_ms, 0); /* none was asked for */
    struct timestamp ctime = reply.object.ctime;
    getattr.object = gfid_make(0, 1, 999999);
    CU_ASSERT_EQUAL(client_call(&client, BRICK_GETATTR, &getattr, NULL, NULL), -ESTALE);

    brick_setattr_args setattr =
        args_setattr(&client, file, (struct attr_change){.mask = ATTR_MODE, .mode = 0640});
    setattr.guarded = true;
    setattr.guard_seconds = ctime.seconds;
    setattr.guard_nanoseconds = ctime.nanoseconds;
    CU_ASSERT_EQUAL(client_call(&client, BRICK_SETATTR, &setattr, NULL, &reply), 0);
    CU_ASSERT_EQUAL(reply.object.mode, 0640);
    CU_ASSERT(reply.object_before.present);
    setattr.id = client_op_id(&client);
    CU_ASSERT_EQUAL(client_call(&client, BRICK_SETATTR, &setattr, NULL, NULL), -E_GUARD_FAILED);
    setattr.guard_nanoseconds = 1000000000;
    CU_ASSERT_EQUAL(client_call(&client, BRICK_SETATTR, &setattr, NULL, NULL), -EPROTO);
    setattr = args_setattr(&client, file, (struct attr_change){.mask = ATTR_MODE, .mode = 0777});
    setattr.cred = (struct cred){.uid = 1000, .gid = 1000};
    CU_ASSERT_EQUAL(client_call(&client, BRICK_SETATTR, &setattr, NULL, NULL), -EPERM);

    brick_access_args access = {.target = client_target(&client),
                                .cred = {.uid = 1000, .gid = 1000},
                                .object = directory,
                                .rights = 0x3f};
    CU_ASSERT_EQUAL(client_call(&client, BRICK_ACCESS, &access, NULL, &reply), 0);
    CU_ASSERT_EQUAL(reply.count, RIGHT_READ | RIGHT_LOOKUP); /* 0755 of root */
    access.object = gfid_make(0, 1, 999999);
    CU_ASSERT_EQUAL(client_call(&client, BRICK_ACCESS, &access, NULL, NULL), -ESTALE);
}

static void names(void)
{
    struct reply reply;
    brick_name_args lookup = args_name(&client, directory, "file");
    CU_ASSERT_EQUAL(client_call(&client, BRICK_LOOKUP, &lookup, NULL, &reply), 0);
    CU_ASSERT(gfid_equal(&reply.object.gfid, &file));
    CU_ASSERT(gfid_equal(&reply.parent.gfid, &directory));
    lookup = args_name(&client, directory, "..");
    CU_ASSERT_EQUAL(client_call(&client, BRICK_LOOKUP, &lookup, NULL, &reply), 0);
    CU_ASSERT(gfid_is_root(&reply.object.gfid));
    lookup = args_name(&client, directory, "none");
    CU_ASSERT_EQUAL(client_call(&client, BRICK_LOOKUP, &lookup, NULL, NULL), -ENOENT);
    lookup = args_name(&client, file, "none");
    CU_ASSERT_EQUAL(client_call(&client, BRICK_LOOKUP, &lookup, NULL, NULL), -ENOTDIR);
    lookup = args_name(&client, gfid_make(0, 1, 999999), "none");
    CU_ASSERT_EQUAL(client_call(&client, BRICK_LOOKUP, &lookup, NULL, NULL), -ESTALE);

    struct gfid symlink = client_make(&client, directory, "symlink", OBJECT_SYMLINK);
    brick_getattr_args readlink = args_object(&client, symlink);
    struct answer answer;
    client_send(&client, BRICK_READLINK, &readlink, NULL, &answer);
    CU_ASSERT_EQUAL(answer_wait(&answer), 0);
    CU_ASSERT(slice_equal(answer.reply.data, slice_text("the/target")));
    answer_release(&answer);
    readlink.object = file;
    CU_ASSERT_EQUAL(client_call(&client, BRICK_READLINK, &readlink, NULL, NULL), -EINVAL);
}

/* What the file of a member's directory has at offset. */
static bool member_has(unsigned i, const char *path, uint64_t offset, const uint8_t *bytes,
                       size_t size)
{
    char full[128];
    AUTO_FREE uint8_t *there = malloc(size);
    (void)snprintf(full, sizeof full, "%s/%s", set.members[i].path, path);
    AUTO_CLOSE int fd = open(full, O_RDONLY);
    return there && fd >= 0 && pread(fd, there, size, (off_t)offset) == (ssize_t)size &&
           memcmp(there, bytes, size) == 0;
}

static void bytes_are_on_all_members(void)
{
    static const size_t sizes[] = {0, 1, 4096, 100001, IO_SIZE_MAX};
    AUTO_FREE uint8_t *bytes = malloc(IO_SIZE_MAX);
    CU_ASSERT_FATAL(bytes != NULL);
    struct random_sequence random;
    random_sequence_init(&random, 5);
    struct gfid data = client_make(&client, GFID_ROOT, "data", OBJECT_FILE);
    struct reply reply;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = sizes[i];
        uint64_t offset = 12345 * i;
        random_sequence_bytes(&random, bytes, size);
        brick_write_args write = args_write(&client, data, offset);
        struct slice bulk = slice_of(bytes, size);
        CU_ASSERT_EQUAL(client_call(&client, BRICK_WRITE, &write, &bulk, &reply), 0);
        CU_ASSERT_EQUAL(reply.count, size);
        CU_ASSERT_EQUAL(reply.committed, STABLE_UNSTABLE);
        brick_read_args read = args_read(&client, data, offset, (uint32_t)size);
        struct answer answer;
        client_send(&client, BRICK_READ, &read, NULL, &answer);
        CU_ASSERT_EQUAL(answer_wait(&answer), 0);
        CU_ASSERT(slice_equal(answer.reply.data, bulk));
        CU_ASSERT(answer.reply.eof);
        answer_release(&answer);
        for (unsigned member = 0; member < 3; member++) {
            CU_ASSERT(member_has(member, "data", offset, bytes, size));
        }
    }
    brick_read_args read = args_read(&client, data, UINT64_C(1) << 40, 10);
    CU_ASSERT_EQUAL(client_call(&client, BRICK_READ, &read, NULL, &reply), 0);
    CU_ASSERT(reply.count == 0 && reply.eof);
    read = args_read(&client, directory, 0, 10);
    CU_ASSERT_EQUAL(client_call(&client, BRICK_READ, &read, NULL, NULL), -EISDIR);
    read = args_read(&client, data, 0, 10);
    read.cred = (struct cred){.uid = 1000, .gid = 1000};
    CU_ASSERT_EQUAL(client_call(&client, BRICK_READ, &read, NULL, NULL), 0);
    brick_write_args write = args_write(&client, data, 0);
    write.cred = read.cred;
    struct slice bulk = slice_text("not mine");
    CU_ASSERT_EQUAL(client_call(&client, BRICK_WRITE, &write, &bulk, NULL), -EACCES);
    write = args_write(&client, data, FILE_SIZE_MAX);
    CU_ASSERT_EQUAL(client_call(&client, BRICK_WRITE, &write, &bulk, NULL), -EFBIG);
    write = args_write(&client, directory, 0);
    CU_ASSERT(client_call(&client, BRICK_WRITE, &write, &bulk, NULL) < 0);
    brick_commit_args commit = args_commit(&client, data);
    CU_ASSERT_EQUAL(client_call(&client, BRICK_COMMIT, &commit, NULL, &reply), 0);
    commit.object = gfid_make(0, 1, 999999);
    CU_ASSERT_EQUAL(client_call(&client, BRICK_COMMIT, &commit, NULL, NULL), -ESTALE);
}

static void making_and_removing(void)
{
    struct reply reply;
    brick_make_args make = args_make(&client, GFID_ROOT, "made", OBJECT_FILE);
    make.how = CREATE_EXCLUSIVE;
    make.verifier = 4711;
    CU_ASSERT_EQUAL(client_call(&client, BRICK_CREATE, &make, NULL, &reply), 0);
    struct gfid made = reply.object.gfid;
    make.id = client_op_id(&client); /* the same verifier: it is that client's */
    CU_ASSERT_EQUAL(client_call(&client, BRICK_CREATE, &make, NULL, &reply), 0);
    CU_ASSERT(gfid_equal(&reply.object.gfid, &made));
    make.id = client_op_id(&client);
    make.verifier++;
    CU_ASSERT_EQUAL(client_call(&client, BRICK_CREATE, &make, NULL, NULL), -EEXIST);
    make.how = CREATE_EXCLUSIVE + 1;
    CU_ASSERT_EQUAL(client_call(&client, BRICK_CREATE, &make, NULL, NULL), -EPROTO);
    brick_make_args fifo = args_make(&client, GFID_ROOT, "fifo", OBJECT_FIFO);
    CU_ASSERT_EQUAL(client_call(&client, BRICK_MKNOD, &fifo, NULL, &reply), 0);
    CU_ASSERT_EQUAL(reply.object.type, OBJECT_FIFO);
    fifo.id = client_op_id(&client);
    fifo.type = 99;
    CU_ASSERT(client_call(&client, BRICK_MKNOD, &fifo, NULL, NULL) < 0);
    make = args_make(&client, file, "x", OBJECT_DIRECTORY);
    CU_ASSERT_EQUAL(client_call(&client, BRICK_MKDIR, &make, NULL, NULL), -ENOTDIR);
    make = args_make(&client, GFID_ROOT, "a/b", OBJECT_DIRECTORY);
    CU_ASSERT(client_call(&client, BRICK_MKDIR, &make, NULL, NULL) < 0);

    brick_link_args link = args_link(&client, made, directory, "linked");
    CU_ASSERT_EQUAL(client_call(&client, BRICK_LINK, &link, NULL, &reply), 0);
    CU_ASSERT_EQUAL(reply.object.nlink, 2);
    link = args_link(&client, directory, GFID_ROOT, "linked");
    CU_ASSERT(client_call(&client, BRICK_LINK, &link, NULL, NULL) < 0);

    brick_rename_args rename = args_rename(&client, GFID_ROOT, "made", directory, "moved");
    CU_ASSERT_EQUAL(client_call(&client, BRICK_RENAME, &rename, NULL, &reply), 0);
    rename = args_rename(&client, directory, "moved", directory, "linked");
    rename.flags = 1; /* RENAME_NOREPLACE */
    CU_ASSERT_EQUAL(client_call(&client, BRICK_RENAME, &rename, NULL, NULL), -EEXIST);
    rename = args_rename(&client, GFID_ROOT, "made", directory, "moved");
    CU_ASSERT_EQUAL(client_call(&client, BRICK_RENAME, &rename, NULL, NULL), -ENOENT);

    brick_remove_args remove = args_remove(&client, directory, "moved");
    CU_ASSERT_EQUAL(client_call(&client, BRICK_RMDIR, &remove, NULL, NULL), -ENOTDIR);
    remove.id = client_op_id(&client);
    CU_ASSERT_EQUAL(client_call(&client, BRICK_REMOVE, &remove, NULL, NULL), 0);
    remove.id = client_op_id(&client);
    CU_ASSERT_EQUAL(client_call(&client, BRICK_REMOVE, &remove, NULL, NULL), -ENOENT);
    remove = args_remove(&client, GFID_ROOT, "directory");
    CU_ASSERT_EQUAL(client_call(&client, BRICK_REMOVE, &remove, NULL, NULL), -EISDIR);
    remove.id = client_op_id(&client);
    CU_ASSERT_EQUAL(client_call(&client, BRICK_RMDIR, &remove, NULL, NULL), -ENOTEMPTY);
}

/* "..", which is not among the entries: with the first of them, for who has no kernel to ask. */
static void listing_tells_of_the_directory_above(void)
{
    struct gfid upper = client_make(&client, GFID_ROOT, "upper", OBJECT_DIRECTORY);
    struct gfid lower = client_make(&client, upper, "lower", OBJECT_DIRECTORY);
    (void)client_make(&client, lower, "file", OBJECT_FILE);
    brick_readdir_args readdir = args_readdir(&client, lower);
    struct reply reply;
    readdir.cred.flags &= ~(uint32_t)CRED_CHECKED;
    readdir.with_attr = true;
    CU_ASSERT_EQUAL(client_call(&client, BRICK_READDIR, &readdir, NULL, &reply), 0);
    CU_ASSERT_EQUAL(reply.parent.type, OBJECT_DIRECTORY);
    CU_ASSERT_TRUE(gfid_equal(&reply.parent.gfid, &upper));
    readdir.cookie = COOKIE_FIRST;
    CU_ASSERT_EQUAL(client_call(&client, BRICK_READDIR, &readdir, NULL, &reply), 0);
    CU_ASSERT_EQUAL(reply.parent.type, OBJECT_NONE);
    readdir.cookie = COOKIE_START;
    readdir.cred.flags |= CRED_CHECKED;
    CU_ASSERT_EQUAL(client_call(&client, BRICK_READDIR, &readdir, NULL, &reply), 0);
    CU_ASSERT_EQUAL(reply.parent.type, OBJECT_NONE);
}

static void listing(void)
{
    struct gfid listed = client_make(&client, GFID_ROOT, "listed", OBJECT_DIRECTORY);
    for (unsigned i = 0; i < 50; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "e%u", i);
        (void)client_make(&client, listed, name, OBJECT_FILE);
    }
    unsigned count = 0;
    uint64_t seen = 0;
    brick_readdir_args readdir = args_readdir(&client, listed);
    readdir.size = 1000;
    for (bool eof = false; !eof && count < 100;) {
        struct answer answer;
        client_send(&client, BRICK_READDIR, &readdir, NULL, &answer);
        CU_ASSERT_EQUAL_FATAL(answer_wait(&answer), 0);
        eof = answer.reply.eof;
        readdir.verifier = answer.reply.verifier;
        struct slice rest = answer.reply.data;
        struct dirent_entry entry;
        while (dirent_next(&rest, &entry) == 0) {
            seen |= UINT64_C(1) << atoi((const char *)entry.name.data + 1);
            readdir.cookie = entry.cookie;
            count++;
        }
        answer_release(&answer);
    }
    CU_ASSERT_EQUAL(count, 50);
    CU_ASSERT_EQUAL(seen, (UINT64_C(1) << 50) - 1);
    readdir.verifier = 12345;
    CU_ASSERT_EQUAL(client_call(&client, BRICK_READDIR, &readdir, NULL, NULL), -E_BAD_COOKIE);
    readdir = args_readdir(&client, listed);
    readdir.size = 10;
    CU_ASSERT_EQUAL(client_call(&client, BRICK_READDIR, &readdir, NULL, NULL), -ENOBUFS);
    readdir = args_readdir(&client, file);
    CU_ASSERT_EQUAL(client_call(&client, BRICK_READDIR, &readdir, NULL, NULL), -ENOTDIR);

    struct reply reply;
    brick_statfs_args statfs = {.target = client_target(&client), .object = GFID_ROOT};
    CU_ASSERT_EQUAL(client_call(&client, BRICK_STATFS, &statfs, NULL, &reply), 0);
    CU_ASSERT(reply.statfs.present && reply.statfs.bytes_total > 0);
    CU_ASSERT(reply.statfs.bytes_available <= reply.statfs.bytes_free);
}

static void all_members_are_equal(void)
{
    CU_ASSERT(brick_set_wait_equal(&set));
    CU_ASSERT_EQUAL(brick_set_compare(&set, true), 0);
}

int main(void)
{
    log_open("brick_test", LOG_LEVEL_ERROR);
    CU_TestInfo tests[] = {
        {"hello is first, and checked", hello_is_first_and_checked},
        {"targets are checked", targets_are_checked},
        {"attributes", attributes},
        {"names", names},
        {"bytes are on all members", bytes_are_on_all_members},
        {"making and removing", making_and_removing},
        {"listing", listing},
        {"a listing tells of the directory above", listing_tells_of_the_directory_above},
        {"all members are equal", all_members_are_equal},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {
        {.pName = "brick", .pInitFunc = suite_begin, .pCleanupFunc = suite_end, .pTests = tests},
        CU_SUITE_INFO_NULL};
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
        return 2;
    }
    CU_basic_set_mode(getenv("VERBOSE") ? CU_BRM_VERBOSE : CU_BRM_NORMAL);
    (void)CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
