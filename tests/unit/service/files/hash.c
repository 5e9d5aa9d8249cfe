/* SPDX-License-Identifier: MIT */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include "service/files/hash.h"

#include <string.h>

/* Known answers: those of `xxhsum -H2` for these inputs. */
static void known_inputs_have_known_hashes(void **state)
{
    char text[LY__HASH_TEXT];
    (void)state;
    ly__hash_once("", 0, text);
    assert_string_equal(text, "99aa06d3014798d86001c324468d497f");
    ly__hash_once("hello\n", 6, text);
    assert_string_equal(text, "6bba86c7e069f56d5a10b435f1c8e49c");
}

static void pieces_give_the_hash_of_the_whole(void **state)
{
    static char bytes[300000];
    char whole[LY__HASH_TEXT], pieces[LY__HASH_TEXT];
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 131 >> 3);
    for (size_t n = 0; n < sizeof bytes; n = n * 3 + 1) {
        struct ly__hash h;
        ly__hash_init(&h);
        for (size_t at = 0, step = 1; at < n; at += step, step = step * 2 + 1)
            ly__hash_update(&h, bytes + at, n - at < step ? n - at : step);
        ly__hash_text(&h, pieces);
        ly__hash_once(bytes, n, whole);
        assert_string_equal(pieces, whole);
    }
}

static void a_hash_can_be_read_and_goes_on(void **state)
{
    struct ly__hash h;
    char text[LY__HASH_TEXT], expected[LY__HASH_TEXT];
    (void)state;
    ly__hash_init(&h);
    ly__hash_update(&h, "hel", 3);
    ly__hash_text(&h, text);
    ly__hash_once("hel", 3, expected);
    assert_string_equal(text, expected);
    ly__hash_update(&h, "lo\n", 3);
    ly__hash_text(&h, text);
    assert_string_equal(text, "6bba86c7e069f56d5a10b435f1c8e49c");
}

#ifdef __x86_64__
static void every_variant_gives_the_same_hash(void **state)
{
    static char bytes[70000];
    char wide[LY__HASH_TEXT], chosen[LY__HASH_TEXT];
    (void)state;
    memset(bytes, 7, sizeof bytes);
    for (size_t n = 200; n <= sizeof bytes; n += 6980) {
        ly__hash_once(bytes, n, chosen);
        if (__builtin_cpu_supports("avx2")) {
            ly__hash_avx2.once(bytes, n, wide);
            assert_string_equal(wide, chosen);
        }
        if (__builtin_cpu_supports("avx512f")) {
            ly__hash_avx512.once(bytes, n, wide);
            assert_string_equal(wide, chosen);
        }
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_inputs_have_known_hashes),
        cmocka_unit_test(pieces_give_the_hash_of_the_whole),
        cmocka_unit_test(a_hash_can_be_read_and_goes_on),
#ifdef __x86_64__
        cmocka_unit_test(every_variant_gives_the_same_hash),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
