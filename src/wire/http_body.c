/* SPDX-License-Identifier: MIT */
/*
 * Bodies: where they end, and taking chunks apart.
 *
 * The line before a chunk is read by a table: a state and the class of a byte give the next state. Extensions
 * are thus checked against their grammar (RFC 9112, 7.1.1) although nobody asks what they say: what stands in
 * them is where recipients have disagreed about the end of the line. Content is never copied: each call shows
 * the run of it that the input has.
 */
#include "wire/http.h"

#define DIGITS_MAX 15        /* of a chunk's size: below 2^60 */
#define EXTENSIONS_MAX 4096u /* bytes of extensions in a whole body */

enum class { HEX, TCHAR, BLANK, SEMICOLON, EQUALS, QUOTE, ESCAPE, CR, LF, TEXT, OTHER, CLASSES };

enum state {
    BAD, /* 0, so that what the table does not say is refused */
    SIZE_FIRST,
    SIZE,
    BEFORE_SEMICOLON, /* blanks in front of one */
    BEFORE_NAME,
    NAME,
    AFTER_NAME,
    BEFORE_VALUE,
    VALUE,
    QUOTED,
    ESCAPED,
    QUOTED_END,
    SIZE_LF, /* the LF of the line */
    DATA_CR, /* the line end behind a chunk */
    DATA_LF,
    DATA,
    STATES
};

static const uint8_t next[STATES][CLASSES] = {
    [SIZE_FIRST] = {[HEX] = SIZE},
    [SIZE] = {[HEX] = SIZE, [BLANK] = BEFORE_SEMICOLON, [SEMICOLON] = BEFORE_NAME, [CR] = SIZE_LF},
    [BEFORE_SEMICOLON] = {[BLANK] = BEFORE_SEMICOLON, [SEMICOLON] = BEFORE_NAME},
    [BEFORE_NAME] = {[BLANK] = BEFORE_NAME, [HEX] = NAME, [TCHAR] = NAME},
    [NAME] = {[HEX] = NAME,
              [TCHAR] = NAME,
              [BLANK] = AFTER_NAME,
              [SEMICOLON] = BEFORE_NAME,
              [EQUALS] = BEFORE_VALUE,
              [CR] = SIZE_LF},
    [AFTER_NAME] = {[BLANK] = AFTER_NAME, [SEMICOLON] = BEFORE_NAME, [EQUALS] = BEFORE_VALUE},
    [BEFORE_VALUE] = {[BLANK] = BEFORE_VALUE, [HEX] = VALUE, [TCHAR] = VALUE, [QUOTE] = QUOTED},
    [VALUE] = {[HEX] = VALUE,
               [TCHAR] = VALUE,
               [BLANK] = BEFORE_SEMICOLON,
               [SEMICOLON] = BEFORE_NAME,
               [CR] = SIZE_LF},
    [QUOTED] = {[HEX] = QUOTED,
                [TCHAR] = QUOTED,
                [BLANK] = QUOTED,
                [SEMICOLON] = QUOTED,
                [EQUALS] = QUOTED,
                [TEXT] = QUOTED,
                [ESCAPE] = ESCAPED,
                [QUOTE] = QUOTED_END},
    [ESCAPED] = {[HEX] = QUOTED,
                 [TCHAR] = QUOTED,
                 [BLANK] = QUOTED,
                 [SEMICOLON] = QUOTED,
                 [EQUALS] = QUOTED,
                 [TEXT] = QUOTED,
                 [ESCAPE] = QUOTED,
                 [QUOTE] = QUOTED},
    [QUOTED_END] = {[BLANK] = BEFORE_SEMICOLON, [SEMICOLON] = BEFORE_NAME, [CR] = SIZE_LF},
    [SIZE_LF] = {[LF] = DATA},
    [DATA_CR] = {[CR] = DATA_LF},
    [DATA_LF] = {[LF] = SIZE_FIRST},
};

static enum class class_of(char c) {
    switch (c){
        case ' ' : case '\t' : return BLANK; case ';' : return SEMICOLON; case '=' : return EQUALS;
        case '"' : return QUOTE;
        case '\\' : return ESCAPE;
        case '\r' : return CR;
        case '\n' : return LF;
        default : break;
    }
if (ly__http_hex(c) >= 0) return HEX;
if (ly__http_is(c, LY__HTTP_TOKEN))
    return TCHAR;
return ly__http_is(c, LY__HTTP_VALUE) ? TEXT : OTHER;
}

