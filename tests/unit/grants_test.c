/*
 * Grants and recalls: what a client was granted is taken back before another's change is answered,
 * or has ended by itself; nobody ever uses a value that is older than an acknowledged change.
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

#define TOO_EARLY_MS 100
/* What a tick and a busy machine add to the end of a grant. */
#define SLACK_MS 1500

static struct brick_set set;
static struct test_client a, b; /* a is granted, b changes */

static void set_up(unsigned count, bool on_directories)
{
    brick_set_open(&set, count, on_directories);
    CU_ASSERT_FATAL(brick_set_wait_serving(&set));
    CU_ASSERT_EQUAL_FATAL(test_client_open(&a, &set, 0, true), 0);
    CU_ASSERT_EQUAL_FATAL(test_client_open(&b, &set, 0, false), 0);
}

static void tear_down(void)
{
    test_client_close(&a);
    test_client_close(&b);
    brick_set_close(&set);
}

static uint64_t ms_between(uint64_t from_ns, uint64_t to_ns)
{
    return (to_ns - from_ns) / NS_PER_MS;
}

/* ---- what is granted
 * ----------------------------------------------------------------------------- */

static void grant_object(struct gfid object)
{
    brick_getattr_args args = args_object(&a, object);
    struct reply reply;
    CU_ASSERT_EQUAL(client_call(&a, BRICK_GETATTR, &args, NULL, &reply), 0);
    CU_ASSERT_EQUAL(reply.grant_ms, GRANT_MS_MAX);
}

static void grant_name(struct gfid parent, const char *name, int expected)
{
    brick_name_args args = args_name(&a, parent, name);
    struct reply reply;
    CU_ASSERT_EQUAL(client_call(&a, BRICK_LOOKUP, &args, NULL, &reply), expected);
    CU_ASSERT_EQUAL(reply.grant_ms, GRANT_MS_MAX);
}

static void grant_listing(struct gfid directory)
{
    brick_readdir_args args = args_readdir(&a, directory);
    struct reply reply;
    CU_ASSERT_EQUAL(client_call(&a, BRICK_READDIR, &args, NULL, &reply), 0);
    CU_ASSERT_EQUAL(reply.grant_ms, GRANT_MS_MAX);
}

/* The change by b must recall something from a, and wait until a has answered. */
static void change_recalls(uint32_t procedure, const void *args, const struct slice *bulk)
{
    struct answer change;
    unsigned before;
    {
        AUTO_LOCK(&a.mutex);
        before = a.recalls;
        a.recall_mode = RECALL_KEEP_CALLS;
    }
    client_send(&b, procedure, args, bulk, &change);
    CU_ASSERT_FATAL(client_wait_recalls(&a, before + 1));
    CU_ASSERT_FALSE(answer_wait_ms(&change, TOO_EARLY_MS));
    uint64_t answered_ns = test_now_ns();
    client_answer_recalls(&a);
    CU_ASSERT_EQUAL(answer_wait(&change), 0);
    CU_ASSERT(ms_between(answered_ns, change.done_ns) < 1000); /* not waited out */
    answer_release(&change);
}

