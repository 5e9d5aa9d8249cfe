/* SPDX-License-Identifier: MIT */
/* S100 to S106 and S14: HTTP by a table of routes, over every policy, reactor and stream transport. The
 * client is our own codec; tests/system/test_http.py has independent ones. */
#include "matrix.h"

#define STREAMS (TCP_ONLY | UNIX_ONLY)

/* ---- what is served ---- */

static int hello(struct ly_http *x)
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
static int echo_body(struct ly_http *x)
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
    if (r == 0 && n == 0 && ly_http_trailer(x, "Sum", &sum))
        r = ly_http_write(x, sum.bytes, sum.length);
    return n < 0 ? (int)n : r;
}

static int any_bytes(struct ly_http *x)
{
    char all[256];
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)i;
    return ly_http_answer(x, 200, "image/png", all, sizeof all);
}

#define FILE_SIZE 300000
static int file_fd = -1; /* of random bytes, made before anything is served */

static int this_file(struct ly_http *x)
{
    return ly_http_answer_file(x, 200, "application/octet-stream", file_fd);
}

static int private_page(struct ly_http *x)
{
    char text[100];
    const char *user, *password;
    if (ly_http_credentials(x, text, sizeof text, &user, &password) < 0 || strcmp(user, "Ann") != 0 ||
        strcmp(password, "a:b") != 0)
        return ly_http_challenge(x, "the \"inner\" circle");
    return ly_http_answer(x, 200, NULL, "in", 2);
}

static int fails(struct ly_http *x)
{
    (void)x;
    return -EIO;
}

static int fails_late(struct ly_http *x)
{
    int r = ly_http_begin(x, 200, NULL, -1);
    if (r == 0)
        r = ly_http_write(x, "half", 4);
    return r < 0 ? r : -EIO;
}

static int promises_more(struct ly_http *x)
{
    int r = ly_http_begin(x, 200, NULL, 10);
    return r < 0 ? r : ly_http_write(x, "half", 4);
}

static int injects(struct ly_http *x)
{
    if (ly_http_add(x, "X", "a\r\nSet-Cookie: b") != -EINVAL ||
        ly_http_add(x, "Content-Length", "3") != -EINVAL ||
        ly_http_add(x, "Connection", "close") != -EINVAL || ly_http_add(x, "X: y\r\nZ", "b") != -EINVAL)
        return -EPROTO;
    return ly_http_answer(x, 200, "text/plain\r\nX: y", "", 0) == -EINVAL
               ? ly_http_answer(x, 200, NULL, "ok", 2)
               : -EPROTO;
}

static int nothing(struct ly_http *x)
{
    (void)x;
    return 0;
}

static int any_status(struct ly_http *x)
{
    int status = 0;
    for (const char *p = ly_http_rest(x); *p; p++)
        status = status * 10 + (*p - '0');
    return status < 400 ? ly_http_answer(x, status, NULL, "text", 4) : status;
}

static int rest(struct ly_http *x)
{
    return ly_http_answer(x, 200, NULL, ly_http_rest(x), strlen(ly_http_rest(x)));
}

/* Bytes without end, for as long as they are taken. */
static int endless(struct ly_http *x)
{
    static char bytes[16384];
    int r = ly_http_begin(x, 200, NULL, -1);
    while (r == 0)
        r = ly_http_write(x, bytes, sizeof bytes);
    count(5);
    return r;
}

/* A byte of the answer for each byte of the request, at once. */
static int one_by_one(struct ly_http *x)
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

static void note_error(struct ly_request *rq, const char *where, int error)
{
    (void)rq;
    if (strcmp(where, "handle") == 0)
        atomic_store(&notes->count[2], -error);
    count(3);
}

static void note_record(const struct ly_http_record *record)
{
    notes->number[0] = record->status;
    notes->number[1] = record->sent;
    notes->number[2] = (int64_t)record->target.length;
    count(4);
}

static void make_file(void)
{
    static char bytes[FILE_SIZE];
    if (file_fd >= 0)
        return;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    file_fd = memfd_create("file", MFD_CLOEXEC);
    assert_int_equal(write(file_fd, bytes, sizeof bytes), sizeof bytes);
}

