/* SPDX-License-Identifier: MIT */
#include "daemon/channel.h"
#include "tasks.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static struct ly__channel one, other;

static int open_both(void)
{
    int fds[2];
    CHECK(ly__channel_pair(fds) == 0);
    CHECK(fcntl(fds[0], F_GETFD) == FD_CLOEXEC && fcntl(fds[1], F_GETFD) == FD_CLOEXEC);
    CHECK(ly__channel_open(&one, fds[0]) == 0 && ly__channel_open(&other, fds[1]) == 0);
    return 0;
}

static int close_both(void)
{
    ly__channel_close(&one);
    ly__channel_close(&other);
    return 0;
}

/* The number that the next descriptor would have: it grows with each that is left open. */
static int next_descriptor(void)
{
    int fd = dup(0);
    close(fd);
    return fd;
}

static int send_text(const char *text, const int *fds, size_t nfds)
{
    struct ly_buffer b;
    ly_buffer_init(&b, 1 << 20);
    int r = ly__channel_begin(&b);
    if (r == 0)
        r = ly_json_put_string(&b, "text", text);
    if (r == 0)
        r = ly__channel_send(&one, &b, fds, nfds);
    ly_buffer_done(&b);
    return r;
}

static int message_and_descriptors(void *arg)
{
    (void)arg;
    struct ly__message m;
    char text[32], byte = 0;
    int pipe_fds[2];
    CHECK(open_both() == 0 && pipe2(pipe_fds, O_CLOEXEC) == 0);
    CHECK(send_text("hello", pipe_fds, 2) == 0);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    CHECK(ly__channel_receive(&other, &m) == 1);
    CHECK(ly_json_string(ly_json_get(m.json, "text"), text, sizeof text) == 5 && strcmp(text, "hello") == 0);
    CHECK(m.nfds == 2 && fcntl(m.fds[0], F_GETFD) == FD_CLOEXEC);
    CHECK(write(m.fds[1], "x", 1) == 1 && read(m.fds[0], &byte, 1) == 1 && byte == 'x');
    int taken = m.fds[1];
    m.fds[1] = -1; /* it is ours */
    ly__message_done(&m);
    CHECK(m.nfds == 0 && fcntl(taken, F_GETFD) >= 0);
    CHECK(write(taken, "x", 1) < 0 && errno == EPIPE); /* the other one is closed */
    close(taken);
    return close_both();
}

static void a_message_arrives_whole_with_its_descriptors(void **state)
{
    (void)state;
    assert_int_equal(in_loop(message_and_descriptors), 0);
}

static int limits(void *arg)
{
    (void)arg;
    struct ly__message m;
    static char text[LY__CHANNEL_MAX + 1];
    CHECK(open_both() == 0);
    const size_t frame = strlen("{\"text\": \"\"}");
    memset(text, 'a', LY__CHANNEL_MAX);
    text[LY__CHANNEL_MAX - frame + 1] = 0;
    CHECK(send_text(text, NULL, 0) == LY_ETOOBIG);
    text[LY__CHANNEL_MAX - frame] = 0;
    CHECK(send_text(text, NULL, 0) == 0);
    CHECK(ly__channel_receive(&other, &m) == 1 && m.json.length == LY__CHANNEL_MAX);
    return close_both();
}

static void a_message_of_the_greatest_length_passes_and_a_longer_one_is_not_sent(void **state)
{
    (void)state;
    assert_int_equal(in_loop(limits), 0);
}

/* Bytes as somebody who keeps to nothing sends them. */
static int receive_bytes(const char *bytes, size_t n, size_t nfds)
{
    static const int fds[LY__CHANNEL_FDS + 2] = {0, 0, 0, 0, 0, 0};
    struct ly__message m;
    CHECK(open_both() == 0);
    int before = next_descriptor();
    CHECK(ly_send_fds(one.sock, bytes, n, fds, nfds) == (ssize_t)n);
    int r = ly__channel_receive(&other, &m);
    if (r > 0)
        ly__message_done(&m);
    CHECK(next_descriptor() == before);
    close_both();
    return r;
}

