/* SPDX-License-Identifier: MIT */
/* The frames that every service answers with. */
#include "service/service.h"
#include <lanyard/clock.h>
#include <lanyard/error.h>
#include <lanyard/fiber.h>
#include <poll.h>

#define MS INT64_C(1000000)
#define LOOK_NS (500 * MS) /* how often somebody who waits is looked after */
#define PAY_LEAST 16384
#define END_MAX 32 /* bytes that end a frame's header */

/* Nothing will ever be read from, or sent to, such a peer; it may still wait for what it sent before. */
static bool is_gone(const struct ly__session *s)
{
    struct pollfd p = {.fd = ly_sock_fileno(s->sock)}; /* POLLHUP and POLLERR are told without being asked */
    return s->lost || poll(&p, 1, 0) > 0;
}

/* Wait until what was paid is due, but not for a connection that is no more: its session would keep the file,
 * and the place among the user's sessions, all the while. */
static void wait_until_due(const struct ly__session *s)
{
    int64_t due = s->due; /* what another task pays meanwhile is its own to wait for */
    int r = 0;
    for (int64_t left; r == 0 && (left = due - ly_now()) > 0 && !is_gone(s);)
        r = ly_sleep(left < LOOK_NS ? (left + MS - 1) / MS : LOOK_NS / MS);
    /* cancelled: the next call that waits says so */
}

/*
 * A user with a limit pays for what all their sessions move. Bytes are paid for by the twentieth of a second,
 * or 16 KiB, at once, not one by one. Of the tasks of a session one pays, and all of them wait until what was
 * paid is due; so nothing more is read from, or sent to, who is too fast. A transfer begins by asking (it has
 * moved 0 bytes): to come again with another connection does not make anybody faster.
 */
static void pay(struct ly__session *s, int64_t bytes)
{
    struct ly__authority *a = s->service->authority;
    int64_t enough = s->grant.bandwidth / 20 > PAY_LEAST ? s->grant.bandwidth / 20 : PAY_LEAST;
    if (s->grant.bandwidth <= 0)
        return;
    s->unpaid += bytes;
    if (!s->paying && (bytes == 0 || s->unpaid >= enough)) {
        int64_t now = s->unpaid;
        s->unpaid = 0;
        s->paying = true;
        int64_t ms = a->calls->spend(a, s->number, now);
        s->paying = false;
        s->due = ms > 0 ? ly_deadline(ms) : 0;
    }
    wait_until_due(s);
}

void ly__session_received(struct ly__session *s, int64_t bytes)
{
    atomic_fetch_add_explicit(&s->service->counters.received, (uint64_t)bytes, memory_order_relaxed);
    s->moved += bytes + (s->moved < 0);
    pay(s, bytes);
}

void ly__session_sent(struct ly__session *s, int64_t bytes)
{
    atomic_fetch_add_explicit(&s->service->counters.sent, (uint64_t)bytes, memory_order_relaxed);
    s->moved += bytes + (s->moved < 0);
    pay(s, bytes);
}

int ly__session_drop_body(struct ly__session *s)
{
    /* Counted as it goes: a wait that ends early leaves the framing as it is. */
    while (s->body > 0) {
        const char *bytes;
        ssize_t n = ly_stream_peek(s->stream, 1, &bytes);
        if (n <= 0)
            return n < 0 ? (int)n : LY_EEOF;
        n = n < s->body ? n : (ssize_t)s->body;
        ly_stream_consume(s->stream, (size_t)n);
        s->body -= n;
    }
    return 0;
}

int ly__session_begin(struct ly__session *s)
{
    int r = ly_frame_begin(&s->out);
    if (r == 0 && s->id >= 0)
        r = ly_json_put_int(&s->out, "id", s->id);
    return r;
}

int ly__session_send(struct ly__session *s, int64_t size)
{
    int r = ly_frame_end(&s->out, size);
    if (r < 0)
        return r;
    return ly_frame_send(s->stream, &s->out, NULL, 0);
}

int ly__session_ok(struct ly__session *s)
{
    int r = ly__session_begin(s);
    if (r == 0)
        r = ly_json_put_bool(&s->out, "ok", true);
    return r < 0 ? r : ly__session_send(s, 0);
}

static int put_error(struct ly__session *s, int error, const char *path)
{
    int r = ly__session_begin(s);
    if (r == 0)
        r = ly_json_put_string(&s->out, "error", ly_error_name(error));
    if (r == 0)
        r = ly_json_put_string(&s->out, "text", ly_error_text(error));
    if (r == 0 && path)
        r = ly_json_put_string(&s->out, "path", path);
    if (r == 0 && error == LY_EDENIED && s->wait_ms > 0)
        r = ly_json_put_int(&s->out, "wait_ms", s->wait_ms);
    return r;
}

int ly__session_error(struct ly__session *s, int error, const char *path)
{
    s->result = error;
    int r = put_error(s, error, path);
    /* escaped, a name takes up to three times the room it had in the request */
    if (path && (r == LY_ETOOBIG || s->out.length > LY_FRAME_HEADER_MAX - END_MAX))
        r = put_error(s, error, NULL);
    return r < 0 ? r : ly__session_send(s, 0);
}
