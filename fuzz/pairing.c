/* SPDX-License-Identifier: MIT */
/* A pairing code as it was typed: what is taken has the form that a code has, and is taken again as it is
 * shown. */
#include "auth/pairing.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_crockford(const char *text, size_t n)
{
    return strlen(text) == n && strspn(text, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") == n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char slot[LY__PAIRING_SLOT], secret[LY__PAIRING_SECRET], code[64];
    char again_slot[LY__PAIRING_SLOT], again_secret[LY__PAIRING_SECRET];
    char *text = malloc(size + 1); /* of this size, so that a read behind it is seen */
    if (!text)
        abort();
    memcpy(text, data, size);
    text[size] = 0;
    if (ly__pairing_read(text, slot, secret) == 0) {
        if (!is_crockford(slot, LY__PAIRING_SLOT - 1) || !is_crockford(secret, LY__PAIRING_SECRET - 1))
            abort();
        snprintf(code, sizeof code, "%s-%.4s-%.4s-%.4s", slot, secret, secret + 4, secret + 8);
        if (ly__pairing_read(code, again_slot, again_secret) != 0 || strcmp(slot, again_slot) != 0 ||
            strcmp(secret, again_secret) != 0)
            abort();
    }
    free(text);
    return 0;
}
