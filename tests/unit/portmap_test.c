/*
 * Our portmapper, driven by libnfs, and a second gateway that registers with it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <nfsc/libnfs.h>
#include <nfsc/libnfs-raw.h>
#include <nfsc/libnfs-raw-portmap.h>
#include "tests/lib/nfs_client.h"
#include "tests/lib/nfs_fixture.h"

static struct nfs_fixture fixture;
static struct client client;  /* version 2 */
static struct client client3; /* version 3 */

static uint32_t got_number;
static char got_text[8192];

static void keep_number(struct rpc_context *rpc, int status, void *data, void *context)
{
    (void)rpc;
    got_number = client_came(context, status) ? *(uint32_t *)data : UINT32_MAX;
}

static void keep_address(struct rpc_context *rpc, int status, void *data, void *context)
{
    (void)rpc;
    got_text[0] = '\0';
    if (client_came(context, status)) {
        snprintf(got_text, sizeof got_text, "%s", ((pmap3_string_result *)data)->addr);
    }
}

UNALIGNED_BY_LIBNFS static void keep_dump2(struct rpc_context *rpc, int status, void *data,
                                           void *context)
{
    (void)rpc;
    size_t used = 0;
    got_text[0] = '\0';
    if (client_came(context, status)) {
        for (pmap2_mapping_list *at = ((pmap2_dump_result *)data)->list; at; at = at->next) {
            used += (size_t)snprintf(got_text + used, sizeof got_text - used, "%u.%u.%u ",
                                     at->map.prog, at->map.vers, at->map.prot);
        }
    }
}

UNALIGNED_BY_LIBNFS static void keep_dump3(struct rpc_context *rpc, int status, void *data,
                                           void *context)
{
    (void)rpc;
    size_t used = 0;
    got_text[0] = '\0';
    if (client_came(context, status)) {
        for (pmap3_mapping_list *at = ((pmap3_dump_result *)data)->list; at; at = at->next) {
            used += (size_t)snprintf(got_text + used, sizeof got_text - used, "%u.%u.%s.%s.%s ",
                                     at->map.prog, at->map.vers, at->map.netid, at->map.addr,
                                     at->map.owner);
        }
    }
}

static uint32_t getport(int program, int version, int protocol)
{
    CU_ASSERT(client_wait(&client, rpc_pmap2_getport_async(client.rpc, program, version, protocol,
                                                           keep_number, &client)));
    return got_number;
}

static const char *getaddr(unsigned program, unsigned version, const char *netid)
{
    char empty[] = "";
    pmap3_mapping mapping = {program, version, (char *)(uintptr_t)netid, empty, empty};
    CU_ASSERT(client_wait(&client3,
                          rpc_pmap3_getaddr_async(client3.rpc, &mapping, keep_address, &client3)));
    return got_text;
}

static void our_programs_are_found_by_version_2(void)
{
    CU_ASSERT_EQUAL(getport(100003, 3, IPPROTO_TCP), fixture.nfs_tcp);
    CU_ASSERT_EQUAL(getport(100003, 3, IPPROTO_UDP), fixture.nfs_udp);
    CU_ASSERT_EQUAL(getport(100005, 3, IPPROTO_TCP), fixture.mount_tcp);
    CU_ASSERT_EQUAL(getport(100005, 1, IPPROTO_UDP), fixture.mount_udp);
    CU_ASSERT_EQUAL(getport(100000, 2, IPPROTO_TCP), fixture.portmap_tcp);
    CU_ASSERT_EQUAL(getport(100003, 4, IPPROTO_TCP), fixture.nfs_tcp); /* another version */
    CU_ASSERT_EQUAL(getport(100021, 4, IPPROTO_TCP), 0);
    CU_ASSERT_EQUAL(getport(100003, 3, 99), 0);
    CU_ASSERT(client_wait(&client, rpc_pmap2_dump_async(client.rpc, keep_dump2, &client)));
    CU_ASSERT_STRING_EQUAL(got_text,
                           "100003.3.6 100003.3.17 100005.1.6 100005.1.17 100005.3.6 100005.3.17 "
                           "100000.2.6 100000.2.17 100000.3.6 100000.3.17 100000.4.6 100000.4.17 ");
}

