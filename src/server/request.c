/* SPDX-License-Identifier: MIT */
/* One request, the same in every policy: verify_request, setup, handle, finish, shutdown(SHUT_WR), close. */
#include "fiber/trail.h"
#include "server/report.h"
#include "server/server.h"
#include <netinet/tcp.h>

void ly__request_fail(struct ly_request *rq, struct ly__counters *counters, const char *where, int error)
{
    const struct ly_server_hooks *hooks = &rq->server->options.hooks;
    ly__count(&counters->failed);
    if (hooks->handle_error)
        hooks->handle_error(rq, where, error);
    else
        ly__report(rq, where, error);
}

void ly__connection_init(const struct ly_server *s, struct ly_sock *sock, int fd)
{
    static const int on = 1;
    const struct ly_server_options *o = &s->options;
    const struct ly_sock *listener = s->listener[0];

    ly__sock_init(sock, fd, listener->family, listener->type, listener->proto);
    if (o->request_timeout_ms > 0)
        sock->timeout_ms = o->request_timeout_ms;
    if (o->no_delay && sock->family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* fails when the client has gone again */
    if (s->tls)
        ly__sock_secure(sock, s->tls);
}

bool ly__request_verify(struct ly_request *rq, struct ly__counters *counters)
{
    int (*verify)(struct ly_request *) = rq->server->options.hooks.verify_request;
    if (!verify)
        return true;
    int r = verify(rq);
    rq->state = NULL;
    if (r > 0)
        return true;
    ly__count(&counters->refused);
    if (r < 0)
        ly__request_fail(rq, counters, "verify_request", r);
    return false;
}

/* noclone: there is one label. It also makes the call come back here. */
LY__HOT __attribute__((noinline, noclone)) int ly__step(int (*fn)(struct ly_request *), struct ly_request *rq)
{
    int r = fn(rq);
    __asm__ volatile(".globl ly__step_end\n.hidden ly__step_end\nly__step_end:" : "+r"(r));
    return r;
}

static int step(struct ly_request *rq, struct ly__counters *counters, int (*fn)(struct ly_request *),
                const char *where)
{
    int r = fn ? ly__step(fn, rq) : 0;
    if (r < 0)
        ly__request_fail(rq, counters, where, r);
    return r < 0 ? r : 0;
}

LY__HOT int ly__request_run(struct ly_request *rq, struct ly__counters *counters)
{
    const struct ly_handler *h = &rq->server->options.handler;
    ly__trail_forget();
    int r = step(rq, counters, h->setup, "setup");
    if (r < 0)
        return r;
    r = step(rq, counters, h->handle, "handle");
    int f = step(rq, counters, h->finish, "finish");
    if (r == 0 && f == 0 && rq->gathered)
        return ly__reply_send_gathered(rq, counters);
    return r < 0 ? r : f;
}

LY__HOT void ly__request_close(struct ly_request *rq)
{
    if (rq->gathered)
        ly__reply_drop_gathered(rq);
    if (rq->packet || ly_sock_fileno(rq->sock) < 0)
        return;
    ly_shutdown(rq->sock, SHUT_WR); /* fails when the client has gone: just as well */
    ly__sock_end(rq->sock);         /* whatever the handler has left open over it */
}

struct ly_request *ly__request_of(struct ly_server *s, const struct ly__arrival *a, struct ly_request *own,
                                  struct ly__tls_sock *sock)
{
    if (a->packet)
        return &a->packet->rq;
    ly__connection_init(s, &sock->sock, a->fd);
    *own = (struct ly_request){.server = s, .sock = &sock->sock, .peer = a->peer};
    return own;
}

void ly__request_here(struct ly_server *s, const struct ly__arrival *a)
{
    struct ly__tls_sock sock;
    struct ly_request own, *rq = ly__request_of(s, a, &own, &sock);
    struct ly__counters *c = &s->counters[0];

    atomic_fetch_add(&c->active, 1);
    ly__request_through(rq, c);
    atomic_fetch_sub(&c->active, 1);
    ly__slot_give(s);
}
