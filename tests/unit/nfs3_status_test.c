/*
 * Codes as NFS tells them: each code of ours and each errno, for each procedure, becomes something
 * that the procedure may answer with.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <CUnit/Basic.h>
#include "backend/base/errors.h"
#include "frontends/nfs3/nfs3_status.h"

#define PROCEDURES 22

static void every_code_becomes_an_allowed_status(void)
{
    for (uint32_t procedure = 0; procedure < PROCEDURES; procedure++) {
        for (int code = 1; code < 1100; code++) {
            enum nfsstat3 status = nfs3_status(procedure, -code);
            CU_ASSERT(status != NFS3_OK);
            CU_ASSERT(nfs3_status_is_allowed(procedure, status));
        }
        CU_ASSERT_EQUAL(nfs3_status(procedure, 0), NFS3_OK);
    }
}

static void codes_keep_their_meaning_where_they_can(void)
{
    static const struct {
        uint32_t procedure;
        int code;
        enum nfsstat3 status;
    } cases[] = {
        {NFS3_LOOKUP, -ENOENT, NFS3ERR_NOENT},
        {NFS3_GETATTR, -ENOENT, NFS3ERR_STALE},
        {NFS3_GETATTR, -ESTALE, NFS3ERR_STALE},
        {NFS3_GETATTR, -EACCES, NFS3ERR_IO},
        {NFS3_SETATTR, -E_GUARD_FAILED, NFS3ERR_NOT_SYNC},
        {NFS3_SETATTR, -EPERM, NFS3ERR_PERM},
        {NFS3_SETATTR, -EISDIR, NFS3ERR_INVAL},
        {NFS3_WRITE, -EISDIR, NFS3ERR_INVAL},
        {NFS3_WRITE, -ENOSPC, NFS3ERR_NOSPC},
        {NFS3_WRITE, -EDQUOT, NFS3ERR_DQUOT},
        {NFS3_COMMIT, -ENOSPC, NFS3ERR_IO},
        {NFS3_CREATE, -EEXIST, NFS3ERR_EXIST},
        {NFS3_RMDIR, -ENOTEMPTY, NFS3ERR_NOTEMPTY},
        {NFS3_RENAME, -ENOTEMPTY, NFS3ERR_NOTEMPTY},
        {NFS3_LINK, -EMLINK, NFS3ERR_MLINK},
        {NFS3_READDIR, -ELOOP, NFS3ERR_NOTDIR},
        {NFS3_LOOKUP, -ELOOP, NFS3ERR_NOTDIR},
        {NFS3_READDIR, -E_BAD_COOKIE, NFS3ERR_BAD_COOKIE},
        {NFS3_READDIR, -ENOTDIR, NFS3ERR_NOTDIR},
        {NFS3_READ, -ETIMEDOUT, NFS3ERR_IO},
        {NFS3_READ, -E_NO_QUORUM, NFS3ERR_JUKEBOX},
        {NFS3_FSSTAT, -E_CORRUPT, NFS3ERR_IO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(nfs3_status(cases[i].procedure, cases[i].code), cases[i].status);
    }
}

static void values_of_other_procedures_are_not_allowed(void)
{
    CU_ASSERT(!nfs3_status_is_allowed(NFS3_GETATTR, NFS3ERR_ACCES));
    CU_ASSERT(!nfs3_status_is_allowed(NFS3_LOOKUP, NFS3ERR_INVAL));
    CU_ASSERT(!nfs3_status_is_allowed(NFS3_READ, NFS3ERR_BAD_COOKIE));
    CU_ASSERT(!nfs3_status_is_allowed(NFS3_COMMIT, NFS3ERR_NOSPC));
    CU_ASSERT(!nfs3_status_is_allowed(NFS3_LINK, NFS3ERR_PERM));
    CU_ASSERT(!nfs3_status_is_allowed(PROCEDURES, NFS3_OK));
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("nfs3_status", NULL, NULL);
    CU_ADD_TEST(suite, every_code_becomes_an_allowed_status);
    CU_ADD_TEST(suite, codes_keep_their_meaning_where_they_can);
    CU_ADD_TEST(suite, values_of_other_procedures_are_not_allowed);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures != 0;
}