static void begin_site(const struct cell *c, struct served *served, struct ly_http_site *site)
{
    make_file();
    site->routes = routes;
    serve(served, open_server(c, (struct ly_server_options){.handler.handle = ly_http_serve,
                                                            .hooks.handle_error = note_error,
                                                            .user = site,
                                                            .drain_ms = 20000}));
}

/* ---- a client ---- */

struct client {
    struct ly_stream *stream;
    struct ly_http_head head;
    char *body;
    size_t length;
};

static void begin_client(struct client *k, const struct served *s)
{
    assert_int_equal(ly_stream_open(&k->stream, dial(s->server), NULL), 0);
    k->body = NULL;
}

static void end_client(struct client *k)
{
    ly_shutdown(ly_stream_sock(k->stream), SHUT_RDWR); /* a forked child may hold a copy */
    ly_stream_close(k->stream);
    free(k->body);
}

static void send_text(struct client *k, const char *text)
{
    say(ly_stream_sock(k->stream), text);
}

/* Receive one answer to a request of this method. Returns its status; what came of the body is kept, and
 * *ret_end is the result of reading it. */
static int receive_part(struct client *k, unsigned method, int *ret_end)
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
    while ((n = ly_http_body_read(k->stream, &body, k->body + k->length, cap - k->length, NULL)) > 0)
        k->length += (size_t)n;
    *ret_end = (int)n;
    return k->head.status;
}

static int receive_of(struct client *k, unsigned method)
{
    int end;
    int status = receive_part(k, method, &end);
    assert_int_equal(end, 0);
    return status;
}

static int receive(struct client *k)
{
    return receive_of(k, LY_HTTP_GET);
}

static void expect_body(const struct client *k, const char *text)
{
    assert_int_equal(k->length, strlen(text));
    assert_memory_equal(k->body, text, k->length);
}

static void expect_closed(struct client *k)
{
    char byte;
    assert_int_equal(ly_stream_read(k->stream, &byte, 1), 0);
}

/* One request on a connection of its own. Returns the status. */
static int once(struct client *k, const struct served *s, const char *text)
{
    begin_client(k, s);
    send_text(k, text);
    return receive(k);
}

#define FIELDS " HTTP/1.1\r\nHost: a\r\n"

/* ---- rows ---- */

ROW(S100_a_request_may_come_in_any_pieces, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    static const char text[] = "POST /hello" FIELDS "Content-Length: 8\r\n\r\nname=Ann";
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    for (size_t i = 0; i < sizeof text - 1; i++)
        assert_int_equal(ly_sendall(ly_stream_sock(k.stream), text + i, 1), 0);
    assert_int_equal(receive(&k), 200);
    expect_body(&k, "hello, Ann");
    end_client(&k);
    end_server(&s);
}

ROW(S100_what_is_beyond_a_limit_is_refused, ALL | STREAMS)
{
    struct ly_http_site site = {.limits = {.line = 100, .fields = 4}, .body_max = 20};
    struct served s;
    struct client k;
    char text[400];
    begin_site(c, &s, &site);
    snprintf(text, sizeof text, "GET /%0200d" FIELDS "\r\n", 0);
    assert_int_equal(once(&k, &s, text), 414);
    expect_closed(&k);
    end_client(&k);
    snprintf(text, sizeof text, "GET /" FIELDS "A: %0200d\r\n\r\n", 0);
    assert_int_equal(once(&k, &s, text), 431);
    end_client(&k);
    assert_int_equal(once(&k, &s, "GET /" FIELDS "A: b\r\nA: b\r\nA: b\r\nA: b\r\n\r\n"), 431);
    end_client(&k);
    assert_int_equal(once(&k, &s, "POST /hello" FIELDS "Content-Length: 21\r\n\r\n"), 413);
    expect_closed(&k);
    end_client(&k);
    assert_int_equal(once(&k, &s, "PUT /small" FIELDS "Transfer-Encoding: chunked\r\n\r\nb\r\n"), 413);
    expect_closed(&k);
    end_client(&k);
    end_server(&s);
    assert_int_equal(counted(3), 0); /* a client's mistakes are nobody's failure */
}

