/* SPDX-License-Identifier: MIT */
#include "auth/id.h"
#include <lanyard/challenge.h>
#include <lanyard/error.h>
#include <stdbool.h>
#include <string.h>

#define GROUPS 8
#define DIGITS 5
#define GROUP_LIMIT 100000u /* 10^DIGITS */
#define NUMBER_BYTES 17     /* the fewest whose numbers reach beyond 10^40 */

int ly__id_of(uint8_t ret_id[LY__ID], const void *spki, size_t n)
{
    struct ly_digest *d;
    unsigned char digest[LY_DIGEST_MAX];
    int r = ly_digest_new(&d, LY_SHA256, NULL, 0);
    if (r < 0)
        return r;
    r = ly_digest_update(d, spki, n);
    if (r == 0)
        r = (int)ly_digest_end(d, digest); /* a length, or an error */
    ly_digest_free(d);
    if (r < 0)
        return r;
    memcpy(ret_id, digest, LY__ID);
    return 0;
}

/* Multiply by 256 and add, byte for byte; what is carried beyond the first group is a multiple of 10^40. */
static void reduce(uint32_t groups[GROUPS], const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t carry = bytes[i];
        for (size_t g = GROUPS; g-- > 0;) {
            uint32_t value = groups[g] * 256 + carry;
            groups[g] = value % GROUP_LIMIT;
            carry = value / GROUP_LIMIT;
        }
    }
}

void ly__id_format(char out[LY__ID_TEXT], const uint8_t id[LY__ID])
{
    uint32_t groups[GROUPS] = {0};
    reduce(groups, id, NUMBER_BYTES);
    for (size_t g = 0; g < GROUPS; g++) {
        char *group = out + g * (DIGITS + 1);
        for (size_t i = DIGITS; i-- > 0; groups[g] /= 10)
            group[i] = (char)('0' + groups[g] % 10);
        group[DIGITS] = g + 1 < GROUPS ? '-' : 0;
    }
}

int ly__id_parse(char ret_text[LY__ID_TEXT], const char *text, size_t n)
{
    if (n != LY__ID_TEXT - 1)
        return LY_EFIELD;
    for (size_t i = 0; i < n; i++) {
        bool is_digit = text[i] >= '0' && text[i] <= '9';
        if (i % (DIGITS + 1) == DIGITS ? text[i] != '-' : !is_digit)
            return LY_EFIELD;
    }
    memcpy(ret_text, text, n);
    ret_text[n] = 0;
    return 0;
}
