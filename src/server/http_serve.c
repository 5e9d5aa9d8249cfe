/* SPDX-License-Identifier: MIT */
/*
 * A connection that speaks HTTP: requests are read, dispatched and answered one after the other.
 *
 * Order is kept by doing one thing at a time: a client that sends ten requests at once has them read from the
 * stream's buffer, and the ten answers gather and go out together, because the stream is flushed only when
 * there is nothing left to read. Nothing is read ahead beyond that buffer, so a client that sends without
 * reading stops itself.
 *
 * A connection that is kept for a next request takes the place of another client. Where requests run one
 * after the other it gives way soon after anybody has knocked, and the answer says so if somebody has by
 * then; elsewhere, when the server is at its cap. Soon, not at once: a client that was not told would take
 * the end for a failure if it came while its next request is under way.
 *
 * Three waits are bounded by deadlines of their own: for a request to begin (then the connection ends without
 * a word: nothing was asked), for its head (408), for its body (http_request.c). The socket's time-out is set
 * for each of them, so it says nothing outside of this file's calls.
 *
 * The end: where the client may still be sending (a request was refused, a body not read) closing at once
 * would reset the connection, and the reset may overtake the answer. So our side is shut down first, and what
 * still comes is dropped for a short while.
 */
#include "server/http.h"
#include "wire/http.h"
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#define HEAD_TIMEOUT 10000
#define IDLE_TIMEOUT 15000
#define SLICE 1000  /* an idle connection looks so often whether the server ends, or lacks places */
#define GRACE_MS 50 /* for a request that is under way already when somebody else knocks */
#define LINGER_MS 2000
#define LINGER_BYTES (16 << 20)
#define READ_SIZE 32768    /* the stream's buffer at least: trailers have to fit */
#define CONTENT_KEPT 65536 /* bytes of memory for bodies that an idle connection keeps */
#define BODY_MAX (INT64_C(1) << 62)

int64_t ly__http_idle(const struct ly_http_site *site)
{
    return ly__http_timeout(site->idle_timeout_ms, IDLE_TIMEOUT);
}

bool ly__http_is_draining(const struct ly_http *x)
{
    const struct ly_server *s = x->rq->server;
    if (!s)
        return false;
    return atomic_load_explicit(&s->stage, memory_order_relaxed) >= LY__DRAINING ||
           (s->from_child && atomic_load(s->from_child));
}

static bool is_sequential(const struct ly_http *x)
{
    return x->rq->server && x->rq->server->policy == &ly__sequential_policy;
}

/* Whether bytes are there of which the descriptor knows nothing any more: decrypted ones. */
static bool holds_bytes(const struct ly_http *x)
{
    return x->rq->sock->is_tls && ly__sock_poll(x->rq->sock, LY__NOWAIT) == 0;
}

bool ly__http_gives_way(const struct ly_http *x)
{
    if (!is_sequential(x) || ly_stream_buffered(x->stream) > 0 || holds_bytes(x))
        return false;
    struct pollfd both[] = {{.fd = ly_sock_fileno(x->rq->sock), .events = POLLIN},
                            {.fd = ly_server_fileno(x->rq->server), .events = POLLIN}};
    return poll(both, 2, 0) > 0 && both[0].revents == 0 && both[1].revents == POLLIN;
}

/* ---- one request ---- */

/* Whether this connection, which has been served, is to end because others wait for its place. */
static bool is_in_the_way(const struct ly_http *x)
{
    return x->served > 0 && x->rq->server && atomic_load(&x->rq->server->wants_room) > 0;
}

/*
 * One after the other, an idle connection is in everybody's way, so a served one is idle only as long as
 * nobody knocks. Waits until something comes on it or on the listener. Returns 0 if it was here, -EBUSY if it
 * was there, -ETIMEDOUT, or another error.
 */
static int wait_beside_listener(struct ly_http *x, int64_t ms)
{
    struct ly__io *const ios[] = {&x->rq->sock->io, &x->rq->server->listener[0]->io};
    const char *bytes;
    int r = holds_bytes(x) ? 0 : ly__wait_any(ios, 2, ly_deadline(ms));
    if (r < 0)
        return r;
    ly_sock_set_timeout(x->rq->sock, GRACE_MS);
    ssize_t n = ly_stream_peek(x->stream, 1, &bytes);
    return n == -ETIMEDOUT ? -EBUSY : 0; /* the end and errors are found again */
}

