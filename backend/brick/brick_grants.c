/*
 * The table of grants, and recalls under way. See brick_grants.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/brick/brick_grants.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <utlist.h>
#include "backend/base/check.h"
#include "backend/base/scope.h"
#include "backend/proto/brick.h"
#include "backend/replica/replica_driver.h"

struct entry {
    uint64_t key;
    uint64_t client;
    uint64_t until_ns; /* monotonic; in the past: free */
};

/* A grant that must be noted although its set is full. */
struct extra {
    struct entry entry;
    struct extra *next;
};

struct holder {
    atomic_uint refs; /* the list's, the connection's brick_client's, and recalls' */
    uint64_t client;
    _Atomic uint64_t answered_ns;      /* when the last answer was about to be sent */
    struct rpc_connection *connection; /* NULL: lost; kept until the lease has run out */
    struct holder *next;
};

enum recall_state { RECALL_QUEUED, RECALL_SENT };

/* One client that must give up one object and name before operation index is committed. */
struct recall {
    struct grants *grants;
    uint64_t index;
    uint64_t until_ns;     /* then the grant has ended by itself */
    struct holder *holder; /* whose lease ends it, too; NULL: that is in until_ns */
    enum recall_state state;
    unsigned refs; /* the list's, and the call's under way */
    bool listed;
    struct gfid object;
    struct gfid parent;
    char name[NAME_SIZE_MAX + 1];
    struct recall *prev, *next;
};

struct grants {
    struct clock *clock;
    void (*released)(void *context, uint64_t index);
    void *context;
    pthread_mutex_t mutex; /* rank 3: below the replica's */
    struct holder *holders;
    struct recall *recalls;
    struct extra *extras;
    struct entry table[GRANT_SETS][GRANT_WAYS];
};

/* Keys are hashes, so that each new one is in another page: with small ones the first thousands of
 * grants would each wait for the kernel to find a page. Only a wish, and nothing is lost by it: a
 * table in use has all its pages soon. */
static void table_in_large_pages(struct grants *grants)
{
    const uintptr_t page = 4096;
    uintptr_t start = ((uintptr_t)grants->table + page - 1) & ~(page - 1);
    uintptr_t end = (uintptr_t)grants->table + sizeof grants->table;
    (void)madvise((void *)start, end - start, MADV_HUGEPAGE);
}

struct grants *grants_new(struct clock *clock, void (*released)(void *context, uint64_t index),
                          void *context)
{
    struct grants *grants = calloc(1, sizeof *grants);
    if (grants) {
        grants->clock = clock;
        grants->released = released;
        grants->context = context;
        table_in_large_pages(grants);
        pthread_mutex_init(&grants->mutex, NULL);
    }
    return grants;
}

void grants_holder_put(struct holder *holder)
{
    if (atomic_fetch_sub(&holder->refs, 1) == 1) {
        free(holder);
    }
}

static struct holder *holder_get(struct holder *holder)
{
    atomic_fetch_add(&holder->refs, 1);
    return holder;
}

/* The later of what is there and now: whoever stores last may have looked at the clock first. */
static void note_answer(struct holder *holder, uint64_t now)
{
    uint64_t seen = atomic_load(&holder->answered_ns);
    while (seen < now && !atomic_compare_exchange_weak(&holder->answered_ns, &seen, now)) {
    }
}

void grants_answers(struct grants *grants, struct holder *holder)
{
    note_answer(holder, clock_monotonic_ns(grants->clock));
}

static uint64_t lease_end(const struct holder *holder)
{
    return atomic_load(&holder->answered_ns) + LEASE_CLIENT_WAIT_MS * NS_PER_MS;
}

static void recall_put(struct recall *recall)
{
    if (--recall->refs == 0) {
        if (recall->holder) {
            grants_holder_put(recall->holder);
        }
        free(recall);
    }
}

