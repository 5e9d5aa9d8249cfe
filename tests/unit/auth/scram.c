/* SPDX-License-Identifier: MIT */
#include "auth/scram.h"
#include <errno.h>
#include <gsasl.h>
#include <lanyard/challenge.h>
#include <lanyard/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NAME "ada"
#define PASSWORD "correct horse"
#define FIRST "p=tls-exporter,,n=ada,r=clientnonceclientnonce"

static const uint8_t channel[LY__SCRAM_BINDING] = "the binding of this TLS channel";
static const uint8_t other_channel[LY__SCRAM_BINDING] = "the binding of the other's side";

/* A table of one user; everybody else gets a secret that no password has. */
struct table {
    struct ly__scram_secret secret;
    int error;
    int asked;
    char name[128];
};

static int find(void *arg, const char *name, struct ly__scram_secret *ret_secret)
{
    struct table *t = arg;
    t->asked++;
    snprintf(t->name, sizeof t->name, "%s", name);
    if (t->error < 0)
        return t->error;
    *ret_secret = t->secret;
    if (strcmp(name, NAME) != 0)
        memset(ret_secret->stored_key, 1, sizeof ret_secret->stored_key);
    return 0;
}

static void make_table(struct table *t)
{
    *t = (struct table){.secret = {.iterations = 4096, .salt = "0123456789abcde"}};
    assert_int_equal(ly__scram_derive(&t->secret, PASSWORD), 0);
}

/* The result of a whole login: the server's and the client's. */
struct outcome {
    int server, client;
};

/* Carry messages until one side ends; each side's messages are kept for the tests that need them. */
static struct outcome talk(struct ly__scram_server *s, struct ly__scram_client *c, struct ly_buffer sent[2],
                           struct ly_buffer *answer)
{
    struct outcome o = {0, 0};
    ly_buffer_clear(answer);
    for (int i = 0; i < 3; i++) {
        struct ly_buffer *out = &sent[i < 2 ? i : 1];
        size_t before = out->length;
        o.client = ly__scram_client_step(c, ly_buffer_bytes(answer), answer->length, out);
        if (o.client != 0 || i == 2)
            break;
        ly_buffer_clear(answer);
        o.server = ly__scram_server_step(s, ly_buffer_bytes(out) + before, out->length - before, answer);
        if (o.server < 0)
            break;
    }
    return o;
}

static struct outcome login(struct table *t, const char *name, const char *password,
                            const uint8_t *server_side, const uint8_t *client_side)
{
    struct ly__scram_server *s;
    struct ly__scram_client *c;
    struct ly_buffer sent[2], answer;
    assert_int_equal(ly__scram_server_new(&s, server_side, find, t), 0);
    assert_int_equal(ly__scram_client_new(&c, name, password, client_side), 0);
    ly_buffer_init(&sent[0], 4096);
    ly_buffer_init(&sent[1], 4096);
    ly_buffer_init(&answer, 4096);
    struct outcome o = talk(s, c, sent, &answer);
    ly_buffer_done(&sent[0]);
    ly_buffer_done(&sent[1]);
    ly_buffer_done(&answer);
    ly__scram_server_free(s);
    ly__scram_client_free(c);
    return o;
}

static void the_right_password_logs_in_and_both_sides_know(void **state)
{
    (void)state;
    struct table t;
    make_table(&t);
    struct outcome o = login(&t, NAME, PASSWORD, channel, channel);
    assert_int_equal(o.server, 1);
    assert_int_equal(o.client, 1);
    assert_int_equal(t.asked, 1);
    assert_string_equal(t.name, NAME);
}

static void a_wrong_password_and_an_unknown_name_fail_alike(void **state)
{
    (void)state;
    struct table t;
    make_table(&t);
    assert_int_equal(login(&t, NAME, "correct house", channel, channel).server, LY_EDENIED);
    assert_int_equal(login(&t, "bob", PASSWORD, channel, channel).server, LY_EDENIED);
}

