/* SPDX-License-Identifier: MIT */
#include "daemon/become.h"
#include "supervised.h"
#include <arpa/inet.h>

static struct supervised s;

/* ---- what may be said when ---- */

/* Messages that are whole, for a session and a command of these numbers. */
static const struct {
    const char *name, *rest;
    unsigned states; /* in which it may be said; 0: it is about no session */
} messages[] = {
    {"begin", ",\"binding\":" BINDING, LY__CONNECTED},
    {"login", ",\"mechanism\":\"SCRAM-SHA-256-PLUS\",\"data\":\"x\"", LY__STRANGER},
    {"start", ",\"argv\":[\"true\"],\"env\":{},\"stdin\":false", LY__LOGGED_IN},
    {"allow", ",\"what\":\"get\"", LY__LOGGED_IN},
    {"spend", ",\"bytes\":1", LY__LOGGED_IN},
    {"note", ",\"what\":\"get\",\"object\":\"a\",\"result\":0,\"exit\":-1,\"began\":1", LY__LOGGED_IN},
    {"end", ",\"result\":0", LY__CONNECTED | LY__STRANGER | LY__LOGGED_IN},
    {"fault", "", LY__CONNECTED | LY__STRANGER | LY__LOGGED_IN | LY__OVER},
    {"kill", ",\"child\":1,\"signal\":15", 0},
    {"free", ",\"child\":1", 0},
    {"report", ",\"requests\":1,\"received\":2,\"sent\":3,\"busy\":[]", 0},
};
#define MESSAGES (sizeof messages / sizeof *messages)

static void the_table_is_the_one_that_is_tested(void **state)
{
    (void)state;
    unsigned states;
    bool asks;
    const char *name;
    size_t i = 0;
    for (; (name = ly__monitor_rule(i, &states, &asks)); i++) {
        assert_true(i < MESSAGES);
        assert_string_equal(name, messages[i].name);
        assert_int_equal(states, messages[i].states);
    }
    assert_int_equal(i, MESSAGES);
}

/* The rows of the documentation's table, in its words. */
static void print_row(char *out, size_t size, const char *name, unsigned states, bool asks)
{
    static const char *const names[] = {"connected", "stranger", "logged in", "over"};
    size_t n = (size_t)snprintf(out, size, "| `%s` | ", name);
    for (unsigned i = 0, bit = 1; i < 4; i++, bit *= 2) {
        if (states & bit)
            n += (size_t)snprintf(out + n, size - n, "%s%s", states & (bit - 1) ? ", " : "", names[i]);
    }
    snprintf(out + n, size - n, "%s | %s |\n", states ? "" : "-", asks ? "yes" : "no");
}

static void the_documentation_has_the_same_table(void **state)
{
    (void)state;
    char path[4096], text[65536], row[256];
    const char *source = getenv("LY_SOURCE"), *name;
    unsigned states;
    bool asks;
    if (!source)
        skip(); /* run by hand */
    snprintf(path, sizeof path, "%s/docs/security.md", source);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    const char *at = strstr(text, "| message | states of its session | answered |\n| --- | --- | --- |\n");
    assert_non_null(at);
    at = strchr(strchr(at, '\n') + 1, '\n') + 1;
    for (size_t i = 0; (name = ly__monitor_rule(i, &states, &asks)); i++) {
        print_row(row, sizeof row, name, states, asks);
        assert_memory_equal(at, row, strlen(row));
        at += strlen(row);
    }
    assert_int_equal(*at, '\n');
}

static int try_message(size_t which, unsigned state, bool *ret_refused)
{
    CHECK(supervise(&s) == 0);
    uint64_t number = connect_session(&s, state);
    CHECK(say(&s, "{\"ask\":1,\"do\":\"%s\",\"session\":%lu%s}", messages[which].name, (unsigned long)number,
              messages[which].rest) == 0);
    ly_shutdown(s.worker, SHUT_WR);
    *ret_refused = await_refusal(&s) == LY_EREFUSED;
    return 0;
}

