/*
 * What may be taken back, by hand.
 *
 * Goal: refusals change nothing; however much is not committed, over commits of the index and more
 * than is kept in memory, all of it can be taken back; the log tells by which view an operation was
 * ordered; bytes go where they are missing and nowhere else. Method: the same on a directory and in
 * memory, operations of one kind each.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <errno.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <unistd.h>
#include "backend/base/bytes.h"
#include "backend/base/check.h"
#include "backend/store/indexed.h"
#include "tests/lib/store_check.h"
#include "tests/lib/store_fixture.h"

#define VIEW 5

static struct store *store;
static struct store_fixture fixture; /* opens and closes it */
static uint64_t now_ns = UINT64_C(1700000000) * NS_PER_S;

static uint64_t sequenced(void)
{
    struct store_position position;
    store_position(store, &position);
    return position.sequenced;
}

/* Do it, and do not commit it. Returns the object. */
static struct gfid act(struct mutation wish, const char *text)
{
    uint8_t bytes[OPERATION_SIZE_MAX];
    struct operation operation;
    size_t size = 0;
    const struct decision decision = {.index = sequenced() + 1,
                                      .view = VIEW,
                                      .now_ns = now_ns += 1000,
                                      .bytes_free = UINT64_C(1) << 40};
    INVARIANT(store_decide(store, &wish, &decision, &operation) == 0);
    INVARIANT(operation_encode(&operation, bytes, sizeof bytes, &size) == 0);
    INVARIANT(store_sequence(store, &operation, slice_of(bytes, size)) == 0);
    INVARIANT(store_apply(store, &operation, slice_text(text)) == 0);
    return operation.object.gfid;
}

static struct gfid act_make(const char *name)
{
    return act(wish_make(GFID_ROOT, name, OBJECT_FILE, 0640), "");
}

static void act_write(struct gfid file, uint64_t offset, const char *text)
{
    (void)act(wish_write(file, offset, (uint32_t)strlen(text)), text);
}

static void begin(bool on_disk)
{
    store_fixture_open(&fixture, on_disk, !on_disk);
    store = fixture.stores[0];
}

static void reopen(void)
{
    if (fixture.paths[0][0]) {
        CU_ASSERT_EQUAL_FATAL(store_fixture_reopen(&fixture, 0), 0);
        store = fixture.stores[0];
    }
}

static void end(void)
{
    if (fixture.paths[0][0]) {
        CU_ASSERT_EQUAL(store_compare(store, fixture.paths[0], TREE_OWNERS), 0);
    }
    store_fixture_close(&fixture);
}

/* Both kinds of store. */
static void on_both(void (*story)(void))
{
    for (int on_disk = 0; on_disk < 2; on_disk++) {
        begin(on_disk);
        story();
        end();
    }
}

struct fetched {
    uint32_t count;
    struct store_refetch ranges[8];
};

static int note(void *context, const struct store_refetch *range)
{
    struct fetched *fetched = context;
    INVARIANT(fetched->count < 8);
    fetched->ranges[fetched->count++] = *range;
    return 0;
}

static void check_range(const struct store_refetch *range, struct gfid object, uint64_t offset,
                        uint64_t length)
{
    CU_ASSERT(gfid_equal(&range->object, &object));
    CU_ASSERT_EQUAL(range->offset, offset);
    CU_ASSERT_EQUAL(range->length, length);
}

/* ---- refusals ---------------------------------------------------------------------------------
 */

static void refusals(void)
{
    struct fetched fetched = {.count = 0};
    struct gfid file = act_make("a");
    uint64_t committed = sequenced();
    uint64_t birth = 9;
    CU_ASSERT_EQUAL(store_commit(store, committed), 0);
    act_write(file, 0, "text");
    uint64_t digest = store_digest(store);
    CU_ASSERT_EQUAL(store_cut(store, committed - 1, note, &fetched), -EINVAL);
    CU_ASSERT_EQUAL(store_cut(store, committed + 2, note, &fetched), -EINVAL);
    CU_ASSERT_EQUAL(store_cut(store, committed + 1, note, &fetched), 0); /* nothing to do */
    CU_ASSERT_EQUAL(store_restore(store, &file, 0, slice_text("text")), -EINVAL);
    CU_ASSERT_FALSE(store_reconciling(store));
    CU_ASSERT_EQUAL(store_reconciled(store), 0);
    CU_ASSERT_EQUAL(fetched.count, 0);
    CU_ASSERT_EQUAL(store_digest(store), digest);
    CU_ASSERT_EQUAL(store_log_birth(store, 0, &birth), 0);
    CU_ASSERT_EQUAL(birth, 0);
    CU_ASSERT_EQUAL(store_log_birth(store, committed, &birth), 0);
    CU_ASSERT_EQUAL(birth, VIEW);
    CU_ASSERT_EQUAL(store_log_birth(store, committed + 2, &birth), -ENOENT);
}