static void every_change_recalls(void)
{
    set_up(3, false);
    struct gfid directory = client_make(&b, GFID_ROOT, "d", OBJECT_DIRECTORY);
    struct gfid file = client_make(&b, directory, "f", OBJECT_FILE);
    struct slice bulk = slice_text("bytes");

    grant_object(file);
    brick_setattr_args setattr =
        args_setattr(&b, file, (struct attr_change){.mask = ATTR_MODE, .mode = 0600});
    change_recalls(BRICK_SETATTR, &setattr, NULL);
    CU_ASSERT(gfid_equal(&a.last_recall.object, &file));

    grant_object(file);
    brick_write_args write = args_write(&b, file, 0);
    change_recalls(BRICK_WRITE, &write, &bulk);

    brick_read_args read = args_read(&a, file, 0, 10);
    struct reply reply;
    CU_ASSERT_EQUAL(client_call(&a, BRICK_READ, &read, NULL, &reply), 0);
    CU_ASSERT_EQUAL(reply.grant_ms, GRANT_MS_MAX);
    write = args_write(&b, file, 3);
    change_recalls(BRICK_WRITE, &write, &bulk);

    grant_listing(directory);
    write = args_write(&b, file, 5);
    change_recalls(BRICK_WRITE, &write, &bulk);

    grant_object(directory);
    brick_make_args make = args_make(&b, directory, "g", OBJECT_FILE);
    change_recalls(BRICK_CREATE, &make, NULL);
    CU_ASSERT(gfid_equal(&a.last_recall.object, &directory));

    grant_name(directory, "h", -ENOENT);
    make = args_make(&b, directory, "h", OBJECT_FILE);
    change_recalls(BRICK_CREATE, &make, NULL);
    CU_ASSERT(gfid_equal(&a.last_recall.parent, &directory));
    CU_ASSERT_STRING_EQUAL(a.last_name, "h");

    grant_object(file);
    brick_link_args link = args_link(&b, file, directory, "l");
    change_recalls(BRICK_LINK, &link, NULL);

    grant_object(file); /* another name of it goes */
    brick_remove_args remove_it = args_remove(&b, directory, "l");
    change_recalls(BRICK_REMOVE, &remove_it, NULL);

    grant_name(directory, "g", 0);
    brick_rename_args rename_it = args_rename(&b, directory, "g", GFID_ROOT, "g2");
    change_recalls(BRICK_RENAME, &rename_it, NULL);

    grant_name(GFID_ROOT, "g2", 0); /* replaced */
    rename_it = args_rename(&b, directory, "f", GFID_ROOT, "g2");
    change_recalls(BRICK_RENAME, &rename_it, NULL);

    grant_name(GFID_ROOT, "nothing", -ENOENT);
    rename_it = args_rename(&b, GFID_ROOT, "g2", GFID_ROOT, "nothing");
    change_recalls(BRICK_RENAME, &rename_it, NULL);

    struct gfid inner = client_make(&b, directory, "inner", OBJECT_DIRECTORY);
    grant_object(inner);
    remove_it = args_remove(&b, directory, "inner");
    change_recalls(BRICK_RMDIR, &remove_it, NULL);
    tear_down();
}

static void own_changes_do_not(void)
{
    set_up(3, false);
    struct gfid file = client_make(&a, GFID_ROOT, "f", OBJECT_FILE);
    grant_object(file);
    grant_name(GFID_ROOT, "f", 0);
    grant_listing(GFID_ROOT);
    uint64_t from = test_now_ns();
    CU_ASSERT_EQUAL(client_write(&a, file, 0, "own"), 0);
    brick_rename_args rename_it = args_rename(&a, GFID_ROOT, "f", GFID_ROOT, "g");
    CU_ASSERT_EQUAL(client_call(&a, BRICK_RENAME, &rename_it, NULL, NULL), 0);
    CU_ASSERT(ms_between(from, test_now_ns()) < GRANT_MS_MAX);
    CU_ASSERT_EQUAL(a.recalls, 0);
    tear_down();
}

/* Who looks up for callers that the brick checks is granted the directory with each look-up, also
 * one that finds nothing; whose kernel has checked asks for it itself. */
static void a_look_up_grants_its_directory(void)
{
    set_up(3, false);
    struct gfid directory = client_make(&b, GFID_ROOT, "d", OBJECT_DIRECTORY);
    brick_make_args make = args_make(&b, directory, "f", OBJECT_FILE);
    const char *const names[] = {"missing", "f"};
    struct reply reply;
    for (int i = 0; i < 2; i++) {
        brick_name_args lookup = args_name(&a, directory, names[i]);
        lookup.cred.flags |= CRED_CHECKED;
        (void)client_call(&a, BRICK_LOOKUP, &lookup, NULL, &reply);
        CU_ASSERT_EQUAL(reply.parent_grant_ms, 0);
        lookup.cred.flags &= ~(uint32_t)CRED_CHECKED;
        (void)client_call(&a, BRICK_LOOKUP, &lookup, NULL, &reply);
        CU_ASSERT_EQUAL(reply.status, i == 0 ? -ENOENT : 0);
        CU_ASSERT_EQUAL(reply.parent_grant_ms, GRANT_MS_MAX);
        make = args_make(&b, directory, i == 0 ? "f" : "g", OBJECT_FILE);
        change_recalls(BRICK_CREATE, &make, NULL);
        CU_ASSERT(gfid_equal(&a.last_recall.object, &directory));
    }
    brick_name_args lookup = args_name(&b, directory, "f"); /* b takes no grants */
    lookup.cred.flags &= ~(uint32_t)CRED_CHECKED;
    CU_ASSERT_EQUAL(client_call(&b, BRICK_LOOKUP, &lookup, NULL, &reply), 0);
    CU_ASSERT_EQUAL(reply.parent_grant_ms, 0);
    tear_down();
}

