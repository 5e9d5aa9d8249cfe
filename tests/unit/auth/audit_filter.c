/* SPDX-License-Identifier: MIT */
#include "auth/audit_filter.h"
#include "trail.h"

#define LINE                                                                                                    \
    "{\"time\": \"2026-11-21T09:35:37.5Z\", \"who\": \"ada\", \"from\": \"tls://192.0.2.7:4711\", \"device\": " \
    "\"12345-67890\", \"what\": \"exec\", \"result\": \"LY_EDENIED\"}"
#define AT INT64_C(1795253737500000)

static bool passes_line(const struct ly__audit_filter *f, const char *line)
{
    struct ly__audit_view v;
    bool damaged;
    assert_int_equal(ly__audit_read(&v, line, strlen(line), &damaged), 0);
    return ly__audit_filter_passes(f, &v);
}

static bool passes(struct ly__audit_filter f)
{
    struct ly__audit_filter any = ly__audit_filter_any();
    f.prefix = -1;
    f.since = f.since ? f.since : any.since;
    f.until = f.until ? f.until : any.until;
    return passes_line(&f, LINE);
}

#define PASSES(...) passes((struct ly__audit_filter){__VA_ARGS__})

static void an_empty_filter_passes_everything(void **state)
{
    (void)state;
    struct ly__audit_filter f = ly__audit_filter_any();
    assert_true(passes_line(&f, LINE));
    assert_true(passes_line(&f, "{\"time\": \"1970-01-01\"}"));
}

static void users_and_commands_are_compared_in_whole(void **state)
{
    (void)state;
    assert_true(PASSES(.user = "ada"));
    assert_false(PASSES(.user = "ad"));
    assert_false(PASSES(.user = "adam"));
    assert_false(PASSES(.user = ""));
    assert_true(PASSES(.what = "exec"));
    assert_false(PASSES(.what = "exe"));
}

static void no_user_is_asked_for_by_an_empty_name(void **state)
{
    (void)state;
    struct ly__audit_filter f = ly__audit_filter_any();
    f.user = "";
    assert_true(passes_line(&f, "{\"time\": \"1970-01-01\"}"));
}

static void results_have_names_and_kinds(void **state)
{
    (void)state;
    assert_true(PASSES(.result = "LY_EDENIED"));
    assert_true(PASSES(.result = "edenied"));
    assert_true(PASSES(.result = "error"));
    assert_false(PASSES(.result = "ok"));
    assert_false(PASSES(.result = "ENOENT"));
    struct ly__audit_filter f = ly__audit_filter_any();
    f.result = "error";
    assert_false(passes_line(&f, "{\"time\": \"1970-01-01\", \"result\": \"ok\"}"));
    assert_false(passes_line(&f, "{\"time\": \"1970-01-01\", \"result\": \"begun\"}"));
    f.result = "begun";
    assert_true(passes_line(&f, "{\"time\": \"1970-01-01\", \"result\": \"begun\"}"));
}

static void a_span_of_time_has_its_beginning_but_not_its_end(void **state)
{
    (void)state;
    assert_true(PASSES(.since = AT));
    assert_false(PASSES(.since = AT + 1));
    assert_true(PASSES(.until = AT + 1));
    assert_false(PASSES(.until = AT));
}

static bool passes_from(const char *from, const char *line)
{
    struct ly__audit_filter f = ly__audit_filter_any();
    assert_int_equal(ly__audit_filter_from(&f, from), 0);
    return passes_line(&f, line);
}

static void origins_are_addresses_networks_and_devices(void **state)
{
    (void)state;
    static const char *const right[] = {"192.0.2.7",   "192.0.2.0/24",         "0.0.0.0/0",
                                        "12345-67890", "tls://192.0.2.7:4711", "192.0.2.7:4711"};
    static const char *const wrong[] = {"192.0.2.8", "192.0.3.0/24", "::/0", "12345", "192.0.2.7:4712", ""};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        assert_true(passes_from(right[i], LINE));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(passes_from(wrong[i], LINE));
}

static void what_is_no_origin_is_refused(void **state)
{
    (void)state;
    static const char *const none[] = {"192.0.2.300", "192.0.2.0/33", "2001:db8::z", "ada", "192.0.2.7:x"};
    struct ly__audit_filter f = ly__audit_filter_any();
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(ly__audit_filter_from(&f, none[i]), LY_EFIELD);
}

static void origins_may_be_ipv6_and_local(void **state)
{
    (void)state;
    static const char six[] = "{\"time\": \"1970-01-01\", \"from\": \"tcp://[2001:db8::7]:1\"}";
    static const char local[] = "{\"time\": \"1970-01-01\", \"from\": \"unix:/run/x\"}";
    assert_true(passes_from("2001:db8::/32", six));
    assert_true(passes_from("2001:db8::7", six));
    assert_false(passes_from("2001:db8::8", six));
    assert_true(passes_from("unix:/run/x", local));
    assert_false(passes_from("0.0.0.0/0", local));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_filter_passes_everything),
        cmocka_unit_test(users_and_commands_are_compared_in_whole),
        cmocka_unit_test(no_user_is_asked_for_by_an_empty_name),
        cmocka_unit_test(results_have_names_and_kinds),
        cmocka_unit_test(a_span_of_time_has_its_beginning_but_not_its_end),
        cmocka_unit_test(origins_are_addresses_networks_and_devices),
        cmocka_unit_test(what_is_no_origin_is_refused),
        cmocka_unit_test(origins_may_be_ipv6_and_local),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