ROW(S100_what_is_no_request_is_refused_and_the_next_client_served, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    static const struct {
        const char *text;
        int status;
    } bad[] = {
        {"\x16\x03\x01\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\nHost: a\n\n", 400},
        {"GET /" FIELDS "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"GET /" FIELDS "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"GET / HTTP/2.0\r\n", 505},
        {"GET /a/../../b" FIELDS "\r\n", 400},
        {"GET /hello?name=%zz" FIELDS "\r\n", 400},
        {"PUT /echo" FIELDS "Transfer-Encoding: chunked\r\n\r\nx\r\n", 400},
        {"GET /" FIELDS "Expect: tea\r\n\r\n", 417},
    };
    begin_site(c, &s, &site);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(once(&k, &s, bad[i].text), bad[i].status);
        end_client(&k);
    }
    assert_int_equal(once(&k, &s, "GET /hello" FIELDS "\r\n"), 200);
    end_client(&k);
    end_server(&s);
}

ROW(S101_every_method_is_known, ALL | STREAMS)
{
    static const struct {
        const char *line;
        unsigned method;
        int status;
    } requests[] = {
        {"GET /hello", LY_HTTP_GET, 200},       {"HEAD /hello", LY_HTTP_HEAD, 200},
        {"POST /hello", LY_HTTP_POST, 200},     {"PUT /echo", LY_HTTP_PUT, 204},
        {"DELETE /a/b", LY_HTTP_DELETE, 204},   {"OPTIONS /hello", LY_HTTP_OPTIONS, 204},
        {"OPTIONS *", LY_HTTP_OPTIONS, 204},    {"TRACE /hello", LY_HTTP_TRACE, 405},
        {"CONNECT a:80", LY_HTTP_CONNECT, 405}, {"DELETE /hello", LY_HTTP_DELETE, 405},
        {"BREW /hello", LY_HTTP_UNKNOWN, 501},  {"PATCH /hello", LY_HTTP_PATCH, 501},
        {"get /hello", LY_HTTP_UNKNOWN, 501},   {"BREW /none", LY_HTTP_UNKNOWN, 501},
    };
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    struct ly_http_text allow;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        char text[100];
        snprintf(text, sizeof text, "%s" FIELDS "\r\n", requests[i].line);
        send_text(&k, text);
        assert_int_equal(receive_of(&k, requests[i].method), requests[i].status);
        bool allows = ly_http_head_find(&k.head, "Allow", NULL, &allow);
        assert_int_equal(allows, requests[i].status == 405 || requests[i].method == LY_HTTP_OPTIONS);
    }
    send_text(&k, "DELETE /hello" FIELDS "\r\n");
    assert_int_equal(receive(&k), 405);
    assert_true(ly_http_head_find(&k.head, "Allow", NULL, &allow));
    assert_true(ly_http_text_is(allow, "GET, HEAD, POST, OPTIONS"));
    end_client(&k);
    end_server(&s);
}

ROW(S101_head_gives_the_head_of_get_without_its_body, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    send_text(&k, "HEAD /bytes" FIELDS "\r\nHEAD /file" FIELDS "\r\nHEAD /none" FIELDS "\r\nGET /hello" FIELDS
                  "\r\n");
    assert_int_equal(receive_of(&k, LY_HTTP_HEAD), 200);
    assert_int_equal(k.head.content_length, 256);
    assert_int_equal(receive_of(&k, LY_HTTP_HEAD), 200);
    assert_int_equal(k.head.content_length, FILE_SIZE);
    assert_int_equal(receive_of(&k, LY_HTTP_HEAD), 404);
    assert_int_equal(receive(&k), 200);
    expect_body(&k, "hello, world");
    end_client(&k);
    end_server(&s);
}