/* A made file is granted to who made it, and taken back like everything else. */
static void what_was_made_is_granted(void)
{
    set_up(3, false);
    brick_make_args make = args_make(&a, GFID_ROOT, "f", OBJECT_FILE);
    struct reply reply;
    CU_ASSERT_EQUAL(client_call(&a, BRICK_CREATE, &make, NULL, &reply), 0);
    CU_ASSERT_EQUAL(reply.grant_ms, GRANT_MS_MAX);
    brick_setattr_args setattr =
        args_setattr(&b, reply.object.gfid, (struct attr_change){.mask = ATTR_MODE, .mode = 0600});
    change_recalls(BRICK_SETATTR, &setattr, NULL);
    tear_down();
}

/* A CREATE that finds a file and truncates it changes the file, not what the name is: the name is
 * granted to nobody, and what is granted to be kept is for name and file. */
static void what_was_found_by_creating_is_not_granted(void)
{
    set_up(3, false);
    struct gfid file = client_make(&b, GFID_ROOT, "f", OBJECT_FILE);
    CU_ASSERT_EQUAL(client_write(&b, file, 0, "bytes"), 0);
    brick_make_args make = args_make(&a, GFID_ROOT, "f", OBJECT_FILE);
    make.how = CREATE_UNCHECKED;
    make.change.mask |= ATTR_SIZE;
    struct reply reply;
    CU_ASSERT_EQUAL(client_call(&a, BRICK_CREATE, &make, NULL, &reply), 0);
    CU_ASSERT_TRUE(gfid_equal(&reply.object.gfid, &file));
    CU_ASSERT_EQUAL(reply.object.size, 0);
    CU_ASSERT_EQUAL(reply.grant_ms, 0);
    tear_down();
}

/* ---- holders that do not answer
 * -------------------------------------------------------------------- */

static void wait_out(bool gone)
{
    set_up(3, false);
    struct gfid file = client_make(&b, GFID_ROOT, "f", OBJECT_FILE);
    a.recall_mode = RECALL_KEEP_SILENT;
    uint64_t sent_ns = test_now_ns(); /* the client counts from here, the brick from its answer */
    grant_object(file);
    if (gone) {
        rpc_connection_close(a.connection);
    }
    brick_setattr_args setattr =
        args_setattr(&b, file, (struct attr_change){.mask = ATTR_MODE, .mode = 0600});
    struct answer change;
    client_send(&b, BRICK_SETATTR, &setattr, NULL, &change);
    /* Nobody sees the new state before, not even another reader. */
    struct answer question;
    brick_getattr_args getattr = args_object(&b, file);
    client_send(&b, BRICK_GETATTR, &getattr, NULL, &question);
    CU_ASSERT_EQUAL(answer_wait(&change), 0);
    CU_ASSERT_EQUAL(answer_wait(&question), 0);
    uint64_t took_ms = ms_between(sent_ns, change.done_ns);
    CU_ASSERT(took_ms >= LEASE_CLIENT_MS);
    CU_ASSERT(took_ms <= LEASE_CLIENT_WAIT_MS + SLACK_MS);
    CU_ASSERT(ms_between(sent_ns, question.done_ns) >= LEASE_CLIENT_MS);
    answer_release(&change);
    answer_release(&question);
    tear_down();
}

static void a_silent_holder_is_waited_out(void)
{
    wait_out(false);
}

