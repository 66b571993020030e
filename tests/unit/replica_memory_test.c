/*
 * Reply memory and pending ring. Goal: a retry is recognised as long as promised, memory is
 * bounded, waiters run once and in order. Method: ids of both kinds against a simple expectation;
 * the ring filled, dropped out of order, and held by readers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <stdlib.h>
#include "backend/base/errors.h"
#include "backend/replica/pending.h"
#include "backend/replica/reply_memory.h"

static struct op_id session_id(uint64_t client, uint32_t slot, uint64_t sequence)
{
    return (struct op_id){
        .kind = OP_ID_SESSION, .client = client, .slot = slot, .sequence = sequence};
}

static void a_slot_remembers_its_last_operation(void)
{
    struct reply_memory *memory = reply_memory_new();
    struct op_id id = session_id(1, 3, 10);
    uint64_t index = 0;
    int status = 1;
    CU_ASSERT_EQUAL(reply_memory_find(memory, &id, &index, &status), REPLY_NEW);
    reply_memory_note(memory, &id, 77, 0);
    CU_ASSERT_EQUAL(reply_memory_find(memory, &id, &index, &status), REPLY_DONE);
    CU_ASSERT_EQUAL(index, 77);
    CU_ASSERT_EQUAL(status, 0);
    struct op_id next = session_id(1, 3, 11), other = session_id(1, 4, 10);
    CU_ASSERT_EQUAL(reply_memory_find(memory, &next, &index, &status), REPLY_NEW);
    CU_ASSERT_EQUAL(reply_memory_find(memory, &other, &index, &status), REPLY_NEW);
    reply_memory_note(memory, &next, 0, -EEXIST);
    CU_ASSERT_EQUAL(reply_memory_find(memory, &next, &index, &status), REPLY_DONE);
    CU_ASSERT_EQUAL(status, -EEXIST);
    CU_ASSERT_EQUAL(reply_memory_find(memory, &id, &index, &status), REPLY_TOO_LATE);
    reply_memory_note(memory, &id, 5, 0); /* a late note changes nothing */
    CU_ASSERT_EQUAL(reply_memory_find(memory, &next, &index, &status), REPLY_DONE);
    CU_ASSERT_EQUAL(status, -EEXIST);
    reply_memory_free(memory);
}

static void the_session_longest_unused_makes_room(void)
{
    struct reply_memory *memory = reply_memory_new();
    uint64_t index;
    int status;
    for (uint64_t client = 1; client <= SESSIONS_MAX; client++) {
        struct op_id id = session_id(client, 0, 1);
        reply_memory_note(memory, &id, client, 0);
    }
    struct op_id first = session_id(1, 0, 2), second = session_id(2, 0, 1);
    reply_memory_note(memory, &first, 5000, 0); /* used again: 2 is now the oldest */
    struct op_id fresh = session_id(SESSIONS_MAX + 1, 0, 1);
    reply_memory_note(memory, &fresh, 6000, 0);
    CU_ASSERT_EQUAL(reply_memory_find(memory, &first, &index, &status), REPLY_DONE);
    CU_ASSERT_EQUAL(reply_memory_find(memory, &second, &index, &status), REPLY_NEW);
    CU_ASSERT_EQUAL(reply_memory_find(memory, &fresh, &index, &status), REPLY_DONE);
    reply_memory_free(memory);
}

static void derived_ids_are_kept_in_order_of_age(void)
{
    struct reply_memory *memory = reply_memory_new();
    uint64_t index = 0;
    int status;
    for (uint64_t i = 1; i <= DERIVED_REPLIES_MAX + 10; i++) {
        struct op_id id = {
            .kind = OP_ID_DERIVED, .client = 9, .slot = (uint32_t)i, .sequence = i * 3};
        reply_memory_note(memory, &id, i, 0);
    }
    struct op_id old = {.kind = OP_ID_DERIVED, .client = 9, .slot = 10, .sequence = 30};
    struct op_id kept = {.kind = OP_ID_DERIVED, .client = 9, .slot = 11, .sequence = 33};
    struct op_id other = {.kind = OP_ID_DERIVED, .client = 9, .slot = 11, .sequence = 34};
    CU_ASSERT_EQUAL(reply_memory_find(memory, &old, &index, &status), REPLY_NEW);
    CU_ASSERT_EQUAL(reply_memory_find(memory, &kept, &index, &status), REPLY_DONE);
    CU_ASSERT_EQUAL(index, 11);
    CU_ASSERT_EQUAL(reply_memory_find(memory, &other, &index, &status), REPLY_NEW);
    reply_memory_free(memory);
}

static int woken;
static void count_wake(struct replica_waiter *waiter, int status, const struct operation *operation)
{
    (void)waiter;
    (void)status;
    (void)operation;
    woken++;
}

static void what_is_read_is_not_finished(void)
{
    struct pending_ring *ring = calloc(1, sizeof *ring);
    struct pending *finished = NULL;
    struct pending *pending = pending_add(ring, 2);
    struct replica_waiter waiter = {.wake = count_wake};
    CU_ASSERT_PTR_NOT_NULL_FATAL(pending);
    CU_ASSERT_PTR_EQUAL(pending_find(ring, 2), pending);
    CU_ASSERT_PTR_NULL(pending_find(ring, 3));
    pending_wait(pending, &waiter);
    pending->refs++; /* somebody sends it */
    pending_drop(ring, pending, &finished);
    CU_ASSERT_PTR_NULL(finished);
    CU_ASSERT_PTR_NULL(pending_find(ring, 2));
    pending_put(pending, &finished);
    CU_ASSERT_PTR_EQUAL_FATAL(finished, pending);
    finished->waiters->wake(finished->waiters, 0, NULL);
    CU_ASSERT_EQUAL(woken, 1);
    pending_recycle(ring, finished);
    pending_ring_release(ring);
    free(ring);
}

static void a_full_ring_takes_no_more(void)
{
    struct pending_ring *ring = calloc(1, sizeof *ring);
    struct pending *finished = NULL;
    for (uint64_t i = 2; i < 2 + OPERATIONS_IN_FLIGHT_MAX; i++) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(pending_add(ring, i));
    }
    CU_ASSERT_PTR_NULL(pending_add(ring, 2 + OPERATIONS_IN_FLIGHT_MAX));
    for (uint64_t i = 2; i < 2 + OPERATIONS_IN_FLIGHT_MAX; i++) {
        pending_drop(ring, pending_find(ring, i), &finished);
    }
    CU_ASSERT_EQUAL(finished->index, 2); /* in the order they were dropped in */
    CU_ASSERT_EQUAL(finished->next->index, 3);
    pending_recycle(ring, finished);
    pending_ring_release(ring);
    free(ring);
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"a slot remembers its last operation", a_slot_remembers_its_last_operation},
        {"the session longest unused makes room", the_session_longest_unused_makes_room},
        {"derived ids are kept in order of age", derived_ids_are_kept_in_order_of_age},
        {"what is read is not finished", what_is_read_is_not_finished},
        {"a full ring takes no more", a_full_ring_takes_no_more},
        CU_TEST_INFO_NULL,
    };
    CU_SuiteInfo suites[] = {{"replica memory", NULL, NULL, NULL, NULL, tests},
                             CU_SUITE_INFO_NULL};
    CU_initialize_registry();
    CU_register_suites(suites);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
