/*
 * The table of our status codes, and the C library's for every errno.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/base/errors.h"
#include <limits.h>
#include <stddef.h>
#include <string.h>

struct error_row {
    const char *name;
    int number;
    int nearest_errno;
    const char *text;
};

static const struct error_row error_rows[] = {
#define ERROR_ROW(name, number, nearest, text) {#name, number, nearest, text},
    ERROR_LIST(ERROR_ROW)
#undef ERROR_ROW
};

static const struct error_row *error_find(int code)
{
    for (size_t i = 0; i < sizeof error_rows / sizeof error_rows[0]; i++) {
        if (error_rows[i].number == -code) {
            return &error_rows[i];
        }
    }
    return NULL;
}

/* The codes of a wire may be any number: INT_MIN has no positive counterpart. */
static int error_is_code(int code)
{
    return code < 0 && code > INT_MIN;
}

const char *error_name(int code)
{
    if (!error_is_code(code)) {
        return code == 0 ? "0" : "?";
    }
    const struct error_row *row = error_find(code);
    if (row) {
        return row->name;
    }
    const char *name = strerrorname_np(-code);
    return name ? name : "?";
}

const char *error_text(int code)
{
    if (!error_is_code(code)) {
        return code == 0 ? "success" : "an error code that this version does not know";
    }
    const struct error_row *row = error_find(code);
    if (row) {
        return row->text;
    }
    const char *text = strerrordesc_np(-code);
    return text ? text : "an error code that this version does not know";
}

int error_errno(int code)
{
    if (code == 0) {
        return 0;
    }
    if (!error_is_code(code)) {
        return EIO;
    }
    const struct error_row *row = error_find(code);
    if (row) {
        return row->nearest_errno;
    }
    /* A kernel refuses numbers that are no errno; what another version sent is an I/O error. */
    return strerrorname_np(-code) ? -code : EIO;
}