static void our_programs_are_found_by_version_3(void)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "127.0.0.1.%d.%d", fixture.nfs_tcp >> 8,
             fixture.nfs_tcp & 0xff);
    CU_ASSERT_STRING_EQUAL(getaddr(100003, 3, "tcp"), wanted);
    CU_ASSERT_STRING_EQUAL(getaddr(100003, 3, ""), wanted); /* the transport of the call */
    CU_ASSERT_STRING_EQUAL(getaddr(100003, 3, "tcp6"), "");
    CU_ASSERT_STRING_EQUAL(getaddr(4711, 1, "tcp"), "");
    CU_ASSERT(client_wait(&client3, rpc_pmap3_dump_async(client3.rpc, keep_dump3, &client3)));
    strcat(wanted, ".trivet-gateway ");
    CU_ASSERT_PTR_NOT_NULL(strstr(got_text, wanted));
    CU_ASSERT(client_wait(&client3, rpc_pmap3_gettime_async(client3.rpc, keep_number, &client3)));
    CU_ASSERT(got_number > 1700000000);
}

static uint32_t set2(int port)
{
    CU_ASSERT(client_wait(&client, rpc_pmap2_set_async(client.rpc, 4711, 1, IPPROTO_TCP, port,
                                                       keep_number, &client)));
    return got_number;
}

static uint32_t unset2(void)
{
    CU_ASSERT(client_wait(&client,
                          rpc_pmap2_unset_async(client.rpc, 4711, 1, 0, 0, keep_number, &client)));
    return got_number;
}

static void programs_of_this_machine_may_register(void)
{
    CU_ASSERT_EQUAL(set2(5000), 1);
    CU_ASSERT_EQUAL(set2(5000), 1); /* the same again */
    CU_ASSERT_EQUAL(set2(5001), 0); /* taken */
    CU_ASSERT_EQUAL(getport(4711, 1, IPPROTO_TCP), 5000);
    /* Registered for any address: told as the one that the caller reaches us by. */
    CU_ASSERT_STRING_EQUAL(getaddr(4711, 1, "tcp"), "127.0.0.1.19.136");
    CU_ASSERT_EQUAL(unset2(), 1);
    CU_ASSERT_EQUAL(unset2(), 0);
    CU_ASSERT_EQUAL(getport(4711, 1, IPPROTO_TCP), 0);
    CU_ASSERT_EQUAL(set2(0), 0);
    CU_ASSERT_EQUAL(set2(70000), 0);
}

static uint32_t change3(bool set, const char *netid, const char *address)
{
    char owner[] = "test";
    pmap3_mapping mapping = {4712, 7, (char *)(uintptr_t)netid, (char *)(uintptr_t)address, owner};
    int started = set ? rpc_pmap3_set_async(client3.rpc, &mapping, keep_number, &client3)
                      : rpc_pmap3_unset_async(client3.rpc, &mapping, keep_number, &client3);
    CU_ASSERT(client_wait(&client3, started));
    return got_number;
}

static void universal_addresses_are_read_with_care(void)
{
    CU_ASSERT_EQUAL(change3(true, "tcp", "10.0.0.1.8.1"), 1);
    CU_ASSERT_STRING_EQUAL(getaddr(4712, 7, "tcp"), "10.0.0.1.8.1");
    CU_ASSERT_EQUAL(change3(true, "udp6", "fd00::1.8.2"), 1);
    CU_ASSERT_STRING_EQUAL(getaddr(4712, 7, "udp6"), "fd00::1.8.2");
    static const char *const wrong[] = {"",        ".",     "..",     "1.2",    ".1.2",  "h.256.1",
                                        "h.1.256", "h.1.x", "h.-1.2", "h.1.2x", "nodots"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CU_ASSERT_EQUAL(change3(true, "udp", wrong[i]), 0);
    }
    CU_ASSERT_EQUAL(change3(true, "", "10.0.0.1.8.1"), 0);
    CU_ASSERT_EQUAL(change3(false, "udp6", ""), 1);
    CU_ASSERT_STRING_EQUAL(getaddr(4712, 7, "udp6"), "");
    CU_ASSERT_STRING_EQUAL(getaddr(4712, 7, "tcp"), "10.0.0.1.8.1");
    CU_ASSERT_EQUAL(change3(false, "", ""), 1); /* every transport */
    CU_ASSERT_STRING_EQUAL(getaddr(4712, 7, "tcp"), "");
}

static void the_table_is_bounded(void)
{
    int done = 0;
    for (int i = 0; i < 200; i++) {
        CU_ASSERT(client_wait(&client, rpc_pmap2_set_async(client.rpc, 6000 + i, 1, IPPROTO_UDP,
                                                           1 + i, keep_number, &client)));
        done += got_number == 1;
    }
    CU_ASSERT_EQUAL(done, 128 - 12);
    CU_ASSERT(client_wait(&client, rpc_pmap2_dump_async(client.rpc, keep_dump2, &client)));
    for (int i = 0; i < 200; i++) {
        CU_ASSERT(client_wait(
            &client, rpc_pmap2_unset_async(client.rpc, 6000 + i, 1, 0, 0, keep_number, &client)));
    }
    CU_ASSERT_EQUAL(getport(6000, 1, IPPROTO_UDP), 0);
}