static int every_state(void *arg)
{
    static const unsigned states[] = {LY__CONNECTED, LY__STRANGER, LY__LOGGED_IN};
    (void)arg;
    for (size_t i = 0; i < MESSAGES; i++) {
        for (size_t k = 0; k < 3 && messages[i].states; k++) {
            bool refused;
            CHECK(try_message(i, states[k], &refused) == 0);
            CHECK(refused == !(messages[i].states & states[k]));
        }
    }
    return 0;
}

static void each_message_is_taken_in_its_states_and_ends_the_worker_in_all_others(void **state)
{
    (void)state;
    assert_int_equal(in_loop(every_state), 0);
}

/* Say this as a worker with a session (%lu) that is logged in: the offence. */
static int offend(const char *format, const char *offence)
{
    char text[4096];
    CHECK(supervise(&s) == 0);
    uint64_t number = connect_session(&s, LY__LOGGED_IN);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, format, (unsigned long)number);
#pragma GCC diagnostic pop
    CHECK(say(&s, "%s", text) == 0);
    CHECK(await_refusal(&s) == LY_EREFUSED);
    if (strcmp(s.monitor.offence, offence) != 0)
        print_error("%s: %s\n", text, s.monitor.offence);
    CHECK(strcmp(s.monitor.offence, offence) == 0);
    return 0;
}

static int broken_messages(void *arg)
{
    static const struct {
        const char *text, *offence;
    } rows[] = {
        {"no JSON", "a message: that is none"},
        {"[]", "a message: that is none"},
        {"{\"do\":\"begin\"", "a message: that is none"},
        {"{}", "a message: of no kind that there is"},
        {"{\"do\":\"shell\",\"session\":%lu}", "a message: of no kind that there is"},
        {"{\"do\":7}", "a message: of no kind that there is"},
        {"{\"do\":\"allow\",\"session\":%lu}", "allow: without a number"},
        {"{\"do\":\"end\",\"result\":0}", "end: without a session"},
        {"{\"do\":\"end\",\"session\":-1,\"result\":0}", "end: without a session"},
        {"{\"do\":\"end\",\"session\":0,\"result\":0}", "end: without a session"},
        {"{\"do\":\"end\",\"session\":9223372036854775807,\"result\":0}",
         "end: for a session that is not this worker's"},
        {"{\"do\":\"end\",\"session\":%lu}", "end: with fields that it does not have"},
        {"{\"do\":\"note\",\"session\":%lu}", "note: with fields that it does not have"},
        {"{\"do\":\"kill\",\"child\":1,\"signal\":9}", "kill: with fields that it does not have"},
        {"{\"do\":\"report\",\"requests\":-1,\"received\":0,\"sent\":0,\"busy\":[]}",
         "report: with fields that it does not have"},
        {"{\"do\":\"report\",\"requests\":0,\"received\":0,\"sent\":0,\"busy\":[{\"session\":%lu}]}",
         "report: with fields that it does not have"},
        {"{\"do\":\"free\",\"child\":0}", "free: with fields that it does not have"},
        {"{\"do\":\"free\"}", "free: with fields that it does not have"},
    };
    (void)arg;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK(offend(rows[i].text, rows[i].offence) == 0);
    return 0;
}

static void a_message_that_is_not_as_it_should_be_ends_the_worker_with_its_reason(void **state)
{
    (void)state;
    assert_int_equal(in_loop(broken_messages), 0);
}

static int too_much(void *arg)
{
    (void)arg;
    static char text[LY__CHANNEL_MAX + 4096];
    memset(text, ' ', sizeof text);
    CHECK(supervise(&s) == 0);
    ssize_t n = ly_send(s.worker, text, sizeof text);
    CHECK(n == (ssize_t)sizeof text || n == -EMSGSIZE);
    if (n < 0)
        CHECK(ly_send(s.worker, text, 1) == 1);
    CHECK(await_refusal(&s) == LY_EREFUSED);
    return 0;
}