static void what_cannot_be_is_refused(void)
{
    on_both(refusals);
}

/* An older version's index does not know what its last operations changed. */
static void without_undo(void)
{
    uint8_t key[8];
    uint8_t *at = key;
    struct fetched fetched = {.count = 0};
    struct kv *kv = index_of(store)->kv;
    (void)act_make("a");
    (void)act_make("b");
    CU_ASSERT_EQUAL(store_checkpoint(store), 0);
    uint64_t digest = store_digest(store);
    bytes_put_u64(&at, sequenced() - 1);
    CU_ASSERT_EQUAL(kv->ops->remove(kv, KV_UNDO, slice_of(key, sizeof key)), 0);
    CU_ASSERT_EQUAL(store_cut(store, sequenced() - 2, note, &fetched), -ENOENT);
    CU_ASSERT_FALSE(store_reconciling(store));
    CU_ASSERT_EQUAL(store_digest(store), digest);
    CU_ASSERT_EQUAL(store_cut(store, sequenced() - 1, note, &fetched), 0);
    CU_ASSERT_EQUAL(store_reconciled(store), 0);
}

static void what_the_index_does_not_know_stays(void)
{
    on_both(without_undo);
}

/* ---- how much ----------------------------------------------------------------------------------
 */

static void large(void)
{
    static uint8_t value[XATTR_VALUE_MAX];
    struct fetched fetched = {.count = 0};
    struct gfid file = act_make("a");
    uint64_t to = sequenced();
    uint64_t digest = store_digest(store);
    for (uint32_t i = 0; i < 2 * UNDO_BYTES_MAX / XATTR_VALUE_MAX; i++) {
        value[0] = (uint8_t)i;
        (void)act((struct mutation){.kind = MUTATION_SETXATTR,
                                    .object = file,
                                    .xattr = slice_text("user.large"),
                                    .value = slice_of(value, sizeof value)},
                  "");
    }
    reopen();
    CU_ASSERT_EQUAL(store_cut(store, to, note, &fetched), 0);
    CU_ASSERT_EQUAL(store_digest(store), digest);
    CU_ASSERT_EQUAL(store_reconciled(store), 0);
}

static void large_changes_are_taken_back(void)
{
    on_both(large);
}

/* More than the index commits of itself; some are known committed only at the end. */
static void many(void)
{
    struct fetched fetched = {.count = 0};
    uint64_t first = sequenced();
    uint64_t digests[2];
    char name[32];
    for (uint32_t i = 0; i < INDEX_COMMIT_OPERATIONS * 5 / 2; i++) {
        if (i == INDEX_COMMIT_OPERATIONS / 2) {
            digests[0] = store_digest(store);
        }
        (void)snprintf(name, sizeof name, "n%u", i);
        (void)act_make(name);
    }
    CU_ASSERT_EQUAL(store_commit(store, first + INDEX_COMMIT_OPERATIONS / 4), 0);
    reopen();
    CU_ASSERT_EQUAL(store_cut(store, first + INDEX_COMMIT_OPERATIONS / 4 - 1, note, &fetched),
                    -EINVAL);
    CU_ASSERT_EQUAL(store_cut(store, first + INDEX_COMMIT_OPERATIONS / 2, note, &fetched), 0);
    digests[1] = store_digest(store);
    CU_ASSERT_EQUAL(digests[0], digests[1]);
    CU_ASSERT_EQUAL(store_reconciled(store), 0);
    (void)act_make("another");
    reopen();
    CU_ASSERT_EQUAL(sequenced(), first + INDEX_COMMIT_OPERATIONS / 2 + 1);
}

static void many_operations_are_taken_back(void)
{
    on_both(many);
}

/* ---- bytes -------------------------------------------------------------------------------------
 */

static struct gfid written(const char *name, uint32_t size)
{
    static char text[20001];
    struct gfid file = act_make(name);
    memset(text, 'x', size);
    text[size] = '\0';
    act_write(file, 0, text);
    return file;
}

