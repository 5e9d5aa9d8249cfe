/* SPDX-License-Identifier: MIT */
/*
 * SCRAM's client.
 *
 * The server chooses salt and iterations, so it is heard only within limits: too few iterations would let
 * whoever stands behind it try passwords cheaply, too many would keep us busy for hours.
 */
#include "auth/scram_common.h"
#include <errno.h>
#include <lanyard/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SALT_MIN 8
#define SALT_MAX 256

struct ly__scram_client {
    Gsasl_session *session;
    char *password; /* prepared; NULL once it is used */
    int steps;
    int error; /* below 0 once it has failed */
};

static void forget_password(struct ly__scram_client *c)
{
    if (c->password) {
        explicit_bzero(c->password, strlen(c->password));
        free(c->password);
    }
    c->password = NULL;
}

static int prepare(struct ly__scram_client *c, const char *name, const char *password)
{
    char *prepared;
    if (strlen(password) > LY__PASSWORD_MAX || strlen(name) > LY__SCRAM_MESSAGE / 4)
        return LY_ETOOBIG;
    int r = ly__scram_prepare(password, &c->password);
    if (r == 0)
        r = ly__scram_prepare(name, &prepared);
    if (r != 0)
        return r;
    r = gsasl_property_set(c->session, GSASL_AUTHID, prepared) == GSASL_OK ? 0 : -ENOMEM;
    free(prepared);
    return r;
}

int ly__scram_client_new(struct ly__scram_client **ret_client, const char *name, const char *password,
                         const uint8_t binding[LY__SCRAM_BINDING])
{
    struct ly__scram_client *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    int r = ly__gsasl_start(&c->session, false, binding, c);
    if (r == 0)
        r = prepare(c, name, password);
    if (r < 0) {
        ly__scram_client_free(c);
        return r;
    }
    *ret_client = c;
    return 0;
}

void ly__scram_client_free(struct ly__scram_client *c)
{
    if (!c)
        return;
    ly__gsasl_finish(c->session);
    forget_password(c);
    free(c);
}

/* ---- the salted password ---- */

/* What the server has sent, in binary, to be freed. */
static int read_salt(Gsasl_session *session, char **ret_salt, size_t *ret_length)
{
    const char *text = gsasl_property_fast(session, GSASL_SCRAM_SALT);
    if (!text || gsasl_base64_from(text, strlen(text), ret_salt, ret_length) != GSASL_OK)
        return LY_EDENIED;
    return 0;
}

static unsigned long read_iterations(Gsasl_session *session)
{
    const char *text = gsasl_property_fast(session, GSASL_SCRAM_ITER);
    return text ? strtoul(text, NULL, 10) : 0;
}

static void print_hex(char *out, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static int set_salted(struct ly__scram_client *c, const char *salt, size_t length, uint32_t iterations)
{
    uint8_t salted[LY__SCRAM_KEY];
    char hex[2 * LY__SCRAM_KEY + 1];
    int r = ly__scram_salt(c->password, salt, length, iterations, salted);
    if (r == 0) {
        print_hex(hex, salted, sizeof salted);
        r = gsasl_property_set(c->session, GSASL_SCRAM_SALTED_PASSWORD, hex) == GSASL_OK ? 0 : -ENOMEM;
    }
    explicit_bzero(salted, sizeof salted);
    explicit_bzero(hex, sizeof hex);
    return r;
}

static int salt_password(struct ly__scram_client *c)
{
    char *salt = NULL;
    size_t length = 0;
    unsigned long iterations = read_iterations(c->session);
    if (iterations < LY__SCRAM_ITERATIONS_MIN || iterations > LY__SCRAM_ITERATIONS_MAX)
        return LY_EREFUSED;
    int r = read_salt(c->session, &salt, &length);
    if (r == 0 && (length < SALT_MIN || length > SALT_MAX))
        r = LY_EREFUSED;
    if (r == 0)
        r = set_salted(c, salt, length, (uint32_t)iterations);
    gsasl_free(salt);
    forget_password(c);
    return r;
}

int ly__scram_client_ask(struct ly__scram_client *c, Gsasl_property property)
{
    if (property != GSASL_SCRAM_SALTED_PASSWORD || !c->password)
        return GSASL_NO_CALLBACK;
    int r = salt_password(c);
    if (r < 0)
        c->error = r;
    return r < 0 ? GSASL_AUTHENTICATION_ERROR : GSASL_OK;
}

/* ---- steps ---- */

int ly__scram_client_step(struct ly__scram_client *c, const void *message, size_t n, struct ly_buffer *out)
{
    if (c->error < 0)
        return c->error;
    int r = LY_EDENIED;
    if (n <= LY__SCRAM_MESSAGE && (n > 0) == (c->steps > 0))
        r = ly__gsasl_step(c->session, message, n, &c->error, out);
    c->steps++;
    if (r != 0)
        c->error = r < 0 ? r : LY_EDENIED; /* no further step */
    return r;
}
