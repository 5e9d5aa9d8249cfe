/* SPDX-License-Identifier: MIT */
/*
 * SCRAM's common part.
 *
 * The exchange is libgsasl's. What stands around it here is what a library for every protocol leaves open:
 * which messages are let in at all, that passwords never enter its memory (it does not wipe what it frees),
 * and that the many rounds of HMAC run in OpenSSL, which is three times as fast.
 */
#include "auth/scram_common.h"
#include "base/utf8.h"
#include <errno.h>
#include <lanyard/error.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* What the callback finds with a session. */
struct hook {
    bool is_server;
    bool is_broken; /* the session cannot be freed */
    void *side;     /* a struct ly__scram_server or ly__scram_client */
    Gsasl_session *session;
    struct hook *next; /* in broken */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Gsasl *library;      /* kept until the process ends */
static struct hook *broken; /* likewise: see ly__gsasl_finish */

static int ask(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property)
{
    (void)gsasl;
    const struct hook *h = gsasl_session_hook_get(session);
    if (!h)
        return GSASL_NO_CALLBACK;
    return h->is_server ? ly__scram_server_ask(h->side, property) : ly__scram_client_ask(h->side, property);
}

static Gsasl *open_library(void)
{
    pthread_mutex_lock(&lock);
    Gsasl *g = library;
    if (!g && gsasl_init(&g) == GSASL_OK) {
        gsasl_callback_set(g, ask);
        library = g;
    }
    g = library; /* one that could not be made is freed, and still pointed to */
    pthread_mutex_unlock(&lock);
    return g;
}

int ly__gsasl_set_base64(Gsasl_session *session, Gsasl_property property, const void *bytes, size_t n)
{
    char *text = NULL;
    int code = gsasl_base64_to(bytes, n, &text, NULL);
    if (code == GSASL_OK)
        code = gsasl_property_set(session, property, text);
    if (text)
        explicit_bzero(text, strlen(text));
    gsasl_free(text);
    return code;
}

int ly__gsasl_start(Gsasl_session **ret_session, bool is_server, const uint8_t binding[LY__SCRAM_BINDING],
                    void *side)
{
    Gsasl *g = open_library();
    Gsasl_session *session = NULL;
    struct hook *h = calloc(1, sizeof *h);
    if (!g || !h) {
        free(h);
        return -ENOMEM;
    }
    *h = (struct hook){.is_server = is_server, .side = side};
    int code = is_server ? gsasl_server_start(g, LY__SCRAM_MECHANISM, &session)
                         : gsasl_client_start(g, LY__SCRAM_MECHANISM, &session);
    if (code != GSASL_OK) {
        free(h);
        return -ENOMEM;
    }
    h->session = session;
    gsasl_session_hook_set(session, h);
    code = ly__gsasl_set_base64(session, GSASL_CB_TLS_EXPORTER, binding, LY__SCRAM_BINDING);
    if (code != GSASL_OK) {
        ly__gsasl_finish(session);
        return -ENOMEM;
    }
    *ret_session = session;
    return 0;
}

int ly__gsasl_step(Gsasl_session *session, const void *message, size_t n, const int *failed,
                   struct ly_buffer *out)
{
    char *answer = NULL;
    size_t length = 0;
    int code = gsasl_step(session, message, n, &answer, &length);
    struct hook *h = gsasl_session_hook_get(session);
    h->is_broken = !h->is_server && (code == GSASL_MALLOC_ERROR || code == GSASL_CRYPTO_ERROR);
    int r = code == GSASL_OK ? 1 : code == GSASL_NEEDS_MORE ? 0 : LY_EDENIED;
    if (code == GSASL_MALLOC_ERROR)
        r = -ENOMEM;
    if (*failed < 0)
        r = *failed;
    if (r >= 0 && length > 0) {
        int e = ly_buffer_append(out, answer, length);
        r = e < 0 ? e : r;
    }
    gsasl_free(answer);
    return r;
}

/*
 * libgsasl's client frees the proof that it has begun with before it makes the right one, and once more at
 * the end if it got no memory for that (2.2). Such a session is kept instead: a client meets few of them.
 */
static void keep(struct hook *h)
{
    h->side = NULL;
    pthread_mutex_lock(&lock);
    h->next = broken;
    broken = h;
    pthread_mutex_unlock(&lock);
}

void ly__gsasl_finish(Gsasl_session *session)
{
    static const Gsasl_property secrets[] = {GSASL_SCRAM_SALTED_PASSWORD, GSASL_SCRAM_SERVERKEY,
                                             GSASL_SCRAM_STOREDKEY, GSASL_CB_TLS_EXPORTER};
    if (!session)
        return;
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        const char *text = gsasl_property_fast(session, secrets[i]);
        if (text)
            explicit_bzero((void *)(uintptr_t)text, strlen(text)); /* it is the session's, which ends */
    }
    struct hook *h = gsasl_session_hook_get(session);
    if (h->is_broken) {
        keep(h);
        return;
    }
    free(h);
    gsasl_finish(session);
}

/* ---- passwords ---- */

int ly__scram_prepare(const char *text, char **ret_text)
{
    char *prepared = NULL;
    if (!ly__utf8_valid(text, strlen(text)))
        return LY_EDECODE; /* libidn reads behind the end of a character that is cut */
    int code = gsasl_saslprep(text, GSASL_ALLOW_UNASSIGNED, &prepared, NULL);
    if (code != GSASL_OK)
        return code == GSASL_MALLOC_ERROR ? -ENOMEM : LY_EDECODE;
    if (!*prepared) {
        gsasl_free(prepared);
        return -EINVAL;
    }
    *ret_text = prepared;
    return 0;
}

static int prepare_password(const char *password, char **ret_prepared)
{
    if (strlen(password) > LY__PASSWORD_MAX)
        return LY_ETOOBIG;
    return ly__scram_prepare(password, ret_prepared);
}

static void wipe_text(char *text)
{
    explicit_bzero(text, strlen(text));
    free(text);
}

int ly__scram_password_length(const char *password)
{
    char *prepared;
    size_t count = LY__PASSWORD_MAX * 4;
    int r = prepare_password(password, &prepared);
    if (r < 0)
        return r;
    ly__utf8_take(prepared, strlen(prepared), &count);
    wipe_text(prepared);
    return (int)count;
}

int ly__scram_salt(const char *prepared, const void *salt, size_t salt_length, uint32_t iterations,
                   uint8_t ret_salted[LY__SCRAM_KEY])
{
    int done = PKCS5_PBKDF2_HMAC(prepared, (int)strlen(prepared), salt, (int)salt_length, (int)iterations,
                                 EVP_sha256(), LY__SCRAM_KEY, ret_salted);
    if (!done)
        ERR_clear_error();
    return done ? 0 : -ENOMEM;
}

int ly__scram_derive(struct ly__scram_secret *secret, const char *password)
{
    uint8_t salted[LY__SCRAM_KEY];
    char client_key[LY__SCRAM_KEY];
    char *prepared;
    int r = prepare_password(password, &prepared);
    if (r < 0)
        return r;
    r = ly__scram_salt(prepared, secret->salt, sizeof secret->salt, secret->iterations, salted);
    wipe_text(prepared);
    if (r == 0) {
        int code =
            gsasl_scram_secrets_from_salted_password(GSASL_HASH_SHA256, (const char *)salted, client_key,
                                                     (char *)secret->server_key, (char *)secret->stored_key);
        r = code == GSASL_OK ? 0 : -ENOMEM;
    }
    explicit_bzero(salted, sizeof salted);
    explicit_bzero(client_key, sizeof client_key);
    return r;
}
