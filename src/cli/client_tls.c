/* SPDX-License-Identifier: MIT */
/*
 * A connection over the network: TLS, in which both ends show a certificate that they have made themselves.
 * It counts for its key alone. The server's is compared with what is remembered, or named, before the first
 * byte of ours is sent in the channel; ours may be a device's that the server knows.
 */
#include "auth/known.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/state.h"
#include "cli/trust.h"
#include <errno.h>
#include <lanyard/clock.h>
#include <lanyard/error.h>
#include <lanyard/fiber.h>
#include <lanyard/tls.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#define PEM_MAX 16384
#define WAIT_LONG ((int64_t)500 * 1000 * 1000) /* ns: longer is the user, who thinks */

/* ---- why it failed ---- */

/* What OpenSSL says when the other side's bytes are no TLS at all. */
static bool is_other_protocol(const char *why)
{
    static const char *const said[] = {"wrong version number", "http request",       "packet length too long",
                                       "record layer failure", "unexpected message", "bad record type"};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        if (strstr(why, said[i]))
            return true;
    }
    return false;
}

/* What the server's alert stands for: a gate that takes nobody has no other words (docs/protocol.md, 3.1). */
static const char *explain_alert(const char *why)
{
    static const struct {
        const char *alert, *text;
    } rows[] = {
        {"alert access denied",
         "it takes nothing from here for now: too many logins from this address have failed, or "
         "connections made no sense. Wait before the next try: each failure makes it longer, up "
         "to 10 minutes"},
        {"alert internal error",
         "too many connections wait for their login there, from this address or in all: try "
         "again in a moment"},
        {"alert protocol version", "it speaks no TLS 1.3"},
        {"unsupported protocol", "it speaks no TLS 1.3"},
        {"alert certificate required", "it wants a certificate of its own kind: it is no lanyard"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strstr(why, rows[i].alert))
            return rows[i].text;
    }
    return NULL;
}

static const char *explain(int error)
{
    switch (error) {
    case -ECONNREFUSED:
        return "nothing listens there: is 'lanyard serve' running, and on the network?";
    case -EHOSTUNREACH:
    case -ENETUNREACH:
        return "there is no route to it";
    case LY_ENONAME:
        return "there is no machine of that name";
    case LY_ERESOLVE:
        return "its name cannot be resolved now";
    case -ECONNRESET:
    case -EPIPE:
    case LY_EEOF:
    case LY_ECUT:
        return "it ended the connection without a word: it serves no TLS on this port (one with --insecure-loopback is "
               "named by tcp://), was ended, or takes nothing from here";
    default:
        return ly_error_text(error);
    }
}

const char *ly__client_why(int error, char *buf)
{
    if (error == -ETIMEDOUT)
        snprintf(buf, LY__WHY, "no answer within %.3g s", (double)ly__client_options.connect_ms / 1000);
    else if (error == LY_EDENIED)
        snprintf(buf, LY__WHY, "it refuses this login");
    else if (error == LY_EFRAME || error == LY_EJSON || error == LY_ETOOBIG)
        snprintf(buf, LY__WHY, "%s: what answers there is no lanyard, or a broken one", ly_error_text(error));
    else
        snprintf(buf, LY__WHY, "%s", explain(error));
    return buf;
}

static void say_failure(const struct ly__client *c, const struct ly_sock *sock, int error)
{
    char why[LY__WHY], tls[LY_TLS_WHY] = "";
    if (sock && error == LY_ETLS)
        ly_tls_why(sock, tls, sizeof tls);
    const char *text = *tls ? explain_alert(tls) : ly__client_why(error, why), *speaks = strstr(tls, " (it ");
    if (error == LY_EEOF) /* TLS's own goodbye in place of a handshake */
        text = "it is shutting down: try again when it is back";
    if (text)
        ly__cli_say(c->command, "cannot connect to %s: %s", c->address, text);
    else if (is_other_protocol(tls))
        ly__cli_say(c->command, "cannot connect to %s: what answers there does not speak TLS%s", c->address,
                    speaks ? speaks : "");
    else
        ly__cli_say(c->command, "cannot connect to %s: the TLS handshake failed: %s", c->address, tls);
}

/* ---- TLS ---- */

