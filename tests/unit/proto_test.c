/*
 * Goal: what is written in the protocol's forms is read back the same, and what breaks a limit is
 * refused. Method: random valid structs by seed through each codec, every combination of presence,
 * every truncation, and one broken value for each limit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <string.h>
#include <sys/stat.h>
#include "backend/base/bytes.h"
#include "backend/base/errors.h"
#include "backend/proto/dirent.h"
#include "backend/proto/name.h"
#include "backend/proto/operation.h"
#include "backend/proto/packed.h"
#include "backend/proto/wire.h"
#include "tests/lib/sample.h"

#define SEED 20261120
#define ROUNDS 300
/* A view of SET_MEMBERS_MAX members with the longest hosts and paths is the largest message. */
#define BUFFER_SIZE (2 * OPERATION_SIZE_MAX)

static struct random_sequence random_values;
static _Alignas(8) uint8_t buffer[BUFFER_SIZE + 1];

static uint32_t below(uint32_t bound)
{
    return (uint32_t)random_sequence_below(&random_values, bound);
}

/* Encode at buffer + shift (1: unaligned, so that XDR_INLINE gives nothing). -1 if refused. */
static int encode(xdrproc_t codec, const void *value, unsigned shift)
{
    XDR xdrs;
    xdrmem_create(&xdrs, (char *)buffer + shift, BUFFER_SIZE, XDR_ENCODE);
    return codec(&xdrs, value) ? (int)XDR_GETPOS(&xdrs) : -1;
}

/* Decode size bytes; the number of bytes taken, -1 if refused. */
static int decode(xdrproc_t codec, unsigned size, void *out_value, unsigned shift)
{
    XDR xdrs;
    xdrmem_create(&xdrs, (char *)buffer + shift, size, XDR_DECODE);
    return codec(&xdrs, out_value) ? (int)XDR_GETPOS(&xdrs) : -1;
}

/* value, once zeroed and filled, comes back the same; no proper part of its bytes is accepted. */
static void check_round_trip(xdrproc_t codec, const void *value, void *scratch, size_t value_size)
{
    for (unsigned shift = 0; shift < 2; shift++) {
        int size = encode(codec, value, shift);
        CU_ASSERT_FATAL(size > 0);
        memset(scratch, 0, value_size);
        CU_ASSERT_EQUAL(decode(codec, (unsigned)size, scratch, shift), size);
        CU_ASSERT_EQUAL(memcmp(scratch, value, value_size), 0);
        unsigned cut = below((uint32_t)size);
        CU_ASSERT_EQUAL(decode(codec, cut, scratch, shift), -1);
    }
}

static void test_gfid_text_is_read_back(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct gfid gfid;
        struct gfid back;
        char text[GFID_TEXT_SIZE];
        sample_gfid(&random_values, &gfid);
        gfid_to_text(&gfid, text);
        CU_ASSERT_EQUAL(strlen(text), GFID_TEXT_SIZE - 1);
        CU_ASSERT_EQUAL_FATAL(gfid_from_text(text, &back), 0);
        CU_ASSERT_TRUE(gfid_equal(&gfid, &back));
    }
    char text[GFID_TEXT_SIZE];
    gfid_to_text(&GFID_ROOT, text);
    CU_ASSERT_STRING_EQUAL(text, "00000000-0000-0000-0000-000000000001");
}

static void test_gfid_text_that_is_none_is_refused(void)
{
    static const char *const bad[] = {
        "",
        "0",
        "00000000-0000-0000-0000-00000000000",
        "00000000-0000-0000-0000-0000000000011",
        "00000000_0000-0000-0000-000000000001",
        "0000000-00000-0000-0000-000000000001",
        "0000000g-0000-0000-0000-000000000001",
        "0000000A-0000-0000-0000-000000000001",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gfid gfid;
        CU_ASSERT_EQUAL(gfid_from_text(bad[i], &gfid), -EINVAL);
    }
}

static void test_gfid_tells_set_and_index(void)
{
    struct gfid gfid = gfid_make(0xabcd, 0x123456789abc, 0xfedcba9876);
    CU_ASSERT_EQUAL(gfid_set(&gfid), 0xabcd);
    CU_ASSERT_EQUAL(gfid_index(&gfid), 0xfedcba9876);
    CU_ASSERT_EQUAL(gfid_ino(&gfid), 0xabcd00fedcba9876);
    CU_ASSERT_EQUAL(gfid_ino(&GFID_ROOT), 1);
}

