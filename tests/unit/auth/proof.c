/* SPDX-License-Identifier: MIT */
#include "auth/proof.h"
#include "../handshakes.h"
#include "auth/key_pair.h"
#include <lanyard/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct certificate machine, other_machine, device, ed25519_device;
static struct ly__proof_server here, elsewhere;
static const uint8_t challenge[LY__TLS_CHALLENGE] = "a challenge of thirty-two bytes";
static const uint8_t earlier[LY__TLS_CHALLENGE] = "the challenge of another client";

static const struct shaking usual = {.server = &machine, .client = &device, .challenge = challenge};

struct made {
    struct shaking shaking;
    struct ly__tls_proof proof;
};

static int make(void *arg)
{
    struct made *m = arg;
    return prove(&m->shaking, &m->proof);
}

static struct ly__tls_proof proof_of(struct shaking s)
{
    struct made m = {.shaking = s};
    assert_int_equal(ly_run(make, &m, NULL), 0);
    return m.proof;
}

static int check(const struct ly__tls_proof *p)
{
    uint8_t id[LY__ID];
    return ly__proof_check(p, &here, challenge, id);
}

static void check_holds(struct shaking s)
{
    uint8_t id[LY__ID];
    struct ly__tls_proof p = proof_of(s);
    assert_int_equal(ly__proof_check(&p, &here, challenge, id), 0);
    assert_memory_equal(id, s.client->identity, LY__ID);
    ly__tls_proof_done(&p);
}

/* ---- what holds ---- */

static void a_proof_gives_the_identity_of_the_key(void **state)
{
    (void)state;
    struct shaking s = usual;
    check_holds(s);
    s.client = &ed25519_device;
    check_holds(s);
}

static void with_aes_256(SSL_CTX *server, SSL_CTX *client)
{
    (void)client;
    assert_int_equal(SSL_CTX_set_ciphersuites(server, "TLS_AES_256_GCM_SHA384"), 1);
}

static void with_chacha(SSL_CTX *server, SSL_CTX *client)
{
    (void)client;
    assert_int_equal(SSL_CTX_set_ciphersuites(server, "TLS_CHACHA20_POLY1305_SHA256"), 1);
}

/* The client's key share is of a group that the server does not have. */
static void with_two_hellos(SSL_CTX *server, SSL_CTX *client)
{
    char theirs[] = "X448:P-256", ours[] = "P-256";
    assert_int_equal(SSL_CTX_set1_groups_list(client, theirs), 1);
    assert_int_equal(SSL_CTX_set1_groups_list(server, ours), 1);
}

static void with_two_hellos_and_aes_256(SSL_CTX *server, SSL_CTX *client)
{
    with_two_hellos(server, client);
    with_aes_256(server, client);
}

static size_t count_messages(const struct ly__tls_proof *p, uint8_t type)
{
    size_t count = 0;
    const uint8_t *at = (const uint8_t *)ly_buffer_bytes(&p->messages), *end = at + p->messages.length;
    for (; at < end; at += 4 + (at[1] << 16 | at[2] << 8 | at[3]))
        count += *at == type;
    return count;
}

static void a_client_may_be_asked_for_a_second_hello(void **state)
{
    (void)state;
    struct shaking s = usual;
    s.shape = with_two_hellos;
    struct ly__tls_proof p = proof_of(s);
    assert_int_equal(count_messages(&p, SSL3_MT_CLIENT_HELLO), 2);
    assert_int_equal(check(&p), 0);
    ly__tls_proof_done(&p);
}

static void it_holds_with_each_suite_and_with_a_second_hello(void **state)
{
    (void)state;
    void (*const shapes[])(SSL_CTX *, SSL_CTX *) = {with_aes_256, with_chacha, with_two_hellos,
                                                    with_two_hellos_and_aes_256};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct shaking s = usual;
        s.shape = shapes[i];
        check_holds(s);
    }
}

