/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <lanyard/json.h>

static struct ly_json parse_bytes(const char *text, size_t n)
{
    struct ly_json value = {NULL, 0};
    if (ly_json_check(&value, text, n) < 0)
        fail_msg("refused: %.*s", (int)n, text);
    return value;
}

static struct ly_json parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

static void assert_refused(const char *text, size_t n)
{
    struct ly_json value;
    if (ly_json_check(&value, text, n) != LY_EJSON)
        fail_msg("accepted: %.*s", (int)n, text);
}

static void assert_decodes(const char *text, const char *expected)
{
    char buf[256];
    ssize_t n = ly_json_string(parse(text), buf, sizeof buf);
    assert_int_equal(n, strlen(expected));
    assert_string_equal(buf, expected);
}

static void every_kind_of_value_is_accepted(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum ly_json_type type;
    } rows[] = {
        {"null", LY_JSON_NULL},
        {"true", LY_JSON_BOOL},
        {"false", LY_JSON_BOOL},
        {"0", LY_JSON_NUMBER},
        {"-0", LY_JSON_NUMBER},
        {"-12.50e+07", LY_JSON_NUMBER},
        {"1E9", LY_JSON_NUMBER},
        {"\"\"", LY_JSON_STRING},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", LY_JSON_STRING},
        {"[]", LY_JSON_ARRAY},
        {"[1, [], {}]", LY_JSON_ARRAY},
        {" \t\r\n{ } ", LY_JSON_OBJECT},
        {"{\"a\":{\"b\":[1,2]}}", LY_JSON_OBJECT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(ly_json_type(parse(rows[i].text)), rows[i].type);
}

static void malformed_texts_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",          " ",         "nul",
        "True",      "tru",       "truex",
        "01",        "-",         "+1",
        ".5",        "1.",        "1.e1",
        "1e",        "1e+",       "0x1",
        "1 2",       "\"",        "\"\\\"",
        "\"\\x\"",   "\"\\u12\"", "\"\\u12g4\"",
        "\"\\",      "\"a\nb\"",  "'a'",
        "[",         "]",         "[1",
        "[1,",       "[1,]",      "[,1]",
        "[1 2]",     "[}",        "{",
        "}",         "{\"a\"",    "{\"a\":",
        "{\"a\":1",  "{\"a\":1,", "{\"a\":1,}",
        "{a:1}",     "{,}",       "{\"a\" 1}",
        "{\"a\":1]", "{1:1}",     "NaN",
        "Infinity",  "-Infinity", "// x\n1",
        "[1]]",      "{}{}",      "\xEF\xBB\xBF{}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_refused(texts[i], strlen(texts[i]));
    struct ly_json value;
    assert_int_equal(ly_json_check(&value, NULL, 0), LY_EJSON);
    assert_refused("1\0", 2);
}

static void text_that_is_not_utf8_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",
        "\xFF",
        "\xC0\xAF",
        "\xC1\xBF",
        "\xC3",
        "\xE0\x9F\xBF",
        "\xED\xA0\x80",
        "\xE2\x82",
        "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80",
        "\xF0\x9F\x98",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[16];
        int n = snprintf(text, sizeof text, "\"%s\"", bad[i]);
        assert_refused(text, (size_t)n);
    }
    assert_decodes("\"\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\"",
                   "\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xF0\x90\x80\x80\xF4\x8F\xBF\xBF");
}

static void zero_bytes_are_refused_raw_and_escaped(void **state)
{
    (void)state;
    assert_refused("\"a\0b\"", 5);
    assert_refused("\"\\u0000\"", 8);
}

static void surrogates_stand_in_pairs_or_for_bytes(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "\"\\ud800\"",        "\"\\udbff\"",        "\"\\udc00\"",  "\"\\udc7f\"",
        "\"\\udd00\"",        "\"\\udfff\"",        "\"\\ud83dx\"", "\"\\ud83d\\n\"",
        "\"\\ud83d\\u0041\"", "\"\\ud83d\\ud83d\"", "\"\\udc2f\"",  "\"\\ud83d\\u",
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_refused(refused[i], strlen(refused[i]));
    assert_decodes("\"\\ud83d\\ude00\"", "\xF0\x9F\x98\x80");
    assert_decodes("\"\\uD800\\uDC80\"", "\xF0\x90\x82\x80");
    assert_decodes("\"\\udcff\\udc80a\"", "\xFF\x80"
                                          "a");
}