static void test_type_and_mode_agree(void)
{
    CU_ASSERT_EQUAL(object_type_to_mode(OBJECT_FILE), S_IFREG);
    CU_ASSERT_EQUAL(object_type_to_mode(OBJECT_SYMLINK), S_IFLNK);
    for (uint32_t type = OBJECT_FILE; type <= OBJECT_FIFO; type++) {
        CU_ASSERT_EQUAL(object_type_from_mode(object_type_to_mode(type) | 04755), type);
    }
    CU_ASSERT_EQUAL(object_type_to_mode(OBJECT_FIFO + 1), 0);
    CU_ASSERT_EQUAL(object_type_from_mode(S_IFMT), OBJECT_NONE);
    CU_ASSERT_EQUAL(object_type_from_mode(0644), OBJECT_NONE);
}

static void test_small_structs_come_back(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct gfid gfid;
        struct attr attr;
        struct attr_before before;
        struct attr_change change;
        struct cred cred;
        struct op_id id;
        struct statfs_info info;
        struct volume_id volume;
        uint8_t scratch[sizeof attr + sizeof cred];
        sample_gfid(&random_values, &gfid);
        check_round_trip((xdrproc_t)xdr_gfid, &gfid, scratch, sizeof gfid);
        sample_attr(&random_values, &attr);
        check_round_trip((xdrproc_t)xdr_attr, &attr, scratch, sizeof attr);
        sample_before(&random_values, &before);
        check_round_trip((xdrproc_t)xdr_attr_before, &before, scratch, sizeof before);
        sample_change(&random_values, &change);
        check_round_trip((xdrproc_t)xdr_attr_change, &change, scratch, sizeof change);
        sample_cred(&random_values, &cred);
        check_round_trip((xdrproc_t)xdr_cred, &cred, scratch, sizeof cred);
        sample_op_id(&random_values, &id);
        check_round_trip((xdrproc_t)xdr_op_id, &id, scratch, sizeof id);
        sample_statfs(&random_values, &info);
        check_round_trip((xdrproc_t)xdr_statfs_info, &info, scratch, sizeof info);
        sample_volume_id(&random_values, &volume);
        check_round_trip((xdrproc_t)xdr_volume_id, &volume, scratch, sizeof volume);
    }
}

static void test_the_absent_takes_four_bytes(void)
{
    struct attr attr = {.type = OBJECT_NONE};
    struct attr_before before = {.present = false};
    struct statfs_info info = {.present = false};
    CU_ASSERT_EQUAL(encode((xdrproc_t)xdr_attr, &attr, 0), 4);
    CU_ASSERT_EQUAL(encode((xdrproc_t)xdr_attr_before, &before, 0), 4);
    CU_ASSERT_EQUAL(encode((xdrproc_t)xdr_statfs_info, &info, 0), 4);
    sample_attr(&random_values, &attr);
    CU_ASSERT_EQUAL(decode((xdrproc_t)xdr_attr, 4, &attr, 0), 4);
    CU_ASSERT_EQUAL(attr.type, OBJECT_NONE);
    CU_ASSERT_EQUAL(attr.size, 0);
}

static void test_replies_of_every_presence_come_back(void)
{
    static struct reply reply;
    static struct reply scratch;
    for (unsigned presence = 0; presence < 1024; presence++) {
        sample_reply(&random_values, presence, &reply);
        check_round_trip((xdrproc_t)xdr_reply, &reply, &scratch, sizeof reply);
    }
    memset(&reply, 0, sizeof reply);
    CU_ASSERT_TRUE(encode((xdrproc_t)xdr_reply, &reply, 0) <= 40);
}

static void test_views_and_volumes_come_back(void)
{
    static struct view view;
    static struct volume_spec spec;
    static struct volume_spec scratch;
    for (int i = 0; i < ROUNDS; i++) {
        sample_view(&random_values, &view);
        check_round_trip((xdrproc_t)xdr_view, &view, &scratch, sizeof view);
        sample_volume_spec(&random_values, &spec);
        check_round_trip((xdrproc_t)xdr_volume_spec, &spec, &scratch, sizeof spec);
    }
}