static void a_login_on_another_channel_fails(void **state)
{
    (void)state;
    struct table t;
    make_table(&t);
    assert_int_equal(login(&t, NAME, PASSWORD, channel, other_channel).server, LY_EDENIED);
    assert_int_equal(login(&t, NAME, PASSWORD, other_channel, channel).server, LY_EDENIED);
}

static void a_password_is_prepared_on_both_sides(void **state)
{
    (void)state;
    struct table t = {.secret = {.iterations = 4096}};
    /* a no-break space is a space, a soft hyphen nothing, a ligature its letters (RFC 4013) */
    assert_int_equal(ly__scram_derive(&t.secret, "\xef\xac\x81ne \xe2\x85\xa7 pass\xc2\xad word"), 0);
    assert_int_equal(login(&t, NAME, "fine\xc2\xa0VIII pass word", channel, channel).client, 1);
}

static void a_name_is_prepared_before_it_is_looked_up(void **state)
{
    (void)state;
    struct table t;
    make_table(&t);
    assert_int_equal(login(&t,
                           "a\xc2\xad"
                           "da",
                           PASSWORD, channel, channel)
                         .client,
                     1);
    assert_string_equal(t.name, NAME);
}

/* ---- a server and what strangers send ---- */

static int first_step(struct table *t, const char *message, size_t n, char *answer, size_t cap)
{
    struct ly__scram_server *s;
    struct ly_buffer out;
    ly_buffer_init(&out, 4096);
    assert_int_equal(ly__scram_server_new(&s, channel, find, t), 0);
    int r = ly__scram_server_step(s, message, n, &out);
    if (answer)
        snprintf(answer, cap, "%.*s", (int)out.length, out.length ? ly_buffer_bytes(&out) : "");
    if (r != 0) {
        assert_int_equal(out.length, 0);
        assert_true(ly__scram_server_step(s, FIRST, strlen(FIRST), &out) < 0);
    }
    ly_buffer_done(&out);
    ly__scram_server_free(s);
    return r;
}

static void a_downgrade_is_refused_before_any_user_is_looked_up(void **state)
{
    (void)state;
    static const char *const messages[] = {
        "n,,n=ada,r=clientnonceclientnonce",
        "y,,n=ada,r=clientnonceclientnonce",
        "p=tls-unique,,n=ada,r=clientnonceclientnonce",
        "p=tls-server-end-point,,n=ada,r=clientnonceclientnonce",
        "p=TLS-EXPORTER,,n=ada,r=clientnonceclientnonce",
        "p=tls-exporter,a=root,n=ada,r=clientnonceclientnonce",
        "p=,,n=ada,r=clientnonceclientnonce",
        "p=tls-exporter,,m=x,n=ada,r=clientnonceclientnonce",
    };
    struct table t;
    make_table(&t);
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
        assert_int_equal(first_step(&t, messages[i], strlen(messages[i]), NULL, 0), LY_EDENIED);
    assert_int_equal(t.asked, 0);
    assert_int_equal(first_step(&t, FIRST, strlen(FIRST), NULL, 0), 0);
    assert_int_equal(t.asked, 1);
}

static void a_malformed_first_message_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
    } messages[] = {
        {"", 0},
        {"p", 1},
        {"p=tls-exporter,,n=", 18},
        {"p=tls-exporter,,n=ada", 21},
        {"p=tls-exporter,,n=,r=clientnonce", 32},
        {"p=tls-exporter,,n=ada,r=", 24},
        {"p=tls-exporter,,n=ada,x=clientnonce", 35},
        {"p=tls-exporter,,n=a\0a,r=clientnonce", 35},
        {"p=tls-exporter,,n=a\xff"
         "a,r=clientnonce",
         35},
        {"p=tls-exporter,,n=a\xc0\xaf,r=clientnonce", 35},
        {"p=tls-exporter,,n=a\x01"
         "a,r=clientnonce",
         35},
        {"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20},
    };
    struct table t;
    make_table(&t);
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
        assert_int_equal(first_step(&t, messages[i].bytes, messages[i].n, NULL, 0), LY_EDENIED);
    assert_int_equal(t.asked, 0);
}

