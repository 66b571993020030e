/*
 * Remembered answers. See localreplies.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/localreplies.h"

#include <stdlib.h>
#include "backend/base/scope.h"

/* Ids are hashes already. A cell is taken over by the next id that falls into it, unless that would
 * be one that is being made: then the new one is not remembered. */
struct local_answer {
    struct op_id id;
    bool is_made; /* reply stands */
    struct reply reply;
};

void local_replies_init(struct local_replies *replies)
{
    *replies = (struct local_replies){.answers = NULL};
    pthread_mutex_init(&replies->lock, NULL);
    pthread_cond_init(&replies->answered, NULL);
}

void local_replies_release(struct local_replies *replies)
{
    free(replies->answers);
    pthread_cond_destroy(&replies->answered);
    pthread_mutex_destroy(&replies->lock);
}

static struct local_answer *cell_of(struct local_replies *replies, const struct op_id *id)
{
    uint64_t hash = (id->client ^ id->sequence ^ id->slot) * UINT64_C(0x9e3779b97f4a7c15);
    return &replies->answers[hash >> 32 & (LOCAL_REPLIES_MAX - 1)];
}

static bool is_of(const struct local_answer *answer, const struct op_id *id)
{
    return answer->id.kind == id->kind && answer->id.slot == id->slot &&
           answer->id.client == id->client && answer->id.sequence == id->sequence;
}

bool local_replies_begin(struct local_replies *replies, const struct op_id *id,
                         struct reply *out_reply)
{
    AUTO_LOCK(&replies->lock);
    if (!replies->answers) {
        replies->answers = calloc(LOCAL_REPLIES_MAX, sizeof *replies->answers);
    }
    if (!replies->answers) {
        return false; /* not remembered */
    }
    struct local_answer *answer = cell_of(replies, id);
    while (is_of(answer, id) && !answer->is_made) {
        pthread_cond_wait(&replies->answered, &replies->lock);
    }
    if (is_of(answer, id)) {
        *out_reply = answer->reply;
        return true;
    }
    if (answer->is_made || answer->id.kind == OP_ID_NONE) {
        answer->id = *id;
        answer->is_made = false;
    }
    return false;
}

void local_replies_end(struct local_replies *replies, const struct op_id *id,
                       const struct reply *reply)
{
    AUTO_LOCK(&replies->lock);
    struct local_answer *answer = replies->answers ? cell_of(replies, id) : NULL;
    if (answer && is_of(answer, id)) {
        answer->is_made = true;
        answer->reply = *reply;
        answer->reply.data = (struct slice){0};
        pthread_cond_broadcast(&replies->answered);
    }
}