static void what_holds_has_the_form(void **state)
{
    (void)state;
    struct shaking s = usual;
    struct ly__tls_proof p = proof_of(s);
    assert_int_equal(ly__proof_has_form(&p), 0);
    ly__tls_proof_done(&p);
    s.client = &ed25519_device;
    s.shape = with_two_hellos_and_aes_256;
    p = proof_of(s);
    assert_int_equal(ly__proof_has_form(&p), 0);
    ly__tls_proof_done(&p);
}

/* ---- what does not ---- */

/* As keys that TLS takes, whose certificate says it in its own way. */
static void a_key_that_is_written_otherwise_has_another_form(void **state)
{
    (void)state;
    struct ly__tls_proof p = proof_of(usual);
    const size_t bits = LY__SPKI_HEAD - 1, kind = LY__SPKI_HEAD;
    p.key[bits] = 1; /* that are not used */
    assert_int_equal(ly__proof_has_form(&p), LY_EPEER);
    p.key[bits] = 0;
    p.key[kind] = (uint8_t)(6 + (p.key[p.key_length - 1] & 1)); /* hybrid: X9.62, 4.3.6 */
    assert_int_equal(ly__proof_has_form(&p), LY_EPEER);
    p.key[kind] = LY__POINT_FULL;
    assert_int_equal(ly__proof_has_form(&p), 0);
    p.key_length--;
    assert_int_equal(ly__proof_has_form(&p), LY_EPEER);
    ly__tls_proof_done(&p);
}

static void one_for_another_challenge_is_refused(void **state)
{
    (void)state;
    uint8_t id[LY__ID];
    struct shaking s = usual;
    s.challenge = earlier;
    struct ly__tls_proof p = proof_of(s);
    assert_int_equal(check(&p), LY_EPEER);
    assert_int_equal(ly__proof_check(&p, &here, earlier, id), 0);
    ly__tls_proof_done(&p);
}

static void one_without_a_challenge_is_refused(void **state)
{
    (void)state;
    static const uint8_t nothing[LY__TLS_CHALLENGE];
    uint8_t id[LY__ID];
    struct shaking s = usual;
    s.challenge = nothing;
    struct ly__tls_proof p = proof_of(s);
    char *at = memmem(ly_buffer_bytes(&p.messages), p.messages.length, "\xff\x4c\x00\x20", 4);
    assert_non_null(at);
    assert_int_equal(ly__proof_check(&p, &here, nothing, id), 0);
    at[1] = 0x4d; /* an extension of another type */
    assert_int_equal(ly__proof_check(&p, &here, nothing, id), LY_EPEER);
    ly__tls_proof_done(&p);
}

static void add_our_certificate(SSL_CTX *server, SSL_CTX *client)
{
    (void)client;
    assert_int_equal(SSL_CTX_add1_chain_cert(server, machine.x509), 1);
}

/* Somebody else's server asks for a signature of this challenge. */
static void one_for_another_server_is_refused(void **state)
{
    (void)state;
    uint8_t id[LY__ID];
    struct shaking s = usual;
    s.server = &other_machine;
    for (int i = 0; i < 2; i++) {
        struct ly__tls_proof p = proof_of(s);
        assert_int_equal(check(&p), LY_EPEER);
        assert_int_equal(ly__proof_check(&p, &elsewhere, challenge, id), 0);
        ly__tls_proof_done(&p);
        s.shape = add_our_certificate; /* and shows our certificate, too, which it has no key for */
    }
}

static void where_no_server_is_known_none_holds(void **state)
{
    (void)state;
    static const struct ly__proof_server nobody;
    uint8_t id[LY__ID];
    struct ly__tls_proof p = proof_of(usual);
    assert_int_equal(ly__proof_check(&p, &nobody, challenge, id), LY_EPEER);
    ly__tls_proof_done(&p);
}