static void a_holder_that_is_gone_is_waited_out(void)
{
    wait_out(true);
}

/* As long as it is answered it may believe what it was told: then only the grant's end counts. */
static void a_silent_holder_that_calls_is_waited_for(void)
{
    set_up(3, false);
    struct gfid file = client_make(&b, GFID_ROOT, "f", OBJECT_FILE);
    a.recall_mode = RECALL_KEEP_SILENT;
    uint64_t sent_ns = test_now_ns();
    grant_object(file);
    brick_setattr_args setattr =
        args_setattr(&b, file, (struct attr_change){.mask = ATTR_MODE, .mode = 0600});
    struct answer change;
    client_send(&b, BRICK_SETATTR, &setattr, NULL, &change);
    brick_renew_args renew = {.target = setattr.target};
    while (ms_between(sent_ns, test_now_ns()) < 2 * LEASE_CLIENT_WAIT_MS) {
        CU_ASSERT_EQUAL(client_call(&a, BRICK_RENEW, &renew, NULL, NULL), 0);
    }
    CU_ASSERT_EQUAL(answer_wait(&change), 0);
    CU_ASSERT(ms_between(sent_ns, change.done_ns) >= 3 * LEASE_CLIENT_MS);
    CU_ASSERT(ms_between(sent_ns, change.done_ns) <= GRANT_MS_MAX + SLACK_MS);
    answer_release(&change);
    tear_down();
}

/* ---- a change under way
 * ------------------------------------------------------------------------------ */

/* A change has marked its cells and is not in the index yet: who reads then must not be granted the
 * old state, as the change has looked for holders by the time he becomes one. */
static void what_is_changing_is_not_granted(void)
{
    set_up(3, false);
    struct gfid file = client_make(&b, GFID_ROOT, "f", OBJECT_FILE);
    struct answer change, by_object, by_name, by_listing;
    brick_setattr_args setattr =
        args_setattr(&b, file, (struct attr_change){.mask = ATTR_MODE, .mode = 0600});
    struct test_client more[2];
    CU_ASSERT_EQUAL(test_client_open(&more[0], &set, 0, true), 0);
    CU_ASSERT_EQUAL(test_client_open(&more[1], &set, 0, true), 0);
    store_hooks_hold(&set.members[0].hooks, false, true);
    client_send(&b, BRICK_SETATTR, &setattr, NULL, &change);
    CU_ASSERT_FATAL(store_hooks_wait_blocked(&set.members[0].hooks, 1));
    /* One thread of the loop is held, one more by each question: there must be one left for none.
     */
    brick_getattr_args getattr = args_object(&a, file);
    client_send(&a, BRICK_GETATTR, &getattr, NULL, &by_object);
    CU_ASSERT_FALSE(answer_wait_ms(&by_object, TOO_EARLY_MS));
    brick_name_args lookup = args_name(&more[0], GFID_ROOT, "f");
    client_send(&more[0], BRICK_LOOKUP, &lookup, NULL, &by_name);
    CU_ASSERT_FALSE(answer_wait_ms(&by_name, TOO_EARLY_MS));
    brick_readdir_args readdir = args_readdir(&more[1], GFID_ROOT);
    client_send(&more[1], BRICK_READDIR, &readdir, NULL, &by_listing);
    (void)answer_wait_ms(&by_listing, TOO_EARLY_MS);
    store_hooks_hold(&set.members[0].hooks, false, false);
    CU_ASSERT_EQUAL(answer_wait(&change), 0);
    uint64_t now = change.reply.object.change;
    CU_ASSERT_EQUAL(answer_wait(&by_object), 0);
    CU_ASSERT(by_object.reply.grant_ms == 0 || by_object.reply.object.change >= now);
    CU_ASSERT_EQUAL(answer_wait(&by_name), 0);
    CU_ASSERT(by_name.reply.grant_ms == 0 || by_name.reply.object.change >= now);
    CU_ASSERT_EQUAL(answer_wait(&by_listing), 0);
    answer_release(&change);
    answer_release(&by_object);
    answer_release(&by_name);
    answer_release(&by_listing);
    test_client_close(&more[0]);
    test_client_close(&more[1]);
    tear_down();
}