static int rubbish(void *arg)
{
    static const char *const texts[] = {
        "x", "[]", "7", "\"text\"", "{\"a\":1", "{\"a\":1}{}", "{\"a\":\"\xff\"}", "{\"a\":1,}"};
    static char large[LY__CHANNEL_MAX + 8];
    (void)arg;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        CHECK(receive_bytes(texts[i], strlen(texts[i]), 1) == LY_EJSON);
    memset(large, ' ', sizeof large);
    memcpy(large, "{}", 2); /* what arrives of it would be a message */
    CHECK(receive_bytes(large, LY__CHANNEL_MAX, 0) == 1);
    CHECK(receive_bytes(large, sizeof large, 2) == LY_EJSON);
    CHECK(receive_bytes("{}", 2, LY__CHANNEL_FDS) == 1);
    CHECK(receive_bytes("{}", 2, LY__CHANNEL_FDS + 1) == LY_EJSON);
    return 0;
}

static int without_room(void *arg)
{
    struct rlimit limit, none;
    struct ly__message m;
    (void)arg;
    CHECK(open_both() == 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0);
    int fds[] = {0, 0, 0}, before = next_descriptor();
    for (rlim_t room = 0; room < 3; room++) {
        none = (struct rlimit){(rlim_t)before + room, limit.rlim_max};
        CHECK(send_text("hello", fds, 3) == 0);
        CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
        int r = ly__channel_receive(&other, &m);
        CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        CHECK(r == 1 && m.is_short && m.nfds == 0 && ly_json_equal(ly_json_get(m.json, "text"), "hello"));
        CHECK(next_descriptor() == before);
    }
    CHECK(send_text("again", fds, 3) == 0 && ly__channel_receive(&other, &m) == 1);
    CHECK(!m.is_short && m.nfds == 3);
    ly__message_done(&m);
    return close_both();
}

static void a_message_whose_descriptors_find_no_room_arrives_and_says_so(void **state)
{
    (void)state;
    assert_int_equal(in_loop(without_room), 0);
}

static void what_is_no_message_is_refused_and_its_descriptors_are_closed(void **state)
{
    (void)state;
    assert_int_equal(in_loop(rubbish), 0);
}

static int ends(void *arg)
{
    (void)arg;
    struct ly__message m;
    CHECK(open_both() == 0);
    CHECK(send_text("last", NULL, 0) == 0);
    ly__channel_close(&one);
    CHECK(ly__channel_receive(&other, &m) == 1);
    int r = ly__channel_receive(&other, &m);
    CHECK(r == 0 || r == -ECONNRESET);
    ly__channel_close(&other);
    CHECK(open_both() == 0);
    ly__channel_close(&other);
    CHECK(send_text("nobody", NULL, 0) == -EPIPE);
    return close_both();
}

static void the_end_of_the_other_side_is_seen_behind_what_it_has_said(void **state)
{
    (void)state;
    assert_int_equal(in_loop(ends), 0);
}

static int nobody_reads(void *arg)
{
    (void)arg;
    struct ly__message m;
    int r = 0, sent = 0;
    CHECK(open_both() == 0);
    one.patience_ms = 20;
    while ((r = send_text("a word", NULL, 0)) == 0)
        sent++;
    CHECK(r == -ETIMEDOUT && sent > 0);
    while (sent-- > 0) /* what was sent is there, and nothing of the last */
        CHECK(ly__channel_receive(&other, &m) == 1);
    CHECK(send_text("again", NULL, 0) == 0);
    return close_both();
}

static void who_does_not_read_is_waited_for_only_so_long(void **state)
{
    (void)state;
    assert_int_equal(in_loop(nobody_reads), 0);
}

