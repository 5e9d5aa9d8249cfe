/* SPDX-License-Identifier: MIT */
/* The vectors of RFC 1321 (MD5), RFC 2202 (HMAC-MD5), RFC 4231 (HMAC-SHA-256) and FIPS 180-4's example. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <lanyard/challenge.h>

/* The digest of a text that is taken in piece bytes at a time, as hexadecimal digits. */
static const char *digest_in(enum ly_digest_kind kind, const void *key, size_t key_length, const char *text,
                             size_t n, size_t piece)
{
    static char digits[2 * LY_DIGEST_MAX + 1];
    unsigned char raw[LY_DIGEST_MAX];
    struct ly_digest *d;
    assert_int_equal(ly_digest_new(&d, kind, key, key_length), 0);
    for (size_t i = 0; i < n; i += piece)
        assert_int_equal(ly_digest_update(d, text + i, piece < n - i ? piece : n - i), 0);
    ssize_t length = ly_digest_end(d, raw);
    ly_digest_free(d);
    assert_int_equal(length, kind == LY_MD5 ? 16 : 32);
    ly_hex(digits, raw, (size_t)length);
    return digits;
}

static const struct {
    const char *text, *md5;
} rfc1321[] = {
    {"", "d41d8cd98f00b204e9800998ecf8427e"},
    {"a", "0cc175b9c0f1b6a831c399e269772661"},
    {"abc", "900150983cd24fb0d6963f7d28e17f72"},
    {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
    {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"},
    {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
     "57edf4a22be3c955ac49da2e2107b67a"},
};

static void S113_md5_is_as_rfc_1321_has_it_however_it_is_taken_in(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rfc1321 / sizeof *rfc1321; i++) {
        for (size_t piece = 1; piece < 100; piece += 9)
            assert_string_equal(digest_in(LY_MD5, NULL, 0, rfc1321[i].text, strlen(rfc1321[i].text), piece),
                                rfc1321[i].md5);
    }
}

static void sha_256_is_as_fips_180_has_it(void **state)
{
    (void)state;
    assert_string_equal(digest_in(LY_SHA256, NULL, 0, "abc", 3, 1),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

struct vector {
    const char *key;
    size_t key_length; /* 0: that of the string; the key is one byte repeated where it has a number */
    const char *text;
    size_t length; /* likewise */
    const char *digits;
};

/* A string, or its first byte so many times. */
static const char *spread(char *buf, const char *s, size_t *n)
{
    if (*n == 0) {
        *n = strlen(s);
        return s;
    }
    memset(buf, *s, *n);
    return buf;
}

static void check_vectors(enum ly_digest_kind kind, const struct vector *v, size_t count)
{
    char key_room[200], text_room[200];
    for (size_t i = 0; i < count; i++) {
        size_t key_length = v[i].key_length, length = v[i].length;
        const char *key = spread(key_room, v[i].key, &key_length);
        const char *text = spread(text_room, v[i].text, &length);
        for (size_t piece = 1; piece < 200; piece += 50)
            assert_string_equal(digest_in(kind, key, key_length, text, length, piece), v[i].digits);
    }
}

#define LONG_KEY "Test Using Larger Than Block-Size Key - Hash Key First"

static void S114_hmac_md5_is_as_rfc_2202_has_it(void **state)
{
    (void)state;
    static const char counting[] = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12"
                                   "\x13\x14\x15\x16\x17\x18\x19";
    static const struct vector vectors[] = {
        {"\x0b", 16, "Hi There", 0, "9294727a3638bb1c13f48ef8158bfc9d"},
        {"Jefe", 0, "what do ya want for nothing?", 0, "750c783e6ab0b503eaa86e310a5db738"},
        {"\xaa", 16, "\xdd", 50, "56be34521d144c88dbb8c733f0e8b3f6"},
        {counting, 0, "\xcd", 50, "697eaf0aca3a3aea3a75164746ffaa79"},
        {"\x0c", 16, "Test With Truncation", 0, "56461ef2342edc00f9bab995690efd4c"},
        {"\xaa", 80, LONG_KEY, 0, "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"},
        {"\xaa", 80, "Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data", 0,
         "6f630fad67cda0ee1fb1f562db3aa53e"},
    };
    check_vectors(LY_MD5, vectors, sizeof vectors / sizeof *vectors);
}

static void hmac_sha_256_is_as_rfc_4231_has_it(void **state)
{
    (void)state;
    static const char counting[] = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12"
                                   "\x13\x14\x15\x16\x17\x18\x19";
    static const struct vector vectors[] = {
        {"\x0b", 20, "Hi There", 0, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"Jefe", 0, "what do ya want for nothing?", 0,
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {"\xaa", 20, "\xdd", 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {counting, 0, "\xcd", 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
        {"\xaa", 131, LONG_KEY, 0, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {"\xaa", 131,
         "This is a test using a larger than block-size key and a larger than block-size data. The key needs "
         "to be hashed before being used by the HMAC algorithm.",
         0, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
    };
    check_vectors(LY_SHA256, vectors, sizeof vectors / sizeof *vectors);
}

static void an_empty_key_is_a_key(void **state)
{
    (void)state;
    assert_string_equal(digest_in(LY_MD5, "", 0, "", 0, 1), "74e6f7298a9c2d168935f58c001bad88");
}

static void S114_secrets_are_compared_to_the_last_byte(void **state)
{
    (void)state;
    assert_true(ly_equal_secret("abcd", "abcd", 4));
    assert_false(ly_equal_secret("abcd", "abce", 4));
    assert_false(ly_equal_secret("abcd", "bbcd", 4));
    assert_true(ly_equal_secret("abcd", "abce", 3));
}

static void S115_random_bytes_fill_what_is_asked_and_no_more(void **state)
{
    (void)state;
    unsigned char a[1001], b[1001];
    memset(a, 0, sizeof a);
    memset(b, 0, sizeof b);
    assert_int_equal(ly_random(a, 1000), 0);
    assert_int_equal(ly_random(b, 1000), 0);
    assert_memory_not_equal(a, b, 1000);
    assert_memory_not_equal(a + 900, b + 900, 100);
    assert_int_equal(a[1000], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(S113_md5_is_as_rfc_1321_has_it_however_it_is_taken_in),
        cmocka_unit_test(sha_256_is_as_fips_180_has_it),
        cmocka_unit_test(S114_hmac_md5_is_as_rfc_2202_has_it),
        cmocka_unit_test(hmac_sha_256_is_as_rfc_4231_has_it),
        cmocka_unit_test(an_empty_key_is_a_key),
        cmocka_unit_test(S114_secrets_are_compared_to_the_last_byte),
        cmocka_unit_test(S115_random_bytes_fill_what_is_asked_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