void grants_free(struct grants *grants)
{
    if (!grants) {
        return;
    }
    struct holder *holder, *next_holder;
    LL_FOREACH_SAFE(grants->holders, holder, next_holder)
    {
        if (holder->connection) {
            rpc_connection_put(holder->connection);
        }
        grants_holder_put(holder);
    }
    struct recall *recall, *next;
    DL_FOREACH_SAFE(grants->recalls, recall, next)
    {
        recall_put(recall);
    }
    struct extra *extra, *next_extra;
    LL_FOREACH_SAFE(grants->extras, extra, next_extra)
    {
        free(extra);
    }
    pthread_mutex_destroy(&grants->mutex);
    free(grants);
}

struct holder *grants_client_add(struct grants *grants, uint64_t client,
                                 struct rpc_connection *connection)
{
    struct holder *holder = calloc(1, sizeof *holder);
    if (!holder) {
        return NULL;
    }
    atomic_init(&holder->refs, 2);
    holder->client = client;
    /* Not before the last answer on an older connection of the client, which is fenced. */
    atomic_init(&holder->answered_ns, clock_monotonic_ns(grants->clock));
    holder->connection = rpc_connection_get(connection);
    AUTO_LOCK(&grants->mutex);
    LL_PREPEND(grants->holders, holder); /* before an older connection of the same client */
    return holder;
}

void grants_client_lost(struct grants *grants, struct rpc_connection *connection)
{
    struct holder *holder;
    {
        AUTO_LOCK(&grants->mutex);
        LL_SEARCH_SCALAR(grants->holders, holder, connection, connection);
        if (holder) {
            holder->connection = NULL;
        }
    }
    if (holder) {
        rpc_connection_put(connection);
    }
}

/* False: there is no room. With the mutex held. */
static bool give(struct grants *grants, uint64_t client, uint64_t key)
{
    uint64_t now = clock_monotonic_ns(grants->clock);
    uint64_t until = now + GRANT_MS_MAX * NS_PER_MS;
    struct entry *set = grants->table[key % GRANT_SETS];
    struct entry *room = NULL;
    for (int i = 0; i < GRANT_WAYS; i++) {
        if (set[i].key == key && set[i].client == client) {
            set[i].until_ns = until;
            return true;
        }
        if (set[i].until_ns < now) {
            room = &set[i];
        }
    }
    if (!room) {
        return false;
    }
    *room = (struct entry){.key = key, .client = client, .until_ns = until};
    return true;
}

bool grants_give(struct grants *grants, struct holder *holder, uint64_t key)
{
    AUTO_LOCK(&grants->mutex);
    /* A recall that comes before the answer is sent must not find the lease at its end. */
    note_answer(holder, clock_monotonic_ns(grants->clock));
    return give(grants, holder->client, key);
}

/* A change, and the client that it came from. */
struct change {
    const struct operation *operation;
    uint64_t client;
};

/* What a change takes back: a key, and what of the kernel's it stands for. */
struct taken {
    uint64_t key;
    const struct gfid *object, *parent;
    struct slice name;
};

/*
 * The connection by which client can be asked, or NULL: then *until_ns becomes the end of its
 * lease, which nothing holds up any more. A client voids what it was told when its connection ends,
 * so that of several connections only the last counts: its lease ends after those of the others.
 * With the mutex held.
 */
static struct holder *holder_of(struct grants *grants, uint64_t client, uint64_t *until_ns)
{
    struct holder *holder;
    uint64_t end = 0;
    LL_FOREACH(grants->holders, holder)
    {
        if (holder->client == client && holder->connection) {
            return holder_get(holder);
        }
        if (holder->client == client && lease_end(holder) > end) {
            end = lease_end(holder);
        }
    }
    *until_ns = end < *until_ns ? end : *until_ns;
    return NULL;
}

/* One recall, if somebody else than the change's client holds the key by entry. With the mutex
 * held. */