/* Wait at most so long for a byte. Returns 1, 0 (there will be none), or an error. */
static int wait_for_byte(struct ly_http *x, int64_t ms)
{
    const char *bytes;
    if (is_sequential(x) && x->served > 0) {
        int r = wait_beside_listener(x, ms);
        if (r < 0)
            return r == -EBUSY ? 0 : r;
    }
    ly_sock_set_timeout(x->rq->sock, ms);
    ssize_t n = ly_stream_peek(x->stream, 1, &bytes);
    return n > 0 ? 1 : (int)n;
}

/* Wait for a byte of the next request. Returns 1, 0 (there will be none), or an error. */
static int wait_for_request(struct ly_http *x)
{
    int64_t end = ly_deadline(ly__http_idle(x->site));
    if (ly_stream_buffered(x->stream) > 0)
        return 1;
    int r = ly_http_flush(x);
    if (r < 0)
        return r;
    for (;;) {
        int64_t left = (end - ly_now()) / 1000000 + 1;
        if (left <= 0 || ly__http_is_draining(x))
            return 0;
        r = wait_for_byte(x, left < SLICE ? left : SLICE);
        if (r != -ETIMEDOUT || ly_cancelled() || is_in_the_way(x))
            return r;
    }
}

/* The head and the decoded path into memory that reading the body leaves alone. */
static int keep_head(struct ly_http *x)
{
    char *place;
    size_t n = x->head.own.at, room = x->head.path.length + 1;
    ly_buffer_clear(&x->bytes);
    int r = ly_buffer_reserve(&x->bytes, n + room, &place);
    if (r < 0)
        return r;
    memcpy(place, x->head.bytes, n);
    ly_http_head_move(&x->head, place);
    x->path = x->rest = n;
    place[n] = 0;
    if (x->head.path.length == 0)
        return 0;
    ssize_t length = ly_http_path_decode(x->head.path, place + n, room);
    return length < 0 ? (int)length : 0;
}

static void begin_exchange(struct ly_http *x)
{
    ly_http_head_init(&x->head, LY_HTTP_REQUEST, &x->site->limits);
    x->trailers.count = 0;
    x->body = (struct ly_http_body){.done = true};
    x->route = NULL;
    ly_buffer_clear(&x->content);
    ly_buffer_clear(&x->fields);
    x->received = x->read_since = x->sent = x->began = 0;
    x->continued = false;
    x->refusal = x->status = 0;
    x->why = NULL;
    x->stage = LY__HTTP_WAITING;
    x->answer = (struct ly_http_answer){.keep_alive = false};
    x->left = -1;
    x->close = x->broken = x->lost = false;
}

static void end_exchange(struct ly_http *x)
{
    if (!x->site->log)
        return;
    const struct ly_http_record record = {
        .rq = x->rq,
        .method = x->head.method_text,
        .target = x->head.target,
        .status = x->status,
        .sent = x->sent,
        .duration_ns = x->began ? ly_now() - x->began : 0,
        .why = x->why,
    };
    x->site->log(&record);
}

/* No head came, for this reason. Returns 0: the connection ends. */
static int give_up(struct ly_http *x, int error)
{
    x->head.method_text = x->head.target = (struct ly_http_text){NULL, 0};
    if (x->head.refusal)
        ly__http_refuse_request(x, x->head.refusal, x->head.why);
    else if (error == -ETIMEDOUT && !ly_cancelled())
        ly__http_refuse_request(x, 408, "the head did not come in time");
    else
        return 0;
    x->unread = true;
    end_exchange(x);
    return 0;
}

/* The answer is complete, as far as it can be. Returns whether another request may follow. */
static int conclude(struct ly_http *x)
{
    int r = ly__http_end_answer(x);
    if (r < 0)
        x->broken = true;
    if (!ly__http_body_is_over(x) && !x->broken && (!x->answer.keep_alive || !ly__http_drop_body(x))) {
        x->answer.keep_alive = false;
        x->unread = true;
    }
    end_exchange(x);
    if (x->content.capacity > CONTENT_KEPT)
        ly_buffer_done(&x->content);
    return !x->broken && x->answer.keep_alive;
}