static void a_message_that_is_too_long_ends_the_worker(void **state)
{
    (void)state;
    assert_int_equal(in_loop(too_much), 0);
}

static int gift(void *arg)
{
    (void)arg;
    CHECK(supervise(&s) == 0);
    int before = dup(0), fds[] = {0, 0, 0, 0, 0, 0};
    close(before);
    static const char text[] = "{\"do\":\"free\",\"child\":1}";
    CHECK(ly_send_fds(s.worker, text, sizeof text - 1, fds, 6) > 0);
    while (ly_recv(s.worker, s.said, 100) > 0)
        ;
    int after = dup(0);
    close(after);
    CHECK(after == before); /* none of them is kept */
    CHECK(unsupervise(&s) == LY_EREFUSED);
    return 0;
}

static void descriptors_from_a_worker_are_closed_and_end_it(void **state)
{
    (void)state;
    assert_int_equal(in_loop(gift), 0);
}

/* ---- sessions ---- */

static int foreign(void *arg)
{
    static struct supervised other;
    (void)arg;
    CHECK(supervise(&other) == 0 && supervise(&s) == 0);
    struct ly_address peer;
    CHECK(ly_address_parse(&peer, "tcp://192.0.2.1:7") == 0);
    /* the two share the books, as those of one crew do */
    uint64_t number = ly__decider_connect(&s.decider, &peer, &other.monitor, &(struct ly__ticket){0});
    CHECK(say(&s, "{\"do\":\"end\",\"session\":%lu,\"result\":0}", (unsigned long)number) == 0);
    while (hear(&s) > 0)
        ;
    CHECK(strcmp(s.monitor.offence, "end: for a session that is not this worker's") == 0);
    CHECK(s.decider.sessions.count == 1); /* the other's is still there */
    ly__decider_disown(&s.decider, &other.monitor);
    CHECK(unsupervise(&s) == LY_EREFUSED && unsupervise(&other) == 0);
    return 0;
}

static void a_session_of_another_worker_cannot_be_spoken_of(void **state)
{
    (void)state;
    assert_int_equal(in_loop(foreign), 0);
}

static int interrupt_question(const char *second)
{
    CHECK(supervise(&s) == 0);
    unsigned long n = (unsigned long)connect_session(&s, LY__STRANGER);
    CHECK(say(&s,
              "{\"ask\":1,\"do\":\"login\",\"session\":%lu,\"mechanism\":\"SCRAM-SHA-256-PLUS\","
              "\"data\":\"p=tls-exporter,,n=ann,r=abcdefgh\"}",
              n) == 0);
    CHECK(say(&s,
              "{\"ask\":2,\"do\":\"%s\",\"session\":%lu,\"result\":0,\"mechanism\":\"SCRAM-SHA-256-PLUS\","
              "\"data\":\"x\"}",
              second, n) == 0);
    CHECK(await_refusal(&s) == LY_EREFUSED);
    CHECK(strstr(s.monitor.offence, "before the answer to a question") != NULL);
    return 0;
}

static int interrupted(void *arg)
{
    (void)arg;
    CHECK(interrupt_question("end") == 0); /* what the answering task holds would be freed under it */
    CHECK(interrupt_question("login") == 0);
    return 0;
}

static void a_session_that_waits_for_an_answer_can_neither_end_nor_ask_again(void **state)
{
    (void)state;
    assert_int_equal(in_loop(interrupted), 0);
}

