/* SPDX-License-Identifier: MIT */
/* What the rows of HTTP share: a site with a handler for each thing that one can do, and a client, which is
 * our own codec; tests/system/test_examples_http.py has independent ones. */
#ifndef LY_CONFORMANCE_HTTP_SITE_H
#define LY_CONFORMANCE_HTTP_SITE_H

#include "matrix.h"

#define STREAMS (TCP_ONLY | UNIX_ONLY)

/* ---- what is served ---- */

static inline int hello(struct ly_http *x)
{
    char name[64] = "world", text[100];
    struct ly_http_text body;
    ssize_t n = ly_http_parameter(x, "name", name, sizeof name);
    if (ly_http_request(x)->method == LY_HTTP_POST) {
        int r = ly_http_read_all(x, 1000, &body);
        if (r < 0)
            return r;
        n = ly_http_form_get(body, "name", name, sizeof name);
    }
    if (n < 0 && n != -ENOENT)
        return 400;
    int length = snprintf(text, sizeof text, "hello, %s", name);
    return ly_http_answer(x, 200, "text/plain", text, (size_t)length);
}

/* Tells that it runs, then sends the body back as it comes; in chunks, as the length is not known. */
static inline int echo_body(struct ly_http *x)
{
    char buf[7];
    struct ly_http_text sum;
    ssize_t n;
    bool begun = false;
    int r = 0;
    count(0);
    while (r == 0 && (n = ly_http_read(x, buf, sizeof buf)) > 0) {
        r = begun ? 0 : ly_http_begin(x, 200, NULL, -1);
        begun = true;
        if (r == 0)
            r = ly_http_write(x, buf, (size_t)n);
    }
    if (r == 0 && n == 0 && ly_http_trailer(x, "Sum", &sum)) {
        r = ly_http_write(x, sum.bytes, sum.length);
        if (r == 0)
            r = ly_http_add_trailer(x, "Host", "a") == -EINVAL &&
                        ly_http_add_trailer(x, "connection", "close") == -EINVAL &&
                        ly_http_add_trailer(x, "Content-Length", "8") == -EINVAL
                    ? ly_http_add_trailer(x, "Count", "8")
                    : -EPROTO;
    }
    return n < 0 ? (int)n : r;
}

static inline int any_bytes(struct ly_http *x)
{
    char all[256];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)i;
    return ly_http_answer(x, 200, "image/png", all, sizeof all);
}

#define FILE_SIZE 300000
static int file_fd = -1; /* of random bytes, made before anything is served */

static inline int this_file(struct ly_http *x)
{
    return ly_http_answer_file(x, 200, "application/octet-stream", file_fd);
}

static inline int private_page(struct ly_http *x)
{
    char text[100];
    const char *user, *password;
    if (ly_http_credentials(x, text, sizeof text, &user, &password) < 0 || strcmp(user, "Ann") != 0 ||
        strcmp(password, "a:b") != 0)
        return ly_http_challenge(x, "the \"inner\" circle");
    return ly_http_answer(x, 200, NULL, "in", 2);
}

static inline int fails(struct ly_http *x)
{
    (void)x;
    return -EIO;
}

static inline int fails_late(struct ly_http *x)
{
    int r = ly_http_begin(x, 200, NULL, -1);
    if (r == 0)
        r = ly_http_write(x, "half", 4);
    return r < 0 ? r : -EIO;
}

static inline int promises_more(struct ly_http *x)
{
    int r = ly_http_begin(x, 200, NULL, 10);
    return r < 0 ? r : ly_http_write(x, "half", 4);
}

static inline int injects(struct ly_http *x)
{
    if (ly_http_add(x, "X", "a\r\nSet-Cookie: b") != -EINVAL ||
        ly_http_add(x, "Content-Length", "3") != -EINVAL ||
        ly_http_add(x, "Connection", "close") != -EINVAL || ly_http_add(x, "X: y\r\nZ", "b") != -EINVAL)
        return -EPROTO;
    return ly_http_answer(x, 200, "text/plain\r\nX: y", "", 0) == -EINVAL
               ? ly_http_answer(x, 200, NULL, "ok", 2)
               : -EPROTO;
}

static inline int nothing(struct ly_http *x)
{
    (void)x;
    return 0;
}

static inline int any_status(struct ly_http *x)
{
    int status = 0;
    for (const char *p = ly_http_rest(x); *p; p++)
        status = status * 10 + (*p - '0');
    return status < 400 ? ly_http_answer(x, status, NULL, "text", 4) : status;
}

static inline int rest(struct ly_http *x)
{
    return ly_http_answer(x, 200, NULL, ly_http_rest(x), strlen(ly_http_rest(x)));
}

/* Bytes without end, for as long as they are taken. */
static inline int endless(struct ly_http *x)
{
    static char bytes[16384];
    int r = ly_http_begin(x, 200, NULL, -1);
    while (r == 0)
        r = ly_http_write(x, bytes, sizeof bytes);
    count(5);
    return r;
}

