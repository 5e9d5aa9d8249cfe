/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 messages: reading and writing them, without I/O and on buffered streams.
 *
 * Every message has one reading or none: what RFC 9110 and RFC 9112 leave to a recipient's tolerance (a bare
 * LF, two lengths, folded lines) is refused, because the next recipient may read it otherwise. Nothing here
 * allocates, apart from the buffers that are written to. A server is in lanyard/http_server.h.
 */
#ifndef LANYARD_HTTP_H
#define LANYARD_HTTP_H

#include <lanyard/buffer.h>
#include <lanyard/error.h>
#include <lanyard/stream.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of a message, without a zero byte behind them; borrowed from whoever holds the message. */
struct ly_http_text {
    const char *bytes;
    size_t length;
};

/* ---- methods and statuses ---- */

/* A method is one bit, so that a set of them is their sum. */
enum ly_http_method {
    LY_HTTP_UNKNOWN = 0, /* a token that is none of these */
    LY_HTTP_GET = 1 << 0,
    LY_HTTP_HEAD = 1 << 1,
    LY_HTTP_POST = 1 << 2,
    LY_HTTP_PUT = 1 << 3,
    LY_HTTP_DELETE = 1 << 4,
    LY_HTTP_CONNECT = 1 << 5,
    LY_HTTP_OPTIONS = 1 << 6,
    LY_HTTP_TRACE = 1 << 7,
    LY_HTTP_PATCH = 1 << 8,
    LY_HTTP_PROPFIND = 1 << 9,
    LY_HTTP_PROPPATCH = 1 << 10,
    LY_HTTP_MKCOL = 1 << 11,
    LY_HTTP_COPY = 1 << 12,
    LY_HTTP_MOVE = 1 << 13,
    LY_HTTP_LOCK = 1 << 14,
    LY_HTTP_UNLOCK = 1 << 15,
};
#define LY_HTTP_METHODS_ALL 0xffffu

/* The method of n bytes, case and all; LY_HTTP_UNKNOWN if it is none. */
LY_API enum ly_http_method ly_http_method_of(const char *bytes, size_t n);

/* "GET" for LY_HTTP_GET; "" for what is not one method. Static. */
LY_API const char *ly_http_method_name(unsigned method);

/* "Not Found" for 404; "" for a status that no RFC names. Static. Source: RFC 9110, 15. */
LY_API const char *ly_http_reason(int status);

#define LY_HTTP_DATE_SIZE 30 /* of a date, the zero byte included */

/* The current date as the Date field has it; computed once a second in each thread. Source: RFC 9110, 5.6.7.
 */
LY_API void ly_http_date(char ret_text[LY_HTTP_DATE_SIZE]);

/* ---- heads ---- */

#define LY_HTTP_LINE_MAX 8192  /* unless limits say otherwise: bytes of a line, its end included */
#define LY_HTTP_HEAD_MAX 65535 /* bytes of a head, the most that limits may allow */
#define LY_HTTP_FIELDS_MAX 100 /* fields of a head, the most that limits may allow */

/* What a head may take; 0 stands for the default. Larger values than a default's maximum count as it. */
struct ly_http_limits {
    size_t line; /* bytes of the first line, and of each field's, line end included; 0: LY_HTTP_LINE_MAX */
    size_t head; /* bytes of the head; 0: 32768; at most LY_HTTP_HEAD_MAX */
    int fields;  /* number of fields; 0 and at most: LY_HTTP_FIELDS_MAX */
};

enum ly_http_kind {
    LY_HTTP_REQUEST,
    LY_HTTP_RESPONSE,
    LY_HTTP_TRAILERS, /* the fields behind a chunked body */
};

/* The forms of a request's target. Source: RFC 9112, 3.2. */
enum ly_http_form {
    LY_HTTP_ORIGIN,    /* "/path?query" */
    LY_HTTP_ABSOLUTE,  /* "http://host/path?query" */
    LY_HTTP_AUTHORITY, /* "host:port", of CONNECT */
    LY_HTTP_ASTERISK,  /* "*", of OPTIONS */
};