static void nesting_ends_at_its_limit(void **state)
{
    (void)state;
    char text[2 * LY_JSON_DEPTH + 2];
    memset(text, '[', LY_JSON_DEPTH + 1);
    memset(text + LY_JSON_DEPTH + 1, ']', LY_JSON_DEPTH + 1);
    parse_bytes(text + 1, 2 * LY_JSON_DEPTH);
    assert_refused(text, sizeof text);
    parse(
        "[[[[[[[[[[]]]]]]]]],[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]],[[[[[[[[[]]]]]]]]]]");
}

static void a_name_twice_in_the_outermost_object_is_refused(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"b\":2,\"\\u0061\":3}",
        "{\"\":1,\"\":1}",
        "{\"long name one\":1,\"long name one\":1}",
        "{\"\xC3\xA9\":1,\"\\u00e9\":1}",
        "{\"\\udcc3\\udca9\":1,\"\xC3\xA9\":1}",
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_refused(refused[i], strlen(refused[i]));
    parse("{\"a\":1,\"A\":1,\"aa\":1,\"a \":1,\"long name one\":1,\"long name two\":1}");
    parse("{\"x\":{\"a\":1,\"a\":1}}");
    parse("[{\"a\":1,\"a\":1}]");
}

/* An object of the names "n0", "n1", ... and one more. */
static size_t object_of_names(char *text, size_t cap, int count, const char *last)
{
    int n = snprintf(text, cap, "{");
    for (int i = 0; i < count; i++)
        n += snprintf(text + n, cap - (size_t)n, "\"n%d\":%d,", i, i);
    n += snprintf(text + n, cap - (size_t)n, "\"%s\":0}", last);
    return (size_t)n;
}

static void a_repeated_name_is_found_among_many_and_too_many_are_refused(void **state)
{
    (void)state;
    char text[8192];
    for (int count = 1; count < LY_JSON_NAMES; count++) {
        parse_bytes(text, object_of_names(text, sizeof text, count, "other"));
        assert_refused(text, object_of_names(text, sizeof text, count, "n0"));
        char last[32];
        snprintf(last, sizeof last, "\\u006e%d", count - 1);
        assert_refused(text, object_of_names(text, sizeof text, count, last));
    }
    assert_refused(text, object_of_names(text, sizeof text, LY_JSON_NAMES, "other"));
}

static void a_member_is_found_by_its_decoded_name(void **state)
{
    (void)state;
    int64_t n = 0;
    struct ly_json o = parse(" {\"id\" : 7 , \"\\u0063md\":\"ls\", \"o\":{\"x\":[\"]}\\\"\"]}, \"size\":9}");
    assert_int_equal(ly_json_int(ly_json_get(o, "id"), &n), 0);
    assert_int_equal(n, 7);
    assert_true(ly_json_equal(ly_json_get(o, "cmd"), "ls"));
    assert_int_equal(ly_json_int(ly_json_get(o, "size"), &n), 0);
    assert_int_equal(n, 9);
    assert_int_equal(ly_json_type(ly_json_get(ly_json_get(o, "o"), "x")), LY_JSON_ARRAY);
    static const char *const absent[] = {"", "i", "idd", "x", "Size", "\\u0063md"};
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
        assert_int_equal(ly_json_type(ly_json_get(o, absent[i])), LY_JSON_NONE);
    assert_int_equal(ly_json_type(ly_json_get(parse("[1]"), "id")), LY_JSON_NONE);
    assert_int_equal(ly_json_type(ly_json_get((struct ly_json){NULL, 0}, "id")), LY_JSON_NONE);
    assert_int_equal(ly_json_type(ly_json_get(parse("{\"\":1}"), "")), LY_JSON_NUMBER);
}