static void it_calls_nobody(void)
{
    uint8_t reply[256];
    size_t size = 0;
    int fd = raw_connect(fixture.portmap_udp, true);
    const uint32_t procedures[][2] = {{2, 5}, {3, 5}, {4, 5}, {4, 10}};
    for (size_t i = 0; i < sizeof procedures / sizeof procedures[0]; i++) {
        CU_ASSERT_FATAL(raw_call(fd, true, 100000, procedures[i][0], procedures[i][1], NULL, 0,
                                 reply, sizeof reply, &size, 10000));
        CU_ASSERT_EQUAL(size, 24);
        CU_ASSERT_EQUAL(reply[23], 3); /* PROC_UNAVAIL */
    }
    /* Version 4 only. */
    CU_ASSERT_FATAL(raw_call(fd, true, 100000, 3, 9, NULL, 0, reply, sizeof reply, &size, 10000));
    CU_ASSERT_EQUAL(reply[23], 3);
    CU_ASSERT_FATAL(raw_call(fd, true, 100000, 4, 9, NULL, 0, reply, sizeof reply, &size, 10000));
    CU_ASSERT_EQUAL(reply[23], 4); /* GARBAGE_ARGS */
    (void)close(fd);
}

/* Two NFS servers on one machine: the second is refused as long as the first one lives and is
 * registered, and otherwise registers, and takes that back when it stops. */
static void another_gateway_registers_with_it(void)
{
    struct nfs_fixture second;
    char text[256];
    snprintf(text, sizeof text,
             "portmap-port = %u\nportmap = register\n[export gv0]\nvolume = local:$DIR/vol0\n",
             fixture.portmap_tcp);
    static const int programs[][2] = {{100003, 3}, {100005, 1}, {100005, 3}};
    for (int i = 0; i < 3; i++) {
        CU_ASSERT(
            client_wait(&client, rpc_pmap2_unset_async(client.rpc, programs[i][0], programs[i][1],
                                                       0, 0, keep_number, &client)));
        CU_ASSERT_EQUAL(got_number, 1);
    }
    /* Left behind by a server that is gone: nobody listens there. */
    CU_ASSERT(client_wait(
        &client, rpc_pmap2_set_async(client.rpc, 100003, 3, IPPROTO_TCP, 1, keep_number, &client)));
    CU_ASSERT_EQUAL(getport(100003, 3, IPPROTO_TCP), 1);
    nfs_fixture_start(&second, text);
    CU_ASSERT_EQUAL(second.portmap_tcp, 0);
    CU_ASSERT_EQUAL(getport(100003, 3, IPPROTO_TCP), second.nfs_tcp);
    CU_ASSERT_EQUAL(getport(100003, 3, IPPROTO_UDP), second.nfs_udp);
    CU_ASSERT_EQUAL(getport(100005, 3, IPPROTO_TCP), second.mount_tcp);
    CU_ASSERT_EQUAL(getport(100005, 1, IPPROTO_UDP), second.mount_udp);
    nfs_fixture_stop(&second);
    CU_ASSERT_EQUAL(getport(100003, 3, IPPROTO_TCP), 0);
    CU_ASSERT_EQUAL(getport(100005, 3, IPPROTO_UDP), 0);
}

int main(void)
{
    nfs_fixture_start(&fixture, "[export gv0]\nvolume = local:$DIR/vol0\n");
    client_open(&client, fixture.portmap_tcp, 100000, 2);
    client_open(&client3, fixture.portmap_tcp, 100000, 3);
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("portmap", NULL, NULL);
    CU_ADD_TEST(suite, our_programs_are_found_by_version_2);
    CU_ADD_TEST(suite, our_programs_are_found_by_version_3);
    CU_ADD_TEST(suite, programs_of_this_machine_may_register);
    CU_ADD_TEST(suite, universal_addresses_are_read_with_care);
    CU_ADD_TEST(suite, the_table_is_bounded);
    CU_ADD_TEST(suite, it_calls_nobody);
    CU_ADD_TEST(suite, another_gateway_registers_with_it);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    client_close(&client);
    client_close(&client3);
    nfs_fixture_stop(&fixture);
    return failures != 0;
}
