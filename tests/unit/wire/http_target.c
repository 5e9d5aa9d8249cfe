/* SPDX-License-Identifier: MIT */
/* Paths, queries, forms and credentials. */
#include "http_cut.h"
#include <errno.h>

static struct ly_http_text text(const char *s)
{
    return (struct ly_http_text){s, strlen(s)};
}

static void expect_path(const char *in, const char *out)
{
    char path[64];
    assert_int_equal(ly_http_path_decode(text(in), path, strlen(in) + 1), strlen(out));
    assert_string_equal(path, out);
}

static void paths_are_decoded_once_and_resolved(void **state)
{
    (void)state;
    expect_path("/", "/");
    expect_path("/a/b", "/a/b");
    expect_path("/a/b/", "/a/b/");
    expect_path("/%61%2Db", "/a-b");
    expect_path("/%2541", "/%41");
    expect_path("/a//b///", "/a/b/");
    expect_path("//", "/");
    expect_path("/./a/./b/.", "/a/b/");
    expect_path("/.", "/");
    expect_path("/a/..", "/");
    expect_path("/a/../b", "/b");
    expect_path("/a/b/../../c", "/c");
    expect_path("/a/b/..", "/a/");
    expect_path("/a/%2e%2E/b", "/b");
    expect_path("/%2e/a", "/a");
    expect_path("/...", "/...");
    expect_path("/..a/.b", "/..a/.b");
    expect_path("/a%20b+c", "/a b+c");
    expect_path("/%E4%B8%AD", "\x2f\xe4\xb8\xad");
}

static void paths_do_not_leave_the_root_nor_hide_bytes(void **state)
{
    (void)state;
    static const char *const bad[] = {"",          "a",           "/..",     "/../a", "/a/../..",
                                      "/%2e%2e/a", "/a/../../b",  "/%2E./a", "/%00",  "/a%00.html",
                                      "/a%2fb",    "/a%2F..%2Fb", "/%",      "/%4",   "/%4g",
                                      "/%g4",      "//../a",      "/./../a"};
    char path[64];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ly_http_path_decode(text(bad[i]), path, sizeof path), LY_EHTTP);
}

static void a_path_that_does_not_fit_says_so(void **state)
{
    (void)state;
    char path[8];
    assert_int_equal(ly_http_path_decode(text("/abcdef"), path, 8), 7);
    assert_int_equal(ly_http_path_decode(text("/abcdefg"), path, 8), LY_ETOOBIG);
    assert_int_equal(ly_http_path_decode(text("/"), path, 1), LY_ETOOBIG);
}

static void texts_are_unescaped(void **state)
{
    (void)state;
    char out[16];
    assert_int_equal(ly_http_unescape(text("a+b%2B%00c"), true, out, sizeof out), 6);
    assert_memory_equal(out, "a b+\0c", 7);
    assert_int_equal(ly_http_unescape(text("a+b"), false, out, sizeof out), 3);
    assert_string_equal(out, "a+b");
    assert_int_equal(ly_http_unescape(text(""), true, out, 1), 0);
    assert_int_equal(ly_http_unescape(text(""), true, out, 0), LY_ETOOBIG);
    assert_int_equal(ly_http_unescape(text("abc"), true, out, 3), LY_ETOOBIG);
    assert_int_equal(ly_http_unescape(text("%"), true, out, 9), LY_EHTTP);
    assert_int_equal(ly_http_unescape(text("a%4"), true, out, 9), LY_EHTTP);
    assert_int_equal(ly_http_unescape(text("%zz"), true, out, 9), LY_EHTTP);
}

static void forms_are_walked_in_order(void **state)
{
    (void)state;
    struct ly_http_text form = text("&a=1&&b=&c&=d&e=f=g&"), name, value;
    static const char *const pairs[][2] = {{"a", "1"}, {"b", ""}, {"c", ""}, {"", "d"}, {"e", "f=g"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_true(ly_http_form_next(&form, &name, &value));
        expect_text(name, pairs[i][0]);
        expect_text(value, pairs[i][1]);
    }
    assert_false(ly_http_form_next(&form, &name, &value));
    form = (struct ly_http_text){NULL, 0};
    assert_false(ly_http_form_next(&form, &name, &value));
}

static void values_are_found_by_decoded_names(void **state)
{
    (void)state;
    char out[16];
    const struct ly_http_text form = text("user+name=Ann&%70w=a%20b%2B&pw=second&bad=%&x=\xe4\xb8\xad");
    assert_int_equal(ly_http_form_get(form, "user name", out, sizeof out), 3);
    assert_string_equal(out, "Ann");
    assert_int_equal(ly_http_form_get(form, "pw", out, sizeof out), 4);
    assert_string_equal(out, "a b+");
    assert_int_equal(ly_http_form_get(form, "x", out, sizeof out), 3);
    assert_int_equal(ly_http_form_get(form, "bad", out, sizeof out), LY_EHTTP);
    assert_int_equal(ly_http_form_get(form, "p", out, sizeof out), -ENOENT);
    assert_int_equal(ly_http_form_get(form, "pww", out, sizeof out), -ENOENT);
    assert_int_equal(ly_http_form_get(form, "user name", out, 3), LY_ETOOBIG);
}

static void basic_credentials_are_taken_apart(void **state)
{
    (void)state;
    char out[64];
    const char *user, *password;
    assert_int_equal(
        ly_http_basic(text("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), out, sizeof out, &user, &password), 0);
    assert_string_equal(user, "Aladdin");
    assert_string_equal(password, "open sesame");
    assert_int_equal(ly_http_basic(text("bASIC   dTpwOnE="), out, sizeof out, &user, &password), 0);
    assert_string_equal(user, "u");
    assert_string_equal(password, "p:q");
    assert_int_equal(ly_http_basic(text("Basic Og=="), out, sizeof out, &user, &password), 0);
    assert_string_equal(user, "");
    assert_string_equal(password, "");
}

static void bad_credentials_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",           "Basic",          "Basic ",     "Basicdm86eA==", "Bearer dTpw", "Basic dTpw=",
        "Basic dTp",  "Basic d===",     "Basic ====", "Basic dQ==",    "Basic dTp*",  "Basic Oh==",
        "Basic dToA", "Basic Og==Og==",
    };
    char out[64];
    const char *user, *password;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ly_http_basic(text(bad[i]), out, sizeof out, &user, &password), LY_EHTTP);
    assert_int_equal(ly_http_basic(text("Basic dTpw"), out, 3, &user, &password), LY_ETOOBIG);
    assert_int_equal(ly_http_basic(text("Basic dTpw"), out, 0, &user, &password), LY_ETOOBIG);
    assert_int_equal(ly_http_basic(text("Basic dTpw"), out, 4, &user, &password), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_decoded_once_and_resolved),
        cmocka_unit_test(paths_do_not_leave_the_root_nor_hide_bytes),
        cmocka_unit_test(a_path_that_does_not_fit_says_so),
        cmocka_unit_test(texts_are_unescaped),
        cmocka_unit_test(forms_are_walked_in_order),
        cmocka_unit_test(values_are_found_by_decoded_names),
        cmocka_unit_test(basic_credentials_are_taken_apart),
        cmocka_unit_test(bad_credentials_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
