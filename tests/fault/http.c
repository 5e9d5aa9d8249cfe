/* SPDX-License-Identifier: MIT */
/* A connection that speaks HTTP, served and asked by our own codec, with each of their calls failing once, in
 * threads and on each reactor: nothing is lost but the connection. */
#include "places.h"

static char blob[40000]; /* longer than the buffers of a stream */

/* ---- what is served ---- */

static int echo(struct ly_http *x)
{
    struct ly_http_text body;
    int r = ly_http_read_all(x, sizeof blob, &body);
    return r < 0 ? r : ly_http_answer(x, 200, "application/octet-stream", body.bytes, body.length);
}

static int pieces(struct ly_http *x)
{
    int r = ly_http_add(x, "X-Kind", "pieces");
    if (r == 0)
        r = ly_http_begin(x, 200, NULL, -1);
    for (size_t at = 0; at < sizeof blob && r == 0; at += sizeof blob / 4)
        r = ly_http_write(x, blob + at, sizeof blob / 4);
    return r;
}

static const struct ly_http_route routes[] = {
    {LY_HTTP_PUT, "/echo", echo, 0},
    {LY_HTTP_GET, "/pieces", pieces, 0},
    {0},
};

/* Tell the other side, even when that is the call that fails. */
static void end_talk(struct ly_sock *s)
{
    if (ly_shutdown(s, SHUT_WR) < 0)
        ly_shutdown(s, SHUT_WR);
}

static int serve(void *sock)
{
    struct ly_http_site site = {.routes = routes, .name = "fault", .idle_timeout_ms = 60000};
    struct ly_request rq = {.sock = sock};
    int r = ly_http_serve_site(&rq, &site);
    end_talk(sock);
    return r;
}

/* ---- who asks ---- */

static int ask(struct ly_stream *s, struct ly_buffer *b, const char *method, const char *target,
               size_t length)
{
    ly_buffer_clear(b);
    int r = ly_http_put_request(b, method, target, "a", (int64_t)length);
    if (r == 0 && length > 0)
        r = ly_http_put_field(b, "Expect", "100-continue");
    if (r == 0)
        r = ly_http_put_end(b);
    if (r == 0)
        r = ly_stream_write(s, ly_buffer_bytes(b), b->length);
    return r < 0 ? r : ly_stream_flush(s);
}

static int expect_status(struct ly_stream *s, struct ly_http_head *h, int status)
{
    ly_http_head_init(h, LY_HTTP_RESPONSE, NULL);
    int r = ly_http_head_recv(s, h);
    if (r <= 0)
        return r < 0 ? r : LY_EEOF;
    return h->status == status ? 0 : -EPROTO;
}

static int expect_blob(struct ly_stream *s, const struct ly_http_head *h)
{
    static _Thread_local char got[sizeof blob];
    struct ly_http_body body;
    size_t n = 0;
    ssize_t r = ly_http_body_init(&body, h, LY_HTTP_GET, sizeof blob);
    while (r >= 0) {
        r = ly_http_body_read(s, &body, got + n, sizeof got - n, NULL);
        if (r <= 0)
            break;
        n += (size_t)r;
        if (n == sizeof got) { /* the last chunk and what is behind it */
            char more;
            r = ly_http_body_read(s, &body, &more, 1, NULL);
            break;
        }
    }
    if (r < 0)
        return (int)r;
    return n == sizeof blob && memcmp(got, blob, n) == 0 ? 0 : -EPROTO;
}

static int talk(struct ly_stream *s, struct ly_buffer *b)
{
    struct ly_http_head h;
    int r = ask(s, b, "PUT", "/echo", sizeof blob);
    if (r == 0)
        r = expect_status(s, &h, 100);
    if (r == 0)
        r = ly_stream_write(s, blob, sizeof blob);
    if (r == 0)
        r = ly_stream_flush(s);
    if (r == 0)
        r = expect_status(s, &h, 200);
    if (r == 0)
        r = expect_blob(s, &h);
    if (r == 0)
        r = ask(s, b, "GET", "/pieces", 0);
    if (r == 0)
        r = expect_status(s, &h, 200);
    if (r == 0)
        r = expect_blob(s, &h);
    if (r == 0)
        r = ask(s, b, "GET", "/none", 0);
    return r < 0 ? r : expect_status(s, &h, 404);
}

static int be_client(struct ly_sock *sock)
{
    struct ly_stream *s;
    struct ly_buffer b;
    ly_buffer_init(&b, 4096);
    int r = ly_stream_open(&s, sock, &(struct ly_stream_options){.borrow = true});
    if (r == 0) {
        r = talk(s, &b);
        ly_stream_close(s);
    }
    ly_buffer_done(&b);
    return r;
}

/* Whoever stops first has the other one stop as well. */
static int meet(struct ly_scope *scope, struct ly_sock *served, struct ly_sock *client)
{
    struct ly_future *f;
    int r = ly_async(scope, &f, serve, served);
    if (r < 0)
        return r;
    int asked = be_client(client);
    if (ly_shutdown(client, SHUT_RDWR) < 0)
        ly_shutdown(client, SHUT_RDWR);
    ly_sock_close(client);
    r = ly_await(f, NULL);
    return r < 0 ? r : asked;
}

static int converse(void *arg)
{
    (void)arg;
    return over_pair(meet);
}

static void http_survives_each_failure(void **state)
{
    (void)state;
    sweep_places("http", converse);
}

static void http_survives_sends_of_one_byte(void **state)
{
    static const char *const calls[] = {"send", "sendmsg"};
    (void)state;
    for (size_t i = 0; i < 2; i++)
        in_places_with_short(calls[i], converse, NULL);
}

static void http_survives_receives_of_one_byte(void **state)
{
    (void)state;
    in_places_with_short("recv", converse, NULL);
}

static int fill_blob(void **state)
{
    (void)state;
    fill_pattern(blob, sizeof blob);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http_survives_each_failure),
        cmocka_unit_test(http_survives_sends_of_one_byte),
        cmocka_unit_test(http_survives_receives_of_one_byte),
    };
    return cmocka_run_group_tests_name("fault/http", tests, fill_blob, sweep_summary);
}