/* Encode a good value, put word at byte offset, and expect the decoder to refuse. */
static void check_refused(xdrproc_t codec, const void *value, size_t offset, uint32_t word)
{
    static struct volume_spec scratch; /* the largest struct */
    int size = encode(codec, value, 0);
    CU_ASSERT_FATAL(size > 0);
    uint8_t *at = buffer + offset;
    bytes_put_u32(&at, word);
    CU_ASSERT_EQUAL(decode(codec, (unsigned)size, &scratch, 0), -1);
}

static void test_broken_limits_are_refused(void)
{
    struct attr attr;
    struct cred cred;
    struct op_id id;
    struct attr_change change;
    struct attr_before before;
    sample_attr(&random_values, &attr);
    check_refused((xdrproc_t)xdr_attr, &attr, 0, OBJECT_FIFO + 1);
    check_refused((xdrproc_t)xdr_attr, &attr, 4, 010000);
    check_refused((xdrproc_t)xdr_attr, &attr, PACKED_ATTR_SIZE - 4, 1000000000);
    check_refused((xdrproc_t)xdr_attr, &attr, PACKED_ATTR_SIZE - 40, UINT32_MAX);
    sample_cred(&random_values, &cred);
    check_refused((xdrproc_t)xdr_cred, &cred, 12, CRED_GROUPS_MAX + 1);
    check_refused((xdrproc_t)xdr_cred, &cred, 12, UINT32_MAX);
    sample_op_id(&random_values, &id);
    check_refused((xdrproc_t)xdr_op_id, &id, 0, OP_ID_DERIVED + 1);
    sample_change(&random_values, &change);
    check_refused((xdrproc_t)xdr_attr_change, &change, 0, 1U << 8);
    check_refused((xdrproc_t)xdr_attr_change, &change, PACKED_CHANGE_SIZE - 4, 1000000000);
    sample_before(&random_values, &before);
    check_refused((xdrproc_t)xdr_attr_before, &before, 0, 2);
    static struct reply reply;
    sample_reply(&random_values, 0xff, &reply);
    check_refused((xdrproc_t)xdr_reply, &reply, 0, 1);
    check_refused((xdrproc_t)xdr_reply, &reply, 20, 1U << 10);
    check_refused((xdrproc_t)xdr_reply, &reply, 36, STABLE_FILE_SYNC + 1);
    static struct view view;
    do {
        sample_view(&random_values, &view);
    } while (view.member_count == 0);
    check_refused((xdrproc_t)xdr_view, &view, 20, view.member_count);
    check_refused((xdrproc_t)xdr_view, &view, 40, SET_MEMBERS_MAX + 1);
    check_refused((xdrproc_t)xdr_view, &view, 48, MEMBER_JOINING + 1);
    check_refused((xdrproc_t)xdr_view, &view, 68, HOST_SIZE_MAX + 1);
    (void)snprintf(view.members[0].host, sizeof view.members[0].host, "host");
    check_refused((xdrproc_t)xdr_view, &view, 72, 0); /* NULs in the text */
}

static void test_encoding_what_breaks_a_limit_fails(void)
{
    struct cred cred = {.group_count = CRED_GROUPS_MAX + 1};
    CU_ASSERT_EQUAL(encode((xdrproc_t)xdr_cred, &cred, 0), -1);
    static struct reply reply = {.status = 1};
    CU_ASSERT_EQUAL(encode((xdrproc_t)xdr_reply, &reply, 0), -1);
    struct attr attr = {.type = OBJECT_FILE, .ctime.nanoseconds = 1000000000};
    CU_ASSERT_EQUAL(encode((xdrproc_t)xdr_attr, &attr, 0), -1);
    static struct view view = {.member_count = SET_MEMBERS_MAX + 1};
    CU_ASSERT_EQUAL(encode((xdrproc_t)xdr_view, &view, 0), -1);
    static struct volume_spec spec;
    memset(spec.name, 'x', sizeof spec.name); /* no NUL */
    CU_ASSERT_EQUAL(encode((xdrproc_t)xdr_volume_spec, &spec, 0), -1);
}

