/* SPDX-License-Identifier: MIT */
/*
 * The client's frames while its command runs: input and signals.
 *
 * While the command does not read its input, this fiber does not read the connection, and would not notice
 * that the client has gone. So a write to the command that takes long is interrupted once a second to look.
 */
#include "net/pipe.h"
#include "net/sock.h"
#include "service/exec_run.h"
#include <errno.h>
#include <lanyard/log.h>
#include <poll.h>

#define LOOK_MS 1000

/* Stop sending. A frame that is just being sent may never get through: only closing ends that. */
static void stop(struct ly__run *run, bool close)
{
    if (run->session->lost || run->done)
        return;
    run->session->lost = true;
    if (!close && ly_mutex_lock(run->sending, 0) == 0)
        ly_mutex_unlock(run->sending);
    else
        ly_shutdown(run->session->sock, SHUT_RDWR);
    if (run->pumping)
        ly_scope_cancel(run->pumping);
}

void ly__exec_lose(struct ly__run *run)
{
    stop(run, true);
}

static bool has_gone(const struct ly_sock *sock)
{
    struct pollfd p = {.fd = ly_sock_fileno(sock), .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0;
}

/* ---- input ---- */

static void end_input(struct ly__run *run)
{
    run->input_ended = true;
    run->child->calls->end_input(run->child);
}

/* Write to the command what it takes within LOOK_MS. Returns the bytes written, or an error. */
static ssize_t write_for_a_while(struct ly__run *run, const char *bytes, size_t n)
{
    struct ly__io *io = ly__pipe_io(run->child->in);
    ssize_t r = ly__io_write(io, bytes, n, ly_deadline(LOOK_MS));
    if (r != -ETIMEDOUT)
        return r;
    return has_gone(run->session->sock) ? -EPIPE : 0;
}

/* Feed the body of an input frame, or drop what the command does not want. */
static int feed(struct ly__run *run)
{
    struct ly__session *s = run->session;
    while (s->body > 0 && !run->input_ended) {
        const char *bytes;
        ssize_t n = ly_stream_peek(s->stream, 1, &bytes);
        if (n <= 0)
            return n < 0 ? (int)n : LY_EEOF;
        n = write_for_a_while(run, bytes, n < s->body ? (size_t)n : (size_t)s->body);
        if (n == -ECANCELED || (n < 0 && has_gone(s->sock)))
            return (int)n;
        if (n < 0) {
            end_input(run); /* the command has closed it */
            break;
        }
        ly_stream_consume(s->stream, (size_t)n);
        s->body -= n;
        ly__session_received(s, n);
    }
    return ly__session_drop_body(s);
}

/* ---- frames ---- */

static int take_input(struct ly__run *run, struct ly_json header)
{
    struct ly_json end_field = ly_json_get(header, "end");
    bool end = false;
    if (!ly_json_equal(ly_json_get(header, "stream"), "in"))
        return LY_EFIELD;
    if (ly_json_type(end_field) != LY_JSON_NONE && ly_json_bool(end_field, &end) < 0)
        return LY_EFIELD;
    int r = feed(run);
    if (r == 0 && end)
        end_input(run);
    return r;
}

static int take_signal(struct ly__run *run, struct ly_json kill)
{
    int64_t number = 0;
    if (ly_json_int(kill, &number) < 0 || number < 1 || number > 64)
        return LY_EFIELD;
    run->child->calls->kill(run->child, (int)number);
    return ly__session_drop_body(run->session);
}

/* One frame. Those of an earlier command are late and are dropped. */
static int take_frame(struct ly__run *run, const struct ly_frame *f)
{
    int64_t id = -1;
    struct ly_json kill = ly_json_get(f->header, "kill");
    run->session->body = f->size;
    if (ly_json_type(ly_json_get(f->header, "cmd")) != LY_JSON_NONE)
        return LY_EFRAME;
    if (ly_json_int(ly_json_get(f->header, "id"), &id) < 0)
        return LY_EFIELD;
    if (id != run->session->id)
        return ly__session_drop_body(run->session);
    return ly_json_type(kill) == LY_JSON_NONE ? take_input(run, f->header) : take_signal(run, kill);
}

static bool is_clients_fault(int error)
{
    return error <= LY_EEOF && error != LY_EEOF;
}

int ly__exec_listen(void *arg)
{
    struct ly__run *run = arg;
    struct ly_frame f;
    int r = 1;
    run->input_ended = !run->child->in;
    while (r > 0) {
        r = ly__session_head(run->session, &f);
        if (r > 0) {
            r = take_frame(run, &f);
            r = r < 0 ? r : 1;
        }
    }
    if (run->done)
        return 0;
    bool fault = is_clients_fault(r) || r == -ETIMEDOUT;
    run->failure = fault ? r : 0;
    stop(run, !fault);
    return r;
}