/* Where a field is in its head; read it by ly_http_head_at. */
struct ly_http_field {
    uint16_t name, name_length, value, value_length;
};

/*
 * A head: the result of reading it, and how far reading has come. Made by ly_http_head_init; to be read once
 * ly_http_head_parse has returned its length. Positions count from `bytes`.
 */
struct ly_http_head {
    const char *bytes;      /* the head; borrowed: what the last ly_http_head_parse was given */
    enum ly_http_kind kind; /* as initialised */
    int refusal;     /* after an error: the status to refuse a request with (400, 414, 431, 501, 505) */
    const char *why; /* after an error: the reason, for a log. Static */

    enum ly_http_method method; /* request */
    enum ly_http_form form;     /* request: of the target */
    int version;                /* 10 for HTTP/1.0, 11 for all later 1.x */
    int status;                 /* response: 100..599 */
    /* request: method, target, and of the target: what names the host (of Host if the target has none), the
     * path, the query without "?"; response: the reason, which may be empty */
    struct ly_http_text method_text, target, host, path, query, reason;

    int64_t content_length; /* the length of the body as announced; -1: none was */
    bool chunked;           /* the body is chunked */
    bool keep_alive;        /* the connection goes on after this message */
    bool expects_continue;  /* request: its sender waits for 100 before it sends the body */
    bool upgrade;           /* Connection names Upgrade */

    int count;                                       /* fields */
    struct ly_http_field fields[LY_HTTP_FIELDS_MAX]; /* in their order */

    /* how far reading has come; the parser's own */
    struct {
        uint32_t at, mark, line;         /* the next byte to look at; beginnings of the token and line */
        uint32_t line_max, head_max;     /* limits */
        uint16_t method, target, reason; /* positions */
        uint16_t method_n, target_n, reason_n;
        uint16_t host, host_n; /* of Host's value */
        uint8_t state, fields_max, hosts, lengths, codings, expects;
        bool close, stay; /* Connection: close, keep-alive */
    } own;
};

/* Begin a head. limits may be NULL for the defaults. Costs little: the fields are not touched. */
LY_API void ly_http_head_init(struct ly_http_head *h, enum ly_http_kind kind,
                              const struct ly_http_limits *limits);

/*
 * Read on in a head.
 *
 * bytes, n   all of the message that has come so far: what was given before and what came since. It may have
 *            moved. No byte is looked at again, so a head that comes byte by byte costs what it costs at
 * once.
 *
 * Returns the bytes that the head takes (a blank line before a request included) once it is complete: bytes
 * must then stay while h is used, see ly_http_head_move; 0 when more are needed; LY_EHTTP or LY_ETOOBIG, with
 * h->refusal and h->why, and the same however the bytes were cut. Source: RFC 9112, 2 to 6.
 */
LY_API ssize_t ly_http_head_parse(struct ly_http_head *h, const char *bytes, size_t n);

/* The head's bytes are now at another place: everything in h that pointed to them follows. */
LY_API void ly_http_head_move(struct ly_http_head *h, const char *bytes);

/* The field of number i, 0..count-1. */
LY_API void ly_http_head_at(const struct ly_http_head *h, int i, struct ly_http_text *ret_name,
                            struct ly_http_text *ret_value);

/* The first field of this name, whatever its case, from number *from on, which becomes the next one's
 * (NULL: from the first). Returns whether there is one. */
LY_API bool ly_http_head_find(const struct ly_http_head *h, const char *name, int *from,
                              struct ly_http_text *ret_value);

/* Whether the text is this one, whatever the case of its letters. */
LY_API bool ly_http_text_is(struct ly_http_text text, const char *other);

/* Whether a list with commas ("gzip, br") has this token, in any of the fields of this name. */
LY_API bool ly_http_head_lists(const struct ly_http_head *h, const char *name, const char *token);

/* ---- bodies ---- */

enum ly_http_framing {
    LY_HTTP_NO_BODY,
    LY_HTTP_LENGTH,  /* so many bytes */
    LY_HTTP_CHUNKED, /* chunks, then trailers */
    LY_HTTP_CLOSE,   /* up to the end of the connection; responses only */
};

