/* SPDX-License-Identifier: MIT */
/*
 * Logging in by password: SCRAM, bound to the TLS channel, so that nobody who stands between can pass it on.
 * The server proves that it knows the password as well as we do; until it has, nothing else is believed.
 *
 * A failed login ends the connection, so each try has its own.
 */
#include "auth/scram.h"
#include "cli/ask.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/password.h"
#include <errno.h>
#include <inttypes.h>
#include <lanyard/error.h>
#include <lanyard/tls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 3
#define LOGIN_MS 60000 /* for an answer: a server takes its time with a wrong password */
#define MESSAGE_MAX (2 * LY__SCRAM_MESSAGE)

/* ---- the messages ---- */

static int put_message(struct ly__client *c, struct ly_buffer *head, const struct ly_buffer *message)
{
    int r = ly__client_begin(c, head, "login");
    if (r == 0)
        r = ly_json_put_string(head, "mechanism", LY__SCRAM_MECHANISM);
    return r < 0 ? r : ly_json_put_bytes(head, "data", ly_buffer_bytes(message), message->length);
}

/* Send our message and receive the server's into data. Returns its length, or an error as ly__client_scram.
 */
static ssize_t exchange(struct ly__client *c, const struct ly_buffer *message, char data[MESSAGE_MAX],
                        struct ly_frame *ret_frame)
{
    struct ly_buffer head;
    ly_buffer_init(&head, LY_FRAME_HEADER_MAX + 4);
    int r = ly__client_ask(c, &head, put_message(c, &head, message), ret_frame);
    ly_buffer_done(&head);
    if (r == LY_EREMOTE && ly_json_equal(ly_json_get(ret_frame->header, "error"), "LY_EDENIED"))
        return LY_EDENIED;
    return r < 0 ? r : ly_json_string(ly_json_get(ret_frame->header, "data"), data, MESSAGE_MAX);
}

static int converse(struct ly__client *c, struct ly__scram_client *scram, struct ly_frame *ret_frame)
{
    char data[MESSAGE_MAX];
    ssize_t n = 0;
    bool is_in = false;
    for (;;) {
        struct ly_buffer message;
        ly_buffer_init(&message, MESSAGE_MAX);
        int r = ly__scram_client_step(scram, data, (size_t)n, &message);
        if (r == LY_EDENIED || (r >= 0 && (r > 0) != is_in))
            r = LY_EPEER; /* it says yes without a proof, or goes on behind it */
        else if (r == 0 && (n = exchange(c, &message, data, ret_frame)) < 0)
            r = (int)n;
        ly_buffer_done(&message);
        if (r != 0)
            return r < 0 ? r : 0;
        if (ly_json_bool(ly_json_get(ret_frame->header, "ok"), &is_in) < 0)
            is_in = false;
    }
}

int ly__client_scram(struct ly__client *c, const char *name, const char *password, struct ly_frame *ret_frame)
{
    uint8_t binding[LY__SCRAM_BINDING];
    struct ly__scram_client *scram = NULL;
    struct ly_sock *sock = ly_stream_sock(c->stream);
    ly_sock_set_timeout(sock, LOGIN_MS);
    int r = ly_tls_export(sock, "EXPORTER-Channel-Binding", binding, sizeof binding);
    if (r == 0)
        r = ly__scram_client_new(&scram, name, password, binding);
    if (r == 0)
        r = converse(c, scram, ret_frame);
    ly__scram_client_free(scram);
    return r;
}

/* ---- what is said ---- */

static const char *explain(int error)
{
    switch (error) {
    case LY_EPEER:
        return "it cannot prove that it knows the password: it is not the machine that you have one for, or somebody "
               "stands between. Do not use that password until you know which";
    case LY_EREFUSED:
        return "it asks for a use of the password that would give it away, or takes hours; nothing was sent";
    case LY_EDECODE:
    case -EINVAL:
        return "the name or the password is not text that a login can use";
    default:
        return NULL;
    }
}

/* For how long that machine takes nothing from here; "": it does. */
static void say_wait(char *buf, size_t size, const struct ly_frame *f)
{
    int64_t ms = 0;
    *buf = 0;
    if (ly_json_int(ly_json_get(f->header, "wait_ms"), &ms) == 0 && ms > 0)
        snprintf(buf, size, ". Too many have failed: it takes nothing from here for the next %" PRId64 " s",
                 ms / 1000 + (ms % 1000 > 0));
}