/* ---- restarts
 * ------------------------------------------------------------------------------------------ */

/* Change f through b, and see how long after from_ns it was answered. */
static uint64_t change_takes_ms(struct gfid file, uint64_t from_ns)
{
    brick_setattr_args setattr =
        args_setattr(&b, file, (struct attr_change){.mask = ATTR_MODE, .mode = 0611});
    struct answer change;
    client_send(&b, BRICK_SETATTR, &setattr, NULL, &change);
    CU_ASSERT_EQUAL(answer_wait(&change), 0);
    answer_release(&change);
    return ms_between(from_ns, change.done_ns);
}

static void restart_waits(bool clean)
{
    set_up(3, true);
    struct gfid file = client_make(&b, GFID_ROOT, "f", OBJECT_FILE);
    uint64_t granted_ns = test_now_ns();
    grant_object(file);
    test_client_close(&b);
    brick_member_stop(&set, 0);
    if (!clean) { /* what a process that was killed leaves: an empty file */
        char path[128];
        (void)snprintf(path, sizeof path, "%s/.trivet/granted", set.members[0].path);
        AUTO_CLOSE int fd = open(path, O_WRONLY | O_TRUNC);
        CU_ASSERT(fd >= 0);
    }
    brick_member_start(&set, 0);
    brick_set_view(&set, 0);
    CU_ASSERT_FATAL(brick_set_wait_serving(&set));
    CU_ASSERT_EQUAL_FATAL(test_client_open(&b, &set, 0, false), 0);
    uint64_t took_ms = change_takes_ms(file, granted_ns);
    CU_ASSERT(took_ms >= LEASE_CLIENT_MS);
    CU_ASSERT(took_ms <= 2 * LEASE_CLIENT_WAIT_MS + SLACK_MS);
    CU_ASSERT(change_takes_ms(file, test_now_ns()) < LEASE_CLIENT_MS); /* once */
    tear_down();
}

static void a_clean_restart_waits_out_grants(void)
{
    restart_waits(true);
}

static void an_unclean_restart_waits_out_grants(void)
{
    restart_waits(false);
}

static void another_primary_waits_out_grants(void)
{
    set_up(3, false);
    struct gfid file = client_make(&b, GFID_ROOT, "f", OBJECT_FILE);
    uint64_t granted_ns = test_now_ns();
    grant_object(file);
    test_client_close(&b);
    brick_set_view(&set, 1);
    CU_ASSERT_FATAL(brick_set_wait_serving(&set));
    CU_ASSERT_EQUAL_FATAL(test_client_open(&b, &set, 1, false), 0);
    uint64_t took_ms = change_takes_ms(file, granted_ns);
    CU_ASSERT(took_ms >= LEASE_CLIENT_MS);
    CU_ASSERT(took_ms <= LEASE_CLIENT_WAIT_MS + SLACK_MS);
    tear_down();
}

/* ---- caches raced against changes
 * ------------------------------------------------------------------------ */

#define SLOTS 6
#define RACE_MS 2500
#define READERS 2
#define WRITERS 2

/* What is known of the file of a name: each change's index, which rises. */
static _Atomic uint64_t acknowledged[SLOTS];
static _Atomic bool race_over;
static _Atomic unsigned hits, misses, stale;
static struct gfid race_directory;

struct cached {
    struct gfid gfid;
    uint64_t change; /* 0: nothing */
    uint64_t until_ns;
};

struct reader {
    struct test_client client;
    struct random_sequence random;
    pthread_mutex_t mutex;
    uint64_t recalls;
    struct cached cached[SLOTS];
    pthread_t thread;
};

static void slot_name(unsigned slot, char name[8])
{
    (void)snprintf(name, 8, "s%u", slot);
}

static void reader_recalled(void *context, const struct recall_args *args)
{
    struct reader *reader = context;
    AUTO_LOCK(&reader->mutex);
    reader->recalls++;
    for (unsigned i = 0; i < SLOTS; i++) {
        char name[8];
        slot_name(i, name);
        if (gfid_equal(&reader->cached[i].gfid, &args->object) ||
            (gfid_equal(&race_directory, &args->parent) && strcmp(name, args->name) == 0)) {
            reader->cached[i].change = 0;
        }
    }
}

