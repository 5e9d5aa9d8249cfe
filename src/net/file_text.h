/* SPDX-License-Identifier: MIT */
/*
 * Text in an encoding, decoded to UTF-8 as its bytes come, and encoded from it. No I/O.
 */
#ifndef LY_NET_FILE_TEXT_H
#define LY_NET_FILE_TEXT_H

#include <iconv.h>
#include <lanyard/file.h>
#include <stdbool.h>
#include <stddef.h>

#define LY__TEXT_ROOM 64 /* bytes of room in which any step of a decoder or encoder gets on */

/* Where a line ends. */
enum ly__line_end { LY__LF, LY__CR, LY__CRLF, LY__ANY_END };

/* How an encoding is handled: found out once from its name. */
struct ly__encoding {
    char name[40]; /* for iconv_open; empty: UTF-8, which is handled here */
    char unit;     /* bytes of its smallest unit: so many are skipped where they are malformed */
    char bom;      /* bytes of the byte order mark that a text begins with; 0: none */
};

/* Returns 0 or LY_EENCODING (a name that cannot be one; whether iconv knows it shows later). NULL: UTF-8. */
int ly__encoding_find(struct ly__encoding *ret, const char *name);

struct ly__decoder {
    iconv_t cd; /* (iconv_t)-1: UTF-8 */
    enum ly_text_errors errors;
    bool translate; /* newlines, to "\n" */
    bool after_cr;  /* a "\r" was given as "\n": a "\n" at once behind it is part of it */
    bool broken;    /* iconv has made what is no text: nothing more is */
    char unit;
    char *raw; /* encoded bytes, raw[start..end) of size */
    size_t start, end, size;
};

/* Without the memory for raw bytes, which comes at the first need. Returns 0, LY_EENCODING, -ENOMEM, -EMFILE.
 */
int ly__decoder_open(struct ly__decoder *d, const struct ly__encoding *e, size_t size,
                     enum ly_text_errors errors, bool translate);
void ly__decoder_close(struct ly__decoder *d);

/*
 * Decode raw bytes into room bytes (at least LY__TEXT_ROOM) at out. final: no more bytes come.
 * Returns the bytes made, which are valid UTF-8; 0 if more raw bytes are needed; or LY_EDECODE, which stays.
 */
ssize_t ly__decoder_step(struct ly__decoder *d, char *out, size_t room, bool final);

struct ly__encoder {
    iconv_t cd; /* (iconv_t)-1: UTF-8 */
    enum ly_text_errors errors;
    char newline[3]; /* what "\n" becomes; empty: it stays */
    char bom;        /* bytes of the mark that is still to be written */
    bool used;       /* something was encoded */
};

int ly__encoder_open(struct ly__encoder *e, const struct ly__encoding *encoding, enum ly_text_errors errors,
                     const char *newline);
void ly__encoder_close(struct ly__encoder *e);

/* Whether valid UTF-8 is encoded as itself. */
bool ly__encoder_copies(const struct ly__encoder *e);

/*
 * Encode from n bytes at text into room bytes (at least LY__TEXT_ROOM) at out. *used becomes the bytes of
 * text that are done with. Returns the bytes made, or LY_EENCODE with *used bytes done before the character
 * that cannot be, whose bytes made are in *made.
 */
int ly__encoder_step(struct ly__encoder *e, const char *text, size_t n, size_t *used, char *out, size_t room,
                     size_t *made);

/* What brings a stateful encoding back to its first state. Returns the bytes made. */
size_t ly__encoder_end(struct ly__encoder *e, char *out, size_t room);

#endif
