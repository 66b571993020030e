/*
 * The send queue from inside: several threads submit messages of all sizes to a socket that is
 * nearly always full. Every message must arrive whole, and in the order of submission. Through the
 * interface alone the moments that matter here are too short to be met.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "backend/rpc/rpc_connection.h"

#define SENDERS 3
#define MESSAGES 6000
#define MESSAGE_SIZE_MAX ((size_t)60000)

struct head {
    uint32_t sender;
    uint32_t number; /* of the sender's messages */
    uint32_t order;  /* of all messages, given under the lock */
    uint32_t size;   /* behind the head */
};

static const struct rpc_service no_service = {.programs = NULL};

static uint32_t next_order; /* connection->lock */

struct sender {
    pthread_t thread;
    struct rpc_connection *connection;
    uint32_t number;
    uint64_t state;
    uint8_t bytes[MESSAGE_SIZE_MAX];
};

static uint32_t random_below(struct sender *sender, uint32_t bound)
{
    sender->state ^= sender->state << 13;
    sender->state ^= sender->state >> 7;
    sender->state ^= sender->state << 17;
    return (uint32_t)((sender->state >> 16) % bound);
}

static uint8_t pattern(const struct head *head, size_t index)
{
    return (uint8_t)(head->sender * 89 + head->number * 7 + index * 3);
}

static void message_send(struct sender *sender, uint32_t number)
{
    static const uint32_t bounds[] = {200, 2000, 8000, MESSAGE_SIZE_MAX};
    uint32_t bound = bounds[random_below(sender, 4)];
    struct head head = {sender->number, number, 0, random_below(sender, bound)};
    for (size_t i = 0; i < head.size; i++) {
        sender->bytes[i] = pattern(&head, i);
    }
    struct iovec pieces[] = {{&head, sizeof head}, {sender->bytes, head.size}, {NULL, 0}};
    pthread_mutex_lock(&sender->connection->lock);
    head.order = next_order++;
    connection_submit(sender->connection, pieces, 3);
    pthread_mutex_unlock(&sender->connection->lock);
}

/* Like a reader with a batch: cork, some messages, the last one uncorked, flush. */
static void *sender_thread(void *context)
{
    struct sender *sender = context;
    struct rpc_connection *connection = sender->connection;
    uint32_t number = 0;
    while (number < MESSAGES) {
        connection_cork(random_below(sender, 2) ? connection : NULL);
        for (uint32_t left = random_below(sender, 24); left > 0 && number < MESSAGES - 1; left--) {
            message_send(sender, number++);
        }
        connection_cork(NULL);
        message_send(sender, number++);
        pthread_mutex_lock(&connection->lock);
        connection_flush(connection);
        pthread_mutex_unlock(&connection->lock);
        while (atomic_load_explicit(&connection->queue.size, memory_order_relaxed) > 1 << 20) {
            sched_yield(); /* the queue is here to be short and busy */
        }
    }
    return NULL;
}

static bool receive_all(int fd, void *buffer, size_t size)
{
    return size == 0 || recv(fd, buffer, size, MSG_WAITALL) == (ssize_t)size;
}

static bool receive_message(int fd, uint32_t order)
{
    static uint8_t bytes[MESSAGE_SIZE_MAX];
    struct head head;
    if (!receive_all(fd, &head, sizeof head) || head.order != order || head.size > sizeof bytes ||
        !receive_all(fd, bytes, head.size)) {
        return false;
    }
    for (size_t i = 0; i < head.size; i++) {
        if (bytes[i] != pattern(&head, i)) {
            return false;
        }
    }
    return true;
}

static void messages_arrive_whole_and_in_order(void)
{
    struct rpc_loop *loop;
    struct rpc_connection *connection;
    int pair[2];
    int small = 16384;
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    CU_ASSERT_EQUAL(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    CU_ASSERT_EQUAL_FATAL(rpc_loop_new(1, 0, &loop), 0);
    CU_ASSERT_EQUAL_FATAL(rpc_loop_start(loop), 0);
    CU_ASSERT_EQUAL_FATAL(connection_new(loop, pair[0], CONNECTION_UP, &no_service, &connection),
                          0);
    rpc_connection_get(connection);
    connection_start(connection, EPOLLIN);
    struct sender *senders = calloc(SENDERS, sizeof *senders);
    for (uint32_t i = 0; i < SENDERS; i++) {
        senders[i].connection = connection;
        senders[i].number = i;
        senders[i].state = 20261120 + i;
        pthread_create(&senders[i].thread, NULL, sender_thread, &senders[i]);
    }
    uint32_t whole = 0;
    while (whole < SENDERS * MESSAGES && receive_message(pair[1], whole)) {
        whole++;
    }
    CU_ASSERT_EQUAL(whole, SENDERS * MESSAGES);
    close(pair[1]); /* lets senders end that would wait, were something wrong */
    if (whole < SENDERS * MESSAGES) {
        rpc_connection_close(connection);
    }
    for (uint32_t i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
    }
    rpc_connection_put(connection);
    rpc_loop_free(loop);
    free(senders);
}

int main(void)
{
    static CU_TestInfo tests[] = {
        {"messages arrive whole and in order", messages_arrive_whole_and_in_order},
        CU_TEST_INFO_NULL,
    };
    static CU_SuiteInfo suites[] = {
        {.pName = "rpc send", .pTests = tests},
        CU_SUITE_INFO_NULL,
    };
    if (CU_initialize_registry() || CU_register_suites(suites)) {
        return 1;
    }
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures() + CU_get_number_of_suites_failed();
    CU_cleanup_registry();
    return failures != 0;
}