ROW(S102_parameters_of_target_and_body_are_decoded, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    send_text(&k, "GET /hello?x=1&n%61me=a+b%2Bc%26 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(receive(&k), 200);
    expect_body(&k, "hello, a b+c&");
    send_text(&k, "POST /hello" FIELDS "Content-Length: 18\r\n\r\nname=%E4%B8%AD+x&b");
    assert_int_equal(receive(&k), 200);
    expect_body(&k, "hello, \xe4\xb8\xad x");
    end_client(&k);
    end_server(&s);
}

ROW(S103_any_bytes_are_a_body_with_length_and_type, ALL | STREAMS)
{
    struct ly_http_site site = {.name = "ours"};
    struct served s;
    struct client k;
    struct ly_http_text value;
    begin_site(c, &s, &site);
    assert_int_equal(once(&k, &s, "GET /bytes" FIELDS "\r\n"), 200);
    assert_int_equal(k.head.content_length, 256);
    for (size_t i = 0; i < 256; i++)
        assert_int_equal((unsigned char)k.body[i], i);
    assert_true(ly_http_head_find(&k.head, "content-type", NULL, &value) &&
                ly_http_text_is(value, "image/png"));
    assert_true(ly_http_head_find(&k.head, "server", NULL, &value) && ly_http_text_is(value, "ours"));
    assert_true(ly_http_head_find(&k.head, "date", NULL, &value));
    assert_int_equal(value.length, 29);
    end_client(&k);
    end_server(&s);
}

ROW(S103_S14_a_file_is_a_body, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    send_text(&k, "GET /file" FIELDS "\r\nGET /none" FIELDS "\r\nGET /hello" FIELDS "\r\n");
    assert_int_equal(receive(&k), 200);
    assert_int_equal(k.length, FILE_SIZE);
    for (size_t i = 0; i < k.length; i++)
        assert_true(k.body[i] == (char)(i * 7 + i / 251));
    assert_int_equal(receive(&k), 404);
    expect_body(&k, "404 Not Found\n");
    assert_int_equal(receive(&k), 200);
    end_client(&k);
    end_server(&s);
}

ROW(S103_fields_cannot_be_injected, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    assert_int_equal(once(&k, &s, "GET /injects" FIELDS "\r\n"), 200);
    expect_body(&k, "ok");
    end_client(&k);
    end_server(&s);
}

ROW(S104_every_status_can_be_produced, ALL | STREAMS)
{
    static const int statuses[] = {200, 201, 204, 301, 304, 400, 401, 403, 404, 418, 451, 500, 502, 503, 599};
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        char text[100];
        snprintf(text, sizeof text, "GET /status/%d" FIELDS "\r\n", statuses[i]);
        send_text(&k, text);
        assert_int_equal(receive(&k), statuses[i]);
        assert_int_equal(k.length == 0, statuses[i] == 204 || statuses[i] == 304);
    }
    send_text(&k, "GET /nothing" FIELDS "\r\n");
    assert_int_equal(receive(&k), 204);
    end_client(&k);
    end_server(&s);
}

ROW(S104_what_is_protected_asks_for_credentials, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    struct ly_http_text value;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    send_text(&k, "GET /private" FIELDS "\r\nGET /private" FIELDS "Authorization: Basic QW5uOmI=\r\n\r\n"
                  "GET /private" FIELDS "Authorization: Basic QW5uOmE6Yg==\r\n\r\n");
    assert_int_equal(receive(&k), 401);
    assert_true(ly_http_head_find(&k.head, "WWW-Authenticate", NULL, &value));
    assert_true(ly_http_text_is(value, "Basic realm=\"the \\\"inner\\\" circle\", charset=\"UTF-8\""));
    assert_int_equal(receive(&k), 401);
    assert_int_equal(receive(&k), 200);
    expect_body(&k, "in");
    end_client(&k);
    end_server(&s);
}

ROW(S104_a_handler_that_fails_is_answered_by_500_and_told, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    assert_int_equal(once(&k, &s, "GET /fails" FIELDS "\r\n"), 500);
    expect_closed(&k);
    end_client(&k);
    AWAIT(counted(3) == 1);
    assert_int_equal(counted(2), EIO);
    assert_int_equal(once(&k, &s, "GET /hello" FIELDS "\r\n"), 200);
    end_client(&k);
    end_server(&s);
}

