/* SPDX-License-Identifier: MIT */
#include "auth/key.h"
#include "folder.h"
#include <errno.h>
#include <lanyard/error.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

static void the_first_use_makes_a_key_that_stays(void **state)
{
    (void)state;
    struct ly__key key, again;
    struct stat st;
    assert_int_equal(ly__key_open(&key, folder, LY__KEY_FILE, false), -ENOENT);
    assert_int_equal(ly__key_open(&key, folder, LY__KEY_FILE, true), 0);
    assert_int_equal(stat(in_folder(LY__KEY_FILE), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(ly__key_open(&again, folder, LY__KEY_FILE, true), 0);
    assert_string_equal(again.text, key.text);
    assert_memory_equal(again.id, key.id, LY__ID);
    assert_int_equal(strlen(key.text), LY__ID_TEXT - 1);
    ly__key_close(&again);
    ly__key_close(&key);
    ly__key_close(&key); /* closed is closed */
}

static void the_umask_takes_nothing_from_a_key(void **state)
{
    (void)state;
    struct ly__key key;
    mode_t before = umask(0777);
    int r = ly__key_open(&key, folder, LY__KEY_FILE, true);
    (void)umask(before);
    struct stat st;
    assert_int_equal(r, 0);
    assert_int_equal(stat(in_folder(LY__KEY_FILE), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    ly__key_close(&key);
}

static void several_first_uses_at_once_make_one_key(void **state)
{
    (void)state;
    enum { USERS = 8 };
    int start[2], told[2];
    char texts[USERS][LY__ID_TEXT];
    assert_int_equal(pipe(start), 0);
    assert_int_equal(pipe(told), 0);
    for (int i = 0; i < USERS; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child > 0)
            continue;
        struct ly__key key;
        char byte;
        (void)close(start[1]);
        if (read(start[0], &byte, 1) != 0 || ly__key_open(&key, folder, LY__KEY_FILE, true) < 0)
            _exit(1);
        _exit(write(told[1], key.text, LY__ID_TEXT) == LY__ID_TEXT ? 0 : 1);
    }
    (void)close(start[1]); /* all begin */
    for (int i = 0; i < USERS; i++) {
        int status = 0;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
        assert_int_equal(read(told[0], texts[i], LY__ID_TEXT), LY__ID_TEXT);
        assert_string_equal(texts[i], texts[0]);
    }
    (void)close(start[0]);
    (void)close(told[0]);
    (void)close(told[1]);
}

static void a_key_that_others_may_read_is_refused_and_kept(void **state)
{
    (void)state;
    struct ly__key key;
    char before[1024], after[1024];
    assert_int_equal(ly__key_open(&key, folder, LY__KEY_FILE, true), 0);
    ly__key_close(&key);
    assert_true(*read_file(LY__KEY_FILE, before, sizeof before));
    assert_int_equal(chmod(in_folder(LY__KEY_FILE), 0640), 0);
    assert_int_equal(ly__key_open(&key, folder, LY__KEY_FILE, true), -EPERM);
    assert_null(key.pair);
    assert_string_equal(read_file(LY__KEY_FILE, after, sizeof after), before);
}

static void write_pair(const char *name, EVP_PKEY *pair, bool encrypt)
{
    char password[] = "secret";
    BIO *b = BIO_new_file(in_folder(name), "w");
    assert_non_null(pair);
    assert_non_null(b);
    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(b, pair, encrypt ? EVP_aes_128_cbc() : NULL,
                                                   encrypt ? password : NULL, encrypt ? 6 : 0, NULL, NULL),
                     1);
    BIO_free(b);
    EVP_PKEY_free(pair);
    assert_int_equal(chmod(in_folder(name), 0600), 0);
}

static void what_is_no_key_on_p_256_is_refused_and_kept(void **state)
{
    (void)state;
    struct ly__key key;
    char before[1024], after[1024];
    static const char *const texts[] = {"", "\n", "no key",
                                        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                                        "-----BEGIN PRIVATE KEY-----\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(write_file("a", texts[i], 0600), 0);
        assert_int_equal(ly__key_open(&key, folder, "a", true), LY_EKEY);
        assert_string_equal(read_file("a", after, sizeof after), texts[i]);
    }
    write_pair("a", EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), false);
    assert_int_equal(ly__key_open(&key, folder, "a", true), LY_EKEY);
    write_pair("a", EVP_EC_gen("P-384"), false);
    assert_int_equal(ly__key_open(&key, folder, "a", true), LY_EKEY);
    write_pair("a", EVP_EC_gen("P-256"), true); /* nobody is asked for its password */
    assert_int_equal(ly__key_open(&key, folder, "a", true), LY_EKEY);
    assert_true(*read_file("a", before, sizeof before));
    write_pair("a", EVP_EC_gen("P-256"), false); /* but this is one */
    assert_int_equal(ly__key_open(&key, folder, "a", true), 0);
    ly__key_close(&key);
}

static void a_file_too_long_for_a_key_is_refused(void **state)
{
    (void)state;
    struct ly__key key;
    char text[9000];
    memset(text, '\n', sizeof text - 1);
    text[sizeof text - 1] = 0;
    assert_int_equal(write_file(LY__KEY_FILE, text, 0600), 0);
    assert_int_equal(ly__key_open(&key, folder, LY__KEY_FILE, true), LY_EKEY);
}

/* The public half of one pair behind the private half of another. */
static void a_key_whose_halves_do_not_fit_is_refused(void **state)
{
    (void)state;
    struct ly__key key, other;
    char text[1024];
    unsigned char der[256];
    assert_int_equal(ly__key_open(&key, folder, "a", true), 0);
    assert_int_equal(ly__key_open(&other, folder, "b", true), 0);
    unsigned char *at = der;
    PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(key.pair);
    int n = i2d_PKCS8_PRIV_KEY_INFO(p8, &at);
    PKCS8_PRIV_KEY_INFO_free(p8);
    assert_true(n > 65);
    memcpy(der + n - 64, other.spki + other.spki_length - 64, 64); /* the point is the last in both */
    (void)EVP_EncodeBlock((unsigned char *)text, der, n);
    ly__key_close(&key);
    ly__key_close(&other);
    char pem[1200];
    (void)snprintf(pem, sizeof pem,
                   "-----BEGIN PRIVATE KEY-----\n%.64s\n%.64s\n%s\n-----END PRIVATE KEY-----\n", text,
                   text + 64, text + 128);
    assert_int_equal(write_file("a", pem, 0600), 0);
    assert_int_equal(ly__key_open(&key, folder, "a", false), LY_EKEY);
}

static void rotating_makes_the_next_key_the_machines(void **state)
{
    (void)state;
    struct ly__key key, next;
    assert_int_equal(ly__key_open(&key, folder, LY__KEY_FILE, true), 0);
    assert_int_equal(ly__key_rotate(folder), -ENOENT);
    assert_int_equal(ly__key_open(&next, folder, LY__KEY_NEXT_FILE, true), 0);
    assert_string_not_equal(next.text, key.text);
    ly__key_close(&key);
    assert_int_equal(ly__key_rotate(folder), 0);
    assert_int_equal(ly__key_open(&key, folder, LY__KEY_FILE, false), 0);
    assert_string_equal(key.text, next.text);
    ly__key_close(&key);
    ly__key_close(&next);
    assert_int_equal(ly__key_open(&next, folder, LY__KEY_NEXT_FILE, false), -ENOENT);
}

static void a_damaged_next_key_does_not_replace_a_good_one(void **state)
{
    (void)state;
    struct ly__key key;
    assert_int_equal(ly__key_open(&key, folder, LY__KEY_FILE, true), 0);
    ly__key_close(&key);
    assert_int_equal(write_file(LY__KEY_NEXT_FILE, "damaged", 0600), 0);
    assert_int_equal(ly__key_rotate(folder), LY_EKEY);
    assert_int_equal(ly__key_open(&key, folder, LY__KEY_FILE, false), 0);
    ly__key_close(&key);
}

static void the_certificate_is_of_the_key_and_never_expires(void **state)
{
    (void)state;
    struct ly__key key;
    struct ly_buffer pem;
    uint8_t id[LY__ID];
    unsigned char spki[LY__SPKI_MAX], *at = spki;
    assert_int_equal(ly__key_open(&key, folder, LY__KEY_FILE, true), 0);
    ly_buffer_init(&pem, 8192);
    assert_int_equal(ly__key_certificate_pem(&key, &pem), 0);
    BIO *b = BIO_new_mem_buf(ly_buffer_bytes(&pem), (int)pem.length);
    X509 *c = PEM_read_bio_X509(b, NULL, NULL, NULL);
    assert_non_null(c);
    assert_int_equal(X509_verify(c, X509_get0_pubkey(c)), 1);
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c), &at);
    assert_true(n > 0);
    assert_int_equal(ly__id_of(id, spki, (size_t)n), 0);
    assert_memory_equal(id, key.id, LY__ID);
    assert_string_equal((const char *)ASN1_STRING_get0_data(X509_get0_notAfter(c)), "99991231235959Z");
    assert_string_equal((const char *)ASN1_STRING_get0_data(X509_get0_notBefore(c)), "700101000000Z");
    assert_int_equal(X509_get_version(c), X509_VERSION_3);
    assert_int_equal(X509_NAME_cmp(X509_get_issuer_name(c), X509_get_subject_name(c)), 0);
    char name[64];
    assert_string_equal(X509_NAME_oneline(X509_get_subject_name(c), name, sizeof name), "/CN=lanyard");
    assert_int_equal(ASN1_STRING_length(X509_get0_serialNumber(c)), 16);
    assert_memory_equal(ASN1_STRING_get0_data(X509_get0_serialNumber(c)) + 1, key.id + 1, 15);
    X509_free(c);
    BIO_free(b);
    ly_buffer_done(&pem);
    ly__key_close(&key);
}

