/* SPDX-License-Identifier: MIT */
/* XXH3-128 of files and XXH3-64 of names, with the widest vectors the processor has. */
#ifndef LY_SERVICE_HASH_H
#define LY_SERVICE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define LY__HASH_TEXT 33 /* 32 hexadecimal digits and a zero byte */

struct ly__hash {
    /* XXH3_state_t, from the first address in it that is a multiple of 64: heap memory need not begin at one.
     * So it must not be copied. */
    unsigned char room[576 + 63];
};

void ly__hash_init(struct ly__hash *h);
void ly__hash_update(struct ly__hash *h, const void *bytes, size_t n);

/* The hash of what was put in so far, as text; more may follow. */
void ly__hash_text(const struct ly__hash *h, char out[LY__HASH_TEXT]);

/* The hash of n bytes at once. */
void ly__hash_once(const void *bytes, size_t n, char out[LY__HASH_TEXT]);

/* The same as 16 bytes. */
void ly__hash_bits(const void *bytes, size_t n, char out[16]);

/* XXH3-64 of n bytes. */
uint64_t ly__hash_name(const void *bytes, size_t n);

/* The two loops over long input, one pair an instruction set; see hash.c. */
struct ly__hash_kind {
    void (*update)(void *state, const void *bytes, size_t n);
    void (*once)(const void *bytes, size_t n, char out[LY__HASH_TEXT]);
};
extern const struct ly__hash_kind ly__hash_avx2, ly__hash_avx512;

#endif