/* A body that is being read. */
struct ly_http_body {
    enum ly_http_framing framing;
    bool done;       /* no byte of content comes any more. Behind chunks the trailers do: LY_HTTP_TRAILERS */
    int64_t left;    /* bytes still to come: of the body, or of this chunk */
    int64_t room;    /* content bytes that the limit still allows */
    int refusal;     /* after an error: 400 or 413 */
    const char *why; /* after an error: the reason. Static */
    struct {         /* the decoder's own */
        uint8_t state, digits;
        uint16_t extensions; /* bytes of chunk extensions so far */
        bool ended;          /* the trailers have been read */
    } own;
};

/*
 * The body that follows a head.
 *
 * method   response: that of its request, since HEAD and CONNECT change what follows; request: not used
 * limit    most bytes of content, at least 0; beyond: LY_ETOOBIG
 *
 * Returns 0, or LY_ETOOBIG (refusal 413) if the announced length is beyond the limit already. Source:
 * RFC 9112, 6.3.
 */
LY_API int ly_http_body_init(struct ly_http_body *b, const struct ly_http_head *h, unsigned method,
                             int64_t limit);

/*
 * Take the next piece of a body. Call again with what follows the bytes taken, until b->done.
 * ret_content   the content among the bytes taken; its length may be 0
 * Returns the bytes taken, at least 1 unless n is 0 or b is done; LY_EHTTP (refusal 400), LY_ETOOBIG
 * (refusal 413). Source: RFC 9112, 7.1.
 */
LY_API ssize_t ly_http_body_decode(struct ly_http_body *b, const char *bytes, size_t n,
                                   struct ly_http_text *ret_content);

/* ---- on a stream ---- */

/*
 * Receive a head. It is shown in the stream's buffer, valid until the next read on it; read_size must be at
 * least the head's limit, as the default is. Returns 1; 0 at the peer's orderly end before its first byte;
 * LY_EEOF within it; errors of ly_http_head_parse and of ly_recv. Suspends.
 */
LY_API int ly_http_head_recv(struct ly_stream *s, struct ly_http_head *h);

/*
 * Read at most n bytes of a body's content, as ly_stream_read does. Returns the bytes stored, 0 at its end;
 * LY_EEOF if the connection ended before; errors of ly_http_body_decode and of ly_recv. Behind chunks, the
 * trailers have been read when it returns 0: into trailers, its bytes valid until the next read; NULL drops
 * them. Other bodies leave trailers alone. Suspends.
 */
LY_API ssize_t ly_http_body_read(struct ly_stream *s, struct ly_http_body *b, void *buf, size_t n,
                                 struct ly_http_head *trailers);

/* ---- targets, queries, forms ---- */

/*
 * Decode a path: %XX once, "." and ".." resolved, slashes that follow each other become one. What comes out
 * begins with "/", has no "." or ".." and no empty segment (the last may be empty: a slash at the end), and a
 * zero byte behind it.
 * Returns its length; LY_EHTTP (not beginning with "/", a bad escape, an encoded zero byte or slash, a ".."
 * above the root); LY_ETOOBIG (cap; n + 1 is always enough). Source: RFC 3986, 5.2.4.
 */
LY_API ssize_t ly_http_path_decode(struct ly_http_text path, char *ret_path, size_t cap);

/* Decode %XX, and "+" as a blank where plus is set, with a zero byte behind. Returns the length; LY_EHTTP (a
 * bad escape), LY_ETOOBIG (cap). The result may have zero bytes in it. */
LY_API ssize_t ly_http_unescape(struct ly_http_text text, bool plus, char *ret_text, size_t cap);

/* The next pair of a query or of an application/x-www-form-urlencoded body, both halves still encoded; *rest
 * goes on behind it. Returns whether there was one. Empty pairs ("a=1&&b=2") are passed over. */
LY_API bool ly_http_form_next(struct ly_http_text *rest, struct ly_http_text *ret_name,
                              struct ly_http_text *ret_value);

