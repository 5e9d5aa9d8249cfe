/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log_internal.h"
#include <cmocka.h>

static char line[LY__LOG_LINE_MAX + 1];

/* The line of a record of fixed time, thread and area, ended by a zero. */
static const char *format(enum ly_log_format style, const char *message, const struct ly_log_field *fields)
{
    struct ly__log_record record = {
        .time = {1795212290, 123999999},
        .level = LY_LOG_WARNING,
        .area = "net",
        .message = message,
        .thread = 71,
        .fields = fields,
    };
    size_t n = ly__log_format(style, &record, line);
    assert_true(n <= LY__LOG_LINE_MAX);
    line[n] = 0;
    return line;
}

#define FIELDS(...) ((const struct ly_log_field[]){__VA_ARGS__, {0}})
#define LOGFMT_HEAD "time=2026-11-20T22:04:50.123Z level=warning area=net tid=71 msg="
#define JSON_HEAD \
    "{\"time\":\"2026-11-20T22:04:50.123Z\",\"level\":\"warning\",\"area\":\"net\",\"tid\":71,\"msg\":"

static void a_logfmt_line_names_its_values(void **state)
{
    (void)state;
    assert_string_equal(
        format(LY_LOGFMT, "link down", FIELDS(LY_STR("peer", "[::1]:99"), LY_INT("bytes", INT64_MIN))),
        LOGFMT_HEAD "\"link down\" peer=[::1]:99 bytes=-9223372036854775808\n");
}

static void a_json_line_is_one_object(void **state)
{
    (void)state;
    assert_string_equal(
        format(LY_LOG_JSON, "link down", FIELDS(LY_STR("peer", "[::1]:99"), LY_INT("bytes", 5))),
        JSON_HEAD "\"link down\",\"peer\":\"[::1]:99\",\"bytes\":5}\n");
}

static void an_error_is_given_by_name_and_text(void **state)
{
    (void)state;
    assert_string_equal(format(LY_LOGFMT, "x", FIELDS(LY_ERR(-EPIPE))),
                        LOGFMT_HEAD "x error=EPIPE error_text=\"broken pipe\"\n");
    assert_string_equal(format(LY_LOG_JSON, "x", FIELDS(LY_ERR(LY_ECLOSED))),
                        JSON_HEAD "\"x\",\"error\":\"LY_ECLOSED\",\"error_text\":\"closed\"}\n");
    assert_string_equal(format(LY_LOGFMT, "x", FIELDS(LY_ERR(INT64_MIN))),
                        LOGFMT_HEAD "x error=UNKNOWN error_text=\"unknown error -9223372036854775808\"\n");
}

static void logfmt_values_are_quoted_when_they_must_be(void **state)
{
    (void)state;
    assert_string_equal(format(LY_LOGFMT, "", FIELDS(LY_STR("a", NULL), LY_STR("b", "1=2"))),
                        LOGFMT_HEAD "\"\" a=\"\" b=\"1=2\"\n");
    assert_string_equal(format(LY_LOGFMT, "say \"hi\\", FIELDS(LY_STR("a", "\xe4\xbd\xa0"))),
                        LOGFMT_HEAD "\"say \\\"hi\\\\\" a=\xe4\xbd\xa0\n");
}

static void no_peer_writes_a_line_of_its_own(void **state)
{
    (void)state;
    const struct ly_log_field *fields = FIELDS(LY_STR("name", "a\ntime=0 level=info\x1b[2J\xff\xe2\x80\xae"));
    assert_string_equal(format(LY_LOGFMT, "x\r\n", fields), LOGFMT_HEAD
                        "\"x\\x0d\\n\" name=\"a\\ntime=0 level=info\\x1b[2J\\xff\\xe2\\x80\\xae\"\n");
    assert_string_equal(format(LY_LOG_JSON, "x\r\n\xf3\xa0\x81\x81\"\\", fields),
                        JSON_HEAD "\"x\\u000d\\n\\udb40\\udc41\\\"\\\\\",\"name\":\"a\\ntime=0 "
                                  "level=info\\u001b[2J\\\\xff\\u202e\"}\n");
}