ROW(S104_an_answer_that_cannot_be_completed_is_seen_to_be_cut, ALL | STREAMS)
{
    static const char *const requests[] = {"GET /fails-late" FIELDS "\r\nGET /hello" FIELDS "\r\n",
                                           "GET /promises" FIELDS "\r\nGET /hello" FIELDS "\r\n"};
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    int end;
    begin_site(c, &s, &site);
    for (size_t i = 0; i < 2; i++) {
        begin_client(&k, &s);
        send_text(&k, requests[i]);
        assert_int_equal(receive_part(&k, LY_HTTP_GET, &end), 200);
        assert_int_equal(end, LY_EEOF);
        expect_body(&k, "half");
        end_client(&k);
    }
    end_server(&s);
}

/* Where requests run at the same time in one process, which is what counts them. */
ROW(S104_one_too_many_is_answered_by_503, FIBERS | THREADING | STREAMS)
{
    struct ly_http_site site = {.max_busy = 1};
    struct served s;
    struct client a, b;
    struct ly_http_text value;
    begin_site(c, &s, &site);
    begin_client(&a, &s);
    send_text(&a, "PUT /echo" FIELDS "Content-Length: 4\r\n\r\n");
    AWAIT(counted(0) == 1);
    assert_int_equal(once(&b, &s, "GET /hello" FIELDS "\r\n"), 503);
    assert_true(ly_http_head_find(&b.head, "Retry-After", NULL, &value));
    send_text(&a, "done");
    assert_int_equal(receive(&a), 200);
    expect_body(&a, "done");
    send_text(&b, "GET /hello" FIELDS "\r\n");
    AWAIT(__atomic_load_n(&site.busy, __ATOMIC_RELAXED) == 0);
    int status = receive(&b);
    assert_true(status == 200 || status == 503); /* a may not have left its handler when b came */
    end_client(&a);
    end_client(&b);
    end_server(&s);
}

ROW(S105_a_connection_serves_many_requests, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    for (int i = 0; i < 50; i++) {
        send_text(&k, i % 2 ? "GET /hello" FIELDS "\r\n"
                            : "POST /hello" FIELDS "Content-Length: 6\r\n\r\nname=b");
        assert_int_equal(receive(&k), 200);
        expect_body(&k, i % 2 ? "hello, world" : "hello, b");
    }
    end_client(&k);
    end_server(&s);
    assert_int_equal(counted(3), 0);
}

ROW(S105_requests_sent_at_once_are_answered_in_their_order, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    char text[8000] = "";
    size_t n = 0;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "GET /hello?name=%d" FIELDS "%s\r\n", i,
                              i == 99 ? "Connection: close\r\n" : "");
    send_text(&k, text);
    for (int i = 0; i < 100; i++) {
        char expected[40];
        snprintf(expected, sizeof expected, "hello, %d", i);
        assert_int_equal(receive(&k), 200);
        expect_body(&k, expected);
        assert_int_equal(k.head.keep_alive, i < 99);
    }
    expect_closed(&k);
    end_client(&k);
    end_server(&s);
}

ROW(S105_bodies_that_nobody_reads_do_not_become_requests, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    send_text(&k, "POST /none" FIELDS "Content-Length: 26\r\n\r\nGET /fails HTTP/1.1\r\nA: \r\n"
                  "POST /none" FIELDS "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n"
                  "GET /hello" FIELDS "\r\n");
    assert_int_equal(receive(&k), 404);
    assert_int_equal(receive(&k), 404);
    assert_int_equal(receive(&k), 200);
    end_client(&k);
    end_server(&s);
}

