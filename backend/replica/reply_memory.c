/*
 * The reply memory: sessions in a hash with the longest unused making room, derived ids in a hash
 * whose oldest make room.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/replica/reply_memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>
#include "backend/proto/limits.h"

struct slot {
    uint64_t sequence;
    uint64_t index;
    int status;
};

struct session {
    uint64_t client;
    UT_hash_handle hh;
    struct session *prev, *next; /* by use, the longest unused first */
    struct slot slots[SESSION_SLOTS];
};

struct derived_id {
    uint64_t client;
    uint64_t sequence;
    uint64_t slot;
};

struct derived {
    struct derived_id id;
    uint64_t index;
    int status;
    bool used;
    UT_hash_handle hh;
};

struct reply_memory {
    struct session *sessions; /* hash */
    struct session *by_use;
    struct derived *by_id; /* hash of the used cells of ring */
    struct derived *ring;  /* DERIVED_REPLIES_MAX, the next to overwrite is the oldest */
    unsigned next;
};

struct reply_memory *reply_memory_new(void)
{
    struct reply_memory *memory = calloc(1, sizeof *memory);
    if (memory) {
        memory->ring = calloc(DERIVED_REPLIES_MAX, sizeof *memory->ring);
    }
    if (memory && !memory->ring) {
        free(memory);
        return NULL;
    }
    return memory;
}

void reply_memory_free(struct reply_memory *memory)
{
    if (!memory) {
        return;
    }
    struct session *session, *next;
    HASH_ITER (hh, memory->sessions, session, next) {
        HASH_DEL(memory->sessions, session);
        free(session);
    }
    HASH_CLEAR(hh, memory->by_id);
    free(memory->ring);
    free(memory);
}

static struct session *session_find(const struct reply_memory *memory, uint64_t client)
{
    struct session *session;
    HASH_FIND(hh, memory->sessions, &client, sizeof client, session);
    return session;
}

static struct derived *derived_find(const struct reply_memory *memory, const struct op_id *id)
{
    struct derived_id key = {.client = id->client, .sequence = id->sequence, .slot = id->slot};
    struct derived *derived;
    HASH_FIND(hh, memory->by_id, &key, sizeof key, derived);
    return derived;
}

enum reply_memory_answer reply_memory_find(const struct reply_memory *memory,
                                           const struct op_id *id, uint64_t *out_index,
                                           int *out_status)
{
    if (id->kind == OP_ID_DERIVED) {
        const struct derived *derived = derived_find(memory, id);
        if (!derived) {
            return REPLY_NEW;
        }
        *out_index = derived->index;
        *out_status = derived->status;
        return REPLY_DONE;
    }
    if (id->kind != OP_ID_SESSION) {
        return REPLY_NEW;
    }
    const struct session *session = session_find(memory, id->client);
    if (!session || id->slot >= SESSION_SLOTS || session->slots[id->slot].sequence < id->sequence) {
        return REPLY_NEW;
    }
    const struct slot *slot = &session->slots[id->slot];
    if (slot->sequence > id->sequence) {
        return REPLY_TOO_LATE;
    }
    *out_index = slot->index;
    *out_status = slot->status;
    return REPLY_DONE;
}

static struct session *session_make(struct reply_memory *memory, uint64_t client)
{
    struct session *session = session_find(memory, client);
    if (session) {
        DL_DELETE(memory->by_use, session);
        DL_APPEND(memory->by_use, session);
        return session;
    }
    if (HASH_COUNT(memory->sessions) >= SESSIONS_MAX) {
        session = memory->by_use;
        DL_DELETE(memory->by_use, session);
        HASH_DEL(memory->sessions, session);
    } else {
        session = malloc(sizeof *session);
    }
    if (!session) {
        return NULL;
    }
    memset(session, 0, sizeof *session);
    session->client = client;
    HASH_ADD(hh, memory->sessions, client, sizeof session->client, session);
    DL_APPEND(memory->by_use, session);
    return session;
}

static void note_derived(struct reply_memory *memory, const struct op_id *id, uint64_t index,
                         int status)
{
    struct derived *derived = derived_find(memory, id);
    if (!derived) {
        derived = &memory->ring[memory->next];
        memory->next = (memory->next + 1) % DERIVED_REPLIES_MAX;
        if (derived->used) {
            HASH_DEL(memory->by_id, derived);
        }
        memset(derived, 0, sizeof *derived);
        derived->used = true;
        derived->id = (struct derived_id){
            .client = id->client, .sequence = id->sequence, .slot = id->slot};
        HASH_ADD(hh, memory->by_id, id, sizeof derived->id, derived);
    }
    derived->index = index;
    derived->status = status;
}

void reply_memory_note(struct reply_memory *memory, const struct op_id *id, uint64_t index,
                       int status)
{
    if (id->kind == OP_ID_DERIVED) {
        note_derived(memory, id, index, status);
        return;
    }
    if (id->kind != OP_ID_SESSION || id->slot >= SESSION_SLOTS) {
        return;
    }
    struct session *session = session_make(memory, id->client);
    if (session && session->slots[id->slot].sequence <= id->sequence) {
        session->slots[id->slot] =
            (struct slot){.sequence = id->sequence, .index = index, .status = status};
    }
}
