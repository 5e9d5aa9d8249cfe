/* SPDX-License-Identifier: MIT */
#include "auth/announcement.h"
#include "folder.h"
#include <lanyard/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct ly__key key, next, other;

static int make_keys(void **state)
{
    (void)state;
    if (make_folder(state) < 0)
        return -1;
    return ly__key_open(&key, folder, LY__KEY_FILE, true) ||
           ly__key_open(&next, folder, LY__KEY_NEXT_FILE, true) ||
           ly__key_open(&other, folder, "other.pem", true);
}

static int drop_keys(void **state)
{
    ly__key_close(&key);
    ly__key_close(&next);
    ly__key_close(&other);
    return remove_folder(state);
}

static void an_announcement_gives_the_next_identity(void **state)
{
    (void)state;
    struct ly__announcement a;
    uint8_t id[LY__ID];
    assert_int_equal(ly__key_announce(&a, &key, &next), 0);
    assert_int_equal(ly__announcement_check(&a, key.id, id), 0);
    assert_memory_equal(id, next.id, LY__ID);
}

static void one_of_another_machine_is_refused(void **state)
{
    (void)state;
    struct ly__announcement a;
    uint8_t id[LY__ID];
    assert_int_equal(ly__key_announce(&a, &key, &next), 0);
    assert_int_equal(ly__announcement_check(&a, other.id, id), LY_EPEER);
    assert_int_equal(ly__key_announce(&a, &other, &next), 0);
    memcpy(a.key, key.spki, key.spki_length); /* says it is of key, but other has signed */
    assert_int_equal(ly__announcement_check(&a, key.id, id), LY_EPEER);
}

static void one_of_another_next_key_is_refused(void **state)
{
    (void)state;
    struct ly__announcement a;
    uint8_t id[LY__ID];
    assert_int_equal(ly__key_announce(&a, &key, &next), 0);
    memcpy(a.next, other.spki, other.spki_length);
    assert_int_equal(ly__announcement_check(&a, key.id, id), LY_EPEER);
}

static void every_changed_byte_is_noticed(void **state)
{
    (void)state;
    struct ly__announcement a;
    uint8_t id[LY__ID];
    assert_int_equal(ly__key_announce(&a, &key, &next), 0);
    struct {
        uint8_t *bytes;
        size_t n;
    } parts[] = {{a.key, a.key_length}, {a.next, a.next_length}, {a.signature, a.signature_length}};
    for (size_t p = 0; p < 3; p++) {
        for (size_t i = 0; i < parts[p].n; i++) {
            parts[p].bytes[i] ^= 1;
            assert_int_equal(ly__announcement_check(&a, key.id, id), LY_EPEER);
            parts[p].bytes[i] ^= 1;
        }
    }
    assert_int_equal(ly__announcement_check(&a, key.id, id), 0);
}

static void lengths_that_are_wrong_are_refused(void **state)
{
    (void)state;
    struct ly__announcement a, b;
    uint8_t id[LY__ID];
    assert_int_equal(ly__key_announce(&a, &key, &next), 0);
    size_t *const lengths[] = {&b.key_length, &b.next_length, &b.signature_length};
    for (size_t i = 0; i < 3; i++) {
        for (size_t n = 0; n < 3; n++) {
            b = a;
            *lengths[i] = n == 0 ? 0 : n == 1 ? *lengths[i] - 1 : *lengths[i] + 1;
            assert_int_equal(ly__announcement_check(&b, key.id, id), LY_EPEER);
        }
    }
}

static struct ly_json object_of(struct ly_buffer *text)
{
    struct ly_json whole;
    assert_int_equal(ly_json_check(&whole, ly_buffer_bytes(text), text->length), 0);
    return whole;
}

static void it_travels_as_json(void **state)
{
    (void)state;
    struct ly__announcement a, b;
    struct ly_buffer text;
    uint8_t id[LY__ID];
    ly_buffer_init(&text, 4096);
    assert_int_equal(ly__key_announce(&a, &key, &next), 0);
    assert_int_equal(ly_json_open(&text, NULL, '{'), 0);
    assert_int_equal(ly__announcement_put(&text, "next", &a), 0);
    assert_int_equal(ly_json_close(&text, '}'), 0);
    assert_int_equal(ly__announcement_get(&b, ly_json_get(object_of(&text), "next")), 0);
    assert_int_equal(ly__announcement_check(&b, key.id, id), 0);
    assert_memory_equal(id, next.id, LY__ID);
    ly_buffer_done(&text);
}

static void json_that_is_no_announcement_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "[]",
        "{\"key\":1,\"next\":\"AAAA\",\"signature\":\"AAAA\"}",
        "{\"key\":\"AAAA\",\"next\":\"AAAA\"}",
        "{\"key\":\"AAA\",\"next\":\"AAAA\",\"signature\":\"AAAA\"}",
        "{\"key\":\"\",\"next\":\"AAAA\",\"signature\":\"AAAA\"}",
        "{\"key\":\"AA-A\",\"next\":\"AAAA\",\"signature\":\"AAAA\"}",
        "{\"key\":\"====\",\"next\":\"AAAA\",\"signature\":\"AAAA\"}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct ly__announcement a = {.key_length = 77};
        struct ly_json whole;
        assert_int_equal(ly_json_check(&whole, texts[i], strlen(texts[i])), 0);
        if (ly__announcement_get(&a, whole) != LY_EFIELD)
            fail_msg("%s is taken", texts[i]);
        assert_int_equal(a.key_length, 77);
    }
}

static void fields_that_are_too_long_are_refused(void **state)
{
    (void)state;
    struct ly__announcement a;
    char text[600];
    struct ly_json whole;
    for (int n = 4; n <= 240; n += 4) {
        char base64[241];
        memset(base64, 'A', sizeof base64);
        base64[n] = 0;
        (void)snprintf(text, sizeof text, "{\"key\":\"AAAA\",\"next\":\"AAAA\",\"signature\":\"%s\"}",
                       base64);
        assert_int_equal(ly_json_check(&whole, text, strlen(text)), 0);
        assert_int_equal(ly__announcement_get(&a, whole), n / 4 * 3 <= LY__SIGNATURE_MAX ? 0 : LY_EFIELD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_announcement_gives_the_next_identity),
        cmocka_unit_test(one_of_another_machine_is_refused),
        cmocka_unit_test(one_of_another_next_key_is_refused),
        cmocka_unit_test(every_changed_byte_is_noticed),
        cmocka_unit_test(lengths_that_are_wrong_are_refused),
        cmocka_unit_test(it_travels_as_json),
        cmocka_unit_test(json_that_is_no_announcement_is_refused),
        cmocka_unit_test(fields_that_are_too_long_are_refused),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
