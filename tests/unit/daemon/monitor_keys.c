/* SPDX-License-Identifier: MIT */
/* Keys that a worker says were proved: what the supervisor believes of that. */
#include "../handshakes.h"
#include "supervised.h"

static struct supervised s;
static struct certificate machine, device, stranger;

/* The challenge that a session's client is given. */
static const uint8_t *challenge_of(uint64_t number)
{
    return ly__decider_session(&s.decider, number, &s.monitor)->challenge;
}

/* What a client of this key proves to who challenges it. */
static int prove_key(struct ly__tls_proof *ret_proof, const struct certificate *client,
                     const uint8_t *challenge)
{
    struct shaking k = {.server = &machine, .client = client, .challenge = challenge};
    CHECK(ly__proof_server(&s.decider.shown, machine.pem) == 0);
    return prove(&k, ret_proof);
}

static int begin_with(uint64_t number, const struct ly__tls_proof *proof)
{
    struct ly_buffer b;
    ly_buffer_init(&b, LY__CHANNEL_MAX);
    CHECK(ly__channel_begin(&b) == 0);
    CHECK(ly_buffer_printf(&b, "\"ask\":1,\"do\":\"begin\",\"session\":%lu,\"binding\":" BINDING,
                           (unsigned long)number) == 0);
    CHECK(ly__proof_put(&b, proof) == 0 && ly_json_close(&b, '}') == 0);
    CHECK(ly_send(s.worker, ly_buffer_bytes(&b), b.length) == (ssize_t)b.length);
    ly_buffer_done(&b);
    return 0;
}

static int enrol(const struct certificate *c, const char *name)
{
    struct ly__user u = {.roles = LY__ROLES_ALL};
    snprintf(u.name, sizeof u.name, "%s", name);
    int r = ly__user_add(store, &u, NULL);
    CHECK(r == 0 || r == -EEXIST);
    CHECK(ly__user_find(store, name, &u) == 0);
    return ly__device_enrol(store, u.id, c->identity, "a device");
}

static int proved(void *arg)
{
    struct ly__tls_proof proof;
    (void)arg;
    CHECK(supervise(&s) == 0 && enrol(&device, "dora") == 0);
    uint64_t number = connect_session(&s, LY__CONNECTED);
    CHECK(prove_key(&proof, &device, challenge_of(number)) == 0);
    CHECK(begin_with(number, &proof) == 0);
    CHECK(hear(&s) > 0 && number_in(&s, "answer") == 1 && number_in(&s, "result") == 1);
    CHECK(ly__decider_session(&s.decider, number, &s.monitor)->state == LY__LOGGED_IN);
    ly__tls_proof_done(&proof);

    number = connect_session(&s, LY__CONNECTED);
    CHECK(prove_key(&proof, &stranger, challenge_of(number)) == 0);
    CHECK(begin_with(number, &proof) == 0);
    CHECK(hear(&s) > 0 && number_in(&s, "result") == 0); /* a key, but nobody's device */
    const struct ly__entry *e = ly__decider_session(&s.decider, number, &s.monitor);
    CHECK(e->state == LY__STRANGER && e->has_key && memcmp(e->key, stranger.identity, sizeof e->key) == 0);
    ly__tls_proof_done(&proof);
    CHECK(unsupervise(&s) == 0);
    return 0;
}

static void a_device_is_logged_in_by_its_proof(void **state)
{
    (void)state;
    assert_int_equal(in_loop(proved), 0);
}

/* A session that begins with this proof ends the worker, and is nobody's. */
static int check_lie(uint64_t number, const struct ly__tls_proof *proof)
{
    CHECK(begin_with(number, proof) == 0);
    while (hear(&s) > 0)
        CHECK(number_in(&s, "roles") == INT64_MIN);
    CHECK(strcmp(s.monitor.offence, "begin: with a key without a proof that holds") == 0);
    CHECK(unsupervise(&s) == LY_EREFUSED);
    return 0;
}

static int lied(void *arg)
{
    struct ly__tls_proof proof, theirs;
    (void)arg;
    /* of another session, also of one that is over */
    CHECK(supervise(&s) == 0 && enrol(&device, "dora") == 0);
    uint64_t first = connect_session(&s, LY__CONNECTED), second = connect_session(&s, LY__CONNECTED);
    CHECK(prove_key(&proof, &device, challenge_of(first)) == 0);
    CHECK(begin_with(first, &proof) == 0 && hear(&s) > 0 && number_in(&s, "result") == 1);
    CHECK(say(&s, "{\"do\":\"end\",\"session\":%lu,\"result\":0}", (unsigned long)first) == 0);
    CHECK(check_lie(second, &proof) == 0);
    ly__tls_proof_done(&proof);

    /* of another key */
    CHECK(supervise(&s) == 0);
    first = connect_session(&s, LY__CONNECTED);
    CHECK(prove_key(&proof, &stranger, challenge_of(first)) == 0);
    CHECK(prove_key(&theirs, &device, challenge_of(first)) == 0);
    memcpy(proof.key, theirs.key, sizeof proof.key);
    CHECK(check_lie(first, &proof) == 0);
    ly__tls_proof_done(&proof);
    ly__tls_proof_done(&theirs);
    return 0;
}