static bool slices_match(const struct slice *a, const struct slice *b)
{
    return slice_equal(*a, *b);
}

/* Slices point to different places: compare what they hold, then the structs without them. */
static bool operations_match(struct operation a, struct operation b)
{
    bool same = slices_match(&a.name, &b.name) && slices_match(&a.name2, &b.name2) &&
                slices_match(&a.target, &b.target) && slices_match(&a.xattr, &b.xattr) &&
                slices_match(&a.value, &b.value) && slices_match(&a.acl, &b.acl) &&
                slices_match(&a.default_acl, &b.default_acl) && a.flags == b.flags &&
                a.length == b.length && a.how == b.how;
    uint8_t bytes_a[OPERATION_SIZE_MAX];
    uint8_t bytes_b[OPERATION_SIZE_MAX];
    size_t size_a = 0;
    size_t size_b = 0;
    CU_ASSERT_EQUAL(operation_encode(&a, bytes_a, sizeof bytes_a, &size_a), 0);
    CU_ASSERT_EQUAL(operation_encode(&b, bytes_b, sizeof bytes_b, &size_b), 0);
    return same && size_a == size_b && memcmp(bytes_a, bytes_b, size_a) == 0 &&
           a.index == b.index && a.birth_view == b.birth_view && a.kind == b.kind &&
           memcmp(&a.id, &b.id, sizeof a.id) == 0 && a.cookie == b.cookie &&
           a.cookie2 == b.cookie2 && a.offset == b.offset && a.count == b.count &&
           a.mask == b.mask && a.rename_flags == b.rename_flags &&
           a.create_verifier == b.create_verifier && a.create_exclusive == b.create_exclusive &&
           memcmp(&a.object, &b.object, sizeof a.object) == 0 &&
           memcmp(&a.object_before, &b.object_before, sizeof a.object_before) == 0 &&
           memcmp(&a.parent, &b.parent, sizeof a.parent) == 0 &&
           memcmp(&a.parent_before, &b.parent_before, sizeof a.parent_before) == 0 &&
           memcmp(&a.parent2, &b.parent2, sizeof a.parent2) == 0 &&
           memcmp(&a.parent2_before, &b.parent2_before, sizeof a.parent2_before) == 0 &&
           memcmp(&a.replaced, &b.replaced, sizeof a.replaced) == 0;
}

static void test_operations_of_every_presence_come_back(void)
{
    static struct sample_text_room room;
    unsigned failures = 0;
    for (unsigned turn = 0; turn < 65536; turn++) {
        /* every combination of the first 16, each with some of the other 7 */
        unsigned presence = turn | below(128) << 16;
        struct operation operation;
        struct operation back;
        size_t size = 0;
        sample_operation(&random_values, presence, &room, &operation);
        failures += operation_encode(&operation, buffer, OPERATION_SIZE_MAX, &size) != 0;
        failures += operation_decode(slice_of(buffer, size), &back) != 0;
        failures += !operations_match(operation, back);
        size_t cut = below((uint32_t)size);
        failures += operation_decode(slice_of(buffer, cut), &back) != -E_BAD_MESSAGE;
        failures += operation_decode(slice_of(buffer, size + 1), &back) != -E_BAD_MESSAGE;
        failures += operation_encode(&operation, buffer, size - 1, &size) != -ENOBUFS;
    }
    CU_ASSERT_EQUAL(failures, 0);
}

static void check_operation_refused(const struct operation *operation)
{
    size_t size = 0;
    CU_ASSERT_EQUAL(operation_encode(operation, buffer, OPERATION_SIZE_MAX, &size), -EINVAL);
}