static int refuse(struct ly_http_body *b, int refusal, const char *why)
{
    b->refusal = refusal;
    b->why = why;
    b->own.state = BAD;
    return refusal == 413 ? LY_ETOOBIG : LY_EHTTP;
}

/* RFC 9112, 6.3. */
static enum ly_http_framing framing_of(const struct ly_http_head *h, unsigned method)
{
    bool response = h->kind == LY_HTTP_RESPONSE;
    if (response && (h->status < 200 || h->status == 204 || h->status == 304 || method == LY_HTTP_HEAD ||
                     (method == LY_HTTP_CONNECT && h->status < 300)))
        return LY_HTTP_NO_BODY;
    if (h->chunked)
        return LY_HTTP_CHUNKED;
    if (h->content_length >= 0)
        return LY_HTTP_LENGTH;
    return response ? LY_HTTP_CLOSE : LY_HTTP_NO_BODY;
}

int ly_http_body_init(struct ly_http_body *b, const struct ly_http_head *h, unsigned method, int64_t limit)
{
    *b = (struct ly_http_body){.room = limit, .own.state = SIZE_FIRST};
    b->framing = framing_of(h, method);
    if (b->framing == LY_HTTP_LENGTH) {
        b->left = h->content_length;
        b->room -= b->left;
    }
    b->done = b->framing == LY_HTTP_NO_BODY || (b->framing == LY_HTTP_LENGTH && b->left == 0);
    return b->room < 0 ? refuse(b, 413, "the body is too long") : 0;
}

/* ---- chunks ---- */

static int add_digit(struct ly_http_body *b, char c)
{
    if (++b->own.digits > DIGITS_MAX)
        return refuse(b, 400, "the size of a chunk is too long");
    b->left = b->left * 16 + ly__http_hex(c);
    return 0;
}

/* The line before a chunk is complete. */
static int begin_chunk(struct ly_http_body *b)
{
    if (b->left > b->room)
        return refuse(b, 413, "the body is too long");
    b->room -= b->left;
    b->own.digits = 0;
    b->done = b->left == 0;
    return 0;
}

/* Take one byte that is not content. */
static int take_framing(struct ly_http_body *b, char c)
{
    b->own.state = next[b->own.state][class_of(c)];
    switch (b->own.state) {
    case BAD:
        return refuse(b, 400, "a malformed chunk");
    case SIZE_FIRST:
        return 0;
    case SIZE:
        return add_digit(b, c);
    case DATA:
        return begin_chunk(b);
    case SIZE_LF:
    case DATA_LF:
        return 0;
    default:
        return ++b->own.extensions > EXTENSIONS_MAX ? refuse(b, 400, "the chunk extensions are too long") : 0;
    }
}

/* Take the run of content that bytes begin with. */
static size_t take_content(struct ly_http_body *b, const char *bytes, size_t n,
                           struct ly_http_text *ret_content)
{
    if (b->framing != LY_HTTP_CLOSE && (int64_t)n > b->left)
        n = (size_t)b->left;
    *ret_content = (struct ly_http_text){bytes, n};
    b->left -= b->framing != LY_HTTP_CLOSE ? (int64_t)n : 0;
    return n;
}

static ssize_t decode_chunks(struct ly_http_body *b, const char *bytes, size_t n,
                             struct ly_http_text *ret_content)
{
    size_t at = 0;
    while (at < n && !b->done) {
        if (b->own.state == DATA) {
            at += take_content(b, bytes + at, n - at, ret_content);
            if (b->left == 0)
                b->own.state = DATA_CR;
            break;
        }
        int r = take_framing(b, bytes[at++]);
        if (r < 0)
            return r;
    }
    return (ssize_t)at;
}

ssize_t ly_http_body_decode(struct ly_http_body *b, const char *bytes, size_t n,
                            struct ly_http_text *ret_content)
{
    *ret_content = (struct ly_http_text){bytes, 0};
    if (b->refusal)
        return refuse(b, b->refusal, b->why);
    if (b->done || n == 0)
        return 0;
    if (b->framing == LY_HTTP_CHUNKED)
        return decode_chunks(b, bytes, n, ret_content);
    if (b->framing == LY_HTTP_CLOSE) {
        if ((uint64_t)n > (uint64_t)b->room)
            return refuse(b, 413, "the body is too long");
        b->room -= (int64_t)n;
    }
    size_t taken = take_content(b, bytes, n, ret_content);
    b->done = b->framing == LY_HTTP_LENGTH && b->left == 0;
    return (ssize_t)taken;
}