/* Serve one request. Returns 1 (another may follow), 0 (the connection ends), or the error of a handler. */
static int serve_one(struct ly_http *x)
{
    int r = wait_for_request(x);
    if (r <= 0)
        return 0;
    begin_exchange(x);
    ly_sock_set_timeout(x->rq->sock, LY_FOREVER); /* unless the deadline says otherwise */
    r = ly__http_head_recv(x->stream, &x->head,
                           ly_deadline(ly__http_timeout(x->site->head_timeout_ms, HEAD_TIMEOUT)));
    if (r <= 0)
        return give_up(x, r);
    if (x->site->log)
        x->began = ly_now();
    x->served++;
    /* What follows a CONNECT is the tunnel's, wherever it leads and even if it is refused: never a request.
     */
    x->close = x->head.method == LY_HTTP_CONNECT ||
               (x->site->max_requests > 0 && x->served >= x->site->max_requests);
    r = keep_head(x);
    ly_http_body_init(&x->body, &x->head, 0, BODY_MAX);
    if (r == LY_EHTTP)
        ly__http_refuse_request(x, 400, "a path that cannot be decoded");
    else if (r < 0)
        ly__http_refuse_request(x, 503, "no memory");
    r = r < 0 ? 0 : ly__http_dispatch(x);
    int more = conclude(x);
    return r < 0 ? r : more;
}

/* ---- the connection ---- */

static void linger(struct ly_http *x)
{
    char dropped[4096];
    int64_t end = ly_deadline(LINGER_MS);
    size_t total = 0;
    if (ly_shutdown(x->rq->sock, SHUT_WR) < 0)
        return;
    while (total < LINGER_BYTES) {
        int64_t left = (end - ly_now()) / 1000000;
        if (left <= 0)
            return;
        ly_sock_set_timeout(x->rq->sock, left);
        ssize_t n = ly_recv(x->rq->sock, dropped, sizeof dropped);
        if (n <= 0)
            return;
        total += (size_t)n;
    }
}

static int open_exchange(struct ly_http *x)
{
    size_t head = x->site->limits.head;
    const struct ly_stream_options options = {.read_size = head > READ_SIZE ? LY_HTTP_HEAD_MAX : READ_SIZE,
                                              .borrow = true};
    ly_buffer_init(&x->bytes, 2 * LY_HTTP_HEAD_MAX + 2);
    ly_buffer_init(&x->fields, LY_HTTP_HEAD_MAX);
    ly_buffer_init(&x->out, 2 * LY_HTTP_HEAD_MAX);
    ly_buffer_init(&x->content, SIZE_MAX / 2);
    if (x->rq->sock->family !=
        AF_UNIX) /* answers are gathered here: waiting for more would only delay them */
        ly_sock_set_int(x->rq->sock, IPPROTO_TCP, TCP_NODELAY, 1);
    return ly_stream_open(&x->stream, x->rq->sock, &options);
}

static void close_exchange(struct ly_http *x)
{
    bool leave_slowly = (x->unread || ly_stream_buffered(x->stream) > 0) && ly_http_flush(x) == 0;
    if (leave_slowly)
        linger(x);
    if (!x->broken)
        ly_http_flush(x);
    ly_stream_close(x->stream);
    ly_buffer_done(&x->bytes);
    ly_buffer_done(&x->fields);
    ly_buffer_done(&x->out);
    ly_buffer_done(&x->content);
}

int ly_http_serve_site(struct ly_request *rq, struct ly_http_site *site)
{
    struct ly_http x = {.rq = rq, .site = site};
    int r = open_exchange(&x);
    if (r < 0)
        return r;
    do {
        r = serve_one(&x);
    } while (r > 0);
    close_exchange(&x);
    return r;
}

int ly_http_serve(struct ly_request *rq)
{
    struct ly_http_site *site = ly_server_user(rq->server);
    assert(site);
    return ly_http_serve_site(rq, site);
}
