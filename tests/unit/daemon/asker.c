/* SPDX-License-Identifier: MIT */
/* The worker's side of the channel; the test is the supervisor, by the other end. */
#include "daemon/asker.h"
#include "tasks.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 20000

static struct ly__asker asker;
static struct ly_sock *supervisor;
static struct ly_scope *scope;
static struct ly_future *listening;
static char heard[LY__CHANNEL_MAX + 1];

/* As the worker's own loop: what a message comes to ends it if that is an error. */
static int listen_to(void *arg)
{
    struct ly__message m;
    int r;
    (void)arg;
    while ((r = ly__channel_receive(&asker.channel, &m)) > 0) {
        r = ly__asker_take(&asker, &m);
        ly__message_done(&m);
        if (r < 0)
            break;
    }
    ly__asker_lose(&asker);
    return r;
}

static int begin_asking(void)
{
    int fds[2];
    CHECK(ly__channel_pair(fds) == 0);
    CHECK(ly__asker_open(&asker, fds[0]) == 0 && ly_sock_from_fd(&supervisor, fds[1]) == 0);
    CHECK(ly_sock_set_timeout(supervisor, PATIENCE_MS) == 0);
    CHECK(ly_scope_open(&scope, NULL) == 0);
    CHECK(ly_async(scope, &listening, listen_to, NULL) == 0);
    return 0;
}

/* The supervisor goes. Returns what listening has come to. */
static int end_asking(void)
{
    ly_sock_free(supervisor);
    int r = ly_await(listening, NULL);
    ly_scope_close(scope);
    ly__channel_close(&asker.channel);
    return r;
}

__attribute__((format(printf, 3, 4))) static int say(const int *fds, size_t nfds, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ssize_t r = ly_send_fds(supervisor, text, (size_t)n, fds, nfds);
    return r < 0 ? (int)r : 0;
}

static const char *hear(void)
{
    ssize_t n = ly_recv(supervisor, heard, sizeof heard - 1);
    heard[n > 0 ? n : 0] = 0;
    return heard;
}

/* ---- questions ---- */

struct asking {
    uint64_t session;
    struct ly_future *future;
    struct ly__grant grant;
    struct ly_buffer answer;
    struct ly__child *child;
    char where[LY__LAUNCH_WHERE];
};

static int ask_begin(void *arg)
{
    struct asking *q = arg;
    struct ly__origin o = {.is_bound = true, .binding = {0xab}};
    return asker.authority.calls->begin(&asker.authority, &o, &q->session, &q->grant);
}

static int ask_login(void *arg)
{
    struct asking *q = arg;
    ly_buffer_init(&q->answer, 8192);
    return asker.authority.calls->login(&asker.authority, q->session, "M", "some data", 9, &q->answer,
                                        &q->grant);
}

static int ask_allow(void *arg)
{
    struct asking *q = arg;
    return asker.authority.calls->allow(&asker.authority, q->session, "get");
}

static int ask_start(void *arg)
{
    static const char *const argv[] = {"cat", "-", NULL}, *const env[] = {"A=b=c", "B=", NULL};
    struct asking *q = arg;
    const struct ly__launch launch = {.argv = argv, .env = env, .cwd = "there", .input = true};
    return asker.authority.calls->start(&asker.authority, q->session, &launch, &q->child, q->where);
}