static void ranges(void)
{
    struct fetched fetched = {.count = 0};
    struct gfid overwritten = written("overwritten", 20000);
    struct gfid truncated = written("truncated", 20000);
    struct gfid punched = written("punched", 20000);
    struct gfid removed = written("removed", 20000);
    struct gfid moved = written("moved", 20000);
    uint64_t to = sequenced();
    uint64_t digest = store_digest(store);
    CU_ASSERT_EQUAL(store_commit(store, to), 0);
    act_write(overwritten, 100, "0123456789");
    act_write(overwritten, 105, "0123456789");
    act_write(overwritten, 19995, "0123456789"); /* some of it behind what was the end */
    act_write(overwritten, 30000, "0123456789"); /* all of it */
    (void)act(wish_setattr(truncated, (struct attr_change){.mask = ATTR_SIZE, .size = 50}), "");
    (void)act(wish_setattr(truncated, (struct attr_change){.mask = ATTR_SIZE, .size = 90000}), "");
    (void)act(wish_allocate(punched, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192), "");
    (void)act(wish_allocate(punched, 0, 0, 30000), ""); /* changes no byte */
    (void)act(wish_remove(GFID_ROOT, "removed", false), "");
    (void)act(wish_rename(GFID_ROOT, "moved", GFID_ROOT, "elsewhere"), "");
    act_write(written("made", 20000), 3, "gone with it");
    CU_ASSERT_EQUAL(store_cut(store, to, note, &fetched), 0);
    CU_ASSERT_EQUAL(store_digest(store), digest);
    CU_ASSERT_EQUAL_FATAL(fetched.count, 5);
    check_range(&fetched.ranges[0], overwritten, 100, 15);
    check_range(&fetched.ranges[1], overwritten, 19995, 5);
    check_range(&fetched.ranges[2], truncated, 50, 19950);
    check_range(&fetched.ranges[3], punched, 4096, 8192);
    check_range(&fetched.ranges[4], removed, 0, UINT64_MAX);
    reopen();
    CU_ASSERT(store_reconciling(store));
    CU_ASSERT_EQUAL(store_restore(store, &overwritten, 19990, slice_text("yyyyyyyyyyyyyyy")), 0);
    CU_ASSERT_EQUAL(store_restore(store, &overwritten, 20000, slice_text("y")), 0);
    CU_ASSERT_EQUAL(store_restore(store, &GFID_ROOT, 0, slice_text("y")), -EINVAL);
    uint8_t buffer[16] = {0};
    uint32_t got = 0;
    CU_ASSERT_EQUAL(store_restore(store, &overwritten, 19999, slice_of(buffer, 16)), 0);
    CU_ASSERT_EQUAL(store_read(store, &overwritten, 19988, 16, false, buffer, &got), 0);
    CU_ASSERT(slice_equal(slice_of(buffer, got), slice_of("xxyyyyyyyyy", 12)));
    CU_ASSERT_EQUAL(store_read(store, &moved, 19996, 16, false, buffer, &got), 0);
    CU_ASSERT(slice_equal(slice_of(buffer, got), slice_text("xxxx")));
    CU_ASSERT_EQUAL(store_digest(store), digest);
    fetched.count = 0;
    CU_ASSERT_EQUAL(store_refetch(store, note, &fetched), 0); /* once more, till all is said done */
    CU_ASSERT_EQUAL(fetched.count, 5);
    CU_ASSERT_EQUAL(store_reconciled(store), 0);
    reopen();
    CU_ASSERT_FALSE(store_reconciling(store));
    CU_ASSERT_EQUAL(store_refetch(store, note, &fetched), 0);
    CU_ASSERT_EQUAL(fetched.count, 5);
    CU_ASSERT_EQUAL(store_digest(store), digest);
}

static void bytes_that_others_have_are_named(void)
{
    on_both(ranges);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("store, what is not committed", NULL, NULL);
    CU_ADD_TEST(suite, what_cannot_be_is_refused);
    CU_ADD_TEST(suite, what_the_index_does_not_know_stays);
    CU_ADD_TEST(suite, large_changes_are_taken_back);
    CU_ADD_TEST(suite, many_operations_are_taken_back);
    CU_ADD_TEST(suite, bytes_that_others_have_are_named);
    CU_basic_run_tests();
    unsigned int failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
