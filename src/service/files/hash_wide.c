/* SPDX-License-Identifier: MIT */
/* The variant of one instruction set: compiled once for each, with KIND as the table's name. See hash.c. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "service/files/hash.h"
#include "service/files/hash_text.h"

static void update(void *state, const void *bytes, size_t n)
{
    XXH3_128bits_update((XXH3_state_t *)state, bytes, n);
}

static void once(const void *bytes, size_t n, char out[LY__HASH_TEXT])
{
    XXH128_hash_t h = XXH3_128bits(bytes, n);
    hash_digits(h.high64, out);
    hash_digits(h.low64, out + 16);
    out[32] = '\0';
}

const struct ly__hash_kind KIND = {update, once};