/* The first value of this name (decoded before it is compared), decoded as by ly_http_unescape with plus.
 * Returns its length; -ENOENT, LY_EHTTP, LY_ETOOBIG. */
LY_API ssize_t ly_http_form_get(struct ly_http_text form, const char *name, char *ret_value, size_t cap);

/* ---- credentials ---- */

/*
 * User and password of a Basic credential ("Basic dXNlcjpzZWNyZXQ=", the value of Authorization), each with a
 * zero byte behind it. text holds both; cap as the value's length + 2 is always enough. The password may be
 * secret: wipe text after use.
 * Returns 0, LY_EHTTP (another scheme, bad base64, no colon, a control character), LY_ETOOBIG.
 * Source: RFC 7617, 2.
 */
LY_API int ly_http_basic(struct ly_http_text value, char *text, size_t cap, const char **ret_user,
                         const char **ret_password);

/* ---- writing ---- */

/* How an answer ends and what becomes of the connection, as ly_http_put_response has chosen and said it. */
struct ly_http_answer {
    enum ly_http_framing framing; /* of the bytes to send; LY_HTTP_NO_BODY also for HEAD, 1xx, 204, 304 */
    bool keep_alive;              /* the connection may serve the next request */
};

/*
 * Append the first line of a response, Date, and what delimits its body: Content-Length where the length is
 * known, chunks for HTTP/1.1, else the end of the connection. Add fields, then ly_http_put_end.
 *
 * request      what is answered; NULL for one that could not be read: the connection is then closed
 * status       100..599
 * length       bytes of the body, -1 if not known. For HEAD, those that GET would send
 * close        say that the connection ends after this answer
 * ret_answer   what was chosen
 *
 * Returns 0, -EINVAL (status), LY_ETOOBIG, -ENOMEM. Source: RFC 9112, 6 and 9.
 */
LY_API int ly_http_put_response(struct ly_buffer *b, const struct ly_http_head *request, int status,
                                int64_t length, bool close, struct ly_http_answer *ret_answer);

/*
 * Append the first line of a request, Host, and what delimits its body. Add fields, then ly_http_put_end.
 *
 * method, target   as they stand in the line
 * host             "name" or "name:port"
 * length           bytes of the body; -1: chunked; 0: none is announced, except for POST, PUT and PATCH
 *
 * Returns 0, -EINVAL (a method that is no token; a character in target or host that cannot be there),
 * LY_ETOOBIG, -ENOMEM.
 */
LY_API int ly_http_put_request(struct ly_buffer *b, const char *method, const char *target, const char *host,
                               int64_t length);

/*
 * Append a field. Returns 0; -EINVAL, with nothing appended: the name is no token, the value has a control
 * character (CR, LF and NUL above all), or the field is one that the functions above have written
 * (Content-Length, Transfer-Encoding); LY_ETOOBIG, -ENOMEM.
 */
LY_API int ly_http_put_field(struct ly_buffer *b, const char *name, const char *value);
LY_API int ly_http_put_field_bytes(struct ly_buffer *b, struct ly_http_text name, struct ly_http_text value);

/* Append the line that ends a head, or trailers. Returns 0, LY_ETOOBIG, -ENOMEM. */
LY_API int ly_http_put_end(struct ly_buffer *b);

#define LY_HTTP_CHUNK_HEAD 19 /* room for the head of any chunk, the zero byte included */

/* The line before a chunk of n bytes; "\r\n" follows the chunk. n is above 0: a chunk of 0 ends the body.
 * Returns its length. */
LY_API size_t ly_http_chunk_head(char ret_head[LY_HTTP_CHUNK_HEAD], size_t n);

/* Append a whole chunk; nothing for n 0. Returns 0, LY_ETOOBIG, -ENOMEM. */
LY_API int ly_http_put_chunk(struct ly_buffer *b, const void *bytes, size_t n);

/* Append the last chunk's line. Trailers by ly_http_put_field may follow; ly_http_put_end ends the message.
 * Returns 0, LY_ETOOBIG, -ENOMEM. */
LY_API int ly_http_put_last_chunk(struct ly_buffer *b);

#ifdef __cplusplus
}
#endif
#endif
