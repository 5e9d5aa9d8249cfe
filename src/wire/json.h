/* SPDX-License-Identifier: MIT */
/* Inside the wire floor: what frames and the parts of the JSON reader ask of one another. */
#ifndef LY_WIRE_JSON_H
#define LY_WIRE_JSON_H

#include <lanyard/json.h>

/* As ly_json_check, and gives the member of a name (plain ASCII), as ly_json_get does, without a second walk.
 */
int ly__json_check_member(struct ly_json *ret_value, const char *text, size_t length, const char *name,
                          struct ly_json *ret_member);

/*
 * Decode the character or escape at *p, which lies before the closing quotation mark of a checked string, and
 * move *p behind it. Returns the bytes stored in out (1..4).
 */
size_t ly__json_unit(const char **p, char out[4]);

/*
 * Whether two strings (spans with their quotation marks) of checked texts are equal after decoding. The
 * lengths say nothing: "\u0061" equals "a".
 */
bool ly__json_same(struct ly_json a, struct ly_json b);

/* Whether the object has two equal names, or more than LY_JSON_NAMES. The text is checked in all other
 * respects. */
bool ly__json_names_repeat(struct ly_json object);

#endif