static bool recall_entry(struct grants *grants, const struct change *change,
                         const struct taken *taken, struct entry *entry)
{
    uint64_t now = clock_monotonic_ns(grants->clock);
    if (entry->key != taken->key || entry->client == change->client || entry->until_ns < now) {
        return false;
    }
    uint64_t until_ns = entry->until_ns;
    /* Later operations on the key need not ask again: they are committed after this one. */
    entry->until_ns = 0;
    struct holder *holder = holder_of(grants, entry->client, &until_ns);
    struct recall *recall = calloc(1, sizeof *recall);
    INVARIANT(recall != NULL);
    recall->grants = grants;
    recall->index = change->operation->index;
    recall->until_ns = until_ns;
    recall->holder = holder;
    recall->refs = 1;
    recall->listed = true;
    recall->object = *taken->object;
    recall->parent = *taken->parent;
    if (taken->name.size > 0) {
        memcpy(recall->name, taken->name.data, taken->name.size);
    }
    DL_APPEND(grants->recalls, recall);
    return true;
}

static bool recall_key(struct grants *grants, const struct change *change,
                       const struct taken *taken)
{
    struct entry *set = grants->table[taken->key % GRANT_SETS];
    bool waits = false;
    for (int i = 0; i < GRANT_WAYS; i++) {
        waits = recall_entry(grants, change, taken, &set[i]) || waits;
    }
    struct extra *extra;
    LL_FOREACH(grants->extras, extra)
    {
        waits = recall_entry(grants, change, taken, &extra->entry) || waits;
    }
    return waits;
}

static bool recall_object(struct grants *grants, const struct change *change,
                          const struct attr *object)
{
    const struct taken taken = {
        .key = replica_key_object(&object->gfid), .object = &object->gfid, .parent = &GFID_NONE};
    return object->type != OBJECT_NONE && recall_key(grants, change, &taken);
}

static bool recall_name(struct grants *grants, const struct change *change,
                        const struct gfid *parent, struct slice name)
{
    const struct taken taken = {.key = replica_key_name(parent, name),
                                .object = &GFID_NONE,
                                .parent = parent,
                                .name = name};
    return name.size > 0 && name.size <= NAME_SIZE_MAX && recall_key(grants, change, &taken);
}

/*
 * A kernel that renames moves what it knows of the object to the new name, and believes it for as
 * long as it was granted under the old one: so the new name is granted with the change. Who has no
 * connection for recalls caches nothing. With the mutex held.
 */
static void keep_moved(struct grants *grants, const struct change *change,
                       const struct gfid *parent, struct slice name)
{
    struct holder *holder;
    uint64_t key = replica_key_name(parent, name);
    LL_SEARCH_SCALAR(grants->holders, holder, client, change->client);
    if (!holder || !holder->connection || name.size == 0 || give(grants, change->client, key)) {
        return;
    }
    struct extra *extra = calloc(1, sizeof *extra);
    INVARIANT(extra != NULL);
    extra->entry = (struct entry){
        .key = key,
        .client = change->client,
        .until_ns = clock_monotonic_ns(grants->clock) + GRANT_MS_MAX * NS_PER_MS,
    };
    LL_PREPEND(grants->extras, extra);
}

/* Grants, and connections that were lost, whose time is over. With the mutex held. */
static void drop_ended(struct grants *grants, uint64_t now)
{
    struct holder *holder, *next_holder;
    LL_FOREACH_SAFE(grants->holders, holder, next_holder)
    {
        if (!holder->connection && lease_end(holder) < now) {
            LL_DELETE(grants->holders, holder);
            grants_holder_put(holder);
        }
    }
    struct extra *extra, *next;
    LL_FOREACH_SAFE(grants->extras, extra, next)
    {
        if (extra->entry.until_ns < now) {
            LL_DELETE(grants->extras, extra);
            free(extra);
        }
    }
}

bool grants_recall(struct grants *grants, const struct operation *operation, uint64_t client)
{
    const struct change change = {.operation = operation, .client = client};
    AUTO_LOCK(&grants->mutex);
    const struct attr *parent2 =
        operation->parent2.type != OBJECT_NONE ? &operation->parent2 : &operation->parent;
    bool waits = recall_object(grants, &change, &operation->object);
    waits = recall_object(grants, &change, &operation->parent) || waits;
    waits = recall_object(grants, &change, &operation->parent2) || waits;
    waits = recall_object(grants, &change, &operation->replaced) || waits;
    waits = recall_name(grants, &change, &operation->parent.gfid, operation->name) || waits;
    waits = recall_name(grants, &change, &parent2->gfid, operation->name2) || waits;
    if (operation->kind == OPERATION_RENAME) {
        keep_moved(grants, &change, &parent2->gfid, operation->name2);
        if (operation->rename_flags & RENAME_EXCHANGE) {
            keep_moved(grants, &change, &operation->parent.gfid, operation->name);
        }
    }
    return waits;
}

