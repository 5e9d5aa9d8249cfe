/* SPDX-License-Identifier: MIT */
/*
 * Who we are is found out without a round trip of its own where that is possible. The first request on a
 * connection goes out behind a "hello", in one piece. If the answer to that is that we must log in first, the
 * same comes back for the request; then the user logs in by password, and both are sent again. A server that
 * knows this machine's key, as that of a device, has done the request meanwhile.
 *
 * A user who is named is not left to chance: then "hello" goes out alone, since the key may be that of
 * somebody else's device, and it would be in their name that the request was done.
 */
#include "cli/client.h"
#include "auth/known.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/state.h"
#include "daemon/place.h"
#include "service/service.h"
#include <errno.h>
#include <lanyard/error.h>
#include <netinet/tcp.h>
#include <string.h>

#define BUFFER LY__SESSION_READ /* of a connection, each way: what one call moves */
#define HEAD_MAX (LY_FRAME_HEADER_MAX + 4)

/* ---- connecting ---- */

static bool is_default(const char *address)
{
    char place[LY_ADDRESS_TEXT];
    int r = ly__place_default(place, sizeof place, false, NULL);
    return (r == 0 || r == -ENOENT) && strcmp(place, address) == 0;
}

/* A server that was told where to listen, on the network only perhaps, has no other socket. */
static void say_no_server(const struct ly__client *c)
{
    if (is_default(c->address))
        ly__cli_say(
            c->command,
            "cannot connect to %s: no server listens there. Start one by 'lanyard serve'; one that was "
            "told where to listen, by --listen or in lanyard.conf, has to be told this address, too",
            c->address);
    else
        ly__cli_say(
            c->command,
            "cannot connect to %s: no server listens there. Start one by 'lanyard serve --listen %s', "
            "or name this address to it beside its others",
            c->address, c->address);
}

static int say_failure(const struct ly__client *c, int error)
{
    bool is_unserved = error == -ECONNREFUSED || error == -ENOENT;
    if (error == -EPERM)
        ly__cli_say(c->command, "the default socket's folder belongs to somebody else; name the server");
    else if (error == LY_EADDRESS)
        ly__cli_say(
            c->command,
            "cannot connect to %s: it names no machine (expected unix:PATH, or [USER@]NAME[:PORT][#ID])",
            c->address);
    else if (is_unserved && strncmp(c->address, "unix:", 5) == 0)
        say_no_server(c);
    else
        ly__cli_say(c->command, "cannot connect to %s: %s%s", c->address, ly_error_text(error),
                    is_unserved ? " (is \"lanyard serve\" running?)" : "");
    return error;
}

static int connect_here(struct ly__client *c, struct ly_sock **ret_sock)
{
    int r = ly_connect(ret_sock, c->address,
                       &(struct ly_connect_options){.timeout_ms = ly__client_options.connect_ms});
    if (r == 0)
        ly_sock_set_timeout(*ret_sock, LY_FOREVER);
    return r < 0 ? say_failure(c, r) : 0;
}

/* Nothing waits to be sent in larger pieces; and a server that is gone without a word, since its machine or
 * the network has failed, is missed after a minute. */