static void check(uint64_t used, uint64_t least, const char *how, unsigned slot)
{
    if (used < least) {
        if (atomic_fetch_add(&stale, 1) < 10) {
            printf("  stale by %s: slot %u, %llu used, %llu acknowledged before\n", how, slot,
                   (unsigned long long)used, (unsigned long long)least);
        }
    }
}

/* True if the cache had the slot; the value was checked. */
static bool use_cache(struct reader *reader, unsigned slot)
{
    uint64_t least = atomic_load(&acknowledged[slot]);
    AUTO_LOCK(&reader->mutex);
    const struct cached *cached = &reader->cached[slot];
    if (cached->change == 0 || cached->until_ns <= test_now_ns()) {
        return false;
    }
    check(cached->change, least, "cache", slot);
    return true;
}

static void keep(struct reader *reader, unsigned slot, const struct attr *attr, uint64_t sent_ns,
                 uint32_t grant_ms)
{
    uint32_t held_ms = grant_ms < LEASE_CLIENT_MS ? grant_ms : LEASE_CLIENT_MS;
    reader->cached[slot] = (struct cached){
        .gfid = attr->gfid, .change = attr->change, .until_ns = sent_ns + held_ms * NS_PER_MS};
}

static void ask_for_slot(struct reader *reader, unsigned slot, bool by_name)
{
    struct test_client *client = &reader->client;
    char name[8];
    slot_name(slot, name);
    uint64_t recalls;
    struct gfid object;
    {
        AUTO_LOCK(&reader->mutex);
        recalls = reader->recalls;
        object = reader->cached[slot].gfid;
    }
    uint64_t least = atomic_load(&acknowledged[slot]);
    uint64_t sent_ns = test_now_ns();
    struct reply reply;
    int status;
    if (by_name || gfid_is_none(&object)) {
        brick_name_args args = args_name(client, race_directory, name);
        status = client_call(client, BRICK_LOOKUP, &args, NULL, &reply);
    } else {
        brick_getattr_args args = args_object(client, object);
        status = client_call(client, BRICK_GETATTR, &args, NULL, &reply);
    }
    if (status < 0) { /* no such file at the moment, or that one is gone */
        AUTO_LOCK(&reader->mutex);
        reader->cached[slot] = (struct cached){.change = 0};
        return;
    }
    if (by_name) {
        check(reply.object.change, least, "answer", slot);
    }
    AUTO_LOCK(&reader->mutex);
    /* By GETATTR nobody knows whether the object still has the slot's name. */
    if (by_name && reply.grant_ms > 0 && reader->recalls == recalls) {
        keep(reader, slot, &reply.object, sent_ns, reply.grant_ms);
    }
}

static void ask_for_all(struct reader *reader)
{
    struct test_client *client = &reader->client;
    uint64_t least[SLOTS], recalls;
    {
        AUTO_LOCK(&reader->mutex);
        recalls = reader->recalls;
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        least[i] = atomic_load(&acknowledged[i]);
    }
    uint64_t sent_ns = test_now_ns();
    brick_readdir_args args = args_readdir(client, race_directory);
    struct answer answer;
    client_send(client, BRICK_READDIR, &args, NULL, &answer);
    if (answer_wait(&answer) == 0) {
        struct slice rest = answer.reply.data;
        struct dirent_entry entry;
        AUTO_LOCK(&reader->mutex);
        while (dirent_next(&rest, &entry) == 0) {
            unsigned slot = (unsigned)(entry.name.data[1] - '0');
            if (entry.name.data[0] != 's' || slot >= SLOTS || entry.ungranted) {
                continue;
            }
            check(entry.attr.change, least[slot], "listing", slot);
            if (answer.reply.grant_ms > 0 && reader->recalls == recalls) {
                keep(reader, slot, &entry.attr, sent_ns, answer.reply.grant_ms);
            }
        }
    }
    answer_release(&answer);
}

