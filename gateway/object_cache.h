/*
 * What the volume granted this client of single objects: attributes, and the bytes of small files
 * that it wrote or read as a whole. A kernel asks again and again for what its client was just
 * told:
 * a directory's attributes before each change in it, a file's after each write, its bytes after its
 * own change made it drop them. Such questions then need no round trip.
 *
 * An entry may be used until its grant ends or is recalled, and while the session's lease holds
 * (session_lease.h). Three things keep a late answer from
 * bringing back an old state: a recall after the request was submitted voids its grant (recalls);
 * an own change answered meanwhile voids what a read saw (the slot's generation); and of two own
 * changes the later one counts, whichever answer comes first (change).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TRIVET_GATEWAY_OBJECT_CACHE_H
#define TRIVET_GATEWAY_OBJECT_CACHE_H

#include <pthread.h>
#include <stdatomic.h>
#include "gateway/session_lease.h"
#include "gateway/trivet.h"

#define OBJECT_CACHE_LOCKS 16

/* Invariant: attr and data are of gfid; without attr (OBJECT_NONE) there is no data. */
struct object_slot {
    struct gfid gfid;    /* GFID_NONE: nobody's */
    uint64_t change;     /* the last change of gfid that this client was told of */
    uint64_t generation; /* rises with each own change, and when another object takes the slot */
    uint64_t until_ns;
    uint64_t epoch; /* of the lease */
    struct attr attr;
    uint8_t *data; /* attr.size bytes; NULL: not known */
};

/* Threads: any, for all functions but init and release. */
struct object_cache {
    pthread_mutex_t locks[OBJECT_CACHE_LOCKS]; /* of the slots whose number modulo it is; rank 9 */
    const struct session_lease *lease;         /* the session's */
    struct object_slot *slots;                 /* OBJECT_CACHE_SLOTS; NULL: nothing is kept */
    _Atomic uint64_t recalls;
    _Atomic uint64_t changes;        /* answers to own changes */
    _Atomic uint64_t quiet_until_ns; /* a request was given up: what it may still do is not known */
    _Atomic uint64_t data_size;      /* bytes of all data */
    _Atomic uint64_t hand;           /* where to look next for data to give up */
};

/* Without memory, or unless is_used, it stays empty. */
void object_cache_init(struct object_cache *cache, const struct session_lease *lease, bool is_used);
void object_cache_release(struct object_cache *cache);

/* A request is submitted: note what its answer may not overtake. */
void object_cache_begin(struct object_cache *cache, struct volume_request *request);

/* Answer from what is granted: true, and reply is set; its data are the calling thread's until its
 * next call. */
bool object_cache_answer(struct object_cache *cache, struct volume_request *request,
                         uint64_t now_ns);

/* Attributes of an object as they are granted at now_ns, and until when. */
bool object_cache_find(struct object_cache *cache, const struct gfid *object, uint64_t now_ns,
                       struct attr *out_attr, uint64_t *out_until_ns);

/* The request has its answer: keep what it was granted (in request->epoch), forget what it changed
 * without a grant. */
void object_cache_learn(struct object_cache *cache, const struct volume_request *request,
                        uint64_t sent_ns);
/* A listing, the request's answer, granted an entry with these attributes. It takes no slot from an
 * object that is granted: a long listing would leave nothing of what is asked for all the time. */
void object_cache_list(struct object_cache *cache, const struct volume_request *request,
                       const struct attr *attr, uint64_t sent_ns);
/* The request was given up; whether it takes effect, and when, is not known. */
void object_cache_unknown(struct object_cache *cache, const struct volume_request *request,
                          uint64_t now_ns);

/* The grant of object ends. */
void object_cache_recall(struct object_cache *cache, const struct gfid *object);

#endif