static void dates_are_those_of_the_c_library(void **state)
{
    (void)state;
    static const int64_t some[] = {0,          951782399,  951782400,  951868800,   1709164800,
                                   1709251199, 4107542399, 4107542400, 253402300799};
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
        struct ly__log_record record = {.time = {some[i], 0}, .area = "a", .message = "m"};
        struct tm tm;
        char expected[64];
        gmtime_r(&record.time.tv_sec, &tm);
        size_t n = strftime(expected, sizeof expected, "time=%Y-%m-%dT%H:%M:%S.000Z ", &tm);
        ly__log_format(LY_LOGFMT, &record, line);
        assert_memory_equal(line, expected, n);
    }
}

static void a_long_line_is_cut_well_formed_and_says_so(void **state)
{
    (void)state;
    static char value[2 * LY__LOG_LINE_MAX];
    static const char *const ends[] = {"\" truncated=true\n", "\",\"truncated\":true}\n"};
    for (size_t room = LY__LOG_LINE_MAX - 300; room < sizeof value;
         room += room < LY__LOG_LINE_MAX ? 1 : 997) {
        memset(value, '\1', sizeof value);
        memset(value, ' ', room - room % 7);
        value[room] = 0;
        for (int style = LY_LOGFMT; style <= LY_LOG_JSON; style++) {
            const char *text =
                format((enum ly_log_format)style, value, FIELDS(LY_INT("n", 1), LY_STR("s", "t")));
            size_t n = strlen(text), end = strlen(ends[style]);
            assert_ptr_equal(strchr(text, '\n'), text + n - 1);
            if (room >= LY__LOG_LINE_MAX)
                assert_string_equal(text + n - end, ends[style]);
            else
                assert_true(strstr(text, "truncated") ||
                            strstr(text, style == LY_LOGFMT ? "s=t\n" : "\"t\"}\n"));
        }
    }
}

static void a_number_that_does_not_fit_is_left_out_whole(void **state)
{
    (void)state;
    static char value[LY__LOG_LINE_MAX];
    memset(value, 'x', LY__LOG_LINE_MAX - 120);
    const char *text = format(LY_LOG_JSON, value, FIELDS(LY_INT("number", 1234567)));
    assert_null(strstr(text, "number"));
    assert_non_null(strstr(text, "x\",\"truncated\":true}\n"));
}

/* What was logged into a pipe, ended by a zero. */
static const char *drain(int fd)
{
    ssize_t n = read(fd, line, sizeof line - 1);
    line[n > 0 ? n : 0] = 0;
    return line;
}

static void log_to(int fd, enum ly_log_level level)
{
    ly_log_setup(&(struct ly_log_options){.fd = fd, .level = level, .format = LY_LOGFMT});
}

static void a_line_begins_with_the_number_of_its_level_where_that_is_wanted(void **state)
{
    static const char *const begins[] = {"<3>time=", "<4>time=", "<6>time=", "<7>time="};
    int *ends = *state;
    ly_log_setup(&(struct ly_log_options){ends[1], LY_LOG_DEBUG, LY_LOGFMT, true});
    for (int level = LY_LOG_ERROR; level <= LY_LOG_DEBUG; level++) {
        ly_log((enum ly_log_level)level, "server", "x");
        assert_memory_equal(drain(ends[0]), begins[level], strlen(begins[level]));
    }
    log_to(ends[1], LY_LOG_INFO);
    ly_log(LY_LOG_INFO, "server", "x");
    assert_memory_equal(drain(ends[0]), "time=", strlen("time="));
}

static uint64_t task_nine(void)
{
    return 9;
}

static void lines_above_the_level_are_dropped(void **state)
{
    int *ends = *state;
    log_to(ends[1], LY_LOG_WARNING);
    ly_log(LY_LOG_INFO, "server", "dropped");
    ly_log(LY_LOG_WARNING, "server", "written", LY_INT("n", 1));
    drain(ends[0]);
    assert_null(strstr(line, "dropped"));
    assert_non_null(strstr(line, " level=warning area=server tid="));
    assert_non_null(strstr(line, " msg=written n=1\n"));
    assert_null(strstr(line, "fiber="));
}

static void S119_the_task_s_id_is_on_its_lines(void **state)
{
    int *ends = *state;
    log_to(ends[1], LY_LOG_INFO);
    ly__log_task_id = task_nine;
    ly_log(LY_LOG_INFO, "server", "hello");
    ly__log_task_id = NULL;
    assert_non_null(strstr(drain(ends[0]), " fiber=9 msg=hello\n"));
}