static void the_private_key_in_pem_reads_back(void **state)
{
    (void)state;
    struct ly__key key, again;
    struct ly_buffer pem;
    assert_int_equal(ly__key_open(&key, folder, LY__KEY_FILE, true), 0);
    ly_buffer_init(&pem, 8192);
    assert_int_equal(ly__key_private_pem(&key, &pem), 0);
    assert_int_equal(write_file("again", ly_buffer_bytes(&pem), 0600), 0);
    assert_int_equal(ly__key_open(&again, folder, "again", false), 0);
    assert_string_equal(again.text, key.text);
    ly__key_wipe(&pem);
    assert_null(pem.data);
    ly_buffer_init(&pem, 8);
    assert_int_equal(ly__key_private_pem(&key, &pem), LY_ETOOBIG);
    ly__key_close(&again);
    ly__key_close(&key);
}

static void each_refusal_says_what_to_do(void **state)
{
    (void)state;
    assert_non_null(strstr(ly__key_text(-EPERM), "600"));
    assert_non_null(strstr(ly__key_text(LY_EKEY), "damaged"));
    assert_string_equal(ly__key_text(-ENOSPC), ly_error_text(-ENOSPC));
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(the_first_use_makes_a_key_that_stays),
        IN_FOLDER(the_umask_takes_nothing_from_a_key),
        IN_FOLDER(several_first_uses_at_once_make_one_key),
        IN_FOLDER(a_key_that_others_may_read_is_refused_and_kept),
        IN_FOLDER(what_is_no_key_on_p_256_is_refused_and_kept),
        IN_FOLDER(a_file_too_long_for_a_key_is_refused),
        IN_FOLDER(a_key_whose_halves_do_not_fit_is_refused),
        IN_FOLDER(rotating_makes_the_next_key_the_machines),
        IN_FOLDER(a_damaged_next_key_does_not_replace_a_good_one),
        IN_FOLDER(the_certificate_is_of_the_key_and_never_expires),
        IN_FOLDER(the_private_key_in_pem_reads_back),
        cmocka_unit_test(each_refusal_says_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
