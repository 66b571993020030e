/*
 * Memory of a case. See keep.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "conformance/lib/keep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More than any answer has. */
#define RESULT_SIZE_MAX (4 * 1024 * 1024)

struct kept {
    struct kept *next;
    ZDR zdr; /* of a decoded result: what it points to */
    _Alignas(max_align_t) unsigned char bytes[];
};

static struct kept *all;

static struct kept *kept_new(size_t size)
{
    struct kept *kept = calloc(1, sizeof *kept + size);
    if (!kept) {
        fprintf(stderr, "out of memory\n");
        exit(EXIT_FAILURE);
    }
    kept->next = all;
    all = kept;
    return kept;
}

void *keep_new(size_t size)
{
    return kept_new(size)->bytes;
}

void *keep_copy(const void *bytes, size_t size)
{
    void *copy = keep_new(size + 1);
    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    return copy;
}

void *keep_decode(zdrproc_t proc, size_t result_size, const void *bytes, size_t size)
{
    void *copy = keep_copy(bytes, size); /* what is decoded may point into it */
    struct kept *kept = kept_new(result_size);
    zdrmem_create(&kept->zdr, copy, (uint32_t)size, ZDR_DECODE);
    return proc(&kept->zdr, kept->bytes) ? kept->bytes : NULL;
}

void *keep_result(zdrproc_t proc, size_t result_size, void *result)
{
    static char bytes[RESULT_SIZE_MAX];
    ZDR zdr;
    zdrmem_create(&zdr, bytes, sizeof bytes, ZDR_ENCODE);
    void *copy = NULL;
    if (proc(&zdr, result)) {
        copy = keep_decode(proc, result_size, bytes, (size_t)zdr.pos);
    }
    zdr_destroy(&zdr);
    return copy;
}

void keep_end(void)
{
    while (all) {
        struct kept *next = all->next;
        zdr_destroy(&all->zdr);
        free(all);
        all = next;
    }
}