/* A byte of the answer for each byte of the request, at once. */
static inline int one_by_one(struct ly_http *x)
{
    char byte;
    ssize_t n = 0;
    int r = ly_http_begin(x, 200, NULL, -1);
    while (r == 0 && (n = ly_http_read(x, &byte, 1)) > 0) {
        byte++;
        r = ly_http_write(x, &byte, 1);
        if (r == 0)
            r = ly_http_flush(x);
    }
    return n < 0 ? (int)n : r;
}

static const struct ly_http_route routes[] = {
    {LY_HTTP_GET | LY_HTTP_POST, "/hello", hello, 0},
    {LY_HTTP_PUT | LY_HTTP_POST, "/echo", echo_body, 0},
    {LY_HTTP_GET, "/bytes", any_bytes, 0},
    {LY_HTTP_GET, "/file", this_file, 0},
    {LY_HTTP_GET, "/private", private_page, 0},
    {LY_HTTP_GET, "/fails", fails, 0},
    {LY_HTTP_GET, "/fails-late", fails_late, 0},
    {LY_HTTP_GET, "/promises", promises_more, 0},
    {LY_HTTP_GET, "/injects", injects, 0},
    {LY_HTTP_GET, "/nothing", nothing, 0},
    {LY_HTTP_GET, "/status/*", any_status, 0},
    {LY_HTTP_GET, "/a/*", rest, 0},
    {LY_HTTP_DELETE, "/a/b", nothing, 0},
    {LY_HTTP_PUT, "/small", echo_body, 10},
    {LY_HTTP_GET, "/endless", endless, 0},
    {LY_HTTP_PUT, "/one-by-one", one_by_one, 0},
    {0},
};

static inline void note_error(struct ly_request *rq, const char *where, int error)
{
    (void)rq;
    if (strcmp(where, "handle") == 0)
        atomic_store(&notes->count[2], -error);
    count(3);
}

static inline void note_record(const struct ly_http_record *record)
{
    notes->number[0] = record->status;
    notes->number[1] = record->sent;
    notes->number[2] = (int64_t)record->target.length;
    count(4);
}

static inline void make_file(void)
{
    static char bytes[FILE_SIZE];
    if (file_fd >= 0)
        return;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    file_fd = memfd_create("file", MFD_CLOEXEC);
    assert_int_equal(write(file_fd, bytes, sizeof bytes), sizeof bytes);
}

static inline struct ly_server *open_site(const struct cell *c, struct ly_http_site *site)
{
    make_file();
    site->routes = routes;
    return open_server(c, (struct ly_server_options){.handler = {arrive, ly_http_serve, NULL},
                                                     .hooks.handle_error = note_error,
                                                     .user = site,
                                                     .drain_ms = 20000});
}

static inline void begin_site(const struct cell *c, struct served *served, struct ly_http_site *site)
{
    serve(served, open_site(c, site));
}

/* ---- a client ---- */

struct client {
    struct ly_stream *stream;
    struct ly_http_head head, trailers;
    char *body;
    size_t length;
};

static inline void open_client(struct client *k, struct ly_sock *s)
{
    assert_int_equal(ly_stream_open(&k->stream, s, NULL), 0);
    k->body = NULL;
}

static inline void begin_client(struct client *k, const struct served *s)
{
    open_client(k, dial_and_arrive(s->server));
}

static inline void end_client(struct client *k)
{
    ly_shutdown(ly_stream_sock(k->stream), SHUT_RDWR); /* a forked child may hold a copy */
    ly_stream_close(k->stream);
    free(k->body);
}

static inline void send_text(struct client *k, const char *text)
{
    say(ly_stream_sock(k->stream), text);
}

/* Receive one answer to a request of this method. Returns its status; what came of the body is kept, and
 * *ret_end is the result of reading it. */
static inline int receive_part(struct client *k, unsigned method, int *ret_end)
{
    const size_t cap = 1 << 20;
    struct ly_http_body body;
    ssize_t n;
    free(k->body);
    k->body = malloc(cap);
    assert_non_null(k->body);
    k->length = 0;
    ly_http_head_init(&k->head, LY_HTTP_RESPONSE, NULL);
    assert_int_equal(ly_http_head_recv(k->stream, &k->head), 1);
    assert_int_equal(ly_http_body_init(&body, &k->head, method, (int64_t)cap), 0);
    while ((n = ly_http_body_read(k->stream, &body, k->body + k->length, cap - k->length, &k->trailers)) > 0)
        k->length += (size_t)n;
    *ret_end = (int)n;
    return k->head.status;
}

static inline int receive_of(struct client *k, unsigned method)
{
    int end;
    int status = receive_part(k, method, &end);
    assert_int_equal(end, 0);
    return status;
}

static inline int receive(struct client *k)
{
    return receive_of(k, LY_HTTP_GET);
}

static inline void expect_body(const struct client *k, const char *text)
{
    assert_int_equal(k->length, strlen(text));
    assert_memory_equal(k->body, text, k->length);
}

static inline void expect_closed(struct client *k)
{
    char byte;
    assert_int_equal(ly_stream_read(k->stream, &byte, 1), 0);
}

/* One request on a connection of its own. Returns the status. */
static inline int once(struct client *k, const struct served *s, const char *text)
{
    begin_client(k, s);
    send_text(k, text);
    return receive(k);
}

#define FIELDS " HTTP/1.1\r\nHost: a\r\n"

#endif
