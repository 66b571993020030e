/*
 * File handles: what is made is understood, what was not made by us is not, and the MAC is the
 * SipHash-2-4 that everybody else computes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include "backend/base/errors.h"
#include "backend/proto/fhandle.h"

static const struct volume_id volume = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
static const uint8_t key[VOLUME_KEY_SIZE] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static void a_handle_says_what_it_was_made_of(void)
{
    for (uint64_t i = 1; i < 1000; i++) {
        struct gfid gfid = gfid_make((uint16_t)(i * 77), i * 31, i << 20 | i);
        uint8_t bytes[FHANDLE_SIZE];
        struct fhandle handle;
        fhandle_make(&volume, key, &gfid, bytes);
        CU_ASSERT_EQUAL_FATAL(fhandle_parse(slice_of(bytes, sizeof bytes), &handle), 0);
        CU_ASSERT_EQUAL(fhandle_check(slice_of(bytes, sizeof bytes), key), 0);
        CU_ASSERT(gfid_equal(&handle.gfid, &gfid));
        CU_ASSERT_EQUAL(memcmp(&handle.volume, &volume, sizeof volume), 0);
    }
}

static void every_changed_bit_is_noticed(void)
{
    struct gfid gfid = gfid_make(0, 3, 12345);
    uint8_t bytes[FHANDLE_SIZE];
    fhandle_make(&volume, key, &gfid, bytes);
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct fhandle handle;
        struct slice slice = slice_of(bytes, sizeof bytes);
        int status = fhandle_parse(slice, &handle);
        CU_ASSERT_EQUAL(status ? status : fhandle_check(slice, key), -E_BAD_HANDLE);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void other_sizes_and_keys_are_refused(void)
{
    struct gfid gfid = GFID_ROOT;
    uint8_t bytes[FHANDLE_SIZE_MAX] = {0};
    uint8_t other[VOLUME_KEY_SIZE] = {9};
    struct fhandle handle;
    fhandle_make(&volume, key, &gfid, bytes);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        int status = fhandle_parse(slice_of(bytes, size), &handle);
        CU_ASSERT_EQUAL(status, size == FHANDLE_SIZE ? 0 : -E_BAD_HANDLE);
    }
    CU_ASSERT_EQUAL(fhandle_check(slice_of(bytes, FHANDLE_SIZE), other), -E_BAD_HANDLE);
}

static void the_form_is_the_one_that_clients_hold(void)
{
    struct gfid gfid = gfid_make(0x1234, 5, 6);
    uint8_t bytes[FHANDLE_SIZE];
    fhandle_make(&volume, key, &gfid, bytes);
    CU_ASSERT_EQUAL(bytes[0], 1);
    CU_ASSERT_EQUAL(bytes[1], 1);
    CU_ASSERT_EQUAL(bytes[2], 0x12);
    CU_ASSERT_EQUAL(bytes[3], 0x34);
    CU_ASSERT_EQUAL(memcmp(bytes + 4, volume.bytes, 16), 0);
    CU_ASSERT_EQUAL(memcmp(bytes + 20, gfid.bytes, 16), 0);
}

static void the_mac_is_siphash(void)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(mac);
    for (uint64_t i = 1; i < 200; i++) {
        struct gfid gfid = gfid_make((uint16_t)i, i * 31, i * UINT64_C(0x123456789abc));
        uint8_t bytes[FHANDLE_SIZE];
        fhandle_make(&volume, key, &gfid, bytes);
        unsigned int size = FHANDLE_MAC_SIZE;
        OSSL_PARAM params[] = {OSSL_PARAM_construct_uint("size", &size),
                               OSSL_PARAM_construct_end()};
        EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
        uint8_t wanted[16];
        size_t wanted_size = 0;
        CU_ASSERT_EQUAL(EVP_MAC_init(context, key, sizeof key, params), 1);
        CU_ASSERT_EQUAL(EVP_MAC_update(context, bytes, FHANDLE_SIZE - FHANDLE_MAC_SIZE), 1);
        CU_ASSERT_EQUAL(EVP_MAC_final(context, wanted, &wanted_size, sizeof wanted), 1);
        CU_ASSERT_EQUAL(wanted_size, FHANDLE_MAC_SIZE);
        CU_ASSERT_EQUAL(memcmp(bytes + FHANDLE_SIZE - FHANDLE_MAC_SIZE, wanted, wanted_size), 0);
        EVP_MAC_CTX_free(context);
    }
    EVP_MAC_free(mac);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("fhandle", NULL, NULL);
    CU_ADD_TEST(suite, a_handle_says_what_it_was_made_of);
    CU_ADD_TEST(suite, every_changed_bit_is_noticed);
    CU_ADD_TEST(suite, other_sizes_and_keys_are_refused);
    CU_ADD_TEST(suite, the_form_is_the_one_that_clients_hold);
    CU_ADD_TEST(suite, the_mac_is_siphash);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