static int one_after_another(void *arg)
{
    (void)arg;
    CHECK(supervise(&s) == 0);
    unsigned long n = (unsigned long)connect_session(&s, LY__CONNECTED);
    CHECK(say(&s, "{\"ask\":1,\"do\":\"begin\",\"session\":%lu,\"binding\":" BINDING "}", n) == 0);
    CHECK(hear(&s) > 0 && number_in(&s, "answer") == 1 && number_in(&s, "result") == 0);
    CHECK(say(&s, "{\"ask\":2,\"do\":\"login\",\"session\":%lu,\"mechanism\":\"PLAIN\",\"data\":\"x\"}", n) ==
          0);
    CHECK(hear(&s) > 0 && number_in(&s, "answer") == 2 && number_in(&s, "result") < 0);
    CHECK(say(&s, "{\"ask\":3,\"do\":\"login\",\"session\":%lu,\"mechanism\":\"PLAIN\",\"data\":\"x\"}", n) ==
          0);
    CHECK(hear(&s) > 0 && number_in(&s, "answer") == 3 && number_in(&s, "result") == LY_EFIELD); /* one try */
    CHECK(say(&s, "{\"do\":\"end\",\"session\":%lu,\"result\":0}", n) == 0);
    CHECK(unsupervise(&s) == 0);
    CHECK(s.decider.sessions.count == 0);
    return 0;
}

static void a_session_begins_tries_to_log_in_once_and_ends(void **state)
{
    (void)state;
    assert_int_equal(in_loop(one_after_another), 0);
}

static int early_end(void *arg)
{
    (void)arg;
    struct ly__ticket ticket;
    CHECK(supervise(&s) == 0);
    uint64_t number = connect_session(&s, LY__CONNECTED); /* that it has not been told of yet */
    CHECK(say(&s, "{\"do\":\"end\",\"session\":%lu,\"result\":0}", (unsigned long)number) == 0);
    while (s.decider.sessions.count > 0)
        CHECK(ly_sleep(1) == 0);
    CHECK(!ly__decider_forget(&s.decider, number, &s.monitor, &ticket));
    CHECK(unsupervise(&s) == 0);
    return 0;
}

static void a_session_that_ended_before_it_was_handed_over_is_forgotten_without_harm(void **state)
{
    (void)state;
    assert_int_equal(in_loop(early_end), 0);
}

static int told_to_end(void *arg)
{
    (void)arg;
    CHECK(supervise(&s) == 0);
    uint64_t number = connect_session(&s, LY__LOGGED_IN);
    CHECK(ly__decider_end(&s.decider, number, ly_now()) == &s.monitor);
    CHECK(say(&s,
              "{\"ask\":1,\"do\":\"start\",\"session\":%lu,\"argv\":[\"true\"],\"env\":{},\"stdin\":false}",
              (unsigned long)number) == 0);
    CHECK(hear(&s) > 0 && number_in(&s, "result") == -ECANCELED);
    CHECK(!ly__decider_disobeyed(&s.decider, ly_now()));
    CHECK(ly__decider_disobeyed(&s.decider, ly_deadline(60000)) == &s.monitor);
    CHECK(unsupervise(&s) == 0);
    return 0;
}

static void a_session_that_was_told_to_end_gets_nothing_more_and_is_missed_if_it_stays(void **state)
{
    (void)state;
    assert_int_equal(in_loop(told_to_end), 0);
}

/* ---- floods ---- */

static int flooding(void *arg)
{
    (void)arg;
    struct supervised *w = &s;
    while (say(w, "{\"do\":\"fault\",\"session\":%lu}", (unsigned long)w->monitor.last + 1) == 0)
        ;
    return 0;
}

static int flooded(void *arg)
{
    (void)arg;
    CHECK(supervise(&s) == 0);
    CHECK(connect_session(&s, LY__CONNECTED) == 1);
    CHECK(ly_go(s.scope, flooding, NULL) == 0);
    for (int i = 0; i < 200; i++)
        CHECK(ly_sleep(0) == 0); /* who else lives in this loop has its turn */
    ly_scope_cancel(s.scope);
    ly_shutdown(s.worker, SHUT_RDWR);
    ly_await(s.running, NULL);
    ly_scope_close(s.scope);
    ly_sock_free(s.worker);
    ly__monitor_close(&s.monitor);
    ly__decider_close(&s.decider);
    return 0;
}