static void test_operations_that_break_a_limit_are_refused(void)
{
    static const char longest[TARGET_SIZE_MAX + 1] = {[0 ... TARGET_SIZE_MAX] = 'x'};
    struct operation operation = {.kind = OPERATION_MAKE};
    operation.name = slice_of(longest, NAME_SIZE_MAX + 1);
    check_operation_refused(&operation);
    operation.name = slice_text("a/b");
    check_operation_refused(&operation);
    operation.name = slice_of("a\0b", 3);
    check_operation_refused(&operation);
    operation.name = slice_text("..x");
    operation.target = slice_of(longest, TARGET_SIZE_MAX + 1);
    check_operation_refused(&operation);
    operation.target = slice_of("a\0b", 3);
    check_operation_refused(&operation);
    operation.target = slice_of(longest, TARGET_SIZE_MAX);
    operation.kind = OPERATION_KIND_LAST + 1;
    check_operation_refused(&operation);
    operation.kind = OPERATION_WRITE;
    operation.count = IO_SIZE_MAX + 1;
    check_operation_refused(&operation);
    operation.count = IO_SIZE_MAX;
    operation.mask = 1U << 8;
    check_operation_refused(&operation);
    operation.mask = 0;
    size_t size = 0;
    CU_ASSERT_EQUAL(operation_encode(&operation, buffer, OPERATION_SIZE_MAX, &size), 0);
    struct operation back;
    buffer[0] = 3; /* a version to come */
    CU_ASSERT_EQUAL(operation_decode(slice_of(buffer, size), &back), -E_BAD_MESSAGE);
    CU_ASSERT_EQUAL(operation_decode(slice_of(NULL, 0), &back), -E_BAD_MESSAGE);
}

static void test_the_reply_follows_from_the_operation(void)
{
    static struct sample_text_room room;
    static struct reply reply;
    struct operation operation;
    sample_operation(&random_values, 0xffff, &room, &operation);
    operation.kind = OPERATION_RENAME;
    operation_to_reply(&operation, &reply);
    CU_ASSERT_EQUAL(reply.status, 0);
    CU_ASSERT_EQUAL(reply.count, 0);
    CU_ASSERT_EQUAL(memcmp(&reply.object, &operation.object, sizeof reply.object), 0);
    CU_ASSERT_EQUAL(memcmp(&reply.parent, &operation.parent, sizeof reply.parent), 0);
    CU_ASSERT_EQUAL(memcmp(&reply.parent2, &operation.parent2, sizeof reply.parent2), 0);
    CU_ASSERT_EQUAL(reply.parent2_before.size, operation.parent2_before.size);
    operation.parent2.type = OBJECT_NONE;
    operation_to_reply(&operation, &reply);
    CU_ASSERT_EQUAL(memcmp(&reply.parent2, &operation.parent, sizeof reply.parent2), 0);
    CU_ASSERT_EQUAL(reply.parent2_before.size, operation.parent_before.size);
    operation.kind = OPERATION_WRITE;
    operation_to_reply(&operation, &reply);
    CU_ASSERT_EQUAL(reply.count, operation.count);
    CU_ASSERT_EQUAL(reply.parent2.type, OBJECT_NONE);
}

static void sample_entry(char *room, struct dirent_entry *out_entry)
{
    memset(out_entry, 0, sizeof *out_entry);
    out_entry->cookie = sample_u64(&random_values);
    out_entry->type = 1 + below(OBJECT_FIFO);
    sample_gfid(&random_values, &out_entry->gfid);
    if (below(2)) {
        sample_attr(&random_values, &out_entry->attr);
    }
    sample_text(&random_values, 1, NAME_SIZE_MAX, room);
    out_entry->name = slice_text(room);
    out_entry->ungranted = below(2) == 1;
}

#define ENTRIES_MAX 512

static void test_entries_come_back_in_order(void)
{
    static char names[ENTRIES_MAX][NAME_SIZE_MAX + 1];
    static struct dirent_entry entries[ENTRIES_MAX];
    for (int round = 0; round < 20; round++) {
        size_t used = 0;
        size_t count = 0;
        int status = 0;
        while (count < ENTRIES_MAX) {
            sample_entry(names[count], &entries[count]);
            size_t before = used;
            status = dirent_pack(buffer, BUFFER_SIZE, &used, &entries[count]);
            if (status) {
                CU_ASSERT_EQUAL(used, before);
                break;
            }
            count++;
        }
        CU_ASSERT_TRUE(count == ENTRIES_MAX || status == -ENOBUFS);
        CU_ASSERT_EQUAL(used % 4, 0);
        struct slice rest = slice_of(buffer, used);
        struct dirent_entry entry;
        for (size_t i = 0; i < count; i++) {
            CU_ASSERT_EQUAL_FATAL(dirent_next(&rest, &entry), 0);
            CU_ASSERT_EQUAL(entry.cookie, entries[i].cookie);
            CU_ASSERT_EQUAL(entry.type, entries[i].type);
            CU_ASSERT_EQUAL(entry.ungranted, entries[i].ungranted);
            CU_ASSERT_TRUE(gfid_equal(&entry.gfid, &entries[i].gfid));
            CU_ASSERT_TRUE(slice_equal(entry.name, entries[i].name));
            CU_ASSERT_EQUAL(entry.attr.type, entries[i].attr.type);
            CU_ASSERT_EQUAL(entry.attr.size, entries[i].attr.size);
            CU_ASSERT_EQUAL(timestamp_compare(&entry.attr.btime, &entries[i].attr.btime), 0);
        }
        CU_ASSERT_EQUAL(dirent_next(&rest, &entry), -ENOENT);
    }
}

