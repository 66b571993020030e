/*
 * Answers that a plain directory's volume remembers, so that a call that an NFS client sends again
 * takes effect once (RFC 1813 section 4.5). In memory only: it is forgotten when the process ends.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_GATEWAY_LOCALREPLIES_H
#define TRIVET_GATEWAY_LOCALREPLIES_H

#include <pthread.h>
#include "backend/proto/cred.h"
#include "backend/proto/reply.h"

struct local_answer;

struct local_replies {
    pthread_mutex_t lock; /* a leaf */
    pthread_cond_t answered;
    struct local_answer *answers; /* LOCAL_REPLIES_MAX; NULL until the first call with an id */
};

void local_replies_init(struct local_replies *replies);
void local_replies_release(struct local_replies *replies);

/*
 * Has the call been made? True: out_reply is its answer; one that is being made is waited for.
 * False: make it, then local_replies_end. Only for derived ids.
 */
bool local_replies_begin(struct local_replies *replies, const struct op_id *id,
                         struct reply *out_reply);
void local_replies_end(struct local_replies *replies, const struct op_id *id,
                       const struct reply *reply);

#endif
