/* SPDX-License-Identifier: MIT */
/*
 * A remote command's stand-in: a fiber that receives its output, one that sends its input, one that passes
 * signals on. Each waits for its own descriptors only, so that an output that nobody reads holds up neither
 * the input nor Control-C.
 *
 * A connection of its own, closed at the end: closing it is also how the command is ended when we end early.
 */
#include "cli/exec_remote.h"
#include "cli/ask.h"
#include "cli/command.h"
#include <errno.h>
#include <lanyard/fiber.h>
#include <lanyard/frame.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXIT_TIMEOUT 124 /* as of timeout(1) */
#define EXIT_SIGNAL 128  /* and the signal's number */
#define GOES_ON (-1)     /* no exit status yet */

/* ---- sending ---- */

static int send_frame(struct ly__remote *r, const struct ly_buffer *head, const void *body, size_t n)
{
    struct iovec parts[2] = {{.iov_base = ly_buffer_bytes(head), .iov_len = head->length},
                             {.iov_base = (void *)(uintptr_t)body, .iov_len = n}};
    return ly_sendallv(ly_stream_sock(r->client.stream), parts, n > 0 ? 2 : 1, 0);
}

int ly__remote_send(struct ly__remote *r, const struct ly_buffer *head, const void *body, size_t n)
{
    int e = ly_mutex_lock(r->sending, LY_FOREVER);
    if (e < 0)
        return e;
    e = send_frame(r, head, body, n);
    ly_mutex_unlock(r->sending);
    return e;
}

static int put_list(struct ly_buffer *b, const char *name, const char *const *list)
{
    int r = ly_json_open(b, name, '[');
    for (; *list && r == 0; list++)
        r = ly_json_put_string(b, NULL, *list);
    return r < 0 ? r : ly_json_close(b, ']');
}

static int put_variable(struct ly_buffer *b, const char *variable)
{
    char name[1024];
    const char *equals = strchr(variable, '=');
    size_t n = equals ? (size_t)(equals - variable) : sizeof name;
    if (n >= sizeof name)
        return LY_ETOOBIG;
    memcpy(name, variable, n);
    name[n] = 0;
    return ly_json_put_string(b, name, equals + 1);
}

static int put_env(struct ly_buffer *b, const char *const *env)
{
    int r = ly_json_open(b, "env", '{');
    for (; *env && r == 0; env++)
        r = put_variable(b, *env);
    return r < 0 ? r : ly_json_close(b, '}');
}

static int put_options(struct ly_buffer *b, const struct ly__remote_options *o)
{
    int r = o->shell ? ly_json_put_string(b, "shell", o->shell) : put_list(b, "argv", o->argv);
    if (r == 0 && o->cwd)
        r = ly_json_put_string(b, "cwd", o->cwd);
    if (r == 0 && *o->env)
        r = put_env(b, o->env);
    if (r == 0 && o->input)
        r = ly_json_put_bool(b, "stdin", true);
    if (r == 0 && o->timeout_ms != LY_FOREVER)
        r = ly_json_put_int(b, "timeout_ms", o->timeout_ms);
    return r;
}

static int send_request(struct ly__remote *r)
{
    struct ly_buffer head;
    ly_buffer_init(&head, LY_FRAME_HEADER_MAX + 4);
    int e = ly_frame_begin(&head);
    if (e == 0)
        e = ly_json_put_string(&head, "cmd", "exec");
    if (e == 0)
        e = ly_json_put_int(&head, "id", 1);
    if (e == 0)
        e = put_options(&head, r->options);
    if (e == 0)
        e = ly_frame_end(&head, 0);
    if (e == 0)
        e = ly__client_request(&r->client, &head);
    ly_buffer_done(&head);
    return e;
}

/* ---- receiving ---- */

static int fail(const char *what, int error)
{
    ly__cli_say("exec", "%s: %s", what, ly_error_text(error));
    return LY__EXIT_EXEC;
}

static int open_output(struct ly__remote *r, int which)
{
    return r->output[which] ? 0 : ly_pipe_from_fd(&r->output[which], STDOUT_FILENO + which);
}