static void the_environment_turns_debug_lines_of_areas_on(void **state)
{
    int *ends = *state;
    log_to(ends[1], LY_LOG_ERROR);
    assert_true(ly_log_enabled(LY_LOG_DEBUG, "net"));
    assert_true(ly_log_enabled(LY_LOG_DEBUG, "frame"));
    assert_false(ly_log_enabled(LY_LOG_DEBUG, "fram"));
    assert_false(ly_log_enabled(LY_LOG_DEBUG, "frames"));
    assert_false(ly_log_enabled(LY_LOG_DEBUG, ""));
    assert_false(ly_log_enabled(LY_LOG_DEBUG, NULL));
    assert_false(ly_log_enabled(LY_LOG_INFO, "net"));
    log_to(ends[1], LY_LOG_DEBUG);
    assert_true(ly_log_enabled(LY_LOG_DEBUG, "other"));
}

static void logging_leaves_errno_alone(void **state)
{
    (void)state;
    log_to(-1, LY_LOG_INFO);
    errno = EXDEV;
    ly_log(LY_LOG_INFO, "server", "nowhere to go");
    assert_int_equal(errno, EXDEV);
}

static void a_full_descriptor_loses_lines_whole(void **state)
{
    int *ends = *state;
    char rest[512];
    ssize_t n;
    size_t last = 0;
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    log_to(ends[1], LY_LOG_INFO);
    for (int i = 0; i < 5000; i++)
        ly_log(LY_LOG_INFO, "server", "one of many", LY_INT("n", i));
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    while ((n = read(ends[0], rest, sizeof rest)) > 0)
        last = (size_t)n;
    assert_int_equal(rest[last - 1], '\n');
}

#define THREADS 4
#define LINES 200

static void *log_lines(void *arg)
{
    (void)arg;
    for (int i = 0; i < LINES; i++)
        ly_log(LY_LOG_INFO, "server", "a line of its own", LY_STR("value", "0123456789 0123456789"),
               LY_ERR(-EIO));
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    int *ends = *state;
    pthread_t threads[THREADS];
    char text[512];
    int count = 0;
    log_to(ends[1], LY_LOG_INFO);
    FILE *in = fdopen(dup(ends[0]), "r");
    assert_non_null(in);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_lines, NULL), 0);
    for (; count < THREADS * LINES && fgets(text, sizeof text, in); count++) {
        assert_memory_equal(text, "time=", 5);
        assert_non_null(strstr(text, "error=EIO error_text=\"input/output error\"\n"));
    }
    assert_int_equal(count, THREADS * LINES);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    fclose(in);
}

static int open_pipe(void **state)
{
    static int ends[2];
    *state = ends;
    return pipe2(ends, O_CLOEXEC);
}

static int close_pipe(void **state)
{
    int *ends = *state;
    log_to(STDERR_FILENO, LY_LOG_INFO);
    return close(ends[0]) | close(ends[1]);
}

#define PIPE_TEST(name) cmocka_unit_test_setup_teardown(name, open_pipe, close_pipe)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_logfmt_line_names_its_values),
        cmocka_unit_test(a_json_line_is_one_object),
        cmocka_unit_test(an_error_is_given_by_name_and_text),
        cmocka_unit_test(logfmt_values_are_quoted_when_they_must_be),
        cmocka_unit_test(no_peer_writes_a_line_of_its_own),
        cmocka_unit_test(dates_are_those_of_the_c_library),
        cmocka_unit_test(a_long_line_is_cut_well_formed_and_says_so),
        cmocka_unit_test(a_number_that_does_not_fit_is_left_out_whole),
        PIPE_TEST(lines_above_the_level_are_dropped),
        PIPE_TEST(a_line_begins_with_the_number_of_its_level_where_that_is_wanted),
        PIPE_TEST(S119_the_task_s_id_is_on_its_lines),
        PIPE_TEST(the_environment_turns_debug_lines_of_areas_on),
        PIPE_TEST(logging_leaves_errno_alone),
        PIPE_TEST(a_full_descriptor_loses_lines_whole),
        PIPE_TEST(lines_of_threads_do_not_mix),
    };
    setenv("LY_DEBUG", "net, frame,,", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