ROW(S105_old_clients_are_kept_if_they_ask, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    send_text(&k, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_int_equal(receive(&k), 200);
    send_text(&k, "GET /hello HTTP/1.0\r\n\r\n");
    assert_int_equal(receive(&k), 200);
    expect_closed(&k);
    end_client(&k);
    begin_client(&k, &s);
    send_text(&k, "PUT /echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc");
    assert_int_equal(receive(&k), 200); /* no chunks for it: the end of the connection ends the answer */
    assert_false(k.head.chunked);
    expect_body(&k, "abc");
    expect_closed(&k);
    end_client(&k);
    end_server(&s);
}

ROW(S105_a_slow_client_does_not_block_others, CONCURRENT | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client slow[3], k;
    begin_site(c, &s, &site);
    for (int i = 0; i < 3; i++)
        begin_client(&slow[i], &s);
    send_text(&slow[0], "GET /hel");
    send_text(&slow[1], "POST /hello" FIELDS "Content-Length: 8\r\n\r\nnam");
    for (int i = 0; i < 20; i++) {
        assert_int_equal(once(&k, &s, "GET /hello" FIELDS "\r\n"), 200);
        end_client(&k);
    }
    send_text(&slow[0], "lo" FIELDS "\r\n");
    send_text(&slow[1], "e=Ann");
    assert_int_equal(receive(&slow[0]), 200);
    assert_int_equal(receive(&slow[1]), 200);
    expect_body(&slow[1], "hello, Ann");
    for (int i = 0; i < 3; i++)
        end_client(&slow[i]);
    end_server(&s);
}

ROW(S105_a_client_that_is_too_slow_is_told_408, ALL | STREAMS)
{
    struct ly_http_site site = {.head_timeout_ms = 30, .body_timeout_ms = 30, .idle_timeout_ms = 30};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    assert_int_equal(once(&k, &s, "GET /hello HTT"), 408);
    expect_closed(&k);
    end_client(&k);
    assert_int_equal(once(&k, &s, "POST /hello" FIELDS "Content-Length: 8\r\n\r\nnam"), 408);
    expect_closed(&k);
    end_client(&k);
    assert_int_equal(once(&k, &s, "GET /hello" FIELDS "\r\n"), 200);
    expect_closed(&k); /* without a word: nothing was asked */
    end_client(&k);
    end_server(&s);
    assert_int_equal(counted(3), 0);
}

ROW(S105_an_idle_connection_gives_way_where_requests_run_one_after_the_other, SEQUENTIAL | STREAMS)
{
    struct ly_http_site site = {.idle_timeout_ms = LY_FOREVER};
    struct served s;
    struct client idle, k;
    begin_site(c, &s, &site);
    assert_int_equal(once(&idle, &s, "GET /hello" FIELDS "\r\n"), 200);
    send_text(&idle, "GET /hello" FIELDS "\r\n");
    assert_int_equal(receive(&idle), 200);
    assert_int_equal(once(&k, &s, "GET /hello" FIELDS "\r\n"), 200);
    expect_closed(&idle);
    end_client(&idle);
    end_client(&k);
    end_server(&s);
}

ROW(S105_idle_connections_give_way_at_the_cap, FIBERS | THREADING | STREAMS)
{
    struct ly_http_site site = {.routes = routes, .idle_timeout_ms = LY_FOREVER};
    struct served s;
    struct client idle, k;
    make_file();
    serve(&s, open_server(c, (struct ly_server_options){
                                 .handler.handle = ly_http_serve, .user = &site, .max_requests = 1}));
    assert_int_equal(once(&idle, &s, "GET /hello" FIELDS "\r\n"), 200);
    assert_int_equal(once(&k, &s, "GET /hello" FIELDS "\r\n"), 200);
    expect_closed(&idle);
    end_client(&idle);
    end_client(&k);
    end_server(&s);
}

ROW(S106_a_site_answers_to_its_own_names, ALL | STREAMS)
{
    static const struct {
        const char *host;
        int status;
    } hosts[] = {{"localhost", 200},
                 {"LOCALHOST:80", 200},
                 {"[::1]", 200},
                 {"[::1]:8080", 200},
                 {"localhost.", 421},
                 {"evil.example", 421},
                 {"localhost.evil.example:80", 421}};
    static const char *const names[] = {"localhost", "[::1]", NULL};
    struct ly_http_site site = {.hosts = names};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        char text[100];
        snprintf(text, sizeof text, "GET /hello HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i].host);
        send_text(&k, text);
        assert_int_equal(receive(&k), hosts[i].status);
    }
    send_text(&k, "GET http://evil.example/hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_int_equal(receive(&k), 421);
    send_text(&k, "GET /hello HTTP/1.0\r\n\r\n");
    assert_int_equal(receive(&k), 200);
    end_client(&k);
    end_server(&s);
}

ROW(S105_a_client_that_does_not_read_is_left, ALL | STREAMS)
{
    struct ly_http_site site = {.send_timeout_ms = 30};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    send_text(&k, "GET /endless" FIELDS "\r\n");
    AWAIT(counted(5) == 1);
    end_client(&k);
    assert_int_equal(once(&k, &s, "GET /hello" FIELDS "\r\n"), 200);
    end_client(&k);
    end_server(&s);
    assert_int_equal(counted(3), 0);
}

ROW(S105_a_connection_ends_after_so_many_requests, ALL | STREAMS)
{
    struct ly_http_site site = {.max_requests = 3,
                                .head_timeout_ms = LY_FOREVER,
                                .body_timeout_ms = LY_FOREVER,
                                .idle_timeout_ms = LY_FOREVER,
                                .send_timeout_ms = LY_FOREVER};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    for (int i = 0; i < 3; i++) {
        send_text(&k, "POST /hello" FIELDS "Content-Length: 8\r\n\r\nname");
        send_text(&k, "=Ann");
        assert_int_equal(receive(&k), 200);
        assert_int_equal(k.head.keep_alive, i < 2);
    }
    expect_closed(&k);
    end_client(&k);
    end_server(&s);
}

ROW(S103_an_answer_may_come_while_the_request_does, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    struct ly_http_body body;
    char byte;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    send_text(&k, "PUT /one-by-one" FIELDS "Content-Length: 4\r\n\r\na");
    ly_http_head_init(&k.head, LY_HTTP_RESPONSE, NULL);
    assert_int_equal(ly_http_head_recv(k.stream, &k.head), 1);
    assert_int_equal(ly_http_body_init(&body, &k.head, LY_HTTP_PUT, 100), 0);
    for (int sent = 'a'; sent < 'e'; sent++) {
        const char next[2] = {(char)(sent + 1), 0};
        assert_int_equal(ly_http_body_read(k.stream, &body, &byte, 1, NULL), 1);
        assert_int_equal(byte, sent + 1);
        if (sent < 'd')
            send_text(&k, next);
    }
    assert_int_equal(ly_http_body_read(k.stream, &body, &byte, 1, NULL), 0);
    send_text(&k, "GET /hello" FIELDS "\r\n");
    assert_int_equal(receive(&k), 200);
    end_client(&k);
    end_server(&s);
}

ROW(S105_a_body_is_asked_for_when_it_is_read, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    send_text(&k, "PUT /echo" FIELDS "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    assert_int_equal(receive(&k), 100);
    send_text(&k, "body");
    assert_int_equal(receive(&k), 200);
    expect_body(&k, "body");
    assert_true(k.head.keep_alive);
    send_text(&k, "PUT /none" FIELDS "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    assert_int_equal(receive(&k), 404); /* refused before it is sent */
    assert_false(k.head.keep_alive);
    expect_closed(&k);
    end_client(&k);
    end_server(&s);
}

ROW(S105_chunks_come_and_go, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    send_text(&k, "PUT /echo" FIELDS
                  "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0a\r\n0123456789\r\n0\r\nSum: 7\r\n\r\n"
                  "GET /hello" FIELDS "\r\n");
    assert_int_equal(receive(&k), 200);
    assert_true(k.head.chunked);
    expect_body(&k, "abc01234567897");
    assert_int_equal(receive(&k), 200);
    end_client(&k);
    end_server(&s);
}

ROW(S105_an_idle_connection_does_not_hold_up_the_end, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    assert_int_equal(once(&k, &s, "GET /hello" FIELDS "\r\n"), 200);
    if (c->policy == LY_FORKING) /* a child does not hear of the end before the drain is over */
        end_client(&k);
    int64_t start = ly_now();
    end_server(&s);
    assert_true(ms_since(start) < 10000);
    if (c->policy != LY_FORKING) {
        expect_closed(&k);
        end_client(&k);
    }
}

ROW(S106_each_path_has_its_handler, ALL | STREAMS)
{
    static const struct {
        const char *target, *body;
        int status;
    } requests[] = {
        {"/a/", "", 200},
        {"/a/x/y", "x/y", 200},
        {"/a/%78//./y/../z", "x/z", 200},
        {"/a/b", "b", 200},
        {"/a", "404 Not Found\n", 404},
        {"/hello/", "404 Not Found\n", 404},
        {"/h%65llo", "hello, world", 200},
        {"//hello", "hello, world", 200},
        {"/x/../hello", "hello, world", 200},
        {"http://other/hello?name=b", "hello, b", 200},
        {"/", "404 Not Found\n", 404},
    };
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        char text[200];
        snprintf(text, sizeof text, "GET %s" FIELDS "\r\n", requests[i].target);
        send_text(&k, text);
        assert_int_equal(receive(&k), requests[i].status);
        expect_body(&k, requests[i].body);
    }
    end_client(&k);
    end_server(&s);
}

ROW(S106_each_exchange_is_recorded, ALL | STREAMS)
{
    struct ly_http_site site = {.log = note_record};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    assert_int_equal(once(&k, &s, "GET /hello" FIELDS "Connection: close\r\n\r\n"), 200);
    expect_closed(&k);
    end_client(&k);
    AWAIT(counted(4) == 1);
    assert_int_equal(notes->number[0], 200);
    assert_int_equal(notes->number[1], 12);
    assert_int_equal(notes->number[2], 6);
    assert_int_equal(once(&k, &s, "nonsense\r\n"), 400);
    expect_closed(&k);
    end_client(&k);
    AWAIT(counted(4) == 2);
    assert_int_equal(notes->number[0], 400);
    assert_int_equal(notes->number[2], 0);
    end_server(&s);
}

MATRIX_MAIN(
    RUN(S100_a_request_may_come_in_any_pieces), RUN(S100_what_is_beyond_a_limit_is_refused),
    RUN(S100_what_is_no_request_is_refused_and_the_next_client_served), RUN(S101_every_method_is_known),
    RUN(S101_head_gives_the_head_of_get_without_its_body),
    RUN(S102_parameters_of_target_and_body_are_decoded), RUN(S103_any_bytes_are_a_body_with_length_and_type),
    RUN(S103_S14_a_file_is_a_body), RUN(S103_fields_cannot_be_injected),
    RUN(S104_every_status_can_be_produced), RUN(S104_what_is_protected_asks_for_credentials),
    RUN(S104_a_handler_that_fails_is_answered_by_500_and_told),
    RUN(S104_an_answer_that_cannot_be_completed_is_seen_to_be_cut), RUN(S104_one_too_many_is_answered_by_503),
    RUN(S105_a_connection_serves_many_requests), RUN(S105_requests_sent_at_once_are_answered_in_their_order),
    RUN(S105_bodies_that_nobody_reads_do_not_become_requests), RUN(S105_old_clients_are_kept_if_they_ask),
    RUN(S105_a_slow_client_does_not_block_others), RUN(S105_a_client_that_is_too_slow_is_told_408),
    RUN(S105_an_idle_connection_gives_way_where_requests_run_one_after_the_other),
    RUN(S105_idle_connections_give_way_at_the_cap), RUN(S106_a_site_answers_to_its_own_names),
    RUN(S105_a_client_that_does_not_read_is_left), RUN(S105_a_connection_ends_after_so_many_requests),
    RUN(S103_an_answer_may_come_while_the_request_does), RUN(S105_a_body_is_asked_for_when_it_is_read),
    RUN(S105_chunks_come_and_go), RUN(S105_an_idle_connection_does_not_hold_up_the_end),
    RUN(S106_each_path_has_its_handler), RUN(S106_each_exchange_is_recorded))