/* Write the event that has been made (made: the result of that). Returns 0 or an error of writing. */
static int write_event(struct ly__remote *r, int made)
{
    int e = made < 0 ? made : open_output(r, 0);
    const struct ly_buffer *line = &r->events.line;
    return e < 0 ? e : ly_pipe_writeall(r->output[0], ly_buffer_bytes(line), line->length);
}

/* The last event, where there is no end. */
static void tell_error(struct ly__remote *r, const char *error, const char *text)
{
    if (r->options->json)
        (void)write_event(r, ly__exec_json_error(&r->events, error, text));
}

static int lose(struct ly__remote *r, int error)
{
    error = error == 0 ? LY_EEOF : error;
    const char *text = error == LY_EEOF ? "the server closed it" : ly_error_text(error);
    ly__cli_say("exec", "lost the connection to %s: %s%s", r->client.address, text,
                r->heard ? "" : ly__client_advice(&r->client, error));
    tell_error(r, ly_error_name(error), text);
    return LY__EXIT_EXEC;
}

/* Nobody reads our output any more: end as SIGPIPE would, silently; the command is told by the closing. */
static int fail_output(int which, int error)
{
    if (error == -EPIPE)
        return EXIT_SIGNAL + SIGPIPE;
    return fail(which ? "cannot write to standard error" : "cannot write to standard output", error);
}

/* A piece of the command's output; a long one makes several events. Returns 0 or an error of writing. */
static int pass_on(struct ly__remote *r, int which, const char *bytes, size_t n)
{
    int e = r->options->json ? 0 : open_output(r, which);
    if (e < 0 || !r->options->json)
        return e < 0 ? e : ly_pipe_writeall(r->output[which], bytes, n);
    for (size_t piece; n > 0 && e == 0; bytes += piece, n -= piece) {
        piece = n < LY__EXEC_JSON_PIECE ? n : LY__EXEC_JSON_PIECE;
        e = write_event(r, ly__exec_json_output(&r->events, which, bytes, piece));
    }
    return e;
}

/* Pass n bytes of body on. Returns GOES_ON or the exit status. */
static int take_output(struct ly__remote *r, int which, int64_t n)
{
    int e = 0;
    while (n > 0 && e == 0) {
        const char *bytes;
        ssize_t got = ly_stream_peek(r->client.stream, 1, &bytes);
        if (got <= 0)
            return lose(r, (int)got);
        got = got < n ? got : (ssize_t)n;
        e = pass_on(r, which, bytes, (size_t)got);
        ly_stream_consume(r->client.stream, (size_t)got);
        n -= got;
    }
    return e < 0 ? fail_output(r->options->json ? 0 : which, e) : GOES_ON;
}

/* The end frame's exit status; GOES_ON if it is none. */
static int read_end(const struct ly__remote *r, struct ly_json header)
{
    int64_t number;
    bool timeout = false;
    if (ly_json_bool(ly_json_get(header, "timeout"), &timeout) == 0 && timeout) {
        ly__cli_say("exec", "the command was ended: it ran for longer than %.3g s",
                    (double)r->options->timeout_ms / 1000);
        return EXIT_TIMEOUT;
    }
    if (ly_json_int(ly_json_get(header, "exit"), &number) == 0)
        return (int)(number & 0xff);
    if (ly_json_int(ly_json_get(header, "signal"), &number) == 0)
        return EXIT_SIGNAL + (int)(number & 0x7f);
    return GOES_ON;
}

/* A frame that is no output, as an event. Returns 0 or an error of writing. */
static int tell_frame(struct ly__remote *r, struct ly_json header, bool is_end)
{
    bool started = false;
    if (is_end)
        return write_event(r, ly__exec_json_end(&r->events, header));
    if (ly_json_bool(ly_json_get(header, "started"), &started) < 0 || !started)
        return 0;
    return write_event(r, ly__exec_json_started(&r->events, header));
}