static int ask(struct asking *q, ly_task_fn *fn)
{
    CHECK(ly_async(scope, &q->future, fn, q) == 0);
    hear();
    return 0;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static int ask_begin_by_key(void *arg)
{
    struct asking *q = arg;
    struct ly__tls_proof proof;
    ly__tls_proof_init(&proof);
    proof.key_length = 2;
    memcpy(proof.key, "\x30\x59", 2);
    CHECK(ly_buffer_append(&proof.messages, "\x01\xff", 2) == 0);
    const struct ly__origin o = {.is_bound = true, .proof = &proof};
    int r = asker.authority.calls->begin(&asker.authority, &o, &q->session, &q->grant);
    ly__tls_proof_done(&proof);
    return r;
}

static int key_shown(void *arg)
{
    struct asking q = {.session = 7};
    (void)arg;
    CHECK(begin_asking() == 0);
    CHECK(ask(&q, ask_begin_by_key) == 0);
    CHECK(begins(heard, "{\"ask\": 1, \"do\": \"begin\", \"session\": 7, \"binding\": \"00"));
    CHECK(strstr(heard, "\"key\": \"3059\", \"proof\": \"01ff\"}"));
    CHECK(say(NULL, 0, "{\"answer\":1,\"result\":0}") == 0);
    CHECK(ly_await(q.future, NULL) == 0);
    return end_asking();
}

static void a_key_goes_with_its_proof(void **state)
{
    (void)state;
    assert_int_equal(in_loop(key_shown), 0);
}

static int all_questions(void *arg)
{
    struct asking q = {.session = 7};
    (void)arg;
    CHECK(begin_asking() == 0);
    CHECK(ask(&q, ask_begin) == 0);
    CHECK(begins(heard, "{\"ask\": 1, \"do\": \"begin\", \"session\": 7, \"binding\": \"ab00"));
    CHECK(!strstr(heard, "\"key\""));
    CHECK(
        say(NULL, 0,
            "{\"answer\":1,\"result\":1,\"user\":\"ann\",\"roles\":3,\"bandwidth\":9,\"directory\":\"d\"}") ==
        0);
    CHECK(ly_await(q.future, NULL) == 1);
    CHECK(strcmp(q.grant.user, "ann") == 0 && q.grant.roles == 3 && q.grant.bandwidth == 9);
    CHECK(ask(&q, ask_login) == 0);
    CHECK(begins(
        heard,
        "{\"ask\": 2, \"do\": \"login\", \"session\": 7, \"mechanism\": \"M\", \"data\": \"some data\"}"));
    CHECK(say(NULL, 0, "{\"answer\":2,\"result\":0,\"data\":\"an answer\"}") == 0);
    CHECK(ly_await(q.future, NULL) == 0);
    CHECK(q.answer.length == 9 && memcmp(ly_buffer_bytes(&q.answer), "an answer", 9) == 0);
    ly_buffer_done(&q.answer);
    CHECK(ask_allow(&q) == 0); /* nobody is asked where nobody has to be */
    asker.asks_first = true;
    CHECK(ask(&q, ask_allow) == 0);
    CHECK(strcmp(heard, "{\"ask\": 3, \"do\": \"allow\", \"session\": 7, \"what\": \"get\"}") == 0);
    CHECK(say(NULL, 0, "{\"answer\":3,\"result\":-28}") == 0);
    CHECK(ly_await(q.future, NULL) == -ENOSPC);
    return end_asking();
}

static void each_question_is_asked_and_its_answer_taken(void **state)
{
    (void)state;
    assert_int_equal(in_loop(all_questions), 0);
}

static int out_of_order(void *arg)
{
    struct asking q[3] = {{.session = 1}, {.session = 2}, {.session = 3}};
    (void)arg;
    CHECK(begin_asking() == 0);
    asker.asks_first = true;
    for (int i = 0; i < 3; i++)
        CHECK(ask(&q[i], ask_allow) == 0);
    for (int i = 2; i >= 0; i--)
        CHECK(say(NULL, 0, "{\"answer\":%d,\"result\":%d}", i + 1, -(i + 1)) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(ly_await(q[i].future, NULL) == -(i + 1));
    return end_asking();
}

static void answers_in_any_order_find_who_asked(void **state)
{
    (void)state;
    assert_int_equal(in_loop(out_of_order), 0);
}

static int no_answers(void *arg)
{
    static const char *const texts[] = {"{\"answer\":2,\"result\":0}",
                                        "{\"answer\":0,\"result\":0}",
                                        "{\"answer\":1}",
                                        "{\"answer\":1,\"result\":\"0\"}",
                                        "{\"answer\":1,\"result\":1,\"roles\":-1}",
                                        "{\"ended\":1}",
                                        "[]"};
    (void)arg;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct asking q = {.session = 1};
        CHECK(begin_asking() == 0);
        asker.asks_first = true;
        CHECK(ask(&q, ask_allow) == 0);
        CHECK(say(NULL, 0, "%s", texts[i]) == 0);
        CHECK(ly_await(q.future, NULL) == -EPIPE); /* nobody is believed any more, and nobody waits */
        int r = end_asking();
        CHECK(r == LY_EFIELD || r == LY_EJSON);
    }
    return 0;
}

static void what_answers_nothing_ends_the_channel_and_all_who_wait(void **state)
{
    (void)state;
    assert_int_equal(in_loop(no_answers), 0);
}

static int supervisor_goes(void *arg)
{
    struct asking q[2] = {{.session = 1}, {.session = 2}};
    struct ly__deed deed = {.what = "get", .object = "a"};
    (void)arg;
    CHECK(begin_asking() == 0);
    CHECK(ask(&q[0], ask_begin) == 0 && ask(&q[1], ask_start) == 0);
    CHECK(ly_shutdown(supervisor, SHUT_RDWR) == 0);
    CHECK(ly_await(q[0].future, NULL) == -EPIPE && ly_await(q[1].future, NULL) == -EPIPE);
    CHECK(ask_begin(&q[0]) == -EPIPE); /* and nobody is asked later */
    asker.authority.calls->note(&asker.authority, 1, &deed);
    asker.authority.calls->end(&asker.authority, 1, 0);
    int r = end_asking();
    return r == -ECONNRESET ? 0 : r;
}

static void without_a_supervisor_nobody_waits_for_an_answer(void **state)
{
    (void)state;
    assert_int_equal(in_loop(supervisor_goes), 0);
}

static int answer_late(void *arg)
{
    (void)arg;
    CHECK(say(NULL, 0, "{\"answer\":1,\"result\":-13,\"data\":\"cat\"}") == 0);
    return 0;
}

static int cancelled_asker(void *arg)
{
    struct asking q = {.session = 1};
    (void)arg;
    CHECK(begin_asking() == 0);
    struct ly_scope *inner;
    CHECK(ly_scope_open(&inner, NULL) == 0);
    CHECK(ly_async(inner, &q.future, ask_start, &q) == 0);
    hear();
    ly_scope_cancel(inner);
    CHECK(ly_go(scope, answer_late, NULL) == 0);
    ly_scope_close(inner); /* waits for it */
    CHECK(strcmp(q.where, "cat") == 0);
    return end_asking();
}

static void who_is_cancelled_still_waits_for_the_answer(void **state)
{
    (void)state;
    assert_int_equal(in_loop(cancelled_asker), 0);
}

/* ---- commands ---- */

static int next_descriptor(void)
{
    int fd = dup(0);
    close(fd);
    return fd;
}

/* Our ends of a command's pipes: what it reads and writes. */
struct pipes {
    int theirs[3], ours[3]; /* output, errors, input */
};

static int make_pipes(struct pipes *p)
{
    for (int i = 0; i < 3; i++) {
        int fds[2];
        CHECK(pipe2(fds, O_CLOEXEC) == 0);
        p->theirs[i] = fds[i == 2];
        p->ours[i] = fds[i != 2];
    }
    return 0;
}

static int start_command(struct asking *q, struct pipes *p)
{
    CHECK(begin_asking() == 0);
    CHECK(ask(q, ask_start) == 0);
    CHECK(begins(
        heard,
        "{\"ask\": 1, \"do\": \"start\", \"session\": 7, \"argv\": [\"cat\", \"-\"], \"env\": {\"A\": \"b=c\", "
        "\"B\": \"\"}, \"cwd\": \"there\", \"stdin\": true}"));
    CHECK(make_pipes(p) == 0);
    CHECK(say(p->theirs, 3, "{\"answer\":1,\"result\":0,\"child\":5,\"pid\":4711}") == 0);
    for (int i = 0; i < 3; i++)
        close(p->theirs[i]);
    CHECK(ly_await(q->future, NULL) == 0);
    CHECK(q->child->pid == 4711);
    return 0;
}

static int close_ours(const struct pipes *p)
{
    for (int i = 0; i < 3; i++)
        close(p->ours[i]);
    return 0;
}

static int command(void *arg)
{
    struct asking q = {.session = 7};
    struct pipes p;
    char byte = 0;
    int status = 0, before = next_descriptor();
    (void)arg;
    CHECK(start_command(&q, &p) == 0);
    struct ly__child *c = q.child;
    CHECK(write(p.ours[0], "o", 1) == 1 && ly_pipe_read(c->out, &byte, 1) == 1 && byte == 'o');
    CHECK(write(p.ours[1], "e", 1) == 1 && ly_pipe_read(c->err, &byte, 1) == 1 && byte == 'e');
    CHECK(ly_pipe_writeall(c->in, "i", 1) == 0 && read(p.ours[2], &byte, 1) == 1 && byte == 'i');
    c->calls->end_input(c);
    CHECK(read(p.ours[2], &byte, 1) == 0);
    CHECK(c->calls->wait(c, &status, 0) == -ETIMEDOUT);
    c->calls->kill(c, SIGINT);
    CHECK(strcmp(hear(), "{\"do\": \"kill\", \"child\": 5, \"signal\": 2}") == 0);
    CHECK(say(NULL, 0, "{\"ended\":5,\"status\":2}") == 0);
    CHECK(c->calls->wait(c, &status, PATIENCE_MS) == 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    CHECK(c->calls->wait(c, &status, 0) == 0); /* as often as one likes */
    c->calls->free(c);
    CHECK(strcmp(hear(), "{\"do\": \"free\", \"child\": 5}") == 0);
    CHECK(say(NULL, 0, "{\"ended\":5,\"status\":0}") == 0); /* it was on its way */
    close_ours(&p);
    int r = end_asking();
    CHECK(next_descriptor() == before);
    return r;
}

static void a_command_of_the_supervisors_is_used_as_ones_own(void **state)
{
    (void)state;
    assert_int_equal(in_loop(command), 0);
}

static int lost_command(void *arg)
{
    struct asking q = {.session = 7};
    struct pipes p;
    int status = 0;
    (void)arg;
    CHECK(start_command(&q, &p) == 0);
    CHECK(ly_shutdown(supervisor, SHUT_RDWR) == 0);
    CHECK(q.child->calls->wait(q.child, &status, PATIENCE_MS) == 0);
    CHECK(WIFSIGNALED(status)); /* the supervisor's end is its commands' */
    q.child->calls->kill(q.child, SIGTERM);
    q.child->calls->free(q.child);
    close_ours(&p);
    int r = end_asking();
    return r == -ECONNRESET ? 0 : r;
}

static void a_command_has_ended_when_the_supervisor_has(void **state)
{
    (void)state;
    assert_int_equal(in_loop(lost_command), 0);
}

static int wrong_pipes(void *arg)
{
    static const int fds[] = {0, 0, 0, 0};
    (void)arg;
    for (size_t n = 0; n <= 4; n += n == 1 ? 3 : 1) {
        struct asking q = {.session = 7};
        int before = next_descriptor();
        CHECK(begin_asking() == 0);
        CHECK(ask(&q, ask_start) == 0);
        CHECK(say(fds, n, "{\"answer\":1,\"result\":0,\"child\":5,\"pid\":4711}") == 0);
        CHECK(ly_await(q.future, NULL) == LY_EFIELD && !q.child);
        CHECK(strcmp(hear(), "{\"do\": \"free\", \"child\": 5}") == 0); /* the command is not left behind */
        CHECK(end_asking() == 0 && next_descriptor() == before);
    }
    return 0;
}

static void a_command_without_its_pipes_is_freed(void **state)
{
    (void)state;
    assert_int_equal(in_loop(wrong_pipes), 0);
}

static int no_command(void *arg)
{
    struct asking q = {.session = 7};
    (void)arg;
    CHECK(begin_asking() == 0);
    CHECK(ask(&q, ask_start) == 0);
    CHECK(say(NULL, 0, "{\"answer\":1,\"result\":0}") == 0);
    CHECK(ly_await(q.future, NULL) == LY_EFIELD);
    CHECK(ask(&q, ask_start) == 0);
    CHECK(say(NULL, 0, "{\"answer\":2,\"result\":-2,\"data\":\"cat\"}") == 0);
    CHECK(ly_await(q.future, NULL) == -ENOENT && strcmp(q.where, "cat") == 0);
    return end_asking();
}

static void a_start_without_a_command_has_failed(void **state)
{
    (void)state;
    assert_int_equal(in_loop(no_command), 0);
}

static int other_messages(void *arg)
{
    (void)arg;
    struct ly__message m = {.nfds = 0};
    static const char text[] = "{\"serve\":1}";
    CHECK(begin_asking() == 0);
    CHECK(ly_json_check(&m.json, text, sizeof text - 1) == 0);
    CHECK(ly__asker_take(&asker, &m) == 0);
    return end_asking();
}

static void what_is_no_answer_is_left_to_the_worker(void **state)
{
    (void)state;
    assert_int_equal(in_loop(other_messages), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_question_is_asked_and_its_answer_taken),
        cmocka_unit_test(a_key_goes_with_its_proof),
        cmocka_unit_test(answers_in_any_order_find_who_asked),
        cmocka_unit_test(what_answers_nothing_ends_the_channel_and_all_who_wait),
        cmocka_unit_test(without_a_supervisor_nobody_waits_for_an_answer),
        cmocka_unit_test(who_is_cancelled_still_waits_for_the_answer),
        cmocka_unit_test(a_command_of_the_supervisors_is_used_as_ones_own),
        cmocka_unit_test(a_command_has_ended_when_the_supervisor_has),
        cmocka_unit_test(a_command_without_its_pipes_is_freed),
        cmocka_unit_test(a_start_without_a_command_has_failed),
        cmocka_unit_test(what_is_no_answer_is_left_to_the_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
