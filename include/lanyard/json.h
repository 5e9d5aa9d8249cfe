/* SPDX-License-Identifier: MIT */
/*
 * JSON as frame headers use it: a strict reader (RFC 8259) that works in place and allocates nothing, and a
 * writer into a buffer. A value is a span of a text that ly_json_check has accepted; it stays valid as long
 * as the text does.
 */
#ifndef LANYARD_JSON_H
#define LANYARD_JSON_H

#include <lanyard/buffer.h>
#include <lanyard/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LY_JSON_DEPTH 32  /* deepest nesting that is accepted */
#define LY_JSON_NAMES 256 /* most names in the outermost object */

enum ly_json_type {
    LY_JSON_NONE,
    LY_JSON_NULL,
    LY_JSON_BOOL,
    LY_JSON_NUMBER,
    LY_JSON_STRING,
    LY_JSON_ARRAY,
    LY_JSON_OBJECT
};

struct ly_json {
    const char *text; /* first byte of the value */
    size_t length;    /* bytes up to its end */
};

/* Check a whole text: one value, valid UTF-8, no U+0000, no duplicate names in the outermost object and at
 * most LY_JSON_NAMES of them, nesting at most LY_JSON_DEPTH, no lone surrogate but those described at the
 * writing functions. Returns 0 and the value, or LY_EJSON. */
LY_API int ly_json_check(struct ly_json *ret_value, const char *text, size_t length);

/* What a value is; LY_JSON_NONE for one of length 0. */
LY_API enum ly_json_type ly_json_type(struct ly_json value);

/* The member of an object by name (UTF-8, compared after decoding escapes); type LY_JSON_NONE, length 0, if
 * there is none or the value is no object. */
LY_API struct ly_json ly_json_get(struct ly_json object, const char *name);

/* Walk an array or object: start with *it = 0, end when it returns false. ret_name is the raw name (a JSON
 * string) for objects and may be NULL. */
LY_API bool ly_json_next(struct ly_json container, size_t *it, struct ly_json *ret_name,
                         struct ly_json *ret_value);

/* An integer without fraction or exponent, within int64. Returns 0 or LY_EFIELD. */
LY_API int ly_json_int(struct ly_json value, int64_t *ret);
LY_API int ly_json_bool(struct ly_json value, bool *ret);
/* Any number within double's range, of less than 512 characters. Returns 0 or LY_EFIELD. */
LY_API int ly_json_double(struct ly_json value, double *ret);

/* Decode a string into buf, zero-terminated. Returns its length; LY_EFIELD (no string, or it holds a zero
 * byte), LY_ETOOBIG (cap is too small; value.length is always enough). */
LY_API ssize_t ly_json_string(struct ly_json value, char *buf, size_t cap);

/* Whether value is a string equal to text. */
LY_API bool ly_json_equal(struct ly_json value, const char *text);

/*
 * Writing: members are appended with the commas they need. Text that is not UTF-8 has each bad byte b written
 * as U+DC00+b ("surrogateescape"), which ly_json_string turns back into the byte, so that any file name
 * survives. ASCII only. A text begins where the buffer is empty or ends in a line end.
 * All return 0, LY_ETOOBIG or -ENOMEM (nothing is appended then); name is NULL inside arrays and for a text's
 * outermost value.
 */
LY_API int ly_json_open(struct ly_buffer *b, const char *name, char bracket); /* '{' or '[' */
LY_API int ly_json_close(struct ly_buffer *b, char bracket);                  /* '}' or ']' */
LY_API int ly_json_put_string(struct ly_buffer *b, const char *name, const char *value);
LY_API int ly_json_put_bytes(struct ly_buffer *b, const char *name, const char *value, size_t length);
LY_API int ly_json_put_int(struct ly_buffer *b, const char *name, int64_t value);
LY_API int ly_json_put_bool(struct ly_buffer *b, const char *name, bool value);
/* In the shortest form that reads back as the same number. NaN and the infinities have none: -EINVAL. */
LY_API int ly_json_put_double(struct ly_buffer *b, const char *name, double value);

#ifdef __cplusplus
}
#endif
#endif
