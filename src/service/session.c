/* SPDX-License-Identifier: MIT */
/*
 * A connection's session: requests in, each handed to the row of its command.
 *
 * The loop trusts nothing of the peer. Whatever leaves the framing whole is answered by an error frame and
 * the connection goes on; whatever does not is answered if that is possible without waiting, written to the
 * log with the peer's address, and ends the connection. Source: docs/protocol.md, sections 3 and 6.
 *
 * A connection that is idle costs no fiber before its first byte (the server starts one then), and after its
 * last request only its fiber: buffers are given back once nothing has come for a while.
 */
#include "fiber/loop.h"
#include "net/sock.h"
#include "service/service.h"
#include <errno.h>
#include <lanyard/fiber.h>
#include <lanyard/log.h>
#include <unistd.h>

#define HEAD_MS 30000  /* from a head's first byte to its last */
#define STALL_MS 60000 /* without progress in a body or an answer */
#define IDLE_MS 2000   /* of silence, and the buffers are given back */
#define LINGER_MS 1000 /* for the peer to take the last error frame */
#define LINGER_BYTES (1 << 20)
#define SEND_BUFFER (1 << 20)

/* ---- receiving a head ---- */

/* The rest of a head has not come yet: wait for it, but not for ever. */
static int finish_head(struct ly__session *s, struct ly_frame *ret_frame)
{
    struct ly_scope *scope;
    int r = ly_scope_open(
        &scope, &(struct ly_scope_options){.deadline = ly_deadline(HEAD_MS), .name = "head of a frame"});
    if (r < 0)
        return r;
    r = ly_frame_recv(s->stream, ret_frame);
    ly_scope_close(scope);
    return r;
}

int ly__session_head(struct ly__session *s, struct ly_frame *ret_frame)
{
    const char *bytes;
    ly__fiber_pay(); /* thousands may be buffered: others have their turn between them */
    ssize_t n = ly_stream_peek(s->stream, 1, &bytes);
    if (n <= 0)
        return (int)n;
    ssize_t taken = ly_frame_decode(bytes, (size_t)n, ret_frame, NULL);
    if (taken == 0)
        return finish_head(s, ret_frame);
    if (taken < 0)
        return (int)taken;
    ly_stream_consume(s->stream, (size_t)taken);
    return 1;
}

/* ---- the requests that every server answers ---- */

static int run_ping(struct ly__session *s, const struct ly_frame *f)
{
    (void)f;
    return ly__session_ok(s);
}

static int run_hello(struct ly__session *s, const struct ly_frame *f)
{
    (void)f;
    int r = ly__session_begin(s);
    if (r == 0)
        r = ly_json_put_bool(&s->out, "ok", true);
    if (r == 0)
        r = ly_json_put_int(&s->out, "version", 1);
    if (r == 0)
        r = ly_json_put_string(&s->out, "server", "lanyard " LY__VERSION);
    if (r == 0)
        r = ly_json_put_bool(&s->out, "root", s->root_fd >= 0);
    if (r == 0)
        r = ly__session_put_who(s);
    if (r == 0 && s->service->next_key)
        r = ly_buffer_printf(&s->out, ", \"next_key\": %s", s->service->next_key);
    return r < 0 ? r : ly__session_send(s, 0);
}

static const struct ly__service_command own_commands[] = {
    {"ping", 0, run_ping},
    {"hello", 0, run_hello},
    {"version", 0, run_hello},
    {0},
};

/* Every service's rows. To add a service, add its list. */
static const struct ly__service_command *const services[] = {
    own_commands, ly__login_commands, ly__exec_commands, ly__control_commands, ly__files_commands,
};

static const struct ly__service_command *find(struct ly_json name)
{
    for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
        for (const struct ly__service_command *c = services[i]; c->name; c++) {
            if (ly_json_equal(name, c->name))
                return c;
        }
    }
    return NULL;
}

/* ---- one request ---- */

static bool has(struct ly_json object, const char *name)
{
    return ly_json_type(ly_json_get(object, name)) != LY_JSON_NONE;
}

/*
 * A tutorial's put or get (section 7), which this server does not offer. The body of such a put is announced
 * in a way of its own, so the framing ends here.
 */
static bool is_tutorials(struct ly_json header)
{
    return has(header, "filename") && !has(header, "id");
}

/* Input for a command, or a signal, that came after the command's end: dropped without an answer. */
static bool is_late(struct ly_json header)
{
    return !has(header, "cmd") && (has(header, "stream") || has(header, "kill"));
}