static int hexadecimal(void *arg)
{
    static const char *const wrong[] = {"{\"h\":\"0123\"}",
                                        "{\"h\":\"012345\"}",
                                        "{\"h\":\"0123g5ff\"}",
                                        "{\"h\":\"0123A5FF\"}",
                                        "{\"h\":1}",
                                        "{}",
                                        "{\"h\":\"0123 5ff\"}",
                                        "{\"h\":\"\\u00e92345f\"}"};
    static const uint8_t bytes[] = {0x00, 0x9f, 0xa0, 0xff};
    struct ly_buffer b;
    struct ly_json json;
    static const uint8_t large[LY__HEX_MAX + 1];
    uint8_t got[4];
    (void)arg;
    ly_buffer_init(&b, LY__CHANNEL_MAX);
    CHECK(ly__channel_begin(&b) == 0 && ly__hex_put(&b, "h", bytes, 4) == 0 && ly_json_close(&b, '}') == 0);
    CHECK(b.length == 17 && memcmp(ly_buffer_bytes(&b), "{\"h\": \"009fa0ff\"}", 17) == 0);
    CHECK(ly_json_check(&json, ly_buffer_bytes(&b), b.length) == 0);
    CHECK(ly__hex_get(ly_json_get(json, "h"), got, 4) == 0 && memcmp(got, bytes, 4) == 0);
    CHECK(ly__hex_put(&b, "h", large, sizeof large) == LY_ETOOBIG);
    ly_buffer_done(&b);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(ly_json_check(&json, wrong[i], strlen(wrong[i])) == 0);
        CHECK(ly__hex_get(ly_json_get(json, "h"), got, 4) == LY_EFIELD);
    }
    return 0;
}

static void bytes_have_one_text_and_no_other(void **state)
{
    (void)state;
    assert_int_equal(hexadecimal(NULL), 0);
}

static void a_grant_arrives_as_it_was_or_not_at_all(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "{}",
        "{\"user\":\"ann\",\"roles\":1,\"bandwidth\":0}",
        "{\"user\":\"ann\",\"roles\":-1,\"bandwidth\":0,\"directory\":\"\"}",
        "{\"user\":\"ann\",\"roles\":4294967296,\"bandwidth\":0,\"directory\":\"\"}",
        "{\"user\":\"ann\",\"roles\":1,\"bandwidth\":-1,\"directory\":\"\"}",
        "{\"user\":7,\"roles\":1,\"bandwidth\":0,\"directory\":\"\"}"};
    struct ly__grant g = {.roles = 5, .user = "ann", .directory = "a/b \"c\"", .bandwidth = 1 << 20}, got;
    struct ly_buffer b;
    struct ly_json json;
    ly_buffer_init(&b, 4096);
    assert_int_equal(ly__channel_begin(&b), 0);
    assert_int_equal(ly__grant_put(&b, &g), 0);
    assert_int_equal(ly_json_close(&b, '}'), 0);
    assert_int_equal(ly_json_check(&json, ly_buffer_bytes(&b), b.length), 0);
    assert_int_equal(ly__grant_get(json, &got), 0);
    assert_int_equal(got.roles, g.roles);
    assert_string_equal(got.user, g.user);
    assert_string_equal(got.directory, g.directory);
    assert_int_equal(got.bandwidth, g.bandwidth);
    ly_buffer_done(&b);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(ly_json_check(&json, wrong[i], strlen(wrong[i])), 0);
        assert_int_equal(ly__grant_get(json, &got), LY_EFIELD);
        assert_int_equal(got.roles, 0);
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_arrives_whole_with_its_descriptors),
        cmocka_unit_test(a_message_of_the_greatest_length_passes_and_a_longer_one_is_not_sent),
        cmocka_unit_test(a_message_whose_descriptors_find_no_room_arrives_and_says_so),
        cmocka_unit_test(what_is_no_message_is_refused_and_its_descriptors_are_closed),
        cmocka_unit_test(the_end_of_the_other_side_is_seen_behind_what_it_has_said),
        cmocka_unit_test(who_does_not_read_is_waited_for_only_so_long),
        cmocka_unit_test(bytes_have_one_text_and_no_other),
        cmocka_unit_test(a_grant_arrives_as_it_was_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