static void a_flood_of_messages_leaves_the_others_their_turns(void **state)
{
    (void)state;
    assert_int_equal(in_loop(flooded), 0);
}

#define LOGINS 512 /* twice as many questions as a worker may have open */

static int failing_logins(void *arg)
{
    size_t denied = 0;
    (void)arg;
    CHECK(supervise(&s) == 0);
    for (int i = 0; i < 20; i++) /* without a name, too, the answers come ever later */
        ly__failures_note(failures, "", ly_now() / 1000000);
    unsigned long n = (unsigned long)connect_session(&s, LY__LOGGED_IN);
    for (int i = 0; i < LOGINS; i++)
        CHECK(say(&s,
                  "{\"ask\":1,\"do\":\"login\",\"session\":%lu,\"mechanism\":\"SCRAM-SHA-256-PLUS\","
                  "\"data\":\"n,,\"}",
                  (unsigned long)connect_session(&s, LY__STRANGER)) == 0);
    CHECK(say(&s, "{\"ask\":2,\"do\":\"allow\",\"session\":%lu,\"what\":\"get\"}", n) == 0);
    for (; hear(&s) > 0 && number_in(&s, "answer") == 1; denied++)
        CHECK(number_in(&s, "result") == LY_EDENIED);
    CHECK(number_in(&s, "answer") == 2 && number_in(&s, "result") == 0);
    CHECK(denied < LOGINS / 2);
    CHECK(unsupervise(&s) == 0);
    return 0;
}

static void logins_that_fail_keep_nobody_else_of_the_worker_waiting(void **state)
{
    (void)state;
    assert_int_equal(in_loop(failing_logins), 0);
}

static int silent_reader(void *arg)
{
    int r = 0;
    (void)arg;
    CHECK(supervise(&s) == 0);
    int64_t began = ly_now();
    s.monitor.channel.patience_ms = 50;
    while (r == 0)
        r = ly__monitor_cut(&s.monitor, 1);
    CHECK(r == -ETIMEDOUT || r == -EPIPE);
    CHECK(ly_now() - began < INT64_C(1000000) * PATIENCE_MS);
    CHECK(await_refusal(&s) == LY_EREFUSED);
    CHECK(strcmp(s.monitor.offence, "a message: not read for a long time") == 0);
    return 0;
}

static void a_worker_that_does_not_read_is_ended(void **state)
{
    (void)state;
    assert_int_equal(in_loop(silent_reader), 0);
}

/* ---- whose fault ---- */

static int last_words(void *arg)
{
    (void)arg;
    CHECK(supervise(&s) == 0);
    connect_session(&s, LY__CONNECTED);
    uint64_t number = connect_session(&s, LY__LOGGED_IN);
    CHECK(say(&s, "{\"do\":\"fault\",\"session\":%lu}", (unsigned long)number) == 0);
    CHECK(unsupervise(&s) == 0);
    CHECK(s.monitor.faulty == number);
    return 0;
}

static void the_last_words_name_the_session_that_crashed_it(void **state)
{
    (void)state;
    assert_int_equal(in_loop(last_words), 0);
}

static int end_one(void)
{
    unsigned long number = (unsigned long)connect_session(&s, LY__STRANGER);
    CHECK(say(&s, "{\"do\":\"end\",\"session\":%lu,\"result\":0}", number) == 0);
    return (int)number;
}