static void a_message_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    char message[LY__SCRAM_MESSAGE + 2] = "p=tls-exporter,,n=";
    struct table t;
    make_table(&t);
    memset(message + 18, 'a', sizeof message - 18);
    memcpy(message + 512, ",r=nonce", 8);
    assert_int_equal(first_step(&t, message, LY__SCRAM_MESSAGE, NULL, 0), 0);
    assert_int_equal(first_step(&t, message, LY__SCRAM_MESSAGE + 1, NULL, 0), LY_EDENIED);
}

static void the_first_answer_has_the_salt_and_the_iterations_of_the_name(void **state)
{
    (void)state;
    struct table t;
    char answer[512];
    make_table(&t);
    assert_int_equal(first_step(&t, FIRST, strlen(FIRST), answer, sizeof answer), 0);
    assert_memory_equal(answer, "r=clientnonceclientnonce", 24);
    assert_non_null(strstr(answer, ",s=MDEyMzQ1Njc4OWFiY2RlAA==,i=4096"));
}

static void a_store_that_cannot_be_read_ends_the_login_without_an_answer(void **state)
{
    (void)state;
    struct table t;
    make_table(&t);
    t.error = LY_ESTORE;
    assert_int_equal(first_step(&t, FIRST, strlen(FIRST), NULL, 0), LY_ESTORE);
}

/* ---- messages that are somebody else's ---- */

/* A login up to the client's last message, and that message's fate at a server. */
struct half {
    struct ly__scram_server *server;
    struct ly__scram_client *client;
    struct ly_buffer first, last, answer;
};

static void begin_half(struct half *h, struct table *t)
{
    ly_buffer_init(&h->first, 4096);
    ly_buffer_init(&h->last, 4096);
    ly_buffer_init(&h->answer, 4096);
    assert_int_equal(ly__scram_server_new(&h->server, channel, find, t), 0);
    assert_int_equal(ly__scram_client_new(&h->client, NAME, PASSWORD, channel), 0);
    assert_int_equal(ly__scram_client_step(h->client, NULL, 0, &h->first), 0);
    assert_int_equal(
        ly__scram_server_step(h->server, ly_buffer_bytes(&h->first), h->first.length, &h->answer), 0);
    assert_int_equal(
        ly__scram_client_step(h->client, ly_buffer_bytes(&h->answer), h->answer.length, &h->last), 0);
    ly_buffer_clear(&h->answer);
}

static void end_half(struct half *h)
{
    ly_buffer_done(&h->first);
    ly_buffer_done(&h->last);
    ly_buffer_done(&h->answer);
    ly__scram_server_free(h->server);
    ly__scram_client_free(h->client);
}

static int send_last(struct half *h, const struct ly_buffer *message)
{
    return ly__scram_server_step(h->server, ly_buffer_bytes(message), message->length, &h->answer);
}

static void a_replayed_login_fails(void **state)
{
    (void)state;
    struct table t;
    struct half a, b;
    make_table(&t);
    begin_half(&a, &t);
    begin_half(&b, &t);
    assert_int_equal(send_last(&a, &a.last), 1);
    assert_int_equal(send_last(&b, &a.last), LY_EDENIED);
    assert_int_equal(send_last(&b, &b.last), LY_EDENIED); /* there is one attempt */
    end_half(&a);
    end_half(&b);
}

static void a_message_behind_the_last_is_refused(void **state)
{
    (void)state;
    struct table t;
    struct half h;
    make_table(&t);
    begin_half(&h, &t);
    assert_int_equal(send_last(&h, &h.last), 1);
    assert_int_equal(send_last(&h, &h.last), LY_EDENIED);
    end_half(&h);
}

/* Every byte of the client's last message counts. */
static void a_last_message_with_any_byte_changed_fails(void **state)
{
    (void)state;
    struct table t;
    struct half h;
    make_table(&t);
    begin_half(&h, &t);
    size_t n = h.last.length;
    end_half(&h);
    for (size_t i = 0; i < n; i++) {
        begin_half(&h, &t);
        if (i < h.last.length) {
            ly_buffer_bytes(&h.last)[i] ^= 1;
            int r = send_last(&h, &h.last);
            assert_true(r == LY_EDENIED);
            assert_int_equal(h.answer.length, 0);
        }
        end_half(&h);
    }
}