static void say_failure(const struct ly__client *c, const char *name, int error, const struct ly_frame *f)
{
    char why[LY__WHY], wait[128];
    const char *text = explain(error);
    if (error == LY_EDENIED) {
        say_wait(wait, sizeof wait, f);
        ly__cli_say(
            c->command, "%s: the login as %s has failed: wrong name or password%s%s", c->address, name,
            c->is_new ? ", or somebody stands between you and that machine, which was not known here before"
                      : "",
            wait);
    } else if (error == LY_EREMOTE)
        ly__say_not_let_in(c, f->header);
    else
        ly__cli_say(c->command, "%s: %s", c->address, text ? text : ly__client_why(error, why));
}

static void say_no_way(const struct ly__client *c, const char *name)
{
    ly__cli_say(
        c->command,
        "%s %s, and there is nobody to ask for the password of %s. Use --password-file, or make the key known: "
        "'lanyard user pair %s' there shows a code for 'lanyard pair %s' here",
        c->address,
        c->without_key ? "knows this machine's key as another user's" : "does not know this machine's key",
        name, name, c->address);
}

/* ---- one login ---- */

/* The server may have hung up while we waited for the user; then it is tried once more. */
static int try_password(struct ly__client *c, const char *name, const char *password, bool is_last)
{
    struct ly_frame f = {.size = 0};
    int r = ly__client_scram(c, name, password, &f);
    if (r == LY_EEOF && c->waited) {
        if (ly__client_reopen(c) < 0)
            return c->lost;
        r = ly__client_scram(c, name, password, &f);
    }
    bool is_refused = r == LY_EDENIED && ly_json_type(ly_json_get(f.header, "wait_ms")) != LY_JSON_NONE;
    if (r < 0 && (is_last || is_refused || r != LY_EDENIED))
        say_failure(c, name, r, &f);
    if (is_refused)
        c->lost = r; /* another try would not be heard */
    return r;
}

/* The last one that was right, for further connections of this process. */
static struct {
    char address[LY__HOST_TEXT], name[LY__PEER_USER], password[LY__PASSWORD_SIZE];
} right;

static bool is_right(const struct ly__client *c, const char *name)
{
    return strcmp(right.address, c->address) == 0 && strcmp(right.name, name) == 0;
}

static void keep_right(const struct ly__client *c, const char *name, const char *password)
{
    memcpy(right.address, c->address, sizeof right.address);
    snprintf(right.name, sizeof right.name, "%s", name);
    snprintf(right.password, sizeof right.password, "%s", password);
}

static int login_by_prompt(struct ly__client *c, const char *name)
{
    char question[LY__PEER_USER + LY__HOST_TEXT + 32], password[LY__PASSWORD_SIZE];
    int r = LY_EDENIED;
    snprintf(question, sizeof question, "Password of %s on %s: ", name, c->address);
    for (int i = 1; i <= TRIES && r == LY_EDENIED && c->lost == 0; i++) {
        int n = ly__client_options.is_batch ? -ENXIO : ly__password_ask(c->command, question, password);
        if (n < 0) {
            if (n == -ENXIO)
                say_no_way(c, name);
            return n;
        }
        c->waited = true;
        if (i > 1 && ly__client_reopen(c) < 0)
            r = c->lost;
        else
            r = try_password(c, name, password, i == TRIES);
        if (r == 0)
            keep_right(c, name, password);
        if (r == LY_EDENIED && i < TRIES && c->lost == 0)
            ly__cli_say(c->command, "wrong name or password");
        explicit_bzero(password, sizeof password);
    }
    return r;
}

static int login_by_file(struct ly__client *c, const char *name, const char *file)
{
    char password[LY__PASSWORD_SIZE];
    int r = ly__password_read(c->command, file, password);
    if (r >= 0)
        r = try_password(c, name, password, true);
    explicit_bzero(password, sizeof password);
    return r;
}

/* The user's name there: as named, else as here. The system's database is not asked: see docs/decisions.md.
 */
static const char *find_name(const struct ly__client *c)
{
    if (*c->host.peer.user)
        return c->host.peer.user;
    const char *name = getenv("LOGNAME");
    if (!name || !*name)
        name = getenv("USER");
    return name && *name ? name : NULL;
}

int ly__client_login(struct ly__client *c)
{
    const char *name = find_name(c), *file = ly__client_options.password_file;
    if (!name) {
        ly__cli_say(c->command, "neither $LOGNAME nor $USER says who you are: name a user, as in USER@%s",
                    c->address);
        return LY_ELOGIN;
    }
    if (!file)
        file = getenv("LANYARD_PASSWORD_FILE");
    if (file && *file)
        return login_by_file(c, name, file);
    return is_right(c, name) ? try_password(c, name, right.password, true) : login_by_prompt(c, name);
}