static int last_words_of_one_that_is_over(void *arg)
{
    (void)arg;
    CHECK(supervise(&s) == 0);
    int first = end_one(), last = end_one();
    CHECK(say(&s, "{\"do\":\"fault\",\"session\":%d}", first) == 0);
    CHECK(say(&s, "{\"do\":\"fault\",\"session\":%d}", last) == 0);
    CHECK(unsupervise(&s) == 0);
    CHECK(s.monitor.faulty == (uint64_t)last);
    const struct ly__ended *e = ly__monitor_ended(&s.monitor, s.monitor.faulty);
    CHECK(e && e->peer.u.in.sin_addr.s_addr == htonl(0xC0000201));

    CHECK(supervise(&s) == 0);
    first = end_one();
    for (int i = 0; i < LY__MONITOR_ENDED; i++)
        CHECK(end_one() > 0);
    CHECK(say(&s, "{\"do\":\"fault\",\"session\":%d}", first) == 0); /* too long ago to be one's own */
    CHECK(await_refusal(&s) == LY_EREFUSED);
    CHECK(strcmp(s.monitor.offence, "fault: for a session that is not this worker's") == 0);
    return 0;
}

static void the_last_words_may_name_one_of_the_sessions_that_ended_last(void **state)
{
    (void)state;
    assert_int_equal(in_loop(last_words_of_one_that_is_over), 0);
}

static void only_the_named_session_is_charged(void **state)
{
    (void)state;
    struct ly_address guilty, bystander;
    memset(&s.decider, 0, sizeof s.decider);
    s.decider.penalties = penalties;
    ly__decider_open(&s.decider);
    assert_int_equal(ly_address_parse(&guilty, "tcp://198.51.100.1:7"), 0);
    assert_int_equal(ly_address_parse(&bystander, "tcp://198.51.100.2:7"), 0);
    uint64_t number = ly__decider_connect(&s.decider, &guilty, &s, &(struct ly__ticket){0});
    ly__decider_connect(&s.decider, &bystander, &s, &(struct ly__ticket){0});
    ly__decider_blame(&s.decider, &s, number);
    ly__decider_disown(&s.decider, &s);
    assert_true(ly__penalties_left(penalties, &guilty, ly_now()) > 60000);
    assert_int_equal(ly__penalties_left(penalties, &bystander, ly_now()), 0);
    assert_int_equal(s.decider.sessions.count, 0);
    ly__decider_close(&s.decider);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], LY__BECOME_ARGUMENT) == 0) /* as the program itself does */
        return ly__become(argc - 1, argv + 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_the_one_that_is_tested),
        cmocka_unit_test(the_documentation_has_the_same_table),
        cmocka_unit_test(each_message_is_taken_in_its_states_and_ends_the_worker_in_all_others),
        cmocka_unit_test(a_message_that_is_not_as_it_should_be_ends_the_worker_with_its_reason),
        cmocka_unit_test(a_message_that_is_too_long_ends_the_worker),
        cmocka_unit_test(descriptors_from_a_worker_are_closed_and_end_it),
        cmocka_unit_test(a_session_of_another_worker_cannot_be_spoken_of),
        cmocka_unit_test(a_session_that_waits_for_an_answer_can_neither_end_nor_ask_again),
        cmocka_unit_test(a_session_begins_tries_to_log_in_once_and_ends),
        cmocka_unit_test(a_session_that_ended_before_it_was_handed_over_is_forgotten_without_harm),
        cmocka_unit_test(a_session_that_was_told_to_end_gets_nothing_more_and_is_missed_if_it_stays),
        cmocka_unit_test(a_flood_of_messages_leaves_the_others_their_turns),
        cmocka_unit_test(logins_that_fail_keep_nobody_else_of_the_worker_waiting),
        cmocka_unit_test(a_worker_that_does_not_read_is_ended),
        cmocka_unit_test(the_last_words_name_the_session_that_crashed_it),
        cmocka_unit_test(the_last_words_may_name_one_of_the_sessions_that_ended_last),
        cmocka_unit_test(only_the_named_session_is_charged),
    };
    return cmocka_run_group_tests(tests, open_books, close_books);
}
