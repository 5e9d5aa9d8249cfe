/* SPDX-License-Identifier: MIT */
/*
 * SCRAM's server.
 *
 * A stranger's bytes come here before anybody is logged in. So a message is let through to libgsasl only when
 * it is short, text, and begins as the one kind of login that there is. A downgrade ("n,,", "y,,"), another
 * kind of binding and a login in the name of another user ("a=") all fail on that comparison, whatever the
 * library would do with them.
 */
#include "auth/scram_common.h"
#include "base/utf8.h"
#include <errno.h>
#include <lanyard/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER "p=tls-exporter,,n="

struct ly__scram_server {
    Gsasl_session *session;
    ly__scram_find_fn *find;
    void *arg;
    char *name;
    int steps;
    int error; /* of find; below 0 once it has failed */
};

int ly__scram_server_new(struct ly__scram_server **ret_server, const uint8_t binding[LY__SCRAM_BINDING],
                         ly__scram_find_fn *find, void *arg)
{
    struct ly__scram_server *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->find = find;
    s->arg = arg;
    int r = ly__gsasl_start(&s->session, true, binding, s);
    if (r < 0) {
        free(s);
        return r;
    }
    *ret_server = s;
    return 0;
}

void ly__scram_server_free(struct ly__scram_server *s)
{
    if (!s)
        return;
    ly__gsasl_finish(s->session);
    free(s->name);
    free(s);
}

const char *ly__scram_server_name(const struct ly__scram_server *s)
{
    return s->name ? s->name : "";
}

/* ---- what libgsasl asks for ---- */

static int give(Gsasl_session *session, const struct ly__scram_secret *secret)
{
    char iterations[16];
    snprintf(iterations, sizeof iterations, "%u", (unsigned)secret->iterations);
    int code = gsasl_property_set(session, GSASL_SCRAM_ITER, iterations);
    if (code == GSASL_OK)
        code = ly__gsasl_set_base64(session, GSASL_SCRAM_SALT, secret->salt, sizeof secret->salt);
    if (code == GSASL_OK)
        code = ly__gsasl_set_base64(session, GSASL_SCRAM_SERVERKEY, secret->server_key,
                                    sizeof secret->server_key);
    if (code == GSASL_OK)
        code = ly__gsasl_set_base64(session, GSASL_SCRAM_STOREDKEY, secret->stored_key,
                                    sizeof secret->stored_key);
    return code;
}

static int look_up(struct ly__scram_server *s)
{
    struct ly__scram_secret secret = {.iterations = 0};
    const char *claimed = gsasl_property_fast(s->session, GSASL_AUTHID);
    int r = claimed ? ly__scram_prepare(claimed, &s->name) : LY_EDENIED;
    if (r < 0 && r != -ENOMEM)
        r = LY_EDENIED; /* what cannot be a name is nobody's */
    if (r == 0)
        r = s->find(s->arg, s->name, &secret);
    if (r >= 0)
        r = give(s->session, &secret) == GSASL_OK ? 0 : -ENOMEM;
    explicit_bzero(&secret, sizeof secret);
    return r;
}

/* It asks for the iterations when it knows the name, and for nothing else that is to be had. */
int ly__scram_server_ask(struct ly__scram_server *s, Gsasl_property property)
{
    if (property != GSASL_SCRAM_ITER || s->name || s->error < 0)
        return GSASL_NO_CALLBACK;
    s->error = look_up(s);
    return s->error < 0 ? GSASL_AUTHENTICATION_ERROR : GSASL_OK;
}

/* ---- steps ---- */

/* The proof ends the last message. The last character of 32 bytes in base64 stands for two bits more than
 * there are; decoders do not look at them, but a proof has one text. */
static bool ends_as_a_proof(const char *message, size_t n)
{
    static const char ends[] = "AEIMQUYcgkosw048";
    return n > 2 && message[n - 1] == '=' && memchr(ends, message[n - 2], sizeof ends - 1);
}

static bool is_fit(const struct ly__scram_server *s, const char *message, size_t n)
{
    if (n == 0 || n > LY__SCRAM_MESSAGE || memchr(message, '\0', n) || !ly__utf8_valid(message, n))
        return false;
    if (s->steps > 0)
        return ends_as_a_proof(message, n);
    return n > strlen(HEADER) && memcmp(message, HEADER, strlen(HEADER)) == 0;
}

int ly__scram_server_step(struct ly__scram_server *s, const void *message, size_t n, struct ly_buffer *out)
{
    if (s->error < 0)
        return s->error;
    int r = is_fit(s, message, n) ? ly__gsasl_step(s->session, message, n, &s->error, out) : LY_EDENIED;
    s->steps++;
    if (r != 0)
        s->error = r < 0 ? r : LY_EDENIED; /* no further step */
    return r;
}