static void a_client_that_leaves_out_the_binding_at_the_end_fails(void **state)
{
    (void)state;
    struct table t;
    struct half h;
    make_table(&t);
    begin_half(&h, &t);
    const char *rest = strchr(ly_buffer_string(&h.last), ',');
    char message[2048];
    int n = snprintf(message, sizeof message, "c=biws%s", rest); /* "n,," */
    assert_int_equal(ly__scram_server_step(h.server, message, (size_t)n, &h.answer), LY_EDENIED);
    end_half(&h);
}

/* ---- a client and what a server sends ---- */

static int client_gets(const char *rest)
{
    struct ly__scram_client *c;
    struct ly_buffer first, out;
    char message[2048], *nonce;
    ly_buffer_init(&first, 4096);
    ly_buffer_init(&out, 4096);
    assert_int_equal(ly__scram_client_new(&c, NAME, PASSWORD, channel), 0);
    assert_int_equal(ly__scram_client_step(c, NULL, 0, &first), 0);
    nonce = strstr(ly_buffer_string(&first), "r=");
    assert_non_null(nonce);
    int n = snprintf(message, sizeof message, "%sxyz%s", nonce, rest);
    int r = ly__scram_client_step(c, message, (size_t)n, &out);
    ly_buffer_done(&first);
    ly_buffer_done(&out);
    ly__scram_client_free(c);
    return r;
}

static void a_client_answers_only_a_sensible_number_of_iterations(void **state)
{
    (void)state;
    assert_int_equal(client_gets(",s=MDEyMzQ1Njc4OWFiY2RlZg==,i=4096"), 0);
    assert_int_equal(client_gets(",s=MDEyMzQ1Njc4OWFiY2RlZg==,i=4095"), LY_EREFUSED);
    assert_int_equal(client_gets(",s=MDEyMzQ1Njc4OWFiY2RlZg==,i=10000001"), LY_EREFUSED);
    assert_true(client_gets(",s=MDEyMzQ1Njc4OWFiY2RlZg==,i=99999999999999999999999") < 0);
    assert_true(client_gets(",s=MDEyMzQ1Njc4OWFiY2RlZg==,i=0") < 0);
    assert_true(client_gets(",s=MDEyMzQ1Njc4OWFiY2RlZg==,i=-4096") < 0);
}

static void a_client_refuses_a_salt_that_is_none(void **state)
{
    (void)state;
    assert_true(client_gets(",s=MDE=,i=4096") < 0);
    assert_true(client_gets(",s=,i=4096") < 0);
    assert_true(client_gets(",s=****,i=4096") < 0);
}

static void a_client_refuses_a_server_that_does_not_know_the_password(void **state)
{
    (void)state;
    struct table t;
    struct half h;
    make_table(&t);
    memset(t.secret.server_key, 7, sizeof t.secret.server_key);
    begin_half(&h, &t);
    assert_int_equal(send_last(&h, &h.last), 1);
    assert_int_equal(ly__scram_client_step(h.client, ly_buffer_bytes(&h.answer), h.answer.length, &h.last),
                     LY_EDENIED);
    end_half(&h);
}

static void a_client_refuses_a_foreign_nonce(void **state)
{
    (void)state;
    static const char message[] = "r=someoneelsesnonce,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=4096";
    struct ly__scram_client *c;
    struct ly_buffer out;
    ly_buffer_init(&out, 4096);
    assert_int_equal(ly__scram_client_new(&c, NAME, PASSWORD, channel), 0);
    assert_int_equal(ly__scram_client_step(c, NULL, 0, &out), 0);
    assert_int_equal(ly__scram_client_step(c, message, strlen(message), &out), LY_EDENIED);
    assert_int_equal(ly__scram_client_step(c, message, strlen(message), &out), LY_EDENIED);
    ly_buffer_done(&out);
    ly__scram_client_free(c);
}

/* ---- keys ---- */