static void tune(struct ly_sock *sock)
{
    static const struct {
        int level, name, value;
    } rows[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 30}, {IPPROTO_TCP, TCP_KEEPINTVL, 10},
        {IPPROTO_TCP, TCP_KEEPCNT, 3},   {IPPROTO_TCP, TCP_USER_TIMEOUT, 60000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        (void)ly_sock_set_int(sock, rows[i].level, rows[i].name, rows[i].value);
}

void ly__client_be_patient(struct ly__client *c)
{
    struct ly_sock *sock = ly_stream_sock(c->stream);
    if (ly_sock_family(sock) != AF_UNIX)
        (void)ly_sock_set_int(sock, IPPROTO_TCP, TCP_USER_TIMEOUT, 0);
}

static int connect_host(struct ly__client *c)
{
    struct ly_sock *sock;
    int r = c->host.is_tls ? ly__client_connect_tls(c, &sock) : connect_here(c, &sock);
    if (r < 0)
        return r;
    if (ly_sock_family(sock) != AF_UNIX)
        tune(sock);
    r = ly_stream_open(&c->stream, sock,
                       &(struct ly_stream_options){.read_size = BUFFER, .write_size = BUFFER});
    return r < 0 ? say_failure(c, r) : 0;
}

int ly__client_reopen(struct ly__client *c)
{
    ly__client_close(c);
    c->waited = false;
    c->lost = connect_host(c);
    return c->lost;
}

int ly__client_open(struct ly__client *c, const char *command, const char *host)
{
    *c = (struct ly__client){.command = command};
    int r = ly__host_parse(&c->host, host);
    memcpy(c->address, c->host.address, sizeof c->address);
    c->settled = !c->host.is_tls;
    c->lost = r < 0 ? say_failure(c, r) : connect_host(c);
    return c->lost;
}

int ly__client_begin_pairing(struct ly__client *c, const char *command, const char *host)
{
    *c = (struct ly__client){.command = command, .unchecked = true};
    int r = ly__host_parse(&c->host, host);
    memcpy(c->address, c->host.address, sizeof c->address);
    c->lost = r < 0 ? say_failure(c, r) : 0;
    if (r == 0 && !c->host.is_tls) {
        ly__cli_say(command, "%s is no machine on the network", c->address);
        c->lost = LY_EADDRESS;
    }
    return c->lost;
}

void ly__client_close(struct ly__client *c)
{
    ly_stream_close(c->stream);
    c->stream = NULL;
}

bool ly__client_has_said(const struct ly__client *c)
{
    return c->lost < 0;
}

const char *ly__client_advice(const struct ly__client *c, int error)
{
    bool is_end = error == LY_EEOF || error == LY_ECUT || error == -ECONNRESET || error == -EPIPE;
    bool is_strange = error == LY_ETOOBIG || error == LY_EFRAME; /* what a TLS alert looks like */
    bool is_plain = strncmp(c->address, "tcp://", strlen("tcp://")) == 0;
    return is_plain && (is_end || is_strange) ? "; if it speaks TLS, name it without tcp://" : "";
}

/* It is of no use any more, and that was said. */
static int lose(struct ly__client *c, int error)
{
    ly__client_close(c);
    c->lost = error;
    return error;
}

/* ---- requests of our own ---- */

/* The errors of a connection that the other side has ended. */
static int name_end(int error)
{
    return error == -EPIPE || error == -ECONNRESET || error == LY_ECUT ? LY_EEOF : error;
}

static int receive(struct ly__client *c, struct ly_frame *ret_frame)
{
    int r = ly_frame_recv(c->stream, ret_frame);
    if (r <= 0)
        return r < 0 ? name_end(r) : LY_EEOF;
    if (ret_frame->size > 0)
        return LY_EFRAME; /* no answer that we wait for here has a body */
    return ly_json_type(ly_json_get(ret_frame->header, "error")) != LY_JSON_NONE ? LY_EREMOTE : 0;
}

int ly__client_begin(struct ly__client *c, struct ly_buffer *head, const char *cmd)
{
    int r = ly_frame_begin(head);
    if (r == 0)
        r = ly_json_put_string(head, "cmd", cmd);
    return r < 0 ? r : ly_json_put_int(head, "id", c->requests++);
}

static int put(struct ly__client *c, struct ly_buffer *head, int r)
{
    if (r == 0)
        r = ly_frame_end(head, 0);
    return r < 0 ? r : ly_frame_send(c->stream, head, NULL, 0);
}

static int flush(struct ly__client *c, int r)
{
    return name_end(r < 0 ? r : ly_stream_flush(c->stream));
}

int ly__client_ask(struct ly__client *c, struct ly_buffer *head, int r, struct ly_frame *ret_frame)
{
    r = flush(c, put(c, head, r));
    return r < 0 ? r : receive(c, ret_frame);
}

/* ---- the first one ---- */

static void learn_next_key(const struct ly__client *c, struct ly_json hello)
{
    char directory[PATH_MAX];
    struct ly__announcement a;
    struct ly_json object = ly_json_get(hello, "next_key");
    if (ly_json_type(object) != LY_JSON_OBJECT || ly__announcement_get(&a, object) < 0 ||
        ly__cli_state(c->command, directory, false) < 0)
        return;
    (void)ly__known_learn(directory, c->host.peer.name, c->id,
                          &a); /* what fails now is tried again next time */
}

/* The answer to "hello": whether it is in the right name that requests are done. */
static int take_hello(const struct ly__client *c, struct ly_json hello)
{
    learn_next_key(c, hello);
    if (*c->host.peer.user && !ly_json_equal(ly_json_get(hello, "user"), c->host.peer.user))
        return LY_EDENIED;
    return 0;
}

/* Send "hello", with the request behind it unless it is to wait. Returns 0; LY_ELOGIN; LY_EDENIED (we are
 * another user than the one who is named); LY_EREMOTE and the frame; another error. */
static int greet(struct ly__client *c, const struct ly_buffer *request, bool waits,
                 struct ly_frame *ret_frame)
{
    struct ly_buffer head;
    struct ly_frame other;
    ly_buffer_init(&head, HEAD_MAX);
    int r = put(c, &head, ly__client_begin(c, &head, "hello"));
    ly_buffer_done(&head);
    if (r == 0 && !waits)
        r = ly_frame_send(c->stream, request, NULL, 0);
    r = flush(c, r);
    if (r == 0)
        r = receive(c, ret_frame);
    if (r == 0)
        return take_hello(c, ret_frame->header);
    if (r != LY_EREMOTE || !ly_json_equal(ly_json_get(ret_frame->header, "error"), "LY_ELOGIN"))
        return r;
    if (!waits && (r = receive(c, &other)) != LY_EREMOTE)
        return r < 0 ? r : LY_EFRAME; /* a server that does what a stranger asks is none */
    return LY_ELOGIN;
}

static int say_greeting(struct ly__client *c, int error, const struct ly_frame *f)
{
    char why[LY__WHY];
    if (error == LY_EREMOTE)
        ly__say_not_let_in(c, f->header);
    else
        ly__cli_say(c->command, "%s: %s", c->address, ly__client_why(error, why));
    return lose(c, error);
}

/* We are somebody else there than the one who is named: come again as a stranger. */
static int come_as_stranger(struct ly__client *c)
{
    c->without_key = true;
    return ly__client_reopen(c);
}

static int settle(struct ly__client *c, const struct ly_buffer *request)
{
    bool waits = *c->host.peer.user, has_logged_in = false;
    for (;;) {
        struct ly_frame f = {.size = 0};
        ly_sock_set_timeout(ly_stream_sock(c->stream), ly__client_options.connect_ms);
        int r = greet(c, request, waits, &f);
        if (r == LY_EEOF && c->waited)
            r = ly__client_reopen(c);
        else if (r == LY_EDENIED && !c->without_key)
            r = come_as_stranger(c);
        else if (r == LY_ELOGIN && !has_logged_in) {
            r = ly__client_login(c);
            has_logged_in = true;
        } else if (r == 0) {
            c->settled = true;
            ly_sock_set_timeout(ly_stream_sock(c->stream), LY_FOREVER);
            return waits ? flush(c, ly_frame_send(c->stream, request, NULL, 0)) : 0;
        } else {
            return say_greeting(c, r, &f);
        }
        if (r < 0)
            return lose(c, r);
    }
}

int ly__client_request(struct ly__client *c, const struct ly_buffer *head)
{
    if (c->lost < 0)
        return c->lost;
    if (!c->settled)
        return settle(c, head);
    int r = ly_frame_send(c->stream, head, NULL, 0);
    return r < 0 ? r : ly_stream_flush(c->stream);
}
