/* SPDX-License-Identifier: MIT */
/*
 * The identity of a machine: the SHA-256 of its public key (its DER SubjectPublicKeyInfo, RFC 5280, 4.1.2.7).
 *
 * Its printed form is for two people who compare it, by eye or by voice, in any language: 8 groups of 5
 * decimal digits, as in 06912-40385-... It is the first 17 bytes as a number, modulo 10^40, so that to find
 * another key with the same form takes some 2^132 tries. Wherever an identity is shown, typed, logged or
 * stored in a text, it is this form, and forms are compared as texts.
 */
#ifndef LY_AUTH_ID_H
#define LY_AUTH_ID_H

#include <stddef.h>
#include <stdint.h>

#define LY__ID 32      /* bytes of an identity */
#define LY__ID_TEXT 48 /* bytes of its printed form, with its zero byte */

/* The identity of a public key. Returns 0 or an error of ly_digest_new. */
int ly__id_of(uint8_t ret_id[LY__ID], const void *spki, size_t n);

void ly__id_format(char out[LY__ID_TEXT], const uint8_t id[LY__ID]);

/* Read a printed form, which must be all of the n bytes. Returns 0 or LY_EFIELD. */
int ly__id_parse(char ret_text[LY__ID_TEXT], const char *text, size_t n);

#endif