static void test_malformed_entries_are_refused(void)
{
    struct dirent_entry entry = {.cookie = 40, .type = OBJECT_FILE, .name = slice_text("abcde")};
    size_t size = 0;
    CU_ASSERT_EQUAL(dirent_pack(buffer, BUFFER_SIZE, &size, &entry), 0);
    struct dirent_entry back;
    for (size_t cut = 1; cut < size; cut++) {
        struct slice rest = slice_of(buffer, cut);
        CU_ASSERT_EQUAL(dirent_next(&rest, &back), -E_BAD_MESSAGE);
        CU_ASSERT_EQUAL(rest.size, cut);
    }
    static const struct {
        size_t offset;
        uint8_t byte;
    } bad[] = {{27, 0}, {27, 8}, {31, 0}, {28, 1}, {30, 1}, {35, 9}, {36, 0}, {37, '/'}, {43, 1}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct slice rest = slice_of(buffer, size);
        uint8_t good = buffer[bad[i].offset];
        buffer[bad[i].offset] = bad[i].byte;
        CU_ASSERT_EQUAL(dirent_next(&rest, &back), -E_BAD_MESSAGE);
        buffer[bad[i].offset] = good;
    }
    entry.name = slice_text("a/b");
    CU_ASSERT_EQUAL(dirent_pack(buffer, BUFFER_SIZE, &size, &entry), -EINVAL);
    entry.name = slice_of(NULL, 0);
    CU_ASSERT_EQUAL(dirent_pack(buffer, BUFFER_SIZE, &size, &entry), -EINVAL);
}

static void test_names_are_told_from_others(void)
{
    CU_ASSERT_TRUE(name_is_good(slice_text("..")));
    CU_ASSERT_TRUE(name_is_dot_or_dotdot(slice_text(".")));
    CU_ASSERT_TRUE(name_is_dot_or_dotdot(slice_text("..")));
    CU_ASSERT_FALSE(name_is_dot_or_dotdot(slice_text("...")));
    CU_ASSERT_FALSE(name_is_dot_or_dotdot(slice_text("a")));
    CU_ASSERT_FALSE(name_is_good(slice_text("")));
}

#define TEST(function)                                                                             \
    {                                                                                              \
#function, function                                                                        \
    }

int main(void)
{
    CU_TestInfo tests[] = {
        TEST(test_gfid_text_is_read_back),
        TEST(test_gfid_text_that_is_none_is_refused),
        TEST(test_gfid_tells_set_and_index),
        TEST(test_type_and_mode_agree),
        TEST(test_small_structs_come_back),
        TEST(test_the_absent_takes_four_bytes),
        TEST(test_replies_of_every_presence_come_back),
        TEST(test_views_and_volumes_come_back),
        TEST(test_broken_limits_are_refused),
        TEST(test_encoding_what_breaks_a_limit_fails),
        TEST(test_operations_of_every_presence_come_back),
        TEST(test_operations_that_break_a_limit_are_refused),
        TEST(test_the_reply_follows_from_the_operation),
        TEST(test_entries_come_back_in_order),
        TEST(test_malformed_entries_are_refused),
        TEST(test_names_are_told_from_others),
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {
        {.pName = "proto", .pTests = tests},
        CU_SUITE_INFO_NULL,
    };
    random_sequence_init(&random_values, SEED);
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
        return 2;
    }
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    int failures = (int)CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