static int take_error(struct ly__remote *r, struct ly_json header)
{
    char name[64] = "", text[1024] = "";
    ly__say_remote("exec", header);
    (void)ly_json_string(ly_json_get(header, "error"), name, sizeof name);
    tell_error(r, name, ly__remote_text(header, text, sizeof text));
    return LY__EXIT_EXEC;
}

/* One frame from the server. Returns GOES_ON or the exit status. */
static int take_frame(struct ly__remote *r, const struct ly_frame *f)
{
    struct ly_json stream = ly_json_get(f->header, "stream");
    if (ly_json_type(ly_json_get(f->header, "error")) != LY_JSON_NONE)
        return take_error(r, f->header);
    if (ly_json_equal(stream, "out"))
        return take_output(r, 0, f->size);
    if (ly_json_equal(stream, "err"))
        return take_output(r, 1, f->size);
    int status = read_end(r, f->header);
    int told = r->options->json ? tell_frame(r, f->header, status != GOES_ON) : 0;
    if (told < 0)
        return fail_output(0, told);
    int e = status == GOES_ON ? ly_frame_skip(r->client.stream, f->size) : 0;
    return e < 0 ? lose(r, e) : status;
}

static int receive(struct ly__remote *r)
{
    int status = GOES_ON;
    while (status == GOES_ON) {
        struct ly_frame f;
        int e = ly_frame_recv(r->client.stream, &f);
        if (e <= 0)
            return lose(r, e);
        r->heard = true;
        status = take_frame(r, &f);
    }
    return status;
}

/* ---- the whole ---- */

static int converse(struct ly__remote *r)
{
    struct ly_scope *scope;
    int e = ly_scope_open(&scope, NULL);
    if (e < 0)
        return fail("cannot start", e);
    e = ly_go(scope, ly__remote_pass_signals, r);
    if (e == 0 && r->options->input)
        e = ly_go(scope, ly__remote_feed, r);
    if (e == 0)
        _exit(receive(r)); /* all is written, and the system clears away faster than we could */
    ly_scope_close(scope);
    return fail("cannot start", e);
}

static int run(void *arg)
{
    struct ly__remote *r = arg;
    int e = ly_mutex_new(&r->sending, LY_LOCAL);
    int status = e < 0 ? fail("cannot start", e) : converse(r);
    ly_mutex_free(r->sending);
    ly__client_close(&r->client); /* its socket belongs to this loop by now */
    ly_pipe_close(r->output[0]);
    ly_pipe_close(r->output[1]);
    return status;
}

/* Signals that a user's shell made us ignore stay ignored. */
static void block_signals(sigset_t *set)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    sigemptyset(set);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction now;
        if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaddset(set, signals[i]);
    }
    pthread_sigmask(SIG_BLOCK, set, NULL);
}

/* There is no connection, and why was said. No loop runs yet. */
static int give_up(struct ly__remote *r, int error)
{
    if (r->options->json &&
        ly__exec_json_error(&r->events, ly_error_name(error), ly_error_text(error)) == 0) {
        fwrite(ly_buffer_bytes(&r->events.line), 1, r->events.line.length, stdout);
        (void)fflush(stdout);
    }
    ly__exec_json_done(&r->events);
    return LY__EXIT_EXEC;
}

/* The request goes out before the loop is set up: the server begins meanwhile. Up to then signals do what
 * they always do, since connecting may wait for the network and for the user. */
int ly__remote_run(const struct ly__remote_options *options)
{
    struct ly__remote r = {.options = options};
    ly__exec_json_init(&r.events);
    int e = ly__client_open(&r.client, "exec", options->host);
    if (e == 0)
        e = send_request(&r);
    if (ly__client_has_said(&r.client))
        return give_up(&r, e);
    block_signals(&r.signals);
    int status = e < 0 ? fail("cannot send the request", e)
                       : ly_run(run, &r, &(struct ly_run_options){.reactor = "poll"});
    if (status < 0)
        status = fail("cannot start", status);
    ly__client_close(&r.client);
    ly__exec_json_done(&r.events);
    return status;
}