static int open_context(struct ly_tls **ret_tls, const struct ly__key *key)
{
    struct ly_buffer certificate;
    struct ly_tls_options o = {.verify = LY_TLS_VERIFY_NONE, .no_tickets = true};
    ly_buffer_init(&certificate, PEM_MAX);
    int r = key ? ly__key_certificate_pem(key, &certificate) : 0;
    if (r == 0 && key) {
        o.key_object = key->pair;
        o.certificate = ly_buffer_bytes(&certificate);
    }
    if (r == 0)
        r = ly_tls_open(ret_tls, &o);
    ly_buffer_done(&certificate);
    return r;
}

/* Connect and shake hands, all of it within the time that there is. *ret_sock is set as soon as there is one.
 */
static int reach(const struct ly__client *c, struct ly_tls *tls, struct ly_sock **ret_sock)
{
    char address[LY__HOST_TEXT + sizeof LY__HOST_TLS];
    struct ly_scope *scope;
    snprintf(address, sizeof address, LY__HOST_TLS "%s", c->host.peer.name);
    int r = ly_scope_open(&scope,
                          &(struct ly_scope_options){.deadline = ly_deadline(ly__client_options.connect_ms)});
    if (r < 0)
        return r;
    r = ly_connect(ret_sock, address, &(struct ly_connect_options){.tls = tls});
    if (r == 0)
        r = ly_tls_handshake(*ret_sock);
    ly_scope_close(scope);
    return r;
}

static int connect_with(struct ly__client *c, const struct ly__key *key, struct ly_sock **ret_sock)
{
    struct ly_tls *tls = NULL;
    struct ly_sock *sock = NULL;
    int r = open_context(&tls, key);
    if (r < 0) {
        ly__cli_say(c->command, "cannot start TLS: %s", ly_error_text(r));
        return r;
    }
    r = reach(c, tls, &sock);
    ly_tls_close(tls); /* the socket keeps what it needs */
    if (r == 0)
        r = ly_tls_peer_key(sock, c->id);
    if (r < 0) {
        say_failure(c, sock, r);
        ly_sock_free(sock);
        return r;
    }
    *ret_sock = sock;
    return 0;
}

/* ---- whose key it is ---- */

static int check(struct ly__client *c, const char *directory)
{
    char id[LY__ID_TEXT];
    struct ly__trust t = {c->command, directory, ly__client_options.accept_new, ly__client_options.is_batch};
    ly__id_format(id, c->id);
    int64_t began = ly_now();
    int answer = *c->host.peer.id ? 0 : ly__known_find(directory, c->host.peer.name, id, NULL);
    int r = ly__trust(&t, &c->host.peer, id);
    c->is_new = c->is_new || answer == LY__KNOWN_NOT;
    c->waited = ly_now() - began > WAIT_LONG;
    return r;
}

int ly__client_remember(struct ly__client *c)
{
    char directory[PATH_MAX], id[LY__ID_TEXT];
    ly__id_format(id, c->id);
    int r = ly__cli_state(c->command, directory, true);
    if (r < 0)
        return r;
    r = ly__known_remember(directory, c->host.peer.name, id);
    if (r < 0)
        ly__trust_say(c->command, directory, r);
    return r;
}

/* OpenSSL, without its own end at exit: that would take a twentieth of a short command's life, to free what
 * goes with the process, also from under a task's thread that has not quite ended. */
static void begin_openssl(void)
{
    (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL); /* failed: the next call says so */
}

int ly__client_connect_tls(struct ly__client *c, struct ly_sock **ret_sock)
{
    char directory[PATH_MAX];
    struct ly__key key = {.pair = NULL};
    struct ly_sock *sock = NULL;
    begin_openssl();
    int r = ly__cli_state(c->command, directory, true);
    if (r == 0 && !c->without_key)
        r = ly__cli_key(c->command, directory, LY__KEY_FILE, true, &key);
    if (r == 0)
        r = connect_with(c, c->without_key ? NULL : &key, &sock);
    ly__key_close(&key);
    if (r == 0 && (!c->unchecked || *c->host.peer.id))
        r = check(c, directory);
    if (r < 0) {
        ly_sock_free(sock);
        return r;
    }
    *ret_sock = sock;
    return 0;
}
