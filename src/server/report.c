/* SPDX-License-Identifier: MIT */
/*
 * What the server says of a failed request unless a hook says it: as much as Python's does.
 *
 *     ----------------------------------------
 *     Request from tcp://127.0.0.1:40312 failed in handle: ECONNRESET (connection reset by peer)
 *     Calls, the latest last:
 *       serve_client+0x42 in chat
 *       read_line+0x1f in chat
 *       ly_recv+0x2a in liblanyard.so.0
 *     ----------------------------------------
 *
 * Where the handler itself made up the error there is no chain, and only the step's function is named.
 */
#include "server/report.h"
#include "fiber/symbol.h"
#include "fiber/trail.h"
#include "net/sock.h"
#include "server/server.h"
#include <lanyard/tls.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REPORT_MAX 4096
#define CALL_MAX 192

struct text {
    char bytes[REPORT_MAX];
    size_t length;
};

static __attribute__((format(printf, 2, 3))) void add(struct text *t, const char *format, ...)
{
    va_list args;
    size_t room = sizeof t->bytes - t->length;
    va_start(args, format);
    int n = vsnprintf(t->bytes + t->length, room, format, args);
    va_end(args);
    if (n > 0)
        t->length += (size_t)n < room ? (size_t)n : room - 1;
}

static bool is_step_caller(const void *frame)
{
    uintptr_t at = (uintptr_t)frame;
    return at > (uintptr_t)ly__step && at <= (uintptr_t)ly__step_end;
}

/* The function that a request's step is. */
static const void *step_function(const struct ly_handler *h, const char *where)
{
    int (*fn)(struct ly_request *) = strcmp(where, "setup") == 0    ? h->setup
                                     : strcmp(where, "handle") == 0 ? h->handle
                                     : strcmp(where, "finish") == 0 ? h->finish
                                                                    : NULL;
    const void *p;
    memcpy(&p, &fn, sizeof p); /* ISO C knows no conversion */
    return p;
}

static void add_call(struct text *t, const void *address)
{
    char call[CALL_MAX];
    ly__symbol_describe(address, call, sizeof call);
    add(t, "  %s\n", call);
}

/* The chain from the step to the call that failed. Return addresses point behind their calls. */
static void add_chain(struct text *t, void *const *frames, int count)
{
    int outermost = 0;
    while (outermost < count && !is_step_caller(frames[outermost]))
        outermost++;
    add(t, "Calls, the latest last:\n");
    for (int i = outermost - 1; i > 0; i--) /* the first is who left the trail */
        add_call(t, (const char *)frames[i] - 1);
}

/* Why TLS failed, where it is that of the request's connection. */
static void add_why(struct text *t, const struct ly_sock *sock)
{
    char why[LY_TLS_WHY];
    if (sock && sock->is_tls && ly__tls_ops_of(sock)->why(sock, why, sizeof why) > 0)
        add(t, "TLS: %s\n", why);
}

/* Not inlined, and the text neither: they would lie in every fiber's frame. */
__attribute__((noinline)) void ly__report(const struct ly_request *rq, const char *where, int error)
{
    static const char rule[] = "----------------------------------------\n";
    char peer[LY_ADDRESS_TEXT];
    struct text t = {.length = 0};
    void *const *frames;
    int count = ly__trail_of(error, &frames);
    const void *step = step_function(&rq->server->options.handler, where);

    ly_address_format(&rq->peer, peer, sizeof peer);
    add(&t, "%sRequest from %s failed in %s: %s (%s)\n", rule, peer, where, ly_error_name(error),
        ly_error_text(error));
    if (error == LY_ETLS)
        add_why(&t, rq->sock);
    if (count > 0)
        add_chain(&t, frames, count);
    else if (step)
        add_call(&t, step);
    t.length = t.length < sizeof t.bytes - sizeof rule ? t.length : sizeof t.bytes - sizeof rule;
    add(&t, "%s", rule);
    /* In one write, so that those of many processes stay apart. */
    if (write(STDERR_FILENO, t.bytes, t.length) < 0)
        return; /* nobody left to tell */
}