static void *reader_run(void *context)
{
    struct reader *reader = context;
    while (!atomic_load(&race_over)) {
        unsigned slot = (unsigned)random_sequence_below(&reader->random, SLOTS);
        if (use_cache(reader, slot)) {
            atomic_fetch_add(&hits, 1);
            continue;
        }
        atomic_fetch_add(&misses, 1);
        unsigned how = (unsigned)random_sequence_below(&reader->random, 4);
        if (how == 0) {
            ask_for_all(reader);
        } else {
            ask_for_slot(reader, slot, how > 1);
        }
    }
    return NULL;
}

struct writer {
    struct test_client client;
    struct random_sequence random;
    unsigned first; /* its slots: first, first + WRITERS, … */
    struct gfid files[SLOTS];
    pthread_t thread;
};

/* A new file takes the slot's name, by a rename over the old one or after it was removed. */
static void renew(struct writer *writer, unsigned slot)
{
    struct test_client *client = &writer->client;
    char name[8], temporary[8];
    slot_name(slot, name);
    (void)snprintf(temporary, sizeof temporary, "t%u", slot);
    struct reply reply;
    if (random_sequence_below(&writer->random, 2) == 0) {
        writer->files[slot] = client_make(client, race_directory, temporary, OBJECT_FILE);
        brick_rename_args args =
            args_rename(client, race_directory, temporary, race_directory, name);
        CU_ASSERT_EQUAL(client_call(client, BRICK_RENAME, &args, NULL, &reply), 0);
    } else {
        brick_remove_args args = args_remove(client, race_directory, name);
        CU_ASSERT_EQUAL(client_call(client, BRICK_REMOVE, &args, NULL, NULL), 0);
        brick_make_args make = args_make(client, race_directory, name, OBJECT_FILE);
        CU_ASSERT_EQUAL(client_call(client, BRICK_CREATE, &make, NULL, &reply), 0);
        writer->files[slot] = reply.object.gfid;
    }
    atomic_store(&acknowledged[slot], reply.object.change);
}

static void *writer_run(void *context)
{
    struct writer *writer = context;
    while (!atomic_load(&race_over)) {
        unsigned turn = (unsigned)random_sequence_below(&writer->random, SLOTS / WRITERS);
        unsigned slot = writer->first + turn * WRITERS;
        if (random_sequence_below(&writer->random, 4) == 0) {
            renew(writer, slot);
            continue;
        }
        brick_write_args args = args_write(&writer->client, writer->files[slot], 0);
        struct slice bulk = slice_text("bytes");
        struct reply reply;
        CU_ASSERT_EQUAL(client_call(&writer->client, BRICK_WRITE, &args, &bulk, &reply), 0);
        atomic_store(&acknowledged[slot], reply.object.change);
    }
    return NULL;
}

static void caches_are_never_stale(void)
{
    static struct reader readers[READERS];
    static struct writer writers[WRITERS];
    set_up(3, false);
    race_directory = client_make(&b, GFID_ROOT, "race", OBJECT_DIRECTORY);
    for (unsigned i = 0; i < 3; i++) {
        atomic_store(&set.members[i].hooks.jitter_us, 300);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        CU_ASSERT_EQUAL_FATAL(test_client_open(&writers[i].client, &set, 0, false), 0);
        random_sequence_init(&writers[i].random, 100 + i);
        writers[i].first = i;
        for (unsigned slot = i; slot < SLOTS; slot += WRITERS) {
            char name[8];
            slot_name(slot, name);
            writers[i].files[slot] =
                client_make(&writers[i].client, race_directory, name, OBJECT_FILE);
        }
    }
    for (unsigned i = 0; i < READERS; i++) {
        pthread_mutex_init(&readers[i].mutex, NULL);
        random_sequence_init(&readers[i].random, 200 + i);
        CU_ASSERT_EQUAL_FATAL(test_client_open(&readers[i].client, &set, 0, true), 0);
        readers[i].client.recalled_context = &readers[i];
        readers[i].client.recalled = reader_recalled; /* nothing is granted yet */
        pthread_create(&readers[i].thread, NULL, reader_run, &readers[i]);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_create(&writers[i].thread, NULL, writer_run, &writers[i]);
    }
    (void)nanosleep(
        &(struct timespec){.tv_sec = RACE_MS / 1000, .tv_nsec = RACE_MS % 1000 * 1000000L}, NULL);
    atomic_store(&race_over, true);
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
        test_client_close(&writers[i].client);
    }
    for (unsigned i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        test_client_close(&readers[i].client);
        pthread_mutex_destroy(&readers[i].mutex);
    }
    CU_ASSERT_EQUAL(atomic_load(&stale), 0);
    CU_ASSERT(atomic_load(&hits) > 0);
    CU_ASSERT(atomic_load(&misses) > 0);
    if (getenv("VERBOSE")) {
        printf("  %u from caches, %u asked\n", atomic_load(&hits), atomic_load(&misses));
    }
    CU_ASSERT(brick_set_wait_equal(&set));
    CU_ASSERT_EQUAL(brick_set_compare(&set, true), 0);
    tear_down();
}