/* The keys of RFC 7677's example: they are what its proof and its verifier follow from. */
static void the_keys_of_the_rfc_are_derived(void **state)
{
    (void)state;
    static const char first[] = "n=user,r=rOprNGfwEbeRWgbNEkqO";
    static const char second[] =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    static const char last[] = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    static const char verifier[] = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
    struct ly__scram_secret secret = {.iterations = 4096};
    char *salt, *text = NULL, message[512];
    unsigned char signature[LY_DIGEST_MAX];
    struct ly_digest *hmac;
    size_t length;
    assert_int_equal(gsasl_base64_from("W22ZaJ0SNY7soEsUEjb6gQ==", 24, &salt, &length), GSASL_OK);
    assert_int_equal(length, LY__SCRAM_SALT);
    memcpy(secret.salt, salt, length);
    gsasl_free(salt);
    assert_int_equal(ly__scram_derive(&secret, "pencil"), 0);
    int n = snprintf(message, sizeof message, "%s,%s,%s", first, second, last);
    assert_int_equal(ly_digest_new(&hmac, LY_SHA256, secret.server_key, sizeof secret.server_key), 0);
    assert_int_equal(ly_digest_update(hmac, message, (size_t)n), 0);
    assert_int_equal(ly_digest_end(hmac, signature), 32);
    ly_digest_free(hmac);
    assert_int_equal(gsasl_base64_to((char *)signature, 32, &text, NULL), GSASL_OK);
    assert_string_equal(text, verifier);
    gsasl_free(text);
}

static void a_password_that_is_no_text_is_refused(void **state)
{
    (void)state;
    struct ly__scram_secret secret = {.iterations = 4096};
    char longest[LY__PASSWORD_MAX + 2];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(ly__scram_derive(&secret, ""), -EINVAL);
    assert_int_equal(ly__scram_derive(&secret, "\xc2\xad"), -EINVAL);
    assert_int_equal(ly__scram_derive(&secret, "pass\xffword"), LY_EDECODE);
    assert_int_equal(ly__scram_derive(&secret, "pass\tword"), LY_EDECODE);
    assert_int_equal(ly__scram_derive(&secret, longest), LY_ETOOBIG);
    longest[LY__PASSWORD_MAX] = '\0';
    assert_int_equal(ly__scram_derive(&secret, longest), 0);
    assert_int_equal(ly__scram_password_length("caf\xc3\xa9"), 4);
    assert_int_equal(ly__scram_password_length("\xef\xac\x81"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_password_logs_in_and_both_sides_know),
        cmocka_unit_test(a_wrong_password_and_an_unknown_name_fail_alike),
        cmocka_unit_test(a_login_on_another_channel_fails),
        cmocka_unit_test(a_password_is_prepared_on_both_sides),
        cmocka_unit_test(a_name_is_prepared_before_it_is_looked_up),
        cmocka_unit_test(a_downgrade_is_refused_before_any_user_is_looked_up),
        cmocka_unit_test(a_malformed_first_message_is_refused),
        cmocka_unit_test(a_message_beyond_the_limit_is_refused),
        cmocka_unit_test(the_first_answer_has_the_salt_and_the_iterations_of_the_name),
        cmocka_unit_test(a_store_that_cannot_be_read_ends_the_login_without_an_answer),
        cmocka_unit_test(a_replayed_login_fails),
        cmocka_unit_test(a_message_behind_the_last_is_refused),
        cmocka_unit_test(a_last_message_with_any_byte_changed_fails),
        cmocka_unit_test(a_client_that_leaves_out_the_binding_at_the_end_fails),
        cmocka_unit_test(a_client_answers_only_a_sensible_number_of_iterations),
        cmocka_unit_test(a_client_refuses_a_salt_that_is_none),
        cmocka_unit_test(a_client_refuses_a_server_that_does_not_know_the_password),
        cmocka_unit_test(a_client_refuses_a_foreign_nonce),
        cmocka_unit_test(the_keys_of_the_rfc_are_derived),
        cmocka_unit_test(a_password_that_is_no_text_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