static void containers_are_walked_in_order(void **state)
{
    (void)state;
    struct ly_json name, value, a = parse("[ 1 ,\"]\",[2],{\"k\":[]} , null ]");
    static const char *const elements[] = {"1", "\"]\"", "[2]", "{\"k\":[]}", "null"};
    size_t it = 0;
    for (size_t i = 0; i < 5; i++) {
        assert_true(ly_json_next(a, &it, &name, &value));
        assert_int_equal(name.length, 0);
        assert_int_equal(value.length, strlen(elements[i]));
        assert_memory_equal(value.text, elements[i], value.length);
    }
    assert_false(ly_json_next(a, &it, &name, &value));
    assert_false(ly_json_next(a, &it, &name, &value));
    it = 0;
    struct ly_json o = parse("{ \"a\" : 1, \"b:,\" : true }");
    assert_true(ly_json_next(o, &it, &name, NULL) && ly_json_equal(name, "a"));
    assert_true(ly_json_next(o, &it, &name, &value) && ly_json_equal(name, "b:,"));
    assert_int_equal(ly_json_type(value), LY_JSON_BOOL);
    assert_false(ly_json_next(o, &it, NULL, NULL));
    it = 0;
    assert_false(ly_json_next(parse("\"ab\""), &it, NULL, NULL));
    assert_false(ly_json_next(parse("[ ]"), &it, NULL, NULL));
}

static void integers_are_read_within_64_bits_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {
        {"0", 0},
        {"-0", 0},
        {"10241321431312", 10241321431312},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
        {"-1", -1},
    };
    static const char *const bad[] = {"9223372036854775808",
                                      "-9223372036854775809",
                                      "18446744073709551616",
                                      "1.0",
                                      "1e3",
                                      "99999999999999999999999",
                                      "\"1\"",
                                      "true",
                                      "[1]",
                                      "null"};
    int64_t n;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        n = 42;
        assert_int_equal(ly_json_int(parse(good[i].text), &n), 0);
        assert_int_equal(n, good[i].value);
    }
    n = 42;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(ly_json_int(parse(bad[i]), &n), LY_EFIELD);
    assert_int_equal(ly_json_int((struct ly_json){NULL, 0}, &n), LY_EFIELD);
    assert_int_equal(n, 42);
}

static void other_scalars_are_read_by_their_type(void **state)
{
    (void)state;
    bool b = false;
    double d = 0;
    assert_int_equal(ly_json_bool(parse("true"), &b), 0);
    assert_true(b);
    assert_int_equal(ly_json_bool(parse("false"), &b), 0);
    assert_false(b);
    assert_int_equal(ly_json_bool(parse("0"), &b), LY_EFIELD);
    assert_int_equal(ly_json_double(parse("-12.5e-1"), &d), 0);
    assert_true(d == -1.25);
    assert_int_equal(ly_json_double(parse("1e400"), &d), LY_EFIELD);
    assert_int_equal(ly_json_double(parse("\"1\""), &d), LY_EFIELD);
    assert_true(d == -1.25);
}

static void strings_decode_into_exactly_the_room_they_need(void **state)
{
    (void)state;
    char buf[8];
    struct ly_json s = parse("\"a\\u00e9\\n\"");
    for (size_t cap = 0; cap <= 4; cap++)
        assert_int_equal(ly_json_string(s, buf, cap), LY_ETOOBIG);
    assert_int_equal(ly_json_string(s, buf, 5), 4);
    assert_string_equal(buf, "a\xC3\xA9\n");
    assert_int_equal(ly_json_string(parse("\"\""), buf, 0), LY_ETOOBIG);
    assert_int_equal(ly_json_string(parse("\"\""), buf, 1), 0);
    assert_int_equal(ly_json_string(parse("1"), buf, sizeof buf), LY_EFIELD);
    assert_decodes("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t");
}

static void equality_is_that_of_whole_decoded_strings(void **state)
{
    (void)state;
    assert_true(ly_json_equal(parse("\"put\""), "put"));
    assert_true(ly_json_equal(parse("\"\\u0070u\\u0074\""), "put"));
    assert_true(ly_json_equal(parse("\"\""), ""));
    assert_false(ly_json_equal(parse("\"put\""), "pu"));
    assert_false(ly_json_equal(parse("\"pu\""), "put"));
    assert_false(ly_json_equal(parse("\"\""), "p"));
    assert_false(ly_json_equal(parse("\"p\""), ""));
    assert_false(ly_json_equal(parse("null"), "null"));
}

/* A deterministic stream of numbers below n. */
static unsigned pick(uint64_t *seed, unsigned n)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned)(*seed >> 33) % n;
}