/* Do what somebody has the role for, and tell the trail. */
static int run_noted(struct ly__session *s, const struct ly__service_command *c, const struct ly_frame *f)
{
    struct ly__authority *a = s->service->authority;
    char object[LY__DEED_OBJECT];
    struct ly__deed_names names = {.length = 0};
    struct ly__deed deed = {.what = c->name, .object = object, .began = ly_now()};
    ly__deed_object(object, f->header);
    int r = s->grant.roles & c->role ? a->calls->allow(a, s->number, c->name) : LY_EROLE;
    ly__session_does(s, &deed);
    s->names = &names;
    r = r < 0 ? ly__session_error(s, r, NULL) : c->run(s, f);
    s->names = NULL;
    ly__session_does(s, NULL);
    if (names.length > 0)
        deed.object = names.text;
    deed.bytes = s->moved;
    deed.result = r < 0 ? r : s->result;
    deed.exit = s->exit;
    a->calls->note(a, s->number, &deed);
    return r;
}

static int run_command(struct ly__session *s, const struct ly_frame *f)
{
    struct ly_json name = ly_json_get(f->header, "cmd");
    if (s->id < 0 || ly_json_type(name) != LY_JSON_STRING)
        return ly__session_error(s, LY_EFIELD, NULL);
    const struct ly__service_command *c = find(name);
    if (!s->logged_in && !(c && c->run == ly__login_commands[0].run))
        return ly__session_error(s, LY_ELOGIN, NULL);
    if (!c)
        return ly__session_error(s, -EOPNOTSUPP, NULL);
    s->has_asked |= c->run != run_hello && c->run != ly__login_commands[0].run;
    return c->role ? run_noted(s, c, f) : c->run(s, f);
}

static int run_request(struct ly__session *s, const struct ly_frame *f)
{
    s->id = -1;
    atomic_fetch_add_explicit(&s->service->counters.requests, 1, memory_order_relaxed);
    if (ly_json_int(ly_json_get(f->header, "id"), &s->id) < 0 || s->id < 0)
        s->id = -1;
    s->body = f->size;
    s->result = 0;
    s->exit = -1;
    s->moved = -1;
    if (is_late(f->header))
        return ly__session_drop_body(s);
    if (f->size > LY__SESSION_BODY_MAX)
        return LY_ETOOBIG;
    if (is_tutorials(f->header))
        return -EOPNOTSUPP;
    int r = run_command(s, f);
    return r < 0 ? r : ly__session_drop_body(s);
}

/* ---- waiting for the next one ---- */

static int open_stream(struct ly__session *s)
{
    return ly_stream_open(&s->stream, s->sock,
                          &(struct ly_stream_options){.read_size = LY__SESSION_READ,
                                                      .write_size = LY__SESSION_WRITE,
                                                      .borrow = true});
}

/* Nothing has come for a while: wait on without buffers. Returns 1 or an error. */
static int wait_lightly(struct ly__session *s)
{
    ly_stream_close(s->stream);
    s->stream = NULL;
    ly_buffer_done(&s->out);
    int r = ly__sock_poll(s->sock, LY_NEVER);
    if (r == 0)
        r = open_stream(s);
    return r < 0 ? r : 1;
}

/* Send what is gathered and wait until there is input. Returns 1, 0 at the end of the connection, or an
 * error. */
static int next(struct ly__session *s)
{
    const char *bytes;
    if (ly_stream_buffered(s->stream) > 0)
        return 1;
    int r = ly_stream_flush(s->stream);
    if (r < 0)
        return r;
    if (!ly__session_idle(s))
        return 0;
    ly_sock_set_timeout(s->sock, IDLE_MS);
    ssize_t n = ly_stream_peek(s->stream, 1, &bytes);
    if (n == -ETIMEDOUT)
        n = wait_lightly(s);
    ly_sock_set_timeout(s->sock, STALL_MS);
    ly__session_busy(s);
    return n > 0 ? 1 : (int)n;
}

static int serve(struct ly__session *s)
{
    for (bool is_first = true;;) {
        struct ly_frame f;
        int r = next(s);
        if (r <= 0)
            return r;
        s->id = -1;
        if (is_first && ly__control_is_http(s))
            return ly__control_http(s);
        is_first = false;
        r = ly__session_head(s, &f);
        if (r > 0)
            r = run_request(s, &f);
        else if (r == 0)
            return 0;
        if (r < 0)
            return r;
    }
}

/* ---- the end ---- */

/* Errors that say that nobody is there to read an answer, or that it is our own end. */
static bool is_answerable(int error)
{
    return error != LY_EEOF && error != -EPIPE && error != -ECONNRESET && error != -ECANCELED &&
           error != -EBADF;
}

/* Read and drop what the peer is still sending, so that closing does not reset the connection before it has
 * read our answer. */