static void one_of_another_key_is_refused(void **state)
{
    (void)state;
    struct shaking s = usual;
    struct ly__tls_proof p = proof_of(s);
    s.client = &ed25519_device;
    struct ly__tls_proof q = proof_of(s);
    memcpy(p.key, q.key, q.key_length);
    p.key_length = q.key_length;
    assert_int_equal(check(&p), LY_EPEER);
    p.key_length = 0;
    assert_int_equal(check(&p), LY_EPEER);
    p.key_length = sizeof p.key + 1;
    assert_int_equal(check(&p), LY_EPEER);
    ly__tls_proof_done(&p);
    ly__tls_proof_done(&q);
}

static void every_changed_byte_is_noticed(void **state)
{
    (void)state;
    struct ly__tls_proof p = proof_of(usual);
    assert_int_equal(check(&p), 0);
    for (size_t i = 0; i < p.messages.length; i++) {
        ly_buffer_bytes(&p.messages)[i] ^= 1;
        assert_int_equal(check(&p), LY_EPEER);
        ly_buffer_bytes(&p.messages)[i] ^= 1;
    }
    for (size_t i = 0; i < p.key_length; i++) {
        p.key[i] ^= 1;
        assert_int_equal(check(&p), LY_EPEER);
        p.key[i] ^= 1;
    }
    assert_int_equal(check(&p), 0);
    ly__tls_proof_done(&p);
}

/* Each in memory of its exact length, for the sanitizers. */
static void one_that_is_cut_or_goes_on_is_refused(void **state)
{
    (void)state;
    struct ly__tls_proof p = proof_of(usual), cut = p;
    const size_t whole = p.messages.length;
    for (size_t n = 0; n < whole; n++) {
        cut.messages.data = malloc(n + (n == 0));
        cut.messages.start = 0;
        cut.messages.length = n;
        memcpy(cut.messages.data, ly_buffer_bytes(&p.messages), n);
        assert_int_equal(check(&cut), LY_EPEER);
        free(cut.messages.data);
    }
    assert_int_equal(ly_buffer_append(&p.messages, "", 1), 0);
    assert_int_equal(check(&p), LY_EPEER);
    ly__tls_proof_done(&p);
}

static void a_certificate_that_is_none_is_refused(void **state)
{
    (void)state;
    struct ly__proof_server s = {.length = 0};
    assert_int_equal(ly__proof_server(&s, "no certificate"), LY_EKEY);
    assert_int_equal(ly__proof_server(&s, machine.key), LY_EKEY);
    assert_int_equal(s.length, 0);
}

static int make_all(void **state)
{
    (void)state;
    certificate_make(&machine, "DNS:machine", NULL, 30);
    certificate_make(&other_machine, "DNS:other", NULL, 30);
    certificate_make(&device, "DNS:device", NULL, 30);
    certificate_make_of(&ed25519_device, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "DNS:device", NULL, 30);
    return ly__proof_server(&here, machine.pem) || ly__proof_server(&elsewhere, other_machine.pem);
}

static int free_all(void **state)
{
    (void)state;
    certificate_free(&machine);
    certificate_free(&other_machine);
    certificate_free(&device);
    certificate_free(&ed25519_device);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_proof_gives_the_identity_of_the_key),
        cmocka_unit_test(a_client_may_be_asked_for_a_second_hello),
        cmocka_unit_test(it_holds_with_each_suite_and_with_a_second_hello),
        cmocka_unit_test(what_holds_has_the_form),
        cmocka_unit_test(a_key_that_is_written_otherwise_has_another_form),
        cmocka_unit_test(one_for_another_challenge_is_refused),
        cmocka_unit_test(one_without_a_challenge_is_refused),
        cmocka_unit_test(one_for_another_server_is_refused),
        cmocka_unit_test(where_no_server_is_known_none_holds),
        cmocka_unit_test(one_of_another_key_is_refused),
        cmocka_unit_test(every_changed_byte_is_noticed),
        cmocka_unit_test(one_that_is_cut_or_goes_on_is_refused),
        cmocka_unit_test(a_certificate_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, make_all, free_all);
}