/* Off the list; true if nobody else holds back the same operation. With the mutex held. */
static bool recall_end(struct grants *grants, struct recall *recall)
{
    DL_DELETE(grants->recalls, recall);
    recall->listed = false;
    struct recall *other;
    DL_FOREACH(grants->recalls, other)
    {
        if (other->index == recall->index) {
            return false;
        }
    }
    return true;
}

static void recall_answered(struct rpc_reply *reply, void *context)
{
    struct recall *recall = context;
    struct grants *grants = recall->grants;
    uint64_t index = recall->index;
    bool last = false;
    pthread_mutex_lock(&grants->mutex);
    if (recall->listed && reply->status == 0) {
        last = recall_end(grants, recall);
        recall->refs--; /* the list's; a client that failed to answer leaves it waiting */
    }
    recall_put(recall);
    pthread_mutex_unlock(&grants->mutex);
    if (last) {
        grants->released(grants->context, index);
    }
}

static void call_recall(struct recall *recall, struct rpc_connection *connection, uint64_t now)
{
    recall_args args = {
        .view = 0, .object = recall->object, .parent = recall->parent, .name = recall->name};
    struct rpc_call_request request = {
        .program = TRIVET_RECALL,
        .version = TRIVET_RECALL_V1,
        .procedure = RECALL,
        .encode = (xdrproc_t)xdr_recall_args,
        .arguments = &args,
        .timeout_ms =
            recall->until_ns > now ? (unsigned)((recall->until_ns - now) / NS_PER_MS + 1) : 1,
        .callback = recall_answered,
        .context = recall,
    };
    if (rpc_call_start(connection, &request) < 0) {
        pthread_mutex_lock(&recall->grants->mutex);
        recall_put(recall);
        pthread_mutex_unlock(&recall->grants->mutex);
    }
}

/* Recalls that nobody needs to answer any more. */
static void end_due(struct grants *grants, uint64_t now)
{
    for (;;) {
        struct recall *recall, *ended = NULL;
        bool last = false;
        uint64_t index = 0;
        pthread_mutex_lock(&grants->mutex);
        DL_FOREACH(grants->recalls, recall)
        {
            if (recall->until_ns < now || (recall->holder && lease_end(recall->holder) < now)) {
                ended = recall;
                break;
            }
        }
        if (ended) {
            index = ended->index;
            last = recall_end(grants, ended);
            recall_put(ended);
        }
        pthread_mutex_unlock(&grants->mutex);
        if (!ended) {
            return;
        }
        if (last) {
            grants->released(grants->context, index);
        }
    }
}

void grants_send(struct grants *grants)
{
    uint64_t now = clock_monotonic_ns(grants->clock);
    for (;;) {
        struct recall *recall;
        struct rpc_connection *connection = NULL;
        pthread_mutex_lock(&grants->mutex);
        DL_SEARCH_SCALAR(grants->recalls, recall, state, RECALL_QUEUED);
        if (recall) {
            recall->state = RECALL_SENT;
        }
        if (recall && recall->holder && recall->holder->connection) {
            connection = rpc_connection_get(recall->holder->connection);
            recall->refs++;
        }
        pthread_mutex_unlock(&grants->mutex);
        if (!recall) {
            break;
        }
        if (connection) {
            call_recall(recall, connection, now);
            rpc_connection_put(connection);
        }
    }
    end_due(grants, now); /* of who has been silent for long: it is told, and not waited for */
}

void grants_tick(struct grants *grants)
{
    uint64_t now = clock_monotonic_ns(grants->clock);
    {
        AUTO_LOCK(&grants->mutex);
        drop_ended(grants, now);
    }
    end_due(grants, now);
}