static void linger(struct ly__session *s)
{
    struct ly_scope *scope;
    char dropped[512];
    ssize_t n = 1;
    ly_shutdown(s->sock, SHUT_WR);
    ly_sock_set_timeout(s->sock, LY_FOREVER);
    if (ly_scope_open(&scope, &(struct ly_scope_options){.deadline = ly_deadline(LINGER_MS)}) < 0)
        return;
    for (size_t total = 0; n > 0 && total < LINGER_BYTES; total += (size_t)n)
        n = ly_recv(s->sock, dropped, sizeof dropped);
    ly_scope_close(scope);
}

void ly__session_goodbye(struct ly__session *s, int error)
{
    if (s->ended || !s->stream || !is_answerable(error))
        return;
    s->ended = true;
    ly_sock_set_timeout(s->sock, 0);
    if (ly__session_error(s, error, NULL) == 0)
        ly_stream_flush(s->stream);
}

/* A browser, or a client that wants TLS: what we have to say would mean nothing to it. */
static const char *other_protocol(struct ly_stream *stream)
{
    const char *bytes;
    ssize_t n = ly_stream_buffered(stream) >= 4 ? ly_stream_peek(stream, 4, &bytes) : 0;
    if (n < 4)
        return NULL;
    if (bytes[0] == 0x16 && bytes[1] == 0x03)
        return "TLS";
    return bytes[0] >= 'A' && bytes[0] <= 'Z' && bytes[2] != 0 ? "HTTP" : NULL;
}

static void log_end(const struct ly__session *s, int error, const char *other)
{
    char peer[LY_ADDRESS_TEXT];
    struct ucred who = {.pid = 0};
    socklen_t length = sizeof who;
    ly_address_format(s->peer, peer, sizeof peer);
    if (s->peer->u.family == AF_UNIX || s->peer->length == 0)
        ly_sock_get_option(s->sock, SOL_SOCKET, SO_PEERCRED, &who, &length);
    bool vanished = error == -EPIPE || error == -ECONNRESET || error == LY_ECUT;
    ly_log(vanished ? LY_LOG_DEBUG : LY_LOG_WARNING, "session", "connection ended", LY_STR("peer", peer),
           LY_INT("pid", who.pid), LY_STR("speaks", other ? other : "frames"), LY_ERR(error));
}

/*
 * Ask for as much buffer as the system gives. A Unix socket counts as writable again only when most of its
 * buffer is free, so that sender and receiver work by turns rather than together when it is small. TCP sizes
 * its own.
 */
static void widen(struct ly_sock *sock)
{
    if (ly_sock_family(sock) == AF_UNIX)
        ly_sock_set_int(sock, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER);
}

/* Ask who the peer is, then serve it. Returns what ended it. */
static int admit_and_serve(struct ly__session *s)
{
    int r = ly__session_admit(s);
    return r < 0 ? r : serve(s);
}

/* The session of an open stream. One that has a number already can be ended from outside from the start. */
static int run(struct ly__session *s)
{
    bool has_number = s->number != 0;
    int r = has_number ? 0 : ly__session_admit(s);
    if (r < 0)
        return r;
    ly__session_enter(s);
    r = has_number ? admit_and_serve(s) : serve(s);
    ly__session_leave(s);
    return r;
}

static void finish(struct ly__session *s, int r)
{
    const char *other = NULL;
    struct ly__authority *a = s->service->authority;
    if (r == LY_ETOOBIG || r == LY_EFRAME)
        other = s->id < 0 ? other_protocol(s->stream) : NULL;
    if (r < 0 && r != -ECANCELED)
        log_end(s, r, other);
    if (r < 0 && !other)
        ly__session_goodbye(s, r);
    if (s->ended)
        linger(s);
    if (s->number != 0)
        a->calls->end(a, s->number, r);
    if (s->own_root_fd >= 0)
        close(s->own_root_fd);
}

int ly__session_run(struct ly__service *service, struct ly_sock *sock, const struct ly_address *peer,
                    uint64_t number)
{
    struct ly__session s = {.service = service,
                            .number = number,
                            .sock = sock,
                            .peer = peer,
                            .root_fd = -1,
                            .own_root_fd = -1,
                            .id = -1,
                            .exit = -1};
    ly__list_init(&s.idle);
    ly__list_init(&s.link);
    widen(sock);
    ly_buffer_init(&s.out, LY_FRAME_HEADER_MAX + 4);
    int r = open_stream(&s);
    if (r < 0)
        return r;
    finish(&s, run(&s));
    ly_stream_close(s.stream);
    ly_buffer_done(&s.out);
    return 0;
}

int ly__session_handle(struct ly_request *rq)
{
    return ly__session_run(ly_server_user(rq->server), rq->sock, &rq->peer, 0);
}