static void a_proof_of_another_session_or_of_another_key_ends_the_worker(void **state)
{
    (void)state;
    assert_int_equal(in_loop(lied), 0);
}

static int claimed(void *arg)
{
    static const char *const fields[] = {
        "\"key\":\"00\"",
        "\"proof\":\"00\"",
        "\"key\":\"00\",\"proof\":\"\"",
        "\"key\":\"00\",\"proof\":\"0\"",
        "\"key\":\"0g\",\"proof\":\"00\"",
        "\"key\":\"00\",\"proof\":7",
        "\"key\":null,\"proof\":\"00\"",
        "\"key\":\"00\",\"proof\":\"\\u0030\\u0030\"",
    };
    (void)arg;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        CHECK(supervise(&s) == 0);
        unsigned long n = (unsigned long)connect_session(&s, LY__CONNECTED);
        CHECK(say(&s, "{\"ask\":1,\"do\":\"begin\",\"session\":%lu,\"binding\":" BINDING ",%s}", n,
                  fields[i]) == 0);
        CHECK(await_refusal(&s) == LY_EREFUSED);
        CHECK(strcmp(s.monitor.offence, "begin: with a key without a proof that holds") == 0);
    }
    return 0;
}

/* More digits than any proof has. */
static int claimed_at_length(void *arg)
{
    static char text[3 * LY__TLS_PROOF_MAX], digits[2 * LY__TLS_PROOF_MAX + 3];
    (void)arg;
    memset(digits, '0', sizeof digits - 1);
    CHECK(supervise(&s) == 0);
    int n = snprintf(text, sizeof text,
                     "{\"ask\":1,\"do\":\"begin\",\"session\":%lu,\"binding\":" BINDING
                     ",\"key\":\"00\",\"proof\":\"%s\"}",
                     (unsigned long)connect_session(&s, LY__CONNECTED), digits);
    CHECK(ly_send(s.worker, text, (size_t)n) == n);
    CHECK(await_refusal(&s) == LY_EREFUSED);
    CHECK(strcmp(s.monitor.offence, "begin: with a key without a proof that holds") == 0);
    return 0;
}

static void a_key_without_a_proof_ends_the_worker(void **state)
{
    (void)state;
    assert_int_equal(in_loop(claimed), 0);
    assert_int_equal(in_loop(claimed_at_length), 0);
}

static int challenged(void *arg)
{
    char text[2 * LY__TLS_CHALLENGE + 1];
    (void)arg;
    CHECK(supervise(&s) == 0);
    uint64_t first = connect_session(&s, LY__CONNECTED), second = connect_session(&s, LY__CONNECTED);
    CHECK(memcmp(challenge_of(first), challenge_of(second), LY__TLS_CHALLENGE) != 0);
    CHECK(ly__monitor_serve(&s.monitor, second, STDIN_FILENO) == 0);
    CHECK(hear(&s) > 0 && number_in(&s, "serve") == (int64_t)second);
    for (size_t i = 0; i < LY__TLS_CHALLENGE; i++)
        snprintf(text + 2 * i, 3, "%02x", challenge_of(second)[i]);
    CHECK(strstr(s.said, text) != NULL);
    CHECK(unsupervise(&s) == 0);
    return 0;
}

static void each_connection_comes_with_a_challenge_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(in_loop(challenged), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_is_logged_in_by_its_proof),
        cmocka_unit_test(a_proof_of_another_session_or_of_another_key_ends_the_worker),
        cmocka_unit_test(a_key_without_a_proof_ends_the_worker),
        cmocka_unit_test(each_connection_comes_with_a_challenge_of_its_own),
    };
    certificate_make(&machine, "DNS:machine", NULL, 30);
    certificate_make(&device, "DNS:device", NULL, 30);
    certificate_make(&stranger, "DNS:stranger", NULL, 30);
    int r = cmocka_run_group_tests(tests, open_books, close_books);
    certificate_free(&machine);
    certificate_free(&device);
    certificate_free(&stranger);
    return r;
}
