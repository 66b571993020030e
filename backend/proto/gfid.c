/*
 * The gfid as text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/proto/gfid.h"
#include <errno.h>

/* A dash stands before these bytes. */
static bool gfid_dash_before(int byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void gfid_to_text(const struct gfid *gfid, char out_text[GFID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < GFID_SIZE; i++) {
        if (gfid_dash_before(i)) {
            *out_text++ = '-';
        }
        *out_text++ = digits[gfid->bytes[i] >> 4];
        *out_text++ = digits[gfid->bytes[i] & 15];
    }
    *out_text = '\0';
}

/* The value of a digit that gfid_to_text writes (lower case), -1 for another byte. */
static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

int gfid_from_text(const char *text, struct gfid *out_gfid)
{
    struct gfid gfid;
    for (int i = 0; i < GFID_SIZE; i++) {
        if (gfid_dash_before(i) && *text++ != '-') {
            return -EINVAL;
        }
        int high = hex_value(text[0]);
        int low = high < 0 ? -1 : hex_value(text[1]); /* not behind the text's NUL */
        if (low < 0) {
            return -EINVAL;
        }
        gfid.bytes[i] = (uint8_t)(high << 4 | low);
        text += 2;
    }
    if (*text != '\0') {
        return -EINVAL;
    }
    *out_gfid = gfid;
    return 0;
}
