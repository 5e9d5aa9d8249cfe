/* SPDX-License-Identifier: MIT */
/*
 * What monitoring asks for, in its own words: GET /metrics and GET /health by HTTP, on a Unix socket. "GET "
 * as the length of a frame's header would be far above the most there may be, so the first four bytes tell
 * the two apart. One request a connection. Source: docs/metrics.md; RFC 9112.
 */
#include "auth/roles.h"
#include "service/service.h"
#include <lanyard/fiber.h>
#include <lanyard/http.h>
#include <string.h>

#define HEAD_MS 5000 /* for the request's head to be complete */
#define TEXT_MAX (1u << 20)

bool ly__control_is_http(const struct ly__session *s)
{
    const char *bytes;
    if (!s->service->control || ly_sock_family(s->sock) != AF_UNIX || !(s->grant.roles & LY__ADMIN))
        return false;
    if (ly_stream_buffered(s->stream) < 4 || ly_stream_peek(s->stream, 4, &bytes) < 4)
        return false;
    return memcmp(bytes, "GET ", 4) == 0 || memcmp(bytes, "HEAD", 4) == 0;
}

/* ---- what is answered ---- */

struct page {
    int status;
    const char *type;
    struct ly_buffer body;
};

static int make_health(struct ly__control *c, struct page *p)
{
    const char *ail = c->calls->ail(c);
    p->status = ail ? 503 : 200;
    return ly_buffer_printf(&p->body, "%s\n", ail ? ail : "ok");
}

static int make_page(struct ly__control *c, const struct ly_http_head *h, struct page *p)
{
    p->status = 200;
    p->type = "text/plain; charset=utf-8";
    if (h->method != LY_HTTP_GET && h->method != LY_HTTP_HEAD)
        p->status = 405;
    else if (ly_http_text_is(h->path, "/health"))
        return make_health(c, p);
    else if (!ly_http_text_is(h->path, "/metrics"))
        p->status = 404;
    if (p->status != 200)
        return ly_buffer_printf(&p->body, "%s\n", ly_http_reason(p->status));
    p->type = "text/plain; version=0.0.4; charset=utf-8";
    return c->calls->metrics(c, &p->body);
}

/* h is NULL: the request could not be read. */
static int send_page(struct ly__session *s, const struct ly_http_head *h, const struct page *p)
{
    struct ly_buffer b;
    struct ly_http_answer how;
    ly_buffer_init(&b, 4096);
    int r = ly_http_put_response(&b, h, p->status, (int64_t)p->body.length, true, &how);
    if (r == 0)
        r = ly_http_put_field(&b, "Content-Type", p->type);
    if (r == 0)
        r = ly_http_put_end(&b);
    if (r == 0)
        r = ly_stream_write(s->stream, ly_buffer_bytes(&b), b.length);
    if (r == 0 && how.framing != LY_HTTP_NO_BODY)
        r = ly_stream_write(s->stream, ly_buffer_bytes(&p->body), p->body.length);
    ly_buffer_done(&b);
    return r < 0 ? r : ly_stream_flush(s->stream);
}

static int receive(struct ly__session *s, struct ly_http_head *h)
{
    struct ly_scope *scope;
    ly_http_head_init(h, LY_HTTP_REQUEST, NULL);
    int r = ly_scope_open(
        &scope, &(struct ly_scope_options){.deadline = ly_deadline(HEAD_MS), .name = "HTTP's head"});
    if (r < 0)
        return r;
    r = ly_http_head_recv(s->stream, h);
    ly_scope_close(scope);
    return r;
}

int ly__control_http(struct ly__session *s)
{
    struct ly_http_head h;
    struct page p = {.status = 400, .type = "text/plain; charset=utf-8"};
    int r = receive(s, &h);
    if (r <= 0 && r != LY_EHTTP)
        return r;
    ly_buffer_init(&p.body, TEXT_MAX);
    if (r > 0)
        r = make_page(s->service->control, &h, &p);
    else
        r = ly_buffer_printf(&p.body, "%s\n", h.why ? h.why : "bad request");
    if (r == 0)
        r = send_page(s, p.status == 400 ? NULL : &h, &p);
    ly_buffer_done(&p.body);
    s->ended = r == 0; /* and what the peer may still be sending is read before the close */
    return r;
}