/* Join random pieces: mostly well-formed ones, so that long texts are often valid up to their mutation. */
static size_t random_text(uint64_t *seed, char *out, unsigned depth)
{
    static const char *const scalars[] = {
        "0",           "-1",           "12.5",
        "1e5",         "true",         "false",
        "null",        "\"\"",         "\"a\\n\"",
        "\"\\u00e9\"", "\"\xC3\xA9\"", "\"plain text of some length, 0123456789\"",
        "[]",          "{}",           "\"\\ud83d\\ude00\"",
        "-0.0E-2"};
    size_t n = 0;
    unsigned kind = depth > 4 ? 0 : pick(seed, 3);
    if (kind == 0) {
        const char *s = scalars[pick(seed, sizeof scalars / sizeof scalars[0])];
        n = strlen(s);
        memcpy(out, s, n);
        return n;
    }
    unsigned count = pick(seed, 4);
    out[n++] = kind == 1 ? '[' : '{';
    for (unsigned i = 0; i < count; i++) {
        if (i > 0)
            out[n++] = ',';
        if (pick(seed, 3) == 0)
            out[n++] = " \t\n\r"[pick(seed, 4)];
        if (kind == 2)
            n += (size_t)snprintf(out + n, 16, "\"k%u\":", i);
        n += random_text(seed, out + n, depth + 1);
    }
    out[n++] = kind == 1 ? ']' : '}';
    return n;
}

static void mutate(uint64_t *seed, char *text, size_t *n)
{
    static const char bytes[] = "{}[]\",:\\u0dc81e.+- \ntfn\x80\xC3\xA9\x1f\x7f/";
    size_t at = pick(seed, (unsigned)*n);
    switch (pick(seed, 3)) {
    case 0:
        text[at] = bytes[pick(seed, sizeof bytes - 1)];
        break;
    case 1:
        memmove(text + at, text + at + 1, *n - at - 1);
        --*n;
        break;
    default:
        memmove(text + at + 1, text + at, *n - at);
        text[at] = bytes[pick(seed, sizeof bytes - 1)];
        ++*n;
    }
}

/* 1 accepted, 0 refused, -1 where the peer's rules differ from ours. */
static int peer_verdict(const char *text, size_t n)
{
    json_error_t error;
    json_t *tree = json_loadb(text, n, JSON_DECODE_ANY, &error);
    if (!tree) {
        /* It also refuses numbers that it cannot represent, and every lone surrogate. */
        bool ours = json_error_code(&error) == json_error_numeric_overflow || memmem(text, n, "\\ud", 3);
        return ours ? -1 : 0;
    }
    json_decref(tree);
    tree = json_loadb(text, n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    json_decref(tree);
    return tree ? 1 : -1; /* it refuses equal names at any depth */
}

static void random_texts_get_the_verdict_of_an_independent_reader(void **state)
{
    (void)state;
    uint64_t seed = 20;
    int accepted = 0, refused = 0;
    static char text[1 << 16];
    for (int round = 0; round < 60000; round++) {
        size_t n = random_text(&seed, text, 0);
        for (unsigned i = pick(&seed, 3); i > 0 && n > 0; i--)
            mutate(&seed, text, &n);
        int peer = peer_verdict(text, n);
        char *copy = malloc(n > 0 ? n : 1); /* exact, so that a sanitizer sees a byte too far */
        assert_non_null(copy);
        memcpy(copy, text, n);
        struct ly_json value;
        int ours = ly_json_check(&value, copy, n) == 0;
        free(copy);
        if (peer >= 0 && ours != peer)
            fail_msg("ours %d, peer %d: %.*s", ours, peer, (int)n, text);
        accepted += ours;
        refused += !ours;
    }
    assert_true(accepted > 10000 && refused > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value_is_accepted),
        cmocka_unit_test(malformed_texts_are_refused),
        cmocka_unit_test(text_that_is_not_utf8_is_refused),
        cmocka_unit_test(zero_bytes_are_refused_raw_and_escaped),
        cmocka_unit_test(surrogates_stand_in_pairs_or_for_bytes),
        cmocka_unit_test(nesting_ends_at_its_limit),
        cmocka_unit_test(a_name_twice_in_the_outermost_object_is_refused),
        cmocka_unit_test(a_repeated_name_is_found_among_many_and_too_many_are_refused),
        cmocka_unit_test(a_member_is_found_by_its_decoded_name),
        cmocka_unit_test(containers_are_walked_in_order),
        cmocka_unit_test(integers_are_read_within_64_bits_and_nothing_else),
        cmocka_unit_test(other_scalars_are_read_by_their_type),
        cmocka_unit_test(strings_decode_into_exactly_the_room_they_need),
        cmocka_unit_test(equality_is_that_of_whole_decoded_strings),
        cmocka_unit_test(random_texts_get_the_verdict_of_an_independent_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