/* With the table full of what others were granted, a listing says which entries may be kept; what
 * is not granted is not recalled, what is granted is. */
static void a_listing_is_granted_as_far_as_there_is_room(void)
{
    enum { FILES = 200 };
    set_up(3, false);
    struct gfid directory = client_make(&b, GFID_ROOT, "directory", OBJECT_DIRECTORY);
    for (int i = 0; i < FILES; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "file%03d", i);
        (void)client_make(&b, directory, name, OBJECT_FILE);
    }
    struct random_sequence keys;
    random_sequence_init(&keys, 1);
    struct grants *grants = set.members[0].brick.grants;
    struct holder *other = grants_client_add(grants, 999, a.connection);
    for (unsigned i = 0; i < 2 * GRANT_SETS * GRANT_WAYS / 3; i++) {
        (void)grants_give(grants, other, random_sequence_next(&keys));
    }
    grants_holder_put(other);
    brick_readdir_args args = args_readdir(&a, directory);
    struct reply reply;
    struct answer answer;
    client_send(&a, BRICK_READDIR, &args, NULL, &answer);
    CU_ASSERT_EQUAL_FATAL(answer_wait(&answer), 0);
    reply = answer.reply;
    CU_ASSERT_EQUAL(reply.grant_ms, GRANT_MS_MAX);
    struct slice rest = reply.data;
    struct dirent_entry entry;
    int granted = 0, ungranted = 0;
    while (dirent_next(&rest, &entry) == 0) {
        *(entry.ungranted ? &ungranted : &granted) += 1;
    }
    CU_ASSERT_EQUAL(granted + ungranted, FILES);
    CU_ASSERT_TRUE(granted > 0);
    CU_ASSERT_TRUE(ungranted > 0);
    answer_release(&answer);
    tear_down();
}

int main(void)
{
    log_open("grants_test", LOG_LEVEL_ERROR);
    CU_TestInfo tests[] = {
        {"every change recalls", every_change_recalls},
        {"own changes do not", own_changes_do_not},
        {"a look-up grants its directory", a_look_up_grants_its_directory},
        {"what was made is granted", what_was_made_is_granted},
        {"what was found by creating is not granted", what_was_found_by_creating_is_not_granted},
        {"a silent holder is waited out", a_silent_holder_is_waited_out},
        {"a holder that is gone is waited out", a_holder_that_is_gone_is_waited_out},
        {"a silent holder that calls is waited for", a_silent_holder_that_calls_is_waited_for},
        {"what is changing is not granted", what_is_changing_is_not_granted},
        {"a clean restart waits out grants", a_clean_restart_waits_out_grants},
        {"an unclean restart waits out grants", an_unclean_restart_waits_out_grants},
        {"another primary waits out grants", another_primary_waits_out_grants},
        {"caches are never stale", caches_are_never_stale},
        {"a listing is granted as far as there is room",
         a_listing_is_granted_as_far_as_there_is_room},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{.pName = "grants", .pTests = tests}, CU_SUITE_INFO_NULL};
    if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS) {
        return 2;
    }
    CU_basic_set_mode(getenv("VERBOSE") ? CU_BRM_VERBOSE : CU_BRM_NORMAL);
    (void)CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
