/* SPDX-License-Identifier: MIT */
/*
 * XXH3 in three builds of one header, chosen at run time.
 *
 * The library of the distribution is compiled for the oldest processor of the architecture (SSE2 on x86-64),
 * which halves the speed; a transfer is checked while it is copied, so the difference shows. hash_wide.c is
 * compiled once with AVX2 and once with AVX-512; here is the rest, and the plain variant for all others.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "service/files/hash.h"
#include "service/files/hash_text.h"

#include <string.h>

#define ALIGNMENT 64
_Static_assert(sizeof(struct ly__hash) >= sizeof(XXH3_state_t) + ALIGNMENT - 1, "the state must fit");
_Static_assert(_Alignof(XXH3_state_t) <= ALIGNMENT, "the state must be aligned");

static size_t misalignment(const struct ly__hash *h)
{
    return (size_t)(-(uintptr_t)h->room % ALIGNMENT);
}

static XXH3_state_t *state_of(struct ly__hash *h)
{
    return (XXH3_state_t *)(void *)(h->room + misalignment(h));
}

static void put_text(XXH128_hash_t h, char out[LY__HASH_TEXT])
{
    hash_digits(h.high64, out);
    hash_digits(h.low64, out + 16);
    out[32] = '\0';
}

static void plain_update(void *state, const void *bytes, size_t n)
{
    XXH3_128bits_update((XXH3_state_t *)state, bytes, n);
}

static void plain_once(const void *bytes, size_t n, char out[LY__HASH_TEXT])
{
    put_text(XXH3_128bits(bytes, n), out);
}

static const struct ly__hash_kind plain = {plain_update, plain_once};

/* Chosen anew at each call: the processor's features are a table in memory that the first call fills. */
static const struct ly__hash_kind *kind(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f"))
        return &ly__hash_avx512;
    if (__builtin_cpu_supports("avx2"))
        return &ly__hash_avx2;
#endif
    return &plain;
}

void ly__hash_init(struct ly__hash *h)
{
    XXH3_128bits_reset(state_of(h));
}

void ly__hash_update(struct ly__hash *h, const void *bytes, size_t n)
{
    kind()->update(state_of(h), bytes, n);
}

void ly__hash_text(const struct ly__hash *h, char out[LY__HASH_TEXT])
{
    put_text(XXH3_128bits_digest((const XXH3_state_t *)(const void *)(h->room + misalignment(h))), out);
}

void ly__hash_once(const void *bytes, size_t n, char out[LY__HASH_TEXT])
{
    kind()->once(bytes, n, out);
}

void ly__hash_bits(const void *bytes, size_t n, char out[16])
{
    XXH128_hash_t h = XXH3_128bits(bytes, n);
    memcpy(out, &h.low64, 8);
    memcpy(out + 8, &h.high64, 8);
}

uint64_t ly__hash_name(const void *bytes, size_t n)
{
    return XXH3_64bits(bytes, n);
}
